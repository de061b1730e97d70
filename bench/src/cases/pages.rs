//! Pages that read: lists and searches, the chart, the log.

use anyhow::{Context, Result};
use http::Request;

use super::{Running, Session};
use crate::driver::{Body, get, post_form};
use crate::report::{CHART, LISTS};
use crate::seed::{CHART_RECORDS, Probe, note_text};

fn search(doctor: &Session, mrn: &str, name: &str, born: [&str; 3]) -> Result<Request<Body>> {
    let [day, month, year] = born;
    let fields =
        [("csrf", doctor.csrf.as_str()), ("mrn", mrn), ("name", name), ("birth_day", day), ("birth_month", month), ("birth_year", year)];
    post_form("/patients", &doctor.cookie, &fields)
}

pub(crate) async fn lists(running: &mut Running<'_>) -> Result<()> {
    let [worklist, by_mrn, by_name, by_birth] = LISTS;
    let doctors = running.doctors.clone();
    let doctor = |client: usize| doctors.get(client % doctors.len()).context("no doctor");
    let probes = &running.seeded.probes;
    let probe = |nth: u64| probes.get(usize::try_from(nth).unwrap_or(0) % probes.len()).context("no patient to look for");
    for clients in [1, 16] {
        running.load(worklist, clients, 200, "Worklist", &|client, _| get("/", &doctor(client)?.cookie)).await?;
        let mrn = |client: usize, nth: u64| search(doctor(client)?, &probe(nth)?.mrn, "", [""; 3]);
        running.load(by_mrn, clients, 200, "/patients/", &mrn).await?;
        let name = |client: usize, nth: u64| search(doctor(client)?, "", probe(nth)?.family.get(..4).unwrap_or_default(), [""; 3]);
        running.load(by_name, clients, 200, "/patients/", &name).await?;
        let birth = |client: usize, nth: u64| {
            let Probe { born: [day, month, year], .. } = probe(nth)?;
            search(doctor(client)?, "", "", [day, month, year])
        };
        running.load(by_birth, clients, 200, "/patients/", &birth).await?;
    }
    Ok(())
}

pub(crate) async fn charts(running: &mut Running<'_>) -> Result<()> {
    let doctors = running.doctors.clone();
    let path = format!("/patients/{}", running.seeded.chart);
    let open = |client: usize, _: u64| get(&path, &doctors.get(client % doctors.len()).context("no doctor")?.cookie);
    let (oldest, _) = note_text(1);
    let (newest, _) = note_text(CHART_RECORDS);
    for (clients, holds) in [(1, &oldest), (16, &newest), (64, &oldest)] {
        running.load(CHART, clients, 200, holds, &open).await?;
    }
    let history = format!("{path}/access");
    let read = |client: usize, _: u64| get(&history, &doctors.get(client % doctors.len()).context("no doctor")?.cookie);
    running.load("who opened this chart", 16, 200, "Access history", &read).await
}

pub(crate) async fn log(running: &mut Running<'_>) -> Result<()> {
    let cookie = running.officer.cookie.clone();
    for clients in [1, 8] {
        running.load("log, first page", clients, 200, "", &|_, _| get("/log", &cookie)).await?;
    }
    Ok(())
}
