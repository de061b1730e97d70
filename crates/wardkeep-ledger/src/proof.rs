//! Inclusion and consistency proofs (RFC 6962 section 2.1), made from tiles and checked from bytes.

use crate::tree::{Hash, Head, TileId};

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
    let _ = (index, size);
    todo!("ledger helper")
}

/// # Errors
/// When index is not below size, or a tile is missing.
pub fn inclusion<T: Tiles>(tiles: &mut T, index: u64, size: u64) -> Result<Vec<Hash>, ProofError<T::Error>> {
    let _ = (tiles, index, size);
    todo!("ledger helper")
}

/// # Errors
/// When old is greater than new, or a tile is missing.
pub fn consistency<T: Tiles>(tiles: &mut T, old: u64, new: u64) -> Result<Vec<Hash>, ProofError<T::Error>> {
    let _ = (tiles, old, new);
    todo!("ledger helper")
}

/// Checks that `leaf` stands at `index` in the tree `head`.
#[must_use]
pub fn check_inclusion(leaf: &Hash, index: u64, head: &Head, proof: &[Hash]) -> bool {
    let _ = (leaf, index, head, proof);
    todo!("ledger helper")
}

/// Checks that `new` only appends to `old`.
#[must_use]
pub fn check_consistency(old: &Head, new: &Head, proof: &[Hash]) -> bool {
    let _ = (old, new, proof);
    todo!("ledger helper")
}

#[derive(Debug, thiserror::Error)]
pub enum ProofError<E> {
    #[error("index {index} is outside a tree of {size}")]
    Outside { index: u64, size: u64 },
    #[error("tile {0:?} is missing or too short")]
    Missing(TileId),
    #[error(transparent)]
    Read(E),
}
