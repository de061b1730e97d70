//! Medical records: written, amended with a reason (old versions stay), voided with a reason.

use serde::{Deserialize, Serialize};

use crate::date::Moment;
use crate::{AccountId, FieldError, FieldErrors, PatientId, RecordId, field};

/// Longest body in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordType {
    Note,
    Diagnosis,
    Prescription,
    Observation,
    DischargeSummary,
}

impl RecordType {
    pub const ALL: [RecordType; 5] =
        [RecordType::Note, RecordType::Diagnosis, RecordType::Prescription, RecordType::Observation, RecordType::DischargeSummary];
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            RecordType::Note => "note",
            RecordType::Diagnosis => "diagnosis",
            RecordType::Prescription => "prescription",
            RecordType::Observation => "observation",
            RecordType::DischargeSummary => "discharge_summary",
        }
    }
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            RecordType::Note => "Note",
            RecordType::Diagnosis => "Diagnosis",
            RecordType::Prescription => "Prescription",
            RecordType::Observation => "Observation",
            RecordType::DischargeSummary => "Discharge summary",
        }
    }
    /// # Errors
    /// When the code is none of the five.
    pub fn parse(code: &str) -> Result<Self, FieldError> {
        Self::ALL.into_iter().find(|t| t.code() == code).ok_or_else(|| FieldError::new("record_type", "Choose the type of record."))
    }
}

/// Why a record needs a permission besides the care relationship.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    Psychiatric,
    Hiv,
    SexualHealth,
    Genetic,
}

impl Mark {
    pub const ALL: [Mark; 4] = [Mark::Psychiatric, Mark::Hiv, Mark::SexualHealth, Mark::Genetic];
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Mark::Psychiatric => "psychiatric",
            Mark::Hiv => "hiv",
            Mark::SexualHealth => "sexual_health",
            Mark::Genetic => "genetic",
        }
    }
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Mark::Psychiatric => "Psychiatric",
            Mark::Hiv => "HIV",
            Mark::SexualHealth => "Sexual health",
            Mark::Genetic => "Genetic",
        }
    }
    /// # Errors
    /// When the code is none of these.
    pub fn parse(code: &str) -> Result<Self, FieldError> {
        Self::ALL.into_iter().find(|mark| mark.code() == code).ok_or_else(|| FieldError::new("mark", "Choose a mark, or none."))
    }
}

/// Where a record stands. Nobody assigns it; [`Record::amend`] and [`Record::void`] do.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    Signed,
    Amended { reason: String },
    Voided { reason: String },
}

/// One version of a record as sealed under the patient's key.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub id: RecordId,
    pub patient: PatientId,
    pub record_type: RecordType,
    pub title: String,
    pub body: String,
    /// When it happened (not when it was written).
    pub event_at: Moment,
    /// Needs a permission of its own to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    pub state: RecordState,
    /// Who wrote the first version.
    pub author: AccountId,
    /// Who wrote this version, when.
    pub written_by: AccountId,
    pub written_at: Moment,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Record({})", self.id)
    }
}

/// The form as typed. `event_time` is `HH:MM`; all four empty means "now".
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordForm {
    pub record_type: String,
    pub title: String,
    pub body: String,
    pub event_day: String,
    pub event_month: String,
    pub event_year: String,
    pub event_time: String,
    /// Code of a mark; empty: none; not sent: as it was.
    pub mark: Option<String>,
    /// Amend and void only.
    pub reason: String,
    /// Amend and void only: the version the writer saw.
    pub version: String,
}

impl std::fmt::Debug for RecordForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecordForm(…)")
    }
}

/// A parsed form.
#[derive(Clone, PartialEq)]
pub struct RecordText {
    pub record_type: RecordType,
    pub title: String,
    pub body: String,
    pub event_at: Moment,
    /// `None`: as it was.
    pub mark: Option<Option<Mark>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordRefusal {
    #[error("this record is voided and cannot be changed")]
    Voided,
}

impl RecordForm {
    /// # Errors
    /// One error per wrong field: `record_type`, `title`, `body`, `event_date`, `event_time`, `mark`.
    pub fn parse(&self, now: Moment) -> Result<RecordText, FieldErrors> {
        let mut errors = FieldErrors::new();
        let record_type = errors.take(RecordType::parse(&self.record_type));
        let title = errors.take(field::text("title", &self.title, 1, 200, false));
        let body = errors.take(body(&self.body));
        let event_at = errors.take(self.event_at(now));
        let mark = match self.mark.as_deref() {
            None => Some(None),
            Some("") => Some(Some(None)),
            Some(code) => errors.take(Mark::parse(code)).map(|mark| Some(Some(mark))),
        };
        let whole = (|| Some(RecordText { record_type: record_type?, title: title?, body: body?, event_at: event_at?, mark: mark? }))();
        errors.into_result(whole)
    }
    /// # Errors
    /// When the reason is shorter than 5 or longer than 500 characters.
    pub fn parse_reason(&self) -> Result<String, FieldError> {
        field::text("reason", &self.reason, 5, 500, false)
    }

    fn event_at(&self, now: Moment) -> Result<Moment, FieldError> {
        let parts = [&self.event_day, &self.event_month, &self.event_year, &self.event_time];
        if parts.iter().all(|part| part.trim().is_empty()) {
            return Ok(now);
        }
        let date = crate::date::Date::from_parts("event_date", &self.event_day, &self.event_month, &self.event_year)?;
        let minutes = clock_minutes(&self.event_time)?;
        let at = date.start().map(|start| start.plus_ms(minutes * 60_000)).filter(|at| *at <= now.plus_ms(60_000));
        at.ok_or_else(|| FieldError::new("event_date", "An event cannot lie in the future."))
    }
}

fn body(text: &str) -> Result<String, FieldError> {
    if text.len() > BODY_BYTES_MAX {
        return Err(FieldError::new("body", format!("Shorten the text to 64 KiB; it has {} bytes.", text.len())));
    }
    field::text("body", text, 1, BODY_BYTES_MAX, true)
}

/// Minutes since midnight from `HH:MM`.
fn clock_minutes(text: &str) -> Result<i64, FieldError> {
    let wrong = || FieldError::new("event_time", "Enter the time as hours and minutes, for example 14:06.");
    let (hours, minutes) = text.trim().split_once(':').ok_or_else(wrong)?;
    match (hours.parse::<i64>(), minutes.parse::<i64>()) {
        (Ok(h @ 0..=23), Ok(m @ 0..=59)) => Ok(h * 60 + m),
        _ => Err(wrong()),
    }
}

impl Record {
    /// The next version with other text.
    ///
    /// # Errors
    /// When the record is voided.
    pub fn amend(&self, text: RecordText, reason: String, by: AccountId, at: Moment) -> Result<Record, RecordRefusal> {
        self.next(RecordState::Amended { reason }, by, at).map(|next| Record {
            record_type: text.record_type,
            title: text.title,
            body: text.body,
            event_at: text.event_at,
            mark: text.mark.unwrap_or(self.mark),
            ..next
        })
    }
    /// The next version, marked as void; the text stays readable.
    ///
    /// # Errors
    /// When the record is voided already.
    pub fn void(&self, reason: String, by: AccountId, at: Moment) -> Result<Record, RecordRefusal> {
        self.next(RecordState::Voided { reason }, by, at)
    }
    fn next(&self, state: RecordState, by: AccountId, at: Moment) -> Result<Record, RecordRefusal> {
        if matches!(self.state, RecordState::Voided { .. }) {
            return Err(RecordRefusal::Voided);
        }
        Ok(Record { state, written_by: by, written_at: at, ..self.clone() })
    }
}
