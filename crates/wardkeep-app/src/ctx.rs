//! Who asks, how strongly signed in, when, and with what randomness.

use std::sync::{Arc, Mutex, PoisonError};

use wardkeep_domain::account::session::Session;
use wardkeep_domain::account::{Account, Role};
use wardkeep_domain::date::{Date, Moment};
use wardkeep_domain::emergency::Emergency;
use wardkeep_domain::{AccountId, PatientId, id};
use wardkeep_policy::Actor;

use crate::throttle::network;

/// Randomness as an argument: the composition root seeds it, tests fix it.
#[derive(Clone)]
pub struct Entropy(Arc<Mutex<dyn rand_core::Rng + Send>>);

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy")
    }
}

impl Entropy {
    #[must_use]
    pub fn new(source: impl rand_core::Rng + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(source)))
    }
    pub fn fill(&self, buffer: &mut [u8]) {
        // A poisoned lock only means that another thread panicked between draws.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(buffer);
    }
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// One request before anybody is known: enough to try to sign in.
#[derive(Clone, Debug)]
pub struct Visit {
    pub now: Moment,
    pub entropy: Entropy,
    /// Random id of the request, shown with errors.
    pub request: [u8; 16],
    /// Client address as text, IPv6 /64 already cut by the throttle.
    pub address: String,
    /// "Chromium on Linux", from the user agent; "command line" for the operator.
    pub device: String,
}

impl Visit {
    /// A fresh time-ordered id.
    #[must_use]
    pub fn new_id(&self) -> [u8; 16] {
        id::uuid_v7(self.now.0, self.entropy.bytes())
    }
    /// The device and network that the session's factor was last proven on?
    fn is_from_where(&self, session: &Session) -> bool {
        self.device == session.device && network(&self.address) == network(&session.address)
    }
    #[must_use]
    pub fn today(&self) -> Date {
        self.now.date().unwrap_or(Date(jiff::civil::Date::constant(1970, 1, 1)))
    }
}

/// An authenticated request. Made only by `App::authenticate`, `App::operator` and jobs.
#[derive(Clone, Debug)]
pub struct Ctx {
    pub(crate) visit: Visit,
    pub(crate) actor: Actor,
    pub(crate) account: Option<Account>,
    pub(crate) session: Option<Session>,
    pub(crate) form_token: String,
    /// Name of the service account; `None` for everybody else.
    pub(crate) service: Option<String>,
}

impl Ctx {
    #[must_use]
    pub fn now(&self) -> Moment {
        self.visit.now
    }
    #[must_use]
    pub fn visit(&self) -> &Visit {
        &self.visit
    }
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.actor
    }
    /// The signed-in account; `None` for jobs and the operator.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.account.as_ref().map(|account| account.role)
    }
    /// Id written into what this actor makes; zero for jobs and the operator.
    #[must_use]
    pub fn account_id(&self) -> AccountId {
        let machine = match self.actor {
            Actor::Service { id, .. } => id.bytes(),
            Actor::Account { .. } | Actor::Job { .. } | Actor::Operator => [0; 16],
        };
        self.account.as_ref().map_or(AccountId::from_bytes(machine), |account| account.id)
    }
    /// The patient this account reads as.
    #[must_use]
    pub fn own_patient(&self) -> Option<PatientId> {
        self.account.as_ref().and_then(|account| account.patient)
    }
    /// This session's emergency access to the patient's chart, while it lasts.
    #[must_use]
    pub fn emergency(&self, patient: PatientId) -> Option<Emergency> {
        self.session.as_ref().and_then(|session| session.emergency(patient, self.visit.now).copied())
    }
    /// Was a factor proven within the last five minutes, on this device and network (or is this the
    /// operator)? A session that turns up elsewhere proves it anew before anything that needs it:
    /// OWASP ASVS 5.0, 8.2.4.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        match &self.session {
            Some(session) => session.is_fresh(self.visit.now) && self.visit.is_from_where(session),
            None => !matches!(self.actor, Actor::Account { .. } | Actor::Service { .. }),
        }
    }
    /// Goes into every form of this session; checked before anything changes.
    #[must_use]
    pub fn form_token(&self) -> &str {
        &self.form_token
    }
    #[must_use]
    pub fn form_token_matches(&self, given: &str) -> bool {
        use subtle::ConstantTimeEq;
        !self.form_token.is_empty() && bool::from(self.form_token.as_bytes().ct_eq(given.as_bytes()))
    }
}
