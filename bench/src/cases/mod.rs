//! The cases, each group in a file. They run on a copy of a seeded hospital, in a fixed order:
//! what reads stands before what writes.

mod documents;
mod import;
mod pages;
mod records;
mod sign_in;
mod start;
mod stroke;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::driver::{Bounds, Load, Make, drive};
use crate::machine;
use crate::report::{RESIDENT, Size};
use crate::seed::Seeded;
use crate::server::{Server, Starter};

/// A group of cases.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Group {
    SignIn,
    Lists,
    Charts,
    Log,
    Stroke,
    Records,
    Documents,
    Import,
    Start,
}

/// A signed-in person.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// `name=token`, ready for the `Cookie` header.
    pub cookie: String,
    /// Goes into every form.
    pub csrf: String,
    /// Some patients in this person's care.
    pub patients: Vec<String>,
}

/// A running hospital with everybody signed in.
pub(crate) struct Running<'a> {
    pub seeded: &'a Seeded,
    pub server: Server,
    /// Further nodes of the same hospital.
    pub others: Vec<Server>,
    pub doctors: Vec<Session>,
    pub officer: Session,
    pub bounds: Bounds,
    pub size: &'a mut Size,
}

impl Running<'_> {
    /// The doctor that a client works as.
    pub(crate) fn doctor(&self, client: usize) -> Result<&Session> {
        self.doctors.get(client % self.doctors.len()).context("no doctor is signed in")
    }

    /// Drives a load and keeps what was measured.
    pub(crate) async fn load(&mut self, name: &str, clients: usize, status: u16, holds: &str, make: Make<'_>) -> Result<()> {
        self.load_within(self.bounds, name, clients, status, holds, make).await
    }

    pub(crate) async fn load_within(
        &mut self,
        bounds: Bounds,
        name: &str,
        clients: usize,
        status: u16,
        holds: &str,
        make: Make<'_>,
    ) -> Result<()> {
        let load = Load { name, clients, make, status, holds };
        let servers = || std::iter::once(&self.server).chain(&self.others);
        let addresses: Vec<_> = servers().map(|server| server.address).collect();
        let used = || servers().map(Server::processor_time).sum::<Result<Duration>>();
        let measured = drive(&addresses, used, &load, bounds).await?;
        eprintln!(
            "{:>8} patients: {name}, {clients} clients: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms",
            self.size.patients, measured.per_s, measured.p50_ms, measured.p99_ms
        );
        self.size.loads.push(measured);
        Ok(())
    }
}

fn megabytes(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}

/// All cases on the hospital in `data`.
pub(crate) async fn run(binary: &Path, data: &Path, nodes: &[PathBuf], seeded: Seeded, only: &[Group], bounds: Bounds) -> Result<Size> {
    let asked = |group: Group| only.is_empty() || only.contains(&group);
    let mut size = Size { patients: seeded.patients, stroke_rows: seeded.stroke_rows, loads: Vec::new(), values: Vec::new() };
    on_disk(&mut size, data)?;
    size.value("seeding, patients with a record each", "/s", seeded.patients_per_s);
    let starter = Starter::new(binary, data)?;
    let (server, _) = starter.start().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let memory = server.memory()?;
    size.value(RESIDENT, "MB", megabytes(memory.resident_kib));
    size.value("of it no mapped file", "MB", megabytes(memory.anonymous_kib));
    let (doctors, officer) = sign_in::everybody(&server, &seeded, &mut size).await?;
    let mut others = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        others.push(Starter::new(binary, node)?.named(&format!("n{}", number + 2)).start().await?.0);
    }
    let mut running = Running { seeded: &seeded, server, others, doctors, officer, bounds, size: &mut size };
    if asked(Group::SignIn) {
        sign_in::run(&mut running).await?;
    }
    if asked(Group::Lists) {
        pages::lists(&mut running).await?;
    }
    if asked(Group::Charts) {
        pages::charts(&mut running).await?;
    }
    if asked(Group::Log) {
        pages::log(&mut running).await?;
    }
    if asked(Group::Stroke) && seeded.stroke_rows > 0 {
        stroke::run(&mut running).await?;
    }
    if asked(Group::Records) {
        records::run(&mut running).await?;
    }
    if asked(Group::Documents) {
        documents::run(&mut running).await?;
    }
    let Running { server, others, doctors, .. } = running;
    others.into_iter().try_for_each(Server::stop)?;
    let memory = server.memory()?;
    size.value("resident after all loads", "MB", megabytes(memory.resident_kib));
    size.value("of it no mapped file, after all loads", "MB", megabytes(memory.anonymous_kib));
    server.stop()?;
    if asked(Group::Start) {
        start::run(&starter, &seeded, &doctors, bounds.rounds, &mut size).await?;
    }
    if asked(Group::Import) {
        import::run(binary, data, bounds.rounds, &mut size)?;
    }
    Ok(size)
}

fn on_disk(size: &mut Size, data: &Path) -> Result<()> {
    // Nothing is told of the bytes of a database elsewhere.
    if !data.join("records.db").exists() {
        return Ok(());
    }
    for (name, file) in [("control.db on disk", "control.db"), ("records.db on disk", "records.db"), ("published log on disk", "ledger")] {
        size.value(name, "MB", machine::bytes_on_disk(&data.join(file))? as f64 / 1e6);
    }
    let rows = size.patients + size.stroke_rows;
    size.value("on disk for each patient or assessment", "bytes", machine::bytes_on_disk(data)? as f64 / rows.max(1) as f64);
    Ok(())
}
