//! An explanation says what `decide` says, and each fact it names really turns the answer.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use wardkeep_domain::account::{AccountState, Role};
use wardkeep_policy::matrix::{Target, Who};
use wardkeep_policy::{Action, Actor, Case, Fact, Held, Policy, Resource};

use crate::site::text_of;

fn case() -> impl Strategy<Value = Case> {
    let who = prop::sample::select(Who::all());
    let actions = prop::sample::select(Action::ALL.to_vec());
    let held = prop::sample::subsequence(Fact::ALL.to_vec(), 0..=Fact::ALL.len());
    (who, actions, held, prop::sample::select(Role::ALL.to_vec())).prop_map(|(who, action, held, account)| Case {
        who,
        id: None,
        action,
        held: held.into_iter().collect(),
        account,
    })
}

fn allowed(policy: &Policy, case: Case) -> bool {
    let (actor, action, resource, facts) = case.question();
    policy.decide(actor, action, resource, facts).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, rng_seed: RngSeed::Fixed(11), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_answer_is_that_of_decide_and_the_facts_named_are_all_that_turn_it_alone(case in case()) {
        let policy = shared();
        let (actor, action, resource, facts) = case.question();
        let told = policy.explain(actor, action, resource, facts);
        prop_assert_eq!(told.verdict.allowed, allowed(policy, case));
        let held = match policy.decide(actor, action, resource, facts) {
            Ok(permit) => {
                prop_assert_eq!(&told.verdict.rule, permit.rule());
                permit.held()
            }
            Err(denial) => {
                prop_assert_eq!(&told.verdict.rule, &denial.rule);
                prop_assert_eq!(&told.verdict.reason, &denial.reason);
                denial.held
            }
        };
        // Turned by hand, fact by fact; only what can be otherwise for this actor and resource.
        let can: Vec<Fact> = Fact::ALL.into_iter().filter(|fact| can_turn(*fact, actor, resource)).collect();
        let wanted: Vec<Fact> = can.iter().copied()
            .filter(|fact| allowed(policy, Case { held: held.with(*fact, !held.holds(*fact)), ..case }) != told.verdict.allowed)
            .collect();
        prop_assert_eq!(told.flips.iter().map(|flip| flip.fact).collect::<Vec<_>>(), wanted);
        for flip in &told.flips {
            prop_assert_eq!(flip.holds, !held.holds(flip.fact));
            prop_assert_eq!(flip.then.allowed, !told.verdict.allowed);
        }
        prop_assert_eq!(told.facts, can.into_iter().map(|fact| (fact, held.holds(fact))).collect::<Vec<_>>());
    }
}

fn can_turn(fact: Fact, actor: Actor, resource: Resource) -> bool {
    let Actor::Account { role, .. } = actor else { return false };
    let (chart, account) = (matches!(resource, Resource::Chart { .. }), matches!(resource, Resource::Account { .. }));
    match fact {
        Fact::Active | Fact::SecondFactor | Fact::Fresh => true,
        Fact::InCare | Fact::Author | Fact::Emergency => chart && role != Role::Patient,
        Fact::Own | Fact::Proxy => chart && role == Role::Patient,
        Fact::Marked => chart,
        Fact::Oneself => account || matches!(resource, Resource::Request { .. }),
    }
}

fn shared() -> &'static Policy {
    static POLICY: std::sync::OnceLock<Policy> = std::sync::OnceLock::new();
    // A rule of a hospital's own, on every fact, so that each one turns something.
    POLICY.get_or_init(|| {
        Policy::with_site(&[text_of(
            "site.cedar",
            "@id(\"site-no-own\") @reason(\"Not oneself.\") forbid (principal is Staff, action == Action::\"revoke_session\", resource) when { context.self };",
        )])
        .unwrap()
    })
}

#[test]
fn a_doctor_who_does_not_care_for_the_patient_is_told_that_care_would_open_the_chart() {
    let held = Held::parse("active second_factor").unwrap();
    let case = Case { who: Who::Role(Role::Doctor), id: None, action: Action::OpenChart, held, account: Role::Nurse };
    let (actor, action, resource, facts) = case.question();
    let told = shared().explain(actor, action, resource, facts);
    assert!(!told.verdict.allowed);
    let [flip, emergency] = told.flips.as_slice() else { panic!("{told:?}") };
    assert_eq!((emergency.fact, emergency.then.rule.as_str()), (Fact::Emergency, "emergency-opens"));
    assert_eq!((flip.fact, flip.holds, flip.then.rule.as_str()), (Fact::InCare, true, "doctor-in-care"));
    assert_eq!(flip.then.file.as_deref(), Some("doctor.cedar"));
    // Care changes nothing for an administrator: the rule that forbids is named, and no way around it.
    let (actor, ..) = Case { who: Who::Role(Role::Administrator), ..case }.question();
    let told = shared().explain(actor, action, resource, facts);
    assert_eq!((told.verdict.rule.as_str(), told.flips.len()), ("administrator-no-clinical", 0));
}

#[test]
fn a_case_asks_what_the_matrix_asks() {
    let policy = Policy::embedded().unwrap();
    for action in Action::ALL.iter().copied().filter(|action| Target::of(*action) == Target::Chart) {
        let held = Held::parse("active second_factor fresh in_care").unwrap();
        let case = Case { who: Who::Role(Role::Nurse), id: None, action, held, account: Role::Nurse };
        let question = wardkeep_policy::matrix::Question {
            who: case.who,
            state: AccountState::Active,
            action,
            standing: wardkeep_policy::matrix::Standing::InCare,
            second_factor: true,
            fresh: true,
        };
        assert_eq!(allowed(&policy, case), question.ask(&policy).is_ok(), "{action:?}");
    }
}

#[test]
fn a_rule_is_listed_under_those_whom_it_ever_decides_about() {
    let policy = shared();
    assert_eq!(policy.reach("doctor-in-care"), [Who::Role(Role::Doctor)]);
    assert_eq!(policy.reach("explain-house"), [Who::Role(Role::Administrator), Who::Role(Role::PrivacyOfficer)]);
    assert_eq!(policy.reach("second-factor"), Role::ALL.map(Who::Role));
    assert_eq!(policy.reach("operator"), [Who::Operator]);
    assert_eq!(policy.reach("patient-own"), [Who::Role(Role::Patient)]);
    for rule in policy.rules() {
        assert!(!policy.reach(&rule.id).is_empty(), "{} decides about nobody", rule.id);
    }
}
