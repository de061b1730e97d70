//! `verify --records`: every sealed document against the ledger.
//!
//! The clear events say which document versions were written, by digest; their commitments bind
//! them to the leaves; the leaves give the root. Whatever does not fit is a finding.

use std::collections::{BTreeMap, HashMap, HashSet};

use wardkeep_domain::PatientId;
use wardkeep_domain::date::Moment;
use wardkeep_ledger::commitment::Label;
use wardkeep_ledger::leaf::NO_SUBJECT;
use wardkeep_ledger::tree::leaf_hash;
use wardkeep_ledger::{Class, Commitment, Discloses, Edge, EventId, Leaf, Receipt, Salt};
use wardkeep_policy::{Action, Resource};
use wardkeep_store::{DocId, Document, Entry, Kind, Seq};
use wardkeep_vault::PatientKey;

use crate::act::{About, Act, Side};
use crate::stroke::import::Progress;
use crate::{App, Ctx, Result, kinds};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFinding {
    /// Stable code: `edited`, `deleted`, `rolled-back`, `unlogged`, `event-missing`, `event-edited`, `log-edited`, `blob-damaged`.
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
/// Findings kept; more are only counted in the last one's words.
const FINDINGS_MAX: usize = 10_000;

/// What the events of one store say was written.
#[derive(Default)]
struct Said {
    /// (kind, id) -> version -> digest.
    written: HashMap<(u16, [u8; 16]), BTreeMap<u64, [u8; 32]>>,
    erased: HashSet<(u16, [u8; 16])>,
    events: HashSet<[u8; 16]>,
    /// Patients whose key is gone: their events cannot be opened, their documents must be gone.
    shredded: HashSet<[u8; 16]>,
}

impl RecordsReport {
    fn find(&mut self, code: &'static str, side: Side, kind: u16, id: &[u8; 16], words: &str) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings
                .push(RecordFinding { code, words: format!("{} {} {}: {words}", side.name(), kinds::name(Kind(kind)), hex::encode(id)) });
        }
    }
}

impl App {
    /// Re-reads every sealed document and blob of both stores and compares (id, version, digest)
    /// with what the ledger's clear events say. Logs that it ran, and its result.
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
        for side in [Side::Control, Side::Records] {
            let mut said = Said::default();
            self.check_log(side, &mut report).await?;
            self.check_events(side, ctx.now(), &receipt, &mut said, &mut report, progress).await?;
            self.check_documents(side, &said, &mut report, progress).await?;
            self.check_entries_have_events(side, &said, &mut report).await?;
            self.check_blobs(side, &said, &mut report).await?;
        }
        let result = if report.findings.is_empty() { "clean".to_owned() } else { format!("{} findings", report.findings.len()) };
        Act::by(self, Side::Records, ctx, Class::VerificationRun)
            .permit(&permit)
            .detail("state", "finished")
            .detail("result", result)
            .commit()
            .await?;
        Ok(report)
    }

    /// The stored leaves must give the stored root.
    async fn check_log(&self, side: Side, report: &mut RecordsReport) -> Result<()> {
        for stream in self.store(side).streams().await? {
            let Some(head) = self.store(side).head(&stream).await? else { continue };
            let mut edge = Edge::new();
            while edge.size() < head.size {
                let want = usize::try_from(head.size - edge.size()).unwrap_or(BATCH).min(BATCH);
                let entries = self.store(side).entries(&stream, edge.size(), want).await?;
                let sound = !entries.is_empty() && entries.iter().zip(edge.size()..).all(|(entry, index)| entry.index == index);
                if !sound {
                    report.find("log-edited", side, kinds::EVENT.0, &[0; 16], "entries of the log are missing");
                    return Ok(());
                }
                let hashes: Vec<_> = entries.iter().map(|entry| leaf_hash(&entry.leaf)).collect();
                edge.append(&hashes);
            }
            if edge.head() != head {
                report.find("log-edited", side, kinds::EVENT.0, &[0; 16], "the log's entries do not give its root");
            }
        }
        Ok(())
    }

    async fn check_events(
        &self,
        side: Side,
        now: Moment,
        receipt: &Receipt,
        said: &mut Said,
        report: &mut RecordsReport,
        progress: Progress<'_>,
    ) -> Result<()> {
        let mut after = Seq(0);
        loop {
            let documents = self.store(side).changed_since(Some(kinds::EVENT), after, BATCH).await?;
            let Some(last) = documents.last() else { return Ok(()) };
            after = last.seq;
            let owners: Vec<PatientId> =
                documents.iter().filter(|d| d.owner.0 != [0; 16]).map(|d| PatientId::from_bytes(d.owner.0)).collect();
            let keys = self.patient_keys(&owners, now).await?;
            for document in &documents {
                report.events += 1;
                said.events.insert(document.id.0);
                let entry = self.store(side).entry(EventId(document.id.0)).await?;
                let key = keys.get(&PatientId::from_bytes(document.owner.0));
                if !self.check_event(side, receipt, document, entry.map(|(_, entry)| entry), key, said) {
                    report.find("event-edited", side, document.kind.0, &document.id.0, "the clear event does not match its log entry");
                }
            }
            progress(report.events + report.documents, 0);
        }
    }

    /// Does the clear event match its leaf? Collects what it says was written.
    fn check_event(
        &self,
        side: Side,
        receipt: &Receipt,
        document: &Document,
        entry: Option<Entry>,
        key: Option<&PatientKey>,
        said: &mut Said,
    ) -> bool {
        let Some(entry) = entry else { return false };
        let Ok(leaf) = Leaf::decode(&entry.leaf) else { return false };
        let Ok(actor) = self.open_actor_part(side, document) else { return false };
        let mut sound = actor.actor_commitment() == leaf.actor
            && leaf.class as u16 == actor.class
            && leaf.outcome as u8 == actor.outcome
            && leaf.time_ms == actor.time_ms;
        if document.owner.0 == [0; 16] {
            let Some(about) = &actor.about else { return false };
            said.collect(about);
            return sound && leaf.subject == NO_SUBJECT && about_matches(about, &leaf);
        }
        let Some(key) = key else {
            said.shredded.insert(document.owner.0);
            return sound;
        };
        let Ok(Some(subject)) = self.open_subject_part(side, key, document, receipt) else { return false };
        let number = entry.subject_number.unwrap_or(0);
        let commitment = Commitment::new(&Salt(subject.subject_salt), Label::Subject, &[&subject.patient.bytes(), &number.to_be_bytes()]);
        sound = sound && commitment == leaf.subject && subject.patient.bytes() == document.owner.0 && about_matches(&subject.about, &leaf);
        said.collect(&subject.about);
        sound
    }

    async fn check_documents(&self, side: Side, said: &Said, report: &mut RecordsReport, progress: Progress<'_>) -> Result<()> {
        let mut seen: HashMap<(u16, [u8; 16]), u64> = HashMap::new();
        let mut after = Seq(0);
        loop {
            let documents = self.store(side).changed_since(None, after, BATCH).await?;
            let Some(last) = documents.last() else { break };
            after = last.seq;
            for document in documents.iter().filter(|document| document.kind != kinds::EVENT) {
                report.documents += 1;
                let name = (document.kind.0, document.id.0);
                *seen.entry(name).or_default() += 1;
                match said.written.get(&name).and_then(|versions| versions.get(&document.version.0)) {
                    Some(digest) if *digest == wardkeep_vault::vault::digest(&document.sealed) => {}
                    Some(_) => report.find("edited", side, name.0, &name.1, "the sealed bytes are not those that were logged"),
                    None if said.shredded.contains(&document.owner.0) => {}
                    None => report.find("unlogged", side, name.0, &name.1, "no event says that this version was written"),
                }
            }
            progress(report.events + report.documents, 0);
        }
        for (name, versions) in &said.written {
            if name.0 == kinds::BLOB.0 || said.erased.contains(name) {
                continue;
            }
            match seen.get(name) {
                None => report.find("deleted", side, name.0, &name.1, "the document is gone"),
                Some(count) if *count < versions.len() as u64 => {
                    report.find("rolled-back", side, name.0, &name.1, "versions that were logged are gone")
                }
                Some(_) => {}
            }
            // The version served as current must be the newest logged one.
            let newest = versions.keys().next_back().copied().unwrap_or(0);
            if seen.contains_key(name)
                && self.store(side).get(Kind(name.0), DocId(name.1)).await?.is_none_or(|current| current.version.0 != newest)
            {
                report.find("rolled-back", side, name.0, &name.1, "an older version is served as the current one");
            }
        }
        Ok(())
    }

    async fn check_entries_have_events(&self, side: Side, said: &Said, report: &mut RecordsReport) -> Result<()> {
        for stream in self.store(side).streams().await? {
            let mut from = 0;
            loop {
                let entries = self.store(side).entries(&stream, from, BATCH).await?;
                let Some(last) = entries.last() else { break };
                from = last.index + 1;
                for entry in &entries {
                    let event = Leaf::decode(&entry.leaf).map(|leaf| leaf.event.0).unwrap_or_default();
                    // Events after the walk began are not in the set; ask the store for them.
                    if !said.events.contains(&event) && self.store(side).get(kinds::EVENT, DocId(event)).await?.is_none() {
                        report.find("event-missing", side, kinds::EVENT.0, &event, "the log entry's clear event is gone");
                    }
                }
            }
        }
        Ok(())
    }

    async fn check_blobs(&self, side: Side, said: &Said, report: &mut RecordsReport) -> Result<()> {
        let mut after = None;
        let mut present = HashSet::new();
        loop {
            let ids = self.store(side).blobs(after, BATCH).await?;
            let Some(last) = ids.last() else { break };
            after = Some(*last);
            for id in ids {
                present.insert(id.0);
                report.blobs += 1;
                let digest = self.blob_digest(side, id).await?;
                match said.written.get(&(kinds::BLOB.0, id.0)).and_then(|versions| versions.get(&1)) {
                    Some(logged) if *logged == digest => {}
                    Some(_) => {
                        report.find("blob-damaged", side, kinds::BLOB.0, &id.0, "the file's sealed bytes are not those that were logged")
                    }
                    None => report.find("unlogged", side, kinds::BLOB.0, &id.0, "no event says that this file was filed"),
                }
            }
        }
        for (kind, id) in said.written.keys().filter(|name| name.0 == kinds::BLOB.0 && !said.erased.contains(*name)) {
            if !present.contains(id) {
                report.find("deleted", side, *kind, id, "the file is gone");
            }
        }
        Ok(())
    }

    /// SHA-256 over all sealed bytes of a blob, read segment by segment.
    pub(crate) async fn blob_digest(&self, side: Side, id: DocId) -> Result<[u8; 32]> {
        let mut all = wardkeep_vault::vault::Digest::new();
        let mut segment = 0;
        while let Some(bytes) = self.store(side).blob_read(id, segment).await? {
            all.update(&bytes);
            segment += 1;
        }
        Ok(all.finish())
    }
}

impl Said {
    fn collect(&mut self, about: &About) {
        for named in about.named.iter().filter(|named| named.wrote) {
            if named.version == 0 {
                self.erased.insert((named.kind, named.id));
            } else {
                self.written.entry((named.kind, named.id)).or_default().insert(named.version, named.digest);
            }
        }
    }
}

pub(crate) fn about_matches(about: &About, leaf: &Leaf) -> bool {
    about.resource_commitment() == leaf.resource && about.detail_commitment() == leaf.detail
}
