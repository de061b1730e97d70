//! Single sign-on: what a provider's word opens here.
//!
//! An account is known by the provider's issuer and the person's `sub` there, never by an e-mail
//! address: an address that has an account is linked by its owner, signed in and with a fresh
//! factor. Somebody new gets the one role that their groups stand for. The own second factor is
//! asked for unless the provider names one that the hospital accepts; whoever can decide on requests
//! is always asked.

use serde::{Deserialize, Serialize};
use wardkeep_domain::account::{Account, AccountState, SignOn};
use wardkeep_domain::request::role_decides;
use wardkeep_domain::{AccountId, field};
use wardkeep_ledger::{Class, Outcome};
use wardkeep_policy::{Action, Resource};
use wardkeep_store::Find;

use super::provider::{Answer, Person, Provider, Question, Refusal};
use super::ticket::{Holder, Ticket};
use super::{Credentials, Pending, SignedIn, who};
use crate::act::{Act, Side, Who};
use crate::envelope::Opened;
use crate::throttle::{Gate, retried};
use crate::{App, Ctx, Error, Result, Visit, kinds};

/// Where the browser goes, and what it keeps meanwhile.
pub struct Asked {
    /// Goes into a cookie; without it there is no answer.
    pub ticket: String,
    pub address: String,
}

/// What an answer of the provider led to.
pub enum Arrived {
    SignedIn(SignedIn),
    /// The own second factor is next.
    Pending(Pending),
    /// Proven for a session that wants to link its account; the ticket is for that session alone.
    Link {
        ticket: String,
    },
}

/// A proven identity that waits for its owner's yes.
#[derive(Serialize, Deserialize)]
struct Proven {
    issuer: String,
    subject: String,
    /// As the provider calls the person.
    shown: String,
}

/// How the provider's service is doing, in words for the person.
fn unreachable(provider: &Provider, refusal: &Refusal) -> Error {
    tracing::warn!(reason = refusal.reason(), "the sign-in service could not be asked");
    Error::Refused(format!("{} does not answer now. Try again in a moment, or use another way to sign in.", provider.label()))
}

/// A sign-in that stops here: for the log, and for the person.
struct Stopped {
    who: Who,
    reason: &'static str,
    words: String,
}

impl App {
    /// Nothing is known of who asks, and nothing is written yet.
    ///
    /// # Errors
    /// `Refused` when the provider does not answer.
    pub async fn ask_provider(&self, visit: &Visit, provider: &Provider) -> Result<Asked> {
        self.ask_of_provider(visit, provider, Question::new(visit, None)).await
    }

    /// Asks the provider who this is, to link the account. Needs a fresh factor.
    ///
    /// # Errors
    /// `Denied` with `step_up`; `Refused`.
    pub async fn ask_provider_link(&self, ctx: &Ctx, provider: &Provider) -> Result<Asked> {
        self.permit(ctx, Action::ChangeOwnSignIn, Resource::Hospital).await?;
        may_link(ctx)?;
        let session = ctx.session().ok_or(Error::SignedOut)?.id;
        self.ask_of_provider(ctx.visit(), provider, Question::new(ctx.visit(), Some(session))).await
    }

    async fn ask_of_provider(&self, visit: &Visit, provider: &Provider, question: Question) -> Result<Asked> {
        let address = provider.ask(visit, &question).await.map_err(|refusal| unreachable(provider, &refusal))?;
        Ok(Asked { ticket: self.new_ticket(visit, Holder::Visitor, question)?, address })
    }

    /// The browser is back from the provider.
    ///
    /// # Errors
    /// `Refused` in words for the person; `Throttled`.
    pub async fn provider_answered(&self, visit: &Visit, provider: &Provider, ticket: &str, answer: &Answer) -> Result<Arrived> {
        let asked = self.ticket::<Question>(visit, Holder::Visitor, ticket).await?;
        let keys = [self.address_key(visit)];
        self.gate(visit, &keys).await?;
        let person = match provider.person(visit, &asked.state, answer).await {
            Ok(person) => person,
            Err(refusal @ Refusal::Unreachable(_)) => return Err(unreachable(provider, &refusal)),
            Err(Refusal::Wrong(reason)) => {
                // Answers that come side by side share no free try.
                return retried(|| async {
                    let asked = self.ticket::<Question>(visit, Holder::Visitor, ticket).await?;
                    let gate = self.gate(visit, &keys).await?;
                    let words = format!("{} did not sign you in. Try again.", provider.label());
                    self.stop(visit, &asked, &gate, Stopped { who: Who::visitor(visit), reason, words }).await
                })
                .await;
            }
        };
        if let Some(session) = asked.state.link {
            let shown = person.email.as_ref().map_or(person.subject.as_str(), |email| email.as_str()).to_owned();
            let proven = Proven { issuer: provider.issuer().to_owned(), subject: person.subject, shown };
            return Ok(Arrived::Link { ticket: self.new_ticket(visit, Holder::Session(session), proven)? });
        }
        retried(|| async {
            // Read again: an answer counts once.
            let asked = self.ticket::<Question>(visit, Holder::Visitor, ticket).await?;
            let gate = self.gate(visit, &keys).await?;
            match self.account_of_identity(provider.issuer(), &person.subject).await? {
                Some(account) => self.arrive(visit, provider, &person, &asked, &gate, &account).await,
                None => self.arrive_first(visit, provider, &person, &asked, &gate).await,
            }
        })
        .await
    }

    async fn account_of_identity(&self, issuer: &str, subject: &str) -> Result<Option<Opened<Account>>> {
        let query = Find { kind: kinds::ACCOUNT, all_of: vec![self.identity_term(issuer, subject)], before: None, since: None, limit: 1 };
        self.control.find(&query).await?.first().map(|document| self.open_account(document)).transpose()
    }

    /// Somebody who is known here.
    async fn arrive(
        &self,
        visit: &Visit,
        provider: &Provider,
        person: &Person,
        asked: &Ticket<Question>,
        gate: &Gate,
        found: &Opened<Account>,
    ) -> Result<Arrived> {
        let account = &found.body;
        let stop = |reason, words: String| self.stop(visit, asked, gate, Stopped { who: who(visit, account), reason, words });
        if account.state != AccountState::Active {
            return stop("account not active", "Your account here is not active. Ask an administrator.".to_owned()).await;
        }
        // An account that a group made is as good as the group: leaving it ends the way in.
        let made = account.sign_on.as_ref().is_some_and(|link| link.made);
        if made && provider.roles(&person.groups) != [account.role] {
            let words = format!("{} no longer says that you are {} here. Ask an administrator.", provider.label(), account.role.label());
            return stop("groups do not stand for the account's role", words).await;
        }
        let credentials = self.credentials(account.id).await?.ok_or(Error::Integrity)?;
        let accepted = person.factor.as_deref().filter(|_| credentials.body.has_factor() && !role_decides(account.role));
        let mut act = Act::new(self, Side::Control, visit, who(visit, account), Class::SignIn).detail("step", "provider");
        self.use_ticket(&mut act, asked, visit.now)?;
        let Some(factor) = accepted else {
            act.expect(kinds::ACCOUNT, wardkeep_store::DocId(account.id.bytes()), found.version);
            let pending = self.put_waiting(&mut act, visit, account.id, &credentials.body)?;
            act.commit().await?;
            return Ok(Arrived::Pending(pending));
        };
        act = act.detail("factor", factor);
        let opened = self.open_session(&mut act, visit, found, person.proven_at).await?;
        let wrong = self.wrong_tries(account.id, credentials.body.lately.signed_in_at()).await?;
        let (greeted, told) = credentials.body.greeted(visit, wrong);
        self.put_credentials(&mut act, account.id, Some(&credentials), &greeted)?;
        Ok(Arrived::SignedIn(self.signed_in(act, visit, account.id, opened.telling(told)).await?))
    }

    /// Somebody new: an account with the role that the groups stand for, and no password.
    async fn arrive_first(
        &self,
        visit: &Visit,
        provider: &Provider,
        person: &Person,
        asked: &Ticket<Question>,
        gate: &Gate,
    ) -> Result<Arrived> {
        let stop = |reason, words: String| self.stop(visit, asked, gate, Stopped { who: Who::visitor(visit), reason, words });
        let label = provider.label();
        let roles = provider.roles(&person.groups);
        let [role] = roles[..] else {
            return if roles.is_empty() {
                let words = format!(
                    "{label} knows you, and you have no account here. Ask an administrator for an invitation; \
                     if you have an account here, sign in to it and link it under Security and sessions."
                );
                stop("no account and no role", words).await
            } else {
                let roles: Vec<&str> = roles.iter().map(|role| role.label()).collect();
                stop(
                    "groups stand for several roles",
                    format!("Your groups stand for more than one role here ({}). Ask an administrator.", roles.join(", ")),
                )
                .await
            };
        };
        let Some(email) = person.email.clone() else {
            let words = format!("{label} does not vouch for an e-mail address of yours, and an account needs one. Ask an administrator.");
            return stop("no verified address", words).await;
        };
        if self.account_of_email(&email).await?.is_some() {
            let words = "Your address has an account here already. Sign in to it as usual, and link it under Security and sessions.";
            return stop("address in use", words.to_owned()).await;
        }
        let name = person.name.as_deref().and_then(|name| field::text("display_name", name, 1, 100, false).ok());
        let id = AccountId::from_bytes(visit.new_id());
        let link = SignOn { issuer: provider.issuer().to_owned(), subject: person.subject.clone(), linked_at: visit.now, made: true };
        let name = name.unwrap_or_else(|| email.as_str().to_owned());
        let account = Account { sign_on: Some(link), ..Account::new(id, email, name, role, AccountState::Active, visit.now) };
        let mut act = Act::new(self, Side::Control, visit, who(visit, &account), Class::AccountCreated)
            .detail("role", role.code())
            .detail("by", "provider");
        self.put_account(&mut act, 0, &account)?;
        let credentials = Credentials::new(String::new(), visit.now);
        self.put_credentials(&mut act, id, None, &credentials)?;
        let mut signing = Act::new(self, Side::Control, visit, who(visit, &account), Class::SignIn).detail("step", "provider");
        self.use_ticket(&mut signing, asked, visit.now)?;
        let pending = self.put_waiting(&mut signing, visit, id, &credentials)?;
        act.together(signing)?;
        act.commit().await?;
        Ok(Arrived::Pending(pending))
    }

    /// Logs and counts a sign-in that stops, and uses its question up.
    async fn stop<T>(&self, visit: &Visit, asked: &Ticket<Question>, gate: &Gate, stopped: Stopped) -> Result<T> {
        let mut act = Act::new(self, Side::Control, visit, stopped.who, Class::SignIn)
            .outcome(Outcome::Failed)
            .detail("step", "provider")
            .detail("reason", stopped.reason);
        gate.count(&mut act, visit.now)?;
        self.use_ticket(&mut act, asked, visit.now)?;
        act.commit().await?;
        Err(Error::Refused(stopped.words))
    }

    /// As the provider calls the person that this session is about to link.
    ///
    /// # Errors
    /// `Refused` when the ticket is too old, used or another session's.
    pub async fn linking(&self, ctx: &Ctx, ticket: &str) -> Result<String> {
        self.permit(ctx, Action::UseOwnAccount, Resource::Hospital).await?;
        let session = ctx.session().ok_or(Error::SignedOut)?.id;
        Ok(self.ticket::<Proven>(ctx.visit(), Holder::Session(session), ticket).await?.state.shown)
    }

    /// Links what the provider proved to the own account. Needs a fresh factor.
    ///
    /// # Errors
    /// `Denied` with `step_up`; `Refused` when either side is linked already.
    pub async fn link_provider(&self, ctx: &Ctx, ticket: &str) -> Result<()> {
        may_link(ctx)?;
        let session = ctx.session().ok_or(Error::SignedOut)?.id;
        retried(|| async {
            let ticket = self.ticket::<Proven>(ctx.visit(), Holder::Session(session), ticket).await?;
            let Proven { issuer, subject, .. } = &ticket.state;
            if self.account_of_identity(issuer, subject).await?.is_some() {
                return Err(Error::Refused("This sign-in is linked to an account already. Remove that link first.".to_owned()));
            }
            let link = SignOn { issuer: issuer.clone(), subject: subject.clone(), linked_at: ctx.now(), made: false };
            self.change_link(ctx, Some(link), Some(&ticket)).await
        })
        .await
    }

    /// Needs a fresh factor.
    ///
    /// # Errors
    /// `Denied` with `step_up`; `Refused` when there is no link, or it is the only way in.
    pub async fn unlink_provider(&self, ctx: &Ctx) -> Result<()> {
        retried(|| self.change_link(ctx, None, None)).await
    }

    async fn change_link(&self, ctx: &Ctx, link: Option<SignOn>, ticket: Option<&Ticket<Proven>>) -> Result<()> {
        let permit = self.permit(ctx, Action::ChangeOwnSignIn, Resource::Hospital).await?;
        let account = self.account(ctx.account_id()).await?.ok_or(Error::SignedOut)?;
        let credentials = self.credentials(ctx.account_id()).await?.ok_or(Error::SignedOut)?;
        match (&account.body.sign_on, &link) {
            (Some(_), Some(_)) => return Err(Error::Refused("This account is linked already. Remove that link first.".to_owned())),
            (None, None) => return Err(Error::Refused("This account is not linked.".to_owned())),
            (Some(_), None) if !credentials.body.has_password() => {
                return Err(Error::Refused("This account has no password: without the link nobody could sign in to it.".to_owned()));
            }
            _ => {}
        }
        let change = if link.is_some() { "linked" } else { "removed" };
        let mut act = Act::by(self, Side::Control, ctx, Class::FactorChanged)
            .permit(&permit)
            .detail("factor", "single sign-on")
            .detail("change", change);
        if let Some(ticket) = ticket {
            self.use_ticket(&mut act, ticket, ctx.now())?;
        }
        let noted = credentials.body.noting_link(link.is_some(), &act.doer(ctx.account_id()));
        self.put_credentials(&mut act, ctx.account_id(), Some(&credentials), &noted)?;
        self.put_account(&mut act, account.version, &Account { sign_on: link, ..account.body.clone() })?;
        act.commit().await.map(|_| ())
    }
}

/// The provider is the staff's.
fn may_link(ctx: &Ctx) -> Result<()> {
    match ctx.role() {
        Some(role) if role.is_staff() => Ok(()),
        _ => Err(Error::Refused("Only staff sign in this way.".to_owned())),
    }
}
