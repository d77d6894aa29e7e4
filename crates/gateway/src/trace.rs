//! Traces: whose call this is part of, and the span that it leaves.
//!
//! The trace of a client goes on to the provider. Where spans are recorded, ours stands between the two.

mod context;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use doorward_domain::call::{Hold, Settlement};
use doorward_domain::id::CallId;
use http::{HeaderMap, HeaderValue};
use tokio::sync::mpsc::{Receiver, Sender, channel};

pub use context::SpanContext;
pub(crate) use context::{TRACEPARENT, TRACESTATE};

use crate::route::{Call, Work};
use context::Parent;

/// Spans that wait to be exported. What comes while so many do is dropped, and counted.
const WAITING_MAX: usize = 4_096;

/// What is recorded of a call.
#[derive(Debug, Clone)]
pub struct CallSpan {
    /// Where it stands in its trace.
    pub context: SpanContext,
    /// What is done, in the words of the semantic conventions: `chat`, `text_completion`, `embeddings`.
    pub operation: &'static str,
    /// Whether the answer came while it was made.
    pub is_stream: bool,
    /// The provider's name.
    pub provider: HeaderValue,
    /// Who called what, and when.
    pub hold: Hold,
    /// How it ended.
    pub settlement: Settlement,
}

/// Where spans wait for whoever exports them.
#[derive(Debug)]
pub struct SpanQueue {
    waiting: Sender<CallSpan>,
    dropped: AtomicU64,
    exported: AtomicU64,
    failed: AtomicU64,
}

/// A span that is not over.
#[derive(Debug)]
pub(crate) struct OpenSpan {
    queue: Arc<SpanQueue>,
    context: SpanContext,
    operation: &'static str,
}

impl SpanQueue {
    /// A queue, and what comes out of it.
    pub fn new() -> (Arc<Self>, Receiver<CallSpan>) {
        let (waiting, spans) = channel(WAITING_MAX);
        let none = || AtomicU64::new(0);
        let queue = Self { waiting, dropped: none(), exported: none(), failed: none() };
        (Arc::new(queue), spans)
    }

    /// Notes what became of spans that came out of it.
    pub fn note_exported(&self, spans: usize, has_arrived: bool) {
        let count = if has_arrived { &self.exported } else { &self.failed };
        count.fetch_add(spans as u64, Relaxed);
    }

    /// Spans that the collector took.
    pub fn exported(&self) -> u64 {
        self.exported.load(Relaxed)
    }

    /// Spans that it did not take.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Spans that found the queue full since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Never waits: a call is not held up by what is told of it.
    fn push(&self, span: CallSpan) {
        if self.waiting.try_send(span).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn open(self: &Arc<Self>, context: SpanContext, call: Call) -> OpenSpan {
        OpenSpan { queue: Arc::clone(self), context, operation: operation(call) }
    }
}

impl OpenSpan {
    pub(crate) fn end(
        self,
        hold: &Hold,
        provider: &HeaderValue,
        (settlement, is_stream): (&Settlement, bool),
    ) {
        self.queue.push(CallSpan {
            context: self.context,
            operation: self.operation,
            is_stream,
            provider: provider.clone(),
            hold: hold.clone(),
            settlement: *settlement,
        });
    }
}

/// Makes the trace headers of a request fit to be passed on. Where spans are recorded, and this trace is,
/// they name the span of the call from here on, which is returned.
pub(crate) fn join(
    headers: &mut HeaderMap,
    call: CallId,
    is_recording: bool,
) -> Option<SpanContext> {
    let parent = Parent::take(headers);
    let context = SpanContext::of(call, parent).filter(|_| is_recording)?;
    headers.insert(TRACEPARENT, context.header()?);
    if context.parent.is_none() {
        // It belongs to no trace: the one that begins here has none.
        headers.remove(TRACESTATE);
    }
    Some(context)
}

const fn operation(call: Call) -> &'static str {
    match call.work() {
        Work::Chat | Work::Response => "chat",
        Work::Completion | Work::Prompt => "text_completion",
        Work::Embedding => "embeddings",
        // The conventions have no words for these.
        Work::Count => "count_tokens",
        Work::Moderation => "moderate",
        Work::Picture => "generate_image",
        Work::Speech => "speak",
        Work::Transcript => "transcribe",
        Work::Ranking => "rerank",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_trace_goes_on_untouched_where_nothing_is_recorded() {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static(PARENT));
        assert_eq!(join(&mut headers, CallId::new(1, 7), false), None);
        assert_eq!(headers[TRACEPARENT], PARENT);
        let mut none = HeaderMap::new();
        assert_eq!(join(&mut none, CallId::new(1, 7), false), None);
        assert!(none.is_empty(), "no trace is begun that nobody records");
    }

    #[test]
    fn our_span_stands_between_the_client_and_the_provider() {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static(PARENT));
        let context = join(&mut headers, CallId::new(1, 7), true).unwrap();
        assert_eq!(headers[TRACEPARENT], context.to_string());
        assert_eq!(context.parent, Some(0xb7ad_6b71_6920_3331));
        let mut none = HeaderMap::new();
        none.insert(TRACESTATE, HeaderValue::from_static("vendor=1"));
        let first = join(&mut none, CallId::new(1, 7), true).unwrap();
        assert_eq!(none[TRACEPARENT], first.to_string());
        assert!(!none.contains_key(TRACESTATE), "of no trace at all");
    }
}
