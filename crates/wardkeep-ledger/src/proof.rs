//! Inclusion and consistency proofs (RFC 6962 section 2.1), made from tiles and checked from bytes.

use crate::tree::{Hash, Head, TILE_WIDTH, TileId, node_hash, root_of, split};

/// Gives tiles to the prover. Partial tiles may be longer than asked for; the prover cuts them.
pub trait Tiles {
    type Error;
    /// # Errors
    /// What the source of tiles says when it cannot be read.
    fn tile(&mut self, id: TileId) -> Result<Option<Vec<Hash>>, Self::Error>;
}

/// Which tiles are needed for `inclusion(index, size)`; lets an async caller fetch them first.
#[must_use]
pub fn tiles_for_inclusion(index: u64, size: u64) -> Vec<TileId> {
    struct Ask(Vec<TileId>);
    impl Tiles for Ask {
        type Error = std::convert::Infallible;
        fn tile(&mut self, id: TileId) -> Result<Option<Vec<Hash>>, Self::Error> {
            if !self.0.contains(&id) {
                self.0.push(id);
            }
            Ok(Some(vec![[0; 32]; TILE_WIDTH]))
        }
    }
    let mut ask = Ask(Vec::new());
    // The dry run cannot fail: the source answers every question, and index is checked inside.
    let _ = inclusion(&mut ask, index, size);
    ask.0
}

/// # Errors
/// When index is not below size, or a tile is missing.
pub fn inclusion<T: Tiles>(tiles: &mut T, index: u64, size: u64) -> Result<Vec<Hash>, ProofError<T::Error>> {
    if index >= size {
        return Err(ProofError::Outside { index, size });
    }
    let mut path = Vec::new();
    inclusion_in(tiles, index, 0, size, &mut path)?;
    Ok(path)
}

fn inclusion_in<T: Tiles>(tiles: &mut T, index: u64, start: u64, count: u64, path: &mut Vec<Hash>) -> Result<(), ProofError<T::Error>> {
    if count <= 1 {
        return Ok(());
    }
    let left = split(count);
    if index - start < left {
        inclusion_in(tiles, index, start, left, path)?;
        path.push(subtree(tiles, start + left, count - left)?);
    } else {
        inclusion_in(tiles, index, start + left, count - left, path)?;
        path.push(subtree(tiles, start, left)?);
    }
    Ok(())
}

/// # Errors
/// When old is greater than new, or a tile is missing.
pub fn consistency<T: Tiles>(tiles: &mut T, old: u64, new: u64) -> Result<Vec<Hash>, ProofError<T::Error>> {
    if old > new {
        return Err(ProofError::Outside { index: old, size: new });
    }
    let mut path = Vec::new();
    if old > 0 && old < new {
        consistency_in(tiles, old, 0, new, true, &mut path)?;
    }
    Ok(path)
}

fn consistency_in<T: Tiles>(
    tiles: &mut T,
    old: u64,
    start: u64,
    count: u64,
    whole: bool,
    path: &mut Vec<Hash>,
) -> Result<(), ProofError<T::Error>> {
    if old == count {
        if !whole {
            path.push(subtree(tiles, start, count)?);
        }
        return Ok(());
    }
    let left = split(count);
    if old <= left {
        consistency_in(tiles, old, start, left, whole, path)?;
        path.push(subtree(tiles, start + left, count - left)?);
    } else {
        consistency_in(tiles, old - left, start + left, count - left, false, path)?;
        path.push(subtree(tiles, start, left)?);
    }
    Ok(())
}

/// Root of `count` leaves from `start`; `start` is a multiple of the largest power of two in reach.
fn subtree<T: Tiles>(tiles: &mut T, start: u64, count: u64) -> Result<Hash, ProofError<T::Error>> {
    let width = TILE_WIDTH as u64;
    let (mut level, mut first, mut left) = (0u8, start, count);
    // Climb while the range is made of whole tiles of the next level.
    while left >= width && left % width == 0 && first % width == 0 {
        (level, first, left) = (level.saturating_add(1), first / width, left / width);
    }
    if first % width + left <= width {
        let id = TileId { level, index: first / width };
        let tile = tiles.tile(id).map_err(ProofError::Read)?.ok_or(ProofError::Missing(id))?;
        let from = (first % width) as usize;
        return tile.get(from..from + left as usize).map(root_of).ok_or(ProofError::Missing(id));
    }
    let cut = split(count);
    Ok(node_hash(&subtree(tiles, start, cut)?, &subtree(tiles, start + cut, count - cut)?))
}

/// Checks that `leaf` stands at `index` in the tree `head` (RFC 9162 section 2.1.3.2).
#[must_use]
pub fn check_inclusion(leaf: &Hash, index: u64, head: &Head, proof: &[Hash]) -> bool {
    if index >= head.size {
        return false;
    }
    let (mut at, mut last) = (index, head.size - 1);
    let mut root = *leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            root = node_hash(sibling, &root);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            root = node_hash(&root, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && root == head.root
}

/// Checks that `new` only appends to `old` (RFC 9162 section 2.1.4.2).
#[must_use]
pub fn check_consistency(old: &Head, new: &Head, proof: &[Hash]) -> bool {
    if old.size > new.size {
        return false;
    }
    if old.size == new.size {
        return proof.is_empty() && old.root == new.root;
    }
    if old.size == 0 {
        return proof.is_empty() && old.root == root_of(&[]);
    }
    let mut path = proof.iter();
    let first = if old.size.is_power_of_two() { Some(&old.root) } else { path.next() };
    let Some(&first) = first else { return false };
    let (mut at, mut last) = (old.size - 1, new.size - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut old_root, mut new_root) = (first, first);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old_root = node_hash(sibling, &old_root);
            new_root = node_hash(sibling, &new_root);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            new_root = node_hash(&new_root, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && old_root == old.root && new_root == new.root
}

#[derive(Debug, thiserror::Error)]
pub enum ProofError<E> {
    #[error("index {index} is outside a tree of {size}")]
    Outside { index: u64, size: u64 },
    #[error("tile {0:?} is missing or too short")]
    Missing(TileId),
    #[error("{0}")]
    Read(E),
}
