//! Opening the file: who may, whether it is ours, its schema and the settings of a connection.
//! Migrations only ever grow; a released step is never edited.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::Fail;
use crate::contract::StoreError;

/// "WrdK": says in the file's header that it is a wardkeep store.
const APPLICATION_ID: i64 = 0x5772_644b;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const STATEMENTS_CACHED: usize = 96;

/// One step per schema version.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE document (
        seq INTEGER PRIMARY KEY,
        kind INTEGER NOT NULL,
        id BLOB NOT NULL,
        owner BLOB NOT NULL,
        version INTEGER NOT NULL,
        current INTEGER NOT NULL,
        terms BLOB NOT NULL,
        uniques BLOB NOT NULL,
        sealed BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX document_version ON document (kind, id, version);
    CREATE INDEX document_current ON document (kind, current);
    CREATE TABLE term (
        kind INTEGER NOT NULL, term BLOB NOT NULL, seq INTEGER NOT NULL,
        PRIMARY KEY (kind, term, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE unique_term (
        kind INTEGER NOT NULL, term BLOB NOT NULL, id BLOB NOT NULL,
        PRIMARY KEY (kind, term)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sequence (only INTEGER PRIMARY KEY CHECK (only = 1), seq INTEGER NOT NULL) STRICT;
    INSERT INTO sequence VALUES (1, 0);
    CREATE TABLE clock (time_ms INTEGER PRIMARY KEY, seq INTEGER NOT NULL) STRICT;
    CREATE TABLE stream (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        root BLOB NOT NULL,
        boot BLOB NOT NULL,
        next_sequence INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE ledger (
        stream INTEGER NOT NULL REFERENCES stream (number),
        idx INTEGER NOT NULL,
        event BLOB NOT NULL,
        subject_number INTEGER,
        leaf BLOB NOT NULL,
        PRIMARY KEY (stream, idx)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX ledger_event ON ledger (event);
    CREATE TABLE tile (
        stream INTEGER NOT NULL REFERENCES stream (number),
        level INTEGER NOT NULL,
        idx INTEGER NOT NULL,
        hashes BLOB NOT NULL,
        PRIMARY KEY (stream, level, idx)
    ) STRICT;
    CREATE TABLE checkpoint (stream TEXT PRIMARY KEY, note TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE counter (key BLOB PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE blob (
        id BLOB PRIMARY KEY, owner BLOB NOT NULL, recorded INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX blob_staged ON blob (id) WHERE recorded = 0;
    CREATE TABLE blob_segment (
        id BLOB NOT NULL REFERENCES blob (id),
        segment INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (id, segment)
    ) STRICT;
    CREATE TABLE mark (
        kind INTEGER NOT NULL, id BLOB NOT NULL, value INTEGER NOT NULL,
        PRIMARY KEY (kind, id)
    ) STRICT, WITHOUT ROWID;
"];

/// The schema version that this program knows.
pub(crate) const SCHEMA: i64 = MIGRATIONS.len() as i64;

/// Claims the store for this process. The claim ends with the returned file.
pub(crate) fn claim(path: &Path) -> Result<File, StoreError> {
    let lock = beside(path, ".lock");
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock).map_err(|error| not_writable(&lock, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path.display().to_string())),
        Err(TryLockError::Error(error)) => Err(not_writable(&lock, &error)),
    }
}

/// Opens the one connection that writes, creating the file (mode 0600) and migrating it.
pub(crate) fn open_writer(path: &Path, pages_max: Option<u32>) -> Result<Connection, StoreError> {
    create(path)?;
    let doing = "opening the store";
    let open = || -> Result<Connection, Fail> {
        let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let found = recognise(&connection, path)?;
        if connection.is_readonly("main")? {
            return Err(StoreError::NotWritable { path: path.display().to_string(), cause: "the file is read-only".to_owned() }.into());
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        settle(&connection, 16 * 1024)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
        connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        // Erased terms are overwritten wherever that costs no extra write.
        connection.pragma_update(None, "secure_delete", "FAST")?;
        migrate(&mut connection, found.unwrap_or(0))?;
        if let Some(pages) = pages_max {
            connection.pragma_update(None, "max_page_count", pages)?;
        }
        Ok(connection)
    };
    open().map_err(|fail| fail.at(path, doing))
}

/// Opens a connection that only reads; works beside a running server and on a read-only copy.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let live = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = reader(path, path, live);
    let wal = std::fs::metadata(beside(path, "-wal")).map_or(0, |found| found.len());
    match opened {
        // A copy in a directory that cannot be written has no place for SQLite's shared memory.
        Err(Fail::Sql(_)) if wal == 0 && path.is_file() => {
            let uri = uri_of(path);
            let frozen = reader(Path::new(&uri), path, live | OpenFlags::SQLITE_OPEN_URI);
            frozen.or(opened)
        }
        opened => opened,
    }
    .map_err(|fail| fail.at(path, "opening the store for reading"))
}

fn reader(name: &Path, path: &Path, flags: OpenFlags) -> Result<Connection, Fail> {
    let connection = Connection::open_with_flags(name, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let found = recognise(&connection, path)?;
    if found != Some(SCHEMA) {
        let cause = format!("schema version {} must first be brought to {SCHEMA}: start the server on it once", found.unwrap_or(0));
        return Err(StoreError::Engine { doing: "opening the store for reading", cause }.into());
    }
    settle(&connection, 4 * 1024)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// The schema version of the file, `None` when it is empty.
fn recognise(connection: &Connection, path: &Path) -> Result<Option<i64>, Fail> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, found) = (pragma("application_id")?, pragma("user_version")?);
    let shown = || path.display().to_string();
    // Tables, not pages: a database that is being created may have pages and nothing in them.
    let tables: i64 = connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == 0 && found == 0 && tables == 0 {
        return Ok(None);
    }
    if application != APPLICATION_ID {
        return Err(StoreError::NotAStore { path: shown(), cause: "it is a database of another program".to_owned() }.into());
    }
    if found > SCHEMA {
        return Err(StoreError::TooNew { path: shown(), found, known: SCHEMA }.into());
    }
    Ok(Some(found))
}

fn settle(connection: &Connection, cache_kib: i64) -> Result<(), Fail> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // Plans do not follow bound values. Without this, SQLite prepares a cached statement anew at
    // every use, because letting go of the values counts as a change of them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "mmap_size", 64 * 1024 * 1024)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}

fn migrate(connection: &mut Connection, found: i64) -> Result<(), Fail> {
    let done = usize::try_from(found).unwrap_or(0);
    for (version, sql) in (1_i64..).zip(MIGRATIONS).skip(done) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
        tracing::info!(schema = version, "store schema brought up to date");
    }
    Ok(())
}

/// SQLite gives its side files the mode of the main file, so only this one needs care.
fn create(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(not_writable(path, &error)),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

fn uri_of(path: &Path) -> String {
    let escaped = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{escaped}?immutable=1")
}

fn not_writable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::NotWritable { path: path.display().to_string(), cause: error.to_string() }
}
