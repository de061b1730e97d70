//! The program under test as a process: started, looked at from outside through `/proc`, stopped.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::driver::{Client, get};
use crate::machine;

const START_MAX: Duration = Duration::from_secs(120);
const STOP_MAX: Duration = Duration::from_secs(60);
/// Linux counts processor time of processes in hundredths of a second (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);
/// Options that lift how fast one person may work: one load driver does the work of a whole
/// hospital with a few accounts. Passed only when the binary knows them.
const PACES: [&str; 3] = ["--charts-per-minute", "--searches-per-minute", "--exports-per-minute"];
const PACE: &str = "60000000";

/// Kilobytes (of 1024) that the process holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub resident_kib: u64,
    /// The part that is no mapped file.
    pub anonymous_kib: u64,
    pub peak_kib: u64,
}

pub(crate) struct Server {
    child: Child,
    pub address: SocketAddr,
}

/// How a server is started, again and again.
pub(crate) struct Starter {
    pub binary: PathBuf,
    pub data: PathBuf,
    options: Vec<String>,
}

impl Starter {
    pub(crate) fn new(binary: &Path, data: &Path) -> Result<Self> {
        let (help, _) = machine::run(binary, &[OsStr::new("serve"), OsStr::new("--help")])?;
        let known = PACES.iter().filter(|option| help.contains(**option));
        let options = known.flat_map(|option| [(*option).to_owned(), PACE.to_owned()]).collect();
        Ok(Self { binary: binary.to_owned(), data: data.to_owned(), options })
    }

    /// As a node of this name.
    pub(crate) fn named(mut self, node: &str) -> Self {
        self.options.extend(["--node".to_owned(), node.to_owned()]);
        self
    }

    /// Starts it; the time from the start of the process to the first good answer.
    pub(crate) async fn start(&self) -> Result<(Server, Duration)> {
        let address = free_address()?;
        let log = File::options().create(true).append(true).open(self.data.with_extension("log"))?;
        let mut command = machine::command(&self.binary);
        command.args(["serve", "--listen", &address.to_string(), "--data"]).arg(&self.data).args(&self.options);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let began = machine::now();
        let child = command.spawn().with_context(|| format!("{} cannot be started", self.binary.display()))?;
        let mut server = Server { child, address };
        loop {
            if let Ok(mut client) = Client::connect(address).await
                && client.exchange(get("/readyz", "")?).await.is_ok_and(|answer| answer.status == 200)
            {
                return Ok((server, began.elapsed()));
            }
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended at once ({status}); see {}", self.data.with_extension("log").display());
            }
            ensure!(began.elapsed() < START_MAX, "the server gives no answer");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

impl Server {
    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.child.id()))
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        let status = std::fs::read_to_string(self.proc("status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name} in /proc"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().context("a number of kB")
        };
        Ok(Memory { resident_kib: field("VmRSS:")?, anonymous_kib: field("RssAnon:")?, peak_kib: field("VmHWM:")? })
    }

    /// The peak begins again at what is resident now.
    pub(crate) fn forget_peak(&self) -> Result<()> {
        Ok(std::fs::write(self.proc("clear_refs"), "5")?)
    }

    /// Processor time used so far, all threads.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(self.proc("stat"))?;
        // The name in parentheses may hold blanks; user and system time are fields 14 and 15.
        let fields = stat.rsplit_once(") ").map(|(_, fields)| fields).unwrap_or_default();
        let ticks: u32 = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
        Ok(TICK * ticks)
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        let asked = machine::command("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        ensure!(asked.success(), "the server could not be told to stop");
        let began = machine::now();
        while self.child.try_wait()?.is_none() {
            ensure!(began.elapsed() < STOP_MAX, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After an orderly stop there is nothing left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
