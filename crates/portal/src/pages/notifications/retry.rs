//! `POST /notifications/notices/{id}/retry`.

use axum::extract::Path;
use axum::response::Response;
use http::Method;

use crate::answer::see_other;
use crate::api::Sent;
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;

pub(crate) async fn retry(
    Path(id): Path<String>,
    Posted { visitor, form: _ }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("/v1/notices/{}/retry", segment(&id));
    visitor.api.act(Method::POST, &path, None, Sent::default()).await?;
    Ok(see_other("/notifications?done=notice-retried"))
}
