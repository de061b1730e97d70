//! The clear event beside each leaf: what it says, how it is committed to, and who opens it. Written
//! by `act.rs` only; the bytes are specified in `docs/spec/ledger.md` ("Clear events").

use serde::{Deserialize, Serialize};
use wardkeep_domain::PatientId;
use wardkeep_domain::date::Moment;
use wardkeep_ledger::commitment::Label;
use wardkeep_ledger::{Class, Commitment, EventId, Outcome, Receipt, Salt};
use wardkeep_policy::{Action, Fact, Held, Resource};
use wardkeep_store::{Owner, Term};
use wardkeep_vault::{Context, PatientKey, Purpose};

use crate::act::{Side, Who};
use crate::{App, Error, Result, envelope, kinds};

/// A document version that an event wrote or disclosed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Named {
    pub kind: u16,
    pub id: [u8; 16],
    pub version: u64,
    /// SHA-256 of the sealed bytes; zero when the event erased it.
    pub digest: [u8; 32],
    /// Did the event write this version (else it disclosed it)?
    pub wrote: bool,
    /// What it was put with beside the sealed bytes, see [`beside`]; zero when it was no put.
    pub beside: [u8; 16],
}

/// First half of SHA-256(owner ‖ number of terms as u32 ‖ terms ‖ unique terms): binds to the log
/// who a document belongs to and what finds it, which the sealed bytes do not say.
pub(crate) fn beside(owner: Owner, terms: &[Term], unique: &[Term]) -> [u8; 16] {
    let count = u32::try_from(terms.len()).unwrap_or(u32::MAX).to_be_bytes();
    let parts = [&owner.0[..], &count].into_iter().chain(terms.iter().chain(unique).map(|term| term.0.as_slice()));
    let digest = wardkeep_vault::vault::digest(&parts.collect::<Vec<_>>().concat());
    digest.first_chunk().copied().unwrap_or_default()
}

impl Named {
    /// Kind, id, version, digest, and whether it was written.
    fn head(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        let parts = self.kind.to_be_bytes().into_iter().chain(self.id).chain(self.version.to_be_bytes()).chain(self.digest);
        bytes.iter_mut().zip(parts.chain([u8::from(self.wrote)])).for_each(|(to, from)| *to = from);
        bytes
    }
    fn field(&self) -> [u8; FIELD_BYTES] {
        let mut bytes = [0; FIELD_BYTES];
        bytes.iter_mut().zip(self.head().into_iter().chain(self.beside)).for_each(|(to, from)| *to = from);
        bytes
    }
    /// `None` when the bytes begin with no whole one; gives what follows too.
    fn unpack(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (kind, rest) = bytes.split_first_chunk::<2>()?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let (version, rest) = rest.split_first_chunk::<8>()?;
        let (digest, rest) = rest.split_first_chunk::<32>()?;
        let (&wrote, mut rest) = rest.split_first()?;
        let mut beside = [0; 16];
        if wrote == 1 {
            let (found, after) = rest.split_first_chunk::<16>()?;
            (beside, rest) = (*found, after);
        }
        let (kind, version) = (u16::from_be_bytes(*kind), u64::from_be_bytes(*version));
        (wrote <= 1).then_some((Self { kind, id: *id, version, digest: *digest, wrote: wrote == 1, beside }, rest))
    }
}

const HEAD_BYTES: usize = 59;
const FIELD_BYTES: usize = HEAD_BYTES + 16;

/// A chart names a hundred versions at once, so they stand packed in the clear event: the fields of
/// each behind one another, the last one only where the event wrote it, all in Base64.
mod packed {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::{FIELD_BYTES, Named};

    pub(super) fn serialize<S: Serializer>(named: &[Named], serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(named.len() * FIELD_BYTES);
        for one in named {
            bytes.extend_from_slice(&one.head());
            if one.wrote {
                bytes.extend_from_slice(&one.beside);
            }
        }
        serializer.serialize_str(&STANDARD_NO_PAD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Named>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = STANDARD_NO_PAD.decode(text.as_ref()).map_err(|_| D::Error::custom("not Base64"))?;
        let (mut rest, mut named) = (bytes.as_slice(), Vec::new());
        while !rest.is_empty() {
            let (one, after) = Named::unpack(rest).ok_or_else(|| D::Error::custom("cut off"))?;
            named.push(one);
            rest = after;
        }
        Ok(named)
    }
}

/// The actor's part of a clear event, sealed under the audit key.
#[derive(Clone, Serialize, Deserialize)]
pub struct ActorPart {
    pub time_ms: i64,
    pub class: u16,
    pub outcome: u8,
    pub who: Who,
    /// The policy rule that allowed or refused it.
    pub rule: Option<String>,
    /// What policy was asked; events of earlier versions do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// Id of the request, for support.
    #[serde(with = "crate::compact")]
    pub request: [u8; 16],
    #[serde(with = "crate::compact")]
    pub actor_salt: [u8; 32],
    /// Present when the event is about no patient.
    pub about: Option<About>,
}

impl ActorPart {
    /// The facts that held when policy was asked; none where the event does not say.
    pub(crate) fn held(&self) -> Held {
        self.asked.as_ref().and_then(|asked| Held::parse(&asked.facts)).unwrap_or_default()
    }
    /// Was it done by the right of an emergency access, and not of the care relationship?
    pub(crate) fn in_emergency(&self) -> bool {
        let done = self.outcome == Outcome::Success as u8;
        let opened = self.class == Class::BreakGlassOpened as u16;
        done && (opened || (self.held().holds(Fact::Emergency) && !self.held().holds(Fact::InCare)))
    }
}

/// The question that policy answered, without its people: enough to put it to other rules.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// Name of the action.
    pub action: String,
    /// The facts that held, by name.
    pub facts: String,
    /// Role of the account that was asked about; empty when it was none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account: String,
}

impl Asked {
    pub(crate) fn new(action: Action, held: Held, resource: Resource) -> Self {
        let account = match resource {
            Resource::Account { role, .. } => role.code().to_owned(),
            Resource::Hospital | Resource::Chart { .. } | Resource::Request { .. } => String::new(),
        };
        Self { action: action.name().to_owned(), facts: held.to_string(), account }
    }
}

/// What happened to what. Sealed under the patient's key when there is one.
#[derive(Clone, Serialize, Deserialize)]
pub struct About {
    #[serde(with = "packed")]
    pub named: Vec<Named>,
    #[serde(with = "crate::compact")]
    pub resource_salt: [u8; 32],
    pub detail: Vec<(String, String)>,
    #[serde(with = "crate::compact")]
    pub detail_salt: [u8; 32],
}

/// The patient's part of a clear event.
#[derive(Clone, Serialize, Deserialize)]
pub struct SubjectPart {
    pub patient: PatientId,
    #[serde(with = "crate::compact")]
    pub subject_salt: [u8; 32],
    pub about: About,
}

impl About {
    pub(crate) fn resource_commitment(&self) -> Commitment {
        let fields: Vec<[u8; FIELD_BYTES]> = self.named.iter().map(Named::field).collect();
        let fields: Vec<&[u8]> = fields.iter().map(<[u8; FIELD_BYTES]>::as_slice).collect();
        Commitment::new(&Salt(self.resource_salt), Label::Resource, &fields)
    }
    pub(crate) fn detail_commitment(&self) -> Commitment {
        let fields: Vec<&[u8]> = self.detail.iter().flat_map(|(key, value)| [key.as_bytes(), value.as_bytes()]).collect();
        Commitment::new(&Salt(self.detail_salt), Label::Detail, &fields)
    }
}

impl ActorPart {
    pub(crate) fn actor_commitment(&self) -> Commitment {
        Commitment::new(&Salt(self.actor_salt), Label::Actor, &self.who.fields())
    }
}

/// A clear event, opened for somebody who may read it.
#[derive(Clone)]
pub struct ClearEvent {
    pub event: EventId,
    pub side: Side,
    /// Commit sequence in its store: the keyset cursor.
    pub seq: u64,
    pub actor: ActorPart,
    /// `None` when the event is about no patient, or when the patient's key is gone.
    pub subject: Option<SubjectPart>,
}

impl ClearEvent {
    #[must_use]
    pub fn time(&self) -> Moment {
        Moment(self.actor.time_ms)
    }
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        Class::from_code(self.actor.class)
    }
    #[must_use]
    pub fn about(&self) -> Option<&About> {
        self.subject.as_ref().map(|subject| &subject.about).or(self.actor.about.as_ref())
    }
    /// A named detail, for example `reason`.
    #[must_use]
    pub fn detail(&self, key: &str) -> Option<&str> {
        self.about()?.detail.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

impl App {
    /// What finds an event. It follows from the event itself, so verification computes it anew.
    pub(crate) fn event_terms(&self, side: Side, part: &ActorPart, owner: Owner) -> Vec<Term> {
        let term = |field: &str, value: &[u8]| self.exact_term(side.name(), kinds::EVENT, field, value);
        let mut terms = vec![term("class", &part.class.to_be_bytes()), term("outcome", &[part.outcome])];
        if !part.who.id.is_empty() {
            terms.push(term("actor", part.who.id.as_bytes()));
        }
        if owner != Owner::NONE {
            terms.push(term("subject", &owner.0));
        }
        // Who was shown in a list finds that list among who looked.
        let listed = part.about.iter().flat_map(|about| &about.named).filter(|named| named.kind == kinds::PATIENT.0 && !named.wrote);
        terms.extend(listed.map(|named| term("subject", &named.id)));
        terms
    }
    pub(crate) fn split_event(sealed: &[u8]) -> Result<(&[u8], &[u8])> {
        let (length, rest) = sealed.split_first_chunk::<4>().ok_or(Error::Integrity)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Error::Integrity)?;
        rest.split_at_checked(length).ok_or(Error::Integrity)
    }
    /// Opens the actor's part of an event (no patient data in it).
    pub(crate) fn open_actor_part(&self, side: Side, document: &wardkeep_store::Document) -> Result<ActorPart> {
        let (actor, _) = Self::split_event(&document.sealed)?;
        let context = Context { field: "actor", ..envelope::context(side.name(), kinds::EVENT, document.id, 1) };
        let plain = self.vault.open_own(Purpose::Audit, &context, actor)?;
        serde_json::from_slice(&plain).map_err(|_| Error::Integrity)
    }
    /// Opens the patient's part under a receipt; `None` when the event has none.
    pub(crate) fn open_subject_part(
        &self,
        side: Side,
        key: &PatientKey,
        document: &wardkeep_store::Document,
        receipt: &Receipt,
    ) -> Result<Option<SubjectPart>> {
        let (_, subject) = Self::split_event(&document.sealed)?;
        if subject.is_empty() {
            return Ok(None);
        }
        let context = Context { field: "subject", ..envelope::context(side.name(), kinds::EVENT, document.id, 1) };
        let plain = self.vault.open(key, &context, subject, receipt)?;
        serde_json::from_slice(&plain).map(Some).map_err(|_| Error::Integrity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_an_earlier_version_opens_without_the_question() {
        let who = r#"{"kind":"job","id":"keeper","name":"keeper","role":"","address":"","device":""}"#;
        let zero = |bytes: usize| {
            serde_json::to_string(&base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, vec![0; bytes])).unwrap()
        };
        let old = format!(
            r#"{{"time_ms":1,"class":1,"outcome":0,"who":{who},"rule":"job-runs","request":{},"actor_salt":{},"about":null}}"#,
            zero(16),
            zero(32)
        );
        let part: ActorPart = serde_json::from_str(&old).unwrap();
        assert_eq!((part.rule.as_deref(), part.asked), (Some("job-runs"), None));
    }

    #[test]
    fn what_an_event_names_comes_back_as_it_was() {
        let read = Named { kind: 42, id: [1; 16], version: 3, digest: [2; 32], wrote: false, beside: [0; 16] };
        let put = Named { kind: 43, id: [3; 16], version: u64::MAX, digest: [4; 32], wrote: true, beside: [5; 16] };
        for named in [vec![], vec![read], vec![put], vec![read, put, put, read]] {
            let about =
                About { named, resource_salt: [6; 32], detail: vec![("why".to_owned(), "because".to_owned())], detail_salt: [7; 32] };
            let text = serde_json::to_string(&about).unwrap();
            let back: About = serde_json::from_str(&text).unwrap();
            assert_eq!((&back.named, &back.detail), (&about.named, &about.detail));
            assert_eq!(back.resource_commitment(), about.resource_commitment());
        }
        for bad in ["AA", "*", &"A".repeat(79), &"_".repeat(80)] {
            let text = format!(r#"{{"named":"{bad}","resource_salt":"","detail":[],"detail_salt":""}}"#);
            assert!(serde_json::from_str::<About>(&text).is_err(), "{bad}");
        }
    }
}
