//! What proves an account: password hash, authenticator secret, passkeys, recovery codes.
//!
//! Sealed under a purpose of its own and opened only to compare. Never shown, never logged.

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use totp_rs::{Builder, Secret};
use wardkeep_domain::date::Moment;
use wardkeep_domain::{AccountId, PasskeyId};
use wardkeep_store::DocId;
use wardkeep_vault::Purpose;
use wardkeep_vault::vault::digest;
use zeroize::Zeroize;

use super::Next;
use super::lately::Lately;
use super::relying_party::Passkey;
use crate::act::Act;
use crate::envelope::Opened;
use crate::{App, Error, Result, Visit, kinds};

pub(crate) const RECOVERY_CODES: usize = 10;
/// Letters and digits that are not mistaken for each other (Crockford's 32).
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const STEP_S: u64 = 30;

/// The credentials of one account, as sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Credentials {
    /// Argon2id in PHC form; empty for an account that signs in through the provider alone.
    pub password: String,
    pub password_changed_at: Moment,
    pub totp: Option<Totp>,
    /// Missing in documents written before there were any.
    #[serde(default)]
    pub passkeys: Vec<Passkey>,
    pub recovery: Recovery,
    /// Missing in documents written before it was kept.
    #[serde(default)]
    pub lately: Lately,
}

/// An authenticator app.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Totp {
    pub secret: [u8; 20],
    /// The newest time step that was used: it and all before it no longer count.
    pub last_step: u64,
    pub enrolled_at: Moment,
}

impl Drop for Totp {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// Hashes of the recovery codes that are left.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Recovery {
    salt: [u8; 16],
    hashes: Vec<[u8; 32]>,
}

/// The generator as authenticator apps know it: SHA-1, 6 digits, 30 seconds, one step either way.
fn generator(secret: [u8; 20]) -> Result<totp_rs::Totp> {
    Builder::new().with_secret(secret).build().map_err(|error| Error::Internal(format!("one-time codes: {error}")))
}

fn seconds(now: Moment) -> u64 {
    u64::try_from(now.0).unwrap_or(0) / 1000
}

/// The time step of a code that is right now; `None` for a wrong one.
pub(crate) fn step_of(secret: [u8; 20], code: &str, now: Moment) -> Option<u64> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    generator(secret).ok()?.check(&code, seconds(now))
}

/// The code of a time step.
pub(crate) fn code_at(secret: [u8; 20], step: u64) -> Result<String> {
    Ok(generator(secret)?.generate(step.saturating_mul(STEP_S)).to_string())
}

/// The time step of a moment.
pub(crate) fn step_at(now: Moment) -> u64 {
    seconds(now) / STEP_S
}

/// Base32 of a secret, as authenticator apps take it.
pub(crate) fn base32(secret: [u8; 20]) -> String {
    Secret::from(secret).to_base32()
}

/// Random letters, 5 bits each.
pub(crate) fn letters<const N: usize>(visit: &Visit) -> String {
    visit.entropy.bytes::<N>().iter().filter_map(|byte| LETTERS.get(usize::from(byte & 31))).map(|letter| char::from(*letter)).collect()
}

/// A typed code without what people add or mistake: blanks, hyphens, capitals, `o`, `i`, `l`.
pub(crate) fn plain_code(typed: &str) -> String {
    let plain = typed.chars().take(64).filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase());
    plain
        .map(|c| match c {
            'o' => '0',
            'i' | 'l' => '1',
            c => c,
        })
        .collect()
}

impl Recovery {
    /// Ten new codes of six groups of four letters, and what is kept of them. Each has 120 bits: a
    /// plain hash keeps what nobody can guess (OWASP ASVS 5.0, 6.5.2: from 112 bits on).
    pub(crate) fn new(visit: &Visit) -> (Self, Vec<String>) {
        let salt = visit.entropy.bytes::<16>();
        let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| [(); 6].map(|()| letters::<4>(visit)).join("-")).collect();
        let hashes = codes.iter().map(|code| Self::hash(&salt, code)).collect();
        (Self { salt, hashes }, codes)
    }
    fn hash(salt: &[u8; 16], code: &str) -> [u8; 32] {
        digest(&[salt.as_slice(), plain_code(code).as_bytes()].concat())
    }
    pub(crate) fn left(&self) -> usize {
        self.hashes.len()
    }
    /// Drawn together, whether or not some were used.
    pub(super) fn is_same_set(&self, other: &Self) -> bool {
        self.salt == other.salt
    }
    /// What is left after using the code; `None` when it is none of them.
    pub(crate) fn without(&self, code: &str) -> Option<Self> {
        let given = Self::hash(&self.salt, code);
        let hashes: Vec<[u8; 32]> = self.hashes.iter().filter(|hash| !bool::from(hash.ct_eq(&given))).copied().collect();
        (hashes.len() < self.hashes.len()).then_some(Self { salt: self.salt, hashes })
    }
}

impl Credentials {
    pub(crate) fn new(password: String, now: Moment) -> Self {
        Self {
            password,
            password_changed_at: now,
            totp: None,
            passkeys: Vec::new(),
            recovery: Recovery::default(),
            lately: Lately::default(),
        }
    }
    /// The hash to compare a typed password with.
    pub(crate) fn password(&self) -> Option<String> {
        self.has_password().then(|| self.password.clone())
    }
    pub(crate) fn has_password(&self) -> bool {
        !self.password.is_empty()
    }
    /// The credentials after a right code from the app; `None` for a wrong or used one.
    pub(crate) fn use_code(&self, code: &str, now: Moment) -> Option<Self> {
        let totp = self.totp.as_ref()?;
        let step = step_of(totp.secret, code, now).filter(|step| *step > totp.last_step)?;
        let totp = Totp { secret: totp.secret, last_step: step, enrolled_at: totp.enrolled_at };
        Some(Self { totp: Some(totp), ..self.clone() })
    }
    /// The credentials after a right recovery code; `None` for a wrong or used one.
    pub(crate) fn use_recovery(&self, code: &str) -> Option<Self> {
        Some(Self { recovery: self.recovery.without(code)?, ..self.clone() })
    }
    /// With a proven authenticator app and new recovery codes.
    pub(crate) fn enrolled(&self, secret: [u8; 20], step: u64, recovery: Recovery, now: Moment) -> Self {
        Self { totp: Some(Totp { secret, last_step: step, enrolled_at: now }), recovery, ..self.clone() }
    }
    /// Without second factor and recovery codes.
    pub(crate) fn without_factor(&self) -> Self {
        Self { totp: None, passkeys: Vec::new(), recovery: Recovery::default(), ..self.clone() }
    }
    /// Is anything set up beside the password? A passkey that is not accepted any more counts: else
    /// whoever copied it could set up a factor of their own with the password.
    pub(crate) fn has_factor(&self) -> bool {
        self.totp.is_some() || !self.passkeys.is_empty()
    }
    /// What follows the password.
    pub(crate) fn next(&self) -> Next {
        match (&self.totp, self.has_factor()) {
            (Some(_), _) => Next::Code,
            (None, true) => Next::Passkey,
            (None, false) => Next::Enrol,
        }
    }
    /// Can its owner sign in with what is left?
    fn is_enough(&self) -> bool {
        self.totp.is_some() || self.passkeys.iter().any(Passkey::is_usable)
    }
    /// With this passkey, which takes the place of the one with its id.
    pub(crate) fn with_passkey(&self, passkey: Passkey) -> Self {
        let mut with = self.clone();
        match with.passkeys.iter_mut().find(|held| held.id == passkey.id) {
            Some(held) => *held = passkey,
            None => with.passkeys.push(passkey),
        }
        with
    }
    /// `None` when nothing would be left to sign in with.
    pub(crate) fn without_passkey(&self, id: PasskeyId) -> Option<Self> {
        let mut without = self.clone();
        without.passkeys.retain(|held| held.id != id);
        Some(without).filter(Self::is_enough)
    }
    /// `None` when nothing would be left to sign in with.
    pub(crate) fn without_app(&self) -> Option<Self> {
        Some(Self { totp: None, ..self.clone() }).filter(Self::is_enough)
    }
}

impl App {
    pub(crate) async fn credentials(&self, account: AccountId) -> Result<Option<Opened<Credentials>>> {
        let document = self.control.get(kinds::CREDENTIALS, DocId(account.bytes())).await?;
        document.map(|document| self.open_own_doc(kinds::CONTROL, Purpose::Credentials, &document)).transpose()
    }
    /// Writes the version after `old`; `None` for the first. What changed is noted for the owner.
    pub(crate) fn put_credentials(
        &self,
        act: &mut Act<'_>,
        account: AccountId,
        old: Option<&Opened<Credentials>>,
        credentials: &Credentials,
    ) -> Result<()> {
        let current = old.map_or(0, |old| old.version);
        let credentials = old.map_or_else(|| credentials.clone(), |old| credentials.after(&old.body, &act.doer(account)));
        act.put_own(
            Purpose::Credentials,
            kinds::CREDENTIALS,
            DocId(account.bytes()),
            current.saturating_add(1),
            &credentials,
            Vec::new(),
            Vec::new(),
        )
    }
    /// Every sign-in writes the credentials: a change that expects them lets none slip in between.
    pub(crate) async fn expect_credentials(&self, act: &mut Act<'_>, account: AccountId) -> Result<()> {
        let id = DocId(account.bytes());
        let version = self.control.get(kinds::CREDENTIALS, id).await?.map_or(0, |document| document.version.0);
        act.expect(kinds::CREDENTIALS, id, version);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enrolled() -> Credentials {
        Credentials::new(String::new(), Moment(0)).enrolled(*b"12345678901234567890", 0, Recovery::default(), Moment(0))
    }

    // ASVS 6.5.5
    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B gives eight digits for SHA-1; authenticator apps show the last six.
        let secret = *b"12345678901234567890";
        for (time_s, code) in [(59u64, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert_eq!(code_at(secret, time_s / 30).unwrap(), code);
        }
    }

    // ASVS 6.5.1, 6.5.5
    #[test]
    fn a_time_step_counts_once_and_takes_the_earlier_ones_with_it() {
        let now = Moment(1_111_111_109_000);
        let step = step_at(now);
        let secret = *b"12345678901234567890";
        let used = enrolled().use_code(&code_at(secret, step).unwrap(), now).unwrap();
        assert!(used.use_code(&code_at(secret, step).unwrap(), now).is_none());
        assert!(used.use_code(&code_at(secret, step - 1).unwrap(), now).is_none());
        assert!(used.use_code(&code_at(secret, step + 1).unwrap(), now).is_some());
        assert!(used.use_code(&code_at(secret, step + 2).unwrap(), now).is_none());
    }

    #[test]
    fn credentials_written_before_there_were_passkeys_open_and_lead_to_a_code() {
        let mut older = serde_json::to_value(enrolled()).unwrap();
        older.as_object_mut().unwrap().remove("passkeys").unwrap();
        let opened: Credentials = serde_json::from_value(older).unwrap();
        assert_eq!((opened.passkeys.len(), opened.next()), (0, Next::Code));
    }

    #[test]
    fn the_last_way_to_sign_in_cannot_be_removed() {
        assert!(enrolled().without_app().is_none());
        assert_eq!(enrolled().without_factor().next(), Next::Enrol);
    }

    #[test]
    fn a_code_with_blanks_counts_and_one_with_a_sign_does_not() {
        let now = Moment(59_000);
        assert!(enrolled().use_code("287 082", now).is_some());
        for wrong in ["", "28708", "2870821", "+28708", "２87082"] {
            assert!(enrolled().use_code(wrong, now).is_none(), "{wrong}");
        }
    }
}
