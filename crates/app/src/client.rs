//! The command line's side of the management API.

mod download;
mod unanswered;

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use doorward_store::LOCK_FILE;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH};
use http::{HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use url::{Url, form_urlencoded};

use crate::admin_key;
use crate::cli::Remote;
use crate::environment::Environment;
use crate::kept_session::{self, KeptSession};
use crate::{base_url, tls};

/// Where a running server leaves its address.
pub(crate) const ENDPOINT_FILE: &str = "endpoint";
const URL_VARIABLE: &str = "DOORWARD_URL";
const URL_DEFAULT: &str = "http://127.0.0.1:8440";
const TIMEOUT: Duration = Duration::from_secs(30);
/// Far above any page of the API.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
const PAGE_ROWS: &str = "200";
/// As many rows as anybody prints.
const PAGES_MAX: usize = 500;

/// A server, and the key to ask it with.
pub(crate) struct Client {
    agent: ureq::Agent,
    base: Url,
    /// `None`: nobody asks.
    key: Option<SecretString>,
    /// The certificate that is trusted, where one is named.
    ca: Option<PathBuf>,
}

/// A refusal of the server.
#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    #[serde(default, alias = "error_description")]
    detail: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    errors: Vec<FieldError>,
}

#[derive(Debug, Deserialize)]
struct FieldError {
    field: String,
    detail: String,
}

impl fmt::Display for Refusal {
    /// The detail, and below it what it does not say of the fields. Several fields that it strings
    /// together are told one by one instead.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_told = |error: &&FieldError| self.detail.contains(&error.detail);
        let told = self.errors.iter().filter(is_told).count();
        let is_list = told > 1 && told == self.errors.len();
        f.write_str(if is_list { "the server refuses these fields" } else { &self.detail })?;
        let untold = self.errors.iter().filter(|error| is_list || !is_told(error));
        untold.into_iter().try_for_each(|e| write!(f, "\n  {}: {}", e.field, e.detail))
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// Why, for programs.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }
}

impl Client {
    /// Finds the server and whoever asks: a key that is named, a session, the administrator's key.
    pub(crate) fn new(remote: &Remote, environment: &Environment) -> anyhow::Result<Self> {
        if let Some(kept) = find_session(remote, environment)? {
            return Self::of_session(remote, environment, &kept);
        }
        Self::of_key(remote, environment)
    }

    /// The same where only a key will do.
    pub(crate) fn of_key(remote: &Remote, environment: &Environment) -> anyhow::Result<Self> {
        let key = find_key(remote, environment)?;
        Self::at(remote, environment, find_url(remote, environment)?, Some(key))
    }

    /// Finds the server, for what needs no credential.
    pub(crate) fn anonymous(remote: &Remote, environment: &Environment) -> anyhow::Result<Self> {
        Self::at(remote, environment, find_url(remote, environment)?, None)
    }

    /// The server of a session, and that session.
    pub(crate) fn of_session(
        remote: &Remote,
        environment: &Environment,
        kept: &KeptSession,
    ) -> anyhow::Result<Self> {
        let is_local = running_endpoint(&remote.data).is_some();
        Self::at(remote, environment, (kept.url.clone(), is_local), Some(kept.token.clone()))
    }

    fn at(
        remote: &Remote,
        environment: &Environment,
        (base, is_local): (Url, bool),
        key: Option<SecretString>,
    ) -> anyhow::Result<Self> {
        let own = remote.data.join(tls::CERT_FILE);
        let named = remote.ca.clone().or_else(|| environment.get("DOORWARD_CA").map(PathBuf::from));
        let ca = named.or_else(|| (is_local && own.exists()).then_some(own));
        let agent = agent(ca.as_deref(), TIMEOUT)?;
        Ok(Self { agent, base, key, ca })
    }

    pub(crate) fn get(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.get_version(path, query).map(|(body, _)| body)
    }

    /// The same with the version, for [`patch_version`](Self::patch_version).
    pub(crate) fn get_version(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> anyhow::Result<(Value, Option<HeaderValue>)> {
        let request = self.request(Method::GET, path, query)?.body(()).map_err(never_built)?;
        let answer = self.agent.run(request);
        let version = answer.as_ref().ok().and_then(|a| a.headers().get(ETAG).cloned());
        Ok((self.finish(answer)?, version))
    }

    pub(crate) fn delete(&self, path: &[&str]) -> anyhow::Result<Value> {
        self.delete_how(path, &[])
    }

    /// The same, with what the server is to know of how.
    pub(crate) fn delete_how(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> anyhow::Result<Value> {
        let request = self.request(Method::DELETE, path, query)?.body(()).map_err(never_built)?;
        self.finish(self.agent.run(request))
    }

    pub(crate) fn post(&self, path: &[&str], body: &Value) -> anyhow::Result<Value> {
        self.send(Method::POST, path, body, None)
    }

    /// Sends a form, as OAuth has it.
    pub(crate) fn post_form(
        &self,
        path: &[&str],
        fields: &[(&str, &str)],
    ) -> anyhow::Result<Value> {
        let request = self.request(Method::POST, path, &[])?;
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = request.body(body.into_bytes()).map_err(never_built)?;
        self.finish(self.agent.run(request))
    }

    /// The key, for a request that carries it elsewhere than in a header.
    pub(crate) fn key(&self) -> Option<&SecretString> {
        self.key.as_ref()
    }

    pub(crate) fn put(&self, path: &[&str], body: &Value) -> anyhow::Result<Value> {
        self.send(Method::PUT, path, body, None)
    }

    pub(crate) fn patch(&self, path: &[&str], body: &Value) -> anyhow::Result<Value> {
        self.send(Method::PATCH, path, body, None)
    }

    /// Edits only what is still as it was read.
    pub(crate) fn patch_version(
        &self,
        path: &[&str],
        body: &Value,
        version: Option<HeaderValue>,
    ) -> anyhow::Result<Value> {
        self.send(Method::PATCH, path, body, version)
    }

    /// All pages of a list as one.
    pub(crate) fn list(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let mut rows = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut query = query.to_vec();
            query.push(("limit", PAGE_ROWS));
            query.extend(after.as_deref().map(|after| ("after", after)));
            let mut page = self.get(path, &query)?;
            if let Some(Value::Array(data)) = page.get_mut("data").map(Value::take) {
                rows.extend(data);
            }
            after = page.get("next").and_then(Value::as_str).map(str::to_owned);
            if after.is_none() {
                break;
            }
        }
        let has_more = after.is_some();
        Ok(
            serde_json::json!({ "object": "list", "data": rows, "has_more": has_more, "next": after }),
        )
    }

    /// The address of the server, without a trailing slash.
    pub(crate) fn endpoint(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The same as it is kept.
    pub(crate) fn url(&self) -> &Url {
        &self.base
    }

    fn send(
        &self,
        method: Method,
        path: &[&str],
        body: &Value,
        version: Option<HeaderValue>,
    ) -> anyhow::Result<Value> {
        let mut request = self.request(method, path, &[])?;
        request = request.header(CONTENT_TYPE, "application/json");
        if let Some(version) = version {
            request = request.header(IF_MATCH, version);
        }
        let request = request.body(serde_json::to_vec(body)?).map_err(never_built)?;
        self.finish(self.agent.run(request))
    }

    fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> anyhow::Result<http::request::Builder> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // A model's name may hold slashes, which stay: an escaped one is refused at the door.
            segments.pop_if_empty().extend(path.iter().flat_map(|part| part.split('/')));
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = http::Request::builder().method(method).uri(url.as_str());
        let Some(key) = &self.key else { return Ok(request) };
        let mut key = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()))
            .context("the API key holds characters that no API key has")?;
        key.set_sensitive(true);
        Ok(request.header(AUTHORIZATION, key))
    }

    fn finish(
        &self,
        answer: Result<http::Response<ureq::Body>, ureq::Error>,
    ) -> anyhow::Result<Value> {
        let endpoint = self.endpoint();
        let mut answer = answer.map_err(|error| {
            let words = unanswered::words(&error, &self.base);
            anyhow::Error::new(error).context(words)
        })?;
        let status = answer.status();
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = body.with_context(|| format!("the answer of {endpoint} broke off"))?;
        if status.is_success() && body.is_empty() {
            return Ok(Value::Null);
        }
        let json = serde_json::from_slice::<Value>(&body);
        if status.is_success() {
            return json.with_context(|| format!("{endpoint} does not answer as Doorward does"));
        }
        Err(refusal(status, json.unwrap_or_default(), endpoint))
    }
}

fn never_built(error: http::Error) -> anyhow::Error {
    anyhow::Error::new(error).context("the request cannot be built")
}

fn refusal(status: http::StatusCode, body: Value, endpoint: &str) -> anyhow::Error {
    if status.is_redirection() {
        return anyhow::anyhow!(
            "{endpoint} answers with a redirect ({status}), which is not followed"
        );
    }
    match serde_json::from_value::<Refusal>(body) {
        Ok(refusal) if !refusal.detail.is_empty() => refusal.into(),
        Ok(_) | Err(_) => anyhow::anyhow!("{endpoint} answers {status}"),
    }
}

/// An HTTP client that follows no redirect, uses no proxy and trusts `ca`, or what the machine does.
pub(crate) fn agent(ca: Option<&Path>, timeout: Duration) -> anyhow::Result<ureq::Agent> {
    let roots = match ca {
        Some(path) => RootCerts::from(read_roots(path)?),
        None => RootCerts::PlatformVerifier,
    };
    Ok(agent_trusting(roots, timeout))
}

/// The same with roots at hand.
pub(crate) fn agent_trusting(roots: RootCerts, timeout: Duration) -> ureq::Agent {
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(tls::crypto())
        .root_certs(roots)
        .build();
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_global(Some(timeout))
        .user_agent(concat!("doorward/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .build();
    config.new_agent()
}

fn read_roots(path: &Path) -> anyhow::Result<Vec<Certificate<'static>>> {
    let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let certificate = |item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        Ok(_) | Err(_) => None,
    };
    let roots: Vec<_> = parse_pem(&pem).filter_map(certificate).collect();
    if roots.is_empty() {
        bail!("{} holds no certificate", path.display());
    }
    Ok(roots)
}

/// The server's address, and whether it is the one that runs on the data directory.
///
/// The administrator's key of a data directory goes to the server on that directory and to nobody
/// else, unless one is named: another program may have the port by now.
fn find_url(remote: &Remote, environment: &Environment) -> anyhow::Result<(Url, bool)> {
    let has_own_key = environment.get("DOORWARD_API_KEY").is_some();
    let by_flag = remote.url.as_deref().map(|text| ("--url", text));
    let named = by_flag.or_else(|| Some((URL_VARIABLE, environment.get(URL_VARIABLE)?)));
    let running = running_endpoint(&remote.data);
    let (source, text, is_local) = match (named, &running) {
        (Some((source, text)), _) => (source, text, false),
        (None, Some(running)) => (ENDPOINT_FILE, &**running, true),
        (None, None) if has_own_key => ("--url", URL_DEFAULT, true),
        (None, None) => bail!(
            "no doorward runs on {}: start it, or name its data directory with --data, or a server with --url",
            remote.data.display()
        ),
    };
    // What `quickstart` prints ends with the path that client libraries want.
    let base = text.trim().trim_end_matches('/');
    let url = base_url::parse(base.strip_suffix("/v1").unwrap_or(base))
        .map_err(|misfit| anyhow::anyhow!("{source} {misfit}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        bail!("put the key into DOORWARD_API_KEY, not into the URL");
    }
    Ok((url, is_local))
}

/// Where the server on this data directory is reached. The file stays behind when a server is killed;
/// the lock does not.
pub(crate) fn running_endpoint(data: &Path) -> Option<String> {
    let lock = File::open(data.join(LOCK_FILE)).ok()?;
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => std::fs::read_to_string(data.join(ENDPOINT_FILE)).ok(),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// The session of `sign-in`, unless a key is named, or another server than the session's.
fn find_session(remote: &Remote, environment: &Environment) -> anyhow::Result<Option<KeptSession>> {
    if environment.get("DOORWARD_API_KEY").is_some() {
        return Ok(None);
    }
    let Some(kept) = kept_session::find(&remote.data)? else { return Ok(None) };
    let is_named = remote.url.is_some() || environment.get(URL_VARIABLE).is_some();
    let is_its_own = !is_named || find_url(remote, environment)?.0 == kept.url;
    Ok(is_its_own.then_some(kept))
}

fn find_key(remote: &Remote, environment: &Environment) -> anyhow::Result<SecretString> {
    if let Some(key) = environment.get("DOORWARD_API_KEY") {
        return Ok(SecretString::from(key));
    }
    let path = remote.data.join(admin_key::FILE);
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!("no API key: set DOORWARD_API_KEY, or name the data directory with --data (looked for {})", path.display())
    })?;
    Ok(SecretString::from(text.trim()))
}

#[cfg(test)]
mod tests;
