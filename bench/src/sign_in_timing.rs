//! Do the answers of the password step tell by their time whether an account exists? Sign-ins of
//! names that nobody has, of people with a wrong password, and of suspended people with the right
//! one, in mixed order, each from an address of its own so that nobody has to wait.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Args;
use wardkeep_app::Entropy;
use wardkeep_app::accounts::NewAccount;
use wardkeep_app::throttle::ACCOUNT_FREE;
use wardkeep_domain::account::Role;

use crate::driver::{Client, percentile, post_form};
use crate::machine;
use crate::seed;
use crate::server::{Server, Starter};

const RIGHT: &str = "seven quiet herons cross";
const WRONG: &str = "seven quiet herons drown";
/// Shuffles behind a p-value.
const SHUFFLES: usize = 10_000;
/// Tries before these, which warm up.
const WARM: usize = 20;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The program to measure
    #[arg(long, default_value = "target/release/wardkeep")]
    binary: PathBuf,
    /// Where the hospital is made, anew with every run; the disk that is measured
    #[arg(long, default_value = "bench-data")]
    data: PathBuf,
    /// Sign-ins of each sort
    #[arg(long, default_value_t = 1000)]
    samples: usize,
}

/// A sort of sign-in: what it is, the name it types, the password.
const SORTS: [(&str, &str, &str); 3] = [
    ("a name that nobody has", "nobody", WRONG),
    ("an account, wrong password", "active", WRONG),
    ("a suspended account, right password", "asleep", RIGHT),
];

/// The name of one try: each is used fewer times than bring a wait. All are of one length.
fn name(sort: &str, number: usize) -> String {
    let free = usize::try_from(ACCOUNT_FREE).unwrap_or(1).saturating_sub(1).max(1);
    format!("{sort}{:06}@bench.example", number / free)
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = options.binary.canonicalize()?;
    let data = options.data.join("sign-in-timing");
    if data.exists() {
        std::fs::remove_dir_all(&data)?;
    }
    std::fs::create_dir_all(&options.data)?;
    machine::run(&binary, &["init".as_ref(), "--data".as_ref(), data.as_os_str()])?;
    let entropy = machine::entropy()?;
    let tries = options.samples + WARM;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(fill(&data, &entropy, tries))?;
    // Ends the tasks that hold the stores.
    drop(runtime);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let times = runtime.block_on(async {
        let (server, _) = Starter::new(&binary, &data)?.start().await?;
        let times = measure(&server, &entropy, tries).await;
        server.stop()?;
        times
    })?;
    println!("{}", machine::describe());
    print!("{}", table(&times, &entropy));
    Ok(())
}

/// Everybody whose name is typed and who exists.
async fn fill(data: &Path, entropy: &Entropy, tries: usize) -> Result<()> {
    let app = seed::open(data, entropy).await?;
    let last = |sort| name(sort, tries - 1);
    for (sort, suspend) in [("active", false), ("asleep", true)] {
        for number in 0..tries {
            let email = name(sort, number);
            if number > 0 && email == name(sort, number - 1) {
                continue;
            }
            let visit = machine::visit(entropy);
            let operator = app.operator(visit.clone());
            let (id, link) = app.invite(&operator, &email, "Somebody", Role::Nurse.code()).await?;
            let form = NewAccount {
                email: email.clone(),
                display_name: "Somebody".to_owned(),
                password: RIGHT.to_owned(),
                password_again: RIGHT.to_owned(),
            };
            app.accept_invitation(&visit, &link, &form).await?;
            if suspend {
                app.suspend(&operator, id).await?;
            }
            if email == last(sort) {
                eprintln!("{sort}: everybody is there");
            }
        }
    }
    Ok(app.shutdown(&machine::visit(entropy)).await?)
}

/// Milliseconds of each sort, from sending a request to the end of its answer.
async fn measure(server: &Server, entropy: &Entropy, tries: usize) -> Result<[Vec<f64>; 3]> {
    let mut times = [const { Vec::new() }; 3];
    let mut from = u32::from(Ipv4Addr::new(127, 1, 0, 1));
    for number in 0..tries {
        let mut order = [0, 1, 2];
        shuffle(&mut order, entropy);
        for at in order {
            let Some((sort, (what, who, password))) = times.get_mut(at).zip(SORTS.get(at)) else { continue };
            let mut client = Client::connect_from(SocketAddr::from((Ipv4Addr::from(from), 0)), server.address).await?;
            from += 1;
            let email = name(who, number);
            let request = post_form("/sign-in", "", &[("email", &email), ("password", password)])?;
            let began = machine::now();
            let answer = client.exchange(request).await?;
            let took = began.elapsed().as_secs_f64() * 1000.0;
            ensure!(answer.status == 401, "{what}: {}", answer.status);
            if number >= WARM {
                sort.push(took);
            }
        }
    }
    Ok(times)
}

fn shuffle<T>(items: &mut [T], entropy: &Entropy) {
    for at in (1..items.len()).rev() {
        let drawn = u64::from_le_bytes(entropy.bytes());
        items.swap(at, usize::try_from(drawn % (at as u64 + 1)).unwrap_or(0));
    }
}

fn table(times: &[Vec<f64>; 3], entropy: &Entropy) -> String {
    let mut text = String::from("\n| sign-in | samples | median ms | p95 ms |\n| --- | ---: | ---: | ---: |\n");
    for ((what, _, _), times) in SORTS.iter().zip(times) {
        let mut sorted = times.clone();
        sorted.sort_by(f64::total_cmp);
        let _ = writeln!(text, "| {what} | {} | {:.2} | {:.2} |", sorted.len(), percentile(&sorted, 50), percentile(&sorted, 95));
    }
    text.push_str("\n| compared | chance that the first takes longer | p |\n| --- | ---: | ---: |\n");
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        let (Some(first), Some(second)) = (times.get(a), times.get(b)) else { continue };
        let (Some((one, ..)), Some((other, ..))) = (SORTS.get(a), SORTS.get(b)) else { continue };
        let (longer, p) = compare(first, second, entropy);
        let _ = writeln!(text, "| {one} / {other} | {:.1} % | {p:.3} |", longer * 100.0);
    }
    text
}

/// Mann-Whitney's U as the share of pairs in which the first is greater, and how often a random
/// split of all values is at least as far from one half (two-sided permutation p-value).
fn compare(first: &[f64], second: &[f64], entropy: &Entropy) -> (f64, f64) {
    let mut all: Vec<(f64, bool)> = first.iter().map(|time| (*time, true)).chain(second.iter().map(|time| (*time, false))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut sides: Vec<bool> = all.into_iter().map(|(_, side)| side).collect();
    let pairs = first.len() as f64 * second.len() as f64;
    let share = |sides: &[bool]| {
        let (mut below, mut greater) = (0u64, 0u64);
        for first in sides {
            if *first { greater += below } else { below += 1 }
        }
        greater as f64 / pairs
    };
    let seen = share(&sides);
    let mut as_far = 0;
    for _ in 0..SHUFFLES {
        shuffle(&mut sides, entropy);
        as_far += usize::from((share(&sides) - 0.5).abs() >= (seen - 0.5).abs());
    }
    (seen, (as_far + 1) as f64 / (SHUFFLES + 1) as f64)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn times_that_differ_are_told_apart_and_times_that_do_not_are_not() {
        let entropy = Entropy::new(ChaCha20Rng::seed_from_u64(1));
        let noise = |plus: f64| (0..200).map(|_| plus + f64::from(entropy.bytes::<1>()[0]) / 256.0).collect::<Vec<_>>();
        let (same, p) = compare(&noise(10.0), &noise(10.0), &entropy);
        assert!((0.4..0.6).contains(&same) && p > 0.01, "{same} {p}");
        let (longer, p) = compare(&noise(10.2), &noise(10.0), &entropy);
        assert!(longer > 0.6 && p < 0.01, "{longer} {p}");
    }

    #[test]
    fn no_name_is_tried_often_enough_to_wait_and_all_are_of_one_length() {
        let mut times = std::collections::BTreeMap::<String, u32>::new();
        (0..1000).for_each(|number| *times.entry(name("nobody", number)).or_default() += 1);
        assert!(times.values().all(|times| *times < ACCOUNT_FREE));
        assert!(SORTS.iter().all(|(_, sort, password)| name(sort, 7).len() == name("nobody", 7).len() && password.len() == RIGHT.len()));
    }
}
