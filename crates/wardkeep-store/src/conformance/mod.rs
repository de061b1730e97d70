//! One suite that every engine passes unchanged. Each case is the contract of [`Store`] in the
//! form of a question; [`crate::conformance!`] asks an engine all of them.
//!
//! A case asserts and is therefore only for tests: the module stands behind the feature
//! `conformance`, which nothing but a dev-dependency turns on.

pub mod batches;
pub mod blobs;
pub mod documents;
pub mod ledger;
pub mod model;
pub mod races;
pub mod reopening;
pub mod terms;

use std::sync::Arc;

use async_trait::async_trait;
use wardkeep_ledger::{Class, Commitment, Draft, EventId, Outcome, Salt, StreamId, SubjectDraft};

use crate::contract::{
    Applied, Changeset, DocId, Erase, Expect, Find, Kind, Owner, Put, Refusal, Store, StoreError, Term, Version, Writer,
};

/// What the suite needs of an engine under test.
#[async_trait]
pub trait Engine: Sync {
    /// Opens the store of this name, empty when it is new.
    async fn open(&self, name: &str) -> Result<Arc<dyn Store>, StoreError>;
    /// Does a store outlive its handle?
    fn durable(&self) -> bool;
}

/// Every case, for an engine that is made anew for each.
///
/// `conformance!(engine)` makes one named test of each. `conformance!(one after another: make)`
/// runs them all where it stands, for engines that take long to start; `make` gets a case's name.
#[macro_export]
macro_rules! conformance {
    (one after another: $make:expr) => { $crate::conformance!(@every run [$make]) };
    ($engine:expr) => { $crate::conformance!(@every test [$engine]); };
    (@every $way:ident [$engine:expr]) => {
        $crate::conformance!(@$way documents [$engine] =>
            a_put_is_read_back_whole, a_missing_document_is_none, get_many_keeps_the_order_asked_for, history_is_oldest_first,
            find_is_newest_first_and_pages_by_cursor, find_follows_since_and_before, changed_since_gives_every_version_oldest_first,
            an_erased_document_is_gone_with_all_versions_and_terms, marks_are_kept_and_erased_with_their_document,
            a_mark_set_before_an_erase_does_not_come_back);
        $crate::conformance!(@$way terms [$engine] =>
            several_terms_must_all_hold, a_new_version_replaces_the_terms, a_term_of_one_kind_is_not_found_in_another,
            a_unique_term_is_held_by_one_document, a_unique_term_moves_within_one_changeset, a_dropped_unique_term_is_free_again,
            one_changeset_cannot_give_a_unique_term_twice);
        $crate::conformance!(@$way batches [$engine] =>
            a_refused_changeset_leaves_no_trace_and_hurts_nobody, a_wrong_expectation_names_what_was_found,
            a_put_never_overwrites_blindly, later_changesets_see_earlier_ones, an_empty_batch_and_an_empty_changeset_change_nothing,
            one_changeset_may_write_two_versions, an_erase_counts_as_done_before_the_puts);
        $crate::conformance!(@$way ledger [$engine] =>
            entries_tiles_and_head_agree_with_a_recomputation, sequences_of_a_run_have_no_gaps, subjects_are_numbered_one_by_one,
            streams_do_not_mix, an_event_is_found_by_its_id, seq_at_turns_a_time_into_a_bound, commits_that_put_nothing_are_no_flaw, the_newest_checkpoint_is_kept,
            a_run_that_was_taken_over_has_lost_the_stream);
        $crate::conformance!(@$way blobs [$engine] =>
            a_staged_blob_can_be_read_and_is_not_listed, a_recorded_blob_never_changes, an_abandoned_blob_is_gone,
            a_sweep_takes_staged_blobs_alone, an_erased_blob_is_gone_with_its_changeset_or_not_at_all, a_segment_beyond_the_bound_is_refused, blobs_are_listed_in_pages,
            a_blob_that_is_not_staged_refuses_the_changeset);
        $crate::conformance!(@$way races [$engine] =>
            of_many_who_write_one_version_exactly_one_wins, of_many_who_claim_one_unique_term_exactly_one_wins,
            nothing_is_lost_when_many_commit_at_once);
        $crate::conformance!(@$way reopening [$engine] =>
            what_was_committed_is_there_after_reopening, the_stream_goes_on_after_reopening, staged_blobs_wait_for_the_sweep);
        $crate::conformance!(@$way model [$engine] => random_work_gives_the_answers_of_a_plain_model);
    };
    (@test $group:ident [$engine:expr] => $($case:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() -> Result<(), $crate::StoreError> {
                $crate::conformance::$group::$case(&$engine).await
            }
        )*
    };
    (@run $group:ident [$make:expr] => $($case:ident),*) => {
        $(
            println!("{}", stringify!($case));
            $crate::conformance::$group::$case(&$make(stringify!($case))).await?;
        )*
    };
}

/// What a case returns: the store's own error when it fails where it should not.
pub type Outcomes = Result<(), StoreError>;

const NOTE: Kind = Kind(7);
const OTHER: Kind = Kind(8);

fn id(number: u8) -> DocId {
    DocId([number; 16])
}

fn term(number: u8) -> Term {
    Term([number; 16])
}

fn writer(boot: u8) -> Writer {
    writer_of("suite.main", boot)
}

fn writer_of(stream: &str, boot: u8) -> Writer {
    Writer { stream: stream_id(stream), boot: [boot; 16] }
}

fn stream_id(name: &str) -> StreamId {
    // Names of the suite are constants of the right form.
    StreamId::parse(name).unwrap_or_else(|error| unreachable!("{error}"))
}

fn put(kind: Kind, id: DocId, version: u64) -> Put {
    let sealed = [&kind.0.to_be_bytes()[..], &id.0, &version.to_be_bytes()].concat();
    Put { kind, id, owner: Owner([9; 16]), version: Version(version), sealed, terms: Vec::new(), unique: Vec::new() }
}

fn with_terms(put: Put, terms: &[Term], unique: &[Term]) -> Put {
    Put { terms: terms.to_vec(), unique: unique.to_vec(), ..put }
}

/// An event whose every part follows from its number.
fn event(number: u64) -> Draft {
    let commitment = |label| Commitment::new(&Salt([label as u8; 32]), label, &[&number.to_be_bytes()]);
    let mut event = [0; 16];
    event[8..].copy_from_slice(&number.to_be_bytes());
    Draft {
        time_ms: i64::try_from(number).unwrap_or(0),
        event: EventId(event),
        class: Class::RecordCreated,
        outcome: Outcome::Success,
        actor: commitment(wardkeep_ledger::commitment::Label::Actor),
        subject: None,
        resource: commitment(wardkeep_ledger::commitment::Label::Resource),
        detail: commitment(wardkeep_ledger::commitment::Label::Detail),
    }
}

fn about(event: Draft, subject: u8) -> Draft {
    Draft { subject: Some(SubjectDraft { counter: [subject; 16], salt: Salt([subject; 32]), subject: [subject; 16] }), ..event }
}

fn change(puts: Vec<Put>, events: Vec<Draft>) -> Changeset {
    Changeset { puts, events, ..Changeset::default() }
}

fn erasing(change: Changeset, kind: Kind, id: DocId) -> Changeset {
    Changeset { erases: vec![Erase { kind, id }], ..change }
}

fn expecting(change: Changeset, kind: Kind, id: DocId, version: u64) -> Changeset {
    Changeset { expects: vec![Expect { kind, id, version: Version(version) }], ..change }
}

fn recording(change: Changeset, blobs: &[DocId]) -> Changeset {
    Changeset { blobs: blobs.to_vec(), ..change }
}

fn all(kind: Kind) -> Find {
    Find { kind, all_of: Vec::new(), before: None, since: None, limit: 1000 }
}

fn holding(kind: Kind, terms: &[Term]) -> Find {
    Find { all_of: terms.to_vec(), ..all(kind) }
}

/// Commits one changeset as run 1 of the suite's stream.
async fn commit(store: &dyn Store, change: Changeset) -> Result<Result<Applied, Refusal>, StoreError> {
    Ok(store.commit(&writer(1), vec![change]).await?.remove(0))
}

/// Commits one changeset that must go in.
async fn accept(store: &dyn Store, change: Changeset) -> Result<Applied, StoreError> {
    match commit(store, change).await? {
        Ok(applied) => Ok(applied),
        Err(refusal) => unreachable!("refused: {refusal}"),
    }
}

/// Everything that the contract lets one see, for "nothing has changed".
async fn everything(store: &dyn Store) -> Result<String, StoreError> {
    let mut seen = format!("{:?}", store.changed_since(None, crate::Seq(0), 100_000).await?);
    for kind in [NOTE, OTHER] {
        seen.push_str(&format!("{:?}", store.find(&all(kind)).await?));
        for number in 0..=u8::MAX {
            let (found, mark) = (store.find(&holding(kind, &[term(number)])).await?, store.marked(kind, id(number)).await?);
            seen.push_str(&format!("{found:?}{mark:?}"));
        }
    }
    for stream in store.streams().await? {
        let entries = store.entries(&stream, 0, 100_000).await?;
        seen.push_str(&format!("{:?}{:?}{entries:?}", stream, store.head(&stream).await?));
    }
    seen.push_str(&format!("{:?}", store.blobs(None, 1000).await?));
    Ok(seen)
}
