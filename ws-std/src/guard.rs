//! Bounds on each connection of a server: its pace, and its share of the memory.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ws_http::{Budget, Charge, Counters, Excess, Pace, Watch};
use ws_proto::{Buffers, Incoming, Instant, Outgoing, SendError};

use crate::sync::lock;

/// The rules of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) pace: Pace,
    pub(crate) budget: Option<Budget>,
    pub(crate) counters: Arc<Counters>,
}

impl Rules {
    /// Watches a connection that is open from now on, if there is anything to watch.
    pub(crate) fn guard(&self, now: Instant) -> Option<Box<Guard>> {
        if !self.pace.is_set() && self.budget.is_none() {
            return None;
        }
        Some(Box::new(Guard {
            watch: Watch::new(self.pace, now),
            charge: self.budget.as_ref().map(Budget::charge),
            exceeded: None,
            told: false,
        }))
    }
}

/// Watches what one connection receives.
#[derive(Debug)]
pub(crate) struct Guard {
    watch: Watch,
    charge: Option<Charge>,
    exceeded: Option<Excess>,
    /// Whether the counters know.
    told: bool,
}

impl Guard {
    /// A read gave so many bytes.
    pub(crate) fn received(&mut self, incoming: &Incoming, len: usize, now: Instant) {
        self.watch.received(len, incoming.is_within_message(), now);
        self.account(incoming);
    }

    /// What was read was looked at: a message may have begun in it, and nothing more may come.
    pub(crate) const fn stands(&mut self, incoming: &Incoming, now: Instant) {
        self.watch.received(0, incoming.is_within_message(), now);
    }

    /// A message or a control frame was there.
    pub(crate) fn frame(&mut self, kind: Frame, now: Instant) {
        self.watch.frames(1, now);
        if kind == Frame::Message {
            self.watch.message(now);
        }
    }

    /// Counts what is held now.
    pub(crate) fn account(&mut self, incoming: &Incoming) {
        if let Some(charge) = &mut self.charge
            && let Err(excess) = charge.set(incoming.memory())
        {
            self.exceeded = Some(excess);
        }
    }

    /// Why the connection was closed, if it was.
    pub(crate) fn closed(&self) -> Option<Excess> {
        self.exceeded.filter(|_| self.told)
    }

    /// Looks at the clock, and says when to look again.
    ///
    /// # Errors
    ///
    /// The connection is to be closed; the first time it is counted.
    pub(crate) fn check(
        &mut self,
        now: Instant,
        counters: &Counters,
    ) -> Result<Option<Instant>, Excess> {
        let checked = match self.exceeded {
            Some(excess) => Err(excess),
            None => self.watch.check(now),
        };
        self.exceeded = checked.err();
        if let Err(excess) = checked
            && !mem::replace(&mut self.told, true)
        {
            counters.exceeded(excess);
        }
        checked
    }
}

/// What was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Message,
    Control,
}

/// Counts what waits to be sent on one connection.
#[derive(Debug)]
pub(crate) struct Waiting {
    charge: Mutex<Charge>,
    /// What is being written, and so is no longer with the outgoing half.
    on_its_way: AtomicUsize,
}

impl Waiting {
    pub(crate) fn new(budget: &Budget) -> Self {
        Self {
            charge: Mutex::new(budget.charge()),
            on_its_way: AtomicUsize::new(0),
        }
    }

    /// Checks that so many bytes more may wait.
    pub(crate) fn check(&self, len: usize) -> Result<(), SendError> {
        match lock(&self.charge).has_room(len) {
            true => Ok(()),
            false => Err(SendError::OutOfMemory),
        }
    }

    /// Counts what waits now.
    pub(crate) fn account(&self, outgoing: &Outgoing) {
        let held = outgoing.memory() + self.on_its_way.load(Ordering::Relaxed);
        // What several have queued at once may be more than there is: then they learn it when they
        // queue the next.
        let _ = lock(&self.charge).set(held);
    }

    /// Counts what waits, and what is being written.
    pub(crate) fn account_both(&self, outgoing: &Outgoing, wire: &Buffers) {
        self.on_its_way.store(wire.memory(), Ordering::Relaxed);
        self.account(outgoing);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::error::Error;
    use crate::reader::Next;
    use crate::shared::Setup;
    use crate::socket::{About, WebSocket};
    use ws_proto::{Config, Session};

    /// A connection of a server with this pace, at a clock that the test moves.
    fn paced(set: impl FnOnce(&mut Pace)) -> (WebSocket, TcpStream, Clock, Arc<Counters>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (tcp, address) = listener.accept().unwrap();
        let (clock, mut rules) = (Clock::manual(), Rules::default());
        set(&mut rules.pace);
        let counters = rules.counters.clone();
        let setup = Setup {
            rules: Some(rules),
            ..Setup::new(clock.clone())
        };
        let mut config = Config::default();
        config.timeouts.ping_interval = None;
        config.timeouts.close_timeout = Duration::from_millis(10);
        let session = Session::server(&config);
        let stream = Arc::new(tcp.into());
        let ws = WebSocket::new(stream, address, session, setup, About::default()).unwrap();
        (ws, peer, clock, counters)
    }

    /// Reads what is there, until the time of the test is up.
    fn look(ws: &mut WebSocket) -> Result<bool, Error> {
        let next = ws.recv_timeout(Duration::ZERO)?;
        Ok(matches!(next, Next::Message(_)))
    }

    #[test]
    fn a_message_that_drips_is_too_slow_and_one_that_does_not_is_not() {
        let (mut ws, mut peer, clock, counters) = paced(|pace| pace.min_rate = Some(100));
        // Of a message of 70,000, a thousand bytes in each ten seconds, and then one.
        peer.write_all(&[0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0x11, 0x70, 0, 0, 0, 0])
            .unwrap();
        for len in [1, 1, 1000, 1000, 1000, 1] {
            peer.write_all(&vec![7; len]).unwrap();
            assert!(!look(&mut ws).unwrap());
            clock.advance(Duration::from_secs(if len == 1000 { 10 } else { 0 }));
        }
        clock.advance(Duration::from_secs(10));
        for _ in 0..2 {
            let error = look(&mut ws).unwrap_err();
            assert!(matches!(error, Error::Excess(Excess::Slow)), "{error}");
        }
        assert_eq!(counters.metrics().slow, 1);
    }

    #[test]
    fn who_falls_silent_in_the_first_read_of_a_message_is_too_slow() {
        let (mut ws, mut peer, clock, _) = paced(|pace| pace.min_rate = Some(100));
        peer.write_all(&[0x82, 0xFE, 0x03, 0xE8, 0, 0, 0, 0, 7])
            .unwrap();
        assert!(!look(&mut ws).unwrap());
        clock.advance(Duration::from_secs(10));
        let error = look(&mut ws).unwrap_err();
        assert!(matches!(error, Error::Excess(Excess::Slow)), "{error}");
    }

    #[test]
    fn in_the_closing_handshake_nobody_has_to_talk() {
        let (ws, _peer, clock, counters) =
            paced(|pace| pace.max_idle = Some(Duration::from_secs(60)));
        let (mut reader, writer) = ws.split();
        writer.close(ws_proto::CloseCode::NORMAL, "").unwrap();
        clock.advance(Duration::from_secs(60));
        let error = reader.recv().unwrap_err();
        assert!(matches!(error, Error::TimedOut(_)), "{error}");
        assert_eq!(counters.metrics().idle, 0);
    }
}
