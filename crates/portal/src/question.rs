//! What is asked before something is done that cannot be taken back, or that others will notice.

use askama::Template;

use crate::form::Form;
use crate::frame::Frame;

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
    /// What the button says.
    pub(crate) yes: String,
    /// Where the form goes.
    pub(crate) to: String,
    /// Where the way back leads.
    pub(crate) back: String,
    /// What the way back is called above the title.
    pub(crate) back_title: String,
}
