//! Checkpoints: signed tree heads as C2SP signed notes (tlog-checkpoint v1.0.0).

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::proof::check_consistency;
use crate::tree::{Hash, Head, sha256};

const ED25519_KIND: u8 = 1;
/// Room for sixteen signatures of any kind that is in use.
const NOTE_BYTES_MAX: usize = 128 * 1024;

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
pub struct VerifyingKey(NamedKey);

/// A public key with its name in notes and the kind of its signatures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NamedKey {
    pub(crate) name: String,
    pub(crate) kind: u8,
    pub(crate) key: [u8; 32],
}

impl NamedKey {
    pub(crate) fn of(name: &str, kind: u8, pair: &Ed25519KeyPair) -> Self {
        let mut key = [0; 32];
        key.copy_from_slice(pair.public_key().as_ref());
        Self { name: name.to_owned(), kind, key }
    }
    pub(crate) fn parse(text: &str, kind: u8) -> Result<Self, CheckpointError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return Err(CheckpointError::Key) };
        let bytes = STANDARD.decode(key).map_err(|_| CheckpointError::Key)?;
        let Some((found, key)) = bytes.split_first().filter(|(found, _)| **found == kind) else { return Err(CheckpointError::Key) };
        let parsed = Self { name: name.to_owned(), kind: *found, key: key.try_into().map_err(|_| CheckpointError::Key)? };
        if !valid_name(name) || id != format!("{:08x}", u32::from_be_bytes(parsed.id())) {
            return Err(CheckpointError::Key);
        }
        Ok(parsed)
    }
    pub(crate) fn to_text(&self) -> String {
        let key = [&[self.kind][..], &self.key].concat();
        format!("{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), STANDARD.encode(key))
    }
    /// First four bytes of SHA-256(name ‖ LF ‖ kind ‖ key).
    pub(crate) fn id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = sha256(&[self.name.as_bytes(), b"\n", &[self.kind], &self.key]);
        [a, b, c, d]
    }
    /// What a line of this key carries behind its id.
    pub(crate) fn signature_in<'a>(&self, signatures: &'a [SignatureLine<'_>]) -> Option<&'a [u8]> {
        let own = |line: &&SignatureLine<'_>| line.name == self.name && line.id == self.id();
        signatures.iter().rfind(own).map(|line| line.bytes.as_slice())
    }
    /// A signature line, with its line feed.
    pub(crate) fn line(&self, signature: &[u8]) -> String {
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode([&self.id()[..], signature].concat()))
    }
    pub(crate) fn holds(&self, message: &[u8], signature: &[u8]) -> Result<(), CheckpointError> {
        UnparsedPublicKey::new(&ED25519, self.key).verify(message, signature).map_err(|_| CheckpointError::Signature)
    }
}

impl Signer {
    /// # Errors
    /// When the name has blanks or '+', or the key is refused.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, CheckpointError> {
        if !valid_name(name) {
            return Err(CheckpointError::Name);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| CheckpointError::Key)?;
        Ok(Self { name: name.to_owned(), pair })
    }
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(NamedKey::of(&self.name, ED25519_KIND, &self.pair))
    }
    /// Signs `origin`, size and root; `time_ms` goes in as an extension line `time <ms>`.
    /// Whoever calls this keeps a [`Monotonic`] so that it never signs backwards.
    #[must_use]
    pub fn sign(&self, origin: &str, head: &Head, time_ms: i64) -> String {
        let text = format!("{origin}\n{}\n{}\ntime {time_ms}\n", head.size, STANDARD.encode(head.root));
        let signature = self.pair.sign(text.as_bytes());
        format!("{text}\n{}", self.verifying_key().0.line(signature.as_ref()))
    }
}

impl VerifyingKey {
    /// # Errors
    /// When the text is no Ed25519 vkey.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        NamedKey::parse(text, ED25519_KIND).map(Self)
    }
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.to_text()
    }
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }
    /// The origin line that this key signs for a stream.
    #[must_use]
    pub fn origin(&self, stream: &str) -> String {
        format!("{}/{stream}", self.0.name)
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
        let (text, signatures) = split(note)?;
        // Lines of other keys are ignored, all of this one must hold.
        let mut own = signatures.iter().filter(|line| line.name == key.0.name && line.id == key.0.id()).peekable();
        own.peek().ok_or(CheckpointError::Signature)?;
        own.try_for_each(|line| key.0.holds(text.as_bytes(), &line.bytes))?;
        Self::parse(text)
    }

    /// The text of a note, whoever signed it.
    pub(crate) fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.split_terminator('\n');
        let origin = lines.next().filter(|line| !line.is_empty()).ok_or(CheckpointError::Malformed("no origin"))?.to_owned();
        let size = lines.next().and_then(plain_number).ok_or(CheckpointError::Malformed("no size in plain form"))?;
        let root = lines.next().and_then(|line| STANDARD.decode(line).ok()).and_then(|bytes| Hash::try_from(bytes).ok());
        let root = root.ok_or(CheckpointError::Malformed("no root hash"))?;
        let mut time_ms = None;
        for line in lines {
            if line.is_empty() {
                return Err(CheckpointError::Malformed("an empty extension line"));
            }
            if let Some(ms) = line.strip_prefix("time ") {
                let ms: i64 =
                    ms.parse().ok().filter(|n: &i64| n.to_string() == ms).ok_or(CheckpointError::Malformed("no time in plain form"))?;
                if time_ms.replace(ms).is_some() {
                    return Err(CheckpointError::Malformed("two times"));
                }
            }
        }
        Ok(Self { origin, head: Head { size, root }, time_ms })
    }
}

/// A line below a note's text.
pub(crate) struct SignatureLine<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: [u8; 4],
    pub(crate) bytes: Vec<u8>,
}

/// The text of a signed note (ending in a newline) and its signature lines. Every one must have the form
/// of one, also those of keys that nobody here knows.
pub(crate) fn split(note: &str) -> Result<(&str, Vec<SignatureLine<'_>>), CheckpointError> {
    if note.len() > NOTE_BYTES_MAX || note.chars().any(|c| c < ' ' && c != '\n') {
        return Err(CheckpointError::Malformed("too long, or control characters"));
    }
    let border = note.rfind("\n\n").ok_or(CheckpointError::Malformed("no signatures"))?;
    let (text, signatures) = note.split_at(border + 1);
    let signatures = signatures.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
    let mut found = Vec::new();
    for line in signatures.ok_or(CheckpointError::Malformed("no signatures"))?.split('\n') {
        let (name, encoded) = line
            .strip_prefix("\u{2014} ")
            .and_then(|rest| rest.split_once(' '))
            .ok_or(CheckpointError::Malformed("a signature line of another form"))?;
        let blob = STANDARD.decode(encoded).map_err(|_| CheckpointError::Malformed("a signature that is not Base64"))?;
        let (id, signature) =
            blob.split_first_chunk::<4>().filter(|(_, rest)| !rest.is_empty()).ok_or(CheckpointError::Malformed("a short signature"))?;
        if !valid_name(name) {
            return Err(CheckpointError::Malformed("a signature by a key without a name"));
        }
        found.push(SignatureLine { name, id: *id, bytes: signature.to_vec() });
    }
    Ok((text, found))
}

/// A decimal number without sign or leading zeros.
pub(crate) fn plain_number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

pub(crate) fn valid_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.chars().any(|c| c.is_whitespace() || c.is_control())
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
