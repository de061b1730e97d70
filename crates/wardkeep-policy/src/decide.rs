//! The decision: actor, action, resource and facts in; a [`Permit`] or a [`Denial`] with its reason out.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use cedar_policy::{Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicyId, Request, RestrictedExpression};
use wardkeep_domain::account::{AccountState, Role};
use wardkeep_domain::service::Scopes;
use wardkeep_domain::{AccountId, PatientId, ServiceId};

use crate::Action;
use crate::facts::{Fact, Held};
use crate::load::{self, Asked, FILES, Loaded, PolicyError, Rule, Types, uid};
use crate::matrix::Who;

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    /// A signed-in account. `patient`: the patient this account reads as.
    Account { id: AccountId, role: Role, state: AccountState, patient: Option<PatientId> },
    /// A background job with one narrow role (`job`: `keeper`, `importer`, `verifier`).
    Job { job: &'static str },
    /// The command line on the hospital's own machine, by whoever holds the data directory.
    Operator,
    /// A program with scopes. `active`: neither revoked nor expired.
    Service { id: ServiceId, scopes: Scopes, active: bool },
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
    /// A request for a second person's approval. `kind`: its code; `about`: whose account it is about.
    Request { kind: &'static str, asked_by: AccountId, about: Option<AccountId> },
}

/// What the use case found out before asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// The actor is in the patient's care team.
    pub in_care: bool,
    /// The session holds emergency access to the patient's chart.
    pub emergency: bool,
    /// The account reads this patient's record in the patient's stead.
    pub proxy: bool,
    /// The entry is marked as sensitive, and the actor has no permission for that mark.
    pub marked: bool,
    /// The session has proven a second factor.
    pub second_factor: bool,
    /// A factor was proven within the last five minutes.
    pub fresh: bool,
}

/// Proof that policy said yes. Made here only.
#[derive(Debug)]
pub struct Permit {
    actor: Actor,
    action: Action,
    resource: Resource,
    /// `@id` of the policy that allowed it.
    rule: String,
    held: Held,
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
    /// The facts that held when it was asked.
    #[must_use]
    pub fn held(&self) -> Held {
        self.held
    }
    /// The patient this permit is about.
    #[must_use]
    pub fn patient(&self) -> Option<PatientId> {
        match self.resource {
            Resource::Chart { patient, .. } => Some(patient),
            Resource::Hospital | Resource::Account { .. } | Resource::Request { .. } => None,
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
    /// The facts that held when it was asked.
    pub held: Held,
}

/// The parsed and validated policies.
pub struct Policy {
    authorizer: Authorizer,
    asked: HashMap<Action, Asked>,
    rules: Vec<Rule>,
    places: HashMap<PolicyId, usize>,
    types: Types,
    contexts: Vec<Context>,
    /// Who each rule ever decides about; worked out when first asked, see `explain.rs`.
    pub(crate) reach: OnceLock<HashMap<String, Vec<Who>>>,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Policy")
    }
}

/// What the rules answered, before it becomes a [`Permit`] or a [`Denial`].
pub(crate) struct Answer {
    pub(crate) allowed: bool,
    /// The rules that decided; none for silence.
    rules: HashSet<PolicyId>,
}

impl Policy {
    /// The embedded policies, validated against the embedded schema.
    ///
    /// # Errors
    /// When a policy does not parse or does not fit the schema.
    pub fn embedded() -> Result<Self, PolicyError> {
        Self::from_loaded(load::read(FILES, FILES.len())?)
    }

    /// Policies from text, as (file name, text); each rule needs an `@id` of its own and a `@reason`.
    ///
    /// # Errors
    /// Names the file that does not parse, does not fit the schema, lacks an annotation, or holds
    /// a rule that can never apply.
    pub fn from_files(files: &[(&str, &str)]) -> Result<Self, PolicyError> {
        Self::from_loaded(load::read(files, files.len())?)
    }

    /// # Errors
    /// The first fault.
    pub(crate) fn from_loaded(loaded: Loaded) -> Result<Self, PolicyError> {
        if let Some(fault) = loaded.faults.into_iter().next() {
            return Err(fault);
        }
        Ok(Self {
            authorizer: Authorizer::new(),
            asked: load::by_action(&loaded.parsed)?,
            rules: loaded.rules,
            places: loaded.places,
            types: Types::parse()?,
            contexts: load::contexts(&Related::NAMES)?,
            reach: OnceLock::new(),
        })
    }

    /// Every rule, in the order of the files.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of an `@id`.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.places.get(&PolicyId::new(id)).and_then(|place| self.rules.get(*place))
    }

    /// Deny wins, silence is no; an account that is not active gets nothing.
    ///
    /// # Errors
    /// The [`Denial`] with its reason.
    pub fn decide(&self, actor: Actor, action: Action, resource: Resource, facts: Facts) -> Result<Permit, Denial> {
        let related = Related::of(actor, resource, facts);
        let denial = |rule: &str, reason: &str, step_up: bool| Denial {
            action,
            rule: rule.to_owned(),
            reason: reason.to_owned(),
            may_know: related.may_know(actor, resource),
            step_up,
            held: related.held(actor),
        };
        let Some(answer) = self.ask(actor, action, resource, &related) else {
            // A request that cannot even be built is refused.
            return Err(denial("malformed", "This request cannot be judged.", false));
        };
        match self.first(&answer) {
            Some(rule) if answer.allowed => Ok(Permit { actor, action, resource, rule: rule.id.clone(), held: related.held(actor) }),
            Some(rule) => Err(denial(&rule.id, &rule.reason, false)),
            None => {
                let fresh = Related { fresh: true, ..related };
                let step_up = !related.fresh && self.ask(actor, action, resource, &fresh).is_some_and(|answer| answer.allowed);
                let reason = if step_up { "This needs a code entered within the last five minutes." } else { "No rule allows this." };
                Err(denial("default", reason, step_up))
            }
        }
    }

    /// Of several rules that decided, the first one in the files.
    pub(crate) fn first(&self, answer: &Answer) -> Option<&Rule> {
        answer.rules.iter().filter_map(|id| self.places.get(id)).min().and_then(|place| self.rules.get(*place))
    }

    /// Every rule that had a part in the answer.
    pub(crate) fn deciding(&self, actor: Actor, action: Action, resource: Resource, facts: Facts) -> Vec<&Rule> {
        let answer = self.ask(actor, action, resource, &Related::of(actor, resource, facts));
        let rules = answer.iter().flat_map(|answer| &answer.rules);
        rules.filter_map(|id| self.places.get(id)).filter_map(|place| self.rules.get(*place)).collect()
    }

    fn ask(&self, actor: Actor, action: Action, resource: Resource, related: &Related) -> Option<Answer> {
        let asked = self.asked.get(&action)?;
        let principal = self.principal(actor)?;
        let (resource, entity) = self.resource(resource)?;
        let context = self.contexts.get(related.bits())?.clone();
        let request = Request::new(principal.uid(), asked.uid.clone(), resource, context, None).ok()?;
        let entities = Entities::from_entities(std::iter::once(principal).chain(entity), None).ok()?;
        let response = self.authorizer.is_authorized(&request, &asked.rules, &entities);
        // A rule that fails is left out by Cedar. It may have been the one that forbids.
        if response.diagnostics().errors().next().is_some() {
            return None;
        }
        Some(Answer { allowed: response.decision() == Decision::Allow, rules: response.diagnostics().reason().cloned().collect() })
    }

    fn principal(&self, actor: Actor) -> Option<Entity> {
        let types = &self.types;
        match actor {
            Actor::Account { id, role, state, .. } => {
                let active = ("active", RestrictedExpression::new_bool(state == AccountState::Active));
                // Patients and staff are different principals, so no staff rule can match a patient.
                if role == Role::Patient {
                    entity(uid(&types.patient, &id.to_string()), [active])
                } else {
                    entity(uid(&types.staff, &id.to_string()), [active, ("role", text(role.code()))])
                }
            }
            Actor::Job { job } => entity(uid(&types.job, job), [("job", text(job))]),
            Actor::Operator => entity(uid(&types.operator, "here"), []),
            Actor::Service { id, scopes, active } => {
                let scopes = RestrictedExpression::new_set(scopes.iter().map(|scope| text(scope.code())));
                entity(uid(&types.service, &id.to_string()), [("active", RestrictedExpression::new_bool(active)), ("scopes", scopes)])
            }
        }
    }

    fn resource(&self, resource: Resource) -> Option<(EntityUid, Option<Entity>)> {
        match resource {
            Resource::Hospital => Some((uid(&self.types.hospital, "here"), None)),
            Resource::Chart { patient, .. } => Some((uid(&self.types.chart, &patient.to_string()), None)),
            Resource::Account { id, role } => {
                let account = entity(uid(&self.types.account, &id.to_string()), [("role", text(role.code()))])?;
                Some((account.uid(), Some(account)))
            }
            Resource::Request { kind, .. } => {
                let request = entity(uid(&self.types.request, "this"), [("kind", text(kind))])?;
                Some((request.uid(), Some(request)))
            }
        }
    }
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

/// How the actor stands to the resource: what the rules see.
#[derive(Clone, Copy)]
pub(crate) struct Related {
    second_factor: bool,
    fresh: bool,
    in_care: bool,
    own: bool,
    author: bool,
    oneself: bool,
    emergency: bool,
    proxy: bool,
    marked: bool,
}

impl Related {
    /// As the schema's `Facts` call them, in the order of [`Related::bits`].
    const NAMES: [&str; 9] = ["second_factor", "fresh", "in_care", "own", "author", "self", "emergency", "proxy", "marked"];

    /// Place among the prepared contexts.
    fn bits(&self) -> usize {
        let facts =
            [self.second_factor, self.fresh, self.in_care, self.own, self.author, self.oneself, self.emergency, self.proxy, self.marked];
        facts.into_iter().rev().fold(0, |bits, fact| bits << 1 | usize::from(fact))
    }
    /// As the log keeps it. An account's state is a fact as well; machines are active by nature.
    pub(crate) fn held(&self, actor: Actor) -> Held {
        // Taken apart, so that a new fact does not compile until the log keeps it.
        let Self { second_factor, fresh, in_care, own, author, oneself, emergency, proxy, marked } = *self;
        let facts = [
            (Fact::Active, !matches!(actor, Actor::Account { .. }) || actor.is_active()),
            (Fact::SecondFactor, second_factor),
            (Fact::Fresh, fresh),
            (Fact::InCare, in_care),
            (Fact::Own, own),
            (Fact::Author, author),
            (Fact::Oneself, oneself),
            (Fact::Emergency, emergency),
            (Fact::Proxy, proxy),
            (Fact::Marked, marked),
        ];
        facts.into_iter().filter(|(_, holds)| *holds).map(|(fact, _)| fact).collect()
    }
    pub(crate) fn of(actor: Actor, resource: Resource, facts: Facts) -> Self {
        let (id, own_patient) = match actor {
            Actor::Account { id, patient, .. } => (Some(id), patient),
            Actor::Job { .. } | Actor::Operator | Actor::Service { .. } => (None, None),
        };
        let (own, author, oneself) = match resource {
            Resource::Chart { patient, author } => (own_patient == Some(patient), author.is_some() && author == id, false),
            Resource::Account { id: other, .. } => (false, false, id == Some(other)),
            Resource::Request { asked_by, about, .. } => (false, false, id == Some(asked_by) || (id.is_some() && id == about)),
            Resource::Hospital => (false, false, false),
        };
        // Only staff care for patients, whatever the asker found.
        let staff = matches!(actor, Actor::Account { role, .. } if role.is_staff());
        let (in_care, emergency, proxy) = (facts.in_care && staff, facts.emergency && staff, facts.proxy && !staff);
        Self {
            second_factor: facts.second_factor,
            fresh: facts.fresh,
            in_care,
            own,
            author,
            oneself,
            emergency,
            proxy,
            marked: facts.marked,
        }
    }
    /// 403 when the actor may know that the thing exists, else 404. Whoever is not wholly signed in
    /// or not active learns nothing.
    fn may_know(&self, actor: Actor, resource: Resource) -> bool {
        match resource {
            Resource::Hospital => true,
            _ if !self.second_factor || !actor.is_active() => false,
            Resource::Chart { .. } => self.in_care || self.emergency || self.own || self.proxy || actor.has_role(Role::Registrar),
            Resource::Account { .. } => self.oneself || actor.has_role(Role::Administrator),
            Resource::Request { .. } => self.oneself || actor.has_role(Role::Administrator) || actor.has_role(Role::PrivacyOfficer),
        }
    }
}

impl Actor {
    fn is_active(&self) -> bool {
        matches!(self, Actor::Account { state: AccountState::Active, .. })
    }
    fn has_role(&self, wanted: Role) -> bool {
        matches!(self, Actor::Account { role, .. } if *role == wanted)
    }
}

fn entity<const N: usize>(uid: EntityUid, attributes: [(&str, RestrictedExpression); N]) -> Option<Entity> {
    Entity::new(uid, attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(), HashSet::new()).ok()
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
                Facts { second_factor: true, in_care: true, emergency: true, proxy: true, marked: false, fresh: true },
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
