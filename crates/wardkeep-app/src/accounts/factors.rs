//! One's own second factors: passkeys and the authenticator app, added and removed.
//!
//! Each change needs a fresh factor, and something to sign in with stays.

use wardkeep_domain::account::Account;
use wardkeep_domain::{PasskeyId, SessionId};
use wardkeep_ledger::Class;
use wardkeep_policy::{Action, Permit, Resource};

use crate::act::{Act, Side};
use crate::envelope::Opened;
use crate::sign_in::{
    Asked, Credentials, Enrolment, Holder, PASSKEYS_MAX, Question, RelyingParty, Ticket, Totp, no_passkey, passkey_name, step_of,
    wrong_first_code,
};
use crate::throttle::retried;
use crate::{App, Ctx, Error, Result};

/// An authenticator app to be set up.
pub struct NewApp {
    /// Goes back with the code.
    pub ticket: String,
    pub enrolment: Enrolment,
}

/// Whose factors are changed, and by which right.
struct Own<'a> {
    permit: Permit,
    account: &'a Account,
    session: SessionId,
    credentials: Opened<Credentials>,
}

fn last() -> Error {
    Error::Refused("This is the last way to sign in to this account. Set up another one first, then remove it.".to_owned())
}

fn app_exists() -> Error {
    Error::Refused("An authenticator app is set up already. Remove it first, then set up the new one.".to_owned())
}

fn too_many() -> Error {
    Error::Refused(format!("An account has at most {PASSKEYS_MAX} passkeys. Remove one first."))
}

impl App {
    async fn own_factors<'a>(&self, ctx: &'a Ctx) -> Result<Own<'a>> {
        let permit = self.permit(ctx, Action::ChangeOwnSignIn, Resource::Hospital).await?;
        let account = ctx.account().ok_or(Error::SignedOut)?;
        let session = ctx.session().ok_or(Error::SignedOut)?.id;
        let credentials = self.credentials(account.id).await?.ok_or(Error::SignedOut)?;
        Ok(Own { permit, account, session, credentials })
    }

    /// Writes changed factors and says in the log what changed: `details` after the factor's kind.
    async fn change_factors<T>(
        &self,
        ctx: &Ctx,
        own: &Own<'_>,
        changed: &Credentials,
        ticket: Option<&Ticket<T>>,
        details: &[(&str, &str)],
    ) -> Result<()> {
        let mut act = Act::by(self, Side::Control, ctx, Class::FactorChanged).permit(&own.permit);
        for (key, value) in details {
            act = act.detail(key, *value);
        }
        if let Some(ticket) = ticket {
            self.use_ticket(&mut act, ticket, ctx.now())?;
        }
        self.put_credentials(&mut act, own.account.id, Some(&own.credentials), changed)?;
        act.commit().await.map(|_| ())
    }

    /// # Errors
    /// `Denied` with `step_up`; `Refused` when there are too many already.
    pub async fn ask_new_passkey(&self, ctx: &Ctx, site: &RelyingParty) -> Result<Question> {
        let own = self.own_factors(ctx).await?;
        let held = &own.credentials.body.passkeys;
        if held.len() >= PASSKEYS_MAX {
            return Err(too_many());
        }
        let (options, asked) = site.ask_new(own.account, held)?;
        Ok(Question { ticket: self.new_ticket(ctx.visit(), Holder::Session(own.session), asked)?, options })
    }

    /// # Errors
    /// `Invalid` on field `name`; `Denied` with `step_up`; `Refused`.
    pub async fn add_passkey(&self, ctx: &Ctx, site: &RelyingParty, ticket: &str, name: &str, answer: &str) -> Result<()> {
        retried(|| async {
            let own = self.own_factors(ctx).await?;
            let name = passkey_name(name)?;
            let held = &own.credentials.body.passkeys;
            if held.len() >= PASSKEYS_MAX {
                return Err(too_many());
            }
            let ticket = self.ticket::<Asked>(ctx.visit(), Holder::Session(own.session), ticket).await?;
            let id = PasskeyId::from_bytes(ctx.visit().new_id());
            // Another account's passkey cannot be meant: an answer names its account first.
            let new = |made: &crate::sign_in::Passkey| held.iter().all(|held| held.credential.cred_id() != made.credential.cred_id());
            let made = site.take_new(&ticket.state, answer, id, name.clone(), ctx.now()).filter(new).ok_or_else(no_passkey)?;
            let changed = own.credentials.body.with_passkey(made);
            let details = [("factor", "passkey"), ("change", "added"), ("passkey", name.as_str())];
            self.change_factors(ctx, &own, &changed, Some(&ticket), &details).await
        })
        .await
    }

    /// # Errors
    /// `Denied` with `step_up`; `NotFound`; `Refused` when nothing else would be left.
    pub async fn remove_passkey(&self, ctx: &Ctx, id: PasskeyId) -> Result<()> {
        retried(|| async {
            let own = self.own_factors(ctx).await?;
            let name = own.credentials.body.passkeys.iter().find(|held| held.id == id).ok_or(Error::NotFound)?.name.clone();
            let changed = own.credentials.body.without_passkey(id).ok_or_else(last)?;
            let details = [("factor", "passkey"), ("change", "removed"), ("passkey", name.as_str())];
            self.change_factors(ctx, &own, &changed, None::<&Ticket<()>>, &details).await
        })
        .await
    }

    /// A secret for an authenticator app, where there is none yet.
    ///
    /// # Errors
    /// `Denied` with `step_up`; `Refused`.
    pub async fn ask_new_app(&self, ctx: &Ctx) -> Result<NewApp> {
        let own = self.own_factors(ctx).await?;
        if own.credentials.body.totp.is_some() {
            return Err(app_exists());
        }
        let secret = ctx.visit().entropy.bytes::<20>();
        let ticket = self.new_ticket(ctx.visit(), Holder::Session(own.session), secret)?;
        Ok(NewApp { ticket, enrolment: self.enrolment_of(own.account, secret) })
    }

    /// The same secret again, for a form that came back with an error.
    ///
    /// # Errors
    /// As [`App::ask_new_app`].
    pub async fn same_new_app(&self, ctx: &Ctx, ticket: &str) -> Result<NewApp> {
        let own = self.own_factors(ctx).await?;
        let secret = self.ticket::<[u8; 20]>(ctx.visit(), Holder::Session(own.session), ticket).await?.state;
        Ok(NewApp { ticket: ticket.to_owned(), enrolment: self.enrolment_of(own.account, secret) })
    }

    /// The first code proves that the app works.
    ///
    /// # Errors
    /// `Invalid` on field `code`; `Denied` with `step_up`; `Refused`.
    pub async fn add_app(&self, ctx: &Ctx, ticket: &str, code: &str) -> Result<()> {
        retried(|| async {
            let own = self.own_factors(ctx).await?;
            if own.credentials.body.totp.is_some() {
                return Err(app_exists());
            }
            let ticket = self.ticket::<[u8; 20]>(ctx.visit(), Holder::Session(own.session), ticket).await?;
            let last_step = step_of(ticket.state, code, ctx.now()).ok_or_else(wrong_first_code)?;
            let totp = Some(Totp { secret: ticket.state, last_step, enrolled_at: ctx.now() });
            let changed = Credentials { totp, ..own.credentials.body.clone() };
            self.change_factors(ctx, &own, &changed, Some(&ticket), &[("factor", "authenticator app"), ("change", "added")]).await
        })
        .await
    }

    /// # Errors
    /// `Denied` with `step_up`; `NotFound`; `Refused` when nothing else would be left.
    pub async fn remove_app(&self, ctx: &Ctx) -> Result<()> {
        retried(|| async {
            let own = self.own_factors(ctx).await?;
            own.credentials.body.totp.as_ref().ok_or(Error::NotFound)?;
            let changed = own.credentials.body.without_app().ok_or_else(last)?;
            let details = [("factor", "authenticator app"), ("change", "removed")];
            self.change_factors(ctx, &own, &changed, None::<&Ticket<()>>, &details).await
        })
        .await
    }
}
