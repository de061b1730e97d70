//! The pages, one file per area; names match `templates/`.

pub mod care_team;
pub mod chart;
pub mod documents;
pub mod patients;
pub mod records;
pub mod register;
pub mod sign_in;
pub mod site;
pub mod stroke;
