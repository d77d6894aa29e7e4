//! `GET /audit/download`: all that fits, as a file.

use axum::response::{IntoResponse as _, Response};
use http::Method;

use super::list::path;
use crate::api::Sent;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

pub(crate) async fn download(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let format = if query.text("format") == "jsonl" { "jsonl" } else { "csv" };
    let path = path(&query, &[]);
    let and = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{and}format={format}");
    // As it comes: the log may be longer than what fits into memory.
    let answer = visitor.api.ask(Method::GET, &path, None, Sent::default()).await?;
    Ok(answer.into_response())
}
