//! Where the database is: the address, what it must be able to do, and how it is named in texts.

use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::doc;
use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern, WriteConcern};
use mongodb::{Client, ClientSession, Database};
use tokio::sync::Mutex;

use super::error::Fail;
use super::primary::Elections;
use crate::contract::StoreError;

/// Longest wait for a member that takes writes. Elections take a few seconds.
const SELECTION_TIME: Duration = Duration::from_secs(8);
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// How often members are looked at, so that a new primary is found soon.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// Longest wait for the answer to one operation.
pub(crate) const OPERATION_TIME: Duration = Duration::from_secs(10);
/// An answer that comes within this time comes from a primary that no other has replaced: an
/// election takes longer (`electionTimeoutMillis` must not be set below two seconds).
pub(crate) const FRESH_TIME: Duration = Duration::from_millis(1_500);
/// First version whose transactions span shards and whose snapshots can be read outside of them.
const SERVER_MIN: &str = "6.0";

/// A database and the name that texts give it: hosts and database, never a credential.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) client: Client,
    pub(crate) database: Database,
    pub(crate) name: String,
    pub(crate) elections: Arc<Elections>,
    /// Reads through this place see one moment.
    pub(crate) snapshot: Option<Arc<Mutex<ClientSession>>>,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// Majority and journal: what an election cannot take back.
pub(crate) fn durable() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
}

/// Waits for one operation, but not for ever.
pub(crate) async fn in_time<T>(operation: impl Future<Output = Result<T, Fail>>) -> Result<T, Fail> {
    within(OPERATION_TIME, operation).await
}

pub(crate) async fn within<T>(time: Duration, operation: impl Future<Output = Result<T, Fail>>) -> Result<T, Fail> {
    tokio::time::timeout(time, operation).await.unwrap_or(Err(Fail::Slow))
}

fn unfit(address: &str, cause: &str, fix: &str) -> StoreError {
    StoreError::Unfit { place: address.to_owned(), cause: cause.to_owned(), fix: fix.to_owned() }
}

/// The address as texts may show it: what stands before `@` is a credential.
#[must_use]
pub fn redacted(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return "the given address".to_owned() };
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    format!("{scheme}://{rest}")
}

impl Place {
    /// Connects and makes sure that this is a replica set or a sharded cluster that can keep the
    /// contract.
    pub(crate) async fn connect(address: &str) -> Result<Self, StoreError> {
        Self::reading(address, Some(ReadConcern::majority())).await
    }

    /// The same, seen as it is at the first read. A snapshot is a read concern of its own, and the driver
    /// would send both.
    pub(crate) async fn connect_snapshot(address: &str) -> Result<Self, StoreError> {
        let place = Self::reading(address, None).await?;
        let session = place.client.start_session().snapshot(true).await;
        let session = session.map_err(|error| Fail::from(error).at(&place.name, "opening a snapshot"))?;
        Ok(Self { snapshot: Some(Arc::new(Mutex::new(session))), ..place })
    }

    async fn reading(address: &str, concern: Option<ReadConcern>) -> Result<Self, StoreError> {
        let shown = redacted(address);
        if address.starts_with("mongodb+srv://") {
            return Err(unfit(&shown, "addresses by SRV record are not followed", "name the hosts: mongodb://host1,host2,host3/database"));
        }
        let form = "write it as mongodb://user:password@host1,host2/database?replicaSet=name&tls=true";
        // The driver's own text may repeat the address with its password.
        let mut options = ClientOptions::parse(address).await.map_err(|_| unfit(&shown, "the address cannot be read", form))?;
        let Some(name) = options.default_database.clone().filter(|name| !name.is_empty()) else {
            return Err(unfit(&shown, "the address names no database", "end it with /wardkeep_records, or another name of a database"));
        };
        options.app_name = Some("wardkeep".to_owned());
        options.server_selection_timeout.get_or_insert(SELECTION_TIME);
        options.connect_timeout.get_or_insert(CONNECT_TIME);
        options.heartbeat_freq.get_or_insert(HEARTBEAT);
        options.read_concern = concern;
        options.write_concern = Some(durable());
        // Reads go to the primary: a second member may lag behind what was acknowledged.
        options.selection_criteria = None;
        let elections = Arc::new(Elections::default());
        options.sdam_event_handler = Some(Elections::follow(elections.clone()));
        let client =
            Client::with_options(options).map_err(|_| unfit(&shown, "the options of the address cannot be used together", form))?;
        let database = client.database(&name);
        let place = Self { client, database, name: shown, elections, snapshot: None };
        in_time(place.check()).await.map_err(|fail| fail.at(&place.name, "connecting to the database"))?;
        Ok(place)
    }

    async fn check(&self) -> Result<(), Fail> {
        let hello = self.database.run_command(doc! { "hello": 1 }).await?;
        let routed = hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
        if !routed && hello.get_str("setName").is_err() {
            let fix = "start it with `mongod --replSet rs0` and run `mongosh --eval 'rs.initiate()'` once; a set of one member will do";
            return Err(unfit(&self.name, "it is a single server without a replica set, which has no transactions", fix).into());
        }
        let built = self.database.run_command(doc! { "buildInfo": 1 }).await?;
        let found = built.get_str("version").unwrap_or("unknown");
        if major_minor(found) < major_minor(SERVER_MIN) {
            let cause = format!("it is MongoDB {found}, older than {SERVER_MIN}");
            return Err(unfit(&self.name, &cause, "update the server").into());
        }
        // Asks for the rights of this user on this database, before anything depends on them.
        self.database.run_command(doc! { "listCollections": 1, "nameOnly": true, "authorizedCollections": true }).await?;
        Ok(())
    }
}

fn major_minor(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_stands_in_a_text() {
        let told = redacted("mongodb://ward:p%40ss@one:27017,two:27017/wardkeep?replicaSet=rs0&authSource=admin");
        assert_eq!(told, "mongodb://one:27017,two:27017/wardkeep");
        assert_eq!(redacted("nonsense-with-secret"), "the given address");
        assert_eq!(redacted("mongodb://a:b@c@host/db"), "mongodb://host/db", "also when it was not escaped");
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_used_says_how_to_write_it() {
        let cases = [
            ("mongodb://ward:secret@host:port/db", "cannot be read"),
            ("mongodb://ward:secret@127.0.0.1:1/?directConnection=true", "names no database"),
            ("mongodb+srv://ward:secret@cluster.example.org/db", "SRV"),
            ("postgres://ward:secret@host/db", "cannot be read"),
        ];
        for (address, words) in cases {
            let told = Place::connect(address).await.unwrap_err().to_string();
            assert!(told.contains(words) && !told.contains("secret"), "{address}: {told}");
        }
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert!(major_minor("10.0.1") > major_minor("6.0"));
        assert!(major_minor("5.0.31") < major_minor("6.0"));
    }
}
