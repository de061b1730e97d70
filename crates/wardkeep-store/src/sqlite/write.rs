//! Everything that changes the file; runs on the one writer thread.
//!
//! A batch is one immediate transaction. Each changeset is checked before anything of it is
//! applied, so a refused one leaves no trace, and an error rolls the whole batch back.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use wardkeep_ledger::{Edge, StreamId, tree::TileId};

use super::error::{Fail, damaged};
use super::rows::{self, signed, unsigned};
use crate::check::{self, Look};
use crate::contract::{Applied, Changeset, DocId, Entry, Kind, Owner, Put, Refusal, Seq, StoreError, Term, Version, Writer};
use crate::stream::{Growth, Tail};

/// The writing side of the store.
pub(crate) struct Writing {
    pub(super) db: Connection,
    /// Ends of the streams as this process left them.
    tails: HashMap<String, Tail>,
    lost: Option<String>,
    /// `secure_delete` is fully on, not only where it is free.
    overwrites: bool,
}

type Outcomes = Vec<Result<Applied, Refusal>>;

/// Soft numbers beside the record, see `Store::mark`.
pub(crate) type Marks = HashMap<(Kind, DocId), i64>;

impl Writing {
    pub(crate) fn new(db: Connection) -> Self {
        Self { db, tails: HashMap::new(), lost: None, overwrites: false }
    }

    /// One durable transaction for the whole batch and the marks that gathered meanwhile.
    pub(crate) fn commit(&mut self, writer: &Writer, batch: Vec<Changeset>, marks: &Marks) -> Result<Outcomes, Fail> {
        if let Some(stream) = &self.lost {
            return Err(StoreError::StreamLost(stream.clone()).into());
        }
        let name = writer.stream.as_str();
        let erases = batch.iter().any(|change| !change.erases.is_empty() || !change.blob_erases.is_empty());
        self.overwrite(erases)?;
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let grown = tail(&transaction, name, self.tails.get(name)).and_then(|tail| Ok(Growth::begin(writer, tail)?));
        let mut growth = match grown {
            Ok(growth) => growth,
            Err(fail) => {
                if matches!(fail, Fail::Store(StoreError::StreamLost(_))) {
                    self.lost = Some(name.to_owned());
                }
                return Err(fail);
            }
        };
        // Marks were set before the batch came: an erase in it takes them along.
        put_marks(&transaction, marks)?;
        let (outcomes, tail) = apply_batch(&transaction, batch, &mut growth)?;
        transaction.commit()?;
        if let Some(tail) = tail {
            self.tails.insert(name.to_owned(), tail);
        }
        Ok(outcomes)
    }

    /// What is erased is overwritten also where that costs extra writes, or only where it costs none.
    fn overwrite(&mut self, always: bool) -> Result<(), Fail> {
        if self.overwrites != always {
            self.db.pragma_update(None, "secure_delete", if always { "ON" } else { "FAST" })?;
            self.overwrites = always;
        }
        Ok(())
    }

    /// Folds the write-ahead log in and empties it. Erased rows were overwritten in the file itself.
    pub(crate) fn purge(&mut self) -> Result<(), Fail> {
        let busy: bool = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        // A reader holds an old page still: the next purge, or the clean end, empties the log.
        if busy {
            tracing::info!("the write-ahead log is being read and will be emptied later");
        }
        Ok(())
    }

    pub(crate) fn checkpoint_put(&mut self, stream: &StreamId, note: &str) -> Result<(), Fail> {
        let sql = "INSERT INTO checkpoint (stream, note) VALUES (?1, ?2) ON CONFLICT (stream) DO UPDATE SET note = excluded.note";
        self.db.prepare_cached(sql)?.execute(params![stream.as_str(), note])?;
        Ok(())
    }

    /// Writes what the next durable commit will make durable too: without a sync of its own.
    fn relaxed<T>(&mut self, write: impl FnOnce(&Transaction<'_>) -> Result<T, Fail>) -> Result<T, Fail> {
        self.db.pragma_update(None, "synchronous", "NORMAL")?;
        let done = (|| {
            let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = write(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })();
        self.db.pragma_update(None, "synchronous", "FULL")?;
        done
    }

    pub(crate) fn blob_write(&mut self, id: DocId, owner: Owner, segment: u32, bytes: &[u8]) -> Result<(), Fail> {
        check::segment(bytes)?;
        self.relaxed(|transaction| {
            let sql = "INSERT INTO blob (id, owner, recorded) VALUES (?1, ?2, 0) ON CONFLICT (id) DO NOTHING";
            transaction.prepare_cached(sql)?.execute(params![id.0, owner.0])?;
            let mut statement = transaction.prepare_cached("SELECT recorded FROM blob WHERE id = ?1")?;
            if statement.query_row([id.0], |row| row.get::<_, bool>(0))? {
                return Err(check::blob_recorded().into());
            }
            let sql = "INSERT OR REPLACE INTO blob_segment (id, segment, bytes) VALUES (?1, ?2, ?3)";
            transaction.prepare_cached(sql)?.execute(params![id.0, segment, bytes])?;
            Ok(())
        })
    }

    pub(crate) fn blob_abandon(&mut self, id: DocId) -> Result<(), Fail> {
        self.relaxed(|transaction| {
            let staged = "SELECT id FROM blob WHERE id = ?1 AND recorded = 0";
            transaction.execute(&format!("DELETE FROM blob_segment WHERE id IN ({staged})"), [id.0])?;
            transaction.execute("DELETE FROM blob WHERE id = ?1 AND recorded = 0", [id.0])?;
            Ok(())
        })
    }

    pub(crate) fn blob_sweep(&mut self) -> Result<u64, Fail> {
        self.relaxed(|transaction| {
            transaction.execute("DELETE FROM blob_segment WHERE id IN (SELECT id FROM blob WHERE recorded = 0)", [])?;
            Ok(transaction.execute("DELETE FROM blob WHERE recorded = 0", [])? as u64)
        })
    }

    pub(crate) fn flush(&mut self, marks: &Marks) -> Result<(), Fail> {
        self.relaxed(|transaction| put_marks(transaction, marks))
    }

    /// At a clean end: the whole store in its one file.
    pub(crate) fn close(self) {
        let truncated = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = truncated {
            tracing::warn!(%error, "the write-ahead log was not folded in at the end; the next start does it");
        }
    }
}

/// The end of the stream, checked against the file: whoever else moved it has taken it over.
fn tail(db: &Connection, name: &str, known: Option<&Tail>) -> Result<Tail, Fail> {
    let mut statement = db.prepare_cached("SELECT number, size, root, boot, next_sequence FROM stream WHERE name = ?1")?;
    let found = statement
        .query_row([name], |row| {
            let (number, size, sequence): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(4)?);
            Ok((number, unsigned(size), row.get::<_, [u8; 32]>(2)?, row.get::<_, [u8; 16]>(3)?, unsigned(sequence)))
        })
        .optional()?;
    match (known, found) {
        (None, None) => Ok(Tail::default()),
        (None, Some((number, size, root, boot, next_sequence))) => {
            let edge = Edge::restore(size, |tile| stored_tile(db, number, tile))
                .map_err(|_| damaged("the tiles of a ledger stream do not match its size; run `wardkeep verify`"))?;
            if edge.head().root != root {
                return Err(damaged("the tiles of a ledger stream do not give its root; run `wardkeep verify`"));
            }
            Ok(Tail { edge, boot, next_sequence, past: Vec::new() })
        }
        (Some(known), Some((_, size, root, boot, _)))
            if known.edge.size() == size && known.edge.head().root == root && known.boot == boot =>
        {
            Ok(known.clone())
        }
        (Some(_), _) => Err(StoreError::StreamLost(name.to_owned()).into()),
    }
}

fn stored_tile(db: &Connection, stream: i64, tile: TileId) -> Result<Option<Vec<wardkeep_ledger::Hash>>, Fail> {
    let mut statement = db.prepare_cached("SELECT hashes FROM tile WHERE stream = ?1 AND level = ?2 AND idx = ?3")?;
    let packed: Option<Vec<u8>> = statement.query_row(params![stream, tile.level, signed(tile.index)], |row| row.get(0)).optional()?;
    packed.map(|packed| rows::hashes(&packed)).transpose()
}

struct Looking<'a>(&'a Connection);

impl Look for Looking<'_> {
    type Error = Fail;
    fn version(&mut self, kind: Kind, id: DocId) -> Result<Version, Fail> {
        let mut statement = self.0.prepare_cached("SELECT MAX(version) FROM document WHERE kind = ?1 AND id = ?2")?;
        let version: Option<i64> = statement.query_row(params![kind.0, id.0], |row| row.get(0))?;
        Ok(version.map_or(Version::ABSENT, |version| Version(unsigned(version))))
    }
    fn holder(&mut self, kind: Kind, term: Term) -> Result<Option<DocId>, Fail> {
        let mut statement = self.0.prepare_cached("SELECT id FROM unique_term WHERE kind = ?1 AND term = ?2")?;
        Ok(statement.query_row(params![kind.0, term.0], |row| Ok(DocId(row.get(0)?))).optional()?)
    }
    fn staged(&mut self, id: DocId) -> Result<bool, Fail> {
        let mut statement = self.0.prepare_cached("SELECT 1 FROM blob WHERE id = ?1 AND recorded = 0")?;
        Ok(statement.exists([id.0])?)
    }
}

/// What a batch has used up so far.
struct Progress {
    seq: u64,
    /// Latest commit time noted in the clock table.
    latest: Option<i64>,
    entries: Vec<(wardkeep_ledger::EventId, Entry)>,
}

fn apply_batch(db: &Connection, batch: Vec<Changeset>, growth: &mut Growth<'_>) -> Result<(Outcomes, Option<Tail>), Fail> {
    let before: i64 = db.prepare_cached("SELECT seq FROM sequence")?.query_row([], |row| row.get(0))?;
    let latest = db.prepare_cached("SELECT MAX(time_ms) FROM clock")?.query_row([], |row| row.get(0))?;
    let mut progress = Progress { seq: unsigned(before), latest, entries: Vec::new() };
    let mut outcomes = Vec::with_capacity(batch.len());
    for change in batch {
        outcomes.push(match check::refusal(&change, &mut Looking(db))? {
            Some(refusal) => Err(refusal),
            None => Ok(apply(db, &change, growth, &mut progress)?),
        });
    }
    if progress.seq != unsigned(before) {
        db.prepare_cached("UPDATE sequence SET seq = ?1")?.execute([signed(progress.seq)])?;
    }
    if growth.is_empty() {
        return Ok((outcomes, None));
    }
    put_stream(db, growth, &progress.entries)?;
    Ok((outcomes, Some(growth.tail.clone())))
}

fn apply(db: &Connection, change: &Changeset, growth: &mut Growth<'_>, progress: &mut Progress) -> Result<Applied, Fail> {
    let first = progress.seq.saturating_add(1);
    for erase in &change.erases {
        supersede(db, erase.kind, erase.id)?;
        db.prepare_cached("DELETE FROM document WHERE kind = ?1 AND id = ?2")?.execute(params![erase.kind.0, erase.id.0])?;
        db.prepare_cached("DELETE FROM mark WHERE kind = ?1 AND id = ?2")?.execute(params![erase.kind.0, erase.id.0])?;
    }
    for blob in &change.blob_erases {
        db.prepare_cached("DELETE FROM blob_segment WHERE id = ?1")?.execute([blob.0])?;
        db.prepare_cached("DELETE FROM blob WHERE id = ?1")?.execute([blob.0])?;
    }
    // All earlier versions let go of their unique terms first: a term may move within a changeset.
    for put in change.puts.iter().filter(|put| put.version.0 > 1) {
        supersede(db, put.kind, put.id)?;
    }
    for document in &change.puts {
        if document.version.0 > 1 {
            supersede(db, document.kind, document.id)?;
        }
        progress.seq += 1;
        put(db, document, progress.seq)?;
    }
    for blob in &change.blobs {
        db.prepare_cached("UPDATE blob SET recorded = 1 WHERE id = ?1")?.execute([blob.0])?;
    }
    if let Some(event) = change.events.first()
        && progress.latest.is_none_or(|latest| event.time_ms > latest)
    {
        db.prepare_cached("INSERT INTO clock (time_ms, seq) VALUES (?1, ?2)")?.execute(params![event.time_ms, signed(first)])?;
        progress.latest = Some(event.time_ms);
    }
    let mut events = Vec::with_capacity(change.events.len());
    for draft in &change.events {
        let number = draft.subject.as_ref().map(|subject| count(db, subject.counter)).transpose()?;
        let entry = growth.leaf(draft, number);
        events.push((draft.event, entry.index, number));
        progress.entries.push((draft.event, entry));
    }
    Ok(Applied { seq: Seq(progress.seq), events })
}

fn count(db: &Connection, counter: [u8; 16]) -> Result<u64, Fail> {
    let sql = "INSERT INTO counter (key, value) VALUES (?1, 1) ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value";
    Ok(unsigned(db.prepare_cached(sql)?.query_row([counter], |row| row.get(0))?))
}

fn put(db: &Connection, put: &Put, seq: u64) -> Result<(), Fail> {
    let Put { kind, id, owner, version, sealed, terms, unique } = put;
    let sql =
        "INSERT INTO document (seq, kind, id, owner, version, current, terms, uniques, sealed) VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7, ?8)";
    db.prepare_cached(sql)?.execute(params![
        signed(seq),
        kind.0,
        id.0,
        owner.0,
        signed(version.0),
        rows::pack_terms(terms),
        rows::pack_terms(unique),
        sealed
    ])?;
    let mut statement = db.prepare_cached("INSERT OR IGNORE INTO term (kind, term, seq) VALUES (?1, ?2, ?3)")?;
    for term in terms.iter().chain(unique) {
        statement.execute(params![kind.0, term.0, signed(seq)])?;
    }
    let mut statement = db.prepare_cached("INSERT OR REPLACE INTO unique_term (kind, term, id) VALUES (?1, ?2, ?3)")?;
    for term in unique {
        statement.execute(params![kind.0, term.0, id.0])?;
    }
    Ok(())
}

/// The current version lets go of its terms and its place among the current ones.
fn supersede(db: &Connection, kind: Kind, id: DocId) -> Result<(), Fail> {
    let sql = "SELECT seq, current, terms, uniques FROM document WHERE kind = ?1 AND id = ?2 ORDER BY version DESC LIMIT 1";
    let found: Option<(i64, bool, Vec<u8>, Vec<u8>)> = db
        .prepare_cached(sql)?
        .query_row(params![kind.0, id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((seq, true, terms, uniques)) = found else { return Ok(()) };
    db.prepare_cached("UPDATE document SET current = 0 WHERE seq = ?1")?.execute([seq])?;
    let mut statement = db.prepare_cached("DELETE FROM term WHERE kind = ?1 AND term = ?2 AND seq = ?3")?;
    for term in rows::terms(&terms).chain(rows::terms(&uniques)) {
        statement.execute(params![kind.0, term.0, seq])?;
    }
    let mut statement = db.prepare_cached("DELETE FROM unique_term WHERE kind = ?1 AND term = ?2 AND id = ?3")?;
    for term in rows::terms(&uniques) {
        statement.execute(params![kind.0, term.0, id.0])?;
    }
    Ok(())
}

fn put_stream(db: &Connection, growth: &mut Growth<'_>, entries: &[(wardkeep_ledger::EventId, Entry)]) -> Result<(), Fail> {
    let tiles = growth.finish();
    let head = growth.tail.edge.head();
    let sql = "INSERT INTO stream (name, size, root, boot, next_sequence) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (name) DO UPDATE SET size = excluded.size, root = excluded.root, boot = excluded.boot, \
               next_sequence = excluded.next_sequence RETURNING number";
    let row = params![growth.stream(), signed(head.size), head.root, growth.tail.boot, signed(growth.tail.next_sequence)];
    let number: i64 = db.prepare_cached(sql)?.query_row(row, |row| row.get(0))?;
    let mut statement = db.prepare_cached("INSERT INTO ledger (stream, idx, event, subject_number, leaf) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (event, entry) in entries {
        statement.execute(params![number, signed(entry.index), event.0, entry.subject_number.map(signed), entry.leaf])?;
    }
    let sql = "INSERT INTO tile (stream, level, idx, hashes) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (stream, level, idx) DO UPDATE SET hashes = excluded.hashes";
    let mut statement = db.prepare_cached(sql)?;
    for (tile, hashes) in tiles {
        statement.execute(params![number, tile.level, signed(tile.index), hashes.concat()])?;
    }
    Ok(())
}

fn put_marks(db: &Connection, marks: &Marks) -> Result<(), Fail> {
    let sql = "INSERT INTO mark (kind, id, value) VALUES (?1, ?2, ?3) ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value";
    let mut statement = db.prepare_cached(sql)?;
    for ((kind, id), value) in marks {
        statement.execute(params![kind.0, id.0, value])?;
    }
    Ok(())
}
