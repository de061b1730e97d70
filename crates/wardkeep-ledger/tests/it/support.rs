//! A tree in memory with its tiles, and leaves whose every field follows from a number.

use std::collections::HashMap;
use std::convert::Infallible;

use wardkeep_ledger::commitment::{Commitment, Label};
use wardkeep_ledger::proof::Tiles;
use wardkeep_ledger::tree::{TileId, leaf_hash};
use wardkeep_ledger::{Class, Edge, EventId, Hash, Head, Leaf, Outcome, Salt, StreamId};

/// A grown tree: its tiles as an engine would keep them.
#[derive(Default)]
pub(crate) struct Grown {
    pub(crate) edge: Edge,
    pub(crate) tiles: HashMap<TileId, Vec<Hash>>,
}

impl Grown {
    pub(crate) fn of(hashes: &[Hash]) -> Self {
        let mut grown = Self::default();
        grown.append(hashes);
        grown
    }
    pub(crate) fn append(&mut self, hashes: &[Hash]) {
        self.tiles.extend(self.edge.append(hashes));
    }
    pub(crate) fn head(&self) -> Head {
        self.edge.head()
    }
}

impl Tiles for Grown {
    type Error = Infallible;
    fn tile(&mut self, id: TileId) -> Result<Option<Vec<Hash>>, Infallible> {
        Ok(self.tiles.get(&id).cloned())
    }
}

pub(crate) fn hashes(count: usize) -> Vec<Hash> {
    (0..count as u64).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

/// The classes of the first release: what comes later must not change the vectors.
const CODES: [u16; 54] = [
    1, 2, 3, 4, 5, 20, 21, 22, 23, 24, 25, 26, 27, 28, 40, 41, 42, 43, 44, 45, 46, 47, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72,
    73, 80, 81, 82, 83, 84, 100, 101, 102, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128,
];

pub(crate) fn leaf(number: u64) -> Leaf {
    let byte = number as u8;
    let commit = |label, part: u8| Commitment::new(&Salt([byte ^ part; 32]), label, &[&[byte, part], b"field"]);
    Leaf {
        time_ms: 1_790_000_000_000 + number as i64,
        stream: StreamId::parse("records.main").unwrap(),
        boot: [byte.wrapping_add(1); 16],
        sequence: number,
        event: EventId([byte.wrapping_add(2); 16]),
        class: Class::from_code(CODES[number as usize % CODES.len()]).unwrap(),
        outcome: [Outcome::Success, Outcome::Denied, Outcome::Failed][number as usize % 3],
        actor: commit(Label::Actor, 1),
        subject: commit(Label::Subject, 2),
        resource: commit(Label::Resource, 3),
        detail: commit(Label::Detail, 4),
    }
}
