//! Sessions: opaque tokens, stored hashed; checked on every request; listed and ended.

use wardkeep_domain::SessionId;
use wardkeep_domain::date::Moment;

use crate::{App, Ctx, Result, Visit};

/// One line of "where you are signed in".
#[derive(Clone, Debug)]
pub struct SessionView {
    pub id: SessionId,
    pub device: String,
    pub address: String,
    pub created_at: Moment,
    pub last_used: Moment,
    pub current: bool,
}

impl App {
    /// Session token in, authenticated context out. Looks at session, account state and idle time.
    ///
    /// # Errors
    /// `SignedOut` with no more detail.
    pub async fn authenticate(&self, visit: Visit, token: &str) -> Result<Ctx> {
        let _ = (visit, token);
        todo!("identity helper")
    }
    /// Ends this session.
    ///
    /// # Errors
    /// `Unavailable` when the log cannot be written.
    pub async fn sign_out(&self, ctx: &Ctx) -> Result<()> {
        let _ = ctx;
        todo!("identity helper")
    }
    /// Proves the second factor again; gives a new token for the same session.
    ///
    /// # Errors
    /// `WrongCredentials`, `Throttled`.
    pub async fn step_up(&self, ctx: &Ctx, code: &str) -> Result<String> {
        let _ = (ctx, code);
        todo!("identity helper")
    }
    /// Own live sessions, newest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn own_sessions(&self, ctx: &Ctx) -> Result<Vec<SessionView>> {
        let _ = ctx;
        todo!("identity helper")
    }
    /// Ends one of one's own sessions.
    ///
    /// # Errors
    /// `NotFound` for somebody else's.
    pub async fn revoke_session(&self, ctx: &Ctx, session: SessionId) -> Result<()> {
        let _ = (ctx, session);
        todo!("identity helper")
    }
    /// Ends all own sessions but this one; returns how many.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn revoke_other_sessions(&self, ctx: &Ctx) -> Result<usize> {
        let _ = ctx;
        todo!("identity helper")
    }
}
