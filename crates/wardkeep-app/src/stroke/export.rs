//! Assessments out of the hospital, in the public layout.

use wardkeep_domain::request::RequestKind;
use wardkeep_domain::stroke::import::HEADER;
use wardkeep_domain::stroke::{Assessment, AssessmentState};
use wardkeep_domain::{AssessmentId, PatientId};
use wardkeep_ledger::{Class, Discloses};
use wardkeep_policy::{Action, Permit, Resource};
use wardkeep_store::{DocId, Document};

use super::import::Progress;
use crate::act::{Act, Side};
use crate::audit::ALONE_ROWS_MAX;
use crate::requests::Approval;
use crate::{App, Ctx, Result, kinds};

/// Assessments opened under one event.
const BATCH: usize = 1000;

impl App {
    /// CSV in the public layout, oldest first; no name, no number of a patient, and no cell that a
    /// spreadsheet could run. Each batch is an event that names its assessments and says of how
    /// many. One that does not open is left out, counted in the event, and raises the alarm.
    ///
    /// # Errors
    /// `Denied` (a fresh factor is needed); `SecondPerson` for more than [`ALONE_ROWS_MAX`] rows.
    pub async fn export_stroke(&self, ctx: &Ctx, progress: Progress<'_>) -> Result<Vec<u8>> {
        let permit = self.permit(ctx, Action::ExportAssessments, Resource::Hospital).await?;
        let (rows, unreadable) = self.projected(ctx.visit()).await?.exported();
        if rows.len() > ALONE_ROWS_MAX {
            self.alone(ctx, RequestKind::ExportAssessments).await?;
        }
        self.write_stroke(ctx, &permit, &rows, unreadable, progress).await
    }

    /// The same after a second person agreed: an event in the control log uses the approval up
    /// before the first row is opened.
    pub(crate) async fn export_stroke_approved(&self, ctx: &Ctx, approval: &Approval) -> Result<Vec<u8>> {
        let permit = self.permit(ctx, Action::ExportAssessments, Resource::Hospital).await?;
        let (rows, unreadable) = self.projected(ctx.visit()).await?.exported();
        let act = Act::by(self, Side::Control, ctx, Class::Exported).permit(&permit);
        let act = act.detail("what", "stroke assessments").detail("of", rows.len().to_string());
        approval.consume(self, act)?.commit().await?;
        self.write_stroke(ctx, &permit, &rows, unreadable, &|_, _| {}).await
    }

    async fn write_stroke(
        &self,
        ctx: &Ctx,
        permit: &Permit,
        rows: &[(AssessmentId, u64)],
        unreadable: usize,
        progress: Progress<'_>,
    ) -> Result<Vec<u8>> {
        let mut csv = HEADER.join(",");
        csv.push('\n');
        let of = rows.len() as u64;
        let mut done = 0;
        // An empty export is an export too.
        let batches = rows.chunks(BATCH).chain(rows.is_empty().then_some(rows));
        for batch in batches {
            self.export_batch(ctx, permit, batch, (of, unreadable), &mut csv).await?;
            done += batch.len() as u64;
            progress(done, of);
        }
        Ok(csv.into_bytes())
    }

    async fn export_batch(
        &self,
        ctx: &Ctx,
        permit: &Permit,
        batch: &[(AssessmentId, u64)],
        (of, unreadable): (u64, usize),
        csv: &mut String,
    ) -> Result<()> {
        let ids: Vec<DocId> = batch.iter().map(|(id, _)| DocId(id.bytes())).collect();
        let documents = self.records.get_many(kinds::ASSESSMENT, &ids).await?;
        let owner = |document: &Document| PatientId::from_bytes(document.owner.0);
        let patients: Vec<PatientId> = documents.iter().map(owner).collect();
        let mut act = Act::by(self, Side::Records, ctx, Class::Exported)
            .permit(permit)
            .discloses(Discloses::Owners(patients.iter().map(|patient| patient.bytes()).collect()))
            .detail("what", "stroke assessments")
            .detail("rows", documents.len().to_string())
            .detail("of", of.to_string())
            .detail("unreadable", unreadable.to_string());
        for document in &documents {
            act.reads(document);
        }
        let receipt = act.commit().await?;
        let keys = self.patient_keys(&patients, ctx.now()).await?;
        let mut file_ids = batch.iter();
        for document in &documents {
            let Some((_, file_id)) = file_ids.find(|(id, _)| id.bytes() == document.id.0) else { continue };
            let opened = keys
                .get(&owner(document))
                .and_then(|key| self.open_patient_doc::<Assessment>(kinds::RECORDS, key, document, &receipt).ok());
            match opened.map(|opened| opened.body) {
                // Voided since the projection was looked at.
                Some(assessment) if matches!(assessment.state, AssessmentState::Voided { .. }) => {}
                Some(assessment) => assessment.attributes.csv_line(*file_id, csv),
                None => self.raise_integrity_alarm(ctx, document.kind, document.id, document.version.0).await?,
            }
        }
        Ok(())
    }
}
