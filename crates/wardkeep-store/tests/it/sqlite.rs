//! SQLite in bad conditions: each ends with a clear text, nothing half-done, nothing lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use tempfile::TempDir;
use wardkeep_ledger::{Class, Commitment, Draft, EventId, Outcome, Salt, StreamId, commitment::Label};
use wardkeep_store::*;

const KIND: Kind = Kind(1);

fn put(number: u32, version: u64, size: usize) -> Put {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let term = Term([(number % 7) as u8; 16]);
    let sealed = vec![number as u8; size];
    Put { kind: KIND, id: DocId(id), owner: Owner::NONE, version: Version(version), sealed, terms: vec![term], unique: vec![] }
}

fn change(puts: Vec<Put>, event: u8) -> Changeset {
    let nothing = Commitment::new(&Salt([0; 32]), Label::Detail, &[]);
    let draft = Draft {
        time_ms: i64::from(event),
        event: EventId([event; 16]),
        class: Class::RecordCreated,
        outcome: Outcome::Success,
        actor: nothing,
        subject: None,
        resource: nothing,
        detail: nothing,
    };
    Changeset { puts, events: vec![draft], ..Changeset::default() }
}

fn writer(boot: u8) -> Writer {
    Writer { stream: StreamId::parse("test.main").unwrap(), boot: [boot; 16] }
}

fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, SqliteOptions::default())
}

async fn write(store: &SqliteStore, changes: Vec<Changeset>) -> Result<(), StoreError> {
    let outcomes = store.commit(&writer(1), changes).await?;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    Ok(())
}

async fn documents(store: &SqliteStore) -> Vec<Document> {
    store.find(&Find { kind: KIND, all_of: vec![], before: None, since: None, limit: 10_000 }).await.unwrap()
}

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.db");
    (folder, path)
}

/// What opening says, for writing and for reading.
fn refused(path: &Path) -> [String; 2] {
    [open(path).map(drop).unwrap_err().to_string(), SqliteStore::open_read_only(path).map(drop).unwrap_err().to_string()]
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    write(&open(&path).unwrap(), vec![change(vec![put(1, 1, 10)], 1)]).await.unwrap();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = std::fs::read(&path).unwrap();
    for text in refused(&path) {
        assert!(text.contains("schema version 99, newer than this program's 1: use a newer wardkeep"), "{text}");
        assert!(text.contains(&path.display().to_string()), "{text}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('soup')").unwrap();
    let before = std::fs::read(&path).unwrap();
    for text in refused(&path) {
        assert!(text.contains("is not a wardkeep store: it is a database of another program"), "{text}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    let text = "Dear diary, today I was nearly taken for a database.\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    for said in refused(&path) {
        assert!(said.contains("is not a wardkeep store"), "{said}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_torn_database_is_called_damaged_or_no_store_and_never_panics() {
    let (_folder, path) = folder();
    {
        let store = open(&path).unwrap();
        write(&store, vec![change((0..50).map(|n| put(n, 1, 3000)).collect(), 1)]).await.unwrap();
    }
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 3]).unwrap();
    let found = match open(&path) {
        Ok(store) => store.commit(&writer(1), vec![change(vec![put(99, 1, 10)], 2)]).await.map(drop),
        Err(error) => Err(error),
    };
    assert!(matches!(found, Err(StoreError::Damaged(_) | StoreError::NotAStore { .. })), "{found:?}");
}

#[test]
fn a_second_process_is_kept_out() {
    let (_folder, path) = folder();
    let first = open(&path).unwrap();
    let second = open(&path).map(drop).unwrap_err();
    assert_eq!(second.to_string(), format!("the store is locked by another process: {}", path.display()));
    drop(first);
    open(&path).unwrap();
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let (folder, _) = folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let directory = folder.path().join("directory.db");
    std::fs::create_dir(&directory).unwrap();
    // Permission bits stop nobody who is root; the kernel's own file system stops everybody.
    for path in [folder.path().join("nowhere/store.db"), file.join("store.db"), directory, PathBuf::from("/proc/store.db")] {
        let error = open(&path).map(drop).unwrap_err();
        assert!(matches!(error, StoreError::NotWritable { .. }), "{path:?}: {error:?}");
        assert!(error.to_string().contains("check owner and permissions"), "{error}");
        let error = SqliteStore::open_read_only(&path).map(drop).unwrap_err();
        assert!(error.to_string().contains("there is no such file"), "{error}");
    }
}

#[tokio::test]
async fn a_full_disk_applies_nothing_and_work_goes_on_after() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path, SqliteOptions { pages_max: Some(120), ..SqliteOptions::default() }).unwrap();
    write(&store, vec![change(vec![put(1, 1, 1000)], 1)]).await.unwrap();
    let (documents_before, head) = (documents(&store).await, store.head(&writer(1).stream).await.unwrap());
    store.mark(KIND, put(1, 1, 0).id, 5).await.unwrap();
    let batch = vec![change(vec![put(2, 1, 100)], 2), change((3..10).map(|n| put(n, 1, 100_000)).collect(), 3)];
    let full = store.commit(&writer(1), batch).await;
    assert!(matches!(full, Err(StoreError::DiskFull)), "{full:?}");
    assert_eq!(full.unwrap_err().to_string(), "the disk is full: free some space, then try again; nothing was changed");
    assert_eq!((documents(&store).await, store.head(&writer(1).stream).await.unwrap()), (documents_before, head));
    let staged = store.blob_write(DocId([1; 16]), Owner::NONE, 0, vec![1; 1_000_000]).await;
    assert!(matches!(staged, Err(StoreError::DiskFull)), "{staged:?}");
    assert_eq!(store.blob_read(DocId([1; 16]), 0).await.unwrap(), None);
    // What fits goes in, on the same handle, with the mark that could not be written before.
    write(&store, vec![change(vec![put(2, 1, 100)], 4)]).await.unwrap();
    drop(store);
    let store = open(&path).unwrap();
    assert_eq!(store.marked(KIND, put(1, 1, 0).id).await.unwrap(), Some(5));
    assert_eq!(store.head(&writer(1).stream).await.unwrap().unwrap().size, 2);
    write(&store, vec![change((3..10).map(|n| put(n, 1, 100_000)).collect(), 5)]).await.unwrap();
}

#[tokio::test]
async fn what_a_killed_writer_left_in_its_log_is_read_after_the_next_start() {
    let (folder, path) = folder();
    let store = open(&path).unwrap();
    for number in 0..20 {
        write(&store, vec![change(vec![put(number, 1, 500)], number as u8)]).await.unwrap();
    }
    // A copy of the files under a living writer is what a power cut leaves.
    let copy = folder.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    let log = std::fs::read(folder.path().join("store.db-wal")).unwrap();
    assert!(!log.is_empty(), "the last commits stand in the write-ahead log alone");
    std::fs::write(folder.path().join("copy.db-wal"), &log).unwrap();
    let expected = documents(&store).await;
    let reopened = open(&copy).unwrap();
    assert_eq!(documents(&reopened).await, expected);
    write(&reopened, vec![change(vec![put(77, 1, 500)], 77)]).await.unwrap();
    drop(reopened);
    // A log that was cut off anywhere gives a whole number of commits.
    for part in [1, 3, 7, 9] {
        let torn = folder.path().join(format!("torn{part}.db"));
        std::fs::copy(&path, &torn).unwrap();
        std::fs::write(folder.path().join(format!("torn{part}.db-wal")), &log[..log.len() * part / 10]).unwrap();
        let torn = open(&torn).unwrap();
        let found = documents(&torn).await;
        let size = torn.head(&writer(1).stream).await.unwrap().map_or(0, |head| head.size);
        assert_eq!(found.len() as u64, size, "as many documents as leaves");
        assert_eq!(found, expected[expected.len() - found.len()..]);
        let entries = torn.entries(&writer(1).stream, 0, 100).await.unwrap();
        let hashes: Vec<_> = entries.iter().map(|entry| wardkeep_ledger::tree::leaf_hash(&entry.leaf)).collect();
        assert_eq!(
            torn.head(&writer(1).stream).await.unwrap().map(|head| head.root),
            (size > 0).then(|| wardkeep_ledger::tree::root_of(&hashes))
        );
    }
}

#[tokio::test]
async fn a_reader_beside_a_writer_sees_each_commit_and_changes_nothing() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    write(&store, vec![change(vec![put(1, 1, 10)], 1)]).await.unwrap();
    let reader = SqliteStore::open_read_only(&path).unwrap();
    reader.health().await.unwrap();
    write(&store, vec![change(vec![put(2, 1, 10)], 2)]).await.unwrap();
    assert_eq!(documents(&reader).await, documents(&store).await);
    let refused = reader.commit(&writer(2), vec![change(vec![put(3, 1, 10)], 3)]).await.unwrap_err();
    assert!(refused.to_string().contains("it was opened for reading alone"), "{refused}");
    assert!(reader.blob_write(DocId([1; 16]), Owner::NONE, 0, vec![1]).await.is_err());
    assert!(reader.checkpoint_put(&writer(1).stream, "x").await.is_err());
    drop(reader);
    write(&store, vec![change(vec![put(3, 1, 10)], 4)]).await.unwrap();
}

#[tokio::test]
async fn an_empty_file_becomes_a_store_and_is_not_read_before() {
    let (_folder, path) = folder();
    std::fs::write(&path, "").unwrap();
    let text = SqliteStore::open_read_only(&path).map(drop).unwrap_err().to_string();
    assert!(text.contains("schema version 0 must first be brought to 1"), "{text}");
    let store = open(&path).unwrap();
    write(&store, vec![change(vec![put(1, 1, 10)], 1)]).await.unwrap();
    drop(store);
    assert_eq!(documents(&open(&path).unwrap()).await.len(), 1);
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = folder();
    let _store = open(&path).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn a_head_moved_by_a_foreign_hand_stops_the_writer() {
    for sql in [
        "UPDATE stream SET size = 7",
        "UPDATE stream SET root = zeroblob(32)",
        "UPDATE stream SET boot = zeroblob(16)",
        "DELETE FROM stream",
    ] {
        let (_folder, path) = folder();
        let store = open(&path).unwrap();
        write(&store, vec![change(vec![put(1, 1, 10)], 1)]).await.unwrap();
        let foreign = Connection::open(&path).unwrap();
        foreign.pragma_update(None, "foreign_keys", false).unwrap();
        foreign.execute_batch(sql).unwrap();
        for _ in 0..2 {
            let lost = store.commit(&writer(1), vec![change(vec![put(2, 1, 10)], 2)]).await;
            assert!(matches!(lost, Err(StoreError::StreamLost(_))), "{sql}: {lost:?}");
        }
        assert_eq!(documents(&store).await.len(), 1, "{sql}");
    }
}

#[tokio::test]
async fn tiles_that_do_not_give_the_root_stop_the_start_of_writing() {
    for sql in [
        "UPDATE tile SET hashes = zeroblob(32)",
        "UPDATE tile SET hashes = x'00'",
        "DELETE FROM tile",
        "UPDATE stream SET root = zeroblob(32)",
    ] {
        let (_folder, path) = folder();
        write(&open(&path).unwrap(), vec![change(vec![put(1, 1, 10)], 1)]).await.unwrap();
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let store = open(&path).unwrap();
        let found = store.commit(&writer(2), vec![change(vec![put(2, 1, 10)], 2)]).await;
        assert!(matches!(found, Err(StoreError::Damaged(_))), "{sql}: {found:?}");
        assert_eq!(documents(&store).await.len(), 1, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_give_up_take_no_connection_along() {
    let (_folder, path) = folder();
    let store = Arc::new(SqliteStore::open(&path, SqliteOptions { readers: 1, ..SqliteOptions::default() }).unwrap());
    write(&store, vec![change((0..2000).map(|n| put(n, 1, 100)).collect(), 1)]).await.unwrap();
    for _ in 0..50 {
        let slow = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { documents(&store).await.len() })
        };
        tokio::task::yield_now().await;
        slow.abort();
        assert!(store.get(KIND, put(1, 1, 0).id).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn what_was_erased_is_in_neither_the_file_nor_its_log_after_a_purge() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    // Large enough for pages of its own, small enough for a page with others, and a file.
    let (large, small, file) = (b"LARGE-SEALED-BYTES".repeat(600), b"SMALL-SEALED-BYTES".to_vec(), b"FILED-SEALED-BYTES".repeat(600));
    let puts = vec![Put { sealed: large, ..put(1, 1, 0) }, Put { sealed: small, ..put(2, 1, 0) }, put(3, 1, 4000)];
    store.blob_write(DocId([7; 16]), Owner::NONE, 0, file).await.unwrap();
    write(&store, vec![Changeset { blobs: vec![DocId([7; 16])], ..change(puts, 1) }]).await.unwrap();
    let found = |words: &[u8]| {
        let log = path.with_extension("db-wal");
        [path.clone(), log].iter().any(|path| std::fs::read(path).unwrap_or_default().windows(words.len()).any(|part| part == words))
    };
    let words: [&[u8]; 3] = [b"LARGE-SEALED-BYTES", b"SMALL-SEALED-BYTES", b"FILED-SEALED-BYTES"];
    assert!(words.iter().all(|words| found(words)));
    let erases = [1, 2].map(|number| Erase { kind: KIND, id: put(number, 1, 0).id }).to_vec();
    write(&store, vec![Changeset { erases, blob_erases: vec![DocId([7; 16])], ..change(vec![], 2) }]).await.unwrap();
    store.purge().await.unwrap();
    assert!(!words.iter().any(|words| found(words)));
    assert!(found(&[3; 4000]), "what was not erased is there");
}
