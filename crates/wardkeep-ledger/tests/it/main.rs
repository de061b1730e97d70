//! What the log promises, shown from outside the crate.

// `cfg(test)` tells clippy that helpers in here may unwrap as well.
#[cfg(test)]
mod leaves;
#[cfg(test)]
mod notes;
#[cfg(test)]
mod support;
#[cfg(test)]
mod trees;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod vectors_witness;
#[cfg(test)]
mod verifier;
