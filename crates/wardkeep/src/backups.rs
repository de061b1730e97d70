//! Backups by this process: where they go, the views of the stores that they are made of, the
//! server's schedule, and the mark of a restore that is not finished.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wardkeep_app::backups::{Noted, hospital_in};
use wardkeep_app::{App, Entropy, kinds};
use wardkeep_backup::bucket::{self, Bucket};
use wardkeep_backup::{Made, Manifest, Order, Target, make, window};
use wardkeep_domain::date::Moment;
use wardkeep_store::transfer::Progress;
use wardkeep_store::{MongoStore, Seq, SqliteStore, Store};
use wardkeep_vault::{KeyFile, KeyProvider};
use wardkeep_web::Clock;

use crate::home::{Address, Backup, Home, S3};
use crate::house::{self, SystemClock};
use crate::out::Failure;
use crate::outbound::{self, Storing};

/// How often the server looks whether something is to be done.
const LOOK: Duration = Duration::from_secs(60);
/// How long it waits after a failure.
const AGAIN: Duration = Duration::from_secs(15 * 60);
/// Views are taken again until they belong together; they nearly always do.
const VIEWS: usize = 10;

/// Where backups lie that this text names; a bucket is reached as the settings say.
pub(crate) fn target(home: &Home, named: &str) -> Result<Target, Failure> {
    match named.split_once("://") {
        None => Ok(Target::directory(Path::new(named))?),
        Some(("s3", place)) => {
            let missing = "name the store with --s3-region, --s3-key-id and --s3-secret-file of “wardkeep backup setup”, or in [backup.s3] of wardkeep.toml";
            let s3 = home.backup.as_ref().and_then(|backup| backup.s3.as_ref()).ok_or_else(|| Failure::new(3, missing))?;
            bucket(home, s3, place)
        }
        Some((scheme, _)) => Err(Failure::new(2, format!("{scheme}:// is no place for backups: name a directory, or s3://bucket/prefix"))),
    }
}

fn bucket(home: &Home, s3: &S3, place: &str) -> Result<Target, Failure> {
    let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
    let bucket = Bucket {
        name: name.to_owned(),
        prefix: prefix.trim_matches('/').to_owned(),
        endpoint: s3.endpoint.clone(),
        region: s3.region.clone(),
        access_key_id: s3.access_key_id.clone(),
        secret_access_key: outbound::secret(&home.data.join(&s3.secret_access_key_file))?.as_str().to_owned(),
    };
    let ca = s3.ca_file.as_ref().map(|file| home.data.join(file));
    Ok(bucket::open(&bucket, Storing(outbound::client(ca.as_deref())?))?)
}

pub(crate) fn settings(home: &Home) -> Result<&Backup, Failure> {
    let missing = || Failure::new(3, format!("no backups are set up for {}: run “wardkeep backup setup” first", home.data.display()));
    home.backup.as_ref().ok_or_else(missing)
}

pub(crate) fn noted(manifest: &Manifest, digest: &str) -> Noted {
    Noted { id: manifest.id.clone(), made_at: Moment(manifest.made_at), digest: digest.to_owned() }
}

async fn view(address: &Address) -> Result<Arc<dyn Store>, Failure> {
    Ok(match address {
        Address::File(path) => Arc::new(SqliteStore::open_snapshot(path)?),
        Address::Mongo(address) => Arc::new(MongoStore::open_snapshot(address).await?),
    })
}

/// Views of control and records that belong together.
async fn views(home: &Home) -> Result<[Arc<dyn Store>; 2], Failure> {
    for _ in 0..VIEWS {
        let before = make::heads(view(&home.control).await?.as_ref()).await?;
        let records = view(&home.records).await?;
        let control = view(&home.control).await?;
        if make::together(&before, control.as_ref()).await? {
            return Ok([control, records]);
        }
    }
    Err(Failure::new(7, "the two stores changed too quickly for a backup: try again"))
}

/// Makes a backup, whether or not a server runs.
pub(crate) async fn create(home: &Home, entropy: &Entropy, progress: &Progress<'_>) -> Result<(Target, Made), Failure> {
    let settings = settings(home)?;
    let target = target(home, &settings.target)?;
    let recipient = window::recipient(&settings.recipient)?;
    let provider = KeyFile::open(&home.paths().root_key())?;
    let [control, records] = views(home).await?;
    let order = Order {
        hospital: hospital_in(control.as_ref(), &provider).await?.id,
        control: control.as_ref(),
        records: records.as_ref(),
        keys: kinds::PATIENT_KEY,
        root_key: provider.key_id(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        recipient,
        now_ms: SystemClock.now().0,
        random: entropy.bytes(),
    };
    let made = target.create(&order, progress).await?;
    Ok((target, made))
}

/// The server's part: erasures are written down where the backups are, due backups are made, and each
/// that is there gets into the log.
pub(crate) async fn keep(home: Home, app: App, entropy: Entropy) {
    let Some(settings) = home.backup.clone() else { return };
    let mut erased = Seq(0);
    loop {
        let looked = look(&home, &settings, &app, &entropy, &mut erased).await;
        if let Err(failure) = &looked {
            tracing::error!(cause = failure.message, "backups are not kept; trying again in 15 minutes");
        }
        tokio::time::sleep(if looked.is_ok() { LOOK } else { AGAIN }).await;
    }
}

async fn look(home: &Home, settings: &Backup, app: &App, entropy: &Entropy, erased: &mut Seq) -> Result<(), Failure> {
    let target = target(home, &settings.target)?;
    loop {
        let (patients, next) = app.erased_since(*erased).await?;
        target.mark_erased(&patients.iter().map(|patient| patient.bytes()).collect::<Vec<_>>()).await?;
        if next == *erased {
            break;
        }
        *erased = next;
    }
    let newest = target.newest().await?;
    if let Some((manifest, digest)) = &newest {
        app.note_backup(&house::visit(entropy), &noted(manifest, digest)).await?;
    }
    let now = SystemClock.now();
    if app.backup_is_due(newest.map(|(manifest, _)| Moment(manifest.made_at)), now) {
        let (target, made) = create(home, entropy, &|_, _| {}).await?;
        app.note_backup(&house::visit(entropy), &noted(&made.manifest, &made.digest)).await?;
        target.tidy(now.0, settings.keep_months).await?;
    }
    Ok(())
}

/// Stands in the data directory while a restore is not finished; holds the backup's id.
fn mark(home: &Home) -> PathBuf {
    home.data.join("restore.unfinished")
}

/// The backup that is being brought back here.
pub(crate) fn restoring(home: &Home) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(mark(home)) {
        Ok(id) => Ok(Some(id.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::new(7, format!("{} cannot be read: {error}", mark(home).display()))),
    }
}

pub(crate) fn begin_restore(home: &Home, id: &str) -> Result<(), Failure> {
    let written = std::fs::File::create(mark(home)).and_then(|mut file| {
        file.write_all(id.as_bytes())?;
        file.sync_all()?;
        std::fs::File::open(&home.data)?.sync_all()
    });
    written.map_err(|error| Failure::new(7, format!("{} cannot be written: {error}", mark(home).display())))
}

pub(crate) fn end_restore(home: &Home) -> Result<(), Failure> {
    std::fs::remove_file(mark(home)).map_err(|error| Failure::new(7, format!("{} cannot be removed: {error}", mark(home).display())))
}
