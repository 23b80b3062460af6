//! An engine in the hands of an adapter that does what it should after each action, and no more.

use core::fmt::Debug;
use core::time::Duration;

use ws_proto::{Instant, Shutdown, State, Verdict};

use crate::engine::Engine;
use crate::run::{Endpoint, Shown};
use crate::script::{Action, Expected};

/// An engine, settled after each action.
pub(crate) struct Settled<'e> {
    engine: &'e mut dyn Engine,
    now: Duration,
    shown: Shown,
    out: Vec<u8>,
    verdict: Verdict,
}

impl<'e> Settled<'e> {
    pub(crate) fn new(engine: &'e mut dyn Engine) -> Self {
        let mut settled = Self {
            engine,
            now: Duration::ZERO,
            shown: Shown::default(),
            out: Vec::new(),
            verdict: Verdict::Alive { wake: None },
        };
        settled.settle();
        settled
    }

    /// Does what an adapter does before it waits for its peer: looks at the clock and writes,
    /// until there is nothing to write and nothing to do.
    fn settle(&mut self) {
        let now = Instant::from_epoch(self.now);
        loop {
            self.verdict = self.engine.check(now);
            let due = match self.verdict {
                Verdict::Alive { wake } => wake.is_some_and(|wake| wake <= now),
                // What the peer has sent was received.
                Verdict::LastCall => true,
                Verdict::Dead(silence) => {
                    self.shown.dead = Some(silence);
                    return;
                }
            };
            let written = self.engine.transmit();
            if written.is_empty() && !due {
                return;
            }
            self.out.extend(written);
        }
    }
}

impl Endpoint for Settled<'_> {
    fn act(&mut self, action: &Action, _: &[&Expected]) {
        let mut got = Vec::new();
        match action {
            Action::In(bytes) => self.engine.receive(bytes, &mut got),
            Action::InPieces {
                times,
                piece,
                bytes,
            } => {
                let len = bytes.len().clamp(1, *piece);
                for piece in core::iter::repeat_n(bytes, *times).flat_map(|all| all.chunks(len)) {
                    self.engine.receive(piece, &mut got);
                }
            }
            Action::Eof => self.engine.eof(&mut got),
            Action::Wait(duration) => self.now += *duration,
            command => {
                let refused = self.engine.send(command).err();
                self.shown.refused = refused.map(|error| format!("{error:?}"));
            }
        }
        self.shown.got.extend(got);
        self.settle();
    }

    fn shown(&mut self) -> &mut Shown {
        &mut self.shown
    }

    fn out(&mut self, len: usize) -> Vec<u8> {
        let len = len.min(self.out.len());
        self.out.drain(..len).collect()
    }

    fn left(&mut self) -> Option<&dyn Debug> {
        let out = (!self.out.is_empty()).then_some(&self.out);
        self.shown
            .left()
            .or_else(|| out.map(|out| out as &dyn Debug))
    }

    fn shows(&self, _: &Expected) -> bool {
        true
    }

    fn shutdown(&self) -> Option<Shutdown> {
        Some(self.engine.shutdown())
    }

    fn state(&self) -> Option<State> {
        Some(self.engine.state())
    }

    fn wake(&self) -> Option<Verdict> {
        Some(self.verdict)
    }
}
