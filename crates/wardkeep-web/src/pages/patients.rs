//! Finding patients, registering and correcting them, and linking their accounts.
//!
//! Searches hold identifiers, so they are posted: no name or number ever stands in a URL.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use wardkeep_app::patients::{Created, PatientRow, PatientView, Search};
use wardkeep_app::{Error, Result};
use wardkeep_domain::account::Role;
use wardkeep_domain::patient::{Allergies, Born, PatientForm, Sex};
use wardkeep_domain::{FieldError, FieldErrors};

use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::pages::chart::{Frame, born, patient_id};
use crate::pages::proxies::{GrantForm, ProxyLine};

/// One line of a patient list.
pub(crate) struct Row {
    pub id: String,
    pub name: String,
    pub born: String,
    pub sex: &'static str,
    pub mrn: String,
    pub allergic: bool,
    pub in_care: bool,
    /// The reader may open more than this line.
    pub opens: bool,
    /// The reader may ask for emergency access.
    pub emergency: bool,
}

impl Row {
    pub(crate) fn new(signed: &Signed, row: &PatientRow) -> Self {
        let patient = &row.patient;
        Self {
            id: row.id.to_string(),
            name: patient.banner_name(),
            born: born(&patient.born, signed.ctx.visit().today(), false),
            sex: patient.sex.label(),
            mrn: patient.mrn.display(),
            allergic: matches!(patient.allergies, Allergies::Known(_)),
            in_care: row.in_care,
            opens: row.in_care || signed.ctx.emergency(row.id).is_some() || signed.ctx.role() == Some(Role::Registrar),
            emergency: matches!(signed.ctx.role(), Some(Role::Doctor | Role::Nurse)),
        }
    }
}

fn creates(signed: &Signed) -> bool {
    matches!(signed.ctx.role(), Some(Role::Doctor | Role::Registrar))
}

/// The search form as typed.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct SearchForm {
    mrn: String,
    name: String,
    birth_day: String,
    birth_month: String,
    birth_year: String,
    after: String,
}

#[derive(Template)]
#[template(path = "patients/search.html")]
struct SearchPage {
    page: Page,
    errors: FormErrors,
    form: SearchForm,
    creates: bool,
    rows: Option<Vec<Row>>,
    next: Option<u64>,
    as_of: String,
}

fn search_template(signed: &Signed, form: SearchForm, errors: FormErrors) -> SearchPage {
    let page = signed.page("Patients");
    SearchPage {
        page: if errors.is_empty() { page } else { page.failed() },
        errors,
        form,
        creates: creates(signed),
        rows: None,
        next: None,
        as_of: signed.ctx.now().staff(),
    }
}

pub async fn search_page(signed: Signed) -> Response {
    render(&search_template(&signed, SearchForm::default(), FormErrors::default()))
}

pub async fn search(Posted { signed, form }: Posted<SearchForm>) -> Response {
    let search = Search {
        mrn: form.mrn.clone(),
        name: form.name.clone(),
        birth_day: form.birth_day.clone(),
        birth_month: form.birth_month.clone(),
        birth_year: form.birth_year.clone(),
    };
    match signed.web.app.search_patients(&signed.ctx, &search, form.after.parse().ok()).await {
        Ok(found) => {
            let rows = found.items.iter().map(|row| Row::new(&signed, row)).collect();
            render(&SearchPage { rows: Some(rows), next: found.next, ..search_template(&signed, form, FormErrors::default()) })
        }
        Err(Error::Invalid(errors)) => render_invalid(&search_template(&signed, form, errors.into())),
        Err(error) => signed.fail(&error),
    }
}

/// What registration and correction post: the patient's form and a few fields of the page.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct DetailsForm {
    mrn: String,
    family_name: String,
    given_name: String,
    title: String,
    birth_day: String,
    birth_month: String,
    birth_year: String,
    sex: String,
    address: String,
    phone: String,
    email: String,
    next_of_kin: String,
    allergies: String,
    allergy_text: String,
    confirm: String,
    version: String,
}

impl DetailsForm {
    fn patient(&self) -> PatientForm {
        let text = |field: &str| field.to_owned();
        PatientForm {
            mrn: text(&self.mrn),
            family_name: text(&self.family_name),
            given_name: text(&self.given_name),
            title: text(&self.title),
            birth_day: text(&self.birth_day),
            birth_month: text(&self.birth_month),
            birth_year: text(&self.birth_year),
            sex: text(&self.sex),
            address: text(&self.address),
            phone: text(&self.phone),
            email: text(&self.email),
            next_of_kin: text(&self.next_of_kin),
            allergies: text(&self.allergies),
            allergy_text: text(&self.allergy_text),
        }
    }
}

/// The form filled with what is registered.
fn filled(view: &PatientView) -> PatientForm {
    let patient = &view.patient;
    let name = patient.name.as_ref();
    let date = match patient.born {
        Born::On(date) => date.iso(),
        Born::AgedYears { .. } | Born::NotKnown => String::new(),
    };
    let part = |from: usize, to: usize| date.get(from..to).unwrap_or_default().to_owned();
    PatientForm {
        mrn: patient.mrn.as_str().to_owned(),
        family_name: name.map_or_else(String::new, |n| n.family().to_owned()),
        given_name: name.map_or_else(String::new, |n| n.given().to_owned()),
        title: name.and_then(|n| n.title()).unwrap_or_default().to_owned(),
        birth_day: part(8, 10),
        birth_month: part(5, 7),
        birth_year: part(0, 4),
        sex: patient.sex.code().to_owned(),
        address: patient.contacts.address.clone(),
        phone: patient.contacts.phone.clone(),
        email: patient.contacts.email.clone(),
        next_of_kin: patient.contacts.next_of_kin.clone(),
        allergies: patient.allergies.code().to_owned(),
        allergy_text: if let Allergies::Known(what) = &patient.allergies { what.clone() } else { String::new() },
    }
}

#[derive(Template)]
#[template(path = "patients/form.html")]
struct FormPage {
    page: Page,
    errors: FormErrors,
    heading: &'static str,
    verb: &'static str,
    action: String,
    back: String,
    back_label: &'static str,
    version: String,
    form: PatientForm,
    duplicates: Vec<Row>,
    sexes: Vec<(&'static str, &'static str)>,
    allergy_states: [(&'static str, &'static str); 4],
}

fn form_template(signed: &Signed, form: PatientForm, errors: FormErrors) -> FormPage {
    let page = signed.page("New patient");
    FormPage {
        page: if errors.is_empty() { page } else { page.failed() },
        errors,
        heading: "New patient",
        verb: "Register the patient",
        action: "/patients/new".to_owned(),
        back: "/patients".to_owned(),
        back_label: "Patients",
        version: String::new(),
        form,
        duplicates: Vec::new(),
        sexes: Sex::ALL.iter().map(|sex| (sex.code(), sex.label())).collect(),
        allergy_states: [
            ("known", "Known allergies"),
            ("none_known", "No known allergies"),
            ("not_recorded", "Not recorded"),
            ("unable_to_ask", "Unable to ask"),
        ],
    }
}

pub async fn new_page(signed: Signed) -> Response {
    render(&form_template(&signed, PatientForm::default(), FormErrors::default()))
}

pub async fn create(Posted { signed, form }: Posted<DetailsForm>) -> Response {
    let patient = form.patient();
    match signed.web.app.create_patient(&signed.ctx, &patient, form.confirm == "yes").await {
        Ok(Created::Done(id)) => done(&signed.web, &format!("/patients/{id}"), "patient-created"),
        Ok(Created::Duplicates(rows)) => {
            let duplicates = rows.iter().map(|row| Row::new(&signed, row)).collect();
            let mut response = render(&FormPage { duplicates, ..form_template(&signed, patient, FormErrors::default()) });
            *response.status_mut() = StatusCode::CONFLICT;
            response
        }
        Err(Error::Invalid(errors)) => render_invalid(&form_template(&signed, patient, errors.into())),
        Err(error) => signed.fail(&error),
    }
}

async fn read(signed: &Signed, patient: &str) -> Result<PatientView> {
    signed.web.app.demographics(&signed.ctx, patient_id(patient)?).await
}

#[derive(Template)]
#[template(path = "patients/details.html")]
struct DetailsPage {
    page: Page,
    frame: Frame,
    erases: bool,
}

pub async fn details(signed: Signed, Path(patient): Path<String>) -> Response {
    match read(&signed, &patient).await {
        Ok(view) => {
            let erases = signed.ctx.role() == Some(Role::Registrar);
            let tab = if erases { "" } else { "details" };
            render(&DetailsPage { page: signed.page("Details"), frame: Frame::new(&signed, &view, tab), erases })
        }
        Err(error) => signed.fail(&error),
    }
}

fn edit_template(signed: &Signed, patient: &str, version: String, form: PatientForm, errors: FormErrors) -> FormPage {
    let page = form_template(signed, form, errors);
    let back = format!("/patients/{patient}/details");
    FormPage {
        heading: "Correct details",
        verb: "Save",
        action: format!("/patients/{patient}/edit"),
        back,
        back_label: "Details",
        version,
        ..page
    }
}

pub async fn edit_page(signed: Signed, Path(patient): Path<String>) -> Response {
    match read(&signed, &patient).await {
        Ok(view) => render(&edit_template(&signed, &patient, view.version.to_string(), filled(&view), FormErrors::default())),
        Err(error) => signed.fail(&error),
    }
}

pub async fn edit(Path(patient): Path<String>, Posted { signed, form }: Posted<DetailsForm>) -> Response {
    let amended = match (patient_id(&patient), form.version.parse()) {
        (Ok(id), Ok(version)) => signed.web.app.amend_patient(&signed.ctx, id, version, &form.patient()).await,
        _ => Err(Error::NotFound),
    };
    match amended {
        Ok(()) => done(&signed.web, &format!("/patients/{patient}/details"), "patient-amended"),
        Err(Error::Invalid(errors)) => {
            render_invalid(&edit_template(&signed, &patient, form.version.clone(), form.patient(), errors.into()))
        }
        Err(Error::Conflict { current }) => {
            let words = "Somebody else corrected these details first. Your entries are kept below: compare them with the details page, then save again.";
            let errors = FieldErrors(vec![FieldError::new("mrn", words)]);
            let mut response = render_invalid(&edit_template(&signed, &patient, current.to_string(), form.patient(), errors.into()));
            *response.status_mut() = StatusCode::CONFLICT;
            response
        }
        Err(error) => signed.fail(&error),
    }
}

/// One e-mail address.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct EmailForm {
    pub email: String,
}

/// A form that is only a button.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Nothing {}

#[derive(Template)]
#[template(path = "patients/account.html")]
struct AccountPage {
    page: Page,
    frame: Frame,
    errors: FormErrors,
    email: String,
    code: String,
    proxies: Vec<ProxyLine>,
    grant: GrantForm,
}

async fn account_template(signed: &Signed, patient: &str, email: String, code: String, errors: FormErrors) -> Result<AccountPage> {
    let view = read(signed, patient).await?;
    let page = signed.page("Patient's account");
    let page = if errors.is_empty() { page } else { page.failed() };
    let proxies = signed.web.app.proxies_of(&signed.ctx, patient_id(patient)?).await?;
    let proxies = proxies.iter().map(|view| ProxyLine::new(signed, view)).collect();
    let grant = GrantForm::default();
    Ok(AccountPage { page, frame: Frame::new(signed, &view, "account"), errors, email, code, proxies, grant })
}

/// The page with a grant that came back.
pub(crate) async fn account_with_proxy(signed: &Signed, patient: &str, grant: GrantForm, errors: FormErrors) -> Result<Response> {
    let page = account_template(signed, patient, String::new(), String::new(), errors).await?;
    Ok(render_invalid(&AccountPage { grant, ..page }))
}

pub async fn account_page(signed: Signed, Path(patient): Path<String>) -> Response {
    match account_template(&signed, &patient, String::new(), String::new(), FormErrors::default()).await {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}

pub async fn link_account(Path(patient): Path<String>, Posted { signed, form }: Posted<EmailForm>) -> Response {
    let linked = match patient_id(&patient) {
        Ok(id) => signed.web.app.link_account(&signed.ctx, &form.email, id).await,
        Err(error) => Err(error),
    };
    let errors = match linked {
        Ok(()) => return done(&signed.web, &format!("/patients/{patient}/account"), "linked"),
        Err(Error::Invalid(errors)) => errors,
        Err(Error::NotFound) => {
            FieldErrors(vec![FieldError::new("email", "There is no patient account with this address. Check the spelling.")])
        }
        Err(Error::Refused(words)) => FieldErrors(vec![FieldError::new("email", words)]),
        Err(error) => return signed.fail(&error),
    };
    match account_template(&signed, &patient, form.email, String::new(), errors.into()).await {
        Ok(page) => render_invalid(&page),
        Err(error) => signed.fail(&error),
    }
}

pub async fn issue_activation(Path(patient): Path<String>, Posted { signed, .. }: Posted<Nothing>) -> Response {
    let issued = match patient_id(&patient) {
        Ok(id) => signed.web.app.issue_activation(&signed.ctx, id).await,
        Err(error) => Err(error),
    };
    let page = match issued {
        Ok(code) => account_template(&signed, &patient, String::new(), code, FormErrors::default()).await,
        Err(error) => Err(error),
    };
    match page {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}
