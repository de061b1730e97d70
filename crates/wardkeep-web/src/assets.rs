//! Static files, embedded in the binary.
//!
//! The address of every file carries one hash over all of them (`/static/{hash}/{name}`), so a
//! file may cache for ever, relative addresses inside style sheets keep working, and a page never
//! mixes files of two releases. Nothing secret and nothing about patients is ever served here.

use std::sync::OnceLock;

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use rust_embed::{Embed, EmbeddedFile};

/// A year, as long as caches keep anything.
const CACHE_FOREVER: &str = "public, max-age=31536000, immutable";

#[derive(Embed)]
#[folder = "assets"]
struct Files;

/// Address of an asset: `/static/1f3a…/app.css`.
#[must_use]
pub fn url(name: &str) -> String {
    format!("/static/{}/{name}", fingerprint())
}

/// Serves `{hash}/{name}`. A name that does not exist is 404; so is a hash of another release, or
/// a cache would keep these bytes under that release's address.
pub async fn serve(Path(path): Path<String>) -> Response {
    let file = path
        .split_once('/')
        .filter(|(hash, _)| *hash == fingerprint())
        .and_then(|(_, name)| Some((content_type(name)?, Files::get(name)?)));
    match file {
        Some((kind, file)) => (
            [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, CACHE_FOREVER), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")],
            body(file),
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Every embedded file's name.
pub fn names() -> impl Iterator<Item = String> {
    Files::iter().map(std::borrow::Cow::into_owned)
}

fn body(file: EmbeddedFile) -> Body {
    match file.data {
        std::borrow::Cow::Borrowed(bytes) => Body::from(bytes),
        std::borrow::Cow::Owned(bytes) => Body::from(bytes),
    }
}

fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "woff2" => Some("font/woff2"),
        "txt" => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}

/// Twelve hex digits over the names and SHA-256 hashes of all files, in name order. FNV-1a folds
/// them: this tells releases apart and is no integrity check.
fn fingerprint() -> &'static str {
    static FINGERPRINT: OnceLock<String> = OnceLock::new();
    FINGERPRINT.get_or_init(|| {
        let mut names: Vec<String> = names().collect();
        names.sort_unstable();
        let mut fold = 0xcbf2_9ce4_8422_2325_u64;
        for name in &names {
            let hash = Files::get(name).map(|file| file.metadata.sha256_hash()).unwrap_or_default();
            for byte in name.bytes().chain(hash) {
                fold = (fold ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        format!("{:012x}", fold >> 16)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(path: &str) -> Response {
        serve(Path(path.to_owned())).await
    }

    #[tokio::test]
    async fn an_asset_is_served_under_its_address_and_caches_for_ever() {
        for (name, kind) in [
            ("app.css", "text/css"),
            ("app.js", "text/javascript"),
            ("icons.svg", "image/svg+xml"),
            ("atkinson-hyperlegible-next-latin.woff2", "font/woff2"),
        ] {
            let address = url(name);
            let response = get(address.strip_prefix("/static/").unwrap()).await;
            assert_eq!(response.status(), StatusCode::OK, "{address}");
            assert!(response.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with(kind));
            assert_eq!(response.headers()[header::CACHE_CONTROL], CACHE_FOREVER);
            assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
    }

    #[tokio::test]
    async fn another_releases_hash_a_missing_name_and_a_way_out_are_not_found() {
        let hash = fingerprint();
        for path in [
            "000000000000/app.css".to_owned(),
            format!("{hash}/none.css"),
            format!("{hash}/../Cargo.toml"),
            format!("{hash}/SOURCES.md"),
            "app.css".to_owned(),
        ] {
            assert_eq!(get(&path).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn what_the_style_sheets_name_is_embedded() {
        let names: Vec<String> = names().collect();
        for sheet in ["app.css", "fonts.css"] {
            let text = String::from_utf8(Files::get(sheet).unwrap().data.into_owned()).unwrap();
            for address in text.split("url(\"").skip(1).filter_map(|rest| rest.split('"').next()).filter(|a| !a.starts_with("data:")) {
                assert!(names.iter().any(|name| name == address), "{sheet} names {address}");
            }
        }
    }
}
