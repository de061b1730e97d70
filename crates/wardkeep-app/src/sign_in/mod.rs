//! Proving who you are: password, then a one-time code or a recovery code; or a passkey alone;
//! enrolment at first sign-in; or the hospital's own sign-in service. Same answer, same work for an
//! unknown name, a wrong password, a suspended account.

mod credentials;
mod hashing;
mod lately;
mod passkeys;
mod provider;
mod relying_party;
mod sign_on;
mod steps;
mod ticket;

use serde::{Deserialize, Serialize};
use wardkeep_domain::AccountId;
use wardkeep_domain::account::password::Password;
use wardkeep_domain::account::{Account, AccountState};
use wardkeep_domain::date::Moment;
use wardkeep_domain::name::Email;
use wardkeep_ledger::Class;
use wardkeep_vault::Purpose;

pub(crate) use credentials::{Credentials, Recovery, Totp, letters, plain_code, step_at, step_of};
pub(crate) use hashing::Checked;
pub use hashing::{HASHING_MAX, Hashing};
pub(crate) use lately::Doer;
pub use lately::{HAPPENINGS_MAX, HappeningView, PLACES_MAX, WRONG_TRIES_TOLD};
pub(crate) use passkeys::{PASSKEYS_MAX, no_passkey, passkey_name};
pub use passkeys::{PasskeyView, Question};
pub use provider::{Agreed, Answer, Call, Outbound, Provider, Reply};
#[cfg(any(test, fuzzing))]
pub(crate) use provider::{is_called, read_all};
pub use relying_party::RelyingParty;
pub(crate) use relying_party::{Asked, Passkey};
pub use sign_on::{Arrived, Asked as ProviderAsked};
#[cfg(any(test, fuzzing))]
pub(crate) use steps::otpauth;
pub(crate) use steps::wrong_first_code;
pub(crate) use ticket::{Holder, Ticket};

use crate::act::{Act, Side, Who};
use crate::envelope::Opened;
use crate::sessions::Token;
use crate::throttle::{Factor, Key, retried};
use crate::{App, Error, Result, Visit, kinds};

/// A sign-in in progress. Its token goes into a cookie of its own and can do nothing else.
pub struct Pending {
    pub token: String,
    pub next: Next,
}

/// What the second step is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Enter a code.
    Code,
    /// First sign-in: set up an authenticator app or a passkey.
    Enrol,
    /// There is no app: use a passkey, or a recovery code.
    Passkey,
}

/// Shown on the second step's page.
#[derive(Clone, Debug)]
pub struct PendingView {
    /// As typed by its owner: an e-mail address.
    pub email: String,
    pub next: Next,
    pub recovery_codes_left: usize,
}

/// For the enrolment page.
#[derive(Clone)]
pub struct Enrolment {
    /// `otpauth://totp/…` for the QR code.
    pub uri: String,
    /// Base32 in groups of four.
    pub key: String,
}

/// A finished sign-in. The token goes into the session cookie.
pub struct SignedIn {
    pub token: String,
    /// Ten codes, shown once, after enrolment.
    pub recovery_codes: Option<Vec<String>>,
    /// Something the user must be told, for example that a factor was reset.
    pub notice: Option<String>,
    /// Something that they had typed is kept, see [`crate::drafts`].
    pub drafts: bool,
}

/// The sealed side of [`Pending`].
#[derive(Clone, Serialize, Deserialize)]
struct Waiting {
    hash: [u8; 32],
    account: AccountId,
    created_at: Moment,
    /// A password changed meanwhile ends the sign-in.
    password_changed_at: Moment,
    /// The secret to enrol, when there is no factor yet.
    secret: Option<[u8; 20]>,
    used_at: Option<Moment>,
}

/// Somebody who is known but not (yet) signed in.
pub(crate) fn who(visit: &Visit, account: &Account) -> Who {
    let id = hex::encode(account.id.bytes());
    Who { kind: "account".to_owned(), id, name: account.display_name.clone(), role: account.role.code().to_owned(), ..Who::visitor(visit) }
}

/// The form in which a typed name is looked up and counted.
fn typed_name(email: &str) -> String {
    email.trim().chars().take(254).flat_map(char::to_lowercase).collect()
}

impl App {
    /// First step.
    ///
    /// # Errors
    /// `WrongCredentials`, `Throttled`; both alike for unknown, suspended and wrong.
    pub async fn sign_in(&self, visit: &Visit, email: &str, password: &Password) -> Result<Pending> {
        let found = match Email::parse(email) {
            Ok(email) => self.account_of_email(&email).await?,
            Err(_) => None,
        };
        let name_key =
            found.as_ref().map_or_else(|| self.unknown_key(&typed_name(email)), |found| self.account_key(found.body.id, Factor::Password));
        let keys = [self.address_key(visit), name_key];
        self.gate(visit, &keys).await?;
        // Read for an unknown name too: the same work whoever it is.
        let id = found.as_ref().map_or(AccountId::from_bytes([0; 16]), |found| found.body.id);
        let credentials = self.credentials(id).await?;
        let checked = self.hashing.check(password, credentials.as_ref().and_then(|opened| opened.body.password())).await?;
        let (who, reason) = match &found {
            None => (Who::visitor(visit), "unknown name"),
            Some(found) if checked == Checked::Wrong => (who(visit, &found.body), "wrong password"),
            Some(found) if found.body.state != AccountState::Active => (who(visit, &found.body), "account not active"),
            Some(found) => {
                let rehashed = if checked == Checked::RightOld { Some(self.hashing.hash(visit, password).await?) } else { None };
                let checked_hash = credentials.map(|opened| opened.body.password).unwrap_or_default();
                return retried(|| self.wait_for_second_step(visit, found.body.id, &checked_hash, rehashed.as_deref(), &keys)).await;
            }
        };
        self.count_failure(visit, &who, Class::SignIn, &keys, &[("step", "password"), ("reason", reason)]).await?;
        Err(Error::WrongCredentials)
    }

    /// The password was right: what was checked must still hold in the commit.
    async fn wait_for_second_step(
        &self,
        visit: &Visit,
        id: AccountId,
        checked_hash: &str,
        rehashed: Option<&str>,
        keys: &[Key],
    ) -> Result<Pending> {
        let gate = self.gate(visit, keys).await?;
        let account =
            self.account(id).await?.filter(|account| account.body.state == AccountState::Active).ok_or(Error::WrongCredentials)?;
        let credentials =
            self.credentials(id).await?.filter(|opened| opened.body.password == checked_hash).ok_or(Error::WrongCredentials)?;
        let mut act = Act::new(self, Side::Control, visit, who(visit, &account.body), Class::SignIn).detail("step", "password");
        gate.clear(&mut act)?;
        act.expect(kinds::ACCOUNT, wardkeep_store::DocId(id.bytes()), account.version);
        // The wrong ones before the right one are forgotten by the counter, not by the owner.
        let wrong = gate.wrong_tries(credentials.body.lately.signed_in_at());
        if rehashed.is_some() || wrong > 0 {
            let mut renewed = credentials.body.clone();
            renewed.lately.wrong_tries(wrong);
            renewed.password = rehashed.map_or(renewed.password, str::to_owned);
            self.put_credentials(&mut act, id, Some(&credentials), &renewed)?;
        }
        let pending = self.put_waiting(&mut act, visit, id, &credentials.body)?;
        act.commit().await?;
        Ok(pending)
    }

    /// Puts a sign-in that waits for its second step into the commit of the first.
    fn put_waiting(&self, act: &mut Act<'_>, visit: &Visit, account: AccountId, credentials: &Credentials) -> Result<Pending> {
        let next = credentials.next();
        let secret = (next == Next::Enrol).then(|| visit.entropy.bytes::<20>());
        let token = Token::new(visit);
        let password_changed_at = credentials.password_changed_at;
        let waiting = Waiting { hash: token.hash, account, created_at: visit.now, password_changed_at, secret, used_at: None };
        act.put_own(Purpose::Credentials, kinds::PENDING, token.id, 1, &waiting, Vec::new(), Vec::new())?;
        Ok(Pending { token: token.text, next })
    }

    /// # Errors
    /// `SignedOut` when the token is unknown or too old.
    pub async fn pending(&self, visit: &Visit, token: &str) -> Result<PendingView> {
        let step = self.second_step(visit, token).await?;
        let next = step.credentials.body.next();
        let recovery_codes_left = step.credentials.body.recovery.left();
        Ok(PendingView { email: step.account.body.email.as_str().to_owned(), next, recovery_codes_left })
    }
    /// Current code of an account, for `wardkeep demo` alone (refuses in a real hospital).
    ///
    /// # Errors
    /// `Refused` outside a demo hospital.
    pub async fn demo_code(&self, visit: &Visit, email: &str) -> Result<String> {
        if !self.hospital.demo {
            return Err(Error::Refused("codes are shown in a demo hospital only".to_owned()));
        }
        let email = Email::parse(email).map_err(|_| Error::NotFound)?;
        let account = self.account_of_email(&email).await?.ok_or(Error::NotFound)?;
        let totp = self.credentials(account.body.id).await?.and_then(|opened| opened.body.totp.clone());
        let totp = totp.ok_or_else(|| Error::Refused("this account has no authenticator yet: sign in once to set it up".to_owned()))?;
        // Each step counts once: after a sign-in the next step's code is accepted early.
        let step = step_at(visit.now).max(totp.last_step.saturating_add(1));
        if step > step_at(visit.now).saturating_add(1) {
            return Err(Error::Refused("both codes of this half minute are used: wait 30 seconds".to_owned()));
        }
        credentials::code_at(totp.secret, step)
    }
}

impl App {
    /// The code that proves a new authenticator, for filling a demo hospital alone.
    pub(crate) async fn demo_first_code(&self, visit: &Visit, token: &str) -> Result<String> {
        if !self.hospital.demo {
            return Err(Error::Refused("codes are made in a demo hospital only".to_owned()));
        }
        let secret = self.second_step(visit, token).await?.waiting.body.secret;
        credentials::code_at(secret.ok_or(Error::SignedOut)?, step_at(visit.now))
    }
}

/// What the second step starts from; checked to belong together.
struct SecondStep {
    token: Token,
    waiting: Opened<Waiting>,
    account: Opened<Account>,
    credentials: Opened<Credentials>,
}
