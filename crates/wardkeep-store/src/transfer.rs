//! A whole store from one engine to another: every row verbatim, no new leaves. Marks and staged
//! blobs stay behind.
//!
//! Copy and comparison are one walk over both sides, in portions. What the target holds must be the
//! first rows of the source; a copy brings what is lacking, a comparison calls it a difference. So
//! a copy that was cut off goes on where it stopped, and a target that holds anything else is
//! refused before anything is written to it.

use wardkeep_ledger::{Head, Leaf, StreamId};

use crate::contract::{Seq, Store, StoreError};
use crate::receive::{End, Receive, Rows};
use crate::walk::{FILES, Stop, Walk};

/// Hears how many of how many steps are done. A step is a commit sequence, a leaf or a file, read
/// once for the copy and once for the comparison.
pub type Progress<'a> = dyn Fn(u64, u64) + Sync + 'a;

/// What stands in the target, the same as in the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Copied {
    /// Document versions.
    pub documents: u64,
    pub streams: u64,
    pub leaves: u64,
    /// Blobs that are part of the record.
    pub files: u64,
    /// Documents, leaves and files that this run wrote; 0 when the target was a finished copy.
    pub written: u64,
}

/// The first thing that is not the same in both stores. Names no data.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what} {how}")]
pub struct Difference {
    what: &'static str,
    how: String,
}

impl Difference {
    pub(crate) fn new(what: &'static str, how: &str) -> Self {
        Self { what, how: how.to_owned() }
    }
}

/// Copies `from` into `to`, then compares the two. Run it while nobody writes either. A copy that
/// was cut off is run again; it goes on where it stopped. Memory stays at a few portions.
///
/// # Errors
/// `Unfit` when the target holds something else than the beginning of a copy of this source (then
/// nothing is written), when the source is an unfinished copy or was written to meanwhile, or when the comparison finds a
/// difference; each names the fix. Else what the two stores say.
pub async fn copy(from: &dyn Store, to: &dyn Receive, progress: &Progress<'_>) -> Result<Copied, StoreError> {
    if unfinished(from).await? {
        return Err(unfit("the source", "it is a copy that was cut off itself", "finish that copy first"));
    }
    let source = Ends::of(from).await?;
    let target = Ends::of(to.store()).await?;
    if !target.begin(&source) {
        return Err(foreign("its log is not the source's"));
    }
    let steps = steps(from).await?;
    let mut written = 0;
    let finished = target == source;
    let total = if finished { steps } else { steps.saturating_mul(2) };
    if !finished {
        let mut walk = Walk::new(from, to.store(), Some(to), progress, 0, total);
        match walk.all(&source).await {
            Ok(()) => written = walk.written,
            Err(Stop::Store(error)) => return Err(error),
            Err(Stop::Differs(difference)) => {
                unchanged(from, &source).await?;
                return Err(foreign(&difference.to_string()));
            }
        }
        let streams = source.streams(from).await?;
        unchanged(from, &source).await?;
        to.receive(Rows::End { seq: source.seq, streams }).await?;
    }
    let mut walk = Walk::new(from, to.store(), None, progress, total.saturating_sub(steps), total);
    let compared = walk.compare(&source).await;
    unchanged(from, &source).await?;
    match compared {
        Ok(()) => Ok(Copied { written, ..walk.seen }),
        Err(Stop::Store(error)) => Err(error),
        Err(Stop::Differs(difference)) => {
            let cause = format!("the copy is not the same as the source: {difference}");
            Err(unfit("the target", &cause, "empty it, then run the copy again"))
        }
    }
}

/// Hands every row of `from` on, the end last; for a target that holds nothing. Run it on a store that
/// nobody writes, a snapshot for example. Checkpoints are not among the rows.
///
/// # Errors
/// Those of the two, and as for [`copy`] of the source.
pub async fn export(from: &dyn Store, into: &dyn Receive, progress: &Progress<'_>) -> Result<Copied, StoreError> {
    let source = Ends::of(from).await?;
    let mut walk = Walk::new(from, into.store(), Some(into), progress, 0, steps(from).await?);
    match walk.all(&source).await {
        Ok(()) => {}
        Err(Stop::Store(error)) => return Err(error),
        Err(Stop::Differs(difference)) => return Err(foreign(&difference.to_string())),
    }
    let streams = source.streams(from).await?;
    unchanged(from, &source).await?;
    into.receive(Rows::End { seq: source.seq, streams }).await?;
    Ok(Copied { written: walk.written, ..walk.seen })
}

/// How many steps [`export`] takes.
///
/// # Errors
/// Those of the store.
pub async fn steps(store: &dyn Store) -> Result<u64, StoreError> {
    Ok(Ends::of(store).await?.steps().saturating_add(files(store).await?))
}

/// Reads two stores from end to end and gives the first difference: documents, versions, terms,
/// order, running numbers, times, streams, leaves, tiles, checkpoints, files. The engine of `to`
/// looks through its own bookkeeping last.
///
/// # Errors
/// Those of the two stores.
pub async fn compare(from: &dyn Store, to: &dyn Store) -> Result<Option<Difference>, StoreError> {
    let source = Ends::of(from).await?;
    match Walk::new(from, to, None, &|_, _| {}, 0, 0).compare(&source).await {
        Ok(()) => Ok(None),
        Err(Stop::Differs(difference)) => Ok(Some(difference)),
        Err(Stop::Store(error)) => Err(error),
    }
}

/// Does the store hold a copy that was cut off? Such a store has documents and no stream; it must
/// not be opened as a hospital.
///
/// # Errors
/// Those of the store.
pub async fn unfinished(store: &dyn Store) -> Result<bool, StoreError> {
    let ends = Ends::of(store).await?;
    Ok(ends.heads.is_empty() && ends.seq == Seq(0) && !store.changed_since(None, Seq(0), 1).await?.is_empty())
}

pub(crate) fn unfit(place: &str, cause: &str, fix: &str) -> StoreError {
    StoreError::Unfit { place: place.to_owned(), cause: cause.to_owned(), fix: fix.to_owned() }
}

fn foreign(what: &str) -> StoreError {
    let cause = format!("it holds something else than the beginning of a copy of this source: {what}");
    unfit("the target", &cause, "name an empty store")
}

pub(crate) fn written_to() -> StoreError {
    unfit("the source", "it was written to meanwhile", "stop the server, then run it again")
}

async fn unchanged(from: &dyn Store, before: &Ends) -> Result<(), StoreError> {
    if Ends::of(from).await? == *before { Ok(()) } else { Err(written_to()) }
}

/// How far a store has come. It moves with every commit.
#[derive(PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) seq: Seq,
    pub(crate) heads: Vec<(StreamId, Head)>,
}

impl Ends {
    pub(crate) async fn of(store: &dyn Store) -> Result<Self, StoreError> {
        let mut heads = Vec::new();
        for stream in store.streams().await? {
            if let Some(head) = store.head(&stream).await? {
                heads.push((stream, head));
            }
        }
        Ok(Self { seq: store.inspection().sequence().await?, heads })
    }

    /// Can a target that stands here be a copy of the source, finished or not?
    fn begin(&self, source: &Self) -> bool {
        let nothing = self.heads.is_empty() && self.seq == Seq(0);
        nothing || self == source
    }

    fn steps(&self) -> u64 {
        self.heads.iter().fold(self.seq.0, |steps, (_, head)| steps.saturating_add(head.size))
    }

    /// The last leaf says which run wrote it.
    async fn streams(&self, from: &dyn Store) -> Result<Vec<End>, StoreError> {
        let mut ends = Vec::new();
        for (stream, head) in &self.heads {
            let last = from.entries(stream, head.size.saturating_sub(1), 1).await?;
            let leaf = decode(&last.first().ok_or_else(written_to)?.leaf)?;
            ends.push(End { stream: stream.clone(), head: *head, boot: leaf.boot, next_sequence: leaf.sequence.saturating_add(1) });
        }
        Ok(ends)
    }
}

pub(crate) fn decode(leaf: &[u8]) -> Result<Leaf, StoreError> {
    Leaf::decode(leaf).map_err(|error| StoreError::Damaged(format!("a leaf of the source cannot be read ({error}); run `wardkeep verify`")))
}

async fn files(store: &dyn Store) -> Result<u64, StoreError> {
    let (mut count, mut after) = (0_u64, None);
    loop {
        let page = store.blobs(after, FILES).await?;
        let Some(last) = page.last() else { return Ok(count) };
        count = count.saturating_add(page.len() as u64);
        after = Some(*last);
    }
}
