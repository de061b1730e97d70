//! Reading the public stroke data layout (`docs/import.md`): rows become attributes or are refused
//! with line, column and reason; never a guess.
//!
//! Accepted beside the plain layout: reordered columns, CRLF, a byte order mark, other letter case
//! and outer blanks. A value is shown in an error only when it cannot identify anyone: a short
//! number or a word that the layout itself knows. Everything else reads `(redacted)`.

mod line;

use std::collections::HashMap;

use crate::stroke::{Attributes, parse};
use line::Cells;

pub const HEADER: [&str; 12] = [
    "id",
    "gender",
    "age",
    "hypertension",
    "heart_disease",
    "ever_married",
    "work_type",
    "Residence_type",
    "avg_glucose_level",
    "bmi",
    "smoking_status",
    "stroke",
];
/// Largest file in bytes.
pub const FILE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most errors that a report lists; beyond it only the count grows.
pub const ERRORS_MAX: usize = 1000;

/// Stands where a value might identify somebody.
pub const REDACTED: &str = "(redacted)";

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

impl Parsed {
    /// Counts a refused row and keeps its errors while there is room.
    fn refuse(&mut self, errors: Vec<RowError>) {
        self.refused += 1;
        let room = ERRORS_MAX.saturating_sub(self.errors.len());
        self.errors.extend(errors.into_iter().take(room));
    }
}

/// A fault of the file as a whole: no rows are taken.
struct FileFault(RowError);

impl FileFault {
    fn new(line: u64, column: &str, reason: impl Into<String>) -> Self {
        Self(RowError { line, column: column.to_owned(), value: REDACTED.to_owned(), reason: reason.into() })
    }
}

/// Reads a whole file. Accepts reordered columns, CRLF, BOM, other case and outer blanks; refuses
/// the rest per row. File-level faults (no header, missing or extra columns, not UTF-8, `;`
/// separator, truncated last line) give one error with line 1 or the line concerned and no rows.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    parse_file(bytes).unwrap_or_else(|FileFault(error)| Parsed { rows: Vec::new(), errors: vec![error], refused: 1 })
}

fn parse_file(bytes: &[u8]) -> Result<Parsed, FileFault> {
    let text = text(bytes)?;
    let mut lines = text.split_inclusive('\n').zip(1u64..);
    let order = lines.next().map_or_else(|| Err(FileFault::new(1, "(file)", "The file is empty.")), |(header, _)| header_order(header))?;
    let mut parsed = Parsed::default();
    let mut seen: HashMap<u64, u64> = HashMap::new();
    let mut lines = lines.peekable();
    while let Some((raw, number)) = lines.next() {
        if raw.trim().is_empty() && lines.peek().is_none() {
            break;
        }
        let cut_off = lines.peek().is_none() && !raw.ends_with('\n');
        match row(raw, number, &order, cut_off) {
            Ok(row) => match seen.get(&row.source_id) {
                Some(first) => parsed.refuse(vec![error(number, "id", REDACTED, format!("This id stands on line {first} already."))]),
                None => {
                    seen.insert(row.source_id, number);
                    parsed.rows.push(row);
                }
            },
            Err(_) if cut_off => {
                return Err(FileFault::new(
                    number,
                    "(file)",
                    "The last line is cut off: get the whole file. A whole file ends with a line break.",
                ));
            }
            Err(errors) => parsed.refuse(errors),
        }
    }
    if parsed.rows.is_empty() && parsed.refused == 0 {
        return Err(FileFault::new(1, "(file)", "The file holds a header but no rows."));
    }
    Ok(parsed)
}

fn text(bytes: &[u8]) -> Result<&str, FileFault> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(FileFault::new(1, "(file)", format!("The file is larger than {} MiB: split it.", FILE_BYTES_MAX / (1024 * 1024))));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let at = |place: usize| {
        let before = bytes.get(..place).unwrap_or_default();
        let line = 1 + before.iter().map(|b| u64::from(*b == b'\n')).sum::<u64>();
        FileFault::new(line, "(file)", "The file is not UTF-8 text: save it as CSV in UTF-8.")
    };
    // UTF-16 without a mark is valid UTF-8, with a zero byte beside every letter.
    if let Some(place) = bytes.iter().position(|byte| *byte == 0) {
        return Err(at(place));
    }
    std::str::from_utf8(bytes).map_err(|fault| at(fault.valid_up_to()))
}

/// For each column of the layout its place in the file.
fn header_order(header: &str) -> Result<[usize; 12], FileFault> {
    let fault = |reason: String| FileFault::new(1, "(header)", reason);
    let cells = Cells::split(header).ok_or_else(|| fault("The header has quotes that do not close.".to_owned()))?;
    let mut order = [usize::MAX; 12];
    let mut unknown = None;
    for (place, name) in cells.iter().enumerate() {
        let name = name.trim();
        let known = HEADER.iter().position(|column| column.eq_ignore_ascii_case(name));
        match known.and_then(|column| order.get_mut(column)) {
            Some(slot) if *slot == usize::MAX => *slot = place,
            Some(_) => return Err(fault(format!("Column {name} stands twice in the header."))),
            None => unknown = unknown.or(Some(place + 1)),
        }
    }
    let missing: Vec<&str> = HEADER.iter().zip(&order).filter(|(_, place)| **place == usize::MAX).map(|(name, _)| *name).collect();
    if missing.len() == HEADER.len() {
        let semicolon = header.contains(';') || header.contains('\t');
        let hint = if semicolon {
            "Columns must be separated by commas, not by semicolons or tabs."
        } else {
            "The first line must be the header of the layout."
        };
        return Err(fault(hint.to_owned()));
    }
    if !missing.is_empty() {
        return Err(fault(format!("The header misses {}.", missing.join(", "))));
    }
    match unknown {
        // The name is not repeated: a file without a header has a patient's values there.
        Some(place) => Err(fault(format!(
            "Column {place} is not one of the layout: remove it. Only its 12 columns are taken, so that no names or phone numbers come in."
        ))),
        None => Ok(order),
    }
}

fn error(line: u64, column: &str, value: &str, reason: impl Into<String>) -> RowError {
    RowError { line, column: column.to_owned(), value: value.to_owned(), reason: reason.into() }
}

/// `cut_off`: the line has no line break, so a number at its end may have lost digits.
fn row(raw: &str, number: u64, order: &[usize; 12], cut_off: bool) -> Result<Row, Vec<RowError>> {
    let whole = |reason: &str| vec![error(number, "(row)", REDACTED, reason)];
    if raw.trim().is_empty() {
        return Err(whole("The line is empty: remove it."));
    }
    let cells = Cells::split(raw).ok_or_else(|| whole("The line has quotes that do not close, or text around them."))?;
    if cells.len() != HEADER.len() {
        return Err(whole(&format!("The line has {} values; the header has {}.", cells.len(), HEADER.len())));
    }
    // Source id, age, glucose and BMI are numbers; the other columns hold closed words.
    if cut_off && [0, 2, 8, 9].iter().any(|column| order.get(*column) == Some(&(HEADER.len() - 1))) {
        return Err(whole("The line has no end."));
    }
    let cell = |column: usize| order.get(column).and_then(|place| cells.get(*place)).unwrap_or_default().trim();
    let mut errors = Vec::new();
    let mut reader = Reader { line: number, errors: &mut errors };
    let source_id = reader.take(0, cell(0), source_id(cell(0)));
    let attributes = attributes(&mut reader, cell);
    match (source_id, attributes) {
        (Some(source_id), Some(attributes)) if errors.is_empty() => Ok(Row { line: number, source_id, attributes }),
        _ => Err(errors),
    }
}

struct Reader<'a> {
    line: u64,
    errors: &'a mut Vec<RowError>,
}

impl Reader<'_> {
    fn take<T>(&mut self, column: usize, value: &str, parsed: Result<T, crate::FieldError>) -> Option<T> {
        let name = HEADER.get(column).copied().unwrap_or_default();
        parsed.map_err(|fault| self.errors.push(error(self.line, name, &shown(column, value), fault.message))).ok()
    }
}

fn attributes<'a>(reader: &mut Reader<'_>, cell: impl Fn(usize) -> &'a str) -> Option<Attributes> {
    let sex = reader.take(1, cell(1), parse::gender(cell(1)));
    let age_years = reader.take(2, cell(2), parse::age(cell(2)));
    let hypertension = reader.take(3, cell(3), parse::zero_one("hypertension", cell(3)));
    let heart_disease = reader.take(4, cell(4), parse::zero_one("heart_disease", cell(4)));
    let ever_married = reader.take(5, cell(5), parse::ever_married(cell(5)));
    let work_type = reader.take(6, cell(6), parse::work_type(cell(6)));
    let residence = reader.take(7, cell(7), parse::residence(cell(7)));
    let avg_glucose_mg_dl = reader.take(8, cell(8), parse::glucose(cell(8)));
    let bmi = reader.take(9, cell(9), recorded_bmi(cell(9)));
    let smoking = reader.take(10, cell(10), parse::smoking(cell(10)));
    let stroke = reader.take(11, cell(11), parse::zero_one("stroke", cell(11)));
    Some(Attributes {
        sex: sex?,
        age_years: age_years?,
        hypertension: hypertension?,
        heart_disease: heart_disease?,
        ever_married: ever_married?,
        work_type: work_type?,
        residence: residence?,
        avg_glucose_mg_dl: avg_glucose_mg_dl?,
        bmi: bmi?,
        smoking: smoking?,
        stroke: stroke?,
    })
}

/// A file must say `N/A`: an empty cell may be a lost value.
fn recorded_bmi(text: &str) -> Result<Option<f64>, crate::FieldError> {
    if text.is_empty() {
        return Err(crate::FieldError::new("bmi", "Write N/A when the BMI was not recorded."));
    }
    parse::bmi(text)
}

fn source_id(text: &str) -> Result<u64, crate::FieldError> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    let id = if plain { text.parse::<u64>().ok() } else { None };
    id.ok_or_else(|| crate::FieldError::new("id", "Enter a whole number above zero, without leading zeros."))
}

/// The value, when it is a short number or a word of the layout; ids are never shown.
fn shown(column: usize, value: &str) -> String {
    const WORDS: [&str; 22] = [
        "Female",
        "Male",
        "Other",
        "Yes",
        "No",
        "Private",
        "Self-employed",
        "children",
        "Govt_job",
        "Never_worked",
        "Urban",
        "Rural",
        "never smoked",
        "formerly smoked",
        "smokes",
        "Unknown",
        "N/A",
        "NaN",
        "null",
        "true",
        "false",
        "None",
    ];
    let number = value.len() <= 6 && value.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    let word = WORDS.iter().any(|word| word.eq_ignore_ascii_case(value));
    match value {
        "" => "(empty)".to_owned(),
        value if column != 0 && (number || word) => value.to_owned(),
        _ => REDACTED.to_owned(),
    }
}
