//! Writing, amending and voiding an assessment.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use wardkeep_app::stroke::AssessmentDetail;
use wardkeep_app::{Error, Result};
use wardkeep_domain::AssessmentId;
use wardkeep_domain::stroke::{AssessmentForm, Residence, WorkType};

use super::{Shown, read, smokings};
use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::pages::chart::{Frame, patient_id};
use crate::pages::records::{VoidForm, VoidPage};

type Options = Vec<(&'static str, &'static str)>;

#[derive(Template)]
#[template(path = "stroke/form.html")]
struct FormPage {
    page: Page,
    frame: Frame,
    errors: FormErrors,
    heading: &'static str,
    verb: &'static str,
    action: String,
    back: String,
    amending: bool,
    form: AssessmentForm,
    genders: Options,
    yes_no: Options,
    married: Options,
    works: Options,
    residences: Options,
    smokings: Options,
    theirs: Option<Shown>,
}

impl FormPage {
    fn writing(signed: &Signed, frame: Frame, form: AssessmentForm, errors: FormErrors) -> Self {
        let page = signed.page("New assessment");
        Self {
            page: if errors.is_empty() { page } else { page.failed() },
            errors,
            heading: "New stroke assessment",
            verb: "Sign and file",
            action: format!("{}/stroke/new", frame.base),
            back: format!("{}/stroke", frame.base),
            amending: false,
            form,
            genders: vec![("Female", "Female"), ("Male", "Male"), ("Other", "Other")],
            yes_no: vec![("1", "Yes"), ("0", "No")],
            married: vec![("Yes", "Yes"), ("No", "No")],
            works: WorkType::ALL.iter().map(|w| (w.code(), w.label())).collect(),
            residences: Residence::ALL.iter().map(|r| (r.code(), r.label())).collect(),
            smokings: smokings(),
            theirs: None,
            frame,
        }
    }
    fn amending(signed: &Signed, frame: Frame, assessment: &str, form: AssessmentForm, errors: FormErrors) -> Self {
        let at = format!("{}/stroke/{assessment}", frame.base);
        let page = Self::writing(signed, frame, form, errors);
        Self {
            heading: "Amend the assessment",
            verb: "Sign the new version",
            action: format!("{at}/amend"),
            back: at,
            amending: true,
            ..page
        }
    }
}

async fn frame(signed: &Signed, patient: &str) -> Result<Frame> {
    let view = signed.web.app.demographics(&signed.ctx, patient_id(patient)?).await?;
    Ok(Frame::new(signed, &view, "stroke"))
}

pub async fn new_page(signed: Signed, Path(patient): Path<String>) -> Response {
    match frame(&signed, &patient).await {
        Ok(frame) => render(&FormPage::writing(&signed, frame, AssessmentForm::default(), FormErrors::default())),
        Err(error) => signed.fail(&error),
    }
}

pub async fn write(Path(patient): Path<String>, Posted { signed, form }: Posted<AssessmentForm>) -> Response {
    let written = match patient_id(&patient) {
        Ok(id) => signed.web.app.write_assessment(&signed.ctx, id, &form).await,
        Err(error) => Err(error),
    };
    match written {
        Ok(assessment) => done(&signed.web, &format!("/patients/{patient}/stroke/{assessment}"), "assessment-written"),
        Err(Error::Invalid(errors)) => match frame(&signed, &patient).await {
            Ok(frame) => render_invalid(&FormPage::writing(&signed, frame, form, errors.into())),
            Err(error) => signed.fail(&error),
        },
        Err(error) => signed.fail(&error),
    }
}

pub async fn amend_page(signed: Signed, Path((patient, assessment)): Path<(String, String)>) -> Response {
    match read(&signed, &patient, &assessment).await {
        Ok(detail) => {
            let frame = Frame::new(&signed, &detail.patient, "stroke");
            let form = detail.current.assessment.as_ref().map(|a| AssessmentForm::from_attributes(&a.attributes)).unwrap_or_default();
            let form = AssessmentForm { version: detail.current.version.to_string(), ..form };
            render(&FormPage::amending(&signed, frame, &assessment, form, FormErrors::default()))
        }
        Err(error) => signed.fail(&error),
    }
}

pub async fn amend(Path((patient, assessment)): Path<(String, String)>, Posted { signed, mut form }: Posted<AssessmentForm>) -> Response {
    let amended = match (patient_id(&patient), AssessmentId::parse(&assessment)) {
        (Ok(id), Some(assessment)) => signed.web.app.amend_assessment(&signed.ctx, id, assessment, &form).await,
        _ => Err(Error::NotFound),
    };
    let failed = match amended {
        Ok(()) => return done(&signed.web, &format!("/patients/{patient}/stroke/{assessment}"), "assessment-amended"),
        Err(error @ (Error::Invalid(_) | Error::Conflict { .. })) => error,
        Err(error) => return signed.fail(&error),
    };
    let detail = match read(&signed, &patient, &assessment).await {
        Ok(detail) => detail,
        Err(error) => return signed.fail(&error),
    };
    let frame = Frame::new(&signed, &detail.patient, "stroke");
    if let Error::Invalid(errors) = failed {
        return render_invalid(&FormPage::amending(&signed, frame, &assessment, form, errors.into()));
    }
    form.version = detail.current.version.to_string();
    let theirs = Some(Shown::new(&frame, &detail.current));
    let page = FormPage::amending(&signed, frame, &assessment, form, FormErrors::default());
    let mut response = render(&FormPage { theirs, ..page });
    *response.status_mut() = StatusCode::CONFLICT;
    response
}

fn void_template(signed: &Signed, detail: &AssessmentDetail, assessment: &str, form: VoidForm, errors: FormErrors) -> VoidPage {
    let frame = Frame::new(signed, &detail.patient, "stroke");
    let back = format!("{}/stroke/{assessment}", frame.base);
    let page = signed.page("Void an assessment");
    VoidPage {
        page: if errors.is_empty() { page } else { page.failed() },
        frame,
        errors,
        heading: "Void this assessment?",
        what: "The assessment",
        verb: "Void the assessment",
        action: format!("{back}/void"),
        back,
        version: form.version,
        reason: form.reason,
    }
}

pub async fn void_page(signed: Signed, Path((patient, assessment)): Path<(String, String)>) -> Response {
    match read(&signed, &patient, &assessment).await {
        Ok(detail) => {
            let form = VoidForm { version: detail.current.version.to_string(), reason: String::new() };
            render(&void_template(&signed, &detail, &assessment, form, FormErrors::default()))
        }
        Err(error) => signed.fail(&error),
    }
}

pub async fn void(Path((patient, assessment)): Path<(String, String)>, Posted { signed, form }: Posted<VoidForm>) -> Response {
    let typed = AssessmentForm { version: form.version.clone(), reason: form.reason.clone(), ..AssessmentForm::default() };
    let voided = match (patient_id(&patient), AssessmentId::parse(&assessment)) {
        (Ok(id), Some(assessment)) => signed.web.app.void_assessment(&signed.ctx, id, assessment, &typed).await,
        _ => Err(Error::NotFound),
    };
    match voided {
        Ok(()) => done(&signed.web, &format!("/patients/{patient}/stroke/{assessment}"), "assessment-voided"),
        Err(Error::Invalid(errors)) => match read(&signed, &patient, &assessment).await {
            Ok(detail) => render_invalid(&void_template(&signed, &detail, &assessment, form, errors.into())),
            Err(error) => signed.fail(&error),
        },
        Err(error) => signed.fail(&error),
    }
}
