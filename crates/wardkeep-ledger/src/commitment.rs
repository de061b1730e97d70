//! Salted commitments: what a leaf says about people and things without naming them.

use zeroize::Zeroize;

/// 32 fresh random bytes per event. Kept sealed with the clear event; never in a leaf.
#[derive(Clone, Zeroize)]
#[zeroize(drop)]
pub struct Salt(pub [u8; 32]);

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt(…)")
    }
}

/// HMAC-SHA-256 under the event's salt over a label and length-prefixed fields.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Commitment(pub [u8; 32]);

impl Commitment {
    /// Commits to `fields` (each length-prefixed, u32 big endian) under `label`.
    #[must_use]
    pub fn new(salt: &Salt, label: Label, fields: &[&[u8]]) -> Self {
        let _ = (salt, label, fields);
        todo!("ledger helper")
    }
}

/// Which of the four commitments of a leaf; bound into the HMAC so that they cannot be swapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Label {
    Actor,
    Subject,
    Resource,
    Detail,
}
