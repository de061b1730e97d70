//! Starts the release binary, drives it over HTTP, and says how fast it is, beside what the
//! machine itself can do. Results are for `bench/README.md`; nothing here is a test.

mod backups;
mod cases;
mod driver;
mod limits;
mod machine;
mod report;
mod seed;
mod server;
mod sign_in_timing;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::cases::Group;
use crate::driver::Bounds;
use crate::report::Report;
use wardkeep_mongod::ReplicaSet;

/// Measures a wardkeep binary from outside.
#[derive(Debug, Parser)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example:
  cargo build --release -p wardkeep
  cargo run --release -p wardkeep-bench -- --binary target/release/wardkeep --patients 1000,100000 --json out.json"
)]
struct Options {
    #[command(subcommand)]
    other: Option<Other>,
    /// The program to measure
    #[arg(long, default_value = "target/release/wardkeep")]
    binary: PathBuf,
    /// Sizes of hospitals, smallest first
    #[arg(long, value_delimiter = ',', default_value = "1000,100000")]
    patients: Vec<u64>,
    /// Stroke assessments imported beside the patients, for each size [default: as many as patients]
    #[arg(long)]
    stroke_rows: Option<u64>,
    /// Where seeded hospitals are kept; the disk that is measured
    #[arg(long, default_value = "bench-data")]
    data: PathBuf,
    /// Only these groups of cases
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Group>,
    /// Measured rounds of each case, after one that warms up; medians are told
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Longest round in seconds
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Keep both stores in a MongoDB replica set of so many members, on this machine; 0 is SQLite
    #[arg(long, default_value_t = 0)]
    members: usize,
    /// Nodes that serve the hospital; more than one needs --members
    #[arg(long, default_value_t = 1)]
    nodes: usize,
    /// Write all numbers to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What is measured apart.
#[derive(Debug, Subcommand)]
enum Other {
    /// Compares how long sign-ins take of unknown, known and suspended names
    SignInTiming(sign_in_timing::Options),
    /// Measures backups of a seeded hospital beside the disk
    Backups(backups::Options),
}

fn main() -> Result<()> {
    let options = Options::parse();
    match &options.other {
        Some(Other::SignInTiming(options)) => return sign_in_timing::run(options),
        Some(Other::Backups(options)) => return backups::run(options),
        None => {}
    }
    let binary = options.binary.canonicalize().with_context(|| format!("{}: build it first", options.binary.display()))?;
    std::fs::create_dir_all(&options.data)?;
    let bounds = Bounds { rounds: options.rounds.max(1), time: Duration::from_secs_f64(options.seconds), requests: 50_000 };
    // One thread drives, so that the other core is the server's alone.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    eprintln!("the machine's own limits");
    let limits = runtime.block_on(limits::measure(&options.data, bounds))?;
    let mut report = Report::new(limits);
    for patients in &options.patients {
        let stroke_rows = options.stroke_rows.unwrap_or(*patients);
        let (pristine, seeded) = seed::seeded(&options.data, &binary, *patients, stroke_rows)?;
        let run = options.data.join("run");
        if run.exists() {
            std::fs::remove_dir_all(&run)?;
        }
        machine::copy(&pristine, &run.join("hospital"))?;
        let set = runtime.block_on(on_mongodb(&binary, &run.join("hospital"), options.members))?;
        let nodes = if set.is_some() { nodes(&run, options.nodes)? } else { Vec::new() };
        let size = runtime.block_on(cases::run(&binary, &run.join("hospital"), &nodes, seeded, &options.only, bounds))?;
        report.sizes.push(size);
    }
    if options.members > 0 {
        println!("Both stores in a MongoDB replica set of {} on the same machine, {} nodes.\n", options.members, options.nodes);
    }
    print!("{}", report.tables());
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Moves the hospital into a fresh replica set, as its operator would.
async fn on_mongodb(binary: &Path, data: &Path, members: usize) -> Result<Option<ReplicaSet>> {
    if members == 0 {
        return Ok(None);
    }
    let set = ReplicaSet::start(members).await?.context("there is no mongod: run scripts/setup")?;
    for store in ["control", "records"] {
        let (from, to) = (data.join(format!("{store}.db")), set.address(&format!("wardkeep_{store}")));
        let copy = ["store", "copy", "--node", "n1", "--to", &to, "--from"].map(OsStr::new);
        machine::run(binary, &[&copy[..], &[from.as_os_str(), OsStr::new("--data"), data.as_os_str()]].concat())?;
        std::fs::remove_file(from)?;
    }
    Ok(Some(set))
}

/// Data directories of the further nodes: the key and the settings, as on further machines.
fn nodes(run: &Path, count: usize) -> Result<Vec<PathBuf>> {
    let made = (2..=count).map(|number| {
        let data = run.join(format!("node-{number}"));
        std::fs::create_dir_all(&data)?;
        for file in ["root.key", "wardkeep.toml"] {
            std::fs::copy(run.join("hospital").join(file), data.join(file))?;
        }
        Ok(data)
    });
    made.collect()
}
