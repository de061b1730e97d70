//! Accounts: set-up link, registration, invitations, states, factors, links to patients.

mod activation;
mod factors;
mod links;
mod manage;
mod own;
mod proxies;
mod units;

pub use factors::NewApp;

#[cfg(any(test, fuzzing))]
pub(crate) use activation::place as activation_place;

use wardkeep_domain::AccountId;
use wardkeep_domain::account::{Account, Role};
use wardkeep_domain::date::Moment;

use wardkeep_domain::name::Email;
use wardkeep_policy::{Action, Permit, Resource};
use wardkeep_store::{DocId, Document, Find, Term};
use wardkeep_vault::Purpose;

pub(crate) use links::Invited;

use crate::act::Act;
use crate::envelope::Opened;
use crate::sign_in::{HappeningView, PasskeyView};
use crate::{App, Ctx, Error, Result, kinds};

pub use proxies::ProxyView;
pub use units::UnitView;

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
    /// `false`: it signs in through the provider alone.
    pub has_password: bool,
    pub password_changed_at: Option<Moment>,
    pub authenticator_since: Option<Moment>,
    pub passkeys: Vec<PasskeyView>,
    pub recovery_codes_left: usize,
    /// What happened to the ways in, newest first.
    pub lately: Vec<HappeningView>,
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
    /// Who somebody is at the provider.
    pub(crate) fn identity_term(&self, issuer: &str, subject: &str) -> Term {
        self.exact_term(kinds::CONTROL, kinds::ACCOUNT, "sign-on", [issuer, subject].join("\0").as_bytes())
    }
    /// Writes the version after `version`. The e-mail address and the link are unique; role and state can be listed.
    pub(crate) fn put_account(&self, act: &mut Act<'_>, version: u64, account: &Account) -> Result<()> {
        let term = |field: &str, value: &[u8]| self.exact_term(kinds::CONTROL, kinds::ACCOUNT, field, value);
        let mut terms = vec![term("role", account.role.code().as_bytes()), term("state", account.state.code().as_bytes())];
        if let Some(patient) = account.patient {
            terms.push(term("patient", &patient.bytes()));
        }
        terms.extend(account.units.iter().map(|unit| term("unit", unit.as_str().as_bytes())));
        if !account.clearances.is_empty() {
            terms.push(term("cleared", b"yes"));
        }
        terms.extend(account.proxies.iter().map(|proxy| term("proxy", &proxy.patient.bytes())));
        let mut unique = vec![term("email", account.email.as_str().as_bytes())];
        unique.extend(account.sign_on.as_ref().map(|link| self.identity_term(&link.issuer, &link.subject)));
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
