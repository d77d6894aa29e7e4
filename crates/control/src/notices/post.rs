//! Webhooks: one request per notice, signed, to a checked address.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use doorward_domain::notice::DeliveryFault;
use doorward_domain::public_address::{is_public, may_be_server};
use doorward_domain::webhook::WebhookSecret;
use doorward_store::{Notice, WebhookSecrets};
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// The longest that one delivery may take. A receiver takes a notice and works on it afterwards.
const DELIVERY_MAX: Duration = Duration::from_secs(15);
/// The longest wait for one address to take a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 4;
/// The largest head of an answer that is read. Of its body, nothing is.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const AGENT: &str = concat!("doorward/", env!("CARGO_PKG_VERSION"));

/// Sends notices to webhooks.
pub(super) struct Poster {
    tls: TlsConnector,
    allow_private: bool,
}

impl std::fmt::Debug for Poster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Poster(allow_private: {})", self.allow_private)
    }
}

impl Poster {
    /// Trusts the web's authorities and these certificates of the operator's own.
    pub(super) fn new(
        own_roots: Vec<CertificateDer<'static>>,
        allow_private: bool,
    ) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for certificate in own_roots {
            roots.add(certificate)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), allow_private })
    }

    /// Delivers a notice: the receiver has it once it answers with a status from 200 to 299.
    pub(super) async fn send(
        &self,
        notice: &Notice,
        webhook: &WebhookSecrets,
        now: Timestamp,
    ) -> Result<(), DeliveryFault> {
        let url = Url::parse(&webhook.url).map_err(|_| DeliveryFault::Malformed)?;
        let request = request(&url, notice, webhook, now)?;
        let exchange = self.exchange(&url, request);
        let status = tokio::time::timeout(DELIVERY_MAX, exchange).await;
        judge(status.map_err(|_| DeliveryFault::TimedOut)??)
    }

    async fn exchange(
        &self,
        url: &Url,
        request: Request<Full<Bytes>>,
    ) -> Result<StatusCode, DeliveryFault> {
        let tcp = self.connect(url).await?;
        if url.scheme() != "https" {
            return ask(tcp, request).await;
        }
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|_| DeliveryFault::Malformed)?;
        let tls = self.tls.connect(name, tcp).await.map_err(|_| DeliveryFault::TlsFailed)?;
        ask(tls, request).await
    }

    /// Connects to an address that was resolved just now and checked: the name is not asked for again,
    /// so that it cannot say something else.
    async fn connect(&self, url: &Url) -> Result<TcpStream, DeliveryFault> {
        let mut fault = DeliveryFault::NotResolved;
        for address in resolve(url).await?.into_iter().take(ADDRESSES_MAX) {
            if !self.may_reach(address.ip()) {
                fault = DeliveryFault::AddressNotAllowed;
                continue;
            }
            match tokio::time::timeout(CONNECT_MAX, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(_)) => fault = DeliveryFault::ConnectionFailed,
                Err(_) => fault = DeliveryFault::TimedOut,
            }
        }
        Err(fault)
    }

    /// An administrator of an organization names the address, and the machine belongs to somebody else:
    /// what only the machine can reach is not for them to call.
    fn may_reach(&self, ip: IpAddr) -> bool {
        is_public(ip) || self.allow_private && may_be_server(ip)
    }
}

async fn resolve(url: &Url) -> Result<Vec<SocketAddr>, DeliveryFault> {
    let port = url.port_or_known_default().ok_or(DeliveryFault::Malformed)?;
    let found: io::Result<Vec<SocketAddr>> = match url.host() {
        Some(Host::Ipv4(ip)) => Ok(vec![(ip, port).into()]),
        Some(Host::Ipv6(ip)) => Ok(vec![(ip, port).into()]),
        Some(Host::Domain(name)) => {
            tokio::net::lookup_host((name, port)).await.map(Iterator::collect)
        }
        None => return Err(DeliveryFault::Malformed),
    };
    found.map_err(|_| DeliveryFault::NotResolved)
}

/// Sends a request and waits for the head of its answer. What follows it is not read: the connection is
/// closed.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<StatusCode, DeliveryFault> {
    let handshake =
        http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|_| DeliveryFault::ConnectionFailed)?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // It may have ended right after the answer.
        _ = connection => answer.await,
    };
    answer.map(|answer| answer.status()).map_err(|error| {
        if error.is_parse() { DeliveryFault::Malformed } else { DeliveryFault::ConnectionFailed }
    })
}

fn judge(status: StatusCode) -> Result<(), DeliveryFault> {
    if status.is_success() {
        Ok(())
    } else if status.is_redirection() {
        Err(DeliveryFault::Redirected)
    } else if status == StatusCode::GONE {
        Err(DeliveryFault::Gone)
    } else {
        Err(DeliveryFault::BadStatus)
    }
}

/// A message of the Standard Webhooks specification. Each attempt has the id and the body of the first.
fn request(
    url: &Url,
    notice: &Notice,
    webhook: &WebhookSecrets,
    now: Timestamp,
) -> Result<Request<Full<Bytes>>, DeliveryFault> {
    let body = json!({
        "type": notice.kind.as_str(),
        "timestamp": notice.created_at,
        "data": notice.data,
    });
    let body = body.to_string();
    let (id, second) = (notice.id.to_string(), now.as_second());
    let sign = |secret: &WebhookSecret| secret.sign(&id, second, body.as_bytes());
    let signatures: Vec<String> = webhook.secrets.iter().map(sign).collect();
    let target =
        url.query().map_or_else(|| url.path().to_owned(), |q| format!("{}?{q}", url.path()));
    Request::post(target)
        .header(HOST, host(url))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(USER_AGENT, HeaderValue::from_static(AGENT))
        .header("webhook-id", &id)
        .header("webhook-timestamp", second)
        .header("webhook-signature", signatures.join(" "))
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| DeliveryFault::Malformed)
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_judged_by_its_status() {
        #[rustfmt::skip]
        let cases = [
            (200, Ok(())),
            (204, Ok(())),
            (299, Ok(())),
            (301, Err(DeliveryFault::Redirected)),
            (307, Err(DeliveryFault::Redirected)),
            (400, Err(DeliveryFault::BadStatus)),
            (410, Err(DeliveryFault::Gone)),
            (500, Err(DeliveryFault::BadStatus)),
        ];
        for (status, expected) in cases {
            assert_eq!(judge(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }

    #[test]
    fn private_addresses_are_reached_by_permission_only_and_some_never() {
        let poster = |allow| Poster::new(Vec::new(), allow).unwrap();
        let reach = |allow, ip: &str| poster(allow).may_reach(ip.parse().unwrap());
        for ip in ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "fd00::1", "::ffff:127.0.0.1"] {
            assert!(!reach(false, ip) && reach(true, ip), "{ip}");
        }
        for ip in ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "64:ff9b::a9fe:a9fe"] {
            assert!(!reach(false, ip) && !reach(true, ip), "{ip}");
        }
        assert!(reach(false, "8.8.8.8"));
    }

    /// However an address is spelled, it is the resolved one that is judged.
    #[tokio::test]
    async fn no_spelling_reaches_the_machine_itself() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hosts = [
            "127.0.0.1",
            "localhost",
            "localhost.",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "0",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "\u{ff11}\u{ff12}7.0.0.1",
        ];
        let poster = Poster::new(Vec::new(), false).unwrap();
        for host in hosts {
            let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
            let fault = poster.connect(&url).await.unwrap_err();
            assert!(
                matches!(fault, DeliveryFault::AddressNotAllowed | DeliveryFault::NotResolved),
                "{host}: {fault:?}"
            );
        }
        let allowed = Poster::new(Vec::new(), true).unwrap();
        let url = Url::parse(&format!("http://localhost:{port}/")).unwrap();
        assert!(allowed.connect(&url).await.is_ok(), "so the test is live");
    }
}
