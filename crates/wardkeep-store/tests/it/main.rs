//! Integration tests of the store: the conformance suite by engine, then what only one engine does.

mod committer;
mod engines;
mod sqlite;
