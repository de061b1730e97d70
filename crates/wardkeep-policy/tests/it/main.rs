//! The rules as people read them, and what must hold of them whatever they say.

// `cfg(test)` tells clippy that helpers in here may unwrap as well.
#[cfg(test)]
mod explain;
#[cfg(test)]
mod files;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod site;
