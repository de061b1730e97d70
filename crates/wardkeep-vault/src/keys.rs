//! Keys: one key, one purpose. root key -> store key -> purpose keys and wrapped patient keys.

/// A patient's data key, with the patient it belongs to. Wiped on drop.
#[derive(Clone)]
pub struct PatientKey {
    owner: [u8; 16],
    _todo: (),
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
}

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
