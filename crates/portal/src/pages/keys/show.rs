//! `GET /keys/{id}`: everything about one key.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use doorward_domain::key::KeyStatus;
use jiff::Timestamp;
use serde::Deserialize;

use super::object::{Gauge, Key, amount, limits_of, period_text};
use crate::answer::ok;
use crate::api::List;
use crate::chart::Chart;
use crate::frame::Frame;
use crate::money::count;
use crate::pages::requests::Increase;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::text::{is_there, text, text_with};
use crate::usage::{Period, Usage};
use crate::visitor::Visitor;

/// Of how many days its usage is shown.
const DAYS: i64 = 30;
/// How many acts of its audit log are shown.
const ENTRIES: u32 = 20;

#[derive(Debug, Template)]
#[template(path = "keys/show.html")]
struct ShowPage {
    frame: Frame,
    key: Key,
    /// Pictures of what it used; empty: nothing.
    charts: Vec<Chart>,
    denials: Vec<Denial>,
    unused: Option<Unused>,
    /// What was done to it, newest first. `None`: that is not known now.
    audit: Option<Vec<Entry>>,
    /// What was asked for and nobody has decided.
    asked: Option<Increase>,
    may_change: bool,
    may_call: bool,
}

#[derive(Debug, Deserialize)]
struct Denial {
    code: String,
    times: u64,
    last_at: Timestamp,
    last_model: Option<String>,
    last_ip: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Unused {
    is_too_young: bool,
    scopes: Vec<UnusedScope>,
    models: Vec<UnusedPattern>,
}

#[derive(Debug, Deserialize)]
struct UnusedScope {
    scope: String,
}

#[derive(Debug, Deserialize)]
struct UnusedPattern {
    pattern: String,
}

#[derive(Debug, Deserialize)]
struct Entry {
    at: Timestamp,
    actor: String,
    actor_name: Option<String>,
    action: String,
}

impl Denial {
    /// Why, in words: `model not on its list: gpt-5`. A code that is newer than the words is told as it is.
    fn words(&self) -> String {
        let name = format!("denial-{}", self.code.replace('_', "-"));
        let words = if is_there(&name) { text(&name) } else { self.code.clone() };
        match &self.last_model {
            Some(model) => format!("{words}: {model}"),
            None => words,
        }
    }
}

impl Entry {
    /// Who did it: by name, as the audit log has it.
    fn who(&self) -> String {
        match self.actor.as_str() {
            "system" => text("audit-system"),
            id => self.actor_name.clone().unwrap_or_else(|| id.to_owned()),
        }
    }

    /// What was done, in words.
    fn words(&self) -> String {
        let name = format!("deed-{}", self.action.replace(['.', '_'], "-"));
        if is_there(&name) { text(&name) } else { self.action.clone() }
    }
}

impl Unused {
    fn has_any(&self) -> bool {
        !(self.is_too_young || self.scopes.is_empty() && self.models.is_empty())
    }

    fn words(&self) -> String {
        let scopes = self.scopes.iter();
        let scopes = scopes.map(|one| text(&format!("scope-{}", one.scope.replace(':', "-"))));
        let models = self.models.iter().map(|one| one.pattern.clone());
        scopes.chain(models).collect::<Vec<_>>().join(", ")
    }
}

impl ShowPage {
    fn gauges(&self) -> Vec<Gauge> {
        self.key.gauges().collect()
    }

    /// Each limit that it has, and what it is raised to for a while.
    fn limits(&self) -> Vec<(String, String, Option<String>)> {
        let raised = self.key.increase.as_ref().map(|held| limits_of(&held.limits));
        let raised = raised.map(|all| all.map(|(_, limit)| limit)).unwrap_or_default();
        let own = limits_of(&self.key.limits).into_iter().zip(raised);
        own.filter_map(|((name, limit), raised)| {
            let said = |limit: std::num::NonZeroU32| count(limit.get().into());
            let label = text(&format!("limit-{}", name.replace('_', "-")));
            Some((label, said(limit?), raised.map(said)))
        })
        .collect()
    }

    /// Budgets that are raised for a while, in words.
    fn raised_budgets(&self) -> Vec<String> {
        let held = self.key.increase.iter().flat_map(|held| &held.budgets);
        held.map(|budget| format!("{} {}", amount(budget), text(period_text(budget.period))))
            .collect()
    }

    /// Limits for some models: the pattern, and what is limited.
    fn model_limits(&self) -> Vec<(String, String)> {
        let words = |name: &str, limit: String| {
            text_with(&format!("limited-{}", name.replace('_', "-")), "n", limit)
        };
        let all = self.key.model_limits.iter().map(|one| {
            let limits = limits_of(&one.limits).into_iter();
            let said =
                limits.filter_map(|(name, limit)| Some(words(name, count(limit?.get().into()))));
            (one.model.to_string(), said.collect::<Vec<_>>().join(", "))
        });
        all.collect()
    }

    /// Its scopes in words, and as the API calls them.
    fn scopes(&self) -> Vec<(String, &str)> {
        let words = |scope: &String| text(&format!("scope-{}", scope.replace(':', "-")));
        self.key.scopes.iter().map(|scope| (words(scope), scope.as_str())).collect()
    }

    /// Why it cannot be used or switched on again; empty: it can.
    fn over(&self) -> &'static str {
        match self.key.status {
            KeyStatus::Active | KeyStatus::Disabled => "",
            KeyStatus::Expired => "key-over-expired",
            KeyStatus::Revoked => "key-over-revoked",
        }
    }

    fn is_expired(&self) -> bool {
        self.key.status == KeyStatus::Expired
    }

    /// Whether a secret that was replaced still works.
    fn overlaps(&self) -> bool {
        !self.key.previous_secrets.is_empty()
    }

    /// A description's words in the right number.
    fn times(&self, denial: &Denial) -> String {
        text_with("denial-times", "n", denial.times)
    }
}

/// What an edit, a rotation and an end are about.
pub(super) async fn find(visitor: &Visitor, id: &str) -> Result<Key, Refusal> {
    visitor.api.get(&path(id)).await
}

/// Where the API has a key.
pub(super) fn path(id: &str) -> String {
    format!("/v1/api-keys/{}", segment(id))
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    let key: Key = visitor.api.get(&format!("{}?names=true", path(&id))).await?;
    let (path, id) = (path(&id), segment(&id));
    let api = &visitor.api;
    let (period, of_key) = (Period::days(DAYS, visitor.now), [("key", key.id.as_str())]);
    let (denials, unused) = (format!("{path}/denials"), format!("{path}/unused-rights"));
    let audit = format!("{path}/audit?limit={ENTRIES}");
    let asked = format!("/v1/limit-increases?api_key={id}&state=open&limit=1");
    // What the visitor may not see beside the key, or what is not there now, is left out of its page.
    let (usage, denials, unused, audit, asked) = tokio::join!(
        Usage::ask(api, period, &of_key),
        api.get::<List<Denial>>(&denials),
        api.get::<Unused>(&unused),
        api.get::<List<Entry>>(&audit),
        api.get::<List<Increase>>(&asked),
    );
    let used = usage.ok().filter(|usage| usage.total.requests > 0);
    Ok(ok(&ShowPage {
        frame: visitor.frame(key.list_path()),
        charts: used.map(|usage| vec![usage.requests(), usage.cost()]).unwrap_or_default(),
        denials: denials.map(|list| list.data).unwrap_or_default(),
        unused: unused.ok().filter(Unused::has_any),
        audit: audit.ok().map(|list| list.data),
        asked: asked.ok().and_then(|list| list.data.into_iter().next()),
        may_change: visitor.me.may_make_keys(),
        may_call: key.may_call(&visitor),
        key,
    }))
}
