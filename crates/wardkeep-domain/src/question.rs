//! What a patient asks about an entry of the log, and the privacy officer's answer.

use serde::{Deserialize, Serialize};

use crate::date::Moment;
use crate::{AccountId, FieldError, LogEventId, PatientId, QuestionId, field};

/// Sealed under the patient's key: both texts may tell of the patient.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    pub id: QuestionId,
    pub patient: PatientId,
    /// The entry that is asked about.
    pub about: LogEventId,
    pub text: String,
    pub asked_at: Moment,
    pub answer: Option<Answer>,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Question({})", self.id)
    }
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub by: AccountId,
    pub at: Moment,
    pub text: String,
}

/// # Errors
/// When the text is not 10 to 500 characters.
pub fn parse_question(text: &str) -> Result<String, FieldError> {
    field::text("question", text, 10, 500, true)
}

/// # Errors
/// When the text is not 10 to 2,000 characters.
pub fn parse_answer(text: &str) -> Result<String, FieldError> {
    field::text("answer", text, 10, 2_000, true)
}

impl Question {
    /// `None` when it was answered already.
    #[must_use]
    pub fn answered(&self, by: AccountId, at: Moment, text: String) -> Option<Self> {
        self.answer.is_none().then(|| Self { answer: Some(Answer { by, at, text }), ..self.clone() })
    }
}
