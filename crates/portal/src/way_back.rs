//! Where a form leads when it is done, if it says so itself.

/// A path of this portal; else the first page. What leads to another site is refused: a link to the sign-in
/// page could else send whoever signs in anywhere.
pub(crate) fn local_path(wanted: &str) -> &str {
    let is_path = wanted.starts_with('/')
        && !wanted.starts_with("//")
        && !wanted.contains(['\\', '\r', '\n', '\t'])
        && wanted.is_ascii();
    if is_path { wanted } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn no_form_leads_to_another_site() {
        for (wanted, expected) in [
            ("/keys?q=a",          "/keys?q=a"),
            ("",                   "/"),
            ("//evil.com",         "/"),
            ("/\\evil.com",        "/"),
            ("/\t/evil.com",       "/"),
            ("https://evil.com",   "/"),
            ("javascript:alert(1)", "/"),
            ("keys",               "/"),
        ] {
            assert_eq!(local_path(wanted), expected, "{wanted}");
        }
    }
}
