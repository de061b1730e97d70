//! The decision: actor, action, resource and facts in; a [`Permit`] or a [`Denial`] with its reason out.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId, PolicySet, Request, Response,
    RestrictedExpression, Schema, ValidationMode, Validator,
};
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
    authorizer: Authorizer,
    policies: PolicySet,
    actions: HashMap<Action, EntityUid>,
    hospital: EntityUid,
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

/// The embedded rules, one file per role or theme.
pub const FILES: &[(&str, &str)] = &[
    ("everybody.cedar", include_str!("../policies/everybody.cedar")),
    ("administrator.cedar", include_str!("../policies/administrator.cedar")),
    ("doctor.cedar", include_str!("../policies/doctor.cedar")),
    ("nurse.cedar", include_str!("../policies/nurse.cedar")),
    ("registrar.cedar", include_str!("../policies/registrar.cedar")),
    ("privacy_officer.cedar", include_str!("../policies/privacy_officer.cedar")),
    ("patient.cedar", include_str!("../policies/patient.cedar")),
    ("machine.cedar", include_str!("../policies/machine.cedar")),
];
const SCHEMA: &str = include_str!("../policies/schema.cedarschema");

fn invalid(file: &str, cause: impl std::fmt::Display) -> PolicyError {
    PolicyError::Invalid { file: file.to_owned(), cause: cause.to_string() }
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, PolicyError> {
    let kind: EntityTypeName = kind.parse().map_err(|error| invalid("schema.cedarschema", error))?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

impl Policy {
    /// The embedded policies, validated against the embedded schema.
    ///
    /// # Errors
    /// When a policy does not parse or does not fit the schema.
    pub fn embedded() -> Result<Self, PolicyError> {
        Self::from_files(FILES)
    }

    /// Policies from text; each needs an `@id` of its own and a `@reason`.
    ///
    /// # Errors
    /// When a policy does not parse, does not fit the schema, or lacks an annotation.
    pub fn from_files(files: &[(&str, &str)]) -> Result<Self, PolicyError> {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|error| invalid("schema.cedarschema", error))?;
        let mut policies = PolicySet::new();
        for (file, text) in files {
            let parsed: PolicySet = text.parse().map_err(|error| invalid(file, error))?;
            for policy in parsed.policies() {
                let id = policy.annotation("id").ok_or_else(|| invalid(file, "a policy has no @id"))?.to_owned();
                if policy.annotation("reason").is_none_or(str::is_empty) {
                    return Err(invalid(file, format!("policy {id} has no @reason")));
                }
                policies.add(policy.new_id(PolicyId::new(id))).map_err(|error| invalid(file, error))?;
            }
        }
        let result = Validator::new(schema).validate(&policies, ValidationMode::Strict);
        if let Some(error) = result.validation_errors().next() {
            return Err(invalid("policies", error));
        }
        let actions = Action::ALL.iter().map(|action| Ok((*action, uid("Action", action.name())?))).collect::<Result<_, PolicyError>>()?;
        Ok(Self { authorizer: Authorizer::new(), policies, actions, hospital: uid("Hospital", "here")? })
    }

    /// Deny wins, silence is no; an account that is not active gets nothing.
    ///
    /// # Errors
    /// The [`Denial`] with its reason.
    pub fn decide(&self, actor: Actor, action: Action, resource: Resource, facts: Facts) -> Result<Permit, Denial> {
        let related = Related::of(actor, resource, facts);
        let denial = |rule: String, reason: String, step_up: bool| Denial {
            action,
            rule,
            reason,
            may_know: related.may_know(actor, resource),
            step_up,
        };
        let Some(response) = self.ask(actor, action, resource, &related) else {
            // A request that cannot even be built is refused.
            return Err(denial("malformed".to_owned(), "This request cannot be judged.".to_owned(), false));
        };
        let rule = response.diagnostics().reason().next().map(ToString::to_string);
        if response.decision() == Decision::Allow {
            return Ok(Permit { actor, action, resource, rule: rule.unwrap_or_default() });
        }
        if let Some(rule) = rule {
            let reason = self
                .policies
                .policy(&PolicyId::new(&rule))
                .and_then(|policy| policy.annotation("reason"))
                .unwrap_or("A rule forbids this.")
                .to_owned();
            return Err(denial(rule, reason, false));
        }
        let fresh = Related { fresh: true, ..related };
        let step_up =
            !related.fresh && self.ask(actor, action, resource, &fresh).is_some_and(|response| response.decision() == Decision::Allow);
        let reason = if step_up { "This needs a code entered within the last five minutes." } else { "No rule allows this." };
        Err(denial("default".to_owned(), reason.to_owned(), step_up))
    }

    fn ask(&self, actor: Actor, action: Action, resource: Resource, related: &Related) -> Option<Response> {
        let (principal, entities) = principal(actor)?;
        let (resource, mut more) = self.resource(resource)?;
        more.extend(entities);
        let context = Context::from_pairs([
            ("second_factor".to_owned(), RestrictedExpression::new_bool(related.second_factor)),
            ("fresh".to_owned(), RestrictedExpression::new_bool(related.fresh)),
            ("in_care".to_owned(), RestrictedExpression::new_bool(related.in_care)),
            ("own".to_owned(), RestrictedExpression::new_bool(related.own)),
            ("author".to_owned(), RestrictedExpression::new_bool(related.author)),
            ("self".to_owned(), RestrictedExpression::new_bool(related.oneself)),
        ])
        .ok()?;
        let request = Request::new(principal, self.actions.get(&action)?.clone(), resource, context, None).ok()?;
        let entities = Entities::from_entities(more, None).ok()?;
        Some(self.authorizer.is_authorized(&request, &self.policies, &entities))
    }

    fn resource(&self, resource: Resource) -> Option<(EntityUid, Vec<Entity>)> {
        match resource {
            Resource::Hospital => Some((self.hospital.clone(), Vec::new())),
            Resource::Chart { patient, .. } => Some((uid("Chart", &patient.to_string()).ok()?, Vec::new())),
            Resource::Account { id, role } => {
                let uid = uid("Account", &id.to_string()).ok()?;
                let entity = entity(uid.clone(), [("role", RestrictedExpression::new_string(role.code().to_owned()))])?;
                Some((uid, vec![entity]))
            }
        }
    }
}

/// How the actor stands to the resource: what the rules see.
#[derive(Clone, Copy)]
struct Related {
    second_factor: bool,
    fresh: bool,
    in_care: bool,
    own: bool,
    author: bool,
    oneself: bool,
}

impl Related {
    fn of(actor: Actor, resource: Resource, facts: Facts) -> Self {
        let (id, own_patient) = match actor {
            Actor::Account { id, patient, .. } => (Some(id), patient),
            Actor::Job { .. } | Actor::Operator => (None, None),
        };
        let (own, author, oneself) = match resource {
            Resource::Chart { patient, author } => (own_patient == Some(patient), author.is_some() && author == id, false),
            Resource::Account { id: other, .. } => (false, false, id == Some(other)),
            Resource::Hospital => (false, false, false),
        };
        Self { second_factor: facts.second_factor, fresh: facts.fresh, in_care: facts.in_care, own, author, oneself }
    }
    /// 403 when the actor may know that the thing exists, else 404.
    fn may_know(&self, actor: Actor, resource: Resource) -> bool {
        match resource {
            Resource::Hospital => true,
            Resource::Chart { .. } => self.in_care || self.own || actor.has_role(Role::Registrar),
            Resource::Account { .. } => self.oneself || actor.has_role(Role::Administrator),
        }
    }
}

impl Actor {
    fn has_role(&self, wanted: Role) -> bool {
        matches!(self, Actor::Account { role, .. } if *role == wanted)
    }
}

fn entity<const N: usize>(uid: EntityUid, attributes: [(&str, RestrictedExpression); N]) -> Option<Entity> {
    Entity::new(uid, attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(), HashSet::new()).ok()
}

fn principal(actor: Actor) -> Option<(EntityUid, Vec<Entity>)> {
    let (uid, entity) = match actor {
        Actor::Account { id, role, state, .. } => {
            let active = RestrictedExpression::new_bool(state == AccountState::Active);
            // Patients and staff are different principals, so no staff rule can match a patient.
            if role == Role::Patient {
                let uid = uid("Patient", &id.to_string()).ok()?;
                (uid.clone(), entity(uid, [("active", active)])?)
            } else {
                let uid = uid("Staff", &id.to_string()).ok()?;
                (uid.clone(), entity(uid, [("active", active), ("role", RestrictedExpression::new_string(role.code().to_owned()))])?)
            }
        }
        Actor::Job { job } => {
            let uid = uid("Job", job).ok()?;
            (uid.clone(), entity(uid, [("job", RestrictedExpression::new_string(job.to_owned()))])?)
        }
        Actor::Operator => {
            let uid = uid("Operator", "here").ok()?;
            (uid.clone(), entity(uid, [])?)
        }
    };
    Some((uid, vec![entity]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn staff(role: Role) -> Actor {
        Actor::Account { id: AccountId::from_bytes([1; 16]), role, state: AccountState::Active, patient: None }
    }

    #[test]
    fn a_doctor_opens_charts_in_care_only() {
        let policy = Policy::embedded().unwrap();
        let chart = Resource::Chart { patient: PatientId::from_bytes([2; 16]), author: None };
        let facts = Facts { second_factor: true, ..Facts::default() };
        let denial = policy.decide(staff(Role::Doctor), Action::OpenChart, chart, facts).unwrap_err();
        assert!(!denial.may_know);
        let permit = policy.decide(staff(Role::Doctor), Action::OpenChart, chart, Facts { in_care: true, ..facts }).unwrap();
        assert_eq!(permit.rule(), "doctor-in-care");
    }

    #[test]
    fn an_administrator_never_opens_a_chart() {
        let policy = Policy::embedded().unwrap();
        let chart = Resource::Chart { patient: PatientId::from_bytes([2; 16]), author: None };
        let denial = policy
            .decide(
                staff(Role::Administrator),
                Action::OpenChart,
                chart,
                Facts { second_factor: true, in_care: true, fresh: true, voided: false },
            )
            .unwrap_err();
        assert_eq!(denial.rule, "administrator-no-clinical");
    }

    #[test]
    fn an_export_asks_for_a_fresh_code() {
        let policy = Policy::embedded().unwrap();
        let denial = policy
            .decide(staff(Role::Doctor), Action::ExportAssessments, Resource::Hospital, Facts { second_factor: true, ..Facts::default() })
            .unwrap_err();
        assert!(denial.step_up);
    }
}
