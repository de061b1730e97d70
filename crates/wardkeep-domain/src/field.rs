//! What is wrong with one field of a form, an API body or a file row, in words that say the fix.

/// Never carries the offending value: it may identify a patient.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    /// The form's field name, for example `birth_date`.
    pub field: &'static str,
    /// A sentence for people, for example "Enter a year between 1880 and now."
    pub message: String,
}

impl FieldError {
    #[must_use]
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

/// All errors of one form, in field order. Collect with [`FieldErrors::take`], finish with [`FieldErrors::into_result`].
#[derive(Clone, PartialEq, Eq, Debug, Default, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct FieldErrors(pub Vec<FieldError>);

impl FieldErrors {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// Keeps the error, if it is one, and gives the value otherwise.
    pub fn take<T>(&mut self, parsed: Result<T, FieldError>) -> Option<T> {
        parsed.map_err(|error| self.0.push(error)).ok()
    }
    pub fn push(&mut self, error: FieldError) {
        self.0.push(error);
    }
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// `Ok` only when there are no errors and every part was given.
    ///
    /// # Errors
    /// Itself, when it holds any error.
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, FieldErrors> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl From<FieldError> for FieldErrors {
    fn from(error: FieldError) -> Self {
        Self(vec![error])
    }
}

/// Text with outer blanks removed and a length in characters, without control characters
/// (line breaks and tabs only where `lines` says so).
///
/// # Errors
/// A [`FieldError`] naming the limit that does not hold.
pub fn text(field: &'static str, value: &str, min: usize, max: usize, lines: bool) -> Result<String, FieldError> {
    let value = value.trim();
    let count = value.chars().count();
    if count < min {
        return Err(FieldError::new(
            field,
            if min <= 1 { "Enter a value.".to_owned() } else { format!("Enter at least {min} characters.") },
        ));
    }
    if count > max {
        return Err(FieldError::new(field, format!("Shorten this to {max} characters or fewer; it has {count}.")));
    }
    let bad = |c: char| c.is_control() && !(lines && matches!(c, '\n' | '\r' | '\t'));
    if value.chars().any(bad) {
        return Err(FieldError::new(field, "Remove characters that cannot be printed."));
    }
    // One sort of line break, so that what was kept is kept again as it is.
    Ok(value.replace("\r\n", "\n").replace('\r', "\n"))
}
