//! The frozen format: `docs/spec/vectors/witness.json`, read here and by `scripts/check_vectors_witness.py`.

use std::path::PathBuf;

use serde_json::{Value, json};
use wardkeep_ledger::proof::consistency;
use wardkeep_ledger::tree::leaf_hash;
use wardkeep_ledger::witness::{Request, WitnessSigner};
use wardkeep_ledger::{Hash, Signer};

use crate::support::{Grown, leaf};

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec/vectors/witness.json")
}

fn computed() -> Value {
    let hashes: Vec<Hash> = (0..20).map(|number| leaf_hash(&leaf(number).encode())).collect();
    let mut grown = Grown::of(&hashes);
    let log = Signer::from_seed("wardkeep/0123456789abcdef", &[7; 32]).unwrap();
    let note = log.sign("wardkeep/0123456789abcdef/records.main", &grown.head(), 1_790_000_000_123);
    let witness = WitnessSigner::from_seed("witness.example.org", &[8; 32]).unwrap();
    let time_s = 1_790_000_030;
    let line = witness.cosign(&note, time_s).unwrap();
    let request = Request { old: 13, proof: consistency(&mut grown, 13, 20).unwrap(), note: &note };
    json!({
        "seed": hex::encode([8; 32]),
        "vkey": witness.key().to_text(),
        "time_s": time_s,
        "cosignature": line,
        "witnessed": format!("{note}{line}"),
        "request": request.to_text(),
    })
}

#[test]
fn every_value_of_the_committed_vectors_is_what_the_code_gives() {
    let committed: Value = serde_json::from_slice(&std::fs::read(file()).unwrap()).unwrap();
    assert_eq!(committed, computed());
}

#[test]
#[ignore = "makes the committed file; the format is frozen, so it refuses to overwrite"]
fn the_vectors_are_made_once() {
    use std::io::Write;
    let text = serde_json::to_string_pretty(&computed()).unwrap() + "\n";
    std::fs::File::create_new(file()).unwrap().write_all(text.as_bytes()).unwrap();
}
