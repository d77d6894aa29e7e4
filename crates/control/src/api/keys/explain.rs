//! `POST /v1/api-keys/{id}/explain`: what would be decided about a call, and by which rule. Nothing is
//! called, and nothing is taken from a limit or a budget.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use doorward_domain::address::AddressDecision;
use doorward_domain::bounds::BoundOf;
use doorward_domain::budget::{Amount, NoRoom, Overrun, Period};
use doorward_domain::catalog::Model;
use doorward_domain::credential::KeyId;
use doorward_domain::denial::Denial;
use doorward_domain::key::{ApiKey, KeyStatus};
use doorward_domain::limit::LimitKind;
use doorward_domain::money::NanoUsd;
use doorward_domain::scope::{Scope, ScopeSet};
use doorward_store::{BudgetStanding, ConcurrencyStanding, KeyRecord, LimitStanding, Standing};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::find_latest;
use super::object::HeldObject;
use crate::Control;
use crate::api::bounds::shared_words;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::openapi::text::IpAddress;
use crate::problem::{ApiError, denial_face};
use crate::request::{JsonBody, PathText};

/// What a call would be like; what is not said is not looked at.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ExplainApiKey)]
struct ExplainKey {
    model: Option<String>,
    #[schema(value_type = Option<IpAddress>)]
    ip: Option<IpAddr>,
    #[schema(value_type = Option<Scope>)]
    scope: Option<String>,
    /// The web page; a key that lives in one is used from nowhere else.
    origin: Option<String>,
    at: Option<Timestamp>,
}

/// What is decided, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Explanation {
    #[schema(pattern = "^explanation$")]
    object: &'static str,
    key: KeyId,
    at: Timestamp,
    #[schema(pattern = "^(allowed|denied)$")]
    decision: &'static str,
    /// What a refused call would be told: the code of the first check that fails.
    #[schema(required)]
    code: Option<&'static str>,
    /// The rule that made the decision.
    rule: String,
    /// Every check, in the order in which a call meets them.
    checks: Vec<Check>,
    /// The rate limits as they stand now.
    limits: Vec<LimitObject>,
    /// Calls in flight now.
    #[schema(required)]
    in_flight: Option<u32>,
    /// The budgets as they stand now.
    budgets: Vec<BudgetObject>,
    /// What raises limits or budgets for a while.
    #[schema(required)]
    increase: Option<HeldObject>,
}

/// One check.
#[derive(Debug, Serialize, ToSchema)]
struct Check {
    #[serde(rename = "check")]
    name: &'static str,
    passed: bool,
    #[schema(required)]
    code: Option<&'static str>,
    rule: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LimitStanding)]
struct LimitObject {
    /// Whose it is: the key's own, or what it shares with others.
    of: BoundOf,
    #[schema(pattern = "^(requests|tokens)$")]
    counts: &'static str,
    window_seconds: u64,
    limit: u32,
    remaining: u32,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetStanding)]
struct BudgetObject {
    /// Whose it is: the key's own, or what it shares with others.
    of: BoundOf,
    /// How much money; or `tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    usd: Option<NanoUsd>,
    /// How many tokens; or `usd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<u64>,
    period: Period,
    overrun: Overrun,
    spent_usd: NanoUsd,
    spent_tokens: u64,
    held_usd: NanoUsd,
    held_tokens: u64,
}

impl Check {
    fn new(name: &'static str, denial: Option<Denial>, rule: impl Into<String>) -> Self {
        let code = denial.map(|denial| denial_face(denial).1);
        Self { name, passed: code.is_none(), code, rule: rule.into() }
    }
}

/// Explains what would be decided about a call with an API key, without calling anything.
#[utoipa::path(
    post,
    path = "/v1/api-keys/{id}/explain",
    request_body = Option<ExplainKey>,
    responses((status = 200, body = Explanation)),
)]
pub(crate) async fn explain_key(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    body: Option<JsonBody>,
) -> Result<Json<Explanation>, ApiError> {
    let wish: ExplainKey = body.map_or_else(|| Ok(ExplainKey::default()), |body| body.parse())?;
    let scope = wish.scope()?;
    let KeyRecord { key, increase, .. } = find_latest(&control, &caller, &id).await?;
    let at = wish.at.unwrap_or_else(|| control.now());
    let loaded = control.store.call_key(&key.id).await?;
    let meant = match &wish.model {
        Some(name) => control.store.find_model_called(key.organization, key.project, name).await?,
        None => None,
    };
    // Limits go by the model's own name.
    let model_name = meant.as_ref().map(|model| model.name.as_str()).or(wish.model.as_deref());
    let standing = loaded.as_ref().map(|key| control.store.standing(key, model_name));
    let sees = Sees::of(&caller);
    // What its owner's role leaves of them, and that of whoever made it for somebody else.
    let scopes = loaded.map_or(key.rights.scopes, |loaded| loaded.scopes);
    let mut checks = vec![status(&key, at)];
    checks.extend(wish.ip.map(|address| source(&key, address)));
    checks.push(owner(&control, &key).await?);
    checks.extend(page(&key, wish.origin.as_deref()));
    checks.extend(scope.map(|scope| granted(&key, scopes, scope)));
    if let Some(name) = &wish.model {
        checks.push(model(&key, name, meant.as_ref()));
    }
    checks.extend(standing.iter().flat_map(|standing| within(standing, sees)));
    let increase = increase.map(HeldObject::from);
    Ok(Json(Explanation { increase, ..Explanation::new(key.id, at, checks, (standing, sees)) }))
}

impl ExplainKey {
    /// The scope that is asked for; a model is called with `inference:write`.
    fn scope(&self) -> Result<Option<Scope>, ApiError> {
        let mut faults = Faults::new();
        let named = self.scope.as_ref().and_then(|text| faults.check("scope", text.parse()));
        faults.finish()?;
        Ok(named.or(self.model.as_ref().map(|_| Scope::InferenceWrite)))
    }
}

/// In words, since when and until when the key has its status.
fn status(key: &ApiKey, at: Timestamp) -> Check {
    let life = &key.life;
    let since = |time: Option<Timestamp>| time.map_or_else(String::new, |at| format!(" at {at}"));
    let (denial, rule) = match key.status(at) {
        KeyStatus::Active => (
            None,
            match key.rights.expires_at {
                Some(end) => format!("the key is active and ends at {end}"),
                None => "the key is active and never ends".to_owned(),
            },
        ),
        KeyStatus::Disabled => {
            (Some(Denial::Disabled), format!("the key was disabled{}", since(life.disabled_at)))
        }
        KeyStatus::Expired => {
            (Some(Denial::Expired), format!("the key ended{}", since(key.rights.expires_at)))
        }
        KeyStatus::Revoked => {
            (Some(Denial::Revoked), format!("the key was revoked{}", since(life.revoked_at)))
        }
    };
    Check::new("status", denial, rule)
}

fn source(key: &ApiKey, address: IpAddr) -> Check {
    let decision = key.rights.addresses.decide(address);
    let rule = match decision {
        AddressDecision::Anywhere => {
            "there is no ip_allow, and nothing in ip_deny holds it".to_owned()
        }
        AddressDecision::Allowed(block) => format!("ip_allow: {block}"),
        AddressDecision::NotListed => "nothing in ip_allow holds it".to_owned(),
        AddressDecision::Denied(block) => format!("ip_deny: {block}"),
    };
    let denial = (!decision.is_allowed()).then_some(Denial::AddressRefused);
    Check::new("ip", denial, rule)
}

async fn owner(control: &Control, key: &ApiKey) -> Result<Check, ApiError> {
    let is_active = control.store.is_owner_active(key.organization, key.owner).await?;
    let is = if is_active { "is active" } else { "is not active" };
    let denial = (!is_active).then_some(Denial::OwnerInactive);
    Ok(Check::new("owner", denial, format!("{} {is}", key.owner)))
}

/// Whether the page may use the key; only of one that lives in pages.
fn page(key: &ApiKey, origin: Option<&str>) -> Option<Check> {
    let allowed = key.rights.allowed_origins.as_ref()?;
    let is_allowed = origin.is_some_and(|origin| allowed.allow(origin.as_bytes()));
    let rule = match origin {
        Some(origin) if is_allowed => format!("allowed_origins: {origin}"),
        Some(_) => "nothing in allowed_origins is it".to_owned(),
        None => "the key is for web pages, and no origin was named".to_owned(),
    };
    Some(Check::new("origin", (!is_allowed).then_some(Denial::OriginRefused), rule))
}

fn granted(key: &ApiKey, effective: ScopeSet, scope: Scope) -> Check {
    let rule = match key.rights.scopes.used_for(scope) {
        None => format!("the key has no scope {scope}"),
        Some(_) if !effective.allows(scope) => {
            format!("the role that the key acts with may not do {scope}")
        }
        Some(used) => format!("the scope {used}"),
    };
    Check::new("scope", (!effective.allows(scope)).then_some(Denial::InsufficientScope), rule)
}

/// Whether there is a model that the key means by a name, and whether it may call that one.
fn model(key: &ApiKey, name: &str, meant: Option<&Model>) -> Check {
    let refused = |rule: &str| Check::new("model", Some(Denial::ModelNotFound), rule);
    let own = meant.map_or(name, |model| model.name.as_str());
    let models = &key.rights.models;
    // First, for whoever has the key need not learn which models there are beyond its patterns.
    if !models.allows(own) {
        return refused("no pattern of the key means it");
    }
    if meant.is_none() {
        return refused("there is no such model");
    }
    let rule = match models.pattern_for(own) {
        Some(pattern) => format!("the pattern {pattern}"),
        None => "the key may call every model".to_owned(),
    };
    let alias = if own == name { String::new() } else { format!("; {name} is an alias of {own}") };
    Check::new("model", None, format!("{rule}{alias}"))
}

/// What a limit or budget says that has nothing left; where all have some, that.
/// Whose spending the one who asks may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sees {
    All,
    /// Their own: what a project or the organization spends is for administrators.
    Own,
}

impl Sees {
    fn of(caller: &Caller) -> Self {
        if caller.role.manages_others() { Self::All } else { Self::Own }
    }

    fn includes(self, of: BoundOf) -> bool {
        self == Self::All || !matches!(of, BoundOf::Organization | BoundOf::Project)
    }
}

fn within(standing: &Standing, sees: Sees) -> Vec<Check> {
    vec![concurrency(standing), rates(standing), budgets(standing, sees)]
}

fn concurrency(standing: &Standing) -> Check {
    let left = |one: &&ConcurrencyStanding| one.limit.get().saturating_sub(one.in_flight);
    let Some(tightest) = standing.concurrency.iter().min_by_key(left) else {
        return Check::new("concurrency", None, "there is no limit");
    };
    let ConcurrencyStanding { of, limit, in_flight } = *tightest;
    let rule = format!("{in_flight} of {limit} calls{} are in flight", shared_words(of));
    let is_full = in_flight >= limit.get();
    Check::new("concurrency", is_full.then_some(Denial::TooManyConcurrent(of)), rule)
}

fn rates(standing: &Standing) -> Check {
    let tightest = standing.limits.iter().min_by_key(|limit| limit.quota.remaining);
    let Some(LimitStanding { of, kind, quota }) = tightest else {
        return Check::new("limits", None, "there is no limit");
    };
    let rule = format!(
        "{} of {} {} in {} seconds{} are left",
        quota.remaining,
        quota.limit,
        counted(*kind),
        quota.window_seconds,
        shared_words(*of)
    );
    let retry_after_us = quota.reset_us;
    let denial = Denial::RateLimited { of: *of, kind: *kind, retry_after_us };
    Check::new("limits", (quota.remaining == 0).then_some(denial), rule)
}

fn budgets(standing: &Standing, sees: Sees) -> Check {
    let mut held = None;
    for budget in &standing.budgets {
        let rule = || if sees.includes(budget.of) { in_words(budget) } else { used_up(budget.of) };
        match budget.left {
            Err(NoRoom::Spent) => {
                return Check::new("budgets", Some(Denial::BudgetSpent(budget.of)), rule());
            }
            Err(NoRoom::Held) => held = held.or(Some((budget.of, rule()))),
            Ok(()) => {}
        }
    }
    match held {
        Some((of, rule)) => Check::new("budgets", Some(Denial::BudgetHeld(of)), rule),
        None if standing.budgets.is_empty() => Check::new("budgets", None, "there is no budget"),
        None => Check::new("budgets", None, "every budget has something left"),
    }
}

fn used_up(of: BoundOf) -> String {
    format!("nothing is left of a budget{}", shared_words(of))
}

fn in_words(standing: &BudgetStanding) -> String {
    let (spent, held, of) = (standing.spent, standing.held, shared_words(standing.of));
    match standing.budget.amount {
        Amount::Usd(most) => {
            format!(
                "of ${most}{of}, ${} are spent and ${} held by calls in flight",
                spent.cost, held.cost
            )
        }
        Amount::Tokens(most) => format!(
            "of {most} tokens{of}, {} are spent and {} held by calls in flight",
            spent.tokens, held.tokens
        ),
    }
}

const fn counted(kind: LimitKind) -> &'static str {
    match kind {
        LimitKind::Requests => "requests",
        LimitKind::Tokens => "tokens",
    }
}

impl Explanation {
    fn new(
        key: KeyId,
        at: Timestamp,
        checks: Vec<Check>,
        (standing, sees): (Option<Standing>, Sees),
    ) -> Self {
        let failed = checks.iter().find(|check| !check.passed);
        let (decision, code) = match failed {
            None => ("allowed", None),
            Some(check) => ("denied", check.code),
        };
        let rule = failed.map_or_else(
            || "every check passed".to_owned(),
            |check| format!("{}: {}", check.name, check.rule),
        );
        let in_flight = standing.as_ref().map(|standing| standing.in_flight);
        let (limits, mut budgets) = standing.map(|s| (s.limits, s.budgets)).unwrap_or_default();
        budgets.retain(|standing| sees.includes(standing.of));
        Self {
            object: "explanation",
            key,
            at,
            decision,
            code,
            rule,
            checks,
            limits: limits.into_iter().map(LimitObject::from).collect(),
            in_flight,
            budgets: budgets.into_iter().map(BudgetObject::from).collect(),
            increase: None,
        }
    }
}

impl From<LimitStanding> for LimitObject {
    fn from(LimitStanding { of, kind, quota }: LimitStanding) -> Self {
        Self {
            of,
            counts: counted(kind),
            window_seconds: quota.window_seconds,
            limit: quota.limit,
            remaining: quota.remaining,
        }
    }
}

impl From<BudgetStanding> for BudgetObject {
    fn from(BudgetStanding { of, budget, spent, held, .. }: BudgetStanding) -> Self {
        let (usd, tokens) = match budget.amount {
            Amount::Usd(most) => (Some(most), None),
            Amount::Tokens(most) => (None, Some(most)),
        };
        Self {
            of,
            usd,
            tokens,
            period: budget.period,
            overrun: budget.overrun,
            spent_usd: spent.cost,
            spent_tokens: spent.tokens,
            held_usd: held.cost,
            held_tokens: held.tokens,
        }
    }
}
