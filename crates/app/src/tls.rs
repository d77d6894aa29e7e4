//! TLS: the operator's certificate, or one of our own.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::CryptoProvider;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::config::Transport;
use crate::private_file;

/// Our own certificate and its key, in the data directory.
pub(crate) const CERT_FILE: &str = "tls.pem";
const KEY_FILE: &str = "tls.key";
/// The longest life that clients accept.
const VALID_DAYS: i64 = 825;

/// The one cryptography of the program.
pub(crate) fn crypto() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// How to answer TLS on `address`; `None` where bytes travel in the clear.
pub(crate) fn server_config(
    transport: &Transport,
    data_dir: &Path,
    address: IpAddr,
    now: Timestamp,
) -> anyhow::Result<Option<Arc<ServerConfig>>> {
    let (chain, key) = match transport {
        Transport::Plain => return Ok(None),
        Transport::Tls { cert, key } => (read_chain(cert)?, read_key(key)?),
        Transport::SelfSigned => self_signed(data_dir, &names(address), now)?,
    };
    let config = ServerConfig::builder_with_provider(crypto())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key);
    let mut config = config.context("the certificate and the private key cannot be used")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(Arc::new(config)))
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The certificate in the data directory, made now if there is none that serves.
fn self_signed(data_dir: &Path, names: &[String], now: Timestamp) -> anyhow::Result<Pair> {
    let (cert, key) = (data_dir.join(CERT_FILE), data_dir.join(KEY_FILE));
    if cert.exists() && key.exists() {
        let pair = (read_chain(&cert)?, read_key(&key)?);
        if serves(&pair.0, names, now) {
            return Ok(pair);
        }
        tracing::info!("the self-signed certificate has ended or lacks a name: a new one is made");
    }
    let pair = KeyPair::generate()?;
    let made = params(names, now)?.self_signed(&pair)?;
    let write = |path: &Path, text: String| {
        private_file::write(path, text.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
    };
    write(&key, pair.serialize_pem())?;
    write(&cert, made.pem())?;
    Ok((read_chain(&cert)?, read_key(&key)?))
}

/// What clients may call us by.
fn names(address: IpAddr) -> Vec<String> {
    let local = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let own = (!address.is_unspecified() && !address.is_loopback()).then(|| address.to_string());
    let host = rustix::system::uname().nodename().to_str().map(str::to_owned).ok();
    let host = host.filter(|name| name != "localhost" && ServerName::try_from(&**name).is_ok());
    local.into_iter().chain(own).chain(host).collect()
}

fn params(names: &[String], now: Timestamp) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Doorward, self-signed");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // From yesterday: the clocks of clients differ.
    let midnight = |date: Date| {
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        rcgen::date_time_ymd(i32::from(date.year()), month, day)
    };
    let today = now.to_zoned(TimeZone::UTC).date();
    params.not_before = midnight(today.checked_sub(1.day())?);
    params.not_after = midnight(today.checked_add((VALID_DAYS - 1).days())?);
    Ok(params)
}

/// Whether a client that trusts this certificate accepts it now under each of the names.
fn serves(chain: &[CertificateDer<'static>], names: &[String], now: Timestamp) -> bool {
    let Some(cert) = chain.first() else { return false };
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let mut roots = RootCertStore::empty();
    if roots.add(cert.clone()).is_err() {
        return false;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), crypto()).build();
    let accepts = |verifier: &WebPkiServerVerifier, name: &String| {
        let name = ServerName::try_from(&**name);
        name.is_ok_and(|name| verifier.verify_server_cert(cert, &[], &name, &[], at).is_ok())
    };
    verifier.is_ok_and(|verifier| names.iter().all(|name| accepts(&verifier, name)))
}

fn read_chain(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<_, _>>);
    let chain: Vec<_> = chain.with_context(|| format!("cannot read {}", path.display()))?;
    if chain.is_empty() {
        bail!("{} holds no certificate", path.display());
    }
    Ok(chain)
}

fn read_key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path)
        .with_context(|| format!("cannot read a private key from {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn made(dir: &Path, address: &str, now: &str) -> Vec<u8> {
        let address = address.parse().unwrap();
        let config = server_config(&Transport::SelfSigned, dir, address, at(now)).unwrap();
        assert!(config.is_some());
        std::fs::read(dir.join(CERT_FILE)).unwrap()
    }

    #[test]
    fn a_certificate_is_kept_until_it_ends_or_lacks_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let first = made(dir.path(), "192.0.2.1", "2026-11-21T10:00:00Z");
        assert_eq!(made(dir.path(), "192.0.2.1", "2029-02-21T23:59:59Z"), first);
        assert_eq!(made(dir.path(), "0.0.0.0", "2026-11-21T10:00:00Z"), first);
        let second = made(dir.path(), "192.0.2.2", "2026-11-21T10:00:00Z");
        assert_ne!(second, first, "another address");
        let third = made(dir.path(), "192.0.2.2", "2029-02-22T00:00:01Z");
        assert_ne!(third, second, "825 days later");
    }

    #[test]
    fn the_private_key_is_its_owners_only() {
        let dir = tempfile::tempdir().unwrap();
        made(dir.path(), "0.0.0.0", "2026-11-21T10:00:00Z");
        let key = std::fs::metadata(dir.path().join(KEY_FILE)).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn every_local_name_is_served() {
        let all = names("192.0.2.1".parse().unwrap());
        for name in ["localhost", "127.0.0.1", "::1", "192.0.2.1"] {
            assert!(all.iter().any(|n| n == name), "{name} in {all:?}");
        }
        assert!(!names("0.0.0.0".parse().unwrap()).iter().any(|n| n == "0.0.0.0"));
    }

    #[test]
    fn a_certificate_file_without_certificate_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
        std::fs::write(&cert, "nothing").unwrap();
        let transport = Transport::Tls { cert, key };
        let now = at("2026-11-21T10:00:00Z");
        let error = server_config(&transport, dir.path(), "::".parse().unwrap(), now).unwrap_err();
        assert!(error.to_string().contains("c.pem holds no certificate"), "{error:#}");
    }
}
