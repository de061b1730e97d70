//! Somebody who reads a patient's record in the patient's stead: a parent for a child.

use serde::{Deserialize, Serialize};

use crate::date::{Date, Moment};
use crate::{AccountId, FieldError, FieldErrors, PatientId};

/// Most proxies that one account holds.
pub const PROXIES_MAX: usize = 20;

/// One grant, in the proxy's own account document: every request reads it, so an end counts at once.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Proxy {
    pub patient: PatientId,
    pub from: Date,
    /// The last day; `None`: until somebody ends it.
    pub until: Option<Date>,
    pub granted_by: AccountId,
    pub granted_at: Moment,
}

impl Proxy {
    #[must_use]
    pub fn is_live(&self, today: Date) -> bool {
        self.from <= today && self.until.is_none_or(|until| today <= until)
    }
}

/// The days of a grant, as typed.
#[derive(Clone, Default)]
pub struct ProxyForm {
    pub email: String,
    /// Day, month, year; all empty: from today on.
    pub from: [String; 3],
    /// Day, month, year; all empty: until somebody ends it.
    pub until: [String; 3],
}

fn date(field: &'static str, [day, month, year]: &[String; 3]) -> Result<Option<Date>, FieldError> {
    if [day, month, year].iter().all(|part| part.trim().is_empty()) {
        return Ok(None);
    }
    Date::from_parts(field, day, month, year).map(Some)
}

impl ProxyForm {
    /// # Errors
    /// On `from_date` and `until_date`: no such day, the last before the first, or over already.
    pub fn days(&self, today: Date) -> Result<(Date, Option<Date>), FieldErrors> {
        let mut errors = FieldErrors::new();
        let from = errors.take(date("from_date", &self.from)).map(|from| from.unwrap_or(today));
        let until = errors.take(date("until_date", &self.until));
        if let (Some(from), Some(Some(until))) = (from, until)
            && (until < from || until < today)
        {
            errors.push(FieldError::new("until_date", "Enter a last day that is not before the first one and not over."));
        }
        errors.into_result(from.zip(until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        Date::parse_iso("day", text).unwrap()
    }

    #[test]
    fn it_holds_from_the_first_day_to_the_end_of_the_last() {
        let proxy = Proxy {
            patient: PatientId::from_bytes([1; 16]),
            from: day("2026-11-02"),
            until: Some(day("2026-11-30")),
            granted_by: AccountId::from_bytes([2; 16]),
            granted_at: Moment(0),
        };
        let live = |text| proxy.is_live(day(text));
        assert_eq!(["2026-11-01", "2026-11-02", "2026-11-30", "2026-12-01"].map(live), [false, true, true, false]);
    }

    #[test]
    fn days_that_cannot_be_are_named() {
        let parts = |text: &str| -> [String; 3] { text.split('-').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap() };
        let form = |from: &str, until: &str| ProxyForm { from: parts(from), until: parts(until), ..ProxyForm::default() };
        let today = day("2026-11-25");
        assert_eq!(form("--", "--").days(today).unwrap(), (today, None));
        let field = |form: ProxyForm| form.days(today).unwrap_err().0.first().unwrap().field;
        assert_eq!(field(form("31-2-2027", "--")), "from_date");
        assert_eq!(field(form("--", "24-11-2026")), "until_date");
        assert_eq!(field(form("1-12-2026", "30-11-2026")), "until_date");
    }
}
