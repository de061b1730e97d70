//! The use cases: authorise, read, decide, commit. The only crate that holds a Store.
//!
//! Every use case takes a [`Ctx`] (who, how strongly signed in, when, with what randomness), asks
//! policy for a `Permit`, and changes or discloses something only through [`act::Act`], which
//! writes the log entry in the same commit. What comes back is a view of exactly what this role
//! may see.

pub mod access;
pub mod accounts;
pub mod act;
pub mod audit;
pub mod backups;
pub mod care;
pub mod charts;
pub mod clear;
pub mod clearances;
pub(crate) mod compact;
pub mod ctx;
pub mod demo;
pub mod documents;
pub mod drafts;
pub mod emergency;
pub(crate) mod entries;
pub mod envelope;
pub mod erasure;
pub mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod holds;
pub mod hospital;
pub mod integrity;
pub(crate) mod jwt;
pub mod keeper;
pub mod keys;
pub mod kinds;
pub mod pace;
pub mod patients;
pub mod policies;
pub mod posture;
pub mod published;
pub mod questions;
pub mod records;
pub mod requests;
pub mod root_key;
pub mod services;
pub mod sessions;
pub mod sign_in;
pub mod stroke;
pub mod throttle;
pub(crate) mod tiles;
pub mod unusual;
pub mod verify;
pub mod witnesses;

pub use ctx::{Ctx, Entropy, Visit};
pub use error::{Error, Result};
pub use hospital::App;
