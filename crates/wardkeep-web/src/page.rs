//! The chrome around every page: title, navigation for the role, notice, theme, form token.

use askama::Template;
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode, header};
use wardkeep_app::Ctx;
use wardkeep_domain::FieldErrors;
use wardkeep_domain::account::{Role, session};
use wardkeep_domain::emergency::Emergency;

use crate::cookies;
use crate::web::Web;

/// One entry of the main navigation; at most five for a role.
#[derive(Clone, Debug)]
pub struct NavItem {
    pub href: &'static str,
    pub icon: &'static str,
    pub label: &'static str,
    pub current: bool,
}

/// Who is signed in, for the account menu.
#[derive(Clone, Debug)]
pub struct User {
    pub name: String,
    pub initials: String,
    pub role: Role,
    /// The session ends after this long without a request.
    pub idle_ms: i64,
    /// The page warns this long before.
    pub idle_warning_ms: i64,
}

/// One emergency access in the bar.
#[derive(Clone, Debug)]
pub struct EmergencyBar {
    /// `/patients/{id}`.
    pub chart: String,
    /// Where the end is posted to.
    pub end: String,
    /// `14:52`.
    pub until: String,
    pub left_ms: i64,
}

/// What every template needs. Put it first in a template's struct as `page`.
#[derive(Clone, Debug)]
pub struct Page {
    pub title: String,
    pub hospital: String,
    pub demo: bool,
    pub nav: Vec<NavItem>,
    pub user: Option<User>,
    /// `light`, `dark` or empty.
    pub theme: String,
    /// Path of this page, for coming back after the theme was switched.
    pub path: String,
    /// Goes into every form as `csrf`.
    pub csrf: String,
    pub notice: Option<Notice>,
    /// Emergency access that this session holds: a bar on every page.
    pub emergencies: Vec<EmergencyBar>,
    /// Set when a form came back with errors: the title starts with `Error: `.
    pub failed: bool,
    /// The draft that the forms of this page go on with; else empty.
    pub draft: String,
    /// Something is kept that was not saved.
    pub unsaved: bool,
    pub request: [u8; 16],
    pub version: &'static str,
}

/// A notice shown once on the page after a change; fixed texts only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    pub code: &'static str,
    pub words: &'static str,
}

/// Every notice there is. The cookie carries the code.
pub const NOTICES: &[Notice] = &[
    Notice { code: "signed-out", words: "You are signed out." },
    Notice { code: "registered", words: "If this address was new, the account is open now. Sign in to set up your second factor." },
    Notice { code: "account-ready", words: "The account is ready. Sign in to set up your second factor." },
    Notice { code: "password-changed", words: "The password is changed. All other sessions have ended." },
    Notice { code: "draft-kept", words: "Your session had ended. What you typed is kept: sign in, and go on with it." },
    Notice { code: "draft-dropped", words: "It is thrown away." },
    Notice { code: "sign-on-linked", words: "Linked. You can sign in this way from now on." },
    Notice { code: "sign-on-removed", words: "The link is removed." },
    Notice { code: "session-ended", words: "The session has ended." },
    Notice { code: "sessions-ended", words: "All other sessions have ended." },
    Notice { code: "account-sessions-ended", words: "All sessions of this account have ended." },
    Notice { code: "confirmed", words: "Confirmed. For five minutes you can do what needs a fresh code." },
    Notice { code: "suspended", words: "The account is suspended and its sessions have ended." },
    Notice { code: "reinstated", words: "The account is active again." },
    Notice { code: "factor-reset", words: "The second factor is removed. The person sets up a new one at the next sign-in." },
    Notice { code: "passkey-added", words: "The passkey is set up. You can sign in with it alone." },
    Notice { code: "passkey-removed", words: "The passkey is removed here. Delete it on its device too." },
    Notice { code: "app-added", words: "The authenticator app is set up." },
    Notice { code: "app-removed", words: "The authenticator app is removed. Its codes no longer count." },
    Notice { code: "approval-asked", words: "Your request waits for a second person. It stands here until it is decided on." },
    Notice { code: "approval-given", words: "The request is approved. Who asked may do it once, within an hour." },
    Notice { code: "approval-refused", words: "The request is refused. Who asked sees your note." },
    Notice { code: "service-revoked", words: "The service account is revoked. Its next call is refused." },
    Notice { code: "linked", words: "The account is linked to this patient." },
    Notice { code: "activated", words: "Your account is linked to your record." },
    Notice { code: "patient-created", words: "The patient is registered." },
    Notice { code: "patient-amended", words: "The patient's details are corrected." },
    Notice { code: "patient-erased", words: "The patient is erased. Nothing of the record can be read any more." },
    Notice { code: "hold-placed", words: "The record is on hold. Nobody can erase it until you lift the hold." },
    Notice { code: "hold-lifted", words: "The hold is lifted." },
    Notice { code: "care-team-changed", words: "The care team is changed." },
    Notice { code: "record-written", words: "The record is signed and in the log." },
    Notice { code: "record-amended", words: "The record is amended. The earlier version stays readable." },
    Notice { code: "record-voided", words: "The record is voided. Its text stays readable." },
    Notice { code: "document-uploaded", words: "The document is filed." },
    Notice { code: "document-voided", words: "The document is voided." },
    Notice { code: "assessment-written", words: "The assessment is signed and in the log." },
    Notice { code: "assessment-amended", words: "The assessment is amended. The earlier version stays readable." },
    Notice { code: "assessment-voided", words: "The assessment is voided." },
    Notice { code: "cleared", words: "The permissions are changed. It counts with the next request." },
    Notice { code: "units-changed", words: "The units are changed. It counts with the next request." },
    Notice { code: "proxy-granted", words: "The proxy may read this record on the days you entered." },
    Notice { code: "proxy-ended", words: "The proxy has ended." },
    Notice { code: "emergency-opened", words: "The record is open to you for 60 minutes. The patient and the privacy officer are told." },
    Notice { code: "emergency-ended", words: "The emergency access has ended." },
    Notice { code: "reviewed", words: "The review is closed. The patient reads your decision." },
    Notice { code: "case-closed", words: "The case is closed. It comes back when a newer access is unusual." },
    Notice { code: "asked", words: "Your question is sent to the privacy officer. The answer appears here." },
    Notice { code: "answered", words: "The answer is sent." },
    Notice { code: "imported", words: "The file is imported." },
    Notice { code: "import-unchanged", words: "Everything in this file is here already. Nothing was changed." },
];

impl Page {
    /// For somebody who has not signed in.
    #[must_use]
    pub fn visitor(web: &Web, headers: &HeaderMap, request: [u8; 16], title: &str) -> Self {
        let hospital = web.app.hospital();
        Self {
            title: title.to_owned(),
            hospital: hospital.name.clone(),
            demo: hospital.demo,
            nav: Vec::new(),
            user: None,
            theme: cookies::get(&web.settings, headers, cookies::THEME).filter(|t| t == "light" || t == "dark").unwrap_or_default(),
            path: "/".to_owned(),
            csrf: String::new(),
            emergencies: Vec::new(),
            notice: cookies::get(&web.settings, headers, cookies::NOTICE).and_then(|code| NOTICES.iter().find(|n| n.code == code).copied()),
            failed: false,
            draft: String::new(),
            unsaved: false,
            request,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// For a signed-in person; `path` marks the current navigation entry.
    #[must_use]
    pub fn signed(web: &Web, headers: &HeaderMap, ctx: &Ctx, path: &str, title: &str) -> Self {
        let role = ctx.role().unwrap_or(Role::Patient);
        let name = ctx.account().map(|a| a.display_name.clone()).unwrap_or_default();
        let initials = name
            .split_whitespace()
            .filter_map(|word| word.chars().next())
            .filter(|c| c.is_alphabetic())
            .take(2)
            .collect::<String>()
            .to_uppercase();
        // Of two entries that lead here, the longer one is the page: `/stroke` and `/stroke/summary`.
        let mut entries = nav(role);
        if ctx.account().is_some_and(|account| !account.proxies.is_empty()) {
            entries.insert(
                entries.len().saturating_sub(1),
                NavItem { href: "/my/others", icon: "users-round", label: "For others", current: false },
            );
        }
        let here = entries.iter().filter(|item| is_current(item.href, path)).map(|item| item.href.len()).max();
        let nav = entries.into_iter().map(|item| NavItem { current: is_current(item.href, path) && Some(item.href.len()) == here, ..item });
        let nav = nav.collect();
        Self {
            user: Some(User { name, initials, role, idle_ms: web.app.idle_ms(role), idle_warning_ms: session::IDLE_WARNING_MS }),
            nav,
            path: path.to_owned(),
            csrf: ctx.form_token().to_owned(),
            emergencies: emergencies(ctx),
            ..Self::visitor(web, headers, ctx.visit().request, title)
        }
    }

    #[must_use]
    pub fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }
    /// For a form that came back with errors.
    #[must_use]
    pub fn failed(mut self) -> Self {
        self.failed = true;
        self
    }
    #[must_use]
    pub fn is_patient(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.role == Role::Patient)
    }
    #[must_use]
    pub fn is_staff(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.role.is_staff())
    }
}

fn emergencies(ctx: &Ctx) -> Vec<EmergencyBar> {
    let held = ctx.session().map(|session| session.emergencies.as_slice()).unwrap_or_default();
    let bar = |emergency: &Emergency| EmergencyBar {
        chart: format!("/patients/{}", emergency.patient),
        end: format!("/emergency/{}/end", emergency.id),
        until: emergency.until.rfc3339().get(11..16).unwrap_or_default().to_owned(),
        left_ms: emergency.until.since_ms(ctx.now()),
    };
    held.iter().filter(|emergency| emergency.is_live(ctx.now())).map(bar).collect()
}

fn is_current(href: &str, path: &str) -> bool {
    if href == "/" { path == "/" } else { path == href || path.strip_prefix(href).is_some_and(|rest| rest.starts_with('/')) }
}

/// The main navigation of a role.
fn nav(role: Role) -> Vec<NavItem> {
    let item = |href, icon, label| NavItem { href, icon, label, current: false };
    match role {
        Role::Doctor => vec![
            item("/", "layout-dashboard", "Worklist"),
            item("/patients", "users", "Patients"),
            item("/stroke", "clipboard-list", "Stroke"),
            item("/stroke/summary", "chart-line", "Summary"),
        ],
        Role::Nurse => vec![
            item("/", "layout-dashboard", "Worklist"),
            item("/patients", "users", "Patients"),
            item("/stroke", "clipboard-list", "Stroke"),
        ],
        Role::Registrar => vec![
            item("/", "layout-dashboard", "Overview"),
            item("/patients", "users", "Patients"),
            item("/requests", "user-round-check", "Requests"),
        ],
        Role::Administrator => vec![
            item("/", "layout-dashboard", "Overview"),
            item("/accounts", "users", "Accounts"),
            item("/log", "history", "Log"),
            item("/requests", "user-round-check", "Requests"),
            item("/health", "settings", "Health"),
        ],
        Role::PrivacyOfficer => vec![
            item("/", "layout-dashboard", "Overview"),
            item("/reviews", "shield-alert", "Reviews"),
            item("/log", "history", "Log"),
            item("/requests", "user-round-check", "Requests"),
            item("/policy", "scroll-text", "Policy"),
        ],
        Role::StrokeCoordinator => vec![
            item("/", "layout-dashboard", "Worklist"),
            item("/stroke", "clipboard-list", "Stroke"),
            item("/stroke/summary", "chart-line", "Summary"),
        ],
        Role::Researcher => vec![item("/stroke/summary", "chart-line", "Summary"), item("/stroke/export", "download", "Export")],
        Role::Patient => vec![
            item("/my/access", "eye", "Who looked"),
            item("/my/record", "file-text", "My record"),
            item("/my/documents", "folder", "Documents"),
            item("/security", "settings", "Settings"),
        ],
    }
}

/// Renders a template as HTML.
#[must_use]
pub fn render(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a template failed");
            (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong. Nothing was changed.").into_response()
        }
    }
}

/// Renders a form that came back with errors (422).
#[must_use]
pub fn render_invalid(template: &impl Template) -> Response {
    let mut response = render(template);
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    response
}

/// After a change: 303 to `path` with a notice shown there once.
#[must_use]
pub fn done(web: &Web, path: &str, notice: &'static str) -> Response {
    let mut response = Redirect::to(path).into_response();
    if let Some(value) = cookies::set(&web.settings, cookies::NOTICE, notice) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// Errors of a form, looked up by field in templates: `errors.of("mrn")`.
#[derive(Clone, Debug, Default)]
pub struct FormErrors(pub FieldErrors);

impl FormErrors {
    #[must_use]
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.0.iter().find(|error| error.field == field).map(|error| error.message.as_str())
    }
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    #[must_use]
    pub fn list(&self) -> &[wardkeep_domain::FieldError] {
        &self.0.0
    }
}

impl From<FieldErrors> for FormErrors {
    fn from(errors: FieldErrors) -> Self {
        Self(errors)
    }
}
