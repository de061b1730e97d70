//! What handlers of the API take: who calls, which ids, which query, which body.
//!
//! One JSON parser for every body: `application/json` only, unknown and repeated fields refused,
//! the route's bound held before anything is read.

use axum::RequestExt;
use axum::body::Body as HttpBody;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use serde::de::DeserializeOwned;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Required, Schema};
use utoipa::{IntoParams, ToSchema};
use wardkeep_app::services::TOKEN_PREFIX;
use wardkeep_app::{App, Ctx, Error, Visit};
use wardkeep_domain::document::DocumentForm;
use wardkeep_domain::{AccountId, AssessmentId, DocumentId, FieldError, LogEventId, PatientId, RecordId, SessionId};

use super::answer::Refused;
use super::describe::{Described, Takes};
use crate::cookies;
use crate::csrf::has_api_header;
use crate::error::Fault;
use crate::web::Web;

/// The token of `Authorization: Bearer …`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::trim)
}

/// Somebody signed in: by bearer token, or by cookie together with the header `X-Wardkeep: 1`.
pub struct Caller {
    pub web: Web,
    pub ctx: Ctx,
    pub headers: HeaderMap,
    /// The session came in a cookie.
    pub by_cookie: bool,
}

impl Caller {
    pub(crate) fn app(&self) -> &App {
        &self.web.app
    }
}

impl FromRequestParts<Web> for Caller {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Refused> {
        let (token, by_cookie) = match bearer(&parts.headers) {
            Some(token) => (token.to_owned(), false),
            None if has_api_header(&parts.headers) => {
                (cookies::get(&web.settings, &parts.headers, cookies::SESSION).unwrap_or_default(), true)
            }
            None => return Err(Error::SignedOut.into()),
        };
        let visit = web.visit(parts);
        // A token of a program counts as a bearer token alone.
        let ctx = if !by_cookie && token.starts_with(TOKEN_PREFIX) {
            web.app.authenticate_service(visit, &token).await?
        } else {
            web.app.authenticate(visit, &token).await?
        };
        Ok(Self { web: web.clone(), ctx, headers: parts.headers.clone(), by_cookie })
    }
}

impl Takes for Caller {
    fn takes(_: &mut Described) {}
}

/// Somebody who has not signed in yet. `token` is that of a sign-in in progress, sent as bearer.
pub struct Guest {
    pub web: Web,
    pub visit: Visit,
    pub token: String,
}

impl FromRequestParts<Web> for Guest {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Refused> {
        let token = bearer(&parts.headers).unwrap_or_default().to_owned();
        Ok(Self { web: web.clone(), visit: web.visit(parts), token })
    }
}

impl Takes for Guest {
    fn takes(_: &mut Described) {}
}

/// An id that stands in a path.
pub trait Id: Sized {
    fn read(text: &str) -> Option<Self>;
}

macro_rules! ids {
    ($($id:ident),+) => {$(
        impl Id for $id {
            fn read(text: &str) -> Option<Self> {
                Self::parse(text)
            }
        }
    )+};
}
ids!(AccountId, AssessmentId, DocumentId, LogEventId, PatientId, RecordId, SessionId);

/// The ids of a path, in order.
pub trait PathIds: Sized {
    fn read_all(texts: &[&str]) -> Option<Self>;
}

impl<A: Id> PathIds for A {
    fn read_all(texts: &[&str]) -> Option<Self> {
        let [a] = texts else { return None };
        A::read(a)
    }
}

impl<A: Id, B: Id> PathIds for (A, B) {
    fn read_all(texts: &[&str]) -> Option<Self> {
        let [a, b] = texts else { return None };
        Some((A::read(a)?, B::read(b)?))
    }
}

/// The ids of the path in their one form; anything else does not exist.
#[derive(Debug)]
pub struct Ids<T>(pub T);

impl<T: PathIds> FromRequestParts<Web> for Ids<T> {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Refused> {
        let params = RawPathParams::from_request_parts(parts, web).await.map_err(|_| Refused::Fault(Fault::NotFound))?;
        let texts: Vec<&str> = params.iter().map(|(_, value)| value).collect();
        T::read_all(&texts).map(Self).ok_or(Refused::Fault(Fault::NotFound))
    }
}

impl<T> Takes for Ids<T> {
    /// The table reads them from the path.
    fn takes(_: &mut Described) {}
}

/// The query string.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Web> for Asked<T> {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, _: &Web) -> Result<Self, Refused> {
        let asked = Query::<T>::try_from_uri(&parts.uri);
        asked.map(|Query(asked)| Self(asked)).map_err(|_| {
            Refused::told(
                Fault::Malformed,
                "The query was not understood: it holds parameters that are unknown, of a wrong type or sent twice.",
            )
        })
    }
}

impl<T: IntoParams> Takes for Asked<T> {
    fn takes(described: &mut Described) {
        described.parameters.extend(T::into_params(|| Some(ParameterIn::Query)));
    }
}

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// The media type of the body, without parameters.
fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

pub(crate) fn is_type(headers: &HeaderMap, wanted: &str) -> Result<(), Refused> {
    if media_type(headers).is_some_and(|found| found.eq_ignore_ascii_case(wanted)) {
        return Ok(());
    }
    Err(Refused::told(Fault::UnsupportedType, format!("This address takes {wanted}: name it in Content-Type.")))
}

async fn whole_body(request: Request, web: &Web) -> Result<Bytes, Refused> {
    Bytes::from_request(request, web).await.map_err(|rejection| {
        let too_large = rejection.status() == http::StatusCode::PAYLOAD_TOO_LARGE;
        Refused::Fault(if too_large { Fault::TooLarge } else { Fault::Malformed })
    })
}

impl<T: DeserializeOwned> FromRequest<Web> for Body<T> {
    type Rejection = Refused;
    async fn from_request(request: Request, web: &Web) -> Result<Self, Refused> {
        is_type(request.headers(), "application/json")?;
        let bytes = whole_body(request, web).await?;
        read(&bytes).map(Self).map_err(|words| Refused::told(Fault::Malformed, words))
    }
}

/// The one JSON parser, with its words. The place is told, never the value: it may be a patient's.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| {
        let what = if error.is_data() { "a field there is unknown, missing, repeated or of a wrong type" } else { "it is not JSON there" };
        format!("The body was not understood at line {}, column {}: {what}.", error.line(), error.column())
    })
}

impl<T: ToSchema> Takes for Body<T> {
    fn takes(described: &mut Described) {
        described.takes_json::<T>();
    }
}

/// A handler that has its own words for a body that does not get in.
impl<T: Takes> Takes for Result<T, Refused> {
    fn takes(described: &mut Described) {
        T::takes(described);
    }
}

/// A CSV file as the body.
#[derive(Debug)]
pub struct CsvBody(pub Bytes);

impl FromRequest<Web> for CsvBody {
    type Rejection = Refused;
    async fn from_request(request: Request, web: &Web) -> Result<Self, Refused> {
        is_type(request.headers(), "text/csv")?;
        whole_body(request, web).await.map(Self)
    }
}

impl Takes for CsvBody {
    fn takes(described: &mut Described) {
        described.takes("text/csv");
    }
}

/// A file as the body, bounded, read as it comes; what else there is to say of it stands in headers.
pub struct Octets {
    pub form: DocumentForm,
    pub body: HttpBody,
}

/// Name of the file, percent-encoded UTF-8.
pub const FILE_NAME: &str = "x-file-name";
/// Its media type.
pub const FILE_TYPE: &str = "x-file-type";
/// What it is, percent-encoded UTF-8.
pub const FILE_DESCRIPTION: &str = "x-file-description";
/// Its mark's code, when it is sensitive.
pub const FILE_MARK: &str = "x-file-mark";

/// A header of percent-encoded UTF-8; empty when it is not there.
pub(crate) fn decoded(headers: &HeaderMap, name: &'static str) -> Result<String, Refused> {
    let wrong = || FieldError::new(name, "Send this header as percent-encoded UTF-8.");
    let text = headers.get(HeaderName::from_static(name)).map_or(Ok(""), |value| value.to_str()).map_err(|_| wrong())?;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(if byte == b'%' { digit().zip(digit()).map(|(high, low)| high << 4 | low).ok_or_else(wrong)? } else { byte });
    }
    Ok(String::from_utf8(bytes).map_err(|_| wrong())?)
}

impl FromRequest<Web> for Octets {
    type Rejection = Refused;
    async fn from_request(request: Request, _: &Web) -> Result<Self, Refused> {
        is_type(request.headers(), "application/octet-stream")?;
        let form = DocumentForm {
            file_name: decoded(request.headers(), FILE_NAME)?,
            declared_type: decoded(request.headers(), FILE_TYPE)?,
            description: decoded(request.headers(), FILE_DESCRIPTION)?,
            mark: decoded(request.headers(), FILE_MARK)?,
        };
        Ok(Self { form, body: request.with_limited_body().into_body() })
    }
}

impl Takes for Octets {
    fn takes(described: &mut Described) {
        described.takes("application/octet-stream");
        let words = [
            (FILE_NAME, "Name of the file with its extension, percent-encoded UTF-8.", true),
            (FILE_TYPE, "Its media type, for example application/pdf.", true),
            (FILE_DESCRIPTION, "What it is, percent-encoded UTF-8.", false),
            (FILE_MARK, "A mark that needs a permission of its own to read, for example psychiatric.", false),
        ];
        described.parameters.extend(words.map(|(name, words, needed)| header_parameter(name, words, needed)));
    }
}

fn header_parameter(name: &str, words: &str, needed: bool) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(if needed { Required::True } else { Required::False })
        .description(Some(words))
        .schema(Some(RefOr::<Schema>::from(ObjectBuilder::new().schema_type(Type::String))))
        .build()
}

/// Largest cursor there is: sequences are stored as signed numbers.
const CURSOR_MAX: u64 = u64::MAX >> 1;

/// The cursor of a list.
pub(crate) fn cursor(text: Option<&str>) -> Result<Option<u64>, Refused> {
    let Some(text) = text else { return Ok(None) };
    let found = text.parse::<u64>().ok().filter(|cursor| *cursor <= CURSOR_MAX && cursor.to_string() == text);
    found.map(Some).ok_or_else(wrong_cursor)
}

pub(crate) fn wrong_cursor() -> Refused {
    FieldError::new("after", "Give back the value of `next` from the page before, as it was.").into()
}
