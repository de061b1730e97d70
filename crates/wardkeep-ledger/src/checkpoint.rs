//! Checkpoints: signed tree heads as C2SP signed notes (tlog-checkpoint v1.0.0).

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::proof::check_consistency;
use crate::tree::{Hash, Head, sha256};

const ED25519_KIND: u8 = 1;

/// An Ed25519 signing key with its note name (the log's origin line).
pub struct Signer {
    name: String,
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.name)
    }
}

/// Public half, in the C2SP vkey text form `name+hash+base64`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifyingKey {
    name: String,
    key: [u8; 32],
}

impl Signer {
    /// # Errors
    /// When the name has blanks or '+', or the key is refused.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, CheckpointError> {
        if name.is_empty() || name.contains('+') || name.chars().any(char::is_whitespace) {
            return Err(CheckpointError::Name);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| CheckpointError::Key)?;
        Ok(Self { name: name.to_owned(), pair })
    }
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        VerifyingKey { name: self.name.clone(), key }
    }
    /// Signs `origin`, size and root; `time_ms` goes in as an extension line `time <ms>`.
    /// Whoever calls this keeps a [`Monotonic`] so that it never signs backwards.
    #[must_use]
    pub fn sign(&self, origin: &str, head: &Head, time_ms: i64) -> String {
        let text = format!("{origin}\n{}\n{}\ntime {time_ms}\n", head.size, STANDARD.encode(head.root));
        let signature = self.pair.sign(text.as_bytes());
        let blob = [&self.verifying_key().id()[..], signature.as_ref()].concat();
        format!("{text}\n\u{2014} {} {}\n", self.name, STANDARD.encode(blob))
    }
}

impl VerifyingKey {
    /// # Errors
    /// When the text is no Ed25519 vkey.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return Err(CheckpointError::Key) };
        let bytes = STANDARD.decode(key).map_err(|_| CheckpointError::Key)?;
        let Some((&ED25519_KIND, key)) = bytes.split_first() else { return Err(CheckpointError::Key) };
        let parsed = Self { name: name.to_owned(), key: key.try_into().map_err(|_| CheckpointError::Key)? };
        if u32::from_str_radix(id, 16).ok() != Some(u32::from_be_bytes(parsed.id())) {
            return Err(CheckpointError::Key);
        }
        Ok(parsed)
    }
    #[must_use]
    pub fn to_text(&self) -> String {
        let key = [&[ED25519_KIND][..], &self.key].concat();
        format!("{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), STANDARD.encode(key))
    }
    /// First four bytes of SHA-256(name ‖ LF ‖ kind ‖ key).
    fn id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = sha256(&[self.name.as_bytes(), b"\n", &[ED25519_KIND], &self.key]);
        [a, b, c, d]
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
        let (text, signatures) = note.split_once("\n\n").ok_or(CheckpointError::Malformed("no signatures"))?;
        let text = format!("{text}\n");
        let signed = signatures.lines().any(|line| {
            let signature = line
                .strip_prefix("\u{2014} ")
                .and_then(|rest| rest.strip_prefix(key.name.as_str()))
                .and_then(|rest| rest.strip_prefix(' '));
            let blob = signature.and_then(|encoded| STANDARD.decode(encoded).ok());
            blob.as_deref()
                .and_then(|blob| blob.strip_prefix(&key.id()))
                .is_some_and(|signature| UnparsedPublicKey::new(&ED25519, key.key).verify(text.as_bytes(), signature).is_ok())
        });
        if !signed {
            return Err(CheckpointError::Signature);
        }
        let mut lines = text.lines();
        let origin = lines.next().filter(|line| !line.is_empty()).ok_or(CheckpointError::Malformed("no origin"))?.to_owned();
        let size_text = lines.next().ok_or(CheckpointError::Malformed("no size"))?;
        let size: u64 = size_text.parse().map_err(|_| CheckpointError::Malformed("size is no number"))?;
        if size.to_string() != size_text {
            return Err(CheckpointError::Malformed("size is not in plain form"));
        }
        let root = lines.next().and_then(|line| STANDARD.decode(line).ok()).and_then(|bytes| Hash::try_from(bytes).ok());
        let root = root.ok_or(CheckpointError::Malformed("no root hash"))?;
        let time_ms = lines.find_map(|line| line.strip_prefix("time ")).and_then(|ms| ms.parse().ok());
        Ok(Self { origin, head: Head { size, root }, time_ms })
    }
}

/// Remembers what was signed last and refuses to sign backwards or sideways.
#[derive(Clone, Debug, Default)]
pub struct Monotonic(Option<Head>);

impl Monotonic {
    #[must_use]
    pub fn from(head: Option<Head>) -> Self {
        Self(head)
    }
    #[must_use]
    pub fn last(&self) -> Option<Head> {
        self.0
    }
    /// Takes the next head; `proof` is the consistency proof from the last one.
    ///
    /// # Errors
    /// [`CheckpointError::Backwards`] when the next head does not extend the last one.
    pub fn advance(&mut self, next: Head, proof: &[Hash]) -> Result<(), CheckpointError> {
        if self.0.is_some_and(|last| !check_consistency(&last, &next, proof)) {
            return Err(CheckpointError::Backwards);
        }
        self.0 = Some(next);
        Ok(())
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
    #[error("the new head does not extend the one signed last: rollback or fork")]
    Backwards,
}
