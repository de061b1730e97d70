//! Why, why not, and what would change it. Nothing in here decides: every answer is the one of
//! [`Policy::decide`], asked again with one fact turned.

use std::collections::HashMap;

use wardkeep_domain::AccountId;
use wardkeep_domain::account::{AccountState, Role};

use crate::decide::Related;
use crate::facts::{Fact, Held};
use crate::matrix::{ACTOR, OTHER, PATIENT, SERVICE, THIRD, Target, Who};
use crate::{Action, Actor, Facts, Policy, Resource};

/// An answer with the rule that gave it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Verdict {
    pub allowed: bool,
    /// `@id`; `default` when no rule spoke.
    pub rule: String,
    /// A sentence for people.
    pub reason: String,
    /// Where the rule stands; `None` when no rule spoke.
    pub file: Option<String>,
}

/// One fact that alone turns the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flip {
    pub fact: Fact,
    /// What it would have to be.
    pub holds: bool,
    pub then: Verdict,
}

/// The whole answer to "why may X (not) do this?".
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    pub action: Action,
    pub verdict: Verdict,
    /// The facts that were taken, of those that can matter here.
    pub facts: Vec<(Fact, bool)>,
    pub flips: Vec<Flip>,
}

/// A question without its people: somebody of a role, or a machine, and the facts that hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Case {
    pub who: Who,
    /// The account, where it is known: a rule may name it.
    pub id: Option<AccountId>,
    pub action: Action,
    pub held: Held,
    /// Role of the account that is asked about; matters to actions on accounts alone.
    pub account: Role,
}

impl Case {
    /// What [`Policy::decide`] takes. The patient, and the other account, are stand-ins.
    #[must_use]
    pub fn question(self) -> (Actor, Action, Resource, Facts) {
        let id = self.id.unwrap_or(ACTOR);
        let state = if self.held.holds(Fact::Active) { AccountState::Active } else { AccountState::Suspended };
        let actor = match self.who {
            Who::Role(role) => Actor::Account { id, role, state, patient: self.held.holds(Fact::Own).then_some(PATIENT) },
            Who::Job(job) => Actor::Job { job },
            Who::Operator => Actor::Operator,
            Who::Service(scope) => {
                Actor::Service { id: SERVICE, scopes: [scope].into_iter().collect(), active: state == AccountState::Active }
            }
        };
        let resource = match Target::of(self.action) {
            Target::Hospital => Resource::Hospital,
            Target::Chart => Resource::Chart { patient: PATIENT, author: self.held.holds(Fact::Author).then_some(id) },
            Target::Account => {
                let other = if id == OTHER { ACTOR } else { OTHER };
                Resource::Account { id: if self.held.holds(Fact::Oneself) { id } else { other }, role: self.account }
            }
            Target::Request => {
                let asked_by = if self.held.holds(Fact::Oneself) { id } else { OTHER };
                Resource::Request { kind: "reset_factor", asked_by, about: Some(THIRD) }
            }
        };
        (actor, self.action, resource, facts(self.held))
    }
}

fn facts(held: Held) -> Facts {
    Facts {
        in_care: held.holds(Fact::InCare),
        emergency: held.holds(Fact::Emergency),
        proxy: held.holds(Fact::Proxy),
        marked: held.holds(Fact::Marked),
        second_factor: held.holds(Fact::SecondFactor),
        fresh: held.holds(Fact::Fresh),
    }
}

impl Policy {
    /// The answer of [`Policy::decide`] with the rule's reason and file, also where it allows.
    #[must_use]
    pub fn verdict(&self, actor: Actor, action: Action, resource: Resource, facts: Facts) -> Verdict {
        let (allowed, rule, reason) = match self.decide(actor, action, resource, facts) {
            Ok(permit) => (true, permit.rule().to_owned(), String::new()),
            Err(denial) => (false, denial.rule, denial.reason),
        };
        match self.rule(&rule) {
            Some(said) => Verdict { allowed, reason: said.reason.clone(), file: Some(said.file.clone()), rule },
            None => Verdict { allowed, rule, reason, file: None },
        }
    }

    /// Asks, then asks again with each fact turned that can matter.
    #[must_use]
    pub fn explain(&self, actor: Actor, action: Action, resource: Resource, facts: Facts) -> Explanation {
        let verdict = self.verdict(actor, action, resource, facts);
        let held = Related::of(actor, resource, facts).held(actor);
        let facts_taken: Vec<(Fact, bool)> =
            Fact::ALL.into_iter().filter(|fact| matters(*fact, actor, resource)).map(|fact| (fact, held.holds(fact))).collect();
        let flip = |(fact, holds): &(Fact, bool)| {
            let (actor, resource, facts) = turned(*fact, !holds, actor, resource, facts);
            let then = self.verdict(actor, action, resource, facts);
            (then.allowed != verdict.allowed).then_some(Flip { fact: *fact, holds: !holds, then })
        };
        Explanation { action, flips: facts_taken.iter().filter_map(flip).collect(), facts: facts_taken, verdict }
    }

    /// About whom a rule ever decides: nobody when other rules always speak first, or when it names
    /// particular people.
    #[must_use]
    pub fn reach(&self, rule: &str) -> &[Who] {
        let reach = self.reach.get_or_init(|| self.all_reach());
        reach.get(rule).map_or(&[], Vec::as_slice)
    }

    fn all_reach(&self) -> HashMap<String, Vec<Who>> {
        let mut reach: HashMap<String, Vec<Who>> = HashMap::new();
        for who in Who::all() {
            for action in Action::ALL.iter().copied() {
                for held in standings(who, action) {
                    let (actor, action, resource, facts) = Case { who, id: None, action, held, account: Role::Nurse }.question();
                    for rule in kinds_of(resource).into_iter().flat_map(|resource| self.deciding(actor, action, resource, facts)) {
                        let of = reach.entry(rule.id.clone()).or_default();
                        if of.last() != Some(&who) {
                            of.push(who);
                        }
                    }
                }
            }
        }
        reach
    }
}

/// A request of either sort that rules tell apart; anything else is as it is.
fn kinds_of(resource: Resource) -> Vec<Resource> {
    match resource {
        Resource::Request { asked_by, about, .. } => {
            ["reset_factor", "export_log"].map(|kind| Resource::Request { kind, asked_by, about }).to_vec()
        }
        resource => vec![resource],
    }
}

/// Every way to stand to an action for somebody in good standing, and two ways not to be.
fn standings(who: Who, action: Action) -> Vec<Held> {
    let sound: Held = [Fact::Active, Fact::SecondFactor].into_iter().collect();
    let (actor, _, resource, _) = Case { who, id: None, action, held: sound, account: Role::Nurse }.question();
    let mut all = vec![sound];
    for fact in Fact::ALL.into_iter().filter(|fact| !sound.holds(*fact) && matters(*fact, actor, resource)) {
        all.extend(all.clone().into_iter().map(|held| held.with(fact, true)));
    }
    all.extend([Fact::Active, Fact::SecondFactor].map(|fact| sound.with(fact, false)));
    all
}

/// Can this fact be otherwise for this actor and resource?
fn matters(fact: Fact, actor: Actor, resource: Resource) -> bool {
    let Actor::Account { role, .. } = actor else { return false };
    match (fact, resource) {
        (Fact::Active | Fact::SecondFactor | Fact::Fresh, _) => true,
        (Fact::InCare | Fact::Author | Fact::Emergency, Resource::Chart { .. }) => role.is_staff(),
        (Fact::Own | Fact::Proxy, Resource::Chart { .. }) => role == Role::Patient,
        (Fact::Marked, Resource::Chart { .. }) => true,
        (Fact::Oneself, Resource::Account { .. } | Resource::Request { .. }) => true,
        _ => false,
    }
}

/// The same question with one fact as given.
fn turned(fact: Fact, holds: bool, actor: Actor, resource: Resource, facts: Facts) -> (Actor, Resource, Facts) {
    let (mut actor, mut resource, mut facts) = (actor, resource, facts);
    if let Actor::Account { id, state, patient, .. } = &mut actor {
        match (fact, &mut resource) {
            (Fact::Active, _) => *state = if holds { AccountState::Active } else { AccountState::Suspended },
            (Fact::Own, Resource::Chart { patient: of, .. }) => *patient = holds.then_some(*of),
            (Fact::Author, Resource::Chart { author, .. }) => *author = holds.then_some(*id),
            (Fact::Oneself, Resource::Request { asked_by, about, .. }) => {
                *asked_by = if holds { *id } else { OTHER };
                *about = Some(THIRD);
            }
            (Fact::Oneself, Resource::Account { id: of, .. }) => {
                let other = if *id == OTHER { ACTOR } else { OTHER };
                *of = if holds { *id } else { other };
            }
            _ => {}
        }
    }
    match fact {
        Fact::SecondFactor => facts.second_factor = holds,
        Fact::Fresh => facts.fresh = holds,
        Fact::InCare => facts.in_care = holds,
        Fact::Emergency => facts.emergency = holds,
        Fact::Proxy => facts.proxy = holds,
        Fact::Marked => facts.marked = holds,
        Fact::Active | Fact::Own | Fact::Author | Fact::Oneself => {}
    }
    (actor, resource, facts)
}
