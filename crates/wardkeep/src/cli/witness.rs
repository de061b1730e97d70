//! `wardkeep witness …`: names, options, help.

use std::net::SocketAddr;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Witness {
    /// Make a witness with a key of its own; prints what the hospital's wardkeep.toml needs
    #[command(
        after_help = "Example:\n  wardkeep witness init --name witness.example.org --log-key log.vkey --url https://witness.example.org"
    )]
    Init {
        /// Its name below every seal that it cosigns; best one that is its alone, such as a host's
        #[arg(long)]
        name: String,
        /// Public key of a log that it is to see (file or text): the hospital's ledger/log.vkey
        #[arg(long, value_name = "KEY", required = true)]
        log_key: Vec<String>,
        /// Where the hospital reaches it
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
        url: String,
    },
    /// See seals and cosign those that follow from the last
    #[command(after_help = "Example:\n  wardkeep witness serve --data wardkeep-witness --listen 127.0.0.1:8081")]
    Serve {
        /// Address and port to listen on; a TLS proxy stands in front when the hospital is on another machine
        #[arg(long, default_value = "127.0.0.1:8081")]
        listen: SocketAddr,
    },
    /// List the newest seals that it cosigned
    #[command(after_help = "Example:\n  wardkeep witness list --json")]
    List,
    /// Take any next seal of a log, after the hospital was restored from a backup; stop the witness first
    #[command(
        after_help = "Example:\n  wardkeep witness forget wardkeep/1f0c9a7b2e4d6853/records.main\n\nWhat it knew is kept aside in aside/: it shows what the restored log does not hold any more."
    )]
    Forget {
        /// As “wardkeep witness list” names it
        origin: String,
    },
}
