//! Blobs: staged segment by segment, then part of the record.

use super::{Engine, NOTE, Outcomes, accept, change, commit, event, expecting, id, recording};
use crate::contract::{BLOB_SEGMENT_BYTES_MAX, Changeset, DocId, Owner, Refusal, Store, StoreError};

async fn stage(store: &dyn Store, blob: DocId, segments: u32) -> Result<(), StoreError> {
    for segment in 0..segments {
        store.blob_write(blob, Owner([1; 16]), segment, vec![segment as u8; 1000]).await?;
    }
    Ok(())
}

async fn record(store: &dyn Store, blob: DocId) -> Result<(), StoreError> {
    accept(store, recording(change(vec![], vec![]), &[blob])).await.map(|_| ())
}

pub async fn a_staged_blob_can_be_read_and_is_not_listed(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("staged").await?;
    stage(&*store, id(1), 3).await?;
    assert_eq!(store.blob_read(id(1), 2).await?, Some(vec![2; 1000]));
    assert_eq!(store.blob_read(id(1), 3).await?, None);
    assert_eq!(store.blob_read(id(2), 0).await?, None);
    assert_eq!(store.blobs(None, 10).await?, vec![]);
    // A segment may be written again while the blob is only staged.
    store.blob_write(id(1), Owner([1; 16]), 2, vec![7]).await?;
    assert_eq!(store.blob_read(id(1), 2).await?, Some(vec![7]));
    Ok(())
}

pub async fn a_recorded_blob_never_changes(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("recorded").await?;
    stage(&*store, id(1), 2).await?;
    record(&*store, id(1)).await?;
    for segment in 0..3 {
        let written = store.blob_write(id(1), Owner([1; 16]), segment, vec![9]).await;
        assert!(matches!(written, Err(StoreError::Engine { .. })), "{written:?}");
    }
    store.blob_abandon(id(1)).await?;
    assert_eq!(store.blob_sweep().await?, 0);
    assert_eq!(store.blob_read(id(1), 0).await?, Some(vec![0; 1000]));
    assert_eq!(store.blob_read(id(1), 1).await?, Some(vec![1; 1000]));
    assert_eq!(store.blob_read(id(1), 2).await?, None);
    Ok(())
}

pub async fn an_abandoned_blob_is_gone(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("abandoned").await?;
    stage(&*store, id(1), 2).await?;
    stage(&*store, id(2), 1).await?;
    store.blob_abandon(id(1)).await?;
    store.blob_abandon(id(9)).await?;
    assert_eq!(store.blob_read(id(1), 0).await?, None);
    assert_eq!(store.blob_read(id(2), 0).await?, Some(vec![0; 1000]));
    assert_eq!(commit(&*store, recording(change(vec![], vec![]), &[id(1)])).await?, Err(Refusal::BlobMissing(id(1))));
    Ok(())
}

pub async fn a_sweep_takes_staged_blobs_alone(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("sweep").await?;
    for number in 1..=4 {
        stage(&*store, id(number), 2).await?;
    }
    record(&*store, id(2)).await?;
    assert_eq!(store.blob_sweep().await?, 3);
    assert_eq!(store.blob_sweep().await?, 0);
    assert_eq!(store.blob_read(id(1), 0).await?, None);
    assert_eq!(store.blob_read(id(2), 1).await?, Some(vec![1; 1000]));
    Ok(())
}

pub async fn an_erased_blob_is_gone_with_its_changeset_or_not_at_all(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("erasedblob").await?;
    for number in 1..=3 {
        stage(&*store, id(number), 2).await?;
        record(&*store, id(number)).await?;
    }
    let erase = |blobs: &[DocId]| Changeset { blob_erases: blobs.to_vec(), ..change(vec![], vec![]) };
    let refused = expecting(erase(&[id(1)]), NOTE, id(9), 4);
    assert!(matches!(commit(&*store, refused).await?, Err(Refusal::Conflict { .. })));
    assert_eq!(store.blobs(None, 10).await?, [1, 2, 3].map(id), "a refused changeset erases nothing");
    // One that is not there is no error: an erasure that was cut off is done again from the start.
    accept(&*store, erase(&[id(1), id(3), id(8)])).await?;
    store.purge().await?;
    assert_eq!(store.blobs(None, 10).await?, [id(2)]);
    assert_eq!((store.blob_read(id(1), 0).await?, store.blob_read(id(3), 1).await?), (None, None));
    assert_eq!(store.inspection().blob(id(1)).await?, None);
    assert_eq!(store.blob_read(id(2), 1).await?, Some(vec![1; 1000]));
    // Its id is as free as it was before.
    stage(&*store, id(1), 1).await?;
    assert_eq!(store.blobs(None, 10).await?, [id(2)], "staged only");
    record(&*store, id(1)).await?;
    assert_eq!((store.blob_read(id(1), 0).await?, store.blob_read(id(1), 1).await?), (Some(vec![0; 1000]), None));
    Ok(())
}

pub async fn a_segment_beyond_the_bound_is_refused(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("bound").await?;
    store.blob_write(id(1), Owner::NONE, 0, vec![1; BLOB_SEGMENT_BYTES_MAX]).await?;
    let long = store.blob_write(id(1), Owner::NONE, 1, vec![1; BLOB_SEGMENT_BYTES_MAX + 1]).await;
    assert!(matches!(long, Err(StoreError::Engine { .. })), "{long:?}");
    assert_eq!(store.blob_read(id(1), 0).await?.map(|bytes| bytes.len()), Some(BLOB_SEGMENT_BYTES_MAX));
    assert_eq!(store.blob_read(id(1), 1).await?, None);
    Ok(())
}

pub async fn blobs_are_listed_in_pages(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("listed").await?;
    for number in [5, 1, 4, 2, 3] {
        stage(&*store, id(number), 1).await?;
        if number != 2 {
            record(&*store, id(number)).await?;
        }
    }
    assert_eq!(store.blobs(None, 3).await?, [1, 3, 4].map(id));
    assert_eq!(store.blobs(Some(id(4)), 3).await?, [5].map(id));
    assert_eq!(store.blobs(Some(id(2)), 1).await?, [3].map(id));
    assert_eq!(store.blobs(Some(id(5)), 3).await?, vec![]);
    Ok(())
}

pub async fn a_blob_that_is_not_staged_refuses_the_changeset(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("unstaged").await?;
    stage(&*store, id(1), 1).await?;
    let both = recording(change(vec![], vec![event(1)]), &[id(1), id(2)]);
    assert_eq!(commit(&*store, both).await?, Err(Refusal::BlobMissing(id(2))));
    assert_eq!(store.blobs(None, 10).await?, vec![], "the staged one was not recorded on the way");
    record(&*store, id(1)).await?;
    assert_eq!(commit(&*store, recording(change(vec![], vec![]), &[id(1)])).await?, Err(Refusal::BlobMissing(id(1))));
    Ok(())
}
