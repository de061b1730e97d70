//! What people and programs see: results, errors, exit codes, progress.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use wardkeep_app::Error;
use wardkeep_backup::BackupError;
use wardkeep_store::StoreError;
use wardkeep_vault::ProviderError;

/// Text or JSON on standard output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    json: bool,
}

/// Why a command ends, with its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub code: u8,
    pub message: String,
    /// More for `--json`, for example the refused rows.
    pub details: Value,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Value::Null }
    }
    /// When the output went away: nothing more can be said.
    pub(crate) fn output(error: &std::io::Error) -> Self {
        Self::new(1, format!("the output cannot be written: {error}"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Invalid(_) => 3,
            Error::NotFound => 4,
            Error::Integrity => 5,
            Error::Unavailable(_) | Error::Unknown(_) => 7,
            _ => 1,
        };
        let message = match error {
            Error::NotFound => "there is no such account".to_owned(),
            Error::Unavailable(cause) => cause,
            error => error.to_string(),
        };
        Self::new(code, message)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Locked(path) => {
                Self::new(6, format!("{path} is in use by a running wardkeep: stop that server first, or use its pages"))
            }
            claimed @ StoreError::Claimed { .. } => Self::new(6, claimed.to_string()),
            error => Self::new(7, error.to_string()),
        }
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let code = match error {
            BackupError::Store(error) => return error.into(),
            BackupError::Internal(_) => 1,
            BackupError::Key(_) => 3,
            BackupError::NotFound { .. } => 4,
            BackupError::Damaged { .. } | BackupError::Expired { .. } => 5,
            BackupError::Target { .. } | BackupError::Unfit(_) => 7,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        Self::new(7, error.to_string())
    }
}

impl Out {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }
    pub(crate) fn is_json(self) -> bool {
        self.json
    }
    /// The result: text for people or the value for programs.
    pub(crate) fn done(self, text: &str, value: &Value) {
        let mut stdout = std::io::stdout().lock();
        // Nobody reads any more: there is nobody to tell.
        let _ = if self.json { writeln!(stdout, "{value}") } else { writeln!(stdout, "{}", text.trim_end()) };
    }
    /// One line on standard error, and one JSON document when asked for.
    pub(crate) fn failed(self, failure: &Failure) -> ExitCode {
        if self.json {
            let mut error = json!({"code": failure.code, "message": failure.message});
            if !failure.details.is_null()
                && let Some(object) = error.as_object_mut()
            {
                object.insert("details".to_owned(), failure.details.clone());
            }
            self.done("", &json!({ "error": error }));
        } else {
            let _ = writeln!(std::io::stderr(), "wardkeep: {}", failure.message);
        }
        ExitCode::from(failure.code)
    }
}

/// Progress of long work: a bar on a terminal, a plain line now and then without one.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    /// Tenths said so far.
    said: Mutex<u64>,
}

impl Progress {
    pub(crate) fn new(what: &'static str, out: Out) -> Self {
        let bar = (std::io::stderr().is_terminal() && !out.is_json()).then(|| {
            let bar = ProgressBar::new(0).with_message(what);
            if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {eta}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        Self { bar, what, said: Mutex::new(0) }
    }
    pub(crate) fn at(&self, done: u64, of: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(of.max(done));
            bar.set_position(done);
            return;
        }
        let tenth = (done * 10).checked_div(of).unwrap_or(0);
        let mut said = self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if tenth > *said {
            *said = tenth;
            let _ = writeln!(std::io::stderr(), "{}: {done} of {of}", self.what);
        }
    }
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
