//! What an engine keeps beside sealed bytes and leaves, laid open for `verify --records` and for the
//! copy to another engine: search terms, running numbers, commit times, and whether its own
//! bookkeeping fits together. Nothing here is on the way of a request.

use async_trait::async_trait;

use crate::contract::{DocId, Kind, Owner, Seq, StoreError, Term};

/// The terms that a document version was put with, and whether it is the current one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Beside {
    pub seq: Seq,
    pub terms: Vec<Term>,
    pub unique: Vec<Term>,
    pub current: bool,
}

/// A blob that is part of the record, without its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlobShape {
    pub owner: Owner,
    /// Numbers of its segments, in order.
    pub segments: Vec<u32>,
}

/// Something in an engine's bookkeeping that does not fit together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// The index finds this document by other terms than it was put with, or an older version of it.
    Terms { kind: Kind, id: DocId },
    /// Anything else, in words that name no data.
    Store(String),
}

/// Most flaws that an engine lists; one is enough to know.
pub const FLAWS_MAX: usize = 100;

/// Run it while nobody writes: what changes meanwhile may look like a flaw.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// For the versions that `changed_since(None, after, limit)` lists, in its order.
    async fn beside(&self, after: Seq, limit: usize) -> Result<Vec<Beside>, StoreError>;
    /// The last running number given out under this counter key; 0 when none was.
    async fn counter(&self, key: [u8; 16]) -> Result<u64, StoreError>;
    /// Counter keys with their last running number, after `after` in the order of the keys.
    async fn counters(&self, after: Option<[u8; 16]>, limit: usize) -> Result<Vec<([u8; 16], u64)>, StoreError>;
    /// The last commit sequence that was given out; documents that were erased count.
    async fn sequence(&self) -> Result<Seq, StoreError>;
    /// `None` when there is no such blob or it is only staged.
    async fn blob(&self, id: DocId) -> Result<Option<BlobShape>, StoreError>;
    /// Commit times and first sequences behind [`crate::Store::seq_at`], oldest first.
    async fn clock(&self, after: Option<i64>, limit: usize) -> Result<Vec<(i64, Seq)>, StoreError>;
    /// Walks everything that the engine could hold wrongly: shapes of rows, the index against the
    /// terms, current versions, the ledger's rows and tiles against the size of each stream.
    async fn flaws(&self) -> Result<Vec<Flaw>, StoreError>;
}
