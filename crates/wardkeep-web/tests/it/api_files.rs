//! Documents and stroke assessments over the API.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header;
use serde_json::{Value, json};
use wardkeep_domain::account::Role;

use crate::api_site::{Answer, Api, request, shape};

/// Plain text of this many bytes.
fn text(bytes: usize) -> Vec<u8> {
    b"Dear colleague, thank you for seeing this patient.\n".iter().copied().cycle().take(bytes).collect()
}

async fn send_raw(api: &Api, bytes: Vec<u8>, headers: &[(&str, &str)]) -> Answer {
    let token = &api.person(Role::Doctor).token;
    let mut request = request("POST", &format!("/api/v1/patients/{}/documents/raw", api.patient))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/octet-stream");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    api.raw(request.body(Body::from(bytes)).unwrap()).await
}

#[tokio::test]
async fn a_document_goes_in_and_comes_out_as_base64() {
    let api = Api::open().await;
    let documents = format!("/api/v1/patients/{}/documents", api.patient);
    let file = text(200_001);
    let input = json!({"name": "letter.txt", "media_type": "text/plain", "description": "A letter", "content": STANDARD.encode(&file)});
    let filed = api.post(Role::Doctor, &documents, input).await;
    assert_eq!(filed.status, 201, "{}", filed.json);
    let at = format!("{documents}/{}", filed.text("id"));
    let content = api.get(Role::Doctor, &format!("{at}/content")).await;
    assert_eq!(STANDARD.decode(content.text("content")).unwrap(), file);
    assert_eq!((content.text("name"), &content.json["bytes"]), ("letter.txt".to_owned(), &json!(200_001)));
    let listed = api.get(Role::Doctor, &documents).await;
    insta::assert_snapshot!(shape(&listed.json["items"], &["id", "sha256"]));
    let read = api.get(Role::Doctor, &at).await;
    assert_eq!(read.json["document"]["content"]["sha256"], content.json["sha256"]);
    assert_eq!(api.post(Role::Doctor, &format!("{at}/void"), json!({"version": 1, "reason": "Wrong patient"})).await.status, 204);
    assert_eq!(api.get(Role::Doctor, &at).await.json["document"]["content"]["state"], "voided");
}

#[tokio::test]
async fn a_document_goes_in_and_comes_out_as_bytes_and_in_ranges() {
    let api = Api::open().await;
    let file = text(1_000_000);
    let headers = [("x-file-name", "Caf%C3%A9%20letter.txt"), ("x-file-type", "text/plain"), ("x-file-description", "A%20letter")];
    let filed = send_raw(&api, file.clone(), &headers).await;
    assert_eq!(filed.status, 201, "{}", filed.json);
    let at = format!("/api/v1/patients/{}/documents/{}", api.patient, filed.text("id"));
    assert_eq!(api.get(Role::Doctor, &at).await.json["document"]["content"]["name"], "Café letter.txt");
    let raw = api.get(Role::Doctor, &format!("{at}/raw")).await;
    assert_eq!((raw.body == file, raw.header("content-type")), (true, "text/plain; charset=utf-8"));
    let token = &api.person(Role::Doctor).token;
    let ranged = request("GET", &format!("{at}/raw"))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::RANGE, "bytes=70000-70009");
    let ranged = api.raw(ranged.body(Body::empty()).unwrap()).await;
    assert_eq!((ranged.status.as_u16(), ranged.body.as_slice()), (206, &file[70_000..70_010]));
}

#[tokio::test]
async fn what_is_no_document_leaves_nothing() {
    let api = Api::open().await;
    let documents = format!("/api/v1/patients/{}/documents", api.patient);
    let input = |name: &str, media_type: &str, content: String| json!({"name": name, "media_type": media_type, "content": content});
    let good = STANDARD.encode(text(100));
    for (body, field) in [
        (input("letter.exe", "text/plain", good.clone()), "name"),
        (input("letter.txt", "text/plain", format!("{good}!")), "content"),
        (input("letter.txt", "text/plain", format!("{good}\n")), "content"),
        (input("letter.txt", "text/plain", String::new()), "content"),
        (input("scan.pdf", "application/pdf", good.clone()), "content"),
    ] {
        let answer = api.post(Role::Doctor, &documents, body).await;
        assert_eq!((answer.refusal().0, answer.fields()), (422, vec![field.to_owned()]), "{}", answer.json);
    }
    let bad_name = send_raw(&api, text(10), &[("x-file-name", "%zz.txt"), ("x-file-type", "text/plain")]).await;
    assert_eq!(bad_name.fields(), ["x-file-name"]);
    assert_eq!(send_raw(&api, text(10), &[]).await.refusal().0, 422, "no name");
    assert_eq!(api.get(Role::Doctor, &documents).await.json["items"], json!([]));
}

#[tokio::test]
async fn a_file_too_large_for_json_is_sent_to_the_other_door() {
    let api = Api::open().await;
    let documents = format!("/api/v1/patients/{}/documents", api.patient);
    for bytes in [16 * 1024 * 1024 + 3, 24 * 1024 * 1024] {
        let input = json!({"name": "long.txt", "media_type": "text/plain", "content": STANDARD.encode(text(bytes))});
        let refused = api.post(Role::Doctor, &documents, input).await;
        assert_eq!(refused.refusal(), (413, "too_large".to_owned()));
        assert!(refused.json["error"]["message"].as_str().unwrap().contains("/documents/raw"));
    }
    let headers = [("x-file-name", "long.txt"), ("x-file-type", "text/plain")];
    assert_eq!(send_raw(&api, text(24 * 1024 * 1024), &headers).await.status, 201);
    assert_eq!(send_raw(&api, text(100 * 1024 * 1024 + 1), &headers).await.refusal().0, 422, "one byte over 100 MiB");
    assert!(send_raw(&api, text(102 * 1024 * 1024), &headers).await.status.is_client_error());
}

fn attributes() -> Value {
    json!({"gender": "Female", "age": 67, "hypertension": true, "heart_disease": false, "ever_married": true, "work_type": "Private",
        "residence_type": "Urban", "avg_glucose_level": 104.2, "bmi": null, "smoking_status": "never smoked", "stroke": false})
}

#[tokio::test]
async fn an_assessment_is_written_listed_amended_and_voided() {
    let api = Api::open().await;
    let stroke = format!("/api/v1/patients/{}/stroke", api.patient);
    let written = api.post(Role::Doctor, &stroke, attributes()).await;
    assert_eq!(written.status, 201, "{}", written.json);
    let at = format!("{stroke}/{}", written.text("id"));
    assert_eq!(api.get(Role::Doctor, &at).await.json["current"]["content"]["attributes"]["age"], 67.0);
    let mut changed = attributes();
    changed["bmi"] = json!(27.1);
    changed["stroke"] = json!(true);
    let amend = json!({"version": 1, "reason": "A slip of the pen", "attributes": changed});
    assert_eq!(api.post(Role::Doctor, &format!("{at}/amend"), amend.clone()).await.status, 204);
    assert_eq!(api.post(Role::Doctor, &format!("{at}/amend"), amend).await.json["current"], 2);
    let listed = api.get(Role::Doctor, "/api/v1/stroke?stroke=true&age_min=60&smoking_status=never%20smoked").await;
    insta::assert_snapshot!(shape(&listed.json, &["id", "patient"]));
    let summary = api.get(Role::Doctor, "/api/v1/stroke/summary").await;
    insta::assert_snapshot!(shape(&summary.json, &[]));
    assert_eq!(api.post(Role::Doctor, &format!("{at}/void"), json!({"version": 2, "reason": "Wrong patient"})).await.status, 204);
    assert_eq!(api.get(Role::Doctor, &stroke).await.json["items"][0]["content"]["state"], "voided");
    let mut wrong = attributes();
    (wrong["age"], wrong["bmi"], wrong["gender"]) = (json!(-1), json!(1e300), json!("x"));
    assert_eq!(api.post(Role::Doctor, &stroke, wrong).await.fields(), ["gender", "age", "bmi"]);
}

const HEADER: &str =
    "id,gender,age,hypertension,heart_disease,ever_married,work_type,Residence_type,avg_glucose_level,bmi,smoking_status,stroke\n";

#[tokio::test]
async fn a_file_is_checked_imported_whole_or_not_and_exported() {
    let api = Api::open().await;
    let import = async |query: &str, rows: &str| {
        let token = &api.person(Role::Doctor).token;
        let request = request("POST", &format!("/api/v1/stroke/import{query}"))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "text/csv");
        api.raw(request.body(Body::from(format!("{HEADER}{rows}"))).unwrap()).await
    };
    let good = "9046,Male,67,0,1,Yes,Private,Urban,228.69,36.6,formerly smoked,1\n";
    let bad = "31112,Male,800,0,1,Yes,Private,Rural,105.92,32.5,never smoked,1\n";
    let both = format!("{good}{bad}");
    let checked = import("?check=true", &both).await;
    insta::assert_snapshot!(shape(&checked.json, &[]));
    let refused = import("", &both).await;
    assert_eq!(refused.refusal(), (422, "rows_refused".to_owned()));
    assert_eq!(refused.json["report"]["errors"][0]["column"], "age");
    assert_eq!(import("?keep_good=true", &both).await.json["written"], 1);
    let again = import("", good).await;
    assert_eq!(again.status, 200, "{}", again.json);
    assert_eq!((&again.json["written"], &again.json["unchanged"]), (&json!(0), &json!(1)));
    let csv = api.act(Role::Doctor, "POST", "/api/v1/stroke/export").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(String::from_utf8(csv.body).unwrap().contains("Male,67,0,1,Yes,Private,Urban,228.69,36.6,formerly smoked,1"));
}
