//! `wardkeep backup …`: what the IT person does with backups.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use wardkeep_backup::{Identity, Listed, Manifest, Target, window};
use wardkeep_domain::PatientId;
use wardkeep_domain::date::Moment;
use wardkeep_web::Clock;

use crate::backups;
use crate::cli::{Backup, Opens, S3, Source};
use crate::home::{Address, Backup as Settings, Home, S3 as S3Settings};
use crate::house::{self, Stores, SystemClock};
use crate::out::{Failure, Out, Progress};

pub(crate) async fn run(home: &Home, what: Backup, out: &Out) -> Result<(), Failure> {
    let (text, value) = match what {
        Backup::Setup { target, identity, every_hours, keep_months, s3 } => {
            let set = Settings { target, recipient: String::new(), every_hours, keep_months, s3: bucket(s3) };
            setup(home, set, &identity).await?
        }
        Backup::Create => create(home, out).await?,
        Backup::List { from } => list(&place(home, &from)?).await?,
        Backup::Verify { id, from, identity } => verify(&place(home, &from)?, &id, identity.as_deref(), out).await?,
        Backup::Restore(opens) => restore(home, &opens, out).await?,
        Backup::Drill { opens, scratch } => drill(home, &opens, scratch, out).await?,
    };
    out.done(&text, &value);
    Ok(())
}

type Told = (String, Value);

fn place(home: &Home, from: &Source) -> Result<Target, Failure> {
    match &from.from {
        Some(named) => backups::target(home, named),
        None => backups::target(home, &backups::settings(home)?.target),
    }
}

fn identity(path: &Path) -> Result<Identity, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::new(4, format!("{} cannot be read: {error}", path.display())))?;
    Ok(window::identity(&text)?)
}

/// The path without `..` and links, also when its end is not there yet.
fn whole(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = path.ancestors().find_map(|parent| Some((parent.canonicalize().ok()?, path.strip_prefix(parent).ok()?)));
    there.map_or_else(|| path.clone(), |(parent, rest)| if rest.as_os_str().is_empty() { parent } else { parent.join(rest) })
}

/// As it stands in `wardkeep.toml`: paths are whole.
fn bucket(given: S3) -> Option<S3Settings> {
    let S3 { endpoint, region, key_id, secret_file, ca_file } = given;
    let (region, access_key_id, secret) = (region?, key_id?, secret_file?);
    let ca_file = ca_file.map(|file| whole(&file));
    Some(S3Settings { endpoint, region, access_key_id, secret_access_key_file: whole(&secret), ca_file })
}

/// Nothing may lie beside what it protects.
fn apart(data: &Path, target: Option<&Path>, file: &Path) -> Result<(), Failure> {
    if target.is_some_and(|target| target.starts_with(data)) {
        return Err(Failure::new(3, "the target is in the data directory, and would be lost with it: name another disk or machine"));
    }
    let file = whole(file);
    if file.starts_with(data) || target.is_some_and(|target| file.starts_with(target)) {
        let fix = "name a file on another disk, best on one that is taken away";
        return Err(Failure::new(3, format!("the identity would lie beside what it protects: {fix}")));
    }
    Ok(())
}

async fn setup(home: &Home, mut set: Settings, file: &Path) -> Result<Told, Failure> {
    if !home.exists() {
        return Err(Failure::new(4, format!("there is no hospital in {}: name it with --data", home.data.display())));
    }
    let directory = (!set.target.contains("://")).then(|| whole(Path::new(&set.target)));
    apart(&whole(&home.data), directory.as_deref(), file)?;
    if let Some(directory) = directory {
        Target::make_directory(&directory)?;
        set.target = directory.display().to_string();
    }
    let mut home = home.clone();
    home.backup = Some(set.clone());
    // Asked once before anything is kept: a place that does not answer is better known now.
    backups::target(&home, &set.target)?.newest().await?;
    let made = !file.exists();
    set.recipient = if made { new_identity(file)? } else { identity(file)?.to_public().to_string() };
    home.backup = Some(set.clone());
    home.keep()?;
    let text = format!(
        "Backups go to {}, every {} hours while the server runs, from its next start on.\n\
         {} {}. Keep it away from this machine: without it no backup can be read,\n\
         and with it and root.key everything can. Try it now:\n  wardkeep backup create\n  wardkeep backup drill --identity {}",
        set.target,
        set.every_hours,
        if made { "The key that opens them is in" } else { "They open with the key in" },
        file.display(),
        file.display()
    );
    let value = json!({
        "target": set.target, "recipient": set.recipient, "identity": file, "identity_made": made,
        "every_hours": set.every_hours, "keep_months": set.keep_months,
    });
    Ok((text, value))
}

fn new_identity(file: &Path) -> Result<String, Failure> {
    let (text, recipient) = window::new_identity();
    let written = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map(|()| recipient).map_err(|error| Failure::new(7, format!("{} cannot be written: {error}", file.display())))
}

fn shape(manifest: &Manifest) -> Value {
    json!({
        "id": manifest.id, "made_at": Moment(manifest.made_at).rfc3339(), "bytes": manifest.bytes(), "documents": manifest.documents(),
        "entries": manifest.entries(), "program": manifest.program, "root_key": manifest.root_key, "window": manifest.window,
    })
}

/// `3.2 MB`
fn size(bytes: u64) -> String {
    let tenths = bytes.saturating_add(50_000) / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

async fn create(home: &Home, out: &Out) -> Result<Told, Failure> {
    let entropy = house::entropy()?;
    let progress = Progress::new("Making a backup", *out);
    let made = backups::create(home, &entropy, &|done, of| progress.at(done, of)).await;
    progress.end();
    let (target, made) = made?;
    let tidied = target.tidy(made.manifest.made_at, backups::settings(home)?.keep_months).await?;
    // A running server finds the manifest by itself.
    let logged = match house::open(home).await {
        Ok(house) => {
            let noted = house.app.note_backup(&house.visit(), &backups::noted(&made.manifest, &made.digest)).await;
            house.close().await?;
            noted.map(|_| true)?
        }
        Err(failure) if failure.code == 6 => false,
        Err(Failure { code, message, details }) => {
            let message = format!("backup {} was made, and could not be written into the log: {message}", made.manifest.id);
            return Err(Failure { code, message, details });
        }
    };
    let manifest = &made.manifest;
    let mut text = format!(
        "Backup {} is in {}: {} documents, {} log entries, {}.\n",
        manifest.id,
        target.shown(),
        manifest.documents(),
        manifest.entries(),
        size(manifest.bytes())
    );
    if !logged {
        text.push_str("The running server writes it into the log within a minute.\n");
    }
    if !tidied.backups.is_empty() {
        text.push_str(&format!("{} backups that were too old were removed.\n", tidied.backups.len()));
    }
    Ok((text, json!({"backup": shape(manifest), "target": target.shown(), "logged": logged, "removed": tidied.backups})))
}

async fn list(target: &Target) -> Result<Told, Failure> {
    let found = target.backups().await?;
    let state = |listed: &Listed| match (&listed.manifest, listed.keys) {
        (None, _) => "unfinished or damaged",
        (Some(_), true) => "ok",
        (Some(_), false) => "its month's key is gone",
    };
    let mut text = format!("{:<26}{:<19}{:>10}{:>11}{:>12}  STATE\n", "BACKUP", "MADE", "SIZE", "DOCUMENTS", "ENTRIES");
    let mut values = Vec::new();
    for one in &found {
        let shown = one.manifest.as_ref().map(|manifest| {
            let made = Moment(manifest.made_at).staff();
            format!("{made:<19}{:>10}{:>11}{:>12}", size(manifest.bytes()), manifest.documents(), manifest.entries())
        });
        text.push_str(&format!("{:<26}{:<52}  {}\n", one.id, shown.unwrap_or_default(), state(one)));
        values.push(json!({"id": one.id, "state": state(one), "backup": one.manifest.as_ref().map(shape)}));
    }
    if found.is_empty() {
        text = format!("There are no backups in {}.", target.shown());
    }
    Ok((text, json!({"target": target.shown(), "backups": values})))
}

async fn verify(target: &Target, id: &str, key: Option<&Path>, out: &Out) -> Result<Told, Failure> {
    let key = key.map(identity).transpose()?;
    let manifest = target.manifest(id).await?;
    let progress = Progress::new("Reading the backup", *out);
    let read = target.verify(&manifest, key.as_ref(), &|done, of| progress.at(done, of)).await;
    progress.end();
    let read = read?;
    let text = if key.is_some() {
        format!(
            "Backup {}: {} documents, {} log entries and {} files read and counted, {} in {} pieces as its manifest says.\n\
             Whether a hospital comes back from it, “wardkeep backup drill” tells.",
            manifest.id,
            read.documents,
            read.entries,
            read.files,
            size(read.bytes),
            read.pieces
        )
    } else {
        format!(
            "Backup {}: {} in {} pieces as its manifest says. What is in them was not read: name its key with --identity.",
            manifest.id,
            size(read.bytes),
            read.pieces
        )
    };
    let value = json!({
        "backup": shape(&manifest), "pieces": read.pieces, "bytes": read.bytes, "opened": key.is_some(),
        "documents": read.documents, "entries": read.entries, "files": read.files,
    });
    Ok((text, value))
}

/// A backup that is back, and how many patients were erased in it again.
struct Back {
    manifest: Manifest,
    files: u64,
    erased: usize,
}

async fn restore(home: &Home, opens: &Opens, out: &Out) -> Result<Told, Failure> {
    let back = bring_back(home, &place(home, &opens.from)?, opens, out).await?;
    let (manifest, shown) = (&back.manifest, home.data.display());
    let mut text = format!(
        "Backup {} of {} is back in {shown}: {} documents, {} log entries, {} files.\n",
        manifest.id,
        Moment(manifest.made_at).staff(),
        manifest.documents(),
        manifest.entries(),
        back.files
    );
    if back.erased > 0 {
        text.push_str(&format!("Patients who were erased since then and are erased again: {}.\n", back.erased));
    }
    text.push_str(&format!(
        "What was written after it is not there. Policy files and secrets of other services were in no backup: put them back.\n\
         Next:\n  wardkeep verify --records --data {shown}\n  wardkeep serve --data {shown}"
    ));
    Ok((text, json!({"backup": shape(manifest), "files": back.files, "erased_again": back.erased, "data": home.data})))
}

/// The whole way, into stores that hold nothing or what a restore of the same backup left.
async fn bring_back(home: &Home, target: &Target, opens: &Opens, out: &Out) -> Result<Back, Failure> {
    let key = identity(&opens.identity)?;
    if !home.exists() {
        let fix = "copy it there, or make it again from its shares with “wardkeep key recover”";
        return Err(Failure::new(4, format!("{} is missing, and it is in no backup: {fix}", home.paths().root_key().display())));
    }
    let (manifest, digest) = target.manifest_and_digest(&opens.id).await?;
    let here = house::root_key_id(home)?;
    if here != manifest.root_key {
        let fix = format!("put root-{}.key in its place", manifest.root_key);
        return Err(Failure::new(3, format!("this backup opens with root key {}, and root.key is {here}: {fix}", manifest.root_key)));
    }
    let entropy = house::entropy()?;
    match backups::restoring(home)? {
        Some(other) if other != manifest.id => {
            return Err(Failure::new(3, format!("bringing back {other} was cut off here: finish that one, or name another --data")));
        }
        Some(_) => {}
        None => begin(home, &manifest, &entropy).await?,
    }
    let stores = Stores::open(home, &entropy).await?;
    let progress = Progress::new("Bringing the backup back", *out);
    let [control, records] = &stores.filled;
    let read = target.restore(&manifest, &key, [control.as_ref(), records.as_ref()], &|done, of| progress.at(done, of)).await;
    progress.end();
    stores.close().await;
    let files = read?.files;
    let erased: Vec<PatientId> = target.erased().await?.into_iter().map(PatientId::from_bytes).collect();
    let house = house::open_as_it_is(home).await?;
    let noted = house.app.note_restore(&house.operator(), &backups::noted(&manifest, &digest)).await;
    let erased = house.app.erase_again(&house.visit(), &erased).await;
    house.close().await?;
    noted?;
    let erased = erased?;
    home.keep()?;
    backups::end_restore(home)?;
    Ok(Back { manifest, files, erased })
}

/// Refuses a place that holds anything, then marks it.
async fn begin(home: &Home, manifest: &Manifest, entropy: &wardkeep_app::Entropy) -> Result<(), Failure> {
    let taken =
        |what: String| Failure::new(3, format!("{what} is there already, and it is left alone: name another --data or other stores"));
    if home.paths().ledger().exists() {
        let why = "it may know entries that the backup lacks: move it away and keep it as evidence";
        return Err(Failure::new(3, format!("{} is a published log; {why}", home.paths().ledger().display())));
    }
    for address in [&home.control, &home.records] {
        if let Address::File(path) = address
            && path.exists()
        {
            return Err(taken(path.display().to_string()));
        }
    }
    backups::begin_restore(home, &manifest.id)?;
    let empty = match Stores::open(home, entropy).await {
        Ok(stores) => {
            let empty = stores.are_empty().await;
            stores.close().await;
            empty
        }
        Err(failure) => Err(failure),
    };
    if !matches!(empty, Ok(true)) {
        backups::end_restore(home)?;
    }
    if empty? { Ok(()) } else { Err(taken(format!("a hospital in {} and {}", home.control.shown(), home.records.shown()))) }
}

async fn drill(home: &Home, opens: &Opens, scratch: Option<PathBuf>, out: &Out) -> Result<Told, Failure> {
    let target = place(home, &opens.from)?;
    let parent = scratch.unwrap_or_else(|| whole(&home.data).parent().unwrap_or(Path::new("/")).to_owned());
    let folder = parent.join(format!("wardkeep-drill-{}", std::process::id()));
    let failed = |error: std::io::Error| Failure::new(7, format!("{} cannot be used: {error}; name another --scratch", folder.display()));
    std::fs::DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
    let began = SystemClock.now();
    // The key is not copied.
    let linked = std::os::unix::fs::symlink(whole(&home.paths().root_key()), folder.join("root.key")).map_err(failed);
    let drilled = match linked {
        Ok(()) => drill_in(&home.alone(&folder), &target, opens, out).await,
        Err(failure) => Err(failure),
    };
    let removed = std::fs::remove_dir_all(&folder).map_err(failed);
    let (back, report) = drilled?;
    removed?;
    let took = Duration::from_millis(u64::try_from(SystemClock.now().since_ms(began)).unwrap_or(0));
    let manifest = &back.manifest;
    let value = json!({
        "backup": shape(manifest), "seconds": took.as_secs_f64(), "files": back.files, "erased_again": back.erased,
        "checked": report.documents, "findings": report.findings.iter().map(|found| json!({"code": found.code, "words": found.words})).collect::<Vec<_>>(),
    });
    if !report.findings.is_empty() {
        let found: String = report.findings.iter().map(|found| format!("\n  {} ({})", found.words, found.code)).collect();
        return Err(Failure {
            code: 5,
            message: format!("a hospital came back from backup {}, and not all is well{found}", manifest.id),
            details: value,
        });
    }
    let text = format!(
        "A hospital came back from backup {} of {}: {} documents, {} log entries, {} files, the same as its manifest says.\n\
         All {} documents, {} events and {} files open and match the log. It took {:.1} s for {}. The copy was removed.",
        manifest.id,
        Moment(manifest.made_at).staff(),
        manifest.documents(),
        manifest.entries(),
        back.files,
        report.documents,
        report.events,
        report.blobs,
        took.as_secs_f64(),
        size(manifest.bytes())
    );
    Ok((text, value))
}

async fn drill_in(home: &Home, target: &Target, opens: &Opens, out: &Out) -> Result<(Back, wardkeep_app::verify::RecordsReport), Failure> {
    let back = bring_back(home, target, opens, out).await?;
    let house = house::open(home).await?;
    let progress = Progress::new("Checking every document", *out);
    let report = house.app.verify_records(&house.operator(), &|done, of| progress.at(done, of)).await;
    progress.end();
    house.close().await?;
    Ok((back, report?))
}
