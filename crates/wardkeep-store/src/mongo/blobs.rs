//! Files: sealed segments, staged until a changeset makes them part of the record.

use mongodb::bson::{Document as Row, RawDocumentBuf, doc};
use mongodb::options::ReturnDocument;

use super::error::Fail;
use super::place::Place;
use super::rows::{self, bin};
use super::schema::{BLOB, SEGMENT};
use crate::check;
use crate::contract::{DocId, Owner};

/// `by` names who uploads, so that a start sweeps up after its own node alone.
pub(crate) async fn write(place: &Place, by: &str, id: DocId, owner: Owner, segment: u32, bytes: &[u8]) -> Result<(), Fail> {
    check::segment(bytes)?;
    let blobs = place.database.collection::<RawDocumentBuf>(BLOB);
    let fresh = doc! { "$setOnInsert": { "owner": bin(&owner.0), "recorded": false, "by": by } };
    let row = blobs.find_one_and_update(doc! { "_id": bin(&id.0) }, fresh).upsert(true).return_document(ReturnDocument::After).await?;
    if row.is_some_and(|row| row.get_bool("recorded").unwrap_or(false)) {
        return Err(check::blob_recorded().into());
    }
    let row = doc! { "bytes": bin(bytes) };
    let segments = place.database.collection::<Row>(SEGMENT);
    segments.update_one(doc! { "_id": rows::segment_id(id, segment), "blob": bin(&id.0) }, doc! { "$set": row }).upsert(true).await?;
    Ok(())
}

async fn drop_staged(place: &Place, ids: Vec<DocId>) -> Result<u64, Fail> {
    let mut dropped = 0;
    for id in ids {
        // The row first: segments without a row are never read again, a row without segments could be.
        let gone = place.database.collection::<Row>(BLOB).delete_one(doc! { "_id": bin(&id.0), "recorded": false }).await?;
        if gone.deleted_count > 0 {
            place.database.collection::<Row>(SEGMENT).delete_many(doc! { "blob": bin(&id.0) }).await?;
            dropped += 1;
        }
    }
    Ok(dropped)
}

pub(crate) async fn abandon(place: &Place, id: DocId) -> Result<(), Fail> {
    drop_staged(place, vec![id]).await.map(|_| ())
}

pub(crate) async fn sweep(place: &Place, by: &str) -> Result<u64, Fail> {
    let filter = doc! { "recorded": false, "by": by };
    let staged = super::read::all(place, BLOB, filter, doc! {}, usize::MAX, |row| row.array("_id").map(DocId)).await?;
    drop_staged(place, staged).await
}
