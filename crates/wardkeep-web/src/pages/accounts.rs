//! Accounts: listed, invited, suspended, reinstated; second factors reset; sessions ended.
//!
//! An invitation link is shown once, on the answer to the form that made it, and nowhere else.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;
use wardkeep_app::accounts::AccountView;
use wardkeep_app::{Error, Result};
use wardkeep_domain::account::{AccountState, Role};
use wardkeep_domain::{AccountId, FieldError, FieldErrors};

use crate::extract::{Posted, Signed};
use crate::page::{FormErrors, Page, done, render, render_invalid};
use crate::pages::patients::Nothing;
use crate::pages::security::fail_or_confirm;

/// The list's filter; it names no person, so it may stand in a URL.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct FilterQuery {
    role: String,
    state: String,
    after: String,
}

impl FilterQuery {
    fn role(&self) -> Option<Role> {
        Role::parse(&self.role).ok()
    }
    fn state(&self) -> Option<AccountState> {
        AccountState::ALL.into_iter().find(|state| state.code() == self.state)
    }
    /// The address of the next page: codes of closed lists and a number.
    fn older(&self, next: u64) -> String {
        let role = self.role().map_or("", Role::code);
        let state = self.state().map_or("", AccountState::code);
        format!("/accounts?role={role}&state={state}&after={next}")
    }
}

/// An account as listed.
pub(crate) struct Row {
    pub id: String,
    pub name: String,
    pub email: String,
    pub role: &'static str,
    pub state: &'static str,
    pub state_class: &'static str,
    pub factor: bool,
    pub last: String,
    pub linked: bool,
    pub is_patient: bool,
    pub own: bool,
    pub suspends: bool,
    pub reinstates: bool,
}

impl Row {
    pub(crate) fn new(signed: &Signed, view: &AccountView) -> Self {
        let account = &view.account;
        let own = account.id == signed.ctx.account_id();
        Self {
            id: account.id.to_string(),
            name: account.display_name.clone(),
            email: account.email.as_str().to_owned(),
            role: account.role.label(),
            state: account.state.label(),
            state_class: match account.state {
                AccountState::Active => "ok",
                AccountState::Invited => "warn",
                AccountState::Suspended | AccountState::Closed => "danger",
            },
            factor: view.has_second_factor,
            last: view.last_sign_in.map_or_else(|| "Never".to_owned(), |at| at.staff()),
            linked: account.patient.is_some(),
            is_patient: account.role == Role::Patient,
            own,
            suspends: !own && matches!(account.state, AccountState::Active | AccountState::Invited),
            reinstates: account.state == AccountState::Suspended,
        }
    }
}

type Options = Vec<(&'static str, &'static str)>;

#[derive(Template)]
#[template(path = "accounts/list.html")]
struct ListPage {
    page: Page,
    filter: FilterQuery,
    roles: Options,
    states: Options,
    rows: Vec<Row>,
    older: Option<String>,
    as_of: String,
}

pub async fn list(signed: Signed, Query(filter): Query<FilterQuery>) -> Response {
    let after = filter.after.parse().ok();
    match signed.web.app.accounts(&signed.ctx, filter.role(), filter.state(), after).await {
        Ok(found) => render(&ListPage {
            page: signed.page("Accounts"),
            roles: Role::ALL.iter().map(|role| (role.code(), role.label())).collect(),
            states: AccountState::ALL.iter().map(|state| (state.code(), state.label())).collect(),
            rows: found.items.iter().map(|view| Row::new(&signed, view)).collect(),
            older: found.next.map(|next| filter.older(next)),
            as_of: signed.ctx.now().staff(),
            filter,
        }),
        Err(error) => signed.fail(&error),
    }
}

/// The invitation form as typed.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct InviteForm {
    email: String,
    display_name: String,
    role: String,
}

#[derive(Template)]
#[template(path = "accounts/invite.html")]
struct InvitePage {
    page: Page,
    errors: FormErrors,
    form: InviteForm,
    roles: Options,
    link: String,
}

fn invite_template(signed: &Signed, form: InviteForm, link: String, errors: FormErrors) -> InvitePage {
    let page = signed.page("Invite staff");
    InvitePage {
        page: if errors.is_empty() { page } else { page.failed() },
        errors,
        form,
        roles: Role::STAFF.iter().map(|role| (role.code(), role.label())).collect(),
        link,
    }
}

/// The link of an invitation, shown this once.
pub(crate) fn invitation(signed: &Signed, email: String, display_name: String, token: &str) -> Response {
    let link = format!("{}/invitation/{token}", signed.web.settings.origin);
    let form = InviteForm { email, display_name, role: String::new() };
    render(&invite_template(signed, form, link, FormErrors::default()))
}

pub async fn invite_page(signed: Signed) -> Response {
    // The page names nobody, but only those who may list accounts get as far as the form.
    match signed.web.app.accounts(&signed.ctx, Some(Role::Administrator), None, None).await {
        Ok(_) => render(&invite_template(&signed, InviteForm::default(), String::new(), FormErrors::default())),
        Err(error) => signed.fail(&error),
    }
}

pub async fn invite(Posted { signed, form }: Posted<InviteForm>) -> Response {
    match signed.web.app.invite(&signed.ctx, &form.email, &form.display_name, &form.role).await {
        Ok((_, token)) => invitation(&signed, form.email, form.display_name, &token),
        Err(Error::Invalid(errors)) => render_invalid(&invite_template(&signed, form, String::new(), errors.into())),
        Err(Error::Refused(words)) => {
            let errors = FieldErrors(vec![FieldError::new("email", words)]);
            render_invalid(&invite_template(&signed, form, String::new(), errors.into()))
        }
        Err(error) => fail_or_confirm(&signed, &error, "/accounts/invite"),
    }
}

fn account_id(text: &str) -> Result<AccountId> {
    AccountId::parse(text).ok_or(Error::NotFound)
}

/// After an act on one account: back to the list with a notice.
fn answer(signed: &Signed, acted: Result<()>, notice: &'static str) -> Response {
    match acted {
        Ok(()) => done(&signed.web, "/accounts", notice),
        Err(error) => fail_or_confirm(signed, &error, "/accounts"),
    }
}

pub async fn suspend(Path(account): Path<String>, Posted { signed, .. }: Posted<Nothing>) -> Response {
    let acted = match account_id(&account) {
        Ok(id) => signed.web.app.suspend(&signed.ctx, id).await,
        Err(error) => Err(error),
    };
    answer(&signed, acted, "suspended")
}

pub async fn reinstate(Path(account): Path<String>, Posted { signed, .. }: Posted<Nothing>) -> Response {
    let acted = match account_id(&account) {
        Ok(id) => signed.web.app.reinstate(&signed.ctx, id).await,
        Err(error) => Err(error),
    };
    answer(&signed, acted, "reinstated")
}

pub async fn reset_factor(Path(account): Path<String>, Posted { signed, .. }: Posted<Nothing>) -> Response {
    let acted = match account_id(&account) {
        Ok(id) => signed.web.app.reset_factor(&signed.ctx, id).await,
        Err(error) => Err(error),
    };
    answer(&signed, acted, "factor-reset")
}

pub async fn end_sessions(Path(account): Path<String>, Posted { signed, .. }: Posted<Nothing>) -> Response {
    let acted = match account_id(&account) {
        Ok(id) => signed.web.app.revoke_account_sessions_of(&signed.ctx, id).await.map(|_| ()),
        Err(error) => Err(error),
    };
    answer(&signed, acted, "account-sessions-ended")
}
