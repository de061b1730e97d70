//! How contract types stand in columns, both ways.

use rusqlite::{Row, types::Value};
use wardkeep_ledger::{Hash, StreamId};

use super::error::{Fail, damaged};
use crate::contract::{DocId, Document, Entry, Kind, Owner, Seq, Term, Version};

/// The columns that [`document`] reads, of a table called `d`.
pub(crate) const DOCUMENT: &str = "d.kind, d.id, d.owner, d.version, d.seq, d.sealed";

pub(crate) fn document(row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document {
        kind: Kind(row.get(0)?),
        id: DocId(row.get(1)?),
        owner: Owner(row.get(2)?),
        version: Version(unsigned(row.get(3)?)),
        seq: Seq(unsigned(row.get(4)?)),
        sealed: row.get(5)?,
    })
}

/// Columns `idx, leaf, subject_number`.
pub(crate) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry { index: unsigned(row.get(0)?), leaf: row.get(1)?, subject_number: row.get::<_, Option<i64>>(2)?.map(unsigned) })
}

/// Numbers of the contract are counts; none comes near 2^63.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(crate) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

pub(crate) fn blob(bytes: &[u8]) -> Value {
    Value::Blob(bytes.to_vec())
}

pub(crate) fn stream(name: &str) -> Result<StreamId, Fail> {
    StreamId::parse(name).map_err(|_| damaged("a ledger stream has an impossible name"))
}

pub(crate) fn terms(packed: &[u8]) -> impl Iterator<Item = Term> + '_ {
    packed.as_chunks::<16>().0.iter().map(|term| Term(*term))
}

pub(crate) fn pack_terms(terms: &[Term]) -> Vec<u8> {
    terms.iter().flat_map(|term| term.0).collect()
}

pub(crate) fn hashes(packed: &[u8]) -> Result<Vec<Hash>, Fail> {
    match packed.as_chunks::<32>() {
        (hashes, []) => Ok(hashes.to_vec()),
        _ => Err(damaged("a tile of the ledger is cut off")),
    }
}
