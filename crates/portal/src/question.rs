//! What is asked before something is done that cannot be taken back, or that others will notice.

use askama::Template;
use axum::response::Response;
use http::Method;

use crate::answer::{again, see_other};
use crate::api::Sent;
use crate::form::Form;
use crate::frame::Frame;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

/// A page with one question and the button that says yes to it.
#[derive(Debug, Template)]
#[template(path = "question.html")]
pub(crate) struct Question {
    pub(crate) frame: Frame,
    pub(crate) form: Form,
    /// What is asked, with the name of the thing.
    pub(crate) title: String,
    /// What comes of it, a paragraph each.
    pub(crate) lines: Vec<String>,
    /// What else will notice, as the last of the lines says.
    pub(crate) touched: Vec<Touched>,
    /// What the button says. `None`: as things are it cannot be done, and the lines say why.
    pub(crate) yes: Option<String>,
    /// Where the form goes.
    pub(crate) to: String,
    /// Where the way back leads.
    pub(crate) back: String,
    /// What the way back is called above the title.
    pub(crate) back_title: String,
}

/// A thing that will notice.
#[derive(Debug)]
pub(crate) struct Touched {
    /// What it is: `Provider`. Empty: the line before says so.
    pub(crate) noun: String,
    pub(crate) name: String,
    /// The path of its page. `None`: it has none.
    pub(crate) path: Option<String>,
}

/// What a yes does.
#[derive(Debug)]
pub(crate) struct Deed<'a> {
    pub(crate) method: Method,
    /// The path of the API.
    pub(crate) path: &'a str,
    /// The page that says that it is done.
    pub(crate) done: &'a str,
}

impl Question {
    /// Does what was asked, and leads on. Where it is refused, asks again and says why.
    pub(crate) async fn yes(
        self,
        visitor: &Visitor,
        form: Form,
        deed: Deed<'_>,
    ) -> Result<Response, Refusal> {
        match visitor.api.act(deed.method, deed.path, None, Sent::default()).await {
            Ok(()) => Ok(see_other(deed.done)),
            Err(refusal) => Ok(again(&Self { form: form.refused(refusal)?, ..self })),
        }
    }
}
