//! Emergency access as a workflow: restricted result, reason and code, an hour of one chart, the
//! end, the review, what the patient sees and asks, the alarm.

use http::StatusCode;
use wardkeep_domain::account::Role;
use wardkeep_domain::emergency::EMERGENCY_MS;

use crate::site::{FAR_FAMILY, FAR_MRN, NEAR_FAMILY, Person, Site};

const SENTENCE: &str = "Acute left-sided weakness, code stroke called.";
const REASON: [(&str, &str); 2] = [("why", "life_threatening"), ("sentence", SENTENCE)];

fn far(site: &Site, part: &str) -> String {
    format!("/patients/{}{part}", site.far)
}

async fn take(site: &Site, who: &Person) -> crate::site::Answer {
    site.post(who, &far(site, "/emergency"), &REASON).await
}

/// What stands between two marks in a page.
fn between(page: &str, before: &str, after: &str) -> String {
    let rest = page.split_once(before).unwrap_or_else(|| panic!("no {before} in {page}")).1;
    rest.split_once(after).unwrap().0.to_owned()
}

/// Where the bar on every page ends the access.
fn end_of(page: &str) -> String {
    format!("/emergency/{}/end", between(page, "action=\"/emergency/", "/end\""))
}

#[tokio::test]
async fn a_restricted_result_offers_it_and_a_reason_with_a_code_opens_one_chart_for_an_hour() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor).clone();
    let found = site.post(&doctor, "/patients", &[("mrn", FAR_MRN)]).await.text();
    assert!(found.contains("Not in your care") && found.contains(&far(&site, "/emergency")), "{found}");
    assert_eq!(site.get(Some(&doctor), &far(&site, "")).await.status, StatusCode::NOT_FOUND);
    // The session's code is old: the page asks for one, and says so when it is missing.
    site.pass_ms(6 * 60_000);
    let page = site.get(Some(&doctor), &far(&site, "/emergency")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("name=\"code\"") && page.text().contains(&FAR_FAMILY.to_uppercase()));
    assert!(!page.text().contains("checked"), "nothing is chosen beforehand");
    let refused = take(&site, &doctor).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().contains("Enter the code") && refused.text().contains(SENTENCE), "what was typed stays");
    assert_eq!(site.get(Some(&doctor), &far(&site, "")).await.status, StatusCode::NOT_FOUND);
    let code = site.app.demo_code(&site.visit(), &doctor.email).await.unwrap();
    let opened = site.post(&doctor, &far(&site, "/emergency"), &[REASON[0], REASON[1], ("code", &code)]).await;
    assert_eq!(opened.status, StatusCode::SEE_OTHER, "{}", opened.text());
    let token = opened.cookie("wardkeep-session").expect("the code gives a new token");
    let doctor = Person { token, ..doctor };
    let chart = site.get(Some(&doctor), &far(&site, "")).await;
    assert_eq!(chart.status, StatusCode::OK);
    assert!(chart.text().contains("Emergency access") && chart.text().contains("End now"), "the bar is on every page");
    assert!(site.get(Some(&doctor), "/").await.text().contains("End now"), "on every page");
    // Writing what was seen is part of it; the care team is not.
    assert_eq!(site.get(Some(&doctor), &far(&site, "/records/new")).await.status, StatusCode::OK);
    assert_eq!(site.get(Some(&doctor), &far(&site, "/care-team")).await.status, StatusCode::FORBIDDEN);
    for _ in 0..6 {
        site.pass_ms(10 * 60_000 - 1);
        site.get(Some(&doctor), "/").await;
    }
    assert_eq!(site.get(Some(&doctor), &far(&site, "")).await.status, StatusCode::OK, "a moment before the hour is over");
    site.pass_ms(EMERGENCY_MS - 6 * (10 * 60_000 - 1));
    assert_eq!(site.get(Some(&doctor), &far(&site, "")).await.status, StatusCode::NOT_FOUND, "the hour is over");
    assert!(!site.get(Some(&doctor), "/").await.text().contains("End now"));
}

// ASVS 8.2.2, 8.3.2
#[tokio::test]
async fn it_opens_nothing_else_to_nobody_else_and_ends_at_once() {
    let site = Site::open().await;
    let (doctor, nurse) = (site.person(Role::Doctor).clone(), site.person(Role::Nurse).clone());
    let third = {
        let other = site.ctx(&site.other).await;
        site.patient(&other, &crate::site::patient_form("CANARY-1", "Thirdova")).await
    };
    assert_eq!(take(&site, &doctor).await.status, StatusCode::SEE_OTHER);
    assert_eq!(site.get(Some(&doctor), &far(&site, "")).await.status, StatusCode::OK);
    assert_eq!(site.get(Some(&doctor), &format!("/patients/{third}")).await.status, StatusCode::NOT_FOUND, "one patient only");
    assert_eq!(site.get(Some(&nurse), &far(&site, "")).await.status, StatusCode::NOT_FOUND, "one person only");
    let second = site.sign_in_again(&doctor).await;
    assert_eq!(site.get(Some(&second), &far(&site, "")).await.status, StatusCode::NOT_FOUND, "one session only");
    let end = end_of(&site.get(Some(&doctor), "/").await.text());
    assert_eq!(site.post(&second, &end, &[]).await.status, StatusCode::NOT_FOUND, "ended where it was taken");
    assert_eq!(site.post(&doctor, &end, &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(site.get(Some(&doctor), &far(&site, "")).await.status, StatusCode::NOT_FOUND, "on the next request");
    assert_eq!(site.post(&doctor, &end, &[]).await.status, StatusCode::NOT_FOUND, "once");
}

#[tokio::test]
async fn it_is_for_doctors_and_nurses_outside_the_care_team() {
    let site = Site::open().await;
    let own = format!("/patients/{}/emergency", site.near);
    let refused = site.get(Some(site.person(Role::Doctor)), &own).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text().contains("This patient is in your care"), "the care team is not asked, or it stops reading");
    for role in [Role::Administrator, Role::Registrar, Role::PrivacyOfficer, Role::Patient] {
        let status = take(&site, site.person(role)).await.status;
        assert!(matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND), "{role:?}: {status}");
    }
    assert_eq!(take(&site, site.person(Role::Nurse)).await.status, StatusCode::SEE_OTHER);
    let nowhere = format!("/patients/{}/emergency", wardkeep_domain::PatientId::from_bytes([7; 16]));
    assert_eq!(site.get(Some(site.person(Role::Doctor)), &nowhere).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_privacy_officer_decides_and_the_patient_reads_both() {
    let site = Site::open().await;
    let (officer, doctor) = (site.person(Role::PrivacyOfficer).clone(), site.other.clone());
    // The other doctor opens the record of the patient who has an account.
    let near = format!("/patients/{}", site.near);
    assert_eq!(site.post(&doctor, &format!("{near}/emergency"), &REASON).await.status, StatusCode::SEE_OTHER);
    assert_eq!(site.get(Some(&doctor), &near).await.status, StatusCode::OK);
    assert!(site.get(Some(&officer), "/").await.text().contains("1 emergency access waits"));
    let queue = site.get(Some(&officer), "/reviews").await.text();
    assert!(
        queue.contains(SENTENCE) && queue.contains("Life-threatening emergency") && queue.contains(&NEAR_FAMILY.to_uppercase()),
        "{queue}"
    );
    let review = format!("/reviews/emergency/{}", between(&queue, "/reviews/emergency/", "\""));
    assert_eq!(site.get(Some(&officer), &review).await.status, StatusCode::OK);
    let empty = site.post(&officer, &review, &[("decision", ""), ("note", "On call that night.")]).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(empty.text().contains("On call that night."), "what was typed stays");
    let decided = [("decision", "justified"), ("note", "On call that night, no team member present.")];
    assert_eq!(site.post(&officer, &review, &decided).await.status, StatusCode::SEE_OTHER);
    assert!(!site.get(Some(&officer), "/reviews").await.text().contains(SENTENCE), "it leaves the queue");
    let again = site.post(&officer, &review, &decided).await;
    assert!(again.text().contains("reviewed already"), "{}", again.text());
    let seen = site.get(Some(site.person(Role::Patient)), "/my/access").await.text();
    assert!(seen.contains(SENTENCE) && seen.contains("Emergency access"), "{seen}");
    assert!(seen.contains("Justified: On call that night"), "{seen}");
}

#[tokio::test]
async fn a_patient_asks_about_an_entry_and_reads_the_answer() {
    let site = Site::open().await;
    let (patient, officer) = (site.person(Role::Patient).clone(), site.person(Role::PrivacyOfficer).clone());
    site.pass_ms(1000);
    site.get(Some(site.person(Role::Doctor)), &format!("/patients/{}", site.near)).await;
    let seen = site.get(Some(&patient), "/my/access").await.text();
    let ask = format!("/patients/{}/access/{}/ask", site.near, between(&seen, &format!("/patients/{}/access/", site.near), "/ask\""));
    assert_eq!(site.get(Some(&patient), &ask).await.status, StatusCode::OK);
    let short = site.post(&patient, &ask, &[("question", "why?")]).await;
    assert_eq!(short.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(site.post(&patient, &ask, &[("question", "Why did this doctor open it?")]).await.status, StatusCode::SEE_OTHER);
    // Of another patient's entries, and of none that exists, nobody asks.
    let stranger = ask.replace(&site.near.to_string(), &site.far.to_string());
    assert_eq!(site.post(&patient, &stranger, &[("question", "Why did this doctor open it?")]).await.status, StatusCode::NOT_FOUND);
    let queue = site.get(Some(&officer), "/reviews").await.text();
    assert!(queue.contains("Why did this doctor open it?") && queue.contains("Staffname Doctor"), "{queue}");
    let answer = format!("/reviews/questions/{}", between(&queue, "/reviews/questions/", "\""));
    assert_eq!(site.post(&officer, &answer, &[("answer", "no")]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let words = [("answer", "The doctor is on your care team and prepared the round.")];
    assert_eq!(site.post(&officer, &answer, &words).await.status, StatusCode::SEE_OTHER);
    assert!(site.post(&officer, &answer, &words).await.text().contains("answered already"));
    let seen = site.get(Some(&patient), "/my/access").await.text();
    assert!(seen.contains("prepared the round") && seen.contains("Staffname Privacy officer"), "{seen}");
}

#[tokio::test]
async fn more_than_three_a_day_by_one_person_raise_an_alarm() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor).clone();
    let admin = site.person(Role::Administrator).clone();
    for taken in 1..=4 {
        assert_eq!(take(&site, &doctor).await.status, StatusCode::SEE_OTHER);
        let alarmed = site.get(Some(&admin), "/").await.text().contains("took emergency access more than 3 times");
        assert_eq!(alarmed, taken > 3, "after {taken}");
    }
}
