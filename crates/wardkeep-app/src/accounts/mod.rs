//! Accounts: set-up link, registration, invitations, states, factors, links to patients.

use wardkeep_domain::account::{Account, AccountState, Role};
use wardkeep_domain::date::Moment;
use wardkeep_domain::{AccountId, PatientId};

use wardkeep_domain::name::Email;
use wardkeep_policy::{Action, Permit, Resource};
use wardkeep_store::{DocId, Document, Find};
use wardkeep_vault::Purpose;

use crate::act::Act;
use crate::envelope::Opened;
use crate::{App, Ctx, Error, Result, Visit, kinds};

/// The set-up link lives this long.
pub const SETUP_MS_MAX: i64 = 10 * 60 * 1000;
/// A staff invitation lives this long.
pub const INVITATION_MS_MAX: i64 = 7 * 24 * 60 * 60 * 1000;
/// An activation code printed for a patient lives this long.
pub const ACTIVATION_MS_MAX: i64 = 30 * 24 * 60 * 60 * 1000;

/// One line of the accounts list.
#[derive(Clone, Debug)]
pub struct AccountView {
    pub account: Account,
    pub has_second_factor: bool,
    pub last_sign_in: Option<Moment>,
}

/// An invitation as the invited person sees it.
#[derive(Clone, Debug)]
pub struct InvitationView {
    pub email: String,
    pub display_name: String,
    pub role: Role,
    /// The first administrator's set-up link also asks for e-mail and name.
    pub setup: bool,
}

/// What a registering or invited person types.
#[derive(Clone, Default)]
pub struct NewAccount {
    pub email: String,
    pub display_name: String,
    pub password: String,
    pub password_again: String,
}

/// Own account page.
#[derive(Clone, Debug)]
pub struct OwnAccount {
    pub account: Account,
    pub password_changed_at: Option<Moment>,
    pub authenticator_since: Option<Moment>,
    pub recovery_codes_left: usize,
}

impl App {
    /// A one-time set-up link token for the first administrator. Refused when an administrator exists.
    ///
    /// # Errors
    /// `Refused`.
    pub async fn issue_setup(&self, visit: &Visit) -> Result<String> {
        let _ = visit;
        todo!("identity helper")
    }
    /// Invites staff; returns the token of the link. Nobody chooses their own role.
    ///
    /// # Errors
    /// `Invalid` on `email`, `display_name`, `role`; `Denied`; `Refused` when the address is in use.
    pub async fn invite(&self, ctx: &Ctx, email: &str, display_name: &str, role: &str) -> Result<(AccountId, String)> {
        let _ = (ctx, email, display_name, role);
        todo!("identity helper")
    }
    /// Reads an invitation or set-up link.
    ///
    /// # Errors
    /// `NotFound` when unknown, used or too old.
    pub async fn invitation(&self, visit: &Visit, token: &str) -> Result<InvitationView> {
        let _ = (visit, token);
        todo!("identity helper")
    }
    /// Accepts it with a password; the account is active and must enrol a factor at sign-in.
    ///
    /// # Errors
    /// `Invalid` on `email`, `display_name`, `password`, `password_again`; `NotFound`.
    pub async fn accept_invitation(&self, visit: &Visit, token: &str, form: &NewAccount) -> Result<()> {
        let _ = (visit, token, form);
        todo!("identity helper")
    }
    /// Opens a patient account that sees nothing until it is linked. Answers the same when the
    /// address is in use (the owner finds it in the log, the stranger learns nothing).
    ///
    /// # Errors
    /// `Invalid`, `Refused` when registration is closed, `Throttled`.
    pub async fn register(&self, visit: &Visit, form: &NewAccount) -> Result<()> {
        let _ = (visit, form);
        todo!("identity helper")
    }
    /// Newest first; `after` is the cursor of the last page's `next`.
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
        let _ = (ctx, role, state, after);
        todo!("identity helper")
    }
    /// Looks an account up by e-mail (command line, linking).
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn account_by_email(&self, ctx: &Ctx, email: &str) -> Result<AccountView> {
        let _ = (ctx, email);
        todo!("identity helper")
    }
    /// Suspends and ends every session of the account.
    ///
    /// # Errors
    /// `Denied`, `NotFound`, `Refused`.
    pub async fn suspend(&self, ctx: &Ctx, account: AccountId) -> Result<()> {
        let _ = (ctx, account);
        todo!("identity helper")
    }
    /// # Errors
    /// `Denied`, `NotFound`, `Refused`.
    pub async fn reinstate(&self, ctx: &Ctx, account: AccountId) -> Result<()> {
        let _ = (ctx, account);
        todo!("identity helper")
    }
    /// Removes the second factor and recovery codes; the user is told and must enrol again.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn reset_factor(&self, ctx: &Ctx, account: AccountId) -> Result<()> {
        let _ = (ctx, account);
        todo!("identity helper")
    }
    /// # Errors
    /// `Unavailable`.
    pub async fn own_account(&self, ctx: &Ctx) -> Result<OwnAccount> {
        let _ = ctx;
        todo!("identity helper")
    }
    /// Needs the current password and a fresh factor; ends all other sessions.
    ///
    /// # Errors
    /// `Invalid` on `password`, `new_password`, `new_password_again`.
    pub async fn change_password(&self, ctx: &Ctx, current: &str, new: &str, again: &str) -> Result<()> {
        let _ = (ctx, current, new, again);
        todo!("identity helper")
    }
    /// Ten new recovery codes, shown once. Needs a fresh factor.
    ///
    /// # Errors
    /// `Denied` with `step_up`.
    pub async fn new_recovery_codes(&self, ctx: &Ctx) -> Result<Vec<String>> {
        let _ = ctx;
        todo!("identity helper")
    }
    /// Links a patient account to a patient (registrar).
    ///
    /// # Errors
    /// `Denied`, `NotFound`, `Refused` when it is no patient account or linked already.
    pub async fn link_account(&self, ctx: &Ctx, email: &str, patient: PatientId) -> Result<()> {
        let _ = (ctx, email, patient);
        todo!("identity helper")
    }
    /// An activation code to print for a patient: 12 characters in groups of four.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn issue_activation(&self, ctx: &Ctx, patient: PatientId) -> Result<String> {
        let _ = (ctx, patient);
        todo!("identity helper")
    }
    /// A patient enters the activation code.
    ///
    /// # Errors
    /// `Invalid` on `code`, `Throttled`.
    pub async fn activate(&self, ctx: &Ctx, code: &str) -> Result<()> {
        let _ = (ctx, code);
        todo!("identity helper")
    }
    /// Names of accounts for showing authors; unknown ids are left out.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn display_names(&self, ids: &[AccountId]) -> Result<std::collections::HashMap<AccountId, String>> {
        let _ = ids;
        todo!("identity helper")
    }
}

/// A page of a keyset list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Give this back to get the next page; `None` at the end.
    pub next: Option<u64>,
}

/// Rows on a page.
pub const PAGE: usize = 25;

impl App {
    pub(crate) async fn account(&self, id: AccountId) -> Result<Option<Opened<Account>>> {
        let document = self.control.get(kinds::ACCOUNT, DocId(id.bytes())).await?;
        document.map(|document| self.open_account(&document)).transpose()
    }
    pub(crate) fn open_account(&self, document: &Document) -> Result<Opened<Account>> {
        self.open_own_doc(kinds::CONTROL, Purpose::Staff, document)
    }
    pub(crate) async fn account_of_email(&self, email: &Email) -> Result<Option<Opened<Account>>> {
        let term = self.exact_term(kinds::CONTROL, kinds::ACCOUNT, "email", email.as_str().as_bytes());
        let query = Find { kind: kinds::ACCOUNT, all_of: vec![term], before: None, since: None, limit: 1 };
        self.control.find(&query).await?.first().map(|document| self.open_account(document)).transpose()
    }
    /// Writes the version after `version`. The e-mail address is unique; role and state can be listed.
    pub(crate) fn put_account(&self, act: &mut Act<'_>, version: u64, account: &Account) -> Result<()> {
        let term = |field: &str, value: &[u8]| self.exact_term(kinds::CONTROL, kinds::ACCOUNT, field, value);
        let mut terms = vec![term("role", account.role.code().as_bytes()), term("state", account.state.code().as_bytes())];
        if let Some(patient) = account.patient {
            terms.push(term("patient", &patient.bytes()));
        }
        let unique = vec![term("email", account.email.as_str().as_bytes())];
        act.put_own(Purpose::Staff, kinds::ACCOUNT, DocId(account.id.bytes()), version.saturating_add(1), account, terms, unique)
    }
    /// May this actor do this to this account? An unknown account is `NotFound` for those who may ask.
    pub(crate) async fn permit_account(&self, ctx: &Ctx, action: Action, account: AccountId) -> Result<(Permit, Opened<Account>)> {
        let found = self.account(account).await?;
        let role = found.as_ref().map_or(Role::Patient, |opened| opened.body.role);
        let permit = self.permit(ctx, action, Resource::Account { id: account, role }).await?;
        Ok((permit, found.ok_or(Error::NotFound)?))
    }
}
