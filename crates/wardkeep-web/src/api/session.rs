//! Signing in and out, and the own account. Two steps, as on the pages: no door without a second factor.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wardkeep_app::Error;
use wardkeep_app::sign_in::{Next, SignedIn};
use wardkeep_domain::account::password::Password;
use wardkeep_domain::account::session::ABSOLUTE_MS_MAX;
use wardkeep_domain::date::Moment;
use wardkeep_domain::{FieldError, SessionId};

use super::answer::{Answer, Done, Refused, Said, WithCookie};
use super::shapes;
use super::take::{Body, Caller, Guest, Ids};
use crate::cookies;

/// The first step.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordInput {
    pub email: String,
    #[schema(format = Password)]
    pub password: String,
}

/// A sign-in in progress.
#[derive(Serialize, ToSchema)]
pub struct PendingSignIn {
    /// Send it as bearer token with the second step; it can do nothing else and lives ten minutes.
    pub token: String,
    /// `code`: send a code. `enrol`: first sign-in, set up an authenticator app. `recovery`: there is no
    /// app; send a recovery code, or sign in on the pages with a passkey.
    #[schema(schema_with = shapes::seconds_steps)]
    pub next: &'static str,
}

pub async fn password(guest: Guest, Body(input): Body<PasswordInput>) -> Answer<Said<PendingSignIn>> {
    let pending = guest.web.app.sign_in(&guest.visit, &input.email, &Password::typed(&input.password)).await?;
    let next = match pending.next {
        Next::Code => "code",
        Next::Enrol => "enrol",
        Next::Passkey => "recovery",
    };
    Ok(Said(PendingSignIn { token: pending.token, next }))
}

/// A code from the authenticator app, a recovery code, or an activation code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeInput {
    pub code: String,
}

/// A finished sign-in.
#[derive(Serialize, ToSchema)]
pub struct Session {
    /// Send it as bearer token from now on.
    pub token: String,
    /// Ten codes after enrolment, shown once.
    pub recovery_codes: Option<Vec<String>>,
    /// Something that the user must be told.
    pub notice: Option<String>,
}

impl From<SignedIn> for Session {
    fn from(signed: SignedIn) -> Self {
        Self { token: signed.token, recovery_codes: signed.recovery_codes, notice: signed.notice }
    }
}

pub async fn code(guest: Guest, Body(input): Body<CodeInput>) -> Answer<Said<Session>> {
    Ok(Said(guest.web.app.sign_in_code(&guest.visit, &guest.token, input.code.trim()).await?.into()))
}

pub async fn recovery(guest: Guest, Body(input): Body<CodeInput>) -> Answer<Said<Session>> {
    Ok(Said(guest.web.app.sign_in_recovery(&guest.visit, &guest.token, input.code.trim()).await?.into()))
}

/// The secret to put into an authenticator app.
#[derive(Serialize, ToSchema)]
pub struct Enrolment {
    /// `otpauth://totp/…`.
    pub uri: String,
    /// Base32 in groups of four.
    pub key: String,
}

pub async fn enrolment(guest: Guest) -> Answer<Said<Enrolment>> {
    let enrolment = guest.web.app.enrolment(&guest.visit, &guest.token).await?;
    Ok(Said(Enrolment { uri: enrolment.uri, key: enrolment.key }))
}

pub async fn enrol(guest: Guest, Body(input): Body<CodeInput>) -> Answer<Said<Session>> {
    Ok(Said(guest.web.app.enrol(&guest.visit, &guest.token, input.code.trim()).await?.into()))
}

pub async fn sign_out(caller: Caller) -> Answer<Done> {
    caller.app().sign_out(&caller.ctx).await?;
    Ok(Done)
}

/// The session after a fresh code.
#[derive(Serialize, ToSchema)]
pub struct SteppedUp {
    /// The session's new token; the old one has ended. Null for those who came with a cookie: their cookie is new.
    pub token: Option<String>,
}

pub async fn step_up(caller: Caller, Body(input): Body<CodeInput>) -> Answer<WithCookie<SteppedUp>> {
    let token = caller.app().step_up(&caller.ctx, input.code.trim()).await.map_err(|error| match error {
        // Not 401: the session goes on.
        Error::WrongCredentials => FieldError::new("code", "That code is not right, or was used already. Wait for the next one.").into(),
        error => Refused::from(error),
    })?;
    Ok(if caller.by_cookie {
        // A script of the page must not get to see what is in the cookie.
        WithCookie(cookies::set(&caller.web.settings, cookies::SESSION, &token), SteppedUp { token: None })
    } else {
        WithCookie(None, SteppedUp { token: Some(token) })
    })
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub struct Me {
    #[schema(format = "uuid")]
    pub id: String,
    pub email: String,
    pub display_name: String,
    #[schema(schema_with = shapes::roles)]
    pub role: &'static str,
    /// The patient whose chart is one's own.
    #[schema(format = "uuid")]
    pub patient: Option<String>,
    pub recovery_codes_left: usize,
    /// A code was given within the last five minutes.
    pub fresh: bool,
    /// The session ends then at the latest.
    #[schema(format = DateTime)]
    pub session_ends_at: Option<String>,
}

pub async fn me(caller: Caller) -> Answer<Said<Me>> {
    let own = caller.app().own_account(&caller.ctx).await?;
    Ok(Said(Me {
        id: own.account.id.to_string(),
        email: own.account.email.as_str().to_owned(),
        display_name: own.account.display_name,
        role: own.account.role.code(),
        patient: own.account.patient.map(|patient| patient.to_string()),
        recovery_codes_left: own.recovery_codes_left,
        fresh: caller.ctx.is_fresh(),
        session_ends_at: caller.ctx.session().map(|session| session.created_at.plus_ms(ABSOLUTE_MS_MAX).rfc3339()),
    }))
}

/// Where one is signed in.
#[derive(Serialize, ToSchema)]
pub struct SessionLine {
    #[schema(format = "uuid")]
    pub id: String,
    pub device: String,
    pub address: String,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub last_used: String,
    /// This call came with it.
    pub current: bool,
}

#[derive(Serialize, ToSchema)]
pub struct SessionList {
    pub items: Vec<SessionLine>,
}

pub async fn sessions(caller: Caller) -> Answer<Said<SessionList>> {
    let sessions = caller.app().own_sessions(&caller.ctx).await?;
    let line = |view: wardkeep_app::sessions::SessionView| SessionLine {
        id: view.id.to_string(),
        device: view.device,
        address: view.address,
        created_at: view.created_at.rfc3339(),
        last_used: Moment::rfc3339(view.last_used),
        current: view.current,
    };
    Ok(Said(SessionList { items: sessions.into_iter().map(line).collect() }))
}

pub async fn end_session(caller: Caller, Ids(session): Ids<SessionId>) -> Answer<Done> {
    caller.app().revoke_session(&caller.ctx, session).await?;
    Ok(Done)
}

/// Links the own account to the patient that the code was handed out for.
pub async fn activate(caller: Caller, Body(input): Body<CodeInput>) -> Answer<Done> {
    caller.app().activate(&caller.ctx, &input.code).await?;
    Ok(Done)
}
