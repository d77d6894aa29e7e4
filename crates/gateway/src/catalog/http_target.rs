//! Where and how to send a call: what of a request is the same every time, made once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use doorward_dialect::{Dialect, Knows};
use doorward_domain::catalog::ProviderKind;
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Unusable;
use crate::ask::OutputField;
use crate::redact::Needle;
use crate::route::{Call, Path};
use crate::upstream::{self, Origin};

/// Where and how to send.
#[derive(Debug)]
pub(crate) struct HttpTarget {
    pub(crate) origin: Arc<Origin>,
    /// For each call, if the provider's dialect has it.
    ways: [Option<Way>; Call::ALL.len()],
    /// The credential in the header where this provider looks for it, marked sensitive.
    pub(crate) auth: Option<(HeaderName, HeaderValue)>,
    /// The same credential, to be found in what the provider says.
    needle: Option<Arc<Needle>>,
    /// The upstream's name of the model as JSON; `None`: it is the public one.
    model_json: Option<String>,
    /// The upstream's name of the model.
    pub(crate) model: String,
    /// How the deployment speaks.
    pub(crate) dialect: Dialect,
    /// What it can do beyond its dialect.
    pub(crate) knows: Knows,
    /// What bounds the output of a chat completion there.
    output_field: OutputField,
    /// OpenAI itself has responses: what it does not find there is the model.
    may_lack_responses: bool,
    /// It was asked for a response, and has chat only.
    has_chat_only: AtomicBool,
}

/// Where one call goes.
#[derive(Debug)]
pub(crate) struct Way {
    /// For HTTP/2.
    pub(crate) uri: Uri,
    /// For HTTP/1.1: the unchanging part of a request's head, with the credential in it.
    pub(crate) head: SecretString,
    /// The body is a form: what is between its parts is the client's choice, which its own header tells.
    pub(crate) is_form: bool,
}

impl HttpTarget {
    /// `model`: the upstream's name of it, and the public one.
    pub(super) fn new(
        origin: Arc<Origin>,
        base: &Url,
        secret: Option<&SecretString>,
        (kind, (model, public)): (ProviderKind, (&str, &str)),
    ) -> Result<Self, Unusable> {
        let auth = secret.map(|secret| credential(kind, secret)).transpose()?;
        let needle = secret.and_then(|secret| Needle::new(secret.expose_secret().as_bytes()));
        Ok(Self {
            origin,
            ways: ways(base, (kind, model), auth.as_ref())?,
            auth,
            needle: needle.map(Arc::new),
            model_json: (model != public).then(|| name_in_body(dialect(kind), model)),
            model: model.to_owned(),
            dialect: dialect(kind),
            knows: knows(kind),
            output_field: output_field(kind),
            may_lack_responses: kind == ProviderKind::OpenAiCompatible,
            has_chat_only: AtomicBool::new(false),
        })
    }

    /// The provider's credential, to be kept out of what the provider says.
    pub(super) fn needle(&self) -> Option<&Arc<Needle>> {
        self.needle.as_ref()
    }

    /// Where a call goes. `None`: the provider has no such route.
    pub(crate) fn way(&self, call: Call) -> Option<&Way> {
        let is_missing = call == Call::Responses && self.has_chat_only.load(Ordering::Relaxed);
        self.ways.get(call as usize)?.as_ref().filter(|_| !is_missing)
    }

    /// The upstream's name of the model as the body of a call has it; `None`: it is the public one.
    pub(crate) fn model_in(&self, call: Call) -> Option<&str> {
        let json = self.model_json.as_deref()?;
        Some(if call.is_form() { &self.model } else { json })
    }

    /// Notes what an answer with this status tells of the provider's routes. Whether the same is worth
    /// asking in another way: many a server with OpenAI's API has chat, and no responses.
    pub(crate) fn lacks(&self, call: Call, status: StatusCode) -> bool {
        let is_none = matches!(
            status,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
        );
        let is_lacking = is_none && call == Call::Responses && self.may_lack_responses;
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
fn name_in_body(dialect: Dialect, model: &str) -> String {
    match dialect {
        Dialect::Google if !model.contains('/') => {
            serde_json::Value::from(format!("models/{model}")).to_string()
        }
        Dialect::OpenAi | Dialect::Anthropic | Dialect::Google => {
            serde_json::Value::from(model).to_string()
        }
    }
}

/// How providers of a kind speak.
const fn dialect(kind: ProviderKind) -> Dialect {
    match kind {
        ProviderKind::Echo
        | ProviderKind::OpenAi
        | ProviderKind::OpenAiCompatible
        | ProviderKind::Azure => Dialect::OpenAi,
        ProviderKind::Anthropic => Dialect::Anthropic,
        ProviderKind::Google => Dialect::Google,
    }
}

/// The credential where providers of a kind look for it.
fn credential(
    kind: ProviderKind,
    secret: &SecretString,
) -> Result<(HeaderName, HeaderValue), Unusable> {
    let (name, scheme) = match kind {
        ProviderKind::Echo | ProviderKind::OpenAi | ProviderKind::OpenAiCompatible => {
            (header::AUTHORIZATION, "Bearer ")
        }
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
) -> Result<[Option<Way>; Call::ALL.len()], Unusable> {
    let mut ways = [const { None }; Call::ALL.len()];
    for (slot, call) in ways.iter_mut().zip(Call::ALL) {
        if call.dialect() == dialect(kind) && call.is_providers() && call.is_of(kind) {
            let uri = uri(base, call, model)?;
            let head = head(&uri, (!call.is_form()).then_some("application/json"), auth);
            *slot = Some(Way { head, uri, is_form: call.is_form() });
        }
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

/// The head of a request, built from an allow-list. The length of the body and what one client asked
/// for come behind it; so does the kind of the body where it differs from call to call (`None`).
fn head(uri: &Uri, kind: Option<&str>, auth: Option<&(HeaderName, HeaderValue)>) -> SecretString {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let agent = upstream::USER_AGENT;
    let auth = auth.and_then(|(name, value)| {
        Some(format!("{name}: {}\r\n", std::str::from_utf8(value.as_bytes()).ok()?))
    });
    let auth = auth.unwrap_or_default();
    let kind = kind.map(|kind| format!("content-type: {kind}\r\n")).unwrap_or_default();
    SecretString::from(format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\n{kind}user-agent: {agent}\r\n{auth}"
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
        | ProviderKind::Google => OutputField::Tokens,
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
                let has_it = call.dialect() == dialect(kind) && is_known;
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
            let head = |kind| head(&uri, kind, auth.as_ref());
            assert_eq!(head(Some("application/json")).expose_secret(), expected);
            let expected = expected.replace("content-type: application/json\r\n", "");
            assert_eq!(head(None).expose_secret(), expected);
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
