//! The clear events against their leaves: content, order, running numbers, commit times.

use std::collections::HashMap;

use wardkeep_domain::PatientId;
use wardkeep_domain::date::Moment;
use wardkeep_ledger::commitment::Label;
use wardkeep_ledger::leaf::NO_SUBJECT;
use wardkeep_ledger::{Class, Commitment, EventId, Head, Leaf, Receipt, Salt};
use wardkeep_store::{Document, Entry, Seq, Store};
use wardkeep_vault::PatientKey;

use super::{BATCH, RecordsReport, Said, about_matches};
use crate::act::Side;
use crate::clear::{About, beside};
use crate::stroke::import::Progress;
use crate::{App, Result, kinds};

impl App {
    pub(super) async fn check_events(
        &self,
        side: Side,
        now: Moment,
        receipt: &Receipt,
        said: &mut Said,
        report: &mut RecordsReport,
        progress: Progress<'_>,
    ) -> Result<()> {
        let mut after = Seq(0);
        let mut order = Order::of(self.store(side).as_ref()).await?;
        loop {
            let documents = self.store(side).changed_since(Some(kinds::EVENT), after, BATCH).await?;
            let Some(last) = documents.last() else { break };
            after = last.seq;
            let owners: Vec<PatientId> =
                documents.iter().filter(|d| d.owner.0 != [0; 16]).map(|d| PatientId::from_bytes(d.owner.0)).collect();
            let keys = self.keys_that_open(&owners, now).await?;
            for document in &documents {
                report.events += 1;
                let entry = self.store(side).entry(EventId(document.id.0)).await?;
                let key = keys.get(&PatientId::from_bytes(document.owner.0));
                let sound = match &entry {
                    Some((stream, entry)) => {
                        order.look(stream.as_str(), entry, document, side, report);
                        self.check_event(side, receipt, document, entry, key, said)
                    }
                    None => false,
                };
                if !sound {
                    report.find("event-edited", side, document.kind, &document.id.0, "the clear event does not match its log entry");
                }
            }
            progress(report.events + report.documents, 0);
        }
        if !order.clock_is_sound || order.clock.next().is_some() {
            report.find_in("clock-edited", side, "the commit times behind the log's time filter are not those of the log");
        }
        self.check_counters(side, said, report).await
    }

    /// The next event about a patient must get the number after the last one.
    async fn check_counters(&self, side: Side, said: &Said, report: &mut RecordsReport) -> Result<()> {
        for (owner, last) in &said.numbers {
            let key = self.subject_counter(side.name(), PatientId::from_bytes(*owner));
            if self.store(side).inspection().counter(key).await? != *last {
                report.find("event-missing", side, kinds::PATIENT, owner, "the running number of the patient's events was changed");
            }
        }
        Ok(())
    }

    /// Does the clear event match its leaf? Collects what it says was written.
    fn check_event(
        &self,
        side: Side,
        receipt: &Receipt,
        document: &Document,
        entry: &Entry,
        key: Option<&PatientKey>,
        said: &mut Said,
    ) -> bool {
        said.events.insert(document.id.0, [0; 16]);
        let Ok(leaf) = Leaf::decode(&entry.leaf) else { return false };
        let Ok(actor) = self.open_actor_part(side, document) else { return false };
        said.events.insert(document.id.0, beside(document.owner, &self.event_terms(side, &actor, document.owner), &[]));
        let mut sound = actor.actor_commitment() == leaf.actor
            && leaf.event.0 == document.id.0
            && document.version.0 == 1
            && leaf.class as u16 == actor.class
            && leaf.outcome as u8 == actor.outcome
            && leaf.time_ms == actor.time_ms;
        if document.owner.0 == [0; 16] {
            let Some(about) = &actor.about else { return false };
            sound = sound && Self::split_event(&document.sealed).is_ok_and(|(_, rest)| rest.is_empty());
            said.collect(about, document.seq.0);
            if leaf.class == Class::PeerHeads {
                said.peers.extend(peer(about));
            }
            return sound && leaf.subject == NO_SUBJECT && about_matches(about, &leaf);
        }
        let number = entry.subject_number.unwrap_or(0);
        let last = said.numbers.entry(document.owner.0).or_default();
        sound = sound && number == last.saturating_add(1);
        *last = number.max(*last);
        let Some(key) = key else {
            said.locked.insert(document.owner.0);
            return sound;
        };
        let Ok(Some(subject)) = self.open_subject_part(side, key, document, receipt) else { return false };
        let commitment = Commitment::new(&Salt(subject.subject_salt), Label::Subject, &[&subject.patient.bytes(), &number.to_be_bytes()]);
        sound = sound && commitment == leaf.subject && subject.patient.bytes() == document.owner.0 && about_matches(&subject.about, &leaf);
        said.collect(&subject.about, document.seq.0);
        sound
    }
}

/// The head of another stream that an event logged.
pub(crate) fn peer(about: &About) -> Option<(String, Head)> {
    let detail = |key: &str| about.detail.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let root = hex::decode(detail("root")?).ok()?.try_into().ok()?;
    Some((detail("stream")?.to_owned(), Head { size: detail("size")?.parse().ok()?, root }))
}

/// Walks the events in the store's order beside the log's order and the commit times.
struct Order {
    /// Next index expected of each stream, at least.
    next: HashMap<String, u64>,
    clock: std::vec::IntoIter<(i64, Seq)>,
    clock_is_sound: bool,
    latest: Option<i64>,
    before: u64,
}

impl Order {
    async fn of(store: &dyn Store) -> Result<Self> {
        let mut clock = Vec::new();
        loop {
            let more = store.inspection().clock(clock.last().map(|(time, _)| *time), BATCH).await?;
            if more.is_empty() {
                break;
            }
            clock.extend(more);
        }
        Ok(Self { next: HashMap::new(), clock: clock.into_iter(), clock_is_sound: true, latest: None, before: 0 })
    }

    fn look(&mut self, stream: &str, entry: &Entry, document: &Document, side: Side, report: &mut RecordsReport) {
        let next = self.next.entry(stream.to_owned()).or_default();
        if entry.index < *next {
            report.find("reordered", side, document.kind, &document.id.0, "the event does not stand where the log has it");
        }
        *next = entry.index.saturating_add(1).max(*next);
        let time = Leaf::decode(&entry.leaf).map(|leaf| leaf.time_ms).ok();
        if let Some(time) = time.filter(|time| self.latest.is_none_or(|latest| *time > latest)) {
            // The commit's first document stands after the event before, and not after this one.
            let fits = |(noted, seq): (i64, Seq)| noted == time && seq.0 > self.before && seq.0 <= document.seq.0;
            self.clock_is_sound &= self.clock.next().is_some_and(fits);
            self.latest = Some(time);
        }
        self.before = document.seq.0;
    }
}
