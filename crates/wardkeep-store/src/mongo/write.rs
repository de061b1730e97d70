//! Everything that changes the database. A batch is one transaction.
//!
//! The first thing a transaction does is to write the row that orders all commits, so that the
//! transactions of several nodes exclude each other and commit sequences become visible in order.
//! When the answer to a commit is lost, the next transaction on that row tells what became of it:
//! nothing is applied twice, and nothing is called lost that was written.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use mongodb::ClientSession;
use mongodb::bson::{Bson, Document as Row, RawDocumentBuf, doc};
use mongodb::options::{FindOptions, ReadConcern, ReturnDocument};
use wardkeep_ledger::tree::{TILE_WIDTH, TileId};
use wardkeep_ledger::{Edge, EventId, Hash, Head};

use super::error::{Fail, damaged};
use super::place::{OPERATION_TIME, Place, durable, in_time};
use super::read::tile_id;
use super::rows::{self, Fields, bin, signed};
use super::schema::{BLOB, CHECKPOINT, CLOCK, COUNTER, DOCUMENT, HOUSE, LEDGER, MARK, SEGMENT, SEQUENCE, STREAM, TILE, UNIQUE};
use crate::check::{self, Look};
use crate::contract::{Applied, Changeset, DocId, Entry, Kind, Owner, Put, Refusal, Seq, StoreError, Term, Version, Writer};
use crate::stream::{Growth, Tail};

pub(crate) type Outcomes = Vec<Result<Applied, Refusal>>;

/// Longest wait between two tries of a transaction.
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// How often an unanswered commit is sent again within a try.
const COMMITS: usize = 3;
/// Longest that one batch may take, elections included.
const BATCH_TIME: Duration = Duration::from_secs(25);

/// Ends of the streams as this process left them.
#[derive(Default)]
pub(crate) struct Writing {
    known: HashMap<String, End>,
    /// What a commit would have made of the stream whose answer was lost for good.
    unanswered: Option<(String, End)>,
    lost: Option<String>,
}

/// The end of a stream, and how many commits of its run led to it.
#[derive(Clone, Default)]
struct End {
    tail: Tail,
    commits: u64,
}

impl Writing {
    /// One durable transaction for the whole batch, tried again while elections and other nodes
    /// come between.
    pub(crate) async fn commit(&mut self, place: &Place, writer: &Writer, batch: &[Changeset]) -> Result<Outcomes, Fail> {
        if let Some(stream) = &self.lost {
            return Err(StoreError::StreamLost(stream.clone()).into());
        }
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut told = None;
        let tries = self.tries(place, writer, batch, &mut told);
        match tokio::time::timeout(BATCH_TIME, tries).await {
            Ok(done) => done,
            Err(_) if told.is_some() => {
                self.unanswered = told.map(|(end, _)| (writer.stream.as_str().to_owned(), end));
                Err(StoreError::Unknown { place: place.name.clone() }.into())
            }
            Err(_) => Err(Fail::Slow),
        }
    }

    async fn tries(
        &mut self,
        place: &Place,
        writer: &Writer,
        batch: &[Changeset],
        told: &mut Option<(End, Outcomes)>,
    ) -> Result<Outcomes, Fail> {
        let mut pause = Duration::from_millis(1 + u64::from(writer.boot[0] % 4));
        loop {
            let failed = match self.attempt(place, writer, batch, told).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(fail) => fail,
            };
            if let Fail::Store(StoreError::StreamLost(stream)) = &failed {
                self.lost = Some(stream.clone());
            }
            if !failed.transient() && !failed.unknown() {
                return Err(failed);
            }
            tracing::debug!(?failed, "the transaction is tried again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn attempt(
        &mut self,
        place: &Place,
        writer: &Writer,
        batch: &[Changeset],
        told: &mut Option<(End, Outcomes)>,
    ) -> Result<Outcomes, Fail> {
        let name = writer.stream.as_str();
        let mut session = in_time(async { Ok(place.client.start_session().await?) }).await?;
        session.start_transaction().read_concern(ReadConcern::snapshot()).write_concern(durable()).max_commit_time(OPERATION_TIME).await?;
        let mut transaction = Transaction { place, session: &mut session };
        let order = in_time(transaction.lock()).await?;
        let found = in_time(transaction.stream(name)).await?;
        if let Some((end, outcomes)) = told.take_if(|(end, _)| found.as_ref().is_some_and(|found| found.is(end))) {
            // The earlier commit was applied. This one makes sure that it stays.
            *told = Some((end.clone(), outcomes.clone()));
            in_time(transaction.commit()).await?;
            self.known.insert(name.to_owned(), end);
            return Ok(outcomes);
        }
        // It was not, and with this transaction holding the row it never will be.
        *told = None;
        let end = in_time(self.end(&mut transaction, name, found)).await?;
        let mut growth = Growth::begin(writer, end.tail)?;
        let mut state = in_time(State::load(&mut transaction, batch, order)).await?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for change in batch {
            let outcome = match check::refusal(change, &mut state)? {
                Some(refusal) => Err(refusal),
                None => Ok(state.apply(change, &mut growth)?),
            };
            outcomes.push(outcome);
        }
        let commits = end.commits.saturating_add(1);
        in_time(state.write(&mut transaction, &mut growth, commits)).await?;
        let end = End { tail: growth.tail, commits };
        *told = Some((end.clone(), outcomes.clone()));
        in_time(transaction.commit()).await?;
        *told = None;
        self.known.insert(name.to_owned(), end);
        Ok(outcomes)
    }

    /// The end of the stream, checked against the database: whoever else moved it has taken it over.
    async fn end(&mut self, transaction: &mut Transaction<'_>, name: &str, found: Option<Stored>) -> Result<End, Fail> {
        if let Some((stream, end)) = self.unanswered.take_if(|(stream, _)| stream == name)
            && found.as_ref().is_some_and(|found| found.is(&end))
        {
            self.known.insert(stream, end);
        }
        match (self.known.get(name), found) {
            (None, None) => Ok(End::default()),
            (None, Some(stored)) => stored.restore(transaction, name).await,
            (Some(known), Some(stored)) if stored.is(known) => Ok(known.clone()),
            (Some(_), _) => Err(StoreError::StreamLost(name.to_owned()).into()),
        }
    }
}

/// A stream's row.
struct Stored {
    head: Head,
    boot: [u8; 16],
    next_sequence: u64,
    commits: u64,
}

impl Stored {
    fn is(&self, end: &End) -> bool {
        self.head == end.tail.edge.head() && self.boot == end.tail.boot && self.commits == end.commits
    }

    async fn restore(self, transaction: &mut Transaction<'_>, name: &str) -> Result<End, Fail> {
        let mut wanted = Vec::new();
        let (mut count, mut level) = (self.head.size, 0_u8);
        while count > 0 {
            wanted.push(TileId { level, index: count / TILE_WIDTH as u64 });
            (count, level) = (count / TILE_WIDTH as u64, level.saturating_add(1));
        }
        let ids: Vec<Bson> = wanted.iter().map(|tile| tile_id(name, *tile).into()).collect();
        let stored = transaction.all(TILE, doc! { "_id": { "$in": ids } }, |row| Ok((row.text("_id")?.to_owned(), row.hashes()?))).await?;
        let stored: HashMap<String, Vec<Hash>> = stored.into_iter().collect();
        let edge = Edge::restore(self.head.size, |tile| Ok::<_, Fail>(stored.get(&tile_id(name, tile)).cloned()))
            .map_err(|_| damaged("the tiles of a ledger stream do not match its size; run `wardkeep verify`"))?;
        if self.head.size > 0 && edge.head().root != self.head.root {
            return Err(damaged("the tiles of a ledger stream do not give its root; run `wardkeep verify`"));
        }
        let tail = Tail { edge, boot: self.boot, next_sequence: self.next_sequence, past: Vec::new() };
        Ok(End { tail, commits: self.commits })
    }
}

/// What the row that orders all commits says.
struct Order {
    seq: u64,
    /// Latest commit time noted in the clock.
    latest: Option<i64>,
}

struct Transaction<'a> {
    place: &'a Place,
    session: &'a mut ClientSession,
}

impl Transaction<'_> {
    async fn lock(&mut self) -> Result<Order, Fail> {
        let house = self.place.database.collection::<RawDocumentBuf>(HOUSE);
        let update = house.find_one_and_update(doc! { "_id": SEQUENCE }, doc! { "$inc": { "commits": 1_i64 } });
        let row = update.return_document(ReturnDocument::Before).session(&mut *self.session).await?;
        let row = row.ok_or_else(|| damaged("the row that orders all commits is gone; restore the database from a backup"))?;
        let fields = Fields(&row);
        let latest = if matches!(row.get("latest"), Ok(Some(_))) { Some(fields.time("latest")?) } else { None };
        Ok(Order { seq: fields.number("seq")?, latest })
    }

    async fn stream(&mut self, name: &str) -> Result<Option<Stored>, Fail> {
        let found = self.all(STREAM, doc! { "_id": name }, |row| {
            let head = Head { size: row.number("size")?, root: row.array("root")? };
            Ok(Stored { head, boot: row.array("boot")?, next_sequence: row.number("next_sequence")?, commits: row.number("commits")? })
        });
        Ok(found.await?.into_iter().next())
    }

    async fn all<T>(&mut self, collection: &str, filter: Row, make: impl Fn(Fields<'_>) -> Result<T, Fail>) -> Result<Vec<T>, Fail> {
        self.some(collection, filter, None, make).await
    }

    async fn some<T>(
        &mut self,
        collection: &str,
        filter: Row,
        projection: Option<Row>,
        make: impl Fn(Fields<'_>) -> Result<T, Fail>,
    ) -> Result<Vec<T>, Fail> {
        let mut options = FindOptions::default();
        options.projection = projection;
        let collection = self.place.database.collection::<RawDocumentBuf>(collection);
        let mut cursor = collection.find(filter).with_options(options).session(&mut *self.session).await?;
        let mut found = Vec::new();
        while cursor.advance(&mut *self.session).await? {
            found.push(make(Fields(cursor.current()))?);
        }
        Ok(found)
    }

    async fn insert(&mut self, collection: &str, rows: Vec<Row>) -> Result<(), Fail> {
        if !rows.is_empty() {
            self.place.database.collection::<Row>(collection).insert_many(rows).session(&mut *self.session).await?;
        }
        Ok(())
    }

    /// `verb` is `update` or `delete`; `statements` are the server's own.
    async fn run(&mut self, verb: &str, collection: &str, statements: Vec<Row>) -> Result<(), Fail> {
        let list = if verb == "update" { "updates" } else { "deletes" };
        for some in statements.chunks(STATEMENTS_MAX) {
            let command = doc! { verb: collection, list: some.to_vec(), "ordered": true };
            let answer = self.place.database.run_command(command).session(&mut *self.session).await?;
            if let Some(error) = answer.get_array("writeErrors").ok().and_then(|errors| errors.first()) {
                let code = error.as_document().and_then(|error| error.get_i32("code").ok()).unwrap_or(0);
                let cause = format!("server error {code} in {collection}");
                return Err(StoreError::Engine { doing: "committing", cause }.into());
            }
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Fail> {
        let mut tries = 1;
        loop {
            match self.session.commit_transaction().await.map_err(Fail::from) {
                Err(fail) if fail.unknown() && tries < COMMITS => tries += 1,
                done => return done,
            }
        }
    }
}

/// Statements in one command; the server takes 100,000.
const STATEMENTS_MAX: usize = 10_000;

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
struct State {
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
    async fn load(transaction: &mut Transaction<'_>, batch: &[Changeset], order: Order) -> Result<Self, Fail> {
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
            uniques: BTreeMap::new(),
            counted: HashSet::new(),
            recorded: Vec::new(),
            clock: Vec::new(),
            entries: Vec::new(),
        })
    }

    fn apply(&mut self, change: &Changeset, growth: &mut Growth<'_>) -> Result<Applied, Fail> {
        let first = self.seq.saturating_add(1);
        for erase in &change.erases {
            self.erase(erase.kind, erase.id);
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

    async fn write(self, transaction: &mut Transaction<'_>, growth: &mut Growth<'_>, commits: u64) -> Result<(), Fail> {
        if !self.erased.is_empty() {
            let documents = self.erased.iter().map(|(kind, id)| delete(doc! { "kind": rows::kind(*kind), "id": bin(&id.0) }));
            transaction.run("delete", DOCUMENT, documents.collect()).await?;
            let marks = self.erased.iter().map(|(kind, id)| delete(doc! { "_id": rows::mark_id(*kind, *id) }));
            transaction.run("delete", MARK, marks.collect()).await?;
        }
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

pub(crate) async fn checkpoint_put(place: &Place, stream: &str, note: &str) -> Result<(), Fail> {
    let checkpoints = place.database.collection::<Row>(CHECKPOINT);
    checkpoints.update_one(doc! { "_id": stream }, doc! { "$set": { "note": note } }).upsert(true).await?;
    Ok(())
}

/// `by` names who uploads, so that a start sweeps up after its own node alone.
pub(crate) async fn blob_write(place: &Place, by: &str, id: DocId, owner: Owner, segment: u32, bytes: &[u8]) -> Result<(), Fail> {
    check::segment(bytes)?;
    let blobs = place.database.collection::<RawDocumentBuf>(BLOB);
    let fresh = doc! { "$setOnInsert": { "owner": bin(&owner.0), "recorded": false, "by": by } };
    let row = blobs.find_one_and_update(doc! { "_id": bin(&id.0) }, fresh).upsert(true).return_document(ReturnDocument::After).await?;
    if row.is_some_and(|row| row.get_bool("recorded").unwrap_or(false)) {
        return Err(check::blob_recorded().into());
    }
    let row = doc! { "blob": bin(&id.0), "bytes": bin(bytes) };
    let segments = place.database.collection::<Row>(SEGMENT);
    segments.update_one(doc! { "_id": rows::segment_id(id, segment) }, doc! { "$set": row }).upsert(true).await?;
    Ok(())
}

async fn drop_staged(place: &Place, ids: Vec<DocId>) -> Result<u64, Fail> {
    let mut dropped = 0;
    for id in ids {
        // The row first: segments without a row are never read again, a row without segments could be.
        let gone = place.database.collection::<Row>(BLOB).delete_one(doc! { "_id": bin(&id.0), "recorded": false }).await?;
        if gone.deleted_count > 0 {
            place.database.collection::<Row>(SEGMENT).delete_many(doc! { "blob": bin(&id.0) }).await?;
            dropped += 1;
        }
    }
    Ok(dropped)
}

pub(crate) async fn blob_abandon(place: &Place, id: DocId) -> Result<(), Fail> {
    drop_staged(place, vec![id]).await.map(|_| ())
}

pub(crate) async fn blob_sweep(place: &Place, by: &str) -> Result<u64, Fail> {
    let filter = doc! { "recorded": false, "by": by };
    let staged = super::read::all(place, BLOB, filter, doc! {}, usize::MAX, |row| row.array("_id").map(DocId)).await?;
    drop_staged(place, staged).await
}

pub(crate) async fn mark(place: &Place, kind: Kind, id: DocId, value: i64) -> Result<(), Fail> {
    let marks = place.database.collection::<Row>(MARK);
    marks.update_one(doc! { "_id": rows::mark_id(kind, id) }, doc! { "$set": { "value": value } }).upsert(true).await?;
    Ok(())
}
