//! What the driver's errors mean to whoever runs the program. Every text names the place and the
//! fix; none carries a credential or data of the store.

use mongodb::error::{Error as Driver, ErrorKind, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure};

use crate::contract::StoreError;

/// Why something inside the engine failed, before it is put into words.
#[derive(Debug)]
pub(crate) enum Fail {
    Driver(Driver),
    Store(StoreError),
    /// The server gave no answer in time.
    Slow,
}

impl From<Driver> for Fail {
    fn from(error: Driver) -> Self {
        Self::Driver(error)
    }
}

impl From<StoreError> for Fail {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Codes of the server (`src/mongo/base/error_codes.yml`).
const UNAUTHORIZED: i32 = 13;
const AUTHENTICATION_FAILED: i32 = 18;
const OUT_OF_DISK_SPACE: i32 = 14_031;
const NAMESPACE_EXISTS: i32 = 48;
const TOO_LARGE_FOR_CACHE: i32 = 388;
const SNAPSHOT_TOO_OLD: i32 = 239;
const SNAPSHOT_GONE: i32 = 246;
const DUPLICATE_KEY: i32 = 11_000;
const WRITE_CONFLICT: i32 = 112;

impl Fail {
    /// Nothing was applied, and trying the whole transaction again may work.
    pub(crate) fn transient(&self) -> bool {
        match self {
            Self::Driver(error) => error.contains_label(TRANSIENT_TRANSACTION_ERROR) || out_of_reach(error) || self.is_conflict(),
            Self::Slow => true,
            Self::Store(_) => false,
        }
    }

    /// Another node's transaction holds a row that this one wants.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Driver(error) if code(error) == Some(WRITE_CONFLICT))
    }

    /// The commit may or may not have been applied.
    pub(crate) fn unknown(&self) -> bool {
        match self {
            Self::Driver(error) => error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) || out_of_reach(error),
            Self::Slow => true,
            Self::Store(_) => false,
        }
    }

    pub(crate) fn is_there_already(&self) -> bool {
        matches!(self, Self::Driver(error) if code(error) == Some(NAMESPACE_EXISTS))
    }

    pub(crate) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Driver(error) if code(error) == Some(DUPLICATE_KEY))
    }

    pub(crate) fn at(self, place: &str, doing: &'static str) -> StoreError {
        let place = place.to_owned();
        let error = match self {
            Self::Store(error) => return error,
            Self::Slow => return StoreError::Unreachable { place, cause: "no answer in time".to_owned() },
            Self::Driver(error) => error,
        };
        match &*error.kind {
            ErrorKind::Authentication { .. } => StoreError::SignIn { place },
            _ if out_of_reach(&error) => StoreError::Unreachable { place, cause: cause(&error) },
            _ => match code(&error) {
                Some(UNAUTHORIZED | AUTHENTICATION_FAILED) => StoreError::SignIn { place },
                Some(OUT_OF_DISK_SPACE) => StoreError::DiskFull,
                Some(TOO_LARGE_FOR_CACHE) => {
                    let cause = "the change is too large for its cache in one piece".to_owned();
                    let fix = "give mongod more memory (--wiredTigerCacheSizeGB), or send less at once".to_owned();
                    StoreError::Unfit { place, cause, fix }
                }
                Some(SNAPSHOT_TOO_OLD | SNAPSHOT_GONE) => {
                    let cause = "it no longer shows the moment at which this began".to_owned();
                    let fix = "let it look back further: --setParameter minSnapshotHistoryWindowInSeconds=7200".to_owned();
                    StoreError::Unfit { place, cause, fix }
                }
                _ => StoreError::Engine { doing, cause: format!("{place}: {}", cause(&error)) },
            },
        }
    }
}

fn out_of_reach(error: &Driver) -> bool {
    matches!(
        *error.kind,
        ErrorKind::ServerSelection { .. } | ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } | ErrorKind::DnsResolve { .. }
    )
}

fn code(error: &Driver) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(command) => Some(command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        ErrorKind::InsertMany(many) => many.write_errors.as_ref().and_then(|errors| errors.first()).map(|write| write.code),
        _ => None,
    }
}

/// The name of the error: a message of the server may quote a key, and a driver's an address.
fn cause(error: &Driver) -> String {
    match &*error.kind {
        ErrorKind::Command(command) => format!("{} ({})", command.code_name, command.code),
        ErrorKind::ServerSelection { message, .. } if message.contains("certificate") => {
            "its certificate is not trusted; name who signed it with tlsCAFile=FILE in the address".to_owned()
        }
        ErrorKind::ServerSelection { .. } => {
            "no primary can be found; a new replica set needs `rs.initiate()` once, and a server with TLS tls=true in the address"
                .to_owned()
        }
        ErrorKind::Io(error) => error.to_string(),
        ErrorKind::ConnectionPoolCleared { .. } => "the connection was cut".to_owned(),
        ErrorKind::DnsResolve { .. } => "the host name is not known".to_owned(),
        _ => code(error).map_or_else(|| error.kind.to_string(), |code| format!("server error {code}")),
    }
}

/// A value that the program never writes: the database was changed from outside.
pub(crate) fn damaged(what: &str) -> Fail {
    Fail::Store(StoreError::Damaged(what.to_owned()))
}
