//! The offline verifier against a published directory that somebody tampered with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use wardkeep_ledger::publish::{bundle_path, decode_bundle, encode_bundle, tile_path};
use wardkeep_ledger::tree::leaf_hash;
use wardkeep_ledger::verify::{Directory, Finding, StreamReport, verify};
use wardkeep_ledger::{Checkpoint, Class, EventId, Leaf, Signer, StreamId};

use crate::support::{Grown, leaf as any_leaf};

const STREAM: &str = "records.main";

fn signer() -> Signer {
    Signer::from_seed("wardkeep/example", &[7; 32]).unwrap()
}

/// The leaf at `index` of a stream that one run of the program wrote.
fn leaf(stream: &str, index: u64) -> Leaf {
    let class = if index == 0 { Class::StreamOpened } else { Class::RecordAmended };
    let mut event = [0; 16];
    event[..8].copy_from_slice(&index.to_be_bytes());
    Leaf { stream: StreamId::parse(stream).unwrap(), boot: [9; 16], sequence: index, event: EventId(event), class, ..any_leaf(index) }
}

/// Two full bundles and a partial one.
const SIZE: u64 = 600;

/// A published log that removes itself.
struct Published(PathBuf);

impl Drop for Published {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn leaves(stream: &str, size: u64) -> Vec<Vec<u8>> {
    (0..size).map(|index| leaf(stream, index).encode()).collect()
}

fn checkpoint(stream: &str, leaves: &[Vec<u8>], by: &Signer) -> String {
    by.sign(&format!("wardkeep/example/{stream}"), &log_of(leaves).edge.head(), 1_750_000_000_000)
}

fn log_of(leaves: &[Vec<u8>]) -> Grown {
    Grown::of(&leaves.iter().map(|leaf| leaf_hash(leaf)).collect::<Vec<_>>())
}

impl Published {
    fn empty() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("wardkeep-ledger-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
    fn of(leaves: &[Vec<u8>]) -> Self {
        let published = Self::empty();
        published.publish(STREAM, leaves);
        published
    }
    fn publish(&self, stream: &str, leaves: &[Vec<u8>]) {
        self.entries(stream, leaves);
        for (id, tile) in log_of(leaves).tiles {
            self.write(stream, &tile_path(id, tile.len()), &tile.concat());
        }
        self.write(stream, "checkpoint", checkpoint(stream, leaves, &signer()).as_bytes());
    }
    fn entries(&self, stream: &str, leaves: &[Vec<u8>]) {
        for (index, chunk) in (0..).zip(leaves.chunks(256)) {
            self.write(stream, &bundle_path(index, chunk.len()), &encode_bundle(chunk.iter().map(Vec::as_slice)));
        }
    }
    fn file(&self, stream: &str, path: &str) -> PathBuf {
        self.0.join(stream).join(path)
    }
    fn write(&self, stream: &str, path: &str, bytes: &[u8]) {
        let file = self.file(stream, path);
        std::fs::create_dir_all(file.parent().unwrap_or(Path::new("."))).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    fn verify(&self, earlier: &BTreeMap<String, Vec<Checkpoint>>) -> Vec<StreamReport> {
        verify(&Directory::new(&self.0), &signer().verifying_key(), earlier, &mut |done, of| assert!(done <= of)).unwrap()
    }
    fn findings(&self) -> Vec<(Finding, u64)> {
        self.verify(&BTreeMap::new()).into_iter().flat_map(|report| report.findings).collect()
    }
    fn found(&self, finding: Finding) -> bool {
        self.findings().iter().any(|(found, _)| *found == finding)
    }
    fn against(&self, note: &str) -> Vec<(Finding, u64)> {
        let earlier = Checkpoint::verify(note, &signer().verifying_key()).unwrap();
        self.verify(&BTreeMap::from([(STREAM.to_owned(), vec![earlier])])).remove(0).findings
    }
}

#[test]
fn an_untouched_log_has_no_findings() {
    let log = Published::of(&leaves(STREAM, SIZE));
    log.publish("control.main", &leaves("control.main", 3));
    let reports = log.verify(&BTreeMap::new());
    assert!(reports.iter().all(|report| report.findings.is_empty()), "{reports:?}");
    assert_eq!(reports.iter().map(|report| report.stream.as_str()).collect::<Vec<_>>(), ["control.main", STREAM]);
    assert_eq!(reports[1].classes, BTreeMap::from([("record.amended", SIZE - 1), ("stream.opened", 1)]));
    assert_eq!((reports[1].head.unwrap().size, reports[1].sealed_ms), (SIZE, Some(1_750_000_000_000)));
}

#[test]
fn an_edited_leaf_is_found() {
    for at in [0, 255, 256, 599] {
        let mut edited = leaves(STREAM, SIZE);
        let log = Published::of(&edited);
        let other = Leaf { class: if at == 0 { Class::StreamOpened } else { Class::RecordRead }, time_ms: 1, ..leaf(STREAM, at as u64) };
        edited[at] = other.encode();
        log.entries(STREAM, &edited);
        assert!(log.found(Finding::RootMismatch) && log.found(Finding::TileMismatch), "at {at}");
    }
}

#[test]
fn every_flipped_byte_of_a_bundle_is_found() {
    let log = Published::of(&leaves(STREAM, 4));
    let path = bundle_path(0, 4);
    let bytes = std::fs::read(log.file(STREAM, &path)).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        log.write(STREAM, &path, &flipped);
        assert!(!log.findings().is_empty(), "byte {at}");
    }
}

#[test]
fn a_missing_bundle_is_found() {
    for (index, width) in [(0, 256), (1, 256), (2, 88)] {
        let log = Published::of(&leaves(STREAM, SIZE));
        std::fs::remove_file(log.file(STREAM, &bundle_path(index, width))).unwrap();
        assert_eq!(log.findings(), [(Finding::EntriesMissing, index * 256)]);
    }
}

#[test]
fn a_truncated_or_lengthened_bundle_is_found() {
    let log = Published::of(&leaves(STREAM, SIZE));
    let path = bundle_path(2, 88);
    let bytes = std::fs::read(log.file(STREAM, &path)).unwrap();
    let fewer = decode_bundle(&bytes).unwrap();
    let short = encode_bundle(fewer.iter().take(87).map(Vec::as_slice));
    for changed in [&bytes[..bytes.len() - 1], &short, &[], &[&bytes[..], &[0, 0]].concat()] {
        log.write(STREAM, &path, changed);
        assert_eq!(log.findings(), [(Finding::EntriesMissing, 512)]);
    }
}

#[test]
fn a_duplicated_removed_or_reordered_leaf_is_found() {
    let honest = leaves(STREAM, SIZE);
    let mut duplicated = honest.clone();
    duplicated[301] = duplicated[300].clone();
    let mut reordered = honest.clone();
    reordered.swap(10, 11);
    let mut removed = honest.clone();
    removed.remove(20);
    removed.push(leaf(STREAM, SIZE).encode());
    for changed in [duplicated, reordered, removed] {
        let log = Published::of(&honest);
        log.entries(STREAM, &changed);
        assert!(log.found(Finding::SequenceGap) && log.found(Finding::RootMismatch));
        // Signed anew by the holder of the key it still shows.
        log.publish(STREAM, &changed);
        assert!(log.found(Finding::SequenceGap) && !log.found(Finding::RootMismatch));
    }
}

#[test]
fn swapped_streams_are_found() {
    let log = Published::of(&leaves("control.main", 5));
    assert!(log.findings().iter().all(|(finding, _)| *finding == Finding::WrongStream) && log.findings().len() == 5);
    std::fs::rename(log.0.join(STREAM), log.0.join("other.main")).unwrap();
    assert!(log.found(Finding::WrongOrigin) && log.found(Finding::WrongStream));
}

#[test]
fn a_rollback_or_a_fork_is_found_with_an_earlier_checkpoint() {
    let log = Published::of(&leaves(STREAM, 300));
    let longer = checkpoint(STREAM, &leaves(STREAM, SIZE), &signer());
    assert_eq!(log.against(&longer), [(Finding::Rollback, 300)]);
    for size in [0, 1, 255, 256, 257, 300] {
        assert_eq!(log.against(&checkpoint(STREAM, &leaves(STREAM, size), &signer())), [], "extends {size}");
        let mut forked = leaves(STREAM, size);
        if let Some(last) = forked.last_mut() {
            *last = Leaf { time_ms: 2, ..leaf(STREAM, size - 1) }.encode();
            // For 300 this is a second signed head of the same size.
            let found = log.against(&checkpoint(STREAM, &forked, &signer()));
            assert!(found.iter().all(|found| *found == (Finding::Rollback, size)) && !found.is_empty(), "{found:?}");
        }
    }
}

#[test]
fn a_stream_that_is_gone_is_found_with_an_earlier_checkpoint() {
    let log = Published::empty();
    assert_eq!(log.against(&checkpoint(STREAM, &leaves(STREAM, 3), &signer())), [(Finding::NoCheckpoint, 0)]);
}

#[test]
fn a_foreign_key_or_an_unreadable_checkpoint_is_found() {
    let all = leaves(STREAM, 5);
    let log = Published::of(&all);
    let foreign = checkpoint(STREAM, &all, &Signer::from_seed("log.example", &[8; 32]).unwrap());
    for note in [foreign.as_str(), "", "nothing\n"] {
        log.write(STREAM, "checkpoint", note.as_bytes());
        assert_eq!(log.findings(), [(Finding::BadSignature, 0)]);
    }
    log.write(STREAM, "checkpoint", &[0xff]);
    assert_eq!(log.findings(), [(Finding::NoCheckpoint, 0)]);
}

#[test]
fn a_changed_or_missing_tile_is_found() {
    let log = Published::of(&leaves(STREAM, SIZE));
    for (id, tile) in log_of(&leaves(STREAM, SIZE)).tiles {
        let path = tile_path(id, tile.len());
        let mut bytes = tile.concat();
        bytes[5] ^= 1;
        log.write(STREAM, &path, &bytes);
        assert!(!log.findings().is_empty() && log.findings().iter().all(|(finding, _)| *finding == Finding::TileMismatch), "{path}");
        log.write(STREAM, &path, &tile.concat());
    }
    std::fs::remove_file(log.file(STREAM, "tile/0/001")).unwrap();
    assert_eq!(log.findings(), [(Finding::TileMismatch, 256)]);
}

#[test]
fn an_unopened_stream_and_a_malformed_entry_are_found() {
    let mut all = leaves(STREAM, 3);
    all[0] = Leaf { class: Class::SignIn, ..leaf(STREAM, 0) }.encode();
    assert_eq!(Published::of(&all).findings(), [(Finding::NotOpened, 0)]);
    let mut all = leaves(STREAM, 3);
    all[2] = b"no leaf".to_vec();
    assert_eq!(Published::of(&all).findings(), [(Finding::LeafMalformed, 2)]);
}

#[test]
fn the_largest_sequence_number_is_a_finding_and_no_overflow() {
    let mut all = leaves(STREAM, 3);
    all[1] = Leaf { sequence: u64::MAX, ..leaf(STREAM, 1) }.encode();
    let log = Published::of(&all);
    assert!(log.found(Finding::SequenceGap));
}
