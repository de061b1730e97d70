//! `verify --records`: every sealed document against the ledger.
//!
//! The clear events say which document versions were written: by digest, in which order, for whom
//! and found by which terms. Their commitments bind them to the leaves; the leaves give the root.
//! Whatever does not fit is a finding. Run it while nothing else writes: a change in the middle of
//! the walk may look like one.

mod documents;
mod events;
mod log;

use std::collections::{BTreeMap, HashMap, HashSet};

use wardkeep_domain::PatientId;
use wardkeep_domain::date::Moment;
use wardkeep_ledger::{Class, Discloses, Head, Leaf};
use wardkeep_policy::{Action, Resource};
use wardkeep_store::{Flaw, Kind};
use wardkeep_vault::PatientKey;

use crate::act::{Act, Side};
use crate::clear::About;
use crate::stroke::import::Progress;
use crate::{App, Ctx, Error, Result, kinds};

pub(crate) use events::peer;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFinding {
    /// Stable code: `edited`, `deleted`, `rolled-back`, `unlogged`, `terms-edited`, `reordered`,
    /// `event-missing`, `event-edited`, `log-edited`, `clock-edited`, `key-missing`, `blob-damaged`,
    /// `store-damaged`, `unreadable`.
    pub code: &'static str,
    /// In plain words, with kind and opaque id.
    pub words: String,
}

#[derive(Clone, Debug, Default)]
pub struct RecordsReport {
    pub documents: u64,
    pub events: u64,
    pub blobs: u64,
    pub findings: Vec<RecordFinding>,
}

/// Documents read at once.
const BATCH: usize = 1000;
/// Findings kept; one is enough to stop trusting the data.
const FINDINGS_MAX: usize = 10_000;

type Name = (u16, [u8; 16]);

/// What an event says of a document version that it wrote.
struct Written {
    digest: [u8; 32],
    /// See [`crate::act::beside`].
    beside: [u8; 16],
    /// Where in the store's order it must stand; 0 for files, which have no place there.
    seq: u64,
}

/// What the events of one store say.
#[derive(Default)]
struct Said {
    /// Versions that were written and not erased since.
    written: HashMap<Name, BTreeMap<u64, Written>>,
    /// Each event with what it must have been put with.
    events: HashMap<[u8; 16], [u8; 16]>,
    /// Patients whose key was erased.
    erased_keys: HashSet<[u8; 16]>,
    /// Patients whose key is not there or does not open: nothing of theirs can be checked.
    locked: HashSet<[u8; 16]>,
    /// Last running number of each patient.
    numbers: HashMap<[u8; 16], u64>,
    /// Heads of other streams that were logged here.
    peers: Vec<(String, Head)>,
}

impl RecordsReport {
    fn find(&mut self, code: &'static str, side: Side, kind: Kind, id: &[u8; 16], words: &str) {
        self.push(code, format!("{} {} {}: {words}", side.name(), kinds::name(kind), hex::encode(id)));
    }
    /// Something about a store as a whole.
    fn find_in(&mut self, code: &'static str, side: Side, words: &str) {
        self.push(code, format!("{} store: {words}", side.name()));
    }
    fn push(&mut self, code: &'static str, words: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(RecordFinding { code, words });
        }
    }
    /// What cannot be read is a finding, not the end of the verification.
    fn readable(&mut self, side: Side, done: Result<()>) -> Result<()> {
        match done {
            Err(error @ (Error::Unavailable(_) | Error::Integrity)) => {
                self.find_in("unreadable", side, &error.to_string());
                Ok(())
            }
            done => done,
        }
    }
}

impl App {
    /// Re-reads every sealed document and file of both stores and compares them with what the
    /// ledger's clear events say. Logs that it ran, and its result.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    pub async fn verify_records(&self, ctx: &Ctx, progress: Progress<'_>) -> Result<RecordsReport> {
        let permit = self.permit(ctx, Action::RunVerification, Resource::Hospital).await?;
        let start = Act::by(self, Side::Records, ctx, Class::VerificationRun)
            .permit(&permit)
            .detail("state", "started")
            .discloses(Discloses::Everything);
        let receipt = start.commit().await?;
        let mut report = RecordsReport::default();
        let mut all: HashMap<Side, Said> = HashMap::new();
        for side in Side::BOTH {
            let looked = self.check_store(side, &mut report).await;
            report.readable(side, looked)?;
            let mut said = Said::default();
            let looked = self.check_events(side, ctx.now(), &receipt, &mut said, &mut report, progress).await;
            report.readable(side, looked)?;
            all.insert(side, said);
        }
        let empty = Said::default();
        // No stream logs its own head, so whatever names one was said by another.
        let peers: Vec<(String, Head)> = all.values().flat_map(|said| said.peers.iter().cloned()).collect();
        for side in Side::BOTH {
            let said = all.get(&side).unwrap_or(&empty);
            let looked = self.check_side(side, said, &peers, &mut report, progress).await;
            report.readable(side, looked)?;
        }
        check_keys(&all, &mut report);
        let result = if report.findings.is_empty() { "clean".to_owned() } else { format!("{} findings", report.findings.len()) };
        let finish = Act::by(self, Side::Records, ctx, Class::VerificationRun).permit(&permit);
        match finish.detail("state", "finished").detail("result", result).commit().await {
            // What was found is worth more than its entry in a log that cannot be written.
            Err(error) if !report.findings.is_empty() => report.readable(Side::Records, Err(error))?,
            done => drop(done?),
        }
        Ok(report)
    }

    async fn check_side(
        &self,
        side: Side,
        said: &Said,
        peers: &[(String, Head)],
        report: &mut RecordsReport,
        progress: Progress<'_>,
    ) -> Result<()> {
        self.check_log(side, peers, report).await?;
        self.check_documents(side, said, report, progress).await?;
        self.check_entries_have_events(side, said, report).await?;
        self.check_blobs(side, said, report).await
    }

    /// The engine's own bookkeeping.
    async fn check_store(&self, side: Side, report: &mut RecordsReport) -> Result<()> {
        for flaw in self.store(side).inspection().flaws().await? {
            match flaw {
                Flaw::Terms { kind, id } => {
                    report.find("terms-edited", side, kind, &id.0, "the index finds it by other terms than it was put with")
                }
                Flaw::Store(words) => report.find_in("store-damaged", side, &words),
            }
        }
        Ok(())
    }

    /// Keys of these patients; those whose key is missing or damaged are left out.
    async fn keys_that_open(&self, owners: &[PatientId], now: Moment) -> Result<HashMap<PatientId, PatientKey>> {
        let mut keys = self.patient_keys(owners, now).await?;
        keys.retain(|_, key| key.usable());
        Ok(keys)
    }
}

/// A key that is gone without an event that erased it takes the proof of its own making along.
fn check_keys(all: &HashMap<Side, Said>, report: &mut RecordsReport) {
    let erased = all.get(&Side::Control).map(|said| &said.erased_keys);
    let locked: HashSet<&[u8; 16]> = all.values().flat_map(|said| &said.locked).collect();
    for owner in locked {
        if erased.is_none_or(|erased| !erased.contains(owner)) {
            let words = "the patient's key is gone or damaged, and no event erased it";
            report.find("key-missing", Side::Control, kinds::PATIENT_KEY, owner, words);
        }
    }
}

impl Said {
    /// `seq`: where the event itself stands. Puts stand before their event, in the order it names them.
    fn collect(&mut self, about: &About, seq: u64) {
        let is_put = |kind: u16, version: u64| version > 0 && kind != kinds::BLOB.0;
        let mut puts = about.named.iter().filter(|named| named.wrote && is_put(named.kind, named.version)).count() as u64;
        for named in about.named.iter().filter(|named| named.wrote) {
            let name = (named.kind, named.id);
            if named.version == 0 {
                self.written.remove(&name);
                if named.kind == kinds::PATIENT_KEY.0 {
                    self.erased_keys.insert(named.id);
                }
                continue;
            }
            let mut written = Written { digest: named.digest, beside: named.beside, seq: 0 };
            if is_put(named.kind, named.version) {
                written.seq = seq.saturating_sub(puts);
                puts -= 1;
            }
            self.written.entry(name).or_default().insert(named.version, written);
        }
    }
}

pub(crate) fn about_matches(about: &About, leaf: &Leaf) -> bool {
    about.resource_commitment() == leaf.resource && about.detail_commitment() == leaf.detail
}
