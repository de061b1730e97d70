//! The table people can read: for each role, what it may do, to what, and under which rule. A
//! test writes it to `matrix.snap` beside the crate's manifest, so a change of policy is a change
//! of text that a privacy officer can review in the diff.
//!
//! Nothing in here decides: every cell is the answer of [`Policy::decide`].

use std::fmt::Write;

use wardkeep_domain::account::{AccountState, Role};
use wardkeep_domain::service::Scope;
use wardkeep_domain::{AccountId, PatientId, ServiceId};

use crate::{Action, Actor, Denial, Facts, Permit, Policy, Resource};

/// What an action is done to: a closed list, so a new action does not compile without its table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    Hospital,
    Chart,
    Account,
    Request,
}

impl Target {
    #[must_use]
    pub fn of(action: Action) -> Self {
        use Action as A;
        match action {
            A::UseOwnAccount
            | A::ChangeOwnSignIn
            | A::ListAccounts
            | A::InviteStaff
            | A::SearchPatients
            | A::ListCarePatients
            | A::CreatePatient
            | A::ListAssessments
            | A::ImportAssessments
            | A::ExportAssessments
            | A::SummariseAssessments
            | A::ReadLog
            | A::ExportLog
            | A::ReadHealth
            | A::RunVerification
            | A::ManageKeys
            | A::ReviewAccess
            | A::ManageUnits
            | A::GrantClearance
            | A::HoldPatient
            | A::ExplainPolicy
            | A::ListServices
            | A::ManageServices
            | A::AskApproval
            | A::RunJob => Target::Hospital,
            A::LinkAccount
            | A::GrantProxy
            | A::ReadDemographics
            | A::AmendPatient
            | A::AssignCareTeam
            | A::IssueActivationCode
            | A::ErasePatient
            | A::OpenChart
            | A::ReadRecord
            | A::WriteRecord
            | A::AmendRecord
            | A::VoidRecord
            | A::ReadDocument
            | A::UploadDocument
            | A::VoidDocument
            | A::ReadAccessHistory
            | A::TakeEmergencyAccess
            | A::AskAboutAccess
            | A::ReadAssessment
            | A::WriteAssessment
            | A::AmendAssessment
            | A::VoidAssessment => Target::Chart,
            A::SuspendAccount | A::ReinstateAccount | A::ResetFactor | A::RevokeSession => Target::Account,
            A::DecideRequest => Target::Request,
        }
    }
}

/// How the actor stands to what is asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The hospital: there is only one way to stand to it.
    Hospital,
    /// A chart of somebody not in the actor's care, written by others.
    Stranger,
    /// The same, an entry that the actor wrote.
    StrangerAuthor,
    InCare,
    InCareAuthor,
    /// Not in care, with emergency access.
    Emergency,
    /// The patient whose chart it is.
    Own,
    /// The chart of a patient whose proxy the account is.
    Proxy,
    OtherAccount,
    OwnAccount,
    /// A request that somebody else made, about a role or a second factor.
    OtherGrant,
    /// The same, for an export.
    OtherExport,
    /// A request that the actor made.
    OwnRequest,
    /// A request that somebody else made, about the actor's own account.
    AboutOneself,
}

impl Standing {
    pub const ALL: [Standing; 14] = [
        Standing::Hospital,
        Standing::Stranger,
        Standing::StrangerAuthor,
        Standing::InCare,
        Standing::InCareAuthor,
        Standing::Emergency,
        Standing::Own,
        Standing::Proxy,
        Standing::OtherAccount,
        Standing::OwnAccount,
        Standing::OtherGrant,
        Standing::OtherExport,
        Standing::OwnRequest,
        Standing::AboutOneself,
    ];
    #[must_use]
    pub fn target(self) -> Target {
        match self {
            Standing::Hospital => Target::Hospital,
            Standing::OtherAccount | Standing::OwnAccount => Target::Account,
            Standing::OtherGrant | Standing::OtherExport | Standing::OwnRequest | Standing::AboutOneself => Target::Request,
            _ => Target::Chart,
        }
    }
    fn label(self) -> &'static str {
        match self {
            Standing::Hospital => "answer",
            Standing::Stranger => "not in care",
            Standing::StrangerAuthor => "not in care, author",
            Standing::InCare => "in care",
            Standing::InCareAuthor => "in care, author",
            Standing::Emergency => "emergency",
            Standing::Own => "own",
            Standing::Proxy => "proxy",
            Standing::OtherAccount => "another's",
            Standing::OwnAccount => "own",
            Standing::OtherGrant => "role or factor",
            Standing::OtherExport => "export",
            Standing::OwnRequest => "asked by oneself",
            Standing::AboutOneself => "about oneself",
        }
    }
}

/// The background jobs there are.
pub const JOBS: [&str; 6] = ["keeper", "integrity-check", "stroke-projection", "erasure", "backup", "witnesses"];

/// Somebody who may ask.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Who {
    Role(Role),
    Job(&'static str),
    Operator,
    /// A program with this scope alone.
    Service(Scope),
}

impl Who {
    /// Everybody the table knows: the roles, each job, a job nobody has named, the command line.
    #[must_use]
    pub fn all() -> Vec<Who> {
        let jobs = JOBS.into_iter().chain(["another job"]).map(Who::Job);
        let services = Scope::ALL.map(Who::Service);
        Role::ALL.into_iter().map(Who::Role).chain(jobs).chain([Who::Operator]).chain(services).collect()
    }
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Who::Role(role) => role.label().to_owned(),
            Who::Job(job) => format!("Background job: {job}"),
            Who::Operator => "Command line on the hospital's own machine".to_owned(),
            Who::Service(scope) => format!("Service account with the scope {}", scope.code()),
        }
    }
    fn stands(self, standing: Standing) -> bool {
        match (self, standing.target()) {
            (_, Target::Hospital) => true,
            // Staff have no chart of their own here, patients no care team, machines neither.
            (Who::Role(Role::Patient), Target::Chart) => matches!(standing, Standing::Stranger | Standing::Own | Standing::Proxy),
            (Who::Role(_), Target::Chart) => !matches!(standing, Standing::Own | Standing::Proxy),
            (Who::Role(_), Target::Account | Target::Request) => true,
            (Who::Job(_) | Who::Operator | Who::Service(_), _) => {
                matches!(standing, Standing::Stranger | Standing::OtherAccount | Standing::OtherGrant | Standing::OtherExport)
            }
        }
    }
}

/// One question of the matrix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question {
    pub who: Who,
    pub state: AccountState,
    pub action: Action,
    pub standing: Standing,
    pub second_factor: bool,
    pub fresh: bool,
}

pub(crate) const ACTOR: AccountId = AccountId::from_bytes([1; 16]);
pub(crate) const OTHER: AccountId = AccountId::from_bytes([2; 16]);
pub(crate) const PATIENT: PatientId = PatientId::from_bytes([3; 16]);
pub(crate) const SERVICE: ServiceId = ServiceId::from_bytes([6; 16]);
pub(crate) const THIRD: AccountId = AccountId::from_bytes([5; 16]);
const OTHER_PATIENT: PatientId = PatientId::from_bytes([4; 16]);

impl Question {
    /// # Errors
    /// The [`Denial`].
    pub fn ask(self, policy: &Policy) -> Result<Permit, Denial> {
        let patient = matches!(self.who, Who::Role(Role::Patient)).then_some(PATIENT);
        let actor = match self.who {
            Who::Role(role) => Actor::Account { id: ACTOR, role, state: self.state, patient },
            Who::Job(job) => Actor::Job { job },
            Who::Operator => Actor::Operator,
            Who::Service(scope) => {
                Actor::Service { id: SERVICE, scopes: [scope].into_iter().collect(), active: self.state == AccountState::Active }
            }
        };
        let chart = |patient, author| Resource::Chart { patient, author: Some(author) };
        let request = |kind, asked_by, about| Resource::Request { kind, asked_by, about: Some(about) };
        let resource = match self.standing {
            Standing::Hospital => Resource::Hospital,
            Standing::Stranger | Standing::InCare | Standing::Emergency | Standing::Proxy => chart(OTHER_PATIENT, OTHER),
            Standing::StrangerAuthor | Standing::InCareAuthor => chart(OTHER_PATIENT, ACTOR),
            Standing::Own => chart(PATIENT, OTHER),
            Standing::OtherAccount => Resource::Account { id: OTHER, role: Role::Nurse },
            Standing::OwnAccount => Resource::Account { id: ACTOR, role: Role::Nurse },
            Standing::OtherGrant => request("reset_factor", OTHER, THIRD),
            Standing::OtherExport => request("export_log", OTHER, THIRD),
            Standing::OwnRequest => request("reset_factor", ACTOR, THIRD),
            Standing::AboutOneself => request("reset_factor", OTHER, ACTOR),
        };
        let in_care = matches!(self.standing, Standing::InCare | Standing::InCareAuthor);
        let (emergency, proxy) = (self.standing == Standing::Emergency, self.standing == Standing::Proxy);
        policy.decide(
            actor,
            self.action,
            resource,
            Facts { in_care, emergency, proxy, marked: false, second_factor: self.second_factor, fresh: self.fresh },
        )
    }
}

/// The whole table as text.
#[must_use]
pub fn render(policy: &Policy) -> String {
    let mut text = String::from(PREFACE);
    for who in Who::all() {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n\n{}\n{}", who.label(), "=".repeat(who.label().len()));
        for target in [Target::Hospital, Target::Chart, Target::Account, Target::Request] {
            text.push_str(&table(policy, who, target));
        }
    }
    text.push('\n');
    text
}

const PREFACE: &str = "\
Who may do what. Written by a test from the policies; change the policies, not this file.

yes      allowed
code     allowed with a code entered within the last five minutes
-        no rule allows it
never    a rule forbids it, whatever another rule may say

The tables hold for active accounts that signed in with a second factor. Invited, suspended and
closed accounts, and sessions without a second factor, may do nothing at all.
The last column names the rules that answered.";

fn table(policy: &Policy, who: Who, target: Target) -> String {
    let standings: Vec<Standing> = Standing::ALL.into_iter().filter(|s| s.target() == target && who.stands(*s)).collect();
    let actions: Vec<Action> = Action::ALL.iter().copied().filter(|action| Target::of(*action) == target).collect();
    let rows: Vec<Vec<(&'static str, String)>> =
        actions.iter().map(|action| standings.iter().map(|standing| cell(policy, who, *action, *standing)).collect()).collect();
    let head = match target {
        Target::Hospital => "hospital",
        Target::Chart => "a patient's chart",
        Target::Account => "an account",
        Target::Request => "a request of two",
    };
    // A table of nothing but silence is one line.
    if rows.iter().flatten().all(|(answer, _)| *answer == "-") {
        return format!("\n\n{head}: nothing");
    }
    let mut text = format!("\n\n{head:<24}");
    for standing in &standings {
        let _ = write!(text, "{:<width$}", standing.label(), width = width(*standing));
    }
    let mut text = text.trim_end().to_owned();
    for (action, cells) in actions.iter().zip(&rows) {
        let mut line = format!("  {:<22}", action.name());
        for (standing, (answer, _)) in standings.iter().zip(cells) {
            let _ = write!(line, "{answer:<width$}", width = width(*standing));
        }
        let mut rules: Vec<&str> = cells.iter().map(|(_, rule)| rule.as_str()).filter(|rule| !rule.is_empty()).collect();
        rules.dedup();
        line.push_str(&rules.join(", "));
        let _ = write!(text, "\n{}", line.trim_end());
    }
    text
}

fn width(standing: Standing) -> usize {
    standing.label().len() + 3
}

/// The answer and the rule that gave it; no rule for silence.
fn cell(policy: &Policy, who: Who, action: Action, standing: Standing) -> (&'static str, String) {
    let question = Question { who, state: AccountState::Active, action, standing, second_factor: true, fresh: false };
    match (question.ask(policy), Question { fresh: true, ..question }.ask(policy)) {
        (Ok(permit), _) => ("yes", permit.rule().to_owned()),
        (Err(_), Ok(permit)) => ("code", permit.rule().to_owned()),
        (Err(_), Err(denial)) if denial.rule == "default" => ("-", String::new()),
        (Err(_), Err(denial)) => ("never", denial.rule),
    }
}
