//! What a use case may answer instead of a view. One enum; the web maps it once.

use std::sync::Arc;

use wardkeep_domain::request::{RequestKind, RequestRefusal};
use wardkeep_domain::{FieldError, FieldErrors};
use wardkeep_policy::Denial;
use wardkeep_store::{CommitError, Refusal, StoreError};

use crate::kinds;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No session, an ended one, or a wrong token.
    #[error("sign in to go on")]
    SignedOut,
    /// One answer for unknown name, wrong password, suspended account.
    #[error("name, password or code is not right")]
    WrongCredentials,
    #[error("too many tries: wait {retry_after_s} seconds")]
    Throttled { retry_after_s: u32 },
    /// Policy said no; the denial is logged already.
    #[error(transparent)]
    Denied(#[from] Denial),
    #[error("there is no such thing here")]
    NotFound,
    /// One person may not do this alone: ask for it, and somebody else decides.
    #[error("this needs a second person")]
    SecondPerson(Box<RequestKind>),
    #[error(transparent)]
    Invalid(#[from] FieldErrors),
    /// Somebody else changed it first; `current` is the version now.
    #[error("somebody else changed this first")]
    Conflict { current: u64 },
    /// The thing is in a state that does not allow this.
    #[error("{0}")]
    Refused(String),
    /// The file has `total` bytes and none of the range that was asked for.
    #[error("the file has {total} bytes, none of them in this range")]
    OutOfRange { total: u64 },
    /// A sealed document does not match its key, place or log entry.
    #[error("the integrity check of this entry failed; it is kept and marked")]
    Integrity,
    /// The store, the log or the key cannot be used now: nothing was shown, nothing changed.
    #[error("the system cannot write its log now, so nothing was done: {0}")]
    Unavailable(String),
    /// The store took the change and its answer was lost.
    #[error("it is not known whether this was done: {0}")]
    Unknown(String),
    #[error("internal: {0}")]
    Internal(String),
}

/// One field that is wrong, and the fix.
pub(crate) fn invalid(field: &'static str, words: &str) -> Error {
    Error::Invalid(FieldErrors(vec![FieldError::new(field, words)]))
}

impl From<RequestRefusal> for Error {
    fn from(refusal: RequestRefusal) -> Self {
        Error::Refused(refusal.to_string())
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        match error {
            // The patient was erased, perhaps a moment ago and on another node.
            CommitError::Refused(Refusal::Conflict { kind: kinds::TOMBSTONE, .. }) => Error::NotFound,
            CommitError::Refused(Refusal::Conflict { found, .. }) => Error::Conflict { current: found.0 },
            CommitError::Refused(Refusal::Taken { .. }) => Error::Refused("This is in use already.".to_owned()),
            CommitError::Refused(Refusal::BlobMissing(_)) => Error::Refused("The upload has expired. Upload the file again.".to_owned()),
            CommitError::Store(cause) => cause.into(),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Arc::new(error).into()
    }
}

impl From<Arc<StoreError>> for Error {
    fn from(error: Arc<StoreError>) -> Self {
        match *error {
            StoreError::Unknown { .. } => Error::Unknown(error.to_string()),
            _ => Error::Unavailable(error.to_string()),
        }
    }
}

impl From<wardkeep_vault::OpenError> for Error {
    fn from(_: wardkeep_vault::OpenError) -> Self {
        Error::Integrity
    }
}
