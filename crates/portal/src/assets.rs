//! The files of the portal. Each has a path that names its content, so browsers may keep it for ever.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: String,
    path: String,
}

/// What is in the program.
static ASSETS: LazyLock<[Asset; 4]> = LazyLock::new(|| {
    let down = asset("down.svg", "image/svg+xml", include_str!("../assets/down.svg"));
    let style = include_str!("../assets/portal.css").replace("down.svg", &down.path);
    [
        asset("portal.css", "text/css; charset=utf-8", style),
        asset("portal.js", "text/javascript; charset=utf-8", include_str!("../assets/portal.js")),
        asset("door.svg", "image/svg+xml", include_str!("../assets/door.svg")),
        down,
    ]
});

fn asset(name: &'static str, kind: &'static str, text: impl Into<String>) -> Asset {
    let text = text.into();
    let digest = Sha256::digest(text.as_bytes());
    let short = BASE64_URL_SAFE_NO_PAD.encode(digest.get(..9).unwrap_or_default());
    Asset { name, kind, text, path: format!("/assets/{short}/{name}") }
}

/// The path of a file; of one that there is not, nowhere.
pub(crate) fn path(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).map_or("", |asset| &asset.path)
}

/// `GET /assets/{content}/{name}`.
pub(crate) async fn show(Path((content, name)): Path<(String, String)>) -> Response {
    let wanted = format!("/assets/{content}/{name}");
    let Some(asset) = ASSETS.iter().find(|asset| asset.path == wanted) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, asset.text.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_content() {
        let [one, other] = [asset("a.css", "", "x"), asset("a.css", "", "y")];
        assert_ne!(one.path, other.path);
        assert!(path("portal.css").starts_with("/assets/"));
        assert_eq!(path("nothing.css"), "");
    }
}
