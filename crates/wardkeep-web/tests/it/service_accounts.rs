//! Programs that call the API under their own name: how they get a token, and what ends it.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header;
use serde_json::json;
use wardkeep_app::requests::{Used, Wanted};
use wardkeep_app::services::{Given, NewSecret};
use wardkeep_app::{Ctx, Error};
use wardkeep_domain::account::Role;
use wardkeep_domain::service::{EARLIER_SECRET_MS_MAX, Scope, TOKEN_MS_MAX};
use wardkeep_policy::{Actor, Facts, Policy, Resource};
use wardkeep_web::routes::Guard;

use crate::api_site::{Answer, Api, ORIGIN, request};
use crate::samples::sample;
use crate::site::{Site, urlencoded};

pub async fn ctx(api: &Api, role: Role) -> Ctx {
    api.app.authenticate(api.visit(), &api.person(role).token).await.unwrap()
}

async fn make(api: &Api, scopes: &[&str], days: &str) -> NewSecret {
    let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let administrator = ctx(api, Role::Administrator).await;
    match api.app.make_service(&administrator, "Registry", "Yearly stroke registry", &scopes, days, "").await {
        Ok(made) => made,
        Err(Error::SecondPerson(_)) => make_by_two(api, &administrator, scopes, days).await,
        Err(error) => panic!("{error}"),
    }
}

async fn make_by_two(api: &Api, administrator: &Ctx, scopes: Vec<String>, days: &str) -> NewSecret {
    let text = |text: &str| text.to_owned();
    let wanted =
        Wanted::MakeService { name: text("Registry"), purpose: text("Yearly stroke registry"), scopes, days: text(days), key: text("") };
    let request = api.app.ask_approval(administrator, &wanted, "The registry's yearly report is due.").await.unwrap();
    let privacy = ctx(api, Role::PrivacyOfficer).await;
    api.app.approve_request(&privacy, request).await.unwrap();
    let Used::ServiceMade(made) = api.app.use_request(administrator, request).await.unwrap() else { panic!("something else") };
    made
}

pub async fn ask(api: &Api, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
    let mut call = request("POST", "/api/v1/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    for (name, value) in headers {
        call = call.header(*name, *value);
    }
    api.raw(call.body(Body::from(urlencoded(fields))).unwrap()).await
}

pub async fn by_form(api: &Api, client: &str, secret: &str) -> Answer {
    ask(api, &[("grant_type", "client_credentials"), ("client_id", client), ("client_secret", secret)], &[]).await
}

async fn token(api: &Api, made: &NewSecret) -> String {
    by_form(api, &made.id.to_string(), &made.secret).await.text("access_token")
}

async fn status(api: &Api, token: &str) -> u16 {
    api.with(token, "GET", "/api/v1/health", None).await.status.as_u16()
}

#[tokio::test]
async fn a_program_gets_a_token_by_header_or_form_and_acts_under_its_own_name() {
    let api = Api::open().await;
    let made = make(&api, &["health.read", "log.read"], "30").await;
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", made.id, made.secret)));
    let grant = [("grant_type", "client_credentials")];
    let given = ask(&api, &grant, &[("authorization", &basic)]).await;
    assert_eq!((given.status.as_u16(), given.header("cache-control").contains("no-store")), (200, true));
    assert_eq!((&given.json["token_type"], &given.json["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(given.text("scope"), "log.read health.read");
    let narrow = ask(&api, &[grant[0], ("scope", "health.read")], &[("authorization", &basic)]).await;
    assert_eq!(narrow.text("scope"), "health.read");
    let narrow = narrow.text("access_token");
    assert_eq!(status(&api, &narrow).await, 200);
    assert_eq!(api.with(&narrow, "POST", "/api/v1/log/search", Some(json!({}))).await.refusal(), (403, "denied".to_owned()));
    let token = token(&api, &made).await;
    let log = api.with(&token, "POST", "/api/v1/log/search", Some(json!({"class": "log.read"}))).await;
    assert_eq!(log.status, 200, "{}", log.json);
    let line = api.with(&token, "POST", "/api/v1/log/search", Some(json!({"class": "log.read"}))).await.json["items"][0].clone();
    assert_eq!((&line["who"], &line["role"]), (&json!("Registry"), &json!("Service account")), "{line}");
    let listed = api.app.services(&ctx(&api, Role::Administrator).await).await.unwrap().remove(0);
    assert_eq!(listed.last_used, Some(api.visit().now));
}

#[tokio::test]
async fn a_scope_opens_what_it_says_and_no_chart_no_account_and_no_export() {
    let api = Api::open().await;
    let made = make(&api, &["stroke.read", "stroke.import", "log.read", "health.read"], "30").await;
    let token = token(&api, &made).await;
    assert_eq!(api.with(&token, "GET", "/api/v1/stroke", None).await.status, 200);
    assert_eq!(api.with(&token, "GET", "/api/v1/stroke/summary", None).await.status, 200);
    let patient = format!("/api/v1/patients/{}", api.patient);
    for (method, path, body, expected) in [
        ("GET", patient.as_str(), None, 404),
        ("GET", &format!("{patient}/records"), None, 404),
        ("GET", &format!("{patient}/details"), None, 404),
        ("GET", "/api/v1/worklist", None, 403),
        ("POST", "/api/v1/patients/search", Some(json!({"mrn": "A-1001"})), 403),
        ("GET", "/api/v1/accounts", None, 403),
        ("GET", "/api/v1/me", None, 403),
        ("POST", "/api/v1/stroke/export", None, 403),
        ("POST", "/api/v1/log/export", Some(json!({})), 403),
        ("POST", "/api/v1/sign-out", None, 401),
    ] {
        assert_eq!(api.with(&token, method, path, body).await.status.as_u16(), expected, "{method} {path}");
    }
    // A patient's part of the log is not for programs.
    let refused = api.with(&token, "POST", "/api/v1/log/search", Some(json!({"mrn": "A-1001"}))).await;
    assert_eq!(refused.fields(), ["mrn"]);
    let cookie = format!("wardkeep-session={token}");
    let by_cookie = request("GET", "/api/v1/health").header(header::COOKIE, cookie).header("x-wardkeep", "1");
    assert_eq!(api.raw(by_cookie.body(Body::empty()).unwrap()).await.status, 401, "in a cookie it is nothing");
    let session = api.person(Role::Administrator).token.clone();
    assert_eq!(status(&api, &format!("wks_{session}")).await, 401, "nor is a session a program's token");
}

#[tokio::test]
async fn with_every_scope_each_route_of_the_api_answers_as_policy_says() {
    let site = Site::open().await;
    site.app.set_pace(crate::pace::HURRY);
    let policy = Policy::embedded().unwrap();
    let deputy = site.ctx(&site.deputy).await;
    let scopes: Vec<String> = Scope::ALL.iter().map(|scope| scope.code().to_owned()).collect();
    let text = |text: &str| text.to_owned();
    let wanted =
        Wanted::MakeService { name: text("Everything"), purpose: text("Tries every address"), scopes, days: text("1"), key: text("") };
    let request = site.app.ask_approval(&deputy, &wanted, "To see what a program may reach.").await.unwrap();
    site.app.approve_request(&site.ctx(site.person(Role::PrivacyOfficer)).await, request).await.unwrap();
    let Used::ServiceMade(made) = site.app.use_request(&deputy, request).await.unwrap() else { panic!("something else") };
    let given = site.app.service_token(&site.visit(), "", &made.id.to_string(), Given::Secret(&made.secret), None).await.ok().unwrap();
    let actor = Actor::Service { id: made.id, scopes: given.scopes, active: true };
    let mut allowed = Vec::new();
    for (number, route) in wardkeep_web::api::routes::table().iter().enumerate() {
        let Guard::Signed(action) = route.guard else { continue };
        let call = sample(&site, route, None, Some(&given.token), site.near, number).await;
        let status = site.raw(call).await.status.as_u16();
        let resource = match () {
            () if route.path.contains("{patient}") => Resource::Chart { patient: site.near, author: None },
            () if route.path.contains("{account}") => Resource::Account { id: site.deputy.id, role: Role::Nurse },
            () => Resource::Hospital,
        };
        let facts = Facts { second_factor: true, ..Facts::default() };
        if policy.decide(actor, action, resource, facts).is_ok() {
            assert!(matches!(status, 200 | 422), "{} {}: {status}", route.method, route.path);
            allowed.push(route.path);
        } else {
            assert!(matches!(status, 401 | 403 | 404), "{} {}: {status}", route.method, route.path);
        }
    }
    let expected = ["/api/v1/stroke", "/api/v1/stroke/summary", "/api/v1/stroke/import", "/api/v1/log/search", "/api/v1/log/{event}"];
    assert_eq!(allowed, [&expected[..], &["/api/v1/log/{event}/proof", "/api/v1/health"]].concat());
    for path in ["/", "/log", "/stroke", "/services"] {
        let page = site.raw(crate::site::get(Some(&given.token), path)).await;
        assert_eq!(page.header("location"), "/sign-in", "{path}: a page is not for programs");
    }
}

#[tokio::test]
async fn a_program_that_reaches_assessments_is_made_by_two() {
    let api = Api::open().await;
    let administrator = ctx(&api, Role::Administrator).await;
    for scope in ["stroke.read", "stroke.import"] {
        let alone = api.app.make_service(&administrator, "Registry", "Yearly stroke registry", &[scope.to_owned()], "30", "").await;
        assert!(matches!(alone, Err(Error::SecondPerson(_))), "{scope}");
    }
    let doctor = ctx(&api, Role::Doctor).await;
    assert!(matches!(
        api.app.make_service(&doctor, "A program", "Reads health", &["health.read".to_owned()], "1", "").await,
        Err(Error::Denied(_))
    ));
    make(&api, &["stroke.read"], "30").await;
}

#[tokio::test]
async fn revoked_and_expired_mean_with_the_next_call() {
    let api = Api::open().await;
    let made = make(&api, &["health.read"], "30").await;
    let first = token(&api, &made).await;
    assert_eq!(status(&api, &first).await, 200);
    api.pass_ms(TOKEN_MS_MAX - 1);
    assert_eq!(status(&api, &first).await, 200);
    api.pass_ms(1);
    assert_eq!(status(&api, &first).await, 401, "a quarter of an hour");
    let api = Api::open().await;
    let made = make(&api, &["health.read"], "30").await;
    let live = token(&api, &made).await;
    api.app.revoke_service(&ctx(&api, Role::Administrator).await, made.id).await.unwrap();
    assert_eq!(status(&api, &live).await, 401, "revoked");
    assert_eq!(by_form(&api, &made.id.to_string(), &made.secret).await.json["error"], "invalid_client");
    let short = make(&api, &["health.read"], "1").await;
    api.pass_ms(24 * 60 * 60 * 1000 - 60_000);
    let last = by_form(&api, &short.id.to_string(), &short.secret).await;
    assert_eq!(last.json["expires_in"], 60, "no token outlives its account");
    let last = last.text("access_token");
    assert_eq!(status(&api, &last).await, 200);
    api.pass_ms(60_000);
    assert_eq!(status(&api, &last).await, 401, "expired");
    assert_eq!(by_form(&api, &short.id.to_string(), &short.secret).await.status, 401);
}

#[tokio::test]
async fn after_a_rotation_the_secret_before_counts_for_a_day() {
    let api = Api::open().await;
    let old = make(&api, &["health.read"], "30").await;
    let live = token(&api, &old).await;
    let new = api.app.rotate_service(&ctx(&api, Role::Administrator).await, old.id).await.unwrap();
    assert_ne!(new.secret, old.secret);
    assert_eq!(status(&api, &live).await, 200, "its tokens live on");
    let client = old.id.to_string();
    for secret in [&old.secret, &new.secret] {
        assert_eq!(by_form(&api, &client, secret).await.status, 200);
    }
    api.pass_ms(EARLIER_SECRET_MS_MAX);
    assert_eq!(by_form(&api, &client, &old.secret).await.status, 401);
    assert_eq!(by_form(&api, &client, &new.secret).await.status, 200);
}

#[tokio::test]
async fn an_unknown_client_and_a_wrong_secret_get_the_same_answer_and_both_have_to_wait() {
    let api = Api::open().await;
    let made = make(&api, &["health.read"], "30").await;
    let (known, unknown) = (made.id.to_string(), "00000000-0000-4000-8000-000000000000");
    let wrong = format!("wkc_{}", "A".repeat(43));
    let mut seen = Vec::new();
    for client in [known.as_str(), unknown] {
        let mut answers = Vec::new();
        for _ in 0..7 {
            let answer = by_form(&api, client, &wrong).await;
            let retry = answer.header("retry-after").to_owned();
            let challenge = answer.header("www-authenticate").to_owned();
            let said = if answer.json["error"].is_string() { answer.json.to_string() } else { answer.refusal().1 };
            answers.push((answer.status.as_u16(), retry, challenge, said));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].iter().map(|answer| answer.0).collect::<Vec<_>>(), [401, 401, 401, 401, 401, 401, 429]);
    assert_eq!(by_form(&api, &known, &made.secret).await.status, 429, "also with the right one");
    api.pass_ms(1_000);
    assert_eq!(by_form(&api, &known, &made.secret).await.status, 200);
}

#[tokio::test]
async fn refusals_are_those_of_rfc_6749() {
    let api = Api::open().await;
    let made = make(&api, &["health.read"], "30").await;
    let client = made.id.to_string();
    let good = [("grant_type", "client_credentials"), ("client_id", client.as_str()), ("client_secret", made.secret.as_str())];
    let basic = format!("Basic {}", STANDARD.encode(format!("{client}:{}", made.secret)));
    let with = |more: &[(&'static str, &'static str)]| good.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();
    for (fields, headers, status, code) in [
        (with(&[("scope", "log.read")]), vec![], 400, "invalid_scope"),
        (with(&[("scope", "chart.read")]), vec![], 400, "invalid_scope"),
        (with(&[("scope", "")]), vec![], 400, "invalid_scope"),
        (vec![("grant_type", "password"), good[1], good[2]], vec![], 400, "unsupported_grant_type"),
        (good[1..].to_vec(), vec![], 400, "invalid_request"),
        (with(&[("client_id", "x")]), vec![], 400, "invalid_request"),
        (good.to_vec(), vec![("authorization", basic.as_str())], 400, "invalid_request"),
        (vec![good[0]], vec![], 401, "invalid_client"),
        (vec![good[0]], vec![("authorization", "Basic !")], 401, "invalid_client"),
    ] {
        let answer = ask(&api, &fields, &headers).await;
        assert_eq!((answer.status.as_u16(), answer.json["error"].as_str()), (status, Some(code)), "{fields:?}");
        assert_eq!(answer.header("www-authenticate").starts_with("Basic "), status == 401);
        assert!(!answer.json.to_string().contains(&made.secret));
    }
    for headers in [[("sec-fetch-site", "cross-site")], [("origin", "http://evil.example")], [("sec-fetch-site", "same-site")]] {
        assert_eq!(ask(&api, &good, &headers).await.refusal(), (403, "cross_site".to_owned()), "{headers:?}");
    }
    assert_eq!(ask(&api, &good, &[("origin", ORIGIN)]).await.status, 200);
}

#[tokio::test]
async fn a_secret_is_shown_once_and_an_administrator_rotates_and_revokes_on_the_page() {
    let site = Site::open().await;
    let administrator = site.person(Role::Administrator);
    let fields = [("name", "Posture watcher"), ("purpose", "Watches the posture page"), ("days", "90"), ("health.read", "yes")];
    let shown = site.post(administrator, "/services/new", &fields).await.text();
    let secret = shown.split("id=\"client-secret\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(secret.starts_with("wkc_") && secret.len() == 47, "256 bits");
    let client = shown.split("id=\"client-id\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let listed = site.get(Some(administrator), "/services").await.text();
    assert!(listed.contains("Posture watcher") && listed.contains("Never") && !listed.contains(&secret));
    let rotated = site.post(administrator, &format!("/services/{client}/rotate"), &[]).await.text();
    assert!(rotated.contains("wkc_") && !rotated.contains(&secret));
    let revoked = site.post(administrator, &format!("/services/{client}/revoke"), &[]).await;
    assert_eq!((revoked.status.as_u16(), revoked.header("location")), (303, "/services"));
    assert!(site.get(Some(administrator), "/services").await.text().contains("Revoked"));
    assert_eq!(site.post(administrator, &format!("/services/{client}/rotate"), &[]).await.status, 409);
    let wrong = [("name", "x"), ("purpose", ""), ("days", "366")];
    let answer = site.post(administrator, "/services/new", &wrong).await;
    assert_eq!(answer.status, 422);
    for field in ["#name", "#purpose", "#scopes", "#days"] {
        assert!(answer.text().contains(&format!("href=\"{field}\"")), "{field}");
    }
    // What reaches assessments comes back as the form that asks for a second person.
    let fields = [("name", "Registry"), ("purpose", "Yearly stroke registry"), ("days", "90"), ("stroke.read", "yes")];
    let answer = site.post(administrator, "/services/new", &fields).await;
    assert_eq!(answer.status, 409);
    assert!(answer.text().contains("Make the service account Registry"));
    assert!(answer.text().contains("name=\"scopes\" value=\"stroke.read\""));
}
