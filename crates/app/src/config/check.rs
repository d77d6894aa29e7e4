//! Turns the settings into what the parts of the program take, and notes all that is wrong.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use doorward_domain::setting::{KEYS_PER_USER_MAX, TTL_MINUTES_MAX};
use doorward_gateway::listen::Limits;
use doorward_gateway::{GatewayOptions, Retries, Timeouts};
use doorward_store::{KeyCaps, MasterKey};
use ipnet::IpNet;
use jiff::tz::TimeZone;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};

use super::layers::Origins;
use super::settings::{
    DataSettings, GatewaySettings, KeySettings, LimitSettings, LogSettings, ServerSettings,
    Settings,
};
use super::{Config, Data, Jobs, Log, Problem, Problems, Server, Transport};
use crate::{base_url, logging};

/// The port of plain HTTP, and of TLS, where the address names none.
const PORT_PLAIN: u16 = 8440;
const PORT_TLS: u16 = 8443;

const DAY_SECONDS: u64 = 86_400;
/// A file with a secret or with certificates is small; anything larger is a mistake.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Checks all settings; `problems` are those that reading them found already.
pub(super) fn check(
    settings: Settings,
    origins: &Origins,
    problems: Vec<Problem>,
) -> Result<Config, Problems> {
    let mut check = Check { origins, problems };
    let server = check.server(&settings.server);
    let data = check.data(settings.data);
    let keys = check.keys(&settings.keys);
    let jobs = check.jobs(&settings.keys);
    let gateway = check.gateway(&settings.gateway);
    let notices = check.notices(settings.mail, &settings.webhooks);
    let collector = check.collector(settings.telemetry);
    let log = check.log(settings.log);
    match (server, data, gateway, notices, log) {
        (Some(server), Some(data), Some(gateway), Some(notices), Some(log))
            if check.problems.is_empty() =>
        {
            Ok(Config { server, data, keys, jobs, gateway, notices, collector, log })
        }
        _ => Err(Problems(check.problems)),
    }
}

pub(super) struct Check<'a> {
    origins: &'a Origins,
    problems: Vec<Problem>,
}

impl Check<'_> {
    pub(super) fn note(&mut self, setting: &str, detail: impl Display) {
        self.problems.push(self.origins.problem(setting, detail.to_string()));
    }

    /// Notes the error of a check, and hands its value on.
    pub(super) fn take<T, E: Display>(
        &mut self,
        setting: &str,
        checked: Result<T, E>,
    ) -> Option<T> {
        checked.map_err(|error| self.note(setting, error)).ok()
    }

    pub(super) fn number(
        &mut self,
        setting: &str,
        value: u64,
        allowed: RangeInclusive<u64>,
    ) -> u64 {
        if !allowed.contains(&value) {
            let (min, max) = (allowed.start(), allowed.end());
            self.note(setting, format_args!("must be from {min} to {max}, is {value}"));
        }
        value
    }

    fn size(&mut self, setting: &str, value: u64, allowed: RangeInclusive<u64>) -> usize {
        usize::try_from(self.number(setting, value, allowed)).unwrap_or(usize::MAX)
    }

    fn seconds(&mut self, setting: &str, value: u64) -> Duration {
        Duration::from_secs(self.number(setting, value, 1..=DAY_SECONDS))
    }

    fn list<T: FromStr<Err: Display>>(&mut self, setting: &str, texts: &[String]) -> Vec<T> {
        texts.iter().filter_map(|text| self.take(setting, text.parse())).collect()
    }

    fn server(&mut self, settings: &ServerSettings) -> Option<Server> {
        let address = self.take("server.listen", parse_listen(&settings.listen));
        let public_url = self.public_url(&settings.public_url);
        let certificate = self.certificate(&settings.tls_cert, &settings.tls_key);
        if certificate.is_some() && settings.insecure_http {
            self.note("server.insecure_http", "cannot be true beside a certificate");
        }
        let drain = self.number("server.drain_seconds", settings.drain_seconds, 0..=3_600);
        let trusted_proxies = self.networks("server.trusted_proxies", &settings.trusted_proxies);
        let metrics_from = self.list("server.metrics_from", &settings.metrics_from);
        let limits = self.limits(&settings.limits);
        let (ip, port) = address?;
        let transport = match certificate {
            Some(given) => given,
            None if ip.is_loopback() || settings.insecure_http => Transport::Plain,
            None => Transport::SelfSigned,
        };
        let default = if transport == Transport::Plain { PORT_PLAIN } else { PORT_TLS };
        Some(Server {
            listen: SocketAddr::new(ip, port.unwrap_or(default)),
            public_url,
            transport,
            drain: Duration::from_secs(drain),
            trusted_proxies,
            metrics_from,
            limits,
        })
    }

    fn public_url(&mut self, text: &str) -> Option<String> {
        if text.is_empty() {
            return None;
        }
        let url = self.take("server.public_url", base_url::parse(text))?;
        let is_bare = url.query().is_none() && url.fragment().is_none();
        if !is_bare || !url.username().is_empty() || url.password().is_some() {
            self.note("server.public_url", "must be a URL without user, query and fragment");
        }
        Some(url.as_str().trim_end_matches('/').to_owned())
    }

    fn certificate(&mut self, cert: &str, key: &str) -> Option<Transport> {
        match (cert, key) {
            ("", "") => None,
            ("", _) => {
                self.note("server.tls_cert", "must be set too, beside server.tls_key");
                None
            }
            (_, "") => {
                self.note("server.tls_key", "must be set too, beside server.tls_cert");
                None
            }
            (cert, key) => Some(Transport::Tls { cert: cert.into(), key: key.into() }),
        }
    }

    fn networks(&mut self, setting: &str, texts: &[String]) -> Vec<IpNet> {
        let parse = |text: &String| {
            let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            net.map_err(|_| format!("`{text}` is not an address or CIDR block such as 10.0.0.0/8"))
        };
        texts.iter().filter_map(|text| self.take(setting, parse(text))).collect()
    }

    fn limits(&mut self, settings: &LimitSettings) -> Limits {
        let name = |field: &str| format!("server.limits.{field}");
        let streams = self.number(
            &name("streams_per_connection_max"),
            settings.streams_per_connection_max,
            1..=10_000,
        );
        Limits {
            connections_max: self.size(
                &name("connections_max"),
                settings.connections_max,
                1..=1_000_000,
            ),
            connections_per_address_max: self.size(
                &name("connections_per_address_max"),
                settings.connections_per_address_max,
                1..=1_000_000,
            ),
            streams_per_connection_max: u32::try_from(streams).unwrap_or(u32::MAX),
            head_bytes_max: self.size(
                &name("head_bytes_max"),
                settings.head_bytes_max,
                1_024..=1_048_576,
            ),
            tls_handshake: self
                .seconds(&name("tls_handshake_seconds"), settings.tls_handshake_seconds),
            first_byte: self.seconds(&name("first_byte_seconds"), settings.first_byte_seconds),
            head: self.seconds(&name("head_seconds"), settings.head_seconds),
            body_bytes_per_second_min: self.number(
                &name("body_bytes_per_second_min"),
                settings.body_bytes_per_second_min,
                1..=1_073_741_824,
            ),
            body_grace: self.seconds(&name("body_grace_seconds"), settings.body_grace_seconds),
            write_stall: self.seconds(&name("write_stall_seconds"), settings.write_stall_seconds),
            idle: self.seconds(&name("idle_seconds"), settings.idle_seconds),
            linger: Limits::STANDARD.linger,
        }
    }

    fn data(&mut self, settings: DataSettings) -> Option<Data> {
        if settings.dir.is_empty() {
            self.note("data.dir", "must not be empty");
        }
        let database_url =
            self.secret("data.database_url", settings.database_url, &settings.database_url_file);
        if let Some((url, setting)) = &database_url {
            self.database_url(setting, url);
        }
        let master_key =
            self.secret("data.master_key", settings.master_key, &settings.master_key_file);
        let master_key = master_key.and_then(|(text, setting)| {
            self.take(setting, MasterKey::parse(text.expose_secret(), setting))
        });
        let time_zone = self.take("data.time_zone", parse_time_zone(&settings.time_zone));
        let call_keys_max =
            self.size("data.call_keys_max", settings.call_keys_max, 100..=10_000_000);
        Some(Data {
            dir: settings.dir.into(),
            database_url: database_url.map(|(url, _)| url),
            master_key,
            journal_sync: settings.journal_sync,
            time_zone: time_zone?,
            call_keys_max,
        })
    }

    /// A secret that is given itself, or by the file that holds it, with the setting that did.
    pub(super) fn secret(
        &mut self,
        setting: &'static str,
        value: SecretString,
        file: &str,
    ) -> Option<(SecretString, &'static str)> {
        let file_setting = match setting {
            "data.database_url" => "data.database_url_file",
            "mail.password" => "mail.password_file",
            "telemetry.otlp_header" => "telemetry.otlp_header_file",
            _ => "data.master_key_file",
        };
        match (value.expose_secret().is_empty(), file) {
            (true, "") => None,
            (false, "") => Some((value, setting)),
            (true, file) => {
                let text = self.take(file_setting, read_secret(Path::new(file)));
                text.map(|text| (text, file_setting))
            }
            (false, _) => {
                self.note(file_setting, format_args!("cannot be set beside {setting}"));
                None
            }
        }
    }

    fn database_url(&mut self, setting: &str, url: &SecretString) {
        let url = url.expose_secret();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            self.note(setting, "must begin with postgres://");
        } else if url::Url::parse(url).is_err() {
            self.note(setting, "is not a URL");
        }
    }

    fn keys(&mut self, settings: &KeySettings) -> KeyCaps {
        let minutes = settings.auth_token_max_ttl_minutes;
        let per_user = self.number(
            "keys.keys_per_user_max",
            settings.keys_per_user_max,
            1..=KEYS_PER_USER_MAX,
        );
        KeyCaps {
            ttl_minutes_max: self.number(
                "keys.auth_token_max_ttl_minutes",
                minutes,
                0..=TTL_MINUTES_MAX,
            ),
            per_user_max: u32::try_from(per_user).unwrap_or(u32::MAX),
        }
    }

    fn jobs(&mut self, settings: &KeySettings) -> Jobs {
        let minutes = self.number("keys.sweep_minutes", settings.sweep_minutes, 1..=1_440);
        Jobs { sweep_every: Duration::from_secs(minutes * 60) }
    }

    fn gateway(&mut self, settings: &GatewaySettings) -> Option<GatewayOptions> {
        let body_bytes_max =
            self.size("gateway.body_bytes_max", settings.body_bytes_max, 1_024..=1_073_741_824);
        let upload_bytes_max =
            self.size("gateway.upload_bytes_max", settings.upload_bytes_max, 1_024..=1_073_741_824);
        let body_timeout =
            self.seconds("gateway.body_timeout_seconds", settings.body_timeout_seconds);
        let timeouts = Timeouts {
            connect: self
                .seconds("gateway.connect_timeout_seconds", settings.connect_timeout_seconds),
            first_byte: self
                .seconds("gateway.first_byte_timeout_seconds", settings.first_byte_timeout_seconds),
            idle: self.seconds("gateway.idle_timeout_seconds", settings.idle_timeout_seconds),
            total: self.seconds("gateway.total_timeout_seconds", settings.total_timeout_seconds),
        };
        let retries = Retries {
            rounds_max: self.retry_rounds(settings.retry_rounds_max),
            within: Duration::from_secs(self.number(
                "gateway.retry_seconds",
                settings.retry_seconds,
                0..=600,
            )),
        };
        let upstream_roots = self.certificates("gateway.upstream_ca", &settings.upstream_ca)?;
        let spans = None;
        Some(GatewayOptions {
            body_bytes_max,
            upload_bytes_max,
            body_timeout,
            timeouts,
            retries,
            upstream_roots,
            server_timing: settings.server_timing,
            spans,
        })
    }

    fn retry_rounds(&mut self, rounds: u64) -> u32 {
        let rounds = self.number("gateway.retry_rounds_max", rounds, 0..=20);
        u32::try_from(rounds).unwrap_or(u32::MAX)
    }

    /// The certificates of a file, if one is named.
    pub(super) fn certificates(
        &mut self,
        setting: &str,
        path: &str,
    ) -> Option<Vec<CertificateDer<'static>>> {
        match path {
            "" => Some(Vec::new()),
            path => self.take(setting, read_certificates(Path::new(path))),
        }
    }

    fn log(&mut self, settings: LogSettings) -> Option<Log> {
        let LogSettings { level, format } = settings;
        self.take("log.level", logging::filter(&level))?;
        Some(Log { level, format })
    }
}

/// Reads an address with or without a port.
fn parse_listen(text: &str) -> Result<(IpAddr, Option<u16>), String> {
    let (host, port) = match text.strip_prefix("localhost") {
        Some(rest) => return named_loopback(text, rest),
        None => (text, text.parse::<SocketAddr>().ok()),
    };
    if let Some(address) = port {
        return Ok((address.ip(), Some(address.port())));
    }
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let ip = bare.parse().map_err(|_| not_an_address(text))?;
    Ok((ip, None))
}

fn named_loopback(text: &str, rest: &str) -> Result<(IpAddr, Option<u16>), String> {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Ok((ip, None)),
        Some(port) => port.parse().map(|port| (ip, Some(port))).map_err(|_| not_an_address(text)),
        None => Err(not_an_address(text)),
    }
}

fn not_an_address(text: &str) -> String {
    let text: String = text.chars().take(80).collect();
    format!("`{text}` is not an address such as 127.0.0.1, 0.0.0.0:8443 or [::]:8443")
}

fn parse_time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("`{name}` is not a time zone such as Europe/Zurich"))
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let name = path.display();
    let size = std::fs::metadata(path).map_err(|error| format!("cannot read {name}: {error}"))?;
    if size.len() > FILE_BYTES_MAX {
        return Err(format!("{name} is larger than {FILE_BYTES_MAX} bytes"));
    }
    std::fs::read(path).map_err(|error| format!("cannot read {name}: {error}"))
}

fn read_secret(path: &Path) -> Result<SecretString, String> {
    let text = String::from_utf8(read_file(path)?);
    let text = text.map_err(|_| format!("{} is not text", path.display()))?;
    match text.trim() {
        "" => Err(format!("{} is empty", path.display())),
        text => Ok(SecretString::from(text)),
    }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let name = path.display();
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read_file(path)?).collect();
    match found {
        Ok(found) if found.is_empty() => Err(format!("{name} holds no certificate")),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("{name} cannot be read as PEM: {error}")),
    }
}
