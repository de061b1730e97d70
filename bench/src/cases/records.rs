//! Writing: every client signs notes into a chart of its own.

use anyhow::{Context, Result};

use super::Running;
use crate::driver::post_form;
use crate::report::RECORD;
use crate::seed::note_text;

pub(crate) async fn run(running: &mut Running<'_>) -> Result<()> {
    let doctors = running.doctors.clone();
    let write = |client: usize, nth: u64| {
        let doctor = doctors.get(client % doctors.len()).context("no doctor")?;
        let patient = doctor.patients.get(client / doctors.len() % doctor.patients.len().max(1)).context("no patient")?;
        let (title, body) = note_text(usize::try_from(nth).unwrap_or(0));
        let fields = [("csrf", doctor.csrf.as_str()), ("record_type", "note"), ("title", title.as_str()), ("body", body.as_str())];
        post_form(&format!("/patients/{patient}/records/new"), &doctor.cookie, &fields)
    };
    for clients in [1, 16, 64] {
        running.load(RECORD, clients, 303, "", &write).await?;
    }
    Ok(())
}
