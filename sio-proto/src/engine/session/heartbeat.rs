//! Time: is the client still there (Engine.IO 4, "Heartbeat")?
//!
//! ```text
//!            interval over: `2`              timeout over
//!   Quiet ───────────────────────▶ Waiting ───────────────▶ dead
//!     ▲                             │  │ ▲
//!     └──────────── `3` ────────────┘  └─┘ any other packet: the timeout begins again
//! ```

use core::time::Duration;

use ws_proto::Instant;

#[derive(Clone, Copy)]
pub(super) struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    phase: Phase,
}

#[derive(Clone, Copy)]
enum Phase {
    /// The next ping is due then.
    Quiet(Instant),
    /// A ping was queued; a sign of life is awaited until then.
    Waiting(Instant),
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    Dead,
}

impl Heartbeat {
    pub(super) fn new(interval: Duration, timeout: Duration, now: Instant) -> Self {
        Self {
            interval,
            timeout,
            phase: Phase::Quiet(now.after(interval)),
        }
    }

    /// A pong came. One that nobody asked for means nothing.
    pub(super) fn on_pong(&mut self, now: Instant) {
        if let Phase::Waiting(_) = self.phase {
            self.phase = Phase::Quiet(now.after(self.interval));
        }
    }

    /// Another packet came.
    pub(super) fn on_packet(&mut self, now: Instant) {
        if let Phase::Waiting(until) = &mut self.phase {
            *until = now.after(self.timeout);
        }
    }

    pub(super) fn check(&mut self, now: Instant, pings: Pings) -> Due {
        match self.phase {
            Phase::Quiet(at) if at <= now && pings == Pings::Leave => {
                // Counted from when it was due: timers are late by a little. One that is late by much
                // takes half of the time from the client at most.
                let until = at.after(self.timeout).max(now.after(self.timeout / 2));
                self.phase = Phase::Waiting(until);
                Due::Ping
            }
            Phase::Waiting(until) if until <= now => Due::Dead,
            _ => Due::Nothing,
        }
    }

    pub(super) const fn deadline(&self, pings: Pings) -> Option<Instant> {
        match (self.phase, pings) {
            (Phase::Quiet(_), Pings::Wait) => None,
            (Phase::Quiet(at) | Phase::Waiting(at), _) => Some(at),
        }
    }
}

/// Whether a ping that is due can leave: not while the transport changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pings {
    Leave,
    Wait,
}
