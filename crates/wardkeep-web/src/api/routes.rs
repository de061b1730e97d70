//! The routes of the API. One line per route: method, path, guard, what it is for, handler; what it
//! takes and says follows from the handler's types.

use wardkeep_policy::Action;

use super::describe::{Line, delete, get, post};
use crate::routes::{Guard, Route};

#[must_use]
pub fn table() -> Vec<Route> {
    lines().into_iter().map(|line| line.route).collect()
}

/// Every line, grouped by area.
#[must_use]
pub fn lines() -> Vec<Line> {
    [session(), patients(), charts(), documents(), stroke(), house()].into_iter().flatten().collect()
}

fn session() -> Vec<Line> {
    use super::{openapi, session, token};
    use Guard::{Pending, Public, Signed};
    let own = Signed(Action::UseOwnAccount);
    vec![
        get("/api/openapi.json", Public, "This document", openapi::serve),
        post("/api/v1/sign-in", Public, "Sign in: e-mail address and password", session::password),
        post("/api/v1/sign-in/code", Pending, "Sign in: code of the authenticator app", session::code),
        post("/api/v1/sign-in/recovery", Pending, "Sign in: recovery code", session::recovery),
        get("/api/v1/sign-in/enrolment", Pending, "First sign-in: the secret for an authenticator app", session::enrolment),
        post("/api/v1/sign-in/enrolment", Pending, "First sign-in: the first code of the app", session::enrol),
        post(crate::csrf::TOKEN_PATH, Public, "A token for a service account", token::token),
        post("/api/v1/sign-out", own, "Sign out", session::sign_out),
        post("/api/v1/step-up", own, "Prove the second factor again", session::step_up),
        get("/api/v1/me", own, "Who is signed in", session::me),
        get("/api/v1/me/sessions", own, "Own sessions", session::sessions),
        delete("/api/v1/me/sessions/{session}", own, "End one of the own sessions", session::end_session),
        post("/api/v1/me/activation", own, "Link the own account to a patient by an activation code", session::activate),
    ]
}

fn patients() -> Vec<Line> {
    use super::patients;
    use Action::{
        AmendPatient, AssignCareTeam, CreatePatient, IssueActivationCode, LinkAccount, ListCarePatients, ReadDemographics, SearchPatients,
    };
    use Guard::Signed;
    vec![
        get("/api/v1/worklist", Signed(ListCarePatients), "Patients in the own care", patients::worklist),
        post("/api/v1/patients/search", Signed(SearchPatients), "Find patients", patients::search),
        post("/api/v1/patients", Signed(CreatePatient), "Register a patient", patients::create),
        get("/api/v1/patients/{patient}/details", Signed(ReadDemographics), "A patient's details", patients::details),
        post("/api/v1/patients/{patient}/amend", Signed(AmendPatient), "Correct a patient's details", patients::amend),
        get("/api/v1/patients/{patient}/care-team", Signed(ReadDemographics), "Who cares for a patient", patients::care_team),
        post("/api/v1/patients/{patient}/care-team", Signed(AssignCareTeam), "Add to the care team", patients::assign),
        delete("/api/v1/patients/{patient}/care-team/{member}", Signed(AssignCareTeam), "Remove from the care team", patients::remove),
        post("/api/v1/patients/{patient}/account", Signed(LinkAccount), "Link a patient's account", patients::link_account),
        post(
            "/api/v1/patients/{patient}/activation-code",
            Signed(IssueActivationCode),
            "An activation code for the patient",
            patients::issue_activation,
        ),
    ]
}

fn charts() -> Vec<Line> {
    use super::records::TEXT_BYTES_MAX;
    use super::{charts, records};
    use Action::{AmendRecord, OpenChart, ReadAccessHistory, ReadRecord, VoidRecord, WriteRecord};
    use Guard::Signed;
    vec![
        get("/api/v1/patients/{patient}", Signed(OpenChart), "Open a chart", charts::open),
        get("/api/v1/patients/{patient}/access", Signed(ReadAccessHistory), "Who opened the chart", charts::access),
        get(
            "/api/v1/patients/{patient}/access/{event}/proof",
            Signed(ReadAccessHistory),
            "The proof of an entry about this patient, to check without this system",
            charts::proof,
        ),
        get("/api/v1/patients/{patient}/records", Signed(ReadRecord), "A patient's records", records::list),
        post("/api/v1/patients/{patient}/records", Signed(WriteRecord), "Write a record", records::write).body_max(TEXT_BYTES_MAX),
        get("/api/v1/patients/{patient}/records/{record}", Signed(ReadRecord), "A record with versions and proof", records::read),
        post("/api/v1/patients/{patient}/records/{record}/amend", Signed(AmendRecord), "Amend a record", records::amend)
            .body_max(TEXT_BYTES_MAX),
        post("/api/v1/patients/{patient}/records/{record}/void", Signed(VoidRecord), "Void a record", records::void),
    ]
}

fn documents() -> Vec<Line> {
    use super::documents::{self, BASE64_BODY_BYTES_MAX};
    use crate::pages::documents::UPLOAD_BYTES_MAX;
    use Action::{ReadDocument, UploadDocument, VoidDocument};
    use Guard::Signed;
    vec![
        get("/api/v1/patients/{patient}/documents", Signed(ReadDocument), "A patient's documents", documents::list),
        post("/api/v1/patients/{patient}/documents", Signed(UploadDocument), "File a document of up to 16 MiB", documents::upload)
            .body_max(BASE64_BODY_BYTES_MAX),
        post("/api/v1/patients/{patient}/documents/raw", Signed(UploadDocument), "File a document as bytes", documents::upload_raw)
            .body_max(UPLOAD_BYTES_MAX),
        get("/api/v1/patients/{patient}/documents/{document}", Signed(ReadDocument), "A document's details and proof", documents::read),
        get("/api/v1/patients/{patient}/documents/{document}/content", Signed(ReadDocument), "A document as Base64", documents::content),
        get("/api/v1/patients/{patient}/documents/{document}/raw", Signed(ReadDocument), "A document as bytes", documents::raw),
        post("/api/v1/patients/{patient}/documents/{document}/void", Signed(VoidDocument), "Void a document", documents::void),
    ]
}

fn stroke() -> Vec<Line> {
    use super::stroke;
    use crate::pages::stroke::FILE_BYTES_MAX;
    use Action::{
        AmendAssessment, ExportAssessments, ImportAssessments, ListAssessments, ReadAssessment, SummariseAssessments, VoidAssessment,
        WriteAssessment,
    };
    use Guard::Signed;
    vec![
        get("/api/v1/stroke", Signed(ListAssessments), "Assessments of all patients", stroke::list),
        get("/api/v1/stroke/summary", Signed(SummariseAssessments), "Aggregates", stroke::summary),
        post("/api/v1/stroke/import", Signed(ImportAssessments), "Import a CSV file", stroke::import).body_max(FILE_BYTES_MAX),
        post("/api/v1/stroke/export", Signed(ExportAssessments), "Export as CSV", stroke::export),
        get("/api/v1/patients/{patient}/stroke", Signed(ReadAssessment), "A patient's assessments", stroke::of_patient),
        post("/api/v1/patients/{patient}/stroke", Signed(WriteAssessment), "Write an assessment", stroke::write),
        get("/api/v1/patients/{patient}/stroke/{assessment}", Signed(ReadAssessment), "An assessment", stroke::read),
        post("/api/v1/patients/{patient}/stroke/{assessment}/amend", Signed(AmendAssessment), "Amend an assessment", stroke::amend),
        post("/api/v1/patients/{patient}/stroke/{assessment}/void", Signed(VoidAssessment), "Void an assessment", stroke::void),
    ]
}

fn house() -> Vec<Line> {
    use super::house;
    use Action::{ExportLog, InviteStaff, ListAccounts, ReadHealth, ReadLog, ReinstateAccount, ResetFactor, RevokeSession, SuspendAccount};
    use Guard::Signed;
    vec![
        get("/api/v1/accounts", Signed(ListAccounts), "Accounts", house::accounts),
        post("/api/v1/accounts", Signed(InviteStaff), "Invite staff", house::invite),
        post("/api/v1/accounts/{account}/suspend", Signed(SuspendAccount), "Suspend an account", house::suspend),
        post("/api/v1/accounts/{account}/reinstate", Signed(ReinstateAccount), "Reinstate an account", house::reinstate),
        post("/api/v1/accounts/{account}/reset-factor", Signed(ResetFactor), "Remove a second factor", house::reset_factor),
        post("/api/v1/accounts/{account}/end-sessions", Signed(RevokeSession), "End an account's sessions", house::end_sessions),
        post("/api/v1/log/search", Signed(ReadLog), "Entries of the log", house::search_log),
        post("/api/v1/log/export", Signed(ExportLog), "Export the log as CSV", house::export_log),
        get("/api/v1/log/{event}", Signed(ReadLog), "An entry with its proof", house::log_entry),
        get("/api/v1/log/{event}/proof", Signed(ReadLog), "The proof as text, to check without this system", house::log_proof),
        get("/api/v1/health", Signed(ReadHealth), "Posture, alarms and state of the log", house::health),
    ]
}
