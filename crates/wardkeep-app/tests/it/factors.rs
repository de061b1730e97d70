//! Passwords, codes and sessions against somebody who guesses, repeats, or holds the store.

use futures::future::join_all;
use wardkeep_app::accounts::{INVITATION_MS_MAX, NewAccount, SETUP_MS_MAX};
use wardkeep_app::throttle::{DISABLED_AT, WAIT_S_MAX};
use wardkeep_app::{Error, Visit, kinds};
use wardkeep_domain::account::password::Password;
use wardkeep_domain::account::{AccountState, Role};
use wardkeep_ledger::StreamId;
use wardkeep_store::{Changeset, DocId, Document, Owner, Put, Seq, Version, Writer};

use crate::hospital::{House, code};

const PASSWORD: &str = "velvet orchard counts rain";
const EMAIL: &str = "doctor@test.example";

/// Somebody who has signed in once.
struct Person {
    id: [u8; 16],
    /// The authenticator's key.
    key: String,
    token: String,
    recovery_codes: Vec<String>,
}

fn account(email: &str) -> NewAccount {
    let (display_name, password) = ("Test Person".to_owned(), PASSWORD.to_owned());
    NewAccount { email: email.to_owned(), display_name, password_again: password.clone(), password }
}

async fn join(house: &House, email: &str) -> Person {
    let visit = house.visit();
    let (id, link) = house.app.invite(&house.operator(), email, "Test Person", Role::Doctor.code()).await.unwrap();
    house.app.accept_invitation(&visit, &link, &account(email)).await.unwrap();
    let pending = pending(house, email).await.unwrap();
    let key = house.app.enrolment(&visit, &pending).await.unwrap().key.replace(' ', "");
    let signed = house.app.enrol(&visit, &pending, &code(&key, visit.now)).await.unwrap();
    Person { id: id.bytes(), key, token: signed.token, recovery_codes: signed.recovery_codes.unwrap() }
}

/// The token of a sign-in that waits for its second step.
async fn pending(house: &House, email: &str) -> Result<String, Error> {
    house.app.sign_in(&house.visit(), email, &Password::typed(PASSWORD)).await.map(|pending| pending.token)
}

/// From an address that nobody used before.
fn from_elsewhere(house: &House, number: u32) -> Visit {
    let [_, a, b, c] = number.to_be_bytes();
    Visit { address: format!("10.{a}.{b}.{c}"), ..house.visit() }
}

// ASVS 6.5.1
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_that_send_one_code_at_once_one_signs_in() {
    let house = House::new().await;
    let person = join(&house, EMAIL).await;
    house.wait_ms(60_000);
    let begun: Vec<String> = join_all((0..100).map(|_| async { pending(&house, EMAIL).await })).await.into_iter().flatten().collect();
    assert!(begun.len() > 20, "only {} got past the password", begun.len());
    let now = code(&person.key, house.visit().now);
    let tries: Vec<(u32, &String)> = (0..).zip(begun.iter().cycle().take(100)).collect();
    let house = &house;
    let signed = join_all(tries.into_iter().map(|(number, token)| {
        let (visit, now) = (from_elsewhere(house, number), now.clone());
        async move { house.app.sign_in_code(&visit, token, &now).await.is_ok() }
    }))
    .await;
    assert_eq!(signed.iter().filter(|signed| **signed).count(), 1);
}

// ASVS 6.5.1
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_send_one_recovery_code_at_once_one_signs_in() {
    let house = &House::new().await;
    let person = join(house, EMAIL).await;
    let mut begun = Vec::new();
    for _ in 0..20 {
        begun.push(pending(house, EMAIL).await.unwrap());
    }
    let recovery = &person.recovery_codes[0];
    let tries = (0..).zip(&begun).map(|(number, token)| async move {
        let visit = from_elsewhere(house, number);
        house.app.sign_in_recovery(&visit, token, recovery).await.is_ok()
    });
    assert_eq!(join_all(tries).await.into_iter().filter(|signed| *signed).count(), 1);
}

/// Guesses from ever new addresses, each as soon as the last wait is over; how many were looked at.
async fn guess(house: &House, tries: u32) -> u32 {
    let mut looked_at = 0;
    for number in 0..tries {
        match house.app.sign_in(&from_elsewhere(house, number), EMAIL, &Password::typed("wrong wrong wrong")).await {
            Err(Error::WrongCredentials) => looked_at += 1,
            Err(Error::Throttled { .. }) => {}
            other => panic!("{:?}", other.err()),
        }
        house.wait_ms(i64::from(WAIT_S_MAX) * 1000);
    }
    looked_at
}

// ASVS 6.3.1
#[tokio::test]
async fn whoever_guesses_for_days_from_everywhere_gets_a_hundred_guesses_and_locks_nothing_for_good() {
    let house = House::new().await;
    let person = join(&house, EMAIL).await;
    join(&house, "other@test.example").await;
    assert_eq!(guess(&house, DISABLED_AT + 20).await, DISABLED_AT);
    assert!(matches!(pending(&house, EMAIL).await, Err(Error::Throttled { .. })), "the right password is no longer looked at");
    assert!(pending(&house, "other@test.example").await.is_ok(), "nobody else is held back");
    house.app.reset_factor(&house.operator(), wardkeep_domain::AccountId::from_bytes(person.id)).await.unwrap();
    assert!(pending(&house, EMAIL).await.is_ok(), "the administrator has let them in again");
}

// ASVS 6.3.2
#[tokio::test]
async fn a_new_hospital_has_nobody_and_its_set_up_link_works_once_within_ten_minutes() {
    let house = House::new().await;
    assert!(house.app.accounts(&house.operator(), None, None, None).await.unwrap().items.is_empty());
    let late = house.app.issue_setup(&house.visit()).await.unwrap();
    house.wait_ms(SETUP_MS_MAX);
    assert!(matches!(house.app.accept_invitation(&house.visit(), &late, &account(EMAIL)).await, Err(Error::NotFound)));
    let (one, two) = (house.app.issue_setup(&house.visit()).await.unwrap(), house.app.issue_setup(&house.visit()).await.unwrap());
    house.wait_ms(SETUP_MS_MAX - 1);
    house.app.accept_invitation(&house.visit(), &one, &account(EMAIL)).await.unwrap();
    for link in [one, two] {
        let again = house.app.accept_invitation(&house.visit(), &link, &account("second@test.example")).await;
        assert!(matches!(again, Err(Error::NotFound)), "an administrator is there");
    }
    assert!(house.app.issue_setup(&house.visit()).await.is_err());
    assert_eq!(house.app.accounts(&house.operator(), None, None, None).await.unwrap().items.len(), 1);
}

// ASVS 6.4.1, 6.4.3
#[tokio::test]
async fn a_link_gives_an_account_its_password_once_and_no_door_without_a_second_factor() {
    let house = House::new().await;
    let (_, link) = house.app.invite(&house.operator(), EMAIL, "Test Person", Role::Doctor.code()).await.unwrap();
    assert_eq!(link.len(), 43, "256 bits");
    house.wait_ms(INVITATION_MS_MAX - 1);
    house.app.accept_invitation(&house.visit(), &link, &account(EMAIL)).await.unwrap();
    let begun = pending(&house, EMAIL).await.unwrap();
    assert!(matches!(house.app.authenticate(house.visit(), &begun).await, Err(Error::SignedOut)));
    let new =
        NewAccount { password: "amber river folds maps".to_owned(), password_again: "amber river folds maps".to_owned(), ..account(EMAIL) };
    assert!(matches!(house.app.accept_invitation(&house.visit(), &link, &new).await, Err(Error::NotFound)), "no reset by an old link");
    assert!(pending(&house, EMAIL).await.is_ok(), "the password is as it was");
}

// ASVS 6.5.6
#[tokio::test]
async fn a_factor_that_was_reset_proves_nothing_from_then_on_on_every_node() {
    let house = House::new().await;
    let two = house.node("two").await;
    let person = join(&house, EMAIL).await;
    house.wait_ms(60_000);
    let begun = pending(&house, EMAIL).await.unwrap();
    house.app.reset_factor(&house.operator(), wardkeep_domain::AccountId::from_bytes(person.id)).await.unwrap();
    let now = code(&person.key, house.visit().now);
    for app in [&house.app, &two] {
        assert!(matches!(app.authenticate(house.visit(), &person.token).await, Err(Error::SignedOut)), "the session");
        assert!(matches!(app.sign_in_code(&house.visit(), &begun, &now).await, Err(Error::SignedOut)), "a sign-in begun before");
        let fresh = pending(&house, EMAIL).await.unwrap();
        assert!(app.sign_in_code(&house.visit(), &fresh, &now).await.is_err(), "the old code");
        assert!(app.sign_in_recovery(&house.visit(), &fresh, &person.recovery_codes[3]).await.is_err(), "an old recovery code");
    }
}

// ASVS 6.5.8
#[tokio::test]
async fn a_code_is_right_for_its_half_minute_and_the_next_by_the_hospitals_clock() {
    let house = House::new().await;
    let person = join(&house, EMAIL).await;
    house.wait_ms(10 * 60_000);
    let written_down = code(&person.key, house.visit().now);
    // To the start of a half minute, so that the steps are told apart to the millisecond.
    let into = house.visit().now.0 % 30_000;
    house.wait_ms(60_000 - into - 1);
    let begun = pending(&house, EMAIL).await.unwrap();
    house.wait_ms(1);
    assert!(matches!(house.app.sign_in_code(&house.visit(), &begun, &written_down).await, Err(Error::WrongCredentials)), "two steps later");
    let begun = pending(&house, EMAIL).await.unwrap();
    let early = code(&person.key, house.visit().now.plus_ms(60_000));
    assert!(matches!(house.app.sign_in_code(&house.visit(), &begun, &early).await, Err(Error::WrongCredentials)), "two steps early");
    let last = code(&person.key, house.visit().now.plus_ms(-1));
    assert!(house.app.sign_in_code(&house.visit(), &begun, &last).await.is_ok(), "the step before counts still");
}

/// The current credentials of one account written over another's, as somebody with the store alone could.
async fn plant(house: &House, from: &Document, to: [u8; 16]) {
    let (kind, id) = (kinds::CREDENTIALS, DocId(to));
    let version = Version(house.control.get(kind, id).await.unwrap().unwrap().version.0 + 1);
    let put = Put { kind, id, owner: Owner([0; 16]), version, sealed: from.sealed.clone(), terms: Vec::new(), unique: Vec::new() };
    let change = Changeset { puts: vec![put], ..Changeset::default() };
    let writer = Writer { stream: StreamId::parse("control.rogue").unwrap(), boot: [1; 16] };
    house.control.commit(&writer, vec![change]).await.unwrap()[0].as_ref().unwrap();
}

// ASVS 6.7.1
#[tokio::test]
async fn credentials_put_in_the_place_of_somebody_elses_or_of_an_older_version_sign_nobody_in() {
    let house = House::new().await;
    let (victim, thief) = (join(&house, EMAIL).await, join(&house, "thief@test.example").await);
    let own = house.control.get(kinds::CREDENTIALS, DocId(thief.id)).await.unwrap().unwrap();
    let older = house.control.history(kinds::CREDENTIALS, DocId(victim.id)).await.unwrap().remove(0);
    assert_eq!(older.version.0, 1, "the one without a second factor");
    for planted in [own, older] {
        plant(&house, &planted, victim.id).await;
        let refused = pending(&house, EMAIL).await;
        assert!(matches!(refused, Err(Error::Integrity)), "{:?}", refused.err());
    }
    assert!(pending(&house, "thief@test.example").await.is_ok(), "the own ones are untouched");
}

// ASVS 7.2.2, 7.2.3
#[tokio::test]
async fn tokens_are_long_never_the_same_and_nowhere_in_the_store() {
    let house = House::new().await;
    let person = join(&house, EMAIL).await;
    let mut tokens = vec![person.token.clone()];
    for _ in 0..10 {
        house.wait_ms(60_000);
        let begun = pending(&house, EMAIL).await.unwrap();
        let signed = house.app.sign_in_code(&house.visit(), &begun, &code(&person.key, house.visit().now)).await.unwrap();
        tokens.extend([begun, signed.token]);
    }
    let stored = house.control.changed_since(None, Seq(0), usize::MAX >> 1).await.unwrap();
    assert!(stored.len() > 20);
    for (at, token) in tokens.iter().enumerate() {
        assert_eq!(token.len(), 43, "256 bits");
        assert!(!tokens[at + 1..].contains(token));
        let raw = base64_of(token);
        let holds = |bytes: &[u8]| bytes.windows(16).any(|window| window == &raw[..16] || window == &token.as_bytes()[..16]);
        assert!(!stored.iter().any(|document| holds(&document.sealed) || holds(&document.id.0)), "a token stands in the store");
    }
}

fn base64_of(token: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).unwrap()
}

// ASVS 6.2.3
#[tokio::test]
async fn a_password_is_changed_by_who_knows_the_old_one_and_has_a_fresh_code() {
    let house = House::new().await;
    let person = join(&house, EMAIL).await;
    let (new, wrong) = ("amber river folds maps", "wrong wrong wrong");
    let ctx = house.request(&person.token).await;
    assert!(matches!(house.app.change_password(&ctx, wrong, new, new).await, Err(Error::Invalid(_))));
    assert!(pending(&house, EMAIL).await.is_ok(), "nothing was changed");
    house.app.change_password(&ctx, PASSWORD, new, new).await.unwrap();
    assert!(matches!(pending(&house, EMAIL).await, Err(Error::WrongCredentials)), "the old one");
    let signed = house.app.sign_in(&house.visit(), EMAIL, &Password::typed(new)).await;
    assert!(signed.is_ok(), "the new one");
    let view = house.app.account_by_email(&house.operator(), EMAIL).await.unwrap();
    assert_eq!(view.account.state, AccountState::Active);
}

// ASVS 6.5.2, 6.5.3, 6.5.4
#[tokio::test]
async fn recovery_codes_hold_a_hundred_and_twenty_bits_and_an_authenticators_key_a_hundred_and_sixty() {
    let house = House::new().await;
    let mut seen = std::collections::BTreeSet::new();
    let mut letters = std::collections::BTreeMap::<char, usize>::new();
    for number in 0..20 {
        let person = join(&house, &format!("person{number}@test.example")).await;
        assert_eq!(person.key.len() * 5, 160);
        assert_eq!(person.recovery_codes.len(), 10);
        for text in person.recovery_codes.iter().chain([&person.key]) {
            assert!(seen.insert(text.clone()), "drawn twice");
        }
        for code in &person.recovery_codes {
            let plain: Vec<char> = code.chars().filter(|c| *c != '-').collect();
            assert_eq!(plain.len(), 24, "of 32 letters each: 120 bits");
            plain.into_iter().for_each(|letter| *letters.entry(letter).or_default() += 1);
        }
    }
    // 4,800 letters drawn evenly from 32: 150 or so of each.
    assert_eq!(letters.len(), 32);
    assert!(letters.values().all(|times| (85..=230).contains(times)), "{letters:?}");
}

/// A sign-in with password and code from a device; what it tells, and its token.
async fn signed_in(house: &House, person: &Person, device: &str) -> (String, String) {
    house.wait_ms(60_000);
    let visit = Visit { device: device.to_owned(), ..house.visit() };
    let pending = house.app.sign_in(&visit, EMAIL, &Password::typed(PASSWORD)).await.unwrap();
    let signed = house.app.sign_in_code(&visit, &pending.token, &code(&person.key, visit.now)).await.unwrap();
    (signed.notice.unwrap_or_default(), signed.token)
}

async fn told(house: &House, person: &Person, device: &str) -> String {
    signed_in(house, person, device).await.0
}

// ASVS 6.3.5
#[tokio::test]
async fn wrong_tries_and_a_sign_in_from_a_new_place_are_told_to_the_owner_at_the_next_sign_in() {
    let house = House::new().await;
    let person = join(&house, EMAIL).await;
    assert_eq!(told(&house, &person, "Test").await, "", "nothing happened");
    guess(&house, 2).await;
    assert_eq!(told(&house, &person, "Test").await, "", "whoever types makes mistakes");
    guess(&house, 4).await;
    let pending = pending(&house, EMAIL).await.unwrap();
    assert!(house.app.sign_in_code(&house.visit(), &pending, "000000").await.is_err());
    let words = told(&house, &person, "Test").await;
    assert!(words.contains("5 wrong tries to sign in on") && words.contains("tell your privacy officer"), "{words}");
    assert_eq!(told(&house, &person, "Stranger's laptop").await, "", "who signs in so is not told about it");
    let words = told(&house, &person, "Test").await;
    assert!(words.contains("First sign-in from this device or network on") && words.contains("(Stranger's laptop, 192.0.2.7)"), "{words}");
    let (words, token) = signed_in(&house, &person, "Test").await;
    assert_eq!(words, "", "once");
    let own = house.app.own_account(&house.request(&token).await).await.unwrap();
    let listed: Vec<String> = own.lately.into_iter().map(|line| line.words).collect();
    let expected = ["First sign-in from this device or network", "5 wrong tries to sign in", "2 wrong tries to sign in"];
    assert_eq!(listed[..3], expected, "newest first, those not told too");
}

// ASVS 6.3.7
#[tokio::test]
async fn a_changed_password_used_codes_and_a_reset_are_told_with_time_and_place() {
    let house = House::new().await;
    let person = join(&house, EMAIL).await;
    let ctx = house.request(&person.token).await;
    house.app.new_recovery_codes(&ctx).await.unwrap();
    house.wait_ms(1_000);
    house.app.change_password(&ctx, PASSWORD, "marble heron sings twice", "marble heron sings twice").await.unwrap();
    house.app.change_password(&house.request(&person.token).await, "marble heron sings twice", PASSWORD, PASSWORD).await.unwrap();
    let words = told(&house, &person, "Test").await;
    for part in ["New recovery codes were made on", "The password was changed on", "(Test, 192.0.2.7)"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert_eq!(told(&house, &person, "Test").await, "");
    // A reset: whoever did it stays unnamed in the list, and the sign-in after it tells.
    house.app.reset_factor(&house.operator(), wardkeep_domain::AccountId::from_bytes(person.id)).await.unwrap();
    let visit = house.visit();
    let pending = pending(&house, EMAIL).await.unwrap();
    let key = house.app.enrolment(&visit, &pending).await.unwrap().key.replace(' ', "");
    let signed = house.app.enrol(&visit, &pending, &code(&key, visit.now)).await.unwrap();
    assert!(signed.notice.unwrap_or_default().contains("was removed on"));
    let listed = house.app.own_account(&house.request(&signed.token).await).await.unwrap().lately;
    let reset = listed.iter().find(|line| line.words == "An administrator reset the second factor").unwrap();
    assert_eq!((reset.device.as_str(), reset.address.as_str()), ("", ""));
}
