//! The bar on standard error while a run goes on.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::format::grouped;

/// A bar, if standard error is a terminal.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new() -> Self {
        let target = if stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(STEPS), target);
        let style = ProgressStyle::with_template("{wide_bar} {msg:>24}")
            .map(|style| style.progress_chars("█▓░"));
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self(bar)
    }

    pub(crate) fn connecting(&self, open: usize, of: usize) {
        self.0.set_message(format!("connecting: {open} of {of}"));
    }

    pub(crate) fn warming_up(&self) {
        self.0.set_message("warming up");
    }

    /// Shows which part of the run is done.
    pub(crate) fn running(&self, part: f64, messages: u64, since: Duration) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a bar does not show what is lost"
        )]
        let (step, rate) = (
            (part * STEPS as f64) as u64,
            (messages as f64 / since.as_secs_f64().max(1e-3)) as u64,
        );
        self.0.set_position(step.min(STEPS));
        self.0.set_message(format!("{} messages/s", grouped(rate)));
    }

    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

const STEPS: u64 = 1000;
