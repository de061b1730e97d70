//! The two-person rule: asking, deciding, and using an approval once.
//!
//! An act that one person may not do alone answers `SecondPerson` with what to ask for. The
//! approval is used up in the commit of the act that it allows, so two uses at once give one act.
//! Nothing here decides who may: policy is asked for the act itself, for asking, and for deciding.

use std::collections::HashMap;

use wardkeep_domain::account::{Account, AccountState, Role};
use wardkeep_domain::request::{
    Request, RequestKind, RequestRefusal, RequestState, WAITING_MS_MAX, parse_note, parse_reason, role_decides,
};
use wardkeep_domain::{AccountId, FieldErrors, PatientId, RequestId};
use wardkeep_ledger::Class;
use wardkeep_policy::{Action, Actor, Facts, Permit, Resource};
use wardkeep_store::{DocId, Find, Term};
use wardkeep_vault::Purpose;

use crate::accounts::{INVITATION_MS_MAX, Invited, PAGE};
use crate::act::{Act, Side};
use crate::audit::{self, LogFilter};
use crate::envelope::Opened;
use crate::integrity::Sealed;
use crate::services::{NewSecret, planned};
use crate::throttle::retried;
use crate::{App, Ctx, Error, Result, kinds};

/// Requests of one person that may wait at once.
pub const OPEN_MAX: usize = 10;
/// Waiting requests looked at together.
const WAITING_MAX: usize = 200;
/// Accounts of one deciding role looked at together.
const DECIDERS_MAX: usize = 500;

/// What somebody wants to do, as typed.
#[derive(Clone)]
pub enum Wanted {
    GrantRole {
        email: String,
        display_name: String,
        role: String,
    },
    ResetFactor {
        account: AccountId,
    },
    ExportLog {
        filter: LogFilter,
    },
    ExportAssessments,
    ErasePatient {
        patient: PatientId,
    },
    MakeService {
        name: String,
        purpose: String,
        scopes: Vec<String>,
        days: String,
        /// JWK; empty for a secret.
        key: String,
    },
}

/// A request as shown to who made it and to who may decide on it.
#[derive(Clone, Debug)]
pub struct RequestView {
    pub request: Request,
    /// Where it stands now.
    pub state: RequestState,
    pub asked_by: String,
    /// Who approved or refused; empty before.
    pub decided_by: String,
    /// The patient it is about, `OKAFOR, Grace · MRN …`; `None` in lists, and once they are erased.
    pub patient: Option<String>,
    /// The viewer made it.
    pub own: bool,
    /// The viewer may decide on it, with a fresh code.
    pub decides: bool,
}

/// The page of requests.
#[derive(Clone, Debug)]
pub struct Requests {
    /// Others' requests that wait for somebody like the viewer, newest first.
    pub waiting: Vec<RequestView>,
    /// The viewer's own, newest first.
    pub own: Vec<RequestView>,
}

/// What was done with an approval.
pub enum Used {
    /// The token of the invitation's link, to be handed over.
    Invited {
        email: String,
        display_name: String,
        token: String,
    },
    FactorReset,
    LogExported(Vec<u8>),
    AssessmentsExported(Vec<u8>),
    PatientErased,
    ServiceMade(NewSecret),
}

/// An approval on its way into the commit of the act that it allows.
pub(crate) struct Approval {
    version: u64,
    used: Request,
    /// Who approved, and the version of their account that was still good for it.
    approver: (AccountId, u64),
}

impl Approval {
    /// Puts the use into the act, and expects that nobody used it or suspended the approver meanwhile.
    pub(crate) fn consume<'a>(&self, app: &App, act: Act<'a>) -> Result<Act<'a>> {
        let (approver, version) = self.approver;
        let mut act = act
            .detail("request", hex::encode(self.used.id.bytes()))
            .detail("approved by", hex::encode(approver.bytes()))
            .detail("reason", self.used.reason.clone());
        act.expect(kinds::ACCOUNT, DocId(approver.bytes()), version);
        app.put_request(&mut act, self.version, &self.used)?;
        Ok(act)
    }
}

fn resource(request: &Request) -> Resource {
    Resource::Request { kind: request.kind.code(), asked_by: request.asked_by, about: request.kind.about() }
}

fn state_code(state: &RequestState) -> &'static [u8] {
    match state {
        RequestState::Waiting => b"waiting",
        RequestState::Approved { .. } => b"approved",
        RequestState::Refused { .. } | RequestState::Used { .. } | RequestState::Expired => b"over",
    }
}

impl App {
    fn request_term(&self, field: &str, value: &[u8]) -> Term {
        self.exact_term(kinds::CONTROL, kinds::REQUEST, field, value)
    }
    fn put_request(&self, act: &mut Act<'_>, version: u64, request: &Request) -> Result<()> {
        let terms = vec![self.request_term("state", state_code(&request.state)), self.request_term("asker", &request.asked_by.bytes())];
        act.put_own(Purpose::Staff, kinds::REQUEST, DocId(request.id.bytes()), version.saturating_add(1), request, terms, Vec::new())
    }
    async fn find_request(&self, id: RequestId) -> Result<Opened<Request>> {
        let document = self.control.get(kinds::REQUEST, DocId(id.bytes())).await?.ok_or(Error::NotFound)?;
        self.open_own_doc(kinds::CONTROL, Purpose::Staff, &document)
    }
    async fn find_requests(&self, query: &Find) -> Result<Vec<Request>> {
        let documents = self.control.find(query).await?;
        documents.iter().map(|document| Ok(self.open_own_doc(kinds::CONTROL, Purpose::Staff, document)?.body)).collect()
    }
    async fn own_requests(&self, ctx: &Ctx) -> Result<Vec<Request>> {
        let all_of = vec![self.request_term("asker", &ctx.account_id().bytes())];
        self.find_requests(&Find { kind: kinds::REQUEST, all_of, before: None, since: None, limit: PAGE }).await
    }

    /// Accounts whose owners have a deciding role and ever accepted it, in whatever state they are
    /// now: suspending the others must not bring back acting alone. `true`: an invitation is open.
    async fn deciders(&self, ctx: &Ctx) -> Result<(Vec<Account>, bool)> {
        let (mut deciders, mut open) = (Vec::new(), false);
        for role in Role::STAFF.into_iter().filter(|role| role_decides(*role)) {
            let term = self.exact_term(kinds::CONTROL, kinds::ACCOUNT, "role", role.code().as_bytes());
            let query = Find { kind: kinds::ACCOUNT, all_of: vec![term], before: None, since: None, limit: DECIDERS_MAX };
            for document in self.control.find(&query).await? {
                let account = self.open_account(&document)?.body;
                if account.state == AccountState::Invited {
                    open |= ctx.now().since_ms(account.created_at) < INVITATION_MS_MAX;
                } else if account.state == AccountState::Active || self.credentials(account.id).await?.is_some() {
                    deciders.push(account);
                }
            }
        }
        Ok((deciders, open))
    }

    /// May this person do this act alone? Exports beyond the bound never; the rest until somebody
    /// else could decide. The command line may: it is in the log as what it is.
    pub(crate) async fn alone(&self, ctx: &Ctx, kind: RequestKind) -> Result<()> {
        if matches!(ctx.actor, Actor::Operator) {
            return Ok(());
        }
        if kind.always_takes_two() {
            return Err(Error::SecondPerson(Box::new(kind)));
        }
        let (deciders, open) = self.deciders(ctx).await?;
        if deciders.iter().any(|account| account.id != ctx.account_id()) {
            return Err(Error::SecondPerson(Box::new(kind)));
        }
        // Or one person could write many invitations before the first is answered.
        if open && matches!(kind, RequestKind::GrantRole { .. }) {
            let words = "An invitation of an administrator or privacy officer is open still. Wait until it is answered, or suspend that \
                         account; the next one is decided on by two.";
            return Err(Error::Refused(words.to_owned()));
        }
        Ok(())
    }

    /// What policy would say to this account with a fresh code.
    fn could_decide(&self, account: &Account, request: &Request) -> bool {
        let actor = Actor::Account { id: account.id, role: account.role, state: account.state, patient: account.patient };
        let facts = Facts { second_factor: true, fresh: true, ..Facts::default() };
        self.policy.decide(actor, Action::DecideRequest, resource(request), facts).is_ok()
    }

    /// The act itself, as policy knows it: who may not do it may not ask for it either.
    async fn wanted(&self, ctx: &Ctx, wanted: &Wanted) -> Result<RequestKind> {
        match wanted {
            Wanted::GrantRole { email, display_name, role } => {
                self.permit(ctx, Action::InviteStaff, Resource::Hospital).await?;
                let Invited { email, name, role } = Invited::parse(email, display_name, role)?;
                self.address_is_free(&email).await?;
                if !role_decides(role) {
                    return Err(Error::Refused("One person may invite into this role. Invite from the list of accounts.".to_owned()));
                }
                Ok(RequestKind::GrantRole { email, display_name: name, role })
            }
            Wanted::ResetFactor { account } => {
                let (_, opened) = self.permit_account(ctx, Action::ResetFactor, *account).await?;
                self.has_credentials(*account).await?;
                Ok(RequestKind::ResetFactor { account: *account, person: opened.body.display_name.clone() })
            }
            Wanted::ExportLog { filter } => {
                self.permit(ctx, Action::ExportLog, Resource::Hospital).await?;
                self.log_query(ctx, filter).await?;
                Ok(RequestKind::ExportLog { scope: audit::scope(filter) })
            }
            Wanted::ExportAssessments => {
                self.permit(ctx, Action::ExportAssessments, Resource::Hospital).await?;
                Ok(RequestKind::ExportAssessments)
            }
            Wanted::ErasePatient { patient } => {
                self.may_be_erased(ctx, *patient).await?;
                Ok(RequestKind::ErasePatient { patient: *patient })
            }
            Wanted::MakeService { name, purpose, scopes, days, key } => {
                self.permit(ctx, Action::ManageServices, Resource::Hospital).await?;
                Ok(RequestKind::MakeService { planned: planned(name, purpose, scopes, days, key)? })
            }
        }
    }

    /// Asks for a second person. `reason`: 20 to 500 characters.
    ///
    /// # Errors
    /// `Denied` (a fresh factor is needed), `Invalid`; `Refused` when nobody else could decide, or
    /// when [`OPEN_MAX`] requests wait already.
    pub async fn ask_approval(&self, ctx: &Ctx, wanted: &Wanted, reason: &str) -> Result<RequestId> {
        let permit = self.permit(ctx, Action::AskApproval, Resource::Hospital).await?;
        let kind = self.wanted(ctx, wanted).await?;
        let reason = parse_reason(reason).map_err(FieldErrors::from)?;
        let waiting = |request: &&Request| request.state_at(ctx.now()) == RequestState::Waiting;
        if self.own_requests(ctx).await?.iter().filter(waiting).count() >= OPEN_MAX {
            return Err(Error::Refused(format!("{OPEN_MAX} of your requests wait already. Wait until they are decided on.")));
        }
        let id = RequestId::from_bytes(ctx.visit().new_id());
        let request = Request::new(id, kind, ctx.account_id(), reason, ctx.now());
        if !self.deciders(ctx).await?.0.iter().any(|account| self.could_decide(account, &request)) {
            let words = if request.kind.always_takes_two() {
                "Nobody else could decide on this. The hospital needs another active privacy officer for it."
            } else {
                "Nobody else could decide on this. The hospital needs another active administrator or privacy officer, or the command \
                 line on its own machine."
            };
            return Err(Error::Refused(words.to_owned()));
        }
        let mut act = self.request_act(ctx, Class::ApprovalAsked, &request, "asked").permit(&permit);
        act = act.detail("reason", request.reason.clone());
        self.put_request(&mut act, 0, &request)?;
        act.commit().await?;
        Ok(id)
    }

    fn request_act<'a>(&'a self, ctx: &'a Ctx, class: Class, request: &Request, step: &str) -> Act<'a> {
        let act = Act::by(self, Side::Control, ctx, class)
            .detail("request", hex::encode(request.id.bytes()))
            .detail("kind", request.kind.code())
            .detail("step", step);
        match &request.kind {
            RequestKind::GrantRole { role, .. } => act.detail("role", role.code()),
            RequestKind::ResetFactor { account, .. } => act.detail("account", hex::encode(account.bytes())),
            RequestKind::MakeService { planned } => act.detail("scopes", planned.scopes.to_string()),
            RequestKind::ErasePatient { patient } => act.detail("patient", patient.to_string()),
            RequestKind::ExportLog { .. } | RequestKind::ExportAssessments => act,
        }
    }

    /// Approves somebody else's request.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; `Refused` when it was decided on already or has expired.
    pub async fn approve_request(&self, ctx: &Ctx, id: RequestId) -> Result<()> {
        self.decide_on(ctx, id, "approved", |request| request.approve(ctx.account_id(), ctx.now())).await
    }

    /// Refuses somebody else's request. `note`: 1 to 500 characters, for who asked.
    ///
    /// # Errors
    /// As [`App::approve_request`]; `Invalid` on `note`.
    pub async fn refuse_request(&self, ctx: &Ctx, id: RequestId, note: &str) -> Result<()> {
        // Who may not decide is told so, whatever they typed.
        let note = parse_note(note);
        self.permit(ctx, Action::DecideRequest, resource(&self.find_request(id).await?.body)).await?;
        let note = note.map_err(FieldErrors::from)?;
        self.decide_on(ctx, id, "refused", |request| request.refuse(ctx.account_id(), note.clone(), ctx.now())).await
    }

    async fn decide_on(
        &self,
        ctx: &Ctx,
        id: RequestId,
        step: &str,
        decision: impl Fn(&Request) -> Result<Request, RequestRefusal>,
    ) -> Result<()> {
        retried(|| async {
            let opened = self.find_request(id).await?;
            let permit = self.permit(ctx, Action::DecideRequest, resource(&opened.body)).await?;
            let decided = decision(&opened.body)?;
            let mut act = self.request_act(ctx, Class::ApprovalDecided, &decided, step).permit(&permit);
            if let RequestState::Refused { note, .. } = &decided.state {
                act = act.detail("reason", note.clone());
            }
            self.put_request(&mut act, opened.version, &decided)?;
            act.commit().await.map(|_| ())
        })
        .await
    }

    /// Does what was approved, for who asked, once.
    ///
    /// # Errors
    /// `NotFound` for anybody else; `Refused` when it is not approved, was used, has expired, or
    /// when who approved it could not do so any more; and as the act itself.
    pub async fn use_request(&self, ctx: &Ctx, id: RequestId) -> Result<Used> {
        self.permit(ctx, Action::AskApproval, Resource::Hospital).await?;
        retried(|| async {
            let approval = self.approval(ctx, id).await?;
            match approval.used.kind.clone() {
                RequestKind::GrantRole { email, display_name, role } => {
                    let invited = Invited { email: email.clone(), name: display_name.clone(), role };
                    let (_, token) = self.invite_approved(ctx, invited, &approval).await?;
                    Ok(Used::Invited { email: email.as_str().to_owned(), display_name, token })
                }
                RequestKind::ResetFactor { account, .. } => {
                    self.reset_factor_approved(ctx, account, &approval).await?;
                    Ok(Used::FactorReset)
                }
                RequestKind::ExportLog { scope } => {
                    let csv = self.export_log_approved(ctx, &audit::filter(&scope)?, &approval).await?;
                    Ok(Used::LogExported(csv))
                }
                RequestKind::MakeService { planned } => Ok(Used::ServiceMade(self.make_service_approved(ctx, planned, &approval).await?)),
                RequestKind::ErasePatient { patient } => {
                    self.erase_patient_approved(ctx, patient, &approval).await?;
                    Ok(Used::PatientErased)
                }
                RequestKind::ExportAssessments => Ok(Used::AssessmentsExported(self.export_stroke_approved(ctx, &approval).await?)),
            }
        })
        .await
    }

    async fn approval(&self, ctx: &Ctx, id: RequestId) -> Result<Approval> {
        let opened = self.find_request(id).await?;
        if opened.body.asked_by != ctx.account_id() {
            return Err(Error::NotFound);
        }
        let (used, by) = opened.body.consume(ctx.now())?;
        let approver = self.account(by).await?.filter(|account| self.could_decide(&account.body, &used));
        let approver = approver.ok_or_else(|| Error::Refused("Who approved this may not decide on it any more. Ask again.".to_owned()))?;
        Ok(Approval { version: opened.version, used, approver: (by, approver.version) })
    }

    /// What waits for the viewer, and what the viewer asked for.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn requests(&self, ctx: &Ctx) -> Result<Requests> {
        self.permit(ctx, Action::AskApproval, Resource::Hospital).await?;
        let (waiting, own) = (self.waiting_requests(ctx).await?, self.own_requests(ctx).await?);
        Ok(Requests { waiting: self.request_views(ctx, waiting).await?, own: self.request_views(ctx, own).await? })
    }

    /// How many requests wait for the viewer, and how many of the viewer's own are ready to use.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn requests_count(&self, ctx: &Ctx) -> Result<(usize, usize)> {
        self.permit(ctx, Action::AskApproval, Resource::Hospital).await?;
        let ready = |request: &&Request| matches!(request.state_at(ctx.now()), RequestState::Approved { .. });
        Ok((self.waiting_requests(ctx).await?.len(), self.own_requests(ctx).await?.iter().filter(ready).count()))
    }

    /// One request, for who made it and who may decide on it.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub async fn request(&self, ctx: &Ctx, id: RequestId) -> Result<RequestView> {
        let permit = self.permit(ctx, Action::AskApproval, Resource::Hospital).await?;
        let request = self.find_request(id).await?.body;
        let mut view = self.request_views(ctx, vec![request]).await?.pop().ok_or(Error::NotFound)?;
        if !view.own && !view.decides {
            return Err(Error::NotFound);
        }
        if let RequestKind::ErasePatient { patient } = view.request.kind {
            view.patient = self.patient_named(ctx, &permit, patient).await?;
        }
        Ok(view)
    }

    /// Who the patient of a request is, for those who decide on it; `None` once they are erased.
    async fn patient_named(&self, ctx: &Ctx, permit: &Permit, patient: PatientId) -> Result<Option<String>> {
        let key = match self.patient_key(patient, ctx.now()).await {
            Err(Error::NotFound) => return Ok(None),
            key => key?,
        };
        let document = self.patient_document(&key).await?;
        let receipt = self.disclose(ctx, Class::RecordRead, permit, &key, [&Sealed::new(&key, &document)], "name on a request").await?;
        Ok(self.patient_labels(&HashMap::from([(patient, key)]), &receipt).await?.remove(&patient))
    }

    async fn waiting_requests(&self, ctx: &Ctx) -> Result<Vec<Request>> {
        let Some(account) = ctx.account() else { return Ok(Vec::new()) };
        let since = self.control.seq_at(ctx.now().plus_ms(-WAITING_MS_MAX).0).await?;
        let all_of = vec![self.request_term("state", b"waiting")];
        let query = Find { kind: kinds::REQUEST, all_of, before: None, since: Some(since), limit: WAITING_MAX };
        let mut found = self.find_requests(&query).await?;
        found.retain(|request| request.state_at(ctx.now()) == RequestState::Waiting && self.could_decide(account, request));
        Ok(found)
    }

    async fn request_views(&self, ctx: &Ctx, requests: Vec<Request>) -> Result<Vec<RequestView>> {
        let decided = |request: &Request| match request.state {
            RequestState::Approved { by, .. } | RequestState::Refused { by, .. } => Some(by),
            RequestState::Waiting | RequestState::Used { .. } | RequestState::Expired => None,
        };
        let ids: Vec<AccountId> = requests.iter().flat_map(|request| [Some(request.asked_by), decided(request)]).flatten().collect();
        let names: HashMap<AccountId, String> = self.display_names(&ids).await?;
        let name = |id: AccountId| names.get(&id).cloned().unwrap_or_else(|| "Not known".to_owned());
        let view = |request: Request| RequestView {
            state: request.state_at(ctx.now()),
            asked_by: name(request.asked_by),
            decided_by: decided(&request).map_or_else(String::new, name),
            patient: None,
            own: request.asked_by == ctx.account_id(),
            decides: ctx.account().is_some_and(|account| self.could_decide(account, &request)),
            request,
        };
        Ok(requests.into_iter().map(view).collect())
    }
}
