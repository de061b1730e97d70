//! Uploaded files: streamed in and out, sealed chunk by chunk, with flat memory.
//!
//! A file is two things in the store: its details, a sealed document like any other, and its bytes,
//! a sealed blob of the same id. One event names both, so a changed byte of either shows.

mod content;
mod download;
mod upload;
mod walk;

pub use download::Download;
pub use upload::Upload;
use wardkeep_domain::document::{self, DOCUMENTS_MAX, Document};
use wardkeep_domain::{DocumentId, FieldErrors, PatientId, field};
use wardkeep_ledger::{Class, Receipt};
use wardkeep_policy::{Action, Facts, Permit};
use wardkeep_store::DocId;
use wardkeep_vault::{Context, PatientKey};

use crate::act::{Act, Side};
use crate::integrity::{Badge, Check, Proof, Sealed};
use crate::patients::PatientView;
use crate::{App, Ctx, Error, Result, envelope, kinds};

/// Longest description in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 500;
/// Most documents in a list: the most that a patient may have, and those of uploads that ended in
/// the same moment as the last one.
const LISTED_MAX: usize = DOCUMENTS_MAX + 100;

/// A document as listed. `document` is `None` when the check failed and nothing can be opened.
#[derive(Clone)]
pub struct DocumentView {
    pub id: DocumentId,
    pub document: Option<Document>,
    pub version: u64,
    pub uploaded_by: String,
    pub badge: Badge,
}

/// What a document's blob is sealed for. It never changes, so its version is always 1.
fn blob_context(id: DocId) -> Context<'static> {
    Context { field: "blob", ..envelope::context(kinds::RECORDS, kinds::BLOB, id, 1) }
}

impl App {
    /// Newest first; every document of the patient.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn list_documents(&self, ctx: &Ctx, patient: PatientId) -> Result<(PatientView, Vec<DocumentView>)> {
        let permit = self.permit_chart(ctx, Action::ReadDocument, patient, None).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let banner = self.patient_document(&key).await?;
        let mut documents = self.sealed_documents(patient, LISTED_MAX).await?;
        let hidden = self.hidden(ctx, kinds::DOCUMENT, patient).await?;
        documents.retain(|document| !hidden.contains(&document.id));
        let (banner, documents) = (Sealed::new(&key, &banner), Sealed::all(&key, &documents));
        let named = std::iter::once(&banner).chain(&documents);
        let receipt = self.disclose(ctx, Class::ChartOpened, &permit, &key, named, "list of documents").await?;
        let view = PatientView { hidden: hidden.len(), ..self.patient_view(ctx, banner, &receipt).await? };
        Ok((view, self.document_views(ctx, &documents, &receipt).await?))
    }

    /// Details and proof of one document, without its bytes, which are checked all the same.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn read_document(&self, ctx: &Ctx, patient: PatientId, document: DocumentId) -> Result<(PatientView, DocumentView, Proof)> {
        let (permit, key, sealed) = self.permit_document(ctx, Action::ReadDocument, patient, document).await?;
        let banner = self.patient_document(&key).await?;
        let (banner, details) = (Sealed::new(&key, &banner), Sealed::new(&key, &sealed));
        let receipt = self.disclose(ctx, Class::ChartOpened, &permit, &key, [&banner, &details], "document").await?;
        let patient_view = self.patient_view(ctx, banner, &receipt).await?;
        let shown = self.show::<Document>(ctx, Side::Records, &[details], &receipt).await?;
        let shown = shown.into_iter().next().ok_or(Error::NotFound)?;
        let mut proof = self.proof_of(Side::Records, &shown).await?;
        let mut views = self.named_documents(vec![shown]).await?;
        let mut view = views.pop().ok_or(Error::NotFound)?;
        if let Some(document) = &view.document {
            let check = self.check_blob(ctx, sealed.id, document).await?;
            if !check.ok {
                view.badge = Badge::CheckFailed;
            }
            proof.checks.push(check);
        }
        Ok((patient_view, view, proof))
    }

    /// Are the sealed bytes of the file those that were filed?
    async fn check_blob(&self, ctx: &Ctx, id: DocId, document: &Document) -> Result<Check> {
        let digest = hex::encode(self.blob_digest(Side::Records, id).await?);
        let ok = digest == document.sealed_sha256;
        if !ok {
            self.raise_blob_alarm(ctx, id).await?;
        }
        let words = "The sealed bytes of the file are those that were filed".to_owned();
        Ok(Check { ok, words, fine_print: format!("Fingerprint {}", crate::integrity::short(&digest)) })
    }

    async fn raise_blob_alarm(&self, ctx: &Ctx, id: DocId) -> Result<()> {
        self.raise_integrity_alarm(ctx, kinds::BLOB, id, 1).await
    }

    /// The sealed details of a document of this patient; another patient's is not there.
    async fn sealed_document(&self, patient: PatientId, document: DocumentId) -> Result<wardkeep_store::Document> {
        let found = self.records.get(kinds::DOCUMENT, DocId(document.bytes())).await?;
        found.filter(|found| found.owner.0 == patient.bytes()).ok_or(Error::NotFound)
    }

    /// Opens details that must pass their check.
    async fn checked_document(&self, ctx: &Ctx, sealed: Sealed<'_>, receipt: &Receipt) -> Result<Document> {
        let shown = self.show::<Document>(ctx, Side::Records, &[sealed], receipt).await?;
        let shown = shown.into_iter().next().filter(|shown| shown.badge != Badge::CheckFailed);
        shown.and_then(|shown| shown.body).ok_or(Error::Integrity)
    }

    /// Marks a document as void; its file stays readable. `version` is the one that was seen.
    ///
    /// # Errors
    /// `Invalid` on `reason`, `Conflict`, `Refused` when void already, `Denied`, `NotFound`.
    pub async fn void_document(&self, ctx: &Ctx, patient: PatientId, document: DocumentId, version: u64, reason: &str) -> Result<()> {
        let (permit, key, sealed) = self.permit_document(ctx, Action::VoidDocument, patient, document).await?;
        let reason = field::text("reason", reason, 5, 500, false).map_err(FieldErrors::from)?;
        if sealed.version.0 != version {
            return Err(Error::Conflict { current: sealed.version.0 });
        }
        let details = Sealed::new(&key, &sealed);
        let receipt = self.disclose(ctx, Class::ChartOpened, &permit, &key, [&details], "document before a change").await?;
        let old = self.checked_document(ctx, details, &receipt).await?;
        let new = old.void(reason.clone()).map_err(|refusal: document::DocumentRefusal| Error::Refused(refusal.to_string()))?;
        let mut act = Act::by(self, Side::Records, ctx, Class::DocumentVoided).permit(&permit).subject(&key).detail("reason", reason);
        self.put_document(&mut act, &key, sealed.version.next().0, &new)?;
        act.commit().await.map(|_| ())
    }

    fn put_document(&self, act: &mut Act<'_>, key: &PatientKey, version: u64, document: &Document) -> Result<()> {
        let marked = document.mark.map(|_| self.marked_term(kinds::DOCUMENT, document.patient));
        let terms = std::iter::once(self.patient_parts_term(kinds::DOCUMENT, document.patient)).chain(marked).collect();
        act.put_patient(key, kinds::DOCUMENT, DocId(document.id.bytes()), version, document, terms, Vec::new())
    }

    /// Permission for one document, which may be a marked one, and everything that opens it.
    async fn permit_document(
        &self,
        ctx: &Ctx,
        action: Action,
        patient: PatientId,
        document: DocumentId,
    ) -> Result<(Permit, PatientKey, wardkeep_store::Document)> {
        let marked = self.hidden(ctx, kinds::DOCUMENT, patient).await?.contains(&DocId(document.bytes()));
        let permit = self.permit_chart_with(ctx, action, patient, None, |facts| Facts { marked, ..facts }).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        Ok((permit, key, self.sealed_document(patient, document).await?))
    }
}
