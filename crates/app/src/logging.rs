//! The log: JSON or text on standard error, and never a secret in it.

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{Log, LogFormat};

/// Libraries that write headers, statements or key material into their finer logs. A prefix stands
/// for every module below it.
const CAPPED: [&str; 6] = ["hyper", "h2", "sqlx", "rustls", "ureq", "axum"];

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
const EXPECTED: &str = "one of error, warn, info, debug, trace, off, or such a level of a module \
                        as doorward_gateway=debug";

/// Starts the log. Call it once.
pub(crate) fn start(log: &Log) -> anyhow::Result<()> {
    let wanted = filter(&log.level).map_err(anyhow::Error::msg)?;
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

/// Reads a level, or levels by module: `info,doorward_gateway=debug`.
///
/// The library takes a word that is no level for a module, with the effect that everything else is
/// silent: a slip of the pen must not cost an operator the log.
pub(crate) fn filter(text: &str) -> Result<EnvFilter, String> {
    let parts = || text.split(',').map(str::trim).filter(|part| !part.is_empty());
    if let Some(misfit) = parts().find(|part| !is_level_of_something(part)) {
        let misfit: String = misfit.chars().take(80).collect();
        return Err(format!("`{misfit}` is not {EXPECTED}"));
    }
    if parts().next().is_none() {
        return Err(format!("must be {EXPECTED}"));
    }
    let text = parts().collect::<Vec<_>>().join(",");
    EnvFilter::builder().parse(text).map_err(|_| format!("must be {EXPECTED}"))
}

fn is_level_of_something(part: &str) -> bool {
    let level = part.rsplit_once('=').map_or(part, |(_module, level)| level);
    LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level.trim()))
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
    fn a_misspelt_level_is_refused_by_name() {
        #[rustfmt::skip]
        let cases = [
            ("info",                               None),
            ("WARN",                               None),
            ("off",                                None),
            ("info,doorward_gateway=debug",        None),
            (" info , doorward_store::keys=trace", None),
            ("inof",                               Some("`inof`")),
            ("info,doorward_gateway",              Some("`doorward_gateway`")),
            ("info,doorward_gateway=debgu",        Some("`doorward_gateway=debgu`")),
            ("doorward_gateway=",                  Some("`doorward_gateway=`")),
            ("a=b=c",                              Some("`a=b=c`")),
            ("[=info",                             Some("must be one of")),
            (" , ",                                Some("must be one of")),
        ];
        for (text, expected) in cases {
            let refused = filter(text).err();
            match expected {
                None => assert_eq!(refused, None, "{text}"),
                Some(words) => assert!(refused.unwrap_or_default().contains(words), "{text}"),
            }
        }
    }

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
