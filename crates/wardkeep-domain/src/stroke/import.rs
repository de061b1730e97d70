//! Reading the public stroke data layout (`docs/import.md`): rows become attributes or are refused
//! with line, column and reason; never a guess.

use crate::stroke::Attributes;

pub const HEADER: [&str; 12] = ["id", "gender", "age", "hypertension", "heart_disease", "ever_married", "work_type", "Residence_type", "avg_glucose_level", "bmi", "smoking_status", "stroke"];
/// Largest file in bytes.
pub const FILE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most errors that a report lists; beyond it only the count grows.
pub const ERRORS_MAX: usize = 1000;

/// A good row.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// 1 for the header.
    pub line: u64,
    pub source_id: u64,
    pub attributes: Attributes,
}

/// A refused row or file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowError {
    pub line: u64,
    pub column: String,
    /// The offending value when it cannot identify anyone, else `(redacted)`.
    pub value: String,
    pub reason: String,
}

/// What reading a file gave.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Parsed {
    pub rows: Vec<Row>,
    pub errors: Vec<RowError>,
    /// All refused rows, also those beyond [`ERRORS_MAX`].
    pub refused: u64,
}

/// Reads a whole file. Accepts reordered columns, CRLF, BOM, other case and outer blanks; refuses
/// the rest per row. File-level faults (no header, missing or extra columns, not UTF-8, `;`
/// separator, truncated last line) give one error with line 1 or the line concerned and no rows.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    let _ = bytes;
    todo!("domain helper")
}
