//! The door: it keeps accepting whatever happens to a connection.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ws_http::Refusal;
use ws_proto::Instant;

use super::Running;
use crate::connections::{Id, Stage};
use crate::handler::{Closed, Handler};
use crate::opening::{Answering, Opening};
use crate::poller::Watch;
use crate::stream::{Listener, Stream};

/// The most connections that are accepted in a turn.
const ACCEPTS: usize = 128;

/// The time to wait for descriptors or memory to become free, unless a connection ends before.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// The most refused clients whose answer is still on the way; more are just dropped.
const REFUSALS: usize = 64;

/// The time that a client for whom there is no room has to read its answer.
const REFUSAL: Duration = Duration::from_secs(1);

/// Where connections come in.
#[derive(Debug)]
pub(super) struct Door {
    /// `None` once it is shut.
    listener: Option<Listener>,
    /// Somebody may wait.
    knocked: bool,
    /// The system had no room for another, and has been asked to wait.
    exhausted: Option<Instant>,
    /// The connections that are opening, in the order in which they came, and some that are not any
    /// more.
    order: VecDeque<Id>,
    pub(super) openings: usize,
    pub(super) refusals: usize,
}

impl Door {
    pub(super) const fn new(listener: Listener) -> Self {
        Self {
            listener: Some(listener),
            knocked: false,
            exhausted: None,
            order: VecDeque::new(),
            openings: 0,
            refusals: 0,
        }
    }

    pub(super) fn open(&mut self, watch: &Watch) -> io::Result<()> {
        match &mut self.listener {
            Some(listener) => watch.listener(listener),
            None => Ok(()),
        }
    }

    /// Accepts nobody any more: the system refuses clients that come now.
    pub(super) fn shut(&mut self) {
        self.listener = None;
        self.knocked = false;
        self.exhausted = None;
    }

    pub(super) const fn knocked(&mut self) {
        self.knocked = true;
    }

    /// A connection has ended, and its descriptor is free.
    pub(super) const fn has_room(&mut self) {
        self.exhausted = None;
    }

    /// Whether there are more to accept than a turn had time for.
    pub(super) const fn is_busy(&self) -> bool {
        self.knocked && self.exhausted.is_none()
    }

    /// The time until it is tried again, if the system had no room.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.exhausted.map(|_| EXHAUSTED)
    }

    pub(super) const fn listener(&self) -> Option<&Listener> {
        self.listener.as_ref()
    }
}

impl<H: Handler> Running<H> {
    /// Accepts those who wait.
    pub(super) fn accept(&mut self) {
        if !self.door.knocked {
            return;
        }
        if let Some(until) = self.door.exhausted
            && until > self.now
        {
            return;
        }
        for _ in 0..ACCEPTS {
            let Some(listener) = &self.door.listener else {
                return;
            };
            match listener.accept() {
                Ok((stream, peer)) => {
                    self.door.exhausted = None;
                    self.enter(stream, peer);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        self.door.knocked = false;
                        self.door.exhausted = None;
                        return;
                    }
                    // The client gave up before we came, or a signal did.
                    io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::Interrupted => {}
                    // No descriptors or no memory: they become free when connections end.
                    _ => return self.exhausted(&error),
                },
            }
        }
    }

    fn exhausted(&mut self, error: &io::Error) {
        let is_new = self.door.exhausted.is_none();
        self.door.exhausted = Some(self.now.after(EXHAUSTED));
        if is_new && let Some(report) = &mut self.rules.exhausted {
            report(error);
        }
    }

    fn enter(&mut self, stream: Stream, peer: SocketAddr) {
        if self.connections.len() - self.door.refusals >= self.rules.max_connections {
            self.rules.log(peer, &Refusal::Full);
            return self.refuse(stream);
        }
        let opening = Opening::new(&self.rules, peer, self.now);
        let deadline = opening.deadline();
        let Some(slot) = self.admit(stream, Stage::Opening(Box::new(opening))) else {
            return;
        };
        self.door.openings += 1;
        if let Some(at) = deadline {
            self.wheel.set(&mut self.connections, slot, at);
        }
        self.make_way();
        if let Some(entry) = self.connections.get_mut(slot) {
            self.door.order.push_back(entry.id(slot));
        }
    }

    /// Tells a client that there is no room.
    fn refuse(&mut self, stream: Stream) {
        if self.door.refusals >= REFUSALS {
            return;
        }
        let deadline = self.now.after(REFUSAL);
        let answering = Answering::refusal(&Refusal::Full, deadline);
        if let Some(slot) = self.admit(stream, Stage::Answering(Box::new(answering))) {
            self.door.refusals += 1;
            self.wheel.set(&mut self.connections, slot, deadline);
            self.serve_answering(slot);
        }
    }

    /// Has the system watch a connection.
    fn admit(&mut self, stream: Stream, stage: Stage) -> Option<u32> {
        let slot = self.connections.insert(stream, stage)?;
        let entry = self.connections.get_mut(slot)?;
        if self.watch.stream(&mut entry.stream, slot).is_err() {
            self.connections.remove(slot);
            return None;
        }
        Some(slot)
    }

    /// Of too many that are opening the oldest gives way: it had the most time.
    fn make_way(&mut self) {
        let is_opening =
            |entry: &crate::connections::Entry<H::Data>| matches!(entry.stage, Stage::Opening(_));
        while let Some(&oldest) = self.door.order.front() {
            let slot = self.connections.find(oldest);
            let slot = slot.filter(|&slot| {
                self.connections
                    .get_mut(slot)
                    .is_some_and(|e| is_opening(e))
            });
            match slot {
                None => {}
                Some(slot) if self.door.openings > self.rules.max_openings => {
                    self.finish(slot, Closed::Shutdown);
                }
                // Those behind it that have opened meanwhile are forgotten now and then.
                Some(_) if self.door.order.len() > 2 * self.door.openings + ACCEPTS => {
                    let mut order = std::mem::take(&mut self.door.order);
                    order.retain(|&id| {
                        let slot = self.connections.find(id);
                        let entry = slot.and_then(|slot| self.connections.get_mut(slot));
                        entry.is_some_and(|entry| is_opening(entry))
                    });
                    self.door.order = order;
                    return;
                }
                Some(_) => return,
            }
            self.door.order.pop_front();
        }
    }
}
