//! How long a session lives, to the millisecond, and what ends it.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::header;
use wardkeep_domain::account::Role;
use wardkeep_domain::account::session::{ABSOLUTE_MS_MAX, IDLE_MS, PATIENT_IDLE_MS_MAX, STEP_UP_MS_MAX};

use crate::site::{Person, Site, get, post, request};

async fn lives(site: &Site, person: &Person) -> bool {
    site.get(Some(person), "/security").await.status == 200
}

// ASVS 7.3.1
#[tokio::test]
async fn fifteen_minutes_without_a_request_end_a_session_of_staff_and_thirty_one_of_a_patient() {
    for role in Role::ALL {
        let idle = if role == Role::Patient { PATIENT_IDLE_MS_MAX } else { IDLE_MS };
        let site = Site::open().await;
        let person = site.person(role);
        site.pass_ms(idle - 1);
        assert!(lives(&site, person).await, "{role:?} a millisecond before");
        site.pass_ms(idle - 1);
        assert!(lives(&site, person).await, "{role:?}: each request begins it anew");
        site.pass_ms(idle);
        assert!(!lives(&site, person).await, "{role:?} at the limit");
    }
}

// ASVS 7.3.1
#[tokio::test]
async fn what_a_browser_fetches_by_itself_keeps_no_session_alive() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor);
    for _ in 0..5 {
        site.pass_ms(IDLE_MS / 5);
        for path in [wardkeep_web::assets::url("app.css"), "/healthz".to_owned(), "/readyz".to_owned(), "/sign-in".to_owned()] {
            site.get(Some(doctor), &path).await;
        }
    }
    assert!(!lives(&site, doctor).await);
}

// ASVS 7.3.2
#[tokio::test]
async fn twelve_hours_end_any_session_to_the_millisecond_and_no_fresh_code_makes_them_longer() {
    let site = Site::open().await;
    let mut doctor = site.person(Role::Doctor).clone();
    let step = IDLE_MS / 3;
    for number in 0..ABSOLUTE_MS_MAX / step - 1 {
        site.pass_ms(step);
        assert!(lives(&site, &doctor).await, "{number}");
        if number % 40 == 0 {
            let code = site.app.demo_code(&site.visit(), &doctor.email).await.unwrap();
            let answer = site.post(&doctor, "/security/confirm", &[("code", &code), ("next", "/security")]).await;
            doctor.token = answer.cookie("wardkeep-session").unwrap();
            doctor.csrf = site.ctx(&doctor).await.form_token().to_owned();
        }
    }
    site.pass_ms(step - 1);
    assert!(lives(&site, &doctor).await, "a millisecond before");
    site.pass_ms(1);
    assert!(!lives(&site, &doctor).await, "twelve hours");
}

// ASVS 7.5.3
#[tokio::test]
async fn a_fresh_code_is_fresh_for_five_minutes_to_the_millisecond() {
    let site = Site::open().await;
    let (privacy, administrator) = (site.person(Role::PrivacyOfficer), site.person(Role::Administrator));
    site.pass_ms(STEP_UP_MS_MAX - 1);
    assert_eq!(site.post(privacy, "/log/export", &[]).await.status, 200);
    site.pass_ms(1);
    assert_eq!(site.post(privacy, "/log/export", &[]).await.header("location"), "/security/confirm?next=/log");
    let invite = [("email", "late@site.example"), ("display_name", "Late Nurse"), ("role", "nurse")];
    assert!(site.post(administrator, "/accounts/invite", &invite).await.header("location").starts_with("/security/confirm"));
}

// ASVS 7.4.1, 7.4.2, 7.4.3, 7.4.5
#[tokio::test]
async fn a_token_that_somebody_kept_opens_nothing_after_whatever_ended_the_session() {
    let site = Site::open().await;
    let administrator = site.person(Role::Administrator);
    for what in ["sign-out", "suspend", "end-sessions", "reset-factor", "own", "others"] {
        let email = format!("{what}@site.example");
        let kept = site.join(Role::Nurse, &email).await;
        assert!(lives(&site, &kept).await, "{what}");
        match what {
            "sign-out" => drop(site.post(&kept, "/sign-out", &[]).await),
            "own" => {
                let session = site.ctx(&kept).await.session().unwrap().id;
                drop(site.post(&kept, &format!("/security/sessions/{session}/end"), &[]).await);
            }
            "others" => {
                let second = site.sign_in_again(&kept).await;
                drop(site.post(&second, "/security/sessions/end-others", &[]).await);
            }
            "reset-factor" => crate::two_person::reset(&site, &site.sign_in_again(administrator).await, kept.id).await,
            verb => {
                let administrator = site.sign_in_again(administrator).await;
                drop(site.post(&administrator, &format!("/accounts/{}/{verb}", kept.id), &[]).await);
            }
        }
        assert!(!lives(&site, &kept).await, "{what}: pages");
        let call = request("GET", None, "/api/v1/me").header(header::AUTHORIZATION, format!("Bearer {}", kept.token));
        assert_eq!(site.raw(call.body(axum::body::Body::empty()).unwrap()).await.status, 401, "{what}: API");
        let chart = format!("/patients/{}", site.near);
        assert_eq!(site.raw(get(Some(&kept.token), &chart)).await.header("location"), "/sign-in", "{what}: chart");
    }
}

// ASVS 7.4.4
#[tokio::test]
async fn every_page_of_somebody_signed_in_has_the_way_out() {
    let site = Site::open().await;
    let mut pages = 0;
    for route in crate::samples::routes().iter().filter(|route| route.method == "GET" && !route.path.starts_with("/api/")) {
        if !matches!(route.guard, wardkeep_web::routes::Guard::Signed(_)) {
            continue;
        }
        for person in &site.people {
            let answer = site.raw(crate::samples::sample(&site, route, Some(person), Some(&person.token), site.near, 1).await).await;
            if answer.status == 200 && answer.header("content-type").starts_with("text/html") && answer.text().contains("<!doctype") {
                pages += 1;
                assert!(answer.text().contains("action=\"/sign-out\""), "{} as {:?}", route.path, person.role);
            }
        }
    }
    assert!(pages > 40, "only {pages} pages seen");
}

// ASVS 7.5.2
#[tokio::test]
async fn everybody_sees_their_own_sessions_with_device_and_address_and_ends_any_of_them() {
    let site = Site::open().await;
    let first = site.person(Role::Doctor);
    let second = site.sign_in_again(first).await;
    let page = site.get(Some(&second), "/security").await.text();
    assert!(page.contains("Firefox on Linux") && page.contains("192.0.2.1"), "device and address");
    let session = site.ctx(first).await.session().unwrap().id;
    let end = format!("/security/sessions/{session}/end");
    assert!(page.contains(&end));
    assert_eq!(site.post(site.person(Role::Nurse), &end, &[]).await.status, 404, "somebody else's");
    assert!(lives(&site, first).await);
    assert_eq!(site.post(&second, &end, &[]).await.status, 303);
    assert!(!lives(&site, first).await && lives(&site, &second).await);
}

/// Exports the log from a device and an address; where the answer leads, or its status.
async fn export_from(site: &Site, person: &Person, device: &str, address: [u8; 4]) -> String {
    let mut request = post(Some(&person.token), "/log/export", &[("csrf", &person.csrf)]);
    request.headers_mut().insert(header::USER_AGENT, device.parse().unwrap());
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from((address, 50_000))));
    let answer = site.raw(request).await;
    if answer.status == 200 { "exported".to_owned() } else { answer.header("location").to_owned() }
}

// ASVS 8.2.4
#[tokio::test]
async fn a_session_that_turns_up_elsewhere_proves_a_factor_there_before_anything_that_needs_one() {
    let site = Site::open().await;
    let privacy = site.person(Role::PrivacyOfficer);
    let (own, other) = ("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0");
    let confirm = "/security/confirm?next=/log";
    assert_eq!(export_from(&site, privacy, own, [192, 0, 2, 1]).await, "exported");
    assert_eq!(export_from(&site, privacy, other, [192, 0, 2, 1]).await, confirm, "another device");
    assert_eq!(export_from(&site, privacy, own, [198, 51, 100, 7]).await, confirm, "another network");
    assert_eq!(export_from(&site, privacy, own, [192, 0, 2, 1]).await, "exported", "back where it was");
    let code = site.app.demo_code(&site.visit(), &privacy.email).await.unwrap();
    let mut request = post(Some(&privacy.token), "/security/confirm", &[("csrf", &privacy.csrf), ("code", &code), ("next", "/log")]);
    request.headers_mut().insert(header::USER_AGENT, other.parse().unwrap());
    let token = site.raw(request).await.cookie("wardkeep-session").unwrap();
    let csrf = site.app.authenticate(site.visit(), &token).await.unwrap().form_token().to_owned();
    let moved = Person { token, csrf, ..privacy.clone() };
    assert_eq!(export_from(&site, &moved, other, [192, 0, 2, 1]).await, "exported", "proven there");
    assert_eq!(export_from(&site, &moved, own, [192, 0, 2, 1]).await, confirm, "and no longer here");
    assert!(lives(&site, &moved).await, "what needs no fresh factor goes on");
}
