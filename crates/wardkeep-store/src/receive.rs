//! The writing side of a copy from another engine: rows arrive as they stood there, with their
//! sequences, numbers and leaves. It is not a commit; nothing is checked, counted or completed.

use async_trait::async_trait;
use wardkeep_ledger::{EventId, Hash, Head, StreamId, tree::TileId};

use crate::contract::{DocId, Document, Entry, Owner, Seq, Store, StoreError};
use crate::inspect::Beside;

/// A document version with all that stands beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Whole {
    pub document: Document,
    pub beside: Beside,
}

/// One segment of a blob.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    pub blob: DocId,
    pub owner: Owner,
    pub number: u32,
    pub bytes: Vec<u8>,
}

/// The end of a stream, as its next commit needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    pub stream: StreamId,
    pub head: Head,
    /// The run that wrote last, and the sequence of its next leaf.
    pub boot: [u8; 16],
    pub next_sequence: u64,
}

/// A portion of a copy: rows of one sort, a few MiB at most.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rows {
    /// Ascending by sequence. Current versions take their terms and unique terms into the index.
    Documents(Vec<Whole>),
    Counters(Vec<([u8; 16], u64)>),
    Clock(Vec<(i64, Seq)>),
    /// The blobs in `whole` have all their segments with this portion and become part of the record.
    Files {
        segments: Vec<Segment>,
        whole: Vec<(DocId, Owner)>,
    },
    /// Ascending by index. The stream stays unlisted until its end is received.
    Leaves {
        stream: StreamId,
        leaves: Vec<(EventId, Entry)>,
    },
    Tiles {
        stream: StreamId,
        tiles: Vec<(TileId, Vec<Hash>)>,
    },
    /// The last portion: the commit sequence and the ends of all streams. It makes the copy a
    /// store that can be opened.
    End {
        seq: Seq,
        streams: Vec<End>,
    },
}

/// An engine that a store can be copied into.
///
/// - **Idempotent:** a portion that is received again changes nothing, so a copy that was cut off
///   can be run again.
/// - **Durable in order:** when a portion is there, so is every earlier one. Within a portion that
///   was cut off, the rows that are there are the first ones.
/// - **[`Rows::End`] is applied whole or not at all**; until then [`Store::streams`] is empty.
///
/// Nobody commits while a copy is received.
#[async_trait]
pub trait Receive: Send + Sync {
    /// The store that the rows go into.
    fn store(&self) -> &dyn Store;
    /// # Errors
    /// Those of [`Store::commit`]; the portion may then be there in part.
    async fn receive(&self, rows: Rows) -> Result<(), StoreError>;
}
