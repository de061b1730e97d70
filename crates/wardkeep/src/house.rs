//! Opening and making a hospital on disk: key file, two stores, clock, randomness.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use wardkeep_app::hospital::{Hospital, Parts};
use wardkeep_app::{App, Ctx, Entropy, Error, Visit};
use wardkeep_domain::date::Moment;
use wardkeep_store::mongo::Claim;
use wardkeep_store::{MongoStore, Receive, SqliteOptions, SqliteStore, Store, transfer};
use wardkeep_vault::{KeyFile, KeyProvider};

use crate::backups;
use crate::home::{Address, Home};
use crate::out::Failure;
use crate::policies;
use crate::witnesses;

/// Wall time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock;

impl wardkeep_web::Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the composition root reads the clock")]
    fn now(&self) -> Moment {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Randomness seeded by the operating system.
#[expect(clippy::disallowed_methods, reason = "the composition root draws randomness")]
pub(crate) fn entropy() -> Result<Entropy, Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Failure::new(1, format!("the system gives no randomness: {error}")))?;
    Ok(Entropy::new(ChaCha20Rng::from_seed(seed)))
}

/// What the command line knows of a request: now, from here.
pub(crate) fn visit(entropy: &Entropy) -> Visit {
    use wardkeep_web::Clock;
    Visit {
        now: SystemClock.now(),
        entropy: entropy.clone(),
        request: entropy.bytes(),
        address: "local".to_owned(),
        device: "Command line".to_owned(),
    }
}

/// An open hospital with what a command needs.
pub(crate) struct House {
    pub app: App,
    pub entropy: Entropy,
    claims: Vec<Claim>,
}

impl House {
    pub(crate) fn visit(&self) -> Visit {
        visit(&self.entropy)
    }
    /// Whoever holds the data directory and its key.
    pub(crate) fn operator(&self) -> Ctx {
        self.app.operator(self.visit())
    }
    /// Signs and publishes what is new, then lets go of the stores.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        let ended = self.app.shutdown(&self.visit()).await;
        release(self.claims).await;
        Ok(ended?)
    }
}

fn missing(data: &Path) -> Failure {
    if data.is_file() {
        return Failure::new(4, format!("{} is a file: name the directory of a hospital with --data", data.display()));
    }
    Failure::new(4, format!("there is no hospital in {}: run “wardkeep init --data {}” first", data.display(), data.display()))
}

/// `init` was killed half-way: nothing of value is there, but nobody but a person removes a key.
fn unfinished(home: &Home) -> Failure {
    let files = format!("{}, {} and {}", home.paths().root_key().display(), home.control.shown(), home.records.shown());
    Failure::new(4, format!("making this hospital was cut off, and nothing is in it: remove {files}, then run “wardkeep init” again"))
}

/// Id of the root key in this directory.
pub(crate) fn root_key_id(home: &Home) -> Result<String, Failure> {
    Ok(KeyFile::open(&home.paths().root_key())?.key_id())
}

/// Both stores, as use cases write them and as a restore fills them, and the claims of this node on those
/// that others may share.
pub(crate) struct Stores {
    pub control: Arc<dyn Store>,
    pub records: Arc<dyn Store>,
    /// The same, control first.
    pub filled: [Arc<dyn Receive>; 2],
    claims: Vec<Claim>,
}

impl Stores {
    pub(crate) async fn open(home: &Home, entropy: &Entropy) -> Result<Self, Failure> {
        let mut claims = Vec::new();
        let opened = async {
            let control = open_store(&home.control, &home.node, entropy, &mut claims).await?;
            let records = open_store(&home.records, &home.node, entropy, &mut claims).await?;
            Ok::<_, Failure>((control, records))
        };
        match opened.await {
            Ok(((control, to_control), (records, to_records))) => Ok(Self { control, records, filled: [to_control, to_records], claims }),
            Err(failure) => {
                release(claims).await;
                Err(failure)
            }
        }
    }

    /// Neither holds a hospital, nor a part of one.
    pub(crate) async fn are_empty(&self) -> Result<bool, Failure> {
        for store in [&self.control, &self.records] {
            if !store.streams().await?.is_empty() || transfer::unfinished(store.as_ref()).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) async fn close(self) {
        release(self.claims).await;
    }
}

type Opened = (Arc<dyn Store>, Arc<dyn Receive>);

async fn open_store(address: &Address, node: &str, entropy: &Entropy, claims: &mut Vec<Claim>) -> Result<Opened, Failure> {
    Ok(match address {
        Address::File(path) => {
            let store = Arc::new(SqliteStore::open(path, SqliteOptions::default())?);
            (store.clone(), store)
        }
        Address::Mongo(address) => {
            let store = Arc::new(MongoStore::open(address, node).await?);
            claims.push(store.claim(entropy.bytes()).await?);
            (store.clone(), store)
        }
    })
}

async fn release(claims: Vec<Claim>) {
    for claim in claims {
        claim.release().await;
    }
}

/// Opens the hospital for this process: alone, or as one of its nodes.
pub(crate) async fn open(home: &Home) -> Result<House, Failure> {
    may_open(home)?;
    open_as_it_is(home).await
}

/// The same to serve it: witnesses are asked before anything is written.
pub(crate) async fn open_to_serve(home: &Home) -> Result<House, Failure> {
    may_open(home)?;
    open_asking(home, true).await
}

fn may_open(home: &Home) -> Result<(), Failure> {
    let paths = home.paths();
    if !home.exists() {
        return Err(if paths.control().exists() {
            Failure::new(7, format!("the key file {} is missing: put it back from where it is kept", paths.root_key().display()))
        } else if matches!((&home.control, &home.records), (Address::File(_), Address::File(_))) {
            missing(&home.data)
        } else {
            let fix = "run “wardkeep init” for a new hospital; for another node of one that exists, copy root.key from its first machine";
            Failure::new(4, format!("there is no key file {}: {fix}", paths.root_key().display()))
        });
    }
    if let Some(id) = backups::restoring(home)? {
        let fix = format!("run “wardkeep backup restore {id}” again until it ends");
        return Err(Failure::new(7, format!("bringing backup {id} back into {} was cut off: {fix}", home.data.display())));
    }
    Ok(())
}

/// The same while a restore is not finished: to finish it.
pub(crate) async fn open_as_it_is(home: &Home) -> Result<House, Failure> {
    open_asking(home, false).await
}

async fn open_asking(home: &Home, ask: bool) -> Result<House, Failure> {
    let paths = home.paths();
    let site = policies::own(home.policies.as_deref())?;
    let witnesses = witnesses::of(home)?;
    let provider = KeyFile::open(&paths.root_key())?;
    let entropy = entropy()?;
    let Stores { control, records, claims, .. } = Stores::open(home, &entropy).await?;
    let parts = Parts { control, records, provider: Box::new(provider), paths: Some(paths), node: home.node.clone() };
    let (asked, known) = if ask { (witnesses, Vec::new()) } else { (Vec::new(), witnesses) };
    match App::open_witnessed(parts, site, asked, &visit(&entropy)).await {
        Ok(app) => {
            app.expect_witnesses(known);
            app.expect_backups(home.backup.as_ref().map(|backup| backup.every_hours));
            Ok(House { app, entropy, claims })
        }
        Err(error) => {
            release(claims).await;
            Err(if matches!(error, Error::Refused(_)) { unfinished(home) } else { error.into() })
        }
    }
}

/// Makes a hospital in a new or empty directory. A failure leaves nothing behind there.
pub(crate) async fn create(home: &Home, name: &str, demo: bool) -> Result<House, Failure> {
    let files = files(home);
    for taken in &files {
        if taken.exists() {
            let words = "there is a hospital here already, and it is left alone: name another --data";
            return Err(Failure::new(3, format!("{} exists: {words}", taken.display())));
        }
    }
    let data = &home.data;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.map_err(|error| Failure::new(7, format!("{} cannot be made: {error}; check owner and permissions", data.display())))?;
    let house = match create_in(home, name, demo).await {
        Ok(house) => home.keep().map(|()| house),
        Err(failure) => Err(failure),
    };
    if house.is_err() {
        for file in files {
            for suffix in ["", "-wal", "-shm", ".lock"] {
                let mut name = file.clone().into_os_string();
                name.push(suffix);
                let _ = std::fs::remove_file(name);
            }
        }
    }
    house
}

/// The key file and the stores that are files.
fn files(home: &Home) -> Vec<PathBuf> {
    let mut files = vec![home.paths().root_key()];
    for store in [&home.control, &home.records] {
        if let Address::File(path) = store {
            files.push(path.clone());
        }
    }
    files
}

async fn create_in(home: &Home, name: &str, demo: bool) -> Result<House, Failure> {
    let entropy = entropy()?;
    let paths = home.paths();
    let provider = KeyFile::create(&paths.root_key(), &mut |buffer| entropy.fill(buffer))?;
    let Stores { control, records, claims, .. } = Stores::open(home, &entropy).await?;
    let id = entropy.bytes::<8>().iter().fold(String::new(), |id, byte| format!("{id}{byte:02x}"));
    let hospital = Hospital { name: name.to_owned(), id, registration_open: true, demo };
    let parts = Parts { control, records, provider: Box::new(provider), paths: Some(paths), node: home.node.clone() };
    let house = match App::create(parts, hospital, &visit(&entropy)).await {
        Ok(app) => House { app, entropy, claims },
        Err(error) => {
            release(claims).await;
            return Err(match error {
                Error::Refused(words) => {
                    Failure::new(3, format!("{words}: name others than {} and {}", home.control.shown(), home.records.shown()))
                }
                error => error.into(),
            });
        }
    };
    house.app.tick(&house.visit()).await?;
    Ok(house)
}
