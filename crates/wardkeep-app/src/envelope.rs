//! How domain values become the plaintext of sealed documents: JSON in an envelope that names the
//! event which wrote it, so that a reader can find the log entry of what it reads.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wardkeep_domain::PatientId;
use wardkeep_ledger::EventId;
use wardkeep_store::{DocId, Document, Kind};
use wardkeep_vault::{Context, PatientKey, Plain, Purpose};

use crate::{App, Error, Result, Visit};

/// Version of the plaintext layout of all kinds.
pub const SCHEMA: u16 = 1;

#[derive(Serialize, Deserialize)]
pub(crate) struct Envelope<T> {
    /// The event that wrote this version.
    #[serde(rename = "e", with = "crate::compact")]
    pub event: [u8; 16],
    #[serde(rename = "b")]
    pub body: T,
}

/// An opened document.
#[derive(Clone, Debug)]
pub(crate) struct Opened<T> {
    pub version: u64,
    pub event: EventId,
    pub body: T,
}

pub(crate) fn context(store: &'static str, kind: Kind, id: DocId, version: u64) -> Context<'static> {
    Context { store, kind: kind.0, id: id.0, version, field: "", schema: SCHEMA }
}

fn decode<T: DeserializeOwned>(document: &Document, plain: &Plain) -> Result<Opened<T>> {
    let envelope: Envelope<T> = serde_json::from_slice(plain).map_err(|_| Error::Integrity)?;
    Ok(Opened { version: document.version.0, event: EventId(envelope.event), body: envelope.body })
}

impl App {
    /// Opens a document of a patient under a receipt that covers the patient.
    pub(crate) fn open_patient_doc<T: DeserializeOwned>(
        &self,
        store: &'static str,
        key: &PatientKey,
        document: &Document,
        receipt: &wardkeep_ledger::Receipt,
    ) -> Result<Opened<T>> {
        let plain = self.vault.open(key, &context(store, document.kind, document.id, document.version.0), &document.sealed, receipt)?;
        decode(document, &plain)
    }
    /// Asks a yes-or-no question of a patient's document before there is a receipt.
    pub(crate) fn sift_patient_doc<T: DeserializeOwned>(
        &self,
        store: &'static str,
        key: &PatientKey,
        document: &Document,
        keep: impl FnOnce(&T) -> bool,
    ) -> Result<bool> {
        let read = |plain: &[u8]| serde_json::from_slice::<Envelope<T>>(plain).is_ok_and(|envelope| keep(&envelope.body));
        Ok(self.vault.sift(key, &context(store, document.kind, document.id, document.version.0), &document.sealed, read)?)
    }
    /// Opens a document that is no patient's.
    pub(crate) fn open_own_doc<T: DeserializeOwned>(
        &self,
        store: &'static str,
        purpose: Purpose,
        document: &Document,
    ) -> Result<Opened<T>> {
        let plain = self.vault.open_own(purpose, &context(store, document.kind, document.id, document.version.0), &document.sealed)?;
        decode(document, &plain)
    }
    /// Seals a value under a patient's key.
    #[expect(clippy::too_many_arguments, reason = "each one is bound into the sealed bytes")]
    pub(crate) fn seal_patient_doc<T: Serialize>(
        &self,
        visit: &Visit,
        store: &'static str,
        key: &PatientKey,
        kind: Kind,
        id: DocId,
        version: u64,
        event: EventId,
        body: &T,
    ) -> Result<Vec<u8>> {
        let plain = Plain::new(serde_json::to_vec(&Envelope { event: event.0, body }).map_err(|error| Error::Internal(error.to_string()))?);
        Ok(self.vault.seal(key, &context(store, kind, id, version), &plain, &mut |buffer| visit.entropy.fill(buffer)))
    }
    /// Seals a value that is no patient's.
    #[expect(clippy::too_many_arguments, reason = "each one is bound into the sealed bytes")]
    pub(crate) fn seal_own_doc<T: Serialize>(
        &self,
        visit: &Visit,
        store: &'static str,
        purpose: Purpose,
        kind: Kind,
        id: DocId,
        version: u64,
        event: EventId,
        body: &T,
    ) -> Result<Vec<u8>> {
        let plain = Plain::new(serde_json::to_vec(&Envelope { event: event.0, body }).map_err(|error| Error::Internal(error.to_string()))?);
        Ok(self.vault.seal_own(purpose, &context(store, kind, id, version), &plain, &mut |buffer| visit.entropy.fill(buffer)))
    }
    /// Blind term of an exact value (ids, e-mail, MRN).
    pub(crate) fn exact_term(&self, store: &'static str, kind: Kind, field: &str, value: &[u8]) -> wardkeep_store::Term {
        wardkeep_store::Term(self.vault.term(store, kind.0, field, value, wardkeep_vault::TermBits::Exact))
    }
    /// Opaque counter key of a patient's running event number.
    pub(crate) fn subject_counter(&self, store: &'static str, patient: PatientId) -> [u8; 16] {
        self.vault.term(store, kinds_event(), "subject-number", &patient.bytes(), wardkeep_vault::TermBits::Exact)
    }
}

fn kinds_event() -> u16 {
    crate::kinds::EVENT.0
}
