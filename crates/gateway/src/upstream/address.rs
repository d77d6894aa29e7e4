//! The addresses of a host: which may be used, and which of them answers first.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::time::Duration;

use doorward_domain::public_address::may_be_server;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;

/// The head start of one address over the next (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to the first of the host's addresses that answers.
pub(super) async fn connect_any(host: &str, port: u16) -> Result<TcpStream> {
    race(tokio::net::lookup_host((host, port)).await?.filter(is_allowed)).await
}

/// The next address is tried when the last one failed, or did not answer at once: one that swallows
/// everything does not use up the time of the others.
async fn race(addresses: impl Iterator<Item = SocketAddr>) -> Result<TcpStream> {
    let mut last = Error::new(ErrorKind::NotFound, "the host has no address that may be used");
    let mut addresses = addresses.peekable();
    let mut running = FuturesUnordered::new();
    loop {
        running.extend(addresses.next().map(TcpStream::connect));
        let ended = if addresses.peek().is_some() {
            tokio::time::timeout(HEAD_START, running.next()).await.ok()
        } else {
            Some(running.next().await)
        };
        match ended {
            Some(Some(Ok(tcp))) => return Ok(tcp),
            Some(Some(Err(error))) => last = error,
            Some(None) => return Err(last),
            None => {}
        }
    }
}

/// Model servers stand on loopback and private networks, so those are allowed. Checked on the resolved
/// address, for names and spellings of addresses can be made to say anything.
fn is_allowed(address: &SocketAddr) -> bool {
    may_be_server(address.ip())
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn no_spelling_reaches_a_metadata_service() {
        #[rustfmt::skip]
        let cases = [
            ("127.0.0.1:1",                true),
            ("10.1.2.3:1",                 true),
            ("100.100.100.201:1",          true),
            ("[::1]:1",                    true),
            ("[fd00:ec2::1]:1",            true),
            ("[2001:db8::a9fe:a9fe]:1",    true),
            ("[::ffff:127.0.0.1]:1",       true),
            ("[64:ff9b::8.8.8.8]:1",       true),
            ("[2002:808:808::1]:1",        true),
            ("169.254.169.254:1",          false),
            ("100.100.100.200:1",          false),
            ("192.0.0.192:1",              false),
            ("168.63.129.16:1",            false),
            ("[::ffff:169.254.169.254]:1", false),
            ("[::ffff:100.100.100.200]:1", false),
            ("[::169.254.169.254]:1",      false),
            ("[::192.0.0.192]:1",          false),
            ("[::ffff:0:169.254.169.254]:1", false),
            ("[64:ff9b::169.254.169.254]:1", false),
            ("[64:ff9b:1::169.254.169.254]:1", false),
            ("[64:ff9b::100.100.100.200]:1", false),
            ("[2002:a9fe:a9fe::1]:1",      false),
            ("[2002:c000:c0::]:1",         false),
            ("[2001:0:1::5601:5601]:1",    false),
            ("[fd00:ec2::254]:1",          false),
            ("[fd20:ce::254]:1",           false),
            ("[fe80::1]:1",                false),
            ("[::]:1",                     false),
            ("[ff02::1]:1",                false),
            ("0.0.0.0:1",                  false),
            ("[::ffff:0.0.0.0]:1",         false),
            ("224.0.0.1:1",                false),
            ("255.255.255.255:1",          false),
        ];
        for (address, expected) in cases {
            assert_eq!(is_allowed(&address.parse().unwrap()), expected, "{address}");
        }
    }

    /// An address that takes no connection and refuses none: its queue is full.
    async fn silent() -> (SocketAddr, Socket, Vec<TcpStream>) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let mut waiting = Vec::new();
        let patience = Duration::from_millis(300);
        while let Ok(stream) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
            waiting.push(stream.unwrap());
        }
        (address, socket, waiting)
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_does_not_keep_the_next_one_from_it() {
        let (silent, _socket, _waiting) = silent().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let racing = race([silent, silent, good].into_iter());
        // The system itself gives up after two minutes.
        let tcp = tokio::time::timeout(Duration::from_secs(10), racing).await.unwrap().unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), good);
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_followed_by_the_next_one_and_the_last_says_why() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refusing = closed.local_addr().unwrap();
        drop(closed);
        assert_eq!(race([refusing, good].into_iter()).await.unwrap().peer_addr().unwrap(), good);
        let refused = race([refusing, refusing].into_iter()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let none = race(std::iter::empty()).await.unwrap_err();
        assert_eq!(none.kind(), ErrorKind::NotFound);
    }
}
