//! Erasing a patient: key, search terms, documents, files, the account of their own.
//!
//! Two persons agree; the approval is used up in the commit that writes the **tombstone** in the control
//! store. From that commit on no node gives the patient's key to a request, so nothing is shown or
//! written. A request that had the key a moment before finds the tombstone of its own store, or is found
//! by the work that follows: documents and files are taken out of both stores, the key last, because
//! the events under it name every document. The work can be cut off anywhere and is done again by the
//! keeper until the tombstone says that it is finished. The log's leaves stay, so the log still
//! verifies; who was concerned can no longer be read from it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use wardkeep_domain::account::Account;
use wardkeep_domain::date::Moment;
use wardkeep_domain::{AccountId, PatientId};
use wardkeep_ledger::{Class, Discloses, Receipt};
use wardkeep_policy::{Action, Permit, Resource};
use wardkeep_store::{DocId, Document, Find, Kind, Seq};
use wardkeep_vault::{PatientKey, Purpose};

use crate::act::{Act, Side};
use crate::requests::Approval;
use crate::{App, Ctx, Error, Result, Visit, kinds};

/// Name of the job in the log.
const JOB: &str = "erasure";
/// Documents erased in one commit.
const AT_ONCE: usize = 500;
/// Unfinished erasures taken up in one go.
const UNFINISHED_MAX: usize = 20;

/// Stands where a patient was, in both stores: an opaque id and two moments, no more.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Tombstone {
    erased_at: Moment,
    /// When nothing was left.
    finished_at: Option<Moment>,
}

/// Documents and files of the patient in each store.
type Found = HashMap<Side, BTreeMap<Kind, BTreeSet<DocId>>>;

fn add(found: &mut Found, side: Side, kind: Kind, id: DocId) {
    found.entry(side).or_default().entry(kind).or_default().insert(id);
}

impl App {
    /// May the patient be erased? Gives the version of the hold that must still stand then.
    async fn not_held(&self, patient: PatientId) -> Result<u64> {
        match self.hold_of(patient).await? {
            Some(hold) if hold.body.lasts() => {
                let words = "This patient's record is on legal hold and cannot be erased. Ask the privacy officer who placed it.";
                Err(Error::Refused(words.to_owned()))
            }
            hold => Ok(hold.map_or(0, |hold| hold.version)),
        }
    }

    /// What must hold for the request to be made at all. Gives the version of the hold, as above.
    pub(crate) async fn may_be_erased(&self, ctx: &Ctx, patient: PatientId) -> Result<(Permit, u64)> {
        let permit = self.permit_chart(ctx, Action::ErasePatient, patient, None).await?;
        self.patient_key(patient, ctx.now()).await?;
        Ok((permit, self.not_held(patient).await?))
    }

    /// Erases the patient after a second person agreed. When it returns, nobody can read anything of
    /// them; should taking the rest out of the stores fail, it goes on by itself.
    pub(crate) async fn erase_patient_approved(&self, ctx: &Ctx, patient: PatientId, approval: &Approval) -> Result<()> {
        let (permit, hold) = self.may_be_erased(ctx, patient).await?;
        let act = Act::by(self, Side::Control, ctx, Class::PatientErased).permit(&permit).detail("step", "begun");
        let mut act = approval.consume(self, act.detail("patient", patient.to_string()))?;
        act.expect(kinds::LEGAL_HOLD, DocId(patient.bytes()), hold);
        self.put_tombstone(&mut act, Side::Control, patient, 0, ctx.now(), None)?;
        act.commit().await?;
        self.finish_or_later(ctx.visit(), patient).await;
        Ok(())
    }

    /// An erasure that cannot be finished now holds up nothing else.
    async fn finish_or_later(&self, visit: &Visit, patient: PatientId) {
        if let Err(error) = self.finish_erasure(visit, patient).await {
            tracing::warn!(%error, "an erasure is not finished; it goes on within a minute");
        }
    }

    fn put_tombstone(
        &self,
        act: &mut Act<'_>,
        side: Side,
        patient: PatientId,
        version: u64,
        erased_at: Moment,
        finished_at: Option<Moment>,
    ) -> Result<()> {
        let open = finished_at.is_none().then(|| self.exact_term(side.name(), kinds::TOMBSTONE, "state", b"open"));
        let (id, body) = (DocId(patient.bytes()), Tombstone { erased_at, finished_at });
        let version = version.saturating_add(1);
        act.put_own(Purpose::Staff, kinds::TOMBSTONE, id, version, &body, open.into_iter().collect(), Vec::new())
    }

    async fn tombstone(&self, side: Side, patient: PatientId) -> Result<Option<(u64, Tombstone)>> {
        let Some(document) = self.store(side).get(kinds::TOMBSTONE, DocId(patient.bytes())).await? else { return Ok(None) };
        let opened = self.open_own_doc(side.name(), Purpose::Staff, &document)?;
        Ok(Some((opened.version, opened.body)))
    }

    /// Patients whose erasure the store knows of since `after`, with the sequence to ask from next; for the
    /// list that a restore goes by.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn erased_since(&self, after: Seq) -> Result<(Vec<PatientId>, Seq)> {
        let documents = self.control.changed_since(Some(kinds::TOMBSTONE), after, AT_ONCE).await?;
        let next = documents.last().map_or(after, |document| document.seq);
        Ok((documents.iter().map(|document| PatientId::from_bytes(document.id.0)).collect(), next))
    }

    /// Replays erasures that a restored backup does not know of. Gives how many it did.
    ///
    /// # Errors
    /// `Unavailable`; what was done stays done, and doing it again goes on.
    pub async fn erase_again(&self, visit: &Visit, erased: &[PatientId]) -> Result<usize> {
        let ctx = self.job(visit, JOB);
        let mut done = 0;
        for &patient in erased {
            if self.tombstone(Side::Control, patient).await?.is_none() {
                let permit = self.permit(&ctx, Action::RunJob, Resource::Hospital).await?;
                let act = Act::by(self, Side::Control, &ctx, Class::PatientErased).permit(&permit).detail("step", "begun again");
                let mut act = act.detail("patient", patient.to_string());
                self.put_tombstone(&mut act, Side::Control, patient, 0, visit.now, None)?;
                act.commit().await?;
                done += 1;
            }
            self.finish_erasure(visit, patient).await?;
        }
        Ok(done)
    }

    /// Takes up erasures that were cut off. Called by the keeper.
    pub(crate) async fn finish_erasures(&self, visit: &Visit) -> Result<()> {
        let all_of = vec![self.exact_term(kinds::CONTROL, kinds::TOMBSTONE, "state", b"open")];
        let query = Find { kind: kinds::TOMBSTONE, all_of, before: None, since: None, limit: UNFINISHED_MAX };
        for document in self.control.find(&query).await? {
            self.finish_or_later(visit, PatientId::from_bytes(document.id.0)).await;
        }
        Ok(())
    }

    /// Everything after the tombstone. Each step finds out anew what is left to do.
    async fn finish_erasure(&self, visit: &Visit, patient: PatientId) -> Result<()> {
        let Some((version, Tombstone { erased_at, finished_at: None })) = self.tombstone(Side::Control, patient).await? else {
            return Ok(());
        };
        let ctx = self.job(visit, JOB);
        let permit = self.permit(&ctx, Action::RunJob, Resource::Hospital).await?;
        if self.tombstone(Side::Records, patient).await?.is_none() {
            let mut act = Act::by(self, Side::Records, &ctx, Class::PatientErased).permit(&permit).detail("step", "begun");
            self.put_tombstone(&mut act, Side::Records, patient, 0, erased_at, None)?;
            act.commit().await?;
        }
        let mut found = self.all_of_patient(&ctx, &permit, patient).await?;
        let records = found.remove(&Side::Records).unwrap_or_default();
        self.erase_found(&ctx, &permit, Side::Records, &records).await?;
        if let Some((version, Tombstone { finished_at: None, .. })) = self.tombstone(Side::Records, patient).await? {
            let mut act = Act::by(self, Side::Records, &ctx, Class::PatientErased).permit(&permit).detail("step", "finished");
            self.put_tombstone(&mut act, Side::Records, patient, version, erased_at, Some(visit.now))?;
            act.commit().await?;
        }
        let mut control = found.remove(&Side::Control).unwrap_or_default();
        for account in control.remove(&kinds::ACCOUNT).unwrap_or_default() {
            self.forget_in_account(&ctx, &permit, patient, AccountId::from_bytes(account.0)).await?;
        }
        control.remove(&kinds::PATIENT_KEY);
        self.erase_found(&ctx, &permit, Side::Control, &control).await?;
        // The key goes last: without it nothing could tell what else there was.
        let mut act = Act::by(self, Side::Control, &ctx, Class::KeyShredded).permit(&permit).detail("key", "patient");
        act.erase(kinds::PATIENT_KEY, DocId(patient.bytes()));
        self.put_tombstone(&mut act, Side::Control, patient, version, erased_at, Some(visit.now))?;
        act.commit().await?;
        self.keys.forget_all();
        for side in Side::BOTH {
            self.store(side).purge().await?;
        }
        Ok(())
    }

    /// Every document that an event about the patient wrote, and what their terms find.
    async fn all_of_patient(&self, ctx: &Ctx, permit: &Permit, patient: PatientId) -> Result<Found> {
        let mut found = Found::new();
        let id = DocId(patient.bytes());
        add(&mut found, Side::Control, kinds::LEGAL_HOLD, id);
        for kind in [kinds::PATIENT, kinds::CARE_TEAM] {
            add(&mut found, Side::Records, kind, id);
        }
        for kind in [kinds::RECORD, kinds::DOCUMENT, kinds::ASSESSMENT, kinds::QUESTION] {
            self.add_by_term(&mut found, Side::Records, kind, "patient", patient).await?;
        }
        let files: Vec<DocId> = found.get(&Side::Records).and_then(|of| of.get(&kinds::DOCUMENT)).into_iter().flatten().copied().collect();
        files.into_iter().for_each(|file| add(&mut found, Side::Records, kinds::BLOB, file));
        for field in ["patient", "proxy"] {
            self.add_by_term(&mut found, Side::Control, kinds::ACCOUNT, field, patient).await?;
        }
        let key = match self.key_to_erase(patient, ctx.now()).await {
            Ok(key) => key,
            // Gone already, or damaged: the terms have to do.
            Err(Error::NotFound | Error::Integrity) => return Ok(found),
            Err(error) => return Err(error),
        };
        let act = Act::by(self, Side::Records, ctx, Class::JobRun).permit(permit);
        let receipt = act.discloses(Discloses::Owners(vec![patient.bytes()])).detail("job", JOB).commit().await?;
        for side in Side::BOTH {
            self.add_by_events(&mut found, side, &key, &receipt).await?;
        }
        Ok(found)
    }

    /// Every current document under a term, in portions.
    async fn each_under(&self, side: Side, kind: Kind, field: &str, patient: PatientId, mut each: impl FnMut(&Document)) -> Result<()> {
        let term = self.exact_term(side.name(), kind, field, &patient.bytes());
        let mut before = None;
        loop {
            let query = Find { kind, all_of: vec![term], before, since: None, limit: AT_ONCE };
            let documents = self.store(side).find(&query).await?;
            documents.iter().for_each(&mut each);
            match documents.last() {
                Some(last) if documents.len() == AT_ONCE => before = Some(last.seq),
                _ => return Ok(()),
            }
        }
    }

    async fn add_by_term(&self, found: &mut Found, side: Side, kind: Kind, field: &str, patient: PatientId) -> Result<()> {
        self.each_under(side, kind, field, patient, |document| add(found, side, kind, document.id)).await
    }

    async fn add_by_events(&self, found: &mut Found, side: Side, key: &PatientKey, receipt: &Receipt) -> Result<()> {
        self.each_under(side, kinds::EVENT, "subject", PatientId::from_bytes(key.owner()), |event| {
            // A list that showed the patient among others wrote nothing of theirs. One that was tampered
            // with does not stop the erasure: `verify --records` tells of it.
            if event.owner.0 == key.owner()
                && let Ok(Some(part)) = self.open_subject_part(side, key, event, receipt)
            {
                let wrote = part.about.named.iter().filter(|named| named.wrote);
                wrote.for_each(|named| add(found, side, Kind(named.kind), DocId(named.id)));
            }
        })
        .await
    }

    /// Erases documents and files, a bounded number in each commit; what is gone already is left out.
    async fn erase_found(&self, ctx: &Ctx, permit: &Permit, side: Side, found: &BTreeMap<Kind, BTreeSet<DocId>>) -> Result<()> {
        for (&kind, ids) in found {
            let ids: Vec<DocId> = ids.iter().copied().collect();
            for ids in ids.chunks(AT_ONCE) {
                let mut left = Vec::with_capacity(ids.len());
                if kind == kinds::BLOB {
                    for id in ids {
                        left.extend(self.store(side).inspection().blob(*id).await?.map(|_| *id));
                    }
                } else {
                    left.extend(self.store(side).get_many(kind, ids).await?.iter().map(|document| document.id));
                }
                if left.is_empty() {
                    continue;
                }
                let act = Act::by(self, side, ctx, Class::PatientErased).permit(permit).detail("step", kinds::name(kind));
                let mut act = act.detail("count", left.len().to_string());
                for id in left {
                    if kind == kinds::BLOB { act.erase_blob(id) } else { act.erase(kind, id) }
                }
                act.commit().await?;
            }
        }
        Ok(())
    }

    /// The patient's own account goes, with what signs in to it. A proxy's account forgets the
    /// patient: its earlier versions named them, so it begins anew at its first.
    async fn forget_in_account(&self, ctx: &Ctx, permit: &Permit, patient: PatientId, id: AccountId) -> Result<()> {
        let Some(opened) = self.account(id).await? else { return Ok(()) };
        let mut act = Act::by(self, Side::Control, ctx, Class::PatientErased).permit(permit).detail("step", "account");
        act.expect(kinds::ACCOUNT, DocId(id.bytes()), opened.version);
        act.erase(kinds::ACCOUNT, DocId(id.bytes()));
        let own = opened.body.patient == Some(patient);
        let mut left = Account { patient: opened.body.patient.filter(|linked| *linked != patient), ..opened.body };
        left.proxies.retain(|proxy| proxy.patient != patient);
        if own && left.proxies.is_empty() {
            act.erase(kinds::CREDENTIALS, DocId(id.bytes()));
            for session in self.session_ids(id).await? {
                act.erase(kinds::SESSION, session);
            }
        } else {
            self.put_account(&mut act, 0, &left)?;
        }
        act.commit().await.map(|_| ())
    }
}
