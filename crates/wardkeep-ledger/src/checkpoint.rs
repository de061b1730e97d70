//! Checkpoints: signed tree heads as C2SP signed notes (tlog-checkpoint v1.0.0).

use crate::tree::Head;

/// An Ed25519 signing key with its note name (the log's origin line).
pub struct Signer {
    _todo: (),
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(…)")
    }
}

/// Public half, in the C2SP vkey text form `name+hash+base64`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifyingKey {
    _todo: (),
}

impl Signer {
    /// # Errors
    /// When the name has blanks or '+', or the key is refused.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, CheckpointError> {
        let _ = (name, seed);
        todo!("ledger helper")
    }
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        todo!("ledger helper")
    }
    /// Signs `origin`, size and root; `time_ms` goes in as an extension line `time <ms>`.
    /// The keeper holds (size, root) of the last signature and must not sign backwards; see `Monotonic`.
    #[must_use]
    pub fn sign(&self, origin: &str, head: &Head, time_ms: i64) -> String {
        let _ = (origin, head, time_ms);
        todo!("ledger helper")
    }
}

impl VerifyingKey {
    /// # Errors
    /// When the text is no Ed25519 vkey.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let _ = text;
        todo!("ledger helper")
    }
    #[must_use]
    pub fn to_text(&self) -> String {
        todo!("ledger helper")
    }
}

/// A read and verified checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    pub origin: String,
    pub head: Head,
    pub time_ms: Option<i64>,
}

impl Checkpoint {
    /// # Errors
    /// When the note is malformed or carries no valid signature of `key`.
    pub fn verify(note: &str, key: &VerifyingKey) -> Result<Self, CheckpointError> {
        let _ = (note, key);
        todo!("ledger helper")
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CheckpointError {
    #[error("a key name holds no blanks and no '+'")]
    Name,
    #[error("not a verifier key of a known kind")]
    Key,
    #[error("not a checkpoint note: {0}")]
    Malformed(&'static str),
    #[error("no valid signature by the expected key")]
    Signature,
}
