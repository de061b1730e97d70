//! What happened to an account's ways in, kept for its owner: told at the next sign-in, and listed
//! under Security. OWASP ASVS 5.0, 6.3.5 (suspicious tries) and 6.3.7 (changes).
//!
//! No writer has to remember it: what changed is found by comparing the credentials that are written
//! with those before. It lies in the credentials' own document, so telling costs no look at the log.

use serde::{Deserialize, Serialize};
use wardkeep_domain::date::Moment;

use super::Credentials;
use crate::Visit;
use crate::throttle::network;

/// So many are kept; the oldest go.
pub const HAPPENINGS_MAX: usize = 50;
/// So many devices and networks of earlier sign-ins are known again.
pub const PLACES_MAX: usize = 20;
/// So many are told at once; the rest is a number.
const TOLD_MAX: usize = 3;
/// Fewer wrong tries than this are listed but not told: whoever types makes mistakes.
pub const WRONG_TRIES_TOLD: u32 = 3;

/// One thing that happened, in words and with what is known of where it came from.
#[derive(Clone, Debug)]
pub struct HappeningView {
    pub at: Moment,
    pub words: String,
    /// Both empty when somebody else did it.
    pub device: String,
    pub address: String,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    PasswordChanged,
    AppSetUp,
    AppRemoved,
    PasskeySetUp(String),
    PasskeyRemoved(String),
    RecoveryCodesMade,
    RecoveryCodeUsed,
    FactorsReset,
    NewPlace,
    WrongTries(u32),
    SignOnLinked,
    SignOnRemoved,
}

#[derive(Clone, Serialize, Deserialize)]
struct Happening {
    at: Moment,
    what: What,
    device: String,
    address: String,
    told: bool,
}

/// Where somebody signed in before.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Place {
    device: String,
    network: String,
}

/// Bounded; the oldest first.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Lately {
    happenings: Vec<Happening>,
    places: Vec<Place>,
    signed_in_at: Option<Moment>,
    /// Wrong passwords since then, before a right one.
    wrong_tries: u32,
}

/// Who changed something, as far as the owner is told.
pub(crate) struct Doer {
    pub at: Moment,
    /// Empty when it was somebody else.
    pub device: String,
    pub address: String,
}

impl What {
    fn words(&self) -> String {
        match self {
            What::PasswordChanged => "The password was changed".to_owned(),
            What::AppSetUp => "An authenticator app was set up".to_owned(),
            What::AppRemoved => "The authenticator app was removed".to_owned(),
            What::PasskeySetUp(name) => format!("The passkey “{name}” was set up"),
            What::PasskeyRemoved(name) => format!("The passkey “{name}” was removed"),
            What::RecoveryCodesMade => "New recovery codes were made".to_owned(),
            What::RecoveryCodeUsed => "A recovery code was used".to_owned(),
            What::FactorsReset => "An administrator reset the second factor".to_owned(),
            What::NewPlace => "First sign-in from this device or network".to_owned(),
            What::SignOnLinked => "Single sign-on was linked".to_owned(),
            What::SignOnRemoved => "The link to single sign-on was removed".to_owned(),
            What::WrongTries(1) => "One wrong try to sign in".to_owned(),
            What::WrongTries(count) => format!("{count} wrong tries to sign in"),
        }
    }
}

impl Happening {
    fn view(&self) -> HappeningView {
        HappeningView { at: self.at, words: self.what.words(), device: self.device.clone(), address: self.address.clone() }
    }
    fn told_words(&self) -> String {
        let place = if self.address.is_empty() { String::new() } else { format!(" ({}, {})", self.device, self.address) };
        format!("{} on {}{place}.", self.what.words(), self.at.staff())
    }
}

impl Lately {
    /// When the owner last signed in.
    pub(crate) fn signed_in_at(&self) -> Option<Moment> {
        self.signed_in_at
    }
    /// Wrong passwords that a right one was found after.
    pub(super) fn wrong_tries(&mut self, more: u32) {
        self.wrong_tries = self.wrong_tries.saturating_add(more);
    }
    /// Newest first.
    pub(crate) fn views(&self) -> Vec<HappeningView> {
        self.happenings.iter().rev().map(Happening::view).collect()
    }
    fn push(&mut self, what: What, by: &Doer, told: bool) {
        self.happenings.push(Happening { at: by.at, what, device: by.device.clone(), address: by.address.clone(), told });
        let over = self.happenings.len().saturating_sub(HAPPENINGS_MAX);
        self.happenings.drain(..over);
    }
    /// What the owner has not been told yet; it counts as told from now on.
    fn tell(&mut self) -> Option<String> {
        let mut untold: Vec<String> = self.happenings.iter().filter(|happening| !happening.told).map(Happening::told_words).collect();
        self.happenings.iter_mut().for_each(|happening| happening.told = true);
        let more = untold.len().saturating_sub(TOLD_MAX);
        untold.truncate(TOLD_MAX);
        if untold.is_empty() {
            return None;
        }
        if more > 0 {
            untold.push(format!("{more} more stand under Security and sessions."));
        }
        let words = untold.join(" ");
        Some(format!("Since you last signed in: {words} If that was not you, change your password and tell your privacy officer."))
    }
}

impl Credentials {
    /// These, to be written after `old`, with what changed between the two.
    pub(super) fn after(&self, old: &Credentials, by: &Doer) -> Self {
        let mut next = self.clone();
        // Whoever sets the first factor up is just signing in for the first time.
        let first = !old.has_factor();
        for what in changes(old, self) {
            let told = first || what == What::FactorsReset;
            next.lately.push(what, by, told);
        }
        next
    }

    /// With a link to the provider that was made or removed, which stands in the account.
    pub(super) fn noting_link(&self, linked: bool, by: &Doer) -> Self {
        let mut next = self.clone();
        next.lately.push(if linked { What::SignOnLinked } else { What::SignOnRemoved }, by, false);
        next
    }

    /// After a sign-in, and what its owner is to be told. `wrong`: wrong tries since the
    /// one before, those aside that were noted already.
    pub(super) fn greeted(&self, visit: &Visit, wrong: u32) -> (Self, Option<String>) {
        let mut next = self.clone();
        let nowhere = Doer { at: visit.now, device: String::new(), address: String::new() };
        let wrong = std::mem::take(&mut next.lately.wrong_tries).saturating_add(wrong);
        if wrong > 0 {
            next.lately.push(What::WrongTries(wrong), &nowhere, wrong < WRONG_TRIES_TOLD);
        }
        let told = next.lately.tell();
        let place = Place { device: visit.device.clone(), network: network(&visit.address) };
        let known = next.lately.places.contains(&place);
        if !known && !next.lately.places.is_empty() {
            let here = Doer { device: visit.device.clone(), address: visit.address.clone(), ..nowhere };
            // Told at the next sign-in, which is its owner's if this one is not.
            next.lately.push(What::NewPlace, &here, false);
        }
        next.lately.places.retain(|held| *held != place);
        next.lately.places.push(place);
        let over = next.lately.places.len().saturating_sub(PLACES_MAX);
        next.lately.places.drain(..over);
        next.lately.signed_in_at = Some(visit.now);
        (next, told)
    }
}

fn changes(old: &Credentials, new: &Credentials) -> Vec<What> {
    if old.has_factor() && !new.has_factor() {
        return vec![What::FactorsReset];
    }
    let mut changes = Vec::new();
    if new.password_changed_at != old.password_changed_at {
        changes.push(What::PasswordChanged);
    }
    match (&old.totp, &new.totp) {
        (Some(_), None) => changes.push(What::AppRemoved),
        (old, Some(new)) if old.as_ref().is_none_or(|old| old.secret != new.secret) => changes.push(What::AppSetUp),
        _ => {}
    }
    let lacking = |held: &Credentials, id| held.passkeys.iter().all(|passkey| passkey.id != id);
    changes.extend(new.passkeys.iter().filter(|key| lacking(old, key.id)).map(|key| What::PasskeySetUp(key.name.clone())));
    changes.extend(old.passkeys.iter().filter(|key| lacking(new, key.id)).map(|key| What::PasskeyRemoved(key.name.clone())));
    if !new.recovery.is_same_set(&old.recovery) {
        changes.push(What::RecoveryCodesMade);
    } else if new.recovery.left() < old.recovery.left() {
        changes.push(What::RecoveryCodeUsed);
    }
    changes
}
