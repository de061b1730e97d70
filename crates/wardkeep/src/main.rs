//! The binary: reads the command line, brings clock, randomness and files, and calls the use
//! cases. The only place that knows wall time, the operating system's randomness and exit codes.

mod backups;
mod cli;
mod commands;
mod home;
mod house;
mod out;
mod outbound;
mod policies;
mod serve;
mod sign_on;
mod witness;
mod witnesses;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, Stores};
use crate::home::Home;
use crate::out::{Failure, Out};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Out::new(cli.json);
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).with_max_level(cli.log.level()).init();
    let run = || -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(1, format!("the runtime cannot start: {error}")))?;
        runtime.block_on(dispatch(cli, &out))
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => out.failed(&failure),
    }
}

async fn dispatch(cli: Cli, out: &Out) -> Result<(), Failure> {
    let data = cli.data.clone();
    let home = |default: &str, stores: &Stores| Home::new(data.clone().unwrap_or_else(|| default.into()), stores);
    let real = |stores: &Stores| home("wardkeep-data", stores);
    match cli.command {
        Command::Init(options) => commands::init::run(&real(&options.stores)?, &options, out).await,
        Command::Serve(options) => serve::run(&real(&options.stores)?, &options, out).await,
        Command::Demo(options) => commands::demo::run(&home("demo-data", &options.serve.stores)?, &options, out).await,
        Command::User(user) => commands::user::run(&real(&user.stores)?, user.what, out).await,
        Command::Import(import) => commands::stroke::import(&real(&import.stores)?, import.what, out).await,
        Command::Export(export) => commands::stroke::export(&real(&export.stores)?, export.what, out).await,
        Command::Generate(what) => commands::stroke::generate(what, out),
        Command::Verify(options) => {
            let records = options.records.clone().flatten().or_else(|| std::env::var("WARDKEEP_RECORDS").ok());
            let policies = std::env::var_os("WARDKEEP_POLICIES").map(Into::into);
            let stores = Stores { control: options.control.clone(), records, node: options.node.clone(), policies };
            commands::verify::run(&real(&stores)?, &options, out).await
        }
        Command::Doctor(stores) => commands::doctor::run(&real(&stores)?, out).await,
        Command::Key(key) => commands::key::run(&real(&key.stores)?, key.what, out).await,
        Command::Backup(backup) => commands::backup::run(&real(&backup.stores)?, backup.what, out).await,
        Command::Witness(what) => commands::witness::run(&data.clone().unwrap_or_else(|| "wardkeep-witness".into()), what, out).await,
        Command::Store(store) => commands::store::run(|| real(&store.stores), store.what, out).await,
        Command::Policy(policy) => commands::policy::run(&real(&policy.stores)?, policy.what, out).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut <Cli as clap::CommandFactory>::command(), "wardkeep", &mut script);
            let script = String::from_utf8_lossy(&script);
            out.done(&script, &serde_json::json!({"shell": shell.to_string(), "script": script}));
            Ok(())
        }
    }
}
