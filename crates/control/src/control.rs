//! What every use case needs: the store, the time and random bits.

use std::sync::Arc;
use std::time::Duration;

use doorward_domain::id::OrganizationId;
use doorward_store::{Store, StoreError};
use jiff::Timestamp;
use tokio_util::task::TaskTracker;

use crate::attempts::Attempts;
use crate::denials::Denials;
use crate::oauth::Pace;
use crate::problem::ApiError;
use crate::turns::Turns;

/// Most providers that are asked at the same time.
const ASKED_MAX: usize = 8;
/// Longest wait for a turn to ask one.
const ASKED_WAIT_MAX: Duration = Duration::from_secs(5);

/// The control plane over one store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Control {
    pub(crate) store: Arc<Store>,
    pub(crate) denials: Denials,
    pub(crate) attempts: Attempts,
    pub(crate) tokens_issued: Pace,
    /// What goes on after an answer.
    pub(crate) later: TaskTracker,
    /// Asks providers. It has to give up by itself, and must not follow redirects: they would carry
    /// credentials away.
    pub(crate) agent: ureq::Agent,
    /// A thread waits for each provider that is asked.
    pub(crate) asking: Turns,
    pub(crate) allow_private_webhooks: bool,
    /// Whether there is a mail server.
    pub(crate) can_mail: bool,
    /// Where links in mails lead. `None`: nobody said so, and there are none.
    pub(crate) linked_url: Option<Arc<str>>,
}

impl Control {
    /// Takes the open store, and what asks providers: it must give up after some seconds, and follow
    /// no redirect.
    pub fn new(store: Arc<Store>, agent: ureq::Agent) -> Self {
        Self {
            store,
            denials: Denials::default(),
            attempts: Attempts::default(),
            tokens_issued: Pace::default(),
            later: TaskTracker::new(),
            agent,
            asking: Turns::new(ASKED_MAX, ASKED_WAIT_MAX),
            allow_private_webhooks: false,
            can_mail: false,
            linked_url: None,
        }
    }

    /// Whether there is a server that mails are given to.
    #[must_use]
    pub fn with_mail(self, can_mail: bool) -> Self {
        Self { can_mail, ..self }
    }

    /// Where links in mails lead. `None`: nobody said so, and there are none.
    #[must_use]
    pub fn with_links_to(self, url: Option<&str>) -> Self {
        Self { linked_url: url.map(Arc::from), ..self }
    }

    /// Whether webhooks may go to private and loopback addresses.
    #[must_use]
    pub fn allowing_private_webhooks(self, allow_private_webhooks: bool) -> Self {
        Self { allow_private_webhooks, ..self }
    }

    /// Whether an organization sends mail: there is a server, and a sender.
    pub(crate) async fn sends_mail(
        &self,
        organization: OrganizationId,
    ) -> Result<bool, StoreError> {
        let settings = self.store.notice_settings(organization).await?;
        Ok(self.can_mail && settings.mail_from.is_some())
    }

    /// Waits for what goes on after answers, when there are no more requests.
    pub async fn finish(&self) {
        self.later.close();
        self.later.wait().await;
    }

    /// The time, in whole microseconds: what an answer shows is what the database keeps.
    pub(crate) fn now(&self) -> Timestamp {
        whole_microseconds(self.store.clock().now())
    }
}

/// Cuts an instant to what the database keeps of it.
pub(crate) fn whole_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// The two parts of a new id: milliseconds since the Unix epoch, and random bits.
pub(crate) fn id_parts(now: Timestamp) -> Result<(u64, u128), ApiError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| ApiError::Internal(error.to_string()))?;
    let at_ms = u64::try_from(now.as_millisecond()).unwrap_or_default();
    Ok((at_ms, u128::from_be_bytes(random)))
}
