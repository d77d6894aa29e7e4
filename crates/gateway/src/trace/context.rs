//! The trace that a call belongs to, as its headers tell it.
//! Source: W3C Trace Context, version 00.

use std::fmt;

use doorward_domain::id::CallId;
use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What every reader of `tracestate` must take; a longer one is left out.
const STATE_BYTES_MAX: usize = 512;
const SAMPLED: u8 = 1;

/// Where a span stands in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanContext {
    /// The trace.
    pub trace: u128,
    /// Who called us; `None`: the trace begins here.
    pub parent: Option<u64>,
    /// Our span.
    pub span: u64,
    flags: u8,
}

impl SpanContext {
    /// The span of a call within its client's trace, or one that begins with it. `None`: the client does
    /// not record this trace.
    pub(super) fn of(call: CallId, parent: Option<Parent>) -> Option<Self> {
        let trace = u128::from_be_bytes(call.to_bytes());
        // The random half of the call's id.
        let span = u64::try_from(trace & u128::from(u64::MAX)).unwrap_or_default().max(1);
        match parent {
            None => Some(Self { trace, parent: None, span, flags: SAMPLED }),
            Some(from) if from.flags & SAMPLED == 0 => None,
            Some(Parent { trace, span: parent, flags }) => {
                Some(Self { trace, parent: Some(parent), span, flags })
            }
        }
    }

    /// The value of `traceparent` for whoever is called next.
    pub(super) fn header(self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.to_string()).ok()
    }
}

impl fmt::Display for SpanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// What `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parent {
    trace: u128,
    span: u64,
    flags: u8,
}

impl Parent {
    /// Reads the headers. What cannot be read is taken out of them, and its state with it: it would break
    /// the trace of whoever is called next. Nearly always there is nothing: that costs one look.
    pub(super) fn take(headers: &mut HeaderMap) -> Option<Self> {
        if !headers.contains_key(TRACEPARENT) {
            return None;
        }
        let parent = Self::read(headers);
        if parent.is_none() {
            headers.remove(TRACEPARENT);
        }
        let state = headers.get_all(TRACESTATE).iter().map(HeaderValue::len).sum::<usize>();
        if parent.is_none() || state > STATE_BYTES_MAX {
            headers.remove(TRACESTATE);
        }
        parent
    }

    fn read(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(TRACEPARENT).iter();
        let only = all.next().filter(|_| all.next().is_none())?;
        Self::parse(only.as_bytes())
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let (head, rest) = text.split_at_checked(55)?;
        let [version, trace, span, flags] = fields(head)?;
        // A later version may say more, behind a hyphen.
        let is_whole = rest.is_empty() || (version > 0 && rest.starts_with(b"-"));
        let is_valid = version != 0xff && trace != 0 && span != 0;
        let parent =
            Self { trace, span: u64::try_from(span).ok()?, flags: u8::try_from(flags).ok()? };
        (is_valid && is_whole).then_some(parent)
    }
}

/// `00-<32>-<16>-<2>`, each a number in lowercase hexadecimal.
fn fields(head: &[u8]) -> Option<[u128; 4]> {
    let mut fields = head.split(|byte| *byte == b'-');
    let mut next = |digits: usize| hex(fields.next().filter(|field| field.len() == digits)?);
    let found = [next(2)?, next(32)?, next(16)?, next(2)?];
    fields.next().is_none().then_some(found)
}

fn hex(digits: &[u8]) -> Option<u128> {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let text = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(is_hex))?;
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
    const SPAN: u64 = 0xb7ad_6b71_6920_3331;
    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_parent_is_read_as_the_standard_has_it() {
        let parent = |flags| Some(Parent { trace: TRACE, span: SPAN, flags });
        #[rustfmt::skip]
        let cases = [
            (GOOD,                                                           parent(1)),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",      parent(0)),
            ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",      parent(1)),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", parent(1)),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",     None),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",      None),
            ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",      None),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01",      None),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",      None),
            ("00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",      None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-+1",      None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",         None),
            ("",                                                             None),
        ];
        for (text, expected) in cases {
            assert_eq!(Parent::parse(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_passed_on() {
        let long = "a=".repeat(STATE_BYTES_MAX);
        #[rustfmt::skip]
        let cases = [
            (vec![],                                                    0, 0),
            (vec![("traceparent", GOOD)],                               1, 0),
            (vec![("traceparent", GOOD), ("tracestate", "a=1"), ("tracestate", "b=2")], 1, 2),
            (vec![("traceparent", GOOD), ("tracestate", long.as_str())], 1, 0),
            (vec![("traceparent", GOOD), ("traceparent", GOOD)],        0, 0),
            (vec![("traceparent", "x"), ("tracestate", "a=1")],         0, 0),
        ];
        for (lines, parents, states) in cases {
            let mut headers = headers(&lines);
            assert_eq!(Parent::take(&mut headers).is_some(), parents == 1, "{lines:?}");
            let left = |name: HeaderName| headers.get_all(name).iter().count();
            assert_eq!((left(TRACEPARENT), left(TRACESTATE)), (parents, states), "{lines:?}");
        }
    }

    #[test]
    fn a_span_stands_below_its_client_or_begins_a_trace() {
        let call = CallId::new(1, 7);
        let below = SpanContext::of(call, Parent::parse(GOOD.as_bytes())).unwrap();
        assert_eq!((below.trace, below.parent, below.span), (TRACE, Some(SPAN), 7));
        assert_eq!(
            below.header().unwrap(),
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000007-01"
        );
        let first = SpanContext::of(call, None).unwrap();
        assert_eq!((first.trace, first.parent), (u128::from_be_bytes(call.to_bytes()), None));
        let read = Parent::parse(first.to_string().as_bytes()).unwrap();
        assert_eq!((read.trace, read.span, read.flags), (first.trace, first.span, SAMPLED));
        let unrecorded = GOOD.replace("-01", "-00");
        assert_eq!(SpanContext::of(call, Parent::parse(unrecorded.as_bytes())), None);
    }
}
