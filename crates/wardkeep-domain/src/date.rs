//! Calendar dates and moments. Times are milliseconds since the Unix epoch, UTC; the clock comes from outside.

use serde::{Deserialize, Serialize};

use crate::FieldError;

/// A moment in milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub i64);

impl Moment {
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
    #[must_use]
    pub fn since_ms(self, earlier: Moment) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
    fn zoned(self) -> Option<jiff::ZonedDateTime> {
        jiff::Timestamp::from_millisecond(self.0).ok().map(|t| t.to_zoned_datetime(jiff::tz::TimeZone::UTC))
    }
    /// `22-Nov-2026 14:06` (staff form).
    #[must_use]
    pub fn staff(self) -> String {
        self.zoned().map_or_else(String::new, |z| z.strftime("%d-%b-%Y %H:%M").to_string())
    }
    /// `22-Nov-2026 14:06:12`.
    #[must_use]
    pub fn staff_seconds(self) -> String {
        self.zoned().map_or_else(String::new, |z| z.strftime("%d-%b-%Y %H:%M:%S").to_string())
    }
    /// `22 November 2026 at 14:06` (patient form).
    #[must_use]
    pub fn patient(self) -> String {
        self.zoned().map_or_else(String::new, |z| z.strftime("%-d %B %Y at %H:%M").to_string())
    }
    /// `2026-11-22T14:06:12.123Z` (RFC 3339, for the API).
    #[must_use]
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_millisecond(self.0).map_or_else(|_| String::new(), |t| t.to_string())
    }
    #[must_use]
    pub fn date(self) -> Option<Date> {
        self.zoned().map(|z| Date(z.date()))
    }
}

/// A calendar date.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Date(pub jiff::civil::Date);

impl Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map(Date).map_err(serde::de::Error::custom)
    }
}

impl Date {
    /// From day, month and year boxes.
    ///
    /// # Errors
    /// When the three are no date, naming which to correct.
    pub fn from_parts(field: &'static str, day: &str, month: &str, year: &str) -> Result<Self, FieldError> {
        let number = |what: &str, text: &str| {
            text.trim().parse::<i16>().map_err(|_| FieldError::new(field, format!("Enter the {what} as a number, for example 14 3 1958.")))
        };
        let (day, month, year) = (number("day", day)?, number("month", month)?, number("year", year)?);
        if !(1..=12).contains(&month) {
            return Err(FieldError::new(field, "Enter a month between 1 and 12."));
        }
        if !(1850..=2200).contains(&year) {
            return Err(FieldError::new(field, "Enter the year with four digits, for example 1958."));
        }
        let part = |n: i16| i8::try_from(n).unwrap_or(0);
        jiff::civil::Date::new(year, part(month), part(day))
            .map(Date)
            .map_err(|_| FieldError::new(field, "This day does not exist in that month. Check day, month and year."))
    }
    /// `2026-11-22`.
    ///
    /// # Errors
    /// When the text is no ISO 8601 date.
    pub fn parse_iso(field: &'static str, text: &str) -> Result<Self, FieldError> {
        text.trim().parse().map(Date).map_err(|_| FieldError::new(field, "Enter the date as year-month-day, for example 1958-03-14."))
    }
    #[must_use]
    pub fn iso(self) -> String {
        self.0.to_string()
    }
    /// `14-Mar-1958`.
    #[must_use]
    pub fn staff(self) -> String {
        self.0.strftime("%d-%b-%Y").to_string()
    }
    /// `14 March 1958`.
    #[must_use]
    pub fn patient(self) -> String {
        self.0.strftime("%-d %B %Y").to_string()
    }
    /// Completed years at `today`.
    #[must_use]
    pub fn age_years(self, today: Date) -> i32 {
        let before = (today.0.month(), today.0.day()) < (self.0.month(), self.0.day());
        i32::from(today.0.year()) - i32::from(self.0.year()) - i32::from(before)
    }
    /// Midnight UTC.
    #[must_use]
    pub fn start(self) -> Option<Moment> {
        self.0.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok().map(|z| Moment(z.timestamp().as_millisecond()))
    }
}
