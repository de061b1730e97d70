//! A file on its way in: judged, sealed and staged portion by portion, filed in one commit.

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use wardkeep_domain::date::Moment;
use wardkeep_domain::document::{DOCUMENTS_MAX, Document, DocumentForm, DocumentState, FileName, FileType};
use wardkeep_domain::record::Mark;
use wardkeep_domain::{DocumentId, FieldError, FieldErrors, PatientId, field};
use wardkeep_ledger::Class;
use wardkeep_policy::{Action, Permit};
use wardkeep_store::{DocId, Owner, StoreError};
use wardkeep_vault::stream::{SEGMENT_PLAIN_BYTES, StreamSummary};
use wardkeep_vault::{PatientKey, StreamSealer};

use super::content::{Content, Wrong, declared_agrees};
use super::{DESCRIPTION_CHARS_MAX, blob_context};
use crate::act::{Act, Side};
use crate::{App, Ctx, Error, Result, kinds};

/// An upload in progress. Dropping it without `finish` leaves nothing.
pub struct Upload {
    app: App,
    ctx: Ctx,
    permit: Permit,
    key: PatientKey,
    patient: PatientId,
    name: FileName,
    file_type: FileType,
    description: String,
    mark: Option<Mark>,
    content: Content,
    sealer: StreamSealer,
    staged: Staged,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upload(…)")
    }
}

/// The staged blob. One segment is written while the next one is sealed; no more are in flight.
struct Staged {
    app: App,
    id: DocId,
    owner: Owner,
    segments: u32,
    writing: Option<JoinHandle<Result<(), StoreError>>>,
    /// A segment could not be written: there is a hole, so nothing more is taken.
    broken: bool,
    filed: bool,
}

fn refused(wrong: Wrong) -> Error {
    Error::Invalid(FieldErrors(vec![wrong.into()]))
}

impl App {
    /// Starts an upload: permission, name, declared type and count are checked before any byte.
    ///
    /// # Errors
    /// `Invalid` on `file`, `description` or `mark`, `Denied`, `NotFound`.
    pub async fn begin_upload(&self, ctx: &Ctx, patient: PatientId, form: &DocumentForm) -> Result<Upload> {
        let permit = self.permit_chart(ctx, Action::UploadDocument, patient, None).await?;
        let mut errors = FieldErrors::new();
        let description = errors.take(field::text("description", &form.description, 0, DESCRIPTION_CHARS_MAX, false));
        let mark = errors.take(Some(&*form.mark).filter(|code| !code.is_empty()).map(Mark::parse).transpose());
        let named = errors.take(named(&form.file_name, &form.declared_type));
        let ((description, mark), (name, file_type)) = errors.into_result(description.zip(mark).zip(named))?;
        self.has_room(patient).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let id = DocId(ctx.visit().new_id());
        let staged =
            Staged { app: self.clone(), id, owner: Owner(patient.bytes()), segments: 0, writing: None, broken: false, filed: false };
        let sealer = StreamSealer::new(&key, &blob_context(id), ctx.visit().entropy.bytes())?;
        let content = Content::new(file_type);
        Ok(Upload {
            app: self.clone(),
            ctx: ctx.clone(),
            permit,
            key,
            patient,
            name,
            file_type,
            description,
            mark,
            content,
            sealer,
            staged,
        })
    }

    /// May the patient have one more document?
    async fn has_room(&self, patient: PatientId) -> Result<()> {
        if self.sealed_documents(patient, DOCUMENTS_MAX).await?.len() < DOCUMENTS_MAX {
            return Ok(());
        }
        let words = format!("This patient has {DOCUMENTS_MAX} documents, which is the most there can be.");
        Err(Error::Invalid(FieldErrors(vec![FieldError::new("file", words)])))
    }
}

/// The name, and the type that it and the declared type agree on.
fn named(file_name: &str, declared_type: &str) -> Result<(FileName, FileType), FieldError> {
    let name = FileName::parse(file_name)?;
    let file_type = name.file_type().ok_or_else(|| FieldError::new("file", "Choose a file whose name ends in its type."))?;
    if declared_agrees(declared_type, file_type) { Ok((name, file_type)) } else { Err(Wrong::NotAsNamed(file_type).into()) }
}

impl Upload {
    /// Takes the next portion; refuses early when content, extension and type disagree or it grows too long.
    ///
    /// # Errors
    /// `Invalid` on `file`, `Unavailable`.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<()> {
        for bytes in bytes.chunks(SEGMENT_PLAIN_BYTES) {
            self.content.push(bytes).map_err(refused)?;
            for segment in self.sealer.push(bytes) {
                self.staged.write(segment).await?;
            }
        }
        Ok(())
    }

    /// Files the document: details, blob and event in one commit. `now` is when it ended, which
    /// may be long after it began.
    ///
    /// # Errors
    /// `Invalid` on `file` (empty, truncated, wrong type), `Unavailable`.
    pub async fn finish(self, now: Moment) -> Result<DocumentId> {
        let Self { app, mut ctx, permit, key, patient, name, file_type, description, mark, content, sealer, mut staged } = self;
        content.finish().map_err(refused)?;
        let (last, summary) = sealer.finish();
        staged.write(last).await?;
        staged.written().await?;
        app.has_room(patient).await?;
        ctx.visit.now = now;
        let StreamSummary { plain_bytes, plain_sha256, sealed_bytes, sealed_sha256, segments } = summary;
        let id = DocumentId::from_bytes(staged.id.0);
        let document = Document {
            id,
            patient,
            name,
            file_type,
            description,
            mark,
            bytes: plain_bytes,
            sha256: hex::encode(plain_sha256),
            sealed_sha256: hex::encode(sealed_sha256),
            sealed_bytes,
            segments,
            uploaded_by: ctx.account_id(),
            uploaded_at: now,
            state: DocumentState::Filed,
        };
        let mut act = Act::by(&app, Side::Records, &ctx, Class::DocumentUploaded).permit(&permit).subject(&key);
        app.put_document(&mut act, &key, 1, &document)?;
        act.blob(staged.id);
        act.wrote(kinds::BLOB, staged.id, 1, sealed_sha256);
        act.commit().await?;
        staged.filed = true;
        Ok(id)
    }
}

impl Staged {
    /// Begins to write the next segment, after the one before.
    async fn write(&mut self, segment: Vec<u8>) -> Result<()> {
        self.written().await?;
        let (app, id, owner, number) = (self.app.clone(), self.id, self.owner, self.segments);
        self.segments += 1;
        self.writing = Some(tokio::spawn(async move { app.records.blob_write(id, owner, number, segment).await }));
        Ok(())
    }

    /// Waits for the segment in flight.
    async fn written(&mut self) -> Result<()> {
        if let Some(writing) = &mut self.writing {
            let done = writing.await;
            self.writing = None;
            self.broken |= !matches!(done, Ok(Ok(())));
            done.map_err(|error| Error::Internal(error.to_string()))??;
        }
        if self.broken { Err(Error::Unavailable("a part of the file could not be stored".to_owned())) } else { Ok(()) }
    }
}

impl Drop for Staged {
    /// What was staged goes, after the segment that may still be on its way. Without a runtime,
    /// or when the process ends, the next start sweeps it.
    fn drop(&mut self) {
        if self.filed || self.segments == 0 {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let (app, id, writing) = (self.app.clone(), self.id, self.writing.take());
        runtime.spawn(async move {
            if let Some(writing) = writing {
                let _ = writing.await;
            }
            if let Err(error) = app.records.blob_abandon(id).await {
                tracing::warn!(%error, "a staged file could not be dropped; the next start does");
            }
        });
    }
}
