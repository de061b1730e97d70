//! A form that could not be taken is not lost. While the store is out of reach, the answer holds
//! everything that was entered, ready to be sent again, and nothing of it is kept on the server. When
//! the session has run out, it is kept on the server until the person is back.

use askama::Template;
use axum::Form;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use wardkeep_app::{Error, Result, Visit};
use wardkeep_domain::DraftId;

use crate::cookies;
use crate::error::{self, Fault, Shown};
use crate::guard;
use crate::limits::FORM_BYTES_MAX;
use crate::page::{Page, done, render};
use crate::routes;
use crate::web::{RequestId, Web};

/// Fields that are never kept: they prove something, for a moment.
const NOT_KEPT: [&str; 3] = ["csrf", DRAFT, "code"];

/// Goes with the fields of a form that goes on with a draft.
pub(crate) const DRAFT: &str = "draft";

#[derive(Template)]
#[template(path = "errors/draft.html")]
struct DraftPage {
    page: Page,
    shown: Shown,
    /// Where the form goes.
    action: String,
    fields: Vec<(String, String)>,
    request: String,
}

/// Lies under the forms of the pages that hold somebody's work.
pub(crate) async fn keep(State(web): State<Web>, request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map_or([0; 16], |id| id.0);
    let (action, headers) = (request.uri().path().to_owned(), request.headers().clone());
    let (parts, body) = request.into_parts();
    let visit = web.visit(&parts);
    let Ok(bytes) = to_bytes(body, FORM_BYTES_MAX).await else { return error::fault(Fault::TooLarge, false, &id) };
    let again = Request::from_parts(parts.clone(), Body::from(bytes.clone()));
    let answer = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    let out_of_reach = answer.extensions().get::<Shown>().filter(|shown| shown.status == StatusCode::SERVICE_UNAVAILABLE).cloned();
    let leads = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let moved = answer.status() == StatusCode::SEE_OTHER;
    if out_of_reach.is_none() && !moved {
        return answer;
    }
    let Ok(Form(fields)) = Form::<Vec<(String, String)>>::from_request(again, &()).await else { return answer };
    if let Some(shown) = out_of_reach {
        let page = Page::visitor(&web, &headers, id, shown.title);
        let mut response = render(&DraftPage { page, shown: shown.clone(), action, fields, request: hex::encode(id) });
        error::dress(&mut response, &shown);
        return response;
    }
    if leads == "/sign-in" {
        return match leave(&web, visit, &headers, &action, fields).await {
            Ok(()) => done(&web, "/sign-in", "draft-kept"),
            Err(error) => {
                error::log(&error, &id, "keeping what was typed");
                answer
            }
        };
    }
    if !leads.starts_with("/security/confirm")
        && let Some(draft) = fields.iter().find(|(name, _)| name == DRAFT).and_then(|(_, text)| DraftId::parse(text))
    {
        saved(&web, visit, &headers, draft, &action).await;
    }
    answer
}

fn session_token(web: &Web, headers: &HeaderMap) -> String {
    cookies::get(&web.settings, headers, cookies::SESSION).unwrap_or_default()
}

/// Keeps what was typed into the form that goes to `path`, for whoever held this browser's session.
///
/// # Errors
/// `SignedOut` for anybody else, and for a form of another session; as policy for what the form does.
pub(crate) async fn leave(web: &Web, visit: Visit, headers: &HeaderMap, path: &str, fields: Vec<(String, String)>) -> Result<()> {
    let holder = web.app.lapsed(visit, &session_token(web, headers)).await?;
    let token = fields.iter().find(|(name, _)| name == "csrf").map(|(_, value)| value.as_str()).unwrap_or_default();
    if !holder.form_token_matches(token) {
        return Err(Error::SignedOut);
    }
    let (action, ids) = routes::work(path).ok_or(Error::NotFound)?;
    let form = guard::form(path, action, &ids)?;
    let typed: Vec<(String, String)> = fields.into_iter().filter(|(name, _)| !NOT_KEPT.contains(&name.as_str())).collect();
    if typed.iter().all(|(_, value)| value.is_empty()) {
        return Err(Error::NotFound);
    }
    web.app.keep_draft(&holder, &form, &typed).await
}

/// The form went on with a draft and was taken: the draft goes. If it cannot, it runs out by itself.
async fn saved(web: &Web, visit: Visit, headers: &HeaderMap, draft: DraftId, path: &str) {
    let request = visit.request;
    let dropped = async {
        let ctx = web.app.authenticate(visit, &session_token(web, headers)).await?;
        web.app.draft_sent(&ctx, draft, path).await
    };
    if let Err(error) = dropped.await {
        error::log(&error, &request, "dropping a draft that was saved");
    }
}
