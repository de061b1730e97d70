//! Backups: their bytes, and a hospital's stores that go out and come back.

#[cfg(test)]
mod portion;
#[cfg(test)]
mod whole;
