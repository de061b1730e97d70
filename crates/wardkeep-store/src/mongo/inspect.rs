//! The engine's bookkeeping against itself: whoever edits one collection leaves another that
//! disagrees. The server compares; only flaws come over.

use std::collections::{BTreeMap, BTreeSet};

use mongodb::bson::{Bson, Document as Row, RawDocumentBuf, doc};
use wardkeep_ledger::Leaf;
use wardkeep_ledger::tree::TILE_WIDTH;

use super::error::Fail;
use super::place::Place;
use super::read::{self, Found};
use super::rows::{self, Fields, bin, signed};
use super::schema::{BLOB, CHECKPOINT, CLOCK, COUNTER, DOCUMENT, HOUSE, LEDGER, SEGMENT, SEQUENCE, STREAM, TILE, UNIQUE};
use crate::contract::{DocId, Kind, Owner, Seq, StoreError, Term};
use crate::inspect::{Beside, BlobShape, FLAWS_MAX, Flaw};

pub(crate) async fn beside(place: &Place, after: Seq, limit: usize) -> Found<Vec<Beside>> {
    let (filter, sort) = read::changed(None, after);
    read::all(place, DOCUMENT, filter, sort, limit, |row| {
        Ok(Beside {
            seq: Seq(row.number("seq")?),
            terms: row.terms("terms")?,
            unique: row.terms("uniques")?,
            current: row.flag("current")?,
        })
    })
    .await
}

pub(crate) async fn counter(place: &Place, key: [u8; 16]) -> Found<u64> {
    Ok(read::one(place, COUNTER, doc! { "_id": bin(&key) }, |row| row.number("value")).await?.unwrap_or(0))
}

pub(crate) async fn counters(place: &Place, after: Option<[u8; 16]>, limit: usize) -> Found<Vec<([u8; 16], u64)>> {
    let filter = after.map_or(Row::new(), |key| doc! { "_id": { "$gt": bin(&key) } });
    read::all(place, COUNTER, filter, doc! { "_id": 1 }, limit, |row| Ok((row.array("_id")?, row.number("value")?))).await
}

pub(crate) async fn last_sequence(place: &Place) -> Found<Seq> {
    Ok(Seq(read::one(place, HOUSE, doc! { "_id": SEQUENCE }, |row| row.number("seq")).await?.unwrap_or(0)))
}

pub(crate) async fn blob(place: &Place, id: DocId) -> Found<Option<BlobShape>> {
    let owner = read::one(place, BLOB, doc! { "_id": bin(&id.0), "recorded": true }, |row| row.array("owner").map(Owner)).await?;
    let Some(owner) = owner else { return Ok(None) };
    // The numbers stand in the index; the bytes stay where they are.
    let mut options = mongodb::options::FindOptions::default();
    (options.projection, options.sort) = (Some(doc! { "_id": 1 }), Some(doc! { "_id": 1 }));
    let filter = doc! { "_id": { "$gte": rows::segment_id(id, 0), "$lte": rows::segment_id(id, u32::MAX) } };
    let mut segments = Vec::new();
    let number = |row: Fields<'_>| {
        let number = row.bytes("_id")?.last_chunk().ok_or_else(|| rows::changed("_id"))?;
        segments.push(u32::from_be_bytes(*number));
        Ok(())
    };
    read::each(place, SEGMENT, filter, options, number).await?;
    Ok(Some(BlobShape { owner, segments }))
}

pub(crate) async fn clock(place: &Place, after: Option<i64>, limit: usize) -> Found<Vec<(i64, Seq)>> {
    let from = after.map_or(i64::MIN, |time| time.saturating_add(1));
    let filter = doc! { "_id": { "$gte": from } };
    read::all(place, CLOCK, filter, doc! { "_id": 1 }, limit, |row| Ok((row.time("_id")?, Seq(row.number("seq")?)))).await
}

/// Of the store as it is now: counts and sums are not taken from a snapshot.
pub(crate) async fn flaws(place: &Place) -> Found<Vec<Flaw>> {
    if place.snapshot.is_some() {
        let cause = "a snapshot's bookkeeping is not looked through".to_owned();
        return Err(StoreError::Unfit { place: place.name.clone(), cause, fix: "look through the store itself".to_owned() }.into());
    }
    let mut flaws = Vec::new();
    for (words, collection, pipeline) in never() {
        let mut found = place.database.collection::<Row>(collection).aggregate(pipeline).await?;
        if found.advance().await? {
            flaws.push(Flaw::Store(words.to_owned()));
        }
    }
    sequence(place, &mut flaws).await?;
    streams(place, &mut flaws).await?;
    clock_rises(place, &mut flaws).await?;
    index(place, &mut flaws).await?;
    flaws.truncate(FLAWS_MAX);
    Ok(flaws)
}

/// (what is wrong when the query finds a row, collection, query)
fn never() -> Vec<(&'static str, &'static str, Vec<Row>)> {
    let long = |field: &str, bytes: i32| doc! { "$ne": [{ "$binarySize": { "$ifNull": [field, bin(&[])] } }, bytes] };
    let versions = doc! { "_id": { "kind": "$kind", "id": "$id" }, "count": { "$sum": 1 }, "newest": { "$max": "$version" },
    "current": { "$sum": { "$cond": ["$current", 1, 0] } }, "shown": { "$max": { "$cond": ["$current", "$version", 0] } } };
    let gap = doc! { "$or": [{ "$ne": ["$count", "$newest"] }, { "$ne": ["$current", 1] }, { "$ne": ["$shown", "$newest"] }] };
    let segments =
        doc! { "from": SEGMENT, "localField": "_id", "foreignField": "blob", "as": "segments", "pipeline": [{ "$project": { "_id": 1 } }] };
    vec![
        (
            "a document row has an impossible shape",
            DOCUMENT,
            vec![
                doc! { "$match": { "$expr": { "$or": [long("$id", 16), long("$owner", 16), { "$lt": ["$seq", 1] }, { "$lt": ["$version", 1] }] } } },
                doc! { "$limit": 1 },
            ],
        ),
        (
            "the versions of a document have a gap, or an older one is marked as the current one",
            DOCUMENT,
            vec![doc! { "$group": versions }, doc! { "$match": { "$expr": gap } }, doc! { "$limit": 1 }],
        ),
        (
            "an older version of a document is found by a term",
            DOCUMENT,
            vec![doc! { "$match": { "current": false, "find": { "$exists": true } } }, doc! { "$limit": 1 }],
        ),
        (
            "a row of the log has an impossible shape",
            LEDGER,
            vec![doc! { "$match": { "$expr": { "$or": [long("$_id", 16), { "$lt": ["$index", 0] }] } } }, doc! { "$limit": 1 }],
        ),
        (
            "a checkpoint belongs to no stream",
            CHECKPOINT,
            vec![
                doc! { "$lookup": { "from": STREAM, "localField": "_id", "foreignField": "_id", "as": "stream" } },
                doc! { "$match": { "stream": [] } },
                doc! { "$limit": 1 },
            ],
        ),
        (
            "a file has no segments",
            BLOB,
            vec![
                doc! { "$match": { "recorded": true } },
                doc! { "$lookup": segments },
                doc! { "$match": { "segments": [] } },
                doc! { "$limit": 1 },
            ],
        ),
    ]
}

async fn sequence(place: &Place, flaws: &mut Vec<Flaw>) -> Result<(), Fail> {
    let sequence = last_sequence(place).await?.0;
    let beyond = place.database.collection::<Row>(DOCUMENT).find_one(doc! { "seq": { "$gt": signed(sequence) } }).await?;
    if beyond.is_some() {
        flaws.push(Flaw::Store("the commit sequence is behind the documents".to_owned()));
    }
    Ok(())
}

async fn clock_rises(place: &Place, flaws: &mut Vec<Flaw>) -> Result<(), Fail> {
    let times = read::all(place, CLOCK, doc! {}, doc! { "_id": 1 }, usize::MAX, |row| row.number("seq")).await?;
    // Commits that put nothing share the sequence of the next document.
    if times.windows(2).any(|pair| matches!(pair, [earlier, later] if earlier > later)) {
        flaws.push(Flaw::Store("commit times do not rise with the commit sequence".to_owned()));
    }
    Ok(())
}

/// The number of rows and tiles follows from the size; the run that is noted wrote the last leaf.
async fn streams(place: &Place, flaws: &mut Vec<Flaw>) -> Result<(), Fail> {
    let rows = read::all(place, STREAM, doc! {}, doc! { "_id": 1 }, usize::MAX, |row| {
        Ok((row.text("_id")?.to_owned(), row.number("size")?, row.array::<16>("boot")?, row.number("next_sequence")?))
    });
    for (name, size, boot, next) in rows.await? {
        if size == 0 {
            continue;
        }
        let leaves = place.database.collection::<Row>(LEDGER).count_documents(doc! { "stream": &name }).await?;
        let last =
            read::one(place, LEDGER, doc! { "stream": &name, "index": signed(size - 1) }, |row| Ok(row.bytes("leaf")?.to_vec())).await?;
        let beyond = place.database.collection::<Row>(LEDGER).find_one(doc! { "stream": &name, "index": { "$gte": signed(size) } }).await?;
        if leaves != size || beyond.is_some() {
            flaws.push(Flaw::Store("the log has more or fewer rows than its size says".to_owned()));
        }
        let (mut wanted, mut hashes, mut width) = (0, 0, size);
        while width > 0 {
            wanted += width.div_ceil(TILE_WIDTH as u64);
            hashes += width;
            width /= TILE_WIDTH as u64;
        }
        let count =
            doc! { "_id": Bson::Null, "tiles": { "$sum": 1_i64 }, "bytes": { "$sum": { "$toLong": { "$binarySize": "$hashes" } } } };
        let pipeline = vec![doc! { "$match": { "stream": &name } }, doc! { "$group": count }];
        let mut found = place.database.collection::<Row>(TILE).aggregate(pipeline).await?;
        let found = if found.advance().await? {
            let row = RawDocumentBuf::from_bytes(found.current().as_bytes().to_vec()).unwrap_or_default();
            (Fields(&row).number("tiles")?, Fields(&row).number("bytes")? / 32)
        } else {
            (0, 0)
        };
        if found != (wanted, hashes) {
            flaws.push(Flaw::Store("the log has more or fewer tiles than its size calls for".to_owned()));
        }
        let leaf = last.and_then(|bytes| Leaf::decode(&bytes).ok());
        if leaf.is_none_or(|leaf| leaf.boot.as_slice() != boot || leaf.sequence.saturating_add(1) != next) {
            flaws.push(Flaw::Store("the run that is noted as the last one did not write the log's last entry".to_owned()));
        }
    }
    Ok(())
}

/// Current versions are found by exactly the terms they were put with, and hold their unique ones.
async fn index(place: &Place, flaws: &mut Vec<Flaw>) -> Result<(), Fail> {
    let mut held = BTreeMap::new();
    let rows = read::all(place, UNIQUE, doc! {}, doc! {}, usize::MAX, |row| Ok((row.bytes("_id")?.to_vec(), DocId(row.array("id")?))));
    held.extend(rows.await?);
    let mut options = mongodb::options::FindOptions::default();
    options.projection = Some(doc! { "_id": 0, "kind": 1, "id": 1, "find": 1, "terms": 1, "uniques": 1 });
    let documents = place.database.collection::<RawDocumentBuf>(DOCUMENT);
    let mut cursor = documents.find(doc! { "current": true }).with_options(options).await?;
    let mut uniques = 0;
    while cursor.advance().await? {
        let row = Fields(cursor.current());
        let (kind, id): (Kind, DocId) = (row.kind()?, DocId(row.array("id")?));
        let unique: BTreeSet<Term> = row.terms("uniques")?.into_iter().collect();
        let all: BTreeSet<[u8; 16]> = row.terms("terms")?.iter().chain(&unique).map(|term| term.0).collect();
        let holds = |term: &Term| held.get(&[&kind.0.to_be_bytes()[..], &term.0].concat()) == Some(&id);
        uniques += unique.len();
        if (row.found_by()? != all || !unique.iter().all(holds)) && flaws.len() < FLAWS_MAX {
            flaws.push(Flaw::Terms { kind, id });
        }
    }
    if uniques != held.len() {
        flaws.push(Flaw::Store("the index holds more or fewer unique terms than the documents were put with".to_owned()));
    }
    Ok(())
}

impl Fields<'_> {
    /// The terms that the index finds this row by.
    fn found_by(self) -> Result<BTreeSet<[u8; 16]>, Fail> {
        let Ok(array) = self.0.get_array("find") else { return Ok(BTreeSet::new()) };
        let mut found = BTreeSet::new();
        for term in array {
            let term = term.ok().and_then(|term| term.as_binary().and_then(|binary| <[u8; 16]>::try_from(binary.bytes).ok()));
            found.insert(term.ok_or_else(|| rows::changed("find"))?);
        }
        Ok(found)
    }
}
