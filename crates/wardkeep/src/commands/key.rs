//! `wardkeep key …`: the root key, its replacement, and its shares on paper.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wardkeep_domain::date::Moment;
use wardkeep_vault::escrow::{SHARES, SHARES_NEEDED};
use wardkeep_vault::{KeyFile, KeyProvider};
use zeroize::Zeroizing;

use crate::cli::Key;
use crate::home::Home;
use crate::house::{self, House};
use crate::out::{Failure, Out};

pub(crate) async fn run(home: &Home, what: Key, out: &Out) -> Result<(), Failure> {
    let (text, value) = match what {
        Key::Status => within(home, async |house, key| status(house, key).await).await?,
        Key::Rotate => rotate(home).await?,
        Key::Retire => within(home, async |house, _| retire(home, house).await).await?,
        Key::Escrow => within(home, async |house, key| escrow(house, key).await).await?,
        Key::Recover { shares } => recover(home, &shares).await?,
    };
    out.done(&text, &value);
    Ok(())
}

type Told = (String, Value);

/// Opens the hospital, does one thing, and closes it whatever came of it.
async fn within(home: &Home, does: impl AsyncFnOnce(&House, &KeyFile) -> Result<Told, Failure>) -> Result<Told, Failure> {
    let house = house::open(home).await?;
    let done = match KeyFile::open(&home.paths().root_key()) {
        Ok(key) => does(&house, &key).await,
        Err(error) => Err(error.into()),
    };
    house.close().await?;
    done
}

async fn status(house: &House, key: &KeyFile) -> Result<Told, Failure> {
    let state = house.app.root_key(&house.operator()).await?;
    let here = key.key_id();
    let present = state.as_ref().map_or(here.clone(), |state| state.id.clone());
    let since = state.as_ref().map(|state| state.since);
    let mut text =
        format!("Root key {present}, {}.\n", since.map_or("as made by “wardkeep init”".to_owned(), |at| format!("since {}", at.staff())));
    if here != present {
        text.push_str(&format!("This node has {here}, which was replaced: copy root.key from the node on which the new one was made.\n"));
    }
    let before = state.and_then(|state| state.before);
    match &before {
        Some(before) => text.push_str(&format!("{} was replaced on {} and still opens this hospital.\n", before.id, before.at.staff())),
        None => text.push_str("No other root key opens this hospital.\n"),
    }
    let before = before.map(|before| json!({"id": before.id, "replaced": before.at.rfc3339()}));
    Ok((text, json!({"root": {"id": present, "since": since.map(Moment::rfc3339), "here": here, "before": before}})))
}

/// The new key lies beside the old one until the hospital is wrapped under it; then it takes its place.
async fn rotate(home: &Home) -> Result<Told, Failure> {
    let path = home.paths().root_key();
    let beside = path.with_extension("key.new");
    let house = house::open(home).await?;
    let rotated = async {
        let old = KeyFile::open(&path)?;
        let new =
            if beside.exists() { KeyFile::open(&beside)? } else { KeyFile::create(&beside, &mut |buffer| house.entropy.fill(buffer))? };
        let state = house.app.root_key(&house.operator()).await?;
        // A rotation that was cut off after its commit: the file alone is missing.
        if state.is_none_or(|state| state.id != new.key_id())
            && let Err(error) = house.app.rotate_root(&house.operator(), &old, &new).await
        {
            // Whether it was done is not known: both files stay, and the next try finds out.
            if !matches!(error, wardkeep_app::Error::Unknown(_)) {
                let _ = std::fs::remove_file(&beside);
            }
            return Err(error.into());
        }
        Ok::<_, Failure>((old.key_id(), new.key_id()))
    };
    let rotated = rotated.await;
    house.close().await?;
    let (old, new) = rotated?;
    let kept = home.data.join(format!("root-{old}.key"));
    take_its_place(&path, &beside, &kept)?;
    let text = format!(
        "Root key {new} is in {} now. The one before, {old}, is kept in {}: backups made until now open with it.\n\
         It still opens this hospital too. Copy the new root.key to every other node, restart them, then run: wardkeep key retire\n\
         Shares on paper are of the old key: print new ones with “wardkeep key escrow”.",
        path.display(),
        kept.display()
    );
    Ok((text, json!({"root": {"id": new, "before": old, "kept": kept.display().to_string()}})))
}

/// There is a key file under the usual name at every moment.
fn take_its_place(path: &Path, beside: &Path, kept: &Path) -> Result<(), Failure> {
    let linked = match std::fs::hard_link(path, kept) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    };
    let parent = path.parent().unwrap_or(Path::new("."));
    let moved = linked.and_then(|()| std::fs::rename(beside, path)).and_then(|()| std::fs::File::open(parent)?.sync_all());
    moved.map_err(|error| {
        let fix = format!("it is in {}: put it in the place of {} by hand", beside.display(), path.display());
        Failure::new(7, format!("the new root key is in use, and its file could not be moved ({error}); {fix}"))
    })
}

async fn retire(home: &Home, house: &House) -> Result<Told, Failure> {
    let retired = house.app.retire_root(&house.operator()).await?;
    let kept = home.data.join(format!("root-{}.key", retired.id));
    let text = format!(
        "Root key {} opens this hospital no more. Keep {} as long as you keep backups made before {}, away from them.",
        retired.id,
        kept.display(),
        retired.at.staff()
    );
    Ok((text, json!({"retired": retired.id, "backups_before": retired.at.rfc3339()})))
}

async fn escrow(house: &House, key: &KeyFile) -> Result<Told, Failure> {
    let id = key.key_id();
    house.app.root_printed(&house.operator(), &id).await?;
    let shares = key.shares(&mut |buffer| house.entropy.fill(buffer));
    let mut text = format!(
        "Root key {id} in {SHARES} shares. Any {SHARES_NEEDED} of them make it again; fewer tell nothing.\n\
         They are shown this once. Give each to another person, on paper, and none to this machine.\n"
    );
    for (at, share) in shares.iter().enumerate() {
        // Seven groups on a line are read aloud and typed without losing one's place.
        let groups: Vec<&str> = share.split('-').collect();
        let lines: Vec<String> = groups.chunks(7).map(|line| format!("    {}", line.join("-"))).collect();
        text.push_str(&format!("\nShare {} of {SHARES}, root key {id}\n{}\n", at + 1, lines.join("\n")));
    }
    let shares: Vec<&str> = shares.iter().map(|share| share.as_str()).collect();
    Ok((text, json!({"root": {"id": id}, "needed": SHARES_NEEDED, "shares": shares})))
}

/// One share after the other, with an empty line between.
fn read(path: &PathBuf) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let done = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    done.map(|_| text).map_err(|error| Failure::new(4, format!("{} cannot be read: {error}", path.display())))
}

async fn recover(home: &Home, shares: &PathBuf) -> Result<Told, Failure> {
    let text = read(shares)?;
    // What the print says beside the digits may be left in.
    let lines = text.lines().map(|line| if line.trim_start().to_lowercase().starts_with("share") { "" } else { line });
    let joined = Zeroizing::new(lines.collect::<Vec<_>>().join("\n"));
    let typed: Vec<&str> = joined.split("\n\n").map(str::trim).filter(|share| !share.is_empty()).collect();
    let path = home.paths().root_key();
    let made = match std::fs::create_dir_all(&home.data) {
        Ok(()) => KeyFile::recover(&path, &typed).map_err(|error| Failure::new(3, error.to_string()))?,
        Err(error) => return Err(Failure::new(7, format!("{} cannot be made: {error}", home.data.display()))),
    };
    let id = made.key_id();
    // A key that opens nothing here is better known now than in the night.
    let opened = house::open(home).await;
    let opens = match opened {
        Ok(house) => house.close().await.is_ok(),
        Err(_) => false,
    };
    let words = if opens {
        "It opens this hospital."
    } else {
        "It does not open a hospital here: restore the stores, then run “wardkeep doctor”."
    };
    Ok((format!("Root key {id} is in {} again. {words}", path.display()), json!({"root": {"id": id}, "opens": opens})))
}
