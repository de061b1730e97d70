//! Leaves and bundles: what goes in comes out, and nothing else reads as one.

use proptest::prelude::*;
use wardkeep_ledger::commitment::{Commitment, Label};
use wardkeep_ledger::leaf::LeafError;
use wardkeep_ledger::publish::{bundle_path, decode_bundle, encode_bundle, tile_path};
use wardkeep_ledger::tree::TileId;
use wardkeep_ledger::{Class, Leaf, Salt, StreamId};

use crate::support::leaf;

#[test]
fn a_leaf_comes_back_as_it_was_and_no_cut_or_longer_one_reads() {
    for number in 0..200 {
        let leaf = leaf(number);
        let bytes = leaf.encode();
        assert_eq!(Leaf::decode(&bytes).unwrap(), leaf);
        for cut in 0..bytes.len() {
            assert!(Leaf::decode(&bytes[..cut]).is_err(), "{number} cut at {cut}");
        }
        assert_eq!(Leaf::decode(&[&bytes[..], b"x"].concat()), Err(LeafError::Malformed("bytes after the end")));
    }
}

#[test]
fn every_changed_byte_of_a_leaf_is_refused_or_another_leaf() {
    let first = leaf(7);
    let bytes = first.encode();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut other = bytes.clone();
            other[at] ^= 1 << bit;
            if let Ok(read) = Leaf::decode(&other) {
                assert_ne!(read, first, "byte {at}, bit {bit}");
                assert_eq!(read.encode(), other, "one leaf has one form");
            }
        }
    }
}

#[test]
fn classes_have_one_code_and_one_name() {
    for (at, (class, name)) in Class::ALL.iter().enumerate() {
        assert_eq!(Class::from_code(*class as u16), Some(*class));
        assert_eq!(Class::from_name(name), Some(*class));
        assert!(Class::ALL[..at].iter().all(|(other, known)| (*other as u16) < *class as u16 && known != name), "{name}");
    }
    assert_eq!(Class::from_code(0), None);
}

#[test]
fn stream_names_are_short_and_plain() {
    for good in ["a", "control.main", "records.node-2", &"x".repeat(64)] {
        assert_eq!(StreamId::parse(good).unwrap().as_str(), good);
    }
    for bad in ["", "A", "control/main", "control main", "ü", "a\n", &"x".repeat(65)] {
        assert!(StreamId::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_commitment_binds_salt_label_and_where_each_field_ends() {
    let salt = Salt([1; 32]);
    let commit = |salt: &Salt, label, fields: &[&[u8]]| Commitment::new(salt, label, fields);
    let all = [
        commit(&salt, Label::Actor, &[b"ab", b"c"]),
        commit(&salt, Label::Actor, &[b"a", b"bc"]),
        commit(&salt, Label::Actor, &[b"abc"]),
        commit(&salt, Label::Actor, &[b"abc", b""]),
        commit(&salt, Label::Actor, &[b"", b"abc"]),
        commit(&salt, Label::Subject, &[b"ab", b"c"]),
        commit(&salt, Label::Resource, &[b"ab", b"c"]),
        commit(&salt, Label::Detail, &[b"ab", b"c"]),
        commit(&Salt([2; 32]), Label::Actor, &[b"ab", b"c"]),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(all[..at].iter().all(|other| other != one), "{at}");
    }
    assert_eq!(format!("{salt:?}"), "Salt(…)");
}

#[test]
fn published_paths_are_those_of_the_tiles_format() {
    let tile = |level, index, width| tile_path(TileId { level, index }, width);
    assert_eq!(tile(0, 0, 256), "tile/0/000");
    assert_eq!(tile(1, 5, 12), "tile/1/005.p/12");
    assert_eq!(tile(0, 1_234_067, 256), "tile/0/x001/x234/067");
    assert_eq!(bundle_path(273_000, 3), "tile/entries/x273/000.p/3");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_never_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Leaf::decode(&bytes);
        let _ = decode_bundle(&bytes);
    }

    #[test]
    fn a_bundle_gives_back_its_leaves(leaves in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20)) {
        let bytes = encode_bundle(leaves.iter().map(Vec::as_slice));
        prop_assert_eq!(decode_bundle(&bytes).unwrap(), leaves);
        if !bytes.is_empty() {
            prop_assert!(decode_bundle(&bytes[..bytes.len() - 1]).is_none_or(|read| encode_bundle(read.iter().map(Vec::as_slice)).len() < bytes.len()));
        }
    }
}
