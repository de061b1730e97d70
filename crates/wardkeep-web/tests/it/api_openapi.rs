//! The OpenAPI document says what the router does: the same addresses, and for each what it needs.

use std::collections::BTreeSet;

use axum::body::Body;
use serde_json::Value;
use wardkeep_web::routes::Guard;

use crate::api_site::{Api, request};

/// (method, path, operation) of everything in the document.
pub fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let item = item.as_object().unwrap();
        item.iter().map(|(method, operation)| (method.to_uppercase(), path.clone(), operation.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

pub async fn document(api: &Api) -> Value {
    let answer = api.raw(request("GET", "/api/openapi.json").body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    answer.json
}

#[tokio::test]
async fn the_document_has_every_route_of_the_table_and_no_other() {
    let api = Api::open().await;
    let document = document(&api).await;
    let said: BTreeSet<(String, String)> = operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    let table = wardkeep_web::api::routes::table();
    let routed: BTreeSet<(String, String)> = table.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    assert_eq!(routed.len(), table.len(), "a route stands twice in the table");
    assert_eq!(said, routed);
    for route in &table {
        assert!(route.path.starts_with("/api/"), "{}: the API's own rules hold under /api/ alone", route.path);
    }
}

#[tokio::test]
async fn the_document_is_openapi_3_1_and_whole() {
    let api = Api::open().await;
    let document = document(&api).await;
    assert_eq!(document["openapi"], "3.1.0");
    let parsed: utoipa::openapi::OpenApi = serde_json::from_value(document.clone()).unwrap();
    assert_eq!(serde_json::to_value(&parsed).unwrap(), document, "read back and written again it is the same");
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            references.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| collect(value, references));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[tokio::test]
async fn every_operation_names_its_security_its_body_its_answers_and_its_refusals() {
    let api = Api::open().await;
    let document = document(&api).await;
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let what = format!("{method} {path}");
        let route = wardkeep_web::api::routes::table().into_iter().find(|route| route.method == method && route.path == path).unwrap();
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{what}: the operation id is taken");
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{what}");
        let security = serde_json::to_string(&operation["security"]).unwrap();
        let expected = match route.guard {
            Guard::Signed(_) => r#"[{"session":[]},{"cookie":[],"header":[]}]"#,
            Guard::Pending => r#"[{"pending":[]}]"#,
            Guard::Public if path == "/api/v1/token" => r#"[{"client":[]}]"#,
            Guard::Public if method == "GET" => "[{}]",
            Guard::Public => r#"[{"header":[]}]"#,
        };
        assert_eq!(security, expected, "{what}");
        let content = operation["requestBody"]["content"].as_object();
        assert_eq!(content.is_some(), route.body_max > 0, "{what}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{what}");
        let mut needed = vec![];
        if matches!(route.guard, Guard::Signed(_)) {
            needed.extend(["401", "403", "429", "503"]);
        }
        if content.is_some() {
            needed.extend(["400", "413", "415", "422"]);
        }
        for status in needed {
            assert_eq!(responses[status]["$ref"], "#/components/responses/Problem", "{what}: {status}");
        }
        let parameters: Vec<Value> = operation["parameters"].as_array().cloned().unwrap_or_default();
        let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
        assert_eq!(in_path, path.matches('{').count(), "{what}");
    }
}

/// The whole API on one page, for reading in a review.
#[tokio::test]
async fn the_api_on_one_page() {
    let api = Api::open().await;
    let mut lines = String::new();
    for (method, path, operation) in operations(&document(&api).await) {
        let route = wardkeep_web::api::routes::table().into_iter().find(|route| route.method == method && route.path == path).unwrap();
        let guard = match route.guard {
            Guard::Signed(action) => action.name(),
            Guard::Pending => "(sign-in in progress)",
            Guard::Public => "(everybody)",
        };
        let id = operation["operationId"].as_str().unwrap();
        lines.push_str(&format!("{method:6} {path:62} {guard:22} {:>9} {id}\n", route.body_max));
    }
    insta::assert_snapshot!(lines);
}
