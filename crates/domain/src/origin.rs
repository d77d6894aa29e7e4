//! Origins: the web pages from which a key may be used.
//!
//! A key that lives in a page is read by whoever opens the page. What it is then worth is bounded by
//! its limit, its budget and, for everything that is a browser, by this list.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Most origins of one key.
pub const ORIGINS_MAX: usize = 20;
/// The longest name of a host.
const HOST_BYTES_MAX: usize = 253;
/// The longest part of a name between two dots.
const LABEL_BYTES_MAX: usize = 63;

/// A scheme, a host and a port, as a browser writes them into the header `Origin`: in lower case, and
/// without the port that the scheme implies.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(String);

/// A text that is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedOrigin {
    /// It stands for several.
    #[error("must name each origin by itself: `*` is not taken")]
    Wildcard,
    /// There is more than an origin.
    #[error("must be an origin alone, without a user, path, query or fragment")]
    MoreThanOrigin,
    /// It is something else.
    #[error("must be an origin such as https://app.example.com or http://localhost:3000")]
    NoOrigin,
}

impl Origin {
    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = MalformedOrigin;

    fn from_str(text: &str) -> Result<Self, MalformedOrigin> {
        use MalformedOrigin::{MoreThanOrigin, NoOrigin, Wildcard};
        if text.contains('*') {
            return Err(Wildcard);
        }
        let text = text.to_ascii_lowercase();
        let (scheme, rest) = text.split_once("://").ok_or(NoOrigin)?;
        let implied = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return Err(NoOrigin),
        };
        if rest.contains(['/', '?', '#', '@', '\\']) {
            return Err(MoreThanOrigin);
        }
        let (host, port) = parse_place(rest).ok_or(NoOrigin)?;
        Ok(Self(match port {
            Some(port) if port != implied => format!("{scheme}://{host}:{port}"),
            Some(_) | None => format!("{scheme}://{host}"),
        }))
    }
}

impl TryFrom<String> for Origin {
    type Error = MalformedOrigin;

    fn try_from(text: String) -> Result<Self, MalformedOrigin> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.0
    }
}

/// A host, and a port if one is named.
fn parse_place(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        // Browsers write an IPv4-mapped address in another way than we would.
        let address = address.parse::<Ipv6Addr>().ok().filter(|a| a.to_ipv4_mapped().is_none())?;
        let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
        (format!("[{address}]"), port)
    } else {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        is_host(host).then(|| (host.to_owned(), port))?
    };
    let Some(port) = port else { return Some((host, None)) };
    let is_plain = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse::<u16>().ok().filter(|port| is_plain && *port > 0)?;
    Some((host, Some(port)))
}

/// Whether it is a name of a host in ASCII, or an IPv4 address in its usual form: a browser reads what
/// ends in a number as an address.
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if is_number {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    host.len() <= HOST_BYTES_MAX && host.split('.').all(is_label)
}

/// The origins of one key, each once. None at all: no page may use it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "Vec<Origin>", into = "Vec<Origin>")]
pub struct Origins(Vec<Origin>);

impl Origins {
    /// The origins, in the order in which they were given.
    pub fn as_slice(&self) -> &[Origin] {
        &self.0
    }

    /// Whether a page of this origin may use the key. `presented` is what its browser sent.
    pub fn allow(&self, presented: &[u8]) -> bool {
        self.0.iter().any(|origin| origin.0.as_bytes() == presented)
    }

    /// Whether every use that `theirs` allows `mine` allows too. `None`: a key that is for no page, and
    /// that whoever has it can use from anywhere.
    pub fn cover(mine: Option<&Self>, theirs: Option<&Self>) -> bool {
        match (mine, theirs) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => theirs.0.iter().all(|origin| mine.0.contains(origin)),
        }
    }
}

impl From<Vec<Origin>> for Origins {
    fn from(given: Vec<Origin>) -> Self {
        let mut origins: Vec<Origin> = Vec::new();
        for origin in given {
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        Self(origins)
    }
}

impl From<Origins> for Vec<Origin> {
    fn from(origins: Origins) -> Self {
        origins.0
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_origin() -> impl Strategy<Value = Origin> {
        prop::sample::select(vec![
            "https://a.example",
            "https://b.example",
            "http://localhost:3000",
        ])
        .prop_map(|text| text.parse().unwrap())
    }

    pub(crate) fn any_origins() -> impl Strategy<Value = Option<Origins>> {
        prop::option::of(prop::collection::vec(any_origin(), 0..4).prop_map(Origins::from))
    }

    #[test]
    #[rustfmt::skip]
    fn an_origin_is_read_as_browsers_write_it() {
        use MalformedOrigin::{MoreThanOrigin, NoOrigin, Wildcard};
        let long = format!("https://{}", ["abcdefgh"; 29].join("."));
        let label = format!("https://{}.example", "a".repeat(64));
        let cases = [
            ("https://app.example.com",        Ok("https://app.example.com")),
            ("HTTPS://App.Example.COM",        Ok("https://app.example.com")),
            ("https://app.example.com:443",    Ok("https://app.example.com")),
            ("http://app.example.com:80",      Ok("http://app.example.com")),
            ("http://app.example.com:443",     Ok("http://app.example.com:443")),
            ("http://localhost:3000",          Ok("http://localhost:3000")),
            ("http://localhost:03000",         Ok("http://localhost:3000")),
            ("http://127.0.0.1:8080",          Ok("http://127.0.0.1:8080")),
            ("https://[::1]:8443",             Ok("https://[::1]:8443")),
            ("https://[2001:DB8::0001]",       Ok("https://[2001:db8::1]")),
            ("https://xn--mnchen-3ya.example", Ok("https://xn--mnchen-3ya.example")),
            ("https://my_app.example",         Ok("https://my_app.example")),
            ("*",                              Err(Wildcard)),
            ("https://*.example.com",          Err(Wildcard)),
            ("https://app.example.com/",       Err(MoreThanOrigin)),
            ("https://app.example.com/a",      Err(MoreThanOrigin)),
            ("https://app.example.com?a",      Err(MoreThanOrigin)),
            ("https://app.example.com#a",      Err(MoreThanOrigin)),
            ("https://me@app.example.com",     Err(MoreThanOrigin)),
            ("https://app.example.com\\a",     Err(MoreThanOrigin)),
            ("",                               Err(NoOrigin)),
            ("null",                           Err(NoOrigin)),
            ("app.example.com",                Err(NoOrigin)),
            ("//app.example.com",              Err(NoOrigin)),
            ("file://app",                     Err(NoOrigin)),
            ("https://",                       Err(NoOrigin)),
            ("https://:443",                   Err(NoOrigin)),
            ("https://app.example.com:",       Err(NoOrigin)),
            ("https://app.example.com:0",      Err(NoOrigin)),
            ("https://app.example.com:+1",     Err(NoOrigin)),
            ("https://app.example.com:65536",  Err(NoOrigin)),
            ("https://app.example.com:1:2",    Err(NoOrigin)),
            ("https://app..example.com",       Err(NoOrigin)),
            ("https://app.example.com.",       Err(NoOrigin)),
            ("https://-a.example",             Err(NoOrigin)),
            ("https://a b.example",            Err(NoOrigin)),
            (" https://app.example.com",       Err(NoOrigin)),
            ("https://app.example.com\n",      Err(NoOrigin)),
            ("https://münchen.example",        Err(NoOrigin)),
            ("https://127.1",                  Err(NoOrigin)),
            ("https://256.0.0.1",              Err(NoOrigin)),
            ("https://a.0x7f",                 Err(NoOrigin)),
            ("https://[::1",                   Err(NoOrigin)),
            ("https://[::1]x",                 Err(NoOrigin)),
            ("https://[::ffff:1.2.3.4]",       Err(NoOrigin)),
            ("https://a.example, https://b.example", Err(MoreThanOrigin)),
            (&*long,                           Err(NoOrigin)),
            (&*label,                          Err(NoOrigin)),
        ];
        for (text, expected) in cases {
            let read = text.parse::<Origin>();
            assert_eq!(read.as_ref().map(Origin::as_str), expected.as_ref().map(|t| *t), "{text:?}");
        }
    }

    #[test]
    fn only_the_very_origin_is_allowed() {
        let origins: Origins =
            serde_json::from_str(r#"["https://App.example:443","http://localhost:3000"]"#).unwrap();
        #[rustfmt::skip]
        let cases = [
            ("https://app.example",          true),
            ("http://localhost:3000",        true),
            ("https://App.example",          false), // no browser writes it so
            ("https://app.example:443",      false),
            ("https://app.example:444",      false),
            ("http://app.example",           false),
            ("https://app.example.evil.com", false),
            ("https://evil.com/app.example", false),
            ("http://localhost",             false),
            ("null",                         false),
            ("",                             false),
        ];
        for (presented, is_allowed) in cases {
            assert_eq!(origins.allow(presented.as_bytes()), is_allowed, "{presented:?}");
        }
    }

    #[test]
    fn each_origin_is_kept_once_and_no_page_is_allowed_by_none() {
        let read = |json: &str| serde_json::from_str::<Origins>(json).unwrap();
        let twice = read(r#"["https://a.example","https://A.example:443","http://b.example"]"#);
        let json = serde_json::to_string(&twice).unwrap();
        assert_eq!(json, r#"["https://a.example","http://b.example"]"#);
        assert!(!read("[]").allow(b"https://a.example") && !read("[]").allow(b""));
    }

    proptest! {
        #[test]
        fn what_is_read_reads_back_as_it_prints(text in "(https?|ftp)://[a-zA-Z0-9.:\\[\\]_-]{0,30}") {
            if let Ok(origin) = text.parse::<Origin>() {
                prop_assert_eq!(origin.as_str().parse::<Origin>().unwrap(), origin);
            }
        }

        #[test]
        fn what_a_covered_list_allows_the_other_allows(
            mine in any_origins(),
            theirs in any_origins(),
            presented in any_origin(),
        ) {
            let allows = |rule: &Option<Origins>| {
                rule.as_ref().is_none_or(|origins| origins.allow(presented.as_str().as_bytes()))
            };
            prop_assert!(Origins::cover(mine.as_ref(), mine.as_ref()));
            if Origins::cover(mine.as_ref(), theirs.as_ref()) && allows(&theirs) {
                prop_assert!(allows(&mine));
            }
        }
    }
}
