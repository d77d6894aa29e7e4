//! Which requests are the gateway's, and what each is.

use doorward_domain::model_pattern::MODEL_NAME_BYTES_MAX;
use doorward_domain::scope::Scope;
use http::{Method, Uri};

/// A route of the data plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// A call that a provider answers.
    Call(Call),
    /// `GET /v1/models`: what this key may call.
    Models,
    /// `GET /v1/models/{id}`.
    Model(String),
}

/// A call that a provider answers, in the OpenAI dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `POST /v1/chat/completions`.
    ChatCompletions,
    /// `POST /v1/completions`.
    Completions,
    /// `POST /v1/embeddings`.
    Embeddings,
    /// `POST /v1/responses`.
    Responses,
}

impl Call {
    /// What a key needs for any call.
    pub const SCOPE: Scope = Scope::InferenceWrite;

    /// Every call; the position is the index into a target's addresses.
    pub const ALL: [Self; 4] =
        [Self::ChatCompletions, Self::Completions, Self::Embeddings, Self::Responses];

    /// The path below a provider's base URL, and below `/v1` here.
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
            Self::Responses => "/responses",
        }
    }

    /// Whether the call produces output tokens, so that its output must be bounded and held.
    pub const fn has_output(self) -> bool {
        !matches!(self, Self::Embeddings)
    }
}

impl Route {
    /// The gateway's route for a request, or `None`: it is for the management API.
    ///
    /// A wrong method on a call's path is the gateway's too, so that the answer has its dialect.
    pub fn of(method: &Method, uri: &Uri) -> Option<Result<Self, WrongMethod>> {
        let path = uri.path().strip_prefix("/v1")?;
        if let Some(call) = Call::ALL.into_iter().find(|call| call.path() == path) {
            return Some(if method == Method::POST {
                Ok(Self::Call(call))
            } else {
                Err(WrongMethod)
            });
        }
        let rest = path.strip_prefix("/models")?;
        if method != Method::GET || is_admin_view(uri) {
            return None;
        }
        match rest.strip_prefix('/') {
            None if rest.is_empty() => Some(Ok(Self::Models)),
            Some(name) if !name.is_empty() && name.len() <= 3 * MODEL_NAME_BYTES_MAX => {
                Some(Ok(Self::Model(percent_decode(name))))
            }
            None | Some(_) => None,
        }
    }

    /// What a key must be allowed to do.
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Call(_) => Call::SCOPE,
            Self::Models | Self::Model(_) => Scope::InferenceRead,
        }
    }
}

/// A call's path with another method than `POST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongMethod;

/// `?view=routes` asks the management API how a model is routed.
fn is_admin_view(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "view=routes"))
}

/// Decodes `%XX`; what does not decode stays as it is, and names no model.
fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = tail.first_chunk::<2>().filter(|_| byte == b'%').copied().and_then(hex_byte);
        let (value, used) = escaped.map_or((byte, 1), |value| (value, 3));
        out.push(value);
        rest = rest.get(used..).unwrap_or_default();
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

fn hex_byte(digits: [u8; 2]) -> Option<u8> {
    let text = std::str::from_utf8(&digits).ok()?;
    u8::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_one_owner() {
        let call = |call| Some(Ok(Route::Call(call)));
        let model = |name: &str| Some(Ok(Route::Model(name.to_owned())));
        #[rustfmt::skip]
        let cases = [
            ("POST", "/v1/chat/completions",       call(Call::ChatCompletions)),
            ("POST", "/v1/embeddings",             call(Call::Embeddings)),
            ("POST", "/v1/responses?x=1",          call(Call::Responses)),
            ("GET",  "/v1/chat/completions",       Some(Err(WrongMethod))),
            ("GET",  "/v1/models",                 Some(Ok(Route::Models))),
            ("GET",  "/v1/models/doorward/echo",   model("doorward/echo")),
            ("GET",  "/v1/models/doorward%2Fecho", model("doorward/echo")),
            ("GET",  "/v1/models?view=routes",     None),
            ("GET",  "/v1/models/a?view=routes",   None),
            ("POST", "/v1/models",                 None),
            ("GET",  "/v1/modelsx",                None),
            ("POST", "/v1/api-keys",               None),
            ("GET",  "/",                          None),
        ];
        for (method, uri, expected) in cases {
            let method = method.parse().unwrap();
            assert_eq!(Route::of(&method, &uri.parse().unwrap()), expected, "{method} {uri}");
        }
    }
}
