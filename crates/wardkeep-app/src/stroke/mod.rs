//! Stroke assessments: created, read, amended, voided, listed, summed up, imported, exported.

pub mod import;
pub mod projection;

use wardkeep_domain::stroke::summary::Summary;
use wardkeep_domain::stroke::{Assessment, AssessmentForm, Filter};
use wardkeep_domain::{AssessmentId, PatientId};

use crate::accounts::Page;
use crate::integrity::{Badge, Proof};
use crate::patients::PatientView;
use crate::{App, Ctx, Result};

/// An assessment as shown. `assessment` is `None` when the check failed.
#[derive(Clone)]
pub struct AssessmentView {
    pub id: AssessmentId,
    pub patient: PatientId,
    pub assessment: Option<Assessment>,
    pub version: u64,
    pub author: String,
    pub badge: Badge,
}

/// One assessment with versions and proof.
#[derive(Clone)]
pub struct AssessmentDetail {
    pub patient: PatientView,
    pub current: AssessmentView,
    /// Oldest first.
    pub versions: Vec<AssessmentView>,
    pub proof: Proof,
}

/// One line of the list: no name; the MRN and whether the reader may open the chart.
#[derive(Clone)]
pub struct AssessmentRow {
    pub view: AssessmentView,
    pub mrn: String,
    pub in_care: bool,
}

impl App {
    /// Newest first.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn list_assessments(&self, ctx: &Ctx, filter: &Filter, after: Option<u64>) -> Result<Page<AssessmentRow>> {
        let _ = (ctx, filter, after);
        todo!("stroke helper")
    }
    /// Aggregates over everything that is not voided, and matching the filter.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn stroke_summary(&self, ctx: &Ctx, filter: &Filter) -> Result<Summary> {
        let _ = (ctx, filter);
        todo!("stroke helper")
    }
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn patient_assessments(&self, ctx: &Ctx, patient: PatientId) -> Result<(PatientView, Vec<AssessmentView>)> {
        let _ = (ctx, patient);
        todo!("stroke helper")
    }
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn read_assessment(&self, ctx: &Ctx, patient: PatientId, assessment: AssessmentId) -> Result<AssessmentDetail> {
        let _ = (ctx, patient, assessment);
        todo!("stroke helper")
    }
    /// # Errors
    /// `Invalid`, `Denied`, `NotFound`.
    pub async fn write_assessment(&self, ctx: &Ctx, patient: PatientId, form: &AssessmentForm) -> Result<AssessmentId> {
        let _ = (ctx, patient, form);
        todo!("stroke helper")
    }
    /// # Errors
    /// `Conflict`, `Invalid`, `Refused`, `Denied`, `NotFound`.
    pub async fn amend_assessment(&self, ctx: &Ctx, patient: PatientId, assessment: AssessmentId, form: &AssessmentForm) -> Result<()> {
        let _ = (ctx, patient, assessment, form);
        todo!("stroke helper")
    }
    /// # Errors
    /// As [`App::amend_assessment`].
    pub async fn void_assessment(&self, ctx: &Ctx, patient: PatientId, assessment: AssessmentId, form: &AssessmentForm) -> Result<()> {
        let _ = (ctx, patient, assessment, form);
        todo!("stroke helper")
    }
}
