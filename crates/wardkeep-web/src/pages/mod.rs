//! The pages, one file per area; names match `templates/`.

pub mod register;
pub mod sign_in;
