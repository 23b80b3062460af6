//! Time: is the peer still there, and does it answer our Close?
//!
//! TCP alone does not tell. A peer whose cable is cut looks like one that has nothing to say, so
//! it is pinged, and must answer.
//!
//! ```text
//!             interval over: Ping queued               Ping flushed
//!   ──▶ Quiet ─────────────────────────────▶ Queued ─────────────────────▶ Waiting ──▶ Dead(NoPong)
//!         ▲                                     │ any Pong                    │  ▲
//!         └─────────────────────────────────────┴─────────────────────────────┘  └ once more, if
//!                                                                                  bytes came in
//!   any of them ── a Close sent or received ──▶ Closing ──▶ Dead(NoClose)
//! ```
//!
//! No clock is read here: the caller says what time it is, and is told when to ask again. Not
//! once per message either; the calls between two checks only set flags.

use core::time::Duration;

use crate::connection::{Connection, State};
use crate::error::SendError;

/// A moment: nanoseconds since an epoch of the caller's, such as the start of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The moment this long after the epoch, up to 584 years.
    #[must_use]
    pub fn since_epoch(elapsed: Duration) -> Self {
        Self(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// How long after `earlier` this is; zero if it is before.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The moment this much later, or the last there is.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(Self::since_epoch(duration).0))
    }
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// How often to ping; `None` never.
    ///
    /// Default: 20 s.
    pub ping_interval: Option<Duration>,
    /// How long to wait for the Pong, from the moment the Ping was flushed. Bytes received
    /// meanwhile extend it, once. With the default interval, a peer that vanishes is noticed
    /// within 40 s.
    ///
    /// Default: 20 s.
    pub pong_timeout: Duration,
    /// How long the closing handshake may take.
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

/// Watches one connection.
///
/// ```
/// use std::time::Duration;
/// use ws_proto::{Connection, Instant, Limits, Liveness, Timeouts, Verdict};
///
/// let at = |secs| Instant::since_epoch(Duration::from_secs(secs));
/// let mut connection = Connection::server(&Limits::default());
/// let mut liveness = Liveness::new(Timeouts::default(), at(0));
///
/// let verdict = liveness.check(at(0), &mut connection);
/// assert_eq!(verdict, Verdict::Alive { wake: Some(at(20)) });
///
/// liveness.check(at(20), &mut connection);
/// assert_eq!(connection.poll_transmit().expect("a Ping").as_ref(), [0x89, 0]);
/// liveness.flushed();
/// ```
#[derive(Debug)]
pub struct Liveness {
    timeouts: Timeouts,
    phase: Phase,
    since: Since,
}

/// What happened since the last check.
#[derive(Clone, Copy, Debug, Default)]
struct Since {
    heard: bool,
    answered: bool,
    wrote: bool,
    flushed: bool,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Quiet {
        ping_at: Instant,
    },
    /// The clock runs here too, for a peer that reads nothing is as good as gone; whatever is
    /// written restarts it.
    Queued {
        deadline: Instant,
    },
    Waiting {
        deadline: Instant,
        extended: Extended,
    },
    Closing {
        deadline: Instant,
    },
    /// Pings are off.
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extended {
    No,
    Once,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// All is well; there may be a Ping to transmit.
    Alive {
        /// When to check again. `None` if only something sent or received can change anything.
        wake: Option<Instant>,
    },
    /// The connection is to be dropped.
    Dead(Silence),
}

/// What the peer did not do in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Silence {
    /// It did not answer a Ping, or took nothing from us for as long.
    #[error("the peer did not answer a ping in time")]
    NoPong,
    /// It did not complete the opening handshake.
    #[error("the peer did not complete the opening handshake in time")]
    NoHandshake,
    /// It did not complete the closing handshake.
    #[error("the peer did not complete the closing handshake in time")]
    NoClose,
}

impl Liveness {
    /// Starts watching a connection that was opened at `now`.
    #[must_use]
    pub fn new(timeouts: Timeouts, now: Instant) -> Self {
        Self {
            phase: Self::quiet(&timeouts, now),
            timeouts,
            since: Since::default(),
        }
    }

    /// Bytes were received, whatever they were.
    #[inline]
    pub const fn heard(&mut self) {
        self.since.heard = true;
    }

    /// A Pong was received: it answers this Ping or a later one, and shows life in any case.
    #[inline]
    pub const fn answered(&mut self) {
        self.since.answered = true;
    }

    /// Everything that was to be sent has been written to the transport. To be called before the
    /// next check.
    #[inline]
    pub const fn flushed(&mut self) {
        self.since.flushed = true;
    }

    /// Some of what was to be sent has been written to the transport.
    #[inline]
    pub const fn wrote(&mut self) {
        self.since.wrote = true;
    }

    /// Looks at the clock: queues a Ping if one is due, and tells whether the peer is to be
    /// given up.
    ///
    /// To be called when the last check's `wake` has come, and before waiting for the peer.
    pub fn check(&mut self, now: Instant, connection: &mut Connection) -> Verdict {
        let waited = matches!(self.phase, Phase::Waiting { .. });
        self.phase = self.advance(now, connection.state());
        // What was heard while waiting counts until the wait is over.
        let waits = matches!(self.phase, Phase::Waiting { .. });
        self.since = Since {
            heard: self.since.heard && waited && waits,
            ..Since::default()
        };

        let overdue = |deadline| now >= deadline;
        match self.phase {
            Phase::Off => Verdict::Alive { wake: None },
            Phase::Quiet { ping_at } if overdue(ping_at) => {
                let deadline = now.after(self.timeouts.pong_timeout);
                self.phase = match connection.ping(&[]) {
                    // Who could not be asked owes no answer.
                    Err(SendError::OutOfMemory) => Phase::Quiet { ping_at: deadline },
                    // Else refused only behind a Close, and then the phase is another.
                    _ => Phase::Queued { deadline },
                };
                Verdict::Alive {
                    wake: Some(deadline),
                }
            }
            Phase::Quiet { ping_at: wake } => Verdict::Alive { wake: Some(wake) },
            Phase::Queued { deadline } | Phase::Waiting { deadline, .. } if overdue(deadline) => {
                Verdict::Dead(Silence::NoPong)
            }
            Phase::Closing { deadline } if overdue(deadline) => Verdict::Dead(Silence::NoClose),
            Phase::Queued { deadline }
            | Phase::Waiting { deadline, .. }
            | Phase::Closing { deadline } => Verdict::Alive {
                wake: Some(deadline),
            },
        }
    }

    /// The phase at `now`, from what happened since the last check.
    fn advance(&self, now: Instant, state: State) -> Phase {
        if state != State::Open {
            return match self.phase {
                closing @ Phase::Closing { .. } => closing,
                _ => Phase::Closing {
                    deadline: now.after(self.timeouts.close_timeout),
                },
            };
        }
        let later = now.after(self.timeouts.pong_timeout);
        match self.phase {
            Phase::Queued { .. } | Phase::Waiting { .. } if self.since.answered => {
                Self::quiet(&self.timeouts, now)
            }
            Phase::Queued { .. } if self.since.flushed => Phase::Waiting {
                deadline: later,
                extended: Extended::No,
            },
            Phase::Queued { .. } if self.since.wrote => Phase::Queued { deadline: later },
            Phase::Waiting {
                deadline,
                extended: Extended::No,
            } if self.since.heard && now >= deadline => Phase::Waiting {
                deadline: later,
                extended: Extended::Once,
            },
            phase => phase,
        }
    }

    fn quiet(timeouts: &Timeouts, now: Instant) -> Phase {
        match timeouts.ping_interval {
            Some(interval) => Phase::Quiet {
                ping_at: now.after(interval),
            },
            None => Phase::Off,
        }
    }
}
