//! The privacy officer's queue: emergency access to decide on, and patients' questions to answer.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;
use wardkeep_app::emergency::EmergencyRow;
use wardkeep_app::questions::QuestionRow;
use wardkeep_app::{Error, Result};
use wardkeep_domain::emergency::{Decision, ReviewForm};
use wardkeep_domain::{EmergencyId, LogEventId, QuestionId};

use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};

/// Places in the two lists.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Cursors {
    after: Option<u64>,
    questions: Option<u64>,
}

/// One emergency access.
struct EmergencyLine {
    href: String,
    entry: String,
    who: String,
    role: String,
    patient: String,
    opened: String,
    ended: String,
    why: String,
    sentence: String,
}

impl EmergencyLine {
    fn new(signed: &Signed, row: &EmergencyRow) -> Self {
        let access = &row.access;
        let ended = match access.ended_at {
            Some(at) => at.staff(),
            None if access.until > signed.ctx.now() => format!("Runs until {}", access.until.staff()),
            None => access.until.staff(),
        };
        Self {
            href: format!("/reviews/emergency/{}", access.id),
            entry: format!("/log/{}", access.event),
            who: row.entry.who.clone(),
            role: row.entry.role.clone(),
            patient: row.entry.object.clone(),
            opened: access.opened_at.staff(),
            ended,
            why: row.why.clone(),
            sentence: row.entry.reason.clone(),
        }
    }
}

/// One question.
struct QuestionLine {
    id: String,
    patient: String,
    asked: String,
    text: String,
    /// The entry in words, and where it is.
    entry: String,
    href: String,
    /// This answer came back with an error.
    failed: bool,
    answer: String,
}

impl QuestionLine {
    fn new(row: &QuestionRow) -> Self {
        let entry = row.entry.as_ref();
        Self {
            id: row.question.id.to_string(),
            patient: entry.map(|entry| entry.object.clone()).filter(|object| !object.is_empty()).unwrap_or_else(|| "A patient".to_owned()),
            asked: row.question.asked_at.staff(),
            text: row.question.text.clone(),
            entry: entry.map_or_else(String::new, |entry| format!("{}, {}, {}", entry.who, entry.words, entry.event.time().staff())),
            href: entry.map_or_else(String::new, |entry| format!("/log/{}", LogEventId::from_bytes(entry.event.event.0))),
            failed: false,
            answer: String::new(),
        }
    }
}

#[derive(Template)]
#[template(path = "reviews/list.html")]
struct ListPage {
    page: Page,
    errors: FormErrors,
    emergencies: Vec<EmergencyLine>,
    next: Option<u64>,
    questions: Vec<QuestionLine>,
    questions_next: Option<u64>,
    as_of: String,
}

async fn list_template(signed: &Signed, cursors: &Cursors, errors: FormErrors) -> Result<ListPage> {
    let app = &signed.web.app;
    let emergencies = app.emergency_queue(&signed.ctx, cursors.after).await?;
    let questions = app.question_queue(&signed.ctx, cursors.questions).await?;
    let page = signed.page("Reviews");
    Ok(ListPage {
        page: if errors.is_empty() { page } else { page.failed() },
        errors,
        emergencies: emergencies.items.iter().map(|row| EmergencyLine::new(signed, row)).collect(),
        next: emergencies.next,
        questions: questions.items.iter().map(QuestionLine::new).collect(),
        questions_next: questions.next,
        as_of: signed.ctx.now().staff(),
    })
}

pub async fn list(signed: Signed, Query(cursors): Query<Cursors>) -> Response {
    match list_template(&signed, &cursors, FormErrors::default()).await {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}

#[derive(Template)]
#[template(path = "reviews/emergency.html")]
struct EmergencyPage {
    page: Page,
    errors: FormErrors,
    line: EmergencyLine,
    decisions: Vec<(&'static str, &'static str)>,
    decision: String,
    note: String,
    reviewed: Option<String>,
}

fn emergency_id(text: &str) -> Result<EmergencyId> {
    EmergencyId::parse(text).ok_or(Error::NotFound)
}

async fn emergency_template(signed: &Signed, id: &str, form: &DecisionForm, errors: FormErrors) -> Result<EmergencyPage> {
    let row = signed.web.app.emergency_row(&signed.ctx, emergency_id(id)?).await?;
    let page = signed.page("Emergency access");
    let reviewed = row.access.review.as_ref().map(|review| format!("{} on {}.", review.decision.label(), review.at.staff()));
    Ok(EmergencyPage {
        page: if errors.is_empty() { page } else { page.failed() },
        errors,
        line: EmergencyLine::new(signed, &row),
        decisions: Decision::ALL.iter().map(|decision| (decision.code(), decision.label())).collect(),
        decision: form.decision.clone(),
        note: form.note.clone(),
        reviewed,
    })
}

/// A decision as posted.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct DecisionForm {
    decision: String,
    note: String,
}

pub async fn emergency(signed: Signed, Path(id): Path<String>) -> Response {
    match emergency_template(&signed, &id, &DecisionForm::default(), FormErrors::default()).await {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}

pub async fn decide(Path(id): Path<String>, Posted { signed, form }: Posted<DecisionForm>) -> Response {
    let review = ReviewForm { decision: form.decision.clone(), note: form.note.clone() };
    let decided = match emergency_id(&id) {
        Ok(id) => signed.web.app.review_emergency(&signed.ctx, id, &review).await,
        Err(error) => Err(error),
    };
    match decided {
        Ok(()) => done(&signed.web, "/reviews", "reviewed"),
        Err(Error::Invalid(errors)) => match emergency_template(&signed, &id, &form, errors.into()).await {
            Ok(page) => render_invalid(&page),
            Err(error) => signed.fail(&error),
        },
        Err(error) => signed.fail(&error),
    }
}

/// An answer as posted.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerForm {
    answer: String,
}

pub async fn answer(Path(question): Path<String>, Posted { signed, form }: Posted<AnswerForm>) -> Response {
    let answered = match QuestionId::parse(&question) {
        Some(id) => signed.web.app.answer_question(&signed.ctx, id, &form.answer).await,
        None => Err(Error::NotFound),
    };
    match answered {
        Ok(()) => done(&signed.web, "/reviews", "answered"),
        Err(Error::Invalid(errors)) => match list_template(&signed, &Cursors::default(), errors.into()).await {
            Ok(mut page) => {
                for line in page.questions.iter_mut().filter(|line| line.id == question) {
                    (line.failed, line.answer) = (true, form.answer.clone());
                }
                render_invalid(&page)
            }
            Err(error) => signed.fail(&error),
        },
        Err(error) => signed.fail(&error),
    }
}
