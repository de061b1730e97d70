//! Random work, compared after every batch with a model that is plain enough to be believed: a list
//! of documents, searched from end to end.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::ledger::recompute;
use super::{Engine, NOTE, OTHER, Outcomes, about, all, change, event, holding, id, put, term, with_terms, writer};
use crate::contract::{Changeset, DocId, Document, Erase, Expect, Find, Kind, Owner, Put, Refusal, Seq, Store, StoreError, Term, Version};

const BATCHES: usize = 150;
/// Few ids and terms, so that they meet often.
const IDS: u8 = 6;
const TERMS: u8 = 5;

#[derive(Clone, Default)]
struct Model {
    seq: u64,
    /// Every stored version with its terms and unique terms.
    versions: Vec<(Document, Vec<Term>, Vec<Term>)>,
    staged: BTreeSet<DocId>,
    recorded: BTreeSet<DocId>,
    counters: BTreeMap<[u8; 16], u64>,
    leaves: u64,
}

impl Model {
    fn version(&self, kind: Kind, id: DocId) -> Version {
        self.current(kind)
            .filter(|(document, ..)| document.id == id)
            .map(|(document, ..)| document.version)
            .next()
            .unwrap_or(Version::ABSENT)
    }

    /// Newest version of each document of a kind, newest first.
    fn current(&self, kind: Kind) -> impl Iterator<Item = &(Document, Vec<Term>, Vec<Term>)> {
        let mut seen = BTreeSet::new();
        self.versions.iter().rev().filter(move |(document, ..)| document.kind == kind && seen.insert(document.id))
    }

    /// Applies the changeset to a copy and keeps the copy only when every promise holds.
    fn commit(&mut self, change: &Changeset) -> bool {
        let mut next = self.clone();
        let fits = change.expects.iter().all(|expect| self.version(expect.kind, expect.id) == expect.version);
        for erase in &change.erases {
            next.versions.retain(|(document, ..)| (document.kind, document.id) != (erase.kind, erase.id));
        }
        for blob in &change.blob_erases {
            next.staged.remove(blob);
            next.recorded.remove(blob);
        }
        for put in &change.puts {
            if put.version != next.version(put.kind, put.id).next() {
                return false;
            }
            next.seq += 1;
            let Put { kind, id, owner, version, ref sealed, .. } = *put;
            let document = Document { kind, id, owner, version, seq: Seq(next.seq), sealed: sealed.clone() };
            next.versions.push((document, put.terms.clone(), put.unique.clone()));
        }
        for blob in &change.blobs {
            if !next.staged.remove(blob) {
                return false;
            }
            next.recorded.insert(*blob);
        }
        let alone = change.puts.iter().all(|put| {
            let holders = next.current(put.kind).filter(|(_, _, unique)| put.unique.iter().any(|term| unique.contains(term)));
            holders.filter(|(document, ..)| document.id != put.id).count() == 0
        });
        next.leaves += change.events.len() as u64;
        for subject in change.events.iter().filter_map(|event| event.subject.as_ref()) {
            *next.counters.entry(subject.counter).or_default() += 1;
        }
        if fits && alone {
            *self = next;
        }
        fits && alone
    }

    fn find(&self, query: &Find) -> Vec<Document> {
        self.current(query.kind)
            .filter(|(_, terms, unique)| query.all_of.iter().all(|term| terms.contains(term) || unique.contains(term)))
            .map(|(document, ..)| document.clone())
            .filter(|document| query.since.is_none_or(|since| document.seq >= since))
            .filter(|document| query.before.is_none_or(|before| document.seq < before))
            .take(query.limit)
            .collect()
    }
}

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, bound: u8) -> u8 {
        (self.0.next_u64() % u64::from(bound)) as u8
    }
    fn kind(&mut self) -> Kind {
        if self.below(3) == 0 { OTHER } else { NOTE }
    }
    /// Zero, one or two of the few terms.
    fn terms(&mut self) -> Vec<Term> {
        (0..self.below(3)).map(|_| term(self.below(TERMS))).collect()
    }

    fn changeset(&mut self, model: &Model, number: u64) -> Changeset {
        let mut puts: Vec<Put> = Vec::new();
        for _ in 0..self.below(4) {
            let (kind, id) = (self.kind(), id(self.below(IDS)));
            // Mostly the right next version, sometimes not; one document at most once, so that a term
            // of a version that never became visible cannot be in the way.
            let wrong = u64::from(self.below(8) == 0);
            if puts.iter().all(|put| (put.kind, put.id) != (kind, id)) {
                let unique = if self.below(3) == 0 { vec![term(100 + self.below(TERMS))] } else { Vec::new() };
                puts.push(with_terms(put(kind, id, model.version(kind, id).0 + 1 + wrong), &self.terms(), &unique));
            }
        }
        let event = event(number);
        let events = if self.below(2) == 0 { vec![about(event, self.below(3))] } else { vec![event] };
        let mut change = change(puts, events);
        if self.below(4) == 0 {
            let (kind, id) = (self.kind(), id(self.below(IDS)));
            change.expects.push(Expect { kind, id, version: Version(model.version(kind, id).0 + u64::from(self.below(4) == 0)) });
        }
        if self.below(6) == 0 {
            let (kind, id) = (self.kind(), id(self.below(IDS)));
            if change.puts.iter().all(|put| (put.kind, put.id) != (kind, id)) {
                change.erases.push(Erase { kind, id });
            }
        }
        if self.below(5) == 0 {
            change.blobs.push(id(200 + self.below(IDS)));
        }
        if self.below(8) == 0 {
            let blob = id(200 + self.below(IDS));
            if !change.blobs.contains(&blob) {
                change.blob_erases.push(blob);
            }
        }
        change
    }
}

async fn compare(store: &dyn Store, model: &Model, dice: &mut Dice) -> Result<(), StoreError> {
    let stored = store.changed_since(None, Seq(0), usize::MAX).await?;
    assert_eq!(stored, model.versions.iter().map(|(document, ..)| document.clone()).collect::<Vec<_>>());
    for kind in [NOTE, OTHER] {
        let of_kind = |document: &&Document| document.kind == kind;
        let after = Seq(u64::from(dice.below(50)));
        let expected: Vec<_> = stored.iter().filter(of_kind).filter(|document| document.seq > after).take(7).cloned().collect();
        assert_eq!(store.changed_since(Some(kind), after, 7).await?, expected);
        for number in 0..IDS {
            let history: Vec<_> = stored.iter().filter(of_kind).filter(|document| document.id == id(number)).cloned().collect();
            assert_eq!(store.get(kind, id(number)).await?, history.last().cloned());
            assert_eq!(store.history(kind, id(number)).await?, history);
        }
        let mut queries = vec![all(kind)];
        queries.extend((0..TERMS).flat_map(|number| [holding(kind, &[term(number)]), holding(kind, &[term(100 + number)])]));
        queries.push(holding(kind, &[term(dice.below(TERMS)), term(dice.below(TERMS))]));
        let bounds = Find { since: Some(Seq(u64::from(dice.below(40)))), before: Some(Seq(u64::from(dice.below(200)))), ..all(kind) };
        queries.push(Find { all_of: vec![term(0)], limit: 3, ..bounds.clone() });
        queries.push(Find { limit: 3, ..bounds });
        for query in queries {
            assert_eq!(store.find(&query).await?, model.find(&query), "{query:?}");
        }
    }
    assert_eq!(store.blobs(None, usize::MAX).await?, model.recorded.iter().copied().collect::<Vec<_>>());
    assert_eq!(store.head(&writer(1).stream).await?.map_or(0, |head| head.size), model.leaves);
    Ok(())
}

pub async fn random_work_gives_the_answers_of_a_plain_model(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("model").await?;
    let mut model = Model::default();
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(20_250_701));
    let (mut number, mut accepted, mut refused) = (0, 0, 0);
    for _ in 0..BATCHES {
        if dice.below(3) == 0 {
            let blob = id(200 + dice.below(IDS));
            let written = store.blob_write(blob, Owner::NONE, 0, vec![1]).await;
            assert_eq!(written.is_ok(), !model.recorded.contains(&blob));
            if written.is_ok() {
                model.staged.insert(blob);
            }
        }
        let mut batch = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..=dice.below(4) {
            let change = dice.changeset(&model, number);
            number += 1;
            expected.push(model.commit(&change).then_some((model.seq, model.leaves)));
            batch.push(change);
        }
        let outcomes = store.commit(&writer(1), batch.clone()).await?;
        let answer = |outcome: &Result<crate::Applied, Refusal>| {
            outcome.as_ref().ok().map(|applied| (applied.seq.0, applied.events.last().map_or(0, |event| event.1 + 1)))
        };
        assert_eq!(outcomes.iter().map(answer).collect::<Vec<_>>(), expected, "{batch:#?}");
        accepted += outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        refused += outcomes.iter().filter(|outcome| outcome.is_err()).count();
        compare(&*store, &model, &mut dice).await?;
    }
    assert!(accepted > 100 && refused > 30, "the dice are loaded: {accepted} accepted, {refused} refused");
    let leaves = recompute(&*store, &writer(1).stream).await?;
    assert_eq!(leaves.len() as u64, model.leaves);
    assert!(leaves.iter().zip(0..).all(|(leaf, sequence)| leaf.sequence == sequence));
    let counted = store.entries(&writer(1).stream, 0, usize::MAX).await?.iter().filter(|entry| entry.subject_number.is_some()).count();
    assert_eq!(counted as u64, model.counters.values().sum::<u64>());
    Ok(())
}
