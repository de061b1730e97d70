//! A well-formed request for every route of the tables. A route without one fails the matrix and
//! the crawl, so none gets in unseen: add a line to [`ids`], [`query`] or [`form`].

use axum::body::Body;
use http::{Request, header};
use wardkeep_app::requests::Wanted;
use wardkeep_domain::request::RequestState;
use wardkeep_domain::{LogEventId, PasskeyId, PatientId, SessionId};
use wardkeep_web::routes::Route;

use crate::site::{PASSWORD, Person, Site, request, urlencoded};

/// Every route there is.
pub fn routes() -> Vec<Route> {
    wardkeep_web::routes::table().into_iter().chain(wardkeep_web::api::routes::table()).collect()
}

/// The request of `who` (or of somebody without a session) about this patient. `number` tells
/// requests apart that must not be the same twice.
pub async fn sample(
    site: &Site,
    route: &Route,
    who: Option<&Person>,
    token: Option<&str>,
    patient: PatientId,
    number: usize,
) -> Request<Body> {
    let path = address(site, route.path, patient, number).await;
    if route.path.starts_with("/api/") {
        return crate::api_samples::sample(route, &path, token, number);
    }
    if route.method == "GET" {
        return request("GET", token, &path).body(Body::empty()).unwrap();
    }
    let csrf = who.map_or("none", |person| person.csrf.as_str());
    let builder = request(route.method, token, &path);
    if let Some(parts) = multipart(route.path) {
        let body = parts.replace("{csrf}", csrf);
        return builder.header(header::CONTENT_TYPE, "multipart/form-data; boundary=b0undary").body(Body::from(body)).unwrap();
    }
    let number = number.to_string();
    let mut fields: Vec<(&str, String)> =
        form(route.path).into_iter().map(|(name, value)| (name, value.replace("{number}", &number))).collect();
    if !matches!(route.guard, wardkeep_web::routes::Guard::Public | wardkeep_web::routes::Guard::Pending) {
        fields.insert(0, ("csrf", csrf.to_owned()));
    }
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    builder.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(Body::from(urlencoded(&fields))).unwrap()
}

/// The template with ids of things that exist.
pub async fn address(site: &Site, template: &str, patient: PatientId, number: usize) -> String {
    let mut parts = Vec::new();
    for part in template.split('/') {
        parts.push(if part.starts_with('{') { id(site, part, patient, number).await } else { part.to_owned() });
    }
    parts.join("/")
}

async fn id(site: &Site, part: &str, patient: PatientId, number: usize) -> String {
    match part {
        "{patient}" => patient.to_string(),
        "{record}" => site.record(patient).await.to_string(),
        "{document}" => site.document(patient).await.to_string(),
        "{assessment}" => site.assessment(patient).await.to_string(),
        "{account}" => {
            let email = format!("invited{number}-{}@site.example", site.entropy.bytes::<4>().map(|byte| byte.to_string()).concat());
            site.app.invite(&site.operator(), &email, "Invited Person", "nurse").await.unwrap().0.to_string()
        }
        "{member}" => {
            let doctor = site.ctx(site.doctor_of(patient)).await;
            // Refused when the locum is on the team still, which is as good.
            let _ = site.app.assign_care(&doctor, patient, &site.locum.email).await;
            site.locum.id.to_string()
        }
        "{proxy}" => site.locum.id.to_string(),
        "{emergency}" => wardkeep_domain::EmergencyId::from_bytes([9; 16]).to_string(),
        "{question}" => wardkeep_domain::QuestionId::from_bytes([9; 16]).to_string(),
        "{case}" => {
            // An access of somebody who does not treat this patient, unless an earlier sample changed that.
            let curious = if patient == site.far { site.person(wardkeep_domain::account::Role::Doctor) } else { &site.other };
            let _ = site.app.open_chart(&site.ctx(curious).await, patient).await;
            format!("{}_{patient}", curious.id)
        }
        "{draft}" => wardkeep_domain::DraftId::from_bytes([9; 16]).to_string(),
        "{passkey}" => PasskeyId::from_bytes([9; 16]).to_string(),
        "{session}" => SessionId::from_bytes([9; 16]).to_string(),
        "{event}" => {
            let doctor = site.ctx(site.doctor_of(patient)).await;
            let history = site.app.access_history(&doctor, patient, None).await.unwrap();
            site.app.tick(&site.visit()).await.unwrap();
            // About this patient alone: a list that showed them has no proof of theirs.
            let own = wardkeep_ledger::Class::AccessHistoryRead.name();
            let row = history.items.iter().find(|row| row.what == own).unwrap();
            LogEventId::from_bytes(row.event).to_string()
        }
        "{service}" => {
            let deputy = site.ctx(&site.deputy).await;
            let scopes = ["health.read".to_owned()];
            site.app.make_service(&deputy, "Sample", "A sample of a program", &scopes, "30", "").await.unwrap().id.to_string()
        }
        "{request}" => {
            let deputy = site.ctx(&site.deputy).await;
            let own = site.app.requests(&deputy).await.unwrap().own;
            match own.iter().find(|view| view.state == RequestState::Waiting) {
                Some(waiting) => waiting.request.id.to_string(),
                None => {
                    let wanted = Wanted::ResetFactor { account: site.locum.id };
                    site.app.ask_approval(&deputy, &wanted, "Lost the telephone; seen in person.").await.unwrap().to_string()
                }
            }
        }
        "{stream}" => "records.main".to_owned(),
        "{token}" => "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        "{*path}" => wardkeep_web::assets::url("app.css").trim_start_matches("/static/").to_owned(),
        part => panic!("no sample for {part}: add one here"),
    }
}

fn multipart(template: &str) -> Option<String> {
    let file = match template {
        "/patients/{patient}/documents" => "filename=\"note.txt\"\r\ncontent-type: text/plain\r\n\r\nDear colleague,\n",
        "/stroke/import" => "filename=\"rows.csv\"\r\ncontent-type: text/csv\r\n\r\nid,gender\n1,Female\n",
        _ => return None,
    };
    Some(format!(
        "--b0undary\r\ncontent-disposition: form-data; name=\"csrf\"\r\n\r\n{{csrf}}\r\n--b0undary\r\ncontent-disposition: form-data; name=\"file\"; {file}\r\n--b0undary--\r\n"
    ))
}

/// The fields that a person would send. Codes and passwords are wrong on purpose: a matrix that
/// changed its own passwords would not see its second half.
#[rustfmt::skip]
pub fn form(template: &str) -> Vec<(&'static str, &'static str)> {
    let record = vec![("record_type", "note"), ("title", "Ward round"), ("body", "Comfortable."), ("event_day", ""), ("event_month", ""), ("event_year", ""), ("event_time", ""), ("reason", ""), ("version", "")];
    let assessment = vec![("gender", "Female"), ("age", "67"), ("hypertension", "1"), ("heart_disease", "0"), ("ever_married", "Yes"), ("work_type", "Private"), ("residence_type", "Urban"), ("avg_glucose_level", "104.2"), ("bmi", "27.1"), ("smoking_status", "never smoked"), ("stroke", "0"), ("reason", ""), ("version", "")];
    let changed = |form: Vec<(&'static str, &'static str)>| form.into_iter().map(|(name, value)| match name { "reason" => (name, "A slip of the pen"), "version" => (name, "1"), _ => (name, value) }).collect();
    let details = |mrn| vec![("mrn", mrn), ("family_name", "Samplesson"), ("given_name", "Ida"), ("birth_day", "1"), ("birth_month", "2"), ("birth_year", "1960"), ("sex", "female"), ("allergies", "none_known"), ("confirm", "yes"), ("version", "1")];
    let account = vec![("email", "new{number}@site.example"), ("display_name", "New Person"), ("password", PASSWORD), ("password_again", PASSWORD)];
    match template {
        "/sign-in" => vec![("email", "nobody{number}@site.example"), ("password", "wrong wrong wrong")],
        "/sign-in/code" | "/sign-in/recovery" | "/sign-in/enrol" => vec![("code", "000000")],
        "/register" | "/invitation/{token}" | "/setup/{token}" => account,
        "/theme" => vec![("theme", "dark"), ("back", "/")],
        "/csp-report" => vec![("report", "x")],
        "/security/password" => vec![("password", "wrong wrong wrong"), ("new_password", "amber river folds maps"), ("new_password_again", "amber river folds maps")],
        "/drafts" => vec![("to", "/patients/new"), ("family_name", "Samplesson")],
        "/drafts/{draft}/discard" => Vec::new(),
        "/sign-in/provider" | "/security/provider/ask" | "/security/provider/link" | "/security/provider/unlink" => Vec::new(),
        "/sign-in/passkey" => vec![("answer", "{}")],
        "/sign-in/enrol/passkey" | "/security/passkeys/new" => vec![("name", "Office laptop"), ("answer", "{}")],
        "/security/confirm/passkey" => vec![("answer", "{}"), ("next", "/")],
        "/security/authenticator" => vec![("ticket", "AAAA"), ("code", "000000")],
        "/security/confirm" => vec![("code", "000000"), ("next", "/")],
        "/activate" => vec![("code", "0000-0000-0000")],
        "/accounts/invite" => vec![("email", "invitee{number}@site.example"), ("display_name", "Invited Person"), ("role", "nurse")],
        "/log" | "/log/export" => vec![("class", "chart.opened")],
        "/policy/explain" => vec![("role", "doctor"), ("email", ""), ("action", "open_chart"), ("in_care", "yes")],
        "/patients" => vec![("mrn", "CANARY-4471")],
        "/patients/new" => details("NEW-{number}"),
        "/patients/{patient}/edit" => details("EDIT-{number}"),
        "/patients/{patient}/account" => vec![("email", "patient@site.example")],
        "/patients/{patient}/unit" => vec![("unit", "")],
        "/patients/{patient}/proxies" => vec![("proxy_email", "nobody@site.example")],
        "/reviews/clearances/give" => vec![("email", "nobody@site.example"), ("mark", "hiv")],
        "/reviews/clearances/end" => vec![("account", "none"), ("mark", "hiv")],
        "/reviews/holds" => vec![("mrn", "NOBODY-0"), ("reason", "A claim was announced on Monday.")],
        "/reviews/holds/lift" => vec![("patient", "none")],
        "/units" => vec![("unit", "Ward {number}")],
        "/units/join" => vec![("unit", "Ward none"), ("email", "doctor@site.example")],
        "/units/leave" => vec![("unit", "Ward none"), ("account", "none")],
        "/patients/{patient}/care-team" => vec![("email", "other@site.example")],
        "/patients/{patient}/records/new" => record,
        "/patients/{patient}/records/{record}/amend" => changed(record),
        "/patients/{patient}/stroke/new" => assessment,
        "/patients/{patient}/stroke/{assessment}/amend" => changed(assessment),
        "/patients/{patient}/records/{record}/void" | "/patients/{patient}/documents/{document}/void" | "/patients/{patient}/stroke/{assessment}/void" => vec![("version", "1"), ("reason", "Wrong patient")],
        // Too short on purpose: emergency access, once taken, would change every later line.
        "/patients/{patient}/emergency" => vec![("why", "life_threatening"), ("sentence", "short"), ("code", "")],
        "/patients/{patient}/access/{event}/ask" => vec![("question", "Why did this person open it?")],
        "/reviews/emergency/{emergency}" => vec![("decision", "justified"), ("note", "On call that night.")],
        "/reviews/questions/{question}" => vec![("answer", "They were on call that night.")],
        "/reviews/unusual/{case}" => vec![("decision", "explained"), ("note", "Asked by the ward round."), ("seen", "9999999999999")],
        "/services/new" => vec![("name", "Watcher {number}"), ("purpose", "Watches the posture"), ("days", "30"), ("health.read", "yes")],
        "/requests/ask" => vec![("kind", "grant_role"), ("email", "second{number}@site.example"), ("display_name", "Second Person"), ("role", "administrator"), ("reason", "We need a second administrator.")],
        "/requests/{request}/refuse" => vec![("note", "I do not know this person.")],
        "/stroke/import/confirm" => vec![("token", "none"), ("keep_good", "yes")],
        "/security/passkeys/{passkey}/remove" | "/security/authenticator/remove" => Vec::new(),
        "/sign-out" | "/security/recovery-codes" | "/security/sessions/end-others" | "/security/sessions/{session}/end" | "/accounts/{account}/suspend"
        | "/accounts/{account}/reinstate" | "/accounts/{account}/reset-factor" | "/accounts/{account}/end-sessions" | "/patients/{patient}/activation"
        | "/emergency/{emergency}/end" | "/patients/{patient}/proxies/{proxy}/end" | "/patients/{patient}/care-team/{member}/remove" | "/stroke/export" | "/requests/{request}/approve" | "/requests/{request}/use" | "/services/{service}/rotate"
        | "/services/{service}/revoke" => Vec::new(),
        template => panic!("no sample form for POST {template}: add one here"),
    }
}
