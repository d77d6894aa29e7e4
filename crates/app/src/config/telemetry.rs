//! Checks where spans are sent.

use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::Collector;
use super::check::Check;
use super::settings::TelemetrySettings;
use crate::base_url;

/// What OTLP over HTTP appends for traces.
const TRACES: &str = "v1/traces";
const SERVICE_NAME_CHARS_MAX: usize = 200;

impl Check<'_> {
    /// The collector, if one is named. What is wrong with it is noted.
    pub(super) fn collector(&mut self, settings: TelemetrySettings) -> Option<Collector> {
        let roots = self.certificates("telemetry.ca", &settings.ca);
        let header =
            self.secret("telemetry.otlp_header", settings.otlp_header, &settings.otlp_header_file);
        let header = header.and_then(|(text, setting)| {
            let header = parse_header(&text);
            self.take(setting, header.ok_or("must be a header such as `authorization: Bearer ...`"))
        });
        let name = settings.service_name;
        if name.is_empty() || name.chars().count() > SERVICE_NAME_CHARS_MAX {
            self.note("telemetry.service_name", "must have 1 to 200 characters");
        }
        if settings.otlp_endpoint.is_empty() {
            return None;
        }
        let url = self.take("telemetry.otlp_endpoint", base_url::parse(&settings.otlp_endpoint))?;
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            self.note("telemetry.otlp_endpoint", "must be a URL without user and query");
        }
        Some(Collector { url: traces(url), header, service_name: name, roots: roots? })
    }
}

fn traces(mut url: Url) -> Url {
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(TRACES.split('/'));
    }
    url
}

fn parse_header(text: &SecretString) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.expose_secret().split_once(':')?;
    let mut value = HeaderValue::from_str(value.trim()).ok().filter(|value| !value.is_empty())?;
    value.set_sensitive(true);
    Some((name.trim().parse().ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_go_below_the_base_url() {
        for (base, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
            ("https://collector.example/otlp/", "https://collector.example/otlp/v1/traces"),
        ] {
            assert_eq!(traces(base.parse().unwrap()).as_str(), expected);
        }
    }

    #[test]
    fn a_header_is_one_line_and_never_printed() {
        let header = parse_header(&"Authorization: Bearer canary".into()).unwrap();
        assert_eq!(
            (header.0.as_str(), header.1.to_str().unwrap()),
            ("authorization", "Bearer canary")
        );
        assert!(!format!("{header:?}").contains("canary"));
        for text in ["", "authorization", "a b: c", "a:", "a: b\r\nc: d", ": b"] {
            assert!(parse_header(&text.into()).is_none(), "{text:?}");
        }
    }
}
