//! Integration tests of the store: the conformance suite by engine, then what only one engine does.

// `cfg(test)` tells clippy that helpers in here may unwrap as well.
#[cfg(test)]
mod committer;
#[cfg(test)]
mod engines;
#[cfg(test)]
mod mongo;
#[cfg(test)]
mod sqlite;
#[cfg(test)]
mod transfer;
