//! The only place of the bench that reads clocks, draws randomness and starts processes.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use wardkeep_app::{Entropy, Visit};
use wardkeep_domain::date::Moment;

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "seeded records carry the time of seeding, one-time codes the time of day")]
pub(crate) fn moment() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[expect(clippy::disallowed_methods, reason = "the bench starts the program that it measures")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

#[expect(clippy::disallowed_methods, reason = "the bench is a composition root while it seeds")]
pub(crate) fn entropy() -> Result<Entropy> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow!("the system gives no randomness: {error}"))?;
    Ok(Entropy::new(ChaCha20Rng::from_seed(seed)))
}

pub(crate) fn visit(entropy: &Entropy) -> Visit {
    let (address, device) = ("127.0.0.1".to_owned(), "Bench".to_owned());
    Visit { now: moment(), entropy: entropy.clone(), request: entropy.bytes(), address, device }
}

/// Runs a command of the program to its end; gives its standard output and how long it took.
pub(crate) fn run(binary: &Path, arguments: &[&OsStr]) -> Result<(String, Duration)> {
    let began = now();
    let output = command(binary).args(arguments).output().with_context(|| format!("{} cannot be started", binary.display()))?;
    let took = began.elapsed();
    ensure!(output.status.success(), "{arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), took))
}

/// Copies a directory with its files and their modes.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Bytes of all files below a path.
pub(crate) fn bytes_on_disk(path: &Path) -> Result<u64> {
    if path.is_file() {
        return Ok(path.metadata()?.len());
    }
    std::fs::read_dir(path)?.map(|entry| bytes_on_disk(&entry?.path())).sum()
}

/// "2 cores of AMD EPYC, 23 GiB".
pub(crate) fn describe() -> String {
    let line = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let found = text.lines().find(|line| line.starts_with(key)).and_then(|line| line.split_once(':'));
        found.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kib: u64 = line("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
    format!("{cores} cores of {}, {} GiB of memory", line("/proc/cpuinfo", "model name"), kib >> 20)
}
