//! A loop that runs: its turns.
//!
//! ```text
//!   wait ─▶ each connection that can go on ─▶ those that were cut short ─▶ accept
//!     ▲                                                                       │
//!     └── what goes to others ◀── what other threads posted ◀── deadlines ◀───┘
//! ```
//!
//! The clock is read once in a turn. No connection holds a turn for more than so many reads and
//! messages: what is left waits until all others have been served.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use ws_proto::{Buffers, Config, Instant, Prepared};

use crate::connections::{Connections, Stage};
use crate::flags::Flags;
use crate::handle::Mailbox;
use crate::handler::{Closed, Handler};
use crate::poller::{Event, Poller, Ready, Watch};
use crate::post::{Letter, Others, Post};
use crate::rules::Rules;
use crate::stream::Listener;
use crate::wheel::Wheel;

mod accept;
mod deliver;
mod open;
mod opening;
mod time;
mod wire;

/// How much of what a client still sends is read and dropped at a time.
const SCRATCH: usize = 16 << 10;

/// A loop that runs.
pub(crate) struct Running<H: Handler> {
    handler: H,
    rules: Rules,
    connections: Connections<H::Data>,
    wheel: Wheel,
    post: Post,
    /// The pair of buffers that is lent to the connection being served.
    buffers: Buffers,
    scratch: Vec<u8>,
    /// Those that were cut short.
    again: VecDeque<u32>,
    watch: Watch,
    mailbox: Arc<Mailbox>,
    letters: Vec<Letter>,
    /// The messages for one topic that are delivered together.
    batch: Vec<(Arc<Prepared>, Option<crate::Id>)>,
    door: accept::Door,
    now: Instant,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// A shutdown was asked for: until this moment the peers may take their leave.
    Stopping(Instant),
    /// It was asked for twice, or the time is over.
    Ending,
}

impl<H: Handler> Running<H> {
    pub(crate) fn new(
        handler: H,
        mut rules: Rules,
        listener: Listener,
        mailbox: Arc<Mailbox>,
        watch: Watch,
    ) -> Self {
        let now = (rules.clock)();
        Self {
            handler,
            connections: Connections::new(),
            wheel: Wheel::new(now),
            post: Post::default(),
            buffers: buffers(&rules.config),
            scratch: vec![0; SCRATCH],
            again: VecDeque::new(),
            watch,
            mailbox,
            letters: Vec::new(),
            batch: Vec::new(),
            door: accept::Door::new(listener),
            now,
            phase: Phase::Running,
            rules,
        }
    }

    /// Serves until it is shut down.
    ///
    /// # Errors
    ///
    /// The system does not say any more which sockets are ready.
    pub(crate) fn run(mut self, poller: &mut Poller) -> io::Result<()> {
        self.door.open(&self.watch)?;
        let result = loop {
            if let Err(error) = poller.wait(self.patience()) {
                break Err(error);
            }
            self.turn(poller.events());
            match self.phase {
                Phase::Running => {}
                Phase::Stopping(_) if self.connections.len() > 0 => {}
                Phase::Stopping(_) | Phase::Ending => break Ok(()),
            }
        };
        self.mailbox.end();
        for slot in 0..self.connections.slots() {
            self.finish(slot, Closed::Shutdown);
        }
        result
    }

    fn turn(&mut self, events: impl Iterator<Item = Event>) {
        self.now = (self.rules.clock)();
        for event in events {
            match event {
                Event::Ready(ready) => self.ready(ready),
                Event::Accept => self.door.knocked(),
                Event::Woken => {}
            }
        }
        // Those that are cut short again wait for the next turn.
        for _ in 0..self.again.len() {
            if let Some(slot) = self.again.pop_front() {
                if let Some(entry) = self.connections.get_mut(slot) {
                    entry.flags.clear(Flags::QUEUED);
                }
                self.serve(slot);
            }
        }
        self.accept();
        while let Some(slot) = self.wheel.pop(&mut self.connections, self.now) {
            self.due(slot);
        }
        self.read_mail();
        self.deliver();
    }

    fn ready(&mut self, ready: Ready) {
        let Some(entry) = self.connections.get_mut(ready.slot) else {
            return;
        };
        if ready.readable {
            entry.flags.set(Flags::READABLE);
        }
        if ready.hung_up {
            entry.flags.set(Flags::HUNG_UP);
        }
        if ready.writable {
            entry.flags.clear(Flags::BLOCKED);
        }
        match entry.stage {
            Stage::Open(_) => self.serve_open(ready.slot),
            _ => self.serve(ready.slot),
        }
    }

    /// Serves a connection as far as it goes without waiting.
    fn serve(&mut self, slot: u32) {
        let Some(entry) = self.connections.get_mut(slot) else {
            return;
        };
        match entry.stage {
            Stage::Open(_) => self.serve_open(slot),
            Stage::Opening(_) => self.serve_opening(slot),
            Stage::Answering(_) => self.serve_answering(slot),
            Stage::Vacant { .. } => {}
        }
    }

    /// Serves it once more, after all others.
    fn serve_again(&mut self, slot: u32) {
        if let Some(entry) = self.connections.get_mut(slot)
            && !entry.flags.has(Flags::QUEUED)
        {
            entry.flags.set(Flags::QUEUED);
            self.again.push_back(slot);
        }
    }

    /// Tells the handler that a connection is over, unless it knows, and closes the socket.
    fn finish(&mut self, slot: u32, why: Closed<'_>) {
        self.tell(slot, why);
        self.wheel.drop_deadline(&mut self.connections, slot);
        match self.connections.get_mut(slot).map(|entry| &entry.stage) {
            Some(Stage::Opening(_)) => self.door.openings -= 1,
            Some(Stage::Answering(answering)) if answering.is_refusal() => self.door.refusals -= 1,
            _ => {}
        }
        self.connections.remove(slot);
        self.door.has_room();
    }

    /// Tells the handler that a connection is over, unless it knows.
    fn tell(&mut self, slot: u32, why: Closed<'_>) {
        let Some(entry) = self.connections.get_mut(slot) else {
            return;
        };
        let id = entry.id(slot);
        if entry.flags.take(Flags::MEMBER) {
            self.post.topics.leave_all(slot);
        }
        if let Some(data) = entry.data.take() {
            let mut others = Others {
                post: &mut self.post,
            };
            self.handler.closed(&mut others, id, data, why);
        }
    }

    /// Takes what other threads have posted.
    fn read_mail(&mut self) {
        let mut letters = mem::take(&mut self.letters);
        let asked = self.mailbox.take(&mut letters);
        for letter in letters.drain(..) {
            self.post.take(letter);
        }
        self.letters = letters;
        match (asked.shutdowns, self.phase) {
            (0, _) | (1, Phase::Stopping(_)) | (_, Phase::Ending) => {}
            (1, Phase::Running) => self.stop(),
            _ => self.phase = Phase::Ending,
        }
        if let Phase::Stopping(until) = self.phase
            && until <= self.now
        {
            self.phase = Phase::Ending;
        }
    }

    /// Accepts no more, and has everybody take their leave.
    fn stop(&mut self) {
        self.phase = Phase::Stopping(self.now.after(self.rules.grace));
        self.door.shut();
        for slot in 0..self.connections.slots() {
            match self.connections.get_mut(slot).map(|entry| &entry.stage) {
                Some(Stage::Open(_)) => self.leave(slot),
                Some(Stage::Opening(_)) => self.turn_away(slot),
                _ => {}
            }
        }
    }

    /// How long the next wait may take.
    fn patience(&self) -> Option<Duration> {
        if !self.again.is_empty() || self.door.is_busy() {
            return Some(Duration::ZERO);
        }
        let grace = match self.phase {
            Phase::Stopping(until) => Some(until.saturating_duration_since(self.now)),
            _ => None,
        };
        [
            self.wheel.patience(self.now),
            self.door.patience(),
            grace.map(|grace| grace.max(Duration::from_millis(1))),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

/// The pair of buffers: a read takes as much as a session's own would at most.
fn buffers(config: &Config) -> Buffers {
    Buffers::new(config.limits.read_buffer.saturating_mul(2))
}
