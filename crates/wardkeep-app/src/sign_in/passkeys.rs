//! Passkeys: sign-in with one alone, confirming with one, and the first one instead of an app.
//!
//! The answer to a refused passkey is the same whatever was wrong with it. The commit that takes an
//! answer also writes the passkey's counter, so that two answers cannot both be the newest, and a
//! counter that went back takes the passkey out of use.

use wardkeep_domain::account::{Account, AccountState};
use wardkeep_domain::date::Moment;
use wardkeep_domain::{AccountId, FieldError, FieldErrors, PasskeyId, field};
use wardkeep_ledger::{Class, Outcome};

use super::relying_party::{Asked, Given, Passkey, Refused, RelyingParty};
use super::steps::{Finish, factor_exists};
use super::ticket::{Holder, Ticket};
use super::{Credentials, Recovery, SignedIn, who};
use crate::act::{Act, Side, Who};
use crate::envelope::Opened;
use crate::throttle::{Factor, Gate, Key, retried};
use crate::{App, Ctx, Error, Result, Visit};

/// Most passkeys of one account.
pub(crate) const PASSKEYS_MAX: usize = 10;

/// A passkey as its owner sees it.
#[derive(Clone, Debug)]
pub struct PasskeyView {
    pub id: PasskeyId,
    pub name: String,
    pub added_at: Moment,
    pub last_used: Option<Moment>,
    /// Kept by a password manager or platform account.
    pub backed_up: bool,
    /// Not accepted since then: there may be a copy of it.
    pub suspect_since: Option<Moment>,
}

impl From<&Passkey> for PasskeyView {
    fn from(held: &Passkey) -> Self {
        let Passkey { id, added_at, last_used, backed_up, suspect_since, .. } = *held;
        Self { id, name: held.name.clone(), added_at, last_used, backed_up, suspect_since }
    }
}

/// What the browser asks an authenticator.
pub struct Question {
    /// Goes into a cookie; without it there is no answer.
    pub ticket: String,
    /// JSON of `CredentialCreationOptions` or `CredentialRequestOptions` (WebAuthn level 3).
    pub options: String,
}

/// Whose passkey an answer names, read together.
struct Found {
    account: Opened<Account>,
    credentials: Opened<Credentials>,
    passkey: Passkey,
}

/// What a refusal is written from.
struct Refusal<'a> {
    who: Who,
    step: &'static str,
    reason: &'static str,
    copied: Option<&'a Found>,
}

impl<'a> Refusal<'a> {
    fn of(who: Who, step: &'static str, refused: Refused, found: &'a Found) -> Self {
        match refused {
            Refused::Wrong(reason) => Self { who, step, reason, copied: None },
            Refused::Copied => Self { who, step, reason: "signature counter went back", copied: Some(found) },
        }
    }
}

/// The name that the owner gives.
pub(crate) fn passkey_name(name: &str) -> Result<String> {
    field::text("name", name, 1, 60, false).map_err(|error| FieldErrors::from(error).into())
}

/// An answer that makes no passkey.
pub(crate) fn no_passkey() -> Error {
    let words = "No passkey was set up. Use a device that checks your finger, face or PIN and keeps the passkey, and try again.";
    FieldErrors::from(FieldError::new("name", words)).into()
}

impl App {
    /// Nothing is known of who asks, and nothing is written yet.
    ///
    /// # Errors
    /// `Internal` alone.
    pub fn ask_passkey(&self, visit: &Visit, site: &RelyingParty) -> Result<Question> {
        let (options, asked) = site.ask_proof(&[])?;
        Ok(Question { ticket: self.new_ticket(visit, Holder::Visitor, asked)?, options })
    }

    /// Signs in with a passkey alone: it is something one has, and it checked the person.
    ///
    /// # Errors
    /// `WrongCredentials` whatever is wrong with the passkey or its account; `Throttled`; `Refused`
    /// for a question that is too old or was answered.
    pub async fn sign_in_passkey(&self, visit: &Visit, site: &RelyingParty, ticket: &str, answer: &str) -> Result<SignedIn> {
        retried(|| async {
            let ticket = self.ticket::<Asked>(visit, Holder::Visitor, ticket).await?;
            let given = Given::parse(answer);
            let found = self.found(given.as_ref(), None).await?;
            let gate = self.gate(visit, &self.passkey_keys(visit, given.as_ref(), found.as_ref())).await?;
            let (Some(given), Some(found)) = (given, found) else {
                let refusal = Refusal { who: Who::visitor(visit), step: "passkey", reason: "unknown passkey", copied: None };
                return self.refuse(visit, &ticket, &gate, refusal).await;
            };
            let account = &found.account.body;
            match weigh(site, &ticket, &given, &found, visit.now) {
                Ok(used) => {
                    let mut act = Act::new(self, Side::Control, visit, who(visit, account), Class::SignIn)
                        .detail("step", "passkey")
                        .detail("passkey", used.name.clone());
                    gate.clear(&mut act)?;
                    self.use_ticket(&mut act, &ticket, visit.now)?;
                    let opened = self.open_session(&mut act, visit, &found.account, visit.now).await?;
                    let wrong = self.wrong_tries(account.id, found.credentials.body.lately.signed_in_at()).await?;
                    let (credentials, told) = found.credentials.body.with_passkey(used).greeted(visit, wrong);
                    self.put_credentials(&mut act, account.id, Some(&found.credentials), &credentials)?;
                    self.signed_in(act, visit, account.id, opened.telling(told)).await
                }
                Err(refused) => self.refuse(visit, &ticket, &gate, Refusal::of(who(visit, account), "passkey", refused, &found)).await,
            }
        })
        .await
    }

    /// # Errors
    /// `Refused` when the account has no passkey that is accepted.
    pub async fn ask_step_up(&self, ctx: &Ctx, site: &RelyingParty) -> Result<Question> {
        let session = ctx.session().ok_or(Error::SignedOut)?.id;
        let held = self.credentials(ctx.account_id()).await?.map(|opened| opened.body.passkeys).unwrap_or_default();
        if !held.iter().any(Passkey::is_usable) {
            return Err(Error::Refused("This account has no passkey. Enter a code of your authenticator app.".to_owned()));
        }
        let (options, asked) = site.ask_proof(&held)?;
        Ok(Question { ticket: self.new_ticket(ctx.visit(), Holder::Session(session), asked)?, options })
    }

    /// Proves a passkey again; gives a new token for the same session.
    ///
    /// # Errors
    /// `WrongCredentials`, `Throttled`; `Refused` when the passkey was taken out of use by this.
    pub async fn step_up_passkey(&self, ctx: &Ctx, site: &RelyingParty, ticket: &str, answer: &str) -> Result<String> {
        let visit = ctx.visit();
        let session = ctx.session().ok_or(Error::SignedOut)?.id;
        retried(|| async {
            let ticket = self.ticket::<Asked>(visit, Holder::Session(session), ticket).await?;
            let given = Given::parse(answer);
            let found = self.found(given.as_ref(), Some(ctx.account_id())).await?;
            let keys = [self.address_key(visit), self.account_key(ctx.account_id(), Factor::Passkey)];
            let gate = self.gate(visit, &keys).await?;
            let (Some(given), Some(found)) = (given, found) else {
                let refusal = Refusal { who: Who::of(ctx), step: "confirm", reason: "unknown passkey", copied: None };
                return self.refuse(visit, &ticket, &gate, refusal).await;
            };
            match weigh(site, &ticket, &given, &found, visit.now) {
                Ok(used) => {
                    let mut act =
                        Act::by(self, Side::Control, ctx, Class::SignIn).detail("step", "confirm").detail("passkey", used.name.clone());
                    gate.clear(&mut act)?;
                    self.use_ticket(&mut act, &ticket, visit.now)?;
                    let credentials = found.credentials.body.with_passkey(used);
                    self.put_credentials(&mut act, ctx.account_id(), Some(&found.credentials), &credentials)?;
                    let token = self.renew_session(&mut act, ctx).await?;
                    act.commit().await?;
                    Ok(token.text)
                }
                Err(refused) => {
                    let refusal = Refusal::of(Who::of(ctx), "confirm", refused, &found);
                    // Somebody who is signed in is told at once.
                    let told = refusal.copied.map(|found| copied_words(&found.passkey));
                    match self.refuse(visit, &ticket, &gate, refusal).await {
                        Err(Error::WrongCredentials) => Err(told.map_or(Error::WrongCredentials, Error::Refused)),
                        done => done,
                    }
                }
            }
        })
        .await
    }

    /// A passkey instead of an authenticator app, at first sign-in.
    ///
    /// # Errors
    /// `SignedOut`; `Refused` when a factor exists already.
    pub async fn ask_first_passkey(&self, visit: &Visit, site: &RelyingParty, token: &str) -> Result<Question> {
        let step = self.second_step(visit, token).await?;
        step.waiting.body.secret.ok_or_else(factor_exists)?;
        let (options, asked) = site.ask_new(&step.account.body, &[])?;
        Ok(Question { ticket: self.new_ticket(visit, Holder::Pending(step.token.id.0), asked)?, options })
    }

    /// Second step at first sign-in, with a passkey. The sign-in in progress is used up by it, and
    /// the question with it.
    ///
    /// # Errors
    /// `Invalid` on field `name`, `SignedOut`, `Refused`.
    pub async fn enrol_passkey(
        &self,
        visit: &Visit,
        site: &RelyingParty,
        token: &str,
        ticket: &str,
        name: &str,
        answer: &str,
    ) -> Result<SignedIn> {
        let name = passkey_name(name)?;
        retried(|| async {
            let step = self.second_step(visit, token).await?;
            step.waiting.body.secret.ok_or_else(factor_exists)?;
            let gate = self.gate(visit, &self.second_keys(visit, step.account.body.id, Factor::Passkey)).await?;
            let ticket = self.ticket::<Asked>(visit, Holder::Pending(step.token.id.0), ticket).await?;
            let id = PasskeyId::from_bytes(visit.new_id());
            let passkey = site.take_new(&ticket.state, answer, id, name.clone(), visit.now).ok_or_else(no_passkey)?;
            let (recovery, codes) = Recovery::new(visit);
            let credentials = Credentials { recovery, ..step.credentials.body.with_passkey(passkey) };
            let signed = self.finish(visit, &step, &gate, &credentials, Finish { step: "enrolment", factor: Some("passkey") }).await?;
            Ok(SignedIn { recovery_codes: Some(codes), ..signed })
        })
        .await
    }

    /// The account and the passkey that an answer names. With `own`, only that account's.
    async fn found(&self, given: Option<&Given>, own: Option<AccountId>) -> Result<Option<Found>> {
        let Some(given) = given else { return Ok(None) };
        // An authenticator that was asked for one of certain passkeys need not say whose it is.
        let Some(id) = given.account().or(own).filter(|id| own.is_none_or(|own| own == *id)) else { return Ok(None) };
        let (Some(account), Some(credentials)) = (self.account(id).await?, self.credentials(id).await?) else { return Ok(None) };
        let passkey = credentials.body.passkeys.iter().find(|held| given.is_by(held)).cloned();
        Ok(passkey.map(|passkey| Found { account, credentials, passkey }))
    }

    /// A stranger who does not hold one of the account's passkeys fills no counter of the account.
    fn passkey_keys(&self, visit: &Visit, given: Option<&Given>, found: Option<&Found>) -> Vec<Key> {
        let second = match (found, given) {
            (Some(found), _) => Some(self.account_key(found.account.body.id, Factor::Passkey)),
            (None, Some(given)) => Some(self.unknown_key(&hex::encode(given.credential()))),
            (None, None) => None,
        };
        [self.address_key(visit)].into_iter().chain(second).collect()
    }

    /// Logs and counts a refused answer, uses its question up, and takes a copied passkey out of use.
    async fn refuse<T>(&self, visit: &Visit, ticket: &Ticket<Asked>, gate: &Gate, refusal: Refusal<'_>) -> Result<T> {
        let mut act = Act::new(self, Side::Control, visit, refusal.who, Class::SignIn)
            .outcome(Outcome::Failed)
            .detail("step", refusal.step)
            .detail("reason", refusal.reason);
        gate.count(&mut act, visit.now)?;
        self.use_ticket(&mut act, ticket, visit.now)?;
        if let Some(found) = refusal.copied {
            let account = &found.account.body;
            let suspect = Passkey { suspect_since: Some(visit.now), ..found.passkey.clone() };
            act = act.detail("passkey", suspect.name.clone());
            let notices: Vec<String> = account.notice.iter().cloned().chain([copied_words(&suspect)]).collect();
            self.put_account(&mut act, found.account.version, &Account { notice: Some(notices.join(" ")), ..account.clone() })?;
            self.put_credentials(&mut act, account.id, Some(&found.credentials), &found.credentials.body.with_passkey(suspect))?;
        }
        act.commit().await?;
        Err(Error::WrongCredentials)
    }
}

/// What an answer proves, and whether its account and passkey may sign in; the same work for each.
fn weigh(site: &RelyingParty, ticket: &Ticket<Asked>, given: &Given, found: &Found, now: Moment) -> Result<Passkey, Refused> {
    let judged = site.judge(&ticket.state, given, &found.passkey, now);
    if found.account.body.state != AccountState::Active {
        Err(Refused::Wrong("account not active"))
    } else if !found.passkey.is_usable() {
        Err(Refused::Wrong("passkey was taken out of use"))
    } else {
        judged
    }
}

fn copied_words(passkey: &Passkey) -> String {
    format!(
        "Your passkey “{}” was used in a way that only a copy of it explains, so it is no longer accepted. \
         Remove it, set up a new one, and tell your privacy officer if you did not copy it.",
        passkey.name
    )
}
