//! Every query that only reads. The cost of each follows what it returns, not what is stored.

use rusqlite::{Connection, OptionalExtension, Params, Transaction, params, params_from_iter, types::Value};
use wardkeep_ledger::{EventId, Hash, Head, StreamId, tree::TileId};

use super::error::{Fail, damaged};
use super::rows::{self, DOCUMENT, signed, unsigned};
use super::schema::SCHEMA;
use crate::contract::{DocId, Document, Entry, Find, Kind, Seq};

pub(crate) type Found<T> = Result<T, Fail>;

pub(crate) fn get(db: &Connection, kind: Kind, id: DocId) -> Found<Option<Document>> {
    let sql = format!("SELECT {DOCUMENT} FROM document d WHERE kind = ?1 AND id = ?2 ORDER BY version DESC LIMIT 1");
    Ok(db.prepare_cached(&sql)?.query_row(params![kind.0, id.0], rows::document).optional()?)
}

/// What this connection reads from now on is what is there now.
pub(crate) fn stand_still(db: &Connection) -> Found<()> {
    db.execute_batch("BEGIN")?;
    // SQLite takes the snapshot with the first read.
    health(db)
}

/// One snapshot for several queries; the connection's own when it stands still already.
pub(crate) fn snapshot(db: &Connection) -> Found<Option<Transaction<'_>>> {
    Ok(if db.is_autocommit() { Some(db.unchecked_transaction()?) } else { None })
}

pub(crate) fn get_many(db: &Connection, kind: Kind, ids: &[DocId]) -> Found<Vec<Document>> {
    let _snapshot = snapshot(db)?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.extend(get(db, kind, *id)?);
    }
    Ok(found)
}

pub(crate) fn history(db: &Connection, kind: Kind, id: DocId) -> Found<Vec<Document>> {
    documents(db, &history_sql(), params![kind.0, id.0])
}

fn history_sql() -> String {
    format!("SELECT {DOCUMENT} FROM document d WHERE kind = ?1 AND id = ?2 ORDER BY version")
}

pub(crate) fn find(db: &Connection, query: &Find) -> Found<Vec<Document>> {
    let since = query.since.map_or(0, |seq| signed(seq.0));
    let before = query.before.map_or(i64::MAX, |seq| signed(seq.0));
    let mut values: Vec<Value> = vec![Value::from(i64::from(query.kind.0)), since.into(), before.into(), rows::limit(query.limit).into()];
    values.extend(query.all_of.iter().map(|term| rows::blob(&term.0)));
    documents(db, &find_sql(query.all_of.len()), params_from_iter(values))
}

/// Parameters: kind, since, before, limit, then the terms.
fn find_sql(terms: usize) -> String {
    if terms == 0 {
        return format!(
            "SELECT {DOCUMENT} FROM document d WHERE kind = ?1 AND current = 1 AND seq >= ?2 AND seq < ?3 ORDER BY seq DESC LIMIT ?4"
        );
    }
    // CROSS JOIN fixes the order: walk the first term's bucket, ask the others, fetch last.
    let mut sql = format!(
        "SELECT {DOCUMENT} FROM term t CROSS JOIN document d ON d.seq = t.seq \
         WHERE t.kind = ?1 AND t.term = ?5 AND t.seq >= ?2 AND t.seq < ?3"
    );
    for place in (6..).take(terms - 1) {
        sql.push_str(&format!(" AND EXISTS (SELECT 1 FROM term o WHERE o.kind = ?1 AND o.term = ?{place} AND o.seq = t.seq)"));
    }
    sql.push_str(" ORDER BY t.seq DESC LIMIT ?4");
    sql
}

pub(crate) fn changed_since(db: &Connection, kind: Option<Kind>, after: Seq, limit: usize) -> Found<Vec<Document>> {
    let (after, limit) = (signed(after.0), rows::limit(limit));
    match kind {
        None => documents(db, &changed_sql(), params![after, limit]),
        Some(kind) => documents(db, &changed_of_kind_sql(), params![kind.0, after, limit]),
    }
}

fn changed_sql() -> String {
    format!("SELECT {DOCUMENT} FROM document d WHERE seq > ?1 ORDER BY seq LIMIT ?2")
}

fn changed_of_kind_sql() -> String {
    format!(
        "SELECT {DOCUMENT} FROM (\
           SELECT * FROM (SELECT seq FROM document WHERE kind = ?1 AND current = 0 AND seq > ?2 ORDER BY seq LIMIT ?3) \
           UNION ALL \
           SELECT * FROM (SELECT seq FROM document WHERE kind = ?1 AND current = 1 AND seq > ?2 ORDER BY seq LIMIT ?3)\
         ) c CROSS JOIN document d ON d.seq = c.seq ORDER BY d.seq LIMIT ?3"
    )
}

fn documents(db: &Connection, sql: &str, params: impl Params) -> Found<Vec<Document>> {
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map(params, rows::document)?.collect::<Result<_, _>>()?;
    Ok(found)
}

pub(crate) fn streams(db: &Connection) -> Found<Vec<StreamId>> {
    let mut statement = db.prepare_cached("SELECT name FROM stream WHERE size > 0 ORDER BY name")?;
    let names: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    names.iter().map(|name| rows::stream(name)).collect()
}

pub(crate) fn head(db: &Connection, stream: &StreamId) -> Found<Option<Head>> {
    let mut statement = db.prepare_cached("SELECT size, root FROM stream WHERE name = ?1 AND size > 0")?;
    Ok(statement.query_row([stream.as_str()], |row| Ok(Head { size: unsigned(row.get(0)?), root: row.get(1)? })).optional()?)
}

pub(crate) fn entries(db: &Connection, stream: &StreamId, from: u64, limit: usize) -> Found<Vec<Entry>> {
    let mut statement = db.prepare_cached(
        "SELECT idx, leaf, subject_number FROM ledger \
         WHERE stream = (SELECT number FROM stream WHERE name = ?1) AND idx >= ?2 ORDER BY idx LIMIT ?3",
    )?;
    let found = statement.query_map(params![stream.as_str(), signed(from), rows::limit(limit)], rows::entry)?.collect::<Result<_, _>>()?;
    Ok(found)
}

pub(crate) fn entry(db: &Connection, event: EventId) -> Found<Option<(StreamId, Entry)>> {
    let mut statement = db.prepare_cached(
        "SELECT l.idx, l.leaf, l.subject_number, s.name FROM ledger l CROSS JOIN stream s ON s.number = l.stream \
         WHERE l.event = ?1 LIMIT 1",
    )?;
    let found = statement.query_row([event.0], |row| Ok((row.get::<_, String>(3)?, rows::entry(row)?))).optional()?;
    found.map(|(name, entry)| Ok((rows::stream(&name)?, entry))).transpose()
}

pub(crate) fn tile(db: &Connection, stream: &StreamId, tile: TileId) -> Found<Option<Vec<Hash>>> {
    let mut statement = db
        .prepare_cached("SELECT hashes FROM tile WHERE stream = (SELECT number FROM stream WHERE name = ?1) AND level = ?2 AND idx = ?3")?;
    let packed: Option<Vec<u8>> =
        statement.query_row(params![stream.as_str(), tile.level, signed(tile.index)], |row| row.get(0)).optional()?;
    packed.map(|packed| rows::hashes(&packed)).transpose()
}

pub(crate) fn seq_at(db: &Connection, time_ms: i64) -> Found<Seq> {
    let mut statement = db.prepare_cached("SELECT seq FROM clock WHERE time_ms >= ?1 ORDER BY time_ms LIMIT 1")?;
    let seq: Option<i64> = statement.query_row([time_ms], |row| row.get(0)).optional()?;
    Ok(seq.map_or(Seq(u64::MAX >> 1), |seq| Seq(unsigned(seq))))
}

pub(crate) fn checkpoint(db: &Connection, stream: &StreamId) -> Found<Option<String>> {
    let mut statement = db.prepare_cached("SELECT note FROM checkpoint WHERE stream = ?1")?;
    Ok(statement.query_row([stream.as_str()], |row| row.get(0)).optional()?)
}

pub(crate) fn blob(db: &Connection, id: DocId, segment: u32) -> Found<Option<Vec<u8>>> {
    let mut statement = db.prepare_cached("SELECT bytes FROM blob_segment WHERE id = ?1 AND segment = ?2")?;
    Ok(statement.query_row(params![id.0, segment], |row| row.get(0)).optional()?)
}

pub(crate) fn blobs(db: &Connection, after: Option<DocId>, limit: usize) -> Found<Vec<DocId>> {
    // An empty blob sorts before every id.
    let after = after.map_or(Vec::new(), |id| id.0.to_vec());
    let mut statement = db.prepare_cached("SELECT id FROM blob WHERE id > ?1 AND recorded = 1 ORDER BY id LIMIT ?2")?;
    let found = statement.query_map(params![after, rows::limit(limit)], |row| Ok(DocId(row.get(0)?)))?.collect::<Result<_, _>>()?;
    Ok(found)
}

pub(crate) fn marked(db: &Connection, kind: Kind, id: DocId) -> Found<Option<i64>> {
    let mut statement = db.prepare_cached("SELECT value FROM mark WHERE kind = ?1 AND id = ?2")?;
    Ok(statement.query_row(params![kind.0, id.0], |row| row.get(0)).optional()?)
}

pub(crate) fn health(db: &Connection) -> Found<()> {
    let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found != SCHEMA {
        return Err(damaged("the schema version has changed under the running program"));
    }
    db.prepare_cached("SELECT seq FROM sequence")?.query_row([], |row| row.get::<_, i64>(0))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::super::schema;
    use super::*;

    #[test]
    fn a_cached_statement_is_prepared_once() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("records.db");
        drop(schema::open_writer(&path, None).unwrap());
        let db = schema::open_reader(&path).unwrap();
        for kind in [1, 42, 1, 7] {
            get(&db, Kind(kind), DocId([kind as u8; 16])).unwrap();
            find(&db, &Find { kind: Kind(kind), all_of: Vec::new(), before: None, since: None, limit: usize::from(kind) }).unwrap();
        }
        let sql = format!("SELECT {DOCUMENT} FROM document d WHERE kind = ?1 AND id = ?2 ORDER BY version DESC LIMIT 1");
        let statement = db.prepare_cached(&sql).unwrap();
        assert!(statement.get_status(StatementStatus::Run) >= 4);
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }

    #[test]
    fn queries_walk_indexes_and_never_a_whole_table() {
        let folder = tempfile::TempDir::new().unwrap();
        let db = schema::open_writer(&folder.path().join("plans.db"), None).unwrap();
        let queries = [find_sql(0), find_sql(1), find_sql(3), history_sql(), changed_sql(), changed_of_kind_sql()];
        for sql in queries {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let nothing = vec![rusqlite::types::Null; statement.parameter_count()];
            let plan: Vec<String> = statement.query_map(params_from_iter(nothing), |row| row.get(3)).unwrap().map(Result::unwrap).collect();
            assert!(!plan.is_empty());
            let whole = |step: &&String| step.starts_with("SCAN document") || step.starts_with("SCAN d") || step.starts_with("SCAN t");
            assert_eq!(plan.iter().find(whole), None, "{sql}\n{plan:#?}");
            // Only the two bounded halves of a kind's changes are put in order by sorting.
            let sorted = plan.iter().any(|step| step.contains("TEMP B-TREE"));
            assert!(!sorted || sql.contains("UNION ALL"), "{sql}\n{plan:#?}");
        }
    }
}
