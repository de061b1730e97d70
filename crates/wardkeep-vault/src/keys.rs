//! Keys: one key, one purpose. root key -> store key -> purpose keys and wrapped patient keys.

use zeroize::Zeroize;

/// A patient's data key, with the patient it belongs to. Wiped on drop.
#[derive(Clone, Zeroize)]
#[zeroize(drop)]
pub struct PatientKey {
    pub(crate) owner: [u8; 16],
    pub(crate) epoch: u32,
    pub(crate) key: [u8; 32],
}

impl std::fmt::Debug for PatientKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PatientKey(…)")
    }
}

impl PatientKey {
    #[must_use]
    pub fn owner(&self) -> [u8; 16] {
        self.owner
    }
    /// `false` for the stand-in of a key that does not unwrap: it opens nothing.
    #[must_use]
    pub fn usable(&self) -> bool {
        self.epoch != UNUSABLE
    }
}

/// The epoch of no real key.
pub(crate) const UNUSABLE: u32 = 0;

/// Keys derived from the store key for data that is no patient's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Purpose {
    /// Accounts, sessions, invitations, grants, settings.
    Staff,
    /// Password hashes, TOTP secrets, recovery codes.
    Credentials,
    /// The actor's part of clear events, and events about no patient.
    Audit,
    /// The ledger's signing seed.
    Signing,
}

impl Purpose {
    pub(crate) const ALL: [Purpose; 4] = [Purpose::Staff, Purpose::Credentials, Purpose::Audit, Purpose::Signing];
    /// HKDF label, and the key id in the sealing context.
    pub(crate) fn label(self) -> &'static [u8] {
        match self {
            Purpose::Staff => b"staff",
            Purpose::Credentials => b"credentials",
            Purpose::Audit => b"audit",
            Purpose::Signing => b"signing",
        }
    }
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}
