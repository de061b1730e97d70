//! Names of people and identifiers printed on wristbands.

use serde::{Deserialize, Serialize};

use crate::{FieldError, field};

macro_rules! redacted {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}
redacted!(PersonName, Mrn, Email);

/// Family and given name, each 1 to 100 characters; shown as `FAMILY, Given (Title)`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonName {
    family: String,
    given: String,
    title: Option<String>,
}

impl PersonName {
    /// # Errors
    /// One error per field (`family_name`, `given_name`, `title`).
    pub fn parse(family: &str, given: &str, title: &str) -> Result<Self, crate::FieldErrors> {
        let mut errors = crate::FieldErrors::new();
        let family = errors.take(field::text("family_name", family, 1, 100, false));
        let given = errors.take(field::text("given_name", given, 1, 100, false));
        let title = errors.take(field::text("title", title, 0, 20, false));
        let whole = family.zip(given).zip(title).map(|((family, given), title)| Self {
            family,
            given,
            title: Some(title).filter(|t| !t.is_empty()),
        });
        errors.into_result(whole)
    }
    #[must_use]
    pub fn family(&self) -> &str {
        &self.family
    }
    #[must_use]
    pub fn given(&self) -> &str {
        &self.given
    }
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }
    /// `OKAFOR, Grace (Mrs)`.
    #[must_use]
    pub fn banner(&self) -> String {
        let family = self.family.to_uppercase();
        self.title.as_ref().map_or_else(|| format!("{family}, {}", self.given), |title| format!("{family}, {} ({title})", self.given))
    }
    /// `Mrs Grace Okafor` without the title when there is none.
    #[must_use]
    pub fn plain(&self) -> String {
        format!("{} {}", self.given, self.family)
    }
}

/// Medical record number: 3 to 32 of `A-Z 0-9 - .`; blanks are dropped, letters raised.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mrn(String);

impl Mrn {
    /// # Errors
    /// When it is too short, too long or holds other characters.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let value: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_uppercase();
        if value.len() < 3 || value.len() > 32 {
            return Err(FieldError::new("mrn", "Enter an MRN of 3 to 32 characters."));
        }
        if !value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
            return Err(FieldError::new("mrn", "An MRN holds letters, digits, '-' and '.' only."));
        }
        Ok(Self(value))
    }
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Grouped for reading: `704 118 2293` when it is 10 digits.
    #[must_use]
    pub fn display(&self) -> String {
        match (self.0.len(), self.0.get(..3), self.0.get(3..6), self.0.get(6..)) {
            (10, Some(a), Some(b), Some(c)) if self.0.bytes().all(|x| x.is_ascii_digit()) => format!("{a} {b} {c}"),
            _ => self.0.clone(),
        }
    }
}

/// An e-mail address, used as the sign-in name; compared in lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// # Errors
    /// When it is not `local@host.tld` in at most 254 characters (RFC 5321 section 4.5.3.1).
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let value = text.trim().to_lowercase();
        let bad = || FieldError::new("email", "Enter an e-mail address in the form name@example.org.");
        let (local, host) = value.rsplit_once('@').ok_or_else(bad)?;
        let local_ok = !local.is_empty()
            && local.len() <= 64
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b));
        let label_ok = |l: &str| {
            !l.is_empty()
                && l.len() <= 63
                && !l.starts_with('-')
                && !l.ends_with('-')
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let host_ok = host.contains('.') && host.split('.').all(label_ok);
        if value.len() <= 254 && local_ok && host_ok { Ok(Self(value)) } else { Err(bad()) }
    }
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
