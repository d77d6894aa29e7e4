//! Paths that nobody serves.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use serde_json::json;

use crate::problem::ApiError;
use crate::routes::policies;

/// Says that there is nothing, in the words of the API that was meant: client libraries of the
/// gateway show what stands under `error`, and nothing else.
pub(crate) async fn unknown_path(uri: Uri) -> Response {
    if is_of_management(uri.path()) {
        return ApiError::NotFound("path").into_response();
    }
    let body = json!({ "error": {
        "message": "There is no such path. The base URL of client libraries ends with /v1.",
        "type": "invalid_request_error",
        "param": null,
        "code": "not_found",
    }});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

/// Whether a path lies below one of this API. Models are left out: they are the gateway's too.
fn is_of_management(path: &str) -> bool {
    let meant = resource(path).filter(|resource| *resource != "models");
    meant.is_some_and(|meant| policies().any(|policy| resource(policy.path) == Some(meant)))
}

/// The segment after `/v1`.
fn resource(path: &str) -> Option<&str> {
    path.strip_prefix("/v1/")?.split('/').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn a_path_is_of_the_management_api_when_it_lies_below_one_of_its_own() {
        let cases = [
            ("/v1/api-keys/",             true),
            ("/v1/api-keys/a/b/c",        true),
            ("/v1/usage/today",           true),
            ("/v1/provider-keys/a/rotate", true),
            ("/v1/models/",               false),
            ("/v1/nothing",               false),
            ("/chat/completions",         false),
            ("/api-keys",                 false),
            ("/v1/api-keysmith",          false),
            ("/",                         false),
        ];
        for (path, expected) in cases {
            assert_eq!(is_of_management(path), expected, "{path}");
        }
    }
}
