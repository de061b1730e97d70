//! The bytes of a sealed document: suite ‖ salt ‖ commitment ‖ chunks (`docs/spec/sealed-document.md`).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA512, KeyType, Prk};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::context::Bound;
use crate::{OpenError, Plain};

/// HKDF-SHA-512 and AES-256-GCM.
pub const SUITE: u8 = 1;
pub const SALT_BYTES: usize = 24;
const COMMITMENT_BYTES: usize = 32;
pub const HEADER_BYTES: usize = 1 + SALT_BYTES + COMMITMENT_BYTES;
pub const TAG_BYTES: usize = 16;
/// Plaintext bytes of a full chunk.
pub const CHUNK_BYTES: usize = 16 * 1024;

/// What one document's bytes are sealed with: derived from the data key, the salt and the context.
pub(crate) struct Derived {
    key: LessSafeKey,
    base_nonce: [u8; 12],
    pub commitment: [u8; 32],
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// `key(32) ‖ base_nonce(12) ‖ commitment(32) = HKDF-Expand-SHA-512(data key, label ‖ 00 ‖ salt ‖ context)`.
pub(crate) fn derive(data_key: &[u8; 32], salt: &[u8; SALT_BYTES], bound: &Bound) -> Option<Derived> {
    let mut out = Zeroizing::new([0; 76]);
    let prk = Prk::new_less_safe(HKDF_SHA512, data_key);
    let info = [b"wardkeep sealed document 1\0".as_slice(), salt, &bound.0];
    prk.expand(&info, Length(76)).ok()?.fill(out.as_mut_slice()).ok()?;
    let (key, rest) = out.split_first_chunk::<32>()?;
    let (nonce, rest) = rest.split_first_chunk::<12>()?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    Some(Derived { key, base_nonce: *nonce, commitment: rest.try_into().ok()? })
}

impl Derived {
    fn nonce(&self, chunk: u64) -> Nonce {
        let mut nonce = self.base_nonce;
        for (byte, counter) in nonce.iter_mut().skip(4).zip(chunk.to_be_bytes()) {
            *byte ^= counter;
        }
        Nonce::assume_unique_for_key(nonce)
    }
    /// Appends one sealed chunk.
    pub(crate) fn seal_chunk(&self, chunk: u64, plain: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(plain);
        let tail = out.get_mut(start..).unwrap_or(&mut []);
        // Sealing at most 16 KiB with a fresh derived key cannot fail; were it to, nothing would be
        // written that opens, and no plaintext.
        match self.key.seal_in_place_separate_tag(self.nonce(chunk), Aad::empty(), tail) {
            Ok(tag) => out.extend_from_slice(tag.as_ref()),
            Err(_) => out.truncate(start),
        }
    }
    /// Opens one chunk and appends its plaintext; nothing is appended when it fails.
    pub(crate) fn open_chunk(&self, chunk: u64, sealed: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
        let (sealed, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or(OpenError::Tag)?;
        let start = out.len();
        out.resize(start + sealed.len(), 0);
        let tail = out.get_mut(start..).unwrap_or(&mut []);
        if self.key.open_separate_gather(self.nonce(chunk), Aad::empty(), sealed, tag, tail).is_err() {
            tail.zeroize();
            out.truncate(start);
            return Err(OpenError::Tag);
        }
        Ok(())
    }
    pub(crate) fn header(&self, salt: &[u8; SALT_BYTES]) -> Vec<u8> {
        [&[SUITE][..], salt, &self.commitment].concat()
    }
}

/// Reads the header and derives; fails on the commitment before any AES work.
pub(crate) fn derive_for(data_key: &[u8; 32], bound: &Bound, sealed: &[u8]) -> Result<Derived, OpenError> {
    let (&suite, rest) = sealed.split_first().ok_or(OpenError::Shape)?;
    let (salt, rest) = rest.split_first_chunk::<SALT_BYTES>().ok_or(OpenError::Shape)?;
    let (commitment, _) = rest.split_first_chunk::<COMMITMENT_BYTES>().ok_or(OpenError::Shape)?;
    if suite != SUITE {
        return Err(OpenError::Shape);
    }
    let derived = derive(data_key, salt, bound).ok_or(OpenError::Shape)?;
    if bool::from(derived.commitment.ct_eq(commitment)) { Ok(derived) } else { Err(OpenError::Commitment) }
}

/// Seals a whole document.
pub(crate) fn seal(data_key: &[u8; 32], bound: &Bound, plain: &[u8], salt: &[u8; SALT_BYTES]) -> Vec<u8> {
    let Some(derived) = derive(data_key, salt, bound) else { return Vec::new() };
    let mut out = derived.header(salt);
    out.reserve(plain.len() + (plain.len() / CHUNK_BYTES + 1) * TAG_BYTES);
    let mut chunk = 0;
    let mut rest = plain;
    while let Some((full, tail)) = rest.split_at_checked(CHUNK_BYTES) {
        derived.seal_chunk(chunk, full, &mut out);
        (chunk, rest) = (chunk + 1, tail);
    }
    // The last chunk is always short (possibly empty), so a cut at a chunk border shows.
    derived.seal_chunk(chunk, rest, &mut out);
    out
}

/// Opens a whole document.
pub(crate) fn open(data_key: &[u8; 32], bound: &Bound, sealed: &[u8]) -> Result<Plain, OpenError> {
    let derived = derive_for(data_key, bound, sealed)?;
    let mut rest = sealed.get(HEADER_BYTES..).ok_or(OpenError::Shape)?;
    let mut plain = Plain::new(Vec::with_capacity(rest.len()));
    let mut chunk = 0;
    while let Some((full, tail)) = rest.split_at_checked(CHUNK_BYTES + TAG_BYTES) {
        derived.open_chunk(chunk, full, &mut plain)?;
        (chunk, rest) = (chunk + 1, tail);
    }
    derived.open_chunk(chunk, rest, &mut plain)?;
    Ok(plain)
}
