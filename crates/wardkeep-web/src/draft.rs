//! A form that could not be taken is not lost: while the store is out of reach, the answer holds
//! everything that was entered, ready to be sent again. Nothing of it is kept on the server.

use askama::Template;
use axum::Form;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;

use crate::error::{self, Fault, Shown};
use crate::limits::FORM_BYTES_MAX;
use crate::page::{Page, render};
use crate::web::{RequestId, Web};

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
    let Ok(bytes) = to_bytes(body, FORM_BYTES_MAX).await else { return error::fault(Fault::TooLarge, false, &id) };
    let again = Request::from_parts(parts.clone(), Body::from(bytes.clone()));
    let answer = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    let Some(shown) = answer.extensions().get::<Shown>().filter(|shown| shown.status == StatusCode::SERVICE_UNAVAILABLE).cloned() else {
        return answer;
    };
    let Ok(Form(fields)) = Form::<Vec<(String, String)>>::from_request(again, &()).await else { return answer };
    let page = Page::visitor(&web, &headers, id, shown.title);
    let mut response = render(&DraftPage { page, shown: shown.clone(), action, fields, request: hex::encode(id) });
    error::dress(&mut response, &shown);
    response
}
