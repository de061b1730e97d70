//! Ways to tamper with the files of a hospital, by somebody who can write them and holds no key.
//!
//! Each takes the dice and says what it did, or `None` when these dice found nothing to change.

use std::fs;
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use rusqlite::{Connection, OptionalExtension, params};

use crate::tamper_edits_log as log;

/// Somebody with write access to the files.
pub(crate) struct Hand<'a> {
    pub dice: ChaCha20Rng,
    /// The hospital that is tampered with.
    pub dir: &'a Path,
    /// An earlier copy of it.
    pub older: &'a Path,
    /// Another hospital of the same program.
    pub other: &'a Path,
}

/// A row of the document table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) seq: i64,
    pub(crate) kind: i64,
    pub(crate) id: Vec<u8>,
    pub(crate) version: i64,
}

pub(crate) type Done = Option<String>;
type Edit = fn(&mut Hand<'_>) -> Done;

/// All of them; the name is what a failure prints.
pub(crate) const EDITS: &[(&str, Edit)] = &[
    ("flip a bit of sealed bytes", flip_sealed),
    ("truncate sealed bytes", truncate_sealed),
    ("append to sealed bytes", append_sealed),
    ("delete a version", delete_version),
    ("delete a document with its terms", delete_document),
    ("delete an event", delete_event),
    ("swap the order of two documents", swap_seq),
    ("swap sealed bytes within a kind", swap_within_kind),
    ("swap sealed bytes between versions", swap_versions),
    ("swap sealed bytes between kinds", swap_between_kinds),
    ("swap owners", swap_owners),
    ("change an owner", change_owner),
    ("change a kind", change_kind),
    ("change an id", change_id),
    ("shorten an id", shorten_id),
    ("duplicate under a new id", duplicate_as_new),
    ("duplicate as the next version", duplicate_as_next),
    ("roll back to the version before", roll_back),
    ("move the current flag", move_current),
    ("edit the terms of a document", edit_packed_terms),
    ("delete an index row", delete_term),
    ("insert an index row", insert_term),
    ("point the index at an older version", redirect_terms),
    ("take terms away everywhere", strip_terms),
    ("swap terms of two documents", swap_terms),
    ("delete a unique term", delete_unique),
    ("give a unique term to another document", steal_unique),
    ("flip a bit of a leaf", log::flip_leaf),
    ("truncate a leaf", log::truncate_leaf),
    ("delete a log row", log::delete_log_row),
    ("cut the log's end off", log::cut_log),
    ("swap two leaves", log::swap_leaves),
    ("swap the events of two log rows", log::swap_log_events),
    ("repeat a leaf at the end", log::repeat_leaf),
    ("change a running number of a log row", log::change_subject_number),
    ("flip a bit of a tile", log::flip_tile),
    ("delete a tile", log::delete_tile),
    ("lengthen a tile", log::lengthen_tile),
    ("change the size of the log", log::change_size),
    ("change the root of the log", log::change_root),
    ("rename the log", log::rename_stream),
    ("change a running number's counter", log::change_counter),
    ("delete a running number's counter", log::delete_counter),
    ("change a commit time", log::change_clock),
    ("delete a commit time", log::delete_clock),
    ("insert a commit time", log::insert_clock),
    ("wind the commit sequence back", log::wind_back_sequence),
    ("edit the stored checkpoint", log::edit_checkpoint),
    ("delete the stored checkpoint", log::delete_checkpoint),
    ("put the older checkpoint back", log::older_stored_checkpoint),
    ("edit a wrapped patient key", log::edit_patient_key),
    ("delete a wrapped patient key", log::delete_patient_key),
    ("swap two wrapped patient keys", log::swap_patient_keys),
    ("edit the store key", log::edit_store_key),
    ("plant a trigger", log::plant_trigger),
    ("drop an index", log::drop_index),
    ("claim a newer schema", log::newer_schema),
    ("cut the file", log::cut_file),
    ("roll one store back", log::roll_one_store_back),
    ("roll both stores back", log::roll_both_stores_back),
    ("roll one store and its published log back", log::roll_one_side_back),
    ("take the control store of another hospital", log::foreign_control),
    ("edit a published file", log::edit_published),
    ("truncate a published file", log::truncate_published),
    ("delete a published file", log::delete_published),
    ("put an older published checkpoint back", log::older_published_checkpoint),
    ("swap published checkpoints", log::swap_published_checkpoints),
    ("remove a published stream", log::remove_published_stream),
    ("edit a file's segment", log::edit_segment),
    ("delete a file's segment", log::delete_segment),
    ("add a segment to a file", log::add_segment),
    ("take a file out of the record", log::unrecord_blob),
    ("swap two files' segments", log::swap_segments),
];

pub(crate) const STORES: [&str; 2] = ["control", "records"];

impl Hand<'_> {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.dice.next_u64() % bound.max(1) as u64) as usize
    }
    pub(crate) fn store(&mut self) -> (&'static str, Connection) {
        let side = STORES[self.below(2)];
        (side, self.open(side))
    }
    pub(crate) fn open(&self, side: &str) -> Connection {
        Connection::open(self.dir.join(format!("{side}.db"))).unwrap()
    }
    /// A random row of a table or part of one.
    pub(crate) fn row(&mut self, db: &Connection, from: &str) -> Option<Row> {
        let count: i64 = db.query_row(&format!("SELECT COUNT(*) FROM {from}"), [], |row| row.get(0)).unwrap();
        if count == 0 {
            return None;
        }
        let sql = format!("SELECT seq, kind, id, version FROM {from} ORDER BY seq LIMIT 1 OFFSET {}", self.below(count as usize));
        let row = db.query_row(&sql, [], |row| Ok(Row { seq: row.get(0)?, kind: row.get(1)?, id: row.get(2)?, version: row.get(3)? }));
        Some(row.unwrap())
    }
    /// Two different rows.
    pub(crate) fn pair(&mut self, db: &Connection, from: &str) -> Option<(Row, Row)> {
        let (one, two) = (self.row(db, from)?, self.row(db, from)?);
        (one.seq != two.seq).then_some((one, two))
    }
    pub(crate) fn flip(&mut self, bytes: &mut [u8]) {
        let at = self.below(bytes.len());
        bytes[at] ^= 1 << self.below(8);
    }
    /// A random row id (or key) of any table by offset: the value of one column.
    pub(crate) fn value<T: rusqlite::types::FromSql>(&mut self, db: &Connection, column: &str, from: &str) -> Option<T> {
        let count: i64 = db.query_row(&format!("SELECT COUNT(*) FROM {from}"), [], |row| row.get(0)).unwrap();
        let sql = format!("SELECT {column} FROM {from} ORDER BY 1 LIMIT 1 OFFSET {}", self.below(count as usize));
        db.query_row(&sql, [], |row| row.get(0)).optional().unwrap()
    }
    pub(crate) fn published(&mut self) -> Option<PathBuf> {
        let mut files = Vec::new();
        walk(&self.dir.join("ledger"), &mut files);
        files.retain(|file| file.file_name().is_some_and(|name| name != "log.vkey"));
        let at = self.below(files.len());
        files.get(at).cloned()
    }
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() { walk(&entry, files) } else { files.push(entry) }
    }
}

pub(crate) fn sealed(db: &Connection, seq: i64) -> Vec<u8> {
    db.query_row("SELECT sealed FROM document WHERE seq = ?1", [seq], |row| row.get(0)).unwrap()
}

pub(crate) fn put_sealed(db: &Connection, seq: i64, bytes: &[u8]) {
    db.execute("UPDATE document SET sealed = ?2 WHERE seq = ?1", params![seq, bytes]).unwrap();
}

/// Runs a change and says `what` when it changed at least one row.
pub(crate) fn change(db: &Connection, sql: &str, params: impl rusqlite::Params, what: impl Into<String>) -> Done {
    (db.execute(sql, params).unwrap() > 0).then(|| what.into())
}

fn flip_sealed(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document")?;
    let mut bytes = sealed(&db, row.seq);
    hand.flip(&mut bytes);
    put_sealed(&db, row.seq, &bytes);
    Some(format!("{side} {row:?}"))
}

fn truncate_sealed(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document")?;
    let mut bytes = sealed(&db, row.seq);
    bytes.truncate(hand.below(bytes.len()));
    put_sealed(&db, row.seq, &bytes);
    Some(format!("{side} {row:?} to {}", bytes.len()))
}

fn append_sealed(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document")?;
    let mut bytes = sealed(&db, row.seq);
    bytes.push(0);
    put_sealed(&db, row.seq, &bytes);
    Some(format!("{side} {row:?}"))
}

pub(crate) fn forget(db: &Connection, row: &Row) {
    db.execute("DELETE FROM term WHERE kind = ?1 AND seq = ?2", params![row.kind, row.seq]).unwrap();
    db.execute("DELETE FROM document WHERE seq = ?1", [row.seq]).unwrap();
}

fn delete_version(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document")?;
    db.execute("DELETE FROM document WHERE seq = ?1", [row.seq]).unwrap();
    Some(format!("{side} {row:?}"))
}

fn delete_document(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document WHERE kind <> 90")?;
    db.execute("DELETE FROM unique_term WHERE kind = ?1 AND id = ?2", params![row.kind, row.id]).unwrap();
    while let Some(version) = hand.row(&db, &format!("document WHERE kind = {} AND id = x'{}'", row.kind, hex(&row.id))) {
        forget(&db, &version);
    }
    Some(format!("{side} {row:?}"))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn delete_event(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document WHERE kind = 90")?;
    forget(&db, &row);
    Some(format!("{side} {row:?}"))
}

fn swap_seq(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let (one, two) = hand.pair(&db, "document")?;
    for (table, column) in [("document", "seq"), ("term", "seq")] {
        for (from, to) in [(one.seq, -1), (two.seq, one.seq), (-1, two.seq)] {
            db.execute(&format!("UPDATE {table} SET {column} = ?2 WHERE {column} = ?1"), [from, to]).unwrap();
        }
    }
    Some(format!("{side} {one:?} {two:?}"))
}

pub(crate) fn swap_sealed(db: &Connection, side: &str, one: &Row, two: &Row) -> Done {
    let (first, second) = (sealed(db, one.seq), sealed(db, two.seq));
    put_sealed(db, one.seq, &second);
    put_sealed(db, two.seq, &first);
    (first != second).then(|| format!("{side} {one:?} {two:?}"))
}

fn swap_within_kind(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let kind = hand.row(&db, "document")?.kind;
    let (one, two) = hand.pair(&db, &format!("document WHERE kind = {kind}"))?;
    swap_sealed(&db, side, &one, &two)
}

fn swap_versions(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let two = hand.row(&db, "document WHERE version > 1")?;
    let one = hand.row(&db, &format!("document WHERE kind = {} AND id = x'{}' AND version < {}", two.kind, hex(&two.id), two.version))?;
    swap_sealed(&db, side, &one, &two)
}

fn swap_between_kinds(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let (one, two) = hand.pair(&db, "document")?;
    if one.kind == two.kind { None } else { swap_sealed(&db, side, &one, &two) }
}

fn swap_owners(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let (one, two) = hand.pair(&db, "document")?;
    let owner = |seq: i64| -> Vec<u8> { db.query_row("SELECT owner FROM document WHERE seq = ?1", [seq], |row| row.get(0)).unwrap() };
    let (first, second) = (owner(one.seq), owner(two.seq));
    for (seq, owner) in [(one.seq, &second), (two.seq, &first)] {
        db.execute("UPDATE document SET owner = ?2 WHERE seq = ?1", params![seq, owner]).unwrap();
    }
    (first != second).then(|| format!("{side} {one:?} {two:?}"))
}

fn change_owner(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document")?;
    change(&db, "UPDATE document SET owner = randomblob(16) WHERE seq = ?1", [row.seq], format!("{side} {row:?}"))
}

fn change_kind(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document")?;
    let kind = [10, 12, 40, 42, 90][hand.below(5)];
    let sql = "UPDATE OR IGNORE document SET kind = ?2 WHERE seq = ?1 AND kind <> ?2";
    change(&db, sql, [row.seq, kind], format!("{side} {row:?} to {kind}"))
}

fn change_id(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document")?;
    change(&db, "UPDATE document SET id = randomblob(16) WHERE seq = ?1", [row.seq], format!("{side} {row:?}"))
}

fn shorten_id(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document")?;
    change(&db, "UPDATE document SET id = substr(id, 1, 15) WHERE seq = ?1", [row.seq], format!("{side} {row:?}"))
}

/// A copy of a row at the end of the store, found like the original.
pub(crate) fn copy_row(db: &Connection, row: &Row, id: &[u8], version: i64) -> rusqlite::Result<()> {
    let seq: i64 = db.query_row("UPDATE sequence SET seq = seq + 1 RETURNING seq", [], |row| row.get(0))?;
    let sql = "INSERT INTO document SELECT ?2, kind, ?3, owner, ?4, current, terms, uniques, sealed FROM document WHERE seq = ?1";
    db.execute(sql, params![row.seq, seq, id, version])?;
    db.execute("INSERT INTO term SELECT kind, term, ?2 FROM term WHERE seq = ?1", [row.seq, seq])?;
    Ok(())
}

fn duplicate_as_new(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document WHERE version = 1 AND current = 1")?;
    let mut id = row.id.clone();
    hand.flip(&mut id);
    copy_row(&db, &row, &id, 1).unwrap();
    Some(format!("{side} {row:?}"))
}

fn duplicate_as_next(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document WHERE current = 1")?;
    copy_row(&db, &row, &row.id, row.version + 1).unwrap();
    db.execute("UPDATE document SET current = 0 WHERE seq = ?1", [row.seq]).unwrap();
    db.execute("DELETE FROM term WHERE seq = ?1", [row.seq]).unwrap();
    Some(format!("{side} {row:?}"))
}

/// The careful way: the version before becomes the current one in every table.
fn roll_back(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document WHERE version > 1 AND current = 1")?;
    let sql = "SELECT seq, terms, uniques FROM document WHERE kind = ?1 AND id = ?2 AND version = ?3";
    let before: (i64, Vec<u8>, Vec<u8>) =
        db.query_row(sql, params![row.kind, row.id, row.version - 1], |found| Ok((found.get(0)?, found.get(1)?, found.get(2)?))).unwrap();
    forget(&db, &row);
    db.execute("UPDATE document SET current = 1 WHERE seq = ?1", [before.0]).unwrap();
    db.execute("DELETE FROM unique_term WHERE kind = ?1 AND id = ?2", params![row.kind, row.id]).unwrap();
    for term in before.1.chunks(16).chain(before.2.chunks(16)) {
        db.execute("INSERT OR IGNORE INTO term VALUES (?1, ?2, ?3)", params![row.kind, term, before.0]).unwrap();
    }
    for term in before.2.chunks(16) {
        db.execute("INSERT OR IGNORE INTO unique_term VALUES (?1, ?2, ?3)", params![row.kind, term, row.id]).unwrap();
    }
    Some(format!("{side} {row:?}"))
}

fn move_current(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document WHERE version > 1 AND current = 1")?;
    db.execute("UPDATE document SET current = (version = ?3) WHERE kind = ?1 AND id = ?2", params![row.kind, row.id, row.version - 1])
        .unwrap();
    Some(format!("{side} {row:?}"))
}

fn edit_packed_terms(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document WHERE length(terms) > 0 AND current = 1")?;
    let mut terms: Vec<u8> = db.query_row("SELECT terms FROM document WHERE seq = ?1", [row.seq], |row| row.get(0)).unwrap();
    hand.flip(&mut terms);
    change(&db, "UPDATE document SET terms = ?2 WHERE seq = ?1", params![row.seq, terms], format!("{side} {row:?}"))
}

fn delete_term(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let term: Vec<u8> = hand.value(&db, "term", "term")?;
    change(&db, "DELETE FROM term WHERE term = ?1", [&term], format!("{side} {}", hex(&term)))
}

fn insert_term(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let (one, two) = hand.pair(&db, "document WHERE current = 1 AND kind <> 90")?;
    let sql = "INSERT OR IGNORE INTO term SELECT kind, term, ?2 FROM term WHERE seq = ?1";
    change(&db, sql, [one.seq, two.seq], format!("{side} terms of {one:?} also find {two:?}"))
}

fn redirect_terms(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document WHERE version > 1 AND current = 1")?;
    let sql = "UPDATE term SET seq = (SELECT seq FROM document WHERE kind = ?1 AND id = ?2 AND version = ?3) WHERE seq = ?4";
    change(&db, sql, params![row.kind, row.id, row.version - 1, row.seq], format!("{side} {row:?}"))
}

/// The careful way: the index and the row agree that there never were terms.
fn strip_terms(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row = hand.row(&db, "document WHERE length(terms) + length(uniques) > 0 AND current = 1")?;
    db.execute("UPDATE document SET terms = x'', uniques = x'' WHERE seq = ?1", [row.seq]).unwrap();
    db.execute("DELETE FROM unique_term WHERE kind = ?1 AND id = ?2", params![row.kind, row.id]).unwrap();
    change(&db, "DELETE FROM term WHERE seq = ?1", [row.seq], format!("{side} {row:?}"))
}

/// The careful way: the index and the rows agree on each other's terms.
fn swap_terms(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let kind = hand.row(&db, "document WHERE length(terms) > 0")?.kind;
    let (one, two) = hand.pair(&db, &format!("document WHERE kind = {kind} AND current = 1"))?;
    let terms = |seq: i64| -> Vec<u8> { db.query_row("SELECT terms FROM document WHERE seq = ?1", [seq], |row| row.get(0)).unwrap() };
    let (first, second) = (terms(one.seq), terms(two.seq));
    for (seq, old, new) in [(one.seq, &first, &second), (two.seq, &second, &first)] {
        db.execute("UPDATE document SET terms = ?2 WHERE seq = ?1", params![seq, new]).unwrap();
        for term in old.chunks(16) {
            db.execute("DELETE FROM term WHERE kind = ?1 AND term = ?2 AND seq = ?3", params![kind, term, seq]).unwrap();
        }
        for term in new.chunks(16) {
            db.execute("INSERT OR IGNORE INTO term VALUES (?1, ?2, ?3)", params![kind, term, seq]).unwrap();
        }
    }
    (first != second).then(|| format!("{side} {one:?} {two:?}"))
}

fn delete_unique(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let term: Vec<u8> = hand.value(&db, "term", "unique_term")?;
    change(&db, "DELETE FROM unique_term WHERE term = ?1", [&term], format!("{side} {}", hex(&term)))
}

fn steal_unique(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let term: Vec<u8> = hand.value(&db, "term", "unique_term")?;
    let row = hand.row(&db, "document WHERE current = 1")?;
    let sql = "UPDATE unique_term SET id = ?2 WHERE term = ?1 AND id <> ?2";
    change(&db, sql, params![term, row.id], format!("{side} {} to {row:?}", hex(&term)))
}

pub(crate) fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy_all(&entry.path(), &target) } else { assert!(fs::copy(entry.path(), target).is_ok()) }
    }
}
