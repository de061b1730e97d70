//! Signing in over the API, and what a token, a cookie and another site may do.

use axum::body::Body;
use http::header;
use serde_json::json;
use wardkeep_domain::account::Role;

use crate::api_site::{Api, ORIGIN, PASSWORD, request, shape};

// ASVS 6.3.3
#[tokio::test]
async fn a_sign_in_takes_two_steps_and_the_first_token_opens_nothing() {
    let api = Api::open().await;
    let doctor = api.person(Role::Doctor);
    api.pass_ms(60_000);
    let pending = api.sign_in(&doctor.email).await;
    assert_eq!(pending.text("next"), "code");
    let me = api.with(&pending.text("token"), "GET", "/api/v1/me", None).await;
    assert_eq!(me.refusal(), (401, "signed_out".to_owned()));
    assert_eq!(me.header("www-authenticate"), "Bearer");
    let wrong = api.with(&pending.text("token"), "POST", "/api/v1/sign-in/code", Some(json!({"code": "000000"}))).await;
    assert_eq!(wrong.refusal(), (401, "wrong_credentials".to_owned()));
    let signed = api.with(&pending.text("token"), "POST", "/api/v1/sign-in/code", Some(json!({"code": api.code(doctor)}))).await;
    let me = api.with(&signed.text("token"), "GET", "/api/v1/me", None).await;
    insta::assert_snapshot!(shape(&me.json, &["id"]));
}

// ASVS 6.5.1
#[tokio::test]
async fn a_recovery_code_signs_in_once() {
    let api = Api::open().await;
    let nurse = api.join(Role::Nurse, "second@site.example").await;
    let use_code = async |code: &str| {
        let pending = api.sign_in(&nurse.email).await.text("token");
        api.with(&pending, "POST", "/api/v1/sign-in/recovery", Some(json!({"code": code}))).await
    };
    let first = use_code(&nurse.recovery_codes[0]).await;
    assert!(first.text("notice").contains("9 are left"), "{}", first.json);
    assert_eq!(api.with(&first.text("token"), "GET", "/api/v1/me", None).await.json["recovery_codes_left"], 9);
    assert_eq!(use_code(&nurse.recovery_codes[0]).await.refusal(), (401, "wrong_credentials".to_owned()));
}

#[tokio::test]
async fn an_unknown_name_a_wrong_password_and_no_body_get_in_nowhere() {
    let api = Api::open().await;
    let sign_in = async |body: serde_json::Value| {
        let request = request("POST", "/api/v1/sign-in").header("x-wardkeep", "1").header(header::CONTENT_TYPE, "application/json");
        api.raw(request.body(Body::from(body.to_string())).unwrap()).await
    };
    let unknown = sign_in(json!({"email": "nobody@site.example", "password": PASSWORD})).await;
    let wrong = sign_in(json!({"email": "doctor@site.example", "password": "wrong wrong wrong"})).await;
    assert_eq!(unknown.refusal(), (401, "wrong_credentials".to_owned()));
    assert_eq!((wrong.refusal(), &wrong.json["error"]["message"]), (unknown.refusal(), &unknown.json["error"]["message"]));
}

// ASVS 7.4.1
#[tokio::test]
async fn a_token_ends_with_its_session() {
    let api = Api::open().await;
    let nurse = api.person(Role::Nurse).token.clone();
    assert_eq!(api.act(Role::Nurse, "POST", "/api/v1/sign-out").await.status, 204);
    assert_eq!(api.with(&nurse, "GET", "/api/v1/me", None).await.refusal(), (401, "signed_out".to_owned()));
    api.pass_ms(16 * 60_000);
    assert_eq!(api.get(Role::Doctor, "/api/v1/me").await.refusal(), (401, "signed_out".to_owned()));
}

// ASVS 7.5.2
#[tokio::test]
async fn own_sessions_are_listed_and_ended() {
    let api = Api::open().await;
    let doctor = api.person(Role::Doctor);
    api.pass_ms(60_000);
    let pending = api.sign_in(&doctor.email).await.text("token");
    let second = api.with(&pending, "POST", "/api/v1/sign-in/code", Some(json!({"code": api.code(doctor)}))).await.text("token");
    let sessions = api.get(Role::Doctor, "/api/v1/me/sessions").await.json["items"].clone();
    let other = sessions.as_array().unwrap().iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/api/v1/me/sessions/{}", other["id"].as_str().unwrap());
    assert_eq!(api.act(Role::Nurse, "DELETE", &path).await.refusal(), (404, "not_found".to_owned()), "somebody else's");
    assert_eq!(api.act(Role::Doctor, "DELETE", &path).await.status, 204);
    assert_eq!(api.with(&second, "GET", "/api/v1/me", None).await.status, 401);
}

// ASVS 7.2.4, 7.5.3
#[tokio::test]
async fn a_fresh_code_gives_a_new_token_and_ends_the_old_one() {
    let api = Api::open().await;
    let admin = api.person(Role::Administrator).clone();
    api.pass_ms(6 * 60_000);
    let refused = api.post(Role::Administrator, "/api/v1/log/export", json!({})).await;
    assert_eq!(refused.refusal(), (403, "step_up".to_owned()));
    let wrong = api.post(Role::Administrator, "/api/v1/step-up", json!({"code": "000000"})).await;
    assert_eq!((wrong.refusal().0, wrong.fields()), (422, vec!["code".to_owned()]), "the session goes on");
    let stepped = api.post(Role::Administrator, "/api/v1/step-up", json!({"code": api.code(&admin)})).await;
    let token = stepped.text("token");
    assert_eq!(api.with(&admin.token, "GET", "/api/v1/me", None).await.status, 401, "the old token");
    assert_eq!(api.with(&token, "POST", "/api/v1/log/export", Some(json!({}))).await.status, 200);
}

#[tokio::test]
async fn a_cookie_counts_with_the_header_alone() {
    let api = Api::open().await;
    let doctor = api.person(Role::Doctor).clone();
    let cookie = format!("wardkeep-session={}", doctor.token);
    let me = |with_header: &str| request("GET", "/api/v1/me").header(header::COOKIE, &cookie).header("x-wardkeep", with_header);
    assert_eq!(api.raw(me("1").body(Body::empty()).unwrap()).await.status, 200);
    for header in ["", "0", "1 ", "true"] {
        let value = http::HeaderValue::from_bytes(header.as_bytes()).unwrap();
        let request = request("GET", "/api/v1/me").header(header::COOKIE, &cookie).header("x-wardkeep", value);
        let answer = api.raw(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.refusal(), (401, "signed_out".to_owned()), "{header:?}");
    }
    // A fresh code: the cookie is renewed, and no script gets to see what is in it.
    api.pass_ms(60_000);
    let request = request("POST", "/api/v1/step-up")
        .header(header::COOKIE, &cookie)
        .header("x-wardkeep", "1")
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, "application/json");
    let stepped = api.raw(request.body(Body::from(json!({"code": api.code(&doctor)}).to_string())).unwrap()).await;
    assert_eq!(stepped.json, json!({"token": null}));
    assert!(stepped.header("set-cookie").starts_with("wardkeep-session=") && stepped.header("set-cookie").contains("HttpOnly"));
}

#[tokio::test]
async fn a_change_is_never_made_for_another_site() {
    let api = Api::open().await;
    let token = api.person(Role::Doctor).token.clone();
    let (bearer, cookie) = (format!("Bearer {token}"), format!("wardkeep-session={token}"));
    let knock = async |headers: &[(&str, &str)]| {
        let mut request = request("POST", "/api/v1/patients/search").header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        api.raw(request.body(Body::from(json!({"mrn": "A-1001"}).to_string())).unwrap()).await
    };
    let taken: [&[(&str, &str)]; 5] = [
        &[("authorization", &bearer)],
        &[("authorization", &bearer), ("sec-fetch-site", "same-origin"), ("origin", ORIGIN)],
        &[("cookie", &cookie), ("x-wardkeep", "1")],
        &[("cookie", &cookie), ("x-wardkeep", "1"), ("sec-fetch-site", "same-origin")],
        &[("cookie", &cookie), ("x-wardkeep", "1"), ("origin", ORIGIN)],
    ];
    for headers in taken {
        assert_eq!(knock(headers).await.status, 200, "{headers:?}");
    }
    let refused: [&[(&str, &str)]; 8] = [
        &[],
        &[("cookie", &cookie)],
        &[("cookie", &cookie), ("x-wardkeep", "2")],
        &[("cookie", &cookie), ("x-wardkeep", "1"), ("sec-fetch-site", "cross-site")],
        &[("cookie", &cookie), ("x-wardkeep", "1"), ("sec-fetch-site", "same-site")],
        &[("cookie", &cookie), ("x-wardkeep", "1"), ("origin", "http://evil.example")],
        &[("authorization", &bearer), ("origin", "null")],
        &[("authorization", "Basic eDp5"), ("cookie", &cookie)],
    ];
    for headers in refused {
        assert_eq!(knock(headers).await.refusal(), (403, "cross_site".to_owned()), "{headers:?}");
    }
}
