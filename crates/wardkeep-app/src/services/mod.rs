//! Service accounts: made, listed, rotated, revoked. How they sign in stands in `tokens.rs`.
//!
//! A secret is 32 random bytes, shown once; the store has its SHA-256, sealed. What administrators
//! may not read themselves, no program of theirs reads without a second person's consent.

mod tokens;

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wardkeep_domain::date::Moment;
use wardkeep_domain::request::RequestKind;
use wardkeep_domain::service::{Planned, Service, ServiceRefusal};
use wardkeep_domain::{AccountId, FieldError, FieldErrors, ServiceId};
use wardkeep_ledger::Class;
use wardkeep_policy::{Action, Permit, Resource};
use wardkeep_store::{DocId, Document, Find};
use wardkeep_vault::Purpose;
use wardkeep_vault::vault::digest;

use crate::act::{Act, Side};
use crate::envelope::Opened;
use crate::requests::Approval;
use crate::throttle::retried;
use crate::{App, Ctx, Error, Result, Visit, kinds};

#[cfg(any(test, fuzzing))]
pub(crate) use tokens::NOBODYS_KEY;
pub use tokens::{Given, ServiceToken, TOKEN_PREFIX, TokenRefusal};

/// Service accounts that are listed.
pub const SERVICES_MAX: usize = 200;
/// What secrets begin with, so that one that got out is recognised.
const SECRET_PREFIX: &str = "wkc_";

/// A service account as listed; without its secrets.
#[derive(Clone, Debug)]
pub struct ServiceView {
    pub service: Service,
    pub created_by: String,
    pub last_used: Option<Moment>,
    /// Why it may do nothing any more.
    pub over: Option<ServiceRefusal>,
}

/// What is handed over once.
pub struct NewSecret {
    pub id: ServiceId,
    pub name: String,
    /// Empty when the program signs with its own key.
    pub secret: String,
}

/// The plan with the program's public key, when one was typed.
///
/// # Errors
/// `Invalid` on `key`.
pub(crate) fn planned(name: &str, purpose: &str, scopes: &[String], days: &str, key: &str) -> Result<Planned, FieldErrors> {
    let mut errors = FieldErrors::new();
    let planned = Planned::parse(name, purpose, scopes, days).map_err(|found| errors.0.extend(found.0)).ok();
    let key = errors.take(tokens::public_key(key).map_err(|words| FieldError::new("key", words)));
    errors.into_result((|| Some(Planned { key: key?, ..planned? }))())
}

fn refused(refusal: impl std::fmt::Display) -> Error {
    Error::Refused(refusal.to_string())
}

/// A fresh secret and its hash.
fn fresh_secret(visit: &Visit) -> (String, [u8; 32]) {
    let secret = format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(visit.entropy.bytes::<32>()));
    let hash = digest(secret.as_bytes());
    (secret, hash)
}

impl App {
    fn open_service(&self, document: &Document) -> Result<Opened<Service>> {
        self.open_own_doc(kinds::CONTROL, Purpose::Credentials, document)
    }
    async fn find_service(&self, id: ServiceId) -> Result<Option<Opened<Service>>> {
        let document = self.control.get(kinds::SERVICE, DocId(id.bytes())).await?;
        document.map(|document| self.open_service(&document)).transpose()
    }
    fn put_service(&self, act: &mut Act<'_>, version: u64, service: &Service) -> Result<()> {
        let id = DocId(service.id.bytes());
        act.put_own(Purpose::Credentials, kinds::SERVICE, id, version.saturating_add(1), service, Vec::new(), Vec::new())
    }

    /// Newest first.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn services(&self, ctx: &Ctx) -> Result<Vec<ServiceView>> {
        self.permit(ctx, Action::ListServices, Resource::Hospital).await?;
        let query = Find { kind: kinds::SERVICE, all_of: Vec::new(), before: None, since: None, limit: SERVICES_MAX };
        let mut services = Vec::new();
        for document in self.control.find(&query).await? {
            services.push((self.open_service(&document)?.body, self.control.marked(kinds::SERVICE, document.id).await?));
        }
        let makers: Vec<AccountId> = services.iter().map(|(service, _)| service.created_by).collect();
        let names = self.display_names(&makers).await?;
        let view = |(service, marked): (Service, Option<i64>)| ServiceView {
            created_by: names.get(&service.created_by).cloned().unwrap_or_else(|| "Command line".to_owned()),
            last_used: marked.map(Moment),
            over: service.check(ctx.now()).err(),
            service,
        };
        Ok(services.into_iter().map(view).collect())
    }

    /// Makes a service account; its secret is given this once. With a `key` (JWK) it has none.
    ///
    /// # Errors
    /// `Denied` (a fresh factor is needed); `Invalid` on `name`, `purpose`, `scopes`, `days`, `key`;
    /// `SecondPerson` when a scope reaches further than its maker.
    pub async fn make_service(&self, ctx: &Ctx, name: &str, purpose: &str, scopes: &[String], days: &str, key: &str) -> Result<NewSecret> {
        let permit = self.permit(ctx, Action::ManageServices, Resource::Hospital).await?;
        let planned = planned(name, purpose, scopes, days, key)?;
        if planned.scopes.is_clinical() {
            self.alone(ctx, RequestKind::MakeService { planned: planned.clone() }).await?;
        }
        self.put_new_service(ctx, &permit, planned, None).await
    }

    /// The same after a second person agreed: the approval is used up in the same commit.
    pub(crate) async fn make_service_approved(&self, ctx: &Ctx, planned: Planned, approval: &Approval) -> Result<NewSecret> {
        let permit = self.permit(ctx, Action::ManageServices, Resource::Hospital).await?;
        self.put_new_service(ctx, &permit, planned, Some(approval)).await
    }

    async fn put_new_service(&self, ctx: &Ctx, permit: &Permit, planned: Planned, approval: Option<&Approval>) -> Result<NewSecret> {
        let (secret, hash) = fresh_secret(ctx.visit());
        let id = ServiceId::from_bytes(ctx.visit().new_id());
        let service = Service::new(id, planned, ctx.account_id(), hash, ctx.now());
        let (secret, how) = if service.key().is_some() { (String::new(), "key") } else { (secret, "secret") };
        let mut act = self.service_act(ctx, permit, &service, "made").detail("scopes", service.scopes.to_string()).detail("by", how);
        if let Some(approval) = approval {
            act = approval.consume(self, act)?;
        }
        self.put_service(&mut act, 0, &service)?;
        act.commit().await?;
        Ok(NewSecret { id, name: service.name, secret })
    }

    fn service_act<'a>(&'a self, ctx: &'a Ctx, permit: &Permit, service: &Service, step: &str) -> Act<'a> {
        Act::by(self, Side::Control, ctx, Class::ServiceChanged)
            .permit(permit)
            .detail("service", hex::encode(service.id.bytes()))
            .detail("name", service.name.clone())
            .detail("step", step)
    }

    /// A new secret, given this once; the one before counts for another day.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; `Refused` when it is revoked or has expired.
    pub async fn rotate_service(&self, ctx: &Ctx, id: ServiceId) -> Result<NewSecret> {
        let permit = self.permit(ctx, Action::ManageServices, Resource::Hospital).await?;
        retried(|| async {
            let opened = self.find_service(id).await?.ok_or(Error::NotFound)?;
            let (secret, hash) = fresh_secret(ctx.visit());
            let rotated = opened.body.rotate(hash, ctx.now()).map_err(refused)?;
            let mut act = self.service_act(ctx, &permit, &rotated, "secret rotated");
            self.put_service(&mut act, opened.version, &rotated)?;
            act.commit().await?;
            Ok(NewSecret { id, name: rotated.name, secret })
        })
        .await
    }

    /// Ends it, and every token of it with the next call.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; `Refused` when it is revoked already.
    pub async fn revoke_service(&self, ctx: &Ctx, id: ServiceId) -> Result<()> {
        let permit = self.permit(ctx, Action::ManageServices, Resource::Hospital).await?;
        retried(|| async {
            let opened = self.find_service(id).await?.ok_or(Error::NotFound)?;
            let revoked = opened.body.revoke(ctx.now()).map_err(refused)?;
            let mut act = self.service_act(ctx, &permit, &revoked, "revoked");
            self.put_service(&mut act, opened.version, &revoked)?;
            act.commit().await.map(|_| ())
        })
        .await
    }

    /// Names of service accounts among authors.
    pub(crate) async fn service_names(&self, ids: &[DocId], names: &mut HashMap<AccountId, String>) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        for document in self.control.get_many(kinds::SERVICE, ids).await? {
            let service = self.open_service(&document)?.body;
            names.insert(AccountId::from_bytes(service.id.bytes()), service.name);
        }
        Ok(())
    }
}
