//! No log, no answer: the API, whoever calls. The pages' half is in `input.rs`, beside what becomes
//! of a form that could not be saved.

use wardkeep_web::routes::{Guard, Route};

use crate::samples::{routes, sample};
use crate::site::{Answer, FAR_FAMILY, FAR_MRN, NEAR_FAMILY, NEAR_MRN, Site};

/// Shows nothing of any patient and changes nothing, so it needs no line in the log.
const UNLOGGED: &[&str] = &["GET /api/v1/me", "GET /api/v1/me/sessions", "GET /api/v1/health"];

/// What each role is answered on every route of the API that wants a session, after `what` broke.
async fn answers(broken: impl Fn(&Site)) -> Vec<(Route, Vec<Answer>)> {
    let site = Site::open().await;
    site.app.set_pace(crate::pace::HURRY);
    let mut calls = Vec::new();
    for route in routes().into_iter().filter(|route| route.path.starts_with("/api/") && matches!(route.guard, Guard::Signed(_))) {
        let mut requests = Vec::new();
        for person in &site.people {
            requests.push(sample(&site, &route, Some(person), Some(&person.token), site.near, 1).await);
        }
        calls.push((route, requests));
    }
    broken(&site);
    let mut answered = Vec::new();
    for (route, requests) in calls {
        let mut answers = Vec::new();
        for request in requests {
            answers.push(site.raw(request).await);
        }
        answered.push((route, answers));
    }
    answered
}

fn assert_private(route: &Route, answer: &Answer) {
    let text = answer.text();
    for canary in [NEAR_FAMILY, FAR_FAMILY, NEAR_MRN, FAR_MRN, "Canary", "Comfortable"] {
        assert!(!text.contains(canary), "{canary} in {} {}", route.method, route.path);
    }
}

#[tokio::test]
async fn when_neither_log_can_be_written_the_api_does_nothing_and_shows_nothing_to_anybody() {
    let (mut open, mut reached) = (Vec::new(), 0);
    let broken = |site: &Site| [&site.control, &site.records].into_iter().for_each(|store| store.break_writes());
    for (route, answers) in answers(broken).await {
        let what = format!("{} {}", route.method, route.path);
        for answer in &answers {
            assert_private(&route, answer);
            match answer.status.as_u16() {
                503 => assert_eq!(answer.header("retry-after"), "5", "{what}"),
                status if status < 400 => open.push(what.clone()),
                // Refused before there was anything to log: a wrong field, a call that is too soon.
                status => assert!(matches!(status, 404 | 409 | 422 | 429), "{what}: {status}"),
            }
        }
        reached += usize::from(answers.iter().any(|answer| answer.status == 503));
    }
    open.retain(|what| !UNLOGGED.contains(&what.as_str()));
    assert!(open.is_empty(), "answered without a log: {open:?}");
    assert!(reached > 35, "only {reached} routes got as far as the log");
}

#[tokio::test]
async fn when_the_records_log_cannot_be_written_no_patient_shows_in_any_answer_of_the_api() {
    for (route, answers) in answers(|site| site.records.break_writes()).await {
        answers.iter().for_each(|answer| assert_private(&route, answer));
    }
}
