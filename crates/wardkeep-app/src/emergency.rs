//! Emergency access: taking it, ending it, and the privacy officer's review.
//!
//! The log comes first: the entry with the reason is durable before the session may open the
//! chart. What a session holds is in the session's own document, which every request reads, so an
//! end counts on the next request of every node. The review queue keeps one document for each.

use wardkeep_domain::account::session::Session;
use wardkeep_domain::date::Moment;
use wardkeep_domain::emergency::{DAY_MS, EMERGENCIES_A_DAY, EMERGENCY_MS, Emergency, EmergencyAccess, EmergencyForm, ReviewForm};
use wardkeep_domain::{AccountId, EmergencyId, LogEventId, PatientId};
use wardkeep_ledger::{Class, Discloses};
use wardkeep_policy::{Action, Facts, Permit, Resource};
use wardkeep_store::{DocId, Document, Find, Seq, Term};
use wardkeep_vault::{PatientKey, Purpose};

use crate::accounts::{PAGE, Page};
use crate::act::{Act, Side};
use crate::audit::LogRow;
use crate::envelope::Opened;
use crate::patients::PatientRow;
use crate::throttle::retried;
use crate::{App, Ctx, Error, Result, kinds};

/// One emergency access as the privacy officer reviews it.
pub struct EmergencyRow {
    pub access: EmergencyAccess,
    /// The entry that opened it, with who, whom and why.
    pub entry: LogRow,
    /// "Life-threatening emergency".
    pub why: String,
}

impl App {
    /// Whom an emergency access would be about, for the page that asks for the reason. It shows what
    /// a search shows.
    ///
    /// # Errors
    /// `NotFound`, `Denied` when no code could make policy agree.
    pub async fn emergency_about(&self, ctx: &Ctx, patient: PatientId) -> Result<PatientRow> {
        // Asked as if the code had been entered: it is entered on that very page.
        self.permit_chart_with(ctx, Action::TakeEmergencyAccess, patient, None, |facts| Facts { fresh: true, ..facts }).await?;
        let permit = self.permit(ctx, Action::SearchPatients, Resource::Hospital).await?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let document = self.patient_document(&key).await?;
        self.patient_rows(ctx, &permit, vec![document], "emergency access").await?.pop().ok_or(Error::NotFound)
    }

    /// Opens the chart to this session for an hour.
    ///
    /// # Errors
    /// `Invalid` on `why` and `sentence`; `Denied`, with step-up when only a code is missing.
    pub async fn take_emergency(&self, ctx: &Ctx, patient: PatientId, form: &EmergencyForm) -> Result<Emergency> {
        let permit = self.permit_chart(ctx, Action::TakeEmergencyAccess, patient, None).await?;
        let (why, sentence) = form.parse()?;
        let key = self.patient_key(patient, ctx.now()).await?;
        let id = EmergencyId::from_bytes(ctx.visit().new_id());
        let until = ctx.now().plus_ms(EMERGENCY_MS);
        let act = Act::by(self, Side::Records, ctx, Class::BreakGlassOpened).permit(&permit).subject(&key);
        let mut act = act.detail("why", why.label()).detail("reason", sentence);
        let event = LogEventId::from_bytes(act.event().0);
        let (account, opened_at) = (ctx.account_id(), ctx.now());
        let access = EmergencyAccess { id, patient, account, event, opened_at, until, ended_at: None, review: None };
        self.put_emergency(&mut act, 0, &access)?;
        act.commit().await?;
        let emergency = Emergency { id, patient, until };
        self.change_emergencies(ctx, &permit, &key, "emergency access", |held| held.push(emergency)).await?;
        self.alarm_of_many(ctx).await?;
        Ok(emergency)
    }

    /// Ends it before its time: the next request opens nothing.
    ///
    /// # Errors
    /// `NotFound` when this session does not hold it.
    pub async fn end_emergency(&self, ctx: &Ctx, id: EmergencyId) -> Result<()> {
        let permit = self.permit(ctx, Action::UseOwnAccount, Resource::Hospital).await?;
        let held = ctx.session().and_then(|session| session.emergencies.iter().find(|held| held.id == id)).ok_or(Error::NotFound)?;
        let key = self.patient_key(held.patient, ctx.now()).await?;
        self.change_emergencies(ctx, &permit, &key, "emergency access ended", |held| held.retain(|held| held.id != id)).await?;
        retried(|| async {
            let Some(access) = self.emergency(id).await? else { return Ok(()) };
            let mut act = Act::by(self, Side::Records, ctx, Class::BreakGlassEnded).permit(&permit).subject(&key);
            self.put_emergency(&mut act, access.version, &access.body.ended(ctx.now()))?;
            act.commit().await.map(|_| ())
        })
        .await
    }

    /// Writes what the session holds; lapsed ones go.
    async fn change_emergencies(
        &self,
        ctx: &Ctx,
        permit: &Permit,
        key: &PatientKey,
        what: &str,
        change: impl Fn(&mut Vec<Emergency>),
    ) -> Result<()> {
        let id = ctx.session().ok_or(Error::SignedOut)?.id;
        retried(|| async {
            let mut act = Act::by(self, Side::Control, ctx, Class::Granted).permit(permit).subject(key).detail("what", what);
            self.put_session_again(&mut act, id, |session: &mut Session| {
                session.emergencies.retain(|held| held.is_live(ctx.now()));
                change(&mut session.emergencies);
            })
            .await?;
            act.commit().await.map(|_| ())
        })
        .await
    }

    fn emergency_term(&self, field: &str, value: &[u8]) -> Term {
        self.exact_term(kinds::RECORDS, kinds::EMERGENCY, field, value)
    }

    fn put_emergency(&self, act: &mut Act<'_>, version: u64, access: &EmergencyAccess) -> Result<()> {
        let mut terms = vec![self.emergency_term("account", &access.account.bytes())];
        if access.review.is_none() {
            terms.push(self.emergency_term("state", b"waiting"));
        }
        act.put_own(Purpose::Staff, kinds::EMERGENCY, DocId(access.id.bytes()), version.saturating_add(1), access, terms, Vec::new())
    }

    fn open_emergency(&self, document: &Document) -> Result<Opened<EmergencyAccess>> {
        self.open_own_doc(kinds::RECORDS, Purpose::Staff, document)
    }

    async fn emergency(&self, id: EmergencyId) -> Result<Option<Opened<EmergencyAccess>>> {
        self.records.get(kinds::EMERGENCY, DocId(id.bytes())).await?.map(|document| self.open_emergency(&document)).transpose()
    }

    /// More than a few a day by one person: somebody should ask why.
    async fn alarm_of_many(&self, ctx: &Ctx) -> Result<()> {
        let day_began = Moment(ctx.now().0.saturating_sub(DAY_MS));
        let taken = self.emergencies_since(ctx.account_id(), day_began, EMERGENCIES_A_DAY.saturating_add(1)).await?;
        let Some(account) = ctx.account().filter(|_| taken > EMERGENCIES_A_DAY) else { return Ok(()) };
        let words = format!(
            "{} ({}) took emergency access more than {EMERGENCIES_A_DAY} times within a day. The privacy officer finds each under Reviews; suspend the account if nobody can explain it.",
            account.display_name,
            account.role.label()
        );
        let act = Act::by(self, Side::Control, ctx, Class::BreakGlassOpened).rule("many-emergencies");
        let act = act.detail("reason", format!("more than {EMERGENCIES_A_DAY} times within a day"));
        let day = ctx.now().0 / DAY_MS;
        self.raise_alarm(act, &[b"many-emergencies", &account.id.bytes(), &day.to_be_bytes()], ctx.now(), "many emergencies", words).await
    }

    async fn emergencies_since(&self, account: AccountId, since: Moment, most: usize) -> Result<usize> {
        let since_seq = self.records.seq_at(since.0).await?;
        let all_of = vec![self.emergency_term("account", &account.bytes())];
        let query = Find { kind: kinds::EMERGENCY, all_of, before: None, since: Some(since_seq), limit: most.saturating_mul(4) };
        let mut taken = 0;
        for document in self.records.find(&query).await? {
            // An end or a review makes an old one newer.
            taken += usize::from(self.open_emergency(&document)?.body.opened_at >= since);
        }
        Ok(taken)
    }

    /// How many wait for review, up to a page of them; for the start page.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn emergencies_waiting(&self, ctx: &Ctx) -> Result<usize> {
        self.permit(ctx, Action::ReviewAccess, Resource::Hospital).await?;
        Ok(self.waiting_emergencies(None).await?.len())
    }

    async fn waiting_emergencies(&self, after: Option<u64>) -> Result<Vec<Document>> {
        let all_of = vec![self.emergency_term("state", b"waiting")];
        let query = Find { kind: kinds::EMERGENCY, all_of, before: after.map(Seq), since: None, limit: PAGE };
        Ok(self.records.find(&query).await?)
    }

    /// Emergency accesses that wait for review, newest first; reading them is an event.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn emergency_queue(&self, ctx: &Ctx, after: Option<u64>) -> Result<Page<EmergencyRow>> {
        let permit = self.permit(ctx, Action::ReviewAccess, Resource::Hospital).await?;
        let waiting = self.waiting_emergencies(after).await?;
        let next = if waiting.len() == PAGE { waiting.last().map(|last| last.seq.0) } else { None };
        Ok(Page { items: self.emergency_rows(ctx, &permit, &waiting).await?, next })
    }

    /// One of them, reviewed or not.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn emergency_row(&self, ctx: &Ctx, id: EmergencyId) -> Result<EmergencyRow> {
        let permit = self.permit(ctx, Action::ReviewAccess, Resource::Hospital).await?;
        let document = self.records.get(kinds::EMERGENCY, DocId(id.bytes())).await?.ok_or(Error::NotFound)?;
        self.emergency_rows(ctx, &permit, &[document]).await?.pop().ok_or(Error::Integrity)
    }

    async fn emergency_rows(&self, ctx: &Ctx, permit: &Permit, documents: &[Document]) -> Result<Vec<EmergencyRow>> {
        let mut found = Vec::with_capacity(documents.len());
        for document in documents {
            found.push(self.open_emergency(document)?.body);
        }
        let owners = found.iter().map(|access| access.patient.bytes()).collect();
        let act = Act::by(self, Side::Records, ctx, Class::LogRead).permit(permit).discloses(Discloses::Owners(owners));
        let receipt = act.detail("part", "emergency access").detail("entries", found.len().to_string()).commit().await?;
        let ids: Vec<DocId> = found.iter().map(|access| DocId(access.event.bytes())).collect();
        let events = self.records.get_many(kinds::EVENT, &ids).await?;
        let events: Vec<(Side, Document, Moment)> = events.into_iter().map(|event| (Side::Records, event, Moment(0))).collect();
        let mut rows = Vec::with_capacity(found.len());
        for entry in self.log_rows(ctx, &events, &receipt).await? {
            if let Some(access) = found.iter().find(|access| access.event.bytes() == entry.event.event.0).cloned() {
                let why = entry.event.detail("why").unwrap_or_default().to_owned();
                rows.push(EmergencyRow { access, entry, why });
            }
        }
        Ok(rows)
    }

    /// The privacy officer's finding; the patient reads it in the access history.
    ///
    /// # Errors
    /// `Invalid` on `decision` and `note`, `Refused` for one's own or a reviewed one, `NotFound`, `Denied`.
    pub async fn review_emergency(&self, ctx: &Ctx, id: EmergencyId, form: &ReviewForm) -> Result<()> {
        let permit = self.permit(ctx, Action::ReviewAccess, Resource::Hospital).await?;
        let (decision, note) = form.parse()?;
        let access = self.emergency(id).await?.ok_or(Error::NotFound)?;
        let refused = |refusal: wardkeep_domain::emergency::ReviewRefusal| Error::Refused(refusal.to_string());
        let reviewed = access.body.reviewed(ctx.account_id(), ctx.now(), decision).map_err(refused)?;
        let key = self.patient_key(reviewed.patient, ctx.now()).await?;
        let act = Act::by(self, Side::Records, ctx, Class::BreakGlassReviewed).permit(&permit).subject(&key);
        let mut act = act.detail("decision", decision.label()).detail("reason", format!("{}: {note}", decision.label()));
        self.put_emergency(&mut act, access.version, &reviewed)?;
        act.commit().await.map(|_| ())
    }
}
