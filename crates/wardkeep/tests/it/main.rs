//! Tests of the repository as a whole: who may depend on whom, and what must be nowhere.

// `cfg(test)` tells clippy that helpers in here may unwrap as well.
#[cfg(test)]
mod house;
#[cfg(test)]
mod source;
#[cfg(test)]
mod tidy;
