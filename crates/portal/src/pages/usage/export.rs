//! `GET /usage/export`: the same as a file, row by row as the API tells it.

use axum::response::Response;
use http::Method;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use super::breakdown::By;
use crate::api::Sent;
use crate::query::{Query, with_query};
use crate::refusal::Refusal;
use crate::usage::{FILTERS, Period};
use crate::visitor::Visitor;

pub(crate) async fn export(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    // A link of the page has a period that can be read; whoever changes it gets the usual one.
    let period =
        Period::read(&query, visitor.now).unwrap_or_else(|_| Period::days(30, visitor.now));
    let by = By::read(&query, visitor.me.is_admin());
    let columns = format!("{},{}", period.group_by(), by.as_str());
    let (from, to) = (period.from.to_string(), period.to.to_string());
    let format = if query.text("format") == "jsonl" { "jsonl" } else { "csv" };
    let own = [
        ("group_by", &*columns),
        ("names", "true"),
        ("format", format),
        ("from", &from),
        ("to", &to),
    ];
    let filters = FILTERS.into_iter().filter_map(|name| Some((name, query.get(name)?)));
    let path = with_query("/v1/usage", own.into_iter().chain(filters));
    let answer = visitor.api.ask(Method::GET, &path, None, Sent::default()).await?;
    let (parts, body) = answer.into_parts();
    let mut response = Response::new(body);
    *response.headers_mut() = kept(&parts.headers);
    Ok(response)
}

/// What says how a file is to be read and called; it is kept nowhere on the way.
fn kept(headers: &HeaderMap) -> HeaderMap {
    let of_file = [CONTENT_TYPE, CONTENT_DISPOSITION];
    let found =
        of_file.into_iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
    found.chain([(CACHE_CONTROL, HeaderValue::from_static("no-store"))]).collect()
}
