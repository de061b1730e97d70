//! The start page of each role: what this person does first.

use askama::Template;
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use wardkeep_app::audit::LogFilter;
use wardkeep_app::{Error, Result};
use wardkeep_domain::account::{AccountState, Role};
use wardkeep_domain::date::Date;
use wardkeep_ledger::Outcome;

use crate::extract::Signed;
use crate::page::{Page, render};
use crate::pages::accounts::Row as AccountRow;
use crate::pages::health::AlarmLine;
use crate::pages::log::{Row as LogLine, State};
use crate::pages::patients::Row as PatientRow;

/// Doctors and nurses: the patients in their care.
#[derive(Template)]
#[template(path = "home/worklist.html")]
struct WorklistPage {
    page: Page,
    rows: Vec<PatientRow>,
    /// The reader's units: name, link, shown now.
    units: Vec<(String, String, bool)>,
    unit: String,
    next: Option<String>,
    creates: bool,
    as_of: String,
}

/// Where in the worklist: the reader's own patients, or those of one of the reader's units.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Place {
    after: Option<u64>,
    /// Number of the unit among the reader's.
    unit: Option<usize>,
}

async fn worklist(signed: &Signed, place: Place) -> Result<Response> {
    let own = signed.ctx.account().map(|account| account.units.clone()).unwrap_or_default();
    // Nobody names a stroke coordinator a member of a care team: the unit comes first.
    let chosen = place.unit.or_else(|| (signed.ctx.role() == Some(Role::StrokeCoordinator) && !own.is_empty()).then_some(0));
    let unit = match chosen {
        Some(number) => Some(own.get(number).ok_or(Error::NotFound)?),
        None => None,
    };
    let found = signed.web.app.care_list(&signed.ctx, unit, place.after).await?;
    let link = |number: usize| format!("/?unit={number}");
    let here = chosen.map_or_else(|| "/?".to_owned(), |number| format!("{}&", link(number)));
    Ok(render(&WorklistPage {
        page: signed.page("Worklist"),
        rows: found.items.iter().map(|row| PatientRow::new(signed, row)).collect(),
        units: own.iter().enumerate().map(|(number, unit)| (unit.to_string(), link(number), chosen == Some(number))).collect(),
        unit: unit.map(ToString::to_string).unwrap_or_default(),
        next: found.next.map(|next| format!("{here}after={next}")),
        creates: signed.ctx.role() == Some(Role::Doctor),
        as_of: signed.ctx.now().staff(),
    }))
}

/// Registrars: find somebody, or register somebody new.
#[derive(Template)]
#[template(path = "home/desk.html")]
struct DeskPage {
    page: Page,
}

/// Requests that wait for this person, and own ones that are approved.
struct Counts {
    waiting: usize,
    ready: usize,
}

impl Counts {
    async fn of(signed: &Signed) -> Result<Self> {
        let (waiting, ready) = signed.web.app.requests_count(&signed.ctx).await?;
        Ok(Self { waiting, ready })
    }
}

/// Administrators: alarms, invitations that wait, the log's head.
#[derive(Template)]
#[template(path = "home/administrator.html")]
struct AdministratorPage {
    page: Page,
    requests: Counts,
    alarms: Vec<AlarmLine>,
    invited: Vec<AccountRow>,
    states: Vec<State>,
    as_of: String,
}

async fn administrator(signed: &Signed) -> Result<Response> {
    let app = &signed.web.app;
    let invited = app.accounts(&signed.ctx, None, Some(AccountState::Invited), None).await?;
    Ok(render(&AdministratorPage {
        page: signed.page("Overview"),
        requests: Counts::of(signed).await?,
        alarms: app.alarms(&signed.ctx).await?.into_iter().map(AlarmLine::new).collect(),
        invited: invited.items.iter().map(|view| AccountRow::new(signed, view)).collect(),
        states: app.log_state(&signed.ctx).await?.iter().map(State::new).collect(),
        as_of: signed.ctx.now().staff(),
    }))
}

/// The privacy officer: the log's state and what was refused today.
#[derive(Template)]
#[template(path = "home/privacy.html")]
struct PrivacyPage {
    page: Page,
    requests: Counts,
    states: Vec<State>,
    rows: Vec<LogLine>,
    more: bool,
    alarms: Vec<AlarmLine>,
    emergencies: usize,
    questions: usize,
    as_of: String,
}

async fn privacy(signed: &Signed) -> Result<Response> {
    let app = &signed.web.app;
    let today = signed.ctx.now().date().and_then(Date::start);
    let filter = LogFilter { from: today, outcome: Some(Outcome::Denied), ..LogFilter::default() };
    let denied = app.read_log(&signed.ctx, &filter, None).await?;
    Ok(render(&PrivacyPage {
        page: signed.page("Overview"),
        requests: Counts::of(signed).await?,
        states: app.log_state(&signed.ctx).await?.iter().map(State::new).collect(),
        rows: denied.rows.iter().map(LogLine::new).collect(),
        more: denied.next.is_some(),
        emergencies: app.emergencies_waiting(&signed.ctx).await?,
        questions: app.questions_waiting(&signed.ctx).await?,
        alarms: app.alarms(&signed.ctx).await?.into_iter().map(AlarmLine::new).collect(),
        as_of: signed.ctx.now().staff(),
    }))
}

pub async fn page(mut signed: Signed, Query(place): Query<Place>) -> Response {
    signed.unsaved = signed.web.app.drafts(&signed.ctx).await.is_ok_and(|drafts| !drafts.is_empty());
    let shown = match signed.ctx.role() {
        Some(Role::Doctor | Role::Nurse | Role::StrokeCoordinator) => worklist(&signed, place).await,
        Some(Role::Researcher) => Ok(Redirect::to("/stroke/summary").into_response()),
        Some(Role::Registrar) => Ok(render(&DeskPage { page: signed.page("Overview") })),
        Some(Role::Administrator) => administrator(&signed).await,
        Some(Role::PrivacyOfficer) => privacy(&signed).await,
        Some(Role::Patient) => Ok(Redirect::to("/my/access").into_response()),
        None => Err(Error::SignedOut),
    };
    shown.unwrap_or_else(|error| signed.fail(&error))
}
