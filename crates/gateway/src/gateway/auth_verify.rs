//! `/v1/auth/verify`: whether a key may be used, for services that are not models. Another gateway names
//! the key in a body; a reverse proxy passes on the request that shows it. The decision is that of a
//! call, by the same steps, but for the call.

mod answer;
mod asked;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use doorward_domain::address::AddressRules;
use doorward_domain::credential::{MalformedKey, PlainKey};
use doorward_domain::denial::Denial;
use doorward_domain::id::CallId;
use doorward_domain::presented::Presented as Credential;
use doorward_domain::scope::Scope;
use doorward_store::{Admitted, Cost};
use http::{HeaderMap, StatusCode};
use hyper::body::Body as _;
use jiff::Timestamp;

use answer::{Decision, ForProxy};
use asked::{Asked, Named, Presented};

use super::Gateway;
use super::body::{self, Begun, CallBody};
use crate::answer::Answer;
use crate::error::ProxyError;
use crate::facts::Facts;
use crate::route::Verify;
use crate::verify::{self, Caller};

/// The largest body; what is asked is far smaller.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// When and from where a request comes.
type Whence = (CallId, Timestamp, Option<IpAddr>);

impl Gateway {
    /// Answers one question. What is wrong with it is a problem, as the management API has them.
    pub(super) async fn verify(
        &self,
        question: Verify,
        (headers, body): (&HeaderMap, CallBody),
        whence: Whence,
        facts: &mut Facts,
    ) -> Answer {
        // A proxy that keeps the method of the request it asks about sends no body of it.
        if question.may_name_key && !body.is_end_stream() {
            let answered = self.verify_named((headers, body), whence, facts).await;
            answered.unwrap_or_else(|error| self.refuse_question(&error, whence, facts))
        } else {
            match asked::parse_query(&question.query) {
                Ok(presented) => self.verify_presented(&presented, headers, whence, facts).await,
                Err(faults) => answer::invalid(&faults),
            }
        }
    }

    /// The request's own credential, for a reverse proxy.
    async fn verify_presented(
        &self,
        presented: &Presented,
        headers: &HeaderMap,
        (id, now, address): Whence,
        facts: &mut Facts,
    ) -> Answer {
        let judged = self.judge_presented(presented, headers, (now, address), facts).await;
        let for_proxy = ForProxy { denies_with_403: presented.denies_with_403 };
        let answer = match &judged {
            Ok(caller) => answer::allowed(caller),
            Err(error) => for_proxy.refusal(error),
        };
        let code = judged.as_ref().map_or_else(answer::code, |_| answer::VALID);
        self.log(id, address, facts, (answer.status, code));
        log_fault(id, judged.err().as_ref());
        answer
    }

    async fn judge_presented(
        &self,
        presented: &Presented,
        headers: &HeaderMap,
        (now, address): (Timestamp, Option<IpAddr>),
        facts: &mut Facts,
    ) -> Result<Caller, ProxyError> {
        let address = address.ok_or(Denial::AddressRefused)?;
        let caller = verify::identify(&self.store, headers).await?;
        facts.key = Some(caller.key.key.id);
        let asked = Asked { address: Some(address), ..presented.asked.clone() };
        let (quotas, verdict) = self.decide(&caller, &asked, now).await;
        facts.quotas = quotas;
        verdict?;
        self.note_use(&caller, &asked, address);
        Ok(caller)
    }

    /// A key that somebody with the right to ask names in a body.
    async fn verify_named(
        &self,
        (headers, body): (&HeaderMap, CallBody),
        (id, now, address): Whence,
        facts: &mut Facts,
    ) -> Result<Answer, ProxyError> {
        let address = address.ok_or(Denial::AddressRefused)?;
        let (asker, body) = self.hear(headers, body, (now, address), facts).await?;
        let Named { key, asked } = match asked::parse_body(&body) {
            Ok(named) => named,
            Err(faults) => return Ok(answer::invalid(&faults)),
        };
        let found = match &key {
            Ok(key) => self.find_named(&asker, key, asked.origin.clone()).await?,
            Err(MalformedKey) => None,
        };
        let decision = match found {
            None => Decision::unknown(),
            Some(caller) => {
                let (quotas, verdict) = self.decide(&caller, &asked, now).await;
                if verdict.is_ok() {
                    self.note_use(&caller, &asked, asked.address.unwrap_or(address));
                }
                Decision::of(caller, quotas, verdict)?
            }
        };
        self.log(id, Some(address), facts, (StatusCode::OK, decision.code()));
        Ok(decision.answer())
    }

    /// Lets in whoever asks, and reads what they ask. A body may take a minute to come, and their key
    /// may have ended since.
    async fn hear(
        &self,
        headers: &HeaderMap,
        body: CallBody,
        (now, address): (Timestamp, IpAddr),
        facts: &mut Facts,
    ) -> Result<(Caller, Bytes), ProxyError> {
        let asker = verify::identify(&self.store, headers).await?;
        facts.key = Some(asker.key.key.id);
        verify::check(&asker, Scope::KeysVerify, now, address)?;
        match body::begin(body, BODY_BYTES_MAX)? {
            Begun::Whole(body) => {
                self.note_question(&asker, address);
                Ok((asker, body))
            }
            Begun::Part(first, rest) => {
                let timeout = self.options.body_timeout;
                let body = body::finish(first, rest, BODY_BYTES_MAX, timeout).await?;
                let asker = verify::identify(&self.store, headers).await?;
                let now = self.store.clock().now();
                verify::check(&asker, Scope::KeysVerify, now, address)?;
                self.note_question(&asker, address);
                Ok((asker, body))
            }
        }
    }

    /// The named key or token, where it is one of the asker's organization. An id that there is not takes as long
    /// as a wrong secret, and one of another organization as long as both: the time tells nothing.
    async fn find_named(
        &self,
        asker: &Caller,
        named: &Credential,
        origin: Option<http::HeaderValue>,
    ) -> Result<Option<Caller>, ProxyError> {
        let found = match named {
            Credential::Token(token) => verify::of_token(&self.store, token).await?,
            Credential::Key(named) => self.find_key(asker, named).await?,
        };
        let own = asker.key.key.organization;
        let found = found.filter(|found| found.key.key.organization == own);
        Ok(found.map(|found| Caller { origin, ..found }))
    }

    async fn find_key(
        &self,
        asker: &Caller,
        named: &PlainKey,
    ) -> Result<Option<Caller>, ProxyError> {
        let Some(key) = verify::load(&self.store, &named.id()).await? else {
            black_box(asker.key.secret(black_box(named)));
            return Ok(None);
        };
        let secret = key.secret(named);
        Ok(secret.map(|secret| Caller { key, secret, token: None, origin: None }))
    }

    /// Whether a key may be used so: what a call is asked, in the same order; and what its limits say
    /// then.
    async fn decide(
        &self,
        caller: &Caller,
        asked: &Asked,
        now: Timestamp,
    ) -> (Admitted, Result<(), ProxyError>) {
        let model = match self.check_asked(caller, asked, now).await {
            Ok(model) => model,
            Err(error) => return (Admitted::default(), Err(error)),
        };
        match self.store.spend(&caller.key, model.as_deref(), asked.cost) {
            Ok(Ok(quotas)) => (quotas, Ok(())),
            Ok(Err((denial, quotas))) => (quotas, Err(denial.into())),
            Err(error) => (Admitted::default(), Err(error.into())),
        }
    }

    /// The own name of the model that is asked about, where one is.
    async fn check_asked(
        &self,
        caller: &Caller,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<Option<String>, ProxyError> {
        let address = asked.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        verify::check_use(caller, now, address)?;
        // Of an address that nobody tells, no rule can say that it is allowed.
        if asked.address.is_none() && caller.key.key.rights.addresses != AddressRules::ANY {
            return Err(Denial::AddressRefused.into());
        }
        if !asked.scopes.iter().all(|scope| caller.allows(*scope)) {
            return Err(Denial::InsufficientScope.into());
        }
        let Some(name) = &asked.model else { return Ok(None) };
        match self.find_model(caller, name, &mut None).await {
            Ok(model) => Ok(Some(model.name.to_string())),
            // What it would cost here is not asked.
            Err(ProxyError::Unpriced(model, _)) => Ok(Some(model)),
            Err(error) => Err(error),
        }
    }

    /// Notes that whoever asks has used their key, and for what.
    fn note_question(&self, asker: &Caller, address: IpAddr) {
        self.store.note_scope(&asker.key.key, Scope::KeysVerify);
        self.note_touch(asker, address);
    }

    /// Notes the use that was asked about, and the scopes that it takes.
    fn note_use(&self, caller: &Caller, asked: &Asked, address: IpAddr) {
        if asked.cost == (Cost { requests: 0, tokens: 0 }) {
            return;
        }
        for scope in &asked.scopes {
            self.store.note_scope(&caller.key.key, *scope);
        }
        self.note_touch(caller, address);
    }

    /// Notes a use for people to look at, at most once a minute, beside the answer.
    fn note_touch(&self, caller: &Caller, address: IpAddr) {
        if !self.store.is_use_notable(&caller.key, caller.secret) {
            return;
        }
        let (store, caller) = (Arc::clone(&self.store), caller.clone());
        self.tasks.spawn(async move {
            let noted = store.note_use(&caller.key, caller.secret, address).await;
            if let Err(error) = noted {
                tracing::warn!(%error, key = %caller.key.key.id, "the use of a key is not noted");
            }
        });
    }

    fn refuse_question(
        &self,
        error: &ProxyError,
        (id, _, address): Whence,
        facts: &Facts,
    ) -> Answer {
        let answer = answer::problem_of(error, error.status());
        self.log(id, address, facts, (answer.status, answer::code(error)));
        log_fault(id, Some(error));
        answer
    }

    fn log(
        &self,
        id: CallId,
        address: Option<IpAddr>,
        facts: &Facts,
        (status, code): (StatusCode, &str),
    ) {
        if !status.is_success() {
            self.metrics.count_refusal(status);
        }
        let key = facts.key.as_ref().map(tracing::field::display);
        let address = address.map(tracing::field::display);
        tracing::info!(call = %id, key, address, status = status.as_u16(), code, "verify");
    }
}

fn log_fault(id: CallId, error: Option<&ProxyError>) {
    if let Some(error) = error.filter(|error| error.is_ours()) {
        tracing::warn!(call = %id, error = error as &dyn std::error::Error, "a call failed");
    }
}
