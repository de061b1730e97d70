//! Security headers on every answer.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};

use crate::cookies;
use crate::web::{RequestId, Web};

const CSP_HTML: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; require-trusted-types-for 'script'; \
    trusted-types default htmx; report-uri /csp-report";
const CSP_OTHER: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

const FIXED: [(&str, &str); 9] = [
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-resource-policy", "same-origin"),
    ("origin-agent-cluster", "?1"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=(), payment=(), usb=(), publickey-credentials-get=(self), publickey-credentials-create=(self)",
    ),
    ("x-permitted-cross-domain-policies", "none"),
];

/// The outermost layer: gives the request its id and the answer its headers.
pub async fn apply(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let id = RequestId(web.entropy.bytes());
    let told = cookies::get(&web.settings, request.headers(), cookies::NOTICE).is_some();
    request.extensions_mut().insert(id);
    let mut response = next.run(request).await;
    let html = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(if html { CSP_HTML } else { CSP_OTHER }));
    // Static assets set their own; everything else may hold patient data.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    // The page has shown the notice; a new one, set by a redirect, stays.
    if told
        && html
        && let Some(value) = cookies::clear(&web.settings, cookies::NOTICE)
    {
        headers.append(header::SET_COOKIE, value);
    }
    if web.settings.secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000; includeSubDomains"));
    }
    if let Ok(value) = HeaderValue::from_str(&hex::encode(id.0)) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    response
}
