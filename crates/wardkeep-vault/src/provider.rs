//! Where the root key lives. One trait: wrap, unwrap, key id, health.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize, Zeroizing};

use crate::context::Context;
use crate::{Plain, seal};

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
pub struct KeyFile {
    path: PathBuf,
    key: [u8; 32],
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyFile({})", self.path.display())
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

const FIRST_LINE: &str = "wardkeep-root-key/1";

impl KeyFile {
    /// Creates the file; refuses to overwrite.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn create(path: &Path, random: &mut dyn FnMut(&mut [u8])) -> Result<Self, ProviderError> {
        let mut key = Zeroizing::new([0; 32]);
        random(key.as_mut_slice());
        Self::write(path, &key)
    }

    /// Writes a key file where there is none.
    pub(crate) fn write(path: &Path, key: &[u8; 32]) -> Result<Self, ProviderError> {
        let text = Zeroizing::new(format!("{FIRST_LINE}\n{}\n", STANDARD.encode(key)));
        let io = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => ProviderError::Exists(path.display().to_string()),
            _ => ProviderError::Io { path: path.display().to_string(), cause: error.to_string() },
        };
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| sync_directory(path));
        if let Err(error) = written {
            // Half a key would be refused for ever, and block the next try.
            let _ = std::fs::remove_file(path);
            return Err(io(error));
        }
        Ok(Self { path: path.to_path_buf(), key: *key })
    }

    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.key
    }

    /// # Errors
    /// When it is missing, unreadable, malformed or open to others.
    pub fn open(path: &Path) -> Result<Self, ProviderError> {
        Self::check_mode(path)?;
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|error| ProviderError::Io { path: shown.clone(), cause: error.to_string() })?;
        let mut lines = text.lines();
        let encoded = (lines.next() == Some(FIRST_LINE)).then(|| lines.next()).flatten();
        let bytes = encoded.and_then(|encoded| STANDARD.decode(encoded.trim()).ok()).map(Zeroizing::new);
        let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok()).ok_or(ProviderError::Malformed(shown))?;
        Ok(Self { path: path.to_path_buf(), key })
    }

    fn check_mode(path: &Path) -> Result<(), ProviderError> {
        let shown = path.display().to_string();
        let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ProviderError::Missing(shown.clone()),
            _ => ProviderError::Io { path: shown.clone(), cause: error.to_string() },
        })?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 == 0 { Ok(()) } else { Err(ProviderError::Loose { path: shown, mode }) }
    }

    fn context() -> Context<'static> {
        Context { store: "control", kind: 0, id: [0; 16], version: 1, field: "store-key", schema: 1 }
    }
}

/// The name must outlive a power cut as surely as the bytes: without the key nothing opens.
fn sync_directory(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(parent)?.sync_all()
}

/// The first bytes of a hash: tells root keys apart and nothing about them.
pub(crate) fn id_of(key: &[u8; 32]) -> [u8; 4] {
    let hash = digest::digest(&digest::SHA256, &[b"wardkeep root key id\0".as_slice(), key].concat());
    hash.as_ref().first_chunk().copied().unwrap_or_default()
}

pub(crate) fn key_id(key: &[u8; 32]) -> String {
    hex::encode(id_of(key))
}

impl KeyProvider for KeyFile {
    fn key_id(&self) -> String {
        key_id(&self.key)
    }
    fn wrap(&self, key: &[u8; 32], label: &str, random: &mut dyn FnMut(&mut [u8])) -> Result<Vec<u8>, ProviderError> {
        let mut salt = [0; seal::SALT_BYTES];
        random(&mut salt);
        Ok(seal::seal(&self.key, &Self::context().bind(&[0; 16], label.as_bytes(), 1), key, &salt))
    }
    fn unwrap(&self, wrapped: &[u8], label: &str) -> Result<Plain, ProviderError> {
        seal::open(&self.key, &Self::context().bind(&[0; 16], label.as_bytes(), 1), wrapped)
            .map_err(|_| ProviderError::WrongKey(self.key_id()))
    }
    fn health(&self) -> Result<(), ProviderError> {
        Self::check_mode(&self.path)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    #[error("key file {0} is missing: restore it from your safe copy; without it nothing can be opened")]
    Missing(String),
    #[error("key file {path} has mode {mode:o}, which lets others read it: run chmod 600 {path}")]
    Loose { path: String, mode: u32 },
    #[error("key file {0} is not a wardkeep root key: put your safe copy in its place")]
    Malformed(String),
    #[error("key file {0} exists already; it is never overwritten")]
    Exists(String),
    #[error("the root key (id {0}) is not the one this hospital was sealed with: put the right key file in its place")]
    WrongKey(String),
    #[error("key file {path}: {cause}")]
    Io { path: String, cause: String },
}
