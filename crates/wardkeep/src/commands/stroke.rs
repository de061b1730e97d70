//! `wardkeep import|export|generate stroke`.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wardkeep_app::stroke::import::ImportReport;
use wardkeep_domain::stroke::import::REDACTED;

use crate::cli::{Export, Generate, Import};
use crate::home::Home;
use crate::house;
use crate::out::{Failure, Out, Progress};

/// Refused rows printed as text; `--json` has more.
const ROWS_SHOWN: usize = 20;

pub(crate) async fn import(home: &Home, what: Import, out: &Out) -> Result<(), Failure> {
    let Import::Stroke { file, keep_good, check } = what;
    let bytes = read(&file)?;
    let house = house::open(home).await?;
    let progress = Progress::new("Importing", *out);
    let ctx = house.operator();
    let report = if check {
        house.app.check_import(&ctx, &bytes).await
    } else {
        house.app.import(&ctx, &bytes, keep_good, &|done, of| progress.at(done, of)).await
    };
    progress.end();
    house.close().await?;
    let report = report?;
    let value = value(&report);
    if report.refused > 0 && !keep_good {
        let what = if report.refused == 1 { "1 row is".to_owned() } else { format!("{} rows are", report.refused) };
        let text = format!("{what} refused in {}, and nothing was saved:\n{}", file.display(), rows(&report).trim_end());
        return Err(Failure { code: 3, message: text, details: value });
    }
    let mut text = format!("{} rows written, {} were here already, {} refused.", report.written, report.unchanged, report.refused);
    if check {
        text =
            format!("{} good rows, {} of them here already, {} refused. Nothing was saved.", report.good, report.unchanged, report.refused);
    }
    if report.refused > 0 {
        text.push_str(&format!("\n{}", rows(&report)));
    }
    out.done(&text, &value);
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound { 4 } else { 3 };
        Failure::new(code, format!("{} cannot be read: {error}", file.display()))
    };
    let length = std::fs::metadata(file).map_err(failed)?.len();
    let most = wardkeep_domain::stroke::import::FILE_BYTES_MAX as u64;
    if length > most {
        return Err(Failure::new(3, format!("{} has {length} bytes, more than {most}: split it", file.display())));
    }
    std::fs::read(file).map_err(failed)
}

fn rows(report: &ImportReport) -> String {
    let mut text = String::new();
    for error in report.errors.iter().take(ROWS_SHOWN) {
        let found = if error.value == REDACTED { String::new() } else { format!(" (found “{}”)", error.value) };
        text.push_str(&format!("  line {}, {}: {}{found}\n", error.line, error.column, error.reason));
    }
    let more = report.refused.saturating_sub(ROWS_SHOWN as u64);
    if more > 0 {
        text.push_str(&format!("  … and {more} more; correct these first, or add --keep-good"));
    }
    text
}

fn value(report: &ImportReport) -> Value {
    let errors: Vec<Value> = report
        .errors
        .iter()
        .map(|error| json!({"line": error.line, "column": error.column, "value": error.value, "reason": error.reason}))
        .collect();
    json!({"good": report.good, "refused": report.refused, "unchanged": report.unchanged, "written": report.written, "errors": errors})
}

pub(crate) async fn export(home: &Home, what: Export, out: &Out) -> Result<(), Failure> {
    let Export::Stroke { output } = what;
    named_when_json(output.as_deref(), out)?;
    let house = house::open(home).await?;
    let progress = Progress::new("Exporting", *out);
    let csv = house.app.export_stroke(&house.operator(), &|done, of| progress.at(done, of)).await;
    progress.end();
    house.close().await?;
    write(&csv?, output.as_deref(), out)
}

pub(crate) fn generate(what: Generate, out: &Out) -> Result<(), Failure> {
    let Generate::Stroke { rows, seed, output } = what;
    named_when_json(output.as_deref(), out)?;
    write(wardkeep_domain::stroke::generate::csv(rows, seed).as_bytes(), output.as_deref(), out)
}

/// Standard output holds one document: the rows or the JSON.
fn named_when_json(output: Option<&Path>, out: &Out) -> Result<(), Failure> {
    if out.is_json() && output.is_none() {
        return Err(Failure::new(2, "with --json the rows need a file of their own: name it with --output"));
    }
    Ok(())
}

/// Whole or not at all: the file appears under its name when it is complete.
fn write(bytes: &[u8], output: Option<&Path>, out: &Out) -> Result<(), Failure> {
    let Some(path) = output else {
        return std::io::stdout().lock().write_all(bytes).map_err(|error| Failure::output(&error));
    };
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&part);
        return Err(Failure::new(7, format!("{} cannot be written: {error}", path.display())));
    }
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count().saturating_sub(1);
    out.done(&format!("{lines} rows written to {}.", path.display()), &json!({"file": path, "rows": lines}));
    Ok(())
}
