//! Who belongs to a project.

use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};

use super::object::path_of;
use super::show::show_again;
use crate::answer::see_other;
use crate::api::Sent;
use crate::form::{Form, Kind, Member};
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::{FieldError, Refusal};
use crate::visitor::Visitor;

const MEMBERS: [Member; 1] = [Member { path: "role", kind: Kind::Text }];

/// `POST /projects/{id}/members`: lets somebody in, by name.
pub(crate) async fn add(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let user = form.value("user").trim();
    let made = if user.is_empty() {
        Err(Refusal::not_found())
    } else {
        put(&visitor, &id, user, &form).await
    };
    match made {
        Ok(()) => Ok(done(&id, "member-added")),
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => {
            let form = form.wrong(FieldError::new("user", "member-unknown"));
            show_again(&visitor, &id, form).await
        }
        Err(refusal) => show_again(&visitor, &id, form.refused(refusal)?).await,
    }
}

/// `POST /projects/{id}/members/{user}`: another role.
pub(crate) async fn set(
    Path((id, user)): Path<(String, String)>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    put(&visitor, &id, &user, &form).await?;
    Ok(done(&id, "member-saved"))
}

/// `POST /projects/{id}/members/{user}/remove`.
pub(crate) async fn remove(
    Path((id, user)): Path<(String, String)>,
    Posted { visitor, form: _ }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("{}/members/{}", path_of(&id), segment(&user));
    visitor.api.act(Method::DELETE, &path, None, Sent::default()).await?;
    Ok(done(&id, "member-removed"))
}

async fn put(visitor: &Visitor, id: &str, user: &str, form: &Form) -> Result<(), Refusal> {
    let path = format!("{}/members/{}", path_of(id), segment(user));
    visitor.api.act(Method::PUT, &path, Some(&form.body(&MEMBERS)), Sent::default()).await
}

fn done(id: &str, what: &str) -> Response {
    see_other(&format!("/projects/{}?done={what}", segment(id)))
}
