//! What patients ask about entries of their access history, and the privacy officer's answers.

use std::collections::HashMap;

use wardkeep_domain::question::{Question, parse_answer, parse_question};
use wardkeep_domain::{FieldErrors, LogEventId, PatientId, QuestionId};
use wardkeep_ledger::{Class, Discloses};
use wardkeep_policy::{Action, Permit, Resource};
use wardkeep_store::{DocId, Document, Find, Seq, Term};
use wardkeep_vault::PatientKey;

use crate::accounts::{PAGE, Page};
use crate::act::{Act, Side};
use crate::audit::LogRow;
use crate::{App, Ctx, Error, Result, kinds};

/// A question with the entry that it is about.
pub struct QuestionRow {
    pub question: Question,
    /// `None` when the entry cannot be found again.
    pub entry: Option<LogRow>,
    /// Who answered.
    pub answered_by: String,
}

/// Most questions of one patient that are shown, and that may be open together.
const OWN_MAX: usize = 50;

fn refused(words: &str) -> Error {
    Error::Refused(words.to_owned())
}

impl App {
    fn question_term(&self, field: &str, value: &[u8]) -> Term {
        self.exact_term(kinds::RECORDS, kinds::QUESTION, field, value)
    }

    fn put_question(&self, act: &mut Act<'_>, key: &PatientKey, version: u64, question: &Question) -> Result<()> {
        let mut terms = vec![self.question_term("patient", &question.patient.bytes())];
        if question.answer.is_none() {
            terms.push(self.question_term("state", b"open"));
        }
        act.put_patient(key, kinds::QUESTION, DocId(question.id.bytes()), version, question, terms, Vec::new())
    }

    /// Asks about an entry of the patient's own access history.
    ///
    /// # Errors
    /// `Invalid` on `question`; `NotFound` for an entry that is not about this patient; `Refused`
    /// while very many questions are open.
    pub async fn ask_about(&self, ctx: &Ctx, patient: PatientId, about: LogEventId, text: &str) -> Result<()> {
        let permit = self.permit_chart(ctx, Action::AskAboutAccess, patient, None).await?;
        let text = parse_question(text).map_err(FieldErrors::from)?;
        self.entry_about(patient, about).await?;
        if self.questions_of(patient).await?.len() >= OWN_MAX {
            return Err(refused("You have asked very often. Please call the privacy officer: the number is at the front desk."));
        }
        let key = self.patient_key(patient, ctx.now()).await?;
        let id = QuestionId::from_bytes(ctx.visit().new_id());
        let question = Question { id, patient, about, text, asked_at: ctx.now(), answer: None };
        let act = Act::by(self, Side::Records, ctx, Class::QuestionAsked).permit(&permit).subject(&key);
        let mut act = act.detail("entry", about.to_string());
        self.put_question(&mut act, &key, 1, &question)?;
        act.commit().await.map(|_| ())
    }

    /// The event, when it is about this patient: one of the patient's own, or a list that showed them.
    async fn entry_about(&self, patient: PatientId, event: LogEventId) -> Result<(Side, Document)> {
        for side in Side::BOTH {
            let Some(document) = self.store(side).get(kinds::EVENT, DocId(event.bytes())).await? else { continue };
            let part = self.open_actor_part(side, &document)?;
            let subject = self.exact_term(side.name(), kinds::EVENT, "subject", &patient.bytes());
            if self.event_terms(side, &part, document.owner).contains(&subject) {
                return Ok((side, document));
            }
        }
        Err(Error::NotFound)
    }

    async fn questions_of(&self, patient: PatientId) -> Result<Vec<Document>> {
        let all_of = vec![self.question_term("patient", &patient.bytes())];
        Ok(self.records.find(&Find { kind: kinds::QUESTION, all_of, before: None, since: None, limit: OWN_MAX }).await?)
    }

    /// The patient's own questions, newest change first.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn own_questions(&self, ctx: &Ctx, patient: PatientId) -> Result<Vec<QuestionRow>> {
        let permit = self.permit_chart(ctx, Action::AskAboutAccess, patient, None).await?;
        let documents = self.questions_of(patient).await?;
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        self.question_rows(ctx, &permit, &documents, Class::AccessHistoryRead).await
    }

    /// How many are open, up to a page of them; for the start page.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn questions_waiting(&self, ctx: &Ctx) -> Result<usize> {
        self.permit(ctx, Action::ReviewAccess, Resource::Hospital).await?;
        Ok(self.open_questions(None).await?.len())
    }

    async fn open_questions(&self, after: Option<u64>) -> Result<Vec<Document>> {
        let all_of = vec![self.question_term("state", b"open")];
        Ok(self.records.find(&Find { kind: kinds::QUESTION, all_of, before: after.map(Seq), since: None, limit: PAGE }).await?)
    }

    /// Questions that wait for an answer, newest first; reading them is an event.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn question_queue(&self, ctx: &Ctx, after: Option<u64>) -> Result<Page<QuestionRow>> {
        let permit = self.permit(ctx, Action::ReviewAccess, Resource::Hospital).await?;
        let open = self.open_questions(after).await?;
        let next = if open.len() == PAGE { open.last().map(|last| last.seq.0) } else { None };
        Ok(Page { items: self.question_rows(ctx, &permit, &open, Class::LogRead).await?, next })
    }

    async fn question_rows(&self, ctx: &Ctx, permit: &Permit, documents: &[Document], class: Class) -> Result<Vec<QuestionRow>> {
        let owners: Vec<PatientId> = documents.iter().map(|document| PatientId::from_bytes(document.owner.0)).collect();
        let named = owners.iter().map(|owner| owner.bytes()).collect();
        let mut act =
            Act::by(self, Side::Records, ctx, class).permit(permit).discloses(Discloses::Owners(named)).detail("part", "questions");
        documents.iter().for_each(|document| act.reads(document));
        let receipt = act.commit().await?;
        let keys = self.patient_keys(&owners, ctx.now()).await?;
        let mut questions = Vec::with_capacity(documents.len());
        for document in documents {
            let Some(key) = keys.get(&PatientId::from_bytes(document.owner.0)) else { continue };
            questions.push(self.open_patient_doc::<Question>(kinds::RECORDS, key, document, &receipt)?.body);
        }
        let mut events = Vec::with_capacity(questions.len());
        for question in &questions {
            if let Ok((side, document)) = self.entry_about(question.patient, question.about).await {
                events.push((side, document, question.asked_at));
            }
        }
        let mut entries = HashMap::new();
        for row in self.log_rows(ctx, &events, &receipt).await? {
            entries.insert(row.event.event.0, row);
        }
        let answerers: Vec<_> = questions.iter().filter_map(|question| question.answer.as_ref().map(|answer| answer.by)).collect();
        let names = self.display_names(&answerers).await?;
        let row = |question: Question| {
            let by = question.answer.as_ref().and_then(|answer| names.get(&answer.by).cloned());
            QuestionRow { entry: entries.get(&question.about.bytes()).cloned(), answered_by: by.unwrap_or_default(), question }
        };
        Ok(questions.into_iter().map(row).collect())
    }

    /// Answers; the patient reads it beside the question.
    ///
    /// # Errors
    /// `Invalid` on `answer`, `Refused` when somebody answered already, `NotFound`, `Denied`.
    pub async fn answer_question(&self, ctx: &Ctx, id: QuestionId, text: &str) -> Result<()> {
        let permit = self.permit(ctx, Action::ReviewAccess, Resource::Hospital).await?;
        let text = parse_answer(text).map_err(FieldErrors::from)?;
        let document = self.records.get(kinds::QUESTION, DocId(id.bytes())).await?.ok_or(Error::NotFound)?;
        let key = self.patient_key(PatientId::from_bytes(document.owner.0), ctx.now()).await?;
        let mut opening = Act::by(self, Side::Records, ctx, Class::LogRead).permit(&permit).subject(&key).detail("part", "question");
        opening.reads(&document);
        let receipt = opening.commit().await?;
        let question = self.open_patient_doc::<Question>(kinds::RECORDS, &key, &document, &receipt)?.body;
        let answered = question.answered(ctx.account_id(), ctx.now(), text);
        let answered = answered.ok_or_else(|| refused("This question was answered already."))?;
        let mut act = Act::by(self, Side::Records, ctx, Class::QuestionAnswered).permit(&permit).subject(&key);
        self.put_question(&mut act, &key, document.version.0.saturating_add(1), &answered)?;
        act.commit().await.map(|_| ())
    }
}
