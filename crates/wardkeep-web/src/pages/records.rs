//! Medical records: list, one record with versions and proof, write, amend, void.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use wardkeep_app::integrity::{Badge, Proof};
use wardkeep_app::records::{RecordDetail, RecordView};
use wardkeep_app::{Error, Result};
use wardkeep_domain::RecordId;
use wardkeep_domain::record::{Mark, Record, RecordForm, RecordState, RecordType};

use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::pages::chart::{Cursor, Frame, patient_id};

/// A record in a list.
pub struct Row {
    pub href: String,
    pub title: String,
    pub kind: &'static str,
    pub when: String,
    pub author: String,
    pub badge: &'static str,
    pub voided: bool,
    /// Marked as sensitive: the mark's name, or empty.
    pub mark: &'static str,
}

impl Row {
    pub(crate) fn new(frame: &Frame, view: &RecordView) -> Self {
        let record = view.record.as_ref();
        Self {
            href: format!("{}/records/{}", frame.base, view.id),
            title: record.map_or_else(|| "Cannot be opened".to_owned(), |r| r.title.clone()),
            kind: record.map_or("Record", |r| r.record_type.label()),
            when: record.map_or_else(String::new, |r| frame.when(r.event_at)),
            author: view.author.clone(),
            badge: view.badge.label(),
            voided: record.is_some_and(|r| matches!(r.state, RecordState::Voided { .. })),
            mark: record.and_then(|r| r.mark).map_or("", Mark::label),
        }
    }
}

#[derive(Template)]
#[template(path = "records/list.html")]
struct ListPage {
    page: Page,
    frame: Frame,
    rows: Vec<Row>,
    failed: bool,
    next: Option<u64>,
}

pub async fn list(signed: Signed, Path(patient): Path<String>, Query(cursor): Query<Cursor>) -> Response {
    let listed = match patient_id(&patient) {
        Ok(id) => signed.web.app.list_records(&signed.ctx, id, cursor.after).await,
        Err(error) => Err(error),
    };
    match listed {
        Ok((view, records)) => {
            let frame = Frame::new(&signed, &view, "records");
            render(&ListPage {
                page: signed.page("Records"),
                rows: records.items.iter().map(|record| Row::new(&frame, record)).collect(),
                failed: records.items.iter().any(|record| record.badge == Badge::CheckFailed),
                next: records.next,
                frame,
            })
        }
        Err(error) => signed.fail(&error),
    }
}

/// One version as shown.
struct Shown {
    href: String,
    title: String,
    kind: &'static str,
    mark: &'static str,
    body: String,
    opened: bool,
    when: String,
    author: String,
    written: String,
    written_by: String,
    version: u64,
    voided: bool,
    reason: String,
    badge: &'static str,
}

impl Shown {
    fn new(frame: &Frame, view: &RecordView) -> Self {
        let row = Row::new(frame, view);
        let record = view.record.as_ref();
        Self {
            href: row.href,
            title: row.title,
            kind: row.kind,
            mark: row.mark,
            body: record.map_or_else(String::new, |r| r.body.clone()),
            opened: record.is_some(),
            when: row.when,
            author: row.author,
            written: record.map_or_else(String::new, |r| frame.when(r.written_at)),
            written_by: view.written_by.clone(),
            version: view.version,
            voided: row.voided,
            reason: record.map_or_else(String::new, reason),
            badge: row.badge,
        }
    }
}

fn reason(record: &Record) -> String {
    match &record.state {
        RecordState::Signed => String::new(),
        RecordState::Amended { reason } | RecordState::Voided { reason } => reason.clone(),
    }
}

#[derive(Template)]
#[template(path = "records/detail.html")]
struct DetailPage {
    page: Page,
    frame: Frame,
    current: Shown,
    versions: Vec<Shown>,
    badge: &'static str,
    proof: Proof,
}

async fn read(signed: &Signed, patient: &str, record: &str) -> Result<RecordDetail> {
    let record = RecordId::parse(record).ok_or(Error::NotFound)?;
    signed.web.app.read_record(&signed.ctx, patient_id(patient)?, record).await
}

pub async fn detail(signed: Signed, Path((patient, record)): Path<(String, String)>) -> Response {
    match read(&signed, &patient, &record).await {
        Ok(detail) => {
            let frame = Frame::new(&signed, &detail.patient, "records");
            render(&DetailPage {
                page: signed.page("Record"),
                current: Shown::new(&frame, &detail.current),
                versions: detail.versions.iter().map(|version| Shown::new(&frame, version)).collect(),
                badge: detail.current.badge.label(),
                proof: detail.proof,
                frame,
            })
        }
        Err(error) => signed.fail(&error),
    }
}

#[derive(Template)]
#[template(path = "records/form.html")]
struct FormPage {
    page: Page,
    frame: Frame,
    errors: FormErrors,
    heading: &'static str,
    verb: &'static str,
    action: String,
    back: String,
    amending: bool,
    form: RecordForm,
    types: Vec<(&'static str, &'static str)>,
    theirs: Option<Shown>,
}

impl FormPage {
    fn writing(signed: &Signed, frame: Frame, form: RecordForm, errors: FormErrors) -> Self {
        let page = signed.page("Write a record");
        Self {
            page: if errors.is_empty() { page } else { page.failed() },
            errors,
            heading: "Write a record",
            verb: "Sign and file",
            action: format!("{}/records/new", frame.base),
            back: format!("{}/records", frame.base),
            amending: false,
            form,
            types: RecordType::ALL.iter().map(|t| (t.code(), t.label())).collect(),
            theirs: None,
            frame,
        }
    }
    fn amending(signed: &Signed, frame: Frame, record: &str, form: RecordForm, errors: FormErrors) -> Self {
        let at = format!("{}/records/{record}", frame.base);
        let page = Self::writing(signed, frame, form, errors);
        Self { heading: "Amend the record", verb: "Sign the new version", action: format!("{at}/amend"), back: at, amending: true, ..page }
    }
}

/// The frame alone, for a form that shows no record.
async fn frame(signed: &Signed, patient: &str) -> Result<Frame> {
    let view = signed.web.app.demographics(&signed.ctx, patient_id(patient)?).await?;
    Ok(Frame::new(signed, &view, "records"))
}

pub async fn new_page(signed: Signed, Path(patient): Path<String>) -> Response {
    match frame(&signed, &patient).await {
        Ok(frame) => render(&FormPage::writing(&signed, frame, RecordForm::default(), FormErrors::default())),
        Err(error) => signed.fail(&error),
    }
}

pub async fn write(Path(patient): Path<String>, Posted { signed, form }: Posted<RecordForm>) -> Response {
    let written = match patient_id(&patient) {
        Ok(id) => signed.web.app.write_record(&signed.ctx, id, &form).await,
        Err(error) => Err(error),
    };
    match written {
        Ok(record) => done(&signed.web, &format!("/patients/{patient}/records/{record}"), "record-written"),
        Err(Error::Invalid(errors)) => match frame(&signed, &patient).await {
            Ok(frame) => render_invalid(&FormPage::writing(&signed, frame, form, errors.into())),
            Err(error) => signed.fail(&error),
        },
        Err(error) => signed.fail(&error),
    }
}

/// The form filled with the current version.
fn filled(view: &RecordView) -> RecordForm {
    let Some(record) = &view.record else { return RecordForm::default() };
    let iso = record.event_at.rfc3339();
    let part = |from: usize, to: usize| iso.get(from..to).unwrap_or_default().to_owned();
    RecordForm {
        record_type: record.record_type.code().to_owned(),
        title: record.title.clone(),
        body: record.body.clone(),
        event_day: part(8, 10),
        event_month: part(5, 7),
        event_year: part(0, 4),
        event_time: part(11, 16),
        mark: Some(record.mark.map_or("", Mark::code).to_owned()),
        reason: String::new(),
        version: view.version.to_string(),
    }
}

pub async fn amend_page(signed: Signed, Path((patient, record)): Path<(String, String)>) -> Response {
    match read(&signed, &patient, &record).await {
        Ok(detail) => {
            let frame = Frame::new(&signed, &detail.patient, "records");
            render(&FormPage::amending(&signed, frame, &record, filled(&detail.current), FormErrors::default()))
        }
        Err(error) => signed.fail(&error),
    }
}

pub async fn amend(Path((patient, record)): Path<(String, String)>, Posted { signed, mut form }: Posted<RecordForm>) -> Response {
    let amended = match (patient_id(&patient), RecordId::parse(&record)) {
        (Ok(id), Some(record)) => signed.web.app.amend_record(&signed.ctx, id, record, &form).await,
        _ => Err(Error::NotFound),
    };
    let failed = match amended {
        Ok(()) => return done(&signed.web, &format!("/patients/{patient}/records/{record}"), "record-amended"),
        Err(error @ (Error::Invalid(_) | Error::Conflict { .. })) => error,
        Err(error) => return signed.fail(&error),
    };
    let detail = match read(&signed, &patient, &record).await {
        Ok(detail) => detail,
        Err(error) => return signed.fail(&error),
    };
    let frame = Frame::new(&signed, &detail.patient, "records");
    if let Error::Invalid(errors) = failed {
        return render_invalid(&FormPage::amending(&signed, frame, &record, form, errors.into()));
    }
    // Somebody was first: both texts on one page, and the next try is against their version.
    form.version = detail.current.version.to_string();
    let theirs = Some(Shown::new(&frame, &detail.current));
    let page = FormPage::amending(&signed, frame, &record, form, FormErrors::default());
    let mut response = render(&FormPage { theirs, ..page });
    *response.status_mut() = StatusCode::CONFLICT;
    response
}

/// The page that asks for the reason before something is voided.
#[derive(Template)]
#[template(path = "chart/void.html")]
pub(crate) struct VoidPage {
    pub page: Page,
    pub frame: Frame,
    pub errors: FormErrors,
    pub heading: &'static str,
    pub what: &'static str,
    pub verb: &'static str,
    pub action: String,
    pub back: String,
    pub version: String,
    pub reason: String,
}

/// What that page posts.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct VoidForm {
    pub version: String,
    pub reason: String,
}

fn void_template(signed: &Signed, detail: &RecordDetail, record: &str, form: VoidForm, errors: FormErrors) -> VoidPage {
    let frame = Frame::new(signed, &detail.patient, "records");
    let back = format!("{}/records/{record}", frame.base);
    let page = signed.page("Void a record");
    VoidPage {
        page: if errors.is_empty() { page } else { page.failed() },
        frame,
        errors,
        heading: "Void this record?",
        what: "The record",
        verb: "Void the record",
        action: format!("{back}/void"),
        back,
        version: form.version,
        reason: form.reason,
    }
}

pub async fn void_page(signed: Signed, Path((patient, record)): Path<(String, String)>) -> Response {
    match read(&signed, &patient, &record).await {
        Ok(detail) => {
            let form = VoidForm { version: detail.current.version.to_string(), reason: String::new() };
            render(&void_template(&signed, &detail, &record, form, FormErrors::default()))
        }
        Err(error) => signed.fail(&error),
    }
}

pub async fn void(Path((patient, record)): Path<(String, String)>, Posted { signed, form }: Posted<VoidForm>) -> Response {
    let typed = RecordForm { version: form.version.clone(), reason: form.reason.clone(), ..RecordForm::default() };
    let voided = match (patient_id(&patient), RecordId::parse(&record)) {
        (Ok(id), Some(record)) => signed.web.app.void_record(&signed.ctx, id, record, &typed).await,
        _ => Err(Error::NotFound),
    };
    match voided {
        Ok(()) => done(&signed.web, &format!("/patients/{patient}/records/{record}"), "record-voided"),
        Err(Error::Invalid(errors)) => match read(&signed, &patient, &record).await {
            Ok(detail) => render_invalid(&void_template(&signed, &detail, &record, form, errors.into())),
            Err(error) => signed.fail(&error),
        },
        Err(error) => signed.fail(&error),
    }
}
