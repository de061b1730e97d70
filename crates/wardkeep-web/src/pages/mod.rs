//! The pages, one file per area; names match `templates/`.

pub mod accounts;
pub mod activate;
pub mod care_team;
pub mod chart;
pub mod documents;
pub mod health;
pub mod home;
pub mod log;
pub mod my;
pub mod patients;
pub mod records;
pub mod register;
pub mod requests;
pub mod security;
pub mod services;
pub mod sign_in;
pub mod site;
pub mod stroke;
