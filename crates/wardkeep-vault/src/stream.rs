//! Sealing and opening of long documents chunk by chunk, with flat memory.
//!
//! The sealed bytes are exactly those of `seal.rs`; a blob segment holds [`CHUNKS_PER_SEGMENT`]
//! sealed chunks (segment 0 starts with the header), so a range read opens only its segments.

use aws_lc_rs::digest;
use wardkeep_ledger::Receipt;
use zeroize::Zeroizing;

pub use crate::seal::CHUNK_BYTES;
use crate::seal::{Derived, HEADER_BYTES, SALT_BYTES, TAG_BYTES, derive, derive_for};
use crate::{Context, OpenError, PatientKey, Plain};

pub const CHUNKS_PER_SEGMENT: usize = 64;
/// Plaintext bytes of one segment: 1 MiB.
pub const SEGMENT_PLAIN_BYTES: usize = CHUNK_BYTES * CHUNKS_PER_SEGMENT;

/// Takes plaintext in any portions, gives sealed segments.
pub struct StreamSealer {
    derived: Derived,
    chunk: u64,
    pending: Zeroizing<Vec<u8>>,
    segment: Vec<u8>,
    segments: u32,
    plain_bytes: u64,
    sealed_bytes: u64,
    plain_hash: digest::Context,
    sealed_hash: digest::Context,
}

impl std::fmt::Debug for StreamSealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StreamSealer(…)")
    }
}

/// What a finished stream says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamSummary {
    pub plain_bytes: u64,
    /// SHA-256 of the plaintext.
    pub plain_sha256: [u8; 32],
    pub sealed_bytes: u64,
    /// SHA-256 over all sealed bytes.
    pub sealed_sha256: [u8; 32],
    pub segments: u32,
}

fn hash_bytes(context: digest::Context) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

impl StreamSealer {
    /// `salt` is 24 fresh random bytes.
    ///
    /// # Errors
    /// [`OpenError::Shape`] when the key cannot be derived (never seen with a 32-byte key).
    pub fn new(key: &PatientKey, context: &Context<'_>, salt: [u8; SALT_BYTES]) -> Result<Self, OpenError> {
        let derived = derive(&key.key, &salt, &context.bind(&key.owner, b"patient", key.epoch)).ok_or(OpenError::Shape)?;
        let segment = derived.header(&salt);
        Ok(Self {
            derived,
            chunk: 0,
            pending: Zeroizing::new(Vec::with_capacity(CHUNK_BYTES)),
            segment,
            segments: 0,
            plain_bytes: 0,
            sealed_bytes: 0,
            plain_hash: digest::Context::new(&digest::SHA256),
            sealed_hash: digest::Context::new(&digest::SHA256),
        })
    }

    /// Returns every segment that became full.
    pub fn push(&mut self, mut plain: &[u8]) -> Vec<Vec<u8>> {
        self.plain_hash.update(plain);
        self.plain_bytes += plain.len() as u64;
        let mut full = Vec::new();
        while !plain.is_empty() {
            let room = CHUNK_BYTES - self.pending.len();
            let (now, rest) = plain.split_at(room.min(plain.len()));
            self.pending.extend_from_slice(now);
            plain = rest;
            if self.pending.len() == CHUNK_BYTES {
                self.derived.seal_chunk(self.chunk, &self.pending, &mut self.segment);
                self.pending.clear();
                self.chunk += 1;
                if self.chunk.is_multiple_of(CHUNKS_PER_SEGMENT as u64) {
                    full.push(self.take_segment());
                }
            }
        }
        full
    }

    fn take_segment(&mut self) -> Vec<u8> {
        let segment = std::mem::take(&mut self.segment);
        self.sealed_hash.update(&segment);
        self.sealed_bytes += segment.len() as u64;
        self.segments += 1;
        segment
    }

    /// Seals the short last chunk and returns the last segment (never empty).
    #[must_use]
    pub fn finish(mut self) -> (Vec<u8>, StreamSummary) {
        self.derived.seal_chunk(self.chunk, &self.pending, &mut self.segment);
        let last = self.take_segment();
        let summary = StreamSummary {
            plain_bytes: self.plain_bytes,
            plain_sha256: hash_bytes(self.plain_hash),
            sealed_bytes: self.sealed_bytes,
            sealed_sha256: hash_bytes(self.sealed_hash),
            segments: self.segments,
        };
        (last, summary)
    }
}

/// Opens segments in any order (range reads). Checks the commitment once, from the header.
pub struct StreamOpener {
    derived: Derived,
}

impl std::fmt::Debug for StreamOpener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StreamOpener(…)")
    }
}

impl StreamOpener {
    /// `segment0` must start with the header. `receipt` must cover the key's patient.
    ///
    /// # Errors
    /// When the commitment does not match the key and context, or the receipt does not cover.
    pub fn new(key: &PatientKey, context: &Context<'_>, segment0: &[u8], receipt: &Receipt) -> Result<Self, OpenError> {
        if !receipt.covers(&key.owner) {
            return Err(OpenError::NotCovered);
        }
        Ok(Self { derived: derive_for(&key.key, &context.bind(&key.owner, b"patient", key.epoch), segment0)? })
    }

    /// Opens segment `index` of `segments` (the last one is recognised by it).
    ///
    /// # Errors
    /// When a tag does not match or the segment has the wrong shape.
    pub fn open(&self, index: u32, segments: u32, sealed: &[u8]) -> Result<Plain, OpenError> {
        let mut rest = if index == 0 { sealed.get(HEADER_BYTES..).ok_or(OpenError::Shape)? } else { sealed };
        let mut plain = Plain::new(Vec::with_capacity(rest.len()));
        let mut chunk = u64::from(index) * CHUNKS_PER_SEGMENT as u64;
        let end = chunk + CHUNKS_PER_SEGMENT as u64;
        while let Some((full, tail)) = rest.split_at_checked(CHUNK_BYTES + TAG_BYTES) {
            self.derived.open_chunk(chunk, full, &mut plain)?;
            (chunk, rest) = (chunk + 1, tail);
        }
        let last = index.saturating_add(1) == segments;
        if last {
            if chunk >= end {
                return Err(OpenError::Shape);
            }
            self.derived.open_chunk(chunk, rest, &mut plain)?;
        } else if !rest.is_empty() || chunk != end {
            return Err(OpenError::Shape);
        }
        Ok(plain)
    }
}
