//! A request for higher limits, as pages show it.

use doorward_domain::budget::Budget;
use doorward_domain::limit::Limits;
use jiff::Timestamp;
use serde::Deserialize;

use super::ask::same;
use crate::frame::Frame;
use crate::money::count;
use crate::pages::keys::object::{amount, limits_of, period_text};
use crate::query::segment;
use crate::text::{text, text_of};

/// What the API says of one.
#[derive(Debug, Deserialize)]
pub(crate) struct Increase {
    pub(crate) id: String,
    /// What kind the subject is: `key`, `user`, `project`, `organization`.
    of: String,
    pub(crate) subject: String,
    pub(crate) subject_name: String,
    pub(crate) state: String,
    pub(crate) asked: Raise,
    /// What the key has now, while nobody has decided.
    now: Option<Raise>,
    pub(crate) reason: String,
    asked_by: String,
    asked_by_name: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) granted: Option<Raise>,
    pub(crate) ends_at: Option<Timestamp>,
    decided_by: Option<String>,
    decided_by_name: Option<String>,
    pub(crate) decided_at: Option<Timestamp>,
    pub(crate) note: String,
}

/// What is raised, and how high.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Raise {
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default)]
    pub(crate) budgets: Vec<Budget>,
}

impl Raise {
    /// Each figure in words: `Requests per minute 120`.
    pub(crate) fn words(&self) -> Vec<String> {
        let limits = limits_of(&self.limits).into_iter().filter_map(|(name, limit)| {
            let label = text(&format!("limit-{}", name.replace('_', "-")));
            Some(format!("{label} {}", count(limit?.get().into())))
        });
        let budgets = self.budgets.iter();
        let budgets =
            budgets.map(|one| format!("{} {}", amount(one), text(period_text(one.period))));
        limits.chain(budgets).collect()
    }
}

impl Increase {
    /// What is asked for, each figure with what it is now where that is known.
    pub(crate) fn asked_words(&self) -> Vec<String> {
        let Some(own) = &self.now else { return self.asked.words() };
        let limits = limits_of(&own.limits).into_iter().zip(limits_of(&self.asked.limits));
        let limits = limits.filter_map(|((_, now), (_, asked))| asked.map(|_| now));
        let limits = limits.map(|now| now.map(|now| count(now.get().into())));
        let budgets = self.asked.budgets.iter().map(|one| same(&own.budgets, one).map(amount));
        let now = limits.chain(budgets);
        let with = |(asked, now): (String, Option<String>)| match now {
            Some(now) => text_of("request-from", [("asked", &asked), ("now", &now)]),
            None => asked,
        };
        self.asked.words().into_iter().zip(now).map(with).collect()
    }

    /// The page of what is raised.
    pub(crate) fn place(&self) -> String {
        let id = segment(&self.subject);
        match self.of.as_str() {
            "user" => format!("/people/{id}"),
            "project" => format!("/projects/{id}"),
            "organization" => "/settings/organization".to_owned(),
            _ => format!("/keys/{id}"),
        }
    }

    /// Who asked, by name where that was asked for and is known.
    pub(crate) fn asked_by(&self) -> &str {
        self.asked_by_name.as_ref().unwrap_or(&self.asked_by)
    }

    /// Who decided: the same.
    pub(crate) fn decided_by(&self) -> Option<String> {
        match self.decided_by.as_deref()? {
            "system" => Some(text("audit-system")),
            id => Some(self.decided_by_name.clone().unwrap_or_else(|| id.to_owned())),
        }
    }

    pub(crate) fn is_of_key(&self) -> bool {
        self.of == "key"
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state == "open"
    }

    /// Whether it raises its key's limits at this moment, and not for good.
    pub(crate) fn holds(&self, frame: &Frame) -> bool {
        self.state == "granted" && self.ends_at.is_some_and(|at| at > frame.now)
    }
}
