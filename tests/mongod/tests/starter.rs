//! The starter gives a command a database and takes it away again.

use std::process::Command;

#[test]
fn a_command_runs_with_a_database_and_its_code_is_passed_on() {
    if wardkeep_mongod::found().is_none() {
        return;
    }
    let script = "case $WARDKEEP_RECORDS in mongodb://127.0.0.1:*/wardkeep_records?replicaSet=*) exit 7;; esac";
    #[expect(clippy::disallowed_methods, reason = "the starter is what is tried")]
    let ended = Command::new(env!("CARGO_BIN_EXE_wardkeep-mongod")).args(["1", "sh", "-c", script]).status().unwrap();
    assert_eq!(ended.code(), Some(7));
}
