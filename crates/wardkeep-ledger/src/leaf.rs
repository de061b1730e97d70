//! The leaf: the public-safe bytes of one event. Carries no identity of patient or staff.

use crate::commitment::{Commitment, Label, Salt};

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
    AccountsRead = 28,
    ServiceChanged = 29,
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
    BreakGlassEnded = 85,
    QuestionAsked = 86,
    QuestionAnswered = 87,
    AccessReviewed = 88,
    ApprovalAsked = 89,
    ApprovalDecided = 90,
    // forms that were not sent
    DraftKept = 91,
    DraftOpened = 92,
    DraftDropped = 93,
    // legal hold
    HoldPlaced = 94,
    HoldLifted = 95,
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
    /// Every class with its stable dotted name, in code order.
    pub const ALL: &'static [(Class, &'static str)] = CLASSES;

    /// Stable dotted name, for example `record.amended`.
    #[must_use]
    pub fn name(self) -> &'static str {
        CLASSES.iter().find(|(class, _)| *class == self).map_or("unknown", |(_, name)| name)
    }
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        CLASSES.iter().find(|(_, known)| *known == name).map(|(class, _)| *class)
    }
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        CLASSES.iter().find(|(class, _)| *class as u16 == code).map(|(class, _)| *class)
    }
}

const CLASSES: &[(Class, &str)] = &[
    (Class::SignIn, "sign-in"),
    (Class::SignOut, "sign-out"),
    (Class::FactorChanged, "factor.changed"),
    (Class::SessionRevoked, "session.revoked"),
    (Class::PasswordChanged, "password.changed"),
    (Class::AccountCreated, "account.created"),
    (Class::AccountInvited, "account.invited"),
    (Class::AccountSuspended, "account.suspended"),
    (Class::AccountReinstated, "account.reinstated"),
    (Class::RoleGranted, "role.granted"),
    (Class::RoleTaken, "role.taken"),
    (Class::AccountLinked, "account.linked"),
    (Class::FactorReset, "factor.reset"),
    (Class::AccountsRead, "accounts.read"),
    (Class::ServiceChanged, "service.changed"),
    (Class::ChartOpened, "chart.opened"),
    (Class::RecordRead, "record.read"),
    (Class::SearchRun, "search.run"),
    (Class::DocumentDownloaded, "document.downloaded"),
    (Class::Exported, "exported"),
    (Class::Printed, "printed"),
    (Class::LogRead, "log.read"),
    (Class::AccessHistoryRead, "access-history.read"),
    (Class::RecordCreated, "record.created"),
    (Class::RecordAmended, "record.amended"),
    (Class::RecordVoided, "record.voided"),
    (Class::RecordRestored, "record.restored"),
    (Class::PatientCreated, "patient.created"),
    (Class::PatientAmended, "patient.amended"),
    (Class::PatientMerged, "patient.merged"),
    (Class::PatientErased, "patient.erased"),
    (Class::DocumentUploaded, "document.uploaded"),
    (Class::DocumentVoided, "document.voided"),
    (Class::AssessmentCreated, "assessment.created"),
    (Class::AssessmentAmended, "assessment.amended"),
    (Class::AssessmentVoided, "assessment.voided"),
    (Class::Imported, "imported"),
    (Class::CareTeamChanged, "care-team.changed"),
    (Class::Granted, "granted"),
    (Class::BreakGlassOpened, "break-glass.opened"),
    (Class::BreakGlassReviewed, "break-glass.reviewed"),
    (Class::Denied, "denied"),
    (Class::BreakGlassEnded, "break-glass.ended"),
    (Class::QuestionAsked, "question.asked"),
    (Class::QuestionAnswered, "question.answered"),
    (Class::AccessReviewed, "access.reviewed"),
    (Class::ApprovalAsked, "approval.asked"),
    (Class::ApprovalDecided, "approval.decided"),
    (Class::DraftKept, "draft.kept"),
    (Class::DraftOpened, "draft.opened"),
    (Class::DraftDropped, "draft.dropped"),
    (Class::HoldPlaced, "hold.placed"),
    (Class::HoldLifted, "hold.lifted"),
    (Class::KeyCreated, "key.created"),
    (Class::KeyRotated, "key.rotated"),
    (Class::KeyShredded, "key.shredded"),
    (Class::HospitalCreated, "hospital.created"),
    (Class::Backup, "backup"),
    (Class::Restore, "restore"),
    (Class::ConfigurationChanged, "configuration.changed"),
    (Class::StreamOpened, "stream.opened"),
    (Class::PeerHeads, "peer.heads"),
    (Class::CheckpointSigned, "checkpoint.signed"),
    (Class::VerificationRun, "verification.run"),
    (Class::IntegrityAlarm, "integrity.alarm"),
    (Class::JobRun, "job.run"),
];

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Outcome {
    Success = 1,
    Denied = 2,
    Failed = 3,
}

impl Outcome {
    pub const ALL: [Outcome; 3] = [Outcome::Success, Outcome::Denied, Outcome::Failed];
    /// Stable name, for example `denied`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Denied => "denied",
            Outcome::Failed => "failed",
        }
    }
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
        Commitment::new(&self.salt, Label::Subject, &[&self.subject, &number.to_be_bytes()])
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
        let subject = match (&draft.subject, subject_number) {
            (Some(subject), Some(number)) => subject.commit(number),
            _ => NO_SUBJECT,
        };
        Self {
            time_ms: draft.time_ms,
            stream: stream.clone(),
            boot,
            sequence,
            event: draft.event,
            class: draft.class,
            outcome: draft.outcome,
            actor: draft.actor,
            subject,
            resource: draft.resource,
            detail: draft.detail,
        }
    }

    /// The leaf's bytes: every field length-prefixed (u16 big endian), in the order of the spec.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(300);
        let mut field = |data: &[u8]| {
            bytes.extend_from_slice(&u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend_from_slice(data);
        };
        field(FORMAT);
        field(&self.time_ms.to_be_bytes());
        field(self.stream.as_str().as_bytes());
        field(&self.boot);
        field(&self.sequence.to_be_bytes());
        field(&self.event.0);
        field(&(self.class as u16).to_be_bytes());
        field(&[self.outcome as u8]);
        for commitment in [&self.actor, &self.subject, &self.resource, &self.detail] {
            field(&commitment.0);
        }
        bytes
    }

    /// # Errors
    /// When the bytes are not exactly one leaf of a known format.
    pub fn decode(bytes: &[u8]) -> Result<Self, LeafError> {
        let mut rest = bytes;
        let mut field = || {
            let (length, tail) = rest.split_first_chunk::<2>().ok_or(LeafError::Malformed("cut off"))?;
            let (data, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(LeafError::Malformed("cut off"))?;
            rest = tail;
            Ok::<&[u8], LeafError>(data)
        };
        if field()? != FORMAT {
            return Err(LeafError::Malformed("unknown format"));
        }
        let time_ms = i64::from_be_bytes(fixed(field()?)?);
        let stream = StreamId::parse(std::str::from_utf8(field()?).map_err(|_| LeafError::StreamName)?)?;
        let boot = fixed(field()?)?;
        let sequence = u64::from_be_bytes(fixed(field()?)?);
        let event = EventId(fixed(field()?)?);
        let class = Class::from_code(u16::from_be_bytes(fixed(field()?)?)).ok_or(LeafError::Malformed("unknown class"))?;
        let outcome = match fixed::<1>(field()?)? {
            [1] => Outcome::Success,
            [2] => Outcome::Denied,
            [3] => Outcome::Failed,
            _ => return Err(LeafError::Malformed("unknown outcome")),
        };
        let mut commitment = || Ok::<_, LeafError>(Commitment(fixed(field()?)?));
        let (actor, subject, resource, detail) = (commitment()?, commitment()?, commitment()?, commitment()?);
        if !rest.is_empty() {
            return Err(LeafError::Malformed("bytes after the end"));
        }
        Ok(Self { time_ms, stream, boot, sequence, event, class, outcome, actor, subject, resource, detail })
    }
}

const FORMAT: &[u8] = b"wardkeep-leaf/1";

/// What stands in place of a subject when the event is about no patient.
pub const NO_SUBJECT: Commitment = Commitment([0; 32]);

fn fixed<const N: usize>(data: &[u8]) -> Result<[u8; N], LeafError> {
    data.try_into().map_err(|_| LeafError::Malformed("field of the wrong length"))
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LeafError {
    #[error("a stream name is 1 to 64 characters of a-z, 0-9, '.' or '-'")]
    StreamName,
    #[error("not a leaf of a known format: {0}")]
    Malformed(&'static str),
}
