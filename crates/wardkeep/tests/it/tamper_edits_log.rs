//! Tampering with the log, the keys, whole files and what is published.

use std::fs;
use std::path::PathBuf;

use rusqlite::types::Value;
use rusqlite::{Connection, params};

use crate::tamper_edits::{Done, Hand, STORES, change, copy_all, copy_row, forget, hex, put_sealed, sealed, swap_sealed};

fn index(hand: &mut Hand<'_>, db: &Connection) -> i64 {
    hand.value(db, "idx", "ledger").unwrap()
}

fn leaf(db: &Connection, idx: i64) -> Vec<u8> {
    db.query_row("SELECT leaf FROM ledger WHERE idx = ?1", [idx], |row| row.get(0)).unwrap()
}

pub(crate) fn flip_leaf(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let idx = index(hand, &db);
    let mut bytes = leaf(&db, idx);
    hand.flip(&mut bytes);
    change(&db, "UPDATE ledger SET leaf = ?2 WHERE idx = ?1", params![idx, bytes], format!("{side} {idx}"))
}

pub(crate) fn truncate_leaf(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let idx = index(hand, &db);
    change(&db, "UPDATE ledger SET leaf = substr(leaf, 1, length(leaf) - 1) WHERE idx = ?1", [idx], format!("{side} {idx}"))
}

pub(crate) fn delete_log_row(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let idx = index(hand, &db);
    change(&db, "DELETE FROM ledger WHERE idx = ?1", [idx], format!("{side} {idx}"))
}

pub(crate) fn cut_log(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let idx = index(hand, &db);
    db.execute("UPDATE stream SET size = ?1", [idx]).unwrap();
    change(&db, "DELETE FROM ledger WHERE idx >= ?1", [idx], format!("{side} from {idx}"))
}

fn swap_columns(hand: &mut Hand<'_>, column: &str) -> Done {
    let (side, db) = hand.store();
    let (one, two) = (index(hand, &db), index(hand, &db));
    let read =
        |idx: i64| -> Vec<u8> { db.query_row(&format!("SELECT {column} FROM ledger WHERE idx = ?1"), [idx], |row| row.get(0)).unwrap() };
    let (first, second) = (read(one), read(two));
    for (idx, value) in [(one, second), (two, first)] {
        db.execute(&format!("UPDATE ledger SET {column} = ?2 WHERE idx = ?1"), params![idx, value]).unwrap();
    }
    (one != two).then(|| format!("{side} {one} {two}"))
}

pub(crate) fn swap_leaves(hand: &mut Hand<'_>) -> Done {
    swap_columns(hand, "leaf")
}

pub(crate) fn swap_log_events(hand: &mut Hand<'_>) -> Done {
    swap_columns(hand, "event")
}

pub(crate) fn repeat_leaf(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let idx = index(hand, &db);
    // Beyond what the next start will append, so that it is not in its way.
    let sql = "INSERT INTO ledger SELECT stream, (SELECT size + 1000 FROM stream), event, subject_number, leaf FROM ledger WHERE idx = ?1";
    change(&db, sql, [idx], format!("{side} {idx}"))
}

pub(crate) fn change_subject_number(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let idx = index(hand, &db);
    let sql = "UPDATE ledger SET subject_number = subject_number + 1 WHERE idx = ?1 AND subject_number IS NOT NULL";
    change(&db, sql, [idx], format!("{side} {idx}"))
}

pub(crate) fn flip_tile(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row: i64 = hand.value(&db, "rowid", "tile")?;
    let mut bytes: Vec<u8> = db.query_row("SELECT hashes FROM tile WHERE rowid = ?1", [row], |row| row.get(0)).unwrap();
    hand.flip(&mut bytes);
    change(&db, "UPDATE tile SET hashes = ?2 WHERE rowid = ?1", params![row, bytes], format!("{side} {row}"))
}

pub(crate) fn delete_tile(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let row: i64 = hand.value(&db, "rowid", "tile")?;
    change(&db, "DELETE FROM tile WHERE rowid = ?1", [row], format!("{side} {row}"))
}

pub(crate) fn lengthen_tile(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    // A full one: a partial one is written anew at the next commit.
    let row: i64 = hand.value(&db, "rowid", "tile WHERE length(hashes) = 8192")?;
    change(&db, "UPDATE tile SET hashes = CAST(hashes || zeroblob(32) AS BLOB) WHERE rowid = ?1", [row], format!("{side} {row}"))
}

pub(crate) fn change_size(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let by = [-3, -1, 1, 2, 250][hand.below(5)];
    change(&db, "UPDATE stream SET size = size + ?1", [by], format!("{side} by {by}"))
}

pub(crate) fn change_root(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    change(&db, "UPDATE stream SET root = randomblob(32)", [], side)
}

pub(crate) fn rename_stream(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    change(&db, "UPDATE stream SET name = 'records.other'", [], side)
}

fn counter_key(hand: &mut Hand<'_>, db: &Connection) -> Option<Vec<u8>> {
    hand.value(db, "key", "counter")
}

pub(crate) fn change_counter(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let key = counter_key(hand, &db)?;
    // More than one step, so that reading a chart meanwhile cannot make it right again.
    let by = [-1, 100][hand.below(2)];
    change(&db, "UPDATE counter SET value = value + ?2 WHERE key = ?1", params![key, by], format!("{side} by {by}"))
}

pub(crate) fn delete_counter(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let key = counter_key(hand, &db)?;
    change(&db, "DELETE FROM counter WHERE key = ?1", [key], side)
}

pub(crate) fn change_clock(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let time: i64 = hand.value(&db, "time_ms", "clock")?;
    let sql = ["UPDATE clock SET time_ms = time_ms + 1 WHERE time_ms = ?1", "UPDATE clock SET seq = seq + 20 WHERE time_ms = ?1"];
    change(&db, sql[hand.below(2)], [time], format!("{side} {time}"))
}

pub(crate) fn delete_clock(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let time: i64 = hand.value(&db, "time_ms", "clock")?;
    change(&db, "DELETE FROM clock WHERE time_ms = ?1", [time], format!("{side} {time}"))
}

pub(crate) fn insert_clock(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let time: i64 = hand.value(&db, "time_ms", "clock")?;
    change(&db, "INSERT OR IGNORE INTO clock SELECT time_ms + 7, seq FROM clock WHERE time_ms = ?1", [time], format!("{side} {time}"))
}

pub(crate) fn wind_back_sequence(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let by = 1 + hand.below(20) as i64;
    change(&db, "UPDATE sequence SET seq = (SELECT MAX(seq) FROM document) - ?1", [by], format!("{side} by {by}"))
}

pub(crate) fn edit_checkpoint(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let note: String = db.query_row("SELECT note FROM checkpoint", [], |row| row.get(0)).unwrap();
    let mut bytes = note.into_bytes();
    let at = hand.below(bytes.len());
    bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
    change(&db, "UPDATE checkpoint SET note = ?1", [String::from_utf8_lossy(&bytes)], format!("{side} at {at}"))
}

pub(crate) fn delete_checkpoint(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    change(&db, "DELETE FROM checkpoint", [], side)
}

pub(crate) fn older_stored_checkpoint(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    let older = Connection::open(hand.older.join(format!("{side}.db"))).unwrap();
    let note: String = older.query_row("SELECT note FROM checkpoint", [], |row| row.get(0)).unwrap();
    change(&db, "UPDATE checkpoint SET note = ?1", [note], side)
}

pub(crate) fn edit_patient_key(hand: &mut Hand<'_>) -> Done {
    let db = hand.open("control");
    let row = hand.row(&db, "document WHERE kind = 4")?;
    let mut bytes = sealed(&db, row.seq);
    hand.flip(&mut bytes);
    put_sealed(&db, row.seq, &bytes);
    Some(format!("{row:?}"))
}

pub(crate) fn delete_patient_key(hand: &mut Hand<'_>) -> Done {
    let db = hand.open("control");
    let row = hand.row(&db, "document WHERE kind = 4")?;
    forget(&db, &row);
    Some(format!("{row:?}"))
}

pub(crate) fn swap_patient_keys(hand: &mut Hand<'_>) -> Done {
    let db = hand.open("control");
    let (one, two) = hand.pair(&db, "document WHERE kind = 4")?;
    swap_sealed(&db, "control", &one, &two)
}

pub(crate) fn edit_store_key(hand: &mut Hand<'_>) -> Done {
    let db = hand.open("control");
    let row = hand.row(&db, "document WHERE kind IN (1, 2, 3)")?;
    let mut bytes = sealed(&db, row.seq);
    hand.flip(&mut bytes);
    put_sealed(&db, row.seq, &bytes);
    Some(format!("{row:?}"))
}

pub(crate) fn plant_trigger(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    db.execute_batch("CREATE TRIGGER helper AFTER INSERT ON document BEGIN DELETE FROM document WHERE kind = 99; END").unwrap();
    Some(side.to_owned())
}

pub(crate) fn drop_index(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    db.execute_batch("DROP INDEX document_version").unwrap();
    let row = hand.row(&db, "document")?;
    // What the index forbade: the same version twice.
    copy_row(&db, &row, &row.id, row.version).unwrap();
    Some(format!("{side} {row:?}"))
}

pub(crate) fn newer_schema(hand: &mut Hand<'_>) -> Done {
    let (side, db) = hand.store();
    db.pragma_update(None, "user_version", 99).unwrap();
    Some(side.to_owned())
}

pub(crate) fn cut_file(hand: &mut Hand<'_>) -> Done {
    let side = STORES[hand.below(2)];
    let path = hand.dir.join(format!("{side}.db"));
    let length = fs::metadata(&path).unwrap().len();
    let left = length * (hand.below(90) as u64 + 5) / 100;
    fs::File::options().write(true).open(&path).unwrap().set_len(left).unwrap();
    Some(format!("{side} {length} to {left}"))
}

fn restore(hand: &Hand<'_>, side: &str) {
    fs::copy(hand.older.join(format!("{side}.db")), hand.dir.join(format!("{side}.db"))).unwrap();
}

pub(crate) fn roll_one_store_back(hand: &mut Hand<'_>) -> Done {
    let side = STORES[hand.below(2)];
    restore(hand, side);
    Some(side.to_owned())
}

pub(crate) fn roll_both_stores_back(hand: &mut Hand<'_>) -> Done {
    STORES.iter().for_each(|side| restore(hand, side));
    Some("both".to_owned())
}

/// The other store's log has noted how far this one was.
pub(crate) fn roll_one_side_back(hand: &mut Hand<'_>) -> Done {
    let side = STORES[hand.below(2)];
    restore(hand, side);
    let stream = PathBuf::from("ledger").join(format!("{side}.main"));
    fs::remove_dir_all(hand.dir.join(&stream)).unwrap();
    copy_all(&hand.older.join(&stream), &hand.dir.join(&stream));
    Some(side.to_owned())
}

pub(crate) fn foreign_control(hand: &mut Hand<'_>) -> Done {
    fs::copy(hand.other.join("control.db"), hand.dir.join("control.db")).unwrap();
    Some("control".to_owned())
}

pub(crate) fn edit_published(hand: &mut Hand<'_>) -> Done {
    let path = hand.published()?;
    let mut bytes = fs::read(&path).unwrap();
    hand.flip(&mut bytes);
    fs::write(&path, bytes).unwrap();
    Some(path.display().to_string())
}

pub(crate) fn truncate_published(hand: &mut Hand<'_>) -> Done {
    let path = hand.published()?;
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(hand.below(bytes.len()));
    fs::write(&path, bytes).unwrap();
    Some(path.display().to_string())
}

pub(crate) fn delete_published(hand: &mut Hand<'_>) -> Done {
    let path = hand.published()?;
    fs::remove_file(&path).unwrap();
    Some(path.display().to_string())
}

pub(crate) fn older_published_checkpoint(hand: &mut Hand<'_>) -> Done {
    let side = STORES[hand.below(2)];
    let path = PathBuf::from("ledger").join(format!("{side}.main/checkpoint"));
    fs::copy(hand.older.join(&path), hand.dir.join(&path)).unwrap();
    Some(side.to_owned())
}

pub(crate) fn swap_published_checkpoints(hand: &mut Hand<'_>) -> Done {
    let path = |side: &str| hand.dir.join("ledger").join(format!("{side}.main/checkpoint"));
    let (one, two) = (fs::read(path("control")).unwrap(), fs::read(path("records")).unwrap());
    fs::write(path("control"), two).unwrap();
    fs::write(path("records"), one).unwrap();
    Some("both".to_owned())
}

pub(crate) fn remove_published_stream(hand: &mut Hand<'_>) -> Done {
    let side = STORES[hand.below(2)];
    fs::remove_dir_all(hand.dir.join("ledger").join(format!("{side}.main"))).unwrap();
    Some(side.to_owned())
}

fn segment(hand: &mut Hand<'_>, db: &Connection) -> Option<i64> {
    hand.value(db, "rowid", "blob_segment")
}

pub(crate) fn edit_segment(hand: &mut Hand<'_>) -> Done {
    let db = hand.open("records");
    let row = segment(hand, &db)?;
    let mut bytes: Vec<u8> = db.query_row("SELECT bytes FROM blob_segment WHERE rowid = ?1", [row], |row| row.get(0)).unwrap();
    hand.flip(&mut bytes);
    change(&db, "UPDATE blob_segment SET bytes = ?2 WHERE rowid = ?1", params![row, bytes], row.to_string())
}

pub(crate) fn delete_segment(hand: &mut Hand<'_>) -> Done {
    let db = hand.open("records");
    let row = segment(hand, &db)?;
    change(&db, "DELETE FROM blob_segment WHERE rowid = ?1", [row], row.to_string())
}

pub(crate) fn add_segment(hand: &mut Hand<'_>) -> Done {
    let db = hand.open("records");
    let row = segment(hand, &db)?;
    let by = 1 + hand.below(2) as i64;
    let sql = "INSERT OR IGNORE INTO blob_segment SELECT id, segment + ?2, bytes FROM blob_segment WHERE rowid = ?1";
    change(&db, sql, [row, by], format!("{row} by {by}"))
}

pub(crate) fn unrecord_blob(hand: &mut Hand<'_>) -> Done {
    let db = hand.open("records");
    let id: Vec<u8> = hand.value(&db, "id", "blob")?;
    change(&db, "UPDATE blob SET recorded = 0 WHERE id = ?1", [&id], hex(&id))
}

pub(crate) fn swap_segments(hand: &mut Hand<'_>) -> Done {
    let db = hand.open("records");
    let (one, two) = (segment(hand, &db)?, segment(hand, &db)?);
    let read = |row: i64| -> Value { db.query_row("SELECT bytes FROM blob_segment WHERE rowid = ?1", [row], |row| row.get(0)).unwrap() };
    let (first, second) = (read(one), read(two));
    for (row, bytes) in [(one, &second), (two, &first)] {
        db.execute("UPDATE blob_segment SET bytes = ?2 WHERE rowid = ?1", params![row, bytes]).unwrap();
    }
    (first != second).then(|| format!("{one} {two}"))
}
