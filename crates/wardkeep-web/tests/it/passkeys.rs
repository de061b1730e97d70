//! Passkeys through the pages, with a made device: alone they sign in; they confirm; what is wrong
//! with one is told to nobody but the log; a copy is found out; something to sign in with stays.

use http::header;
use wardkeep_app::audit::LogFilter;
use wardkeep_domain::account::Role;
use wardkeep_domain::account::session::{PENDING_MS_MAX, SESSION_COUNT_MAX, STEP_UP_MS_MAX};
use wardkeep_ledger::Class;
use wardkeep_web::Settings;

use crate::passkey_device::Device;
use crate::site::{Answer, ORIGIN, PASSWORD, Person, Site, get, post, totp};

fn with_ticket(mut request: http::Request<axum::body::Body>, ticket: &str) -> http::Request<axum::body::Body> {
    request.headers_mut().append(header::COOKIE, format!("wardkeep-passkey={ticket}").parse().unwrap());
    request
}

/// A question with its ticket.
struct Asked {
    options: String,
    ticket: String,
}

async fn ask(site: &Site, who: Option<&Person>, path: &str) -> Asked {
    let answer = site.get(who, path).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"), "{}", answer.text());
    Asked { options: answer.text(), ticket: answer.cookie("wardkeep-passkey").unwrap() }
}

async fn reply(site: &Site, who: Option<&Person>, path: &str, ticket: &str, fields: &[(&str, &str)]) -> Answer {
    let csrf = who.map(|person| ("csrf", person.csrf.as_str()));
    let fields: Vec<(&str, &str)> = csrf.into_iter().chain(fields.iter().copied()).collect();
    site.raw(with_ticket(post(who.map(|person| person.token.as_str()), path, &fields), ticket)).await
}

async fn add(site: &Site, who: &Person, device: &mut Device, name: &str) -> Answer {
    let asked = ask(site, Some(who), "/security/passkeys/new").await;
    let made = device.create(&asked.options);
    reply(site, Some(who), "/security/passkeys/new", &asked.ticket, &[("name", name), ("answer", &made)]).await
}

/// A doctor with a passkey, who has been told of it.
async fn doctor_with_passkey(site: &Site) -> (Person, Device) {
    let doctor = site.person(Role::Doctor).clone();
    let mut device = Device::new(1, ORIGIN);
    assert_eq!(add(site, &doctor, &mut device, "Moreau tablet").await.header("location"), "/security");
    let told = sign_in(site, &mut device).await;
    assert!(told.text().contains("The passkey “Moreau tablet” was set up on"), "{}", told.text());
    assert_eq!(site.post(&person(site, &doctor, &told).await, "/sign-out", &[]).await.header("location"), "/sign-in");
    (doctor, device)
}

async fn sign_in(site: &Site, device: &mut Device) -> Answer {
    let asked = ask(site, None, "/sign-in/passkey").await;
    let answer = device.get(&asked.options);
    reply(site, None, "/sign-in/passkey", &asked.ticket, &[("answer", &answer)]).await
}

/// The same person in the session that this answer began.
async fn person(site: &Site, person: &Person, answer: &Answer) -> Person {
    let token = answer.cookie("wardkeep-session").unwrap();
    let ctx = site.app.authenticate(site.visit(), &token).await.unwrap();
    Person { token, csrf: ctx.form_token().to_owned(), ..person.clone() }
}

/// What the log says of sign-ins, factors and sessions, as a privacy officer reads it.
async fn log(site: &Site) -> String {
    let privacy = site.sign_in_again(site.person(Role::PrivacyOfficer)).await;
    let privacy = site.ctx(&privacy).await;
    let mut lines = Vec::new();
    for class in [Class::SignIn, Class::FactorChanged, Class::SessionRevoked] {
        let filter = LogFilter { class: Some(class), ..LogFilter::default() };
        let mut after = None;
        loop {
            let page = site.app.read_log(&privacy, &filter, after).await.unwrap();
            let details = page.rows.iter().filter_map(|row| row.event.about()).flat_map(|about| &about.detail);
            lines.extend(details.map(|(key, value)| format!("{key}: {value}")));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    lines.join("\n")
}

/// What every refused sign-in looks like to who tries.
fn refused(answer: &Answer, what: &str) -> String {
    assert_eq!((answer.status.as_u16(), answer.cookie("wardkeep-session")), (401, None), "{what}");
    answer.text().replace(answer.header("x-request-id"), "ID")
}

#[tokio::test]
async fn a_passkey_with_a_name_is_listed_and_signs_in_alone() {
    let site = Site::open().await;
    let (doctor, mut device) = doctor_with_passkey(&site).await;
    let mut second = Device::new(2, ORIGIN);
    add(&site, &doctor, &mut second, "Blue key").await;
    let page = site.get(Some(&doctor), "/security").await.text();
    assert!(page.contains("Moreau tablet") && page.contains("Blue key") && page.contains("2 set up"));
    assert!(sign_in(&site, &mut device).await.text().contains("The passkey “Blue key” was set up"));
    let signed = sign_in(&site, &mut device).await;
    assert_eq!((signed.status.as_u16(), signed.header("location")), (303, "/"));
    assert_eq!(signed.cookie("wardkeep-passkey").as_deref(), Some(""), "the question goes");
    let again = person(&site, &doctor, &signed).await;
    assert_eq!(site.get(Some(&again), "/security").await.status, 200);
    assert!(site.ctx(&again).await.is_fresh(), "a passkey is both factors, just now");
    sign_in(&site, &mut second).await.cookie("wardkeep-session").unwrap();
    let log = log(&site).await;
    for line in ["passkey: Moreau tablet", "change: added", "step: passkey"] {
        assert!(log.contains(line), "{line} in {log}");
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_passkey_the_answer_is_the_same() {
    let site = Site::open().await;
    let (doctor, mut device) = doctor_with_passkey(&site).await;
    let mut answers = Vec::new();
    answers.push(refused(&sign_in(&site, &mut Device { user: device.user.clone(), ..Device::new(9, ORIGIN) }).await, "unknown passkey"));
    answers.push(refused(&sign_in(&site, &mut Device { user: vec![7; 16], ..Device::new(9, ORIGIN) }).await, "unknown account"));
    answers.push(refused(&sign_in(&site, &mut Device { user: Vec::new(), ..Device::new(9, ORIGIN) }).await, "nobody's"));
    answers.push(refused(&sign_in(&site, &mut device.pretender()).await, "another key"));
    let asked = ask(&site, None, "/sign-in/passkey").await;
    answers.push(refused(&reply(&site, None, "/sign-in/passkey", &asked.ticket, &[("answer", "{}")]).await, "no answer"));
    device.verifies = false;
    answers.push(refused(&sign_in(&site, &mut device).await, "person not checked"));
    device.verifies = true;
    for origin in ["http://localhost:8081", "https://localhost:8080", "http://localhost.evil.example:8080", "http://127.0.0.1:8080"] {
        origin.clone_into(&mut device.origin);
        answers.push(refused(&sign_in(&site, &mut device).await, origin));
        site.pass_ms(16_000);
    }
    ORIGIN.clone_into(&mut device.origin);
    let other = ask(&site, None, "/sign-in/passkey").await;
    let asked = ask(&site, None, "/sign-in/passkey").await;
    let answer = device.get(&other.options);
    answers.push(refused(&reply(&site, None, "/sign-in/passkey", &asked.ticket, &[("answer", &answer)]).await, "another challenge"));
    site.pass_ms(16_000);
    site.app.suspend(&site.operator(), doctor.id).await.unwrap();
    answers.push(refused(&sign_in(&site, &mut device).await, "suspended"));
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    let log = log(&site).await;
    for reason in ["unknown passkey", "wrong answer of the passkey", "person not checked by the passkey", "account not active"] {
        assert!(log.contains(&format!("reason: {reason}")), "{reason}");
    }
}

// ASVS 6.7.2
#[tokio::test]
async fn a_question_is_answered_once_soon_and_by_the_browser_that_asked() {
    let site = Site::open().await;
    let (doctor, mut device) = doctor_with_passkey(&site).await;
    let asked = ask(&site, None, "/sign-in/passkey").await;
    let answer = device.get(&asked.options);
    let elsewhere = ask(&site, None, "/sign-in/passkey").await.ticket;
    for (ticket, status) in [("", 409), ("AAAA", 409), (elsewhere.as_str(), 401)] {
        assert_eq!(reply(&site, None, "/sign-in/passkey", ticket, &[("answer", &answer)]).await.status, status, "{ticket}");
    }
    assert_eq!(reply(&site, None, "/sign-in/passkey", &asked.ticket, &[("answer", &answer)]).await.status, 303);
    assert_eq!(reply(&site, None, "/sign-in/passkey", &asked.ticket, &[("answer", &answer)]).await.status, 409, "twice");
    // A question is used up by a wrong answer too.
    let asked = ask(&site, None, "/sign-in/passkey").await;
    let wrong = device.pretender().get(&asked.options);
    assert_eq!(reply(&site, None, "/sign-in/passkey", &asked.ticket, &[("answer", &wrong)]).await.status, 401);
    let right = device.get(&asked.options);
    assert_eq!(reply(&site, None, "/sign-in/passkey", &asked.ticket, &[("answer", &right)]).await.status, 409);
    // Those of a session are that session's.
    let asked = ask(&site, Some(&doctor), "/security/confirm/passkey").await;
    let answer = device.get(&asked.options);
    assert_eq!(reply(&site, None, "/sign-in/passkey", &asked.ticket, &[("answer", &answer)]).await.status, 409);
    let nurse = site.person(Role::Nurse);
    let fields = [("answer", answer.as_str()), ("next", "/")];
    assert_eq!(reply(&site, Some(nurse), "/security/confirm/passkey", &asked.ticket, &fields).await.status, 422);
    let asked = ask(&site, None, "/sign-in/passkey").await;
    site.pass_ms(PENDING_MS_MAX);
    let answer = device.get(&asked.options);
    assert_eq!(reply(&site, None, "/sign-in/passkey", &asked.ticket, &[("answer", &answer)]).await.status, 409, "too late");
}

#[tokio::test]
async fn a_counter_that_went_back_takes_the_passkey_out_of_use_and_its_owner_is_told() {
    let site = Site::open().await;
    let (doctor, mut device) = doctor_with_passkey(&site).await;
    let copied_at = device.counter;
    sign_in(&site, &mut device).await.cookie("wardkeep-session").unwrap();
    sign_in(&site, &mut device).await.cookie("wardkeep-session").unwrap();
    let newest = std::mem::replace(&mut device.counter, copied_at);
    refused(&sign_in(&site, &mut device).await, "the copy");
    device.counter = newest;
    refused(&sign_in(&site, &mut device).await, "and now the first one too");
    let page = site.get(Some(&doctor), "/security").await.text();
    assert!(page.contains("Not accepted"));
    // Next sign-in by another way tells.
    site.pass_ms(60_000);
    let answer = site.knock("/sign-in", &[("email", &doctor.email), ("password", PASSWORD)]).await;
    let code = site.app.demo_code(&site.visit(), &doctor.email).await.unwrap();
    let mut request = post(None, "/sign-in/code", &[("code", &code)]);
    let cookie = format!("wardkeep-sign-in={}", answer.cookie("wardkeep-sign-in").unwrap());
    request.headers_mut().append(header::COOKIE, cookie.parse().unwrap());
    let told = site.raw(request).await;
    assert!(told.text().contains("Your passkey “Moreau tablet” was used in a way that only a copy of it explains"), "{}", told.text());
    let again = person(&site, &doctor, &told).await;
    let id = page.split("/security/passkeys/").find_map(|rest| rest.split_once("/remove")).unwrap().0.to_owned();
    assert_eq!(site.post(&again, &format!("/security/passkeys/{id}/remove"), &[]).await.header("location"), "/security");
    assert!(!site.get(Some(&again), "/security").await.text().contains("Not accepted"));
    refused(&sign_in(&site, &mut device).await, "removed");
    assert!(log(&site).await.contains("reason: signature counter went back"));
}

#[tokio::test]
async fn a_passkey_confirms_and_a_copy_is_told_at_once() {
    let site = Site::open().await;
    let (doctor, mut device) = doctor_with_passkey(&site).await;
    site.pass_ms(STEP_UP_MS_MAX);
    let unconfirmed = site.post(&doctor, "/security/recovery-codes", &[]).await;
    assert_eq!(unconfirmed.header("location"), "/security/confirm?next=/security");
    assert!(site.get(Some(&doctor), "/security/confirm").await.text().contains("Confirm with a passkey"));
    let confirm = async |device: &mut Device, who: &Person| {
        let asked = ask(&site, Some(who), "/security/confirm/passkey").await;
        let answer = device.get(&asked.options);
        reply(&site, Some(who), "/security/confirm/passkey", &asked.ticket, &[("answer", &answer), ("next", "/log")]).await
    };
    let mut foreign = device.pretender();
    let wrong = confirm(&mut foreign, &doctor).await;
    assert_eq!((wrong.status.as_u16(), wrong.text().contains("This passkey was not accepted")), (422, true));
    let done = confirm(&mut device, &doctor).await;
    assert_eq!(done.header("location"), "/log");
    let fresh = person(&site, &doctor, &done).await;
    assert_ne!(fresh.token, doctor.token);
    assert_eq!(site.get(Some(&doctor), "/security").await.header("location"), "/sign-in", "the old token opens nothing");
    assert_eq!(site.post(&fresh, "/security/recovery-codes", &[]).await.status, 200);
    device.counter = 0;
    let told = confirm(&mut device, &fresh).await;
    assert!(told.text().contains("only a copy of it explains"), "{}", told.text());
    assert_eq!(site.get(Some(&fresh), "/security/confirm/passkey").await.status, 409, "none is left to ask for");
}

#[tokio::test]
async fn something_to_sign_in_with_always_stays() {
    let site = Site::open().await;
    let (doctor, mut device) = doctor_with_passkey(&site).await;
    assert_eq!(site.post(&doctor, "/security/authenticator/remove", &[]).await.header("location"), "/security");
    let page = site.get(Some(&doctor), "/security").await.text();
    assert!(page.contains("Set up an authenticator app"));
    let id = page.split("/security/passkeys/").find_map(|rest| rest.split_once("/remove")).unwrap().0.to_owned();
    let kept = site.post(&doctor, &format!("/security/passkeys/{id}/remove"), &[]).await;
    assert_eq!((kept.status.as_u16(), kept.text().contains("This is the last way to sign in")), (409, true));
    // The password leads to the passkey and not to setting up something new.
    let pending = site.knock("/sign-in", &[("email", &doctor.email), ("password", PASSWORD)]).await;
    assert_eq!(pending.header("location"), "/sign-in/code");
    let cookie = format!("wardkeep-sign-in={}", pending.cookie("wardkeep-sign-in").unwrap());
    for (path, status) in [("/sign-in/code", 200), ("/sign-in/recovery", 200), ("/sign-in/enrol", 409), ("/sign-in/enrol/passkey", 409)] {
        let mut request = get(None, path);
        request.headers_mut().append(header::COOKIE, cookie.parse().unwrap());
        assert_eq!(site.raw(request).await.status, status, "{path}");
    }
    sign_in(&site, &mut device).await.cookie("wardkeep-session").unwrap();
    // With an app beside it the passkey may go.
    let page = site.get(Some(&doctor), "/security/authenticator").await.text();
    let ticket = page.split("name=\"ticket\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let key = page.split("id=\"totp-key\"><b>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let wrong = site.post(&doctor, "/security/authenticator", &[("ticket", &ticket), ("code", "000000")]).await;
    assert_eq!((wrong.status.as_u16(), wrong.text().contains(&key)), (422, true), "the same key again");
    let code = totp(&key, site.visit().now);
    let fields = [("ticket", ticket.as_str()), ("code", code.as_str())];
    assert_eq!(site.post(&doctor, "/security/authenticator", &fields).await.header("location"), "/security");
    assert_eq!(site.post(&doctor, "/security/authenticator", &fields).await.status, 409, "one app, and each ticket once");
    assert_eq!(site.post(&doctor, &format!("/security/passkeys/{id}/remove"), &[]).await.header("location"), "/security");
}

// ASVS 6.5.7
#[tokio::test]
async fn adding_and_removing_want_a_fresh_factor_a_name_and_a_device_that_checks() {
    let site = Site::open().await;
    let (doctor, mut device) = doctor_with_passkey(&site).await;
    let asked = ask(&site, Some(&doctor), "/security/passkeys/new").await;
    assert!(asked.options.contains("\"residentKey\":\"required\"") && asked.options.contains("\"userVerification\":\"required\""));
    let again = device.create(&asked.options);
    let twice = reply(&site, Some(&doctor), "/security/passkeys/new", &asked.ticket, &[("name", "Again"), ("answer", &again)]).await;
    assert_eq!(twice.status, 422, "the same passkey");
    let mut careless = Device { verifies: false, ..Device::new(3, ORIGIN) };
    assert_eq!(add(&site, &doctor, &mut careless, "Careless").await.status, 422);
    for name in ["", "  ", &"x".repeat(61), "line\nbreak"] {
        assert_eq!(add(&site, &doctor, &mut Device::new(4, ORIGIN), name).await.status, 422, "{name:?}");
    }
    let page = add(&site, &doctor, &mut Device::new(4, ORIGIN), "<b>bold</b>").await;
    assert_eq!(page.header("location"), "/security");
    assert!(!site.get(Some(&doctor), "/security").await.text().contains("<b>bold</b>"));
    let asked = ask(&site, Some(&doctor), "/security/passkeys/new").await;
    site.pass_ms(STEP_UP_MS_MAX);
    assert_eq!(site.get(Some(&doctor), "/security/passkeys/new").await.header("location"), "/security/confirm?next=/security/passkeys/new");
    let made = Device::new(5, ORIGIN).create(&asked.options);
    let late = reply(&site, Some(&doctor), "/security/passkeys/new", &asked.ticket, &[("name", "Late"), ("answer", &made)]).await;
    assert_eq!(late.header("location"), "/security/confirm?next=/security");
    let page = site.get(Some(&doctor), "/security").await.text();
    let id = page.split("/security/passkeys/").find_map(|rest| rest.split_once("/remove")).unwrap().0.to_owned();
    let removed = site.post(&doctor, &format!("/security/passkeys/{id}/remove"), &[]).await;
    assert_eq!(removed.header("location"), "/security/confirm?next=/security");
    let nurse = site.person(Role::Nurse);
    site.pass_ms(60_000);
    let nurse = site.sign_in_again(nurse).await;
    assert_eq!(site.post(&nurse, &format!("/security/passkeys/{id}/remove"), &[]).await.status, 404, "somebody else's");
}

/// Password, then a passkey instead of an app.
async fn first_passkey(site: &Site, email: &str, device: &mut Device) -> Answer {
    let pending = site.knock("/sign-in", &[("email", email), ("password", PASSWORD)]).await;
    assert_eq!(pending.header("location"), "/sign-in/enrol");
    let cookie = format!("wardkeep-sign-in={}", pending.cookie("wardkeep-sign-in").unwrap());
    let mut request = get(None, "/sign-in/enrol/passkey");
    request.headers_mut().append(header::COOKIE, cookie.parse().unwrap());
    let asked = site.raw(request).await;
    let made = device.create(&asked.text());
    let mut request = post(None, "/sign-in/enrol/passkey", &[("name", "Phone"), ("answer", &made)]);
    request
        .headers_mut()
        .append(header::COOKIE, format!("{cookie}; wardkeep-passkey={}", asked.cookie("wardkeep-passkey").unwrap()).parse().unwrap());
    site.raw(request).await
}

// ASVS 6.3.3
#[tokio::test]
async fn a_first_sign_in_with_a_passkey_gives_recovery_codes_and_a_reset_takes_the_passkey() {
    let site = Site::open().await;
    let (_, token) = site.app.invite(&site.operator(), "new@site.example", "New Nurse", "nurse").await.unwrap();
    let fields = [("email", ""), ("display_name", ""), ("password", PASSWORD), ("password_again", PASSWORD)];
    assert_eq!(site.knock(&format!("/invitation/{token}"), &fields).await.status, 303);
    let mut device = Device::new(6, ORIGIN);
    let signed = first_passkey(&site, "new@site.example", &mut device).await;
    assert!(signed.text().contains("recovery-codes") && signed.cookie("wardkeep-session").is_some(), "{}", signed.text());
    let signed = sign_in(&site, &mut device).await;
    let ctx = site.app.authenticate(site.visit(), &signed.cookie("wardkeep-session").unwrap()).await.unwrap();
    let administrator = site.person(Role::Administrator);
    crate::two_person::reset(&site, administrator, ctx.account_id()).await;
    assert!(site.app.authenticate(site.visit(), &signed.cookie("wardkeep-session").unwrap()).await.is_err(), "sessions end");
    refused(&sign_in(&site, &mut device).await, "reset");
    let pending = site.knock("/sign-in", &[("email", "new@site.example"), ("password", PASSWORD)]).await;
    assert_eq!(pending.header("location"), "/sign-in/enrol", "a new factor is set up");
}

#[tokio::test]
async fn wrong_answers_make_that_passkey_wait_and_neither_the_password_nor_a_stranger_can() {
    let site = Site::open().await;
    let (doctor, mut device) = doctor_with_passkey(&site).await;
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(sign_in(&site, &mut device.pretender()).await.status.as_u16());
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 429]);
    assert_eq!(sign_in(&site, &mut device).await.header("retry-after"), "1", "the right one waits too");
    assert_eq!(site.knock("/sign-in", &[("email", &doctor.email), ("password", PASSWORD)]).await.status, 303);
    site.pass_ms(1_000);
    assert!(sign_in(&site, &mut device).await.text().contains("6 wrong tries to sign in"));
    // Somebody who knows whose it is and does not hold its number fills no counter of the account.
    for _ in 0..7 {
        sign_in(&site, &mut Device { user: device.user.clone(), ..Device::new(9, ORIGIN) }).await;
    }
    assert_eq!(sign_in(&site, &mut device).await.status, 303);
}

#[tokio::test]
async fn a_reset_takes_the_wait_of_wrong_passkeys_with_it() {
    let site = Site::open().await;
    let (doctor, device) = doctor_with_passkey(&site).await;
    loop {
        let wait = sign_in(&site, &mut device.pretender()).await.header("retry-after").parse().unwrap_or(0);
        // Longer than the two sign-ins of the reset let pass.
        if wait >= 256 {
            break;
        }
        site.pass_ms(wait * 1_000);
    }
    let administrator = site.sign_in_again(site.person(Role::Administrator)).await;
    crate::two_person::reset(&site, &administrator, doctor.id).await;
    let mut new = Device::new(6, ORIGIN);
    let signed = first_passkey(&site, &doctor.email, &mut new).await;
    assert!(signed.cookie("wardkeep-session").is_some(), "{}", signed.text());
    assert!(sign_in(&site, &mut new).await.cookie("wardkeep-session").is_some());
}

#[tokio::test]
async fn of_two_answers_at_the_same_moment_one_counts() {
    let site = Site::open().await;
    let (_, mut device) = doctor_with_passkey(&site).await;
    let asked = ask(&site, None, "/sign-in/passkey").await;
    let answer = device.get(&asked.options);
    let fields = [("answer", answer.as_str())];
    let once = || reply(&site, None, "/sign-in/passkey", &asked.ticket, &fields);
    let (one, other) = tokio::join!(once(), once());
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409], "the same answer twice");
    // The same use of the counter for two questions: whichever is second looks like a copy.
    let (first, second) = (ask(&site, None, "/sign-in/passkey").await, ask(&site, None, "/sign-in/passkey").await);
    let before = device.counter;
    let to_first = device.get(&first.options);
    device.counter = before;
    let to_second = device.get(&second.options);
    let (to_first, to_second) = ([("answer", to_first.as_str())], [("answer", to_second.as_str())]);
    let (one, other) = tokio::join!(
        reply(&site, None, "/sign-in/passkey", &first.ticket, &to_first),
        reply(&site, None, "/sign-in/passkey", &second.ticket, &to_second)
    );
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 401]);
}

#[tokio::test]
async fn when_the_log_cannot_be_written_a_passkey_signs_nobody_in_and_changes_nothing() {
    let site = Site::open().await;
    let (doctor, mut device) = doctor_with_passkey(&site).await;
    let mut second = Device::new(2, ORIGIN);
    site.control.break_writes();
    assert_eq!(sign_in(&site, &mut device).await.status, 503);
    assert_eq!(sign_in(&site, &mut device.pretender()).await.status, 503);
    assert_eq!(add(&site, &doctor, &mut second, "Blue key").await.status, 503);
    assert!(!site.get(Some(&doctor), "/security").await.text().contains("Blue key"));
}

// ASVS 7.1.2
#[tokio::test]
async fn a_sixth_session_ends_the_oldest_and_says_so() {
    let site = Site::open().await;
    let (doctor, mut device) = doctor_with_passkey(&site).await;
    let mut sessions = vec![doctor.clone()];
    for _ in 1..SESSION_COUNT_MAX {
        site.pass_ms(1_000);
        let signed = sign_in(&site, &mut device).await;
        assert_eq!(signed.status, 303);
        sessions.push(person(&site, &doctor, &signed).await);
    }
    for session in &sessions {
        assert_eq!(site.get(Some(session), "/security").await.status, 200);
    }
    site.pass_ms(1_000);
    let told = sign_in(&site, &mut device).await;
    assert!(told.text().contains("your oldest session was ended"), "{}", told.text());
    let mut statuses = Vec::new();
    for session in &sessions {
        statuses.push(site.get(Some(session), "/security").await.status.as_u16());
    }
    assert_eq!(statuses, [303, 200, 200, 200, 200]);
    assert!(log(&site).await.contains("reason: too many sessions"));
}

#[tokio::test]
async fn where_browsers_refuse_passkeys_there_is_a_plain_sentence_and_no_button() {
    let site = Site::with(Settings { origin: "http://127.0.0.1:8080".to_owned(), secure: false, sign_on: None, publish_log: false }).await;
    assert!(!site.get(None, "/sign-in").await.text().contains("passkey"));
    let doctor = site.person(Role::Doctor);
    let page = site.get(Some(doctor), "/security").await.text();
    assert!(page.contains("Passkeys work where this site is opened by its name over HTTPS"));
    assert!(!page.contains("data-passkey"));
    for path in ["/sign-in/passkey", "/security/passkeys/new", "/security/confirm/passkey"] {
        assert_eq!(site.get(Some(doctor), path).await.status, 409, "{path}");
    }
}
