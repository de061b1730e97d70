//! Lists: being shown in one is a look, and the patient finds it among the others.

use wardkeep_app::patients::Search;
use wardkeep_domain::account::Role;

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
