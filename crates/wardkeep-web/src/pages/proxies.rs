//! Proxies: granted and ended on the patient's account page; used from a page of one's own.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use serde::Deserialize;
use wardkeep_app::accounts::ProxyView;
use wardkeep_app::{Error, Result};
use wardkeep_domain::AccountId;
use wardkeep_domain::account::proxy::ProxyForm;

use crate::extract::{Posted, Signed};
use crate::page::{Page, done, render};
use crate::pages::chart::{born, patient_id};
use crate::pages::patients::{Nothing, account_with_proxy};

/// One grant on the patient's page.
pub(crate) struct ProxyLine {
    pub account: String,
    pub name: String,
    pub email: String,
    pub days: String,
    pub live: bool,
}

impl ProxyLine {
    pub(crate) fn new(signed: &Signed, view: &ProxyView) -> Self {
        let proxy = &view.proxy;
        let last = proxy.until.map_or_else(|| "until ended".to_owned(), |until| format!("to {}", until.staff()));
        Self {
            account: view.account.to_string(),
            name: view.name.clone(),
            email: view.email.clone(),
            days: format!("From {} {last}", proxy.from.staff()),
            live: proxy.is_live(signed.ctx.visit().today()),
        }
    }
}

/// The grant as posted.
#[derive(Deserialize, Default, Clone)]
#[serde(default, deny_unknown_fields)]
pub struct GrantForm {
    pub proxy_email: String,
    pub from_day: String,
    pub from_month: String,
    pub from_year: String,
    pub until_day: String,
    pub until_month: String,
    pub until_year: String,
}

impl GrantForm {
    fn form(&self) -> ProxyForm {
        ProxyForm {
            email: self.proxy_email.clone(),
            from: [self.from_day.clone(), self.from_month.clone(), self.from_year.clone()],
            until: [self.until_day.clone(), self.until_month.clone(), self.until_year.clone()],
        }
    }
}

pub async fn grant(Path(patient): Path<String>, Posted { signed, form }: Posted<GrantForm>) -> Response {
    let granted = match patient_id(&patient) {
        Ok(id) => signed.web.app.grant_proxy(&signed.ctx, id, &form.form()).await,
        Err(error) => Err(error),
    };
    match granted {
        Ok(()) => done(&signed.web, &format!("/patients/{patient}/account"), "proxy-granted"),
        Err(Error::Invalid(mut errors)) => {
            // The page has another field of this name.
            errors.0.iter_mut().filter(|error| error.field == "email").for_each(|error| error.field = "proxy_email");
            match account_with_proxy(&signed, &patient, form, errors.into()).await {
                Ok(response) => response,
                Err(error) => signed.fail(&error),
            }
        }
        Err(error) => signed.fail(&error),
    }
}

pub async fn end(Path((patient, account)): Path<(String, String)>, Posted { signed, .. }: Posted<Nothing>) -> Response {
    let ended = match (patient_id(&patient), AccountId::parse(&account)) {
        (Ok(patient), Some(account)) => signed.web.app.end_proxy(&signed.ctx, patient, account).await,
        _ => Err(Error::NotFound),
    };
    match ended {
        Ok(()) => done(&signed.web, &format!("/patients/{patient}/account"), "proxy-ended"),
        Err(error) => signed.fail(&error),
    }
}

/// Somebody whose record this account reads.
struct Other {
    href: String,
    name: String,
    born: String,
}

#[derive(Template)]
#[template(path = "my/others.html")]
struct OthersPage {
    page: Page,
    others: Vec<Other>,
}

async fn others_page(signed: &Signed) -> Result<OthersPage> {
    let found = signed.web.app.acted_for(&signed.ctx).await?;
    let today = signed.ctx.visit().today();
    let other = |view: &wardkeep_app::patients::PatientView| Other {
        href: format!("/patients/{}", view.patient.id),
        name: view.patient.banner_name(),
        born: born(&view.patient.born, today, true),
    };
    Ok(OthersPage { page: signed.page("People you act for"), others: found.iter().map(other).collect() })
}

pub async fn others(signed: Signed) -> Response {
    match others_page(&signed).await {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}
