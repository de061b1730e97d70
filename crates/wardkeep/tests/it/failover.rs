//! Two nodes over a replica set of three whose primary is killed or stopped again and again: what
//! was acknowledged is there once, nothing is there by half, and every stream of the log holds.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;
use wardkeep_mongod::ReplicaSet;
use wardkeep_store::{MongoStore, Store};

use crate::cli_run::wardkeep;
use crate::crash_server::{Acknowledged, Browser, Server, free_port};
use crate::tamper_hospital::{Clinic, Known};

const FAULTS: usize = 25;
/// Writers on each node.
const WRITERS: usize = 2;
/// Load before each fault.
const LOAD: Duration = Duration::from_millis(400);
/// Both nodes must write again within this time after a fault.
const AGAIN_MAX: Duration = Duration::from_secs(60);
const STORES: [&str; 2] = ["wardkeep_control", "wardkeep_records"];

#[expect(clippy::disallowed_methods, reason = "the real server has the wall clock, so its hospital must live now")]
fn some_minutes_ago() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap() - 300_000
}

#[expect(clippy::disallowed_methods, reason = "how long the outage was is what is told")]
fn now() -> Instant {
    Instant::now()
}

async fn stores(set: &ReplicaSet, node: &str) -> [Arc<dyn Store>; 2] {
    let [control, records] = STORES.map(|name| set.address(name));
    [Arc::new(MongoStore::open(&control, node).await.unwrap()), Arc::new(MongoStore::open(&records, node).await.unwrap())]
}

/// A hospital on the set, two nodes of it, and a doctor's browser on each.
pub(crate) struct Ward {
    dir: TempDir,
    known: Known,
    pub(crate) browsers: [Browser; 2],
}

pub(crate) const NODES: [&str; 2] = ["one", "two"];

impl Ward {
    pub(crate) async fn on(set: &ReplicaSet) -> Self {
        let dir = TempDir::new().unwrap();
        let home = |node: &str| dir.path().join(node);
        NODES.iter().for_each(|node| std::fs::create_dir(home(node)).unwrap());
        let stores = stores(set, "setup").await;
        let clinic = Clinic::create_over(&home("one"), 4, some_minutes_ago(), stores).await;
        let known = clinic.fill_first_half(4).await;
        let form_token = clinic.signed_in(&known, "doctor").await.unwrap().form_token().to_owned();
        clinic.app.shutdown(&clinic.visit()).await.unwrap();
        let settings = format!("control = \"{}\"\nrecords = \"{}\"\n", set.address(STORES[0]), set.address(STORES[1]));
        NODES.iter().for_each(|node| std::fs::write(home(node).join("wardkeep.toml"), &settings).unwrap());
        std::fs::copy(home("one").join("root.key"), home("two").join("root.key")).unwrap();
        let browser = || Browser { port: free_port(), session: known.tokens["doctor"].clone(), form_token: form_token.clone() };
        let browsers = [browser(), browser()];
        Self { dir, known, browsers }
    }

    pub(crate) fn home(&self, node: usize) -> PathBuf {
        self.dir.path().join(NODES[node])
    }

    pub(crate) fn start(&self) -> [Server; 2] {
        [0, 1].map(|node| {
            let mut server = Server::start_node(&self.home(node), self.browsers[node].port, NODES[node]);
            server.wait_until_ready();
            server
        })
    }
}

/// What the writers have done so far.
#[derive(Default)]
struct Written {
    acknowledged: Mutex<Vec<Acknowledged>>,
    by_node: [AtomicUsize; 2],
    over: AtomicBool,
    refused: AtomicUsize,
    /// Reads that were refused, and that were answered.
    reads: [AtomicUsize; 2],
}

impl Written {
    fn on(&self, node: usize) -> usize {
        self.by_node[node].load(Ordering::Relaxed)
    }
}

fn write(ward: &Ward, written: &Written, node: usize, writer: usize) {
    let patient = ward.known.patients[(node * WRITERS + writer) % ward.known.patients.len()];
    for number in 0.. {
        if written.over.load(Ordering::Relaxed) {
            return;
        }
        let text = format!("node-{node}-writer-{writer}-number-{number}-end");
        match ward.browsers[node].write_record(patient, &text) {
            Some(done) => {
                written.acknowledged.lock().unwrap().push(done);
                written.by_node[node].fetch_add(1, Ordering::Relaxed);
            }
            None => drop(written.refused.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// Reads what was acknowledged last through the other node: it must be there.
fn read(ward: &Ward, written: &Written, node: usize) {
    while !written.over.load(Ordering::Relaxed) {
        let last = written.acknowledged.lock().unwrap().last().cloned();
        if let Some(last) = last {
            let seen = ward.browsers[node].sees(&last);
            written.reads[usize::from(seen.is_some())].fetch_add(1, Ordering::Relaxed);
            assert_ne!(seen, Some(false), "node {node} does not show {last:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Kills or stops the primary, waits until both nodes write again, and brings the member back.
async fn fault(set: &mut ReplicaSet, written: &Written, round: usize) -> Duration {
    let primary = set.primary().await.unwrap();
    let killed = round.is_multiple_of(2);
    let began = now();
    if killed {
        set.kill(primary).unwrap()
    } else {
        set.pause(primary).unwrap()
    }
    // What was on its way when the fault came may still be answered: the second write counts.
    let before = [0, 1].map(|node| written.on(node) + WRITERS);
    while (0..2).any(|node| written.on(node) <= before[node]) {
        assert!(began.elapsed() < AGAIN_MAX, "no writes again after fault {round} (killed: {killed})");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let again = began.elapsed();
    if killed {
        set.restart(primary).await.unwrap()
    } else {
        set.resume(primary).unwrap()
    }
    again
}

/// Stops the second node, and the first one when it has published the second one's last seal.
fn stop(ward: &Ward, [one, two]: [Server; 2]) {
    two.stop();
    let seal = |home: PathBuf| std::fs::read_to_string(home.join("ledger/records.two/checkpoint")).unwrap();
    let began = now();
    while seal(ward.home(0)) != seal(ward.home(1)) {
        assert!(began.elapsed() < AGAIN_MAX, "node one does not follow node two");
        std::thread::sleep(Duration::from_millis(50));
    }
    one.stop();
}

/// The text of every record, with how often it is there.
async fn texts(ward: &Ward, set: &ReplicaSet) -> HashMap<String, usize> {
    let stores = stores(set, "reader").await;
    let clinic = Clinic::open_over(&ward.home(0), 5, some_minutes_ago() + 300_000, stores).await;
    let doctor = clinic.signed_in(&ward.known, "doctor").await.unwrap();
    let texts = clinic.record_texts(&doctor, &ward.known.patients).await;
    clinic.app.shutdown(&clinic.visit()).await.unwrap();
    texts
}

/// How many records the log says were created.
fn records_in_the_log(data: &Path) -> u64 {
    let data = data.to_str().unwrap();
    let ran = wardkeep(&["verify", "--records", "--json", "--data", data, "--node", "one"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let again = wardkeep(&["verify", "--json", "--data", data]).json();
    again["streams"].as_array().unwrap().iter().filter_map(|stream| stream["classes"]["record.created"].as_u64()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_five_lost_primaries_lose_nothing_that_was_acknowledged() -> anyhow::Result<()> {
    let Some(mut set) = ReplicaSet::start(3).await? else { return Ok(()) };
    let ward = Arc::new(Ward::on(&set).await);
    let servers = ward.start();
    let written = Arc::new(Written::default());
    let mut workers = Vec::new();
    for node in 0..2 {
        for writer in 0..WRITERS {
            let (ward, written) = (ward.clone(), written.clone());
            workers.push(std::thread::spawn(move || write(&ward, &written, node, writer)));
        }
        let (ward, written) = (ward.clone(), written.clone());
        workers.push(std::thread::spawn(move || read(&ward, &written, node)));
    }
    let mut outages = [Vec::new(), Vec::new()];
    for round in 0..FAULTS {
        set.whole().await?;
        tokio::time::sleep(LOAD).await;
        outages[round % 2].push(fault(&mut set, &written, round).await.as_secs_f64());
    }
    written.over.store(true, Ordering::Relaxed);
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    stop(&ward, servers);
    let created = records_in_the_log(&ward.home(0));
    let texts = texts(&ward, &set).await;
    let all = written.acknowledged.lock().unwrap();
    let lost: Vec<_> = all.iter().filter(|written| texts.get(&written.text) != Some(&1)).collect();
    let twice: Vec<_> = texts.iter().filter(|(text, count)| text.starts_with("node-") && **count > 1).collect();
    let present: usize = texts.values().sum();
    let [killed, hung] = outages.map(|mut times| {
        times.sort_by(f64::total_cmp);
        format!("{:.1} s (median), {:.1} s (longest)", times[times.len() / 2], times[times.len() - 1])
    });
    println!(
        "{} acknowledged, {} refused, {} read at once through both nodes, {} reads refused, {} lost, {} twice, {} half-applied; both nodes write again {killed} after a kill, {hung} after a hang",
        all.len(),
        written.refused.load(Ordering::Relaxed),
        written.reads[1].load(Ordering::Relaxed),
        written.reads[0].load(Ordering::Relaxed),
        lost.len(),
        twice.len(),
        created.abs_diff(present as u64),
    );
    assert!(lost.is_empty() && twice.is_empty(), "lost {lost:?}, twice {twice:?}");
    assert_eq!(created, present as u64, "entries of the log, and what is there");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_loses_no_draft_and_ends_without_a_restart() -> anyhow::Result<()> {
    let Some(mut set) = ReplicaSet::start(1).await? else { return Ok(()) };
    let ward = Ward::on(&set).await;
    let (mut server, browser) = (Server::start_node(&ward.home(0), ward.browsers[0].port, NODES[0]), &ward.browsers[0]);
    server.wait_until_ready();
    let patient = ward.known.patients[0];
    let before = browser.write_record(patient, "before-the-outage").expect("a record before the outage");
    assert!(browser.get("/readyz").starts_with("HTTP/1.1 200"));
    set.kill(0)?;
    let answers = [browser.get(&format!("/patients/{patient}")), browser.try_record(patient, "during-the-outage")];
    for answer in &answers {
        let head = answer.to_ascii_lowercase();
        assert!(answer.starts_with("HTTP/1.1 503") && head.contains("retry-after: 5"), "{answer}");
        assert!(!answer.contains("before-the-outage"), "nothing is shown that the log cannot name");
    }
    assert!(answers[1].contains("Send again") && answers[1].contains("during-the-outage"), "the draft is in the answer");
    assert!(browser.get("/healthz").starts_with("HTTP/1.1 200") && browser.get("/readyz").starts_with("HTTP/1.1 503"));
    set.restart(0).await?;
    set.primary().await?;
    let after = browser.try_record(patient, "during-the-outage");
    assert!(after.starts_with("HTTP/1.1 303"), "{after}");
    assert!(browser.shows(&before), "what was written before is there");
    server.stop();
    let records = texts(&ward, &set).await;
    assert_eq!((records.get("before-the-outage"), records.get("during-the-outage")), (Some(&1), Some(&1)));
    Ok(())
}
