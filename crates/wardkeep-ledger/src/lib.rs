//! The ledger: a log nobody can quietly change.
//!
//! A Merkle tree after RFC 6962, published in the C2SP formats (tlog-tiles, tlog-checkpoint,
//! signed-note, tlog-proof). This crate is pure: no database, no HTTP, no clock, no randomness of
//! its own. It encodes leaves, grows trees, makes and checks proofs, signs and reads checkpoints,
//! and holds the offline verifier. Spec: `docs/spec/ledger.md`.

pub mod checkpoint;
pub mod commitment;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod leaf;
pub mod proof;
pub mod publish;
pub mod receipt;
pub mod tree;
pub mod verify;
pub mod witness;

pub use checkpoint::{Checkpoint, Signer, VerifyingKey};
pub use commitment::{Commitment, Salt};
pub use leaf::{Class, Draft, EventId, Leaf, Outcome, StreamId, SubjectDraft};
pub use receipt::{Discloses, Receipt};
pub use tree::{Edge, Hash, Head};
