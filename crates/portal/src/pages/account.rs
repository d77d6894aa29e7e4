//! `/account`: who somebody is here, how they sign in, and where they are signed in.

pub(crate) mod password;
pub(crate) mod second_factor;
pub(crate) mod sessions;

use askama::Template;
use axum::response::Response;

use crate::answer::ok;
use crate::api::List;
use crate::frame::Frame;
use crate::refusal::Refusal;
use crate::text::{text, text_of, text_with};
use crate::visitor::{Me, Visitor};

use sessions::Session;

/// What is marked among the ways: no entry leads here but the menu.
const HERE: &str = "/account";

const MINUTES_PER_DAY: u64 = 24 * 60;

#[derive(Debug, Template)]
#[template(path = "account/show.html")]
struct AccountPage {
    frame: Frame,
    me: Me,
    sessions: Vec<Session>,
}

impl AccountPage {
    /// How many keys they have, of as many as they may have.
    fn keys(&self) -> String {
        let [count, max] = [self.me.key_quota.count, self.me.key_quota.max].map(|n| n.to_string());
        text_of("account-keys-of", [("count", &count), ("max", &max)])
    }

    /// How long a key may live: in days where it is one at least.
    fn lifetime(&self) -> String {
        match self.me.key_quota.max_lifetime_minutes {
            None => text("account-keys-for-ever"),
            Some(minutes @ ..MINUTES_PER_DAY) => text_with("account-keys-minutes", "n", minutes),
            Some(minutes) => text_with("account-keys-days", "n", minutes / MINUTES_PER_DAY),
        }
    }

    /// The projects that they are a member of.
    fn projects(&self) -> String {
        let names: Vec<_> = self.me.projects.iter().map(|project| project.name.as_str()).collect();
        names.join(", ")
    }
}

pub(crate) async fn show(visitor: Visitor) -> Result<Response, Refusal> {
    let sessions: List<Session> = visitor.api.get("/v1/sessions").await?;
    let page = AccountPage { frame: visitor.frame(HERE), me: visitor.me, sessions: sessions.data };
    Ok(ok(&page))
}

#[cfg(test)]
mod tests;
