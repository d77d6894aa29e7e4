//! The one page that shows a key: after it was made, or got a new secret.

use askama::Template;
use secrecy::ExposeSecret as _;

use super::object::NewKey;
use crate::frame::Frame;
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "keys/created.html")]
pub(super) struct CreatedPage {
    frame: Frame,
    key: NewKey,
}

impl CreatedPage {
    pub(super) fn new(visitor: &Visitor, key: NewKey) -> Self {
        Self { frame: visitor.frame("/keys"), key }
    }

    /// The one string; empty where it is not shown any more: the form was sent again, too late.
    fn plain(&self) -> &str {
        self.key.key.as_ref().map(|key| key.expose_secret()).unwrap_or_default()
    }

    fn secret_key(&self) -> &str {
        self.key.secret_key.as_ref().map(|key| key.expose_secret()).unwrap_or_default()
    }
}
