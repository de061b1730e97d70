//! The one place that decides whether a changeset may go in. Every engine asks it inside its
//! transaction, before it applies anything, so that a refused changeset leaves no trace.

use std::collections::{HashMap, HashSet};

use crate::contract::{BLOB_SEGMENT_BYTES_MAX, Changeset, DocId, Kind, Refusal, StoreError, Term, Version};

/// What the check needs to see of the state before the changeset.
pub(crate) trait Look {
    type Error;
    /// Current version, [`Version::ABSENT`] when there is none.
    fn version(&mut self, kind: Kind, id: DocId) -> Result<Version, Self::Error>;
    /// Who holds a unique term.
    fn holder(&mut self, kind: Kind, term: Term) -> Result<Option<DocId>, Self::Error>;
    /// Is the blob staged and not yet part of the record?
    fn staged(&mut self, id: DocId) -> Result<bool, Self::Error>;
}

/// `None` when the changeset may go in. Expectations speak of the state before it; erases count as
/// done before the puts; a term may move between documents that the same changeset puts.
pub(crate) fn refusal<L: Look>(change: &Changeset, look: &mut L) -> Result<Option<Refusal>, L::Error> {
    for expect in &change.expects {
        let found = look.version(expect.kind, expect.id)?;
        if found != expect.version {
            return Ok(Some(Refusal::Conflict { kind: expect.kind, id: expect.id, expected: expect.version, found }));
        }
    }
    let mut versions: HashMap<(Kind, DocId), Version> =
        change.erases.iter().map(|erase| ((erase.kind, erase.id), Version::ABSENT)).collect();
    for put in &change.puts {
        let key = (put.kind, put.id);
        let found = match versions.get(&key) {
            Some(version) => *version,
            None => look.version(put.kind, put.id)?,
        };
        if put.version != found.next() {
            let expected = Version(put.version.0.saturating_sub(1));
            return Ok(Some(Refusal::Conflict { kind: put.kind, id: put.id, expected, found }));
        }
        versions.insert(key, put.version);
    }
    if let Some(refusal) = taken(change, &versions, look)? {
        return Ok(Some(refusal));
    }
    let mut named = HashSet::new();
    for blob in &change.blobs {
        if !named.insert(*blob) || !look.staged(*blob)? {
            return Ok(Some(Refusal::BlobMissing(*blob)));
        }
    }
    Ok(None)
}

fn taken<L: Look>(change: &Changeset, touched: &HashMap<(Kind, DocId), Version>, look: &mut L) -> Result<Option<Refusal>, L::Error> {
    let mut claimed: HashMap<(Kind, Term), DocId> = HashMap::new();
    for put in &change.puts {
        for term in &put.unique {
            let holder = match claimed.insert((put.kind, *term), put.id) {
                Some(holder) => Some(holder),
                // A document that this changeset puts or erases lets go of its earlier terms.
                None => look.holder(put.kind, *term)?.filter(|holder| !touched.contains_key(&(put.kind, *holder))),
            };
            if let Some(holder) = holder.filter(|holder| *holder != put.id) {
                return Ok(Some(Refusal::Taken { kind: put.kind, term: *term, holder }));
            }
        }
    }
    Ok(None)
}

/// # Errors
/// When a blob segment is larger than the contract allows.
pub(crate) fn segment(bytes: &[u8]) -> Result<(), StoreError> {
    if bytes.len() > BLOB_SEGMENT_BYTES_MAX {
        let cause = format!("a segment of {} bytes is larger than {BLOB_SEGMENT_BYTES_MAX}", bytes.len());
        return Err(StoreError::Engine { doing: "staging a blob segment", cause });
    }
    Ok(())
}

/// What staging answers when the blob is part of the record: that one never changes.
pub(crate) fn blob_recorded() -> StoreError {
    StoreError::Engine { doing: "staging a blob segment", cause: "the blob is already part of the record".to_owned() }
}
