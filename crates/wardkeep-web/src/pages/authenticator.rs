//! An authenticator app beside or instead of passkeys: set up with its first code, and removed.

use askama::Template;
use axum::response::Response;
use serde::Deserialize;
use wardkeep_app::Error;
use wardkeep_app::accounts::NewApp;

use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::pages::patients::Nothing;
use crate::pages::security::{fail_or_confirm, refused_change};
use crate::pages::sign_in::{Qr, qr};

#[derive(Template)]
#[template(path = "security/authenticator.html")]
struct AppPage {
    page: Page,
    errors: FormErrors,
    ticket: String,
    key: String,
    qr: Qr,
}

fn template(signed: &Signed, new: NewApp, errors: FormErrors) -> Result<AppPage, Error> {
    let qr = qr(&new.enrolment.uri).ok_or_else(|| Error::Internal("the QR code does not fit".to_owned()))?;
    let page = signed.page("Set up an authenticator app");
    let page = if errors.is_empty() { page } else { page.failed() };
    Ok(AppPage { page, errors, ticket: new.ticket, key: new.enrolment.key, qr })
}

pub async fn page(signed: Signed) -> Response {
    match signed.web.app.ask_new_app(&signed.ctx).await.and_then(|new| template(&signed, new, FormErrors::default())) {
        Ok(page) => render(&page),
        Err(error) => fail_or_confirm(&signed, &error, "/security/authenticator"),
    }
}

/// The first code. It has no `Debug`: it must not get into a log.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeForm {
    ticket: String,
    code: String,
}

pub async fn add(Posted { signed, form }: Posted<CodeForm>) -> Response {
    let error = match signed.web.app.add_app(&signed.ctx, &form.ticket, form.code.trim()).await {
        Ok(()) => return done(&signed.web, "/security", "app-added"),
        Err(error) => error,
    };
    let Error::Invalid(errors) = error else { return fail_or_confirm(&signed, &error, "/security/authenticator") };
    match signed.web.app.same_new_app(&signed.ctx, &form.ticket).await.and_then(|new| template(&signed, new, errors.into())) {
        Ok(page) => render_invalid(&page),
        Err(error) => fail_or_confirm(&signed, &error, "/security/authenticator"),
    }
}

pub async fn remove(Posted { signed, .. }: Posted<Nothing>) -> Response {
    match signed.web.app.remove_app(&signed.ctx).await {
        Ok(()) => done(&signed.web, "/security", "app-removed"),
        Err(error) => refused_change(&signed, &error, "app", String::new()).await,
    }
}
