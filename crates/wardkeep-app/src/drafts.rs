//! What somebody had typed when their session ran out: kept for a day, for them alone, and for as
//! long as they may do what the form is for.
//!
//! What was typed into a form about a patient is sealed under that patient's key, like the entry
//! that it was to become; reading it again is a disclosure and stands in the log. Keeping one takes
//! a session that lives or has run out by itself ([`Lapsed`]); it opens nothing, and is no use of the
//! session.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use wardkeep_domain::account::AccountState;
use wardkeep_domain::account::session::Ended;
use wardkeep_domain::date::Moment;
use wardkeep_domain::{AccountId, DraftId, PatientId};
use wardkeep_ledger::Class;
use wardkeep_policy::{Action, Actor, Facts, Resource};
use wardkeep_store::{DocId, Document, Find, Term};
use wardkeep_vault::{Context, Plain, Purpose};

use crate::act::{Act, Side};
use crate::envelope::{Opened, context};
use crate::sessions::Token;
use crate::{App, Ctx, Error, Result, Visit, kinds};

/// So long is a draft kept, and so long may the session have been out of use that leaves one.
pub const DRAFT_MS_MAX: i64 = 24 * 60 * 60 * 1000;
/// Most drafts of one account; a further one takes the place of the oldest.
pub const DRAFTS_MAX: usize = 10;
/// So many that ran out are dropped at once.
const DROPPED_MAX: usize = 100;

/// A form: where it goes, and what policy is asked for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Form {
    /// Path on this site.
    pub path: String,
    /// Name of the action.
    action: String,
    patient: Option<PatientId>,
    entry: Option<[u8; 16]>,
}

impl Form {
    #[must_use]
    pub fn new(path: &str, action: Action, patient: Option<PatientId>, entry: Option<[u8; 16]>) -> Self {
        Self { path: path.to_owned(), action: action.name().to_owned(), patient, entry }
    }
}

/// As sealed under the staff purpose; what was typed lies sealed inside.
#[derive(Clone, Serialize, Deserialize)]
struct Draft {
    account: AccountId,
    form: Form,
    kept_at: Moment,
    /// Base64 of the sealed fields.
    typed: String,
}

/// One line of "what you had not saved".
#[derive(Clone, Debug)]
pub struct DraftView {
    pub id: DraftId,
    pub kept_at: Moment,
}

/// What was typed.
pub struct OpenedDraft {
    pub path: String,
    pub kept_at: Moment,
    /// Names and values in the order of the form.
    pub fields: Vec<(String, String)>,
}

/// Whoever holds a session that lives or has run out by itself. May leave a draft and nothing else.
pub struct Lapsed(Ctx);

impl Lapsed {
    /// Did the form come from a page of this session?
    #[must_use]
    pub fn form_token_matches(&self, given: &str) -> bool {
        self.0.form_token_matches(given)
    }
}

fn typed_context(id: DocId) -> Context<'static> {
    Context { field: "typed", ..context(kinds::RECORDS, kinds::DRAFT, id, 1) }
}

impl App {
    /// Session token in. It may have run out by its time, a day ago at most; one that somebody ended,
    /// or whose account is not active, is no session any more.
    ///
    /// # Errors
    /// `SignedOut` with no more detail.
    pub async fn lapsed(&self, visit: Visit, token: &str) -> Result<Lapsed> {
        let token = Token::parse(token).ok_or(Error::SignedOut)?;
        let (session, account, last_used) = self.held(&token).await?;
        let ended = session.check(self.idle_ms(account.role), last_used, visit.now);
        let by_itself = matches!(ended, Ok(()) | Err(Ended::Idle | Ended::Absolute));
        if account.state != AccountState::Active || !by_itself || visit.now.since_ms(last_used) >= DRAFT_MS_MAX {
            return Err(Error::SignedOut);
        }
        let actor = Actor::Account { id: account.id, role: account.role, state: account.state, patient: account.patient };
        let form_token = token.form();
        Ok(Lapsed(Ctx { visit, actor, account: Some(account), session: Some(session), form_token, service: None }))
    }

    /// Keeps what was typed. A draft of the same form is replaced.
    ///
    /// # Errors
    /// `Denied`, `NotFound` when the person may not do what the form is for.
    pub async fn keep_draft(&self, holder: &Lapsed, form: &Form, fields: &[(String, String)]) -> Result<()> {
        let ctx = &holder.0;
        self.may_still(ctx, form).await?;
        let id = DocId(ctx.visit().new_id());
        let json = serde_json::to_vec(fields).map_err(|error| Error::Internal(error.to_string()))?;
        let plain = Plain::new(json);
        let mut act = Act::by(self, Side::Records, ctx, Class::DraftKept).detail("action", form.action.clone());
        let random = &mut |buffer: &mut [u8]| ctx.visit().entropy.fill(buffer);
        let sealed = match form.patient {
            Some(patient) => {
                let key = self.patient_key(patient, ctx.now()).await?;
                act = act.subject(&key).discloses(wardkeep_ledger::Discloses::Nothing);
                self.vault.seal(&key, &typed_context(id), &plain, random)
            }
            None => self.vault.seal_own(Purpose::Staff, &typed_context(id), &plain, random),
        };
        let draft = Draft { account: ctx.account_id(), form: form.clone(), kept_at: ctx.now(), typed: STANDARD_NO_PAD.encode(sealed) };
        self.make_room_for(ctx, form, &mut act).await?;
        let terms = vec![self.draft_term(ctx.account_id())];
        act.put_own(Purpose::Staff, kinds::DRAFT, id, 1, &draft, terms, Vec::new())?;
        act.commit().await.map(|_| ())
    }

    /// Drops the draft of the same form, and of too many the oldest.
    async fn make_room_for(&self, ctx: &Ctx, form: &Form, act: &mut Act<'_>) -> Result<()> {
        let own = self.own_drafts(ctx).await?;
        let (same, others): (Vec<_>, Vec<_>) = own.into_iter().partition(|(_, draft)| draft.form.path == form.path);
        let gone = same.iter().chain(others.iter().skip(DRAFTS_MAX - 1));
        gone.for_each(|(document, _)| act.erase(kinds::DRAFT, document.id));
        Ok(())
    }

    /// Drops what ran out, whoever left it; the keeper's work.
    pub(crate) async fn drop_old_drafts(&self, visit: &Visit) -> Result<()> {
        let before = self.records.seq_at(visit.now.0.saturating_sub(DRAFT_MS_MAX)).await?;
        let old = Find { kind: kinds::DRAFT, all_of: Vec::new(), before: Some(before), since: None, limit: DROPPED_MAX };
        let old = self.records.find(&old).await?;
        if old.is_empty() {
            return Ok(());
        }
        let ctx = self.job(visit, "keeper");
        let permit = self.permit(&ctx, Action::RunJob, Resource::Hospital).await?;
        let mut act = Act::by(self, Side::Records, &ctx, Class::DraftDropped).permit(&permit).detail("count", old.len().to_string());
        old.iter().for_each(|document| act.erase(kinds::DRAFT, document.id));
        act.commit().await.map(|_| ())
    }

    fn draft_term(&self, account: AccountId) -> Term {
        self.exact_term(kinds::RECORDS, kinds::DRAFT, "account", &account.bytes())
    }
    fn draft(&self, document: &Document) -> Result<Opened<Draft>> {
        self.open_own_doc(kinds::RECORDS, Purpose::Staff, document)
    }
    /// May this person (still) do what the form is for, given a fresh code when it is sent?
    async fn may_still(&self, ctx: &Ctx, form: &Form) -> Result<()> {
        let action = Action::parse(&form.action).ok_or(Error::NotFound)?;
        self.may_with(ctx, action, form.patient, form.entry, |facts| Facts { fresh: true, ..facts }).await
    }
    /// Newest first.
    async fn own_drafts(&self, ctx: &Ctx) -> Result<Vec<(Document, Draft)>> {
        let all_of = vec![self.draft_term(ctx.account_id())];
        let found = self.records.find(&Find { kind: kinds::DRAFT, all_of, before: None, since: None, limit: 2 * DRAFTS_MAX }).await?;
        let mut own = Vec::with_capacity(found.len());
        for document in found {
            let draft = self.draft(&document)?.body;
            if draft.account == ctx.account_id() && is_live(&draft, ctx.now()) {
                own.push((document, draft));
            }
        }
        Ok(own)
    }

    /// One's own drafts, newest first; nothing of what was typed.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn drafts(&self, ctx: &Ctx) -> Result<Vec<DraftView>> {
        self.permit(ctx, Action::UseOwnAccount, Resource::Hospital).await?;
        let own = self.own_drafts(ctx).await?;
        Ok(own.into_iter().map(|(document, draft)| DraftView { id: DraftId::from_bytes(document.id.0), kept_at: draft.kept_at }).collect())
    }

    /// Has this account left something unfinished? Asked at each sign-in.
    pub(crate) async fn has_drafts(&self, account: AccountId, now: Moment) -> Result<bool> {
        let all_of = vec![self.draft_term(account)];
        let found = self.records.find(&Find { kind: kinds::DRAFT, all_of, before: None, since: None, limit: 1 }).await?;
        found.first().map_or(Ok(false), |document| self.draft(document).map(|draft| is_live(&draft.body, now)))
    }

    async fn own_draft(&self, ctx: &Ctx, id: DraftId) -> Result<(Document, Draft)> {
        let document = self.records.get(kinds::DRAFT, DocId(id.bytes())).await?.ok_or(Error::NotFound)?;
        let draft = self.draft(&document)?.body;
        if draft.account == ctx.account_id() && is_live(&draft, ctx.now()) { Ok((document, draft)) } else { Err(Error::NotFound) }
    }

    /// What was typed, for whoever typed it. Logged before it is shown.
    ///
    /// # Errors
    /// `NotFound`; `Denied` when the person may no longer do what the form is for.
    pub async fn open_draft(&self, ctx: &Ctx, id: DraftId) -> Result<OpenedDraft> {
        self.permit(ctx, Action::UseOwnAccount, Resource::Hospital).await?;
        let (document, draft) = self.own_draft(ctx, id).await?;
        self.may_still(ctx, &draft.form).await?;
        let sealed = STANDARD_NO_PAD.decode(&draft.typed).map_err(|_| Error::Integrity)?;
        let mut act = Act::by(self, Side::Records, ctx, Class::DraftOpened).detail("action", draft.form.action.clone());
        act.reads(&document);
        let plain = match draft.form.patient {
            Some(patient) => {
                let key = self.patient_key(patient, ctx.now()).await?;
                let receipt = act.subject(&key).commit().await?;
                self.vault.open(&key, &typed_context(document.id), &sealed, &receipt)?
            }
            None => {
                act.commit().await?;
                self.vault.open_own(Purpose::Staff, &typed_context(document.id), &sealed)?
            }
        };
        let fields = serde_json::from_slice(&plain).map_err(|_| Error::Integrity)?;
        Ok(OpenedDraft { path: draft.form.path, kept_at: draft.kept_at, fields })
    }

    /// Throws a draft away that is not wanted.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn drop_draft(&self, ctx: &Ctx, id: DraftId) -> Result<()> {
        self.permit(ctx, Action::UseOwnAccount, Resource::Hospital).await?;
        let (document, draft) = self.own_draft(ctx, id).await?;
        self.erase_draft(ctx, document, draft).await
    }

    /// A form that went on with this draft was taken at `path`. Another form's draft stays.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn draft_sent(&self, ctx: &Ctx, id: DraftId, path: &str) -> Result<()> {
        self.permit(ctx, Action::UseOwnAccount, Resource::Hospital).await?;
        let (document, draft) = self.own_draft(ctx, id).await?;
        if draft.form.path == path { self.erase_draft(ctx, document, draft).await } else { Ok(()) }
    }

    async fn erase_draft(&self, ctx: &Ctx, document: Document, draft: Draft) -> Result<()> {
        let mut act = Act::by(self, Side::Records, ctx, Class::DraftDropped).detail("action", draft.form.action);
        if let Some(patient) = draft.form.patient {
            act = act.subject(&self.patient_key(patient, ctx.now()).await?).discloses(wardkeep_ledger::Discloses::Nothing);
        }
        act.expect(kinds::DRAFT, document.id, document.version.0);
        act.erase(kinds::DRAFT, document.id);
        match act.commit().await {
            Err(Error::Conflict { .. }) => Err(Error::NotFound),
            done => done.map(|_| ()),
        }
    }
}

fn is_live(draft: &Draft, now: Moment) -> bool {
    now.since_ms(draft.kept_at) < DRAFT_MS_MAX
}
