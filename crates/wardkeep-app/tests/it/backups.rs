//! What the hospital says of its backups.

use wardkeep_app::backups::Noted;
use wardkeep_app::posture::{Health, Line};
use wardkeep_domain::date::Moment;

use crate::hospital::House;

const HOUR_MS: i64 = 60 * 60 * 1000;

async fn line(house: &House) -> Line {
    let lines = house.app.posture(&house.operator()).await.unwrap();
    lines.into_iter().find(|line| line.what == "Backups").unwrap()
}

#[tokio::test]
async fn each_backup_is_noted_once_and_its_age_is_told_until_it_is_too_old() {
    let house = House::new().await;
    let app = &house.app;
    assert_eq!(line(&house).await.health, Health::Warning);
    assert!(!app.backup_is_due(None, house.visit().now), "nobody asked for any");
    app.expect_backups(Some(6));
    assert!(line(&house).await.words.contains("yet") && app.backup_is_due(None, house.visit().now));
    let made =
        |number: u8, at: Moment| Noted { id: format!("20261125T000000Z-0000000{number}"), made_at: at, digest: format!("{number:064}") };
    let first = made(1, house.visit().now);
    assert!(app.note_backup(&house.visit(), &first).await.unwrap());
    assert!(!app.note_backup(&house.visit(), &first).await.unwrap(), "once");
    assert_eq!(line(&house).await.health, Health::Ok);
    for (later, due, health, words) in
        [(5, false, Health::Ok, "5 hours ago"), (1, true, Health::Ok, "6 hours ago"), (7, true, Health::Failing, "13 hours ago")]
    {
        house.wait_ms(later * HOUR_MS);
        assert_eq!(app.backup_is_due(Some(first.made_at), house.visit().now), due, "{words}");
        let line = line(&house).await;
        assert!(line.health == health && line.words.contains(words), "{words}: {line:?}");
    }
    assert!(app.note_backup(&house.visit(), &made(2, house.visit().now)).await.unwrap());
    assert!(line(&house).await.words.contains("less than an hour ago"));
    app.expect_backups(None);
    assert!(line(&house).await.words.contains("None are scheduled"));
}
