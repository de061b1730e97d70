//! A small hospital on disk, made through the use cases, and everything of it that can be read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures::TryStreamExt;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use wardkeep_app::accounts::NewAccount;
use wardkeep_app::hospital::{Hospital, Parts, Paths};
use wardkeep_app::integrity::Badge;
use wardkeep_app::patients::{Created, Search};
use wardkeep_app::{App, Ctx, Entropy, Error, Visit};
use wardkeep_domain::account::password::Password;
use wardkeep_domain::date::Moment;
use wardkeep_domain::document::DocumentForm;
use wardkeep_domain::patient::PatientForm;
use wardkeep_domain::record::RecordForm;
use wardkeep_domain::{DocumentId, PatientId, RecordId};
use wardkeep_store::{SqliteOptions, SqliteStore, Store};
use wardkeep_vault::KeyFile;

pub(crate) const DOCTOR: &str = "doctor@clinic.example";
const STAFF: [(&str, &str, &str); 4] = [
    ("administrator", "admin@clinic.example", "Ines Navarro"),
    ("doctor", DOCTOR, "Dr Ana Moreau"),
    ("registrar", "registrar@clinic.example", "Tomas Berg"),
    ("privacy_officer", "privacy@clinic.example", "Mara Lindqvist"),
];
const PASSWORD: &str = "velvet orchard counts rain";

/// An open hospital with a clock that moves by itself, one second for each request.
pub(crate) struct Clinic {
    pub app: App,
    entropy: Entropy,
    now: AtomicI64,
}

/// What a copy needs to be opened and read again.
#[derive(Clone, Default)]
pub(crate) struct Known {
    pub now: i64,
    /// Session tokens by role.
    pub tokens: BTreeMap<&'static str, String>,
    pub patients: Vec<PatientId>,
    pub records: Vec<(PatientId, RecordId)>,
    /// Every text that was ever true, by what it says something about.
    pub genuine: BTreeMap<String, BTreeSet<String>>,
}

pub(crate) fn entropy(seed: u64) -> Entropy {
    Entropy::new(ChaCha20Rng::seed_from_u64(seed))
}

fn parts(dir: &Path, provider: KeyFile, options: SqliteOptions) -> Result<Parts, String> {
    let paths = Paths::new(dir);
    let open = |path: &Path| SqliteStore::open(path, options).map(Arc::new).map_err(|error| error.to_string());
    Ok(Parts {
        control: open(&paths.control())?,
        records: open(&paths.records())?,
        provider: Box::new(provider),
        paths: Some(paths),
        node: wardkeep_app::hospital::NODE.to_owned(),
    })
}

impl Clinic {
    pub(crate) async fn create(dir: &Path, seed: u64, now: i64) -> Self {
        Self::create_of(seed, now, dir, |provider| parts(dir, provider, SqliteOptions::default()).unwrap()).await
    }

    /// Over two stores of any engine, as the node `setup`.
    pub(crate) async fn create_over(dir: &Path, seed: u64, now: i64, [control, records]: [Arc<dyn Store>; 2]) -> Self {
        let paths = Some(Paths::new(dir));
        let parts = |provider: KeyFile| Parts { control, records, provider: Box::new(provider), paths, node: "setup".to_owned() };
        Self::create_of(seed, now, dir, parts).await
    }

    async fn create_of(seed: u64, now: i64, dir: &Path, parts: impl FnOnce(KeyFile) -> Parts) -> Self {
        let entropy = entropy(seed);
        let provider = KeyFile::create(&Paths::new(dir).root_key(), &mut |buffer| entropy.fill(buffer)).unwrap();
        let hospital = Hospital { name: "Northgate".to_owned(), id: format!("{seed:016x}"), registration_open: true, demo: false };
        let visit = visit(&entropy, now);
        let app = App::create(parts(provider), hospital, &visit).await.unwrap();
        let clinic = Self { app, entropy, now: AtomicI64::new(now) };
        clinic.app.tick(&clinic.visit()).await.unwrap();
        clinic
    }

    /// # Errors
    /// Why opening was refused.
    pub(crate) async fn open(dir: &Path, seed: u64, now: i64) -> Result<Self, String> {
        Self::open_with(dir, seed, now, SqliteOptions::default()).await
    }

    /// # Errors
    /// Why opening was refused.
    pub(crate) async fn open_with(dir: &Path, seed: u64, now: i64, options: SqliteOptions) -> Result<Self, String> {
        let entropy = entropy(seed);
        let provider = KeyFile::open(&Paths::new(dir).root_key()).map_err(|error| error.to_string())?;
        let app = App::open(parts(dir, provider, options)?, &visit(&entropy, now)).await.map_err(|error| error.to_string())?;
        Ok(Self { app, entropy, now: AtomicI64::new(now) })
    }

    /// Over two stores of any engine, as the node `reader`.
    pub(crate) async fn open_over(dir: &Path, seed: u64, now: i64, [control, records]: [Arc<dyn Store>; 2]) -> Self {
        let entropy = entropy(seed);
        let provider = Box::new(KeyFile::open(&Paths::new(dir).root_key()).unwrap());
        let parts = Parts { control, records, provider, paths: Some(Paths::new(dir)), node: "reader".to_owned() };
        let app = App::open(parts, &visit(&entropy, now)).await.unwrap();
        Self { app, entropy, now: AtomicI64::new(now) }
    }

    pub(crate) fn visit(&self) -> Visit {
        visit(&self.entropy, self.now.fetch_add(1_000, Ordering::Relaxed))
    }

    /// # Errors
    /// What the program says when the session does not hold.
    pub(crate) async fn signed_in(&self, known: &Known, role: &str) -> Result<Ctx, Error> {
        self.app.authenticate(self.visit(), &known.tokens[role]).await
    }

    /// The text of every record of these patients, with how often it is there.
    pub(crate) async fn record_texts(&self, doctor: &Ctx, patients: &[PatientId]) -> HashMap<String, usize> {
        let mut texts = HashMap::new();
        for patient in patients {
            let mut after = None;
            loop {
                let (_, page) = self.app.list_records(doctor, *patient, after).await.unwrap();
                for view in page.items {
                    *texts.entry(view.record.unwrap().body).or_default() += 1;
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        texts
    }

    /// Seals the log and lets go of both files.
    pub(crate) async fn close(self, dir: &Path) -> i64 {
        self.app.shutdown(&self.visit()).await.unwrap();
        self.let_go(dir)
    }

    /// Lets go of both files as they are: there may be no room for a seal.
    pub(crate) async fn close_without_sealing(self, dir: &Path) -> i64 {
        let _ = self.app.shutdown(&self.visit()).await;
        self.let_go(dir)
    }

    fn let_go(self, dir: &Path) -> i64 {
        let now = self.now.load(Ordering::Relaxed);
        drop(self.app);
        let paths = Paths::new(dir);
        for path in [paths.control(), paths.records()] {
            let lock = File::options().write(true).open(format!("{}.lock", path.display())).unwrap();
            // The writer thread ends by itself; the lock says when.
            lock.lock().unwrap();
        }
        now
    }

    async fn sign_in(&self, email: &str) -> String {
        let pending = self.app.sign_in(&self.visit(), email, &Password::typed(PASSWORD)).await.unwrap();
        let key = self.app.enrolment(&self.visit(), &pending.token).await.unwrap().key.replace(' ', "");
        let totp = totp_rs::Builder::new().with_secret(totp_rs::Secret::try_from_base32(key).unwrap()).build().unwrap();
        let visit = self.visit();
        let code = totp.generate(u64::try_from(visit.now.0 / 1000).unwrap()).to_string();
        self.app.enrol(&visit, &pending.token, &code).await.unwrap().token
    }

    async fn staff(&self, known: &mut Known) {
        for (role, email, name) in STAFF {
            let form = NewAccount {
                email: email.to_owned(),
                display_name: name.to_owned(),
                password: PASSWORD.to_owned(),
                password_again: PASSWORD.to_owned(),
            };
            let (id, token) = self.app.invite(&self.app.operator(self.visit()), email, name, role).await.unwrap();
            self.app.accept_invitation(&self.visit(), &token, &form).await.unwrap();
            known.genuine.entry(format!("account {id}")).or_default().insert(format!("{email} {name} {role} invited"));
            known.tokens.insert(role, self.sign_in(email).await);
        }
        self.app.invite(&self.app.operator(self.visit()), "nurse@clinic.example", "Nila Patel", "nurse").await.unwrap();
        for (name, email) in [("Grace Okafor", "grace@home.example"), ("Per Berg", "per@home.example")] {
            let form = NewAccount {
                email: email.to_owned(),
                display_name: name.to_owned(),
                password: PASSWORD.to_owned(),
                password_again: PASSWORD.to_owned(),
            };
            self.app.register(&self.visit(), &form).await.unwrap();
        }
    }

    /// Staff, the first patients, and changes of what was written. What is true now is learnt.
    pub(crate) async fn fill_first_half(&self, patients: usize) -> Known {
        let mut known = Known::default();
        self.staff(&mut known).await;
        for number in 0..patients / 2 {
            self.patient(&mut known, number).await;
        }
        self.learn(&mut known).await;
        self.change(&mut known).await;
        self.learn(&mut known).await;
        known
    }

    /// The other patients and more changes.
    pub(crate) async fn fill_second_half(&self, mut known: Known, patients: usize) -> Known {
        for number in patients / 2..patients {
            self.patient(&mut known, number).await;
        }
        let csv = wardkeep_domain::stroke::generate::csv(6, 1);
        let imported = self.app.import(&self.app.operator(self.visit()), csv.as_bytes(), false, &|_, _| {}).await.unwrap();
        assert_eq!(imported.written, 6);
        let registrar = self.signed_in(&known, "registrar").await.unwrap();
        self.app.link_account(&registrar, "grace@home.example", known.patients[0]).await.unwrap();
        let doctor = self.signed_in(&known, "doctor").await.unwrap();
        let (patient, record) = known.records[1];
        let amended = RecordForm { version: "1".to_owned(), reason: "Late result".to_owned(), ..note("Late amendment") };
        self.app.amend_record(&doctor, patient, record, &amended).await.unwrap();
        // More entries than one tile of the log holds.
        for _ in 0..200 {
            self.app.demographics(&self.signed_in(&known, "doctor").await.unwrap(), known.patients[0]).await.unwrap();
        }
        // A minute later the streams note each other's heads.
        self.now.fetch_add(61_000, Ordering::Relaxed);
        self.app.tick(&self.visit()).await.unwrap();
        self.learn(&mut known).await;
        known
    }

    async fn patient(&self, known: &mut Known, number: usize) {
        let ctx = self.signed_in(known, "doctor").await.unwrap();
        let form = patient_form(number);
        let Created::Done(patient) = self.app.create_patient(&ctx, &form, true).await.unwrap() else { panic!("no patient") };
        known.patients.push(patient);
        for text in 0..3 {
            let ctx = self.signed_in(known, "doctor").await.unwrap();
            let record = self.app.write_record(&ctx, patient, &note(&format!("Note {text} of patient {number}"))).await.unwrap();
            known.records.push((patient, record));
        }
        self.documents_and_assessments(known, patient, number).await;
    }

    async fn documents_and_assessments(&self, known: &mut Known, patient: PatientId, number: usize) {
        let ctx = self.signed_in(known, "doctor").await.unwrap();
        let mut upload = self.app.begin_upload(&ctx, patient, &DocumentForm::new("letter.txt", "text/plain", "Letter")).await.unwrap();
        upload.push(format!("Dear colleague, this is letter {number}.\n").as_bytes()).await.unwrap();
        upload.finish(self.visit().now).await.unwrap();
        let attributes = wardkeep_domain::stroke::generate::Generator::new(number as u64).attributes();
        let form = wardkeep_domain::stroke::AssessmentForm::from_attributes(&attributes);
        self.app.write_assessment(&ctx, patient, &form).await.unwrap();
    }

    /// Amendments, a void, a corrected name, a changed care team, a suspended account.
    async fn change(&self, known: &mut Known) {
        let doctor = self.signed_in(known, "doctor").await.unwrap();
        let amended =
            |version: u64, body: &str| RecordForm { version: version.to_string(), reason: "Typing error".to_owned(), ..note(body) };
        let (patient, record) = known.records[0];
        self.app.amend_record(&doctor, patient, record, &amended(1, "First amendment")).await.unwrap();
        self.app.amend_record(&doctor, patient, record, &amended(2, "Second amendment")).await.unwrap();
        let (patient, record) = known.records[4];
        self.app.amend_record(&doctor, patient, record, &amended(1, "Other amendment")).await.unwrap();
        self.app.void_record(&doctor, patient, record, &amended(2, "")).await.unwrap();
        let corrected = PatientForm { given_name: "Corrected".to_owned(), ..patient_form(1) };
        self.app.amend_patient(&doctor, known.patients[1], 1, &corrected).await.unwrap();
        let admin = self.app.operator(self.visit());
        let other = self.app.account_by_email(&admin, "per@home.example").await.unwrap().account.id;
        self.app.suspend(&admin, other).await.unwrap();
    }

    /// Remembers everything that can be read now as genuine; nothing may be marked.
    async fn learn(&self, known: &mut Known) {
        let shown = self.read_everything(known).await;
        assert!(shown.problems.is_empty(), "{:?}", shown.problems);
        for (what, text) in shown.texts {
            known.genuine.entry(what).or_default().insert(text);
        }
    }

    /// Reads every list, chart and record as the people who may.
    pub(crate) async fn read_everything(&self, known: &Known) -> Shown {
        let mut shown = Shown::default();
        match self.signed_in(known, "doctor").await {
            Ok(doctor) => self.read_charts(&doctor, known, &mut shown).await,
            Err(error) => shown.problems.push(format!("sign-in: {error}")),
        }
        match self.signed_in(known, "registrar").await {
            Ok(registrar) => self.read_lists(&registrar, known, &mut shown).await,
            Err(error) => shown.problems.push(format!("sign-in: {error}")),
        }
        match self.app.accounts(&self.app.operator(self.visit()), None, None, None).await {
            Ok(page) => {
                for view in page.items {
                    let account = view.account;
                    let text =
                        format!("{} {} {} {}", account.email.as_str(), account.display_name, account.role.code(), account.state.code());
                    shown.texts.push((format!("account {}", account.id), text));
                }
            }
            Err(error) => shown.problems.push(format!("accounts: {error}")),
        }
        shown
    }

    async fn read_charts(&self, doctor: &Ctx, known: &Known, shown: &mut Shown) {
        for patient in &known.patients {
            match self.app.open_chart(doctor, *patient).await {
                Ok(chart) => {
                    let name = chart.patient.patient.name.as_ref().map(|name| format!("{} {}", name.family(), name.given()));
                    shown.texts.push((
                        format!("chart {patient} v{}", chart.patient.version),
                        format!("{name:?} {}", chart.patient.patient.mrn.as_str()),
                    ));
                    for member in chart.care_team {
                        shown.texts.push((format!("care {patient} {}", member.account), member.name));
                    }
                    for view in chart.records {
                        shown.record(*patient, &view);
                    }
                    for view in chart.documents {
                        let file = self.file(doctor, *patient, view.id).await;
                        let text = view.document.map(|document| format!("{} {:?}", document.description, document.file_type));
                        shown.sealed(format!("document {patient} {} v{}", view.id, view.version), view.badge, text);
                        match file {
                            Ok(text) => shown.texts.push((format!("file {patient} {}", view.id), text)),
                            Err(error) => shown.problems.push(format!("file: {error}")),
                        }
                    }
                    for view in chart.assessments {
                        let text = view.assessment.map(|assessment| serde_json::to_string(&assessment).unwrap());
                        shown.sealed(format!("assessment {patient} {} v{}", view.id, view.version), view.badge, text);
                    }
                }
                Err(error) => shown.problems.push(format!("chart: {error}")),
            }
        }
        match self.app.list_assessments(doctor, &wardkeep_domain::stroke::Filter::default(), None).await {
            Ok(page) => {
                for row in page.items {
                    let text = row.view.assessment.map(|assessment| serde_json::to_string(&assessment).unwrap());
                    shown.sealed(format!("assessment {} {} v{}", row.view.patient, row.view.id, row.view.version), row.view.badge, text);
                }
            }
            Err(error) => shown.problems.push(format!("assessments: {error}")),
        }
        for (patient, record) in &known.records {
            match self.app.read_record(doctor, *patient, *record).await {
                Ok(detail) => detail.versions.iter().for_each(|version| shown.record(*patient, version)),
                Err(error) => shown.problems.push(format!("record: {error}")),
            }
        }
    }

    /// A whole file; an error also when it breaks off.
    async fn file(&self, doctor: &Ctx, patient: PatientId, document: DocumentId) -> Result<String, Error> {
        let download = self.app.download(doctor, patient, document, None).await?;
        let portions: Vec<_> = download.stream.try_collect().await?;
        Ok(String::from_utf8_lossy(&portions.concat()).into_owned())
    }

    async fn read_lists(&self, registrar: &Ctx, known: &Known, shown: &mut Shown) {
        for number in 0..known.patients.len() {
            let search = Search { mrn: patient_form(number).mrn, ..Search::default() };
            match self.app.search_patients(registrar, &search, None).await {
                Ok(page) => {
                    for row in page.items {
                        let name = row.patient.name.as_ref().map(|name| format!("{} {}", name.family(), name.given()));
                        let text = name.map(|name| format!("{name} {}", row.patient.mrn.as_str()));
                        shown.sealed(format!("row {}", row.id), row.badge, text);
                    }
                }
                Err(error) => shown.problems.push(format!("search: {error}")),
            }
        }
    }
}

/// What the use cases gave out.
#[derive(Default)]
pub(crate) struct Shown {
    /// (what it is, its text), shown without any mark.
    pub texts: Vec<(String, String)>,
    /// Marked as failed, or an error.
    pub problems: Vec<String>,
}

impl Shown {
    fn sealed(&mut self, what: String, badge: Badge, text: Option<String>) {
        match (badge, text) {
            (Badge::CheckFailed, _) => self.problems.push(format!("{what}: Check failed")),
            (_, Some(text)) => self.texts.push((what, text)),
            (_, None) => self.texts.push((what, "nothing, but marked as verified".to_owned())),
        }
    }
    fn record(&mut self, patient: PatientId, view: &wardkeep_app::records::RecordView) {
        let text = view.record.as_ref().map(|record| format!("{} {}", record.title, record.body));
        self.sealed(format!("record {patient} {} v{}", view.id, view.version), view.badge, text);
    }
    /// Whatever was shown unmarked and was never true.
    pub(crate) fn wrong(&self, known: &Known) -> Vec<String> {
        let genuine = |what: &String, text: &String| known.genuine.get(what).is_some_and(|texts| texts.contains(text));
        self.texts.iter().filter(|(what, text)| !genuine(what, text)).map(|(what, text)| format!("{what}: {text}")).collect()
    }
}

fn visit(entropy: &Entropy, now: i64) -> Visit {
    Visit {
        now: Moment(now),
        entropy: entropy.clone(),
        request: entropy.bytes(),
        address: "192.0.2.7".to_owned(),
        device: "Test".to_owned(),
    }
}

fn patient_form(number: usize) -> PatientForm {
    PatientForm {
        mrn: format!("70410{number:04}"),
        family_name: ["Okafor", "Berg", "Novak", "Silva", "Tanaka", "Weber"][number % 6].to_owned(),
        given_name: format!("Given{}", ["a", "b", "c", "d", "e", "f"][number % 6]),
        birth_day: (1 + number % 28).to_string(),
        birth_month: "3".to_owned(),
        birth_year: (1940 + number).to_string(),
        sex: "female".to_owned(),
        allergies: "none_known".to_owned(),
        ..PatientForm::default()
    }
}

pub(crate) fn note(body: &str) -> RecordForm {
    RecordForm { record_type: "note".to_owned(), title: "Ward round".to_owned(), body: body.to_owned(), ..RecordForm::default() }
}
