//! The whole attack surface of the pages on two screens. One line per route: method, path, guard,
//! handler. A line without a guard does not compile.

use std::collections::HashMap;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use wardkeep_policy::Action;

pub use crate::limits::FORM_BYTES_MAX;
use crate::limits::{COMPRESS_BYTES_MIN, REPORT_BYTES_MAX, REQUEST_TIME, UPLOAD_TIME};
use crate::web::Web;
use crate::{csrf, draft, guard, headers};

/// Who may knock. The use case asks policy itself; this names what it will ask, for the matrix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    /// Anybody: sign-in, registration, links, static files, health.
    Public,
    /// A sign-in in progress.
    Pending,
    /// A finished session; the use case asks policy for this action.
    Signed(Action),
}

/// A registered route.
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub guard: Guard,
    /// Largest body in bytes.
    pub body_max: usize,
    pub(crate) handler: MethodRouter<Web>,
    /// Policy is asked for the guard's action before the handler runs.
    pub(crate) asks_first: bool,
}

/// A page.
pub(crate) fn page<H, T>(path: &'static str, guard: Guard, handler: H) -> Route
where
    H: Handler<T, Web>,
    T: 'static,
{
    Route { method: "GET", path, guard, body_max: 0, handler: get(handler), asks_first: false }
}

/// The page of a form, which by itself discloses little or something else: policy is asked first
/// for what the form does, so the page is open to those alone whom the act would let through.
pub(crate) fn form_page<H, T>(path: &'static str, guard: Guard, handler: H) -> Route
where
    H: Handler<T, Web>,
    T: 'static,
{
    Route { asks_first: true, ..page(path, guard, handler) }
}

/// Static files, compressed where it pays. Pages are not: they hold patient data and a secret
/// beside what others wrote (docs/decisions/0005-pages-are-not-compressed.md).
fn assets<H, T>(path: &'static str, handler: H) -> Route
where
    H: Handler<T, Web>,
    T: 'static,
{
    let worth = SizeAbove::new(COMPRESS_BYTES_MIN).and(NotForContentType::const_new("font/"));
    let route = page(path, Guard::Public, handler);
    Route { handler: route.handler.layer(CompressionLayer::new().gzip(true).compress_when(worth)), ..route }
}

/// A form's target.
pub(crate) fn form<H, T>(path: &'static str, guard: Guard, handler: H) -> Route
where
    H: Handler<T, Web>,
    T: 'static,
{
    Route { method: "POST", path, guard, body_max: FORM_BYTES_MAX, handler: post(handler), asks_first: false }
}

/// A target that takes a file of up to `body_max` bytes.
pub(crate) fn upload<H, T>(path: &'static str, guard: Guard, body_max: usize, handler: H) -> Route
where
    H: Handler<T, Web>,
    T: 'static,
{
    Route { method: "POST", path, guard, body_max, handler: post(handler), asks_first: false }
}

/// Every route of the pages, grouped by who uses it.
#[must_use]
pub fn table() -> Vec<Route> {
    [everybody(), own(), patients(), charts(), stroke(), house(), policy(), requests(), services()].into_iter().flatten().collect()
}

/// Sign-in, registration, and what belongs to no area.
fn everybody() -> Vec<Route> {
    use crate::pages::{ledger, passkeys, register, sign_in, sign_on, site};
    use Guard::{Pending, Public, Signed};
    vec![
        page("/sign-in", Public, sign_in::password_page),
        form("/sign-in", Public, sign_in::password),
        page("/sign-in/code", Pending, sign_in::code_page),
        form("/sign-in/code", Pending, sign_in::code),
        page("/sign-in/recovery", Pending, sign_in::recovery_page),
        form("/sign-in/recovery", Pending, sign_in::recovery),
        page("/sign-in/enrol", Pending, sign_in::enrol_page),
        form("/sign-in/enrol", Pending, sign_in::enrol),
        page("/sign-in/passkey", Public, passkeys::ask_sign_in),
        form("/sign-in/passkey", Public, passkeys::sign_in),
        page("/sign-in/enrol/passkey", Pending, passkeys::ask_first),
        form("/sign-in/enrol/passkey", Pending, passkeys::first),
        form("/sign-in/provider", Public, sign_on::ask),
        page("/sign-in/provider/back", Public, sign_on::back),
        page("/register", Public, register::register_page),
        form("/register", Public, register::register),
        page("/invitation/{token}", Public, register::invitation_page),
        form("/invitation/{token}", Public, register::accept),
        page("/setup/{token}", Public, register::invitation_page),
        form("/setup/{token}", Public, register::accept),
        form("/sign-out", Signed(Action::UseOwnAccount), sign_in::sign_out),
        form("/theme", Signed(Action::UseOwnAccount), site::theme),
        upload("/csp-report", Public, REPORT_BYTES_MAX, site::csp_report),
        // Answer where the hospital has switched them on; what they give names nobody.
        page("/ledger/log.vkey", Public, ledger::key),
        page("/ledger/{stream}/{*path}", Public, ledger::piece),
        page("/healthz", Public, site::healthz),
        page("/readyz", Public, site::readyz),
        assets("/static/{*path}", crate::assets::serve),
    ]
}

/// The own account, start page, and a patient's own pages.
fn own() -> Vec<Route> {
    use crate::pages::{activate, authenticator, drafts, emergency, home, my, passkeys, proxies, security, sign_on};
    use Action::{ChangeOwnSignIn, ReadAccessHistory, ReadDocument, ReadRecord, UseOwnAccount};
    use Guard::Signed;
    vec![
        page("/", Signed(UseOwnAccount), home::page),
        page("/security", Signed(UseOwnAccount), security::page),
        form("/security/password", Signed(ChangeOwnSignIn), security::change_password),
        form("/security/recovery-codes", Signed(ChangeOwnSignIn), security::new_recovery_codes),
        form("/security/sessions/end-others", Signed(UseOwnAccount), security::end_other_sessions),
        form("/security/sessions/{session}/end", Signed(UseOwnAccount), security::end_session),
        page("/security/confirm", Signed(UseOwnAccount), security::confirm_page),
        form("/security/confirm", Signed(UseOwnAccount), security::confirm),
        form("/emergency/{emergency}/end", Signed(UseOwnAccount), emergency::end),
        page("/security/confirm/passkey", Signed(UseOwnAccount), passkeys::ask_confirm),
        form("/security/confirm/passkey", Signed(UseOwnAccount), passkeys::confirm),
        page("/security/passkeys/new", Signed(ChangeOwnSignIn), passkeys::ask_new),
        form("/security/passkeys/new", Signed(ChangeOwnSignIn), passkeys::add),
        form("/security/passkeys/{passkey}/remove", Signed(ChangeOwnSignIn), passkeys::remove),
        page("/security/authenticator", Signed(ChangeOwnSignIn), authenticator::page),
        form("/security/authenticator", Signed(ChangeOwnSignIn), authenticator::add),
        form("/security/authenticator/remove", Signed(ChangeOwnSignIn), authenticator::remove),
        form("/security/provider/ask", Signed(ChangeOwnSignIn), sign_on::ask_link),
        page("/security/provider", Signed(UseOwnAccount), sign_on::link_page),
        form("/security/provider/link", Signed(ChangeOwnSignIn), sign_on::link),
        form("/security/provider/unlink", Signed(ChangeOwnSignIn), sign_on::unlink),
        // These two take a session that has run out by itself, and do nothing else for it.
        page("/session/left", Guard::Public, drafts::left),
        form("/drafts", Guard::Public, drafts::keep),
        page("/drafts", Signed(UseOwnAccount), drafts::list),
        page("/drafts/{draft}", Signed(UseOwnAccount), drafts::open),
        form("/drafts/{draft}/discard", Signed(UseOwnAccount), drafts::discard),
        page("/activate", Signed(UseOwnAccount), activate::page),
        form("/activate", Signed(UseOwnAccount), activate::activate),
        page("/my/access", Signed(ReadAccessHistory), my::access),
        page("/my/others", Signed(UseOwnAccount), proxies::others),
        page("/my/record", Signed(ReadRecord), my::record),
        page("/my/documents", Signed(ReadDocument), my::documents),
    ]
}

/// Accounts, log and health of the house.
fn house() -> Vec<Route> {
    use crate::pages::{accounts, clearances, health, holds, log, reviews, units, unusual};
    use Action::{
        ExportLog, GrantClearance, HoldPatient, InviteStaff, ListAccounts, ManageUnits, ReadHealth, ReadLog, ReinstateAccount, ResetFactor,
        ReviewAccess, RevokeSession, SuspendAccount,
    };
    use Guard::Signed;
    vec![
        page("/accounts", Signed(ListAccounts), accounts::list),
        form_page("/accounts/invite", Signed(InviteStaff), accounts::invite_page),
        form("/accounts/invite", Signed(InviteStaff), accounts::invite),
        form("/accounts/{account}/suspend", Signed(SuspendAccount), accounts::suspend),
        form("/accounts/{account}/reinstate", Signed(ReinstateAccount), accounts::reinstate),
        form("/accounts/{account}/reset-factor", Signed(ResetFactor), accounts::reset_factor),
        form("/accounts/{account}/end-sessions", Signed(RevokeSession), accounts::end_sessions),
        page("/units", Signed(ManageUnits), units::page),
        form("/units", Signed(ManageUnits), units::add),
        form("/units/join", Signed(ManageUnits), units::join),
        form("/units/leave", Signed(ManageUnits), units::leave),
        page("/log", Signed(ReadLog), log::list),
        form("/log", Signed(ReadLog), log::filter),
        form("/log/export", Signed(ExportLog), log::export),
        page("/log/{event}", Signed(ReadLog), log::entry),
        page("/log/{event}/proof", Signed(ReadLog), log::proof),
        page("/reviews", Signed(ReviewAccess), reviews::list),
        page("/reviews/emergency/{emergency}", Signed(ReviewAccess), reviews::emergency),
        form("/reviews/emergency/{emergency}", Signed(ReviewAccess), reviews::decide),
        form("/reviews/questions/{question}", Signed(ReviewAccess), reviews::answer),
        page("/reviews/clearances", Signed(ReviewAccess), clearances::page),
        form("/reviews/clearances/give", Signed(GrantClearance), clearances::clear),
        form("/reviews/clearances/end", Signed(ReviewAccess), clearances::unclear),
        page("/reviews/holds", Signed(ReviewAccess), holds::page),
        form("/reviews/holds", Signed(HoldPatient), holds::place),
        form("/reviews/holds/lift", Signed(HoldPatient), holds::lift),
        page("/reviews/unusual", Signed(ReviewAccess), unusual::list),
        page("/reviews/unusual/{case}", Signed(ReviewAccess), unusual::case),
        form("/reviews/unusual/{case}", Signed(ReviewAccess), unusual::decide),
        // Asks for `ExportLog` as well, which needs a fresh code.
        page("/reviews/unusual/{case}/export", Signed(ReviewAccess), unusual::export),
        page("/health", Signed(ReadHealth), health::page),
    ]
}

/// The rules, and why somebody may or may not.
fn policy() -> Vec<Route> {
    use crate::pages::policy;
    use Action::ExplainPolicy;
    use Guard::Signed;
    vec![
        page("/policy", Signed(ExplainPolicy), policy::list),
        form_page("/policy/explain", Signed(ExplainPolicy), policy::explain_page),
        form("/policy/explain", Signed(ExplainPolicy), policy::explain),
    ]
}

/// Service accounts.
fn services() -> Vec<Route> {
    use crate::pages::services;
    use Action::{ListServices, ManageServices};
    use Guard::Signed;
    vec![
        page("/services", Signed(ListServices), services::list),
        form_page("/services/new", Signed(ManageServices), services::new_page),
        form("/services/new", Signed(ManageServices), services::make),
        form("/services/{service}/rotate", Signed(ManageServices), services::rotate),
        form("/services/{service}/revoke", Signed(ManageServices), services::revoke),
    ]
}

/// What needs a second person.
fn requests() -> Vec<Route> {
    use crate::pages::requests;
    use Action::{AskApproval, DecideRequest};
    use Guard::Signed;
    vec![
        page("/requests", Signed(AskApproval), requests::list),
        form("/requests/ask", Signed(AskApproval), requests::ask),
        page("/requests/{request}", Signed(AskApproval), requests::detail),
        form("/requests/{request}/approve", Signed(DecideRequest), requests::approve),
        form("/requests/{request}/refuse", Signed(DecideRequest), requests::refuse),
        form("/requests/{request}/use", Signed(AskApproval), requests::use_approval),
    ]
}

/// Finding, registering and correcting patients; who cares for them.
fn patients() -> Vec<Route> {
    use crate::pages::{care_team, patients, proxies, requests};
    use Action::{
        AmendPatient, AssignCareTeam, CreatePatient, ErasePatient, GrantProxy, IssueActivationCode, LinkAccount, ReadDemographics,
        SearchPatients,
    };
    use Guard::Signed;
    vec![
        form_page("/patients", Signed(SearchPatients), patients::search_page),
        form("/patients", Signed(SearchPatients), patients::search),
        form_page("/patients/new", Signed(CreatePatient), patients::new_page),
        form("/patients/new", Signed(CreatePatient), patients::create),
        page("/patients/{patient}/details", Signed(ReadDemographics), patients::details),
        form_page("/patients/{patient}/edit", Signed(AmendPatient), patients::edit_page),
        form("/patients/{patient}/edit", Signed(AmendPatient), patients::edit),
        form_page("/patients/{patient}/account", Signed(LinkAccount), patients::account_page),
        form("/patients/{patient}/account", Signed(LinkAccount), patients::link_account),
        form("/patients/{patient}/proxies", Signed(GrantProxy), proxies::grant),
        form("/patients/{patient}/proxies/{proxy}/end", Signed(GrantProxy), proxies::end),
        form_page("/patients/{patient}/erase", Signed(ErasePatient), requests::ask_to_erase),
        form("/patients/{patient}/activation", Signed(IssueActivationCode), patients::issue_activation),
        form_page("/patients/{patient}/care-team", Signed(AssignCareTeam), care_team::page),
        form("/patients/{patient}/care-team", Signed(AssignCareTeam), care_team::assign),
        form("/patients/{patient}/unit", Signed(AssignCareTeam), care_team::place),
        form("/patients/{patient}/care-team/{member}/remove", Signed(AssignCareTeam), care_team::remove),
    ]
}

/// One patient's chart.
fn charts() -> Vec<Route> {
    use crate::pages::documents::UPLOAD_BYTES_MAX;
    use crate::pages::{chart, documents, emergency, my, records};
    use Action::{
        AmendRecord, AskAboutAccess, OpenChart, ReadAccessHistory, ReadDocument, ReadRecord, TakeEmergencyAccess, UploadDocument,
        VoidDocument, VoidRecord, WriteRecord,
    };
    use Guard::Signed;
    vec![
        page("/patients/{patient}", Signed(OpenChart), chart::summary),
        page("/patients/{patient}/access", Signed(ReadAccessHistory), chart::access),
        page("/patients/{patient}/access/{event}/proof", Signed(ReadAccessHistory), chart::proof),
        form_page("/patients/{patient}/access/{event}/ask", Signed(AskAboutAccess), my::ask_page),
        form("/patients/{patient}/access/{event}/ask", Signed(AskAboutAccess), my::ask),
        page("/patients/{patient}/emergency", Signed(TakeEmergencyAccess), emergency::page),
        form("/patients/{patient}/emergency", Signed(TakeEmergencyAccess), emergency::take),
        page("/patients/{patient}/records", Signed(ReadRecord), records::list),
        form_page("/patients/{patient}/records/new", Signed(WriteRecord), records::new_page),
        form("/patients/{patient}/records/new", Signed(WriteRecord), records::write),
        page("/patients/{patient}/records/{record}", Signed(ReadRecord), records::detail),
        form_page("/patients/{patient}/records/{record}/amend", Signed(AmendRecord), records::amend_page),
        form("/patients/{patient}/records/{record}/amend", Signed(AmendRecord), records::amend),
        form_page("/patients/{patient}/records/{record}/void", Signed(VoidRecord), records::void_page),
        form("/patients/{patient}/records/{record}/void", Signed(VoidRecord), records::void),
        page("/patients/{patient}/documents", Signed(ReadDocument), documents::list),
        upload("/patients/{patient}/documents", Signed(UploadDocument), UPLOAD_BYTES_MAX, documents::upload),
        page("/patients/{patient}/documents/{document}", Signed(ReadDocument), documents::detail),
        page("/patients/{patient}/documents/{document}/file", Signed(ReadDocument), documents::file),
        form_page("/patients/{patient}/documents/{document}/void", Signed(VoidDocument), documents::void_page),
        form("/patients/{patient}/documents/{document}/void", Signed(VoidDocument), documents::void),
    ]
}

/// Stroke assessments.
fn stroke() -> Vec<Route> {
    use crate::pages::stroke;
    use Action::{
        AmendAssessment, ExportAssessments, ImportAssessments, ListAssessments, ReadAssessment, SummariseAssessments, VoidAssessment,
        WriteAssessment,
    };
    use Guard::Signed;
    vec![
        page("/stroke", Signed(ListAssessments), stroke::list),
        page("/stroke/summary", Signed(SummariseAssessments), stroke::summary),
        form_page("/stroke/import", Signed(ImportAssessments), stroke::import_page),
        upload("/stroke/import", Signed(ImportAssessments), stroke::FILE_BYTES_MAX, stroke::check),
        form("/stroke/import/confirm", Signed(ImportAssessments), stroke::confirm),
        form_page("/stroke/export", Signed(ExportAssessments), stroke::export_page),
        form("/stroke/export", Signed(ExportAssessments), stroke::export),
        page("/patients/{patient}/stroke", Signed(ReadAssessment), stroke::of_patient),
        form_page("/patients/{patient}/stroke/new", Signed(WriteAssessment), stroke::new_page),
        form("/patients/{patient}/stroke/new", Signed(WriteAssessment), stroke::write),
        page("/patients/{patient}/stroke/{assessment}", Signed(ReadAssessment), stroke::detail),
        form_page("/patients/{patient}/stroke/{assessment}/amend", Signed(AmendAssessment), stroke::amend_page),
        form("/patients/{patient}/stroke/{assessment}/amend", Signed(AmendAssessment), stroke::amend),
        form_page("/patients/{patient}/stroke/{assessment}/void", Signed(VoidAssessment), stroke::void_page),
        form("/patients/{patient}/stroke/{assessment}/void", Signed(VoidAssessment), stroke::void),
    ]
}

/// A form into which somebody has put work that should not be lost.
fn holds_work(route: &Route) -> bool {
    let work = ["/patients", "/stroke", "/reviews"].iter().any(|area| route.path.starts_with(area));
    work && route.method == "POST" && route.body_max == FORM_BYTES_MAX
}

/// What the form that goes to this path does, with the ids of the path; `None` for one that holds no
/// work that is kept.
pub(crate) fn work(path: &str) -> Option<(Action, HashMap<String, String>)> {
    // A search and an export are made again sooner than found again.
    let again = ["/patients", "/stroke/export", "/stroke/import/confirm"];
    table().iter().filter(|route| holds_work(route) && !again.contains(&route.path)).find_map(|route| match route.guard {
        Guard::Signed(action) => Some((action, ids(route.path, path)?)),
        Guard::Public | Guard::Pending => None,
    })
}

/// The ids of a path that fits a template part by part.
fn ids(template: &str, path: &str) -> Option<HashMap<String, String>> {
    let (mut ids, mut given) = (HashMap::new(), path.split('/'));
    for part in template.split('/') {
        let given = given.next()?;
        match part.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => drop(ids.insert(name.to_owned(), given.to_owned())),
            None if part == given => {}
            None => return None,
        }
    }
    given.next().is_none().then_some(ids)
}

/// The whole site.
pub fn router(web: Web) -> Router {
    let mut router = Router::new();
    for route in table().into_iter().chain(crate::api::routes::table()) {
        let time = if route.body_max > FORM_BYTES_MAX { UPLOAD_TIME } else { REQUEST_TIME };
        let work = holds_work(&route);
        let mut handler = route.handler;
        if let (true, Guard::Signed(action)) = (route.asks_first, route.guard) {
            handler = handler.layer(from_fn_with_state((web.clone(), action), guard::ask_first));
        }
        if work {
            handler = handler.layer(from_fn_with_state(web.clone(), draft::keep));
        }
        let handler =
            handler.layer(DefaultBodyLimit::max(route.body_max.max(1024))).layer(from_fn_with_state((route.path, time), guard::in_time));
        router = router.route(route.path, handler);
    }
    router
        .fallback(crate::pages::site::nowhere)
        .method_not_allowed_fallback(crate::pages::site::wrong_method)
        .layer(from_fn_with_state(web.clone(), csrf::guard))
        .layer(from_fn_with_state(web.clone(), guard::observe))
        .layer(from_fn_with_state(web.clone(), headers::apply))
        .with_state(web)
}
