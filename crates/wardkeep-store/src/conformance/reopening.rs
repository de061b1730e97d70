//! What outlives the handle. An engine that keeps nothing passes these by having nothing to lose.

use super::ledger::recompute;
use super::{
    Engine, NOTE, Outcomes, about, accept, change, commit, erasing, event, everything, id, put, recording, stream_id, term, with_terms,
    writer,
};
use crate::contract::{Owner, Refusal, Seq, Version};

pub async fn what_was_committed_is_there_after_reopening(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("kept").await?;
    for version in 1..=3 {
        let note = with_terms(put(NOTE, id(1), version), &[term(version as u8)], &[term(9)]);
        accept(&*store, change(vec![note, put(NOTE, id(10 + version as u8), 1)], vec![about(event(version), 1)])).await?;
    }
    accept(&*store, erasing(change(vec![], vec![event(4)]), NOTE, id(11))).await?;
    store.blob_write(id(5), Owner([1; 16]), 0, vec![1, 2, 3]).await?;
    accept(&*store, recording(change(vec![], vec![]), &[id(5)])).await?;
    store.checkpoint_put(&stream_id("suite.main"), "note").await?;
    store.mark(NOTE, id(12), 77).await?;
    let before = everything(&*store).await?;
    drop(store);
    if !engine.durable() {
        return Ok(());
    }
    let store = engine.open("kept").await?;
    assert_eq!(everything(&*store).await?, before);
    assert_eq!(store.blob_read(id(5), 0).await?, Some(vec![1, 2, 3]));
    assert_eq!(store.checkpoint(&stream_id("suite.main")).await?.as_deref(), Some("note"));
    assert_eq!(store.seq_at(2).await?, Seq(3));
    recompute(&*store, &writer(1).stream).await?;
    Ok(())
}

pub async fn the_stream_goes_on_after_reopening(engine: &dyn Engine) -> Outcomes {
    if !engine.durable() {
        return Ok(());
    }
    let mut number = 0;
    // Around a tile border, so that the edge is restored from full and partial tiles.
    for (boot, count) in [(1, 255), (2, 1), (3, 1), (4, 300)] {
        let store = engine.open("goes-on").await?;
        let events = (number..number + count).map(|n| about(event(n), 1)).collect();
        let outcomes = store.commit(&writer(boot), vec![change(vec![put(NOTE, id(boot), 1)], events)]).await?;
        let applied = outcomes.into_iter().filter_map(Result::ok).collect::<Vec<_>>();
        number += count;
        let last = applied.first().and_then(|applied| applied.events.last().cloned());
        assert_eq!(last, Some((event(number - 1).event, number - 1, Some(number))), "index and subject number go on");
        assert_eq!(applied.first().map(|applied| applied.seq), Some(Seq(u64::from(boot))));
        let leaves = recompute(&*store, &writer(1).stream).await?;
        assert_eq!(leaves.last().map(|leaf| (leaf.boot, leaf.sequence)), Some(([boot; 16], count - 1)));
    }
    let store = engine.open("goes-on").await?;
    let again = store.commit(&writer(4), vec![change(vec![put(NOTE, id(1), 1)], vec![])]).await?;
    let conflict = Refusal::Conflict { kind: NOTE, id: id(1), expected: Version(0), found: Version(1) };
    assert_eq!(again, [Err(conflict)], "replaying a commit is refused");
    Ok(())
}

pub async fn staged_blobs_wait_for_the_sweep(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("waiting").await?;
    store.blob_write(id(1), Owner::NONE, 0, vec![1]).await?;
    drop(store);
    if !engine.durable() {
        return Ok(());
    }
    let store = engine.open("waiting").await?;
    assert_eq!(store.blob_sweep().await?, 1);
    assert_eq!(commit(&*store, recording(change(vec![], vec![]), &[id(1)])).await?, Err(Refusal::BlobMissing(id(1))));
    Ok(())
}
