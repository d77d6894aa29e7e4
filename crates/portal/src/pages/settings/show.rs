//! `GET /settings`.

use askama::Template;
use axum::response::Response;
use doorward_domain::role::OrganizationRole;

use super::object::{Organization, Setting, Settings};
use crate::answer::ok;
use crate::form::Form;
use crate::frame::Frame;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

/// Settings that belong together: the name of the heading's text, and theirs. What is in none stands last.
const GROUPS: [(&str, &[&str]); 5] = [
    (
        "settings-keys",
        &[
            "auth-token-max-ttl-minutes",
            "user-key-default-ttl-days",
            "service-key-default-ttl-days",
            "keys-per-user-max",
            "key-prefix",
        ],
    ),
    ("settings-sessions", &["session-idle-minutes", "session-max-hours"]),
    ("settings-notices", &["mail-from", "notice-days", "rotation-reminder-days"]),
    (
        "settings-records",
        &["audit-retention-days", "usage-retention-days", "usage-sums-retention-days"],
    ),
    ("settings-calls", &["spent-budget-status"]),
];

#[derive(Debug, Template)]
#[template(path = "settings/show.html")]
pub(super) struct ShowPage {
    frame: Frame,
    form: Form,
    organization: Organization,
    settings: Vec<Setting>,
    is_owner: bool,
}

impl ShowPage {
    /// The page with a form; what is not typed in it is as it is set.
    pub(super) async fn new(
        visitor: &Visitor,
        form: Form,
        settings: Settings,
    ) -> Result<Self, Refusal> {
        let organization = visitor.api.get("/v1/organization").await?;
        let (frame, settings) = (visitor.frame("/settings"), settings.data);
        let is_owner = visitor.me.role == OrganizationRole::Owner;
        Ok(Self { frame, form, organization, settings, is_owner })
    }

    fn hint(&self, setting: &Setting) -> String {
        setting.hint(self.is_owner)
    }

    /// Headings with their settings.
    fn groups(&self) -> Vec<(&'static str, Vec<&Setting>)> {
        let is_named = |setting: &Setting, names: &[&str]| names.contains(&setting.name.as_str());
        let of = |names: &[&str]| {
            self.settings.iter().filter(|setting| is_named(setting, names)).collect()
        };
        let rest = |setting: &&Setting| !GROUPS.iter().any(|(_, names)| is_named(setting, names));
        let rest: Vec<_> = self.settings.iter().filter(rest).collect();
        let known = GROUPS.iter().map(|(text, names)| (*text, of(names)));
        known.chain((!rest.is_empty()).then_some(("settings-other", rest))).collect()
    }
}

pub(crate) async fn show(visitor: Visitor) -> Result<Response, Refusal> {
    let (settings, version) = visitor.api.get_versioned::<Settings>("/v1/settings").await?;
    let mut form = Form::filled([("version", version)]);
    for setting in &settings.data {
        form.add(&setting.name, setting.text());
    }
    Ok(ok(&ShowPage::new(&visitor, form, settings).await?))
}
