//! Medical records: written, read, amended, voided.

use wardkeep_domain::record::{Record, RecordForm, RecordRefusal, RecordState};
use wardkeep_domain::{AccountId, FieldErrors, PatientId, RecordId};
use wardkeep_ledger::{Class, Receipt};
use wardkeep_policy::{Action, Permit};
use wardkeep_store::{DocId, Document, Find, Seq, Term};
use wardkeep_vault::PatientKey;

use crate::accounts::{PAGE, Page};
use crate::act::{Act, Side};
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
    fn record_term(&self, patient: PatientId) -> Term {
        self.exact_term(kinds::RECORDS, kinds::RECORD, "patient", &patient.bytes())
    }

    /// Sealed records of a patient, newest first, and the cursor for more.
    pub(crate) async fn sealed_records(&self, patient: PatientId, after: Option<u64>, most: usize) -> Result<(Vec<Document>, Option<u64>)> {
        let all_of = vec![self.record_term(patient)];
        let query = Find { kind: kinds::RECORD, all_of, before: after.map(Seq), since: None, limit: most.saturating_add(1) };
        let mut documents = self.records.find(&query).await?;
        let more = documents.len() > most;
        documents.truncate(most);
        let next = if more { documents.last().map(|document| document.seq.0) } else { None };
        Ok((documents, next))
    }

    /// Opens records under a receipt, with names and badges.
    pub(crate) async fn record_views(
        &self,
        ctx: &Ctx,
        key: &PatientKey,
        documents: &[Document],
        receipt: &Receipt,
    ) -> Result<Vec<RecordView>> {
        let shown = self.shown_records(ctx, key, documents, receipt).await?;
        self.with_names(shown.into_iter().map(|(view, _)| view).collect::<Vec<_>>()).await
    }

    async fn shown_records(
        &self,
        ctx: &Ctx,
        key: &PatientKey,
        documents: &[Document],
        receipt: &Receipt,
    ) -> Result<Vec<(RecordView, Shown<()>)>> {
        let sealed: Vec<Sealed<'_>> = documents.iter().map(|document| Sealed { key, document }).collect();
        let shown = self.show::<Record>(ctx, Side::Records, &sealed, receipt).await?;
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
        let banner = self.patient_document(&key).await?;
        let (documents, next) = self.sealed_records(patient, after, PAGE).await?;
        let named: Vec<&Document> = std::iter::once(&banner).chain(&documents).collect();
        let receipt = self.disclose(ctx, Class::RecordRead, &permit, &key, &named, "list of records").await?;
        let view = self.patient_view(ctx, &key, &banner, &receipt).await?;
        Ok((view, Page { items: self.record_views(ctx, &key, &documents, &receipt).await?, next }))
    }

    /// # Errors
    /// `NotFound`, `Denied`. The record must be the patient's.
    pub async fn read_record(&self, ctx: &Ctx, patient: PatientId, record: RecordId) -> Result<RecordDetail> {
        let permit = self.permit_chart(ctx, Action::ReadRecord, patient, None).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let versions = self.versions_of(kinds::RECORD, DocId(record.bytes()), &key).await?;
        let banner = self.patient_document(&key).await?;
        let named: Vec<&Document> = std::iter::once(&banner).chain(&versions).collect();
        let receipt = self.disclose(ctx, Class::RecordRead, &permit, &key, &named, "record").await?;
        let view = self.patient_view(ctx, &key, &banner, &receipt).await?;
        let shown = self.shown_records(ctx, &key, &versions, &receipt).await?;
        let proof = match shown.last() {
            Some((_, shown)) => self.proof_of(Side::Records, shown).await?,
            None => return Err(Error::NotFound),
        };
        let versions = self.with_names(shown.into_iter().map(|(view, _)| view).collect()).await?;
        let current = versions.last().cloned().ok_or(Error::NotFound)?;
        Ok(RecordDetail { patient: view, current, versions, proof })
    }

    /// Every version of a document of this patient, oldest first; `NotFound` when it is another's.
    pub(crate) async fn versions_of(&self, kind: wardkeep_store::Kind, id: DocId, key: &PatientKey) -> Result<Vec<Document>> {
        let versions = self.records.history(kind, id).await?;
        let foreign = versions.iter().any(|document| document.owner.0 != key.owner());
        if versions.is_empty() || foreign { Err(Error::NotFound) } else { Ok(versions) }
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
            state: RecordState::Signed,
            author: ctx.account_id(),
            written_by: ctx.account_id(),
            written_at: ctx.now(),
        };
        let mut act = Act::by(self, Side::Records, ctx, Class::RecordCreated).permit(&permit).subject(&key);
        act.put_patient(&key, kinds::RECORD, DocId(id.bytes()), 1, &record, vec![self.record_term(patient)], Vec::new())?;
        act.commit().await?;
        Ok(id)
    }

    /// `form.version` is the version the writer saw.
    ///
    /// # Errors
    /// `Conflict` when it is not the current one, `Invalid`, `Refused` when voided.
    pub async fn amend_record(&self, ctx: &Ctx, patient: PatientId, record: RecordId, form: &RecordForm) -> Result<()> {
        let (permit, key, document) = self.changing_record(ctx, Action::AmendRecord, patient, record).await?;
        let mut errors = FieldErrors::new();
        let text = form.parse(ctx.now()).map_err(|found| errors.0.extend(found.0)).ok();
        let reason = errors.take(form.parse_reason());
        let (text, reason) = errors.into_result(text.zip(reason))?;
        let old = self.record_before_change(ctx, &permit, &key, &document, &form.version).await?;
        let new = old.amend(text, reason.clone(), ctx.account_id(), ctx.now()).map_err(|refusal| refused(&refusal))?;
        self.put_next_record(ctx, Class::RecordAmended, &permit, &key, &document, &new, reason).await
    }

    /// # Errors
    /// As [`App::amend_record`].
    pub async fn void_record(&self, ctx: &Ctx, patient: PatientId, record: RecordId, form: &RecordForm) -> Result<()> {
        let (permit, key, document) = self.changing_record(ctx, Action::VoidRecord, patient, record).await?;
        let reason = form.parse_reason().map_err(|error| Error::Invalid(FieldErrors(vec![error])))?;
        let old = self.record_before_change(ctx, &permit, &key, &document, &form.version).await?;
        let new = old.void(reason.clone(), ctx.account_id(), ctx.now()).map_err(|refusal| refused(&refusal))?;
        self.put_next_record(ctx, Class::RecordVoided, &permit, &key, &document, &new, reason).await
    }

    /// Permission to change a record, which may depend on who wrote it.
    async fn changing_record(
        &self,
        ctx: &Ctx,
        action: Action,
        patient: PatientId,
        record: RecordId,
    ) -> Result<(Permit, PatientKey, Document)> {
        let found = self.records.get(kinds::RECORD, DocId(record.bytes())).await?.filter(|document| document.owner.0 == patient.bytes());
        let mut author = None;
        if let Some(document) = &found {
            author = self.own_entry(ctx, patient, document).await;
        }
        let permit = self.permit_chart(ctx, action, patient, author).await?;
        let document = found.ok_or(Error::NotFound)?;
        Ok((permit, self.patient_key(patient, ctx.now()).await?, document))
    }

    /// Opens the version that is to be followed by another one. That is a disclosure too.
    async fn record_before_change(&self, ctx: &Ctx, permit: &Permit, key: &PatientKey, document: &Document, seen: &str) -> Result<Record> {
        if seen.parse() != Ok(document.version.0) {
            return Err(Error::Conflict { current: document.version.0 });
        }
        let receipt = self.disclose(ctx, Class::RecordRead, permit, key, &[document], "before a change").await?;
        Ok(self.open_patient_doc::<Record>(kinds::RECORDS, key, document, &receipt)?.body)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one change")]
    async fn put_next_record(
        &self,
        ctx: &Ctx,
        class: Class,
        permit: &Permit,
        key: &PatientKey,
        document: &Document,
        record: &Record,
        reason: String,
    ) -> Result<()> {
        let mut act = Act::by(self, Side::Records, ctx, class).permit(permit).subject(key).detail("reason", reason);
        let terms = vec![self.record_term(record.patient)];
        act.put_patient(key, kinds::RECORD, document.id, document.version.next().0, record, terms, Vec::new())?;
        act.commit().await.map(|_| ())
    }
}

fn refused(refusal: &RecordRefusal) -> Error {
    Error::Refused(refusal.to_string())
}
