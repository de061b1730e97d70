//! A patient's own pages: who looked, the record, the documents.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use wardkeep_app::charts::AccessRow;
use wardkeep_app::questions::QuestionRow;
use wardkeep_app::{Error, Result};
use wardkeep_domain::LogEventId;
use wardkeep_domain::account::Role;
use wardkeep_domain::date::Moment;

use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::pages::chart::{Cursor, patient_id};
use crate::pages::log::event_id;

/// One person's visit to the record.
struct Line {
    who: String,
    role: String,
    words: String,
    time: String,
    reason: String,
    refused: bool,
    emergency: bool,
    /// Where a question about it is asked; empty for one's own acts.
    ask: String,
}

/// A question that this patient asked.
struct Asked {
    about: String,
    asked: String,
    text: String,
    answer: String,
    answered: String,
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
    questions: Vec<Asked>,
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
fn by_day(record: &str, rows: Vec<AccessRow>) -> Vec<Day> {
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
            emergency: row.emergency,
            ask: if row.own { String::new() } else { format!("{record}/access/{}/ask", LogEventId::from_bytes(row.event)) },
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
    let questions = if after.is_none() { signed.web.app.own_questions(&signed.ctx, patient).await? } else { Vec::new() };
    let page = signed.page("Who looked at your record");
    let record = format!("/patients/{patient}");
    let days = by_day(&record, history.items);
    Ok(Some(AccessPage { page, days, questions: questions.iter().map(asked).collect(), record, next: history.next }))
}

fn asked(row: &QuestionRow) -> Asked {
    let entry = row.entry.as_ref();
    let answer = row.question.answer.as_ref();
    Asked {
        about: entry.map_or_else(String::new, |entry| format!("{}, {}", entry.who, entry.event.time().patient())),
        asked: row.question.asked_at.patient(),
        text: row.question.text.clone(),
        answer: answer.map_or_else(String::new, |answer| answer.text.clone()),
        answered: answer.map_or_else(String::new, |answer| format!("{}, {}", row.answered_by, answer.at.patient())),
    }
}

#[derive(Template)]
#[template(path = "my/ask.html")]
struct AskPage {
    page: Page,
    errors: FormErrors,
    action: String,
    text: String,
}

fn ask_template(signed: &Signed, text: String, errors: FormErrors) -> AskPage {
    let page = signed.page("Ask about an entry");
    AskPage { page: if errors.is_empty() { page } else { page.failed() }, errors, action: signed.path.clone(), text }
}

pub async fn ask_page(signed: Signed) -> Response {
    render(&ask_template(&signed, String::new(), FormErrors::default()))
}

/// A question as posted.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct AskForm {
    question: String,
}

pub async fn ask(Path((patient, event)): Path<(String, String)>, Posted { signed, form }: Posted<AskForm>) -> Response {
    let asked = match (patient_id(&patient), event_id(&event)) {
        (Ok(patient), Ok(event)) => signed.web.app.ask_about(&signed.ctx, patient, LogEventId::from_bytes(event), &form.question).await,
        _ => Err(Error::NotFound),
    };
    match asked {
        Ok(()) => done(&signed.web, "/my/access", "asked"),
        Err(Error::Invalid(errors)) => render_invalid(&ask_template(&signed, form.question, errors.into())),
        Err(error) => signed.fail(&error),
    }
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
