//! The published log over HTTP, where the hospital has switched it on: C2SP tlog-tiles below
//! `/ledger/<stream>/`, and the key that signs it.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header;
use wardkeep_app::{Error, Result};
use wardkeep_ledger::publish::Piece;

use crate::extract::Visitor;
use crate::web::Web;

/// What a tile of full width is for ever (RFC 8246).
const FOR_EVER: &str = "public, max-age=31536000, immutable";

fn is_on(web: &Web) -> Result<()> {
    if web.settings.publish_log { Ok(()) } else { Err(Error::NotFound) }
}

fn text(words: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], words).into_response()
}

/// The log's public key, as C2SP vkey text.
pub async fn key(State(web): State<Web>, visitor: Visitor) -> Response {
    match is_on(&web) {
        Ok(()) => text(format!("{}\n", web.app.log_key())),
        Err(error) => visitor.fail(&error),
    }
}

pub async fn piece(Path((stream, path)): Path<(String, String)>, visitor: Visitor) -> Response {
    let web = &visitor.web;
    let served = async {
        is_on(web)?;
        if path == "checkpoint" {
            return web.app.published_checkpoint(&stream).await.map(text);
        }
        if path == "witnessed" {
            return web.app.published_witnessed(&stream).await.map(text);
        }
        let piece = Piece::parse(&path).ok_or(Error::NotFound)?;
        let bytes = web.app.published_piece(&stream, piece).await?;
        let mut response = ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response();
        if piece.is_full() {
            response.headers_mut().insert(header::CACHE_CONTROL, http::HeaderValue::from_static(FOR_EVER));
        }
        Ok(response)
    };
    served.await.unwrap_or_else(|error| visitor.fail(&error))
}
