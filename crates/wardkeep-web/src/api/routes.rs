//! The routes of the API; see `crate::routes` for how a line reads.

use crate::routes::Route;

#[must_use]
pub fn table() -> Vec<Route> {
    Vec::new()
}
