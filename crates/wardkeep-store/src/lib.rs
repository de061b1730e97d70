//! Where sealed bytes live. A store knows nothing of medicine: it holds ciphertext, opaque search
//! terms, versions and ledger leaves, and it changes them in one atomic commit or not at all.

pub mod committer;
pub mod conformance;
pub mod contract;
pub mod memory;
pub mod sqlite;

pub use committer::{CommitError, Committer};
pub use contract::*;
