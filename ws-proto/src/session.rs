//! A connection with its buffers: what every adapter drives.
//!
//! ```text
//!              ┌──────────────────────── Session ────────────────────────┐
//!   socket ──▶ │ spare_mut, filled ▶ inbox ▶ Receiver ▶ step             │ ──▶ application
//!              │                                │ answers                │
//!   socket ◀── │ unsent, sent ◀ outbox ◀ Sender ┴──────── send,          │ ◀── application
//!              │                                          ping, close    │
//!   clock  ──▶ │ check                                                   │
//!              └─────────────────────────────────────────────────────────┘
//! ```
//!
//! All progress lives here, and each step of an adapter is one read or one write: whatever is
//! cancelled between two steps loses nothing.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::buffers::Buffers;
use crate::close::Close;
use crate::closing::{Shutdown, State};
use crate::config::Config;
use crate::connection::Connection;
#[cfg(feature = "deflate")]
use crate::deflate::{Compress, Deflate, Deflater};
use crate::error::{ProtocolError, SendError};
#[cfg(feature = "deflate")]
use crate::handshake::Compression;
use crate::header::{Kind, Part};
use crate::incoming::Incoming;
#[cfg(feature = "deflate")]
use crate::inflate::Inflater;
use crate::liveness::{Instant, Timeouts, Verdict};
use crate::message::{Event, Message, MessageBuf};
use crate::outgoing::Outgoing;
use crate::prepared::Prepared;
use crate::receiver::Receiver;
use crate::role::Role;
use crate::sender::Sender;
use crate::step::{Ready, Step};

/// One end of a WebSocket together with its buffers. It moves no bytes itself: an adapter reads
/// into [`spare_mut`](Self::spare_mut), writes what is [`unsent`](Self::unsent), and hands over
/// what [`step`](Self::step) returns.
///
/// An idle session owns no buffers: they are made at first use, kept while there is traffic, and
/// given back by [`release`](Self::release).
///
/// ```
/// use ws_proto::{Config, Message, Session, Step};
///
/// let mut server = Session::server(&Config::default());
/// let mut client = Session::client(&Config::default(), [0; 32]); // 32 bytes of entropy
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

/// The parts of a session: for handing its stream over to other code, or taking one over from it.
pub struct Parts {
    /// The state of the protocol.
    pub connection: Connection,
    /// Bytes received and not consumed.
    pub unread: Vec<u8>,
    /// Bytes to be sent that are not written yet.
    pub unsent: Vec<u8>,
}

impl Session {
    /// The server's end of a connection whose opening handshake is done.
    #[must_use]
    pub fn server(config: &Config) -> Self {
        Self::new(Sender::server(), config)
    }

    /// The client's end of a connection whose opening handshake is done: see
    /// [`Connection::client`] for the seed.
    #[must_use]
    pub fn client(config: &Config, seed: [u8; 32]) -> Self {
        Self::new(Sender::client(seed), config)
    }

    fn new(sender: Sender, config: &Config) -> Self {
        Self {
            incoming: Incoming::new(Receiver::new(sender.role(), &config.limits), &config.limits),
            outgoing: Outgoing::new(sender, config),
        }
    }

    /// Compresses messages, as the opening handshake agreed:
    /// [`Compression::agree`](crate::handshake::Compression::agree) on a server,
    /// [`Offer::agreed`](crate::handshake::Offer::agreed) on a client.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn compressed(mut self, settings: &Deflate, agreed: &Compression) -> Self {
        let role = self.role();
        self.outgoing
            .deflate_with(Deflater::new(settings, agreed, role));
        self.incoming
            .inflate_with(|max_message| Inflater::new(agreed, role, max_message));
        self
    }

    /// Returns the buffer to read from the transport into: never empty.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](ProtocolError::OutOfMemory) if there is no memory for a message within the
    /// limits. The next step returns it too, and queues the Close.
    #[inline]
    pub fn spare_mut(&mut self) -> Result<&mut [u8], ProtocolError> {
        self.incoming.spare_mut()
    }

    /// Reports that the first `len` bytes of [`spare_mut`](Self::spare_mut) were read.
    #[inline]
    pub fn filled(&mut self, len: usize) {
        self.incoming.filled(len);
    }

    /// Takes a copy of bytes that were received elsewhere. [`attach`](Self::attach) takes them
    /// without one.
    pub fn push(&mut self, bytes: &[u8]) {
        self.incoming.push(bytes);
    }

    /// Reports the end of the stream. Step until data is needed first: what is unread then is the
    /// start of something that will not be completed.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](ProtocolError::UnexpectedEof) if the peer had not closed.
    pub fn eof(&mut self) -> Result<(), ProtocolError> {
        self.incoming.eof(&mut self.outgoing)
    }

    /// Proceeds as far as it can without handing anything out, and says what [`step`](Self::step)
    /// would return. For loops that return a message: they cannot hold it while they go on.
    ///
    /// # Errors
    ///
    /// The violation of the protocol by the peer: final. The Close that reports it is
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

    /// The next message, if [`ready`](Self::ready) says that there is one.
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready).
    #[inline]
    pub fn message(&mut self) -> Result<Option<Message<'_>>, ProtocolError> {
        self.incoming.message(&mut self.outgoing)
    }

    /// The next message with its own memory, if [`ready`](Self::ready) says that there is one.
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready).
    pub fn take_message(&mut self) -> Result<Option<MessageBuf>, ProtocolError> {
        self.incoming.take_message(&mut self.outgoing)
    }

    /// The next control frame, answered already, if [`ready`](Self::ready) says that there is one.
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready).
    pub fn control(&mut self) -> Result<Option<Event<'_>>, ProtocolError> {
        self.incoming.control(&mut self.outgoing)
    }

    /// Proceeds until some of a message can be [read](Self::read): see [`Incoming::ready_to_read`].
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready).
    pub fn ready_to_read(&mut self) -> Result<Ready, ProtocolError> {
        self.incoming.ready_to_read(&mut self.outgoing)
    }

    /// Reads some of a message of any length, and returns the number of bytes, 0 at its end. See
    /// [`Incoming::read`].
    ///
    /// ```
    /// use ws_proto::{Config, Kind, Ready, Session};
    ///
    /// let mut session = Session::client(&Config::default(), [0; 32]);
    /// session.push(b"\x81\x7F\0\0\0\0\0\x01\0\0a text of 64 KiB beg");
    /// assert_eq!(session.ready_to_read()?, Ready::Message);
    /// assert_eq!(session.reading(), Some(Kind::Text));
    /// let mut room = [0; 6];
    /// assert_eq!(session.read(&mut room)?, 6);
    /// assert_eq!(&room, b"a text");
    /// # Ok::<(), ws_proto::ProtocolError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`ready`](Self::ready).
    pub fn read(&mut self, room: &mut [u8]) -> Result<usize, ProtocolError> {
        self.incoming.read(room, &mut self.outgoing)
    }

    /// The kind of the message that is being [read](Self::read); `None` after its end.
    #[must_use]
    pub const fn reading(&self) -> Option<Kind> {
        self.incoming.reading()
    }

    /// Drops the rest of the message that is being [read](Self::read), as it comes.
    pub fn skip(&mut self) {
        self.incoming.skip();
    }

    /// The two halves, to answer a message while it is held.
    #[inline]
    pub const fn halves(&mut self) -> (&mut Incoming, &mut Outgoing) {
        (&mut self.incoming, &mut self.outgoing)
    }

    /// Queues a message: see [`Outgoing::send`].
    ///
    /// # Errors
    ///
    /// As [`Outgoing::send`].
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.outgoing.send(message)
    }

    /// Queues a message, compressed or not: see [`Outgoing::send_with`].
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[cfg(feature = "deflate")]
    pub fn send_with<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
        compress: Compress,
    ) -> Result<(), SendError> {
        self.outgoing.send_with(message, compress)
    }

    /// Queues a message that was prepared for many: see [`Outgoing::send_prepared`].
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), SendError> {
        self.outgoing.send_prepared(prepared)
    }

    /// Queues a fragment of a message: see [`Outgoing::send_part`].
    ///
    /// # Errors
    ///
    /// As [`Outgoing::send_part`].
    pub fn send_part(&mut self, kind: Kind, payload: &[u8], part: Part) -> Result<(), SendError> {
        self.outgoing.send_part(kind, payload, part)
    }

    /// Queues a message without copying its payload: see [`Outgoing::send_by_reference`].
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_by_reference<'m>(&mut self, message: Message<'m>) -> Result<&'m [u8], SendError> {
        self.outgoing.send_by_reference(message)
    }

    /// Queues a Ping: see [`Outgoing::ping`].
    ///
    /// # Errors
    ///
    /// As [`Outgoing::ping`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.outgoing.ping(payload)
    }

    /// Queues a Pong that answers no Ping: see [`Outgoing::pong`].
    ///
    /// # Errors
    ///
    /// As [`Outgoing::pong`].
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.outgoing.pong(payload)
    }

    /// Starts the closing handshake: see [`Outgoing::close`].
    ///
    /// # Errors
    ///
    /// As [`Outgoing::close`].
    pub fn close(&mut self, close: Option<Close<'_>>) -> Result<(), SendError> {
        self.outgoing.close(close)
    }

    /// The bytes to write next: see [`Outgoing::unsent`].
    #[inline]
    pub fn unsent(&mut self) -> &[u8] {
        self.outgoing.unsent()
    }

    /// The bytes to write, if they lie in one piece: see [`Outgoing::unsent_whole`].
    #[inline]
    pub fn unsent_whole(&mut self) -> Option<&[u8]> {
        self.outgoing.unsent_whole()
    }

    /// The bytes to write, in several pieces: see [`Outgoing::unsent_slices`].
    pub fn unsent_slices<'a>(&'a mut self, to: &mut [&'a [u8]]) -> usize {
        self.outgoing.unsent_slices(to)
    }

    /// Reports that the transport has taken the first `len` unsent bytes; with 0, that it took
    /// none: see [`Outgoing::on_blocked`].
    #[inline]
    pub fn sent(&mut self, len: usize) {
        self.outgoing.sent(len);
    }

    /// Whether there is something to be written.
    #[inline]
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.outgoing.wants_write()
    }

    /// The number of bytes of messages that wait to be written.
    #[inline]
    #[must_use]
    pub fn unsent_len(&self) -> usize {
        self.outgoing.unsent_len()
    }

    /// Whether the next message will not be [`Full`](SendError::Full), whatever its length.
    #[inline]
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.outgoing.has_room()
    }

    /// Whether a message of `len` bytes would be compressed.
    #[must_use]
    pub fn compresses(&self, len: usize) -> bool {
        self.outgoing.compresses(len)
    }

    /// Looks at the clock: see [`Liveness::check`](crate::Liveness::check). Time begins with the
    /// first call; without one, nothing is timed.
    pub fn check(&mut self, now: Instant) -> Verdict {
        self.incoming.check(&mut self.outgoing, now)
    }

    /// The moment when [`check`](Self::check) will have something to do: see
    /// [`Outgoing::deadline`].
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.outgoing.deadline()
    }

    /// Counts the time of the closing handshake, if one has begun, but does not judge a peer whose
    /// Close we await: see [`Outgoing::time_close`]. [`check`](Self::check) does both.
    pub fn time_close(&mut self, now: Instant) -> Verdict {
        self.outgoing.time_close(now)
    }

    /// The timeouts of the connection.
    #[must_use]
    pub const fn timeouts(&self) -> Timeouts {
        self.outgoing.timeouts()
    }

    /// Returns what to do about the transport (RFC 6455 §7.1.1).
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.outgoing.shutdown()
    }

    /// Reports that the sending side of the transport was shut down, as [`Shutdown::Write`] asks
    /// for.
    pub const fn write_shut(&mut self) {
        self.outgoing.write_shut();
    }

    /// Reports that `len` bytes were read and dropped, as [`Shutdown::Drain`] asks for.
    pub fn dropped(&mut self, len: usize) {
        self.outgoing.dropped(len);
    }

    /// The state of the connection.
    #[must_use]
    pub const fn state(&self) -> State {
        self.outgoing.state()
    }

    /// The role: server or client.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.outgoing.role()
    }

    /// The code and reason of the peer's Close, once it was received.
    #[must_use]
    pub fn peer_close(&self) -> Option<Close<'_>> {
        self.outgoing.peer_close()
    }

    /// Frees the memory that is not in use, also if it is [lent](Self::attach). Call it when the
    /// connection goes idle.
    pub fn release(&mut self) {
        self.incoming.release();
        self.outgoing.release();
    }

    /// The memory that it holds, in bytes: see [`Incoming::memory`] and [`Outgoing::memory`].
    #[must_use]
    pub fn memory(&self) -> usize {
        self.incoming
            .memory()
            .saturating_add(self.outgoing.memory())
    }

    /// Whether part of a message has been received that is not handed out yet.
    #[must_use]
    pub const fn is_within_message(&self) -> bool {
        self.incoming.is_within_message()
    }

    /// Whether there is no memory to read into: see [`Incoming::is_released`].
    #[must_use]
    pub const fn is_released(&self) -> bool {
        self.incoming.is_released()
    }

    /// Uses `buffers` to receive into and to send from, until they are taken [back](Self::detach).
    /// Bytes that they hold already count as received, after what is left over from before. Write
    /// what was [swapped](Outgoing::swap) into them before. A pair that was not taken back before
    /// the next one belongs to the session from then on.
    pub fn attach(&mut self, mut buffers: Buffers) {
        self.incoming.attach(&mut buffers);
        self.outgoing.attach(&mut buffers);
    }

    /// Takes back what was [attached](Self::attach). What is left over (a cut frame, an incomplete
    /// message, bytes that the transport did not take) stays in the session's own memory, and
    /// neither events nor bytes sent are any different. A message that was handed out is forgotten.
    /// `None` if none was attached. A half without memory for what is left over continues with the
    /// buffer that it has.
    pub fn detach(&mut self) -> Option<Buffers> {
        let mut buffers = Buffers::default();
        self.incoming.detach(&mut buffers);
        self.outgoing.detach(&mut buffers);
        buffers.if_any()
    }

    /// Takes the halves apart, for two threads: see [`Answer`](crate::Answer).
    #[must_use]
    pub fn split(self) -> (Incoming, Outgoing) {
        (self.incoming, self.outgoing)
    }

    /// Joins two halves that were taken [apart](Self::split).
    #[must_use]
    pub const fn join(incoming: Incoming, outgoing: Outgoing) -> Self {
        Self { incoming, outgoing }
    }

    /// Takes the session apart without losing a byte.
    ///
    /// # Errors
    ///
    /// Returns the session, unchanged, in the middle of a message, received or sent, or if messages
    /// are compressed: parts cannot hold these states.
    pub fn into_parts(mut self) -> Result<Parts, Box<Self>> {
        if self.incoming.is_within_message() || self.outgoing.is_within_message() {
            return Err(Box::new(self));
        }
        let mut unsent = Vec::new();
        loop {
            let next = self.outgoing.unsent();
            if next.is_empty() {
                break;
            }
            unsent.extend_from_slice(next);
            let len = next.len();
            self.outgoing.sent(len);
        }
        Ok(Parts {
            unread: self.incoming.unread().into(),
            unsent,
            connection: Connection::join(
                self.incoming.into_receiver(),
                self.outgoing.into_sender(),
            ),
        })
    }

    /// Makes a session that takes over from other code. The parts do not hold the peer's Close: ask
    /// for [`peer_close`](Self::peer_close) before.
    #[must_use]
    pub fn from_parts(parts: Parts, config: &Config) -> Self {
        let (receiver, sender) = parts.connection.split();
        let mut this = Self {
            incoming: Incoming::new(receiver, &config.limits),
            outgoing: Outgoing::new(sender, config),
        };
        this.incoming.push(&parts.unread);
        this.outgoing.resume(&parts.unsent, this.incoming.peer());
        this
    }
}

/// Shows the lengths, and nothing of what is in the buffers.
impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("connection", &self.connection)
            .field("unread", &self.unread.len())
            .field("unsent", &self.unsent.len())
            .finish()
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    /// The memory that a server needs for each silent connection.
    #[test]
    fn an_idle_session_is_small() {
        let size = size_of::<Session>();
        let most = if cfg!(feature = "deflate") { 224 } else { 208 };
        assert!(size <= most, "{size}");
    }
}
