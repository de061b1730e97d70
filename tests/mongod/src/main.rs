//! `wardkeep-mongod MEMBERS COMMAND…`: runs a command with the records of a hospital in a fresh
//! replica set (`WARDKEEP_RECORDS`), then takes the set away. Ends as the command ended.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use wardkeep_mongod::ReplicaSet;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let members = arguments.next().and_then(|count| count.parse().ok()).context("usage: wardkeep-mongod MEMBERS COMMAND…")?;
    let program = arguments.next().context("usage: wardkeep-mongod MEMBERS COMMAND…")?;
    let Some(set) = ReplicaSet::start(members).await? else { return Ok(ExitCode::SUCCESS) };
    #[expect(clippy::disallowed_methods, reason = "running a command is what it is for")]
    let mut command = Command::new(program);
    command.args(arguments).env("WARDKEEP_RECORDS", set.address("wardkeep_records")).env("WARDKEEP_NODE", "ward");
    let ended = command.status()?;
    Ok(ended.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
