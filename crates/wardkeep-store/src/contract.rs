//! The Store contract. Everything an engine promises stands on [`Store`].

use async_trait::async_trait;
use wardkeep_ledger::{Discloses, Draft, EventId, Hash, Head, StreamId, tree::TileId};

use crate::inspect::Inspect;

/// What sort of document; the numbers belong to the caller.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Kind(pub u16);

/// Random id of a document (UUIDv7 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct DocId(pub [u8; 16]);

/// Whose document it is (a patient id), or zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Owner(pub [u8; 16]);

impl Owner {
    pub const NONE: Owner = Owner([0; 16]);
}

/// 1, 2, 3 … per document; 0 means "does not exist".
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Version(pub u64);

impl Version {
    pub const ABSENT: Version = Version(0);
    #[must_use]
    pub fn next(self) -> Version {
        Version(self.0.saturating_add(1))
    }
}

/// Commit sequence: every put document gets the next one; strictly increasing in the store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Seq(pub u64);

/// Opaque search term (a truncated HMAC; short terms are padded with zeros).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Term(pub [u8; 16]);

/// A stored version of a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    pub kind: Kind,
    pub id: DocId,
    pub owner: Owner,
    pub version: Version,
    pub seq: Seq,
    pub sealed: Vec<u8>,
}

/// "The change holds only if this document is at this version now."
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expect {
    pub kind: Kind,
    pub id: DocId,
    pub version: Version,
}

/// A new version of a document. `version` must be the current one plus one (checked like an
/// [`Expect`], so a put never overwrites blindly).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Put {
    pub kind: Kind,
    pub id: DocId,
    pub owner: Owner,
    pub version: Version,
    pub sealed: Vec<u8>,
    /// Replace the terms of the earlier version.
    pub terms: Vec<Term>,
    /// Terms no other document of this kind may hold (MRN, e-mail); `find` finds them like the others.
    pub unique: Vec<Term>,
}

/// Removes every version and every term of a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Erase {
    pub kind: Kind,
    pub id: DocId,
}

/// Plain data; pure code makes it, tests compare it. Applied whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct Changeset {
    pub expects: Vec<Expect>,
    pub puts: Vec<Put>,
    pub erases: Vec<Erase>,
    /// Staged blobs that this change makes part of the record; see [`Store::blob_write`].
    pub blobs: Vec<DocId>,
    /// Blobs that this change takes out of the record, with every segment; missing ones are no error.
    pub blob_erases: Vec<DocId>,
    pub events: Vec<Draft>,
    /// Whose plaintext the receipt of this commit releases.
    pub discloses: Discloses,
}

/// Why a changeset was refused, alone. Nothing of it was applied.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("document is at version {found:?}, expected {expected:?}")]
    Conflict { kind: Kind, id: DocId, expected: Version, found: Version },
    #[error("a unique term is held by another document")]
    Taken { kind: Kind, term: Term, holder: DocId },
    #[error("a blob that the change names is not staged")]
    BlobMissing(DocId),
}

/// What an engine says of a changeset that went in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Applied {
    /// The last sequence the changeset used (or the store's current one when it put nothing).
    pub seq: Seq,
    /// (event, index in the stream, subject's running number).
    pub events: Vec<(EventId, u64, Option<u64>)>,
}

/// Which process run appends; given to the engine with every commit.
#[derive(Clone, Debug)]
pub struct Writer {
    pub stream: StreamId,
    /// Random id of this run.
    pub boot: [u8; 16],
}

/// A query over the current versions of one kind.
#[derive(Clone, Debug)]
pub struct Find {
    pub kind: Kind,
    /// All must match. Put the most selective first: cost follows its bucket. Empty = every document.
    pub all_of: Vec<Term>,
    /// Only documents with a smaller sequence (the keyset cursor).
    pub before: Option<Seq>,
    /// Only documents with this sequence or a greater one.
    pub since: Option<Seq>,
    pub limit: usize,
}

/// One ledger row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub index: u64,
    pub leaf: Vec<u8>,
    /// The subject's running number; not secret, needed to open the subject commitment.
    pub subject_number: Option<u64>,
}

/// Most sealed chunks that one blob segment holds.
pub const BLOB_SEGMENT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A store of sealed documents with its own ledger streams.
///
/// What every engine promises:
/// - **Atomic:** each changeset is applied whole (puts, terms, erases, blobs, leaves, counters) or
///   not at all. All changesets of one `commit` call share one durable transaction: when `commit`
///   returns `Ok`, the accepted ones survive a power cut; when it returns `Err`, none is applied
///   (an engine behind a network may have to say [`StoreError::Unknown`]).
/// - **Refused alone:** a changeset whose expectations, versions or unique terms do not hold gets
///   its [`Refusal`]; the others go in. Earlier changesets of the batch are seen by later ones.
/// - **Order:** lists are newest first by commit sequence; `history` and `changed_since` oldest first.
/// - **Missing is `Ok(None)`** or an empty list, never an error.
/// - **The head is compare-and-set** against the stored one inside the transaction:
///   [`StoreError::StreamLost`] when another writer moved it, and nothing is applied.
/// - Leaf sequences within a boot have no gaps: a refused changeset uses none.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Current version.
    async fn get(&self, kind: Kind, id: DocId) -> Result<Option<Document>, StoreError>;
    /// Current versions, in the order asked for; missing ones are left out.
    async fn get_many(&self, kind: Kind, ids: &[DocId]) -> Result<Vec<Document>, StoreError>;
    /// Every version, oldest first.
    async fn history(&self, kind: Kind, id: DocId) -> Result<Vec<Document>, StoreError>;
    /// Current versions that hold all terms, newest first.
    async fn find(&self, query: &Find) -> Result<Vec<Document>, StoreError>;
    /// Every stored version (also superseded ones) of the kind, or of all kinds, with a greater
    /// sequence, oldest first.
    async fn changed_since(&self, kind: Option<Kind>, after: Seq, limit: usize) -> Result<Vec<Document>, StoreError>;
    /// Applies a batch; see the trait's promises.
    async fn commit(&self, writer: &Writer, batch: Vec<Changeset>) -> Result<Vec<Result<Applied, Refusal>>, StoreError>;

    /// Names of all streams.
    async fn streams(&self) -> Result<Vec<StreamId>, StoreError>;
    /// Size and root of a stream; `None` before its first leaf.
    async fn head(&self, stream: &StreamId) -> Result<Option<Head>, StoreError>;
    async fn entries(&self, stream: &StreamId, from: u64, limit: usize) -> Result<Vec<Entry>, StoreError>;
    /// Where an event stands.
    async fn entry(&self, event: EventId) -> Result<Option<(StreamId, Entry)>, StoreError>;
    async fn tile(&self, stream: &StreamId, tile: TileId) -> Result<Option<Vec<Hash>>, StoreError>;
    /// The smallest sequence of a commit whose first leaf has this time or a later one
    /// (`Seq(u64::MAX >> 1)` when there is none): turns a time filter into sequence bounds.
    async fn seq_at(&self, time_ms: i64) -> Result<Seq, StoreError>;
    /// Keeps the newest signed checkpoint of a stream.
    async fn checkpoint_put(&self, stream: &StreamId, note: &str) -> Result<(), StoreError>;
    async fn checkpoint(&self, stream: &StreamId) -> Result<Option<String>, StoreError>;

    /// Stages one segment (0, 1, 2 …) of a blob; inert until a changeset names the blob.
    async fn blob_write(&self, id: DocId, owner: Owner, segment: u32, bytes: Vec<u8>) -> Result<(), StoreError>;
    /// One segment of a blob, staged or not.
    async fn blob_read(&self, id: DocId, segment: u32) -> Result<Option<Vec<u8>>, StoreError>;
    /// Drops a staged blob; one that is part of the record is left alone.
    async fn blob_abandon(&self, id: DocId) -> Result<(), StoreError>;
    /// Drops every staged blob (at start: uploads that a crash cut off). Returns how many.
    async fn blob_sweep(&self) -> Result<u64, StoreError>;
    /// Makes as sure as the engine can that nothing erased is left in its files (free pages,
    /// write-ahead log). Called after an erasure; may take as long as a checkpoint.
    async fn purge(&self) -> Result<(), StoreError>;
    /// Ids of all blobs that are part of the record, after `after` in id order.
    async fn blobs(&self, after: Option<DocId>, limit: usize) -> Result<Vec<DocId>, StoreError>;

    /// A small unsealed number beside the record (a session's last use): no patient data, no
    /// ledger, lost at worst since the last commit.
    async fn mark(&self, kind: Kind, id: DocId, value: i64) -> Result<(), StoreError>;
    async fn marked(&self, kind: Kind, id: DocId) -> Result<Option<i64>, StoreError>;

    /// Can the store be read and is its schema the one this program knows?
    async fn health(&self) -> Result<(), StoreError>;
    /// The engine's bookkeeping, for verification.
    fn inspection(&self) -> &dyn Inspect;
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("another process writes the ledger stream {0}; this one has stopped writing")]
    StreamLost(String),
    #[error("the disk is full: free some space, then try again; nothing was changed")]
    DiskFull,
    #[error("the store is locked by another process: {0}")]
    Locked(String),
    #[error("{path} is of schema version {found}, newer than this program's {known}: use a newer wardkeep")]
    TooNew { path: String, found: i64, known: i64 },
    #[error("{path} cannot be written: {cause}; check owner and permissions")]
    NotWritable { path: String, cause: String },
    #[error("{path} is not a wardkeep store: {cause}")]
    NotAStore { path: String, cause: String },
    #[error("the store is damaged: {0}")]
    Damaged(String),
    #[error("{place} does not answer: {cause}; check that it runs and can be reached from here")]
    Unreachable { place: String, cause: String },
    /// The one error after which a batch may have been applied all the same.
    #[error("{place} took the change but its answer was lost: look whether it is there before it is sent again")]
    Unknown { place: String },
    #[error("{place} refuses this user: check name, password, authSource and the rights on this database in the address")]
    SignIn { place: String },
    #[error("{place}: another run writes as node {node}; stop it, or give this one a name of its own with --node")]
    Claimed { place: String, node: String },
    #[error("{place} cannot be used: {cause}; {fix}")]
    Unfit { place: String, cause: String, fix: String },
    #[error("the store is shutting down")]
    Closed,
    #[error("{doing}: {cause}")]
    Engine { doing: &'static str, cause: String },
}
