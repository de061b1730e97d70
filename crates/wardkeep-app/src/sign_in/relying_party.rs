//! The site as passkeys know it (WebAuthn's "relying party"), and what its answers prove.
//!
//! Everything that parses or checks what an authenticator said is the library's. Here stands what
//! this product asks for: a passkey that its device finds by itself, that always checks the person
//! (PIN, finger, face), of any make; so one passkey is two factors.

use serde::{Deserialize, Serialize};
use wardkeep_domain::account::Account;
use wardkeep_domain::date::Moment;
use wardkeep_domain::{AccountId, PasskeyId};
use webauthn_rs::prelude::{
    Credential, CredentialID, DiscoverableAuthentication, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Url, Uuid,
    Webauthn, WebauthnBuilder, WebauthnError,
};
use webauthn_rs_proto::{AllowCredentials, PublicKeyCredentialDescriptor, ResidentKeyRequirement};

use crate::{Error, Result};

/// An answer of an authenticator is a few kilobytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A passkey as sealed with the account's credentials.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Passkey {
    pub id: PasskeyId,
    /// Given by its owner.
    pub name: String,
    pub credential: webauthn_rs::prelude::Passkey,
    pub added_at: Moment,
    pub last_used: Option<Moment>,
    /// Kept by a password manager or platform account, on several devices perhaps.
    pub backed_up: bool,
    /// Its signature counter went back then: not accepted since.
    pub suspect_since: Option<Moment>,
}

impl Passkey {
    pub(crate) fn is_usable(&self) -> bool {
        self.suspect_since.is_none()
    }
}

/// What the library must remember between question and answer.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Asked {
    New(PasskeyRegistration),
    Proof(DiscoverableAuthentication),
}

/// Why an answer proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// Signed by the right key, and its counter says that another copy of the key was used since.
    Copied,
    /// Why, for the log alone.
    Wrong(&'static str),
}

/// The site that passkeys are made for.
pub struct RelyingParty(Webauthn);

impl std::fmt::Debug for RelyingParty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RelyingParty")
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Internal(format!("passkeys: {error}"))
}

impl RelyingParty {
    /// `origin` as the browser names it. `None` where browsers refuse passkeys: the host is an
    /// address and not a name, or the connection is plain HTTP to another machine (WebAuthn
    /// level 3, section 5.1.2).
    #[must_use]
    pub fn of(origin: &str, hospital: &str) -> Option<Self> {
        let url = Url::parse(origin).ok()?;
        let host = url.domain()?;
        if url.scheme() != "https" && host != "localhost" {
            return None;
        }
        WebauthnBuilder::new(host, &url).ok()?.rp_name(hospital).build().ok().map(Self)
    }

    /// A new passkey for an account; `held` are those it has already.
    pub(crate) fn ask_new(&self, account: &Account, held: &[Passkey]) -> Result<(String, Asked)> {
        let user = Uuid::from_bytes(account.id.bytes());
        let (mut options, state) =
            self.0.start_passkey_registration(user, account.email.as_str(), &account.display_name, None).map_err(failed)?;
        if let Some(selection) = &mut options.public_key.authenticator_selection {
            selection.resident_key = Some(ResidentKeyRequirement::Required);
            selection.require_resident_key = true;
        }
        let known = |id: &CredentialID| PublicKeyCredentialDescriptor { type_: "public-key".to_owned(), id: id.clone(), transports: None };
        options.public_key.exclude_credentials = Some(held.iter().map(|passkey| known(passkey.credential.cred_id())).collect());
        Ok((serde_json::to_string(&options).map_err(failed)?, Asked::New(state)))
    }

    /// Proof by any passkey of the site, or by one of `held` alone.
    pub(crate) fn ask_proof(&self, held: &[Passkey]) -> Result<(String, Asked)> {
        let (mut options, state) = self.0.start_discoverable_authentication().map_err(failed)?;
        // Asked for by a button, not offered while somebody types.
        options.mediation = None;
        let known = |id: &CredentialID| AllowCredentials { type_: "public-key".to_owned(), id: id.clone(), transports: None };
        options.public_key.allow_credentials =
            held.iter().filter(|passkey| passkey.is_usable()).map(|passkey| known(passkey.credential.cred_id())).collect();
        Ok((serde_json::to_string(&options).map_err(failed)?, Asked::Proof(state)))
    }

    /// A passkey from the answer to [`RelyingParty::ask_new`]; `None` when it proves nothing, was
    /// made without checking the person, or does not stay on its device to be found again.
    pub(crate) fn take_new(&self, asked: &Asked, answer: &str, id: PasskeyId, name: String, now: Moment) -> Option<Passkey> {
        let Asked::New(state) = asked else { return None };
        let answer: RegisterPublicKeyCredential = parse(answer)?;
        if answer.extensions.cred_props.as_ref().is_some_and(|props| props.rk == Some(false)) {
            return None;
        }
        let credential = self.0.finish_passkey_registration(&answer, state).ok()?;
        let backed_up = Credential::from(credential.clone()).backup_state;
        Some(Passkey { id, name, credential, added_at: now, last_used: None, backed_up, suspect_since: None })
    }

    /// The passkey after this use, when the answer to [`RelyingParty::ask_proof`] proves it.
    pub(crate) fn judge(&self, asked: &Asked, answer: &Given, passkey: &Passkey, now: Moment) -> Result<Passkey, Refused> {
        let Asked::Proof(state) = asked else { return Err(Refused::Wrong("another question")) };
        match self.0.finish_discoverable_authentication_v2(&answer.0, state.clone(), &passkey.credential) {
            Ok(proof) if proof.user_verified() => {
                let mut used = Passkey { last_used: Some(now), backed_up: proof.backup_state(), ..passkey.clone() };
                used.credential.update_credential(&proof);
                Ok(used)
            }
            Err(WebauthnError::CredentialPossibleCompromise) => Err(Refused::Copied),
            Ok(_) | Err(WebauthnError::UserNotVerified) => Err(Refused::Wrong("person not checked by the passkey")),
            Err(_) => Err(Refused::Wrong("wrong answer of the passkey")),
        }
    }
}

/// An authenticator's answer, parsed and not yet believed.
pub(crate) struct Given(PublicKeyCredential);

fn parse<T: serde::de::DeserializeOwned>(answer: &str) -> Option<T> {
    (answer.len() <= ANSWER_BYTES_MAX).then(|| serde_json::from_str(answer).ok()).flatten()
}

impl Given {
    pub(crate) fn parse(answer: &str) -> Option<Self> {
        parse(answer).map(Self)
    }
    /// Whose passkey it says to be.
    pub(crate) fn account(&self) -> Option<AccountId> {
        self.0.get_user_unique_id().and_then(|handle| <[u8; 16]>::try_from(handle).ok()).map(AccountId::from_bytes)
    }
    pub(crate) fn credential(&self) -> &[u8] {
        self.0.get_credential_id()
    }
    /// Is it by this passkey, whatever it proves?
    pub(crate) fn is_by(&self, passkey: &Passkey) -> bool {
        passkey.credential.cred_id().as_slice() == self.credential()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_need_a_name_and_a_connection_that_nobody_reads() {
        for origin in ["https://records.example.org", "https://records.example.org:8443", "http://localhost:8080"] {
            assert!(RelyingParty::of(origin, "Northgate").is_some(), "{origin}");
        }
        for origin in ["http://127.0.0.1:8080", "https://192.0.2.1", "https://[2001:db8::1]", "http://records.example.org", "", "localhost"]
        {
            assert!(RelyingParty::of(origin, "Northgate").is_none(), "{origin}");
        }
    }
}
