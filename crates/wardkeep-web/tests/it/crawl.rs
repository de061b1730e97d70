//! Nobody in particular tries every address with every method; and what every answer carries.

use axum::body::Body;
use http::StatusCode;
use wardkeep_domain::account::Role;
use wardkeep_web::Settings;
use wardkeep_web::routes::Guard;

use crate::samples::{address, routes, sample};
use crate::site::{Answer, FAR_FAMILY, FAR_MRN, NEAR_FAMILY, NEAR_MRN, Site, request};

const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "INVENTED"];

/// Whatever is answered says how browsers must treat it, and carries the request's number.
pub fn carries_its_headers(answer: &Answer, what: &str) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("cross-origin-resource-policy", "same-origin"),
        ("origin-agent-cluster", "?1"),
        ("x-permitted-cross-domain-policies", "none"),
    ] {
        assert_eq!(answer.header(name), value, "{name} of {what}");
    }
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{what}: {policy}");
    if answer.header("content-type").starts_with("text/html") {
        for part in
            ["base-uri 'none'", "object-src 'none'", "form-action 'self'", "require-trusted-types-for 'script'", "report-uri /csp-report"]
        {
            assert!(policy.contains(part), "{what} lacks {part}");
        }
        assert!(!policy.contains("unsafe"), "{what}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{what}");
    } else {
        assert!(policy.contains("sandbox"), "{what}");
    }
    assert!(answer.header("permissions-policy").contains("camera=()"), "{what}");
    let id = answer.header("x-request-id");
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{what}: request id {id:?}");
    assert!(!answer.headers.contains_key("server"), "{what}");
    assert!(!answer.headers.contains_key("access-control-allow-origin"), "{what}");
    let forever = answer.status == StatusCode::OK && answer.header("content-type").starts_with("text/css");
    assert_eq!(answer.header("cache-control").contains("no-store"), !forever, "{what}");
}

fn names_nobody(answer: &Answer, what: &str) {
    let text = format!("{:?} {}", answer.headers, answer.text());
    for canary in [NEAR_FAMILY, FAR_FAMILY, NEAR_MRN, FAR_MRN, "Canary", "canary"] {
        assert!(!text.contains(canary), "{canary} in {what}");
    }
}

#[tokio::test]
async fn a_stranger_gets_the_named_public_pages_and_nothing_else() {
    let site = Site::open().await;
    let mut open = Vec::new();
    for route in routes() {
        for method in METHODS {
            let path = address(&site, route.path, site.near, 1).await;
            let answer = site.raw(request(method, None, &path).body(Body::empty()).unwrap()).await;
            let what = format!("{method} {path}");
            carries_its_headers(&answer, &what);
            names_nobody(&answer, &what);
            if answer.status.is_success() {
                open.push(format!("{method} {}", route.path));
            } else if answer.status.is_redirection() {
                assert_eq!(answer.header("location"), "/sign-in", "{what}");
            } else {
                assert!(answer.status.is_client_error(), "{what}: {}", answer.status);
            }
        }
        let answer = site.raw(sample(&site, &route, None, None, site.near, 1).await).await;
        carries_its_headers(&answer, route.path);
        names_nobody(&answer, route.path);
        if matches!(route.guard, Guard::Signed(_)) {
            assert!(matches!(answer.status.as_u16(), 303 | 401), "{} {}: {}", route.method, route.path, answer.status);
        }
    }
    open.sort();
    open.dedup();
    let pages: Vec<String> = open.into_iter().filter(|line| !line.contains("/api/")).collect();
    assert_eq!(
        pages,
        [
            "GET /healthz",
            "GET /readyz",
            "GET /register",
            "GET /session/left",
            "GET /sign-in",
            "GET /sign-in/passkey",
            "GET /static/{*path}",
            "HEAD /healthz",
            "HEAD /readyz",
            "HEAD /register",
            "HEAD /session/left",
            "HEAD /sign-in",
            "HEAD /sign-in/passkey",
            "HEAD /static/{*path}",
            "POST /csp-report",
        ]
    );
}

#[tokio::test]
async fn addresses_that_no_route_has_are_not_found_for_everybody() {
    let site = Site::open().await;
    let near = site.near;
    let patient = |rest: &str| format!("/patients/{near}{rest}");
    for path in [
        "/nothing".to_owned(),
        "/admin".to_owned(),
        "/.env".to_owned(),
        "/.git/config".to_owned(),
        "/metrics".to_owned(),
        "/static/".to_owned(),
        "/static/../Cargo.toml".to_owned(),
        "/static/%2e%2e/%2e%2e/Cargo.toml".to_owned(),
        "//sign-in".to_owned(),
        "/sign-in/".to_owned(),
        "/SIGN-IN".to_owned(),
        "/sign-in%00".to_owned(),
        "/sign-in;x=1".to_owned(),
        "/api".to_owned(),
        "/api/v1/nothing".to_owned(),
        patient("/"),
        patient("/records/"),
        patient("%2frecords"),
        patient("/records/..%2f..%2flog"),
        patient("%0d%0aset-cookie:x=1"),
        patient("/%252e%252e/log"),
        "/patients/%ff%fe".to_owned(),
        format!("/patients/{}", near.to_string().to_uppercase()),
        format!("/patients/{}", near.to_string().replace('-', "")),
        format!("/patients/{{{near}}}"),
    ] {
        for who in [None, Some(site.person(Role::Doctor)), Some(site.person(Role::Registrar))] {
            let answer = site.get(who, &path).await;
            carries_its_headers(&answer, &path);
            names_nobody(&answer, &path);
            let to_sign_in = who.is_none() && answer.header("location") == "/sign-in";
            assert!(matches!(answer.status.as_u16(), 400 | 404) || to_sign_in, "{path}: {}", answer.status);
        }
    }
}

#[tokio::test]
async fn over_tls_cookies_and_transport_are_bound_to_the_host_and_on_loopback_they_are_not() {
    for secure in [false, true] {
        let origin = if secure { "https://records.example.org" } else { crate::site::ORIGIN };
        let site = Site::with(Settings { origin: origin.to_owned(), secure, sign_on: None, publish_log: false }).await;
        let answer = site.knock("/sign-in", &[("email", "doctor@site.example"), ("password", crate::site::PASSWORD)]).await;
        assert_eq!(answer.status, 303);
        let cookie = answer.header("set-cookie");
        assert_eq!(answer.headers.contains_key("strict-transport-security"), secure);
        for part in ["; Path=/", "; HttpOnly", "; SameSite=Strict"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
        assert_eq!(cookie.starts_with("__Host-wardkeep-sign-in=") && cookie.ends_with("; Secure"), secure, "{cookie}");
        if secure {
            assert_eq!(answer.header("strict-transport-security"), "max-age=63072000; includeSubDomains");
            // Without the prefix a neighbour under the same domain could have set it.
            let plain = site.get(Some(site.person(Role::Doctor)), "/security").await;
            assert_eq!(plain.header("location"), "/sign-in");
        }
    }
}

// ASVS 7.4.1, 7.4.4
#[tokio::test]
async fn signing_out_clears_what_the_browser_kept_and_the_session_is_over() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor);
    let answer = site.post(doctor, "/sign-out", &[]).await;
    assert_eq!(answer.header("clear-site-data"), "\"cache\", \"storage\"");
    assert_eq!(answer.cookie("wardkeep-session").as_deref(), Some(""));
    assert_eq!(site.get(Some(doctor), "/").await.header("location"), "/sign-in");
}

#[tokio::test]
async fn scripts_and_styles_are_compressed_and_the_same_for_everybody_and_pages_are_not_compressed() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor);
    let fetch = async |token: Option<&str>, path: &str| {
        site.raw(request("GET", token, path).header("accept-encoding", "gzip, br").body(Body::empty()).unwrap()).await
    };
    let sheet = wardkeep_web::assets::url("app.css");
    let (anonymous, signed) = (fetch(None, &sheet).await, fetch(Some(&doctor.token), &sheet).await);
    assert_eq!(anonymous.header("content-encoding"), "gzip");
    assert_eq!(anonymous.header("vary"), "accept-encoding");
    assert!(anonymous.body.len() < 16 * 1024, "{}", anonymous.body.len());
    assert_eq!(anonymous.body, signed.body);
    let font = wardkeep_web::assets::url("atkinson-hyperlegible-next-latin.woff2");
    assert_eq!(fetch(None, &font).await.header("content-encoding"), "");
    for path in ["/", "/security", "/patients"] {
        let page = fetch(Some(&doctor.token), path).await;
        assert_eq!((page.status, page.header("content-encoding")), (StatusCode::OK, ""), "{path}");
    }
}

#[tokio::test]
async fn reports_of_the_content_policy_are_counted_and_shown_to_the_administrator() {
    let site = Site::open().await;
    let administrator = site.person(Role::Administrator);
    assert!(!site.get(Some(administrator), "/health").await.text().contains("Content policy"));
    for _ in 0..3 {
        let report = request("POST", None, "/csp-report").header("content-type", "application/csp-report");
        let answer = site.raw(report.body(Body::from("{\"csp-report\":{\"document-uri\":\"http://x/<script>\"}}")).unwrap()).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
    }
    let large = request("POST", None, "/csp-report").body(Body::from(vec![b'x'; 17 * 1024])).unwrap();
    assert_eq!(site.raw(large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let page = site.get(Some(administrator), "/health").await.text();
    assert!(page.contains("Browsers reported 3 breaches since the start."), "counted");
    assert!(!page.contains("document-uri"));
}
