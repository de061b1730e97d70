//! Proving who you are, through the pages: what a stranger learns, what ends a session, what a
//! fresh code is asked for.

use axum::body::Body;
use http::header;
use wardkeep_domain::account::Role;
use wardkeep_domain::account::session::{ABSOLUTE_MS_MAX, IDLE_MS, PATIENT_IDLE_MS_MAX, PENDING_MS_MAX, STEP_UP_MS_MAX};

use crate::site::{Answer, PASSWORD, Person, Site, get, post, request};

/// The answer without what must differ: the request's number, and the address as it was typed.
fn alike(answer: &Answer, email: &str) -> String {
    let id = answer.header("x-request-id").to_owned();
    let mut headers: Vec<String> = answer.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    headers.sort();
    format!("{} {headers:?} {}", answer.status, answer.text()).replace(&id, "ID").replace(email, "EMAIL")
}

fn pending(token: &str, method: &str, path: &str, form: &str) -> http::Request<Body> {
    request(method, None, path)
        .header(header::COOKIE, format!("wardkeep-sign-in={token}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap()
}

#[tokio::test]
async fn an_unknown_name_a_wrong_password_and_a_suspended_account_get_the_same_answer() {
    let site = Site::open().await;
    let suspended = site.join(Role::Nurse, "asleep@site.example").await;
    site.app.suspend(&site.operator(), suspended.id).await.unwrap();
    let mut answers = Vec::new();
    for (email, password) in [
        ("nobody@site.example", "wrong wrong wrong"),
        ("doctor@site.example", "wrong wrong wrong"),
        ("asleep@site.example", PASSWORD),
        ("asleep@site.example", "wrong wrong wrong"),
        ("no address at all!!", "wrong wrong wrong"),
    ] {
        let answer = site.knock("/sign-in", &[("email", email), ("password", password)]).await;
        assert_eq!(answer.status, 401);
        answers.push(alike(&answer, email));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
}

// ASVS 6.3.1
#[tokio::test]
async fn cve_2023_54347_dropping_the_cookie_resets_no_counter_and_unknown_names_wait_alike() {
    let site = Site::open().await;
    for email in ["doctor@site.example", "nobody@site.example"] {
        let mut statuses = Vec::new();
        for _ in 0..7 {
            let answer = site.knock("/sign-in", &[("email", email), ("password", "wrong wrong wrong")]).await;
            statuses.push(answer.status.as_u16());
        }
        assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 429], "{email}");
        let told = site.knock("/sign-in", &[("email", email), ("password", PASSWORD)]).await;
        assert_eq!((told.status.as_u16(), told.header("retry-after")), (429, "1"), "the right password waits too");
    }
    site.pass_ms(1_000);
    assert_eq!(site.knock("/sign-in", &[("email", "doctor@site.example"), ("password", PASSWORD)]).await.status, 303);
}

// ASVS 6.3.3
#[tokio::test]
async fn bahmni_a_sign_in_in_progress_opens_no_door() {
    let site = Site::open().await;
    let answer = site.knock("/sign-in", &[("email", "doctor@site.example"), ("password", PASSWORD)]).await;
    let token = answer.cookie("wardkeep-sign-in").unwrap();
    assert_eq!(answer.cookie("wardkeep-session"), None);
    for path in ["/".to_owned(), "/security".to_owned(), format!("/patients/{}", site.near)] {
        assert_eq!(site.raw(pending(&token, "GET", &path, "")).await.header("location"), "/sign-in", "{path}");
        assert_eq!(site.raw(get(Some(&token), &path)).await.header("location"), "/sign-in", "{path} as a session");
    }
    assert_eq!(site.raw(pending(&token, "GET", "/sign-in/code", "")).await.status, 200);
    assert_eq!(site.raw(pending(&token, "GET", "/sign-in/enrol", "")).await.status, 409, "a factor is there: nobody sets up another");
    site.pass_ms(PENDING_MS_MAX);
    assert_eq!(site.raw(pending(&token, "GET", "/sign-in/code", "")).await.header("location"), "/sign-in");
}

// ASVS 6.5.1
#[tokio::test]
async fn a_code_counts_once_and_a_sign_in_in_progress_ends_with_it() {
    let site = Site::open().await;
    site.pass_ms(60_000);
    let code = site.app.demo_code(&site.visit(), "doctor@site.example").await.unwrap();
    let begin = async || {
        let answer = site.knock("/sign-in", &[("email", "doctor@site.example"), ("password", PASSWORD)]).await;
        answer.cookie("wardkeep-sign-in").unwrap()
    };
    let (first, second) = (begin().await, begin().await);
    let form = format!("code={code}");
    let signed = site.raw(pending(&first, "POST", "/sign-in/code", &form)).await;
    let token = signed.cookie("wardkeep-session").unwrap();
    assert_eq!((signed.status.as_u16(), signed.cookie("wardkeep-sign-in").as_deref()), (303, Some("")));
    assert_eq!(site.raw(get(Some(&token), "/security")).await.status, 200);
    let replayed = site.raw(pending(&second, "POST", "/sign-in/code", &form)).await;
    assert_eq!((replayed.status.as_u16(), replayed.cookie("wardkeep-session")), (401, None));
    site.pass_ms(60_000);
    let next = format!("code={}", site.app.demo_code(&site.visit(), "doctor@site.example").await.unwrap());
    let used = site.raw(pending(&first, "POST", "/sign-in/code", &next)).await;
    assert_eq!((used.header("location"), used.cookie("wardkeep-session")), ("/sign-in", None), "used up");
}

// ASVS 7.2.1, 7.2.3
#[tokio::test]
async fn asvs_7_2_4_a_planted_session_is_never_adopted() {
    let site = Site::open().await;
    site.pass_ms(60_000);
    let answer = site.knock("/sign-in", &[("email", "doctor@site.example"), ("password", PASSWORD)]).await;
    let code = site.app.demo_code(&site.visit(), "doctor@site.example").await.unwrap();
    let planted = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";
    let mut request = pending(&answer.cookie("wardkeep-sign-in").unwrap(), "POST", "/sign-in/code", &format!("code={code}"));
    request.headers_mut().append(header::COOKIE, format!("wardkeep-session={planted}").parse().unwrap());
    let signed = site.raw(request).await;
    let token = signed.cookie("wardkeep-session").unwrap();
    assert_ne!(token, planted);
    assert_eq!(token.len(), 43, "256 bits");
    assert!(!signed.text().contains(&token));
    assert_eq!(site.raw(get(Some(planted), "/security")).await.header("location"), "/sign-in");
}

async fn lives(site: &Site, person: &Person) -> bool {
    site.get(Some(person), "/security").await.status == 200
}

// ASVS 7.3.1, 7.3.2
#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_and_after_twelve_hours_whatever_happens() {
    for (role, idle) in [(Role::Doctor, IDLE_MS), (Role::Patient, PATIENT_IDLE_MS_MAX)] {
        let site = Site::open().await;
        let person = site.person(role);
        site.pass_ms(idle - 1);
        assert!(lives(&site, person).await, "{role:?} just before");
        site.pass_ms(idle);
        assert!(!lives(&site, person).await, "{role:?} at the idle limit");
        assert!(!lives(&site, person).await, "and stays ended");
    }
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor);
    let step = IDLE_MS / 2;
    for _ in 0..ABSOLUTE_MS_MAX / step - 1 {
        site.pass_ms(step);
        assert!(lives(&site, doctor).await);
    }
    site.pass_ms(step);
    assert!(!lives(&site, doctor).await, "twelve hours");
}

// ASVS 7.4.2, 7.4.5, 7.5.2
#[tokio::test]
async fn ended_by_anybody_means_on_the_next_request() {
    let site = Site::open().await;
    let (doctor, administrator) = (site.person(Role::Doctor), site.person(Role::Administrator));
    let second = site.sign_in_again(doctor).await;
    assert!(lives(&site, doctor).await && lives(&site, &second).await);
    assert_eq!(site.post(doctor, "/security/sessions/end-others", &[]).await.status, 303);
    assert!(lives(&site, doctor).await && !lives(&site, &second).await);
    let path = format!("/accounts/{}/end-sessions", doctor.id);
    assert_eq!(site.post(administrator, &path, &[]).await.status, 303);
    assert!(!lives(&site, doctor).await);
    let nurse = site.person(Role::Nurse);
    assert!(lives(&site, nurse).await);
    assert_eq!(site.post(administrator, &format!("/accounts/{}/suspend", nurse.id), &[]).await.status, 303);
    assert!(!lives(&site, nurse).await);
    let registrar = site.person(Role::Registrar);
    let fresh = site.sign_in_again(administrator).await;
    crate::two_person::reset(&site, &fresh, registrar.id).await;
    assert!(!lives(&site, registrar).await, "a reset factor ends sessions");
}

// ASVS 7.2.4, 7.5.1, 7.5.3
#[tokio::test]
async fn exports_and_factors_want_a_code_of_the_last_five_minutes_and_then_there_is_a_new_token() {
    let site = Site::open().await;
    let (privacy, administrator) = (site.person(Role::PrivacyOfficer), site.person(Role::Administrator));
    let nurse = site.person(Role::Nurse);
    site.pass_ms(STEP_UP_MS_MAX - 1);
    assert_eq!(site.post(privacy, "/log/export", &[]).await.status, 200);
    site.pass_ms(1);
    for (who, path, back) in [
        (privacy, "/log/export".to_owned(), "/log"),
        (administrator, format!("/accounts/{}/reset-factor", nurse.id), "/accounts"),
        (administrator, "/security/recovery-codes".to_owned(), "/security"),
    ] {
        let answer = site.post(who, &path, &[]).await;
        assert_eq!(answer.header("location"), format!("/security/confirm?next={back}"), "{path}");
    }
    let fields = [("password", PASSWORD), ("new_password", "amber river folds maps"), ("new_password_again", "amber river folds maps")];
    assert_eq!(site.post(administrator, "/security/password", &fields).await.header("location"), "/security/confirm?next=/security");
    let code = site.app.demo_code(&site.visit(), &privacy.email).await.unwrap();
    let answer = site.post(privacy, "/security/confirm", &[("code", &code), ("next", "/log")]).await;
    let token = answer.cookie("wardkeep-session").unwrap();
    assert_eq!(answer.header("location"), "/log");
    assert_ne!(token, privacy.token);
    assert!(!lives(&site, privacy).await, "the old token opens nothing");
    let ctx = site.app.authenticate(site.visit(), &token).await.unwrap();
    assert_eq!(site.raw(post(Some(&token), "/log/export", &[("csrf", &privacy.csrf)])).await.status, 403, "nor does the old form token");
    assert_eq!(site.raw(post(Some(&token), "/log/export", &[("csrf", ctx.form_token())])).await.status, 200);
}

// ASVS 6.4.1
#[tokio::test]
async fn a_link_works_once_and_for_a_while() {
    let site = Site::open().await;
    let administrator = site.person(Role::Administrator);
    let invite = async |email: &str| {
        let page =
            site.post(administrator, "/accounts/invite", &[("email", email), ("display_name", "New Nurse"), ("role", "nurse")]).await;
        let text = page.text();
        let rest = text.split("/invitation/").nth(1).unwrap();
        format!("/invitation/{}", &rest[..43])
    };
    let account = [("email", ""), ("display_name", ""), ("password", PASSWORD), ("password_again", PASSWORD)];
    let link = invite("one@site.example").await;
    assert_eq!(site.get(None, &link).await.status, 200);
    assert_eq!(site.knock(&link, &account).await.header("location"), "/sign-in");
    assert_eq!(site.get(None, &link).await.status, 404, "used");
    assert_eq!(site.knock(&link, &account).await.status, 404, "used");
    let late = invite("two@site.example").await;
    site.pass_ms(wardkeep_app::accounts::INVITATION_MS_MAX);
    assert_eq!(site.get(None, &late).await.status, 404, "too old");
    assert_eq!(site.knock(&late, &account).await.status, 404, "too old");
    assert_eq!(site.get(None, &late.replace("invitation", "setup")).await.status, 404);
    for wrong in ["x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "%00", "..%2f..", &"A".repeat(4000)] {
        assert_eq!(site.get(None, &format!("/invitation/{wrong}")).await.status, 404, "{wrong}");
    }
}
