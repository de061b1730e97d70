//! Targets over what anybody may call: names, numbers, dates, passwords, policy files.

use wardkeep_domain::account::password::{LENGTH_MAX, Password};
use wardkeep_domain::date::Date;
use wardkeep_domain::field;
use wardkeep_domain::name::{Email, Mrn, PersonName};
use wardkeep_policy::Policy;
use wardkeep_policy::load::FILES;

use crate::text;

/// An address that was taken is lower case, of one line, and taken again as it is.
pub fn email(input: &[u8]) {
    if let Ok(email) = Email::parse(&text(input)) {
        let kept = email.as_str();
        assert!(kept.len() <= 254 && kept.is_ascii() && kept.matches('@').count() == 1);
        assert!(!kept.contains(|c: char| c.is_whitespace() || c.is_control() || c.is_uppercase()));
        assert!(Email::parse(kept).is_ok_and(|again| again == email));
    }
}

/// Family, given name and title, one a line.
pub fn person_name(input: &[u8]) {
    let text = text(input);
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    if let Ok(name) = PersonName::parse(line(), line(), line()) {
        for part in [name.family(), name.given()] {
            assert!((1..=100).contains(&part.chars().count()) && part.trim() == part && !part.chars().any(char::is_control));
        }
        assert!(!name.banner().is_empty() && !name.plain().is_empty());
    }
}

/// A number that was taken is taken again as it is, and as it is displayed.
pub fn mrn(input: &[u8]) {
    if let Ok(mrn) = Mrn::parse(&text(input)) {
        assert!((3..=32).contains(&mrn.as_str().len()) && mrn.as_str().is_ascii());
        assert!([mrn.as_str(), &mrn.display()].iter().all(|text| Mrn::parse(text).is_ok_and(|again| again == mrn)));
    }
}

/// Both forms: `2026-11-22`, and day, month and year with blanks between.
pub fn date(input: &[u8]) {
    let text = text(input);
    if let Ok(date) = Date::parse_iso("date", &text) {
        assert!(Date::parse_iso("date", &date.iso()).is_ok_and(|again| again == date));
        let _ = (date.staff(), date.patient(), date.start(), date.age_years(date));
    }
    let mut parts = text.split(' ');
    let mut part = || parts.next().unwrap_or_default();
    if let Ok(date) = Date::from_parts("date", part(), part(), part()) {
        assert!(Date::parse_iso("date", &date.iso()).is_ok_and(|again| again == date));
    }
}

/// Text of one line and of several.
pub fn line(input: &[u8]) {
    let typed = text(input);
    for lines in [false, true] {
        if let Ok(kept) = field::text("field", &typed, 1, 80, lines) {
            assert!((1..=80).contains(&kept.chars().count()) && (lines || !kept.contains('\n')));
            assert!(field::text("field", &kept, 1, 80, lines).is_ok_and(|again| again == kept));
        }
    }
}

/// A new password; the first line is the person's own words.
pub fn password(input: &[u8]) {
    let text = text(input);
    let (own, typed) = text.split_once('\n').unwrap_or(("", &text));
    match Password::new(typed, &[own, "wardkeep"]) {
        Ok(password) => {
            assert!(typed.chars().count() <= LENGTH_MAX);
            // What was chosen is what signs in, whole.
            assert_eq!(password.expose(), Password::typed(typed).expose());
        }
        Err(error) => assert!(!error.message.is_empty() && (typed.len() < 12 || !error.message.contains(typed)), "a password in an error"),
    }
}

/// Whatever a hospital's own file holds: it is taken or refused by name. One that forbids nothing
/// and permits nothing new cannot take a right away either, but that is tested elsewhere.
pub fn policy(input: &[u8]) {
    let text = text(input);
    let files: Vec<(&str, &str)> = FILES.iter().copied().chain([("site.cedar", text.as_str())]).collect();
    if let Err(error) = Policy::from_files(&files) {
        assert!(error.to_string().contains("site.cedar"), "{error}");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Result;

    use crate::{MANY, over};

    #[test]
    fn addresses() -> Result<()> {
        over("email", MANY, super::email)
    }
    #[test]
    fn names() -> Result<()> {
        over("person_name", MANY, super::person_name)
    }
    #[test]
    fn record_numbers() -> Result<()> {
        over("mrn", MANY, super::mrn)
    }
    #[test]
    fn dates() -> Result<()> {
        over("date", MANY, super::date)
    }
    #[test]
    fn lines() -> Result<()> {
        over("line", MANY, super::line)
    }
    #[test]
    fn passwords() -> Result<()> {
        over("password", MANY, super::password)
    }
    /// Fewer: each reads and validates every rule there is.
    #[test]
    fn policy_files() -> Result<()> {
        over("policy", 200, super::policy)
    }
}
