//! Documents: put, get, history, find, changes, erasure, marks.

use super::{Engine, NOTE, OTHER, Outcomes, accept, all, change, erasing, event, holding, id, put, term, with_terms};
use crate::contract::{Document, Find, Owner, Seq, Version};

pub async fn a_put_is_read_back_whole(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("whole").await?;
    let long = vec![0xa5; 300_000];
    let sealed = crate::Put { sealed: long.clone(), ..put(NOTE, id(1), 1) };
    let applied = accept(&*store, change(vec![sealed, put(OTHER, id(1), 1)], vec![])).await?;
    assert_eq!(applied.seq, Seq(2), "every put takes the next sequence, and the last is answered");
    let found = store.get(NOTE, id(1)).await?;
    let expected = Document { kind: NOTE, id: id(1), owner: Owner([9; 16]), version: Version(1), seq: Seq(1), sealed: long };
    assert_eq!(found, Some(expected));
    let empty = crate::Put { sealed: Vec::new(), ..put(NOTE, id(2), 1) };
    accept(&*store, change(vec![empty], vec![])).await?;
    assert_eq!(store.get(NOTE, id(2)).await?.map(|document| document.sealed), Some(Vec::new()));
    store.health().await
}

pub async fn a_missing_document_is_none(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("missing").await?;
    accept(&*store, change(vec![put(NOTE, id(1), 1)], vec![])).await?;
    assert_eq!(store.get(OTHER, id(1)).await?, None);
    assert_eq!(store.get(NOTE, id(2)).await?, None);
    assert_eq!(store.history(NOTE, id(2)).await?, vec![]);
    assert_eq!(store.find(&all(OTHER)).await?, vec![]);
    assert_eq!(store.changed_since(None, Seq(1), 10).await?, vec![]);
    assert_eq!(store.marked(NOTE, id(1)).await?, None);
    Ok(())
}

pub async fn get_many_keeps_the_order_asked_for(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("many").await?;
    accept(&*store, change((1..=3).map(|n| put(NOTE, id(n), 1)).collect(), vec![])).await?;
    accept(&*store, change(vec![put(NOTE, id(1), 2)], vec![])).await?;
    let found = store.get_many(NOTE, &[id(3), id(9), id(1), id(2)]).await?;
    let shown: Vec<_> = found.iter().map(|document| (document.id, document.version.0)).collect();
    assert_eq!(shown, [(id(3), 1), (id(1), 2), (id(2), 1)], "current versions, missing ones left out");
    assert_eq!(store.get_many(NOTE, &[]).await?, vec![]);
    Ok(())
}

pub async fn history_is_oldest_first(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("history").await?;
    for version in 1..=4 {
        accept(&*store, change(vec![put(NOTE, id(1), version), put(NOTE, id(10 + version as u8), 1)], vec![])).await?;
    }
    let history = store.history(NOTE, id(1)).await?;
    assert_eq!(history.iter().map(|document| (document.version.0, document.seq.0)).collect::<Vec<_>>(), [(1, 1), (2, 3), (3, 5), (4, 7)]);
    assert_eq!(history.last(), store.get(NOTE, id(1)).await?.as_ref());
    assert!(history.iter().all(|document| document.sealed == put(NOTE, id(1), document.version.0).sealed));
    Ok(())
}

pub async fn find_is_newest_first_and_pages_by_cursor(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("pages").await?;
    for number in 1..=10 {
        accept(&*store, change(vec![with_terms(put(NOTE, id(number), 1), &[term(1)], &[])], vec![])).await?;
    }
    for query in [all(NOTE), holding(NOTE, &[term(1)])] {
        let mut pages = Vec::new();
        let mut before = None;
        loop {
            let page = store.find(&Find { before, limit: 4, ..query.clone() }).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.seq);
            pages.push(page.iter().map(|document| document.seq.0).collect::<Vec<_>>());
        }
        assert_eq!(pages, [vec![10, 9, 8, 7], vec![6, 5, 4, 3], vec![2, 1]]);
        assert_eq!(store.find(&Find { limit: 0, ..query }).await?, vec![]);
    }
    // A document that changes moves to the front and is listed once, in its current version.
    accept(&*store, change(vec![with_terms(put(NOTE, id(1), 2), &[term(1)], &[])], vec![])).await?;
    let found = store.find(&holding(NOTE, &[term(1)])).await?;
    assert_eq!(found.len(), 10);
    assert_eq!(found.first().map(|document| (document.id, document.version.0)), Some((id(1), 2)));
    assert_eq!(store.find(&all(NOTE)).await?, found);
    Ok(())
}

pub async fn find_follows_since_and_before(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("bounds").await?;
    for number in 1..=6 {
        accept(&*store, change(vec![with_terms(put(NOTE, id(number), 1), &[term(1)], &[])], vec![])).await?;
    }
    for terms in [vec![], vec![term(1)]] {
        let base = holding(NOTE, &terms);
        let seqs = |since: Option<u64>, before: Option<u64>| Find { since: since.map(Seq), before: before.map(Seq), ..base.clone() };
        let cases: [(Option<u64>, Option<u64>, &[u64]); 6] = [
            (Some(3), Some(5), &[4, 3]),
            (Some(6), None, &[6]),
            (Some(7), None, &[]),
            (None, Some(1), &[]),
            (Some(5), Some(3), &[]),
            (Some(u64::MAX >> 1), None, &[]),
        ];
        for (since, before, expected) in cases {
            let found = store.find(&seqs(since, before)).await?;
            assert_eq!(found.iter().map(|d| d.seq.0).collect::<Vec<_>>(), expected, "since {since:?}, before {before:?}");
        }
    }
    Ok(())
}

pub async fn changed_since_gives_every_version_oldest_first(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("changes").await?;
    for version in 1..=3 {
        accept(&*store, change(vec![put(NOTE, id(1), version), put(OTHER, id(1), version)], vec![])).await?;
    }
    let seqs = |found: Vec<Document>| found.iter().map(|document| document.seq.0).collect::<Vec<_>>();
    assert_eq!(seqs(store.changed_since(None, Seq(0), 100).await?), [1, 2, 3, 4, 5, 6]);
    assert_eq!(seqs(store.changed_since(None, Seq(2), 2).await?), [3, 4]);
    assert_eq!(seqs(store.changed_since(Some(NOTE), Seq(0), 100).await?), [1, 3, 5]);
    assert_eq!(seqs(store.changed_since(Some(NOTE), Seq(1), 1).await?), [3]);
    assert_eq!(seqs(store.changed_since(Some(OTHER), Seq(5), 100).await?), [6]);
    assert_eq!(seqs(store.changed_since(None, Seq(6), 100).await?), [0; 0]);
    Ok(())
}

pub async fn an_erased_document_is_gone_with_all_versions_and_terms(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("erased").await?;
    for version in 1..=3 {
        let versioned = with_terms(put(NOTE, id(1), version), &[term(1)], &[term(2)]);
        accept(&*store, change(vec![versioned, with_terms(put(OTHER, id(1), version), &[term(1)], &[term(2)])], vec![])).await?;
    }
    accept(&*store, erasing(change(vec![], vec![event(1)]), NOTE, id(1))).await?;
    assert_eq!(store.get(NOTE, id(1)).await?, None);
    assert_eq!(store.history(NOTE, id(1)).await?, vec![]);
    assert_eq!(store.find(&all(NOTE)).await?, vec![]);
    assert_eq!(store.find(&holding(NOTE, &[term(1)])).await?, vec![]);
    assert_eq!(store.find(&holding(NOTE, &[term(2)])).await?, vec![]);
    assert_eq!(store.changed_since(Some(NOTE), Seq(0), 100).await?, vec![]);
    assert_eq!(store.history(OTHER, id(1)).await?.len(), 3, "the same id of another kind stays");
    // Erasing what is not there is no error; the id and its unique term can be used again, from version 1.
    accept(&*store, erasing(change(vec![], vec![]), NOTE, id(1))).await?;
    let again = accept(&*store, change(vec![with_terms(put(NOTE, id(1), 1), &[], &[term(2)])], vec![])).await?;
    assert_eq!(again.seq, Seq(7), "a sequence is never used twice");
    Ok(())
}

pub async fn marks_are_kept_and_erased_with_their_document(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("marks").await?;
    accept(&*store, change(vec![put(NOTE, id(1), 1)], vec![])).await?;
    store.mark(NOTE, id(1), 41).await?;
    store.mark(NOTE, id(1), 42).await?;
    store.mark(NOTE, id(2), -1).await?;
    assert_eq!(store.marked(NOTE, id(1)).await?, Some(42), "the newest one counts, at once");
    assert_eq!(store.marked(OTHER, id(1)).await?, None);
    accept(&*store, change(vec![put(NOTE, id(1), 2)], vec![])).await?;
    assert_eq!(store.marked(NOTE, id(1)).await?, Some(42), "a new version keeps it");
    accept(&*store, erasing(change(vec![], vec![]), NOTE, id(1))).await?;
    assert_eq!(store.marked(NOTE, id(1)).await?, None);
    assert_eq!(store.marked(NOTE, id(2)).await?, Some(-1));
    Ok(())
}

pub async fn a_mark_set_before_an_erase_does_not_come_back(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("mark-then-erase").await?;
    accept(&*store, change(vec![put(NOTE, id(1), 1)], vec![])).await?;
    store.mark(NOTE, id(1), 1).await?;
    accept(&*store, erasing(change(vec![], vec![]), NOTE, id(1))).await?;
    assert_eq!(store.marked(NOTE, id(1)).await?, None);
    Ok(())
}
