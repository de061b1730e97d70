//! From nothing to the first answer, and the first chart after it, with nothing remembered.

use anyhow::{Context, Result, ensure};

use super::{Session, megabytes};
use crate::driver::{Client, get, median};
use crate::machine;
use crate::report::{START, Size};
use crate::seed::Seeded;
use crate::server::Starter;

pub(crate) async fn run(starter: &Starter, seeded: &Seeded, doctors: &[Session], rounds: usize, size: &mut Size) -> Result<()> {
    let doctor = doctors.first().context("no doctor")?;
    let (mut starts, mut charts, mut residents) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (server, took) = starter.start().await?;
        starts.push(took.as_secs_f64() * 1000.0);
        residents.push(megabytes(server.memory()?.resident_kib));
        let mut client = Client::connect(server.address).await?;
        let began = machine::now();
        let chart = client.exchange(get(&format!("/patients/{}", seeded.chart), &doctor.cookie)?).await?;
        charts.push(began.elapsed().as_secs_f64() * 1000.0);
        ensure!(chart.status == 200, "the first chart answers {}", chart.status);
        server.stop()?;
    }
    size.value(START, "ms", median(starts));
    size.value("first chart after start, nothing remembered", "ms", median(charts));
    size.value("resident at the first answer", "MB", median(residents));
    Ok(())
}
