//! `GET /service-accounts`.

use askama::Template;
use axum::response::Response;
use jiff::Timestamp;

use super::Account;
use crate::answer::ok;
use crate::api::List;
use crate::frame::Frame;
use crate::names::Names;
use crate::pages::keys::object::Key;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "service_accounts/list.html")]
struct ListPage {
    frame: Frame,
    query: Query,
    accounts: Vec<Account>,
    names: Names,
    keys: Vec<Key>,
    next: Option<String>,
}

/// Keys that are looked at for how many each account has: a page of the API.
const KEYS_MAX: usize = 200;

/// The keys of an account.
#[derive(Debug)]
struct Held {
    /// How many work; of an account with a great many, at least so many.
    count: String,
    last_used_at: Option<Timestamp>,
}

impl ListPage {
    fn held(&self, account: &Account) -> Held {
        let own: Vec<_> = self.keys.iter().filter(|key| key.owner == account.id).collect();
        let is_cut = self.keys.len() >= KEYS_MAX;
        let plus = if is_cut { "+" } else { "" };
        Held {
            count: format!("{}{plus}", own.len()),
            last_used_at: own.iter().filter_map(|key| key.last_used_at).max(),
        }
    }
}

pub(crate) async fn list(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let path = query.path("/v1/service-accounts", &["q", "after"], &[("limit", "50")]);
    let List { data: accounts, next } = visitor.api.get::<List<Account>>(&path).await?;
    let next = next.map(|after| query.path("/service-accounts", &["q"], &[("after", &after)]));
    // Those that were used last come first: where there are more than this, the last use still is one.
    let keys = format!("/v1/api-keys?kind=service&status=active&sort=-last_used&limit={KEYS_MAX}");
    let keys = visitor.api.get::<List<Key>>(&keys).await?.data;
    let names = Names::of(&visitor, accounts.iter().map(|account| account.project.as_str())).await;
    Ok(ok(&ListPage {
        frame: visitor.frame("/service-accounts"),
        query,
        accounts,
        names,
        keys,
        next,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fake::{Fake, key};

    #[tokio::test]
    async fn each_account_has_its_keys_counted_and_its_last_use() {
        let account = |id: &str| {
            json!({
                "id": id, "name": id, "description": "", "project": "prj_1", "status": "active",
                "created_at": "2026-11-01T12:00:00Z",
            })
        };
        let mut keys = vec![key("a"), key("b")];
        keys[0]["last_used_at"] = json!("2026-11-22T11:30:00Z");
        for one in &mut keys {
            one["owner"] = json!("sva_1");
        }
        let portal = Fake::new(
            "admin",
            &[
                (
                    "GET /v1/service-accounts?limit=50",
                    200,
                    json!({ "data": [account("sva_1"), account("sva_2")], "next": null }),
                ),
                (
                    "GET /v1/api-keys?kind=service&status=active&sort=-last_used&limit=200",
                    200,
                    json!({ "data": keys, "next": null }),
                ),
            ],
        );
        let shown = portal.get("/service-accounts").await.text;
        let row =
            |id: &str| shown.split("<tr>").find(|row| row.contains(&format!("/{id}\""))).unwrap();
        assert!(row("sva_1").contains(">2<") && row("sva_1").contains("30 minutes ago"), "{shown}");
        assert!(row("sva_2").contains(">0<") && row("sva_2").contains("never"), "{shown}");
    }

    #[tokio::test]
    async fn a_search_goes_to_the_api_and_is_kept_by_a_fresh_look() {
        let portal = Fake::new(
            "admin",
            &[
                (
                    "GET /v1/service-accounts?q=mail&limit=50",
                    200,
                    json!({ "data": [], "next": "m" }),
                ),
                (
                    "GET /v1/api-keys?kind=service&status=active&sort=-last_used&limit=200",
                    200,
                    json!({ "data": [], "next": null }),
                ),
            ],
        );
        let shown = portal.get("/service-accounts?q=mail").await.text;
        assert!(shown.contains("name=\"q\" value=\"mail\""), "{shown}");
        assert!(
            shown.contains("No service account is like that.")
                && shown.contains("<a class=\"button quiet\" href=\"/service-accounts\">"),
            "{shown}"
        );
        assert!(
            shown.contains("<a class=\"button icon\" href=\"/service-accounts?q=mail\""),
            "{shown}"
        );
    }
}
