//! Import and export of the public stroke data layout.

use wardkeep_domain::stroke::import::RowError;

use crate::{App, Ctx, Result};

/// What an import would do, or did.
#[derive(Clone, Debug, Default)]
pub struct ImportReport {
    /// Rows that are good.
    pub good: u64,
    /// Rows that are refused.
    pub refused: u64,
    /// The first of them.
    pub errors: Vec<RowError>,
    /// Good rows that are here already, unchanged.
    pub unchanged: u64,
    /// Rows written (0 for a check, or when refused rows stopped everything).
    pub written: u64,
}

/// Progress: (done, of). Called from time to time.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

impl App {
    /// Reads the file and says what an import would do; changes nothing.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn check_import(&self, ctx: &Ctx, bytes: &[u8]) -> Result<ImportReport> {
        let _ = (ctx, bytes);
        todo!("stroke helper")
    }
    /// All or nothing, unless `keep_good`. The same file twice changes nothing and says so.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    pub async fn import(&self, ctx: &Ctx, bytes: &[u8], keep_good: bool, progress: Progress<'_>) -> Result<ImportReport> {
        let _ = (ctx, bytes, keep_good, progress);
        todo!("stroke helper")
    }
    /// Keeps an uploaded file sealed until it is confirmed; gives its one-time token.
    ///
    /// # Errors
    /// `Denied`, `Invalid` on `file` when it is over 32 MiB.
    pub async fn stage_import(&self, ctx: &Ctx, bytes: &[u8]) -> Result<(String, ImportReport)> {
        let _ = (ctx, bytes);
        todo!("stroke helper")
    }
    /// Imports a staged file.
    ///
    /// # Errors
    /// `NotFound` when the token is unknown, used or somebody else's.
    pub async fn confirm_import(&self, ctx: &Ctx, token: &str, keep_good: bool) -> Result<ImportReport> {
        let _ = (ctx, token, keep_good);
        todo!("stroke helper")
    }
    /// CSV in the public layout (no names), oldest first; formula cells neutralised. An event.
    ///
    /// # Errors
    /// `Denied` (a fresh factor is needed).
    pub async fn export_stroke(&self, ctx: &Ctx, progress: Progress<'_>) -> Result<Vec<u8>> {
        let _ = (ctx, progress);
        todo!("stroke helper")
    }
}
