//! What handlers take: the signed-in context, and a posted form whose token was checked.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;
use wardkeep_app::{Ctx, Visit};
use wardkeep_domain::DraftId;

use crate::cookies;
use crate::draft::DRAFT;
use crate::error::{self, Fault};
use crate::page::Page;
use crate::web::Web;

/// A signed-in request to a page. Refused requests go to the sign-in page.
pub struct Signed {
    pub web: Web,
    pub ctx: Ctx,
    pub headers: http::HeaderMap,
    pub path: String,
    /// The draft that this goes on with; else empty.
    pub draft: String,
    /// Something else is kept that was not saved.
    pub unsaved: bool,
}

impl Signed {
    /// The chrome of a page.
    #[must_use]
    pub fn page(&self, title: &str) -> Page {
        let page = Page::signed(&self.web, &self.headers, &self.ctx, &self.path, title);
        Page { draft: self.draft.clone(), unsaved: self.unsaved, ..page }
    }
    /// An error as a page with this person's chrome.
    #[must_use]
    pub fn fail(&self, error: &wardkeep_app::Error) -> Response {
        error::page(error, &self.page("Error"))
    }
}

/// Put into a request whose sender is known already, so that nobody is asked twice.
#[derive(Clone)]
pub(crate) struct Known(pub Ctx);

impl FromRequestParts<Web> for Signed {
    type Rejection = Response;
    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let path = parts.uri.path().to_owned();
        if let Some(Known(ctx)) = parts.extensions.get::<Known>() {
            let (ctx, headers) = (ctx.clone(), parts.headers.clone());
            return Ok(Self { web: web.clone(), ctx, headers, path, draft: String::new(), unsaved: false });
        }
        let visit = web.visit(parts);
        let request = visit.request;
        let token = cookies::get(&web.settings, &parts.headers, cookies::SESSION).unwrap_or_default();
        match web.app.authenticate(visit, &token).await {
            Ok(ctx) => Ok(Self { web: web.clone(), ctx, headers: parts.headers.clone(), path, draft: String::new(), unsaved: false }),
            Err(error) => Err(error::page(&error, &Page::visitor(web, &parts.headers, request, "Sign in"))),
        }
    }
}

/// A request by nobody in particular: sign-in, registration, links.
pub struct Visitor {
    pub web: Web,
    pub visit: Visit,
    pub headers: http::HeaderMap,
}

impl Visitor {
    #[must_use]
    pub fn page(&self, title: &str) -> Page {
        Page::visitor(&self.web, &self.headers, self.visit.request, title)
    }
    #[must_use]
    pub fn fail(&self, error: &wardkeep_app::Error) -> Response {
        error::page(error, &self.page("Error"))
    }
    /// The sign-in in progress, from its own cookie.
    #[must_use]
    pub fn pending_token(&self) -> String {
        cookies::get(&self.web.settings, &self.headers, cookies::PENDING).unwrap_or_default()
    }
}

impl FromRequestParts<Web> for Visitor {
    type Rejection = Response;
    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        Ok(Self { web: web.clone(), visit: web.visit(parts), headers: parts.headers.clone() })
    }
}

/// A posted form of a signed-in person. The field `csrf` must be this session's token; `draft` may
/// name the draft that it goes on with.
/// Unknown and duplicate fields are refused.
pub struct Posted<T> {
    pub signed: Signed,
    pub form: T,
}

impl<T: DeserializeOwned> FromRequest<Web> for Posted<T> {
    type Rejection = Response;
    async fn from_request(request: Request, web: &Web) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let mut signed = Signed::from_request_parts(&mut parts, web).await?;
        let pairs = read_pairs(Request::from_parts(parts, body), web)
            .await
            .map_err(|fault| error::shown_page(&error::show_fault(fault), &signed.page("Error")))?;
        let token = pairs.iter().find(|(name, _)| name == "csrf").map(|(_, value)| value.as_str()).unwrap_or_default();
        if !signed.ctx.form_token_matches(token) {
            return Err(error::shown_page(&error::show_fault(Fault::FormToken), &signed.page("Error")));
        }
        let (draft, pairs): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(name, _)| name == DRAFT);
        signed.draft = draft.into_iter().map(|(_, id)| id).find(|id| DraftId::parse(id).is_some()).unwrap_or_default();
        let form = typed(pairs).map_err(|fault| error::shown_page(&error::show_fault(fault), &signed.page("Error")))?;
        Ok(Self { signed, form })
    }
}

/// A posted form of a visitor (no session yet, so no token; the origin was checked).
pub struct VisitorPosted<T> {
    pub visitor: Visitor,
    pub form: T,
}

impl<T: DeserializeOwned> FromRequest<Web> for VisitorPosted<T> {
    type Rejection = Response;
    async fn from_request(request: Request, web: &Web) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, web).await?;
        let fail = |fault| error::shown_page(&error::show_fault(fault), &visitor.page("Error"));
        let pairs = read_pairs(Request::from_parts(parts, body), web).await.map_err(fail)?;
        let form = typed(pairs).map_err(fail)?;
        Ok(Self { visitor, form })
    }
}

pub(crate) async fn read_pairs<S: Send + Sync>(request: Request, state: &S) -> Result<Vec<(String, String)>, Fault> {
    match axum::extract::Form::<Vec<(String, String)>>::from_request(request, state).await {
        Ok(axum::extract::Form(pairs)) => {
            let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            if names.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) { Err(Fault::Malformed) } else { Ok(pairs) }
        }
        Err(rejection) => Err(match rejection.into_response().status() {
            http::StatusCode::PAYLOAD_TOO_LARGE => Fault::TooLarge,
            http::StatusCode::UNSUPPORTED_MEDIA_TYPE => Fault::UnsupportedType,
            _ => Fault::Malformed,
        }),
    }
}

/// All form fields are text, so the pairs become a JSON object of strings.
pub(crate) fn typed<T: DeserializeOwned>(pairs: Vec<(String, String)>) -> Result<T, Fault> {
    let object =
        pairs.into_iter().filter(|(name, _)| name != "csrf").map(|(name, value)| (name, serde_json::Value::String(value))).collect();
    serde_json::from_value(serde_json::Value::Object(object)).map_err(|_| Fault::Malformed)
}
