//! What handlers of the API give back: one of a few kinds of answer, or a refusal.
//!
//! A refusal does not know its request; the layer [`speak`] turns it into JSON with the request id.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use wardkeep_app::Error;
use wardkeep_domain::{FieldError, FieldErrors};

use super::describe::{Described, Says};
use crate::error::{self, Fault, Shown, show_fault};
use crate::web::RequestId;

pub type Answer<T> = Result<T, Refused>;

/// Why a call did not do what was asked.
#[derive(Debug)]
pub enum Refused {
    App(Error),
    Fault(Fault),
    /// A fault in words of its own.
    Told(Box<Shown>),
    /// A refusal with something to look at beside it, under this name.
    With(Box<Shown>, &'static str, Value),
    /// A refusal in the shape of RFC 6749 section 5.2.
    OAuth {
        status: StatusCode,
        code: &'static str,
        words: &'static str,
    },
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::App(error)
    }
}

impl From<FieldErrors> for Refused {
    fn from(errors: FieldErrors) -> Self {
        Self::App(errors.into())
    }
}

impl From<FieldError> for Refused {
    fn from(error: FieldError) -> Self {
        FieldErrors::from(error).into()
    }
}

impl Refused {
    /// A fault with a sentence that says more.
    pub(crate) fn told(fault: Fault, words: impl Into<String>) -> Self {
        Self::Told(Box::new(Shown { words: words.into(), ..show_fault(fault) }))
    }
    fn into_json(self: &Arc<Self>, request: &[u8; 16], doing: &str) -> Response {
        match self.as_ref() {
            Self::App(error) => error::json(error, request, doing),
            Self::Fault(fault) => error::json_shown(&show_fault(*fault), request, Vec::new()),
            Self::Told(shown) => error::json_shown(shown, request, Vec::new()),
            Self::OAuth { status, code, words } => {
                (*status, Json(serde_json::json!({"error": code, "error_description": words}))).into_response()
            }
            Self::With(shown, name, value) => error::json_with(shown, request, Vec::new(), Some((name, value.clone()))),
        }
    }
}

/// The names that a form gives its fields are not always those of the JSON body.
pub(crate) fn renamed(names: &'static [(&'static str, &'static str)]) -> impl Fn(Error) -> Refused {
    move |error| match error {
        Error::Invalid(errors) => {
            let name = |field| names.iter().find(|(form, _)| *form == field).map_or(field, |(_, json)| *json);
            let errors = errors.0.into_iter().map(|error| FieldError { field: name(error.field), ..error }).collect();
            FieldErrors(errors).into()
        }
        error => error.into(),
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Lies around every handler of the API.
pub async fn speak(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map_or([0; 16], |id| id.0);
    // Paths of the API hold nothing but fixed words and random ids.
    let doing = format!("{} {}", request.method(), request.uri().path());
    let mut response = next.run(request).await;
    let Some(refused) = response.extensions_mut().remove::<Arc<Refused>>() else { return response };
    let scheme = if matches!(*refused, Refused::OAuth { .. }) { "Basic realm=\"wardkeep\"" } else { "Bearer" };
    let mut response = refused.into_json(&id, &doing);
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    }
    response
}

/// 200 with this.
#[derive(Debug)]
pub struct Said<T>(pub T);

impl<T: Serialize> IntoResponse for Said<T> {
    fn into_response(self) -> Response {
        Json(self.0).into_response()
    }
}

impl<T: ToSchema> Says for Said<T> {
    fn says(described: &mut Described) {
        described.answers_json::<T>(StatusCode::OK);
    }
}

/// 201 with this.
#[derive(Debug)]
pub struct Made<T>(pub T);

impl<T: Serialize> IntoResponse for Made<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

impl<T: ToSchema> Says for Made<T> {
    fn says(described: &mut Described) {
        described.answers_json::<T>(StatusCode::CREATED);
    }
}

/// 204: it is done and there is nothing to say.
#[derive(Debug)]
pub struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl Says for Done {
    fn says(described: &mut Described) {
        described.answers(StatusCode::NO_CONTENT, "Done.", None);
    }
}

/// The same as [`Said`], with a cookie for those who signed in with one.
#[derive(Debug)]
pub struct WithCookie<T>(pub Option<HeaderValue>, pub T);

impl<T: Serialize> IntoResponse for WithCookie<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.1).into_response();
        if let Some(cookie) = self.0 {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

impl<T: ToSchema> Says for WithCookie<T> {
    fn says(described: &mut Described) {
        described.answers_json::<T>(StatusCode::OK);
    }
}

/// A CSV file.
#[derive(Debug)]
pub struct Csv(pub Vec<u8>);

impl IntoResponse for Csv {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], self.0).into_response()
    }
}

impl Says for Csv {
    fn says(described: &mut Described) {
        described.answers(StatusCode::OK, "A CSV file; cells that a spreadsheet would run are neutralised.", Some("text/csv"));
    }
}

/// Plain text.
#[derive(Debug)]
pub struct Text(pub String);

impl IntoResponse for Text {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], self.0).into_response()
    }
}

impl Says for Text {
    fn says(described: &mut Described) {
        described.answers(StatusCode::OK, "Plain text.", Some("text/plain"));
    }
}

/// JSON that is ready.
#[derive(Debug)]
pub struct Ready(pub Bytes);

impl IntoResponse for Ready {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

impl Says for Ready {
    fn says(described: &mut Described) {
        described.answers(StatusCode::OK, "This document.", Some("application/json"));
    }
}
