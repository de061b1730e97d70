//! What a hospital record is: ids, patients, records, stroke assessments, accounts, roles.
//!
//! Pure: no I/O, no clock, no randomness of its own. Every value is parsed once at the edge
//! ([`field::FieldError`] names the field and the fix) and is then known to be good.
//! Types that hold patient data or secrets redact themselves in `Debug`.

pub mod account;
pub mod date;
pub mod document;
pub mod emergency;
pub mod field;
pub mod hold;
pub mod id;
pub mod name;
pub mod patient;
pub mod question;
pub mod record;
pub mod request;
pub mod service;
pub mod stroke;
pub mod unusual;

pub use field::{FieldError, FieldErrors};
pub use id::*;
