//! Throttle without lock-out: rising waits per address and per account and factor.
//!
//! Counters live in the control store, sealed, under opaque ids; never in a cookie. A failure is
//! counted in the same commit as the event that tells of it. A counter's version is part of that
//! commit, so tries that run side by side cannot share one free try: the loser of the race is
//! looked at again and may be told to wait. Must never answer differently for a name that exists
//! and one that does not.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use wardkeep_domain::AccountId;
use wardkeep_domain::date::Moment;
use wardkeep_ledger::{Class, Outcome};
use wardkeep_store::DocId;
use wardkeep_vault::Purpose;

use crate::act::{Act, Side, Who};
use crate::{App, Error, Result, Visit, kinds};

/// Failures of an account's factor before waits begin.
pub const ACCOUNT_FREE: u32 = 5;
/// Failures from an address before waits begin.
pub const ADDRESS_FREE: u32 = 20;
/// The longest wait.
pub const WAIT_S_MAX: u32 = 900;
/// So many consecutive failures disable a factor until an administrator resets it.
pub const DISABLED_AT: u32 = 100;
/// An address is forgiven one failure in this time; success does not forgive it, or an attacker
/// with an account of their own could clear it at will.
pub const ADDRESS_FORGIVEN_MS: i64 = 60_000;
/// How often a commit that lost a race is tried again.
const TRIES: usize = 8;

/// What was tried. Each factor of an account has a counter of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Factor {
    Password,
    Totp,
    Recovery,
    Activation,
    Passkey,
    ServiceSecret,
}

impl Factor {
    /// Those that a sign-in asks for.
    pub(crate) const OF_SIGN_IN: [Factor; 4] = [Factor::Password, Factor::Totp, Factor::Recovery, Factor::Passkey];
    fn code(self) -> &'static str {
        match self {
            Factor::Password => "password",
            Factor::Totp => "totp",
            Factor::Recovery => "recovery",
            Factor::Activation => "activation",
            Factor::Passkey => "passkey",
            Factor::ServiceSecret => "service secret",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
struct Counter {
    failures: u32,
    last_ms: i64,
    until_ms: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scope {
    Address,
    Account,
}

/// Which counter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    id: DocId,
    scope: Scope,
}

/// Counters as they stood when the try began.
#[derive(Debug)]
pub(crate) struct Gate(Vec<Slot>);

#[derive(Clone, Copy, Debug)]
struct Slot {
    key: Key,
    version: u64,
    counter: Counter,
}

impl Counter {
    fn wait_s(self, scope: Scope, now: Moment) -> Option<u32> {
        if scope == Scope::Account && self.failures >= DISABLED_AT {
            return Some(WAIT_S_MAX);
        }
        let left_ms = self.until_ms.saturating_sub(now.0);
        // A clock that was set back must not turn a short wait into a long one.
        (left_ms > 0).then(|| u32::try_from(left_ms.saturating_add(999) / 1000).unwrap_or(WAIT_S_MAX).min(WAIT_S_MAX))
    }
    fn failed(self, scope: Scope, now: Moment) -> Self {
        let (before, free) = match scope {
            Scope::Account => (self.failures, ACCOUNT_FREE),
            Scope::Address => {
                let forgiven = now.0.saturating_sub(self.last_ms).max(0) / ADDRESS_FORGIVEN_MS;
                (self.failures.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX)), ADDRESS_FREE)
            }
        };
        let failures = before.saturating_add(1);
        let over = failures.saturating_sub(free);
        let wait_s = if over == 0 { 0 } else { 1u32.checked_shl(over - 1).unwrap_or(WAIT_S_MAX).min(WAIT_S_MAX) };
        Self { failures, last_ms: now.0, until_ms: now.0.saturating_add(i64::from(wait_s) * 1000) }
    }
}

/// The part of an address that one customer holds: an IPv6 address is cut to its /64.
pub(crate) fn network(address: &str) -> String {
    match address.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.to_string(),
        Ok(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Err(_) => address.to_owned(),
    }
}

/// Runs an attempt again while it loses races; then says to wait rather than to guess on.
pub(crate) async fn retried<T, F: Future<Output = Result<T>>>(mut attempt: impl FnMut() -> F) -> Result<T> {
    for _ in 0..TRIES {
        match attempt().await {
            Err(Error::Conflict { .. }) => {}
            done => return done,
        }
    }
    Err(Error::Throttled { retry_after_s: 1 })
}

impl Gate {
    /// Counts a failure at every counter, in the changeset that tells of it.
    pub(crate) fn count(&self, act: &mut Act<'_>, now: Moment) -> Result<()> {
        self.0.iter().try_for_each(|slot| put(act, slot, &slot.counter.failed(slot.key.scope, now)))
    }
    /// Wrong tries at the account's counters whose last came since then.
    pub(crate) fn wrong_tries(&self, since: Option<Moment>) -> u32 {
        let later = |slot: &&Slot| slot.key.scope == Scope::Account && since.is_none_or(|since| slot.counter.last_ms >= since.0);
        self.0.iter().filter(later).map(|slot| slot.counter.failures).fold(0, u32::saturating_add)
    }
    /// Success: the account's counter starts again, and nobody may have failed meanwhile.
    pub(crate) fn clear(&self, act: &mut Act<'_>) -> Result<()> {
        for slot in self.0.iter().filter(|slot| slot.key.scope == Scope::Account) {
            if slot.counter == Counter::default() {
                act.expect(kinds::THROTTLE, slot.key.id, slot.version);
            } else {
                put(act, slot, &Counter::default())?;
            }
        }
        Ok(())
    }
}

fn put(act: &mut Act<'_>, slot: &Slot, counter: &Counter) -> Result<()> {
    act.put_own(Purpose::Staff, kinds::THROTTLE, slot.key.id, slot.version.saturating_add(1), counter, Vec::new(), Vec::new())
}

impl App {
    fn throttle_key(&self, scope: Scope, parts: &[&[u8]]) -> Key {
        Key { id: DocId(self.exact_term(kinds::CONTROL, kinds::THROTTLE, "counter", &parts.join(&0)).0), scope }
    }
    pub(crate) fn address_key(&self, visit: &Visit) -> Key {
        self.throttle_key(Scope::Address, &[b"address", network(&visit.address).as_bytes()])
    }
    /// Registrations from one address: every one counts.
    pub(crate) fn registration_key(&self, visit: &Visit) -> Key {
        self.throttle_key(Scope::Address, &[b"registration", network(&visit.address).as_bytes()])
    }
    pub(crate) fn account_key(&self, account: AccountId, factor: Factor) -> Key {
        self.throttle_key(Scope::Account, &[b"account", &account.bytes(), factor.code().as_bytes()])
    }
    /// A name that belongs to nobody waits like one that does.
    pub(crate) fn unknown_key(&self, typed: &str) -> Key {
        self.throttle_key(Scope::Account, &[b"unknown", typed.as_bytes()])
    }

    /// Reads the counters.
    ///
    /// # Errors
    /// `Throttled` while any of them says to wait.
    pub(crate) async fn gate(&self, visit: &Visit, keys: &[Key]) -> Result<Gate> {
        let gate = self.counters(keys).await?;
        match gate.0.iter().filter_map(|slot| slot.counter.wait_s(slot.key.scope, visit.now)).max() {
            Some(retry_after_s) => Err(Error::Throttled { retry_after_s }),
            None => Ok(gate),
        }
    }

    /// Wrong tries at an account's ways in since a moment, those aside that a success has cleared.
    pub(crate) async fn wrong_tries(&self, account: AccountId, since: Option<Moment>) -> Result<u32> {
        let keys = Factor::OF_SIGN_IN.map(|factor| self.account_key(account, factor));
        Ok(self.counters(&keys).await?.wrong_tries(since))
    }

    /// Reads the counters, whatever they say.
    pub(crate) async fn counters(&self, keys: &[Key]) -> Result<Gate> {
        let ids: Vec<DocId> = keys.iter().map(|key| key.id).collect();
        let documents = self.control.get_many(kinds::THROTTLE, &ids).await?;
        let mut slots = Vec::with_capacity(keys.len());
        for key in keys {
            let opened = documents
                .iter()
                .find(|document| document.id == key.id)
                .map(|document| self.open_own_doc::<Counter>(kinds::CONTROL, Purpose::Staff, document))
                .transpose()?;
            let (version, counter) = opened.map_or((0, Counter::default()), |opened| (opened.version, opened.body));
            slots.push(Slot { key: *key, version, counter });
        }
        Ok(Gate(slots))
    }

    /// Logs and counts a failed try; the caller then gives its answer. When another try at the
    /// same counters came between, this one is looked at again and may have to wait.
    pub(crate) async fn count_failure(&self, visit: &Visit, who: &Who, class: Class, keys: &[Key], details: &[(&str, &str)]) -> Result<()> {
        retried(|| async {
            let gate = self.gate(visit, keys).await?;
            let mut act = Act::new(self, Side::Control, visit, who.clone(), class).outcome(Outcome::Failed);
            for (key, value) in details {
                act = act.detail(key, *value);
            }
            gate.count(&mut act, visit.now)?;
            act.commit().await.map(|_| ())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failures_are_free_and_then_waits_double_up_to_the_most() {
        let now = Moment(1_000_000);
        let mut counter = Counter::default();
        let mut waits = Vec::new();
        for _ in 0..20 {
            counter = counter.failed(Scope::Account, now);
            waits.push((counter.until_ms - now.0) / 1000);
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900, 900]);
    }

    #[test]
    fn a_hundred_failures_disable_an_account_factor_but_never_an_address() {
        let counter = Counter { failures: DISABLED_AT, last_ms: 0, until_ms: 0 };
        assert_eq!(counter.wait_s(Scope::Account, Moment(i64::MAX)), Some(WAIT_S_MAX));
        assert_eq!(counter.wait_s(Scope::Address, Moment(i64::MAX)), None);
        let many = Counter { failures: u32::MAX, last_ms: 0, until_ms: 0 }.failed(Scope::Account, Moment(0));
        assert_eq!(many.until_ms, i64::from(WAIT_S_MAX) * 1000);
    }

    #[test]
    fn an_address_is_forgiven_with_time() {
        let counter = Counter { failures: 20, last_ms: 0, until_ms: 0 };
        assert_eq!(counter.failed(Scope::Address, Moment(0)).failures, 21);
        assert_eq!(counter.failed(Scope::Address, Moment(10 * ADDRESS_FORGIVEN_MS)).failures, 11);
    }

    #[test]
    fn an_ipv6_customer_is_one_address() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(network("command line"), "command line");
    }
}
