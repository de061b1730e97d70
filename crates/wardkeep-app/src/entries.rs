//! Entries of a chart that people write, amend and void: what records and stroke assessments share.
//!
//! An id is always looked up within its patient, and a change always names the version it was
//! made from.

use serde::Serialize;
use serde::de::DeserializeOwned;
use wardkeep_domain::PatientId;
use wardkeep_ledger::{Class, Receipt};
use wardkeep_policy::{Action, Facts, Permit};
use wardkeep_store::{DocId, Document, Kind, Term};
use wardkeep_vault::PatientKey;

use crate::act::{Act, Side};
use crate::integrity::Sealed;
use crate::patients::PatientView;
use crate::{App, Ctx, Error, Result, kinds};

/// Something written in a chart, in versions.
pub(crate) trait Entry: Serialize + DeserializeOwned {
    const KIND: Kind;
    /// Needs a permission besides the care relationship.
    fn is_marked(&self) -> bool {
        false
    }
}

/// The current version of an entry, for somebody who may write the next one.
pub(crate) struct Changing {
    pub permit: Permit,
    pub key: PatientKey,
    pub document: Document,
}

/// What is about to be shown of a chart: named in one event, with the banner.
pub(crate) struct Disclosed {
    pub key: PatientKey,
    pub banner: PatientView,
    pub documents: Vec<Document>,
    pub receipt: Receipt,
}

impl App {
    /// Names the banner and these documents in one event, then opens the banner.
    pub(crate) async fn disclose_entries(
        &self,
        ctx: &Ctx,
        permit: &Permit,
        key: PatientKey,
        documents: Vec<Document>,
        part: &str,
    ) -> Result<Disclosed> {
        let banner = self.patient_document(&key).await?;
        let banner = Sealed::new(&key, &banner);
        let sealed = Sealed::all(&key, &documents);
        let receipt = self.disclose(ctx, Class::RecordRead, permit, &key, std::iter::once(&banner).chain(&sealed), part).await?;
        let banner = self.patient_view(ctx, banner, &receipt).await?;
        Ok(Disclosed { key, banner, documents, receipt })
    }

    /// Every version of a document of this patient, oldest first; `NotFound` when it is another's.
    pub(crate) async fn versions_of(&self, kind: Kind, id: DocId, key: &PatientKey) -> Result<Vec<Document>> {
        let versions = self.records.history(kind, id).await?;
        let foreign = versions.iter().any(|document| document.owner.0 != key.owner());
        if versions.is_empty() || foreign { Err(Error::NotFound) } else { Ok(versions) }
    }

    /// Permission to change an entry, which may depend on who wrote it.
    pub(crate) async fn changing<T: Entry>(&self, ctx: &Ctx, action: Action, patient: PatientId, id: DocId) -> Result<Changing> {
        let found = self.records.get(T::KIND, id).await?.filter(|document| document.owner.0 == patient.bytes());
        let mut author = None;
        if let Some(document) = &found {
            author = self.own_entry(ctx, patient, document).await;
        }
        let marked = self.hidden(ctx, T::KIND, patient).await?.contains(&id);
        let permit = self.permit_chart_with(ctx, action, patient, author, |facts| Facts { marked, ..facts }).await?;
        let document = found.ok_or(Error::NotFound)?;
        Ok(Changing { permit, key: self.patient_key(patient, ctx.now()).await?, document })
    }

    /// Opens the version that is to be followed by another one. That is a disclosure too.
    pub(crate) async fn before_change<T: Entry>(&self, ctx: &Ctx, changing: &Changing, seen: &str) -> Result<T> {
        let Changing { permit, key, document } = changing;
        if seen.parse() != Ok(document.version.0) {
            return Err(Error::Conflict { current: document.version.0 });
        }
        let receipt = self.disclose(ctx, Class::RecordRead, permit, key, [&Sealed::new(key, document)], "before a change").await?;
        Ok(self.open_patient_doc::<T>(kinds::RECORDS, key, document, &receipt)?.body)
    }

    /// What finds an entry: its patient, and whether it is a marked one.
    pub(crate) fn entry_terms<T: Entry>(&self, patient: PatientId, entry: &T) -> Vec<Term> {
        let marked = entry.is_marked().then(|| self.marked_term(T::KIND, patient));
        std::iter::once(self.patient_parts_term(T::KIND, patient)).chain(marked).collect()
    }

    pub(crate) async fn put_next<T: Entry>(&self, ctx: &Ctx, class: Class, changing: &Changing, entry: &T, reason: String) -> Result<()> {
        let Changing { permit, key, document } = changing;
        let mut act = Act::by(self, Side::Records, ctx, class).permit(permit).subject(key).detail("reason", reason);
        let terms = self.entry_terms(PatientId::from_bytes(key.owner()), entry);
        act.put_patient(key, T::KIND, document.id, document.version.next().0, entry, terms, Vec::new())?;
        act.commit().await.map(|_| ())
    }
}
