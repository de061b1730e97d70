//! Is this hospital set up safely: posture, alarms, state of the log. The same table as `wardkeep doctor`.

use askama::Template;
use axum::response::Response;
use wardkeep_app::Result;
use wardkeep_app::audit::Alarm;
use wardkeep_app::posture::{Health, Line};

use crate::extract::Signed;
use crate::page::{Page, render};
use crate::pages::log::State;

/// A posture line as shown.
pub(crate) struct Check {
    pub what: String,
    pub words: String,
    pub fix: String,
    pub class: &'static str,
    pub icon: &'static str,
    pub label: &'static str,
}

impl Check {
    fn new(line: Line) -> Self {
        let (class, icon, label) = match line.health {
            Health::Ok => ("ok", "circle-check", "In order"),
            Health::Warning => ("warn", "triangle-alert", "Look at this"),
            Health::Failing => ("danger", "octagon-alert", "Failing"),
        };
        Self { what: line.what, words: line.words, fix: line.fix, class, icon, label }
    }
}

/// An alarm as shown.
pub(crate) struct AlarmLine {
    pub when: String,
    pub kind: String,
    pub words: String,
}

impl AlarmLine {
    pub(crate) fn new(alarm: Alarm) -> Self {
        Self { when: alarm.at.staff_seconds(), kind: alarm.kind, words: alarm.words }
    }
}

#[derive(Template)]
#[template(path = "home/health.html")]
struct HealthPage {
    page: Page,
    checks: Vec<Check>,
    failing: usize,
    alarms: Vec<AlarmLine>,
    states: Vec<State>,
    log_key: String,
    as_of: String,
}

async fn template(signed: &Signed) -> Result<HealthPage> {
    let app = &signed.web.app;
    let mut checks: Vec<Check> = app.posture(&signed.ctx).await?.into_iter().map(Check::new).collect();
    let reports = signed.web.reports.load(std::sync::atomic::Ordering::Relaxed);
    if reports > 0 {
        let words = format!("Browsers reported {reports} breaches since the start.");
        checks.push(Check::new(Line::warning("Content policy", words, "Look for browser extensions, then for a changed page.")));
    }
    Ok(HealthPage {
        page: signed.page("Health"),
        failing: checks.iter().filter(|check| check.class == "danger").count(),
        checks,
        alarms: app.alarms(&signed.ctx).await?.into_iter().map(AlarmLine::new).collect(),
        states: app.log_state(&signed.ctx).await?.iter().map(State::new).collect(),
        log_key: app.log_key(),
        as_of: signed.ctx.now().staff(),
    })
}

pub async fn page(signed: Signed) -> Response {
    match template(&signed).await {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}
