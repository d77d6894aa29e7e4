//! The outbox: what is to be told stands here before anybody is told.
//!
//! A notice is a row, written in the transaction of what it tells: there is no change of which nobody
//! learns, and no notice of what did not happen. One row is one receiver and is delivered until that
//! receiver has it, or until it is dead. A process that dies between the delivery and its note in the
//! row delivers again, under the same id: a receiver can tell the second from a new one, while a
//! notice that was never delivered at all could not be told from one that was not needed.
//!
//! Neither planning nor delivering is an act of anybody's: the rows themselves are the record.

mod budgets;
mod deliver;
mod list;
mod plan;
mod recipients;
mod secret;

use doorward_domain::email::EmailAddress;
use doorward_domain::id::{NoticeId, OrganizationId, WebhookId};
use doorward_domain::notice::{DeliveryFault, NoticeKind, NoticeState};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::StoreError;
use crate::db::{parsed, parsed_json, timestamp};
use crate::row::row;

pub use deliver::{Delivery, Outcome};
pub use list::NoticeFilter;
pub use plan::Planned;
pub(crate) use recipients::Addressed;
pub(crate) use secret::CANCEL;

/// Where a notice goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// By mail to this address.
    Mail(EmailAddress),
    /// To this webhook.
    Webhook(WebhookId),
}

/// A way that notices of an organization take. What waits on one does not keep another waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NoticeTarget {
    /// Whose.
    pub organization: OrganizationId,
    /// `None`: by mail.
    pub webhook: Option<WebhookId>,
}

/// A notice to be put into the outbox.
#[derive(Debug, Clone)]
pub struct NewNotice {
    /// What it tells.
    pub kind: NoticeKind,
    /// The id of what it is about.
    pub subject: String,
    /// As of when: the end of the key, or since when its secret is there. It is told only as long as
    /// that has not changed. `None`: it holds whatever happens.
    pub about: Option<Timestamp>,
    /// So many days before or after it.
    pub threshold_days: Option<u16>,
    /// Who is told.
    pub receiver: Receiver,
    /// What would be the same notice has the same text here, and is put once.
    pub dedup_key: String,
    /// What is told, for programs and for whoever words the mail. Never a secret.
    pub data: Map<String, Value>,
    /// What its mail carries that nobody else is to read. It stands in the row sealed, until the mail is
    /// delivered, dead or cancelled.
    pub secret: Option<SecretString>,
}

/// A notice as it stands.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Its id.
    pub id: NoticeId,
    /// Whose.
    pub organization: OrganizationId,
    /// What it tells.
    pub kind: NoticeKind,
    /// The id of what it is about.
    pub subject: String,
    /// As of when; see [`NewNotice::about`].
    pub about: Option<Timestamp>,
    /// So many days before or after it.
    pub threshold_days: Option<u16>,
    /// Who is told.
    pub receiver: Receiver,
    /// What is told.
    pub data: Map<String, Value>,
    /// What became of it.
    pub state: NoticeState,
    /// How often it was tried, since it was last asked for.
    pub attempts: u32,
    /// When it is tried next, while it waits.
    pub next_attempt_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub last_error: Option<DeliveryFault>,
    /// When it was put here.
    pub created_at: Timestamp,
    /// When the receiver had it.
    pub sent_at: Option<Timestamp>,
}

/// Puts a notice once, and does nothing for one that is there.
pub(crate) const PUT: &str = "
    INSERT INTO notices (id, organization_id, dedup_key, kind, subject, about_us, threshold_days,
        webhook_id, recipient, data, sealed, state, attempts, next_attempt_at_us, created_at_us)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'waiting', 0, $12, $12)
    ON CONFLICT (organization_id, dedup_key) DO NOTHING";

/// Puts a notice into the outbox, inside an open transaction of either engine: it goes out once that is
/// committed. `?` acts on the caller.
macro_rules! put_notice {
    ($store:expr, $tx:ident, $organization:expr, $at:expr, $notice:expr) => {{
        let notice: &$crate::notices::NewNotice = $notice;
        let (webhook, recipient) = notice.receiver.columns();
        let id = $store.new_id(doorward_domain::id::NoticeId::new).to_string();
        sqlx::query($crate::notices::PUT)
            .bind(&id)
            .bind($organization.to_string())
            .bind(&notice.dedup_key)
            .bind(notice.kind.as_str())
            .bind(&notice.subject)
            .bind(notice.about.map(jiff::Timestamp::as_microsecond))
            .bind(notice.threshold_days.map(i64::from))
            .bind(webhook)
            .bind(recipient)
            .bind($crate::db::json_text("notice", &notice.data)?)
            .bind($store.sealed_secret($organization, &id, notice.secret.as_ref())?)
            .bind($at.as_microsecond())
            .execute(&mut *$tx)
            .await?
            .rows_affected()
    }};
}
pub(crate) use put_notice;

impl Receiver {
    /// Whether it is this mailbox, as addresses are compared.
    pub(crate) fn is_mailbox(&self, folded: Option<&str>) -> bool {
        match self {
            Self::Mail(address) => folded == Some(address.folded().as_str()),
            Self::Webhook(_) => false,
        }
    }

    /// The columns `webhook_id` and `recipient`, of which one is `NULL`.
    pub(crate) fn columns(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::Mail(address) => (None, Some(address.to_string())),
            Self::Webhook(id) => (Some(id.to_string()), None),
        }
    }

    fn parse(webhook: Option<&str>, recipient: Option<&str>) -> Result<Self, StoreError> {
        match (webhook, recipient) {
            (Some(id), None) => parsed("webhook", id).map(Self::Webhook),
            (None, Some(address)) => parsed("recipient", address).map(Self::Mail),
            (Some(_), Some(_)) | (None, None) => {
                Err(StoreError::Corrupt("receiver of a notice".to_owned()))
            }
        }
    }
}

impl Notice {
    /// The way that it takes.
    pub fn target(&self) -> NoticeTarget {
        let webhook = match self.receiver {
            Receiver::Mail(_) => None,
            Receiver::Webhook(id) => Some(id),
        };
        NoticeTarget { organization: self.organization, webhook }
    }
}

/// The columns of [`NoticeRow`], for every query that reads notices.
macro_rules! notice_columns {
    () => {
        "id, organization_id, kind, subject, about_us, threshold_days, webhook_id, recipient, data,
         state, attempts, next_attempt_at_us, last_error, created_at_us, sent_at_us"
    };
}
use notice_columns;

row! {
    struct NoticeRow {
        id: String,
        organization_id: String,
        kind: String,
        subject: String,
        about_us: Option<i64>,
        threshold_days: Option<i64>,
        webhook_id: Option<String>,
        recipient: Option<String>,
        data: String,
        state: String,
        attempts: i64,
        next_attempt_at_us: Option<i64>,
        last_error: Option<String>,
        created_at_us: i64,
        sent_at_us: Option<i64>,
    }
}

impl NoticeRow {
    fn parse(self) -> Result<Notice, StoreError> {
        let number = |_| StoreError::Corrupt("number of a notice".to_owned());
        Ok(Notice {
            id: parsed("notice", &self.id)?,
            organization: parsed("organization", &self.organization_id)?,
            kind: parsed("kind of notice", &self.kind)?,
            subject: self.subject,
            about: self.about_us.map(timestamp).transpose()?,
            threshold_days: self.threshold_days.map(u16::try_from).transpose().map_err(number)?,
            receiver: Receiver::parse(self.webhook_id.as_deref(), self.recipient.as_deref())?,
            data: parsed_json("data of a notice", &self.data)?,
            state: parsed("state of a notice", &self.state)?,
            attempts: u32::try_from(self.attempts).map_err(number)?,
            next_attempt_at: self.next_attempt_at_us.map(timestamp).transpose()?,
            last_error: self.last_error.map(|text| parsed("error", &text)).transpose()?,
            created_at: timestamp(self.created_at_us)?,
            sent_at: self.sent_at_us.map(timestamp).transpose()?,
        })
    }
}
