//! Proxies: an account that reads another patient's record for a while, by the registrar's grant.

use wardkeep_domain::account::proxy::{PROXIES_MAX, Proxy, ProxyForm};
use wardkeep_domain::account::{AccountState, Role};
use wardkeep_domain::name::Email;
use wardkeep_domain::{AccountId, FieldErrors, PatientId};
use wardkeep_ledger::Class;
use wardkeep_policy::Action;
use wardkeep_store::Find;

use crate::act::{Act, Side};
use crate::error::invalid;
use crate::patients::PatientView;
use crate::{App, Ctx, Error, Result, kinds};

/// A grant as the registrar sees it.
pub struct ProxyView {
    pub account: AccountId,
    pub name: String,
    pub email: String,
    pub proxy: Proxy,
}

/// Most proxies of one patient.
const OF_PATIENT_MAX: usize = 20;

impl App {
    /// Who reads this patient's record in the patient's stead.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn proxies_of(&self, ctx: &Ctx, patient: PatientId) -> Result<Vec<ProxyView>> {
        self.permit_chart(ctx, Action::GrantProxy, patient, None).await?;
        let term = self.exact_term(kinds::CONTROL, kinds::ACCOUNT, "proxy", &patient.bytes());
        let query = Find { kind: kinds::ACCOUNT, all_of: vec![term], before: None, since: None, limit: OF_PATIENT_MAX };
        let mut views = Vec::new();
        for document in self.control.find(&query).await? {
            let account = self.open_account(&document)?.body;
            let (name, email) = (account.display_name.clone(), account.email.as_str().to_owned());
            let own = account.proxies.into_iter().filter(|proxy| proxy.patient == patient);
            views.extend(own.map(|proxy| ProxyView { account: account.id, name: name.clone(), email: email.clone(), proxy }));
        }
        Ok(views)
    }

    /// Grants an account the reading of this patient's record, from a day to a day.
    ///
    /// # Errors
    /// `Invalid` on `email`, `from_date`, `until_date`; `Denied`, `NotFound`.
    pub async fn grant_proxy(&self, ctx: &Ctx, patient: PatientId, form: &ProxyForm) -> Result<()> {
        let permit = self.permit_chart(ctx, Action::GrantProxy, patient, None).await?;
        let mut errors = FieldErrors::new();
        let email = errors.take(Email::parse(&form.email));
        let days = form.days(ctx.visit().today()).map_err(|found| errors.0.extend(found.0)).ok();
        let (email, (from, until)) = errors.into_result(email.zip(days))?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let opened = self.account_of_email(&email).await?;
        let opened = opened.filter(|opened| opened.body.role == Role::Patient && opened.body.state == AccountState::Active);
        let opened = opened.ok_or_else(|| {
            invalid("email", "There is no patient account with this address. Check the spelling, or let the person register.")
        })?;
        let mut account = opened.body;
        if account.patient == Some(patient) {
            return Err(invalid("email", "This account is the patient's own."));
        }
        account.proxies.retain(|proxy| proxy.patient != patient);
        if account.proxies.len() >= PROXIES_MAX {
            return Err(Error::Refused(format!("One account is a proxy for at most {PROXIES_MAX} patients.")));
        }
        account.proxies.push(Proxy { patient, from, until, granted_by: ctx.account_id(), granted_at: ctx.now() });
        let last = until.map_or_else(|| "until ended".to_owned(), |until| until.iso());
        let act = Act::by(self, Side::Control, ctx, Class::Granted).permit(&permit).subject(&key).detail("what", "proxy");
        let mut act = act.detail("reason", format!("Proxy: {}, {} to {last}", account.display_name, from.iso()));
        self.put_account(&mut act, opened.version, &account)?;
        act.commit().await.map(|_| ())
    }

    /// Ends a grant; counts with the next request.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn end_proxy(&self, ctx: &Ctx, patient: PatientId, account: AccountId) -> Result<()> {
        let permit = self.permit_chart(ctx, Action::GrantProxy, patient, None).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let opened = self.account(account).await?.ok_or(Error::NotFound)?;
        let mut account = opened.body;
        let before = account.proxies.len();
        account.proxies.retain(|proxy| proxy.patient != patient);
        if account.proxies.len() == before {
            return Err(Error::NotFound);
        }
        let act = Act::by(self, Side::Control, ctx, Class::Granted).permit(&permit).subject(&key).detail("what", "proxy ended");
        let mut act = act.detail("reason", format!("Proxy ended: {}", account.display_name));
        self.put_account(&mut act, opened.version, &account)?;
        act.commit().await.map(|_| ())
    }

    /// The patients in whose stead this account reads today; each is a disclosure of its own.
    ///
    /// # Errors
    /// `Unavailable` when the log cannot be written.
    pub async fn acted_for(&self, ctx: &Ctx) -> Result<Vec<PatientView>> {
        let today = ctx.visit().today();
        let mut views = Vec::new();
        for proxy in ctx.account().map(|account| account.proxies.as_slice()).unwrap_or_default() {
            if proxy.is_live(today) {
                views.push(self.demographics(ctx, proxy.patient).await?);
            }
        }
        Ok(views)
    }
}
