//! Where the root key lives. One trait: wrap, unwrap, key id, health.

use crate::Plain;

/// Wraps and unwraps store keys under a root key that never leaves the provider.
pub trait KeyProvider: Send + Sync {
    /// Stable short id of the root key, shown to people; never the key.
    fn key_id(&self) -> String;
    /// # Errors
    /// When the provider cannot be reached or refuses.
    fn wrap(&self, key: &[u8; 32], label: &str, random: &mut dyn FnMut(&mut [u8])) -> Result<Vec<u8>, ProviderError>;
    /// # Errors
    /// When the bytes were wrapped by another root key or were changed.
    fn unwrap(&self, wrapped: &[u8], label: &str) -> Result<Plain, ProviderError>;
    /// # Errors
    /// Says what is wrong and what to do.
    fn health(&self) -> Result<(), ProviderError>;
}

/// A key file of mode 0600 made at `init`; looser modes are refused.
#[derive(Debug)]
pub struct KeyFile {
    _todo: (),
}

impl KeyFile {
    /// Creates the file; refuses to overwrite.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn create(path: &std::path::Path, random: &mut dyn FnMut(&mut [u8])) -> Result<Self, ProviderError> {
        let _ = (path, random);
        todo!("vault helper")
    }
    /// # Errors
    /// When it is missing, unreadable, malformed or open to others.
    pub fn open(path: &std::path::Path) -> Result<Self, ProviderError> {
        let _ = path;
        todo!("vault helper")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    #[error("key file {0} is missing: restore it from your safe copy; without it nothing can be opened")]
    Missing(String),
    #[error("key file {path} has mode {mode:o}, which lets others read it: run chmod 600 {path}")]
    Loose { path: String, mode: u32 },
    #[error("key file {0} is not a wardkeep root key")]
    Malformed(String),
    #[error("key file {0} exists already; it is never overwritten")]
    Exists(String),
    #[error("the root key is not the one this hospital was sealed with (key {0})")]
    WrongKey(String),
    #[error("key file {path}: {cause}")]
    Io { path: String, cause: String },
}
