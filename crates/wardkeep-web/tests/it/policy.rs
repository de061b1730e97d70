//! The pages of the rules: who sees them, what they answer, and what they do not give away.

use wardkeep_app::audit::LogFilter;
use wardkeep_domain::account::Role;
use wardkeep_ledger::Class;

use crate::site::{FAR_FAMILY, FAR_MRN, NEAR_FAMILY, NEAR_MRN, ROLES, Site};

const ASK: &str = "/policy/explain";

#[tokio::test]
async fn administrators_and_the_privacy_officer_read_the_rules_and_nobody_else() {
    let site = Site::open().await;
    for (role, _) in ROLES {
        let reads = matches!(role, Role::Administrator | Role::PrivacyOfficer);
        for path in ["/policy", "/policy?role=nurse", ASK] {
            let answer = site.get(Some(site.person(role)), path).await;
            assert_eq!(answer.status.as_u16(), if reads { 200 } else { 403 }, "{path} as {role:?}");
        }
        // An administrator's navigation is full: the way leads over the page of the system's health.
        let start = if role == Role::Administrator { "/health" } else { "/security" };
        let start = site.get(Some(site.person(role)), start).await.text();
        assert_eq!(start.contains("href=\"/policy\""), reads, "{role:?}: the way to it is shown to those alone who may go");
    }
    let all = site.get(Some(site.person(Role::PrivacyOfficer)), "/policy").await.text();
    let nurse = site.get(Some(site.person(Role::PrivacyOfficer)), "/policy?role=nurse").await.text();
    for rule in ["nurse-own-entries", "second-factor"] {
        assert!(all.contains(rule) && nurse.contains(rule), "{rule}");
    }
    assert!(nurse.contains("Nurses amend the entries they wrote themselves."));
    assert!(all.contains("doctor-in-care") && !nurse.contains("doctor-in-care"));
    assert!(all.contains("This hospital has no rules of its own."));
}

#[tokio::test]
async fn the_privacy_officer_asks_about_a_person_and_a_patient_and_sees_nothing_of_the_patient() {
    let site = Site::open().await;
    let (privacy, doctor) = (site.person(Role::PrivacyOfficer), site.person(Role::Doctor));
    let far = site.post(privacy, ASK, &[("email", &doctor.email), ("action", "open_chart"), ("mrn", FAR_MRN)]).await;
    let text = far.text();
    assert_eq!(far.status, 200);
    for part in
        ["Refused", "Staffname Doctor, Doctor", "No rule allows this.", "The patient is in this person&#39;s care.", "doctor-in-care"]
    {
        assert!(text.contains(part), "{part}");
    }
    let near = site.post(privacy, ASK, &[("email", &doctor.email), ("action", "open_chart"), ("mrn", NEAR_MRN)]).await.text();
    assert!(near.contains("Allowed") && near.contains("doctor-in-care, in doctor.cedar"));
    for canary in [NEAR_FAMILY, FAR_FAMILY, "Canarystreet", "Quillon"] {
        assert!(!text.contains(canary) && !near.contains(canary), "{canary}");
    }
    let ctx = site.ctx(privacy).await;
    let filter = LogFilter { class: Some(Class::LogRead), mrn: FAR_MRN.to_owned(), ..LogFilter::default() };
    let rows = site.app.read_log(&ctx, &filter, None).await.unwrap().rows;
    assert_eq!(rows.iter().map(|row| row.event.detail("what")).collect::<Vec<_>>(), [Some("policy explained")]);
    let own = site.get(Some(site.person(Role::Patient)), "/my/access").await.text();
    assert!(own.contains("Read the log"), "the patient sees that it was asked");
}

#[tokio::test]
async fn an_administrator_asks_about_people_and_is_not_told_which_numbers_exist() {
    let site = Site::open().await;
    let administrator = site.person(Role::Administrator);
    assert!(!site.get(Some(administrator), ASK).await.text().contains("name=\"mrn\""), "the field is not offered");
    let doctor = site.person(Role::Doctor);
    let mut pages = Vec::new();
    for mrn in [NEAR_MRN, "CANARY-0000"] {
        let answer = site.post(administrator, ASK, &[("email", &doctor.email), ("action", "open_chart"), ("mrn", mrn)]).await;
        assert_eq!(answer.status, 422, "{mrn}");
        pages.push(answer.text().replace(mrn, ""));
    }
    assert!(pages[0].contains("Administrators do not look patients up."));
    let errors = |page: &str| page.split("errsum").nth(1).unwrap().split("</div>").next().unwrap().to_owned();
    assert_eq!(errors(&pages[0]), errors(&pages[1]));
    let answer = site.post(administrator, ASK, &[("email", &doctor.email), ("action", "export_assessments")]).await;
    assert!(answer.text().contains("A code was entered within the last five minutes."), "{}", answer.status);
}

#[tokio::test]
async fn a_question_that_is_not_whole_comes_back_with_words_at_its_fields() {
    let site = Site::open().await;
    let privacy = site.person(Role::PrivacyOfficer);
    for (fields, at) in [
        (&[("action", "open_chart")][..], "role"),
        (&[("role", "doctor")], "action"),
        (&[("role", "doctor"), ("email", "a@site.example"), ("action", "open_chart")], "email"),
        (&[("email", "nobody@site.example"), ("action", "open_chart")], "email"),
        (&[("role", "doctor"), ("action", "open_chart"), ("mrn", NEAR_MRN)], "mrn"),
        (&[("email", "doctor@site.example"), ("action", "read_log"), ("mrn", NEAR_MRN)], "mrn"),
        (&[("email", "doctor@site.example"), ("action", "open_chart"), ("mrn", "CANARY-0000")], "mrn"),
    ] {
        let answer = site.post(privacy, ASK, fields).await;
        let text = answer.text();
        assert_eq!(answer.status, 422, "{fields:?}");
        assert!(
            text.contains("<title>Error: ") && text.contains(&format!("href=\"#{at}\"")) && text.contains(&format!("id=\"{at}-e\"")),
            "{fields:?}"
        );
    }
    let boxes =
        site.post(privacy, ASK, &[("role", "nurse"), ("action", "amend_record"), ("in_care", "yes"), ("author", "yes")]).await.text();
    assert!(boxes.contains("nurse-own-entries, in nurse.cedar") && boxes.contains("name=\"author\" value=\"yes\" checked"));
}
