//! Accounts, the log and health over the API.

use serde_json::json;
use wardkeep_domain::account::Role;

use crate::api_site::{Api, ORIGIN, shape};

#[tokio::test]
async fn accounts_are_listed_suspended_and_reinstated() {
    let api = Api::open().await;
    let listed = api.get(Role::Administrator, "/api/v1/accounts?role=nurse&state=active").await;
    insta::assert_snapshot!(shape(&listed.json, &["id"]));
    let nurse = listed.json["items"][0]["id"].as_str().unwrap().to_owned();
    for (query, field) in [("?role=chief", "role"), ("?state=gone", "state")] {
        assert_eq!(api.get(Role::Administrator, &format!("/api/v1/accounts{query}")).await.fields(), [field]);
    }
    let act = async |what: &str| api.act(Role::Administrator, "POST", &format!("/api/v1/accounts/{nurse}/{what}")).await;
    assert_eq!(act("end-sessions").await.json, json!({"ended": 1}));
    assert_eq!(api.get(Role::Nurse, "/api/v1/me").await.status, 401);
    assert_eq!(act("suspend").await.status, 204);
    assert_eq!(act("suspend").await.refusal(), (409, "refused".to_owned()));
    assert_eq!(act("reinstate").await.status, 204);
    assert_eq!(act("reset-factor").await.refusal(), (409, "second_person".to_owned()));
    assert_eq!(api.sign_in("nurse@site.example").await.text("next"), "code");
    assert_eq!(api.get(Role::Doctor, "/api/v1/accounts").await.refusal(), (403, "denied".to_owned()));
}

#[tokio::test]
async fn an_invitation_names_its_wrong_fields() {
    let api = Api::open().await;
    let wrong = json!({"email": "x", "display_name": "", "role": "patient"});
    assert_eq!(api.post(Role::Administrator, "/api/v1/accounts", wrong).await.fields(), ["email", "display_name", "role"]);
    let invited = json!({"email": "new@site.example", "display_name": "Nurse Two", "role": "nurse"});
    let invited = api.post(Role::Administrator, "/api/v1/accounts", invited).await;
    assert_eq!(invited.status, 201);
    assert!(invited.text("link").starts_with(&format!("{ORIGIN}/invitation/")));
    let taken = json!({"email": "nurse@site.example", "display_name": "Nurse Two", "role": "nurse"});
    assert_eq!(api.post(Role::Administrator, "/api/v1/accounts", taken).await.refusal(), (409, "refused".to_owned()));
    let chief = json!({"email": "chief@site.example", "display_name": "Chief Two", "role": "administrator"});
    assert_eq!(api.post(Role::Administrator, "/api/v1/accounts", chief).await.refusal(), (409, "second_person".to_owned()));
}

#[tokio::test]
async fn the_log_is_searched_and_an_entry_proven() {
    let api = Api::open().await;
    api.get(Role::Doctor, &format!("/api/v1/patients/{}", api.patient)).await;
    api.app.tick(&api.visit()).await.unwrap();
    let search = async |body| api.post(Role::PrivacyOfficer, "/api/v1/log/search", body).await;
    let found = search(json!({"class": "chart.opened", "person": "doctor@site.example", "mrn": "A-1001"})).await;
    insta::assert_snapshot!(shape(&found.json, &["event", "index"]));
    let event = found.json["items"][0]["event"].as_str().unwrap();
    let entry = api.get(Role::PrivacyOfficer, &format!("/api/v1/log/{event}")).await;
    assert!(entry.json["proof"]["checks"].as_array().unwrap().iter().all(|check| check["ok"] == true), "{}", entry.json);
    assert_eq!(entry.json["entry"]["class"], "chart.opened");
    let proof = api.get(Role::PrivacyOfficer, &format!("/api/v1/log/{event}/proof")).await;
    assert_eq!(proof.header("content-type"), "text/plain; charset=utf-8");
    assert!(String::from_utf8(proof.body).unwrap().contains("tlog-proof"));
    for (body, field) in [
        (json!({"class": "chart.burned"}), "class"),
        (json!({"outcome": "maybe"}), "outcome"),
        (json!({"from": "today"}), "from"),
        (json!({"person": "nobody@site.example"}), "person"),
        (json!({"mrn": "Z-9999"}), "mrn"),
        (json!({"after": "12"}), "after"),
    ] {
        let answer = search(body.clone()).await;
        assert_eq!((answer.refusal().0, answer.fields()), (422, vec![field.to_owned()]), "{body}");
    }
}

#[tokio::test]
async fn the_log_is_read_page_by_page_and_exported_with_a_fresh_code() {
    let api = Api::open().await;
    let (mut after, mut seen) = (None, Vec::new());
    for _ in 0..20 {
        let page = api.post(Role::Administrator, "/api/v1/log/search", json!({"after": after, "to": "2026-11-25T09:00:00Z"})).await.json;
        seen.extend(page["items"].as_array().unwrap().iter().map(|entry| entry["event"].as_str().unwrap().to_owned()));
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    let distinct: std::collections::BTreeSet<&String> = seen.iter().collect();
    assert!(seen.len() > 25 && distinct.len() == seen.len(), "{} {}", seen.len(), distinct.len());
    let csv = api.post(Role::Administrator, "/api/v1/log/export", json!({})).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(csv.body.starts_with(b"time,stream,index"));
    api.pass_ms(6 * 60_000);
    let stale = api.post(Role::Administrator, "/api/v1/log/export", json!({})).await;
    assert_eq!(stale.refusal(), (403, "step_up".to_owned()));
}

#[tokio::test]
async fn health_is_told_to_those_who_look_after_the_house() {
    let api = Api::open().await;
    let health = api.get(Role::Administrator, "/api/v1/health").await;
    assert!(health.json["checks"].as_array().unwrap().iter().any(|check| check["what"] == "Stores" && check["health"] == "ok"));
    assert_eq!(health.json["alarms"], json!([]));
    assert_eq!(health.json["logs"].as_array().unwrap().len(), 2);
    assert_eq!(api.get(Role::Doctor, "/api/v1/health").await.refusal(), (403, "denied".to_owned()));
}
