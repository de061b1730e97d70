//! The engine's bookkeeping against itself: whoever edits one table leaves another that disagrees.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};
use wardkeep_ledger::Leaf;
use wardkeep_ledger::tree::TILE_WIDTH;

use super::read::{self, Found};
use super::rows::{self, signed, unsigned};
use super::schema;
use crate::contract::{DocId, Kind, Owner, Seq, Term};
use crate::inspect::{Beside, BlobShape, FLAWS_MAX, Flaw};

pub(crate) fn beside(db: &Connection, after: Seq, limit: usize) -> Found<Vec<Beside>> {
    let mut statement = db.prepare_cached("SELECT seq, terms, uniques, current FROM document WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let found = statement.query_map(params![signed(after.0), rows::limit(limit)], |row| {
        let (terms, unique): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?);
        let list = |packed: &[u8]| rows::terms(packed).collect();
        Ok(Beside { seq: Seq(unsigned(row.get(0)?)), terms: list(&terms), unique: list(&unique), current: row.get(3)? })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(crate) fn counter(db: &Connection, key: [u8; 16]) -> Found<u64> {
    let mut statement = db.prepare_cached("SELECT value FROM counter WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?.map_or(0, unsigned))
}

pub(crate) fn counters(db: &Connection, after: Option<[u8; 16]>, limit: usize) -> Found<Vec<([u8; 16], u64)>> {
    // An empty blob sorts before every key.
    let after = after.map_or(Vec::new(), |key| key.to_vec());
    let mut statement = db.prepare_cached("SELECT key, value FROM counter WHERE key > ?1 ORDER BY key LIMIT ?2")?;
    let found = statement.query_map(params![after, rows::limit(limit)], |row| Ok((row.get(0)?, unsigned(row.get(1)?))))?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(crate) fn sequence(db: &Connection) -> Found<Seq> {
    Ok(Seq(count(db, "SELECT seq FROM sequence")?))
}

pub(crate) fn blob(db: &Connection, id: DocId) -> Found<Option<BlobShape>> {
    let _snapshot = read::snapshot(db)?;
    let mut statement = db.prepare_cached("SELECT owner FROM blob WHERE id = ?1 AND recorded = 1")?;
    let Some(owner) = statement.query_row([id.0], |row| Ok(Owner(row.get(0)?))).optional()? else { return Ok(None) };
    let mut statement = db.prepare_cached("SELECT segment FROM blob_segment WHERE id = ?1 ORDER BY segment")?;
    let segments = statement.query_map([id.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(Some(BlobShape { owner, segments }))
}

pub(crate) fn clock(db: &Connection, after: Option<i64>, limit: usize) -> Found<Vec<(i64, Seq)>> {
    let mut statement = db.prepare_cached("SELECT time_ms, seq FROM clock WHERE time_ms >= ?1 ORDER BY time_ms LIMIT ?2")?;
    let from = after.map_or(i64::MIN, |time| time.saturating_add(1));
    let found = statement.query_map(params![from, rows::limit(limit)], |row| Ok((row.get(0)?, Seq(unsigned(row.get(1)?)))))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// (what is wrong when the query finds a row, the query)
const NEVER: &[(&str, &str)] = &[
    (
        "a document row has an impossible shape",
        "SELECT 1 FROM document WHERE seq < 1 OR kind NOT BETWEEN 0 AND 65535 OR length(id) <> 16 OR length(owner) <> 16 \
         OR version < 1 OR current NOT IN (0, 1) OR length(terms) % 16 <> 0 OR length(uniques) % 16 <> 0",
    ),
    (
        "the versions of a document have a gap, or an older one is marked as the current one",
        "SELECT 1 FROM document GROUP BY kind, id HAVING COUNT(*) <> MAX(version) OR SUM(current) <> 1 \
         OR MAX(version * current) <> MAX(version)",
    ),
    ("the commit sequence is behind the documents", "SELECT 1 FROM document WHERE seq > COALESCE((SELECT seq FROM sequence), 0)"),
    ("a row of the log has an impossible shape", "SELECT 1 FROM ledger WHERE idx < 0 OR length(event) <> 16 OR subject_number < 1"),
    (
        "the log has more or fewer rows than its size says",
        "SELECT 1 FROM stream s WHERE s.size < 1 OR (SELECT COUNT(*) FROM ledger l WHERE l.stream = s.number) <> s.size \
         OR (SELECT MAX(idx) FROM ledger l WHERE l.stream = s.number) <> s.size - 1",
    ),
    (
        "a tile of the log has an impossible shape",
        "SELECT 1 FROM tile WHERE level NOT BETWEEN 0 AND 7 OR idx < 0 OR length(hashes) % 32 <> 0",
    ),
    ("a checkpoint belongs to no stream", "SELECT 1 FROM checkpoint WHERE stream NOT IN (SELECT name FROM stream)"),
    (
        // Commits that put nothing share the sequence of the next document.
        "commit times do not rise with the commit sequence",
        "SELECT 1 FROM (SELECT seq, LAG(seq, 1, 1) OVER (ORDER BY time_ms) before FROM clock) WHERE seq < before",
    ),
    (
        "a file's segments have a gap",
        "SELECT 1 FROM blob b WHERE b.recorded NOT IN (0, 1) OR length(b.id) <> 16 \
         OR (SELECT COUNT(*) FROM blob_segment s WHERE s.id = b.id) <> (SELECT COALESCE(MAX(segment) + 1, 0) FROM blob_segment s WHERE s.id = b.id) \
         OR EXISTS (SELECT 1 FROM blob_segment s WHERE s.id = b.id AND s.segment < 0)",
    ),
];

pub(crate) fn flaws(db: &Connection) -> Found<Vec<Flaw>> {
    // One snapshot for everything.
    let _snapshot = read::snapshot(db)?;
    let mut flaws = Vec::new();
    if !schema::is_ours(db)? {
        flaws.push(Flaw::Store("its tables, indexes or triggers are not those of a wardkeep store".to_owned()));
    }
    let mut statement = db.prepare("PRAGMA integrity_check(10)")?;
    let damage: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    flaws.extend(damage.into_iter().filter(|line| line != "ok").map(|line| Flaw::Store(format!("the file is damaged: {line}"))));
    if db.prepare("PRAGMA foreign_key_check")?.exists([])? {
        flaws.push(Flaw::Store("a row belongs to a stream or file that is not there".to_owned()));
    }
    for (words, sql) in NEVER {
        if db.prepare(sql)?.exists([])? {
            flaws.push(Flaw::Store((*words).to_owned()));
        }
    }
    streams(db, &mut flaws)?;
    index(db, &mut flaws)?;
    flaws.truncate(FLAWS_MAX);
    Ok(flaws)
}

/// The number of tiles follows from the size; the run that is noted wrote the last leaf.
fn streams(db: &Connection, flaws: &mut Vec<Flaw>) -> Found<()> {
    let mut statement = db.prepare("SELECT number, size, boot, next_sequence FROM stream")?;
    let mut streams = statement.query([])?;
    while let Some(row) = streams.next()? {
        let (number, size, boot, next): (i64, i64, Vec<u8>, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let (mut wanted, mut hashes, mut width) = (0, 0, unsigned(size));
        while width > 0 {
            wanted += width.div_ceil(TILE_WIDTH as u64);
            hashes += width;
            width /= TILE_WIDTH as u64;
        }
        let sql = "SELECT COUNT(*), COALESCE(SUM(length(hashes)) / 32, 0) FROM tile WHERE stream = ?1";
        let found: (i64, i64) = db.query_row(sql, [number], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if (unsigned(found.0), unsigned(found.1)) != (wanted, hashes) {
            flaws.push(Flaw::Store("the log has more or fewer tiles than its size calls for".to_owned()));
        }
        let last: Option<Vec<u8>> = db
            .query_row("SELECT leaf FROM ledger WHERE stream = ?1 AND idx = ?2", params![number, size - 1], |row| row.get(0))
            .optional()?;
        let leaf = last.and_then(|bytes| Leaf::decode(&bytes).ok());
        if leaf.is_none_or(|leaf| leaf.boot.as_slice() != boot || signed(leaf.sequence.saturating_add(1)) != next) {
            flaws.push(Flaw::Store("the run that is noted as the last one did not write the log's last entry".to_owned()));
        }
    }
    Ok(())
}

/// Current versions are found by exactly the terms they were put with, all others by none.
fn index(db: &Connection, flaws: &mut Vec<Flaw>) -> Found<()> {
    let mut documents = db.prepare("SELECT seq, kind, id, terms, uniques FROM document WHERE current = 1")?;
    let mut in_index = db.prepare("SELECT 1 FROM term WHERE kind = ?1 AND term = ?2 AND seq = ?3")?;
    let mut holds = db.prepare("SELECT 1 FROM unique_term WHERE kind = ?1 AND term = ?2 AND id = ?3")?;
    let (mut terms, mut uniques) = (0_u64, 0_u64);
    let mut found = documents.query([])?;
    while let Some(row) = found.next()? {
        let (seq, kind): (i64, u16) = (row.get(0)?, row.get(1)?);
        let (id, packed, packed_unique): (Vec<u8>, Vec<u8>, Vec<u8>) = (row.get(2)?, row.get(3)?, row.get(4)?);
        let unique: BTreeSet<Term> = rows::terms(&packed_unique).collect();
        let all: BTreeSet<Term> = rows::terms(&packed).chain(unique.iter().copied()).collect();
        let mut sound = true;
        for term in &all {
            sound &= in_index.exists(params![kind, term.0, seq])?;
        }
        for term in &unique {
            sound &= holds.exists(params![kind, term.0, id])?;
        }
        terms += all.len() as u64;
        uniques += unique.len() as u64;
        if !sound && flaws.len() < FLAWS_MAX {
            flaws.push(Flaw::Terms { kind: Kind(kind), id: DocId(id.try_into().unwrap_or_default()) });
        }
    }
    if count(db, "SELECT COUNT(*) FROM term")? != terms || count(db, "SELECT COUNT(*) FROM unique_term")? != uniques {
        flaws.push(Flaw::Store("the index holds more or fewer terms than the documents were put with".to_owned()));
    }
    Ok(())
}

fn count(db: &Connection, sql: &str) -> Found<u64> {
    Ok(unsigned(db.query_row(sql, [], |row| row.get(0))?))
}
