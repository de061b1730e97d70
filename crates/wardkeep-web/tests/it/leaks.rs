//! What must never stand in a log, an address or a redirect.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::routing::get as on_get;
use http_body_util::BodyExt;
use tower::ServiceExt;
use tracing_subscriber::fmt::MakeWriter;
use wardkeep_domain::account::Role;
use wardkeep_web::{guard, headers};

use crate::samples::{routes, sample};
use crate::site::{FAR_FAMILY, FAR_MRN, NEAR_FAMILY, NEAR_MRN, PASSWORD, Site, get, request};

/// Everything that is traced on this thread.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Captured {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

fn capture() -> (Captured, tracing::subscriber::DefaultGuard) {
    let captured = Captured::default();
    let subscriber =
        tracing_subscriber::fmt().with_writer(captured.clone()).with_ansi(false).with_max_level(tracing::Level::TRACE).finish();
    (captured, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn openmrs_6230_no_name_number_address_or_secret_stands_in_a_log_a_link_or_a_redirect() {
    let (captured, _guard) = capture();
    let site = Site::open().await;
    site.app.set_pace(crate::pace::HURRY);
    let people = [NEAR_FAMILY, FAR_FAMILY, NEAR_MRN, FAR_MRN, "Canary", "canary.", "@site.example", "Staffname", "Quillon", "Comfortable"];
    let mut secrets: Vec<String> = site.people.iter().flat_map(|person| [person.token.clone(), person.csrf.clone()]).collect();
    secrets.extend([PASSWORD.to_owned(), "CANARYAGENT".to_owned(), "CANARYQUERY".to_owned(), "CANARYBEARER".to_owned()]);
    for route in routes().iter().filter(|route| !route.path.ends_with("/sign-out")) {
        for person in &site.people {
            let mut request = sample(&site, route, Some(person), Some(&person.token), site.near, 1).await;
            request.headers_mut().insert("user-agent", "CANARYAGENT".parse().unwrap());
            request.headers_mut().insert("authorization", "Bearer CANARYBEARER".parse().unwrap());
            let answer = site.raw(request).await;
            let what = format!("{} {} as {:?}", route.method, route.path, person.role);
            let page = answer.text();
            let links = page.split(['"', ' ']).filter(|part| part.starts_with('/') || part.starts_with("http"));
            for address in links.chain([answer.header("location"), answer.header("content-disposition")]) {
                for name in people {
                    assert!(!address.contains(name), "{name} in the address {address} of {what}");
                }
            }
        }
    }
    for path in ["/patients?CANARYQUERY=1", "/CANARYQUERY", "/invitation/CANARYQUERY", "/static/CANARYQUERY"] {
        site.get(None, path).await;
    }
    site.knock("/sign-in", &[("email", "doctor@site.example"), ("password", PASSWORD)]).await;
    let log = captured.text();
    for secret in people.iter().map(|name| (*name).to_owned()).chain(secrets).chain([site.near.to_string(), site.far.to_string()]) {
        let line = log.lines().find(|line| line.contains(&secret));
        assert!(line.is_none(), "{secret} in the log: {line:?}");
    }
    let line = log.lines().find(|line| line.contains("/patients/{patient}/records\"") && line.contains("status=200")).unwrap();
    for part in ["answered", "method=\"GET\"", "took_ms=0", "request="] {
        assert!(line.contains(part), "{line}");
    }
}

/// The layers of the router around handlers that go wrong.
fn faulty(site: &Site) -> Router {
    async fn boom() {
        panic!("CANARYPANIC {}", NEAR_FAMILY);
    }
    let slow = on_get(std::future::pending::<()>).layer(from_fn_with_state(("/slow", Duration::from_millis(20)), guard::in_time));
    Router::new()
        .route("/boom", on_get(boom))
        .route("/api/boom", on_get(boom))
        .route("/slow", slow)
        .layer(from_fn_with_state(site.web.clone(), guard::observe))
        .layer(from_fn_with_state(site.web.clone(), headers::apply))
}

#[tokio::test]
async fn a_panic_is_an_answer_with_a_number_and_tells_nothing() {
    let (captured, _guard) = capture();
    let site = Site::open().await;
    let router = faulty(&site);
    for (path, kind) in [("/boom", "text/html; charset=utf-8"), ("/api/boom", "application/json")] {
        let response = router.clone().oneshot(get(None, path)).await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["content-type"], kind);
        assert_eq!(response.headers()["x-frame-options"], "DENY");
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(text.contains(&id), "the number to tell an administrator");
        assert!(!text.contains("CANARY") && !text.contains(NEAR_FAMILY));
        assert!(captured.text().lines().any(|line| line.contains("a handler panicked") && line.contains(&id)));
    }
    assert!(!captured.text().contains("CANARYPANIC"));
}

#[tokio::test]
async fn what_takes_too_long_is_told_so() {
    let site = Site::open().await;
    let response = faulty(&site).oneshot(request("GET", None, "/slow").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 408);
    assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
}

#[tokio::test]
async fn every_page_of_a_signed_in_person_is_stored_nowhere_and_holds_no_session_token() {
    let site = Site::open().await;
    for person in &site.people {
        for path in ["/", "/security", "/my/access"] {
            let answer = site.get(Some(person), path).await;
            assert_eq!(answer.header("cache-control"), "no-store");
            assert!(!answer.text().contains(&person.token), "{path} as {:?}", person.role);
        }
    }
    assert_eq!(site.person(Role::Doctor).token.len(), 43);
}
