//! Every query that only reads, with read concern majority: what an election could take back is
//! never shown. The cost of each follows what it returns, not what is stored.

use mongodb::bson::{Document as Row, RawDocumentBuf, doc};
use mongodb::options::FindOptions;
use wardkeep_ledger::{EventId, Hash, Head, StreamId, tree::TileId};

use super::error::Fail;
use super::place::Place;
use super::rows::{self, Fields, bin, signed};
use super::schema::{BLOB, CHECKPOINT, CLOCK, DOCUMENT, HOUSE, LEDGER, MARK, SEGMENT, SEQUENCE, STREAM, TILE, recognise};
use crate::contract::{DocId, Document, Entry, Find, Kind, Seq, StoreError};

pub(crate) type Found<T> = Result<T, Fail>;

/// Rows of a query, each made into something.
pub(crate) async fn all<T>(
    place: &Place,
    collection: &str,
    filter: Row,
    sort: Row,
    limit: usize,
    make: impl Fn(Fields<'_>) -> Found<T>,
) -> Found<Vec<T>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let mut options = FindOptions::default();
    options.limit = Some(rows::limit(limit));
    options.batch_size = Some(u32::try_from(limit).unwrap_or(u32::MAX).min(BATCH));
    options.sort = (!sort.is_empty()).then_some(sort);
    let mut found = Vec::new();
    each(place, collection, filter, options, |row| {
        found.push(make(row)?);
        Ok(())
    })
    .await?;
    Ok(found)
}

/// Hands every row of a query on, from the place's snapshot when it has one.
pub(crate) async fn each(
    place: &Place,
    collection: &str,
    filter: Row,
    options: FindOptions,
    mut row: impl FnMut(Fields<'_>) -> Found<()>,
) -> Found<()> {
    let find = place.database.collection::<RawDocumentBuf>(collection);
    let find = find.find(filter).with_options(options);
    let Some(session) = &place.snapshot else {
        let mut cursor = find.await?;
        while cursor.advance().await? {
            row(Fields(cursor.current()))?;
        }
        return Ok(());
    };
    let mut session = session.lock().await;
    let mut cursor = find.session(&mut *session).await?;
    while cursor.advance(&mut session).await? {
        row(Fields(cursor.current()))?;
    }
    Ok(())
}

/// Rows that one answer of the server may hold; it ends an answer at 16 MiB by itself.
const BATCH: u32 = 2048;
/// No bound.
const EVERY: usize = i64::MAX as usize;

pub(crate) async fn one<T>(place: &Place, collection: &str, filter: Row, make: impl Fn(Fields<'_>) -> Found<T>) -> Found<Option<T>> {
    let rows = place.database.collection::<RawDocumentBuf>(collection);
    let row = match &place.snapshot {
        None => rows.find_one(filter).await?,
        Some(session) => rows.find_one(filter).session(&mut *session.lock().await).await?,
    };
    row.map(|row| make(Fields(&row))).transpose()
}

pub(crate) async fn get(place: &Place, kind: Kind, id: DocId) -> Found<Option<Document>> {
    one(place, DOCUMENT, doc! { "kind": rows::kind(kind), "id": bin(&id.0), "current": true }, |row| row.document()).await
}

pub(crate) async fn get_many(place: &Place, kind: Kind, ids: &[DocId]) -> Found<Vec<Document>> {
    let wanted: Vec<_> = ids.iter().map(|id| bin(&id.0)).collect();
    let filter = doc! { "kind": rows::kind(kind), "id": { "$in": wanted }, "current": true };
    let found = all(place, DOCUMENT, filter, doc! {}, EVERY, |row| row.document()).await?;
    let mut by_id: std::collections::HashMap<DocId, Document> = found.into_iter().map(|document| (document.id, document)).collect();
    let mut documents = Vec::with_capacity(by_id.len());
    for id in ids {
        match by_id.get(id) {
            Some(document) => documents.push(document.clone()),
            // A version that was written while the list was read can hide between the old and the new.
            None => {
                if let Some(document) = get(place, kind, *id).await? {
                    by_id.insert(*id, document.clone());
                    documents.push(document);
                }
            }
        }
    }
    Ok(documents)
}

pub(crate) async fn history(place: &Place, kind: Kind, id: DocId) -> Found<Vec<Document>> {
    let filter = doc! { "kind": rows::kind(kind), "id": bin(&id.0) };
    let mut versions = all(place, DOCUMENT, filter, doc! {}, EVERY, |row| row.document()).await?;
    versions.sort_by_key(|document| document.version);
    Ok(versions)
}

pub(crate) async fn find(place: &Place, query: &Find) -> Found<Vec<Document>> {
    let since = query.since.map_or(0, |seq| signed(seq.0));
    let before = query.before.map_or(i64::MAX, |seq| signed(seq.0));
    let mut filter = doc! { "kind": rows::kind(query.kind), "current": true, "seq": { "$gte": since, "$lt": before } };
    if !query.all_of.is_empty() {
        filter.insert("find", doc! { "$all": query.all_of.iter().map(|term| bin(&term.0)).collect::<Vec<_>>() });
    }
    all(place, DOCUMENT, filter, doc! { "seq": -1 }, query.limit, |row| row.document()).await
}

/// Filter and order of "everything of this kind after".
pub(crate) fn changed(kind: Option<Kind>, after: Seq) -> (Row, Row) {
    let mut filter = doc! { "seq": { "$gt": signed(after.0) } };
    if let Some(kind) = kind {
        filter.insert("kind", rows::kind(kind));
        // Named, so that the index by kind serves both halves in order.
        filter.insert("current", doc! { "$in": [true, false] });
    }
    (filter, doc! { "seq": 1 })
}

pub(crate) async fn changed_since(place: &Place, kind: Option<Kind>, after: Seq, limit: usize) -> Found<Vec<Document>> {
    let (filter, sort) = changed(kind, after);
    all(place, DOCUMENT, filter, sort, limit, |row| row.document()).await
}

pub(crate) async fn streams(place: &Place) -> Found<Vec<StreamId>> {
    all(place, STREAM, doc! { "size": { "$gt": 0_i64 } }, doc! { "_id": 1 }, EVERY, |row| row.stream("_id")).await
}

pub(crate) async fn head(place: &Place, stream: &StreamId) -> Found<Option<Head>> {
    let found = one(place, STREAM, doc! { "_id": stream.as_str() }, |row| Ok(Head { size: row.number("size")?, root: row.array("root")? }));
    Ok(found.await?.filter(|head| head.size > 0))
}

pub(crate) async fn entries(place: &Place, stream: &StreamId, from: u64, limit: usize) -> Found<Vec<Entry>> {
    let filter = doc! { "stream": stream.as_str(), "index": { "$gte": signed(from) } };
    all(place, LEDGER, filter, doc! { "index": 1 }, limit, |row| row.entry()).await
}

pub(crate) async fn entry(place: &Place, event: EventId) -> Found<Option<(StreamId, Entry)>> {
    one(place, LEDGER, doc! { "_id": bin(&event.0) }, |row| Ok((row.stream("stream")?, row.entry()?))).await
}

/// `_id` of a tile.
pub(crate) fn tile_id(stream: &str, tile: TileId) -> String {
    format!("{stream}/{}/{}", tile.level, tile.index)
}

pub(crate) async fn tile(place: &Place, stream: &StreamId, tile: TileId) -> Found<Option<Vec<Hash>>> {
    one(place, TILE, doc! { "_id": tile_id(stream.as_str(), tile) }, |row| row.hashes()).await
}

pub(crate) async fn seq_at(place: &Place, time_ms: i64) -> Found<Seq> {
    let found = all(place, CLOCK, doc! { "_id": { "$gte": time_ms } }, doc! { "_id": 1 }, 1, |row| row.number("seq")).await?;
    Ok(found.first().map_or(Seq(u64::MAX >> 1), |seq| Seq(*seq)))
}

pub(crate) async fn checkpoint(place: &Place, stream: &StreamId) -> Found<Option<String>> {
    one(place, CHECKPOINT, doc! { "_id": stream.as_str() }, |row| row.text("note").map(str::to_owned)).await
}

pub(crate) async fn blob(place: &Place, id: DocId, segment: u32) -> Found<Option<Vec<u8>>> {
    one(place, SEGMENT, doc! { "_id": rows::segment_id(id, segment) }, |row| row.bytes("bytes").map(<[u8]>::to_vec)).await
}

pub(crate) async fn blobs(place: &Place, after: Option<DocId>, limit: usize) -> Found<Vec<DocId>> {
    let mut filter = doc! { "recorded": true };
    if let Some(after) = after {
        filter.insert("_id", doc! { "$gt": bin(&after.0) });
    }
    all(place, BLOB, filter, doc! { "_id": 1 }, limit, |row| row.array("_id").map(DocId)).await
}

pub(crate) async fn marked(place: &Place, kind: Kind, id: DocId) -> Found<Option<i64>> {
    one(place, MARK, doc! { "_id": rows::mark_id(kind, id) }, |row| row.time("value")).await
}

pub(crate) async fn health(place: &Place) -> Found<()> {
    if !recognise(place).await? {
        return Err(StoreError::NotAStore { path: place.name.clone(), cause: "it is empty".to_owned() }.into());
    }
    one(place, HOUSE, doc! { "_id": SEQUENCE }, |row| row.number("seq")).await?;
    Ok(())
}
