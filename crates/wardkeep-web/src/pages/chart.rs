//! One patient's chart: the frame with banner and tabs, the summary, the access history.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use wardkeep_app::care::CareMemberView;
use wardkeep_app::documents::DocumentView;
use wardkeep_app::patients::PatientView;
use wardkeep_app::stroke::AssessmentView;
use wardkeep_domain::PatientId;
use wardkeep_domain::account::Role;
use wardkeep_domain::date::{Date, Moment};
use wardkeep_domain::document::DocumentState;
use wardkeep_domain::patient::{Allergies, Born};
use wardkeep_domain::record::Mark;

use crate::extract::Signed;
use crate::page::{Page, render};
use crate::pages::log::{event_id, proof_file};
use crate::pages::records::Row as RecordRow;

/// A tab under the banner.
#[derive(Clone, Debug)]
pub struct Tab {
    pub href: String,
    pub label: &'static str,
    pub current: bool,
}

/// What every single-patient page shows around its content.
#[derive(Clone)]
pub struct Frame {
    /// `/patients/{id}`.
    pub base: String,
    pub name: String,
    pub born: String,
    pub sex: &'static str,
    pub mrn: String,
    pub allergies: String,
    pub allergy_class: &'static str,
    pub allergy_icon: &'static str,
    pub in_care: bool,
    pub address: String,
    pub phone: String,
    pub email: String,
    pub next_of_kin: String,
    pub printed: String,
    pub tabs: Vec<Tab>,
    /// So many records are marked as sensitive and not shown to this reader.
    pub hidden: usize,
    /// The patient reads the own chart: plain words, long dates.
    pub patient_reader: bool,
    /// The reader may add records and assessments.
    pub writes: bool,
    /// The reader may change the care team.
    pub assigns: bool,
}

pub(crate) fn or_not_recorded(text: &str) -> String {
    if text.trim().is_empty() { "Not recorded".to_owned() } else { text.to_owned() }
}

/// `14-Mar-1958 (68y)`; a patient reads the long form.
pub(crate) fn born(born: &Born, today: Date, patient_reader: bool) -> String {
    match born {
        Born::On(date) if patient_reader => date.patient(),
        Born::On(date) => format!("{} ({}y)", date.staff(), date.age_years(today)),
        Born::AgedYears { years, at } => {
            format!("Aged {years} in {}", at.date().map_or_else(String::new, |date| date.iso().chars().take(4).collect()))
        }
        Born::NotKnown => "Not known".to_owned(),
    }
}

impl Frame {
    /// `current`: the tab's last path part, empty for the summary.
    pub(crate) fn new(signed: &Signed, view: &PatientView, current: &str) -> Self {
        let patient = &view.patient;
        let role = signed.ctx.role().unwrap_or(Role::Patient);
        let patient_reader = role == Role::Patient;
        let base = format!("/patients/{}", patient.id);
        let (allergy_class, allergy_icon) = match patient.allergies {
            Allergies::Known(_) => ("danger", "triangle-alert"),
            Allergies::NoneKnown => ("ok", "check"),
            Allergies::NotRecorded | Allergies::UnableToAsk => ("warn", "circle-question-mark"),
        };
        let today = signed.ctx.visit().today();
        let contacts = &patient.contacts;
        Self {
            tabs: tabs(&base, role, view.in_care, current),
            name: patient.banner_name(),
            born: born(&patient.born, today, patient_reader),
            sex: patient.sex.label(),
            mrn: patient.mrn.display(),
            allergies: patient.allergies.label(),
            allergy_class,
            allergy_icon,
            in_care: view.in_care && !patient_reader,
            address: or_not_recorded(&contacts.address),
            phone: or_not_recorded(&contacts.phone),
            email: or_not_recorded(&contacts.email),
            next_of_kin: or_not_recorded(&contacts.next_of_kin),
            printed: format!(
                "{} by {}",
                signed.ctx.now().staff(),
                signed.ctx.account().map(|a| a.display_name.clone()).unwrap_or_default()
            ),
            patient_reader,
            hidden: view.hidden,
            writes: matches!(role, Role::Doctor | Role::Nurse | Role::StrokeCoordinator),
            assigns: role == Role::Registrar || (role == Role::Doctor && view.in_care),
            base,
        }
    }
    /// A moment in the form that this reader is used to.
    pub(crate) fn when(&self, at: Moment) -> String {
        if self.patient_reader { at.patient() } else { at.staff() }
    }
}

fn tabs(base: &str, role: Role, in_care: bool, current: &str) -> Vec<Tab> {
    let all: &[(&str, &'static str)] = match role {
        Role::Registrar => &[("", "Details"), ("care-team", "Care team"), ("account", "Patient's account")],
        Role::StrokeCoordinator => &[("stroke", "Stroke")],
        Role::Patient => {
            &[("", "Summary"), ("records", "Records"), ("documents", "Documents"), ("stroke", "Stroke"), ("access", "Who looked")]
        }
        Role::Doctor if in_care => &[
            ("", "Summary"),
            ("stroke", "Stroke"),
            ("records", "Records"),
            ("documents", "Documents"),
            ("access", "Access history"),
            ("care-team", "Care team"),
            ("details", "Details"),
        ],
        _ => &[("", "Summary"), ("stroke", "Stroke"), ("records", "Records"), ("documents", "Documents"), ("access", "Access history")],
    };
    let href = |part: &str| if part.is_empty() { base.to_owned() } else { format!("{base}/{part}") };
    all.iter().map(|(part, label)| Tab { href: href(part), label, current: *part == current }).collect()
}

/// The patient id of a path; anything else does not exist.
pub(crate) fn patient_id(text: &str) -> Result<PatientId, wardkeep_app::Error> {
    PatientId::parse(text).ok_or(wardkeep_app::Error::NotFound)
}

/// A keyset cursor in the query.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Cursor {
    pub after: Option<u64>,
}

/// A linked thing on the summary.
struct Link {
    href: String,
    name: String,
    kind: String,
    title: String,
    when: String,
    mark: &'static str,
    badge: &'static str,
}

#[derive(Template)]
#[template(path = "chart/summary.html")]
struct SummaryPage {
    page: Page,
    frame: Frame,
    records: Vec<RecordRow>,
    documents: Vec<Link>,
    assessments: Vec<Link>,
    care_team: Vec<CareMemberView>,
}

const SUMMARY_DOCUMENTS: usize = 8;

pub async fn summary(signed: Signed, Path(patient): Path<String>) -> Response {
    let opened = match patient_id(&patient) {
        Ok(id) if signed.ctx.role() == Some(Role::StrokeCoordinator) => {
            return Redirect::to(&format!("/patients/{id}/stroke")).into_response();
        }
        Ok(id) if signed.ctx.role() == Some(Role::Registrar) => return Redirect::to(&format!("/patients/{id}/details")).into_response(),
        Ok(id) => signed.web.app.open_chart(&signed.ctx, id).await,
        Err(error) => Err(error),
    };
    match opened {
        Ok(chart) => {
            let frame = Frame::new(&signed, &chart.patient, "");
            render(&SummaryPage {
                page: signed.page("Summary"),
                records: chart.records.iter().map(|view| RecordRow::new(&frame, view)).collect(),
                documents: chart.documents.iter().take(SUMMARY_DOCUMENTS).map(|view| document_link(&frame, view)).collect(),
                assessments: chart.assessments.iter().map(|view| assessment_link(&frame, view)).collect(),
                care_team: chart.care_team,
                frame,
            })
        }
        Err(error) => signed.fail(&error),
    }
}

fn document_link(frame: &Frame, view: &DocumentView) -> Link {
    let document = view.document.as_ref();
    Link {
        href: format!("{}/documents/{}", frame.base, view.id),
        name: document.map_or_else(|| "Cannot be opened".to_owned(), |d| d.name.as_str().to_owned()),
        kind: document.map_or_else(String::new, |d| match d.state {
            DocumentState::Filed => d.file_type.label().to_owned(),
            DocumentState::Voided { .. } => format!("{}, voided", d.file_type.label()),
        }),
        title: String::new(),
        when: document.map_or_else(String::new, |d| frame.when(d.uploaded_at)),
        mark: document.and_then(|d| d.mark).map_or("", Mark::label),
        badge: view.badge.label(),
    }
}

fn assessment_link(frame: &Frame, view: &AssessmentView) -> Link {
    let title = view.assessment.as_ref().map_or("Cannot be opened", |a| if a.attributes.stroke { "Stroke" } else { "No stroke" });
    Link {
        href: format!("{}/stroke/{}", frame.base, view.id),
        name: String::new(),
        kind: String::new(),
        title: title.to_owned(),
        when: view.assessment.as_ref().map_or_else(String::new, |a| frame.when(a.assessed_at)),
        mark: "",
        badge: view.badge.label(),
    }
}

struct AccessLine {
    when: String,
    who: String,
    role: String,
    words: String,
    why: String,
    refused: bool,
    emergency: bool,
}

#[derive(Template)]
#[template(path = "chart/access.html")]
struct AccessPage {
    page: Page,
    frame: Frame,
    rows: Vec<AccessLine>,
    next: Option<u64>,
}

pub async fn access(signed: Signed, Path(patient): Path<String>, Query(cursor): Query<Cursor>) -> Response {
    match access_page(&signed, &patient, cursor.after).await {
        Ok(page) => render(&page),
        Err(error) => signed.fail(&error),
    }
}

/// The proof of an entry about this patient, to check without this system.
pub async fn proof(signed: Signed, Path((patient, event)): Path<(String, String)>) -> Response {
    let file = match patient_id(&patient).and_then(|patient| Ok((patient, event_id(&event)?))) {
        Ok((patient, event)) => signed.web.app.proof_for_patient(&signed.ctx, patient, event).await,
        Err(error) => Err(error),
    };
    proof_file(&signed, file)
}

async fn access_page(signed: &Signed, patient: &str, after: Option<u64>) -> wardkeep_app::Result<AccessPage> {
    let id = patient_id(patient)?;
    let app = &signed.web.app;
    let history = app.access_history(&signed.ctx, id, after).await?;
    let view = app.demographics(&signed.ctx, id).await?;
    let frame = Frame::new(signed, &view, "access");
    let rows = history
        .items
        .into_iter()
        .map(|row| AccessLine {
            when: if frame.patient_reader { row.at.patient() } else { row.at.staff_seconds() },
            who: if row.own { format!("{} (you)", row.who) } else { row.who },
            role: row.role,
            words: row.words,
            why: row.reason.unwrap_or_default(),
            refused: row.refused,
            emergency: row.emergency,
        })
        .collect();
    Ok(AccessPage { page: signed.page("Access history"), frame, rows, next: history.next })
}
