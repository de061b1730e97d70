//! Patients: created, corrected, found; and who cares for them.

use wardkeep_domain::date::Moment;
use wardkeep_domain::patient::{Patient, PatientForm};
use wardkeep_domain::{AccountId, PatientId};

use crate::accounts::Page;
use crate::{App, Ctx, Result};

/// One line of a list or search. What a role may not see is not in it.
#[derive(Clone)]
pub struct PatientRow {
    pub id: PatientId,
    pub patient: Patient,
    /// The reader is on the care team.
    pub in_care: bool,
}

/// The banner and the "More" part.
#[derive(Clone)]
pub struct PatientView {
    pub patient: Patient,
    pub version: u64,
    pub in_care: bool,
}

#[derive(Clone, Debug)]
pub struct CareMemberView {
    pub account: AccountId,
    pub name: String,
    pub role: String,
    pub since: Moment,
}

/// What a search form holds. One of them is enough.
#[derive(Clone, Default)]
pub struct Search {
    pub mrn: String,
    /// Prefixes of family or given name, in any order.
    pub name: String,
    pub birth_day: String,
    pub birth_month: String,
    pub birth_year: String,
}

/// Answer to a registration.
pub enum Created {
    Done(PatientId),
    /// Nothing was saved: these look like the same person. Send again with `confirm`.
    Duplicates(Vec<PatientRow>),
}

impl App {
    /// Registers a patient; a doctor or nurse who does joins the care team.
    ///
    /// # Errors
    /// `Invalid` (also `mrn` in use), `Denied`.
    pub async fn create_patient(&self, ctx: &Ctx, form: &PatientForm, confirm: bool) -> Result<Created> {
        let _ = (ctx, form, confirm);
        todo!("charts helper")
    }
    /// Corrects demographics; `version` is the one the form was filled from.
    ///
    /// # Errors
    /// `Invalid`, `Conflict`, `Denied`, `NotFound`.
    pub async fn amend_patient(&self, ctx: &Ctx, patient: PatientId, version: u64, form: &PatientForm) -> Result<()> {
        let _ = (ctx, patient, version, form);
        todo!("charts helper")
    }
    /// Demographics alone (registrar's page, edit form). A disclosure.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn demographics(&self, ctx: &Ctx, patient: PatientId) -> Result<PatientView> {
        let _ = (ctx, patient);
        todo!("charts helper")
    }
    /// Search by MRN, name prefix or birth date. One event names what is shown. Newest first.
    ///
    /// # Errors
    /// `Invalid` when nothing was asked, `Denied`.
    pub async fn search_patients(&self, ctx: &Ctx, search: &Search, after: Option<u64>) -> Result<Page<PatientRow>> {
        let _ = (ctx, search, after);
        todo!("charts helper")
    }
    /// Patients in the reader's care: the worklist. Newest care-team change first.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn care_list(&self, ctx: &Ctx, after: Option<u64>) -> Result<Page<PatientRow>> {
        let _ = (ctx, after);
        todo!("charts helper")
    }
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn care_members(&self, ctx: &Ctx, patient: PatientId) -> Result<Vec<CareMemberView>> {
        let _ = (ctx, patient);
        todo!("charts helper")
    }
    /// Adds a doctor or nurse (by e-mail) to the care team.
    ///
    /// # Errors
    /// `Invalid` on `email`, `Denied`, `NotFound`.
    pub async fn assign_care(&self, ctx: &Ctx, patient: PatientId, email: &str) -> Result<()> {
        let _ = (ctx, patient, email);
        todo!("charts helper")
    }
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn remove_care(&self, ctx: &Ctx, patient: PatientId, member: AccountId) -> Result<()> {
        let _ = (ctx, patient, member);
        todo!("charts helper")
    }
}
