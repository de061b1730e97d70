//! `wardkeep verify`: the published log alone, offline; with `--records` every sealed document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wardkeep_domain::date::Moment;
use wardkeep_ledger::publish::verify_proof_file;
use wardkeep_ledger::verify::{Directory, LogSource, StreamReport, verify};
use wardkeep_ledger::witness::WitnessKey;
use wardkeep_ledger::{Checkpoint, VerifyingKey};

use crate::cli::{Verify, VerifyWhat};
use crate::commands::witness::text_or_file;
use crate::home::Home;
use crate::house;
use crate::out::{Failure, Out, Progress};

pub(crate) async fn run(home: &Home, options: &Verify, out: &Out) -> Result<(), Failure> {
    if let Some(VerifyWhat::Proof { file, key }) = &options.what {
        return proof(&home.paths().ledger(), file, key.as_deref(), out);
    }
    let ledger = options.ledger.clone().unwrap_or_else(|| home.paths().ledger());
    if !ledger.is_dir() {
        return Err(Failure::new(4, format!("there is no published log in {}", ledger.display())));
    }
    let key = key(&ledger, options.key.as_deref())?;
    let mut findings: Vec<Value> = Vec::new();
    let mut text = String::new();
    let mut earlier = earlier(&options.earlier, &key)?;
    for witness in &options.witness {
        witnessed(&ledger, witness, &key, &mut earlier, &mut findings, &mut text)?;
    }
    let progress = Progress::new("Verifying the log", *out);
    let reports = verify(&Directory::new(&ledger), &key, &earlier, &mut |done, of| progress.at(done, of));
    progress.end();
    let reports = reports.map_err(|error| Failure::new(7, format!("{} cannot be read: {error}", ledger.display())))?;
    for report in &reports {
        text.push_str(&stream(report, &mut findings));
    }
    // Each store has at least one stream; a log that lost all of one is not whole.
    for store in ["control", "records"] {
        if !reports.iter().any(|report| report.stream.split('.').next() == Some(store)) {
            find(&mut findings, &mut text, "stream-missing", &format!("the published log holds no stream of the {store} store"));
        }
    }
    let mut records = Value::Null;
    if options.records.is_some() {
        records = check_records(home, out, &mut text, &mut findings).await?;
    }
    let value =
        json!({"ledger": ledger, "streams": reports.iter().map(shape).collect::<Vec<_>>(), "records": records, "findings": findings});
    if findings.is_empty() {
        text.push_str("Nothing was changed, removed or added behind the log's back.");
        out.done(&text, &value);
        return Ok(());
    }
    text.push_str("Do not restart or repair anything yet: keep a copy of the data, and compare with the last good backup.");
    Err(Failure { code: 5, message: format!("verification found something\n{text}"), details: value })
}

/// Checkpoints by stream.
type Kept = BTreeMap<String, Vec<Checkpoint>>;

fn keep(kept: &mut Kept, key: &VerifyingKey, checkpoint: Checkpoint) {
    let stream = checkpoint.origin.strip_prefix(key.name()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(&checkpoint.origin);
    kept.entry(stream.to_owned()).or_default().push(checkpoint);
}

/// Those of this log that lie in these files and directories. A witness's directory may hold those of others.
fn earlier(places: &[PathBuf], key: &VerifyingKey) -> Result<Kept, Failure> {
    let mut kept = Kept::new();
    for place in places {
        let unreadable = |error: std::io::Error| Failure::new(4, format!("{} cannot be read: {error}", place.display()));
        let mut files = vec![place.clone()];
        if place.is_dir() {
            let entries =
                std::fs::read_dir(place).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>());
            files = entries.map_err(unreadable)?;
        }
        let mut some = false;
        for file in files.iter().filter(|file| file.is_file()) {
            if let Ok(checkpoint) = Checkpoint::verify(&std::fs::read_to_string(file).map_err(unreadable)?, key) {
                keep(&mut kept, key, checkpoint);
                some = true;
            }
        }
        if !some {
            return Err(Failure::new(3, format!("{} holds no checkpoint that this log signed", place.display())));
        }
    }
    Ok(kept)
}

/// What this witness cosigned, beside the published log: one checkpoint of every stream.
fn witnessed(
    ledger: &Path,
    given: &str,
    key: &VerifyingKey,
    kept: &mut Kept,
    findings: &mut Vec<Value>,
    text: &mut String,
) -> Result<(), Failure> {
    let witness = WitnessKey::parse(&text_or_file(given)?)
        .map_err(|_| Failure::new(3, format!("--witness {given}: that is no witness's key; “wardkeep witness init” prints it")))?;
    let unreadable = |error: std::io::Error| Failure::new(7, format!("{} cannot be read: {error}", ledger.display()));
    for stream in Directory::new(ledger).streams().map_err(unreadable)? {
        let note = std::fs::read_to_string(ledger.join(&stream).join("witnessed")).unwrap_or_default();
        match (Checkpoint::verify(&note, key), witness.verify(&note)) {
            (Ok(checkpoint), Ok(time_s)) => {
                let at = Moment(i64::try_from(time_s).unwrap_or(0).saturating_mul(1000)).staff();
                text.push_str(&format!("{stream}: {} entries were seen by {} on {at}\n", checkpoint.head.size, witness.name()));
                keep(kept, key, checkpoint);
            }
            _ => {
                find(findings, text, "not-witnessed", &format!("{} has not cosigned {stream}, or what it cosigned is gone", witness.name()))
            }
        }
    }
    Ok(())
}

/// One entry: what its page gave, and the log's public key.
fn proof(ledger: &Path, file: &Path, given: Option<&str>, out: &Out) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::new(4, format!("{} cannot be read: {error}", file.display())))?;
    let key = key(ledger, given)?;
    let (index, leaf, checkpoint) =
        verify_proof_file(&text, &key).map_err(|words| Failure::new(5, format!("{} proves nothing: {words}", file.display())))?;
    let (at, signed) = (Moment(leaf.time_ms), checkpoint.time_ms.map(Moment));
    let stream = leaf.stream.as_str();
    let text = format!(
        "Entry {index} of {} in {stream}: {} ({}) on {}.\nIt stands in the log that was signed on {}, and cannot have been changed since.",
        checkpoint.head.size,
        leaf.class.name(),
        leaf.outcome.name(),
        at.staff(),
        signed.map_or_else(|| "an unknown day".to_owned(), Moment::staff),
    );
    let value = json!({
        "stream": stream, "index": index, "size": checkpoint.head.size, "class": leaf.class.name(), "outcome": leaf.outcome.name(),
        "time": at.rfc3339(), "signed": signed.map(Moment::rfc3339),
    });
    out.done(&text, &value);
    Ok(())
}

fn key(ledger: &Path, given: Option<&str>) -> Result<VerifyingKey, Failure> {
    // A key that was named wrongly is bad input; one beside the log that is none any more was changed.
    let (text, code) = match given {
        Some(text) if text.contains('+') && !Path::new(text).exists() => (text.to_owned(), 3),
        Some(path) => (read_key(Path::new(path))?, 3),
        None => (read_key(&ledger.join("log.vkey"))?, 5),
    };
    let fix = "name the log's public key with --key";
    VerifyingKey::parse(text.trim()).map_err(|error| Failure::new(code, format!("that is no public key of a log: {error}; {fix}")))
}

fn read_key(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::new(4, format!("{} cannot be read: {error}; name the log's public key with --key", path.display())))
}

fn stream(report: &StreamReport, findings: &mut Vec<Value>) -> String {
    let size = report.head.map_or(0, |head| head.size);
    let state = if report.findings.is_empty() { "sound" } else { "NOT SOUND" };
    let mut text = format!("{}: {size} entries, {state}\n", report.stream);
    for (finding, index) in &report.findings {
        text.push_str(&format!("  entry {index}: {} ({})\n", finding.words(), finding.code()));
        findings.push(json!({"stream": report.stream, "index": index, "code": finding.code(), "words": finding.words()}));
    }
    text
}

fn find(findings: &mut Vec<Value>, text: &mut String, code: &str, words: &str) {
    text.push_str(&format!("  {words} ({code})\n"));
    findings.push(json!({"code": code, "words": words}));
}

fn shape(report: &StreamReport) -> Value {
    json!({
        "stream": report.stream,
        "entries": report.head.map(|head| head.size),
        "sealed_ms": report.sealed_ms,
        "classes": report.classes,
    })
}

async fn check_records(home: &Home, out: &Out, text: &mut String, findings: &mut Vec<Value>) -> Result<Value, Failure> {
    let house = house::open(home).await?;
    let beside = std::fs::read_to_string(home.paths().ledger().join("log.vkey")).unwrap_or_default();
    if beside.trim() != house.app.log_key() {
        find(findings, text, "key-replaced", "the public key beside the published log is not this hospital's");
    }
    let progress = Progress::new("Verifying the records", *out);
    let report = house.app.verify_records(&house.operator(), &|done, of| progress.at(done, of)).await;
    progress.end();
    house.close().await?;
    let report = report?;
    text.push_str(&format!("{} documents, {} events, {} files read and compared\n", report.documents, report.events, report.blobs));
    for finding in &report.findings {
        find(findings, text, finding.code, &finding.words);
    }
    Ok(json!({"documents": report.documents, "events": report.events, "blobs": report.blobs}))
}
