//! The use cases as their callers see them, over real stores. Data is invented.

// `cfg(test)` tells clippy that helpers in here may unwrap as well.
#[cfg(test)]
mod backups;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod factors;
#[cfg(test)]
mod hospital;
#[cfg(test)]
mod import;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod stroke;
#[cfg(test)]
mod two_person;
#[cfg(test)]
mod witnesses;
