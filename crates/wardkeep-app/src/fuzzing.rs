//! Targets over what a stranger sends to a sign-in: tokens, codes, and the address of an
//! authenticator made from names. Not in the program: built for tests and by the fuzzer alone.

use wardkeep_domain::date::Moment;

use crate::accounts::activation_place;
use crate::jwt::{self, Expected, PublicKey};
use crate::services::NOBODYS_KEY;
use crate::sessions::Token;
use crate::sign_in::{Recovery, is_called, otpauth, plain_code, read_all, step_at, step_of};
use crate::throttle::network;

fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

/// A token has one form: what was taken is what would be given out.
pub fn token(input: &[u8]) {
    let text = text(input);
    if let Some(token) = Token::parse(&text) {
        assert!(token.text == text && text.len() == 43);
        assert!(token.matches(&token.hash) && token.hash.starts_with(&token.id.0));
    }
}

/// The first eight bytes are the moment. A code that is right is six digits, of now or a step beside it.
pub fn totp_code(input: &[u8]) {
    let (time, code) = input.split_first_chunk::<8>().map_or(([0; 8], input), |(time, code)| (*time, code));
    let (now, code) = (Moment(i64::from_le_bytes(time)), text(code));
    if let Some(step) = step_of(*b"12345678901234567890", &code, now) {
        assert!(step.abs_diff(step_at(now)) <= 1);
        assert_eq!(code.chars().filter(|c| !c.is_whitespace()).filter(char::is_ascii_digit).count(), 6);
    }
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(if byte == b'%' { digit().zip(digit()).map_or(0, |(high, low)| high << 4 | low) } else { byte });
    }
    bytes
}

/// The hospital's name on the first line, an address on the second: the address of an authenticator
/// has its own parts and no others, and both names can be read from it as they were.
pub fn otpauth_uri(input: &[u8]) {
    let text = text(input);
    let (hospital, email) = text.split_once('\n').unwrap_or((&text, ""));
    let uri = otpauth(hospital, email, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()));
    let parts = uri.strip_prefix("otpauth://totp/").and_then(|rest| rest.split_once('?'));
    let (label, query) = parts.unwrap_or_default();
    let names: Vec<&str> = query.split('&').filter_map(|pair| pair.split_once('=').map(|(name, _)| name)).collect();
    assert_eq!(names, ["secret", "issuer", "algorithm", "digits", "period"]);
    let (issuer, account) = label.split_once(':').unwrap_or_default();
    assert_eq!((decoded(issuer), decoded(account)), (hospital.as_bytes().to_vec(), email.as_bytes().to_vec()));
}

/// A typed code becomes letters and digits, once and for all; one that nobody was given is nobody's.
pub fn typed_code(input: &[u8]) {
    let text = text(input);
    let plain = plain_code(&text);
    assert!(plain.len() <= 64 && plain.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    assert!(!plain.contains(['o', 'i', 'l']));
    assert_eq!(plain_code(&plain), plain);
    assert_eq!(activation_place(&text), activation_place(&plain), "blanks, hyphens and capitals make no other code");
    assert!(Recovery::default().without(&text).is_none());
}

/// The part of an address that one customer holds is the same when it is cut again.
pub fn address(input: &[u8]) {
    let text = text(input);
    let cut = network(&text);
    assert!(text.parse::<std::net::IpAddr>().is_err() || cut.len() <= 24);
    assert_eq!(network(&cut), cut);
}

/// Whatever comes counts for nothing under a key that did not sign it.
pub fn assertion(input: &[u8]) {
    let text = text(input);
    let jwk = serde_json::from_str(NOBODYS_KEY).unwrap_or_default();
    let told = PublicKey::parse(&jwk).and_then(|key| {
        let expected = Expected { issuer: "issuer", audience: "audience", now: Moment(1_800_000_000_000) };
        jwt::verify::<serde_json::Value>(&key, &text, expected).map(|_| ())
    });
    assert!(told.is_err());
    // A typed key is read the same way again.
    if let Ok(json) = serde_json::from_slice::<serde_json::Value>(input)
        && PublicKey::parse(&json).is_ok()
    {
        let again = serde_json::from_str(&json.to_string()).map(|json: serde_json::Value| PublicKey::parse(&json).is_ok());
        assert!(again.is_ok_and(|again| again));
    }
}

/// What a sign-in service sends is read or refused; and an address that is called is one over TLS, or
/// on this machine.
pub fn provider(input: &[u8]) {
    assert!(read_all(input) <= 3);
    let text = text(input);
    if is_called(&text) {
        let url = url::Url::parse(&text);
        let here = |url: &url::Url| {
            matches!(url.host_str(), Some("localhost" | "[::1]")) || url.host_str().is_some_and(|host| host.starts_with("127."))
        };
        assert!(url.is_ok_and(|url| url.scheme() == "https" || (url.scheme() == "http" && here(&url))));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Result;

    use wardkeep_fuzzed::{MANY, over};

    #[test]
    fn tokens() -> Result<()> {
        over("token", MANY, super::token)
    }
    #[test]
    fn codes_of_an_app() -> Result<()> {
        over("totp_code", MANY, super::totp_code)
    }
    #[test]
    fn assertions_and_keys() -> Result<()> {
        over("assertion", MANY, super::assertion)
    }
    #[test]
    fn answers_of_a_provider() -> Result<()> {
        over("provider", MANY, super::provider)
    }
    #[test]
    fn addresses_of_authenticators() -> Result<()> {
        over("otpauth_uri", MANY, super::otpauth_uri)
    }
    #[test]
    fn codes_on_paper() -> Result<()> {
        over("typed_code", MANY, super::typed_code)
    }
    #[test]
    fn addresses() -> Result<()> {
        over("address", MANY, super::address)
    }
}
