//! Cross-site requests: fetch metadata, then `Origin` (the algorithm of Go 1.25's
//! CrossOriginProtection), for whatever changes something; and resource isolation for the rest.
//! The form token is checked by [`crate::extract::Posted`] and by the two uploads, the only ways
//! to read a form.
//!
//! The API has no forms. There a request that changes something carries a bearer token or the
//! header `X-Wardkeep: 1`; neither can be sent from another site without a preflight, and no
//! preflight is answered here.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, Method, header};

use crate::error::{self, Fault};
use crate::guard::is_api;
use crate::web::{RequestId, Web};

/// Calls of the API by cookie, and its first sign-in step, carry this header with the value `1`.
pub const API_HEADER: HeaderName = HeaderName::from_static("x-wardkeep");

/// Was [`API_HEADER`] sent as it should be?
#[must_use]
pub fn has_api_header(headers: &HeaderMap) -> bool {
    matches!(given(headers, API_HEADER), Given::Once("1"))
}

fn has_bearer(headers: &HeaderMap) -> bool {
    matches!(given(headers, header::AUTHORIZATION), Given::Once(value) if value.starts_with("Bearer "))
}

/// Lies under every route.
pub async fn guard(State(web): State<Web>, request: Request, next: Next) -> Response {
    let api = is_api(request.uri().path());
    if allowed(&web.settings.origin, request.method(), api, request.headers())
        || (request.uri().path() == TOKEN_PATH && takes_client(&web.settings.origin, request.method(), request.headers()))
    {
        return next.run(request).await;
    }
    let id = request.extensions().get::<RequestId>().map_or([0; 16], |id| id.0);
    error::fault(Fault::CrossSite, api, &id)
}

/// Where programs get their tokens.
pub(crate) const TOKEN_PATH: &str = "/api/v1/token";

/// Clients of RFC 6749 know nothing of our header. There is nothing to protect but their own secret,
/// which no browser sends for them: no cookie is looked at there. A browser on another site is
/// refused all the same.
fn takes_client(own_origin: &str, method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::POST && from_here(own_origin, headers)
}

/// A client without fetch metadata and Origin is no browser; a browser must be on our pages.
fn from_here(own_origin: &str, headers: &HeaderMap) -> bool {
    matches!(given(headers, SITE), Given::Nothing | Given::Once("same-origin"))
        && match given(headers, header::ORIGIN) {
            Given::Nothing => true,
            Given::Once(origin) => origin == own_origin,
            Given::Odd => false,
        }
}

/// A header that must be there once, or not at all.
enum Given<'a> {
    Nothing,
    Once(&'a str),
    /// Twice, or not text: nobody's browser sends that.
    Odd,
}

fn given(headers: &HeaderMap, name: HeaderName) -> Given<'_> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Given::Nothing,
        (Some(value), None) => value.to_str().map_or(Given::Odd, Given::Once),
        (Some(_), Some(_)) => Given::Odd,
    }
}

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

fn allowed(own_origin: &str, method: &Method, api: bool, headers: &HeaderMap) -> bool {
    let site = given(headers, SITE);
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return match site {
            Given::Nothing | Given::Once("same-origin" | "none") => true,
            // From elsewhere, also from a neighbour under the same domain, a page may be opened by
            // following a link, and be no part of anything: no image, script, frame, font or worker.
            Given::Once("cross-site" | "same-site") => matches!(given(headers, DEST), Given::Once("document")),
            Given::Once(_) | Given::Odd => false,
        };
    }
    let origin = given(headers, header::ORIGIN);
    if api {
        return from_here(own_origin, headers) && (has_bearer(headers) || has_api_header(headers));
    }
    match (site, origin) {
        (Given::Once("same-origin"), _) => true,
        (Given::Nothing, Given::Once(origin)) => origin == own_origin,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://records.example.org";

    fn judge(method: &str, api: bool, headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        allowed(OWN, &method.parse().unwrap(), api, &map)
    }

    #[test]
    fn a_change_comes_from_this_origin_or_not_at_all() {
        for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "INVENTED"] {
            assert!(judge(method, false, &[("sec-fetch-site", "same-origin")]), "{method}");
            assert!(judge(method, false, &[("origin", OWN)]), "{method}");
            for site in ["cross-site", "same-site", "none", "", "same-origin2", "Same-Origin"] {
                assert!(!judge(method, false, &[("sec-fetch-site", site)]), "{method} {site}");
                assert!(!judge(method, false, &[("sec-fetch-site", site), ("origin", OWN)]), "{method} {site} with our origin");
                assert!(!judge(method, true, &[("sec-fetch-site", site), ("authorization", "Bearer x")]), "{method} {site} with a token");
            }
            assert!(!judge(method, false, &[]), "{method}");
            assert!(!judge(method, false, &[("authorization", "Bearer x")]), "{method}: tokens are for the API alone");
            assert!(!judge(method, true, &[("authorization", "Basic x")]), "{method}");
            assert!(judge(method, true, &[("authorization", "Bearer x")]), "{method}");
        }
    }

    #[test]
    fn the_api_wants_a_token_or_its_header_even_from_our_own_pages() {
        for ours in
            [&[][..], &[("sec-fetch-site", "same-origin")], &[("origin", OWN)], &[("sec-fetch-site", "same-origin"), ("origin", OWN)]]
        {
            assert!(!judge("POST", true, ours), "{ours:?}");
            for sign in [("authorization", "Bearer x"), ("x-wardkeep", "1")] {
                assert!(judge("POST", true, &[ours, &[sign]].concat()), "{ours:?} {sign:?}");
            }
            for weak in [("authorization", "Basic x"), ("x-wardkeep", "0"), ("x-wardkeep", ""), ("cookie", "wardkeep-session=x")] {
                assert!(!judge("POST", true, &[ours, &[weak]].concat()), "{ours:?} {weak:?}");
            }
            for theirs in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
                assert!(!judge("POST", true, &[ours, &[theirs, ("x-wardkeep", "1")]].concat()), "{ours:?} {theirs:?}");
            }
        }
    }

    #[test]
    fn an_origin_is_compared_whole() {
        for origin in [
            "null",
            "",
            "https://records.example.org.evil.example",
            "https://evil.example/https://records.example.org",
            "https://records.example.org:443",
            "https://records.example.org/",
            "http://records.example.org",
            "https://RECORDS.example.org",
            "https://xrecords.example.org",
            "https://records.example.or",
        ] {
            assert!(!judge("POST", false, &[("origin", origin)]), "{origin}");
        }
        assert!(!judge("POST", false, &[("origin", OWN), ("origin", OWN)]), "twice");
        assert!(!judge("POST", false, &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")]), "twice");
    }

    #[test]
    fn from_elsewhere_a_page_is_opened_and_never_embedded() {
        for site in ["cross-site", "same-site"] {
            assert!(judge("GET", false, &[("sec-fetch-site", site), ("sec-fetch-dest", "document")]));
            for dest in [
                "audio",
                "audioworklet",
                "embed",
                "empty",
                "fencedframe",
                "font",
                "frame",
                "iframe",
                "image",
                "json",
                "manifest",
                "object",
                "paintworklet",
                "report",
                "script",
                "serviceworker",
                "sharedworker",
                "style",
                "track",
                "video",
                "webidentity",
                "worker",
                "xslt",
                "",
                "documents",
            ] {
                assert!(!judge("GET", false, &[("sec-fetch-site", site), ("sec-fetch-dest", dest)]), "{site} {dest}");
            }
            assert!(!judge("GET", false, &[("sec-fetch-site", site)]), "{site} without a destination");
        }
        assert!(judge("GET", false, &[]), "a client that is no browser");
        assert!(judge("GET", false, &[("sec-fetch-site", "none"), ("sec-fetch-dest", "document")]), "typed into the address bar");
        assert!(judge("GET", false, &[("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "script")]));
    }
}
