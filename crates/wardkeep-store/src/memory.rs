//! The memory engine: the contract in its plainest form, for tests and simulation. It keeps every
//! promise of [`Store`] except that nothing outlives the process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use wardkeep_ledger::{Edge, EventId, Hash, Head, StreamId, tree::TileId};

use crate::check::{self, Look};
use crate::contract::{
    Applied, Changeset, DocId, Document, Entry, Find, Kind, Owner, Put, Refusal, Seq, Store, StoreError, Term, Version, Writer,
};
use crate::inspect::{Beside, BlobShape, Flaw, Inspect};
use crate::receive::{End, Receive, Rows, Whole};
use crate::stream::{Growth, Tail};

/// Empty at first; gone when dropped.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in the engine panics half-way through a change, so a poisoned state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryStore")
    }
}

#[derive(Default)]
struct State {
    seq: u64,
    documents: BTreeMap<u64, Document>,
    /// Sequence of each version, oldest first.
    versions: HashMap<(Kind, DocId), Vec<u64>>,
    current: BTreeSet<(Kind, u64)>,
    terms: BTreeSet<(Kind, Term, u64)>,
    unique: HashMap<(Kind, Term), DocId>,
    /// Terms and unique terms that each version was put with.
    beside: BTreeMap<u64, (Vec<Term>, Vec<Term>)>,
    streams: BTreeMap<String, Stream>,
    events: HashMap<EventId, (String, u64)>,
    counters: BTreeMap<[u8; 16], u64>,
    /// Running maximum of commit times, with the first sequence that reached it.
    clock: BTreeMap<i64, u64>,
    blobs: BTreeMap<DocId, Blob>,
    marks: HashMap<(Kind, DocId), i64>,
    lost: Option<String>,
}

#[derive(Default)]
struct Stream {
    tail: Tail,
    entries: Vec<Entry>,
    tiles: HashMap<TileId, Vec<Hash>>,
    checkpoint: Option<String>,
}

struct Blob {
    owner: Owner,
    recorded: bool,
    segments: BTreeMap<u32, Vec<u8>>,
}

impl Blob {
    fn staged(owner: Owner) -> Self {
        Self { owner, recorded: false, segments: BTreeMap::new() }
    }
}

impl Look for State {
    type Error = StoreError;
    fn version(&mut self, kind: Kind, id: DocId) -> Result<Version, StoreError> {
        Ok(self.current(kind, id).map_or(Version::ABSENT, |document| document.version))
    }
    fn holder(&mut self, kind: Kind, term: Term) -> Result<Option<DocId>, StoreError> {
        Ok(self.unique.get(&(kind, term)).copied())
    }
    fn staged(&mut self, id: DocId) -> Result<bool, StoreError> {
        Ok(self.blobs.get(&id).is_some_and(|blob| !blob.recorded))
    }
}

impl State {
    fn current(&self, kind: Kind, id: DocId) -> Option<&Document> {
        self.documents.get(self.versions.get(&(kind, id))?.last()?)
    }

    fn commit(&mut self, writer: &Writer, batch: Vec<Changeset>) -> Result<Vec<Result<Applied, Refusal>>, StoreError> {
        if let Some(stream) = &self.lost {
            return Err(StoreError::StreamLost(stream.clone()));
        }
        let name = writer.stream.as_str();
        let tail = self.streams.get(name).map(|stream| stream.tail.clone()).unwrap_or_default();
        let mut growth = match Growth::begin(writer, tail) {
            Ok(growth) => growth,
            Err(error) => {
                self.lost = Some(name.to_owned());
                return Err(error);
            }
        };
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut entries = Vec::new();
        for change in batch {
            let outcome = match check::refusal(&change, self)? {
                Some(refusal) => Err(refusal),
                None => Ok(self.apply(change, &mut growth, &mut entries)),
            };
            outcomes.push(outcome);
        }
        if !growth.is_empty() {
            let tiles = growth.finish();
            let stream = self.streams.entry(name.to_owned()).or_default();
            stream.tiles.extend(tiles);
            stream.tail = growth.tail;
            stream.entries.append(&mut entries);
        }
        Ok(outcomes)
    }

    fn apply(&mut self, change: Changeset, growth: &mut Growth<'_>, entries: &mut Vec<Entry>) -> Applied {
        let first = self.seq + 1;
        for erase in &change.erases {
            self.erase(erase.kind, erase.id);
        }
        for blob in &change.blob_erases {
            self.blobs.remove(blob);
        }
        for put in &change.puts {
            self.supersede(put.kind, put.id);
        }
        for put in change.puts {
            self.put(put);
        }
        for blob in &change.blobs {
            if let Some(blob) = self.blobs.get_mut(blob) {
                blob.recorded = true;
            }
        }
        if let Some(event) = change.events.first()
            && self.clock.last_key_value().is_none_or(|(latest, _)| event.time_ms > *latest)
        {
            self.clock.insert(event.time_ms, first);
        }
        let mut events = Vec::with_capacity(change.events.len());
        for draft in &change.events {
            let number = draft.subject.as_ref().map(|subject| {
                let number = self.counters.entry(subject.counter).or_default();
                *number += 1;
                *number
            });
            let entry = growth.leaf(draft, number);
            self.events.insert(draft.event, (growth.stream().to_owned(), entry.index));
            events.push((draft.event, entry.index, number));
            entries.push(entry);
        }
        Applied { seq: Seq(self.seq), events }
    }

    fn put(&mut self, put: Put) {
        self.supersede(put.kind, put.id);
        self.seq += 1;
        let Put { kind, id, owner, version, sealed, terms, unique } = put;
        self.terms.extend(terms.iter().chain(&unique).map(|term| (kind, *term, self.seq)));
        self.unique.extend(unique.iter().map(|term| ((kind, *term), id)));
        self.beside.insert(self.seq, (terms, unique));
        self.versions.entry((kind, id)).or_default().push(self.seq);
        self.current.insert((kind, self.seq));
        self.documents.insert(self.seq, Document { kind, id, owner, version, seq: Seq(self.seq), sealed });
    }

    /// The current version lets go of its terms and its place among the current ones.
    fn supersede(&mut self, kind: Kind, id: DocId) {
        let Some(seq) = self.current(kind, id).map(|document| document.seq.0) else { return };
        self.current.remove(&(kind, seq));
        let (terms, unique) = self.beside.get(&seq).cloned().unwrap_or_default();
        for term in terms.iter().chain(&unique) {
            self.terms.remove(&(kind, *term, seq));
        }
        for term in unique {
            if self.unique.get(&(kind, term)) == Some(&id) {
                self.unique.remove(&(kind, term));
            }
        }
    }

    fn erase(&mut self, kind: Kind, id: DocId) {
        self.supersede(kind, id);
        for seq in self.versions.remove(&(kind, id)).unwrap_or_default() {
            self.documents.remove(&seq);
            self.beside.remove(&seq);
        }
        self.marks.remove(&(kind, id));
    }

    fn receive(&mut self, rows: Rows) -> Result<(), StoreError> {
        match rows {
            Rows::Documents(rows) => rows.into_iter().for_each(|row| self.keep(row)),
            Rows::Counters(rows) => self.counters.extend(rows),
            Rows::Clock(rows) => self.clock.extend(rows.into_iter().map(|(time, seq)| (time, seq.0))),
            Rows::Files { segments, whole } => {
                for segment in segments {
                    let blob = self.blobs.entry(segment.blob).or_insert_with(|| Blob::staged(segment.owner));
                    blob.segments.insert(segment.number, segment.bytes);
                }
                for (id, owner) in whole {
                    self.blobs.entry(id).or_insert_with(|| Blob::staged(owner)).recorded = true;
                }
            }
            Rows::Leaves { stream, leaves } => {
                let kept = self.streams.entry(stream.as_str().to_owned()).or_default();
                for (event, entry) in leaves {
                    self.events.insert(event, (stream.as_str().to_owned(), entry.index));
                    if entry.index == kept.entries.len() as u64 {
                        kept.entries.push(entry);
                    }
                }
            }
            Rows::Tiles { stream, tiles } => self.streams.entry(stream.as_str().to_owned()).or_default().tiles.extend(tiles),
            Rows::End { seq, streams } => {
                self.seq = seq.0;
                streams.into_iter().try_for_each(|end| self.end(end))?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, row: Whole) {
        let Whole { document, beside: Beside { terms, unique, current, .. } } = row;
        let (kind, id, seq) = (document.kind, document.id, document.seq.0);
        if current {
            self.current.insert((kind, seq));
            self.terms.extend(terms.iter().chain(&unique).map(|term| (kind, *term, seq)));
            self.unique.extend(unique.iter().map(|term| ((kind, *term), id)));
        }
        let versions = self.versions.entry((kind, id)).or_default();
        if let Err(place) = versions.binary_search(&seq) {
            versions.insert(place, seq);
        }
        self.beside.insert(seq, (terms, unique));
        self.documents.insert(seq, document);
    }

    fn end(&mut self, end: End) -> Result<(), StoreError> {
        let stream = self.streams.entry(end.stream.as_str().to_owned()).or_default();
        let edge = Edge::restore(end.head.size, |tile| Ok::<_, StoreError>(stream.tiles.get(&tile).cloned()))
            .map_err(|error| StoreError::Damaged(error.to_string()))?;
        stream.tail = Tail { edge, boot: end.boot, next_sequence: end.next_sequence, past: Vec::new() };
        Ok(())
    }

    fn find(&self, query: &Find) -> Vec<Document> {
        let since = query.since.map_or(0, |seq| seq.0);
        let before = query.before.map_or(u64::MAX, |seq| seq.0);
        if since >= before {
            return Vec::new();
        }
        let holds = |term: &Term, seq: u64| self.terms.contains(&(query.kind, *term, seq));
        let seqs: Vec<u64> = match query.all_of.split_first() {
            None => self.current.range((query.kind, since)..(query.kind, before)).rev().map(|key| key.1).take(query.limit).collect(),
            Some((first, others)) => self
                .terms
                .range((query.kind, *first, since)..(query.kind, *first, before))
                .rev()
                .map(|key| key.2)
                .filter(|seq| others.iter().all(|term| holds(term, *seq)))
                .take(query.limit)
                .collect(),
        };
        seqs.iter().filter_map(|seq| self.documents.get(seq).cloned()).collect()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, kind: Kind, id: DocId) -> Result<Option<Document>, StoreError> {
        Ok(self.state().current(kind, id).cloned())
    }

    async fn get_many(&self, kind: Kind, ids: &[DocId]) -> Result<Vec<Document>, StoreError> {
        let state = self.state();
        Ok(ids.iter().filter_map(|id| state.current(kind, *id).cloned()).collect())
    }

    async fn history(&self, kind: Kind, id: DocId) -> Result<Vec<Document>, StoreError> {
        let state = self.state();
        let seqs = state.versions.get(&(kind, id)).map(Vec::as_slice).unwrap_or_default();
        Ok(seqs.iter().filter_map(|seq| state.documents.get(seq).cloned()).collect())
    }

    async fn find(&self, query: &Find) -> Result<Vec<Document>, StoreError> {
        Ok(self.state().find(query))
    }

    async fn changed_since(&self, kind: Option<Kind>, after: Seq, limit: usize) -> Result<Vec<Document>, StoreError> {
        let state = self.state();
        let later = state.documents.range(after.0.saturating_add(1)..).map(|(_, document)| document);
        Ok(later.filter(|document| kind.is_none_or(|kind| document.kind == kind)).take(limit).cloned().collect())
    }

    async fn commit(&self, writer: &Writer, batch: Vec<Changeset>) -> Result<Vec<Result<Applied, Refusal>>, StoreError> {
        self.state().commit(writer, batch)
    }

    async fn streams(&self) -> Result<Vec<StreamId>, StoreError> {
        let state = self.state();
        let named = state.streams.iter().filter(|(_, stream)| stream.tail.edge.size() > 0);
        named.map(|(name, _)| StreamId::parse(name).map_err(|error| StoreError::Damaged(error.to_string()))).collect()
    }

    async fn head(&self, stream: &StreamId) -> Result<Option<Head>, StoreError> {
        let state = self.state();
        let edge: Option<&Edge> = state.streams.get(stream.as_str()).map(|stream| &stream.tail.edge);
        Ok(edge.filter(|edge| edge.size() > 0).map(Edge::head))
    }

    async fn entries(&self, stream: &StreamId, from: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let state = self.state();
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(state
            .streams
            .get(stream.as_str())
            .into_iter()
            .flat_map(|stream| stream.entries.iter().skip(from).take(limit).cloned())
            .collect())
    }

    async fn entry(&self, event: EventId) -> Result<Option<(StreamId, Entry)>, StoreError> {
        let state = self.state();
        let Some((name, index)) = state.events.get(&event) else { return Ok(None) };
        let stream = StreamId::parse(name).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let index = usize::try_from(*index).unwrap_or(usize::MAX);
        Ok(state.streams.get(name).and_then(|found| found.entries.get(index)).map(|entry| (stream, entry.clone())))
    }

    async fn tile(&self, stream: &StreamId, tile: TileId) -> Result<Option<Vec<Hash>>, StoreError> {
        Ok(self.state().streams.get(stream.as_str()).and_then(|stream| stream.tiles.get(&tile).cloned()))
    }

    async fn seq_at(&self, time_ms: i64) -> Result<Seq, StoreError> {
        Ok(self.state().clock.range(time_ms..).next().map_or(Seq(u64::MAX >> 1), |(_, seq)| Seq(*seq)))
    }

    async fn checkpoint_put(&self, stream: &StreamId, note: &str) -> Result<(), StoreError> {
        self.state().streams.entry(stream.as_str().to_owned()).or_default().checkpoint = Some(note.to_owned());
        Ok(())
    }

    async fn checkpoint(&self, stream: &StreamId) -> Result<Option<String>, StoreError> {
        Ok(self.state().streams.get(stream.as_str()).and_then(|stream| stream.checkpoint.clone()))
    }

    async fn blob_write(&self, id: DocId, owner: Owner, segment: u32, bytes: Vec<u8>) -> Result<(), StoreError> {
        check::segment(&bytes)?;
        let mut state = self.state();
        let blob = state.blobs.entry(id).or_insert_with(|| Blob::staged(owner));
        if blob.recorded {
            return Err(check::blob_recorded());
        }
        blob.segments.insert(segment, bytes);
        Ok(())
    }

    async fn blob_read(&self, id: DocId, segment: u32) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.state().blobs.get(&id).and_then(|blob| blob.segments.get(&segment).cloned()))
    }

    async fn blob_abandon(&self, id: DocId) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.blobs.get(&id).is_some_and(|blob| !blob.recorded) {
            state.blobs.remove(&id);
        }
        Ok(())
    }

    async fn blob_sweep(&self) -> Result<u64, StoreError> {
        let mut state = self.state();
        let before = state.blobs.len();
        state.blobs.retain(|_, blob| blob.recorded);
        Ok((before - state.blobs.len()) as u64)
    }

    async fn purge(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn blobs(&self, after: Option<DocId>, limit: usize) -> Result<Vec<DocId>, StoreError> {
        let state = self.state();
        let later = state.blobs.iter().filter(|(id, blob)| blob.recorded && after.is_none_or(|after| **id > after));
        Ok(later.map(|(id, _)| *id).take(limit).collect())
    }

    async fn mark(&self, kind: Kind, id: DocId, value: i64) -> Result<(), StoreError> {
        self.state().marks.insert((kind, id), value);
        Ok(())
    }

    async fn marked(&self, kind: Kind, id: DocId) -> Result<Option<i64>, StoreError> {
        Ok(self.state().marks.get(&(kind, id)).copied())
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn inspection(&self) -> &dyn Inspect {
        self
    }
}

#[async_trait]
impl Inspect for MemoryStore {
    async fn beside(&self, after: Seq, limit: usize) -> Result<Vec<Beside>, StoreError> {
        let state = self.state();
        let later = state.beside.range(after.0.saturating_add(1)..).take(limit);
        let current = |seq: &u64| state.documents.get(seq).is_some_and(|document| state.current.contains(&(document.kind, *seq)));
        Ok(later
            .map(|(seq, (terms, unique))| Beside { seq: Seq(*seq), terms: terms.clone(), unique: unique.clone(), current: current(seq) })
            .collect())
    }

    async fn counter(&self, key: [u8; 16]) -> Result<u64, StoreError> {
        Ok(self.state().counters.get(&key).copied().unwrap_or(0))
    }

    async fn counters(&self, after: Option<[u8; 16]>, limit: usize) -> Result<Vec<([u8; 16], u64)>, StoreError> {
        let state = self.state();
        let later = state.counters.iter().filter(|(key, _)| after.is_none_or(|after| **key > after));
        Ok(later.take(limit).map(|(key, value)| (*key, *value)).collect())
    }

    async fn sequence(&self) -> Result<Seq, StoreError> {
        Ok(Seq(self.state().seq))
    }

    async fn blob(&self, id: DocId) -> Result<Option<BlobShape>, StoreError> {
        let state = self.state();
        let blob = state.blobs.get(&id).filter(|blob| blob.recorded);
        Ok(blob.map(|blob| BlobShape { owner: blob.owner, segments: blob.segments.keys().copied().collect() }))
    }

    async fn clock(&self, after: Option<i64>, limit: usize) -> Result<Vec<(i64, Seq)>, StoreError> {
        let from = after.map_or(i64::MIN, |time| time.saturating_add(1));
        Ok(self.state().clock.range(from..).take(limit).map(|(time, seq)| (*time, Seq(*seq))).collect())
    }

    /// Nobody reaches this memory but the engine itself.
    async fn flaws(&self) -> Result<Vec<Flaw>, StoreError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Receive for MemoryStore {
    fn store(&self) -> &dyn Store {
        self
    }

    async fn receive(&self, rows: Rows) -> Result<(), StoreError> {
        self.state().receive(rows)
    }
}
