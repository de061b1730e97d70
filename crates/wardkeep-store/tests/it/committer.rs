//! The committer against a store that is watched and can be held up or broken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use wardkeep_ledger::tree::TileId;
use wardkeep_ledger::{Discloses, EventId, Hash, Head, StreamId};
use wardkeep_store::*;

/// Delegates to the memory engine; counts commits, holds them up at a gate, fails on demand.
struct Watched {
    inner: MemoryStore,
    gate: Semaphore,
    batches: Mutex<Vec<usize>>,
    disk_full: AtomicBool,
}

impl Watched {
    fn new(open: usize) -> Arc<Self> {
        let (batches, disk_full) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { inner: MemoryStore::new(), gate: Semaphore::new(open), batches, disk_full })
    }
    fn batches(&self) -> Vec<usize> {
        self.batches.lock().unwrap().clone()
    }
}

type Answer<T> = Result<T, StoreError>;

#[async_trait]
impl Store for Watched {
    async fn commit(&self, writer: &Writer, batch: Vec<Changeset>) -> Answer<Vec<Result<Applied, Refusal>>> {
        self.batches.lock().unwrap().push(batch.len());
        self.gate.acquire().await.unwrap().forget();
        if self.disk_full.load(Ordering::SeqCst) {
            return Err(StoreError::DiskFull);
        }
        self.inner.commit(writer, batch).await
    }
    async fn get(&self, kind: Kind, id: DocId) -> Answer<Option<Document>> {
        self.inner.get(kind, id).await
    }
    async fn get_many(&self, kind: Kind, ids: &[DocId]) -> Answer<Vec<Document>> {
        self.inner.get_many(kind, ids).await
    }
    async fn history(&self, kind: Kind, id: DocId) -> Answer<Vec<Document>> {
        self.inner.history(kind, id).await
    }
    async fn find(&self, query: &Find) -> Answer<Vec<Document>> {
        self.inner.find(query).await
    }
    async fn changed_since(&self, kind: Option<Kind>, after: Seq, limit: usize) -> Answer<Vec<Document>> {
        self.inner.changed_since(kind, after, limit).await
    }
    async fn streams(&self) -> Answer<Vec<StreamId>> {
        self.inner.streams().await
    }
    async fn head(&self, stream: &StreamId) -> Answer<Option<Head>> {
        self.inner.head(stream).await
    }
    async fn entries(&self, stream: &StreamId, from: u64, limit: usize) -> Answer<Vec<Entry>> {
        self.inner.entries(stream, from, limit).await
    }
    async fn entry(&self, event: EventId) -> Answer<Option<(StreamId, Entry)>> {
        self.inner.entry(event).await
    }
    async fn tile(&self, stream: &StreamId, tile: TileId) -> Answer<Option<Vec<Hash>>> {
        self.inner.tile(stream, tile).await
    }
    async fn seq_at(&self, time_ms: i64) -> Answer<Seq> {
        self.inner.seq_at(time_ms).await
    }
    async fn checkpoint_put(&self, stream: &StreamId, note: &str) -> Answer<()> {
        self.inner.checkpoint_put(stream, note).await
    }
    async fn checkpoint(&self, stream: &StreamId) -> Answer<Option<String>> {
        self.inner.checkpoint(stream).await
    }
    async fn blob_write(&self, id: DocId, owner: Owner, segment: u32, bytes: Vec<u8>) -> Answer<()> {
        self.inner.blob_write(id, owner, segment, bytes).await
    }
    async fn blob_read(&self, id: DocId, segment: u32) -> Answer<Option<Vec<u8>>> {
        self.inner.blob_read(id, segment).await
    }
    async fn blob_abandon(&self, id: DocId) -> Answer<()> {
        self.inner.blob_abandon(id).await
    }
    async fn purge(&self) -> Answer<()> {
        self.inner.purge().await
    }
    async fn blob_sweep(&self) -> Answer<u64> {
        self.inner.blob_sweep().await
    }
    async fn blobs(&self, after: Option<DocId>, limit: usize) -> Answer<Vec<DocId>> {
        self.inner.blobs(after, limit).await
    }
    async fn mark(&self, kind: Kind, id: DocId, value: i64) -> Answer<()> {
        self.inner.mark(kind, id, value).await
    }
    async fn marked(&self, kind: Kind, id: DocId) -> Answer<Option<i64>> {
        self.inner.marked(kind, id).await
    }
    async fn health(&self) -> Answer<()> {
        self.inner.health().await
    }
    fn inspection(&self) -> &dyn wardkeep_store::Inspect {
        self.inner.inspection()
    }
}

const KIND: Kind = Kind(1);

fn writer(boot: u8) -> Writer {
    Writer { stream: StreamId::parse("test.main").unwrap(), boot: [boot; 16] }
}

fn note(number: u16, version: u64) -> Changeset {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    let put =
        Put { kind: KIND, id: DocId(id), owner: Owner([4; 16]), version: Version(version), sealed: vec![], terms: vec![], unique: vec![] };
    Changeset { puts: vec![put], discloses: Discloses::Owners(vec![[4; 16]]), ..Changeset::default() }
}

type Running = tokio::task::JoinHandle<Result<wardkeep_ledger::Receipt, CommitError>>;

fn spawn(committer: &Committer, change: Changeset) -> Running {
    let committer = committer.clone();
    tokio::spawn(async move { committer.commit(change).await })
}

/// Lets every other task of this one-threaded runtime go as far as it can.
async fn settle() {
    for _ in 0..2000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn changesets_that_wait_share_one_commit() {
    let store = Watched::new(0);
    let committer = Committer::start(store.clone(), writer(1));
    let first = spawn(&committer, note(0, 1));
    settle().await;
    let others: Vec<_> = (1..=100).map(|number| spawn(&committer, note(number, 1))).collect();
    settle().await;
    assert_eq!(store.batches(), [1], "while one commit runs the others gather");
    store.gate.add_permits(2);
    assert_eq!(first.await.unwrap().unwrap().seq(), 1);
    let mut seqs = Vec::new();
    for other in others {
        seqs.push(other.await.unwrap().unwrap().seq());
    }
    assert_eq!(store.batches(), [1, 100]);
    assert_eq!(seqs, (2..=101).collect::<Vec<_>>(), "first come, first served");
}

#[tokio::test]
async fn a_batch_is_bounded_in_changesets_and_in_items() {
    let store = Watched::new(1000);
    let committer = Committer::start(store.clone(), writer(1));
    let all: Vec<_> = (0..600).map(|number| spawn(&committer, note(number, 1))).collect();
    for one in all {
        one.await.unwrap().unwrap();
    }
    assert!(store.batches().iter().all(|batch| *batch <= committer::BATCH_CHANGESETS_MAX), "{:?}", store.batches());
    assert_eq!(store.batches().iter().sum::<usize>(), 600);
    // An import of the size of a whole batch does not take the small ones behind it along.
    let big = Changeset { puts: (2000..2000 + committer::BATCH_ITEMS_MAX as u16).flat_map(|n| note(n, 1).puts).collect(), ..note(0, 2) };
    let before = store.batches().len();
    let (import, after) = (spawn(&committer, big), spawn(&committer, note(1999, 1)));
    import.await.unwrap().unwrap();
    after.await.unwrap().unwrap();
    assert_eq!(store.batches()[before..], [1, 1]);
}

#[tokio::test]
async fn a_refused_changeset_does_not_hurt_its_neighbours() {
    let store = Watched::new(0);
    let committer = Committer::start(store.clone(), writer(1));
    let held_up = spawn(&committer, note(0, 1));
    settle().await;
    let (good, bad, good_too) = (spawn(&committer, note(1, 1)), spawn(&committer, note(2, 7)), spawn(&committer, note(3, 1)));
    settle().await;
    store.gate.add_permits(2);
    held_up.await.unwrap().unwrap();
    assert_eq!(good.await.unwrap().unwrap().seq(), 2);
    assert!(matches!(bad.await.unwrap(), Err(CommitError::Refused(Refusal::Conflict { .. }))));
    assert_eq!(good_too.await.unwrap().unwrap().seq(), 3);
    assert_eq!(store.batches(), [1, 3], "they were in one batch");
}

#[tokio::test]
async fn a_receipt_exists_only_after_the_engine_says_durable() {
    let store = Watched::new(0);
    let committer = Committer::start(store.clone(), writer(1));
    let waiting = spawn(&committer, note(0, 1));
    settle().await;
    assert_eq!(store.batches(), [1], "the engine has it");
    assert!(!waiting.is_finished(), "but has not answered");
    store.gate.add_permits(1);
    let receipt = waiting.await.unwrap().unwrap();
    assert!(receipt.covers(&[4; 16]) && !receipt.covers(&[5; 16]));
    assert_eq!(receipt.stream().as_str(), "test.main");
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_undo_its_change() {
    let store = Watched::new(0);
    let committer = Committer::start(store.clone(), writer(1));
    let waiting = spawn(&committer, note(0, 1));
    settle().await;
    waiting.abort();
    store.gate.add_permits(1);
    settle().await;
    assert_eq!(store.find(&Find { kind: KIND, all_of: vec![], before: None, since: None, limit: 9 }).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_disk_fails_the_batch_and_the_next_one_goes_in() {
    let store = Watched::new(10);
    let committer = Committer::start(store.clone(), writer(1));
    store.disk_full.store(true, Ordering::SeqCst);
    let failed = committer.commit(note(0, 1)).await;
    assert!(matches!(failed, Err(CommitError::Store(ref error)) if matches!(**error, StoreError::DiskFull)), "{failed:?}");
    store.disk_full.store(false, Ordering::SeqCst);
    committer.commit(note(0, 1)).await.unwrap();
}

#[tokio::test]
async fn a_lost_stream_fails_closed() {
    let store = Watched::new(100);
    let (first, second) = (Committer::start(store.clone(), writer(1)), Committer::start(store.clone(), writer(2)));
    let logged = |number| {
        let salt = wardkeep_ledger::Salt([0; 32]);
        let nothing = wardkeep_ledger::Commitment::new(&salt, wardkeep_ledger::commitment::Label::Detail, &[]);
        let event = wardkeep_ledger::Draft {
            time_ms: 0,
            event: EventId([number as u8; 16]),
            class: wardkeep_ledger::Class::JobRun,
            outcome: wardkeep_ledger::Outcome::Success,
            actor: nothing,
            subject: None,
            resource: nothing,
            detail: nothing,
        };
        Changeset { events: vec![event], ..note(number, 1) }
    };
    first.commit(logged(1)).await.unwrap();
    second.commit(logged(2)).await.unwrap();
    for number in 3..6 {
        let lost = first.commit(logged(number)).await;
        assert!(matches!(lost, Err(CommitError::Store(ref error)) if matches!(**error, StoreError::StreamLost(_))), "{lost:?}");
    }
    assert_eq!(store.batches().len(), 3, "after the loss the engine is not even asked");
    assert_eq!(store.head(&writer(1).stream).await.unwrap().unwrap().size, 2);
}

#[tokio::test]
async fn shutdown_commits_what_waits_and_refuses_what_comes_after() {
    let store = Watched::new(0);
    let committer = Committer::start(store.clone(), writer(1));
    let waiting: Vec<_> = (0..10).map(|number| spawn(&committer, note(number, 1))).collect();
    settle().await;
    let stopping = {
        let committer = committer.clone();
        tokio::spawn(async move { committer.shutdown().await })
    };
    settle().await;
    assert!(!stopping.is_finished(), "it waits for the engine");
    store.gate.add_permits(10);
    stopping.await.unwrap();
    for one in waiting {
        one.await.unwrap().unwrap();
    }
    let late = committer.commit(note(50, 1)).await;
    assert!(matches!(late, Err(CommitError::Store(ref error)) if matches!(**error, StoreError::Closed)), "{late:?}");
    committer.shutdown().await;
}
