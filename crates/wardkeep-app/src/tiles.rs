//! Proofs over a store's tiles: fetch what the prover asks for, then let it try again.

use std::collections::HashMap;

use wardkeep_ledger::proof::{self, ProofError, Tiles};
use wardkeep_ledger::tree::TileId;
use wardkeep_ledger::{Hash, StreamId};
use wardkeep_store::Store;

use crate::{Error, Result};

/// Tiles fetched so far. Asking for another one ends the attempt and names it.
#[derive(Default)]
struct Fetched(HashMap<TileId, Vec<Hash>>);

impl Tiles for Fetched {
    type Error = TileId;
    fn tile(&mut self, id: TileId) -> Result<Option<Vec<Hash>>, TileId> {
        self.0.get(&id).cloned().map(Some).ok_or(id)
    }
}

/// More tiles than a proof over 2^64 leaves can ask for.
const TILES_MAX: usize = 64;

async fn prove(
    store: &dyn Store,
    stream: &StreamId,
    make: impl Fn(&mut Fetched) -> Result<Vec<Hash>, ProofError<TileId>>,
) -> Result<Vec<Hash>> {
    let mut fetched = Fetched::default();
    for _ in 0..TILES_MAX {
        match make(&mut fetched) {
            Ok(path) => return Ok(path),
            Err(ProofError::Read(id)) => {
                let tile = store.tile(stream, id).await?.ok_or(Error::Integrity)?;
                fetched.0.insert(id, tile);
            }
            Err(ProofError::Outside { .. }) => return Err(Error::NotFound),
            Err(ProofError::Missing(_)) => return Err(Error::Integrity),
        }
    }
    Err(Error::Internal("a proof asked for too many tiles".to_owned()))
}

/// Inclusion proof of entry `index` in the tree of `size`.
pub(crate) async fn inclusion(store: &dyn Store, stream: &StreamId, index: u64, size: u64) -> Result<Vec<Hash>> {
    prove(store, stream, |tiles| proof::inclusion(tiles, index, size)).await
}

/// Consistency proof from the tree of `old` entries to that of `new`.
pub(crate) async fn consistency(store: &dyn Store, stream: &StreamId, old: u64, new: u64) -> Result<Vec<Hash>> {
    prove(store, stream, |tiles| proof::consistency(tiles, old, new)).await
}
