//! Several nodes of one hospital over the same stores.

use wardkeep_app::integrity::Badge;
use wardkeep_app::requests::{Used, Wanted};
use wardkeep_app::{Ctx, Error, Visit};
use wardkeep_domain::account::Role;
use wardkeep_domain::account::password::Password;
use wardkeep_domain::date::Moment;
use wardkeep_domain::record::RecordForm;

use crate::hospital::House;

fn note(body: &str) -> RecordForm {
    RecordForm { record_type: "note".to_owned(), title: "Ward round".to_owned(), body: body.to_owned(), ..RecordForm::default() }
}

/// A visit on a machine whose clock is off.
fn skewed(house: &House, ms: i64) -> Visit {
    let visit = house.visit();
    Visit { now: Moment(visit.now.0 + ms), ..visit }
}

// ASVS 7.4.1, 7.4.2, 8.3.2
#[tokio::test]
async fn a_session_works_on_every_node_and_ends_on_every_node_with_the_next_request() {
    let house = House::new().await;
    let two = house.node("two").await;
    let token = house.sign_in(Role::Doctor, "doctor@test.example").await;
    let ctx: Ctx = two.authenticate(house.visit(), &token).await.unwrap();
    house.app.sign_out(&house.request(&token).await).await.unwrap();
    assert!(matches!(two.authenticate(house.visit(), &token).await, Err(Error::SignedOut)));
    let account = house.app.account_by_email(&house.operator(), "doctor@test.example").await.unwrap().account;
    assert_eq!(ctx.account_id(), account.id);
    let token = house.sign_in(Role::Nurse, "nurse@test.example").await;
    two.authenticate(house.visit(), &token).await.unwrap();
    let nurse = house.app.account_by_email(&house.operator(), "nurse@test.example").await.unwrap().account;
    house.app.suspend(&house.operator(), nurse.id).await.unwrap();
    assert!(matches!(two.authenticate(house.visit(), &token).await, Err(Error::SignedOut)));
}

// ASVS 6.3.1
#[tokio::test]
async fn wrong_passwords_are_counted_together_whichever_node_they_come_to() {
    let house = House::new().await;
    let two = house.node("two").await;
    house.sign_in(Role::Doctor, "doctor@test.example").await;
    let mut answers = Vec::new();
    for number in 0..7 {
        let app = if number % 2 == 0 { &house.app } else { &two };
        answers.push(app.sign_in(&house.visit(), "doctor@test.example", &Password::typed("wrong wrong wrong")).await.err().unwrap());
    }
    assert!(answers[..6].iter().all(|answer| matches!(answer, Error::WrongCredentials)), "{answers:?}");
    assert!(matches!(answers[6], Error::Throttled { .. }), "the wait that the sixth brought: {answers:?}");
}

#[tokio::test]
async fn nodes_with_clocks_an_hour_apart_see_each_others_work_and_verify() {
    let house = House::new().await;
    let two = house.node("two").await;
    let token = house.sign_in(Role::Doctor, "doctor@test.example").await;
    let doctor = house.request(&token).await;
    let patient = house.patient(&doctor, "1000001").await;
    for round in 0..4 {
        house.wait_ms(60_000);
        let here = house.request(&token).await;
        house.app.write_record(&here, patient, &note(&format!("one {round}"))).await.unwrap();
        let late = two.authenticate(skewed(&house, -3_600_000), &token).await.unwrap();
        two.write_record(&late, patient, &note(&format!("two {round}"))).await.unwrap();
        house.app.tick(&house.visit()).await.unwrap();
        two.tick(&skewed(&house, -3_600_000)).await.unwrap();
    }
    // Once more, so that each node has seen the other's last seal.
    house.app.tick(&house.visit()).await.unwrap();
    for (name, app) in [("one", &house.app), ("two", &two)] {
        let ctx = app.authenticate(house.visit(), &token).await.unwrap();
        let (_, page) = app.list_records(&ctx, patient, None).await.unwrap();
        let seen: Vec<(String, Badge)> = page.items.into_iter().map(|view| (view.record.unwrap().body, view.badge)).collect();
        let written = (0..4).rev().flat_map(|round| [format!("two {round}"), format!("one {round}")]);
        assert_eq!(seen, written.map(|body| (body, Badge::Verified)).collect::<Vec<_>>(), "node {name}");
    }
    let streams = house.records.streams().await.unwrap();
    assert_eq!(streams.iter().map(wardkeep_ledger::StreamId::as_str).collect::<Vec<_>>(), ["records.main", "records.two"]);
    for app in [&house.app, &two] {
        let report = app.verify_records(&app.operator(house.visit()), &|_, _| {}).await.unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
    }
    let states = two.log_state(&house.operator()).await.unwrap();
    assert_eq!(states.len(), 4, "every node tells of the streams of all");
}

#[tokio::test]
async fn heads_of_all_streams_stand_in_the_logs_of_all_and_idle_nodes_stop_talking() {
    let house = House::new().await;
    let two = house.node("two").await;
    let size = async || {
        let mut size = 0;
        for stream in house.records.streams().await.unwrap() {
            size += house.records.head(&stream).await.unwrap().unwrap().size;
        }
        size
    };
    let mut sizes = Vec::new();
    for _ in 0..8 {
        house.wait_ms(61_000);
        for app in [&house.app, &two] {
            app.tick(&house.visit()).await.unwrap();
        }
        sizes.push(size().await);
    }
    assert!(sizes[0] > 2, "the first exchange names the other streams: {sizes:?}");
    assert_eq!(sizes[6], sizes[7], "heads that grew by such notes alone are not noted again: {sizes:?}");
}

#[tokio::test]
async fn a_key_that_one_node_shredded_is_forgotten_by_the_others_with_the_next_tick() {
    let house = House::new().await;
    let token = house.sign_in(Role::Doctor, "doctor@test.example").await;
    let doctor = house.request(&token).await;
    let (gone, kept) = (house.patient(&doctor, "1000001").await, house.patient(&doctor, "1000002").await);
    house.app.tick(&house.visit()).await.unwrap();
    house.app.open_chart(&doctor, gone).await.unwrap();
    house.shred_key(gone).await;
    house.app.open_chart(&doctor, gone).await.expect("opened keys are remembered for a while");
    house.app.tick(&house.visit()).await.unwrap();
    assert!(matches!(house.app.open_chart(&doctor, gone).await, Err(Error::NotFound)));
    house.app.open_chart(&doctor, kept).await.unwrap();
}

#[tokio::test]
async fn a_patient_erased_on_one_node_is_gone_on_the_other_with_the_next_request() {
    let house = House::new().await;
    let two = house.node("two").await;
    let token = house.sign_in(Role::Doctor, "doctor@test.example").await;
    let doctor = house.request(&token).await;
    let (patient, other) = (house.patient(&doctor, "1000001").await, house.patient(&doctor, "1000002").await);
    // Its key is open in the memory of both.
    let there = two.authenticate(house.visit(), &token).await.unwrap();
    two.write_record(&there, patient, &note("Before")).await.unwrap();
    let listed = |page: wardkeep_app::accounts::Page<wardkeep_app::patients::PatientRow>| {
        page.items.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(two.care_list(&there, None, None).await.unwrap()).len(), 2);
    let registrar = house.staff(Role::Registrar, "registrar@test.example").await;
    let privacy = house.staff(Role::PrivacyOfficer, "privacy@test.example").await;
    let reason = "The patient asked for it in writing.";
    let request = house.app.ask_approval(&registrar, &Wanted::ErasePatient { patient }, reason).await.unwrap();
    house.app.approve_request(&privacy, request).await.unwrap();
    assert!(matches!(house.app.use_request(&registrar, request).await.unwrap(), Used::PatientErased));
    // No tick of the other node in between.
    assert!(matches!(two.open_chart(&there, patient).await.err(), Some(Error::NotFound)));
    assert!(matches!(two.write_record(&there, patient, &note("After")).await, Err(Error::NotFound)));
    assert_eq!(listed(two.care_list(&there, None, None).await.unwrap()), [other]);
    two.tick(&house.visit()).await.unwrap();
    let report = two.verify_records(&house.operator(), &|_, _| {}).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}
