//! The files of the portal. Each has a path that names its content, so browsers may keep it for ever.

use std::io::Write as _;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: Bytes,
    /// The same, compressed: once, for every browser that takes it so.
    gzip: Bytes,
    path: String,
}

/// What is in the program.
static ASSETS: LazyLock<[Asset; 5]> = LazyLock::new(|| {
    let down = asset("down.svg", "image/svg+xml", include_str!("../assets/down.svg"));
    let style = include_str!("../assets/portal.css").replace("down.svg", &down.path);
    [
        asset("portal.css", "text/css; charset=utf-8", style),
        asset("portal.js", "text/javascript; charset=utf-8", include_str!("../assets/portal.js")),
        asset(
            "playground.js",
            "text/javascript; charset=utf-8",
            include_str!("../assets/playground.js"),
        ),
        asset("door.svg", "image/svg+xml", include_str!("../assets/door.svg")),
        down,
    ]
});

fn asset(name: &'static str, kind: &'static str, text: impl Into<String>) -> Asset {
    let text = text.into();
    let digest = Sha256::digest(text.as_bytes());
    let short = BASE64_URL_SAFE_NO_PAD.encode(digest.get(..9).unwrap_or_default());
    let path = format!("/assets/{short}/{name}");
    Asset { name, kind, gzip: compressed(&text), text: text.into(), path }
}

fn compressed(text: &str) -> Bytes {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    // Into memory nothing fails; were it otherwise, an empty one is not used.
    let done = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish());
    done.unwrap_or_default().into()
}

/// The path of a file; of one that there is not, nowhere.
pub(crate) fn path(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).map_or("", |asset| &asset.path)
}

/// `GET /assets/{content}/{name}`.
pub(crate) async fn show(
    Path((content, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let wanted = format!("/assets/{content}/{name}");
    let Some(asset) = ASSETS.iter().find(|asset| asset.path == wanted) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let own = [
        (CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (VARY, HeaderValue::from_static("accept-encoding")),
    ];
    if asset.is_smaller_compressed() && takes_gzip(&headers) {
        let gzip = [(CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
        return (own, gzip, asset.gzip.clone()).into_response();
    }
    (own, asset.text.clone()).into_response()
}

impl Asset {
    fn is_smaller_compressed(&self) -> bool {
        !self.gzip.is_empty() && self.gzip.len() < self.text.len()
    }
}

/// Whether a browser says that it reads gzip (RFC 9110, section 12.5.3), not that it does not: `gzip;q=0`.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        is_gzip && weight.is_none_or(|q| q.parse::<f32>().is_ok_and(|q| q > 0.0))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_file_is_named_by_its_content() {
        let [one, other] = [asset("a.css", "", "x"), asset("a.css", "", "y")];
        assert_ne!(one.path, other.path);
        assert!(path("portal.css").starts_with("/assets/"));
        assert_eq!(path("nothing.css"), "");
    }

    #[tokio::test]
    #[rustfmt::skip]
    async fn a_file_is_compressed_for_whoever_reads_that() {
        let cases = [
            ("gzip, deflate, br",    true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0",             false),
            ("gzip; q=0.0",          false),
            ("br",                   false),
            ("",                     false),
        ];
        let [_, _, content, name] =
            <[&str; 4]>::try_from(path("portal.css").split('/').collect::<Vec<_>>()).unwrap();
        for (accepted, is_gzip) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            let answer = show(Path((content.to_owned(), name.to_owned())), headers).await;
            assert_eq!(answer.headers().get(CONTENT_ENCODING).is_some(), is_gzip, "{accepted}");
            assert_eq!(answer.headers()[VARY], "accept-encoding");
            let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            let text = if is_gzip {
                let mut text = String::new();
                GzDecoder::new(&*body).read_to_string(&mut text).unwrap();
                text
            } else {
                String::from_utf8(body.to_vec()).unwrap()
            };
            assert!(text.contains("--accent") && text.contains(path("down.svg")), "{accepted}");
        }
    }

    /// What a page loads once beside itself; a page itself has some tens of thousands.
    #[test]
    fn all_files_together_leave_room_for_a_page() {
        let sum: usize = ASSETS.iter().map(|asset| asset.text.len()).sum();
        let sent: usize = ASSETS.iter().map(|asset| asset.gzip.len().min(asset.text.len())).sum();
        assert!(sum < 80_000 && sent < 25_000, "{sum} {sent}");
    }
}
