//! Who may read records that are marked as sensitive.

use askama::Template;
use axum::response::Response;
use serde::Deserialize;
use wardkeep_app::{Error, Result};
use wardkeep_domain::AccountId;
use wardkeep_domain::record::Mark;

use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::pages::security::fail_or_confirm;

const HERE: &str = "/reviews/clearances";

/// One permission.
struct Line {
    account: String,
    name: String,
    role: &'static str,
    mark: &'static str,
    label: &'static str,
}

#[derive(Template)]
#[template(path = "reviews/clearances.html")]
struct ClearancesPage {
    page: Page,
    errors: FormErrors,
    lines: Vec<Line>,
    email: String,
    mark: String,
    marks: Vec<(&'static str, &'static str)>,
}

/// A permission as posted.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct ClearForm {
    email: String,
    mark: String,
}

/// One to take back.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct UnclearForm {
    account: String,
    mark: String,
}

async fn template(signed: &Signed, form: ClearForm, errors: FormErrors) -> Result<ClearancesPage> {
    let mut lines = Vec::new();
    for account in signed.web.app.cleared(&signed.ctx).await? {
        lines.extend(account.clearances.iter().map(|mark| Line {
            account: account.id.to_string(),
            name: account.display_name.clone(),
            role: account.role.label(),
            mark: mark.code(),
            label: mark.label(),
        }));
    }
    let page = signed.page("Marked records");
    Ok(ClearancesPage {
        page: if errors.is_empty() { page } else { page.failed() },
        errors,
        lines,
        email: form.email,
        mark: form.mark,
        marks: Mark::ALL.iter().map(|mark| (mark.code(), mark.label())).collect(),
    })
}

pub async fn page(signed: Signed) -> Response {
    match template(&signed, ClearForm::default(), FormErrors::default()).await {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}

pub async fn clear(Posted { signed, form }: Posted<ClearForm>) -> Response {
    match signed.web.app.clear_for(&signed.ctx, &form.email, &form.mark).await {
        Ok(()) => done(&signed.web, HERE, "cleared"),
        Err(Error::Invalid(errors)) => match template(&signed, form, errors.into()).await {
            Ok(page) => render_invalid(&page),
            Err(error) => signed.fail(&error),
        },
        Err(error) => fail_or_confirm(&signed, &error, HERE),
    }
}

pub async fn unclear(Posted { signed, form }: Posted<UnclearForm>) -> Response {
    let taken = match AccountId::parse(&form.account) {
        Some(account) => signed.web.app.unclear(&signed.ctx, account, &form.mark).await,
        None => Err(Error::NotFound),
    };
    match taken {
        Ok(()) => done(&signed.web, HERE, "cleared"),
        Err(error) => signed.fail(&error),
    }
}
