//! What a stranger could tell apart: the same status, the same headers and the same bytes whether
//! an account exists or not, and whatever its state. Only the number of the request differs, and
//! what was typed; so names of one length are typed, and lengths are compared before anything is
//! taken out. How long the answers take is measured by `wardkeep-bench sign-in-timing`.

use axum::body::Body;
use http::header;
use wardkeep_domain::account::Role;

use crate::site::{Answer, PASSWORD, Site, post, request};

const WRONG: &str = "wrong wrong wrong wrong ab";

/// What was sent, by what it is: names and passwords of one length.
async fn cases(site: &Site) -> Vec<(&'static str, &'static str, &'static str)> {
    let suspended = site.join(Role::Nurse, "asleep@site.example").await;
    site.app.suspend(&site.operator(), suspended.id).await.unwrap();
    site.app.invite(&site.operator(), "coming@site.example", "Coming Nurse", "nurse").await.unwrap();
    let never_came = site.app.invite(&site.operator(), "absent@site.example", "Absent Nurse", "nurse").await.unwrap().0;
    site.app.suspend(&site.operator(), never_came).await.unwrap();
    site.join(Role::Nurse, "factor@site.example").await;
    vec![
        ("unknown", "nobody@site.example", WRONG),
        ("unknown, the password of somebody else", "nobody@site.example", PASSWORD),
        ("no address", "no address at all!!", WRONG),
        ("wrong password, doctor", "doctor@site.example", WRONG),
        ("wrong password, nurse", "factor@site.example", WRONG),
        ("suspended, right password", "asleep@site.example", PASSWORD),
        ("suspended, wrong password", "asleep@site.example", WRONG),
        ("invited", "coming@site.example", PASSWORD),
        ("suspended before it was ever used", "absent@site.example", PASSWORD),
    ]
}

/// Everything that came back, with the request's number and the typed name taken out.
fn bytes(answer: &Answer, email: &str) -> (u16, Vec<String>, String) {
    let id = answer.header("x-request-id");
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
    let headers = answer.headers.iter().map(line).map(|line| line.replace(id, "ID")).collect();
    (answer.status.as_u16(), headers, answer.text().replace(id, "ID").replace(email, "EMAIL"))
}

/// All of them are one answer.
fn are_one(answers: &[(&str, &str, Answer)]) {
    let [(first, email, wanted), ..] = answers else { panic!("nothing to compare") };
    for (what, typed, answer) in answers {
        assert_eq!(answer.body.len(), wanted.body.len(), "length: {what} and {first}");
        assert_eq!(bytes(answer, typed), bytes(wanted, email), "{what} and {first}");
    }
}

// ASVS 6.3.8
#[tokio::test]
async fn the_password_step_gives_the_same_bytes_whoever_it_is() {
    let site = Site::open().await;
    assert_eq!(WRONG.len(), PASSWORD.len());
    let mut answers = Vec::new();
    for (what, email, password) in cases(&site).await {
        let answer = site.knock("/sign-in", &[("email", email), ("password", password)]).await;
        assert_eq!(answer.status, 401, "{what}");
        answers.push((what, email, answer));
    }
    are_one(&answers);
}

// ASVS 6.3.8
#[tokio::test]
async fn the_password_step_of_the_api_gives_the_same_bytes_whoever_it_is() {
    let site = Site::open().await;
    let mut answers = Vec::new();
    for (what, email, password) in cases(&site).await {
        let body = serde_json::json!({"email": email, "password": password}).to_string();
        let call = request("POST", None, "/api/v1/sign-in").header("x-wardkeep", "1").header(header::CONTENT_TYPE, "application/json");
        let answer = site.raw(call.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.status, 401, "{what}");
        answers.push((what, email, answer));
    }
    are_one(&answers);
}

// ASVS 6.3.8
#[tokio::test]
async fn a_name_that_has_to_wait_gives_the_same_bytes_whoever_it_is() {
    let site = Site::open().await;
    let mut answers = Vec::new();
    let mut cases = cases(&site).await;
    cases.dedup_by_key(|(_, email, _)| *email);
    for (what, email, _) in cases {
        // Each from an address of its own: the address must not be what waits.
        let mut last = None;
        for _ in 0..7 {
            let answer = from(&site, email, answers.len()).await;
            last = Some(answer);
        }
        let answer = last.unwrap();
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "1"), "{what}");
        answers.push((what, email, answer));
        site.pass_ms(24 * 60 * 60 * 1000);
    }
    are_one(&answers);
}

/// A wrong password from one of many addresses.
async fn from(site: &Site, email: &str, number: usize) -> Answer {
    let mut request = post(None, "/sign-in", &[("email", email), ("password", WRONG)]);
    let address = std::net::SocketAddr::from(([192, 0, 2, u8::try_from(number).unwrap()], 4000));
    request.extensions_mut().insert(axum::extract::ConnectInfo(address));
    site.raw(request).await
}

// ASVS 6.3.8
#[tokio::test]
async fn opening_an_account_gives_the_same_bytes_whether_the_address_is_taken_or_not() {
    let site = Site::open().await;
    let mut answers = Vec::new();
    for (what, email) in [("new", "newone@site.example"), ("taken", "doctor@site.example"), ("taken just now", "newone@site.example")] {
        let fields = [("email", email), ("display_name", "Pat Newcomer"), ("password", PASSWORD), ("password_again", PASSWORD)];
        answers.push((what, email, site.knock("/register", &fields).await));
    }
    assert_eq!(answers[0].2.status, 303);
    are_one(&answers);
    assert_eq!(
        site.knock("/sign-in", &[("email", "doctor@site.example"), ("password", PASSWORD)]).await.status,
        303,
        "nothing was taken over"
    );
}

// ASVS 6.3.8
#[tokio::test]
async fn a_link_that_does_not_work_gives_the_same_bytes_whatever_it_was() {
    let site = Site::open().await;
    let invite = async |email: &str| site.app.invite(&site.operator(), email, "New Nurse", "nurse").await.unwrap().1;
    let (used, late) = (invite("one@site.example").await, invite("two@site.example").await);
    let account = [("email", ""), ("display_name", ""), ("password", PASSWORD), ("password_again", PASSWORD)];
    assert_eq!(site.knock(&format!("/invitation/{used}"), &account).await.status, 303);
    site.pass_ms(wardkeep_app::accounts::INVITATION_MS_MAX);
    let mut answers = Vec::new();
    for (what, token) in [("used", used.as_str()), ("late", &late), ("unknown", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")] {
        answers.push((what, what, site.get(None, &format!("/invitation/{token}")).await));
    }
    assert_eq!(answers[0].2.status, 404);
    are_one(&answers);
}
