//! `verify --records`: every sealed document against the ledger.

use crate::{App, Ctx, Result};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFinding {
    /// Stable code: `edited`, `deleted`, `rolled-back`, `unlogged`, `event-missing`, `event-edited`, `blob-damaged`.
    pub code: String,
    /// In plain words, with kind and opaque id.
    pub words: String,
}

#[derive(Clone, Debug, Default)]
pub struct RecordsReport {
    pub documents: u64,
    pub events: u64,
    pub blobs: u64,
    pub findings: Vec<RecordFinding>,
}

impl App {
    /// Re-reads every sealed document and blob of both stores and compares (id, version, digest)
    /// with what the ledger's clear events say.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    pub async fn verify_records(&self, ctx: &Ctx, progress: crate::stroke::import::Progress<'_>) -> Result<RecordsReport> {
        let _ = (ctx, progress);
        todo!("audit helper")
    }
}
