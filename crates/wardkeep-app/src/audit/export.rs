//! The log as a file for a spreadsheet.

use wardkeep_domain::request::{LogScope, RequestKind};
use wardkeep_ledger::{Class, Discloses, Outcome};
use wardkeep_policy::{Action, Resource};

use super::{BATCH, LogFilter, LogRow, NEWEST, Query, sees_patients};
use crate::act::{Act, Side};
use crate::requests::Approval;
use crate::{App, Ctx, Error, Result};

/// Most entries of one export.
pub const EXPORT_MAX: usize = 100_000;

/// Most rows that one person takes away alone, of the log or of assessments. Beyond it a second
/// person agrees first.
pub const ALONE_ROWS_MAX: usize = 500;

/// The filter as a request keeps it.
#[must_use]
pub fn scope(filter: &LogFilter) -> LogScope {
    LogScope {
        from: filter.from,
        to: filter.to,
        person: filter.person.trim().to_owned(),
        mrn: filter.mrn.trim().to_owned(),
        class: filter.class.map_or("", Class::name).to_owned(),
        outcome: filter.outcome.map_or("", Outcome::name).to_owned(),
    }
}

/// The way back; `Integrity` when a name is none, so that a filter never grows.
pub(crate) fn filter(scope: &LogScope) -> Result<LogFilter> {
    let class = if scope.class.is_empty() { None } else { Some(Class::from_name(&scope.class).ok_or(Error::Integrity)?) };
    let known = Outcome::ALL.into_iter().find(|outcome| outcome.name() == scope.outcome);
    let outcome = if scope.outcome.is_empty() { None } else { Some(known.ok_or(Error::Integrity)?) };
    Ok(LogFilter { from: scope.from, to: scope.to, person: scope.person.clone(), mrn: scope.mrn.clone(), class, outcome })
}

impl App {
    /// CSV of all matching entries (bounded to 100,000), formula cells neutralised, with the
    /// newest checkpoint in the last lines.
    ///
    /// # Errors
    /// `Denied` (a fresh factor is needed); `SecondPerson` for more than [`ALONE_ROWS_MAX`] entries.
    pub async fn export_log(&self, ctx: &Ctx, filter: &LogFilter) -> Result<Vec<u8>> {
        let permit = self.permit(ctx, Action::ExportLog, Resource::Hospital).await?;
        let query = self.log_query(ctx, filter).await?;
        let (first, _) = self.log_documents(filter, &query, (NEWEST, NEWEST), ALONE_ROWS_MAX + 1).await?;
        if first.len() > ALONE_ROWS_MAX {
            self.alone(ctx, RequestKind::ExportLog { scope: scope(filter) }).await?;
        }
        let act = Act::by(self, Side::Records, ctx, Class::Exported).permit(&permit);
        self.write_log(ctx, filter, &query, act).await
    }

    /// The same after a second person agreed: the approval is used up in the commit of the export's
    /// event, which therefore stands in the control log.
    pub(crate) async fn export_log_approved(&self, ctx: &Ctx, filter: &LogFilter, approval: &Approval) -> Result<Vec<u8>> {
        let permit = self.permit(ctx, Action::ExportLog, Resource::Hospital).await?;
        let query = self.log_query(ctx, filter).await?;
        let act = approval.consume(self, Act::by(self, Side::Control, ctx, Class::Exported).permit(&permit))?;
        self.write_log(ctx, filter, &query, act).await
    }

    async fn write_log(&self, ctx: &Ctx, filter: &LogFilter, query: &Query, act: Act<'_>) -> Result<Vec<u8>> {
        let discloses = if sees_patients(ctx) { Discloses::Everything } else { Discloses::Nothing };
        let receipt = act.discloses(discloses).detail("what", "log").commit().await?;
        let mut writer = Sheet::new()?;
        let mut cursor = Some((NEWEST, NEWEST));
        let mut written = 0;
        while let Some(at) = cursor.filter(|_| written < EXPORT_MAX) {
            let (documents, next) = self.log_documents(filter, query, at, BATCH.min(EXPORT_MAX - written)).await?;
            for row in self.log_rows(ctx, &documents, &receipt).await? {
                writer.write(&row)?;
                written += 1;
            }
            cursor = next;
        }
        self.with_checkpoints(writer).await
    }

    /// A few entries in the same columns, with the same last lines.
    pub(crate) async fn rows_as_csv(&self, rows: &[LogRow]) -> Result<Vec<u8>> {
        let mut writer = Sheet::new()?;
        for row in rows {
            writer.write(row)?;
        }
        self.with_checkpoints(writer).await
    }

    async fn with_checkpoints(&self, writer: Sheet) -> Result<Vec<u8>> {
        let mut bytes = writer.0.into_inner().map_err(|error| Error::Internal(error.to_string()))?;
        for side in Side::BOTH {
            for stream in self.store(side).streams().await? {
                let note = self.store(side).checkpoint(&stream).await?.unwrap_or_default();
                note.lines().for_each(|line| bytes.extend_from_slice(format!("# {line}\n").as_bytes()));
            }
        }
        Ok(bytes)
    }
}

/// The file in the making, with its head.
struct Sheet(csv::Writer<Vec<u8>>);

impl Sheet {
    fn new() -> Result<Self> {
        let mut sheet = Self(csv::Writer::from_writer(Vec::new()));
        sheet.record(["time", "stream", "index", "event", "class", "outcome", "person", "role", "address", "rule", "patient", "reason"])?;
        Ok(sheet)
    }
    fn write(&mut self, row: &LogRow) -> Result<()> {
        self.record(export_cells(row))
    }
    fn record<T: AsRef<[u8]>>(&mut self, cells: [T; 12]) -> Result<()> {
        self.0.write_record(cells).map_err(|error| Error::Internal(error.to_string()))
    }
}

fn export_cells(row: &LogRow) -> [String; 12] {
    let actor = &row.event.actor;
    let patient = row.event.subject.as_ref().map_or_else(String::new, |subject| subject.patient.to_string());
    let outcome = match actor.outcome {
        outcome if outcome == Outcome::Success as u8 => "success",
        outcome if outcome == Outcome::Denied as u8 => "denied",
        _ => "failure",
    };
    [
        row.event.time().rfc3339(),
        row.stream.clone(),
        row.index.to_string(),
        hex::encode(row.event.event.0),
        row.event.class().map_or("unknown", Class::name).to_owned(),
        outcome.to_owned(),
        row.who.clone(),
        row.role.clone(),
        actor.who.address.clone(),
        actor.rule.clone().unwrap_or_default(),
        patient,
        row.reason.clone(),
    ]
    .map(|cell| neutral(&cell))
}

/// A cell that a spreadsheet would run as a formula gets a quote in front (OWASP CSV injection).
fn neutral(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}
