//! A connection with its buffers: what every adapter drives.
//!
//! ```text
//!              ┌──────────────────────── Session ────────────────────────┐
//!   socket ──▶ │ spare_mut, filled ▶ Inbox ▶ Connection ▶ step           │ ──▶ application
//!              │                                │ answers                │
//!   socket ◀── │ unsent, sent      ◀ Outbox ◀───┴──────── send,          │ ◀── application
//!              │                                          ping, close    │
//!   clock  ──▶ │ check                                                   │
//!              └─────────────────────────────────────────────────────────┘
//! ```
//!
//! All progress lives here, and each step of an adapter is one read or one write: whatever is
//! cancelled between two steps loses nothing.

use alloc::vec::Vec;

use crate::close::Close;
use crate::connection::{Connection, Shutdown, State};
#[cfg(feature = "deflate")]
use crate::deflate::{Deflate, Deflater, Inflater};
use crate::error::{ProtocolError, SendError};
#[cfg(feature = "deflate")]
use crate::handshake::Compression;
use crate::incoming::Incoming;
use crate::limits::Limits;
use crate::liveness::{Instant, Timeouts, Verdict};
use crate::message::{Event, Message, MessageBuf};
use crate::outgoing::Outgoing;

/// What the next step would give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Ready {
    /// A message.
    Message,
    /// A Ping, Pong or Close.
    Control,
    /// Nothing before more has been read.
    NeedData,
    /// Nothing any more: the peer has closed.
    Closed,
}

/// What a step gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step<'a> {
    /// A message, whole.
    Message(Message<'a>),
    /// A Ping, Pong or Close; what it asks for has been done.
    Control(Event<'a>),
    /// More has to be read from the transport.
    NeedData,
    /// The peer has closed: nothing will be received any more.
    Closed,
}

/// One end of a WebSocket together with its buffers. It moves no bytes itself: an adapter reads
/// into [`spare_mut`](Self::spare_mut), writes [`unsent`](Self::unsent), and hands over what
/// [`step`](Self::step) gives.
///
/// An idle session owns no buffers: they are made at first use, kept while there is traffic, and
/// given back by [`release`](Self::release).
///
/// ```
/// use ws_proto::{Limits, Message, Session, Step};
///
/// let mut server = Session::server(&Limits::default());
/// let mut client = Session::client(&Limits::default(), [0; 32]); // 32 bytes of entropy
///
/// // A wire of memory: what one has unsent, the other receives.
/// fn carry(from: &mut Session, to: &mut Session) {
///     let len = from.unsent().len();
///     to.push(from.unsent());
///     from.sent(len);
/// }
///
/// client.send("hello")?;
/// carry(&mut client, &mut server);
///
/// // The message lies in the inbox while it is answered through the other half.
/// let (incoming, outgoing) = server.halves();
/// while let Step::Message(message) = incoming.step(outgoing)? {
///     outgoing.send(message)?;
/// }
///
/// carry(&mut server, &mut client);
/// assert_eq!(client.step()?, Step::Message(Message::Text("hello")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Session {
    incoming: Incoming,
    outgoing: Outgoing,
}

/// What is left of a session when the stream is taken over by something else.
#[derive(Debug)]
pub struct Parts {
    /// The state of the protocol.
    pub connection: Connection,
    /// What was received and not consumed.
    pub unread: Vec<u8>,
    /// What was to be sent and is not written yet.
    pub unsent: Vec<u8>,
}

impl Session {
    /// The server's end of a connection whose opening handshake is done.
    #[must_use]
    pub fn server(limits: &Limits) -> Self {
        Self::new(Connection::server(limits), limits)
    }

    /// The client's end of a connection whose opening handshake is done: see
    /// [`Connection::client`] for the seed.
    #[must_use]
    pub fn client(limits: &Limits, seed: [u8; 32]) -> Self {
        Self::new(Connection::client(limits, seed), limits)
    }

    fn new(connection: Connection, limits: &Limits) -> Self {
        Self {
            incoming: Incoming::new(limits),
            outgoing: Outgoing::new(connection, limits),
        }
    }

    /// Has the peer pinged and the close timed: see [`check`](Self::check), with the first of
    /// which time begins. Without it the session knows no time.
    #[must_use]
    pub fn watched(mut self, timeouts: &Timeouts) -> Self {
        self.outgoing.watch(timeouts);
        self
    }

    /// Compresses messages, as the opening handshake agreed:
    /// [`Compression::agree`](crate::handshake::Compression::agree) on a server,
    /// [`Offer::agreed`](crate::handshake::Offer::agreed) on a client. `limits` are the
    /// session's.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn compressed(mut self, settings: &Deflate, agreed: &Compression, limits: &Limits) -> Self {
        let role = self.outgoing.connection.role();
        self.outgoing.connection = self.outgoing.connection.compressed();
        self.outgoing
            .deflate_with(Deflater::new(settings, agreed, role));
        self.incoming
            .inflate_with(Inflater::new(agreed, role, limits.max_message));
        self
    }

    /// Where to read from the transport to: never empty.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](ProtocolError::OutOfMemory) if a message within the limits is larger than
    /// what memory there is.
    pub fn spare_mut(&mut self) -> Result<&mut [u8], ProtocolError> {
        self.incoming.spare_mut(&mut self.outgoing)
    }

    /// The first `len` bytes of [`spare_mut`](Self::spare_mut) were read.
    pub fn filled(&mut self, len: usize) {
        self.incoming.filled(len);
    }

    /// Takes bytes that were received elsewhere: those behind the head of the opening handshake.
    pub fn push(&mut self, bytes: &[u8]) {
        self.incoming.push(bytes);
    }

    /// The stream has ended. Step until data is needed first: what is unread then is the start of
    /// something that will not be completed.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](ProtocolError::UnexpectedEof) if the peer had not closed.
    pub fn eof(&mut self) -> Result<(), ProtocolError> {
        self.incoming.eof(&mut self.outgoing)
    }

    /// Goes on as far as it can without handing anything out; says what [`step`](Self::step)
    /// would give. For loops that return a message, which may not hold it while they go on.
    ///
    /// # Errors
    ///
    /// How the peer broke the protocol: final. The Close that tells it so is
    /// [`unsent`](Self::unsent).
    pub fn ready(&mut self) -> Result<Ready, ProtocolError> {
        self.incoming.ready(&mut self.outgoing)
    }

    /// The next message or control frame, or what is needed for one.
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready).
    #[inline]
    pub fn step(&mut self) -> Result<Step<'_>, ProtocolError> {
        self.incoming.step(&mut self.outgoing)
    }

    /// The next message with its own memory, if [`ready`](Self::ready) says that there is one.
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready).
    pub fn take_message(&mut self) -> Result<Option<MessageBuf>, ProtocolError> {
        self.incoming.take_message(&mut self.outgoing)
    }

    /// The two sides, to answer a message while it is held.
    #[inline]
    pub const fn halves(&mut self) -> (&mut Incoming, &mut Outgoing) {
        (&mut self.incoming, &mut self.outgoing)
    }

    /// Queues a message: see [`Outgoing::send`].
    ///
    /// # Errors
    ///
    /// [`Full`](SendError::Full), [`Closed`](SendError::Closed),
    /// [`MessageInProgress`](SendError::MessageInProgress).
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.outgoing.send(message)
    }

    /// Queues a Ping: see [`Outgoing::ping`].
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`ControlTooLong`](SendError::ControlTooLong).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.outgoing.ping(payload)
    }

    /// Starts the closing handshake: see [`Outgoing::close`].
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed).
    pub fn close(&mut self, close: Option<Close<'_>>) -> Result<(), SendError> {
        self.outgoing.close(close)
    }

    /// What is to be written next: see [`Outgoing::unsent`].
    #[inline]
    pub fn unsent(&mut self) -> &[u8] {
        self.outgoing.unsent()
    }

    /// The first `len` unsent bytes were written.
    #[inline]
    pub fn sent(&mut self, len: usize) {
        self.outgoing.sent(len);
    }

    /// Looks at the clock: see [`Liveness::check`](crate::Liveness::check).
    pub fn check(&mut self, now: Instant) -> Verdict {
        self.outgoing.check(now)
    }

    /// When to close the TCP connection (RFC 6455 §7.1.1).
    #[must_use]
    pub const fn shutdown(&self) -> Shutdown {
        self.outgoing.shutdown()
    }

    /// Where the connection stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.outgoing.state()
    }

    /// What the peer's Close said, once it was received.
    #[must_use]
    pub fn peer_close(&self) -> Option<Close<'_>> {
        self.outgoing.peer_close()
    }

    /// Gives back what memory is not in use. To be called when the connection falls silent.
    pub fn release(&mut self) {
        self.incoming.release();
        self.outgoing.release();
    }

    /// Reads into a buffer that the adapter lends: see [`Incoming::lend`].
    #[must_use = "the buffer that was in use is returned"]
    pub fn lend(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        self.incoming.lend(buffer)
    }

    /// Takes the sides apart, for two threads: the incoming one then needs the outgoing one for
    /// the moment of each step.
    #[must_use]
    pub fn split(self) -> (Incoming, Outgoing) {
        (self.incoming, self.outgoing)
    }

    /// Takes the session apart without losing a byte, between two messages.
    #[must_use]
    pub fn into_parts(mut self) -> Parts {
        let mut unsent = Vec::new();
        self.outgoing.take_unsent(&mut unsent);
        Parts {
            unread: self.incoming.unread().into(),
            unsent,
            connection: self.outgoing.connection,
        }
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    /// What a server pays for each connection that says nothing.
    #[test]
    fn an_idle_session_takes_at_most_512_bytes() {
        assert!(size_of::<Session>() <= 512, "{}", size_of::<Session>());
    }
}
