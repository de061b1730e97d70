//! Import of the public stroke data layout; the rules stand in `docs/import.md`.
//!
//! A row becomes a patient without name and care team, and one assessment that keeps the row's id.
//! That id is how a later file finds the assessment again, whatever became of the patient's
//! number. A file never overwrites what somebody wrote, amended or voided here.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt};
use wardkeep_domain::name::Mrn;
use wardkeep_domain::patient::{Allergies, Born, Contacts, Patient};
use wardkeep_domain::stroke::import::{ERRORS_MAX, REDACTED, Row, RowError, parse};
use wardkeep_domain::stroke::{Assessment, AssessmentState, IMPORT_REASON, Source};
use wardkeep_domain::{AssessmentId, PatientId};
use wardkeep_ledger::{Class, Discloses, Outcome};
use wardkeep_policy::{Action, Permit, Resource};
use wardkeep_store::{DocId, Document, Find};
use wardkeep_vault::PatientKey;

use super::projection;
use crate::act::{Act, Side};
use crate::{App, Ctx, Error, Result, kinds};

/// What an import would do, or did.
#[derive(Clone, Debug, Default)]
pub struct ImportReport {
    /// Rows that are good.
    pub good: u64,
    /// Rows that are refused.
    pub refused: u64,
    /// The first of them.
    pub errors: Vec<RowError>,
    /// Good rows that are here already, unchanged.
    pub unchanged: u64,
    /// Rows written (0 for a check, or when refused rows stopped everything).
    pub written: u64,
}

/// Progress: (done, of). Called from time to time.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

/// Rows that become durable together: a file up to this length goes in whole or not at all.
pub const PART_ROWS_MAX: usize = 20_000;
/// Rows prepared at once; their new keys share one event.
const BATCH: usize = 512;
/// Numbers looked up side by side.
const LOOKUPS: usize = 16;

const CHANGED_MEANWHILE: &str = "Somebody changed one of these patients at the same time. Import the file again.";

/// A good row that is not here yet in this form.
enum Change {
    New(Row),
    Again(Row, AssessmentId),
}

/// What a file asks for.
struct Plan {
    changes: Vec<Change>,
    report: ImportReport,
}

impl Plan {
    fn refuse(&mut self, line: u64, reason: &str) {
        self.report.refused += 1;
        let (column, value) = ("id".to_owned(), REDACTED.to_owned());
        self.report.errors.push(RowError { line, column, value, reason: reason.to_owned() });
    }
    fn finish(mut self) -> Self {
        self.report.good = self.report.unchanged + self.changes.len() as u64;
        self.report.errors.sort_by_key(|error| error.line);
        self.report.errors.truncate(ERRORS_MAX);
        self
    }
}

/// The number of an imported patient. No hospital's own numbers begin like this by chance.
fn mrn(source_id: u64) -> Result<Mrn> {
    Mrn::parse(&format!("SRC-{source_id}")).map_err(|error| Error::Internal(error.message))
}

/// Why a row may not amend the assessment that has its id; `None` when it may.
fn refusal(there: &projection::Row) -> Option<&'static str> {
    if there.voided() {
        Some("The assessment with this id was voided here. Take the row out, or write a new assessment in the chart.")
    } else if !there.imported() {
        Some("The assessment with this id was written here and differs from the row. Amend it in the chart, and take the row out.")
    } else if there.amended_here {
        Some("The assessment with this id was amended here and differs from the row. Amend it in the chart, and take the row out.")
    } else {
        None
    }
}

impl App {
    /// Reads the file and says what an import would do; changes nothing.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn check_import(&self, ctx: &Ctx, bytes: &[u8]) -> Result<ImportReport> {
        self.permit(ctx, Action::ImportAssessments, Resource::Hospital).await?;
        Ok(self.plan_import(ctx, bytes).await?.report)
    }

    /// All or nothing, unless `keep_good`. The same file twice changes nothing and says so.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`; `Refused` when somebody changed the same patients meanwhile, or
    /// when a file of more than [`PART_ROWS_MAX`] rows stopped after its first part.
    pub async fn import(&self, ctx: &Ctx, bytes: &[u8], keep_good: bool, progress: Progress<'_>) -> Result<ImportReport> {
        let permit = self.permit(ctx, Action::ImportAssessments, Resource::Hospital).await?;
        let Plan { changes, mut report } = self.plan_import(ctx, bytes).await?;
        if report.refused > 0 && !keep_good {
            let act = import_event(self, ctx, &permit, &report).outcome(Outcome::Failed);
            act.detail("reason", "rows are refused").commit().await?;
            return Ok(report);
        }
        let of = changes.len() as u64;
        // A file that changes nothing is an event too.
        let parts = changes.chunks(PART_ROWS_MAX).chain(changes.is_empty().then_some(changes.as_slice()));
        for part in parts {
            let written = self.write_part(ctx, &permit, part, &report, &|done| progress(report.written + done, of)).await;
            written.map_err(|error| stopped(error, report.written, of))?;
            report.written += part.len() as u64;
        }
        Ok(report)
    }

    async fn plan_import(&self, ctx: &Ctx, bytes: &[u8]) -> Result<Plan> {
        let parsed = parse(bytes);
        let report = ImportReport { refused: parsed.refused, errors: parsed.errors, ..ImportReport::default() };
        let mut plan = Plan { changes: Vec::new(), report };
        let known = self.projected(ctx.visit()).await?.by_file_id();
        let mut new = Vec::new();
        for row in parsed.rows {
            match known.get(&row.source_id) {
                None => new.push(row),
                Some(there) if there.attributes() == Some(row.attributes) => plan.report.unchanged += 1,
                Some(there) => match refusal(there) {
                    Some(reason) => plan.refuse(row.line, reason),
                    None => plan.changes.push(Change::Again(row, there.id)),
                },
            }
        }
        let taken = self.numbers_taken(&new).await?;
        for (row, taken) in new.into_iter().zip(taken) {
            if taken {
                plan.refuse(
                    row.line,
                    "A patient who was not imported has the number that belongs to this id. Correct that patient's MRN first.",
                );
            } else {
                plan.changes.push(Change::New(row));
            }
        }
        Ok(plan.finish())
    }

    /// For each row: does a patient hold its number already?
    async fn numbers_taken(&self, rows: &[Row]) -> Result<Vec<bool>> {
        let anybody = Find { kind: kinds::PATIENT, all_of: Vec::new(), before: None, since: None, limit: 1 };
        if self.records.find(&anybody).await?.is_empty() {
            return Ok(vec![false; rows.len()]);
        }
        let numbers: Vec<Mrn> = rows.iter().map(|row| mrn(row.source_id)).collect::<Result<_>>()?;
        let holders = numbers.into_iter().map(|mrn| async move { Ok(self.patient_of_mrn(&mrn).await?.is_some()) });
        futures::stream::iter(holders).buffered(LOOKUPS).try_collect().await
    }

    /// Rows that go in together, each with its own event about its patient.
    async fn write_part(
        &self,
        ctx: &Ctx,
        permit: &Permit,
        part: &[Change],
        report: &ImportReport,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<()> {
        let mut whole = import_event(self, ctx, permit, report).detail("written", part.len().to_string());
        let mut done = 0;
        for batch in part.chunks(BATCH) {
            let new: Vec<&Row> = batch.iter().filter_map(|change| if let Change::New(row) = change { Some(row) } else { None }).collect();
            if !new.is_empty() {
                let ids: Vec<PatientId> = new.iter().map(|_| PatientId::from_bytes(ctx.visit().new_id())).collect();
                let keys = self.make_patient_keys(ctx, permit, &ids).await?;
                for (row, key) in new.into_iter().zip(&keys) {
                    whole.together(self.new_row(ctx, permit, row, key)?)?;
                }
            }
            let mut old = self.before_import(ctx, permit, batch).await?;
            for change in batch {
                let Change::Again(row, id) = change else { continue };
                let (document, key, assessment) = old.remove(id).ok_or_else(|| Error::Refused(CHANGED_MEANWHILE.to_owned()))?;
                whole.together(self.changed_row(ctx, permit, row, &document, &key, &assessment)?)?;
            }
            done += batch.len() as u64;
            progress(done);
        }
        whole.commit().await.map(|_| ())
    }

    fn new_row<'a>(&'a self, ctx: &'a Ctx, permit: &Permit, row: &Row, key: &PatientKey) -> Result<Act<'a>> {
        let (now, by, attributes) = (ctx.now(), ctx.account_id(), row.attributes);
        let patient = Patient {
            id: PatientId::from_bytes(key.owner()),
            mrn: mrn(row.source_id)?,
            name: None,
            born: Born::AgedYears { years: attributes.age_years, at: now },
            sex: attributes.sex,
            contacts: Contacts::default(),
            allergies: Allergies::NotRecorded,
            created_by: by,
            created_at: now,
        };
        let assessment = Assessment {
            id: AssessmentId::from_bytes(ctx.visit().new_id()),
            patient: patient.id,
            source: Some(Source { id: row.source_id, amended_here: false }),
            attributes,
            assessed_at: now,
            state: AssessmentState::Signed,
            author: by,
            written_by: by,
            written_at: now,
        };
        let mut act = Act::by(self, Side::Records, ctx, Class::Imported).permit(permit).subject(key);
        self.put_patient_document(&mut act, key, 1, &patient)?;
        self.put_assessment(&mut act, key, 1, &assessment)?;
        Ok(act)
    }

    fn changed_row<'a>(
        &'a self,
        ctx: &'a Ctx,
        permit: &Permit,
        row: &Row,
        document: &Document,
        key: &PatientKey,
        old: &Assessment,
    ) -> Result<Act<'a>> {
        let new = old.import_again(row.attributes, ctx.account_id(), ctx.now());
        let new = new.map_err(|_| Error::Refused(CHANGED_MEANWHILE.to_owned()))?;
        let mut act =
            Act::by(self, Side::Records, ctx, Class::AssessmentAmended).permit(permit).subject(key).detail("reason", IMPORT_REASON);
        self.put_assessment(&mut act, key, document.version.next().0, &new)?;
        Ok(act)
    }

    /// Opens the assessments that a batch amends, under one event that names them.
    async fn before_import(
        &self,
        ctx: &Ctx,
        permit: &Permit,
        batch: &[Change],
    ) -> Result<HashMap<AssessmentId, (Document, PatientKey, Assessment)>> {
        let ids: Vec<DocId> =
            batch.iter().filter_map(|change| if let Change::Again(_, id) = change { Some(DocId(id.bytes())) } else { None }).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let documents = self.records.get_many(kinds::ASSESSMENT, &ids).await?;
        let patients: Vec<PatientId> = documents.iter().map(|document| PatientId::from_bytes(document.owner.0)).collect();
        let mut act = Act::by(self, Side::Records, ctx, Class::RecordRead)
            .permit(permit)
            .discloses(Discloses::Owners(patients.iter().map(|patient| patient.bytes()).collect()))
            .detail("part", "before an import");
        for document in &documents {
            act.reads(document);
        }
        let receipt = act.commit().await?;
        let keys = self.patient_keys(&patients, ctx.now()).await?;
        let mut old = HashMap::with_capacity(documents.len());
        for (document, patient) in documents.into_iter().zip(&patients) {
            let key = keys.get(patient).cloned().ok_or(Error::Integrity)?;
            let assessment: Assessment = self.open_patient_doc(kinds::RECORDS, &key, &document, &receipt)?.body;
            // Between the plan and now somebody may have amended it here.
            if !assessment.source.is_none_or(|source| source.amended_here) {
                old.insert(assessment.id, (document, key, assessment));
            }
        }
        Ok(old)
    }
}

/// The event about the file as a whole.
fn import_event<'a>(app: &'a App, ctx: &'a Ctx, permit: &Permit, report: &ImportReport) -> Act<'a> {
    Act::by(app, Side::Records, ctx, Class::Imported)
        .permit(permit)
        .detail("what", "stroke assessments")
        .detail("good", report.good.to_string())
        .detail("unchanged", report.unchanged.to_string())
        .detail("refused", report.refused.to_string())
}

/// Says how far a long import came and how to go on.
fn stopped(error: Error, done: u64, of: u64) -> Error {
    let error = match error {
        Error::Conflict { .. } | Error::Refused(_) => Error::Refused(CHANGED_MEANWHILE.to_owned()),
        error => error,
    };
    if done == 0 {
        return error;
    }
    Error::Refused(format!(
        "The import stopped after {done} of {of} rows: {error}. Those rows are in; import the same file again to go on."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_import_that_stops_says_how_far_it_came_and_how_to_go_on() {
        let words = stopped(Error::Unavailable("the disk is full".to_owned()), 20_000, 30_000).to_string();
        assert!(words.starts_with("The import stopped after 20000 of 30000 rows: ") && words.contains("the disk is full"), "{words}");
        assert!(words.ends_with("Those rows are in; import the same file again to go on."), "{words}");
        assert!(matches!(stopped(Error::Unavailable("the disk is full".to_owned()), 0, 30_000), Error::Unavailable(_)));
        assert!(matches!(stopped(Error::Conflict { current: 2 }, 0, 9), Error::Refused(words) if words == CHANGED_MEANWHILE));
    }
}
