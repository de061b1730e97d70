//! Sealing and opening of long documents chunk by chunk, with flat memory.
//!
//! The sealed bytes are exactly those of `seal.rs`; a blob segment holds [`CHUNKS_PER_SEGMENT`]
//! sealed chunks (segment 0 starts with the header), so a range read opens only its segments.

use crate::{Context, OpenError, PatientKey, Plain};
use wardkeep_ledger::Receipt;

/// Plaintext bytes of one chunk.
pub const CHUNK_BYTES: usize = 16 * 1024;
pub const CHUNKS_PER_SEGMENT: usize = 64;
/// Plaintext bytes of one segment: 1 MiB.
pub const SEGMENT_PLAIN_BYTES: usize = CHUNK_BYTES * CHUNKS_PER_SEGMENT;

/// Takes plaintext in any portions, gives sealed segments.
pub struct StreamSealer {
    _todo: (),
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

impl StreamSealer {
    /// `salt` is 24 fresh random bytes.
    #[must_use]
    pub fn new(key: &PatientKey, context: &Context<'_>, salt: [u8; 24]) -> Self {
        let _ = (key, context, salt);
        todo!("vault helper")
    }
    /// Returns every segment that became full.
    pub fn push(&mut self, plain: &[u8]) -> Vec<Vec<u8>> {
        let _ = plain;
        todo!("vault helper")
    }
    /// Seals the short last chunk and returns the last segment (never empty).
    #[must_use]
    pub fn finish(self) -> (Vec<u8>, StreamSummary) {
        todo!("vault helper")
    }
}

/// Opens segments in any order (range reads). Checks the commitment once, from the header.
pub struct StreamOpener {
    _todo: (),
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
        let _ = (key, context, segment0, receipt);
        todo!("vault helper")
    }
    /// Opens segment `index` of `segments` (the last one is recognised by it).
    ///
    /// # Errors
    /// When a tag does not match or the segment has the wrong shape.
    pub fn open(&self, index: u32, segments: u32, sealed: &[u8]) -> Result<Plain, OpenError> {
        let _ = (index, segments, sealed);
        todo!("vault helper")
    }
}
