//! Patients, charts and records over the API.

use serde_json::{Value, json};
use wardkeep_domain::account::Role;

use crate::api_site::{Api, patient, record, shape};

#[tokio::test]
async fn a_patient_is_registered_found_corrected_and_read() {
    let api = Api::open().await;
    let id = api.patient.clone();
    let found = api.post(Role::Registrar, "/api/v1/patients/search", json!({"name": "oka gra"})).await;
    insta::assert_snapshot!(shape(&found.json, &["id"]));
    let details = api.get(Role::Registrar, &format!("/api/v1/patients/{id}/details")).await;
    insta::assert_snapshot!(shape(&details.json, &["id"]));
    let mut corrected = patient("A-1001", "Okafor-Lind");
    corrected["title"] = json!("Mrs");
    let amend = format!("/api/v1/patients/{id}/amend");
    assert_eq!(api.post(Role::Registrar, &amend, json!({"version": 1, "patient": corrected})).await.status, 204);
    let again = api.post(Role::Registrar, &amend, json!({"version": 1, "patient": corrected})).await;
    assert_eq!((again.refusal(), &again.json["current"]), ((409, "conflict".to_owned()), &json!(2)));
    let by_birth_date = api.post(Role::Registrar, "/api/v1/patients/search", json!({"birth_date": "1958-03-14"})).await;
    assert_eq!(by_birth_date.json["items"][0]["family_name"], "Okafor-Lind");
}

#[tokio::test]
async fn look_alikes_are_shown_before_somebody_is_registered_twice() {
    let api = Api::open().await;
    let twin = json!({"patient": patient("A-1002", "Okafor")});
    let refused = api.post(Role::Registrar, "/api/v1/patients", twin).await;
    assert_eq!(refused.refusal(), (409, "duplicates".to_owned()));
    assert_eq!(refused.json["duplicates"][0]["id"], api.patient.as_str());
    let confirmed = json!({"patient": patient("A-1002", "Okafor"), "confirm": true});
    assert_eq!(api.post(Role::Registrar, "/api/v1/patients", confirmed).await.status, 201);
}

#[tokio::test]
async fn errors_name_the_fields_of_the_body() {
    let api = Api::open().await;
    let wrong = json!({"mrn": "?", "family_name": "", "given_name": "", "sex": "x", "allergies": "x", "email": "x"});
    let answer = api.post(Role::Registrar, "/api/v1/patients", json!({"patient": wrong})).await;
    assert_eq!(answer.refusal(), (422, "invalid".to_owned()));
    assert_eq!(answer.fields(), ["mrn", "family_name", "given_name", "sex", "email", "allergies"]);
    for date in ["14.3.1958", "1958-3-14", "1958-02-30", "1958-03-14T00:00", "2099-01-01"] {
        let mut wrong = patient("A-1003", "Novak");
        wrong["birth_date"] = json!(date);
        let answer = api.post(Role::Registrar, "/api/v1/patients", json!({"patient": wrong})).await;
        assert_eq!(answer.fields(), ["birth_date"], "{date}");
    }
    let records = format!("/api/v1/patients/{}/records", api.patient);
    for at in ["yesterday", "2026-11-22", "2099-01-01T00:00:00Z", "-009999-01-02T01:00:00Z"] {
        let answer = api.post(Role::Doctor, &records, json!({"record_type": "note", "title": "A", "body": "B", "event_at": at})).await;
        assert_eq!((answer.refusal().0, answer.fields()), (422, vec!["event_at".to_owned()]), "{at}");
    }
    let answer = api.post(Role::Doctor, &records, json!({"record_type": "x", "title": "", "body": "x".repeat(65 * 1024)})).await;
    assert_eq!(answer.fields(), ["record_type", "title", "body"]);
}

#[tokio::test]
async fn a_record_is_written_amended_and_voided_and_every_version_stays() {
    let api = Api::open().await;
    let records = format!("/api/v1/patients/{}/records", api.patient);
    let written = api.post(Role::Doctor, &records, record("Ward round")).await;
    assert_eq!(written.status, 201);
    let at = format!("{records}/{}", written.text("id"));
    let amended = json!({"version": 1, "reason": "A slip of the pen", "record_type": "note", "title": "Ward round, corrected",
        "body": "Restless overnight.", "event_at": "2026-11-22T15:06:00+01:00"});
    assert_eq!(api.post(Role::Doctor, &format!("{at}/amend"), amended.clone()).await.status, 204);
    let second = api.post(Role::Doctor, &format!("{at}/amend"), amended).await;
    assert_eq!((second.refusal(), &second.json["current"]), ((409, "conflict".to_owned()), &json!(2)));
    assert_eq!(api.post(Role::Doctor, &format!("{at}/void"), json!({"version": 2, "reason": "x"})).await.fields(), ["reason"]);
    assert_eq!(api.post(Role::Doctor, &format!("{at}/void"), json!({"version": 2, "reason": "Wrong patient"})).await.status, 204);
    api.app.tick(&api.visit()).await.unwrap();
    let read = api.get(Role::Doctor, &at).await;
    insta::assert_snapshot!(shape(&read.json, &["id", "digest", "event", "root", "fine_print", "index", "tree_size"]));
}

#[tokio::test]
async fn a_record_of_64_kib_gets_in_however_it_is_escaped() {
    let api = Api::open().await;
    let records = format!("/api/v1/patients/{}/records", api.patient);
    let body = "\\u0078".repeat(64 * 1024);
    let json = format!(r#"{{"record_type": "note", "title": "Long", "body": "{body}"}}"#);
    let token = &api.person(Role::Doctor).token;
    let request = crate::api_site::request("POST", &records)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(json))
        .unwrap();
    assert_eq!(api.raw(request).await.status, 201);
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let api = Api::open().await;
    let records = format!("/api/v1/patients/{}/records", api.patient);
    for number in 0..30 {
        assert_eq!(api.post(Role::Doctor, &records, record(&format!("Note {number}"))).await.status, 201);
    }
    let first = api.get(Role::Doctor, &records).await.json;
    let second = api.get(Role::Doctor, &format!("{records}?after={}", first["next"].as_str().unwrap())).await.json;
    let titles = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["content"]["title"].as_str().unwrap().to_owned()).collect()
    };
    let all: Vec<String> = titles(&first).into_iter().chain(titles(&second)).collect();
    assert_eq!(all, (0..30).rev().map(|number| format!("Note {number}")).collect::<Vec<_>>());
    assert_eq!(second["next"], Value::Null);
    assert_eq!(api.get(Role::Doctor, "/api/v1/worklist").await.json["items"][0]["id"], api.patient.as_str());
}

#[tokio::test]
async fn a_care_team_is_changed_and_opens_the_chart() {
    let api = Api::open().await;
    let chart = format!("/api/v1/patients/{}", api.patient);
    let team = format!("{chart}/care-team");
    assert_eq!(api.get(Role::Nurse, &chart).await.refusal(), (404, "not_found".to_owned()));
    assert_eq!(api.post(Role::Doctor, &team, json!({"email": "nobody@site.example"})).await.fields(), ["email"]);
    assert_eq!(api.post(Role::Doctor, &team, json!({"email": "nurse@site.example"})).await.status, 204);
    let members = api.get(Role::Doctor, &team).await;
    insta::assert_snapshot!(shape(&members.json, &["account"]));
    assert_eq!(api.get(Role::Nurse, &format!("{chart}/records")).await.status, 200);
    let nurse = members.json["items"][1]["account"].as_str().unwrap();
    assert_eq!(api.act(Role::Doctor, "DELETE", &format!("{team}/{nurse}")).await.status, 204);
    assert_eq!(api.get(Role::Nurse, &chart).await.refusal(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn a_patient_is_linked_by_a_code_and_reads_the_own_chart_and_who_opened_it() {
    let api = Api::open().await;
    let chart = format!("/api/v1/patients/{}", api.patient);
    assert_eq!(api.get(Role::Patient, &chart).await.refusal(), (404, "not_found".to_owned()));
    let code = api.act(Role::Registrar, "POST", &format!("{chart}/activation-code")).await;
    assert_eq!(code.status, 201);
    assert_eq!(api.post(Role::Patient, "/api/v1/me/activation", json!({"code": "AAAA-AAAA-AAAA"})).await.fields(), ["code"]);
    assert_eq!(api.post(Role::Patient, "/api/v1/me/activation", json!({"code": code.text("code")})).await.status, 204);
    assert_eq!(api.get(Role::Patient, "/api/v1/me").await.text("patient"), api.patient);
    assert_eq!(api.get(Role::Patient, &format!("{chart}/records")).await.status, 200);
    let access = api.get(Role::Patient, &format!("{chart}/access")).await;
    let classes: Vec<&str> = access.json["items"].as_array().unwrap().iter().map(|row| row["class"].as_str().unwrap()).collect();
    assert!(classes.contains(&"patient.created") && classes.contains(&"record.read"), "{classes:?}");
    assert_eq!(api.post(Role::Patient, &format!("{chart}/records"), record("Mine")).await.refusal().0, 403);
}

#[tokio::test]
async fn a_record_is_no_other_patients() {
    let api = Api::open().await;
    let other = api.post(Role::Doctor, "/api/v1/patients", json!({"patient": patient("A-2001", "Petrov")})).await.text("id");
    let records = format!("/api/v1/patients/{}/records", api.patient);
    let record = api.post(Role::Doctor, &records, record("Ward round")).await.text("id");
    assert_eq!(api.get(Role::Doctor, &format!("{records}/{record}")).await.status, 200);
    let crossed = format!("/api/v1/patients/{other}/records/{record}");
    assert_eq!(api.get(Role::Doctor, &crossed).await.refusal(), (404, "not_found".to_owned()));
    let void = json!({"version": 1, "reason": "Wrong patient"});
    assert_eq!(api.post(Role::Doctor, &format!("{crossed}/void"), void).await.refusal(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn the_chart_in_one_answer() {
    let api = Api::open().await;
    let chart = format!("/api/v1/patients/{}", api.patient);
    api.post(Role::Doctor, &format!("{chart}/records"), record("Ward round")).await;
    let opened = api.get(Role::Doctor, &chart).await;
    insta::assert_snapshot!(shape(&opened.json, &["id", "account"]));
}
