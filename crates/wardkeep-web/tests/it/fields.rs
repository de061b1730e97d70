//! Which fields each role reads, as a table people review, and which nobody may write.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use serde_json::Value;
use wardkeep_domain::account::Role;
use wardkeep_web::routes::Guard;

use crate::samples::{routes, sample};
use crate::site::{ROLES, Site};

/// Names of all members, as `patient.names[].family`.
fn members(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let place = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                members(value, &place, found);
                found.insert(place);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, &format!("{at}[]"), found)),
        _ => {}
    }
}

// ASVS 8.1.2, 8.2.3
#[tokio::test]
async fn what_each_role_reads_is_as_committed() {
    let site = Site::open().await;
    site.app.set_pace(crate::pace::HURRY);
    // So that no list is empty.
    site.record(site.near).await;
    site.document(site.near).await;
    site.assessment(site.near).await;
    let mut table = String::new();
    let reads = routes().into_iter().filter(|route| route.path.starts_with("/api/v1/") && matches!(route.guard, Guard::Signed(_)));
    for route in reads.filter(|route| route.method == "GET" || route.path.ends_with("/search")) {
        let mut same: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (role, _) in ROLES {
            let person = site.person(role);
            let answer = site.raw(sample(&site, &route, Some(person), Some(&person.token), site.near, 1).await).await;
            let fields = match (answer.status.as_u16(), serde_json::from_slice::<Value>(&answer.body)) {
                (200, Ok(json)) => {
                    let mut found = BTreeSet::new();
                    members(&json, "", &mut found);
                    found.into_iter().collect::<Vec<_>>().join(" ")
                }
                (200, Err(_)) => "(no JSON)".to_owned(),
                (status, _) => status.to_string(),
            };
            same.entry(fields).or_default().push(role.code());
        }
        table.push_str(&format!("{} {}\n", route.method, route.path));
        for (fields, roles) in same {
            table.push_str(&format!("  {}: {fields}\n", roles.join(", ")));
        }
    }
    insta::assert_snapshot!(table);
}

/// What decides about rights, owners and times: never taken from outside.
const OURS: [&str; 11] =
    ["id", "role", "roles", "state", "account", "author", "created_at", "patient_id", "owner", "is_admin", "second_factor"];

// ASVS 8.2.3
#[tokio::test]
async fn no_form_takes_a_field_that_decides_about_rights() {
    let site = Site::open().await;
    let mut tried = 0;
    for route in routes().into_iter().filter(|route| route.method == "POST" && !route.path.starts_with("/api/")) {
        // Files, and a report of the browser, which is counted and never read.
        // And a question to the rules, which changes nothing.
        if matches!(route.path, "/patients/{patient}/documents" | "/stroke/import" | "/csp-report" | "/policy/explain") {
            continue;
        }
        let Guard::Signed(_) = route.guard else { continue };
        let own: Vec<&str> = crate::samples::form(route.path).into_iter().map(|(name, _)| name).collect();
        let path = crate::samples::address(&site, route.path, site.near, 1).await;
        for (role, _) in ROLES {
            let person = site.person(role);
            // A request for a second person says whose factor it is about.
            let asks = |field: &&str| route.path == "/requests/ask" && *field == "account";
            for field in OURS.into_iter().filter(|field| !own.contains(field) && !asks(field)) {
                let mut fields = crate::samples::form(route.path);
                fields.push((field, "administrator"));
                let status = site.post(person, &path, &fields).await.status.as_u16();
                assert_eq!(status, 400, "{} with {field} as {role:?}", route.path);
                tried += 1;
            }
        }
    }
    assert!(tried > 1_000, "only {tried}");
}

// ASVS 8.2.3
#[tokio::test]
async fn nobody_opens_an_account_with_a_role_of_their_choice() {
    let site = Site::open().await;
    let account = [
        ("email", "me@site.example"),
        ("display_name", "Pat Newcomer"),
        ("password", crate::site::PASSWORD),
        ("password_again", crate::site::PASSWORD),
    ];
    for (field, value) in [("role", "administrator"), ("state", "active"), ("patient", &site.near.to_string())] {
        let fields: Vec<(&str, &str)> = account.iter().copied().chain([(field, value)]).collect();
        assert_eq!(site.knock("/register", &fields).await.status, 400, "{field}");
        let (_, link) =
            site.app.invite(&site.operator(), &format!("invited-{field}@site.example"), "Invited Nurse", "nurse").await.unwrap();
        assert_eq!(site.knock(&format!("/invitation/{link}"), &fields).await.status, 400, "{field} by invitation");
        assert_eq!(site.knock(&format!("/invitation/{link}"), &account).await.status, 303);
        let made = site.app.account_by_email(&site.operator(), &format!("invited-{field}@site.example")).await.unwrap();
        assert_eq!(made.account.role, Role::Nurse, "whatever address the form named");
    }
    assert!(site.app.account_by_email(&site.operator(), "me@site.example").await.is_err());
    let invite = crate::site::request("POST", Some(&site.person(Role::Nurse).token), "/api/v1/accounts")
        .header("x-wardkeep", "1")
        .header("content-type", "application/json")
        .body(Body::from(r#"{"email": "a@b.example", "display_name": "A B", "role": "administrator"}"#))
        .unwrap();
    assert_eq!(site.raw(invite).await.status, 403, "a nurse gives no role");
}
