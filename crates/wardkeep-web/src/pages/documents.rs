//! Documents: list and upload, details with proof, download with ranges, void.
//!
//! Files stream in both directions; nothing here ever holds a whole one.

use askama::Template;
use axum::body::Body;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{Multipart, Path};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use wardkeep_app::documents::{DocumentView, Download};
use wardkeep_app::integrity::{Badge, Proof};
use wardkeep_app::patients::PatientView;
use wardkeep_app::{App, Ctx, Error, Result};
use wardkeep_domain::account::Role;
use wardkeep_domain::document::{DocumentForm, DocumentState};
use wardkeep_domain::record::Mark;
use wardkeep_domain::{DocumentId, FieldError, FieldErrors, PatientId};

use crate::error::{Fault, show_fault, shown_page};
use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::pages::chart::{Frame, or_not_recorded, patient_id};
use crate::pages::records::{VoidForm, VoidPage};

/// Largest upload request: the file and the form around it.
pub const UPLOAD_BYTES_MAX: usize = 101 * 1024 * 1024;
/// Longest description that is read from the form.
const TEXT_BYTES_MAX: usize = 4096;

struct Row {
    href: String,
    name: String,
    kind: &'static str,
    description: String,
    /// Marked as sensitive: the mark's name, or empty.
    mark: &'static str,
    by: String,
    when: String,
    size: String,
    sha256: String,
    badge: &'static str,
    opened: bool,
    failed: bool,
    voided: bool,
    reason: String,
}

/// `212 kB`, `1.2 MB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

impl Row {
    fn new(frame: &Frame, view: &DocumentView) -> Self {
        let document = view.document.as_ref();
        let reason = document.and_then(|d| match &d.state {
            DocumentState::Filed => None,
            DocumentState::Voided { reason } => Some(reason.clone()),
        });
        Self {
            href: format!("{}/documents/{}", frame.base, view.id),
            name: document.map_or_else(|| "Cannot be opened".to_owned(), |d| d.name.as_str().to_owned()),
            kind: document.map_or("Document", |d| d.file_type.label()),
            description: document.map_or_else(String::new, |d| or_not_recorded(&d.description)),
            mark: document.and_then(|d| d.mark).map_or("", Mark::label),
            by: view.uploaded_by.clone(),
            when: document.map_or_else(String::new, |d| frame.when(d.uploaded_at)),
            size: document.map_or_else(String::new, |d| size(d.bytes)),
            sha256: document.map_or_else(String::new, |d| d.sha256.clone()),
            badge: view.badge.label(),
            opened: document.is_some(),
            failed: view.badge == Badge::CheckFailed,
            voided: reason.is_some(),
            reason: reason.unwrap_or_default(),
        }
    }
}

#[derive(Template)]
#[template(path = "documents/list.html")]
struct ListPage {
    page: Page,
    frame: Frame,
    errors: FormErrors,
    rows: Vec<Row>,
    uploads: bool,
    description: String,
    mark: String,
}

async fn list_template(signed: &Signed, patient: &str, form: DocumentForm, errors: FormErrors) -> Result<ListPage> {
    let (view, documents) = signed.web.app.list_documents(&signed.ctx, patient_id(patient)?).await?;
    let frame = Frame::new(signed, &view, "documents");
    let page = signed.page("Documents");
    Ok(ListPage {
        page: if errors.is_empty() { page } else { page.failed() },
        errors,
        rows: documents.iter().map(|document| Row::new(&frame, document)).collect(),
        uploads: matches!(signed.ctx.role(), Some(Role::Doctor | Role::Nurse | Role::Patient)),
        description: form.description,
        mark: form.mark,
        frame,
    })
}

pub async fn list(signed: Signed, Path(patient): Path<String>) -> Response {
    match list_template(&signed, &patient, DocumentForm::default(), FormErrors::default()).await {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}

/// Why an upload did not get in.
enum Refused {
    App(Error),
    Fault(Fault),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::App(error)
    }
}

impl From<MultipartError> for Refused {
    fn from(error: MultipartError) -> Self {
        Self::Fault(if error.status() == StatusCode::PAYLOAD_TOO_LARGE { Fault::TooLarge } else { Fault::Malformed })
    }
}

/// A short text field.
pub(crate) async fn short_text(mut field: Field<'_>) -> Result<String, Fault> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|_| Fault::Malformed)? {
        if bytes.len() + chunk.len() > TEXT_BYTES_MAX {
            return Err(Fault::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| Fault::Malformed)
}

pub async fn upload(signed: Signed, Path(patient): Path<String>, mut parts: Multipart) -> Response {
    let mut form = DocumentForm::default();
    let refused = match receive(&signed, &patient, &mut parts, &mut form).await {
        Ok(_) => return done(&signed.web, &format!("/patients/{patient}/documents"), "document-uploaded"),
        Err(refused) => refused,
    };
    // A browser shows an answer only after it has sent everything.
    while let Ok(Some(mut field)) = parts.next_field().await {
        while let Ok(Some(_)) = field.chunk().await {}
    }
    match refused {
        Refused::App(Error::Invalid(errors)) => match list_template(&signed, &patient, form, errors.into()).await {
            Ok(page) => render_invalid(&page),
            Err(error) => signed.fail(&error),
        },
        Refused::App(error) => signed.fail(&error),
        Refused::Fault(fault) => shown_page(&show_fault(fault), &signed.page("Error")),
    }
}

/// The form's order is fixed: token, description, mark, file. Nothing of the file is read before the
/// token was checked.
async fn receive(signed: &Signed, patient: &str, parts: &mut Multipart, form: &mut DocumentForm) -> Result<DocumentId, Refused> {
    let patient = patient_id(patient)?;
    let mut trusted = false;
    while let Some(mut field) = parts.next_field().await? {
        match field.name().unwrap_or_default() {
            "csrf" => trusted = signed.ctx.form_token_matches(&short_text(field).await.map_err(Refused::Fault)?),
            "description" if trusted => form.description = short_text(field).await.map_err(Refused::Fault)?,
            "mark" if trusted => form.mark = short_text(field).await.map_err(Refused::Fault)?,
            "file" if trusted => {
                form.file_name = field.file_name().unwrap_or_default().to_owned();
                if form.file_name.is_empty() {
                    return Err(Error::Invalid(FieldErrors(vec![FieldError::new("file", "Choose a file.")])).into());
                }
                form.declared_type = field.content_type().unwrap_or_default().to_owned();
                let mut upload = signed.web.app.begin_upload(&signed.ctx, patient, form).await?;
                while let Some(chunk) = field.chunk().await? {
                    upload.push(&chunk).await?;
                }
                return Ok(upload.finish(signed.web.clock.now()).await?);
            }
            _ if !trusted => return Err(Refused::Fault(Fault::FormToken)),
            _ => return Err(Refused::Fault(Fault::Malformed)),
        }
    }
    Err(if trusted {
        Error::Invalid(FieldErrors(vec![FieldError::new("file", "Choose a file.")])).into()
    } else {
        Refused::Fault(Fault::FormToken)
    })
}

#[derive(Template)]
#[template(path = "documents/detail.html")]
struct DetailPage {
    page: Page,
    frame: Frame,
    row: Row,
    badge: &'static str,
    proof: Proof,
    voids: bool,
}

fn document_id(text: &str) -> Result<DocumentId> {
    DocumentId::parse(text).ok_or(Error::NotFound)
}

async fn read(signed: &Signed, patient: &str, document: &str) -> Result<(PatientView, DocumentView, Proof)> {
    signed.web.app.read_document(&signed.ctx, patient_id(patient)?, document_id(document)?).await
}

pub async fn detail(signed: Signed, Path((patient, document)): Path<(String, String)>) -> Response {
    match read(&signed, &patient, &document).await {
        Ok((view, document, proof)) => {
            let frame = Frame::new(&signed, &view, "documents");
            let voids = signed.ctx.role() == Some(Role::Doctor);
            render(&DetailPage {
                page: signed.page("Document"),
                row: Row::new(&frame, &document),
                badge: document.badge.label(),
                frame,
                proof,
                voids,
            })
        }
        Err(error) => signed.fail(&error),
    }
}

/// `bytes=first-` or `bytes=first-last`; other forms are answered with the whole file (RFC 9110,
/// section 14.2, lets a server ignore a range).
fn range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?;
    let (first, last) = text.split_once('-')?;
    let first = first.trim().parse().ok()?;
    let last = if last.trim().is_empty() { None } else { Some(last.trim().parse().ok()?) };
    // A range that ends before it begins says nothing.
    last.is_none_or(|last| last >= first).then_some((first, last))
}

pub async fn file(signed: Signed, Path((patient, document)): Path<(String, String)>) -> Response {
    let sent = match (patient_id(&patient), document_id(&document)) {
        (Ok(patient), Ok(document)) => send_file(&signed.web.app, &signed.ctx, &signed.headers, patient, document).await,
        _ => Err(Error::NotFound),
    };
    sent.unwrap_or_else(|error| signed.fail(&error))
}

/// The bytes of a document, or the range of them that the headers ask for.
pub(crate) async fn send_file(app: &App, ctx: &Ctx, headers: &HeaderMap, patient: PatientId, document: DocumentId) -> Result<Response> {
    let range = range(headers);
    match app.download(ctx, patient, document, range).await {
        // A changed file is sent whole: half of one version must not meet half of another.
        Ok(download) if range.is_some() && !if_range_holds(headers, &download) => {
            Ok(send(app.download(ctx, patient, document, None).await?, false))
        }
        Ok(download) => Ok(send(download, range.is_some())),
        Err(Error::OutOfRange { total }) => {
            Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, format!("bytes */{total}"))]).into_response())
        }
        Err(error) => Err(error),
    }
}

fn etag(download: &Download) -> String {
    format!("\"{}\"", download.document.sealed_sha256)
}

fn if_range_holds(headers: &HeaderMap, download: &Download) -> bool {
    headers.get(header::IF_RANGE).is_none_or(|value| value.as_bytes() == etag(download).as_bytes())
}

fn send(download: Download, partial: bool) -> Response {
    let document = &download.document;
    let total = document.bytes;
    let name = encoded(document.name.as_str());
    let mut headers = HeaderMap::new();
    let mut put = |name, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    put(header::CONTENT_TYPE, document.file_type.media_type().to_owned());
    put(header::CONTENT_LENGTH, (download.end - download.start).to_string());
    put(header::CONTENT_DISPOSITION, format!("attachment; filename*=UTF-8''{name}"));
    put(header::ACCEPT_RANGES, "bytes".to_owned());
    put(header::ETAG, etag(&download));
    if partial {
        put(header::CONTENT_RANGE, format!("bytes {}-{}/{total}", download.start, download.end.saturating_sub(1)));
    }
    let status = if partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    (status, headers, Body::from_stream(download.stream.map_err(std::io::Error::other))).into_response()
}

/// RFC 8187: what may not stand in a header value is percent-encoded.
fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn void_template(signed: &Signed, view: &PatientView, document: &str, form: VoidForm, errors: FormErrors) -> VoidPage {
    let frame = Frame::new(signed, view, "documents");
    let back = format!("{}/documents/{document}", frame.base);
    let page = signed.page("Void a document");
    VoidPage {
        page: if errors.is_empty() { page } else { page.failed() },
        frame,
        errors,
        heading: "Void this document?",
        what: "The document",
        verb: "Void the document",
        action: format!("{back}/void"),
        back,
        version: form.version,
        reason: form.reason,
    }
}

pub async fn void_page(signed: Signed, Path((patient, document)): Path<(String, String)>) -> Response {
    match read(&signed, &patient, &document).await {
        Ok((view, shown, _)) => {
            let form = VoidForm { version: shown.version.to_string(), reason: String::new() };
            render(&void_template(&signed, &view, &document, form, FormErrors::default()))
        }
        Err(error) => signed.fail(&error),
    }
}

pub async fn void(Path((patient, document)): Path<(String, String)>, Posted { signed, form }: Posted<VoidForm>) -> Response {
    let voided = match (patient_id(&patient), document_id(&document), form.version.parse()) {
        (Ok(patient), Ok(document), Ok(version)) => {
            signed.web.app.void_document(&signed.ctx, patient, document, version, &form.reason).await
        }
        _ => Err(Error::NotFound),
    };
    match voided {
        Ok(()) => done(&signed.web, &format!("/patients/{patient}/documents/{document}"), "document-voided"),
        Err(Error::Invalid(errors)) => match read(&signed, &patient, &document).await {
            Ok((view, ..)) => render_invalid(&void_template(&signed, &view, &document, form, errors.into())),
            Err(error) => signed.fail(&error),
        },
        Err(error) => signed.fail(&error),
    }
}
