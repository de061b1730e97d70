//! The ledger's keeper: signs checkpoints every second while the log grows, publishes tiles,
//! exchanges stream heads, refuses to start on a rolled-back store. Runs as the job `keeper`.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use wardkeep_domain::date::Moment;
use wardkeep_ledger::checkpoint::Monotonic;
use wardkeep_ledger::proof::check_consistency;
use wardkeep_ledger::publish::{bundle_path, encode_bundle, last_paths, tile_path};
use wardkeep_ledger::tree::{TILE_WIDTH, TileId};
use wardkeep_ledger::{Checkpoint, Class, Hash, Head, Leaf, StreamId};
use wardkeep_policy::{Action, Resource};
use wardkeep_store::Find;

use crate::act::{Act, Side};
use crate::{App, Error, Result, Visit, kinds, tiles, verify};

/// How often streams log each other's heads, and drafts that ran out are dropped.
const PEER_HEADS_MS: i64 = 60_000;
/// Leaves read at once while looking for shredded keys.
const HEARD_AT_ONCE: usize = 1_000;
/// Newest notes of other streams that a start looks through: some minutes of a dozen nodes.
const NOTED_MAX: usize = 1_000;
const WIDTH: u64 = TILE_WIDTH as u64;
/// Entries read at once while publishing.
const BUNDLES_AT_ONCE: u64 = 16;

/// What the keeper remembers between ticks.
#[derive(Debug, Default)]
pub struct State(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    signed: HashMap<StreamId, (Monotonic, Moment)>,
    published: HashMap<StreamId, u64>,
    /// Leaves of the control store's streams that were looked at for shredded keys.
    heard: HashMap<StreamId, u64>,
    peers_at: Option<Moment>,
    /// How large a stream was when an own stream, named first, logged its head.
    peers: HashMap<(StreamId, StreamId), u64>,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Newest signed head of a stream and when it was signed.
    pub(crate) fn sealed(&self, stream: &StreamId) -> Option<(Head, Moment)> {
        self.lock().signed.get(stream).and_then(|(monotonic, at)| monotonic.last().map(|head| (head, *at)))
    }
    /// Remembers a newer signed head. Never an older one, and never one that does not extend it.
    fn advance(&self, stream: &StreamId, head: Head, proof: &[Hash], at: Moment) -> Result<()> {
        let mut state = self.lock();
        let (monotonic, signed_at) = state.signed.entry(stream.clone()).or_insert_with(|| (Monotonic::default(), at));
        monotonic.advance(head, proof).map_err(|error| Error::Unavailable(format!("{}: {error}", stream.as_str())))?;
        *signed_at = at;
        Ok(())
    }
}

impl App {
    /// The origin line of a stream's checkpoints.
    pub(crate) fn origin(&self, stream: &StreamId) -> String {
        format!("wardkeep/{}/{}", self.hospital().id, stream.as_str())
    }

    /// Called about every second by the composition root. Signs what is new in the own streams,
    /// checks what other nodes signed, publishes both; every 60 s logs the heads of the other
    /// streams that grew.
    ///
    /// # Errors
    /// `Unavailable`; the caller logs it and tries again.
    pub async fn tick(&self, visit: &Visit) -> Result<()> {
        self.forget_shredded().await?;
        let minute = self.minute_is_over(visit);
        if minute {
            self.exchange_heads(visit).await?;
        }
        for side in Side::BOTH {
            self.seal_and_publish(side, visit).await?;
        }
        for side in Side::BOTH {
            for stream in self.store(side).streams().await? {
                if stream != self.stream(side)? {
                    self.follow(side, &stream).await?;
                }
            }
        }
        if minute {
            self.finish_erasures(visit).await?;
            self.drop_old_drafts(visit).await?;
        }
        Ok(())
    }

    /// A key that any node shredded is forgotten here too, within a second of its log entry. Which
    /// patient it was stands in no leaf, so all opened keys are let go.
    async fn forget_shredded(&self) -> Result<()> {
        for stream in self.control.streams().await? {
            let Some(head) = self.control.head(&stream).await? else { continue };
            let heard = self.state.lock().heard.get(&stream).copied();
            let (mut from, mut shredded) = (heard.unwrap_or(head.size), heard.is_none());
            while from < head.size {
                let entries = self.control.entries(&stream, from, HEARD_AT_ONCE).await?;
                let Some(last) = entries.last() else { break };
                from = last.index.saturating_add(1);
                shredded |= entries.iter().any(|entry| Leaf::decode(&entry.leaf).is_ok_and(|leaf| leaf.class == Class::KeyShredded));
            }
            if shredded {
                self.keys.forget_all();
            }
            self.state.lock().heard.insert(stream, from);
        }
        Ok(())
    }

    async fn seal_and_publish(&self, side: Side, visit: &Visit) -> Result<()> {
        let stream = self.stream(side)?;
        let Some(head) = self.store(side).head(&stream).await? else { return Ok(()) };
        let last = self.state.sealed(&stream).map(|(head, _)| head);
        if last == Some(head) {
            return Ok(());
        }
        let proof = self.consistency(side, &stream, last, head).await?;
        self.state.advance(&stream, head, &proof, visit.now)?;
        let note = self.signer.sign(&self.origin(&stream), &head, visit.now.0);
        self.store(side).checkpoint_put(&stream, &note).await?;
        self.publish(side, &stream, head, &note).await
    }

    /// Another node's stream: its newest checkpoint must be signed and extend the one before.
    async fn follow(&self, side: Side, stream: &StreamId) -> Result<()> {
        let Some(note) = self.store(side).checkpoint(stream).await? else { return Ok(()) };
        let Some(checkpoint) = self.known(stream, "stored", Some(note.clone()))? else { return Ok(()) };
        let last = self.state.sealed(stream).map(|(head, _)| head);
        if last != Some(checkpoint.head) {
            let proof = self.consistency(side, stream, last, checkpoint.head).await?;
            self.state.advance(stream, checkpoint.head, &proof, Moment(checkpoint.time_ms.unwrap_or(0)))?;
        }
        self.publish(side, stream, checkpoint.head, &note).await
    }

    async fn consistency(&self, side: Side, stream: &StreamId, last: Option<Head>, head: Head) -> Result<Vec<Hash>> {
        match last {
            Some(last) if last.size <= head.size => tiles::consistency(self.store(side).as_ref(), stream, last.size, head.size).await,
            _ => Ok(Vec::new()),
        }
    }

    /// Writes new entry bundles and tiles, then the checkpoint, then drops narrower forms of the
    /// same tiles: a reader never sees a checkpoint without its entries, also when the process is
    /// killed in between.
    async fn publish(&self, side: Side, stream: &StreamId, head: Head, note: &str) -> Result<()> {
        let Some(paths) = &self.paths else { return Ok(()) };
        if !paths.ledger().join("log.vkey").exists() {
            write_files(paths.ledger(), vec![("log.vkey".to_owned(), format!("{}\n", self.log_key()).into_bytes())]).await?;
        }
        let dir = paths.ledger().join(stream.as_str());
        let published = self.state.lock().published.get(stream).copied();
        if published == Some(head.size)
            && self.state.sealed(stream).is_some_and(|(sealed, _)| sealed == head)
            && dir.join("checkpoint").exists()
        {
            return Ok(());
        }
        let from = published.unwrap_or(0).min(head.size);
        let mut bundle = from / WIDTH;
        while bundle * WIDTH < head.size {
            let start = bundle * WIDTH;
            let count = (head.size - start).min(BUNDLES_AT_ONCE * WIDTH);
            let entries = self.store(side).entries(stream, start, usize::try_from(count).unwrap_or(usize::MAX)).await?;
            let files: Vec<(String, Vec<u8>)> = entries
                .chunks(TILE_WIDTH)
                .zip(bundle..)
                .map(|(chunk, index)| (bundle_path(index, chunk.len()), encode_bundle(chunk.iter().map(|entry| entry.leaf.as_slice()))))
                .collect();
            write_files(dir.clone(), files).await?;
            bundle += BUNDLES_AT_ONCE;
        }
        self.publish_tiles(side, stream, from, head.size, &dir).await?;
        write_files(dir.clone(), vec![("checkpoint".to_owned(), note.as_bytes().to_vec())]).await?;
        drop_narrower(dir, from, head.size).await?;
        self.state.lock().published.insert(stream.clone(), head.size);
        Ok(())
    }

    async fn publish_tiles(&self, side: Side, stream: &StreamId, from: u64, size: u64, dir: &Path) -> Result<()> {
        let (mut old, mut new, mut level) = (from, size, 0u8);
        while new > 0 {
            let mut files = Vec::new();
            for index in old / WIDTH..=(new - 1) / WIDTH {
                let width = usize::try_from((new - index * WIDTH).min(WIDTH)).unwrap_or(TILE_WIDTH);
                let id = TileId { level, index };
                let hashes = self.store(side).tile(stream, id).await?.ok_or(Error::Integrity)?;
                files.push((tile_path(id, width), hashes.get(..width).ok_or(Error::Integrity)?.concat()));
            }
            write_files(dir.to_path_buf(), files).await?;
            (old, new, level) = (old / WIDTH, new / WIDTH, level.saturating_add(1));
        }
        Ok(())
    }

    /// Is it time again for what is done every [`PEER_HEADS_MS`]? Says so once.
    fn minute_is_over(&self, visit: &Visit) -> bool {
        let mut state = self.state.lock();
        let due = state.peers_at.is_none_or(|at| visit.now.since_ms(at) >= PEER_HEADS_MS);
        if due {
            state.peers_at = Some(visit.now);
        }
        due
    }

    /// Each own stream logs the heads of all others, so deleting or rolling back a whole stream
    /// shows. That makes every stream grow by one for each other, so only growth by more is logged.
    async fn exchange_heads(&self, visit: &Visit) -> Result<()> {
        let mut heads = Vec::new();
        for side in Side::BOTH {
            for stream in self.store(side).streams().await? {
                if let Some(head) = self.store(side).head(&stream).await? {
                    heads.push((stream, head));
                }
            }
        }
        let by_themselves = heads.len().saturating_sub(1) as u64;
        for side in Side::BOTH {
            let own = self.stream(side)?;
            for (stream, head) in heads.iter().filter(|(stream, _)| *stream != own) {
                let key = (own.clone(), stream.clone());
                let seen = self.state.lock().peers.get(&key).copied();
                if seen.is_some_and(|seen| head.size <= seen.saturating_add(by_themselves)) {
                    continue;
                }
                let ctx = self.job(visit, "keeper");
                let permit = self.permit(&ctx, Action::RunJob, Resource::Hospital).await?;
                let act = Act::by(self, side, &ctx, Class::PeerHeads)
                    .permit(&permit)
                    .detail("stream", stream.as_str())
                    .detail("size", head.size.to_string())
                    .detail("root", hex::encode(head.root));
                act.commit().await?;
                self.state.lock().peers.insert(key, head.size);
            }
        }
        Ok(())
    }

    /// At start: neither the newest published checkpoint, nor the stored one, nor what the other
    /// streams noted may know more than the store, or anything else.
    ///
    /// # Errors
    /// `Unavailable` naming both heads ("rollback or fork").
    pub async fn check_rollback(&self) -> Result<()> {
        for side in Side::BOTH {
            let mut streams = self.store(side).streams().await?;
            let own = self.stream(side)?;
            if !streams.contains(&own) {
                streams.push(own);
            }
            for stream in streams {
                self.check_stream_extends(side, &stream).await?;
            }
        }
        Ok(())
    }

    async fn check_stream_extends(&self, side: Side, stream: &StreamId) -> Result<()> {
        let published = self.known(stream, "published", self.published_note(stream)?)?;
        let stored = self.known(stream, "stored", self.store(side).checkpoint(stream).await?)?;
        for (place, known) in [("published", &published), ("stored", &stored)] {
            if let Some(known) = known {
                self.check_extends(side, stream, known.head, place).await?;
            }
        }
        for noted in Side::BOTH {
            if let Some(peer) = self.noted_in(noted, stream).await? {
                self.check_extends(side, stream, peer, "other stream's").await?;
            }
        }
        let size = |known: &Option<Checkpoint>| known.as_ref().map_or(0, |known| known.head.size);
        // The store keeps a checkpoint before it is published.
        if size(&published) > size(&stored) {
            return Err(Error::Unavailable(format!(
                "the {} store has lost its newest checkpoint, which counts {} entries: restore the newest backup, or keep this copy as evidence",
                side.name(),
                size(&published)
            )));
        }
        let mut state = self.state.lock();
        if published.is_some() {
            state.published.insert(stream.clone(), size(&published));
        }
        if let Some(known) = stored {
            let signed = (Monotonic::from(Some(known.head)), Moment(known.time_ms.unwrap_or(0)));
            state.signed.insert(stream.clone(), signed);
        }
        Ok(())
    }

    fn published_note(&self, stream: &StreamId) -> Result<Option<String>> {
        let Some(paths) = &self.paths else { return Ok(None) };
        let path = paths.ledger().join(stream.as_str()).join("checkpoint");
        match std::fs::read_to_string(&path) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::Unavailable(format!("{} cannot be read: {error}", path.display()))),
        }
    }

    fn known(&self, stream: &StreamId, place: &str, note: Option<String>) -> Result<Option<Checkpoint>> {
        let bad = |cause: String| Error::Unavailable(format!("the {place} checkpoint of {}: {cause}", stream.as_str()));
        let Some(note) = note else { return Ok(None) };
        let known = Checkpoint::verify(&note, &self.signer.verifying_key()).map_err(|error| bad(error.to_string()))?;
        if known.origin == self.origin(stream) { Ok(Some(known)) } else { Err(bad(format!("it belongs to {}", known.origin))) }
    }

    /// The newest head of `stream` that another stream's log in this store holds.
    async fn noted_in(&self, side: Side, stream: &StreamId) -> Result<Option<Head>> {
        let term = self.exact_term(side.name(), kinds::EVENT, "class", &(Class::PeerHeads as u16).to_be_bytes());
        let query = Find { kind: kinds::EVENT, all_of: vec![term], before: None, since: None, limit: NOTED_MAX };
        for event in self.store(side).find(&query).await? {
            let about = self.open_actor_part(side, &event)?.about;
            if let Some((_, head)) = about.as_ref().and_then(verify::peer).filter(|(name, _)| name == stream.as_str()) {
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    async fn check_extends(&self, side: Side, stream: &StreamId, known: Head, place: &str) -> Result<()> {
        let head = self.store(side).head(stream).await?.unwrap_or(Head { size: 0, root: [0; 32] });
        let extends = known.size <= head.size
            && check_consistency(&known, &head, &tiles::consistency(self.store(side).as_ref(), stream, known.size, head.size).await?);
        if extends {
            return Ok(());
        }
        Err(Error::Unavailable(format!(
            "rollback or fork of {}: the {place} checkpoint knows {} entries (root {}), the store holds {} (root {}). Restore the newest backup, or keep this copy as evidence and ask the privacy officer",
            stream.as_str(),
            known.size,
            hex::encode(known.root),
            head.size,
            hex::encode(head.root)
        )))
    }

    /// Signs and publishes a last time; later commits fail.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn shutdown(&self, visit: &Visit) -> Result<()> {
        for side in Side::BOTH {
            self.seal_and_publish(side, visit).await?;
        }
        for side in Side::BOTH {
            self.committer(side).shutdown().await;
        }
        Ok(())
    }
}

/// Of everything that grew since `from` entries, keeps only the widest form.
async fn drop_narrower(dir: PathBuf, from: u64, size: u64) -> Result<()> {
    // What was the last tile then is full now, or wider, or the same.
    let kept = last_paths(size);
    let grown: Vec<String> = last_paths(from).into_iter().filter(|file| !kept.contains(file)).collect();
    on_disk(move || {
        for file in kept.iter().chain(&grown).filter(|file| file.contains(".p/")) {
            let Some(narrower) = dir.join(file).parent().map(Path::to_path_buf).filter(|narrower| narrower.is_dir()) else { continue };
            for entry in std::fs::read_dir(&narrower)? {
                let entry = entry?.path();
                if !kept.iter().any(|kept| entry == dir.join(kept)) {
                    std::fs::remove_file(entry)?;
                }
            }
        }
        Ok(())
    })
    .await
}

/// Writes each file beside its place and renames it.
pub(crate) async fn write_files(dir: PathBuf, files: Vec<(String, Vec<u8>)>) -> Result<()> {
    on_disk(move || files.into_iter().try_for_each(|(path, bytes)| write_file(&dir.join(path), &bytes))).await
}

async fn on_disk(work: impl FnOnce() -> std::io::Result<()> + Send + 'static) -> Result<()> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Error::Unavailable(format!("the log cannot be published: {error}"))),
        Err(error) => Err(Error::Internal(error.to_string())),
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent)?;
    let beside = path.with_extension("new");
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(bytes)?;
    // Partial tiles are written anew at the next start. Whatever else a power cut empties stays
    // empty, and an empty checkpoint would refuse that start.
    if parent.extension().is_none_or(|extension| extension != "p") {
        file.sync_all()?;
    }
    std::fs::rename(&beside, path)
}
