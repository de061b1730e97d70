//! Patients: created, corrected, found.

use wardkeep_domain::account::Role;
use wardkeep_domain::date::{Date, Moment};
use wardkeep_domain::name::Mrn;
use wardkeep_domain::patient::{Allergies, Born, Contacts, Demographics, Patient, PatientForm, Sex};
use wardkeep_domain::{AccountId, FieldError, FieldErrors, PatientId};
use wardkeep_ledger::{Class, Discloses, Receipt};
use wardkeep_policy::{Action, Permit, Resource};
use wardkeep_store::{DocId, Document, Find, Owner, Term};
use wardkeep_vault::term::{normalise, prefixes};
use wardkeep_vault::{PatientKey, TermBits};

use crate::access::{CareMember, CareTeam};
use crate::accounts::{PAGE, Page};
use crate::act::{Act, Side};
use crate::error::invalid;
use crate::integrity::{Badge, Sealed};
use crate::{App, Ctx, Error, Result, kinds};

/// One line of a list or search. What a role may not see is not in it.
#[derive(Clone)]
pub struct PatientRow {
    pub id: PatientId,
    /// A stand-in without a name when the check failed.
    pub patient: Patient,
    /// The reader is on the care team.
    pub in_care: bool,
    pub badge: Badge,
}

/// The banner and the "More" part.
#[derive(Clone)]
pub struct PatientView {
    pub patient: Patient,
    pub version: u64,
    pub in_care: bool,
    /// So many of the patient's entries of the shown kinds the reader may not see: they are marked
    /// as sensitive.
    pub hidden: usize,
}

/// What a search form holds. One of them is enough.
#[derive(Clone, Default)]
pub struct Search {
    pub mrn: String,
    /// Prefixes of family or given name, in any order.
    pub name: String,
    pub birth_day: String,
    pub birth_month: String,
    pub birth_year: String,
}

/// Answer to a registration.
pub enum Created {
    Done(PatientId),
    /// Nothing was saved: these look like the same person. Send again with `confirm`.
    Duplicates(Vec<PatientRow>),
}

/// Bits of a name term: enough to find, too few to tell names from terms alone.
const NAME_BUCKET: TermBits = TermBits::Bucket(24);
/// Bits of a birth date's term: about as many buckets as there are days in a lifetime, so that days
/// share them (docs/decisions/0006-birth-dates-are-found-by-day.md).
const BORN_BUCKET: TermBits = TermBits::Bucket(15);
/// Candidates opened at once while a search filters.
const SIFT: usize = 64;
/// Most candidates that one page of a search looks at.
const SIFTED_MAX: usize = 4096;
/// Most look-alikes shown before a registration.
const DUPLICATES_MAX: usize = 10;

/// What a search asks for, parsed.
struct Wanted {
    mrn: Option<Mrn>,
    /// Normalised words of the name.
    words: Vec<String>,
    born: Option<Date>,
}

impl Wanted {
    fn parse(search: &Search) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::new();
        let empty = |text: &str| text.trim().is_empty();
        let mrn = if empty(&search.mrn) { None } else { errors.take(Mrn::parse(&search.mrn)) };
        let parts = [&search.birth_day, &search.birth_month, &search.birth_year];
        let no_date = parts.iter().all(|part| empty(part));
        let born = if no_date {
            None
        } else {
            errors.take(Date::from_parts("birth_date", &search.birth_day, &search.birth_month, &search.birth_year))
        };
        let name = normalise(&search.name);
        let words: Vec<String> = name.split(' ').filter(|word| !word.is_empty()).take(4).map(str::to_owned).collect();
        if !empty(&search.name) && words.iter().all(|word| word.chars().count() < 2) {
            errors.push(FieldError::new("name", "Enter at least two letters of the name."));
        }
        if empty(&search.mrn) && empty(&search.name) && no_date {
            errors.push(FieldError::new("mrn", "Enter a number, a name or a birth date."));
        }
        errors.into_result(Some(Self { mrn, words, born }))
    }
    fn keeps(&self, patient: &Patient) -> bool {
        let name = patient.name.as_ref().map(|name| normalise(&format!("{} {}", name.family(), name.given()))).unwrap_or_default();
        self.mrn.as_ref().is_none_or(|mrn| *mrn == patient.mrn)
            && self.words.iter().all(|word| name.split(' ').any(|part| part.starts_with(word.as_str())))
            && self.born.is_none_or(|date| patient.born == Born::On(date))
    }
}

impl App {
    /// Registers a patient; a doctor or nurse who does joins the care team.
    ///
    /// # Errors
    /// `Invalid` (also `mrn` in use), `Denied`.
    pub async fn create_patient(&self, ctx: &Ctx, form: &PatientForm, confirm: bool) -> Result<Created> {
        let permit = self.permit(ctx, Action::CreatePatient, Resource::Hospital).await?;
        let demographics = form.parse(ctx.visit().today())?;
        self.mrn_is_free(&demographics.mrn, None).await?;
        if !confirm {
            let alike = self.look_alikes(ctx, &demographics).await?;
            if !alike.is_empty() {
                return Ok(Created::Duplicates(alike));
            }
        }
        let id = PatientId::from_bytes(ctx.visit().new_id());
        let Demographics { mrn, name, born, sex, contacts, allergies } = demographics;
        let patient =
            Patient { id, mrn, name: Some(name), born, sex, contacts, allergies, created_by: ctx.account_id(), created_at: ctx.now() };
        let key = self.make_patient_key(ctx, &permit, id).await?;
        let mut act = Act::by(self, Side::Records, ctx, Class::PatientCreated).permit(&permit).subject(&key);
        self.put_patient_document(&mut act, &key, 1, &patient)?;
        let cares = matches!(ctx.role(), Some(Role::Doctor | Role::Nurse));
        let member = CareMember { account: ctx.account_id(), since: ctx.now(), assigned_by: ctx.account_id() };
        let team = CareTeam { patient: id, members: if cares { vec![member] } else { Vec::new() }, unit: None };
        self.put_care_team(&mut act, 0, &team)?;
        match act.commit().await {
            Ok(_) => Ok(Created::Done(id)),
            // Somebody took the number between the look and the commit.
            Err(Error::Refused(_)) => Err(mrn_taken()),
            Err(error) => Err(error),
        }
    }

    /// A new patient's key, wrapped and durable before anything is sealed under it.
    async fn make_patient_key(&self, ctx: &Ctx, permit: &Permit, id: PatientId) -> Result<PatientKey> {
        let (key, wrapped) = self.new_key(ctx, id);
        let act = Act::by(self, Side::Control, ctx, Class::KeyCreated).permit(permit).subject(&key);
        self.commit_keys(ctx, act, vec![(key.clone(), wrapped)]).await?;
        Ok(key)
    }

    /// Keys of many new patients, under one event that names them all.
    pub(crate) async fn make_patient_keys(&self, ctx: &Ctx, permit: &Permit, ids: &[PatientId]) -> Result<Vec<PatientKey>> {
        let made: Vec<(PatientKey, Vec<u8>)> = ids.iter().map(|id| self.new_key(ctx, *id)).collect();
        let keys = made.iter().map(|(key, _)| key.clone()).collect();
        let act = Act::by(self, Side::Control, ctx, Class::KeyCreated).permit(permit).detail("count", ids.len().to_string());
        self.commit_keys(ctx, act, made).await?;
        Ok(keys)
    }

    fn new_key(&self, ctx: &Ctx, id: PatientId) -> (PatientKey, Vec<u8>) {
        self.vault.new_patient_key(id.bytes(), &mut |buffer| ctx.visit().entropy.fill(buffer))
    }

    async fn commit_keys(&self, ctx: &Ctx, mut act: Act<'_>, made: Vec<(PatientKey, Vec<u8>)>) -> Result<()> {
        let mut keys = Vec::with_capacity(made.len());
        for (key, wrapped) in made {
            let id = key.owner();
            act.put_sealed(kinds::PATIENT_KEY, DocId(id), Owner(id), 1, wrapped, Vec::new(), Vec::new());
            keys.push(key);
        }
        act.commit().await?;
        keys.into_iter().for_each(|key| self.keys.put(PatientId::from_bytes(key.owner()), key, ctx.now()));
        Ok(())
    }

    /// Writes version `version` of the patient's demographics with their search terms.
    pub(crate) fn put_patient_document(&self, act: &mut Act<'_>, key: &PatientKey, version: u64, patient: &Patient) -> Result<()> {
        let mut terms = Vec::new();
        if let Some(name) = &patient.name {
            let words = prefixes(&normalise(&format!("{} {}", name.family(), name.given())));
            terms.extend(words.iter().map(|prefix| self.name_term(prefix)));
        }
        if let Born::On(date) = patient.born {
            terms.push(self.born_term(date));
        }
        let unique = vec![self.mrn_term(&patient.mrn)];
        act.put_patient(key, kinds::PATIENT, DocId(patient.id.bytes()), version, patient, terms, unique)
    }

    fn patient_term(&self, field: &str, value: &str, bits: TermBits) -> Term {
        Term(self.vault.term(kinds::RECORDS, kinds::PATIENT.0, field, value.as_bytes(), bits))
    }
    fn name_term(&self, prefix: &str) -> Term {
        self.patient_term("name", prefix, NAME_BUCKET)
    }
    fn born_term(&self, date: Date) -> Term {
        self.patient_term("born", &date.iso(), BORN_BUCKET)
    }
    pub(crate) fn mrn_term(&self, mrn: &Mrn) -> Term {
        self.exact_term(kinds::RECORDS, kinds::PATIENT, "mrn", mrn.as_str().as_bytes())
    }

    /// Sealed demographics of the patient with this number.
    pub(crate) async fn patient_of_mrn(&self, mrn: &Mrn) -> Result<Option<Document>> {
        let query = Find { kind: kinds::PATIENT, all_of: vec![self.mrn_term(mrn)], before: None, since: None, limit: 1 };
        Ok(self.records.find(&query).await?.into_iter().next())
    }

    async fn mrn_is_free(&self, mrn: &Mrn, but_for: Option<PatientId>) -> Result<()> {
        let holder = self.patient_of_mrn(mrn).await?.map(|document| PatientId::from_bytes(document.id.0));
        if holder.is_some_and(|holder| Some(holder) != but_for) { Err(mrn_taken()) } else { Ok(()) }
    }

    /// Patients of the same birth date and a family name that begins alike.
    async fn look_alikes(&self, ctx: &Ctx, demographics: &Demographics) -> Result<Vec<PatientRow>> {
        let Born::On(date) = demographics.born else { return Ok(Vec::new()) };
        let permit = self.permit(ctx, Action::SearchPatients, Resource::Hospital).await?;
        let family: String = normalise(demographics.name.family()).split(' ').next().unwrap_or_default().chars().take(4).collect();
        let wanted = Wanted { mrn: None, words: vec![family], born: Some(date) };
        let (documents, _) = self.sifted(ctx, &wanted, None, DUPLICATES_MAX).await?;
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        self.patient_rows(ctx, &permit, documents, "look-alikes").await
    }

    /// Corrects demographics; `version` is the one the form was filled from.
    ///
    /// # Errors
    /// `Invalid`, `Conflict`, `Denied`, `NotFound`.
    pub async fn amend_patient(&self, ctx: &Ctx, patient: PatientId, version: u64, form: &PatientForm) -> Result<()> {
        let permit = self.permit_chart(ctx, Action::AmendPatient, patient, None).await?;
        let demographics = form.parse(ctx.visit().today())?;
        self.mrn_is_free(&demographics.mrn, Some(patient)).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let (old, _) = self.open_demographics(ctx, &permit, &key, "before correction").await?;
        if old.version != version {
            return Err(Error::Conflict { current: old.version });
        }
        let Demographics { mrn, name, born, sex, contacts, allergies } = demographics;
        let corrected = Patient { mrn, name: Some(name), born, sex, contacts, allergies, ..old.patient };
        let mut act = Act::by(self, Side::Records, ctx, Class::PatientAmended).permit(&permit).subject(&key);
        self.put_patient_document(&mut act, &key, version.saturating_add(1), &corrected)?;
        act.commit().await.map(|_| ())
    }

    /// Demographics alone (registrar's page, edit form). A disclosure.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn demographics(&self, ctx: &Ctx, patient: PatientId) -> Result<PatientView> {
        let permit = self.permit_chart(ctx, Action::ReadDemographics, patient, None).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        Ok(self.open_demographics(ctx, &permit, &key, "details").await?.0)
    }

    pub(crate) async fn open_demographics(
        &self,
        ctx: &Ctx,
        permit: &Permit,
        key: &PatientKey,
        part: &str,
    ) -> Result<(PatientView, Receipt)> {
        let document = self.patient_document(key).await?;
        let banner = Sealed::new(key, &document);
        let receipt = self.disclose(ctx, Class::ChartOpened, permit, key, [&banner], part).await?;
        Ok((self.patient_view(ctx, banner, &receipt).await?, receipt))
    }

    /// The sealed demographics of a patient.
    pub(crate) async fn patient_document(&self, key: &PatientKey) -> Result<Document> {
        self.records.get(kinds::PATIENT, DocId(key.owner())).await?.ok_or(Error::NotFound)
    }

    /// Names in one event everything that is about to be shown of a patient; the receipt opens it.
    pub(crate) async fn disclose<'a>(
        &self,
        ctx: &Ctx,
        class: Class,
        permit: &Permit,
        key: &PatientKey,
        documents: impl IntoIterator<Item = &'a Sealed<'a>>,
        part: &str,
    ) -> Result<Receipt> {
        let mut act = Act::by(self, Side::Records, ctx, class).permit(permit).subject(key).detail("part", part);
        for sealed in documents {
            act.shows(sealed);
        }
        act.commit().await
    }

    /// Opens demographics for the banner. They must pass their check: nobody treats a patient
    /// under a name that somebody edited.
    pub(crate) async fn patient_view(&self, ctx: &Ctx, banner: Sealed<'_>, receipt: &Receipt) -> Result<PatientView> {
        let staff = ctx.role().is_some_and(Role::is_staff);
        let team = if staff { Some(self.care_team(PatientId::from_bytes(banner.key.owner())).await?.0) } else { None };
        self.patient_view_in(ctx, banner, receipt, team.as_ref()).await
    }

    /// The same, when the care team was read already.
    pub(crate) async fn patient_view_in(
        &self,
        ctx: &Ctx,
        banner: Sealed<'_>,
        receipt: &Receipt,
        team: Option<&CareTeam>,
    ) -> Result<PatientView> {
        let shown = self.show::<Patient>(ctx, Side::Records, &[banner], receipt).await?;
        let shown = shown.into_iter().next().filter(|shown| shown.badge != Badge::CheckFailed).ok_or(Error::Integrity)?;
        let patient = shown.body.ok_or(Error::Integrity)?;
        let in_care = ctx.account().zip(team).is_some_and(|(account, team)| team.cared_for_by(account));
        Ok(PatientView { version: shown.version, in_care, hidden: 0, patient })
    }

    /// Search by MRN, name prefix or birth date. One event names what is shown. Newest first.
    ///
    /// # Errors
    /// `Invalid` when nothing was asked, `Denied`.
    pub async fn search_patients(&self, ctx: &Ctx, search: &Search, after: Option<u64>) -> Result<Page<PatientRow>> {
        let permit = self.permit(ctx, Action::SearchPatients, Resource::Hospital).await?;
        let wanted = Wanted::parse(search)?;
        let (documents, next) = self.sifted(ctx, &wanted, after, PAGE).await?;
        let asked = [(wanted.mrn.is_some(), "mrn"), (!wanted.words.is_empty(), "name"), (wanted.born.is_some(), "birth date")];
        let asked: Vec<&str> = asked.iter().filter(|(asked, _)| *asked).map(|(_, what)| *what).collect();
        let items = self.patient_rows(ctx, &permit, documents, &format!("search by {}", asked.join(", "))).await?;
        Ok(Page { items, next })
    }

    /// Sealed demographics that answer the search, and the cursor for more.
    async fn sifted(&self, ctx: &Ctx, wanted: &Wanted, after: Option<u64>, most: usize) -> Result<(Vec<Document>, Option<u64>)> {
        let longest = |word: &String| word.chars().take(6).collect::<String>();
        let mut all_of: Vec<Term> = wanted.mrn.iter().map(|mrn| self.mrn_term(mrn)).collect();
        all_of.extend(wanted.born.map(|date| self.born_term(date)));
        let mut words: Vec<String> = wanted.words.iter().map(longest).filter(|word| word.chars().count() >= 2).collect();
        // The longest prefix has the smallest bucket.
        words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
        all_of.extend(words.iter().map(|word| self.name_term(word)));
        let mut found = Vec::new();
        let mut before = after;
        let mut looked = 0;
        loop {
            let query =
                Find { kind: kinds::PATIENT, all_of: all_of.clone(), before: before.map(wardkeep_store::Seq), since: None, limit: SIFT };
            let documents = self.records.find(&query).await?;
            let ended = documents.len() < SIFT;
            let owners: Vec<PatientId> = documents.iter().map(|document| PatientId::from_bytes(document.id.0)).collect();
            let keys = self.patient_keys(&owners, ctx.now()).await?;
            for document in documents {
                looked += 1;
                before = Some(document.seq.0);
                let Some(key) = keys.get(&PatientId::from_bytes(document.id.0)) else { continue };
                // One that does not open is shown with the others, as failed.
                if self.sift_patient_doc(kinds::RECORDS, key, &document, |patient: &Patient| wanted.keeps(patient)).unwrap_or(true) {
                    found.push(document);
                    if found.len() == most {
                        return Ok((found, before));
                    }
                }
            }
            if ended || looked >= SIFTED_MAX {
                return Ok((found, if ended { None } else { before }));
            }
        }
    }

    /// Rows for a list over several patients, disclosed by one event.
    pub(crate) async fn patient_rows(&self, ctx: &Ctx, permit: &Permit, documents: Vec<Document>, list: &str) -> Result<Vec<PatientRow>> {
        let ids: Vec<PatientId> = documents.iter().map(|document| PatientId::from_bytes(document.id.0)).collect();
        let owners = ids.iter().map(|id| id.bytes()).collect();
        let mut act = Act::by(self, Side::Records, ctx, Class::SearchRun)
            .permit(permit)
            .discloses(Discloses::Owners(owners))
            .detail("list", list)
            .detail("found", documents.len().to_string());
        for document in &documents {
            act.reads(document);
        }
        let receipt = act.commit().await?;
        let keys = self.patient_keys(&ids, ctx.now()).await?;
        let care = self.teams(&ids).await?;
        let mut rows = Vec::with_capacity(documents.len());
        let sealed: Vec<Sealed<'_>> =
            documents.iter().filter_map(|document| Some(Sealed::new(keys.get(&PatientId::from_bytes(document.id.0))?, document))).collect();
        for shown in self.show::<Patient>(ctx, Side::Records, &sealed, &receipt).await? {
            let id = PatientId::from_bytes(shown.id.0);
            let in_care = ctx.account().zip(care.get(&id)).is_some_and(|(account, team)| team.cared_for_by(account));
            let whole = in_care || ctx.role() == Some(Role::Registrar);
            let patient = match shown.body {
                Some(patient) if whole => patient,
                Some(patient) => Patient { contacts: Contacts::default(), allergies: Allergies::NotRecorded, ..patient },
                None => unreadable(id, ctx.now())?,
            };
            rows.push(PatientRow { id, patient, in_care, badge: shown.badge });
        }
        Ok(rows)
    }
}

/// Stands in a list for a patient whose demographics do not open: kept and marked, not hidden.
fn unreadable(id: PatientId, now: Moment) -> Result<Patient> {
    let mrn = Mrn::parse("UNREADABLE").map_err(|error| Error::Internal(error.message))?;
    let nobody = AccountId::from_bytes([0; 16]);
    let (contacts, allergies) = (Contacts::default(), Allergies::NotRecorded);
    Ok(Patient { id, mrn, name: None, born: Born::NotKnown, sex: Sex::NotKnown, contacts, allergies, created_by: nobody, created_at: now })
}

fn mrn_taken() -> Error {
    invalid("mrn", "Another patient has this MRN. Check the number, or open that patient.")
}
