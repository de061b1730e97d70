//! The root key on paper: any three shares make it again, and no two; what is mistyped is named.

use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;
use serde_json::Value;
use wardkeep_vault::escrow::{SHARES, SHARES_NEEDED, ShareError};
use wardkeep_vault::{KeyFile, KeyProvider};

use crate::support::counting;

const KEY: &str = "wardkeep-root-key/1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";

struct Printed {
    folder: tempfile::TempDir,
    key: KeyFile,
    shares: Vec<String>,
}

fn printed(seed: u8) -> Printed {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    let key = KeyFile::create(&path, &mut counting(seed)).unwrap();
    let shares = key.shares(&mut counting(seed ^ 0x55)).iter().map(|share| share.to_string()).collect();
    Printed { folder, key, shares }
}

impl Printed {
    fn recover(&self, shares: &[&str]) -> Result<KeyFile, ShareError> {
        let path = self.folder.path().join("again.key");
        let _ = fs::remove_file(&path);
        KeyFile::recover(&path, shares)
    }
}

#[test]
fn any_three_of_five_make_the_same_key_file_and_no_two_do() {
    let printed = printed(1);
    assert_eq!((printed.shares.len(), SHARES, SHARES_NEEDED), (5, 5, 3));
    assert_eq!(printed.shares.iter().collect::<BTreeSet<_>>().len(), 5);
    let same = fs::read_to_string(printed.folder.path().join("root.key")).unwrap();
    for chosen in 0u32..32 {
        let shares: Vec<&str> = (0..5).filter(|at| chosen >> at & 1 == 1).map(|at| printed.shares[at].as_str()).collect();
        match printed.recover(&shares) {
            Ok(made) => {
                assert!(shares.len() >= 3);
                assert_eq!(made.key_id(), printed.key.key_id());
                assert_eq!(fs::read_to_string(printed.folder.path().join("again.key")).unwrap(), same);
            }
            Err(error) => assert!(shares.len() < 3 && matches!(error, ShareError::TooFew { given } if given == shares.len()), "{error}"),
        }
    }
}

#[test]
fn a_share_is_taken_as_people_type_it() {
    let printed = printed(2);
    let typed: Vec<String> = printed.shares.iter().map(|share| share.to_uppercase().replace('-', " ").replacen(' ', "\n  ", 7)).collect();
    let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
    assert_eq!(printed.recover(&typed[1..4]).unwrap().key_id(), printed.key.key_id());
}

#[test]
fn what_is_wrong_is_said_of_the_share_that_it_is_in() {
    let (printed, other) = (printed(3), printed_again(3));
    let share = |at: usize| printed.shares[at].clone();
    let told = |shares: [&str; 3]| printed.recover(&shares).err().unwrap().to_string();
    let good = [share(0), share(1), share(2)];
    let with_last = |text: &str| told([&good[0], &good[1], text]);
    assert_eq!(with_last("zz"), "share 3 holds something that is no digit of 0 to 9 and a to f: type it again");
    assert_eq!(with_last(&good[2][..79]), "share 3 has 64 digits and needs 84: type it again");
    assert_eq!(with_last(&good[1]), "shares 2 and 3 are the same one: find another");
    let mut mistyped = good[2].clone().into_bytes();
    mistyped[30] = if mistyped[30] == b'0' { b'1' } else { b'0' };
    assert_eq!(with_last(std::str::from_utf8(&mistyped).unwrap()), "share 3 is mistyped: its last digits do not fit the others");
    let foreign = printed_of(4);
    assert!(with_last(&foreign[2]).starts_with("share 3 belongs to the root key "));
    assert!(with_last(&other[3]).contains("printed at different times"));
    let path = printed.folder.path().join("root.key");
    let kept = fs::read(&path).unwrap();
    assert!(
        matches!(KeyFile::recover(&path, &[&good[0], &good[1], &good[2]]), Err(ShareError::File(_))),
        "a key file is never overwritten"
    );
    assert_eq!(fs::read(&path).unwrap(), kept);
}

/// Another printing of the same key.
fn printed_again(seed: u8) -> Vec<String> {
    printed(seed).key.shares(&mut counting(99)).iter().map(|share| share.to_string()).collect()
}

fn printed_of(seed: u8) -> Vec<String> {
    printed(seed).shares
}

#[test]
fn the_committed_shares_make_the_committed_key() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/spec/vectors/shares.json");
    let file: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let shares: Vec<&str> = file["shares"].as_array().unwrap().iter().map(|share| share.as_str().unwrap()).collect();
    let made = KeyFile::recover(&folder.path().join("root.key"), &shares[..3]).unwrap();
    assert_eq!(
        (made.key_id(), fs::read_to_string(folder.path().join("root.key")).unwrap().as_str()),
        (file["id"].as_str().unwrap().to_owned(), KEY)
    );
    assert_eq!(file["root"], KEY);
}

proptest! {
    #[test]
    fn no_text_is_a_share_by_chance(text in "\\PC{0,200}", digits in "[0-9a-f]{84}") {
        let printed = printed(5);
        for text in [text.as_str(), digits.as_str()] {
            prop_assert!(printed.recover(&[&printed.shares[0], &printed.shares[1], text]).is_err());
        }
    }
}
