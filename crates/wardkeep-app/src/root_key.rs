//! The root key: which one opens this hospital, since when, and a new one in its place.
//!
//! A new root key wraps the store key again; nothing else is sealed anew, so it takes one commit. The
//! one before still opens the hospital until it is retired: other nodes are given the new one
//! meanwhile, and a rotation that is cut off leaves a key file that works.

use serde::{Deserialize, Serialize};
use wardkeep_domain::date::Moment;
use wardkeep_ledger::Class;
use wardkeep_policy::{Action, Resource};
use wardkeep_store::{DocId, Document, Find, Owner, Store};
use wardkeep_vault::vault::digest;
use wardkeep_vault::{KeyProvider, ProviderError, Purpose, Vault};

use crate::act::{Act, Side};
use crate::posture::Line;
use crate::{App, Ctx, Error, Result, kinds};

/// The state below, and the store key under the root key of `wardkeep init`.
pub(crate) const FIRST: DocId = DocId([0; 16]);

/// Where the store key lies under a root key that came later: versions of a document stay, so each
/// root key has a document of its own, which goes when the key is retired.
fn place(id: &str) -> DocId {
    DocId(digest(&[b"store key under root key\0", id.as_bytes()].concat()).first_chunk().copied().unwrap_or_default())
}

/// A root key that is replaced and not yet retired.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Replaced {
    pub id: String,
    pub at: Moment,
}

/// As sealed; there is none before the first rotation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RootKey {
    pub id: String,
    pub since: Moment,
    pub before: Option<Replaced>,
}

fn provider_failed(error: ProviderError) -> Error {
    Error::Unavailable(error.to_string())
}

/// The store key as it lies under the root key with this id.
async fn wrapped(control: &dyn Store, id: &str) -> Result<Option<Document>> {
    match control.get(kinds::STORE_KEY, place(id)).await? {
        Some(found) => Ok(Some(found)),
        None => Ok(control.get(kinds::STORE_KEY, FIRST).await?),
    }
}

/// Opens the vault with the store key as it lies under this root key; `None` when there is no store
/// key at all.
pub(crate) async fn unlock(control: &dyn Store, provider: &dyn KeyProvider) -> Result<Option<Vault>> {
    if let Some(wrapped) = wrapped(control, &provider.key_id()).await? {
        return Vault::unlock(provider, &wrapped.sealed).map(Some).map_err(provider_failed);
    }
    let any = Find { kind: kinds::STORE_KEY, all_of: Vec::new(), before: None, since: None, limit: 1 };
    if control.find(&any).await?.is_empty() { Ok(None) } else { Err(provider_failed(ProviderError::WrongKey(provider.key_id()))) }
}

impl App {
    async fn root_state(&self) -> Result<(Option<RootKey>, u64)> {
        match self.control.get(kinds::ROOT_KEY, FIRST).await? {
            Some(document) => {
                let opened = self.open_own_doc::<RootKey>(kinds::CONTROL, Purpose::Staff, &document)?;
                Ok((Some(opened.body), opened.version))
            }
            None => Ok((None, 0)),
        }
    }

    /// `None` while the key of `wardkeep init` was never replaced.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn root_key(&self, ctx: &Ctx) -> Result<Option<RootKey>> {
        self.permit(ctx, Action::ManageKeys, Resource::Hospital).await?;
        Ok(self.root_state().await?.0)
    }

    /// Puts `new` in the place of `old`; both open the hospital until the old one is retired.
    ///
    /// # Errors
    /// `Denied`; `Refused` while an older one is not retired; `Unavailable` when `old` does not fit.
    pub async fn rotate_root(&self, ctx: &Ctx, old: &dyn KeyProvider, new: &dyn KeyProvider) -> Result<()> {
        let permit = self.permit(ctx, Action::ManageKeys, Resource::Hospital).await?;
        let (state, version) = self.root_state().await?;
        if let Some(before) = state.and_then(|state| state.before) {
            let words =
                "still opens this hospital, and there can be one such key: give every node the present one, then run “wardkeep key retire”";
            return Err(Error::Refused(format!("the root key {} {words}", before.id)));
        }
        let present = wrapped(self.control.as_ref(), &old.key_id()).await?.ok_or(Error::Integrity)?;
        let random = &mut |buffer: &mut [u8]| ctx.visit().entropy.fill(buffer);
        let again = Vault::wrap_again(old, new, &present.sealed, random).map_err(provider_failed)?;
        let state = RootKey { id: new.key_id(), since: ctx.now(), before: Some(Replaced { id: old.key_id(), at: ctx.now() }) };
        let mut act = Act::by(self, Side::Control, ctx, Class::KeyRotated)
            .permit(&permit)
            .detail("key", "root")
            .detail("from", old.key_id())
            .detail("to", new.key_id());
        act.expect(kinds::STORE_KEY, present.id, present.version.0);
        act.put_sealed(kinds::STORE_KEY, place(&new.key_id()), Owner::NONE, 1, again, Vec::new(), Vec::new());
        act.put_own(Purpose::Staff, kinds::ROOT_KEY, FIRST, version.saturating_add(1), &state, Vec::new(), Vec::new())?;
        act.commit().await.map(|_| ())
    }

    /// From now on the root key before opens nothing here. Refused to a node that has no other.
    ///
    /// # Errors
    /// `Denied`; `Refused` when there is none, or when it is the one that this node has.
    pub async fn retire_root(&self, ctx: &Ctx) -> Result<Replaced> {
        let permit = self.permit(ctx, Action::ManageKeys, Resource::Hospital).await?;
        let (state, version) = self.root_state().await?;
        if self.has_replaced_key(state.as_ref()) {
            return Err(Error::Refused("this node has the root key that is to be retired: give it the new one first".to_owned()));
        }
        let none = || Error::Refused("no root key waits to be retired: “wardkeep key rotate” makes a new one first".to_owned());
        let (state, retired) = state.and_then(|state| state.before.clone().map(|before| (state, before))).ok_or_else(none)?;
        let gone = wrapped(self.control.as_ref(), &retired.id).await?.ok_or_else(none)?;
        let mut act =
            Act::by(self, Side::Control, ctx, Class::KeyShredded).permit(&permit).detail("key", "root").detail("id", retired.id.clone());
        act.expect(kinds::STORE_KEY, gone.id, gone.version.0);
        act.erase(kinds::STORE_KEY, gone.id);
        let state = RootKey { before: None, ..state };
        act.put_own(Purpose::Staff, kinds::ROOT_KEY, FIRST, version.saturating_add(1), &state, Vec::new(), Vec::new())?;
        act.commit().await?;
        Ok(retired)
    }

    /// Logs that the root key was printed; what was printed is nowhere in this program.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn root_printed(&self, ctx: &Ctx, id: &str) -> Result<()> {
        let permit = self.permit(ctx, Action::ManageKeys, Resource::Hospital).await?;
        let act = Act::by(self, Side::Control, ctx, Class::Exported).permit(&permit).detail("what", "root key, as shares on paper");
        act.detail("id", id).commit().await.map(|_| ())
    }

    /// Was another root key put in the place of the one that this node has?
    fn has_replaced_key(&self, state: Option<&RootKey>) -> bool {
        state.is_some_and(|state| state.id != self.root_id)
    }

    pub(crate) async fn root_line(&self) -> Result<Line> {
        let what = "Root key";
        let state = self.root_state().await?.0;
        if self.has_replaced_key(state.as_ref()) {
            let fix = "Copy root.key from the node on which “wardkeep key rotate” was run, and restart.";
            return Ok(Line::warning(what, "This node has the key that was replaced.", fix));
        }
        Ok(match state {
            None => Line::ok(what, "As made by “wardkeep init”."),
            Some(RootKey { id, since, before: None }) => Line::ok(what, format!("{id}, since {}.", since.staff())),
            Some(RootKey { before: Some(before), .. }) => {
                let words = format!("{} was replaced on {} and still opens this hospital.", before.id, before.at.staff());
                Line::warning(what, words, "Once every node has the new one, run: wardkeep key retire")
            }
        })
    }
}
