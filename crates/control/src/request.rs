//! Reading requests: bodies, paths, queries and preconditions, each fault named by its field.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Path, Request};
use http::header::{CONTENT_TYPE, IF_MATCH};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::faults::{Faults, FieldError};
use crate::problem::{ApiError, Unreadable};

/// Largest body of the management API.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;
/// Rows of a page, when the client does not say.
const LIMIT_DEFAULT: u32 = 50;
/// Longest text to search for, in characters.
const SEARCH_CHARS_MAX: usize = 200;
/// Most rows of a page.
const LIMIT_MAX: u32 = 200;

/// A body that says it is JSON, not yet read.
pub(crate) struct JsonBody(Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(Unreadable::MediaType.into());
        }
        read_body(request, state).await.map(Self)
    }
}

impl<S: Send + Sync> OptionalFromRequest<S> for JsonBody {
    type Rejection = ApiError;

    /// `None`: there is no body, or nothing in it.
    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, ApiError> {
        let is_json = is_json(request.headers());
        match read_body(request, state).await? {
            body if body.is_empty() => Ok(None),
            body if is_json => Ok(Some(Self(body))),
            _ => Err(Unreadable::MediaType.into()),
        }
    }
}

/// The whole body, at most [`BODY_BYTES_MAX`].
pub(crate) async fn read_body<S: Send + Sync>(
    request: Request,
    state: &S,
) -> Result<Bytes, ApiError> {
    let body = Bytes::from_request(request, state).await;
    body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Unreadable::TooLarge.into()
        } else {
            Unreadable::Incomplete.into()
        }
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

impl JsonBody {
    /// Reads the body; what does not fit is named by its field.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        // Serde would also read a list, its values as fields in their order.
        if self.0.trim_ascii_start().first() != Some(&b'{') {
            return Err(Unreadable::NotObject.into());
        }
        let mut json = serde_json::Deserializer::from_slice(&self.0);
        let parsed = serde_path_to_error::deserialize(&mut json).map_err(|e| misfit(&e))?;
        json.end().map_err(|_| Unreadable::NotJson)?;
        Ok(parsed)
    }
}

fn misfit(error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    match error.inner().classify() {
        Category::Data => {}
        Category::Io | Category::Syntax | Category::Eof => return Unreadable::NotJson.into(),
    }
    let path = error.path().to_string();
    let path = if path == "." { String::new() } else { path };
    let text = error.inner().to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    ApiError::Invalid(vec![describe(&path, text)])
}

/// Turns serde's words into a field and a reason. What the client sent is not repeated: it may be a
/// secret in the wrong place.
fn describe(path: &str, text: &str) -> FieldError {
    for (start, code, detail) in [
        ("unknown field `", "unknown_field", "there is no such field"),
        ("missing field `", "missing", "is required"),
        ("duplicate field `", "duplicate", "is given twice"),
    ] {
        if let Some((name, _)) = text.strip_prefix(start).and_then(|rest| rest.rsplit_once('`')) {
            let name = name.split('`').next().unwrap_or_default();
            return FieldError::new(within(path, name), code, detail);
        }
    }
    let is_serde = ["invalid type", "invalid value", "invalid length", "unknown variant"];
    match text.rsplit_once(", expected ") {
        Some((start, wanted)) if is_serde.iter().any(|s| start.starts_with(s)) => {
            FieldError::new(path, "invalid", format!("must be {}", plain(wanted)))
        }
        Some(_) | None => FieldError::new(path, "invalid", text),
    }
}

/// The path of a field inside `path`; the reader may have counted it in already.
fn within(path: &str, name: &str) -> String {
    let short: String = name.chars().take(100).collect();
    match path {
        "" => short,
        path if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        path => format!("{path}.{short}"),
    }
}

/// Rust's names of numbers in words.
fn plain(wanted: &str) -> String {
    let known = match wanted {
        "a nonzero u32" => "a whole number from 1 to 4294967295",
        "a nonzero u64" => "a whole number of at least 1",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" => "a whole number of at least 0",
        "i64" => "a whole number",
        "a map" => "an object",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        other => return other.replace("one of", "one of:"),
    };
    known.to_owned()
}

/// A field of a request in which `null` says something: that it shall be cleared.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Field<T> {
    /// It is not named.
    #[default]
    Absent,
    /// It is `null`.
    Null,
    /// It has a value.
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    /// Called for fields that are there; serde's `default` stands for the others.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| value.map_or(Self::Null, Self::Value))
    }
}

impl<T> Field<T> {
    /// The value, where there is one.
    pub(crate) fn value(&self) -> Option<&T> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }

    /// What an edit makes of this field: nothing, or its value, or what cleared means for it.
    pub(crate) fn into_edit(self, cleared: T) -> Option<T> {
        match self {
            Self::Absent => None,
            Self::Null => Some(cleared),
            Self::Value(value) => Some(value),
        }
    }
}

/// The one parameter in the path, percent-decoded. What cannot be decoded names nothing.
pub(crate) struct PathText(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(text)| Self(text)).map_err(|_| ApiError::NotFound("path"))
    }
}

/// The two parameters in the path, likewise.
pub(crate) struct PathTexts(pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathTexts {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        path.map(|Path((one, two))| Self(one, two)).map_err(|_| ApiError::NotFound("path"))
    }
}

/// The query of a request. Each parameter is taken out by name; what is left over is refused.
#[derive(Debug)]
pub(crate) struct Params {
    given: BTreeMap<String, String>,
    faults: Faults,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self::read(parts.uri.query().unwrap_or_default()))
    }
}

impl Params {
    fn read(query: &str) -> Self {
        let (mut given, mut faults) = (BTreeMap::new(), Faults::new());
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if given.insert(name.to_string(), value.into_owned()).is_some() {
                faults.add(name, "duplicate", "is given twice");
            }
        }
        Self { given, faults }
    }

    /// A parameter as text; an empty one counts as not given.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.given.remove(name).filter(|value| !value.is_empty())
    }

    /// A parameter that narrows a list. An empty one is refused: left out, it would widen the list to
    /// what its sender wanted to leave out.
    pub(crate) fn filter(&mut self, name: &str) -> Option<String> {
        let value = self.given.remove(name)?;
        if value.is_empty() {
            self.refuse(name, "must not be empty");
        }
        Some(value).filter(|value| !value.is_empty())
    }

    /// The same in its own type.
    pub(crate) fn parse_filter<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.filter(name)?;
        self.faults.check(name, text.parse())
    }

    /// A parameter in its own type.
    pub(crate) fn parse<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        self.faults.check(name, text.parse())
    }

    /// Notes a fault that the caller found.
    pub(crate) fn refuse(&mut self, name: &str, detail: impl Display) {
        self.faults.add(name, "invalid", detail);
    }

    /// The text to search for.
    pub(crate) fn search(&mut self) -> Option<String> {
        let text = self.text("q")?;
        if text.chars().count() > SEARCH_CHARS_MAX {
            self.refuse("q", "is too long");
        }
        Some(text)
    }

    /// How many rows are asked for.
    pub(crate) fn limit(&mut self) -> u32 {
        let Some(text) = self.given.remove("limit") else { return LIMIT_DEFAULT };
        match text.parse() {
            Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => limit,
            Ok(_) | Err(_) => {
                self.refuse("limit", format!("must be a whole number from 1 to {LIMIT_MAX}"));
                LIMIT_DEFAULT
            }
        }
    }

    /// Ends the reading: an error if any parameter is wrong or unknown.
    pub(crate) fn finish(mut self) -> Result<(), ApiError> {
        for name in self.given.keys() {
            let name: String = name.chars().take(100).collect();
            self.faults.add(name, "unknown_field", "there is no such parameter");
        }
        self.faults.finish()
    }
}

/// The version of a thing, for `etag` and `if-match`.
pub(crate) fn etag(updated_at: Timestamp) -> String {
    format!("\"{}\"", updated_at.as_microsecond())
}

/// Refuses an edit whose `if-match` names another version than the present one.
pub(crate) fn check_if_match(headers: &HeaderMap, updated_at: Timestamp) -> Result<(), ApiError> {
    let mut values = headers.get_all(IF_MATCH).iter().peekable();
    let current = etag(updated_at);
    let is_met = values.peek().is_none()
        || values
            .flat_map(|value| value.to_str().unwrap_or_default().split(','))
            .any(|tag| tag.trim() == "*" || tag.trim() == current);
    if is_met { Ok(()) } else { Err(ApiError::Stale) }
}

#[cfg(test)]
mod tests {
    use doorward_domain::address::AddressBlock;
    use doorward_domain::budget::Budget;
    use doorward_domain::limit::Limits;
    use doorward_domain::scope::ScopeSet;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its reading is tested")]
    struct Sample {
        name: String,
        scopes: Option<ScopeSet>,
        limits: Option<Limits>,
        budgets: Option<Vec<Budget>>,
        ip_allow: Option<Vec<AddressBlock>>,
        #[serde(default)]
        days: Field<i64>,
    }

    fn read(body: &str) -> ApiError {
        JsonBody(Bytes::from(body.to_owned())).parse::<Sample>().unwrap_err()
    }

    #[test]
    #[rustfmt::skip]
    fn a_misfit_is_named_by_its_field() {
        let cases = [
            // body                                                            field                         code
            (r"{}",                                                            "name",                       "missing"),
            (r#"{"name": 5}"#,                                                 "name",                       "invalid"),
            (r#"{"name": "n", "nmae": "n"}"#,                                  "nmae",                       "unknown_field"),
            (r#"{"name": "n", "name": "m"}"#,                                  "name",                       "duplicate"),
            (r#"{"name": "n", "scopes": "admin"}"#,                            "scopes",                     "invalid"),
            (r#"{"name": "n", "scopes": ["inference:write", "root"]}"#,        "scopes",                     "invalid"),
            (r#"{"name": "n", "limits": {"requests_per_minute": "60"}}"#,      "limits.requests_per_minute", "invalid"),
            (r#"{"name": "n", "limits": {"requests_per_minute": -1}}"#,        "limits.requests_per_minute", "invalid"),
            (r#"{"name": "n", "limits": {"requests_per_minute": 0}}"#,         "limits.requests_per_minute", "invalid"),
            (r#"{"name": "n", "limits": {"requests_per_minute": 1e30}}"#,      "limits.requests_per_minute", "invalid"),
            (r#"{"name": "n", "limits": {"requests_per_second": 1}}"#,         "limits.requests_per_second", "unknown_field"),
            (r#"{"name": "n", "ip_allow": ["10.0.0.0/8", "10.0.0.0/33"]}"#,    "ip_allow[1]",                "invalid"),
            (r#"{"name": "n", "budgets": [{"usd": "1", "period": "year"}]}"#,  "budgets[0]",                 "invalid"),
            (r#"{"name": "n", "budgets": [{"usd": 1e30, "period": "day"}]}"#,  "budgets[0]",                 "invalid"),
            (r#"{"name": "n", "budgets": [{"usd": "-1", "period": "day"}]}"#,  "budgets[0]",                 "invalid"),
            (r#"{"name": "n", "budgets": [{"limit": 1, "period": "day"}]}"#,   "budgets[0]",                 "unknown_field"),
            (r#"{"name": "n", "days": "5"}"#,                                  "days",                       "invalid"),
        ];
        for (body, field, code) in cases {
            let ApiError::Invalid(errors) = read(body) else { panic!("{body}") };
            let [error] = errors.as_slice() else { panic!("{body}: {errors:?}") };
            assert!(error.field.starts_with(field), "{body}: {error:?}");
            assert_eq!(error.code, code, "{body}: {error:?}");
        }
    }

    #[test]
    fn what_the_client_sent_in_a_wrong_place_is_not_repeated() {
        for body in [
            r#"{"name": "n", "limits": "canary"}"#,
            r#"{"name": "n", "days": "canary"}"#,
            r#"{"name": "n", "budgets": [{"usd": "1", "period": "canary"}]}"#,
            r#"{"name": "n", "budgets": "canary, expected canary"}"#,
        ] {
            let error = read(body);
            assert!(!format!("{error} {error:?}").contains("\"canary"), "{body}: {error:?}");
        }
    }

    #[test]
    fn a_body_that_is_not_one_json_object_is_unreadable() {
        let deep = "[".repeat(100_000);
        for (body, expected) in [
            ("{", Unreadable::NotJson),
            ("{\"name\": \"n\",}", Unreadable::NotJson),
            ("{\"name\": \"n\"} x", Unreadable::NotJson),
            ("", Unreadable::NotObject),
            ("name=n", Unreadable::NotObject),
            ("[\"n\"]", Unreadable::NotObject),
            (deep.as_str(), Unreadable::NotObject),
            ("[]", Unreadable::NotObject),
            ("5", Unreadable::NotObject),
        ] {
            let ApiError::Unreadable(found) = read(body) else { panic!("{body:.20}") };
            assert_eq!(found, expected, "{body:.20}");
        }
    }

    #[test]
    fn null_clears_and_absence_does_not() {
        let sample: Sample =
            JsonBody(Bytes::from_static(br#"{"name": "n", "days": null}"#)).parse().unwrap();
        assert!(matches!(sample.days, Field::Null));
        let sample: Sample = JsonBody(Bytes::from_static(br#"{"name": "n"}"#)).parse().unwrap();
        assert!(matches!(sample.days, Field::Absent));
    }

    #[test]
    #[rustfmt::skip]
    fn parameters_are_refused_by_name() {
        let cases = [
            // query                field     code
            ("limit=0",             "limit",  "invalid"),
            ("limit=",              "limit",  "invalid"),
            ("limit=201",           "limit",  "invalid"),
            ("limit=-1",            "limit",  "invalid"),
            ("limit=ten",           "limit",  "invalid"),
            ("limit=5&limit=6",     "limit",  "duplicate"),
            ("after=x",             "after",  "invalid"),
            ("offset=5",            "offset", "unknown_field"),
            ("%6cimit=0",           "limit",  "invalid"),
        ];
        for (query, field, code) in cases {
            let mut params = Params::read(query);
            params.limit();
            params.parse::<i64>("after");
            let Err(ApiError::Invalid(errors)) = params.finish() else { panic!("{query}") };
            assert_eq!((errors[0].field.as_str(), errors[0].code), (field, code), "{query}");
        }
    }

    #[test]
    fn limits_of_a_page_are_inclusive() {
        for (query, limit) in [("", 50), ("limit=1", 1), ("limit=200", 200)] {
            let mut params = Params::read(query);
            assert_eq!(params.limit(), limit, "{query}");
            params.finish().unwrap();
        }
    }

    #[test]
    #[rustfmt::skip]
    fn an_edit_meets_its_precondition_by_the_present_version_only() {
        let updated_at = Timestamp::from_microsecond(1_000_007).unwrap();
        let cases = [
            (vec![],                            true),
            (vec!["\"1000007\""],               true),
            (vec!["*"],                         true),
            (vec!["\"1\", \"1000007\""],        true),
            (vec!["\"1\"", "\"1000007\""],      true),
            (vec!["\"1000008\""],               false),
            (vec!["1000007"],                   false),
            (vec!["W/\"1000007\""],             false), // strong comparison, RFC 9110 section 13.1.1
            (vec![""],                          false),
        ];
        for (values, expected) in cases {
            let headers = values.iter().map(|v| (IF_MATCH, v.parse().unwrap())).collect();
            assert_eq!(check_if_match(&headers, updated_at).is_ok(), expected, "{values:?}");
        }
    }
}
