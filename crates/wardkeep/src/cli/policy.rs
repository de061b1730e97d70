//! `wardkeep policy …`: names, options, help.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args, Subcommand};
use wardkeep_domain::account::{AccountState, Role};
use wardkeep_policy::{Action, Fact};

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Read and validate a directory of policy files, and name every fault
    #[command(after_help = "Examples:\n  wardkeep policy check\n  wardkeep policy check ./new-policies")]
    Check {
        /// Directory of *.cedar files [default: the hospital's own]
        dir: Option<PathBuf>,
    },
    /// List every rule: id, effect, file, reason; with --json also actions and whom it decides about
    #[command(after_help = "Example:\n  wardkeep policy list")]
    List,
    /// Say why somebody may do something or may not, and what would change it
    #[command(
        after_help = "Examples:\n  wardkeep policy explain --role nurse --action amend_record --fact in_care\n  wardkeep policy explain --actor ana.moreau@example.org --action open_chart --patient 7041182293\n\nWith --actor the account is read from the hospital, with --patient the care team too; the question is logged.\nWith --role nothing is read, and nothing logged."
    )]
    Explain(Explain),
    /// Say what other rules would have changed in the last days; nothing is changed
    #[command(
        after_help = "Example:\n  wardkeep policy try ./new-policies --days 30\n\nThe files stand for the whole policy directory: what is in use and not among them counts as taken away."
    )]
    Try {
        /// Directory of *.cedar files
        dir: PathBuf,
        /// How far to look back
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=i64::from(wardkeep_app::policies::DAYS_MAX)))]
        days: u32,
    },
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("who").required(true).args(["actor", "role"]))]
pub(crate) struct Explain {
    /// E-mail address of an account
    #[arg(long, value_name = "EMAIL")]
    pub actor: Option<String>,
    /// Anybody of this role
    #[arg(long, value_parser = PossibleValuesParser::new(Role::ALL.map(Role::code)))]
    pub role: Option<String>,
    /// What the person wants to do, as the rules name it, for example open_chart
    #[arg(long, hide_possible_values = true, value_parser = PossibleValuesParser::new(Action::ALL.iter().map(|action| action.name())))]
    pub action: String,
    /// MRN of the patient
    #[arg(long, value_name = "MRN", conflicts_with = "role")]
    pub patient: Option<String>,
    /// State of the account, with --role [default: active]
    #[arg(long, conflicts_with = "actor", value_parser = PossibleValuesParser::new(AccountState::ALL.map(AccountState::code)))]
    pub state: Option<String>,
    /// Something that is so; may be given more than once
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(given()))]
    pub fact: Vec<String>,
    /// Role of the account that would be acted on [default: nurse]
    #[arg(long, value_name = "ROLE", hide_possible_values = true, value_parser = PossibleValuesParser::new(Role::ALL.map(Role::code)))]
    pub about: Option<String>,
}

/// A session without a second factor may do nothing, and the account's state has its own option.
fn given() -> impl Iterator<Item = &'static str> {
    Fact::ALL.into_iter().filter(|fact| !matches!(fact, Fact::Active | Fact::SecondFactor)).map(Fact::name)
}
