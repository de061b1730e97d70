//! A hospital of a given size, made once and kept: every run works on a copy of it.
//!
//! Made by the library's ordinary use cases on the real store, without HTTP, many side by side so
//! that they share commits. Everything in it is invented.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Secret, Totp};
use wardkeep_app::accounts::NewAccount;
use wardkeep_app::hospital::{Parts, Paths};
use wardkeep_app::patients::Created;
use wardkeep_app::{App, Ctx, Entropy};
use wardkeep_domain::PatientId;
use wardkeep_domain::account::Role;
use wardkeep_domain::account::password::Password;
use wardkeep_domain::patient::PatientForm;
use wardkeep_domain::record::RecordForm;
use wardkeep_domain::stroke::generate::{self, Generator};
use wardkeep_store::{SqliteOptions, SqliteStore};
use wardkeep_vault::KeyFile;

use crate::machine;

pub(crate) const DOCTORS: usize = 16;
/// Patients of each doctor whose ids are kept, for writing.
const OWN_KEPT: usize = 8;
/// Records of the patient whose chart is opened.
pub(crate) const CHART_RECORDS: usize = 100;
/// Patients that searches look for.
const PROBES: u64 = 64;
/// Use cases that run side by side.
const AT_ONCE: usize = 128;
const STEP_S: u64 = 30;
const PASSWORD: &str = "seven quiet herons cross";

const FAMILIES: &str =
    "Adeyemi Bianchi Castillo Desai Eriksen Fischer Gupta Hughes Ivanova Jansen Kowalska Lindqvist Novak Okafor Petrov Rahman";
const GIVEN: &str = "Grace Per Tunde Jana Margaret Yusuf Anneliese Marco Meera Olga Henrik Fatima Kenji Lucia Samuel Ingrid";

/// What a run must know of a seeded hospital.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Seeded {
    pub patients: u64,
    pub stroke_rows: u64,
    pub patients_per_s: f64,
    pub stroke_rows_per_s: f64,
    pub doctors: Vec<Account>,
    pub officer: Account,
    /// The patient with [`CHART_RECORDS`] records; every doctor has care of it.
    pub chart: String,
    pub probes: Vec<Probe>,
}

/// A member of staff with everything that a sign-in needs.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    pub email: String,
    pub password: String,
    /// Base32, as authenticator apps take it.
    secret: String,
    /// The newest time step that was used.
    step: u64,
    /// Some patients in this person's care.
    pub patients: Vec<String>,
}

/// What is known of a patient that searches look for.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Probe {
    pub mrn: String,
    pub family: String,
    /// Day, month, year.
    pub born: [String; 3],
}

impl Account {
    fn totp(&self) -> Result<Totp> {
        let secret = Secret::try_from_base32(&self.secret).map_err(|error| anyhow!("{error}"))?;
        Builder::new().with_secret(secret).build().map_err(|error| anyhow!("{error}"))
    }
    /// The next code that counts: each time step counts once, so this may wait for the clock.
    pub(crate) async fn next_code(&mut self) -> Result<String> {
        loop {
            let now = u64::try_from(machine::moment().0).unwrap_or(0) / 1000 / STEP_S;
            let step = now.max(self.step + 1);
            // One step ahead of the clock is accepted.
            if step <= now + 1 {
                self.step = step;
                return Ok(self.totp()?.generate(step * STEP_S).to_string());
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
}

/// The directory of the hospital and what is known of it; makes it when it is not there.
pub(crate) fn seeded(root: &Path, binary: &Path, patients: u64, stroke_rows: u64) -> Result<(PathBuf, Seeded)> {
    let place = root.join(format!("{patients}-{stroke_rows}"));
    let known = place.join("seed.json");
    if !known.exists() {
        let part = place.with_extension("part");
        if part.exists() {
            std::fs::remove_dir_all(&part)?;
        }
        std::fs::create_dir_all(&part)?;
        let data = part.join("hospital");
        machine::run(binary, &[OsStr::new("init"), OsStr::new("--data"), data.as_os_str()])?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let seeded = runtime.block_on(make(&data, patients, stroke_rows))?;
        // Ends the tasks that hold the stores, so that the files are whole.
        drop(runtime);
        std::fs::write(part.join("seed.json"), serde_json::to_vec_pretty(&seeded)?)?;
        std::fs::rename(&part, &place)?;
    }
    let seeded = serde_json::from_slice(&std::fs::read(&known)?).with_context(|| format!("{}: remove it to seed anew", known.display()))?;
    Ok((place.join("hospital"), seeded))
}

/// Who works while a hospital is filled.
struct Staff {
    app: App,
    entropy: Entropy,
    tokens: Vec<String>,
}

/// The use cases over the hospital in this directory.
pub(crate) async fn open(data: &Path, entropy: &Entropy) -> Result<App> {
    let paths = Paths::new(data);
    let store = |path: &Path| SqliteStore::open(path, SqliteOptions::default()).map(Arc::new);
    let (control, records) = (store(&paths.control())?, store(&paths.records())?);
    let parts = Parts {
        control,
        records,
        provider: Box::new(KeyFile::open(&paths.root_key())?),
        paths: Some(paths),
        node: wardkeep_app::hospital::NODE.to_owned(),
    };
    Ok(App::open(parts, &machine::visit(entropy)).await?)
}

async fn make(data: &Path, patients: u64, stroke_rows: u64) -> Result<Seeded> {
    let entropy = machine::entropy()?;
    let app = open(data, &entropy).await?;
    let mut staff = Staff { app: app.clone(), entropy: entropy.clone(), tokens: Vec::new() };
    let mut doctors = Vec::new();
    for number in 1..=DOCTORS {
        let (account, token) = staff.person(&format!("doctor{number}@bench.example"), &format!("Dr Number {number}"), Role::Doctor).await?;
        staff.tokens.push(token);
        doctors.push(account);
    }
    let (officer, _) = staff.person("officer@bench.example", "Officer", Role::PrivacyOfficer).await?;
    let began = machine::now();
    let chart = staff.chart(&doctors).await?;
    staff.patients(patients, &mut doctors).await?;
    let patients_per_s = patients as f64 / began.elapsed().as_secs_f64();
    let began = machine::now();
    if stroke_rows > 0 {
        let csv = generate::csv(stroke_rows, 1);
        let report = app.import(&app.operator(machine::visit(&entropy)), csv.as_bytes(), false, &|_, _| {}).await?;
        ensure!(report.written == stroke_rows, "{} of {stroke_rows} stroke rows were written", report.written);
    }
    let stroke_rows_per_s = stroke_rows as f64 / began.elapsed().as_secs_f64();
    eprintln!("seeded {patients} patients at {patients_per_s:.0}/s, {stroke_rows} stroke rows at {stroke_rows_per_s:.0}/s");
    app.shutdown(&machine::visit(&entropy)).await?;
    let probes = (0..PROBES.min(patients)).map(|at| probe(1 + at * patients / PROBES.min(patients))).collect();
    Ok(Seeded { patients, stroke_rows, patients_per_s, stroke_rows_per_s, doctors, officer, chart, probes })
}

impl Staff {
    /// Invites somebody, accepts, signs in and enrols, as a person would.
    async fn person(&self, email: &str, name: &str, role: Role) -> Result<(Account, String)> {
        let visit = machine::visit(&self.entropy);
        let form = NewAccount {
            email: email.to_owned(),
            display_name: name.to_owned(),
            password: PASSWORD.to_owned(),
            password_again: PASSWORD.to_owned(),
        };
        let (_, token) = self.app.invite(&self.app.operator(visit.clone()), email, name, role.code()).await?;
        self.app.accept_invitation(&visit, &token, &form).await?;
        let pending = self.app.sign_in(&visit, email, &Password::typed(PASSWORD)).await?;
        let secret = self.app.enrolment(&visit, &pending.token).await?.key.replace(' ', "");
        let mut account = Account { email: email.to_owned(), password: PASSWORD.to_owned(), secret, step: 0, patients: Vec::new() };
        let code = account.next_code().await?;
        let signed = self.app.enrol(&machine::visit(&self.entropy), &pending.token, &code).await?;
        Ok((account, signed.token))
    }

    /// Every doctor's request of this moment.
    async fn doctors(&self) -> Result<Vec<Ctx>> {
        let authenticating = self.tokens.iter().map(|token| self.app.authenticate(machine::visit(&self.entropy), token));
        Ok(futures::future::try_join_all(authenticating).await?)
    }

    async fn patient(&self, doctor: &Ctx, form: &PatientForm) -> Result<PatientId> {
        match self.app.create_patient(doctor, form, true).await? {
            Created::Done(patient) => Ok(patient),
            Created::Duplicates(_) => bail!("a confirmed registration was asked about again"),
        }
    }

    /// The patient whose chart everybody opens.
    async fn chart(&self, doctors: &[Account]) -> Result<String> {
        let contexts = self.doctors().await?;
        let doctor = contexts.first().context("a doctor")?;
        let patient = self.patient(doctor, &PatientForm { mrn: "CHART-1".to_owned(), ..form(0) }).await?;
        for other in doctors.iter().skip(1) {
            self.app.assign_care(doctor, patient, &other.email).await?;
        }
        for number in 1..=CHART_RECORDS {
            self.app.write_record(doctor, patient, &note(number)).await?;
        }
        Ok(patient.to_string())
    }

    /// Patients 1 to `count`, each with one record.
    async fn patients(&self, count: u64, doctors: &mut [Account]) -> Result<()> {
        let mut done = 0;
        while done < count {
            // Each portion carries the time at which it is made.
            let contexts = &self.doctors().await?;
            let portion = (count - done).min(4096);
            let making = (done + 1..=done + portion).map(|number| async move {
                let at = usize::try_from(number).unwrap_or(0) % contexts.len();
                let doctor = contexts.get(at).context("a doctor")?;
                let patient = self.patient(doctor, &form(number)).await?;
                self.app.write_record(doctor, patient, &note(1)).await?;
                Ok::<_, anyhow::Error>((at, patient.to_string()))
            });
            let made: Vec<_> = futures::stream::iter(making).buffer_unordered(AT_ONCE).try_collect().await?;
            for (at, patient) in made {
                if let Some(own) = doctors.get_mut(at).map(|doctor| &mut doctor.patients).filter(|own| own.len() < OWN_KEPT) {
                    own.push(patient);
                }
            }
            done += portion;
            eprintln!("seeding: {done} of {count} patients");
        }
        Ok(())
    }
}

/// The registration form of a numbered patient; the same in every hospital.
fn form(number: u64) -> PatientForm {
    let mut dice = Generator::new(number);
    let mut below = |bound: u64| usize::try_from(dice.below(bound)).unwrap_or(0);
    let family = FAMILIES.split(' ').nth(below(16)).unwrap_or_default();
    let given = GIVEN.split(' ').nth(below(16)).unwrap_or_default();
    PatientForm {
        mrn: format!("7{number:09}"),
        family_name: family.to_owned(),
        given_name: given.to_owned(),
        birth_day: (1 + below(28)).to_string(),
        birth_month: (1 + below(12)).to_string(),
        birth_year: (1932 + below(70)).to_string(),
        sex: "not_known".to_owned(),
        address: format!("{} Canal Row, Northgate", 1 + below(90)),
        phone: format!("07700 900 {:03}", below(1000)),
        allergies: "none_known".to_owned(),
        ..PatientForm::default()
    }
}

fn probe(number: u64) -> Probe {
    let form = form(number);
    Probe { mrn: form.mrn, family: form.family_name.to_lowercase(), born: [form.birth_day, form.birth_month, form.birth_year] }
}

/// A note of about 500 bytes.
pub(crate) fn note_text(number: usize) -> (String, String) {
    let line = "Comfortable overnight, eating and drinking, mobilises with one person, observations stable. ";
    (format!("Ward round note {number} of {CHART_RECORDS}"), format!("Day {number}. {}Plan: continue.", line.repeat(5)))
}

fn note(number: usize) -> RecordForm {
    let (title, body) = note_text(number);
    RecordForm { record_type: "note".to_owned(), title, body, ..RecordForm::default() }
}
