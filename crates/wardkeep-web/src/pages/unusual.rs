//! The privacy officer's worklist of unusual access: the list, one case with its timeline, the
//! decision, and the case as a file.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;
use wardkeep_app::audit::LogRow;
use wardkeep_app::unusual::{CaseRow, Window};
use wardkeep_app::{Error, Result};
use wardkeep_domain::unusual::{CaseId, Finding, FindingForm, Reason};

use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::pages::log::{Row as LogLine, attachment};
use crate::pages::security::fail_or_confirm;

/// How far the list looks back.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Default)]
enum Days {
    #[serde(rename = "1")]
    One,
    #[default]
    #[serde(rename = "7")]
    Seven,
    #[serde(rename = "30")]
    Thirty,
}

impl Days {
    const ALL: [(Days, &'static str); 3] = [(Days::One, "1 day"), (Days::Seven, "7 days"), (Days::Thirty, "30 days")];
    fn count(self) -> u32 {
        match self {
            Days::One => 1,
            Days::Seven => 7,
            Days::Thirty => 30,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct WindowQuery {
    days: Days,
}

/// A reason as a tag.
struct Tag {
    class: &'static str,
    icon: &'static str,
    label: &'static str,
    meaning: &'static str,
}

impl Tag {
    fn new(reason: Reason) -> Self {
        // Violet is for privacy and emergency access alone.
        let (class, icon) = match reason {
            Reason::OwnRecord => ("warn", "user-round"),
            Reason::SameContact => ("warn", "mail"),
            Reason::SameFamily => ("warn", "users-round"),
            Reason::Emergency => ("priv", "siren"),
            Reason::Refused => ("danger", "ban"),
            Reason::ManyCharts => ("warn", "files"),
            Reason::LeftTeam => ("", "user-round-x"),
        };
        Self { class, icon, label: reason.label(), meaning: reason.meaning() }
    }
}

/// One case.
struct Line {
    href: String,
    who: String,
    role: &'static str,
    /// Empty when the case is about how many charts it were.
    patient: String,
    charts: usize,
    tags: Vec<Tag>,
    accesses: usize,
    last: String,
}

impl Line {
    fn new(row: &CaseRow) -> Self {
        Self {
            href: format!("/reviews/unusual/{}", row.id),
            who: row.who.clone(),
            role: row.role,
            patient: row.patient.clone(),
            charts: row.charts,
            tags: row.reasons.iter().map(|reason| Tag::new(*reason)).collect(),
            accesses: row.accesses,
            last: row.last.staff(),
        }
    }
}

/// A choice of the window.
struct Choice {
    href: String,
    label: &'static str,
    current: bool,
}

#[derive(Template)]
#[template(path = "unusual/list.html")]
struct ListPage {
    page: Page,
    choices: Vec<Choice>,
    lines: Vec<Line>,
    left_out: usize,
    /// From when on accesses were looked at.
    from: String,
    cut: bool,
    events_max: usize,
    as_of: String,
}

pub async fn list(signed: Signed, Query(query): Query<WindowQuery>) -> Response {
    let found = match signed.web.app.unusual_cases(&signed.ctx, Window::days(query.days.count())).await {
        Ok(found) => found,
        Err(error) => return signed.fail(&error),
    };
    let choice = |(days, label): (Days, &'static str)| Choice {
        href: format!("/reviews/unusual?days={}", days.count()),
        label,
        current: days == query.days,
    };
    render(&ListPage {
        page: signed.page("Unusual access"),
        choices: Days::ALL.into_iter().map(choice).collect(),
        lines: found.rows.iter().map(Line::new).collect(),
        left_out: found.left_out,
        from: found.from.staff(),
        cut: found.cut,
        events_max: wardkeep_app::unusual::EVENTS_MAX,
        as_of: signed.ctx.now().staff(),
    })
}

/// An entry of the timeline.
struct Step {
    entry: LogLine,
    rule: String,
}

impl Step {
    fn new(row: &LogRow) -> Self {
        Self { entry: LogLine::new(row), rule: row.event.actor.rule.clone().unwrap_or_default() }
    }
}

#[derive(Template)]
#[template(path = "unusual/case.html")]
struct CasePage {
    page: Page,
    errors: FormErrors,
    line: Line,
    steps: Vec<Step>,
    cut: bool,
    decided: Option<String>,
    note: String,
    open: bool,
    /// The signed-in officer is who looked.
    own: bool,
    hint: &'static str,
    findings: Vec<(&'static str, &'static str)>,
    form: DecisionForm,
}

/// A decision as posted.
#[derive(Deserialize, Default, Clone)]
#[serde(default, deny_unknown_fields)]
pub struct DecisionForm {
    decision: String,
    note: String,
    seen: String,
}

fn case_id(text: &str) -> Result<CaseId> {
    CaseId::parse(text).ok_or(Error::NotFound)
}

/// `posted`: the form that came back with errors.
async fn template(signed: &Signed, case: &str, posted: Option<&DecisionForm>, errors: FormErrors) -> Result<CasePage> {
    let id = case_id(case)?;
    let found = signed.web.app.unusual_case(&signed.ctx, id).await?;
    let page = signed.page("Unusual access");
    let decided = found.decided.as_ref();
    // What is decided on is what this page shows.
    let form = DecisionForm { seen: found.seen.0.to_string(), ..posted.cloned().unwrap_or_default() };
    Ok(CasePage {
        page: if errors.is_empty() { page } else { page.failed() },
        errors,
        line: Line::new(&found.row),
        steps: found.timeline.iter().map(Step::new).collect(),
        cut: found.cut,
        decided: decided.map(|decided| format!("{} on {} by {}.", decided.closed.finding.label(), decided.closed.at.staff(), decided.by)),
        note: decided.map(|decided| decided.note.clone()).unwrap_or_default(),
        open: found.open,
        hint: match id.patient {
            Some(_) => "10 to 500 characters. The patient reads it with the decision.",
            None => "10 to 500 characters.",
        },
        own: id.account == signed.ctx.account_id(),
        findings: Finding::ALL.iter().map(|finding| (finding.code(), finding.label())).collect(),
        form,
    })
}

pub async fn case(signed: Signed, Path(case): Path<String>) -> Response {
    match template(&signed, &case, None, FormErrors::default()).await {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}

pub async fn decide(Path(case): Path<String>, Posted { signed, form }: Posted<DecisionForm>) -> Response {
    let finding = FindingForm { decision: form.decision.clone(), note: form.note.clone(), seen: form.seen.clone() };
    let closed = match case_id(&case) {
        Ok(id) => signed.web.app.close_case(&signed.ctx, id, &finding).await,
        Err(error) => Err(error),
    };
    match closed {
        Ok(()) => done(&signed.web, "/reviews/unusual", "case-closed"),
        Err(Error::Invalid(errors)) => match template(&signed, &case, Some(&form), errors.into()).await {
            Ok(page) => render_invalid(&page),
            Err(error) => signed.fail(&error),
        },
        Err(error) => signed.fail(&error),
    }
}

/// The timeline for the privacy officer's file.
pub async fn export(signed: Signed, Path(case): Path<String>) -> Response {
    let (back, exported) = match case_id(&case) {
        Ok(id) => (format!("/reviews/unusual/{id}"), signed.web.app.export_case(&signed.ctx, id).await),
        Err(error) => (String::new(), Err(error)),
    };
    match exported {
        Ok(csv) => attachment("text/csv; charset=utf-8", "wardkeep-case.csv", csv),
        Err(error) => fail_or_confirm(&signed, &error, &back),
    }
}
