//! Waiting: which sockets are ready, and wake-ups from other threads.
//!
//! The only file besides `stream.rs` that knows how the system is asked.

use std::io;
use std::time::Duration;

use mio::{Events, Poll, Registry, Token, Waker};

use crate::stream::{Listener, Stream};

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
/// The token of the first slot.
const FIRST: usize = 2;

/// The most events of one wait. What is left comes with the next.
const EVENTS: usize = 1024;

#[derive(Debug)]
pub(crate) struct Poller {
    poll: Poll,
    events: Events,
}

/// Something that has become possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Somebody wants to connect.
    Accept,
    /// Another thread has something for us.
    Woken,
    /// A connection is ready.
    Ready(Ready),
}

/// What a connection can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) slot: u32,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer has ended its side, or the connection has failed.
    pub(crate) hung_up: bool,
}

/// The way to have sockets watched.
#[derive(Debug)]
pub(crate) struct Watch(Registry);

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
        })
    }

    pub(crate) fn waker(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), WAKER)
    }

    pub(crate) fn watch(&self) -> io::Result<Watch> {
        self.poll.registry().try_clone().map(Watch)
    }

    /// Waits until something is ready, or the time is up.
    pub(crate) fn wait(&mut self, patience: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, patience) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// What the last wait has found.
    pub(crate) fn events(&self) -> impl Iterator<Item = Event> {
        self.events.iter().map(|event| match event.token() {
            LISTENER => Event::Accept,
            WAKER => Event::Woken,
            Token(token) => Event::Ready(Ready {
                slot: u32::try_from(token - FIRST).unwrap_or(u32::MAX),
                readable: event.is_readable() || event.is_error(),
                writable: event.is_writable() || event.is_error(),
                hung_up: event.is_read_closed() || event.is_error(),
            }),
        })
    }
}

impl Watch {
    pub(crate) fn listener(&self, listener: &mut Listener) -> io::Result<()> {
        listener.register(&self.0, LISTENER)
    }

    pub(crate) fn stream(&self, stream: &mut Stream, slot: u32) -> io::Result<()> {
        stream.register(&self.0, Token(slot as usize + FIRST))
    }
}
