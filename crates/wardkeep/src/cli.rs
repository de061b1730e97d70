//! The command line: names, options, help. Nothing is decided here.

mod backup;
mod policy;
mod witness;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use wardkeep_app::pace::{CHARTS_PER_MINUTE, EXPORTS_PER_MINUTE, SEARCHES_PER_MINUTE};

pub(crate) use backup::{Backup, Opens, S3, Source};
pub(crate) use policy::{Explain, Policy};
pub(crate) use witness::Witness;

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  failed for another reason
  2  wrong usage
  3  bad input; nothing was saved
  4  no hospital, account or file there
  5  verification found something
  6  the data is in use by a running server
  7  store, disk or key cannot be used";

/// The hospital record system you can prove.
#[derive(Debug, Parser)]
#[command(name = "wardkeep", version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    /// Directory of the hospital [default: ./wardkeep-data, for demo ./demo-data, for witness ./wardkeep-witness]
    #[arg(long, global = true, value_name = "DIR", env = "WARDKEEP_DATA")]
    pub data: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// What to write to standard error
    #[arg(long, global = true, value_enum, default_value = "warn")]
    pub log: Log,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Log {
    Error,
    Warn,
    Info,
    Debug,
}

impl Log {
    pub(crate) fn level(self) -> tracing::Level {
        match self {
            Log::Error => tracing::Level::ERROR,
            Log::Warn => tracing::Level::WARN,
            Log::Info => tracing::Level::INFO,
            Log::Debug => tracing::Level::DEBUG,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new hospital: keys, stores, a set-up link for the first administrator
    #[command(after_help = "Example:\n  wardkeep init --name \"Northgate General Hospital\"")]
    Init(Init),
    /// Serve the pages and the API
    #[command(
        after_help = "Examples:\n  wardkeep serve\n  wardkeep serve --listen 0.0.0.0:8080 --origin https://records.example.org   (behind a TLS proxy)\n  wardkeep serve --records \"mongodb://one,two,three/wardkeep_records?replicaSet=rs0\""
    )]
    Serve(Serve),
    /// Make and serve a throw-away hospital with invented data
    #[command(after_help = "Example:\n  wardkeep demo --listen 127.0.0.1:8080")]
    Demo(Demo),
    /// Accounts: invite, list, suspend, reinstate, reset a second factor
    #[command(after_help = "Example:\n  wardkeep user invite ana.moreau@example.org --name \"Dr Ana Moreau\" --role doctor")]
    User(In<User>),
    /// Read a file into the hospital
    #[command(after_help = "Example:\n  wardkeep import stroke assessments.csv")]
    Import(In<Import>),
    /// Write data of the hospital into a file
    #[command(after_help = "Example:\n  wardkeep export stroke --output assessments.csv")]
    Export(In<Export>),
    /// Make invented data
    #[command(subcommand, after_help = "Example:\n  wardkeep generate stroke --rows 5110 --output assessments.csv")]
    Generate(Generate),
    /// Check the published log, and with --records every sealed document against it
    #[command(
        after_help = "Examples:\n  wardkeep verify\n  wardkeep verify --records\n  wardkeep verify --ledger copy/ledger --key log.vkey --earlier wardkeep-witness/seen"
    )]
    Verify(Verify),
    /// Say whether this hospital is set up safely, and what to do about what is not
    #[command(after_help = "Example:\n  wardkeep doctor --json")]
    Doctor(Stores),
    /// The root key: which one it is, a new one in its place, shares of it on paper
    #[command(after_help = "Example:\n  wardkeep key status")]
    Key(In<Key>),
    /// Backups: set up, make, list, check, bring back, try whether one would come back
    #[command(after_help = "Example:\n  wardkeep backup setup --target /mnt/backup --identity /media/usb/backup.key")]
    Backup(In<Backup>),
    /// Be the witness of somebody else's log: see its newest seals, sign them, refuse what does not follow
    #[command(subcommand, after_help = "Example:\n  wardkeep witness init --name witness.example.org --log-key log.vkey")]
    Witness(Witness),
    /// The stores: what MongoDB holds, and moving a hospital from one engine to another
    #[command(after_help = "Example:\n  wardkeep store plan")]
    Store(In<Store>),
    /// Policies: check the hospital's own, list all rules, ask why, try a change before it is made
    #[command(after_help = "Example:\n  wardkeep policy explain --role doctor --action open_chart")]
    Policy(In<Policy>),
    /// Print a completion script
    #[command(after_help = "Example:\n  wardkeep completions bash > /etc/bash_completion.d/wardkeep")]
    Completions { shell: clap_complete::Shell },
}

/// Where the two stores are, when not in files of the data directory, this node's name, and the
/// hospital's own policies. `wardkeep.toml` in the directory may say the same: control = "…",
/// records = "…", node = "…", policies = "…".
#[derive(Clone, Default, Args)]
pub(crate) struct Stores {
    /// Store of accounts and keys: mongodb://… or the path of a file
    #[arg(long, global = true, value_name = "URL", env = "WARDKEEP_CONTROL", hide_env_values = true)]
    pub control: Option<String>,
    /// Store of records: mongodb://… or the path of a file
    #[arg(long, global = true, value_name = "URL", env = "WARDKEEP_RECORDS", hide_env_values = true)]
    pub records: Option<String>,
    /// Name of this process among those that share the stores [default: main, or the machine's name with MongoDB]
    #[arg(long, global = true, value_name = "NAME", env = "WARDKEEP_NODE")]
    pub node: Option<String>,
    /// Directory of the hospital's own policy files [default: policies in the data directory, when it exists]
    #[arg(long, global = true, value_name = "DIR", env = "WARDKEEP_POLICIES")]
    pub policies: Option<PathBuf>,
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The addresses may hold a password.
        f.write_str("Stores")
    }
}

/// A group of commands that work in a hospital.
#[derive(Debug, Args)]
pub(crate) struct In<C: Subcommand> {
    #[command(flatten)]
    pub stores: Stores,
    #[command(subcommand)]
    pub what: C,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Name of the hospital, shown on every page
    #[arg(long, default_value = "My hospital")]
    pub name: String,
    #[command(flatten)]
    pub stores: Stores,
    /// Where the pages will be found; the set-up link begins with it
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub origin: String,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub stores: Stores,
    /// Address and port to listen on
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where browsers find the pages, when that is not the address itself
    #[arg(long, value_name = "URL")]
    pub origin: Option<String>,
    /// Let whoever comes read the published log at /ledger/: it names nobody, and shows how much happens when
    #[arg(long)]
    pub publish_log: bool,
    /// Minutes without a request after which a session of staff ends
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u8).range(5..=60))]
    pub idle_minutes: u8,
    /// Charts that one person may open in a minute, twice as many at once
    #[arg(long, value_name = "N", default_value_t = CHARTS_PER_MINUTE, value_parser = clap::value_parser!(u32).range(1..))]
    pub charts_per_minute: u32,
    /// Searches that one person may make in a minute, twice as many at once
    #[arg(long, value_name = "N", default_value_t = SEARCHES_PER_MINUTE, value_parser = clap::value_parser!(u32).range(1..))]
    pub searches_per_minute: u32,
    /// Exports that one person may make in a minute, twice as many at once
    #[arg(long, value_name = "N", default_value_t = EXPORTS_PER_MINUTE, value_parser = clap::value_parser!(u32).range(1..))]
    pub exports_per_minute: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub serve: Serve,
    /// Patients to invent on the first start
    #[arg(long, default_value_t = 200)]
    pub patients: usize,
    /// Make the hospital, print the accounts and end
    #[arg(long)]
    pub no_serve: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Say which root key opens this hospital, since when, and whether another one still does
    #[command(after_help = "Example:\n  wardkeep key status --json")]
    Status,
    /// Make a new root key; the one before opens the hospital too until it is retired
    #[command(after_help = "Example:\n  wardkeep key rotate")]
    Rotate,
    /// From now on the root key before opens nothing here
    #[command(after_help = "Example:\n  wardkeep key retire")]
    Retire,
    /// Print the root key once, in five shares of which any three make it again
    #[command(after_help = "Example:\n  wardkeep key escrow | lpr")]
    Escrow,
    /// Make the key file again from three shares, with an empty line between them
    #[command(after_help = "Example:\n  wardkeep key recover --shares -   (type them, then Ctrl-D)")]
    Recover {
        /// File with the shares; - for standard input
        #[arg(long, value_name = "FILE")]
        shares: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Invite a member of staff; prints the link
    #[command(after_help = "Example:\n  wardkeep user invite ana.moreau@example.org --name \"Dr Ana Moreau\" --role doctor")]
    Invite {
        email: String,
        #[arg(long)]
        name: String,
        /// administrator, doctor, nurse, registrar or privacy_officer
        #[arg(long)]
        role: String,
        #[arg(long, default_value = "http://127.0.0.1:8080")]
        origin: String,
    },
    /// List accounts, newest first
    #[command(after_help = "Example:\n  wardkeep user list --json")]
    List,
    /// Suspend an account and end its sessions
    #[command(after_help = "Example:\n  wardkeep user suspend ana.moreau@example.org")]
    Suspend { email: String },
    /// Let a suspended account sign in again
    #[command(after_help = "Example:\n  wardkeep user reinstate ana.moreau@example.org")]
    Reinstate { email: String },
    /// Remove a second factor; the person sets up a new one at the next sign-in
    #[command(after_help = "Example:\n  wardkeep user reset-factor ana.moreau@example.org")]
    ResetFactor { email: String },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// Stroke assessments in the public CSV layout
    #[command(after_help = "Example:\n  wardkeep import stroke assessments.csv --keep-good")]
    Stroke {
        file: PathBuf,
        /// Import the good rows even when others are refused
        #[arg(long)]
        keep_good: bool,
        /// Only say what an import would do
        #[arg(long)]
        check: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// Stroke assessments in the public CSV layout, without names
    #[command(after_help = "Example:\n  wardkeep export stroke --output assessments.csv")]
    Stroke {
        /// File to write; standard output without it
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Generate {
    /// Invented stroke assessments in the public CSV layout
    #[command(after_help = "Example:\n  wardkeep generate stroke --rows 5110 --seed 7 --output assessments.csv")]
    Stroke {
        #[arg(long, default_value_t = 5110)]
        rows: u64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
}

/// Something smaller to verify than the whole log.
#[derive(Debug, Subcommand)]
pub(crate) enum VerifyWhat {
    /// Check the proof of one entry, as its page gives it; takes the file and the log's public key alone
    #[command(after_help = "Example:\n  wardkeep verify proof entry.tlog-proof --key log.vkey")]
    Proof {
        file: PathBuf,
        /// Public key of the log (file or text), instead of the one in the data directory
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Verify {
    #[command(subcommand)]
    pub what: Option<VerifyWhat>,
    /// Also read every sealed document and compare it with the log; the store of records may be
    /// named as in other commands
    #[arg(long, value_name = "URL", num_args = 0..=1)]
    pub records: Option<Option<String>>,
    /// Store of accounts and keys: mongodb://… or the path of a file
    #[arg(long, value_name = "URL", env = "WARDKEEP_CONTROL", hide_env_values = true)]
    pub control: Option<String>,
    /// Name of this process among those that share the stores
    #[arg(long, value_name = "NAME", env = "WARDKEEP_NODE")]
    pub node: Option<String>,
    /// Published log to check, instead of the one in the data directory
    #[arg(long, value_name = "DIR")]
    pub ledger: Option<PathBuf>,
    /// Public key of the log (file or text), instead of the one beside the log
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Public key of a witness (file or text): what it cosigned must be there, and the log must go on from it
    #[arg(long, value_name = "KEY")]
    pub witness: Vec<String>,
    /// Checkpoint that was kept elsewhere, or a directory of such: the log must go on from each
    #[arg(long, value_name = "PATH")]
    pub earlier: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Print collections, indexes and shard keys, and what to run on a sharded cluster
    #[command(after_help = "Example:\n  wardkeep store plan --database wardkeep_records")]
    Plan {
        /// Database of a store; may be given more than once
        #[arg(long, value_name = "NAME", default_values_t = ["wardkeep_control".to_owned(), "wardkeep_records".to_owned()])]
        database: Vec<String>,
    },
    /// Copy a store from one engine to another, row by row, and compare the two; stop the server first
    #[command(
        after_help = "Example:\n  wardkeep store copy --from wardkeep-data/records.db --to \"mongodb://one,two,three/wardkeep_records?replicaSet=rs0\"\n\nA copy that was cut off goes on when it is run again. When the source is a store of the hospital in --data,\nthe move is logged there and wardkeep.toml is written anew."
    )]
    Copy {
        /// Store to read: mongodb://… or the path of a file
        #[arg(long, value_name = "URL")]
        from: String,
        /// Store to fill: empty, or a copy that was cut off
        #[arg(long, value_name = "URL")]
        to: String,
    },
}
