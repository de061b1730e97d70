//! Documents: listed, read, sent and fetched, voided.
//!
//! As raw bytes a file streams in both directions with flat memory, up to 100 MiB. As Base64 in
//! JSON it streams out; on the way in the body is held while it is parsed, so it is bounded lower.

use std::io::Read;

use axum::body::Body as HttpBody;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::read::DecoderReader;
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wardkeep_app::documents::{DocumentView, Download};
use wardkeep_app::{Error, Result};
use wardkeep_domain::document::{self, DocumentForm, DocumentState};
use wardkeep_domain::record::Mark;
use wardkeep_domain::{DocumentId, FieldError, PatientId};

use super::answer::{Answer, Done, Made, Refused, Said, renamed};
use super::describe::{Described, Says};
use super::patients::Patient;
use super::shapes::{self, NewId, Proof, State, VoidInput, badge};
use super::take::{Body, Caller, Ids, Octets};
use crate::error::Fault;
use crate::pages::documents::send_file;

/// Largest file that is taken as Base64 in JSON.
pub const BASE64_FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Largest body of such an upload: the file as Base64, possibly in escaped slashes, and room.
pub const BASE64_BODY_BYTES_MAX: usize = BASE64_FILE_BYTES_MAX / 3 * 4 + 1024 * 1024;

/// A document's details.
#[derive(Serialize, ToSchema)]
pub struct DocumentContent {
    pub name: String,
    /// The fixed type that it is served with.
    pub media_type: &'static str,
    pub description: String,
    /// Marked as sensitive: `psychiatric`, `hiv`, `sexual_health`, `genetic`; null when it is not.
    pub mark: Option<&'static str>,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    #[schema(format = DateTime)]
    pub uploaded_at: String,
    #[schema(schema_with = shapes::document_states)]
    pub state: &'static str,
    /// Why it was voided.
    pub reason: Option<String>,
}

impl From<document::Document> for DocumentContent {
    fn from(document: document::Document) -> Self {
        let (state, reason): State = match document.state {
            DocumentState::Filed => ("filed", None),
            DocumentState::Voided { reason } => ("voided", Some(reason)),
        };
        Self {
            name: document.name.as_str().to_owned(),
            media_type: document.file_type.media_type(),
            description: document.description,
            mark: document.mark.map(Mark::code),
            bytes: document.bytes,
            sha256: document.sha256,
            uploaded_at: document.uploaded_at.rfc3339(),
            state,
            reason,
        }
    }
}

/// A document as listed.
#[derive(Serialize, ToSchema)]
pub struct Document {
    #[schema(format = "uuid")]
    pub id: String,
    pub version: u64,
    #[schema(schema_with = shapes::badges)]
    pub badge: &'static str,
    pub uploaded_by: String,
    /// Null when the check failed and it cannot be opened.
    pub content: Option<DocumentContent>,
}

impl From<DocumentView> for Document {
    fn from(view: DocumentView) -> Self {
        Self {
            id: view.id.to_string(),
            version: view.version,
            badge: badge(view.badge),
            uploaded_by: view.uploaded_by,
            content: view.document.map(DocumentContent::from),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct DocumentList {
    pub patient: Patient,
    pub items: Vec<Document>,
}

pub async fn list(caller: Caller, Ids(patient): Ids<PatientId>) -> Answer<Said<DocumentList>> {
    let (patient, documents) = caller.app().list_documents(&caller.ctx, patient).await?;
    Ok(Said(DocumentList { patient: patient.into(), items: documents.into_iter().map(Document::from).collect() }))
}

/// A document with its proof.
#[derive(Serialize, ToSchema)]
pub struct DocumentDetail {
    pub patient: Patient,
    pub document: Document,
    pub proof: Proof,
}

pub async fn read(caller: Caller, Ids((patient, document)): Ids<(PatientId, DocumentId)>) -> Answer<Said<DocumentDetail>> {
    let (patient, document, proof) = caller.app().read_document(&caller.ctx, patient, document).await?;
    Ok(Said(DocumentDetail { patient: patient.into(), document: document.into(), proof: proof.into() }))
}

/// A file of up to 16 MiB; send larger ones to `…/documents/raw`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentInput {
    /// Name of the file with its extension.
    pub name: String,
    /// Has to agree with the extension and with what is in the file.
    pub media_type: String,
    #[serde(default)]
    pub description: String,
    /// A mark that needs a permission of its own to read: `psychiatric`, `hiv`, `sexual_health`,
    /// `genetic`, or empty for none.
    #[serde(default)]
    pub mark: String,
    /// The file as Base64 (RFC 4648 section 4, padded, without line breaks).
    #[schema(content_encoding = "base64")]
    pub content: String,
}

/// Bytes decoded at once.
const PORTION: usize = 64 * 1024;

pub async fn upload(caller: Caller, Ids(patient): Ids<PatientId>, body: Result<Body<DocumentInput>, Refused>) -> Answer<Made<NewId>> {
    let Body(input) = body.map_err(|refused| if matches!(refused, Refused::Fault(Fault::TooLarge)) { too_large() } else { refused })?;
    if input.content.len() > BASE64_FILE_BYTES_MAX.div_ceil(3) * 4 {
        return Err(too_large());
    }
    let form = DocumentForm { file_name: input.name, declared_type: input.media_type, description: input.description, mark: input.mark };
    let mut upload = caller.app().begin_upload(&caller.ctx, patient, &form).await.map_err(renamed(&[("file", "name")]))?;
    let mut decoder = DecoderReader::new(input.content.as_bytes(), &STANDARD);
    let mut portion = vec![0; PORTION];
    loop {
        let read =
            decoder.read(&mut portion).map_err(|_| FieldError::new("content", "Send the file as Base64 with padding, in one line."))?;
        match portion.get(..read) {
            Some([]) | None => break,
            Some(bytes) => upload.push(bytes).await.map_err(renamed(&[("file", "content")]))?,
        }
    }
    Ok(Made(NewId::new(upload.finish(caller.web.clock.now()).await.map_err(renamed(&[("file", "content")]))?)))
}

fn too_large() -> Refused {
    let words = "As Base64 in JSON a file may have up to 16 MiB. Send a larger one, up to 100 MiB, as bytes to …/documents/raw.";
    Refused::told(Fault::TooLarge, words)
}

pub async fn upload_raw(caller: Caller, Ids(patient): Ids<PatientId>, file: Octets) -> Answer<Made<NewId>> {
    let mut body = file.body.into_data_stream();
    let sent = async {
        let mut upload = caller.app().begin_upload(&caller.ctx, patient, &file.form).await?;
        while let Some(chunk) = body.next().await {
            upload.push(&chunk.map_err(|error| broken(&error))?).await?;
        }
        Ok(Made(NewId::new(upload.finish(caller.web.clock.now()).await?)))
    }
    .await;
    // Many clients read an answer only after they have sent everything.
    while let Some(Ok(_)) = body.next().await {}
    sent
}

/// Why a body ended early: it went over the route's bound, or the connection broke.
fn broken(error: &axum::Error) -> Refused {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return Refused::Fault(Fault::TooLarge);
        }
        cause = error.source();
    }
    Refused::Fault(Fault::Malformed)
}

/// A file in JSON.
#[derive(Serialize, ToSchema)]
pub struct DocumentFile {
    pub name: String,
    pub media_type: &'static str,
    pub bytes: u64,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// The file as Base64.
    #[schema(content_encoding = "base64")]
    pub content: &'static str,
}

/// [`DocumentFile`], written as the file is opened.
pub struct FileInJson(Download);

pub async fn content(caller: Caller, Ids((patient, document)): Ids<(PatientId, DocumentId)>) -> Answer<FileInJson> {
    Ok(FileInJson(caller.app().download(&caller.ctx, patient, document, None).await?))
}

impl IntoResponse for FileInJson {
    fn into_response(self) -> Response {
        let document = self.0.document;
        let file = DocumentFile {
            name: document.name.as_str().to_owned(),
            media_type: document.file_type.media_type(),
            bytes: document.bytes,
            sha256: document.sha256,
            content: "",
        };
        let json = serde_json::to_string(&file).unwrap_or_default();
        // Content is the last field: what follows the opening quote comes from the stream.
        let Some(head) = json.strip_suffix("\"}").map(str::to_owned) else {
            return Refused::from(Error::Internal("the answer cannot be written".to_owned())).into_response();
        };
        let head = futures::stream::iter([Ok(Bytes::from(head))]);
        let tail = futures::stream::iter([Ok(Bytes::from_static(b"\"}"))]);
        let body = head.chain(base64(self.0.stream)).chain(tail).map_err(std::io::Error::other);
        ([(header::CONTENT_TYPE, "application/json")], HttpBody::from_stream(body)).into_response()
    }
}

impl Says for FileInJson {
    fn says(described: &mut Described) {
        described.answers_json::<DocumentFile>(StatusCode::OK);
    }
}

/// Base64 of a stream. Three bytes make four letters: what is left of a portion waits for the next.
fn base64(stream: impl Stream<Item = Result<Bytes>> + Send + 'static) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
    let portions = stream.map_ok(Some).chain(futures::stream::iter([Ok(None)]));
    portions.scan(Vec::new(), |waiting: &mut Vec<u8>, portion| {
        let letters = portion.map(|portion| {
            let last = portion.is_none();
            waiting.extend_from_slice(&portion.unwrap_or_default());
            let ready = if last { waiting.len() } else { waiting.len() / 3 * 3 };
            Bytes::from(STANDARD.encode(waiting.drain(..ready).collect::<Vec<u8>>()))
        });
        futures::future::ready(Some(letters))
    })
}

/// The bytes of a document.
pub struct File(Response);

pub async fn raw(caller: Caller, Ids((patient, document)): Ids<(PatientId, DocumentId)>) -> Answer<File> {
    Ok(File(send_file(caller.app(), &caller.ctx, &caller.headers, patient, document).await?))
}

impl IntoResponse for File {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Says for File {
    fn says(described: &mut Described) {
        described.answers(StatusCode::OK, "The file, with the document's media type.", Some("application/octet-stream"));
        described.answers(StatusCode::PARTIAL_CONTENT, "The range asked for.", Some("application/octet-stream"));
        described.answers(StatusCode::RANGE_NOT_SATISFIABLE, "The file has no such range.", None);
    }
}

pub async fn void(caller: Caller, Ids((patient, document)): Ids<(PatientId, DocumentId)>, Body(input): Body<VoidInput>) -> Answer<Done> {
    caller.app().void_document(&caller.ctx, patient, document, input.version, &input.reason).await?;
    Ok(Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn base64_does_not_care_where_a_stream_is_cut() {
        let bytes: Vec<u8> = (0..=255).collect();
        for size in [1, 2, 3, 4, 100, 255, 256] {
            let portions: Vec<_> = bytes.chunks(size).map(|portion| Ok(Bytes::copy_from_slice(portion))).collect();
            let letters: Vec<Bytes> = base64(futures::stream::iter(portions)).try_collect().await.unwrap();
            assert_eq!(letters.concat(), STANDARD.encode(&bytes).as_bytes(), "portions of {size}");
        }
        let nothing: Vec<Bytes> = base64(futures::stream::iter(Vec::new())).try_collect().await.unwrap();
        assert!(nothing.concat().is_empty());
    }
}
