//! A hospital for tests: real use cases over a store, a clock that tests move, fixed randomness.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tempfile::TempDir;
use totp_rs::{Builder, Secret};
use wardkeep_app::accounts::NewAccount;
use wardkeep_app::hospital::{Hospital, NODE, Parts};
use wardkeep_app::patients::Created;
use wardkeep_app::policies::Site;
use wardkeep_app::{App, Ctx, Entropy, Visit};
use wardkeep_domain::PatientId;
use wardkeep_domain::account::Role;
use wardkeep_domain::account::password::Password;
use wardkeep_domain::date::Moment;
use wardkeep_domain::patient::PatientForm;
use wardkeep_ledger::commitment::Label;
use wardkeep_ledger::{Class, Commitment, Draft, EventId, Leaf, Outcome, Salt, StreamId};
use wardkeep_store::{Changeset, DocId, Erase, Kind, MemoryStore, Owner, Put, Seq, SqliteOptions, SqliteStore, Store, Version, Writer};
use wardkeep_vault::KeyFile;

/// 25 November 2026.
const START_MS: i64 = 1_795_600_000_000;

pub(crate) struct House {
    pub(crate) app: App,
    pub(crate) records: Arc<dyn Store>,
    pub(crate) control: Arc<dyn Store>,
    entropy: Entropy,
    now_ms: AtomicI64,
    key: TempDir,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::over(Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new())).await
    }
    /// `pages_max`: where the records store finds its disk full.
    pub(crate) async fn on_disk(dir: &Path, pages_max: Option<u32>) -> Self {
        let open = |name: &str, pages_max| {
            Arc::new(SqliteStore::open(&dir.join(name), SqliteOptions { pages_max, ..SqliteOptions::default() }).unwrap())
        };
        Self::over(open("control.db", None), open("records.db", pages_max)).await
    }
    async fn over(control: Arc<dyn Store>, records: Arc<dyn Store>) -> Self {
        let key = tempfile::tempdir().unwrap();
        let entropy = Entropy::new(ChaCha20Rng::from_seed([7; 32]));
        let provider = KeyFile::create(&key.path().join("root.key"), &mut |buffer| entropy.fill(buffer)).unwrap();
        let parts =
            Parts { control: control.clone(), records: records.clone(), provider: Box::new(provider), paths: None, node: NODE.to_owned() };
        let hospital = Hospital { name: "Test".to_owned(), id: "test".to_owned(), registration_open: true, demo: false };
        let now_ms = AtomicI64::new(START_MS);
        let app = App::create(parts, hospital, &visit(&entropy, &now_ms)).await.unwrap();
        Self { app, records, control, entropy, now_ms, key }
    }
    /// Another process of the same hospital.
    pub(crate) async fn node(&self, name: &str) -> App {
        self.node_with(name, Site::default()).await.unwrap()
    }
    /// The same, under policies of the hospital's own.
    pub(crate) async fn node_with(&self, name: &str, site: Site) -> wardkeep_app::Result<App> {
        let provider = Box::new(KeyFile::open(&self.key.path().join("root.key")).unwrap());
        let (control, records) = (self.control.clone(), self.records.clone());
        App::open_with(Parts { control, records, provider, paths: None, node: name.to_owned() }, site, &self.visit()).await
    }
    pub(crate) fn visit(&self) -> Visit {
        visit(&self.entropy, &self.now_ms)
    }
    pub(crate) fn wait_ms(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }
    pub(crate) fn operator(&self) -> Ctx {
        self.app.operator(self.visit())
    }

    /// Invites somebody and signs them in as they would do it themselves; gives the session's token.
    pub(crate) async fn sign_in(&self, role: Role, email: &str) -> String {
        let visit = self.visit();
        let password = "velvet orchard counts rain";
        let (_, link) = self.app.invite(&self.operator(), email, "Test Person", role.code()).await.unwrap();
        let again = password.to_owned();
        let form =
            NewAccount { email: email.to_owned(), display_name: "Test Person".to_owned(), password: again.clone(), password_again: again };
        self.app.accept_invitation(&visit, &link, &form).await.unwrap();
        let pending = self.app.sign_in(&visit, email, &Password::typed(password)).await.unwrap();
        let key = self.app.enrolment(&visit, &pending.token).await.unwrap().key.replace(' ', "");
        self.app.enrol(&visit, &pending.token, &code(&key, visit.now)).await.unwrap().token
    }
    /// A new request of a signed-in person.
    pub(crate) async fn request(&self, token: &str) -> Ctx {
        self.app.authenticate(self.visit(), token).await.unwrap()
    }
    /// Somebody new, signed in.
    pub(crate) async fn staff(&self, role: Role, email: &str) -> Ctx {
        let token = self.sign_in(role, email).await;
        self.request(&token).await
    }
    /// A patient in the care of the doctor or nurse who registers it.
    pub(crate) async fn patient(&self, ctx: &Ctx, mrn: &str) -> PatientId {
        match self.app.create_patient(ctx, &patient_form(mrn), true).await.unwrap() {
            Created::Done(patient) => patient,
            Created::Duplicates(_) => panic!("asked not to look for duplicates"),
        }
    }

    /// How many events of a class the records log holds.
    pub(crate) async fn events(&self, class: Class) -> usize {
        let stream = StreamId::parse("records.main").unwrap();
        let entries = self.records.entries(&stream, 0, usize::MAX >> 1).await.unwrap();
        entries.iter().filter(|entry| Leaf::decode(&entry.leaf).unwrap().class == class).count()
    }
    /// What somebody with the store but without keys can do: a second version of a patient's document.
    pub(crate) async fn overwrite(&self, kind: Kind, id: [u8; 16], patient: PatientId) {
        overwrite(&self.records, kind, id, patient).await;
    }
    /// The same to the patient's wrapped key.
    pub(crate) async fn damage_key(&self, patient: PatientId) {
        overwrite(&self.control, Kind(4), patient.bytes(), patient).await;
    }
    /// Removes a patient's key with the event that says so, as a node called `eraser` would.
    pub(crate) async fn shred_key(&self, patient: PatientId) {
        let writer = Writer { stream: StreamId::parse("control.eraser").unwrap(), boot: [1; 16] };
        let nothing = Commitment::new(&Salt([0; 32]), Label::Detail, &[]);
        let event = Draft {
            time_ms: self.visit().now.0,
            event: EventId([1; 16]),
            class: Class::KeyShredded,
            outcome: Outcome::Success,
            actor: nothing,
            subject: None,
            resource: nothing,
            detail: nothing,
        };
        let erases = vec![Erase { kind: Kind(4), id: DocId(patient.bytes()) }];
        let change = Changeset { erases, events: vec![event], ..Changeset::default() };
        self.control.commit(&writer, vec![change]).await.unwrap()[0].as_ref().unwrap();
    }
    /// How many versions of a kind the records store holds.
    pub(crate) async fn stored(&self, kind: Kind) -> usize {
        self.records.changed_since(Some(kind), Seq(0), usize::MAX >> 1).await.unwrap().len()
    }
}

async fn overwrite(store: &Arc<dyn Store>, kind: Kind, id: [u8; 16], patient: PatientId) {
    let writer = Writer { stream: StreamId::parse("records.rogue").unwrap(), boot: [1; 16] };
    let (id, owner, version) = (DocId(id), Owner(patient.bytes()), Version(2));
    let put = Put { kind, id, owner, version, sealed: vec![7; 300], terms: Vec::new(), unique: Vec::new() };
    let change = Changeset { puts: vec![put], ..Changeset::default() };
    store.commit(&writer, vec![change]).await.unwrap()[0].as_ref().unwrap();
}

fn visit(entropy: &Entropy, now_ms: &AtomicI64) -> Visit {
    Visit {
        now: Moment(now_ms.load(Ordering::Relaxed)),
        entropy: entropy.clone(),
        request: entropy.bytes(),
        address: "192.0.2.7".to_owned(),
        device: "Test".to_owned(),
    }
}

pub(crate) fn patient_form(mrn: &str) -> PatientForm {
    let text = |text: &str| text.to_owned();
    PatientForm {
        mrn: text(mrn),
        family_name: text("Okafor"),
        given_name: text("Grace"),
        birth_day: text("4"),
        birth_month: text("5"),
        birth_year: text("1960"),
        sex: text("female"),
        allergies: text("none_known"),
        ..PatientForm::default()
    }
}

/// What an authenticator app shows.
pub(crate) fn code(key: &str, now: Moment) -> String {
    let seconds = u64::try_from(now.0).unwrap() / 1000;
    Builder::new().with_secret(Secret::try_from_base32(key).unwrap()).build().unwrap().generate(seconds).to_string()
}
