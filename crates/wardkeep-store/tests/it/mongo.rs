//! MongoDB in bad conditions: each ends with a clear text, nothing half-done, nothing twice.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use mongodb::bson::{Document as Row, doc};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use wardkeep_ledger::{Class, Commitment, Draft, EventId, Outcome, Salt, StreamId, commitment::Label};
use wardkeep_mongod::{ReplicaSet, Standalone};
use wardkeep_store::*;

const KIND: Kind = Kind(1);

fn put(number: u32, version: u64) -> Put {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let unique = if version == 1 { vec![Term(id)] } else { vec![] };
    Put { kind: KIND, id: DocId(id), owner: Owner::NONE, version: Version(version), sealed: vec![7; 50], terms: vec![], unique }
}

fn change(put: Put, event: u32) -> Changeset {
    let nothing = Commitment::new(&Salt([0; 32]), Label::Detail, &[]);
    let mut id = [0; 16];
    id[..4].copy_from_slice(&event.to_be_bytes());
    let draft = Draft {
        time_ms: i64::from(event),
        event: EventId(id),
        class: Class::RecordCreated,
        outcome: Outcome::Success,
        actor: nothing,
        subject: None,
        resource: nothing,
        detail: nothing,
    };
    Changeset { puts: vec![put], events: vec![draft], ..Changeset::default() }
}

fn writer(stream: &str, boot: u8) -> Writer {
    Writer { stream: StreamId::parse(stream).unwrap(), boot: [boot; 16] }
}

async fn size(store: &dyn Store, stream: &str) -> u64 {
    store.head(&StreamId::parse(stream).unwrap()).await.unwrap().map_or(0, |head| head.size)
}

async fn documents(store: &dyn Store) -> Vec<Document> {
    store.find(&Find { kind: KIND, all_of: vec![], before: None, since: None, limit: 10_000 }).await.unwrap()
}

async fn refusal(address: &str) -> String {
    let told = MongoStore::open(address, "main").await.unwrap_err().to_string();
    assert!(!told.contains("secret"), "{told}");
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_server_is_refused_with_what_makes_it_fit() -> Result<()> {
    let Some(server) = Standalone::start().await? else { return Ok(()) };
    let told = refusal(&server.address("ward")).await;
    assert!(told.contains("without a replica set") && told.contains("--replSet") && told.contains("rs.initiate()"), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_named() {
    let told = refusal("mongodb://ward:secret@127.0.0.1:9/ward?replicaSet=rs0&serverSelectionTimeoutMS=300").await;
    assert!(told.contains("mongodb://127.0.0.1:9/ward does not answer") && told.contains("rs.initiate"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_and_missing_rights_are_told_apart_from_an_outage() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let key = dir.path().join("members.key");
    std::fs::write(&key, "bWVtYmVycyBvZiBhIHRlc3Q=")?;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    let Some(set) = ReplicaSet::start_with(1, &["--auth", "--keyFile", key.to_str().unwrap()]).await? else { return Ok(()) };
    // The first user may be made by whoever sits at the machine; it makes the others.
    let first = doc! { "createUser": "root", "pwd": "secret-root", "roles": ["root"] };
    set.direct(0, "admin").await?.run_command(first).await?;
    let address =
        |user: &str, database: &str| set.address(database).replacen("mongodb://", &format!("mongodb://{user}@"), 1) + "&authSource=admin";
    let root = mongodb::Client::with_uri_str(address("root:secret-root", "admin")).await?;
    let rights = doc! { "role": "readWrite", "db": "ward" };
    root.database("admin").run_command(doc! { "createUser": "ward", "pwd": "secret-right", "roles": [rights] }).await?;
    MongoStore::open(&address("ward:secret-right", "ward"), "main").await?;
    for (user, database) in [("ward:secret-wrong", "ward"), ("nobody:secret", "ward"), ("ward:secret-right", "elsewhere")] {
        let told = refusal(&address(user, database)).await;
        assert!(told.contains("refuses this user"), "{told}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_another_program_or_a_newer_version_is_left_alone() -> Result<()> {
    let Some(set) = ReplicaSet::start(1).await? else { return Ok(()) };
    let foreign = set.direct(0, "foreign").await?;
    foreign.collection::<Row>("customers").insert_one(doc! { "name": "x" }).await?;
    assert!(refusal(&set.address("foreign")).await.contains("another program"));
    assert_eq!(foreign.list_collection_names().await?, ["customers"]);
    drop(MongoStore::open(&set.address("newer"), "main").await?);
    let house = set.direct(0, "newer").await?.collection::<Row>("house");
    house.update_one(doc! { "_id": "wardkeep" }, doc! { "$set": { "schema": 99_i64 } }).await?;
    assert!(refusal(&set.address("newer")).await.contains("newer than this program's"));
    let told = MongoStore::open_existing(&set.address("empty"), "main").await.unwrap_err().to_string();
    assert!(told.contains("is not a wardkeep store"), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_claimed_twice_does_not_fork() -> Result<()> {
    let Some(set) = ReplicaSet::start(1).await? else { return Ok(()) };
    let (first, second) = (MongoStore::open(&set.address("ward"), "one").await?, MongoStore::open(&set.address("ward"), "one").await?);
    let claim = first.claim([1; 16]).await?;
    let told = second.claim([2; 16]).await.unwrap_err().to_string();
    assert!(told.contains("node one") && told.contains("--node"), "{told}");
    // Somebody writes without asking: the head's compare-and-set stops one of the two.
    assert!(first.commit(&writer("ward.one", 1), vec![change(put(1, 1), 1)]).await?[0].is_ok());
    assert!(second.commit(&writer("ward.one", 2), vec![change(put(2, 1), 2)]).await?[0].is_ok());
    for _ in 0..2 {
        let lost = first.commit(&writer("ward.one", 1), vec![change(put(3, 1), 3)]).await;
        assert!(matches!(lost, Err(StoreError::StreamLost(_))), "{lost:?}");
    }
    assert_eq!((size(&second, "ward.one").await, documents(&second).await.len()), (2, 2));
    claim.release().await;
    let claim = second.claim([2; 16]).await?;
    claim.release().await;
    Ok(())
}

/// Arms the server to fail commands.
async fn fail(set: &ReplicaSet, times: i32, data: Row) -> Result<()> {
    let command = doc! { "configureFailPoint": "failCommand", "mode": { "times": times }, "data": data };
    set.direct(0, "admin").await?.run_command(command).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_fails_half_way_or_whose_answer_is_lost_is_applied_once() -> Result<()> {
    let Some(set) = ReplicaSet::start(1).await? else { return Ok(()) };
    let store = MongoStore::open(&set.address("ward"), "main").await?;
    let faults = [
        // The connection breaks before the server has done it, three times running.
        (4, doc! { "failCommands": ["commitTransaction"], "closeConnection": true }),
        // It is done, and the answer says that nobody knows whether it lasts.
        (5, doc! { "failCommands": ["commitTransaction"], "writeConcernError": { "code": 91, "errmsg": "shutting down" } }),
        // In the middle of the transaction the member steps down.
        (2, doc! { "failCommands": ["insert"], "errorCode": 189, "errorLabels": ["TransientTransactionError"] }),
        (2, doc! { "failCommands": ["update"], "closeConnection": true }),
        (1, doc! { "failCommands": ["find"], "errorCode": 11600, "errorLabels": ["TransientTransactionError"] }),
    ];
    for (number, (times, fault)) in (1_u32..).zip(faults) {
        fail(&set, times, fault.clone()).await?;
        let outcomes = store.commit(&writer("ward.main", 1), vec![change(put(number, 1), number)]).await?;
        assert!(outcomes.iter().all(Result::is_ok), "{fault}: {outcomes:?}");
        assert_eq!(size(&store, "ward.main").await, u64::from(number), "{fault}");
        assert_eq!(documents(&store).await.len(), number as usize, "{fault}");
    }
    // A fault that stays is told, and nothing is applied.
    let always =
        doc! { "configureFailPoint": "failCommand", "mode": "alwaysOn", "data": { "failCommands": ["insert"], "errorCode": 14031 } };
    set.direct(0, "admin").await?.run_command(always).await?;
    let full = store.commit(&writer("ward.main", 1), vec![change(put(99, 1), 99)]).await;
    assert!(matches!(full, Err(StoreError::DiskFull)), "{full:?}");
    set.direct(0, "admin").await?.run_command(doc! { "configureFailPoint": "failCommand", "mode": "off" }).await?;
    assert_eq!(documents(&store).await.len(), 5);
    assert!(store.commit(&writer("ward.main", 1), vec![change(put(99, 1), 99)]).await?[0].is_ok());
    assert!(store.inspection().flaws().await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_the_server_forgot_names_what_keeps_it_longer() -> Result<()> {
    let Some(set) = ReplicaSet::start(1).await? else { return Ok(()) };
    MongoStore::open(&set.address("ward"), "main").await?;
    let snapshot = MongoStore::open_snapshot(&set.address("ward")).await?;
    for code in [239, 246] {
        fail(&set, 1, doc! { "failCommands": ["find"], "errorCode": code }).await?;
        let told = snapshot.changed_since(None, Seq(0), 1).await.unwrap_err().to_string();
        assert!(told.contains("minSnapshotHistoryWindowInSeconds"), "{code}: {told}");
        assert!(snapshot.changed_since(None, Seq(0), 1).await?.is_empty());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_nobody_answers_for_is_called_unknown_and_the_stream_goes_on() -> Result<()> {
    let Some(set) = ReplicaSet::start(1).await? else { return Ok(()) };
    let store = MongoStore::open(&set.address("ward"), "main").await?;
    assert!(store.commit(&writer("ward.main", 1), vec![change(put(1, 1), 1)]).await?[0].is_ok());
    // One whose commit is refused was not applied; one that is applied answers with doubt for ever.
    let refused = doc! { "failCommands": ["commitTransaction"], "errorCode": 13 };
    let doubted = doc! { "failCommands": ["commitTransaction"], "writeConcernError": { "code": 91, "errmsg": "shutting down" } };
    let mut there = 1;
    for (number, (fault, applied)) in (2_u32..).step_by(2).zip([(refused, 0), (doubted, 1)]) {
        let admin = set.direct(0, "admin").await?;
        admin.run_command(doc! { "configureFailPoint": "failCommand", "mode": "alwaysOn", "data": fault.clone() }).await?;
        let unknown = store.commit(&writer("ward.main", 1), vec![change(put(number, 1), number)]).await;
        assert!(matches!(unknown, Err(StoreError::Unknown { .. })), "{fault}: {unknown:?}");
        admin.run_command(doc! { "configureFailPoint": "failCommand", "mode": "off" }).await?;
        let next = store.commit(&writer("ward.main", 1), vec![change(put(number + 1, 1), number + 1)]).await?;
        assert!(next[0].is_ok(), "{fault}: {next:?}");
        there += 1 + applied;
        assert_eq!((documents(&store).await.len(), size(&store, "ward.main").await), (there, there as u64), "{fault}");
    }
    assert!(store.inspection().flaws().await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_write_side_by_side_exclude_each_other_and_order_their_commits() -> Result<()> {
    const EACH: u32 = 40;
    let Some(set) = ReplicaSet::start(1).await? else { return Ok(()) };
    let mut nodes = Vec::new();
    for node in 0..3_u32 {
        let store = MongoStore::open(&set.address("ward"), &format!("n{node}")).await?;
        nodes.push(tokio::spawn(async move {
            let (mut won, stream) = (0, format!("ward.n{node}"));
            for number in 0..EACH {
                // Everybody wants the same documents.
                let event = 1 + node * EACH + number;
                let outcome = store.commit(&writer(&stream, node as u8 + 1), vec![change(put(number, 1), event)]).await?;
                won += u32::from(outcome[0].is_ok());
            }
            Ok::<_, StoreError>(won)
        }));
    }
    let mut won = 0;
    for node in nodes {
        won += node.await??;
    }
    let store = MongoStore::open(&set.address("ward"), "reader").await?;
    let found = documents(&store).await;
    assert_eq!((won, found.len()), (EACH, EACH as usize), "each document is written by one of them");
    let seqs: Vec<u64> = found.iter().rev().map(|document| document.seq.0).collect();
    assert_eq!(seqs, (1..=u64::from(EACH)).collect::<Vec<_>>(), "commits of all nodes stand in one order without gaps");
    assert!(store.inspection().flaws().await?.is_empty());
    Ok(())
}

/// Carries bytes between the store and the server until it is cut.
async fn proxy(server: u16, cut: watch::Receiver<bool>) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut cut = cut.clone();
            tokio::spawn(async move {
                if *cut.borrow() {
                    return;
                }
                if let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await {
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = cut.wait_for(|cut| *cut) => {}
                    }
                }
            });
        }
    });
    Ok(port)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_network_loses_and_doubles_nothing() -> Result<()> {
    const CUTS: usize = 15;
    let Some(set) = ReplicaSet::start(1).await? else { return Ok(()) };
    let (cut, is_cut) = watch::channel(false);
    let server = set.address("x").split(['/', ':']).nth(4).unwrap().parse()?;
    let port = proxy(server, is_cut).await?;
    let address = format!("mongodb://127.0.0.1:{port}/ward?directConnection=true");
    let store = Arc::new(MongoStore::open(&address, "main").await?);
    let over = Arc::new(AtomicBool::new(false));
    let (writing, ended) = (store.clone(), over.clone());
    let work = tokio::spawn(async move {
        let mut done = 0;
        while !ended.load(Ordering::Relaxed) {
            let outcome = writing.commit(&writer("ward.main", 1), vec![change(put(done + 1, 1), done + 1)]).await?;
            assert!(outcome[0].is_ok(), "{outcome:?}");
            done += 1;
        }
        Ok::<_, StoreError>(done)
    });
    for number in 0..CUTS {
        tokio::time::sleep(Duration::from_millis(40 + 13 * number as u64)).await;
        cut.send_replace(true);
        tokio::time::sleep(Duration::from_millis(100)).await;
        cut.send_replace(false);
    }
    over.store(true, Ordering::Relaxed);
    let done = work.await??;
    assert!(done as usize > CUTS, "{done} commits are no load");
    assert_eq!((documents(&*store).await.len(), size(&*store, "ward.main").await), (done as usize, u64::from(done)));
    assert!(store.inspection().flaws().await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_edits_by_hand_is_a_flaw_or_another_digest() -> Result<()> {
    let Some(set) = ReplicaSet::start(1).await? else { return Ok(()) };
    let store = MongoStore::open(&set.address("ward"), "main").await?;
    for number in 1..=3 {
        assert!(store.commit(&writer("ward.main", 1), vec![change(put(number, 1), number)]).await?[0].is_ok());
    }
    assert!(store.commit(&writer("ward.main", 1), vec![change(put(1, 2), 4)]).await?[0].is_ok());
    assert!(store.inspection().flaws().await?.is_empty());
    let database = set.direct(0, "ward").await?;
    let edits = [
        ("document", doc! { "current": true }, doc! { "$unset": { "find": "" } }),
        ("document", doc! { "current": false }, doc! { "$set": { "current": true } }),
        (
            "unique_term",
            doc! {},
            doc! { "$set": { "id": mongodb::bson::Binary { subtype: mongodb::bson::spec::BinarySubtype::Generic, bytes: vec![9; 16] } } },
        ),
        ("house", doc! { "_id": "sequence" }, doc! { "$set": { "seq": 1_i64 } }),
        ("stream", doc! {}, doc! { "$inc": { "size": -1_i64 } }),
        ("clock", doc! { "_id": 4_i64 }, doc! { "$set": { "seq": 1_i64 } }),
    ];
    for (collection, filter, edit) in edits {
        let rows = database.collection::<Row>(collection);
        let before = rows.find_one(filter.clone()).await?.unwrap();
        rows.update_one(filter, edit.clone()).await?;
        assert!(!store.inspection().flaws().await?.is_empty(), "{collection}: {edit}");
        rows.replace_one(doc! { "_id": before.get("_id").unwrap() }, before).await?;
        assert!(store.inspection().flaws().await?.is_empty(), "{collection}: put back");
    }
    for collection in ["ledger", "tile"] {
        let rows = database.collection::<Row>(collection);
        let gone = rows.find_one_and_delete(doc! {}).await?.unwrap();
        assert!(!store.inspection().flaws().await?.is_empty(), "{collection}");
        rows.insert_one(gone).await?;
    }
    Ok(())
}
