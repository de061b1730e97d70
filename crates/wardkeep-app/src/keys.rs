//! Opened patient keys in a bounded cache: 60 s, 10,000 entries, wiped on drop, and when any node
//! shreds a key.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use wardkeep_domain::PatientId;
use wardkeep_domain::date::Moment;
use wardkeep_store::DocId;
use wardkeep_vault::PatientKey;

use crate::{App, Error, Result, kinds};

const LIFE_MS: i64 = 60_000;
const ENTRIES_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct KeyCache(Mutex<HashMap<PatientId, (Moment, PatientKey)>>);

impl KeyCache {
    fn get(&self, patient: PatientId, now: Moment) -> Option<PatientKey> {
        let cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(&patient).filter(|(at, _)| now.since_ms(*at) < LIFE_MS).map(|(_, key)| key.clone())
    }
    pub(crate) fn forget_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
    pub(crate) fn put(&self, patient: PatientId, key: PatientKey, now: Moment) {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= ENTRIES_MAX {
            cache.retain(|_, (at, _)| now.since_ms(*at) < LIFE_MS);
        }
        if cache.len() >= ENTRIES_MAX {
            cache.clear();
        }
        cache.insert(patient, (now, key));
    }
}

impl App {
    /// The patient's key; [`Error::NotFound`] when it was never made or was shredded, and from the
    /// moment on in which the patient is erased.
    pub(crate) async fn patient_key(&self, patient: PatientId, now: Moment) -> Result<PatientKey> {
        if self.control.get(kinds::TOMBSTONE, DocId(patient.bytes())).await?.is_some() {
            return Err(Error::NotFound);
        }
        self.key_to_erase(patient, now).await
    }

    /// The same also while the patient is being erased, for the erasure itself.
    pub(crate) async fn key_to_erase(&self, patient: PatientId, now: Moment) -> Result<PatientKey> {
        if let Some(key) = self.keys.get(patient, now) {
            return Ok(key);
        }
        let wrapped = self.control.get(kinds::PATIENT_KEY, DocId(patient.bytes())).await?.ok_or(Error::NotFound)?;
        let key = self.vault.unwrap_patient_key(patient.bytes(), &wrapped.sealed)?;
        self.keys.put(patient, key.clone(), now);
        Ok(key)
    }

    /// Keys of many patients in one read; patients without a key are left out. For a key that does
    /// not unwrap a stand-in is given that opens nothing, so that its patient's line in a list is
    /// marked as failed and the other lines are shown.
    pub(crate) async fn patient_keys(&self, patients: &[PatientId], now: Moment) -> Result<HashMap<PatientId, PatientKey>> {
        let ids: Vec<DocId> = patients.iter().map(|patient| DocId(patient.bytes())).collect();
        let erased: HashSet<DocId> = self.control.get_many(kinds::TOMBSTONE, &ids).await?.iter().map(|tombstone| tombstone.id).collect();
        let mut keys = HashMap::with_capacity(patients.len());
        let mut missing = Vec::new();
        for &patient in patients.iter().filter(|patient| !erased.contains(&DocId(patient.bytes()))) {
            match self.keys.get(patient, now) {
                Some(key) => drop(keys.insert(patient, key)),
                None => missing.push(DocId(patient.bytes())),
            }
        }
        if !missing.is_empty() {
            for wrapped in self.control.get_many(kinds::PATIENT_KEY, &missing).await? {
                let patient = PatientId::from_bytes(wrapped.id.0);
                let key = self.vault.unwrap_patient_key(wrapped.id.0, &wrapped.sealed);
                if let Ok(key) = &key {
                    self.keys.put(patient, key.clone(), now);
                }
                keys.insert(patient, key.unwrap_or_else(|_| self.vault.unusable_key(wrapped.id.0)));
            }
        }
        Ok(keys)
    }
}
