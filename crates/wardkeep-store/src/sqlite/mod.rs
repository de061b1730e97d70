//! The embedded engine: SQLite in WAL mode with `synchronous=FULL`, one writer thread, a pool of
//! readers.
//!
//! The writer's lock file keeps a second process out; `open_read_only` works beside a running
//! server. Reads see the last commit and never wait for a write. Nothing here knows what the
//! sealed bytes mean.

mod error;
mod inspect;
mod read;
mod receive;
mod rows;
mod schema;
mod write;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};
use wardkeep_ledger::{EventId, Hash, Head, StreamId, tree::TileId};

use crate::contract::{Applied, Changeset, DocId, Document, Entry, Find, Kind, Owner, Refusal, Seq, Store, StoreError, Writer};
use crate::inspect::{Beside, BlobShape, Flaw, Inspect};
use crate::receive::{Receive, Rows};
use error::Fail;
use write::{Marks, Writing};

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct SqliteOptions {
    /// Connections that read side by side.
    pub readers: usize,
    /// Most pages of the file, to try what a full disk does; `None` for no limit.
    pub pages_max: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { readers: 4, pages_max: None }
    }
}

/// Rows that are read where the caller stands; more go to a thread that may block.
const FEW: usize = 128;

type Work = Box<dyn FnOnce(&mut Writing) + Send>;

/// A store in one file. See the module.
pub struct SqliteStore {
    path: PathBuf,
    readers: Arc<Readers>,
    /// `None` when the store was opened for reading alone.
    writer: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
    marks: Arc<Mutex<Marks>>,
    /// Held while the store is open; see [`schema::claim`].
    _claim: Option<File>,
}

struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SqliteStore({})", self.path.display())
    }
}

impl SqliteStore {
    /// Opens or creates the store, brings its schema up to date, and claims it for this process.
    ///
    /// # Errors
    /// `Locked`, `TooNew`, `NotAStore`, `NotWritable`, `DiskFull`, `Damaged`; each names the path.
    pub fn open(path: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let claim = schema::claim(path)?;
        let connection = schema::open_writer(path, options.pages_max)?;
        let readers = Readers::open(path, options.readers)?;
        let (writer, work) = mpsc::channel::<Work>();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                let mut writing = Writing::new(connection);
                while let Ok(work) = work.recv() {
                    work(&mut writing);
                }
                writing.close();
            })
            .map_err(|error| StoreError::Engine { doing: "starting the writer", cause: error.to_string() })?;
        Ok(Self { path: path.to_owned(), readers, writer: Some(writer), thread: Some(thread), marks: Arc::default(), _claim: Some(claim) })
    }

    /// Opens for reading alone, also beside a running server. Every write is refused.
    ///
    /// # Errors
    /// As [`SqliteStore::open`], and when the schema is older than this program's.
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        Self::reading(path, SqliteOptions::default().readers)
    }

    fn reading(path: &Path, readers: usize) -> Result<Self, StoreError> {
        if !path.is_file() {
            return Err(StoreError::NotAStore { path: path.display().to_string(), cause: "there is no such file".to_owned() });
        }
        let readers = Readers::open(path, readers)?;
        Ok(Self { path: path.to_owned(), readers, writer: None, thread: None, marks: Arc::default(), _claim: None })
    }

    /// The store as it is now, to read from end to end: later commits of a running server do not show.
    /// Its write-ahead log grows for as long as this one is open.
    ///
    /// # Errors
    /// As [`SqliteStore::open_read_only`].
    pub fn open_snapshot(path: &Path) -> Result<Self, StoreError> {
        let store = Self::reading(path, 1)?;
        let begun = store.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).first().map(read::stand_still);
        begun.transpose().map_err(|fail| fail.at(path, "opening a snapshot"))?;
        Ok(store)
    }

    async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        query: impl FnOnce(&Connection) -> Result<T, Fail> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = Arc::clone(&self.readers);
        let path = self.path.clone();
        let permit = Arc::clone(&self.readers.permits).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let read = tokio::task::spawn_blocking(move || {
            // The permit stays with the connection: whoever asked may be gone before the answer.
            let _permit = permit;
            let connection = readers.take().ok_or(StoreError::Closed)?;
            let found = query(&connection).map_err(|fail| fail.at(&path, doing));
            readers.give_back(connection);
            found
        });
        read.await.map_err(|error| StoreError::Engine { doing, cause: error.to_string() })?
    }

    /// A read of a few rows by an index, where the caller stands: it takes microseconds from the page
    /// cache, less than handing it to another thread (docs/decisions/0004-short-reads-stay-on-their-thread.md).
    async fn read_few<T>(&self, doing: &'static str, query: impl FnOnce(&Connection) -> Result<T, Fail>) -> Result<T, StoreError> {
        let _permit = self.readers.permits.acquire().await.map_err(|_| StoreError::Closed)?;
        let connection = self.readers.take().ok_or(StoreError::Closed)?;
        let found = query(&connection).map_err(|fail| fail.at(&self.path, doing));
        self.readers.give_back(connection);
        found
    }

    async fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        change: impl FnOnce(&mut Writing) -> Result<T, Fail> + Send + 'static,
    ) -> Result<T, StoreError> {
        let path = self.path.clone();
        let Some(writer) = &self.writer else {
            return Err(StoreError::NotWritable { path: path.display().to_string(), cause: "it was opened for reading alone".to_owned() });
        };
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |writing| {
            let _ = answer.send(change(writing).map_err(|fail| fail.at(&path, doing)));
        });
        writer.send(work).map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    fn marks(&self) -> std::sync::MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // Readers first: the log is folded in only when nobody reads it.
        self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let marks = std::mem::take(&mut *self.marks());
        if let Some(writer) = self.writer.take() {
            let _ = writer.send(Box::new(move |writing| drop(writing.flush(&marks))));
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Readers {
    fn open(path: &Path, count: usize) -> Result<Arc<Self>, StoreError> {
        let count = count.max(1);
        let idle = (0..count).map(|_| schema::open_reader(path)).collect::<Result<_, _>>()?;
        Ok(Arc::new(Self { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(count)) }))
    }
    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
    fn give_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, kind: Kind, id: DocId) -> Result<Option<Document>, StoreError> {
        self.read_few("reading a document", move |db| read::get(db, kind, id)).await
    }

    async fn get_many(&self, kind: Kind, ids: &[DocId]) -> Result<Vec<Document>, StoreError> {
        if ids.len() <= FEW {
            return self.read_few("reading documents", |db| read::get_many(db, kind, ids)).await;
        }
        let ids = ids.to_vec();
        self.read("reading documents", move |db| read::get_many(db, kind, &ids)).await
    }

    async fn history(&self, kind: Kind, id: DocId) -> Result<Vec<Document>, StoreError> {
        self.read_few("reading a document's versions", move |db| read::history(db, kind, id)).await
    }

    async fn find(&self, query: &Find) -> Result<Vec<Document>, StoreError> {
        if query.limit <= FEW {
            return self.read_few("searching documents", |db| read::find(db, query)).await;
        }
        let query = query.clone();
        self.read("searching documents", move |db| read::find(db, &query)).await
    }

    async fn changed_since(&self, kind: Option<Kind>, after: Seq, limit: usize) -> Result<Vec<Document>, StoreError> {
        self.read("reading changes", move |db| read::changed_since(db, kind, after, limit)).await
    }

    async fn commit(&self, writer: &Writer, batch: Vec<Changeset>) -> Result<Vec<Result<Applied, Refusal>>, StoreError> {
        let writer = writer.clone();
        let marks = std::mem::take(&mut *self.marks());
        let kept = Arc::clone(&self.marks);
        self.write("committing", move |writing| {
            let done = writing.commit(&writer, batch, &marks);
            if done.is_err() {
                // Newer marks win over those that could not be written.
                let mut waiting = kept.lock().unwrap_or_else(PoisonError::into_inner);
                for (key, value) in marks {
                    waiting.entry(key).or_insert(value);
                }
            }
            done
        })
        .await
    }

    async fn streams(&self) -> Result<Vec<StreamId>, StoreError> {
        self.read("reading the ledger", read::streams).await
    }

    async fn head(&self, stream: &StreamId) -> Result<Option<Head>, StoreError> {
        let stream = stream.clone();
        self.read_few("reading the ledger's head", move |db| read::head(db, &stream)).await
    }

    async fn entries(&self, stream: &StreamId, from: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let stream = stream.clone();
        self.read("reading the ledger", move |db| read::entries(db, &stream, from, limit)).await
    }

    async fn entry(&self, event: EventId) -> Result<Option<(StreamId, Entry)>, StoreError> {
        self.read_few("reading a ledger entry", move |db| read::entry(db, event)).await
    }

    async fn tile(&self, stream: &StreamId, tile: TileId) -> Result<Option<Vec<Hash>>, StoreError> {
        let stream = stream.clone();
        self.read_few("reading a ledger tile", move |db| read::tile(db, &stream, tile)).await
    }

    async fn seq_at(&self, time_ms: i64) -> Result<Seq, StoreError> {
        self.read_few("reading commit times", move |db| read::seq_at(db, time_ms)).await
    }

    async fn checkpoint_put(&self, stream: &StreamId, note: &str) -> Result<(), StoreError> {
        let (stream, note) = (stream.clone(), note.to_owned());
        self.write("keeping a checkpoint", move |writing| writing.checkpoint_put(&stream, &note)).await
    }

    async fn checkpoint(&self, stream: &StreamId) -> Result<Option<String>, StoreError> {
        let stream = stream.clone();
        self.read("reading a checkpoint", move |db| read::checkpoint(db, &stream)).await
    }

    async fn blob_write(&self, id: DocId, owner: Owner, segment: u32, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.write("staging a blob segment", move |writing| writing.blob_write(id, owner, segment, &bytes)).await
    }

    async fn blob_read(&self, id: DocId, segment: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.read("reading a blob segment", move |db| read::blob(db, id, segment)).await
    }

    async fn blob_abandon(&self, id: DocId) -> Result<(), StoreError> {
        self.write("dropping a staged blob", move |writing| writing.blob_abandon(id)).await
    }

    async fn purge(&self) -> Result<(), StoreError> {
        self.write("emptying the write-ahead log", Writing::purge).await
    }

    async fn blob_sweep(&self) -> Result<u64, StoreError> {
        self.write("dropping staged blobs", Writing::blob_sweep).await
    }

    async fn blobs(&self, after: Option<DocId>, limit: usize) -> Result<Vec<DocId>, StoreError> {
        self.read("listing blobs", move |db| read::blobs(db, after, limit)).await
    }

    async fn mark(&self, kind: Kind, id: DocId, value: i64) -> Result<(), StoreError> {
        self.marks().insert((kind, id), value);
        Ok(())
    }

    async fn marked(&self, kind: Kind, id: DocId) -> Result<Option<i64>, StoreError> {
        let waiting = self.marks().get(&(kind, id)).copied();
        match waiting {
            Some(value) => Ok(Some(value)),
            None => self.read_few("reading a mark", move |db| read::marked(db, kind, id)).await,
        }
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.read("checking the store", read::health).await
    }

    fn inspection(&self) -> &dyn Inspect {
        self
    }
}

#[async_trait]
impl Inspect for SqliteStore {
    async fn beside(&self, after: Seq, limit: usize) -> Result<Vec<Beside>, StoreError> {
        self.read("reading terms", move |db| inspect::beside(db, after, limit)).await
    }

    async fn counter(&self, key: [u8; 16]) -> Result<u64, StoreError> {
        self.read("reading a running number", move |db| inspect::counter(db, key)).await
    }

    async fn counters(&self, after: Option<[u8; 16]>, limit: usize) -> Result<Vec<([u8; 16], u64)>, StoreError> {
        self.read("reading running numbers", move |db| inspect::counters(db, after, limit)).await
    }

    async fn sequence(&self) -> Result<Seq, StoreError> {
        self.read_few("reading the commit sequence", inspect::sequence).await
    }

    async fn blob(&self, id: DocId) -> Result<Option<BlobShape>, StoreError> {
        self.read("reading a blob's shape", move |db| inspect::blob(db, id)).await
    }

    async fn clock(&self, after: Option<i64>, limit: usize) -> Result<Vec<(i64, Seq)>, StoreError> {
        self.read("reading commit times", move |db| inspect::clock(db, after, limit)).await
    }

    async fn flaws(&self) -> Result<Vec<Flaw>, StoreError> {
        self.read("inspecting the store", inspect::flaws).await
    }
}

#[async_trait]
impl Receive for SqliteStore {
    fn store(&self) -> &dyn Store {
        self
    }

    async fn receive(&self, rows: Rows) -> Result<(), StoreError> {
        self.write("receiving rows", move |writing| writing.receive(&rows)).await
    }
}
