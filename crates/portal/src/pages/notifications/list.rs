//! `GET /notifications`.

use askama::Template;
use axum::response::Response;
use doorward_domain::notice::{NoticeKind, NoticeState};

use super::object::{Mail, Notice, Webhook, kind_words};
use crate::answer::ok;
use crate::api::List;
use crate::frame::Frame;
use crate::pages::settings::Settings;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const FILTERS: [&str; 2] = ["state", "kind"];

#[derive(Debug, Template)]
#[template(path = "notifications/list.html")]
struct ListPage {
    frame: Frame,
    query: Query,
    /// Kinds of notices and what they are called.
    kinds: Vec<(&'static str, String)>,
    states: [&'static str; 4],
    webhooks: Vec<Webhook>,
    notices: Vec<Notice>,
    /// Where the next page of notices is.
    next: Option<String>,
    mail: Mail,
    mail_from: String,
}

impl ListPage {
    fn is_filtered(&self) -> bool {
        self.query.has_any(&FILTERS)
    }

    /// Who is told: an address, or the name of a webhook.
    fn receiver(&self, notice: &Notice) -> String {
        let id = notice.recipient.as_ref().or(notice.webhook.as_ref());
        let id = id.cloned().unwrap_or_default();
        let webhook = self.webhooks.iter().find(|webhook| webhook.id == id);
        webhook.map_or(id, |webhook| webhook.name.clone())
    }
}

pub(crate) async fn list(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let api = &visitor.api;
    let webhooks: List<Webhook> = api.get("/v1/webhooks?limit=200").await?;
    let path = query.path("/v1/notices", &["state", "kind", "after"], &[]);
    let notices: List<Notice> = api.get(&path).await?;
    let mail: Mail = api.get("/v1/organization").await?;
    let settings: Settings = api.get("/v1/settings").await?;
    let path = |after: String| query.path("/notifications", &FILTERS, &[("after", &after)]);
    let kinds = NoticeKind::ALL.map(NoticeKind::as_str);
    Ok(ok(&ListPage {
        frame: visitor.frame("/notifications"),
        kinds: kinds.map(|kind| (kind, kind_words(kind))).to_vec(),
        states: NoticeState::ALL.map(NoticeState::as_str),
        webhooks: webhooks.data,
        next: notices.next.map(path),
        notices: notices.data,
        mail,
        mail_from: settings.text("mail-from"),
        query,
    }))
}
