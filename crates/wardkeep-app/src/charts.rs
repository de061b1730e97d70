//! Opening a chart, and the history of who did.

use wardkeep_domain::PatientId;
use wardkeep_domain::date::Moment;

use crate::documents::DocumentView;
use crate::patients::{CareMemberView, PatientView};
use crate::records::RecordView;
use crate::stroke::AssessmentView;
use crate::{App, Ctx, Result, accounts::Page};

/// Most records on the summary page.
pub const RECORDS_MAX: usize = 100;

/// Everything the summary page shows, opened under one disclosure event.
#[derive(Clone)]
pub struct Chart {
    pub patient: PatientView,
    /// Newest first, up to [`RECORDS_MAX`].
    pub records: Vec<RecordView>,
    pub records_next: Option<u64>,
    pub documents: Vec<DocumentView>,
    pub assessments: Vec<AssessmentView>,
    pub care_team: Vec<CareMemberView>,
}

/// One line of "who opened my record" or of a chart's access history.
#[derive(Clone)]
pub struct AccessRow {
    pub at: Moment,
    pub who: String,
    pub role: String,
    /// Dotted class name, for example `chart.opened`.
    pub what: String,
    /// In plain words: "Opened the chart".
    pub words: String,
    pub refused: bool,
    pub own: bool,
    pub reason: Option<String>,
    pub event: [u8; 16],
}

impl App {
    /// # Errors
    /// `NotFound` when the patient does not exist or may not be seen.
    pub async fn open_chart(&self, ctx: &Ctx, patient: PatientId) -> Result<Chart> {
        let _ = (ctx, patient);
        todo!("charts helper")
    }
    /// Every event about the patient, newest first; reading it is itself an event.
    ///
    /// # Errors
    /// As [`App::open_chart`].
    pub async fn access_history(&self, ctx: &Ctx, patient: PatientId, after: Option<u64>) -> Result<Page<AccessRow>> {
        let _ = (ctx, patient, after);
        todo!("charts helper")
    }
}
