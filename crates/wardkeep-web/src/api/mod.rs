//! The JSON API under `/api/v1`: the same use cases, other clothes.

pub mod routes;
