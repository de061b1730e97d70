//! What needs a second person: the form that asks, what waits, deciding, and doing it once.
//!
//! Whoever tries such an act alone is shown [`ask_instead`] with everything filled in. A filter may
//! hold an address or an MRN, so nothing of a request but its id stands in a URL.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use serde::Deserialize;
use wardkeep_app::audit::{LogFilter, words};
use wardkeep_app::patients::PatientView;
use wardkeep_app::requests::{RequestView, Used, Wanted};
use wardkeep_app::{Error, Result};
use wardkeep_domain::date::Moment;
use wardkeep_domain::request::{APPROVAL_MS_MAX, LogScope, RequestKind, RequestState, WAITING_MS_MAX};
use wardkeep_domain::service::{Scope, Scopes};
use wardkeep_domain::{AccountId, PatientId, RequestId};
use wardkeep_ledger::Class;

use crate::error::{dress, show};
use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::pages::chart::patient_id;
use crate::pages::patients::Nothing;
use crate::pages::security::fail_or_confirm;
use crate::pages::{accounts, log, services, stroke};

/// What is asked for, as typed or as filled in for the person, with the reason.
#[derive(Deserialize, Default, Clone)]
#[serde(default, deny_unknown_fields)]
pub struct AskForm {
    kind: String,
    email: String,
    display_name: String,
    role: String,
    account: String,
    patient: String,
    /// Milliseconds since 1970, UTC.
    from: String,
    to: String,
    person: String,
    mrn: String,
    class: String,
    outcome: String,
    name: String,
    purpose: String,
    /// Codes with a blank between.
    scopes: String,
    days: String,
    key: String,
    reason: String,
}

impl AskForm {
    fn of(kind: &RequestKind) -> Self {
        let base = Self { kind: kind.code().to_owned(), ..Self::default() };
        let millis = |at: Option<Moment>| at.map_or_else(String::new, |at| at.0.to_string());
        match kind {
            RequestKind::GrantRole { email, display_name, role } => {
                Self { email: email.as_str().to_owned(), display_name: display_name.clone(), role: role.code().to_owned(), ..base }
            }
            RequestKind::ResetFactor { account, person } => Self { account: account.to_string(), display_name: person.clone(), ..base },
            RequestKind::ExportLog { scope } => Self {
                from: millis(scope.from),
                to: millis(scope.to),
                person: scope.person.clone(),
                mrn: scope.mrn.clone(),
                class: scope.class.clone(),
                outcome: scope.outcome.clone(),
                ..base
            },
            RequestKind::MakeService { planned } => Self {
                name: planned.name.clone(),
                purpose: planned.purpose.clone(),
                scopes: planned.scopes.to_string(),
                days: planned.days.to_string(),
                key: planned.key.clone().unwrap_or_default(),
                ..base
            },
            RequestKind::ErasePatient { patient } => Self { patient: patient.to_string(), ..base },
            RequestKind::ExportAssessments => base,
        }
    }
    /// `None` when no page of ours filled this in.
    fn wanted(&self) -> Option<Wanted> {
        let moment = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(|ms| Some(Moment(ms))) };
        match self.kind.as_str() {
            "grant_role" => {
                let (email, display_name, role) = (self.email.clone(), self.display_name.clone(), self.role.clone());
                Some(Wanted::GrantRole { email, display_name, role })
            }
            "reset_factor" => Some(Wanted::ResetFactor { account: AccountId::parse(&self.account)? }),
            "export_log" => {
                let class = if self.class.is_empty() { None } else { Some(Class::from_name(&self.class)?) };
                let outcome = if self.outcome.is_empty() { None } else { Some(log::outcome(&self.outcome)?) };
                let (person, mrn) = (self.person.clone(), self.mrn.clone());
                Some(Wanted::ExportLog {
                    filter: LogFilter { from: moment(&self.from)?, to: moment(&self.to)?, person, mrn, class, outcome },
                })
            }
            "erase_patient" => Some(Wanted::ErasePatient { patient: PatientId::parse(&self.patient)? }),
            "export_assessments" => Some(Wanted::ExportAssessments),
            "make_service" => {
                let (name, purpose, days, key) = (self.name.clone(), self.purpose.clone(), self.days.clone(), self.key.clone());
                let scopes = self.scopes.split(' ').map(str::to_owned).collect();
                Some(Wanted::MakeService { name, purpose, scopes, days, key })
            }
            _ => None,
        }
    }
    /// Where the act itself begins.
    fn back(&self) -> String {
        let path = match self.kind.as_str() {
            "grant_role" => "/accounts/invite",
            "reset_factor" => "/accounts",
            "export_log" => "/log",
            "make_service" => "/services/new",
            "erase_patient" => {
                return PatientId::parse(&self.patient).map_or_else(|| "/patients".to_owned(), |id| format!("/patients/{id}/details"));
            }
            _ => "/stroke/export",
        };
        path.to_owned()
    }
}

fn title(kind: &RequestKind) -> String {
    match kind {
        RequestKind::GrantRole { display_name, role, .. } => format!("Invite {display_name} as {}", role.label().to_lowercase()),
        RequestKind::ResetFactor { person, .. } => format!("Reset the second factor of {person}"),
        RequestKind::ExportLog { .. } => "Export more than 500 log entries".to_owned(),
        RequestKind::MakeService { planned } => format!("Make the service account {}", planned.name),
        RequestKind::ErasePatient { .. } => "Erase a patient".to_owned(),
        RequestKind::ExportAssessments => "Export more than 500 stroke assessments".to_owned(),
    }
}

/// What happens when it is done, in one sentence.
fn consequence(kind: &RequestKind) -> &'static str {
    match kind {
        RequestKind::GrantRole { .. } => "Who holds the invitation gets this role, and then decides on requests like this one.",
        RequestKind::ResetFactor { .. } => {
            "The authenticator app, passkeys and recovery codes of this person stop working and every session ends. Check the identity in person first."
        }
        RequestKind::ExportLog { .. } => "The entries leave this system as a file that nobody can call back.",
        RequestKind::MakeService { .. } => {
            "A program gets a secret with which it does this on its own, day and night, until it expires or is revoked."
        }
        RequestKind::ErasePatient { .. } => {
            "The whole record, its documents and the patient’s own account are gone for good. The log stays and no longer tells who it was."
        }
        RequestKind::ExportAssessments => "All assessments, without names, leave this system as a file that nobody can call back.",
    }
}

type Lines = Vec<(&'static str, String)>;

fn lines(kind: &RequestKind) -> Lines {
    match kind {
        RequestKind::GrantRole { email, display_name, role } => {
            vec![("Person", display_name.clone()), ("Email", email.as_str().to_owned()), ("Role", role.label().to_owned())]
        }
        RequestKind::ResetFactor { person, .. } => vec![("Person", person.clone())],
        RequestKind::ExportLog { scope } => scope_lines(scope),
        RequestKind::MakeService { planned } => vec![
            ("Name", planned.name.clone()),
            ("Purpose", planned.purpose.clone()),
            ("It may", scope_words(planned.scopes)),
            ("Expires", format!("{} days after it is made", planned.days)),
            ("Signs in with", if planned.key.is_some() { "A key of its own" } else { "A secret" }.to_owned()),
        ],
        RequestKind::ErasePatient { .. } => Vec::new(),
        RequestKind::ExportAssessments => vec![("What", "All stroke assessments that are not voided".to_owned())],
    }
}

/// What the scopes allow, in words.
pub(crate) fn scope_words(scopes: Scopes) -> String {
    scopes.iter().map(Scope::label).collect::<Vec<_>>().join("; ")
}

fn scope_lines(scope: &LogScope) -> Lines {
    let class = Class::from_name(&scope.class).map(|class| words(class).to_owned());
    let outcome = log::outcome(&scope.outcome).map(|outcome| log::outcome_words(outcome as u8).1.to_owned());
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let parts = [
        ("From", scope.from.map(Moment::staff)),
        ("To", scope.to.map(Moment::staff)),
        ("Person", text(&scope.person)),
        ("Patient", text(&scope.mrn).map(|mrn| format!("MRN {mrn}"))),
        ("Action", class),
        ("Result", outcome),
    ];
    let lines: Lines = parts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    if lines.is_empty() { vec![("What", "The whole log".to_owned())] } else { lines }
}

#[derive(Template)]
#[template(path = "requests/ask.html")]
struct AskPage {
    page: Page,
    errors: FormErrors,
    form: AskForm,
    title: String,
    consequence: &'static str,
    lines: Lines,
    back: String,
}

fn ask_page(signed: &Signed, kind: &RequestKind, lines: Lines) -> AskPage {
    let form = AskForm::of(kind);
    AskPage {
        page: signed.page("This needs a second person"),
        errors: FormErrors::default(),
        title: title(kind),
        consequence: consequence(kind),
        lines,
        back: form.back(),
        form,
    }
}

/// The form that asks, in place of what one person may not do alone.
pub(crate) fn ask_instead(signed: &Signed, kind: &RequestKind, error: &Error) -> Response {
    let mut response = render(&ask_page(signed, kind, lines(kind)));
    dress(&mut response, &show(error));
    response
}

/// The form that asks for erasing this patient: it always says whom.
async fn erase_page(signed: &Signed, patient: &str) -> Result<AskPage> {
    let PatientView { patient, .. } = signed.web.app.demographics(&signed.ctx, patient_id(patient)?).await?;
    let lines = vec![("Name", patient.banner_name()), ("MRN", patient.mrn.display())];
    Ok(ask_page(signed, &RequestKind::ErasePatient { patient: patient.id }, lines))
}

pub async fn ask_to_erase(signed: Signed, Path(patient): Path<String>) -> Response {
    match erase_page(&signed, &patient).await {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}

/// The form again, with what is wrong with it.
async fn ask_again(signed: &Signed, form: AskForm, errors: FormErrors) -> Response {
    if form.kind == "erase_patient" {
        return match erase_page(signed, &form.patient).await {
            Ok(page) => render_invalid(&AskPage { page: page.page.failed(), errors, form, ..page }),
            Err(error) => signed.fail(&error),
        };
    }
    let lines = [("Name", &form.name), ("Person", &form.display_name), ("Email", &form.email), ("Patient", &form.mrn)];
    let lines = lines.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.clone())).collect();
    render_invalid(&AskPage {
        page: signed.page("This needs a second person").failed(),
        errors,
        title: "Say why it is needed".to_owned(),
        consequence: "Nothing happens before somebody else has agreed.",
        lines,
        back: form.back(),
        form,
    })
}

pub async fn ask(Posted { signed, form }: Posted<AskForm>) -> Response {
    let asked = match form.wanted() {
        Some(wanted) => signed.web.app.ask_approval(&signed.ctx, &wanted, &form.reason).await,
        None => Err(Error::NotFound),
    };
    match asked {
        Ok(_) => done(&signed.web, "/requests", "approval-asked"),
        Err(Error::Invalid(errors)) => ask_again(&signed, form, errors.into()).await,
        Err(error) => fail_or_confirm(&signed, &error, &form.back()),
    }
}

/// A request as listed and as shown.
struct Row {
    id: String,
    title: String,
    asked_by: String,
    asked: String,
    reason: String,
    state: &'static str,
    state_class: &'static str,
    icon: &'static str,
    /// Who decided or until when it counts.
    more: String,
    ready: bool,
    waits: bool,
    own: bool,
}

impl Row {
    fn new(view: &RequestView) -> Self {
        let request = &view.request;
        let (state, state_class, icon, more) = match &view.state {
            RequestState::Waiting => {
                let until = request.asked_at.plus_ms(WAITING_MS_MAX).staff();
                ("Waiting", "warn", "hourglass", format!("Until {until}"))
            }
            RequestState::Approved { at, .. } => {
                let until = at.plus_ms(APPROVAL_MS_MAX).staff();
                ("Ready to use", "ok", "check", format!("Approved by {}. Until {until}, once", view.decided_by))
            }
            RequestState::Refused { at, note, .. } => {
                ("Refused", "danger", "ban", format!("By {} on {}: {note}", view.decided_by, at.staff()))
            }
            RequestState::Used { at } => ("Done", "", "check", at.staff()),
            RequestState::Expired => ("Expired", "", "clock", "Ask again if it is still needed".to_owned()),
        };
        Self {
            id: request.id.to_string(),
            title: title(&request.kind),
            asked_by: view.asked_by.clone(),
            asked: request.asked_at.staff(),
            reason: request.reason.clone(),
            state,
            state_class,
            icon,
            more,
            ready: view.own && matches!(view.state, RequestState::Approved { .. }),
            waits: view.decides && view.state == RequestState::Waiting,
            own: view.own,
        }
    }
}

#[derive(Template)]
#[template(path = "requests/list.html")]
struct ListPage {
    page: Page,
    /// May this person decide on anything at all?
    decides: bool,
    waiting: Vec<Row>,
    own: Vec<Row>,
    as_of: String,
}

pub async fn list(signed: Signed) -> Response {
    match signed.web.app.requests(&signed.ctx).await {
        Ok(found) => render(&ListPage {
            page: signed.page("Requests"),
            decides: signed.ctx.role().is_some_and(wardkeep_domain::request::role_decides),
            waiting: found.waiting.iter().map(Row::new).collect(),
            own: found.own.iter().map(Row::new).collect(),
            as_of: signed.ctx.now().staff(),
        }),
        Err(error) => signed.fail(&error),
    }
}

#[derive(Template)]
#[template(path = "requests/detail.html")]
struct DetailPage {
    page: Page,
    errors: FormErrors,
    row: Row,
    consequence: &'static str,
    lines: Lines,
    verb: &'static str,
    note: String,
}

fn verb(kind: &RequestKind) -> &'static str {
    match kind {
        RequestKind::GrantRole { .. } => "Make the invitation",
        RequestKind::ResetFactor { .. } => "Reset the second factor",
        RequestKind::MakeService { .. } => "Make the service account",
        RequestKind::ErasePatient { .. } => "Erase the patient",
        RequestKind::ExportLog { .. } | RequestKind::ExportAssessments => "Download the CSV",
    }
}

fn request_id(text: &str) -> Result<RequestId> {
    RequestId::parse(text).ok_or(Error::NotFound)
}

async fn template(signed: &Signed, request: &str, note: String, errors: FormErrors) -> Result<DetailPage> {
    let view = signed.web.app.request(&signed.ctx, request_id(request)?).await?;
    let page = signed.page("Request");
    let mut lines = lines(&view.request.kind);
    if let RequestKind::ErasePatient { .. } = view.request.kind {
        lines.push(("Patient", view.patient.clone().unwrap_or_else(|| "A patient who was erased".to_owned())));
    }
    Ok(DetailPage {
        page: if errors.is_empty() { page } else { page.failed() },
        errors,
        row: Row::new(&view),
        consequence: consequence(&view.request.kind),
        lines,
        verb: verb(&view.request.kind),
        note,
    })
}

pub async fn detail(signed: Signed, Path(request): Path<String>) -> Response {
    match template(&signed, &request, String::new(), FormErrors::default()).await {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}

/// Back to the request after a fresh code. The id was read before, so it is safe in an address.
fn fail_here(signed: &Signed, error: &Error, request: &str) -> Response {
    let back = RequestId::parse(request).map_or_else(|| "/requests".to_owned(), |id| format!("/requests/{id}"));
    fail_or_confirm(signed, error, &back)
}

pub async fn approve(Path(request): Path<String>, Posted { signed, .. }: Posted<Nothing>) -> Response {
    let decided = match request_id(&request) {
        Ok(id) => signed.web.app.approve_request(&signed.ctx, id).await,
        Err(error) => Err(error),
    };
    match decided {
        Ok(()) => done(&signed.web, "/requests", "approval-given"),
        Err(error) => fail_here(&signed, &error, &request),
    }
}

/// Why it is refused, for who asked.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct RefuseForm {
    note: String,
}

pub async fn refuse(Path(request): Path<String>, Posted { signed, form }: Posted<RefuseForm>) -> Response {
    let decided = match request_id(&request) {
        Ok(id) => signed.web.app.refuse_request(&signed.ctx, id, &form.note).await,
        Err(error) => Err(error),
    };
    match decided {
        Ok(()) => done(&signed.web, "/requests", "approval-refused"),
        Err(Error::Invalid(errors)) => match template(&signed, &request, form.note, errors.into()).await {
            Ok(page) => render_invalid(&page),
            Err(error) => signed.fail(&error),
        },
        Err(error) => fail_here(&signed, &error, &request),
    }
}

/// Does what was approved, once, for who asked.
pub async fn use_approval(Path(request): Path<String>, Posted { signed, .. }: Posted<Nothing>) -> Response {
    let used = match request_id(&request) {
        Ok(id) => signed.web.app.use_request(&signed.ctx, id).await,
        Err(error) => Err(error),
    };
    match used {
        Ok(Used::Invited { email, display_name, token }) => accounts::invitation(&signed, email, display_name, &token),
        Ok(Used::PatientErased) => done(&signed.web, "/patients", "patient-erased"),
        Ok(Used::FactorReset) => done(&signed.web, "/accounts", "factor-reset"),
        Ok(Used::ServiceMade(made)) => services::made(&signed, &made),
        Ok(Used::LogExported(csv)) => log::csv_file(csv),
        Ok(Used::AssessmentsExported(csv)) => stroke::csv_file(csv),
        Err(error) => fail_here(&signed, &error, &request),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_in_form_asks_for_what_it_was_filled_in_from() {
        let scope = LogScope {
            from: Some(Moment(1)),
            to: None,
            person: "nurse@site.example".to_owned(),
            mrn: String::new(),
            class: "chart.opened".to_owned(),
            outcome: "denied".to_owned(),
        };
        let Some(Wanted::ExportLog { filter }) = AskForm::of(&RequestKind::ExportLog { scope: scope.clone() }).wanted() else {
            panic!("another act")
        };
        assert_eq!(wardkeep_app::audit::scope(&filter), scope);
        for wrong in [("class", "all"), ("outcome", "any"), ("from", "yesterday"), ("kind", "erase")] {
            let mut form = AskForm::of(&RequestKind::ExportLog { scope: scope.clone() });
            match wrong.0 {
                "class" => form.class = wrong.1.to_owned(),
                "outcome" => form.outcome = wrong.1.to_owned(),
                "from" => form.from = wrong.1.to_owned(),
                _ => form.kind = wrong.1.to_owned(),
            }
            assert!(form.wanted().is_none(), "{wrong:?}: a filter that is not understood must not become the whole log");
        }
    }
}
