//! What SQLite's error codes mean to whoever runs the program. Every text names the fix; none
//! carries data of the store.

use std::path::Path;

use rusqlite::{Error as Sql, ErrorCode};

use crate::contract::StoreError;

/// Why something inside the engine failed, before it is put into words.
#[derive(Debug)]
pub(crate) enum Fail {
    Sql(Sql),
    Store(StoreError),
}

impl From<Sql> for Fail {
    fn from(error: Sql) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fail {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fail {
    pub(crate) fn at(self, path: &Path, doing: &'static str) -> StoreError {
        let error = match self {
            Self::Store(error) => return error,
            Self::Sql(error) => error,
        };
        let (path, cause) = (path.display().to_string(), error.to_string());
        if matches!(error, Sql::FromSqlConversionFailure(..) | Sql::InvalidColumnType(..) | Sql::IntegralValueOutOfRange(..)) {
            // The program never writes such a value.
            return StoreError::Damaged(format!("{path}: a row was changed from outside; run `wardkeep verify --records`"));
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::DiskFull,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked(path),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => StoreError::NotWritable { path, cause },
            Some(ErrorCode::NotADatabase) => StoreError::NotAStore { path, cause },
            Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged(format!("{path}: {cause}; restore it from a backup")),
            _ => StoreError::Engine { doing, cause },
        }
    }
}

/// A value that the schema rules out: the file was changed from outside.
pub(crate) fn damaged(what: &str) -> Fail {
    Fail::Store(StoreError::Damaged(what.to_owned()))
}
