//! Where and how to send a call: what of a request is the same every time, made once.

use std::sync::Arc;

use doorward_dialect::{Dialect, Knows};
use doorward_domain::catalog::ProviderKind;
use http::{HeaderValue, Uri};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Unusable;
use crate::ask::OutputField;
use crate::redact::Needle;
use crate::route::Call;
use crate::upstream::{self, Origin};

/// Where and how to send.
#[derive(Debug)]
pub(crate) struct HttpTarget {
    pub(crate) origin: Arc<Origin>,
    uris: [Uri; Call::ALL.len()],
    /// The unchanging part of a request's head, with the credential in it.
    heads: [SecretString; Call::ALL.len()],
    /// `Bearer …`, marked sensitive.
    pub(crate) auth: Option<HeaderValue>,
    /// The same credential, to be found in what the provider says.
    needle: Option<Arc<Needle>>,
    /// The upstream's name of the model as JSON; `None`: it is the public one.
    pub(crate) model_json: Option<String>,
    /// The upstream's name of the model; `None`: it is the public one.
    pub(crate) model: Option<String>,
    /// How the deployment speaks.
    pub(crate) dialect: Dialect,
    /// What it can do beyond its dialect.
    pub(crate) knows: Knows,
    /// What bounds the output of a chat completion there.
    output_field: OutputField,
}

impl HttpTarget {
    /// `model`: the upstream's name of it, where that is not the public one.
    pub(super) fn new(
        origin: Arc<Origin>,
        base: &Url,
        secret: Option<&SecretString>,
        (kind, model): (ProviderKind, Option<&str>),
    ) -> Result<Self, Unusable> {
        let uris = uris(base)?;
        let auth = secret.map(bearer).transpose()?;
        let needle = secret.and_then(|secret| Needle::new(secret.expose_secret().as_bytes()));
        Ok(Self {
            origin,
            heads: uris.each_ref().map(|uri| head(uri, auth.as_ref())),
            uris,
            auth,
            needle: needle.map(Arc::new),
            model_json: model.map(|model| serde_json::Value::from(model).to_string()),
            model: model.map(str::to_owned),
            dialect: Dialect::OpenAi,
            knows: knows(kind),
            output_field: output_field(kind),
        })
    }

    /// The provider's credential, to be kept out of what the provider says.
    pub(super) fn needle(&self) -> Option<&Arc<Needle>> {
        self.needle.as_ref()
    }

    pub(crate) fn uri(&self, call: Call) -> Uri {
        self.uris.get(call as usize).cloned().unwrap_or_default()
    }

    /// The unchanging part of a call's head as HTTP/1.1 has it.
    pub(crate) fn head(&self, call: Call) -> &SecretString {
        let [chat, completions, embeddings, responses, messages] = &self.heads;
        match call {
            Call::ChatCompletions => chat,
            Call::Completions => completions,
            Call::Embeddings => embeddings,
            Call::Responses => responses,
            Call::Messages => messages,
        }
    }

    /// The field that bounds the output of a call.
    pub(crate) fn output_field(&self, call: Call) -> OutputField {
        match call {
            Call::Responses => OutputField::OutputTokens,
            Call::Completions | Call::Messages => OutputField::Tokens,
            Call::ChatCompletions | Call::Embeddings => self.output_field,
        }
    }
}

fn bearer(secret: &SecretString) -> Result<HeaderValue, Unusable> {
    let text = SecretString::from(format!("Bearer {}", secret.expose_secret()));
    let mut value =
        HeaderValue::from_str(text.expose_secret()).map_err(|_| Unusable::Credential)?;
    value.set_sensitive(true);
    Ok(value)
}

fn uris(base: &Url) -> Result<[Uri; Call::ALL.len()], Unusable> {
    let base = base.as_str().trim_end_matches('/');
    let mut uris = <[Uri; Call::ALL.len()]>::default();
    for (slot, call) in uris.iter_mut().zip(Call::ALL) {
        *slot = format!("{base}{}", call.path()).parse().map_err(|_| Unusable::Address)?;
    }
    Ok(uris)
}

/// The head of a request, built from an allow-list. The length of the body and what one client asked
/// for come behind it.
fn head(uri: &Uri, auth: Option<&HeaderValue>) -> SecretString {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let agent = upstream::USER_AGENT;
    let auth = auth.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let auth = auth.map(|value| format!("authorization: {value}\r\n")).unwrap_or_default();
    SecretString::from(format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nuser-agent: {agent}\r\n{auth}"
    ))
}

/// What a compatible server does not know it leaves alone; OpenAI itself refuses it.
fn knows(kind: ProviderKind) -> Knows {
    let is_compatible = kind == ProviderKind::OpenAiCompatible;
    Knows {
        completion_tokens: output_field(kind) == OutputField::CompletionTokens,
        choice_objects: kind == ProviderKind::OpenAi,
        cache_marks: kind == ProviderKind::OpenAi,
        top_k: is_compatible,
        reasoning_content: is_compatible,
        ..Knows::default()
    }
}

/// OpenAI's newer models refuse `max_tokens`; other servers may not know the newer name.
const fn output_field(kind: ProviderKind) -> OutputField {
    match kind {
        ProviderKind::OpenAi => OutputField::CompletionTokens,
        ProviderKind::Echo
        | ProviderKind::OpenAiCompatible
        | ProviderKind::Anthropic
        | ProviderKind::Google => OutputField::Tokens,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uris_of(base: &str) -> Vec<String> {
        let uris = uris(&Url::parse(base).unwrap()).unwrap();
        uris.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_call_has_its_address_below_the_base() {
        let expected = ["chat/completions", "completions", "embeddings", "responses", "messages"];
        for (base, below) in [
            ("https://api.example", "https://api.example/"),
            ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1/"),
            ("http://[::1]:80/a/v1/", "http://[::1]/a/v1/"),
        ] {
            assert_eq!(uris_of(base), expected.map(|path| format!("{below}{path}")), "{base}");
        }
    }

    #[test]
    fn a_head_names_the_host_and_carries_the_credential_if_there_is_one() {
        let uri: Uri = "http://[::1]:8000/v1/embeddings".parse().unwrap();
        let auth = bearer(&SecretString::from("sk-1")).unwrap();
        assert!(auth.is_sensitive());
        for (auth, end) in [(Some(&auth), "authorization: Bearer sk-1\r\n"), (None, "")] {
            let expected = format!(
                "POST /v1/embeddings HTTP/1.1\r\nhost: [::1]:8000\r\ncontent-type: application/json\r\n\
                 user-agent: {}\r\n{end}",
                upstream::USER_AGENT
            );
            assert_eq!(head(&uri, auth).expose_secret(), expected);
        }
    }

    #[test]
    fn a_credential_that_would_end_its_header_is_refused_and_not_told() {
        let error = bearer(&SecretString::from("sk-1\r\nx: y")).unwrap_err();
        assert!(!error.to_string().contains("sk-1") && !format!("{error:?}").contains("sk-1"));
    }

    #[test]
    fn only_where_the_newer_name_is_known_does_it_bound_the_output() {
        for kind in [ProviderKind::OpenAiCompatible, ProviderKind::Anthropic, ProviderKind::Google]
        {
            assert_eq!(output_field(kind), OutputField::Tokens, "{kind:?}");
        }
        assert_eq!(output_field(ProviderKind::OpenAi), OutputField::CompletionTokens);
    }
}
