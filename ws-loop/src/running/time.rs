//! Deadlines: of handshakes, of answers, of Pings and Closes.

use ws_proto::{Instant, Session, Verdict};

use super::{Running, wire};
use crate::connections::Stage;
use crate::flags::Flags;
use crate::handler::{Closed, Handler};

impl<H: Handler> Running<H> {
    /// Says whether the deadline of an open connection has passed.
    pub(super) fn deadline(&mut self, slot: u32) -> Deadline {
        let now = self.now;
        match self.connections.get_mut(slot).map(|entry| &entry.stage) {
            Some(Stage::Open(session)) => Deadline::of(session, now),
            _ => Deadline::ToCome,
        }
    }

    /// The deadline of a connection may have passed.
    pub(super) fn due(&mut self, slot: u32) {
        let now = self.now;
        let Some(entry) = self.connections.get_mut(slot) else {
            return;
        };
        let deadline = match &entry.stage {
            Stage::Open(session) => session.deadline(),
            Stage::Opening(opening) => opening.deadline(),
            Stage::Answering(answering) => Some(answering.deadline),
            Stage::Vacant { .. } => None,
        };
        match (deadline, &entry.stage) {
            (None, _) => {}
            (Some(at), _) if at > now => self.wheel.set(&mut self.connections, slot, at),
            (_, Stage::Open(_)) => self.check(slot),
            (_, Stage::Opening(_)) => self.serve_opening(slot),
            _ => self.finish(slot, Closed::Shutdown),
        }
    }

    /// Looks at the clock for an open connection: pings the peer, or gives up on it.
    #[inline(never)]
    pub(super) fn check(&mut self, slot: u32) {
        let mut again = false;
        loop {
            let Some(entry) = self.connections.get_mut(slot) else {
                return;
            };
            let Stage::Open(session) = &mut entry.stage else {
                return;
            };
            // What an earlier burst has left behind.
            session.release();
            wire::lend(session, &mut self.buffers);
            let verdict = session.check(self.now);
            let flushed = match verdict {
                Verdict::Alive { .. } => {
                    wire::flush_rest(session.halves().1, &entry.stream, &mut entry.flags)
                }
                _ => Ok(()),
            };
            wire::take_back(session, &mut self.buffers);
            if flushed.is_err() {
                // A transport that fails is still read to its end, in a turn of its own.
                entry.flags.set(Flags::READABLE);
                entry.flags.set(Flags::UNSENT);
            }
            if verdict == Verdict::LastCall {
                entry.flags.set(Flags::READABLE);
                entry.flags.set(Flags::LAST_CALL);
                entry.flags.clear(Flags::BLOCKED);
            }
            if flushed.is_err() {
                self.serve_again(slot);
            }
            match verdict {
                // Something was queued; whether it has left is known now.
                Verdict::Alive { wake } if is_due(wake, self.now) && !again => again = true,
                Verdict::Alive { wake } => {
                    if let Some(at) = wake {
                        self.wheel.set(&mut self.connections, slot, at);
                    }
                    return;
                }
                // What lies in the socket already is read before the peer is judged.
                Verdict::LastCall => {
                    let _ = self.turn_open(slot);
                    if let Some(entry) = self.connections.get_mut(slot) {
                        entry.flags.clear(Flags::LAST_CALL);
                    }
                }
                Verdict::Dead(timed_out) => {
                    return self.finish(slot, Closed::TimedOut(timed_out));
                }
            }
        }
    }
}

/// Whether a check of an open connection has something to do: that a Close was queued or received
/// counts, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deadline {
    Passed,
    ToCome,
}

impl Deadline {
    #[inline]
    pub(super) fn of(session: &Session, now: Instant) -> Self {
        match session.deadline() {
            Some(at) if at <= now => Self::Passed,
            _ => Self::ToCome,
        }
    }
}

fn is_due(wake: Option<Instant>, now: Instant) -> bool {
    wake.is_some_and(|wake| wake <= now)
}
