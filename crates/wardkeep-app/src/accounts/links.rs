//! How accounts come to be: the set-up link, staff invitations, patients' registration.
//!
//! A link is a random token that the store knows by its hash; it works once and for a while.

use serde::{Deserialize, Serialize};
use wardkeep_domain::account::password::Password;
use wardkeep_domain::account::{Account, AccountState, Role};
use wardkeep_domain::date::Moment;
use wardkeep_domain::name::Email;
use wardkeep_domain::request::{RequestKind, role_decides};
use wardkeep_domain::{AccountId, FieldError, FieldErrors, PatientId, field};
use wardkeep_ledger::{Class, Outcome};
use wardkeep_policy::{Action, Permit, Resource};
use wardkeep_store::{DocId, Find};
use wardkeep_vault::Purpose;

use super::{INVITATION_MS_MAX, InvitationView, NewAccount, SETUP_MS_MAX};
use crate::act::{Act, Side, Who};
use crate::envelope::Opened;
use crate::requests::Approval;
use crate::sessions::Token;
use crate::sign_in::{Credentials, who};
use crate::{App, Ctx, Error, Result, Visit, kinds};

/// What a link or code is for.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum For {
    FirstAdministrator,
    Staff { account: AccountId },
    Activation { patient: PatientId },
}

/// A link or code as sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Link {
    pub hash: [u8; 32],
    pub what: For,
    pub until: Moment,
    pub used_at: Option<Moment>,
}

/// Who first administrators are before they exist.
fn nobody(visit: &Visit) -> Who {
    Who { name: "Set-up".to_owned(), ..Who::visitor(visit) }
}

fn display_name(text: &str) -> Result<String, FieldError> {
    field::text("display_name", text, 1, 100, false)
}

/// Somebody to invite.
#[derive(Clone)]
pub(crate) struct Invited {
    pub email: Email,
    pub name: String,
    pub role: Role,
}

impl Invited {
    pub(crate) fn parse(email: &str, name: &str, role: &str) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::new();
        let email = errors.take(Email::parse(email));
        let name = errors.take(display_name(name));
        let staff = |role: Role| {
            if role.is_staff() { Ok(role) } else { Err(FieldError::new("role", "Patients register themselves. Choose a staff role.")) }
        };
        let role = errors.take(Role::parse(role).and_then(staff));
        errors.into_result((|| Some(Self { email: email?, name: name?, role: role? }))())
    }
}

/// The parts of a form that every new account needs.
struct Typed {
    email: Email,
    name: String,
    password: Password,
}

impl App {
    /// A one-time set-up link token for the first administrator. Refused when an administrator exists.
    ///
    /// # Errors
    /// `Refused`.
    pub async fn issue_setup(&self, visit: &Visit) -> Result<String> {
        self.no_administrator_yet().await?;
        let token = Token::new(visit);
        let link = Link { hash: token.hash, what: For::FirstAdministrator, until: visit.now.plus_ms(SETUP_MS_MAX), used_at: None };
        let mut act = Act::new(self, Side::Control, visit, nobody(visit), Class::AccountInvited).detail("what", "set-up link");
        self.put_link(&mut act, token.id, 1, &link)?;
        act.commit().await?;
        Ok(token.text)
    }

    async fn no_administrator_yet(&self) -> Result<()> {
        let term = self.exact_term(kinds::CONTROL, kinds::ACCOUNT, "role", Role::Administrator.code().as_bytes());
        let query = Find { kind: kinds::ACCOUNT, all_of: vec![term], before: None, since: None, limit: 1 };
        if self.control.find(&query).await?.is_empty() {
            return Ok(());
        }
        Err(Error::Refused("there is an administrator already: ask for an invitation".to_owned()))
    }

    pub(super) fn put_link(&self, act: &mut Act<'_>, id: DocId, version: u64, link: &Link) -> Result<()> {
        act.put_own(Purpose::Credentials, kinds::INVITATION, id, version, link, Vec::new(), Vec::new())
    }

    /// A link that still works.
    pub(super) async fn live_link(&self, id: DocId, hash: &[u8; 32], now: Moment) -> Result<Option<Opened<Link>>> {
        let Some(document) = self.control.get(kinds::INVITATION, id).await? else { return Ok(None) };
        let opened: Opened<Link> = self.open_own_doc(kinds::CONTROL, Purpose::Credentials, &document)?;
        let live = opened.body.hash == *hash && opened.body.used_at.is_none() && now < opened.body.until;
        Ok(live.then_some(opened))
    }

    /// Invites staff; returns the token of the link. Nobody chooses their own role.
    ///
    /// # Errors
    /// `Invalid` on `email`, `display_name`, `role`; `Denied`; `Refused` when the address is in use;
    /// `SecondPerson` for a role that decides on requests.
    pub async fn invite(&self, ctx: &Ctx, email: &str, name: &str, role: &str) -> Result<(AccountId, String)> {
        let permit = self.permit(ctx, Action::InviteStaff, Resource::Hospital).await?;
        let invited = Invited::parse(email, name, role)?;
        self.address_is_free(&invited.email).await?;
        if role_decides(invited.role) {
            let Invited { email, name: display_name, role } = invited.clone();
            self.alone(ctx, RequestKind::GrantRole { email, display_name, role }).await?;
        }
        self.make_invitation(ctx, &permit, invited, None).await
    }

    pub(crate) async fn address_is_free(&self, email: &Email) -> Result<()> {
        match self.account_of_email(email).await? {
            Some(_) => Err(Error::Refused("This address has an account already.".to_owned())),
            None => Ok(()),
        }
    }

    /// Invites after a second person agreed: the approval is used up in the same commit.
    pub(crate) async fn invite_approved(&self, ctx: &Ctx, invited: Invited, approval: &Approval) -> Result<(AccountId, String)> {
        let permit = self.permit(ctx, Action::InviteStaff, Resource::Hospital).await?;
        self.address_is_free(&invited.email).await?;
        self.make_invitation(ctx, &permit, invited, Some(approval)).await
    }

    async fn make_invitation(
        &self,
        ctx: &Ctx,
        permit: &Permit,
        invited: Invited,
        approval: Option<&Approval>,
    ) -> Result<(AccountId, String)> {
        let Invited { email, name, role } = invited;
        let visit = ctx.visit();
        let id = AccountId::from_bytes(visit.new_id());
        let token = Token::new(visit);
        let account = Account::new(id, email, name, role, AccountState::Invited, visit.now);
        let link = Link { hash: token.hash, what: For::Staff { account: id }, until: visit.now.plus_ms(INVITATION_MS_MAX), used_at: None };
        let mut act = Act::by(self, Side::Control, ctx, Class::AccountInvited)
            .permit(permit)
            .detail("account", hex::encode(id.bytes()))
            .detail("role", role.code());
        if let Some(approval) = approval {
            act = approval.consume(self, act)?;
        }
        self.put_account(&mut act, 0, &account)?;
        self.put_link(&mut act, token.id, 1, &link)?;
        act.commit().await?;
        Ok((id, token.text))
    }

    async fn link_of(&self, visit: &Visit, token: &str) -> Result<(Token, Opened<Link>)> {
        let token = Token::parse(token).ok_or(Error::NotFound)?;
        let link = self.live_link(token.id, &token.hash, visit.now).await?.ok_or(Error::NotFound)?;
        Ok((token, link))
    }

    /// Reads an invitation or set-up link.
    ///
    /// # Errors
    /// `NotFound` when unknown, used or too old.
    pub async fn invitation(&self, visit: &Visit, token: &str) -> Result<InvitationView> {
        match self.link_of(visit, token).await?.1.body.what {
            For::FirstAdministrator => {
                self.no_administrator_yet().await.map_err(|_| Error::NotFound)?;
                Ok(InvitationView { email: String::new(), display_name: String::new(), role: Role::Administrator, setup: true })
            }
            For::Staff { account } => {
                let account =
                    self.account(account).await?.filter(|opened| opened.body.state == AccountState::Invited).ok_or(Error::NotFound)?.body;
                Ok(InvitationView {
                    email: account.email.as_str().to_owned(),
                    display_name: account.display_name,
                    role: account.role,
                    setup: false,
                })
            }
            For::Activation { .. } => Err(Error::NotFound),
        }
    }

    /// Accepts it with a password; the account is active and must enrol a factor at sign-in.
    ///
    /// # Errors
    /// `Invalid` on `email`, `display_name`, `password`, `password_again`; `NotFound`.
    pub async fn accept_invitation(&self, visit: &Visit, token: &str, form: &NewAccount) -> Result<()> {
        let (token, link) = self.link_of(visit, token).await?;
        match link.body.what {
            For::FirstAdministrator => self.accept_setup(visit, &token, &link, form).await,
            For::Staff { account } => self.accept_staff(visit, &token, &link, account, form).await,
            For::Activation { .. } => Err(Error::NotFound),
        }
    }

    async fn accept_setup(&self, visit: &Visit, token: &Token, link: &Opened<Link>, form: &NewAccount) -> Result<()> {
        self.no_administrator_yet().await.map_err(|_| Error::NotFound)?;
        let Typed { email, name, password } = self.typed(&form.email, form)?;
        let id = AccountId::from_bytes(visit.new_id());
        let role = Role::Administrator;
        let account = Account::new(id, email, name, role, AccountState::Active, visit.now);
        let hash = self.hashing.hash(visit, &password).await?;
        let mut act = Act::new(self, Side::Control, visit, who(visit, &account), Class::AccountCreated).detail("role", role.code());
        self.put_account(&mut act, 0, &account)?;
        self.put_credentials(&mut act, id, None, &Credentials::new(hash, visit.now))?;
        self.put_link(&mut act, token.id, link.version.saturating_add(1), &used(link, visit.now))?;
        // Two set-up links at once: the second one finds this taken.
        let first = DocId([0; 16]);
        let mark = Link { hash: [0; 32], what: For::FirstAdministrator, until: visit.now, used_at: Some(visit.now) };
        self.put_link(&mut act, first, 1, &mark)?;
        match act.commit().await {
            Err(Error::Conflict { .. }) => Err(Error::NotFound),
            done => done.map(|_| ()),
        }
    }

    async fn accept_staff(&self, visit: &Visit, token: &Token, link: &Opened<Link>, account: AccountId, form: &NewAccount) -> Result<()> {
        let opened = self.account(account).await?.ok_or(Error::NotFound)?;
        let account = opened.body.activate().map_err(|_| Error::NotFound)?;
        let password = self.new_password(account.email.as_str(), &account.display_name, form)?;
        let hash = self.hashing.hash(visit, &password).await?;
        let mut act = Act::new(self, Side::Control, visit, who(visit, &account), Class::AccountCreated).detail("role", account.role.code());
        self.put_account(&mut act, opened.version, &account)?;
        self.put_credentials(&mut act, account.id, None, &Credentials::new(hash, visit.now))?;
        self.put_link(&mut act, token.id, link.version.saturating_add(1), &used(link, visit.now))?;
        act.commit().await.map(|_| ())
    }

    fn typed(&self, email: &str, form: &NewAccount) -> Result<Typed, FieldErrors> {
        let mut errors = FieldErrors::new();
        let email = errors.take(Email::parse(email));
        let name = errors.take(display_name(&form.display_name));
        let password = self.new_password(&form.email, &form.display_name, form).map_err(|found| errors.0.extend(found.0)).ok();
        errors.into_result((|| Some(Typed { email: email?, name: name?, password: password? }))())
    }

    fn new_password(&self, email: &str, name: &str, form: &NewAccount) -> Result<Password, FieldErrors> {
        let mut errors = FieldErrors::new();
        let password = errors.take(Password::new(&form.password, &[email, name, &self.hospital.name, "wardkeep"]));
        if form.password != form.password_again {
            errors.push(FieldError::new("password_again", "The two passwords differ. Type the same one twice."));
        }
        errors.into_result(password)
    }

    /// Opens a patient account that sees nothing until it is linked. Answers the same when the
    /// address is in use (the owner finds it in the log, the stranger learns nothing).
    ///
    /// # Errors
    /// `Invalid`, `Refused` when registration is closed, `Throttled`.
    pub async fn register(&self, visit: &Visit, form: &NewAccount) -> Result<()> {
        if !self.hospital.registration_open {
            return Err(Error::Refused("Registration is closed here. Ask at the front desk.".to_owned()));
        }
        let Typed { email, name, password } = self.typed(&form.email, form)?;
        let gate = self.gate(visit, &[self.registration_key(visit)]).await?;
        // The same work whether the address is known or not.
        let hash = self.hashing.hash(visit, &password).await?;
        let id = AccountId::from_bytes(visit.new_id());
        let mut act = Act::new(self, Side::Control, visit, Who::visitor(visit), Class::AccountCreated).detail("role", Role::Patient.code());
        gate.count(&mut act, visit.now)?;
        if let Some(known) = self.account_of_email(&email).await? {
            let account = hex::encode(known.body.id.bytes());
            act = act.outcome(Outcome::Denied).detail("reason", "address in use").detail("account", account);
            return act.commit().await.map(|_| ());
        }
        let role = Role::Patient;
        let account = Account::new(id, email, name, role, AccountState::Active, visit.now);
        act = act.detail("account", hex::encode(id.bytes()));
        self.put_account(&mut act, 0, &account)?;
        self.put_credentials(&mut act, id, None, &Credentials::new(hash, visit.now))?;
        match act.commit().await {
            // Somebody registered the address meanwhile: the same answer.
            Ok(_) | Err(Error::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

pub(super) fn used(link: &Opened<Link>, now: Moment) -> Link {
    Link { used_at: Some(now), ..link.body.clone() }
}
