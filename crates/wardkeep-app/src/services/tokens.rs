//! How a service account signs in: client credentials in, a short-lived opaque token out (RFC 6749
//! section 4.4). The token is kept like a session's: by half of its SHA-256, the whole hash sealed.
//!
//! An unknown client, a wrong secret and a revoked account get one answer. Every call looks at the
//! account again, so revoked and expired mean with the next call.

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use wardkeep_domain::date::Moment;
use wardkeep_domain::service::{Scopes, Service, TOKEN_MS_MAX};
use wardkeep_domain::{AccountId, ServiceId};
use wardkeep_ledger::Class;
use wardkeep_policy::Actor;
use wardkeep_store::DocId;
use wardkeep_vault::Purpose;
use wardkeep_vault::vault::digest;

use crate::act::{Act, Side, Who};
use crate::envelope::Opened;
use crate::sessions::Token;
use crate::throttle::{Factor, Key, retried};
use crate::{App, Ctx, Error, Result, Visit, kinds};

/// What access tokens begin with: nobody mistakes one for a session's.
pub const TOKEN_PREFIX: &str = "wks_";
/// The last use is written down this often.
const MARK_EVERY_MS: i64 = 30_000;
/// Longest client id that is looked at.
const CLIENT_ID_MAX: usize = 64;

/// An access token, given once.
pub struct ServiceToken {
    pub token: String,
    pub expires_in_s: i64,
    pub scopes: Scopes,
}

/// Why there is none.
#[derive(Debug)]
pub enum TokenRefusal {
    /// Unknown client, wrong secret, revoked or expired: one answer.
    Client,
    /// A scope that does not exist or that this client does not have.
    Scope,
    Other(Error),
}

impl From<Error> for TokenRefusal {
    fn from(error: Error) -> Self {
        if matches!(error, Error::WrongCredentials) { Self::Client } else { Self::Other(error) }
    }
}

/// A token as sealed.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    service: ServiceId,
    scopes: Scopes,
    until: Moment,
    hash: [u8; 32],
}

/// The service account in the log's words.
fn who(visit: &Visit, service: &Service) -> Who {
    let id = hex::encode(service.id.bytes());
    Who { kind: "service".to_owned(), id, name: service.name.clone(), ..Who::visitor(visit) }
}

impl App {
    /// A new secret starts with a new counter: an account whose secret was guessed at for long is
    /// opened again by a rotation.
    fn service_key(&self, service: &Service) -> Key {
        let made = service.secret.made_at.0.to_be_bytes();
        let name = digest(&[&service.id.bytes()[..], &made].concat());
        self.account_key(AccountId::from_bytes(name.first_chunk().copied().unwrap_or_default()), Factor::ServiceSecret)
    }

    /// Client credentials in, a token out. `scope`: codes with a blank between; `None` for all.
    ///
    /// # Errors
    /// The [`TokenRefusal`]; `Other(Throttled)` after several wrong secrets.
    pub async fn service_token(
        &self,
        visit: &Visit,
        client: &str,
        secret: &str,
        scope: Option<&str>,
    ) -> Result<ServiceToken, TokenRefusal> {
        let id = ServiceId::parse(client);
        // Read for an unknown client too: the same work whoever it is.
        let found = self.find_service(id.unwrap_or(ServiceId::from_bytes([0; 16]))).await?;
        let typed: String = client.chars().take(CLIENT_ID_MAX).collect();
        let name_key = found.as_ref().map_or_else(|| self.unknown_key(&typed), |found| self.service_key(&found.body));
        let keys = [self.address_key(visit), name_key];
        self.gate(visit, &keys).await?;
        let given = digest(secret.as_bytes());
        let hashes = found.as_ref().map_or_else(|| vec![[0; 32]], |found| found.body.hashes(visit.now));
        let right = hashes.iter().fold(false, |right, hash| right | bool::from(hash.ct_eq(&given)));
        let (who, reason) = match &found {
            None => (Who::visitor(visit), "unknown client"),
            Some(found) if !right => (who(visit, &found.body), "wrong secret"),
            Some(found) if found.body.check(visit.now).is_err() => (who(visit, &found.body), "not active"),
            Some(found) => {
                let wanted = scope.map_or(Some(found.body.scopes), Scopes::parse);
                let scopes = wanted.filter(|wanted| wanted.and(found.body.scopes) == *wanted).ok_or(TokenRefusal::Scope)?;
                return Ok(retried(|| self.give_token(visit, found.body.id, given, scopes, &keys)).await?);
            }
        };
        self.count_failure(visit, &who, Class::SignIn, &keys, &[("step", "client credentials"), ("reason", reason)]).await?;
        Err(TokenRefusal::Client)
    }

    /// The secret was right: what was checked must still hold in the commit.
    async fn give_token(&self, visit: &Visit, id: ServiceId, given: [u8; 32], scopes: Scopes, keys: &[Key]) -> Result<ServiceToken> {
        let gate = self.gate(visit, keys).await?;
        let opened = self.find_service(id).await?.ok_or(Error::WrongCredentials)?;
        let service = &opened.body;
        if service.check(visit.now).is_err() || !service.hashes(visit.now).contains(&given) {
            return Err(Error::WrongCredentials);
        }
        let token = Token::new(visit);
        let until = visit.now.plus_ms(TOKEN_MS_MAX).min(service.expires_at);
        let stored = Stored { service: id, scopes, until, hash: token.hash };
        let mut act = Act::new(self, Side::Control, visit, who(visit, service), Class::SignIn)
            .detail("step", "client credentials")
            .detail("scopes", scopes.to_string());
        gate.clear(&mut act)?;
        act.expect(kinds::SERVICE, DocId(id.bytes()), opened.version);
        act.put_own(Purpose::Staff, kinds::SERVICE_TOKEN, token.id, 1, &stored, Vec::new(), Vec::new())?;
        act.commit().await?;
        let expires_in_s = until.since_ms(visit.now) / 1000;
        Ok(ServiceToken { token: format!("{TOKEN_PREFIX}{}", token.text), expires_in_s, scopes })
    }

    /// Access token in, authenticated context out. Looks at the token and at the account.
    ///
    /// # Errors
    /// `SignedOut` with no more detail.
    pub async fn authenticate_service(&self, visit: Visit, token: &str) -> Result<Ctx> {
        let token = token.strip_prefix(TOKEN_PREFIX).and_then(Token::parse).ok_or(Error::SignedOut)?;
        let document = self.control.get(kinds::SERVICE_TOKEN, token.id).await?.ok_or(Error::SignedOut)?;
        let stored: Opened<Stored> = self.open_own_doc(kinds::CONTROL, Purpose::Staff, &document).map_err(|_| Error::SignedOut)?;
        let Stored { service: id, scopes, until, hash } = stored.body;
        if !token.matches(&hash) || visit.now >= until {
            return Err(Error::SignedOut);
        }
        let service = self.find_service(id).await?.ok_or(Error::SignedOut)?.body;
        service.check(visit.now).map_err(|_| Error::SignedOut)?;
        let marked = self.control.marked(kinds::SERVICE, DocId(id.bytes())).await?;
        if marked.is_none_or(|at| visit.now.since_ms(Moment(at)) >= MARK_EVERY_MS) {
            self.control.mark(kinds::SERVICE, DocId(id.bytes()), visit.now.0).await?;
        }
        let actor = Actor::Service { id, scopes: scopes.and(service.scopes), active: true };
        Ok(Ctx { visit, actor, account: None, session: None, form_token: String::new(), service: Some(service.name) })
    }
}
