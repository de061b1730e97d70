//! The conformance suite, run by every engine.

use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;
use wardkeep_mongod::ReplicaSet;
use wardkeep_store::conformance::Engine;
use wardkeep_store::{MemoryStore, MongoStore, SqliteOptions, SqliteStore, Store, StoreError};

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

/// A database for each store of each case.
struct Mongo<'a> {
    set: &'a ReplicaSet,
    case: usize,
}

#[async_trait]
impl Engine for Mongo<'_> {
    async fn open(&self, name: &str) -> Result<Arc<dyn Store>, StoreError> {
        let address = self.set.address(&format!("case{}-{name}", self.case));
        Ok(Arc::new(MongoStore::open(&address, "main").await?))
    }
    fn durable(&self) -> bool {
        true
    }
}

async fn on_a_set_of(members: usize) -> anyhow::Result<()> {
    let Some(set) = ReplicaSet::start(members).await? else { return Ok(()) };
    let mut case = 0;
    let mut fresh = |_: &str| {
        case += 1;
        Mongo { set: &set, case }
    };
    wardkeep_store::conformance!(one after another: fresh);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongodb_on_one_member() -> anyhow::Result<()> {
    on_a_set_of(1).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongodb_on_three_members() -> anyhow::Result<()> {
    on_a_set_of(3).await
}
