//! People who sign in: their roles, states, factors and sessions.

pub mod password;
pub mod proxy;
pub mod session;
pub mod unit;

use serde::{Deserialize, Serialize};

use crate::account::proxy::Proxy;
use crate::account::unit::Unit;
use crate::date::{Date, Moment};
use crate::name::Email;
use crate::record::Mark;
use crate::{AccountId, FieldError, PatientId};

/// What somebody may be. Nobody chooses their own role, except that registration makes patients.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Administrator,
    Doctor,
    Nurse,
    Registrar,
    PrivacyOfficer,
    StrokeCoordinator,
    Researcher,
    Patient,
}

impl Role {
    pub const ALL: [Role; 8] = [
        Role::Administrator,
        Role::Doctor,
        Role::Nurse,
        Role::Registrar,
        Role::PrivacyOfficer,
        Role::StrokeCoordinator,
        Role::Researcher,
        Role::Patient,
    ];
    /// Roles given by invitation.
    pub const STAFF: [Role; 7] =
        [Role::Administrator, Role::Doctor, Role::Nurse, Role::Registrar, Role::PrivacyOfficer, Role::StrokeCoordinator, Role::Researcher];
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Role::Administrator => "administrator",
            Role::Doctor => "doctor",
            Role::Nurse => "nurse",
            Role::Registrar => "registrar",
            Role::PrivacyOfficer => "privacy_officer",
            Role::StrokeCoordinator => "stroke_coordinator",
            Role::Researcher => "researcher",
            Role::Patient => "patient",
        }
    }
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Role::Administrator => "Administrator",
            Role::Doctor => "Doctor",
            Role::Nurse => "Nurse",
            Role::Registrar => "Registrar",
            Role::PrivacyOfficer => "Privacy officer",
            Role::StrokeCoordinator => "Stroke coordinator",
            Role::Researcher => "Researcher",
            Role::Patient => "Patient",
        }
    }
    /// # Errors
    /// When the code is no role.
    pub fn parse(code: &str) -> Result<Self, FieldError> {
        Self::ALL.into_iter().find(|r| r.code() == code).ok_or_else(|| FieldError::new("role", "Choose a role."))
    }
    /// Works on units: the patients who lie there are in this person's care.
    #[must_use]
    pub fn works_on_units(self) -> bool {
        matches!(self, Role::Doctor | Role::Nurse | Role::StrokeCoordinator)
    }
    #[must_use]
    pub fn is_staff(self) -> bool {
        self != Role::Patient
    }
}

/// Where an account stands. Every check looks at the state, not only the role.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// The invitation is out; there is no password yet.
    Invited,
    Active,
    Suspended,
    Closed,
}

impl AccountState {
    pub const ALL: [AccountState; 4] = [AccountState::Invited, AccountState::Active, AccountState::Suspended, AccountState::Closed];
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            AccountState::Invited => "invited",
            AccountState::Active => "active",
            AccountState::Suspended => "suspended",
            AccountState::Closed => "closed",
        }
    }
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            AccountState::Invited => "Invited",
            AccountState::Active => "Active",
            AccountState::Suspended => "Suspended",
            AccountState::Closed => "Closed",
        }
    }
}

/// An account as sealed in the control store (credentials are a document of their own).
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    pub id: AccountId,
    pub email: Email,
    /// As shown to colleagues and patients: "Dr A. Moreau".
    pub display_name: String,
    pub role: Role,
    pub state: AccountState,
    /// The patient this account reads as; patients only, set by a registrar or an activation code.
    pub patient: Option<PatientId>,
    pub created_at: Moment,
    /// Told on the next sign-in, for example after a factor reset.
    pub notice: Option<String>,
    /// Where this person works; staff only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<Unit>,
    /// Marked records that this person may read besides the care relationship; staff only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clearances: Vec<Mark>,
    /// Whose record this person reads in their stead; patients' accounts only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proxies: Vec<Proxy>,
    /// Who this person is at the hospital's own sign-in service; staff only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_on: Option<SignOn>,
}

/// A link to an identity at an OpenID Connect provider: the issuer and its `sub` together, never an
/// e-mail address (OpenID Connect Core 1.0, section 5.7).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignOn {
    pub issuer: String,
    pub subject: String,
    pub linked_at: Moment,
    /// The account was made at the first sign-in through the provider, with the role of its groups.
    pub made: bool,
}

impl Account {
    /// One that is linked to nothing yet.
    #[must_use]
    pub fn new(id: AccountId, email: Email, display_name: String, role: Role, state: AccountState, created_at: Moment) -> Self {
        Self {
            id,
            email,
            display_name,
            role,
            state,
            patient: None,
            created_at,
            notice: None,
            units: Vec::new(),
            clearances: Vec::new(),
            proxies: Vec::new(),
            sign_on: None,
        }
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({}, {}, {})", self.id, self.role.code(), self.state.code())
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AccountRefusal {
    #[error("this account is {0}; that is not possible")]
    WrongState(&'static str),
}

impl Account {
    /// Invited -> active.
    ///
    /// # Errors
    /// In any other state.
    pub fn activate(&self) -> Result<Account, AccountRefusal> {
        self.turn(&[AccountState::Invited], AccountState::Active)
    }
    /// Active or invited -> suspended.
    ///
    /// # Errors
    /// In any other state.
    pub fn suspend(&self) -> Result<Account, AccountRefusal> {
        self.turn(&[AccountState::Active, AccountState::Invited], AccountState::Suspended)
    }
    /// Suspended -> active.
    ///
    /// # Errors
    /// In any other state.
    pub fn reinstate(&self) -> Result<Account, AccountRefusal> {
        self.turn(&[AccountState::Suspended], AccountState::Active)
    }
    /// Does this account read the patient's record in the patient's stead today?
    #[must_use]
    pub fn is_proxy_of(&self, patient: PatientId, today: Date) -> bool {
        self.proxies.iter().any(|proxy| proxy.patient == patient && proxy.is_live(today))
    }
    fn turn(&self, from: &[AccountState], to: AccountState) -> Result<Account, AccountRefusal> {
        if from.contains(&self.state) {
            Ok(Account { state: to, ..self.clone() })
        } else {
            Err(AccountRefusal::WrongState(self.state.code()))
        }
    }
}
