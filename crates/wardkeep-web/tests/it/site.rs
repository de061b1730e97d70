//! A small hospital behind its router: an account of every role, signed in; one patient near to
//! doctor, nurse and the patient's own account, and one far from all of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tower::ServiceExt;
use wardkeep_app::accounts::NewAccount;
use wardkeep_app::hospital::{Hospital, Parts};
use wardkeep_app::patients::Created;
use wardkeep_app::{App, Ctx, Entropy, Visit};
use wardkeep_domain::account::Role;
use wardkeep_domain::account::password::Password;
use wardkeep_domain::date::Moment;
use wardkeep_domain::document::DocumentForm;
use wardkeep_domain::patient::PatientForm;
use wardkeep_domain::record::RecordForm;
use wardkeep_domain::stroke::AssessmentForm;
use wardkeep_domain::{AccountId, AssessmentId, DocumentId, PatientId, RecordId};
use wardkeep_vault::KeyFile;
use wardkeep_web::{Clock, Settings, Web};

use crate::breakable::Breakable;
use crate::issuer::Issuer;

pub const ORIGIN: &str = "http://localhost:8080";
/// 25 November 2026, 09:00 UTC.
const START_MS: i64 = 1_795_597_200_000;
pub const PASSWORD: &str = "velvet orchard counts rain";

pub struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Moment {
        Moment(self.0.load(Ordering::SeqCst))
    }
}

/// Somebody with a session.
#[derive(Clone)]
pub struct Person {
    pub role: Role,
    pub email: String,
    pub id: AccountId,
    pub token: String,
    pub csrf: String,
}

pub struct Site {
    pub router: Router,
    pub app: App,
    pub web: Web,
    pub clock: Arc<TestClock>,
    pub control: Arc<Breakable>,
    pub records: Arc<Breakable>,
    pub entropy: Entropy,
    pub people: Vec<Person>,
    /// A second doctor, who cares for the far patient.
    pub other: Person,
    /// A nurse who comes and goes.
    pub locum: Person,
    /// A second administrator.
    pub deputy: Person,
    pub near: PatientId,
    pub far: PatientId,
    /// The hospital's own sign-in service.
    pub issuer: Issuer,
    _key: tempfile::TempDir,
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
    /// The value of a cookie that this answer sets.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let lines = self.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap());
        lines.filter_map(|line| line.split(';').next()?.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }
}

pub const ROLES: [(Role, &str); 8] = [
    (Role::Administrator, "admin@site.example"),
    (Role::Doctor, "doctor@site.example"),
    (Role::Nurse, "nurse@site.example"),
    (Role::Registrar, "registrar@site.example"),
    (Role::PrivacyOfficer, "privacy@site.example"),
    (Role::StrokeCoordinator, "coordinator@site.example"),
    (Role::Researcher, "researcher@site.example"),
    (Role::Patient, "patient@site.example"),
];

pub fn patient_form(mrn: &str, family: &str) -> PatientForm {
    let text = |text: &str| text.to_owned();
    PatientForm {
        mrn: text(mrn),
        family_name: text(family),
        given_name: text("Quillon"),
        birth_day: text("14"),
        birth_month: text("3"),
        birth_year: text("1958"),
        sex: text("female"),
        address: text("17 Canarystreet"),
        phone: text("07700 900 123"),
        email: text("canary.contact@site.example"),
        next_of_kin: text("Orsolya Canarykin"),
        allergies: text("known"),
        allergy_text: text("Canaryallergy"),
        ..PatientForm::default()
    }
}

pub fn record_form(title: &str, body: &str) -> RecordForm {
    RecordForm { record_type: "note".to_owned(), title: title.to_owned(), body: body.to_owned(), ..RecordForm::default() }
}

pub fn assessment_form() -> AssessmentForm {
    let text = |text: &str| text.to_owned();
    AssessmentForm {
        gender: text("Female"),
        age: text("67"),
        hypertension: text("1"),
        heart_disease: text("0"),
        ever_married: text("Yes"),
        work_type: text("Private"),
        residence_type: text("Urban"),
        avg_glucose_level: text("104.2"),
        bmi: text("27.1"),
        smoking_status: text("never smoked"),
        stroke: text("0"),
        ..AssessmentForm::default()
    }
}

/// Names and numbers that may stand in pages of those who may see them, and nowhere else.
pub const NEAR_MRN: &str = "CANARY-4471";
pub const FAR_MRN: &str = "CANARY-9902";
pub const NEAR_FAMILY: &str = "Zanzibarova";
pub const FAR_FAMILY: &str = "Farawayska";

impl Site {
    pub async fn open() -> Self {
        let issuer = Issuer::open();
        let site =
            Self::with(Settings { origin: ORIGIN.to_owned(), secure: false, sign_on: Some(issuer.provider()), publish_log: false }).await;
        Self { issuer, ..site }
    }

    pub async fn with(settings: Settings) -> Self {
        let entropy = Entropy::new(ChaCha20Rng::seed_from_u64(7));
        let key = tempfile::tempdir().unwrap();
        let provider = KeyFile::create(&key.path().join("root.key"), &mut |buffer| entropy.fill(buffer)).unwrap();
        let (control, records) = (Arc::new(Breakable::default()), Arc::new(Breakable::default()));
        let parts = Parts {
            control: control.clone(),
            records: records.clone(),
            provider: Box::new(provider),
            paths: None,
            node: wardkeep_app::hospital::NODE.to_owned(),
        };
        let clock = Arc::new(TestClock(AtomicI64::new(START_MS)));
        let visit = visit(&clock, &entropy);
        // A demo hospital tells codes, as an authenticator app would.
        let hospital = Hospital { name: "Site General".to_owned(), id: "0011223344556677".to_owned(), registration_open: true, demo: true };
        let app = App::create(parts, hospital, &visit).await.unwrap();
        let web = Web::new(app.clone(), clock.clone(), entropy.clone(), settings);
        let mut people = Vec::new();
        for (role, email) in ROLES {
            people.push(join(&app, &visit, role, email).await);
        }
        let other = join(&app, &visit, Role::Doctor, "other@site.example").await;
        let locum = join(&app, &visit, Role::Nurse, "locum@site.example").await;
        let deputy = join(&app, &visit, Role::Administrator, "deputy@site.example").await;
        let (near, far) = (PatientId::from_bytes([0; 16]), PatientId::from_bytes([0; 16]));
        let router = wardkeep_web::router(web.clone());
        let mut site = Self {
            router,
            app,
            web,
            clock,
            control,
            records,
            entropy,
            people,
            other,
            locum,
            deputy,
            near,
            far,
            issuer: Issuer::open(),
            _key: key,
        };
        site.fill().await;
        site
    }

    async fn fill(&mut self) {
        let doctor = self.ctx(self.person(Role::Doctor)).await;
        let other = self.ctx(&self.other).await;
        let registrar = self.ctx(self.person(Role::Registrar)).await;
        self.near = self.patient(&doctor, &patient_form(NEAR_MRN, NEAR_FAMILY)).await;
        self.far = self.patient(&other, &patient_form(FAR_MRN, FAR_FAMILY)).await;
        self.app.assign_care(&doctor, self.near, &self.person(Role::Nurse).email).await.unwrap();
        self.app.link_account(&registrar, &self.person(Role::Patient).email, self.near).await.unwrap();
    }

    pub async fn patient(&self, ctx: &Ctx, form: &PatientForm) -> PatientId {
        match self.app.create_patient(ctx, form, true).await.unwrap() {
            Created::Done(id) => id,
            Created::Duplicates(_) => panic!("looks like another"),
        }
    }

    pub fn person(&self, role: Role) -> &Person {
        self.people.iter().find(|person| person.role == role).unwrap()
    }
    pub fn visit(&self) -> Visit {
        visit(&self.clock, &self.entropy)
    }
    pub async fn ctx(&self, person: &Person) -> Ctx {
        self.app.authenticate(self.visit(), &person.token).await.unwrap()
    }
    pub fn operator(&self) -> Ctx {
        self.app.operator(self.visit())
    }
    pub fn pass_ms(&self, ms: i64) {
        self.clock.0.fetch_add(ms, Ordering::SeqCst);
    }

    /// Who treats this patient.
    pub fn doctor_of(&self, patient: PatientId) -> &Person {
        if patient == self.far { &self.other } else { self.person(Role::Doctor) }
    }
    pub async fn record(&self, patient: PatientId) -> RecordId {
        let doctor = self.ctx(self.doctor_of(patient)).await;
        self.app.write_record(&doctor, patient, &record_form("Ward round", "Comfortable overnight.")).await.unwrap()
    }
    /// A new assessment.
    pub async fn assessment(&self, patient: PatientId) -> AssessmentId {
        let doctor = self.ctx(self.doctor_of(patient)).await;
        self.app.write_assessment(&doctor, patient, &assessment_form()).await.unwrap()
    }
    /// A new document.
    pub async fn document(&self, patient: PatientId) -> DocumentId {
        let doctor = self.ctx(self.doctor_of(patient)).await;
        let mut upload = self.app.begin_upload(&doctor, patient, &DocumentForm::new("letter.txt", "text/plain", "A letter")).await.unwrap();
        upload.push(b"Dear colleague,\n").await.unwrap();
        upload.finish(self.visit().now).await.unwrap()
    }

    /// One more account, signed in.
    pub async fn join(&self, role: Role, email: &str) -> Person {
        join(&self.app, &self.visit(), role, email).await
    }
    /// Another session of the same person.
    pub async fn sign_in_again(&self, person: &Person) -> Person {
        // Each code counts once.
        self.pass_ms(60_000);
        let visit = self.visit();
        let pending = self.app.sign_in(&visit, &person.email, &Password::typed(PASSWORD)).await.unwrap();
        let code = self.app.demo_code(&visit, &person.email).await.unwrap();
        let token = self.app.sign_in_code(&visit, &pending.token, &code).await.unwrap().token;
        with_session(&self.app, visit, person.role, &person.email, token).await
    }

    pub async fn raw(&self, mut request: Request<Body>) -> Answer {
        from_here(&mut request, AGENT);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
        Answer { status: parts.status, headers: parts.headers, body }
    }
    pub async fn get(&self, who: Option<&Person>, path: &str) -> Answer {
        self.raw(get(who.map(|person| person.token.as_str()), path)).await
    }
    /// Posts a form as the person's own browser would: same origin, with the form token.
    pub async fn post(&self, who: &Person, path: &str, fields: &[(&str, &str)]) -> Answer {
        let fields: Vec<(&str, &str)> = std::iter::once(("csrf", who.csrf.as_str())).chain(fields.iter().copied()).collect();
        self.raw(post(Some(&who.token), path, &fields)).await
    }
    /// Posts a form as a visitor.
    pub async fn knock(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.raw(post(None, path, fields)).await
    }
}

/// From the address and device that `visit` names, unless the test says otherwise.
pub fn from_here(request: &mut Request<Body>, agent: &'static str) {
    request.headers_mut().entry(header::USER_AGENT).or_insert(header::HeaderValue::from_static(agent));
    if request.extensions().get::<ConnectInfo<SocketAddr>>().is_none() {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 50_000))));
    }
}

pub fn get(token: Option<&str>, path: &str) -> Request<Body> {
    request("GET", token, path).body(Body::empty()).unwrap()
}

pub fn request(method: &str, token: Option<&str>, path: &str) -> http::request::Builder {
    let builder = Request::builder().method(method).uri(path).header("sec-fetch-site", "same-origin");
    match token {
        Some(token) => builder.header(header::COOKIE, format!("wardkeep-session={token}")),
        None => builder,
    }
}

pub fn post(token: Option<&str>, path: &str, fields: &[(&str, &str)]) -> Request<Body> {
    request("POST", token, path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(urlencoded(fields)))
        .unwrap()
}

pub fn urlencoded(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| {
        text.bytes()
            .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect::<String>()
    };
    fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect::<Vec<_>>().join("&")
}

/// What `visit` calls "Firefox on Linux".
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

fn visit(clock: &TestClock, entropy: &Entropy) -> Visit {
    Visit {
        now: clock.now(),
        entropy: entropy.clone(),
        request: entropy.bytes(),
        address: "192.0.2.1".to_owned(),
        device: "Firefox on Linux".to_owned(),
    }
}

pub fn totp(base32: &str, now: Moment) -> String {
    let secret = totp_rs::Secret::try_from_base32(base32.replace(' ', "")).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    totp.generate(u64::try_from(now.0).unwrap() / 1000).to_string()
}

/// From invitation or registration to a session, as a person would.
async fn join(app: &App, visit: &Visit, role: Role, email: &str) -> Person {
    let form = NewAccount {
        email: email.to_owned(),
        display_name: format!("Staffname {}", role.label()),
        password: PASSWORD.to_owned(),
        password_again: PASSWORD.to_owned(),
    };
    if role == Role::Patient {
        app.register(visit, &form).await.unwrap();
    } else {
        let (_, token) = app.invite(&app.operator(visit.clone()), email, &form.display_name, role.code()).await.unwrap();
        app.accept_invitation(visit, &token, &form).await.unwrap();
    }
    let pending = app.sign_in(visit, email, &Password::typed(PASSWORD)).await.unwrap();
    let key = app.enrolment(visit, &pending.token).await.unwrap().key;
    let token = app.enrol(visit, &pending.token, &totp(&key, visit.now)).await.unwrap().token;
    with_session(app, visit.clone(), role, email, token).await
}

async fn with_session(app: &App, visit: Visit, role: Role, email: &str, token: String) -> Person {
    let ctx = app.authenticate(visit, &token).await.unwrap();
    Person { role, email: email.to_owned(), id: ctx.account_id(), token, csrf: ctx.form_token().to_owned() }
}
