//! Requests byte by byte, for what a client library would not send.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use crate::program::{Answer, Program};

/// One connection to the program, kept open from request to request.
pub(crate) struct Wire(BufReader<TcpStream>);

impl Wire {
    pub(crate) fn to(program: &Program) -> Self {
        Self::on(TcpStream::connect(program.url.strip_prefix("http://").unwrap()).unwrap())
    }

    /// From this address of the machine to whoever listens there.
    pub(crate) fn from(source: &str, target: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let source = SocketAddr::new(source.parse().unwrap(), 0);
        socket.bind(&source.into()).unwrap();
        socket.connect(&target.into()).unwrap();
        Self::on(socket.into())
    }

    fn on(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends these very bytes. Whoever does not want all of them has answered already.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).ok();
    }

    /// A `GET` with these header lines; the connection stays open.
    pub(crate) fn get(&mut self, path: &str, headers: &[(&str, String)]) -> Answer {
        let lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.send(format!("GET {path} HTTP/1.1\r\nhost: doorward\r\n{}\r\n", lines.concat()));
        self.answer()
    }

    /// The next answer, of which the length is known; an interim one has no body.
    pub(crate) fn answer(&mut self) -> Answer {
        let status = self.line();
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else { break };
            headers
                .append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let length =
            headers.get("content-length").and_then(|value| value.to_str().unwrap().parse().ok());
        let mut body = vec![0; if status < 200 { 0 } else { length.unwrap() }];
        self.0.read_exact(&mut body).unwrap();
        Answer::new(status, headers, body)
    }

    /// What comes until a line contains this.
    pub(crate) fn read_until(&mut self, text: &str) -> String {
        let mut read = String::new();
        while !read.contains(text) {
            assert!(self.0.read_line(&mut read).unwrap() > 0, "it ended: {read}");
        }
        read
    }

    /// All that comes until the connection ends, however it does.
    pub(crate) fn rest(mut self) -> String {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).ok();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}
