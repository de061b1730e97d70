//! What others sign: JSON Web Tokens (RFC 7519) under public keys that we were given (RFC 7517).
//!
//! The key decides the algorithm, never the token: RS256, ES256 or EdDSA over Ed25519 (RFC 7518,
//! RFC 8037), each with one kind of key. Keys, addresses and certificates in a token's header are not
//! looked at. We sign none ourselves: our own tokens are opaque.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Deserializer};
use wardkeep_domain::date::Moment;

/// Tokens that are longer are not looked at.
pub(crate) const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// How far the signer's clock may be from ours.
pub(crate) const LEEWAY_MS: i64 = 60_000;
/// Fewest bits of an RSA modulus.
const RSA_BITS_MIN: usize = 2048;

/// A key that checks signatures of one algorithm.
#[derive(Clone)]
pub(crate) struct PublicKey {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({:?})", self.algorithm)
    }
}

impl PublicKey {
    /// Reads one JWK.
    ///
    /// # Errors
    /// What to do about a key that cannot be used, in words.
    pub(crate) fn parse(json: &serde_json::Value) -> Result<Self, &'static str> {
        if ["d", "p", "q", "k"].iter().any(|secret| json.get(secret).is_some()) {
            return Err("This is a private key. Enter the public one, and make a new pair: this one has been shown.");
        }
        let unknown = "Enter a public key as a JWK: RSA of at least 2048 bits, EC with curve P-256, or OKP with curve Ed25519.";
        let jwk = Jwk::deserialize(json).map_err(|_| unknown)?;
        let (algorithm, named) = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
            AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => (Algorithm::ES256, KeyAlgorithm::ES256),
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => (Algorithm::EdDSA, KeyAlgorithm::EdDSA),
            _ => return Err(unknown),
        };
        let signs = matches!(&jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        if !signs || jwk.common.key_algorithm.is_some_and(|given| given != named) {
            return Err("This key is for something else. Enter one that signs with RS256, ES256 or EdDSA.");
        }
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| unknown)?;
        let long_enough = match key.kind() {
            jsonwebtoken::DecodingKeyKind::RsaModulusExponent { n, .. } => n.len() * 8 >= RSA_BITS_MIN,
            jsonwebtoken::DecodingKeyKind::SecretOrDer(point) => point.len() == if algorithm == Algorithm::ES256 { 65 } else { 32 },
        };
        if !long_enough {
            return Err(unknown);
        }
        Ok(Self { algorithm, key })
    }
}

/// The registered claims of a token (RFC 7519 section 4.1), and `C` beside them.
#[derive(Deserialize)]
pub(crate) struct Claims<C> {
    pub iss: String,
    pub sub: String,
    #[serde(deserialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// Seconds since 1970, as are all times of a token.
    pub exp: f64,
    #[serde(default)]
    pub iat: Option<f64>,
    #[serde(default)]
    pub nbf: Option<f64>,
    #[serde(flatten)]
    pub more: C,
}

fn one_or_many<'de, D: Deserializer<'de>>(json: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Audience::deserialize(json)? {
        Audience::One(one) => vec![one],
        Audience::Many(many) => many,
    })
}

/// A time of a token.
pub(crate) fn moment(seconds: f64) -> Moment {
    // The cast saturates: a time beyond all times stays beyond.
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    let ms = (seconds * 1000.0) as i64;
    Moment(ms)
}

/// What a token must say, whoever signed it.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub issuer: &'a str,
    pub audience: &'a str,
    pub now: Moment,
}

/// The name of the key that a token says it was signed with (RFC 7515, 4.1.4).
///
/// # Errors
/// As [`verify`], for its header.
pub(crate) fn key_named(token: &str) -> Result<Option<String>, &'static str> {
    check_header(token).map(|header| header.kid)
}

/// May this token be looked at further?
fn check_header(token: &str) -> Result<jsonwebtoken::Header, &'static str> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err("token is too long");
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| "not a signed token")?;
    // RFC 7515, 4.1.11: whoever does not understand what is critical refuses.
    if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        return Err("token asks for what is not understood");
    }
    if header.typ.as_ref().is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
        return Err("token is of another type");
    }
    Ok(header)
}

/// Checks signature, issuer, audience and times.
///
/// # Errors
/// Why it counts for nothing, in words for the log that quote nothing of the token.
pub(crate) fn verify<C: for<'de> Deserialize<'de>>(
    key: &PublicKey,
    token: &str,
    expected: Expected<'_>,
) -> Result<Claims<C>, &'static str> {
    check_header(token)?;
    // The clock is ours, and what must be there our type says.
    let mut validation = Validation::new(key.algorithm);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let claims = jsonwebtoken::decode::<Claims<C>>(token, &key.key, &validation);
    let claims = claims.map_err(|error| match error.kind() {
        jsonwebtoken::errors::ErrorKind::Json(_) => "claims cannot be read",
        _ => "signature does not fit",
    })?;
    let claims = claims.claims;
    let Expected { issuer, audience, now } = expected;
    if claims.iss != issuer {
        return Err("issuer is another");
    }
    if !claims.aud.iter().any(|aud| aud == audience) {
        return Err("audience is another");
    }
    if now.since_ms(moment(claims.exp)) >= LEEWAY_MS {
        return Err("token has expired");
    }
    if [claims.nbf, claims.iat].into_iter().flatten().any(|from| moment(from).since_ms(now) > LEEWAY_MS) {
        return Err("token is from the future");
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wardkeep_signer::{Signer, b64, confused, unsigned};

    use super::*;

    #[derive(Deserialize)]
    struct More {
        nonce: String,
    }

    const NOW_S: i64 = 1_800_000_000;

    fn claims() -> Value {
        json!({ "iss": "https://a.example", "sub": "7", "aud": ["other", "wardkeep"], "exp": NOW_S + 60, "iat": NOW_S, "nonce": "n" })
    }
    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }
    fn checked(key: &PublicKey, token: &str) -> Result<String, &'static str> {
        let expected = Expected { issuer: "https://a.example", audience: "wardkeep", now: Moment(NOW_S * 1000) };
        verify::<More>(key, token, expected).map(|claims| claims.more.nonce)
    }
    fn key(signer: &Signer) -> PublicKey {
        PublicKey::parse(&signer.jwk("k")).unwrap()
    }

    // ASVS 9.1.1, 9.1.2
    #[test]
    fn a_token_counts_when_the_key_that_we_hold_signed_it() {
        let signers = Signer::all();
        for signer in &signers {
            let token = signer.token("k", &claims());
            assert_eq!(checked(&key(signer), &token), Ok("n".to_owned()), "{signer:?}");
            for other in Signer::all() {
                assert_eq!(checked(&key(&other), &token), Err("signature does not fit"), "{signer:?} under a key for {other:?}");
            }
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let (head, _) = signed.split_once('.').unwrap();
            let changed = b64(with("sub", json!("8")).to_string());
            for forged in [
                format!("{head}.{changed}.{signature}"),
                format!("{signed}."),
                format!("{signed}.{}", b64([0; 64])),
                signer.sign(&json!({ "alg": "RS512" }), &claims()),
                signer.sign(&json!({ "alg": "PS256" }), &claims()),
                confused(&signer.jwk("k"), &claims()),
            ] {
                assert_eq!(checked(&key(signer), &forged), Err("signature does not fit"), "{signer:?}");
            }
        }
        for nothing in ["", "a", "a.b", "a.b.c", "....", &unsigned(&claims())] {
            assert_eq!(checked(&key(&signers[0]), nothing), Err("not a signed token"), "{nothing:?}");
        }
        assert_eq!(checked(&key(&signers[0]), &"a".repeat(TOKEN_BYTES_MAX + 1)), Err("token is too long"));
    }

    // ASVS 9.1.3, 9.2.2
    #[test]
    fn a_header_brings_no_key_and_asks_for_nothing_that_is_not_understood() {
        let (ours, theirs) = (Signer::es256(), Signer::es256());
        let header = json!({ "alg": "ES256", "kid": "k", "jwk": theirs.jwk("k"), "jku": "https://evil.example/keys", "x5u": "https://evil.example/c" });
        assert_eq!(checked(&key(&ours), &theirs.sign(&header, &claims())), Err("signature does not fit"));
        for (more, told) in [
            (json!({ "crit": ["b64"], "b64": false }), "token asks for what is not understood"),
            (json!({ "typ": "at+jwt" }), "token is of another type"),
            (json!({ "typ": "logout+jwt" }), "token is of another type"),
        ] {
            let mut header = json!({ "alg": "ES256" });
            header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(checked(&key(&ours), &ours.sign(&header, &claims())), Err(told));
        }
    }

    // ASVS 9.2.1, 9.2.3
    #[test]
    fn issuer_audience_and_times_are_compared_whole() {
        let signer = Signer::ed_dsa();
        let told = |claims: &Value| checked(&key(&signer), &signer.token("k", claims)).err();
        assert_eq!(told(&with("aud", json!("wardkeep"))), None, "an audience need not be a list");
        for issuer in ["https://a.example/", "https://A.example", "https://a.example.evil.example", ""] {
            assert_eq!(told(&with("iss", json!(issuer))), Some("issuer is another"), "{issuer}");
        }
        for audience in [json!("other"), json!([]), json!(["wardkeep2"]), json!("Wardkeep")] {
            assert_eq!(told(&with("aud", audience.clone())), Some("audience is another"), "{audience}");
        }
        for wrong in
            [("iss", json!(["https://a.example"])), ("sub", json!(7)), ("aud", json!(null)), ("exp", json!("soon")), ("exp", json!(null))]
        {
            assert_eq!(told(&with(wrong.0, wrong.1.clone())), Some("claims cannot be read"), "{wrong:?}");
        }
        // The signer's clock may be a minute off.
        assert_eq!(told(&with("exp", json!(NOW_S - 59))), None);
        assert_eq!(told(&with("exp", json!(NOW_S - 60))), Some("token has expired"));
        assert_eq!(told(&with("exp", json!(-1e300))), Some("token has expired"));
        assert_eq!(told(&with("iat", json!(NOW_S + 60))), None);
        for later in ["iat", "nbf"] {
            assert_eq!(told(&with(later, json!(NOW_S + 61))), Some("token is from the future"), "{later}");
        }
    }

    #[test]
    fn a_claim_that_stands_twice_is_no_claim() {
        let signer = Signer::es256();
        let twice = claims().to_string().replacen('{', "{\"sub\":\"8\",", 1);
        let token = signer.sign_text(&json!({ "alg": "ES256" }), &twice);
        assert_eq!(checked(&key(&signer), &token), Err("claims cannot be read"));
    }

    #[test]
    fn a_key_that_cannot_be_used_is_refused_when_it_is_given() {
        let rsa = Signer::rs256().jwk("k");
        let changed = |name: &str, value: Value| {
            let mut jwk = rsa.clone();
            jwk[name] = value;
            PublicKey::parse(&jwk).err().unwrap()
        };
        assert!(changed("d", json!("AQAB")).starts_with("This is a private key"));
        assert!(changed("use", json!("enc")).starts_with("This key is for something else"));
        assert!(changed("alg", json!("RS512")).starts_with("This key is for something else"));
        assert!(changed("n", json!(b64([0xff; 128]))).contains("2048"));
        for unknown in [
            json!({}),
            json!("text"),
            json!({ "kty": "oct", "x": "AQAB" }),
            json!({ "kty": "EC", "crv": "P-384", "x": "AQAB", "y": "AQAB" }),
            json!({ "kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB" }),
            json!({ "kty": "OKP", "crv": "Ed448", "x": "AQAB" }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "AQAB" }),
        ] {
            assert!(PublicKey::parse(&unknown).err().unwrap().starts_with("Enter a public key"), "{unknown}");
        }
    }
}
