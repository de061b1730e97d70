//! Rows of a copy: upserts by `_id`, in order and with majority, so that after a cut the rows that
//! are there are the first ones. Only the end is a transaction.

use mongodb::bson::{Bson, Document as Row, doc};

use super::error::Fail;
use super::place::{OPERATION_TIME, Place, durable, in_time};
use super::read::{self, tile_id};
use super::rows::{self, bin, signed};
use super::schema::{BLOB, CLOCK, COUNTER, DOCUMENT, HOUSE, LEDGER, SEGMENT, SEQUENCE, STREAM, TILE, UNIQUE};
use super::write::Transaction;
use crate::contract::{DocId, Owner, Put, Seq, StoreError};
use crate::receive::{End, Rows, Segment, Whole};

/// Who stages the segments of a blob that is not whole yet: no node, so that no start sweeps them.
const BY: &str = "";

pub(crate) async fn receive(place: &Place, rows: Rows) -> Result<(), Fail> {
    match rows {
        Rows::Documents(rows) => documents(place, rows).await,
        Rows::Counters(rows) => {
            let rows = rows.iter().map(|(key, value)| whole(doc! { "_id": bin(key) }, doc! { "value": signed(*value) }));
            write(place, COUNTER, rows.collect()).await
        }
        Rows::Clock(rows) => {
            let rows = rows.iter().map(|(time, seq)| whole(doc! { "_id": *time }, doc! { "seq": signed(seq.0) }));
            write(place, CLOCK, rows.collect()).await
        }
        Rows::Files { segments, whole } => files(place, segments, whole).await,
        Rows::Leaves { stream, leaves } => {
            let rows = leaves.iter().map(|(event, entry)| {
                let row = doc! { "_id": bin(&event.0), "stream": stream.as_str(), "index": signed(entry.index) };
                let mut more = doc! { "leaf": bin(&entry.leaf) };
                if let Some(number) = entry.subject_number {
                    more.insert("number", signed(number));
                }
                whole(row, more)
            });
            write(place, LEDGER, rows.collect()).await
        }
        Rows::Tiles { stream, tiles } => {
            let rows = tiles.iter().map(|(tile, hashes)| {
                let place = doc! { "stream": stream.as_str(), "level": i32::from(tile.level), "index": signed(tile.index) };
                let mut row = doc! { "hashes": bin(&hashes.concat()) };
                row.extend(place);
                whole(doc! { "_id": tile_id(stream.as_str(), *tile) }, row)
            });
            write(place, TILE, rows.collect()).await
        }
        Rows::End { seq, streams } => end(place, seq, &streams).await,
    }
}

/// A row that takes the place of an earlier one. `key` holds `_id` and the fields of the shard key,
/// which an upsert into a sharded collection must name.
fn whole(key: Row, more: Row) -> Row {
    let mut row = key.clone();
    row.extend(more);
    doc! { "q": key, "u": row, "upsert": true }
}

async fn write(place: &Place, collection: &str, updates: Vec<Row>) -> Result<(), Fail> {
    if updates.is_empty() {
        return Ok(());
    }
    let concern = doc! { "w": "majority", "j": true };
    let command = doc! { "update": collection, "updates": updates, "ordered": true, "writeConcern": concern };
    let answer = in_time(async { Ok(place.database.run_command(command).await?) }).await?;
    let failed = answer.get_array("writeErrors").ok().and_then(|errors| errors.first().and_then(Bson::as_document));
    match failed.or(answer.get_document("writeConcernError").ok()) {
        None => Ok(()),
        Some(error) => {
            let cause = format!("{}: server error {} in {collection}", place.name, error.get_i32("code").unwrap_or(0));
            Err(StoreError::Engine { doing: "receiving rows", cause }.into())
        }
    }
}

async fn documents(place: &Place, rows: Vec<Whole>) -> Result<(), Fail> {
    let (mut documents, mut uniques) = (Vec::new(), Vec::new());
    for Whole { document, beside } in rows {
        let put = Put {
            kind: document.kind,
            id: document.id,
            owner: document.owner,
            version: document.version,
            sealed: document.sealed,
            terms: beside.terms,
            unique: beside.unique,
        };
        let mut row = rows::document_row(&put, document.seq.0);
        if beside.current {
            let terms = put.unique.iter();
            uniques.extend(terms.map(|term| whole(doc! { "_id": rows::unique_id(put.kind, *term) }, doc! { "id": bin(&put.id.0) })));
        } else {
            rows::superseded(&mut row);
        }
        let key = doc! { "_id": rows::version_id(put.kind, put.id, put.version), "owner": bin(&put.owner.0) };
        documents.push(whole(key, row));
    }
    // Unique terms first: a document that is there is not looked at again.
    write(place, UNIQUE, uniques).await?;
    write(place, DOCUMENT, documents).await
}

async fn files(place: &Place, segments: Vec<Segment>, recorded: Vec<(DocId, Owner)>) -> Result<(), Fail> {
    let mut blobs: Vec<Row> = Vec::new();
    let mut last = None;
    for segment in &segments {
        if last.replace(segment.blob) != Some(segment.blob) {
            let row = doc! { "owner": bin(&segment.owner.0), "recorded": false, "by": BY };
            blobs.push(doc! { "q": { "_id": bin(&segment.blob.0) }, "u": { "$setOnInsert": row }, "upsert": true });
        }
    }
    write(place, BLOB, blobs).await?;
    let rows = segments.into_iter().map(|segment| {
        let key = doc! { "_id": rows::segment_id(segment.blob, segment.number), "blob": bin(&segment.blob.0) };
        whole(key, doc! { "bytes": bin(&segment.bytes) })
    });
    write(place, SEGMENT, rows.collect()).await?;
    let rows =
        recorded.iter().map(|(id, owner)| whole(doc! { "_id": bin(&id.0) }, doc! { "owner": bin(&owner.0), "recorded": true, "by": BY }));
    write(place, BLOB, rows.collect()).await
}

async fn end(place: &Place, seq: Seq, streams: &[End]) -> Result<(), Fail> {
    let latest = read::all(place, CLOCK, doc! {}, doc! { "_id": -1 }, 1, |row| row.time("_id")).await?;
    let mut order = doc! { "seq": signed(seq.0) };
    if let Some(latest) = latest.first() {
        order.insert("latest", *latest);
    }
    let rows = streams.iter().map(|end| {
        let row = doc! {
            "size": signed(end.head.size), "root": bin(&end.head.root), "boot": bin(&end.boot),
            "next_sequence": signed(end.next_sequence), "commits": 0_i64,
        };
        whole(doc! { "_id": end.stream.as_str() }, row)
    });
    in_time(async {
        let mut session = place.client.start_session().await?;
        session.start_transaction().write_concern(durable()).max_commit_time(OPERATION_TIME).await?;
        let mut transaction = Transaction { place, session: &mut session };
        transaction.run("update", HOUSE, vec![doc! { "q": { "_id": SEQUENCE }, "u": { "$set": order } }]).await?;
        transaction.run("update", STREAM, rows.collect()).await?;
        transaction.commit().await
    })
    .await
}
