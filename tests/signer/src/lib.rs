//! Signs JSON Web Tokens for tests: as they should be, and with whatever a forger writes into them.

#![expect(clippy::expect_used, reason = "a test helper")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A key pair that signs with one algorithm.
pub enum Signer {
    Rs256(Box<RsaKeyPair>),
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.algorithm())
    }
}

/// Base64url without padding.
#[must_use]
pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    /// One of each.
    #[must_use]
    pub fn all() -> [Self; 3] {
        [Self::rs256(), Self::es256(), Self::ed_dsa()]
    }
    #[must_use]
    pub fn rs256() -> Self {
        Self::Rs256(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")))
    }
    #[must_use]
    pub fn es256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
    }
    #[must_use]
    pub fn ed_dsa() -> Self {
        Self::EdDsa(Ed25519KeyPair::generate().expect("a key"))
    }
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self {
            Signer::Rs256(_) => "RS256",
            Signer::Es256(_) => "ES256",
            Signer::EdDsa(_) => "EdDSA",
        }
    }
    /// The public half as a JWK.
    #[must_use]
    pub fn jwk(&self, id: &str) -> Value {
        let mut jwk = match self {
            Signer::Rs256(pair) => {
                let key = pair.public_key();
                let e = key.exponent().big_endian_without_leading_zero();
                json!({ "kty": "RSA", "n": b64(key.modulus().big_endian_without_leading_zero()), "e": b64(e) })
            }
            Signer::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref().get(1..).and_then(|point| point.split_at_checked(32)).expect("a point");
                json!({ "kty": "EC", "crv": "P-256", "x": b64(x), "y": b64(y) })
            }
            Signer::EdDsa(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key().as_ref()) }),
        };
        jwk.as_object_mut().expect("an object").extend([("kid".to_owned(), json!(id)), ("use".to_owned(), json!("sig"))]);
        jwk
    }
    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Signer::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("a signature");
                signature
            }
            Signer::Es256(pair) => pair.sign(&random, message).expect("a signature").as_ref().to_vec(),
            Signer::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
    /// A token as it should be.
    #[must_use]
    pub fn token(&self, id: &str, claims: &Value) -> String {
        self.sign(&json!({ "alg": self.algorithm(), "kid": id, "typ": "JWT" }), claims)
    }
    /// With a header of one's own.
    #[must_use]
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(header, &claims.to_string())
    }
    /// With claims that need not be JSON.
    #[must_use]
    pub fn sign_text(&self, header: &Value, claims: &str) -> String {
        let message = format!("{}.{}", b64(header.to_string()), b64(claims));
        let signature = b64(self.signature(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

/// With the public key as the secret of an HMAC: what a verifier that believes the header accepts.
#[must_use]
pub fn confused(jwk: &Value, claims: &Value) -> String {
    let secret = jwk.get("n").or_else(|| jwk.get("x")).and_then(Value::as_str).unwrap_or_default();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &URL_SAFE_NO_PAD.decode(secret).unwrap_or_default());
    let message = format!("{}.{}", b64(json!({ "alg": "HS256", "kid": jwk.get("kid") }).to_string()), b64(claims.to_string()));
    let tag = b64(aws_lc_rs::hmac::sign(&key, message.as_bytes()));
    format!("{message}.{tag}")
}

/// Without a signature.
#[must_use]
pub fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", b64(json!({ "alg": "none" }).to_string()), b64(claims.to_string()))
}
