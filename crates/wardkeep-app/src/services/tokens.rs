//! How a service account signs in: client credentials in, a short-lived opaque token out (RFC 6749
//! section 4.4). The credential is a secret, or a statement that the program signed (RFC 7523). The token is kept like a session's: by half of its SHA-256, the whole hash sealed.
//!
//! An unknown client, a wrong secret and a revoked account get one answer. Every call looks at the
//! account again, so revoked and expired mean with the next call.

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use wardkeep_domain::date::Moment;
use wardkeep_domain::service::{Proof, Scopes, Service, TOKEN_MS_MAX};
use wardkeep_domain::{AccountId, ServiceId};
use wardkeep_ledger::Class;
use wardkeep_policy::Actor;
use wardkeep_store::DocId;
use wardkeep_vault::Purpose;
use wardkeep_vault::vault::digest;

use crate::act::{Act, Side, Who};
use crate::envelope::Opened;
use crate::jwt::{self, Expected, PublicKey};
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

/// The longest public key that is looked at.
const KEY_BYTES_MAX: usize = 4096;
/// An assertion names a time no further ahead than this.
const ASSERTION_MS_MAX: i64 = 5 * 60 * 1000;
/// Longest `jti`.
const NUMBER_BYTES_MAX: usize = 128;

/// Checked against for a client that has none, so that it takes as long: RFC 8037, appendix A.2.
pub(crate) const NOBODYS_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// What a client sends to prove who it is.
#[derive(Clone, Copy)]
pub enum Given<'a> {
    Secret(&'a str),
    /// A JWT as in RFC 7523 section 2.2.
    Assertion(&'a str),
}

/// What was right about it.
enum Checked {
    Secret([u8; 32]),
    Assertion { key: String, number: DocId },
}

/// Reads a typed JWK; `None` for nothing typed.
pub(super) fn public_key(typed: &str) -> Result<Option<String>, &'static str> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Ok(None);
    }
    let unreadable = "Enter one public key as a JWK: JSON in braces that begins with kty.";
    if typed.len() > KEY_BYTES_MAX {
        return Err(unreadable);
    }
    let json: serde_json::Value = serde_json::from_str(typed).map_err(|_| unreadable)?;
    PublicKey::parse(&json)?;
    Ok(Some(json.to_string()))
}

#[derive(Deserialize)]
struct Numbered {
    jti: String,
}

/// Checks what a program signed: by the account's key alone, about itself, for us, for a short while
/// (RFC 7523 section 3).
fn check_assertion(service: Option<&Service>, endpoint: &str, client: &str, token: &str, now: Moment) -> Result<Checked, &'static str> {
    let jwk = service.and_then(Service::key);
    let key = serde_json::from_str(jwk.unwrap_or(NOBODYS_KEY)).ok().and_then(|json| PublicKey::parse(&json).ok());
    let claims = jwt::verify::<Numbered>(&key.ok_or("key cannot be read")?, token, Expected { issuer: client, audience: endpoint, now });
    let (jwk, claims) = (jwk.ok_or("account has no key")?, claims?);
    if claims.sub != client {
        return Err("subject is another");
    }
    if jwt::moment(claims.exp).since_ms(now) > ASSERTION_MS_MAX + jwt::LEEWAY_MS {
        return Err("assertion lives too long");
    }
    let jti = claims.more.jti;
    if jti.is_empty() || jti.len() > NUMBER_BYTES_MAX {
        return Err("jti is empty or too long");
    }
    let number = digest(&[b"assertion\0", client.as_bytes(), b"\0", jti.as_bytes()].concat());
    Ok(Checked::Assertion { key: jwk.to_owned(), number: DocId(number.first_chunk().copied().unwrap_or_default()) })
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
        let made = service.proof().map_or(service.created_at, Proof::made_at).0.to_be_bytes();
        let name = digest(&[&service.id.bytes()[..], &made].concat());
        self.account_key(AccountId::from_bytes(name.first_chunk().copied().unwrap_or_default()), Factor::ServiceSecret)
    }

    /// Client credentials in, a token out. `scope`: codes with a blank between; `None` for all.
    /// `endpoint`: this token endpoint's address, for which assertions are made.
    ///
    /// # Errors
    /// The [`TokenRefusal`]; `Other(Throttled)` after several wrong secrets.
    pub async fn service_token(
        &self,
        visit: &Visit,
        endpoint: &str,
        client: &str,
        given: Given<'_>,
        scope: Option<&str>,
    ) -> Result<ServiceToken, TokenRefusal> {
        let id = ServiceId::parse(client);
        // Read for an unknown client too: the same work whoever it is.
        let found = self.find_service(id.unwrap_or(ServiceId::from_bytes([0; 16]))).await?;
        let typed: String = client.chars().take(CLIENT_ID_MAX).collect();
        let name_key = found.as_ref().map_or_else(|| self.unknown_key(&typed), |found| self.service_key(&found.body));
        // A signature is not guessed, and whoever knows a client id could lock its program out.
        let keys: Vec<Key> = match given {
            Given::Secret(_) => vec![self.address_key(visit), name_key],
            Given::Assertion(_) => vec![self.address_key(visit)],
        };
        self.gate(visit, &keys).await?;
        let checked = match given {
            Given::Secret(secret) => {
                let given = digest(secret.as_bytes());
                let hashes = found.as_ref().map_or_else(|| vec![[0; 32]], |found| found.body.hashes(visit.now));
                let right = hashes.iter().fold(false, |right, hash| right | bool::from(hash.ct_eq(&given)));
                if right { Ok(Checked::Secret(given)) } else { Err("wrong secret") }
            }
            Given::Assertion(token) => check_assertion(found.as_ref().map(|found| &found.body), endpoint, client, token, visit.now),
        };
        let (who, reason) = match (&found, checked) {
            (None, _) => (Who::visitor(visit), "unknown client"),
            (Some(found), Err(reason)) => (who(visit, &found.body), reason),
            (Some(found), Ok(_)) if found.body.check(visit.now).is_err() => (who(visit, &found.body), "not active"),
            (Some(found), Ok(checked)) => {
                let wanted = scope.map_or(Some(found.body.scopes), Scopes::parse);
                let scopes = wanted.filter(|wanted| wanted.and(found.body.scopes) == *wanted).ok_or(TokenRefusal::Scope)?;
                match retried(|| self.give_token(visit, found.body.id, &checked, scopes, &keys)).await {
                    Err(Error::WrongCredentials) => (who(visit, &found.body), "used before, or changed meanwhile"),
                    done => return Ok(done?),
                }
            }
        };
        self.count_failure(visit, &who, Class::SignIn, &keys, &[("step", "client credentials"), ("reason", reason)]).await?;
        Err(TokenRefusal::Client)
    }

    /// The credential was right: what was checked must still hold in the commit. An assertion counts
    /// once: its number is written down with the token that it brought.
    async fn give_token(&self, visit: &Visit, id: ServiceId, checked: &Checked, scopes: Scopes, keys: &[Key]) -> Result<ServiceToken> {
        let gate = self.gate(visit, keys).await?;
        let opened = self.find_service(id).await?.ok_or(Error::WrongCredentials)?;
        let service = &opened.body;
        let holds = match checked {
            Checked::Secret(given) => service.hashes(visit.now).contains(given),
            Checked::Assertion { key, number } => service.key() == Some(key) && self.control.get(kinds::TICKET, *number).await?.is_none(),
        };
        if service.check(visit.now).is_err() || !holds {
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
        if let Checked::Assertion { number, .. } = checked {
            self.use_number(&mut act, *number, visit.now)?;
        }
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
