//! The own account: password, second factors, recovery codes, sessions; confirming with a fresh code.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderValue, header};
use serde::Deserialize;
use wardkeep_app::accounts::OwnAccount;
use wardkeep_app::sessions::SessionView;
use wardkeep_app::sign_in::{HappeningView, PasskeyView};
use wardkeep_app::{Error, Result};
use wardkeep_domain::account::Role;
use wardkeep_domain::date::Moment;
use wardkeep_domain::{FieldError, FieldErrors, SessionId};

use crate::cookies;
use crate::error::show;
use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::pages::passkeys::NOT_HERE;
use crate::pages::patients::Nothing;
use crate::pages::requests::ask_instead;
use crate::pages::sign_in::{RecoveryCodesPage, problem, with_cookie};

/// At this few recovery codes the page asks for new ones.
const CODES_LOW: usize = 3;

/// A session as listed.
struct Line {
    id: String,
    device: String,
    address: String,
    since: String,
    used: String,
    current: bool,
    icon: &'static str,
}

impl Line {
    fn new(signed: &Signed, view: SessionView) -> Self {
        let icon = if view.device.contains("Android") || view.device.contains("iOS") { "smartphone" } else { "monitor" };
        Self {
            id: view.id.to_string(),
            since: when(signed, view.created_at),
            used: when(signed, view.last_used),
            device: view.device,
            address: view.address,
            current: view.current,
            icon,
        }
    }
}

/// A passkey as listed.
struct PasskeyLine {
    id: String,
    name: String,
    kept: &'static str,
    added: String,
    used: String,
    suspect: Option<String>,
}

impl PasskeyLine {
    fn new(signed: &Signed, view: PasskeyView) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.name,
            kept: if view.backed_up { "Kept by a password manager" } else { "On one device" },
            added: when(signed, view.added_at),
            used: view.last_used.map_or_else(|| "Not used yet".to_owned(), |at| format!("Last used {}", when(signed, at))),
            suspect: view.suspect_since.map(|at| when(signed, at)),
        }
    }
}

/// What happened to a way in, as listed.
struct Happened {
    words: String,
    at: String,
    /// Empty when somebody else did it.
    place: String,
}

impl Happened {
    fn new(signed: &Signed, view: HappeningView) -> Self {
        let place = if view.address.is_empty() { String::new() } else { format!("{}, {}", view.device, view.address) };
        Self { words: view.words, at: when(signed, view.at), place }
    }
}

/// Single sign-on, as shown.
struct SignOnPart {
    label: String,
    /// Empty when nothing is linked.
    since: String,
}

#[derive(Template)]
#[template(path = "security/security.html")]
struct SecurityPage {
    page: Page,
    errors: FormErrors,
    name: String,
    email: String,
    has_password: bool,
    /// For staff, where the hospital has a sign-in service of its own.
    sign_on: Option<SignOnPart>,
    password_changed: String,
    /// Empty when there is none.
    authenticator_since: String,
    passkeys: Vec<PasskeyLine>,
    /// How many of them are accepted.
    passkeys_ok: usize,
    /// Can passkeys be used where this site is?
    passkeys_here: bool,
    not_here: &'static str,
    /// Of a new passkey, as typed.
    new_name: String,
    codes_left: usize,
    codes_low: bool,
    fresh: bool,
    unlinked: bool,
    sessions: Vec<Line>,
    lately: Vec<Happened>,
}

fn when(signed: &Signed, at: Moment) -> String {
    if signed.ctx.role() == Some(Role::Patient) { at.patient() } else { at.staff() }
}

async fn template(signed: &Signed, errors: FormErrors, new_name: String) -> Result<SecurityPage> {
    let own: OwnAccount = signed.web.app.own_account(&signed.ctx).await?;
    let sessions = signed.web.app.own_sessions(&signed.ctx).await?;
    let known = |at: Option<Moment>| at.map_or_else(|| "Not recorded".to_owned(), |at| when(signed, at));
    let page = signed.page("Security and sessions");
    Ok(SecurityPage {
        page: if errors.is_empty() { page } else { page.failed() },
        errors,
        name: own.account.display_name.clone(),
        email: own.account.email.as_str().to_owned(),
        has_password: own.has_password,
        sign_on: signed.web.settings.sign_on.as_ref().filter(|_| own.account.role.is_staff()).map(|provider| SignOnPart {
            label: provider.label().to_owned(),
            since: own.account.sign_on.as_ref().map(|link| when(signed, link.linked_at)).unwrap_or_default(),
        }),
        password_changed: known(own.password_changed_at),
        authenticator_since: own.authenticator_since.map(|at| when(signed, at)).unwrap_or_default(),
        passkeys_ok: own.passkeys.iter().filter(|view| view.suspect_since.is_none()).count(),
        passkeys: own.passkeys.into_iter().map(|view| PasskeyLine::new(signed, view)).collect(),
        passkeys_here: signed.web.passkeys.is_some(),
        not_here: NOT_HERE,
        new_name,
        codes_left: own.recovery_codes_left,
        codes_low: own.recovery_codes_left <= CODES_LOW,
        fresh: signed.ctx.is_fresh(),
        unlinked: own.account.role == Role::Patient && own.account.patient.is_none(),
        sessions: sessions.into_iter().map(|view| Line::new(signed, view)).collect(),
        lately: own.lately.into_iter().map(|view| Happened::new(signed, view)).collect(),
    })
}

pub async fn page(signed: Signed) -> Response {
    match template(&signed, FormErrors::default(), String::new()).await {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}

/// What the password form posts. It has no `Debug`: it must not get into a log.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordForm {
    password: String,
    new_password: String,
    new_password_again: String,
}

pub async fn change_password(Posted { signed, form }: Posted<PasswordForm>) -> Response {
    let changed = signed.web.app.change_password(&signed.ctx, &form.password, &form.new_password, &form.new_password_again).await;
    match changed {
        Ok(()) => done(&signed.web, "/security", "password-changed"),
        Err(Error::Invalid(errors)) => match template(&signed, errors.into(), String::new()).await {
            Ok(page) => render_invalid(&page),
            Err(error) => signed.fail(&error),
        },
        Err(error) => fail_or_confirm(&signed, &error, "/security"),
    }
}

pub async fn new_recovery_codes(Posted { signed, .. }: Posted<Nothing>) -> Response {
    match signed.web.app.new_recovery_codes(&signed.ctx).await {
        Ok(codes) => {
            let page = signed.page("Recovery codes");
            render(&RecoveryCodesPage { page, codes, words: String::new(), next: "/security" })
        }
        Err(error) => fail_or_confirm(&signed, &error, "/security"),
    }
}

pub async fn end_session(Path(session): Path<String>, Posted { signed, .. }: Posted<Nothing>) -> Response {
    let ended = match SessionId::parse(&session) {
        Some(id) => signed.web.app.revoke_session(&signed.ctx, id).await,
        None => Err(Error::NotFound),
    };
    match ended {
        Ok(()) => done(&signed.web, "/security", "session-ended"),
        Err(error) => signed.fail(&error),
    }
}

pub async fn end_other_sessions(Posted { signed, .. }: Posted<Nothing>) -> Response {
    match signed.web.app.revoke_other_sessions(&signed.ctx).await {
        Ok(_) => done(&signed.web, "/security", "sessions-ended"),
        Err(error) => signed.fail(&error),
    }
}

/// A change of factors that was refused, said on the page itself at the section `about`.
pub(crate) async fn refused_change(signed: &Signed, error: &Error, about: &'static str, new_name: String) -> Response {
    let errors = match error {
        Error::Invalid(errors) => errors.clone(),
        Error::Refused(words) => FieldErrors::from(FieldError::new(about, words.clone())),
        error => return fail_or_confirm(signed, error, "/security"),
    };
    match template(signed, errors.into(), new_name).await {
        Ok(page) => {
            let mut response = render_invalid(&page);
            *response.status_mut() = show(error).status;
            response
        }
        Err(error) => signed.fail(&error),
    }
}

/// A denial that a fresh code would turn leads to the confirmation page and from there to `back`;
/// what one person may not do alone leads to the form that asks for a second one.
pub(crate) fn fail_or_confirm(signed: &Signed, error: &Error, back: &str) -> Response {
    match error {
        Error::Denied(denial) if denial.step_up => Redirect::to(&format!("/security/confirm?next={back}")).into_response(),
        Error::SecondPerson(kind) => ask_instead(signed, kind, error),
        error => signed.fail(error),
    }
}

/// A path of this site, read component by component: `/`, or `/` and plain parts. No query, no
/// host, no escapes, no dots that climb; anything else is `None`.
#[must_use]
pub fn local_path(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('/')?;
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    (text.len() <= 256 && (rest.is_empty() || rest.split('/').all(plain))).then_some(text)
}

#[derive(Template)]
#[template(path = "security/confirm.html")]
struct ConfirmPage {
    page: Page,
    errors: FormErrors,
    next: String,
    app: bool,
    passkeys: bool,
}

/// Where to go afterwards.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct NextQuery {
    next: String,
}

async fn confirm_template(signed: &Signed, next: &str, errors: FormErrors) -> Result<ConfirmPage> {
    let own = signed.web.app.own_account(&signed.ctx).await?;
    let page = signed.page("Confirm it is you");
    let next = local_path(next).unwrap_or("/security").to_owned();
    let passkeys = signed.web.passkeys.is_some() && own.passkeys.iter().any(|passkey| passkey.suspect_since.is_none());
    let page = if errors.is_empty() { page } else { page.failed() };
    Ok(ConfirmPage { page, errors, next, app: own.authenticator_since.is_some(), passkeys })
}

pub async fn confirm_page(signed: Signed, Query(query): Query<NextQuery>) -> Response {
    match confirm_template(&signed, &query.next, FormErrors::default()).await {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmForm {
    code: String,
    next: String,
}

pub async fn confirm(Posted { signed, form }: Posted<ConfirmForm>) -> Response {
    match signed.web.app.step_up(&signed.ctx, form.code.trim()).await {
        Ok(token) => confirmed(&signed, &form.next, &token),
        Err(error @ (Error::WrongCredentials | Error::Throttled { .. })) => {
            not_confirmed(&signed, &form.next, &error, "code", problem(&error)).await
        }
        Err(error) => signed.fail(&error),
    }
}

/// On to where the confirmation was asked for. The session has a new token: whoever held the old
/// one holds nothing.
pub(crate) fn confirmed(signed: &Signed, next: &str, token: &str) -> Response {
    let response = done(&signed.web, local_path(next).unwrap_or("/security"), "confirmed");
    with_cookie(response, cookies::set(&signed.web.settings, cookies::SESSION, token))
}

/// The page again, with what was wrong at `field`.
pub(crate) async fn not_confirmed(signed: &Signed, next: &str, error: &Error, field: &'static str, words: String) -> Response {
    let shown = show(error);
    let errors = FieldErrors(vec![FieldError::new(field, words)]);
    match confirm_template(signed, next, errors.into()).await {
        Ok(page) => {
            let mut response = render_invalid(&page);
            if let Some(value) = shown.retry_after_s.and_then(|seconds| HeaderValue::from_str(&seconds.to_string()).ok()) {
                *response.status_mut() = shown.status;
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
            response
        }
        Err(error) => signed.fail(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::local_path;

    #[test]
    fn only_plain_paths_of_this_site_are_followed() {
        for good in ["/", "/log", "/patients/0190-a/records", "/static/app.css"] {
            assert_eq!(local_path(good), Some(good));
        }
        let bad = [
            "",
            "log",
            "//evil.example",
            "/\\evil.example",
            "/a//b",
            "/..",
            "/a/../b",
            "/a?x=1",
            "/a#b",
            "/%2f%2fevil",
            "https://evil.example",
            "/a/",
            "/a b",
        ];
        for bad in bad {
            assert_eq!(local_path(bad), None, "{bad}");
        }
    }
}
