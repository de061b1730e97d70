//! The decision: actor, action, resource and facts in; a [`Permit`] or a [`Denial`] with its reason out.

use wardkeep_domain::account::{AccountState, Role};
use wardkeep_domain::{AccountId, PatientId};

use crate::Action;

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    /// A signed-in account. `patient`: the patient this account reads as.
    Account { id: AccountId, role: Role, state: AccountState, patient: Option<PatientId> },
    /// A background job with one narrow role (`job`: `keeper`, `importer`, `verifier`).
    Job { job: &'static str },
    /// The command line on the hospital's own machine, by whoever holds the data directory.
    Operator,
}

/// What is asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// The hospital as a whole (lists, log, settings).
    Hospital,
    /// A patient's chart and everything in it. `author`: who wrote the entry in question.
    Chart { patient: PatientId, author: Option<AccountId> },
    /// Somebody's account.
    Account { id: AccountId, role: Role },
}

/// What the use case found out before asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// The actor is in the patient's care team.
    pub in_care: bool,
    /// The session has proven a second factor.
    pub second_factor: bool,
    /// A factor was proven within the last five minutes.
    pub fresh: bool,
    /// The entry is voided.
    pub voided: bool,
}

/// Proof that policy said yes. Made here only.
#[derive(Debug)]
pub struct Permit {
    actor: Actor,
    action: Action,
    resource: Resource,
    /// `@id` of the policy that allowed it.
    rule: String,
}

impl Permit {
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.actor
    }
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }
    #[must_use]
    pub fn resource(&self) -> Resource {
        self.resource
    }
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }
    /// The patient this permit is about.
    #[must_use]
    pub fn patient(&self) -> Option<PatientId> {
        match self.resource {
            Resource::Chart { patient, .. } => Some(patient),
            Resource::Hospital | Resource::Account { .. } => None,
        }
    }
}

/// Why not.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Denial {
    pub action: Action,
    /// `@id` of the forbidding policy, or `default` when nothing allowed it.
    pub rule: String,
    /// A sentence for people (`@reason`).
    pub reason: String,
    /// May the actor know that the thing exists? 403 if so, else 404.
    pub may_know: bool,
    /// A fresh factor would turn the answer: offer step-up.
    pub step_up: bool,
}

/// The parsed and validated policies.
pub struct Policy {
    _todo: (),
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Policy")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("policy {file} is not valid: {cause}")]
    Invalid { file: String, cause: String },
}

impl Policy {
    /// The embedded policies, validated against the embedded schema.
    ///
    /// # Errors
    /// When a policy does not parse or does not fit the schema.
    pub fn embedded() -> Result<Self, PolicyError> {
        todo!("policy helper")
    }
    /// Deny wins, silence is no; an account that is not active gets nothing.
    ///
    /// # Errors
    /// The [`Denial`] with its reason.
    pub fn decide(&self, actor: Actor, action: Action, resource: Resource, facts: Facts) -> Result<Permit, Denial> {
        let _ = (actor, action, resource, facts);
        todo!("policy helper")
    }
}
