//! The clock, for deadlines and keepalive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{self, Duration};

use ws_proto::Instant;

/// A clock: the system's, or one that a test moves by hand.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { epoch: time::Instant },
    Manual { nanos: Arc<AtomicU64> },
}

impl Clock {
    /// The system's monotonic clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System {
            epoch: time::Instant::now(),
        })
    }

    /// A clock that stands still until it is [advanced](Self::advance). Its clones are the same
    /// clock.
    #[must_use]
    pub fn manual() -> Self {
        Self(Source::Manual {
            nanos: Arc::default(),
        })
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::from_epoch(match &self.0 {
            Source::System { epoch } => epoch.elapsed(),
            Source::Manual { nanos } => Duration::from_nanos(nanos.load(Ordering::SeqCst)),
        })
    }

    /// Moves a manual clock on. The system's clock stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual { nanos } = &self.0 {
            let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
            nanos.fetch_add(by, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_goes_when_it_is_told() {
        let clock = Clock::manual();
        let same = clock.clone();
        let start = clock.now();
        same.advance(Duration::from_secs(3));
        let elapsed = clock.now().saturating_duration_since(start);
        assert_eq!(elapsed, Duration::from_secs(3));
    }

    #[test]
    fn the_system_s_goes_by_itself_and_never_back() {
        let clock = Clock::system();
        let start = clock.now();
        clock.advance(Duration::from_secs(3600));
        let elapsed = clock.now().saturating_duration_since(start);
        assert!(clock.now() >= start && elapsed < Duration::from_secs(3600));
    }
}
