//! A witness: one directory with its key, the logs that it knows, and the newest checkpoint that it cosigned
//! of each stream (C2SP tlog-witness v1.0.0). It holds nothing of the hospital's, and needs no hospital.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use wardkeep_domain::date::Moment;
use wardkeep_ledger::witness::{REQUEST_BYTES_MAX, Refused, Request, WitnessSigner};
use wardkeep_ledger::{Checkpoint, VerifyingKey};
use wardkeep_web::Clock;
use zeroize::Zeroizing;

use crate::house::SystemClock;
use crate::out::Failure;
use crate::outbound::secret;

/// Files of the directory.
const KEY: &str = "witness.key";
const LOGS: &str = "logs";
const SEEN: &str = "seen";
const ASIDE: &str = "aside";
const PART: &str = "part";
const LOCK: &str = "witness.lock";
/// A request that is not whole by then is let go.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// See the module. There is one for each directory at a time.
pub(crate) struct Witness {
    dir: PathBuf,
    signer: WitnessSigner,
    logs: Vec<VerifyingKey>,
    /// Held while one checkpoint is compared, signed and written down.
    one: Mutex<()>,
    _claim: File,
}

/// A checkpoint that was cosigned.
pub(crate) struct Seen {
    pub checkpoint: Checkpoint,
    pub cosigned: Moment,
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(7, format!("{}: {error}", path.display()))
}

/// Written whole, and on the disk, before it is there under its name. One at a time.
fn write(dir: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let part = dir.join(PART);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&part, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

impl Witness {
    /// Makes the directory of a new one.
    pub(crate) fn create(dir: &Path, name: &str, seed: &[u8; 32], logs: &[VerifyingKey]) -> Result<Self, Failure> {
        WitnessSigner::from_seed(name, seed).map_err(|error| Failure::new(3, format!("--name: {error}")))?;
        if dir.join(KEY).exists() {
            return Err(Failure::new(
                3,
                format!("there is a witness in {} already, and it is left alone: name another --data", dir.display()),
            ));
        }
        let made = || {
            for dir in [dir, &dir.join(SEEN), &dir.join(ASIDE)] {
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            }
            let known: String = logs.iter().map(|log| log.to_text() + "\n").collect();
            write(dir, &dir.join(LOGS), known.as_bytes())?;
            write(dir, &dir.join(KEY), Zeroizing::new(format!("{name} {}\n", *Zeroizing::new(hex::encode(seed)))).as_bytes())
        };
        made().map_err(|error| failed(dir, &error))?;
        Self::open(dir)
    }

    pub(crate) fn open(dir: &Path) -> Result<Self, Failure> {
        let file = dir.join(KEY);
        if !file.exists() {
            return Err(Failure::new(4, format!("there is no witness in {}: run “wardkeep witness init” first", dir.display())));
        }
        let claim = claim(&dir.join(LOCK))?;
        let text = secret(&file)?;
        let signer = text.split_once(' ').and_then(|(name, hex)| WitnessSigner::from_seed(name, &*seed(hex)?).ok());
        let signer =
            signer.ok_or_else(|| Failure::new(7, format!("{} is no key of a witness: put it back from a copy", file.display())))?;
        let logs = dir.join(LOGS);
        let known = std::fs::read_to_string(&logs).map_err(|error| failed(&logs, &error))?;
        let parse = |line: &str| {
            VerifyingKey::parse(line).map_err(|_| Failure::new(3, format!("{}: “{line}” is no public key of a log", logs.display())))
        };
        let logs = known.lines().map(str::trim).filter(|line| !line.is_empty()).map(parse).collect::<Result<_, _>>()?;
        Ok(Self { dir: dir.to_owned(), signer, logs, one: Mutex::new(()), _claim: claim })
    }

    /// Its public key.
    pub(crate) fn key(&self) -> String {
        self.signer.key().to_text()
    }

    pub(crate) fn logs(&self) -> &[VerifyingKey] {
        &self.logs
    }

    /// Where the newest checkpoint of an origin lies. Origins are no file names: `/` is written as `+`, which
    /// no name of a key and no stream contains.
    fn seen_in(&self, origin: &str) -> PathBuf {
        self.dir.join(SEEN).join(origin.replace('/', "+"))
    }

    fn read(&self, file: &Path) -> Result<Option<Seen>, Failure> {
        let note = match std::fs::read_to_string(file) {
            Ok(note) => note,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(file, &error)),
        };
        let damaged = || {
            Failure::new(
                7,
                format!(
                    "{} is not what this witness wrote for a log that it knows: compare it, and the file logs, with a copy",
                    file.display()
                ),
            )
        };
        let time_s = self.signer.key().verify(&note).map_err(|_| damaged())?;
        let checkpoint = self.logs.iter().find_map(|log| Checkpoint::verify(&note, log).ok()).ok_or_else(damaged)?;
        Ok(Some(Seen { checkpoint, cosigned: Moment(i64::try_from(time_s).unwrap_or(0).saturating_mul(1000)) }))
    }

    /// The newest checkpoints, by origin.
    pub(crate) fn seen(&self) -> Result<Vec<Seen>, Failure> {
        let dir = self.dir.join(SEEN);
        let mut seen = Vec::new();
        for entry in std::fs::read_dir(&dir).map_err(|error| failed(&dir, &error))? {
            let file = entry.map_err(|error| failed(&dir, &error))?.path();
            seen.extend(self.read(&file)?);
        }
        seen.sort_by(|one, other| one.checkpoint.origin.cmp(&other.checkpoint.origin));
        Ok(seen)
    }

    /// Lets go of what it knows of an origin, and keeps that aside: the next checkpoint may be any.
    pub(crate) fn forget(&self, origin: &str) -> Result<Seen, Failure> {
        let file = self.seen_in(origin);
        let fix = "“wardkeep witness list” names those that it knows";
        let seen = self.read(&file)?.ok_or_else(|| Failure::new(4, format!("nothing was cosigned for {origin}: {fix}")))?;
        let name = format!("{}.{}", origin.replace('/', "+"), SystemClock.now().0);
        let aside = self.dir.join(ASIDE).join(name);
        std::fs::rename(&file, &aside).map_err(|error| failed(&aside, &error))?;
        Ok(seen)
    }

    /// Compares, signs, writes down; then answers with the line.
    fn add(&self, body: &str, now: Moment) -> Result<String, Answer> {
        let request = Request::parse(body)?;
        let next = request.checkpoint(&self.logs)?;
        let file = self.seen_in(&next.origin);
        let _one = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.read(&file)?.map(|seen| seen.checkpoint.head);
        request.extends(last, &next.head)?;
        let broken = |error| Failure::new(7, format!("a cosignature cannot be made: {error}"));
        let line = self.signer.cosign(request.note, u64::try_from(now.0 / 1000).unwrap_or(0)).map_err(broken)?;
        let note = request.note.strip_suffix('\n').unwrap_or(request.note);
        write(&self.dir, &file, format!("{note}\n{line}").as_bytes()).map_err(|error| failed(&file, &error))?;
        Ok(line)
    }
}

/// Why there is no line.
enum Answer {
    Refused(Refused),
    Failed(Failure),
}

impl From<Refused> for Answer {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Answer::Refused(Refused::Conflict(size)) => {
                (StatusCode::CONFLICT, [(header::CONTENT_TYPE, "text/x.tlog.size")], format!("{size}\n")).into_response()
            }
            Answer::Refused(refused) => {
                let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::BAD_REQUEST);
                (status, format!("{refused}\n")).into_response()
            }
            Answer::Failed(failure) => {
                tracing::error!(cause = failure.message, "a checkpoint could not be cosigned");
                (StatusCode::INTERNAL_SERVER_ERROR, "this witness cannot work: its operator sees why\n").into_response()
            }
        }
    }
}

/// `POST /add-checkpoint`, and its own key for whoever comes by.
pub(crate) fn router(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/", get(async |State(witness): State<Arc<Witness>>| format!("{}\n", witness.key())))
        .with_state(witness)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Body) -> Response {
    let read = tokio::time::timeout(REQUEST_TIME, to_bytes(body, REQUEST_BYTES_MAX)).await;
    let body = read.ok().and_then(Result::ok).and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let Some(body) = body else { return Answer::Refused(Refused::Malformed("no text, too long, or too slow")).into_response() };
    let added = tokio::task::spawn_blocking(move || witness.add(&body, SystemClock.now())).await;
    match added {
        Ok(Ok(line)) => line.into_response(),
        Ok(Err(answer)) => answer.into_response(),
        Err(error) => Answer::Failed(Failure::new(1, error.to_string())).into_response(),
    }
}

fn claim(lock: &Path) -> Result<File, Failure> {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock);
    let file = opened.map_err(|error| failed(lock, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let fix = "another “wardkeep witness” works in this directory: end it first";
            Err(Failure::new(6, format!("{} is held: {fix}", lock.display())))
        }
        Err(TryLockError::Error(error)) => Err(failed(lock, &error)),
    }
}

fn seed(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text, seed.as_mut_slice()).ok()?;
    Some(seed)
}
