//! Looking after accounts: list, suspend, reinstate, reset a second factor.

use wardkeep_domain::AccountId;
use wardkeep_domain::account::{Account, AccountRefusal, AccountState, Role};
use wardkeep_domain::date::Moment;
use wardkeep_domain::name::Email;
use wardkeep_domain::request::RequestKind;
use wardkeep_ledger::Class;
use wardkeep_policy::{Action, Permit, Resource};
use wardkeep_store::{DocId, Document, Find, Seq, Term};

use super::{AccountView, PAGE, Page};
use crate::act::{Act, Side};
use crate::envelope::Opened;
use crate::requests::Approval;
use crate::sign_in::Credentials;
use crate::throttle::Factor;
use crate::{App, Ctx, Error, Result, kinds};

fn refused(refusal: &AccountRefusal) -> Error {
    Error::Refused(refusal.to_string())
}

impl App {
    fn account_term(&self, field: &str, value: &str) -> Term {
        self.exact_term(kinds::CONTROL, kinds::ACCOUNT, field, value.as_bytes())
    }

    /// Newest first; `after` is the cursor of the last page's `next`. Patients have accounts too, so
    /// looking is an event.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn accounts(
        &self,
        ctx: &Ctx,
        role: Option<Role>,
        state: Option<AccountState>,
        after: Option<u64>,
    ) -> Result<Page<AccountView>> {
        let permit = self.permit(ctx, Action::ListAccounts, Resource::Hospital).await?;
        let mut all_of: Vec<Term> = role.iter().map(|role| self.account_term("role", role.code())).collect();
        all_of.extend(state.iter().map(|state| self.account_term("state", state.code())));
        let query = Find { kind: kinds::ACCOUNT, all_of, before: after.map(Seq), since: None, limit: PAGE };
        let documents = self.control.find(&query).await?;
        let next = if documents.len() == PAGE { documents.last().map(|document| document.seq.0) } else { None };
        let act = Act::by(self, Side::Control, ctx, Class::AccountsRead).permit(&permit);
        act.detail("found", documents.len().to_string()).commit().await?;
        let mut items = Vec::with_capacity(documents.len());
        for document in &documents {
            items.push(self.account_view(document).await?);
        }
        Ok(Page { items, next })
    }

    async fn account_view(&self, document: &Document) -> Result<AccountView> {
        let account: Account = self.open_account(document)?.body;
        let has_second_factor = self.credentials(account.id).await?.is_some_and(|opened| opened.body.has_factor());
        let last_sign_in = self.control.marked(kinds::ACCOUNT, document.id).await?.map(Moment);
        Ok(AccountView { account, has_second_factor, last_sign_in })
    }

    /// Looks an account up by e-mail (command line, linking).
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn account_by_email(&self, ctx: &Ctx, email: &str) -> Result<AccountView> {
        self.permit(ctx, Action::ListAccounts, Resource::Hospital).await?;
        let email = Email::parse(email).map_err(|_| Error::NotFound)?;
        let account = self.account_of_email(&email).await?.ok_or(Error::NotFound)?;
        let document = self.control.get(kinds::ACCOUNT, DocId(account.body.id.bytes())).await?.ok_or(Error::NotFound)?;
        self.account_view(&document).await
    }

    /// Suspends and ends every session of the account.
    ///
    /// # Errors
    /// `Denied`, `NotFound`, `Refused`.
    pub async fn suspend(&self, ctx: &Ctx, account: AccountId) -> Result<()> {
        let (permit, opened) = self.permit_account(ctx, Action::SuspendAccount, account).await?;
        let suspended = opened.body.suspend().map_err(|refusal| refused(&refusal))?;
        let mut act =
            Act::by(self, Side::Control, ctx, Class::AccountSuspended).permit(&permit).detail("account", hex::encode(account.bytes()));
        self.put_account(&mut act, opened.version, &suspended)?;
        self.expect_credentials(&mut act, account).await?;
        let ended = self.end_sessions(&mut act, account, None, ctx.now()).await?;
        act.detail("sessions", ended.to_string()).commit().await.map(|_| ())
    }

    /// # Errors
    /// `Denied`, `NotFound`, `Refused`.
    pub async fn reinstate(&self, ctx: &Ctx, account: AccountId) -> Result<()> {
        let (permit, opened) = self.permit_account(ctx, Action::ReinstateAccount, account).await?;
        let active = opened.body.reinstate().map_err(|refusal| refused(&refusal))?;
        // Somebody who never accepted the invitation has no password yet.
        if self.credentials(account).await?.is_none() {
            return Err(Error::Refused("This person never accepted the invitation. Invite them again with another address.".to_owned()));
        }
        let mut act =
            Act::by(self, Side::Control, ctx, Class::AccountReinstated).permit(&permit).detail("account", hex::encode(account.bytes()));
        self.put_account(&mut act, opened.version, &active)?;
        act.commit().await.map(|_| ())
    }

    /// Removes the second factor, passkeys too, and recovery codes, and the waits that wrong tries
    /// brought; the user is told and must enrol again.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; `SecondPerson` when somebody else could decide on it.
    pub async fn reset_factor(&self, ctx: &Ctx, account: AccountId) -> Result<()> {
        let (permit, opened) = self.permit_account(ctx, Action::ResetFactor, account).await?;
        self.has_credentials(account).await?;
        self.alone(ctx, RequestKind::ResetFactor { account, person: opened.body.display_name.clone() }).await?;
        self.take_factor(ctx, &permit, &opened, None).await
    }

    /// The same after a second person agreed: the approval is used up in the same commit.
    pub(crate) async fn reset_factor_approved(&self, ctx: &Ctx, account: AccountId, approval: &Approval) -> Result<()> {
        let (permit, opened) = self.permit_account(ctx, Action::ResetFactor, account).await?;
        self.take_factor(ctx, &permit, &opened, Some(approval)).await
    }

    pub(crate) async fn has_credentials(&self, account: AccountId) -> Result<Opened<Credentials>> {
        self.credentials(account).await?.ok_or_else(|| Error::Refused("This person has not signed in yet.".to_owned()))
    }

    async fn take_factor(&self, ctx: &Ctx, permit: &Permit, opened: &Opened<Account>, approval: Option<&Approval>) -> Result<()> {
        let account = opened.body.id;
        let credentials = self.has_credentials(account).await?;
        let by = if approval.is_some() { "an administrator with the consent of a second person" } else { "an administrator" };
        let notice = Some(format!(
            "Your second factor, passkeys included, was removed on {} by {by}. If you did not ask for that, tell your privacy officer.",
            ctx.now().staff()
        ));
        let mut act = Act::by(self, Side::Control, ctx, Class::FactorReset).permit(permit).detail("account", hex::encode(account.bytes()));
        if let Some(approval) = approval {
            act = approval.consume(self, act)?;
        }
        self.put_account(&mut act, opened.version, &Account { notice, ..opened.body.clone() })?;
        self.put_credentials(&mut act, account, Some(&credentials), &credentials.body.without_factor())?;
        // Whatever a stranger guessed until nothing was looked at any more: the person stands here now.
        self.counters(&Factor::OF_SIGN_IN.map(|factor| self.account_key(account, factor))).await?.clear(&mut act)?;
        let ended = self.end_sessions(&mut act, account, None, ctx.now()).await?;
        act.detail("sessions", ended.to_string()).commit().await.map(|_| ())
    }
}
