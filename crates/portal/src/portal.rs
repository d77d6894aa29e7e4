//! What every page needs: the API, the time, and where clients reach it.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use jiff::Timestamp;

use crate::pages::audit::Chain;

/// The portal over one management API. Cheap to clone.
#[derive(Clone)]
pub struct Portal {
    /// The management API; it gets each request with the visitor's session and address.
    pub(crate) api: Router,
    /// Where models are called.
    pub(crate) calls: Router,
    /// What clients use as base URL: `https://models.acme.example/v1`.
    pub(crate) endpoint: Arc<str>,
    /// What was last found of the chain of the audit log.
    pub(crate) chain: Chain,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Portal {
    /// Takes the management API, the base URL of clients, and the clock.
    pub fn new(
        api: Router,
        endpoint: &str,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        Self {
            api,
            calls: Router::new(),
            endpoint: endpoint.into(),
            chain: Chain::default(),
            now: Arc::new(now),
        }
    }

    /// Says where calls of models go; they carry a token that stands for a key of the visitor, never the
    /// session.
    #[must_use]
    pub fn with_calls(self, calls: Router) -> Self {
        Self { calls, ..self }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.now)()
    }
}

impl fmt::Debug for Portal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Portal").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
