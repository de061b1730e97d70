//! The walk over both sides of a copy; see [`crate::transfer`].

use wardkeep_ledger::tree::{TILE_WIDTH, TileId};
use wardkeep_ledger::{EventId, StreamId};

use crate::contract::{DocId, Entry, Owner, Seq, Store, StoreError};
use crate::inspect::{BlobShape, Flaw};
use crate::receive::{Receive, Rows, Segment, Whole};
use crate::transfer::{Copied, Difference, Ends, Progress, decode, unfit, written_to};

/// Rows read at once, from each side.
const DOCUMENTS: usize = 128;
const LEAVES: usize = 1024;
const TILES: usize = 128;
pub(crate) const FILES: usize = 1000;
const NUMBERS: usize = 1000;
/// Bytes after which a portion is sent on.
const PORTION_BYTES: usize = 4 * 1024 * 1024;
/// What a row takes beside its opaque bytes, roughly.
const ROW_BYTES: usize = 256;

/// Why a walk ends early.
pub(crate) enum Stop {
    Store(StoreError),
    Differs(Difference),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Difference> for Stop {
    fn from(difference: Difference) -> Self {
        Self::Differs(difference)
    }
}

/// Document versions with what stands beside them, after a sequence.
async fn documents(store: &dyn Store, after: Seq) -> Result<Vec<Whole>, StoreError> {
    let documents = store.changed_since(None, after, DOCUMENTS).await?;
    let beside = store.inspection().beside(after, DOCUMENTS).await?;
    let same = documents.len() == beside.len() && documents.iter().zip(&beside).all(|(document, beside)| document.seq == beside.seq);
    if !same {
        return Err(unfit("one of the two stores", "it was written to while it was read", "stop the server, then run it again"));
    }
    Ok(documents.into_iter().zip(beside).map(|(document, beside)| Whole { document, beside }).collect())
}

fn document_differs(ours: &Whole, theirs: &Whole) -> &'static str {
    let (a, b) = (&ours.document, &theirs.document);
    if (a.kind, a.id) != (b.kind, b.id) {
        "stands at another place in the order"
    } else if a.version != b.version {
        "has another number"
    } else if a.owner != b.owner {
        "has another owner"
    } else if a.sealed != b.sealed {
        "has other sealed bytes"
    } else if ours.beside.current != theirs.beside.current {
        "is the current one on one side alone"
    } else {
        "has other terms"
    }
}

fn entry_differs(ours: &Entry, theirs: &Entry) -> &'static str {
    if ours.leaf == theirs.leaf { "has another subject number" } else { "has other bytes" }
}

const MISSING: &str = "is missing in the target";
const EXTRA: &str = "stands in the target alone";

/// The rows that the target lacks. It must hold the first of them, and nothing else.
fn lacking<T: PartialEq, K: Ord>(
    what: &'static str,
    mut ours: Vec<T>,
    theirs: &[T],
    key: impl Fn(&T) -> K,
    differs: impl Fn(&T, &T) -> &'static str,
) -> Result<Vec<T>, Difference> {
    for (ours, theirs) in ours.iter().zip(theirs) {
        let how = match key(ours).cmp(&key(theirs)) {
            std::cmp::Ordering::Less => MISSING,
            std::cmp::Ordering::Greater => EXTRA,
            std::cmp::Ordering::Equal if ours == theirs => continue,
            std::cmp::Ordering::Equal => differs(ours, theirs),
        };
        return Err(Difference::new(what, how));
    }
    if theirs.len() > ours.len() {
        return Err(Difference::new(what, EXTRA));
    }
    Ok(ours.split_off(theirs.len()))
}

/// Rows in portions of bounded size.
fn portions<T>(rows: Vec<T>, bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let (mut portions, mut portion, mut size) = (Vec::new(), Vec::new(), 0_usize);
    for row in rows {
        let more = bytes(&row).saturating_add(ROW_BYTES);
        if !portion.is_empty() && size.saturating_add(more) > PORTION_BYTES {
            portions.push(std::mem::take(&mut portion));
            size = 0;
        }
        size = size.saturating_add(more);
        portion.push(row);
    }
    if !portion.is_empty() {
        portions.push(portion);
    }
    portions
}

pub(crate) struct Walk<'a> {
    from: &'a dyn Store,
    to: &'a dyn Store,
    /// Where rows go that the target lacks; without it they are a difference.
    into: Option<&'a dyn Receive>,
    progress: &'a Progress<'a>,
    done: u64,
    total: u64,
    pub(crate) seen: Copied,
    pub(crate) written: u64,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        from: &'a dyn Store,
        to: &'a dyn Store,
        into: Option<&'a dyn Receive>,
        progress: &'a Progress<'a>,
        done: u64,
        total: u64,
    ) -> Self {
        Self { from, to, into, progress, done, total, seen: Copied::default(), written: 0 }
    }

    fn advance(&mut self, steps: u64) {
        self.done = self.done.saturating_add(steps);
        (self.progress)(self.done, self.total);
    }

    /// Hands on what is lacking.
    async fn bring(&mut self, what: &'static str, rows: Rows) -> Result<(), Stop> {
        match self.into {
            Some(into) => Ok(into.receive(rows).await?),
            None => Err(Difference::new(what, MISSING).into()),
        }
    }

    pub(crate) async fn compare(&mut self, source: &Ends) -> Result<(), Stop> {
        self.all(source).await?;
        let target = Ends::of(self.to).await?;
        if target.seq != source.seq {
            return Err(Difference::new("the commit sequence", "is another one").into());
        }
        if target.heads != source.heads {
            return Err(Difference::new("the size or root of a stream", "is another one").into());
        }
        match self.to.inspection().flaws().await?.first() {
            None => Ok(()),
            Some(Flaw::Terms { .. }) => Err(Difference::new("the index", "finds a document by other terms than it was put with").into()),
            Some(Flaw::Store(words)) => Err(Difference::new("the target's own bookkeeping", &format!("does not fit: {words}")).into()),
        }
    }

    pub(crate) async fn all(&mut self, source: &Ends) -> Result<(), Stop> {
        self.documents(source.seq).await?;
        self.counters().await?;
        self.clock().await?;
        self.files().await?;
        for (stream, head) in &source.heads {
            self.leaves(stream).await?;
            self.tiles(stream, head.size).await?;
            self.checkpoint(stream).await?;
            self.seen.streams += 1;
        }
        Ok(())
    }

    async fn documents(&mut self, end: Seq) -> Result<(), Stop> {
        const WHAT: &str = "a document version";
        let mut after = Seq(0);
        loop {
            let (ours, theirs) = (documents(self.from, after).await?, documents(self.to, after).await?);
            let (count, last) = (ours.len(), ours.last().map(|row| row.document.seq));
            let rest = lacking(WHAT, ours, &theirs, |row| row.document.seq, document_differs)?;
            let Some(last) = last else { break };
            for rows in portions(rest, |row| row.document.sealed.len()) {
                self.written += rows.len() as u64;
                self.bring(WHAT, Rows::Documents(rows)).await?;
            }
            self.seen.documents += count as u64;
            self.advance(last.0.saturating_sub(after.0));
            after = last;
        }
        // Sequences of documents that were erased.
        self.advance(end.0.saturating_sub(after.0));
        Ok(())
    }

    async fn counters(&mut self) -> Result<(), Stop> {
        const WHAT: &str = "a running number";
        let (from, to) = (self.from.inspection(), self.to.inspection());
        let mut after = None;
        loop {
            let (ours, theirs) = (from.counters(after, NUMBERS).await?, to.counters(after, NUMBERS).await?);
            let last = ours.last().map(|row| row.0);
            let rest = lacking(WHAT, ours, &theirs, |row| row.0, |_, _| "has another value")?;
            if !rest.is_empty() {
                self.bring(WHAT, Rows::Counters(rest)).await?;
            }
            after = match last {
                None => return Ok(()),
                last => last,
            };
        }
    }

    async fn clock(&mut self) -> Result<(), Stop> {
        const WHAT: &str = "a commit time";
        let (from, to) = (self.from.inspection(), self.to.inspection());
        let mut after = None;
        loop {
            let (ours, theirs) = (from.clock(after, NUMBERS).await?, to.clock(after, NUMBERS).await?);
            let last = ours.last().map(|row| row.0);
            let rest = lacking(WHAT, ours, &theirs, |row| row.0, |_, _| "has another sequence")?;
            if !rest.is_empty() {
                self.bring(WHAT, Rows::Clock(rest)).await?;
            }
            after = match last {
                None => return Ok(()),
                last => last,
            };
        }
    }

    async fn files(&mut self) -> Result<(), Stop> {
        const WHAT: &str = "a file";
        let mut after = None;
        loop {
            let (ours, theirs) = (self.from.blobs(after, FILES).await?, self.to.blobs(after, FILES).await?);
            let Some(last) = ours.last().copied() else {
                lacking(WHAT, ours, &theirs, |id| *id, |_, _| "")?;
                return Ok(());
            };
            self.seen.files += ours.len() as u64;
            let rest = lacking(WHAT, ours, &theirs, |id| *id, |_, _| "")?;
            if self.into.is_none() {
                if !rest.is_empty() {
                    return Err(Difference::new(WHAT, MISSING).into());
                }
                for id in theirs {
                    self.same_file(id).await?;
                    self.advance(1);
                }
            } else {
                // Files that are there already are read by the comparison.
                self.advance(theirs.len() as u64);
                self.bring_files(rest).await?;
            }
            after = Some(last);
        }
    }

    async fn same_file(&mut self, id: DocId) -> Result<(), Stop> {
        let ours = shape(self.from, id).await?;
        let theirs = shape(self.to, id).await?;
        if ours.owner != theirs.owner {
            return Err(Difference::new("a file", "has another owner").into());
        }
        if ours.segments != theirs.segments {
            return Err(Difference::new("a file", "has other segments, more or fewer").into());
        }
        for number in ours.segments {
            if self.from.blob_read(id, number).await? != self.to.blob_read(id, number).await? {
                return Err(Difference::new("a segment of a file", "has other bytes").into());
            }
        }
        Ok(())
    }

    async fn bring_files(&mut self, ids: Vec<DocId>) -> Result<(), Stop> {
        let (mut segments, mut whole, mut size): (Vec<Segment>, Vec<(DocId, Owner)>, usize) = (Vec::new(), Vec::new(), 0);
        for id in ids {
            let BlobShape { owner, segments: numbers } = shape(self.from, id).await?;
            for number in numbers {
                let bytes = self.from.blob_read(id, number).await?.ok_or_else(written_to)?;
                let more = bytes.len().saturating_add(ROW_BYTES);
                if size.saturating_add(more) > PORTION_BYTES {
                    self.send_files(&mut segments, &mut whole).await?;
                    size = 0;
                }
                size = size.saturating_add(more);
                segments.push(Segment { blob: id, owner, number, bytes });
            }
            whole.push((id, owner));
        }
        self.send_files(&mut segments, &mut whole).await
    }

    async fn send_files(&mut self, segments: &mut Vec<Segment>, whole: &mut Vec<(DocId, Owner)>) -> Result<(), Stop> {
        let (segments, whole) = (std::mem::take(segments), std::mem::take(whole));
        if segments.is_empty() && whole.is_empty() {
            return Ok(());
        }
        let count = whole.len() as u64;
        self.bring("a file", Rows::Files { segments, whole }).await?;
        self.written += count;
        self.advance(count);
        Ok(())
    }

    async fn leaves(&mut self, stream: &StreamId) -> Result<(), Stop> {
        const WHAT: &str = "a leaf of the log";
        let mut from = 0;
        loop {
            let (ours, theirs) = (self.from.entries(stream, from, LEAVES).await?, self.to.entries(stream, from, LEAVES).await?);
            let (count, next) = (ours.len() as u64, ours.last().map(|entry| entry.index.saturating_add(1)));
            let rest = lacking(WHAT, ours, &theirs, |entry| entry.index, entry_differs)?;
            let Some(next) = next else { return Ok(()) };
            if !rest.is_empty() {
                let named = |entry: Entry| Ok((decode(&entry.leaf)?.event, entry));
                let leaves: Vec<(EventId, Entry)> = rest.into_iter().map(named).collect::<Result<_, StoreError>>()?;
                self.written += leaves.len() as u64;
                self.bring(WHAT, Rows::Leaves { stream: stream.clone(), leaves }).await?;
            }
            self.seen.leaves += count;
            self.advance(count);
            from = next;
        }
    }

    /// Which tiles there are follows from the size.
    async fn tiles(&mut self, stream: &StreamId, size: u64) -> Result<(), Stop> {
        const WHAT: &str = "a tile of the log";
        let mut tiles = Vec::new();
        let (mut level, mut width) = (0_u8, size);
        while width > 0 {
            for index in 0..width.div_ceil(TILE_WIDTH as u64) {
                let tile = TileId { level, index };
                let ours = self.from.tile(stream, tile).await?;
                let ours =
                    ours.ok_or_else(|| StoreError::Damaged("the source lacks a tile of its log; run `wardkeep verify`".to_owned()))?;
                match self.to.tile(stream, tile).await? {
                    Some(theirs) if theirs == ours => {}
                    Some(_) => return Err(Difference::new(WHAT, "has other hashes").into()),
                    None => tiles.push((tile, ours)),
                }
                if tiles.len() >= TILES {
                    self.bring(WHAT, Rows::Tiles { stream: stream.clone(), tiles: std::mem::take(&mut tiles) }).await?;
                }
            }
            (level, width) = (level.saturating_add(1), width / TILE_WIDTH as u64);
        }
        if tiles.is_empty() {
            return Ok(());
        }
        self.bring(WHAT, Rows::Tiles { stream: stream.clone(), tiles }).await
    }

    /// The newest one counts: a server that ends signs the same head once more.
    async fn checkpoint(&mut self, stream: &StreamId) -> Result<(), Stop> {
        let (ours, theirs) = (self.from.checkpoint(stream).await?, self.to.checkpoint(stream).await?);
        match (ours, self.into) {
            (ours, _) if ours == theirs => Ok(()),
            (Some(note), Some(_)) => Ok(self.to.checkpoint_put(stream, &note).await?),
            _ => Err(Difference::new("the checkpoint of a stream", "is another one").into()),
        }
    }
}

async fn shape(store: &dyn Store, id: DocId) -> Result<BlobShape, StoreError> {
    store
        .inspection()
        .blob(id)
        .await?
        .ok_or_else(|| StoreError::Damaged("a file is listed and not there; run `wardkeep verify`".to_owned()))
}
