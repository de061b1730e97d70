//! The hospital's units and who works there. Patients who lie on a unit are in the care of those.

use serde::{Deserialize, Serialize};
use wardkeep_domain::account::unit::{UNITS_MAX, Unit};
use wardkeep_domain::account::{Account, AccountState};
use wardkeep_domain::name::Email;
use wardkeep_domain::{AccountId, FieldErrors};
use wardkeep_ledger::Class;
use wardkeep_policy::{Action, Resource};
use wardkeep_store::{DocId, Find};
use wardkeep_vault::Purpose;

use crate::act::{Act, Side};
use crate::error::invalid;
use crate::{App, Ctx, Error, Result, kinds};

/// As sealed.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Units {
    units: Vec<Unit>,
}

/// A unit with who works there.
pub struct UnitView {
    pub unit: Unit,
    pub members: Vec<Account>,
}

/// Most people of one unit that are listed.
const MEMBERS_MAX: usize = 200;

impl App {
    /// By name; with the document's version.
    pub(crate) async fn units(&self) -> Result<(Vec<Unit>, u64)> {
        match self.control.get(kinds::UNITS, DocId([0; 16])).await? {
            Some(document) => {
                let opened = self.open_own_doc::<Units>(kinds::CONTROL, Purpose::Staff, &document)?;
                Ok((opened.body.units, opened.version))
            }
            None => Ok((Vec::new(), 0)),
        }
    }

    /// The units with who works there; looking is an event.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn unit_list(&self, ctx: &Ctx) -> Result<Vec<UnitView>> {
        let permit = self.permit(ctx, Action::ManageUnits, Resource::Hospital).await?;
        let units = self.units().await?.0;
        let act = Act::by(self, Side::Control, ctx, Class::AccountsRead).permit(&permit);
        act.detail("list", "units").commit().await?;
        let mut views = Vec::with_capacity(units.len());
        for unit in units {
            let term = self.exact_term(kinds::CONTROL, kinds::ACCOUNT, "unit", unit.as_str().as_bytes());
            let query = Find { kind: kinds::ACCOUNT, all_of: vec![term], before: None, since: None, limit: MEMBERS_MAX };
            let mut members = Vec::new();
            for document in self.control.find(&query).await? {
                members.push(self.open_account(&document)?.body);
            }
            members.sort_by(|a, b| a.display_name.cmp(&b.display_name));
            views.push(UnitView { unit, members });
        }
        Ok(views)
    }

    /// Opens a unit.
    ///
    /// # Errors
    /// `Invalid` on `unit`, `Denied`.
    pub async fn add_unit(&self, ctx: &Ctx, name: &str) -> Result<()> {
        let permit = self.permit(ctx, Action::ManageUnits, Resource::Hospital).await?;
        let unit = Unit::parse(name).map_err(FieldErrors::from)?;
        let (mut units, version) = self.units().await?;
        if units.iter().any(|known| known.as_str().eq_ignore_ascii_case(unit.as_str())) {
            return Err(invalid("unit", "There is a unit of this name already."));
        }
        if units.len() >= UNITS_MAX {
            return Err(Error::Refused(format!("A hospital has at most {UNITS_MAX} units.")));
        }
        units.push(unit.clone());
        units.sort();
        let mut act = Act::by(self, Side::Control, ctx, Class::ConfigurationChanged).permit(&permit).detail("unit opened", unit.as_str());
        let (id, units) = (DocId([0; 16]), Units { units });
        act.put_own(Purpose::Staff, kinds::UNITS, id, version.saturating_add(1), &units, Vec::new(), Vec::new())?;
        act.commit().await.map(|_| ())
    }

    /// Adds somebody to a unit, by e-mail.
    ///
    /// # Errors
    /// `Invalid` on `email`, `NotFound` for an unknown unit, `Denied`.
    pub async fn join_unit(&self, ctx: &Ctx, unit: &str, email: &str) -> Result<()> {
        let permit = self.permit(ctx, Action::ManageUnits, Resource::Hospital).await?;
        let unit = self.units().await?.0.into_iter().find(|known| known.as_str() == unit).ok_or(Error::NotFound)?;
        let email = Email::parse(email).map_err(FieldErrors::from)?;
        let opened = self.account_of_email(&email).await?;
        let opened = opened.filter(|opened| opened.body.role.works_on_units() && opened.body.state == AccountState::Active);
        let words = "There is no active doctor, nurse or stroke coordinator with this address. Check the spelling.";
        let opened = opened.ok_or_else(|| invalid("email", words))?;
        let mut account = opened.body;
        if account.units.contains(&unit) {
            return Err(invalid("email", "This person works there already."));
        }
        account.units.push(unit.clone());
        let mut act = Act::by(self, Side::Control, ctx, Class::RoleGranted).permit(&permit);
        act = act.detail("account", hex::encode(account.id.bytes())).detail("unit", unit.as_str());
        self.put_account(&mut act, opened.version, &account)?;
        act.commit().await.map(|_| ())
    }

    /// Takes somebody off a unit; counts with the next request.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn leave_unit(&self, ctx: &Ctx, unit: &str, account: AccountId) -> Result<()> {
        let permit = self.permit(ctx, Action::ManageUnits, Resource::Hospital).await?;
        let opened = self.account(account).await?.ok_or(Error::NotFound)?;
        let mut account = opened.body;
        let before = account.units.len();
        account.units.retain(|known| known.as_str() != unit);
        if account.units.len() == before {
            return Err(Error::NotFound);
        }
        let mut act = Act::by(self, Side::Control, ctx, Class::RoleTaken).permit(&permit);
        act = act.detail("account", hex::encode(account.id.bytes())).detail("unit", unit);
        self.put_account(&mut act, opened.version, &account)?;
        act.commit().await.map(|_| ())
    }
}
