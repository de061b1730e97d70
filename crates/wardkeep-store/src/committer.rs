//! Group commit: one writer per store collects changesets and commits them together. A durable
//! commit costs one fsync; sharing it is what makes logging every read affordable.

use std::sync::Arc;

use crate::contract::{Changeset, Refusal, Store, StoreError, Writer};
use wardkeep_ledger::Receipt;

/// Most changesets in one durable commit.
pub const BATCH_CHANGESETS_MAX: usize = 256;
/// Most changesets that may wait; beyond it callers wait for room.
pub const QUEUE_MAX: usize = 1024;

/// Cheap to clone. The only way to change a store.
#[derive(Clone)]
pub struct Committer {
    _todo: (),
}

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Committer")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nothing of the changeset is applied. After `StreamLost` every later commit fails too.
    #[error("not committed: {0}")]
    Store(#[from] Arc<StoreError>),
}

impl Committer {
    /// Starts the writer task (needs a tokio runtime).
    #[must_use]
    pub fn start(store: Arc<dyn Store>, writer: Writer) -> Self {
        let _ = (store, writer);
        todo!("store helper")
    }

    /// Durable when it returns `Ok`. Mints the [`Receipt`].
    ///
    /// # Errors
    /// [`CommitError::Refused`] when the expectations do not hold, [`CommitError::Store`] when the
    /// batch could not be made durable.
    pub async fn commit(&self, change: Changeset) -> Result<Receipt, CommitError> {
        let _ = change;
        todo!("store helper")
    }
}
