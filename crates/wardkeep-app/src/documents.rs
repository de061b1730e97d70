//! Uploaded files: streamed in and out, sealed chunk by chunk, with flat memory.

use futures::stream::BoxStream;
use wardkeep_domain::document::Document;
use wardkeep_domain::{DocumentId, PatientId};

use crate::integrity::{Badge, Proof};
use crate::patients::PatientView;
use crate::{App, Ctx, Error, Result};

/// A document as listed. `document` is `None` when the check failed and nothing can be opened.
#[derive(Clone)]
pub struct DocumentView {
    pub id: DocumentId,
    pub document: Option<Document>,
    pub version: u64,
    pub uploaded_by: String,
    pub badge: Badge,
}

/// An upload in progress. Dropping it without `finish` leaves nothing.
pub struct Upload {
    _todo: (),
}

/// A download: plaintext portions of the asked range, opened as they are sent.
pub struct Download {
    pub document: Document,
    /// First byte and one past the last byte sent.
    pub start: u64,
    pub end: u64,
    pub stream: BoxStream<'static, Result<bytes::Bytes, Error>>,
}

impl App {
    /// Starts an upload: permission, name, declared type and count are checked before any byte.
    ///
    /// # Errors
    /// `Invalid` on `file` or `description`, `Denied`, `NotFound`.
    pub async fn begin_upload(
        &self,
        ctx: &Ctx,
        patient: PatientId,
        file_name: &str,
        declared_type: &str,
        description: &str,
    ) -> Result<Upload> {
        let _ = (ctx, patient, file_name, declared_type, description);
        todo!("documents helper")
    }
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn list_documents(&self, ctx: &Ctx, patient: PatientId) -> Result<(PatientView, Vec<DocumentView>)> {
        let _ = (ctx, patient);
        todo!("documents helper")
    }
    /// Details and proof of one document, without its bytes.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn read_document(&self, ctx: &Ctx, patient: PatientId, document: DocumentId) -> Result<(PatientView, DocumentView, Proof)> {
        let _ = (ctx, patient, document);
        todo!("documents helper")
    }
    /// `range`: first byte and, unless to the end, the last byte (inclusive).
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Integrity`, `Refused` when the range cannot be satisfied.
    pub async fn download(
        &self,
        ctx: &Ctx,
        patient: PatientId,
        document: DocumentId,
        range: Option<(u64, Option<u64>)>,
    ) -> Result<Download> {
        let _ = (ctx, patient, document, range);
        todo!("documents helper")
    }
    /// # Errors
    /// `Invalid` on `reason`, `Conflict`, `Denied`, `NotFound`.
    pub async fn void_document(&self, ctx: &Ctx, patient: PatientId, document: DocumentId, version: u64, reason: &str) -> Result<()> {
        let _ = (ctx, patient, document, version, reason);
        todo!("documents helper")
    }
}

impl Upload {
    /// Takes the next portion; refuses early when content, extension and type disagree or it grows too long.
    ///
    /// # Errors
    /// `Invalid` on `file`.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let _ = bytes;
        todo!("documents helper")
    }
    /// # Errors
    /// `Invalid` on `file` (empty, truncated, wrong type), `Unavailable`.
    pub async fn finish(self) -> Result<DocumentId> {
        todo!("documents helper")
    }
}
