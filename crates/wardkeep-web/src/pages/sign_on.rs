//! Single sign-on in the browser: out to the provider, back, and linking.
//!
//! The way out is a page that goes on by itself, not a redirect: our content policy lets no form lead
//! elsewhere, not even by a redirect. So is the way on after coming back: a redirect would still be
//! part of the provider's navigation, and our cookies do not travel with that.

use askama::Template;
use axum::extract::{FromRequestParts, Query};
use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use wardkeep_app::sign_in::{Answer, Arrived, Next, Provider, ProviderAsked};
use wardkeep_app::{Error, Result};

use crate::cookies;
use crate::error::{self, Fault, show};
use crate::extract::{Posted, Signed, Visitor, VisitorPosted};
use crate::page::{Page, done, render};
use crate::pages::patients::Nothing;
use crate::pages::security::{fail_or_confirm, refused_change};
use crate::pages::sign_in::{Empty, finished, password_template, refused, with_cookie};
use crate::web::Web;

fn provider(web: &Web) -> Result<&Provider> {
    web.settings.sign_on.as_ref().ok_or(Error::NotFound)
}

fn ticket(web: &Web, headers: &http::HeaderMap) -> String {
    cookies::get(&web.settings, headers, cookies::SIGN_ON).unwrap_or_default()
}

/// Goes on by itself, at once; with a link for whoever stays.
#[derive(Template)]
#[template(path = "sign_in/on.html")]
struct OnPage {
    page: Page,
    label: String,
    address: String,
    /// Out to the provider, or on to a page of ours.
    out: bool,
}

fn go_out(web: &Web, page: Page, label: &str, asked: &ProviderAsked) -> Response {
    let response = render(&OnPage { page, label: label.to_owned(), address: asked.address.clone(), out: true });
    with_cookie(response, cookies::set_for_return(&web.settings, cookies::SIGN_ON, &asked.ticket))
}

pub async fn ask(VisitorPosted { visitor, .. }: VisitorPosted<Empty>) -> Response {
    let asked = async {
        let provider = provider(&visitor.web)?;
        Ok((provider.label(), visitor.web.app.ask_provider(&visitor.visit, provider).await?))
    };
    match asked.await {
        Ok((label, asked)) => go_out(&visitor.web, visitor.page(&format!("Going to {label}")), label, &asked),
        Err(error @ Error::Refused(_)) => refused(&error, &password_template(&visitor, String::new(), show(&error).words)),
        Err(error) => visitor.fail(&error),
    }
}

/// What the provider's redirect brought. Parameters of its own are left alone; one that stands twice
/// is refused.
pub struct Returned {
    visitor: Visitor,
    answer: Answer,
}

impl FromRequestParts<Web> for Returned {
    type Rejection = Response;
    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, web).await?;
        match Query::<Answer>::from_request_parts(parts, web).await {
            Ok(Query(answer)) => Ok(Self { visitor, answer }),
            Err(_) => Err(error::shown_page(&error::show_fault(Fault::Malformed), &visitor.page("Error"))),
        }
    }
}

pub async fn back(Returned { visitor, answer }: Returned) -> Response {
    let web = &visitor.web;
    let arrived = async {
        let provider = provider(web)?;
        let arrived = web.app.provider_answered(&visitor.visit, provider, &ticket(web, &visitor.headers), &answer).await?;
        Ok((provider.label().to_owned(), arrived))
    };
    let (label, arrived) = match arrived.await {
        Ok(arrived) => arrived,
        Err(error @ (Error::Refused(_) | Error::Throttled { .. })) => {
            let response = refused(&error, &password_template(&visitor, String::new(), show(&error).words));
            return with_cookie(response, cookies::clear(&web.settings, cookies::SIGN_ON));
        }
        Err(error) => return visitor.fail(&error),
    };
    let on =
        |address: &str| render(&OnPage { page: visitor.page("One moment"), label: label.clone(), address: address.to_owned(), out: false });
    match arrived {
        Arrived::SignedIn(signed) => {
            let response = finished(web, &visitor, signed, on);
            with_cookie(response, cookies::clear(&web.settings, cookies::SIGN_ON))
        }
        Arrived::Pending(pending) => {
            let next = if pending.next == Next::Enrol { "/sign-in/enrol" } else { "/sign-in/code" };
            let response = with_cookie(on(next), cookies::set(&web.settings, cookies::PENDING, &pending.token));
            with_cookie(response, cookies::clear(&web.settings, cookies::SIGN_ON))
        }
        Arrived::Link { ticket } => with_cookie(on("/security/provider"), cookies::set(&web.settings, cookies::SIGN_ON, &ticket)),
    }
}

pub async fn ask_link(Posted { signed, .. }: Posted<Nothing>) -> Response {
    let asked = async {
        let provider = provider(&signed.web)?;
        Ok((provider.label(), signed.web.app.ask_provider_link(&signed.ctx, provider).await?))
    };
    match asked.await {
        Ok((label, asked)) => go_out(&signed.web, signed.page(&format!("Going to {label}")), label, &asked),
        Err(error @ Error::Refused(_)) => refused_change(&signed, &error, "provider", String::new()).await,
        Err(error) => fail_or_confirm(&signed, &error, "/security"),
    }
}

#[derive(Template)]
#[template(path = "security/link.html")]
struct LinkPage {
    page: Page,
    label: String,
    /// As the provider calls the person.
    shown: String,
    email: String,
}

pub async fn link_page(signed: Signed) -> Response {
    let shown = async {
        let label = provider(&signed.web)?.label().to_owned();
        let shown = signed.web.app.linking(&signed.ctx, &ticket(&signed.web, &signed.headers)).await?;
        let email = signed.ctx.account().map(|account| account.email.as_str().to_owned()).unwrap_or_default();
        Ok(LinkPage { page: signed.page(&format!("Link {label}")), label, shown, email })
    };
    match shown.await {
        Ok(page) => render(&page),
        Err(Error::Refused(_)) => Redirect::to("/security").into_response(),
        Err(error) => signed.fail(&error),
    }
}

pub async fn link(Posted { signed, .. }: Posted<Nothing>) -> Response {
    let linked = async {
        provider(&signed.web)?;
        signed.web.app.link_provider(&signed.ctx, &ticket(&signed.web, &signed.headers)).await
    };
    let response = match linked.await {
        Ok(()) => done(&signed.web, "/security", "sign-on-linked"),
        Err(error @ Error::Refused(_)) => refused_change(&signed, &error, "provider", String::new()).await,
        Err(error) => fail_or_confirm(&signed, &error, "/security"),
    };
    with_cookie(response, cookies::clear(&signed.web.settings, cookies::SIGN_ON))
}

pub async fn unlink(Posted { signed, .. }: Posted<Nothing>) -> Response {
    match signed.web.app.unlink_provider(&signed.ctx).await {
        Ok(()) => done(&signed.web, "/security", "sign-on-removed"),
        Err(error @ Error::Refused(_)) => refused_change(&signed, &error, "provider", String::new()).await,
        Err(error) => fail_or_confirm(&signed, &error, "/security"),
    }
}
