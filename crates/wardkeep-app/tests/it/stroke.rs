//! Assessments in the chart, the list over all patients, the summary.

use std::collections::HashSet;

use wardkeep_app::integrity::Badge;
use wardkeep_app::{Ctx, Error, kinds};
use wardkeep_domain::account::Role;
use wardkeep_domain::stroke::generate::{Generator, csv};
use wardkeep_domain::stroke::import::parse;
use wardkeep_domain::stroke::{AssessmentForm, AssessmentState, Attributes, Filter, Smoking};
use wardkeep_domain::{AssessmentId, PatientId};
use wardkeep_ledger::Class;

use crate::hospital::House;

fn form(seed: u64) -> AssessmentForm {
    AssessmentForm::from_attributes(&Generator::new(seed).attributes())
}

fn change(seed: u64, version: u64) -> AssessmentForm {
    AssessmentForm { reason: "Typing mistake".to_owned(), version: version.to_string(), ..form(seed) }
}

/// Every id of the list in order, page by page.
async fn walk(house: &House, ctx: &Ctx, filter: &Filter) -> Vec<AssessmentId> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = house.app.list_assessments(ctx, filter, after).await.unwrap();
        ids.extend(page.items.iter().map(|row| row.view.id));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

#[tokio::test]
async fn an_assessment_is_written_amended_and_voided_and_keeps_every_version() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let patient = house.patient(&doctor, "7041000001").await;
    let id = house.app.write_assessment(&doctor, patient, &form(1)).await.unwrap();
    house.app.amend_assessment(&doctor, patient, id, &change(2, 1)).await.unwrap();
    house.app.void_assessment(&doctor, patient, id, &change(2, 2)).await.unwrap();
    let detail = house.app.read_assessment(&doctor, patient, id).await.unwrap();
    let kept: Vec<_> = detail.versions.iter().map(|view| view.assessment.clone().unwrap()).collect();
    assert_eq!(kept.len(), 3);
    assert!(kept[0].attributes == Generator::new(1).attributes() && kept[1].attributes == Generator::new(2).attributes());
    assert!(matches!(&kept[2].state, AssessmentState::Voided { reason } if reason == "Typing mistake"));
    assert_eq!((detail.current.author.as_str(), detail.current.version), ("Test Person", 3));
    assert!(detail.proof.checks.iter().all(|check| check.ok));
    for class in [Class::AssessmentCreated, Class::AssessmentAmended, Class::AssessmentVoided] {
        assert_eq!(house.events(class).await, 1, "{}", class.name());
    }
}

#[tokio::test]
async fn a_change_from_an_old_version_is_a_conflict_and_a_voided_one_stays_as_it_is() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let patient = house.patient(&doctor, "7041000001").await;
    let id = house.app.write_assessment(&doctor, patient, &form(1)).await.unwrap();
    house.app.amend_assessment(&doctor, patient, id, &change(2, 1)).await.unwrap();
    let late = house.app.amend_assessment(&doctor, patient, id, &change(3, 1)).await;
    assert!(matches!(late, Err(Error::Conflict { current: 2 })));
    let late = house.app.void_assessment(&doctor, patient, id, &change(3, 1)).await;
    assert!(matches!(late, Err(Error::Conflict { current: 2 })));
    let wrong = AssessmentForm { age: "200".to_owned(), reason: String::new(), ..change(3, 2) };
    let Err(Error::Invalid(errors)) = house.app.amend_assessment(&doctor, patient, id, &wrong).await else { panic!("taken") };
    assert_eq!(errors.0.iter().map(|error| error.field).collect::<Vec<_>>(), ["age", "reason"]);
    house.app.void_assessment(&doctor, patient, id, &change(3, 2)).await.unwrap();
    assert!(matches!(house.app.amend_assessment(&doctor, patient, id, &change(4, 3)).await, Err(Error::Refused(_))));
    assert_eq!(house.stored(kinds::ASSESSMENT).await, 3);
}

#[tokio::test]
async fn an_assessment_is_found_in_its_own_patient_alone() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let patient = house.patient(&doctor, "7041000001").await;
    let other = house.patient(&doctor, "7041000002").await;
    let id = house.app.write_assessment(&doctor, patient, &form(1)).await.unwrap();
    assert!(matches!(house.app.read_assessment(&doctor, other, id).await, Err(Error::NotFound)));
    assert!(matches!(house.app.amend_assessment(&doctor, other, id, &change(2, 1)).await, Err(Error::NotFound)));
    assert!(matches!(house.app.void_assessment(&doctor, other, id, &change(2, 1)).await, Err(Error::NotFound)));
    assert_eq!(house.app.patient_assessments(&doctor, other).await.unwrap().1.len(), 0);
    assert_eq!(house.app.patient_assessments(&doctor, patient).await.unwrap().1.len(), 1);
}

#[tokio::test]
async fn a_nurse_amends_what_she_wrote_and_nothing_else() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let nurse = house.staff(Role::Nurse, "nurse@test.example").await;
    let patient = house.patient(&doctor, "7041000001").await;
    let theirs = house.app.write_assessment(&doctor, patient, &form(1)).await.unwrap();
    assert!(matches!(house.app.read_assessment(&nurse, patient, theirs).await, Err(Error::NotFound | Error::Denied(_))));
    house.app.assign_care(&doctor, patient, "nurse@test.example").await.unwrap();
    let own = house.app.write_assessment(&nurse, patient, &form(2)).await.unwrap();
    house.app.amend_assessment(&nurse, patient, own, &change(3, 1)).await.unwrap();
    assert!(matches!(house.app.amend_assessment(&nurse, patient, theirs, &change(3, 1)).await, Err(Error::Denied(_))));
}

#[tokio::test]
async fn the_list_walks_everything_exactly_once_and_shows_numbers_to_the_care_team_alone() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    house.app.import(&house.operator(), csv(60, 1).as_bytes(), false, &|_, _| {}).await.unwrap();
    let patient = house.patient(&doctor, "7041000001").await;
    let own = house.app.write_assessment(&doctor, patient, &form(5)).await.unwrap();
    let before = house.events(Class::SearchRun).await;
    let ids = walk(&house, &doctor, &Filter::default()).await;
    assert_eq!((ids.len(), ids.iter().collect::<HashSet<_>>().len(), ids[0]), (61, 61, own));
    assert_eq!(house.events(Class::SearchRun).await - before, 3, "each page is an event");
    let first = house.app.list_assessments(&doctor, &Filter::default(), None).await.unwrap().items;
    assert!(first.iter().all(|row| row.view.assessment.is_some()));
    let numbers: Vec<(&str, bool)> = first.iter().take(2).map(|row| (row.mrn.as_str(), row.in_care)).collect();
    assert_eq!(numbers, [("704 100 0001", true), ("", false)]);
}

#[tokio::test]
async fn a_filter_keeps_what_matches_and_nothing_else() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let file = csv(400, 3);
    house.app.import(&house.operator(), file.as_bytes(), false, &|_, _| {}).await.unwrap();
    let rows = parse(file.as_bytes()).rows;
    let filters = [
        Filter { age_min: Some(40.0), age_max: Some(60.0), ..Filter::default() },
        Filter { stroke: Some(true), ..Filter::default() },
        Filter { hypertension: Some(true), smoking: Some(Smoking::Never), ..Filter::default() },
    ];
    for filter in filters {
        let wanted = rows.iter().filter(|row| filter.keeps(&row.attributes)).count();
        assert!(wanted > 3, "a filter that keeps too little proves nothing");
        assert_eq!(walk(&house, &doctor, &filter).await.len(), wanted);
        assert_eq!(house.app.stroke_summary(&doctor, &filter).await.unwrap().rows, wanted as u64);
    }
}

/// Written out plainly, apart from the code under test.
fn mean_and_sd(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt())
}

#[tokio::test]
async fn the_summary_of_an_imported_file_is_what_the_file_says() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let file = csv(5110, 1);
    let report = house.app.import(&house.operator(), file.as_bytes(), false, &|_, _| {}).await.unwrap();
    assert_eq!((report.written, report.good, report.refused), (5110, 5110, 0));
    let before = house.events(Class::SearchRun).await;
    let summary = house.app.stroke_summary(&doctor, &Filter::default()).await.unwrap();
    assert_eq!(house.events(Class::SearchRun).await - before, 1);
    let all: Vec<Attributes> = parse(file.as_bytes()).rows.iter().map(|row| row.attributes).collect();
    let close = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
    let mut ages: Vec<f64> = all.iter().map(|a| a.age_years).collect();
    let (mean, sd) = mean_and_sd(&ages);
    close(summary.age.mean, mean);
    close(summary.age.sd().unwrap(), sd);
    let stroke: Vec<f64> = all.iter().filter(|a| a.stroke).map(|a| a.age_years).collect();
    close(summary.age_with_stroke.mean, mean_and_sd(&stroke).0);
    let glucose: Vec<f64> = all.iter().map(|a| a.avg_glucose_mg_dl).collect();
    close(summary.glucose.mean, mean_and_sd(&glucose).0);
    let bmi: Vec<f64> = all.iter().filter_map(|a| a.bmi).collect();
    close(summary.bmi.mean, mean_and_sd(&bmi).0);
    assert_eq!((summary.rows, summary.bmi.count, summary.strokes), (5110, bmi.len() as u64, stroke.len() as u64));
    let both = all.iter().filter(|a| a.hypertension && a.stroke).count() as u64;
    assert_eq!(summary.hypertension_with_stroke, both);
    for (place, smoking) in Smoking::ALL.iter().enumerate() {
        let rows = all.iter().filter(|a| a.smoking == *smoking);
        assert_eq!(summary.by_smoking[place], (rows.clone().count() as u64, rows.filter(|a| a.stroke).count() as u64));
    }
    ages.sort_by(f64::total_cmp);
    close(summary.median_age().unwrap(), f64::midpoint(ages[2554], ages[2555]));
}

#[tokio::test]
async fn list_and_summary_follow_an_amendment_and_a_void_and_log_the_job_that_looked() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let patient = house.patient(&doctor, "7041000001").await;
    let counts = async |filter: Filter| house.app.stroke_summary(&doctor, &filter).await.unwrap().rows;
    let healthy = AssessmentForm { stroke: "0".to_owned(), ..form(1) };
    let id = house.app.write_assessment(&doctor, patient, &healthy).await.unwrap();
    house.app.write_assessment(&doctor, patient, &form(2)).await.unwrap();
    let stroke = Filter { stroke: Some(true), ..Filter::default() };
    let with_stroke = counts(stroke).await;
    assert_eq!((counts(Filter::default()).await, house.events(Class::JobRun).await), (2, 1), "nothing new, no second look");
    let amended = AssessmentForm { stroke: "1".to_owned(), ..change(1, 1) };
    house.app.amend_assessment(&doctor, patient, id, &amended).await.unwrap();
    assert_eq!((counts(stroke).await, counts(Filter::default()).await), (with_stroke + 1, 2));
    assert_eq!(walk(&house, &doctor, &Filter::default()).await[0], id, "the newest version comes first");
    house.app.void_assessment(&doctor, patient, id, &change(1, 2)).await.unwrap();
    assert_eq!((counts(stroke).await, counts(Filter::default()).await), (with_stroke, 1));
    assert!(!walk(&house, &doctor, &Filter::default()).await.contains(&id));
    assert_eq!(house.events(Class::JobRun).await, 3);
}

#[tokio::test]
async fn one_that_was_tampered_with_is_shown_as_failed_under_any_filter_and_never_counted() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let patient = house.patient(&doctor, "7041000001").await;
    let id = house.app.write_assessment(&doctor, patient, &form(1)).await.unwrap();
    house.app.write_assessment(&doctor, patient, &form(2)).await.unwrap();
    house.overwrite(kinds::ASSESSMENT, id.bytes(), patient).await;
    let filter = Filter { age_min: Some(0.0), ..Filter::default() };
    let rows = house.app.list_assessments(&doctor, &filter, None).await.unwrap().items;
    let failed: Vec<AssessmentId> = rows.iter().filter(|row| row.view.badge == Badge::CheckFailed).map(|row| row.view.id).collect();
    assert_eq!((rows.len(), failed), (2, vec![id]));
    assert_eq!(house.app.stroke_summary(&doctor, &Filter::default()).await.unwrap().rows, 1);
    let csv = house.app.export_stroke(&doctor, &|_, _| {}).await.unwrap();
    assert_eq!(csv.iter().filter(|byte| **byte == b'\n').count(), 2, "the header and the sound one");
    let administrator = house.staff(Role::Administrator, "admin@test.example").await;
    assert_eq!(house.app.alarms(&administrator).await.unwrap().len(), 1);
    assert!(matches!(house.app.amend_assessment(&doctor, patient, id, &change(3, 2)).await, Err(Error::Integrity)));
}

#[tokio::test]
async fn only_who_may_see_lists_sees_them_and_a_refusal_is_an_event() {
    let house = House::new().await;
    let registrar = house.staff(Role::Registrar, "registrar@test.example").await;
    assert!(matches!(house.app.list_assessments(&registrar, &Filter::default(), None).await, Err(Error::Denied(_) | Error::NotFound)));
    assert!(house.app.stroke_summary(&registrar, &Filter::default()).await.is_err());
    assert!(house.app.check_import(&registrar, csv(2, 1).as_bytes()).await.is_err());
    assert!(house.app.stage_import(&registrar, csv(2, 1).as_bytes()).await.is_err());
    assert!(house.app.import(&registrar, csv(2, 1).as_bytes(), false, &|_, _| {}).await.is_err());
    assert!(house.app.export_stroke(&registrar, &|_, _| {}).await.is_err());
    assert!(house.app.patient_assessments(&registrar, PatientId::from_bytes([1; 16])).await.is_err());
    assert_eq!((house.events(Class::Denied).await, house.events(Class::JobRun).await), (7, 0));
}
