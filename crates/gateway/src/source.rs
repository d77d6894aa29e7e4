//! From which address a request comes.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// More entries than any real chain of proxies has.
const HOPS_MAX: usize = 32;

/// The client's address: the socket's, unless that is a trusted proxy. Then `X-Forwarded-For` is
/// walked from its right-hand side, the part that our own proxies wrote, to the first address that
/// is not a trusted proxy. Whatever stands further left the client may have invented.
///
/// `None`: the entry that decides cannot be read, or there are too many; the next guess would be
/// the attacker's.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let peer = peer.to_canonical();
    if !is_trusted(peer) {
        return Some(peer);
    }
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let mut last = peer;
    let mut hops = 0;
    for line in lines.into_iter().rev() {
        for entry in line.to_str().ok()?.rsplit(',') {
            hops += 1;
            if hops > HOPS_MAX {
                return None;
            }
            last = entry.trim().parse::<IpAddr>().ok()?.to_canonical();
            if !is_trusted(last) {
                return Some(last);
            }
        }
    }
    Some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_our_own_proxies_wrote_is_believed() {
        #[rustfmt::skip]
        let cases: &[(&str, &[&str], Option<&str>)] = &[
            ("9.9.9.9",          &["10.0.0.1"],              Some("9.9.9.9")),
            ("127.0.0.3",        &[],                        Some("127.0.0.3")),
            ("127.0.0.3",        &["1.2.3.4, 10.0.0.1"],     Some("10.0.0.1")),
            ("127.0.0.3",        &["10.0.0.1, 1.2.3.4"],     Some("1.2.3.4")),
            ("127.0.0.3",        &["1.2.3.4, 127.0.0.9"],    Some("1.2.3.4")),
            ("127.0.0.3",        &["1.1.1.1", "2.2.2.2"],    Some("2.2.2.2")),
            ("::ffff:127.0.0.3", &["::ffff:1.2.3.4"],        Some("1.2.3.4")),
            ("127.0.0.3",        &["1.2.3.4, unknown"],      None),
            ("127.0.0.3",        &["1.2.3.4,"],              None),
        ];
        let trusted: Vec<IpNet> = vec!["127.0.0.0/8".parse().unwrap()];
        for (peer, lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            let found = client_address(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found, expected.map(|text| text.parse().unwrap()), "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_chain_longer_than_any_real_one_is_refused() {
        let trusted: Vec<IpNet> = vec!["127.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", vec!["127.0.0.1"; 33].join(",").parse().unwrap());
        assert_eq!(client_address("127.0.0.1".parse().unwrap(), &headers, &trusted), None);
    }
}
