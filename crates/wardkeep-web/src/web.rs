//! What every handler can reach: the use cases, the clock, randomness, and how the site is served.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use wardkeep_app::sign_in::{Provider, RelyingParty};
use wardkeep_app::{App, Entropy, Visit};
use wardkeep_domain::date::Moment;

/// The clock as an argument; tests move their own.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Moment;
}

/// How the site is served.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `https://records.example.org` or `http://127.0.0.1:8080`: compared with `Origin` exactly.
    pub origin: String,
    /// `true` unless served over plain HTTP on loopback: cookies get `Secure` and `__Host-`.
    pub secure: bool,
    /// The hospital's own sign-in service, where there is one.
    pub sign_on: Option<Provider>,
    /// Whoever comes may read the published log, which names nobody.
    pub publish_log: bool,
}

/// Cheap to clone; the axum state.
#[derive(Clone)]
pub struct Web(Arc<Inner>);

pub struct Inner {
    pub app: App,
    pub clock: Arc<dyn Clock>,
    pub entropy: Entropy,
    pub settings: Settings,
    /// `None` where browsers refuse passkeys: the site is opened by an address of digits.
    pub passkeys: Option<RelyingParty>,
    /// Reports of browsers that the content policy stopped something, since the start.
    pub reports: AtomicU64,
}

impl std::ops::Deref for Web {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Web {
    #[must_use]
    pub fn new(app: App, clock: Arc<dyn Clock>, entropy: Entropy, settings: Settings) -> Self {
        let passkeys = RelyingParty::of(&settings.origin, &app.hospital().name);
        Self(Arc::new(Inner { app, clock, entropy, settings, passkeys, reports: AtomicU64::new(0) }))
    }

    /// The visit of one request.
    #[must_use]
    pub fn visit(&self, parts: &http::request::Parts) -> Visit {
        let address = parts
            .extensions
            .get::<axum::extract::ConnectInfo<std::net::SocketAddr>>()
            .map_or_else(|| "unknown".to_owned(), |info| info.0.ip().to_string());
        let agent = parts.headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let request = parts.extensions.get::<RequestId>().map_or_else(|| self.entropy.bytes(), |id| id.0);
        Visit { now: self.clock.now(), entropy: self.entropy.clone(), request, address, device: device(agent) }
    }
}

/// Random id of a request, set by the outermost layer; shown with errors.
#[derive(Clone, Copy, Debug)]
pub struct RequestId(pub [u8; 16]);

/// "Chromium on Linux" from a user agent: enough to recognise one's own device, nothing more.
pub(crate) fn device(agent: &str) -> String {
    let pick = |table: &[(&str, &'static str)]| table.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    let browser = pick(&[("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chromium"), ("Safari/", "Safari"), ("curl/", "curl")]);
    let system = pick(&[
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("iPad", "iOS"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "Unknown device".to_owned(),
    }
}
