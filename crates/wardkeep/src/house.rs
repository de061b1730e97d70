//! Opening and making a hospital on disk: key file, two stores, clock, randomness.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use wardkeep_app::hospital::{Hospital, NODE, Parts, Paths};
use wardkeep_app::{App, Ctx, Entropy, Error, Visit};
use wardkeep_domain::date::Moment;
use wardkeep_store::{SqliteOptions, SqliteStore};
use wardkeep_vault::KeyFile;

use crate::out::Failure;

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
        self.app.shutdown(&self.visit()).await?;
        Ok(())
    }
}

fn missing(data: &Path) -> Failure {
    if data.is_file() {
        return Failure::new(4, format!("{} is a file: name the directory of a hospital with --data", data.display()));
    }
    Failure::new(4, format!("there is no hospital in {}: run “wardkeep init --data {}” first", data.display(), data.display()))
}

/// `init` was killed half-way: nothing of value is there, but nobody but a person removes a key.
fn unfinished(data: &Path) -> Failure {
    let paths = Paths::new(data);
    let (key, control, records) = (paths.root_key(), paths.control(), paths.records());
    let files = format!("{}, {} and {}", key.display(), control.display(), records.display());
    Failure::new(4, format!("making this hospital was cut off, and nothing is in it: remove {files}, then run “wardkeep init” again"))
}

/// Is there a hospital in this directory?
pub(crate) fn exists(data: &Path) -> bool {
    Paths::new(data).root_key().exists()
}

fn stores(paths: &Paths) -> Result<(Arc<SqliteStore>, Arc<SqliteStore>), Failure> {
    let control = SqliteStore::open(&paths.control(), SqliteOptions::default())?;
    let records = SqliteStore::open(&paths.records(), SqliteOptions::default())?;
    Ok((Arc::new(control), Arc::new(records)))
}

/// Opens the hospital for this process alone.
pub(crate) async fn open(data: &Path) -> Result<House, Failure> {
    let paths = Paths::new(data);
    if !exists(data) {
        return Err(if paths.control().exists() {
            Failure::new(7, format!("the key file {} is missing: put it back from where it is kept", paths.root_key().display()))
        } else {
            missing(data)
        });
    }
    let provider = KeyFile::open(&paths.root_key())?;
    let (control, records) = stores(&paths)?;
    let entropy = entropy()?;
    let parts = Parts { control, records, provider: Box::new(provider), paths: Some(paths), node: NODE.to_owned() };
    match App::open(parts, &visit(&entropy)).await {
        Ok(app) => Ok(House { app, entropy }),
        Err(Error::Refused(_)) => Err(unfinished(data)),
        Err(error) => Err(error.into()),
    }
}

/// Makes a hospital in a new or empty directory. A failure leaves nothing behind.
pub(crate) async fn create(data: &Path, name: &str, demo: bool) -> Result<House, Failure> {
    let paths = Paths::new(data);
    for taken in [paths.root_key(), paths.control(), paths.records()] {
        if taken.exists() {
            let words = "there is a hospital here already, and it is left alone: name another --data";
            return Err(Failure::new(3, format!("{} exists: {words}", taken.display())));
        }
    }
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.map_err(|error| Failure::new(7, format!("{} cannot be made: {error}; check owner and permissions", data.display())))?;
    match create_in(&paths, name, demo).await {
        Ok(house) => Ok(house),
        Err(failure) => {
            for file in [paths.root_key(), paths.control(), paths.records()] {
                for suffix in ["", "-wal", "-shm", ".lock"] {
                    let mut name = file.clone().into_os_string();
                    name.push(suffix);
                    let _ = std::fs::remove_file(name);
                }
            }
            Err(failure)
        }
    }
}

async fn create_in(paths: &Paths, name: &str, demo: bool) -> Result<House, Failure> {
    let entropy = entropy()?;
    let provider = KeyFile::create(&paths.root_key(), &mut |buffer| entropy.fill(buffer))?;
    let (control, records) = stores(paths)?;
    let id = entropy.bytes::<8>().iter().fold(String::new(), |id, byte| format!("{id}{byte:02x}"));
    let hospital = Hospital { name: name.to_owned(), id, registration_open: true, demo };
    let parts = Parts { control, records, provider: Box::new(provider), paths: Some(paths.clone()), node: NODE.to_owned() };
    let app = App::create(parts, hospital, &visit(&entropy)).await?;
    let house = House { app, entropy };
    house.app.tick(&house.visit()).await?;
    Ok(house)
}
