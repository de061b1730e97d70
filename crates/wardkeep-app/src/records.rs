//! Medical records: written, read, amended, voided.

use wardkeep_domain::record::{Record, RecordForm};
use wardkeep_domain::{PatientId, RecordId};

use crate::integrity::{Badge, Proof};
use crate::patients::PatientView;
use crate::{App, Ctx, Result, accounts::Page};

/// A record as shown. `record` is `None` when the check failed and nothing can be opened.
#[derive(Clone)]
pub struct RecordView {
    pub id: RecordId,
    pub record: Option<Record>,
    pub version: u64,
    pub author: String,
    pub written_by: String,
    pub badge: Badge,
}

/// One record with its versions and proof.
#[derive(Clone)]
pub struct RecordDetail {
    pub patient: PatientView,
    pub current: RecordView,
    /// Oldest first.
    pub versions: Vec<RecordView>,
    pub proof: Proof,
}

/// Somebody amended first: both texts, nothing lost.
#[derive(Clone)]
pub struct RecordConflict {
    pub patient: PatientView,
    pub theirs: RecordView,
}

impl App {
    /// Newest first, with the banner's patient.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn list_records(&self, ctx: &Ctx, patient: PatientId, after: Option<u64>) -> Result<(PatientView, Page<RecordView>)> {
        let _ = (ctx, patient, after);
        todo!("charts helper")
    }
    /// # Errors
    /// `NotFound`, `Denied`. The record must be the patient's.
    pub async fn read_record(&self, ctx: &Ctx, patient: PatientId, record: RecordId) -> Result<RecordDetail> {
        let _ = (ctx, patient, record);
        todo!("charts helper")
    }
    /// # Errors
    /// `Invalid`, `Denied`, `NotFound`.
    pub async fn write_record(&self, ctx: &Ctx, patient: PatientId, form: &RecordForm) -> Result<RecordId> {
        let _ = (ctx, patient, form);
        todo!("charts helper")
    }
    /// `form.version` is the version the writer saw.
    ///
    /// # Errors
    /// `Conflict` when it is not the current one, `Invalid`, `Refused` when voided.
    pub async fn amend_record(&self, ctx: &Ctx, patient: PatientId, record: RecordId, form: &RecordForm) -> Result<()> {
        let _ = (ctx, patient, record, form);
        todo!("charts helper")
    }
    /// # Errors
    /// As [`App::amend_record`].
    pub async fn void_record(&self, ctx: &Ctx, patient: PatientId, record: RecordId, form: &RecordForm) -> Result<()> {
        let _ = (ctx, patient, record, form);
        todo!("charts helper")
    }
}
