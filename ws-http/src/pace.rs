//! Bounds on how slowly and how fast an open connection may talk, beyond those of the protocol.
//!
//! A peer that answers Pings is alive. It may still send a byte of a message every ten seconds, or
//! nothing at all, for as long as it likes; or a hundred thousand empty frames a second.

use std::fmt;
use std::time::Duration;

use ws_proto::{Excess, Instant};

/// The bounds on how a peer talks. None is set by default: what is too slow or too fast depends on
/// the application.
///
/// ```
/// use std::time::Duration;
/// use ws_http::Pace;
///
/// let mut pace = Pace::default();
/// pace.max_idle = Some(Duration::from_secs(600));
/// pace.max_frames = Some(200);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pace {
    /// The lowest rate at which a message that has begun may arrive, in bytes per second, measured
    /// over [`Pace::WINDOW`] at a time.
    pub min_rate: Option<u32>,
    /// The longest time without a complete message. Pings and Pongs do not count.
    pub max_idle: Option<Duration>,
    /// The most frames per second, control frames included; twice as many in a second after an idle
    /// one.
    pub max_frames: Option<u32>,
}

impl Pace {
    /// The time over which a rate is measured.
    pub const WINDOW: Duration = Duration::from_secs(10);

    /// Whether anything is bounded.
    #[must_use]
    pub const fn is_set(&self) -> bool {
        self.min_rate.is_some() || self.max_idle.is_some() || self.max_frames.is_some()
    }
}

/// Watches how the peer of one connection talks. Time is an argument.
///
/// ```
/// use std::time::Duration;
/// use ws_http::{Excess, Pace, Watch};
/// use ws_http::ws_proto::Instant;
///
/// let at = |seconds| Instant::from_epoch(Duration::from_secs(seconds));
/// let mut pace = Pace::default();
/// pace.max_idle = Some(Duration::from_secs(60));
/// let mut watch = Watch::new(pace, at(0));
/// assert_eq!(watch.check(at(0)), Ok(Some(at(60)))); // look again then
/// watch.message(at(30));
/// assert_eq!(watch.check(at(60)), Ok(Some(at(90))));
/// assert_eq!(watch.check(at(90)), Err(Excess::Idle));
/// ```
#[derive(Clone)]
pub struct Watch {
    pace: Pace,
    /// When the last message was there.
    message: Instant,
    /// When the window began in which the message that has begun is watched, and what came in it.
    window: Option<(Instant, u64)>,
    /// How many frames may come, in thousand-millionths, at this time.
    frames: (Instant, u64),
    excess: Option<Excess>,
}

/// A frame, as it is counted: with a second in nanoseconds, no rate is rounded.
const FRAME: u64 = 1_000_000_000;

impl Watch {
    /// Begins with the connection.
    #[must_use]
    pub fn new(pace: Pace, now: Instant) -> Self {
        Self {
            pace,
            message: now,
            window: None,
            frames: (now, allowance(pace.max_frames, 2)),
            excess: None,
        }
    }

    /// Reports that bytes were received; `partial` says whether a message is incomplete after them.
    pub const fn received(&mut self, bytes: usize, partial: bool, now: Instant) {
        self.window = match self.window {
            _ if !partial => None,
            None => Some((now, 0)),
            Some((since, len)) => Some((since, len.saturating_add(bytes as u64))),
        };
    }

    /// Reports received frames.
    pub fn frames(&mut self, frames: u32, now: Instant) {
        if let Some(most) = self.pace.max_frames {
            let (since, left) = self.frames;
            let passed = now.saturating_duration_since(since).as_nanos();
            let passed = u64::try_from(passed).unwrap_or(u64::MAX);
            let full = allowance(Some(most), 2);
            let left = left
                .saturating_add(passed.saturating_mul(most.into()))
                .min(full);
            let used = u64::from(frames).saturating_mul(FRAME);
            if used > left {
                self.excess.get_or_insert(Excess::Frames);
            }
            self.frames = (now, left.saturating_sub(used));
        }
    }

    /// Reports a complete message.
    pub const fn message(&mut self, now: Instant) {
        self.message = now;
        self.window = None;
    }

    /// Looks at the clock, and says when to look again.
    ///
    /// # Errors
    ///
    /// [`Excess`](crate::Excess): close the connection with it.
    pub fn check(&mut self, now: Instant) -> Result<Option<Instant>, Excess> {
        if let Some(excess) = self.excess {
            return Err(excess);
        }
        let idle = self.pace.max_idle.map(|most| self.message.after(most));
        if idle.is_some_and(|at| at <= now) {
            return Err(self.exceeded(Excess::Idle));
        }
        let mut slow = None;
        if let (Some(least), Some((since, len))) = (self.pace.min_rate, self.window) {
            let mut end = since.after(Pace::WINDOW);
            if end <= now {
                // A check that is late gave the peer more time, in which it had to send more.
                let passed = now.saturating_duration_since(since).as_secs();
                if len < u64::from(least).saturating_mul(passed) {
                    return Err(self.exceeded(Excess::Slow));
                }
                self.window = Some((now, 0));
                end = now.after(Pace::WINDOW);
            }
            slow = Some(end);
        }
        Ok(idle.into_iter().chain(slow).min())
    }

    const fn exceeded(&mut self, excess: Excess) -> Excess {
        self.excess = Some(excess);
        excess
    }
}

/// The frames of so many seconds.
fn allowance(frames: Option<u32>, seconds: u64) -> u64 {
    u64::from(frames.unwrap_or(0)).saturating_mul(seconds * FRAME)
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("pace", &self.pace)
            .field("excess", &self.excess)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_epoch(Duration::from_millis(millis))
    }

    fn watch(set: impl FnOnce(&mut Pace)) -> Watch {
        let mut pace = Pace::default();
        set(&mut pace);
        Watch::new(pace, at(0))
    }

    #[test]
    fn nothing_is_bounded_by_default() {
        let mut watch = watch(|_| {});
        watch.received(1, true, at(0));
        watch.frames(u32::MAX, at(0));
        assert_eq!(watch.check(at(u64::MAX / 2_000_000)), Ok(None));
        assert!(!Pace::default().is_set());
    }

    #[test]
    fn a_message_that_has_begun_comes_at_a_rate() {
        let slow = |pace: &mut Pace| pace.min_rate = Some(100);
        // 1000 bytes in each ten seconds, at whatever times within them.
        let mut steady = watch(slow);
        steady.received(1, true, at(0));
        for window in 0..10 {
            let start = window * 10_000;
            steady.received(1000, true, at(start + 9_999));
            assert_eq!(
                steady.check(at(start + 9_999)),
                Ok(Some(at(start + 10_000)))
            );
            assert_eq!(
                steady.check(at(start + 10_000)),
                Ok(Some(at(start + 20_000)))
            );
        }
        let mut dripping = watch(slow);
        dripping.received(1, true, at(0));
        for second in 1..10 {
            dripping.received(99, true, at(second * 1000));
            assert!(dripping.check(at(second * 1000)).is_ok());
        }
        for _ in 0..2 {
            assert_eq!(dripping.check(at(10_000)), Err(Excess::Slow));
        }
        // Between two messages there is nothing to be slow with.
        let mut quiet = watch(slow);
        quiet.received(1, true, at(0));
        quiet.message(at(5000));
        assert_eq!(quiet.check(at(1_000_000)), Ok(None));
        quiet.received(1, false, at(1_000_000));
        assert_eq!(quiet.check(at(2_000_000)), Ok(None));
    }

    #[test]
    fn pings_are_no_messages() {
        let mut watch = watch(|pace| pace.max_idle = Some(Duration::from_secs(60)));
        for second in 1..60 {
            watch.received(6, false, at(second * 1000));
            assert_eq!(watch.check(at(second * 1000)), Ok(Some(at(60_000))));
        }
        assert_eq!(watch.check(at(60_000)), Err(Excess::Idle));
    }

    #[test]
    fn frames_have_a_rate_and_a_burst() {
        let limited = |pace: &mut Pace| pace.max_frames = Some(10);
        let mut busy = watch(limited);
        for tenth in 0..1000 {
            busy.frames(1, at(tenth * 100));
            assert_eq!(busy.check(at(tenth * 100)), Ok(None));
        }
        let mut burst = watch(limited);
        burst.frames(20, at(0));
        assert_eq!(burst.check(at(0)), Ok(None));
        burst.frames(1, at(99));
        assert_eq!(burst.check(at(99)), Err(Excess::Frames));
        let mut rested = watch(limited);
        for minute in 1..10 {
            rested.frames(20, at(minute * 60_000));
            assert_eq!(
                rested.check(at(minute * 60_000)),
                Ok(None),
                "no more is saved up"
            );
        }
        rested.frames(1, at(9 * 60_000));
        assert_eq!(rested.check(at(9 * 60_000)), Err(Excess::Frames));
    }

    #[test]
    fn a_clock_that_jumps_back_and_times_too_long_to_add_are_borne_with() {
        let mut watch = watch(|pace| {
            pace.max_idle = Some(Duration::MAX);
            pace.min_rate = Some(u32::MAX);
            pace.max_frames = Some(u32::MAX);
        });
        watch.received(1, true, at(10_000));
        watch.frames(1, at(10_000));
        watch.received(usize::MAX, true, at(0));
        watch.frames(u32::MAX, at(0));
        assert!(watch.check(at(0)).is_ok());
    }
}
