//! Records and documents marked as sensitive: who may read them besides the care relationship, and
//! the filter that keeps them from everybody else.

use std::collections::HashSet;

use serde::Deserialize;
use wardkeep_domain::account::{Account, AccountState};
use wardkeep_domain::name::Email;
use wardkeep_domain::record::Mark;
use wardkeep_domain::{AccountId, FieldErrors, PatientId};
use wardkeep_ledger::Class;
use wardkeep_policy::{Action, Resource};
use wardkeep_store::{DocId, Document, Find, Kind, Term};

use crate::act::{Act, Side};
use crate::error::invalid;
use crate::{App, Ctx, Error, Result, kinds};

/// The part of a record or document that says who may read it.
#[derive(Deserialize)]
struct Marked {
    mark: Option<Mark>,
    #[serde(alias = "uploaded_by")]
    author: AccountId,
}

/// Marked entries looked at together.
const BATCH: usize = 256;
/// Most people with a permission that are listed.
const CLEARED_MAX: usize = 500;

impl App {
    pub(crate) fn marked_term(&self, kind: Kind, patient: PatientId) -> Term {
        self.exact_term(kinds::RECORDS, kind, "marked", &patient.bytes())
    }

    /// The patient's marked records or documents that this reader may not see: all but those they
    /// wrote or have a permission for. Patients read all of their own.
    ///
    /// Finds the marked ones by a term of their own, so a chart without any costs one look.
    pub(crate) async fn hidden(&self, ctx: &Ctx, kind: Kind, patient: PatientId) -> Result<HashSet<DocId>> {
        if ctx.own_patient() == Some(patient) {
            return Ok(HashSet::new());
        }
        let cleared = ctx.account().map(|account| account.clearances.as_slice()).unwrap_or_default();
        let may_see = |entry: &Marked| entry.author == ctx.account_id() || entry.mark.is_none_or(|mark| cleared.contains(&mark));
        let (mut hidden, mut before) = (HashSet::new(), None);
        loop {
            let query = Find { kind, all_of: vec![self.marked_term(kind, patient)], before, since: None, limit: BATCH };
            let documents = self.records.find(&query).await?;
            let Some(last) = documents.last() else { return Ok(hidden) };
            let key = self.patient_key(patient, ctx.now()).await?;
            let sees = |document: &Document| self.sift_patient_doc(kinds::RECORDS, &key, document, may_see).unwrap_or(false);
            hidden.extend(documents.iter().filter(|document| !sees(document)).map(|document| document.id));
            if documents.len() < BATCH {
                return Ok(hidden);
            }
            before = Some(last.seq);
        }
    }

    /// Who may read which marked records and documents; looking is an event.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn cleared(&self, ctx: &Ctx) -> Result<Vec<Account>> {
        let permit = self.permit(ctx, Action::ReviewAccess, Resource::Hospital).await?;
        Act::by(self, Side::Control, ctx, Class::AccountsRead)
            .permit(&permit)
            .detail("list", "permissions for marked records")
            .commit()
            .await?;
        let term = self.exact_term(kinds::CONTROL, kinds::ACCOUNT, "cleared", b"yes");
        let query = Find { kind: kinds::ACCOUNT, all_of: vec![term], before: None, since: None, limit: CLEARED_MAX };
        let documents = self.control.find(&query).await?;
        documents.iter().map(|document| self.open_account(document).map(|opened| opened.body)).collect()
    }

    /// Lets somebody read records and documents of this mark, where the care relationship lets them open the chart.
    ///
    /// # Errors
    /// `Invalid` on `email` and `mark`, `Denied`, with step-up when only a code is missing.
    pub async fn clear_for(&self, ctx: &Ctx, email: &str, mark: &str) -> Result<()> {
        let permit = self.permit(ctx, Action::GrantClearance, Resource::Hospital).await?;
        let mut errors = FieldErrors::new();
        let email = errors.take(Email::parse(email));
        let mark = errors.take(Mark::parse(mark));
        let (email, mark) = errors.into_result(email.zip(mark))?;
        let opened = self.account_of_email(&email).await?;
        let opened = opened.filter(|opened| opened.body.role.works_on_units() && opened.body.state == AccountState::Active);
        let opened = opened.ok_or_else(|| invalid("email", "There is no active doctor or nurse with this address. Check the spelling."))?;
        let mut account = opened.body;
        if account.clearances.contains(&mark) {
            return Err(invalid("email", "This person has this permission already."));
        }
        account.clearances.push(mark);
        let act = Act::by(self, Side::Control, ctx, Class::Granted).permit(&permit).detail("what", "marked records");
        let mut act = act.detail("account", hex::encode(account.id.bytes())).detail("mark", mark.code());
        self.put_account(&mut act, opened.version, &account)?;
        act.commit().await.map(|_| ())
    }

    /// Takes the permission back; counts with the next request.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn unclear(&self, ctx: &Ctx, account: AccountId, mark: &str) -> Result<()> {
        let permit = self.permit(ctx, Action::ReviewAccess, Resource::Hospital).await?;
        let opened = self.account(account).await?.ok_or(Error::NotFound)?;
        let mut account = opened.body;
        let before = account.clearances.len();
        account.clearances.retain(|held| held.code() != mark);
        if account.clearances.len() == before {
            return Err(Error::NotFound);
        }
        let act = Act::by(self, Side::Control, ctx, Class::Granted).permit(&permit).detail("what", "marked records, taken back");
        let mut act = act.detail("account", hex::encode(account.id.bytes())).detail("mark", mark);
        self.put_account(&mut act, opened.version, &account)?;
        act.commit().await.map(|_| ())
    }
}
