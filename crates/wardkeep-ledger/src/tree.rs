//! RFC 6962 hashing and the growing tree, kept as tiles of 256 hashes (C2SP tlog-tiles).

use aws_lc_rs::digest;

/// SHA-256 output.
pub type Hash = [u8; 32];

/// Tiles are this many hashes wide.
pub const TILE_WIDTH: usize = 256;

/// Size and root of a tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    pub size: u64,
    pub root: Hash,
}

/// SHA-256(00 ‖ data).
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Hash {
    sha256(&[&[0], data])
}

/// SHA-256(01 ‖ left ‖ right).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Root of a list of hashes (RFC 6962 section 2.1); of none it is SHA-256 of nothing.
#[must_use]
pub fn root_of(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => sha256(&[]),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(split(many.len() as u64) as usize);
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// Largest power of two below `n` (n > 1).
pub(crate) fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// Names one tile: `level` counts tiles (level 0 holds leaf hashes, level 1 the roots of full
/// level-0 tiles …), `index` from the left.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TileId {
    pub level: u8,
    pub index: u64,
}

/// The right edge of a tree: its size and the partial tile of each level. All that is needed to
/// append; at most 8 × 255 hashes whatever the size.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Edge {
    size: u64,
    /// `partial[level]`: hashes of the rightmost, not yet full tile of that level (may be empty).
    partial: Vec<Vec<Hash>>,
}

impl Edge {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Restores an edge from a stored size and a reader of stored tiles (possibly partial).
    ///
    /// # Errors
    /// When a tile that the size calls for is missing or too short.
    pub fn restore<E>(size: u64, mut read: impl FnMut(TileId) -> Result<Option<Vec<Hash>>, E>) -> Result<Self, RestoreError<E>> {
        let mut edge = Self { size, partial: Vec::new() };
        let mut count = size;
        let mut level = 0u8;
        while count > 0 {
            let width = (count % TILE_WIDTH as u64) as usize;
            let id = TileId { level, index: count / TILE_WIDTH as u64 };
            let mut hashes = Vec::new();
            if width > 0 {
                let stored = read(id).map_err(RestoreError::Read)?.ok_or(RestoreError::Tile(id))?;
                hashes = stored.get(..width).ok_or(RestoreError::Tile(id))?.to_vec();
            }
            edge.partial.push(hashes);
            count /= TILE_WIDTH as u64;
            level = level.saturating_add(1);
        }
        Ok(edge)
    }

    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The partial tiles of every level, as published for this size.
    pub fn partial_tiles(&self) -> impl Iterator<Item = (TileId, &[Hash])> {
        let mut count = self.size;
        (0u8..).zip(&self.partial).filter_map(move |(level, hashes)| {
            count /= TILE_WIDTH as u64;
            (!hashes.is_empty()).then_some((TileId { level, index: count }, hashes.as_slice()))
        })
    }

    #[must_use]
    pub fn head(&self) -> Head {
        // From the right: the root of a level's partial tile stands right of everything above it.
        let mut root: Option<Hash> = None;
        for hashes in &self.partial {
            let mut hashes = hashes.clone();
            hashes.extend(root);
            // Every element but the last covers equally many leaves, so the RFC's split still
            // falls on powers of two of the element count.
            root = if hashes.is_empty() { None } else { Some(root_of(&hashes)) };
        }
        Head { size: self.size, root: root.unwrap_or_else(|| sha256(&[])) }
    }

    /// Appends leaf hashes and returns every tile whose content changed, each once with its
    /// final content (full or partial), for the engine to store.
    pub fn append(&mut self, leaf_hashes: &[Hash]) -> Vec<(TileId, Vec<Hash>)> {
        let mut changed = Vec::new();
        let mut level = 0u8;
        let mut count = self.size;
        let mut incoming = leaf_hashes.to_vec();
        self.size += leaf_hashes.len() as u64;
        while !incoming.is_empty() {
            if self.partial.len() <= usize::from(level) {
                self.partial.push(Vec::new());
            }
            let Some(tile) = self.partial.get_mut(usize::from(level)) else { break };
            let mut roots = Vec::new();
            let mut index = count / TILE_WIDTH as u64;
            for hash in incoming {
                tile.push(hash);
                if tile.len() == TILE_WIDTH {
                    roots.push(root_of(tile));
                    changed.push((TileId { level, index }, std::mem::take(tile)));
                    index += 1;
                }
            }
            if !tile.is_empty() {
                changed.push((TileId { level, index }, tile.clone()));
            }
            incoming = roots;
            count /= TILE_WIDTH as u64;
            level = level.saturating_add(1);
        }
        changed
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RestoreError<E> {
    #[error("tile {0:?} is missing or too short for the recorded tree size")]
    Tile(TileId),
    #[error("{0}")]
    Read(E),
}
