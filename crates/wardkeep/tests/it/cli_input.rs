//! Bad input and bad surroundings: a message that names the fix, the right exit code, nothing done.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use wardkeep_store::SqliteOptions;

use crate::cli::{Fresh, run_in};
use crate::cli_run::{Ran, command};
use crate::crash_server::{Server, free_port};
use crate::tamper_hospital::{Clinic, note};

/// Ends with this code, says these words, and prints nothing as a result.
fn refused(ran: &Ran, code: i32, words: &str) {
    assert_eq!(ran.code, code, "{ran:?}");
    assert!(ran.stderr.contains(words), "“{words}” is not in {ran:?}");
    assert!(ran.stdout.is_empty(), "{ran:?}");
}

/// Every file of the directory with its bytes.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    entries.map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect()
}

#[test]
fn without_a_hospital_every_command_says_how_to_make_one() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("nothing");
    for arguments in [&["serve"][..], &["user", "list"], &["doctor"], &["export", "stroke"]] {
        refused(&run_in(&data, arguments), 4, "wardkeep init --data");
    }
    refused(&run_in(&data, &["verify"]), 4, "no published log");
    assert!(!data.exists());
    let file = dir.path().join("file");
    fs::write(&file, "text").unwrap();
    refused(&run_in(&file, &["doctor"]), 4, "is a file");
    refused(&run_in(&file, &["init"]), 7, "cannot be made");
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
}

#[test]
fn a_place_that_cannot_be_written_is_7() {
    // Also root cannot make a directory there.
    let proc = Path::new("/proc/wardkeep-test");
    refused(&run_in(proc, &["init"]), 7, "cannot be made");
    refused(&run_in(proc, &["demo", "--no-serve"]), 7, "cannot be made");
    let fresh = Fresh::new();
    refused(&fresh.run(&["export", "stroke", "--output", "/proc/wardkeep-test.csv"]), 7, "cannot be written");
}

#[test]
fn a_second_init_leaves_the_first_hospital_alone() {
    let fresh = Fresh::new();
    let before = files(&fresh.path());
    refused(&fresh.run(&["init", "--name", "Other"]), 3, "left alone");
    assert_eq!(files(&fresh.path()), before);
}

#[test]
fn an_init_that_was_cut_off_says_what_to_remove() {
    let fresh = Fresh::new();
    for store in ["control.db", "records.db"] {
        fs::write(fresh.path().join(store), "").unwrap();
    }
    refused(&fresh.run(&["serve"]), 4, "was cut off");
}

#[test]
fn the_key_file_must_be_there_be_the_right_one_and_be_closed_to_others() {
    let fresh = Fresh::new();
    let key = fresh.path().join("root.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    refused(&fresh.run(&["user", "list"]), 7, "chmod 600");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let good = fs::read(&key).unwrap();
    fs::write(&key, "wardkeep-root-key/1\nAAAA\n").unwrap();
    refused(&fresh.run(&["user", "list"]), 7, "safe copy");
    fs::copy(Fresh::new().path().join("root.key"), &key).unwrap();
    refused(&fresh.run(&["user", "list"]), 7, "put the right key file in its place");
    fs::remove_file(&key).unwrap();
    refused(&fresh.run(&["user", "list"]), 7, "put it back");
    refused(&fresh.run(&["init"]), 3, "left alone");
    fs::write(&key, good).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(fresh.run(&["user", "list"]).code, 0);
}

#[test]
fn a_newer_schema_or_another_file_is_7_and_is_not_touched() {
    let fresh = Fresh::new();
    let records = fresh.path().join("records.db");
    Connection::open(&records).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&records).unwrap();
    refused(&fresh.run(&["serve"]), 7, "use a newer wardkeep");
    assert_eq!(fs::read(&records).unwrap(), before);
    fs::write(&records, "this is a letter, and not a database at all ".repeat(50)).unwrap();
    refused(&fresh.run(&["serve"]), 7, "is not a wardkeep store");
    fs::remove_file(&records).unwrap();
    refused(&fresh.run(&["doctor"]), 7, "rollback or fork of records.main");
}

#[test]
fn beside_a_running_server_the_log_can_be_verified_and_all_else_is_6() {
    let fresh = Fresh::new();
    let mut server = Server::start(&fresh.path(), free_port());
    server.wait_until_ready();
    for arguments in [&["user", "list"][..], &["doctor"], &["verify", "--records"], &["serve", "--listen", "127.0.0.1:0"]] {
        refused(&fresh.run(arguments), 6, "stop that server first");
    }
    assert_eq!(fresh.run(&["verify"]).code, 0);
    server.kill();
    assert_eq!(fresh.run(&["user", "list"]).code, 0);
}

fn entries(fresh: &Fresh) -> serde_json::Value {
    fresh.run(&["verify", "--json"]).json()["streams"].clone()
}

#[test]
fn an_occupied_port_or_an_open_address_is_refused_before_the_hospital_is_touched() {
    let fresh = Fresh::new();
    let before = entries(&fresh);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    refused(&fresh.run(&["serve", "--listen", &taken]), 1, "choose another address with --listen");
    refused(&fresh.run(&["serve", "--listen", "0.0.0.0:0"]), 2, "--origin https://");
    refused(&fresh.run(&["serve", "--listen", "0.0.0.0:0", "--origin", "http://records.example.org"]), 2, "unencrypted");
    assert_eq!(entries(&fresh), before);
}

#[test]
fn a_file_that_cannot_be_imported_changes_nothing() {
    let fresh = Fresh::new();
    let good = fresh.beside("good.csv");
    assert_eq!(fresh.run(&["generate", "stroke", "--rows", "30", "--output", good.to_str().unwrap()]).code, 0);
    let text = fs::read_to_string(&good).unwrap();
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin = [text.as_bytes(), b"9001,M\xe4nnlich,1,0,0,No,Private,Urban,80,20,Unknown,0\n"].concat();
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("cut off", text.as_bytes()[..text.len() - 9].to_vec(), "cut off"),
        ("empty", Vec::new(), "empty"),
        ("UTF-16", utf16, "UTF-8"),
        ("Latin-1", latin, "UTF-8"),
        ("semicolons", text.replace(',', ";").into_bytes(), "commas"),
        ("one bad row", format!("{text}9001,Female,900,0,0,No,Private,Urban,80,20,Unknown,0\n").into_bytes(), "age"),
    ];
    for (name, bytes, words) in cases {
        let file = fresh.beside("bad.csv");
        fs::write(&file, bytes).unwrap();
        let ran = fresh.run(&["import", "stroke", file.to_str().unwrap()]);
        assert_eq!((ran.code, ran.stderr.contains(words)), (3, true), "{name}: {ran:?}");
        assert!(ran.stderr.contains("nothing was saved"), "{name}: {ran:?}");
        assert_eq!(fresh.run(&["export", "stroke"]).stdout.lines().count(), 1, "{name}");
    }
    refused(&fresh.run(&["import", "stroke", fresh.beside("none.csv").to_str().unwrap()]), 4, "cannot be read");
    refused(&fresh.run(&["import", "stroke", fresh.path().to_str().unwrap()]), 3, "cannot be read");
}

#[test]
fn a_full_disk_refuses_what_does_not_fit_and_keeps_what_did() {
    let dir = TempDir::new().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let start = 1_790_000_000_000;
    runtime.block_on(async {
        let clinic = Clinic::create(dir.path(), 5, start).await;
        let known = clinic.fill_first_half(4).await;
        let now = clinic.close(dir.path()).await;
        let pages: u32 =
            Connection::open(dir.path().join("records.db")).unwrap().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let full = SqliteOptions { pages_max: Some(pages + 60), ..SqliteOptions::default() };
        let clinic = Clinic::open_with(dir.path(), 6, now, full).await.unwrap();
        let doctor = clinic.signed_in(&known, "doctor").await.unwrap();
        let mut filed = Vec::new();
        let refusal = loop {
            match clinic.app.write_record(&doctor, known.patients[0], &note(&"x".repeat(20_000))).await {
                Ok(record) => filed.push(record),
                Err(error) => break error.to_string(),
            }
            assert!(filed.len() < 1000, "the disk never filled");
        };
        assert!(refusal.contains("disk is full") && refusal.contains("nothing was"), "{refusal}");
        assert!(!filed.is_empty());
        // Reading is an entry in the log, so it is refused too, and not done without one.
        drop(doctor);
        let now = clinic.close_without_sealing(dir.path()).await;
        let clinic = Clinic::open(dir.path(), 7, now).await.unwrap();
        let doctor = clinic.signed_in(&known, "doctor").await.unwrap();
        for record in filed {
            assert!(clinic.app.read_record(&doctor, known.patients[0], record).await.is_ok());
        }
        let report = clinic.app.verify_records(&clinic.app.operator(clinic.visit()), &|_, _| {}).await.unwrap();
        assert_eq!(report.findings, []);
    });
}

fn demo(data: &Path, more: &[&str]) -> Ran {
    run_in(data, &[&["demo", "--patients", "2"], more].concat())
}

#[test]
fn a_demo_leaves_real_hospitals_and_other_directories_alone() {
    let fresh = Fresh::new();
    refused(&demo(&fresh.path(), &["--no-serve"]), 3, "real hospital");
    let own = fresh.beside("own");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("letter.txt"), "mine").unwrap();
    refused(&demo(&own, &["--no-serve"]), 3, "left alone");
    fs::rename(&own, fresh.beside("trial.part")).unwrap();
    refused(&demo(&fresh.beside("trial"), &["--no-serve"]), 3, "move it away");
    assert_eq!(fs::read_to_string(fresh.beside("trial.part/letter.txt")).unwrap(), "mine");
}

/// Bounded wait for something that another process does.
fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited 30 seconds for {what}");
}

/// A demo in the making, far from its end.
fn demo_in_the_making(data: &Path) -> Child {
    let arguments = ["demo", "--patients", "100000", "--no-serve", "--data", data.to_str().unwrap()];
    let child = command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let part = data.with_extension("part");
    // The first patients are written: the making is well under way.
    wait_for("the demo to begin", || fs::metadata(part.join("records.db-wal")).is_ok_and(|wal| wal.len() > 500_000));
    child
}

#[test]
fn a_demo_that_was_killed_starts_clean_and_a_second_one_waits_its_turn() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("trial");
    let mut making = demo_in_the_making(&data);
    refused(&demo(&data, &["--no-serve"]), 6, "wait for it");
    assert!(making.try_wait().unwrap().is_none(), "the first one goes on");
    making.kill().unwrap();
    making.wait().unwrap();
    assert!(!data.exists(), "what is not finished does not look like a hospital");

    let made = demo(&data, &["--no-serve", "--json"]);
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(made.json()["accounts"].as_array().unwrap().len(), 9);
    assert!(!data.with_extension("part").exists());
    assert_eq!(run_in(&data, &["verify", "--records"]).code, 0);

    let mut server = Server::start_demo(&data, free_port());
    server.wait_until_ready();
    refused(&demo(&data, &["--listen", "127.0.0.1:0"]), 6, "stop that server first");
    server.kill();
    assert_eq!(demo(&data, &["--no-serve"]).code, 0, "the same data again");
}

#[test]
fn a_file_that_proves_nothing_says_so() {
    let fresh = Fresh::new();
    let file = fresh.beside("entry.tlog-proof");
    let check = || fresh.run(&["verify", "proof", file.to_str().unwrap()]);
    assert_eq!(check().code, 4, "there is none");
    for text in ["", "c2sp.org/tlog-proof@v1\nextra AAAA\nindex 0\n\nno note", "c2sp.org/tlog-proof@v1\nextra AAAA\nindex 0\n\n"] {
        fs::write(&file, text).unwrap();
        let ran = check();
        assert!(ran.code == 5 && ran.stderr.contains("proves nothing"), "{ran:?}");
    }
    assert_eq!(fresh.run(&["verify", "proof", file.to_str().unwrap(), "--key", "not+a+key"]).code, 3);
}
