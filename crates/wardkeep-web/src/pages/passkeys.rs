//! Passkeys in the browser: a question as JSON with its ticket in a cookie, and the answer in a form.
//!
//! The script asks for the question when somebody presses the button, so that it is fresh however
//! long the page was open, and puts the authenticator's answer into the form's hidden field.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use wardkeep_app::sign_in::{Question, RelyingParty};
use wardkeep_app::{Error, Result};
use wardkeep_domain::PasskeyId;

use crate::cookies;
use crate::error::show;
use crate::extract::{Posted, Signed, Visitor, VisitorPosted};
use crate::page::done;
use crate::pages::patients::Nothing;
use crate::pages::security::{confirmed, not_confirmed, refused_change};
use crate::pages::sign_in::{enrol_again, password_template, refused, signed_in, with_cookie};
use crate::web::Web;

/// Why there is no button.
pub const NOT_HERE: &str = "Passkeys work where this site is opened by its name over HTTPS. Here it is opened by an address of digits. \
    To try passkeys on this computer, start the server with --origin http://localhost and its port.";

pub(crate) fn site(web: &Web) -> Result<&RelyingParty> {
    web.passkeys.as_ref().ok_or_else(|| Error::Refused(NOT_HERE.to_owned()))
}

fn ticket(web: &Web, headers: &HeaderMap) -> String {
    cookies::get(&web.settings, headers, cookies::PASSKEY).unwrap_or_default()
}

fn question(web: &Web, question: Question) -> Response {
    let response = ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], question.options).into_response();
    with_cookie(response, cookies::set(&web.settings, cookies::PASSKEY, &question.ticket))
}

/// The question was answered: its ticket goes.
fn answered(web: &Web, response: Response) -> Response {
    with_cookie(response, cookies::clear(&web.settings, cookies::PASSKEY))
}

pub async fn ask_sign_in(visitor: Visitor) -> Response {
    match site(&visitor.web).and_then(|site| visitor.web.app.ask_passkey(&visitor.visit, site)) {
        Ok(asked) => question(&visitor.web, asked),
        Err(error) => visitor.fail(&error),
    }
}

/// What an authenticator answered. It has no `Debug`: it must not get into a log.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerForm {
    answer: String,
}

pub async fn sign_in(VisitorPosted { visitor, form }: VisitorPosted<AnswerForm>) -> Response {
    let web = &visitor.web;
    let signed = async {
        let ticket = ticket(web, &visitor.headers);
        web.app.sign_in_passkey(&visitor.visit, site(web)?, &ticket, &form.answer).await
    };
    let response = match signed.await {
        Ok(signed) => signed_in(web, &visitor, signed),
        Err(error @ (Error::WrongCredentials | Error::Throttled { .. } | Error::Refused(_))) => {
            refused(&error, &password_template(&visitor, String::new(), problem(&error)))
        }
        Err(error) => visitor.fail(&error),
    };
    answered(web, response)
}

fn problem(error: &Error) -> String {
    match error {
        Error::WrongCredentials => "This passkey was not accepted. Try another one, or use your password.".to_owned(),
        other => show(other).words,
    }
}

pub async fn ask_first(visitor: Visitor) -> Response {
    let asked = async { visitor.web.app.ask_first_passkey(&visitor.visit, site(&visitor.web)?, &visitor.pending_token()).await };
    match asked.await {
        Ok(asked) => question(&visitor.web, asked),
        Err(error) => visitor.fail(&error),
    }
}

/// A new passkey.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewForm {
    name: String,
    answer: String,
}

pub async fn first(VisitorPosted { visitor, form }: VisitorPosted<NewForm>) -> Response {
    let web = &visitor.web;
    let token = visitor.pending_token();
    let signed = async {
        let ticket = ticket(web, &visitor.headers);
        web.app.enrol_passkey(&visitor.visit, site(web)?, &token, &ticket, &form.name, &form.answer).await
    };
    let response = match signed.await {
        Ok(signed) => signed_in(web, &visitor, signed),
        Err(Error::Invalid(errors)) => enrol_again(&visitor, errors, form.name).await,
        Err(error) => visitor.fail(&error),
    };
    answered(web, response)
}

pub async fn ask_new(signed: Signed) -> Response {
    let asked = async { signed.web.app.ask_new_passkey(&signed.ctx, site(&signed.web)?).await };
    match asked.await {
        Ok(asked) => question(&signed.web, asked),
        Err(error) => signed.fail(&error),
    }
}

pub async fn add(Posted { signed, form }: Posted<NewForm>) -> Response {
    let added = async {
        let ticket = ticket(&signed.web, &signed.headers);
        signed.web.app.add_passkey(&signed.ctx, site(&signed.web)?, &ticket, &form.name, &form.answer).await
    };
    let response = match added.await {
        Ok(()) => done(&signed.web, "/security", "passkey-added"),
        Err(error) => refused_change(&signed, &error, "passkeys", form.name).await,
    };
    answered(&signed.web, response)
}

pub async fn remove(Path(passkey): Path<String>, Posted { signed, .. }: Posted<Nothing>) -> Response {
    let removed = match PasskeyId::parse(&passkey) {
        Some(id) => signed.web.app.remove_passkey(&signed.ctx, id).await,
        None => Err(Error::NotFound),
    };
    match removed {
        Ok(()) => done(&signed.web, "/security", "passkey-removed"),
        Err(error) => refused_change(&signed, &error, "passkeys", String::new()).await,
    }
}

pub async fn ask_confirm(signed: Signed) -> Response {
    let asked = async { signed.web.app.ask_step_up(&signed.ctx, site(&signed.web)?).await };
    match asked.await {
        Ok(asked) => question(&signed.web, asked),
        Err(error) => signed.fail(&error),
    }
}

/// A passkey instead of a code, and where to go afterwards.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmForm {
    answer: String,
    next: String,
}

pub async fn confirm(Posted { signed, form }: Posted<ConfirmForm>) -> Response {
    let proven = async {
        let ticket = ticket(&signed.web, &signed.headers);
        signed.web.app.step_up_passkey(&signed.ctx, site(&signed.web)?, &ticket, &form.answer).await
    };
    let response = match proven.await {
        Ok(token) => confirmed(&signed, &form.next, &token),
        Err(error @ (Error::WrongCredentials | Error::Throttled { .. } | Error::Refused(_))) => {
            not_confirmed(&signed, &form.next, &error, "passkey", problem(&error)).await
        }
        Err(error) => signed.fail(&error),
    };
    answered(&signed.web, response)
}
