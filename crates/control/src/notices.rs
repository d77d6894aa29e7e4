//! Notices: planned by a job, delivered by mail and webhook, each way at its own pace.
//!
//! The rows of the outbox are the truth: what is here is only how they get out. Each way (the mails of
//! an organization, or one webhook) is served by one task at a time, so that a receiver that hangs
//! keeps nobody but itself waiting.

mod letter;
mod mail;
mod post;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use doorward_domain::notice::DeliveryFault;
use doorward_store::{Delivery, Notice, NoticeTarget, Outcome, Receiver, Store, StoreError};
use parking_lot::Mutex;
use rustls_pki_types::CertificateDer;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use mail::{MailLogin, MailServer, MailTls};

use letter::Enclosed;
use mail::Mailer;
use post::Poster;

/// How often it is looked for keys of which somebody is to be told.
const PLAN_EVERY: Duration = Duration::from_mins(1);
/// How often it is looked for notices that are due.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Ways that are served at the same time.
const WAYS_MAX: usize = 64;
/// How often it is tried to note what became of a delivery: what is not noted is delivered again.
const NOTES_MAX: u32 = 5;
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// How notices get out.
#[derive(Debug)]
pub struct NoticeOptions {
    /// `None`: no mail is sent.
    pub mail: Option<MailServer>,
    /// Whether webhooks may go to private and loopback addresses.
    pub allow_private_webhooks: bool,
    /// Certificates of the operator's own that receivers of webhooks may be signed by.
    pub webhook_roots: Vec<CertificateDer<'static>>,
    /// Under which URL clients know us, for letters. `None`: they are not told.
    pub public_url: Option<String>,
}

/// Why notices cannot get out: what was configured does not work.
#[derive(Debug, thiserror::Error)]
pub enum NoticeSetupError {
    /// The mail server's.
    #[error("the mail server cannot be used")]
    Mail(#[from] lettre::transport::smtp::Error),
    /// The webhooks'.
    #[error("a certificate for webhooks cannot be used")]
    Webhooks(#[from] rustls::Error),
}

/// Plans and delivers notices. One per process.
#[derive(Debug)]
pub struct Notifier {
    store: Arc<Store>,
    mailer: Option<Mailer>,
    poster: Poster,
    public_url: Option<String>,
    /// The ways that a task is serving.
    busy: Mutex<HashSet<NoticeTarget>>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// The mark that a way is being served, until dropped.
struct Busy<'a>(&'a Notifier, NoticeTarget);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.lock().remove(&self.1);
    }
}

impl Notifier {
    /// From the cancelling of `shutdown` on, nothing more is taken out; what is under way is finished.
    pub fn new(
        store: Arc<Store>,
        options: NoticeOptions,
        shutdown: CancellationToken,
    ) -> Result<Arc<Self>, NoticeSetupError> {
        let tasks = TaskTracker::new();
        // So that it can be waited for whenever nothing is under way.
        tasks.close();
        Ok(Arc::new(Self {
            store,
            mailer: options.mail.map(Mailer::new).transpose()?,
            poster: Poster::new(options.webhook_roots, options.allow_private_webhooks)?,
            public_url: options.public_url,
            busy: Mutex::default(),
            places: Arc::new(Semaphore::new(WAYS_MAX)),
            tasks,
            shutdown,
        }))
    }

    /// Plans and delivers: at once, then again and again, until the shutdown and the end of what is under
    /// way then.
    pub async fn run(self: Arc<Self>) {
        let mut plan_in = Duration::ZERO;
        while !self.shutdown.is_cancelled() {
            if plan_in.is_zero() {
                self.plan().await;
                plan_in = PLAN_EVERY;
            }
            self.start_deliveries().await;
            plan_in = plan_in.saturating_sub(LOOK_EVERY);
            tokio::select! {
                () = self.shutdown.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        self.settled().await;
    }

    /// Puts every notice that is due into the outbox.
    pub async fn plan(&self) {
        match self.store.plan_notices(self.mailer.is_some()).await {
            Ok(planned) => {
                if planned.notices > 0 {
                    tracing::info!(notices = planned.notices, "notices planned");
                }
                if planned.untold_keys > 0 {
                    tracing::warn!(
                        keys = planned.untold_keys,
                        "API keys end soon or have old secrets, and there is nobody to tell: no \
                         webhook, and no mail server, sender or address"
                    );
                }
            }
            Err(error) => tracing::warn!(%error, "notices are not planned"),
        }
    }

    /// Begins to deliver on every way on which something is due, and on which nothing is under way.
    pub async fn start_deliveries(self: &Arc<Self>) {
        let targets = match self.store.due_targets().await {
            Ok(targets) => targets,
            Err(error) => return tracing::warn!(%error, "notices are not delivered"),
        };
        for target in targets {
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
            if self.busy.lock().insert(target) {
                let notifier = Arc::clone(self);
                self.tasks.spawn(async move {
                    notifier.serve(target).await;
                    drop(place);
                });
            }
        }
    }

    /// Waits until nothing is under way.
    pub async fn settled(&self) {
        self.tasks.wait().await;
    }

    /// Delivers what is due on one way, one after the other, until one fails: then the others have to
    /// wait as well, for a moment.
    async fn serve(&self, target: NoticeTarget) {
        let _busy = Busy(self, target);
        while !self.shutdown.is_cancelled() {
            match self.deliver_next(target).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return tracing::warn!(%error, "a notice is not delivered"),
            }
        }
    }

    /// Whether there was one, and it did not fail.
    async fn deliver_next(&self, target: NoticeTarget) -> Result<bool, StoreError> {
        let Some(delivery) = self.store.take_notice(target).await? else { return Ok(false) };
        let outcome =
            if delivery.is_current { self.deliver(&delivery).await? } else { Outcome::Obsolete };
        let notice = delivery.notice;
        if let Outcome::Failed(fault) = outcome {
            let (id, fault, attempt) = (notice.id, fault.as_str(), notice.attempts);
            tracing::warn!(%id, fault, attempt, "a notice could not be delivered");
        }
        self.note(&notice, outcome).await?;
        Ok(!matches!(outcome, Outcome::Failed(_)))
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<Outcome, StoreError> {
        let notice = &delivery.notice;
        let now = self.store.clock().now();
        let done = match &notice.receiver {
            Receiver::Mail(to) => {
                let settings = self.store.notice_settings(notice.organization).await?;
                match (&self.mailer, settings.mail_from) {
                    (Some(mailer), Some(from)) => {
                        let (token, public_url) =
                            (delivery.secret.as_ref(), self.public_url.as_deref());
                        let enclosed = Enclosed { token, public_url };
                        mailer.send((notice, &enclosed), &from, to, now).await
                    }
                    (None, _) | (_, None) => Err(DeliveryFault::NoMailServer),
                }
            }
            Receiver::Webhook(id) => {
                match self.store.webhook_secrets(notice.organization, *id).await? {
                    Some(webhook) => self.poster.send(notice, &webhook, now).await,
                    None => Err(DeliveryFault::Gone),
                }
            }
        };
        Ok(done.map_or_else(Outcome::Failed, |()| Outcome::Sent))
    }

    /// Notes what became of a delivery. A database that is away for a moment must not make of one mail
    /// two.
    async fn note(&self, notice: &Notice, outcome: Outcome) -> Result<(), StoreError> {
        let mut tried = 1;
        loop {
            match self.store.finish_notice(notice, outcome).await {
                Err(_) if tried < NOTES_MAX => tried += 1,
                noted => return noted,
            }
            tokio::time::sleep(NOTE_EVERY).await;
        }
    }
}
