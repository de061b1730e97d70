//! The vault: the one holder of the store key.

use crate::{Context, KeyProvider, PatientKey, Plain, ProviderError, Purpose, TermBits};
use wardkeep_ledger::Receipt;

/// Fills a buffer with randomness; the composition root decides where it comes from.
pub type Random<'a> = &'a mut dyn FnMut(&mut [u8]);

pub struct Vault {
    _todo: (),
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    /// Makes a store key and returns the vault with the key wrapped by the provider.
    ///
    /// # Errors
    /// When the provider refuses.
    pub fn create(provider: &dyn KeyProvider, random: Random<'_>) -> Result<(Self, Vec<u8>), ProviderError> {
        let _ = (provider, random);
        todo!("vault helper")
    }
    /// # Errors
    /// When the provider cannot unwrap the store key.
    pub fn unlock(provider: &dyn KeyProvider, wrapped: &[u8]) -> Result<Self, ProviderError> {
        let _ = (provider, wrapped);
        todo!("vault helper")
    }
    /// Short public id of the store key.
    #[must_use]
    pub fn key_id(&self) -> [u8; 8] {
        todo!("vault helper")
    }

    /// A new patient key and its wrapped form for the control store.
    #[must_use]
    pub fn new_patient_key(&self, owner: [u8; 16], random: Random<'_>) -> (PatientKey, Vec<u8>) {
        let _ = (owner, random);
        todo!("vault helper")
    }
    /// # Errors
    /// When the wrapped bytes belong to another patient or store key, or were changed.
    pub fn unwrap_patient_key(&self, owner: [u8; 16], wrapped: &[u8]) -> Result<PatientKey, OpenError> {
        let _ = (owner, wrapped);
        todo!("vault helper")
    }

    /// Seals under a patient's key.
    #[must_use]
    pub fn seal(&self, key: &PatientKey, context: &Context<'_>, plain: &[u8], random: Random<'_>) -> Vec<u8> {
        let _ = (key, context, plain, random);
        todo!("vault helper")
    }
    /// Opens a patient's document. No receipt that covers the patient, no plaintext.
    ///
    /// # Errors
    /// [`OpenError`] tells commitment, tag and shape apart.
    pub fn open(&self, key: &PatientKey, context: &Context<'_>, sealed: &[u8], receipt: &Receipt) -> Result<Plain, OpenError> {
        let _ = (key, context, sealed, receipt);
        todo!("vault helper")
    }
    /// Opens only to answer yes or no, before there is a receipt (search, authorisation).
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn sift(&self, key: &PatientKey, context: &Context<'_>, sealed: &[u8], keep: impl FnOnce(&[u8]) -> bool) -> Result<bool, OpenError> {
        let _ = (key, context, sealed, keep);
        todo!("vault helper")
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
        let _ = (purpose, context, plain, random);
        todo!("vault helper")
    }
    /// Opens data that is no patient's; account data needs no disclosure.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn open_own(&self, purpose: Purpose, context: &Context<'_>, sealed: &[u8]) -> Result<Plain, OpenError> {
        let _ = (purpose, context, sealed);
        todo!("vault helper")
    }

    /// Blind index term of an already normalised value, HMAC-SHA-256 under the terms key, bound to
    /// store, kind and field.
    #[must_use]
    pub fn term(&self, store: &str, kind: u16, field: &str, value: &[u8], bits: TermBits) -> [u8; 16] {
        let _ = (store, kind, field, value, bits);
        todo!("vault helper")
    }
}

/// SHA-256 of sealed bytes: the digest that the ledger names.
#[must_use]
pub fn digest(sealed: &[u8]) -> [u8; 32] {
    let _ = sealed;
    todo!("vault helper")
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
