//! A real MongoDB for tests and the bench: members on free loopback ports in a directory of their
//! own, that can be killed, paused and started again. They end with the value.
//!
//! `scripts/setup` installs the server. Without it [`ReplicaSet::start`] says SKIPPED and gives
//! nothing, except where `WARDKEEP_NO_SKIP` is set: there a skip is a failure.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use tempfile::TempDir;

const NAME: &str = "ward";
const START_TRIES: u32 = 600;
const PAUSE: Duration = Duration::from_millis(50);
/// Members elect a new primary when they have not heard of the old one for so long.
const ELECTION_MS: i32 = 2_000;

/// The server that `scripts/setup` installed, or the one that `WARDKEEP_MONGOD` names.
fn server() -> Option<PathBuf> {
    let named = std::env::var_os("WARDKEEP_MONGOD").map(PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    named.or_else(|| Some(cache?.join("wardkeep/mongod-6.0.5"))).filter(|path| path.is_file())
}

/// The server's path; `None` where tests may be skipped for want of it.
///
/// # Panics
/// Where a skip is a failure.
#[must_use]
pub fn found() -> Option<PathBuf> {
    let server = server();
    if server.is_none() {
        assert!(std::env::var_os("WARDKEEP_NO_SKIP").is_none(), "there is no mongod: run scripts/setup");
        eprintln!("SKIPPED: there is no mongod; scripts/setup installs it");
    }
    server
}

/// One process.
struct Member {
    port: u16,
    data: PathBuf,
    child: Option<Child>,
    arguments: Vec<String>,
}

/// The last two as docs/mongodb.md asks for them: a member whose source hangs looks for another soon.
const PARAMETERS: [&str; 4] = [
    "diagnosticDataCollectionEnabled=false",
    "enableTestCommands=1",
    "oplogNetworkTimeoutBufferSeconds=1",
    "oplogFetcherSteadyStateMaxFetcherRestarts=0",
];

impl Member {
    fn new(server: &Path, data: PathBuf, arguments: Vec<String>) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        std::fs::create_dir_all(&data)?;
        let mut member = Self { port, data, child: None, arguments };
        member.start(server)?;
        Ok(member)
    }

    #[expect(clippy::disallowed_methods, reason = "a test starts the server that it tests with")]
    fn start(&mut self, server: &Path) -> Result<()> {
        let mut command = Command::new(server);
        command.args(["--bind_ip", "127.0.0.1", "--quiet", "--wiredTigerCacheSizeGB", "1", "--port", &self.port.to_string()]);
        command.args(PARAMETERS.iter().flat_map(|parameter| ["--setParameter", parameter]));
        command.arg("--dbpath").arg(&self.data).arg("--logappend").arg("--logpath").arg(self.data.with_extension("log"));
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().with_context(|| format!("{} cannot be started", server.display()))?);
        Ok(())
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the standard library sends no other signal than SIGKILL")]
    fn signal(&self, signal: &str) -> Result<()> {
        let child = self.child.as_ref().context("the member is not running")?;
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status()?;
        ensure!(sent.success(), "kill {signal} failed");
        Ok(())
    }

    async fn direct(&self, database: &str) -> Result<Database> {
        let mut options = ClientOptions::parse(format!("mongodb://127.0.0.1:{}/?directConnection=true", self.port)).await?;
        options.server_selection_timeout = Some(Duration::from_secs(1));
        options.connect_timeout = Some(Duration::from_secs(1));
        Ok(Client::with_options(options)?.database(database))
    }

    async fn answers(&mut self) -> Result<Document> {
        let database = self.direct("admin").await?;
        for _ in 0..START_TRIES {
            if let Some(ended) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                let log = std::fs::read_to_string(self.data.with_extension("log")).unwrap_or_default();
                bail!("mongod ended at once ({ended}): {}", log.lines().last().unwrap_or_default());
            }
            if let Ok(hello) = database.run_command(doc! { "hello": 1 }).await {
                return Ok(hello);
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("mongod gives no answer")
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server that is no member of anything.
pub struct Standalone {
    member: Member,
    _dir: TempDir,
}

impl Standalone {
    /// `None` where it is skipped.
    ///
    /// # Errors
    /// When the server does not start.
    pub async fn start() -> Result<Option<Self>> {
        let Some(server) = found() else { return Ok(None) };
        let dir = TempDir::new()?;
        let mut member = Member::new(&server, dir.path().join("data"), Vec::new())?;
        member.answers().await?;
        Ok(Some(Self { member, _dir: dir }))
    }
    #[must_use]
    pub fn address(&self, database: &str) -> String {
        format!("mongodb://127.0.0.1:{}/{database}", self.member.port)
    }
}

/// States of a member (`replSetGetStatus`).
const PRIMARY: i32 = 1;
const SECONDARY: i32 = 2;
/// A member that is at most this far behind follows.
const LAG_MS_MAX: i64 = 1_000;

/// A replica set.
pub struct ReplicaSet {
    server: PathBuf,
    members: Vec<Member>,
    _dir: TempDir,
}

impl ReplicaSet {
    /// Starts members and waits until one of them is primary. `None` where it is skipped.
    ///
    /// # Errors
    /// When a server does not start or no primary is elected.
    pub async fn start(count: usize) -> Result<Option<Self>> {
        Self::start_with(count, &[]).await
    }

    /// As [`ReplicaSet::start`], with more arguments for every member.
    ///
    /// # Errors
    /// As [`ReplicaSet::start`].
    pub async fn start_with(count: usize, arguments: &[&str]) -> Result<Option<Self>> {
        let Some(server) = found() else { return Ok(None) };
        let dir = TempDir::new()?;
        let arguments: Vec<String> = ["--replSet", NAME].iter().chain(arguments).map(|text| (*text).to_owned()).collect();
        let data = |number: usize| dir.path().join(format!("member-{number}"));
        let mut members = (0..count).map(|number| Member::new(&server, data(number), arguments.clone())).collect::<Result<Vec<_>>>()?;
        for member in &mut members {
            member.answers().await?;
        }
        let listed: Vec<Document> =
            members.iter().zip(0_i32..).map(|(member, id)| doc! { "_id": id, "host": format!("127.0.0.1:{}", member.port) }).collect();
        // As docs/mongodb.md advises: a primary that hangs is given up about as soon as one that died.
        let settings = doc! { "electionTimeoutMillis": ELECTION_MS, "heartbeatTimeoutSecs": 3_i32, "catchUpTimeoutMillis": 2_000_i32 };
        let config = doc! { "_id": NAME, "members": listed, "settings": settings };
        let first = members.first().context("a set has members")?.direct("admin").await?;
        first.run_command(doc! { "replSetInitiate": config }).await?;
        let set = Self { server, members, _dir: dir };
        set.primary().await?;
        Ok(Some(set))
    }

    /// The address of a database on the set.
    #[must_use]
    pub fn address(&self, database: &str) -> String {
        let hosts: Vec<String> = self.members.iter().map(|member| format!("127.0.0.1:{}", member.port)).collect();
        format!("mongodb://{}/{database}?replicaSet={NAME}", hosts.join(","))
    }

    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Waits until a member is primary; gives its number.
    ///
    /// # Errors
    /// When none becomes it.
    pub async fn primary(&self) -> Result<usize> {
        for _ in 0..START_TRIES {
            for (number, member) in self.members.iter().enumerate().filter(|(_, member)| member.child.is_some()) {
                let hello = tokio::time::timeout(Duration::from_secs(1), async {
                    member.direct("admin").await?.run_command(doc! { "hello": 1 }).await.map_err(anyhow::Error::from)
                });
                if let Ok(Ok(hello)) = hello.await
                    && hello.get_bool("isWritablePrimary").unwrap_or(false)
                {
                    return Ok(number);
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("no member became primary")
    }

    /// Waits until every member follows: the next fault is then the only one.
    ///
    /// # Errors
    /// When one of them stays behind.
    pub async fn whole(&self) -> Result<()> {
        for _ in 0..START_TRIES {
            let primary = self.primary().await?;
            let status = self.direct(primary, "admin").await?.run_command(doc! { "replSetGetStatus": 1 }).await?;
            let members = status.get_array("members")?.iter().filter_map(Bson::as_document);
            let newest = members.clone().filter_map(|member| member.get_datetime("optimeDate").ok()).max();
            let follows = |member: &Document| {
                let source = member.get_str("syncSourceHost").is_ok_and(|source| !source.is_empty());
                let near = member.get_datetime("optimeDate").ok().zip(newest);
                let near = near.is_some_and(|(at, newest)| newest.timestamp_millis() - at.timestamp_millis() <= LAG_MS_MAX);
                member.get_i32("state").is_ok_and(|state| state == PRIMARY || (state == SECONDARY && source && near))
            };
            if members.clone().filter(|member| follows(member)).count() == self.members.len() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("a member stays behind")
    }

    /// A database of one member, past the set's own choice of member.
    ///
    /// # Errors
    /// When there is no such member.
    pub async fn direct(&self, number: usize, database: &str) -> Result<Database> {
        self.members.get(number).context("no such member")?.direct(database).await
    }

    fn member(&mut self, number: usize) -> Result<&mut Member> {
        self.members.get_mut(number).context("no such member")
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn kill(&mut self, number: usize) -> Result<()> {
        self.member(number)?.kill();
        Ok(())
    }

    /// Starts a killed member again on its data.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&mut self, number: usize) -> Result<()> {
        let server = self.server.clone();
        let member = self.member(number)?;
        member.start(&server)?;
        member.answers().await.map(|_| ())
    }

    /// Stops a member in its tracks; its connections stay open.
    ///
    /// # Errors
    /// When it is not running.
    pub fn pause(&mut self, number: usize) -> Result<()> {
        self.member(number)?.signal("-STOP")
    }

    /// # Errors
    /// When it is not running.
    pub fn resume(&mut self, number: usize) -> Result<()> {
        self.member(number)?.signal("-CONT")
    }
}
