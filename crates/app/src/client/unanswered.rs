//! Why no answer came, and what a person can do about it.

use std::io::ErrorKind;

use url::Url;

/// Says it in words; the cause itself is told behind them.
pub(super) fn words(error: &ureq::Error, base: &Url) -> String {
    let endpoint = base.as_str().trim_end_matches('/');
    if let Some(fault) = tls_fault(error) {
        return tls_words(fault, endpoint);
    }
    if base.scheme() == "http" && breaks_off(error) {
        return format!("{endpoint} hangs up on plain HTTP; if it serves TLS, write https://");
    }
    format!("no answer from {endpoint}; is it running? `doorward quickstart` starts one")
}

fn tls_words(fault: &rustls::Error, endpoint: &str) -> String {
    if matches!(fault, rustls::Error::InvalidCertificate(_)) {
        return format!(
            "no TLS connection to {endpoint}: its certificate is not trusted here; name the one \
             that it is signed by with --ca FILE (a server's own is tls.pem in its data directory)"
        );
    }
    format!("no TLS connection to {endpoint}; if it serves plain HTTP, write http://")
}

/// What TLS found wrong, however deep it is wrapped.
fn tls_fault(error: &ureq::Error) -> Option<&rustls::Error> {
    if let ureq::Error::Rustls(fault) = error {
        return Some(fault);
    }
    let ureq::Error::Io(error) = error else { return None };
    error.get_ref()?.downcast_ref()
}

fn breaks_off(error: &ureq::Error) -> bool {
    let is_cut = |kind| matches!(kind, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset);
    matches!(error, ureq::Error::Protocol(_))
        || matches!(error, ureq::Error::Io(error) if is_cut(error.kind()))
}
