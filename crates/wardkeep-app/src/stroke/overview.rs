//! The list and the summary over all patients. Neither shows a name; the list shows a patient's
//! number to the care team alone, and demographics of other patients are not opened at all.

use std::collections::{HashMap, HashSet};

use wardkeep_domain::PatientId;
use wardkeep_domain::patient::Patient;
use wardkeep_domain::stroke::summary::Summary;
use wardkeep_domain::stroke::{Assessment, Filter};
use wardkeep_ledger::{Class, Discloses, Receipt};
use wardkeep_policy::{Action, Resource};
use wardkeep_store::{DocId, Document};
use wardkeep_vault::PatientKey;

use super::{AssessmentRow, AssessmentView};
use crate::access::CareTeam;
use crate::accounts::{PAGE, Page};
use crate::act::{Act, Side};
use crate::integrity::Sealed;
use crate::{App, Ctx, Result, kinds};

type Keys = HashMap<PatientId, PatientKey>;

fn owner(document: &Document) -> PatientId {
    PatientId::from_bytes(document.owner.0)
}

/// Documents whose patient's key is still there.
fn sealed<'a>(documents: &'a [Document], keys: &'a Keys) -> Vec<Sealed<'a>> {
    documents.iter().filter_map(|document| Some(Sealed::new(keys.get(&owner(document))?, document))).collect()
}

impl App {
    /// Newest first. One event names what is shown.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn list_assessments(&self, ctx: &Ctx, filter: &Filter, after: Option<u64>) -> Result<Page<AssessmentRow>> {
        let permit = self.permit(ctx, Action::ListAssessments, Resource::Hospital).await?;
        let (picked, next) = self.projected(ctx.visit()).await?.page(filter, after, PAGE);
        let ids: Vec<DocId> = picked.iter().map(|row| DocId(row.id.bytes())).collect();
        let documents = self.records.get_many(kinds::ASSESSMENT, &ids).await?;
        let patients: Vec<PatientId> = documents.iter().map(owner).collect();
        let teams = self.teams(&patients).await?;
        let cares = |team: &CareTeam| ctx.account().is_some_and(|account| team.cared_for_by(account));
        let in_care: HashSet<PatientId> = teams.into_iter().filter(|(_, team)| cares(team)).map(|(patient, _)| patient).collect();
        let cared_for: Vec<DocId> = in_care.iter().map(|patient| DocId(patient.bytes())).collect();
        let demographics = self.records.get_many(kinds::PATIENT, &cared_for).await?;
        let mut act = Act::by(self, Side::Records, ctx, Class::SearchRun)
            .permit(&permit)
            .discloses(Discloses::Owners(patients.iter().map(|patient| patient.bytes()).collect()))
            .detail("list", "stroke assessments")
            .detail("found", documents.len().to_string());
        for document in documents.iter().chain(&demographics) {
            act.reads(document);
        }
        let receipt = act.commit().await?;
        let keys = self.patient_keys(&patients, ctx.now()).await?;
        let numbers = self.numbers(ctx, &demographics, &keys, &receipt).await?;
        let shown = self.show::<Assessment>(ctx, Side::Records, &sealed(&documents, &keys), &receipt).await?;
        let owners: HashMap<DocId, PatientId> = documents.iter().map(|document| (document.id, owner(document))).collect();
        let row = |shown: crate::integrity::Shown<Assessment>| {
            let patient = *owners.get(&shown.id)?;
            let mrn = numbers.get(&patient).cloned().unwrap_or_default();
            Some(AssessmentRow { view: AssessmentView::new(patient, shown).0, mrn, in_care: in_care.contains(&patient) })
        };
        Ok(Page { items: shown.into_iter().filter_map(row).collect(), next })
    }

    /// The MRN of each patient whose demographics open.
    async fn numbers(&self, ctx: &Ctx, demographics: &[Document], keys: &Keys, receipt: &Receipt) -> Result<HashMap<PatientId, String>> {
        let shown = self.show::<Patient>(ctx, Side::Records, &sealed(demographics, keys), receipt).await?;
        Ok(shown.into_iter().filter_map(|shown| shown.body).map(|patient| (patient.id, patient.mrn.display())).collect())
    }

    /// Aggregates over everything that is not voided and matches the filter. An event.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn stroke_summary(&self, ctx: &Ctx, filter: &Filter) -> Result<Summary> {
        let permit = self.permit(ctx, Action::SummariseAssessments, Resource::Hospital).await?;
        let summary = self.projected(ctx.visit()).await?.summary(filter);
        Act::by(self, Side::Records, ctx, Class::SearchRun)
            .permit(&permit)
            .detail("list", "summary of stroke assessments")
            .detail("counted", summary.rows.to_string())
            .commit()
            .await?;
        Ok(summary)
    }
}
