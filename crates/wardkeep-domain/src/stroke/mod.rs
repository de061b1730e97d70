//! Stroke assessments: the attributes of the public stroke data layout, parsed once.

pub mod generate;
pub mod import;
mod parse;
pub mod summary;

use serde::{Deserialize, Serialize};

use crate::date::Moment;
use crate::patient::Sex;
use crate::{AccountId, AssessmentId, FieldError, FieldErrors, PatientId};

macro_rules! coded {
    ($(#[$doc:meta])* $name:ident, $field:literal, $message:literal, { $($variant:ident = $code:literal / $label:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($variant),* }
        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),*];
            /// The data layout's own spelling.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $($name::$variant => $code),* }
            }
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $($name::$variant => $label),* }
            }
            /// Reads the layout's spelling; case and outer blanks do not matter.
            ///
            /// # Errors
            /// When the text is none of the known values.
            pub fn parse(text: &str) -> Result<Self, FieldError> {
                let text = text.trim();
                Self::ALL.iter().copied().find(|v| v.code().eq_ignore_ascii_case(text)).ok_or_else(|| FieldError::new($field, $message))
            }
        }
    };
}

coded!(
    /// Kind of work.
    WorkType, "work_type", "Choose Private, Self-employed, Govt_job, children or Never_worked.",
    { Private = "Private" / "Private", SelfEmployed = "Self-employed" / "Self-employed", GovtJob = "Govt_job" / "Government", Children = "children" / "Child", NeverWorked = "Never_worked" / "Never worked" }
);
coded!(
    /// Where the patient lives.
    Residence, "residence_type", "Choose Urban or Rural.", { Urban = "Urban" / "Urban", Rural = "Rural" / "Rural" }
);
coded!(
    /// Smoking status.
    Smoking, "smoking_status", "Choose never smoked, formerly smoked, smokes or Unknown.",
    { Never = "never smoked" / "Never smoked", Formerly = "formerly smoked" / "Formerly smoked", Smokes = "smokes" / "Smokes", Unknown = "Unknown" / "Not known" }
);

/// Clinical attributes of one assessment.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Attributes {
    /// Female, Male or Other.
    pub sex: Sex,
    /// Age in years, with fractions for infants; 0 to 130.
    pub age_years: f64,
    pub hypertension: bool,
    pub heart_disease: bool,
    pub ever_married: bool,
    pub work_type: WorkType,
    pub residence: Residence,
    /// mg/dL, 10 to 1000.
    pub avg_glucose_mg_dl: f64,
    /// kg/m2, 5 to 150; missing is not zero.
    pub bmi: Option<f64>,
    pub smoking: Smoking,
    /// The outcome.
    pub stroke: bool,
}

impl std::fmt::Debug for Attributes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attributes(…)")
    }
}

impl Attributes {
    /// Appends a line of the public layout, with a line feed. No cell can be taken for a formula:
    /// all are closed words or unsigned numbers.
    pub fn csv_line(&self, id: u64, out: &mut String) {
        use std::fmt::Write;
        let bmi: &dyn std::fmt::Display = self.bmi.as_ref().map_or(&"N/A", |bmi| bmi);
        // Writing into a String cannot fail.
        let _ = writeln!(
            out,
            "{id},{},{},{},{},{},{},{},{},{bmi},{},{}",
            parse::gender_code(self.sex),
            self.age_years,
            u8::from(self.hypertension),
            u8::from(self.heart_disease),
            if self.ever_married { "Yes" } else { "No" },
            self.work_type.code(),
            self.residence.code(),
            self.avg_glucose_mg_dl,
            self.smoking.code(),
            u8::from(self.stroke),
        );
    }
}

/// The reason that stands beside a version which a newer file brought.
pub const IMPORT_REASON: &str = "import";

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssessmentState {
    Signed,
    Amended { reason: String },
    Voided { reason: String },
}

/// Where an imported assessment came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Source {
    /// Id of the row in the file.
    pub id: u64,
    /// Somebody amended it here since: a file must not overwrite that.
    pub amended_here: bool,
}

/// One version of an assessment as sealed under the patient's key.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    pub id: AssessmentId,
    pub patient: PatientId,
    /// `None` when it was written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    pub attributes: Attributes,
    pub assessed_at: Moment,
    pub state: AssessmentState,
    pub author: AccountId,
    pub written_by: AccountId,
    pub written_at: Moment,
}

impl std::fmt::Debug for Assessment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Assessment({})", self.id)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this assessment is voided and cannot be changed")]
pub struct AssessmentVoided;

impl Assessment {
    /// # Errors
    /// When it is voided.
    pub fn amend(&self, attributes: Attributes, reason: String, by: AccountId, at: Moment) -> Result<Self, AssessmentVoided> {
        let source = self.source.map(|source| Source { amended_here: true, ..source });
        self.next(AssessmentState::Amended { reason }, by, at).map(|next| Self { attributes, source, ..next })
    }
    /// A newer file says otherwise.
    ///
    /// # Errors
    /// When it is voided.
    pub fn import_again(&self, attributes: Attributes, by: AccountId, at: Moment) -> Result<Self, AssessmentVoided> {
        self.next(AssessmentState::Amended { reason: IMPORT_REASON.to_owned() }, by, at).map(|next| Self { attributes, ..next })
    }
    /// # Errors
    /// When it is voided already.
    pub fn void(&self, reason: String, by: AccountId, at: Moment) -> Result<Self, AssessmentVoided> {
        self.next(AssessmentState::Voided { reason }, by, at)
    }
    fn next(&self, state: AssessmentState, by: AccountId, at: Moment) -> Result<Self, AssessmentVoided> {
        if matches!(self.state, AssessmentState::Voided { .. }) {
            return Err(AssessmentVoided);
        }
        Ok(Self { state, written_by: by, written_at: at, ..self.clone() })
    }
}

/// The form as typed. Field names are the form's; `0`/`1` for yes-no questions and `Yes`/`No` for
/// marriage, as in the data layout. An empty `bmi` or `N/A` means "Not recorded".
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AssessmentForm {
    pub gender: String,
    pub age: String,
    pub hypertension: String,
    pub heart_disease: String,
    pub ever_married: String,
    pub work_type: String,
    pub residence_type: String,
    pub avg_glucose_level: String,
    pub bmi: String,
    pub smoking_status: String,
    pub stroke: String,
    /// Amend and void only.
    pub reason: String,
    /// Amend and void only: the version the writer saw.
    pub version: String,
}

impl std::fmt::Debug for AssessmentForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AssessmentForm(…)")
    }
}

impl AssessmentForm {
    /// Same rules as a row of the data layout.
    ///
    /// # Errors
    /// One error per wrong field, in layout order.
    pub fn parse(&self) -> Result<Attributes, FieldErrors> {
        let mut errors = FieldErrors::new();
        let sex = errors.take(parse::gender(&self.gender));
        let age_years = errors.take(parse::age(&self.age));
        let hypertension = errors.take(parse::zero_one("hypertension", &self.hypertension));
        let heart_disease = errors.take(parse::zero_one("heart_disease", &self.heart_disease));
        let ever_married = errors.take(parse::ever_married(&self.ever_married));
        let work_type = errors.take(parse::work_type(&self.work_type));
        let residence = errors.take(parse::residence(&self.residence_type));
        let avg_glucose_mg_dl = errors.take(parse::glucose(&self.avg_glucose_level));
        let bmi = errors.take(parse::bmi(&self.bmi));
        let smoking = errors.take(parse::smoking(&self.smoking_status));
        let stroke = errors.take(parse::zero_one("stroke", &self.stroke));
        let whole = (|| {
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
        })();
        errors.into_result(whole)
    }
    /// # Errors
    /// When the reason is shorter than 5 or longer than 500 characters.
    pub fn parse_reason(&self) -> Result<String, FieldError> {
        crate::field::text("reason", &self.reason, 5, 500, false)
    }
    /// The form filled with an assessment, for editing.
    #[must_use]
    pub fn from_attributes(attributes: &Attributes) -> Self {
        let text = |value: &str| value.to_owned();
        let zero_one = |value: bool| text(if value { "1" } else { "0" });
        Self {
            gender: text(parse::gender_code(attributes.sex)),
            age: attributes.age_years.to_string(),
            hypertension: zero_one(attributes.hypertension),
            heart_disease: zero_one(attributes.heart_disease),
            ever_married: text(if attributes.ever_married { "Yes" } else { "No" }),
            work_type: text(attributes.work_type.code()),
            residence_type: text(attributes.residence.code()),
            avg_glucose_level: attributes.avg_glucose_mg_dl.to_string(),
            bmi: attributes.bmi.map_or_else(String::new, |bmi| bmi.to_string()),
            smoking_status: text(attributes.smoking.code()),
            stroke: zero_one(attributes.stroke),
            reason: String::new(),
            version: String::new(),
        }
    }
}

/// What a list of assessments may be narrowed by.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Filter {
    pub age_min: Option<f64>,
    pub age_max: Option<f64>,
    pub stroke: Option<bool>,
    pub hypertension: Option<bool>,
    pub smoking: Option<Smoking>,
}

impl Filter {
    #[must_use]
    pub fn keeps(&self, a: &Attributes) -> bool {
        self.age_min.is_none_or(|min| a.age_years >= min)
            && self.age_max.is_none_or(|max| a.age_years <= max)
            && self.stroke.is_none_or(|s| a.stroke == s)
            && self.hypertension.is_none_or(|h| a.hypertension == h)
            && self.smoking.is_none_or(|s| a.smoking == s)
    }
}

#[cfg(test)]
mod tests;
