//! Cookies: `__Host-` with Secure, HttpOnly, SameSite=Strict; on plain loopback HTTP the prefix
//! and `Secure` go, because browsers refuse them there. One cookie is SameSite=Lax.

use http::{HeaderMap, HeaderValue, header};

use crate::web::Settings;

/// The finished session.
pub const SESSION: &str = "wardkeep-session";
/// A sign-in that waits for its second step; can do nothing else.
pub const PENDING: &str = "wardkeep-sign-in";
/// The question that a passkey is to answer.
pub const PASSKEY: &str = "wardkeep-passkey";
/// The question that the hospital's own sign-in service is to answer.
pub const SIGN_ON: &str = "wardkeep-sign-on";
/// `light`, `dark` or `auto`.
pub const THEME: &str = "wardkeep-theme";
/// A notice for the next page: a fixed code, never text from outside.
pub const NOTICE: &str = "wardkeep-notice";

/// The longest value, of a passkey's question; tokens are far shorter.
const VALUE_BYTES_MAX: usize = 2048;

fn name(settings: &Settings, base: &str) -> String {
    if settings.secure { format!("__Host-{base}") } else { base.to_owned() }
}

/// Reads a cookie; a duplicate name counts as none.
#[must_use]
pub fn get(settings: &Settings, headers: &HeaderMap, base: &str) -> Option<String> {
    let wanted = name(settings, base);
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, value)| *key == wanted && !value.is_empty() && value.len() <= VALUE_BYTES_MAX)
        .map(|(_, value)| value.to_owned());
    let first = found.next();
    if found.next().is_some() { None } else { first }
}

fn attributes(settings: &Settings) -> &'static str {
    if settings.secure { "; Path=/; HttpOnly; SameSite=Strict; Secure" } else { "; Path=/; HttpOnly; SameSite=Strict" }
}

/// The same for what has to be there when another site leads back here; it opens nothing by itself.
#[must_use]
pub fn set_for_return(settings: &Settings, base: &str, value: &str) -> Option<HeaderValue> {
    let attributes = attributes(settings).replace("Strict", "Lax");
    HeaderValue::from_str(&format!("{}={value}{attributes}", name(settings, base))).ok()
}

/// A `Set-Cookie` value; `value` is a token or a fixed code, never free text.
#[must_use]
pub fn set(settings: &Settings, base: &str, value: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{}={value}{}", name(settings, base), attributes(settings))).ok()
}

#[must_use]
pub fn clear(settings: &Settings, base: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{}=; Max-Age=0{}", name(settings, base), attributes(settings))).ok()
}
