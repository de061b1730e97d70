//! Medical records: written, read, amended, voided.

use wardkeep_domain::record::{Record, RecordForm, RecordRefusal, RecordState};
use wardkeep_domain::{AccountId, FieldErrors, PatientId, RecordId};
use wardkeep_ledger::{Class, Receipt};
use wardkeep_policy::{Action, Facts};
use wardkeep_store::{DocId, Document, Find, Kind, Seq};

use crate::accounts::{PAGE, Page};
use crate::act::{Act, Side};
use crate::entries::{Disclosed, Entry};
use crate::integrity::{Badge, Proof, Sealed, Shown};
use crate::patients::PatientView;
use crate::{App, Ctx, Error, Result, kinds};

/// A record as shown. `record` is `None` when the check failed and nothing can be opened.
#[derive(Clone)]
pub struct RecordView {
    pub id: RecordId,
    pub record: Option<Record>,
    pub version: u64,
    pub author: String,
    pub written_by: String,
    pub badge: Badge,
}

/// One record with its versions and proof.
#[derive(Clone)]
pub struct RecordDetail {
    pub patient: PatientView,
    pub current: RecordView,
    /// Oldest first.
    pub versions: Vec<RecordView>,
    pub proof: Proof,
}

impl App {
    /// Sealed records of a patient, newest first, and the cursor for more.
    pub(crate) async fn sealed_records(&self, patient: PatientId, after: Option<u64>, most: usize) -> Result<(Vec<Document>, Option<u64>)> {
        let all_of = vec![self.patient_parts_term(kinds::RECORD, patient)];
        let query = Find { kind: kinds::RECORD, all_of, before: after.map(Seq), since: None, limit: most.saturating_add(1) };
        let mut documents = self.records.find(&query).await?;
        let more = documents.len() > most;
        documents.truncate(most);
        let next = if more { documents.last().map(|document| document.seq.0) } else { None };
        Ok((documents, next))
    }

    /// Opens records under a receipt, with names and badges.
    pub(crate) async fn record_views(&self, ctx: &Ctx, records: &[Sealed<'_>], receipt: &Receipt) -> Result<Vec<RecordView>> {
        let shown = self.shown_records(ctx, records, receipt).await?;
        self.with_names(shown.into_iter().map(|(view, _)| view).collect::<Vec<_>>()).await
    }

    async fn shown_records(&self, ctx: &Ctx, records: &[Sealed<'_>], receipt: &Receipt) -> Result<Vec<(RecordView, Shown<()>)>> {
        let shown = self.show::<Record>(ctx, Side::Records, records, receipt).await?;
        Ok(shown
            .into_iter()
            .map(|shown| {
                let (shown, record) = shown.split();
                let view = RecordView {
                    id: RecordId::from_bytes(shown.id.0),
                    record,
                    version: shown.version,
                    author: String::new(),
                    written_by: String::new(),
                    badge: shown.badge,
                };
                (view, shown)
            })
            .collect())
    }

    async fn with_names(&self, mut views: Vec<RecordView>) -> Result<Vec<RecordView>> {
        let ids: Vec<AccountId> =
            views.iter().filter_map(|view| view.record.as_ref()).flat_map(|record| [record.author, record.written_by]).collect();
        let names = self.display_names(&ids).await?;
        let name = |id: AccountId| names.get(&id).cloned().unwrap_or_else(|| "Not known".to_owned());
        for view in &mut views {
            if let Some(record) = &view.record {
                view.author = name(record.author);
                view.written_by = name(record.written_by);
            }
        }
        Ok(views)
    }

    /// Newest first, with the banner's patient.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn list_records(&self, ctx: &Ctx, patient: PatientId, after: Option<u64>) -> Result<(PatientView, Page<RecordView>)> {
        let permit = self.permit_chart(ctx, Action::ReadRecord, patient, None).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let (mut documents, next) = self.sealed_records(patient, after, PAGE).await?;
        let hidden = self.hidden(ctx, kinds::RECORD, patient).await?;
        documents.retain(|document| !hidden.contains(&document.id));
        let Disclosed { key, banner, documents, receipt } = self.disclose_entries(ctx, &permit, key, documents, "list of records").await?;
        let banner = PatientView { hidden: hidden.len(), ..banner };
        Ok((banner, Page { items: self.record_views(ctx, &Sealed::all(&key, &documents), &receipt).await?, next }))
    }

    /// # Errors
    /// `NotFound`, `Denied`. The record must be the patient's.
    pub async fn read_record(&self, ctx: &Ctx, patient: PatientId, record: RecordId) -> Result<RecordDetail> {
        let marked = self.hidden(ctx, kinds::RECORD, patient).await?.contains(&DocId(record.bytes()));
        let permit = self.permit_chart_with(ctx, Action::ReadRecord, patient, None, |facts| Facts { marked, ..facts }).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let versions = self.versions_of(kinds::RECORD, DocId(record.bytes()), &key).await?;
        let Disclosed { key, banner, documents, receipt } = self.disclose_entries(ctx, &permit, key, versions, "record").await?;
        let shown = self.shown_records(ctx, &Sealed::all(&key, &documents), &receipt).await?;
        let proof = match shown.last() {
            Some((_, shown)) => self.proof_of(Side::Records, shown).await?,
            None => return Err(Error::NotFound),
        };
        let versions = self.with_names(shown.into_iter().map(|(view, _)| view).collect()).await?;
        let current = versions.last().cloned().ok_or(Error::NotFound)?;
        Ok(RecordDetail { patient: banner, current, versions, proof })
    }

    /// # Errors
    /// `Invalid`, `Denied`, `NotFound`.
    pub async fn write_record(&self, ctx: &Ctx, patient: PatientId, form: &RecordForm) -> Result<RecordId> {
        let permit = self.permit_chart(ctx, Action::WriteRecord, patient, None).await?;
        let text = form.parse(ctx.now())?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let id = RecordId::from_bytes(ctx.visit().new_id());
        let record = Record {
            id,
            patient,
            record_type: text.record_type,
            title: text.title,
            body: text.body,
            event_at: text.event_at,
            mark: text.mark.flatten(),
            state: RecordState::Signed,
            author: ctx.account_id(),
            written_by: ctx.account_id(),
            written_at: ctx.now(),
        };
        let mut act = Act::by(self, Side::Records, ctx, Class::RecordCreated).permit(&permit).subject(&key);
        act.put_patient(&key, kinds::RECORD, DocId(id.bytes()), 1, &record, self.entry_terms(patient, &record), Vec::new())?;
        act.commit().await?;
        Ok(id)
    }

    /// `form.version` is the version the writer saw.
    ///
    /// # Errors
    /// `Conflict` when it is not the current one, `Invalid`, `Refused` when voided.
    pub async fn amend_record(&self, ctx: &Ctx, patient: PatientId, record: RecordId, form: &RecordForm) -> Result<()> {
        let changing = self.changing::<Record>(ctx, Action::AmendRecord, patient, DocId(record.bytes())).await?;
        let mut errors = FieldErrors::new();
        let text = form.parse(ctx.now()).map_err(|found| errors.0.extend(found.0)).ok();
        let reason = errors.take(form.parse_reason());
        let (text, reason) = errors.into_result(text.zip(reason))?;
        let old: Record = self.before_change(ctx, &changing, &form.version).await?;
        let new = old.amend(text, reason.clone(), ctx.account_id(), ctx.now()).map_err(|refusal| refused(&refusal))?;
        self.put_next(ctx, Class::RecordAmended, &changing, &new, reason).await
    }

    /// # Errors
    /// As [`App::amend_record`].
    pub async fn void_record(&self, ctx: &Ctx, patient: PatientId, record: RecordId, form: &RecordForm) -> Result<()> {
        let changing = self.changing::<Record>(ctx, Action::VoidRecord, patient, DocId(record.bytes())).await?;
        let reason = form.parse_reason().map_err(|error| Error::Invalid(FieldErrors(vec![error])))?;
        let old: Record = self.before_change(ctx, &changing, &form.version).await?;
        let new = old.void(reason.clone(), ctx.account_id(), ctx.now()).map_err(|refusal| refused(&refusal))?;
        self.put_next(ctx, Class::RecordVoided, &changing, &new, reason).await
    }
}

impl Entry for Record {
    const KIND: Kind = kinds::RECORD;
    fn is_marked(&self) -> bool {
        self.mark.is_some()
    }
}

fn refused(refusal: &RecordRefusal) -> Error {
    Error::Refused(refusal.to_string())
}
