//! Opening an account: patients register; staff accept an invitation; the first administrator
//! uses the set-up link.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use serde::Deserialize;
use wardkeep_app::Error;
use wardkeep_app::accounts::{InvitationView, NewAccount};

use crate::extract::{Visitor, VisitorPosted};
use crate::page::{FormErrors, Page, done, render, render_invalid};

#[derive(Template)]
#[template(path = "register/register.html")]
struct RegisterPage {
    page: Page,
    errors: FormErrors,
    heading: String,
    lead: String,
    verb: &'static str,
    action: String,
    ask_identity: bool,
    email: String,
    display_name: String,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct AccountForm {
    email: String,
    display_name: String,
    password: String,
    password_again: String,
}

impl AccountForm {
    fn parts(&self) -> NewAccount {
        NewAccount {
            email: self.email.clone(),
            display_name: self.display_name.clone(),
            password: self.password.clone(),
            password_again: self.password_again.clone(),
        }
    }
}

fn patient_page(visitor: &Visitor, form: &AccountForm, errors: FormErrors) -> RegisterPage {
    RegisterPage {
        page: if errors.is_empty() { visitor.page("Open an account") } else { visitor.page("Open an account").failed() },
        errors,
        heading: "Open a patient account".to_owned(),
        lead: "You will see your record once the front desk has linked it, or with the activation code you were given.".to_owned(),
        verb: "Open account",
        action: "/register".to_owned(),
        ask_identity: true,
        email: form.email.clone(),
        display_name: form.display_name.clone(),
    }
}

pub async fn register_page(visitor: Visitor) -> Response {
    if !visitor.web.app.hospital().registration_open {
        return visitor.fail(&Error::NotFound);
    }
    render(&patient_page(&visitor, &AccountForm::default(), FormErrors::default()))
}

pub async fn register(VisitorPosted { visitor, form }: VisitorPosted<AccountForm>) -> Response {
    match visitor.web.app.register(&visitor.visit, &form.parts()).await {
        Ok(()) => done(&visitor.web, "/sign-in", "registered"),
        Err(Error::Invalid(errors)) => render_invalid(&patient_page(&visitor, &form, errors.into())),
        Err(error) => visitor.fail(&error),
    }
}

fn invited_page(visitor: &Visitor, token: &str, invitation: &InvitationView, form: &AccountForm, errors: FormErrors) -> RegisterPage {
    let (heading, lead, action) = if invitation.setup {
        (
            "Set up this hospital".to_owned(),
            "You become the first administrator. Invite everybody else from the Accounts page.".to_owned(),
            format!("/setup/{token}"),
        )
    } else {
        (
            format!("Welcome, {}", invitation.display_name),
            format!("You are invited as {} with the address {}. Choose a password.", invitation.role.label(), invitation.email),
            format!("/invitation/{token}"),
        )
    };
    let page = visitor.page(&heading);
    RegisterPage {
        page: if errors.is_empty() { page } else { page.failed() },
        errors,
        heading,
        lead,
        verb: "Create account",
        action,
        ask_identity: invitation.setup,
        email: form.email.clone(),
        display_name: form.display_name.clone(),
    }
}

pub async fn invitation_page(visitor: Visitor, Path(token): Path<String>) -> Response {
    match visitor.web.app.invitation(&visitor.visit, &token).await {
        Ok(invitation) => render(&invited_page(&visitor, &token, &invitation, &AccountForm::default(), FormErrors::default())),
        Err(error) => visitor.fail(&error),
    }
}

pub async fn accept(Path(token): Path<String>, VisitorPosted { visitor, form }: VisitorPosted<AccountForm>) -> Response {
    match visitor.web.app.accept_invitation(&visitor.visit, &token, &form.parts()).await {
        Ok(()) => done(&visitor.web, "/sign-in", "account-ready"),
        Err(Error::Invalid(errors)) => match visitor.web.app.invitation(&visitor.visit, &token).await {
            Ok(invitation) => render_invalid(&invited_page(&visitor, &token, &invitation, &form, errors.into())),
            Err(error) => visitor.fail(&error),
        },
        Err(error) => visitor.fail(&error),
    }
}
