//! The second step: a code, a recovery code, or the first enrolment; each ends in a session.
//!
//! The commit that makes the session also writes the credentials (used step, used code), uses up
//! the pending sign-in and holds the account's version, so that a code counts once, a pending
//! token signs in once, and a suspension cannot be overtaken.

use wardkeep_domain::AccountId;
use wardkeep_domain::account::session::PENDING_MS_MAX;
use wardkeep_domain::account::{Account, AccountState};
use wardkeep_ledger::Class;
use wardkeep_vault::Purpose;

use super::credentials::{base32, step_of};
use super::{Credentials, Enrolment, Recovery, SecondStep, SignedIn, Waiting, who};
use crate::act::{Act, Side};
use crate::error::invalid;
use crate::sessions::Token;
use crate::throttle::{Factor, Gate, Key, retried};
use crate::{App, Error, Result, Visit, kinds};

impl App {
    /// The secret to enrol; the same on every call for one pending sign-in.
    ///
    /// # Errors
    /// `SignedOut`; `Refused` when a factor exists already.
    pub async fn enrolment(&self, visit: &Visit, token: &str) -> Result<Enrolment> {
        let step = self.second_step(visit, token).await?;
        let secret = step.waiting.body.secret.ok_or_else(factor_exists)?;
        Ok(self.enrolment_of(&step.account.body, secret))
    }

    /// A secret as authenticator apps take it.
    pub(crate) fn enrolment_of(&self, account: &Account, secret: [u8; 20]) -> Enrolment {
        let key = base32(secret);
        let uri = otpauth(&self.hospital.name, account.email.as_str(), &key);
        let letters: Vec<char> = key.chars().collect();
        let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
        Enrolment { uri, key: groups.join(" ") }
    }

    /// Second step at first sign-in: the first code proves the app works.
    ///
    /// # Errors
    /// `Invalid` on field `code`, `SignedOut`, `Throttled`.
    pub async fn enrol(&self, visit: &Visit, token: &str, code: &str) -> Result<SignedIn> {
        let done = retried(|| self.try_enrol(visit, token, code)).await;
        match self.counted(visit, token, Factor::Totp, done).await {
            Err(Error::WrongCredentials) => Err(wrong_first_code()),
            done => done,
        }
    }

    async fn try_enrol(&self, visit: &Visit, token: &str, code: &str) -> Result<SignedIn> {
        let step = self.second_step(visit, token).await?;
        let gate = self.gate(visit, &self.second_keys(visit, step.account.body.id, Factor::Totp)).await?;
        let secret = step.waiting.body.secret.ok_or_else(factor_exists)?;
        let used = step_of(secret, code, visit.now).ok_or(Error::WrongCredentials)?;
        let (recovery, codes) = Recovery::new(visit);
        let credentials = step.credentials.body.enrolled(secret, used, recovery, visit.now);
        let signed =
            self.finish(visit, &step, &gate, &credentials, Finish { step: "enrolment", factor: Some("authenticator app") }).await?;
        Ok(SignedIn { recovery_codes: Some(codes), ..signed })
    }

    /// Second step with a code from the app; each time step counts once.
    ///
    /// # Errors
    /// `WrongCredentials`, `SignedOut`, `Throttled`.
    pub async fn sign_in_code(&self, visit: &Visit, token: &str, code: &str) -> Result<SignedIn> {
        let done = retried(|| async {
            let step = self.second_step(visit, token).await?;
            let gate = self.gate(visit, &self.second_keys(visit, step.account.body.id, Factor::Totp)).await?;
            let credentials = step.credentials.body.use_code(code, visit.now).ok_or(Error::WrongCredentials)?;
            self.finish(visit, &step, &gate, &credentials, Finish { step: "code", factor: None }).await
        })
        .await;
        self.counted(visit, token, Factor::Totp, done).await
    }

    /// Second step with a recovery code, used up by it.
    ///
    /// # Errors
    /// As [`App::sign_in_code`].
    pub async fn sign_in_recovery(&self, visit: &Visit, token: &str, code: &str) -> Result<SignedIn> {
        let done = retried(|| async {
            let step = self.second_step(visit, token).await?;
            let gate = self.gate(visit, &self.second_keys(visit, step.account.body.id, Factor::Recovery)).await?;
            let credentials = step.credentials.body.use_recovery(code).ok_or(Error::WrongCredentials)?;
            let signed = self.finish(visit, &step, &gate, &credentials, Finish { step: "recovery code", factor: None }).await?;
            let left = format!("You used a recovery code. {} are left.", credentials.recovery.left());
            let notice = signed.notice.map_or(left.clone(), |notice| format!("{notice} {left}"));
            Ok(SignedIn { notice: Some(notice), ..signed })
        })
        .await;
        self.counted(visit, token, Factor::Recovery, done).await
    }

    pub(super) fn second_keys(&self, visit: &Visit, account: AccountId, factor: Factor) -> [Key; 2] {
        [self.address_key(visit), self.account_key(account, factor)]
    }

    /// Logs and counts a wrong code before the answer goes out.
    async fn counted(&self, visit: &Visit, token: &str, factor: Factor, done: Result<SignedIn>) -> Result<SignedIn> {
        if matches!(done, Err(Error::WrongCredentials)) {
            let account = self.second_step(visit, token).await?.account.body;
            let step = if factor == Factor::Recovery { "recovery code" } else { "code" };
            let keys = self.second_keys(visit, account.id, factor);
            self.count_failure(visit, &who(visit, &account), Class::SignIn, &keys, &[("step", step), ("reason", "wrong code")]).await?;
        }
        done
    }

    /// Looks a pending sign-in up; the account must (still) be one that may sign in.
    pub(super) async fn second_step(&self, visit: &Visit, token: &str) -> Result<SecondStep> {
        let token = Token::parse(token).ok_or(Error::SignedOut)?;
        let document = self.control.get(kinds::PENDING, token.id).await?.ok_or(Error::SignedOut)?;
        let waiting = self.open_own_doc::<Waiting>(kinds::CONTROL, Purpose::Credentials, &document)?;
        let age_ms = visit.now.since_ms(waiting.body.created_at);
        if !token.matches(&waiting.body.hash) || waiting.body.used_at.is_some() || age_ms >= PENDING_MS_MAX {
            return Err(Error::SignedOut);
        }
        let active = self.account(waiting.body.account).await?.filter(|account| account.body.state == AccountState::Active);
        let account = active.ok_or(Error::SignedOut)?;
        let credentials = self.credentials(account.body.id).await?.ok_or(Error::SignedOut)?;
        // A factor that was set up, reset or a password changed meanwhile: begin again.
        let same_factor = credentials.body.has_factor() == waiting.body.secret.is_none();
        let same_password = credentials.body.password_changed_at == waiting.body.password_changed_at;
        if same_factor && same_password { Ok(SecondStep { token, waiting, account, credentials }) } else { Err(Error::SignedOut) }
    }

    /// The commit that signs in.
    pub(super) async fn finish(
        &self,
        visit: &Visit,
        step: &SecondStep,
        gate: &Gate,
        credentials: &Credentials,
        how: Finish,
    ) -> Result<SignedIn> {
        let account = &step.account.body;
        let id = account.id;
        let mut act = Act::new(self, Side::Control, visit, who(visit, account), Class::SignIn).detail("step", how.step);
        gate.clear(&mut act)?;
        let opened = self.open_session(&mut act, visit, &step.account, visit.now).await?;
        let wrong = self.wrong_tries(id, credentials.lately.signed_in_at()).await?;
        let (credentials, told) = credentials.greeted(visit, wrong);
        let used = Waiting { used_at: Some(visit.now), secret: None, ..step.waiting.body.clone() };
        act.put_own(
            Purpose::Credentials,
            kinds::PENDING,
            step.token.id,
            step.waiting.version.saturating_add(1),
            &used,
            Vec::new(),
            Vec::new(),
        )?;
        match how.factor {
            None => self.put_credentials(&mut act, id, Some(&step.credentials), &credentials)?,
            Some(factor) => {
                let mut change = Act::new(self, Side::Control, visit, who(visit, account), Class::FactorChanged).detail("factor", factor);
                self.put_credentials(&mut change, id, Some(&step.credentials), &credentials)?;
                act.together(change)?;
            }
        }
        self.signed_in(act, visit, id, opened.telling(told)).await
    }
}

/// How a sign-in was finished. A factor set up by it is an event of its own beside it.
#[derive(Clone, Copy)]
pub(super) struct Finish {
    pub step: &'static str,
    pub factor: Option<&'static str>,
}

/// A code that does not prove the app that is being set up.
pub(crate) fn wrong_first_code() -> Error {
    invalid("code", "That code is not right. Check that your phone's clock is right, then enter the newest code.")
}

pub(super) fn factor_exists() -> Error {
    Error::Refused("A second factor is set up already. Use it.".to_owned())
}

/// The address that authenticator apps read; `key` in base32.
pub(crate) fn otpauth(hospital: &str, email: &str, key: &str) -> String {
    let issuer = percent(hospital);
    let label = format!("{issuer}:{}", percent(email));
    format!("otpauth://totp/{label}?secret={key}&issuer={issuer}&algorithm=SHA1&digits=6&period=30")
}

/// RFC 3986 percent-encoding of everything that is not unreserved.
pub(super) fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
