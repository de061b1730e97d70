//! A memory store that can be told to refuse every write, as a full disk or a lost log would; and every search.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use wardkeep_ledger::{EventId, Hash, Head, StreamId, tree::TileId};
use wardkeep_store::{Applied, Changeset, DocId, Document, Entry, Find, Kind, MemoryStore, Owner, Refusal, Seq, Store, StoreError, Writer};

#[derive(Debug)]
pub struct Breakable {
    inner: MemoryStore,
    broken: AtomicBool,
    /// Commits until it breaks by itself.
    left: AtomicU64,
    unsearchable: AtomicBool,
}

impl Default for Breakable {
    fn default() -> Self {
        Self {
            inner: MemoryStore::new(),
            broken: AtomicBool::new(false),
            left: AtomicU64::new(u64::MAX),
            unsearchable: AtomicBool::new(false),
        }
    }
}

impl Breakable {
    pub fn break_writes(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }
    pub fn break_searches(&self) {
        self.unsearchable.store(true, Ordering::SeqCst);
    }
    /// Every write after the next so many commits is refused.
    pub fn break_after(&self, commits: u64) {
        self.left.store(commits, Ordering::SeqCst);
    }
    pub fn mend(&self) {
        self.left.store(u64::MAX, Ordering::SeqCst);
        self.broken.store(false, Ordering::SeqCst);
    }
    fn writes(&self) -> Result<(), StoreError> {
        if self.broken.load(Ordering::SeqCst) { Err(StoreError::DiskFull) } else { Ok(()) }
    }
}

#[async_trait]
impl Store for Breakable {
    async fn get(&self, kind: Kind, id: DocId) -> Result<Option<Document>, StoreError> {
        self.inner.get(kind, id).await
    }
    async fn get_many(&self, kind: Kind, ids: &[DocId]) -> Result<Vec<Document>, StoreError> {
        self.inner.get_many(kind, ids).await
    }
    async fn history(&self, kind: Kind, id: DocId) -> Result<Vec<Document>, StoreError> {
        self.inner.history(kind, id).await
    }
    async fn find(&self, query: &Find) -> Result<Vec<Document>, StoreError> {
        if self.unsearchable.load(Ordering::SeqCst) {
            return Err(StoreError::DiskFull);
        }
        self.inner.find(query).await
    }
    async fn changed_since(&self, kind: Option<Kind>, after: Seq, limit: usize) -> Result<Vec<Document>, StoreError> {
        self.inner.changed_since(kind, after, limit).await
    }
    async fn commit(&self, writer: &Writer, batch: Vec<Changeset>) -> Result<Vec<Result<Applied, Refusal>>, StoreError> {
        self.writes()?;
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
            self.break_writes();
        }
        self.writes()?;
        self.inner.commit(writer, batch).await
    }
    async fn streams(&self) -> Result<Vec<StreamId>, StoreError> {
        self.inner.streams().await
    }
    async fn head(&self, stream: &StreamId) -> Result<Option<Head>, StoreError> {
        self.inner.head(stream).await
    }
    async fn entries(&self, stream: &StreamId, from: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.inner.entries(stream, from, limit).await
    }
    async fn entry(&self, event: EventId) -> Result<Option<(StreamId, Entry)>, StoreError> {
        self.inner.entry(event).await
    }
    async fn tile(&self, stream: &StreamId, tile: TileId) -> Result<Option<Vec<Hash>>, StoreError> {
        self.inner.tile(stream, tile).await
    }
    async fn seq_at(&self, time_ms: i64) -> Result<Seq, StoreError> {
        self.inner.seq_at(time_ms).await
    }
    async fn checkpoint_put(&self, stream: &StreamId, note: &str) -> Result<(), StoreError> {
        self.writes()?;
        self.inner.checkpoint_put(stream, note).await
    }
    async fn checkpoint(&self, stream: &StreamId) -> Result<Option<String>, StoreError> {
        self.inner.checkpoint(stream).await
    }
    async fn blob_write(&self, id: DocId, owner: Owner, segment: u32, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.writes()?;
        self.inner.blob_write(id, owner, segment, bytes).await
    }
    async fn blob_read(&self, id: DocId, segment: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.blob_read(id, segment).await
    }
    async fn blob_abandon(&self, id: DocId) -> Result<(), StoreError> {
        self.inner.blob_abandon(id).await
    }
    async fn purge(&self) -> Result<(), StoreError> {
        self.inner.purge().await
    }
    async fn blob_sweep(&self) -> Result<u64, StoreError> {
        self.inner.blob_sweep().await
    }
    async fn blobs(&self, after: Option<DocId>, limit: usize) -> Result<Vec<DocId>, StoreError> {
        self.inner.blobs(after, limit).await
    }
    async fn mark(&self, kind: Kind, id: DocId, value: i64) -> Result<(), StoreError> {
        self.inner.mark(kind, id, value).await
    }
    async fn marked(&self, kind: Kind, id: DocId) -> Result<Option<i64>, StoreError> {
        self.inner.marked(kind, id).await
    }
    async fn health(&self) -> Result<(), StoreError> {
        self.inner.health().await
    }
    fn inspection(&self) -> &dyn wardkeep_store::Inspect {
        self.inner.inspection()
    }
}
