//! A hospital: two stores, their committers, the vault, the policy. Made once, opened many times.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wardkeep_ledger::{Class, StreamId};
use wardkeep_policy::{Action, Policy, Resource};
use wardkeep_store::{Committer, DocId, Document, Owner, Store, Writer, transfer};
use wardkeep_vault::{KeyProvider, Purpose, Vault};

use crate::act::{Act, Side, Who};
use crate::envelope::Envelope;
use crate::keys::KeyCache;
use crate::policies::Site;
use crate::witnesses::Witness;
use crate::{Error, Result, Visit, kinds};

/// Settings that live in the control store.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Hospital {
    /// Shown under the product's name, for example "Northgate General Hospital".
    pub name: String,
    /// Random id, part of the log's origin line.
    pub id: String,
    /// May patients open accounts at `/register`?
    pub registration_open: bool,
    /// A throw-away hospital made by `wardkeep demo`.
    pub demo: bool,
}

/// Where things lie on disk; `None` for a hospital in memory.
#[derive(Clone, Debug)]
pub struct Paths {
    pub data: PathBuf,
}

impl Paths {
    #[must_use]
    pub fn new(data: &Path) -> Self {
        Self { data: data.to_path_buf() }
    }
    #[must_use]
    pub fn root_key(&self) -> PathBuf {
        self.data.join("root.key")
    }
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.data.join("control.db")
    }
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.data.join("records.db")
    }
    /// Published log: `<stream>/checkpoint`, tiles, entries, and `log.vkey`.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.data.join("ledger")
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("App")
    }
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Not for callers: fields are for this crate.
pub struct Inner {
    pub(crate) control: Arc<dyn Store>,
    pub(crate) records: Arc<dyn Store>,
    control_committer: Committer,
    records_committer: Committer,
    pub(crate) vault: Vault,
    /// Id of the root key that this process was opened with.
    pub(crate) root_id: String,
    pub(crate) policy: Policy,
    pub(crate) site: Site,
    pub(crate) keys: KeyCache,
    pub(crate) hospital: Hospital,
    pub(crate) paths: Option<Paths>,
    node: String,
    pub(crate) signer: wardkeep_ledger::Signer,
    pub(crate) state: crate::keeper::State,
    pub(crate) hashing: crate::sign_in::Hashing,
    pub(crate) stroke: crate::stroke::projection::Projection,
    pub(crate) checked: crate::integrity::Checked,
    pub(crate) pace: crate::pace::Pace,
    /// See [`App::set_idle_ms`].
    pub(crate) idle_ms: std::sync::atomic::AtomicI64,
    /// See [`App::expect_backups`]; 0 is never.
    pub(crate) backup_hours: std::sync::atomic::AtomicU32,
    /// See [`App::expect_witnesses`].
    pub(crate) witnesses: std::sync::OnceLock<Vec<Witness>>,
}

/// The parts that the composition root brings.
pub struct Parts {
    pub control: Arc<dyn Store>,
    pub records: Arc<dyn Store>,
    pub provider: Box<dyn KeyProvider>,
    pub paths: Option<Paths>,
    /// Names this process among those that share the stores; part of its streams' names.
    pub node: String,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parts")
    }
}

const ZERO: DocId = DocId([0; 16]);
/// The node of a hospital on one machine.
pub const NODE: &str = "main";

fn stream(side: Side, node: &str) -> Result<StreamId> {
    let name = format!("{}.{node}", side.name());
    StreamId::parse(&name).map_err(|error| Error::Refused(format!("{node} cannot be the name of a node: {error}")))
}

/// What the root key opens first.
pub(crate) struct Unlocked {
    vault: Vault,
    pub(crate) hospital: Hospital,
    /// Of the log's signing key.
    seed: [u8; 32],
}

pub(crate) async fn unlock(control: &dyn Store, provider: &dyn KeyProvider) -> Result<Unlocked> {
    let incomplete = || Error::Unavailable("the control store is incomplete: restore it from a backup".to_owned());
    let started = !control.streams().await?.is_empty();
    let vault = crate::root_key::unlock(control, provider).await?.ok_or_else(|| {
        if started { incomplete() } else { Error::Refused("there is no hospital here yet: run `wardkeep init` first".to_owned()) }
    })?;
    let context = |document: &Document| crate::envelope::context(kinds::CONTROL, document.kind, document.id, document.version.0);
    let hospital = control.get(kinds::HOSPITAL, ZERO).await?.ok_or_else(incomplete)?;
    let signing = control.get(kinds::SIGNING_KEY, ZERO).await?.ok_or_else(incomplete)?;
    let hospital = vault.open_own(Purpose::Staff, &context(&hospital), &hospital.sealed)?;
    let seed = vault.open_own(Purpose::Signing, &context(&signing), &signing.sealed)?;
    let hospital: Envelope<Hospital> = serde_json::from_slice(&hospital).map_err(|_| Error::Integrity)?;
    let seed: Envelope<[u8; 32]> = serde_json::from_slice(&seed).map_err(|_| Error::Integrity)?;
    Ok(Unlocked { vault, hospital: hospital.body, seed: seed.body })
}

impl App {
    /// Makes a new hospital in two empty stores: store key, signing key, settings, first events.
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Refused`] when the stores hold a hospital already.
    pub async fn create(parts: Parts, hospital: Hospital, visit: &Visit) -> Result<App> {
        for (store, name) in [(&parts.control, kinds::CONTROL), (&parts.records, kinds::RECORDS)] {
            if !store.streams().await?.is_empty() || transfer::unfinished(store.as_ref()).await? {
                return Err(Error::Refused(format!("the {name} store holds a hospital already, and it is left alone")));
            }
        }
        let random = &mut |buffer: &mut [u8]| visit.entropy.fill(buffer);
        let (vault, wrapped) = Vault::create(parts.provider.as_ref(), random).map_err(|error| Error::Unavailable(error.to_string()))?;
        let seed = visit.entropy.bytes::<32>();
        let app = Self::assemble(parts, vault, hospital.clone(), &seed, Site::default(), visit)?;
        app.open_streams(visit).await?;
        let mut act = Act::new(&app, Side::Control, visit, setup(visit), Class::HospitalCreated).detail("name", hospital.name.clone());
        act.put_sealed(kinds::STORE_KEY, ZERO, Owner::NONE, 1, wrapped, Vec::new(), Vec::new());
        act.put_own(Purpose::Signing, kinds::SIGNING_KEY, ZERO, 1, &seed, Vec::new(), Vec::new())?;
        act.put_own(Purpose::Staff, kinds::HOSPITAL, ZERO, 1, &hospital, Vec::new(), Vec::new())?;
        act.commit().await?;
        Ok(app)
    }

    /// Opens an existing hospital. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is none, [`Error::Unavailable`] when the key does not fit, when
    /// the stores are older than the log knows, or when they were changed from outside.
    pub async fn open(parts: Parts, visit: &Visit) -> Result<App> {
        Self::open_with(parts, Site::default(), visit).await
    }

    /// The same, under the hospital's own policies as well.
    ///
    /// # Errors
    /// As [`App::open`]; [`Error::Refused`] when a policy file is bad.
    pub async fn open_with(parts: Parts, site: Site, visit: &Visit) -> Result<App> {
        Self::open_witnessed(parts, site, Vec::new(), visit).await
    }

    /// The same, after these witnesses were asked.
    ///
    /// # Errors
    /// As [`App::open_with`]; [`Error::Unavailable`] when one knows another log than the stores hold.
    pub async fn open_witnessed(parts: Parts, site: Site, witnesses: Vec<Witness>, visit: &Visit) -> Result<App> {
        let changed = "the settings, the signing key or the newest log entries do not match their seal: the control store was changed \
                       from outside. Restore the newest backup, and keep this copy as evidence";
        Self::open_sealed(parts, site, witnesses, visit).await.map_err(|error| match error {
            Error::Integrity => Error::Unavailable(changed.to_owned()),
            error => error,
        })
    }

    async fn open_sealed(parts: Parts, site: Site, witnesses: Vec<Witness>, visit: &Visit) -> Result<App> {
        for (store, name) in [(&parts.control, kinds::CONTROL), (&parts.records, kinds::RECORDS)] {
            if transfer::unfinished(store.as_ref()).await? {
                let fix = "run “wardkeep store copy” again until it ends";
                return Err(Error::Unavailable(format!("the {name} store is a copy that was cut off: {fix}")));
            }
        }
        let Unlocked { vault, hospital, seed } = unlock(parts.control.as_ref(), parts.provider.as_ref()).await?;
        let app = Self::assemble(parts, vault, hospital, &seed, site, visit)?;
        app.check_rollback().await?;
        if !witnesses.is_empty() {
            app.expect_witnesses(witnesses);
            app.ask_witnesses().await?;
        }
        app.sweep().await?;
        app.open_streams(visit).await?;
        app.note_site(visit).await?;
        Ok(app)
    }

    /// Drops what uploads left behind that a crash cut off.
    async fn sweep(&self) -> Result<()> {
        let swept = self.records.blob_sweep().await?;
        if swept > 0 {
            tracing::info!(swept, "dropped files whose upload had not ended");
        }
        Ok(())
    }

    fn assemble(parts: Parts, vault: Vault, hospital: Hospital, seed: &[u8; 32], site: Site, visit: &Visit) -> Result<App> {
        let boot = visit.entropy.bytes::<16>();
        let committer = |store: &Arc<dyn Store>, side| {
            Ok::<_, Error>(Committer::start(store.clone(), Writer { stream: stream(side, &parts.node)?, boot }))
        };
        let signer = wardkeep_ledger::Signer::from_seed(&format!("wardkeep/{}", hospital.id), seed)
            .map_err(|error| Error::Internal(error.to_string()))?;
        let policy = Policy::with_site(&site.files).map_err(|error| Error::Refused(error.to_string()))?;
        Ok(App(Arc::new(Inner {
            control_committer: committer(&parts.control, Side::Control)?,
            records_committer: committer(&parts.records, Side::Records)?,
            control: parts.control,
            records: parts.records,
            vault,
            root_id: parts.provider.key_id(),
            policy,
            site,
            keys: KeyCache::default(),
            hospital,
            paths: parts.paths,
            node: parts.node,
            signer,
            state: crate::keeper::State::default(),
            hashing: crate::sign_in::Hashing::new(),
            stroke: crate::stroke::projection::Projection::default(),
            checked: crate::integrity::Checked::default(),
            pace: crate::pace::Pace::default(),
            idle_ms: std::sync::atomic::AtomicI64::new(wardkeep_domain::account::session::IDLE_MS),
            backup_hours: std::sync::atomic::AtomicU32::new(0),
            witnesses: std::sync::OnceLock::new(),
        })))
    }

    /// Opening a stream is its first event; later starts log a new boot the same way.
    async fn open_streams(&self, visit: &Visit) -> Result<()> {
        for side in Side::BOTH {
            Act::new(self, side, visit, setup(visit), Class::StreamOpened).detail("stream", self.stream(side)?.as_str()).commit().await?;
        }
        Ok(())
    }

    /// Both stores can be read and have the schema that this program knows, this process still
    /// writes its streams, and their heads are not behind what was sealed.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn ready(&self) -> Result<()> {
        for side in Side::BOTH {
            self.store(side).health().await?;
            self.committer(side).sound()?;
            let stream = self.stream(side)?;
            let head = self.store(side).head(&stream).await?.map_or(0, |head| head.size);
            if self.state.sealed(&stream).is_some_and(|(sealed, _)| sealed.size > head) {
                return Err(Error::Unavailable(format!("the log {} holds less than was sealed: it was rolled back", stream.as_str())));
            }
        }
        Ok(())
    }
    /// Logs that a store was copied to another place and is used from there. Names no credential.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    pub async fn store_moved(&self, ctx: &crate::Ctx, from: &str, to: &str) -> Result<()> {
        let permit = self.permit(ctx, Action::RunVerification, Resource::Hospital).await?;
        for side in Side::BOTH {
            let act = Act::by(self, side, ctx, Class::ConfigurationChanged).permit(&permit);
            act.detail("store moved from", from).detail("to", to).commit().await?;
        }
        Ok(())
    }
    #[must_use]
    pub fn hospital(&self) -> &Hospital {
        &self.hospital
    }
    /// The log's public key as C2SP vkey text.
    #[must_use]
    pub fn log_key(&self) -> String {
        self.signer.verifying_key().to_text()
    }
}

impl Inner {
    pub(crate) fn committer(&self, side: Side) -> &Committer {
        match side {
            Side::Control => &self.control_committer,
            Side::Records => &self.records_committer,
        }
    }
    pub(crate) fn store(&self, side: Side) -> &Arc<dyn Store> {
        match side {
            Side::Control => &self.control,
            Side::Records => &self.records,
        }
    }
    /// The stream this process writes on a side.
    pub(crate) fn stream(&self, side: Side) -> Result<StreamId> {
        stream(side, &self.node)
    }
}

pub(crate) fn setup(visit: &Visit) -> Who {
    Who { kind: "job".to_owned(), id: "start".to_owned(), name: "Wardkeep".to_owned(), ..Who::visitor(visit) }
}
