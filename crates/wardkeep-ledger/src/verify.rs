//! The offline verifier: published log bytes and the public key, nothing else.
//!
//! Published layout of one stream (C2SP tlog-tiles), below `<ledger>/<stream>/`:
//! `checkpoint`, `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]` (entry bundles). Everything is
//! re-derived from the entries: leaf hashes, tiles, root. No database, no secrets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::checkpoint::{Checkpoint, VerifyingKey};
use crate::leaf::{Class, Leaf, StreamId};
use crate::publish::{bundle_path, decode_bundle, last_paths, tile_path};
use crate::tree::{Edge, Hash, Head, TILE_WIDTH, TileId, leaf_hash};

/// Where published bytes come from.
pub trait LogSource {
    /// Names of the published streams, sorted.
    ///
    /// # Errors
    /// When the source cannot be read.
    fn streams(&self) -> std::io::Result<Vec<String>>;
    /// A file of a stream; `None` when it is missing.
    ///
    /// # Errors
    /// When the source cannot be read.
    fn read(&self, stream: &str, path: &str) -> std::io::Result<Option<Vec<u8>>>;
}

/// A published log in a directory.
#[derive(Clone, Debug)]
pub struct Directory(pub PathBuf);

impl Directory {
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_path_buf())
    }
}

impl LogSource for Directory {
    fn streams(&self) -> std::io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }
    fn read(&self, stream: &str, path: &str) -> std::io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.0.join(stream).join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What can be wrong with a stream. The code is stable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Finding {
    NoCheckpoint,
    BadSignature,
    WrongOrigin,
    EntriesMissing,
    LeafMalformed,
    WrongStream,
    SequenceGap,
    NotOpened,
    RootMismatch,
    TileMismatch,
    Rollback,
}

impl Finding {
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Finding::NoCheckpoint => "no-checkpoint",
            Finding::BadSignature => "bad-signature",
            Finding::WrongOrigin => "wrong-origin",
            Finding::EntriesMissing => "entries-missing",
            Finding::LeafMalformed => "leaf-malformed",
            Finding::WrongStream => "wrong-stream",
            Finding::SequenceGap => "sequence-gap",
            Finding::NotOpened => "not-opened",
            Finding::RootMismatch => "root-mismatch",
            Finding::TileMismatch => "tile-mismatch",
            Finding::Rollback => "rollback",
        }
    }
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Finding::NoCheckpoint => "there is no checkpoint, or it cannot be read",
            Finding::BadSignature => "the checkpoint is not signed by the expected key",
            Finding::WrongOrigin => "the checkpoint belongs to another log",
            Finding::EntriesMissing => "entries that the checkpoint counts are missing",
            Finding::LeafMalformed => "an entry is not a leaf of a known format",
            Finding::WrongStream => "an entry belongs to another stream",
            Finding::SequenceGap => "entries of one run of the program do not follow each other",
            Finding::NotOpened => "the first entry does not open the stream",
            Finding::RootMismatch => "the entries do not give the signed root: something was changed, removed or added",
            Finding::TileMismatch => "a published tile is missing, or differs from what the entries give",
            Finding::Rollback => "an earlier checkpoint knows more, or other, entries: rollback or fork",
        }
    }
}

/// The result for one stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamReport {
    pub stream: String,
    /// From the signed checkpoint; `None` when there is none.
    pub head: Option<Head>,
    pub sealed_ms: Option<i64>,
    pub classes: BTreeMap<&'static str, u64>,
    /// (finding, index of the entry it starts at).
    pub findings: Vec<(Finding, u64)>,
}

/// Verifies every stream of a source. `earlier`: checkpoints kept elsewhere, by stream.
/// `progress` gets (done, of) entries.
///
/// # Errors
/// Only when the source cannot be read; what is wrong with the log stands in the reports.
pub fn verify(
    source: &impl LogSource,
    key: &VerifyingKey,
    earlier: &BTreeMap<String, Vec<Checkpoint>>,
    progress: &mut dyn FnMut(u64, u64),
) -> std::io::Result<Vec<StreamReport>> {
    let mut names = source.streams()?;
    names.extend(earlier.keys().cloned());
    names.sort();
    names.dedup();
    names.into_iter().map(|name| verify_stream(source, &name, key, earlier.get(&name).map_or(&[], Vec::as_slice), progress)).collect()
}

fn verify_stream(
    source: &impl LogSource,
    name: &str,
    key: &VerifyingKey,
    earlier: &[Checkpoint],
    progress: &mut dyn FnMut(u64, u64),
) -> std::io::Result<StreamReport> {
    let mut report = StreamReport { stream: name.to_owned(), head: None, sealed_ms: None, classes: BTreeMap::new(), findings: Vec::new() };
    let mut source = Frozen { source, files: BTreeMap::new() };
    let checkpoint = match source.freeze(name, key)? {
        Ok(checkpoint) => checkpoint,
        Err(finding) => {
            report.findings.push((finding, 0));
            return Ok(report);
        }
    };
    if checkpoint.origin.rsplit('/').next() != Some(name) {
        report.findings.push((Finding::WrongOrigin, 0));
    }
    report.head = Some(checkpoint.head);
    report.sealed_ms = checkpoint.time_ms;
    walk(&source, name, &checkpoint, earlier, &mut report, progress)?;
    Ok(report)
}

/// Tries to read a checkpoint together with its partial tiles while a server publishes.
const FREEZES_MAX: usize = 20;

/// A source whose partial tiles were read together with the checkpoint: a running server replaces
/// them by wider ones every second, which must not look like a loss.
struct Frozen<'a, S> {
    source: &'a S,
    files: BTreeMap<String, Option<Vec<u8>>>,
}

impl<S: LogSource> Frozen<'_, S> {
    fn freeze(&mut self, name: &str, key: &VerifyingKey) -> std::io::Result<Result<Checkpoint, Finding>> {
        let mut bytes = self.source.read(name, "checkpoint")?;
        let mut tries = 0;
        loop {
            let Some(note) = bytes.clone().and_then(|bytes| String::from_utf8(bytes).ok()) else { return Ok(Err(Finding::NoCheckpoint)) };
            let Ok(checkpoint) = Checkpoint::verify(&note, key) else { return Ok(Err(Finding::BadSignature)) };
            let paths = last_paths(checkpoint.head.size).into_iter();
            self.files = paths.map(|path| Ok((path.clone(), self.source.read(name, &path)?))).collect::<std::io::Result<_>>()?;
            let now = self.source.read(name, "checkpoint")?;
            tries += 1;
            if now == bytes || tries == FREEZES_MAX {
                return Ok(Ok(checkpoint));
            }
            bytes = now;
        }
    }
}

impl<S: LogSource> LogSource for Frozen<'_, S> {
    fn streams(&self) -> std::io::Result<Vec<String>> {
        self.source.streams()
    }
    fn read(&self, stream: &str, path: &str) -> std::io::Result<Option<Vec<u8>>> {
        match self.files.get(path) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.source.read(stream, path),
        }
    }
}

fn walk(
    source: &impl LogSource,
    name: &str,
    checkpoint: &Checkpoint,
    earlier: &[Checkpoint],
    report: &mut StreamReport,
    progress: &mut dyn FnMut(u64, u64),
) -> std::io::Result<()> {
    let size = checkpoint.head.size;
    if earlier.iter().any(|earlier| earlier.head.size > size) {
        report.findings.push((Finding::Rollback, size));
    }
    let stream = StreamId::parse(name).ok();
    let mut edge = Edge::new();
    let mut boots: BTreeMap<[u8; 16], u64> = BTreeMap::new();
    let mut at = 0;
    while at < size {
        let width = usize::try_from((size - at).min(TILE_WIDTH as u64)).unwrap_or(TILE_WIDTH);
        let bundle = source.read(name, &bundle_path(at / TILE_WIDTH as u64, width))?;
        let Some(leaves) = bundle.as_deref().and_then(decode_bundle).filter(|leaves| leaves.len() == width) else {
            report.findings.push((Finding::EntriesMissing, at));
            return Ok(());
        };
        let mut hashes = Vec::with_capacity(width);
        for bytes in &leaves {
            check_leaf(bytes, at + hashes.len() as u64, stream.as_ref(), &mut boots, report);
            hashes.push(leaf_hash(bytes));
        }
        let before = edge.clone();
        for (id, hashes) in edge.append(&hashes) {
            if is_final(id, hashes.len(), size) {
                check_tile(source, name, &tile_path(id, hashes.len()), &hashes, at, report)?;
            }
        }
        for earlier in earlier.iter().filter(|e| e.head.size > at && e.head.size <= at + width as u64) {
            let mut then = before.clone();
            then.append(hashes.get(..usize::try_from(earlier.head.size - at).unwrap_or(0)).unwrap_or(&[]));
            if then.head() != earlier.head {
                report.findings.push((Finding::Rollback, earlier.head.size));
            }
        }
        at += width as u64;
        progress(at, size);
    }
    if edge.head().root != checkpoint.head.root {
        report.findings.push((Finding::RootMismatch, size));
    }
    Ok(())
}

/// A tile that grows later in the walk is published in its last form alone.
fn is_final(id: TileId, width: usize, size: u64) -> bool {
    let below = size.checked_shr(8 * u32::from(id.level)).unwrap_or(0);
    below.saturating_sub(id.index.saturating_mul(TILE_WIDTH as u64)).min(TILE_WIDTH as u64) == width as u64
}

fn check_tile(source: &impl LogSource, name: &str, path: &str, hashes: &[Hash], at: u64, report: &mut StreamReport) -> std::io::Result<()> {
    if source.read(name, path)?.is_none_or(|bytes| bytes != hashes.concat()) {
        report.findings.push((Finding::TileMismatch, at));
    }
    Ok(())
}

fn check_leaf(bytes: &[u8], index: u64, stream: Option<&StreamId>, boots: &mut BTreeMap<[u8; 16], u64>, report: &mut StreamReport) {
    let Ok(leaf) = Leaf::decode(bytes) else {
        report.findings.push((Finding::LeafMalformed, index));
        return;
    };
    *report.classes.entry(leaf.class.name()).or_default() += 1;
    if Some(&leaf.stream) != stream {
        report.findings.push((Finding::WrongStream, index));
    }
    if index == 0 && leaf.class != Class::StreamOpened {
        report.findings.push((Finding::NotOpened, index));
    }
    let expected = boots.entry(leaf.boot).or_default();
    if leaf.sequence != *expected {
        report.findings.push((Finding::SequenceGap, index));
    }
    *expected = leaf.sequence.wrapping_add(1);
}
