//! Joining a patient's account to the patient: by the registrar, or by a code on paper.

use wardkeep_domain::account::{Account, AccountState, Role};
use wardkeep_domain::name::Email;
use wardkeep_domain::{FieldError, FieldErrors, PatientId};
use wardkeep_ledger::Class;
use wardkeep_policy::{Action, Resource};
use wardkeep_store::{DocId, Find};
use wardkeep_vault::vault::digest;

use super::ACTIVATION_MS_MAX;
use super::links::{For, Link, used};
use crate::act::{Act, Side, Who};
use crate::sign_in::{letters, plain_code};
use crate::throttle::Factor;
use crate::{App, Ctx, Error, Result, kinds};

/// Where a code's document lies, and the hash kept in it.
pub(crate) fn place(code: &str) -> (DocId, [u8; 32]) {
    let hash = digest(&[b"activation".as_slice(), plain_code(code).as_bytes()].concat());
    (DocId(hash.first_chunk().copied().unwrap_or_default()), hash)
}

fn linked_already() -> Error {
    Error::Refused("This account or this patient is linked already. Look at the patient's page first.".to_owned())
}

impl App {
    /// Links a patient account to a patient (registrar).
    ///
    /// # Errors
    /// `Denied`, `NotFound`, `Refused` when it is no patient account or linked already.
    pub async fn link_account(&self, ctx: &Ctx, email: &str, patient: PatientId) -> Result<()> {
        let permit = self.permit_chart(ctx, Action::LinkAccount, patient, None).await?;
        let email = Email::parse(email).map_err(|error| Error::Invalid(FieldErrors(vec![error])))?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let opened = self.account_of_email(&email).await?.ok_or(Error::NotFound)?;
        if opened.body.role != Role::Patient || opened.body.state != AccountState::Active {
            return Err(Error::NotFound);
        }
        self.not_linked(&opened.body, patient).await?;
        let mut act = Act::by(self, Side::Control, ctx, Class::AccountLinked).permit(&permit).subject(&key);
        self.put_account(&mut act, opened.version, &Account { patient: Some(patient), ..opened.body.clone() })?;
        act.commit().await.map(|_| ())
    }

    async fn not_linked(&self, account: &Account, patient: PatientId) -> Result<()> {
        let term = self.exact_term(kinds::CONTROL, kinds::ACCOUNT, "patient", &patient.bytes());
        let query = Find { kind: kinds::ACCOUNT, all_of: vec![term], before: None, since: None, limit: 1 };
        let taken = account.patient.is_some() || !self.control.find(&query).await?.is_empty();
        if taken { Err(linked_already()) } else { Ok(()) }
    }

    /// An activation code to print for a patient: 12 characters in groups of four.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn issue_activation(&self, ctx: &Ctx, patient: PatientId) -> Result<String> {
        let permit = self.permit_chart(ctx, Action::IssueActivationCode, patient, None).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let visit = ctx.visit();
        let code = format!("{}-{}-{}", letters::<4>(visit), letters::<4>(visit), letters::<4>(visit));
        let (id, hash) = place(&code);
        let link = Link { hash, what: For::Activation { patient }, until: visit.now.plus_ms(ACTIVATION_MS_MAX), used_at: None };
        let mut act =
            Act::by(self, Side::Control, ctx, Class::AccountLinked).permit(&permit).subject(&key).detail("step", "activation code made");
        self.put_link(&mut act, id, 1, &link)?;
        act.commit().await?;
        Ok(code)
    }

    /// A patient enters the activation code.
    ///
    /// # Errors
    /// `Invalid` on `code`, `Throttled`.
    pub async fn activate(&self, ctx: &Ctx, code: &str) -> Result<()> {
        let permit = self.permit(ctx, Action::UseOwnAccount, Resource::Hospital).await?;
        let own = ctx.account().filter(|account| account.role == Role::Patient).ok_or(Error::NotFound)?;
        let keys = [self.address_key(ctx.visit()), self.account_key(own.id, Factor::Activation)];
        let gate = self.gate(ctx.visit(), &keys).await?;
        let (id, hash) = place(code);
        let link = self.live_link(id, &hash, ctx.now()).await?;
        let found = link.and_then(|link| if let For::Activation { patient } = link.body.what { Some((patient, link)) } else { None });
        let Some((patient, link)) = found else {
            let details = [("step", "activation"), ("reason", "wrong code")];
            self.count_failure(ctx.visit(), &Who::of(ctx), Class::AccountLinked, &keys, &details).await?;
            let words = "This code does not work. Check it, or ask at the front desk for a new one.";
            return Err(Error::Invalid(FieldErrors(vec![FieldError::new("code", words)])));
        };
        let key = self.patient_key(patient, ctx.now()).await?;
        let opened = self.account(own.id).await?.ok_or(Error::SignedOut)?;
        self.not_linked(&opened.body, patient).await?;
        let mut act =
            Act::by(self, Side::Control, ctx, Class::AccountLinked).permit(&permit).subject(&key).detail("step", "activation code used");
        gate.clear(&mut act)?;
        self.put_account(&mut act, opened.version, &Account { patient: Some(patient), ..opened.body.clone() })?;
        self.put_link(&mut act, id, link.version.saturating_add(1), &used(&link, ctx.now()))?;
        act.commit().await.map(|_| ())
    }
}
