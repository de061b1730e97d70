//! One act, one log entry: the only way a use case changes or discloses anything.
//!
//! An [`Act`] gathers the documents it writes, names every one of them in its event, seals the
//! clear event, and turns into a `Changeset` whose commit yields the `Receipt` that releases
//! plaintext. What is committed to, and under which key it is sealed, is specified in
//! `docs/spec/ledger.md` ("Clear events").

use serde::{Deserialize, Serialize};
use wardkeep_domain::{AccountId, PatientId};
use wardkeep_ledger::{Class, Discloses, Draft, EventId, Outcome, Receipt, Salt, SubjectDraft};
use wardkeep_policy::{Actor, Denial, Resource};
use wardkeep_store::{Changeset, DocId, Document, Erase, Expect, Kind, Owner, Put, Term, Version};
use wardkeep_vault::vault::digest;
use wardkeep_vault::{Context, PatientKey, Plain, Purpose};

use crate::clear::{About, ActorPart, Asked, Named, SubjectPart, beside};
use crate::integrity::Sealed;
use crate::sign_in::Doer;
use crate::{App, Ctx, Error, Result, Visit, envelope, kinds};

/// Which of the two stores.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    Control,
    Records,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Control, Side::Records];
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Side::Control => kinds::CONTROL,
            Side::Records => kinds::RECORDS,
        }
    }
}

/// Who did it, as the log keeps it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// `account`, `service`, `job`, `operator` or `visitor`.
    pub kind: String,
    /// Account id as hex, job name, or empty.
    pub id: String,
    /// Name at the time.
    pub name: String,
    /// Role code at the time.
    pub role: String,
    pub address: String,
    pub device: String,
}

impl std::fmt::Debug for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Who({} {})", self.kind, self.id)
    }
}

impl Who {
    #[must_use]
    pub fn of(ctx: &Ctx) -> Self {
        let (kind, id, name, role) = match (ctx.actor, &ctx.account) {
            (Actor::Account { id, role, .. }, account) => (
                "account",
                hex::encode(id.bytes()),
                account.as_ref().map(|a| a.display_name.clone()).unwrap_or_default(),
                role.code().to_owned(),
            ),
            (Actor::Job { job }, _) => ("job", job.to_owned(), job.to_owned(), String::new()),
            (Actor::Service { id, .. }, _) => ("service", hex::encode(id.bytes()), ctx.service.clone().unwrap_or_default(), String::new()),
            (Actor::Operator, _) => ("operator", String::new(), "Command line".to_owned(), String::new()),
        };
        Self { kind: kind.to_owned(), id, name, role, address: ctx.visit.address.clone(), device: ctx.visit.device.clone() }
    }
    /// Somebody who has not signed in.
    #[must_use]
    pub fn visitor(visit: &Visit) -> Self {
        Self {
            kind: "visitor".to_owned(),
            id: String::new(),
            name: String::new(),
            role: String::new(),
            address: visit.address.clone(),
            device: visit.device.clone(),
        }
    }
    pub(crate) fn fields(&self) -> [&[u8]; 6] {
        [
            self.kind.as_bytes(),
            self.id.as_bytes(),
            self.name.as_bytes(),
            self.role.as_bytes(),
            self.address.as_bytes(),
            self.device.as_bytes(),
        ]
    }
}

/// An act in the making. See the module.
pub(crate) struct Act<'a> {
    app: &'a App,
    visit: &'a Visit,
    who: Who,
    side: Side,
    event: EventId,
    class: Class,
    outcome: Outcome,
    rule: Option<String>,
    asked: Option<Asked>,
    subject: Option<PatientKey>,
    named: Vec<Named>,
    detail: Vec<(String, String)>,
    change: Changeset,
    /// How many puts at the front belong to other acts.
    others: usize,
}

impl<'a> Act<'a> {
    /// Who does it, as the account's owner is told: somebody else's device and address stay theirs.
    pub(crate) fn doer(&self, account: AccountId) -> Doer {
        let own = self.who.id == hex::encode(account.bytes());
        let only_own = |text: &str| if own { text.to_owned() } else { String::new() };
        Doer { at: self.visit.now, device: only_own(&self.who.device), address: only_own(&self.who.address) }
    }
    pub(crate) fn new(app: &'a App, side: Side, visit: &'a Visit, who: Who, class: Class) -> Self {
        let change = Changeset::default();
        let event = EventId(visit.new_id());
        Self {
            app,
            visit,
            who,
            side,
            event,
            class,
            outcome: Outcome::Success,
            rule: None,
            asked: None,
            subject: None,
            named: Vec::new(),
            detail: Vec::new(),
            change,
            others: 0,
        }
    }
    /// For an authenticated request.
    pub(crate) fn by(app: &'a App, side: Side, ctx: &'a Ctx, class: Class) -> Self {
        Self::new(app, side, &ctx.visit, Who::of(ctx), class)
    }
    /// The id of its log entry.
    pub(crate) fn event(&self) -> EventId {
        self.event
    }
    pub(crate) fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }
    pub(crate) fn permit(mut self, permit: &wardkeep_policy::Permit) -> Self {
        self.rule = Some(permit.rule().to_owned());
        self.asked = Some(Asked::new(permit.action(), permit.held(), permit.resource()));
        self
    }
    /// Policy said no to this.
    pub(crate) fn refused(mut self, resource: Resource, denial: &Denial) -> Self {
        self.rule = Some(denial.rule.clone());
        self.asked = Some(Asked::new(denial.action, denial.held, resource));
        self
    }
    pub(crate) fn rule(mut self, rule: &str) -> Self {
        self.rule = Some(rule.to_owned());
        self
    }
    /// The event is about this patient; its receipt releases this patient's plaintext.
    pub(crate) fn subject(mut self, key: &PatientKey) -> Self {
        self.change.discloses = Discloses::Owners(vec![key.owner()]);
        self.subject = Some(key.clone());
        self
    }
    /// The receipt releases plaintext of these patients too (lists).
    pub(crate) fn discloses(mut self, discloses: Discloses) -> Self {
        self.change.discloses = discloses;
        self
    }
    /// A clear fact for the log's readers, for example `("reason", "…")`.
    pub(crate) fn detail(mut self, key: &str, value: impl Into<String>) -> Self {
        self.detail.push((key.to_owned(), value.into()));
        self
    }
    /// Names a document version that this event discloses.
    pub(crate) fn reads(&mut self, document: &Document) {
        self.discloses_bytes(document, digest(&document.sealed));
    }
    /// The same, when its digest was taken already.
    pub(crate) fn shows(&mut self, sealed: &Sealed<'_>) {
        self.discloses_bytes(sealed.document, sealed.digest);
    }
    fn discloses_bytes(&mut self, document: &Document, digest: [u8; 32]) {
        let (kind, id, version) = (document.kind.0, document.id.0, document.version.0);
        self.named.push(Named { kind, id, version, digest, wrote: false, beside: [0; 16] });
    }
    /// Names something that this event wrote outside a put (a blob, by its digest).
    pub(crate) fn wrote(&mut self, kind: Kind, id: DocId, version: u64, digest: [u8; 32]) {
        self.named.push(Named { kind: kind.0, id: id.0, version, digest, wrote: true, beside: [0; 16] });
    }
    pub(crate) fn expect(&mut self, kind: Kind, id: DocId, version: u64) {
        self.change.expects.push(Expect { kind, id, version: Version(version) });
    }
    /// Makes a staged blob part of the record.
    pub(crate) fn blob(&mut self, id: DocId) {
        self.change.blobs.push(id);
    }
    pub(crate) fn erase(&mut self, kind: Kind, id: DocId) {
        self.wrote(kind, id, 0, [0; 32]);
        self.change.erases.push(Erase { kind, id });
    }
    pub(crate) fn erase_blob(&mut self, id: DocId) {
        self.wrote(kinds::BLOB, id, 0, [0; 32]);
        self.change.blob_erases.push(id);
    }
    /// Writes version `version` (the current one plus one) of a patient's document.
    #[expect(clippy::too_many_arguments, reason = "a put is these parts")]
    pub(crate) fn put_patient<T: Serialize>(
        &mut self,
        key: &PatientKey,
        kind: Kind,
        id: DocId,
        version: u64,
        body: &T,
        terms: Vec<Term>,
        unique: Vec<Term>,
    ) -> Result<()> {
        let sealed = self.app.seal_patient_doc(self.visit, self.side.name(), key, kind, id, version, self.event, body)?;
        self.put_sealed(kind, id, Owner(key.owner()), version, sealed, terms, unique);
        Ok(())
    }
    /// Writes version `version` of a document that is no patient's (or that authorisation reads).
    #[expect(clippy::too_many_arguments, reason = "a put is these parts")]
    pub(crate) fn put_own<T: Serialize>(
        &mut self,
        purpose: Purpose,
        kind: Kind,
        id: DocId,
        version: u64,
        body: &T,
        terms: Vec<Term>,
        unique: Vec<Term>,
    ) -> Result<()> {
        let sealed = self.app.seal_own_doc(self.visit, self.side.name(), purpose, kind, id, version, self.event, body)?;
        self.put_sealed(kind, id, Owner::NONE, version, sealed, terms, unique);
        Ok(())
    }
    /// Writes bytes that are sealed already (wrapped keys).
    #[expect(clippy::too_many_arguments, reason = "a put is these parts")]
    pub(crate) fn put_sealed(
        &mut self,
        kind: Kind,
        id: DocId,
        owner: Owner,
        version: u64,
        sealed: Vec<u8>,
        terms: Vec<Term>,
        unique: Vec<Term>,
    ) {
        let digest = digest(&sealed);
        self.named.push(Named { kind: kind.0, id: id.0, version, digest, wrote: true, beside: beside(owner, &terms, &unique) });
        self.change.puts.push(Put { kind, id, owner, version: Version(version), sealed, terms, unique });
    }

    /// Takes another act of the same side in: both are durable in one commit, or neither is.
    pub(crate) fn together(&mut self, other: Act<'_>) -> Result<()> {
        let (side, change) = other.build()?;
        if side != self.side {
            return Err(Error::Internal("two stores in one commit".to_owned()));
        }
        self.change.expects.extend(change.expects);
        // Each act's documents stand right before its event; this act's own come last.
        let others = change.puts.len();
        self.change.puts.splice(self.others..self.others, change.puts);
        self.others += others;
        self.change.erases.extend(change.erases);
        self.change.blobs.extend(change.blobs);
        self.change.blob_erases.extend(change.blob_erases);
        self.change.events.extend(change.events);
        Ok(())
    }

    fn build(mut self) -> Result<(Side, Changeset)> {
        let salt = || self.visit.entropy.bytes::<32>();
        let about = About {
            named: std::mem::take(&mut self.named),
            resource_salt: salt(),
            detail: std::mem::take(&mut self.detail),
            detail_salt: salt(),
        };
        let (resource, detail) = (about.resource_commitment(), about.detail_commitment());
        let subject_salt = salt();
        let mut part = ActorPart {
            time_ms: self.visit.now.0,
            class: self.class as u16,
            outcome: self.outcome as u8,
            who: self.who.clone(),
            rule: self.rule.take(),
            asked: self.asked.take(),
            request: self.visit.request,
            actor_salt: salt(),
            about: None,
        };
        let actor = part.actor_commitment();
        let mut subject_part = None;
        let mut subject = None;
        if let Some(key) = &self.subject {
            let patient = PatientId::from_bytes(key.owner());
            subject = Some(SubjectDraft {
                counter: self.app.subject_counter(self.side.name(), patient),
                salt: Salt(subject_salt),
                subject: key.owner(),
            });
            // Nothing is written about an erased patient, and nothing is shown.
            self.change.expects.push(Expect { kind: kinds::TOMBSTONE, id: DocId(key.owner()), version: Version::ABSENT });
            subject_part = Some(SubjectPart { patient, subject_salt, about });
        } else {
            part.about = Some(about);
        }
        let put = self.event_put(&part, subject_part.as_ref())?;
        self.change.puts.push(put);
        self.change.events.push(Draft {
            time_ms: self.visit.now.0,
            event: self.event,
            class: self.class,
            outcome: self.outcome,
            actor,
            subject,
            resource,
            detail,
        });
        Ok((self.side, self.change))
    }

    /// Durable when it returns.
    pub(crate) async fn commit(self) -> Result<Receipt> {
        let app = self.app;
        let (side, change) = self.build()?;
        Ok(app.committer(side).commit(change).await?)
    }

    fn event_put(&self, part: &ActorPart, subject: Option<&SubjectPart>) -> Result<Put> {
        let json = |value: Result<Vec<u8>, serde_json::Error>| value.map(Plain::new).map_err(|error| Error::Internal(error.to_string()));
        let context = |field| Context { field, ..envelope::context(self.side.name(), kinds::EVENT, DocId(self.event.0), 1) };
        let random = &mut |buffer: &mut [u8]| self.visit.entropy.fill(buffer);
        let actor = self.app.vault.seal_own(Purpose::Audit, &context("actor"), &json(serde_json::to_vec(part))?, random);
        let about = match (subject, &self.subject) {
            (Some(subject), Some(key)) => self.app.vault.seal(key, &context("subject"), &json(serde_json::to_vec(subject))?, random),
            _ => Vec::new(),
        };
        let length = u32::try_from(actor.len()).map_err(|_| Error::Internal("event too long".to_owned()))?;
        let sealed = [&length.to_be_bytes()[..], &actor, &about].concat();
        let owner = self.subject.as_ref().map_or(Owner::NONE, |key| Owner(key.owner()));
        let terms = self.app.event_terms(self.side, part, owner);
        Ok(Put { kind: kinds::EVENT, id: DocId(self.event.0), owner, version: Version(1), sealed, terms, unique: Vec::new() })
    }
}
