//! A patient's demographics and allergy state.

use serde::{Deserialize, Serialize};

use crate::date::{Date, Moment};
use crate::name::{Mrn, PersonName};
use crate::{AccountId, FieldError, FieldErrors, PatientId, field};

/// Administrative sex as registered. Unknown is said as "Not known".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    Female,
    Male,
    Other,
    NotKnown,
}

impl Sex {
    pub const ALL: [Sex; 4] = [Sex::Female, Sex::Male, Sex::Other, Sex::NotKnown];
    /// Form value: `female`, `male`, `other`, `not_known`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Sex::Female => "female",
            Sex::Male => "male",
            Sex::Other => "other",
            Sex::NotKnown => "not_known",
        }
    }
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Sex::Female => "Female",
            Sex::Male => "Male",
            Sex::Other => "Other",
            Sex::NotKnown => "Not known",
        }
    }
    /// # Errors
    /// When the code is none of the four.
    pub fn parse(code: &str) -> Result<Self, FieldError> {
        Self::ALL.into_iter().find(|s| s.code() == code).ok_or_else(|| FieldError::new("sex", "Choose female, male, other or not known."))
    }
}

/// The allergy state in one of four words (NHS CUI).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allergies {
    NotRecorded,
    NoneKnown,
    /// What is known, 1 to 500 characters.
    Known(String),
    UnableToAsk,
}

impl std::fmt::Debug for Allergies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Allergies(…)")
    }
}

impl Allergies {
    /// `not_recorded`, `none_known`, `known`, `unable_to_ask`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Allergies::NotRecorded => "not_recorded",
            Allergies::NoneKnown => "none_known",
            Allergies::Known(_) => "known",
            Allergies::UnableToAsk => "unable_to_ask",
        }
    }
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Allergies::NotRecorded => "Allergies not recorded".to_owned(),
            Allergies::NoneKnown => "No known allergies".to_owned(),
            Allergies::Known(what) => format!("Known allergies: {what}"),
            Allergies::UnableToAsk => "Unable to ask about allergies".to_owned(),
        }
    }
    /// # Errors
    /// `allergies` for an unknown state, `allergy_text` when known allergies are not named.
    pub fn parse(code: &str, what: &str) -> Result<Self, FieldError> {
        match code {
            "not_recorded" => Ok(Allergies::NotRecorded),
            "none_known" => Ok(Allergies::NoneKnown),
            "unable_to_ask" => Ok(Allergies::UnableToAsk),
            "known" => field::text("allergy_text", what, 1, 500, false).map(Allergies::Known),
            _ => Err(FieldError::new("allergies", "Choose one of the four allergy states.")),
        }
    }
}

/// How to reach the patient; every part may be empty.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Contacts {
    pub address: String,
    pub phone: String,
    pub email: String,
    pub next_of_kin: String,
}

impl std::fmt::Debug for Contacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contacts(…)")
    }
}

/// When the patient was born, as far as known. Imported research rows know an age only.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Born {
    On(Date),
    /// Age in years at a moment (imports).
    AgedYears {
        years: f64,
        at: Moment,
    },
    NotKnown,
}

impl std::fmt::Debug for Born {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Born(…)")
    }
}

/// A patient as sealed under the patient's key. `Deserialize` is for the sealed form alone.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Patient {
    pub id: PatientId,
    pub mrn: Mrn,
    /// Imported rows have no name.
    pub name: Option<PersonName>,
    pub born: Born,
    pub sex: Sex,
    pub contacts: Contacts,
    pub allergies: Allergies,
    pub created_by: AccountId,
    pub created_at: Moment,
}

impl std::fmt::Debug for Patient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Patient({})", self.id)
    }
}

impl Patient {
    /// `OKAFOR, Grace (Mrs)` or `Name not recorded`.
    #[must_use]
    pub fn banner_name(&self) -> String {
        self.name.as_ref().map_or_else(|| "Name not recorded".to_owned(), PersonName::banner)
    }
}

/// What a registration form holds, as typed. Field names are the form's.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PatientForm {
    pub mrn: String,
    pub family_name: String,
    pub given_name: String,
    pub title: String,
    pub birth_day: String,
    pub birth_month: String,
    pub birth_year: String,
    pub sex: String,
    pub address: String,
    pub phone: String,
    pub email: String,
    pub next_of_kin: String,
    pub allergies: String,
    pub allergy_text: String,
}

impl std::fmt::Debug for PatientForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PatientForm(…)")
    }
}

/// A parsed registration form.
#[derive(Clone, PartialEq)]
pub struct Demographics {
    pub mrn: Mrn,
    pub name: PersonName,
    pub born: Born,
    pub sex: Sex,
    pub contacts: Contacts,
    pub allergies: Allergies,
}

impl std::fmt::Debug for Demographics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Demographics(…)")
    }
}

impl PatientForm {
    /// Parses every field and reports all errors at once. `today` bounds the birth date.
    ///
    /// # Errors
    /// One [`FieldError`] per wrong field, in form order.
    pub fn parse(&self, today: Date) -> Result<Demographics, FieldErrors> {
        let mut errors = FieldErrors::new();
        let mrn = errors.take(Mrn::parse(&self.mrn));
        let name = PersonName::parse(&self.family_name, &self.given_name, &self.title).map_err(|e| errors.0.extend(e.0)).ok();
        let born = errors.take(self.born(today));
        let sex = errors.take(Sex::parse(&self.sex));
        let contacts = self.contacts(&mut errors);
        let allergies = errors.take(Allergies::parse(&self.allergies, &self.allergy_text));
        let whole =
            (|| Some(Demographics { mrn: mrn?, name: name?, born: born?, sex: sex?, contacts: contacts?, allergies: allergies? }))();
        errors.into_result(whole)
    }

    fn born(&self, today: Date) -> Result<Born, FieldError> {
        if [&self.birth_day, &self.birth_month, &self.birth_year].iter().all(|part| part.trim().is_empty()) {
            return Ok(Born::NotKnown);
        }
        let date = Date::from_parts("birth_date", &self.birth_day, &self.birth_month, &self.birth_year)?;
        if date > today {
            return Err(FieldError::new("birth_date", "A birth date cannot lie in the future."));
        }
        Ok(Born::On(date))
    }

    fn contacts(&self, errors: &mut FieldErrors) -> Option<Contacts> {
        let address = errors.take(field::text("address", &self.address, 0, 300, true));
        let phone = errors.take(field::text("phone", &self.phone, 0, 40, false));
        let email = errors.take(if self.email.trim().is_empty() {
            Ok(String::new())
        } else {
            crate::name::Email::parse(&self.email).map(|e| e.as_str().to_owned())
        });
        let next_of_kin = errors.take(field::text("next_of_kin", &self.next_of_kin, 0, 200, false));
        Some(Contacts { address: address?, phone: phone?, email: email?, next_of_kin: next_of_kin? })
    }
}
