//! One place that decides what a client sees of an error: status, stable code, safe text, request
//! id. The cause goes to the server's own log once, here.

use axum::Json;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderValue, StatusCode, header};
use wardkeep_app::Error;

use crate::page::{Page, render};
use crate::pages::security::local_path;

/// A refusal that no use case makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    CrossSite,
    FormToken,
    Malformed,
    TooLarge,
    UnsupportedType,
    MethodNotAllowed,
    NotFound,
    TooManyRequests,
    TooSlow,
    Panicked,
}

/// What the client sees.
#[derive(Clone, Debug)]
pub struct Shown {
    pub status: StatusCode,
    /// Stable, for programs: `not_found`, `conflict` …
    pub code: &'static str,
    pub title: &'static str,
    /// What happened and what to do next.
    pub words: String,
    pub retry_after_s: Option<u32>,
}

fn shown(status: StatusCode, code: &'static str, title: &'static str, words: impl Into<String>) -> Shown {
    Shown { status, code, title, words: words.into(), retry_after_s: None }
}

/// The mapping. Nothing else in this crate chooses a status for an error.
#[must_use]
pub fn show(error: &Error) -> Shown {
    match error {
        Error::SignedOut => {
            shown(StatusCode::UNAUTHORIZED, "signed_out", "Sign in to go on", "Your session has ended or you have not signed in yet.")
        }
        Error::WrongCredentials => shown(
            StatusCode::UNAUTHORIZED,
            "wrong_credentials",
            "That did not work",
            "The name, password or code is not right. Check them and try again.",
        ),
        Error::Throttled { retry_after_s } => {
            let words = format!("That was too often or too fast. Wait {retry_after_s} seconds, then try again.");
            Shown { retry_after_s: Some(*retry_after_s), ..shown(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", "Wait a moment", words) }
        }
        Error::Denied(denial) if denial.step_up => shown(
            StatusCode::FORBIDDEN,
            "step_up",
            "Confirm it is you",
            "This needs a code from your authenticator app, entered within the last five minutes.",
        ),
        Error::Denied(denial) => shown(StatusCode::FORBIDDEN, "denied", "You may not do this", denial.reason.clone()),
        Error::NotFound => shown(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is nothing here",
            "The page does not exist, or it is not open to you. Check the address, or go back to your start page.",
        ),
        Error::SecondPerson(_) => second_person(),
        Error::Invalid(errors) => shown(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Some entries need correction", errors.to_string()),
        Error::Conflict { .. } => shown(
            StatusCode::CONFLICT,
            "conflict",
            "Somebody else changed this first",
            "Your text is not lost: go back, copy it, and open the newest version.",
        ),
        Error::Refused(words) => shown(StatusCode::CONFLICT, "refused", "That is not possible now", words.clone()),
        Error::OutOfRange { .. } => shown(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "out_of_range",
            "No such part",
            "The file has no bytes in the range that was asked for.",
        ),
        Error::Integrity => shown(
            StatusCode::UNPROCESSABLE_ENTITY,
            "check_failed",
            "The integrity check failed",
            "This entry does not match the log. It is kept and marked, and an administrator has been told.",
        ),
        Error::Unavailable(_) => out_of_reach(
            "unavailable",
            "Not available for a moment",
            "The system cannot write its log now, so nothing was shown and nothing was changed. Try again in a moment.",
        ),
        Error::Unknown(_) => out_of_reach(
            "unknown_outcome",
            "Look whether it was saved",
            "The answer of the store was lost, so it is not known whether this was saved. Look first, and send it again only when it is not there.",
        ),
        Error::Internal(_) => internal(),
    }
}

fn internal() -> Shown {
    shown(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "Something went wrong",
        "Nothing was changed. Tell your administrator the request number below.",
    )
}

fn second_person() -> Shown {
    shown(
        StatusCode::CONFLICT,
        "second_person",
        "This needs a second person",
        "One person may not do this alone. Ask for it on the pages, under Requests; once somebody else has approved it, you do it there.",
    )
}

fn out_of_reach(code: &'static str, title: &'static str, words: &'static str) -> Shown {
    Shown { retry_after_s: Some(5), ..shown(StatusCode::SERVICE_UNAVAILABLE, code, title, words) }
}

#[must_use]
pub fn show_fault(fault: Fault) -> Shown {
    match fault {
        Fault::CrossSite => {
            shown(StatusCode::FORBIDDEN, "cross_site", "Refused", "This request came from another site. Open the page here and try again.")
        }
        Fault::FormToken => shown(
            StatusCode::FORBIDDEN,
            "form_expired",
            "This form has expired",
            "You have signed in again since it was opened. Go back, reload the page, and send it once more.",
        ),
        Fault::Malformed => shown(
            StatusCode::BAD_REQUEST,
            "malformed",
            "That request was not understood",
            "It holds fields that are unknown, missing or sent twice.",
        ),
        Fault::TooLarge => shown(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "That is too large",
            "Send less at once. Files may have up to 100 MiB, texts up to 64 KiB.",
        ),
        Fault::UnsupportedType => shown(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_type",
            "That type is not taken",
            "The API takes application/json; forms are sent as a browser sends them.",
        ),
        Fault::MethodNotAllowed => shown(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "That is not possible here",
            "This address does not take that kind of request.",
        ),
        Fault::NotFound => show(&Error::NotFound),
        Fault::TooManyRequests => Shown {
            retry_after_s: Some(10),
            ..shown(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "Wait a moment",
                "That was faster than anyone reads. Try again in ten seconds.",
            )
        },
        Fault::TooSlow => shown(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            "That took too long",
            "The request did not arrive in time. Check your connection, and look whether it was done before you send it again.",
        ),
        Fault::Panicked => show(&Error::Internal(String::new())),
    }
}

/// Logs the cause once, with the request id and what was being done.
pub fn log(error: &Error, request: &[u8; 16], doing: &str) {
    match error {
        Error::Internal(cause) | Error::Unavailable(cause) | Error::Unknown(cause) => {
            tracing::error!(request = %hex::encode(request), doing, cause, "failed")
        }
        Error::Integrity => tracing::error!(request = %hex::encode(request), doing, "integrity check failed"),
        _ => {}
    }
}

/// An error page for somebody signed in (`page` is their chrome) or not.
#[derive(askama::Template)]
#[template(path = "errors/error.html")]
struct ErrorPage<'a> {
    page: &'a Page,
    shown: &'a Shown,
    request: String,
}

/// The error as a page. `SignedOut` becomes the sign-in page.
#[must_use]
pub fn page(error: &Error, page: &Page) -> Response {
    log(error, &page.request, &page.title);
    if matches!(error, Error::SignedOut) {
        return Redirect::to("/sign-in").into_response();
    }
    if matches!(error, Error::Denied(denial) if denial.step_up) {
        let next = local_path(&page.path).unwrap_or("/security");
        return Redirect::to(&format!("/security/confirm?next={next}")).into_response();
    }
    shown_page(&show(error), page)
}

/// Lets the client see what [`show`] says of an error in another page of its status.
pub(crate) fn dress(response: &mut Response, shown: &Shown) {
    *response.status_mut() = shown.status;
    retry(response, shown);
    response.extensions_mut().insert(shown.clone());
}

/// Any refusal as a page.
#[must_use]
pub fn shown_page(shown: &Shown, page: &Page) -> Response {
    let page_titled = page.clone().titled(shown.title);
    let mut response = render(&ErrorPage { page: &page_titled, shown, request: hex::encode(page.request) });
    dress(&mut response, shown);
    response
}

fn retry(response: &mut Response, shown: &Shown) {
    if let Some(value) = shown.retry_after_s.and_then(|seconds| HeaderValue::from_str(&seconds.to_string()).ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
}

/// The error as JSON: `{"error":{"code","message","request","fields":[{"field","message"}]}}`; a
/// conflict has `current`, the version now, beside it.
#[must_use]
pub fn json(error: &Error, request: &[u8; 16], doing: &str) -> Response {
    log(error, request, doing);
    let fields: Vec<_> = match error {
        Error::Invalid(errors) => errors.0.iter().map(|e| serde_json::json!({"field": e.field, "message": e.message})).collect(),
        _ => Vec::new(),
    };
    if let Error::Conflict { current } = error {
        let words = "Somebody else changed this first. Read it again, and send your change against the current version.".to_owned();
        return json_with(&Shown { words, ..show(error) }, request, fields, Some(("current", serde_json::json!(current))));
    }
    json_with(&show(error), request, fields, None)
}

#[must_use]
pub fn json_shown(shown: &Shown, request: &[u8; 16], fields: Vec<serde_json::Value>) -> Response {
    json_with(shown, request, fields, None)
}

/// A refusal with something to look at beside it.
#[must_use]
pub fn json_with(shown: &Shown, request: &[u8; 16], fields: Vec<serde_json::Value>, more: Option<(&str, serde_json::Value)>) -> Response {
    let mut body =
        serde_json::json!({"error": {"code": shown.code, "message": shown.words, "request": hex::encode(request), "fields": fields}});
    if let (Some((name, value)), Some(object)) = (more, body.as_object_mut()) {
        object.insert(name.to_owned(), value);
    }
    let mut response = (shown.status, Json(body)).into_response();
    retry(&mut response, shown);
    response
}

/// A refusal before anything is known of the client: JSON for the API, else short HTML without chrome.
#[must_use]
pub fn fault(fault: Fault, api: bool, request: &[u8; 16]) -> Response {
    let shown = show_fault(fault);
    if api {
        return json_shown(&shown, request, Vec::new());
    }
    let html = format!(
        "<!doctype html><html lang=\"en\"><title>{0}</title><h1>{0}</h1><p>{1}</p><p>Request {2}</p>",
        shown.title,
        shown.words,
        hex::encode(request)
    );
    (shown.status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}
