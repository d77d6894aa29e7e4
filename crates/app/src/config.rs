//! Configuration: where it comes from, how it is checked, and the typed result.
//!
//! The compiled-in `config.default.toml` is both the defaults and the manual. Everything that is
//! wrong is reported together, each problem with the name of its setting.

mod check;
mod layers;
mod notices;
mod settings;
mod telemetry;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use doorward_control::notices::NoticeOptions;
use doorward_domain::address::AddressBlock;
use doorward_gateway::GatewayOptions;
use doorward_gateway::listen::Limits;
use doorward_store::{JournalSync, KeyCaps, MasterKey};
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use jiff::tz::TimeZone;
use rustls_pki_types::CertificateDer;
use secrecy::SecretString;
use url::Url;

pub(crate) use layers::{Override, Sources};

/// The manual: every setting with its default.
pub(crate) const DEFAULT_TOML: &str = include_str!("config.default.toml");

/// Everything that the program is told, parsed and checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) data: Data,
    pub(crate) keys: KeyCaps,
    pub(crate) jobs: Jobs,
    pub(crate) gateway: GatewayOptions,
    pub(crate) notices: NoticeOptions,
    /// Where spans go. `None`: none are recorded.
    pub(crate) collector: Option<Collector>,
    pub(crate) log: Log,
}

/// Where and how to listen.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    /// Under which URL clients know us, without a slash at its end. `None`: by our address.
    pub(crate) public_url: Option<String>,
    pub(crate) transport: Transport,
    pub(crate) drain: Duration,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) metrics_from: Vec<AddressBlock>,
    pub(crate) limits: Limits,
}

/// How bytes travel between clients and us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transport {
    /// In the clear.
    Plain,
    /// Under the operator's certificate.
    Tls {
        /// The chain, PEM.
        cert: PathBuf,
        /// The private key, PEM.
        key: PathBuf,
    },
    /// Under a certificate of our own in the data directory.
    SelfSigned,
}

/// Where data is, and how it is kept.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) dir: PathBuf,
    pub(crate) database_url: Option<SecretString>,
    pub(crate) master_key: Option<MasterKey>,
    pub(crate) journal_sync: JournalSync,
    pub(crate) time_zone: TimeZone,
    pub(crate) call_keys_max: usize,
}

/// What is done again and again.
#[derive(Debug)]
pub(crate) struct Jobs {
    /// How often keys that are over are put away.
    pub(crate) sweep_every: Duration,
}

/// What takes the spans of calls.
#[derive(Debug)]
pub(crate) struct Collector {
    /// Where they are sent.
    pub(crate) url: Url,
    /// What it wants to see; the value is a secret.
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
    pub(crate) service_name: String,
    /// Certificates that it may be signed by, beside the public ones.
    pub(crate) roots: Vec<CertificateDer<'static>>,
}

/// What is logged, and how.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) level: String,
    pub(crate) format: LogFormat,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// One JSON object.
    Json,
    /// For people.
    Text,
}

/// Something wrong with one setting. It never holds the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// As `server.listen`; empty when it is about a whole file.
    pub(crate) setting: String,
    /// What is wrong.
    pub(crate) detail: String,
    /// Where the setting comes from.
    pub(crate) origin: String,
}

/// Everything that is wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.0.len() == 1 { "problem" } else { "problems" };
        write!(f, "the configuration has {} {what}:", self.0.len())?;
        for Problem { setting, detail, origin } in &self.0 {
            match setting.as_str() {
                "" => write!(f, "\n  {origin}: {detail}")?,
                setting => write!(f, "\n  {setting}: {detail} (from {origin})")?,
            }
        }
        Ok(())
    }
}

/// Reads all sources and checks all settings.
pub(crate) fn load(sources: &Sources<'_>) -> Result<Config, Problems> {
    let (settings, origins, problems) = layers::read(sources)?;
    check::check(settings, &origins, problems)
}

#[cfg(test)]
mod tests;
