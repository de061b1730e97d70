//! The throw-away hospital: accounts of every role, patients with notes, documents and stroke
//! assessments, all generated. Everything goes through the ordinary use cases, so the demo's log
//! is a real one.

use futures::StreamExt;
use wardkeep_domain::PatientId;
use wardkeep_domain::account::Role;
use wardkeep_domain::account::password::Password;
use wardkeep_domain::document::DocumentForm;
use wardkeep_domain::patient::PatientForm;
use wardkeep_domain::record::{RecordForm, RecordType};
use wardkeep_domain::stroke::AssessmentForm;
use wardkeep_domain::stroke::generate::Generator;

use crate::accounts::NewAccount;
use crate::patients::Created;
use crate::stroke::import::Progress;
use crate::{App, Ctx, Error, Result, Visit};

/// A demo account as printed to the console.
#[derive(Clone, Debug)]
pub struct DemoAccount {
    pub email: String,
    pub password: String,
    pub role: String,
    pub name: String,
}

/// (role, e-mail, name, password). The passwords are printed: they protect nothing.
const ACCOUNTS: [(Role, &str, &str, &str); 9] = [
    (Role::Administrator, "admin@demo.example", "Ines Navarro", "copper lantern drifts north"),
    (Role::Doctor, "doctor@demo.example", "Dr Ana Moreau", "velvet orchard counts rain"),
    (Role::Doctor, "doctor2@demo.example", "Dr Luis Silva", "marble heron sings twice"),
    (Role::Nurse, "nurse@demo.example", "Nila Patel", "amber river folds maps"),
    (Role::Registrar, "registrar@demo.example", "Tomas Berg", "quiet engine paints hills"),
    (Role::PrivacyOfficer, "privacy@demo.example", "Mara Lindqvist", "silver kettle maps stars"),
    (Role::StrokeCoordinator, "coordinator@demo.example", "Cleo Ray", "wooden comet hums softly"),
    (Role::Researcher, "researcher@demo.example", "Remy Falk", "linen compass walks slow"),
    (Role::Patient, "patient@demo.example", "Grace Okafor", "orange ladder meets tide"),
];

const FAMILY: [&str; 32] = [
    "Adeyemi",
    "Bianchi",
    "Castillo",
    "Desai",
    "Eriksen",
    "Fischer",
    "Gupta",
    "Hughes",
    "Ivanova",
    "Jansen",
    "Kowalska",
    "Lindqvist",
    "Mbeki",
    "Novak",
    "Okafor",
    "Petrov",
    "Quinn",
    "Rahman",
    "Santos",
    "Tanaka",
    "Ueda",
    "Virtanen",
    "Weber",
    "Xu",
    "Yilmaz",
    "Zhang",
    "Almeida",
    "Brandt",
    "Chen",
    "Dubois",
    "Haddad",
    "O'Neill",
];
const GIVEN: [(&str, &str); 24] = [
    ("Grace", "female"),
    ("Per", "male"),
    ("Tunde", "male"),
    ("Jana", "female"),
    ("Margaret", "female"),
    ("Yusuf", "male"),
    ("Anneliese", "female"),
    ("Marco", "male"),
    ("Meera", "female"),
    ("Olga", "female"),
    ("Henrik", "male"),
    ("Fatima", "female"),
    ("Kenji", "male"),
    ("Lucia", "female"),
    ("Samuel", "male"),
    ("Ingrid", "female"),
    ("Rafael", "male"),
    ("Aiko", "female"),
    ("David", "male"),
    ("Leila", "female"),
    ("Pavel", "male"),
    ("Emma", "female"),
    ("Carlos", "male"),
    ("Nadia", "female"),
];
const TEXTS: [(RecordType, &str, &str); 8] = [
    (
        RecordType::Note,
        "Ward round note",
        "Comfortable overnight. Eating and drinking. Mobilises with one person. Plan: continue, repeat bloods tomorrow.",
    ),
    (
        RecordType::Observation,
        "Nursing observations",
        "Blood pressure 148/86, heart rate 78 regular, temperature 36.9, saturation 96 % on air, GCS 15.",
    ),
    (
        RecordType::Diagnosis,
        "Ischaemic stroke, right middle cerebral artery",
        "Cardioembolic, new atrial fibrillation. NIHSS on arrival 11.",
    ),
    (RecordType::Prescription, "Apixaban 5 mg twice daily", "Start on day 6. Check renal function before discharge."),
    (RecordType::Note, "Therapy assessment", "Sits to stand with one person. Left arm grade 3. Swallow screen passed, soft diet."),
    (RecordType::Observation, "Blood results", "Haemoglobin 132, potassium 3.9, creatinine 84, glucose 7.1."),
    (
        RecordType::DischargeSummary,
        "Discharge summary",
        "Admitted with left-sided weakness. Thrombolysed at 38 minutes. Discharged home with early supported discharge.",
    ),
    (RecordType::Note, "Family discussion", "Explained the findings and the plan. Questions answered; written information given."),
];
/// Where the first patients lie, and who works there.
const UNIT: &str = "Stroke unit";
const UNIT_STAFF: [&str; 2] = ["doctor2@demo.example", "coordinator@demo.example"];
const UNIT_PATIENTS: usize = 12;
/// Patients made side by side, so that they share commits.
const AT_ONCE: usize = 16;

/// Every demo account; the same on every start.
#[must_use]
pub fn accounts() -> Vec<DemoAccount> {
    let text = |text: &str| text.to_owned();
    ACCOUNTS
        .iter()
        .map(|(role, email, name, password)| DemoAccount {
            email: text(email),
            password: text(password),
            role: text(role.code()),
            name: text(name),
        })
        .collect()
}

/// Who works in the demo, signed in.
struct Staff {
    administrator: Ctx,
    doctors: Vec<Ctx>,
    registrar: Ctx,
}

impl App {
    /// Fills a new demo hospital; only where `hospital().demo` is set.
    ///
    /// # Errors
    /// `Refused` in a real hospital.
    pub async fn fill_demo(&self, visit: &Visit, patients: usize, progress: Progress<'_>) -> Result<()> {
        if !self.hospital().demo {
            return Err(Error::Refused("only a demo hospital is filled with invented data".to_owned()));
        }
        let staff = self.demo_staff(visit).await?;
        self.add_unit(&staff.administrator, UNIT).await?;
        for email in UNIT_STAFF {
            self.join_unit(&staff.administrator, UNIT, email).await?;
        }
        let seeds: Vec<u64> = (1..=patients as u64).collect();
        let mut made = futures::stream::iter(seeds).map(|seed| self.demo_patient(&staff, seed)).buffered(AT_ONCE);
        let mut done = 0;
        let mut first = None;
        while let Some(patient) = made.next().await {
            let patient = patient?;
            first.get_or_insert(patient);
            if done < UNIT_PATIENTS as u64 {
                self.place_patient(&staff.registrar, patient, UNIT).await?;
            }
            done += 1;
            progress(done, patients as u64);
        }
        let Some(first) = first else { return Ok(()) };
        let own = accounts().into_iter().find(|account| account.role == Role::Patient.code());
        if let Some(account) = own {
            self.link_account(&staff.registrar, &account.email, first).await?;
        }
        Ok(())
    }

    async fn demo_staff(&self, visit: &Visit) -> Result<Staff> {
        let operator = self.operator(visit.clone());
        let (mut administrator, mut doctors, mut registrar) = (None, Vec::new(), None);
        for (role, email, name, password) in ACCOUNTS {
            let form = NewAccount {
                email: email.to_owned(),
                display_name: name.to_owned(),
                password: password.to_owned(),
                password_again: password.to_owned(),
            };
            if role == Role::Patient {
                self.register(visit, &form).await?;
            } else {
                let (_, token) = self.invite(&operator, email, name, role.code()).await?;
                self.accept_invitation(visit, &token, &form).await?;
            }
            let ctx = self.demo_sign_in(visit, email, password).await?;
            match role {
                Role::Doctor => doctors.push(ctx),
                Role::Administrator => administrator = Some(ctx),
                Role::Registrar => registrar = Some(ctx),
                _ => {}
            }
        }
        let registrar = registrar.ok_or_else(|| Error::Internal("the demo has no registrar".to_owned()))?;
        let administrator = administrator.ok_or_else(|| Error::Internal("the demo has no administrator".to_owned()))?;
        Ok(Staff { administrator, doctors, registrar })
    }

    /// First sign-in with enrolment, as a person would do it.
    async fn demo_sign_in(&self, visit: &Visit, email: &str, password: &str) -> Result<Ctx> {
        let pending = self.sign_in(visit, email, &Password::typed(password)).await?;
        let code = self.demo_first_code(visit, &pending.token).await?;
        let signed_in = self.enrol(visit, &pending.token, &code).await?;
        self.authenticate(visit.clone(), &signed_in.token).await
    }

    async fn demo_patient(&self, staff: &Staff, seed: u64) -> Result<PatientId> {
        let mut dice = Generator::new(seed);
        let at = usize::try_from(seed).unwrap_or(0) % staff.doctors.len().max(1);
        let doctor = staff.doctors.get(at).ok_or_else(|| Error::Internal("the demo has no doctor".to_owned()))?;
        let attributes = dice.attributes();
        let form = patient_form(seed, &mut dice);
        let Created::Done(patient) = self.create_patient(doctor, &form, true).await? else {
            return Err(Error::Internal("a demo patient looked like another".to_owned()));
        };
        if dice.below(3) == 0 {
            self.assign_care(doctor, patient, "nurse@demo.example").await?;
        }
        for number in 0..1 + dice.below(5) {
            let Some((kind, title, body)) = TEXTS.get(usize::try_from(dice.below(TEXTS.len() as u64)).unwrap_or(0)) else { continue };
            let form = RecordForm {
                record_type: kind.code().to_owned(),
                title: (*title).to_owned(),
                body: (*body).to_owned(),
                event_day: (1 + dice.below(28)).to_string(),
                event_month: (1 + dice.below(9)).to_string(),
                event_year: "2026".to_owned(),
                event_time: format!("{:02}:{:02}", 8 + number, dice.below(60)),
                ..RecordForm::default()
            };
            self.write_record(doctor, patient, &form).await?;
        }
        if dice.below(2) == 0 {
            self.write_assessment(doctor, patient, &AssessmentForm::from_attributes(&attributes)).await?;
        }
        if dice.below(3) == 0 {
            let letter = DocumentForm::new("letter.txt", "text/plain", "Letter of the referring practice");
            let mut upload = self.begin_upload(doctor, patient, &letter).await?;
            upload
                .push(format!("Dear colleague,\n\nthank you for seeing this patient (referral {seed}).\n\nKind regards\n").as_bytes())
                .await?;
            upload.finish(doctor.now()).await?;
        }
        Ok(patient)
    }
}

fn patient_form(seed: u64, dice: &mut Generator) -> PatientForm {
    let mut pick = |bound: usize| usize::try_from(dice.below(bound as u64)).unwrap_or(0);
    let family = FAMILY.get(pick(FAMILY.len())).copied().unwrap_or("Doe");
    let (given, sex) = GIVEN.get(pick(GIVEN.len())).copied().unwrap_or(("Jo", "not_known"));
    let (allergies, allergy_text) = match pick(5) {
        0 => ("known", "Penicillin: rash"),
        1 => ("known", "Latex"),
        2 => ("not_recorded", ""),
        _ => ("none_known", ""),
    };
    PatientForm {
        mrn: format!("7041{:05}", 10_000 + seed),
        family_name: family.to_owned(),
        given_name: given.to_owned(),
        title: String::new(),
        birth_day: (1 + pick(28)).to_string(),
        birth_month: (1 + pick(12)).to_string(),
        birth_year: (1932 + pick(70)).to_string(),
        sex: sex.to_owned(),
        address: format!("{} Canal Row, Northgate", 1 + pick(90)),
        phone: format!("07700 900 {:03}", pick(1000)),
        allergies: allergies.to_owned(),
        allergy_text: allergy_text.to_owned(),
        ..PatientForm::default()
    }
}
