//! Import, preview and export of the public layout.

use wardkeep_app::patients::Search;
use wardkeep_app::stroke::import::ImportReport;
use wardkeep_app::{Ctx, Error, kinds};
use wardkeep_domain::account::Role;
use wardkeep_domain::patient::Born;
use wardkeep_domain::stroke::generate::csv;
use wardkeep_domain::stroke::import::parse;
use wardkeep_domain::stroke::{AssessmentForm, Filter};
use wardkeep_ledger::Class;

use crate::hospital::{House, patient_form};

async fn import(house: &House, file: &str) -> ImportReport {
    house.app.import(&house.operator(), file.as_bytes(), false, &|_, _| {}).await.unwrap()
}

async fn kept(house: &House, file: &str) -> ImportReport {
    house.app.import(&house.operator(), file.as_bytes(), true, &|_, _| {}).await.unwrap()
}

/// (good, refused, unchanged, written).
fn counts(report: &ImportReport) -> (u64, u64, u64, u64) {
    (report.good, report.refused, report.unchanged, report.written)
}

/// The file with one cell of a line replaced (header is line 0, cells from 0).
fn with_cell(file: &str, line: usize, cell: usize, value: &str) -> String {
    let mut lines: Vec<String> = file.lines().map(str::to_owned).collect();
    let mut cells: Vec<&str> = lines[line].split(',').collect();
    cells[cell] = value;
    let changed = cells.join(",");
    lines[line] = changed;
    lines.join("\n") + "\n"
}

async fn export(house: &House) -> String {
    String::from_utf8(house.app.export_stroke(&house.operator(), &|_, _| {}).await.unwrap()).unwrap()
}

#[tokio::test]
async fn each_row_becomes_a_patient_without_a_name_and_an_assessment_with_one_event() {
    let house = House::new().await;
    let file = csv(30, 1);
    assert_eq!(counts(&import(&house, &file).await), (30, 0, 0, 30));
    assert_eq!((house.stored(kinds::PATIENT).await, house.stored(kinds::ASSESSMENT).await), (30, 30));
    assert_eq!(house.stored(kinds::CARE_TEAM).await, 0);
    assert_eq!(house.events(Class::Imported).await, 31, "one for each row, one for the file");
    let registrar = house.staff(Role::Registrar, "registrar@test.example").await;
    let first = parse(file.as_bytes()).rows[0].clone();
    let search = Search { mrn: format!("SRC-{}", first.source_id), ..Search::default() };
    let found = house.app.search_patients(&registrar, &search, None).await.unwrap().items;
    assert_eq!(found.len(), 1);
    assert!(found[0].patient.name.is_none());
    assert!(matches!(found[0].patient.born, Born::AgedYears { years, .. } if years == first.attributes.age_years));
}

#[tokio::test]
async fn a_second_run_of_the_same_file_changes_nothing_and_says_so() {
    let house = House::new().await;
    let file = csv(700, 1);
    import(&house, &file).await;
    let shuffled = file.replace('\n', "\r\n");
    assert_eq!(counts(&import(&house, &shuffled).await), (700, 0, 700, 0));
    assert_eq!((house.stored(kinds::PATIENT).await, house.stored(kinds::ASSESSMENT).await), (700, 700));
    assert_eq!(house.events(Class::Imported).await, 702);
}

#[tokio::test]
async fn a_bad_row_stops_everything_and_leaves_nothing_unless_the_good_ones_are_asked_for() {
    let house = House::new().await;
    let file = with_cell(&csv(40, 2), 7, 2, "01.08");
    let refused = import(&house, &file).await;
    assert_eq!(counts(&refused), (39, 1, 0, 0));
    assert_eq!((refused.errors[0].line, refused.errors[0].column.as_str()), (8, "age"));
    assert_eq!((house.stored(kinds::PATIENT).await, house.stored(kinds::ASSESSMENT).await), (0, 0));
    assert_eq!(house.events(Class::Imported).await, 1, "the attempt is in the log");
    assert_eq!(counts(&kept(&house, &file).await), (39, 1, 0, 39));
    assert_eq!(house.stored(kinds::PATIENT).await, 39);
}

#[tokio::test]
async fn a_check_says_what_an_import_would_do_and_changes_nothing() {
    let house = House::new().await;
    import(&house, &csv(10, 1)).await;
    let before = (house.stored(kinds::ASSESSMENT).await, house.events(Class::Imported).await);
    let report = house.app.check_import(&house.operator(), with_cell(&csv(12, 1), 11, 11, "2").as_bytes()).await.unwrap();
    assert_eq!(counts(&report), (11, 1, 10, 0));
    assert_eq!((house.stored(kinds::ASSESSMENT).await, house.events(Class::Imported).await), before);
}

#[tokio::test]
async fn a_newer_file_amends_what_was_imported_and_not_what_somebody_changed_here() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let file = csv(4, 1);
    import(&house, &file).await;
    // Line 2 by the file, line 3 by hand, line 4 voided by hand.
    let newer = with_cell(&file, 1, 8, "101.5");
    assert_eq!(counts(&import(&house, &newer).await), (4, 0, 3, 1));
    assert_eq!(house.events(Class::AssessmentAmended).await, 1);
    let rows = house.app.list_assessments(&doctor, &Filter::default(), None).await.unwrap().items;
    let registrar = house.staff(Role::Registrar, "registrar@test.example").await;
    for (line, void) in [(2, false), (3, true)] {
        let row = &parse(newer.as_bytes()).rows[line - 1];
        let view = &rows.iter().find(|shown| shown.view.assessment.as_ref().unwrap().source.unwrap().id == row.source_id).unwrap().view;
        house.app.assign_care(&registrar, view.patient, "doctor@test.example").await.unwrap();
        let form = AssessmentForm {
            avg_glucose_level: "77".to_owned(),
            reason: "Measured again".to_owned(),
            version: "1".to_owned(),
            ..AssessmentForm::from_attributes(&row.attributes)
        };
        if void {
            house.app.void_assessment(&doctor, view.patient, view.id, &form).await.unwrap();
        } else {
            house.app.amend_assessment(&doctor, view.patient, view.id, &form).await.unwrap();
        }
    }
    let newest = with_cell(&with_cell(&newer, 2, 8, "102.5"), 3, 8, "103.5");
    let report = import(&house, &newest).await;
    assert_eq!(counts(&report), (2, 2, 2, 0));
    let reasons: Vec<(u64, bool, bool)> = report
        .errors
        .iter()
        .map(|error| (error.line, error.reason.contains("amended here"), error.reason.contains("voided here")))
        .collect();
    assert_eq!(reasons, [(3, true, false), (4, false, true)]);
    // The file as it was says nothing new about the voided one, but differs from the hand-made version.
    assert_eq!(counts(&import(&house, &newer).await), (3, 1, 3, 0));
}

#[tokio::test]
async fn an_imported_patient_whose_number_was_corrected_is_still_the_same_one() {
    let house = House::new().await;
    let registrar = house.staff(Role::Registrar, "registrar@test.example").await;
    let file = csv(3, 1);
    import(&house, &file).await;
    let number = format!("SRC-{}", parse(file.as_bytes()).rows[0].source_id);
    let search = Search { mrn: number, ..Search::default() };
    let found = house.app.search_patients(&registrar, &search, None).await.unwrap().items;
    let form = patient_form("7041000009");
    house.app.amend_patient(&registrar, found[0].id, 1, &form).await.unwrap();
    assert_eq!(counts(&import(&house, &file).await), (3, 0, 3, 0));
}

#[tokio::test]
async fn a_number_that_a_registered_patient_holds_is_refused_and_never_overwritten() {
    let house = House::new().await;
    let registrar = house.staff(Role::Registrar, "registrar@test.example").await;
    let file = csv(3, 1);
    let rows = parse(file.as_bytes()).rows;
    house.patient(&registrar, &format!("SRC-{}", rows[1].source_id)).await;
    let report = import(&house, &file).await;
    assert_eq!((counts(&report), report.errors[0].line), ((2, 1, 0, 0), 3));
    assert_eq!(counts(&kept(&house, &file).await), (2, 1, 0, 2));
    assert_eq!((house.stored(kinds::PATIENT).await, house.stored(kinds::ASSESSMENT).await), (3, 2));
}

async fn staged(house: &House, ctx: &Ctx, file: &str) -> String {
    house.app.stage_import(ctx, file.as_bytes()).await.unwrap().0
}

#[tokio::test]
async fn a_preview_is_confirmed_once_by_its_uploader_and_within_the_hour() {
    let house = House::new().await;
    let tokens = [house.sign_in(Role::Doctor, "doctor@test.example").await, house.sign_in(Role::Doctor, "other@test.example").await];
    let (doctor, other) = (house.request(&tokens[0]).await, house.request(&tokens[1]).await);
    let file = csv(20, 1);
    let (token, report) = house.app.stage_import(&doctor, file.as_bytes()).await.unwrap();
    assert_eq!((counts(&report), house.stored(kinds::ASSESSMENT).await), ((20, 0, 0, 0), 0));
    assert!(matches!(house.app.confirm_import(&other, &token, false).await, Err(Error::NotFound)));
    assert!(matches!(house.app.confirm_import(&doctor, "no-such-token", false).await, Err(Error::NotFound)));
    assert_eq!(counts(&house.app.confirm_import(&doctor, &token, false).await.unwrap()), (20, 0, 0, 20));
    assert!(matches!(house.app.confirm_import(&doctor, &token, false).await, Err(Error::NotFound)));
    assert_eq!(house.stored(kinds::IMPORT_FILE).await, 0, "a used file is gone");

    let (early, theirs) = (staged(&house, &doctor, &file).await, staged(&house, &other, &file).await);
    let late = staged(&house, &doctor, &file).await;
    assert!(matches!(house.app.confirm_import(&doctor, &early, false).await, Err(Error::NotFound)), "a newer upload took its place");
    for minutes in [12, 12, 12, 12, 11] {
        house.wait_ms(minutes * 60 * 1000);
        house.request(&tokens[0]).await;
        house.request(&tokens[1]).await;
    }
    let in_time = house.request(&tokens[1]).await;
    assert_eq!(counts(&house.app.confirm_import(&in_time, &theirs, false).await.unwrap()), (20, 0, 20, 0));
    house.wait_ms(60 * 1000);
    let too_late = house.request(&tokens[0]).await;
    assert!(matches!(house.app.confirm_import(&too_late, &late, false).await, Err(Error::NotFound)));
}

#[tokio::test]
async fn a_preview_takes_thirty_two_mebibytes_and_not_one_byte_more() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let mut file = csv(3, 1).into_bytes();
    file.resize(32 * 1024 * 1024, b' ');
    let (token, report) = house.app.stage_import(&doctor, &file).await.unwrap();
    assert_eq!(counts(&report), (3, 0, 0, 0));
    assert_eq!(counts(&house.app.confirm_import(&doctor, &token, false).await.unwrap()), (3, 0, 0, 3));
    file.push(b' ');
    let Err(Error::Invalid(errors)) = house.app.stage_import(&doctor, &file).await else { panic!("taken") };
    assert_eq!(errors.0[0].field, "file");
}

#[tokio::test]
async fn an_export_gives_the_file_back_and_comes_in_again_as_unchanged() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let file = csv(1200, 4);
    import(&house, &file).await;
    assert_eq!(export(&house).await, file);
    let patient = house.patient(&doctor, "7041000001").await;
    let written = AssessmentForm::from_attributes(&parse(file.as_bytes()).rows[0].attributes);
    house.app.write_assessment(&doctor, patient, &written).await.unwrap();
    let before = house.events(Class::Exported).await;
    let whole = export(&house).await;
    assert_eq!(house.events(Class::Exported).await - before, 2, "one event for a thousand rows");
    assert_eq!(whole, export(&house).await, "the id of an assessment written here stays the same");
    assert!(whole.lines().flat_map(|line| line.split(',')).all(|cell| !cell.starts_with(['=', '+', '-', '@'])));
    assert_eq!(counts(&import(&house, &whole).await), (1201, 0, 1201, 0));
    // An assessment that was written here is not the file's to amend.
    let report = import(&house, &with_cell(&whole, 1201, 8, "99.9")).await;
    assert_eq!((counts(&report), report.errors[0].reason.contains("written here")), ((1200, 1, 1200, 0), true));
    let elsewhere = House::new().await;
    assert_eq!(counts(&import(&elsewhere, &whole).await), (1201, 0, 0, 1201));
    assert_eq!(export(&elsewhere).await, whole);
}

#[tokio::test]
async fn an_export_needs_a_fresh_factor_and_an_empty_one_is_a_header_and_an_event() {
    let house = House::new().await;
    let token = house.sign_in(Role::Doctor, "doctor@test.example").await;
    let doctor = house.request(&token).await;
    let csv = house.app.export_stroke(&doctor, &|_, _| {}).await.unwrap();
    assert_eq!((csv.iter().filter(|byte| **byte == b'\n').count(), house.events(Class::Exported).await), (1, 1));
    house.wait_ms(6 * 60 * 1000);
    assert!(matches!(house.app.export_stroke(&house.request(&token).await, &|_, _| {}).await, Err(Error::Denied(_))));
}

#[tokio::test]
async fn a_file_of_more_than_one_part_comes_in_whole() {
    let house = House::new().await;
    let file = csv(20_100, 1);
    let last = std::sync::Mutex::new((0, 0));
    let report = house.app.import(&house.operator(), file.as_bytes(), false, &|done, of| *last.lock().unwrap() = (done, of)).await.unwrap();
    assert_eq!((counts(&report), *last.lock().unwrap()), ((20_100, 0, 0, 20_100), (20_100, 20_100)));
    assert_eq!(house.events(Class::Imported).await, 20_102);
}

#[tokio::test]
async fn the_embedded_store_imports_the_same_and_a_full_disk_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::on_disk(dir.path(), None).await;
    let file = csv(5110, 1);
    assert_eq!(counts(&import(&house, &file).await), (5110, 0, 0, 5110));
    assert_eq!(counts(&import(&house, &file).await), (5110, 0, 5110, 0));
    assert_eq!(export(&house).await, file);
    let verified = house.app.verify_records(&house.operator(), &|_, _| {}).await.unwrap();
    assert_eq!(verified.findings, []);

    let dir = tempfile::tempdir().unwrap();
    let full = House::on_disk(dir.path(), Some(800)).await;
    let failed = full.app.import(&full.operator(), file.as_bytes(), false, &|_, _| {}).await;
    assert!(matches!(failed, Err(Error::Unavailable(words)) if words.contains("full")));
    assert_eq!((full.stored(kinds::PATIENT).await, full.stored(kinds::ASSESSMENT).await), (0, 0));
}
