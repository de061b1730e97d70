//! The coordinator's file: upload, see every refused row, confirm; and the export.

use askama::Template;
use axum::extract::Multipart;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use wardkeep_app::Error;
use wardkeep_app::stroke::import::ImportReport;
use wardkeep_domain::{FieldError, FieldErrors};

use crate::error::{Fault, show_fault, shown_page};
use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::pages::documents::short_text;
use crate::pages::log::attachment;
use crate::pages::patients::Nothing;
use crate::pages::security::fail_or_confirm;

/// Largest import request.
pub const FILE_BYTES_MAX: usize = 33 * 1024 * 1024;

#[derive(Template)]
#[template(path = "stroke/import.html")]
struct ImportPage {
    page: Page,
    errors: FormErrors,
    report: Option<ImportReport>,
    token: String,
}

fn template(signed: &Signed, report: Option<ImportReport>, token: String, errors: FormErrors) -> ImportPage {
    let page = signed.page("Import assessments");
    ImportPage { page: if errors.is_empty() { page } else { page.failed() }, errors, report, token }
}

pub async fn import_page(signed: Signed) -> Response {
    render(&template(&signed, None, String::new(), FormErrors::default()))
}

pub async fn check(signed: Signed, parts: Multipart) -> Response {
    let bytes = match read_file(&signed, parts).await {
        Ok(bytes) => bytes,
        Err(fault) => return shown_page(&show_fault(fault), &signed.page("Error")),
    };
    if bytes.is_empty() {
        let errors = FieldErrors(vec![FieldError::new("file", "Choose a CSV file that is not empty.")]);
        return render_invalid(&template(&signed, None, String::new(), errors.into()));
    }
    match signed.web.app.stage_import(&signed.ctx, &bytes).await {
        Ok((token, report)) => render(&template(&signed, Some(report), token, FormErrors::default())),
        Err(Error::Invalid(errors)) => render_invalid(&template(&signed, None, String::new(), errors.into())),
        Err(error) => signed.fail(&error),
    }
}

/// Token first, then the file; at most 32 MiB of it.
async fn read_file(signed: &Signed, mut parts: Multipart) -> Result<Vec<u8>, Fault> {
    let mut trusted = false;
    let mut bytes = Vec::new();
    while let Some(mut field) = parts.next_field().await.map_err(fault)? {
        match field.name().unwrap_or_default() {
            "csrf" => trusted = signed.ctx.form_token_matches(&short_text(field).await?),
            "file" if trusted => {
                while let Some(chunk) = field.chunk().await.map_err(fault)? {
                    bytes.extend_from_slice(&chunk);
                }
            }
            _ if !trusted => return Err(Fault::FormToken),
            _ => return Err(Fault::Malformed),
        }
    }
    if trusted { Ok(bytes) } else { Err(Fault::FormToken) }
}

fn fault(error: axum::extract::multipart::MultipartError) -> Fault {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE { Fault::TooLarge } else { Fault::Malformed }
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct ConfirmForm {
    token: String,
    keep_good: String,
}

pub async fn confirm(Posted { signed, form }: Posted<ConfirmForm>) -> Response {
    match signed.web.app.confirm_import(&signed.ctx, &form.token, form.keep_good == "yes").await {
        Ok(report) if report.written == 0 && report.unchanged > 0 => done(&signed.web, "/stroke", "import-unchanged"),
        Ok(report) if report.written == 0 => render_invalid(&template(&signed, Some(report), String::new(), FormErrors::default())),
        Ok(_) => done(&signed.web, "/stroke", "imported"),
        Err(error) => signed.fail(&error),
    }
}

#[derive(Template)]
#[template(path = "stroke/export.html")]
struct ExportPage {
    page: Page,
}

pub async fn export_page(signed: Signed) -> Response {
    render(&ExportPage { page: signed.page("Export assessments") })
}

pub async fn export(Posted { signed, .. }: Posted<Nothing>) -> Response {
    match signed.web.app.export_stroke(&signed.ctx, &|_, _| {}).await {
        Ok(csv) => csv_file(csv),
        Err(error) => fail_or_confirm(&signed, &error, "/stroke/export"),
    }
}

/// The assessments as a download.
pub(crate) fn csv_file(csv: Vec<u8>) -> Response {
    attachment("text/csv; charset=utf-8", "stroke-assessments.csv", csv)
}
