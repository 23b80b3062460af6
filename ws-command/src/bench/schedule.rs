//! An open loop: messages are due at a steady rate, whether the server keeps up or not.

use std::time::Duration;

use ws_proto::Instant;

/// The times at which messages are due, over all connections in turn.
///
/// A latency counts from that time, and not from when the message could be sent. So a server that
/// stops is charged with every message that was due while it did, as those who would have sent them
/// would have waited (what is known as coordinated omission is the lack of these).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    began: Instant,
    rate: f64,
    /// The number of the next message.
    next: u64,
}

impl Schedule {
    pub(crate) const fn new(began: Instant, rate: f64) -> Self {
        Self {
            began,
            rate,
            next: 0,
        }
    }

    /// The time at which the next message is due.
    #[expect(clippy::cast_precision_loss, reason = "nobody sends 2^53 messages")]
    pub(crate) fn due(&self) -> Instant {
        let since = Duration::try_from_secs_f64(self.next as f64 / self.rate);
        self.began.after(since.unwrap_or(Duration::MAX))
    }

    /// The next message, if it is due by now: its number, and the time.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(u64, Instant)> {
        let due = self.due();
        if due > now {
            return None;
        }
        self.next += 1;
        Some((self.next - 1, due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_epoch(Duration::from_millis(millis))
    }

    #[test]
    fn messages_are_due_at_their_times_whenever_it_is_looked() {
        let mut schedule = Schedule::new(at(1000), 250.0);
        assert_eq!(schedule.take(at(999)), None);
        assert_eq!(schedule.take(at(1000)), Some((0, at(1000))));
        assert_eq!(schedule.take(at(1003)), None);
        // What was missed is due at the time when it was.
        assert_eq!(schedule.take(at(1100)), Some((1, at(1004))));
        assert_eq!(schedule.take(at(1100)), Some((2, at(1008))));
        assert_eq!(schedule.due(), at(1012));
    }
}
