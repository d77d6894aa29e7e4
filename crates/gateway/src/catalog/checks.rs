//! Which providers are asked whether they are there, how, and whom the answers are about.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use doorward_domain::catalog::Provider;
use doorward_domain::id::{ProviderId, ProviderKeyId};
use url::Url;

use super::{Endpoint, HttpTarget, Target, Unusable, Way};
use crate::health::Health;

/// How one provider is asked.
#[derive(Debug)]
pub(crate) struct Check {
    /// For the log.
    pub(crate) provider: String,
    /// From the end of one round to the next.
    pub(crate) every: Duration,
    /// A round: one question for each credential.
    pub(crate) questions: Vec<Question>,
}

/// What is asked with one credential.
#[derive(Debug)]
pub(crate) struct Question {
    credential: Option<ProviderKeyId>,
    /// One of those that present it there; it is asked as this one is called.
    target: Arc<Target>,
    pub(crate) way: Way,
    /// All of those.
    pub(crate) about: Vec<Arc<Health>>,
}

impl Question {
    /// How to reach the provider. `None`: it is built in.
    pub(crate) fn http(&self) -> Option<&HttpTarget> {
        match &self.target.endpoint {
            Endpoint::Echo => None,
            Endpoint::Http(http) => Some(http),
        }
    }
}

/// All checks, by provider.
#[derive(Debug, Default)]
pub(crate) struct Checks(HashMap<ProviderId, Check>);

impl Checks {
    /// Lets the check of its provider say something about this target; where there is none, what one said is void.
    pub(super) fn add(
        &mut self,
        provider: &Provider,
        credential: Option<ProviderKeyId>,
        target: &Arc<Target>,
    ) -> Result<(), Unusable> {
        let Some(wanted) = &provider.health_check else {
            target.health.is_there();
            return Ok(());
        };
        let Endpoint::Http(http) = &target.endpoint else { return Ok(()) };
        let check = self.0.entry(provider.id).or_insert_with(|| Check {
            provider: provider.name.clone(),
            every: Duration::from_secs(u64::from(wanted.interval_seconds)),
            questions: Vec::new(),
        });
        let health = Arc::clone(&target.health);
        if let Some(same) = check.questions.iter_mut().find(|q| q.credential == credential) {
            same.about.push(health);
            return Ok(());
        }
        let base = provider.base_url.as_deref().ok_or(Unusable::Address)?;
        let base = Url::parse(base).map_err(|_| Unusable::Address)?;
        let way = http.check(&base, wanted.path.as_deref())?;
        let target = Arc::clone(target);
        check.questions.push(Question { credential, target, way, about: vec![health] });
        Ok(())
    }

    pub(crate) fn get(&self, provider: ProviderId) -> Option<&Check> {
        self.0.get(&provider)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ProviderId, &Check)> {
        self.0.iter().map(|(provider, check)| (*provider, check))
    }
}
