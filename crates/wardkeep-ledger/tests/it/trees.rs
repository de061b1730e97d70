//! Heads, inclusion and consistency: against the definition, against another library, and every
//! way of being wrong.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use wardkeep_ledger::proof::{check_consistency, check_inclusion, consistency, inclusion, tiles_for_inclusion};
use wardkeep_ledger::tree::{TILE_WIDTH, leaf_hash, root_of};
use wardkeep_ledger::{Edge, Hash, Head};

use crate::support::{Grown, hashes};

/// Sizes around every border of a tile and of a power of two.
const SIZES: [usize; 24] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 127, 128, 129, 255, 256, 257, 300, 511, 512, 513, 65_536 / 64, 70_000];

#[test]
fn the_head_is_the_root_of_rfc_6962_whatever_the_size() {
    assert_eq!(Edge::new().head(), Head { size: 0, root: root_of(&[]) });
    for size in SIZES {
        let hashes = hashes(size);
        assert_eq!(Grown::of(&hashes).head(), Head { size: size as u64, root: root_of(&hashes) }, "{size}");
    }
}

#[test]
fn roots_and_proofs_are_those_of_another_library() {
    let mut theirs = MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
    let mut leaves: Vec<Hash> = Vec::new();
    for number in 0..600_u64 {
        let bytes = number.to_be_bytes().to_vec();
        leaves.push(leaf_hash(&bytes));
        theirs.push(bytes);
        let mut ours = Grown::of(&leaves);
        let head = ours.head();
        assert_eq!(theirs.root().as_bytes().as_slice(), head.root.as_slice(), "{number}");
        let index = (number * 7) % (number + 1);
        let proof = inclusion(&mut ours, index, head.size).unwrap();
        let other = theirs.prove_inclusion(usize::try_from(index).unwrap());
        assert_eq!(other.as_bytes(), proof.concat(), "entry {index} of {}", head.size);
    }
}

#[test]
fn every_entry_is_proven_and_no_proof_bends() {
    for size in 1..=70_usize {
        let hashes = hashes(size);
        let mut grown = Grown::of(&hashes);
        let head = grown.head();
        for index in 0..size as u64 {
            let leaf = hashes[index as usize];
            let proof = inclusion(&mut grown, index, head.size).unwrap();
            assert!(check_inclusion(&leaf, index, &head, &proof));
            refuses_every_change_of_inclusion(&leaf, index, &head, &proof);
        }
        assert!(inclusion(&mut grown, head.size, head.size).is_err());
    }
}

fn changed(hash: &Hash, bit: usize) -> Hash {
    let mut other = *hash;
    other[bit / 8] ^= 1 << (bit % 8);
    other
}

fn refuses_every_change_of_inclusion(leaf: &Hash, index: u64, head: &Head, proof: &[Hash]) {
    let refused = |leaf: &Hash, index, head: &Head, proof: &[Hash]| assert!(!check_inclusion(leaf, index, head, proof));
    refused(&changed(leaf, 3), index, head, proof);
    refused(leaf, index, &Head { root: changed(&head.root, 255), ..*head }, proof);
    for other in 0..head.size + 2 {
        if other != index {
            refused(leaf, other, head, proof);
        }
    }
    for at in 0..proof.len() {
        let mut other = proof.to_vec();
        other[at] = changed(&other[at], 17);
        refused(leaf, index, head, &other);
        let mut fewer = proof.to_vec();
        fewer.remove(at);
        refused(leaf, index, head, &fewer);
        for next in at + 1..proof.len() {
            let mut swapped = proof.to_vec();
            swapped.swap(at, next);
            refused(leaf, index, head, &swapped);
        }
    }
    refused(leaf, index, head, &[proof, &[[7; 32]]].concat());
    refused(leaf, index, head, &[&[[7; 32]], proof].concat());
}

#[test]
fn every_pair_of_sizes_is_consistent_and_no_proof_bends() {
    let hashes = hashes(40);
    let mut grown = Grown::of(&hashes);
    let heads: Vec<Head> = (0..=40).map(|size| Grown::of(&hashes[..size]).head()).collect();
    for (old_size, old) in heads.iter().enumerate() {
        for new in &heads[old_size..] {
            let proof = consistency(&mut grown, old.size, new.size).unwrap();
            assert!(check_consistency(old, new, &proof), "{} to {}", old.size, new.size);
            if old.size > 0 {
                assert!(!check_consistency(&Head { root: changed(&old.root, 9), ..*old }, new, &proof));
                assert!(!check_consistency(old, &Head { root: changed(&new.root, 9), ..*new }, &proof));
            }
            for at in 0..proof.len() {
                let mut other = proof.clone();
                other[at] = changed(&other[at], 200);
                assert!(!check_consistency(old, new, &other), "{} to {}, hash {at}", old.size, new.size);
                let mut fewer = proof.clone();
                fewer.remove(at);
                assert!(!check_consistency(old, new, &fewer));
            }
            assert!(!check_consistency(old, new, &[proof.as_slice(), &[[1; 32]]].concat()));
            assert!(old.size == new.size || !check_consistency(new, old, &proof), "a tree does not shrink");
        }
    }
    // A fork: the same length, one other entry.
    let mut forked = hashes.clone();
    forked[20] = [9; 32];
    let mut fork = Grown::of(&forked);
    let proof = consistency(&mut fork, 30, 40).unwrap();
    assert!(!check_consistency(&heads[30], &fork.head(), &proof));
}

#[test]
fn a_proof_in_a_large_tree_asks_for_few_tiles_and_fails_without_one() {
    let hashes = hashes(70_000);
    let mut grown = Grown::of(&hashes);
    let head = grown.head();
    for index in [0, 255, 256, 65_535, 65_536, 69_999] {
        let asked = tiles_for_inclusion(index, head.size);
        assert!(asked.len() <= 6, "{index}: {asked:?}");
        let proof = inclusion(&mut grown, index, head.size).unwrap();
        assert!(check_inclusion(&hashes[index as usize], index, &head, &proof));
        for tile in asked {
            let kept = grown.tiles.remove(&tile).unwrap();
            assert!(inclusion(&mut grown, index, head.size).is_err(), "{tile:?}");
            grown.tiles.insert(tile, kept);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_into_batches_grows_the_same_tree(batches in proptest::collection::vec(1_usize..700, 1..12)) {
        let all = hashes(batches.iter().sum());
        let whole = Grown::of(&all);
        let mut parts = Grown::default();
        let mut from = 0;
        for count in batches {
            parts.append(&all[from..from + count]);
            from += count;
            prop_assert_eq!(parts.head().root, root_of(&all[..from]));
        }
        prop_assert_eq!(&parts.tiles, &whole.tiles);
        let restored = Edge::restore(all.len() as u64, |id| Ok::<_, std::convert::Infallible>(whole.tiles.get(&id).cloned())).unwrap();
        prop_assert_eq!(&restored, &whole.edge);
    }

    #[test]
    fn a_tree_that_grew_is_consistent_with_itself(old in 0_usize..3000, more in 0_usize..3000, at in any::<prop::sample::Index>()) {
        let all = hashes(old + more);
        let (before, mut after) = (Grown::of(&all[..old]), Grown::of(&all));
        let proof = consistency(&mut after, old as u64, all.len() as u64).unwrap();
        prop_assert!(check_consistency(&before.head(), &after.head(), &proof));
        if !all.is_empty() {
            let index = at.index(all.len()) as u64;
            let path = inclusion(&mut after, index, all.len() as u64).unwrap();
            prop_assert!(check_inclusion(&all[index as usize], index, &after.head(), &path));
        }
    }
}

#[test]
fn an_edge_is_not_restored_from_a_missing_or_short_tile() {
    let all = hashes(600);
    let grown = Grown::of(&all);
    let partial = grown.edge.partial_tiles().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(partial.len(), 2);
    for missing in partial {
        let restored = Edge::restore(600, |id| Ok::<_, std::convert::Infallible>(grown.tiles.get(&id).cloned().filter(|_| id != missing)));
        assert!(restored.is_err());
        let cut = |id| {
            let mut tile: Vec<Hash> = grown.tiles.get(&id).cloned().unwrap();
            if id == missing {
                tile.pop();
            }
            Ok::<_, std::convert::Infallible>(Some(tile))
        };
        assert!(Edge::restore(600, cut).is_err());
    }
    assert!(grown.tiles.values().all(|tile| tile.len() <= TILE_WIDTH));
}
