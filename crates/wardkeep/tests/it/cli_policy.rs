//! Policy files on the command line: checked, listed, explained, tried, and in the way of a start
//! when they are bad.

use crate::cli::Fresh;
use crate::source::root;

const NO_IMPORT: &str = "@id(\"no-import\") @reason(\"Imports wait for the audit.\")\n\
    forbid (principal, action == Action::\"import_assessments\", resource);\n";

/// A directory beside the hospital with this file in it.
fn folder(fresh: &Fresh, name: &str, file: &str, text: &str) -> String {
    let dir = fresh.beside(name);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(file), text).unwrap();
    dir.to_str().unwrap().to_owned()
}

#[test]
fn a_bad_file_is_named_and_nothing_starts_with_it() {
    let fresh = Fresh::new();
    let none = fresh.run(&["policy", "check"]);
    assert_eq!((none.code, none.stdout.contains("There are no policy files")), (0, true), "{none:?}");
    let bad = folder(&fresh, "hospital/policies", "night.cedar", "permit (");
    std::fs::write(fresh.path().join("policies/other.cedar"), "permit (principal, action, resource);").unwrap();
    for command in [&["policy", "check"][..], &["policy", "list"], &["serve", "--listen", "127.0.0.1:0"], &["user", "list"], &["doctor"]] {
        let ran = fresh.run(command);
        assert_eq!(ran.code, 3, "{command:?} {ran:?}");
        for part in ["night.cedar", "other.cedar", "@id"] {
            assert!(ran.stderr.contains(part), "{part}: {ran:?}");
        }
    }
    let faults = fresh.run(&["policy", "check", &bad, "--json"]).json()["error"]["details"]["faults"].clone();
    assert_eq!(faults.as_array().map(Vec::len), Some(2), "{faults}");
    assert!(faults[0]["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{faults}");
    let gone = fresh.run(&["user", "list", "--policies", "/nowhere/policies"]);
    assert_eq!((gone.code, gone.stderr.contains("/nowhere/policies")), (4, true), "{gone:?}");
}

#[test]
fn a_change_is_tried_then_made_by_naming_its_directory_and_the_log_says_so() {
    let fresh = Fresh::new();
    let csv = fresh.beside("rows.csv");
    let csv = csv.to_str().unwrap();
    let imported = |more: &[&str]| fresh.run(&[&["import", "stroke", csv, "--check"][..], more].concat());
    assert_eq!(fresh.run(&["generate", "stroke", "--rows", "5", "--output", csv]).code, 0);
    assert_eq!(fresh.run(&["import", "stroke", csv]).code, 0);
    let new = folder(&fresh, "new", "import.cedar", NO_IMPORT);
    let tried = fresh.run(&["policy", "try", &new, "--days", "1", "--json"]).json();
    let changes = tried["changes"].as_array().unwrap();
    assert!(!changes.is_empty() && changes.iter().all(|change| change["action"] == "import_assessments"), "{tried}");
    assert_eq!((&changes[0]["now"]["rule"], &changes[0]["then"]["rule"]), (&"operator".into(), &"no-import".into()), "{tried}");
    assert_eq!(tried["not_replayed"], 0, "{tried}");
    assert_eq!(imported(&[]).code, 0, "nothing was changed by trying");
    let refused = imported(&["--policies", &new]);
    assert_eq!((refused.code, refused.stderr.contains("Imports wait for the audit.")), (1, true), "{refused:?}");
    std::fs::write(fresh.path().join("wardkeep.toml"), format!("policies = \"{new}\"\n")).unwrap();
    assert_eq!(imported(&[]).code, 1, "the settings file names it as well");
    let lines = fresh.run(&["doctor", "--json"]).json()["lines"].clone();
    let line = lines.as_array().unwrap().iter().find(|line| line["what"] == "Site policies").unwrap();
    assert_eq!(line["words"], "1 rule in 1 file.");
    let rules = fresh.run(&["policy", "list", "--json"]).json()["rules"].clone();
    let own: Vec<_> = rules.as_array().unwrap().iter().filter(|rule| rule["site"] == true).collect();
    assert_eq!((own.len(), &own[0]["id"], &own[0]["effect"]), (1, &"no-import".into(), &"forbid".into()));
    assert_eq!(fresh.run(&["verify", "--records"]).code, 0);
}

#[test]
fn why_not_is_answered_for_a_role_without_a_hospital_and_for_a_person_from_it() {
    let fresh = Fresh::new();
    let nowhere = fresh.beside("nowhere");
    let ask = ["policy", "explain", "--role", "nurse", "--action", "amend_record", "--fact", "in_care", "--json"];
    let told = crate::cli::run_in(&nowhere, &ask).json();
    assert_eq!((&told["verdict"]["answer"], &told["verdict"]["rule"]), (&"refused".into(), &"default".into()));
    assert_eq!((&told["changes"][0]["fact"], &told["changes"][0]["then"]["rule"]), (&"author".into(), &"nurse-own-entries".into()));
    fresh.run(&["user", "invite", "ana@example.org", "--name", "Dr Ana Moreau", "--role", "doctor"]);
    let told = fresh.run(&["policy", "explain", "--actor", "ana@example.org", "--action", "open_chart"]);
    assert_eq!(told.code, 0, "{told:?}");
    for part in [
        "Dr Ana Moreau, Doctor: open_chart is refused by inactive-account (everybody.cedar)",
        "The account is not active.",
        "No single fact.",
    ] {
        assert!(told.stdout.contains(part), "{part}: {told:?}");
    }
    for (arguments, code, says) in [
        (&["--actor", "nobody@example.org", "--action", "open_chart"][..], 3, "--actor"),
        (&["--actor", "ana@example.org", "--action", "open_chart", "--patient", "1234567"], 3, "--patient"),
        (&["--actor", "ana@example.org", "--action", "fly"], 2, "fly"),
        (&["--action", "open_chart"], 2, "--role"),
        (&["--role", "doctor", "--action", "open_chart", "--patient", "1234567"], 2, "--role"),
    ] {
        let ran = fresh.run(&[&["policy", "explain"][..], arguments].concat());
        assert_eq!((ran.code, ran.stderr.contains(says)), (code, true), "{arguments:?} {ran:?}");
    }
}

/// The examples of the page are files that load, each alone and all together.
#[test]
fn the_examples_in_the_documents_are_good_policies() {
    let page = std::fs::read_to_string(root().join("docs/policies.md")).unwrap();
    let examples: Vec<&str> = page.split("```cedar\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 2, "the page has lost its examples");
    let fresh = Fresh::new();
    let mut all = String::new();
    for (number, text) in examples.iter().enumerate() {
        let dir = folder(&fresh, &format!("example{number}"), "example.cedar", text);
        all = folder(&fresh, "all", &format!("{number}.cedar"), text);
        let ran = fresh.run(&["policy", "check", &dir]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    assert_eq!(fresh.run(&["policy", "check", &all]).code, 0);
    // What the page says of them holds.
    let explain = |more: &[&str]| {
        let options = ["policy", "explain", "--json", "--policies", &all];
        fresh.run(&[&options[..], more].concat()).json()["verdict"].clone()
    };
    let asked = |role, action, facts: &[&str]| {
        let facts: Vec<&str> = facts.iter().flat_map(|fact| ["--fact", *fact]).collect();
        explain(&[&["--role", role, "--action", action][..], &facts].concat())
    };
    assert_eq!(asked("doctor", "void_record", &["in_care"])["rule"], "site-void-fresh");
    assert_eq!(asked("doctor", "void_record", &["in_care", "fresh"])["answer"], "allowed");
    assert_eq!(asked("registrar", "summarise_assessments", &[])["rule"], "site-registrar-summary");
    assert_eq!(asked("registrar", "list_assessments", &[])["answer"], "refused");
}
