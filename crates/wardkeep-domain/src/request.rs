//! What one person may not do alone: asked for by one, allowed by another, done once by the first.
//!
//! A request says exactly what is to be done, so that the second person allows this act and no
//! other. Its states change only through the functions here, each of which can refuse.

use serde::{Deserialize, Serialize};

use crate::account::Role;
use crate::date::Moment;
use crate::field;
use crate::name::Email;
use crate::service::Planned;
use crate::{AccountId, FieldError, PatientId, RequestId};

/// A request that nobody decided on is void after this long.
pub const WAITING_MS_MAX: i64 = 24 * 60 * 60 * 1000;
/// An approval is good for this long, and for one act.
pub const APPROVAL_MS_MAX: i64 = 60 * 60 * 1000;
/// Length of the reason in characters.
pub const REASON_MIN: usize = 20;
pub const REASON_MAX: usize = 500;
/// Longest note of the person who refuses, in characters.
pub const NOTE_MAX: usize = 500;

/// Which part of the log an export is about; empty means all of it.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct LogScope {
    pub from: Option<Moment>,
    pub to: Option<Moment>,
    /// E-mail address of an account.
    pub person: String,
    /// MRN of a patient.
    pub mrn: String,
    /// Dotted name of an event class.
    pub class: String,
    /// `success`, `denied` or `failed`.
    pub outcome: String,
}

/// What is asked for.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// An invitation into a role that decides on requests like this one.
    GrantRole { email: Email, display_name: String, role: Role },
    /// Taking somebody's second factor away, after their identity was checked in person.
    ResetFactor { account: AccountId, person: String },
    /// More of the log than anybody may take away alone.
    ExportLog { scope: LogScope },
    /// All stroke assessments.
    ExportAssessments,
    /// Taking a patient and everything of theirs out of both stores. By id: a request outlives them.
    ErasePatient { patient: PatientId },
    /// A service account that may do more than those who make it.
    MakeService { planned: Planned },
}

impl std::fmt::Debug for RequestKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RequestKind({})", self.code())
    }
}

impl RequestKind {
    /// As policy and the log call it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            RequestKind::GrantRole { .. } => "grant_role",
            RequestKind::ResetFactor { .. } => "reset_factor",
            RequestKind::ExportLog { .. } => "export_log",
            RequestKind::ExportAssessments => "export_assessments",
            RequestKind::MakeService { .. } => "make_service",
            RequestKind::ErasePatient { .. } => "erase_patient",
        }
    }
    /// Takes two people also while there is nobody else, and only a privacy officer is the second one.
    #[must_use]
    pub fn always_takes_two(&self) -> bool {
        match self {
            RequestKind::GrantRole { .. } | RequestKind::ResetFactor { .. } => false,
            RequestKind::ExportLog { .. }
            | RequestKind::ExportAssessments
            | RequestKind::ErasePatient { .. }
            | RequestKind::MakeService { .. } => true,
        }
    }
    /// The account that the request is about: its owner decides as little as who asked.
    #[must_use]
    pub fn about(&self) -> Option<AccountId> {
        match self {
            RequestKind::ResetFactor { account, .. } => Some(*account),
            RequestKind::GrantRole { .. }
            | RequestKind::ExportLog { .. }
            | RequestKind::ExportAssessments
            | RequestKind::ErasePatient { .. }
            | RequestKind::MakeService { .. } => None,
        }
    }
}

/// May an invitation into this role be made by one person? Whoever decides on requests is let in by
/// two: otherwise one person could invite the second one.
#[must_use]
pub fn role_decides(role: Role) -> bool {
    matches!(role, Role::Administrator | Role::PrivacyOfficer)
}

/// Where a request stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    Waiting,
    Approved {
        by: AccountId,
        at: Moment,
    },
    Refused {
        by: AccountId,
        at: Moment,
        note: String,
    },
    Used {
        at: Moment,
    },
    /// Nobody decided in time, or the approval was not used in time. Follows from the clock and is
    /// never stored.
    Expired,
}

/// A request as sealed in the control store.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub id: RequestId,
    pub kind: RequestKind,
    pub asked_by: AccountId,
    pub asked_at: Moment,
    pub reason: String,
    pub state: RequestState,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({}, {})", self.id, self.kind.code())
    }
}

/// Why a request cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestRefusal {
    #[error("Nobody decides on a request that they made themselves or that is about their own account.")]
    Own,
    #[error("This request was decided on already. Look at what became of it.")]
    Decided,
    #[error("This request is not approved.")]
    NotApproved,
    #[error("This approval was used already. Ask again if it is needed once more.")]
    Used,
    #[error("This request has expired. Ask again.")]
    Expired,
}

/// # Errors
/// On `reason`, when it is shorter than 20 or longer than 500 characters.
pub fn parse_reason(text: &str) -> Result<String, FieldError> {
    field::text("reason", text, REASON_MIN, REASON_MAX, true)
}

/// # Errors
/// On `note`, when it is empty or longer than 500 characters.
pub fn parse_note(text: &str) -> Result<String, FieldError> {
    field::text("note", text, 1, NOTE_MAX, true)
}

impl Request {
    #[must_use]
    pub fn new(id: RequestId, kind: RequestKind, asked_by: AccountId, reason: String, now: Moment) -> Self {
        Self { id, kind, asked_by, asked_at: now, reason, state: RequestState::Waiting }
    }

    /// Where it stands at this moment.
    #[must_use]
    pub fn state_at(&self, now: Moment) -> RequestState {
        let late = match &self.state {
            RequestState::Waiting => now.since_ms(self.asked_at) >= WAITING_MS_MAX,
            RequestState::Approved { at, .. } => now.since_ms(*at) >= APPROVAL_MS_MAX,
            RequestState::Refused { .. } | RequestState::Used { .. } | RequestState::Expired => false,
        };
        if late { RequestState::Expired } else { self.state.clone() }
    }

    /// Did this person make it, or is it about their account?
    #[must_use]
    pub fn is_own(&self, account: AccountId) -> bool {
        self.asked_by == account || self.kind.about() == Some(account)
    }

    /// Waiting -> approved, by somebody else.
    ///
    /// # Errors
    /// The [`RequestRefusal`].
    pub fn approve(&self, by: AccountId, now: Moment) -> Result<Self, RequestRefusal> {
        self.decided(by, now, RequestState::Approved { by, at: now })
    }

    /// Waiting -> refused, by somebody else.
    ///
    /// # Errors
    /// The [`RequestRefusal`].
    pub fn refuse(&self, by: AccountId, note: String, now: Moment) -> Result<Self, RequestRefusal> {
        self.decided(by, now, RequestState::Refused { by, at: now, note })
    }

    fn decided(&self, by: AccountId, now: Moment, state: RequestState) -> Result<Self, RequestRefusal> {
        match self.state_at(now) {
            _ if self.is_own(by) => Err(RequestRefusal::Own),
            RequestState::Waiting => Ok(Self { state, ..self.clone() }),
            RequestState::Expired => Err(RequestRefusal::Expired),
            RequestState::Approved { .. } | RequestState::Refused { .. } | RequestState::Used { .. } => Err(RequestRefusal::Decided),
        }
    }

    /// Approved -> used. Gives who approved it too.
    ///
    /// # Errors
    /// The [`RequestRefusal`].
    pub fn consume(&self, now: Moment) -> Result<(Self, AccountId), RequestRefusal> {
        match self.state_at(now) {
            RequestState::Approved { by, .. } => Ok((Self { state: RequestState::Used { at: now }, ..self.clone() }, by)),
            RequestState::Used { .. } => Err(RequestRefusal::Used),
            RequestState::Expired => Err(RequestRefusal::Expired),
            RequestState::Waiting | RequestState::Refused { .. } => Err(RequestRefusal::NotApproved),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKER: AccountId = AccountId::from_bytes([1; 16]);
    const OTHER: AccountId = AccountId::from_bytes([2; 16]);
    const CONCERNED: AccountId = AccountId::from_bytes([3; 16]);

    fn request() -> Request {
        let kind = RequestKind::ResetFactor { account: CONCERNED, person: "Nila Patel".to_owned() };
        Request::new(RequestId::from_bytes([9; 16]), kind, ASKER, "Lost the telephone; seen in person.".to_owned(), Moment(0))
    }

    #[test]
    fn nobody_decides_on_their_own_request_nor_on_one_about_themselves() {
        for own in [ASKER, CONCERNED] {
            assert_eq!(request().approve(own, Moment(1)), Err(RequestRefusal::Own));
            assert_eq!(request().refuse(own, "No".to_owned(), Moment(1)), Err(RequestRefusal::Own));
        }
        assert!(request().approve(OTHER, Moment(1)).is_ok());
    }

    #[test]
    fn a_request_waits_a_day_and_an_approval_an_hour() {
        let last = Moment(WAITING_MS_MAX - 1);
        let approved = request().approve(OTHER, last).unwrap();
        assert_eq!(request().approve(OTHER, Moment(WAITING_MS_MAX)), Err(RequestRefusal::Expired));
        assert_eq!(request().state_at(Moment(WAITING_MS_MAX)), RequestState::Expired);
        assert!(approved.consume(last.plus_ms(APPROVAL_MS_MAX - 1)).is_ok());
        assert_eq!(approved.consume(last.plus_ms(APPROVAL_MS_MAX)), Err(RequestRefusal::Expired));
    }

    #[test]
    fn an_approval_counts_once_and_a_decision_is_final() {
        let (approved, now) = (request().approve(OTHER, Moment(1)).unwrap(), Moment(2));
        let (used, by) = approved.consume(now).unwrap();
        assert_eq!(by, OTHER);
        assert_eq!(used.consume(now), Err(RequestRefusal::Used));
        let refused = request().refuse(OTHER, "Not known here.".to_owned(), now).unwrap();
        for decided in [&approved, &used, &refused] {
            assert_eq!(decided.approve(OTHER, now), Err(RequestRefusal::Decided));
            assert_eq!(decided.refuse(OTHER, "No".to_owned(), now), Err(RequestRefusal::Decided));
        }
        assert_eq!(refused.consume(now), Err(RequestRefusal::NotApproved));
        assert_eq!(request().consume(now), Err(RequestRefusal::NotApproved));
    }

    #[test]
    fn a_reason_has_twenty_to_five_hundred_characters() {
        assert!(parse_reason(&"é".repeat(REASON_MIN)).is_ok() && parse_reason(&"é".repeat(REASON_MAX)).is_ok());
        for wrong in ["", "   too short   ", &"x".repeat(REASON_MAX + 1), "twenty characters and\u{7} more"] {
            assert_eq!(parse_reason(wrong).unwrap_err().field, "reason");
        }
    }
}
