//! Making a backup: rows of two stores that stand still, in encrypted pieces, the manifest last.

use std::collections::BTreeMap;

use age::x25519::Recipient;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use wardkeep_ledger::{Class, Head, Leaf, StreamId};
use wardkeep_store::transfer::{self, Progress};
use wardkeep_store::{Kind, MemoryStore, Receive, Rows, Store, StoreError};
use wardkeep_vault::vault::digest;

use crate::manifest::{FORMAT, Manifest, Part, Piece, StoreEnd, Stream, manifest_file, piece_file};
use crate::portion::{MAGIC, encode};
use crate::target::Target;
use crate::{BackupError, window};

/// Plaintext bytes after which a piece ends.
const PIECE_BYTES: usize = 32 * 1024 * 1024;

/// Log entries read at once.
const ENTRIES: usize = 500;

/// What a backup is made of and what it says of itself.
pub struct Order<'a> {
    /// Views that nobody changes meanwhile. Records are read first, so that every key they need is in the other.
    pub control: &'a dyn Store,
    pub records: &'a dyn Store,
    /// The kind of the wrapped patient keys, which go apart.
    pub keys: Kind,
    pub hospital: String,
    pub root_key: String,
    pub program: String,
    pub recipient: Recipient,
    /// Milliseconds since 1970, UTC.
    pub now_ms: i64,
    pub random: [u8; 4],
}

/// A finished backup.
#[derive(Clone, Debug)]
pub struct Made {
    pub manifest: Manifest,
    /// SHA-256 of the manifest's bytes, hexadecimal.
    pub digest: String,
}

fn utc(ms: i64) -> jiff::ZonedDateTime {
    Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned_datetime(TimeZone::UTC)
}

/// `20261127T061200Z`
pub(crate) fn moment(ms: i64) -> String {
    utc(ms).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// `2026-11`; `back` months before the moment's own.
pub(crate) fn month(ms: i64, back: u32) -> String {
    let now = utc(ms);
    let months = (i32::from(now.year()) * 12 + i32::from(now.month()) - 1).saturating_sub(i32::try_from(back).unwrap_or(i32::MAX)).max(0);
    format!("{:04}-{:02}", months / 12, months % 12 + 1)
}

impl Target {
    /// Makes a backup. Cut off, it leaves files without a manifest; [`Target::tidy`] takes them away.
    ///
    /// # Errors
    /// Of the target and of the stores.
    pub async fn create(&self, order: &Order<'_>, progress: &Progress<'_>) -> Result<Made, BackupError> {
        let id = format!("{}-{}", moment(order.now_ms), hex::encode(order.random));
        let window = month(order.now_ms, 0);
        let apart = window::of_month(self, &window, &order.recipient).await?;
        let (mut parts, mut stores) = (BTreeMap::new(), BTreeMap::new());
        let (records, control) = (transfer::steps(order.records).await?, transfer::steps(order.control).await?);
        let (total, apart) = (records.saturating_add(control), Some((order.keys, apart)));
        for (part, store, keys, before) in [(Part::Records, order.records, None, 0), (Part::Control, order.control, apart, records)] {
            let sent = Sent::new(self.clone(), &id, part, order.recipient.clone(), keys);
            let copied = transfer::export(store, &sent, &|done, _| progress(before + done, total)).await;
            let mut sent = sent.state.into_inner();
            let copied = match (copied, sent.failed.take()) {
                (_, Some(error)) => return Err(error),
                (copied, None) => copied?,
            };
            let end = StoreEnd {
                sequence: store.inspection().sequence().await?.0,
                documents: copied.documents,
                files: copied.files,
                streams: streams(store).await?,
            };
            stores.insert(part, end);
            parts.insert(part, sent.main.finish().await?);
            if let Some(keys) = sent.apart {
                parts.insert(Part::Keys, keys.1.finish().await?);
            }
        }
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            id: id.clone(),
            made_at: order.now_ms,
            program: order.program.clone(),
            hospital: order.hospital.clone(),
            root_key: order.root_key.clone(),
            recipient: order.recipient.to_string(),
            window,
            parts,
            stores,
        };
        let bytes = serde_json::to_vec_pretty(&manifest).map_err(|error| BackupError::Internal(error.to_string()))?;
        let digest = hex::encode(digest(&bytes));
        self.put(&manifest_file(&id), Bytes::from(bytes)).await?;
        Ok(Made { manifest, digest })
    }
}

/// How far each stream of a store has come.
///
/// # Errors
/// Of the store.
pub async fn heads(store: &dyn Store) -> Result<BTreeMap<StreamId, Head>, StoreError> {
    let mut heads = BTreeMap::new();
    for stream in store.streams().await? {
        if let Some(head) = store.head(&stream).await? {
            heads.insert(stream, head);
        }
    }
    Ok(heads)
}

/// Do two views belong together? The one of the records is taken first, so the one of the control store
/// has every key that they need. It must not know more of them than they hold themselves: a head that was
/// noted in between would look like a rollback after a restore, and a patient who was erased in between
/// would have documents and no key. The control store's entries tell, since its heads `before` both.
///
/// # Errors
/// Of the store.
pub async fn together(before: &BTreeMap<StreamId, Head>, control: &dyn Store) -> Result<bool, StoreError> {
    for (stream, head) in heads(control).await? {
        let mut at = before.get(&stream).map_or(0, |head| head.size);
        while at < head.size {
            let entries = control.entries(&stream, at, ENTRIES).await?;
            let Some(last) = entries.last() else { break };
            at = last.index.saturating_add(1);
            let apart = |leaf: &Leaf| matches!(leaf.class, Class::PeerHeads | Class::PatientErased | Class::KeyShredded);
            if entries.iter().any(|entry| Leaf::decode(&entry.leaf).is_ok_and(|leaf| apart(&leaf))) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

async fn streams(store: &dyn Store) -> Result<BTreeMap<String, Stream>, StoreError> {
    let mut streams = BTreeMap::new();
    for (stream, head) in heads(store).await? {
        let checkpoint = store.checkpoint(&stream).await?;
        streams.insert(stream.as_str().to_owned(), Stream { size: head.size, root: hex::encode(head.root), checkpoint });
    }
    Ok(streams)
}

/// Pieces of one part on their way. One is encrypted and written while the next is filled.
struct Pieces {
    target: Target,
    folder: String,
    part: Part,
    recipient: Recipient,
    filling: Vec<u8>,
    going: Option<JoinHandle<Result<Piece, BackupError>>>,
    sent: Vec<Piece>,
}

impl Pieces {
    fn new(target: Target, id: &str, part: Part, recipient: Recipient) -> Self {
        Self { target, folder: id.to_owned(), part, recipient, filling: MAGIC.to_vec(), going: None, sent: Vec::new() }
    }

    async fn add(&mut self, rows: &Rows) -> Result<(), BackupError> {
        encode(rows, &mut self.filling).map_err(|error| BackupError::Unfit(format!("the {} part: {error}", self.part.name())))?;
        if self.filling.len() >= PIECE_BYTES { self.send().await } else { Ok(()) }
    }

    async fn arrived(&mut self) -> Result<(), BackupError> {
        if let Some(going) = self.going.take() {
            self.sent.push(going.await.map_err(|error| BackupError::Internal(error.to_string()))??);
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), BackupError> {
        self.arrived().await?;
        let plain = std::mem::replace(&mut self.filling, MAGIC.to_vec());
        let file = format!("{}-{:06}.age", self.part.name(), self.sent.len() + 1);
        let (target, path, recipient) = (self.target.clone(), piece_file(&self.folder, &file), self.recipient.clone());
        self.going = Some(tokio::spawn(async move {
            let sealed = tokio::task::spawn_blocking(move || {
                let sealed = age::encrypt(&recipient, &plain).map_err(|error| BackupError::Internal(error.to_string()))?;
                let hash = hex::encode(digest(&sealed));
                Ok::<_, BackupError>((sealed, hash))
            });
            let (sealed, sha256) = sealed.await.map_err(|error| BackupError::Internal(error.to_string()))??;
            let bytes = sealed.len() as u64;
            target.put(&path, Bytes::from(sealed)).await?;
            Ok(Piece { file, bytes, sha256 })
        }));
        Ok(())
    }

    async fn finish(mut self) -> Result<Vec<Piece>, BackupError> {
        if self.filling.len() > MAGIC.len() {
            self.send().await?;
        }
        self.arrived().await?;
        Ok(std::mem::take(&mut self.sent))
    }
}

struct State {
    main: Pieces,
    apart: Option<(Kind, Pieces)>,
    failed: Option<BackupError>,
}

/// Takes a store's rows as another engine would, and has nothing of its own.
struct Sent {
    nothing: MemoryStore,
    state: Mutex<State>,
}

impl Sent {
    fn new(target: Target, id: &str, part: Part, recipient: Recipient, apart: Option<(Kind, Recipient)>) -> Self {
        let keys = apart.map(|(kind, recipient)| (kind, Pieces::new(target.clone(), id, Part::Keys, recipient)));
        let main = Pieces::new(target, id, part, recipient);
        Self { nothing: MemoryStore::new(), state: Mutex::new(State { main, apart: keys, failed: None }) }
    }
}

impl State {
    async fn take(&mut self, rows: Rows) -> Result<(), BackupError> {
        let (rows, (kind, keys)) = match (rows, &mut self.apart) {
            (Rows::Documents(rows), Some(apart)) => (rows, apart),
            (rows, _) => return self.main.add(&rows).await,
        };
        let (apart, rest): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.document.kind == *kind);
        if !apart.is_empty() {
            keys.add(&Rows::Documents(apart)).await?;
        }
        if rest.is_empty() { Ok(()) } else { self.main.add(&Rows::Documents(rest)).await }
    }
}

#[async_trait]
impl Receive for Sent {
    fn store(&self) -> &dyn Store {
        &self.nothing
    }

    async fn receive(&self, rows: Rows) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        let taken = state.take(rows).await;
        taken.map_err(|error| {
            let cause = error.to_string();
            state.failed = Some(error);
            StoreError::Engine { doing: "writing a backup", cause }
        })
    }
}
