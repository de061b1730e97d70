//! Service accounts: listed, made, rotated, revoked. A secret is shown once, on the answer to the
//! form that made it, and nowhere else.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use serde::Deserialize;
use wardkeep_app::services::{NewSecret, ServiceView};
use wardkeep_app::{Error, Result};
use wardkeep_domain::ServiceId;
use wardkeep_domain::service::{Scope, ServiceRefusal};

use crate::csrf::TOKEN_PATH;
use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::pages::patients::Nothing;
use crate::pages::requests::scope_words;
use crate::pages::security::fail_or_confirm;

/// A service account as listed.
struct Row {
    id: String,
    name: String,
    purpose: String,
    scopes: String,
    made: String,
    state: &'static str,
    expires: String,
    last: String,
    active: bool,
    signs: bool,
    revokes: bool,
}

impl Row {
    fn new(view: &ServiceView) -> Self {
        let service = &view.service;
        Self {
            id: service.id.to_string(),
            name: service.name.clone(),
            purpose: service.purpose.clone(),
            scopes: scope_words(service.scopes),
            made: format!("{}, {}", service.created_at.staff(), view.created_by),
            state: match view.over {
                None => "Active",
                Some(ServiceRefusal::Revoked) => "Revoked",
                Some(ServiceRefusal::Expired) => "Expired",
            },
            expires: service.expires_at.staff(),
            last: view.last_used.map_or_else(|| "Never".to_owned(), |at| at.staff()),
            active: view.over.is_none(),
            signs: service.key().is_some(),
            revokes: view.over != Some(ServiceRefusal::Revoked),
        }
    }
}

#[derive(Template)]
#[template(path = "services/list.html")]
struct ListPage {
    page: Page,
    rows: Vec<Row>,
    as_of: String,
}

pub async fn list(signed: Signed) -> Response {
    match signed.web.app.services(&signed.ctx).await {
        Ok(found) => render(&ListPage {
            page: signed.page("Service accounts"),
            rows: found.iter().map(Row::new).collect(),
            as_of: signed.ctx.now().staff(),
        }),
        Err(error) => signed.fail(&error),
    }
}

/// The form of a new service account as typed; each scope is a box of its own.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct NewForm {
    name: String,
    purpose: String,
    days: String,
    key: String,
    #[serde(rename = "stroke.read")]
    stroke_read: String,
    #[serde(rename = "stroke.import")]
    stroke_import: String,
    #[serde(rename = "log.read")]
    log_read: String,
    #[serde(rename = "health.read")]
    health_read: String,
}

impl NewForm {
    fn ticked(&self, scope: Scope) -> bool {
        let field = match scope {
            Scope::StrokeRead => &self.stroke_read,
            Scope::StrokeImport => &self.stroke_import,
            Scope::LogRead => &self.log_read,
            Scope::HealthRead => &self.health_read,
        };
        field == "yes"
    }
    fn scopes(&self) -> Vec<String> {
        Scope::ALL.into_iter().filter(|scope| self.ticked(*scope)).map(|scope| scope.code().to_owned()).collect()
    }
}

/// A scope to choose.
struct Choice {
    code: &'static str,
    label: &'static str,
    ticked: bool,
}

#[derive(Template)]
#[template(path = "services/new.html")]
struct NewPage {
    page: Page,
    errors: FormErrors,
    form: NewForm,
    choices: Vec<Choice>,
}

fn template(signed: &Signed, form: NewForm, errors: FormErrors) -> NewPage {
    let page = signed.page("New service account");
    let choice = |scope: Scope| Choice { code: scope.code(), label: scope.label(), ticked: form.ticked(scope) };
    let choices = Scope::ALL.into_iter().map(choice).collect();
    NewPage { page: if errors.is_empty() { page } else { page.failed() }, errors, form, choices }
}

pub async fn new_page(signed: Signed) -> Response {
    render(&template(&signed, NewForm::default(), FormErrors::default()))
}

#[derive(Template)]
#[template(path = "services/secret.html")]
struct SecretPage<'a> {
    page: Page,
    made: &'a NewSecret,
    token_url: String,
}

/// The secret, shown this once.
pub(crate) fn made(signed: &Signed, made: &NewSecret) -> Response {
    let token_url = format!("{}{TOKEN_PATH}", signed.web.settings.origin);
    render(&SecretPage {
        page: signed.page(if made.secret.is_empty() { "A new service account" } else { "Secret of a service account" }),
        made,
        token_url,
    })
}

pub async fn make(Posted { signed, form }: Posted<NewForm>) -> Response {
    match signed.web.app.make_service(&signed.ctx, &form.name, &form.purpose, &form.scopes(), &form.days, &form.key).await {
        Ok(secret) => made(&signed, &secret),
        Err(Error::Invalid(errors)) => render_invalid(&template(&signed, form, errors.into())),
        Err(error) => fail_or_confirm(&signed, &error, "/services/new"),
    }
}

fn service_id(text: &str) -> Result<ServiceId> {
    ServiceId::parse(text).ok_or(Error::NotFound)
}

pub async fn rotate(Path(service): Path<String>, Posted { signed, .. }: Posted<Nothing>) -> Response {
    let rotated = match service_id(&service) {
        Ok(id) => signed.web.app.rotate_service(&signed.ctx, id).await,
        Err(error) => Err(error),
    };
    match rotated {
        Ok(secret) => made(&signed, &secret),
        Err(error) => fail_or_confirm(&signed, &error, "/services"),
    }
}

pub async fn revoke(Path(service): Path<String>, Posted { signed, .. }: Posted<Nothing>) -> Response {
    let revoked = match service_id(&service) {
        Ok(id) => signed.web.app.revoke_service(&signed.ctx, id).await,
        Err(error) => Err(error),
    };
    match revoked {
        Ok(()) => done(&signed.web, "/services", "service-revoked"),
        Err(error) => fail_or_confirm(&signed, &error, "/services"),
    }
}
