//! The readable table, and the two sentences above it proven for every question there is.

use std::collections::BTreeSet;

use wardkeep_domain::account::AccountState;
use wardkeep_policy::matrix::{Question, Standing, Target, Who, render};
use wardkeep_policy::{Action, Policy};

/// Every question: who x state x action x standing x second factor x freshness.
fn questions() -> Vec<Question> {
    let mut questions = Vec::new();
    for who in Who::all() {
        for state in AccountState::ALL {
            for action in Action::ALL.iter().copied() {
                for standing in Standing::ALL.into_iter().filter(|standing| standing.target() == Target::of(action)) {
                    for (second_factor, fresh) in [(false, false), (false, true), (true, false), (true, true)] {
                        questions.push(Question { who, state, action, standing, second_factor, fresh });
                    }
                }
            }
        }
    }
    questions
}

// ASVS 8.1.1
#[test]
fn the_table_is_as_reviewed() {
    let policy = Policy::embedded().unwrap();
    let settings = {
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path("../..");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings
    };
    settings.bind(|| insta::assert_snapshot!("matrix", render(&policy)));
}

// ASVS 8.1.1
#[test]
fn every_action_is_in_the_table() {
    let text = render(&Policy::embedded().unwrap());
    let named: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    let wanted: BTreeSet<&str> = Action::ALL.iter().map(|action| action.name()).collect();
    assert_eq!(named, wanted);
    assert_eq!(Action::ALL.len(), wanted.len(), "two actions share a name");
}

// ASVS 8.3.2
#[test]
fn an_account_that_is_not_active_may_do_nothing() {
    let policy = Policy::embedded().unwrap();
    let asked = questions().into_iter().filter(|q| matches!(q.who, Who::Role(_)) && q.state != AccountState::Active);
    let mut count = 0;
    for question in asked {
        let denial = question.ask(&policy).expect_err("an inactive account was allowed something");
        assert_eq!(denial.rule, "inactive-account", "{question:?}");
        assert!(!denial.step_up, "{question:?}");
        assert!(!denial.may_know || question.standing == Standing::Hospital, "{question:?}");
        count += 1;
    }
    assert!(count > 5_000, "only {count} questions asked");
}

// ASVS 6.3.3
#[test]
fn a_session_without_a_second_factor_may_do_nothing() {
    let policy = Policy::embedded().unwrap();
    let asked = questions().into_iter().filter(|q| matches!(q.who, Who::Role(_)) && q.state == AccountState::Active && !q.second_factor);
    let mut count = 0;
    for question in asked {
        let denial = question.ask(&policy).expect_err("a session without a second factor was allowed something");
        assert_eq!(denial.rule, "second-factor", "{question:?}");
        assert!(!denial.may_know || question.standing == Standing::Hospital, "{question:?}");
        count += 1;
    }
    assert!(count > 1_000, "only {count} questions asked");
}

#[test]
fn every_answer_names_its_rule_and_gives_a_reason() {
    let policy = Policy::embedded().unwrap();
    for question in questions() {
        match question.ask(&policy) {
            Ok(permit) => assert!(!permit.rule().is_empty(), "{question:?}"),
            Err(denial) => {
                assert_ne!(denial.rule, "malformed", "{question:?}");
                assert!(denial.reason.ends_with('.'), "{question:?}: {}", denial.reason);
            }
        }
    }
}
