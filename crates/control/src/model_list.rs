//! Asks a provider which models it serves.

use doorward_domain::catalog::ProviderKind;
use http::{Request, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// Shorter credentials are no secret.
const SECRET_BYTES_MIN: usize = 12;
/// The version of Anthropic's API whose list of models we read.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// Whom to ask.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The API that it speaks.
    pub kind: ProviderKind,
    /// Where it is, without a trailing slash; `/models` is appended.
    pub base_url: &'a str,
    /// What is presented.
    pub key: Option<&'a SecretString>,
}

/// Why there is no list. Its text never holds what was presented.
#[derive(Debug, thiserror::Error)]
pub enum NoList {
    /// It answered, but refused.
    #[error("it answers {0}")]
    Status(StatusCode),
    /// It answered something else.
    #[error("its answer is no list of models")]
    Unreadable,
    /// It did not answer.
    #[error("{}", reason(.0))]
    Unreached(Box<ureq::Error>),
}

impl From<ureq::Error> for NoList {
    fn from(error: ureq::Error) -> Self {
        Self::Unreached(Box::new(error))
    }
}

/// Google's list and its entries have names of their own; some servers write both lists.
#[derive(Deserialize)]
struct Listing {
    data: Option<Vec<Listed>>,
    models: Option<Vec<Listed>>,
}

#[derive(Deserialize)]
struct Listed {
    id: Option<String>,
    name: Option<String>,
}

/// The names of the models that a provider lists, each once, in its order. Waits: at most as long as
/// `agent` does.
pub fn list_models(agent: &ureq::Agent, asked: &Asked<'_>) -> Result<Vec<String>, NoList> {
    let mut answer = agent.run(request(asked)?)?;
    if !answer.status().is_success() {
        return Err(NoList::Status(answer.status()));
    }
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
    let listing: Listing = serde_json::from_slice(&body).map_err(|_| NoList::Unreadable)?;
    let mut names: Vec<String> = Vec::new();
    for Listed { id, name } in listing.data.or(listing.models).ok_or(NoList::Unreadable)? {
        let id = id.or(name).ok_or(NoList::Unreadable)?;
        // Google lists `models/gemini-…` and takes the name without it.
        let name = id.strip_prefix("models/").unwrap_or(&id);
        if !names.iter().any(|known| known == name) && !asked.is_echoed_in(name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn request(asked: &Asked<'_>) -> Result<Request<()>, ureq::Error> {
    let query = match asked.kind {
        // More than any provider has: its pages are short otherwise.
        ProviderKind::Google => "?pageSize=1000",
        ProviderKind::Anthropic => "?limit=1000",
        ProviderKind::Echo
        | ProviderKind::OpenAi
        | ProviderKind::OpenAiCompatible
        | ProviderKind::Azure
        | ProviderKind::Bedrock => "",
    };
    let mut request = Request::get(format!("{}/models{query}", asked.base_url));
    if let Some(key) = asked.key.map(SecretString::expose_secret) {
        request = match asked.kind {
            ProviderKind::Anthropic => {
                request.header("x-api-key", key).header("anthropic-version", ANTHROPIC_VERSION)
            }
            ProviderKind::Google => request.header("x-goog-api-key", key),
            ProviderKind::Azure => request.header("api-key", key),
            ProviderKind::Echo | ProviderKind::OpenAi | ProviderKind::OpenAiCompatible => {
                request.header("authorization", format!("Bearer {key}"))
            }
            // Its lists are elsewhere: who is not asked needs no key.
            ProviderKind::Bedrock => request,
        };
    }
    Ok(request.body(())?)
}

impl Asked<'_> {
    /// Whether a provider says the credential back: what it lists is shown. Short ones are words such
    /// as `ollama`, which names may well contain.
    fn is_echoed_in(&self, name: &str) -> bool {
        let key = self.key.map(SecretString::expose_secret);
        key.is_some_and(|key| name == key || key.len() >= SECRET_BYTES_MIN && name.contains(key))
    }
}

/// A reason in words. A library's own may quote the request, in which the key is.
fn reason(error: &ureq::Error) -> String {
    if let ureq::Error::Rustls(fault) = error {
        return format!("no TLS connection: {fault}");
    }
    if let ureq::Error::Io(error) = error {
        // A fault of TLS comes wrapped; its text is of certificates alone.
        let kind = error.kind();
        return if kind == std::io::ErrorKind::InvalidData {
            format!("no TLS connection: {error}")
        } else {
            format!("it cannot be reached: {kind}")
        };
    }
    let words = [
        (matches!(error, ureq::Error::Timeout(_)), "no answer in time"),
        (matches!(error, ureq::Error::HostNotFound), "its name cannot be resolved"),
        (matches!(error, ureq::Error::BodyExceedsLimit(_)), "its answer is too long"),
        (matches!(error, ureq::Error::Http(_)), "the request cannot be built: is the key whole?"),
    ];
    let found = words.into_iter().find(|(applies, _)| *applies);
    found.map_or("it cannot be reached", |(_, words)| words).to_owned()
}
