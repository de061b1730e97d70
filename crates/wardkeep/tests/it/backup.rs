//! Backups as the IT person has them: made while the server works, brought back, tried out.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::Value;
use wardkeep_app::Error;
use wardkeep_mongod::ReplicaSet;

use crate::cli_run::{Ran, command, wardkeep};
use crate::crash::{Ward, runtime, some_minutes_ago, texts, ward, while_clients_write};
use crate::crash_server::{Acknowledged, Server, free_port};
use crate::tamper_hospital::Clinic;

const SEED: u64 = 0xBAC_2026;

fn good(ran: Ran) -> Value {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}

/// A hospital whose backups are set up.
struct Kept {
    ward: Ward,
    target: String,
    identity: String,
}

impl Kept {
    fn new() -> Self {
        let ward = ward();
        let beside = |name: &str| ward.dir.path().join(name).to_str().unwrap().to_owned();
        let kept = Self { target: beside("target"), identity: beside("backup.key"), ward };
        let setup = kept.run(&["backup", "setup", "--target", &kept.target, "--identity", &kept.identity, "--json"]);
        assert_eq!(good(setup)["identity_made"], true);
        kept
    }

    fn run(&self, words: &[&str]) -> Ran {
        wardkeep(&[words, &["--data", self.ward.data.to_str().unwrap()]].concat())
    }

    /// The id of a backup that is made now.
    fn create(&self) -> String {
        good(self.run(&["backup", "create", "--json"]))["backup"]["id"].as_str().unwrap().to_owned()
    }

    fn drill(&self, id: &str) -> Value {
        good(self.run(&["backup", "drill", id, "--identity", &self.identity, "--json"]))
    }

    /// An empty data directory with the root key.
    fn fresh(&self, name: &str) -> PathBuf {
        let data = self.ward.dir.path().join(name);
        fs::create_dir(&data).unwrap();
        fs::copy(self.ward.data.join("root.key"), data.join("root.key")).unwrap();
        data
    }

    fn restoring<'a>(&'a self, id: &'a str, data: &'a Path) -> Vec<&'a str> {
        let data = data.to_str().unwrap();
        vec!["backup", "restore", id, "--from", &self.target, "--identity", &self.identity, "--json", "--data", data]
    }

    fn restore(&self, id: &str, data: &Path) -> Ran {
        wardkeep(&self.restoring(id, data))
    }
}

fn is_sound(data: &Path) {
    let report = good(wardkeep(&["verify", "--records", "--json", "--data", data.to_str().unwrap()]));
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(0), "{report}");
}

fn told(ran: &Ran, code: i32, words: &str) {
    assert!(ran.code == code && [&ran.stderr, &ran.stdout].iter().any(|said| said.contains(words)), "{ran:?}");
}

#[test]
fn a_backup_is_set_up_made_listed_checked_tried_and_brought_back() {
    let kept = Kept::new();
    let (data, settings) = (&kept.ward.data, kept.ward.data.join("wardkeep.toml"));
    assert!(!fs::read_to_string(&settings).unwrap().contains("SECRET"));
    assert!(good(kept.run(&["backup", "list", "--json"]))["backups"].as_array().unwrap().is_empty());
    told(&kept.run(&["backup", "verify"]), 4, "backup list");
    let made = good(kept.run(&["backup", "create", "--json"]));
    assert_eq!(made["logged"], true);
    let id = made["backup"]["id"].as_str().unwrap();
    let listed = good(kept.run(&["backup", "list", "--json"]));
    assert_eq!((listed["backups"][0]["id"].as_str(), listed["backups"][0]["state"].as_str()), (Some(id), Some("ok")));
    assert_eq!(good(kept.run(&["backup", "verify", "--json"]))["opened"], false);
    let read = good(kept.run(&["backup", "verify", id, "--identity", &kept.identity, "--json"]));
    assert_eq!(read["documents"], made["backup"]["documents"]);
    let posture = |data: &Path| {
        let ran = wardkeep(&["doctor", "--json", "--data", data.to_str().unwrap()]);
        let lines = ran.json()["lines"].as_array().unwrap().clone();
        lines.iter().find(|line| line["what"] == "Backups").unwrap()["health"].as_str().unwrap().to_owned()
    };
    assert_eq!(posture(data), "ok");
    let before = fs::read_dir(kept.ward.dir.path()).unwrap().count();
    let drilled = kept.drill("latest");
    assert_eq!(drilled["findings"].as_array().map(Vec::len), Some(0));
    assert!(drilled["checked"].as_u64().unwrap() > 10);
    assert_eq!(fs::read_dir(kept.ward.dir.path()).unwrap().count(), before, "a drill leaves nothing behind");
    let back = kept.fresh("back");
    let restored = good(kept.restore(id, &back));
    assert_eq!((restored["backup"]["id"].as_str(), restored["erased_again"].as_u64()), (Some(id), Some(0)));
    is_sound(&back);
    assert_eq!(posture(&back), "warning", "backups are set up anew");
    assert_eq!(texts(&back, &kept.ward.known), texts(data, &kept.ward.known));
    told(&kept.restore(id, &back), 3, "published log");
    let log = good(wardkeep(&["verify", "--json", "--data", back.to_str().unwrap()]));
    let restores: u64 = log["streams"].as_array().unwrap().iter().filter_map(|stream| stream["classes"]["restore"].as_u64()).sum();
    assert_eq!(restores, 2, "both logs tell of it");
}

#[test]
fn what_cannot_be_done_says_why_and_changes_nothing() {
    let kept = Kept::new();
    let id = kept.create();
    let inside = kept.ward.data.join("not/there/yet").to_str().unwrap().to_owned();
    let near = format!("{}/near.key", kept.target);
    let (target, identity) = (kept.target.as_str(), kept.identity.as_str());
    told(&kept.run(&["backup", "setup", "--target", &inside, "--identity", identity]), 3, "in the data directory");
    assert!(!kept.ward.data.join("not").exists());
    told(&kept.run(&["backup", "setup", "--target", target, "--identity", &near]), 3, "beside what it protects");
    // A disk that is not mounted: nothing is written in its place.
    let unmounted = format!("{target}-away");
    fs::rename(target, &unmounted).unwrap();
    for words in [&["backup", "list"], &["backup", "create"]] {
        told(&kept.run(words), 7, "mount its disk");
    }
    assert!(!Path::new(target).exists());
    fs::rename(&unmounted, target).unwrap();
    told(&kept.run(&["backup", "setup", "--target", "ftp://host/x", "--identity", identity]), 2, "no place for backups");
    let again = good(kept.run(&["backup", "setup", "--target", target, "--identity", identity, "--every-hours", "6", "--json"]));
    assert_eq!(again["identity_made"], false, "a key that is there is used again");
    let empty = kept.ward.dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    told(&kept.restore(&id, &empty), 4, "key recover");
    let other = kept.ward.dir.path().join("other");
    assert_eq!(wardkeep(&["init", "--data", other.to_str().unwrap()]).code, 0);
    fs::copy(other.join("root.key"), empty.join("root.key")).unwrap();
    told(&kept.restore(&id, &empty), 3, "opens with root key");
    assert!(!empty.join("control.db").exists());
    let foreign = kept.ward.dir.path().join("foreign.key").to_str().unwrap().to_owned();
    let elsewhere = kept.ward.dir.path().join("elsewhere").to_str().unwrap().to_owned();
    assert_eq!(kept.run(&["backup", "setup", "--target", &elsewhere, "--identity", &foreign]).code, 0);
    told(&kept.run(&["backup", "create"]), 0, "");
    told(&kept.run(&["backup", "verify", &id, "--from", target, "--identity", &foreign]), 3, "this identity does not open the backup");
    // A changed file: named, and a drill leaves nothing behind.
    let piece = Path::new(target).join("backups").join(&id).join("records-000001.age");
    let mut bytes = fs::read(&piece).unwrap();
    bytes[5000] ^= 1;
    fs::write(&piece, &bytes).unwrap();
    told(&kept.run(&["backup", "verify", &id, "--from", target]), 5, "records-000001.age of the backup is damaged");
    let before = fs::read_dir(kept.ward.dir.path()).unwrap().count();
    told(&kept.run(&["backup", "drill", &id, "--from", target, "--identity", identity]), 5, "damaged");
    assert_eq!(fs::read_dir(kept.ward.dir.path()).unwrap().count(), before);
    // Half a restore is no hospital.
    let half = kept.fresh("half");
    told(&kept.restore(&id, &half), 5, "damaged");
    told(&wardkeep(&["serve", "--data", half.to_str().unwrap()]), 7, &format!("wardkeep backup restore {id}"));
    bytes[5000] ^= 1;
    fs::write(&piece, &bytes).unwrap();
    good(kept.restore(&id, &half));
    is_sound(&half);
}

/// The server makes the first backup by itself, and more are asked of it while doctors write.
#[test]
fn backups_that_are_made_under_load_hold_all_that_was_acknowledged_before() {
    const BACKUPS: usize = 4;
    let kept = Kept::new();
    let ward = &kept.ward;
    let mut server = Server::start(&ward.data, ward.browser.port);
    server.wait_until_ready();
    let write = |client: usize, number: usize| {
        let text = format!("backup-client-{client}-number-{number}-end");
        let written = ward.browser.write_record(ward.known.patients[client % ward.known.patients.len()], &text);
        assert!(written.is_some(), "{text}");
        written
    };
    let backups = |acknowledged: &Mutex<Vec<Acknowledged>>| -> Vec<(String, Vec<String>)> {
        let made = (0..BACKUPS).map(|_| {
            let before = acknowledged.lock().unwrap().iter().map(|written| written.text.clone()).collect();
            let made = good(kept.run(&["backup", "create", "--json"]));
            assert_eq!(made["logged"], false, "the running server does that");
            (made["backup"]["id"].as_str().unwrap().to_owned(), before)
        });
        made.collect()
    };
    let (made, _) = while_clients_write(2, write, backups);
    for (number, (id, before)) in made.iter().enumerate() {
        kept.drill(id);
        let back = kept.fresh(&format!("back-{number}"));
        good(kept.restore(id, &back));
        is_sound(&back);
        let texts = texts(&back, &ward.known);
        let lost: Vec<_> = before.iter().filter(|text| texts.get(*text) != Some(&1)).collect();
        assert!(lost.is_empty(), "{id} of {}: {lost:?}", before.len());
    }
    assert!(made.last().unwrap().1.len() > 10, "that was no load");
    let listed = good(kept.run(&["backup", "list", "--json"]));
    assert_eq!(listed["backups"].as_array().unwrap().len(), BACKUPS + 1, "one by the server itself");
    server.stop();
    is_sound(&ward.data);
    let log = good(kept.run(&["verify", "--json"]));
    let noted: u64 = log["streams"].as_array().unwrap().iter().filter_map(|stream| stream["classes"]["backup"].as_u64()).sum();
    assert!(noted >= 1, "the one of its start is in the log at least");
}

/// Whoever was erased since does not come back: the server writes it down, and the restore reads it.
#[test]
fn an_erasure_reaches_the_backups_from_before() {
    let kept = Kept::new();
    let (data, known) = (&kept.ward.data, &kept.ward.known);
    let id = kept.create();
    let patient = known.patients[0];
    runtime().block_on(async {
        let clinic = Clinic::open(data, 6, some_minutes_ago() + 300_000).await.unwrap();
        assert_eq!(clinic.app.erase_again(&clinic.visit(), &[patient]).await.unwrap(), 1);
        clinic.close(data).await;
    });
    let name: String = patient.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let written_down = Path::new(&kept.target).join("erased").join(name);
    let mut server = Server::start(data, kept.ward.browser.port);
    server.wait_until_ready();
    let waited = (0..600).take_while(|_| !written_down.exists()).inspect(|_| std::thread::sleep(Duration::from_millis(50))).count();
    assert!(waited < 600, "the server wrote nothing down");
    server.stop();
    let back = kept.fresh("back");
    assert_eq!(good(kept.restore(&id, &back))["erased_again"], 1);
    is_sound(&back);
    runtime().block_on(async {
        let clinic = Clinic::open(&back, 7, some_minutes_ago() + 300_000).await.unwrap();
        let doctor = clinic.signed_in(known, "doctor").await.unwrap();
        assert!(matches!(clinic.app.demographics(&doctor, patient).await, Err(Error::NotFound)));
        clinic.app.demographics(&doctor, known.patients[1]).await.unwrap();
        clinic.close(&back).await;
    });
}

/// A store that speaks S3, out of a package; `scripts/setup` installs it.
struct S3 {
    child: Child,
    port: u16,
}

impl S3 {
    #[expect(clippy::disallowed_methods, reason = "a test starts the server that it tests with")]
    fn start() -> Option<Self> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/moto_server");
        if !program.exists() {
            assert!(std::env::var_os("WARDKEEP_NO_SKIP").is_none(), "there is no moto_server: run scripts/setup");
            eprintln!("SKIPPED: there is no moto_server; scripts/setup installs it");
            return None;
        }
        let port = free_port();
        let mut server = std::process::Command::new(program);
        let server = server.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let s3 = Self { child: server.spawn().unwrap(), port };
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(s3);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the S3 server does not answer");
    }

    /// The first line of its answer.
    fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", self.port)
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_bucket_holds_backups_like_a_directory() {
    let Some(s3) = S3::start() else { return };
    assert!(s3.ask("PUT", "/hospital").ends_with("200 OK"));
    let ward = ward();
    let beside = |name: &str| ward.dir.path().join(name).to_str().unwrap().to_owned();
    let (data, identity, secret) = (ward.data.to_str().unwrap(), beside("backup.key"), beside("s3.secret"));
    fs::write(&secret, "a secret of the store\n").unwrap();
    let within = |words: &[&str]| wardkeep(&[words, &["--data", data, "--json"]].concat());
    let place = "s3://hospital/ward/one";
    let endpoint = format!("http://127.0.0.1:{}", s3.port);
    let setup = ["backup", "setup", "--target", place, "--identity", &identity];
    told(&within(&setup), 3, "--s3-region");
    let s3_options =
        |endpoint| vec!["--s3-endpoint", endpoint, "--s3-region", "eu-central-1", "--s3-key-id", "AKEXAMPLE", "--s3-secret-file", &secret];
    told(&within(&[&setup[..], &s3_options(&endpoint)].concat()), 7, "chmod 600");
    fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    told(&within(&[&setup[..], &s3_options("http://s3.example.org")].concat()), 3, "https://");
    let nowhere = [&["backup", "setup", "--target", "s3://nowhere/x", "--identity", &identity][..], &s3_options(&endpoint)].concat();
    told(&within(&nowhere), 7, "s3://nowhere/x: listing failed");
    assert!(!Path::new(&identity).exists(), "no key is made for a place that does not answer");
    good(within(&[&setup[..], &s3_options(&endpoint)].concat()));
    let settings = fs::read_to_string(ward.data.join("wardkeep.toml")).unwrap();
    assert!(settings.contains("[backup.s3]") && !settings.contains("a secret"), "{settings}");
    let made = good(within(&["backup", "create"]));
    let id = made["backup"]["id"].as_str().unwrap();
    let listed = good(within(&["backup", "list"]));
    assert_eq!((listed["backups"][0]["id"].as_str(), listed["backups"][0]["state"].as_str()), (Some(id), Some("ok")));
    good(within(&["backup", "verify", id, "--identity", &identity]));
    good(within(&["backup", "drill", id, "--identity", &identity]));
    // A second one in the same month finds the month's key there.
    let second = good(within(&["backup", "create"]));
    good(within(&["backup", "drill", second["backup"]["id"].as_str().unwrap(), "--identity", &identity]));
    // On another machine: root key, settings, secret.
    let back = ward.dir.path().join("back");
    fs::create_dir(&back).unwrap();
    for file in ["root.key", "wardkeep.toml"] {
        fs::copy(ward.data.join(file), back.join(file)).unwrap();
    }
    good(wardkeep(&["backup", "restore", id, "--identity", &identity, "--data", back.to_str().unwrap(), "--json"]));
    is_sound(&back);
    assert_eq!(texts(&back, &ward.known), texts(&ward.data, &ward.known));
    drop(s3);
    told(&within(&["backup", "list"]), 7, "s3://hospital/ward/one: listing failed");
}

const KILLS: usize = 20;

/// Kills a run of the program at a random moment of so many milliseconds. Was it still going?
fn killed(words: &[&str], dice: &mut ChaCha20Rng, within_ms: u64) -> bool {
    let mut child = command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(dice.next_u64() % within_ms));
    let going = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    going
}

#[test]
fn kills_while_backups_are_made_and_brought_back_leave_nothing_half_done() {
    let kept = Kept::new();
    let mut dice = ChaCha20Rng::seed_from_u64(SEED);
    let data = kept.ward.data.to_str().unwrap();
    let mut cut = 0;
    for _ in 0..KILLS {
        cut += usize::from(killed(&["backup", "create", "--data", data], &mut dice, 120));
    }
    is_sound(&kept.ward.data);
    let id = kept.create();
    for listed in good(kept.run(&["backup", "list", "--json"]))["backups"].as_array().unwrap() {
        if listed["state"] == "ok" {
            kept.drill(listed["id"].as_str().unwrap());
        }
    }
    let mut restores = 0;
    for round in 0..KILLS {
        let back = kept.fresh(&format!("back-{round}"));
        restores += usize::from(killed(&kept.restoring(&id, &back), &mut dice, 250));
        let marked = back.join("restore.unfinished").exists();
        if marked {
            told(&wardkeep(&["doctor", "--data", back.to_str().unwrap()]), 7, "was cut off");
        }
        if marked || !back.join("control.db").exists() {
            good(kept.restore(&id, &back));
        }
        is_sound(&back);
        assert_eq!(texts(&back, &kept.ward.known), texts(&kept.ward.data, &kept.ward.known), "kill {round}, seed {SEED:#x}");
    }
    println!("{cut} backups and {restores} restores killed");
    assert!(cut > KILLS / 4 && restores > KILLS / 4, "{cut} {restores}: nearly all had ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_files_comes_back_in_mongodb_and_its_backup_in_files() -> anyhow::Result<()> {
    let Some(set) = ReplicaSet::start(1).await? else { return Ok(()) };
    tokio::task::spawn_blocking(move || {
        let kept = Kept::new();
        let id = kept.create();
        let mongo = kept.fresh("mongo");
        let (control, records) = (set.address("wardkeep_control"), set.address("wardkeep_records"));
        let stores = ["--control", control.as_str(), "--records", records.as_str(), "--node", "ward"];
        good(wardkeep(&[&kept.restoring(&id, &mongo)[..], &stores].concat()));
        let within = |words: &[&str]| wardkeep(&[words, &["--data", mongo.to_str().unwrap(), "--node", "ward", "--json"]].concat());
        good(within(&["verify", "--records"]));
        good(within(&["backup", "setup", "--target", &kept.target, "--identity", &kept.identity]));
        let second = good(within(&["backup", "create"]));
        let second = second["backup"]["id"].as_str().unwrap();
        good(within(&["backup", "drill", second, "--identity", &kept.identity]));
        let back = kept.fresh("files");
        good(kept.restore(second, &back));
        is_sound(&back);
        // What is there is not overwritten.
        let taken = kept.fresh("taken");
        let ran = wardkeep(&[&kept.restoring(&id, &taken)[..], &stores].concat());
        assert_eq!((ran.code, taken.join("restore.unfinished").exists()), (3, false), "{ran:?}");
        good(within(&["verify", "--records"]));
        drop(set);
    })
    .await?;
    Ok(())
}
