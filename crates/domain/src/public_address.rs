//! Which addresses may be called: those of a server anywhere, or only those on the public internet;
//! whatever they are wrapped in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Blocks of IPv4 that are nobody's on the internet: address and length of the prefix (IANA's registry
/// of special-purpose addresses).
const SPECIAL_V4: [([u8; 4], u32); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // A cloud answers its machines there, though the address is a public one.
    ([168, 63, 129, 16], 32),
    // Multicast, and what is reserved, with broadcast at its end.
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// Where clouds serve their machines' credentials, beside the link-local addresses.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Whether an address may be one of a server, here, on a private network or anywhere. Never one are
/// link-local addresses and the others where clouds serve their machines' credentials, multicast,
/// broadcast and the unspecified address.
pub fn may_be_server(ip: IpAddr) -> bool {
    match unwrapped(ip) {
        IpAddr::V4(ip) => {
            !(ip.is_link_local()
                || ip.is_multicast()
                || ip.is_broadcast()
                || ip.is_unspecified()
                || METADATA_V4.contains(&ip))
        }
        IpAddr::V6(ip) => {
            !(ip.is_unicast_link_local()
                || ip.is_multicast()
                || ip.is_unspecified()
                || METADATA_V6.contains(&ip))
        }
    }
}

/// Whether an address is one of the public internet: what only a machine or a network itself can reach
/// is not, nor what stands for it.
pub fn is_public(ip: IpAddr) -> bool {
    match unwrapped(ip) {
        IpAddr::V4(ip) => !SPECIAL_V4.iter().any(|block| is_within(ip, *block)),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// Global unicast is `2000::/3`; within it, what is set aside for special purposes is out.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        // Special purposes (RFC 2928), documentation (RFC 3849, RFC 9637).
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

fn is_within(ip: Ipv4Addr, (block, bits): ([u8; 4], u32)) -> bool {
    let differing = ip.to_bits() ^ u32::from_be_bytes(block);
    differing.leading_zeros() >= bits
}

/// The IPv4 address that an IPv6 address stands for: a gateway or the system itself may send there.
fn unwrapped(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let v4 = match v6.segments() {
        // Itself: unspecified and loopback.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return ip,
        // Compatible and mapped (RFC 4291), translated (RFC 2765), NAT64 (RFC 6052, RFC 8215).
        [0, 0, 0, 0, 0, 0 | 0xffff, a, b]
        | [0, 0, 0, 0, 0xffff, 0, a, b]
        | [0x64, 0xff9b, 0 | 1, _, _, _, a, b]
        // 6to4 (RFC 3056).
        | [0x2002, a, b, ..] => [a, b],
        // Teredo (RFC 4380) writes it inverted.
        [0x2001, 0, _, _, _, _, a, b] => [!a, !b],
        _ => return ip,
    };
    let [[a, b], [c, d]] = v4.map(u16::to_be_bytes);
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn only_what_everybody_can_reach_is_public() {
        let cases = [
            ("8.8.8.8",                true),
            ("1.1.1.1",                true),
            ("100.63.255.255",         true),
            ("100.128.0.0",            true),
            ("172.15.255.255",         true),
            ("172.32.0.0",             true),
            ("192.0.1.0",              true),
            ("2606:4700::1111",        true),
            ("2001:4860:4860::8888",   true),
            ("64:ff9b::8.8.8.8",       true),
            ("2002:808:808::1",        true),
            ("::ffff:8.8.8.8",         true),
            ("0.0.0.0",                false),
            ("0.1.2.3",                false),
            ("10.0.0.1",               false),
            ("100.64.0.1",             false),
            ("100.100.100.200",        false),
            ("127.0.0.1",              false),
            ("127.255.255.254",        false),
            ("168.63.129.16",          false),
            ("169.254.169.254",        false),
            ("172.16.0.1",             false),
            ("172.31.255.255",         false),
            ("192.0.0.192",            false),
            ("192.0.2.1",              false),
            ("192.88.99.1",            false),
            ("192.168.1.1",            false),
            ("198.18.0.1",             false),
            ("198.19.255.255",         false),
            ("198.51.100.1",           false),
            ("203.0.113.1",            false),
            ("224.0.0.1",              false),
            ("240.0.0.1",              false),
            ("255.255.255.255",        false),
            ("::",                     false),
            ("::1",                    false),
            ("::127.0.0.1",            false),
            ("::ffff:127.0.0.1",       false),
            ("::ffff:10.1.2.3",        false),
            ("::ffff:0:10.1.2.3",      false),
            ("64:ff9b::10.1.2.3",      false),
            ("64:ff9b:1::10.1.2.3",    false),
            ("2002:a00:1::1",          false),
            ("2002:7f00:1::",          false),
            ("2001:0:1::80ff:fffe",    false),
            ("2001:2::1",              false),
            ("2001:db8::1",            false),
            ("3fff::1",                false),
            ("100::1",                 false),
            ("5f00::1",                false),
            ("fc00::1",                false),
            ("fd00:ec2::254",          false),
            ("fe80::1",                false),
            ("fec0::1",                false),
            ("ff02::1",                false),
        ];
        for (address, expected) in cases {
            let ip = address.parse().unwrap();
            assert_eq!(is_public(ip), expected, "{address}");
            assert!(!is_public(ip) || may_be_server(ip), "{address}");
        }
    }
}
