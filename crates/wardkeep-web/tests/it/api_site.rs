//! A small hospital for the tests of the API: an account of every role that signed in over the API
//! as a client would, and one patient in the care of the doctor.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::{Value, json};
use tower::ServiceExt;
use wardkeep_app::accounts::NewAccount;
use wardkeep_app::hospital::{Hospital, Parts};
use wardkeep_app::{App, Entropy, Visit};
use wardkeep_domain::account::Role;
use wardkeep_domain::date::Moment;
use wardkeep_store::memory::MemoryStore;
use wardkeep_vault::KeyFile;
use wardkeep_web::{Clock, Settings, Web};

use crate::site::from_here;

pub const ORIGIN: &str = "http://127.0.0.1:8080";
pub const PASSWORD: &str = "velvet orchard counts rain";
/// 25 November 2026, 09:00 UTC.
const START_MS: i64 = 1_795_597_200_000;

pub struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Moment {
        Moment(self.0.load(Ordering::SeqCst))
    }
}

/// Somebody with a session.
#[derive(Clone)]
pub struct Person {
    pub email: String,
    /// As an authenticator app keeps it.
    pub secret: String,
    pub token: String,
    pub recovery_codes: Vec<String>,
}

pub struct Api {
    pub router: Router,
    pub app: App,
    pub clock: Arc<TestClock>,
    pub entropy: Entropy,
    people: Vec<(Role, Person)>,
    /// In the doctor's care.
    pub patient: String,
    _key: tempfile::TempDir,
}

/// What came back. `json` is null when it is none.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub json: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
    pub fn text(&self, name: &str) -> String {
        self.json[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.json)).to_owned()
    }
    /// Status and code of a refusal, which must have the shape that all have.
    pub fn refusal(&self) -> (u16, String) {
        let error = &self.json["error"];
        assert!(error.is_object(), "{}", self.status);
        assert_eq!(self.header("content-type"), "application/json", "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(error["request"].as_str().unwrap(), self.header("x-request-id"), "{}", self.json);
        assert!(!error["message"].as_str().unwrap().is_empty() && error["fields"].is_array(), "{}", self.json);
        (self.status.as_u16(), error["code"].as_str().unwrap().to_owned())
    }
    /// The fields that a refusal names.
    pub fn fields(&self) -> Vec<String> {
        let fields = self.json["error"]["fields"].as_array().unwrap();
        fields.iter().map(|field| field["field"].as_str().unwrap().to_owned()).collect()
    }
}

impl Api {
    pub async fn open() -> Self {
        let entropy = Entropy::new(ChaCha20Rng::seed_from_u64(11));
        let key = tempfile::tempdir().unwrap();
        let provider = KeyFile::create(&key.path().join("root.key"), &mut |buffer| entropy.fill(buffer)).unwrap();
        let (control, records) = (Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()));
        let parts = Parts { control, records, provider: Box::new(provider), paths: None, node: wardkeep_app::hospital::NODE.to_owned() };
        let clock = Arc::new(TestClock(AtomicI64::new(START_MS)));
        let hospital =
            Hospital { name: "Site General".to_owned(), id: "0011223344556677".to_owned(), registration_open: true, demo: false };
        let app = App::create(parts, hospital, &visit(&clock, &entropy)).await.unwrap();
        let settings = Settings { origin: ORIGIN.to_owned(), secure: false, sign_on: None, publish_log: false };
        let web = Web::new(app.clone(), clock.clone(), entropy.clone(), settings);
        let router = wardkeep_web::router(web);
        let mut api = Self { router, app, clock, entropy, people: Vec::new(), patient: String::new(), _key: key };
        for role in Role::ALL {
            let person = api.join(role, &format!("{}@site.example", role.code())).await;
            api.people.push((role, person));
        }
        api.patient = api.post(Role::Doctor, "/api/v1/patients", json!({"patient": patient("A-1001", "Okafor")})).await.text("id");
        api
    }

    pub fn person(&self, role: Role) -> &Person {
        &self.people.iter().find(|(of, _)| *of == role).unwrap().1
    }
    pub fn visit(&self) -> Visit {
        visit(&self.clock, &self.entropy)
    }
    pub fn pass_ms(&self, ms: i64) {
        self.clock.0.fetch_add(ms, Ordering::SeqCst);
    }
    /// What the person's authenticator app shows.
    pub fn code(&self, person: &Person) -> String {
        let secret = totp_rs::Secret::try_from_base32(person.secret.replace(' ', "")).unwrap();
        let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        totp.generate(u64::try_from(self.clock.now().0).unwrap() / 1000).to_string()
    }

    /// An account of this role, signed in for the first time.
    pub async fn join(&self, role: Role, email: &str) -> Person {
        let form = NewAccount {
            email: email.to_owned(),
            display_name: format!("{} One", role.label()),
            password: PASSWORD.to_owned(),
            password_again: PASSWORD.to_owned(),
        };
        if role == Role::Patient {
            self.app.register(&self.visit(), &form).await.unwrap();
        } else {
            let operator = self.app.operator(self.visit());
            let (_, token) = self.app.invite(&operator, email, &form.display_name, role.code()).await.unwrap();
            self.app.accept_invitation(&self.visit(), &token, &form).await.unwrap();
        }
        let pending = self.sign_in(email).await;
        assert_eq!(pending.text("next"), "enrol");
        let enrolment = self.with(&pending.text("token"), "GET", "/api/v1/sign-in/enrolment", None).await;
        let mut person =
            Person { email: email.to_owned(), secret: enrolment.text("key"), token: pending.text("token"), recovery_codes: Vec::new() };
        let signed = self.with(&person.token, "POST", "/api/v1/sign-in/enrolment", Some(json!({"code": self.code(&person)}))).await;
        person.token = signed.text("token");
        person.recovery_codes = serde_json::from_value(signed.json["recovery_codes"].clone()).unwrap();
        person
    }

    /// The first step.
    pub async fn sign_in(&self, email: &str) -> Answer {
        let body = json!({"email": email, "password": PASSWORD});
        let request = request("POST", "/api/v1/sign-in").header("x-wardkeep", "1").header(header::CONTENT_TYPE, "application/json");
        self.raw(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub async fn raw(&self, mut request: Request<Body>) -> Answer {
        from_here(&mut request, "curl/8.0");
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        let json = serde_json::from_slice(&body).unwrap_or_default();
        Answer { status: parts.status, headers: parts.headers, body, json }
    }
    /// A call with this bearer token.
    pub async fn with(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = request(method, path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        let request = match body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.raw(request.unwrap()).await
    }
    pub async fn get(&self, role: Role, path: &str) -> Answer {
        self.with(&self.person(role).token, "GET", path, None).await
    }
    pub async fn post(&self, role: Role, path: &str, body: Value) -> Answer {
        self.with(&self.person(role).token, "POST", path, Some(body)).await
    }
    /// A call without a body.
    pub async fn act(&self, role: Role, method: &str, path: &str) -> Answer {
        self.with(&self.person(role).token, method, path, None).await
    }
}

pub fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path)
}

pub fn patient(mrn: &str, family: &str) -> Value {
    json!({
        "mrn": mrn, "family_name": family, "given_name": "Grace", "birth_date": "1958-03-14", "sex": "female",
        "address": "17 Canal Row", "allergies": "known", "allergy_text": "Penicillin: rash",
    })
}

pub fn record(title: &str) -> Value {
    json!({"record_type": "note", "title": title, "body": "Comfortable overnight.", "event_at": "2026-11-22T14:06:30Z"})
}

/// The JSON for a snapshot, without the values that only chance decides.
pub fn shape(json: &Value, chance: &[&str]) -> String {
    fn hidden(value: &Value, chance: &[&str]) -> Value {
        match value {
            Value::Object(object) => {
                let hide = |(key, value): (&String, &Value)| {
                    let by_chance = chance.contains(&key.as_str()) && !value.is_null();
                    (key.clone(), if by_chance { json!(format!("[{key}]")) } else { hidden(value, chance) })
                };
                Value::Object(object.iter().map(hide).collect())
            }
            Value::Array(values) => values.iter().map(|value| hidden(value, chance)).collect(),
            value => value.clone(),
        }
    }
    serde_json::to_string_pretty(&hidden(json, chance)).unwrap()
}

fn visit(clock: &TestClock, entropy: &Entropy) -> Visit {
    let (address, device) = ("192.0.2.1".to_owned(), "curl".to_owned());
    Visit { now: clock.now(), entropy: entropy.clone(), request: entropy.bytes(), address, device }
}
