//! The token endpoint of service accounts: client credentials (RFC 6749 section 4.4), by HTTP Basic, in
//! the form, or as an assertion that the client signed (RFC 7523 section 2.2; with `client_id`). Its refusals have the shape that clients of that RFC read (section 5.2).

use axum::extract::{Form, FromRequest, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;
use wardkeep_app::Visit;
use wardkeep_app::services::{Given, TokenRefusal};

use super::answer::{Answer, Refused, Said};
use super::describe::{Described, Takes};
use super::take::is_type;
use crate::csrf::TOKEN_PATH;
use crate::web::Web;

/// The one `client_assertion_type` (RFC 7523 section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A request for a token, with the client's credentials.
pub struct TokenRequest {
    web: Web,
    visit: Visit,
    grant_type: String,
    scope: Option<String>,
    client: String,
    secret: String,
    assertion: Option<String>,
}

fn refused(status: StatusCode, code: &'static str, words: &'static str) -> Refused {
    Refused::OAuth { status, code, words }
}

fn malformed(words: &'static str) -> Refused {
    refused(StatusCode::BAD_REQUEST, "invalid_request", words)
}

fn wrong_client() -> Refused {
    refused(StatusCode::UNAUTHORIZED, "invalid_client", "The client id or the secret is not right, or the account is not active.")
}

/// Client id and secret of `Authorization: Basic …`; both are form-encoded within (section 2.3.1).
fn basic(headers: &HeaderMap) -> Option<Result<(String, String), Refused>> {
    let value = headers.get(header::AUTHORIZATION)?;
    let read = || {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        let pair = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(encoded.trim()).ok())??;
        let pair = String::from_utf8(pair).ok()?;
        let (client, secret) = pair.split_once(':')?;
        Some((client.to_owned(), secret.to_owned()))
    };
    // What we hand out is letters, digits, hyphens and underscores: encoded it stays as it is.
    Some(read().ok_or_else(wrong_client))
}

impl FromRequest<Web> for TokenRequest {
    type Rejection = Refused;
    async fn from_request(request: Request, web: &Web) -> Result<Self, Refused> {
        is_type(request.headers(), "application/x-www-form-urlencoded")?;
        let by_header = basic(request.headers()).transpose()?;
        let (parts, body) = request.into_parts();
        let visit = web.visit(&parts);
        let form = Form::<Vec<(String, String)>>::from_request(Request::from_parts(parts, body), web).await;
        let Form(pairs) = form.map_err(|_| malformed("The body was not understood: send it as a form."))?;
        let one = |name: &str| {
            let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone());
            match (values.next(), values.next()) {
                (value, None) => Ok(value),
                _ => Err(malformed("A parameter was sent twice.")),
            }
        };
        let by_form = (one("client_id")?, one("client_secret")?);
        let assertion = match (one("client_assertion_type")?.as_deref(), one("client_assertion")?) {
            (None, None) => None,
            (Some(JWT_BEARER), Some(assertion)) => Some(assertion),
            _ => return Err(malformed("Send client_assertion with client_assertion_type, the one of RFC 7523.")),
        };
        // RFC 6749, 2.3: one way to authenticate per request.
        if assertion.is_some() && (by_header.is_some() || by_form.1.is_some()) {
            return Err(malformed("Send a secret or an assertion, not both."));
        }
        if assertion.is_some() && by_form.0.is_none() {
            return Err(malformed("Send client_id beside client_assertion."));
        }
        let (grant_type, scope) = (one("grant_type")?, one("scope")?);
        let (client, secret) = match (by_header, by_form) {
            (Some(pair), (None, None)) => pair,
            // A client may name itself beside the header, but only as the one it is.
            (Some((client, secret)), (Some(named), None)) if named == client => (client, secret),
            (Some(_), _) => return Err(malformed("Send the client's credentials one way: in the header or in the form.")),
            (None, (client, secret)) => (client.unwrap_or_default(), secret.unwrap_or_default()),
        };
        let grant_type = grant_type.ok_or_else(|| malformed("Send grant_type=client_credentials."))?;
        Ok(Self { web: web.clone(), visit, grant_type, scope, client, secret, assertion })
    }
}

impl Takes for TokenRequest {
    fn takes(described: &mut Described) {
        described.takes("application/x-www-form-urlencoded");
    }
}

/// An access token (RFC 6749 section 5.1).
#[derive(Serialize, ToSchema)]
pub struct AccessToken {
    /// Send it as bearer token; it is shown now and never again.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: i64,
    /// Codes with a blank between.
    pub scope: String,
}

pub async fn token(request: TokenRequest) -> Answer<Said<AccessToken>> {
    if request.grant_type != "client_credentials" {
        return Err(refused(StatusCode::BAD_REQUEST, "unsupported_grant_type", "This address takes grant_type=client_credentials."));
    }
    let TokenRequest { web, visit, scope, client, secret, assertion, .. } = request;
    let endpoint = format!("{}{TOKEN_PATH}", web.settings.origin);
    let given = assertion.as_deref().map_or(Given::Secret(&secret), Given::Assertion);
    match web.app.service_token(&visit, &endpoint, &client, given, scope.as_deref()).await {
        Ok(given) => Ok(Said(AccessToken {
            access_token: given.token,
            token_type: "Bearer",
            expires_in: given.expires_in_s,
            scope: given.scopes.to_string(),
        })),
        Err(TokenRefusal::Client) => Err(wrong_client()),
        Err(TokenRefusal::Scope) => {
            Err(refused(StatusCode::BAD_REQUEST, "invalid_scope", "This client does not have one of these scopes."))
        }
        Err(TokenRefusal::Other(error)) => Err(error.into()),
    }
}
