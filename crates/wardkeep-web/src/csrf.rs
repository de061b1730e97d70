//! Cross-site request forgery, first two lines: fetch metadata, then `Origin` (the algorithm of
//! Go 1.25's CrossOriginProtection). The third line, the form token, is checked by
//! [`crate::extract::Posted`], the only way to read a form.
//!
//! The API has no forms. There a request that changes something carries a bearer token or the
//! header `X-Wardkeep: 1`; neither can be sent from another site without a preflight, and no
//! preflight is answered here. A cookie without that header counts for nothing (see
//! [`crate::api::take::Caller`]), and every body has a media type that no form can send.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, header};

use crate::api::is_api;
use crate::api::take::bearer;
use crate::error::{Fault, Shown, json_shown, plain, show_fault};
use crate::web::{RequestId, Web};

/// Calls of the API by cookie, and its first sign-in step, carry this header with the value `1`.
pub const API_HEADER: &str = "x-wardkeep";

/// Was [`API_HEADER`] sent as it should be?
#[must_use]
pub fn has_api_header(headers: &HeaderMap) -> bool {
    headers.get(API_HEADER).is_some_and(|value| value.as_bytes() == b"1")
}

/// Lies under every route. Safe methods pass (they never change state), except cross-site
/// embedding of our pages as script, image or frame.
pub async fn guard(State(web): State<Web>, request: Request, next: Next) -> Response {
    if allowed(&web, &request) {
        return next.run(request).await;
    }
    if is_api(request.uri().path()) {
        let id = request.extensions().get::<RequestId>().map_or([0; 16], |id| id.0);
        let words = "Send a bearer token, or the header X-Wardkeep: 1, from this site or from no site at all.";
        return json_shown(&Shown { words: words.to_owned(), ..show_fault(Fault::CrossSite) }, &id, Vec::new());
    }
    plain(Fault::CrossSite).into_response()
}

fn allowed(web: &Web, request: &Request) -> bool {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let site = header("sec-fetch-site");
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        let embedded = matches!(header("sec-fetch-dest"), Some("script" | "image" | "embed" | "object" | "frame" | "iframe"));
        return !(embedded && site == Some("cross-site"));
    }
    let origin = header(header::ORIGIN.as_str());
    if is_api(request.uri().path()) {
        // A client without fetch metadata and Origin is no browser; a browser must be on our pages.
        let ours = site.is_none_or(|site| site == "same-origin") && origin.is_none_or(|origin| origin == web.settings.origin);
        return ours && (bearer(request.headers()).is_some() || has_api_header(request.headers()));
    }
    match (site, origin) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => origin == web.settings.origin,
        (None, None) => false,
    }
}
