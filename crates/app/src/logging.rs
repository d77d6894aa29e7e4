//! The log: JSON or text on standard error, and never a secret in it.

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{Log, LogFormat};
use crate::environment::Environment;

/// Libraries that write headers, statements or key material into their finer logs. A prefix stands
/// for every module below it.
const CAPPED: [&str; 6] = ["hyper", "h2", "sqlx", "rustls", "ureq", "axum"];

/// Starts the log. Call it once.
pub(crate) fn start(log: &Log, environment: &Environment) -> anyhow::Result<()> {
    let level = environment.get("RUST_LOG").unwrap_or(&log.level);
    let wanted = EnvFilter::builder().parse(level)?;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(true).boxed(),
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
    };
    // A filter of its own: no level that an operator asks for can lift it.
    let lines = lines.with_filter(caps());
    tracing_subscriber::registry().with(wanted).with(lines).try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn caps() -> Targets {
    let capped = CAPPED.map(|target| (target, LevelFilter::INFO));
    Targets::new().with_default(LevelFilter::TRACE).with_targets(capped)
}

/// A message made at run time may quote what a client sent, so only fixed ones are logged.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload().downcast_ref::<&'static str>().copied();
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    let message = message.unwrap_or("a message made at run time, not logged");
    tracing::error!(place, thread, message, "panic");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_cannot_log_more_than_info() {
        let caps = caps();
        for target in ["hyper", "hyper::proto::h1", "hyper_util::client", "sqlx::query", "h2"] {
            assert!(!caps.would_enable(target, &tracing::Level::DEBUG), "{target}");
            assert!(caps.would_enable(target, &tracing::Level::INFO), "{target}");
        }
        assert!(caps.would_enable("doorward_gateway", &tracing::Level::TRACE));
    }
}
