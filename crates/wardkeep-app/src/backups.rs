//! What the hospital knows of its backups. They are made and restored outside of the use cases, of rows
//! as they are stored; here each gets its entry in the log, and the log says which is the newest.

use std::sync::atomic::Ordering;

use wardkeep_domain::date::Moment;
use wardkeep_ledger::Class;
use wardkeep_policy::{Action, Resource};
use wardkeep_store::{Find, Store};
use wardkeep_vault::KeyProvider;

use crate::act::{Act, Side};
use crate::hospital::{Hospital, Unlocked, unlock};
use crate::posture::Line;
use crate::{App, Ctx, Error, Result, Visit, kinds};

/// Name of the job in the log.
const JOB: &str = "backup";
const HOUR_MS: i64 = 60 * 60 * 1000;
const SETUP: &str = "Run “wardkeep backup setup” and keep the key that it makes elsewhere.";

/// A backup, as its manifest and the log name it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Noted {
    pub id: String,
    /// When it was begun.
    pub made_at: Moment,
    /// SHA-256 of its manifest, hexadecimal.
    pub digest: String,
}

/// The settings of the hospital in this store, read with its root key and nothing else; for a backup
/// beside a running server.
///
/// # Errors
/// As [`App::open`].
pub async fn hospital_in(control: &dyn Store, provider: &dyn KeyProvider) -> Result<Hospital> {
    let Unlocked { hospital, .. } = unlock(control, provider).await?;
    Ok(hospital)
}

impl App {
    /// How often backups are due in this process; `None` when nobody makes any.
    pub fn expect_backups(&self, every_hours: Option<u32>) {
        self.backup_hours.store(every_hours.unwrap_or(0), Ordering::Relaxed);
    }

    /// The newest backup that the log tells of.
    async fn newest_backup(&self) -> Result<Option<Noted>> {
        let class = self.exact_term(kinds::CONTROL, kinds::EVENT, "class", &(Class::Backup as u16).to_be_bytes());
        let query = Find { kind: kinds::EVENT, all_of: vec![class], before: None, since: None, limit: 1 };
        let Some(event) = self.control.find(&query).await?.pop() else { return Ok(None) };
        let about = self.open_actor_part(Side::Control, &event)?.about.ok_or(Error::Integrity)?;
        let detail = |key: &str| about.detail.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone()).ok_or(Error::Integrity);
        let made_at = Moment(detail("made_at_ms")?.parse().map_err(|_| Error::Integrity)?);
        Ok(Some(Noted { id: detail("backup")?, made_at, digest: detail("manifest")? }))
    }

    /// Writes a backup into the log, unless its newest entry is of this one already. Says whether it did.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn note_backup(&self, visit: &Visit, made: &Noted) -> Result<bool> {
        if self.newest_backup().await?.as_ref() == Some(made) {
            return Ok(false);
        }
        let ctx = self.job(visit, JOB);
        let permit = self.permit(&ctx, Action::RunJob, Resource::Hospital).await?;
        let act = Act::by(self, Side::Control, &ctx, Class::Backup).permit(&permit).detail("backup", made.id.clone());
        act.detail("manifest", made.digest.clone()).detail("made_at_ms", made.made_at.0.to_string()).commit().await?;
        Ok(true)
    }

    /// Writes into both logs that these stores came from a backup.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    pub async fn note_restore(&self, ctx: &Ctx, from: &Noted) -> Result<()> {
        let permit = self.permit(ctx, Action::RunVerification, Resource::Hospital).await?;
        for side in Side::BOTH {
            let act = Act::by(self, side, ctx, Class::Restore).permit(&permit);
            act.detail("backup", from.id.clone()).detail("manifest", from.digest.clone()).commit().await?;
        }
        Ok(())
    }

    /// Is it time for one, when the newest that there is was begun at this moment?
    #[must_use]
    pub fn backup_is_due(&self, newest: Option<Moment>, now: Moment) -> bool {
        let every_ms = self.backup_every_ms();
        every_ms > 0 && newest.is_none_or(|at| now.since_ms(at) >= every_ms)
    }

    /// 0 is never.
    fn backup_every_ms(&self) -> i64 {
        i64::from(self.backup_hours.load(Ordering::Relaxed)) * HOUR_MS
    }

    pub(crate) async fn backup_line(&self, now: Moment) -> Result<Line> {
        const WHAT: &str = "Backups";
        let every_ms = self.backup_every_ms();
        let Some(newest) = self.newest_backup().await? else {
            return Ok(if every_ms == 0 {
                Line::warning(WHAT, "None are made.", SETUP)
            } else {
                Line::warning(
                    WHAT,
                    "None was made yet.",
                    "The server makes the first within a minute: look at its output, or run “wardkeep backup create”.",
                )
            });
        };
        let ago = match now.since_ms(newest.made_at) / HOUR_MS {
            ..1 => "less than an hour ago".to_owned(),
            1 => "an hour ago".to_owned(),
            hours => format!("{hours} hours ago"),
        };
        let age = format!("The newest was begun on {}, {ago}.", newest.made_at.staff());
        Ok(if every_ms == 0 {
            Line::warning(WHAT, format!("{age} None are scheduled."), SETUP)
        } else if now.since_ms(newest.made_at) > 2 * every_ms {
            Line::failing(WHAT, age, "The server's output says why none was made since. Run “wardkeep backup create” when that is mended.")
        } else {
            Line::ok(WHAT, age)
        })
    }
}
