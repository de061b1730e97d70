//! Emergency access: a chart outside one's care, for an hour, with a reason that the patient reads.

use serde::{Deserialize, Serialize};

use crate::date::Moment;
use crate::{AccountId, EmergencyId, FieldError, FieldErrors, LogEventId, PatientId, field};

/// How long one emergency access lasts.
pub const EMERGENCY_MS: i64 = 60 * 60 * 1000;
/// More than so many by one person within [`DAY_MS`] raise an alarm.
pub const EMERGENCIES_A_DAY: usize = 3;
pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Why somebody outside the care team opens a chart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    LifeThreatening,
    NobodyAvailable,
    OtherDirectCare,
}

impl Why {
    pub const ALL: [Why; 3] = [Why::LifeThreatening, Why::NobodyAvailable, Why::OtherDirectCare];
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Why::LifeThreatening => "life_threatening",
            Why::NobodyAvailable => "nobody_available",
            Why::OtherDirectCare => "other_direct_care",
        }
    }
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Why::LifeThreatening => "Life-threatening emergency",
            Why::NobodyAvailable => "Urgent care and no team member is available",
            Why::OtherDirectCare => "Other direct care reason",
        }
    }
}

/// What is asked before the chart opens, as typed. Nothing is chosen beforehand.
#[derive(Clone, Default)]
pub struct EmergencyForm {
    pub why: String,
    pub sentence: String,
}

impl EmergencyForm {
    /// # Errors
    /// On `why` when nothing is chosen; on `sentence` when it is not 20 to 300 characters.
    pub fn parse(&self) -> Result<(Why, String), FieldErrors> {
        let mut errors = FieldErrors::new();
        let why = Why::ALL.into_iter().find(|why| why.code() == self.why);
        let why = errors.take(why.ok_or_else(|| FieldError::new("why", "Choose why you need access.")));
        let sentence = errors.take(field::text("sentence", &self.sentence, 20, 300, false));
        errors.into_result(why.zip(sentence))
    }
}

/// What a session carries while it lasts: looked at on every request, so ending it counts at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Emergency {
    pub id: EmergencyId,
    pub patient: PatientId,
    pub until: Moment,
}

impl Emergency {
    #[must_use]
    pub fn is_live(&self, now: Moment) -> bool {
        now < self.until
    }
}

/// What the privacy officer found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Justified,
    NotJustified,
}

impl Decision {
    pub const ALL: [Decision; 2] = [Decision::Justified, Decision::NotJustified];
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Decision::Justified => "justified",
            Decision::NotJustified => "not_justified",
        }
    }
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Decision::Justified => "Justified",
            Decision::NotJustified => "Not justified",
        }
    }
}

/// A review as typed.
#[derive(Clone, Default)]
pub struct ReviewForm {
    pub decision: String,
    pub note: String,
}

impl ReviewForm {
    /// # Errors
    /// On `decision` when nothing is chosen; on `note` when it is not 10 to 500 characters.
    pub fn parse(&self) -> Result<(Decision, String), FieldErrors> {
        let mut errors = FieldErrors::new();
        let decision = Decision::ALL.into_iter().find(|decision| decision.code() == self.decision);
        let decision = errors.take(decision.ok_or_else(|| FieldError::new("decision", "Choose what you found.")));
        let note = errors.take(field::text("note", &self.note, 10, 500, true));
        errors.into_result(decision.zip(note))
    }
}

/// One emergency access as the review queue keeps it. The reason is in the log, under the
/// patient's key; nothing here tells what is in the chart.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EmergencyAccess {
    pub id: EmergencyId,
    pub patient: PatientId,
    pub account: AccountId,
    /// The event that holds the reason.
    pub event: LogEventId,
    pub opened_at: Moment,
    pub until: Moment,
    /// Ended before its time.
    pub ended_at: Option<Moment>,
    pub review: Option<Review>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Review {
    pub by: AccountId,
    pub at: Moment,
    pub decision: Decision,
}

/// Why a review is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReviewRefusal {
    #[error("This emergency access was reviewed already.")]
    Done,
    #[error("Somebody else must review your own emergency access.")]
    OwnAccess,
}

impl EmergencyAccess {
    #[must_use]
    pub fn ended(&self, at: Moment) -> Self {
        Self { ended_at: Some(at), ..self.clone() }
    }
    /// # Errors
    /// When it was reviewed, or when the reviewer is who took it.
    pub fn reviewed(&self, by: AccountId, at: Moment, decision: Decision) -> Result<Self, ReviewRefusal> {
        if self.account == by {
            return Err(ReviewRefusal::OwnAccess);
        }
        if self.review.is_some() {
            return Err(ReviewRefusal::Done);
        }
        Ok(Self { review: Some(Review { by, at, decision }), ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> EmergencyAccess {
        EmergencyAccess {
            id: EmergencyId::from_bytes([1; 16]),
            patient: PatientId::from_bytes([2; 16]),
            account: AccountId::from_bytes([3; 16]),
            event: LogEventId::from_bytes([4; 16]),
            opened_at: Moment(0),
            until: Moment(EMERGENCY_MS),
            ended_at: None,
            review: None,
        }
    }

    #[test]
    fn it_wants_a_reason_and_a_sentence_and_names_what_is_missing() {
        let form = |why: &str, sentence: &str| EmergencyForm { why: why.to_owned(), sentence: sentence.to_owned() };
        let fields = |form: EmergencyForm| form.parse().unwrap_err().0.iter().map(|error| error.field).collect::<Vec<_>>();
        assert_eq!(fields(form("", "")), ["why", "sentence"]);
        assert_eq!(fields(form("curiosity", "Acute weakness on the ward.")), ["why"]);
        assert_eq!(fields(form("life_threatening", "too short")), ["sentence"]);
        assert_eq!(form("life_threatening", "Acute weakness on the ward.").parse().unwrap().0, Why::LifeThreatening);
    }

    #[test]
    fn it_ends_to_the_millisecond() {
        let emergency = Emergency { id: access().id, patient: access().patient, until: Moment(EMERGENCY_MS) };
        assert!(emergency.is_live(Moment(EMERGENCY_MS - 1)));
        assert!(!emergency.is_live(Moment(EMERGENCY_MS)));
    }

    #[test]
    fn it_is_reviewed_once_and_never_by_who_took_it() {
        let officer = AccountId::from_bytes([9; 16]);
        assert_eq!(access().reviewed(access().account, Moment(1), Decision::Justified), Err(ReviewRefusal::OwnAccess));
        let done = access().reviewed(officer, Moment(1), Decision::NotJustified).unwrap();
        assert_eq!(done.reviewed(officer, Moment(2), Decision::Justified), Err(ReviewRefusal::Done));
    }
}
