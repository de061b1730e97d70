//! Sign-in: password, code or recovery code, first enrolment; sign-out. Passkeys have a file of their own.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderValue, header};
use serde::Deserialize;
use wardkeep_app::Error;
use wardkeep_app::sign_in::{Next, PendingView, SignedIn};
use wardkeep_domain::FieldErrors;
use wardkeep_domain::account::password::Password;

use crate::cookies;
use crate::error::show;
use crate::extract::{Posted, Visitor, VisitorPosted};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::web::Web;

#[derive(Template)]
#[template(path = "sign_in/password.html")]
struct PasswordPage {
    page: Page,
    errors: FormErrors,
    problem: String,
    email: String,
    registration_open: bool,
    passkeys: bool,
    /// The provider's name; empty when there is none.
    sign_on: String,
}

pub async fn password_page(visitor: Visitor) -> Response {
    render(&password_template(&visitor, String::new(), String::new()))
}

pub(crate) fn password_template(visitor: &Visitor, email: String, problem: String) -> impl Template {
    let page = if problem.is_empty() { visitor.page("Sign in") } else { visitor.page("Sign in").failed() };
    let web = &visitor.web;
    let (registration_open, passkeys) = (web.app.hospital().registration_open, web.passkeys.is_some());
    let sign_on = web.settings.sign_on.as_ref().map(|provider| provider.label().to_owned()).unwrap_or_default();
    PasswordPage { page, errors: FormErrors::default(), problem, email, registration_open, passkeys, sign_on }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordForm {
    email: String,
    password: String,
}

pub async fn password(VisitorPosted { visitor, form }: VisitorPosted<PasswordForm>) -> Response {
    match visitor.web.app.sign_in(&visitor.visit, &form.email, &Password::typed(&form.password)).await {
        Ok(pending) => {
            let to = if pending.next == Next::Enrol { "/sign-in/enrol" } else { "/sign-in/code" };
            with_cookie(Redirect::to(to).into_response(), cookies::set(&visitor.web.settings, cookies::PENDING, &pending.token))
        }
        Err(error @ (Error::WrongCredentials | Error::Throttled { .. })) => {
            refused(&error, &password_template(&visitor, form.email, show(&error).words))
        }
        Err(error) => visitor.fail(&error),
    }
}

/// The same page again, with the status that the error calls for.
pub(crate) fn refused(error: &Error, template: &impl Template) -> Response {
    let shown = show(error);
    let mut response = render(template);
    *response.status_mut() = shown.status;
    if let Some(value) = shown.retry_after_s.and_then(|s| HeaderValue::from_str(&s.to_string()).ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

pub(crate) fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

#[derive(Template)]
#[template(path = "sign_in/code.html")]
struct CodePage {
    page: Page,
    email: String,
    problem: String,
    /// There is no app: a passkey is used.
    passkey_only: bool,
    passkeys: bool,
}

fn code_template(visitor: &Visitor, pending: PendingView, problem: String) -> CodePage {
    let passkey_only = pending.next == Next::Passkey;
    let page = visitor.page(if passkey_only { "Use your passkey" } else { "Enter your code" });
    let page = if problem.is_empty() { page } else { page.failed() };
    CodePage { page, email: pending.email, problem, passkey_only, passkeys: visitor.web.passkeys.is_some() }
}

#[derive(Template)]
#[template(path = "sign_in/recovery.html")]
struct RecoveryPage {
    page: Page,
    email: String,
    problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeForm {
    code: String,
}

pub async fn code_page(visitor: Visitor) -> Response {
    match visitor.web.app.pending(&visitor.visit, &visitor.pending_token()).await {
        Ok(pending) if pending.next == Next::Enrol => Redirect::to("/sign-in/enrol").into_response(),
        Ok(pending) => render(&code_template(&visitor, pending, String::new())),
        Err(error) => visitor.fail(&error),
    }
}

pub async fn code(VisitorPosted { visitor, form }: VisitorPosted<CodeForm>) -> Response {
    let token = visitor.pending_token();
    match visitor.web.app.sign_in_code(&visitor.visit, &token, form.code.trim()).await {
        Ok(signed) => signed_in(&visitor.web, &visitor, signed),
        Err(error @ (Error::WrongCredentials | Error::Throttled { .. })) => match visitor.web.app.pending(&visitor.visit, &token).await {
            Ok(pending) => refused(&error, &code_template(&visitor, pending, problem(&error))),
            Err(error) => visitor.fail(&error),
        },
        Err(error) => visitor.fail(&error),
    }
}

pub async fn recovery_page(visitor: Visitor) -> Response {
    match visitor.web.app.pending(&visitor.visit, &visitor.pending_token()).await {
        Ok(pending) => render(&RecoveryPage { page: visitor.page("Enter a recovery code"), email: pending.email, problem: String::new() }),
        Err(error) => visitor.fail(&error),
    }
}

pub async fn recovery(VisitorPosted { visitor, form }: VisitorPosted<CodeForm>) -> Response {
    let token = visitor.pending_token();
    match visitor.web.app.sign_in_recovery(&visitor.visit, &token, form.code.trim()).await {
        Ok(signed) => signed_in(&visitor.web, &visitor, signed),
        Err(error @ (Error::WrongCredentials | Error::Throttled { .. })) => match visitor.web.app.pending(&visitor.visit, &token).await {
            Ok(pending) => refused(
                &error,
                &RecoveryPage { page: visitor.page("Enter a recovery code").failed(), email: pending.email, problem: problem(&error) },
            ),
            Err(error) => visitor.fail(&error),
        },
        Err(error) => visitor.fail(&error),
    }
}

/// What was wrong with a code, in words for the page that asks for it.
pub(crate) fn problem(error: &Error) -> String {
    match error {
        Error::WrongCredentials => "That code is not right, or was used already. Wait for the next one and try again.".to_owned(),
        other => show(other).words,
    }
}

/// The picture for the authenticator app: side length in modules, and one SVG path.
pub struct Qr {
    pub size: usize,
    pub path: String,
}

/// Draws a QR code as an SVG path with a quiet zone of two modules.
#[must_use]
pub fn qr(text: &str) -> Option<Qr> {
    let code = qrcode::QrCode::new(text.as_bytes()).ok()?;
    let width = code.width();
    let dark = code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == qrcode::Color::Dark);
    let path = dark.map(|(at, _)| format!("M{} {}h1v1h-1z", at % width + 2, at / width + 2)).collect();
    Some(Qr { size: width + 4, path })
}

#[derive(Template)]
#[template(path = "sign_in/enrol.html")]
struct EnrolPage {
    page: Page,
    errors: FormErrors,
    email: String,
    key: String,
    qr: Qr,
    passkeys: bool,
    /// Of a new passkey, as typed.
    new_name: String,
}

pub async fn enrol_page(visitor: Visitor) -> Response {
    match enrol_template(&visitor, FormErrors::default(), String::new()).await {
        Ok(template) => render(&template),
        Err(error) => visitor.fail(&error),
    }
}

async fn enrol_template(visitor: &Visitor, errors: FormErrors, new_name: String) -> Result<EnrolPage, Error> {
    let token = visitor.pending_token();
    let pending = visitor.web.app.pending(&visitor.visit, &token).await?;
    let enrolment = visitor.web.app.enrolment(&visitor.visit, &token).await?;
    let qr = qr(&enrolment.uri).ok_or_else(|| Error::Internal("the QR code does not fit".to_owned()))?;
    let page = visitor.page("Set up your second factor");
    let page = if errors.is_empty() { page } else { page.failed() };
    Ok(EnrolPage { page, errors, email: pending.email, key: enrolment.key, qr, passkeys: visitor.web.passkeys.is_some(), new_name })
}

/// The enrolment page after a try that failed.
pub(crate) async fn enrol_again(visitor: &Visitor, errors: FieldErrors, name: String) -> Response {
    match enrol_template(visitor, errors.into(), name).await {
        Ok(template) => render_invalid(&template),
        Err(error) => visitor.fail(&error),
    }
}

pub async fn enrol(VisitorPosted { visitor, form }: VisitorPosted<CodeForm>) -> Response {
    match visitor.web.app.enrol(&visitor.visit, &visitor.pending_token(), form.code.trim()).await {
        Ok(signed) => signed_in(&visitor.web, &visitor, signed),
        Err(Error::Invalid(errors)) => enrol_again(&visitor, errors, String::new()).await,
        Err(error) => visitor.fail(&error),
    }
}

#[derive(Template)]
#[template(path = "sign_in/recovery_codes.html")]
pub struct RecoveryCodesPage {
    pub page: Page,
    pub codes: Vec<String>,
    /// What the person must be told beside; empty for nothing.
    pub words: String,
    pub next: &'static str,
}

#[derive(Template)]
#[template(path = "sign_in/told.html")]
struct ToldPage {
    page: Page,
    words: String,
    next: &'static str,
}

/// Sets the session cookie, drops the pending one, and shows what must be seen once.
pub(crate) fn signed_in(web: &Web, visitor: &Visitor, signed: SignedIn) -> Response {
    finished(web, visitor, signed, |to| Redirect::to(to).into_response())
}

/// The same; `on` leads to the first page when nothing must be seen before.
pub(crate) fn finished(web: &Web, visitor: &Visitor, signed: SignedIn, on: impl FnOnce(&'static str) -> Response) -> Response {
    let next = if signed.drafts { "/drafts" } else { "/" };
    let response = match (signed.recovery_codes, signed.notice) {
        (Some(codes), words) => {
            let (page, words) = (visitor.page("Recovery codes"), words.unwrap_or_default());
            render(&RecoveryCodesPage { page, codes, words, next })
        }
        (None, Some(words)) => render(&ToldPage { page: visitor.page("Please read"), words, next }),
        (None, None) => on(next),
    };
    let response = with_cookie(response, cookies::set(&web.settings, cookies::SESSION, &signed.token));
    with_cookie(response, cookies::clear(&web.settings, cookies::PENDING))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

pub async fn sign_out(Posted { signed, .. }: Posted<Empty>) -> Response {
    match signed.web.app.sign_out(&signed.ctx).await {
        Ok(()) => {
            let response = done(&signed.web, "/sign-in", "signed-out");
            let mut response = with_cookie(response, cookies::clear(&signed.web.settings, cookies::SESSION));
            response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\", \"storage\""));
            response
        }
        Err(error) => signed.fail(&error),
    }
}
