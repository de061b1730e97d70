//! Stroke assessments: the list over all patients, the summary with charts, one patient's
//! assessments, import and export.

mod chart;
mod form;
mod import;
mod summary;

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;
use wardkeep_app::integrity::Proof;
use wardkeep_app::stroke::{AssessmentDetail, AssessmentRow, AssessmentView};
use wardkeep_app::{Error, Result};
use wardkeep_domain::account::Role;
use wardkeep_domain::stroke::{AssessmentState, Attributes, Filter, Smoking};
use wardkeep_domain::{AssessmentId, FieldError, FieldErrors};

use crate::extract::Signed;
use crate::page::{FormErrors, Page, render, render_invalid};
use crate::pages::chart::{Frame, patient_id};

pub use form::{amend, amend_page, new_page, void, void_page, write};
pub(crate) use import::csv_file;
pub use import::{FILE_BYTES_MAX, check, confirm, export, export_page, import_page};
pub use summary::summary;

/// The filter as typed; it names no person, so it may stand in a URL.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct FilterForm {
    age_min: String,
    age_max: String,
    stroke: String,
    hypertension: String,
    smoking: String,
    after: String,
}

impl FilterForm {
    fn parse(&self) -> Result<Filter, FieldErrors> {
        let mut errors = FieldErrors::new();
        let age_min = errors.take(age("age_min", &self.age_min)).flatten();
        let age_max = errors.take(age("age_max", &self.age_max)).flatten();
        let choice = |text: &str| match text {
            "1" => Some(true),
            "0" => Some(false),
            _ => None,
        };
        let smoking = Smoking::ALL.iter().copied().find(|s| s.code() == self.smoking);
        if let (Some(min), Some(max)) = (age_min, age_max)
            && min > max
        {
            errors.push(FieldError::new("age_max", "Enter an age that is not below the first one."));
        }
        errors.into_result(Some(Filter {
            age_min,
            age_max,
            stroke: choice(&self.stroke),
            hypertension: choice(&self.hypertension),
            smoking,
        }))
    }
    /// The same filter as a query, with a cursor.
    fn query(&self, after: Option<u64>) -> String {
        let mut query = String::new();
        let after = after.map(|seq| seq.to_string()).unwrap_or_default();
        let fields = [
            ("age_min", &self.age_min),
            ("age_max", &self.age_max),
            ("stroke", &self.stroke),
            ("hypertension", &self.hypertension),
            ("smoking", &self.smoking),
            ("after", &after),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.push(if query.is_empty() { '?' } else { '&' });
            // Only digits, letters and blanks get here: everything else was refused or chosen from a list.
            query.push_str(&format!("{name}={}", value.replace(' ', "+")));
        }
        query
    }
}

fn age(field: &'static str, text: &str) -> Result<Option<f64>, FieldError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let age = text.trim().parse::<f64>().ok().filter(|age| (0.0..=130.0).contains(age));
    age.map(Some).ok_or_else(|| FieldError::new(field, "Enter an age from 0 to 130."))
}

fn smokings() -> Vec<(&'static str, &'static str)> {
    Smoking::ALL.iter().map(|s| (s.code(), s.label())).collect()
}

fn yes_no(value: bool) -> &'static str {
    if value { "Yes" } else { "No" }
}

struct ListRow {
    href: String,
    mrn: String,
    sex: &'static str,
    age: String,
    stroke: bool,
    hypertension: &'static str,
    heart_disease: &'static str,
    glucose: String,
    bmi: String,
    smoking: &'static str,
    badge: &'static str,
}

impl ListRow {
    fn new(row: &AssessmentRow) -> Self {
        let attributes = row.view.assessment.as_ref().map(|a| a.attributes);
        let of = |show: fn(&Attributes) -> String| attributes.as_ref().map_or_else(|| "Cannot be opened".to_owned(), show);
        Self {
            href: if row.in_care { format!("/patients/{}/stroke/{}", row.view.patient, row.view.id) } else { String::new() },
            mrn: row.mrn.clone(),
            sex: attributes.map_or("", |a| a.sex.label()),
            age: of(|a| a.age_years.to_string()),
            stroke: attributes.is_some_and(|a| a.stroke),
            hypertension: attributes.map_or("", |a| yes_no(a.hypertension)),
            heart_disease: attributes.map_or("", |a| yes_no(a.heart_disease)),
            glucose: of(|a| a.avg_glucose_mg_dl.to_string()),
            bmi: of(|a| a.bmi.map_or_else(|| "Not recorded".to_owned(), |bmi| bmi.to_string())),
            smoking: attributes.map_or("", |a| a.smoking.label()),
            badge: row.view.badge.label(),
        }
    }
}

#[derive(Template)]
#[template(path = "stroke/list.html")]
struct ListPage {
    page: Page,
    errors: FormErrors,
    filter: FilterForm,
    smokings: Vec<(&'static str, &'static str)>,
    rows: Vec<ListRow>,
    older: Option<String>,
    query: String,
    manages: bool,
    as_of: String,
}

pub async fn list(signed: Signed, Query(filter): Query<FilterForm>) -> Response {
    let page = signed.page("Stroke assessments");
    let template = |page: Page, errors: FormErrors, filter: FilterForm| ListPage {
        page,
        errors,
        query: filter.query(None),
        filter,
        smokings: smokings(),
        rows: Vec::new(),
        older: None,
        manages: matches!(signed.ctx.role(), Some(Role::Doctor | Role::StrokeCoordinator)),
        as_of: signed.ctx.now().staff(),
    };
    let parsed = match filter.parse() {
        Ok(parsed) => parsed,
        Err(errors) => return render_invalid(&template(page.failed(), errors.into(), filter)),
    };
    match signed.web.app.list_assessments(&signed.ctx, &parsed, filter.after.parse().ok()).await {
        Ok(found) => {
            let older = found.next.map(|next| format!("/stroke{}", filter.query(Some(next))));
            let rows = found.items.iter().map(ListRow::new).collect();
            render(&ListPage { rows, older, ..template(page, FormErrors::default(), filter) })
        }
        Err(error) => signed.fail(&error),
    }
}

/// One version of an assessment as shown.
struct Shown {
    href: String,
    title: &'static str,
    line: String,
    facts: Vec<(&'static str, String)>,
    when: String,
    author: String,
    written_by: String,
    version: u64,
    opened: bool,
    voided: bool,
    reason: String,
    badge: &'static str,
}

fn facts(a: &Attributes) -> Vec<(&'static str, String)> {
    vec![
        ("Stroke", yes_no(a.stroke).to_owned()),
        ("Sex", a.sex.label().to_owned()),
        ("Age in years", a.age_years.to_string()),
        ("Hypertension", yes_no(a.hypertension).to_owned()),
        ("Heart disease", yes_no(a.heart_disease).to_owned()),
        ("Ever married", yes_no(a.ever_married).to_owned()),
        ("Work", a.work_type.label().to_owned()),
        ("Residence", a.residence.label().to_owned()),
        ("Average glucose", format!("{} mg/dl", a.avg_glucose_mg_dl)),
        ("Body mass index", a.bmi.map_or_else(|| "Not recorded".to_owned(), |bmi| bmi.to_string())),
        ("Smoking", a.smoking.label().to_owned()),
    ]
}

impl Shown {
    fn new(frame: &Frame, view: &AssessmentView) -> Self {
        let assessment = view.assessment.as_ref();
        let (voided, reason) = assessment.map_or((false, String::new()), |a| match &a.state {
            AssessmentState::Signed => (false, String::new()),
            AssessmentState::Amended { reason } => (false, reason.clone()),
            AssessmentState::Voided { reason } => (true, reason.clone()),
        });
        Self {
            href: format!("{}/stroke/{}", frame.base, view.id),
            title: assessment.map_or("Cannot be opened", |a| if a.attributes.stroke { "Stroke" } else { "No stroke" }),
            line: assessment.map_or_else(String::new, |a| {
                let a = &a.attributes;
                format!(
                    "Age {}, glucose {} mg/dl, hypertension {}",
                    a.age_years,
                    a.avg_glucose_mg_dl,
                    yes_no(a.hypertension).to_lowercase()
                )
            }),
            facts: assessment.map_or_else(Vec::new, |a| facts(&a.attributes)),
            when: assessment.map_or_else(String::new, |a| frame.when(a.assessed_at)),
            author: view.author.clone(),
            written_by: view.written_by.clone(),
            version: view.version,
            opened: assessment.is_some(),
            voided,
            reason,
            badge: view.badge.label(),
        }
    }
}

#[derive(Template)]
#[template(path = "stroke/patient.html")]
struct PatientPage {
    page: Page,
    frame: Frame,
    rows: Vec<Shown>,
}

pub async fn of_patient(signed: Signed, Path(patient): Path<String>) -> Response {
    let listed = match patient_id(&patient) {
        Ok(id) => signed.web.app.patient_assessments(&signed.ctx, id).await,
        Err(error) => Err(error),
    };
    match listed {
        Ok((view, assessments)) => {
            let frame = Frame::new(&signed, &view, "stroke");
            let rows = assessments.iter().map(|assessment| Shown::new(&frame, assessment)).collect();
            render(&PatientPage { page: signed.page("Stroke assessments"), frame, rows })
        }
        Err(error) => signed.fail(&error),
    }
}

#[derive(Template)]
#[template(path = "stroke/detail.html")]
struct DetailPage {
    page: Page,
    frame: Frame,
    current: Shown,
    versions: Vec<Shown>,
    badge: &'static str,
    proof: Proof,
}

async fn read(signed: &Signed, patient: &str, assessment: &str) -> Result<AssessmentDetail> {
    let assessment = AssessmentId::parse(assessment).ok_or(Error::NotFound)?;
    signed.web.app.read_assessment(&signed.ctx, patient_id(patient)?, assessment).await
}

pub async fn detail(signed: Signed, Path((patient, assessment)): Path<(String, String)>) -> Response {
    match read(&signed, &patient, &assessment).await {
        Ok(detail) => {
            let frame = Frame::new(&signed, &detail.patient, "stroke");
            render(&DetailPage {
                page: signed.page("Stroke assessment"),
                current: Shown::new(&frame, &detail.current),
                versions: detail.versions.iter().map(|version| Shown::new(&frame, version)).collect(),
                badge: detail.current.badge.label(),
                proof: detail.proof,
                frame,
            })
        }
        Err(error) => signed.fail(&error),
    }
}
