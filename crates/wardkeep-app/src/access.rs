//! Asking policy, with the facts it needs; a denial becomes an event before it becomes an answer.

use wardkeep_domain::AccountId;
use wardkeep_domain::PatientId;
use wardkeep_domain::account::unit::Unit;
use wardkeep_domain::account::{Account, Role};
use wardkeep_domain::date::Moment;
use wardkeep_ledger::{Class, Outcome};
use wardkeep_policy::{Action, Actor, Denial, Facts, Permit, Resource};
use wardkeep_store::{DocId, Document};
use wardkeep_vault::Purpose;

use serde::{Deserialize, Serialize};

use crate::act::{Act, Side, Who};
use crate::{App, Ctx, Error, Result, kinds};

/// Who cares for a patient. Sealed under the staff purpose: authorisation reads it first.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CareTeam {
    pub patient: PatientId,
    pub members: Vec<CareMember>,
    /// Where the patient lies: who works there cares too.
    #[serde(default)]
    pub unit: Option<Unit>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CareMember {
    pub account: AccountId,
    pub since: Moment,
    pub assigned_by: AccountId,
}

/// The part of an entry that says who wrote it.
#[derive(Deserialize)]
struct Authored {
    author: AccountId,
}

/// Most members of one care team.
pub const CARE_MEMBERS_MAX: usize = 50;

impl CareTeam {
    #[must_use]
    pub fn holds(&self, account: AccountId) -> bool {
        self.members.iter().any(|member| member.account == account)
    }
    /// Is the patient in this person's care: on the team, or on a unit where the person works?
    #[must_use]
    pub fn cared_for_by(&self, account: &Account) -> bool {
        let works_there = || account.role.works_on_units() && self.unit.as_ref().is_some_and(|unit| account.units.contains(unit));
        self.holds(account.id) || works_there()
    }
}

impl App {
    /// The care team and its document version; an empty team at version 0 when there is none.
    pub(crate) async fn care_team(&self, patient: PatientId) -> Result<(CareTeam, u64)> {
        match self.records.get(kinds::CARE_TEAM, DocId(patient.bytes())).await? {
            Some(document) => {
                let opened = self.open_own_doc::<CareTeam>(kinds::RECORDS, Purpose::Staff, &document)?;
                Ok((opened.body, opened.version))
            }
            None => Ok((CareTeam { patient, members: Vec::new(), unit: None }, 0)),
        }
    }

    /// Facts about the actor's session alone.
    pub(crate) fn session_facts(&self, ctx: &Ctx) -> Facts {
        Facts { in_care: false, emergency: false, proxy: false, marked: false, second_factor: true, fresh: ctx.is_fresh() }
    }

    /// May this actor do this to the hospital or to an account?
    pub(crate) async fn permit(&self, ctx: &Ctx, action: Action, resource: Resource) -> Result<Permit> {
        self.permit_with(ctx, action, resource, |facts| facts).await
    }

    /// The same, with facts that will hold when the act is done.
    async fn permit_with(&self, ctx: &Ctx, action: Action, resource: Resource, then: impl Fn(Facts) -> Facts) -> Result<Permit> {
        self.keep_pace(ctx, action).await?;
        match self.policy.decide(ctx.actor, action, resource, then(self.session_facts(ctx))) {
            Ok(permit) => Ok(permit),
            Err(denial) => Err(self.denied(ctx, resource, denial).await),
        }
    }

    /// May this actor do this in this patient's chart? Looks up the care relationship first.
    /// A patient that does not exist is denied like one that may not be seen.
    pub(crate) async fn permit_chart(&self, ctx: &Ctx, action: Action, patient: PatientId, author: Option<AccountId>) -> Result<Permit> {
        self.permit_chart_with(ctx, action, patient, author, |facts| facts).await
    }

    /// The same, with facts that will hold when the act is done.
    pub(crate) async fn permit_chart_with(
        &self,
        ctx: &Ctx,
        action: Action,
        patient: PatientId,
        author: Option<AccountId>,
        then: impl Fn(Facts) -> Facts,
    ) -> Result<Permit> {
        self.keep_pace(ctx, action).await?;
        let in_care = match ctx.account() {
            Some(account) if account.role.is_staff() => self.care_team(patient).await?.0.cared_for_by(account),
            _ => false,
        };
        let proxy = ctx.account().is_some_and(|account| account.is_proxy_of(patient, ctx.visit().today()));
        let resource = Resource::Chart { patient, author };
        let facts = then(Facts { in_care, emergency: ctx.emergency(patient).is_some(), proxy, ..self.session_facts(ctx) });
        match self.policy.decide(ctx.actor, action, resource, facts) {
            Ok(permit) => Ok(permit),
            Err(denial) => Err(self.denied(ctx, resource, denial).await),
        }
    }

    /// Asked before a form is shown: may this actor do what the form is for? `entry`: the record,
    /// document or assessment in the patient's chart that it would change.
    ///
    /// # Errors
    /// `Denied`, `NotFound`, as the act itself would answer.
    pub async fn may(&self, ctx: &Ctx, action: Action, patient: Option<PatientId>, entry: Option<[u8; 16]>) -> Result<()> {
        self.may_with(ctx, action, patient, entry, |facts| facts).await
    }

    /// The same, with facts that will hold when the act is done.
    pub(crate) async fn may_with(
        &self,
        ctx: &Ctx,
        action: Action,
        patient: Option<PatientId>,
        entry: Option<[u8; 16]>,
        then: impl Fn(Facts) -> Facts,
    ) -> Result<()> {
        let Some(patient) = patient else {
            return self.permit_with(ctx, action, Resource::Hospital, then).await.map(|_| ());
        };
        let kind = match action {
            Action::AmendRecord | Action::VoidRecord => Some(kinds::RECORD),
            Action::AmendAssessment | Action::VoidAssessment => Some(kinds::ASSESSMENT),
            _ => None,
        };
        let document = match (kind, entry) {
            (Some(kind), Some(id)) => self.records.get(kind, DocId(id)).await?,
            _ => None,
        };
        let author = match document.filter(|document| document.owner.0 == patient.bytes()) {
            Some(document) => self.own_entry(ctx, patient, &document).await,
            None => None,
        };
        self.permit_chart_with(ctx, action, patient, author, then).await.map(|_| ())
    }

    /// The actor, when the actor wrote this entry of the patient's chart.
    pub(crate) async fn own_entry(&self, ctx: &Ctx, patient: PatientId, document: &Document) -> Option<AccountId> {
        let key = self.patient_key(patient, ctx.now()).await.ok()?;
        let own = self.sift_patient_doc(kinds::RECORDS, &key, document, |entry: &Authored| entry.author == ctx.account_id());
        own.unwrap_or(false).then(|| ctx.account_id())
    }

    /// Writes the denial into the log, then gives the error: `NotFound` when the actor may not
    /// know that the thing exists. When the log cannot be written, that is the answer.
    async fn denied(&self, ctx: &Ctx, resource: Resource, denial: Denial) -> Error {
        let act = Act::by(self, Side::Records, ctx, Class::Denied)
            .outcome(Outcome::Denied)
            .refused(resource, &denial)
            .detail("action", denial.action.name())
            .detail("reason", denial.reason.clone());
        let act = match resource {
            Resource::Chart { patient, .. } => match self.patient_key(patient, ctx.now()).await {
                Ok(key) => act.subject(&key),
                Err(Error::NotFound) => act.detail("patient", "no such patient"),
                Err(error) => return error,
            },
            Resource::Account { .. } | Resource::Request { .. } | Resource::Hospital => act,
        };
        // Nothing is shown of a denied chart, so this receipt releases nothing.
        match act.discloses(wardkeep_ledger::Discloses::Nothing).commit().await {
            Ok(_) if denial.may_know => Error::Denied(denial),
            Ok(_) => Error::NotFound,
            Err(error) => error,
        }
    }

    /// `Who` for jobs that act under their own name.
    pub(crate) fn job(&self, visit: &crate::Visit, job: &'static str) -> Ctx {
        Ctx { visit: visit.clone(), actor: Actor::Job { job }, account: None, session: None, form_token: String::new(), service: None }
    }

    /// The command line on the hospital's own machine, by whoever holds data directory and key.
    #[must_use]
    pub fn operator(&self, visit: crate::Visit) -> Ctx {
        Ctx { visit, actor: Actor::Operator, account: None, session: None, form_token: String::new(), service: None }
    }
}

/// Shown as the actor of an event.
#[must_use]
pub fn who_label(who: &Who) -> String {
    if who.name.is_empty() { "Unknown".to_owned() } else { who.name.clone() }
}

/// The actor's role in words; empty for jobs, the command line and visitors.
#[must_use]
pub fn role_label(who: &Who) -> String {
    match Role::parse(&who.role) {
        Ok(role) => role.label().to_owned(),
        Err(_) if who.kind == "service" => "Service account".to_owned(),
        Err(_) => String::new(),
    }
}
