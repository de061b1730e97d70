//! What the API refuses before a use case is asked, tried on every operation of its document.

use axum::body::Body;
use http::header;
use serde_json::{Value, json};
use wardkeep_domain::account::Role;

use crate::api_openapi::{document, operations};
use crate::api_site::{Answer, Api, request};

const ID: &str = "0190a000-0000-7000-8000-000000000001";

/// The path with ids that have the right form.
fn filled(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { ID } else { part }).collect::<Vec<_>>().join("/")
}

fn is(operation: &Value, scheme: &str) -> bool {
    operation["security"].as_array().unwrap().iter().any(|security| security.get(scheme).is_some())
}

async fn send(api: &Api, method: &str, path: &str, media_type: &str, body: Vec<u8>) -> Answer {
    let token = &api.person(Role::Doctor).token;
    let request = request(method, path).header(header::AUTHORIZATION, format!("Bearer {token}")).header("x-wardkeep", "1");
    api.raw(request.header(header::CONTENT_TYPE, media_type).body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn nobody_signed_in_gets_nothing_but_json() {
    let api = Api::open().await;
    for (method, path, operation) in operations(&document(&api).await) {
        if !is(&operation, "session") {
            continue;
        }
        for (name, value) in [("x-wardkeep", "1"), ("authorization", "Bearer AAAA"), ("authorization", "Bearer ")] {
            let request = request(&method, &filled(&path)).header(name, value).header(header::CONTENT_TYPE, "application/json");
            let answer = api.raw(request.body(Body::from("{}")).unwrap()).await;
            assert_eq!(answer.refusal(), (401, "signed_out".to_owned()), "{method} {path} {name}");
        }
    }
}

#[tokio::test]
async fn every_body_is_of_its_type_well_formed_known_and_bounded() {
    let api = Api::open().await;
    let mut tried = 0;
    for (method, path, operation) in operations(&document(&api).await) {
        let Some(content) = operation["requestBody"]["content"].as_object() else { continue };
        let (what, at) = (format!("{method} {path}"), filled(&path));
        for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data; boundary=x", ""] {
            if content.contains_key(media_type) {
                continue;
            }
            let answer = send(&api, &method, &at, media_type, b"{}".to_vec()).await;
            assert_eq!(answer.refusal(), (415, "unsupported_type".to_owned()), "{what} as {media_type:?}");
        }
        if !content.contains_key("application/json") {
            continue;
        }
        tried += 1;
        for body in ["", "{", "[]", "null", "7", "{} {}", "{\"a\":1,}", r#"{"no such field": 1}"#, "\u{feff}{}"] {
            let answer = send(&api, &method, &at, "application/json; charset=utf-8", body.as_bytes().to_vec()).await;
            assert_eq!(answer.refusal(), (400, "malformed".to_owned()), "{what}: {body}");
            assert!(!answer.json["error"]["message"].as_str().unwrap().contains("no such field"), "{what} repeats what was sent");
        }
        let not_utf8 = send(&api, &method, &at, "application/json", b"{\"code\": \"\xff\"}".to_vec()).await;
        assert_eq!(not_utf8.refusal(), (400, "malformed".to_owned()), "{what}");
        let route = wardkeep_web::api::routes::table().into_iter().find(|route| route.method == method && route.path == path).unwrap();
        let large = send(&api, &method, &at, "application/json", vec![b' '; route.body_max + 1]).await;
        assert_eq!(large.refusal(), (413, "too_large".to_owned()), "{what}");
    }
    assert!(tried > 20, "{tried}");
}

#[tokio::test]
async fn a_field_sent_twice_is_refused_at_any_depth() {
    let api = Api::open().await;
    let twice = r#"{"mrn": "A-1", "mrn": "A-2"}"#;
    let answer = send(&api, "POST", "/api/v1/patients/search", "application/json", twice.as_bytes().to_vec()).await;
    assert_eq!(answer.refusal(), (400, "malformed".to_owned()));
    let deep =
        r#"{"patient": {"mrn": "A-1", "mrn": "A-2", "family_name": "X", "given_name": "Y", "sex": "female", "allergies": "none_known"}}"#;
    let answer = send(&api, "POST", "/api/v1/patients", "application/json", deep.as_bytes().to_vec()).await;
    assert_eq!(answer.refusal(), (400, "malformed".to_owned()));
    let nested = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let answer = send(&api, "POST", &format!("/api/v1/patients/{ID}/records"), "application/json", nested.into_bytes()).await;
    assert_eq!(answer.refusal(), (400, "malformed".to_owned()));
}

#[tokio::test]
async fn queries_are_known_once_and_well_formed() {
    let api = Api::open().await;
    for query in ["?x=1", "?after=1&after=2", "?after", "?after="] {
        let answer = api.get(Role::Doctor, &format!("/api/v1/worklist{query}")).await;
        assert!(matches!(answer.refusal().0, 400 | 422), "{query}");
    }
    for cursor in ["-1", "1.0", "01", "x", "99999999999999999999", "18446744073709551615"] {
        let answer = api.get(Role::Doctor, &format!("/api/v1/worklist?after={cursor}")).await;
        assert_eq!((answer.refusal(), answer.fields()), ((422, "invalid".to_owned()), vec!["after".to_owned()]), "{cursor}");
    }
    for query in ["?stroke=maybe", "?age_min=old"] {
        assert_eq!(api.get(Role::Doctor, &format!("/api/v1/stroke{query}")).await.refusal(), (400, "malformed".to_owned()), "{query}");
    }
    for (query, field) in [
        ("?age_min=NaN", "age_min"),
        ("?age_min=131", "age_min"),
        ("?age_min=50&age_max=40", "age_max"),
        ("?smoking_status=pipe", "smoking_status"),
    ] {
        let answer = api.get(Role::Doctor, &format!("/api/v1/stroke{query}")).await;
        assert_eq!((answer.refusal().0, answer.fields()), (422, vec![field.to_owned()]), "{query}");
    }
}

#[tokio::test]
async fn an_id_has_one_form() {
    let api = Api::open().await;
    let id = api.patient.clone();
    assert_eq!(api.get(Role::Doctor, &format!("/api/v1/patients/{id}")).await.status, 200);
    let uuid = |text: String| format!("/api/v1/patients/{text}");
    for path in [
        uuid(id.to_uppercase()),
        uuid(id.replace('-', "")),
        uuid(format!("urn:uuid:{id}")),
        uuid(format!("%7B{id}%7D")),
        uuid(format!("{id}%00")),
        uuid(format!("{id}%20")),
        uuid("..%2f..%2flog".to_owned()),
        uuid("%ff".to_owned()),
    ] {
        assert_eq!(api.get(Role::Doctor, &path).await.refusal(), (404, "not_found".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_refused_in_json() {
    let api = Api::open().await;
    for path in ["/api", "/api/", "/api/v1", "/api/v1/nothing", "/api/v2/me", "/api/v1/me/", "/api/v1/patients/search/x"] {
        for role in [Role::Doctor, Role::Patient] {
            assert_eq!(api.get(role, path).await.refusal(), (404, "not_found".to_owned()), "{path}");
        }
    }
    for (method, path) in
        [("DELETE", "/api/v1/me"), ("PUT", "/api/v1/patients"), ("GET", "/api/v1/sign-out"), ("POST", "/api/openapi.json")]
    {
        let answer = api.act(Role::Doctor, method, path).await;
        assert_eq!(answer.refusal(), (405, "method_not_allowed".to_owned()), "{method} {path}");
        assert!(!answer.header("allow").is_empty(), "{method} {path}");
    }
    // Two routes on one address: both are there.
    let path = format!("/api/v1/patients/{}/records", api.patient);
    assert_eq!(api.get(Role::Doctor, &path).await.status, 200);
    assert_eq!(api.post(Role::Doctor, &path, json!({"record_type": "note", "title": "A", "body": "B"})).await.status, 201);
}

#[tokio::test]
async fn answers_are_for_programs_alone() {
    let api = Api::open().await;
    let answer = api.get(Role::Doctor, &format!("/api/v1/patients/{}", api.patient)).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'; sandbox");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("access-control-allow-origin"), "");
}
