//! One parser per column of the layout, shared by the form and the file import, so that both take
//! exactly the same values. Numbers are plain decimals (`67`, `0.08`): no sign, no exponent, no
//! leading zero, because `01.08` or `1e3` in a file is more likely damage than meant.

use crate::FieldError;
use crate::patient::Sex;
use crate::stroke::{Residence, Smoking, WorkType};

pub(super) fn gender(text: &str) -> Result<Sex, FieldError> {
    let text = text.trim();
    let known = [("Female", Sex::Female), ("Male", Sex::Male), ("Other", Sex::Other)];
    let found = known.into_iter().find(|(code, _)| code.eq_ignore_ascii_case(text));
    found.map(|(_, sex)| sex).ok_or_else(|| FieldError::new("gender", "Choose Female, Male or Other."))
}

/// The layout's word for a sex; it knows no "Not known".
pub(super) fn gender_code(sex: Sex) -> &'static str {
    match sex {
        Sex::Female => "Female",
        Sex::Male => "Male",
        Sex::Other | Sex::NotKnown => "Other",
    }
}

/// Two decimals at most: the exact median counts by hundredths of a year.
pub(super) fn age(text: &str) -> Result<f64, FieldError> {
    decimal("age", text, 2, 0.0, 130.0, "Enter an age in years from 0 to 130, for example 67 or 0.08.")
}

pub(super) fn glucose(text: &str) -> Result<f64, FieldError> {
    decimal("avg_glucose_level", text, 4, 10.0, 1000.0, "Enter the average glucose in mg/dL from 10 to 1000, for example 92.35.")
}

/// `None` for `N/A` and for an empty text.
pub(super) fn bmi(text: &str) -> Result<Option<f64>, FieldError> {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("N/A") {
        return Ok(None);
    }
    decimal("bmi", text, 4, 5.0, 150.0, "Enter a BMI in kg/m2 from 5 to 150, for example 28.4, or N/A when it was not recorded.").map(Some)
}

pub(super) fn zero_one(field: &'static str, text: &str) -> Result<bool, FieldError> {
    match text.trim() {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(FieldError::new(field, "Enter 1 for yes or 0 for no.")),
    }
}

pub(super) fn ever_married(text: &str) -> Result<bool, FieldError> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("Yes") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("No") {
        Ok(false)
    } else {
        Err(FieldError::new("ever_married", "Choose Yes or No."))
    }
}

pub(super) fn work_type(text: &str) -> Result<WorkType, FieldError> {
    WorkType::parse(text)
}

pub(super) fn residence(text: &str) -> Result<Residence, FieldError> {
    Residence::parse(text)
}

pub(super) fn smoking(text: &str) -> Result<Smoking, FieldError> {
    Smoking::parse(text)
}

fn decimal(field: &'static str, text: &str, decimals: usize, min: f64, max: f64, message: &str) -> Result<f64, FieldError> {
    let text = text.trim();
    let value = if is_plain(text, decimals) { text.parse::<f64>().ok() } else { None };
    value.filter(|v| *v >= min && *v <= max).ok_or_else(|| FieldError::new(field, message))
}

fn is_plain(text: &str, decimals: usize) -> bool {
    let digits = |part: &str, max: usize| !part.is_empty() && part.len() <= max && part.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    digits(whole, 4) && (whole.len() == 1 || !whole.starts_with('0')) && fraction.is_none_or(|fraction| digits(fraction, decimals))
}
