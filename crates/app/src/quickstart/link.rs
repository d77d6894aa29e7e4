//! Makes what was found callable: providers, provider keys, models and their deployments.

use doorward_domain::catalog::{
    Deployment, DeploymentState, Model, Pricing, Provider, ProviderKind, Routing,
};
use doorward_domain::id::{DeploymentId, ProviderId, ProviderKeyId};
use doorward_domain::model_pattern::MODEL_NAME_BYTES_MAX;
use doorward_domain::price::PriceTable;
use doorward_store::{Act, Actor, Bootstrap, NewProviderKey, ProviderKeyEdit, Store};
use secrecy::{ExposeSecret as _, SecretString};

use super::discover::{Candidate, Found, Origin};
use crate::output::{self, Linked, Unlinked};

/// The model that is always there.
const ECHO_MODEL: &str = "doorward/echo";
/// Providers that are read in one go.
const PROVIDERS_AT_ONCE: u32 = 200;
/// Names of models without a price that are spelled out.
const UNPRICED_SHOWN: usize = 5;

/// What was linked, and what was not.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) linked: Vec<Linked>,
    pub(super) unlinked: Vec<Unlinked>,
}

impl Report {
    /// The model that a first call should go to: one that chats, on this machine before any that
    /// costs money.
    pub(super) fn model_to_try(&self) -> String {
        let mut providers: Vec<&Linked> = self.linked.iter().collect();
        providers.sort_by_key(|linked| !linked.is_free);
        let names = providers.iter().flat_map(|linked| &linked.models);
        let chats = |name: &&String| *name != ECHO_MODEL && is_chat_model(name);
        names.clone().find(chats).map_or(ECHO_MODEL, String::as_str).to_owned()
    }
}

/// Whether a model of this name answers chats, as far as names tell.
fn is_chat_model(name: &str) -> bool {
    const OTHERS: [&str; 17] = [
        "embed",
        "rerank",
        "whisper",
        "tts",
        "audio",
        "realtime",
        "transcribe",
        "image",
        "imagen",
        "dall-e",
        "sora",
        "veo",
        "moderation",
        "instruct-0914",
        "babbage",
        "davinci",
        "codex",
    ];
    let name = name.to_ascii_lowercase();
    !OTHERS.iter().any(|other| name.contains(other))
}

/// Links everything that was found, and the echo. Doing it again changes nothing.
pub(super) async fn link_all(
    store: &Store,
    made: &Bootstrap,
    found: Vec<Found>,
) -> anyhow::Result<Report> {
    let mut linker =
        Linker { store, made, prices: PriceTable::built_in()?, report: Report::default() };
    for found in found {
        linker.link(found).await?;
    }
    linker.link_echo().await?;
    Ok(linker.report)
}

struct Linker<'a> {
    store: &'a Store,
    made: &'a Bootstrap,
    prices: PriceTable,
    report: Report,
}

/// What became of one model.
enum Fate {
    /// It can be called under this name.
    Callable(String),
    /// The table has no price for it.
    Unpriced,
    /// Its name cannot be a model's name, or all its names are taken.
    Unusable,
}

/// The provider that models are linked to.
struct Link {
    provider: Provider,
    /// The credential and its name.
    provider_key: Option<(ProviderKeyId, String)>,
    pricing: Pricing,
}

impl Linker<'_> {
    fn act(&self) -> Act {
        let at = self.store.clock().now();
        Act { organization: self.made.organization, actor: Actor::System, at }
    }

    async fn link(&mut self, found: Found) -> anyhow::Result<()> {
        let Found { candidate, models } = found;
        let names = match models {
            Ok(names) => names,
            Err(reason) => {
                self.note_unanswered(&candidate, &reason);
                // A key is kept: its provider may answer tomorrow. An address without one is not.
                match candidate.origin {
                    Origin::Variable(..) => Vec::new(),
                    Origin::Port | Origin::Named => return Ok(()),
                }
            }
        };
        let provider = self.provider(&candidate).await?;
        let provider_key = self.provider_key(&candidate).await?;
        let pricing = if candidate.is_local { Pricing::Free } else { Pricing::Listed };
        let link = Link { provider, provider_key, pricing };
        let linked = self.link_models(&link, names).await?;
        self.report.linked.push(Linked {
            provider: link.provider.name,
            origin: origin(&candidate),
            models: linked,
            is_free: candidate.is_local,
        });
        Ok(())
    }

    fn note_unanswered(&mut self, candidate: &Candidate, reason: &str) {
        let what = match candidate.origin {
            Origin::Variable(variable, _) => format!(
                "The models of {}: {reason}. The key of {variable} is kept; start again to retry.",
                candidate.name
            ),
            Origin::Port | Origin::Named => format!("{}: {reason}.", candidate.base_url),
        };
        self.report.unlinked.push(Unlinked { what, command: None });
    }

    /// The provider at this address; its name may have been changed since it was made.
    async fn provider(&self, candidate: &Candidate) -> anyhow::Result<Provider> {
        let known = self.providers().await?;
        let base_url = (candidate.kind != ProviderKind::Echo).then(|| candidate.base_url.clone());
        let is_same = |p: &&Provider| p.kind == candidate.kind && p.base_url == base_url;
        if let Some(same) = known.iter().find(is_same) {
            return Ok(same.clone());
        }
        let is_free = |name: &String| !known.iter().any(|provider| provider.name == *name);
        let name = free_name(&candidate.name, is_free);
        let act = self.act();
        let provider = Provider {
            id: ProviderId::new(at_ms(&act), self.random()),
            organization: self.made.organization,
            name,
            kind: candidate.kind,
            base_url,
            region: None,
            provider_keys: Vec::new(),
            health_check: None,
            created_at: act.at,
            updated_at: act.at,
        };
        self.store.create_provider(&act, &provider).await?;
        Ok(provider)
    }

    /// All that there are, page by page.
    async fn providers(&self) -> anyhow::Result<Vec<Provider>> {
        let mut known: Vec<Provider> = Vec::new();
        loop {
            let after = known.last().map(|provider| provider.name.clone());
            let page = self
                .store
                .list_providers(self.made.organization, after.as_deref(), PROVIDERS_AT_ONCE)
                .await?;
            if page.is_empty() {
                return Ok(known);
            }
            known.extend(page);
        }
    }

    /// The credential of the environment, in the vault; a changed one replaces the stored one.
    async fn provider_key(
        &self,
        candidate: &Candidate,
    ) -> anyhow::Result<Option<(ProviderKeyId, String)>> {
        let Origin::Variable(variable, value) = &candidate.origin else { return Ok(None) };
        let (act, organization) = (self.act(), self.made.organization);
        let known = self.store.find_provider_key_by_name(organization, &candidate.name).await?;
        let Some(known) = known else {
            let (name, note) = (candidate.name.clone(), format!("From {variable}"));
            let new = NewProviderKey { name, value: value.clone(), note };
            let made = self.store.create_provider_key(&act, new).await?;
            return Ok(Some((made.id, made.name)));
        };
        let stored: SecretString = self.store.reveal_provider_key(organization, known.id).await?;
        if stored.expose_secret() != value.expose_secret() {
            let edit = ProviderKeyEdit { value: Some(value.clone()), ..ProviderKeyEdit::default() };
            self.store.edit_provider_key(&act, known.id, edit).await?;
        }
        Ok(Some((known.id, known.name)))
    }

    async fn link_models(
        &mut self,
        link: &Link,
        names: Vec<String>,
    ) -> anyhow::Result<Vec<String>> {
        let (mut linked, mut unpriced, mut unusable) = (Vec::new(), Vec::new(), 0_usize);
        for name in names {
            match self.link_model(link, &name).await? {
                Fate::Callable(public) => linked.push(public),
                Fate::Unpriced => unpriced.push(name),
                Fate::Unusable => unusable += 1,
            }
        }
        if let Some(first) = unpriced.first() {
            let command = price_command(first, link);
            let what = unpriced_words(&unpriced, &link.provider.name);
            self.report.unlinked.push(Unlinked { what, command: Some(command) });
        }
        if unusable > 0 {
            let what = format!("{unusable} models of {} have unusable names.", link.provider.name);
            self.report.unlinked.push(Unlinked { what, command: None });
        }
        Ok(linked)
    }

    /// Under its own name if that is free or means the same at the same price, else with the
    /// provider's name in front: a free model must never lend its price to one that costs money.
    async fn link_model(&self, link: &Link, name: &str) -> anyhow::Result<Fate> {
        if !is_model_name(name) {
            return Ok(Fate::Unusable);
        }
        if let Some(fate) = self.link_as(link, name, name).await? {
            return Ok(fate);
        }
        let long = format!("{}/{name}", link.provider.name);
        if !is_model_name(&long) {
            return Ok(Fate::Unusable);
        }
        Ok(self.link_as(link, &long, name).await?.unwrap_or(Fate::Unusable))
    }

    /// `None`: the name is taken by a model with another price.
    async fn link_as(
        &self,
        link: &Link,
        public: &str,
        upstream: &str,
    ) -> anyhow::Result<Option<Fate>> {
        let (organization, project) = (self.made.organization, self.made.project);
        let known = self.store.find_model_called(organization, project, public).await?;
        let serves =
            |d: &Deployment| d.provider == link.provider.id && d.upstream_model == upstream;
        if known.as_ref().is_some_and(|model| model.deployments.iter().any(serves)) {
            return Ok(Some(Fate::Callable(public.to_owned())));
        }
        if link.pricing.resolve(&self.prices, link.provider.kind, upstream).is_none() {
            return Ok(Some(Fate::Unpriced));
        }
        match known {
            None => self.create_model(link, public, upstream).await?,
            // Somebody made its name an alias of another one: what that is served by is for them to say.
            Some(model) if model.name != public => return Ok(None),
            Some(model) if model.pricing == link.pricing => {
                self.add_deployment(link, model, upstream).await?;
            }
            Some(_) => return Ok(None),
        }
        Ok(Some(Fate::Callable(public.to_owned())))
    }

    async fn create_model(&self, link: &Link, public: &str, upstream: &str) -> anyhow::Result<()> {
        let act = self.act();
        let model = Model {
            organization: self.made.organization,
            name: public.to_owned(),
            aliases: Vec::new(),
            project: None,
            pricing: link.pricing.clone(),
            output_tokens_max: None,
            routing: Routing::Weighted,
            deployments: vec![self.deployment(&act, link, upstream, 0)],
            created_at: act.at,
            updated_at: act.at,
        };
        Ok(self.store.create_model(&act, &model).await?)
    }

    /// The server that was found first stays the first to be tried.
    async fn add_deployment(
        &self,
        link: &Link,
        mut model: Model,
        upstream: &str,
    ) -> anyhow::Result<()> {
        let act = self.act();
        let last = model.deployments.iter().map(|deployment| deployment.priority).max();
        let priority = last.map_or(0, |last| last.saturating_add(1));
        model.deployments.push(self.deployment(&act, link, upstream, priority));
        self.store.edit_model(&act, &model).await?;
        Ok(())
    }

    fn deployment(&self, act: &Act, link: &Link, upstream: &str, priority: u32) -> Deployment {
        Deployment {
            id: DeploymentId::new(at_ms(act), self.random()),
            provider: link.provider.id,
            upstream_model: upstream.to_owned(),
            provider_key: link.provider_key.as_ref().map(|(id, _)| *id),
            weight: 1,
            priority,
            state: DeploymentState::Active,
        }
    }

    async fn link_echo(&mut self) -> anyhow::Result<()> {
        let candidate = Candidate {
            name: ProviderKind::Echo.as_str().to_owned(),
            kind: ProviderKind::Echo,
            base_url: String::new(),
            origin: Origin::Port,
            is_local: true,
        };
        let provider = self.provider(&candidate).await?;
        let link = Link { provider, provider_key: None, pricing: Pricing::Free };
        let models = self.link_models(&link, vec![ECHO_MODEL.to_owned()]).await?;
        let origin = "built in: answers with your own words".to_owned();
        let provider = link.provider.name;
        self.report.linked.push(Linked { provider, origin, models, is_free: true });
        Ok(())
    }

    fn random(&self) -> u128 {
        u128::from(self.store.random_u64()) << 64 | u128::from(self.store.random_u64())
    }
}

fn at_ms(act: &Act) -> u64 {
    u64::try_from(act.at.as_millisecond()).unwrap_or_default()
}

/// The name, or the first of `name-2`, `name-3`, … that is free. At most a thousand providers exist.
fn free_name(name: &str, is_free: impl Fn(&String) -> bool) -> String {
    let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
}

fn origin(candidate: &Candidate) -> String {
    match &candidate.origin {
        Origin::Variable(variable, _) => format!("key of {variable}, now in the vault"),
        Origin::Port | Origin::Named => candidate.base_url.clone(),
    }
}

fn is_model_name(name: &str) -> bool {
    let fits = (1..=MODEL_NAME_BYTES_MAX).contains(&name.len());
    fits && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*')
}

fn unpriced_words(names: &[String], provider: &str) -> String {
    let shown = names.iter().take(UNPRICED_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let rest = names.len().saturating_sub(UNPRICED_SHOWN);
    let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!(
        "No price is known for {shown}{rest} of {provider}. Set it, in dollars per million tokens:"
    )
}

fn price_command(model: &str, link: &Link) -> String {
    let (model, provider) = (output::shell_word(model), output::shell_word(&link.provider.name));
    let key = link.provider_key.as_ref();
    let key = key.map(|(_, name)| format!(" --provider-key {}", output::shell_word(name)));
    let key = key.unwrap_or_default();
    format!(
        "models create {model} --provider {provider}{key} --price-input 0.15 --price-output 0.60"
    )
}

#[cfg(test)]
mod tests;
