//! Many at once, through the committer: what is promised of one holds in a crowd.

use std::sync::Arc;

use super::ledger::recompute;
use super::{Engine, NOTE, Outcomes, about, all, change, event, id, put, term, with_terms, writer};
use crate::committer::{CommitError, Committer};
use crate::contract::{Changeset, Refusal, Seq, StoreError};
use wardkeep_ledger::Receipt;

const CROWD: u8 = 64;

type Answers = Vec<Result<Receipt, CommitError>>;

async fn crowd(committer: &Committer, make: impl Fn(u8) -> Changeset) -> Result<Answers, StoreError> {
    let tasks: Vec<_> = (0..CROWD)
        .map(|number| {
            let (committer, change) = (committer.clone(), make(number));
            tokio::spawn(async move { committer.commit(change).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.map_err(|error| StoreError::Engine { doing: "waiting for a task", cause: error.to_string() })?);
    }
    Ok(answers)
}

pub async fn of_many_who_write_one_version_exactly_one_wins(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("one-version").await?;
    let committer = Committer::start(Arc::clone(&store), writer(1));
    for version in 1..=5u64 {
        let answers = crowd(&committer, |n| {
            let mine = crate::Put { sealed: vec![n], ..put(NOTE, id(1), version) };
            change(vec![mine], vec![event(version * 1000 + u64::from(n))])
        });
        let answers = answers.await?;
        let winners: Vec<u8> = (0..CROWD).zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(n, _)| n).collect();
        assert_eq!(winners.len(), 1, "version {version}");
        let stored = store.get(NOTE, id(1)).await?.map(|document| (document.version.0, document.sealed));
        assert_eq!(stored, Some((version, winners)), "what is stored is the winner's");
        assert!(answers.iter().all(|a| matches!(a, Ok(_) | Err(CommitError::Refused(Refusal::Conflict { .. })))));
    }
    assert_eq!(recompute(&*store, &writer(1).stream).await?.len(), 5, "only winners are logged");
    committer.shutdown().await;
    Ok(())
}

pub async fn of_many_who_claim_one_unique_term_exactly_one_wins(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("one-holder").await?;
    let committer = Committer::start(Arc::clone(&store), writer(1));
    let answers = crowd(&committer, |n| change(vec![with_terms(put(NOTE, id(n), 1), &[], &[term(1)])], vec![])).await?;
    let winners: Vec<u8> = (0..CROWD).zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(n, _)| n).collect();
    let found = store.find(&all(NOTE)).await?;
    assert_eq!(found.iter().map(|document| document.id).collect::<Vec<_>>(), winners.iter().map(|n| id(*n)).collect::<Vec<_>>());
    assert_eq!(winners.len(), 1);
    committer.shutdown().await;
    Ok(())
}

pub async fn nothing_is_lost_when_many_commit_at_once(engine: &dyn Engine) -> Outcomes {
    let store = engine.open("crowd").await?;
    let committer = Committer::start(Arc::clone(&store), writer(1));
    let answers = crowd(&committer, |n| change(vec![put(NOTE, id(n), 1)], vec![about(event(u64::from(n)), 1)])).await?;
    let stream = writer(1).stream;
    let leaves = recompute(&*store, &stream).await?;
    assert_eq!(leaves.len(), usize::from(CROWD));
    let (mut numbers, mut seqs) = (Vec::new(), Vec::new());
    for (number, answer) in (0..CROWD).zip(answers) {
        let receipt = answer.map_err(|error| StoreError::Engine { doing: "committing", cause: error.to_string() })?;
        for (event, index, subject) in receipt.events() {
            assert_eq!(leaves.get(*index as usize).map(|leaf| leaf.event), Some(*event), "the receipt names the place in the log");
            numbers.extend(*subject);
        }
        assert_eq!(store.get(NOTE, id(number)).await?.map(|document| document.seq), Some(Seq(receipt.seq())));
        seqs.push(receipt.seq());
    }
    numbers.sort_unstable();
    seqs.sort_unstable();
    assert_eq!(numbers, (1..=u64::from(CROWD)).collect::<Vec<_>>());
    assert_eq!(seqs, (1..=u64::from(CROWD)).collect::<Vec<_>>());
    committer.shutdown().await;
    Ok(())
}
