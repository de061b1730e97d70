//! Single sign-on: whose word counts for nothing, keys that change, and a provider that is down.

use serde_json::{Value, json};
use wardkeep_domain::account::session::{ABSOLUTE_MS_MAX, PENDING_MS_MAX};
use wardkeep_signer::{Signer, confused, unsigned};

use crate::issuer::{ISSUER, parameter};
use crate::sign_on::{and, begin, failures, join, now_s, nurse, returns, sign_in, stays_out};
use crate::site::{PASSWORD, Site};

// ASVS 6.8.1, 6.8.2, 6.8.4, 7.6.1, 10.2.1, 10.2.2, 10.5.1, 10.5.3, 10.5.4
#[tokio::test]
async fn whoever_forges_an_answer_or_a_token_stays_out() {
    let site = Site::open().await;
    join(&site, &nurse()).await;
    let day_s = ABSOLUTE_MS_MAX / 1000;
    let now = now_s(&site);
    for said in [
        json!({ "nonce": "another" }),
        json!({ "nonce": "leave out" }),
        json!({ "iss": "https://login.site.example" }),
        json!({ "iss": format!("{ISSUER}/") }),
        json!({ "aud": "another client" }),
        json!({ "aud": ["wardkeep at site", "another client"] }),
        json!({ "azp": "another client" }),
        json!({ "exp": now - 60 }),
        json!({ "iat": now + 600_000 }),
        json!({ "auth_time": "leave out" }),
        json!({ "auth_time": now - day_s - 61 }),
        json!({ "auth_time": now + 600_000 }),
        json!({ "sub": "" }),
        json!({ "sub": "leave out" }),
        json!({ "sub": "x".repeat(256) }),
        json!({ "sub": 7 }),
    ] {
        stays_out(&sign_in(&site, &said).await, "did not sign you in", &said.to_string());
    }
    assert_eq!(failures(&site).await, 16);
    // Tokens that somebody else made.
    site.pass_ms(20 * 60_000);
    let claims = |address: &str| {
        json!({
            "iss": ISSUER, "aud": "wardkeep at site", "sub": "248289761001", "iat": now_s(&site), "exp": now_s(&site) + 300,
            "auth_time": now_s(&site), "nonce": parameter(address, "nonce"), "amr": ["mfa"],
        })
    };
    let ours = site.issuer.change(|state| state.signer.jwk("one"));
    let forgers: [&dyn Fn(&Value) -> String; 6] = [
        &|claims| Signer::es256().token("one", claims),
        &|claims| Signer::es256().token("unknown", claims),
        &|claims| unsigned(claims),
        &|claims| confused(&ours, claims),
        &|_| "a.b.c".to_owned(),
        &|_| String::new(),
    ];
    for (at, forge) in forgers.iter().enumerate() {
        let begun = begin(&site).await;
        let code = site.issuer.sign_in(&begun.address, now_s(&site), &nurse());
        site.issuer.change(|state| state.token = Some(forge(&claims(&begun.address))));
        let answer = returns(&site, &begun.ticket, &[("code", &code), ("state", &parameter(&begun.address, "state"))]).await;
        stays_out(&answer, "did not sign you in", &format!("forger {at}"));
    }
    // What they were all made from is good.
    let good = json!({ "amr": ["mfa"], "azp": "wardkeep at site", "aud": ["wardkeep at site", "b"] });
    let good = sign_in(&site, &and(nurse(), good)).await;
    assert!(good.cookie("wardkeep-session").is_some(), "{}", good.text());
}

// ASVS 10.1.2, 10.2.1, 10.2.2
#[tokio::test]
async fn an_answer_fits_one_question_of_one_browser_once() {
    let site = Site::open().await;
    join(&site, &nurse()).await;
    site.pass_ms(60_000);
    let said = and(nurse(), json!({ "amr": ["mfa"] }));
    let (mine, theirs) = (begin(&site).await, begin(&site).await);
    let state = parameter(&mine.address, "state");
    let code = site.issuer.sign_in(&mine.address, now_s(&site), &said);
    let fields = [("code", code.as_str()), ("state", state.as_str())];
    // Another browser, no browser, a ticket of something else.
    stays_out(&returns(&site, &theirs.ticket, &fields).await, "did not sign you in", "another browser's");
    stays_out(&returns(&site, "", &fields).await, "took too long", "no cookie");
    let passkey = site.get(None, "/sign-in/passkey").await.cookie("wardkeep-passkey").unwrap();
    stays_out(&returns(&site, &passkey, &fields).await, "took too long", "a passkey's question");
    for (name, value) in [("iss", "https://evil.example"), ("error", "access_denied"), ("code", "")] {
        let own = begin(&site).await;
        let state = parameter(&own.address, "state");
        let code = site.issuer.sign_in(&own.address, now_s(&site), &said);
        let fields: Vec<(&str, &str)> = [("code", code.as_str()), ("state", state.as_str())]
            .into_iter()
            .filter(|(key, _)| *key != name)
            .chain([(name, value)])
            .collect();
        stays_out(&returns(&site, &own.ticket, &fields).await, "did not sign you in", name);
    }
    let twice = returns(&site, &mine.ticket, &[fields[0], fields[1], fields[1]]).await;
    stays_out(&twice, "", "a parameter twice");
    let done = returns(&site, &mine.ticket, &fields).await;
    assert!(done.cookie("wardkeep-session").is_some(), "{}", done.text());
    stays_out(&returns(&site, &mine.ticket, &fields).await, "took too long", "the same answer again");
    let other = begin(&site).await;
    let replayed = returns(&site, &other.ticket, &[("code", &code), ("state", &parameter(&other.address, "state"))]).await;
    stays_out(&replayed, "did not sign you in", "a code again, under another question");
    let late = begin(&site).await;
    let code = site.issuer.sign_in(&late.address, now_s(&site), &said);
    site.pass_ms(PENDING_MS_MAX);
    stays_out(
        &returns(&site, &late.ticket, &[("code", &code), ("state", &parameter(&late.address, "state"))]).await,
        "took too long",
        "late",
    );
    site.issuer.change(|state| state.names_itself = true);
    site.pass_ms(2 * 60 * 60 * 1000);
    stays_out(&sign_in(&site, &said).await, "did not sign you in", "a provider that names itself did not");
}

#[tokio::test]
async fn whoever_sends_answers_in_a_row_has_to_wait() {
    let site = Site::open().await;
    let mut statuses = Vec::new();
    for _ in 0..22 {
        statuses.push(sign_in(&site, &json!({ "nonce": "guessed" })).await.status.as_u16());
    }
    assert_eq!((statuses[0], statuses[20], statuses[21]), (409, 409, 429));
    // Side by side they are counted as well.
    let site = Site::open().await;
    let said = json!({ "nonce": "guessed" });
    futures::future::join_all((0..8).map(|_| sign_in(&site, &said))).await;
    assert_eq!(failures(&site).await, 8);
}

// ASVS 6.8.2
#[tokio::test]
async fn new_keys_are_looked_for_when_a_token_names_one_and_not_more_than_once_a_minute() {
    let site = Site::open().await;
    join(&site, &nurse()).await;
    let said = and(nurse(), json!({ "amr": ["mfa"] }));
    for (at, signer) in Signer::all().into_iter().enumerate() {
        site.pass_ms(61_000);
        let name = format!("rotated {at}");
        site.issuer.change(|state| {
            state.published.push(signer.jwk(&name));
            (state.signer, state.key) = (signer, name.clone());
        });
        for _ in 0..2 {
            assert!(sign_in(&site, &said).await.cookie("wardkeep-session").is_some(), "{name}");
        }
    }
    assert_eq!(site.issuer.change(|state| state.keys_read), 4, "once at first, once for each new one");
    // A key that is nowhere sends us out once a minute.
    site.issuer.change(|state| state.key = "invented".to_owned());
    site.pass_ms(61_000);
    for _ in 0..5 {
        stays_out(&sign_in(&site, &said).await, "did not sign you in", "invented");
    }
    assert_eq!(site.issuer.change(|state| state.keys_read), 5);
    // A key that was taken back counts for nothing after an hour at the latest.
    site.issuer.change(|state| {
        state.key = "rotated 2".to_owned();
        state.published.clear();
    });
    assert!(sign_in(&site, &said).await.cookie("wardkeep-session").is_some());
    site.pass_ms(61 * 60_000);
    stays_out(&sign_in(&site, &said).await, "did not sign you in", "taken back");
}

// ASVS 10.5.3
#[tokio::test]
async fn a_provider_that_is_down_or_is_another_signs_nobody_in_and_is_left_alone_for_a_moment() {
    let site = Site::open().await;
    site.issuer.change(|state| state.down = true);
    for _ in 0..5 {
        stays_out(&site.knock("/sign-in/provider", &[]).await, "does not answer now", "down");
    }
    assert_eq!(site.issuer.change(|state| state.calls.len()), 1);
    assert_eq!(site.knock("/sign-in", &[("email", "doctor@site.example"), ("password", PASSWORD)]).await.status, 303, "other ways work");
    site.issuer.change(|state| state.down = false);
    for described in [
        json!({ "issuer": "https://login.site.example" }),
        json!({ "authorization_endpoint": "http://login.site.example/authorize" }),
        json!({ "authorization_endpoint": "javascript:alert(1)" }),
        json!({ "authorization_endpoint": 7 }),
    ] {
        site.pass_ms(61 * 60_000);
        site.issuer.change(|state| state.described = described.clone());
        stays_out(&site.knock("/sign-in/provider", &[]).await, "does not answer now", &described.to_string());
    }
    for described in [
        json!({ "token_endpoint": "http://login.site.example/token" }),
        json!({ "token_endpoint": "http://127.0.0.1/token" }),
        json!({ "jwks_uri": format!("http://{}/keys", &ISSUER[8..]) }),
    ] {
        site.pass_ms(61 * 60_000);
        site.issuer.change(|state| state.described = described.clone());
        stays_out(&sign_in(&site, &nurse()).await, "does not answer now", &described.to_string());
    }
    assert_eq!(failures(&site).await, 0, "nobody did anything wrong");
    site.pass_ms(61 * 60_000);
    site.issuer.change(|state| state.described = json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] }));
    join(&site, &nurse()).await;
}
