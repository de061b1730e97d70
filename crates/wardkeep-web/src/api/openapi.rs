//! The OpenAPI 3.1 document, written from the table of routes and the types of its handlers.

use std::sync::LazyLock;

use axum::extract::FromRequestParts;
use bytes::Bytes;
use http::request::Parts;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathItem, PathsBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required, ResponseBuilder, SecurityRequirement,
};
use utoipa::{PartialSchema, ToSchema};

use super::answer::{Answer, Ready, Refused};
use super::describe::{Described, Line, Takes};
use super::routes;
use super::shapes::Problem;
use crate::routes::Guard;
use crate::web::Web;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document().to_json().unwrap_or_default()));

/// Nothing of the request matters.
pub struct Anyone;

impl FromRequestParts<Web> for Anyone {
    type Rejection = Refused;
    async fn from_request_parts(_: &mut Parts, _: &Web) -> Result<Self, Refused> {
        Ok(Self)
    }
}

impl Takes for Anyone {
    fn takes(_: &mut Described) {}
}

pub async fn serve(_: Anyone) -> Answer<Ready> {
    Ok(Ready(DOCUMENT.clone()))
}

const ABOUT: &str = "The same use cases as the pages. Times are RFC 3339 in UTC, ids are UUIDs in lower case, lists are read page by \
    page with `next` and `after`. Every read is an entry of the log. Unknown and repeated fields are refused.";

/// The whole document.
#[must_use]
pub fn document() -> OpenApi {
    let mut components = ComponentsBuilder::new();
    for (name, scheme) in schemes() {
        components = components.security_scheme(name, scheme);
    }
    let problem = Content::new(Some(Ref::from_schema_name(Problem::name())));
    let refused = ResponseBuilder::new().description("Refused; `error.code` says why.").content("application/json", problem).build();
    components = components.response("Problem", refused).schemas_from_iter(problem_schemas());
    let mut paths = PathsBuilder::new();
    for line in routes::lines() {
        let operation = operation(&line);
        components = components.schemas_from_iter(line.described.schemas);
        paths = paths.path(line.route.path, PathItem::new(method(line.route.method), operation));
    }
    let info = InfoBuilder::new().title("Wardkeep").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT)).build();
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).build()
}

fn problem_schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    schemas
}

fn schemes() -> [(&'static str, SecurityScheme); 5] {
    let bearer = |words: &str| {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some(words.to_owned());
        SecurityScheme::Http(scheme)
    };
    let mut client = Http::new(HttpAuthScheme::Basic);
    client.description = Some("Id and secret of a service account (RFC 6749, section 2.3.1).".to_owned());
    let named = |name: &str, words: &str| ApiKeyValue::with_description(name, words);
    [
        ("client", SecurityScheme::Http(client)),
        ("session", bearer("The token of a finished sign-in, or the access token of a service account.")),
        ("pending", bearer("The token of a sign-in in progress.")),
        (
            "cookie",
            SecurityScheme::ApiKey(ApiKey::Cookie(named(
                "__Host-wardkeep-session",
                "The session of the pages; counts with the header alone.",
            ))),
        ),
        ("header", SecurityScheme::ApiKey(ApiKey::Header(named("X-Wardkeep", "The value 1: says that no other site made the call.")))),
    ]
}

fn needs(name: &str) -> SecurityRequirement {
    SecurityRequirement::new(name, Vec::<String>::new())
}

fn security(line: &Line) -> Vec<SecurityRequirement> {
    match line.route.guard {
        Guard::Signed(_) => vec![needs("session"), needs("cookie").add("header", Vec::<String>::new())],
        Guard::Pending => vec![needs("pending")],
        Guard::Public if line.route.path == crate::csrf::TOKEN_PATH => vec![needs("client")],
        Guard::Public if line.route.method == "GET" => vec![SecurityRequirement::default()],
        Guard::Public => vec![needs("header")],
    }
}

fn method(name: &str) -> HttpMethod {
    match name {
        "POST" => HttpMethod::Post,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

/// Statuses with which a call of this line may be refused.
fn refusals(line: &Line) -> Vec<&'static str> {
    let mut statuses = Vec::new();
    let body = line.described.body.is_some();
    if line.route.guard == Guard::Public && !body {
        return statuses;
    }
    if body || !line.described.parameters.is_empty() {
        statuses.extend(["400", "422"]);
    }
    statuses.extend(["401", "403"]);
    if line.route.path.contains('{') {
        statuses.push("404");
    }
    if line.route.method != "GET" {
        statuses.push("409");
    }
    if body {
        statuses.extend(["413", "415"]);
    }
    statuses.extend(["429", "500", "503"]);
    statuses
}

fn operation(line: &Line) -> Operation {
    let (area, _) = line.name.split_once("::").unwrap_or_default();
    let mut operation = OperationBuilder::new()
        .operation_id(Some(line.name.replace("::", "_")))
        .tag(area)
        .summary(Some(line.summary))
        .description(Some(words(line)))
        .securities(Some(security(line)))
        .request_body(line.described.body.clone());
    for name in line.route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let uuid = ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::Custom("uuid".to_owned())));
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        operation = operation.parameter(parameter.schema(Some(uuid)).build());
    }
    for parameter in &line.described.parameters {
        operation = operation.parameter(parameter.clone());
    }
    for (status, response) in &line.described.answers {
        operation = operation.response(status.as_str(), response.clone());
    }
    for status in refusals(line) {
        operation = operation.response(status, Ref::from_response_name("Problem"));
    }
    operation.build()
}

fn words(line: &Line) -> String {
    let mut words = match line.route.guard {
        Guard::Signed(action) => format!("Policy is asked for `{}`.", action.name()),
        Guard::Pending => "For a sign-in in progress.".to_owned(),
        Guard::Public => "For everybody.".to_owned(),
    };
    if line.route.body_max > 0 {
        words.push_str(&format!(" The body may have {} bytes.", line.route.body_max));
    }
    words
}
