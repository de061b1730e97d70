//! Documents: what goes in comes out, byte for byte or not at all.

use std::sync::Arc;

use futures::StreamExt;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rusqlite::{Connection, params};
use tempfile::TempDir;
use wardkeep_app::documents::Upload;
use wardkeep_app::hospital::{Hospital, Parts};
use wardkeep_app::integrity::Badge;
use wardkeep_app::{App, Ctx, Error};
use wardkeep_domain::account::Role;
use wardkeep_domain::document::{DOCUMENTS_MAX, DocumentForm, DocumentState, FILE_BYTES_MAX};
use wardkeep_domain::{DocumentId, PatientId};
use wardkeep_ledger::Class;
use wardkeep_store::{DocId, MemoryStore, Owner, Store};
use wardkeep_vault::KeyFile;

use crate::hospital::House;

const CHUNK: usize = 16 * 1024;
const SEGMENT: usize = 1024 * 1024;

/// Letters that differ from place to place.
fn letters(length: usize) -> Vec<u8> {
    (0..length).map(|place| b"abcdefghijklmnopqrstuvwxyz\n "[(place / 7 + place / 1021 + place / 65_537) % 28]).collect()
}

/// A doctor with two patients.
struct Ward {
    house: House,
    doctor: Ctx,
    patient: PatientId,
    other: PatientId,
}

impl Ward {
    async fn of(house: House) -> Self {
        let doctor = house.staff(Role::Doctor, "doctor@test.example").await;
        let patient = house.patient(&doctor, "100001").await;
        let other = house.patient(&doctor, "100002").await;
        Self { house, doctor, patient, other }
    }
    async fn new() -> Self {
        Self::of(House::new().await).await
    }
    async fn on_disk(dir: &TempDir) -> Self {
        Self::of(House::on_disk(dir.path(), None).await).await
    }
    fn app(&self) -> &App {
        &self.house.app
    }
    async fn begin(&self, name: &str) -> Upload {
        self.app().begin_upload(&self.doctor, self.patient, &DocumentForm::new(name, "", "A letter")).await.unwrap()
    }
    async fn upload(&self, bytes: &[u8]) -> DocumentId {
        let mut upload = self.begin("letter.txt").await;
        upload.push(bytes).await.unwrap();
        upload.finish(self.doctor.now()).await.unwrap()
    }
    /// The bytes up to the end or to the first error.
    async fn download(&self, document: DocumentId, range: Option<(u64, Option<u64>)>) -> (Vec<u8>, Option<Error>) {
        let mut bytes = Vec::new();
        let mut stream = match self.app().download(&self.doctor, self.patient, document, range).await {
            Ok(download) => download.stream,
            Err(error) => return (bytes, Some(error)),
        };
        while let Some(portion) = stream.next().await {
            match portion {
                Ok(portion) => bytes.extend_from_slice(&portion),
                Err(error) => {
                    assert!(stream.next().await.is_none(), "nothing follows an error");
                    return (bytes, Some(error));
                }
            }
        }
        (bytes, None)
    }
    async fn findings(&self) -> Vec<&'static str> {
        let report = self.app().verify_records(&self.house.operator(), &|_, _| {}).await.unwrap();
        report.findings.iter().map(|finding| finding.code).collect()
    }
    async fn badge(&self, document: DocumentId) -> Badge {
        self.app().read_document(&self.doctor, self.patient, document).await.unwrap().1.badge
    }
}

fn fields(error: &Error) -> Vec<&'static str> {
    match error {
        Error::Invalid(errors) => errors.0.iter().map(|error| error.field).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_of_any_size_comes_back_byte_for_byte() {
    let ward = Ward::new().await;
    for size in [1, CHUNK - 1, CHUNK, CHUNK + 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT + CHUNK] {
        let bytes = letters(size);
        let id = ward.upload(&bytes).await;
        let (got, error) = ward.download(id, None).await;
        assert!(error.is_none(), "{size}: {error:?}");
        assert!(got == bytes, "{size} bytes");
        let (_, view, proof) = ward.app().read_document(&ward.doctor, ward.patient, id).await.unwrap();
        let document = view.document.unwrap();
        assert_eq!(document.bytes, size as u64);
        assert_eq!(document.sha256, hex::encode(wardkeep_vault::vault::digest(&bytes)));
        assert_eq!(view.badge, Badge::WaitingForSeal, "no seal yet");
        assert!(proof.checks.iter().all(|check| check.ok), "{:?}", proof.checks);
    }
    ward.app().tick(&ward.house.visit()).await.unwrap();
    let (_, views) = ward.app().list_documents(&ward.doctor, ward.patient).await.unwrap();
    assert_eq!(views.len(), 8);
    assert!(views.iter().all(|view| view.badge == Badge::Verified));
    assert_eq!(ward.findings().await, Vec::<&str>::new());
}

#[tokio::test]
async fn a_range_is_exactly_what_was_asked_for() {
    let ward = Ward::new().await;
    let bytes = letters(2 * SEGMENT + 5);
    let id = ward.upload(&bytes).await;
    let (segment, total) = (SEGMENT as u64, bytes.len() as u64);
    let ranges = [
        (0, Some(0)),
        (0, None),
        (5, Some(9)),
        (segment - 1, Some(segment - 1)),
        (segment - 1, Some(segment)),
        (segment, Some(segment)),
        (segment, Some(2 * segment - 1)),
        (segment + 1, None),
        (2 * segment, None),
        (1, Some(2 * segment)),
        (total - 1, None),
        (total - 1, Some(u64::MAX)),
        (7, Some(u64::MAX)),
    ];
    for (first, last) in ranges {
        let (got, error) = ward.download(id, Some((first, last))).await;
        assert!(error.is_none(), "{first}-{last:?}: {error:?}");
        let end = last.map_or(total, |last| last.saturating_add(1).min(total));
        assert!(got == bytes[first as usize..end as usize], "{first}-{last:?}");
    }
    for range in [(total, None), (total, Some(total)), (u64::MAX, None), (u64::MAX, Some(u64::MAX)), (7, Some(3))] {
        let (got, error) = ward.download(id, Some(range)).await;
        assert!(matches!(error, Some(Error::OutOfRange { total: found }) if found == total), "{range:?}: {error:?}");
        assert!(got.is_empty());
    }
    // A file that ends with a segment.
    let even = letters(2 * SEGMENT);
    let id = ward.upload(&even).await;
    assert!(ward.download(id, Some((segment, None))).await.0 == even[SEGMENT..]);
    assert!(matches!(ward.download(id, Some((2 * segment, None))).await.1, Some(Error::OutOfRange { .. })));
}

#[tokio::test]
async fn the_download_is_logged_before_a_byte_leaves() {
    let ward = Ward::new().await;
    let id = ward.upload(b"short").await;
    assert_eq!(ward.house.events(Class::DocumentUploaded).await, 1);
    let download = ward.app().download(&ward.doctor, ward.patient, id, None).await.unwrap();
    assert_eq!(ward.house.events(Class::DocumentDownloaded).await, 1);
    drop(download);
}

/// What somebody with the database does to a file's sealed bytes.
enum Tamper {
    Flip { segment: u32, place: usize },
    Sql(&'static str),
}

impl Tamper {
    fn apply(&self, db: &Connection, id: DocumentId) {
        let (segment, place) = match self {
            Tamper::Flip { segment, place } => (segment, *place),
            Tamper::Sql(sql) => return assert!(db.execute(sql, params![id.bytes()]).unwrap() > 0),
        };
        let read = "SELECT bytes FROM blob_segment WHERE id = ?1 AND segment = ?2";
        let mut sealed: Vec<u8> = db.query_row(read, params![id.bytes(), segment], |row| row.get(0)).unwrap();
        sealed[place] ^= 1;
        let write = "UPDATE blob_segment SET bytes = ?3 WHERE id = ?1 AND segment = ?2";
        assert_eq!(db.execute(write, params![id.bytes(), segment, sealed]).unwrap(), 1);
    }
}

#[tokio::test]
async fn changed_bytes_are_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let ward = Ward::on_disk(&dir).await;
    let bytes = letters(3 * SEGMENT + 100);
    let db = Connection::open(dir.path().join("records.db")).unwrap();
    let flip = |segment, place| Tamper::Flip { segment, place };
    // What is done, and how many whole segments may still be served before it shows.
    let cases = [
        ("suite", flip(0, 0), 0),
        ("salt", flip(0, 1), 0),
        ("commitment", flip(0, 30), 0),
        ("first chunk", flip(0, 100), 0),
        ("last byte of the first segment", flip(0, SEGMENT + 57 + 64 * 16 - 1), 0),
        ("second segment", flip(1, 500_000), 1),
        ("last segment", flip(3, 0), 3),
        ("a segment gone", Tamper::Sql("DELETE FROM blob_segment WHERE id = ?1 AND segment = 2"), 2),
        ("all segments gone", Tamper::Sql("DELETE FROM blob_segment WHERE id = ?1"), 0),
        ("cut short", Tamper::Sql("UPDATE blob_segment SET bytes = substr(bytes, 1, 16400) WHERE id = ?1 AND segment = 1"), 1),
        ("two swapped", Tamper::Sql("UPDATE blob_segment SET segment = 103 - segment WHERE id = ?1 AND segment IN (1, 2)"), 1),
    ];
    for (count, (what, tamper, served)) in (1..).zip(cases) {
        let id = ward.upload(&bytes).await;
        tamper.apply(&db, id);
        db.execute("UPDATE blob_segment SET segment = segment - 100 WHERE segment > 100", []).unwrap();
        let (got, error) = ward.download(id, None).await;
        assert!(matches!(error, Some(Error::Integrity)), "{what}: {error:?}");
        assert!(got == bytes[..served * SEGMENT], "{what}: {} bytes served", got.len());
        let (_, view, proof) = ward.app().read_document(&ward.doctor, ward.patient, id).await.unwrap();
        assert_eq!(view.badge, Badge::CheckFailed, "{what}");
        assert_eq!(proof.checks.iter().filter(|check| !check.ok).count(), 1, "{what}: {:?}", proof.checks);
        // A segment that is gone also shows in the store's own bookkeeping.
        let findings: Vec<_> = ward.findings().await.into_iter().filter(|code| *code != "store-damaged").collect();
        assert_eq!(findings, vec!["blob-damaged"; count], "{what}");
    }
    assert_eq!(alarms(&ward).await, 11, "one for each file, however often it is looked at");
}

async fn alarms(ward: &Ward) -> usize {
    let administrator = ward.house.staff(Role::Administrator, "admin@test.example").await;
    ward.app().alarms(&administrator).await.unwrap().len()
}

#[tokio::test]
async fn another_file_s_bytes_do_not_open_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let ward = Ward::on_disk(&dir).await;
    let (first, second) = (ward.upload(&letters(100)).await, ward.upload(&letters(200)).await);
    let db = Connection::open(dir.path().join("records.db")).unwrap();
    let sql = "UPDATE blob_segment SET bytes = (SELECT bytes FROM blob_segment WHERE id = ?2) WHERE id = ?1";
    assert_eq!(db.execute(sql, params![first.bytes(), second.bytes()]).unwrap(), 1);
    let (got, error) = ward.download(first, None).await;
    assert!(matches!(error, Some(Error::Integrity)) && got.is_empty(), "{error:?}");
    assert_eq!(ward.badge(first).await, Badge::CheckFailed);
    assert_ne!(ward.badge(second).await, Badge::CheckFailed);
}

#[tokio::test]
async fn changed_details_are_shown_as_such_and_serve_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ward = Ward::on_disk(&dir).await;
    let id = ward.upload(&letters(100)).await;
    let db = Connection::open(dir.path().join("records.db")).unwrap();
    let mut sealed: Vec<u8> = db.query_row("SELECT sealed FROM document WHERE id = ?1", params![id.bytes()], |row| row.get(0)).unwrap();
    sealed[80] ^= 1;
    db.execute("UPDATE document SET sealed = ?2 WHERE id = ?1", params![id.bytes(), sealed]).unwrap();
    assert!(matches!(ward.download(id, None).await.1, Some(Error::Integrity)));
    let (_, views) = ward.app().list_documents(&ward.doctor, ward.patient).await.unwrap();
    assert_eq!(views.len(), 1, "it is not hidden");
    assert_eq!((views[0].badge, views[0].document.is_none()), (Badge::CheckFailed, true));
    assert_eq!(ward.findings().await, ["edited"]);
}

#[tokio::test]
async fn a_version_that_no_key_sealed_serves_nothing() {
    let ward = Ward::new().await;
    let id = ward.upload(b"the real one").await;
    ward.house.overwrite(wardkeep_app::kinds::DOCUMENT, id.bytes(), ward.patient).await;
    let (got, error) = ward.download(id, None).await;
    assert!(matches!(error, Some(Error::Integrity)) && got.is_empty(), "{error:?}");
    assert_eq!(ward.badge(id).await, Badge::CheckFailed);
}

/// Blobs that are staged: (blobs, segments).
fn staged(dir: &TempDir) -> (u32, u32) {
    let db = Connection::open(dir.path().join("records.db")).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |row| row.get(0)).unwrap();
    (count("SELECT count(*) FROM blob WHERE recorded = 0"), count("SELECT count(*) FROM blob_segment"))
}

/// Waits until background work is done; a test that waits for ever fails by its time-out.
async fn nothing_staged(dir: &TempDir) {
    let gone = async {
        while staged(dir) != (0, 0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), gone).await.unwrap();
}

#[tokio::test]
async fn an_upload_that_does_not_end_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ward = Ward::on_disk(&dir).await;
    let mut dropped = ward.begin("letter.txt").await;
    dropped.push(&letters(3 * SEGMENT)).await.unwrap();
    assert_ne!(staged(&dir), (0, 0), "it is streamed, not gathered");
    drop(dropped);
    nothing_staged(&dir).await;
    let mut refused = ward.begin("letter.txt").await;
    refused.push(&letters(2 * SEGMENT)).await.unwrap();
    assert_eq!(fields(&refused.push(&[0; 10_000]).await.unwrap_err()), ["file"]);
    assert_eq!(fields(&refused.finish(ward.doctor.now()).await.unwrap_err()), ["file"], "once refused, always refused");
    nothing_staged(&dir).await;
    assert_eq!(ward.house.stored(wardkeep_app::kinds::DOCUMENT).await, 0);
    assert_eq!(ward.house.events(Class::DocumentUploaded).await, 0);
    assert_eq!(ward.findings().await, Vec::<&str>::new());
}

#[tokio::test]
async fn a_start_sweeps_what_a_crash_left() {
    let key = tempfile::tempdir().unwrap();
    let path = key.path().join("root.key");
    let entropy = wardkeep_app::Entropy::new(ChaCha20Rng::from_seed([8; 32]));
    KeyFile::create(&path, &mut |buffer| entropy.fill(buffer)).unwrap();
    let (control, records) = (Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()));
    let parts = || Parts {
        control: control.clone(),
        records: records.clone(),
        provider: Box::new(KeyFile::open(&path).unwrap()),
        paths: None,
        node: wardkeep_app::hospital::NODE.to_owned(),
    };
    let visit = House::new().await.visit();
    let hospital = Hospital { name: "Test".to_owned(), id: "test".to_owned(), registration_open: false, demo: false };
    drop(App::create(parts(), hospital, &visit).await.unwrap());
    let (id, owner) = (DocId([5; 16]), Owner([6; 16]));
    records.blob_write(id, owner, 0, vec![1; 100]).await.unwrap();
    App::open(parts(), &visit).await.unwrap();
    assert!(records.blob_read(id, 0).await.unwrap().is_none());
}

#[tokio::test]
async fn nothing_is_read_of_an_upload_that_may_not_be() {
    let ward = Ward::new().await;
    let try_begin = async |name: &str, declared: &str, description: &str| {
        ward.app().begin_upload(&ward.doctor, ward.patient, &DocumentForm::new(name, declared, description)).await.map(|_| ())
    };
    let long = "x".repeat(501);
    let bad = [
        ("letter.exe", "", "", vec!["file"]),
        ("letter", "", "", vec!["file"]),
        (".pdf", "", "", vec!["file"]),
        ("letter.svg", "image/svg+xml", "", vec!["file"]),
        ("letter.pdf.html", "text/html", "", vec!["file"]),
        ("letter.pdf", "text/html", "", vec!["file"]),
        ("letter.png", "image/jpeg", "", vec!["file"]),
        ("letter.pdf", "application/pdf", long.as_str(), vec!["description"]),
        ("letter.exe", "", "two\0", vec!["description", "file"]),
    ];
    for (name, declared, description, wrong) in bad {
        let error = try_begin(name, declared, description).await.unwrap_err();
        assert_eq!(fields(&error), wrong, "{name} {declared}");
    }
    try_begin("letter.pdf", "application/octet-stream", "").await.unwrap();
    let nurse = ward.house.staff(Role::Nurse, "nurse@test.example").await;
    let stranger = ward.app().begin_upload(&nurse, ward.patient, &DocumentForm::new("letter.pdf", "", "")).await;
    assert!(matches!(stranger, Err(Error::Denied(_) | Error::NotFound)), "not in care: {stranger:?}");
    let nobody = PatientId::from_bytes([9; 16]);
    assert!(ward.app().begin_upload(&ward.doctor, nobody, &DocumentForm::new("letter.pdf", "", "")).await.is_err());
}

#[tokio::test]
async fn an_empty_and_an_endless_file_are_refused() {
    let ward = Ward::new().await;
    let empty = ward.begin("letter.txt").await.finish(ward.doctor.now()).await.unwrap_err();
    assert_eq!(fields(&empty), ["file"]);
    let mut endless = ward.begin("letter.txt").await;
    let portion = letters(SEGMENT);
    let mut sent = 0;
    let error = loop {
        match endless.push(&portion).await {
            Ok(()) => sent += portion.len() as u64,
            Err(error) => break error,
        }
    };
    assert_eq!(fields(&error), ["file"]);
    assert_eq!(sent, FILE_BYTES_MAX, "refused with the first byte too many");
}

#[tokio::test]
async fn a_patient_has_no_more_documents_than_can_be_listed() {
    let ward = Ward::new().await;
    for _ in 0..DOCUMENTS_MAX {
        ward.upload(b"x").await;
    }
    let full = ward.app().begin_upload(&ward.doctor, ward.patient, &DocumentForm::new("one-more.txt", "", "")).await.unwrap_err();
    assert_eq!(fields(&full), ["file"]);
    let (_, views) = ward.app().list_documents(&ward.doctor, ward.patient).await.unwrap();
    assert_eq!(views.len(), DOCUMENTS_MAX, "every one can be reached");
}

#[tokio::test]
async fn a_document_is_found_with_its_own_patient_alone() {
    let ward = Ward::new().await;
    let id = ward.upload(b"private").await;
    let app = ward.app();
    assert!(matches!(app.read_document(&ward.doctor, ward.other, id).await, Err(Error::NotFound)));
    assert!(matches!(app.download(&ward.doctor, ward.other, id, None).await, Err(Error::NotFound)));
    assert!(matches!(app.void_document(&ward.doctor, ward.other, id, 1, "wrong patient").await, Err(Error::NotFound)));
    let unknown = DocumentId::from_bytes([3; 16]);
    assert!(matches!(app.read_document(&ward.doctor, ward.patient, unknown).await, Err(Error::NotFound)));
    assert!(app.list_documents(&ward.doctor, ward.other).await.unwrap().1.is_empty());
}

#[tokio::test]
async fn a_doctor_voids_with_a_reason_and_the_file_stays() {
    let ward = Ward::new().await;
    let (old, new) = (ward.upload(b"filed wrongly").await, ward.upload(b"newer").await);
    let (app, doctor, patient) = (ward.app(), &ward.doctor, ward.patient);
    let nurse = ward.house.staff(Role::Nurse, "nurse@test.example").await;
    app.assign_care(doctor, patient, "nurse@test.example").await.unwrap();
    assert!(matches!(app.void_document(&nurse, patient, old, 1, "a good reason").await, Err(Error::Denied(_))));
    assert_eq!(fields(&app.void_document(doctor, patient, old, 1, "no").await.unwrap_err()), ["reason"]);
    assert!(matches!(app.void_document(doctor, patient, old, 2, "a good reason").await, Err(Error::Conflict { current: 1 })));
    app.void_document(doctor, patient, old, 1, "wrong patient's letter").await.unwrap();
    assert!(matches!(app.void_document(doctor, patient, old, 1, "once more").await, Err(Error::Conflict { current: 2 })));
    assert!(matches!(app.void_document(doctor, patient, old, 2, "once more").await, Err(Error::Refused(_))));
    let (_, views) = app.list_documents(doctor, patient).await.unwrap();
    assert_eq!(views.iter().map(|view| view.id).collect::<Vec<_>>(), [new, old], "voiding does not make it newer");
    let state = DocumentState::Voided { reason: "wrong patient's letter".to_owned() };
    assert!(views[1].document.as_ref().is_some_and(|document| document.state == state));
    assert_eq!(views[1].version, 2);
    assert_eq!(ward.download(old, None).await.0, b"filed wrongly");
    assert_eq!(ward.house.events(Class::DocumentVoided).await, 1);
    assert_eq!(ward.findings().await, Vec::<&str>::new());
}

#[tokio::test]
async fn an_upload_is_logged_at_the_time_it_ended() {
    let ward = Ward::new().await;
    let mut upload = ward.begin("letter.txt").await;
    ward.house.wait_ms(600_000);
    upload.push(b"slow line").await.unwrap();
    let now = ward.house.visit().now;
    let id = upload.finish(now).await.unwrap();
    let (_, view, _) = ward.app().read_document(&ward.doctor, ward.patient, id).await.unwrap();
    assert_eq!(view.document.unwrap().uploaded_at, now);
}

#[test]
fn no_way_of_cutting_an_upload_changes_what_is_kept() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ward = runtime.block_on(Ward::new());
    let bytes = letters(SEGMENT + 3 * CHUNK + 17);
    proptest!(ProptestConfig::with_cases(12), |(sizes in proptest::collection::vec(prop_oneof![1..300_usize, 1..300_000_usize], 1..8))| {
        runtime.block_on(async {
            let mut upload = ward.begin("letter.txt").await;
            let (mut rest, mut size) = (bytes.as_slice(), sizes.iter().cycle());
            while !rest.is_empty() {
                // Small portions at the start alone: a megabyte of them takes long.
                let wanted = if bytes.len() - rest.len() < 50_000 { *size.next().unwrap() } else { 100_000 + size.next().unwrap() };
                let (now, later) = rest.split_at(rest.len().min(wanted));
                upload.push(now).await.unwrap();
                rest = later;
            }
            let id = upload.finish(ward.doctor.now()).await.unwrap();
            assert!(ward.download(id, None).await.0 == bytes);
        });
    });
}
