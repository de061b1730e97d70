//! Targets over what comes in by HTTP: forms, cookies, JSON, redirects, user agents. Not in the
//! program: built for tests and by the fuzzer alone.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::Request;
use futures::FutureExt;
use http::{HeaderMap, HeaderValue, header};

use crate::api::take;
use crate::cookies;
use crate::extract::{read_pairs, typed};
use crate::pages::security::{self, local_path};
use crate::pages::{records, sign_in};
use crate::web::{Settings, device};

fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

/// The body of a form: every field once, and typed forms hold what was sent and nothing else.
pub fn form(input: &[u8]) {
    let request = Request::post("/").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(Body::from(input.to_vec()));
    let Ok(request) = request else { return };
    let Some(Ok(pairs)) = read_pairs(request, &()).now_or_never() else { return };
    let map: BTreeMap<String, String> = pairs.iter().cloned().collect();
    assert_eq!(map.len(), pairs.len(), "a field was taken twice");
    let whole: Result<BTreeMap<String, String>, _> = typed(pairs.clone());
    assert!(whole.is_ok_and(|whole| whole.iter().all(|(name, value)| name != "csrf" && map.get(name) == Some(value))));
    let count = map.len() - usize::from(map.contains_key("csrf"));
    if typed::<sign_in::PasswordForm>(pairs.clone()).is_ok() {
        assert!(count == 2 && map.contains_key("email") && map.contains_key("password"));
    }
    if typed::<security::ConfirmForm>(pairs.clone()).is_ok() {
        assert!(count == 2 && map.contains_key("code") && map.contains_key("next"));
    }
    let _ = typed::<records::VoidForm>(pairs);
}

/// Header lines: a cookie that is read stood there once, whole and not empty.
pub fn cookie(input: &[u8]) {
    for secure in [false, true] {
        let settings = Settings { origin: String::new(), secure, sign_on: None, publish_log: false };
        let mut headers = HeaderMap::new();
        for line in input.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()) {
            headers.append(header::COOKIE, line);
        }
        if let Some(value) = cookies::get(&settings, &headers, cookies::SESSION) {
            assert!((1..=512).contains(&value.len()) && !value.contains(';'));
            let name = if secure { "__Host-wardkeep-session=" } else { "wardkeep-session=" };
            let pairs = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
            assert!(pairs.filter(|pair| pair.trim() == format!("{name}{value}")).count() == 1);
        }
    }
}

/// A body of the API: what is refused is told by its place, never by what stood there.
pub fn json(input: &[u8]) {
    fn told<T: serde::de::DeserializeOwned>(input: &[u8]) -> Option<T> {
        match take::read::<T>(input) {
            Ok(body) => Some(body),
            Err(words) => {
                assert!(words.starts_with("The body was not understood at line ") && words.len() < 200);
                None
            }
        }
    }
    if told::<crate::api::session::CodeInput>(input).is_some() {
        let object: Option<BTreeMap<String, String>> = serde_json::from_slice(input).ok();
        assert!(object.is_some_and(|object| object.len() == 1 && object.contains_key("code")));
    }
    told::<crate::api::patients::PatientNew>(input);
    told::<crate::api::stroke::Attributes>(input);
}

/// Where a redirect leads is a path of this site.
pub fn redirect(input: &[u8]) {
    let text = text(input);
    if let Some(path) = local_path(&text) {
        assert!(path == text && path.starts_with('/') && !path.starts_with("//") && path.len() <= 256);
        assert!(
            !path.contains(['\\', '?', '#', '%', ':', '@']) && !path.contains("/.") && path.bytes().all(|byte| byte.is_ascii_graphic())
        );
        assert!(path.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_none() && uri.path() == path));
    }
}

/// Of a user agent only words of ours are kept.
pub fn user_agent(input: &[u8]) {
    let device = device(&text(input));
    let ours = ["Edge", "Firefox", "Chromium", "Safari", "curl", "Android", "iOS", "Windows", "macOS", "Linux", "Unknown device"];
    assert!(device.split(" on ").all(|word| ours.contains(&word)), "{device}");
}

/// Percent-encoded headers of an upload.
pub fn file_name(input: &[u8]) {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(input) {
        headers.insert(take::FILE_NAME, value);
    }
    if let Ok(name) = take::decoded(&headers, take::FILE_NAME) {
        assert!(name.len() <= input.len());
    }
}

/// The header that names a token.
pub fn bearer(input: &[u8]) {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(input) {
        headers.insert(header::AUTHORIZATION, value);
    }
    if let Some(token) = take::bearer(&headers) {
        assert!(input.starts_with(b"Bearer ") && token.trim() == token && token.len() <= input.len() - 7);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Result;

    use wardkeep_fuzzed::{MANY, over};

    #[test]
    fn forms() -> Result<()> {
        over("form", MANY, super::form)
    }
    #[test]
    fn cookies() -> Result<()> {
        over("cookie", MANY, super::cookie)
    }
    #[test]
    fn json_bodies() -> Result<()> {
        over("json", MANY, super::json)
    }
    #[test]
    fn redirects() -> Result<()> {
        over("redirect", MANY, super::redirect)
    }
    #[test]
    fn user_agents() -> Result<()> {
        over("user_agent", MANY, super::user_agent)
    }
    #[test]
    fn names_of_files() -> Result<()> {
        over("file_name", MANY, super::file_name)
    }
    #[test]
    fn bearer_tokens() -> Result<()> {
        over("bearer", MANY, super::bearer)
    }
}
