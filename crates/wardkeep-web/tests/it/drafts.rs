//! What somebody had typed when their session ran out: kept, found again, sent, gone; and nobody else's.

use axum::body::Body;
use http::{StatusCode, header};
use serde_json::Value;
use wardkeep_app::audit::LogFilter;
use wardkeep_app::drafts::{DRAFT_MS_MAX, DRAFTS_MAX};
use wardkeep_domain::PatientId;
use wardkeep_domain::account::Role;
use wardkeep_domain::account::session::{IDLE_MS, IDLE_MS_RANGE};
use wardkeep_ledger::Class;
use wardkeep_store::{Find, Store};

use crate::site::{Answer, PASSWORD, Person, Site, post, request};

const TEXT: &str = "Comfortable overnight.\nWalks with a frame; eats well.";

fn note(patient: PatientId) -> String {
    format!("/patients/{patient}/records/new")
}

/// What is typed into the form of a new record.
fn fields(text: &str) -> Vec<(&'static str, &str)> {
    let form = crate::samples::form("/patients/{patient}/records/new");
    form.into_iter().map(|(name, value)| (name, if name == "body" { text } else { value })).collect()
}

/// Types a note and sends it too late.
async fn too_late(site: &Site, who: &Person, path: &str, text: &str) -> Answer {
    site.pass_ms(IDLE_MS);
    site.post(who, path, &fields(text)).await
}

fn is_kept(answer: &Answer) -> bool {
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/sign-in"), "{}", answer.text());
    answer.cookie("wardkeep-notice").as_deref() == Some("draft-kept")
}

/// The links to what is kept.
async fn kept(site: &Site, who: &Person) -> Vec<String> {
    let list = site.get(Some(who), "/drafts").await;
    if list.status == StatusCode::SEE_OTHER {
        assert_eq!(list.header("location"), "/");
        return Vec::new();
    }
    let text = list.text();
    text.split("href=\"/drafts/").skip(1).map(|rest| format!("/drafts/{}", rest.split_once('"').unwrap().0)).collect()
}

async fn count(site: &Site, class: Class) -> usize {
    let privacy = site.sign_in_again(site.person(Role::PrivacyOfficer)).await;
    let filter = LogFilter { class: Some(class), ..LogFilter::default() };
    site.app.read_log(&site.ctx(&privacy).await, &filter, None).await.unwrap().rows.len()
}

#[tokio::test]
async fn what_was_typed_when_the_session_ran_out_is_kept_found_sent_and_gone() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor).clone();
    let path = note(site.near);
    assert!(is_kept(&too_late(&site, &doctor, &path, TEXT).await));
    // Back: the way in leads there.
    site.pass_ms(60_000);
    let pending = site.knock("/sign-in", &[("email", &doctor.email), ("password", PASSWORD)]).await.cookie("wardkeep-sign-in").unwrap();
    let code = site.app.demo_code(&site.visit(), &doctor.email).await.unwrap();
    let second = request("POST", None, "/sign-in/code")
        .header(header::COOKIE, format!("wardkeep-sign-in={pending}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!("code={code}")))
        .unwrap();
    assert_eq!(site.raw(second).await.header("location"), "/drafts");
    let doctor = site.sign_in_again(&doctor).await;
    assert!(site.get(Some(&doctor), "/").await.text().contains("Something you typed is not saved yet"));
    assert!(!site.get(Some(&doctor), &format!("/patients/{}", site.near)).await.text().contains("Walks with a frame"));
    let own = kept(&site, &doctor).await;
    let [draft] = &own[..] else { panic!("{own:?}") };
    let page = site.get(Some(&doctor), draft).await.text();
    assert!(page.contains("Walks with a frame") && page.contains("Ward round") && page.contains(&format!("action=\"{path}\"")), "{page}");
    assert!(!page.contains(&site.person(Role::Doctor).csrf), "the token of the session that ended is not kept");
    // Sent with something missing it comes back whole, and still knows the draft; then it goes.
    let id = draft.strip_prefix("/drafts/").unwrap();
    let with = |text: &'static str| [&fields(text)[..], &[("draft", id)]].concat();
    let back = site.post(&doctor, &path, &with("")).await;
    assert!(back.status == 422 && back.text().contains(&format!("name=\"draft\" value=\"{id}\"")), "{}", back.text());
    assert_eq!(kept(&site, &doctor).await.len(), 1);
    let sent = site.post(&doctor, &path, &with(TEXT)).await;
    assert_eq!(sent.status, 303, "{}", sent.text());
    assert_eq!(kept(&site, &doctor).await.len(), 0);
    assert!(site.get(Some(&doctor), sent.header("location")).await.text().contains("Walks with a frame"));
    assert_eq!(site.get(Some(&doctor), draft).await.status, 404);
    for class in [Class::DraftKept, Class::DraftOpened, Class::DraftDropped] {
        assert_eq!(count(&site, class).await, 1, "{class:?}");
    }
    let report = site.app.verify_records(&site.operator(), &|_, _| {}).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    // The patient reads who left something and who went on with it.
    let patient = site.sign_in_again(site.person(Role::Patient)).await;
    let history = site.get(Some(&patient), "/my/access").await.text();
    assert!(history.contains("Left an entry unfinished") && history.contains("Went on with an unfinished entry"), "{history}");
}

#[tokio::test]
async fn only_a_session_that_ran_out_by_itself_leaves_something() {
    let site = Site::open().await;
    let path = note(site.near);
    let doctor = site.person(Role::Doctor).clone();
    let forged = Person { csrf: "0".repeat(64), ..doctor.clone() };
    assert!(!is_kept(&too_late(&site, &forged, &path, TEXT).await), "another page's form");
    let stranger = post(None, &path, &fields(TEXT));
    assert!(!is_kept(&site.raw(stranger).await), "nobody's");
    let again = site.sign_in_again(&doctor).await;
    assert_eq!(site.post(&again, "/sign-out", &[]).await.status, 303);
    assert!(!is_kept(&too_late(&site, &again, &path, TEXT).await), "signed out");
    let again = site.sign_in_again(&doctor).await;
    site.app.suspend(&site.operator(), doctor.id).await.unwrap();
    assert!(!is_kept(&too_late(&site, &again, &path, TEXT).await), "suspended");
    site.app.reinstate(&site.operator(), doctor.id).await.unwrap();
    let again = site.sign_in_again(&doctor).await;
    site.pass_ms(DRAFT_MS_MAX);
    assert!(!is_kept(&too_late(&site, &again, &path, TEXT).await), "a day later");
    // Who may not write there leaves nothing there, and the log says so.
    let nobody = site.sign_in_again(&site.other).await;
    let before = count(&site, Class::Denied).await;
    let nobody = site.sign_in_again(&nobody).await;
    assert!(!is_kept(&too_late(&site, &nobody, &path, TEXT).await), "another doctor's patient");
    assert_eq!(count(&site, Class::Denied).await, before + 1);
    let doctor = site.sign_in_again(&doctor).await;
    assert_eq!(kept(&site, &doctor).await.len(), 0);
}

#[tokio::test]
async fn a_draft_is_its_writers_while_they_may_do_what_it_is_for() {
    let site = Site::open().await;
    let nurse = site.sign_in_again(site.person(Role::Nurse)).await;
    assert!(is_kept(&too_late(&site, &nurse, &note(site.near), TEXT).await));
    let nurse = site.sign_in_again(&nurse).await;
    let draft = kept(&site, &nurse).await.remove(0);
    for role in [Role::Doctor, Role::Administrator, Role::PrivacyOfficer, Role::Patient] {
        let other = site.sign_in_again(site.person(role)).await;
        assert_eq!(site.get(Some(&other), &draft).await.status, 404, "{role:?}");
        assert_eq!(site.post(&other, &format!("{draft}/discard"), &[]).await.status, 404, "{role:?}");
        assert_eq!(kept(&site, &other).await.len(), 0, "{role:?}");
    }
    let doctor = site.sign_in_again(site.person(Role::Doctor)).await;
    assert_eq!(site.post(&doctor, &format!("/patients/{}/care-team/{}/remove", site.near, nurse.id), &[]).await.status, 303);
    let nurse = site.sign_in_again(&nurse).await;
    let answer = site.get(Some(&nurse), &draft).await;
    assert!(answer.status == 404 && !answer.text().contains("Walks with a frame"));
    site.app.assign_care(&site.ctx(&doctor).await, site.near, &nurse.email).await.unwrap();
    assert_eq!(site.get(Some(&nurse), &draft).await.status, 200);
    assert_eq!(site.post(&nurse, &format!("{draft}/discard"), &[]).await.header("location"), "/drafts");
    assert_eq!(kept(&site, &nurse).await.len(), 0);
}

#[tokio::test]
async fn the_newest_of_a_form_stays_ten_at_most_and_for_a_day() {
    let site = Site::open().await;
    let mut records = Vec::new();
    for _ in 0..DRAFTS_MAX {
        records.push(site.record(site.near).await);
    }
    let doctor = site.sign_in_again(site.person(Role::Doctor)).await;
    site.pass_ms(IDLE_MS);
    for text in ["first try of this", "second try of this"] {
        assert!(is_kept(&site.post(&doctor, &note(site.near), &fields(text)).await));
    }
    let back = site.sign_in_again(&doctor).await;
    let own = kept(&site, &back).await;
    assert_eq!(own.len(), 1);
    assert!(site.get(Some(&back), &own[0]).await.text().contains("second try of this"));
    site.pass_ms(IDLE_MS);
    for record in &records {
        let path = format!("/patients/{}/records/{record}/amend", site.near);
        assert!(is_kept(&site.post(&back, &path, &fields("amended text of this")).await));
    }
    let back = site.sign_in_again(&doctor).await;
    let own = kept(&site, &back).await;
    assert_eq!(own.len(), DRAFTS_MAX);
    for draft in &own {
        assert!(site.get(Some(&back), draft).await.text().contains("amended text of this"), "the oldest went");
    }
    site.pass_ms(DRAFT_MS_MAX);
    let back = site.sign_in_again(&doctor).await;
    assert_eq!((kept(&site, &back).await.len(), site.get(Some(&back), &own[0]).await.status.as_u16()), (0, 404));
}

#[tokio::test]
async fn a_search_an_empty_form_and_a_code_are_not_kept() {
    let site = Site::open().await;
    let doctor = site.sign_in_again(site.person(Role::Doctor)).await;
    site.pass_ms(IDLE_MS);
    assert!(!is_kept(&site.post(&doctor, "/patients", &[("mrn", "CANARY-4471")]).await));
    let member = site.locum.id;
    assert!(!is_kept(&site.post(&doctor, &format!("/patients/{}/care-team/{member}/remove", site.near), &[]).await));
    assert!(!is_kept(&site.post(&doctor, "/security/password", &[("password", "velvet")]).await), "not among the forms with work");
    let emergency = [("why", "life_threatening"), ("sentence", "Found unconscious in the corridor."), ("code", "314159")];
    assert!(is_kept(&site.post(&doctor, &format!("/patients/{}/emergency", site.far), &emergency).await));
    let new = [("family_name", "Samplesson"), ("given_name", "Ida")];
    assert!(is_kept(&site.post(&doctor, "/patients/new", &new).await), "about nobody yet");
    let doctor = site.sign_in_again(&doctor).await;
    let own = kept(&site, &doctor).await;
    assert!(site.get(Some(&doctor), &own[0]).await.text().contains("Samplesson"));
    let page = site.get(Some(&doctor), &own[1]).await.text();
    assert!(page.contains("Found unconscious") && !page.contains("314159"), "{page}");
}

#[tokio::test]
async fn the_script_asks_and_leaves_without_using_the_session() {
    let site = Site::open().await;
    let doctor = site.sign_in_again(site.person(Role::Doctor)).await;
    let left = async || -> i64 {
        let answer = site.get(Some(&doctor), "/session/left").await;
        serde_json::from_slice::<Value>(&answer.body).unwrap()["left_ms"].as_i64().unwrap()
    };
    let leave = async |to: &str| {
        let fields: Vec<(&str, &str)> = fields(TEXT).into_iter().chain([("to", to)]).collect();
        site.post(&doctor, "/drafts", &fields).await
    };
    assert_eq!(left().await, IDLE_MS);
    for minute in 1..15 {
        site.pass_ms(60_000);
        assert_eq!(left().await, IDLE_MS - minute * 60_000);
    }
    let path = note(site.near);
    assert_eq!(leave(&path).await.status, 204, "while it lives");
    site.pass_ms(60_000);
    assert_eq!(left().await, 0, "nothing of this was a use");
    assert_eq!(site.get(Some(&doctor), "/").await.header("location"), "/sign-in");
    assert_eq!(leave(&path).await.status, 204, "and after it ran out");
    for (to, status) in [("", 404), ("/security/password", 404), ("/patients", 404), ("//evil.example", 404), (&format!("{path}/"), 404)] {
        assert_eq!(leave(to).await.status.as_u16(), status, "{to}");
    }
    assert_eq!(leave(&note(PatientId::from_bytes([7; 16]))).await.status, 404);
    let doctor = site.sign_in_again(&doctor).await;
    assert_eq!(kept(&site, &doctor).await.len(), 1);
    assert_eq!(site.get(None, "/session/left").await.text(), "{\"left_ms\":0}");
}

#[tokio::test]
async fn a_hospital_sets_how_long_a_session_lasts_without_a_request_within_limits() {
    let site = Site::open().await;
    let hour = *IDLE_MS_RANGE.end();
    for (set, lasts) in [(hour, hour), (i64::MAX, hour), (0, *IDLE_MS_RANGE.start()), (IDLE_MS, IDLE_MS)] {
        site.app.set_idle_ms(set);
        let doctor = site.sign_in_again(site.person(Role::Doctor)).await;
        assert!(site.get(Some(&doctor), "/").await.text().contains(&format!("data-idle=\"{lasts}\"")));
        site.pass_ms(lasts - 1);
        assert_eq!(site.get(Some(&doctor), "/").await.status, 200);
        site.pass_ms(lasts);
        assert_eq!(site.get(Some(&doctor), "/").await.header("location"), "/sign-in");
    }
}

#[tokio::test]
async fn without_its_log_nothing_is_kept_and_nothing_kept_is_shown() {
    let site = Site::open().await;
    let doctor = site.sign_in_again(site.person(Role::Doctor)).await;
    assert!(is_kept(&too_late(&site, &doctor, &note(site.near), TEXT).await));
    let back = site.sign_in_again(&doctor).await;
    let draft = kept(&site, &back).await.remove(0);
    site.records.break_writes();
    let answer = site.get(Some(&back), &draft).await;
    assert!(answer.status == 503 && !answer.text().contains("Walks with a frame"));
    assert!(!is_kept(&too_late(&site, &back, &note(site.near), TEXT).await));
}

#[tokio::test]
async fn what_ran_out_is_dropped_within_a_minute_though_nobody_comes_back() {
    let site = Site::open().await;
    let doctor = site.sign_in_again(site.person(Role::Doctor)).await;
    assert!(is_kept(&too_late(&site, &doctor, &note(site.near), TEXT).await));
    let held = async || {
        let all = Find { kind: wardkeep_app::kinds::DRAFT, all_of: Vec::new(), before: None, since: None, limit: 10 };
        site.records.find(&all).await.unwrap().len()
    };
    for (pass, left) in [(0, 1), (DRAFT_MS_MAX - 60_000, 1), (120_000, 0)] {
        site.pass_ms(pass);
        site.app.tick(&site.visit()).await.unwrap();
        assert_eq!(held().await, left, "after {pass}");
    }
}

#[tokio::test]
async fn a_draft_goes_with_its_own_form_alone() {
    let site = Site::open().await;
    let doctor = site.sign_in_again(site.person(Role::Doctor)).await;
    assert!(is_kept(&too_late(&site, &doctor, &note(site.near), TEXT).await));
    let doctor = site.sign_in_again(&doctor).await;
    let draft = kept(&site, &doctor).await.remove(0);
    let id = draft.strip_prefix("/drafts/").unwrap();
    let email = site.other.email.clone();
    let other = site.post(&doctor, &format!("/patients/{}/care-team", site.near), &[("email", &email), ("draft", id)]).await;
    assert_eq!(other.status, 303, "{}", other.text());
    assert_eq!(kept(&site, &doctor).await.len(), 1);
}

#[tokio::test]
async fn signing_in_and_the_start_page_do_not_hang_on_the_records() {
    let site = Site::open().await;
    let administrator = site.person(Role::Administrator).clone();
    site.records.break_searches();
    let back = site.sign_in_again(&administrator).await;
    assert_eq!(site.get(Some(&back), "/security").await.status, 200);
}
