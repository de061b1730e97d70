//! RFC 6962 hashing and the growing tree, kept as tiles of 256 hashes (C2SP tlog-tiles).

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
    let _ = data;
    todo!("ledger helper")
}

/// SHA-256(01 ‖ left ‖ right).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let _ = (left, right);
    todo!("ledger helper")
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
    pub fn restore<E>(size: u64, read: impl FnMut(TileId) -> Result<Option<Vec<Hash>>, E>) -> Result<Self, RestoreError<E>> {
        let _ = (size, read);
        todo!("ledger helper")
    }
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
    #[must_use]
    pub fn head(&self) -> Head {
        todo!("ledger helper")
    }
    /// Appends leaf hashes and returns every tile whose content changed, each once with its
    /// final content (full or partial), for the engine to store.
    pub fn append(&mut self, leaf_hashes: &[Hash]) -> Vec<(TileId, Vec<Hash>)> {
        let _ = leaf_hashes;
        todo!("ledger helper")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RestoreError<E> {
    #[error("tile {0:?} is missing or too short for the recorded tree size")]
    Tile(TileId),
    #[error(transparent)]
    Read(E),
}
