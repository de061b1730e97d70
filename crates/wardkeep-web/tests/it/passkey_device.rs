//! An authenticator made of sixty lines: what a browser and a device answer to a question of
//! WebAuthn level 3, sections 6.1 (authenticator data), 5.8.1 (client data), 6.5 (attestation "none").

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const NEW: u8 = 0x40;

/// One passkey and the browser before it.
pub struct Device {
    pub key: EcdsaKeyPair,
    pub id: [u8; 16],
    /// Whose it is, as the site said.
    pub user: Vec<u8>,
    pub counter: u32,
    /// Checks finger, face or PIN.
    pub verifies: bool,
    /// What the browser says it shows.
    pub origin: String,
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(value: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}

impl Device {
    pub fn new(number: u8, origin: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { key, id: [number; 16], user: Vec::new(), counter: 0, verifies: true, origin: origin.to_owned() }
    }

    /// Another device that says to be this passkey and has not its key.
    pub fn pretender(&self) -> Self {
        Self { id: self.id, user: self.user.clone(), counter: self.counter, ..Self::new(0, &self.origin) }
    }

    fn data(&mut self, site: &str, flags: u8) -> Vec<u8> {
        self.counter += 1;
        let flags = PRESENT | flags | if self.verifies { VERIFIED } else { 0 };
        [digest(&SHA256, site.as_bytes()).as_ref(), &[flags], &self.counter.to_be_bytes()].concat()
    }

    fn client(&self, kind: &str, challenge: &Value) -> Vec<u8> {
        json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false}).to_string().into_bytes()
    }

    /// `navigator.credentials.create`.
    pub fn create(&mut self, question: &str) -> String {
        let asked: Value = serde_json::from_str::<Value>(question).unwrap()["publicKey"].take();
        self.user = decode(&asked["user"]["id"]);
        let client = self.client("webauthn.create", &asked["challenge"]);
        let point = self.key.public_key().as_ref()[1..].to_vec();
        // COSE: EC2, ES256, P-256, x, y.
        let cose = [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32][..], &point[..32], &[0x22, 0x58, 32], &point[32..]].concat();
        let id = self.id;
        let data = [&self.data(asked["rp"]["id"].as_str().unwrap(), NEW)[..], &[0; 16], &[0, 16], &id, &cose].concat();
        let length = u8::try_from(data.len()).unwrap();
        let object = [b"\xa3cfmtdnonegattStmt\xa0hauthData\x58".as_slice(), &[length], &data].concat();
        let response = json!({"clientDataJSON": encode(&client), "attestationObject": encode(&object), "transports": ["internal"]});
        json!({"id": encode(&id), "rawId": encode(&id), "type": "public-key", "response": response,
               "clientExtensionResults": {"credProps": {"rk": true}}})
        .to_string()
    }

    /// `navigator.credentials.get`.
    pub fn get(&mut self, question: &str) -> String {
        let asked: Value = serde_json::from_str::<Value>(question).unwrap()["publicKey"].take();
        let client = self.client("webauthn.get", &asked["challenge"]);
        let data = self.data(asked["rpId"].as_str().unwrap(), 0);
        let signed = [data.as_slice(), digest(&SHA256, &client).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        let response = json!({"clientDataJSON": encode(&client), "authenticatorData": encode(&data),
                              "signature": encode(signature.as_ref()), "userHandle": encode(&self.user)});
        json!({"id": encode(&self.id), "rawId": encode(&self.id), "type": "public-key", "response": response,
               "clientExtensionResults": {}})
        .to_string()
    }
}
