//! Legal holds: whose record is not erased, for the privacy officer.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;
use wardkeep_app::{Error, Result};

use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::pages::chart::patient_id;
use crate::pages::security::fail_or_confirm;

const HERE: &str = "/reviews/holds";

/// One hold.
struct Line {
    patient_id: String,
    patient: String,
    placed: String,
}

#[derive(Template)]
#[template(path = "reviews/holds.html")]
struct HoldsPage {
    page: Page,
    errors: FormErrors,
    lines: Vec<Line>,
    next: Option<u64>,
    mrn: String,
    reason: String,
}

/// A hold as posted.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct HoldForm {
    mrn: String,
    reason: String,
}

/// One to lift.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct LiftForm {
    patient: String,
}

#[derive(Deserialize, Default)]
pub struct After {
    after: Option<u64>,
}

async fn template(signed: &Signed, after: Option<u64>, form: HoldForm, errors: FormErrors) -> Result<HoldsPage> {
    let found = signed.web.app.holds(&signed.ctx, after).await?;
    let line = |row: &wardkeep_app::holds::HoldRow| Line {
        patient_id: row.hold.patient.to_string(),
        patient: row.patient.clone(),
        placed: format!("{}, {}", row.placed_by, row.hold.placed_at.staff()),
    };
    let page = signed.page("Legal holds");
    Ok(HoldsPage {
        page: if errors.is_empty() { page } else { page.failed() },
        errors,
        lines: found.items.iter().map(line).collect(),
        next: found.next,
        mrn: form.mrn,
        reason: form.reason,
    })
}

pub async fn page(signed: Signed, Query(query): Query<After>) -> Response {
    match template(&signed, query.after, HoldForm::default(), FormErrors::default()).await {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}

pub async fn place(Posted { signed, form }: Posted<HoldForm>) -> Response {
    match signed.web.app.place_hold(&signed.ctx, &form.mrn, &form.reason).await {
        Ok(()) => done(&signed.web, HERE, "hold-placed"),
        Err(Error::Invalid(errors)) => match template(&signed, None, form, errors.into()).await {
            Ok(page) => render_invalid(&page),
            Err(error) => signed.fail(&error),
        },
        Err(error) => fail_or_confirm(&signed, &error, HERE),
    }
}

pub async fn lift(Posted { signed, form }: Posted<LiftForm>) -> Response {
    let lifted = match patient_id(&form.patient) {
        Ok(patient) => signed.web.app.lift_hold(&signed.ctx, patient).await,
        Err(error) => Err(error),
    };
    match lifted {
        Ok(()) => done(&signed.web, HERE, "hold-lifted"),
        Err(error) => fail_or_confirm(&signed, &error, HERE),
    }
}
