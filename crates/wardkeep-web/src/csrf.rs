//! Cross-site request forgery, first two lines: fetch metadata, then `Origin` (the algorithm of
//! Go 1.25's CrossOriginProtection). The third line, the form token, is checked by
//! [`crate::extract::Posted`], the only way to read a form.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, header};

use crate::error::{Fault, plain};
use crate::web::Web;

/// Lies under every route. Safe methods pass (they never change state), except cross-site
/// embedding of our pages as script, image or frame.
pub async fn guard(State(web): State<Web>, request: Request, next: Next) -> Response {
    if allowed(&web, &request) { next.run(request).await } else { plain(Fault::CrossSite).into_response() }
}

fn allowed(web: &Web, request: &Request) -> bool {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let site = header("sec-fetch-site");
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        let embedded = matches!(header("sec-fetch-dest"), Some("script" | "image" | "embed" | "object" | "frame" | "iframe"));
        return !(embedded && site == Some("cross-site"));
    }
    match (site, header(header::ORIGIN.as_str())) {
        (Some("same-origin"), _) => true,
        (Some(_), _) => false,
        (None, Some(origin)) => origin == web.settings.origin,
        // A client without fetch metadata and Origin is no browser: only bearer calls may pass.
        (None, None) => header(header::AUTHORIZATION.as_str()).is_some_and(|value| value.starts_with("Bearer ")),
    }
}
