//! The use cases as their callers see them, over real stores. Data is invented.

mod documents;
mod hospital;
