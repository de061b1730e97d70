//! One's own account: password, recovery codes, what is set up.

use std::collections::HashMap;

use wardkeep_domain::account::password::Password;
use wardkeep_domain::{AccountId, FieldError, FieldErrors};
use wardkeep_ledger::Class;
use wardkeep_policy::{Action, Resource};
use wardkeep_store::DocId;

use super::OwnAccount;
use crate::act::{Act, Side, Who};
use crate::sign_in::{Checked, Credentials, PasskeyView, Recovery};
use crate::throttle::Factor;
use crate::{App, Ctx, Error, Result, kinds};

impl App {
    /// # Errors
    /// `Unavailable`.
    pub async fn own_account(&self, ctx: &Ctx) -> Result<OwnAccount> {
        self.permit(ctx, Action::UseOwnAccount, Resource::Hospital).await?;
        let account = ctx.account().ok_or(Error::SignedOut)?.clone();
        let credentials = self.credentials(account.id).await?.map(|opened| opened.body);
        Ok(OwnAccount {
            has_password: credentials.as_ref().is_some_and(Credentials::has_password),
            password_changed_at: credentials.as_ref().map(|c| c.password_changed_at),
            authenticator_since: credentials.as_ref().and_then(|c| c.totp.as_ref()).map(|totp| totp.enrolled_at),
            passkeys: credentials.as_ref().map(|c| c.passkeys.iter().map(PasskeyView::from).collect()).unwrap_or_default(),
            lately: credentials.as_ref().map(|c| c.lately.views()).unwrap_or_default(),
            recovery_codes_left: credentials.as_ref().map_or(0, |c| c.recovery.left()),
            account,
        })
    }

    /// Needs the current password and a fresh factor; ends all other sessions.
    ///
    /// # Errors
    /// `Invalid` on `password`, `new_password`, `new_password_again`.
    pub async fn change_password(&self, ctx: &Ctx, current: &str, new: &str, again: &str) -> Result<()> {
        let permit = self.permit(ctx, Action::ChangeOwnSignIn, Resource::Hospital).await?;
        let account = ctx.account().ok_or(Error::SignedOut)?;
        let keys = [self.account_key(account.id, Factor::Password)];
        let gate = self.gate(ctx.visit(), &keys).await?;
        let old = self.credentials(account.id).await?.ok_or(Error::SignedOut)?;
        let mut errors = FieldErrors::new();
        let words = [account.email.as_str(), &account.display_name, &self.hospital.name, "wardkeep"];
        let renamed = |error: FieldError| FieldError { field: "new_password", ..error };
        let password = errors.take(Password::new(new, &words).map_err(renamed));
        if new != again {
            errors.push(FieldError::new("new_password_again", "The two new passwords differ. Type the same one twice."));
        }
        let password = errors.into_result(password)?;
        if self.hashing.check(&Password::typed(current), old.body.password()).await? == Checked::Wrong {
            let details = [("step", "password change"), ("reason", "wrong password")];
            self.count_failure(ctx.visit(), &Who::of(ctx), Class::PasswordChanged, &keys, &details).await?;
            return Err(Error::Invalid(FieldErrors(vec![FieldError::new("password", "This is not your current password.")])));
        }
        let hash = self.hashing.hash(ctx.visit(), &password).await?;
        let changed = Credentials { password: hash, password_changed_at: ctx.now(), ..old.body.clone() };
        let mut act = Act::by(self, Side::Control, ctx, Class::PasswordChanged).permit(&permit);
        gate.clear(&mut act)?;
        self.put_credentials(&mut act, account.id, Some(&old), &changed)?;
        let ended = self.end_sessions(&mut act, account.id, ctx.session().map(|session| session.id), ctx.now()).await?;
        act.detail("sessions ended", ended.to_string()).commit().await.map(|_| ())
    }

    /// Ten new recovery codes, shown once. Needs a fresh factor.
    ///
    /// # Errors
    /// `Denied` with `step_up`.
    pub async fn new_recovery_codes(&self, ctx: &Ctx) -> Result<Vec<String>> {
        let permit = self.permit(ctx, Action::ChangeOwnSignIn, Resource::Hospital).await?;
        let account = ctx.account().ok_or(Error::SignedOut)?.id;
        let old = self.credentials(account).await?.ok_or(Error::SignedOut)?;
        let (recovery, codes) = Recovery::new(ctx.visit());
        let mut act = Act::by(self, Side::Control, ctx, Class::FactorChanged).permit(&permit).detail("factor", "recovery codes");
        self.put_credentials(&mut act, account, Some(&old), &Credentials { recovery, ..old.body.clone() })?;
        act.commit().await?;
        Ok(codes)
    }

    /// Names of accounts for showing authors; unknown ids are left out.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn display_names(&self, ids: &[AccountId]) -> Result<HashMap<AccountId, String>> {
        let mut wanted: Vec<DocId> = ids.iter().map(|id| DocId(id.bytes())).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut names = HashMap::with_capacity(wanted.len());
        if wanted.is_empty() {
            return Ok(names);
        }
        for document in self.control.get_many(kinds::ACCOUNT, &wanted).await? {
            let account = self.open_account(&document)?.body;
            names.insert(account.id, account.display_name);
        }
        let rest: Vec<DocId> = wanted.into_iter().filter(|id| !names.contains_key(&AccountId::from_bytes(id.0))).collect();
        self.service_names(&rest, &mut names).await?;
        Ok(names)
    }
}
