//! A sign-in service in the same process: it keeps to the protocol, and to whatever a test writes
//! into its tokens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use wardkeep_app::sign_in::{Agreed, Call, Outbound, Provider, Reply};
use wardkeep_domain::account::Role;
use wardkeep_signer::{Signer, b64};

use crate::site::ORIGIN;

pub const ISSUER: &str = "https://login.site.example/hospital";
pub const LABEL: &str = "Site account";
const CLIENT: &str = "wardkeep at site";
const SECRET: &str = "s3cret: with % and +";

pub struct State {
    pub signer: Signer,
    pub key: String,
    /// What stands at the address of the keys.
    pub published: Vec<Value>,
    pub keys_read: usize,
    /// Everything that was called, by its last part.
    pub calls: Vec<String>,
    pub down: bool,
    /// The answer names the issuer (RFC 9207).
    pub names_itself: bool,
    pub about: Option<Value>,
    /// In place of the signed token.
    pub token: Option<String>,
    /// Changes the description.
    pub described: Value,
    codes: BTreeMap<String, (Value, String)>,
}

#[derive(Clone)]
pub struct Issuer(Arc<Mutex<State>>);

/// A parameter of an address.
pub fn parameter(address: &str, name: &str) -> String {
    let query = address.split_once('?').map_or(address, |(_, query)| query);
    let value = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map_or("", |(_, value)| value);
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

impl Issuer {
    pub fn open() -> Self {
        let signer = Signer::es256();
        let published = vec![json!({ "kty": "oct", "kid": "other" }), signer.jwk("one")];
        Self(Arc::new(Mutex::new(State {
            signer,
            key: "one".to_owned(),
            published,
            keys_read: 0,
            calls: Vec::new(),
            down: false,
            names_itself: false,
            about: None,
            token: None,
            described: json!({}),
            codes: BTreeMap::new(),
        })))
    }
    pub fn agreed() -> Agreed {
        let roles = [("ward-doctors", Role::Doctor), ("ward-nurses", Role::Nurse), ("all-nurses", Role::Nurse)];
        Agreed {
            issuer: ISSUER.to_owned(),
            client_id: CLIENT.to_owned(),
            client_secret: SECRET.to_owned().into(),
            redirect_uri: format!("{ORIGIN}/sign-in/provider/back"),
            label: LABEL.to_owned(),
            accepted_acr: vec!["urn:site:two".to_owned()],
            accepted_amr: vec!["mfa".to_owned()],
            groups_claim: "groups".to_owned(),
            roles: roles.map(|(group, role)| (group.to_owned(), role)).into(),
        }
    }
    pub fn provider(&self) -> Provider {
        Provider::new(Self::agreed(), Arc::new(self.clone())).unwrap()
    }
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// Somebody signs in at the address that they were led to: the code to come back with. `said`
    /// takes the place of what the token would say.
    pub fn sign_in(&self, address: &str, now_s: i64, said: &Value) -> String {
        assert!(address.starts_with(&format!("{ISSUER}/authorize?")), "{address}");
        assert_eq!(parameter(address, "response_type"), "code");
        assert_eq!(parameter(address, "scope"), "openid profile email", "no more than is needed");
        assert_eq!(parameter(address, "redirect_uri"), Self::agreed().redirect_uri);
        assert_eq!((parameter(address, "code_challenge_method"), parameter(address, "max_age")), ("S256".to_owned(), "43200".to_owned()));
        let mut claims = json!({
            "iss": ISSUER, "aud": CLIENT, "sub": "248289761001", "iat": now_s, "exp": now_s + 300,
            "auth_time": now_s - 10, "nonce": parameter(address, "nonce"),
        });
        claims.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        claims.as_object_mut().unwrap().retain(|_, value| *value != "leave out");
        let mut state = self.0.lock().unwrap();
        let code = format!("code-{}", state.codes.len());
        state.codes.insert(code.clone(), (claims, parameter(address, "code_challenge")));
        code
    }
}

fn reply(status: u16, json: &Value) -> Result<Reply, String> {
    Ok(Reply { status, body: json.to_string().into_bytes() })
}

impl State {
    fn tokens(&mut self, call: Call<'_>) -> Result<Reply, String> {
        let form = call.form.ok_or("nothing posted")?;
        let escaped = |text: &str| crate::site::urlencoded(&[("", text)])[1..].replace("%2E", ".").replace("%2D", "-");
        let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", escaped(CLIENT), escaped(SECRET))));
        let in_form = parameter(form, "client_id") == CLIENT && parameter(form, "client_secret") == SECRET;
        if call.authorization != Some(basic.as_str()) && !in_form {
            return reply(401, &json!({ "error": "invalid_client" }));
        }
        // A code counts once.
        let Some((claims, challenge)) = self.codes.get_mut(&parameter(form, "code")).map(std::mem::take) else {
            return reply(400, &json!({ "error": "invalid_grant" }));
        };
        let proven = b64(digest(&SHA256, parameter(form, "code_verifier").as_bytes())) == challenge;
        if !proven
            || parameter(form, "redirect_uri") != Issuer::agreed().redirect_uri
            || parameter(form, "grant_type") != "authorization_code"
        {
            return reply(400, &json!({ "error": "invalid_grant" }));
        }
        let token = self.token.take().unwrap_or_else(|| self.signer.token(&self.key, &claims));
        reply(200, &json!({ "id_token": token, "access_token": "for-the-person", "token_type": "Bearer" }))
    }
}

#[async_trait]
impl Outbound for Issuer {
    async fn call(&self, call: Call<'_>) -> Result<Reply, String> {
        let mut state = self.0.lock().unwrap();
        let what = call.address.strip_prefix(ISSUER).ok_or("somebody else")?.to_owned();
        state.calls.push(what.clone());
        if state.down {
            return Err("connection refused".to_owned());
        }
        match what.as_str() {
            "/.well-known/openid-configuration" => {
                let mut described = json!({
                    "issuer": ISSUER, "authorization_endpoint": format!("{ISSUER}/authorize"), "token_endpoint": format!("{ISSUER}/token"),
                    "jwks_uri": format!("{ISSUER}/keys"), "authorization_response_iss_parameter_supported": state.names_itself,
                });
                if state.about.is_some() {
                    described["userinfo_endpoint"] = json!(format!("{ISSUER}/about"));
                }
                described.as_object_mut().unwrap().extend(state.described.as_object().unwrap().clone());
                reply(200, &described)
            }
            "/keys" => {
                state.keys_read += 1;
                reply(200, &json!({ "keys": state.published }))
            }
            "/token" => state.tokens(call),
            "/about" if call.authorization == Some("Bearer for-the-person") => reply(200, state.about.as_ref().unwrap()),
            _ => reply(404, &json!({})),
        }
    }
}
