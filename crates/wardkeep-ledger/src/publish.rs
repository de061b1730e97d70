//! Paths and bytes of a published log (C2SP tlog-tiles): tiles, entry bundles, proof files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, VerifyingKey, plain_number};
use crate::leaf::Leaf;
use crate::proof::check_inclusion;
use crate::tree::{Hash, TILE_WIDTH, TileId, leaf_hash};

/// `tile/<L>/<N>[.p/<W>]`.
#[must_use]
pub fn tile_path(id: TileId, width: usize) -> String {
    format!("tile/{}/{}", id.level, numbered(id.index, width))
}

/// `tile/entries/<N>[.p/<W>]`.
#[must_use]
pub fn bundle_path(index: u64, width: usize) -> String {
    format!("tile/entries/{}", numbered(index, width))
}

/// The rightmost bundle and the rightmost tile of each level of a tree of this size: all that is
/// published in partial form.
#[must_use]
pub fn last_paths(size: u64) -> Vec<String> {
    let (mut paths, mut count, mut level) = (Vec::new(), size, 0u8);
    while count > 0 {
        let last = count - 1;
        let width = usize::try_from(last % TILE_WIDTH as u64).unwrap_or(0) + 1;
        let id = TileId { level, index: last / TILE_WIDTH as u64 };
        if level == 0 {
            paths.push(bundle_path(id.index, width));
        }
        paths.push(tile_path(id, width));
        (count, level) = (count / TILE_WIDTH as u64, level.saturating_add(1));
    }
    paths
}

/// Groups of three digits, all but the last with an `x`: 1234067 is `x001/x234/067`.
fn numbered(index: u64, width: usize) -> String {
    let mut groups = vec![format!("{:03}", index % 1000)];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    groups.reverse();
    let path = groups.join("/");
    if width < TILE_WIDTH { format!("{path}.p/{width}") } else { path }
}

/// A part of a published log, as its address names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece {
    /// A tile, and how many of its hashes.
    Tile(TileId, usize),
    /// An entry bundle, and how many of its entries.
    Bundle(u64, usize),
}

impl Piece {
    /// Reads `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]`; each has one spelling.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (what, number) = path.strip_prefix("tile/")?.split_once('/')?;
        let (number, width) = match number.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok().filter(|width| (1..TILE_WIDTH).contains(width))?),
            None => (number, TILE_WIDTH),
        };
        let mut index = 0u64;
        for group in number.split('/') {
            let group = group.strip_prefix('x').unwrap_or(group);
            index = index.checked_mul(1000)?.checked_add(group.parse().ok().filter(|group| *group < 1000)?)?;
        }
        let piece = match what {
            "entries" => Self::Bundle(index, width),
            level => Self::Tile(TileId { level: level.parse().ok().filter(|level| *level < 64)?, index }, width),
        };
        (piece.path() == path).then_some(piece)
    }
    #[must_use]
    pub fn path(self) -> String {
        match self {
            Self::Tile(id, width) => tile_path(id, width),
            Self::Bundle(index, width) => bundle_path(index, width),
        }
    }
    /// One that never changes.
    #[must_use]
    pub fn is_full(self) -> bool {
        matches!(self, Self::Tile(_, TILE_WIDTH) | Self::Bundle(_, TILE_WIDTH))
    }
    /// Does a tree of this size count all of it?
    #[must_use]
    pub fn is_within(self, size: u64) -> bool {
        let (level, index, width) = match self {
            Self::Tile(id, width) => (id.level, id.index, width),
            Self::Bundle(index, width) => (0, index, width),
        };
        // Hashes of this level that the tree has whole.
        let whole = (0..level).fold(size, |count, _| count / TILE_WIDTH as u64);
        index.checked_mul(TILE_WIDTH as u64).and_then(|start| start.checked_add(width as u64)).is_some_and(|end| end <= whole)
    }
}

/// Each leaf with its length (u16 big endian) before it.
#[must_use]
pub fn encode_bundle<'a>(leaves: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for leaf in leaves {
        bytes.extend_from_slice(&u16::try_from(leaf.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(leaf);
    }
    bytes
}

/// `None` when the bytes are cut off.
#[must_use]
pub fn decode_bundle(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut leaves = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (leaf, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        leaves.push(leaf.to_vec());
        bytes = rest;
    }
    bytes.is_empty().then_some(leaves)
}

/// A self-contained proof (C2SP tlog-proof@v1) that a leaf stands in a signed log.
#[must_use]
pub fn proof_file(leaf: &[u8], index: u64, path: &[Hash], note: &str) -> String {
    let mut text = format!("c2sp.org/tlog-proof@v1\nextra {}\nindex {index}\n", STANDARD.encode(leaf));
    for hash in path {
        text.push_str(&STANDARD.encode(hash));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(note);
    text
}

/// Reads a proof file and checks everything in it against `key`.
///
/// # Errors
/// What is wrong, in words.
pub fn verify_proof_file(text: &str, key: &VerifyingKey) -> Result<(u64, Leaf, Checkpoint), &'static str> {
    let (head, note) = text.split_once("\n\n").ok_or("there is no checkpoint in the file")?;
    let mut lines = head.split('\n');
    if lines.next() != Some("c2sp.org/tlog-proof@v1") {
        return Err("this is no proof file");
    }
    let leaf = lines
        .next()
        .and_then(|line| line.strip_prefix("extra "))
        .and_then(|leaf| STANDARD.decode(leaf).ok())
        .ok_or("the entry is missing")?;
    let index: u64 = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(plain_number).ok_or("the index is missing")?;
    let path: Option<Vec<Hash>> = lines.map(|line| STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok())).collect();
    let path = path.ok_or("a hash is malformed")?;
    let checkpoint = Checkpoint::verify(note, key).map_err(|_| "the checkpoint is not signed by this log")?;
    if !check_inclusion(&leaf_hash(&leaf), index, &checkpoint.head, &path) {
        return Err("the entry does not stand in the signed log");
    }
    let leaf = Leaf::decode(&leaf).map_err(|_| "the entry is malformed")?;
    if checkpoint.origin != key.origin(leaf.stream.as_str()) {
        return Err("the checkpoint belongs to another log");
    }
    Ok((index, leaf, checkpoint))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_piece_has_one_spelling(level in 0u8..64, index: u64, width in 1usize..=TILE_WIDTH, text in "(tile/)?[0-9x/.p]{0,20}") {
            for piece in [Piece::Tile(TileId { level, index }, width), Piece::Bundle(index, width)] {
                prop_assert_eq!(Piece::parse(&piece.path()), Some(piece));
            }
            if let Some(piece) = Piece::parse(&text) {
                prop_assert_eq!(piece.path(), text);
            }
        }
    }

    #[test]
    fn what_a_tree_has_whole_is_within_it() {
        let tile = |level, index, width| Piece::Tile(TileId { level, index }, width);
        for (piece, size) in
            [(tile(0, 0, 1), 1), (tile(0, 0, 256), 256), (tile(0, 1, 1), 257), (tile(1, 0, 1), 256), (tile(2, 0, 1), 65_536)]
        {
            assert!(piece.is_within(size) && !piece.is_within(size - 1), "{piece:?}");
        }
        assert!(!tile(0, u64::MAX, 256).is_within(u64::MAX) && !Piece::Bundle(0, 1).is_within(0));
    }
}
