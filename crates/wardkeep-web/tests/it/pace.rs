//! Too fast for a person: told to wait, told of once, and an alarm when it is a sweep.

use wardkeep_app::audit::LogFilter;
use wardkeep_app::pace::{CHARTS_PER_MINUTE, Limits, Rate};
use wardkeep_domain::account::Role;
use wardkeep_ledger::Outcome;

use crate::site::Site;

/// For tests that send more than anybody would.
pub const HURRY: Limits = {
    let rate = Rate { per_minute: 1_000_000, burst: 1_000_000 };
    Limits { charts: rate, searches: rate, exports: rate }
};

async fn refusals(site: &Site) -> Vec<String> {
    let privacy = site.ctx(site.person(Role::PrivacyOfficer)).await;
    let filter = LogFilter { outcome: Some(Outcome::Denied), ..LogFilter::default() };
    let log = site.app.read_log(&privacy, &filter, None).await.unwrap();
    log.rows.iter().map(|row| row.event.actor.rule.clone().unwrap_or_default()).collect()
}

#[tokio::test]
async fn somebody_who_opens_charts_faster_than_anyone_reads_waits_and_is_told_of_once() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor);
    let chart = format!("/patients/{}/records", site.near);
    for number in 0..CHARTS_PER_MINUTE * 2 {
        assert_eq!(site.get(Some(doctor), &chart).await.status, 200, "{number}");
    }
    for _ in 0..5 {
        let answer = site.get(Some(doctor), &chart).await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.header("retry-after"), "1");
        assert!(!answer.text().contains(crate::site::NEAR_FAMILY));
    }
    assert_eq!(refusals(&site).await, ["too-fast"]);
    assert_eq!(site.get(Some(site.person(Role::Nurse)), &chart).await.status, 200, "another person is not slowed down");
    assert_eq!(site.get(Some(doctor), "/security").await.status, 200, "nor is other work");
    site.pass_ms(600);
    assert_eq!(site.get(Some(doctor), &chart).await.status, 200, "one token flowed in");
}

#[tokio::test]
async fn searches_and_exports_have_buckets_of_their_own() {
    let site = Site::open().await;
    let (doctor, privacy) = (site.person(Role::Doctor), site.person(Role::PrivacyOfficer));
    let mut statuses = Vec::new();
    for _ in 0..121 {
        statuses.push(site.post(doctor, "/patients", &[("name", "zanzi")]).await.status.as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 120);
    assert_eq!(statuses.last(), Some(&429));
    let mut statuses = Vec::new();
    for _ in 0..13 {
        statuses.push(site.post(privacy, "/log/export", &[]).await.status.as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 12);
    assert_eq!(statuses.last(), Some(&429));
}

#[tokio::test]
async fn five_hundred_charts_a_minute_raise_one_alarm_on_the_administrators_page() {
    let site = Site::open().await;
    let (doctor, administrator) = (site.person(Role::Doctor), site.person(Role::Administrator));
    let chart = format!("/patients/{}/records", site.near);
    for _ in 0..520 {
        site.get(Some(doctor), &chart).await;
    }
    let page = site.get(Some(administrator), "/").await.text();
    assert_eq!(page.matches("asked for 500 charts within a minute").count(), 1);
    assert!(page.contains("Staffname Doctor (Doctor)"), "the alarm says who");
    assert!(!page.contains(crate::site::NEAR_FAMILY) && !page.contains(crate::site::NEAR_MRN));
    assert!(site.get(Some(administrator), "/health").await.text().contains("Other alarms"));
    let mut rules = refusals(&site).await;
    rules.sort();
    assert_eq!(rules, ["many-charts", "too-fast"], "one event each, not one per request");
}
