//! The vault: the one holder of the store key.

use aws_lc_rs::hkdf::{HKDF_SHA512, KeyType, Prk};
use aws_lc_rs::{digest, hmac};
use zeroize::{Zeroize, Zeroizing};

use crate::context::Bound;
use crate::keys::UNUSABLE;
use crate::seal::SALT_BYTES;
use crate::{Context, KeyProvider, PatientKey, Plain, ProviderError, Purpose, TermBits, seal, term};
use wardkeep_ledger::Receipt;

/// Fills a buffer with randomness; the composition root decides where it comes from.
pub type Random<'a> = &'a mut dyn FnMut(&mut [u8]);

const STORE_KEY_LABEL: &str = "store-key/1";
/// Version of the term construction, bound into every term.
const TERM_VERSION: u8 = 1;

pub struct Vault {
    key_id: [u8; 8],
    purposes: [Zeroizing<[u8; 32]>; 4],
    wrapping: Zeroizing<[u8; 32]>,
    unusable: Zeroizing<[u8; 32]>,
    terms: hmac::Key,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(…)")
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn purpose_key(store_key: &[u8; 32], label: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let prk = Prk::new_less_safe(HKDF_SHA512, store_key);
    let info = [b"wardkeep purpose key 1\0".as_slice(), label];
    // 32 bytes are far below the limit of HKDF-Expand, so this cannot fail.
    if let Ok(okm) = prk.expand(&info, Length(32)) {
        let _ = okm.fill(key.as_mut_slice());
    }
    key
}

impl Vault {
    /// Makes a store key and returns the vault with the key wrapped by the provider.
    ///
    /// # Errors
    /// When the provider refuses.
    pub fn create(provider: &dyn KeyProvider, random: Random<'_>) -> Result<(Self, Vec<u8>), ProviderError> {
        let mut store_key = Zeroizing::new([0; 32]);
        random(store_key.as_mut_slice());
        let wrapped = provider.wrap(&store_key, STORE_KEY_LABEL, random)?;
        Ok((Self::from_store_key(&store_key), wrapped))
    }

    /// # Errors
    /// When the provider cannot unwrap the store key.
    pub fn unlock(provider: &dyn KeyProvider, wrapped: &[u8]) -> Result<Self, ProviderError> {
        let plain = provider.unwrap(wrapped, STORE_KEY_LABEL)?;
        let mut store_key = <[u8; 32]>::try_from(plain.as_slice()).map_err(|_| ProviderError::WrongKey(provider.key_id()))?;
        let vault = Self::from_store_key(&store_key);
        store_key.zeroize();
        Ok(vault)
    }

    /// The store key under another root key: nothing that it seals changes.
    ///
    /// # Errors
    /// When `old` does not fit, or `new` refuses.
    pub fn wrap_again(old: &dyn KeyProvider, new: &dyn KeyProvider, wrapped: &[u8], random: Random<'_>) -> Result<Vec<u8>, ProviderError> {
        let plain = old.unwrap(wrapped, STORE_KEY_LABEL)?;
        let key = <[u8; 32]>::try_from(plain.as_slice()).map_err(|_| ProviderError::WrongKey(old.key_id()))?;
        let key = Zeroizing::new(key);
        new.wrap(&key, STORE_KEY_LABEL, random)
    }

    fn from_store_key(store_key: &[u8; 32]) -> Self {
        let id = purpose_key(store_key, b"key id");
        let [a, b, c, d, e, f, g, h, ..] = *id;
        Self {
            key_id: [a, b, c, d, e, f, g, h],
            purposes: Purpose::ALL.map(|purpose| purpose_key(store_key, purpose.label())),
            wrapping: purpose_key(store_key, b"patient keys"),
            unusable: purpose_key(store_key, b"no patient key"),
            terms: hmac::Key::new(hmac::HMAC_SHA256, purpose_key(store_key, b"terms").as_slice()),
        }
    }

    /// Short public id of the store key.
    #[must_use]
    pub fn key_id(&self) -> [u8; 8] {
        self.key_id
    }

    fn wrap_context(&self, owner: [u8; 16], epoch: u32) -> Bound {
        Context { store: "control", kind: 0, id: owner, version: 1, field: "patient-key", schema: 1 }.bind(&owner, &self.key_id, epoch)
    }

    /// A new patient key and its wrapped form (epoch ‖ sealed key) for the control store.
    #[must_use]
    pub fn new_patient_key(&self, owner: [u8; 16], random: Random<'_>) -> (PatientKey, Vec<u8>) {
        let epoch = 1u32;
        let mut key = PatientKey { owner, epoch, key: [0; 32] };
        random(&mut key.key);
        let sealed = seal::seal(&self.wrapping, &self.wrap_context(owner, epoch), &key.key, &salt(random));
        (key, [&epoch.to_be_bytes()[..], &sealed].concat())
    }

    /// # Errors
    /// When the wrapped bytes belong to another patient or store key, or were changed.
    pub fn unwrap_patient_key(&self, owner: [u8; 16], wrapped: &[u8]) -> Result<PatientKey, OpenError> {
        let (epoch, sealed) = wrapped.split_first_chunk::<4>().ok_or(OpenError::Shape)?;
        let epoch = u32::from_be_bytes(*epoch);
        let plain = seal::open(&self.wrapping, &self.wrap_context(owner, epoch), sealed)?;
        Ok(PatientKey { owner, epoch, key: plain.as_slice().try_into().map_err(|_| OpenError::Shape)? })
    }

    /// A key under which nothing was ever sealed, in place of one that does not unwrap. It is
    /// derived from the store key, so nobody outside can seal under it either.
    #[must_use]
    pub fn unusable_key(&self, owner: [u8; 16]) -> PatientKey {
        PatientKey { owner, epoch: UNUSABLE, key: *self.unusable }
    }

    /// Seals under a patient's key.
    #[must_use]
    pub fn seal(&self, key: &PatientKey, context: &Context<'_>, plain: &[u8], random: Random<'_>) -> Vec<u8> {
        seal::seal(&key.key, &context.bind(&key.owner, b"patient", key.epoch), plain, &salt(random))
    }

    /// Opens a patient's document. No receipt that covers the patient, no plaintext.
    ///
    /// # Errors
    /// [`OpenError`] tells commitment, tag and shape apart.
    pub fn open(&self, key: &PatientKey, context: &Context<'_>, sealed: &[u8], receipt: &Receipt) -> Result<Plain, OpenError> {
        if !receipt.covers(&key.owner) {
            return Err(OpenError::NotCovered);
        }
        seal::open(&key.key, &context.bind(&key.owner, b"patient", key.epoch), sealed)
    }

    /// Opens only to answer yes or no, before there is a receipt (search, authorisation).
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn sift(
        &self,
        key: &PatientKey,
        context: &Context<'_>,
        sealed: &[u8],
        keep: impl FnOnce(&[u8]) -> bool,
    ) -> Result<bool, OpenError> {
        let plain = seal::open(&key.key, &context.bind(&key.owner, b"patient", key.epoch), sealed)?;
        Ok(keep(&plain))
    }

    /// Checks commitment and tags without giving plaintext away.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn check(&self, key: &PatientKey, context: &Context<'_>, sealed: &[u8]) -> Result<(), OpenError> {
        self.sift(key, context, sealed, |_| true).map(|_| ())
    }

    /// Seals data that is no patient's, under a purpose key.
    #[must_use]
    pub fn seal_own(&self, purpose: Purpose, context: &Context<'_>, plain: &[u8], random: Random<'_>) -> Vec<u8> {
        self.purposes
            .get(purpose.index())
            .map(|key| seal::seal(key, &context.bind(&[0; 16], purpose.label(), 1), plain, &salt(random)))
            .unwrap_or_default()
    }

    /// Opens data that is no patient's; account data needs no disclosure.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn open_own(&self, purpose: Purpose, context: &Context<'_>, sealed: &[u8]) -> Result<Plain, OpenError> {
        let key = self.purposes.get(purpose.index()).ok_or(OpenError::Shape)?;
        seal::open(key, &context.bind(&[0; 16], purpose.label(), 1), sealed)
    }

    /// Blind index term of an already normalised value, HMAC-SHA-256 under the terms key, bound to
    /// store, kind and field.
    #[must_use]
    pub fn term(&self, store: &str, kind: u16, field: &str, value: &[u8], bits: TermBits) -> [u8; 16] {
        let mut mac = hmac::Context::with_key(&self.terms);
        for part in [store.as_bytes(), &kind.to_be_bytes(), field.as_bytes(), &[TERM_VERSION], value] {
            mac.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            mac.update(part);
        }
        term::cut(mac.sign().as_ref(), bits)
    }
}

fn salt(random: Random<'_>) -> [u8; SALT_BYTES] {
    let mut salt = [0; SALT_BYTES];
    random(&mut salt);
    salt
}

/// SHA-256 of sealed bytes: the digest that the ledger names.
#[must_use]
pub fn digest(sealed: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, sealed).as_ref());
    hash
}

/// [`digest`] of bytes that come in parts.
pub struct Digest(digest::Context);

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest")
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

impl Digest {
    #[must_use]
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.0.finish().as_ref());
        hash
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("not a sealed document of a known suite")]
    Shape,
    #[error("the document is bound to another key or place (commitment mismatch)")]
    Commitment,
    #[error("the document was changed (tag mismatch)")]
    Tag,
    #[error("the receipt does not cover this patient")]
    NotCovered,
}
