//! Which requests are the gateway's, and what each is.

mod call;

use doorward_dialect::Dialect;
use doorward_dialect::google::Framing;
use doorward_domain::model_pattern::MODEL_NAME_BYTES_MAX;
use http::{HeaderMap, Method, Uri};

pub use call::Call;
pub(crate) use call::{Path, Work};

/// A route of the data plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// A call that a provider answers.
    Call(Call),
    /// The same where the path names the model.
    ModelCall(Call, InPath),
    /// `GET /v1/models` and `GET /v1beta/models`: what this key may call.
    Models(Dialect),
    /// `GET /v1/models/{id}` and `GET /v1beta/models/{id}`.
    Model(Dialect, String),
    /// `OPTIONS` on one of those: a browser asks whether its page may call. Anybody else is told which
    /// methods there are.
    Preflight(WrongMethod),
    /// `/v1/auth/verify`: another service asks whether a key may be used.
    Verify(Verify),
}

/// What the path and the query of a call of Google's dialect say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InPath {
    /// The model.
    pub model: String,
    /// How the pieces of a stream are put one after the other.
    pub framing: Framing,
}

/// How another service asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verify {
    /// Whether the request can be one about another key, named in its body.
    pub may_name_key: bool,
    /// The query; empty where it is that of a request which a proxy asks about.
    pub query: String,
}

impl Route {
    /// How its client speaks, and is answered.
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Call(call) | Self::ModelCall(call, _) => call.dialect(),
            Self::Preflight(other) => other.dialect,
            Self::Models(dialect) | Self::Model(dialect, _) => *dialect,
            Self::Verify(_) => Dialect::OpenAi,
        }
    }

    /// The same for whoever sends these headers. OpenAI's clients, Anthropic's and Google's newer ones ask
    /// the same path what there is: only the second name a version, only the third have a header of Google's.
    #[must_use]
    pub fn for_client(self, headers: &HeaderMap) -> Self {
        let dialect = match self.dialect() {
            Dialect::OpenAi if headers.contains_key("anthropic-version") => Dialect::Anthropic,
            Dialect::OpenAi if headers.contains_key("x-goog-api-key") => Dialect::Google,
            own @ (Dialect::OpenAi | Dialect::Anthropic | Dialect::Google) => own,
        };
        match self {
            Self::Models(_) => Self::Models(dialect),
            Self::Model(_, name) => Self::Model(dialect, name),
            Self::Call(_) | Self::ModelCall(..) | Self::Preflight(_) | Self::Verify(_) => self,
        }
    }

    /// The gateway's route for a request, or `None`: it is for the management API.
    ///
    /// A wrong method on a call's path is the gateway's too, so that the answer has its dialect.
    pub fn of(method: &Method, uri: &Uri) -> Option<Result<Self, WrongMethod>> {
        if let Some(rest) = uri.path().strip_prefix("/v1beta/models") {
            return Self::of_google(method, rest, uri.query());
        }
        let path = uri.path().strip_prefix("/v1")?;
        if let Some(rest) = path.strip_prefix("/auth/verify") {
            return Verify::of(method, rest, uri.query()).map(|verify| Ok(Self::Verify(verify)));
        }
        let mut calls = Call::ALL.into_iter();
        if let Some(call) =
            calls.find(|call| matches!(call.path(), Path::Fixed(one) if one == path))
        {
            return Some(Self::by_method(method, call, || Self::Call(call)));
        }
        let rest = path.strip_prefix("/models")?;
        // Google's newer clients leave the `beta` out.
        if let Some(call) = Self::of_model_call(method, rest, uri.query()) {
            return Some(call);
        }
        if method == Method::OPTIONS && (rest.is_empty() || rest.starts_with('/')) {
            let has = if rest.is_empty() { MODELS } else { MODEL };
            return Some(Ok(Self::Preflight(has)));
        }
        if method != Method::GET || is_admin_view(uri) {
            return None;
        }
        Self::of_models(Dialect::OpenAi, rest).map(Ok)
    }

    /// The list of models, or one of them. `rest`: what stands behind `/models`.
    fn of_models(dialect: Dialect, rest: &str) -> Option<Self> {
        match rest.strip_prefix('/') {
            None if rest.is_empty() => Some(Self::Models(dialect)),
            Some(name) => Some(Self::Model(dialect, model_name(name)?)),
            None => None,
        }
    }

    /// `rest`: what stands behind `/v1beta/models`. Nothing there is for the management API.
    fn of_google(
        method: &Method,
        rest: &str,
        query: Option<&str>,
    ) -> Option<Result<Self, WrongMethod>> {
        if let Some(call) = Self::of_model_call(method, rest, query) {
            return Some(call);
        }
        let models = Self::of_models(Dialect::Google, rest)?;
        Some(match *method {
            Method::GET => Ok(models),
            Method::OPTIONS => Ok(Self::Preflight(GOOGLE_MODELS)),
            _ => Err(GOOGLE_MODELS),
        })
    }

    /// A call whose path names the model. `rest`: what stands behind `/models`.
    fn of_model_call(
        method: &Method,
        rest: &str,
        query: Option<&str>,
    ) -> Option<Result<Self, WrongMethod>> {
        let (model, verb) = rest.strip_prefix('/')?.rsplit_once(':')?;
        let mut calls = Call::ALL.into_iter();
        let call = calls.find(|call| matches!(call.path(), Path::Verb(one) if one == verb))?;
        let model = model_name(model)?;
        let framing = if has_pair(query, "alt=sse") { Framing::Events } else { Framing::List };
        Some(Self::by_method(method, call, || Self::ModelCall(call, InPath { model, framing })))
    }

    fn by_method(
        method: &Method,
        call: Call,
        route: impl FnOnce() -> Self,
    ) -> Result<Self, WrongMethod> {
        match *method {
            Method::POST => Ok(route()),
            Method::OPTIONS => Ok(Self::Preflight(WrongMethod::of(call))),
            _ => Err(WrongMethod::of(call)),
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
const GOOGLE_MODELS: WrongMethod = WrongMethod { allow: "GET", dialect: Dialect::Google };
const MODEL: WrongMethod = WrongMethod { allow: "GET,HEAD,PATCH,DELETE", dialect: Dialect::OpenAi };

/// `?view=routes` asks the management API how a model is routed.
fn is_admin_view(uri: &Uri) -> bool {
    has_pair(uri.query(), "view=routes")
}

fn has_pair(query: Option<&str>, wanted: &str) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair == wanted))
}

/// The name of a model in a path; `None`: none can be so.
fn model_name(text: &str) -> Option<String> {
    let is_possible = !text.is_empty() && text.len() <= 3 * MODEL_NAME_BYTES_MAX;
    is_possible.then(|| percent_decode(text))
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
        let model = |name: &str| Some(Ok(Route::Model(Dialect::OpenAi, name.to_owned())));
        let google = |call, model: &str, framing| {
            Some(Ok(Route::ModelCall(call, InPath { model: model.to_owned(), framing })))
        };
        let of_google = |call| Some(Err(WrongMethod::of(call)));
        let preflight = |has| Some(Ok(Route::Preflight(has)));
        let verify = |may_name_key, query: &str| {
            Some(Ok(Route::Verify(Verify { may_name_key, query: query.to_owned() })))
        };
        #[rustfmt::skip]
        let cases = [
            ("POST", "/v1/chat/completions",       call(Call::ChatCompletions)),
            ("POST", "/v1/inference",              call(Call::Inference)),
            ("POST", "/v1/embeddings",             call(Call::Embeddings)),
            ("POST", "/v1/responses?x=1",          call(Call::Responses)),
            ("GET",  "/v1/rerank",                 Some(Err(CALLS))),
            ("POST", "/v1/images/edits",           None),
            ("POST", "/v1/messages?beta=true",     call(Call::Messages)),
            ("GET",  "/v1/chat/completions",       Some(Err(CALLS))),
            ("GET",  "/v1/messages",               Some(Err(WrongMethod::of(Call::Messages)))),
            ("POST", "/v1/messages/count_tokens",  call(Call::MessageTokens)),
            ("GET",  "/v1/models",                 Some(Ok(Route::Models(Dialect::OpenAi)))),
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
            ("POST", "/v1beta/models/g:generateContent",             google(Call::GenerateContent, "g", Framing::List)),
            ("POST", "/v1beta/models/g:streamGenerateContent?alt=sse&x=1", google(Call::StreamGenerateContent, "g", Framing::Events)),
            ("POST", "/v1beta/models/g:streamGenerateContent",       google(Call::StreamGenerateContent, "g", Framing::List)),
            ("POST", "/v1beta/models/doorward/echo:generateContent", google(Call::GenerateContent, "doorward/echo", Framing::List)),
            ("POST", "/v1beta/models/doorward%2Fecho:countTokens",   google(Call::ContentTokens, "doorward/echo", Framing::List)),
            ("POST", "/v1beta/models/llama3:8b:embedContent",        google(Call::EmbedContent, "llama3:8b", Framing::List)),
            ("POST", "/v1beta/models/g:batchEmbedContents",          google(Call::BatchEmbedContents, "g", Framing::List)),
            ("POST", "/v1/models/g:generateContent",                 google(Call::GenerateContent, "g", Framing::List)),
            ("GET",  "/v1/models/llama3:8b",                         model("llama3:8b")),
            ("GET",  "/v1beta/models/g:generateContent",             of_google(Call::GenerateContent)),
            ("OPTIONS", "/v1beta/models/g:generateContent",          preflight(WrongMethod::of(Call::GenerateContent))),
            ("GET",  "/v1beta/models",             Some(Ok(Route::Models(Dialect::Google)))),
            ("GET",  "/v1beta/models/g",           Some(Ok(Route::Model(Dialect::Google, "g".to_owned())))),
            ("POST", "/v1beta/models/g",           Some(Err(GOOGLE_MODELS))),
            ("POST", "/v1beta/models/g:predict",   Some(Err(GOOGLE_MODELS))),
            ("POST", "/v1beta/models/:generateContent", Some(Err(GOOGLE_MODELS))),
            ("POST", "/v1beta/modelsx",            None),
            ("POST", "/v1beta/files",              None),
        ];
        for (method, uri, expected) in cases {
            let method = method.parse().unwrap();
            assert_eq!(Route::of(&method, &uri.parse().unwrap()), expected, "{method} {uri}");
        }
    }
}
