//! The JSON API under `/api/v1`: the same use cases, other clothes.
//!
//! A line of `routes.rs` names method, path, guard and handler. Everything else that the OpenAPI
//! document says of it (body, parameters, answers) is read from the handler's types, so document
//! and code cannot drift apart. Shapes are types of this module alone: a domain type never leaves
//! by being serialised. Refusals go through `crate::error` like everybody's.

pub mod answer;
pub mod charts;
pub mod describe;
pub mod documents;
pub mod house;
pub mod openapi;
pub mod patients;
pub mod records;
pub mod routes;
pub mod session;
pub mod shapes;
pub mod stroke;
pub mod take;
pub mod token;
