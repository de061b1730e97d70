//! Published faults of record systems and their relatives, each tried here. Those about sessions,
//! forged requests and logs are in the files of their own.

use wardkeep_app::audit::LogFilter;
use wardkeep_domain::account::Role;
use wardkeep_ledger::Outcome;
use wardkeep_web::routes::Guard;

use crate::samples::{form, routes};
use crate::site::{PASSWORD, Site, record_form};

#[tokio::test]
async fn cve_2026_24908_openemr_a_sort_order_from_outside_is_no_parameter() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor);
    for path in ["/".to_owned(), format!("/patients/{}/records", site.near), format!("/patients/{}/access", site.near)] {
        for query in ["?_sort=title", "?sort=1;drop+table+documents", "?order=desc", "?limit=100000"] {
            assert_eq!(site.get(Some(doctor), &format!("{path}{query}")).await.status, 400, "{path}{query}");
        }
    }
}

// ASVS 8.2.2
#[tokio::test]
async fn cve_2026_25744_openemr_a_record_is_found_within_its_own_patient_alone() {
    let site = Site::open().await;
    let registrar = site.ctx(site.person(Role::Registrar)).await;
    // Somebody who cares for both: only the wrong pairing can be the reason.
    site.app.assign_care(&registrar, site.near, &site.other.email).await.unwrap();
    let far_record = site.record(site.far).await;
    let at = format!("/patients/{}/records/{far_record}", site.near);
    for path in [at.clone(), format!("{at}/amend"), format!("{at}/void")] {
        assert_eq!(site.get(Some(&site.other), &path).await.status, 404, "{path}");
    }
    let amend = form("/patients/{patient}/records/{record}/amend");
    assert_eq!(site.post(&site.other, &format!("{at}/amend"), &amend).await.status, 404);
    assert_eq!(site.post(&site.other, &format!("{at}/void"), &[("version", "1"), ("reason", "Wrong patient")]).await.status, 404);
    let own = site.app.read_record(&site.ctx(&site.other).await, site.far, far_record).await.unwrap();
    assert_eq!(own.current.version, 1);
    assert_eq!(site.get(Some(site.person(Role::Patient)), &at).await.status, 404);
}

#[tokio::test]
async fn cve_2026_24890_openemr_a_patient_changes_nothing_that_a_clinician_signed() {
    let site = Site::open().await;
    let patient = site.person(Role::Patient);
    let record = site.record(site.near).await;
    let at = format!("/patients/{}/records/{record}", site.near);
    assert_eq!(site.get(Some(patient), &at).await.status, 200);
    let amend = form("/patients/{patient}/records/{record}/amend");
    assert_eq!(site.post(patient, &format!("{at}/amend"), &amend).await.status, 403);
    assert_eq!(site.post(patient, &format!("{at}/void"), &[("version", "1"), ("reason", "I do not like it")]).await.status, 403);
    assert_eq!(
        site.post(patient, &format!("/patients/{}/records/new", site.near), &form("/patients/{patient}/records/new")).await.status,
        403
    );
    let doctor = site.ctx(site.person(Role::Doctor)).await;
    assert_eq!(site.app.read_record(&doctor, site.near, record).await.unwrap().current.version, 1);
}

#[test]
fn cve_2026_27898_vaultwarden_the_page_of_a_form_and_the_form_ask_for_the_same_action() {
    // Lists on which something can be added or chosen too.
    let apart = ["/patients/{patient}/documents", "/reviews/holds"];
    // The API has no pages of forms: what stands at the same address is read there.
    let routes: Vec<_> = routes().into_iter().filter(|route| !route.path.starts_with("/api/")).collect();
    for page in routes.iter().filter(|route| route.method == "GET" && !apart.contains(&route.path)) {
        for form in routes.iter().filter(|route| route.method == "POST" && route.path == page.path) {
            let same = page.guard == form.guard || !matches!((page.guard, form.guard), (Guard::Signed(_), Guard::Signed(_)));
            assert!(same, "{}: {:?} and {:?}", page.path, page.guard, form.guard);
        }
    }
}

// ASVS 8.3.2
#[tokio::test]
async fn cve_2026_43913_vaultwarden_a_state_counts_as_much_as_a_role() {
    let site = Site::open().await;
    site.app.invite(&site.operator(), "waiting@site.example", "Waiting Nurse", "nurse").await.unwrap();
    let invited = site.knock("/sign-in", &[("email", "waiting@site.example"), ("password", PASSWORD)]).await;
    assert_eq!(invited.status, 401, "invited");
    let nurse = site.person(Role::Nurse);
    let chart = format!("/patients/{}", site.near);
    assert_eq!(site.get(Some(nurse), &chart).await.status, 200);
    let removed = site.post(site.person(Role::Doctor), &format!("{chart}/care-team/{}/remove", nurse.id), &[]).await;
    assert_eq!(removed.status, 303);
    assert_eq!(site.get(Some(nurse), &chart).await.status, 404, "off the care team, on the next request");
}

#[tokio::test]
async fn cve_2022_1177_openemr_exports_and_reports_take_the_same_policy_and_leave_a_trace() {
    let site = Site::open().await;
    for role in [Role::Doctor, Role::Nurse, Role::Registrar, Role::Patient] {
        assert_eq!(site.post(site.person(role), "/log/export", &[]).await.status, 403, "{role:?}");
    }
    let privacy = site.ctx(site.person(Role::PrivacyOfficer)).await;
    let refused = LogFilter { outcome: Some(Outcome::Denied), ..LogFilter::default() };
    assert_eq!(site.app.read_log(&privacy, &refused, None).await.unwrap().rows.len(), 4);
    let export = site.post(site.person(Role::PrivacyOfficer), "/log/export", &[]).await;
    assert_eq!(export.header("content-disposition"), "attachment; filename=\"wardkeep-log.csv\"");
    let exported = LogFilter { class: Some(wardkeep_ledger::Class::Exported), ..LogFilter::default() };
    assert_eq!(site.app.read_log(&privacy, &exported, None).await.unwrap().rows.len(), 1);
}

// ASVS 6.3.2
#[tokio::test]
async fn openmrs_there_is_no_account_that_nobody_made() {
    let site = Site::open().await;
    for (email, password) in [("admin", "admin"), ("admin", "Admin123"), ("admin", "pass"), ("root", "root"), ("superman", "admin")] {
        assert_eq!(site.knock("/sign-in", &[("email", email), ("password", password)]).await.status, 401, "{email}");
    }
}

#[tokio::test]
async fn a_nurse_amends_the_own_note_and_is_shown_the_form_for_no_other() {
    let site = Site::open().await;
    let nurse = site.person(Role::Nurse);
    let ctx = site.ctx(nurse).await;
    let own = site.app.write_record(&ctx, site.near, &record_form("Observations", "Blood pressure taken.")).await.unwrap();
    let others = site.record(site.near).await;
    let page = |record| format!("/patients/{}/records/{record}/amend", site.near);
    assert_eq!(site.get(Some(nurse), &page(own)).await.status, 200);
    assert_eq!(site.get(Some(nurse), &page(others)).await.status, 403);
    let amend = form("/patients/{patient}/records/{record}/amend");
    assert_eq!(site.post(nurse, &page(own), &amend).await.status, 303);
    assert_eq!(site.post(nurse, &page(others), &amend).await.status, 403);
}

// ASVS 8.2.1, 8.2.2
#[tokio::test]
async fn cve_2026_24487_openemr_a_patients_session_opens_the_own_chart_and_nothing_else() {
    let site = Site::open().await;
    site.app.set_pace(crate::pace::HURRY);
    let patient = site.person(Role::Patient).clone();
    // What belongs to everybody who has an account, or shows who they are: with `far` in the address
    // everything else must be closed, whatever the method.
    for route in routes().iter().filter(|route| route.path.contains("{patient}")) {
        let request = crate::samples::sample(&site, route, Some(&patient), Some(&patient.token), site.far, 1).await;
        let answer = site.raw(request).await;
        let what = format!("{} {}", route.method, route.path);
        assert!(matches!(answer.status.as_u16(), 403 | 404), "{what}: {}", answer.status);
        for canary in [crate::site::FAR_FAMILY, crate::site::FAR_MRN, "Quillon", "Canaryallergy"] {
            assert!(!answer.text().contains(canary), "{canary} in {what}");
        }
    }
}

#[tokio::test]
async fn cve_2026_24898_openemr_no_door_is_internal() {
    let site = Site::open().await;
    let near = site.near;
    let inside = [("x-forwarded-for", "127.0.0.1"), ("x-real-ip", "127.0.0.1"), ("forwarded", "for=127.0.0.1"), ("x-internal", "1")];
    let more = [("x-original-url", "/sign-in"), ("x-rewrite-url", "/sign-in"), ("x-http-method-override", "GET"), ("host", "localhost")];
    for route in routes().iter().filter(|route| matches!(route.guard, Guard::Signed(_))) {
        let mut request = crate::samples::sample(&site, route, None, None, near, 1).await;
        for (name, value) in inside.iter().chain(&more) {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let answer = site.raw(request).await;
        let away = answer.status == 401 || answer.header("location") == "/sign-in";
        assert!(away, "{} {}: {}", route.method, route.path, answer.status);
    }
}

#[tokio::test]
async fn cve_2023_24057_and_28465_hapi_a_path_or_host_that_almost_is_ours_is_not_ours() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor);
    for next in
        ["/security/../log", "/securityx@evil.example", "//127.0.0.1:8080/log", "/log%2f..", "http://127.0.0.1:8080/log", "/log/", "log"]
    {
        let page = site.get(Some(doctor), &format!("/security/confirm?next={next}")).await.text();
        assert!(page.contains("name=\"next\" value=\"/security\""), "{next}");
    }
    let near = site.near;
    for path in
        [format!("/patients/{near}x"), format!("/patients/{near}/recordsx"), format!("/patientsx/{near}"), "/static/../static-x".to_owned()]
    {
        assert!(matches!(site.get(Some(doctor), &path).await.status.as_u16(), 400 | 404), "{path}");
    }
    for origin in ["http://127.0.0.1:80800", "http://127.0.0.1:8080.evil.example", "http://xn--127.0.0.1:8080", "http://127.0.0.1"] {
        let mut request = crate::site::post(Some(&doctor.token), "/theme", &[("csrf", &doctor.csrf), ("theme", "dark"), ("back", "/")]);
        request.headers_mut().remove("sec-fetch-site");
        request.headers_mut().insert("origin", origin.parse().unwrap());
        assert_eq!(site.raw(request).await.status, 403, "{origin}");
    }
}

// ASVS 6.3.3, 6.3.4
#[tokio::test]
async fn bahmni_a_sign_in_in_progress_opens_no_door_of_the_api_either() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor);
    let password = wardkeep_domain::account::password::Password::typed(PASSWORD);
    let pending = site.app.sign_in(&site.visit(), &doctor.email, &password).await.unwrap().token;
    for route in routes().iter().filter(|route| matches!(route.guard, Guard::Signed(_))) {
        let request = crate::samples::sample(&site, route, None, Some(&pending), site.near, 1).await;
        let answer = site.raw(request).await;
        let away = answer.status == 401 || answer.header("location") == "/sign-in";
        assert!(away, "{} {}: {}", route.method, route.path, answer.status);
    }
}

#[tokio::test]
async fn medplum_a_file_belongs_to_its_patient_and_is_found_through_nobody_else() {
    let site = Site::open().await;
    let registrar = site.ctx(site.person(Role::Registrar)).await;
    // Somebody who cares for both: only the wrong pairing can be the reason.
    site.app.assign_care(&registrar, site.near, &site.other.email).await.unwrap();
    let document = site.document(site.far).await;
    for (patient, status) in [(site.far, 200), (site.near, 404)] {
        for rest in ["", "/file"] {
            let path = format!("/patients/{patient}/documents/{document}{rest}");
            assert_eq!(site.get(Some(&site.other), &path).await.status, status, "{path}");
        }
        for rest in ["", "/content", "/raw"] {
            let path = format!("/api/v1/patients/{patient}/documents/{document}{rest}");
            let call = crate::site::request("GET", None, &path).header("authorization", format!("Bearer {}", site.other.token));
            assert_eq!(site.raw(call.body(axum::body::Body::empty()).unwrap()).await.status, status, "{path}");
        }
    }
    for path in [format!("/documents/{document}"), format!("/files/{document}"), format!("/api/v1/documents/{document}")] {
        assert_eq!(site.get(Some(&site.other), &path).await.status, 404, "{path}");
    }
}
