//! `wardkeep import stroke` with a file of the public size, as the operator runs it.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use wardkeep_domain::stroke::generate;

use crate::driver::median;
use crate::machine;
use crate::report::{IMPORT, Size};

/// Rows of the public file.
const ROWS: u64 = 5110;
/// Each round's ids begin here times its number, so that no row is known already.
const IDS_APART: u64 = 10_000_000;

pub(crate) fn run(binary: &Path, data: &Path, rounds: usize, size: &mut Size) -> Result<()> {
    let file = data.with_file_name("import.csv");
    let place = [OsStr::new("--data"), data.as_os_str(), OsStr::new("--json")];
    let (mut whole, mut net) = (Vec::new(), Vec::new());
    for round in 1..=rounds as u64 {
        std::fs::write(&file, shifted(&generate::csv(ROWS, 1 + round), round * IDS_APART))?;
        let (_, idle) = machine::run(binary, &[&[OsStr::new("user"), OsStr::new("list")], &place[..]].concat())?;
        let import = [OsStr::new("import"), OsStr::new("stroke"), file.as_os_str()];
        let (said, took) = machine::run(binary, &[&import, &place[..]].concat())?;
        let said: serde_json::Value = serde_json::from_str(&said).context("the import's report")?;
        ensure!(said.get("written").and_then(serde_json::Value::as_u64) == Some(ROWS), "not every row was written: {said}");
        whole.push(took.as_secs_f64());
        net.push(took.saturating_sub(idle).as_secs_f64());
    }
    size.value("import of 5,110 stroke rows, with start and end", "s", median(whole));
    size.value(IMPORT, "s", median(net));
    Ok(())
}

/// The same rows with other ids.
fn shifted(csv: &str, by: u64) -> String {
    let shift = |line: &str| match line.split_once(',') {
        Some((id, rest)) => id.parse::<u64>().map_or_else(|_| format!("{line}\n"), |id| format!("{},{rest}\n", id + by)),
        None => format!("{line}\n"),
    };
    csv.lines().map(shift).collect()
}
