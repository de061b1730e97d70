//! What belongs to no area: theme, reports of the browser, health for the machine that watches.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::{StatusCode, Uri, header};
use serde::Deserialize;
use serde_json::json;

use crate::cookies;
use crate::error::{Fault, fault, show_fault, shown_page};
use crate::extract::{Posted, Visitor};
use crate::guard::is_api;
use crate::pages::security::local_path;
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
    let back = local_path(&form.back).unwrap_or("/");
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

/// A report that the content policy stopped something. It is counted, and the count is on the
/// health page; a page's address or a snippet of it has no place in a log. Anybody can send one,
/// so only every doubling of the count gets a line.
pub async fn csp_report(State(web): State<Web>, body: Bytes) -> StatusCode {
    let count = web.reports.fetch_add(1, Ordering::Relaxed).saturating_add(1);
    if count.is_power_of_two() {
        tracing::warn!(count, bytes = body.len(), "browsers reported breaches of the content policy");
    }
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
pub async fn nowhere(uri: Uri, visitor: Visitor) -> Response {
    refuse(Fault::NotFound, &uri, &visitor)
}

/// A method that the route does not take.
pub async fn wrong_method(uri: Uri, visitor: Visitor) -> Response {
    refuse(Fault::MethodNotAllowed, &uri, &visitor)
}

fn refuse(refused: Fault, uri: &Uri, visitor: &Visitor) -> Response {
    if is_api(uri.path()) {
        return fault(refused, true, &visitor.visit.request);
    }
    shown_page(&show_fault(refused), &visitor.page("Error"))
}
