//! From where a key may be used: lists of addresses and CIDR blocks.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// The address that a request comes from, put into its extensions by whoever accepted it.
///
/// A request without it is answered with 500: address lists must not be skipped by a wiring fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// A CIDR block in canonical form: host bits cleared, IPv4-mapped IPv6 written as IPv4, so that
/// both spellings of one address always get one verdict.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?$", examples("10.0.0.0/8", "2001:db8::1"))]
pub struct AddressBlock(IpNet);

/// A text that is neither an address nor a CIDR block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address or CIDR block, such as 10.0.0.0/8 or 2001:db8::1")]
pub struct MalformedBlock(pub String);

impl AddressBlock {
    fn canonical(net: IpNet) -> Self {
        let net = net.trunc();
        let mapped = match net {
            IpNet::V6(v6) if v6.prefix_len() >= 96 => v6
                .addr()
                .to_ipv4_mapped()
                .and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - 96).ok()),
            IpNet::V4(_) | IpNet::V6(_) => None,
        };
        Self(mapped.map_or(net, IpNet::V4))
    }

    /// Whether the block holds this address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.contains_canonical(address.to_canonical())
    }

    fn contains_canonical(&self, address: IpAddr) -> bool {
        self.0.contains(&address) || self.contains_mapped(address)
    }

    /// An IPv6 block wider than the mapped range, such as `::/0`, holds every IPv4 address too.
    fn contains_mapped(&self, address: IpAddr) -> bool {
        match (self.0, address) {
            (IpNet::V6(net), IpAddr::V4(v4)) => net.contains(&v4.to_ipv6_mapped()),
            (IpNet::V4(_) | IpNet::V6(_), _) => false,
        }
    }

    /// Whether every address of `other` is in this block.
    pub fn covers(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (IpNet::V6(wide), IpNet::V4(narrow)) => wide.contains(&narrow.addr().to_ipv6_mapped()),
            (wide, narrow) => wide.contains(&narrow),
        }
    }
}

impl FromStr for AddressBlock {
    type Err = MalformedBlock;

    fn from_str(text: &str) -> Result<Self, MalformedBlock> {
        let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map(Self::canonical).map_err(|_| MalformedBlock(text.chars().take(64).collect()))
    }
}

impl TryFrom<String> for AddressBlock {
    type Error = MalformedBlock;

    fn try_from(text: String) -> Result<Self, MalformedBlock> {
        text.parse()
    }
}

impl From<AddressBlock> for String {
    fn from(block: AddressBlock) -> Self {
        block.to_string()
    }
}

impl fmt::Display for AddressBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            write!(f, "{}", self.0.addr())
        } else {
            write!(f, "{}", self.0)
        }
    }
}

/// Which rule decides about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressDecision {
    /// There is no allow list, and nothing denies it.
    Anywhere,
    /// This block of the allow list.
    Allowed(AddressBlock),
    /// There is an allow list, and it is in none of its blocks.
    NotListed,
    /// This block of the deny list.
    Denied(AddressBlock),
}

impl AddressDecision {
    /// Whether the key may be used.
    pub const fn is_allowed(self) -> bool {
        match self {
            Self::Anywhere | Self::Allowed(_) => true,
            Self::NotListed | Self::Denied(_) => false,
        }
    }
}

/// The address rules of a key. Deny beats allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRules {
    /// `None`: from anywhere. An empty list, set on purpose or emptied later: from nowhere.
    pub allow: Option<Vec<AddressBlock>>,
    /// Never from here.
    pub deny: Vec<AddressBlock>,
}

impl AddressRules {
    /// From anywhere.
    pub const ANY: Self = Self { allow: None, deny: Vec::new() };

    /// Whether the key may be used from this address.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let is_in = |list: &[AddressBlock]| list.iter().any(|b| b.contains_canonical(address));
        !is_in(&self.deny) && self.allow.as_deref().is_none_or(is_in)
    }

    /// The rule that decides about this address. It agrees with [`allows`](Self::allows).
    pub fn decide(&self, address: IpAddr) -> AddressDecision {
        let first = |list: &[AddressBlock]| list.iter().find(|b| b.contains(address)).copied();
        if let Some(block) = first(&self.deny) {
            return AddressDecision::Denied(block);
        }
        match &self.allow {
            None => AddressDecision::Anywhere,
            Some(list) => first(list).map_or(AddressDecision::NotListed, AddressDecision::Allowed),
        }
    }

    /// Blocks of the allow list that share addresses with one of the deny list, by their places: there
    /// deny wins, which is not always what was meant.
    pub fn overlaps(&self) -> impl Iterator<Item = (usize, usize)> {
        let allow = self.allow.as_deref().unwrap_or_default();
        allow.iter().enumerate().flat_map(|(a, allowed)| {
            let shares = |denied: &AddressBlock| denied.covers(allowed) || allowed.covers(denied);
            let denied = self.deny.iter().enumerate().filter(move |(_, denied)| shares(denied));
            denied.map(move |(d, _)| (a, d))
        })
    }

    /// Whether every address that `other` allows is allowed here. Never says yes wrongly.
    pub fn covers(&self, other: &Self) -> bool {
        let is_covered =
            |block: &AddressBlock, by: &[AddressBlock]| by.iter().any(|b| b.covers(block));
        let allow_is_covered = match (&self.allow, &other.allow) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => theirs.iter().all(|block| is_covered(block, mine)),
        };
        allow_is_covered && self.deny.iter().all(|block| is_covered(block, &other.deny))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use ipnet::Ipv6Net;
    use proptest::prelude::*;

    use super::*;

    /// A block as its 128 bits and how many of them count; IPv4 is its mapped form.
    type Bits = (u128, u8);

    fn bits_of(address: IpAddr) -> u128 {
        match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits(),
        }
    }

    fn starts_with((start, len): Bits, address: u128) -> bool {
        (start ^ address).checked_shr(128 - u32::from(len)).unwrap_or(0) == 0
    }

    /// Addresses that are close to each other, and now and then one that is not.
    pub(crate) fn any_address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            4 => (0_u32..1024).prop_map(|low| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | low))),
            2 => (0_u32..1024).prop_map(|low| IpAddr::V6(Ipv4Addr::from_bits(0x0a00_0000 | low).to_ipv6_mapped())),
            2 => (0_u128..1024).prop_map(|low| IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | low))),
            1 => any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
            1 => any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
        ]
    }

    /// A block as somebody may write it: host bits set, IPv4 in both spellings.
    fn any_written_block() -> impl Strategy<Value = (String, Bits)> {
        (any_address(), any::<bool>(), 0_u8..=128).prop_map(|(address, is_long, len)| match address
        {
            IpAddr::V4(v4) => {
                let short = if is_long { 22 + len % 11 } else { len % 33 };
                (format!("{v4}/{short}"), (bits_of(address), 96 + short))
            }
            IpAddr::V6(v6) => {
                let len = if is_long { 112 + len % 17 } else { len };
                (format!("{v6}/{len}"), (bits_of(address), len))
            }
        })
    }

    pub(crate) fn any_block() -> impl Strategy<Value = AddressBlock> {
        any_written_block().prop_map(|(text, _)| text.parse().unwrap())
    }

    pub(crate) fn any_rules() -> impl Strategy<Value = AddressRules> {
        let allow = prop::option::weighted(0.7, prop::collection::vec(any_block(), 0..4));
        (allow, prop::collection::vec(any_block(), 0..3))
            .prop_map(|(allow, deny)| AddressRules { allow, deny })
    }

    fn block(text: &str) -> AddressBlock {
        text.parse().unwrap()
    }

    fn blocks(texts: &[&str]) -> Vec<AddressBlock> {
        texts.iter().map(|text| block(text)).collect()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn blocks_are_written_in_one_form() {
        #[rustfmt::skip]
        let cases = [
            // written                      printed
            ("10.0.0.0/8",                  Some("10.0.0.0/8")),
            ("10.1.2.3/8",                  Some("10.0.0.0/8")),
            ("192.0.2.7",                   Some("192.0.2.7")),
            ("192.0.2.7/32",                Some("192.0.2.7")),
            ("0.0.0.0/0",                   Some("0.0.0.0/0")),
            ("::ffff:192.0.2.7",            Some("192.0.2.7")),
            ("::ffff:c000:207/128",         Some("192.0.2.7")),
            ("::ffff:10.1.2.3/104",         Some("10.0.0.0/8")),
            ("::ffff:0:0/96",               Some("0.0.0.0/0")),
            ("::ffff:0:0/95",               Some("::fffe:0:0/95")), // more than the mapped range
            ("::/0",                        Some("::/0")),
            ("2001:db8::1",                 Some("2001:db8::1")),
            ("2001:DB8:0:0::1/128",         Some("2001:db8::1")),
            ("2001:db8::ffff/32",           Some("2001:db8::/32")),
            ("::192.0.2.7",                 Some("::c000:207")), // compatible is not mapped
            ("",                            None),
            ("10.0.0.0/33",                 None),
            ("10.0.0.0/-1",                 None),
            ("10.0.0.0/",                   None),
            ("10.0.0",                      None),
            ("10.0.0.256",                  None),
            ("010.0.0.1",                   None), // octal to some readers
            ("0x0a000001",                  None),
            ("167772161",                   None),
            ("10.0.0.0/255.0.0.0",          None),
            ("10.0.0.1-10.0.0.9",           None),
            ("10.0.0.*",                    None),
            (" 10.0.0.1",                   None),
            ("2001:db8::/129",              None),
            ("fe80::1%eth0",                None),
            ("[2001:db8::1]",               None),
            ("localhost",                   None),
            ("*",                           None),
        ];
        for (written, printed) in cases {
            let parsed = written.parse::<AddressBlock>().ok();
            assert_eq!(parsed.map(|b| b.to_string()).as_deref(), printed, "{written}");
        }
    }

    #[test]
    fn an_error_quotes_no_more_than_the_start_of_a_text() {
        let error = "x".repeat(10_000).parse::<AddressBlock>().unwrap_err();
        assert_eq!(error, MalformedBlock("x".repeat(64)));
    }

    #[test]
    fn deny_beats_allow_and_an_emptied_list_allows_nobody() {
        let rules = |allow: Option<&[&str]>, deny: &[&str]| AddressRules {
            allow: allow.map(blocks),
            deny: blocks(deny),
        };
        #[rustfmt::skip]
        let cases = [
            // rules                                                address              allowed
            (rules(None, &[]),                                      "192.0.2.7",         true),
            (rules(None, &[]),                                      "2001:db8::1",       true),
            (rules(Some(&[]), &[]),                                 "192.0.2.7",         false),
            (rules(Some(&[]), &[]),                                 "2001:db8::1",       false),
            (rules(Some(&["10.0.0.0/8"]), &[]),                     "10.9.8.7",          true),
            (rules(Some(&["10.0.0.0/8"]), &[]),                     "::ffff:10.9.8.7",   true),
            (rules(Some(&["10.0.0.0/8"]), &[]),                     "11.0.0.1",          false),
            (rules(Some(&["10.0.0.0/8"]), &[]),                     "2001:db8::1",       false),
            (rules(Some(&["10.0.0.0/8"]), &["10.1.0.0/16"]),        "10.1.2.3",          false),
            (rules(Some(&["10.1.2.3"]), &["10.0.0.0/8"]),           "10.1.2.3",          false),
            (rules(Some(&["0.0.0.0/0"]), &["::ffff:10.0.0.0/104"]), "10.1.2.3",          false),
            (rules(None, &["127.0.0.0/8"]),                         "::ffff:127.0.0.1",  false),
            (rules(None, &["127.0.0.0/8"]),                         "128.0.0.1",         true),
            (rules(None, &["::/0"]),                                "10.1.2.3",          false),
            (rules(Some(&["::/0"]), &[]),                           "10.1.2.3",          true),
            (rules(Some(&["0.0.0.0/0"]), &[]),                      "2001:db8::1",       false),
        ];
        for (rules, text, is_allowed) in cases {
            assert_eq!(rules.allows(address(text)), is_allowed, "{rules:?} / {text}");
        }
    }

    #[test]
    fn rules_cover_only_what_is_surely_tighter() {
        let rules = |allow: Option<&[&str]>, deny: &[&str]| AddressRules {
            allow: allow.map(blocks),
            deny: blocks(deny),
        };
        #[rustfmt::skip]
        let cases = [
            // mine                                theirs                                     covers
            (AddressRules::ANY,                    rules(None, &[]),                          true),
            (AddressRules::ANY,                    rules(Some(&["10.0.0.0/8"]), &[]),         true),
            (rules(Some(&["10.0.0.0/8"]), &[]),    AddressRules::ANY,                         false),
            (rules(Some(&["10.0.0.0/8"]), &[]),    rules(Some(&["10.1.0.0/16"]), &[]),        true),
            (rules(Some(&["10.1.0.0/16"]), &[]),   rules(Some(&["10.0.0.0/8"]), &[]),         false),
            (rules(Some(&["10.0.0.0/8"]), &[]),    rules(Some(&["::ffff:10.1.1.1"]), &[]),    true),
            (rules(Some(&["10.0.0.0/8"]), &[]),    rules(Some(&["10.1.1.1", "::1"]), &[]),    false),
            (rules(Some(&[]), &[]),                rules(Some(&["10.1.1.1"]), &[]),           false),
            (rules(Some(&[]), &[]),                rules(Some(&[]), &[]),                     true),
            (rules(None, &["10.0.0.0/8"]),         AddressRules::ANY,                         false),
            (rules(None, &["10.0.0.0/8"]),         rules(None, &["10.1.0.0/16"]),             false),
            (rules(None, &["10.1.0.0/16"]),        rules(None, &["10.0.0.0/8"]),              true),
        ];
        for (mine, theirs, expected) in cases {
            assert_eq!(mine.covers(&theirs), expected, "{mine:?} / {theirs:?}");
        }
    }

    proptest! {
        #[test]
        fn the_rule_that_decides_agrees_with_the_verdict(rules in any_rules(), address in any_address()) {
            let decision = rules.decide(address);
            prop_assert_eq!(decision.is_allowed(), rules.allows(address), "{:?}", decision);
            if let AddressDecision::Allowed(block) | AddressDecision::Denied(block) = decision {
                prop_assert!(block.contains(address));
            }
        }

        #[test]
        fn an_address_in_both_lists_is_in_an_overlap(rules in any_rules(), address in any_address()) {
            let is_in = |list: &[AddressBlock]| list.iter().any(|block| block.contains(address));
            if is_in(&rules.deny) && rules.allow.as_deref().is_some_and(is_in) {
                prop_assert!(rules.overlaps().next().is_some());
            }
        }
    }

    #[test]
    fn overlaps_are_named_by_their_places() {
        let rules = AddressRules {
            allow: Some(blocks(&["10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"])),
            deny: blocks(&["10.1.0.0/16", "192.0.0.0/16", "198.51.100.1"]),
        };
        assert_eq!(rules.overlaps().collect::<Vec<_>>(), [(0, 0), (1, 1)]);
        let open = AddressRules { allow: None, ..rules };
        assert_eq!(open.overlaps().count(), 0);
    }

    proptest! {
        #[test]
        fn a_block_prints_what_it_reads(block in any_block()) {
            prop_assert_eq!(block.to_string().parse(), Ok(block));
            let json = serde_json::to_string(&block).unwrap();
            prop_assert_eq!(serde_json::from_str::<AddressBlock>(&json).unwrap(), block);
        }

        #[test]
        fn a_block_holds_what_begins_with_its_bits(
            (text, bits) in any_written_block(),
            address in any_address(),
        ) {
            let block: AddressBlock = text.parse().unwrap();
            prop_assert_eq!(block.contains(address), starts_with(bits, bits_of(address)));
        }

        #[test]
        fn a_block_covers_another_exactly_when_it_holds_its_bits(
            (wide, wide_bits) in any_written_block(),
            (narrow, narrow_bits) in any_written_block(),
        ) {
            let expected = wide_bits.1 <= narrow_bits.1 && starts_with(wide_bits, narrow_bits.0);
            prop_assert_eq!(block(&wide).covers(&block(&narrow)), expected);
        }

        #[test]
        fn an_ipv4_address_and_its_mapped_form_get_equal_verdicts(
            bits: u32,
            near in 0_u8..=32,
            prefix in 0_u8..=128,
            rules in any_rules(),
        ) {
            let plain = Ipv4Addr::from_bits(bits);
            let mapped = IpAddr::V6(plain.to_ipv6_mapped());
            let around = IpNet::from(Ipv4Net::new(plain, near).unwrap());
            let written_as_v6 = IpNet::from(Ipv6Net::new(plain.to_ipv6_mapped(), prefix).unwrap());
            for net in [around, written_as_v6] {
                let block = block(&net.to_string());
                prop_assert!(block.contains(plain.into()) && block.contains(mapped));
            }
            prop_assert_eq!(rules.allows(plain.into()), rules.allows(mapped));
        }

        #[test]
        fn an_ipv4_block_and_its_mapped_form_are_one_block(bits: u32, len in 0_u8..=32) {
            let plain = Ipv4Addr::from_bits(bits);
            let mapped = format!("{}/{}", plain.to_ipv6_mapped(), 96 + len);
            prop_assert_eq!(block(&format!("{plain}/{len}")), block(&mapped));
        }

        #[test]
        fn what_is_denied_is_refused_whatever_is_allowed(rules in any_rules(), address in any_address()) {
            let is_denied = rules.deny.iter().any(|block| block.contains(address));
            prop_assert!(!(is_denied && rules.allows(address)));
            let emptied = AddressRules { allow: Some(Vec::new()), ..rules };
            prop_assert!(!emptied.allows(address));
        }

        #[test]
        fn covering_rules_allow_every_address_that_the_others_allow(
            mine in any_rules(),
            theirs in any_rules(),
            addresses in prop::collection::vec(any_address(), 20),
        ) {
            prop_assert!(mine.covers(&mine) && AddressRules::ANY.covers(&mine));
            for address in addresses {
                let is_wrong = mine.covers(&theirs) && theirs.allows(address) && !mine.allows(address);
                prop_assert!(!is_wrong, "{}", address);
            }
        }
    }
}
