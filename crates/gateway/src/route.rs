//! Which requests are the gateway's, and what each is.

use doorward_dialect::Dialect;
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
    /// `OPTIONS` on one of those: a browser asks whether its page may call. Anybody else is told which
    /// methods there are.
    Preflight(WrongMethod),
    /// `/v1/auth/verify`: another service asks whether a key may be used.
    Verify(Verify),
}

/// How another service asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verify {
    /// Whether the request can be one about another key, named in its body.
    pub may_name_key: bool,
    /// The query; empty where it is that of a request which a proxy asks about.
    pub query: String,
}

/// A call that a provider answers.
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
    /// `POST /v1/messages`.
    Messages,
}

impl Call {
    /// What a key needs for any call.
    pub const SCOPE: Scope = Scope::InferenceWrite;

    /// Every call; the position is the index into a target's addresses.
    pub const ALL: [Self; 5] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Responses,
        Self::Messages,
    ];

    /// The path below a provider's base URL, and below `/v1` here.
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
            Self::Responses => "/responses",
            Self::Messages => "/messages",
        }
    }

    /// How the client speaks.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::ChatCompletions | Self::Completions | Self::Embeddings | Self::Responses => {
                Dialect::OpenAi
            }
            Self::Messages => Dialect::Anthropic,
        }
    }

    /// The call that asks the same of a provider of this dialect. `None`: there is none.
    pub const fn said_in(self, dialect: Dialect) -> Option<Self> {
        match (self, dialect) {
            (Self::ChatCompletions | Self::Messages, Dialect::OpenAi) => {
                Some(Self::ChatCompletions)
            }
            (Self::ChatCompletions | Self::Messages, Dialect::Anthropic) => Some(Self::Messages),
            (Self::Completions | Self::Embeddings | Self::Responses, Dialect::OpenAi) => Some(self),
            (_, Dialect::Anthropic | Dialect::Google) => None,
        }
    }

    /// Whether the call produces output tokens, so that its output must be bounded and held.
    pub const fn has_output(self) -> bool {
        !matches!(self, Self::Embeddings)
    }
}

impl Route {
    /// How its client speaks, and is answered.
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Call(call) => call.dialect(),
            Self::Preflight(other) => other.dialect,
            Self::Models | Self::Model(_) | Self::Verify(_) => Dialect::OpenAi,
        }
    }

    /// The gateway's route for a request, or `None`: it is for the management API.
    ///
    /// A wrong method on a call's path is the gateway's too, so that the answer has its dialect.
    pub fn of(method: &Method, uri: &Uri) -> Option<Result<Self, WrongMethod>> {
        let path = uri.path().strip_prefix("/v1")?;
        if let Some(rest) = path.strip_prefix("/auth/verify") {
            return Verify::of(method, rest, uri.query()).map(|verify| Ok(Self::Verify(verify)));
        }
        if let Some(call) = Call::ALL.into_iter().find(|call| call.path() == path) {
            return Some(match *method {
                Method::POST => Ok(Self::Call(call)),
                Method::OPTIONS => Ok(Self::Preflight(WrongMethod::of(call))),
                _ => Err(WrongMethod::of(call)),
            });
        }
        let rest = path.strip_prefix("/models")?;
        if method == Method::OPTIONS && (rest.is_empty() || rest.starts_with('/')) {
            let has = if rest.is_empty() { MODELS } else { MODEL };
            return Some(Ok(Self::Preflight(has)));
        }
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
}

impl Verify {
    /// A proxy may send any method, and Envoy puts its own path in front of that of the request: then
    /// the query is the client's, who must not choose what is asked.
    fn of(method: &Method, rest: &str, query: Option<&str>) -> Option<Self> {
        let is_exact = rest.is_empty();
        (is_exact || rest.starts_with('/')).then(|| Self {
            may_name_key: is_exact && method == Method::POST,
            query: query.filter(|_| is_exact).unwrap_or_default().to_owned(),
        })
    }
}

/// A path with a method that it does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongMethod {
    /// Those that it has, those of the management API included.
    pub allow: &'static str,
    /// How the client is told.
    pub dialect: Dialect,
}

impl WrongMethod {
    const fn of(call: Call) -> Self {
        Self { allow: "POST", dialect: call.dialect() }
    }
}

const MODELS: WrongMethod = WrongMethod { allow: "GET,HEAD,POST", dialect: Dialect::OpenAi };
const MODEL: WrongMethod = WrongMethod { allow: "GET,HEAD,PATCH,DELETE", dialect: Dialect::OpenAi };

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
        const CALLS: WrongMethod = WrongMethod::of(Call::ChatCompletions);
        let call = |call| Some(Ok(Route::Call(call)));
        let model = |name: &str| Some(Ok(Route::Model(name.to_owned())));
        let preflight = |has| Some(Ok(Route::Preflight(has)));
        let verify = |may_name_key, query: &str| {
            Some(Ok(Route::Verify(Verify { may_name_key, query: query.to_owned() })))
        };
        #[rustfmt::skip]
        let cases = [
            ("POST", "/v1/chat/completions",       call(Call::ChatCompletions)),
            ("POST", "/v1/embeddings",             call(Call::Embeddings)),
            ("POST", "/v1/responses?x=1",          call(Call::Responses)),
            ("POST", "/v1/messages?beta=true",     call(Call::Messages)),
            ("GET",  "/v1/chat/completions",       Some(Err(CALLS))),
            ("GET",  "/v1/messages",               Some(Err(WrongMethod::of(Call::Messages)))),
            ("GET",  "/v1/models",                 Some(Ok(Route::Models))),
            ("GET",  "/v1/models/doorward/echo",   model("doorward/echo")),
            ("GET",  "/v1/models/doorward%2Fecho", model("doorward/echo")),
            ("GET",  "/v1/models?view=routes",     None),
            ("GET",  "/v1/models/a?view=routes",   None),
            ("POST", "/v1/models",                 None),
            ("OPTIONS", "/v1/chat/completions",    preflight(CALLS)),
            ("OPTIONS", "/v1/models",              preflight(MODELS)),
            ("OPTIONS", "/v1/models/a",            preflight(MODEL)),
            ("OPTIONS", "/v1/modelsx",             None),
            ("OPTIONS", "/v1/api-keys",            None),
            ("GET",  "/v1/auth/verify",            verify(false, "")),
            ("GET",  "/v1/auth/verify?deny=403",   verify(false, "deny=403")),
            ("POST", "/v1/auth/verify",            verify(true, "")),
            ("PUT",  "/v1/auth/verify",            verify(false, "")),
            ("POST", "/v1/auth/verify/a/b?deny=1", verify(false, "")),
            ("GET",  "/v1/auth/verifyx",           None),
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
