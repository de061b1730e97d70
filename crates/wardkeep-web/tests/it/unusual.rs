//! The privacy officer's worklist of unusual access: each reason exactly when it should appear, the
//! decision and what opens a case again, the file, and whom the list discloses.

use http::StatusCode;
use wardkeep_app::unusual::{EVENTS_MAX, Window};
use wardkeep_domain::PatientId;
use wardkeep_domain::account::Role;
use wardkeep_domain::patient::PatientForm;
use wardkeep_domain::unusual::{CaseId, Reason};

use crate::pace::HURRY;
use crate::site::{FAR_MRN, NEAR_MRN, Person, Site, patient_form};

const LIST: &str = "/reviews/unusual";
const NOTE: &str = "The ward had asked for a second look.";

/// Rows of the list that name this number.
fn rows(page: &str, mrn: &str) -> Vec<String> {
    page.split("<tr").filter(|row| row.contains(&format!("MRN {mrn}<"))).map(str::to_owned).collect()
}

/// The reasons in a row.
fn reasons(row: &str) -> Vec<Reason> {
    Reason::ALL.into_iter().filter(|reason| row.contains(&format!("{}</span>", reason.label()))).collect()
}

async fn list(site: &Site) -> String {
    let answer = site.get(Some(site.person(Role::PrivacyOfficer)), LIST).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.text()
}

async fn open(site: &Site, who: &Person, patient: PatientId) -> StatusCode {
    site.get(Some(who), &format!("/patients/{patient}")).await.status
}

fn case(person: &Person, patient: PatientId) -> String {
    format!("{LIST}/{}", CaseId { account: person.id, patient: Some(patient) })
}

fn hidden(page: &str, name: &str) -> String {
    let rest = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name} in {page}")).1;
    rest.split_once('"').unwrap().0.to_owned()
}

/// What the patient's access history says happened.
async fn history(site: &Site, patient: PatientId) -> Vec<String> {
    let doctor = site.ctx(site.doctor_of(patient)).await;
    site.app.access_history(&doctor, patient, None).await.unwrap().items.into_iter().map(|row| row.what).collect()
}

/// A patient in the care of the first doctor.
async fn patient_like(site: &Site, mrn: &str, change: impl Fn(&mut PatientForm)) -> PatientId {
    let doctor = site.ctx(site.person(Role::Doctor)).await;
    let mut form = patient_form(mrn, "Stranger");
    change(&mut form);
    site.patient(&doctor, &form).await
}

#[tokio::test]
async fn a_relative_the_own_record_and_a_contact_are_listed_and_ordinary_care_is_not() {
    let site = Site::open().await;
    let (doctor, nurse, registrar) =
        (site.person(Role::Doctor).clone(), site.person(Role::Nurse).clone(), site.person(Role::Registrar).clone());
    let text = |text: &str| text.to_owned();
    let relative = patient_like(&site, "CASE-FAM", |form| form.family_name = text("D\u{f3}ctor")).await;
    let own = patient_like(&site, "CASE-OWN", |form| {
        (form.family_name, form.given_name) = (text("DOCTOR"), text("Staffname Ida"));
    })
    .await;
    let email = patient_like(&site, "CASE-MAIL", |form| form.email = text("Doctor@site.example")).await;
    let kin = patient_like(&site, "CASE-KIN", |form| form.next_of_kin = text("Staffname Doctor (sister), 07700 900 321")).await;
    for patient in [site.near, relative, own, email, kin] {
        assert_eq!(open(&site, &doctor, patient).await, StatusCode::OK);
    }
    assert_eq!(open(&site, &nurse, site.near).await, StatusCode::OK);
    let desk = patient_like(&site, "CASE-DESK", |form| form.family_name = text("Registrar")).await;
    let known = patient_like(&site, "CASE-KNOWN", |form| form.email = text("registrar@site.example")).await;
    for patient in [desk, known, site.near, site.far] {
        let details = format!("/patients/{patient}/details");
        assert_eq!(site.get(Some(&registrar), &details).await.status, StatusCode::OK);
    }
    let page = list(&site).await;
    for (mrn, expected) in [
        ("CASE-FAM", vec![Reason::SameFamily]),
        ("CASE-OWN", vec![Reason::OwnRecord]),
        ("CASE-MAIL", vec![Reason::SameContact]),
        ("CASE-KIN", vec![Reason::SameContact]),
        ("CASE-DESK", vec![Reason::SameFamily]),
    ] {
        let found = rows(&page, mrn);
        assert_eq!(found.iter().map(|row| reasons(row)).collect::<Vec<_>>(), [expected], "{mrn}: {page}");
    }
    for ordinary in [NEAR_MRN, FAR_MRN, "CASE-KNOWN"] {
        assert!(rows(&page, ordinary).is_empty() && !page.contains(ordinary), "{ordinary}: {page}");
    }
    let at = |mrn: &str| page.find(mrn).unwrap();
    assert!(at("CASE-OWN") < at("CASE-KIN") && at("CASE-KIN") < at("CASE-FAM"), "heaviest first");
    // Who was shown reads it in the history; who was only compared does not.
    assert!(history(&site, relative).await.contains(&text("log.read")));
    for unshown in [site.near, site.far, known] {
        assert!(!history(&site, unshown).await.contains(&text("log.read")));
    }
}

#[tokio::test]
async fn emergency_access_a_refusal_and_a_team_that_was_left_are_listed() {
    let site = Site::open().await;
    let (nurse, other) = (site.person(Role::Nurse).clone(), site.other.clone());
    let near = format!("/patients/{}", site.near);
    let why = [("why", "life_threatening"), ("sentence", "Acute left-sided weakness on the ward.")];
    assert_eq!(site.post(&other, &format!("{near}/emergency"), &why).await.status, StatusCode::SEE_OTHER);
    assert_eq!(site.get(Some(&other), &near).await.status, StatusCode::OK);
    let found = rows(&list(&site).await, NEAR_MRN);
    assert_eq!(found.iter().map(|row| reasons(row)).collect::<Vec<_>>(), [[Reason::Emergency]]);
    assert!(found[0].contains("class=\"num\">2<"), "the reason and the chart: {}", found[0]);
    assert_eq!(open(&site, &nurse, site.far).await, StatusCode::NOT_FOUND);
    let found = rows(&list(&site).await, FAR_MRN);
    assert_eq!(found.iter().map(|row| reasons(row)).collect::<Vec<_>>(), [[Reason::Refused]]);
    assert!(found[0].contains("Staffname Nurse"));
    // Refused something else in a chart of one's own care: nothing to look into.
    assert_eq!(site.get(Some(&nurse), &format!("{near}/care-team")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(rows(&list(&site).await, NEAR_MRN).len(), 1, "the emergency alone");
    let left = patient_like(&site, "CASE-LEFT", |_| {}).await;
    let doctor = site.ctx(site.person(Role::Doctor)).await;
    site.app.assign_care(&doctor, left, &nurse.email).await.unwrap();
    assert_eq!(open(&site, &nurse, left).await, StatusCode::OK);
    assert!(rows(&list(&site).await, "CASE-LEFT").is_empty());
    site.app.remove_care(&doctor, left, nurse.id).await.unwrap();
    let found = rows(&list(&site).await, "CASE-LEFT");
    assert_eq!(found.iter().map(|row| reasons(row)).collect::<Vec<_>>(), [[Reason::LeftTeam]]);
}

#[tokio::test]
async fn unusually_many_charts_are_one_case_that_closes() {
    let site = Site::open().await;
    site.app.set_pace(HURRY);
    let (doctor, officer) = (site.person(Role::Doctor).clone(), site.person(Role::PrivacyOfficer).clone());
    open(&site, &site.other, site.far).await;
    let mut opened = Vec::new();
    for number in 0..20 {
        assert!(!list(&site).await.contains("Unusually many"), "{number} charts are not many");
        let patient = patient_like(&site, &format!("MANY-{number}"), |_| {}).await;
        open(&site, &doctor, patient).await;
        opened.push(patient);
    }
    let page = list(&site).await;
    assert!(page.contains("20 different patients") && page.contains("Unusually many charts"), "{page}");
    assert!(!page.contains("MANY-"), "the list names nobody for it");
    assert!(!history(&site, opened[0]).await.contains(&"log.read".to_owned()));
    let case = format!("{LIST}/{}", CaseId { account: doctor.id, patient: None });
    let shown = site.get(Some(&officer), &case).await.text();
    assert!(shown.contains("MRN MANY-0<") && shown.contains("MRN MANY-19<"), "{shown}");
    assert!(history(&site, opened[0]).await.contains(&"log.read".to_owned()), "who was shown reads it");
    let decided = [("decision", "explained"), ("note", NOTE), ("seen", &hidden(&shown, "seen"))];
    assert_eq!(site.post(&officer, &case, &decided).await.status, StatusCode::SEE_OTHER);
    site.pass_ms(1);
    open(&site, &doctor, opened[0]).await;
    assert!(!list(&site).await.contains("Unusually many"), "one more is not many more");
    assert!(site.get(Some(&officer), &case).await.text().contains(NOTE));
    // As many by everybody of the role is usual.
    let other = site.ctx(&site.other).await;
    for number in 0..8 {
        let patient = site.patient(&other, &patient_form(&format!("MORE-{number}"), "Stranger")).await;
        open(&site, &site.other, patient).await;
    }
    assert!(!list(&site).await.contains("Unusually many"));
}

#[tokio::test]
async fn a_decision_closes_a_case_the_patient_reads_it_and_a_newer_access_opens_it_again() {
    let site = Site::open().await;
    let (nurse, officer) = (site.person(Role::Nurse).clone(), site.person(Role::PrivacyOfficer).clone());
    let refused = site.app.open_chart(&site.ctx(&nurse).await, site.far).await;
    assert!(matches!(refused, Err(wardkeep_app::Error::NotFound)));
    let path = case(&nurse, site.far);
    assert!(list(&site).await.contains(&format!("href=\"{path}\"")));
    let page = site.get(Some(&officer), &path).await.text();
    for part in ["Staffname Nurse", FAR_MRN, "Was refused", "192.0.2.1", "The person tried and is not on the care team."] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let seen = hidden(&page, "seen");
    let missing = site.post(&officer, &path, &[("decision", ""), ("note", NOTE), ("seen", &seen)]).await;
    assert_eq!(missing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(missing.text().contains(NOTE), "what was typed stays");
    // Somebody looks again while the officer writes: that is not decided on.
    site.pass_ms(1);
    open(&site, &nurse, site.far).await;
    let decided = [("decision", "explained"), ("note", NOTE), ("seen", seen.as_str())];
    assert_eq!(site.post(&officer, &path, &decided).await.status, StatusCode::SEE_OTHER);
    assert!(rows(&list(&site).await, FAR_MRN)[0].contains("class=\"num\">1<"));
    let page = site.get(Some(&officer), &path).await.text();
    assert!(page.contains("Explained on") && page.contains(NOTE) && page.contains("There are newer accesses"), "{page}");
    site.pass_ms(1);
    let decided = [("decision", "not_explained"), ("note", NOTE), ("seen", &hidden(&page, "seen"))];
    assert_eq!(site.post(&officer, &path, &decided).await.status, StatusCode::SEE_OTHER);
    assert!(rows(&list(&site).await, FAR_MRN).is_empty(), "it leaves the list");
    assert!(site.post(&officer, &path, &decided).await.text().contains("closed already"));
    assert!(!site.get(Some(&officer), &path).await.text().contains("Close the case"));
    let doctor = site.ctx(&site.other).await;
    let seen = site.app.access_history(&doctor, site.far, None).await.unwrap().items;
    let reviews: Vec<_> = seen.iter().filter(|row| row.what == "access.reviewed").collect();
    assert_eq!(reviews.len(), 2);
    assert_eq!(reviews[0].words, "Reviewed an unusual access");
    assert_eq!(reviews[0].reason.as_deref(), Some(format!("Not explained: {NOTE}").as_str()));
    site.pass_ms(1);
    open(&site, &nurse, site.far).await;
    assert_eq!(rows(&list(&site).await, FAR_MRN).len(), 1, "a newer access opens it again");
}

#[tokio::test]
async fn it_is_the_privacy_officers_alone_and_nobody_decides_on_the_own_access() {
    let site = Site::open().await;
    let (nurse, officer) = (site.person(Role::Nurse).clone(), site.person(Role::PrivacyOfficer).clone());
    open(&site, &nurse, site.far).await;
    let path = case(&nurse, site.far);
    let decided = [("decision", "explained"), ("note", NOTE), ("seen", "9999999999999")];
    for role in [Role::Administrator, Role::Doctor, Role::Nurse, Role::Registrar, Role::Patient] {
        let who = site.person(role);
        for page in [LIST.to_owned(), path.clone(), format!("{path}/export")] {
            let answer = site.get(Some(who), &page).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{role:?} {page}");
            assert!(!answer.text().contains(FAR_MRN));
        }
        assert_eq!(site.post(who, &path, &decided).await.status, StatusCode::FORBIDDEN, "{role:?}");
    }
    open(&site, &officer, site.far).await;
    let own = case(&officer, site.far);
    assert!(site.get(Some(&officer), &own).await.text().contains("somebody else must decide"));
    assert!(site.post(&officer, &own, &decided).await.text().contains("Somebody else must decide"));
    for nobody in [case(&officer, site.near), case(&nurse, PatientId::from_bytes([7; 16])), format!("{LIST}/none")] {
        assert_eq!(site.get(Some(&officer), &nobody).await.status, StatusCode::NOT_FOUND, "{nobody}");
    }
    assert_eq!(site.get(Some(&officer), &format!("{LIST}?days=2")).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_file_of_a_case_wants_a_fresh_code_is_an_event_and_runs_no_formula() {
    let site = Site::open().await;
    let (nurse, officer) = (site.person(Role::Nurse).clone(), site.person(Role::PrivacyOfficer).clone());
    open(&site, &nurse, site.far).await;
    let why = [("why", "life_threatening"), ("sentence", "=HYPERLINK(\"http://evil.example\") and a weak arm")];
    let taken = site.post(&nurse, &format!("/patients/{}/emergency", site.far), &why).await;
    assert_eq!(taken.status, StatusCode::SEE_OTHER, "{}", taken.text());
    open(&site, &nurse, site.far).await;
    let export = format!("{}/export", case(&nurse, site.far));
    let file = site.get(Some(&officer), &export).await;
    assert_eq!((file.status, file.header("content-type")), (StatusCode::OK, "text/csv; charset=utf-8"));
    let text = file.text();
    for part in ["time,stream,index", "denied", "break-glass.opened", "chart.opened", "emergency-opens", "'=HYPERLINK"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains(NEAR_MRN) && text.lines().filter(|line| line.contains("Staffname Nurse")).count() == 3, "{text}");
    assert!(history(&site, site.far).await.contains(&"exported".to_owned()));
    site.pass_ms(6 * 60_000);
    let stale = site.get(Some(&officer), &export).await;
    assert_eq!(stale.status, StatusCode::SEE_OTHER);
    assert!(stale.header("location").starts_with("/security/confirm?next=/reviews/unusual/"), "{}", stale.header("location"));
}

#[tokio::test]
async fn the_list_stops_at_its_bound_says_so_and_looks_back_as_far_as_chosen() {
    let site = Site::open().await;
    let (nurse, officer) = (site.person(Role::Nurse).clone(), site.person(Role::PrivacyOfficer).clone());
    let mut times = Vec::new();
    for _ in 0..3 {
        site.pass_ms(10);
        open(&site, &nurse, site.far).await;
        times.push(site.visit().now);
    }
    let ctx = site.ctx(&officer).await;
    for (most, accesses, cut) in [(2, 2, true), (3, 3, false), (EVENTS_MAX, 3, false)] {
        let found = site.app.unusual_cases(&ctx, Window { days: 7, most }).await.unwrap();
        assert_eq!((found.rows[0].accesses, found.cut), (accesses, cut), "{most}");
        assert_eq!(found.from == times[1], cut, "it says which time it covers");
    }
    assert_eq!(Window::days(7).most, EVENTS_MAX);
    site.pass_ms(2 * 24 * 60 * 60_000);
    let officer = site.sign_in_again(&officer).await;
    for (days, listed) in [("1", false), ("7", true), ("30", true)] {
        let page = site.get(Some(&officer), &format!("{LIST}?days={days}")).await.text();
        assert_eq!(page.contains(FAR_MRN), listed, "{days} days");
        assert!(page.contains(if listed { "Look into it" } else { "Nothing unusual" }));
    }
}
