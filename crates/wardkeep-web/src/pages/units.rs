//! The hospital's units and who works there.

use askama::Template;
use axum::response::Response;
use serde::Deserialize;
use wardkeep_app::accounts::UnitView;
use wardkeep_app::{Error, Result};
use wardkeep_domain::{AccountId, FieldErrors};

use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};

struct Member {
    id: String,
    name: String,
    role: &'static str,
}

struct UnitLine {
    name: String,
    members: Vec<Member>,
    /// Id of the address field; `email` where the error summary leads.
    field: String,
    failed: bool,
    email: String,
}

impl UnitLine {
    fn new(number: usize, view: UnitView, tried: Option<&MemberForm>) -> Self {
        let member = |account: wardkeep_domain::account::Account| Member {
            id: account.id.to_string(),
            name: account.display_name.clone(),
            role: account.role.label(),
        };
        let tried = tried.filter(|tried| tried.unit == view.unit.as_str());
        Self {
            name: view.unit.to_string(),
            members: view.members.into_iter().map(member).collect(),
            field: if tried.is_some() { "email".to_owned() } else { format!("email-{number}") },
            failed: tried.is_some(),
            email: tried.map(|tried| tried.email.clone()).unwrap_or_default(),
        }
    }
}

#[derive(Template)]
#[template(path = "units/units.html")]
struct UnitsPage {
    page: Page,
    errors: FormErrors,
    units: Vec<UnitLine>,
    /// The new unit's name as typed.
    typed: String,
}

/// A new unit.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct UnitForm {
    unit: String,
}

/// Somebody who joins.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct MemberForm {
    unit: String,
    email: String,
}

/// Somebody who leaves.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct LeaveForm {
    unit: String,
    account: String,
}

async fn template(signed: &Signed, typed: String, tried: Option<&MemberForm>, errors: FormErrors) -> Result<UnitsPage> {
    let units = signed.web.app.unit_list(&signed.ctx).await?;
    let page = signed.page("Units");
    let units = units.into_iter().enumerate().map(|(number, view)| UnitLine::new(number, view, tried)).collect();
    Ok(UnitsPage { page: if errors.is_empty() { page } else { page.failed() }, errors, units, typed })
}

async fn answered(signed: &Signed, result: Result<()>, typed: String, tried: Option<&MemberForm>) -> Response {
    let errors: FieldErrors = match result {
        Ok(()) => return done(&signed.web, "/units", "units-changed"),
        Err(Error::Invalid(errors)) => errors,
        Err(error) => return signed.fail(&error),
    };
    match template(signed, typed, tried, errors.into()).await {
        Ok(page) => render_invalid(&page),
        Err(error) => signed.fail(&error),
    }
}

pub async fn page(signed: Signed) -> Response {
    match template(&signed, String::new(), None, FormErrors::default()).await {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}

pub async fn add(Posted { signed, form }: Posted<UnitForm>) -> Response {
    let added = signed.web.app.add_unit(&signed.ctx, &form.unit).await;
    answered(&signed, added, form.unit, None).await
}

pub async fn join(Posted { signed, form }: Posted<MemberForm>) -> Response {
    let joined = signed.web.app.join_unit(&signed.ctx, &form.unit, &form.email).await;
    answered(&signed, joined, String::new(), Some(&form)).await
}

pub async fn leave(Posted { signed, form }: Posted<LeaveForm>) -> Response {
    let left = match AccountId::parse(&form.account) {
        Some(account) => signed.web.app.leave_unit(&signed.ctx, &form.unit, account).await,
        None => Err(Error::NotFound),
    };
    answered(&signed, left, String::new(), None).await
}
