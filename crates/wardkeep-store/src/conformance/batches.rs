//! One changeset is whole or nothing; one batch is one transaction.

use super::{
    Engine, NOTE, Outcomes, about, accept, change, commit, erasing, event, everything, expecting, id, put, recording, term, with_terms,
    writer,
};
use crate::contract::{Changeset, Owner, Refusal, Seq, Version};

/// A changeset with something of everything, which `spoil` makes one that must be refused.
fn rich(spoil: impl FnOnce(Changeset) -> Changeset) -> Changeset {
    let puts = vec![with_terms(put(NOTE, id(50), 1), &[term(50)], &[term(51)]), with_terms(put(NOTE, id(1), 2), &[term(52)], &[])];
    let events = vec![about(event(500), 5), event(501)];
    spoil(recording(erasing(change(puts, events), NOTE, id(2)), &[id(60)]))
}

pub async fn a_refused_changeset_leaves_no_trace_and_hurts_nobody(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("refused").await?;
    let base = vec![with_terms(put(NOTE, id(1), 1), &[term(1)], &[term(2)]), put(NOTE, id(2), 1), put(NOTE, id(3), 1)];
    accept(&*store, change(base, vec![about(event(1), 5)])).await?;
    store.mark(NOTE, id(2), 7).await?;
    store.blob_write(id(60), Owner::NONE, 0, b"staged".to_vec()).await?;
    let before = everything(&*store).await?;
    let spoiled = [
        rich(|change| expecting(change, NOTE, id(3), 2)),
        rich(|change| expecting(change, NOTE, id(70), 1)),
        rich(|mut change| {
            change.puts.push(put(NOTE, id(3), 3));
            change
        }),
        rich(|mut change| {
            change.puts.push(put(NOTE, id(71), 0));
            change
        }),
        rich(|mut change| {
            change.puts.push(with_terms(put(NOTE, id(3), 2), &[], &[term(51)]));
            change
        }),
        rich(|mut change| {
            change.blobs.push(id(61));
            change
        }),
        rich(|mut change| {
            change.blobs.push(id(60));
            change
        }),
    ];
    for refused in spoiled {
        assert!(commit(&*store, refused.clone()).await?.is_err(), "{refused:?}");
        assert_eq!(everything(&*store).await?, before, "{refused:?}");
    }
    // Between two good ones: only the good ones are there, without a gap in sequence, leaves or subject numbers.
    let good = |number: u8| change(vec![put(NOTE, id(number), 1)], vec![about(event(u64::from(number)), 5)]);
    let batch = vec![good(10), rich(|change| expecting(change, NOTE, id(3), 2)), good(11)];
    let outcomes = store.commit(&writer(1), batch).await?;
    let shown: Vec<_> = outcomes.iter().map(|o| o.as_ref().ok().map(|a| (a.seq.0, a.events.clone()))).collect();
    let numbered = |seq, number: u64, index, subject| Some((seq, vec![(event(number).event, index, Some(subject))]));
    assert_eq!(shown, [numbered(4, 10, 1, 2), None, numbered(5, 11, 2, 3)]);
    // What was refused can be done once it is right.
    let applied = accept(&*store, rich(|change| change)).await?;
    assert_eq!(applied.events, [(event(500).event, 3, Some(4)), (event(501).event, 4, None)]);
    assert_eq!(store.blobs(None, 10).await?, [id(60)]);
    Ok(())
}

pub async fn a_wrong_expectation_names_what_was_found(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("expects").await?;
    accept(&*store, change(vec![put(NOTE, id(1), 1), put(NOTE, id(1), 2)], vec![])).await?;
    for (document, expected, found) in [(1, 1, 2), (1, 0, 2), (1, 3, 2), (2, 1, 0)] {
        let refused = commit(&*store, expecting(change(vec![], vec![event(1)]), NOTE, id(document), expected)).await?;
        let conflict = Refusal::Conflict { kind: NOTE, id: id(document), expected: Version(expected), found: Version(found) };
        assert_eq!(refused, Err(conflict));
    }
    accept(&*store, expecting(change(vec![], vec![]), NOTE, id(1), 2)).await?;
    accept(&*store, expecting(change(vec![], vec![]), NOTE, id(2), 0)).await?;
    Ok(())
}

pub async fn a_put_never_overwrites_blindly(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("blind").await?;
    accept(&*store, change(vec![put(NOTE, id(1), 1)], vec![])).await?;
    for version in [0, 1, 3, u64::MAX >> 1] {
        let refused = commit(&*store, change(vec![put(NOTE, id(1), version)], vec![])).await?;
        let expected = Version(version.saturating_sub(1));
        assert_eq!(refused, Err(Refusal::Conflict { kind: NOTE, id: id(1), expected, found: Version(1) }));
    }
    let first = commit(&*store, change(vec![put(NOTE, id(2), 2)], vec![])).await?;
    assert_eq!(first, Err(Refusal::Conflict { kind: NOTE, id: id(2), expected: Version(1), found: Version(0) }));
    Ok(())
}

pub async fn later_changesets_see_earlier_ones(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("visible").await?;
    store.blob_write(id(60), Owner::NONE, 0, vec![1]).await?;
    let batch = vec![
        change(vec![with_terms(put(NOTE, id(1), 1), &[], &[term(1)])], vec![]),
        change(vec![put(NOTE, id(1), 1)], vec![]),
        change(vec![with_terms(put(NOTE, id(2), 1), &[], &[term(1)])], vec![]),
        change(vec![with_terms(put(NOTE, id(1), 2), &[], &[])], vec![]),
        change(vec![with_terms(put(NOTE, id(2), 1), &[], &[term(1)])], vec![]),
        recording(change(vec![], vec![]), &[id(60)]),
        recording(change(vec![], vec![]), &[id(60)]),
        erasing(change(vec![], vec![]), NOTE, id(1)),
        expecting(change(vec![put(NOTE, id(1), 1)], vec![]), NOTE, id(1), 0),
    ];
    let outcomes = store.commit(&writer(1), batch).await?;
    let seqs: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().ok().map(|applied| applied.seq.0)).collect();
    assert_eq!(seqs, [Some(1), None, None, Some(2), Some(3), Some(3), None, Some(3), Some(4)]);
    let refused = outcomes.into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert_eq!(
        refused,
        [
            Refusal::Conflict { kind: NOTE, id: id(1), expected: Version(0), found: Version(1) },
            Refusal::Taken { kind: NOTE, term: term(1), holder: id(1) },
            Refusal::BlobMissing(id(60)),
        ]
    );
    assert_eq!(store.history(NOTE, id(1)).await?.iter().map(|d| d.seq.0).collect::<Vec<_>>(), [4]);
    Ok(())
}

pub async fn an_empty_batch_and_an_empty_changeset_change_nothing(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("nothing").await?;
    assert_eq!(store.commit(&writer(1), vec![]).await?, vec![]);
    assert_eq!(accept(&*store, change(vec![], vec![])).await?.seq, Seq(0));
    accept(&*store, change(vec![put(NOTE, id(1), 1)], vec![])).await?;
    let before = everything(&*store).await?;
    let applied = accept(&*store, change(vec![], vec![])).await?;
    assert_eq!((applied.seq, applied.events), (Seq(1), vec![]), "the store's current sequence");
    assert_eq!(everything(&*store).await?, before);
    assert_eq!(store.streams().await?, vec![], "a stream begins with its first leaf");
    Ok(())
}

pub async fn one_changeset_may_write_two_versions(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("two-versions").await?;
    let puts = vec![with_terms(put(NOTE, id(1), 1), &[term(1)], &[]), with_terms(put(NOTE, id(1), 2), &[term(2)], &[])];
    accept(&*store, change(puts, vec![])).await?;
    assert_eq!(store.history(NOTE, id(1)).await?.len(), 2);
    assert_eq!(store.find(&super::holding(NOTE, &[term(1)])).await?, vec![]);
    assert_eq!(store.find(&super::all(NOTE)).await?.iter().map(|d| d.version.0).collect::<Vec<_>>(), [2]);
    let skipping = change(vec![put(NOTE, id(2), 1), put(NOTE, id(2), 3)], vec![]);
    assert!(commit(&*store, skipping).await?.is_err());
    Ok(())
}

pub async fn an_erase_counts_as_done_before_the_puts(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("erase-first").await?;
    accept(&*store, change(vec![put(NOTE, id(1), 1), put(NOTE, id(1), 2)], vec![])).await?;
    let wrong = commit(&*store, erasing(change(vec![put(NOTE, id(1), 3)], vec![]), NOTE, id(1))).await?;
    assert_eq!(wrong, Err(Refusal::Conflict { kind: NOTE, id: id(1), expected: Version(2), found: Version(0) }));
    // An expectation speaks of the state before the changeset.
    let right = expecting(erasing(change(vec![put(NOTE, id(1), 1)], vec![]), NOTE, id(1)), NOTE, id(1), 2);
    accept(&*store, right).await?;
    assert_eq!(store.history(NOTE, id(1)).await?.iter().map(|d| (d.version.0, d.seq.0)).collect::<Vec<_>>(), [(1, 3)]);
    Ok(())
}
