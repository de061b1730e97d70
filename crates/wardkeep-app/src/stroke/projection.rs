//! A compact, de-identified view of all assessments in memory, kept in step with the store and
//! never on disk in the clear. Lists, summaries and imports look things up in it.
//!
//! It is filled on first use, not at the start, and caught up before each use with the versions
//! that came since. Plaintext for it is opened under the job event `stroke-projection`; nothing is
//! logged when nothing changed. It decides what to show; what is shown is opened anew and checked.

use std::collections::{HashMap, HashSet};

use tokio::sync::{RwLock, RwLockReadGuard};
use wardkeep_domain::patient::Sex;
use wardkeep_domain::stroke::summary::Summary;
use wardkeep_domain::stroke::{Assessment, AssessmentState, Attributes, Filter, Residence, Smoking, WorkType};
use wardkeep_domain::{AssessmentId, PatientId};
use wardkeep_ledger::{Class, Discloses, Receipt};
use wardkeep_policy::{Action, Resource};
use wardkeep_store::{Document, Seq};
use wardkeep_vault::PatientKey;

use crate::act::{Act, Side};
use crate::{App, Result, Visit, kinds};

/// See the module. One task at a time catches up; the others wait for it.
#[derive(Debug, Default)]
pub struct Projection(RwLock<Rows>);

/// Name of the job in the log.
const JOB: &str = "stroke-projection";
/// Sealed versions read at once.
const BATCH: usize = 1000;
/// First of the ids that stand for assessments written here in exported files: 15 digits, which a
/// spreadsheet still keeps exactly.
const DERIVED_FIRST: u64 = 100_000_000_000_000;
const DERIVED_COUNT: u64 = 900_000_000_000_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Signed,
    Voided,
    /// It did not open: kept, shown as failed, never counted.
    Unreadable,
}

/// One assessment without a name or number of the patient: 56 bytes, so that 100,000 take under 6 MB.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub seq: u64,
    pub id: AssessmentId,
    /// Id in the file it came from; 0 when it was written here.
    source: u64,
    /// Ten-thousandths, as many as the layout's parser lets through.
    glucose: u32,
    /// Ten-thousandths; 0 when it was not recorded.
    bmi: u32,
    /// Hundredths of a year.
    age: u16,
    sex: Sex,
    work_type: WorkType,
    residence: Residence,
    smoking: Smoking,
    hypertension: bool,
    heart_disease: bool,
    ever_married: bool,
    stroke: bool,
    state: State,
    /// Amended here after it was imported.
    pub amended_here: bool,
}

/// Exact for every value that the parser takes.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped first")]
fn scaled(value: f64, parts: f64) -> u32 {
    (value * parts).round().clamp(0.0, f64::from(u32::MAX)) as u32
}

impl Row {
    fn new(document: &Document, assessment: Option<&Assessment>) -> Self {
        let attributes = assessment.map(|assessment| assessment.attributes);
        let source = assessment.and_then(|assessment| assessment.source);
        let flag = |of: fn(&Attributes) -> bool| attributes.as_ref().is_some_and(of);
        let state = match assessment.map(|assessment| &assessment.state) {
            None => State::Unreadable,
            Some(AssessmentState::Voided { .. }) => State::Voided,
            Some(AssessmentState::Signed | AssessmentState::Amended { .. }) => State::Signed,
        };
        Self {
            seq: document.seq.0,
            id: AssessmentId::from_bytes(document.id.0),
            source: source.map_or(0, |source| source.id),
            glucose: attributes.map_or(0, |a| scaled(a.avg_glucose_mg_dl, 10_000.0)),
            bmi: attributes.and_then(|a| a.bmi).map_or(0, |bmi| scaled(bmi, 10_000.0)),
            age: attributes.map_or(0, |a| u16::try_from(scaled(a.age_years, 100.0)).unwrap_or(u16::MAX)),
            sex: attributes.map_or(Sex::NotKnown, |a| a.sex),
            work_type: attributes.map_or(WorkType::Private, |a| a.work_type),
            residence: attributes.map_or(Residence::Urban, |a| a.residence),
            smoking: attributes.map_or(Smoking::Unknown, |a| a.smoking),
            hypertension: flag(|a| a.hypertension),
            heart_disease: flag(|a| a.heart_disease),
            ever_married: flag(|a| a.ever_married),
            stroke: flag(|a| a.stroke),
            state,
            amended_here: source.is_some_and(|source| source.amended_here),
        }
    }
    /// What it says; `None` when it did not open.
    pub(crate) fn attributes(&self) -> Option<Attributes> {
        (self.state != State::Unreadable).then(|| Attributes {
            sex: self.sex,
            age_years: f64::from(self.age) / 100.0,
            hypertension: self.hypertension,
            heart_disease: self.heart_disease,
            ever_married: self.ever_married,
            work_type: self.work_type,
            residence: self.residence,
            avg_glucose_mg_dl: f64::from(self.glucose) / 10_000.0,
            bmi: (self.bmi > 0).then(|| f64::from(self.bmi) / 10_000.0),
            smoking: self.smoking,
            stroke: self.stroke,
        })
    }
    pub(crate) fn voided(&self) -> bool {
        self.state == State::Voided
    }
    pub(crate) fn imported(&self) -> bool {
        self.source != 0
    }
    /// Its id in an exported file: the one it was imported under, or one derived from its own.
    pub(crate) fn file_id(&self) -> u64 {
        if self.imported() {
            return self.source;
        }
        let hash = wardkeep_vault::vault::digest(&[b"stroke export".as_slice(), &self.id.bytes()].concat());
        DERIVED_FIRST + hash.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)) % DERIVED_COUNT
    }
    /// Nobody can tell whether an unreadable one matches, so no filter hides it.
    fn listed(&self, filter: &Filter) -> bool {
        !self.voided() && self.attributes().is_none_or(|attributes| filter.keeps(&attributes))
    }
}

/// Current versions, oldest first.
#[derive(Default)]
pub(crate) struct Rows {
    rows: Vec<Row>,
    /// Everything up to this sequence is in.
    seen: u64,
    /// Tombstones up to this sequence are taken account of.
    erasures: u64,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rows({})", self.rows.len())
    }
}

impl Rows {
    /// Takes versions in, oldest first; a newer one takes the place of the one before.
    fn take(&mut self, versions: Vec<(u64, Row)>) {
        let newer: HashSet<AssessmentId> = versions.iter().filter(|(version, _)| *version > 1).map(|(_, row)| row.id).collect();
        if !newer.is_empty() {
            self.rows.retain(|row| !newer.contains(&row.id));
        }
        let last: HashMap<AssessmentId, u64> = versions.iter().map(|(_, row)| (row.id, row.seq)).collect();
        self.seen = versions.last().map_or(self.seen, |(_, row)| row.seq);
        self.rows.extend(versions.into_iter().map(|(_, row)| row).filter(|row| last.get(&row.id) == Some(&row.seq)));
    }
    /// Up to `most` rows that match, newest first, older than the cursor; and the cursor for more.
    pub(crate) fn page(&self, filter: &Filter, after: Option<u64>, most: usize) -> (Vec<Row>, Option<u64>) {
        let end = after.map_or(self.rows.len(), |seq| self.rows.partition_point(|row| row.seq < seq));
        let mut matching = self.rows.get(..end).unwrap_or_default().iter().rev().filter(|row| row.listed(filter));
        let page: Vec<Row> = matching.by_ref().take(most).copied().collect();
        let next = matching.next().and(page.last()).map(|row| row.seq);
        (page, next)
    }
    /// Over everything that opens, is not voided and matches.
    pub(crate) fn summary(&self, filter: &Filter) -> Summary {
        let mut summary = Summary::default();
        let counted = self.rows.iter().filter(|row| !row.voided()).filter_map(Row::attributes);
        counted.filter(|attributes| filter.keeps(attributes)).for_each(|attributes| summary.add(&attributes));
        summary
    }
    /// Everything that opens, by its id in a file.
    pub(crate) fn by_file_id(&self) -> HashMap<u64, Row> {
        self.rows.iter().filter(|row| row.state != State::Unreadable).map(|row| (row.file_id(), *row)).collect()
    }
    /// What an export holds, oldest first, with ids in the file; and how many do not open.
    pub(crate) fn exported(&self) -> (Vec<(AssessmentId, u64)>, usize) {
        let (unreadable, readable): (Vec<&Row>, Vec<&Row>) =
            self.rows.iter().filter(|row| !row.voided()).partition(|row| row.state == State::Unreadable);
        (readable.into_iter().map(|row| (row.id, row.file_id())).collect(), unreadable.len())
    }
}

impl App {
    /// The projection with everything that is committed by now.
    pub(crate) async fn projected(&self, visit: &Visit) -> Result<RwLockReadGuard<'_, Rows>> {
        let mut rows = self.stroke.0.write().await;
        self.catch_up(visit, &mut rows).await?;
        Ok(rows.downgrade())
    }

    async fn catch_up(&self, visit: &Visit, rows: &mut Rows) -> Result<()> {
        // Rows do not say whose they are, so after an erasure they are gathered anew.
        let tombstones = self.records.changed_since(Some(kinds::TOMBSTONE), Seq(rows.erasures), BATCH).await?;
        if let Some(last) = tombstones.last() {
            *rows = Rows { erasures: last.seq.0, ..Rows::default() };
        }
        let mut changed = self.records.changed_since(Some(kinds::ASSESSMENT), Seq(rows.seen), BATCH).await?;
        if changed.is_empty() {
            return Ok(());
        }
        let job = self.job(visit, JOB);
        let permit = self.permit(&job, Action::RunJob, Resource::Hospital).await?;
        let act = Act::by(self, Side::Records, &job, Class::JobRun).permit(&permit).discloses(Discloses::Everything);
        let receipt = act.detail("after", rows.seen.to_string()).commit().await?;
        while !changed.is_empty() {
            let owners: Vec<PatientId> = changed.iter().map(|document| PatientId::from_bytes(document.owner.0)).collect();
            let keys = self.patient_keys(&owners, visit.now).await?;
            let versions = changed.iter().zip(&owners).map(|(document, owner)| {
                let assessment = keys.get(owner).and_then(|key| self.projected_body(key, document, &receipt));
                (document.version.0, Row::new(document, assessment.as_ref()))
            });
            rows.take(versions.collect());
            changed = self.records.changed_since(Some(kinds::ASSESSMENT), Seq(rows.seen), BATCH).await?;
        }
        Ok(())
    }

    fn projected_body(&self, key: &PatientKey, document: &Document, receipt: &Receipt) -> Option<Assessment> {
        self.open_patient_doc(kinds::RECORDS, key, document, receipt).ok().map(|opened| opened.body)
    }
}

#[cfg(test)]
mod tests {
    use wardkeep_domain::AccountId;
    use wardkeep_domain::date::Moment;
    use wardkeep_domain::stroke::generate::Generator;
    use wardkeep_store::{DocId, Owner, Version};

    use super::*;

    fn row(seq: u64, id: u8, attributes: Attributes) -> Row {
        let nobody = AccountId::from_bytes([0; 16]);
        let (id, patient) = (AssessmentId::from_bytes([id; 16]), PatientId::from_bytes([9; 16]));
        let state = AssessmentState::Signed;
        let at = Moment(0);
        let assessment = Assessment {
            id,
            patient,
            source: None,
            attributes,
            assessed_at: at,
            state,
            author: nobody,
            written_by: nobody,
            written_at: at,
        };
        let (kind, owner) = (kinds::ASSESSMENT, Owner(patient.bytes()));
        let document = Document { kind, id: DocId(id.bytes()), owner, version: Version(1), seq: Seq(seq), sealed: Vec::new() };
        Row::new(&document, Some(&assessment))
    }

    #[test]
    fn a_row_is_small_and_gives_back_exactly_what_it_was_made_of() {
        assert!(size_of::<Row>() <= 56);
        let mut generator = Generator::new(3);
        for seq in 1..2000 {
            let attributes = generator.attributes();
            assert!(row(seq, 1, attributes).attributes() == Some(attributes));
        }
    }

    #[test]
    fn a_newer_version_takes_the_place_of_the_older_also_within_one_batch() {
        let attributes = Generator::new(1).attributes();
        let mut rows = Rows::default();
        rows.take(vec![(1, row(1, 1, attributes)), (1, row(2, 2, attributes)), (2, row(3, 1, attributes))]);
        rows.take(vec![(2, row(4, 2, attributes)), (3, row(5, 2, attributes))]);
        let seqs: Vec<u64> = rows.rows.iter().map(|row| row.seq).collect();
        assert_eq!((seqs, rows.seen), (vec![3, 5], 5));
    }
}
