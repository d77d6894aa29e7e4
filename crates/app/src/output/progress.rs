//! A bar for work that takes long, on a terminal; elsewhere there is none.

use std::fmt;

use indicatif::{ProgressBar, ProgressStyle};

/// How far something has come, in bytes.
pub(crate) struct Progress(ProgressBar);

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Progress").field(&self.0.position()).finish()
    }
}

impl Progress {
    /// Begins one. It draws on standard error, and on a terminal only.
    pub(crate) fn start(what: &'static str, total_bytes: u64) -> Self {
        const SHAPE: &str = "{msg} {wide_bar} {bytes} of {total_bytes}";
        let bar = ProgressBar::new(total_bytes).with_message(what);
        if let Ok(style) = ProgressStyle::with_template(SHAPE) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// So much more is done. What goes beyond the total moves the total.
    pub(crate) fn pass(&self, bytes: u64) {
        self.0.inc(bytes);
        if self.0.length().is_some_and(|total| total < self.0.position()) {
            self.0.set_length(self.0.position());
        }
    }

    /// About so much is to be done in all.
    pub(crate) fn expect(&self, total_bytes: u64) {
        self.0.set_length(total_bytes.max(self.0.position()));
    }

    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}
