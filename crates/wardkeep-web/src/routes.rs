//! The whole attack surface of the pages on two screens. One line per route: method, path, guard,
//! handler. A line without a guard does not compile.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodRouter, get, post};
use wardkeep_policy::Action;

use crate::web::Web;
use crate::{csrf, headers};

/// Who may knock. The use case asks policy itself; this names what it will ask, for the matrix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    /// Anybody: sign-in, registration, links, static files, health.
    Public,
    /// A sign-in in progress.
    Pending,
    /// A finished session; the use case asks policy for this action.
    Signed(Action),
}

/// A registered route.
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub guard: Guard,
    /// Largest body in bytes.
    pub body_max: usize,
    pub(crate) handler: MethodRouter<Web>,
}

/// Largest ordinary form: a record's 64 KiB, percent-encoded, with room.
pub const FORM_BYTES_MAX: usize = 256 * 1024;

/// A page.
pub(crate) fn page<H, T>(path: &'static str, guard: Guard, handler: H) -> Route
where
    H: Handler<T, Web>,
    T: 'static,
{
    Route { method: "GET", path, guard, body_max: 0, handler: get(handler) }
}

/// A form's target.
pub(crate) fn form<H, T>(path: &'static str, guard: Guard, handler: H) -> Route
where
    H: Handler<T, Web>,
    T: 'static,
{
    Route { method: "POST", path, guard, body_max: FORM_BYTES_MAX, handler: post(handler) }
}

/// A target that takes a file of up to `body_max` bytes.
pub(crate) fn upload<H, T>(path: &'static str, guard: Guard, body_max: usize, handler: H) -> Route
where
    H: Handler<T, Web>,
    T: 'static,
{
    Route { method: "POST", path, guard, body_max, handler: post(handler) }
}

/// Every route of the pages, grouped by who uses it.
#[must_use]
pub fn table() -> Vec<Route> {
    use crate::pages::{register, sign_in};
    use Guard::{Pending, Public, Signed};
    vec![
        // everybody
        page("/sign-in", Public, sign_in::password_page),
        form("/sign-in", Public, sign_in::password),
        page("/sign-in/code", Pending, sign_in::code_page),
        form("/sign-in/code", Pending, sign_in::code),
        page("/sign-in/recovery", Pending, sign_in::recovery_page),
        form("/sign-in/recovery", Pending, sign_in::recovery),
        page("/sign-in/enrol", Pending, sign_in::enrol_page),
        form("/sign-in/enrol", Pending, sign_in::enrol),
        page("/register", Public, register::register_page),
        form("/register", Public, register::register),
        page("/invitation/{token}", Public, register::invitation_page),
        form("/invitation/{token}", Public, register::accept),
        page("/setup/{token}", Public, register::invitation_page),
        form("/setup/{token}", Public, register::accept),
        form("/sign-out", Signed(Action::UseOwnAccount), sign_in::sign_out),
    ]
}

/// The whole site.
pub fn router(web: Web) -> Router {
    let mut router = Router::new();
    for route in table().into_iter().chain(crate::api::routes::table()) {
        let handler = route.handler.layer(axum::extract::DefaultBodyLimit::max(route.body_max.max(1024)));
        router = router.route(route.path, handler);
    }
    router
        .layer(axum::middleware::from_fn_with_state(web.clone(), csrf::guard))
        .layer(axum::middleware::from_fn_with_state(web.clone(), headers::apply))
        .with_state(web)
}
