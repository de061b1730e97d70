//! The house: accounts, the log with its proofs, health.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use wardkeep_app::accounts::AccountView;
use wardkeep_app::audit::{LogFilter, LogRow};
use wardkeep_app::posture;
use wardkeep_domain::account::{AccountState, Role};
use wardkeep_domain::date::Moment;
use wardkeep_domain::{AccountId, FieldError, FieldErrors, LogEventId};
use wardkeep_ledger::Class;

use super::answer::{Answer, Csv, Done, Made, Said, Text};
use super::shapes::{self, Proof, moment};
use super::take::{Asked, Body, Caller, Ids, cursor, wrong_cursor};
use crate::pages::log;

/// What the log is narrowed by. It may hold an address or a number, so it is posted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogSearch {
    #[schema(format = DateTime)]
    pub from: Option<String>,
    #[schema(format = DateTime)]
    pub to: Option<String>,
    /// E-mail address of an account.
    #[serde(default)]
    pub person: String,
    /// MRN of a patient; for the privacy officer alone.
    #[serde(default)]
    pub mrn: String,
    #[schema(schema_with = shapes::classes)]
    pub class: Option<String>,
    #[schema(schema_with = shapes::outcomes)]
    pub outcome: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
}

impl LogSearch {
    fn filter(self) -> Result<LogFilter, FieldErrors> {
        let mut errors = FieldErrors::new();
        let from = errors.take(self.from.as_deref().map(|text| moment("from", text)).transpose());
        let to = errors.take(self.to.as_deref().map(|text| moment("to", text)).transpose());
        let class = |name: &str| Class::from_name(name).ok_or_else(|| FieldError::new("class", "There is no such class of events."));
        let class = errors.take(self.class.as_deref().map(class).transpose());
        let outcome = |code: &str| log::outcome(code).ok_or_else(|| FieldError::new("outcome", "Choose success, denied or failed."));
        let outcome = errors.take(self.outcome.as_deref().map(outcome).transpose());
        let (person, mrn) = (self.person, self.mrn);
        let whole = (|| Some(LogFilter { from: from?, to: to?, person, mrn, class: class?, outcome: outcome? }))();
        errors.into_result(whole)
    }
}

/// An entry of the log.
#[derive(Serialize, ToSchema)]
pub struct LogLine {
    #[schema(format = "uuid")]
    pub event: String,
    pub stream: String,
    /// Place in its stream.
    pub index: u64,
    #[schema(format = DateTime)]
    pub at: String,
    pub who: String,
    pub role: String,
    pub address: String,
    #[schema(schema_with = shapes::classes)]
    pub class: &'static str,
    /// The same in plain words.
    pub words: String,
    /// What it was done to, as far as the caller may know.
    pub object: String,
    pub reason: String,
    #[schema(schema_with = shapes::outcomes)]
    pub outcome: &'static str,
}

impl From<LogRow> for LogLine {
    fn from(row: LogRow) -> Self {
        Self {
            event: LogEventId::from_bytes(row.event.event.0).to_string(),
            index: row.index,
            at: row.event.time().rfc3339(),
            class: row.event.class().map_or("unknown", Class::name),
            outcome: log::outcome_words(row.event.actor.outcome).0,
            address: row.event.actor.who.address,
            stream: row.stream,
            who: row.who,
            role: row.role,
            words: row.words,
            object: row.object,
            reason: row.reason,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct LogList {
    pub items: Vec<LogLine>,
    pub next: Option<String>,
}

pub async fn search_log(caller: Caller, Body(input): Body<LogSearch>) -> Answer<Said<LogList>> {
    let after = input.after.as_deref().map(|text| log::cursor(text).ok_or_else(wrong_cursor)).transpose()?;
    let page = caller.app().read_log(&caller.ctx, &input.filter()?, after).await?;
    Ok(Said(LogList { items: page.rows.into_iter().map(LogLine::from).collect(), next: page.next.map(log::cursor_text) }))
}

pub async fn export_log(caller: Caller, Body(input): Body<LogSearch>) -> Answer<Csv> {
    Ok(Csv(caller.app().export_log(&caller.ctx, &input.filter()?).await?))
}

/// A clear fact of an event.
#[derive(Serialize, ToSchema)]
pub struct Fact {
    pub name: String,
    pub value: String,
}

/// An entry with its proof.
#[derive(Serialize, ToSchema)]
pub struct LogDetail {
    pub entry: LogLine,
    pub device: String,
    /// The rule that decided.
    pub rule: Option<String>,
    pub facts: Vec<Fact>,
    pub proof: Proof,
}

pub async fn log_entry(caller: Caller, Ids(event): Ids<LogEventId>) -> Answer<Said<LogDetail>> {
    let entry = caller.app().log_entry(&caller.ctx, event.bytes()).await?;
    Ok(Said(LogDetail {
        device: entry.row.event.actor.who.device.clone(),
        rule: entry.row.event.actor.rule.clone(),
        facts: entry.facts.into_iter().map(|(name, value)| Fact { name, value }).collect(),
        proof: entry.proof.into(),
        entry: entry.row.into(),
    }))
}

pub async fn log_proof(caller: Caller, Ids(event): Ids<LogEventId>) -> Answer<Text> {
    Ok(Text(caller.app().log_proof(&caller.ctx, event.bytes()).await?))
}

/// What the accounts are narrowed by.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AccountQuery {
    /// A role by its code.
    pub role: Option<String>,
    /// `invited`, `active`, `suspended` or `closed`.
    pub state: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
}

/// An account.
#[derive(Serialize, ToSchema)]
pub struct Account {
    #[schema(format = "uuid")]
    pub id: String,
    pub email: String,
    pub display_name: String,
    #[schema(schema_with = shapes::roles)]
    pub role: &'static str,
    #[schema(schema_with = shapes::account_states)]
    pub state: &'static str,
    pub has_second_factor: bool,
    /// A patient's account that is linked to its patient.
    pub linked: bool,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub last_sign_in: Option<String>,
}

impl From<AccountView> for Account {
    fn from(view: AccountView) -> Self {
        let account = view.account;
        Self {
            id: account.id.to_string(),
            email: account.email.as_str().to_owned(),
            display_name: account.display_name,
            role: account.role.code(),
            state: account.state.code(),
            has_second_factor: view.has_second_factor,
            linked: account.patient.is_some(),
            created_at: account.created_at.rfc3339(),
            last_sign_in: view.last_sign_in.map(Moment::rfc3339),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct AccountList {
    pub items: Vec<Account>,
    pub next: Option<String>,
}

pub async fn accounts(caller: Caller, Asked(query): Asked<AccountQuery>) -> Answer<Said<AccountList>> {
    let role = query.role.as_deref().map(Role::parse).transpose()?;
    let state = |code: &str| {
        let found = AccountState::ALL.into_iter().find(|state| state.code() == code);
        found.ok_or_else(|| FieldError::new("state", "Choose invited, active, suspended or closed."))
    };
    let state = query.state.as_deref().map(state).transpose()?;
    let page = caller.app().accounts(&caller.ctx, role, state, cursor(query.after.as_deref())?).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Said(AccountList { items: page.items.into_iter().map(Account::from).collect(), next }))
}

/// Somebody to invite.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationInput {
    pub email: String,
    pub display_name: String,
    #[schema(schema_with = shapes::staff_roles)]
    pub role: String,
}

/// An invitation to hand over.
#[derive(Serialize, ToSchema)]
pub struct Invitation {
    #[schema(format = "uuid")]
    pub id: String,
    /// Works once, for seven days; shown now and never again.
    pub link: String,
}

pub async fn invite(caller: Caller, Body(input): Body<InvitationInput>) -> Answer<Made<Invitation>> {
    let (id, token) = caller.app().invite(&caller.ctx, &input.email, &input.display_name, &input.role).await?;
    Ok(Made(Invitation { id: id.to_string(), link: format!("{}/invitation/{token}", caller.web.settings.origin) }))
}

pub async fn suspend(caller: Caller, Ids(account): Ids<AccountId>) -> Answer<Done> {
    caller.app().suspend(&caller.ctx, account).await?;
    Ok(Done)
}

pub async fn reinstate(caller: Caller, Ids(account): Ids<AccountId>) -> Answer<Done> {
    caller.app().reinstate(&caller.ctx, account).await?;
    Ok(Done)
}

pub async fn reset_factor(caller: Caller, Ids(account): Ids<AccountId>) -> Answer<Done> {
    caller.app().reset_factor(&caller.ctx, account).await?;
    Ok(Done)
}

/// How many sessions have ended.
#[derive(Serialize, ToSchema)]
pub struct EndedSessions {
    pub ended: usize,
}

pub async fn end_sessions(caller: Caller, Ids(account): Ids<AccountId>) -> Answer<Said<EndedSessions>> {
    Ok(Said(EndedSessions { ended: caller.app().revoke_account_sessions_of(&caller.ctx, account).await? }))
}

/// A line of the posture table.
#[derive(Serialize, ToSchema)]
pub struct PostureLine {
    pub what: String,
    #[schema(schema_with = shapes::healths)]
    pub health: &'static str,
    pub words: String,
    /// What to do, when it is not ok.
    pub fix: String,
}

impl From<posture::Line> for PostureLine {
    fn from(line: posture::Line) -> Self {
        let health = match line.health {
            posture::Health::Ok => "ok",
            posture::Health::Warning => "warning",
            posture::Health::Failing => "failing",
        };
        Self { what: line.what, health, words: line.words, fix: line.fix }
    }
}

/// Something that an administrator must look at.
#[derive(Serialize, ToSchema)]
pub struct AlarmLine {
    #[schema(format = DateTime)]
    pub at: String,
    pub kind: String,
    pub words: String,
}

/// Where a stream of the log stands.
#[derive(Serialize, ToSchema)]
pub struct LogHead {
    pub stream: String,
    pub entries: u64,
    /// Entries that are not yet under a signed head.
    pub waiting: u64,
    #[schema(format = DateTime)]
    pub last_seal: Option<String>,
    /// Root hash, hex.
    pub root: String,
}

/// Is this hospital set up safely?
#[derive(Serialize, ToSchema)]
pub struct HealthReport {
    pub checks: Vec<PostureLine>,
    pub alarms: Vec<AlarmLine>,
    pub logs: Vec<LogHead>,
    /// The public key that the log is verified with.
    pub log_key: String,
}

pub async fn health(caller: Caller) -> Answer<Said<HealthReport>> {
    let app = caller.app();
    let head = |state: wardkeep_app::audit::LogState| LogHead {
        stream: state.stream,
        entries: state.entries,
        waiting: state.waiting,
        last_seal: state.last_seal.map(Moment::rfc3339),
        root: state.root,
    };
    let alarm = |alarm: wardkeep_app::audit::Alarm| AlarmLine { at: alarm.at.rfc3339(), kind: alarm.kind, words: alarm.words };
    Ok(Said(HealthReport {
        checks: app.posture(&caller.ctx).await?.into_iter().map(PostureLine::from).collect(),
        alarms: app.alarms(&caller.ctx).await?.into_iter().map(alarm).collect(),
        logs: app.log_state(&caller.ctx).await?.into_iter().map(head).collect(),
        log_key: app.log_key(),
    }))
}
