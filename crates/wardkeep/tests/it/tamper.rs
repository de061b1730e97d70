//! Whatever somebody without keys changes in the files of a hospital is refused at the start or
//! found by the verification, and until then nothing wrong is shown without a mark.
//!
//! Not found, because nothing reads them or nothing depends on them: [`UNUSED`]. Not found either
//! is a copy that is older in every file, the published log included: that needs a checkpoint kept
//! elsewhere. An older version of one document is genuine text and is shown as such until
//! `verify --records` says that it was rolled back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rusqlite::Connection;
use tempfile::TempDir;
use wardkeep_app::hospital::Paths;
use wardkeep_ledger::VerifyingKey;
use wardkeep_ledger::verify::{Directory, verify};

use crate::cli_run::{Ran, wardkeep};
use crate::tamper_edits::{EDITS, Hand, copy_all};
use crate::tamper_hospital::{Clinic, Known};

const SEED: u64 = 0x5EED_2026;
const START: i64 = 1_790_000_000_000;
const PATIENTS: usize = 6;

/// What nothing reads, or nothing depends on: (name, a change of it).
const UNUSED: &[(&str, &str)] = &[
    ("mark.value: a soft number beside the record, lost at worst", "UPDATE mark SET value = value + 1"),
    ("mark rows of nobody", "INSERT INTO mark VALUES (12, randomblob(16), 1)"),
    ("blob.owner: only written, the sealing context says whose file it is", "UPDATE blob SET owner = randomblob(16)"),
    ("stream.boot: replaced by the first commit of a run before it is read", "UPDATE stream SET boot = randomblob(16)"),
    ("stream.next_sequence: likewise", "UPDATE stream SET next_sequence = next_sequence + 5"),
    ("sequence.seq, raised: leaves a gap in numbers that only order", "UPDATE sequence SET seq = seq + 1000"),
    ("counter rows under keys of nobody", "INSERT INTO counter VALUES (randomblob(16), 5)"),
    (
        "tile.hashes beyond the width of the last tile of leaves: replaced by the next commit",
        "UPDATE tile SET hashes = CAST(hashes || zeroblob(32) AS BLOB) WHERE level = 0 AND length(hashes) < 8192",
    ),
];

/// Made once for all tests of this file.
struct Scene {
    _dir: TempDir,
    hospital: PathBuf,
    older: PathBuf,
    other: PathBuf,
    known: Known,
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn scene() -> &'static Scene {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    SCENE.get_or_init(|| runtime().block_on(set_up()))
}

async fn set_up() -> Scene {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (hospital, older, other) = (at("hospital"), at("older"), at("other"));
    for path in [&hospital, &other] {
        std::fs::create_dir(path).unwrap();
    }
    let clinic = Clinic::create(&hospital, 1, START).await;
    let half = clinic.fill_first_half(PATIENTS).await;
    let now = clinic.close(&hospital).await;
    copy_all(&hospital, &older);
    let clinic = Clinic::open(&hospital, 2, now).await.unwrap();
    let mut known = clinic.fill_second_half(half, PATIENTS).await;
    known.now = clinic.close(&hospital).await;
    Clinic::create(&other, 3, START).await.close(&other).await;
    Scene { _dir: dir, hospital, older, other, known }
}

/// A copy of the hospital to do things to.
struct Copy {
    _dir: TempDir,
    path: PathBuf,
}

fn copy() -> Copy {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("copy");
    copy_all(&scene().hospital, &path);
    Copy { _dir: dir, path }
}

/// How a tampering came out: by what it was found, and what was shown wrongly meanwhile.
struct Outcome {
    found: Option<String>,
    wrong: Vec<String>,
}

/// Looks at a hospital as its people and its auditors would: published log, start, reading, records.
async fn look(dir: &Path, known: &Known) -> Outcome {
    let published = published_findings(dir);
    let clinic = match Clinic::open(dir, 9, known.now).await {
        Ok(clinic) => clinic,
        Err(refusal) => return Outcome { found: published.or(Some(format!("start refused: {refusal}"))), wrong: Vec::new() },
    };
    let shown = clinic.read_everything(known).await;
    let wrong = shown.wrong(known);
    let verified = clinic.app.verify_records(&clinic.app.operator(clinic.visit()), &|_, _| {}).await;
    let records = match verified {
        Ok(report) => report.findings.first().map(|finding| format!("{}: {}", finding.code, finding.words)),
        Err(error) => Some(format!("verification failed: {error}")),
    };
    Outcome { found: published.or(records), wrong }
}

fn published_findings(dir: &Path) -> Option<String> {
    let ledger = Paths::new(dir).ledger();
    let key = std::fs::read_to_string(ledger.join("log.vkey")).unwrap();
    let key = VerifyingKey::parse(key.trim()).unwrap();
    let reports = verify(&Directory::new(&ledger), &key, &BTreeMap::new(), &mut |_, _| {}).unwrap();
    let finding = reports.iter().find_map(|report| report.findings.first().map(|(finding, at)| (&report.stream, finding, at)));
    let found = finding.map(|(stream, finding, at)| format!("published {stream}: {} at {at}", finding.code()));
    let missing = || ["control.main", "records.main"].iter().find(|name| !reports.iter().any(|report| report.stream == **name));
    found.or_else(|| missing().map(|name| format!("published {name} is not there")))
}

/// One tampering of a fresh copy, by the dice of this number.
fn tamper(dir: &Path, number: u64) -> String {
    let scene = scene();
    for attempt in 0.. {
        let dice = ChaCha20Rng::seed_from_u64(SEED ^ (number << 16) ^ attempt);
        let mut hand = Hand { dice, dir, older: &scene.older, other: &scene.other };
        // The first numbers make sure that every way is taken; the others take any.
        let way = if number < EDITS.len() as u64 && attempt < 20 { number as usize } else { hand.below(EDITS.len()) };
        let (name, edit) = EDITS[way];
        if let Some(done) = edit(&mut hand) {
            return format!("{name}: {done}");
        }
        // Half-done changes do not count.
        std::fs::remove_dir_all(dir).unwrap();
        copy_all(&scene.hospital, dir);
    }
    unreachable!()
}

fn all_found(numbers: std::ops::Range<u64>) {
    let runtime = runtime();
    let mut failures = Vec::new();
    for number in numbers {
        let copy = copy();
        let what = tamper(&copy.path, number);
        let outcome = runtime.block_on(look(&copy.path, &scene().known));
        match outcome.found {
            Some(found) => println!("{number}: {what} -> {found}"),
            None => failures.push(format!("{number}: {what} -> NOT FOUND")),
        }
        if !outcome.wrong.is_empty() {
            failures.push(format!("{number}: {what} -> SHOWN {:?}", outcome.wrong));
        }
    }
    assert!(failures.is_empty(), "seed {SEED:#x}:\n{}", failures.join("\n"));
}

// 200 in four parts, so that they run side by side.
#[test]
fn tamperings_1_to_50_are_found_and_show_nothing_wrong() {
    all_found(0..50);
}

#[test]
fn tamperings_51_to_100_are_found_and_show_nothing_wrong() {
    all_found(50..100);
}

#[test]
fn tamperings_101_to_150_are_found_and_show_nothing_wrong() {
    all_found(100..150);
}

#[test]
fn tamperings_151_to_200_are_found_and_show_nothing_wrong() {
    all_found(150..200);
}

#[test]
fn nothing_is_found_in_a_hospital_that_nobody_touched() {
    let copy = copy();
    let outcome = runtime().block_on(look(&copy.path, &scene().known));
    assert_eq!(outcome.found, None);
    assert_eq!(outcome.wrong, Vec::<String>::new());
}

#[test]
fn what_nothing_reads_changes_nothing() {
    let runtime = runtime();
    for (name, sql) in UNUSED {
        let copy = copy();
        for side in ["control", "records"] {
            Connection::open(copy.path.join(format!("{side}.db"))).unwrap().execute(sql, []).unwrap();
        }
        let outcome = runtime.block_on(look(&copy.path, &scene().known));
        assert_eq!(outcome.found, None, "{name}");
        assert_eq!(outcome.wrong, Vec::<String>::new(), "{name}");
    }
}

fn verified(dir: &Path, more: &[&str]) -> Ran {
    wardkeep(&[&["verify", "--json", "--data", dir.to_str().unwrap()], more].concat())
}

#[test]
fn the_program_says_5_when_it_finds_something_and_0_when_not() {
    let sound = copy();
    assert_eq!(verified(&sound.path, &[]).code, 0);
    assert_eq!(verified(&sound.path, &["--records"]).code, 0);

    let edited = copy();
    let db = Connection::open(edited.path.join("records.db")).unwrap();
    db.execute("UPDATE document SET sealed = zeroblob(400) WHERE kind = 42 AND version = 1", []).unwrap();
    drop(db);
    assert_eq!(verified(&edited.path, &[]).code, 0, "the published log itself is sound");
    let ran = verified(&edited.path, &["--records"]);
    assert_eq!((ran.code, ran.codes().contains(&"edited".to_owned())), (5, true), "{ran:?}");

    let damaged = copy();
    let db = Connection::open(damaged.path.join("records.db")).unwrap();
    db.execute("UPDATE document SET id = x'01' WHERE seq = (SELECT MIN(seq) FROM document WHERE kind = 42)", []).unwrap();
    drop(db);
    let ran = verified(&damaged.path, &["--records"]);
    assert_eq!((ran.code, ran.codes().contains(&"unreadable".to_owned())), (5, true), "{ran:?}");
}

#[test]
fn the_program_finds_a_published_log_that_was_changed() {
    let cut = copy();
    std::fs::remove_dir_all(cut.path.join("ledger/records.main")).unwrap();
    let ran = verified(&cut.path, &[]);
    assert_eq!((ran.code, ran.codes()), (5, vec!["stream-missing".to_owned()]), "{ran:?}");

    let key = copy();
    std::fs::copy(scene().other.join("ledger/log.vkey"), key.path.join("ledger/log.vkey")).unwrap();
    assert_eq!(verified(&key.path, &[]).code, 5);

    // Somebody else's log, whole and signed, under somebody else's key.
    let swapped = copy();
    std::fs::remove_dir_all(swapped.path.join("ledger")).unwrap();
    copy_all(&scene().other.join("ledger"), &swapped.path.join("ledger"));
    let ran = verified(&swapped.path, &["--records"]);
    assert!(ran.code == 5 || ran.code == 7, "{ran:?}");
}

#[test]
fn the_program_refuses_to_start_on_an_older_copy() {
    let rolled = copy();
    for side in ["control.db", "records.db"] {
        std::fs::copy(scene().older.join(side), rolled.path.join(side)).unwrap();
    }
    let data = rolled.path.to_str().unwrap();
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["user", "list"], &["doctor"], &["verify", "--records"]] {
        let ran = wardkeep(&[command, &["--data", data]].concat());
        assert_eq!(ran.code, 7, "{command:?} {ran:?}");
        assert!(ran.stderr.contains("rollback or fork of control.main"), "{ran:?}");
    }
}
