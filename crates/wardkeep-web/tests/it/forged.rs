//! Requests that another site, another session or nobody's form made.

use axum::body::Body;
use http::header;
use wardkeep_domain::account::Role;
use wardkeep_web::routes::Guard;

use crate::samples::{routes, sample};
use crate::site::{ORIGIN, Site, get, post, urlencoded};

/// What changes something, as sent by a browser from `headers`.
async fn from(site: &Site, headers: &[(&'static str, &str)]) -> u16 {
    let doctor = site.person(Role::Doctor);
    let mut request = post(Some(&doctor.token), "/theme", &[("csrf", &doctor.csrf), ("theme", "dark"), ("back", "/")]);
    request.headers_mut().remove("sec-fetch-site");
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    site.raw(request).await.status.as_u16()
}

#[tokio::test]
async fn asvs_3_5_1_a_form_is_taken_from_our_own_pages_alone() {
    let site = Site::open().await;
    assert_eq!(from(&site, &[("sec-fetch-site", "same-origin")]).await, 303);
    assert_eq!(from(&site, &[("origin", ORIGIN)]).await, 303);
    assert_eq!(from(&site, &[]).await, 403, "neither header: no browser that we know");
    assert_eq!(from(&site, &[("authorization", "Bearer x")]).await, 403);
    for site_header in ["cross-site", "same-site", "none"] {
        assert_eq!(from(&site, &[("sec-fetch-site", site_header), ("origin", ORIGIN)]).await, 403, "{site_header}");
    }
    for origin in ["null", "http://localhost:8081", "http://localhost:8080.evil.example", "http://127.0.0.1:8080"] {
        assert_eq!(from(&site, &[("origin", origin)]).await, 403, "{origin}");
    }
}

#[tokio::test]
async fn every_form_wants_the_token_of_its_own_session() {
    let site = Site::open().await;
    site.app.set_pace(crate::pace::HURRY);
    let doctor = site.person(Role::Doctor).clone();
    let again = site.sign_in_again(&doctor).await;
    for route in routes().into_iter().filter(|route| route.method == "POST" && !route.path.starts_with("/api/")) {
        if !matches!(route.guard, Guard::Signed(_)) {
            continue;
        }
        let none = crate::site::Person { csrf: String::new(), ..doctor.clone() };
        let others = crate::site::Person { csrf: again.csrf.clone(), ..doctor.clone() };
        let raised = crate::site::Person { csrf: doctor.csrf.to_uppercase(), ..doctor.clone() };
        let longer = crate::site::Person { csrf: format!("{}0", doctor.csrf), ..doctor.clone() };
        for forger in [none, others, raised, longer] {
            let answer = site.raw(sample(&site, &route, Some(&forger), Some(&forger.token), site.near, 1).await).await;
            // Nothing about the request is judged before the token was.
            assert!(answer.status == 403, "{} with the token {:?}: {}", route.path, forger.csrf, answer.status);
        }
    }
    assert_eq!(doctor.csrf.len(), 64);
    assert_ne!(doctor.csrf, again.csrf);
    assert!(!doctor.csrf.contains(&doctor.token) && !doctor.token.contains(&doctor.csrf));
}

#[tokio::test]
async fn from_elsewhere_a_page_may_be_opened_and_never_embedded() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor);
    let visit = async |path: &str, from: &str, dest: &str| {
        let mut request = get(Some(&doctor.token), path);
        request.headers_mut().insert("sec-fetch-site", from.parse().unwrap());
        request.headers_mut().insert("sec-fetch-dest", dest.parse().unwrap());
        site.raw(request).await
    };
    for path in ["/".to_owned(), format!("/patients/{}", site.near), wardkeep_web::assets::url("app.js")] {
        for from in ["cross-site", "same-site"] {
            assert_eq!(visit(&path, from, "document").await.status, 200, "{path} by a link");
            for dest in ["script", "image", "iframe", "audio", "video", "font", "style", "worker", "embed", "object", "empty"] {
                let answer = visit(&path, from, dest).await;
                assert_eq!(answer.status, 403, "{path} as {dest}");
                assert!(!answer.text().contains(crate::site::NEAR_FAMILY));
            }
        }
        assert_eq!(visit(&path, "same-origin", "empty").await.status, 200, "{path} by our own script");
    }
}

#[tokio::test]
async fn a_cookie_sent_twice_counts_as_none() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor);
    let mut request = get(Some(&doctor.token), "/security");
    request.headers_mut().append(header::COOKIE, "wardkeep-session=planted".parse().unwrap());
    assert_eq!(site.raw(request).await.header("location"), "/sign-in");
}

#[tokio::test]
async fn asvs_3_7_2_nobody_is_led_to_another_site() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor);
    for next in [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/%2f%2fevil.example",
        "/%5cevil.example",
        "/\tevil.example",
        "/evil.example\r\nset-cookie: x=1",
        "/..//evil.example",
        "/./evil",
        "/a/../../evil",
        "/@evil.example:80/..",
        " /log",
        "/log ",
        "/log?x=1",
        "/log#x",
        "/\u{2028}",
        "http:/evil.example",
        ".evil.example",
    ] {
        let answer = site.post(doctor, "/theme", &[("theme", "dark"), ("back", next)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/"), "{next:?}");
        let page = site.get(Some(doctor), &format!("/security/confirm?{}", urlencoded(&[("next", next)]))).await;
        assert!(page.text().contains("name=\"next\" value=\"/security\""), "{next:?}");
    }
    let answer = site.post(doctor, "/theme", &[("theme", "dark"), ("back", "/patients/new")]).await;
    assert_eq!(answer.header("location"), "/patients/new");
}

#[tokio::test]
async fn the_body_of_a_form_is_a_form() {
    let site = Site::open().await;
    let doctor = site.person(Role::Doctor);
    for kind in ["text/plain", "application/json", "multipart/form-data; boundary=x", ""] {
        let mut request = post(Some(&doctor.token), "/theme", &[("csrf", &doctor.csrf), ("theme", "dark"), ("back", "/")]);
        request.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
        assert_eq!(site.raw(request).await.status, 415, "{kind}");
    }
    let mut request = post(Some(&doctor.token), "/theme", &[]);
    *request.body_mut() = Body::from("csrf=%FF&theme=%C0%AF&back=/");
    let status = site.raw(request).await.status.as_u16();
    assert!(matches!(status, 400 | 403), "{status}");
}
