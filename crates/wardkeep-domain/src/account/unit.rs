//! Units of the hospital: who works on one cares for the patients who lie there.

use serde::{Deserialize, Serialize};

use crate::{FieldError, field};

/// Most units of a hospital.
pub const UNITS_MAX: usize = 200;

/// The name of a unit, 2 to 40 characters: "Ward S".
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unit(String);

impl Unit {
    /// # Errors
    /// On `unit`, when the name is shorter or longer.
    pub fn parse(name: &str) -> Result<Self, FieldError> {
        field::text("unit", name, 2, 40, false).map(Self)
    }
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
