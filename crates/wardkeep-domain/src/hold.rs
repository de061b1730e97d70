//! Legal hold: while it lasts, a patient's record is not erased.

use serde::{Deserialize, Serialize};

use crate::date::Moment;
use crate::{AccountId, PatientId};

/// A hold as sealed in the control store. Its reasons stand in the log, under the patient's key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hold {
    pub patient: PatientId,
    pub placed_by: AccountId,
    pub placed_at: Moment,
    /// `None` while it lasts.
    pub lifted_at: Option<Moment>,
}

impl Hold {
    #[must_use]
    pub fn lasts(&self) -> bool {
        self.lifted_at.is_none()
    }
}
