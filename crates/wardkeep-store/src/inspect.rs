//! What an engine keeps beside sealed bytes and leaves, laid open for `verify --records`: search
//! terms, running numbers, commit times, and whether its own bookkeeping fits together. Only the
//! verification reads it; nothing here is on the way of a request.

use async_trait::async_trait;

use crate::contract::{DocId, Kind, Seq, StoreError, Term};

/// The terms that a document version was put with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Beside {
    pub seq: Seq,
    pub terms: Vec<Term>,
    pub unique: Vec<Term>,
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
    /// Commit times and first sequences behind [`crate::Store::seq_at`], oldest first.
    async fn clock(&self, after: Option<i64>, limit: usize) -> Result<Vec<(i64, Seq)>, StoreError>;
    /// Walks everything that the engine could hold wrongly: shapes of rows, the index against the
    /// terms, current versions, the ledger's rows and tiles against the size of each stream.
    async fn flaws(&self) -> Result<Vec<Flaw>, StoreError>;
}
