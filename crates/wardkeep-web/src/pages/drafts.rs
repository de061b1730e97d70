//! What somebody had typed when their session ran out, and what the script asks at that moment.

use std::collections::BTreeSet;

use askama::Template;
use axum::Json;
use axum::extract::{FromRequest, Path, Request};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde_json::json;
use wardkeep_app::drafts::{DraftView, OpenedDraft};
use wardkeep_app::{Error, Result};
use wardkeep_domain::DraftId;
use wardkeep_domain::account::Role;

use crate::cookies;
use crate::draft::leave;
use crate::error::{self, show_fault};
use crate::extract::{Posted, Signed, Visitor, read_pairs};
use crate::page::{Page, done, render};
use crate::pages::patients::Nothing;
use crate::pages::sign_in::with_cookie;
use crate::web::Web;

/// Longer values, and those of several lines, can be changed before they are sent.
const SHORT_MAX: usize = 60;
/// Names whose values are text that somebody wrote.
const TEXTS: [&str; 8] = ["body", "title", "reason", "sentence", "note", "answer", "question", "allergy_text"];

/// The script asks how long the session still lives. Asking is no use of it.
pub async fn left(visitor: Visitor) -> Response {
    let token = cookies::get(&visitor.web.settings, &visitor.headers, cookies::SESSION).unwrap_or_default();
    match visitor.web.app.session_left_ms(&visitor.visit, &token).await {
        Ok(left_ms) => Json(json!({ "left_ms": left_ms })).into_response(),
        Err(error) => visitor.fail(&error),
    }
}

/// A form of the page that the script was on when the session ran out: `to` is where the form goes.
pub struct Left {
    visitor: Visitor,
    to: String,
    fields: Vec<(String, String)>,
}

impl FromRequest<Web> for Left {
    type Rejection = Response;
    async fn from_request(request: Request, web: &Web) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = <Visitor as axum::extract::FromRequestParts<Web>>::from_request_parts(&mut parts, web).await?;
        let pairs = read_pairs(Request::from_parts(parts, body), web).await;
        let pairs = pairs.map_err(|fault| error::shown_page(&show_fault(fault), &visitor.page("Error")))?;
        let (to, fields): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(name, _)| name == "to");
        Ok(Self { visitor, to: to.into_iter().next().map(|(_, to)| to).unwrap_or_default(), fields })
    }
}

pub async fn keep(Left { visitor, to, fields }: Left) -> Response {
    match leave(&visitor.web, visitor.visit.clone(), &visitor.headers, &to, fields).await {
        Ok(()) => with_cookie(StatusCode::NO_CONTENT.into_response(), cookies::set(&visitor.web.settings, cookies::NOTICE, "draft-kept")),
        Err(error) => visitor.fail(&error),
    }
}

/// A draft as listed.
struct Line {
    id: String,
    kept: String,
}

#[derive(Template)]
#[template(path = "drafts/list.html")]
struct ListPage {
    page: Page,
    drafts: Vec<Line>,
}

pub async fn list(signed: Signed) -> Response {
    let when = |view: &DraftView| if signed.ctx.role() == Some(Role::Patient) { view.kept_at.patient() } else { view.kept_at.staff() };
    match signed.web.app.drafts(&signed.ctx).await {
        Ok(drafts) if drafts.is_empty() => Redirect::to("/").into_response(),
        Ok(drafts) => {
            let drafts = drafts.iter().map(|view| Line { id: view.id.to_string(), kept: when(view) }).collect();
            render(&ListPage { page: signed.page("Not saved yet"), drafts })
        }
        Err(error) => signed.fail(&error),
    }
}

/// A field as shown.
struct Field {
    name: String,
    label: String,
    value: String,
    /// Text that can be changed here.
    text: bool,
    /// On one line.
    short: bool,
}

impl Field {
    fn new((name, value): (String, String)) -> Self {
        let mut label = if name == "body" { "text".to_owned() } else { name.replace('_', " ") };
        if let Some(first) = label.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let text = TEXTS.contains(&name.as_str()) || value.len() > SHORT_MAX || value.contains('\n');
        let short = name == "title";
        Self { name, label, value, text, short }
    }
}

#[derive(Template)]
#[template(path = "drafts/draft.html")]
struct DraftPage {
    page: Page,
    id: String,
    action: String,
    /// The chart that it belongs to; else empty.
    chart: String,
    kept: String,
    fields: Vec<Field>,
}

/// Of a form with the same name twice, which none of ours has, the first counts.
fn fields(opened: Vec<(String, String)>) -> Vec<Field> {
    let mut seen = BTreeSet::new();
    opened.into_iter().filter(|(name, _)| seen.insert(name.clone())).map(Field::new).collect()
}

pub async fn open(Path(draft): Path<String>, signed: Signed) -> Response {
    let opened = match DraftId::parse(&draft) {
        Some(id) => signed.web.app.open_draft(&signed.ctx, id).await,
        None => Err(Error::NotFound),
    };
    match opened {
        Ok(OpenedDraft { path, kept_at, fields: typed }) => {
            let kept = if signed.ctx.role() == Some(Role::Patient) { kept_at.patient() } else { kept_at.staff() };
            let page = Signed { draft: draft.clone(), ..signed }.page("Not saved yet");
            let chart = path.strip_prefix("/patients/").and_then(|rest| rest.split_once('/'));
            let chart = chart.map(|(patient, _)| format!("/patients/{patient}")).unwrap_or_default();
            render(&DraftPage { page, id: draft, action: path, chart, kept, fields: fields(typed) })
        }
        Err(error) => signed.fail(&error),
    }
}

pub async fn discard(Path(draft): Path<String>, Posted { signed, .. }: Posted<Nothing>) -> Response {
    let dropped = match DraftId::parse(&draft) {
        Some(id) => signed.web.app.drop_draft(&signed.ctx, id).await,
        None => Err(Error::NotFound),
    };
    match dropped {
        Ok(()) => done(&signed.web, "/drafts", "draft-dropped"),
        Err(error) => signed.fail(&error),
    }
}
