//! What must hold whatever the rules say, and what the role table promises of each role.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::RngSeed;
use wardkeep_domain::account::{AccountState, Role};
use wardkeep_domain::service::Scope;
use wardkeep_domain::{AccountId, PatientId, ServiceId};
use wardkeep_policy::load::FILES;
use wardkeep_policy::matrix::{Question, Standing, Target, Who};
use wardkeep_policy::{Action, Actor, Facts, Policy, Resource};

/// What is in a chart, and lists made of charts. Demographics are not; see the role table.
const CLINICAL: [Action; 16] = [
    Action::OpenChart,
    Action::ReadRecord,
    Action::WriteRecord,
    Action::AmendRecord,
    Action::VoidRecord,
    Action::ReadDocument,
    Action::UploadDocument,
    Action::VoidDocument,
    Action::ListAssessments,
    Action::ReadAssessment,
    Action::WriteAssessment,
    Action::AmendAssessment,
    Action::VoidAssessment,
    Action::ImportAssessments,
    Action::ExportAssessments,
    Action::SummariseAssessments,
];

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() }
}

fn resource(action: Action, patient: PatientId, author: Option<AccountId>, account: AccountId, role: Role) -> Resource {
    match Target::of(action) {
        Target::Hospital => Resource::Hospital,
        Target::Chart => Resource::Chart { patient, author },
        Target::Account => Resource::Account { id: account, role },
        Target::Request => {
            let kind = if role == Role::Nurse { "export_log" } else { "grant_role" };
            Resource::Request { kind, asked_by: account, about: author }
        }
    }
}

fn account() -> impl Strategy<Value = AccountId> {
    (0u8..4).prop_map(|n| AccountId::from_bytes([n; 16]))
}

fn patient() -> impl Strategy<Value = PatientId> {
    (0u8..4).prop_map(|n| PatientId::from_bytes([n; 16]))
}

fn facts() -> impl Strategy<Value = Facts> {
    any::<(bool, bool, bool, bool, bool, bool)>().prop_map(|(in_care, emergency, proxy, marked, second_factor, fresh)| Facts {
        in_care,
        emergency,
        proxy,
        marked,
        second_factor,
        fresh,
    })
}

fn state() -> impl Strategy<Value = AccountState> {
    select(AccountState::ALL.to_vec())
}

fn actor(roles: &[Role]) -> impl Strategy<Value = Actor> + use<> {
    (account(), select(roles.to_vec()), state(), proptest::option::of(patient())).prop_map(|(id, role, state, patient)| Actor::Account {
        id,
        role,
        state,
        patient,
    })
}

/// Anything somebody could ask: small id spaces, so that people meet themselves and their own charts.
type Ask = (Actor, Action, Resource, Facts);
fn asking(roles: &[Role]) -> impl Strategy<Value = Ask> + use<> {
    let resources = (patient(), proptest::option::of(account()), account(), select(Role::ALL.to_vec()));
    (actor(roles), select(Action::ALL.to_vec()), resources, facts()).prop_map(|(actor, action, (patient, author, account, role), facts)| {
        (actor, action, resource(action, patient, author, account, role), facts)
    })
}

/// A rule that a hospital could add: any principal, any actions, any condition.
fn rule(effect: &'static str, kinds: &'static [&'static str]) -> impl Strategy<Value = String> {
    let facts = ["second_factor", "fresh", "in_care", "own", "author", "self"];
    let actions = subsequence(Action::ALL.to_vec(), 1..=Action::ALL.len());
    (select(kinds.to_vec()), actions, subsequence(facts.to_vec(), 0..=2)).prop_map(move |(kind, actions, facts)| {
        let actions: Vec<String> = actions.iter().map(|action| format!("Action::\"{}\"", action.name())).collect();
        let when: Vec<String> = facts.iter().map(|fact| format!("context.{fact}")).collect();
        let when = if when.is_empty() { "true".to_owned() } else { when.join(" || ") };
        format!(
            "@id(\"added\") @reason(\"Added.\") {effect} (principal{kind}, action in [{}], resource) when {{ {when} }};",
            actions.join(", ")
        )
    })
}

fn with(added: &str) -> Policy {
    let files: Vec<(&str, &str)> = FILES.iter().copied().chain([("added.cedar", added)]).collect();
    Policy::from_files(&files).unwrap()
}

const ANYBODY: &[&str] = &["", " is Staff", " is Patient"];

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn deny_wins_over_any_permit_that_is_added(added in rule("permit", ANYBODY), asks in prop::collection::vec(asking(&Role::ALL), 100)) {
        let (before, after) = (Policy::embedded().unwrap(), with(&added));
        for (actor, action, resource, facts) in asks {
            let Err(denial) = before.decide(actor, action, resource, facts) else { continue };
            if denial.rule != "default" {
                prop_assert_eq!(after.decide(actor, action, resource, facts).unwrap_err(), denial);
            }
        }
    }

    #[test]
    fn a_forbid_that_is_added_never_allows_more(added in rule("forbid", ANYBODY), asks in prop::collection::vec(asking(&Role::ALL), 100)) {
        let (before, after) = (Policy::embedded().unwrap(), with(&added));
        for (actor, action, resource, facts) in asks {
            if before.decide(actor, action, resource, facts).is_err() {
                prop_assert!(after.decide(actor, action, resource, facts).is_err());
            }
        }
    }

    #[test]
    fn a_rule_for_staff_never_reaches_a_patient(added in rule("permit", &[" is Staff"]), asks in prop::collection::vec(asking(&[Role::Patient]), 100)) {
        let (before, after) = (Policy::embedded().unwrap(), with(&added));
        for (actor, action, resource, facts) in asks {
            let answers = [&before, &after].map(|policy| policy.decide(actor, action, resource, facts).map(|permit| permit.rule().to_owned()));
            prop_assert_eq!(&answers[0], &answers[1]);
        }
    }

    #[test]
    fn a_rule_for_patients_never_reaches_staff(added in rule("permit", &[" is Patient"]), asks in prop::collection::vec(asking(&Role::STAFF), 100)) {
        let (before, after) = (Policy::embedded().unwrap(), with(&added));
        for (actor, action, resource, facts) in asks {
            let answers = [&before, &after].map(|policy| policy.decide(actor, action, resource, facts).map(|permit| permit.rule().to_owned()));
            prop_assert_eq!(&answers[0], &answers[1]);
        }
    }
}

proptest! {
    #![proptest_config(config(4_000))]

    #[test]
    fn a_patient_gets_nothing_of_another_patient((actor, action, resource, facts) in asking(&[Role::Patient])) {
        let policy = shared();
        let Actor::Account { id, patient: own, .. } = actor else { unreachable!() };
        let of_another = match resource {
            Resource::Chart { patient, .. } => own != Some(patient) && !facts.proxy,
            Resource::Account { id: other, .. } => id != other,
            Resource::Request { .. } => true,
            Resource::Hospital => !matches!(action, Action::UseOwnAccount | Action::ChangeOwnSignIn),
        };
        if of_another {
            let denial = policy.decide(actor, action, resource, facts).unwrap_err();
            let asked = matches!(resource, Resource::Request { asked_by, about, .. } if id == asked_by || about == Some(id));
            prop_assert!(!denial.may_know || resource == Resource::Hospital || asked);
        }
    }

    #[test]
    fn nothing_is_allowed_to_who_is_inactive_or_half_signed_in((actor, action, resource, facts) in asking(&Role::ALL)) {
        let Actor::Account { state, .. } = actor else { unreachable!() };
        if shared().decide(actor, action, resource, facts).is_ok() {
            prop_assert!(state == AccountState::Active && facts.second_factor);
        }
    }

    #[test]
    fn a_mark_without_its_permission_opens_no_record_to_anybody((actor, action, resource, facts) in asking(&Role::ALL)) {
        if matches!(action, Action::ReadRecord | Action::AmendRecord | Action::VoidRecord) {
            let marked = Facts { marked: true, ..facts };
            prop_assert!(shared().decide(actor, action, resource, marked).is_err());
        }
    }

    #[test]
    fn a_fact_that_no_rule_of_the_role_names_changes_nothing((actor, action, resource, facts) in asking(&Role::ALL)) {
        let Actor::Account { id, role, state, .. } = actor else { unreachable!() };
        let answer = |actor, resource, facts| shared().decide(actor, action, resource, facts).map(|permit| permit.rule().to_owned()).map_err(|denial| denial.rule);
        let given = answer(actor, resource, facts);
        let named = named_facts(role);
        if !named.contains(&"in_care") {
            prop_assert_eq!(&answer(actor, resource, Facts { in_care: !facts.in_care, ..facts }), &given);
        }
        if !named.contains(&"fresh") && action != Action::ChangeOwnSignIn {
            prop_assert_eq!(&answer(actor, resource, Facts { fresh: !facts.fresh, ..facts }), &given);
        }
        if !named.contains(&"proxy") {
            prop_assert_eq!(&answer(actor, resource, Facts { proxy: !facts.proxy, ..facts }), &given);
        }
        if !named.contains(&"emergency") {
            prop_assert_eq!(&answer(actor, resource, Facts { emergency: !facts.emergency, ..facts }), &given);
        }
        if let Resource::Chart { patient, author } = resource {
            if !named.contains(&"own") {
                prop_assert_eq!(&answer(Actor::Account { id, role, state, patient: Some(patient) }, resource, facts), &given);
            }
            if !named.contains(&"author") {
                let turned = if author == Some(id) { None } else { Some(id) };
                prop_assert_eq!(&answer(actor, Resource::Chart { patient, author: turned }, facts), &given);
            }
        }
        if let Resource::Account { id: other, .. } = resource {
            for role in Role::ALL {
                prop_assert_eq!(&answer(actor, Resource::Account { id: other, role }, facts), &given);
            }
        }
    }
}

/// The facts that the role table of each role speaks of.
fn named_facts(role: Role) -> &'static [&'static str] {
    match role {
        Role::Administrator | Role::PrivacyOfficer => &["fresh"],
        Role::Doctor => &["in_care", "fresh", "emergency"],
        Role::Nurse => &["in_care", "author", "fresh", "emergency"],
        Role::Registrar => &["fresh"],
        Role::StrokeCoordinator => &["in_care", "fresh"],
        Role::Researcher => &["fresh"],
        Role::Patient => &["own", "proxy"],
    }
}

fn shared() -> &'static Policy {
    static POLICY: std::sync::OnceLock<Policy> = std::sync::OnceLock::new();
    POLICY.get_or_init(|| Policy::embedded().unwrap())
}

fn question(role: Role, action: Action, standing: Standing) -> Question {
    Question { who: Who::Role(role), state: AccountState::Active, action, standing, second_factor: true, fresh: true }
}

fn standings(action: Action) -> impl Iterator<Item = Standing> {
    Standing::ALL.into_iter().filter(move |standing| standing.target() == Target::of(action))
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn no_rule_that_is_added_opens_a_chart_to_a_service_account(added in rule("permit", &["", " is Service"]), asks in prop::collection::vec(asking(&Role::ALL), 100)) {
        let after = with(&added);
        for (_, action, resource, facts) in asks {
            for active in [true, false] {
                let actor = Actor::Service { id: ServiceId::from_bytes([7; 16]), scopes: Scope::ALL.into_iter().collect(), active };
                let answer = after.decide(actor, action, resource, facts);
                prop_assert!(answer.is_err() || (active && resource == Resource::Hospital), "{:?} {:?}", action, resource);
            }
        }
    }
}

#[test]
fn a_service_account_may_do_what_its_scopes_say_and_nothing_else() {
    let allowed = |scopes: &[Scope]| -> Vec<Action> {
        let actor = Actor::Service { id: ServiceId::from_bytes([7; 16]), scopes: scopes.iter().copied().collect(), active: true };
        let facts = Facts { in_care: true, second_factor: true, fresh: true, ..Facts::default() };
        let ask = |action: &Action| {
            let other = AccountId::from_bytes([1; 16]);
            let resource = resource(*action, PatientId::from_bytes([2; 16]), Some(other), other, Role::Nurse);
            shared().decide(actor, *action, resource, facts).is_ok()
        };
        Action::ALL.iter().copied().filter(ask).collect()
    };
    assert_eq!(allowed(&[]), []);
    assert_eq!(allowed(&[Scope::StrokeRead]), [Action::ListAssessments, Action::SummariseAssessments]);
    assert_eq!(allowed(&[Scope::StrokeImport]), [Action::ImportAssessments]);
    assert_eq!(allowed(&[Scope::LogRead]), [Action::ReadLog]);
    assert_eq!(allowed(&[Scope::HealthRead]), [Action::ReadHealth]);
    assert_eq!(allowed(&Scope::ALL).len(), 5);
}

#[test]
fn silence_is_no() {
    let policy = Policy::from_files(&[]).unwrap();
    for role in Role::ALL {
        for action in Action::ALL.iter().copied() {
            for standing in standings(action) {
                assert_eq!(question(role, action, standing).ask(&policy).unwrap_err().rule, "default");
            }
        }
    }
}

// ASVS 8.4.2
#[test]
fn administrators_registrars_and_privacy_officers_never_get_clinical_content() {
    let forbidding = [
        (Role::Administrator, "administrator-no-clinical"),
        (Role::Registrar, "registrar-no-clinical"),
        (Role::PrivacyOfficer, "privacy-officer-no-chart"),
    ];
    for (role, rule) in forbidding {
        for action in CLINICAL {
            for standing in standings(action) {
                let denial = question(role, action, standing).ask(shared()).unwrap_err();
                // Sums over everybody are nobody's clinical content: there silence is enough.
                let silence = action == Action::SummariseAssessments && denial.rule == "default";
                assert!(denial.rule == rule || silence, "{role:?} {action:?}: {}", denial.rule);
            }
        }
    }
}

/// What a stroke coordinator may do in a chart.
const STROKE: [Action; 3] = [Action::ReadAssessment, Action::WriteAssessment, Action::AmendAssessment];

// ASVS 8.2.2
#[test]
fn only_those_who_treat_and_the_patient_get_clinical_content() {
    for role in Role::ALL {
        for action in CLINICAL.into_iter().filter(|action| Target::of(*action) == Target::Chart) {
            for standing in standings(action) {
                let treats = matches!(role, Role::Doctor | Role::Nurse)
                    && matches!(standing, Standing::InCare | Standing::InCareAuthor | Standing::Emergency);
                let own = role == Role::Patient && matches!(standing, Standing::Own | Standing::Proxy);
                let unit = matches!(standing, Standing::InCare | Standing::InCareAuthor);
                let strokes = role == Role::StrokeCoordinator && unit && STROKE.contains(&action);
                let allowed = question(role, action, standing).ask(shared()).is_ok();
                assert!(!allowed || treats || own || strokes, "{role:?} {action:?} {standing:?}");
            }
        }
    }
}

// ASVS 8.3.2
#[test]
fn a_change_of_state_or_care_takes_effect_with_the_next_question() {
    let mut permits = 0;
    for role in Role::ALL {
        for action in Action::ALL.iter().copied() {
            for standing in standings(action) {
                let active = question(role, action, standing);
                if active.ask(shared()).is_err() {
                    continue;
                }
                permits += 1;
                for state in [AccountState::Invited, AccountState::Suspended, AccountState::Closed] {
                    assert!(Question { state, ..active }.ask(shared()).is_err(), "{active:?}");
                    assert!(active.ask(shared()).is_ok(), "{active:?}");
                }
                if role != Role::Registrar && matches!(standing, Standing::InCare | Standing::InCareAuthor) {
                    assert!(Question { standing: Standing::Stranger, ..active }.ask(shared()).is_err(), "{active:?}");
                }
            }
        }
    }
    assert!(permits > 60, "only {permits} permits");
}

// ASVS 7.5.3, 8.4.2
#[test]
fn what_needs_a_fresh_code_says_so_and_nothing_else_does() {
    for role in Role::ALL {
        for action in Action::ALL.iter().copied() {
            for standing in standings(action) {
                let fresh = question(role, action, standing);
                let stale = Question { fresh: false, ..fresh }.ask(shared());
                let needs_code = stale.is_err() && fresh.ask(shared()).is_ok();
                assert_eq!(stale.is_err_and(|denial| denial.step_up), needs_code, "{fresh:?}");
            }
        }
    }
    for (role, action) in [
        (Role::Administrator, Action::InviteStaff),
        (Role::Administrator, Action::ExportLog),
        (Role::PrivacyOfficer, Action::ExportLog),
        (Role::Doctor, Action::ExportAssessments),
        (Role::Nurse, Action::ChangeOwnSignIn),
        (Role::Patient, Action::ChangeOwnSignIn),
    ] {
        let stale = Question { fresh: false, ..question(role, action, Standing::Hospital) };
        assert!(stale.ask(shared()).unwrap_err().step_up, "{role:?} {action:?}");
    }
}

#[test]
fn ghsa_v68v_openemr_a_permit_for_everything_opens_nothing_that_is_forbidden() {
    let all = "@id(\"added\") @reason(\"Added.\") permit (principal, action, resource);";
    let generous = with(all);
    let mut forbidden = 0;
    for role in Role::ALL {
        for action in Action::ALL.iter().copied() {
            for standing in standings(action) {
                let asked = question(role, action, standing);
                match asked.ask(shared()) {
                    Err(denial) if denial.rule != "default" => {
                        forbidden += 1;
                        assert_eq!(asked.ask(&generous).unwrap_err().rule, denial.rule, "{asked:?}");
                    }
                    _ => {}
                }
                for state in [AccountState::Invited, AccountState::Suspended, AccountState::Closed] {
                    assert!(Question { state, ..asked }.ask(&generous).is_err(), "{asked:?} {state:?}");
                }
            }
        }
    }
    assert!(forbidden > 100, "only {forbidden} are forbidden");
}

// ASVS 8.3.3
#[test]
fn a_background_job_may_do_its_job_and_nothing_in_anybodys_name() {
    for job in ["keeper", "integrity-check", "stroke-projection", "invented"] {
        for action in Action::ALL.iter().copied() {
            let place = resource(action, PatientId::from_bytes([1; 16]), None, AccountId::from_bytes([2; 16]), Role::Nurse);
            let facts = Facts { in_care: true, emergency: true, second_factor: true, fresh: true, ..Facts::default() };
            let allowed = shared().decide(Actor::Job { job }, action, place, facts).is_ok();
            assert_eq!(allowed, action == Action::RunJob && job != "invented", "{job} {action:?}");
        }
    }
}

#[test]
fn of_several_rules_that_forbid_the_first_in_the_files_is_named() {
    let chart = question(Role::Administrator, Action::OpenChart, Standing::InCare);
    for _ in 0..20 {
        let denial = Question { state: AccountState::Suspended, second_factor: false, ..chart }.ask(shared()).unwrap_err();
        assert_eq!(denial.rule, "inactive-account");
    }
}
