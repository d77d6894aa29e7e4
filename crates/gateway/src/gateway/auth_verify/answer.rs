//! What is answered: a decision, headers for a proxy, or a problem (RFC 9457).

use bytes::Bytes;
use doorward_domain::denial::Denial;
use doorward_domain::scope::{Scope, ScopeSet};
use doorward_store::{Admitted, Quota};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::asked::Fault;
use crate::answer::{Answer, Headers};
use crate::error::ProxyError;
use crate::relay::RelayBody;
use crate::verify::Caller;

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const OWNER: HeaderName = HeaderName::from_static("x-doorward-owner");
const PROJECT: HeaderName = HeaderName::from_static("x-doorward-project");
const ORGANIZATION: HeaderName = HeaderName::from_static("x-doorward-organization");
const SCOPES: HeaderName = HeaderName::from_static("x-doorward-scopes");
/// The status that a refusal would have where the proxy took it.
const STATUS: HeaderName = HeaderName::from_static("x-doorward-status");

/// The code of a key that may be used.
pub(super) const VALID: &str = "valid";
/// The code of what has none of its own.
const INVALID_REQUEST: &str = "invalid_request";

/// What a program tells errors apart by.
pub(super) fn code(error: &ProxyError) -> &'static str {
    error.code().unwrap_or(INVALID_REQUEST)
}

#[derive(serde::Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Fault],
}

/// What was decided about a named key.
pub(super) struct Decision {
    caller: Option<Caller>,
    quotas: Admitted,
    denial: Option<ProxyError>,
}

impl Decision {
    /// There is no such key, or it is not the asker's to ask about, or that is not its secret.
    pub(super) fn unknown() -> Self {
        let denial = Some(Denial::InvalidKey.into());
        Self { caller: None, quotas: Admitted::default(), denial }
    }

    /// Of the key, whose secret was right. An error that is ours decides nothing.
    pub(super) fn of(
        caller: Caller,
        quotas: Admitted,
        verdict: Result<(), ProxyError>,
    ) -> Result<Self, ProxyError> {
        let denial = verdict.err();
        match denial {
            Some(error) if error.is_ours() => Err(error),
            denial => Ok(Self { caller: Some(caller), quotas, denial }),
        }
    }

    pub(super) fn code(&self) -> &'static str {
        self.denial.as_ref().map_or(VALID, code)
    }

    pub(super) fn answer(&self) -> Answer {
        let decision = json!({
            "valid": self.denial.is_none(),
            "code": self.code(),
            "key": self.caller.as_ref().map(key),
            "ratelimit": {
                "requests": self.quotas.requests.as_ref().map(quota),
                "tokens": self.quotas.tokens.as_ref().map(quota),
                "retry_after_seconds": self.denial.as_ref().and_then(retry_after),
            },
        });
        let mut answer = Answer::json(StatusCode::OK, Bytes::from(decision.to_string()));
        answer.headers.push((header::CACHE_CONTROL, NO_STORE));
        answer
    }
}

fn key(caller: &Caller) -> Value {
    let key = &caller.key.key;
    json!({
        "id": key.id,
        "name": key.name,
        "kind": key.owner.kind(),
        "owner": key.owner.to_string(),
        "project": key.project,
        "organization": key.organization,
        "scopes": caller.scopes(),
        "expires_at": caller.ends_at(),
        "metadata": key.metadata,
    })
}

fn quota(quota: &Quota) -> Value {
    json!({
        "limit": quota.limit,
        "remaining": quota.remaining,
        "reset_seconds": quota.reset_us.div_ceil(1_000_000),
        "window_seconds": quota.window_seconds,
    })
}

fn retry_after(error: &ProxyError) -> Option<u64> {
    let headers = error.headers();
    let (_, value) = headers.iter().find(|(name, _)| *name == header::RETRY_AFTER)?;
    value.to_str().ok()?.parse().ok()
}

/// The answer to a proxy whose request may go on.
pub(super) fn allowed(caller: &Caller) -> Answer {
    let key = &caller.key.key;
    let told = [
        (OWNER, key.owner.to_string()),
        (PROJECT, key.project.to_string()),
        (ORGANIZATION, key.organization.to_string()),
        (SCOPES, scope_text(caller.scopes())),
    ];
    let told = told.into_iter().filter_map(|(name, text)| Some((name, text.parse().ok()?)));
    let mut headers: Headers = told.collect();
    headers.push((header::CACHE_CONTROL, NO_STORE));
    Answer { status: StatusCode::OK, headers, body: RelayBody::whole(Bytes::new()) }
}

fn scope_text(scopes: ScopeSet) -> String {
    scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ")
}

/// Refusals as a proxy takes them.
pub(super) struct ForProxy {
    pub(super) denies_with_403: bool,
}

impl ForProxy {
    pub(super) fn refusal(&self, error: &ProxyError) -> Answer {
        let status = Self::status(error);
        if self.denies_with_403 && status == StatusCode::TOO_MANY_REQUESTS {
            let mut answer = problem_of(error, StatusCode::FORBIDDEN);
            answer.headers.push((STATUS, status.as_u16().into()));
            return answer;
        }
        problem_of(error, status)
    }

    /// 401, 403 or 429: a proxy makes an error of its own of anything else. What is our fault it may.
    fn status(error: &ProxyError) -> StatusCode {
        match error.status() {
            StatusCode::NOT_FOUND => StatusCode::FORBIDDEN,
            StatusCode::BAD_REQUEST => StatusCode::UNAUTHORIZED,
            status => status,
        }
    }
}

/// An error as a problem, with the headers that it has anywhere else.
pub(super) fn problem_of(error: &ProxyError, status: StatusCode) -> Answer {
    let mut answer = problem(status, &error.to_string(), code(error), &[]);
    answer.headers.extend(error.headers());
    if status == StatusCode::UNAUTHORIZED && error.status() != status {
        answer.headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
    }
    answer
}

/// The answer to a question that cannot be read.
pub(super) fn invalid(faults: &[Fault]) -> Answer {
    let told: Vec<String> =
        faults.iter().map(|fault| format!("`{}`: {}", fault.field, fault.detail)).collect();
    problem(StatusCode::BAD_REQUEST, &told.join("; "), INVALID_REQUEST, faults)
}

fn problem(status: StatusCode, detail: &str, code: &str, faults: &[Fault]) -> Answer {
    let problem = Problem {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail,
        code,
        errors: faults,
    };
    // What holds only texts and numbers can always be written.
    let problem = serde_json::to_vec(&problem).unwrap_or_default();
    let headers =
        Headers::from_iter([(header::CONTENT_TYPE, PROBLEM), (header::CACHE_CONTROL, NO_STORE)]);
    let body = RelayBody::whole(Bytes::from(problem));
    Answer { status, headers, body }
}

#[cfg(test)]
mod tests {
    use doorward_domain::bounds::BoundOf;
    use doorward_domain::limit::LimitKind;

    use super::*;

    fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
        let mut all = answer.headers.iter().filter(|(found, _)| found == name);
        let value = all.next().map(|(_, value)| value.to_str().unwrap());
        assert!(all.next().is_none(), "{name} is there twice");
        value
    }

    #[test]
    #[rustfmt::skip]
    fn a_proxy_is_refused_with_what_it_takes() {
        let limited = || Denial::RateLimited { of: BoundOf::Key, kind: LimitKind::Requests, retry_after_us: 1_500_000 }.into();
        let cases: Vec<(ProxyError, u16, u16, &str)> = vec![
            // error                                          plain  deny=403  code
            (Denial::InvalidKey.into(),                       401,   401,      "invalid_api_key"),
            (Denial::Expired.into(),                          401,   401,      "key_expired"),
            (Denial::SecretReplaced.into(),                   401,   401,      "key_expired"),
            (Denial::Disabled.into(),                         401,   401,      "key_disabled"),
            (Denial::Revoked.into(),                          401,   401,      "key_revoked"),
            (Denial::OwnerInactive.into(),                    401,   401,      "owner_inactive"),
            (ProxyError::ManyCredentials,                     401,   401,      "multiple_credentials"),
            (Denial::AddressRefused.into(),                   403,   403,      "ip_not_allowed"),
            (Denial::OriginRefused.into(),                    403,   403,      "origin_not_allowed"),
            (Denial::InsufficientScope.into(),                403,   403,      "insufficient_scope"),
            (Denial::ModelNotFound.into(),                    403,   403,      "model_not_found"),
            (limited(),                                       429,   403,      "rate_limit_exceeded"),
            (Denial::TooManyConcurrent(BoundOf::Key).into(),  429,   403,      "rate_limit_exceeded"),
            (Denial::BudgetSpent(BoundOf::Key).into(),        429,   403,      "insufficient_quota"),
            (Denial::BudgetHeld(BoundOf::Key).into(),         429,   403,      "budget_held"),
        ];
        for (error, plain, mapped, code) in cases {
            for (denies_with_403, status) in [(false, plain), (true, mapped)] {
                let answer = ForProxy { denies_with_403 }.refusal(&error);
                assert_eq!(answer.status.as_u16(), status, "{error:?}");
                assert_eq!(header(&answer, "content-type"), Some("application/problem+json"));
                assert_eq!(header(&answer, "www-authenticate").is_some(), status == 401, "{error:?}");
                let real = (status != plain).then_some("429");
                assert_eq!(header(&answer, "x-doorward-status"), real, "{error:?}");
                assert_eq!(super::code(&error), code);
            }
        }
        let refused = ForProxy { denies_with_403: true }.refusal(&limited());
        assert_eq!(header(&refused, "retry-after"), Some("2"));
    }
}
