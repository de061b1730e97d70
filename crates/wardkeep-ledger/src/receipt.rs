//! The proof, as a type, that an event is durable.

use crate::leaf::{EventId, StreamId};

/// Whose plaintext a commit discloses. The vault opens a patient's document only under a
/// [`Receipt`] that names that patient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Discloses {
    #[default]
    Nothing,
    Owners(Vec<[u8; 16]>),
    /// Background jobs and verification, which log one job event for a walk over everything.
    Everything,
}

/// Says that a changeset and its events are durable. Minted only by the committer of
/// `wardkeep-store` after the commit returned (a tidy test guards the one call site).
#[derive(Debug)]
pub struct Receipt {
    stream: StreamId,
    seq: u64,
    events: Vec<(EventId, u64, Option<u64>)>,
    discloses: Discloses,
}

impl Receipt {
    /// For the committer alone. `events`: (id, index in the stream, subject's running number).
    #[must_use]
    pub fn mint(stream: StreamId, seq: u64, events: Vec<(EventId, u64, Option<u64>)>, discloses: Discloses) -> Self {
        Self { stream, seq, events, discloses }
    }
    /// May plaintext of this owner leave under this receipt?
    #[must_use]
    pub fn covers(&self, owner: &[u8; 16]) -> bool {
        match &self.discloses {
            Discloses::Nothing => false,
            Discloses::Owners(owners) => owners.contains(owner),
            Discloses::Everything => true,
        }
    }
    #[must_use]
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }
    /// Commit sequence of the store.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }
    /// (event id, index in the stream, subject's running number) of each event, in order.
    #[must_use]
    pub fn events(&self) -> &[(EventId, u64, Option<u64>)] {
        &self.events
    }
}
