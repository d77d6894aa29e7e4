//! Opening connections: the one connector of the program.

use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::pool::{self, Pools};
use super::stream::Stream;

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
        let tcp = connect_any(host, port).await?;
        tcp.set_nodelay(true)?;
        let Some(name) = tls_name else { return Ok((Stream::Plain(tcp), false)) };
        let tls = self.tls.connect(name.clone(), tcp).await?;
        let is_h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((Stream::Tls(Box::new(tls)), is_h2))
    }
}

async fn connect_any(host: &str, port: u16) -> Result<TcpStream> {
    let mut last = Error::new(ErrorKind::NotFound, "the host has no address that may be used");
    for address in tokio::net::lookup_host((host, port)).await?.filter(is_allowed) {
        match TcpStream::connect(address).await {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Model servers stand on loopback and private networks, so those are allowed. Never allowed is what
/// no model server has: link-local addresses, where clouds serve their machines' credentials,
/// multicast, broadcast and the unspecified address. Checked on the resolved address, for names and
/// spellings of addresses can be made to say anything.
fn is_allowed(address: &SocketAddr) -> bool {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            !(ip.is_link_local() || ip.is_multicast() || ip.is_broadcast() || ip.is_unspecified())
        }
        IpAddr::V6(ip) => !(ip.is_unicast_link_local() || ip.is_multicast() || ip.is_unspecified()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_reaches_a_metadata_service() {
        #[rustfmt::skip]
        let cases = [
            ("127.0.0.1:1",                true),
            ("10.1.2.3:1",                 true),
            ("[::1]:1",                    true),
            ("169.254.169.254:1",          false),
            ("[::ffff:169.254.169.254]:1", false),
            ("[fe80::1]:1",                false),
            ("0.0.0.0:1",                  false),
            ("224.0.0.1:1",                false),
        ];
        for (address, expected) in cases {
            assert_eq!(is_allowed(&address.parse().unwrap()), expected, "{address}");
        }
    }
}
