//! Search terms and unique terms.

use super::{Engine, NOTE, OTHER, Outcomes, accept, change, commit, erasing, event, holding, id, put, term, with_terms};
use crate::contract::{DocId, Find, Kind, Refusal, Store, StoreError, Term};

async fn ids(store: &dyn Store, kind: Kind, terms: &[Term]) -> Result<Vec<DocId>, StoreError> {
    Ok(store.find(&holding(kind, terms)).await?.iter().map(|document| document.id).collect())
}

pub async fn several_terms_must_all_hold(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("several").await?;
    for number in 1..=30u8 {
        let terms: Vec<Term> = [2, 3, 5].iter().filter(|by| number % **by == 0).map(|by| term(*by)).collect();
        accept(&*store, change(vec![with_terms(put(NOTE, id(number), 1), &terms, &[term(100 + number)])], vec![])).await?;
    }
    assert_eq!(ids(&*store, NOTE, &[term(2), term(3)]).await?, [30, 24, 18, 12, 6].map(id));
    assert_eq!(ids(&*store, NOTE, &[term(5), term(3), term(2)]).await?, [30].map(id));
    assert_eq!(ids(&*store, NOTE, &[term(3), term(112)]).await?, [12].map(id), "unique terms are found like the others");
    assert_eq!(ids(&*store, NOTE, &[term(3), term(111)]).await?, []);
    assert_eq!(ids(&*store, NOTE, &[term(5), term(5)]).await?.len(), 6);
    let page = store.find(&Find { limit: 2, before: Some(crate::Seq(24)), ..holding(NOTE, &[term(2), term(3)]) }).await?;
    assert_eq!(page.iter().map(|d| d.seq.0).collect::<Vec<_>>(), [18, 12], "the limit counts matches, not candidates");
    Ok(())
}

pub async fn a_new_version_replaces_the_terms(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("replaced").await?;
    accept(&*store, change(vec![with_terms(put(NOTE, id(1), 1), &[term(1), term(2), term(2)], &[])], vec![])).await?;
    accept(&*store, change(vec![with_terms(put(NOTE, id(1), 2), &[term(2), term(3)], &[])], vec![])).await?;
    assert_eq!(ids(&*store, NOTE, &[term(1)]).await?, []);
    assert_eq!(ids(&*store, NOTE, &[term(2), term(3)]).await?, [id(1)]);
    accept(&*store, change(vec![put(NOTE, id(1), 3)], vec![])).await?;
    assert_eq!(ids(&*store, NOTE, &[term(2)]).await?, []);
    Ok(())
}

pub async fn a_term_of_one_kind_is_not_found_in_another(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("kinds").await?;
    let puts = vec![with_terms(put(NOTE, id(1), 1), &[term(1)], &[term(2)]), with_terms(put(OTHER, id(2), 1), &[term(1)], &[term(2)])];
    accept(&*store, change(puts, vec![])).await?;
    assert_eq!(ids(&*store, NOTE, &[term(1)]).await?, [id(1)]);
    assert_eq!(ids(&*store, OTHER, &[term(2)]).await?, [id(2)]);
    Ok(())
}

pub async fn a_unique_term_is_held_by_one_document(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("unique").await?;
    accept(&*store, change(vec![with_terms(put(NOTE, id(1), 1), &[], &[term(1)])], vec![])).await?;
    let taken = Err(Refusal::Taken { kind: NOTE, term: term(1), holder: id(1) });
    assert_eq!(commit(&*store, change(vec![with_terms(put(NOTE, id(2), 1), &[], &[term(1)])], vec![event(1)])).await?, taken);
    // The holder itself keeps it over its versions, and a plain term is not unique.
    accept(&*store, change(vec![with_terms(put(NOTE, id(1), 2), &[], &[term(1)])], vec![])).await?;
    accept(&*store, change(vec![with_terms(put(NOTE, id(3), 1), &[term(1)], &[])], vec![])).await?;
    assert_eq!(commit(&*store, change(vec![with_terms(put(NOTE, id(2), 1), &[], &[term(1)])], vec![])).await?, taken);
    assert_eq!(ids(&*store, NOTE, &[term(1)]).await?, [id(3), id(1)]);
    Ok(())
}

pub async fn a_unique_term_moves_within_one_changeset(engine: &dyn Engine) -> Outcomes {
    // The giver before and after the taker: what counts is the changeset, not its order.
    for (name, giver_first) in [("moves-forward", true), ("moves-back", false)] {
        let store = engine.open(name).await?;
        accept(&*store, change(vec![with_terms(put(NOTE, id(1), 1), &[], &[term(1)])], vec![])).await?;
        let mut puts = vec![put(NOTE, id(1), 2), with_terms(put(NOTE, id(2), 1), &[], &[term(1)])];
        if !giver_first {
            puts.reverse();
        }
        accept(&*store, change(puts, vec![])).await?;
        assert_eq!(ids(&*store, NOTE, &[term(1)]).await?, [id(2)]);
        let back = change(vec![with_terms(put(NOTE, id(1), 3), &[], &[term(1)])], vec![]);
        assert_eq!(commit(&*store, back).await?, Err(Refusal::Taken { kind: NOTE, term: term(1), holder: id(2) }));
        // Erasing the holder frees it in the same changeset too.
        let erase = erasing(change(vec![with_terms(put(NOTE, id(1), 3), &[], &[term(1)])], vec![]), NOTE, id(2));
        accept(&*store, erase).await?;
        assert_eq!(ids(&*store, NOTE, &[term(1)]).await?, [id(1)]);
    }
    Ok(())
}

pub async fn a_dropped_unique_term_is_free_again(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("dropped").await?;
    accept(&*store, change(vec![with_terms(put(NOTE, id(1), 1), &[], &[term(1), term(2)])], vec![])).await?;
    accept(&*store, change(vec![with_terms(put(NOTE, id(1), 2), &[], &[term(2)])], vec![])).await?;
    accept(&*store, change(vec![with_terms(put(NOTE, id(2), 1), &[], &[term(1)])], vec![])).await?;
    let both = change(vec![with_terms(put(NOTE, id(1), 3), &[], &[term(1), term(2)])], vec![]);
    assert_eq!(commit(&*store, both).await?, Err(Refusal::Taken { kind: NOTE, term: term(1), holder: id(2) }));
    Ok(())
}

pub async fn one_changeset_cannot_give_a_unique_term_twice(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("twice").await?;
    let puts = vec![with_terms(put(NOTE, id(1), 1), &[], &[term(1)]), with_terms(put(NOTE, id(2), 1), &[], &[term(1)])];
    assert_eq!(commit(&*store, change(puts, vec![])).await?, Err(Refusal::Taken { kind: NOTE, term: term(1), holder: id(1) }));
    assert_eq!(ids(&*store, NOTE, &[term(1)]).await?, []);
    Ok(())
}
