//! Sealing and opening, the key hierarchy, blind index terms, key providers.
//! No database, no HTTP. Spec: `docs/spec/sealed-document.md`.

pub mod context;
pub mod escrow;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod keys;
pub mod provider;
pub mod seal;
pub mod stream;
pub mod term;
pub mod vault;

pub use context::Context;
pub use keys::{PatientKey, Purpose};
pub use provider::{KeyFile, KeyProvider, ProviderError};
pub use stream::{StreamOpener, StreamSealer};
pub use term::TermBits;
pub use vault::{OpenError, Vault};

/// Plaintext that wipes itself.
pub type Plain = zeroize::Zeroizing<Vec<u8>>;
