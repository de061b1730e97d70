//! The leaf: the public-safe bytes of one event. Carries no identity of patient or staff.

use crate::commitment::{Commitment, Salt};

/// A random 16-byte id of one event (UUIDv7 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct EventId(pub [u8; 16]);

/// Name of a stream, `[a-z0-9.-]{1,64}`, for example `control.main`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct StreamId(String);

impl StreamId {
    /// # Errors
    /// When the name is not 1 to 64 characters of `a-z`, `0-9`, `.` or `-`.
    pub fn parse(name: &str) -> Result<Self, LeafError> {
        let ok = !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'));
        if ok { Ok(Self(name.to_owned())) } else { Err(LeafError::StreamName) }
    }
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What happened. The wire form is the `u16` code; the dotted name is for people.
/// Codes are never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u16)]
pub enum Class {
    // access to the system
    SignIn = 1,
    SignOut = 2,
    FactorChanged = 3,
    SessionRevoked = 4,
    PasswordChanged = 5,
    // accounts
    AccountCreated = 20,
    AccountInvited = 21,
    AccountSuspended = 22,
    AccountReinstated = 23,
    RoleGranted = 24,
    RoleTaken = 25,
    AccountLinked = 26,
    FactorReset = 27,
    // disclosures
    ChartOpened = 40,
    RecordRead = 41,
    SearchRun = 42,
    DocumentDownloaded = 43,
    Exported = 44,
    Printed = 45,
    LogRead = 46,
    AccessHistoryRead = 47,
    // records
    RecordCreated = 60,
    RecordAmended = 61,
    RecordVoided = 62,
    RecordRestored = 63,
    PatientCreated = 64,
    PatientAmended = 65,
    PatientMerged = 66,
    PatientErased = 67,
    DocumentUploaded = 68,
    DocumentVoided = 69,
    AssessmentCreated = 70,
    AssessmentAmended = 71,
    AssessmentVoided = 72,
    Imported = 73,
    // who may
    CareTeamChanged = 80,
    Granted = 81,
    BreakGlassOpened = 82,
    BreakGlassReviewed = 83,
    Denied = 84,
    // keys
    KeyCreated = 100,
    KeyRotated = 101,
    KeyShredded = 102,
    // running the house
    HospitalCreated = 119,
    Backup = 120,
    Restore = 121,
    ConfigurationChanged = 122,
    StreamOpened = 123,
    PeerHeads = 124,
    CheckpointSigned = 125,
    VerificationRun = 126,
    IntegrityAlarm = 127,
    JobRun = 128,
}

impl Class {
    /// Every class, in code order.
    pub const ALL: &'static [Class] = &[]; // ledger helper: fill, with a test that it is complete

    /// Stable dotted name, for example `record.amended`.
    #[must_use]
    pub fn name(self) -> &'static str {
        todo!("ledger helper")
    }
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let _ = name;
        todo!("ledger helper")
    }
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        let _ = code;
        todo!("ledger helper")
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Outcome {
    Success = 1,
    Denied = 2,
    Failed = 3,
}

/// What a use case knows of an event before it is committed. The committer adds stream, boot id,
/// the sequence in the boot and the subject's running number.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Milliseconds since the Unix epoch, UTC.
    pub time_ms: i64,
    pub event: EventId,
    pub class: Class,
    pub outcome: Outcome,
    pub actor: Commitment,
    /// `None` when the event is about no patient; the leaf then holds an all-zero commitment.
    pub subject: Option<SubjectDraft>,
    pub resource: Commitment,
    pub detail: Commitment,
}

/// The subject's commitment needs the subject's running number, which only the engine knows
/// inside its transaction: it counts under `counter` and calls [`SubjectDraft::commit`].
#[derive(Clone, Debug)]
pub struct SubjectDraft {
    /// Opaque key of the running number (a blind term of the patient id).
    pub counter: [u8; 16],
    pub salt: Salt,
    /// The patient id bytes.
    pub subject: [u8; 16],
}

impl SubjectDraft {
    /// Commitment over (subject, running number as u64 big endian).
    #[must_use]
    pub fn commit(&self, number: u64) -> Commitment {
        let _ = number;
        todo!("ledger helper")
    }
}

/// A complete leaf as it stands in the tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaf {
    pub time_ms: i64,
    pub stream: StreamId,
    /// Random id of one run of one process.
    pub boot: [u8; 16],
    /// 0, 1, 2 … within the boot, without gaps.
    pub sequence: u64,
    pub event: EventId,
    pub class: Class,
    pub outcome: Outcome,
    pub actor: Commitment,
    pub subject: Commitment,
    pub resource: Commitment,
    pub detail: Commitment,
}

impl Leaf {
    /// Completes a draft. `subject_number` must be given exactly when the draft has a subject.
    #[must_use]
    pub fn complete(draft: &Draft, stream: &StreamId, boot: [u8; 16], sequence: u64, subject_number: Option<u64>) -> Self {
        let _ = (draft, stream, boot, sequence, subject_number);
        todo!("ledger helper")
    }
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        todo!("ledger helper")
    }
    /// # Errors
    /// When the bytes are not exactly one leaf of a known format.
    pub fn decode(bytes: &[u8]) -> Result<Self, LeafError> {
        let _ = bytes;
        todo!("ledger helper")
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LeafError {
    #[error("a stream name is 1 to 64 characters of a-z, 0-9, '.' or '-'")]
    StreamName,
    #[error("not a leaf of a known format: {0}")]
    Malformed(&'static str),
}
