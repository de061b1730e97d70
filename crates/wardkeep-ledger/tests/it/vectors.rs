//! The frozen format: `docs/spec/vectors/ledger.json`, read here and by `scripts/check_vectors_ledger.py`.

use std::path::PathBuf;

use serde_json::{Value, json};
use wardkeep_ledger::commitment::{Commitment, Label};
use wardkeep_ledger::proof::{consistency, inclusion};
use wardkeep_ledger::publish::proof_file;
use wardkeep_ledger::tree::{leaf_hash, root_of};
use wardkeep_ledger::{Hash, Salt, Signer};

use crate::support::{Grown, leaf};

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec/vectors/ledger.json")
}

fn commitments() -> Vec<Value> {
    let labels = [(1, Label::Actor), (2, Label::Subject), (3, Label::Resource), (4, Label::Detail)];
    let fields: [&[&[u8]]; 4] = [&[], &[b""], &[b"account", b"0123"], &[&[0; 16], &7_u64.to_be_bytes()]];
    let cases = labels.into_iter().zip(fields);
    cases
        .map(|((number, label), fields)| {
            let salt = [0x40 + number; 32];
            json!({
                "label": number,
                "salt": hex::encode(salt),
                "fields": fields.iter().map(hex::encode).collect::<Vec<_>>(),
                "commitment": hex::encode(Commitment::new(&Salt(salt), label, fields).0),
            })
        })
        .collect()
}

fn leaves() -> Vec<Value> {
    (0..20)
        .map(|number| {
            let leaf = leaf(number);
            let commitments = [leaf.actor, leaf.subject, leaf.resource, leaf.detail].map(|commitment| hex::encode(commitment.0));
            json!({
                "time_ms": leaf.time_ms,
                "stream": leaf.stream.as_str(),
                "boot": hex::encode(leaf.boot),
                "sequence": leaf.sequence,
                "event": hex::encode(leaf.event.0),
                "class": leaf.class as u16,
                "outcome": leaf.outcome as u8,
                "commitments": commitments,
                "bytes": hex::encode(leaf.encode()),
                "hash": hex::encode(leaf_hash(&leaf.encode())),
            })
        })
        .collect()
}

fn computed() -> Value {
    let bytes: Vec<Vec<u8>> = (0..20).map(|number| leaf(number).encode()).collect();
    let hashes: Vec<Hash> = bytes.iter().map(|leaf| leaf_hash(leaf)).collect();
    let mut grown = Grown::of(&hashes);
    let head = grown.head();
    let hex_path = |path: Vec<Hash>| path.iter().map(hex::encode).collect::<Vec<_>>();
    let inclusions: Vec<Value> = [0, 7, 13, 19]
        .map(|index| json!({"index": index, "size": 20, "path": hex_path(inclusion(&mut grown, index, 20).unwrap())}))
        .to_vec();
    let consistencies: Vec<Value> =
        [1, 8, 13, 19, 20].map(|old| json!({"old": old, "new": 20, "path": hex_path(consistency(&mut grown, old, 20).unwrap())})).to_vec();
    let signer = Signer::from_seed("wardkeep/0123456789abcdef", &[7; 32]).unwrap();
    let note = signer.sign("wardkeep/0123456789abcdef/records.main", &head, 1_790_000_000_123);
    let path = inclusion(&mut grown, 13, 20).unwrap();
    json!({
        "commitments": commitments(),
        "leaves": leaves(),
        "roots": (0..=20).map(|size| hex::encode(root_of(&hashes[..size]))).collect::<Vec<_>>(),
        "inclusions": inclusions,
        "consistencies": consistencies,
        "seed": hex::encode([7; 32]),
        "vkey": signer.verifying_key().to_text(),
        "checkpoint": note,
        "proof_file": proof_file(&bytes[13], 13, &path, &note),
    })
}

#[test]
fn every_value_of_the_committed_vectors_is_what_the_code_gives() {
    let committed: Value = serde_json::from_slice(&std::fs::read(file()).unwrap()).unwrap();
    let computed = computed();
    for (part, value) in computed.as_object().unwrap() {
        assert_eq!(&committed[part], value, "{part}");
    }
    assert_eq!(committed, computed);
}

#[test]
#[ignore = "makes the committed file; the format is frozen, so it refuses to overwrite"]
fn the_vectors_are_made_once() {
    use std::io::Write;
    let text = serde_json::to_string_pretty(&computed()).unwrap() + "\n";
    std::fs::File::create_new(file()).unwrap().write_all(text.as_bytes()).unwrap();
}
