//! Proving who you are: password, then a one-time code or a recovery code; enrolment at first
//! sign-in. Same answer, same work for an unknown name, a wrong password, a suspended account.

use std::sync::Arc;

use wardkeep_domain::account::password::Password;

use crate::{App, Result, Visit};

/// Most Argon2id computations at once: each takes 19 MiB and a core.
pub const HASHING_MAX: usize = 2;

/// The gate before password hashing.
#[derive(Clone, Debug)]
pub struct Hashing(pub(crate) Arc<tokio::sync::Semaphore>);

impl Hashing {
    pub(crate) fn new() -> Self {
        Self(Arc::new(tokio::sync::Semaphore::new(HASHING_MAX)))
    }
}

/// A sign-in in progress. Its token goes into a cookie of its own and can do nothing else.
pub struct Pending {
    pub token: String,
    pub next: Next,
}

/// What the second step is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Enter a code.
    Code,
    /// First sign-in: set up an authenticator app.
    Enrol,
}

/// Shown on the second step's page.
#[derive(Clone, Debug)]
pub struct PendingView {
    /// As typed by its owner: an e-mail address.
    pub email: String,
    pub next: Next,
    pub recovery_codes_left: usize,
}

/// For the enrolment page.
#[derive(Clone)]
pub struct Enrolment {
    /// `otpauth://totp/…` for the QR code.
    pub uri: String,
    /// Base32 in groups of four.
    pub key: String,
}

/// A finished sign-in. The token goes into the session cookie.
pub struct SignedIn {
    pub token: String,
    /// Ten codes, shown once, after enrolment.
    pub recovery_codes: Option<Vec<String>>,
    /// Something the user must be told, for example that a factor was reset.
    pub notice: Option<String>,
}

impl App {
    /// First step.
    ///
    /// # Errors
    /// `WrongCredentials`, `Throttled`; both alike for unknown, suspended and wrong.
    pub async fn sign_in(&self, visit: &Visit, email: &str, password: &Password) -> Result<Pending> {
        let _ = (visit, email, password);
        todo!("identity helper")
    }
    /// # Errors
    /// `SignedOut` when the token is unknown or too old.
    pub async fn pending(&self, visit: &Visit, token: &str) -> Result<PendingView> {
        let _ = (visit, token);
        todo!("identity helper")
    }
    /// The secret to enrol; the same on every call for one pending sign-in.
    ///
    /// # Errors
    /// `SignedOut`; `Refused` when a factor exists already.
    pub async fn enrolment(&self, visit: &Visit, token: &str) -> Result<Enrolment> {
        let _ = (visit, token);
        todo!("identity helper")
    }
    /// Second step at first sign-in: the first code proves the app works.
    ///
    /// # Errors
    /// `Invalid` on field `code`, `SignedOut`, `Throttled`.
    pub async fn enrol(&self, visit: &Visit, token: &str, code: &str) -> Result<SignedIn> {
        let _ = (visit, token, code);
        todo!("identity helper")
    }
    /// Second step with a code from the app; each time step counts once.
    ///
    /// # Errors
    /// `WrongCredentials`, `SignedOut`, `Throttled`.
    pub async fn sign_in_code(&self, visit: &Visit, token: &str, code: &str) -> Result<SignedIn> {
        let _ = (visit, token, code);
        todo!("identity helper")
    }
    /// Second step with a recovery code, used up by it.
    ///
    /// # Errors
    /// As [`App::sign_in_code`].
    pub async fn sign_in_recovery(&self, visit: &Visit, token: &str, code: &str) -> Result<SignedIn> {
        let _ = (visit, token, code);
        todo!("identity helper")
    }
    /// Current code of an account, for `wardkeep demo` alone (refuses in a real hospital).
    ///
    /// # Errors
    /// `Refused` outside a demo hospital.
    pub async fn demo_code(&self, visit: &Visit, email: &str) -> Result<String> {
        let _ = (visit, email);
        todo!("identity helper")
    }
}
