//! A file on its way out: opened segment by segment, the next one while the client takes this one.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::task::JoinHandle;
use wardkeep_domain::document::Document;
use wardkeep_domain::{DocumentId, PatientId};
use wardkeep_ledger::Class;
use wardkeep_policy::Action;
use wardkeep_store::DocId;
use wardkeep_vault::StreamOpener;
use wardkeep_vault::stream::SEGMENT_PLAIN_BYTES;

use super::blob_context;
use crate::integrity::Sealed;
use crate::{App, Ctx, Error, Result};

const SEGMENT: u64 = SEGMENT_PLAIN_BYTES as u64;

/// A download: plaintext portions of the asked range, opened as they are sent.
pub struct Download {
    pub document: Document,
    /// First byte and one past the last byte sent.
    pub start: u64,
    pub end: u64,
    pub stream: BoxStream<'static, Result<Bytes, Error>>,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Download({}..{})", self.start, self.end)
    }
}

impl App {
    /// `range`: first byte and, unless to the end, the last byte (inclusive). The event is durable
    /// and the first segment open when this returns. A void document can be read too.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Integrity`, `OutOfRange` when the range cannot be satisfied.
    pub async fn download(
        &self,
        ctx: &Ctx,
        patient: PatientId,
        document: DocumentId,
        range: Option<(u64, Option<u64>)>,
    ) -> Result<Download> {
        let (permit, key, sealed) = self.permit_document(ctx, Action::ReadDocument, patient, document).await?;
        let part = match range {
            None => "file".to_owned(),
            Some((first, None)) => format!("bytes from {first}"),
            Some((first, Some(last))) => format!("bytes {first} to {last}"),
        };
        let details = Sealed::new(&key, &sealed);
        let receipt = self.disclose(ctx, Class::DocumentDownloaded, &permit, &key, [&details], &part).await?;
        let document = self.checked_document(ctx, details, &receipt).await?;
        let (start, end) = clip(range, document.bytes)?;
        let header = self.records.blob_read(sealed.id, 0).await?;
        let opener = header
            .as_deref()
            .ok_or(Error::Integrity)
            .and_then(|header| Ok(StreamOpener::new(&key, &blob_context(sealed.id), header, &receipt)?));
        let opener = match opener {
            Ok(opener) => Arc::new(opener),
            Err(error) => return Err(self.blob_failed(ctx, sealed.id, error).await),
        };
        let index = |byte: u64| u32::try_from(byte / SEGMENT).unwrap_or(u32::MAX);
        let segments = Segments { app: self.clone(), id: sealed.id, opener, segments: document.segments, start, end };
        let first = index(start);
        let opened = match header.filter(|_| first == 0) {
            Some(sealed) => segments.open(first, &sealed),
            None => segments.read(first).await,
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => return Err(self.blob_failed(ctx, sealed.id, error).await),
        };
        let sending = Sending { ctx: ctx.clone(), segments, next: first, last: index(end - 1), opened: Some(opened), ahead: None };
        Ok(Download { document, start, end, stream: sending.stream() })
    }

    /// Raises the alarm when it was an integrity failure.
    async fn blob_failed(&self, ctx: &Ctx, id: DocId, error: Error) -> Error {
        if matches!(error, Error::Integrity)
            && let Err(unavailable) = self.raise_blob_alarm(ctx, id).await
        {
            return unavailable;
        }
        error
    }
}

/// First byte and one past the last.
fn clip(range: Option<(u64, Option<u64>)>, total: u64) -> Result<(u64, u64)> {
    match range {
        None if total > 0 => Ok((0, total)),
        Some((first, last)) if first < total && last.is_none_or(|last| last >= first) => {
            Ok((first, last.map_or(total, |last| last.saturating_add(1).min(total))))
        }
        _ => Err(Error::OutOfRange { total }),
    }
}

/// Where opened bytes come from.
#[derive(Clone)]
struct Segments {
    app: App,
    id: DocId,
    opener: Arc<StreamOpener>,
    segments: u32,
    start: u64,
    end: u64,
}

impl Segments {
    async fn read(&self, index: u32) -> Result<Bytes> {
        let sealed = self.app.records.blob_read(self.id, index).await?.ok_or(Error::Integrity)?;
        self.open(index, &sealed)
    }

    /// The part of a segment that was asked for. Wiped when the last view of it is dropped.
    fn open(&self, index: u32, sealed: &[u8]) -> Result<Bytes> {
        let plain = Bytes::from_owner(self.opener.open(index, self.segments, sealed)?);
        let from = u64::from(index) * SEGMENT;
        let place = |byte: u64| usize::try_from(byte.saturating_sub(from)).unwrap_or(usize::MAX);
        let (start, end) = (place(self.start), place(self.end.min(from + SEGMENT)));
        if start <= end && end <= plain.len() { Ok(plain.slice(start..end)) } else { Err(Error::Integrity) }
    }
}

struct Sending {
    ctx: Ctx,
    segments: Segments,
    next: u32,
    last: u32,
    opened: Option<Bytes>,
    ahead: Option<JoinHandle<Result<Bytes>>>,
}

impl Sending {
    fn stream(self) -> BoxStream<'static, Result<Bytes>> {
        stream::unfold(Some(self), |sending| async {
            let mut sending = sending?;
            match sending.portion().await {
                Ok(portion) => {
                    sending.next = sending.next.saturating_add(1);
                    let more = sending.next <= sending.last;
                    if more {
                        let (segments, index) = (sending.segments.clone(), sending.next);
                        sending.ahead = Some(tokio::spawn(async move { segments.read(index).await }));
                    }
                    Some((Ok(portion), more.then_some(sending)))
                }
                Err(error) => Some((Err(sending.segments.app.blob_failed(&sending.ctx, sending.segments.id, error).await), None)),
            }
        })
        .boxed()
    }

    async fn portion(&mut self) -> Result<Bytes> {
        match (self.opened.take(), self.ahead.take()) {
            (Some(opened), _) => Ok(opened),
            (None, Some(ahead)) => ahead.await.map_err(|error| Error::Internal(error.to_string()))?,
            (None, None) => self.segments.read(self.next).await,
        }
    }
}
