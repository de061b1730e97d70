//! Witnesses as two parties have them: the hospital's server shows its seals, somebody else's program
//! cosigns them, and a copy from yesterday is refused.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use wardkeep_ledger::proof::{Tiles, consistency};
use wardkeep_ledger::tree::{TileId, leaf_hash};
use wardkeep_ledger::witness::{Request, WitnessKey};
use wardkeep_ledger::{Edge, Hash, Head, Signer};

use crate::cli_run::{Ran, command, wardkeep};
use crate::crash::{Ward, ward};
use crate::crash_server::{Server, free_port};

const PATIENCE: Duration = Duration::from_secs(30);

fn good(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}

fn told(ran: &Ran, code: i32, words: &str) {
    assert!(ran.code == code && [&ran.stderr, &ran.stdout].iter().any(|said| said.contains(words)), "{words}: {ran:?}");
}

/// A witness of some log, on a port of its own.
struct Watch {
    dir: PathBuf,
    port: u16,
    key: String,
}

/// Its running program. Dropping it kills it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Watch {
    fn new(dir: PathBuf, log: &str) -> Self {
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let made =
            wardkeep(&["witness", "init", "--name", "vault.example", "--log-key", log, "--url", &url, "--json", "--data", text(&dir)]);
        let key = good(&made)["key"].as_str().unwrap().to_owned();
        Self { dir, port, key }
    }
    fn run(&self, words: &[&str]) -> Ran {
        wardkeep(&[&["witness"], words, &["--json", "--data", text(&self.dir)]].concat())
    }
    fn start(&self) -> Running {
        let listen = format!("127.0.0.1:{}", self.port);
        let words = ["witness", "serve", "--listen", &listen, "--data", text(&self.dir)];
        let mut child = command(&words).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("A witness of"), "{line}");
        Running(child)
    }
    /// Status, head and body of the answer to add-checkpoint.
    fn ask(&self, body: &[u8]) -> Option<(u16, String, String)> {
        call(self.port, "POST /add-checkpoint", body)
    }
    /// What it knows, by stream.
    fn seen(&self) -> Vec<(String, u64)> {
        let list = good(&self.run(&["list"]));
        let one = |seen: &Value| (seen["origin"].as_str().unwrap().to_owned(), seen["entries"].as_u64().unwrap());
        list["seen"].as_array().unwrap().iter().map(one).collect()
    }
}

fn call(port: u16, what: &str, body: &[u8]) -> Option<(u16, String, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("{what} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.get(9..12)?.parse().ok()?, head.to_lowercase(), body.to_owned()))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A hospital with a witness.
struct Watched {
    ward: Ward,
    watch: Watch,
}

impl Watched {
    fn new() -> Self {
        let ward = ward();
        let watch = Watch::new(ward.dir.path().join("witness"), text(&ward.data.join("ledger/log.vkey")));
        let watched = Self { ward, watch };
        watched.name_witness(&watched.ward.data);
        watched
    }
    fn name_witness(&self, data: &Path) {
        let settings = format!("[[witness]]\nurl = \"http://127.0.0.1:{}/\"\nkey = \"{}\"\n", self.watch.port, self.watch.key);
        fs::write(data.join("wardkeep.toml"), settings).unwrap();
    }
    /// Serves while so many records are written. The witness is shown what was there at the start.
    fn serve(&self, data: &Path, records: usize) {
        let mut server = Server::start(data, self.ward.browser.port);
        server.wait_until_ready();
        for number in 0..records {
            let text = format!("seen-{number}-end");
            assert!(self.ward.browser.write_record(self.ward.known.patients[0], &text).is_some());
        }
        server.stop();
    }
    /// A start that must fail.
    fn refused(&self, data: &Path, words: &str) {
        let listen = format!("127.0.0.1:{}", self.ward.browser.port);
        let before = files(data);
        let ran = wardkeep(&["serve", "--data", text(data), "--listen", &listen]);
        told(&ran, 7, words);
        assert!(ran.stderr.contains("root") && ran.stderr.contains("docs/witness.md"), "{ran:?}");
        assert!(files(data) == before, "evidence was changed");
    }
    fn verify(&self, data: &Path, more: &[&str]) -> Ran {
        wardkeep(&[&["verify", "--json", "--data", text(data)], more].concat())
    }
}

/// What the stores and the published log hold. Opening an SQLite file touches its -shm.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_none_or(|extension| !["lock", "db-shm", "db-wal"].contains(&text(Path::new(extension)))) {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &name);
        } else {
            fs::copy(&path, &name).unwrap();
        }
    }
}

#[test]
fn a_witness_sees_the_log_and_a_copy_of_yesterday_is_refused() {
    let watched = Watched::new();
    let (ward, watch) = (&watched.ward, &watched.watch);
    let data = &ward.data;
    // Nobody there: the hospital works, and says so.
    watched.serve(data, 1);
    told(&watched.verify(data, &["--witness", &watch.key]), 5, "not-witnessed");
    let yesterday = ward.dir.path().join("yesterday");
    copy(data, &yesterday);

    let running = watch.start();
    watched.serve(data, 3);
    // What was written last is seen by the next start.
    watched.serve(data, 0);
    let sound = good(&watched.verify(data, &["--witness", &watch.key]));
    assert_eq!(sound["findings"].as_array().map(Vec::len), Some(0));
    let health = |data: &Path| {
        let ran = wardkeep(&["doctor", "--json", "--data", text(data)]).json();
        let lines = ran["lines"].as_array().cloned().unwrap_or_else(|| ran["error"]["details"]["lines"].as_array().unwrap().clone());
        lines.iter().find(|line| line["what"] == "Witness vault.example").unwrap()["health"].as_str().unwrap().to_owned()
    };
    assert_eq!(health(data), "ok");
    assert_eq!(health(&yesterday), "failing", "it never saw that one whole");
    told(&watch.run(&["list"]), 6, "end it first");

    // Everything is from yesterday: stores, published log, what was cosigned. Nothing in it contradicts itself.
    assert_eq!(good(&watched.verify(&yesterday, &[]))["findings"].as_array().map(Vec::len), Some(0));
    watched.refused(&yesterday, "rollback or fork");
    let seen = watch.dir.join("seen");
    told(&watched.verify(&yesterday, &["--earlier", text(&seen)]), 5, "rollback");
    assert_eq!(watched.verify(data, &["--earlier", text(&seen)]).code, 0);
    drop(running);

    // While the witness was away, yesterday's copy was written on, further than the witness has seen.
    let fork = ward.dir.path().join("fork");
    copy(&yesterday, &fork);
    watched.serve(&fork, 12);
    let running = watch.start();
    watched.refused(&fork, "saw other entries");
    told(&watched.verify(&fork, &["--earlier", text(&seen)]), 5, "rollback");
    drop(running);

    // A restore is agreed on with the witness's operator, stream by stream; what it knew is kept aside.
    let known = watch.seen();
    assert_eq!(known.len(), 2);
    for (origin, size) in &known {
        assert_eq!(good(&watch.run(&["forget", origin]))["aside"]["entries"], *size);
        told(&watch.run(&["forget", origin]), 4, "nothing was cosigned");
    }
    assert_eq!((fs::read_dir(watch.dir.join("aside")).unwrap().count(), watch.seen().len()), (2, 0));
    let _running = watch.start();
    watched.serve(&yesterday, 1);
    watched.refused(data, "rollback or fork");
}

#[test]
fn a_running_server_shows_what_is_new() {
    let watched = Watched::new();
    let running = watched.watch.start();
    let witnessed = watched.ward.data.join("ledger/records.main/witnessed");
    let mut server = Server::start_publishing(&watched.ward.data, watched.ward.browser.port);
    server.wait_until_ready();
    assert!(watched.ward.browser.write_record(watched.ward.known.patients[0], "seen-while-served-end").is_some());
    let size = || fs::read_to_string(&witnessed).ok().and_then(|note| note.lines().nth(1)?.parse::<u64>().ok()).unwrap_or(0);
    let before = size();
    let looks = (0..450).take_while(|_| size() <= before).inspect(|_| std::thread::sleep(Duration::from_millis(200))).count();
    assert!(looks < 450, "the server shows its log every half minute");
    let published = call(watched.ward.browser.port, "GET /ledger/records.main/witnessed", b"").unwrap();
    WitnessKey::parse(&watched.watch.key).unwrap().verify(&published.2).unwrap();
    assert_eq!(call(watched.ward.browser.port, "GET /ledger/records.none/witnessed", b"").unwrap().0, 404);
    server.stop();
    drop(running);
    assert!(watched.watch.seen().iter().any(|(origin, seen)| origin.ends_with("/records.main") && *seen >= size()));
}

#[test]
fn the_protocol_is_answered_as_it_is_specified() {
    let dir = tempfile::tempdir().unwrap();
    let log = Signer::from_seed("wardkeep/0123456789abcdef", &[1; 32]).unwrap();
    let watch = Watch::new(dir.path().join("witness"), &log.verifying_key().to_text());
    let _running = watch.start();
    let key = WitnessKey::parse(&watch.key).unwrap();
    let note = |size, root| log.sign("wardkeep/0123456789abcdef/records.main", &Head { size, root: [root; 32] }, 1);
    let asked = |old, proof, note: &str| watch.ask(Request { old, proof, note }.to_text().as_bytes()).unwrap();
    let (status, _, line) = asked(0, vec![], &note(5, 5));
    assert_eq!(status, 200);
    key.verify(&format!("{}{line}", note(5, 5))).unwrap();
    let (status, head, size) = asked(3, vec![], &note(5, 5));
    assert!(status == 409 && head.contains("content-type: text/x.tlog.size") && size == "5\n", "{head} {size}");
    assert_eq!(asked(5, vec![], &note(5, 6)).0, 409, "another tree of the same size");
    assert_eq!(asked(5, vec![[0; 32]], &note(6, 6)).0, 422);
    assert_eq!(asked(6, vec![], &note(5, 5)).0, 400);
    let stranger = Signer::from_seed("wardkeep/fedcba9876543210", &[2; 32]).unwrap();
    assert_eq!(asked(0, vec![], &stranger.sign("wardkeep/fedcba9876543210/a", &Head { size: 1, root: [0; 32] }, 1)).0, 404);
    let forged = Signer::from_seed("wardkeep/0123456789abcdef", &[2; 32]).unwrap();
    assert_eq!(asked(5, vec![], &forged.sign("wardkeep/0123456789abcdef/records.main", &Head { size: 9, root: [0; 32] }, 1)).0, 403);
    for bad in [&b""[..], b"old 5", b"\xff\xfe", &[b'a'; 100_000]] {
        assert_eq!(watch.ask(bad).unwrap().0, 400);
    }
    assert_eq!(asked(5, vec![], &note(5, 5)).0, 200, "none of that changed what it knows");
    // A second program on the same directory could cosign two trees.
    told(&watch.run(&["serve", "--listen", "127.0.0.1:0"]), 6, "end it first");
    let init = ["init", "--name", "other", "--log-key", &log.verifying_key().to_text()];
    told(&watch.run(&init), 3, "left alone");
}

#[test]
fn a_killed_witness_forgets_nothing_that_it_cosigned() {
    let dir = tempfile::tempdir().unwrap();
    let log = Signer::from_seed("wardkeep/0123456789abcdef", &[1; 32]).unwrap();
    let watch = Watch::new(dir.path().join("witness"), &log.verifying_key().to_text());
    let origin = "wardkeep/0123456789abcdef/records.main";
    let tree = Tree::of(5000);
    let cosigned = AtomicU64::new(0);
    for round in 0..20 {
        let mut running = watch.start();
        std::thread::scope(|scope| {
            let ask = scope.spawn(|| {
                loop {
                    let old = cosigned.load(Ordering::SeqCst);
                    let Some(head) = tree.heads.get(old as usize + 1) else { return };
                    let note = log.sign(origin, head, 1);
                    let body = Request { old, proof: tree.proof(old, old + 1), note: &note }.to_text();
                    match watch.ask(body.as_bytes()) {
                        Some((200, ..)) => cosigned.store(old + 1, Ordering::SeqCst),
                        // It wrote this one down, and was killed before it answered.
                        Some((409, _, size)) if size.trim() == (old + 1).to_string() => cosigned.store(old + 1, Ordering::SeqCst),
                        None => return,
                        other => panic!("{other:?}"),
                    }
                }
            });
            std::thread::sleep(Duration::from_millis(30 + round * 7));
            running.0.kill().unwrap();
            ask.join().unwrap();
        });
        drop(running);
        let (known, last) = (watch.seen(), cosigned.load(Ordering::SeqCst));
        let known = known.first().map_or(0, |(_, size)| *size);
        assert!(known == last || known == last + 1, "round {round}: it answered {last} and knows {known}");
    }
    assert!(cosigned.load(Ordering::SeqCst) > 20);
}

/// A log of numbers, with its head at each size.
struct Tree {
    heads: Vec<Head>,
    tiles: HashMap<TileId, Vec<Hash>>,
}

impl Tree {
    fn of(size: u64) -> Self {
        let (mut edge, mut heads, mut tiles) = (Edge::new(), vec![Edge::new().head()], HashMap::new());
        for number in 0..size {
            tiles.extend(edge.append(&[leaf_hash(&number.to_be_bytes())]));
            heads.push(edge.head());
        }
        Self { heads, tiles }
    }
    fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        consistency(&mut Known(&self.tiles), old, new).unwrap()
    }
}

struct Known<'a>(&'a HashMap<TileId, Vec<Hash>>);

impl Tiles for Known<'_> {
    type Error = std::convert::Infallible;
    fn tile(&mut self, id: TileId) -> Result<Option<Vec<Hash>>, Self::Error> {
        Ok(self.0.get(&id).cloned())
    }
}
