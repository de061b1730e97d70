//! A small hospital for the tests: one vault, two patients, scripted randomness.

use wardkeep_ledger::leaf::StreamId;
use wardkeep_ledger::{Discloses, Receipt};
use wardkeep_vault::{Context, KeyFile, PatientKey, Vault};

pub(crate) const ANNA: [u8; 16] = [0xa1; 16];
pub(crate) const BERT: [u8; 16] = [0xb2; 16];

/// Bytes that differ from call to call and are the same in every run.
pub(crate) fn counting(seed: u8) -> impl FnMut(&mut [u8]) {
    let mut state = u64::from(seed) << 32 | 1;
    move |buffer| {
        for byte in buffer {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
    }
}

/// Gives out exactly these bytes; more is a mistake of the test.
pub(crate) fn scripted(bytes: &[u8]) -> impl FnMut(&mut [u8]) {
    let mut rest = bytes.to_vec();
    move |buffer| {
        let tail = rest.split_off(buffer.len());
        buffer.copy_from_slice(&rest);
        rest = tail;
    }
}

pub(crate) fn receipt(discloses: Discloses) -> Receipt {
    Receipt::mint(StreamId::parse("records.main").unwrap(), 1, Vec::new(), discloses)
}

pub(crate) fn covers(owner: [u8; 16]) -> Receipt {
    receipt(Discloses::Owners(vec![owner]))
}

pub(crate) fn vault(seed: u8) -> Vault {
    let folder = tempfile::tempdir().unwrap();
    let mut random = counting(seed);
    let provider = KeyFile::create(&folder.path().join("root.key"), &mut random).unwrap();
    Vault::create(&provider, &mut random).unwrap().0
}

pub(crate) struct House {
    pub vault: Vault,
    pub anna: PatientKey,
    pub bert: PatientKey,
}

pub(crate) fn house() -> House {
    let vault = vault(1);
    let mut random = counting(2);
    let (anna, _) = vault.new_patient_key(ANNA, &mut random);
    let (bert, _) = vault.new_patient_key(BERT, &mut random);
    House { vault, anna, bert }
}

pub(crate) const PLACE: Context<'static> = Context { store: "records", kind: 7, id: [0x11; 16], version: 3, field: "", schema: 1 };

pub(crate) fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}
