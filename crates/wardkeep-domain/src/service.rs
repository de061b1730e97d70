//! Service accounts: programs that call the API under their own name, bound to one purpose.
//!
//! A scope is a closed list of what such a program may ever do. None of them opens a chart.

use serde::{Deserialize, Serialize};

use crate::date::Moment;
use crate::{AccountId, FieldError, FieldErrors, ServiceId, field};

/// Longest life of a service account, in days.
pub const DAYS_MAX: i64 = 365;
/// After a rotation the secret before it counts for this long.
pub const EARLIER_SECRET_MS_MAX: i64 = 24 * 60 * 60 * 1000;
/// An access token lives this long.
pub const TOKEN_MS_MAX: i64 = 15 * 60 * 1000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What a service account may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Scope {
    /// Stroke assessments of all patients, without names, and their summary.
    #[serde(rename = "stroke.read")]
    StrokeRead,
    /// Bringing stroke assessments in.
    #[serde(rename = "stroke.import")]
    StrokeImport,
    /// The log as administrators see it.
    #[serde(rename = "log.read")]
    LogRead,
    /// Posture, alarms and the state of the log.
    #[serde(rename = "health.read")]
    HealthRead,
}

impl Scope {
    pub const ALL: [Scope; 4] = [Scope::StrokeRead, Scope::StrokeImport, Scope::LogRead, Scope::HealthRead];
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Scope::StrokeRead => "stroke.read",
            Scope::StrokeImport => "stroke.import",
            Scope::LogRead => "log.read",
            Scope::HealthRead => "health.read",
        }
    }
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Scope::StrokeRead => "Read stroke assessments, without names",
            Scope::StrokeImport => "Import stroke assessments",
            Scope::LogRead => "Read the log",
            Scope::HealthRead => "Read health and alarms",
        }
    }
    /// # Errors
    /// When the code is no scope.
    pub fn parse(code: &str) -> Result<Self, FieldError> {
        Self::ALL.into_iter().find(|scope| scope.code() == code).ok_or_else(|| FieldError::new("scopes", "Choose from the list."))
    }
    /// Is this more than the administrators who make service accounts may do themselves? Then a
    /// second person agrees to it.
    #[must_use]
    pub fn is_clinical(self) -> bool {
        matches!(self, Scope::StrokeRead | Scope::StrokeImport)
    }
    fn bit(self) -> u8 {
        match self {
            Scope::StrokeRead => 1,
            Scope::StrokeImport => 2,
            Scope::LogRead => 4,
            Scope::HealthRead => 8,
        }
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<Scope>", into = "Vec<Scope>")]
pub struct Scopes(u8);

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl From<Vec<Scope>> for Scopes {
    fn from(scopes: Vec<Scope>) -> Self {
        scopes.into_iter().collect()
    }
}

impl From<Scopes> for Vec<Scope> {
    fn from(scopes: Scopes) -> Self {
        scopes.iter().collect()
    }
}

impl std::fmt::Display for Scopes {
    /// Codes with a blank between, as in RFC 6749 section 3.3.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.iter().map(Scope::code).collect::<Vec<_>>().join(" "))
    }
}

impl Scopes {
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.holds(*scope))
    }
    #[must_use]
    pub fn holds(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    #[must_use]
    pub fn is_clinical(self) -> bool {
        self.iter().any(Scope::is_clinical)
    }
    /// Those that both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    /// Reads a `scope` parameter: codes with a blank between (RFC 6749 section 3.3). `None` when one
    /// is unknown or none is given.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let scopes: Option<Self> = text.split(' ').map(|code| Scope::parse(code).ok()).collect();
        scopes.filter(|scopes| !scopes.is_empty())
    }
}

/// What the form of a new service account holds, parsed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Planned {
    pub name: String,
    /// The one purpose it is bound to, in words.
    pub purpose: String,
    pub scopes: Scopes,
    /// Days until it expires.
    pub days: i64,
    /// The program's public key as a JWK (RFC 7517); without one it gets a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Planned {
    /// # Errors
    /// On `name`, `purpose`, `scopes`, `days`.
    pub fn parse(name: &str, purpose: &str, scopes: &[String], days: &str) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::new();
        let name = errors.take(field::text("name", name, 3, 60, false));
        let purpose = errors.take(field::text("purpose", purpose, 10, 300, false));
        let scopes = errors.take(scopes.iter().map(|code| Scope::parse(code)).collect::<Result<Scopes, _>>());
        if scopes.is_some_and(Scopes::is_empty) {
            errors.push(FieldError::new("scopes", "Choose at least one thing that it may do."));
        }
        let whole = days.trim().parse::<i64>().ok().filter(|days| (1..=DAYS_MAX).contains(days));
        let days = errors.take(whole.ok_or_else(|| FieldError::new("days", format!("Enter a number of days from 1 to {DAYS_MAX}."))));
        errors.into_result((|| Some(Self { name: name?, purpose: purpose?, scopes: scopes?, days: days?, key: None }))())
    }
}

/// A secret as kept: its SHA-256 and when it was made.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Secret {
    pub hash: [u8; 32],
    pub made_at: Moment,
}

/// A public key whose owner signs its own sign-ins (RFC 7523).
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    pub jwk: String,
    pub made_at: Moment,
}

/// What a service account signs in with: the one or the other, and never both.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    Secret(&'a Secret),
    Key(&'a Key),
}

impl Proof<'_> {
    #[must_use]
    pub fn made_at(self) -> Moment {
        match self {
            Proof::Secret(secret) => secret.made_at,
            Proof::Key(key) => key.made_at,
        }
    }
}

/// A service account as sealed in the control store.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Also the client id of RFC 6749.
    pub id: ServiceId,
    pub name: String,
    pub purpose: String,
    pub scopes: Scopes,
    pub created_by: AccountId,
    pub created_at: Moment,
    pub expires_at: Moment,
    pub revoked_at: Option<Moment>,
    secret: Option<Secret>,
    /// Missing in documents written before there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Key>,
    /// The secret before the last rotation, which counts for a day.
    earlier: Option<Secret>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({}, {})", self.id, self.scopes)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ServiceRefusal {
    #[error("This service account is revoked. Make a new one.")]
    Revoked,
    #[error("This service account has expired. Make a new one.")]
    Expired,
}

/// Why its secret cannot be rotated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RotationRefusal {
    #[error(transparent)]
    Over(#[from] ServiceRefusal),
    #[error("This program signs with its own key. For another key make a new service account, and revoke this one.")]
    SignsItself,
}

impl Service {
    /// With the planned key, or else with a secret of this hash.
    #[must_use]
    pub fn new(id: ServiceId, planned: Planned, created_by: AccountId, hash: [u8; 32], now: Moment) -> Self {
        let Planned { name, purpose, scopes, days, key } = planned;
        let expires_at = now.plus_ms(days.clamp(1, DAYS_MAX) * DAY_MS);
        let key = key.map(|jwk| Key { jwk, made_at: now });
        let secret = if key.is_none() { Some(Secret { hash, made_at: now }) } else { None };
        Self { id, name, purpose, scopes, created_by, created_at: now, expires_at, revoked_at: None, secret, key, earlier: None }
    }

    /// `None` for an account that nobody can have made: it signs in with nothing.
    #[must_use]
    pub fn proof(&self) -> Option<Proof<'_>> {
        match (&self.secret, &self.key) {
            (Some(secret), None) => Some(Proof::Secret(secret)),
            (None, Some(key)) => Some(Proof::Key(key)),
            (Some(_), Some(_)) | (None, None) => None,
        }
    }

    /// The JWK of a program that signs its own sign-ins.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self.proof() {
            Some(Proof::Key(key)) => Some(&key.jwk),
            Some(Proof::Secret(_)) | None => None,
        }
    }

    /// # Errors
    /// Why it may do nothing any more.
    pub fn check(&self, now: Moment) -> Result<(), ServiceRefusal> {
        if self.revoked_at.is_some() {
            Err(ServiceRefusal::Revoked)
        } else if now >= self.expires_at {
            Err(ServiceRefusal::Expired)
        } else {
            Ok(())
        }
    }

    /// With a new secret; the one before counts for a day, the one before that no longer.
    ///
    /// # Errors
    /// The [`RotationRefusal`].
    pub fn rotate(&self, hash: [u8; 32], now: Moment) -> Result<Self, RotationRefusal> {
        self.check(now)?;
        match self.proof() {
            Some(Proof::Secret(secret)) => {
                Ok(Self { secret: Some(Secret { hash, made_at: now }), earlier: Some(secret.clone()), ..self.clone() })
            }
            Some(Proof::Key(_)) | None => Err(RotationRefusal::SignsItself),
        }
    }

    /// # Errors
    /// When it is revoked already.
    pub fn revoke(&self, now: Moment) -> Result<Self, ServiceRefusal> {
        if self.revoked_at.is_some() { Err(ServiceRefusal::Revoked) } else { Ok(Self { revoked_at: Some(now), ..self.clone() }) }
    }

    /// The secrets that count at this moment.
    #[must_use]
    pub fn hashes(&self, now: Moment) -> Vec<[u8; 32]> {
        let Some(Proof::Secret(secret)) = self.proof() else { return Vec::new() };
        let lives = now.since_ms(secret.made_at) < EARLIER_SECRET_MS_MAX;
        let earlier = self.earlier.as_ref().filter(|_| lives);
        std::iter::once(secret).chain(earlier).map(|secret| secret.hash).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        let planned = Planned::parse("Registry", "Yearly stroke registry", &["stroke.read".to_owned()], "1").unwrap();
        Service::new(ServiceId::from_bytes([1; 16]), planned, AccountId::from_bytes([2; 16]), [3; 32], Moment(0))
    }

    #[test]
    fn a_rotated_secret_leaves_the_one_before_for_a_day() {
        let rotated = service().rotate([4; 32], Moment(10)).unwrap();
        assert_eq!(rotated.hashes(Moment(10 + EARLIER_SECRET_MS_MAX - 1)), [[4; 32], [3; 32]]);
        assert_eq!(rotated.hashes(Moment(10 + EARLIER_SECRET_MS_MAX)), [[4; 32]]);
        let twice = rotated.rotate([5; 32], Moment(20)).unwrap();
        assert_eq!(twice.hashes(Moment(20)), [[5; 32], [4; 32]]);
    }

    #[test]
    fn an_account_holds_a_secret_or_a_key_and_with_both_or_neither_it_signs_in_with_nothing() {
        let planned =
            Planned { key: Some("{}".to_owned()), ..Planned::parse("Registry", "Yearly registry", &["log.read".to_owned()], "1").unwrap() };
        let keyed = Service::new(ServiceId::from_bytes([1; 16]), planned, AccountId::from_bytes([2; 16]), [3; 32], Moment(0));
        assert_eq!((keyed.key(), keyed.hashes(Moment(0))), (Some("{}"), vec![]));
        assert_eq!(keyed.rotate([4; 32], Moment(1)), Err(RotationRefusal::SignsItself));
        let both = Service { secret: service().secret, ..keyed.clone() };
        let neither = Service { key: None, ..keyed };
        for odd in [both, neither] {
            assert!(odd.proof().is_none() && odd.key().is_none() && odd.hashes(Moment(0)).is_empty());
        }
        let mut older = serde_json::to_value(service()).unwrap();
        assert!(older.as_object_mut().unwrap().remove("key").is_none(), "written as before there were keys");
        assert_eq!(serde_json::from_value::<Service>(older).unwrap().hashes(Moment(0)), [[3; 32]]);
    }

    #[test]
    fn a_service_ends_at_its_day_or_when_it_is_revoked() {
        assert_eq!(service().check(Moment(DAY_MS - 1)), Ok(()));
        assert_eq!(service().check(Moment(DAY_MS)), Err(ServiceRefusal::Expired));
        assert_eq!(service().rotate([4; 32], Moment(DAY_MS)), Err(RotationRefusal::Over(ServiceRefusal::Expired)));
        let revoked = service().revoke(Moment(1)).unwrap();
        assert_eq!((revoked.check(Moment(1)), revoked.revoke(Moment(2))), (Err(ServiceRefusal::Revoked), Err(ServiceRefusal::Revoked)));
    }

    #[test]
    fn scopes_are_a_closed_list() {
        assert_eq!(Scopes::parse("log.read stroke.read").unwrap().to_string(), "stroke.read log.read");
        for wrong in ["", " ", "log.read ", "log.read  health.read", "chart.read", "LOG.READ", "log.read,health.read"] {
            assert_eq!(Scopes::parse(wrong), None, "{wrong:?}");
        }
        let errors = Planned::parse("x", "short", &["chart.read".to_owned()], "366").unwrap_err();
        assert_eq!(errors.0.iter().map(|error| error.field).collect::<Vec<_>>(), ["name", "purpose", "scopes", "days"]);
        assert_eq!(Planned::parse("Registry", "Yearly registry", &[], "30").unwrap_err().0[0].field, "scopes");
    }
}
