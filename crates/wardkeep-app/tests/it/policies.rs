//! A hospital's own rules: taken at the start or refused by name, logged when they change, tried
//! against what happened, and explained.

use wardkeep_app::audit::LogFilter;
use wardkeep_app::policies::{Ask, Site};
use wardkeep_app::{Ctx, Error};
use wardkeep_domain::account::Role;
use wardkeep_domain::record::RecordForm;
use wardkeep_ledger::Class;
use wardkeep_policy::matrix::Who;
use wardkeep_policy::{Action, Fact};

use crate::hospital::House;

fn site(name: &str, text: &str) -> Site {
    Site { files: vec![(name.to_owned(), text.to_owned())] }
}

/// Nurses write no records.
const NO_NURSE_NOTES: &str = "@id(\"no-nurse-notes\") @reason(\"Nurses write on paper here.\")\n\
    forbid (principal is Staff, action == Action::\"write_record\", resource) when { principal.role == \"nurse\" };";

fn record() -> RecordForm {
    RecordForm { record_type: "note".to_owned(), title: "Round".to_owned(), body: "Well.".to_owned(), ..RecordForm::default() }
}

/// Details of all configuration changes, newest first.
async fn changes(house: &House, reader: &Ctx) -> Vec<String> {
    let filter = LogFilter { class: Some(Class::ConfigurationChanged), ..LogFilter::default() };
    let rows = house.app.read_log(reader, &filter, None).await.unwrap().rows;
    rows.iter().map(|row| row.event.detail("files").unwrap_or_default().to_owned()).collect()
}

fn refused_field(error: Error) -> &'static str {
    match error {
        Error::Invalid(errors) => errors.0.first().unwrap().field,
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_start_with_other_policies_is_logged_once_and_a_bad_file_refuses_the_start() {
    let house = House::new().await;
    let reader = house.staff(Role::PrivacyOfficer, "privacy@test.example").await;
    house.node("a").await;
    assert!(changes(&house, &reader).await.is_empty(), "no policies, none before");
    for _ in 0..2 {
        house.node_with("a", site("notes.cedar", NO_NURSE_NOTES)).await.unwrap();
    }
    assert_eq!(changes(&house, &reader).await, ["notes.cedar"]);
    // Another text under the same name, then none at all.
    house.node_with("a", site("notes.cedar", &NO_NURSE_NOTES.replace("here", "today"))).await.unwrap();
    house.node("a").await;
    assert_eq!(changes(&house, &reader).await, ["none", "notes.cedar", "notes.cedar"]);
    let refused = house.node_with("a", site("bad.cedar", "permit (")).await.err();
    assert!(matches!(&refused, Some(Error::Refused(words)) if words.contains("bad.cedar")), "{refused:?}");
    assert_eq!(changes(&house, &reader).await.len(), 3);
    let report = house.app.verify_records(&house.operator(), &|_, _| {}).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

#[tokio::test]
async fn a_forbid_of_the_hospital_stops_the_act_and_a_permit_does_not_open_what_is_forbidden() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let nurse = house.staff(Role::Nurse, "nurse@test.example").await;
    let administrator = house.staff(Role::Administrator, "admin@test.example").await;
    let patient = house.patient(&doctor, "1000001").await;
    house.app.assign_care(&doctor, patient, "nurse@test.example").await.unwrap();
    house.app.write_record(&nurse, patient, &record()).await.unwrap();
    let all = "@id(\"all\") @reason(\"All.\") permit (principal is Staff, action, resource);";
    let both = Site { files: vec![("all.cedar".to_owned(), all.to_owned()), ("notes.cedar".to_owned(), NO_NURSE_NOTES.to_owned())] };
    let node = house.node_with("b", both).await.unwrap();
    match node.write_record(&nurse, patient, &record()).await.err() {
        Some(Error::Denied(denial)) => {
            assert_eq!((denial.rule.as_str(), denial.reason.as_str()), ("no-nurse-notes", "Nurses write on paper here."))
        }
        error => panic!("{error:?}"),
    }
    node.write_record(&doctor, patient, &record()).await.unwrap();
    assert!(matches!(node.open_chart(&administrator, patient).await.err(), Some(Error::NotFound)), "an embedded rule forbids it");
    let lines = node.posture(&house.operator()).await.unwrap();
    assert!(lines.iter().any(|line| line.what == "Site policies" && line.words == "2 rules in 2 files."), "{lines:?}");
    let lines = house.app.posture(&house.operator()).await.unwrap();
    assert!(lines.iter().any(|line| line.what == "Site policies" && line.words.contains("other policy files")), "{lines:?}");
}

#[tokio::test]
async fn a_try_prints_exactly_what_a_new_forbid_would_have_changed() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let nurse = house.staff(Role::Nurse, "nurse@test.example").await;
    let patient = house.patient(&doctor, "1000001").await;
    house.app.assign_care(&doctor, patient, "nurse@test.example").await.unwrap();
    house.app.write_record(&nurse, patient, &record()).await.unwrap();
    house.wait_ms(40 * 24 * 60 * 60 * 1000);
    let doctor = house.staff(Role::Doctor, "doctor2@test.example").await;
    let nurse = house.staff(Role::Nurse, "nurse2@test.example").await;
    let patient = house.patient(&doctor, "1000002").await;
    house.app.assign_care(&doctor, patient, "nurse2@test.example").await.unwrap();
    for _ in 0..3 {
        house.app.write_record(&nurse, patient, &record()).await.unwrap();
        house.app.write_record(&doctor, patient, &record()).await.unwrap();
        house.app.open_chart(&nurse, patient).await.unwrap();
    }
    let tried = site("notes.cedar", NO_NURSE_NOTES);
    let run = house.app.try_policies(&house.operator(), &tried, 30).await.unwrap();
    let [change] = run.changes.as_slice() else { panic!("{:?}", run.changes) };
    assert_eq!((change.who, change.action, change.count), (Who::Role(Role::Nurse), Action::WriteRecord, 3));
    assert_eq!((change.before.allowed, change.before.rule.as_str()), (true, "nurse-in-care"));
    assert_eq!((change.after.allowed, change.after.rule.as_str()), (false, "no-nurse-notes"));
    assert_eq!(run.examples.len(), 3);
    assert!(run.examples.iter().all(|example| example.action == Action::WriteRecord && !example.allowed_after));
    assert!(run.not_replayed == 0 && run.decisions > 10 && !run.cut, "{run:?}");
    // A longer look back finds the fourth one; the rules of now change nothing.
    let run = house.app.try_policies(&house.operator(), &tried, 60).await.unwrap();
    assert_eq!(run.changes.iter().map(|change| change.count).sum::<u64>(), 4);
    let run = house.app.try_policies(&house.operator(), &Site::default(), 60).await.unwrap();
    assert!(run.changes.is_empty(), "{:?}", run.changes);
    // Where a fact decides, the fact of that day counts: nobody was without care here.
    let strangers = NO_NURSE_NOTES.replace("when { principal.role == \"nurse\" }", "unless { context.in_care }");
    let run = house.app.try_policies(&house.operator(), &site("notes.cedar", &strangers), 60).await.unwrap();
    assert!(run.changes.is_empty(), "{:?}", run.changes);
    assert!(matches!(house.app.try_policies(&doctor, &tried, 30).await.err(), Some(Error::Denied(_))));
}

#[tokio::test]
async fn what_was_refused_is_tried_against_a_new_permit_as_well() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let stranger = house.staff(Role::Doctor, "other@test.example").await;
    let patient = house.patient(&doctor, "1000001").await;
    assert!(house.app.open_chart(&stranger, patient).await.is_err());
    let text = "@id(\"open-house\") @reason(\"Doctors help each other.\")\n\
        permit (principal is Staff, action == Action::\"open_chart\", resource) when { principal.role == \"doctor\" };";
    let run = house.app.try_policies(&house.operator(), &site("open.cedar", text), 1).await.unwrap();
    let [change] = run.changes.as_slice() else { panic!("{:?}", run.changes) };
    assert_eq!(
        (change.action, change.count, change.before.allowed, change.after.rule.as_str()),
        (Action::OpenChart, 1, false, "open-house")
    );
}

#[tokio::test]
async fn why_not_is_answered_from_the_care_team_and_shows_on_the_patients_own_page() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let other = house.staff(Role::Doctor, "other@test.example").await;
    let privacy = house.staff(Role::PrivacyOfficer, "privacy@test.example").await;
    let patient = house.patient(&doctor, "1000001").await;
    let ask = |who: &str, mrn: &str| Ask { who: who.to_owned(), action: "open_chart".to_owned(), mrn: mrn.to_owned(), ..Ask::default() };
    let told = house.app.explain(&privacy, &ask("other@test.example", "1000001")).await.unwrap();
    assert!(!told.told.verdict.allowed && told.person && told.patient);
    assert_eq!(told.told.flips.iter().map(|flip| flip.fact).collect::<Vec<_>>(), [Fact::InCare, Fact::Emergency]);
    let told = house.app.explain(&house.operator(), &ask("doctor@test.example", "1000001")).await.unwrap();
    assert_eq!((told.told.verdict.allowed, told.told.verdict.rule.as_str()), (true, "doctor-in-care"));
    house.app.suspend(&house.operator(), other.account_id()).await.unwrap();
    let told = house.app.explain(&privacy, &ask("other@test.example", "")).await.unwrap();
    assert_eq!(told.told.verdict.rule, "inactive-account");
    let history = house.app.access_history(&doctor, patient, None).await.unwrap().items;
    assert_eq!(history.iter().filter(|row| row.what == "log.read").count(), 2);
    for (who, mrn, field) in
        [("nobody@test.example", "", "who"), ("king", "", "who"), ("doctor", "1000001", "mrn"), ("doctor@test.example", "9999999", "mrn")]
    {
        assert_eq!(refused_field(house.app.explain(&privacy, &ask(who, mrn)).await.unwrap_err()), field, "{who} {mrn}");
    }
}

#[tokio::test]
async fn an_administrator_learns_the_same_of_a_number_that_exists_and_of_one_that_does_not() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let administrator = house.staff(Role::Administrator, "admin@test.example").await;
    house.patient(&doctor, "1000001").await;
    let mut answers = Vec::new();
    for mrn in ["1000001", "9999999", "no number"] {
        let ask = Ask { who: "doctor@test.example".to_owned(), action: "open_chart".to_owned(), mrn: mrn.to_owned(), ..Ask::default() };
        answers.push(house.app.explain(&administrator, &ask).await.unwrap_err().to_string());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(house.app.explain(&doctor, &Ask::default()).await.is_err());
}
