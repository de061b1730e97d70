//! Posture: is this hospital set up safely? The same table for `wardkeep doctor` and the page.

use crate::{App, Ctx, Result};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    Ok,
    Warning,
    Failing,
}

#[derive(Clone, Debug)]
pub struct Line {
    /// For example `Key file`.
    pub what: String,
    pub health: Health,
    pub words: String,
    /// What to do, when not ok.
    pub fix: String,
}

impl App {
    /// Keys, permissions, stores, log head, checkpoint age, factor coverage, alarms, version.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn posture(&self, ctx: &Ctx) -> Result<Vec<Line>> {
        let _ = ctx;
        todo!("audit helper")
    }
}
