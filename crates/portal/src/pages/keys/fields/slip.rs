//! Address lists that do what their author may not have meant.

use doorward_domain::address::{AddressBlock, AddressDecision, AddressRules};

use super::filled;
use crate::form::Form;
use crate::pages::keys::object::Key;
use crate::refusal::FieldError;
use crate::text::{text, text_with};
use crate::visitor::Visitor;

/// What the address lists do that their author may not have meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slip {
    /// There was a list, and now the key works from anywhere.
    Emptied,
    /// The visitor's own address is not on the list.
    NotListed,
    /// It is on the list of those that are refused.
    Denied,
}

impl Slip {
    /// The keys of service accounts are used elsewhere than where they are made.
    pub(super) fn of(visitor: &Visitor, form: &Form, before: Option<&Key>) -> Option<Self> {
        let had_list = before.is_some_and(|key| key.ip_allow.is_some());
        if had_list && form.value("ip_allow").trim().is_empty() {
            return Some(Self::Emptied);
        }
        let is_changed = before.is_none_or(|key| {
            let before = filled(key);
            ["ip_allow", "ip_deny"].iter().any(|name| !same_lines(&before, form, name))
        });
        let is_elsewhere =
            before.is_some_and(Key::is_of_service) || !form.value("service").is_empty();
        if is_elsewhere || !is_changed {
            return None;
        }
        let (allow, deny) = (blocks(form, "ip_allow")?, blocks(form, "ip_deny")?);
        let rules = AddressRules { allow: (!allow.is_empty()).then_some(allow), deny };
        match rules.decide(visitor.address.0) {
            AddressDecision::Anywhere | AddressDecision::Allowed(_) => None,
            AddressDecision::NotListed => Some(Self::NotListed),
            AddressDecision::Denied(_) => Some(Self::Denied),
        }
    }

    fn error(self) -> FieldError {
        match self {
            Self::Emptied => FieldError::new("ip_allow", "ip-allow-emptied"),
            Self::NotListed => FieldError::new("ip_allow", "ip-allow-locks-out"),
            Self::Denied => FieldError::new("ip_deny", "ip-deny-locks-out"),
        }
    }

    /// What says that it is meant.
    pub(super) fn anyway(self, address: &str) -> String {
        match self {
            Self::Emptied => text("ip-anyway-anywhere"),
            Self::NotListed | Self::Denied => text_with("ip-anyway", "address", address),
        }
    }
}

/// What is asked about once, before it is done: a tick says that it is meant.
pub(in crate::pages::keys) fn lockout(
    visitor: &Visitor,
    form: &Form,
    before: Option<&Key>,
) -> Option<FieldError> {
    let slip = Slip::of(visitor, form, before)?;
    (!form.has("anyway", "yes")).then(|| slip.error())
}

fn same_lines(one: &Form, other: &Form, name: &str) -> bool {
    let lines = |form: &Form| -> Vec<String> {
        form.value(name).lines().map(|line| line.trim().to_owned()).collect()
    };
    lines(one) == lines(other)
}

/// `None`: one is none, which the API says better.
fn blocks(form: &Form, name: &str) -> Option<Vec<AddressBlock>> {
    let lines = form.value(name).lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| line.parse().ok()).collect()
}
