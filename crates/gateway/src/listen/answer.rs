//! Calls the service for one request and keeps the connection informed that it is busy.

use std::convert::Infallible;
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use doorward_domain::id::CallId;
use futures_util::FutureExt as _;
use http::{HeaderValue, Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use super::connection::Shared;
use super::progress::Progress;
use super::refusal::{self, Refusal};
use super::{Peer, front};
use crate::facts::REQUEST_ID;

/// One request in the service's hands, until its answer's body is dropped.
#[derive(Debug)]
struct Call {
    progress: Arc<Progress>,
    /// The last piece of the answer is with hyper, which has not asked for the next one.
    is_unasked: bool,
}

impl Call {
    fn begin(progress: &Arc<Progress>) -> Self {
        progress.begin_call();
        Self { progress: Arc::clone(progress), is_unasked: false }
    }

    fn asked(&mut self) {
        if std::mem::take(&mut self.is_unasked) {
            self.progress.note_asked();
        }
    }

    fn gave(&mut self) {
        self.is_unasked = true;
        self.progress.note_unasked();
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.asked();
        self.progress.end_call();
    }
}

pin_project! {
    /// The body of an answer: the service's, or a short text of our own.
    pub(super) struct Answer<B> {
        #[pin]
        content: Content<B>,
        call: Option<Call>,
    }
}

pin_project! {
    #[project = ContentParts]
    enum Content<B> {
        Service { #[pin] body: B },
        Own { text: Option<Bytes> },
    }
}

impl<B> From<Bytes> for Answer<B> {
    fn from(text: Bytes) -> Self {
        Self { content: Content::Own { text: Some(text) }, call: None }
    }
}

impl<B> Body for Answer<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if let Some(call) = this.call {
            call.asked();
        }
        let polled = match this.content.project() {
            ContentParts::Service { body } => body.poll_frame(cx),
            ContentParts::Own { text } => {
                Poll::Ready(text.take().map(|text| Ok(Frame::data(text))))
            }
        };
        if let (Some(call), Poll::Ready(Some(Ok(_)))) = (this.call, &polled) {
            call.gave();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Service { body } => body.is_end_stream(),
            Content::Own { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Service { body } => body.size_hint(),
            Content::Own { text } => {
                SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64)
            }
        }
    }
}

/// Answers one request: by refusal, by the service, or for a service that panicked.
pub(super) fn answer<S, F, B>(
    shared: Arc<Shared<S>>,
    request: Request<Incoming>,
    peer: Peer,
    progress: &Arc<Progress>,
) -> impl Future<Output = Result<Response<Answer<B>>, Infallible>> + use<S, F, B>
where
    S: Fn(Request<Incoming>, Peer) -> F,
    F: Future<Output = Response<B>>,
{
    let call = Call::begin(progress);
    async move {
        let mut response = match front::check(&request) {
            Err(refusal) => shared.refuse(refusal, request.version()),
            // The service's future is made in its place: it is large, and moving it costs.
            Ok(()) => {
                match AssertUnwindSafe(call_service(&shared, request, peer)).catch_unwind().await {
                    Ok(response) => response.map(from_service),
                    Err(_) => shared.named(refusal::panicked()).1,
                }
            }
        };
        response.body_mut().call = Some(call);
        Ok(response)
    }
}

/// A panic before the service returns its future is a panic of the future.
async fn call_service<S, F, B>(
    shared: &Shared<S>,
    request: Request<Incoming>,
    peer: Peer,
) -> Response<B>
where
    S: Fn(Request<Incoming>, Peer) -> F,
    F: Future<Output = Response<B>>,
{
    (shared.service)(request, peer).await
}

fn from_service<B>(body: B) -> Answer<B> {
    Answer { content: Content::Service { body }, call: None }
}

impl<S> Shared<S> {
    fn refuse<B>(&self, refusal: Refusal, version: Version) -> Response<Answer<B>> {
        let (request, answer) = self.named(refusal.answer(version));
        tracing::debug!(%request, ?refusal, "request refused at the front");
        answer
    }

    /// Gives an answer of our own its request's id, as every answer has one.
    fn named<B>(&self, mut answer: Response<B>) -> (CallId, Response<B>) {
        let (id, _) = self.ids.next();
        if let Ok(value) = HeaderValue::try_from(id.to_string()) {
            answer.headers_mut().insert(REQUEST_ID, value);
        }
        (id, answer)
    }
}
