//! Backups of a hospital, made while it serves: rows of both stores, encrypted with age to a
//! recipient whose identity lies elsewhere, on whichever engine they are restored.
//!
//! docs/spec/backup.md is the format. The root key is in no backup; patient keys are encrypted to a
//! key of the month, so that deleting that one makes an erasure reach every backup of the month.

pub mod bucket;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod make;
pub mod manifest;
pub mod portion;
pub mod restore;
pub mod target;
pub mod window;

pub use age::x25519::{Identity, Recipient};
pub use make::{Made, Order};
pub use manifest::Manifest;
pub use restore::{Listed, Read, Tidied};
pub use target::Target;

use wardkeep_store::StoreError;

/// What can go wrong, in words that name no data and no key.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{target}: {doing} failed: {cause}")]
    Target { target: String, doing: &'static str, cause: String },
    #[error("there is no finished backup {id} in {target}: “wardkeep backup list” shows what there is")]
    NotFound { id: String, target: String },
    #[error("{file} of the backup is damaged: {how}; restore another backup")]
    Damaged { file: String, how: String },
    #[error("the key of {window} was deleted, and with it every patient key in the backups of that month: restore a newer one")]
    Expired { window: String },
    #[error("{0}")]
    Key(String),
    #[error("{0}")]
    Unfit(String),
    #[error("a fault inside: {0}")]
    Internal(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}
