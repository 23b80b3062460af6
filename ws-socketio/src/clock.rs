//! Time as the machines count it, by tokio's clock: tests move it by hand.

use sio_proto::Instant;
use tokio::time;

/// The moment from which one connection counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: time::Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            epoch: time::Instant::now(),
        }
    }

    pub(crate) fn now(self) -> Instant {
        Instant::from_epoch(self.epoch.elapsed())
    }

    /// That moment by tokio's clock, if it can name it.
    pub(crate) fn at(self, moment: Instant) -> Option<time::Instant> {
        self.epoch.checked_add(moment.since_epoch())
    }

    /// Waits for a deadline. Without one, and for one that no clock can name, it never ends.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped and called again.
    pub(crate) async fn wait(self, deadline: Option<Instant>) {
        match deadline.and_then(|at| self.at(at)) {
            Some(at) => time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}
