//! Opening connections: the one connector of the program.

use std::io::Result;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio_rustls::TlsConnector;

use super::address;
use super::pool::{self, Pools};
use super::stream::Stream;

/// When a silent connection is asked for a sign of life, and how often.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(30))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

/// Resolves, connects and, for `https`, verifies the certificate.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: TlsConnector,
    pools: Arc<Pools>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl Connector {
    /// Trusts the web's authorities and these certificates of the operator's own.
    pub(crate) fn new(
        own_roots: Vec<CertificateDer<'static>>,
    ) -> std::result::Result<Self, rustls::Error> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for certificate in own_roots {
            roots.add(certificate)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
            pools: Pools::new(pool::IDLE_AGE_MAX),
        })
    }

    /// The connections that it opened and that may serve another call.
    pub(super) fn pools(&self) -> &Arc<Pools> {
        &self.pools
    }

    /// Closes every connection that serves no call. None is kept from now on.
    pub(crate) fn close(&self) {
        self.pools.close();
    }

    /// Connects to the first of the host's addresses that answers. The second value says whether
    /// the other side chose HTTP/2.
    pub(crate) async fn connect(
        &self,
        host: &str,
        port: u16,
        tls_name: Option<&ServerName<'static>>,
    ) -> Result<(Stream, bool)> {
        let tcp = address::connect_any(host, port).await?;
        tcp.set_nodelay(true)?;
        // An answer may take half an hour to begin: a machine that is gone is noticed before that.
        SockRef::from(&tcp).set_tcp_keepalive(&KEEPALIVE)?;
        let Some(name) = tls_name else { return Ok((Stream::Plain(tcp), false)) };
        let tls = self.tls.connect(name.clone(), tcp).await?;
        let is_h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((Stream::Tls(Box::new(tls)), is_h2))
    }
}
