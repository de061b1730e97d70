//! `kill -9` under load, again and again on the same hospital: what was acknowledged is there once
//! and with its text, nothing is there by half, and the log has an entry for everything.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tempfile::TempDir;

use crate::cli_run::{command, wardkeep};
use crate::crash_server::{Acknowledged, Browser, Server, free_port};
use crate::tamper_hospital::{Clinic, Known};

const SEED: u64 = 0xC4A5_2026;
const KILLS: usize = 100;
/// Every tenth kill comes while the server is still starting.
const STARTING_EVERY: usize = 10;
const VERIFY_EVERY: usize = 10;
const CLIENTS: usize = 4;
/// A kill under load comes at a random moment within this time.
const LOAD_MS_MAX: u64 = 200;
/// A start takes about this long; a kill during it comes at a random moment within it.
const START_MS_MAX: u64 = 400;

pub(crate) struct Ward {
    pub(crate) dir: TempDir,
    pub(crate) data: PathBuf,
    pub(crate) known: Known,
    pub(crate) browser: Browser,
}

#[expect(clippy::disallowed_methods, reason = "the real server has the wall clock, so its hospital must live now")]
pub(crate) fn some_minutes_ago() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap() - 300_000
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A hospital with a signed-in doctor and patients in care.
pub(crate) fn ward() -> Ward {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("hospital");
    std::fs::create_dir(&data).unwrap();
    let (known, form_token) = runtime().block_on(async {
        let clinic = Clinic::create(&data, 4, some_minutes_ago()).await;
        let known = clinic.fill_first_half(4).await;
        let form_token = clinic.signed_in(&known, "doctor").await.unwrap().form_token().to_owned();
        clinic.close(&data).await;
        (known, form_token)
    });
    let browser = Browser { port: free_port(), session: known.tokens["doctor"].clone(), form_token };
    Ward { dir, data, known, browser }
}

/// Clients that write until the server is killed at `moment`; what was acknowledged meanwhile.
fn load(ward: &Ward, server: Server, round: usize, moment: Duration) -> Vec<Acknowledged> {
    let write = |client: usize, number: usize| {
        let patient = ward.known.patients[client % ward.known.patients.len()];
        let text = format!("kill-{round}-client-{client}-number-{number}-end");
        // A patient has a limited number of documents: one a round is tried to be filed.
        let upload = number == 1 && client == 0;
        if upload { ward.browser.upload(patient, &text) } else { ward.browser.write_record(patient, &text) }
    };
    let kill = |_: &Mutex<Vec<Acknowledged>>| {
        // The random moment itself; nothing waits for it to be long enough.
        std::thread::sleep(moment);
        server.kill();
    };
    while_clients_write(CLIENTS, write, kill).1
}

/// Does something while clients write one thing after the other; what was acknowledged until its end.
pub(crate) fn while_clients_write<T>(
    clients: usize,
    write: impl Fn(usize, usize) -> Option<Acknowledged> + Sync,
    does: impl FnOnce(&Mutex<Vec<Acknowledged>>) -> T,
) -> (T, Vec<Acknowledged>) {
    let over = AtomicBool::new(false);
    let acknowledged = Mutex::new(Vec::new());
    let done = std::thread::scope(|scope| {
        for client in 0..clients {
            let (over, acknowledged, write) = (&over, &acknowledged, &write);
            scope.spawn(move || {
                let mut number = 0;
                while !over.load(Ordering::Relaxed) {
                    if let Some(written) = write(client, number) {
                        acknowledged.lock().unwrap().push(written);
                    }
                    number += 1;
                }
            });
        }
        let done = does(&acknowledged);
        over.store(true, Ordering::Relaxed);
        done
    });
    (done, acknowledged.into_inner().unwrap())
}

fn published_log_is_sound(data: &Path) {
    let ran = wardkeep(&["verify", "--json", "--data", data.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// How many records and documents the log says were filed.
fn records_are_sound(data: &Path) -> u64 {
    let ran = wardkeep(&["verify", "--records", "--json", "--data", data.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let again = wardkeep(&["verify", "--json", "--data", data.to_str().unwrap()]).json();
    let count =
        |class: &str| -> u64 { again["streams"].as_array().unwrap().iter().filter_map(|stream| stream["classes"][class].as_u64()).sum() };
    count("record.created") + count("document.uploaded")
}

/// The text of every record and the name of every document, with how often it is there.
pub(crate) fn texts(data: &Path, known: &Known) -> HashMap<String, usize> {
    runtime().block_on(async {
        let clinic = Clinic::open(data, 5, some_minutes_ago() + 300_000).await.unwrap();
        let doctor = clinic.signed_in(known, "doctor").await.unwrap();
        let mut texts = clinic.record_texts(&doctor, &known.patients).await;
        for patient in &known.patients {
            for view in clinic.app.list_documents(&doctor, *patient).await.unwrap().1 {
                *texts.entry(view.document.unwrap().name.as_str().trim_end_matches(".txt").to_owned()).or_default() += 1;
            }
        }
        clinic.close(data).await;
        texts
    })
}

#[test]
fn a_hundred_kills_lose_nothing_that_was_acknowledged() {
    let ward = ward();
    let mut dice = ChaCha20Rng::seed_from_u64(SEED);
    let mut all: Vec<Acknowledged> = Vec::new();
    let mut fresh: Vec<Acknowledged> = Vec::new();
    for round in 0..KILLS {
        let at = |what: &str| format!("{what}, seed {SEED:#x}, kill {round}");
        let mut server = Server::start(&ward.data, ward.browser.port);
        if round % STARTING_EVERY == STARTING_EVERY - 1 {
            std::thread::sleep(Duration::from_millis(dice.next_u64() % START_MS_MAX));
            server.kill();
            published_log_is_sound(&ward.data);
            continue;
        }
        server.wait_until_ready();
        for written in fresh.drain(..) {
            assert!(ward.browser.shows(&written), "{}: {written:?}", at("lost"));
            all.push(written);
        }
        let moment = Duration::from_millis(dice.next_u64() % LOAD_MS_MAX);
        fresh = load(&ward, server, round, moment);
        published_log_is_sound(&ward.data);
        if round % VERIFY_EVERY == VERIFY_EVERY - 2 {
            records_are_sound(&ward.data);
        }
    }
    all.append(&mut fresh);
    let created = records_are_sound(&ward.data);
    let texts = texts(&ward.data, &ward.known);
    let lost: Vec<_> = all.iter().filter(|written| texts.get(&written.text) != Some(&1)).collect();
    let twice: Vec<_> = texts.iter().filter(|(text, count)| text.starts_with("kill-") && **count > 1).collect();
    let present: usize = texts.values().sum();
    println!("{} acknowledged, {} lost, {} half-applied", all.len(), lost.len(), created.abs_diff(present as u64));
    assert!(lost.is_empty() && twice.is_empty(), "lost {lost:?}, twice {twice:?}");
    assert_eq!(created, present as u64, "entries of the log, and what is there");
    assert!(all.len() >= KILLS, "only {} writes were acknowledged: that was no load", all.len());
}

/// Rows of the file that an import is killed over.
const ROWS: usize = 5110;
const IMPORT_KILLS: usize = 12;
/// An import of them takes longer than this in most runs.
const IMPORT_MS_MAX: u64 = 700;

#[test]
fn an_import_that_is_killed_went_in_whole_or_not_at_all() {
    let dir = TempDir::new().unwrap();
    let (data, file) = (dir.path().join("hospital"), dir.path().join("rows.csv"));
    let (data, file) = (data.to_str().unwrap(), file.to_str().unwrap());
    assert_eq!(wardkeep(&["init", "--data", data]).code, 0);
    assert_eq!(wardkeep(&["generate", "stroke", "--rows", &ROWS.to_string(), "--output", file]).code, 0);
    let there = || wardkeep(&["export", "stroke", "--data", data]).stdout.lines().count() - 1;
    let mut dice = ChaCha20Rng::seed_from_u64(SEED ^ 1);
    let mut killed = 0;
    for round in 0..IMPORT_KILLS {
        if there() == ROWS {
            break;
        }
        let mut import = command(&["import", "stroke", file, "--data", data]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(dice.next_u64() % IMPORT_MS_MAX));
        killed += usize::from(import.try_wait().unwrap().is_none());
        import.kill().unwrap();
        import.wait().unwrap();
        let rows = there();
        assert!(rows == 0 || rows == ROWS, "{rows} of {ROWS} rows after kill {round}, seed {SEED:#x}");
        assert_eq!(wardkeep(&["verify", "--records", "--data", data]).code, 0);
    }
    assert!(killed > 0, "every import ended before its kill");
    assert_eq!(wardkeep(&["import", "stroke", file, "--data", data]).code, 0);
    let again = wardkeep(&["import", "stroke", file, "--json", "--data", data]).json();
    assert_eq!((again["written"].as_u64(), again["unchanged"].as_u64()), (Some(0), Some(ROWS as u64)));
    assert_eq!(wardkeep(&["verify", "--records", "--data", data]).code, 0);
}
