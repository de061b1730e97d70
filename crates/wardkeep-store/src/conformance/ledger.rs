//! The ledger rows of a store, against an independent recomputation.

use wardkeep_ledger::tree::{TILE_WIDTH, TileId, leaf_hash, root_of};
use wardkeep_ledger::{Hash, Head, Leaf, StreamId};

use super::{Engine, NOTE, Outcomes, about, accept, change, event, everything, expecting, id, put, stream_id, writer, writer_of};
use crate::contract::{Seq, Store, StoreError};

/// Derives head and tiles from the entries alone and compares; returns the decoded leaves.
pub async fn recompute(store: &dyn Store, stream: &StreamId) -> Result<Vec<Leaf>, StoreError> {
    let entries = store.entries(stream, 0, usize::MAX).await?;
    let mut leaves = Vec::new();
    let mut level: Vec<Hash> = Vec::new();
    for (entry, index) in entries.iter().zip(0..) {
        assert_eq!(entry.index, index);
        level.push(leaf_hash(&entry.leaf));
        leaves.push(Leaf::decode(&entry.leaf).map_err(|error| StoreError::Damaged(error.to_string()))?);
    }
    let head = (!level.is_empty()).then(|| Head { size: level.len() as u64, root: root_of(&level) });
    assert_eq!(store.head(stream).await?, head);
    let mut number = 0;
    while !level.is_empty() {
        for (tile, index) in level.chunks(TILE_WIDTH).zip(0..) {
            let id = TileId { level: number, index };
            assert_eq!(store.tile(stream, id).await?.as_deref(), Some(tile), "tile {id:?}");
        }
        let next = TileId { level: number, index: level.len().div_ceil(TILE_WIDTH) as u64 };
        assert_eq!(store.tile(stream, next).await?, None);
        level = level.as_chunks::<TILE_WIDTH>().0.iter().map(|tile| root_of(tile)).collect();
        number += 1;
    }
    Ok(leaves)
}

pub async fn entries_tiles_and_head_agree_with_a_recomputation(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("recomputed").await?;
    let stream = writer(1).stream;
    assert_eq!(store.head(&stream).await?, None);
    assert_eq!(store.entries(&stream, 0, 10).await?, vec![]);
    assert_eq!(store.tile(&stream, TileId { level: 0, index: 0 }).await?, None);
    let mut number = 0;
    // Over two tile borders, and exactly onto them.
    for count in [1, 254, 1, 255, 1, 3, 600] {
        let events = (number..number + count).map(event).collect();
        let applied = accept(&*store, change(vec![], events)).await?;
        let expected: Vec<_> = (number..number + count).map(|n| (event(n).event, n, None)).collect();
        assert_eq!(applied.events, expected);
        number += count;
        recompute(&*store, &stream).await?;
    }
    let part = store.entries(&stream, 250, 10).await?;
    assert_eq!(part.iter().map(|entry| entry.index).collect::<Vec<_>>(), (250..260).collect::<Vec<_>>());
    assert_eq!(store.entries(&stream, number, 10).await?, vec![]);
    Ok(())
}

pub async fn sequences_of_a_run_have_no_gaps(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("sequences").await?;
    let mut number = 0;
    for boot in [1, 2, 3] {
        for _ in 0..5 {
            let refused = expecting(change(vec![], vec![event(900)]), NOTE, id(1), 9);
            let batch = vec![change(vec![], vec![event(number)]), refused, change(vec![], vec![event(number + 1)])];
            let outcomes = store.commit(&writer(boot), batch).await?;
            assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
            number += 2;
        }
    }
    let leaves = recompute(&*store, &writer(1).stream).await?;
    let shown: Vec<_> = leaves.iter().map(|leaf| (leaf.boot[0], leaf.sequence)).collect();
    assert_eq!(shown, [1, 2, 3].iter().flat_map(|boot| (0..10).map(|sequence| (*boot, sequence))).collect::<Vec<_>>());
    assert!(leaves.iter().zip(0..).all(|(leaf, n)| leaf.event == event(n).event && leaf.resource == event(n).resource));
    Ok(())
}

pub async fn subjects_are_numbered_one_by_one(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("subjects").await?;
    let events = [1, 2, 1, 1, 2, 3].iter().zip(0..).map(|(subject, number)| about(event(number), *subject)).collect();
    let applied = accept(&*store, change(vec![], events)).await?;
    assert_eq!(applied.events.iter().map(|event| event.2).collect::<Vec<_>>(), [1, 1, 2, 3, 2, 1].map(Some));
    let again = accept(&*store, change(vec![], vec![about(event(6), 1), event(7)])).await?;
    assert_eq!(again.events.iter().map(|event| event.2).collect::<Vec<_>>(), [Some(4), None]);
    // The number stands beside the leaf and opens its commitment.
    let stream = writer(1).stream;
    let leaves = recompute(&*store, &stream).await?;
    for (entry, leaf) in store.entries(&stream, 0, 100).await?.iter().zip(&leaves) {
        let subject = [1, 2, 1, 1, 2, 3, 1].get(entry.index as usize).and_then(|subject| about(event(0), *subject).subject);
        let expected = subject.zip(entry.subject_number).map(|(subject, number)| subject.commit(number));
        assert_eq!(leaf.subject, expected.unwrap_or(wardkeep_ledger::leaf::NO_SUBJECT));
    }
    Ok(())
}

pub async fn streams_do_not_mix(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("streams").await?;
    for number in 0..6 {
        let name = if number % 3 == 0 { "suite.b" } else { "suite.a" };
        store.commit(&writer_of(name, 1), vec![change(vec![], vec![about(event(number), 1)])]).await?;
    }
    assert_eq!(store.streams().await?, [stream_id("suite.a"), stream_id("suite.b")]);
    let events = |leaves: Vec<Leaf>| leaves.iter().map(|leaf| leaf.event).collect::<Vec<_>>();
    assert_eq!(events(recompute(&*store, &stream_id("suite.a")).await?), [1, 2, 4, 5].map(|n| event(n).event));
    assert_eq!(events(recompute(&*store, &stream_id("suite.b")).await?), [0, 3].map(|n| event(n).event));
    let (stream, entry) = store.entry(event(3).event).await?.unwrap_or_else(|| unreachable!("the event was committed"));
    assert_eq!((stream, entry.index, entry.subject_number), (stream_id("suite.b"), 1, Some(4)), "subjects count over all streams");
    Ok(())
}

pub async fn an_event_is_found_by_its_id(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("events").await?;
    accept(&*store, change(vec![], (0..300).map(event).collect())).await?;
    let stream = writer(1).stream;
    for number in [0, 1, 255, 256, 299] {
        let found = store.entry(event(number).event).await?;
        assert_eq!(found, store.entries(&stream, number, 1).await?.pop().map(|entry| (stream.clone(), entry)));
        assert!(found.is_some());
    }
    assert_eq!(store.entry(event(300).event).await?, None);
    Ok(())
}

pub async fn seq_at_turns_a_time_into_a_bound(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("times").await?;
    let never = Seq(u64::MAX >> 1);
    assert_eq!(store.seq_at(0).await?, never);
    // A clock that stands still and one that steps back must not hide anything.
    for (number, time) in [(1u8, 100), (2, 100), (3, 300), (4, 200), (5, 300), (6, 400)] {
        let at = wardkeep_ledger::Draft { time_ms: time, ..event(u64::from(number)) };
        accept(&*store, change(vec![put(NOTE, id(number), 1)], vec![at])).await?;
    }
    for (time, expected) in [(-1, 1), (100, 1), (101, 3), (200, 3), (300, 3), (301, 6), (400, 6)] {
        assert_eq!(store.seq_at(time).await?, Seq(expected), "time {time}");
    }
    assert_eq!(store.seq_at(401).await?, never);
    assert_eq!(store.seq_at(i64::MAX).await?, never);
    Ok(())
}

pub async fn commits_that_put_nothing_are_no_flaw(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("reads").await?;
    for number in [1, 2, 3] {
        accept(&*store, change(vec![], vec![event(number)])).await?;
    }
    accept(&*store, change(vec![put(NOTE, id(1), 1)], vec![event(4)])).await?;
    accept(&*store, change(vec![], vec![event(5)])).await?;
    let clock = store.inspection().clock(None, 10).await?;
    assert_eq!(clock, [(1, Seq(1)), (2, Seq(1)), (3, Seq(1)), (4, Seq(1)), (5, Seq(2))], "they share the next document's sequence");
    assert_eq!(store.inspection().flaws().await?, vec![]);
    Ok(())
}

pub async fn the_newest_checkpoint_is_kept(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("checkpoints").await?;
    let (a, b) = (stream_id("suite.a"), stream_id("suite.b"));
    assert_eq!(store.checkpoint(&a).await?, None);
    store.checkpoint_put(&a, "first\n").await?;
    store.checkpoint_put(&a, "second\n\u{2014} signed\n").await?;
    assert_eq!(store.checkpoint(&a).await?.as_deref(), Some("second\n\u{2014} signed\n"));
    assert_eq!(store.checkpoint(&b).await?, None);
    assert_eq!(store.streams().await?, vec![], "a checkpoint alone makes no stream");
    assert_eq!(store.head(&a).await?, None);
    Ok(())
}

pub async fn a_run_that_was_taken_over_has_lost_the_stream(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("taken-over").await?;
    accept(&*store, change(vec![put(NOTE, id(1), 1)], vec![event(1)])).await?;
    // A second run takes over and starts its own sequence.
    store.commit(&writer(2), vec![change(vec![], vec![event(2)])]).await?;
    let before = everything(&*store).await?;
    for _ in 0..2 {
        let lost = store.commit(&writer(1), vec![change(vec![put(NOTE, id(2), 1)], vec![event(3)])]).await;
        assert!(matches!(lost, Err(StoreError::StreamLost(ref name)) if name == "suite.main"), "{lost:?}");
    }
    assert_eq!(everything(&*store).await?, before);
    let leaves = recompute(&*store, &writer(1).stream).await?;
    assert_eq!(leaves.iter().map(|leaf| (leaf.boot[0], leaf.sequence)).collect::<Vec<_>>(), [(1, 0), (2, 0)]);
    Ok(())
}
