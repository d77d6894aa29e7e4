//! `/v1/notices`: what was told, waits to be told, or could not be told.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_domain::email::EmailAddress;
use doorward_domain::id::{NoticeId, WebhookId};
use doorward_domain::notice::{DeliveryFault, NoticeKind, NoticeState};
use doorward_store::{Notice, NoticeFilter, Receiver};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::Control;
use crate::api::list::List;
use crate::caller::Caller;
use crate::openapi::text::Channel;
use crate::problem::ApiError;
use crate::request::{Params, PathText};

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(list_notices, show_notice, retry_notice))]
pub(crate) struct Described;

const NOUN: &str = "notice";

/// A notice, as answers show it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notice)]
pub(crate) struct NoticeObject {
    id: NoticeId,
    #[schema(pattern = "^notice$")]
    object: &'static str,
    #[schema(value_type = NoticeKind)]
    kind: &'static str,
    /// The id of what it is about.
    subject: String,
    /// So many days before or after it.
    #[schema(required)]
    threshold_days: Option<u16>,
    #[schema(value_type = Channel)]
    channel: &'static str,
    #[schema(required)]
    recipient: Option<EmailAddress>,
    #[schema(required)]
    webhook: Option<WebhookId>,
    #[schema(value_type = NoticeState)]
    state: &'static str,
    attempts: u32,
    #[schema(required)]
    next_attempt_at: Option<Timestamp>,
    #[schema(value_type = Option<DeliveryFault>, required)]
    last_error: Option<&'static str>,
    created_at: Timestamp,
    #[schema(required)]
    sent_at: Option<Timestamp>,
}

impl From<Notice> for NoticeObject {
    fn from(notice: Notice) -> Self {
        let (channel, recipient, webhook) = match notice.receiver {
            Receiver::Mail(address) => ("mail", Some(address), None),
            Receiver::Webhook(id) => ("webhook", None, Some(id)),
        };
        Self {
            id: notice.id,
            object: "notice",
            kind: notice.kind.as_str(),
            subject: notice.subject,
            threshold_days: notice.threshold_days,
            channel,
            recipient,
            webhook,
            state: notice.state.as_str(),
            attempts: notice.attempts,
            next_attempt_at: notice.next_attempt_at,
            last_error: notice.last_error.map(DeliveryFault::as_str),
            created_at: notice.created_at,
            sent_at: notice.sent_at,
        }
    }
}

/// Lists the notices, newest first; those that could not be delivered with `state=dead`.
#[utoipa::path(
    get,
    path = "/v1/notices",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200), ("after" = Option<String>, Query), ("state" = Option<NoticeState>, Query), ("kind" = Option<NoticeKind>, Query), ("subject" = Option<String>, Query, min_length = 1)),
    responses((status = 200, body = List<NoticeObject>)),
)]
pub(crate) async fn list_notices(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<NoticeObject>, ApiError> {
    let (limit, after) = (params.limit(), params.parse::<NoticeId>("after"));
    let filter = NoticeFilter {
        state: params.parse_filter::<NoticeState>("state"),
        kind: params.parse_filter::<NoticeKind>("kind"),
        subject: params.filter("subject"),
    };
    params.finish()?;
    let page = control.store.list_notices(caller.organization(), &filter, after, limit).await?;
    let rows: Vec<NoticeObject> = page.rows.into_iter().map(NoticeObject::from).collect();
    let next = rows.last().map(|notice| notice.id.to_string());
    Ok(List::page(rows, page.has_more, next))
}

/// Shows one notice.
#[utoipa::path(
    get,
    path = "/v1/notices/{id}",
    responses((status = 200, body = NoticeObject)),
)]
pub(crate) async fn show_notice(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Json<NoticeObject>, ApiError> {
    Ok(Json(get(&control, &caller, &id).await?.into()))
}

/// Sends a notice again that is dead, or one that is waiting at once.
#[utoipa::path(
    post,
    path = "/v1/notices/{id}/retry",
    responses((status = 202, body = NoticeObject)),
)]
pub(crate) async fn retry_notice(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    let notice = get(&control, &caller, &id).await?;
    let is_forgotten = notice.kind.carries_secret() && notice.state == NoticeState::Dead;
    if is_forgotten || !matches!(notice.state, NoticeState::Dead | NoticeState::Waiting) {
        return Err(over());
    }
    let retried = control.store.retry_notice(&caller.act(control.now()), notice.id).await?;
    Ok((StatusCode::ACCEPTED, Json(NoticeObject::from(retried))).into_response())
}

fn over() -> ApiError {
    ApiError::Conflict {
        code: "notice_over",
        detail: "The notice was delivered, what it tells is no longer so, or the secret that it carried \
                 is forgotten: it is not sent again."
            .to_owned(),
        field: None,
    }
}

async fn get(control: &Control, caller: &Caller, text: &str) -> Result<Notice, ApiError> {
    let id: NoticeId = text.parse().map_err(|_| ApiError::NotFound(NOUN))?;
    let found = control.store.find_notice(caller.organization(), id).await?;
    found.ok_or(ApiError::NotFound(NOUN))
}
