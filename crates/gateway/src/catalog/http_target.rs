//! Where and how to send a call: what of a request is the same every time, made once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use doorward_dialect::{Dialect, Knows, Provider as Speech};
use doorward_domain::catalog::{Provider, ProviderKind};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Unusable, bedrock};
use crate::answer::Headers;
use crate::ask::OutputField;
use crate::asking::Asking;
use crate::error::{ProxyError, UpstreamFault};
use crate::redact::Needle;
use crate::route::{Call, Path};
use crate::upstream::{self, Origin, Signer, Unsignable};

/// Where and how to send.
#[derive(Debug)]
pub(crate) struct HttpTarget {
    pub(crate) origin: Arc<Origin>,
    /// For each call, if the provider's dialect has it.
    ways: [Option<Way>; Asking::COUNT],
    /// The credential in the header where this provider looks for it, marked sensitive.
    pub(crate) auth: Option<(HeaderName, HeaderValue)>,
    /// Signs each request, where this provider wants that instead.
    pub(crate) signer: Option<Signer>,
    /// The same credential, to be found in what the provider says.
    needle: Option<Arc<Needle>>,
    /// The upstream's name of the model as JSON.
    model_json: String,
    /// The upstream's name of the model.
    pub(crate) model: String,
    /// How the deployment speaks.
    pub(crate) speech: Speech,
    /// What it can do beyond its dialect.
    pub(crate) knows: Knows,
    /// What bounds the output of a chat completion there.
    output_field: OutputField,
    /// OpenAI itself has responses: what it does not find there is the model.
    may_lack_responses: bool,
    /// It was asked for a response, and has chat only.
    has_chat_only: AtomicBool,
}

/// What the body of every request is that is no form.
const JSON: &str = "application/json";

/// Where one call goes.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) method: Method,
    /// For HTTP/2.
    pub(crate) uri: Uri,
    /// For HTTP/1.1: the unchanging part of a request's head, with the credential in it.
    pub(crate) head: SecretString,
    /// The body is a form: what is between its parts is the client's choice, which its own header tells.
    pub(crate) is_form: bool,
}

impl Way {
    fn asking(uri: Uri, is_form: bool, auth: Option<&(HeaderName, HeaderValue)>) -> Self {
        let head = head((&Method::POST, &uri), (!is_form).then_some(JSON), auth);
        Self { method: Method::POST, head, uri, is_form }
    }

    /// There is no body.
    fn checking(uri: Uri, auth: Option<&(HeaderName, HeaderValue)>) -> Self {
        let head = head((&Method::GET, &uri), None, auth);
        Self { method: Method::GET, head, uri, is_form: false }
    }
}

impl HttpTarget {
    /// `model`: the upstream's name of it.
    pub(super) fn new(
        origin: Arc<Origin>,
        base: &Url,
        secret: Option<&SecretString>,
        (provider, model): (&Provider, &str),
    ) -> Result<Self, Unusable> {
        let (kind, speech) = (provider.kind, speech(provider.kind));
        let Presented { auth, signer, needle } = presented(provider, base, secret)?;
        Ok(Self {
            origin,
            ways: ways(base, (kind, model), auth.as_ref())?,
            auth,
            signer,
            needle: needle.map(Arc::new),
            model_json: name_in_body(speech, model),
            model: model.to_owned(),
            speech,
            knows: knows(kind),
            output_field: output_field(kind),
            may_lack_responses: kind == ProviderKind::OpenAiCompatible,
            has_chat_only: AtomicBool::new(false),
        })
    }

    /// What to write in place of what the client called the model; `None`: it is the upstream's name.
    pub(crate) fn renamed(&self, call: Call, called: &str) -> Option<&str> {
        let name = if call.is_form() { &self.model } else { &self.model_json };
        (called != self.model).then_some(name.as_str())
    }

    /// The provider's credential, to be kept out of what the provider says.
    pub(super) fn needle(&self) -> Option<&Arc<Needle>> {
        self.needle.as_ref()
    }

    /// How the provider is asked whether it is there: at a path of its server, or for its list of models.
    pub(super) fn check(&self, base: &Url, path: Option<&str>) -> Result<Way, Unusable> {
        let uri = check_uri(base, self.speech, path)?;
        Ok(Way::checking(uri, self.auth.as_ref()))
    }

    /// Where a call goes. `None`: the provider has no such route.
    pub(crate) fn way(&self, asking: Asking) -> Option<&Way> {
        let is_missing =
            asking == Asking::Call(Call::Responses) && self.has_chat_only.load(Ordering::Relaxed);
        self.ways.get(asking.index())?.as_ref().filter(|_| !is_missing)
    }

    /// What makes a request a signed one; nothing where the provider wants no signature.
    pub(crate) fn sign(
        &self,
        way: &Way,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Headers, ProxyError> {
        let signature = self.signer.as_ref().map(|signer| signer.sign(&way.uri, body, now));
        signature
            .transpose()
            .map(Option::unwrap_or_default)
            .map_err(|Unsignable| ProxyError::UpstreamUnavailable(UpstreamFault::Unsignable))
    }

    /// Notes what an answer with this status tells of the provider's routes. Whether the same is worth
    /// asking in another way: many a server with OpenAI's API has chat, and no responses.
    pub(crate) fn lacks(&self, asking: Asking, status: StatusCode) -> bool {
        let is_none = matches!(
            status,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
        );
        let is_lacking =
            is_none && asking == Asking::Call(Call::Responses) && self.may_lack_responses;
        if is_lacking {
            self.has_chat_only.store(true, Ordering::Relaxed);
        }
        is_lacking
    }

    /// The field that bounds the output of a call.
    pub(crate) fn output_field(&self, call: Call) -> OutputField {
        match (call.dialect(), call) {
            (Dialect::Google, _) => OutputField::Generation,
            (_, Call::Responses) => OutputField::OutputTokens,
            (_, Call::ChatCompletions) => self.output_field,
            (Dialect::OpenAi | Dialect::Anthropic, _) => OutputField::Tokens,
        }
    }
}

/// The upstream's name of a model as a body has it, in JSON.
fn name_in_body(speech: Speech, model: &str) -> String {
    match speech {
        Speech::Dialect(Dialect::Google) if !model.contains('/') => {
            serde_json::Value::from(format!("models/{model}")).to_string()
        }
        Speech::Dialect(Dialect::OpenAi | Dialect::Anthropic | Dialect::Google)
        | Speech::Bedrock => serde_json::Value::from(model).to_string(),
    }
}

/// How providers of a kind speak.
const fn speech(kind: ProviderKind) -> Speech {
    match kind {
        ProviderKind::Echo
        | ProviderKind::OpenAi
        | ProviderKind::OpenAiCompatible
        | ProviderKind::Azure => Speech::Dialect(Dialect::OpenAi),
        ProviderKind::Anthropic => Speech::Dialect(Dialect::Anthropic),
        ProviderKind::Google => Speech::Dialect(Dialect::Google),
        ProviderKind::Bedrock => Speech::Bedrock,
    }
}

/// How a provider's credential is presented.
#[derive(Debug, Default)]
pub(super) struct Presented {
    pub(super) auth: Option<(HeaderName, HeaderValue)>,
    pub(super) signer: Option<Signer>,
    pub(super) needle: Option<Needle>,
}

fn presented(
    provider: &Provider,
    base: &Url,
    secret: Option<&SecretString>,
) -> Result<Presented, Unusable> {
    let Some(secret) = secret else { return Ok(Presented::default()) };
    if provider.kind == ProviderKind::Bedrock {
        return bedrock::presented(provider, base, secret);
    }
    let auth = Some(credential(provider.kind, secret)?);
    let needle = Needle::new(secret.expose_secret().as_bytes());
    Ok(Presented { auth, signer: None, needle })
}

/// The credential where providers of a kind look for it.
pub(super) fn credential(
    kind: ProviderKind,
    secret: &SecretString,
) -> Result<(HeaderName, HeaderValue), Unusable> {
    let (name, scheme) = match kind {
        ProviderKind::Echo
        | ProviderKind::OpenAi
        | ProviderKind::OpenAiCompatible
        | ProviderKind::Bedrock => (header::AUTHORIZATION, "Bearer "),
        ProviderKind::Azure => (HeaderName::from_static("api-key"), ""),
        ProviderKind::Anthropic => (HeaderName::from_static("x-api-key"), ""),
        ProviderKind::Google => (HeaderName::from_static("x-goog-api-key"), ""),
    };
    let text = SecretString::from(format!("{scheme}{}", secret.expose_secret()));
    let mut value =
        HeaderValue::from_str(text.expose_secret()).map_err(|_| Unusable::Credential)?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn ways(
    base: &Url,
    (kind, model): (ProviderKind, &str),
    auth: Option<&(HeaderName, HeaderValue)>,
) -> Result<[Option<Way>; Asking::COUNT], Unusable> {
    let mut ways = [const { None }; Asking::COUNT];
    for (slot, asking) in ways.iter_mut().zip(Asking::all()) {
        let (uri, is_form) = match asking {
            _ if asking.provider() != speech(kind) => continue,
            Asking::Call(call) if !call.is_providers() || !call.is_of(kind) => continue,
            Asking::Call(call) => (uri(base, call, model)?, call.is_form()),
            Asking::Converse => (bedrock::uri(base, model, "converse")?, false),
            Asking::ConverseStream => (bedrock::uri(base, model, "converse-stream")?, false),
        };
        *slot = Some(Way::asking(uri, is_form, auth));
    }
    Ok(ways)
}

/// The address of a call below a provider's base URL.
fn uri(base: &Url, call: Call, model: &str) -> Result<Uri, Unusable> {
    let mut url = base.clone();
    {
        let mut path = url.path_segments_mut().map_err(|()| Unusable::Address)?;
        path.pop_if_empty();
        match call.path() {
            Path::Fixed(fixed) => path.extend(fixed.trim_start_matches('/').split('/')),
            // `tunedModels/…` and `models/…` are names with their collection.
            Path::Verb(verb) if model.contains('/') => {
                path.extend(format!("{model}:{verb}").split('/'))
            }
            Path::Verb(verb) => path.extend(["models", &format!("{model}:{verb}")]),
        };
    }
    if call == Call::StreamGenerateContent {
        url.set_query(Some("alt=sse"));
    }
    url.as_str().parse().map_err(|_| Unusable::Address)
}

/// The address of a provider's list of models. One of them is enough to see that it is there.
fn check_uri(base: &Url, speech: Speech, path: Option<&str>) -> Result<Uri, Unusable> {
    let uri = match path {
        // Not joined as references are: `//` would begin another host.
        Some(path) => format!("{}://{}{path}", base.scheme(), base.authority()).parse(),
        None => list_of_models(base, speech)?.as_str().parse(),
    };
    uri.map_err(|_| Unusable::Address)
}

fn list_of_models(base: &Url, speech: Speech) -> Result<Url, Unusable> {
    let mut url = base.clone();
    url.path_segments_mut().map_err(|()| Unusable::Address)?.pop_if_empty().push("models");
    url.set_query(match speech {
        Speech::Dialect(Dialect::OpenAi) => None,
        Speech::Dialect(Dialect::Anthropic) => Some("limit=1"),
        Speech::Dialect(Dialect::Google) => Some("pageSize=1"),
        Speech::Bedrock => return Err(Unusable::Address),
    });
    Ok(url)
}

/// The head of a request, built from an allow-list. The length of the body and what one client asked
/// for come behind it; so does the kind of the body where it differs from call to call (`None`).
fn head(
    (method, uri): (&Method, &Uri),
    kind: Option<&str>,
    auth: Option<&(HeaderName, HeaderValue)>,
) -> SecretString {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let agent = upstream::USER_AGENT;
    let auth = auth.and_then(|(name, value)| {
        Some(format!("{name}: {}\r\n", std::str::from_utf8(value.as_bytes()).ok()?))
    });
    let auth = auth.unwrap_or_default();
    let kind = kind.map(|kind| format!("content-type: {kind}\r\n")).unwrap_or_default();
    SecretString::from(format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{kind}user-agent: {agent}\r\n{auth}"
    ))
}

/// What a compatible server does not know it leaves alone; OpenAI itself refuses it.
fn knows(kind: ProviderKind) -> Knows {
    let is_compatible = kind == ProviderKind::OpenAiCompatible;
    Knows {
        completion_tokens: output_field(kind) == OutputField::CompletionTokens,
        choice_objects: matches!(kind, ProviderKind::OpenAi | ProviderKind::Azure),
        cache_marks: kind == ProviderKind::OpenAi,
        top_k: is_compatible,
        reasoning_content: is_compatible,
        sampling: kind == ProviderKind::Anthropic,
        ..Knows::default()
    }
}

/// OpenAI's newer models refuse `max_tokens`; other servers may not know the newer name.
const fn output_field(kind: ProviderKind) -> OutputField {
    match kind {
        ProviderKind::OpenAi | ProviderKind::Azure => OutputField::CompletionTokens,
        ProviderKind::Echo
        | ProviderKind::OpenAiCompatible
        | ProviderKind::Anthropic
        | ProviderKind::Google
        | ProviderKind::Bedrock => OutputField::Tokens,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_has_its_address_below_the_base() {
        #[rustfmt::skip]
        let cases = [
            ("https://api.example",        Call::ChatCompletions,       "m",             "https://api.example/chat/completions"),
            ("http://127.0.0.1:8000/v1",   Call::Embeddings,            "m",             "http://127.0.0.1:8000/v1/embeddings"),
            ("http://[::1]:80/a/v1/",      Call::Responses,             "m",             "http://[::1]/a/v1/responses"),
            ("https://x.openai.azure.com/openai/v1", Call::Transcriptions, "m",           "https://x.openai.azure.com/openai/v1/audio/transcriptions"),
            ("https://a.example/v1",       Call::MessageTokens,         "m",             "https://a.example/v1/messages/count_tokens"),
            ("https://g.example/v1beta",   Call::GenerateContent,       "gemini-2.5-pro", "https://g.example/v1beta/models/gemini-2.5-pro:generateContent"),
            ("https://g.example/v1beta/",  Call::StreamGenerateContent, "g",             "https://g.example/v1beta/models/g:streamGenerateContent?alt=sse"),
            ("https://g.example/v1beta",   Call::ContentTokens,         "tunedModels/x", "https://g.example/v1beta/tunedModels/x:countTokens"),
            ("https://g.example/v1beta",   Call::EmbedContent,          "a b?c#d%",      "https://g.example/v1beta/models/a%20b%3Fc%23d%25:embedContent"),
        ];
        for (base, call, model, expected) in cases {
            let uri = uri(&Url::parse(base).unwrap(), call, model).unwrap();
            assert_eq!(uri.to_string(), expected);
        }
    }

    #[test]
    fn a_provider_has_the_routes_of_its_dialect_that_it_is_known_to_have_and_no_others() {
        let base = Url::parse("https://api.example/v1").unwrap();
        for kind in ProviderKind::ALL {
            let ways = ways(&base, (kind, "m"), None).unwrap();
            for call in Call::ALL {
                let way = ways[call as usize].as_ref();
                let is_known = call != Call::Inference && call.is_of(kind);
                let has_it = speech(kind) == call.dialect().into() && is_known;
                assert_eq!(way.is_some(), has_it, "{kind} {call:?}");
                let is_form = matches!(call, Call::Transcriptions | Call::Translations);
                assert!(way.is_none_or(|way| way.is_form == is_form), "{call:?}");
            }
        }
    }

    #[test]
    fn a_head_names_the_host_and_carries_the_credential_where_its_provider_looks_for_it() {
        let uri: Uri = "http://[::1]:8000/v1/embeddings".parse().unwrap();
        #[rustfmt::skip]
        let cases = [
            (Some(ProviderKind::OpenAi),           "authorization: Bearer sk-1\r\n"),
            (Some(ProviderKind::OpenAiCompatible), "authorization: Bearer sk-1\r\n"),
            (Some(ProviderKind::Azure),            "api-key: sk-1\r\n"),
            (Some(ProviderKind::Anthropic),        "x-api-key: sk-1\r\n"),
            (Some(ProviderKind::Google),           "x-goog-api-key: sk-1\r\n"),
            (None,                                 ""),
        ];
        for (kind, end) in cases {
            let auth = kind.map(|kind| credential(kind, &SecretString::from("sk-1")).unwrap());
            assert!(auth.iter().all(|(_, value)| value.is_sensitive()));
            let expected = format!(
                "POST /v1/embeddings HTTP/1.1\r\nhost: [::1]:8000\r\ncontent-type: application/json\r\n\
                 user-agent: {}\r\n{end}",
                upstream::USER_AGENT
            );
            assert_eq!(
                head((&Method::POST, &uri), Some(JSON), auth.as_ref()).expose_secret(),
                expected
            );
        }
    }

    #[test]
    fn a_provider_is_asked_for_its_models_or_at_a_path_of_its_server() {
        #[rustfmt::skip]
        let cases = [
            // base                       kind                            path                asked
            ("http://h:8000/v1",          ProviderKind::OpenAiCompatible, None,               "http://h:8000/v1/models"),
            ("https://a.example/v1/",     ProviderKind::Anthropic,        None,               "https://a.example/v1/models?limit=1"),
            ("https://g.example/v1beta",  ProviderKind::Google,           None,               "https://g.example/v1beta/models?pageSize=1"),
            ("http://h:8000/v1",          ProviderKind::OpenAiCompatible, Some("/health"),    "http://h:8000/health"),
            ("http://h:8000/v1",          ProviderKind::OpenAi,           Some("/h?deep=1"),  "http://h:8000/h?deep=1"),
            ("http://h:8000/v1",          ProviderKind::OpenAi,           Some("//evil/h"),   "http://h:8000//evil/h"),
            ("http://[::1]:8000/v1",      ProviderKind::OpenAi,           Some("/@evil:1/h"), "http://[::1]:8000/@evil:1/h"),
        ];
        for (base, kind, path, expected) in cases {
            let uri = check_uri(&Url::parse(base).unwrap(), speech(kind), path).unwrap();
            assert_eq!(uri.to_string(), expected);
            let auth = credential(kind, &SecretString::from("sk-1")).unwrap();
            let way = Way::checking(uri, Some(&auth));
            let head = way.head.expose_secret();
            let target = way.uri.path_and_query().unwrap();
            assert!(head.starts_with(&format!("GET {target} HTTP/1.1\r\nhost: ")), "{head}");
            assert!(head.contains("sk-1\r\n") && !head.contains("content-"), "{head}");
        }
    }

    #[test]
    fn a_credential_that_would_end_its_header_is_refused_and_not_told() {
        for kind in ProviderKind::ALL {
            let error = credential(kind, &SecretString::from("sk-1\r\nx: y")).unwrap_err();
            assert!(!error.to_string().contains("sk-1") && !format!("{error:?}").contains("sk-1"));
        }
    }

    #[test]
    fn only_where_the_newer_name_is_known_does_it_bound_the_output() {
        for kind in ProviderKind::ALL {
            let is_newer = matches!(kind, ProviderKind::OpenAi | ProviderKind::Azure);
            let field = if is_newer { OutputField::CompletionTokens } else { OutputField::Tokens };
            assert_eq!(output_field(kind), field, "{kind:?}");
        }
    }
}
