//! A client that reconnects: whether, and when.

use std::fmt;
use std::time::Duration;

use ws_proto::Instant;

use crate::backoff::{Backoff, Ended};

/// Decides whether and when a client connects again.
///
/// ```
/// use std::time::Duration;
/// use ws_http::{Backoff, Ended, Retry, StatusCode};
/// use ws_proto::Instant;
///
/// let mut retry = Retry::new(Backoff::DEFAULT);
/// let (now, random) = (Instant::default(), 1 << 63); // fresh each time
/// let at = retry.ended(Ended::Io, None, now, random);
/// assert_eq!(at, Some(now.after(Duration::from_millis(500))));
/// // A server that says when it is back is believed.
/// let unavailable = Ended::Status(StatusCode::SERVICE_UNAVAILABLE);
/// let asked = Some(Duration::from_secs(120)); // `retry_after`
/// let at = retry.ended(unavailable, asked, now, random);
/// assert_eq!(at, Some(now.after(Duration::from_secs(120))));
/// // It would be just as wrong the next time.
/// let at = retry.ended(Ended::Status(StatusCode::NOT_FOUND), None, now, random);
/// assert_eq!(at, None);
/// ```
pub struct Retry {
    backoff: Backoff,
    judge: Box<dyn FnMut(Ended) -> bool + Send>,
    opened: Option<Instant>,
}

impl Retry {
    /// Waits as `backoff` says, after every end that [is worth a retry](Ended::is_worth_a_retry).
    #[must_use]
    pub fn new(backoff: Backoff) -> Self {
        Self {
            backoff,
            judge: Box::new(Ended::is_worth_a_retry),
            opened: None,
        }
    }

    /// Sets the waits.
    pub const fn set_backoff(&mut self, backoff: Backoff) {
        self.backoff = backoff;
    }

    /// Sets the function that decides whether an end is worth a retry.
    pub fn set_judge(&mut self, judge: impl FnMut(Ended) -> bool + Send + 'static) {
        self.judge = Box::new(judge);
    }

    /// Reports that a connection is open. One that [lasts](Backoff::reset_after) makes the next
    /// failure count as the first.
    pub const fn opened(&mut self, now: Instant) {
        self.opened = Some(now);
    }

    /// Says at which moment to connect again, after a connection or an attempt at one has ended;
    /// `None` if that is not worth it. The wait is at least as long as the server asks for by
    /// [`retry_after`](crate::retry_after). The 64 random bits are as in [`Backoff::next`].
    pub fn ended(
        &mut self,
        how: Ended,
        retry_after: Option<Duration>,
        now: Instant,
        random: u64,
    ) -> Option<Instant> {
        if let Some(opened) = self.opened.take() {
            self.backoff.lasted(now.saturating_duration_since(opened));
        }
        if !(self.judge)(how) {
            return None;
        }
        let wait = self.backoff.next(random);
        Some(now.after(wait.max(retry_after.unwrap_or_default())))
    }

    /// The number of failed attempts since a connection last lasted.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.backoff.failures()
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new(Backoff::DEFAULT)
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("backoff", &self.backoff)
            .field("opened", &self.opened)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ws_proto::CloseCode;

    fn at(seconds: u64) -> Instant {
        Instant::from_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn a_connection_that_lasts_makes_the_next_failure_the_first() {
        let mut retry = Retry::default();
        let mut ended = |opened: Option<u64>, now: u64| {
            if let Some(opened) = opened {
                retry.opened(at(opened));
            }
            let next = retry.ended(Ended::Eof, None, at(now), u64::MAX).unwrap();
            next.saturating_duration_since(at(now)).as_millis()
        };
        assert_eq!(ended(None, 0), 1000);
        assert_eq!(ended(None, 1), 1500);
        // Open for 4 s, and for 5.
        assert_eq!(ended(Some(10), 14), 3000);
        assert_eq!(ended(Some(20), 25), 1000);
        // That was counted already.
        assert_eq!(ended(None, 100), 1500);
    }

    #[test]
    fn what_is_not_worth_it_is_not_tried_again() {
        let mut retry = Retry::default();
        let mut next = |how| retry.ended(how, None, at(0), 0);
        assert_eq!(next(Ended::Closed(CloseCode::NORMAL)), None);
        assert_eq!(next(Ended::Fault), None);
        assert!(next(Ended::Closed(CloseCode::GOING_AWAY)).is_some());
        assert_eq!(retry.failures(), 1);
    }

    #[test]
    fn the_application_may_judge() {
        let mut retry = Retry::default();
        retry.set_judge(|how| how == Ended::Fault);
        assert_eq!(retry.ended(Ended::Io, None, at(0), 0), None);
        assert_eq!(retry.ended(Ended::Fault, None, at(0), 0), Some(at(0)));
    }

    #[test]
    fn a_server_is_left_alone_as_long_as_it_asks_and_no_shorter_than_ours() {
        for (asked, waits) in [(0, 1), (1, 1), (7, 7)] {
            let mut retry = Retry::default();
            let asked = Some(Duration::from_secs(asked));
            let next = retry.ended(Ended::Io, asked, at(0), u64::MAX);
            assert_eq!(next, Some(at(waits)), "{asked:?}");
        }
        let mut retry = Retry::default();
        let never = retry.ended(Ended::Io, Some(Duration::MAX), at(9), 0);
        assert!(never.is_some_and(|never| never > at(1 << 32)));
    }

    #[test]
    fn waits_are_those_that_were_set() {
        let mut backoff = Backoff::DEFAULT;
        backoff.first = Duration::from_secs(20);
        let mut retry = Retry::default();
        retry.set_backoff(backoff);
        assert_eq!(retry.ended(Ended::Io, None, at(1), u64::MAX), Some(at(21)));
    }
}
