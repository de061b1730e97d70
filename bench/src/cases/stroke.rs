//! Stroke assessments: the first page with a filter, and the summary.

use anyhow::{Context, Result};

use super::Running;
use crate::driver::get;

pub(crate) async fn run(running: &mut Running<'_>) -> Result<()> {
    let doctors = running.doctors.clone();
    let doctor = |client: usize| doctors.get(client % doctors.len()).context("no doctor");
    let pages = [
        ("stroke list, first page", "/stroke"),
        ("stroke list, filtered", "/stroke?age_min=60&stroke=1&hypertension=1"),
        ("stroke summary", "/stroke/summary"),
    ];
    for (name, path) in pages {
        for clients in [1, 16] {
            running.load(name, clients, 200, "Stroke", &|client, _| get(path, &doctor(client)?.cookie)).await?;
        }
    }
    Ok(())
}
