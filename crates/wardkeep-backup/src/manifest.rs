//! What a backup says of itself, and the names of its files; docs/spec/backup.md is the format.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::BackupError;

pub(crate) const FORMAT: &str = "wardkeep-backup/1";

/// Parts of a backup, in the order in which they are restored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Wrapped patient keys, under the month's recipient.
    Keys,
    Control,
    Records,
}

impl Part {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Part::Keys => "keys",
            Part::Control => "control",
            Part::Records => "records",
        }
    }
}

/// One encrypted file of a backup.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// Its name beside the manifest.
    pub file: String,
    pub bytes: u64,
    /// Of the encrypted bytes, hexadecimal.
    pub sha256: String,
}

/// The end of a log stream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    pub size: u64,
    pub root: String,
    /// The newest signed note; of this size or a smaller one.
    pub checkpoint: Option<String>,
}

/// How far a store had come.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreEnd {
    pub sequence: u64,
    /// Document versions.
    pub documents: u64,
    pub files: u64,
    pub streams: BTreeMap<String, Stream>,
}

impl StoreEnd {
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.streams.values().fold(0, |sum, stream| sum.saturating_add(stream.size))
    }
}

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: String,
    pub id: String,
    pub made_at: i64,
    pub program: String,
    pub hospital: String,
    pub root_key: String,
    pub recipient: String,
    pub window: String,
    pub parts: BTreeMap<Part, Vec<Piece>>,
    pub stores: BTreeMap<Part, StoreEnd>,
}

impl Manifest {
    pub(crate) fn parse(bytes: &[u8], id: &str) -> Result<Self, BackupError> {
        let file = manifest_file(id);
        let bad = |how: &str| BackupError::Damaged { file: file.clone(), how: how.to_owned() };
        let manifest: Self = serde_json::from_slice(bytes).map_err(|_| bad("it is no manifest that this program knows"))?;
        let plain = |file: &str| file.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)) && !file.starts_with('.');
        if manifest.format != FORMAT {
            return Err(bad("it is of another format; use the program that made it, or a newer one"));
        }
        if manifest.id != id || !is_month(&manifest.window) || !manifest.parts.values().flatten().all(|piece| plain(&piece.file)) {
            return Err(bad("it belongs elsewhere"));
        }
        if ![Part::Control, Part::Records].iter().all(|part| manifest.stores.contains_key(part)) {
            return Err(bad("it lacks a store"));
        }
        Ok(manifest)
    }

    /// Bytes of all encrypted files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.values().flatten().fold(0, |sum, piece| sum.saturating_add(piece.bytes))
    }

    #[must_use]
    pub fn documents(&self) -> u64 {
        self.stores.values().fold(0, |sum, store| sum.saturating_add(store.documents))
    }

    #[must_use]
    pub fn entries(&self) -> u64 {
        self.stores.values().fold(0, |sum, store| sum.saturating_add(store.entries()))
    }
}

pub(crate) fn manifest_file(id: &str) -> String {
    format!("backups/{id}/manifest.json")
}

pub(crate) fn piece_file(id: &str, piece: &str) -> String {
    format!("backups/{id}/{piece}")
}

/// `2026-11`.
pub(crate) fn is_month(text: &str) -> bool {
    matches!(text.as_bytes(), [a, b, c, d, b'-', e, f] if [a, b, c, d, e, f].iter().all(|byte| byte.is_ascii_digit()))
}

/// `20261127T061200Z-1a2b3c4d`
pub(crate) fn is_id(text: &str) -> bool {
    let Some((moment, random)) = text.split_once('-') else { return false };
    let moment = moment.len() == 16 && moment.bytes().all(|byte| byte.is_ascii_digit() || byte == b'T' || byte == b'Z');
    moment && random.len() == 8 && random.bytes().all(|byte| byte.is_ascii_hexdigit())
}
