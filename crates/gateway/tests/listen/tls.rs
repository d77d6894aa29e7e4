//! The same front behind TLS.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use doorward_gateway::listen::Limits;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::client::Client;
use super::http2::handshake;
use super::server::Server;

struct Certified {
    server: Arc<ServerConfig>,
    roots: RootCertStore,
}

fn certified() -> Certified {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    Certified { server: Arc::new(server), roots }
}

async fn connect(server: &Server, roots: RootCertStore, alpn: &str) -> TlsStream<TcpStream> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

fn start(tls: Arc<ServerConfig>, limits: Limits) -> Server {
    Server::start_with(limits, Some(tls), Duration::from_secs(10))
}

#[tokio::test]
async fn http1_is_served_and_scanned() {
    let Certified { server, roots } = certified();
    let server = start(server, Limits::STANDARD);
    let mut client = Client(connect(&server, roots.clone(), "http/1.1").await);
    client.send(b"GET /is-tls HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.receive_until("true").await;
    client.send(b"GET /x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.statuses().await, [400]);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn http2_is_served() {
    let Certified { server, roots } = certified();
    let server = start(server, Limits::STANDARD);
    let stream = connect(&server, roots, "h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut sender = handshake(stream).await;
    let request = Request::get("https://a/is-tls").body(Empty::<Bytes>::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "true");
    drop(sender);
    server.stop().await;
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_closed() {
    let limits = Limits { tls_handshake: Duration::from_millis(200), ..Limits::STANDARD };
    let server = start(certified().server, limits);
    for first_bytes in [&b""[..], &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]] {
        let mut client = Client::connect(server.address).await;
        client.send(first_bytes).await;
        assert!(client.receive_to_end().await.is_empty());
    }
    server.stop().await;
}

#[tokio::test]
async fn shutdown_does_not_wait_for_a_handshake() {
    let server = start(certified().server, Limits::STANDARD);
    let mut client = Client::connect(server.address).await;
    client.send(&[0x16, 0x03, 0x01]).await;
    server.shutdown.cancel();
    assert!(client.receive_to_end().await.is_empty());
    drop(client);
    server.stop().await;
}
