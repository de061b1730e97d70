//! What a handler takes and says, read from its types; the OpenAPI document is written from it.

use axum::handler::Handler;
use axum::middleware::from_fn;
use axum::routing::{self, MethodRouter};
use http::StatusCode;
use utoipa::ToSchema;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{Object, Schema};
use utoipa::openapi::{Content, Ref, RefOr, Required, Response, ResponseBuilder};

use super::answer::{Answer, speak};
use crate::routes::{Guard, Route};
use crate::web::Web;

/// What the types of one handler say.
#[derive(Default)]
pub struct Described {
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<RequestBody>,
    pub(super) answers: Vec<(StatusCode, Response)>,
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

impl Described {
    fn schema<T: ToSchema>(&mut self) -> Ref {
        let name = T::name().into_owned();
        self.schemas.push((name.clone(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(name)
    }
    pub(super) fn takes_json<T: ToSchema>(&mut self) {
        let content = Content::new(Some(self.schema::<T>()));
        self.body = Some(RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True)).build());
    }
    pub(super) fn takes(&mut self, media_type: &str) {
        let content = Content::new(Some(Object::new()));
        self.body = Some(RequestBodyBuilder::new().content(media_type, content).required(Some(Required::True)).build());
    }
    pub(super) fn answers_json<T: ToSchema>(&mut self, status: StatusCode) {
        let content = Content::new(Some(self.schema::<T>()));
        self.answers.push((status, ResponseBuilder::new().description("Done.").content("application/json", content).build()));
    }
    pub(super) fn answers(&mut self, status: StatusCode, words: &str, media_type: Option<&str>) {
        let response = ResponseBuilder::new().description(words);
        let response = match media_type {
            Some(media_type) => response.content(media_type, Content::new(Some(Object::new()))),
            None => response,
        };
        self.answers.push((status, response.build()));
    }
}

/// An argument of a handler.
pub trait Takes {
    fn takes(described: &mut Described);
}

/// What a handler gives back.
pub trait Says {
    fn says(described: &mut Described);
}

/// A handler of the API. `T` is what axum calls the handler's arguments.
pub trait Speaks<T> {
    fn describe(described: &mut Described);
}

macro_rules! speaks {
    ($($arg:ident),+) => {
        impl<F, Fut, Out, Via, $($arg),+> Speaks<(Via, $($arg,)+)> for F
        where
            F: Fn($($arg),+) -> Fut,
            Fut: Future<Output = Answer<Out>>,
            Out: Says,
            $($arg: Takes),+
        {
            fn describe(described: &mut Described) {
                $($arg::takes(described);)+
                Out::says(described);
            }
        }
    };
}
speaks!(A);
speaks!(A, B);
speaks!(A, B, C);

/// A line of the table.
pub struct Line {
    pub(super) route: Route,
    /// What it is for, in a few words.
    pub(super) summary: &'static str,
    /// `records::write`: the area and the name of the handler.
    pub(super) name: String,
    pub(super) described: Described,
}

impl Line {
    /// A larger (or smaller) bound of the body.
    pub(super) fn body_max(self, body_max: usize) -> Self {
        Self { route: Route { body_max, ..self.route }, ..self }
    }
}

/// Largest ordinary body in bytes: a patient's details with every character escaped.
pub const BODY_BYTES_MAX: usize = 32 * 1024;

fn line<H, T>(method: &'static str, path: &'static str, guard: Guard, summary: &'static str, handler: MethodRouter<Web>) -> Line
where
    H: Speaks<T>,
{
    let mut described = Described::default();
    H::describe(&mut described);
    let name = std::any::type_name::<H>().rsplit("::").take(2).collect::<Vec<_>>();
    let name = name.into_iter().rev().collect::<Vec<_>>().join("::");
    let body_max = if described.body.is_some() { BODY_BYTES_MAX } else { 0 };
    Line {
        route: Route { method, path, guard, body_max, handler: handler.layer(from_fn(speak)), asks_first: false },
        summary,
        name,
        described,
    }
}

pub(super) fn get<H, T>(path: &'static str, guard: Guard, summary: &'static str, handler: H) -> Line
where
    H: Handler<T, Web> + Speaks<T>,
    T: 'static,
{
    line::<H, T>("GET", path, guard, summary, routing::get(handler))
}

pub(super) fn post<H, T>(path: &'static str, guard: Guard, summary: &'static str, handler: H) -> Line
where
    H: Handler<T, Web> + Speaks<T>,
    T: 'static,
{
    line::<H, T>("POST", path, guard, summary, routing::post(handler))
}

pub(super) fn delete<H, T>(path: &'static str, guard: Guard, summary: &'static str, handler: H) -> Line
where
    H: Handler<T, Web> + Speaks<T>,
    T: 'static,
{
    line::<H, T>("DELETE", path, guard, summary, routing::delete(handler))
}
