//! Answers that are files.

use std::io::Read as _;
use std::time::Duration;

use anyhow::Context as _;
use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use super::{Client, agent, never_built};

/// The longest download: far above the largest backup on the slowest line.
const TIMEOUT: Duration = Duration::from_hours(6);
const PIECE_BYTES: usize = 64 << 10;
const BYTES_ESTIMATED: &str = "x-doorward-estimated-bytes";

impl Client {
    /// Asks for a file with a body that may hold a secret. `take` gets its pieces, each with about
    /// how many bytes there will be in all.
    pub(crate) fn download(
        &self,
        path: &[&str],
        body: &Value,
        take: impl FnMut(u64, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let request = self.request(Method::POST, path, &[])?;
        let body = zeroize::Zeroizing::new(serde_json::to_vec(body)?);
        let request = request.header(CONTENT_TYPE, "application/json");
        let request = request.body(body.as_slice()).map_err(never_built)?;
        self.take_pieces(agent(self.ca.as_deref(), TIMEOUT)?.run(request), take)
    }

    /// Asks for a text of any length; `take` gets its pieces.
    pub(crate) fn get_pieces(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let request = self.request(Method::GET, path, query)?.body(()).map_err(never_built)?;
        let answer = agent(self.ca.as_deref(), TIMEOUT)?.run(request);
        self.take_pieces(answer, |_, piece| take(piece))
    }

    fn take_pieces(
        &self,
        answer: Result<http::Response<ureq::Body>, ureq::Error>,
        mut take: impl FnMut(u64, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if !answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
            return self.finish(answer).map(drop);
        }
        let Ok(answer) = answer else { return Ok(()) };
        let estimated = answer.headers().get(BYTES_ESTIMATED);
        let estimated = estimated.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
        let mut reader = answer.into_body().into_reader();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = reader.read(&mut piece);
            let read =
                read.with_context(|| format!("the answer of {} broke off", self.endpoint()))?;
            match piece.get(..read) {
                Some(read) if !read.is_empty() => take(estimated, read)?,
                Some(_) | None => return Ok(()),
            }
        }
    }
}
