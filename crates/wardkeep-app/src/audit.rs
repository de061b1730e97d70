//! Reading the log: filters, entries with proof, export, alarms.

use wardkeep_domain::date::Moment;

use crate::accounts::Page;
use crate::act::ClearEvent;
use crate::integrity::Proof;
use crate::{App, Ctx, Result};

/// What the log's page may be narrowed by.
#[derive(Clone, Default)]
pub struct LogFilter {
    pub from: Option<Moment>,
    pub to: Option<Moment>,
    /// E-mail of an account.
    pub person: String,
    /// MRN of a patient.
    pub mrn: String,
    /// Dotted class name.
    pub class: Option<wardkeep_ledger::Class>,
    pub outcome: Option<wardkeep_ledger::Outcome>,
}

/// One line. `what` never holds clinical text.
#[derive(Clone)]
pub struct LogRow {
    pub event: ClearEvent,
    /// Index in its stream.
    pub index: u64,
    pub stream: String,
    pub who: String,
    pub role: String,
    /// In plain words: "Amended a record".
    pub words: String,
    /// "OKAFOR, G. · MRN 704 118 2293" or "Account …", empty when there is none.
    pub object: String,
    pub reason: String,
}

/// Cursor over both streams, merged by time: (control, records) sequences.
pub type LogCursor = (u64, u64);

#[derive(Clone)]
pub struct LogPage {
    pub rows: Vec<LogRow>,
    pub next: Option<LogCursor>,
}

/// An entry with its inclusion proof.
pub struct LogEntry {
    pub row: LogRow,
    pub proof: Proof,
    /// The `tlog-proof@v1` text to download.
    pub proof_file: String,
    /// Clear facts of the event, for the page.
    pub facts: Vec<(String, String)>,
}

/// Something an administrator must look at.
#[derive(Clone, Debug)]
pub struct Alarm {
    pub id: [u8; 16],
    pub at: Moment,
    /// For example `integrity`.
    pub kind: String,
    /// What happened and what to do next, without patient data.
    pub words: String,
}

/// State of the log for the page's head and the posture page.
#[derive(Clone, Debug)]
pub struct LogState {
    pub stream: String,
    pub entries: u64,
    /// Entries not yet under a signed checkpoint.
    pub waiting: u64,
    pub last_seal: Option<Moment>,
    /// Root hash, hex.
    pub root: String,
}

impl App {
    /// Newest first over both stores. Reading it is itself an event.
    ///
    /// # Errors
    /// `Denied`, `Invalid` on a person or MRN that does not exist.
    pub async fn read_log(&self, ctx: &Ctx, filter: &LogFilter, after: Option<LogCursor>) -> Result<LogPage> {
        let _ = (ctx, filter, after);
        todo!("audit helper")
    }
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn log_entry(&self, ctx: &Ctx, event: [u8; 16]) -> Result<LogEntry> {
        let _ = (ctx, event);
        todo!("audit helper")
    }
    /// CSV of all matching entries (bounded to 100,000), formula cells neutralised, with the
    /// newest checkpoint in the last lines.
    ///
    /// # Errors
    /// `Denied` (a fresh factor is needed).
    pub async fn export_log(&self, ctx: &Ctx, filter: &LogFilter) -> Result<Vec<u8>> {
        let _ = (ctx, filter);
        todo!("audit helper")
    }
    /// Open alarms, newest first.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn alarms(&self, ctx: &Ctx) -> Result<Vec<Alarm>> {
        let _ = ctx;
        todo!("audit helper")
    }
    /// # Errors
    /// `Denied`.
    pub async fn log_state(&self, ctx: &Ctx) -> Result<Vec<LogState>> {
        let _ = ctx;
        todo!("audit helper")
    }
    /// Tells of an entry whose check failed: an event and an alarm, once per document version.
    pub(crate) async fn raise_integrity_alarm(
        &self,
        ctx: &Ctx,
        kind: wardkeep_store::Kind,
        id: wardkeep_store::DocId,
        version: u64,
    ) -> Result<()> {
        let _ = (ctx, kind, id, version);
        todo!("audit helper")
    }
    /// Newest events first of one account: its last sign-ins.
    pub(crate) async fn events_of_page(
        &self,
        side: crate::act::Side,
        terms: Vec<wardkeep_store::Term>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<wardkeep_store::Document>> {
        let _ = (side, terms, before, limit);
        todo!("audit helper")
    }
}

/// Plain words for an event class, for staff.
#[must_use]
pub fn words(class: wardkeep_ledger::Class) -> &'static str {
    let _ = class;
    todo!("audit helper")
}
