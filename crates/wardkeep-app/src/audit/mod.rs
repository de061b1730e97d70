//! Reading the log: filters, entries with proof, export, alarms.

mod export;
mod words;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use wardkeep_domain::account::Role;
use wardkeep_domain::date::Moment;
use wardkeep_domain::name::{Email, Mrn};
use wardkeep_domain::patient::Patient;
use wardkeep_domain::{FieldErrors, PatientId};
use wardkeep_ledger::proof::check_inclusion;
use wardkeep_ledger::publish::proof_file;
use wardkeep_ledger::tree::leaf_hash;
use wardkeep_ledger::{Checkpoint, Class, Discloses, EventId, Leaf, Outcome, Receipt};
use wardkeep_policy::{Action, Resource};
use wardkeep_store::{DocId, Document, Find, Kind, Seq, Term};
use wardkeep_vault::{PatientKey, Purpose};

use crate::access::{role_label, who_label};
use crate::accounts::PAGE;
use crate::act::{Act, Side};
use crate::clear::ClearEvent;
use crate::error::invalid;
use crate::integrity::{Check, Proof};
use crate::verify::about_matches;
use crate::{App, Ctx, Error, Result, kinds, tiles};

pub(crate) use export::filter;
pub use export::{ALONE_ROWS_MAX, EXPORT_MAX, scope};
pub use words::words;

/// What the log's page may be narrowed by.
#[derive(Clone, Default)]
pub struct LogFilter {
    pub from: Option<Moment>,
    pub to: Option<Moment>,
    /// E-mail of an account.
    pub person: String,
    /// MRN of a patient.
    pub mrn: String,
    /// Dotted class name.
    pub class: Option<wardkeep_ledger::Class>,
    pub outcome: Option<wardkeep_ledger::Outcome>,
}

/// One line. `what` never holds clinical text.
#[derive(Clone)]
pub struct LogRow {
    pub event: ClearEvent,
    /// Index in its stream.
    pub index: u64,
    pub stream: String,
    pub who: String,
    pub role: String,
    /// In plain words: "Amended a record".
    pub words: String,
    /// "OKAFOR, G. · MRN 704 118 2293" or "Account …", empty when there is none.
    pub object: String,
    pub reason: String,
}

/// Cursor over both streams, merged by time: (control, records) sequences.
pub type LogCursor = (u64, u64);

#[derive(Clone)]
pub struct LogPage {
    pub rows: Vec<LogRow>,
    pub next: Option<LogCursor>,
}

/// An entry with its inclusion proof.
pub struct LogEntry {
    pub row: LogRow,
    pub proof: Proof,
    /// The `tlog-proof@v1` text to download; empty before the seal.
    pub proof_file: String,
    /// Clear facts of the event, for the page.
    pub facts: Vec<(String, String)>,
}

/// Something an administrator must look at.
#[derive(Clone, Debug)]
pub struct Alarm {
    pub id: [u8; 16],
    pub at: Moment,
    /// For example `integrity`.
    pub kind: String,
    /// What happened and what to do next, without patient data.
    pub words: String,
}

/// State of the log for the page's head and the posture page.
#[derive(Clone, Debug)]
pub struct LogState {
    pub stream: String,
    pub entries: u64,
    /// Entries not yet under a signed checkpoint.
    pub waiting: u64,
    pub last_seal: Option<Moment>,
    /// Root hash, hex.
    pub root: String,
}

/// Events read at once for an export.
const BATCH: usize = 500;
/// Beyond every sequence: the cursor of the first page.
const NEWEST: u64 = u64::MAX >> 1;

/// The kind of alarms about entries that do not match the log.
pub(crate) const INTEGRITY: &str = "integrity";

/// An alarm as sealed.
#[derive(Clone, Serialize, Deserialize)]
struct StoredAlarm {
    at: Moment,
    kind: String,
    words: String,
}

/// A filter turned into what the stores understand.
pub(crate) struct Query {
    terms: HashMap<Side, Vec<Term>>,
    since: HashMap<Side, Seq>,
    until: HashMap<Side, Seq>,
}

impl App {
    /// Newest first over both stores. Reading it is itself an event.
    ///
    /// # Errors
    /// `Denied`, `Invalid` on a person or MRN that does not exist.
    pub async fn read_log(&self, ctx: &Ctx, filter: &LogFilter, after: Option<LogCursor>) -> Result<LogPage> {
        let permit = self.permit(ctx, Action::ReadLog, Resource::Hospital).await?;
        let query = self.log_query(ctx, filter).await?;
        let (documents, next) = self.log_documents(filter, &query, after.unwrap_or((NEWEST, NEWEST)), PAGE).await?;
        let owners = owners_of(&documents, ctx);
        let act = Act::by(self, Side::Records, ctx, Class::LogRead).permit(&permit).discloses(Discloses::Owners(owners));
        let receipt = act.detail("entries", documents.len().to_string()).commit().await?;
        Ok(LogPage { rows: self.log_rows(ctx, &documents, &receipt).await?, next })
    }

    pub(crate) async fn log_query(&self, ctx: &Ctx, filter: &LogFilter) -> Result<Query> {
        let mut query = Query { terms: HashMap::new(), since: HashMap::new(), until: HashMap::new() };
        let mut facts: Vec<(&str, Vec<u8>)> = Vec::new();
        if !filter.mrn.trim().is_empty() {
            if !sees_patients(ctx) {
                return Err(invalid("mrn", "Only the privacy officer filters by patient."));
            }
            let mrn = Mrn::parse(&filter.mrn).map_err(|error| Error::Invalid(FieldErrors(vec![error])))?;
            let patient = self.patient_of_mrn(&mrn).await?.ok_or_else(|| invalid("mrn", "No patient has this MRN. Check the number."))?;
            facts.push(("subject", patient.id.0.to_vec()));
        }
        if !filter.person.trim().is_empty() {
            let email = Email::parse(&filter.person).map_err(|error| invalid("person", &error.message))?;
            let account =
                self.account_of_email(&email).await?.ok_or_else(|| invalid("person", "Nobody has an account with this address."))?;
            facts.push(("actor", hex::encode(account.body.id.bytes()).into_bytes()));
        }
        facts.extend(filter.class.map(|class| ("class", (class as u16).to_be_bytes().to_vec())));
        facts.extend(filter.outcome.map(|outcome| ("outcome", vec![outcome as u8])));
        for side in Side::BOTH {
            let terms = facts.iter().map(|(field, value)| self.exact_term(side.name(), kinds::EVENT, field, value)).collect();
            query.terms.insert(side, terms);
            if let Some(from) = filter.from {
                query.since.insert(side, self.store(side).seq_at(from.0).await?);
            }
            if let Some(to) = filter.to {
                query.until.insert(side, self.store(side).seq_at(to.0.saturating_add(1)).await?);
            }
        }
        Ok(query)
    }

    /// Events of both sides merged by time, newest first; the cursor keeps a place in each.
    async fn log_documents(
        &self,
        filter: &LogFilter,
        query: &Query,
        cursor: LogCursor,
        most: usize,
    ) -> Result<(Vec<(Side, Document, Moment)>, Option<LogCursor>)> {
        let mut sides = Vec::new();
        for (side, at) in Side::BOTH.into_iter().zip([cursor.0, cursor.1]) {
            let before = query.until.get(&side).map_or(at, |until| at.min(until.0));
            let all_of = query.terms.get(&side).cloned().unwrap_or_default();
            let find = Find {
                kind: kinds::EVENT,
                all_of,
                before: Some(Seq(before)),
                since: query.since.get(&side).copied(),
                limit: most.saturating_add(1),
            };
            let mut found = Vec::new();
            for document in self.store(side).find(&find).await? {
                let time = self.open_actor_part(side, &document).map_or(Moment(0), |actor| Moment(actor.time_ms));
                found.push((side, document, time));
            }
            sides.push(found.into_iter().peekable());
        }
        let mut merged: Vec<(Side, Document, Moment)> = Vec::with_capacity(most);
        let (mut control, mut records) = (cursor.0, cursor.1);
        while merged.len() < most {
            let newest = sides.iter_mut().enumerate().filter_map(|(at, side)| side.peek().map(|next| (next.2, at))).max();
            let Some((side, document, time)) = newest.and_then(|(_, at)| sides.get_mut(at)?.next()) else { break };
            match side {
                Side::Control => control = document.seq.0,
                Side::Records => records = document.seq.0,
            }
            // The sequence bounds are as fine as commits; the moment decides.
            if filter.from.is_none_or(|from| time >= from) && filter.to.is_none_or(|to| time <= to) {
                merged.push((side, document, time));
            }
        }
        let more = sides.iter_mut().any(|side| side.peek().is_some());
        Ok((merged, more.then_some((control, records))))
    }

    pub(crate) async fn log_rows(&self, ctx: &Ctx, documents: &[(Side, Document, Moment)], receipt: &Receipt) -> Result<Vec<LogRow>> {
        let patients: Vec<PatientId> =
            documents.iter().filter(|(_, d, _)| d.owner.0 != [0; 16]).map(|(_, d, _)| PatientId::from_bytes(d.owner.0)).collect();
        let keys = if sees_patients(ctx) { self.patient_keys(&patients, ctx.now()).await? } else { HashMap::new() };
        let names = self.patient_labels(&keys, receipt).await?;
        let mut rows = Vec::with_capacity(documents.len());
        for (side, document, _) in documents {
            let Ok(actor) = self.open_actor_part(*side, document) else {
                self.raise_integrity_alarm(ctx, document.kind, document.id, document.version.0).await?;
                continue;
            };
            let patient = PatientId::from_bytes(document.owner.0);
            let subject = match keys.get(&patient) {
                Some(key) => match self.open_subject_part(*side, key, document, receipt) {
                    Ok(subject) => subject,
                    Err(_) => {
                        self.raise_integrity_alarm(ctx, document.kind, document.id, document.version.0).await?;
                        None
                    }
                },
                None => None,
            };
            let event = ClearEvent { event: EventId(document.id.0), side: *side, seq: document.seq.0, actor, subject };
            let stands = self.store(*side).entry(event.event).await?;
            let (stream, index) = stands.map_or_else(Default::default, |(stream, entry)| (stream.as_str().to_owned(), entry.index));
            let object = match names.get(&patient) {
                Some(name) => name.clone(),
                None if document.owner.0 != [0; 16] => "A patient".to_owned(),
                None => String::new(),
            };
            rows.push(LogRow {
                index,
                stream,
                who: who_label(&event.actor.who),
                role: role_label(&event.actor.who),
                words: event.class().map_or("Unknown", words).to_owned(),
                reason: event.detail("reason").unwrap_or_default().to_owned(),
                object,
                event,
            });
        }
        Ok(rows)
    }

    /// `OKAFOR, Grace · MRN …` for the privacy officer.
    pub(crate) async fn patient_labels(
        &self,
        keys: &HashMap<PatientId, PatientKey>,
        receipt: &Receipt,
    ) -> Result<HashMap<PatientId, String>> {
        let ids: Vec<DocId> = keys.keys().map(|id| DocId(id.bytes())).collect();
        let mut labels = HashMap::new();
        for document in self.records.get_many(kinds::PATIENT, &ids).await? {
            let id = PatientId::from_bytes(document.id.0);
            let Some(key) = keys.get(&id) else { continue };
            if let Ok(opened) = self.open_patient_doc::<Patient>(kinds::RECORDS, key, &document, receipt) {
                labels.insert(id, format!("{} · MRN {}", opened.body.banner_name(), opened.body.mrn.display()));
            }
        }
        Ok(labels)
    }

    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn log_entry(&self, ctx: &Ctx, event: [u8; 16]) -> Result<LogEntry> {
        let permit = self.permit(ctx, Action::ReadLog, Resource::Hospital).await?;
        let mut found = None;
        for side in Side::BOTH {
            if let Some(document) = self.store(side).get(kinds::EVENT, DocId(event)).await? {
                found = Some((side, document, Moment(0)));
            }
        }
        let documents: Vec<_> = found.into_iter().collect();
        let side = documents.first().map(|(side, ..)| *side).ok_or(Error::NotFound)?;
        let act =
            Act::by(self, Side::Records, ctx, Class::LogRead).permit(&permit).discloses(Discloses::Owners(owners_of(&documents, ctx)));
        let receipt = act.detail("entry", hex::encode(event)).commit().await?;
        let row = self.log_rows(ctx, &documents, &receipt).await?.into_iter().next().ok_or(Error::Integrity)?;
        let (proof, proof_file) = self.entry_proof(side, &row).await?;
        let mut facts: Vec<(String, String)> = row.event.about().map(|about| about.detail.clone()).unwrap_or_default();
        facts.extend(row.event.about().map(|about| ("documents named".to_owned(), about.named.len().to_string())));
        Ok(LogEntry { row, proof, proof_file, facts })
    }

    /// The `tlog-proof@v1` text of any entry; reading it is an event.
    ///
    /// # Errors
    /// As [`App::log_entry`]; `Refused` before the seal.
    pub async fn log_proof(&self, ctx: &Ctx, event: [u8; 16]) -> Result<String> {
        let file = self.log_entry(ctx, event).await?.proof_file;
        if file.is_empty() { Err(not_sealed_yet()) } else { Ok(file) }
    }

    async fn entry_proof(&self, side: Side, row: &LogRow) -> Result<(Proof, String)> {
        let store = self.store(side);
        let (stream, entry) = store.entry(row.event.event).await?.ok_or(Error::Integrity)?;
        let leaf = Leaf::decode(&entry.leaf).map_err(|_| Error::Integrity)?;
        let note = store.checkpoint(&stream).await?.unwrap_or_default();
        let checkpoint = Checkpoint::verify(&note, &self.signer.verifying_key()).ok();
        let mut proof = Proof {
            checks: Vec::new(),
            digest: hex::encode(leaf_hash(&entry.leaf)),
            event: row.event.event.0,
            stream: stream.as_str().to_owned(),
            index: entry.index,
            tree_size: 0,
            root: String::new(),
            sealed_at: None,
        };
        let mut check = |ok: bool, words: &str, fine_print: String| proof.checks.push(Check { ok, words: words.to_owned(), fine_print });
        check(row.event.actor.actor_commitment() == leaf.actor, "Who did it is what the entry commits to", row.who.clone());
        if let Some(about) = row.event.about() {
            check(
                about_matches(about, &leaf),
                "What was done is what the entry commits to",
                format!("{} documents named", about.named.len()),
            );
        }
        check(
            checkpoint.is_some(),
            "The seal carries the hospital's signature",
            checkpoint.as_ref().map_or_else(|| "No seal yet".to_owned(), |c| c.origin.clone()),
        );
        let mut file = String::new();
        if let Some(checkpoint) = checkpoint.filter(|checkpoint| entry.index < checkpoint.head.size) {
            let path = tiles::inclusion(store.as_ref(), &stream, entry.index, checkpoint.head.size).await?;
            let included = check_inclusion(&leaf_hash(&entry.leaf), entry.index, &checkpoint.head, &path);
            check(
                included,
                "The entry is listed under the seal",
                format!("{} steps to the root of {} entries", path.len(), checkpoint.head.size),
            );
            file = proof_file(&entry.leaf, entry.index, &path, &note);
            (proof.tree_size, proof.root) = (checkpoint.head.size, hex::encode(checkpoint.head.root));
            proof.sealed_at = checkpoint.time_ms.map(Moment);
        } else {
            check(true, "The entry is durable and waits for its seal", "The next seal follows within seconds".to_owned());
        }
        Ok((proof, file))
    }

    /// The `tlog-proof` text of an event about this patient, for whoever may see the history of the
    /// chart. It holds commitments and hashes, no content; taking it is an event all the same.
    ///
    /// # Errors
    /// `NotFound` when the event is not about this patient, `Denied`, `Refused` before its seal.
    pub async fn proof_for_patient(&self, ctx: &Ctx, patient: PatientId, event: [u8; 16]) -> Result<String> {
        let permit = self.permit_chart(ctx, Action::ReadAccessHistory, patient, None).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let mut about = None;
        for side in Side::BOTH {
            let found = self.store(side).get(kinds::EVENT, DocId(event)).await?;
            about = about.or(found.filter(|found| found.owner.0 == patient.bytes()).map(|_| side));
        }
        let store = self.store(about.ok_or(Error::NotFound)?);
        let act = Act::by(self, Side::Records, ctx, Class::AccessHistoryRead).permit(&permit).subject(&key);
        act.detail("proof", hex::encode(event)).commit().await?;
        let (stream, entry) = store.entry(EventId(event)).await?.ok_or(Error::Integrity)?;
        let note = store.checkpoint(&stream).await?.unwrap_or_default();
        let checkpoint = Checkpoint::verify(&note, &self.signer.verifying_key()).ok();
        let sealed = checkpoint.filter(|checkpoint| entry.index < checkpoint.head.size).ok_or_else(not_sealed_yet)?;
        let path = tiles::inclusion(store.as_ref(), &stream, entry.index, sealed.head.size).await?;
        Ok(proof_file(&entry.leaf, entry.index, &path, &note))
    }

    /// Open alarms, newest first.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn alarms(&self, ctx: &Ctx) -> Result<Vec<Alarm>> {
        self.permit(ctx, Action::ReadHealth, Resource::Hospital).await?;
        self.open_alarms().await
    }

    pub(crate) async fn open_alarms(&self) -> Result<Vec<Alarm>> {
        let query = Find { kind: kinds::ALARM, all_of: Vec::new(), before: None, since: None, limit: 100 };
        let mut alarms = Vec::new();
        for document in self.control.find(&query).await? {
            let StoredAlarm { at, kind, words } = self.open_own_doc(kinds::CONTROL, Purpose::Staff, &document)?.body;
            alarms.push(Alarm { id: document.id.0, at, kind, words });
        }
        Ok(alarms)
    }

    /// # Errors
    /// `Denied`.
    pub async fn log_state(&self, ctx: &Ctx) -> Result<Vec<LogState>> {
        self.permit(ctx, Action::ReadHealth, Resource::Hospital).await?;
        self.log_states().await
    }

    pub(crate) async fn log_states(&self) -> Result<Vec<LogState>> {
        let mut states = Vec::new();
        for side in Side::BOTH {
            for stream in self.store(side).streams().await? {
                let Some(head) = self.store(side).head(&stream).await? else { continue };
                let sealed = self.state.sealed(&stream);
                states.push(LogState {
                    stream: stream.as_str().to_owned(),
                    entries: head.size,
                    waiting: head.size.saturating_sub(sealed.map_or(0, |(head, _)| head.size)),
                    last_seal: sealed.map(|(_, at)| at),
                    root: hex::encode(head.root),
                });
            }
        }
        Ok(states)
    }

    /// Tells of an entry whose check failed: an event and an alarm, once per document version.
    pub(crate) async fn raise_integrity_alarm(&self, ctx: &Ctx, kind: Kind, id: DocId, version: u64) -> Result<()> {
        let words = format!(
            "A {} (id {}, version {version}) does not match the log. It is kept and marked. Run “wardkeep verify --records”, and restore what was changed from a backup.",
            kinds::name(kind),
            hex::encode(id.0)
        );
        let job = self.job(ctx.visit(), "integrity-check");
        let permit = self.permit(&job, Action::RunJob, Resource::Hospital).await?;
        let act = Act::by(self, Side::Control, &job, Class::IntegrityAlarm)
            .permit(&permit)
            .outcome(Outcome::Failed)
            .detail("kind", kinds::name(kind))
            .detail("id", hex::encode(id.0))
            .detail("version", version.to_string());
        self.raise_alarm(act, &[&kind.0.to_be_bytes(), &id.0, &version.to_be_bytes()], ctx.now(), INTEGRITY, words).await
    }

    /// Keeps an alarm for the administrator's page in the same commit as its event (an act on the
    /// control side). One that stands already, by its name, is not raised again.
    pub(crate) async fn raise_alarm(&self, mut act: Act<'_>, name: &[&[u8]], at: Moment, kind: &str, words: String) -> Result<()> {
        let name = wardkeep_vault::vault::digest(&name.concat());
        let alarm = DocId(name.first_chunk().copied().unwrap_or_default());
        if self.control.get(kinds::ALARM, alarm).await?.is_some() {
            return Ok(());
        }
        let stored = StoredAlarm { at, kind: kind.to_owned(), words };
        act.put_own(Purpose::Staff, kinds::ALARM, alarm, 1, &stored, Vec::new(), Vec::new())?;
        match act.commit().await {
            // Two found it at once: one alarm is enough.
            Ok(_) | Err(Error::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn not_sealed_yet() -> Error {
    Error::Refused("This entry waits for its seal. Try again in a minute.".to_owned())
}

/// Patients' parts of events are for the privacy officer alone.
fn sees_patients(ctx: &Ctx) -> bool {
    ctx.role() == Some(Role::PrivacyOfficer)
}

fn owners_of(documents: &[(Side, Document, Moment)], ctx: &Ctx) -> Vec<[u8; 16]> {
    if !sees_patients(ctx) {
        return Vec::new();
    }
    let mut owners: Vec<[u8; 16]> = documents.iter().map(|(_, document, _)| document.owner.0).filter(|owner| *owner != [0; 16]).collect();
    owners.sort_unstable();
    owners.dedup();
    owners
}
