//! Opening a chart, and the history of who did.

use std::collections::HashMap;

use wardkeep_domain::account::Role;
use wardkeep_domain::date::Moment;
use wardkeep_domain::{AccountId, DocumentId, PatientId};
use wardkeep_ledger::{Class, Outcome, Receipt};
use wardkeep_policy::Action;
use wardkeep_store::{Document, Find, Kind, Seq, Term};
use wardkeep_vault::PatientKey;

use crate::access::who_label;
use crate::accounts::{PAGE, Page};
use crate::act::{Act, Side};
use crate::audit;
use crate::care::CareMemberView;
use crate::clear::ClearEvent;
use crate::documents::DocumentView;
use crate::integrity::{Sealed, Shown};
use crate::patients::PatientView;
use crate::records::RecordView;
use crate::stroke::AssessmentView;
use crate::{App, Ctx, Result, kinds};

/// Most records on the summary page.
pub const RECORDS_MAX: usize = 100;

/// Everything the summary page shows, opened under one disclosure event.
#[derive(Clone)]
pub struct Chart {
    pub patient: PatientView,
    /// Newest first, up to [`RECORDS_MAX`].
    pub records: Vec<RecordView>,
    pub records_next: Option<u64>,
    pub documents: Vec<DocumentView>,
    pub assessments: Vec<AssessmentView>,
    pub care_team: Vec<CareMemberView>,
}

/// One line of "who opened my record" or of a chart's access history.
#[derive(Clone)]
pub struct AccessRow {
    pub at: Moment,
    pub who: String,
    pub role: String,
    /// Dotted class name, for example `chart.opened`.
    pub what: String,
    /// In plain words: "Opened the chart".
    pub words: String,
    pub refused: bool,
    /// Done under emergency access.
    pub emergency: bool,
    pub own: bool,
    pub reason: Option<String>,
    pub event: [u8; 16],
}

/// Commits that carry a request's time may land a little after younger ones.
const CLOCK_SLACK_MS: i64 = 5_000;

impl App {
    /// # Errors
    /// `NotFound` when the patient does not exist or may not be seen.
    pub async fn open_chart(&self, ctx: &Ctx, patient: PatientId) -> Result<Chart> {
        let permit = self.permit_chart(ctx, Action::OpenChart, patient, None).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let banner = self.patient_document(&key).await?;
        let (mut records, records_next) = self.sealed_records(patient, None, RECORDS_MAX).await?;
        let mut documents = self.sealed_documents(patient, PARTS_MAX).await?;
        let mut hidden = self.hidden(ctx, kinds::RECORD, patient).await?;
        hidden.extend(self.hidden(ctx, kinds::DOCUMENT, patient).await?);
        records.retain(|record| !hidden.contains(&record.id));
        documents.retain(|document| !hidden.contains(&document.id));
        let assessments = self.sealed_assessments(patient).await?;
        let banner = Sealed::new(&key, &banner);
        let [records, documents, assessments] = [&records, &documents, &assessments].map(|part| Sealed::all(&key, part));
        let named = std::iter::once(&banner).chain(&records).chain(&documents).chain(&assessments);
        let receipt = self.disclose(ctx, Class::ChartOpened, &permit, &key, named, "summary").await?;
        let team = self.care_team(patient).await?.0;
        Ok(Chart {
            patient: PatientView { hidden: hidden.len(), ..self.patient_view_in(ctx, banner, &receipt, Some(&team)).await? },
            records: self.record_views(ctx, &records, &receipt).await?,
            records_next,
            documents: self.document_views(ctx, &documents, &receipt).await?,
            assessments: self.assessment_views(ctx, patient, &assessments, &receipt).await?,
            care_team: self.member_views(team.members).await?,
        })
    }

    /// Every event about the patient, newest first; reading it is itself an event.
    ///
    /// # Errors
    /// As [`App::open_chart`].
    pub async fn access_history(&self, ctx: &Ctx, patient: PatientId, after: Option<u64>) -> Result<Page<AccessRow>> {
        let permit = self.permit_chart(ctx, Action::ReadAccessHistory, patient, None).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let receipt = Act::by(self, Side::Records, ctx, Class::AccessHistoryRead).permit(&permit).subject(&key).commit().await?;
        let older_than = after.and_then(|time| i64::try_from(time).ok());
        let mut events = Vec::new();
        for side in Side::BOTH {
            for document in self.events_about(side, &key, older_than).await? {
                let actor = self.open_actor_part(side, &document)?;
                let subject = self.open_subject_part(side, &key, &document, &receipt)?;
                events.push(ClearEvent { event: wardkeep_ledger::EventId(document.id.0), side, seq: document.seq.0, actor, subject });
            }
        }
        events.retain(|event| older_than.is_none_or(|time| event.actor.time_ms < time));
        events.sort_by_key(|event| (std::cmp::Reverse(event.actor.time_ms), std::cmp::Reverse(event.event.0)));
        // A page never ends between events of the same millisecond: the cursor is a time.
        let last = events.get(PAGE.saturating_sub(1)).map(|event| event.actor.time_ms);
        let more = last.is_some_and(|last| events.iter().any(|event| event.actor.time_ms < last));
        if let Some(last) = last {
            events.retain(|event| event.actor.time_ms >= last);
        }
        let next = if more { last.and_then(|last| u64::try_from(last).ok()) } else { None };
        Ok(Page { items: events.iter().map(|event| access_row(ctx, event)).collect(), next })
    }

    async fn events_about(&self, side: Side, key: &PatientKey, older_than: Option<i64>) -> Result<Vec<Document>> {
        let before = match older_than {
            Some(time) => Some(self.store(side).seq_at(time.saturating_add(CLOCK_SLACK_MS)).await?),
            None => None,
        };
        let term = self.exact_term(side.name(), kinds::EVENT, "subject", &key.owner());
        let query = Find {
            kind: kinds::EVENT,
            all_of: vec![term],
            before: before.filter(|seq| *seq < Seq(u64::MAX >> 1)),
            since: None,
            limit: PAGE * 4,
        };
        Ok(self.store(side).find(&query).await?)
    }
}

/// Most documents and assessments shown with a chart.
const PARTS_MAX: usize = 100;

impl App {
    pub(crate) fn patient_parts_term(&self, kind: Kind, patient: PatientId) -> Term {
        self.exact_term(kinds::RECORDS, kind, "patient", &patient.bytes())
    }
    async fn sealed_parts(&self, kind: Kind, patient: PatientId, most: usize) -> Result<Vec<Document>> {
        let query = Find { kind, all_of: vec![self.patient_parts_term(kind, patient)], before: None, since: None, limit: most };
        Ok(self.records.find(&query).await?)
    }
    /// Sealed details of a patient's documents, up to `most`, newest first.
    pub(crate) async fn sealed_documents(&self, patient: PatientId, most: usize) -> Result<Vec<Document>> {
        let mut documents = self.sealed_parts(kinds::DOCUMENT, patient, most).await?;
        // Voiding writes a new version but does not make a document newer. Ids are ordered in time.
        documents.sort_by_key(|document| std::cmp::Reverse(document.id));
        Ok(documents)
    }
    /// A patient's sealed stroke assessments, newest first.
    pub(crate) async fn sealed_assessments(&self, patient: PatientId) -> Result<Vec<Document>> {
        self.sealed_parts(kinds::ASSESSMENT, patient, PARTS_MAX).await
    }
    pub(crate) async fn document_views(&self, ctx: &Ctx, documents: &[Sealed<'_>], receipt: &Receipt) -> Result<Vec<DocumentView>> {
        self.named_documents(self.show(ctx, Side::Records, documents, receipt).await?).await
    }
    /// Opened documents with the names of who uploaded them.
    pub(crate) async fn named_documents(&self, shown: Vec<Shown<wardkeep_domain::document::Document>>) -> Result<Vec<DocumentView>> {
        let ids: Vec<AccountId> = shown.iter().filter_map(|shown| shown.body.as_ref()).map(|document| document.uploaded_by).collect();
        let names = self.display_names(&ids).await?;
        let view = |shown: Shown<wardkeep_domain::document::Document>| DocumentView {
            id: DocumentId::from_bytes(shown.id.0),
            uploaded_by: author(&names, shown.body.as_ref().map(|document| document.uploaded_by)),
            document: shown.body,
            version: shown.version,
            badge: shown.badge,
        };
        Ok(shown.into_iter().map(view).collect())
    }
}

/// The author's name; an import on the command line has no account behind it.
pub(crate) fn author(names: &HashMap<AccountId, String>, id: Option<AccountId>) -> String {
    let nobody = |id: AccountId| if id.bytes() == [0; 16] { "Command line" } else { "Not known" };
    id.map_or_else(String::new, |id| names.get(&id).cloned().unwrap_or_else(|| nobody(id).to_owned()))
}

fn access_row(ctx: &Ctx, event: &ClearEvent) -> AccessRow {
    let who = &event.actor.who;
    let class = event.class();
    AccessRow {
        at: event.time(),
        who: who_label(who),
        role: Role::parse(&who.role).map_or_else(|_| String::new(), |role| role.label().to_owned()),
        what: class.map_or("unknown", Class::name).to_owned(),
        words: class.map_or("Did something this version does not know", audit::words).to_owned(),
        refused: event.actor.outcome == Outcome::Denied as u8,
        emergency: event.actor.in_emergency(),
        own: who.kind == "account" && who.id == hex::encode(ctx.account_id().bytes()),
        reason: event.detail("reason").map(str::to_owned),
        event: event.event.0,
    }
}
