//! A target over what comes from elsewhere: published logs, proofs, checkpoints, requests to a witness. Not
//! in the program: built for tests and by the fuzzer alone.

use crate::checkpoint::{Checkpoint, Signer, VerifyingKey, split};
use crate::leaf::Leaf;
use crate::publish::{Piece, decode_bundle, encode_bundle, verify_proof_file};
use crate::witness::{Request, WitnessKey};

/// The log and the one note of `docs/spec/vectors/ledger.json`.
const NOTE: &str = include_str!("../../../fuzz/corpus/note/00");

fn log() -> Option<VerifyingKey> {
    Signer::from_seed("wardkeep/0123456789abcdef", &[7; 32]).ok().map(|signer| signer.verifying_key())
}

fn text(input: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(input)
}

/// A leaf has one spelling.
pub fn leaf(input: &[u8]) {
    if let Ok(leaf) = Leaf::decode(input) {
        assert_eq!(leaf.encode(), input);
    }
}

/// So has an entry bundle, and the address of a tile.
pub fn bundle(input: &[u8]) {
    if let Some(leaves) = decode_bundle(input) {
        assert_eq!(encode_bundle(leaves.iter().map(Vec::as_slice)), input);
    }
    if let Some(piece) = Piece::parse(&text(input)) {
        assert_eq!(piece.path(), text(input));
    }
}

/// The log signed one text, so no other is taken as signed by it.
pub fn note(input: &[u8]) {
    let (Some(key), input) = (log(), text(input)) else { return };
    if Checkpoint::verify(&input, &key).is_ok() {
        assert_eq!(split(&input).map(|(text, _)| text).ok(), split(NOTE).map(|(text, _)| text).ok());
    }
    for parsed in [VerifyingKey::parse(&input).map(|key| key.to_text()), WitnessKey::parse(&input).map(|key| key.to_text())] {
        assert!(parsed.is_err() || parsed.is_ok_and(|parsed| parsed == input.trim()));
    }
}

/// A proof that holds is of an entry whose hash the signed root counts at that place.
pub fn proof(input: &[u8]) {
    let Some(key) = log() else { return };
    if let Ok((index, leaf, checkpoint)) = verify_proof_file(&text(input), &key) {
        assert!((index, leaf.sequence, checkpoint.head.size) == (13, 13, 20));
    }
}

/// A request is read as it was written; what it asks for never panics.
pub fn add_checkpoint(input: &[u8]) {
    let (Some(key), input) = (log(), text(input)) else { return };
    if let Ok(request) = Request::parse(&input) {
        assert_eq!(request.to_text(), input);
        if let Ok(next) = request.checkpoint(&[key]) {
            assert_eq!(next.head.size, 20);
            let _ = request.extends(None, &next.head);
            assert!(request.extends(Some(next.head), &next.head).is_err() || request.old == 20);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Result;

    use wardkeep_fuzzed::{MANY, over};

    #[test]
    fn leaves() -> Result<()> {
        over("leaf", MANY, super::leaf)
    }
    #[test]
    fn bundles() -> Result<()> {
        over("bundle", MANY, super::bundle)
    }
    #[test]
    fn notes() -> Result<()> {
        over("note", MANY, super::note)
    }
    #[test]
    fn proofs() -> Result<()> {
        over("proof", MANY, super::proof)
    }
    #[test]
    fn requests() -> Result<()> {
        over("add_checkpoint", MANY, super::add_checkpoint)
    }
}
