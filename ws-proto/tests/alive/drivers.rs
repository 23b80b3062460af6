//! The ways to drive an end, and the signs of life that each notes.

use core::fmt::Debug;
use std::collections::VecDeque;

use ws_proto::{Connection, Instant, Limits, Liveness, Opcode, Role, State, Timeouts, Verdict};

use crate::mouth::What;

#[cfg(feature = "alloc")]
pub(crate) mod sessions;

/// Our end, as an adapter has it.
pub(crate) trait Driver: Debug {
    fn new(role: Role, timeouts: &Timeouts) -> Self;

    fn state(&self) -> State;

    /// Sends a message whose frame has so many bytes, or as few as a frame can have.
    fn send(&mut self, bytes: u64);

    fn close(&mut self);

    /// One read.
    fn read(&mut self, bytes: &[u8]);

    fn wants_write(&self) -> bool;

    /// Writes what there is to a transport that takes `room` bytes: how many it took, and, in
    /// `left`, after how many of them each question to the peer ends.
    fn write(&mut self, room: u64, left: &mut Vec<(u64, What)>) -> u64;

    fn check(&mut self, now: Instant) -> Verdict;

    fn deadline(&self) -> Option<Instant>;
}

/// The parts without memory, each driven by hand: an adapter with a queue of its own notes what
/// moves.
#[derive(Debug)]
pub(crate) struct ByHand {
    connection: Connection,
    liveness: Liveness,
    /// Received, and the start of something.
    unread: Vec<u8>,
    /// Ours, not taken by the socket.
    queue: VecDeque<Item>,
}

#[derive(Debug)]
struct Item {
    /// `None` for a message.
    what: Option<What>,
    bytes: u64,
    begun: bool,
}

impl ByHand {
    /// A Ping goes before what was not begun to be written, the Close after all.
    fn frame(&mut self) {
        while let Some(control) = self.connection.poll_transmit() {
            let bytes = control.as_ref().len() as u64;
            match control.opcode() {
                Opcode::Close => self.queue.push_back(Item::new(Some(What::Close), bytes)),
                _ => {
                    let begun = self.queue.iter().filter(|item| item.begun).count();
                    self.queue.insert(begun, Item::new(Some(What::Ping), bytes));
                }
            }
        }
    }
}

impl Item {
    const fn new(what: Option<What>, bytes: u64) -> Self {
        Self {
            what,
            bytes,
            begun: false,
        }
    }
}

impl Driver for ByHand {
    fn new(role: Role, timeouts: &Timeouts) -> Self {
        let mut limits = Limits::default();
        limits.max_message = u64::MAX;
        Self {
            connection: match role {
                Role::Server => Connection::server(&limits),
                Role::Client => Connection::client(&limits, [7; 32]),
            },
            liveness: Liveness::new(timeouts),
            unread: vec![],
            queue: VecDeque::new(),
        }
    }

    fn state(&self) -> State {
        self.connection.state()
    }

    fn send(&mut self, bytes: u64) {
        self.queue.push_back(Item::new(None, bytes));
    }

    fn close(&mut self) {
        self.connection.close(None).expect("open");
    }

    fn read(&mut self, bytes: &[u8]) {
        self.liveness.on_received();
        self.unread.extend(bytes);
        let mut at = 0;
        loop {
            let received = self.connection.receive(&mut self.unread[at..]);
            let received = received.expect("in order");
            at += received.consumed;
            if received.event.is_none() {
                break;
            }
        }
        self.unread.drain(..at);
    }

    fn wants_write(&self) -> bool {
        !self.queue.is_empty() || self.connection.wants_transmit()
    }

    fn write(&mut self, room: u64, left: &mut Vec<(u64, What)>) -> u64 {
        self.frame();
        let mut taken = 0;
        while let Some(item) = self.queue.front_mut()
            && taken < room
        {
            let part = item.bytes.min(room - taken);
            item.bytes -= part;
            item.begun = true;
            taken += part;
            if item.bytes == 0 {
                left.extend(item.what.map(|what| (taken, what)));
                self.queue.pop_front();
            }
        }
        if taken == 0 {
            self.liveness.on_blocked();
        } else {
            self.liveness.on_written();
            if self.queue.is_empty() {
                self.liveness.on_flushed();
            }
        }
        taken
    }

    fn check(&mut self, now: Instant) -> Verdict {
        self.liveness.check(now, &mut self.connection)
    }

    fn deadline(&self) -> Option<Instant> {
        self.liveness.deadline(&self.connection)
    }
}
