//! Who cares for a patient: shown, added to, removed from.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use serde::Deserialize;
use wardkeep_app::care::CareMemberView;
use wardkeep_app::{Error, Result};
use wardkeep_domain::{AccountId, FieldError, FieldErrors};

use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::pages::chart::{Frame, patient_id};
use crate::pages::patients::{EmailForm, Nothing};

#[derive(Template)]
#[template(path = "care_team/care_team.html")]
struct CareTeamPage {
    page: Page,
    frame: Frame,
    errors: FormErrors,
    members: Vec<CareMemberView>,
    email: String,
    unit: String,
    units: Vec<(String, String)>,
}

async fn template(signed: &Signed, patient: &str, email: String, errors: FormErrors) -> Result<CareTeamPage> {
    let id = patient_id(patient)?;
    let (view, members) = signed.web.app.care_members(&signed.ctx, id).await?;
    let (unit, units) = signed.web.app.patient_unit(&signed.ctx, id).await?;
    let units = units.iter().map(|unit| (unit.to_string(), unit.to_string())).collect();
    let unit = unit.map(|unit| unit.to_string()).unwrap_or_default();
    let page = signed.page("Care team");
    let page = if errors.is_empty() { page } else { page.failed() };
    Ok(CareTeamPage { page, frame: Frame::new(signed, &view, "care-team"), errors, members, email, unit, units })
}

pub async fn page(signed: Signed, Path(patient): Path<String>) -> Response {
    match template(&signed, &patient, String::new(), FormErrors::default()).await {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}

pub async fn assign(Path(patient): Path<String>, Posted { signed, form }: Posted<EmailForm>) -> Response {
    let assigned = match patient_id(&patient) {
        Ok(id) => signed.web.app.assign_care(&signed.ctx, id, &form.email).await,
        Err(error) => Err(error),
    };
    let errors = match assigned {
        Ok(()) => return done(&signed.web, &format!("/patients/{patient}/care-team"), "care-team-changed"),
        Err(Error::Invalid(errors)) => errors,
        Err(Error::Refused(words)) => FieldErrors(vec![FieldError::new("email", words)]),
        Err(error) => return signed.fail(&error),
    };
    match template(&signed, &patient, form.email, errors.into()).await {
        Ok(page) => render_invalid(&page),
        Err(error) => signed.fail(&error),
    }
}

/// Where the patient lies.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct UnitForm {
    unit: String,
}

pub async fn place(Path(patient): Path<String>, Posted { signed, form }: Posted<UnitForm>) -> Response {
    let placed = match patient_id(&patient) {
        Ok(id) => signed.web.app.place_patient(&signed.ctx, id, &form.unit).await,
        Err(error) => Err(error),
    };
    let errors = match placed {
        Ok(()) => return done(&signed.web, &format!("/patients/{patient}/care-team"), "care-team-changed"),
        Err(Error::Invalid(errors)) => errors,
        Err(error) => return signed.fail(&error),
    };
    match template(&signed, &patient, String::new(), errors.into()).await {
        Ok(page) => render_invalid(&page),
        Err(error) => signed.fail(&error),
    }
}

pub async fn remove(Path((patient, member)): Path<(String, String)>, Posted { signed, .. }: Posted<Nothing>) -> Response {
    let removed = match (patient_id(&patient), AccountId::parse(&member)) {
        (Ok(id), Some(member)) => signed.web.app.remove_care(&signed.ctx, id, member).await,
        _ => Err(Error::NotFound),
    };
    match removed {
        // Whoever leaves the team cannot open the chart any more: the list is the place to be.
        Ok(()) if AccountId::parse(&member) == Some(signed.ctx.account_id()) => done(&signed.web, "/", "care-team-changed"),
        Ok(()) => done(&signed.web, &format!("/patients/{patient}/care-team"), "care-team-changed"),
        Err(error) => signed.fail(&error),
    }
}
