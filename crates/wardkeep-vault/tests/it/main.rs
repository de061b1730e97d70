//! What the sealed format promises, shown from outside the crate.

// `cfg(test)` tells clippy that helpers in here may unwrap as well.
#[cfg(test)]
mod documents;
#[cfg(test)]
mod escrow;
#[cfg(test)]
mod key_files;
#[cfg(test)]
mod known_answers;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod support;
#[cfg(test)]
mod swaps;
#[cfg(test)]
mod terms;
#[cfg(test)]
mod vectors;
