//! Rows of a copy. Each portion is one durable transaction.

use rusqlite::{Connection, TransactionBehavior, params};
use wardkeep_ledger::{Edge, EventId, Hash, StreamId, tree::TileId};

use super::error::Fail;
use super::rows::{self, signed};
use super::write::Writing;
use crate::contract::{DocId, Entry, Owner, Seq};
use crate::receive::{End, Rows, Segment, Whole};

impl Writing {
    pub(crate) fn receive(&mut self, rows: &Rows) -> Result<(), Fail> {
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match rows {
            Rows::Documents(rows) => documents(&transaction, rows)?,
            Rows::Counters(rows) => counters(&transaction, rows)?,
            Rows::Clock(rows) => clock(&transaction, rows)?,
            Rows::Files { segments, whole } => files(&transaction, segments, whole)?,
            Rows::Leaves { stream, leaves } => self::leaves(&transaction, stream, leaves)?,
            Rows::Tiles { stream, tiles } => self::tiles(&transaction, stream, tiles)?,
            Rows::End { seq, streams } => end(&transaction, *seq, streams)?,
        }
        transaction.commit()?;
        Ok(())
    }
}

fn documents(db: &Connection, rows: &[Whole]) -> Result<(), Fail> {
    let sql = "INSERT OR REPLACE INTO document (seq, kind, id, owner, version, current, terms, uniques, sealed) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let mut put = db.prepare_cached(sql)?;
    let mut index = db.prepare_cached("INSERT OR IGNORE INTO term (kind, term, seq) VALUES (?1, ?2, ?3)")?;
    let mut hold = db.prepare_cached("INSERT OR REPLACE INTO unique_term (kind, term, id) VALUES (?1, ?2, ?3)")?;
    for Whole { document, beside } in rows {
        let (kind, id, seq) = (document.kind.0, document.id.0, signed(document.seq.0));
        put.execute(params![
            seq,
            kind,
            id,
            document.owner.0,
            signed(document.version.0),
            beside.current,
            rows::pack_terms(&beside.terms),
            rows::pack_terms(&beside.unique),
            document.sealed
        ])?;
        if beside.current {
            for term in beside.terms.iter().chain(&beside.unique) {
                index.execute(params![kind, term.0, seq])?;
            }
            for term in &beside.unique {
                hold.execute(params![kind, term.0, id])?;
            }
        }
    }
    Ok(())
}

fn counters(db: &Connection, rows: &[([u8; 16], u64)]) -> Result<(), Fail> {
    let mut statement = db.prepare_cached("INSERT OR REPLACE INTO counter (key, value) VALUES (?1, ?2)")?;
    for (key, value) in rows {
        statement.execute(params![key, signed(*value)])?;
    }
    Ok(())
}

fn clock(db: &Connection, rows: &[(i64, Seq)]) -> Result<(), Fail> {
    let mut statement = db.prepare_cached("INSERT OR REPLACE INTO clock (time_ms, seq) VALUES (?1, ?2)")?;
    for (time, seq) in rows {
        statement.execute(params![time, signed(seq.0)])?;
    }
    Ok(())
}

fn files(db: &Connection, segments: &[Segment], whole: &[(DocId, Owner)]) -> Result<(), Fail> {
    let mut blob = db.prepare_cached("INSERT INTO blob (id, owner, recorded) VALUES (?1, ?2, 0) ON CONFLICT (id) DO NOTHING")?;
    let mut put = db.prepare_cached("INSERT OR REPLACE INTO blob_segment (id, segment, bytes) VALUES (?1, ?2, ?3)")?;
    for segment in segments {
        blob.execute(params![segment.blob.0, segment.owner.0])?;
        put.execute(params![segment.blob.0, segment.number, segment.bytes])?;
    }
    let sql =
        "INSERT INTO blob (id, owner, recorded) VALUES (?1, ?2, 1) ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, recorded = 1";
    let mut record = db.prepare_cached(sql)?;
    for (id, owner) in whole {
        record.execute(params![id.0, owner.0])?;
    }
    Ok(())
}

/// The number of a stream. One that is new gets a row of size 0, for leaves and tiles to refer to.
fn number(db: &Connection, stream: &StreamId) -> Result<i64, Fail> {
    let sql = "INSERT INTO stream (name, size, root, boot, next_sequence) VALUES (?1, 0, ?2, ?3, 0) ON CONFLICT (name) DO NOTHING";
    db.prepare_cached(sql)?.execute(params![stream.as_str(), Edge::new().head().root, [0_u8; 16]])?;
    Ok(db.prepare_cached("SELECT number FROM stream WHERE name = ?1")?.query_row([stream.as_str()], |row| row.get(0))?)
}

fn leaves(db: &Connection, stream: &StreamId, leaves: &[(EventId, Entry)]) -> Result<(), Fail> {
    let number = number(db, stream)?;
    let sql = "INSERT OR REPLACE INTO ledger (stream, idx, event, subject_number, leaf) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut statement = db.prepare_cached(sql)?;
    for (event, entry) in leaves {
        statement.execute(params![number, signed(entry.index), event.0, entry.subject_number.map(signed), entry.leaf])?;
    }
    Ok(())
}

fn tiles(db: &Connection, stream: &StreamId, tiles: &[(TileId, Vec<Hash>)]) -> Result<(), Fail> {
    let number = number(db, stream)?;
    let mut statement = db.prepare_cached("INSERT OR REPLACE INTO tile (stream, level, idx, hashes) VALUES (?1, ?2, ?3, ?4)")?;
    for (tile, hashes) in tiles {
        statement.execute(params![number, tile.level, signed(tile.index), hashes.concat()])?;
    }
    Ok(())
}

fn end(db: &Connection, seq: Seq, streams: &[End]) -> Result<(), Fail> {
    db.prepare_cached("UPDATE sequence SET seq = ?1")?.execute([signed(seq.0)])?;
    for end in streams {
        let number = number(db, &end.stream)?;
        let sql = "UPDATE stream SET size = ?2, root = ?3, boot = ?4, next_sequence = ?5 WHERE number = ?1";
        let row = params![number, signed(end.head.size), end.head.root, end.boot, signed(end.next_sequence)];
        db.prepare_cached(sql)?.execute(row)?;
    }
    Ok(())
}
