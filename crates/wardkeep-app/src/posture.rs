//! Posture: is this hospital set up safely? The same table for `wardkeep doctor` and the page.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use wardkeep_domain::account::{Account, AccountState, Role};
use wardkeep_policy::{Action, Resource};
use wardkeep_store::Find;
use wardkeep_vault::KeyFile;

use crate::{App, Ctx, Result, kinds};

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

/// A log that grew and was not sealed for this long needs a look.
const SEAL_LATE_MS: i64 = 60_000;
/// Staff accounts looked at for their second factor.
const STAFF_MAX: usize = 2_000;

impl Line {
    pub(crate) fn ok(what: &str, words: impl Into<String>) -> Self {
        Self { what: what.to_owned(), health: Health::Ok, words: words.into(), fix: String::new() }
    }
    #[must_use]
    pub fn warning(what: &str, words: impl Into<String>, fix: &str) -> Self {
        Self { what: what.to_owned(), health: Health::Warning, words: words.into(), fix: fix.to_owned() }
    }
    pub(crate) fn failing(what: &str, words: impl Into<String>, fix: &str) -> Self {
        Self { what: what.to_owned(), health: Health::Failing, words: words.into(), fix: fix.to_owned() }
    }
}

impl App {
    /// Keys, permissions, stores, log head, checkpoint age, factor coverage, alarms, backups, witnesses, version.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn posture(&self, ctx: &Ctx) -> Result<Vec<Line>> {
        self.permit(ctx, Action::ReadHealth, Resource::Hospital).await?;
        let mut lines = Vec::new();
        if let Some(paths) = &self.paths {
            lines.push(match KeyFile::open(&paths.root_key()) {
                Ok(_) => Line::ok("Key file", "Present, and open to its owner alone."),
                Err(error) => Line::failing("Key file", error.to_string(), "Put the key file back, and run: chmod 600 root.key"),
            });
            lines.push(directory(&paths.data));
        }
        lines.push(self.root_line().await?);
        lines.push(match self.ready().await {
            Ok(()) => Line::ok("Stores", "Both stores can be read."),
            Err(error) => Line::failing("Stores", error.to_string(), "Look at the disk, then restore from a backup."),
        });
        for state in self.log_states().await? {
            let what = format!("Log {}", state.stream);
            let late = state.last_seal.is_none_or(|at| ctx.now().since_ms(at) > SEAL_LATE_MS);
            lines.push(if state.waiting > 0 && late {
                let words = format!("{} of {} entries wait for their seal.", state.waiting, state.entries);
                Line::warning(&what, words, "The server seals every second while it runs: start it, and look at its output.")
            } else {
                Line::ok(&what, format!("{} entries, sealed.", state.entries))
            });
        }
        lines.push(self.factor_line().await?);
        lines.push(self.site_line().await?);
        let alarms = self.open_alarms().await?;
        let integrity = alarms.iter().filter(|alarm| alarm.kind == crate::audit::INTEGRITY).count();
        lines.push(if integrity == 0 {
            Line::ok("Integrity alarms", "None.")
        } else {
            Line::failing(
                "Integrity alarms",
                format!("{integrity} open."),
                "Run “wardkeep verify --records”, and restore what was changed from a backup.",
            )
        });
        let others = alarms.len().saturating_sub(integrity);
        if others > 0 {
            lines.push(Line::warning("Other alarms", format!("{others} open."), "Read them on the administrator's start page."));
        }
        if self.hospital().demo {
            lines.push(Line::warning("Demo", "This is a throw-away hospital with known passwords.", "Keep no real data in it."));
        }
        lines.push(self.backup_line(ctx.now()).await?);
        lines.extend(self.witness_lines(ctx.now()).await?);
        lines.push(Line::ok("Version", format!("Wardkeep {}.", env!("CARGO_PKG_VERSION"))));
        Ok(lines)
    }

    async fn factor_line(&self) -> Result<Line> {
        let (mut staff, mut without) = (0_usize, 0_usize);
        for role in Role::STAFF {
            let term = self.exact_term(kinds::CONTROL, kinds::ACCOUNT, "role", role.code().as_bytes());
            let query = Find { kind: kinds::ACCOUNT, all_of: vec![term], before: None, since: None, limit: STAFF_MAX };
            for document in self.control.find(&query).await? {
                let account: Account = self.open_account(&document)?.body;
                if account.state != AccountState::Active {
                    continue;
                }
                staff += 1;
                without += usize::from(self.credentials(account.id).await?.is_none_or(|opened| !opened.body.has_factor()));
            }
        }
        Ok(if without == 0 {
            Line::ok("Second factor", format!("All {staff} active staff accounts have one."))
        } else {
            let fix = "They set one up at their next sign-in and see nothing before.";
            Line::warning("Second factor", format!("{without} of {staff} active staff accounts have none yet."), fix)
        })
    }
}

fn directory(data: &Path) -> Line {
    match std::fs::metadata(data).map(|found| found.permissions().mode() & 0o077) {
        Ok(0) => Line::ok("Data directory", "Open to its owner alone."),
        Ok(_) => Line::warning("Data directory", "Other users of this machine can look into it.", "Run: chmod 700 on the data directory."),
        Err(error) => {
            Line::failing("Data directory", error.to_string(), "Check that the directory exists and belongs to the server's user.")
        }
    }
}
