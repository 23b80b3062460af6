//! The clock, for deadlines and keepalive.

#[cfg(any(test, feature = "test-util"))]
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time;
#[cfg(any(test, feature = "test-util"))]
use std::time::Duration;

use ws_proto::Instant;

/// A clock: the system's, or with the feature `test-util` one that a test moves by hand.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System {
        epoch: time::Instant,
    },
    #[cfg(any(test, feature = "test-util"))]
    Manual {
        nanos: Arc<AtomicU64>,
    },
}

impl Clock {
    /// The system's monotonic clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System {
            epoch: time::Instant::now(),
        })
    }

    /// A clock that stands still until it is [advanced](Self::advance), for tests. Its clones are
    /// the same clock. A thread that waits for its peer does not wake when the clock moves: it
    /// looks at the clock when the system wakes it, at the latest when its timeout has passed.
    #[cfg(any(test, feature = "test-util"))]
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
            #[cfg(any(test, feature = "test-util"))]
            Source::Manual { nanos } => Duration::from_nanos(nanos.load(Ordering::SeqCst)),
        })
    }

    /// Moves a manual clock forward.
    ///
    /// # Panics
    ///
    /// If it is the system's clock, which cannot be moved.
    #[cfg(any(test, feature = "test-util"))]
    pub fn advance(&self, by: Duration) {
        let Source::Manual { nanos } = &self.0 else {
            panic!("the system's clock goes by itself");
        };
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        nanos.fetch_add(by, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::{iter, mem};

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
        let mut last = start;
        // It may be coarse.
        let mut later = iter::repeat_with(|| {
            let now = clock.now();
            assert!(now >= mem::replace(&mut last, now));
            now
        });
        assert!(later.by_ref().take(1 << 30).any(|now| now > start));
        assert!(later.take(10_000).all(|now| now > start));
    }

    #[test]
    #[should_panic = "goes by itself"]
    fn nobody_moves_the_system_s() {
        Clock::system().advance(Duration::from_secs(1));
    }
}
