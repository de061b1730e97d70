//! A hospital moves between engines: the same in the end, however often the copy was cut off.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use rusqlite::Connection;
use tempfile::TempDir;
use wardkeep_ledger::{Class, Commitment, Draft, EventId, Outcome, Salt, StreamId, SubjectDraft, commitment::Label};
use wardkeep_mongod::ReplicaSet;
use wardkeep_store::transfer::{compare, copy, export, steps, unfinished};
use wardkeep_store::*;

const CHART: Kind = Kind(1);
const USER: Kind = Kind(2);
const EARLIER: [&str; 2] = ["ward.main", "ward.night"];

fn id(number: u16) -> DocId {
    let mut id = [7; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    DocId(id)
}

fn term(number: u16) -> Term {
    Term(id(number).0)
}

fn put(kind: Kind, number: u16, version: u64, unique: &[u16]) -> Put {
    let sealed = [&number.to_be_bytes()[..], &version.to_be_bytes(), &vec![number as u8; usize::from(number) * 7]].concat();
    let terms = vec![term(number % 5), term(1000 + (version as u16)), term(number % 5)];
    let unique = unique.iter().map(|number| term(*number)).collect();
    Put { kind, id: id(number), owner: Owner(id(number % 9).0), version: Version(version), sealed, terms, unique }
}

fn event(number: u64) -> Draft {
    let nothing = Commitment::new(&Salt([0; 32]), Label::Detail, &[&number.to_be_bytes()]);
    let mut event = [0; 16];
    event[8..].copy_from_slice(&number.to_be_bytes());
    let about = SubjectDraft { counter: [(number % 7) as u8; 16], salt: Salt([1; 32]), subject: [(number % 7) as u8; 16] };
    Draft {
        time_ms: 1_000 + i64::try_from(number).unwrap() / 3,
        event: EventId(event),
        class: Class::RecordCreated,
        outcome: Outcome::Success,
        actor: nothing,
        subject: (!number.is_multiple_of(3)).then_some(about),
        resource: nothing,
        detail: nothing,
    }
}

fn change(puts: Vec<Put>, events: std::ops::Range<u64>) -> Changeset {
    Changeset { puts, events: events.map(event).collect(), ..Changeset::default() }
}

fn writer(stream: &str, boot: u8) -> Writer {
    Writer { stream: StreamId::parse(stream).unwrap(), boot: [boot; 16] }
}

async fn accept(store: &dyn Store, stream: &str, boot: u8, change: Changeset) -> Result<()> {
    for outcome in store.commit(&writer(stream, boot), vec![change]).await? {
        outcome?;
    }
    Ok(())
}

/// Two streams, three runs, amended and erased documents, unique terms that moved, files.
async fn fill(store: &dyn Store) -> Result<()> {
    let [main, night] = EARLIER;
    for (number, first) in (0..).zip([0_u16, 100, 200]) {
        let puts = (first..first + 100).map(|number| put(CHART, number, 1, &[])).collect();
        accept(store, main, 1, change(puts, number * 200..number * 200 + 200)).await?;
    }
    accept(store, main, 1, change(vec![put(USER, 1, 1, &[1, 2]), put(USER, 2, 1, &[3])], 600..602)).await?;
    accept(store, night, 1, change(vec![put(USER, 1, 2, &[2]), put(USER, 2, 2, &[1, 3])], 602..900)).await?;
    accept(store, main, 2, change((40..60).map(|number| put(CHART, number, 2, &[])).collect(), 900..903)).await?;
    accept(store, main, 2, change((50..60).map(|number| put(CHART, number, 3, &[])).collect(), 903..904)).await?;
    for (number, segments) in (0..).zip([3_u32, 1, 2, 1]) {
        for segment in 0..segments {
            let bytes = vec![(number * 10 + segment) as u8; 1_500_000 - (number * 7 + segment) as usize];
            store.blob_write(id(number as u16), Owner(id(5).0), segment, bytes).await?;
        }
    }
    let recorded = Changeset { blobs: vec![id(0), id(1), id(2)], ..change(vec![], 904..905) };
    accept(store, night, 1, recorded).await?;
    let erases = [5, 55, 299].map(|number| Erase { kind: CHART, id: id(number) }).to_vec();
    accept(store, main, 2, Changeset { erases, ..change(vec![put(CHART, 400, 1, &[])], 905..906) }).await?;
    // The last sequence was given to a document that is gone.
    let erases = vec![Erase { kind: CHART, id: id(400) }];
    accept(store, main, 2, Changeset { erases, ..change(vec![], 906..907) }).await?;
    store.checkpoint_put(&writer(main, 1).stream, "wardkeep\n907\n").await?;
    Ok(())
}

/// What comes after; the answers, for comparison.
async fn go_on(store: &dyn Store) -> Result<String> {
    let [main, night] = EARLIER;
    let taken = change(vec![put(USER, 3, 1, &[1])], 1000..1001);
    let free = change(vec![put(USER, 3, 1, &[4])], 1001..1003);
    let moved = change(vec![put(USER, 2, 3, &[]), put(USER, 3, 2, &[1])], 1003..1010);
    let old = change(vec![put(CHART, 50, 3, &[])], 1010..1011);
    let amended = change(vec![put(CHART, 50, 4, &[]), put(CHART, 55, 1, &[])], 1011..1300);
    let erased = Changeset { erases: vec![Erase { kind: USER, id: id(1) }], ..change(vec![put(USER, 4, 1, &[2])], 1300..1301) };
    let mut told = format!("{:?}", store.commit(&writer(main, 2), vec![taken, free]).await?);
    told.push_str(&format!("{:?}", store.commit(&writer(night, 3), vec![moved]).await?));
    told.push_str(&format!("{:?}", store.commit(&writer(main, 2), vec![old, amended, erased]).await?));
    Ok(told)
}

/// Everything that is read of a store, past the comparison under test.
async fn everything(store: &dyn Store) -> Result<String> {
    let (inspect, most) = (store.inspection(), 100_000);
    let mut seen = format!("{:?}{:?}", store.changed_since(None, Seq(0), most).await?, inspect.beside(Seq(0), most).await?);
    seen.push_str(&format!(
        "{:?}{:?}{:?}",
        inspect.sequence().await?,
        inspect.counters(None, most).await?,
        inspect.clock(None, most).await?
    ));
    for number in 0..2000 {
        for kind in [CHART, USER] {
            let find = Find { kind, all_of: vec![term(number)], before: None, since: None, limit: most };
            seen.push_str(&format!("{:?}", store.find(&find).await?.iter().map(|found| found.seq).collect::<Vec<_>>()));
        }
    }
    seen.push_str(&format!("{:?}", store.streams().await?));
    for stream in EARLIER.map(|name| writer(name, 1).stream) {
        let (head, note) = (store.head(&stream).await?, store.checkpoint(&stream).await?);
        seen.push_str(&format!("{head:?}{note:?}{:?}", store.entries(&stream, 0, most).await?));
    }
    for blob in store.blobs(None, most).await? {
        seen.push_str(&format!("{blob:?}{:?}", inspect.blob(blob).await?));
        for segment in 0..4 {
            seen.push_str(&format!("{:?}", store.blob_read(blob, segment).await?.map(|bytes| (bytes.len(), bytes.first().copied()))));
        }
    }
    Ok(seen)
}

async fn filled() -> Result<MemoryStore> {
    let store = MemoryStore::new();
    fill(&store).await?;
    Ok(store)
}

fn sqlite(folder: &TempDir, name: &str) -> Result<SqliteStore> {
    Ok(SqliteStore::open(&folder.path().join(name), SqliteOptions::default())?)
}

/// A copy may run on any thread.
fn may_move<T: Send>(copy: T) -> T {
    copy
}

fn quiet(_done: u64, _total: u64) {}

/// The last of so many portions goes in by half, and the copy ends there.
struct CutOff<'a> {
    inner: &'a dyn Receive,
    left: AtomicU64,
}

impl<'a> CutOff<'a> {
    fn after(inner: &'a dyn Receive, portions: u64) -> Self {
        Self { inner, left: AtomicU64::new(portions) }
    }
}

fn half<T>(mut rows: Vec<T>) -> Vec<T> {
    rows.truncate(rows.len() / 2);
    rows
}

#[async_trait]
impl Receive for CutOff<'_> {
    fn store(&self) -> &dyn Store {
        self.inner.store()
    }
    async fn receive(&self, rows: Rows) -> Result<(), StoreError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) > 1 {
            return self.inner.receive(rows).await;
        }
        match rows {
            Rows::Documents(rows) => self.inner.receive(Rows::Documents(half(rows))).await?,
            Rows::Counters(rows) => self.inner.receive(Rows::Counters(half(rows))).await?,
            Rows::Clock(rows) => self.inner.receive(Rows::Clock(half(rows))).await?,
            Rows::Files { segments, .. } => self.inner.receive(Rows::Files { segments: half(segments), whole: vec![] }).await?,
            Rows::Leaves { stream, leaves } => self.inner.receive(Rows::Leaves { stream, leaves: half(leaves) }).await?,
            Rows::Tiles { stream, tiles } => self.inner.receive(Rows::Tiles { stream, tiles: half(tiles) }).await?,
            Rows::End { .. } => {}
        }
        Err(StoreError::DiskFull)
    }
}

/// Source and finished target are the same, and both go on in the same way.
async fn same_for_ever(from: &dyn Store, to: &dyn Store) -> Result<()> {
    ensure!(everything(from).await? == everything(to).await?, "something was left behind");
    assert_eq!(compare(from, to).await?, None);
    assert_eq!(go_on(from).await?, go_on(to).await?);
    ensure!(everything(from).await? == everything(to).await?, "they went on differently");
    assert_eq!(compare(from, to).await?, None);
    assert_eq!(to.inspection().flaws().await?, vec![]);
    Ok(())
}

/// Cuts the copy off after one portion, then two and so on, each time on the same target.
async fn in_pieces(from: &dyn Store, to: &dyn Receive) -> Result<(Copied, u64)> {
    for portions in 1..100 {
        match copy(from, &CutOff::after(to, 1 + portions % 3), &quiet).await {
            Err(StoreError::DiskFull) => ensure!(to.store().streams().await?.is_empty(), "a cut copy shows a stream"),
            done => return Ok((done?, portions)),
        }
    }
    anyhow::bail!("the copy never ends")
}

const WHOLE: Copied = Copied { documents: 329, streams: 2, leaves: 907, files: 3, written: 329 + 907 + 3 };

#[tokio::test]
async fn a_store_moves_from_memory_to_sqlite() -> Result<()> {
    let (from, folder) = (filled().await?, TempDir::new()?);
    let steps = Mutex::new(Vec::new());
    let progress = |done, total| steps.lock().unwrap().push((done, total));
    {
        let to = sqlite(&folder, "records.db")?;
        assert!(!unfinished(&to).await?);
        assert_eq!(copy(&from, &to, &progress).await?, WHOLE);
        assert!(!unfinished(&to).await?);
    }
    let steps = steps.into_inner()?;
    assert!(steps.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 == pair[1].1));
    let end = 2 * (from.sequence().await?.0 + WHOLE.leaves + WHOLE.files);
    assert_eq!(steps.last(), Some(&(end, end)));
    // Once more, on the reopened file: it is done already.
    let to = sqlite(&folder, "records.db")?;
    assert_eq!(copy(&from, &to, &quiet).await?, Copied { written: 0, ..WHOLE });
    same_for_ever(&from, &to).await
}

#[tokio::test]
async fn a_store_moves_from_sqlite_to_memory() -> Result<()> {
    let (folder, to) = (TempDir::new()?, MemoryStore::new());
    let from = sqlite(&folder, "records.db")?;
    fill(&from).await?;
    assert_eq!(copy(&from, &CutOff::after(&to, 5), &quiet).await.unwrap_err().to_string(), StoreError::DiskFull.to_string());
    assert!(unfinished(&to).await?);
    let told = copy(&to, &MemoryStore::new(), &quiet).await.unwrap_err().to_string();
    assert_eq!(told, "the source cannot be used: it is a copy that was cut off itself; finish that copy first");
    assert_eq!(may_move(copy(&from, &to, &quiet)).await?.written, WHOLE.written - 329);
    same_for_ever(&from, &to).await
}

#[tokio::test]
async fn a_copy_that_was_cut_off_anywhere_goes_on() -> Result<()> {
    let (from, folder) = (filled().await?, TempDir::new()?);
    let mut ends = 0;
    for portions in 1..100 {
        let name = format!("{portions}.db");
        let to = sqlite(&folder, &name)?;
        if copy(&from, &CutOff::after(&to, portions), &quiet).await.is_ok() {
            break;
        }
        ends += 1;
        assert!(to.streams().await?.is_empty());
        assert!(portions == 1 || unfinished(&to).await?);
        drop(to);
        let to = sqlite(&folder, &name)?;
        let done = copy(&from, &to, &quiet).await?;
        assert_eq!(Copied { written: 0, ..done }, Copied { written: 0, ..WHOLE });
        ensure!(everything(&from).await? == everything(&to).await?, "cut off after {portions}");
        assert_eq!(to.flaws().await?, vec![]);
    }
    println!("cut off at {ends} places");
    assert!(ends >= 10, "{ends}");
    let to = sqlite(&folder, "pieces.db")?;
    let (_, pieces) = in_pieces(&from, &to).await?;
    println!("{pieces} pieces");
    same_for_ever(&from, &to).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_moves_to_mongodb_and_back() -> Result<()> {
    let Some(set) = ReplicaSet::start(1).await? else { return Ok(()) };
    let folder = TempDir::new()?;
    let from = sqlite(&folder, "from.db")?;
    fill(&from).await?;
    let to = MongoStore::open(&set.address("records"), "main").await?;
    assert_eq!(copy(&from, &to, &quiet).await?, WHOLE);
    assert_eq!(copy(&from, &to, &quiet).await?.written, 0);
    let pieces = MongoStore::open(&set.address("pieces"), "main").await?;
    println!("{} pieces", in_pieces(&from, &pieces).await?.1);
    ensure!(everything(&from).await? == everything(&pieces).await?, "something was left behind");
    assert_eq!(pieces.blob_sweep().await?, 0);
    let back = sqlite(&folder, "back.db")?;
    assert_eq!(copy(&pieces, &back, &quiet).await?, WHOLE);
    assert_eq!(compare(&from, &back).await?, None);
    same_for_ever(&from, &to).await?;
    same_for_ever(&pieces, &back).await?;
    assert_eq!(compare(&from, &back).await?, None, "all four went on in the same way");

    // A hospital that goes on is no beginning of a copy.
    let before = everything(&to).await?;
    let told = copy(&filled().await?, &to, &quiet).await.unwrap_err().to_string();
    assert!(told.contains("its log is not the source's; name an empty store"), "{told}");
    ensure!(everything(&to).await? == before, "a refused target was changed");
    Ok(())
}

/// Passes every portion on, as something that is no store: a backup.
struct Passed<'a> {
    nothing: MemoryStore,
    on: &'a dyn Receive,
}

#[async_trait]
impl Receive for Passed<'_> {
    fn store(&self) -> &dyn Store {
        &self.nothing
    }
    async fn receive(&self, rows: Rows) -> Result<(), StoreError> {
        self.on.receive(rows).await
    }
}

/// Exports a snapshot of a store that goes on meanwhile: what arrives is the store as it was.
async fn exported(store: &dyn Store, snapshot: &dyn Store, folder: &TempDir) -> Result<()> {
    let before = everything(store).await?;
    let to = sqlite(folder, "exported.db")?;
    let (passed, last) = (Passed { nothing: MemoryStore::new(), on: &to }, Mutex::new((0, 0)));
    go_on(store).await?;
    let whole = export(snapshot, &passed, &|done, total| *last.lock().unwrap() = (done, total)).await?;
    assert_eq!(whole, WHOLE);
    let total = steps(snapshot).await?;
    assert_eq!(last.into_inner()?, (total, total));
    ensure!(everything(snapshot).await? == before, "the snapshot moved");
    ensure!(everything(store).await? != before, "the store did not go on");
    // Checkpoints go another way.
    to.checkpoint_put(&writer(EARLIER[0], 1).stream, "wardkeep\n907\n").await?;
    assert_eq!(compare(snapshot, &to).await?, None);
    ensure!(everything(&to).await? == before, "something was left behind");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_of_sqlite_is_exported_while_the_store_goes_on() -> Result<()> {
    let folder = TempDir::new()?;
    let store = sqlite(&folder, "records.db")?;
    fill(&store).await?;
    let snapshot = SqliteStore::open_snapshot(&folder.path().join("records.db"))?;
    exported(&store, &snapshot, &folder).await?;
    assert_eq!(snapshot.flaws().await?, vec![]);
    drop(snapshot);
    store.purge().await?;
    assert_eq!(std::fs::metadata(folder.path().join("records.db-wal"))?.len(), 0, "the log can be emptied again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_of_mongodb_is_exported_while_the_store_goes_on() -> Result<()> {
    let Some(set) = ReplicaSet::start(1).await? else { return Ok(()) };
    let (folder, from) = (TempDir::new()?, filled().await?);
    let store = MongoStore::open(&set.address("records"), "main").await?;
    copy(&from, &store, &quiet).await?;
    let snapshot = MongoStore::open_snapshot(&set.address("records")).await?;
    exported(&store, &snapshot, &folder).await?;
    assert!(snapshot.flaws().await.is_err(), "that would be answered from the store of now");
    Ok(())
}

#[tokio::test]
async fn a_target_that_holds_something_else_is_refused_and_left_alone() -> Result<()> {
    let (from, folder) = (filled().await?, TempDir::new()?);
    let other = MemoryStore::new();
    let documents = (0..300).map(|number| put(USER, number, 1, &[])).collect();
    accept(&other, "ward.main", 9, change(documents, 0..5)).await?;
    let hospital = sqlite(&folder, "hospital.db")?;
    assert_eq!(copy(&other, &hospital, &quiet).await?.documents, 300);
    let leftover = sqlite(&folder, "leftover.db")?;
    copy(&other, &CutOff::after(&leftover, 3), &quiet).await.unwrap_err();
    let older = sqlite(&folder, "older.db")?;
    copy(&from, &CutOff::after(&older, 6), &quiet).await.unwrap_err();
    // The source goes on after its copy was cut off.
    accept(&from, "ward.main", 2, change(vec![put(CHART, 1, 2, &[])], 1000..1001)).await?;
    let words =
        ["its log is not the source's", "a document version stands at another place in the order", "is the current one on one side alone"];
    for (to, words) in [&hospital, &leftover, &older].into_iter().zip(words) {
        let before = everything(to).await?;
        let told = copy(&from, to, &quiet).await.unwrap_err().to_string();
        assert!(told.starts_with("the target cannot be used: it holds something else") && told.contains(words), "{told}");
        assert!(told.ends_with("; name an empty store"), "{told}");
        ensure!(everything(to).await? == before, "a refused target was changed: {words}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_written_to_meanwhile_is_noticed() -> Result<()> {
    let folder = TempDir::new()?;
    for after in [1, 5, 15] {
        let (from, calls) = (filled().await?, AtomicU64::new(0));
        let to = sqlite(&folder, &format!("{after}.db"))?;
        let progress = |_, _| {
            if calls.fetch_add(1, Ordering::SeqCst) == after {
                let commit = accept(&from, "ward.main", 2, change(vec![], 1000..1001));
                tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(commit)).unwrap();
            }
        };
        let told = copy(&from, &to, &progress).await.unwrap_err().to_string();
        assert_eq!(told, "the source cannot be used: it was written to meanwhile; stop the server, then run it again");
    }
    Ok(())
}

fn edited(whole: &Path, folder: &TempDir, sql: &str) -> Result<SqliteStore> {
    let path = folder.path().join("edited.db");
    std::fs::copy(whole, &path)?;
    let db = Connection::open(&path)?;
    db.pragma_update(None, "foreign_keys", false)?;
    db.execute_batch(sql).with_context(|| sql.to_owned())?;
    ensure!(db.total_changes() > 0, "{sql} changes nothing");
    drop(db);
    Ok(SqliteStore::open(&path, SqliteOptions::default())?)
}

#[tokio::test]
async fn every_kind_of_difference_is_found() -> Result<()> {
    let (from, folder) = (filled().await?, TempDir::new()?);
    let whole = folder.path().join("whole.db");
    copy(&from, &sqlite(&folder, "whole.db")?, &quiet).await?;
    let cases = [
        ("DELETE FROM document WHERE seq = 10", "a document version is missing in the target"),
        ("DELETE FROM document WHERE seq = (SELECT MAX(seq) FROM document)", "a document version is missing in the target"),
        ("UPDATE document SET seq = 9000 WHERE seq = 10", "a document version is missing in the target"),
        ("UPDATE document SET sealed = CAST(sealed || x'00' AS BLOB) WHERE seq = 200", "a document version has other sealed bytes"),
        ("UPDATE document SET sealed = x'0000000000000000ff00' WHERE seq = 1", "a document version has other sealed bytes"),
        ("UPDATE document SET owner = zeroblob(16) WHERE seq = 10", "a document version has another owner"),
        ("UPDATE document SET version = 8 WHERE seq = 10", "a document version has another number"),
        ("UPDATE document SET kind = 3 WHERE seq = 10", "a document version stands at another place in the order"),
        ("UPDATE document SET terms = zeroblob(48) WHERE seq = 10", "a document version has other terms"),
        ("UPDATE document SET uniques = x'' WHERE uniques <> x''", "a document version has other terms"),
        ("UPDATE document SET current = 0 WHERE seq = 10", "a document version is the current one on one side alone"),
        (
            "INSERT INTO document SELECT 5000, 9, id, owner, 1, 1, x'', x'', sealed FROM document WHERE seq = 10",
            "a document version stands in the target alone",
        ),
        ("DELETE FROM term WHERE seq = 10", "the index finds a document by other terms than it was put with"),
        ("DELETE FROM unique_term", "the index finds a document by other terms than it was put with"),
        ("UPDATE sequence SET seq = seq + 1", "the commit sequence is another one"),
        ("UPDATE counter SET value = value + 1 WHERE key = x'03030303030303030303030303030303'", "a running number has another value"),
        ("DELETE FROM counter WHERE key = x'03030303030303030303030303030303'", "a running number is missing in the target"),
        ("INSERT INTO counter VALUES (x'ffffffffffffffffffffffffffffffff', 1)", "a running number stands in the target alone"),
        ("DELETE FROM clock WHERE time_ms = (SELECT MIN(time_ms) FROM clock)", "a commit time is missing in the target"),
        ("UPDATE clock SET seq = seq + 1", "a commit time has another sequence"),
        ("DELETE FROM ledger WHERE idx = 299", "a leaf of the log is missing in the target"),
        ("DELETE FROM ledger WHERE stream = 2 AND idx = (SELECT size - 1 FROM stream WHERE number = 2)", "a leaf of the log is missing"),
        ("UPDATE ledger SET leaf = CAST(leaf || x'00' AS BLOB) WHERE idx = 299", "a leaf of the log has other bytes"),
        ("UPDATE ledger SET subject_number = 900 WHERE subject_number = 9", "a leaf of the log has another subject number"),
        ("UPDATE tile SET hashes = zeroblob(32) WHERE level = 1", "a tile of the log has other hashes"),
        ("DELETE FROM tile WHERE level = 0 AND idx = 1", "a tile of the log is missing in the target"),
        ("INSERT INTO tile VALUES (1, 0, 77, zeroblob(32))", "the target's own bookkeeping does not fit: the log has more or fewer tiles"),
        ("UPDATE stream SET root = zeroblob(32) WHERE number = 1", "the size or root of a stream is another one"),
        ("UPDATE stream SET next_sequence = 1", "the target's own bookkeeping does not fit: the run that is noted"),
        ("DELETE FROM checkpoint", "the checkpoint of a stream is another one"),
        ("DELETE FROM blob WHERE id = (SELECT MIN(id) FROM blob)", "a file is missing in the target"),
        ("UPDATE blob SET recorded = 0 WHERE id = (SELECT MAX(id) FROM blob)", "a file is missing in the target"),
        ("UPDATE blob SET owner = zeroblob(16)", "a file has another owner"),
        ("DELETE FROM blob_segment WHERE segment = 2", "a file has other segments, more or fewer"),
        ("UPDATE blob_segment SET bytes = zeroblob(length(bytes)) WHERE segment = 2", "a segment of a file has other bytes"),
    ];
    println!("{} kinds of difference", cases.len());
    for (sql, words) in cases {
        let to = edited(&whole, &folder, sql)?;
        let found = compare(&from, &to).await?.with_context(|| format!("not found: {sql}"))?.to_string();
        assert!(found.starts_with(words), "{sql}: {found}");
        let told = copy(&from, &to, &quiet).await.unwrap_err().to_string();
        assert!(told.contains(words) || told.contains("its log is not the source's"), "{sql}: {told}");
    }
    Ok(())
}
