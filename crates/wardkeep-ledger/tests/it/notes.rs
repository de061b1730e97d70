//! Checkpoints and proof files: every way of being wrong. That a second implementation reads them
//! stands in `vectors.rs`.

use wardkeep_ledger::checkpoint::{CheckpointError, Monotonic};
use wardkeep_ledger::proof::{consistency, inclusion};
use wardkeep_ledger::publish::{proof_file, verify_proof_file};
use wardkeep_ledger::tree::leaf_hash;
use wardkeep_ledger::{Checkpoint, Hash, Head, Signer, VerifyingKey};

use crate::support::{Grown, hashes, leaf};

fn signer(seed: u8) -> Signer {
    Signer::from_seed("wardkeep/0123456789abcdef", &[seed; 32]).unwrap()
}

const ORIGIN: &str = "wardkeep/0123456789abcdef/records.main";

#[test]
fn no_changed_byte_of_a_checkpoint_passes_for_something_else() {
    let (signer, head) = (signer(5), Grown::of(&hashes(77)).head());
    let key = signer.verifying_key();
    let note = signer.sign(ORIGIN, &head, 5);
    let good = Checkpoint::verify(&note, &key).unwrap();
    for at in 0..note.len() {
        for bit in 0..8 {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            if let Ok(other) = String::from_utf8(bytes)
                && let Ok(read) = Checkpoint::verify(&other, &key)
            {
                assert_eq!(read, good, "byte {at}, bit {bit}");
            }
        }
    }
    for cut in 0..note.len() {
        if let Some(part) = note.get(..cut) {
            assert!(Checkpoint::verify(part, &key).is_err(), "cut at {cut}");
        }
    }
}

#[test]
fn another_key_and_a_second_head_of_the_same_log_do_not_pass() {
    let (ours, theirs) = (signer(5), signer(6));
    let head = Grown::of(&hashes(77)).head();
    let note = theirs.sign(ORIGIN, &head, 5);
    assert_eq!(Checkpoint::verify(&note, &ours.verifying_key()), Err(CheckpointError::Signature));
    let note = ours.sign(ORIGIN, &head, 5);
    let (text, signature) = note.split_once("\n\n").unwrap();
    for other in [text.replace("\n77\n", "\n78\n"), text.replace("time 5", "time 6"), text.replace("records", "control")] {
        assert!(Checkpoint::verify(&format!("{other}\n\n{signature}"), &ours.verifying_key()).is_err(), "{other}");
    }
}

#[test]
fn keys_and_names_are_read_strictly() {
    let key = signer(9).verifying_key();
    assert_eq!(VerifyingKey::parse(&key.to_text()).unwrap(), key);
    for bad in ["", "a", "a+b", "a+00000000+AAAA", &key.to_text().replace('+', "-"), &key.to_text().replacen("wardkeep", "wardkeeq", 1)] {
        assert!(VerifyingKey::parse(bad).is_err(), "{bad}");
    }
    for bad in ["", "a b", "a+b", "a\n"] {
        assert!(Signer::from_seed(bad, &[1; 32]).is_err(), "{bad:?}");
    }
    assert!(!format!("{:?}", signer(9)).contains("9"[..].repeat(3).as_str()));
}

#[test]
fn the_signer_never_goes_backwards_or_sideways() {
    let all = hashes(50);
    let mut grown = Grown::of(&all);
    let head = |size: usize| Grown::of(&all[..size]).head();
    let mut signed = Monotonic::default();
    signed.advance(head(10), &[]).unwrap();
    let proof = consistency(&mut grown, 10, 30).unwrap();
    signed.advance(head(30), &proof).unwrap();
    assert_eq!(signed.advance(head(20), &[]), Err(CheckpointError::Backwards));
    assert_eq!(signed.advance(head(40), &[]), Err(CheckpointError::Backwards));
    assert_eq!(signed.advance(Head { root: [1; 32], ..head(30) }, &[]), Err(CheckpointError::Backwards));
    assert_eq!(signed.last(), Some(head(30)), "what was refused left no trace");
}

#[test]
fn a_proof_file_stands_alone_and_no_changed_byte_of_it_proves_another_entry() {
    let leaves: Vec<Vec<u8>> = (0..20).map(|number| leaf(number).encode()).collect();
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    let mut grown = Grown::of(&hashes);
    let (signer, head) = (signer(5), grown.head());
    let key = signer.verifying_key();
    let path = inclusion(&mut grown, 13, head.size).unwrap();
    let file = proof_file(&leaves[13], 13, &path, &signer.sign(ORIGIN, &head, 5));
    let (index, read, checkpoint) = verify_proof_file(&file, &key).unwrap();
    assert_eq!((index, read, checkpoint.head), (13, leaf(13), head));
    for at in 0..file.len() {
        let mut bytes = file.clone().into_bytes();
        bytes[at] ^= 1;
        if let Ok(other) = String::from_utf8(bytes)
            && let Ok((index, read, checkpoint)) = verify_proof_file(&other, &key)
        {
            assert_eq!((index, read, checkpoint.head), (13, leaf(13), head), "byte {at}");
        }
    }
    let elsewhere = signer.sign("wardkeep/0123456789abcdef/control.main", &head, 5);
    assert!(verify_proof_file(&proof_file(&leaves[13], 13, &path, &elsewhere), &key).is_err(), "a leaf of another stream");
}
