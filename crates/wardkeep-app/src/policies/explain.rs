//! Why may X (not) do this to Y? Facts are read where people are named, taken as given where not.
//! The answer holds nothing of the patient; that it was asked is an event of theirs.

use wardkeep_domain::account::{Account, AccountState, Role};
use wardkeep_domain::date::Date;
use wardkeep_domain::name::{Email, Mrn};
use wardkeep_domain::{FieldErrors, PatientId};
use wardkeep_ledger::{Class, Discloses};
use wardkeep_policy::matrix::{Target, Who};
use wardkeep_policy::{Action, Actor, Case, Explanation, Fact, Facts, Held, Policy, Resource};

use crate::act::{Act, Side};
use crate::error::invalid;
use crate::{App, Ctx, Error, Result};

/// The question as typed.
#[derive(Clone, Default)]
pub struct Ask {
    /// Code of a role, or the e-mail address of an account.
    pub who: String,
    /// Name of the action.
    pub action: String,
    /// MRN of the patient; empty for none.
    pub mrn: String,
    /// Facts that hold, where they cannot be read. A second factor is always taken as given.
    pub facts: Vec<Fact>,
    /// State of the account, when `who` is a role.
    pub state: Option<AccountState>,
    /// Role of the account that would be acted on.
    pub about: Option<Role>,
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Explained {
    /// Name of the person, or of the role.
    pub who: String,
    pub role: Role,
    /// Were the facts about this person, or this person and the patient, read from the hospital?
    pub person: bool,
    pub patient: bool,
    pub told: Explanation,
}

impl Ask {
    fn role(&self) -> Option<Role> {
        Role::parse(self.who.trim()).ok()
    }
    fn action(&self) -> Result<Action> {
        Action::parse(self.action.trim()).ok_or_else(|| invalid("action", "Choose what the person wants to do."))
    }
    fn case(&self, role: Role) -> Result<Case> {
        let held: Held = self.facts.iter().copied().chain([Fact::SecondFactor, Fact::Active]).collect();
        Ok(Case { who: Who::Role(role), id: None, action: self.action()?, held, account: self.about.unwrap_or(Role::Nurse) })
    }
    fn names_a_patient(&self) -> bool {
        !self.mrn.trim().is_empty()
    }
}

/// What is asked of policy in the end.
struct Question {
    actor: Actor,
    action: Action,
    resource: Resource,
    facts: Facts,
}

/// Asks about somebody of a role. Needs no hospital.
///
/// # Errors
/// `Invalid` on `who`, `action` or `mrn`.
pub fn of_role(policy: &Policy, ask: &Ask) -> Result<Explained> {
    let role = ask.role().ok_or_else(|| invalid("who", "Choose a role, or enter the e-mail address of an account."))?;
    if ask.names_a_patient() {
        return Err(invalid("mrn", "Name a person by e-mail address to ask about a patient: a role cares for nobody."));
    }
    let (mut actor, action, resource, facts) = ask.case(role)?.question();
    if let (Actor::Account { state, .. }, Some(given)) = (&mut actor, ask.state) {
        *state = given;
    }
    let told = policy.explain(actor, action, resource, facts);
    Ok(Explained { who: role.label().to_owned(), role, person: false, patient: false, told })
}

impl App {
    /// # Errors
    /// `Denied`, `Invalid` on `who`, `action` or `mrn`.
    pub async fn explain(&self, ctx: &Ctx, ask: &Ask) -> Result<Explained> {
        let permit = self.permit(ctx, Action::ExplainPolicy, Resource::Hospital).await?;
        if ask.names_a_patient() && !names_patients(ctx) {
            return Err(invalid("mrn", "Administrators do not look patients up. Leave the MRN empty, or ask the privacy officer."));
        }
        let mut act = Act::by(self, Side::Records, ctx, Class::LogRead).permit(&permit).detail("what", "policy explained");
        let explained = if ask.role().is_some() {
            let explained = of_role(&self.policy, ask)?;
            act = act.detail("role", explained.role.code());
            explained
        } else {
            let account = self.asked_account(ask).await?;
            let patient = if ask.names_a_patient() { Some(self.asked_patient(ask).await?) } else { None };
            act = act.detail("account", hex::encode(account.id.bytes()));
            if let Some(patient) = patient {
                let key = self.patient_key(patient, ctx.now()).await.map_err(|error| match error {
                    Error::NotFound => no_patient(),
                    error => error,
                })?;
                // Nothing of the patient is opened, so the receipt releases nothing.
                act = act.subject(&key).discloses(Discloses::Nothing);
            }
            let Question { actor, action, resource, facts } = self.question(ask, &account, patient, ctx.visit().today()).await?;
            let told = self.policy.explain(actor, action, resource, facts);
            Explained { who: account.display_name, role: account.role, person: true, patient: patient.is_some(), told }
        };
        let verdict = &explained.told.verdict;
        let answer = if verdict.allowed { "allowed" } else { "refused" };
        act.detail("action asked about", explained.told.action.name())
            .detail("answer", format!("{answer} by {}", verdict.rule))
            .commit()
            .await?;
        Ok(explained)
    }

    async fn asked_account(&self, ask: &Ask) -> Result<Account> {
        let unknown = || invalid("who", "Nobody has an account with this address. Check the spelling, or choose a role.");
        let email = Email::parse(&ask.who).map_err(|_| invalid("who", "Choose a role, or enter the e-mail address of an account."))?;
        Ok(self.account_of_email(&email).await?.ok_or_else(unknown)?.body)
    }

    async fn asked_patient(&self, ask: &Ask) -> Result<PatientId> {
        if Target::of(ask.action()?) != Target::Chart {
            return Err(invalid("mrn", "This is done to no patient. Leave the MRN empty."));
        }
        let mrn = Mrn::parse(&ask.mrn).map_err(|error| Error::Invalid(FieldErrors(vec![error])))?;
        let found = self.patient_of_mrn(&mrn).await?.ok_or_else(no_patient)?;
        Ok(PatientId::from_bytes(found.id.0))
    }

    /// With what the hospital knows of this account, and of this patient, in the place of what was given.
    async fn question(&self, ask: &Ask, account: &Account, patient: Option<PatientId>, today: Date) -> Result<Question> {
        let case = Case { id: Some(account.id), ..ask.case(account.role)? };
        let (mut actor, action, mut resource, mut facts) = case.question();
        if let Actor::Account { state, patient: own, .. } = &mut actor {
            *state = account.state;
            if patient.is_some() {
                *own = account.patient;
            }
        }
        if let (Resource::Chart { patient: of, .. }, Some(patient)) = (&mut resource, patient) {
            *of = patient;
            facts.in_care = account.role.is_staff() && self.care_team(patient).await?.0.cared_for_by(account);
            facts.proxy = account.is_proxy_of(patient, today);
        }
        Ok(Question { actor, action, resource, facts })
    }
}

fn no_patient() -> Error {
    invalid("mrn", "No patient has this MRN. Check the number.")
}

/// Whoever may not look patients up does not learn from an answer that one exists.
fn names_patients(ctx: &Ctx) -> bool {
    matches!(ctx.actor, Actor::Operator) || ctx.role() == Some(Role::PrivacyOfficer)
}
