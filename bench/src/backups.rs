//! How long a backup, its reading and a drill take, beside how fast the disk takes the same bytes.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use crate::driver::median;
use crate::{machine, seed};

const MIB: f64 = 1024.0 * 1024.0;
const CHUNK: usize = 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The program to measure
    #[arg(long, default_value = "target/release/wardkeep")]
    binary: PathBuf,
    /// Where the seeded hospital is kept; the disk that is measured
    #[arg(long, default_value = "bench-data")]
    data: PathBuf,
    #[arg(long, default_value_t = 100_000)]
    patients: u64,
    /// Rounds; medians are told
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = options.binary.canonicalize().with_context(|| format!("{}: build it first", options.binary.display()))?;
    std::fs::create_dir_all(&options.data)?;
    let (pristine, _) = seed::seeded(&options.data, &binary, options.patients, options.patients)?;
    let run = options.data.canonicalize()?.join("backups");
    if run.exists() {
        std::fs::remove_dir_all(&run)?;
    }
    let (hospital, target, identity) = (run.join("hospital"), run.join("target"), run.join("backup.key"));
    machine::copy(&pristine, &hospital)?;
    let within = |words: &[&OsStr]| machine::run(&binary, &[words, &["--data".as_ref(), hospital.as_os_str(), "--json".as_ref()]].concat());
    let word = |text: &'static str| OsStr::new(text);
    within(&[word("backup"), word("setup"), word("--target"), target.as_os_str(), word("--identity"), identity.as_os_str()])?;
    let stores = machine::bytes_on_disk(&hospital)? as f64 / MIB;
    let rate = |took: Duration| stores / took.as_secs_f64();
    let (mut disk, mut created, mut verified, mut drilled) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds.max(1) {
        disk.push(rate(sequential(&run, stores)?));
        created.push(rate(within(&[word("backup"), word("create")])?.1));
        verified.push(rate(within(&[word("backup"), word("verify"), word("--identity"), identity.as_os_str()])?.1));
        drilled.push(rate(within(&[word("backup"), word("drill"), word("--identity"), identity.as_os_str()])?.1));
    }
    let limit = median(disk);
    let (_, rotated) = within(&[word("key"), word("rotate")])?;
    println!("{} patients, {stores:.0} MiB in the data directory, median of {}\n", options.patients, options.rounds.max(1));
    println!("| what | MiB/s | of the disk |\n| --- | ---: | ---: |\n| sequential write and one fsync | {limit:.0} | 1 |");
    for (what, rates) in
        [("backup create", created), ("backup verify", verified), ("backup drill: restore and check of every document", drilled)]
    {
        let rate = median(rates);
        println!("| {what} | {rate:.0} | {:.2} |", rate / limit);
    }
    println!("\nA new root key, with start and end of the program: {:.0} ms", rotated.as_secs_f64() * 1000.0);
    std::fs::remove_dir_all(&run)?;
    Ok(())
}

/// As many MiB as the stores have, into a new file.
fn sequential(folder: &Path, mib: f64) -> Result<Duration> {
    let path = folder.join("sequential.tmp");
    let chunk = vec![0xA5; CHUNK];
    let began = machine::now();
    let mut file = File::create(&path)?;
    for _ in 0..mib.ceil() as u64 {
        file.write_all(&chunk)?;
    }
    file.sync_all()?;
    let took = began.elapsed();
    std::fs::remove_file(path)?;
    Ok(took)
}
