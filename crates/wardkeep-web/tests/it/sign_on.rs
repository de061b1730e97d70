//! Single sign-on, through the pages: who comes in by the word of the hospital's own sign-in service,
//! and whose word counts for nothing.

use axum::body::Body;
use http::{StatusCode, header};
use serde_json::{Value, json};
use wardkeep_app::audit::LogFilter;
use wardkeep_app::sign_in::Provider;
use wardkeep_domain::account::Role;
use wardkeep_domain::account::session::STEP_UP_MS_MAX;
use wardkeep_ledger::{Class, Outcome};

use crate::issuer::{Issuer, LABEL, parameter};
use crate::site::{Answer, ORIGIN, PASSWORD, Person, Site, get, request, totp, urlencoded};

/// Where the page that goes on by itself leads.
pub fn leads(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let text = answer.text();
    let (_, rest) = text.split_once("http-equiv=\"refresh\" content=\"0; url=").expect("a page that goes on");
    rest.split_once('"').unwrap().0.replace("&#38;", "&")
}

/// A sign-in that was begun.
pub struct Begun {
    pub ticket: String,
    pub address: String,
}

pub async fn begin(site: &Site) -> Begun {
    let answer = site.knock("/sign-in/provider", &[]).await;
    Begun { ticket: answer.cookie("wardkeep-sign-on").unwrap(), address: leads(&answer) }
}

/// The provider leads the browser back.
pub async fn returns(site: &Site, ticket: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request = get(None, &format!("/sign-in/provider/back?{}", urlencoded(fields)));
    let headers = request.headers_mut();
    headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    headers.insert("sec-fetch-dest", "document".parse().unwrap());
    headers.insert(header::COOKIE, format!("wardkeep-sign-on={ticket}").parse().unwrap());
    site.raw(request).await
}

pub fn now_s(site: &Site) -> i64 {
    site.visit().now.0 / 1000
}

/// From the button to the page after coming back.
pub async fn sign_in(site: &Site, said: &Value) -> Answer {
    let begun = begin(site).await;
    let code = site.issuer.sign_in(&begun.address, now_s(site), said);
    returns(site, &begun.ticket, &[("code", &code), ("state", &parameter(&begun.address, "state")), ("session_state", "theirs")]).await
}

pub fn nurse() -> Value {
    json!({ "email": "new.nurse@site.example", "email_verified": true, "name": "New Nurse", "groups": ["ward-nurses", "canteen"] })
}

pub fn and(mut said: Value, more: Value) -> Value {
    said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    said
}

fn waiting(token: &str, method: &str, path: &str, form: &str) -> http::Request<Body> {
    request(method, None, path)
        .header(header::COOKIE, format!("wardkeep-sign-in={token}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap()
}

/// First sign-in of somebody new, with an app: the session's token and the app's key.
pub async fn join(site: &Site, said: &Value) -> (String, String) {
    let answer = sign_in(site, said).await;
    assert_eq!(leads(&answer), "/sign-in/enrol");
    assert_eq!(answer.cookie("wardkeep-session"), None);
    let token = answer.cookie("wardkeep-sign-in").unwrap();
    let page = site.raw(waiting(&token, "GET", "/sign-in/enrol", "")).await.text();
    assert!(page.contains("new.nurse@site.example"), "{page}");
    let key = site.app.enrolment(&site.visit(), &token).await.unwrap().key;
    let code = totp(&key, site.visit().now);
    let signed = site.raw(waiting(&token, "POST", "/sign-in/enrol", &format!("code={code}"))).await;
    (signed.cookie("wardkeep-session").unwrap(), key)
}

/// A person by the token of their session.
async fn person(site: &Site, token: &str) -> Person {
    let ctx = site.app.authenticate(site.visit(), token).await.unwrap();
    let (role, email) = (ctx.role().unwrap(), ctx.account().unwrap().email.as_str().to_owned());
    Person { role, email, id: ctx.account_id(), token: token.to_owned(), csrf: ctx.form_token().to_owned() }
}

pub async fn failures(site: &Site) -> usize {
    let privacy = site.sign_in_again(site.person(Role::PrivacyOfficer)).await;
    let privacy = site.ctx(&privacy).await;
    let failed = LogFilter { class: Some(Class::SignIn), outcome: Some(Outcome::Failed), ..LogFilter::default() };
    site.app.read_log(&privacy, &failed, None).await.unwrap().rows.len()
}

/// Nobody came in, and the page says why.
pub fn stays_out(answer: &Answer, words: &str, what: &str) {
    assert!(answer.status.is_client_error(), "{what}: {}", answer.status);
    for cookie in ["wardkeep-session", "wardkeep-sign-in"] {
        assert_eq!(answer.cookie(cookie), None, "{what}");
    }
    assert!(answer.text().contains(words), "{what}: {}", answer.text());
}

// ASVS 7.6.2, 10.2.1, 10.2.3
#[tokio::test]
async fn the_button_leads_out_by_a_page_and_the_question_stays_in_a_cookie() {
    let site = Site::open().await;
    assert!(site.get(None, "/sign-in").await.text().contains(&format!("Sign in with {LABEL}")));
    let answer = site.knock("/sign-in/provider", &[]).await;
    let address = leads(&answer);
    let cookies: Vec<&str> = answer.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
    assert!(cookies[0].starts_with("wardkeep-sign-on=") && cookies[0].ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookies:?}");
    assert!(cookies[0].len() < 2000, "{}", cookies[0].len());
    for secret in ["state", "nonce", "code_challenge"] {
        assert_eq!(parameter(&address, secret).len(), 43, "{secret}");
        assert!(!cookies[0].contains(&parameter(&address, secret)));
    }
    let second = begin(&site).await.address;
    assert_ne!(parameter(&address, "state"), parameter(&second, "state"));
    // Nothing but pressing the button begins it.
    assert_eq!(site.get(None, "/sign-in/provider").await.status, 405);
    let asked = site.issuer.change(|state| state.calls.clone());
    assert_eq!(asked, ["/.well-known/openid-configuration"], "read once, kept for a while");
}

// ASVS 6.8.4, 10.5.2
#[tokio::test]
async fn somebody_new_gets_the_role_of_their_groups_and_a_second_factor_of_their_own() {
    let site = Site::open().await;
    let (token, key) = join(&site, &nurse()).await;
    let ctx = site.app.authenticate(site.visit(), &token).await.unwrap();
    let account = ctx.account().unwrap();
    assert_eq!((account.role, account.display_name.as_str(), account.units.len()), (Role::Nurse, "New Nurse", 0));
    let page = site.raw(get(Some(&token), "/security")).await.text();
    assert!(page.contains("this account has no password") && !page.contains("/security/password"), "{page}");
    // Again: known by issuer and subject, whatever else changed there.
    site.pass_ms(60_000);
    let again = sign_in(&site, &json!({ "groups": ["all-nurses"], "email": "married@site.example", "email_verified": true })).await;
    assert_eq!((leads(&again).as_str(), again.cookie("wardkeep-session")), ("/sign-in/code", None));
    let waits = again.cookie("wardkeep-sign-in").unwrap();
    let code = totp(&key, site.visit().now);
    let signed = site.raw(waiting(&waits, "POST", "/sign-in/code", &format!("code={code}"))).await;
    let same = site.app.authenticate(site.visit(), &signed.cookie("wardkeep-session").unwrap()).await.unwrap();
    assert_eq!(same.account_id(), ctx.account_id());
    assert_eq!(same.account().unwrap().email.as_str(), "new.nurse@site.example");
    let other = sign_in(&site, &and(nurse(), json!({ "sub": "another" }))).await;
    stays_out(&other, "has an account here already", "another person with the same address");
}

// ASVS 6.8.4
#[tokio::test]
async fn a_factor_that_the_hospital_accepts_takes_the_place_of_the_code() {
    let site = Site::open().await;
    let (_, key) = join(&site, &and(nurse(), json!({ "amr": ["pwd", "mfa"] }))).await;
    for (said, accepted) in [
        (json!({ "amr": ["pwd", "mfa"] }), true),
        (json!({ "acr": "urn:site:two" }), true),
        (json!({ "amr": ["pwd"], "acr": "urn:site:one" }), false),
        (json!({ "amr": ["urn:site:two"], "acr": "mfa" }), false),
        (json!({}), false),
    ] {
        site.pass_ms(60_000);
        let answer = sign_in(&site, &and(nurse(), said.clone())).await;
        assert_eq!(leads(&answer), if accepted { "/" } else { "/sign-in/code" }, "{said}");
        assert_eq!(answer.cookie("wardkeep-session").is_some(), accepted, "{said}");
        assert_eq!(answer.cookie("wardkeep-sign-on").as_deref(), Some(""));
    }
    // The factor is as fresh as the provider says it is.
    site.pass_ms(60_000);
    let before_s = now_s(&site) - STEP_UP_MS_MAX / 1000;
    for (auth_time, status) in [(before_s, 303), (before_s + 60, 200)] {
        let token =
            sign_in(&site, &and(nurse(), json!({ "amr": ["mfa"], "auth_time": auth_time }))).await.cookie("wardkeep-session").unwrap();
        let nurse = person(&site, &token).await;
        let codes = site.post(&nurse, "/security/recovery-codes", &[]).await;
        assert_eq!(codes.status.as_u16(), status, "{}", codes.header("location"));
    }
    assert!(!key.is_empty());
}

// ASVS 6.8.1, 10.5.2
#[tokio::test]
async fn an_address_that_has_an_account_is_linked_by_its_owner_alone() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor).clone();
    let said = json!({ "sub": "doc", "email": doctor.email, "email_verified": true, "groups": ["ward-doctors"], "amr": ["mfa"] });
    stays_out(&sign_in(&site, &said).await, "has an account here already", "not yet linked");
    // The owner, with a fresh factor.
    site.pass_ms(STEP_UP_MS_MAX);
    assert_eq!(site.post(&doctor, "/security/provider/ask", &[]).await.header("location"), "/security/confirm?next=/security");
    let doctor = site.sign_in_again(&doctor).await;
    let out = site.post(&doctor, "/security/provider/ask", &[]).await;
    let (ticket, address) = (out.cookie("wardkeep-sign-on").unwrap(), leads(&out));
    let code = site.issuer.sign_in(&address, now_s(&site), &said);
    let back = returns(&site, &ticket, &[("code", &code), ("state", &parameter(&address, "state"))]).await;
    assert_eq!((leads(&back).as_str(), back.cookie("wardkeep-session")), ("/security/provider", None), "nobody is signed in by it");
    let ticket = back.cookie("wardkeep-sign-on").unwrap();
    let with = |person: &Person, method: &str, path: &str| {
        request(method, None, path)
            .header(header::COOKIE, format!("wardkeep-session={}; wardkeep-sign-on={ticket}", person.token))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(format!("csrf={}", person.csrf)))
            .unwrap()
    };
    // Another person's session, or another one of the same person, links nothing.
    let stranger = site.sign_in_again(&site.other).await;
    assert_eq!(site.raw(with(&stranger, "POST", "/security/provider/link")).await.status, 409);
    let page = site.raw(with(&doctor, "GET", "/security/provider")).await.text();
    assert!(page.contains("Link it") && page.contains(&doctor.email), "{page}");
    assert_eq!(site.raw(with(&doctor, "POST", "/security/provider/link")).await.header("location"), "/security");
    assert_eq!(site.raw(with(&doctor, "POST", "/security/provider/link")).await.status, 409, "once");
    let page = site.get(Some(&doctor), "/security").await.text();
    assert!(page.contains("Linked since") && page.contains("Single sign-on was linked"), "{page}");
    // From now on it signs in, whatever the groups say: the role was given here.
    for groups in [json!(["ward-nurses"]), json!([])] {
        let signed = sign_in(&site, &and(said.clone(), json!({ "groups": groups, "email": "moved@site.example" }))).await;
        let token = signed.cookie("wardkeep-session").unwrap();
        assert_eq!(person(&site, &token).await.id, doctor.id);
    }
    assert_eq!(site.knock("/sign-in", &[("email", &doctor.email), ("password", PASSWORD)]).await.status, 303, "the password stays");
    // Nobody else links the same identity; and the owner takes it back.
    let other = site.sign_in_again(&site.other).await;
    let out = site.post(&other, "/security/provider/ask", &[]).await;
    let code = site.issuer.sign_in(&leads(&out), now_s(&site), &said);
    let fields = [("code", code.as_str()), ("state", &parameter(&leads(&out), "state"))];
    let ticket = returns(&site, &out.cookie("wardkeep-sign-on").unwrap(), &fields).await.cookie("wardkeep-sign-on").unwrap();
    let taken = request("POST", None, "/security/provider/link")
        .header(header::COOKIE, format!("wardkeep-session={}; wardkeep-sign-on={ticket}", other.token))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!("csrf={}", other.csrf)))
        .unwrap();
    stays_out(&site.raw(taken).await, "linked to an account already", "taken");
    let doctor = site.sign_in_again(&doctor).await;
    assert_eq!(site.post(&doctor, "/security/provider/unlink", &[]).await.header("location"), "/security");
    stays_out(&sign_in(&site, &said).await, "has an account here already", "no longer linked");
}

#[tokio::test]
async fn a_sign_in_that_stops_says_why_and_is_in_the_log() {
    let site = Site::open().await;
    for (said, words) in [
        (json!({ "groups": [] }), "you have no account here"),
        (json!({ "groups": "canteen" }), "you have no account here"),
        (json!({ "groups": "leave out" }), "you have no account here"),
        (json!({ "groups": ["ward-nurses", "ward-doctors"] }), "more than one role here (Doctor, Nurse)"),
        (json!({ "email_verified": false }), "does not vouch for an e-mail address"),
        (json!({ "email_verified": "true" }), "does not vouch for an e-mail address"),
        (json!({ "email": "no address" }), "does not vouch for an e-mail address"),
    ] {
        stays_out(&sign_in(&site, &and(nurse(), said.clone())).await, words, &said.to_string());
    }
    assert_eq!(failures(&site).await, 7);
    let (token, _) = join(&site, &and(nurse(), json!({ "groups": "ward-nurses" }))).await;
    let nurse_id = person(&site, &token).await.id;
    // The group ends, and with it the way in; so does the account.
    let left = sign_in(&site, &and(nurse(), json!({ "groups": ["canteen"], "amr": ["mfa"] }))).await;
    stays_out(&left, "no longer says that you are Nurse here", "left the group");
    site.app.suspend(&site.operator(), nurse_id).await.unwrap();
    stays_out(&sign_in(&site, &and(nurse(), json!({ "amr": ["mfa"] }))).await, "is not active", "suspended");
    assert_eq!(failures(&site).await, 9);
}

#[tokio::test]
async fn an_account_without_a_password_has_none_that_fits_and_keeps_its_way_in() {
    let site = Site::open().await;
    let (token, _) = join(&site, &nurse()).await;
    let nurse = person(&site, &token).await;
    for password in ["", " ", "wrong wrong wrong"] {
        assert_eq!(site.knock("/sign-in", &[("email", &nurse.email), ("password", password)]).await.status, 401, "{password:?}");
    }
    let fields = [("password", ""), ("new_password", "amber river folds maps"), ("new_password_again", "amber river folds maps")];
    assert_eq!(site.post(&nurse, "/security/password", &fields).await.status, 422);
    stays_out(&site.post(&nurse, "/security/provider/unlink", &[]).await, "without the link nobody could sign in", "unlink");
}

#[tokio::test]
async fn patients_do_not_sign_in_this_way_and_whoever_decides_on_requests_always_gives_a_code() {
    let site = Site::open().await;
    let patient = site.sign_in_again(site.person(Role::Patient)).await;
    stays_out(&site.post(&patient, "/security/provider/ask", &[]).await, "Only staff", "a patient");
    assert!(!site.get(Some(&patient), "/security").await.text().contains(LABEL));
    let administrator = site.sign_in_again(site.person(Role::Administrator)).await;
    let out = site.post(&administrator, "/security/provider/ask", &[]).await;
    let said = json!({ "sub": "root", "amr": ["mfa"] });
    let code = site.issuer.sign_in(&leads(&out), now_s(&site), &said);
    let fields = [("code", code.as_str()), ("state", &parameter(&leads(&out), "state"))];
    let ticket = returns(&site, &out.cookie("wardkeep-sign-on").unwrap(), &fields).await.cookie("wardkeep-sign-on").unwrap();
    site.app.link_provider(&site.ctx(&administrator).await, &ticket).await.unwrap();
    assert_eq!(leads(&sign_in(&site, &said).await), "/sign-in/code");
    // No group makes one.
    for role in [Role::Administrator, Role::PrivacyOfficer, Role::Patient] {
        let mut agreed = Issuer::agreed();
        agreed.roles.insert("everybody".to_owned(), role);
        let told = Provider::new(agreed, std::sync::Arc::new(site.issuer.clone())).unwrap_err();
        assert!(told.contains(role.label()), "{told}");
    }
}

// ASVS 10.1.1
#[tokio::test]
async fn what_the_token_leaves_out_the_provider_is_asked_for() {
    let site = Site::open().await;
    let subject = json!({ "sub": "248289761001" });
    site.issuer.change(|state| state.about = Some(and(nurse(), json!({ "sub": "somebody else" }))));
    stays_out(&sign_in(&site, &json!({})).await, "did not sign you in", "about somebody else");
    site.issuer.change(|state| state.about = Some(and(nurse(), subject.clone())));
    // A verified mark without its address proves no other address.
    site.issuer.change(|state| state.about = Some(and(and(nurse(), subject.clone()), json!({ "email_verified": false }))));
    stays_out(&sign_in(&site, &json!({ "email_verified": true })).await, "does not vouch", "the mark of another address");
    site.issuer.change(|state| state.about = Some(and(nurse(), subject)));
    join(&site, &json!({})).await;
    site.issuer.change(|state| state.calls.clear());
    let answer = sign_in(&site, &nurse()).await;
    // The provider's tokens are for us: the browser gets none of them.
    assert!(!format!("{:?} {}", answer.headers, answer.text()).contains("for-the-person"));
    assert_eq!(site.issuer.change(|state| state.calls.clone()), ["/token"], "the token said it all");
}

#[tokio::test]
async fn without_a_provider_there_is_no_button_and_no_way() {
    let site = Site::with(wardkeep_web::Settings { origin: ORIGIN.to_owned(), secure: false, sign_on: None, publish_log: false }).await;
    assert!(!site.get(None, "/sign-in").await.text().contains("/sign-in/provider"));
    assert_eq!(site.knock("/sign-in/provider", &[]).await.status, 404);
    assert_eq!(site.get(None, "/sign-in/provider/back?code=x&state=y").await.status, 404);
    let doctor = site.person(Role::Doctor);
    assert!(!site.get(Some(doctor), "/security").await.text().contains("/security/provider"));
    assert_eq!(site.post(doctor, "/security/provider/ask", &[]).await.status, 404);
}
