//! Role x route x ownership x state, as a table people read in the diff. Made anew with
//! `INSTA_UPDATE=always cargo nextest run -p wardkeep-web matrix`.
//!
//! A cell is the status of a well-formed request, `near/far` where the address names a patient:
//! near is in the care of doctor and nurse and is the patient account's own; far is neither.
//! Beside the table, every cell is compared with what policy says of the action that the route
//! declares, so the declared action and the one a use case really asks for cannot drift apart.

use std::fmt::Write;

use wardkeep_domain::account::Role;
use wardkeep_domain::account::password::Password;
use wardkeep_domain::{AccountId, PatientId};
use wardkeep_policy::{Action, Facts, Policy, Resource};
use wardkeep_web::routes::{Guard, Route};

use crate::samples::{routes, sample};
use crate::site::{PASSWORD, Person, ROLES, Site};

/// Somebody without a live session of a role.
struct Outsider {
    name: &'static str,
    cookie: Option<String>,
}

async fn outsiders(site: &Site) -> Vec<Outsider> {
    let doctor = site.person(Role::Doctor);
    let revoked = site.sign_in_again(doctor).await;
    site.app.sign_out(&site.ctx(&revoked).await).await.unwrap();
    let suspended = site.join(Role::Doctor, "suspended@site.example").await;
    site.app.suspend(&site.operator(), suspended.id).await.unwrap();
    let pending = site.app.sign_in(&site.visit(), &doctor.email, &Password::typed(PASSWORD)).await.unwrap().token;
    vec![
        Outsider { name: "anonymous", cookie: None },
        // The token of a sign-in in progress, tried as a session.
        Outsider { name: "pending", cookie: Some(pending) },
        Outsider { name: "suspended", cookie: Some(suspended.token) },
        Outsider { name: "revoked", cookie: Some(revoked.token) },
    ]
}

/// Answers that differ from policy's for a reason.
const EXPLAINED: &[(&str, &str)] = &[
    ("/security/sessions/{session}/end", "the sample is somebody else's session: 404 for everybody"),
    ("/api/v1/me/sessions/{session}", "the same"),
    ("/units/join", "the sample names no unit of this hospital: 404"),
    ("/units/leave", "the same"),
    ("/reviews/clearances/end", "the sample names nobody: 404 for those who may"),
    ("/reviews/holds/lift", "the same"),
    ("/patients/{patient}/proxies/{proxy}/end", "the sample is nobody's proxy: 404"),
    ("/emergency/{emergency}/end", "the sample is nobody's: 404 for everybody"),
    ("/reviews/emergency/{emergency}", "the same for those who may review"),
    ("/reviews/questions/{question}", "the same for those who may answer"),
    ("/drafts/{draft}", "the sample is nobody's draft: 404 for everybody"),
    ("/drafts/{draft}/discard", "the same"),
    ("/security/passkeys/{passkey}/remove", "the sample is nobody's passkey: 404 for everybody"),
    ("/api/v1/me/activation", "as /activate"),
    ("/api/v1/step-up", "so many wrong codes came from this one address that it has to wait: 429"),
    ("/stroke/import/confirm", "the sample has no file waiting: 404 for those who may import"),
    ("/activate", "patients alone have a code to enter: 404 for staff"),
    ("/requests/ask", "asks for the act itself too; the sample is one that administrators do"),
    ("/requests/{request}", "open to who asked and to who may decide: 404 for others"),
    ("/requests/{request}/use", "for who asked: 404 for others; that is nobody of this table"),
    ("/my/access", "404 for staff, who have no record here; asked with the patient's own id"),
    ("/my/record", "leads to the own record, where policy is asked"),
    ("/my/documents", "leads to the own documents, where policy is asked"),
];

/// What policy says of the declared action: the status of a refusal, or `None` when it allows.
fn refusal(policy: &Policy, site: &Site, person: &Person, route: &Route, action: Action, patient: PatientId) -> Option<u16> {
    let near = patient == site.near;
    let own = (person.role == Role::Patient).then_some(site.near);
    let actor = wardkeep_policy::Actor::Account {
        id: person.id,
        role: person.role,
        state: wardkeep_domain::account::AccountState::Active,
        patient: own,
    };
    let in_care = near && matches!(person.role, Role::Doctor | Role::Nurse);
    let facts = Facts { in_care, emergency: false, proxy: false, marked: false, second_factor: true, fresh: true };
    let resource = if route.path.contains("{patient}") {
        Resource::Chart { patient, author: None }
    } else if route.path.contains("{account}") {
        Resource::Account { id: AccountId::from_bytes([1; 16]), role: Role::Nurse }
    } else if route.path.contains("{request}") {
        Resource::Request { kind: "reset_factor", asked_by: site.deputy.id, about: Some(site.locum.id) }
    } else {
        Resource::Hospital
    };
    policy.decide(actor, action, resource, facts).err().map(|denial| if denial.may_know { 403 } else { 404 })
}

fn signs_out(route: &Route) -> bool {
    matches!(route.path, "/sign-out" | "/api/v1/sign-out")
}

fn drifted(route: &Route, refusal: Option<u16>, status: u16) -> bool {
    if EXPLAINED.iter().any(|(path, _)| *path == route.path) {
        return false;
    }
    // A redirect away discloses nothing: the registrar's chart is the details page.
    let led_on = route.path == "/patients/{patient}" && status == 303;
    match refusal {
        Some(expected) => status != expected && !led_on,
        None => matches!(status, 400 | 401 | 403 | 404 | 405 | 413 | 415 | 429) || status >= 500,
    }
}

// ASVS 8.2.1, 8.2.2, 8.3.1
#[tokio::test]
async fn the_matrix_of_roles_routes_ownership_and_states_is_as_committed() {
    let mut site = Site::open().await;
    site.app.set_pace(crate::pace::HURRY);
    let policy = Policy::embedded().unwrap();
    let outsiders = outsiders(&site).await;
    let (mut table, mut wrong, mut number) = (String::new(), Vec::new(), 0);
    write!(table, "{:<62}", "").unwrap();
    for name in outsiders.iter().map(|outsider| outsider.name).chain(ROLES.map(|(role, _)| role.code())) {
        write!(table, " {name:<16}").unwrap();
    }
    table.push('\n');
    // Signing out and in again takes a minute each: what wants a fresh code comes before it.
    let mut routes = routes();
    routes.sort_by_key(signs_out);
    for route in routes {
        write!(table, "{:<62}", format!("{} {}", route.method, route.path)).unwrap();
        let patients = if route.path.contains("{patient}") { vec![site.near, site.far] } else { vec![site.near] };
        let mut cells = Vec::new();
        for outsider in &outsiders {
            let mut statuses = Vec::new();
            for patient in &patients {
                number += 1;
                let request = sample(&site, &route, None, outsider.cookie.as_deref(), *patient, number).await;
                statuses.push(site.raw(request).await.status.as_u16());
            }
            let inside = matches!(route.guard, Guard::Signed(_)) && statuses.iter().any(|status| !matches!(status, 303 | 401));
            if inside {
                wrong.push(format!("{} {}: {} got {statuses:?}", route.method, route.path, outsider.name));
            }
            cells.push(statuses);
        }
        for at in 0..site.people.len() {
            let person = site.people[at].clone();
            let mut statuses = Vec::new();
            for patient in &patients {
                number += 1;
                let request = sample(&site, &route, Some(&person), Some(&person.token), *patient, number).await;
                let status = site.raw(request).await.status.as_u16();
                if let Guard::Signed(action) = route.guard {
                    let refusal = refusal(&policy, &site, &person, &route, action, *patient);
                    if drifted(&route, refusal, status) {
                        wrong.push(format!("{} {} as {}: {status}, policy {refusal:?}", route.method, route.path, person.role.code()));
                    }
                }
                statuses.push(status);
            }
            if signs_out(&route) {
                site.people[at] = site.sign_in_again(&person).await;
            }
            cells.push(statuses);
        }
        for statuses in cells {
            let cell = statuses.iter().map(u16::to_string).collect::<Vec<_>>().join("/");
            write!(table, " {cell:<16}").unwrap();
        }
        table.truncate(table.trim_end().len());
        table.push('\n');
    }
    assert!(wrong.is_empty(), "declared and real differ:\n{}\n\n{table}", wrong.join("\n"));
    insta::assert_snapshot!(table);
}
