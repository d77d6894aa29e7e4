//! What stands around every page: the ways to the others, who is signed in, and what was just done.

use std::fmt::Display;

use doorward_domain::scope::Scope;
use jiff::Timestamp;

use crate::assets;
use crate::money;
use crate::text;
use crate::time;
use crate::visitor::Me;

/// The frame of a page, and what templates ask for words and times.
#[derive(Debug)]
pub(crate) struct Frame {
    /// `light` or `dark`, where it was chosen.
    pub(crate) theme: Option<&'static str>,
    /// Who is signed in.
    pub(crate) me: Option<Me>,
    /// What shows that a form is one of this session's.
    pub(crate) csrf: String,
    /// The base URL of clients.
    pub(crate) endpoint: String,
    /// The path of the entry that is marked among the ways.
    pub(crate) here: &'static str,
    /// What was just done.
    pub(crate) notice: Option<String>,
    pub(crate) now: Timestamp,
}

/// One way to a page.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) path: &'static str,
    /// The name of its text.
    pub(crate) text: &'static str,
    whom: Whom,
}

/// Who goes a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    All,
    Admins,
    /// Those who are no administrators: for these, another way shows more.
    Others,
}

/// Ways that belong together.
#[derive(Debug)]
pub(crate) struct Group {
    /// The name of its heading's text; empty: it has none.
    pub(crate) text: &'static str,
    pub(crate) ways: &'static [Way],
}

const fn way(path: &'static str, text: &'static str) -> Way {
    Way { path, text, whom: Whom::All }
}

const fn admin(path: &'static str, text: &'static str) -> Way {
    Way { path, text, whom: Whom::Admins }
}

const fn other(path: &'static str, text: &'static str) -> Way {
    Way { path, text, whom: Whom::Others }
}

const GROUPS: [Group; 3] = [
    Group {
        text: "",
        ways: &[
            way("/keys", "nav-keys"),
            other("/my-models", "nav-models"),
            way("/usage", "nav-usage"),
            way("/playground", "nav-playground"),
            way("/requests", "nav-requests"),
        ],
    },
    Group {
        text: "nav-models",
        ways: &[
            admin("/models", "nav-routing"),
            admin("/providers", "nav-providers"),
            admin("/general-keys", "nav-general-keys"),
        ],
    },
    Group {
        text: "nav-organization",
        ways: &[
            admin("/agent-keys", "nav-agent-keys"),
            admin("/service-accounts", "nav-service-accounts"),
            admin("/projects", "nav-projects"),
            admin("/people", "nav-people"),
            admin("/audit", "nav-audit"),
            admin("/notifications", "nav-notifications"),
            admin("/settings", "nav-settings"),
        ],
    },
];

/// The way that only the menu of whoever is signed in has.
const ACCOUNT: Way = way("/account", "nav-account");

/// Whether a page is one that only administrators have, or below one.
pub(crate) fn is_for_admins(path: &str) -> bool {
    let is_below = |way: &Way| {
        let rest = path.strip_prefix(way.path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let found = GROUPS.iter().flat_map(|group| group.ways).find(|way| is_below(way));
    found.is_some_and(|way| way.whom == Whom::Admins)
}

impl Group {
    /// Those of its ways that somebody may go.
    pub(crate) fn for_visitor(&self, frame: &Frame) -> Vec<&'static Way> {
        let hidden = if frame.is_admin() { Whom::Others } else { Whom::Admins };
        self.ways.iter().filter(|way| way.whom != hidden).collect()
    }
}

impl Frame {
    /// A page that needs nobody to be signed in.
    pub(crate) fn bare(
        theme: Option<&'static str>,
        notice: Option<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            theme,
            me: None,
            csrf: String::new(),
            endpoint: String::new(),
            here: "",
            notice,
            now,
        }
    }

    /// The text of this name.
    pub(crate) fn t(&self, name: &str) -> String {
        text::text(name)
    }

    /// The same, with one value in it.
    pub(crate) fn t1(&self, name: &str, argument: &str, value: impl Display) -> String {
        text::text_with(name, argument, value.to_string())
    }

    /// The same, with two values in it.
    pub(crate) fn t2(
        &self,
        name: &str,
        one: &(&str, impl Display),
        other: &(&str, impl Display),
    ) -> String {
        let values = [one.1.to_string(), other.1.to_string()];
        text::text_of(name, [(one.0, &values[0]), (other.0, &values[1])])
    }

    /// The same, with a number in it.
    pub(crate) fn n(&self, name: &str, number: usize) -> String {
        text::text_with(name, "n", number)
    }

    /// The word for a state: `active`, `soon`, `disabled`.
    pub(crate) fn state(&self, state: &str) -> String {
        self.t(&format!("status-{state}"))
    }

    /// The word for what became of a request: `open`, `granted`.
    pub(crate) fn request(&self, state: &str) -> String {
        self.t(&format!("request-{state}"))
    }

    /// What a scope is called on pages.
    pub(crate) fn scope(&self, scope: &Scope) -> String {
        self.t(&format!("scope-{}", scope.as_str().replace(':', "-")))
    }

    /// What a scope allows, in a sentence.
    pub(crate) fn scope_help(&self, scope: &Scope) -> String {
        self.t(&format!("scope-{}-help", scope.as_str().replace(':', "-")))
    }

    /// The word for a period: `day`, `week`, `month`, `total`.
    pub(crate) fn period(&self, period: &str) -> String {
        self.t(&format!("per-{period}"))
    }

    /// What a role is called on pages: `owner`, `admin`, `member`, `viewer`.
    pub(crate) fn role(&self, role: &str) -> String {
        self.t(&format!("role-{role}"))
    }

    /// What a role may do, in a sentence.
    pub(crate) fn role_help(&self, role: &str) -> String {
        self.t(&format!("role-{role}-help"))
    }

    /// The word for what became of a notice.
    pub(crate) fn notice_state(&self, state: &str) -> String {
        self.t(&format!("notice-state-{state}"))
    }

    /// How long ago or ahead an instant is: `2 minutes ago`, `in 71 days`.
    pub(crate) fn relative(&self, at: &Timestamp) -> String {
        time::relative(*at, self.now)
    }

    /// The day of an instant: `31 Jan 2027`.
    pub(crate) fn day(&self, at: &Timestamp) -> String {
        time::day(*at)
    }

    /// An instant to the second: `31 Jan 2027, 09:30:05 UTC`.
    pub(crate) fn exact(&self, at: &Timestamp) -> String {
        time::exact(*at)
    }

    /// A whole number with its thousands apart.
    pub(crate) fn count(&self, number: &u64) -> String {
        money::count(*number)
    }

    /// Groups of ways to other pages, those without any left out.
    pub(crate) fn groups(&self) -> Vec<&'static Group> {
        GROUPS.iter().filter(|group| !group.for_visitor(self).is_empty()).collect()
    }

    /// The way to the pages that this one belongs to: the first of the crumbs.
    pub(crate) fn section(&self) -> Option<&'static Way> {
        let ways = GROUPS.iter().flat_map(|group| group.ways).chain([&ACCOUNT]);
        ways.into_iter().find(|way| way.path == self.here)
    }

    /// Whether the visitor may do what administrators do.
    pub(crate) fn is_admin(&self) -> bool {
        self.me.as_ref().is_some_and(Me::is_admin)
    }

    /// Whether the visitor may make keys.
    pub(crate) fn may_make_keys(&self) -> bool {
        self.me.as_ref().is_some_and(Me::may_make_keys)
    }

    /// The path of a file of the portal.
    pub(crate) fn asset(&self, name: &str) -> &'static str {
        assets::path(name)
    }
}

#[cfg(test)]
mod tests {
    use crate::fake::Fake;

    use super::*;

    #[test]
    #[rustfmt::skip]
    fn what_administrators_have_is_told_by_its_path() {
        for (path, expected) in [
            ("/people",         true),
            ("/providers/new",  true),
            ("/settings/organization", true),
            ("/peoples",        false),
            ("/keys/new",       false),
            ("/",               false),
        ] {
            assert_eq!(is_for_admins(path), expected, "{path}");
        }
    }

    #[tokio::test]
    async fn a_form_that_ends_in_a_refusal_is_not_shown_and_the_menu_stays() {
        for role in ["member", "viewer"] {
            let portal = Fake::new(role, &[]);
            for path in ["/providers/new", "/people/new", "/service-accounts/new", "/nowhere"] {
                let shown = portal.get(path).await;
                let status = if path == "/nowhere" { 404 } else { 403 };
                assert_eq!(shown.status, status, "{path}");
                assert!(
                    shown.text.contains("href=\"/usage\"")
                        && !shown.text.contains("<form class=\"form"),
                    "{path}"
                );
            }
        }
    }
}
