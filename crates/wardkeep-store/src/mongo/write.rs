//! Everything that changes the database. A batch is one transaction.
//!
//! The first thing a transaction does is to write the row that orders all commits, so that the
//! transactions of several nodes exclude each other and commit sequences become visible in order.
//! When the answer to a commit is lost, the next transaction on that row tells what became of it:
//! nothing is applied twice, and nothing is called lost that was written.

use std::collections::HashMap;
use std::time::Duration;

use mongodb::ClientSession;
use mongodb::bson::{Bson, Document as Row, RawDocumentBuf, doc};
use mongodb::options::{FindOptions, ReadConcern, ReturnDocument};
use wardkeep_ledger::tree::{TILE_WIDTH, TileId};
use wardkeep_ledger::{Edge, Hash, Head};

use super::batch::{Order, State};
use super::error::{Fail, damaged};
use super::place::{Place, durable, within};
use super::read::tile_id;
use super::rows::{self, Fields};
use super::schema::{CHECKPOINT, HOUSE, MARK, SEQUENCE, STREAM, TILE};
use crate::check::{self};
use crate::contract::{Applied, Changeset, DocId, Kind, Refusal, StoreError, Writer};
use crate::stream::{Growth, Tail};

pub(crate) type Outcomes = Vec<Result<Applied, Refusal>>;

/// Wait before the next try when another node holds the row that orders all commits.
const CONFLICT_PAUSE: Duration = Duration::from_millis(2);
/// A node that meets others lets them go first between its commits: longer than they wait.
const YIELD: Duration = Duration::from_millis(3);
/// So many of its next commits.
const YIELDS: u32 = 16;
/// Longest wait between two tries of a transaction after anything else.
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// Longest wait for the answer to one step of a transaction: a member that hangs is given up then,
/// and the transaction tried again, by then on another primary.
const STEP_TIME: Duration = Duration::from_secs(3);
/// How often an unanswered commit is sent again within a try.
const COMMITS: usize = 3;
/// Longest that one batch may take, elections included.
const BATCH_TIME: Duration = Duration::from_secs(25);

/// Ends of the streams as this process left them.
#[derive(Default)]
pub(crate) struct Writing {
    known: HashMap<String, End>,
    /// What commits would have made of the streams whose answers were lost, until one is answered.
    unanswered: Vec<(String, End)>,
    lost: Option<String>,
    /// Commits that still let other nodes go first.
    yields: u32,
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
        if self.yields > 0 {
            self.yields -= 1;
            tokio::time::sleep(YIELD).await;
        }
        let mut told = None;
        let tries = self.tries(place, writer, batch, &mut told);
        let done = tokio::time::timeout(BATCH_TIME + for_items(batch), tries).await.unwrap_or(Err(Fail::Slow));
        match (done, told) {
            // However it ended: a commit was sent, and nobody has said what became of it.
            (Err(_), Some((end, _))) => {
                self.unanswered.push((writer.stream.as_str().to_owned(), end));
                Err(StoreError::Unknown { place: place.name.clone() }.into())
            }
            (Ok(outcomes), _) => {
                self.unanswered.clear();
                Ok(outcomes)
            }
            (failed, None) => failed,
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
            if failed.is_conflict() {
                self.yields = YIELDS;
                tokio::time::sleep(CONFLICT_PAUSE).await;
                continue;
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
        let mut session = within(STEP_TIME, async { Ok(place.client.start_session().await?) }).await?;
        session.start_transaction().read_concern(ReadConcern::snapshot()).write_concern(durable()).max_commit_time(STEP_TIME).await?;
        let mut transaction = Transaction { place, session: &mut session };
        let order = within(STEP_TIME, transaction.lock()).await?;
        let found = within(STEP_TIME, transaction.stream(name)).await?;
        if let Some((end, outcomes)) = told.take_if(|(end, _)| found.as_ref().is_some_and(|found| found.is(end))) {
            // The earlier commit was applied. This one makes sure that it stays.
            *told = Some((end.clone(), outcomes.clone()));
            within(STEP_TIME, transaction.commit()).await?;
            self.known.insert(name.to_owned(), end);
            return Ok(outcomes);
        }
        // It was not, and with this transaction holding the row it never will be.
        *told = None;
        let end = within(STEP_TIME, self.end(&mut transaction, name, found)).await?;
        let mut growth = Growth::begin(writer, end.tail)?;
        let mut state = within(STEP_TIME, State::load(&mut transaction, batch, order)).await?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for change in batch {
            let outcome = match check::refusal(change, &mut state)? {
                Some(refusal) => Err(refusal),
                None => Ok(state.apply(change, &mut growth)?),
            };
            outcomes.push(outcome);
        }
        let commits = end.commits.saturating_add(1);
        within(STEP_TIME + for_items(batch), state.write(&mut transaction, &mut growth, commits)).await?;
        let end = End { tail: growth.tail, commits };
        *told = Some((end.clone(), outcomes.clone()));
        within(STEP_TIME, transaction.commit()).await?;
        *told = None;
        self.known.insert(name.to_owned(), end);
        Ok(outcomes)
    }

    /// The end of the stream, checked against the database: whoever else moved it has taken it over.
    async fn end(&self, transaction: &mut Transaction<'_>, name: &str, found: Option<Stored>) -> Result<End, Fail> {
        let waiting = self.unanswered.iter().filter(|(stream, _)| stream == name).map(|(_, end)| end);
        let known = self.known.get(name);
        match found {
            None if known.is_none() => Ok(End::default()),
            None => Err(StoreError::StreamLost(name.to_owned()).into()),
            Some(stored) => match known.into_iter().chain(waiting).find(|end| stored.is(end)) {
                Some(end) => Ok(end.clone()),
                None if known.is_none() => stored.restore(transaction, name).await,
                None => Err(StoreError::StreamLost(name.to_owned()).into()),
            },
        }
    }
}

/// More time for much to write: an import is one changeset of thousands of rows.
fn for_items(batch: &[Changeset]) -> Duration {
    let items: usize = batch.iter().map(|change| change.puts.len() + change.events.len()).sum();
    Duration::from_millis(u64::try_from(items).unwrap_or(u64::MAX).min(30_000))
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

pub(crate) struct Transaction<'a> {
    pub(crate) place: &'a Place,
    pub(crate) session: &'a mut ClientSession,
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

    pub(crate) async fn all<T>(
        &mut self,
        collection: &str,
        filter: Row,
        make: impl Fn(Fields<'_>) -> Result<T, Fail>,
    ) -> Result<Vec<T>, Fail> {
        self.some(collection, filter, None, make).await
    }

    pub(crate) async fn some<T>(
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

    pub(crate) async fn insert(&mut self, collection: &str, rows: Vec<Row>) -> Result<(), Fail> {
        if !rows.is_empty() {
            self.place.database.collection::<Row>(collection).insert_many(rows).session(&mut *self.session).await?;
        }
        Ok(())
    }

    /// `verb` is `update` or `delete`; `statements` are the server's own.
    pub(crate) async fn run(&mut self, verb: &str, collection: &str, statements: Vec<Row>) -> Result<(), Fail> {
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

    pub(crate) async fn commit(&mut self) -> Result<(), Fail> {
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

pub(crate) async fn checkpoint_put(place: &Place, stream: &str, note: &str) -> Result<(), Fail> {
    let checkpoints = place.database.collection::<Row>(CHECKPOINT);
    checkpoints.update_one(doc! { "_id": stream }, doc! { "$set": { "note": note } }).upsert(true).await?;
    Ok(())
}

pub(crate) async fn mark(place: &Place, kind: Kind, id: DocId, value: i64) -> Result<(), Fail> {
    let marks = place.database.collection::<Row>(MARK);
    marks.update_one(doc! { "_id": rows::mark_id(kind, id) }, doc! { "$set": { "value": value } }).upsert(true).await?;
    Ok(())
}
