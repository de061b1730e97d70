//! The embedded engine: SQLite in WAL mode with `synchronous=FULL`, one writer thread, a pool of
//! readers.
