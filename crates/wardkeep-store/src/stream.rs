//! What an engine remembers of a stream between commits, and how a batch grows it. Engines differ
//! in where they keep rows; how leaves are numbered and completed is the same for all.

use wardkeep_ledger::{Draft, Edge, Hash, Leaf, tree::TileId, tree::leaf_hash};

use crate::contract::{Entry, StoreError, Writer};

/// The end of a stream as of the last durable commit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    pub(crate) edge: Edge,
    /// The run that wrote last, and the sequence of its next leaf.
    pub(crate) boot: [u8; 16],
    pub(crate) next_sequence: u64,
    /// Runs that were superseded on this engine: they must not come back.
    pub(crate) past: Vec<[u8; 16]>,
}

/// A batch's leaves while it is being put together.
pub(crate) struct Growth<'a> {
    writer: &'a Writer,
    pub(crate) tail: Tail,
    hashes: Vec<Hash>,
}

impl<'a> Growth<'a> {
    /// # Errors
    /// [`StoreError::StreamLost`] when another run has taken the stream over since.
    pub(crate) fn begin(writer: &'a Writer, mut tail: Tail) -> Result<Self, StoreError> {
        if tail.past.contains(&writer.boot) {
            return Err(StoreError::StreamLost(writer.stream.as_str().to_owned()));
        }
        if tail.boot != writer.boot {
            if tail.next_sequence > 0 {
                tail.past.push(tail.boot);
            }
            tail.boot = writer.boot;
            tail.next_sequence = 0;
        }
        Ok(Self { writer, tail, hashes: Vec::new() })
    }

    /// Completes a draft as the stream's next leaf.
    pub(crate) fn leaf(&mut self, draft: &Draft, subject_number: Option<u64>) -> Entry {
        let index = self.tail.edge.size() + self.hashes.len() as u64;
        let leaf = Leaf::complete(draft, &self.writer.stream, self.tail.boot, self.tail.next_sequence, subject_number).encode();
        self.tail.next_sequence += 1;
        self.hashes.push(leaf_hash(&leaf));
        Entry { index, leaf, subject_number }
    }

    pub(crate) fn stream(&self) -> &str {
        self.writer.stream.as_str()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Grows the tree: every tile that changed, each once. Store them before `tail` counts.
    pub(crate) fn finish(&mut self) -> Vec<(TileId, Vec<Hash>)> {
        let hashes = std::mem::take(&mut self.hashes);
        self.tail.edge.append(&hashes)
    }
}
