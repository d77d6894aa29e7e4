//! A client that sends exactly the bytes it is given.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::server::PATIENCE;

pub(crate) struct Client<T = TcpStream>(pub(crate) T);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(timeout(PATIENCE, TcpStream::connect(address)).await.unwrap().unwrap())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    /// Sends, and does not mind if the server closed meanwhile.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _closed = timeout(PATIENCE, self.0.write_all(bytes)).await.unwrap();
    }

    /// Receives until `text` has come, and returns all up to then.
    pub(crate) async fn receive_until(&mut self, text: &str) -> String {
        let mut received = Vec::new();
        while !String::from_utf8_lossy(&received).contains(text) {
            let mut space = [0; 4096];
            let bytes = timeout(PATIENCE, self.0.read(&mut space)).await.unwrap().unwrap();
            assert!(bytes > 0, "closed after {:?}", String::from_utf8_lossy(&received));
            received.extend_from_slice(&space[..bytes]);
        }
        String::from_utf8(received).unwrap()
    }

    /// Receives until the server closes, by whatever means.
    pub(crate) async fn receive_to_end(&mut self) -> Vec<u8> {
        let mut received = Vec::new();
        let _reset = timeout(PATIENCE, self.0.read_to_end(&mut received)).await.unwrap();
        received
    }

    /// The status codes of all answers until the server closes.
    pub(crate) async fn statuses(&mut self) -> Vec<u16> {
        let received = self.receive_to_end().await;
        let text = String::from_utf8_lossy(&received);
        text.split("HTTP/1.").skip(1).map(|answer| answer[2..5].parse().unwrap()).collect()
    }
}
