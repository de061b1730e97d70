//! Every command: help with an example, one JSON document, the documented exit codes.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::cli_run::{Ran, wardkeep};

const COMMANDS: &[&[&str]] = &[
    &[],
    &["init"],
    &["serve"],
    &["demo"],
    &["user"],
    &["user", "invite"],
    &["user", "list"],
    &["user", "suspend"],
    &["user", "reinstate"],
    &["user", "reset-factor"],
    &["import"],
    &["import", "stroke"],
    &["export"],
    &["export", "stroke"],
    &["generate"],
    &["generate", "stroke"],
    &["verify"],
    &["verify", "proof"],
    &["doctor"],
    &["key"],
    &["key", "status"],
    &["key", "rotate"],
    &["key", "retire"],
    &["key", "escrow"],
    &["key", "recover"],
    &["backup"],
    &["backup", "setup"],
    &["backup", "create"],
    &["backup", "list"],
    &["backup", "verify"],
    &["backup", "restore"],
    &["backup", "drill"],
    &["witness"],
    &["witness", "init"],
    &["witness", "serve"],
    &["witness", "list"],
    &["witness", "forget"],
    &["store"],
    &["store", "plan"],
    &["store", "copy"],
    &["policy"],
    &["policy", "check"],
    &["policy", "list"],
    &["policy", "explain"],
    &["policy", "try"],
    &["completions"],
];

/// A directory with a new hospital in it.
pub(crate) struct Fresh {
    dir: TempDir,
}

impl Fresh {
    pub(crate) fn new() -> Self {
        let fresh = Self { dir: TempDir::new().unwrap() };
        let ran = fresh.run(&["init", "--name", "Northgate"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        fresh
    }
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("hospital")
    }
    /// A file beside the hospital.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run_in(&self.path(), arguments)
    }
}

pub(crate) fn run_in(data: &Path, arguments: &[&str]) -> Ran {
    wardkeep(&[arguments, &["--data", data.to_str().unwrap()]].concat())
}

#[test]
fn every_help_is_as_committed_and_has_an_example() {
    let mut all = String::new();
    for command in COMMANDS {
        let ran = wardkeep(&[command, &["--help"][..]].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(command.is_empty() || ran.stdout.contains("Example"), "{command:?} shows no example");
        all.push_str(&format!("$ wardkeep {} --help\n{}\n", command.join(" "), ran.stdout));
    }
    insta::assert_snapshot!("help", all);
}

#[test]
fn every_command_answers_with_one_json_document() {
    let fresh = Fresh::new();
    let csv = fresh.beside("rows.csv");
    let csv = csv.to_str().unwrap();
    let again = fresh.beside("again.csv");
    let commands: &[&[&str]] = &[
        &["generate", "stroke", "--rows", "20", "--output", csv],
        &["import", "stroke", csv, "--check"],
        &["import", "stroke", csv],
        &["import", "stroke", csv],
        &["export", "stroke", "--output", again.to_str().unwrap()],
        &["user", "invite", "ana@example.org", "--name", "Dr Ana Moreau", "--role", "doctor"],
        &["user", "list"],
        &["user", "suspend", "ana@example.org"],
        &["verify"],
        &["verify", "--records"],
        &["doctor"],
        &["completions", "bash"],
    ];
    for command in commands {
        let ran = fresh.run(&[command, &["--json"][..]].concat());
        assert_eq!(ran.code, 0, "{command:?} {ran:?}");
        assert!(ran.json().get("error").is_none(), "{ran:?}");
    }
    let failed = fresh.run(&["init", "--json"]);
    assert_eq!((failed.code, failed.json()["error"]["code"].as_i64()), (3, Some(3)));
    assert!(failed.stderr.is_empty(), "{failed:?}");
    // Rows and JSON do not go into one stream.
    for command in [&["generate", "stroke"], &["export", "stroke"]] {
        let ran = fresh.run(&[&command[..], &["--json"]].concat());
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.json()["error"]["message"].as_str().unwrap().contains("--output"), "{ran:?}");
    }
}

#[test]
fn an_import_counts_what_it_wrote_and_a_second_one_writes_nothing() {
    let fresh = Fresh::new();
    let csv = fresh.beside("rows.csv");
    let file = csv.to_str().unwrap();
    wardkeep(&["generate", "stroke", "--rows", "50", "--output", file]);
    let count = |ran: &Ran| -> (Value, Value) { (ran.json()["written"].clone(), ran.json()["unchanged"].clone()) };
    assert_eq!(count(&fresh.run(&["import", "stroke", file, "--check", "--json"])), (0.into(), 0.into()));
    assert_eq!(count(&fresh.run(&["import", "stroke", file, "--json"])), (50.into(), 0.into()));
    assert_eq!(count(&fresh.run(&["import", "stroke", file, "--json"])), (0.into(), 50.into()));
    let exported = fresh.run(&["export", "stroke"]);
    let (mut exported, mut given): (Vec<&str>, _) = (exported.stdout.lines().collect(), std::fs::read_to_string(&csv).unwrap());
    given.retain(|c| c != '\r');
    let mut given: Vec<&str> = given.lines().collect();
    exported.sort_unstable();
    given.sort_unstable();
    assert_eq!(exported, given);
}

#[test]
fn an_account_is_invited_listed_suspended_and_only_then_reinstated() {
    let fresh = Fresh::new();
    let mail = "ana@example.org";
    let invited = fresh.run(&["user", "invite", mail, "--name", "Dr Ana Moreau", "--role", "doctor"]);
    assert!(invited.stdout.contains("/invitation/"), "{invited:?}");
    let twice = fresh.run(&["user", "invite", mail, "--name", "Dr Ana Moreau", "--role", "doctor"]);
    assert_eq!(twice.code, 1, "{twice:?}");
    assert_eq!(fresh.run(&["user", "list", "--json"]).json()["accounts"][0]["state"], "invited");
    assert_eq!(fresh.run(&["user", "suspend", mail]).code, 0);
    assert_eq!(fresh.run(&["user", "list", "--json"]).json()["accounts"][0]["state"], "suspended");
    // Who never accepted has no password: there is nothing to come back to.
    let refused = fresh.run(&["user", "reinstate", mail]);
    assert_eq!((refused.code, refused.stderr.contains("never accepted")), (1, true), "{refused:?}");
    for command in ["suspend", "reinstate", "reset-factor"] {
        let unknown = fresh.run(&["user", command, "nobody@example.org"]);
        assert_eq!((unknown.code, unknown.stderr.contains("no such account")), (4, true), "{unknown:?}");
    }
    let wrong = fresh.run(&["user", "invite", "no address", "--name", "X", "--role", "king"]);
    assert_eq!(wrong.code, 3, "{wrong:?}");
    assert!(wrong.stderr.contains("email") && wrong.stderr.contains("role"), "{wrong:?}");
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [&["bogus"][..], &[], &["user"], &["import", "stroke"], &["serve", "--listen", "everywhere"]] {
        assert_eq!(wardkeep(arguments).code, 2, "{arguments:?}");
    }
}
