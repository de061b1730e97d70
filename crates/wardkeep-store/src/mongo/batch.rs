//! A batch while it is put together: what its transaction saw, what it changes, and the statements
//! that write it.

use std::collections::{BTreeMap, HashMap, HashSet};

use mongodb::bson::{Bson, Document as Row, doc};
use wardkeep_ledger::EventId;

use super::error::Fail;
use super::read::tile_id;
use super::rows::{self, bin, signed};
use super::schema::{BLOB, CLOCK, COUNTER, DOCUMENT, HOUSE, LEDGER, MARK, SEGMENT, SEQUENCE, STREAM, TILE, UNIQUE};
use super::write::Transaction;
use crate::check::Look;
use crate::contract::{Applied, Changeset, DocId, Entry, Kind, Put, Seq, Term, Version};
use crate::stream::Growth;

/// What the row that orders all commits says.
pub(crate) struct Order {
    pub(crate) seq: u64,
    /// Latest commit time noted in the clock.
    pub(crate) latest: Option<i64>,
}

fn upsert(id: Bson, update: Row) -> Row {
    doc! { "q": { "_id": id }, "u": update, "upsert": true }
}

fn delete(filter: Row) -> Row {
    doc! { "q": filter, "limit": 0 }
}

/// The current version of a document while the batch is applied.
#[derive(Clone)]
struct Current {
    version: Version,
    uniques: Vec<Term>,
    /// Where it stands among the rows to insert; `None` when it is stored already.
    row: Option<usize>,
}

/// What the batch can see and what it has changed so far.
pub(crate) struct State {
    seq: u64,
    latest: Option<i64>,
    documents: HashMap<(Kind, DocId), Current>,
    holders: HashMap<(Kind, Term), DocId>,
    staged: HashSet<DocId>,
    counters: HashMap<[u8; 16], u64>,
    /// Rows to insert; `None` for one that was erased again.
    rows: Vec<Option<Row>>,
    superseded: Vec<Bson>,
    erased: Vec<(Kind, DocId)>,
    erased_blobs: Vec<DocId>,
    /// Changed unique terms: who holds them now.
    uniques: BTreeMap<(Kind, Term), Option<DocId>>,
    counted: HashSet<[u8; 16]>,
    recorded: Vec<DocId>,
    clock: Vec<(i64, u64)>,
    entries: Vec<(EventId, Entry)>,
}

impl Look for State {
    type Error = Fail;
    fn version(&mut self, kind: Kind, id: DocId) -> Result<Version, Fail> {
        Ok(self.documents.get(&(kind, id)).map_or(Version::ABSENT, |current| current.version))
    }
    fn holder(&mut self, kind: Kind, term: Term) -> Result<Option<DocId>, Fail> {
        Ok(self.holders.get(&(kind, term)).copied())
    }
    fn staged(&mut self, id: DocId) -> Result<bool, Fail> {
        Ok(self.staged.contains(&id))
    }
}

impl State {
    /// Reads all that the batch names, in a handful of queries.
    pub(crate) async fn load(transaction: &mut Transaction<'_>, batch: &[Changeset], order: Order) -> Result<Self, Fail> {
        let mut named: BTreeMap<Kind, HashSet<DocId>> = BTreeMap::new();
        let (mut terms, mut blobs, mut counters) = (HashSet::new(), HashSet::new(), HashSet::new());
        for change in batch {
            let puts = change.puts.iter().map(|put| (put.kind, put.id));
            let others = change.expects.iter().map(|expect| (expect.kind, expect.id));
            for (kind, id) in puts.chain(others).chain(change.erases.iter().map(|erase| (erase.kind, erase.id))) {
                named.entry(kind).or_default().insert(id);
            }
            terms.extend(change.puts.iter().flat_map(|put| put.unique.iter().map(|term| (put.kind, *term))));
            blobs.extend(change.blobs.iter().copied());
            counters.extend(change.events.iter().filter_map(|event| event.subject.as_ref()).map(|subject| subject.counter));
        }
        let documents = documents(transaction, named).await?;
        let holders = match terms.is_empty() {
            true => HashMap::new(),
            false => {
                let ids: HashMap<Vec<u8>, (Kind, Term)> =
                    terms.into_iter().map(|(kind, term)| ([&kind.0.to_be_bytes()[..], &term.0].concat(), (kind, term))).collect();
                let filter = doc! { "_id": { "$in": ids.keys().map(|id| bin(id)).collect::<Vec<_>>() } };
                let found = transaction.all(UNIQUE, filter, |row| Ok((row.bytes("_id")?.to_vec(), DocId(row.array("id")?)))).await?;
                found.into_iter().filter_map(|(term, id)| Some((*ids.get(&term)?, id))).collect()
            }
        };
        let ids = |set: HashSet<[u8; 16]>| set.iter().map(|id| bin(id)).collect::<Vec<_>>();
        let staged = match blobs.is_empty() {
            true => HashSet::new(),
            false => {
                let blobs = ids(blobs.into_iter().map(|blob: DocId| blob.0).collect());
                let found = transaction.all(BLOB, doc! { "_id": { "$in": blobs }, "recorded": false }, |row| row.array("_id").map(DocId));
                found.await?.into_iter().collect()
            }
        };
        let counters = match counters.is_empty() {
            true => HashMap::new(),
            false => {
                let filter = doc! { "_id": { "$in": ids(counters) } };
                transaction.all(COUNTER, filter, |row| Ok((row.array("_id")?, row.number("value")?))).await?.into_iter().collect()
            }
        };
        Ok(Self {
            seq: order.seq,
            latest: order.latest,
            documents,
            holders,
            staged,
            counters,
            rows: Vec::new(),
            superseded: Vec::new(),
            erased: Vec::new(),
            erased_blobs: Vec::new(),
            uniques: BTreeMap::new(),
            counted: HashSet::new(),
            recorded: Vec::new(),
            clock: Vec::new(),
            entries: Vec::new(),
        })
    }

    pub(crate) fn apply(&mut self, change: &Changeset, growth: &mut Growth<'_>) -> Result<Applied, Fail> {
        let first = self.seq.saturating_add(1);
        for erase in &change.erases {
            self.erase(erase.kind, erase.id);
        }
        for blob in &change.blob_erases {
            self.staged.remove(blob);
            self.recorded.retain(|recorded| recorded != blob);
            self.erased_blobs.push(*blob);
        }
        // All earlier versions let go of their unique terms first: a term may move within a changeset.
        for put in &change.puts {
            self.supersede(put.kind, put.id);
        }
        for put in &change.puts {
            self.put(put);
        }
        for blob in &change.blobs {
            self.staged.remove(blob);
            self.recorded.push(*blob);
        }
        if let Some(event) = change.events.first()
            && self.latest.is_none_or(|latest| event.time_ms > latest)
        {
            self.clock.push((event.time_ms, first));
            self.latest = Some(event.time_ms);
        }
        let mut events = Vec::with_capacity(change.events.len());
        for draft in &change.events {
            let number = draft.subject.as_ref().map(|subject| {
                let number = self.counters.entry(subject.counter).or_default();
                *number += 1;
                self.counted.insert(subject.counter);
                *number
            });
            let entry = growth.leaf(draft, number);
            events.push((draft.event, entry.index, number));
            self.entries.push((draft.event, entry));
        }
        Ok(Applied { seq: Seq(self.seq), events })
    }

    fn put(&mut self, put: &Put) {
        self.supersede(put.kind, put.id);
        self.seq += 1;
        for term in &put.unique {
            self.holders.insert((put.kind, *term), put.id);
            self.uniques.insert((put.kind, *term), Some(put.id));
        }
        let current = Current { version: put.version, uniques: put.unique.clone(), row: Some(self.rows.len()) };
        self.documents.insert((put.kind, put.id), current);
        self.rows.push(Some(rows::document_row(put, self.seq)));
    }

    /// The current version lets go of its terms and its place among the current ones.
    fn supersede(&mut self, kind: Kind, id: DocId) {
        let Some(current) = self.documents.get_mut(&(kind, id)) else { return };
        let uniques = std::mem::take(&mut current.uniques);
        match current.row {
            Some(row) => {
                if let Some(Some(row)) = self.rows.get_mut(row) {
                    rows::superseded(row);
                }
            }
            None => self.superseded.push(rows::version_id(kind, id, current.version)),
        }
        for term in uniques {
            if self.holders.get(&(kind, term)).is_none_or(|holder| *holder == id) {
                self.holders.remove(&(kind, term));
                self.uniques.insert((kind, term), None);
            }
        }
    }

    fn erase(&mut self, kind: Kind, id: DocId) {
        self.supersede(kind, id);
        self.documents.remove(&(kind, id));
        for row in &mut self.rows {
            let of_it = |row: &Row| row.get("kind") == Some(&rows::kind(kind)) && row.get("id") == Some(&bin(&id.0));
            if row.as_ref().is_some_and(of_it) {
                *row = None;
            }
        }
        self.erased.push((kind, id));
    }

    /// Erases come before everything that is put.
    async fn write_erases(&self, transaction: &mut Transaction<'_>) -> Result<(), Fail> {
        if !self.erased.is_empty() {
            let documents = self.erased.iter().map(|(kind, id)| delete(doc! { "kind": rows::kind(*kind), "id": bin(&id.0) }));
            transaction.run("delete", DOCUMENT, documents.collect()).await?;
            let marks = self.erased.iter().map(|(kind, id)| delete(doc! { "_id": rows::mark_id(*kind, *id) }));
            transaction.run("delete", MARK, marks.collect()).await?;
        }
        if !self.erased_blobs.is_empty() {
            let ids: Vec<Bson> = self.erased_blobs.iter().map(|id| bin(&id.0)).collect();
            transaction.run("delete", SEGMENT, vec![delete(doc! { "blob": { "$in": ids.clone() } })]).await?;
            transaction.run("delete", BLOB, vec![delete(doc! { "_id": { "$in": ids } })]).await?;
        }
        Ok(())
    }

    pub(crate) async fn write(self, transaction: &mut Transaction<'_>, growth: &mut Growth<'_>, commits: u64) -> Result<(), Fail> {
        self.write_erases(transaction).await?;
        if !self.superseded.is_empty() {
            let update = doc! { "$set": { "current": false }, "$unset": { "find": "" } };
            let statement = doc! { "q": { "_id": { "$in": self.superseded } }, "u": update, "multi": true };
            transaction.run("update", DOCUMENT, vec![statement]).await?;
        }
        let (held, free): (Vec<_>, Vec<_>) = self.uniques.into_iter().partition(|(_, holder)| holder.is_some());
        if !free.is_empty() {
            let free = free.into_iter().map(|((kind, term), _)| delete(doc! { "_id": rows::unique_id(kind, term) }));
            transaction.run("delete", UNIQUE, free.collect()).await?;
        }
        if !held.is_empty() {
            let held = held
                .into_iter()
                .filter_map(|((kind, term), holder)| Some(upsert(rows::unique_id(kind, term), doc! { "$set": { "id": bin(&holder?.0) } })));
            transaction.run("update", UNIQUE, held.collect()).await?;
        }
        transaction.insert(DOCUMENT, self.rows.into_iter().flatten().collect()).await?;
        if !self.counted.is_empty() {
            let value = |key: &[u8; 16]| signed(self.counters.get(key).copied().unwrap_or(0));
            let counters = self.counted.iter().map(|key| upsert(bin(key), doc! { "$set": { "value": value(key) } }));
            transaction.run("update", COUNTER, counters.collect()).await?;
        }
        if !self.recorded.is_empty() {
            let ids: Vec<Bson> = self.recorded.iter().map(|id| bin(&id.0)).collect();
            let statement = doc! { "q": { "_id": { "$in": ids } }, "u": { "$set": { "recorded": true } }, "multi": true };
            transaction.run("update", BLOB, vec![statement]).await?;
        }
        transaction.insert(CLOCK, self.clock.iter().map(|(time, seq)| doc! { "_id": *time, "seq": signed(*seq) }).collect()).await?;
        let name = growth.stream().to_owned();
        let leaves = self.entries.iter().map(|(event, entry)| {
            let mut row = doc! { "_id": bin(&event.0), "stream": &name, "index": signed(entry.index), "leaf": bin(&entry.leaf) };
            if let Some(number) = entry.subject_number {
                row.insert("number", signed(number));
            }
            row
        });
        transaction.insert(LEDGER, leaves.collect()).await?;
        let tiles = growth.finish().into_iter();
        let tiles: Vec<Row> = tiles
            .map(|(tile, hashes)| {
                let place = doc! { "stream": &name, "level": i32::from(tile.level), "index": signed(tile.index) };
                let mut row = doc! { "hashes": bin(&hashes.concat()) };
                row.extend(place);
                upsert(tile_id(&name, tile).into(), doc! { "$set": row })
            })
            .collect();
        if !tiles.is_empty() {
            transaction.run("update", TILE, tiles).await?;
        }
        let (head, tail) = (growth.tail.edge.head(), &growth.tail);
        let stream = doc! {
            "size": signed(head.size), "root": bin(&head.root), "boot": bin(&tail.boot),
            "next_sequence": signed(tail.next_sequence), "commits": signed(commits),
        };
        transaction.run("update", STREAM, vec![upsert(name.into(), doc! { "$set": stream })]).await?;
        let mut order = doc! { "seq": signed(self.seq) };
        if let Some(latest) = self.latest {
            order.insert("latest", latest);
        }
        transaction.run("update", HOUSE, vec![doc! { "q": { "_id": SEQUENCE }, "u": { "$set": order } }]).await
    }
}

/// Current versions of the named documents.
async fn documents(
    transaction: &mut Transaction<'_>,
    named: BTreeMap<Kind, HashSet<DocId>>,
) -> Result<HashMap<(Kind, DocId), Current>, Fail> {
    if named.is_empty() {
        return Ok(HashMap::new());
    }
    let kinds = named.iter().map(|(kind, ids)| {
        let ids: Vec<Bson> = ids.iter().map(|id| bin(&id.0)).collect();
        doc! { "kind": rows::kind(*kind), "id": { "$in": ids }, "current": true }
    });
    let kinds: Vec<Row> = kinds.collect();
    let projection = doc! { "_id": 0, "kind": 1, "id": 1, "version": 1, "uniques": 1 };
    let found = transaction.some(DOCUMENT, doc! { "$or": kinds }, Some(projection), |row| {
        let current = Current { version: Version(row.number("version")?), uniques: row.terms("uniques")?, row: None };
        Ok(((row.kind()?, DocId(row.array("id")?)), current))
    });
    Ok(found.await?.into_iter().collect())
}
