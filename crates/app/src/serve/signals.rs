//! The signals to stop, and what is said when one comes.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output;

/// Who wants an end. Both get the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// SIGTERM: a machine, which reads the log.
    Terminate,
    /// SIGINT: a person at a terminal, who must not think that nothing happens.
    Interrupt,
}

impl Stop {
    /// Says that an end has begun.
    pub(super) fn announce(self, running_calls: u64, drain: Duration) {
        let drain_seconds = drain.as_secs();
        tracing::info!(running_calls, drain_seconds, "stopping: running calls may finish");
        if self == Self::Interrupt {
            output::note(&words(running_calls, drain_seconds));
        }
    }
}

fn words(running_calls: u64, drain_seconds: u64) -> String {
    let calls = match running_calls {
        0 => return "Stopping.".to_owned(),
        1 => "1 running call".to_owned(),
        several => format!("{several} running calls"),
    };
    format!("Stopping: waits up to {drain_seconds} s for {calls}. Ctrl-C again ends at once.")
}

/// The two signals, from the moment when they are listened for.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: signal(terminate)?, interrupt: signal(interrupt)? })
    }

    pub(super) async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.terminate.recv() => Stop::Terminate,
            _ = self.interrupt.recv() => Stop::Interrupt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_what_is_waited_for_and_how_to_end_it() {
        assert_eq!(words(0, 30), "Stopping.");
        let one = "Stopping: waits up to 30 s for 1 running call. Ctrl-C again ends at once.";
        assert_eq!(words(1, 30), one);
        assert!(words(2, 5).contains("up to 5 s for 2 running calls"));
    }
}
