//! What lies around every handler: one log line per request, panics caught, time limits; and for
//! pages that show a form, the question to policy that the form itself will ask.
//!
//! The log line holds the route's template and never the path: ids, tokens and whatever somebody
//! typed into an address stay out of it, and so does everything else that came from outside.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt;
use http::{StatusCode, header};
use tower_http::timeout::TimeoutBody;
use wardkeep_app::Error;
use wardkeep_app::drafts::Form;
use wardkeep_domain::{AssessmentId, DocumentId, PatientId, RecordId};
use wardkeep_policy::Action;

use crate::error::{self, Fault};
use crate::extract::{Known, Signed};
use crate::limits;
use crate::web::{RequestId, Web};

/// The template of the route that took the request, for the log line; set by the route itself.
#[derive(Clone, Default)]
struct Taken(Arc<OnceLock<&'static str>>);

/// Catches panics and writes the request's line. A panic's message may hold anything, so it is
/// told by the binary's hook as a place in the code alone.
pub async fn observe(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map_or([0; 16], |id| id.0);
    let method = known_method(request.method());
    let taken = Taken::default();
    request.extensions_mut().insert(taken.clone());
    let api = is_api(request.uri().path());
    let began = web.clock.now();
    let response = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let route = taken.0.get().copied().unwrap_or("none");
    let response = match response {
        Ok(response) => dressed(response, api, &id),
        Err(_) => {
            tracing::error!(request = %hex::encode(id), method, route, "a handler panicked");
            error::fault(Fault::Panicked, api, &id)
        }
    };
    let (status, took_ms) = (response.status().as_u16(), web.clock.now().since_ms(began));
    tracing::info!(request = %hex::encode(id), method, route, status, took_ms, "answered");
    response
}

/// The framework refuses what it cannot parse in plain text of its own, which repeats what was
/// sent. Only [`error::show_fault`] decides what a client sees.
fn dressed(response: Response, api: bool, request: &[u8; 16]) -> Response {
    let plain = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/plain"));
    if !plain || !response.status().is_client_error() {
        return response;
    }
    let refused = match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Fault::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Fault::UnsupportedType,
        StatusCode::NOT_FOUND => Fault::NotFound,
        _ => Fault::Malformed,
    };
    error::fault(refused, api, request)
}

/// A method is text from outside; the usual ones are named.
fn known_method(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// The API answers in JSON, also when it refuses.
pub(crate) fn is_api(path: &str) -> bool {
    path.strip_prefix("/api").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Every route's own layer: ends a request that takes too long, and one whose body stops coming.
pub async fn in_time(State((route, most)): State<(&'static str, Duration)>, request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map_or([0; 16], |id| id.0);
    let api = is_api(request.uri().path());
    if let Some(taken) = request.extensions().get::<Taken>() {
        // Set once: a request has one route.
        let _ = taken.0.set(route);
    }
    let request = request.map(|body| Body::new(TimeoutBody::new(limits::BODY_PAUSE, body)));
    match tokio::time::timeout(most, next.run(request)).await {
        Ok(response) => response,
        Err(_) => error::fault(Fault::TooSlow, api, &id),
    }
}

/// Before the page of a form: may this person do what the form is for? Asked with the ids of the
/// address, so that nobody is shown a form that the act behind it would refuse.
pub async fn ask_first(State((web, action)): State<(Web, Action)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let signed = match Signed::from_request_parts(&mut parts, &web).await {
        Ok(signed) => signed,
        Err(refused) => return refused,
    };
    let ids = Option::<Path<HashMap<String, String>>>::from_request_parts(&mut parts, &web).await.ok().flatten();
    let ids = ids.map(|Path(ids)| ids).unwrap_or_default();
    if let Err(error) = may(&signed, action, &ids).await {
        return signed.fail(&error);
    }
    parts.extensions.insert(Known(signed.ctx));
    next.run(Request::from_parts(parts, body)).await
}

async fn may(signed: &Signed, action: Action, ids: &HashMap<String, String>) -> wardkeep_app::Result<()> {
    let (patient, entry) = about(ids)?;
    signed.web.app.may(&signed.ctx, action, patient, entry).await
}

/// A form by its address, for a draft of it.
pub(crate) fn form(path: &str, action: Action, ids: &HashMap<String, String>) -> wardkeep_app::Result<Form> {
    let (patient, entry) = about(ids)?;
    Ok(Form::new(path, action, patient, entry))
}

/// The patient and the entry that the ids of an address name.
fn about(ids: &HashMap<String, String>) -> wardkeep_app::Result<(Option<PatientId>, Option<[u8; 16]>)> {
    let patient = match ids.get("patient") {
        Some(text) => Some(PatientId::parse(text).ok_or(Error::NotFound)?),
        None => None,
    };
    let entry = ["record", "document", "assessment"].into_iter().find_map(|name| Some((name, ids.get(name)?)));
    let entry = match entry {
        Some(("record", text)) => Some(RecordId::parse(text).ok_or(Error::NotFound)?.bytes()),
        Some(("document", text)) => Some(DocumentId::parse(text).ok_or(Error::NotFound)?.bytes()),
        Some((_, text)) => Some(AssessmentId::parse(text).ok_or(Error::NotFound)?.bytes()),
        None => None,
    };
    Ok((patient, entry))
}

#[cfg(test)]
mod tests {
    use super::is_api;

    #[test]
    fn only_the_component_api_is_the_api() {
        for path in ["/api", "/api/", "/api/v1/patients"] {
            assert!(is_api(path), "{path}");
        }
        for path in ["/", "/apis", "/api-docs", "/patients/api", "api", "/API/v1", "/apiv1/"] {
            assert!(!is_api(path), "{path}");
        }
    }
}
