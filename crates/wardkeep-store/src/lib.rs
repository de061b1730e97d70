//! Where sealed bytes live. A store knows nothing of medicine: it holds ciphertext, opaque search
//! terms, versions and ledger leaves, and it changes them in one atomic commit or not at all.

mod check;
pub mod committer;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod contract;
pub mod inspect;
pub mod memory;
pub mod mongo;
pub mod receive;
pub mod sqlite;
mod stream;
pub mod transfer;
mod walk;

pub use committer::{CommitError, Committer};
pub use contract::*;
pub use inspect::{Beside, BlobShape, Flaw, Inspect};
pub use memory::MemoryStore;
pub use mongo::MongoStore;
pub use receive::{Receive, Rows};
pub use sqlite::{SqliteOptions, SqliteStore};
pub use transfer::{Copied, Difference};
