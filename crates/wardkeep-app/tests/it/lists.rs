//! Lists: being shown in one is a look, and the patient finds it among the others.

use wardkeep_app::Error;
use wardkeep_app::integrity::Badge;
use wardkeep_app::patients::Search;
use wardkeep_domain::account::Role;
use wardkeep_ledger::VerifyingKey;
use wardkeep_ledger::publish::verify_proof_file;

use crate::hospital::House;

#[tokio::test]
async fn whoever_was_shown_in_a_list_finds_it_among_who_looked() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let registrar = house.staff(Role::Registrar, "desk@test.example").await;
    let (found, other) = (house.patient(&doctor, "1000001").await, house.patient(&doctor, "1000002").await);
    let search = Search { mrn: "1000001".to_owned(), ..Search::default() };
    let page = house.app.search_patients(&registrar, &search, None).await.unwrap();
    assert_eq!(page.items.iter().map(|row| row.id).collect::<Vec<_>>(), [found]);
    let looks = async |patient| {
        let history = house.app.access_history(&doctor, patient, None).await.unwrap().items;
        history.into_iter().filter(|row| row.what == "search.run").map(|row| row.role).collect::<Vec<_>>()
    };
    assert_eq!(looks(found).await, ["Registrar"]);
    assert!(looks(other).await.is_empty());
    let report = house.app.verify_records(&house.operator(), &|_, _| {}).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

#[tokio::test]
async fn a_patient_whose_key_was_damaged_is_marked_and_the_others_are_found() {
    let house = House::new().await;
    let token = house.sign_in(Role::Doctor, "doctor@test.example").await;
    let doctor = house.request(&token).await;
    let (whole, damaged) = (house.patient(&doctor, "1000001").await, house.patient(&doctor, "1000002").await);
    house.damage_key(damaged).await;
    // Opened keys are remembered for a minute.
    house.wait_ms(61_000);
    let doctor = house.request(&token).await;
    let search = Search { name: "okafor".to_owned(), ..Search::default() };
    let rows = house.app.search_patients(&doctor, &search, None).await.unwrap().items;
    let badges: Vec<_> = rows.iter().map(|row| (row.id, row.badge == Badge::CheckFailed, row.patient.name.is_none())).collect();
    assert_eq!(badges, [(damaged, true, true), (whole, false, false)]);
    let opened = house.app.open_chart(&doctor, damaged).await.err();
    assert!(matches!(opened, Some(Error::Integrity)), "{opened:?}");
    assert!(!house.app.alarms(&house.operator()).await.unwrap().is_empty());
    let report = house.app.verify_records(&house.operator(), &|_, _| {}).await.unwrap();
    assert!(report.findings.iter().any(|finding| finding.code == "key-missing"), "{:?}", report.findings);
}

#[tokio::test]
async fn the_proof_of_an_entry_is_given_to_the_patient_it_is_about_and_stands_alone() {
    let house = House::new().await;
    let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
    let (patient, other) = (house.patient(&doctor, "1000001").await, house.patient(&doctor, "1000002").await);
    let event = house.app.access_history(&doctor, patient, None).await.unwrap().items.last().unwrap().event;
    assert!(matches!(house.app.proof_for_patient(&doctor, patient, event).await, Err(Error::Refused(_))), "no seal yet");
    house.app.tick(&house.visit()).await.unwrap();
    let proof = house.app.proof_for_patient(&doctor, patient, event).await.unwrap();
    let (_, leaf, _) = verify_proof_file(&proof, &VerifyingKey::parse(&house.app.log_key()).unwrap()).unwrap();
    assert_eq!(leaf.event.0, event);
    assert!(matches!(house.app.proof_for_patient(&doctor, other, event).await, Err(Error::NotFound)));
    let taken = house.app.access_history(&doctor, patient, None).await.unwrap().items;
    assert!(taken.iter().filter(|row| row.what == "access-history.read").count() >= 3, "taking a proof is an event");
}
