//! Stroke assessments: created, read, amended, voided, listed, summed up, imported, exported.

mod export;
pub mod import;
mod overview;
pub mod projection;
mod staged;

use std::collections::HashMap;

use wardkeep_domain::stroke::{Assessment, AssessmentForm, AssessmentState, AssessmentVoided};
use wardkeep_domain::{AccountId, AssessmentId, FieldErrors, PatientId};
use wardkeep_ledger::{Class, Receipt};
use wardkeep_policy::Action;
use wardkeep_store::{DocId, Kind};
use wardkeep_vault::PatientKey;

use crate::act::{Act, Side};
use crate::charts::author;
use crate::entries::{Disclosed, Entry};
use crate::integrity::{Badge, Proof, Sealed, Shown};
use crate::patients::PatientView;
use crate::{App, Ctx, Error, Result, kinds};

/// An assessment as shown. `assessment` is `None` when the check failed.
#[derive(Clone)]
pub struct AssessmentView {
    pub id: AssessmentId,
    pub patient: PatientId,
    pub assessment: Option<Assessment>,
    pub version: u64,
    pub author: String,
    pub written_by: String,
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

/// One line of the list: no name, and a number only for the patient's care team.
#[derive(Clone)]
pub struct AssessmentRow {
    pub view: AssessmentView,
    /// Empty when the reader is not in the patient's care team.
    pub mrn: String,
    pub in_care: bool,
}

impl Entry for Assessment {
    const KIND: Kind = kinds::ASSESSMENT;
}

fn voided(refusal: AssessmentVoided) -> Error {
    Error::Refused(refusal.to_string())
}

impl AssessmentView {
    /// Without the names of those who wrote it.
    fn new(patient: PatientId, shown: Shown<Assessment>) -> (Self, Shown<()>) {
        let (shown, assessment) = shown.split();
        let view = Self {
            id: AssessmentId::from_bytes(shown.id.0),
            patient,
            assessment,
            version: shown.version,
            author: String::new(),
            written_by: String::new(),
            badge: shown.badge,
        };
        (view, shown)
    }
    fn named(self, names: &HashMap<AccountId, String>) -> Self {
        let assessment = self.assessment.as_ref();
        Self {
            author: author(names, assessment.map(|assessment| assessment.author)),
            written_by: author(names, assessment.map(|assessment| assessment.written_by)),
            ..self
        }
    }
}

impl App {
    /// Opens assessments under a receipt, with names and badges.
    pub(crate) async fn assessment_views(
        &self,
        ctx: &Ctx,
        patient: PatientId,
        assessments: &[Sealed<'_>],
        receipt: &Receipt,
    ) -> Result<Vec<AssessmentView>> {
        let shown = self.shown_assessments(ctx, patient, assessments, receipt).await?;
        Ok(shown.into_iter().map(|(view, _)| view).collect())
    }

    async fn shown_assessments(
        &self,
        ctx: &Ctx,
        patient: PatientId,
        assessments: &[Sealed<'_>],
        receipt: &Receipt,
    ) -> Result<Vec<(AssessmentView, Shown<()>)>> {
        let shown = self.show::<Assessment>(ctx, Side::Records, assessments, receipt).await?;
        let bodies = shown.iter().filter_map(|shown| shown.body.as_ref());
        let ids: Vec<AccountId> = bodies.flat_map(|assessment| [assessment.author, assessment.written_by]).collect();
        let names = self.display_names(&ids).await?;
        Ok(shown
            .into_iter()
            .map(|shown| {
                let (view, shown) = AssessmentView::new(patient, shown);
                (view.named(&names), shown)
            })
            .collect())
    }

    /// Newest first, with the banner's patient.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn patient_assessments(&self, ctx: &Ctx, patient: PatientId) -> Result<(PatientView, Vec<AssessmentView>)> {
        let permit = self.permit_chart(ctx, Action::ReadAssessment, patient, None).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let sealed = self.sealed_assessments(patient).await?;
        let Disclosed { key, banner, documents, receipt } = self.disclose_entries(ctx, &permit, key, sealed, "list of assessments").await?;
        Ok((banner, self.assessment_views(ctx, patient, &Sealed::all(&key, &documents), &receipt).await?))
    }

    /// # Errors
    /// `NotFound`, `Denied`. The assessment must be the patient's.
    pub async fn read_assessment(&self, ctx: &Ctx, patient: PatientId, assessment: AssessmentId) -> Result<AssessmentDetail> {
        let permit = self.permit_chart(ctx, Action::ReadAssessment, patient, None).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let sealed = self.versions_of(kinds::ASSESSMENT, DocId(assessment.bytes()), &key).await?;
        let Disclosed { key, banner, documents, receipt } = self.disclose_entries(ctx, &permit, key, sealed, "assessment").await?;
        let shown = self.shown_assessments(ctx, patient, &Sealed::all(&key, &documents), &receipt).await?;
        let (current, newest) = shown.last().ok_or(Error::NotFound)?;
        let (current, proof) = (current.clone(), self.proof_of(Side::Records, newest).await?);
        Ok(AssessmentDetail { patient: banner, current, versions: shown.into_iter().map(|(view, _)| view).collect(), proof })
    }

    /// # Errors
    /// `Invalid`, `Denied`, `NotFound`.
    pub async fn write_assessment(&self, ctx: &Ctx, patient: PatientId, form: &AssessmentForm) -> Result<AssessmentId> {
        let permit = self.permit_chart(ctx, Action::WriteAssessment, patient, None).await?;
        let attributes = form.parse()?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let id = AssessmentId::from_bytes(ctx.visit().new_id());
        let assessment = Assessment {
            id,
            patient,
            source: None,
            attributes,
            assessed_at: ctx.now(),
            state: AssessmentState::Signed,
            author: ctx.account_id(),
            written_by: ctx.account_id(),
            written_at: ctx.now(),
        };
        let mut act = Act::by(self, Side::Records, ctx, Class::AssessmentCreated).permit(&permit).subject(&key);
        self.put_assessment(&mut act, &key, 1, &assessment)?;
        act.commit().await?;
        Ok(id)
    }

    fn put_assessment(&self, act: &mut Act<'_>, key: &PatientKey, version: u64, assessment: &Assessment) -> Result<()> {
        let terms = vec![self.patient_parts_term(kinds::ASSESSMENT, assessment.patient)];
        act.put_patient(key, kinds::ASSESSMENT, DocId(assessment.id.bytes()), version, assessment, terms, Vec::new())
    }

    /// `form.version` is the version the writer saw.
    ///
    /// # Errors
    /// `Conflict`, `Invalid`, `Refused`, `Denied`, `NotFound`.
    pub async fn amend_assessment(&self, ctx: &Ctx, patient: PatientId, assessment: AssessmentId, form: &AssessmentForm) -> Result<()> {
        let changing = self.changing::<Assessment>(ctx, Action::AmendAssessment, patient, DocId(assessment.bytes())).await?;
        let mut errors = FieldErrors::new();
        let attributes = form.parse().map_err(|found| errors.0.extend(found.0)).ok();
        let reason = errors.take(form.parse_reason());
        let (attributes, reason) = errors.into_result(attributes.zip(reason))?;
        let old: Assessment = self.before_change(ctx, &changing, &form.version).await?;
        let new = old.amend(attributes, reason.clone(), ctx.account_id(), ctx.now()).map_err(voided)?;
        self.put_next(ctx, Class::AssessmentAmended, &changing, &new, reason).await
    }

    /// # Errors
    /// As [`App::amend_assessment`].
    pub async fn void_assessment(&self, ctx: &Ctx, patient: PatientId, assessment: AssessmentId, form: &AssessmentForm) -> Result<()> {
        let changing = self.changing::<Assessment>(ctx, Action::VoidAssessment, patient, DocId(assessment.bytes())).await?;
        let reason = form.parse_reason().map_err(|error| Error::Invalid(FieldErrors(vec![error])))?;
        let old: Assessment = self.before_change(ctx, &changing, &form.version).await?;
        let new = old.void(reason.clone(), ctx.account_id(), ctx.now()).map_err(voided)?;
        self.put_next(ctx, Class::AssessmentVoided, &changing, &new, reason).await
    }
}
