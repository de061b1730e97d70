//! Medical records: listed, read with versions and proof, written, amended, voided.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wardkeep_app::records::RecordView;
use wardkeep_domain::record::{self, Mark, RecordForm, RecordState};
use wardkeep_domain::{FieldError, PatientId, RecordId};

use super::answer::{Answer, Done, Made, Refused, Said, renamed};
use super::patients::{PageQuery, Patient};
use super::shapes::{self, NewId, Proof, State, VoidInput, badge, moment};
use super::take::{Asked, Body, Caller, Ids, cursor};

/// Largest body in bytes that holds a text: 64 KiB with every character escaped, and room.
pub const TEXT_BYTES_MAX: usize = 512 * 1024;

/// Names of the form's fields here.
const NAMES: &[(&str, &str)] = &[("event_date", "event_at"), ("event_time", "event_at")];

/// A record as written.
#[derive(Serialize, ToSchema)]
pub struct RecordContent {
    #[schema(schema_with = shapes::record_types)]
    pub record_type: &'static str,
    pub title: String,
    pub body: String,
    /// When it happened.
    #[schema(format = DateTime)]
    pub event_at: String,
    /// Marked as sensitive: `psychiatric`, `hiv`, `sexual_health`, `genetic`; null when it is not.
    pub mark: Option<&'static str>,
    #[schema(schema_with = shapes::states)]
    pub state: &'static str,
    /// Why it was amended or voided.
    pub reason: Option<String>,
    /// When this version was written.
    #[schema(format = DateTime)]
    pub written_at: String,
}

fn state(state: RecordState) -> State {
    match state {
        RecordState::Signed => ("signed", None),
        RecordState::Amended { reason } => ("amended", Some(reason)),
        RecordState::Voided { reason } => ("voided", Some(reason)),
    }
}

impl From<record::Record> for RecordContent {
    fn from(record: record::Record) -> Self {
        let (state, reason) = state(record.state);
        Self {
            record_type: record.record_type.code(),
            title: record.title,
            mark: record.mark.map(Mark::code),
            body: record.body,
            event_at: record.event_at.rfc3339(),
            state,
            reason,
            written_at: record.written_at.rfc3339(),
        }
    }
}

/// One version of a record.
#[derive(Serialize, ToSchema)]
pub struct Record {
    #[schema(format = "uuid")]
    pub id: String,
    pub version: u64,
    #[schema(schema_with = shapes::badges)]
    pub badge: &'static str,
    /// Who wrote the first version.
    pub author: String,
    pub written_by: String,
    /// Null when the check failed and it cannot be opened.
    pub content: Option<RecordContent>,
}

impl From<RecordView> for Record {
    fn from(view: RecordView) -> Self {
        Self {
            id: view.id.to_string(),
            version: view.version,
            badge: badge(view.badge),
            author: view.author,
            written_by: view.written_by,
            content: view.record.map(RecordContent::from),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct RecordList {
    pub patient: Patient,
    pub items: Vec<Record>,
    pub next: Option<String>,
}

pub async fn list(caller: Caller, Ids(patient): Ids<PatientId>, Asked(query): Asked<PageQuery>) -> Answer<Said<RecordList>> {
    let (patient, page) = caller.app().list_records(&caller.ctx, patient, cursor(query.after.as_deref())?).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Said(RecordList { patient: patient.into(), items: page.items.into_iter().map(Record::from).collect(), next }))
}

/// A record with its versions and proof.
#[derive(Serialize, ToSchema)]
pub struct RecordDetail {
    pub patient: Patient,
    pub current: Record,
    /// Oldest first.
    pub versions: Vec<Record>,
    pub proof: Proof,
}

pub async fn read(caller: Caller, Ids((patient, record)): Ids<(PatientId, RecordId)>) -> Answer<Said<RecordDetail>> {
    let detail = caller.app().read_record(&caller.ctx, patient, record).await?;
    Ok(Said(RecordDetail {
        patient: detail.patient.into(),
        current: detail.current.into(),
        versions: detail.versions.into_iter().map(Record::from).collect(),
        proof: detail.proof.into(),
    }))
}

/// A record to write.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordInput {
    #[schema(schema_with = shapes::record_types)]
    pub record_type: String,
    pub title: String,
    /// Up to 64 KiB of UTF-8.
    pub body: String,
    /// When it happened, kept to the minute; now, when it is left out.
    #[schema(format = DateTime)]
    pub event_at: Option<String>,
    /// A mark that needs a permission of its own to read: `psychiatric`, `hiv`, `sexual_health`,
    /// `genetic`; none, when it is left out or empty.
    pub mark: Option<String>,
}

impl RecordInput {
    fn form(self) -> Result<RecordForm, FieldError> {
        let form =
            RecordForm { record_type: self.record_type, title: self.title, body: self.body, mark: self.mark, ..RecordForm::default() };
        match self.event_at {
            Some(event_at) => at(form, &event_at),
            None => Ok(form),
        }
    }
}

/// The form with this moment in its boxes.
fn at(form: RecordForm, event_at: &str) -> Result<RecordForm, FieldError> {
    let utc = jiff::Timestamp::from_millisecond(moment("event_at", event_at)?.0).map(|at| at.to_zoned_datetime(TimeZone::UTC));
    let utc = utc.map_err(|_| FieldError::new("event_at", "Give a time between the years 1850 and 2200."))?;
    Ok(RecordForm {
        event_day: utc.day().to_string(),
        event_month: utc.month().to_string(),
        event_year: utc.year().to_string(),
        event_time: format!("{:02}:{:02}", utc.hour(), utc.minute()),
        ..form
    })
}

pub async fn write(caller: Caller, Ids(patient): Ids<PatientId>, Body(input): Body<RecordInput>) -> Answer<Made<NewId>> {
    let record = caller.app().write_record(&caller.ctx, patient, &input.form()?).await.map_err(renamed(NAMES))?;
    Ok(Made(NewId::new(record)))
}

/// The whole text of the next version.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordAmend {
    /// The version that was read.
    pub version: u64,
    /// 5 to 500 characters.
    pub reason: String,
    #[schema(schema_with = shapes::record_types)]
    pub record_type: String,
    pub title: String,
    /// Up to 64 KiB of UTF-8.
    pub body: String,
    /// As it was read, unless it is what is corrected; kept to the minute.
    #[schema(format = DateTime)]
    pub event_at: String,
}

impl RecordAmend {
    fn form(self) -> Result<RecordForm, Refused> {
        let form = RecordForm {
            record_type: self.record_type,
            title: self.title,
            body: self.body,
            reason: self.reason,
            version: self.version.to_string(),
            ..RecordForm::default()
        };
        Ok(at(form, &self.event_at)?)
    }
}

pub async fn amend(caller: Caller, Ids((patient, record)): Ids<(PatientId, RecordId)>, Body(input): Body<RecordAmend>) -> Answer<Done> {
    caller.app().amend_record(&caller.ctx, patient, record, &input.form()?).await.map_err(renamed(NAMES))?;
    Ok(Done)
}

pub async fn void(caller: Caller, Ids((patient, record)): Ids<(PatientId, RecordId)>, Body(input): Body<VoidInput>) -> Answer<Done> {
    let form = RecordForm { version: input.version.to_string(), reason: input.reason, ..RecordForm::default() };
    caller.app().void_record(&caller.ctx, patient, record, &form).await?;
    Ok(Done)
}
