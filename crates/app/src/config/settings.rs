//! The settings as the files spell them, before they are checked.

use serde::{Deserialize, Deserializer};

use doorward_control::notices::MailTls;
use doorward_store::JournalSync;
use secrecy::SecretString;

use super::LogFormat;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) server: ServerSettings,
    pub(super) data: DataSettings,
    pub(super) keys: KeySettings,
    pub(super) gateway: GatewaySettings,
    pub(super) mail: MailSettings,
    pub(super) webhooks: WebhookSettings,
    pub(super) telemetry: TelemetrySettings,
    pub(super) log: LogSettings,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerSettings {
    pub(super) listen: String,
    pub(super) public_url: String,
    pub(super) tls_cert: String,
    pub(super) tls_key: String,
    pub(super) insecure_http: bool,
    pub(super) drain_seconds: u64,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) metrics_from: Vec<String>,
    pub(super) limits: LimitSettings,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitSettings {
    pub(super) connections_max: u64,
    pub(super) connections_per_address_max: u64,
    pub(super) streams_per_connection_max: u64,
    pub(super) head_bytes_max: u64,
    pub(super) tls_handshake_seconds: u64,
    pub(super) first_byte_seconds: u64,
    pub(super) head_seconds: u64,
    pub(super) body_bytes_per_second_min: u64,
    pub(super) body_grace_seconds: u64,
    pub(super) write_stall_seconds: u64,
    pub(super) idle_seconds: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DataSettings {
    pub(super) dir: String,
    #[serde(deserialize_with = "secret")]
    pub(super) database_url: SecretString,
    pub(super) database_url_file: String,
    #[serde(deserialize_with = "secret")]
    pub(super) master_key: SecretString,
    pub(super) master_key_file: String,
    pub(super) journal_sync: JournalSync,
    pub(super) time_zone: String,
    pub(super) call_keys_max: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeySettings {
    pub(super) auth_token_max_ttl_minutes: u64,
    pub(super) keys_per_user_max: u64,
    pub(super) sweep_minutes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GatewaySettings {
    pub(super) body_bytes_max: u64,
    pub(super) upload_bytes_max: u64,
    pub(super) body_timeout_seconds: u64,
    pub(super) connect_timeout_seconds: u64,
    pub(super) first_byte_timeout_seconds: u64,
    pub(super) idle_timeout_seconds: u64,
    pub(super) total_timeout_seconds: u64,
    pub(super) retry_rounds_max: u64,
    pub(super) retry_seconds: u64,
    pub(super) server_timing: bool,
    pub(super) upstream_ca: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MailSettings {
    pub(super) host: String,
    pub(super) port: u64,
    pub(super) tls: MailTls,
    pub(super) insecure: bool,
    pub(super) ca: String,
    pub(super) user: String,
    #[serde(deserialize_with = "secret")]
    pub(super) password: SecretString,
    pub(super) password_file: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookSettings {
    pub(super) allow_private: bool,
    pub(super) ca: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TelemetrySettings {
    pub(super) otlp_endpoint: String,
    #[serde(deserialize_with = "secret")]
    pub(super) otlp_header: SecretString,
    pub(super) otlp_header_file: String,
    pub(super) service_name: String,
    pub(super) ca: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogSettings {
    pub(super) level: String,
    pub(super) format: LogFormat,
}

/// Names of settings whose values are never repeated.
pub(super) const SECRETS: [&str; 4] =
    ["data.database_url", "data.master_key", "mail.password", "telemetry.otlp_header"];

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}
