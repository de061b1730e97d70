//! A patient is erased: asked for by one, agreed to by another, gone for everybody, held back by a legal hold.

use wardkeep_app::requests::{Used, Wanted};
use wardkeep_app::{Ctx, Error, kinds};
use wardkeep_domain::account::Role;
use wardkeep_domain::account::proxy::ProxyForm;
use wardkeep_domain::emergency::EmergencyForm;
use wardkeep_domain::stroke::Filter;
use wardkeep_domain::{LogEventId, PatientId, RequestId};
use wardkeep_store::{DocId, Owner, Seq, Store};

use crate::site::{Answer, NEAR_FAMILY, NEAR_MRN, Person, Site, patient_form};

const REASON: &str = "The patient asked for it in writing.";

/// Everything that a chart can hold, from everybody who can add to it.
async fn fill(site: &Site, patient: PatientId) {
    site.record(patient).await;
    site.document(patient).await;
    site.assessment(patient).await;
    let why = EmergencyForm { why: "life_threatening".to_owned(), sentence: "Collapsed in the corridor, no team near.".to_owned() };
    let other = site.ctx(&site.other).await;
    site.app.take_emergency(&other, patient, &why).await.unwrap();
    site.app.open_chart(&site.ctx(&site.other).await, patient).await.unwrap();
}

/// The same of the site's own patient, whose account asks a question and has a proxy.
async fn fill_near(site: &Site) {
    fill(site, site.near).await;
    let proxy = site.join(Role::Patient, "daughter@site.example").await;
    let registrar = site.ctx(site.person(Role::Registrar)).await;
    let form = ProxyForm { email: proxy.email.clone(), ..ProxyForm::default() };
    site.app.grant_proxy(&registrar, site.near, &form).await.unwrap();
    let own = site.ctx(site.person(Role::Patient)).await;
    let seen = site.app.access_history(&own, site.near, None).await.unwrap().items[0].event;
    site.app.ask_about(&own, site.near, LogEventId::from_bytes(seen), "Who was this person, please?").await.unwrap();
}

/// Asked for, and agreed to.
async fn approved(site: &Site, patient: PatientId) -> (Ctx, RequestId) {
    let registrar = site.sign_in_again(site.person(Role::Registrar)).await;
    let privacy = site.sign_in_again(site.person(Role::PrivacyOfficer)).await;
    let registrar = site.ctx(&registrar).await;
    let request = site.app.ask_approval(&registrar, &Wanted::ErasePatient { patient }, REASON).await.unwrap();
    site.app.approve_request(&site.ctx(&privacy).await, request).await.unwrap();
    (registrar, request)
}

/// Nothing of the patient is in either store but the log's own entries and two tombstones.
async fn nothing_is_left(site: &Site, patient: PatientId) {
    for store in [&site.control, &site.records] {
        for document in store.changed_since(None, Seq(0), usize::MAX >> 1).await.unwrap() {
            let about = document.owner == Owner(patient.bytes()) || document.id.0 == patient.bytes();
            let kind = kinds::name(document.kind);
            assert!(!about || [kinds::EVENT, kinds::TOMBSTONE].contains(&document.kind), "a {kind} is left");
        }
        for blob in store.blobs(None, 1000).await.unwrap() {
            let owner = store.inspection().blob(blob).await.unwrap().unwrap().owner;
            assert_ne!(owner, Owner(patient.bytes()), "a file is left");
        }
        assert!(store.inspection().flaws().await.unwrap().is_empty());
    }
    let report = site.app.verify_records(&site.operator(), &|_, _| {}).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

async fn gone_for(site: &Site, who: &Person, patient: PatientId) {
    for page in ["", "/details", "/records", "/documents", "/assessments", "/access", "/care-team"] {
        let path = format!("/patients/{patient}{page}");
        let answer = site.get(Some(who), &path).await;
        // Who opens no charts is sent on to another page, whoever the patient is.
        let sent_on = page.is_empty() && answer.header("location").starts_with(&format!("{path}/"));
        let status = answer.status.as_u16();
        assert!(sent_on || [403, 404].contains(&status), "{:?} {page}: {status}", who.role);
    }
}

async fn ask_on_the_page(site: &Site, who: &Person, patient: PatientId) -> String {
    let page = site.get(Some(who), &format!("/patients/{patient}/erase")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let text = page.text();
    assert!(text.contains(NEAR_FAMILY.to_uppercase().as_str()), "the page names whom: {text}");
    let short = [("kind", "erase_patient"), ("patient", &patient.to_string()), ("reason", "Too short")];
    let again = site.post(who, "/requests/ask", &short).await;
    assert_eq!(again.status, 422);
    let text = again.text();
    assert!(text.contains(&NEAR_FAMILY.to_uppercase()) && text.contains("Too short"), "nothing is lost, and it still says whom: {text}");
    let asked = site.post(who, "/requests/ask", &[("kind", "erase_patient"), ("patient", &patient.to_string()), ("reason", REASON)]).await;
    assert_eq!((asked.status.as_u16(), asked.header("location")), (303, "/requests"), "{}", asked.text());
    let listed = site.get(Some(who), "/requests").await.text();
    let own = listed.split("Your requests").nth(1).unwrap();
    format!("/requests/{}", &own.split("href=\"/requests/").nth(1).unwrap()[..36])
}

#[tokio::test]
async fn a_patient_is_erased_by_two_and_is_gone_for_everybody() {
    let site = Site::open().await;
    fill_near(&site).await;
    let (registrar, privacy) = (site.person(Role::Registrar), site.person(Role::PrivacyOfficer));
    let request = ask_on_the_page(&site, registrar, site.near).await;
    let page = site.get(Some(privacy), &request).await.text();
    assert!(page.contains(&NEAR_FAMILY.to_uppercase()) && page.contains(NEAR_MRN) && page.contains(REASON), "{page}");
    for outsider in [Role::Administrator, Role::Doctor, Role::Registrar] {
        let status = site.post(site.person(outsider), &format!("{request}/approve"), &[]).await.status.as_u16();
        assert!([403, 404].contains(&status), "{outsider:?}: {status}");
    }
    let doctor = site.person(Role::Doctor);
    assert_eq!(site.get(Some(doctor), &format!("/patients/{}", site.near)).await.status, 200, "an open request erases nothing");
    let ctx = site.ctx(doctor).await;
    assert_eq!(site.app.stroke_summary(&ctx, &Filter::default()).await.unwrap().rows, 1);
    assert_eq!(site.post(privacy, &format!("{request}/approve"), &[]).await.status, 303);
    let done: Answer = site.post(registrar, &format!("{request}/use"), &[]).await;
    assert_eq!(done.status, 303, "{}", done.text());
    nothing_is_left(&site, site.near).await;
    assert_eq!(site.get(Some(&site.other), "/").await.header("location"), "/sign-in", "emergency access ends with its session");
    let other = site.sign_in_again(&site.other).await;
    for who in [doctor, &other, registrar, site.person(Role::Nurse), site.person(Role::StrokeCoordinator)] {
        gone_for(&site, who, site.near).await;
    }
    assert!(!site.get(Some(doctor), "/").await.text().contains(NEAR_FAMILY));
    let ctx = site.ctx(doctor).await;
    assert!(site.app.list_assessments(&ctx, &Filter::default(), None).await.unwrap().items.is_empty());
    assert_eq!(site.app.stroke_summary(&ctx, &Filter::default()).await.unwrap().rows, 0);
    assert_eq!(site.get(Some(&other), &format!("/patients/{}", site.far)).await.status, 200, "others stay");
    let patient = site.person(Role::Patient);
    assert_eq!(site.get(Some(patient), "/").await.header("location"), "/sign-in", "their session has ended");
    let again = site.knock("/sign-in", &[("email", &patient.email), ("password", crate::site::PASSWORD)]).await;
    assert_ne!(again.status, 303, "their account is gone");
    let proxies = site.app.account_by_email(&site.operator(), "daughter@site.example").await.unwrap().account.proxies;
    assert!(proxies.is_empty(), "the daughter's account stays, and names nobody");
    // What the request said stays readable, without saying who it was.
    let page = site.get(Some(privacy), &request).await.text();
    assert!(!page.contains(NEAR_FAMILY) && !page.contains(NEAR_MRN) && page.contains(REASON), "{page}");
    let log = site.get(Some(privacy), "/log").await.text();
    assert!(log.contains("Erased the patient"), "{log}");
    // The number is free for the next one.
    let ctx = site.ctx(doctor).await;
    site.patient(&ctx, &patient_form(NEAR_MRN, "Newcomerova")).await;
}

#[tokio::test]
async fn an_erasure_that_is_cut_off_anywhere_is_unreadable_at_once_and_finished_within_a_minute() {
    let site = Site::open().await;
    let (mut cut_off, mut whole) = (0, 0);
    for side in ["control", "records"] {
        for commits in 0..40 {
            let doctor = site.ctx(&site.sign_in_again(site.person(Role::Doctor)).await).await;
            let patient = site.patient(&doctor, &patient_form(&format!("{side}{commits}"), "Cutoffova")).await;
            site.app.write_record(&doctor, patient, &crate::site::record_form("Note", "Text")).await.unwrap();
            let (registrar, request) = approved(&site, patient).await;
            let store = if side == "control" { &site.control } else { &site.records };
            store.break_after(commits);
            let used = site.app.use_request(&registrar, request).await;
            store.mend();
            // Which commits go into one batch is not told; that the act itself is whole or not at all, is.
            let begun = site.control.get(kinds::TOMBSTONE, DocId(patient.bytes())).await.unwrap().is_some();
            assert_eq!(begun, used.is_ok(), "{side} {commits}: {:?}", used.err());
            let read = site.app.open_chart(&doctor, patient).await;
            let write = site.app.write_record(&doctor, patient, &crate::site::record_form("Late", "Text")).await;
            if begun {
                assert!(matches!(read.err(), Some(Error::NotFound)), "{side} {commits}");
                assert!(matches!(write, Err(Error::NotFound)), "{side} {commits}: {write:?}");
            } else {
                assert!(read.is_ok() && write.is_ok(), "{side} {commits}: not erased, so nothing is lost");
                continue;
            }
            let left = site.records.changed_since(Some(kinds::PATIENT), Seq(0), 1000).await.unwrap();
            let left = left.iter().any(|document| document.id.0 == patient.bytes());
            site.pass_ms(60_000);
            site.app.tick(&site.visit()).await.unwrap();
            nothing_is_left(&site, patient).await;
            if left {
                cut_off += 1
            } else {
                whole += 1
            }
            if !left && commits > 12 {
                break;
            }
        }
    }
    assert!(cut_off > 2 && whole > 0, "cut off {cut_off} times, whole {whole} times");
}

#[tokio::test]
async fn a_legal_hold_keeps_a_record_until_it_is_lifted() {
    let site = Site::open().await;
    let privacy = site.person(Role::PrivacyOfficer);
    let wrong = site.post(privacy, "/reviews/holds", &[("mrn", "NOBODY-1"), ("reason", "too short")]).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("NOBODY-1") && wrong.text().contains("too short"), "nothing typed is lost");
    let hold = [("mrn", NEAR_MRN), ("reason", "A claim is before the court, file 12.")];
    for role in [Role::Registrar, Role::Administrator, Role::Doctor] {
        assert_eq!(site.post(site.person(role), "/reviews/holds", &hold).await.status, 403, "{role:?}");
    }
    let (registrar, request) = approved(&site, site.near).await;
    let privacy = site.sign_in_again(privacy).await;
    assert_eq!(site.post(&privacy, "/reviews/holds", &hold).await.status, 303);
    let listed = site.get(Some(&privacy), "/reviews/holds").await.text();
    assert!(listed.contains(&NEAR_FAMILY.to_uppercase()) && listed.contains(NEAR_MRN), "{listed}");
    // An approval from before does not help.
    let used = site.app.use_request(&registrar, request).await;
    assert!(matches!(&used, Err(Error::Refused(words)) if words.contains("legal hold")), "held");
    let asked = site.app.ask_approval(&registrar, &Wanted::ErasePatient { patient: site.near }, REASON).await;
    assert!(matches!(&asked, Err(Error::Refused(words)) if words.contains("legal hold")), "{asked:?}");
    assert_eq!(site.post(&privacy, "/reviews/holds", &hold).await.status, 422, "on hold already");
    let lifted = site.post(&privacy, "/reviews/holds/lift", &[("patient", &site.near.to_string())]).await;
    assert_eq!(lifted.status, 303, "{}", lifted.text());
    assert!(!site.get(Some(&privacy), "/reviews/holds").await.text().contains(NEAR_MRN));
    assert!(matches!(site.app.use_request(&registrar, request).await, Ok(Used::PatientErased)));
    nothing_is_left(&site, site.near).await;
}

#[tokio::test]
async fn an_account_that_is_somebodys_proxy_too_stays_and_forgets_its_own_patient() {
    let site = Site::open().await;
    let (patient, registrar) = (site.person(Role::Patient), site.ctx(site.person(Role::Registrar)).await);
    site.app.grant_proxy(&registrar, site.far, &ProxyForm { email: patient.email.clone(), ..ProxyForm::default() }).await.unwrap();
    let (registrar, request) = approved(&site, site.near).await;
    assert!(matches!(site.app.use_request(&registrar, request).await, Ok(Used::PatientErased)));
    nothing_is_left(&site, site.near).await;
    let account = site.app.account_by_email(&site.operator(), &patient.email).await.unwrap().account;
    assert_eq!((account.patient, account.proxies.len()), (None, 1));
    let others = site.get(Some(patient), "/my/others").await;
    assert_eq!(others.status, 200, "{}", others.text());
}

/// A backup that is brought back holds patients who were erased since, or never came to it.
#[tokio::test]
async fn a_restored_backup_is_told_of_erasures_that_it_does_not_know() {
    let site = Site::open().await;
    fill_near(&site).await;
    let erased = [site.near, PatientId::from_bytes([9; 16])];
    assert_eq!(site.app.erase_again(&site.visit(), &erased).await.unwrap(), 2);
    nothing_is_left(&site, site.near).await;
    gone_for(&site, site.person(Role::Doctor), site.near).await;
    assert_eq!(site.app.erase_again(&site.visit(), &erased).await.unwrap(), 0, "done already");
    let (mut known, next) = site.app.erased_since(Seq(0)).await.unwrap();
    known.dedup();
    assert!(known.len() >= 2 && erased.iter().all(|patient| known.contains(patient)));
    assert_eq!(site.app.erased_since(next).await.unwrap(), (Vec::new(), next));
    let other = site.sign_in_again(&site.other).await;
    assert_eq!(site.get(Some(&other), &format!("/patients/{}", site.far)).await.status, 200, "others stay");
}
