//! A patient's own pages: who looked, the record, the documents.

use askama::Template;
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use wardkeep_app::charts::AccessRow;
use wardkeep_app::{Error, Result};
use wardkeep_domain::account::Role;
use wardkeep_domain::date::Moment;

use crate::extract::Signed;
use crate::page::{Page, render};
use crate::pages::chart::Cursor;

/// One person's visit to the record.
struct Line {
    who: String,
    role: String,
    words: String,
    time: String,
    reason: String,
    refused: bool,
}

/// What happened on one day.
struct Day {
    label: String,
    lines: Vec<Line>,
}

#[derive(Template)]
#[template(path = "my/access.html")]
struct AccessPage {
    page: Page,
    days: Vec<Day>,
    record: String,
    next: Option<u64>,
}

/// `14:06` of a moment; the day stands above.
fn clock(at: Moment) -> String {
    at.rfc3339().get(11..16).unwrap_or_default().to_owned()
}

fn day(at: Moment) -> String {
    at.date().map_or_else(String::new, wardkeep_domain::date::Date::patient)
}

/// Newest first in, grouped by day out.
fn by_day(rows: Vec<AccessRow>) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    for row in rows {
        let label = day(row.at);
        let line = Line {
            who: if row.own { format!("{} (you)", row.who) } else { row.who },
            role: row.role.to_lowercase(),
            words: row.words,
            time: clock(row.at),
            reason: row.reason.unwrap_or_default(),
            refused: row.refused,
        };
        match days.last_mut() {
            Some(day) if day.label == label => day.lines.push(line),
            _ => days.push(Day { label, lines: vec![line] }),
        }
    }
    days
}

/// Patients who are not linked yet enter their code first; staff have no own record here.
fn to_activate(signed: &Signed) -> Response {
    if signed.ctx.role() == Some(Role::Patient) { Redirect::to("/activate").into_response() } else { signed.fail(&Error::NotFound) }
}

pub async fn access(signed: Signed, Query(cursor): Query<Cursor>) -> Response {
    match access_page(&signed, cursor.after).await {
        Ok(Some(page)) => render(&page),
        Ok(None) => to_activate(&signed),
        Err(error) => signed.fail(&error),
    }
}

async fn access_page(signed: &Signed, after: Option<u64>) -> Result<Option<AccessPage>> {
    let Some(patient) = signed.ctx.own_patient() else { return Ok(None) };
    let history = signed.web.app.access_history(&signed.ctx, patient, after).await?;
    let page = signed.page("Who looked at your record");
    Ok(Some(AccessPage { page, days: by_day(history.items), record: format!("/patients/{patient}"), next: history.next }))
}

fn own(signed: &Signed, part: &str) -> Response {
    match signed.ctx.own_patient() {
        Some(patient) => Redirect::to(&format!("/patients/{patient}/{part}")).into_response(),
        None => to_activate(signed),
    }
}

pub async fn record(signed: Signed) -> Response {
    own(&signed, "records")
}

pub async fn documents(signed: Signed) -> Response {
    own(&signed, "documents")
}
