//! Two stores go to a directory and come back, on another engine too; whatever is missing, changed or
//! not meant for this key is said, and nothing is half restored.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tempfile::TempDir;
use wardkeep_backup::{BackupError, Identity, Made, Manifest, Order, Target, window};
use wardkeep_ledger::{Class, Commitment, Draft, EventId, Outcome, StreamId, commitment::Label};
use wardkeep_store::transfer::{compare, unfinished};
use wardkeep_store::*;

const NOTE: Kind = Kind(7);
const KEY: Kind = Kind(4);
/// 27 November 2026, 06:12:00 UTC.
const NOW: i64 = 1_795_759_920_000;
const MONTH_MS: i64 = 31 * 24 * 60 * 60 * 1000;

fn id(number: u16) -> DocId {
    let mut id = [7; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    DocId(id)
}

fn put(kind: Kind, number: u16, version: u64) -> Put {
    let sealed = vec![number as u8; 40 + usize::from(number)];
    let terms = vec![Term(id(number % 5).0)];
    Put { kind, id: id(number), owner: Owner(id(number % 3).0), version: Version(version), sealed, terms, unique: vec![] }
}

fn event(number: u16) -> Draft {
    let nothing = Commitment::new(&wardkeep_ledger::Salt([0; 32]), Label::Detail, &[&number.to_be_bytes()]);
    Draft {
        time_ms: i64::from(number),
        event: EventId(id(number).0),
        class: Class::RecordCreated,
        outcome: Outcome::Success,
        actor: nothing,
        subject: None,
        resource: nothing,
        detail: nothing,
    }
}

async fn fill(store: &dyn Store, stream: &str, kinds: &[Kind]) {
    let writer = Writer { stream: StreamId::parse(stream).unwrap(), boot: [1; 16] };
    store.blob_write(id(1), Owner(id(1).0), 0, vec![5; 900_000]).await.unwrap();
    for round in 0..40_u16 {
        let puts = kinds.iter().flat_map(|&kind| (0..10).map(move |at| put(kind, round * 10 + at, 1))).collect();
        let blobs = if round == 3 { vec![id(1)] } else { vec![] };
        let change = Changeset { puts, blobs, events: vec![event(round)], ..Changeset::default() };
        store.commit(&writer, vec![change]).await.unwrap().remove(0).unwrap();
    }
    let change = Changeset { puts: vec![put(kinds[0], 3, 2)], events: vec![event(40)], ..Changeset::default() };
    store.commit(&writer, vec![change]).await.unwrap().remove(0).unwrap();
    store.checkpoint_put(&writer.stream, "a note\n").await.unwrap();
}

/// Two filled stores, a target, and the identity that opens what lies there.
struct Site {
    folder: TempDir,
    control: MemoryStore,
    records: MemoryStore,
    target: Target,
    identity: Identity,
}

impl Site {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (control, records) = (MemoryStore::new(), MemoryStore::new());
        fill(&control, "control.main", &[NOTE, KEY]).await;
        fill(&records, "records.main", &[NOTE]).await;
        let target = Target::make_directory(&folder.path().join("target")).unwrap();
        let identity = window::identity(&window::new_identity().0).unwrap();
        Self { folder, control, records, target, identity }
    }

    fn order(&self, now_ms: i64) -> Order<'_> {
        Order {
            control: &self.control,
            records: &self.records,
            keys: KEY,
            hospital: "northgate".to_owned(),
            root_key: "c8f09ce0".to_owned(),
            program: "0.1.0".to_owned(),
            recipient: self.identity.to_public(),
            now_ms,
            random: [0x1a, 0x2b, 0x3c, 0x4d],
        }
    }

    async fn make(&self) -> Made {
        self.target.create(&self.order(NOW), &quiet).await.unwrap()
    }

    fn sqlite(&self, name: &str) -> SqliteStore {
        SqliteStore::open(&self.folder.path().join(name), SqliteOptions::default()).unwrap()
    }

    fn files(&self) -> BTreeSet<PathBuf> {
        fn below(folder: &Path, found: &mut BTreeSet<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    below(&path, found)
                } else {
                    found.insert(path);
                }
            }
        }
        let mut found = BTreeSet::new();
        below(&self.folder.path().join("target"), &mut found);
        found
    }

    async fn restored(&self, manifest: &Manifest, control: &dyn Receive, records: &dyn Receive) -> Result<(), BackupError> {
        self.target.restore(manifest, &self.identity, [control, records], &quiet).await.map(|_| ())
    }
}

fn quiet(_done: u64, _of: u64) {}

#[tokio::test]
async fn what_comes_back_is_what_went_out_on_either_engine() {
    let site = Site::new().await;
    let made = site.make().await;
    let names: Vec<String> = site.files().iter().map(|file| file.display().to_string()).collect();
    for name in [
        "backups/20261127T061200Z-1a2b3c4d/manifest.json",
        "control-000001.age",
        "records-000001.age",
        "keys-000001.age",
        "windows/2026-11",
    ] {
        assert!(names.iter().any(|found| found.ends_with(name)), "{name}: {names:?}");
    }
    assert_eq!(names.len(), 5);
    let manifest = site.target.manifest("latest").await.unwrap();
    assert_eq!(manifest, made.manifest);
    let read = site.target.verify(&manifest, Some(&site.identity), &quiet).await.unwrap();
    assert_eq!((read.documents, read.entries, read.files), (801 + 401, 82, 2));
    assert_eq!((read.documents, read.entries), (manifest.documents(), manifest.entries()));
    // Without the identity what lies there can still be compared with the manifest.
    assert_eq!(site.target.verify(&manifest, None, &quiet).await.unwrap().pieces, 3);
    let (control, records) = (site.sqlite("control.db"), MemoryStore::new());
    site.restored(&manifest, &control, &records).await.unwrap();
    assert_eq!(compare(&site.control, &control).await.unwrap(), None);
    assert_eq!(compare(&site.records, &records).await.unwrap(), None);
    // Once more: done already.
    site.restored(&manifest, &control, &records).await.unwrap();
}

#[tokio::test]
async fn patient_keys_lie_apart_and_go_with_the_key_of_their_month() {
    let site = Site::new().await;
    let made = site.make().await;
    let tidied = site.target.tidy(NOW + 2 * MONTH_MS, 3).await.unwrap();
    assert_eq!((tidied.windows, tidied.backups), (vec![], vec![]), "three months are kept");
    assert!(site.target.backups().await.unwrap()[0].keys);
    // The second backup of the month is for the same key, the next month's for another.
    let windows = site.folder.path().join("target/windows");
    let november = std::fs::read(windows.join("2026-11")).unwrap();
    site.target.create(&Order { random: [2; 4], ..site.order(NOW + 60_000) }, &quiet).await.unwrap();
    assert_eq!(std::fs::read(windows.join("2026-11")).unwrap(), november);
    site.target.create(&Order { random: [3; 4], ..site.order(NOW + MONTH_MS) }, &quiet).await.unwrap();
    assert_ne!(std::fs::read(windows.join("2026-12")).unwrap(), november);
    std::fs::remove_file(windows.join("2026-11")).unwrap();
    let gone = site.target.verify(&made.manifest, Some(&site.identity), &quiet).await.unwrap_err();
    assert!(gone.to_string().contains("the key of 2026-11 was deleted"), "{gone}");
    let tidied = site.target.tidy(NOW + 3 * MONTH_MS, 3).await.unwrap();
    assert_eq!(tidied.backups.len(), 2, "backups that nobody can open go as well");
    let left = site.target.backups().await.unwrap();
    assert_eq!(left.iter().map(|left| left.keys).collect::<Vec<_>>(), [true]);
    let restored = (MemoryStore::new(), MemoryStore::new());
    site.restored(&site.target.manifest("latest").await.unwrap(), &restored.0, &restored.1).await.unwrap();
    let tidied = site.target.tidy(NOW + 4 * MONTH_MS, 3).await.unwrap();
    assert_eq!((tidied.windows.as_slice(), tidied.backups.len()), (&["2026-12".to_owned()][..], 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn backups_that_begin_at_once_share_the_key_of_their_month() {
    let site = Site::new().await;
    for round in 0..10_u8 {
        let orders = (0..4).map(|one| Order { random: [round, one, 0, 0], ..site.order(NOW + i64::from(round) * MONTH_MS) });
        let orders: Vec<Order<'_>> = orders.collect();
        let made = futures::future::join_all(orders.iter().map(|order| site.target.create(order, &quiet))).await;
        for made in made {
            site.target.verify(&made.unwrap().manifest, Some(&site.identity), &quiet).await.unwrap();
        }
    }
}

/// The hospital's key does not open the part with the patient keys, and a foreign one opens nothing.
#[tokio::test]
async fn each_part_opens_with_its_own_key_alone() {
    let site = Site::new().await;
    let made = site.make().await;
    let folder = site.folder.path().join("target/backups").join(&made.manifest.id);
    let keys = std::fs::read(folder.join("keys-000001.age")).unwrap();
    assert!(age::decrypt(&site.identity, &keys).is_err());
    let control = age::decrypt(&site.identity, &std::fs::read(folder.join("control-000001.age")).unwrap()).unwrap();
    let sealed_key = put(KEY, 200, 1).sealed;
    let with_kind = wardkeep_backup::portion::decode(&control).unwrap().into_iter().any(|rows| match rows {
        Rows::Documents(rows) => rows.iter().any(|row| row.document.kind == KEY),
        _ => false,
    });
    assert!(!with_kind, "no patient key in the part of the hospital: {}", sealed_key.len());
    let foreign = window::identity(&window::new_identity().0).unwrap();
    let refused = site.target.verify(&made.manifest, Some(&foreign), &quiet).await.unwrap_err();
    assert!(matches!(&refused, BackupError::Key(words) if words.contains("this identity does not open the backup")), "{refused}");
    assert!(window::recipient("age1nonsense").is_err() && window::identity("# nothing\n").is_err());
}

#[tokio::test]
async fn a_changed_or_missing_file_is_named_and_nothing_is_used() {
    let site = Site::new().await;
    let made = site.make().await;
    for file in site.files() {
        let sound = std::fs::read(&file).unwrap();
        for at in [0, sound.len() / 2, sound.len() - 1] {
            let mut changed = sound.clone();
            changed[at] ^= 1;
            std::fs::write(&file, &changed).unwrap();
            let seen = match site.target.manifest(&made.manifest.id).await {
                Ok(manifest) => site.target.verify(&manifest, Some(&site.identity), &quiet).await.map(|_| manifest == made.manifest),
                Err(error) => Err(error),
            };
            // A manifest's number may change, and its digest is in the log.
            assert!(seen.is_err() || matches!(seen, Ok(false)), "{}: {at}", file.display());
        }
        std::fs::remove_file(&file).unwrap();
        let gone = match site.target.manifest(&made.manifest.id).await {
            Ok(manifest) => site.target.verify(&manifest, Some(&site.identity), &quiet).await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(gone.is_err(), "{}", file.display());
        std::fs::write(&file, &sound).unwrap();
    }
    site.target.verify(&made.manifest, Some(&site.identity), &quiet).await.unwrap();
    for unknown in ["20261127T061200Z-00000000", "../windows", ""] {
        assert!(matches!(site.target.manifest(unknown).await, Err(BackupError::NotFound { .. })), "{unknown}");
    }
}

/// Fails after so many portions.
struct CutOff<'a> {
    inner: &'a dyn Receive,
    left: AtomicU64,
}

#[async_trait]
impl Receive for CutOff<'_> {
    fn store(&self) -> &dyn Store {
        self.inner.store()
    }
    async fn receive(&self, rows: Rows) -> Result<(), StoreError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) > 1 { self.inner.receive(rows).await } else { Err(StoreError::DiskFull) }
    }
}

#[tokio::test]
async fn a_restore_that_was_cut_off_anywhere_goes_on() {
    let site = Site::new().await;
    let manifest = site.make().await.manifest;
    let mut cut = 0;
    for portions in 1..100 {
        let (control, records) = (site.sqlite(&format!("c{portions}.db")), site.sqlite(&format!("r{portions}.db")));
        let (first, second) =
            (CutOff { inner: &control, left: AtomicU64::new(portions) }, CutOff { inner: &records, left: AtomicU64::new(portions) });
        if site.restored(&manifest, &first, &second).await.is_ok() {
            break;
        }
        cut += 1;
        assert!(portions == 1 || unfinished(&control).await.unwrap() || unfinished(&records).await.unwrap());
        site.restored(&manifest, &control, &records).await.unwrap();
        assert_eq!(compare(&site.control, &control).await.unwrap(), None, "{portions}");
        assert_eq!(compare(&site.records, &records).await.unwrap(), None, "{portions}");
    }
    assert!(cut >= 6, "{cut}");
}

#[tokio::test]
async fn an_unfinished_backup_is_none_and_goes_after_a_day() {
    let site = Site::new().await;
    let made = site.make().await;
    std::fs::remove_file(site.folder.path().join("target/backups").join(&made.manifest.id).join("manifest.json")).unwrap();
    assert!(site.target.newest().await.unwrap().is_none());
    assert!(matches!(site.target.manifest("latest").await, Err(BackupError::NotFound { .. })));
    assert!(site.target.tidy(NOW + 3_600_000, 3).await.unwrap().backups.is_empty(), "it may still be on its way");
    assert_eq!(site.target.tidy(NOW + 2 * 24 * 3_600_000, 3).await.unwrap().backups, [made.manifest.id]);
}

#[tokio::test]
async fn erased_patients_are_written_down_once() {
    let site = Site::new().await;
    assert!(site.target.erased().await.unwrap().is_empty());
    for ids in [vec![], vec![[2; 16], [1; 16]], vec![[1; 16], [3; 16]]] {
        site.target.mark_erased(&ids).await.unwrap();
    }
    assert_eq!(site.target.erased().await.unwrap(), [[1; 16], [2; 16], [3; 16]]);
    std::fs::write(site.folder.path().join("target/erased/notes.txt"), "x").unwrap();
    assert_eq!(site.target.erased().await.unwrap().len(), 3, "what is no id is left alone");
}
