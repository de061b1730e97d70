//! Stroke assessments: over all patients and of one, written, amended, voided, imported, exported.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use wardkeep_app::Error;
use wardkeep_app::stroke::import::ImportReport;
use wardkeep_app::stroke::{AssessmentRow, AssessmentView};
use wardkeep_domain::stroke::summary::{Moments, Summary};
use wardkeep_domain::stroke::{self, AssessmentForm, AssessmentState, Filter, Smoking};
use wardkeep_domain::{AssessmentId, FieldError, FieldErrors, PatientId};

use super::answer::{Answer, Csv, Done, Made, Refused, Said};
use super::patients::Patient;
use super::shapes::{self, NewId, Proof, State, VoidInput, badge};
use super::take::{Asked, Body, Caller, CsvBody, Ids, cursor};
use crate::error::{Shown, show};

/// Attributes of the public layout, with its names and words.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    #[schema(schema_with = shapes::genders)]
    pub gender: String,
    /// Years, with up to two decimals; 0 to 130.
    pub age: f64,
    pub hypertension: bool,
    pub heart_disease: bool,
    pub ever_married: bool,
    #[schema(schema_with = shapes::work_types)]
    pub work_type: String,
    #[schema(schema_with = shapes::residences)]
    pub residence_type: String,
    /// mg/dL, 10 to 1000.
    pub avg_glucose_level: f64,
    /// kg/m2, 5 to 150; null when it was not recorded.
    pub bmi: Option<f64>,
    #[schema(schema_with = shapes::smokings)]
    pub smoking_status: String,
    /// The outcome.
    pub stroke: bool,
}

impl From<stroke::Attributes> for Attributes {
    fn from(attributes: stroke::Attributes) -> Self {
        // The form speaks the layout's words.
        let form = AssessmentForm::from_attributes(&attributes);
        Self {
            gender: form.gender,
            age: attributes.age_years,
            hypertension: attributes.hypertension,
            heart_disease: attributes.heart_disease,
            ever_married: attributes.ever_married,
            work_type: form.work_type,
            residence_type: form.residence_type,
            avg_glucose_level: attributes.avg_glucose_mg_dl,
            bmi: attributes.bmi,
            smoking_status: form.smoking_status,
            stroke: attributes.stroke,
        }
    }
}

impl Attributes {
    fn form(self) -> AssessmentForm {
        let zero_one = |yes: bool| if yes { "1" } else { "0" }.to_owned();
        AssessmentForm {
            gender: self.gender,
            age: self.age.to_string(),
            hypertension: zero_one(self.hypertension),
            heart_disease: zero_one(self.heart_disease),
            ever_married: if self.ever_married { "Yes" } else { "No" }.to_owned(),
            work_type: self.work_type,
            residence_type: self.residence_type,
            avg_glucose_level: self.avg_glucose_level.to_string(),
            bmi: self.bmi.map_or_else(String::new, |bmi| bmi.to_string()),
            smoking_status: self.smoking_status,
            stroke: zero_one(self.stroke),
            reason: String::new(),
            version: String::new(),
        }
    }
}

/// An assessment as written.
#[derive(Serialize, ToSchema)]
pub struct AssessmentContent {
    pub attributes: Attributes,
    #[schema(format = DateTime)]
    pub assessed_at: String,
    #[schema(schema_with = shapes::states)]
    pub state: &'static str,
    /// Why it was amended or voided.
    pub reason: Option<String>,
    /// When this version was written.
    #[schema(format = DateTime)]
    pub written_at: String,
}

impl From<stroke::Assessment> for AssessmentContent {
    fn from(assessment: stroke::Assessment) -> Self {
        let (state, reason): State = match assessment.state {
            AssessmentState::Signed => ("signed", None),
            AssessmentState::Amended { reason } => ("amended", Some(reason)),
            AssessmentState::Voided { reason } => ("voided", Some(reason)),
        };
        Self {
            attributes: assessment.attributes.into(),
            assessed_at: assessment.assessed_at.rfc3339(),
            state,
            reason,
            written_at: assessment.written_at.rfc3339(),
        }
    }
}

/// One version of an assessment.
#[derive(Serialize, ToSchema)]
pub struct Assessment {
    #[schema(format = "uuid")]
    pub id: String,
    #[schema(format = "uuid")]
    pub patient: String,
    pub version: u64,
    #[schema(schema_with = shapes::badges)]
    pub badge: &'static str,
    pub author: String,
    /// Null when the check failed and it cannot be opened.
    pub content: Option<AssessmentContent>,
}

impl From<AssessmentView> for Assessment {
    fn from(view: AssessmentView) -> Self {
        Self {
            id: view.id.to_string(),
            patient: view.patient.to_string(),
            version: view.version,
            badge: badge(view.badge),
            author: view.author,
            content: view.assessment.map(AssessmentContent::from),
        }
    }
}

/// What a list or a summary is narrowed by.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct FilterQuery {
    /// Years, 0 to 130.
    pub age_min: Option<f64>,
    pub age_max: Option<f64>,
    pub stroke: Option<bool>,
    pub hypertension: Option<bool>,
    /// `never smoked`, `formerly smoked`, `smokes` or `Unknown`.
    pub smoking_status: Option<String>,
    /// `next` of the page before; lists alone.
    pub after: Option<String>,
}

impl FilterQuery {
    fn filter(&self) -> Result<Filter, FieldErrors> {
        let mut errors = FieldErrors::new();
        let mut check = |field, age: Option<f64>| {
            if age.is_some_and(|age| !(0.0..=130.0).contains(&age)) {
                errors.push(FieldError::new(field, "Give an age from 0 to 130."));
            }
        };
        check("age_min", self.age_min);
        check("age_max", self.age_max);
        if self.age_min.zip(self.age_max).is_some_and(|(min, max)| min > max) {
            errors.push(FieldError::new("age_max", "Give an age that is not below the first one."));
        }
        let smoking = self.smoking_status.as_deref().map(Smoking::parse).transpose();
        let smoking = errors.take(smoking);
        let (age_min, age_max) = (self.age_min, self.age_max);
        errors.into_result(smoking.map(|smoking| Filter {
            age_min,
            age_max,
            stroke: self.stroke,
            hypertension: self.hypertension,
            smoking,
        }))
    }
}

/// An assessment in the list over all patients: without a name.
#[derive(Serialize, ToSchema)]
pub struct AssessmentLine {
    pub mrn: String,
    /// The caller may open the chart.
    pub in_care: bool,
    pub assessment: Assessment,
}

impl From<AssessmentRow> for AssessmentLine {
    fn from(row: AssessmentRow) -> Self {
        Self { mrn: row.mrn, in_care: row.in_care, assessment: row.view.into() }
    }
}

#[derive(Serialize, ToSchema)]
pub struct AssessmentList {
    pub items: Vec<AssessmentLine>,
    pub next: Option<String>,
}

pub async fn list(caller: Caller, Asked(query): Asked<FilterQuery>) -> Answer<Said<AssessmentList>> {
    let after = cursor(query.after.as_deref())?;
    let page = caller.app().list_assessments(&caller.ctx, &query.filter()?, after).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Said(AssessmentList { items: page.items.into_iter().map(AssessmentLine::from).collect(), next }))
}

/// Figures of one measure; null where there is nothing to take them from.
#[derive(Serialize, ToSchema)]
pub struct Measure {
    pub count: u64,
    pub mean: Option<f64>,
    /// Sample standard deviation.
    pub sd: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
}

impl From<&Moments> for Measure {
    fn from(moments: &Moments) -> Self {
        let some = |value: f64| (moments.count > 0).then_some(value);
        Self { count: moments.count, mean: some(moments.mean), sd: moments.sd(), min: some(moments.min), max: some(moments.max) }
    }
}

/// Rows and strokes of one group.
#[derive(Serialize, ToSchema)]
pub struct Group {
    /// A smoking status, or an age band such as `40-49` or `90+`.
    pub group: String,
    pub rows: u64,
    pub strokes: u64,
}

fn group(group: impl Into<String>, (rows, strokes): (u64, u64)) -> Group {
    Group { group: group.into(), rows, strokes }
}

/// Aggregates over all assessments that are not voided and match the filter.
#[derive(Serialize, ToSchema)]
pub struct StrokeSummary {
    pub rows: u64,
    pub strokes: u64,
    pub age: Measure,
    pub age_with_stroke: Measure,
    pub age_without_stroke: Measure,
    pub median_age: Option<f64>,
    pub glucose: Measure,
    pub bmi: Measure,
    pub hypertension: u64,
    pub hypertension_with_stroke: u64,
    pub heart_disease: u64,
    pub heart_disease_with_stroke: u64,
    pub by_smoking: Vec<Group>,
    pub by_age: Vec<Group>,
}

impl From<Summary> for StrokeSummary {
    fn from(summary: Summary) -> Self {
        let band = |(at, figures): (usize, (u64, u64))| {
            let from = at * 10;
            group(if from == 90 { "90+".to_owned() } else { format!("{from}-{}", from + 9) }, figures)
        };
        Self {
            rows: summary.rows,
            strokes: summary.strokes,
            median_age: summary.median_age(),
            age: (&summary.age).into(),
            age_with_stroke: (&summary.age_with_stroke).into(),
            age_without_stroke: (&summary.age_without_stroke).into(),
            glucose: (&summary.glucose).into(),
            bmi: (&summary.bmi).into(),
            hypertension: summary.hypertension,
            hypertension_with_stroke: summary.hypertension_with_stroke,
            heart_disease: summary.heart_disease,
            heart_disease_with_stroke: summary.heart_disease_with_stroke,
            by_smoking: Smoking::ALL.iter().zip(summary.by_smoking).map(|(smoking, figures)| group(smoking.code(), figures)).collect(),
            by_age: summary.by_age_band.into_iter().enumerate().map(band).collect(),
        }
    }
}

pub async fn summary(caller: Caller, Asked(query): Asked<FilterQuery>) -> Answer<Said<StrokeSummary>> {
    Ok(Said(caller.app().stroke_summary(&caller.ctx, &query.filter()?).await?.into()))
}

/// A patient's assessments, newest first.
#[derive(Serialize, ToSchema)]
pub struct PatientAssessments {
    pub patient: Patient,
    pub items: Vec<Assessment>,
}

pub async fn of_patient(caller: Caller, Ids(patient): Ids<PatientId>) -> Answer<Said<PatientAssessments>> {
    let (patient, assessments) = caller.app().patient_assessments(&caller.ctx, patient).await?;
    Ok(Said(PatientAssessments { patient: patient.into(), items: assessments.into_iter().map(Assessment::from).collect() }))
}

/// An assessment with its versions and proof.
#[derive(Serialize, ToSchema)]
pub struct AssessmentDetail {
    pub patient: Patient,
    pub current: Assessment,
    /// Oldest first.
    pub versions: Vec<Assessment>,
    pub proof: Proof,
}

pub async fn read(caller: Caller, Ids((patient, assessment)): Ids<(PatientId, AssessmentId)>) -> Answer<Said<AssessmentDetail>> {
    let detail = caller.app().read_assessment(&caller.ctx, patient, assessment).await?;
    Ok(Said(AssessmentDetail {
        patient: detail.patient.into(),
        current: detail.current.into(),
        versions: detail.versions.into_iter().map(Assessment::from).collect(),
        proof: detail.proof.into(),
    }))
}

pub async fn write(caller: Caller, Ids(patient): Ids<PatientId>, Body(input): Body<Attributes>) -> Answer<Made<NewId>> {
    Ok(Made(NewId::new(caller.app().write_assessment(&caller.ctx, patient, &input.form()).await?)))
}

/// All attributes of the next version.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssessmentAmend {
    /// The version that was read.
    pub version: u64,
    /// 5 to 500 characters.
    pub reason: String,
    pub attributes: Attributes,
}

pub async fn amend(
    caller: Caller,
    Ids((patient, assessment)): Ids<(PatientId, AssessmentId)>,
    Body(input): Body<AssessmentAmend>,
) -> Answer<Done> {
    let form = AssessmentForm { version: input.version.to_string(), reason: input.reason, ..input.attributes.form() };
    caller.app().amend_assessment(&caller.ctx, patient, assessment, &form).await?;
    Ok(Done)
}

pub async fn void(
    caller: Caller,
    Ids((patient, assessment)): Ids<(PatientId, AssessmentId)>,
    Body(input): Body<VoidInput>,
) -> Answer<Done> {
    let form = AssessmentForm { version: input.version.to_string(), reason: input.reason, ..AssessmentForm::default() };
    caller.app().void_assessment(&caller.ctx, patient, assessment, &form).await?;
    Ok(Done)
}

/// How a file is imported.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ImportQuery {
    /// `true`: say what an import would do, and change nothing.
    #[serde(default)]
    pub check: bool,
    /// `true`: import the good rows even when others are refused.
    #[serde(default)]
    pub keep_good: bool,
}

/// A row that was refused.
#[derive(Serialize, ToSchema)]
pub struct RefusedRow {
    /// 1 for the header.
    pub line: u64,
    pub column: String,
    /// The value, when it can identify nobody.
    pub value: String,
    pub reason: String,
}

/// What an import did, or would do.
#[derive(Serialize, ToSchema)]
pub struct ImportOutcome {
    pub good: u64,
    pub refused: u64,
    /// Good rows that are here already.
    pub unchanged: u64,
    pub written: u64,
    /// The first of the refused rows.
    pub errors: Vec<RefusedRow>,
}

impl From<ImportReport> for ImportOutcome {
    fn from(report: ImportReport) -> Self {
        let row = |error: stroke::import::RowError| RefusedRow {
            line: error.line,
            column: error.column,
            value: error.value,
            reason: error.reason,
        };
        Self {
            good: report.good,
            refused: report.refused,
            unchanged: report.unchanged,
            written: report.written,
            errors: report.errors.into_iter().map(row).collect(),
        }
    }
}

pub async fn import(caller: Caller, Asked(query): Asked<ImportQuery>, CsvBody(file): CsvBody) -> Answer<Said<ImportOutcome>> {
    if query.check {
        return Ok(Said(caller.app().check_import(&caller.ctx, &file).await?.into()));
    }
    let report = caller.app().import(&caller.ctx, &file, query.keep_good, &|_, _| {}).await?;
    if report.refused == 0 || query.keep_good {
        return Ok(Said(report.into()));
    }
    let words = format!("Nothing was imported: {} rows were refused. Correct them, or send keep_good=true for the others.", report.refused);
    let shown = Shown { code: "rows_refused", words, ..show(&Error::Invalid(FieldErrors::new())) };
    Err(Refused::With(Box::new(shown), "report", json!(ImportOutcome::from(report))))
}

pub async fn export(caller: Caller) -> Answer<Csv> {
    Ok(Csv(caller.app().export_stroke(&caller.ctx, &|_, _| {}).await?))
}
