//! A hospital's own files: named when they are bad, strong where they forbid, weak where an embedded
//! rule forbids.

use wardkeep_domain::account::{AccountState, Role};
use wardkeep_policy::matrix::{Question, Standing, Target, Who};
use wardkeep_policy::{Action, File, Policy, PolicyError, site};

pub(crate) fn text_of(name: &str, text: &str) -> File {
    (name.to_owned(), text.to_owned())
}

fn ask(role: Role, action: Action, standing: Standing) -> Question {
    Question { who: Who::Role(role), state: AccountState::Active, action, standing, second_factor: true, fresh: true }
}

#[test]
fn every_fault_is_named_with_its_file_and_what_to_do() {
    let files = [
        text_of("10-good.cedar", "@id(\"good\") @reason(\"Good.\") permit (principal is Staff, action == Action::\"read_log\", resource);"),
        text_of(
            "20-none.cedar",
            "permit (principal is Staff, action == Action::\"read_log\", resource);\n@id(\"x\") permit (principal is Staff, action == Action::\"read_log\", resource);",
        ),
        text_of("30-broken.cedar", "permit ("),
        text_of(
            "40-taken.cedar",
            "@id(\"good\") @reason(\"Again.\") permit (principal is Staff, action == Action::\"read_log\", resource);",
        ),
        text_of("doctor.cedar", "@id(\"mine\") @reason(\"Mine.\") permit (principal is Staff, action == Action::\"read_log\", resource);"),
    ];
    let faults = site::check(&files).unwrap_err();
    let mut named: Vec<&str> = faults.iter().map(|PolicyError::Invalid { file, .. }| file.as_str()).collect();
    named.sort_unstable();
    assert_eq!(named, ["20-none.cedar", "20-none.cedar", "30-broken.cedar", "40-taken.cedar", "doctor.cedar"]);
    for PolicyError::Invalid { file, cause, fix } in &faults {
        assert!(!cause.is_empty() && fix.ends_with('.'), "{file}: {cause} | {fix}");
    }
    let taken = faults.iter().map(ToString::to_string).find(|words| words.contains("40-taken.cedar")).unwrap();
    assert!(taken.contains("10-good.cedar") && taken.contains("@id of its own"), "{taken}");
}

#[test]
fn an_id_of_the_program_is_not_given_twice() {
    let clash = text_of(
        "mine.cedar",
        "@id(\"patient-own\") @reason(\"Mine.\") permit (principal is Staff, action == Action::\"read_log\", resource);",
    );
    let fault = Policy::with_site(&[clash]).unwrap_err().to_string();
    assert!(fault.contains("mine.cedar") && fault.contains("patient.cedar"), "{fault}");
}

#[test]
fn a_forbid_of_the_hospital_wins_and_is_named() {
    let text =
        "@id(\"no-void\") @reason(\"Voiding is done by two.\") forbid (principal is Staff, action == Action::\"void_record\", resource);";
    let policy = Policy::with_site(&[text_of("void.cedar", text)]).unwrap();
    let question = ask(Role::Doctor, Action::VoidRecord, Standing::InCareAuthor);
    assert!(question.ask(&Policy::embedded().unwrap()).is_ok());
    let denial = question.ask(&policy).unwrap_err();
    assert_eq!((denial.rule.as_str(), denial.reason.as_str(), denial.step_up), ("no-void", "Voiding is done by two.", false));
    assert!(policy.rule("no-void").is_some_and(|rule| rule.site && rule.forbids && rule.file == "void.cedar"));
}

#[test]
fn a_permit_of_the_hospital_allows_what_was_silent_and_beats_no_embedded_forbid() {
    let all = "@id(\"all\") @reason(\"All.\") permit (principal, action, resource);";
    let (policy, embedded) = (Policy::with_site(&[text_of("all.cedar", all)]).unwrap(), Policy::embedded().unwrap());
    let (mut opened, mut kept) = (0, 0);
    for role in Role::ALL {
        for action in Action::ALL.iter().copied() {
            for standing in Standing::ALL.into_iter().filter(|standing| standing.target() == Target::of(action)) {
                for state in AccountState::ALL {
                    let question = Question { state, ..ask(role, action, standing) };
                    match question.ask(&embedded) {
                        Err(denial) if denial.rule != "default" => {
                            assert_eq!(question.ask(&policy).unwrap_err(), denial, "{question:?}");
                            kept += 1;
                        }
                        Err(_) => {
                            assert_eq!(question.ask(&policy).unwrap().rule(), "all", "{question:?}");
                            opened += 1;
                        }
                        Ok(permit) => assert_eq!(question.ask(&policy).unwrap().rule(), permit.rule()),
                    }
                }
            }
        }
    }
    assert!(opened > 100 && kept > 1_000, "{opened} {kept}");
}

#[test]
fn a_rule_that_would_stop_the_seal_is_refused() {
    let text = "@id(\"closed\") @reason(\"Closed.\") forbid (principal, action, resource) unless { context.in_care };";
    let fault = Policy::with_site(&[text_of("night.cedar", text)]).unwrap_err().to_string();
    assert!(fault.contains("night.cedar") && fault.contains("closed") && fault.contains("principal is Staff"), "{fault}");
}
