//! Who cares for a patient: the worklist, and the care team that opens the chart.

use std::collections::HashMap;

use wardkeep_domain::account::unit::Unit;
use wardkeep_domain::account::{AccountState, Role};
use wardkeep_domain::date::Moment;
use wardkeep_domain::name::Email;
use wardkeep_domain::{AccountId, FieldErrors, PatientId};
use wardkeep_ledger::Class;
use wardkeep_policy::{Action, Resource};
use wardkeep_store::{DocId, Find, Term};
use wardkeep_vault::Purpose;

use crate::access::{CARE_MEMBERS_MAX, CareMember, CareTeam};
use crate::accounts::{PAGE, Page};
use crate::act::{Act, Side};
use crate::error::invalid;
use crate::patients::{PatientRow, PatientView};
use crate::{App, Ctx, Error, Result, kinds};

#[derive(Clone, Debug)]
pub struct CareMemberView {
    pub account: AccountId,
    pub name: String,
    pub role: String,
    pub since: Moment,
}

impl App {
    pub(crate) async fn teams(&self, ids: &[PatientId]) -> Result<HashMap<PatientId, CareTeam>> {
        let ids: Vec<DocId> = ids.iter().map(|id| DocId(id.bytes())).collect();
        let documents = self.records.get_many(kinds::CARE_TEAM, &ids).await?;
        documents
            .iter()
            .map(|document| {
                self.open_own_doc::<CareTeam>(kinds::RECORDS, Purpose::Staff, document).map(|opened| (opened.body.patient, opened.body))
            })
            .collect()
    }

    /// Patients in the reader's care, by name or on one of the reader's units: the worklist. Newest
    /// care-team change first.
    ///
    /// # Errors
    /// `Denied`; `NotFound` for a unit where the reader does not work.
    pub async fn care_list(&self, ctx: &Ctx, unit: Option<&Unit>, after: Option<u64>) -> Result<Page<PatientRow>> {
        let permit = self.permit(ctx, Action::ListCarePatients, Resource::Hospital).await?;
        let own = |unit: &Unit| ctx.account().is_some_and(|account| account.units.contains(unit));
        let term = match unit {
            Some(unit) if own(unit) => self.unit_term(unit),
            Some(_) => return Err(Error::NotFound),
            None => self.member_term(ctx.account_id()),
        };
        let query = Find { kind: kinds::CARE_TEAM, all_of: vec![term], before: after.map(wardkeep_store::Seq), since: None, limit: PAGE };
        let teams = self.records.find(&query).await?;
        let next = if teams.len() == PAGE { teams.last().map(|team| team.seq.0) } else { None };
        let ids: Vec<DocId> = teams.iter().map(|team| team.id).collect();
        let documents = self.records.get_many(kinds::PATIENT, &ids).await?;
        Ok(Page { items: self.patient_rows(ctx, &permit, documents, "own patients").await?, next })
    }

    fn member_term(&self, account: AccountId) -> Term {
        self.exact_term(kinds::RECORDS, kinds::CARE_TEAM, "member", &account.bytes())
    }

    fn unit_term(&self, unit: &Unit) -> Term {
        self.exact_term(kinds::RECORDS, kinds::CARE_TEAM, "unit", unit.as_str().as_bytes())
    }

    pub(crate) fn put_care_team(&self, act: &mut Act<'_>, version: u64, team: &CareTeam) -> Result<()> {
        let mut terms: Vec<Term> = team.members.iter().map(|member| self.member_term(member.account)).collect();
        terms.extend(team.unit.iter().map(|unit| self.unit_term(unit)));
        act.put_own(Purpose::Staff, kinds::CARE_TEAM, DocId(team.patient.bytes()), version.saturating_add(1), team, terms, Vec::new())
    }

    /// Who cares for a patient, with the banner: one event for both.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn care_members(&self, ctx: &Ctx, patient: PatientId) -> Result<(PatientView, Vec<CareMemberView>)> {
        let permit = self.permit_chart(ctx, Action::ReadDemographics, patient, None).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let (view, _) = self.open_demographics(ctx, &permit, &key, "care team").await?;
        Ok((view, self.member_views(self.care_team(patient).await?.0.members).await?))
    }

    /// With names and roles; members whose account is gone are left out.
    pub(crate) async fn member_views(&self, members: Vec<CareMember>) -> Result<Vec<CareMemberView>> {
        let ids: Vec<DocId> = members.iter().map(|member| DocId(member.account.bytes())).collect();
        let mut accounts = HashMap::new();
        for document in self.control.get_many(kinds::ACCOUNT, &ids).await? {
            let account = self.open_account(&document)?.body;
            accounts.insert(account.id, account);
        }
        let view = |member: CareMember| {
            let account = accounts.get(&member.account)?;
            Some(CareMemberView {
                account: account.id,
                name: account.display_name.clone(),
                role: account.role.label().to_owned(),
                since: member.since,
            })
        };
        Ok(members.into_iter().filter_map(view).collect())
    }

    /// Adds a doctor or nurse (by e-mail) to the care team.
    ///
    /// # Errors
    /// `Invalid` on `email`, `Denied`, `NotFound`.
    pub async fn assign_care(&self, ctx: &Ctx, patient: PatientId, email: &str) -> Result<()> {
        let permit = self.permit_chart(ctx, Action::AssignCareTeam, patient, None).await?;
        let email = Email::parse(email).map_err(|error| Error::Invalid(FieldErrors(vec![error])))?;
        let account = self.account_of_email(&email).await?.map(|opened| opened.body);
        let account = account.filter(|account| matches!(account.role, Role::Doctor | Role::Nurse) && account.state == AccountState::Active);
        let account =
            account.ok_or_else(|| invalid("email", "There is no active doctor or nurse with this address. Check the spelling."))?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let (mut team, version) = self.care_team(patient).await?;
        if team.holds(account.id) {
            return Err(invalid("email", "This person is on the care team already."));
        }
        if team.members.len() >= CARE_MEMBERS_MAX {
            return Err(Error::Refused("A care team has at most 50 members. Remove somebody first.".to_owned()));
        }
        team.members.push(CareMember { account: account.id, since: ctx.now(), assigned_by: ctx.account_id() });
        let mut act =
            Act::by(self, Side::Records, ctx, Class::CareTeamChanged).permit(&permit).subject(&key).detail("added", account.display_name);
        self.put_care_team(&mut act, version, &team)?;
        act.commit().await.map(|_| ())
    }

    /// The unit where the patient lies, and the hospital's units to choose from.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn patient_unit(&self, ctx: &Ctx, patient: PatientId) -> Result<(Option<Unit>, Vec<Unit>)> {
        self.permit_chart(ctx, Action::AssignCareTeam, patient, None).await?;
        Ok((self.care_team(patient).await?.0.unit, self.units().await?.0))
    }

    /// Places the patient on a unit of the hospital; empty: on none.
    ///
    /// # Errors
    /// `Invalid` on `unit`, `Denied`, `NotFound`.
    pub async fn place_patient(&self, ctx: &Ctx, patient: PatientId, unit: &str) -> Result<()> {
        let permit = self.permit_chart(ctx, Action::AssignCareTeam, patient, None).await?;
        let unit = if unit.trim().is_empty() {
            None
        } else {
            let known = self.units().await?.0.into_iter().find(|known| known.as_str() == unit);
            Some(known.ok_or_else(|| invalid("unit", "Choose one of the hospital's units."))?)
        };
        let key = self.patient_key(patient, ctx.now()).await?;
        let (mut team, version) = self.care_team(patient).await?;
        team.unit = unit;
        let name = team.unit.as_ref().map_or_else(|| "none".to_owned(), Unit::to_string);
        let mut act = Act::by(self, Side::Records, ctx, Class::CareTeamChanged).permit(&permit).subject(&key).detail("unit", name);
        self.put_care_team(&mut act, version, &team)?;
        act.commit().await.map(|_| ())
    }

    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn remove_care(&self, ctx: &Ctx, patient: PatientId, member: AccountId) -> Result<()> {
        let permit = self.permit_chart(ctx, Action::AssignCareTeam, patient, None).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let (mut team, version) = self.care_team(patient).await?;
        if !team.holds(member) {
            return Err(Error::NotFound);
        }
        team.members.retain(|present| present.account != member);
        let name = self.account(member).await?.map(|opened| opened.body.display_name).unwrap_or_default();
        let mut act = Act::by(self, Side::Records, ctx, Class::CareTeamChanged).permit(&permit).subject(&key).detail("removed", name);
        self.put_care_team(&mut act, version, &team)?;
        act.commit().await.map(|_| ())
    }
}
