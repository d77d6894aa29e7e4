//! `/v1/calls`.

use axum::Json;
use axum::extract::State;
use doorward_domain::id::{CallId, ProjectId};
use doorward_domain::money::NanoUsd;
use doorward_domain::usage::Usage;
use doorward_store::{FinishedCall, KeptText, StoredPrompt};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::Control;
use crate::caller::Caller;
use crate::problem::ApiError;
use crate::request::PathText;

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(show_call, show_prompt))]
pub(crate) struct Described;

const NOUN: &str = "prompt";
const CALL: &str = "call";

/// What a call used, cost and took; nothing of what was asked or answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Call)]
pub(crate) struct CallObject {
    id: CallId,
    #[schema(pattern = "^call$")]
    object: &'static str,
    key: String,
    project: String,
    model: String,
    provider: String,
    /// How it ended.
    #[schema(pattern = "^(done|failed|disconnected|interrupted)$")]
    outcome: String,
    /// The status that it ended with: the provider's, 502 where that could not be reached or refused our credential,
    /// 504 where it took too long. `null`: none.
    #[schema(required)]
    status: Option<u16>,
    /// How often a provider was tried.
    attempts: u64,
    duration_us: u64,
    /// Until the first byte of the answer; `null`: none came.
    #[schema(required)]
    first_byte_us: Option<u64>,
    /// Whether what it used was counted here, for no provider told it.
    is_estimated: bool,
    #[serde(flatten)]
    usage: Usage,
    cost_usd: NanoUsd,
    /// When it began.
    created_at: Timestamp,
}

impl CallObject {
    fn new(id: CallId, call: FinishedCall) -> Self {
        Self {
            id,
            object: "call",
            key: call.key,
            project: call.project,
            model: call.model,
            provider: call.provider,
            outcome: call.outcome,
            status: call.status,
            attempts: call.attempts,
            duration_us: call.duration_us,
            first_byte_us: call.first_byte_us,
            is_estimated: call.is_estimated,
            usage: call.usage,
            cost_usd: call.cost,
            created_at: call.started_at,
        }
    }
}

/// Shows what a call used, cost and took, by the id that its answer has in `x-request-id`; whoever manages
/// no others sees their own calls only.
#[utoipa::path(
    get,
    path = "/v1/calls/{id}",
    responses((status = 200, body = CallObject)),
)]
pub(crate) async fn show_call(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Json<CallObject>, ApiError> {
    let id: CallId = id.parse().map_err(|_| ApiError::NotFound(CALL))?;
    let owner = (!caller.role.manages_others()).then_some(caller.owner());
    let found = control.store.find_call(caller.organization(), owner, id).await?;
    found.map(|call| Json(CallObject::new(id, call))).ok_or(ApiError::NotFound(CALL))
}

/// What was asked and answered in a call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Prompt)]
pub(crate) struct PromptObject {
    #[schema(pattern = "^prompt$")]
    object: &'static str,
    call: CallId,
    project: ProjectId,
    /// Whether e-mail addresses and the numbers of cards and phones were taken out; keys always are.
    redacted: bool,
    /// The body as the client sent it. `null`: a form with a file, of which nothing is kept.
    #[schema(required)]
    request: Option<TextObject>,
    /// What the client got; of a stream, what it said, put together. `null`: a file, of which nothing is
    /// kept.
    #[schema(required)]
    answer: Option<TextObject>,
    /// When the call began.
    created_at: Timestamp,
}

/// A text that is kept.
#[derive(Serialize, ToSchema)]
#[schema(as = PromptText)]
pub(crate) struct TextObject {
    text: String,
    /// Whether it was longer than what is kept of it.
    is_cut: bool,
}

/// Never what it says.
impl std::fmt::Debug for TextObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TextObject({} bytes)", self.text.len())
    }
}

impl From<KeptText> for TextObject {
    fn from(KeptText { text, is_cut }: KeptText) -> Self {
        Self { text, is_cut }
    }
}

impl From<StoredPrompt> for PromptObject {
    fn from(prompt: StoredPrompt) -> Self {
        Self {
            object: "prompt",
            call: prompt.call,
            project: prompt.project,
            redacted: prompt.is_redacted,
            request: prompt.request.map(TextObject::from),
            answer: prompt.answer.map(TextObject::from),
            created_at: prompt.at,
        }
    }
}

/// Shows what was asked and answered in a call, where its project keeps that; each reading is audited.
#[utoipa::path(
    get,
    path = "/v1/calls/{id}/prompt",
    responses((status = 200, body = PromptObject)),
)]
pub(crate) async fn show_prompt(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Json<PromptObject>, ApiError> {
    let call: CallId = id.parse().map_err(|_| ApiError::NotFound(NOUN))?;
    let found = control.store.read_prompt(&caller.act(control.now()), call).await?;
    found.map(|prompt| Json(prompt.into())).ok_or(ApiError::NotFound(NOUN))
}
