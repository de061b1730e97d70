//! Programs that sign their own sign-ins (RFC 7523): what counts, what does not, and that it counts once.

use http::header;
use serde_json::{Value, json};
use wardkeep_app::requests::{Used, Wanted};
use wardkeep_app::services::NewSecret;
use wardkeep_app::throttle::ADDRESS_FREE;
use wardkeep_domain::account::Role;
use wardkeep_signer::{Signer, confused, unsigned};

use crate::api_site::{Answer, Api, ORIGIN};
use crate::service_accounts::{ask, by_form, ctx};
use crate::site::Site;

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

async fn make(api: &Api, signer: &Signer) -> NewSecret {
    let administrator = ctx(api, Role::Administrator).await;
    let (scopes, key) = (["health.read".to_owned()], signer.jwk("one").to_string());
    api.app.make_service(&administrator, "Watcher", "Watches the posture page", &scopes, "30", &key).await.unwrap()
}

fn claims(api: &Api, client: &str, number: &str) -> Value {
    let now_s = api.visit().now.0 / 1000;
    json!({ "iss": client, "sub": client, "aud": format!("{ORIGIN}/api/v1/token"), "exp": now_s + 300, "iat": now_s, "jti": number })
}

async fn send(api: &Api, client: &str, token: &str) -> Answer {
    let fields =
        [("grant_type", "client_credentials"), ("client_id", client), ("client_assertion_type", KIND), ("client_assertion", token)];
    ask(api, &fields, &[]).await
}

#[tokio::test]
async fn a_program_gets_a_token_for_what_it_signed_with_its_key() {
    let api = Api::open().await;
    for signer in Signer::all() {
        let made = make(&api, &signer).await;
        assert!(made.secret.is_empty());
        let client = made.id.to_string();
        let given = send(&api, &client, &signer.token("one", &claims(&api, &client, "1"))).await;
        assert_eq!((given.status.as_u16(), given.text("scope").as_str()), (200, "health.read"), "{signer:?}");
        assert!(given.text("access_token").starts_with("wks_"));
    }
}

// ASVS 9.1.1, 9.1.2, 9.1.3, 9.2.1, 9.2.3
#[tokio::test]
async fn whatever_is_wrong_with_an_assertion_the_answer_is_that_of_a_wrong_secret() {
    let api = Api::open().await;
    let signer = Signer::es256();
    let client = make(&api, &signer).await.id.to_string();
    let other = make(&api, &Signer::es256()).await.id.to_string();
    let good = claims(&api, &client, "n");
    let now_s = api.visit().now.0 / 1000;
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signer.token("one", &claims)
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        signer.token("one", &claims)
    };
    let forged = [
        Signer::es256().token("one", &good),
        Signer::rs256().token("one", &good),
        unsigned(&good),
        confused(&signer.jwk("one"), &good),
        with("iss", json!(other)),
        with("sub", json!(other)),
        with("aud", json!("https://elsewhere.example/api/v1/token")),
        with("aud", json!(format!("{ORIGIN}/api/v1"))),
        with("exp", json!(now_s - 60)),
        with("exp", json!(now_s + 361)),
        with("iat", json!(now_s + 61)),
        with("nbf", json!(now_s + 61)),
        with("jti", json!("")),
        with("jti", json!("x".repeat(129))),
        with("jti", json!(7)),
        without("jti"),
        without("exp"),
        without("sub"),
        "a".repeat(9_000),
        String::new(),
    ];
    // No time passes: each is as new as the good one, and the address has as many tries for nothing.
    assert_eq!(forged.len(), usize::try_from(ADDRESS_FREE).unwrap());
    for (at, token) in forged.iter().enumerate() {
        let answer = send(&api, &client, token).await;
        assert_eq!((answer.status.as_u16(), answer.json["error"].as_str()), (401, Some("invalid_client")), "{at}: {token}");
    }
    assert_eq!(send(&api, &other, &signer.token("one", &claims(&api, &other, "n"))).await.status, 401, "another program's key");
    api.pass_ms(1_000);
    assert_eq!(send(&api, &client, &signer.token("one", &good)).await.status, 200, "what they were all made from is good");
}

#[tokio::test]
async fn an_assertion_counts_once_also_when_it_is_sent_twice_at_once() {
    let api = Api::open().await;
    let signer = Signer::ed_dsa();
    let client = make(&api, &signer).await.id.to_string();
    let token = signer.token("one", &claims(&api, &client, "1"));
    assert_eq!(send(&api, &client, &token).await.status, 200);
    assert_eq!(send(&api, &client, &token).await.json["error"], "invalid_client");
    let again = signer.token("one", &claims(&api, &client, "1"));
    assert_eq!(send(&api, &client, &again).await.status, 401, "the number counts, not the bytes");
    let token = signer.token("one", &claims(&api, &client, "2"));
    let both = futures::future::join(send(&api, &client, &token), send(&api, &client, &token)).await;
    let mut statuses = [both.0.status.as_u16(), both.1.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    let failed = api.post(Role::PrivacyOfficer, "/api/v1/log/search", json!({ "class": "sign-in", "outcome": "failed" })).await;
    assert_eq!(failed.json["items"].as_array().unwrap().len(), 3, "each of those is in the log: {}", failed.json);
}

#[tokio::test]
async fn what_two_people_agreed_to_make_signs_with_the_key_that_was_agreed_to() {
    let api = Api::open().await;
    let (signer, administrator) = (Signer::es256(), ctx(&api, Role::Administrator).await);
    let text = |text: &str| text.to_owned();
    let (scopes, key) = (vec![text("stroke.read")], signer.jwk("one").to_string());
    let wanted = Wanted::MakeService { name: text("Registry"), purpose: text("Yearly registry"), scopes, days: text("30"), key };
    let request = api.app.ask_approval(&administrator, &wanted, "The registry's yearly report is due.").await.unwrap();
    api.app.approve_request(&ctx(&api, Role::PrivacyOfficer).await, request).await.unwrap();
    let Used::ServiceMade(made) = api.app.use_request(&administrator, request).await.unwrap() else { panic!("something else") };
    let client = made.id.to_string();
    assert!(made.secret.is_empty());
    assert_eq!(send(&api, &client, &signer.token("one", &claims(&api, &client, "1"))).await.text("scope"), "stroke.read");
}

#[tokio::test]
async fn a_key_and_a_secret_are_not_mixed() {
    let api = Api::open().await;
    let signer = Signer::ed_dsa();
    let keyed = make(&api, &signer).await.id.to_string();
    let administrator = ctx(&api, Role::Administrator).await;
    let secret = api.app.make_service(&administrator, "Old one", "Watches the page", &["health.read".to_owned()], "30", "").await.unwrap();
    let token = signer.token("one", &claims(&api, &keyed, "1"));
    let (kind, id) = (("client_assertion_type", KIND), ("client_id", keyed.as_str()));
    let (grant, assertion) = (("grant_type", "client_credentials"), ("client_assertion", token.as_str()));
    for (fields, headers) in [
        (vec![grant, id, kind, assertion, ("client_secret", "x")], vec![]),
        (vec![grant, kind, assertion], vec![(header::AUTHORIZATION.as_str(), "Basic eDp5")]),
        (vec![grant, id, assertion], vec![]),
        (vec![grant, id, kind], vec![]),
        (vec![grant, kind, assertion], vec![]),
        (vec![grant, id, ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"), assertion], vec![]),
    ] {
        assert_eq!(ask(&api, &fields, &headers).await.json["error"], "invalid_request", "{fields:?}");
    }
    assert_eq!(ask(&api, &[grant, id, ("client_secret", "")], &[]).await.status, 401);
    let old = secret.id.to_string();
    assert_eq!(send(&api, &old, &signer.token("one", &claims(&api, &old, "1"))).await.status, 401);
    assert_eq!(send(&api, &keyed, &token).await.status, 200, "none of that used it up");
    assert!(api.app.rotate_service(&administrator, wardkeep_domain::ServiceId::parse(&keyed).unwrap()).await.is_err());
    api.app.revoke_service(&administrator, wardkeep_domain::ServiceId::parse(&keyed).unwrap()).await.unwrap();
    assert_eq!(send(&api, &keyed, &signer.token("one", &claims(&api, &keyed, "2"))).await.status, 401, "revoked");
}

#[tokio::test]
async fn who_knows_a_client_id_locks_its_program_out_by_nothing_and_has_to_wait_at_their_own_address() {
    let api = Api::open().await;
    let signer = Signer::ed_dsa();
    let client = make(&api, &signer).await.id.to_string();
    for _ in 0..6 {
        assert_eq!(by_form(&api, &client, "wkc_wrong").await.status, 401);
        assert_eq!(send(&api, &client, "a.b.c").await.status, 401);
    }
    assert_eq!(by_form(&api, &client, "wkc_wrong").await.status, 429);
    assert_eq!(send(&api, &client, &signer.token("one", &claims(&api, &client, "1"))).await.status, 200);
    let mut wrong = 12;
    while send(&api, &client, "a.b.c").await.status == 401 {
        wrong += 1;
    }
    assert_eq!(wrong, ADDRESS_FREE + 1);
    assert_eq!(send(&api, &client, "a.b.c").await.status, 429);
}

#[tokio::test]
async fn the_form_takes_a_public_key_and_says_what_is_wrong_with_one() {
    let site = Site::open().await;
    let administrator = site.person(Role::Administrator);
    let key = Signer::es256().jwk("one").to_string();
    let private = json!({ "kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB", "d": "AQAB" }).to_string();
    for (typed, told) in [("not json", "Enter one public key"), ("{}", "Enter a public key"), (private.as_str(), "This is a private key")] {
        let fields = [("name", "Watcher"), ("purpose", "Watches the page"), ("days", "90"), ("health.read", "yes"), ("key", typed)];
        let answer = site.post(administrator, "/services/new", &fields).await;
        assert_eq!(answer.status, 422);
        assert!(answer.text().contains("href=\"#key\"") && answer.text().contains(told), "{typed}");
        assert!(answer.text().contains("value=\"Watches the page\""), "nothing typed is lost");
    }
    let fields = [("name", "Watcher"), ("purpose", "Watches the page"), ("days", "90"), ("health.read", "yes"), ("key", &key)];
    let made = site.post(administrator, "/services/new", &fields).await.text();
    assert!(made.contains("id=\"client-id\"") && !made.contains("client-secret") && made.contains("/api/v1/token"));
    assert!(site.get(Some(administrator), "/services").await.text().contains("signs with its own key"));
    // The key goes through a second person's approval with the rest of the plan.
    let fields = [("name", "Registry"), ("purpose", "Yearly stroke registry"), ("days", "90"), ("stroke.read", "yes"), ("key", &key)];
    let asked = site.post(administrator, "/services/new", &fields).await;
    assert_eq!(asked.status, 409);
    assert!(asked.text().contains("name=\"key\" value=\"{&#34;"), "{}", asked.text());
}
