//! `POST /theme`: light, dark, or as the system says.

use axum::response::Response;
use http::header::SET_COOKIE;

use crate::answer::see_other;
use crate::cookie;
use crate::posted::GuestPosted;
use crate::way_back::local_path;

pub(crate) async fn act(GuestPosted { form, .. }: GuestPosted) -> Response {
    let theme = Some(form.value("theme")).filter(|theme| ["light", "dark"].contains(theme));
    let mut response = see_other(local_path(form.value("next")));
    if let Some(cookie) = cookie::keep_theme(theme) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
