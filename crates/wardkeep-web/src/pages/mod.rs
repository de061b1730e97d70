//! The pages, one file per area; names match `templates/`.

pub mod accounts;
pub mod activate;
pub mod authenticator;
pub mod care_team;
pub mod chart;
pub mod clearances;
pub mod documents;
pub mod emergency;
pub mod health;
pub mod home;
pub mod log;
pub mod my;
pub mod passkeys;
pub mod patients;
pub mod policy;
pub mod proxies;
pub mod records;
pub mod register;
pub mod reviews;
pub mod security;
pub mod sign_in;
pub mod site;
pub mod stroke;
pub mod units;
pub mod unusual;
