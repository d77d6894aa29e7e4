//! From where a key may be used: lists of addresses and CIDR blocks.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// A CIDR block in canonical form: host bits cleared, IPv4-mapped IPv6 written as IPv4, so that
/// both spellings of one address always get one verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
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
