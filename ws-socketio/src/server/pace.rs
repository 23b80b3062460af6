//! The rate of events: the server reads the excess later, and does not close the connection.

use std::time::Duration;

use sio_proto::Instant;

/// The rate at which the server reads a connection's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Events a second, in the long run.
    pub per_second: u32,
    /// The number of events that may come at once, after a pause.
    pub burst: u32,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            per_second: 1000,
            burst: 5000,
        }
    }
}

/// Counts the events of one connection.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Rate,
    /// The moment from which on everything would be allowed again.
    full_at: Instant,
}

impl Pace {
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, full_at: now }
    }

    /// An event has come.
    pub(super) fn count(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now).after(self.cost(1));
    }

    /// The moment until which to read nothing, unless it has passed.
    pub(super) fn pause(&self, now: Instant) -> Option<Instant> {
        let owed = self.full_at.saturating_duration_since(now);
        let over = owed.checked_sub(self.cost(self.rate.burst))?;
        (!over.is_zero()).then(|| now.after(over))
    }

    fn cost(&self, events: u32) -> Duration {
        Duration::from_secs(1) / self.rate.per_second.max(1) * events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_read_at_once_and_then_the_rate_holds() {
        let at = |millis| Instant::from_epoch(Duration::from_millis(millis));
        let rate = Rate {
            per_second: 10,
            burst: 3,
        };
        let mut pace = Pace::new(rate, at(0));
        for _ in 0..3 {
            assert_eq!(pace.pause(at(0)), None);
            pace.count(at(0));
        }
        assert_eq!(pace.pause(at(0)), None);
        pace.count(at(0));
        assert_eq!(pace.pause(at(0)), Some(at(100)));
        assert_eq!(pace.pause(at(100)), None);
        pace.count(at(100));
        assert_eq!(pace.pause(at(150)), Some(at(200)));
        // A long pause is a burst, and not more.
        for _ in 0..4 {
            pace.count(at(10_000));
        }
        assert_eq!(pace.pause(at(10_000)), Some(at(10_100)));
    }
}
