//! Runs the real program and waits for its end.

use std::process::{Command, Stdio};

/// What a run of the program gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Standard output as the one JSON document that it must be.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not one JSON document ({error}): {self:?}"))
    }
    /// Codes of what a verification found.
    pub(crate) fn codes(&self) -> Vec<String> {
        let findings = self.json()["error"]["details"]["findings"].as_array().cloned().unwrap_or_default();
        findings.iter().map(|finding| finding["code"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// The program, not yet started; nothing of the caller's settings reaches it.
#[expect(clippy::disallowed_methods, reason = "the real program is what is tried")]
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardkeep"));
    command.args(arguments).stdin(Stdio::null());
    for setting in ["WARDKEEP_DATA", "WARDKEEP_CONTROL", "WARDKEEP_RECORDS", "WARDKEEP_NODE", "WARDKEEP_POLICIES"] {
        command.env_remove(setting);
    }
    command
}

pub(crate) fn wardkeep(arguments: &[&str]) -> Ran {
    let output = command(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}
