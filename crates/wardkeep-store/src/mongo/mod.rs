//! The engine for more than one machine: a MongoDB replica set or sharded cluster, from 6.0 on.
//!
//! One transaction for each committed batch, with write concern majority and journal, so that no
//! election takes back what was acknowledged; reads with read concern majority, from a primary
//! that shows all of it ([`primary`]).
//! Several nodes may share a store: each writes streams of its own, and one row orders the
//! commits of all. Collections, indexes and shard keys stand in [`schema`].

mod batch;
mod blobs;
mod claim;
mod error;
mod inspect;
mod place;
mod primary;
mod read;
mod receive;
mod rows;
mod schema;
mod write;

use async_trait::async_trait;
use tokio::sync::Mutex;
use wardkeep_ledger::{EventId, Hash, Head, StreamId, tree::TileId};

pub use claim::Claim;
pub use place::redacted;
pub use schema::{Planned, plan};

use crate::contract::{Applied, Changeset, DocId, Document, Entry, Find, Kind, Owner, Refusal, Seq, Store, StoreError, Writer};
use crate::inspect::{Beside, BlobShape, Flaw, Inspect};
use crate::receive::{Receive, Rows};
use error::Fail;
use place::{Place, in_time};
use write::Writing;

/// A store in one database. See the module.
pub struct MongoStore {
    place: Place,
    /// Who stages blobs; a sweep takes those of this node alone.
    node: String,
    writing: Mutex<Writing>,
}

impl std::fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MongoStore({})", self.place.name)
    }
}

impl MongoStore {
    /// Opens the store at this address (`mongodb://user:password@host1,host2/database?…`), and
    /// makes collections and indexes when the database is empty. `node` names this process among
    /// those that share the store.
    ///
    /// # Errors
    /// `Unreachable`, `SignIn`, `Unfit`, `TooNew`, `NotAStore`; each names the place, never a credential.
    pub async fn open(address: &str, node: &str) -> Result<Self, StoreError> {
        let place = Place::connect(address).await?;
        in_time(schema::settle(&place)).await.map_err(|fail| fail.at(&place.name, "making collections and indexes"))?;
        Ok(Self { place, node: node.to_owned(), writing: Mutex::default() })
    }

    /// Opens the store of a hospital that exists; makes nothing.
    ///
    /// # Errors
    /// As [`MongoStore::open`]; `NotAStore` when the database is empty.
    pub async fn open_existing(address: &str, node: &str) -> Result<Self, StoreError> {
        let place = Place::connect(address).await?;
        in_time(read::health(&place)).await.map_err(|fail| fail.at(&place.name, "looking for a store"))?;
        Ok(Self { place, node: node.to_owned(), writing: Mutex::default() })
    }

    /// The store as it is now, to read from end to end: later commits do not show. The server keeps what
    /// it shows for `minSnapshotHistoryWindowInSeconds`; see `docs/mongodb.md`.
    ///
    /// # Errors
    /// As [`MongoStore::open_existing`].
    pub async fn open_snapshot(address: &str) -> Result<Self, StoreError> {
        let place = Place::connect_snapshot(address).await?;
        // The server takes the snapshot with the first read.
        in_time(read::health(&place)).await.map_err(|fail| fail.at(&place.name, "opening a snapshot"))?;
        Ok(Self { place, node: "snapshot".to_owned(), writing: Mutex::default() })
    }

    /// Claims the streams of this node for this run, a random id. Waits a few seconds for the claim
    /// of a run that was killed to lapse.
    ///
    /// # Errors
    /// `Claimed` while another run holds it.
    pub async fn claim(&self, run: [u8; 16]) -> Result<Claim, StoreError> {
        Claim::take(self.place.clone(), &self.node, run).await
    }

    async fn done<T>(&self, doing: &'static str, operation: impl Future<Output = Result<T, Fail>>) -> Result<T, StoreError> {
        in_time(operation).await.map_err(|fail| fail.at(&self.place.name, doing))
    }

    /// A read that shows all that was acknowledged before it.
    async fn read<T, F: Future<Output = Result<T, Fail>>>(&self, doing: &'static str, operation: impl Fn() -> F) -> Result<T, StoreError> {
        in_time(primary::fresh(&self.place, operation)).await.map_err(|fail| fail.at(&self.place.name, doing))
    }

    /// Work over everything that is stored, which may take long.
    async fn walked<T>(&self, doing: &'static str, operation: impl Future<Output = Result<T, Fail>>) -> Result<T, StoreError> {
        in_time(primary::settle(&self.place)).await.map_err(|fail| fail.at(&self.place.name, doing))?;
        operation.await.map_err(|fail| fail.at(&self.place.name, doing))
    }
}

#[async_trait]
impl Store for MongoStore {
    async fn get(&self, kind: Kind, id: DocId) -> Result<Option<Document>, StoreError> {
        self.read("reading a document", || read::get(&self.place, kind, id)).await
    }

    async fn get_many(&self, kind: Kind, ids: &[DocId]) -> Result<Vec<Document>, StoreError> {
        self.read("reading documents", || read::get_many(&self.place, kind, ids)).await
    }

    async fn history(&self, kind: Kind, id: DocId) -> Result<Vec<Document>, StoreError> {
        self.read("reading a document's versions", || read::history(&self.place, kind, id)).await
    }

    async fn find(&self, query: &Find) -> Result<Vec<Document>, StoreError> {
        self.read("searching documents", || read::find(&self.place, query)).await
    }

    async fn changed_since(&self, kind: Option<Kind>, after: Seq, limit: usize) -> Result<Vec<Document>, StoreError> {
        self.walked("reading changes", read::changed_since(&self.place, kind, after, limit)).await
    }

    async fn commit(&self, writer: &Writer, batch: Vec<Changeset>) -> Result<Vec<Result<Applied, Refusal>>, StoreError> {
        let mut writing = self.writing.lock().await;
        writing.commit(&self.place, writer, &batch).await.map_err(|fail| fail.at(&self.place.name, "committing"))
    }

    async fn streams(&self) -> Result<Vec<StreamId>, StoreError> {
        self.read("reading the ledger", || read::streams(&self.place)).await
    }

    async fn head(&self, stream: &StreamId) -> Result<Option<Head>, StoreError> {
        self.read("reading the ledger's head", || read::head(&self.place, stream)).await
    }

    async fn entries(&self, stream: &StreamId, from: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.walked("reading the ledger", read::entries(&self.place, stream, from, limit)).await
    }

    async fn entry(&self, event: EventId) -> Result<Option<(StreamId, Entry)>, StoreError> {
        self.read("reading a ledger entry", || read::entry(&self.place, event)).await
    }

    async fn tile(&self, stream: &StreamId, tile: TileId) -> Result<Option<Vec<Hash>>, StoreError> {
        self.read("reading a ledger tile", || read::tile(&self.place, stream, tile)).await
    }

    async fn seq_at(&self, time_ms: i64) -> Result<Seq, StoreError> {
        self.read("reading commit times", || read::seq_at(&self.place, time_ms)).await
    }

    async fn checkpoint_put(&self, stream: &StreamId, note: &str) -> Result<(), StoreError> {
        self.done("keeping a checkpoint", write::checkpoint_put(&self.place, stream.as_str(), note)).await
    }

    async fn checkpoint(&self, stream: &StreamId) -> Result<Option<String>, StoreError> {
        self.read("reading a checkpoint", || read::checkpoint(&self.place, stream)).await
    }

    async fn blob_write(&self, id: DocId, owner: Owner, segment: u32, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.done("staging a blob segment", blobs::write(&self.place, &self.node, id, owner, segment, &bytes)).await
    }

    async fn blob_read(&self, id: DocId, segment: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.read("reading a blob segment", || read::blob(&self.place, id, segment)).await
    }

    async fn blob_abandon(&self, id: DocId) -> Result<(), StoreError> {
        self.done("dropping a staged blob", blobs::abandon(&self.place, id)).await
    }

    /// The server reuses the space of deleted rows in its own time, and its oplog holds them until it
    /// wraps around. What lies there is sealed, see `docs/mongodb.md`.
    async fn purge(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn blob_sweep(&self) -> Result<u64, StoreError> {
        self.walked("dropping staged blobs", blobs::sweep(&self.place, &self.node)).await
    }

    async fn blobs(&self, after: Option<DocId>, limit: usize) -> Result<Vec<DocId>, StoreError> {
        self.walked("listing blobs", read::blobs(&self.place, after, limit)).await
    }

    async fn mark(&self, kind: Kind, id: DocId, value: i64) -> Result<(), StoreError> {
        self.done("setting a mark", write::mark(&self.place, kind, id, value)).await
    }

    async fn marked(&self, kind: Kind, id: DocId) -> Result<Option<i64>, StoreError> {
        self.read("reading a mark", || read::marked(&self.place, kind, id)).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.read("checking the store", || read::health(&self.place)).await
    }

    fn inspection(&self) -> &dyn Inspect {
        self
    }
}

#[async_trait]
impl Inspect for MongoStore {
    async fn beside(&self, after: Seq, limit: usize) -> Result<Vec<Beside>, StoreError> {
        self.walked("reading terms", inspect::beside(&self.place, after, limit)).await
    }

    async fn counter(&self, key: [u8; 16]) -> Result<u64, StoreError> {
        self.read("reading a running number", || inspect::counter(&self.place, key)).await
    }

    async fn counters(&self, after: Option<[u8; 16]>, limit: usize) -> Result<Vec<([u8; 16], u64)>, StoreError> {
        self.walked("reading running numbers", inspect::counters(&self.place, after, limit)).await
    }

    async fn sequence(&self) -> Result<Seq, StoreError> {
        self.read("reading the commit sequence", || inspect::last_sequence(&self.place)).await
    }

    async fn blob(&self, id: DocId) -> Result<Option<BlobShape>, StoreError> {
        self.walked("reading a blob's shape", inspect::blob(&self.place, id)).await
    }

    async fn clock(&self, after: Option<i64>, limit: usize) -> Result<Vec<(i64, Seq)>, StoreError> {
        self.walked("reading commit times", inspect::clock(&self.place, after, limit)).await
    }

    async fn flaws(&self) -> Result<Vec<Flaw>, StoreError> {
        self.walked("inspecting the store", inspect::flaws(&self.place)).await
    }
}

#[async_trait]
impl Receive for MongoStore {
    fn store(&self) -> &dyn Store {
        self
    }

    async fn receive(&self, rows: Rows) -> Result<(), StoreError> {
        self.walked("receiving rows", receive::receive(&self.place, rows)).await
    }
}
