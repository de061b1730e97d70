//! The integrity badge: computed from commitment, tag, digest and ledger, never stored.

use wardkeep_domain::date::Moment;

/// The states of the badge that can occur.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Badge {
    Verified,
    VerifiedAmended,
    /// Its log entry is durable but not yet under a signed checkpoint.
    WaitingForSeal,
    CheckFailed,
}

impl Badge {
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Badge::Verified => "Verified",
            Badge::VerifiedAmended => "Verified, amended",
            Badge::WaitingForSeal => "Waiting for seal",
            Badge::CheckFailed => "Check failed",
        }
    }
}

/// One of the plain checks behind a badge.
#[derive(Clone, Debug)]
pub struct Check {
    pub ok: bool,
    /// "The text has not changed since it was signed".
    pub words: String,
    /// "Fingerprint matches: 9f2c 41d7 … e07b 5a13".
    pub fine_print: String,
}

/// What a click on the badge shows.
#[derive(Clone, Debug)]
pub struct Proof {
    pub checks: Vec<Check>,
    /// SHA-256 of the sealed bytes, hex.
    pub digest: String,
    pub event: [u8; 16],
    pub stream: String,
    pub index: u64,
    pub tree_size: u64,
    /// Root hash, hex.
    pub root: String,
    pub sealed_at: Option<Moment>,
}

/// Digests already checked against the ledger in this run (bounded).
#[derive(Debug, Default)]
pub struct Checked {
    _todo: (),
}
