//! `wardkeep backup …`: names, options, help.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Backup {
    /// Say where backups go, and make the key that opens them; the server makes one a day from its next start on
    #[command(
        after_help = "Examples:\n  wardkeep backup setup --target /mnt/backup --identity /media/usb/backup.key\n  wardkeep backup setup --target s3://hospital-backup/wardkeep --identity /media/usb/backup.key \\\n      --s3-endpoint https://s3.example.org --s3-region eu-central-1 --s3-key-id AKEXAMPLE --s3-secret-file s3.secret\n\nKeep the identity away from this machine. Without it no backup can be read; with it and root.key everything can."
    )]
    Setup {
        /// Where the backups go: a directory on another disk or machine, or s3://bucket/prefix
        #[arg(long, value_name = "PLACE")]
        target: String,
        /// File of the key that opens them: made when it is not there
        #[arg(long, value_name = "FILE")]
        identity: PathBuf,
        #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=744))]
        every_hours: u32,
        /// Months, this one among them, whose backups can be restored
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=120))]
        keep_months: u32,
        #[command(flatten)]
        s3: S3,
    },
    /// Make one now; the server may run meanwhile
    #[command(after_help = "Example:\n  wardkeep backup create --json")]
    Create,
    /// List backups, newest first
    #[command(after_help = "Examples:\n  wardkeep backup list\n  wardkeep backup list --from /mnt/backup")]
    List {
        #[command(flatten)]
        from: Source,
    },
    /// Compare a backup's files with its manifest, and with its key read everything in it
    #[command(after_help = "Examples:\n  wardkeep backup verify\n  wardkeep backup verify 20261127T061200Z-1a2b3c4d --identity backup.key")]
    Verify {
        /// The backup, or latest
        #[arg(default_value = "latest")]
        id: String,
        #[command(flatten)]
        from: Source,
        /// File of the key that opens it
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
    },
    /// Bring a backup back into a directory that holds root.key and no hospital
    #[command(
        after_help = "Example:\n  wardkeep backup restore latest --from /mnt/backup --identity /media/usb/backup.key --data ./wardkeep-data\n\nPut root.key into the directory first. A restore that was cut off goes on when it is run again.\nWhoever was erased since the backup is erased again before anybody is served."
    )]
    Restore(Opens),
    /// Bring a backup back into a place of its own, check every document, report, and remove it again
    #[command(after_help = "Example:\n  wardkeep backup drill --identity /media/usb/backup.key")]
    Drill {
        #[command(flatten)]
        opens: Opens,
        /// Directory with room for a hospital [default: the parent of the data directory]
        #[arg(long, value_name = "DIR")]
        scratch: Option<PathBuf>,
    },
}

/// How a bucket is reached.
#[derive(Debug, Args)]
pub(crate) struct S3 {
    /// Address of an S3-compatible store [default: AWS's own in the region]
    #[arg(long = "s3-endpoint", value_name = "URL", requires = "region")]
    pub endpoint: Option<String>,
    #[arg(long = "s3-region", value_name = "REGION", requires = "key_id")]
    pub region: Option<String>,
    /// Id of the access key
    #[arg(long = "s3-key-id", value_name = "ID", requires = "secret_file")]
    pub key_id: Option<String>,
    /// File with the secret access key, readable by the server's user alone
    #[arg(long = "s3-secret-file", value_name = "FILE", requires = "region")]
    pub secret_file: Option<PathBuf>,
    /// Certificates in PEM, trusted instead of the public ones
    #[arg(long = "s3-ca-file", value_name = "FILE", requires = "region")]
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Source {
    /// Where the backups are [default: the target in wardkeep.toml]
    #[arg(long, value_name = "PLACE")]
    pub from: Option<String>,
}

/// A backup and what opens it.
#[derive(Debug, Args)]
pub(crate) struct Opens {
    /// The backup, or latest
    #[arg(default_value = "latest")]
    pub id: String,
    #[command(flatten)]
    pub from: Source,
    /// File of the key that opens it
    #[arg(long, value_name = "FILE")]
    pub identity: PathBuf,
}
