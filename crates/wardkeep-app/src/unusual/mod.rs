//! The privacy officer's worklist of unusual access.
//!
//! Cases are computed from the log when the list is read, within stated bounds, and kept nowhere;
//! only a decision is kept, as one document for each case. The list names in one event the patients
//! that it shows and no other. Must never refuse an access: it only says what to look at.

mod gather;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use wardkeep_domain::account::Role;
use wardkeep_domain::date::Moment;
use wardkeep_domain::unusual::{Alike, CaseId, Closed, FindingForm, Ground, MANY_CHARTS_MIN, Reason, is_many, reasons, weight};
use wardkeep_domain::{AccountId, LogEventId, PatientId};
use wardkeep_ledger::{Class, Discloses, Receipt};
use wardkeep_policy::{Action, Permit, Resource};
use wardkeep_store::{DocId, Document, Owner};
use wardkeep_vault::{PatientKey, Purpose};

use crate::act::{Act, Side};
use crate::audit::LogRow;
use crate::envelope::Opened;
use crate::{App, Ctx, Error, Result, kinds};
use gather::{ACCESSES, Access, IDS, Looked, Staff, TIMELINE};

/// Most entries that one look at the list reads.
pub const EVENTS_MAX: usize = 5_000;
/// Most cases shown at once, heaviest first.
pub const CASES_MAX: usize = 100;
/// Most entries of one case's timeline and file.
pub const TIMELINE_MAX: usize = 200;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// How far back the page of one case looks for its reasons.
const CASE_DAYS: u32 = 30;

/// How far the list looks back.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub days: u32,
    /// Entries read at most, up to [`EVENTS_MAX`].
    pub most: usize,
}

impl Window {
    #[must_use]
    pub fn days(days: u32) -> Self {
        Self { days, most: EVENTS_MAX }
    }
    fn from(self, now: Moment) -> Moment {
        now.plus_ms(-DAY_MS.saturating_mul(i64::from(self.days)))
    }
}

/// One line of the list.
pub struct CaseRow {
    pub id: CaseId,
    pub who: String,
    pub role: &'static str,
    /// "OKAFOR, Grace · MRN …"; empty when the case is about how many charts it were.
    pub patient: String,
    /// Heaviest first.
    pub reasons: Vec<Reason>,
    /// Accesses that are not decided on.
    pub accesses: usize,
    /// Different patients.
    pub charts: usize,
    pub last: Moment,
}

/// The list.
pub struct Cases {
    pub rows: Vec<CaseRow>,
    /// Open cases that are not shown because there are more than [`CASES_MAX`].
    pub left_out: usize,
    /// From when on accesses were looked at.
    pub from: Moment,
    /// The bound on entries was reached, so `from` is later than what was asked for.
    pub cut: bool,
}

/// A decision that was made, with the note.
pub struct Decided {
    pub closed: Closed,
    pub note: String,
    pub by: String,
}

/// One case.
pub struct Case {
    pub row: CaseRow,
    /// Newest first, decisions included.
    pub timeline: Vec<LogRow>,
    /// Older entries were left out.
    pub cut: bool,
    /// The newest decision.
    pub decided: Option<Decided>,
    /// There are accesses that are not decided on.
    pub open: bool,
    /// The newest access shown.
    pub seen: Moment,
}

/// A case before anybody is named.
struct Draft {
    id: CaseId,
    role: Role,
    reasons: Vec<Reason>,
    accesses: usize,
    charts: usize,
    last: Moment,
}

/// The sealed parts of a case, before its event.
struct Parts {
    looked: Looked,
    /// Every version, oldest first.
    decisions: Vec<Opened<Closed>>,
    /// The patient, when the key is there still.
    key: Option<PatientKey>,
}

impl Parts {
    fn until(&self) -> Moment {
        self.decisions.last().map_or(Moment(i64::MIN), |closed| closed.body.until)
    }
    fn accesses(&self) -> impl Iterator<Item = Access> {
        self.looked.entries.iter().filter_map(|(document, actor)| Access::of(actor, document.owner))
    }
    fn newest(&self) -> Option<Moment> {
        self.accesses().map(|access| access.at).max()
    }
    fn patients(&self) -> Vec<DocId> {
        let owners = self.looked.entries.iter().map(|(document, _)| document.owner).filter(|owner| *owner != Owner::NONE);
        owners.map(|owner| DocId(owner.0)).collect::<HashSet<_>>().into_iter().collect()
    }
}

fn case_doc(id: CaseId) -> DocId {
    let name = [&b"access-case"[..], &id.account.bytes(), &id.patient.map_or([0; 16], PatientId::bytes)].concat();
    DocId(wardkeep_vault::vault::digest(&name).first_chunk().copied().unwrap_or_default())
}

impl App {
    /// Open cases, heaviest first; reading them is an event that names the patients shown.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn unusual_cases(&self, ctx: &Ctx, window: Window) -> Result<Cases> {
        let permit = self.permit(ctx, Action::ReviewAccess, Resource::Hospital).await?;
        let (mut accesses, mut from) = (Vec::new(), window.from(ctx.now()));
        let mut oldest = ctx.now();
        let cut = self
            .newest_entries(&ACCESSES, &[], from, window.most.min(EVENTS_MAX), |document, actor| {
                oldest = oldest.min(Moment(actor.time_ms));
                accesses.extend(Access::of(&actor, document.owner));
            })
            .await?;
        if cut {
            from = oldest;
        }
        let staff = self.staff(accesses.iter().map(|access| access.account).collect::<HashSet<_>>()).await?;
        let mut drafts = self.draft_cases(ctx, &accesses, &staff).await?;
        drafts.sort_by_key(|draft| (Reverse(weight(&draft.reasons)), Reverse(draft.last), draft.id));
        let left_out = drafts.len().saturating_sub(CASES_MAX);
        drafts.truncate(CASES_MAX);
        let rows = self.name_cases(ctx, &permit, drafts, &staff).await?;
        Ok(Cases { rows, left_out, from, cut })
    }

    async fn draft_cases(&self, ctx: &Ctx, accesses: &[Access], staff: &HashMap<AccountId, Staff>) -> Result<Vec<Draft>> {
        let mut pairs: HashMap<CaseId, Vec<Access>> = HashMap::new();
        for access in accesses {
            pairs.entry(CaseId { account: access.account, patient: Some(access.patient) }).or_default().push(*access);
        }
        let accounts: HashSet<AccountId> = accesses.iter().map(|access| access.account).collect();
        let many = accounts.into_iter().map(|account| CaseId { account, patient: None });
        let closed = self.closed_cases(pairs.keys().copied().chain(many)).await?;
        let until = |id: CaseId| closed.get(&id).map_or(Moment(i64::MIN), |closed| closed.until);
        pairs.retain(|id, accesses| {
            accesses.retain(|access| access.at > until(*id));
            !accesses.is_empty()
        });
        let mut people: HashMap<PatientId, Vec<AccountId>> = HashMap::new();
        for id in pairs.keys() {
            people.entry(id.patient.unwrap_or(PatientId::from_bytes([0; 16]))).or_default().push(id.account);
        }
        let alikes = self.alikes(ctx, &people, staff).await?;
        let mut on_team = HashSet::new();
        let patients: Vec<PatientId> = people.keys().copied().collect();
        for some in patients.chunks(IDS) {
            for (patient, team) in self.teams(some).await? {
                let cares = |account: &&AccountId| staff.get(*account).is_some_and(|staff| team.cared_for_by(&staff.account));
                let caring = people.get(&patient).into_iter().flatten().filter(cares);
                on_team.extend(caring.map(|account| CaseId { account: *account, patient: Some(patient) }));
            }
        }
        let mut drafts = many_charts(accesses, until);
        for (id, accesses) in &pairs {
            let alike = id.patient.and_then(|patient| alikes.get(&(id.account, patient)).copied()).unwrap_or_default();
            drafts.extend(draft_case(*id, accesses, on_team.contains(id), alike));
        }
        Ok(drafts)
    }

    async fn closed_cases(&self, ids: impl Iterator<Item = CaseId>) -> Result<HashMap<CaseId, Closed>> {
        let ids: Vec<DocId> = ids.map(case_doc).collect();
        let mut closed = HashMap::new();
        for ids in ids.chunks(IDS) {
            for document in self.records.get_many(kinds::CASE, ids).await? {
                let body: Closed = self.open_own_doc(kinds::RECORDS, Purpose::Staff, &document)?.body;
                closed.insert(body.case, body);
            }
        }
        Ok(closed)
    }

    /// Commits the event that names the patients shown, then opens their names.
    async fn name_cases(&self, ctx: &Ctx, permit: &Permit, drafts: Vec<Draft>, staff: &HashMap<AccountId, Staff>) -> Result<Vec<CaseRow>> {
        let patients: Vec<PatientId> = drafts.iter().filter_map(|draft| draft.id.patient).collect::<HashSet<_>>().into_iter().collect();
        let ids: Vec<DocId> = patients.iter().map(|id| DocId(id.bytes())).collect();
        let documents = self.records.get_many(kinds::PATIENT, &ids).await?;
        let owners = documents.iter().map(|document| document.id.0).collect();
        let act = Act::by(self, Side::Records, ctx, Class::LogRead).permit(permit).discloses(Discloses::Owners(owners));
        let mut act = act.detail("part", "unusual access").detail("cases", drafts.len().to_string());
        documents.iter().for_each(|document| act.reads(document));
        let receipt = act.commit().await?;
        let keys = self.patient_keys(&patients, ctx.now()).await?;
        let labels = self.patient_labels(&keys, &receipt).await?;
        let nobody = String::new();
        let row = |draft: Draft| {
            let label = draft.id.patient.map(|patient| labels.get(&patient).cloned().unwrap_or_else(|| "A patient".to_owned()));
            let who = staff.get(&draft.id.account).map_or(&nobody, |staff| &staff.account.display_name);
            case_row(draft, who, label.unwrap_or_default())
        };
        Ok(drafts.into_iter().map(row).collect())
    }

    /// One person's entries about one patient (or about many), with what was decided. An event.
    ///
    /// # Errors
    /// `Denied`; `NotFound` when the person never looked.
    pub async fn unusual_case(&self, ctx: &Ctx, id: CaseId) -> Result<Case> {
        let permit = self.permit(ctx, Action::ReviewAccess, Resource::Hospital).await?;
        let parts = self.case_parts(ctx, id).await?;
        let act = Act::by(self, Side::Records, ctx, Class::LogRead).permit(&permit).detail("part", "unusual access");
        let receipt = self.of_case(act, &parts).await?.commit().await?;
        let staff = self.staff([id.account]).await?;
        let timeline = self.timeline(ctx, &parts, &receipt).await?;
        let draft = self.draft_of(ctx, id, &parts, &staff).await?;
        let patient = self.case_patient(&parts, &receipt).await?;
        let decided = match parts.decisions.last() {
            Some(closed) => {
                let entry = timeline.iter().find(|row| row.event.event.0 == closed.body.event.bytes());
                let (note, by) = entry.map(|row| (row.reason.clone(), row.who.clone())).unwrap_or_default();
                Some(Decided { closed: closed.body.clone(), note, by })
            }
            None => None,
        };
        let seen = parts.newest().ok_or(Error::NotFound)?;
        let who = staff.get(&id.account).map(|staff| staff.account.display_name.clone()).unwrap_or_default();
        let (open, cut) = (seen > parts.until(), parts.looked.cut);
        Ok(Case { row: case_row(draft, &who, patient), timeline, cut, decided, open, seen })
    }

    async fn case_parts(&self, ctx: &Ctx, id: CaseId) -> Result<Parts> {
        let term = |field: &str, value: &[u8]| self.exact_term(kinds::RECORDS, kinds::EVENT, field, value);
        let actor = term("actor", hex::encode(id.account.bytes()).as_bytes());
        let (terms, classes, from) = match id.patient {
            Some(patient) => (vec![term("subject", &patient.bytes()), actor], &TIMELINE[..], Moment(0)),
            None => (vec![actor], &ACCESSES[..], Window::days(CASE_DAYS).from(ctx.now())),
        };
        let mut entries = Vec::new();
        let cut = self.newest_entries(classes, &terms, from, TIMELINE_MAX, |document, actor| entries.push((document, actor))).await?;
        let looked = Looked { entries, cut };
        let key = match id.patient {
            Some(patient) => match self.patient_key(patient, ctx.now()).await {
                // Erased since.
                Err(Error::NotFound) => None,
                key => Some(key?),
            },
            None => None,
        };
        let mut decisions = Vec::new();
        for document in self.records.history(kinds::CASE, case_doc(id)).await? {
            decisions.push(self.open_own_doc(kinds::RECORDS, Purpose::Staff, &document)?);
        }
        let parts = Parts { looked, decisions, key };
        if parts.newest().is_none() { Err(Error::NotFound) } else { Ok(parts) }
    }

    /// About the patient of the case, or naming all whose charts were opened.
    async fn of_case<'a>(&self, act: Act<'a>, parts: &Parts) -> Result<Act<'a>> {
        let documents = self.records.get_many(kinds::PATIENT, &parts.patients()).await?;
        let mut act = match &parts.key {
            Some(key) => act.subject(key),
            None => act.discloses(Discloses::Owners(parts.patients().iter().map(|id| id.0).collect())),
        };
        documents.iter().for_each(|document| act.reads(document));
        Ok(act)
    }

    async fn timeline(&self, ctx: &Ctx, parts: &Parts, receipt: &Receipt) -> Result<Vec<LogRow>> {
        let ids: Vec<DocId> = parts.decisions.iter().rev().take(TIMELINE_MAX).map(|closed| DocId(closed.event.0)).collect();
        let mut entries: Vec<(Side, Document, Moment)> =
            parts.looked.entries.iter().map(|(document, actor)| (Side::Records, document.clone(), Moment(actor.time_ms))).collect();
        for document in self.records.get_many(kinds::EVENT, &ids).await? {
            let at = self.open_actor_part(Side::Records, &document)?.time_ms;
            entries.push((Side::Records, document, Moment(at)));
        }
        entries.sort_by_key(|(_, document, at)| (Reverse(*at), Reverse(document.seq)));
        self.log_rows(ctx, &entries, receipt).await
    }

    async fn case_patient(&self, parts: &Parts, receipt: &Receipt) -> Result<String> {
        let Some(key) = &parts.key else { return Ok(String::new()) };
        let patient = PatientId::from_bytes(key.owner());
        let mut labels = self.patient_labels(&HashMap::from([(patient, key.clone())]), receipt).await?;
        Ok(labels.remove(&patient).unwrap_or_else(|| "A patient".to_owned()))
    }

    /// The case's reasons as the list of the last thirty days gives them.
    async fn draft_of(&self, ctx: &Ctx, id: CaseId, parts: &Parts, staff: &HashMap<AccountId, Staff>) -> Result<Draft> {
        let after = Window::days(CASE_DAYS).from(ctx.now()).max(parts.until());
        let accesses: Vec<Access> = parts.accesses().filter(|access| access.at > after).collect();
        let found = match id.patient {
            Some(patient) => {
                let people = HashMap::from([(patient, vec![id.account])]);
                let alike = self.alikes(ctx, &people, staff).await?.remove(&(id.account, patient)).unwrap_or_default();
                let team = self.care_team(patient).await?.0;
                let cares = staff.get(&id.account).is_some_and(|staff| team.cared_for_by(&staff.account));
                draft_case(id, &accesses, cares, alike)
            }
            // The others were counted for the list; here the number speaks.
            None => many_case(id, &accesses).filter(|draft| draft.charts >= MANY_CHARTS_MIN),
        };
        let role = staff.get(&id.account).map_or(Role::Patient, |staff| staff.account.role);
        let (reasons, last) = (Vec::new(), parts.newest().unwrap_or(Moment(0)));
        Ok(found.unwrap_or(Draft { id, role, reasons, accesses: accesses.len(), charts: 0, last }))
    }

    /// Closes a case with a decision, until a newer access comes. The patient reads it.
    ///
    /// # Errors
    /// `Invalid` on `decision`, `note` and `seen`; `Refused` for one's own accesses and for a case
    /// without a newer access; `Conflict` when somebody else decides now; `NotFound`, `Denied`.
    pub async fn close_case(&self, ctx: &Ctx, id: CaseId, form: &FindingForm) -> Result<()> {
        let permit = self.permit(ctx, Action::ReviewAccess, Resource::Hospital).await?;
        let (finding, note, seen) = form.parse()?;
        if id.account == ctx.account_id() {
            return Err(Error::Refused("Somebody else must decide on your own accesses.".to_owned()));
        }
        let parts = self.case_parts(ctx, id).await?;
        let until = seen.min(parts.newest().ok_or(Error::NotFound)?);
        if until <= parts.until() {
            return Err(Error::Refused("This case is closed already, and there is no newer access.".to_owned()));
        }
        let act = Act::by(self, Side::Records, ctx, Class::AccessReviewed).permit(&permit);
        let act = if let Some(key) = &parts.key { act.subject(key) } else { act };
        let mut act = act.detail("decision", finding.label()).detail("reason", format!("{}: {note}", finding.label()));
        let event = LogEventId::from_bytes(act.event().0);
        let closed = Closed { case: id, finding, by: ctx.account_id(), at: ctx.now(), until, event };
        let version = parts.decisions.last().map_or(1, |last| last.version.saturating_add(1));
        act.put_own(Purpose::Staff, kinds::CASE, case_doc(id), version, &closed, Vec::new(), Vec::new())?;
        act.commit().await.map(|_| ())
    }

    /// The case's timeline as CSV for the file, in the columns of the log's export. An event.
    ///
    /// # Errors
    /// `Denied` (a fresh factor is needed), `NotFound`.
    pub async fn export_case(&self, ctx: &Ctx, id: CaseId) -> Result<Vec<u8>> {
        self.permit(ctx, Action::ReviewAccess, Resource::Hospital).await?;
        let permit = self.permit(ctx, Action::ExportLog, Resource::Hospital).await?;
        let parts = self.case_parts(ctx, id).await?;
        let act = Act::by(self, Side::Records, ctx, Class::Exported).permit(&permit).detail("what", "unusual access");
        let receipt = self.of_case(act, &parts).await?.commit().await?;
        self.rows_as_csv(&self.timeline(ctx, &parts, &receipt).await?).await
    }
}

fn draft_case(id: CaseId, accesses: &[Access], on_team: bool, alike: Alike) -> Option<Draft> {
    let newest = accesses.iter().max_by_key(|access| access.at)?;
    let grounds: Vec<Ground> = accesses.iter().map(|access| access.ground).collect();
    let reasons = reasons(newest.role, on_team, &grounds, alike);
    (!reasons.is_empty()).then_some(Draft { id, role: newest.role, reasons, accesses: accesses.len(), charts: 1, last: newest.at })
}

/// Charts opened; a registrar's work on details is none.
fn opens(access: &Access) -> bool {
    access.ground != Ground::Refused && access.role != Role::Registrar
}

fn many_case(id: CaseId, accesses: &[Access]) -> Option<Draft> {
    let opened: Vec<&Access> = accesses.iter().filter(|access| opens(access)).collect();
    let newest = opened.iter().max_by_key(|access| access.at)?;
    let charts = opened.iter().map(|access| access.patient).collect::<HashSet<_>>().len();
    Some(Draft { id, role: newest.role, reasons: vec![Reason::ManyCharts], accesses: opened.len(), charts, last: newest.at })
}

/// People who opened unusually many charts after what was decided on.
fn many_charts(accesses: &[Access], until: impl Fn(CaseId) -> Moment) -> Vec<Draft> {
    let mut opened: HashMap<(Role, AccountId), Vec<Access>> = HashMap::new();
    for access in accesses.iter().filter(|access| opens(access)) {
        opened.entry((access.role, access.account)).or_default().push(*access);
    }
    let count = |accesses: &[Access]| accesses.iter().map(|access| access.patient).collect::<HashSet<_>>().len();
    let counts: Vec<((Role, AccountId), usize)> = opened.iter().map(|(person, accesses)| (*person, count(accesses))).collect();
    let mut drafts = Vec::new();
    for ((role, account), accesses) in opened {
        let id = CaseId { account, patient: None };
        let newer: Vec<Access> = accesses.into_iter().filter(|access| access.at > until(id)).collect();
        let others = counts.iter().filter(|((other, person), _)| *other == role && *person != account);
        let others: Vec<usize> = others.map(|(_, count)| *count).collect();
        if is_many(count(&newer), &others) {
            drafts.extend(many_case(id, &newer));
        }
    }
    drafts
}

fn case_row(draft: Draft, who: &str, patient: String) -> CaseRow {
    let Draft { id, role, reasons, accesses, charts, last } = draft;
    let who = if who.is_empty() { "An account that is gone" } else { who };
    CaseRow { id, who: who.to_owned(), role: role.label(), patient, reasons, accesses, charts, last }
}
