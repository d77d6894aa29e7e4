//! Sends the spans of calls to a collector: OTLP over HTTP as JSON.
//!
//! The form is small and stable, so it is written here: the libraries for it bring the code of protocol
//! buffers along, which costs more of a build than this program can spare.

mod otlp;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use doorward_gateway::{CallSpan, SpanQueue};
use http::header::CONTENT_TYPE;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Collector;
use crate::provider_agent;

/// Spans in one request.
const BATCH: usize = 512;
/// How long spans gather before they are sent.
const GATHER: Duration = Duration::from_secs(1);
/// How long the end of the process waits for the last of them.
const FINISH_MAX: Duration = Duration::from_secs(5);

/// The task that sends.
#[derive(Debug)]
pub(crate) struct Exporter {
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Where to.
struct Sender {
    agent: ureq::Agent,
    collector: Collector,
}

impl Exporter {
    /// Sends whatever comes out of the queue, until it is finished.
    pub(crate) fn start(
        collector: Collector,
        queue: Arc<SpanQueue>,
        spans: Receiver<CallSpan>,
    ) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let sender = Sender { agent: provider_agent::new(&collector.roots), collector };
        tasks.spawn(export(Arc::new(sender), queue, spans, stop.clone()));
        Self { tasks, stop }
    }

    /// Sends what is left, for a few seconds at most.
    pub(crate) async fn finish(self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(FINISH_MAX, self.tasks.wait()).await.is_err() {
            tracing::warn!("the last spans were not sent in time");
        }
    }
}

async fn export(
    sender: Arc<Sender>,
    queue: Arc<SpanQueue>,
    mut spans: Receiver<CallSpan>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => spans.close(),
            () = tokio::time::sleep(GATHER) => {}
        }
        let mut batch = Vec::new();
        // Waits for the first of them; after the end of the queue there is none.
        if spans.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        let (sender, count) = (Arc::clone(&sender), batch.len());
        let sent = tokio::task::spawn_blocking(move || sender.send(&batch)).await;
        let sent = sent.map_err(anyhow::Error::from).and_then(|sent| sent);
        queue.note_exported(count, sent.is_ok());
        if let Err(error) = sent {
            tracing::warn!(error = format!("{error:#}"), spans = count, "spans were not taken");
        }
    }
}

impl Sender {
    /// What the collector does not take is gone: it would only pile up.
    fn send(&self, spans: &[CallSpan]) -> anyhow::Result<()> {
        let body = serde_json::to_vec(&otlp::request(&self.collector.service_name, spans))?;
        let mut request = self.agent.post(self.collector.url.as_str());
        request = request.header(CONTENT_TYPE, "application/json");
        if let Some((name, value)) = &self.collector.header {
            request = request.header(name, value);
        }
        let answer = request.send(&body).context("the collector does not answer")?;
        if !answer.status().is_success() {
            bail!("the collector answers {}", answer.status());
        }
        Ok(())
    }
}
