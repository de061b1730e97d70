//! Where a hospital lies: its directory, its two stores, its own policies, and the name of this node. Options of the
//! command line come first, then the environment, then `wardkeep.toml` in the directory.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wardkeep_app::hospital::{NODE, Paths};
use wardkeep_store::mongo;

use crate::cli::Stores;
use crate::out::Failure;

/// Most characters of a node's name.
const NODE_MAX: usize = 40;

/// A store's address.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Address {
    File(PathBuf),
    /// With its credential: never shown, see [`Address::shown`].
    Mongo(String),
}

impl Address {
    /// `mongodb://…`, or the path of an SQLite file.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        if text.starts_with("mongodb://") || text.starts_with("mongodb+srv://") {
            return Ok(Self::Mongo(text.to_owned()));
        }
        match text.split_once("://") {
            Some((scheme, _)) => {
                Err(Failure::new(2, format!("{scheme}:// is no kind of store: name a mongodb:// address or the path of a file")))
            }
            None => Ok(Self::File(text.into())),
        }
    }
    /// Without a credential.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Mongo(address) => mongo::redacted(address),
        }
    }
}

/// What stands in `wardkeep.toml`.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_on: Option<SignOn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<Backup>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    witness: Vec<Witness>,
}

/// Somebody else's witness of this log (docs/witness.md).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Witness {
    pub url: String,
    /// `name+hash+base64`, as “wardkeep witness init” prints it.
    pub key: String,
    /// Certificates in PEM, trusted instead of the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// Where backups go, and how often (docs/backup.md).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backup {
    pub target: String,
    /// `age1…`; its identity lies elsewhere.
    pub recipient: String,
    #[serde(default = "a_day")]
    pub every_hours: u32,
    /// Months, this one among them, whose backups can be restored.
    #[serde(default = "a_quarter")]
    pub keep_months: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
}

/// An S3-compatible store, for a target `s3://bucket/prefix`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct S3 {
    /// AWS's own when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    pub region: String,
    pub access_key_id: String,
    /// Relative to the hospital's directory.
    pub secret_access_key_file: PathBuf,
    /// Certificates in PEM, trusted instead of the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

fn a_day() -> u32 {
    24
}

fn a_quarter() -> u32 {
    3
}

/// The hospital's own sign-in service, as agreed with whoever runs it (docs/sign-in.md).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignOn {
    pub issuer: String,
    pub client_id: String,
    /// Relative to the hospital's directory.
    pub client_secret_file: PathBuf,
    pub label: String,
    /// Certificates in PEM, trusted instead of the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_acr: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_amr: Vec<String>,
    #[serde(default = "groups")]
    pub groups_claim: String,
    /// Group there, role here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, String>,
}

fn groups() -> String {
    "groups".to_owned()
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Home {
    pub data: PathBuf,
    pub control: Address,
    pub records: Address,
    pub node: String,
    /// Directory of the hospital's own policy files, when there is one.
    pub policies: Option<PathBuf>,
    pub sign_on: Option<SignOn>,
    pub backup: Option<Backup>,
    pub witnesses: Vec<Witness>,
}

impl Home {
    pub(crate) fn new(data: PathBuf, stores: &Stores) -> Result<Self, Failure> {
        let settings = read(&file(&data))?;
        let paths = Paths::new(&data);
        let address = |given: &Option<String>, set: Option<String>, file: PathBuf| match given.clone().or(set) {
            Some(text) => Address::parse(&text),
            None => Ok(Address::File(file)),
        };
        let control = address(&stores.control, settings.control, paths.control())?;
        let records = address(&stores.records, settings.records, paths.records())?;
        if control.shown() == records.shown() {
            let words = "accounts and records are kept apart: name two databases, for example /wardkeep_control and /wardkeep_records";
            return Err(Failure::new(2, format!("{} is named for both stores: {words}", control.shown())));
        }
        let shared = [&control, &records].iter().any(|store| matches!(store, Address::Mongo(_)));
        let node = stores.node.clone().or(settings.node).unwrap_or_else(|| if shared { host() } else { NODE.to_owned() });
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if node.is_empty() || node.len() > NODE_MAX || !node.chars().all(plain) {
            let words = "take up to 40 small letters, digits and hyphens, for example --node ward-2";
            return Err(Failure::new(2, format!("“{node}” cannot be the name of a node: {words}")));
        }
        // A directory that was named has to be there; the usual one need not.
        let usual = Some(data.join("policies")).filter(|usual| usual.is_dir());
        let policies = stores.policies.clone().or(settings.policies).or(usual);
        Ok(Self { data, control, records, node, policies, sign_on: settings.sign_on, backup: settings.backup, witnesses: settings.witness })
    }

    /// The same hospital in another directory.
    pub(crate) fn beside(&self, data: &Path) -> Self {
        let (old, new) = (Paths::new(&self.data), Paths::new(data));
        let moved = |address: &Address, old: PathBuf, new: PathBuf| match address {
            Address::File(path) if *path == old => Address::File(new),
            address => address.clone(),
        };
        Self {
            data: data.to_owned(),
            control: moved(&self.control, old.control(), new.control()),
            records: moved(&self.records, old.records(), new.records()),
            node: self.node.clone(),
            policies: self.policies.clone(),
            sign_on: self.sign_on.clone(),
            backup: self.backup.clone(),
            witnesses: self.witnesses.clone(),
        }
    }

    /// The same hospital in another directory, with nothing outside of it.
    pub(crate) fn alone(&self, data: &Path) -> Self {
        let paths = Paths::new(data);
        Self {
            control: Address::File(paths.control()),
            records: Address::File(paths.records()),
            backup: None,
            witnesses: Vec::new(),
            ..self.beside(data)
        }
    }

    /// The same hospital with one store elsewhere; `None` when it has no store there.
    pub(crate) fn moved(&self, from: &Address, to: &Address) -> Option<Self> {
        let same = |store: &Address| store == from || same_file(store, from);
        let mut moved = self.clone();
        match (same(&self.control), same(&self.records)) {
            (true, _) => moved.control = to.clone(),
            (_, true) => moved.records = to.clone(),
            (false, false) => return None,
        }
        self.exists().then_some(moved)
    }

    pub(crate) fn paths(&self) -> Paths {
        Paths::new(&self.data)
    }

    /// Is there a hospital in this directory?
    pub(crate) fn exists(&self) -> bool {
        self.paths().root_key().exists()
    }

    /// Keeps in `wardkeep.toml` what is not found by itself. The file may hold a credential.
    pub(crate) fn keep(&self) -> Result<(), Failure> {
        let paths = self.paths();
        let address = |address: &Address, default: PathBuf| match address {
            Address::File(path) if *path == default => None,
            Address::File(path) => Some(path.display().to_string()),
            Address::Mongo(address) => Some(address.clone()),
        };
        let (control, records) = (address(&self.control, paths.control()), address(&self.records, paths.records()));
        let path = file(&self.data);
        if control.is_none() && records.is_none() && self.backup.is_none() && !path.exists() {
            return Ok(());
        }
        let failed = |cause: String| Failure::new(7, format!("{} cannot be written: {cause}", path.display()));
        let Settings { node, policies, sign_on, witness, .. } = read(&path)?;
        let settings = Settings { control, records, node, policies, sign_on, backup: self.backup.clone(), witness };
        let text = toml::to_string(&settings).map_err(|error| failed(error.to_string()))?;
        let beside = path.with_extension("toml.new");
        let mut options = std::fs::OpenOptions::new();
        let written = options.write(true).create(true).truncate(true).mode(0o600).open(&beside).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&beside, &path)
        });
        written.map_err(|error| failed(error.to_string()))
    }
}

fn same_file(one: &Address, other: &Address) -> bool {
    let (Address::File(one), Address::File(other)) = (one, other) else { return false };
    one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

fn file(data: &Path) -> PathBuf {
    data.join("wardkeep.toml")
}

fn read(path: &Path) -> Result<Settings, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(Settings::default());
        }
        Err(error) => return Err(Failure::new(7, format!("{} cannot be read: {error}", path.display()))),
    };
    let mode = std::fs::metadata(path).map(|found| found.permissions().mode() & 0o077).unwrap_or(0);
    if mode != 0 && text.contains('@') {
        let fix = format!("run: chmod 600 {}", path.display());
        return Err(Failure::new(7, format!("{} holds a password, and other users of this machine can read it: {fix}", path.display())));
    }
    // The parser's own text quotes the line, which may hold a password.
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or_default().lines().count().max(1));
        let known = "it may set control, records, node and policies, each to a text in quotes, and the tables [sign_on] of docs/sign-in.md, [backup] of docs/backup.md and [[witness]] of docs/witness.md";
        Failure::new(3, format!("{} cannot be understood at line {line}: {known}", path.display()))
    })
}

/// The machine's name as a node may be called.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_lowercase();
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(NODE_MAX).collect();
    if name.is_empty() { NODE.to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(data: &Path, stores: &Stores) -> Result<Home, Failure> {
        Home::new(data.to_owned(), stores)
    }

    #[test]
    fn options_come_before_the_file_and_the_file_before_what_is_found_by_itself() {
        let data = tempfile::tempdir().unwrap();
        let alone = home(data.path(), &Stores::default()).unwrap();
        assert!(matches!(alone.control, Address::File(_)) && alone.node == NODE);
        let records = "mongodb://ward:secret@db/wardkeep_records".to_owned();
        let given = Stores { records: Some(records.clone()), node: Some("two".to_owned()), ..Stores::default() };
        let classical = home(data.path(), &given).unwrap();
        assert!(classical.records == Address::Mongo(records.clone()) && classical.node == "two");
        classical.keep().unwrap();
        let again = home(data.path(), &Stores::default()).unwrap();
        assert!(again.records == Address::Mongo(records) && matches!(again.control, Address::File(_)));
        assert_ne!(again.node, "two", "a file that was copied to a second machine gives it no second name");
        let other = Stores { records: Some("/elsewhere/records.db".to_owned()), ..Stores::default() };
        assert!(home(data.path(), &other).unwrap().records == Address::File("/elsewhere/records.db".into()));
    }

    #[test]
    fn the_policies_are_where_the_option_the_file_or_the_directory_says_and_the_file_keeps_them() {
        let data = tempfile::tempdir().unwrap();
        let found = |stores: &Stores| home(data.path(), stores).unwrap().policies;
        assert_eq!(found(&Stores::default()), None);
        std::fs::create_dir(data.path().join("policies")).unwrap();
        assert_eq!(found(&Stores::default()), Some(data.path().join("policies")));
        std::fs::write(file(data.path()), "policies = \"/etc/wardkeep/policies\"\n").unwrap();
        home(data.path(), &Stores::default()).unwrap().keep().unwrap();
        assert_eq!(found(&Stores::default()), Some("/etc/wardkeep/policies".into()));
        let given = Stores { policies: Some("/elsewhere".into()), ..Stores::default() };
        assert_eq!(found(&given), Some("/elsewhere".into()));
    }

    #[test]
    fn the_file_keeps_the_sign_in_service_when_a_store_moves() {
        let data = tempfile::tempdir().unwrap();
        let text = "[sign_on]\nissuer = \"https://login.example\"\nclient_id = \"w\"\nclient_secret_file = \"s\"\nlabel = \"L\"\n\n[sign_on.roles]\nward = \"nurse\"\n";
        std::fs::write(file(data.path()), text).unwrap();
        let found = home(data.path(), &Stores::default()).unwrap();
        let service = found.sign_on.clone().unwrap();
        assert_eq!((service.groups_claim.as_str(), service.roles["ward"].as_str(), service.ca_file.as_deref()), ("groups", "nurse", None));
        found.keep().unwrap();
        assert_eq!(home(data.path(), &Stores::default()).unwrap().sign_on, Some(service));
    }

    #[test]
    fn a_settings_file_that_cannot_be_used_says_why_and_quotes_no_password() {
        let data = tempfile::tempdir().unwrap();
        let path = file(data.path());
        let write = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            home(data.path(), &Stores::default()).err().unwrap().message
        };
        let told = write("records = \"mongodb://ward:secret@db/x\"\n", 0o644);
        assert!(told.contains("chmod 600") && !told.contains("secret"), "{told}");
        let told = write("node = \"a\"\nrecords = mongodb://ward:secret@db/x\n", 0o600);
        assert!(told.contains("line 2") && !told.contains("secret"), "{told}");
        let told = write("record = \"mongodb://ward:secret@db/x\"\n", 0o600);
        assert!(told.contains("control, records, node and policies") && !told.contains("secret"), "{told}");
        let told = write("records = \"postgres://ward:secret@db/x\"\n", 0o600);
        assert!(told.contains("postgres://") && !told.contains("secret"), "{told}");
        let told = write("records = \"mongodb://a:b@db/x\"\ncontrol = \"mongodb://c:d@db/x\"\n", 0o600);
        assert!(told.contains("named for both stores"), "{told}");
    }
}
