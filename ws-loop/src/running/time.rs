//! Deadlines: of handshakes, of answers, of Pings and Closes.

use ws_proto::{Instant, Verdict};

use super::{Running, open};
use crate::connections::{Flags, Stage};
use crate::handler::{Closed, Handler};

impl<H: Handler> Running<H> {
    /// Looks after a connection after its turn, if there is anything to look after: a Close that was
    /// queued or received, most of all.
    #[inline]
    pub(super) fn look_after(&mut self, slot: u32) {
        let now = self.now;
        if let Some(entry) = self.connections.get_mut(slot)
            && let Stage::Open(session) = &entry.stage
            && session.deadline().is_some_and(|at| at <= now)
        {
            self.check(slot);
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

    /// Looks at the clock for an open connection: pings the peer, or gives it up.
    #[inline(never)]
    fn check(&mut self, slot: u32) {
        let mut again = false;
        loop {
            let Some(entry) = self.connections.get_mut(slot) else {
                return;
            };
            let Stage::Open(session) = &mut entry.stage else {
                return;
            };
            open::lend(session, &mut self.buffers);
            let verdict = session.check(self.now);
            // A transport that fails is found so by the turn that reads what it holds.
            let lost = match (&verdict, entry.flags.has(Flags::BLOCKED)) {
                (Verdict::Alive { .. }, false) => {
                    open::flush(session.halves().1, &entry.stream, &mut entry.flags).is_err()
                }
                _ => false,
            };
            open::take_back(session, &mut self.buffers);
            if lost {
                entry.flags.set(Flags::READABLE);
            }
            if verdict == Verdict::LastCall {
                entry.flags.set(Flags::READABLE);
                entry.flags.set(Flags::LAST_CALL);
                entry.flags.clear(Flags::BLOCKED);
            }
            if lost {
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
                    self.turn_open(slot);
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

fn is_due(wake: Option<Instant>, now: Instant) -> bool {
    wake.is_some_and(|wake| wake <= now)
}
