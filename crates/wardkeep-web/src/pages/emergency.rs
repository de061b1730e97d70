//! Emergency access: the page that asks for the reason, and the end.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use serde::Deserialize;
use wardkeep_app::{Ctx, Error, Result};
use wardkeep_domain::emergency::{EmergencyForm, Why};
use wardkeep_domain::{EmergencyId, FieldError, FieldErrors, PatientId};

use crate::cookies;
use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::pages::chart::patient_id;
use crate::pages::patients::{Nothing, Row};
use crate::pages::sign_in::{problem, with_cookie};

/// What is posted.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct TakeForm {
    why: String,
    sentence: String,
    code: String,
}

impl TakeForm {
    fn reason(&self) -> EmergencyForm {
        EmergencyForm { why: self.why.clone(), sentence: self.sentence.clone() }
    }
}

#[derive(Template)]
#[template(path = "emergency/take.html")]
struct TakePage {
    page: Page,
    errors: FormErrors,
    row: Row,
    reasons: Vec<(&'static str, &'static str)>,
    why: String,
    sentence: String,
    /// No code is asked for: one was entered a moment ago.
    fresh: bool,
}

async fn template(signed: &Signed, patient: PatientId, form: &TakeForm, errors: FormErrors) -> Result<TakePage> {
    let row = signed.web.app.emergency_about(&signed.ctx, patient).await?;
    let page = signed.page("Emergency access");
    Ok(TakePage {
        page: if errors.is_empty() { page } else { page.failed() },
        errors,
        row: Row::new(signed, &row),
        reasons: Why::ALL.iter().map(|why| (why.code(), why.label())).collect(),
        why: form.why.clone(),
        sentence: form.sentence.clone(),
        fresh: signed.ctx.is_fresh(),
    })
}

pub async fn page(signed: Signed, Path(patient): Path<String>) -> Response {
    let shown = match patient_id(&patient) {
        Ok(id) => template(&signed, id, &TakeForm::default(), FormErrors::default()).await,
        Err(error) => Err(error),
    };
    shown.map_or_else(|error| signed.fail(&error), |page| render(&page))
}

pub async fn take(Path(patient): Path<String>, Posted { signed, form }: Posted<TakeForm>) -> Response {
    let id = match patient_id(&patient) {
        Ok(id) => id,
        Err(error) => return signed.fail(&error),
    };
    let (taken, token) = try_take(&signed, id, &form).await;
    let response = match taken {
        Ok(()) => done(&signed.web, &format!("/patients/{patient}"), "emergency-opened"),
        Err(Error::Invalid(errors)) => match template(&signed, id, &form, errors.into()).await {
            Ok(page) => render_invalid(&page),
            Err(error) => signed.fail(&error),
        },
        Err(error) => signed.fail(&error),
    };
    // A code gave the session a new token, whatever came of the rest.
    with_cookie(response, token.and_then(|token| cookies::set(&signed.web.settings, cookies::SESSION, &token)))
}

/// The reason is looked at before the code, which counts once.
async fn try_take(signed: &Signed, patient: PatientId, form: &TakeForm) -> (Result<()>, Option<String>) {
    let app = &signed.web.app;
    if signed.ctx.is_fresh() {
        return (app.take_emergency(&signed.ctx, patient, &form.reason()).await.map(|_| ()), None);
    }
    if let Err(error) = app.emergency_about(&signed.ctx, patient).await {
        return (Err(error), None);
    }
    let missing = form.code.trim().is_empty().then(|| FieldError::new("code", "Enter the code that your app shows now."));
    let errors = form.reason().parse().err().unwrap_or_default().0.into_iter().chain(missing).collect::<Vec<_>>();
    if !errors.is_empty() {
        return (Err(FieldErrors(errors).into()), None);
    }
    match app.step_up(&signed.ctx, form.code.trim()).await {
        Ok(token) => (with_token(signed, patient, form, &token).await, Some(token)),
        Err(error @ (Error::WrongCredentials | Error::Throttled { .. })) => {
            (Err(FieldErrors(vec![FieldError::new("code", problem(&error))]).into()), None)
        }
        Err(error) => (Err(error), None),
    }
}

async fn with_token(signed: &Signed, patient: PatientId, form: &TakeForm, token: &str) -> Result<()> {
    let ctx: Ctx = signed.web.app.authenticate(signed.ctx.visit().clone(), token).await?;
    signed.web.app.take_emergency(&ctx, patient, &form.reason()).await.map(|_| ())
}

pub async fn end(Path(emergency): Path<String>, Posted { signed, .. }: Posted<Nothing>) -> Response {
    let ended = match EmergencyId::parse(&emergency) {
        Some(id) => signed.web.app.end_emergency(&signed.ctx, id).await,
        None => Err(Error::NotFound),
    };
    match ended {
        Ok(()) => done(&signed.web, "/", "emergency-ended"),
        Err(error) => signed.fail(&error),
    }
}
