//! Looking at backups, and bringing one back.

use age::x25519::Identity;
use bytes::Bytes;
use wardkeep_ledger::StreamId;
use wardkeep_store::transfer::Progress;
use wardkeep_store::{Receive, Rows, Store};
use wardkeep_vault::vault::digest;

use crate::make::heads;
use crate::manifest::{Manifest, Part, Piece, StoreEnd, is_id, manifest_file, piece_file};
use crate::portion::decode;
use crate::target::Target;
use crate::{BackupError, window};

/// A backup that lies at a target.
#[derive(Clone, Debug)]
pub struct Listed {
    pub id: String,
    /// `None` when it is unfinished or its manifest cannot be read.
    pub manifest: Option<Manifest>,
    /// Can its patient keys still be opened?
    pub keys: bool,
}

/// What was read from a backup.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Read {
    pub pieces: u64,
    pub bytes: u64,
    /// Document versions, wrapped patient keys included.
    pub documents: u64,
    pub entries: u64,
    pub files: u64,
}

impl Read {
    fn count(&mut self, rows: &Rows) {
        match rows {
            Rows::Documents(rows) => self.documents += rows.len() as u64,
            Rows::Files { whole, .. } => self.files += whole.len() as u64,
            Rows::Leaves { leaves, .. } => self.entries += leaves.len() as u64,
            _ => {}
        }
    }
}

/// What [`Target::tidy`] took away.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tidied {
    /// Months whose identity is gone.
    pub windows: Vec<String>,
    pub backups: Vec<String>,
}

impl Target {
    /// All backups, newest first.
    ///
    /// # Errors
    /// Of the target.
    pub async fn backups(&self) -> Result<Vec<Listed>, BackupError> {
        let (ids, _) = self.list("backups").await?;
        let mut backups = Vec::new();
        for id in ids.into_iter().rev().filter(|id| is_id(id)) {
            let manifest = self.get(&manifest_file(&id)).await?.and_then(|bytes| Manifest::parse(&bytes, &id).ok());
            let keys = match &manifest {
                Some(manifest) => window::exists(self, &manifest.window).await?,
                None => false,
            };
            backups.push(Listed { id, manifest, keys });
        }
        Ok(backups)
    }

    /// The newest finished backup with its manifest's SHA-256, hexadecimal; without reading the others.
    ///
    /// # Errors
    /// Of the target.
    pub async fn newest(&self) -> Result<Option<(Manifest, String)>, BackupError> {
        let (ids, _) = self.list("backups").await?;
        for id in ids.into_iter().rev().filter(|id| is_id(id)) {
            if let Some(bytes) = self.get(&manifest_file(&id)).await?
                && let Ok(manifest) = Manifest::parse(&bytes, &id)
            {
                return Ok(Some((manifest, hex::encode(digest(&bytes)))));
            }
        }
        Ok(None)
    }

    /// The manifest of a backup by its id, or of the newest finished one when `id` is `latest`.
    ///
    /// # Errors
    /// `NotFound`, `Damaged`, and of the target.
    pub async fn manifest(&self, id: &str) -> Result<Manifest, BackupError> {
        self.manifest_and_digest(id).await.map(|(manifest, _)| manifest)
    }

    /// The same, with the SHA-256 of its bytes, hexadecimal.
    ///
    /// # Errors
    /// As [`Target::manifest`].
    pub async fn manifest_and_digest(&self, id: &str) -> Result<(Manifest, String), BackupError> {
        let missing = || BackupError::NotFound { id: id.to_owned(), target: self.shown().to_owned() };
        if id == "latest" {
            return self.newest().await?.ok_or_else(missing);
        }
        if !is_id(id) {
            return Err(missing());
        }
        let bytes = self.get(&manifest_file(id)).await?.ok_or_else(missing)?;
        Ok((Manifest::parse(&bytes, id)?, hex::encode(digest(&bytes))))
    }

    /// A piece's encrypted bytes, the same as when it was written.
    async fn piece(&self, id: &str, piece: &Piece) -> Result<Bytes, BackupError> {
        let file = piece_file(id, &piece.file);
        let damaged = |how: &str| BackupError::Damaged { file: file.clone(), how: how.to_owned() };
        let bytes = self.get(&file).await?.ok_or_else(|| damaged("it is missing"))?;
        if bytes.len() as u64 != piece.bytes || hex::encode(digest(&bytes)) != piece.sha256 {
            return Err(damaged("it is not what the manifest says: it was changed or cut off"));
        }
        Ok(bytes)
    }

    /// The rows of a piece.
    async fn rows(&self, id: &str, piece: &Piece, identity: &Identity) -> Result<Vec<Rows>, BackupError> {
        let bytes = self.piece(id, piece).await?;
        let (file, identity) = (piece_file(id, &piece.file), identity.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let plain = age::decrypt(&identity, &bytes).map_err(|error| window::opening(&file, &error))?;
            decode(&plain).map_err(|error| BackupError::Damaged { file, how: error.to_string() })
        });
        opened.await.map_err(|error| BackupError::Key(error.to_string()))?
    }

    /// Reads every file of a backup. With the identity every row as well; without, digests alone.
    ///
    /// # Errors
    /// The first file that is not as it was written; `Expired`, `Key`, and of the target.
    pub async fn verify(&self, manifest: &Manifest, identity: Option<&Identity>, progress: &Progress<'_>) -> Result<Read, BackupError> {
        let (mut read, total) = (Read::default(), manifest.bytes());
        let month = match identity {
            Some(identity) => Some(window::open(self, &manifest.window, identity).await?),
            None => None,
        };
        for (part, pieces) in &manifest.parts {
            for piece in pieces {
                let key = if *part == Part::Keys { month.as_ref() } else { identity };
                match key {
                    Some(key) => self.rows(&manifest.id, piece, key).await?.iter().for_each(|rows| read.count(rows)),
                    None => drop(self.piece(&manifest.id, piece).await?),
                }
                read.pieces += 1;
                read.bytes = read.bytes.saturating_add(piece.bytes);
                progress(read.bytes, total);
            }
        }
        if identity.is_some() {
            same_counts(manifest, &read)?;
        }
        Ok(read)
    }

    /// Brings a backup into two stores that hold nothing, or what a restore of the same backup that
    /// was cut off left; the caller sees to that. A store that is complete is left alone. Patients
    /// who were erased since are still there: see [`Target::erased`].
    ///
    /// # Errors
    /// As [`Target::verify`]; `Unfit` when what stands there is not what the manifest says.
    pub async fn restore(
        &self,
        manifest: &Manifest,
        identity: &Identity,
        [control, records]: [&dyn Receive; 2],
        progress: &Progress<'_>,
    ) -> Result<Read, BackupError> {
        let month = window::open(self, &manifest.window, identity).await?;
        let (mut read, total) = (Read::default(), manifest.bytes());
        let complete = [!control.store().streams().await?.is_empty(), !records.store().streams().await?.is_empty()];
        for (part, pieces) in &manifest.parts {
            let (to, done, key) = match part {
                Part::Keys => (control, complete[0], &month),
                Part::Control => (control, complete[0], identity),
                Part::Records => (records, complete[1], identity),
            };
            for piece in pieces {
                if !done {
                    for rows in self.rows(&manifest.id, piece, key).await? {
                        read.count(&rows);
                        to.receive(rows).await?;
                    }
                }
                read.pieces += 1;
                read.bytes = read.bytes.saturating_add(piece.bytes);
                progress(read.bytes, total);
            }
        }
        for (part, to, done) in [(Part::Control, control, complete[0]), (Part::Records, records, complete[1])] {
            if let (Some(end), false) = (manifest.stores.get(&part), done) {
                checkpoints(to.store(), end).await?;
                arrived(to.store(), end, part).await?;
            }
        }
        if complete == [false, false] {
            same_counts(manifest, &read)?;
        }
        Ok(read)
    }

    /// Writes down that these patients were erased.
    ///
    /// # Errors
    /// Of the target.
    pub async fn mark_erased(&self, ids: &[[u8; 16]]) -> Result<(), BackupError> {
        if ids.is_empty() {
            return Ok(());
        }
        let (_, known) = self.list("erased").await?;
        for id in ids.iter().map(hex::encode).filter(|id| known.binary_search(id).is_err()) {
            self.put(&format!("erased/{id}"), Bytes::new()).await?;
        }
        Ok(())
    }

    /// Patients who were erased, as far as this target was told.
    ///
    /// # Errors
    /// Of the target.
    pub async fn erased(&self) -> Result<Vec<[u8; 16]>, BackupError> {
        let (_, files) = self.list("erased").await?;
        Ok(files.iter().filter_map(|file| hex::decode(file).ok()?.try_into().ok()).collect())
    }

    /// Takes away what is of no use any more: identities of months before the last `keep_months`,
    /// backups whose identity is gone, and unfinished ones that began more than a day ago.
    ///
    /// # Errors
    /// Of the target; what is gone stays gone.
    pub async fn tidy(&self, now_ms: i64, keep_months: u32) -> Result<Tidied, BackupError> {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        let first = crate::make::month(now_ms, keep_months.max(1) - 1);
        let mut tidied = Tidied { windows: window::forget_before(self, &first).await?, backups: Vec::new() };
        let yesterday = crate::make::moment(now_ms.saturating_sub(DAY_MS));
        for listed in self.backups().await? {
            let unfinished = listed.manifest.is_none() && listed.id.as_str() < yesterday.as_str();
            let useless = listed.manifest.is_some() && !listed.keys;
            if unfinished || useless {
                self.clear(&format!("backups/{}", listed.id)).await?;
                tidied.backups.push(listed.id);
            }
        }
        Ok(tidied)
    }
}

fn same_counts(manifest: &Manifest, read: &Read) -> Result<(), BackupError> {
    let files = manifest.stores.values().fold(0, |sum: u64, store| sum.saturating_add(store.files));
    if (read.documents, read.entries, read.files) == (manifest.documents(), manifest.entries(), files) {
        return Ok(());
    }
    Err(BackupError::Unfit("the backup holds more or less than its manifest says".to_owned()))
}

async fn checkpoints(store: &dyn Store, end: &StoreEnd) -> Result<(), BackupError> {
    for (name, stream) in &end.streams {
        if let (Some(note), Ok(stream)) = (&stream.checkpoint, StreamId::parse(name)) {
            store.checkpoint_put(&stream, note).await?;
        }
    }
    Ok(())
}

/// Stands there what the manifest says?
async fn arrived(store: &dyn Store, end: &StoreEnd, part: Part) -> Result<(), BackupError> {
    let unfit = |what: &str| BackupError::Unfit(format!("the restored {} store is not what the manifest says: {what}", part.name()));
    if store.inspection().sequence().await?.0 != end.sequence {
        return Err(unfit("it has another commit sequence"));
    }
    let there = heads(store).await?.into_iter().map(|(stream, head)| (stream.as_str().to_owned(), (head.size, hex::encode(head.root))));
    let said = end.streams.iter().map(|(name, stream)| (name.clone(), (stream.size, stream.root.clone())));
    if !said.eq(there) {
        return Err(unfit("a stream of its log has another size or root"));
    }
    match store.inspection().flaws().await?.first() {
        None => Ok(()),
        Some(flaw) => Err(unfit(&format!("{flaw:?}"))),
    }
}
