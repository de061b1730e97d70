//! A patient enters the activation code that the hospital handed over.

use askama::Template;
use axum::response::Response;
use serde::Deserialize;
use wardkeep_app::Error;

use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};

#[derive(Template)]
#[template(path = "my/activate.html")]
struct ActivatePage {
    page: Page,
    errors: FormErrors,
    code: String,
    linked: bool,
}

fn template(signed: &Signed, code: String, errors: FormErrors) -> ActivatePage {
    let page = signed.page("Enter your activation code");
    let page = if errors.is_empty() { page } else { page.failed() };
    ActivatePage { page, errors, code, linked: signed.ctx.own_patient().is_some() }
}

pub async fn page(signed: Signed) -> Response {
    render(&template(&signed, String::new(), FormErrors::default()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeForm {
    code: String,
}

pub async fn activate(Posted { signed, form }: Posted<CodeForm>) -> Response {
    match signed.web.app.activate(&signed.ctx, &form.code).await {
        Ok(()) => done(&signed.web, "/my/access", "activated"),
        Err(Error::Invalid(errors)) => render_invalid(&template(&signed, form.code, errors.into())),
        Err(error) => signed.fail(&error),
    }
}
