//! Finding, registering and correcting patients; their care teams and accounts.
//!
//! A search holds identifiers, so it is posted: no name or number ever stands in a URL.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use wardkeep_app::Error;
use wardkeep_app::accounts::Page;
use wardkeep_app::patients::{Created, PatientRow, PatientView, Search};
use wardkeep_domain::account::Role;
use wardkeep_domain::date::{Date, Moment};
use wardkeep_domain::patient::{Allergies, Born, PatientForm};
use wardkeep_domain::{AccountId, FieldError, PatientId};

use super::answer::{Answer, Done, Made, Refused, Said};
use super::shapes::{self, NewId, badge};
use super::take::{Asked, Body, Caller, Ids, cursor};
use crate::error::{Shown, show};

/// The birth date as the form's three boxes; all empty when it is not given.
fn birth_parts(text: Option<&str>) -> Result<[String; 3], FieldError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok([const { String::new() }; 3]) };
    let iso = Date::parse_iso("birth_date", text)?.iso();
    let mut parts = iso.split('-').map(str::to_owned);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(year), Some(month), Some(day), None) if iso == text => Ok([day, month, year]),
        _ => Err(FieldError::new("birth_date", "Enter the date as year-month-day, for example 1958-03-14.")),
    }
}

/// What a search asks for; one field is enough.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientSearch {
    #[serde(default)]
    pub mrn: String,
    /// Beginnings of family or given name, in any order.
    #[serde(default)]
    pub name: String,
    #[schema(format = Date)]
    pub birth_date: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
}

/// A patient in a list.
#[derive(Serialize, ToSchema)]
pub struct PatientLine {
    #[schema(format = "uuid")]
    pub id: String,
    pub mrn: String,
    pub family_name: Option<String>,
    pub given_name: Option<String>,
    #[schema(format = Date)]
    pub birth_date: Option<String>,
    #[schema(schema_with = shapes::sexes)]
    pub sex: &'static str,
    /// The caller is on the care team.
    pub in_care: bool,
    #[schema(schema_with = shapes::badges)]
    pub badge: &'static str,
}

impl From<&PatientRow> for PatientLine {
    fn from(row: &PatientRow) -> Self {
        let name = row.patient.name.as_ref();
        Self {
            id: row.id.to_string(),
            mrn: row.patient.mrn.as_str().to_owned(),
            family_name: name.map(|name| name.family().to_owned()),
            given_name: name.map(|name| name.given().to_owned()),
            birth_date: birth_date(&row.patient.born),
            sex: row.patient.sex.code(),
            in_care: row.in_care,
            badge: badge(row.badge),
        }
    }
}

fn birth_date(born: &Born) -> Option<String> {
    if let Born::On(date) = born { Some(date.iso()) } else { None }
}

#[derive(Serialize, ToSchema)]
pub struct PatientList {
    pub items: Vec<PatientLine>,
    /// Give it back as `after` for the next page; null at the end.
    pub next: Option<String>,
}

impl From<Page<PatientRow>> for PatientList {
    fn from(page: Page<PatientRow>) -> Self {
        Self { items: page.items.iter().map(PatientLine::from).collect(), next: page.next.map(|next| next.to_string()) }
    }
}

pub async fn search(caller: Caller, Body(input): Body<PatientSearch>) -> Answer<Said<PatientList>> {
    let [birth_day, birth_month, birth_year] = birth_parts(input.birth_date.as_deref())?;
    let search = Search { mrn: input.mrn, name: input.name, birth_day, birth_month, birth_year };
    let after = cursor(input.after.as_deref())?;
    Ok(Said(caller.app().search_patients(&caller.ctx, &search, after).await?.into()))
}

/// A page of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// `next` of the page before.
    pub after: Option<String>,
}

pub async fn worklist(caller: Caller, Asked(query): Asked<PageQuery>) -> Answer<Said<PatientList>> {
    let after = cursor(query.after.as_deref())?;
    Ok(Said(caller.app().care_list(&caller.ctx, None, after).await?.into()))
}

/// A patient's details as sent. An empty text is "not recorded".
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientInput {
    pub mrn: String,
    pub family_name: String,
    pub given_name: String,
    #[serde(default)]
    pub title: String,
    /// Left out when it is not known.
    #[schema(format = Date)]
    pub birth_date: Option<String>,
    #[schema(schema_with = shapes::sexes)]
    pub sex: String,
    #[serde(default)]
    pub address: String,
    #[serde(default)]
    pub phone: String,
    #[serde(default)]
    pub email: String,
    #[serde(default)]
    pub next_of_kin: String,
    #[schema(schema_with = shapes::allergy_states)]
    pub allergies: String,
    /// What is known, when `allergies` is `known`.
    #[serde(default)]
    pub allergy_text: String,
}

impl PatientInput {
    fn form(self) -> Result<PatientForm, FieldError> {
        let [birth_day, birth_month, birth_year] = birth_parts(self.birth_date.as_deref())?;
        Ok(PatientForm {
            mrn: self.mrn,
            family_name: self.family_name,
            given_name: self.given_name,
            title: self.title,
            birth_day,
            birth_month,
            birth_year,
            sex: self.sex,
            address: self.address,
            phone: self.phone,
            email: self.email,
            next_of_kin: self.next_of_kin,
            allergies: self.allergies,
            allergy_text: self.allergy_text,
        })
    }
}

/// Registers a patient.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientNew {
    pub patient: PatientInput,
    /// True after the look-alikes of a first try (409 `duplicates`) were looked at.
    #[serde(default)]
    pub confirm: bool,
}

pub async fn create(caller: Caller, Body(input): Body<PatientNew>) -> Answer<Made<NewId>> {
    match caller.app().create_patient(&caller.ctx, &input.patient.form()?, input.confirm).await? {
        Created::Done(id) => Ok(Made(NewId::new(id))),
        Created::Duplicates(rows) => {
            let words = "Nothing was saved: these patients look like the same person. Send it again with confirm when it is somebody else.";
            let lines: Vec<PatientLine> = rows.iter().map(PatientLine::from).collect();
            let shown = Shown { code: "duplicates", words: words.to_owned(), ..show(&Error::Refused(String::new())) };
            Err(Refused::With(Box::new(shown), "duplicates", json!(lines)))
        }
    }
}

/// A patient's details.
#[derive(Serialize, ToSchema)]
pub struct Patient {
    #[schema(format = "uuid")]
    pub id: String,
    pub version: u64,
    /// The caller is on the care team.
    pub in_care: bool,
    pub mrn: String,
    pub family_name: Option<String>,
    pub given_name: Option<String>,
    pub title: Option<String>,
    #[schema(format = Date)]
    pub birth_date: Option<String>,
    /// Imported rows know an age instead of a birth date.
    pub aged_years: Option<f64>,
    #[schema(schema_with = shapes::sexes)]
    pub sex: &'static str,
    pub address: String,
    pub phone: String,
    pub email: String,
    pub next_of_kin: String,
    #[schema(schema_with = shapes::allergy_states)]
    pub allergies: &'static str,
    pub allergy_text: String,
}

impl From<PatientView> for Patient {
    fn from(view: PatientView) -> Self {
        let patient = view.patient;
        let name = patient.name.as_ref();
        Self {
            id: patient.id.to_string(),
            version: view.version,
            in_care: view.in_care,
            mrn: patient.mrn.as_str().to_owned(),
            family_name: name.map(|name| name.family().to_owned()),
            given_name: name.map(|name| name.given().to_owned()),
            title: name.and_then(|name| name.title()).map(str::to_owned),
            birth_date: birth_date(&patient.born),
            aged_years: if let Born::AgedYears { years, .. } = patient.born { Some(years) } else { None },
            sex: patient.sex.code(),
            allergies: patient.allergies.code(),
            allergy_text: if let Allergies::Known(what) = patient.allergies { what } else { String::new() },
            address: patient.contacts.address,
            phone: patient.contacts.phone,
            email: patient.contacts.email,
            next_of_kin: patient.contacts.next_of_kin,
        }
    }
}

pub async fn details(caller: Caller, Ids(patient): Ids<PatientId>) -> Answer<Said<Patient>> {
    Ok(Said(caller.app().demographics(&caller.ctx, patient).await?.into()))
}

/// Corrects a patient's details.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientAmend {
    /// The version that was read.
    pub version: u64,
    pub patient: PatientInput,
}

pub async fn amend(caller: Caller, Ids(patient): Ids<PatientId>, Body(input): Body<PatientAmend>) -> Answer<Done> {
    caller.app().amend_patient(&caller.ctx, patient, input.version, &input.patient.form()?).await?;
    Ok(Done)
}

/// Somebody who cares for the patient.
#[derive(Serialize, ToSchema)]
pub struct CareMember {
    #[schema(format = "uuid")]
    pub account: String,
    pub name: String,
    #[schema(schema_with = shapes::roles)]
    pub role: &'static str,
    #[schema(format = DateTime)]
    pub since: String,
}

impl From<wardkeep_app::care::CareMemberView> for CareMember {
    fn from(view: wardkeep_app::care::CareMemberView) -> Self {
        let role = Role::ALL.into_iter().find(|role| role.label() == view.role).map_or("", Role::code);
        Self { account: view.account.to_string(), name: view.name, role, since: Moment::rfc3339(view.since) }
    }
}

#[derive(Serialize, ToSchema)]
pub struct CareTeam {
    pub items: Vec<CareMember>,
}

pub async fn care_team(caller: Caller, Ids(patient): Ids<PatientId>) -> Answer<Said<CareTeam>> {
    let (_, members) = caller.app().care_members(&caller.ctx, patient).await?;
    Ok(Said(CareTeam { items: members.into_iter().map(CareMember::from).collect() }))
}

/// An account by its e-mail address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailInput {
    pub email: String,
}

pub async fn assign(caller: Caller, Ids(patient): Ids<PatientId>, Body(input): Body<EmailInput>) -> Answer<Done> {
    caller.app().assign_care(&caller.ctx, patient, &input.email).await?;
    Ok(Done)
}

pub async fn remove(caller: Caller, Ids((patient, member)): Ids<(PatientId, AccountId)>) -> Answer<Done> {
    caller.app().remove_care(&caller.ctx, patient, member).await?;
    Ok(Done)
}

pub async fn link_account(caller: Caller, Ids(patient): Ids<PatientId>, Body(input): Body<EmailInput>) -> Answer<Done> {
    caller.app().link_account(&caller.ctx, &input.email, patient).await?;
    Ok(Done)
}

/// A code to hand to the patient.
#[derive(Serialize, ToSchema)]
pub struct ActivationCode {
    /// Works once, for 30 days; shown now and never again.
    pub code: String,
}

pub async fn issue_activation(caller: Caller, Ids(patient): Ids<PatientId>) -> Answer<Made<ActivationCode>> {
    Ok(Made(ActivationCode { code: caller.app().issue_activation(&caller.ctx, patient).await? }))
}
