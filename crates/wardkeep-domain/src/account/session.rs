//! How long a session lives.

use serde::{Deserialize, Serialize};

use crate::date::Moment;
use crate::emergency::Emergency;
use crate::{AccountId, PatientId, SessionId};

/// Staff sessions end after this long without a request, where the hospital sets nothing else.
pub const IDLE_MS: i64 = 15 * 60 * 1000;
/// The shortest and the longest that a hospital may set.
pub const IDLE_MS_RANGE: std::ops::RangeInclusive<i64> = 5 * 60 * 1000..=60 * 60 * 1000;
/// The page warns this long before the idle end.
pub const IDLE_WARNING_MS: i64 = 2 * 60 * 1000;
/// Patients read slowly.
pub const PATIENT_IDLE_MS_MAX: i64 = 30 * 60 * 1000;
/// Every session ends after this long whatever happens.
pub const ABSOLUTE_MS_MAX: i64 = 12 * 60 * 60 * 1000;
/// A sign-in that waits for its second step lives this long.
pub const PENDING_MS_MAX: i64 = 10 * 60 * 1000;
/// A factor proven within this time counts as fresh (step-up).
pub const STEP_UP_MS_MAX: i64 = 5 * 60 * 1000;

/// Live sessions of one account; a further sign-in ends the oldest. OWASP ASVS 5.0 (7.1.2) asks for a
/// documented limit: five are a ward's computer, an office, a phone, home and one client of the API.
pub const SESSION_COUNT_MAX: usize = 5;

/// A session as sealed in the control store; found by the hash of its token.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    pub account: AccountId,
    pub created_at: Moment,
    /// When the second factor was last proven, and from where.
    pub proven_at: Moment,
    pub address: String,
    /// "Chromium on Linux".
    pub device: String,
    pub revoked_at: Option<Moment>,
    /// Charts outside the holder's care that this session may open for a while.
    #[serde(default)]
    pub emergencies: Vec<Emergency>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({})", self.id)
    }
}

/// Why a session no longer counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    Revoked,
    Idle,
    Absolute,
}

impl Session {
    /// # Errors
    /// Why the session has ended by `now`, given its last use and how long it lasts without one.
    pub fn check(&self, idle_ms: i64, last_used: Moment, now: Moment) -> Result<(), Ended> {
        if self.revoked_at.is_some() {
            Err(Ended::Revoked)
        } else if now.since_ms(self.created_at) >= ABSOLUTE_MS_MAX {
            Err(Ended::Absolute)
        } else if now.since_ms(last_used) >= idle_ms {
            Err(Ended::Idle)
        } else {
            Ok(())
        }
    }
    /// The emergency access to this patient's chart that holds now.
    #[must_use]
    pub fn emergency(&self, patient: PatientId, now: Moment) -> Option<&Emergency> {
        self.emergencies.iter().find(|emergency| emergency.patient == patient && emergency.is_live(now))
    }
    #[must_use]
    pub fn is_fresh(&self, now: Moment) -> bool {
        now.since_ms(self.proven_at) < STEP_UP_MS_MAX
    }
}
