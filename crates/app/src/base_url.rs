//! Base URLs that people type.

use url::Url;

/// Reads an http or https URL. The message goes behind the name of what was set; it repeats nothing
/// in which a password may stand.
pub(crate) fn parse(text: &str) -> Result<Url, String> {
    let text = text.trim();
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| misfit(text))
}

fn misfit(text: &str) -> String {
    if text.contains('@') {
        return "is not an http or https URL".to_owned();
    }
    let has_host = |text: &str| Url::parse(text).is_ok_and(|url| url.has_host());
    // `host:port` alone parses, as something of the scheme `host`.
    if !text.contains("://") && has_host(&format!("http://{text}")) {
        return format!("`{text}` has no scheme: write http://{text}");
    }
    format!("`{text}` is not an http or https URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_and_a_password_is_not() {
        #[rustfmt::skip]
        let cases = [
            ("http://127.0.0.1:8000/v1", Ok("http://127.0.0.1:8000/v1")),
            (" https://h ",              Ok("https://h/")),
            ("127.0.0.1:8000",           Err("`127.0.0.1:8000` has no scheme: write http://127.0.0.1:8000")),
            ("localhost:8000/v1",        Err("`localhost:8000/v1` has no scheme: write http://localhost:8000/v1")),
            ("[::1]:8000",               Err("`[::1]:8000` has no scheme: write http://[::1]:8000")),
            ("nonsense",                 Err("`nonsense` has no scheme: write http://nonsense")),
            ("ftp://h",                  Err("`ftp://h` is not an http or https URL")),
            ("http://",                  Err("`http://` is not an http or https URL")),
            ("",                         Err("`` is not an http or https URL")),
            ("u:canary@h:1",             Err("is not an http or https URL")),
        ];
        for (text, expected) in cases {
            let found = parse(text).map(|url| url.to_string());
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(found, expected, "{text}");
        }
    }
}
