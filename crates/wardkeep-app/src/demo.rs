//! The throw-away hospital: accounts of every role, patients with notes, documents and stroke
//! assessments, all generated.

use crate::{App, Result, Visit};

/// A demo account as printed to the console.
#[derive(Clone, Debug)]
pub struct DemoAccount {
    pub email: String,
    pub password: String,
    pub role: String,
    pub name: String,
}

/// Every demo account; the same on every start.
#[must_use]
pub fn accounts() -> Vec<DemoAccount> {
    todo!("demo helper")
}

impl App {
    /// Fills a new demo hospital; only where `hospital().demo` is set.
    ///
    /// # Errors
    /// `Refused` in a real hospital.
    pub async fn fill_demo(&self, visit: &Visit, patients: usize, progress: crate::stroke::import::Progress<'_>) -> Result<()> {
        let _ = (visit, patients, progress);
        todo!("demo helper")
    }
}
