//! A well-formed call for every route of the API; see `samples`.

use axum::body::Body;
use http::{Request, header};
use serde_json::{Value, json};
use wardkeep_web::routes::Route;

use crate::api_site::{patient, record, request};

/// The call of whoever holds this token, about what `path` names.
pub fn sample(route: &Route, path: &str, token: Option<&str>, number: usize) -> Request<Body> {
    let mut call = request(route.method, path).header("x-wardkeep", "1");
    if let Some(token) = token {
        call = call.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if route.body_max == 0 {
        return call.body(Body::empty()).unwrap();
    }
    match route.path {
        "/api/v1/patients/{patient}/documents/raw" => {
            let call = call.header("x-file-name", "note.txt").header("x-file-type", "text/plain");
            call.header(header::CONTENT_TYPE, "application/octet-stream").body(Body::from("Dear colleague,\n")).unwrap()
        }
        "/api/v1/token" => {
            let call = call.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            call.body(Body::from("grant_type=client_credentials&client_id=none&client_secret=none")).unwrap()
        }
        "/api/v1/stroke/import" => call.header(header::CONTENT_TYPE, "text/csv").body(Body::from("id,gender\n1,Female\n")).unwrap(),
        path => call.header(header::CONTENT_TYPE, "application/json").body(Body::from(json(path, number).to_string())).unwrap(),
    }
}

/// Codes and passwords are wrong on purpose.
fn json(template: &str, number: usize) -> Value {
    let attributes = json!({"gender": "Female", "age": 67, "hypertension": true, "heart_disease": false, "ever_married": true,
        "work_type": "Private", "residence_type": "Urban", "avg_glucose_level": 104.2, "bmi": 27.1, "smoking_status": "never smoked",
        "stroke": false});
    let reason = "A slip of the pen";
    match template.trim_start_matches("/api/v1") {
        "/sign-in" => json!({"email": format!("nobody{number}@site.example"), "password": "wrong wrong wrong"}),
        "/sign-in/code" | "/sign-in/recovery" | "/sign-in/enrolment" | "/step-up" => json!({"code": "000000"}),
        "/me/activation" => json!({"code": "0000-0000-0000"}),
        "/accounts" => json!({"email": format!("invitee{number}@site.example"), "display_name": "Invited Person", "role": "nurse"}),
        "/log/search" | "/log/export" => json!({"class": "chart.opened"}),
        "/patients/search" => json!({"mrn": "CANARY-4471"}),
        "/patients" => json!({"patient": patient(&format!("APINEW-{number}"), "Samplesson"), "confirm": true}),
        "/patients/{patient}/amend" => json!({"version": 1, "patient": patient(&format!("APIEDIT-{number}"), "Samplesson")}),
        "/patients/{patient}/account" => json!({"email": "patient@site.example"}),
        "/patients/{patient}/care-team" => json!({"email": "other@site.example"}),
        "/patients/{patient}/records" => record("Ward round"),
        "/patients/{patient}/records/{record}/amend" => {
            let Value::Object(mut amended) = record("Ward round") else { unreachable!() };
            amended.insert("version".to_owned(), json!(1));
            amended.insert("reason".to_owned(), json!(reason));
            Value::Object(amended)
        }
        "/patients/{patient}/documents" => {
            json!({"name": "note.txt", "media_type": "text/plain", "content": "RGVhciBjb2xsZWFndWUsCg=="})
        }
        "/patients/{patient}/stroke" => attributes,
        "/patients/{patient}/stroke/{assessment}/amend" => json!({"version": 1, "reason": reason, "attributes": attributes}),
        "/patients/{patient}/records/{record}/void"
        | "/patients/{patient}/documents/{document}/void"
        | "/patients/{patient}/stroke/{assessment}/void" => json!({"version": 1, "reason": "Wrong patient"}),
        template => panic!("no sample body for {template}: add one here"),
    }
}
