//! The conformance suite, run by every engine.

use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;
use wardkeep_store::conformance::Engine;
use wardkeep_store::{MemoryStore, SqliteOptions, SqliteStore, Store, StoreError};

struct Memory;

#[async_trait]
impl Engine for Memory {
    async fn open(&self, _name: &str) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(MemoryStore::new()))
    }
    fn durable(&self) -> bool {
        false
    }
}

struct Sqlite(TempDir);

impl Sqlite {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }
}

#[async_trait]
impl Engine for Sqlite {
    async fn open(&self, name: &str) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(SqliteStore::open(&self.0.path().join(format!("{name}.db")), SqliteOptions::default())?))
    }
    fn durable(&self) -> bool {
        true
    }
}

mod memory {
    wardkeep_store::conformance!(super::Memory);
}

mod sqlite {
    wardkeep_store::conformance!(super::Sqlite::new());
}
