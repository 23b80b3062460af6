//! Time: is the peer still there (RFC 6455 §5.5.2), and does it answer our Close (§7.1.1)?
//!
//! TCP alone does not say. A peer whose cable is cut looks like one that has nothing to say, so it
//! is pinged. **The rule of life**: we give up on a peer only when, for the whole pong timeout
//! after a Ping has left, nothing was received from it and it took nothing of what waits for it.
//! Any byte is a sign of life, because no Pong can come within a frame.
//!
//! ```text
//!        Ping due              all taken           check
//! New ─▶ Quiet ───▶ PingQueued ─────────▶ PingLeft ──────▶ AwaitPong ─▶ Dead(Pong)
//!          ▲          sign: ↺                │ sign            │ sign
//!          └─────────────────────────────────┴─────────────────┘
//!
//!     a Close            all taken            check
//! any ──────▶ CloseQueued ────────▶ CloseLeft ─────▶ AwaitClose ─▶ Dead(Close)
//!             more taken: ↺
//! ```
//!
//! The clock runs in what is queued and what is awaited: it is set when such a phase begins, and
//! anew (↺) by a sign of life while our own bytes stand before what is queued. A sign is any byte
//! received, and any byte taken of what had to wait.
//!
//! Before each `Dead` comes a `LastCall`: what lies in the socket already is read before the peer
//! is judged. If something was read, there is another one, up to 64 times. Pings are due on a grid,
//! every interval from the first check, and not an interval after the last answer.
//!
//! This module reads no clock: the caller says what time it is, and each check says when the next
//! is due. It does not ask for the time of each message either: the calls between two checks only
//! set flags.

use core::mem;
use core::time::Duration;

use crate::closing::State;
use crate::connection::Connection;
use crate::error::SendError;

/// A moment: nanoseconds since an epoch that the caller chooses, such as the start of the program.
///
/// ```
/// use std::time::Duration;
/// use ws_proto::Instant;
///
/// let start = Instant::from_epoch(Duration::from_secs(5));
/// let end = start.after(Duration::from_secs(2));
/// assert_eq!(end.since_epoch(), Duration::from_secs(7));
/// assert_eq!(end.saturating_duration_since(start), Duration::from_secs(2));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The last moment there is, 584 years after the epoch. Nothing is ever due at it.
    const NEVER: Self = Self(u64::MAX);

    /// The moment this long after the epoch, or the last one that the type can hold.
    #[must_use]
    pub fn from_epoch(elapsed: Duration) -> Self {
        u64::try_from(elapsed.as_nanos()).map_or(Self::NEVER, Self)
    }

    /// The time since the epoch.
    #[must_use]
    pub const fn since_epoch(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The time since `earlier`; zero if this moment is before it.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The moment this much later, or the last one that the type can hold.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(Self::from_epoch(duration).0))
    }

    /// Whether this moment has come.
    fn is_due(self, now: Self) -> bool {
        self <= now && self != Self::NEVER
    }
}

/// The times to wait. Each is kept in milliseconds, rounded up and at least one; anything longer
/// than 49 days means never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// The interval between Pings; `None` turns them off. A peer that vanishes is noticed within
    /// this and [`pong_timeout`](Self::pong_timeout): 40 s by default.
    ///
    /// Default: 20 s.
    pub ping_interval: Option<Duration>,
    /// The time that a peer may show no sign of life after a Ping has left: it sends nothing, and
    /// takes nothing of what waits for it. The same holds while the Ping cannot leave because of
    /// bytes before it; progress is then looked at every quarter of this.
    ///
    /// Default: 20 s.
    pub pong_timeout: Duration,
    /// The time that the closing handshake may take after our Close has left, whatever still comes.
    /// It includes the end of the transport [after it](crate::Shutdown). The same holds while the
    /// Close cannot leave and the peer takes none of the bytes before it; progress is then looked at
    /// every quarter of this.
    ///
    /// Default: 10 s.
    pub close_timeout: Duration,
}

impl Timeouts {
    /// The defaults, as a constant.
    pub const DEFAULT: Self = Self {
        ping_interval: Some(Duration::from_secs(20)),
        pong_timeout: Duration::from_secs(20),
        close_timeout: Duration::from_secs(10),
    };
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The keepalive and the deadlines of one connection: when to ping, and when to give up on the
/// peer.
///
/// Report what moves with [`on_received`](Self::on_received), [`on_written`](Self::on_written) and
/// [`on_flushed`](Self::on_flushed). Call [`check`](Self::check) when [`deadline`](Self::deadline)
/// has come, and after each check write what there is to write.
///
/// ```
/// use std::time::Duration;
/// use ws_proto::{Connection, Instant, Limits, Liveness, TimedOut, Timeouts, Verdict};
///
/// let at = |secs| Instant::from_epoch(Duration::from_secs(secs));
/// let until = |secs| Verdict::Alive { wake: Some(at(secs)) };
/// let mut connection = Connection::server(&Limits::default());
/// let mut liveness = Liveness::new(&Timeouts::default());
/// assert_eq!(liveness.check(at(0), &mut connection), until(20));
///
/// // There is a Ping to write; when it has left, the time of its answer begins.
/// assert_eq!(liveness.check(at(20), &mut connection), until(20));
/// assert_eq!(connection.poll_transmit().expect("a Ping").as_ref(), [0x89, 0]);
/// liveness.on_written();
/// liveness.on_flushed();
/// assert_eq!(liveness.check(at(20), &mut connection), until(40));
///
/// // Nothing came: does the transport hold something that nobody has read?
/// assert_eq!(liveness.check(at(40), &mut connection), Verdict::LastCall);
/// assert_eq!(liveness.check(at(40), &mut connection), Verdict::Dead(TimedOut::Pong));
/// ```
#[derive(Debug)]
pub struct Liveness {
    /// The next point of the grid.
    ping_at: Instant,
    /// The deadline of what is asked of the peer.
    deadline: Instant,
    wake: Instant,
    ping_interval: Millis,
    pong_timeout: Millis,
    close_timeout: Millis,
    phase: Phase,
    /// A sign of life was seen since the last check.
    sign: bool,
    /// The transport did not take everything: if it takes more, the peer has made room.
    waits: bool,
    /// The number of checks in a row that were the last call, and, in the highest bit, whether
    /// something was received after the last one.
    calls: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Never checked: time has not begun.
    New,
    /// Nothing is asked of the peer.
    Quiet,
    /// Our own bytes may stand before the Ping. The clock runs here too: a peer that takes nothing
    /// is as good as gone.
    PingQueued,
    /// The next check notes when it left.
    PingLeft,
    AwaitPong,
    CloseQueued,
    CloseLeft,
    AwaitClose,
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// All is well; there may be a Ping to write.
    Alive {
        /// When to check again: [`Liveness::deadline`]. If it is now, write first. `None` if
        /// only something sent or received can change anything.
        wake: Option<Instant>,
    },
    /// The time is up. Read what the transport holds, at least once, and write what it takes,
    /// without waiting, then check again: the peer may have answered while we did something else.
    /// If the close timeout is up, only the peer's Close counts, as [`Connection::shutdown`] then
    /// says.
    LastCall,
    /// Drop the connection.
    Dead(TimedOut),
}

/// The step that the peer did not complete in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TimedOut {
    /// It showed no sign of life after a Ping: it sent nothing, and took nothing of what waits.
    #[error("the peer did not answer a ping in time")]
    Pong,
    /// It did not complete the opening handshake.
    #[error("the peer did not complete the opening handshake in time")]
    Handshake,
    /// It did not complete the closing handshake, or end its stream after that.
    #[error("the peer did not complete the closing handshake in time")]
    Close,
}

impl Liveness {
    /// The bit of `calls` that says that something was received after the last one.
    const HEARD: u8 = 1 << 7;

    /// The most last calls: what a peer had sent before its time was over may take several reads,
    /// and we give up on one that never ends.
    const CALLS: u8 = 64;

    /// Watches a connection whose opening handshake is done. Its time begins with the first
    /// check.
    #[must_use]
    pub const fn new(timeouts: &Timeouts) -> Self {
        Self {
            ping_at: Instant::NEVER,
            deadline: Instant::NEVER,
            // The epoch: the first check is due now.
            wake: Instant(0),
            ping_interval: match timeouts.ping_interval {
                Some(interval) => Millis::new(interval),
                None => Millis::NEVER,
            },
            pong_timeout: Millis::new(timeouts.pong_timeout),
            close_timeout: Millis::new(timeouts.close_timeout),
            phase: Phase::New,
            sign: false,
            waits: false,
            calls: 0,
        }
    }

    /// Reports that bytes were received, whatever they were.
    #[inline]
    pub const fn on_received(&mut self) {
        // A peer that we are closing has an end to its time, however much it says.
        self.sign |= !self.phase.is_closing();
        if self.calls > 0 {
            self.calls |= Self::HEARD;
        }
    }

    /// Reports that the transport took some of what was to be sent.
    ///
    /// That alone is no sign of life: until its own memory is full, a transport takes bytes for a
    /// peer that is gone. It is a sign of life when it later takes more of what had to wait.
    #[inline]
    pub const fn on_written(&mut self) {
        self.on_taken();
        self.waits = true;
    }

    /// The same, of a transport that may take more at once: [`on_blocked`](Self::on_blocked) reports
    /// that it does not.
    #[inline]
    pub(crate) const fn on_taken(&mut self) {
        self.sign |= self.waits;
    }

    /// Reports that the transport has taken everything that was to be sent.
    #[inline]
    pub const fn on_flushed(&mut self) {
        self.waits = false;
        let left = match self.phase {
            Phase::PingQueued => Phase::PingLeft,
            Phase::CloseQueued => Phase::CloseLeft,
            _ => return,
        };
        self.phase = left;
        // A sign from before is no answer.
        self.sign = false;
    }

    /// Reports that the transport took nothing of what is to be sent. An adapter whose transport
    /// refuses a write as a whole calls this; what the transport takes next is then a sign of life.
    #[inline]
    pub const fn on_blocked(&mut self) {
        self.waits = true;
    }

    /// Looks at the clock: queues a Ping if one is due, and says whether to give up on the peer.
    ///
    /// Call it when [`deadline`](Self::deadline) has come. It does no harm to call it more often,
    /// or late: after a pause of the whole program comes one Ping, not as many as were missed.
    pub fn check(&mut self, now: Instant, connection: &mut Connection) -> Verdict {
        let is_open = is_open(connection);
        self.look(now, is_open, || connection.keep_alive())
    }

    /// The moment when the next check has something to do; one that has passed means now. It may
    /// move closer between two checks, when a Close is queued or received. `None` if only sending
    /// or receiving can change anything.
    #[must_use]
    pub const fn deadline(&self, connection: &Connection) -> Option<Instant> {
        self.due(is_open(connection))
    }

    /// The timeouts that this was made with, as they are kept: see [`Timeouts`].
    #[must_use]
    pub const fn timeouts(&self) -> Timeouts {
        Timeouts {
            ping_interval: match self.ping_interval {
                Millis::NEVER => None,
                interval => Some(interval.duration()),
            },
            pong_timeout: self.pong_timeout.duration(),
            close_timeout: self.close_timeout.duration(),
        }
    }

    /// The body of [`check`](Self::check).
    pub(crate) fn look(
        &mut self,
        now: Instant,
        is_open: bool,
        ping: impl FnOnce() -> Result<(), SendError>,
    ) -> Verdict {
        let begins_to_close = self.go_on(is_open, now);
        if self.is_overdue(now) {
            return self.judge();
        }
        self.calls = 0;

        // Now if something was queued: then it is known whether it could leave at once.
        self.wake = if begins_to_close || self.pings(now, ping) {
            now
        } else {
            self.next(now)
        };
        Verdict::Alive {
            wake: self.due(is_open),
        }
    }

    /// Counts the time of a Close that was queued or has left since the last check, without a
    /// verdict on the peer. Returns whether that time is over.
    #[cfg(feature = "alloc")]
    pub(crate) fn time_close(&mut self, now: Instant) -> bool {
        let begins_to_close = self.go_on(false, now);
        self.wake = if begins_to_close { now } else { self.next(now) };
        self.is_overdue(now)
    }

    /// The body of [`deadline`](Self::deadline).
    pub(crate) const fn due(&self, is_open: bool) -> Option<Instant> {
        if self.begins_to_close(is_open) {
            return Some(Instant(0));
        }
        match self.wake {
            Instant::NEVER => None,
            wake => Some(wake),
        }
    }

    /// Whether a Close was queued or received since the last check.
    const fn begins_to_close(&self, is_open: bool) -> bool {
        !is_open && !self.phase.is_closing()
    }

    /// Goes to the phase that follows from what happened since the last check. Returns whether a
    /// Close was queued or received.
    fn go_on(&mut self, is_open: bool, now: Instant) -> bool {
        let begins_to_close = self.begins_to_close(is_open);
        if begins_to_close {
            self.queued(Phase::CloseQueued, now);
        } else {
            self.advance(now);
        }
        begins_to_close
    }

    fn advance(&mut self, now: Instant) {
        let sign = mem::take(&mut self.sign);
        match self.phase {
            Phase::New => {
                self.phase = Phase::Quiet;
                self.ping_at = self.ping_interval.after(now);
            }
            Phase::PingLeft | Phase::AwaitPong if sign => self.phase = Phase::Quiet,
            Phase::PingLeft => {
                self.phase = Phase::AwaitPong;
                self.deadline = self.pong_timeout.after(now);
            }
            Phase::CloseLeft => {
                self.phase = Phase::AwaitClose;
                self.deadline = self.close_timeout.after(now);
            }
            Phase::PingQueued if sign => self.deadline = self.pong_timeout.after(now),
            Phase::CloseQueued if sign => self.deadline = self.close_timeout.after(now),
            _ => {}
        }
    }

    /// Notes that from now on something waits to be written that the peer has to answer.
    fn queued(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.deadline = match phase.is_closing() {
            true => self.close_timeout.after(now),
            false => self.pong_timeout.after(now),
        };
        self.sign = false;
        self.waits = true;
    }

    fn is_overdue(&self, now: Instant) -> bool {
        !matches!(self.phase, Phase::New | Phase::Quiet) && self.deadline.is_due(now)
    }

    fn judge(&mut self) -> Verdict {
        let calls = self.calls & !Self::HEARD;
        if calls == 0 || (self.calls != calls && calls < Self::CALLS) {
            self.calls = calls + 1;
            return Verdict::LastCall;
        }
        Verdict::Dead(match self.phase.is_closing() {
            true => TimedOut::Close,
            false => TimedOut::Pong,
        })
    }

    /// Queues a Ping if one is due and none is on its way. Returns whether it did.
    fn pings(&mut self, now: Instant, ping: impl FnOnce() -> Result<(), SendError>) -> bool {
        if !self.ping_at.is_due(now) {
            return false;
        }
        let next = self.ping_interval.after(self.ping_at);
        self.ping_at = match next.is_due(now) {
            // So late that a Ping was missed.
            true => self.ping_interval.after(now),
            false => next,
        };
        // A peer that we could not ask, for want of memory, owes no answer.
        let asked = self.phase == Phase::Quiet && ping().is_ok();
        if asked {
            self.queued(Phase::PingQueued, now);
        }
        asked
    }

    /// The moment when the next check has something to do.
    fn next(&self, now: Instant) -> Instant {
        match self.phase {
            Phase::New | Phase::Quiet => self.ping_at,
            Phase::PingQueued => {
                let look = self.pong_timeout.quarter_after(now);
                self.ping_at.min(self.deadline).min(look)
            }
            Phase::PingLeft | Phase::AwaitPong => self.ping_at.min(self.deadline),
            Phase::CloseQueued => self.deadline.min(self.close_timeout.quarter_after(now)),
            Phase::CloseLeft | Phase::AwaitClose => self.deadline,
        }
    }
}

impl Phase {
    const fn is_closing(self) -> bool {
        matches!(self, Self::CloseQueued | Self::CloseLeft | Self::AwaitClose)
    }
}

/// A duration in a third of the space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Millis(u32);

impl Millis {
    const NEVER: Self = Self(u32::MAX);

    const fn new(duration: Duration) -> Self {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        if millis >= Self::NEVER.0 as u128 {
            return Self::NEVER;
        }
        #[expect(clippy::cast_possible_truncation, reason = "compared above")]
        let millis = millis as u32;
        // Nothing would be on time.
        Self(if millis == 0 { 1 } else { millis })
    }

    const fn duration(self) -> Duration {
        match self {
            Self::NEVER => Duration::MAX,
            Self(millis) => Duration::from_millis(millis as u64),
        }
    }

    const fn after(self, now: Instant) -> Instant {
        self.nanos_after(now, 1_000_000)
    }

    const fn quarter_after(self, now: Instant) -> Instant {
        self.nanos_after(now, 250_000)
    }

    const fn nanos_after(self, now: Instant, nanos: u64) -> Instant {
        match self {
            Self::NEVER => Instant::NEVER,
            Self(millis) => Instant(now.0.saturating_add(millis as u64 * nanos)),
        }
    }
}

const fn is_open(connection: &Connection) -> bool {
    matches!(connection.state(), State::Open)
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::vec::Vec;

    use super::*;

    /// Tens of thousands of connections have one each.
    #[test]
    fn it_takes_40_bytes() {
        assert_eq!(size_of::<Liveness>(), 40);
    }

    /// The phase that follows each: when all is taken; at a check, with nothing new and with a sign
    /// of life; when a Ping is due; when the time is over; when a Close was queued. With `!` the
    /// clock is set.
    const MACHINE: &str = "
        New         : New        | Quiet       | Quiet        | Quiet       | Quiet       | CloseQueued!
        Quiet       : Quiet      | Quiet       | Quiet        | PingQueued! | Quiet       | CloseQueued!
        PingQueued  : PingLeft   | PingQueued  | PingQueued!  | PingQueued  | LastCall    | CloseQueued!
        PingLeft    : PingLeft   | AwaitPong!  | Quiet        | AwaitPong!  | AwaitPong!  | CloseQueued!
        AwaitPong   : AwaitPong  | AwaitPong   | Quiet        | AwaitPong   | LastCall    | CloseQueued!
        CloseQueued : CloseLeft  | CloseQueued | CloseQueued! | CloseQueued | LastCall    | CloseQueued
        CloseLeft   : CloseLeft  | AwaitClose! | AwaitClose!  | AwaitClose! | AwaitClose! | AwaitClose!
        AwaitClose  : AwaitClose | AwaitClose  | AwaitClose   | AwaitClose  | LastCall    | AwaitClose
    ";

    #[test]
    fn the_machine_is_as_printed() {
        const SECOND: u64 = 1_000_000_000;
        const DEADLINE: Instant = Instant(50 * SECOND);
        let phases = [
            Phase::New,
            Phase::Quiet,
            Phase::PingQueued,
            Phase::PingLeft,
            Phase::AwaitPong,
            Phase::CloseQueued,
            Phase::CloseLeft,
            Phase::AwaitClose,
        ];
        let rows = MACHINE.lines().filter(|row| !row.trim().is_empty());
        for (phase, row) in phases.into_iter().zip(rows) {
            let led = |lead: &dyn Fn(&mut Liveness) -> Option<Verdict>| {
                let mut liveness = Liveness {
                    phase,
                    ping_at: Instant(45 * SECOND),
                    deadline: DEADLINE,
                    ..Liveness::new(&Timeouts::DEFAULT)
                };
                match lead(&mut liveness) {
                    Some(Verdict::LastCall) => "LastCall".into(),
                    _ if liveness.deadline == DEADLINE => format!("{:?}", liveness.phase),
                    _ => format!("{:?}!", liveness.phase),
                }
            };
            let check = |liveness: &mut Liveness, seconds: u64| {
                let is_open = !liveness.phase.is_closing();
                Some(liveness.look(Instant(seconds * SECOND), is_open, || Ok(())))
            };
            let all_taken = led(&|liveness| {
                liveness.on_flushed();
                None
            });
            let nothing_new = led(&|liveness| check(liveness, 10));
            let sign = led(&|liveness| {
                liveness.sign = true;
                check(liveness, 10)
            });
            let ping_due = led(&|liveness| check(liveness, 45));
            let over = led(&|liveness| {
                liveness.ping_at = Instant::NEVER;
                check(liveness, 50)
            });
            let closed = led(&|liveness| Some(liveness.look(Instant(0), false, || Ok(()))));
            let (name, printed) = row.split_once(':').expect("a phase");
            assert_eq!(name.trim(), format!("{phase:?}"));
            let printed: Vec<_> = printed.split('|').map(str::trim).collect();
            let found = [all_taken, nothing_new, sign, ping_due, over, closed];
            assert_eq!(found[..], printed[..], "{phase:?}");
        }
        assert_eq!(MACHINE.matches(':').count(), phases.len());
    }

    #[test]
    fn timeouts_are_kept_in_milliseconds() {
        let mut timeouts = Timeouts::DEFAULT;
        assert_eq!(Liveness::new(&timeouts).timeouts(), timeouts);
        timeouts.ping_interval = Some(Duration::from_nanos(1));
        timeouts.pong_timeout = Duration::from_secs(u64::MAX);
        let kept = Liveness::new(&timeouts).timeouts();
        assert_eq!(kept.ping_interval, Some(Duration::from_millis(1)));
        assert_eq!(kept.pong_timeout, Duration::MAX);
        timeouts.ping_interval = None;
        assert_eq!(Liveness::new(&timeouts).timeouts().ping_interval, None);
    }

    #[test]
    fn millis_are_rounded_up_and_never_is_never() {
        let millis = |nanos| Millis::new(Duration::from_nanos(nanos)).0;
        assert_eq!([0, 1, 999_999].map(millis), [1, 1, 1]);
        assert_eq!([1_000_000, 1_000_001].map(millis), [1, 2]);
        let longest = u64::from(u32::MAX - 1) * 1_000_000;
        assert_eq!(millis(longest), u32::MAX - 1);
        assert_eq!(millis(longest + 1), u32::MAX);
        assert_eq!(Millis::new(Duration::MAX), Millis::NEVER);
        assert_eq!(Millis::NEVER.after(Instant(5)), Instant::NEVER);
        assert_eq!(Millis::NEVER.quarter_after(Instant(5)), Instant::NEVER);
        assert_eq!(Millis(8).quarter_after(Instant(5)), Instant(2_000_005));
    }
}
