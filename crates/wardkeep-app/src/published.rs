//! The published log for whoever follows it from elsewhere: read from the stores, and never further
//! than what is signed.
//!
//! The files beside the database hold the newest partial tiles alone; a follower that took an older
//! checkpoint asks for older ones, so tiles are cut to the width that is asked for. Leaves name
//! nobody (docs/spec/ledger.md), so no permit is asked.

use wardkeep_ledger::publish::{Piece, encode_bundle};
use wardkeep_ledger::tree::TILE_WIDTH;
use wardkeep_ledger::{Checkpoint, StreamId};

use crate::act::Side;
use crate::{App, Error, Result};

impl App {
    /// The newest signed checkpoint of a stream, with the side on which it lies.
    async fn newest(&self, stream: &StreamId) -> Result<(Side, String, Checkpoint)> {
        for side in Side::BOTH {
            if let Some(note) = self.store(side).checkpoint(stream).await? {
                let checkpoint = Checkpoint::verify(&note, &self.signer.verifying_key()).map_err(|_| Error::Integrity)?;
                return Ok((side, note, checkpoint));
            }
        }
        Err(Error::NotFound)
    }

    /// A stream's newest signed checkpoint, as a C2SP signed note.
    ///
    /// # Errors
    /// `NotFound` for a stream that is none, or is not signed yet.
    pub async fn published_checkpoint(&self, stream: &str) -> Result<String> {
        let stream = StreamId::parse(stream).map_err(|_| Error::NotFound)?;
        self.newest(&stream).await.map(|(_, note, _)| note)
    }

    /// The newest checkpoint that witnesses cosigned, with their lines, as it lies beside this node's log.
    ///
    /// # Errors
    /// `NotFound` for a stream that is none, or that nobody has seen yet.
    pub async fn published_witnessed(&self, stream: &str) -> Result<String> {
        let stream = StreamId::parse(stream).map_err(|_| Error::NotFound)?;
        self.witnessed(&stream).await.ok_or(Error::NotFound)
    }

    /// The bytes of a tile or an entry bundle (C2SP tlog-tiles).
    ///
    /// # Errors
    /// `NotFound` for what lies beyond the newest signed checkpoint.
    pub async fn published_piece(&self, stream: &str, piece: Piece) -> Result<Vec<u8>> {
        let stream = StreamId::parse(stream).map_err(|_| Error::NotFound)?;
        let (side, _, checkpoint) = self.newest(&stream).await?;
        if !piece.is_within(checkpoint.head.size) {
            return Err(Error::NotFound);
        }
        let store = self.store(side);
        match piece {
            Piece::Tile(id, width) => {
                let hashes = store.tile(&stream, id).await?.ok_or(Error::Integrity)?;
                Ok(hashes.get(..width).ok_or(Error::Integrity)?.concat())
            }
            Piece::Bundle(index, width) => {
                let from = index.saturating_mul(TILE_WIDTH as u64);
                let entries = store.entries(&stream, from, width).await?;
                if entries.len() != width {
                    return Err(Error::Integrity);
                }
                Ok(encode_bundle(entries.iter().map(|entry| entry.leaf.as_slice())))
            }
        }
    }
}
