//! The integrity badge: computed from commitment, tag, digest and ledger, never stored.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use wardkeep_domain::LogEventId;
use wardkeep_domain::date::Moment;
use wardkeep_ledger::proof::check_inclusion;
use wardkeep_ledger::tree::leaf_hash;
use wardkeep_ledger::{EventId, Leaf, Receipt};
use wardkeep_store::{DocId, Document, Entry};
use wardkeep_vault::PatientKey;
use wardkeep_vault::vault::digest;

use crate::act::Side;
use crate::clear::Named;
use crate::verify::about_matches;
use crate::{App, Ctx, Result, kinds, tiles};

/// The states of the badge that can occur.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Badge {
    Verified,
    VerifiedAmended,
    /// Its log entry is durable but not yet under a signed checkpoint.
    WaitingForSeal,
    CheckFailed,
}

impl Badge {
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Badge::Verified => "Verified",
            Badge::VerifiedAmended => "Verified, amended",
            Badge::WaitingForSeal => "Waiting for seal",
            Badge::CheckFailed => "Check failed",
        }
    }
}

/// One of the plain checks behind a badge.
#[derive(Clone, Debug)]
pub struct Check {
    pub ok: bool,
    /// "The text has not changed since it was signed".
    pub words: String,
    /// "Fingerprint matches: 9f2c 41d7 … e07b 5a13".
    pub fine_print: String,
}

/// What a click on the badge shows.
#[derive(Clone, Debug)]
pub struct Proof {
    pub checks: Vec<Check>,
    /// SHA-256 of the sealed bytes, hex.
    pub digest: String,
    pub event: [u8; 16],
    pub stream: String,
    pub index: u64,
    pub tree_size: u64,
    /// Root hash, hex.
    pub root: String,
    pub sealed_at: Option<Moment>,
}

impl Proof {
    /// The event as it stands in addresses.
    #[must_use]
    pub fn event_id(&self) -> LogEventId {
        LogEventId::from_bytes(self.event)
    }
}

/// A sealed document and the key it should open under.
#[derive(Clone, Copy)]
pub(crate) struct Sealed<'a> {
    pub key: &'a PatientKey,
    pub document: &'a Document,
    /// Of the bytes in `document`, taken once: the event names it, the badge is checked by it.
    pub digest: [u8; 32],
}

impl<'a> Sealed<'a> {
    pub(crate) fn new(key: &'a PatientKey, document: &'a Document) -> Self {
        Self { key, document, digest: digest(&document.sealed) }
    }
    /// Several documents of one patient.
    pub(crate) fn all(key: &'a PatientKey, documents: &'a [Document]) -> Vec<Self> {
        documents.iter().map(|document| Self::new(key, document)).collect()
    }
}

/// What a document turned out to be. `body` is `None` when it does not open.
pub(crate) struct Shown<T> {
    pub id: DocId,
    pub version: u64,
    pub body: Option<T>,
    pub badge: Badge,
    event: Option<EventId>,
    digest: [u8; 32],
}

impl<T> Shown<T> {
    /// The body apart from what was found out about it.
    pub(crate) fn split(self) -> (Shown<()>, Option<T>) {
        let Shown { id, version, body, badge, event, digest } = self;
        (Shown { id, version, body: body.is_some().then_some(()), badge, event, digest }, body)
    }
}

/// Where the log confirms a document version.
#[derive(Clone, Copy, Debug)]
struct Logged {
    kind: u16,
    id: [u8; 16],
    version: u64,
    /// The entry was proven to lie under a signed head.
    included: bool,
}

/// Document versions that the log confirmed in this run, by the digest of their sealed bytes.
///
/// Digest and tag are computed anew whenever a document is shown; what the log once said of
/// exactly these bytes cannot change, so it is asked once. Bounded; forgotten as a whole.
#[derive(Debug, Default)]
pub struct Checked(Mutex<HashMap<[u8; 32], Logged>>);

const CHECKED_MAX: usize = 50_000;

impl Checked {
    fn get(&self, digest: &[u8; 32], document: &Document) -> Option<Logged> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(digest).copied()?;
        let same = known.kind == document.kind.0 && known.id == document.id.0 && known.version == document.version.0;
        same.then_some(known)
    }
    fn put(&self, digest: [u8; 32], logged: Logged) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CHECKED_MAX {
            known.clear();
        }
        known.insert(digest, logged);
    }
}

impl App {
    /// Opens document versions of one side under a receipt and checks each against the log. One
    /// that fails is in the answer all the same, and an alarm is raised.
    pub(crate) async fn show<T: DeserializeOwned>(
        &self,
        ctx: &Ctx,
        side: Side,
        sealed: &[Sealed<'_>],
        receipt: &Receipt,
    ) -> Result<Vec<Shown<T>>> {
        let mut shown = Vec::with_capacity(sealed.len());
        for &one in sealed {
            let Sealed { key, document, digest } = one;
            let opened =
                if document.owner.0 == key.owner() { self.open_patient_doc::<T>(side.name(), key, document, receipt).ok() } else { None };
            let event = opened.as_ref().map(|opened| opened.event);
            let logged = match event {
                Some(event) => self.logged(side, one, event, receipt).await?,
                None => None,
            };
            let badge = badge(document, logged);
            if badge == Badge::CheckFailed {
                self.raise_integrity_alarm(ctx, document.kind, document.id, document.version.0).await?;
            }
            shown.push(Shown {
                id: document.id,
                version: document.version.0,
                body: opened.map(|opened| opened.body),
                badge,
                event,
                digest,
            });
        }
        Ok(shown)
    }

    /// Does the log say that this event wrote exactly these bytes? `None` when it does not.
    async fn logged(&self, side: Side, sealed: Sealed<'_>, event: EventId, receipt: &Receipt) -> Result<Option<Logged>> {
        let Sealed { document, digest, .. } = sealed;
        let known = self.checked.get(&digest, document);
        if let Some(known) = known.filter(|known| known.included) {
            return Ok(Some(known));
        }
        let store = self.store(side);
        let Some((stream, entry)) = store.entry(event).await? else { return Ok(None) };
        if known.is_none() && !self.event_wrote(side, sealed, event, &entry, receipt).await? {
            return Ok(None);
        }
        let mut logged = Logged { kind: document.kind.0, id: document.id.0, version: document.version.0, included: false };
        if let Some((head, _)) = self.state.sealed(&stream).filter(|(head, _)| entry.index < head.size) {
            let proof = tiles::inclusion(store.as_ref(), &stream, entry.index, head.size).await?;
            if !check_inclusion(&leaf_hash(&entry.leaf), entry.index, &head, &proof) {
                return Ok(None);
            }
            logged.included = true;
        }
        self.checked.put(digest, logged);
        Ok(Some(logged))
    }

    async fn event_wrote(&self, side: Side, sealed: Sealed<'_>, event: EventId, entry: &Entry, receipt: &Receipt) -> Result<bool> {
        let Sealed { key, document, digest } = sealed;
        let Some(clear) = self.store(side).get(kinds::EVENT, DocId(event.0)).await? else { return Ok(false) };
        let Ok(leaf) = Leaf::decode(&entry.leaf) else { return Ok(false) };
        let Ok(Some(subject)) = self.open_subject_part(side, key, &clear, receipt) else { return Ok(false) };
        let wanted = (document.kind.0, document.id.0, document.version.0, digest);
        let wrote = |named: &Named| named.wrote && (named.kind, named.id, named.version, named.digest) == wanted;
        Ok(leaf.event == event && about_matches(&subject.about, &leaf) && subject.about.named.iter().any(wrote))
    }

    /// The plain checks behind a badge, with the numbers that let somebody else repeat them.
    pub(crate) async fn proof_of<T>(&self, side: Side, shown: &Shown<T>) -> Result<Proof> {
        let mut proof = Proof {
            checks: Vec::new(),
            digest: hex::encode(shown.digest),
            event: shown.event.map_or([0; 16], |event| event.0),
            stream: self.stream(side)?.as_str().to_owned(),
            index: 0,
            tree_size: 0,
            root: String::new(),
            sealed_at: None,
        };
        let mut sealed = None;
        let ok = shown.badge != Badge::CheckFailed;
        if let Some(event) = shown.event
            && let Some((stream, entry)) = self.store(side).entry(event).await?
        {
            proof.index = entry.index;
            proof.stream = stream.as_str().to_owned();
            sealed = self.state.sealed(&stream);
        }
        if let Some((head, at)) = sealed {
            proof.tree_size = head.size;
            proof.root = hex::encode(head.root);
            proof.sealed_at = (ok && proof.index < head.size).then_some(at);
        }
        let mut check = |ok: bool, words: &str, fine_print: String| proof.checks.push(Check { ok, words: words.to_owned(), fine_print });
        check(shown.body.is_some(), "It opens with this patient's key, in this place and version", format!("Version {}", shown.version));
        check(ok, "The content has not changed since it was signed", format!("Fingerprint {}", short(&proof.digest)));
        check(ok, "The hospital's log names exactly this fingerprint", format!("Entry {} of stream {}", proof.index, proof.stream));
        let sealed = proof.sealed_at.is_some();
        let seal = if sealed {
            format!("Seal over {} entries, root {}", proof.tree_size, short(&proof.root))
        } else {
            "The next seal follows within seconds".to_owned()
        };
        check(ok, if sealed || !ok { "The entry lies under a signed seal" } else { "The entry is durable and waits for its seal" }, seal);
        Ok(proof)
    }
}

fn badge(document: &Document, logged: Option<Logged>) -> Badge {
    match logged {
        None => Badge::CheckFailed,
        Some(logged) if !logged.included => Badge::WaitingForSeal,
        Some(_) if document.version.0 > 1 => Badge::VerifiedAmended,
        Some(_) => Badge::Verified,
    }
}

/// `9f2c 41d7 … e07b 5a13`.
pub(crate) fn short(hex: &str) -> String {
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{} {} … {} {}", part(0, 4), part(4, 8), part(56, 60), part(60, 64))
}
