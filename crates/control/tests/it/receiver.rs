//! A receiver of webhooks that answers as it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::task::TaskTracker;

const PATIENCE: Duration = Duration::from_mins(1);

/// What a receiver got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        let start = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_default()
    }
}

/// A receiver on a loopback port.
#[derive(Debug)]
pub(crate) struct Hook {
    pub(crate) url: String,
    connections: Arc<AtomicUsize>,
    got: UnboundedReceiver<Got>,
}

impl Hook {
    /// Answers request by request with these; the last one for ever. An empty one is no answer at all.
    pub(crate) async fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?a=b", listener.local_addr().unwrap());
        let (sender, got) = unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        TaskTracker::new().spawn(async move {
            let mut hanging = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let n = counter.fetch_add(1, Ordering::SeqCst);
                let request = read(&mut stream).await;
                if sender.send(request).is_err() {
                    return;
                }
                let answer = answers.get(n).or(answers.last()).unwrap();
                if answer.is_empty() {
                    hanging.push(stream);
                } else {
                    let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 5\r\n\r\nhello");
                    stream.write_all(answer.as_bytes()).await.ok();
                }
            }
        });
        Self { url, connections, got }
    }

    pub(crate) async fn next(&mut self) -> Got {
        tokio::time::timeout(PATIENCE, self.got.recv()).await.unwrap().unwrap()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// One request with a length.
async fn read(stream: &mut TcpStream) -> Got {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_owned();
            let got = Got { head, body: body.to_owned() };
            let length: usize = got.header("content-length").parse().unwrap();
            if body.len() >= length {
                return got;
            }
        }
        let mut part = [0; 4096];
        let n = stream.read(&mut part).await.unwrap();
        assert!(n > 0, "cut off: {text}");
        bytes.extend_from_slice(&part[..n]);
    }
}
