//! The care relationship beyond the team: units, proxies, and the roles that see a part only.

use http::StatusCode;
use wardkeep_app::Error;
use wardkeep_domain::account::Role;
use wardkeep_domain::document::DocumentForm;

use crate::site::{FAR_FAMILY, NEAR_FAMILY, NEAR_MRN, Person, Site};

async fn status(site: &Site, who: &Person, path: &str) -> StatusCode {
    site.get(Some(who), path).await.status
}

/// Puts the far patient on Ward S, and somebody to work there.
async fn ward(site: &Site, email: &str) {
    let admin = site.person(Role::Administrator);
    assert_eq!(site.post(admin, "/units", &[("unit", "Ward S")]).await.status, StatusCode::SEE_OTHER);
    let registrar = site.person(Role::Registrar);
    let placed = site.post(registrar, &format!("/patients/{}/unit", site.far), &[("unit", "Ward S")]).await;
    assert_eq!(placed.status, StatusCode::SEE_OTHER, "{}", placed.text());
    let joined = site.post(admin, "/units/join", &[("unit", "Ward S"), ("email", email)]).await;
    assert_eq!(joined.status, StatusCode::SEE_OTHER, "{}", joined.text());
}

#[tokio::test]
async fn whoever_works_on_the_unit_opens_the_chart_and_no_longer_after_the_last_day_there() {
    let site = Site::open().await;
    let (doctor, admin) = (site.person(Role::Doctor).clone(), site.person(Role::Administrator).clone());
    let chart = format!("/patients/{}", site.far);
    assert_eq!(status(&site, &doctor, &chart).await, StatusCode::NOT_FOUND);
    ward(&site, &doctor.email).await;
    assert_eq!(status(&site, &doctor, &chart).await, StatusCode::OK, "with the next request");
    let list = site.get(Some(&doctor), "/?unit=0").await.text();
    assert!(list.contains("Patients on Ward S") && list.contains(&FAR_FAMILY.to_uppercase()), "{list}");
    assert!(!site.get(Some(&doctor), "/").await.text().contains(&FAR_FAMILY.to_uppercase()), "the own list is the own list");
    assert_eq!(status(&site, &doctor, "/?unit=1").await, StatusCode::NOT_FOUND, "not a unit of this person");
    assert_eq!(status(&site, site.person(Role::Nurse), &chart).await, StatusCode::NOT_FOUND, "works elsewhere");
    let leave = [("unit", "Ward S"), ("account", &*doctor.id.to_string())];
    assert_eq!(site.post(&admin, "/units/leave", &leave).await.status, StatusCode::SEE_OTHER);
    assert_eq!(status(&site, &doctor, &chart).await, StatusCode::NOT_FOUND, "with the next request");
}

#[tokio::test]
async fn a_unit_is_opened_once_and_joined_by_those_who_treat() {
    let site = Site::open().await;
    let admin = site.person(Role::Administrator).clone();
    ward(&site, &site.person(Role::Nurse).email).await;
    let twice = site.post(&admin, "/units", &[("unit", "ward s")]).await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(twice.text().contains("value=\"ward s\"") && twice.text().contains("already"), "{}", twice.text());
    for email in [&site.person(Role::Registrar).email, "nobody@site.example", &site.person(Role::Nurse).email] {
        let joined = site.post(&admin, "/units/join", &[("unit", "Ward S"), ("email", email)]).await;
        assert_eq!(joined.status, StatusCode::UNPROCESSABLE_ENTITY, "{email}");
        assert!(joined.text().contains(email), "what was typed stays");
    }
    let unknown = site.post(site.person(Role::Registrar), &format!("/patients/{}/unit", site.far), &[("unit", "Ward X")]).await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_stroke_coordinator_sees_the_assessments_of_the_unit_and_nothing_else_of_a_chart() {
    let site = Site::open().await;
    let coordinator = site.person(Role::StrokeCoordinator).clone();
    let assessment = site.assessment(site.far).await;
    site.record(site.far).await;
    let stroke = format!("/patients/{}/stroke", site.far);
    assert_eq!(status(&site, &coordinator, &stroke).await, StatusCode::NOT_FOUND);
    ward(&site, &coordinator.email).await;
    assert!(site.get(Some(&coordinator), "/").await.text().contains(&FAR_FAMILY.to_uppercase()), "the unit's list comes first");
    assert_eq!(status(&site, &coordinator, &stroke).await, StatusCode::OK);
    assert_eq!(status(&site, &coordinator, &format!("{stroke}/{assessment}")).await, StatusCode::OK);
    assert_eq!(status(&site, &coordinator, &format!("{stroke}/new")).await, StatusCode::OK);
    for part in ["/records", "/documents", "/access", "/care-team"] {
        assert_eq!(status(&site, &coordinator, &format!("/patients/{}{part}", site.far)).await, StatusCode::FORBIDDEN, "{part}");
    }
}

#[tokio::test]
async fn a_researcher_sees_figures_and_a_de_identified_file_and_nobody() {
    let site = Site::open().await;
    let researcher = site.person(Role::Researcher).clone();
    site.assessment(site.near).await;
    assert_eq!(status(&site, &researcher, "/stroke/summary").await, StatusCode::OK);
    let file = site.post(&researcher, "/stroke/export", &[]).await;
    assert_eq!(file.status, StatusCode::OK);
    let text = file.text();
    assert!(text.contains("smoking_status") && !text.contains(NEAR_MRN) && !text.contains(NEAR_FAMILY), "{text}");
    for path in ["/patients", "/stroke", &format!("/patients/{}", site.near), &format!("/patients/{}/stroke", site.near)] {
        assert!(matches!(status(&site, &researcher, path).await, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND), "{path}");
    }
}

#[tokio::test]
async fn a_proxy_reads_the_record_on_the_days_of_the_grant_and_the_patient_sees_it() {
    let site = Site::open().await;
    let registrar = site.person(Role::Registrar).clone();
    let parent = site.join(Role::Patient, "parent@site.example").await;
    let chart = format!("/patients/{}", site.near);
    assert_eq!(status(&site, &parent, &chart).await, StatusCode::NOT_FOUND);
    let grant = |email: &'static str, until: [&'static str; 3]| {
        [("proxy_email", email), ("until_day", until[0]), ("until_month", until[1]), ("until_year", until[2])]
    };
    let proxies = format!("{chart}/proxies");
    for wrong in [
        grant("nobody@site.example", ["", "", ""]),
        grant("parent@site.example", ["31", "2", "2027"]),
        grant("doctor@site.example", ["", "", ""]),
    ] {
        let refused = site.post(&registrar, &proxies, &wrong).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong:?}");
        assert!(refused.text().contains(wrong[0].1), "what was typed stays");
    }
    let granted = site.post(&registrar, &proxies, &grant("parent@site.example", ["26", "11", "2026"])).await;
    assert_eq!(granted.status, StatusCode::SEE_OTHER, "{}", granted.text());
    assert_eq!(status(&site, &parent, &chart).await, StatusCode::OK, "with the next request");
    assert_eq!(status(&site, &parent, &format!("{chart}/records")).await, StatusCode::OK);
    assert_eq!(status(&site, &parent, &format!("/patients/{}", site.far)).await, StatusCode::NOT_FOUND, "one patient only");
    let others = site.get(Some(&parent), "/my/others").await.text();
    assert!(others.contains(&NEAR_FAMILY.to_uppercase()) && others.contains("For others"), "{others}");
    let upload = site.post(&parent, &format!("{chart}/records/new"), &[]).await.status;
    assert!(matches!(upload, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND), "reads, and writes nothing: {upload}");
    let seen = site.get(Some(site.person(Role::Patient)), "/my/access").await.text();
    assert!(seen.contains("Staffname Patient") && seen.contains("Proxy: "), "{seen}");
    // The last day ends at midnight.
    site.pass_ms(2 * 24 * 60 * 60 * 1000);
    let parent = site.sign_in_again(&parent).await;
    assert_eq!(status(&site, &parent, &chart).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_proxy_that_is_ended_ends_with_the_next_request() {
    let site = Site::open().await;
    let registrar = site.person(Role::Registrar).clone();
    let parent = site.join(Role::Patient, "parent@site.example").await;
    let chart = format!("/patients/{}", site.near);
    site.post(&registrar, &format!("{chart}/proxies"), &[("proxy_email", "parent@site.example")]).await;
    assert_eq!(status(&site, &parent, &chart).await, StatusCode::OK);
    let page = site.get(Some(&registrar), &format!("{chart}/account")).await.text();
    assert!(page.contains("parent@site.example") && page.contains("until ended"), "{page}");
    let end = format!("{chart}/proxies/{}/end", parent.id);
    assert_eq!(site.post(&registrar, &end, &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(status(&site, &parent, &chart).await, StatusCode::NOT_FOUND);
    assert_eq!(site.post(&registrar, &end, &[]).await.status, StatusCode::NOT_FOUND, "once");
}

// ASVS 8.2.2, 8.2.3
#[tokio::test]
async fn a_marked_record_is_read_by_its_author_the_permitted_and_the_patient() {
    let site = Site::open().await;
    let (doctor, nurse) = (site.person(Role::Doctor).clone(), site.person(Role::Nurse).clone());
    let (officer, patient) = (site.person(Role::PrivacyOfficer).clone(), site.person(Role::Patient).clone());
    let records = format!("/patients/{}/records", site.near);
    site.record(site.near).await;
    let fields = [("record_type", "note"), ("title", "Serology"), ("body", "Secretresult"), ("mark", "hiv")];
    let filed = site.post(&doctor, &format!("{records}/new"), &fields).await;
    assert_eq!(filed.status, StatusCode::SEE_OTHER, "{}", filed.text());
    let record = filed.header("location").to_owned();
    for reader in [&doctor, &patient] {
        assert!(site.get(Some(reader), &records).await.text().contains("Serology"), "{:?}", reader.role);
        assert_eq!(status(&site, reader, &record).await, StatusCode::OK, "{:?}", reader.role);
    }
    for (page, hidden) in [(records.clone(), "1 record is not shown"), (format!("/patients/{}", site.near), "1 entry is not shown")] {
        let seen = site.get(Some(&nurse), &page).await.text();
        assert!(seen.contains(hidden) && seen.contains("Ward round") && !seen.contains("Serology"), "{seen}");
    }
    let refused = site.get(Some(&nurse), &record).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text().contains("marked as sensitive") && !refused.text().contains("Secretresult"), "{}", refused.text());
    assert_eq!(status(&site, &nurse, &format!("{record}/amend")).await, StatusCode::FORBIDDEN);
    let wrong = site.post(&officer, "/reviews/clearances/give", &[("email", &nurse.email), ("mark", "gossip")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    // Another mark does not help.
    for (mark, expected) in [("psychiatric", StatusCode::FORBIDDEN), ("hiv", StatusCode::OK)] {
        let given = site.post(&officer, "/reviews/clearances/give", &[("email", &nurse.email), ("mark", mark)]).await;
        assert_eq!(given.status, StatusCode::SEE_OTHER, "{}", given.text());
        assert_eq!(status(&site, &nurse, &record).await, expected, "{mark}");
    }
    let listed = site.get(Some(&officer), "/reviews/clearances").await.text();
    assert!(listed.contains("Staffname Nurse") && listed.contains("HIV"), "{listed}");
    let back = [("account", &*nurse.id.to_string()), ("mark", "hiv")];
    assert_eq!(site.post(&officer, "/reviews/clearances/end", &back).await.status, StatusCode::SEE_OTHER);
    assert_eq!(status(&site, &nurse, &record).await, StatusCode::FORBIDDEN, "with the next request");
    // Nobody gets at it by an emergency, and a mark that is taken off frees it.
    let amended =
        [("record_type", "note"), ("title", "Serology"), ("body", "Plain"), ("mark", ""), ("reason", "Not sensitive"), ("version", "1")];
    assert_eq!(site.post(&doctor, &format!("{record}/amend"), &amended).await.status, StatusCode::SEE_OTHER);
    assert_eq!(status(&site, &nurse, &record).await, StatusCode::OK);
}

// ASVS 8.2.2, 8.2.3
#[tokio::test]
async fn a_marked_document_is_read_by_its_author_the_permitted_and_the_patient() {
    let site = Site::open().await;
    let (doctor, nurse) = (site.person(Role::Doctor).clone(), site.person(Role::Nurse).clone());
    let (officer, patient) = (site.person(Role::PrivacyOfficer).clone(), site.person(Role::Patient).clone());
    let documents = format!("/patients/{}/documents", site.near);
    let form = DocumentForm { mark: "gossip".to_owned(), ..DocumentForm::new("serology.txt", "text/plain", "Secretresult") };
    let ctx = site.ctx(&doctor).await;
    let Err(Error::Invalid(wrong)) = site.app.begin_upload(&ctx, site.near, &form).await.map(|_| ()) else { panic!("no such mark") };
    assert_eq!(wrong.0.first().map(|error| error.field), Some("mark"));
    let mut upload = site.app.begin_upload(&ctx, site.near, &DocumentForm { mark: "hiv".to_owned(), ..form }).await.unwrap();
    upload.push(b"Secretresult\n").await.unwrap();
    let one = format!("{documents}/{}", upload.finish(ctx.now()).await.unwrap());
    site.document(site.near).await;
    let ways = [one.clone(), format!("{one}/file"), format!("/api/v1{one}"), format!("/api/v1{one}/content")];
    for reader in [&doctor, &patient] {
        assert!(site.get(Some(reader), &documents).await.text().contains("serology.txt"), "{:?}", reader.role);
        assert_eq!(status(&site, reader, &one).await, StatusCode::OK, "{:?}", reader.role);
    }
    for (page, hidden) in [(documents.clone(), "1 document is not shown"), (format!("/patients/{}", site.near), "1 entry is not shown")] {
        let seen = site.get(Some(&nurse), &page).await.text();
        assert!(seen.contains(hidden) && seen.contains("letter.txt") && !seen.contains("serology"), "{seen}");
    }
    for way in &ways {
        let refused = site.get(Some(&nurse), way).await;
        assert_ne!(refused.status, StatusCode::OK, "{way}");
        assert!(!refused.text().contains("Secretresult") && !refused.text().contains("serology"), "{way}: {}", refused.text());
    }
    assert_eq!(status(&site, &nurse, &one).await, StatusCode::FORBIDDEN);
    // It stays marked when it is voided.
    let void = [("version", "1"), ("reason", "Filed with the wrong patient")];
    assert_eq!(site.post(&doctor, &format!("{one}/void"), &void).await.status, StatusCode::SEE_OTHER);
    assert_eq!(status(&site, &nurse, &one).await, StatusCode::FORBIDDEN);
    let given = site.post(&officer, "/reviews/clearances/give", &[("email", &nurse.email), ("mark", "hiv")]).await;
    assert_eq!(given.status, StatusCode::SEE_OTHER, "{}", given.text());
    assert_eq!(status(&site, &nurse, &one).await, StatusCode::OK);
    assert_eq!(status(&site, &nurse, &ways[1]).await, StatusCode::OK);
}
