//! Webhooks and notices, as pages show them.

use doorward_domain::notice::{NoticeKind, NoticeState};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;

use crate::query::segment;
use crate::text::{is_there, text};

/// Whether mail is sent.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Mail {
    pub(crate) sends_mail: bool,
    /// Where its links lead. `None`: it holds none.
    pub(crate) mails_lead_to: Option<String>,
}

/// What the API says of a webhook.
#[derive(Debug, Deserialize)]
pub(crate) struct Webhook {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) created_at: Timestamp,
}

/// What the API says of a webhook that was just made, or got a new secret.
#[derive(Debug, Deserialize)]
pub(crate) struct NewWebhook {
    #[serde(flatten)]
    pub(crate) webhook: Webhook,
    /// `None` in an answer that is given again, too late.
    pub(crate) secret: Option<SecretString>,
}

/// What the API says of a notice.
#[derive(Debug, Deserialize)]
pub(crate) struct Notice {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) subject: String,
    /// The address of a mail.
    pub(crate) recipient: Option<String>,
    /// The id of a webhook.
    pub(crate) webhook: Option<String>,
    pub(crate) state: String,
    attempts: usize,
    pub(crate) next_attempt_at: Option<Timestamp>,
    last_error: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) sent_at: Option<Timestamp>,
}

impl Notice {
    /// What it tells, in words.
    pub(crate) fn what(&self) -> String {
        kind_words(&self.kind)
    }

    pub(crate) const fn tries(&self) -> usize {
        self.attempts
    }

    /// The class of its state.
    pub(crate) fn class(&self) -> &'static str {
        match self.state.parse() {
            Ok(NoticeState::Waiting) => "soon",
            Ok(NoticeState::Sent) => "active",
            Ok(NoticeState::Dead) => "revoked",
            Ok(NoticeState::Obsolete) | Err(_) => "disabled",
        }
    }

    /// Why the last attempt failed; empty: it did not.
    pub(crate) fn fault(&self) -> String {
        let Some(fault) = &self.last_error else { return String::new() };
        let name = format!("notice-fault-{}", fault.replace('_', "-"));
        if is_there(&name) { text(&name) } else { fault.clone() }
    }

    /// Whether it can be sent again: one that carried a secret has forgotten it.
    pub(crate) fn may_be_retried(&self) -> bool {
        let carries_secret = self.kind.parse::<NoticeKind>().is_ok_and(NoticeKind::carries_secret);
        match self.state.parse() {
            Ok(NoticeState::Waiting) => true,
            Ok(NoticeState::Dead) => !carries_secret,
            Ok(NoticeState::Sent | NoticeState::Obsolete) | Err(_) => false,
        }
    }
}

/// What notices of a kind tell, in words.
pub(super) fn kind_words(kind: &str) -> String {
    let name = format!("notice-kind-{}", kind.replace(['.', '_'], "-"));
    if is_there(&name) { text(&name) } else { kind.to_owned() }
}

/// Where the API has a webhook.
pub(super) fn path_of(id: &str) -> String {
    format!("/v1/webhooks/{}", segment(id))
}

#[cfg(test)]
mod tests {
    use doorward_domain::notice::DeliveryFault;
    use serde_json::json;

    use super::*;

    fn notice(kind: &str, state: &str, fault: Option<&str>) -> Notice {
        serde_json::from_value(json!({
            "id": "ntc_1", "kind": kind, "subject": "s", "recipient": null, "webhook": null,
            "state": state, "attempts": 1, "next_attempt_at": null, "last_error": fault,
            "created_at": "2026-11-22T12:00:00Z", "sent_at": null,
        }))
        .unwrap()
    }

    #[test]
    fn every_kind_and_fault_has_words() {
        for kind in NoticeKind::ALL {
            assert_ne!(kind_words(kind.as_str()), kind.as_str());
        }
        for fault in DeliveryFault::ALL.map(DeliveryFault::as_str) {
            assert_ne!(notice("webhook.test", "dead", Some(fault)).fault(), fault);
        }
    }

    #[test]
    #[rustfmt::skip]
    fn what_is_over_or_has_forgotten_its_secret_is_not_sent_again() {
        for (kind, state, expected) in [
            ("api_key.expiring", "waiting",  true),
            ("api_key.expiring", "dead",     true),
            ("api_key.expiring", "sent",     false),
            ("api_key.expiring", "obsolete", false),
            ("user.invitation",  "waiting",  true),
            ("user.invitation",  "dead",     false),
        ] {
            assert_eq!(notice(kind, state, None).may_be_retried(), expected, "{kind} {state}");
        }
    }
}
