//! A person, as pages show them.

use doorward_domain::role::OrganizationRole;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;

use crate::bounds::Bounds;
use crate::query::with_query;
use crate::visitor::Me;

/// What the API says of a user.
#[derive(Debug, Deserialize)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: Option<String>,
    pub(crate) role: OrganizationRole,
    /// `active` or `disabled`.
    pub(crate) status: String,
    pub(crate) keys: usize,
    pub(crate) has_password: bool,
    pub(crate) has_second_factor: bool,
    pub(crate) last_seen_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    #[serde(flatten)]
    pub(crate) bounds: Bounds,
    /// The projects that they are a member of; empty in lists.
    #[serde(default)]
    pub(crate) projects: Vec<Membership>,
}

/// A project of somebody.
#[derive(Debug, Deserialize)]
pub(crate) struct Membership {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: String,
}

/// Where somebody is signed in.
#[derive(Debug, Deserialize)]
pub(crate) struct Session {
    pub(crate) address: String,
    pub(crate) user_agent: String,
    pub(crate) created_at: Timestamp,
    pub(crate) last_seen_at: Timestamp,
    pub(crate) is_current: bool,
}

/// A link to set a password, as the one answer has it that makes it.
#[derive(Debug, Deserialize)]
pub(crate) struct Link {
    /// `invitation` or `reset`.
    pub(crate) purpose: String,
    /// `None`: it was mailed, or was shown before.
    pub(crate) token: Option<SecretString>,
    pub(crate) mailed_to: Option<String>,
    pub(crate) expires_at: Timestamp,
}

impl Person {
    pub(crate) fn is_disabled(&self) -> bool {
        self.status == "disabled"
    }

    /// The class and text of their status: `invited` until they came for the first time.
    pub(crate) fn state(&self) -> &str {
        let is_invited = !self.is_disabled() && !self.has_password && self.last_seen_at.is_none();
        if is_invited { "invited" } else { &self.status }
    }

    /// The list of their keys.
    pub(crate) fn keys_path(&self) -> String {
        with_query("/keys", [("of", "all"), ("owner", self.id.as_str())].into_iter())
    }

    /// The name of the text that says how they sign in.
    pub(crate) fn sign_in(&self) -> &'static str {
        match (self.has_password, self.has_second_factor) {
            (false, _) => "person-no-password",
            (true, false) => "person-password",
            (true, true) => "person-second-factor",
        }
    }

    /// Whether somebody may change them: nobody reaches above their own role.
    pub(crate) fn may_be_changed_by(&self, me: &Me) -> bool {
        me.role.is_at_least(self.role)
    }
}

/// The roles that somebody may give, the least first.
pub(crate) fn roles_of(me: &Me) -> Vec<&'static str> {
    use OrganizationRole::{Admin, Member, Owner, Viewer};
    let all = [Viewer, Member, Admin, Owner];
    let within = all.into_iter().filter(|role| me.role.is_at_least(*role));
    within.map(OrganizationRole::as_str).collect()
}
