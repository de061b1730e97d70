//! One patient's chart, and who opened it.

use serde::Serialize;
use utoipa::ToSchema;
use wardkeep_app::charts::AccessRow;
use wardkeep_domain::{LogEventId, PatientId};

use super::answer::{Answer, Said, Text};
use super::documents::Document;
use super::patients::{CareMember, PageQuery, Patient};
use super::records::Record;
use super::stroke::Assessment;
use super::take::{Asked, Caller, Ids, cursor};

/// Everything that the summary of a chart shows, under one entry of the log.
#[derive(Serialize, ToSchema)]
pub struct Chart {
    pub patient: Patient,
    /// Newest first, up to 100.
    pub records: Vec<Record>,
    /// There are more: give it to the list of records as `after`.
    pub records_next: Option<String>,
    pub documents: Vec<Document>,
    pub assessments: Vec<Assessment>,
    pub care_team: Vec<CareMember>,
}

pub async fn open(caller: Caller, Ids(patient): Ids<PatientId>) -> Answer<Said<Chart>> {
    let chart = caller.app().open_chart(&caller.ctx, patient).await?;
    Ok(Said(Chart {
        patient: chart.patient.into(),
        records: chart.records.into_iter().map(Record::from).collect(),
        records_next: chart.records_next.map(|next| next.to_string()),
        documents: chart.documents.into_iter().map(Document::from).collect(),
        assessments: chart.assessments.into_iter().map(Assessment::from).collect(),
        care_team: chart.care_team.into_iter().map(CareMember::from).collect(),
    }))
}

/// Something that somebody did with the chart.
#[derive(Serialize, ToSchema)]
pub struct Access {
    #[schema(format = "uuid")]
    pub event: String,
    #[schema(format = DateTime)]
    pub at: String,
    pub who: String,
    pub role: String,
    /// Dotted class of the event, for example `chart.opened`.
    pub class: String,
    /// The same in plain words.
    pub words: String,
    pub reason: Option<String>,
    pub refused: bool,
    /// The caller did it.
    pub own: bool,
}

impl From<AccessRow> for Access {
    fn from(row: AccessRow) -> Self {
        Self {
            event: LogEventId::from_bytes(row.event).to_string(),
            at: row.at.rfc3339(),
            who: row.who,
            role: row.role,
            class: row.what,
            words: row.words,
            reason: row.reason,
            refused: row.refused,
            own: row.own,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct AccessList {
    pub items: Vec<Access>,
    pub next: Option<String>,
}

pub async fn access(caller: Caller, Ids(patient): Ids<PatientId>, Asked(query): Asked<PageQuery>) -> Answer<Said<AccessList>> {
    let history = caller.app().access_history(&caller.ctx, patient, cursor(query.after.as_deref())?).await?;
    let next = history.next.map(|next| next.to_string());
    Ok(Said(AccessList { items: history.items.into_iter().map(Access::from).collect(), next }))
}

pub async fn proof(caller: Caller, Ids((patient, event)): Ids<(PatientId, LogEventId)>) -> Answer<Text> {
    Ok(Text(caller.app().proof_for_patient(&caller.ctx, patient, event.bytes()).await?))
}
