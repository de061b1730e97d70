//! HTTP: HTML pages and the JSON API. Extract -> one use case -> render. No rules here.
//!
//! [`router`] is built from the flat tables in `routes.rs` and `api/routes.rs`; every route names
//! its guard there, and every state-changing route is under the CSRF layer by construction.

pub mod api;
pub mod assets;
pub mod cookies;
pub mod csrf;
mod draft;
pub mod error;
pub mod extract;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod guard;
pub mod headers;
pub mod limits;
pub mod page;
pub mod pages;
pub mod routes;
pub mod server;
pub mod web;

pub use routes::router;
pub use web::{Clock, Settings, Web};
