//! A provider of our own making, that does as it is told.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What the upstream does with each request.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// A chat completion, or its stream when asked: 25 tokens in, 30 out; 50 events of one token.
    Chat,
    /// As `Chat`, but not before [`Upstream::release`] is called.
    Gated,
    /// A stream that stops after this many events until [`Upstream::release`] is called.
    Hang(usize),
    /// These very bytes, then the connection is closed.
    Raw(Vec<u8>),
    /// As `Raw`, but not before [`Upstream::release`] is called.
    Held(Vec<u8>),
    /// These very bytes, and then nothing until [`Upstream::release`] is called.
    Stall(Vec<u8>),
    /// A stream of this many events, then a reset.
    Reset(usize),
    /// A stream without end, as fast as it is taken.
    Endless,
    /// This JSON on this path, and on any other that there is none.
    Only(&'static str, &'static str),
    /// As `Chat`, but after this time.
    Late(Duration),
    /// As `Chat`, but a stream's events come with this pause between them.
    Paced(Duration),
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: String,
    /// As text.
    pub(crate) body: String,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug)]
struct Shared {
    script: Mutex<Script>,
    /// What the next requests get before that.
    first: Mutex<VecDeque<Script>>,
    seen: Mutex<Vec<Seen>>,
    changed: Condvar,
    is_released: Mutex<bool>,
    release: Condvar,
    is_over: AtomicBool,
}

/// Listens on a free loopback port until it is dropped.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Upstream {
    pub(crate) fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            first: Mutex::default(),
            seen: Mutex::default(),
            changed: Condvar::new(),
            is_released: Mutex::new(false),
            release: Condvar::new(),
            is_over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || serve(&shared, &stream.unwrap()));
            }
        });
        Self { address, shared }
    }

    /// Does something else from the next request on.
    pub(crate) fn then(&self, script: Script) {
        *self.shared.script.lock().unwrap() = script;
    }

    /// Does this with the next request only.
    pub(crate) fn once(&self, script: Script) {
        self.shared.first.lock().unwrap().push_back(script);
    }

    /// Waits until so many calls have arrived.
    pub(crate) fn await_seen(&self, calls: usize) {
        let seen = self.shared.seen.lock().unwrap();
        drop(self.shared.changed.wait_while(seen, |seen| seen.len() < calls).unwrap());
    }

    /// Lets go of what hangs.
    pub(crate) fn release(&self) {
        *self.shared.is_released.lock().unwrap() = true;
        self.shared.release.notify_all();
    }

    /// From here on, what is to wait for a release waits.
    pub(crate) fn hold(&self) {
        *self.shared.is_released.lock().unwrap() = false;
    }

    /// The calls that arrived; requests for the list of models do not count.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.release();
        TcpStream::connect(self.address).ok();
    }
}

fn serve(shared: &Shared, stream: &TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(seen) = read_request(&mut reader) {
        let is_list = seen.head.starts_with("GET ");
        if is_list {
            answer_json(stream, MODELS);
            continue;
        }
        let target = seen.head.split(' ').nth(1).unwrap().to_owned();
        let is_stream = seen.body.contains("\"stream\":true");
        let wants_usage = seen.body.contains("\"include_usage\":true");
        shared.seen.lock().unwrap().push(seen);
        shared.changed.notify_all();
        let first = shared.first.lock().unwrap().pop_front();
        let script = first.unwrap_or_else(|| shared.script.lock().unwrap().clone());
        if let Script::Only(path, body) = script {
            let is_there = target == path;
            let none =
                r#"{"error":{"message":"Not Found","type":"not_found","param":null,"code":404}}"#;
            let answer =
                whole(if is_there { 200 } else { 404 }, "", if is_there { body } else { none });
            send(stream, &answer);
            return;
        }
        if !play(shared, stream, &script, (is_stream, wants_usage)) {
            return;
        }
    }
}

/// Whether the connection goes on.
fn play(shared: &Shared, stream: &TcpStream, script: &Script, asked: (bool, bool)) -> bool {
    match script {
        Script::Gated => {
            wait(shared);
            play(shared, stream, &Script::Chat, asked)
        }
        Script::Chat if asked.0 => send_stream(stream, 50, asked.1),
        Script::Paced(pause) if asked.0 => send_paced(shared, stream, *pause),
        Script::Chat | Script::Paced(_) => answer_json(stream, CHAT),
        Script::Late(pause) => {
            let released = shared.is_released.lock().unwrap();
            drop(shared.release.wait_timeout_while(released, *pause, |is_over| !*is_over).unwrap());
            play(shared, stream, &Script::Chat, asked)
        }
        Script::Hang(events) => {
            begin_stream(stream) && send_events(stream, *events) && wait(shared)
        }
        Script::Endless => {
            begin_stream(stream);
            while send_events(stream, 1_000) {}
            false
        }
        Script::Stall(bytes) => send(stream, bytes) && wait(shared),
        // Answered before.
        Script::Only(..) => false,
        Script::Held(bytes) => {
            wait(shared);
            play(shared, stream, &Script::Raw(bytes.clone()), asked)
        }
        Script::Raw(bytes) => {
            send(stream, bytes);
            stream.shutdown(Shutdown::Both).ok();
            false
        }
        Script::Reset(events) => {
            begin_stream(stream);
            send_events(stream, *events);
            // Unread input at close makes the system send a reset instead of an end.
            socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
            false
        }
    }
}

fn wait(shared: &Shared) -> bool {
    let released = shared.is_released.lock().unwrap();
    drop(shared.release.wait_while(released, |is_released| !*is_released).unwrap());
    false
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut head = String::new();
    loop {
        let before = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if head.len() - before == 2 {
            break;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    let mut bytes = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut bytes).ok()?;
    Some(Seen { head, body: String::from_utf8_lossy(&bytes).into_owned(), bytes })
}

fn send(mut stream: &TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok()
}

fn answer_json(stream: &TcpStream, body: &str) -> bool {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    send(stream, format!("{head}{body}").as_bytes())
}

fn begin_stream(stream: &TcpStream) -> bool {
    send(
        stream,
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    )
}

fn chunk(stream: &TcpStream, data: &str) -> bool {
    send(stream, format!("{:x}\r\n{data}\r\n", data.len()).as_bytes())
}

fn send_events(stream: &TcpStream, events: usize) -> bool {
    (0..events).all(|_| chunk(stream, EVENT))
}

fn send_stream(stream: &TcpStream, events: usize, with_usage: bool) -> bool {
    begin_stream(stream)
        && send_events(stream, events)
        && (!with_usage || chunk(stream, USAGE))
        && chunk(stream, "data: [DONE]\n\n")
        && send(stream, b"0\r\n\r\n")
}

/// Until it is through, the client has gone or the upstream is over.
fn send_paced(shared: &Shared, stream: &TcpStream, pause: Duration) -> bool {
    let goes_on = |_| {
        let released = shared.is_released.lock().unwrap();
        let over = shared.release.wait_timeout_while(released, pause, |is_released| !*is_released);
        !*over.unwrap().0 && chunk(stream, EVENT)
    };
    begin_stream(stream) && (0..50).all(goes_on) && send_stream_end(stream)
}

fn send_stream_end(stream: &TcpStream) -> bool {
    chunk(stream, USAGE) && chunk(stream, "data: [DONE]\n\n") && send(stream, b"0\r\n\r\n")
}

/// The bytes of an answer whose length is told; JSON unless the headers say otherwise.
pub(crate) fn whole(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let kind =
        if headers.contains("content-type") { "" } else { "content-type: application/json\r\n" };
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{kind}{headers}content-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// The bytes of a good answer of this kind.
pub(crate) fn of_kind(kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 X\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The bytes of a stream that ends in order, each text a chunk of its own.
pub(crate) fn events(chunks: &[&str]) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunks: Vec<String> =
        chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
    let chunks = chunks.concat();
    format!("{head}{chunks}0\r\n\r\n").into_bytes()
}

const MODELS: &str = r#"{"object":"list","data":[{"id":"mock","object":"model","created":1700000000,"owned_by":"mock"}]}"#;
/// The chat completion.
pub(crate) const CHAT: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"mock","choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":25,"completion_tokens":30,"total_tokens":55}}"#;
/// One event of one token.
pub(crate) const EVENT: &str = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"mock\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"},\"finish_reason\":null}]}\n\n";
/// The event that tells the usage.
pub(crate) const USAGE: &str = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"mock\",\"choices\":[],\"usage\":{\"prompt_tokens\":25,\"completion_tokens\":50,\"total_tokens\":75}}\n\n";
