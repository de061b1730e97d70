//! The log: filter, table, one entry with its proof, export.
//!
//! The filter may hold an e-mail address or an MRN, so it is posted and never stands in a URL.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use http::header;
use serde::Deserialize;
use wardkeep_app::audit::{LogCursor, LogEntry, LogFilter, LogPage, LogRow, LogState};
use wardkeep_app::integrity::Proof;
use wardkeep_app::{Error, Result};
use wardkeep_domain::account::Role;
use wardkeep_domain::date::{Date, Moment};
use wardkeep_domain::{FieldError, FieldErrors, LogEventId};
use wardkeep_ledger::{Class, Outcome};

use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, render, render_invalid};
use crate::pages::security::fail_or_confirm;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The filter as typed.
#[derive(Deserialize, Default, Clone)]
#[serde(default, deny_unknown_fields)]
pub struct FilterForm {
    from_day: String,
    from_month: String,
    from_year: String,
    to_day: String,
    to_month: String,
    to_year: String,
    person: String,
    mrn: String,
    class: String,
    outcome: String,
    after: String,
}

/// The part of the filter that names nobody.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct FilterQuery {
    class: String,
    outcome: String,
}

/// Codes of outcomes in forms and the API.
pub(crate) fn outcome(code: &str) -> Option<Outcome> {
    match code {
        "success" => Some(Outcome::Success),
        "denied" => Some(Outcome::Denied),
        "failed" => Some(Outcome::Failed),
        _ => None,
    }
}

/// The code and the words of an event's outcome.
pub(crate) fn outcome_words(code: u8) -> (&'static str, &'static str) {
    if code == Outcome::Success as u8 {
        ("success", "Allowed")
    } else if code == Outcome::Denied as u8 {
        ("denied", "Refused")
    } else {
        ("failed", "Failed")
    }
}

/// `12-7` and back: places in the two streams.
pub(crate) fn cursor(text: &str) -> Option<LogCursor> {
    let (control, records) = text.split_once('-')?;
    Some((control.parse().ok()?, records.parse().ok()?))
}

pub(crate) fn cursor_text((control, records): LogCursor) -> String {
    format!("{control}-{records}")
}

impl FilterForm {
    fn parse(&self) -> Result<LogFilter, FieldErrors> {
        let mut errors = FieldErrors::new();
        let mut date = |field: &'static str, day: &str, month: &str, year: &str| {
            let empty = [day, month, year].iter().all(|part| part.trim().is_empty());
            if empty { None } else { errors.take(Date::from_parts(field, day, month, year)) }
        };
        let from = date("from_date", &self.from_day, &self.from_month, &self.from_year).and_then(Date::start);
        let to = date("to_date", &self.to_day, &self.to_month, &self.to_year).and_then(Date::start);
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            errors.push(FieldError::new("to_date", "Enter a day that is not before the first one."));
        }
        errors.into_result(Some(LogFilter {
            from,
            // The last day counts to its end.
            to: to.map(|day| day.plus_ms(DAY_MS - 1)),
            person: self.person.clone(),
            mrn: self.mrn.clone(),
            class: Class::from_name(&self.class),
            outcome: outcome(&self.outcome),
        }))
    }
    fn is_empty(&self) -> bool {
        let fields = [&self.from_day, &self.from_month, &self.from_year, &self.to_day, &self.to_month, &self.to_year];
        let chosen = [&self.person, &self.mrn, &self.class, &self.outcome];
        fields.into_iter().chain(chosen).all(String::is_empty)
    }
}

/// An entry as listed.
pub(crate) struct Row {
    pub href: String,
    pub index: u64,
    pub stream: String,
    pub when: String,
    pub who: String,
    pub role: String,
    pub words: String,
    pub object: String,
    pub reason: String,
    pub outcome: &'static str,
    pub refused: bool,
    pub address: String,
}

impl Row {
    pub(crate) fn new(row: &LogRow) -> Self {
        let (code, words) = outcome_words(row.event.actor.outcome);
        Self {
            href: format!("/log/{}", LogEventId::from_bytes(row.event.event.0)),
            index: row.index,
            stream: row.stream.clone(),
            when: row.event.time().staff_seconds(),
            who: row.who.clone(),
            role: row.role.clone(),
            words: row.words.clone(),
            object: row.object.clone(),
            reason: row.reason.clone(),
            outcome: words,
            refused: code != "success",
            address: row.event.actor.who.address.clone(),
        }
    }
}

/// The state of one stream as shown.
pub(crate) struct State {
    pub stream: String,
    pub entries: u64,
    pub waiting: u64,
    pub sealed: String,
    pub root: String,
}

impl State {
    pub(crate) fn new(state: &LogState) -> Self {
        Self {
            stream: state.stream.clone(),
            entries: state.entries,
            waiting: state.waiting,
            sealed: state.last_seal.map_or_else(|| "Not yet".to_owned(), Moment::staff_seconds),
            root: state.root.clone(),
        }
    }
}

#[derive(Template)]
#[template(path = "log/list.html")]
struct ListPage {
    page: Page,
    errors: FormErrors,
    form: FilterForm,
    filtered: bool,
    patients: bool,
    classes: Vec<(&'static str, &'static str)>,
    outcomes: [(&'static str, &'static str); 3],
    states: Vec<State>,
    rows: Vec<Row>,
    next: Option<String>,
    as_of: String,
}

fn classes() -> Vec<(&'static str, &'static str)> {
    Class::ALL.iter().map(|(class, name)| (*name, wardkeep_app::audit::words(*class))).collect()
}

async fn template(signed: &Signed, form: FilterForm, found: LogPage, errors: FormErrors) -> Result<ListPage> {
    let states = signed.web.app.log_state(&signed.ctx).await?;
    let page = signed.page("Log");
    Ok(ListPage {
        page: if errors.is_empty() { page } else { page.failed() },
        errors,
        filtered: !form.is_empty(),
        patients: signed.ctx.role() == Some(Role::PrivacyOfficer),
        classes: classes(),
        outcomes: [("success", "Allowed"), ("denied", "Refused"), ("failed", "Failed")],
        states: states.iter().map(State::new).collect(),
        rows: found.rows.iter().map(Row::new).collect(),
        next: found.next.map(cursor_text),
        as_of: signed.ctx.now().staff(),
        form,
    })
}

async fn read(signed: Signed, form: FilterForm) -> Response {
    let found = match form.parse() {
        Ok(filter) => signed.web.app.read_log(&signed.ctx, &filter, cursor(&form.after)).await,
        Err(errors) => Err(errors.into()),
    };
    let (found, errors) = match found {
        Ok(found) => (found, FormErrors::default()),
        Err(Error::Invalid(errors)) => (LogPage { rows: Vec::new(), next: None }, errors.into()),
        Err(error) => return signed.fail(&error),
    };
    match template(&signed, form, found, errors).await {
        Ok(page) if page.errors.is_empty() => render(&page),
        Ok(page) => render_invalid(&page),
        Err(error) => signed.fail(&error),
    }
}

pub async fn list(signed: Signed, Query(query): Query<FilterQuery>) -> Response {
    read(signed, FilterForm { class: query.class, outcome: query.outcome, ..FilterForm::default() }).await
}

pub async fn filter(Posted { signed, form }: Posted<FilterForm>) -> Response {
    read(signed, form).await
}

pub async fn export(Posted { signed, form }: Posted<FilterForm>) -> Response {
    let exported = match form.parse() {
        Ok(filter) => signed.web.app.export_log(&signed.ctx, &filter).await,
        Err(errors) => Err(errors.into()),
    };
    match exported {
        Ok(csv) => csv_file(csv),
        Err(error) => fail_or_confirm(&signed, &error, "/log"),
    }
}

/// The log as a download.
pub(crate) fn csv_file(csv: Vec<u8>) -> Response {
    attachment("text/csv; charset=utf-8", "wardkeep-log.csv", csv)
}

pub(crate) fn attachment(media_type: &'static str, name: &str, bytes: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, media_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)], bytes).into_response()
}

#[derive(Template)]
#[template(path = "log/entry.html")]
struct EntryPage {
    page: Page,
    row: Row,
    event: String,
    class: &'static str,
    device: String,
    rule: String,
    facts: Vec<(String, String)>,
    badge: &'static str,
    proof: Proof,
    proof_file: bool,
}

pub(crate) fn event_id(text: &str) -> Result<[u8; 16]> {
    LogEventId::parse(text).map(LogEventId::bytes).ok_or(Error::NotFound)
}

async fn entry_of(signed: &Signed, event: &str) -> Result<LogEntry> {
    signed.web.app.log_entry(&signed.ctx, event_id(event)?).await
}

pub async fn entry(signed: Signed, Path(event): Path<String>) -> Response {
    match entry_of(&signed, &event).await {
        Ok(entry) => {
            let actor = &entry.row.event.actor;
            render(&EntryPage {
                page: signed.page("Log entry"),
                event,
                class: entry.row.event.class().map_or("unknown", Class::name),
                device: actor.who.device.clone(),
                rule: actor.rule.clone().unwrap_or_else(|| "None asked".to_owned()),
                row: Row::new(&entry.row),
                badge: badge(&entry.proof),
                proof_file: !entry.proof_file.is_empty(),
                facts: entry.facts,
                proof: entry.proof,
            })
        }
        Err(error) => signed.fail(&error),
    }
}

/// An entry's badge from its checks.
pub(crate) fn badge(proof: &Proof) -> &'static str {
    if proof.checks.iter().any(|check| !check.ok) {
        "Check failed"
    } else if proof.sealed_at.is_none() && proof.root.is_empty() {
        "Waiting for seal"
    } else {
        "Verified"
    }
}

/// The `tlog-proof` text, which anybody can check without this system.
pub async fn proof(signed: Signed, Path(event): Path<String>) -> Response {
    let file = match event_id(&event) {
        Ok(event) => signed.web.app.log_proof(&signed.ctx, event).await,
        Err(error) => Err(error),
    };
    proof_file(&signed, file)
}

/// Answers with a proof to keep.
pub(crate) fn proof_file(signed: &Signed, file: Result<String>) -> Response {
    match file {
        Ok(file) => attachment("text/plain; charset=utf-8", "entry.tlog-proof", file.into_bytes()),
        Err(error) => signed.fail(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        assert_eq!(cursor(&cursor_text((12, 7))), Some((12, 7)));
        for bad in ["", "12", "a-b", "1-2-3", "-1"] {
            assert_eq!(cursor(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_last_day_counts_to_its_end_and_may_not_lie_before_the_first() {
        let text = |text: &str| text.to_owned();
        let form = FilterForm { to_day: text("2"), to_month: text("1"), to_year: text("1970"), ..FilterForm::default() };
        assert_eq!(form.parse().unwrap().to, Some(Moment(2 * DAY_MS - 1)));
        let form = FilterForm { from_day: text("3"), from_month: text("1"), from_year: text("1970"), ..form };
        assert_eq!(form.parse().err().unwrap().0.first().unwrap().field, "to_date");
    }
}
