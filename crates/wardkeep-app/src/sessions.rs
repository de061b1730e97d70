//! Sessions: opaque tokens, stored hashed; checked on every request; listed and ended.
//!
//! A token is 32 random bytes. The store knows it by the first half of its SHA-256 and keeps the
//! whole hash sealed, so a stolen store signs nobody in. Every request looks at the session, the
//! account's state and the last use: ended means on the next request. A token is never logged.

use std::sync::atomic::Ordering;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use wardkeep_domain::account::session::{ABSOLUTE_MS_MAX, IDLE_MS_RANGE, PATIENT_IDLE_MS_MAX, SESSION_COUNT_MAX, Session};
use wardkeep_domain::account::{Account, AccountState, Role};
use wardkeep_domain::date::Moment;
use wardkeep_domain::{AccountId, SessionId};
use wardkeep_ledger::Class;
use wardkeep_policy::{Action, Actor, Resource};
use wardkeep_store::{DocId, Find, Term};
use wardkeep_vault::Purpose;
use wardkeep_vault::vault::digest;

use crate::act::{Act, Side, Who};
use crate::envelope::Opened;
use crate::sign_in::{SignedIn, who};
use crate::throttle::{Factor, retried};
use crate::{App, Ctx, Error, Result, Visit, kinds};

/// One line of "where you are signed in".
#[derive(Clone, Debug)]
pub struct SessionView {
    pub id: SessionId,
    pub device: String,
    pub address: String,
    pub created_at: Moment,
    pub last_used: Moment,
    pub current: bool,
}

/// The last use is written down this often.
const MARK_EVERY_MS: i64 = 30_000;
/// Most sessions of one account that are looked at together.
const SESSIONS_MAX: usize = 500;

/// A fresh or given token with what the store knows of it.
pub(crate) struct Token {
    pub text: String,
    pub id: DocId,
    pub hash: [u8; 32],
}

impl Token {
    pub(crate) fn new(visit: &Visit) -> Self {
        Self::of(&visit.entropy.bytes::<32>())
    }
    /// `None` when the text cannot be a token.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        <[u8; 32]>::try_from(bytes).ok().map(|bytes| Self::of(&bytes))
    }
    fn of(bytes: &[u8; 32]) -> Self {
        let hash = digest(bytes);
        let mut id = [0; 16];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self { text: URL_SAFE_NO_PAD.encode(bytes), id: DocId(id), hash }
    }
    pub(crate) fn matches(&self, hash: &[u8; 32]) -> bool {
        self.hash.ct_eq(hash).into()
    }
    /// The token that goes into the forms of this session.
    pub(crate) fn form(&self) -> String {
        hex::encode(digest(&[b"form".as_slice(), self.text.as_bytes()].concat()))
    }
}

/// A session in the making, and what its owner is to be told.
pub(crate) struct OpenedSession {
    token: Token,
    notice: Option<String>,
}

impl OpenedSession {
    /// With more to be told.
    pub(crate) fn telling(self, words: Option<String>) -> Self {
        let words: Vec<String> = self.notice.into_iter().chain(words).collect();
        Self { notice: Some(words.join(" ")).filter(|words| !words.is_empty()), ..self }
    }
}

/// A session as sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub session: Session,
    pub hash: [u8; 32],
}

fn signed_out(error: Error) -> Error {
    if matches!(error, Error::Unavailable(_) | Error::Internal(_)) { error } else { Error::SignedOut }
}

impl App {
    /// Session token in, authenticated context out. Looks at session, account state and idle time.
    ///
    /// # Errors
    /// `SignedOut` with no more detail.
    pub async fn authenticate(&self, visit: Visit, token: &str) -> Result<Ctx> {
        let token = Token::parse(token).ok_or(Error::SignedOut)?;
        let (session, account, last_used) = self.held(&token).await?;
        let live = account.state == AccountState::Active && session.check(self.idle_ms(account.role), last_used, visit.now).is_ok();
        if !live {
            return Err(Error::SignedOut);
        }
        if visit.now.since_ms(last_used) >= MARK_EVERY_MS {
            self.control.mark(kinds::SESSION, token.id, visit.now.0).await?;
        }
        let actor = Actor::Account { id: account.id, role: account.role, state: account.state, patient: account.patient };
        Ok(Ctx { visit, actor, account: Some(account), session: Some(session), form_token: token.form(), service: None })
    }
    /// The session of a token with its account and last use, whether or not it has ended.
    pub(crate) async fn held(&self, token: &Token) -> Result<(Session, Account, Moment)> {
        let found = self.session(token.id).await.map_err(signed_out)?.filter(|opened| token.matches(&opened.body.hash));
        let session = found.ok_or(Error::SignedOut)?.body.session;
        let account = self.account(session.account).await.map_err(signed_out)?.ok_or(Error::SignedOut)?.body;
        let last_used = self.last_used(&session).await?;
        Ok((session, account, last_used))
    }

    /// Milliseconds until the session ends by itself; 0 for one that has ended. No use of the session:
    /// a page that asks keeps nobody signed in.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn session_left_ms(&self, visit: &Visit, token: &str) -> Result<i64> {
        let Some(token) = Token::parse(token) else { return Ok(0) };
        let (session, account, last_used) = match self.held(&token).await {
            Err(Error::SignedOut) => return Ok(0),
            held => held?,
        };
        let idle_ms = self.idle_ms(account.role);
        if account.state != AccountState::Active || session.check(idle_ms, last_used, visit.now).is_err() {
            return Ok(0);
        }
        let left = |since: Moment, lasts_ms: i64| lasts_ms.saturating_sub(visit.now.since_ms(since));
        Ok(left(last_used, idle_ms).min(left(session.created_at, ABSOLUTE_MS_MAX)))
    }

    /// Other than the usual time without a request for staff (`wardkeep serve --idle-minutes`); within
    /// what the design allows.
    pub fn set_idle_ms(&self, idle_ms: i64) {
        self.idle_ms.store(idle_ms.clamp(*IDLE_MS_RANGE.start(), *IDLE_MS_RANGE.end()), Ordering::Relaxed);
    }
    /// How long a session of this role lasts without a request.
    #[must_use]
    pub fn idle_ms(&self, role: Role) -> i64 {
        if role.is_staff() { self.idle_ms.load(Ordering::Relaxed) } else { PATIENT_IDLE_MS_MAX }
    }

    /// Ends this session.
    ///
    /// # Errors
    /// `Unavailable` when the log cannot be written.
    pub async fn sign_out(&self, ctx: &Ctx) -> Result<()> {
        let id = DocId(ctx.session().ok_or(Error::SignedOut)?.id.bytes());
        retried(|| async {
            let Some(opened) = self.session(id).await?.filter(|opened| opened.body.session.revoked_at.is_none()) else {
                return Ok(());
            };
            let mut act = Act::by(self, Side::Control, ctx, Class::SignOut);
            put_revoked(&mut act, &opened, ctx.now())?;
            act.commit().await.map(|_| ())
        })
        .await
    }
    /// Proves the second factor again; gives a new token for the same session.
    ///
    /// # Errors
    /// `WrongCredentials`, `Throttled`.
    pub async fn step_up(&self, ctx: &Ctx, code: &str) -> Result<String> {
        let account = ctx.account().ok_or(Error::SignedOut)?.id;
        let keys = [self.address_key(ctx.visit()), self.account_key(account, Factor::Totp)];
        let done = retried(|| self.try_step_up(ctx, account, code, &keys)).await;
        if matches!(done, Err(Error::WrongCredentials)) {
            self.count_failure(ctx.visit(), &Who::of(ctx), Class::SignIn, &keys, &[("step", "confirm"), ("reason", "wrong code")]).await?;
        }
        done
    }

    async fn try_step_up(&self, ctx: &Ctx, account: AccountId, code: &str, keys: &[crate::throttle::Key]) -> Result<String> {
        let gate = self.gate(ctx.visit(), keys).await?;
        let credentials = self.credentials(account).await?.ok_or(Error::WrongCredentials)?;
        let used = credentials.body.use_code(code, ctx.now()).ok_or(Error::WrongCredentials)?;
        let mut act = Act::by(self, Side::Control, ctx, Class::SignIn).detail("step", "confirm");
        gate.clear(&mut act)?;
        self.put_credentials(&mut act, account, Some(&credentials), &used)?;
        let token = self.renew_session(&mut act, ctx).await?;
        act.commit().await?;
        Ok(token.text)
    }
    /// Puts a new token for the same session into a change that proves a factor again.
    pub(crate) async fn renew_session(&self, act: &mut Act<'_>, ctx: &Ctx) -> Result<Token> {
        let old = ctx.session().ok_or(Error::SignedOut)?;
        let old =
            self.session(DocId(old.id.bytes())).await?.filter(|opened| opened.body.session.revoked_at.is_none()).ok_or(Error::SignedOut)?;
        let token = Token::new(ctx.visit());
        let (address, device) = (ctx.visit().address.clone(), ctx.visit().device.clone());
        let id = SessionId::from_bytes(token.id.0);
        let session = Session { id, proven_at: ctx.now(), address, device, ..old.body.session.clone() };
        put_revoked(act, &old, ctx.now())?;
        self.put_session(act, &token, session)?;
        Ok(token)
    }

    /// Own live sessions, newest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn own_sessions(&self, ctx: &Ctx) -> Result<Vec<SessionView>> {
        self.permit(ctx, Action::UseOwnAccount, Resource::Hospital).await?;
        let account = ctx.account().ok_or(Error::SignedOut)?;
        let current = ctx.session().map(|session| session.id);
        let mut views = Vec::new();
        for opened in self.sessions_of(account.id).await? {
            let session = opened.body.session;
            let last_used = self.last_used(&session).await?;
            if session.check(self.idle_ms(account.role), last_used, ctx.now()).is_ok() {
                let Session { id, device, address, created_at, .. } = session;
                views.push(SessionView { id, device, address, created_at, last_used, current: Some(id) == current });
            }
        }
        views.sort_by_key(|view| std::cmp::Reverse(view.created_at));
        Ok(views)
    }
    /// Ends one of one's own sessions.
    ///
    /// # Errors
    /// `NotFound` for somebody else's.
    pub async fn revoke_session(&self, ctx: &Ctx, session: SessionId) -> Result<()> {
        let permit = self.permit(ctx, Action::UseOwnAccount, Resource::Hospital).await?;
        let account = ctx.account().ok_or(Error::SignedOut)?.id;
        retried(|| async {
            let own = |opened: &Opened<Stored>| opened.body.session.account == account && opened.body.session.revoked_at.is_none();
            let opened = self.session(DocId(session.bytes())).await?.filter(own).ok_or(Error::NotFound)?;
            let mut act = Act::by(self, Side::Control, ctx, Class::SessionRevoked).permit(&permit);
            put_revoked(&mut act, &opened, ctx.now())?;
            act.commit().await.map(|_| ())
        })
        .await
    }
    /// Ends all own sessions but this one; returns how many.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn revoke_other_sessions(&self, ctx: &Ctx) -> Result<usize> {
        let permit = self.permit(ctx, Action::UseOwnAccount, Resource::Hospital).await?;
        let account = ctx.account().ok_or(Error::SignedOut)?.id;
        let keep = ctx.session().map(|session| session.id);
        retried(|| async {
            let mut act = Act::by(self, Side::Control, ctx, Class::SessionRevoked).permit(&permit);
            self.expect_credentials(&mut act, account).await?;
            let ended = self.end_sessions(&mut act, account, keep, ctx.now()).await?;
            act.detail("count", ended.to_string()).commit().await.map(|_| ended)
        })
        .await
    }
    /// Ends every session of somebody's account (administrators); returns how many.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn revoke_account_sessions_of(&self, ctx: &Ctx, account: AccountId) -> Result<usize> {
        let (permit, _) = self.permit_account(ctx, Action::RevokeSession, account).await?;
        retried(|| async {
            let mut act =
                Act::by(self, Side::Control, ctx, Class::SessionRevoked).permit(&permit).detail("account", hex::encode(account.bytes()));
            self.expect_credentials(&mut act, account).await?;
            let ended = self.end_sessions(&mut act, account, None, ctx.now()).await?;
            act.detail("count", ended.to_string()).commit().await.map(|_| ended)
        })
        .await
    }

    async fn session(&self, id: DocId) -> Result<Option<Opened<Stored>>> {
        self.control.get(kinds::SESSION, id).await?.map(|document| self.open_own_doc(kinds::CONTROL, Purpose::Staff, &document)).transpose()
    }
    async fn last_used(&self, session: &Session) -> Result<Moment> {
        let proven = session.proven_at.max(session.created_at);
        let marked = self.control.marked(kinds::SESSION, DocId(session.id.bytes())).await?;
        Ok(marked.map_or(proven, |at| Moment(at).max(proven)))
    }
    fn session_term(&self, account: AccountId) -> Term {
        self.exact_term(kinds::CONTROL, kinds::SESSION, "account", &account.bytes())
    }
    /// Sessions of an account that nobody ended; some may have run out.
    async fn sessions_of(&self, account: AccountId) -> Result<Vec<Opened<Stored>>> {
        let query = Find { kind: kinds::SESSION, all_of: vec![self.session_term(account)], before: None, since: None, limit: SESSIONS_MAX };
        let documents = self.control.find(&query).await?;
        documents.iter().map(|document| self.open_own_doc(kinds::CONTROL, Purpose::Staff, document)).collect()
    }
    /// Every session of an account that is not revoked.
    pub(crate) async fn session_ids(&self, account: AccountId) -> Result<Vec<DocId>> {
        Ok(self.sessions_of(account).await?.iter().map(|opened| DocId(opened.body.session.id.bytes())).collect())
    }
    pub(crate) fn put_session(&self, act: &mut Act<'_>, token: &Token, session: Session) -> Result<()> {
        let terms = vec![self.session_term(session.account)];
        act.put_own(Purpose::Staff, kinds::SESSION, token.id, 1, &Stored { session, hash: token.hash }, terms, Vec::new())
    }
    /// Writes the next version of a live session, changed.
    pub(crate) async fn put_session_again(&self, act: &mut Act<'_>, id: SessionId, change: impl FnOnce(&mut Session)) -> Result<()> {
        let id = DocId(id.bytes());
        let opened = self.session(id).await?.filter(|opened| opened.body.session.revoked_at.is_none()).ok_or(Error::SignedOut)?;
        let mut stored = opened.body.clone();
        change(&mut stored.session);
        let terms = vec![self.session_term(stored.session.account)];
        act.put_own(Purpose::Staff, kinds::SESSION, id, opened.version.saturating_add(1), &stored, terms, Vec::new())
    }
    /// Puts the end of all sessions of an account into a change. The caller also writes or expects
    /// the credentials, which every sign-in writes, so that none slips in between.
    pub(crate) async fn end_sessions(&self, act: &mut Act<'_>, account: AccountId, keep: Option<SessionId>, now: Moment) -> Result<usize> {
        let open = self.sessions_of(account).await?;
        let ending = open.iter().filter(|opened| Some(opened.body.session.id) != keep && opened.body.session.revoked_at.is_none());
        let mut ended = 0;
        for opened in ending {
            put_revoked(act, opened, now)?;
            ended += 1;
        }
        Ok(ended)
    }
    /// Puts a new session into a sign-in, which also writes the credentials. Sessions that ran out
    /// leave the account's list, and of too many live ones the oldest ends. What the account is to be
    /// told is told once. `proven_at`: when the factor was proven, here or at the provider.
    pub(crate) async fn open_session<'a>(
        &'a self,
        act: &mut Act<'a>,
        visit: &'a Visit,
        account: &Opened<Account>,
        proven_at: Moment,
    ) -> Result<OpenedSession> {
        let mut notices: Vec<String> = account.body.notice.iter().cloned().collect();
        notices.extend(self.make_room(act, visit, &account.body).await?);
        let token = Token::new(visit);
        let session = Session {
            id: SessionId::from_bytes(token.id.0),
            account: account.body.id,
            created_at: visit.now,
            proven_at,
            address: visit.address.clone(),
            device: visit.device.clone(),
            revoked_at: None,
            emergencies: Vec::new(),
        };
        self.put_session(act, &token, session)?;
        match &account.body.notice {
            Some(_) => self.put_account(act, account.version, &Account { notice: None, ..account.body.clone() })?,
            None => act.expect(kinds::ACCOUNT, DocId(account.body.id.bytes()), account.version),
        }
        Ok(OpenedSession { token, notice: Some(notices.join(" ")).filter(|notice| !notice.is_empty()) })
    }
    /// Ends what is over and what is too much; says so when a live session had to go.
    async fn make_room<'a>(&'a self, act: &mut Act<'a>, visit: &'a Visit, account: &Account) -> Result<Option<String>> {
        let mut live = Vec::new();
        for opened in self.sessions_of(account.id).await? {
            if visit.now.since_ms(opened.body.session.created_at) >= ABSOLUTE_MS_MAX {
                put_revoked(act, &opened, visit.now)?;
            } else if opened.body.session.check(self.idle_ms(account.role), self.last_used(&opened.body.session).await?, visit.now).is_ok()
            {
                live.push(opened);
            }
        }
        let over = (live.len() + 1).saturating_sub(SESSION_COUNT_MAX);
        if over == 0 {
            return Ok(None);
        }
        live.sort_by_key(|opened| opened.body.session.created_at);
        let mut end = Act::new(self, Side::Control, visit, who(visit, account), Class::SessionRevoked)
            .detail("reason", "too many sessions")
            .detail("count", over.to_string());
        live.iter().take(over).try_for_each(|opened| put_revoked(&mut end, opened, visit.now))?;
        act.together(end)?;
        let words = "You were signed in in more places than an account may be, so your oldest session was ended.";
        Ok(Some(format!("{words} At most {SESSION_COUNT_MAX} are kept; you find them under Security and sessions.")))
    }
    /// The commit that signs in.
    pub(crate) async fn signed_in(&self, act: Act<'_>, visit: &Visit, id: AccountId, opened: OpenedSession) -> Result<SignedIn> {
        act.commit().await?;
        // Only for the accounts list; lost at worst, never trusted.
        self.control.mark(kinds::ACCOUNT, DocId(id.bytes()), visit.now.0).await?;
        // The session is there: with the records out of reach it is one all the same.
        let drafts = self.has_drafts(id, visit.now).await.unwrap_or(false);
        Ok(SignedIn { token: opened.token.text, recovery_codes: None, notice: opened.notice, drafts })
    }
}

/// The ended version carries no terms: lists by account leave it out.
fn put_revoked(act: &mut Act<'_>, opened: &Opened<Stored>, now: Moment) -> Result<()> {
    let mut stored = opened.body.clone();
    stored.session.revoked_at = Some(now);
    let id = DocId(stored.session.id.bytes());
    act.put_own(Purpose::Staff, kinds::SESSION, id, opened.version.saturating_add(1), &stored, Vec::new(), Vec::new())
}
