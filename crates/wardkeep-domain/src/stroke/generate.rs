//! Makes rows of the public layout with plausible correlations; the same seed gives the same rows.

use crate::stroke::Attributes;

/// An endless, seeded source of rows (own small xorshift; not for secrets).
#[derive(Clone, Debug)]
pub struct Generator {
    state: u64,
}

impl Generator {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }
    /// A uniform number below `bound` (bound > 0).
    pub fn below(&mut self, bound: u64) -> u64 {
        let _ = (bound, &mut self.state);
        todo!("domain helper")
    }
    pub fn attributes(&mut self) -> Attributes {
        todo!("domain helper")
    }
}

/// A whole CSV of `rows` rows with header and final newline.
#[must_use]
pub fn csv(rows: u64, seed: u64) -> String {
    let _ = (rows, seed);
    todo!("domain helper")
}
