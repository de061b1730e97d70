//! What belongs to no area: theme, reports of the browser, health for the machine that watches.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::{StatusCode, Uri, header};
use serde::Deserialize;
use serde_json::json;

use crate::api::is_api;
use crate::cookies;
use crate::error::{Fault, json_shown, show_fault, shown_page};
use crate::extract::{Posted, Visitor};
use crate::web::Web;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThemeForm {
    theme: String,
    /// Path of the page that the switch was on.
    back: String,
}

/// Back to the page the switch was on, with the cookie set.
pub async fn theme(Posted { signed, form }: Posted<ThemeForm>) -> Response {
    let local = form.back.starts_with('/') && !form.back.starts_with("//") && !form.back.contains(['\\', '\r', '\n']);
    let back = if local { form.back.as_str() } else { "/" };
    let cookie = match form.theme.as_str() {
        "light" | "dark" => cookies::set(&signed.web.settings, cookies::THEME, &form.theme),
        _ => cookies::clear(&signed.web.settings, cookies::THEME),
    };
    let mut response = Redirect::to(back).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// A report that the content policy stopped something. Only its size is kept: a page's address or
/// a snippet of it has no place in a log.
pub async fn csp_report(body: Bytes) -> StatusCode {
    tracing::warn!(bytes = body.len(), "a browser reported a breach of the content policy");
    StatusCode::NO_CONTENT
}

/// The process answers.
pub async fn healthz() -> Response {
    Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})).into_response()
}

/// Both stores can be read.
pub async fn readyz(State(web): State<Web>) -> Response {
    match web.app.ready().await {
        Ok(()) => Json(json!({"status": "ready"})).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], Json(json!({"status": "not ready"}))).into_response(),
    }
}

/// An address that no route has.
pub async fn nowhere(visitor: Visitor, uri: Uri) -> Response {
    refused(&visitor, uri.path(), Fault::NotFound)
}

/// A method that the route does not take.
pub async fn wrong_method(visitor: Visitor, uri: Uri) -> Response {
    refused(&visitor, uri.path(), Fault::MethodNotAllowed)
}

fn refused(visitor: &Visitor, path: &str, fault: Fault) -> Response {
    if is_api(path) {
        return json_shown(&show_fault(fault), &visitor.visit.request, Vec::new());
    }
    shown_page(&show_fault(fault), &visitor.page("Error"))
}
