//! The hospital's own sign-in service: OpenID Connect Core 1.0 as a relying party.
//!
//! Authorisation code with PKCE (RFC 7636), `state`, `nonce` and the issuer in the answer (RFC 9207).
//! What the provider says counts when it is signed by one of its keys, for us, for this question.
//! Nothing is stored here and nobody is signed in: that is [`super::sign_on`]'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;
use url::{Host, Url};
use wardkeep_domain::SessionId;
use wardkeep_domain::account::Role;
use wardkeep_domain::account::session::ABSOLUTE_MS_MAX;
use wardkeep_domain::date::Moment;
use wardkeep_domain::name::Email;
use wardkeep_domain::request::role_decides;
use wardkeep_vault::vault::digest;
use zeroize::Zeroizing;

use super::steps::percent;
use crate::Visit;
use crate::jwt::{self, Expected, LEEWAY_MS, PublicKey};

/// A description and keys are asked for again after this long.
const READ_AGAIN_MS: i64 = 60 * 60 * 1000;
/// A key that is not known makes us look for new ones, at most this often.
const KEYS_AGAIN_MS: i64 = 60 * 1000;
/// After a description that could not be read nobody is sent out for it again for this long.
const REST_MS: i64 = 5_000;
/// Longest `sub` (OpenID Connect Core, section 2).
const SUBJECT_BYTES_MAX: usize = 255;
/// More keys of one provider are not looked at.
const KEYS_MAX: usize = 20;

/// How the program reaches the provider.
#[async_trait]
pub trait Outbound: Send + Sync + 'static {
    /// Sends one request and reads the whole answer; follows no redirect, waits a bounded time, reads
    /// a bounded length.
    ///
    /// # Errors
    /// Why there is no answer, in words for the log that quote nothing of the request.
    async fn call(&self, call: Call<'_>) -> Result<Reply, String>;
}

/// A request to the provider: it has no `Debug`, for it holds secrets.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub address: &'a str,
    /// The header's value.
    pub authorization: Option<&'a str>,
    /// Posted, form-encoded; `None` to read.
    pub form: Option<&'a str>,
}

/// What came back.
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

/// What the hospital and its provider agreed on.
#[derive(Clone)]
pub struct Agreed {
    /// Compared whole with what the provider says it is.
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Zeroizing<String>,
    /// Where the provider sends the browser back to.
    pub redirect_uri: String,
    /// As staff call it, for the button: "Northgate account".
    pub label: String,
    /// Values of `acr` that stand for a second factor here.
    pub accepted_acr: Vec<String>,
    /// Values of `amr` that do.
    pub accepted_amr: Vec<String>,
    /// The claim with the groups of a person.
    pub groups_claim: String,
    /// The role here that a group stands for.
    pub roles: BTreeMap<String, Role>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

struct Inner {
    agreed: Agreed,
    outbound: Arc<dyn Outbound>,
    read: Mutex<Read>,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provider({})", self.0.agreed.issuer)
    }
}

/// What the provider says of itself (OpenID Connect Discovery 1.0, section 3).
#[derive(Clone, Deserialize)]
struct Described {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// RFC 9207: then an answer without `iss` is somebody else's.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

type Keys = Vec<(Option<String>, PublicKey)>;

#[derive(Default)]
struct Read {
    described: Option<(Moment, Described)>,
    keys: Option<(Moment, Keys)>,
    failed_at: Option<Moment>,
}

/// What was asked, kept by the browser under our seal until the answer comes.
#[derive(Serialize, Deserialize)]
pub(crate) struct Question {
    state: String,
    nonce: String,
    verifier: String,
    /// The session that wants the answer linked to its account; `None` to sign in.
    pub link: Option<SessionId>,
}

impl Question {
    pub(crate) fn new(visit: &Visit, link: Option<SessionId>) -> Self {
        let random = || URL_SAFE_NO_PAD.encode(visit.entropy.bytes::<32>());
        Self { state: random(), nonce: random(), verifier: random(), link }
    }
}

/// What the provider's redirect brought.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Answer {
    pub code: String,
    pub state: String,
    pub iss: Option<String>,
    pub error: Option<String>,
}

/// Whom the provider vouches for.
pub(crate) struct Person {
    pub subject: String,
    /// One that the provider has verified.
    pub email: Option<Email>,
    pub name: Option<String>,
    pub groups: Vec<String>,
    pub proven_at: Moment,
    /// The `acr` or `amr` that the hospital accepts as a second factor.
    pub factor: Option<String>,
}

/// Why nobody is vouched for; words for the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// The answer is not one to this question, or not the provider's.
    Wrong(&'static str),
    /// The provider cannot be asked now.
    Unreachable(String),
}

impl Refusal {
    pub(crate) fn reason(&self) -> &str {
        match self {
            Wrong(reason) => reason,
            Unreachable(reason) => reason,
        }
    }
}

use Refusal::{Unreachable, Wrong};

/// What an ID token says beside the registered claims.
#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    auth_time: Option<f64>,
    #[serde(default)]
    acr: Option<String>,
    #[serde(default)]
    amr: Vec<String>,
    #[serde(flatten)]
    about: serde_json::Map<String, Value>,
}

/// May this address be called? TLS, or this machine itself when the issuer is on it.
fn may_call(address: &str, plain: bool) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return false,
    };
    let safe = url.scheme() == "https" || (url.scheme() == "http" && plain && loopback);
    safe && url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
}

fn pairs(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", percent(value))).collect();
    pairs.join("&")
}

impl Provider {
    /// # Errors
    /// What is wrong with the agreement, naming the setting and the fix.
    pub fn new(agreed: Agreed, outbound: Arc<dyn Outbound>) -> Result<Self, String> {
        if !may_call(&agreed.issuer, true) || agreed.issuer.contains('?') {
            return Err("issuer: give the provider's https address, as it stands in its tokens".to_owned());
        }
        for (name, value) in [("client_id", &agreed.client_id), ("client secret", &*agreed.client_secret), ("label", &agreed.label)] {
            if value.trim().is_empty() || value.len() > 500 {
                return Err(format!("{name}: it is empty or too long"));
            }
        }
        let powerful = agreed.roles.values().find(|role| role_decides(**role) || **role == Role::Patient);
        if let Some(role) = powerful {
            let words = "is not given by a group: it takes two people here, or a registration";
            return Err(format!("roles: {} {words}. Leave it out", role.label()));
        }
        Ok(Self(Arc::new(Inner { agreed, outbound, read: Mutex::default() })))
    }
    #[must_use]
    pub fn label(&self) -> &str {
        &self.0.agreed.label
    }
    pub(crate) fn issuer(&self) -> &str {
        &self.0.agreed.issuer
    }
    /// The roles that these groups stand for, each once.
    pub(crate) fn roles(&self, groups: &[String]) -> Vec<Role> {
        let mut roles: Vec<Role> = groups.iter().filter_map(|group| self.0.agreed.roles.get(group)).copied().collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    async fn call(&self, call: Call<'_>) -> Result<Reply, Refusal> {
        if !may_call(call.address, self.issuer().starts_with("http:")) {
            return Err(Unreachable("an endpoint is no https address".to_owned()));
        }
        self.0.outbound.call(call).await.map_err(Unreachable)
    }
    async fn read_json<T: DeserializeOwned>(&self, what: &str, address: &str, authorization: Option<&str>) -> Result<T, Refusal> {
        let reply = self.call(Call { address, authorization, form: None }).await?;
        if reply.status != 200 {
            return Err(Unreachable(format!("its {what}: status {}", reply.status)));
        }
        serde_json::from_slice(&reply.body).map_err(|_| Unreachable(format!("its {what}: it cannot be read")))
    }

    /// The provider's description, read at most once an hour.
    async fn described(&self, read: &mut Read, now: Moment) -> Result<Described, Refusal> {
        if let Some((at, described)) = &read.described
            && now.since_ms(*at) < READ_AGAIN_MS
        {
            return Ok(described.clone());
        }
        if read.failed_at.is_some_and(|at| now.since_ms(at) < REST_MS) {
            return Err(Unreachable("it did not answer a moment ago".to_owned()));
        }
        let told = async {
            let at = format!("{}/.well-known/openid-configuration", self.issuer().trim_end_matches('/'));
            let described: Described = self.read_json("description", &at, None).await?;
            if described.issuer == self.issuer() { Ok(described) } else { Err(Unreachable("it says that it is another issuer".to_owned())) }
        };
        match told.await {
            Ok(described) => {
                read.failed_at = None;
                read.described = Some((now, described.clone()));
                Ok(described)
            }
            Err(refusal) => {
                read.failed_at = Some(now);
                Err(refusal)
            }
        }
    }

    /// The keys that may have signed: those of this name, or all of them for a token that names none.
    async fn keys(&self, read: &mut Read, described: &Described, named: Option<&str>, now: Moment) -> Result<Vec<PublicKey>, Refusal> {
        let fits = |keys: &Keys| -> Vec<PublicKey> {
            let fits = keys.iter().filter(|(name, _)| named.is_none_or(|named| name.as_deref() == Some(named)));
            fits.map(|(_, key)| key.clone()).collect()
        };
        let age = read.keys.as_ref().map(|(at, keys)| (now.since_ms(*at), fits(keys)));
        match age {
            Some((age, keys)) if age < KEYS_AGAIN_MS || (age < READ_AGAIN_MS && !keys.is_empty()) => return Ok(keys),
            _ => {}
        }
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = self.read_json("keys", &described.jwks_uri, None).await?;
        let name = |key: &Value| key.get("kid").and_then(Value::as_str).map(str::to_owned);
        // Keys for something else stand beside those that sign.
        let keys: Keys = set.keys.iter().take(KEYS_MAX).filter_map(|key| Some((name(key), PublicKey::parse(key).ok()?))).collect();
        let fitting = fits(&keys);
        read.keys = Some((now, keys));
        Ok(fitting)
    }

    /// Where the browser goes with this question.
    pub(crate) async fn ask(&self, visit: &Visit, question: &Question) -> Result<String, Refusal> {
        let described = self.described(&mut *self.0.read.lock().await, visit.now).await?;
        let endpoint = described.authorization_endpoint;
        if !may_call(&endpoint, self.issuer().starts_with("http:")) {
            return Err(Unreachable("its sign-in page is no https address".to_owned()));
        }
        let challenge = URL_SAFE_NO_PAD.encode(digest(question.verifier.as_bytes()));
        let max_age = (ABSOLUTE_MS_MAX / 1000).to_string();
        let mut asked = vec![
            ("response_type", "code"),
            ("client_id", &self.0.agreed.client_id),
            ("redirect_uri", &self.0.agreed.redirect_uri),
            ("scope", "openid profile email"),
            ("state", &question.state),
            ("nonce", &question.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("max_age", &max_age),
        ];
        let acr = self.0.agreed.accepted_acr.join(" ");
        if !acr.is_empty() {
            asked.push(("acr_values", &acr));
        }
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{joint}{}", pairs(&asked)))
    }

    /// Whom the answer to this question vouches for.
    pub(crate) async fn person(&self, visit: &Visit, question: &Question, answer: &Answer) -> Result<Person, Refusal> {
        // Compared in full: the state is ours and of random letters, so the time tells nothing that helps.
        if answer.state != question.state {
            return Err(Wrong("answer to another question"));
        }
        let described = self.described(&mut *self.0.read.lock().await, visit.now).await?;
        match &answer.iss {
            Some(iss) if iss != self.issuer() => return Err(Wrong("answer of another issuer")),
            None if described.authorization_response_iss_parameter_supported => return Err(Wrong("answer does not name its issuer")),
            _ => {}
        }
        if answer.error.is_some() || answer.code.is_empty() {
            return Err(Wrong("provider signed nobody in"));
        }
        let tokens = self.exchange(&described, question, &answer.code).await?;
        let named = jwt::key_named(&tokens.id_token).map_err(Wrong)?;
        let keys = self.keys(&mut *self.0.read.lock().await, &described, named.as_deref(), visit.now).await?;
        let expected = Expected { issuer: self.issuer(), audience: &self.0.agreed.client_id, now: visit.now };
        let mut checked = Err("signed by an unknown key");
        for key in &keys {
            checked = jwt::verify::<Said>(key, &tokens.id_token, expected);
            if checked.is_ok() {
                break;
            }
        }
        let claims = checked.map_err(Wrong)?;
        let said = claims.more;
        if said.nonce.as_deref() != Some(question.nonce.as_str()) {
            return Err(Wrong("token is for another question"));
        }
        // Core, 3.1.3.7: for several audiences it has to say who asked.
        if said.azp.as_deref().map_or(claims.aud.len() > 1, |azp| azp != self.0.agreed.client_id) {
            return Err(Wrong("token was asked for by another"));
        }
        let subject = claims.sub;
        if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX || !subject.is_ascii() {
            return Err(Wrong("subject is empty or too long"));
        }
        let proven_at = jwt::moment(said.auth_time.ok_or(Wrong("token does not say when the person signed in"))?);
        let age_ms = visit.now.since_ms(proven_at);
        if !(-LEEWAY_MS..=ABSOLUTE_MS_MAX + LEEWAY_MS).contains(&age_ms) {
            return Err(Wrong("sign-in at the provider is too long ago"));
        }
        let factor = said.acr.into_iter().filter(|acr| self.0.agreed.accepted_acr.contains(acr));
        let factor = factor.chain(said.amr.into_iter().filter(|amr| self.0.agreed.accepted_amr.contains(amr))).next();
        let about = self.about(&described, said.about, &tokens.access_token, &subject).await?;
        let text = |name: &str| about.get(name).and_then(Value::as_str);
        let verified = about.get("email_verified") == Some(&Value::Bool(true));
        let groups = match about.get(&self.0.agreed.groups_claim) {
            Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(Value::String(group)) => vec![group.clone()],
            _ => Vec::new(),
        };
        Ok(Person {
            email: text("email").filter(|_| verified).and_then(|email| Email::parse(email).ok()),
            name: text("name").map(str::to_owned),
            groups,
            proven_at: Moment(proven_at.0.min(visit.now.0)),
            factor,
            subject,
        })
    }

    /// The code for tokens. It counts once and only with our secret and the verifier.
    async fn exchange(&self, described: &Described, question: &Question, code: &str) -> Result<Tokens, Refusal> {
        let Agreed { client_id, client_secret, redirect_uri, .. } = &self.0.agreed;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", &question.verifier),
        ];
        // Discovery, section 3: `client_secret_basic` where nothing is said.
        let methods = described.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
        let has = |name: &str| methods.iter().any(|method| method == name);
        let in_form = has("client_secret_post") && !has("client_secret_basic");
        if in_form {
            form.extend([("client_id", client_id.as_str()), ("client_secret", client_secret.as_str())]);
        }
        let body = Zeroizing::new(pairs(&form));
        // RFC 6749, 2.3.1: each half is form-encoded first.
        let halves = Zeroizing::new(format!("{}:{}", percent(client_id), percent(client_secret)));
        let basic = (!in_form).then(|| Zeroizing::new(format!("Basic {}", STANDARD.encode(halves.as_bytes()))));
        let authorization = basic.as_ref().map(|basic| basic.as_str());
        let reply = self.call(Call { address: &described.token_endpoint, authorization, form: Some(&body) }).await?;
        match reply.status {
            200 => serde_json::from_slice(&reply.body).map_err(|_| Wrong("provider gave no ID token")),
            400 => Err(Wrong("provider refused the code")),
            401 => Err(Unreachable("it refused our client id and secret".to_owned())),
            status => Err(Unreachable(format!("its token endpoint: status {status}"))),
        }
    }

    /// What the token says of the person, and what the provider tells beside it (Core, section 5.3).
    async fn about(
        &self,
        described: &Described,
        mut about: serde_json::Map<String, Value>,
        access_token: &str,
        subject: &str,
    ) -> Result<serde_json::Map<String, Value>, Refusal> {
        let all = ["email", &self.0.agreed.groups_claim].iter().all(|claim| about.contains_key(*claim));
        let Some(endpoint) = described.userinfo_endpoint.as_deref().filter(|_| !all && !access_token.is_empty()) else {
            return Ok(about);
        };
        let told: serde_json::Map<String, Value> =
            self.read_json("word on the person", endpoint, Some(&format!("Bearer {access_token}"))).await?;
        if told.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(Wrong("provider tells about somebody else"));
        }
        // An address and whether it was verified belong together: both from the same place.
        if !about.contains_key("email") {
            about.remove("email_verified");
        }
        for (name, value) in told {
            about.entry(name).or_insert(value);
        }
        Ok(about)
    }
}

/// Reads whatever a provider may send, for the fuzzer.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_all(json: &[u8]) -> usize {
    let described = serde_json::from_slice::<Described>(json).is_ok_and(|described| may_call(&described.token_endpoint, false));
    let tokens = serde_json::from_slice::<Tokens>(json).is_ok_and(|tokens| jwt::key_named(&tokens.id_token).is_ok());
    let said = serde_json::from_slice::<jwt::Claims<Said>>(json).is_ok_and(|said| jwt::moment(said.exp).0 > 0);
    [described, tokens, said].iter().filter(|good| **good).count()
}

/// May a provider's address be called that is no TLS and no loopback? For the fuzzer.
#[cfg(any(test, fuzzing))]
pub(crate) fn is_called(address: &str) -> bool {
    may_call(address, true)
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    #[serde(default)]
    access_token: String,
}
