//! The two halves joined, and the closing handshake: RFC 6455 §7.
//!
//! Receiving may cause sending: a Pong for a Ping, a Close for a Close, a
//! Close for a violation. Nothing that is sent changes what is received. Whether the connection
//! is open, closing or closed is computed from the two halves, and so cannot contradict them.

use crate::close::Close;
use crate::closing::{self, Linger, Shutdown, State};
use crate::error::{ProtocolError, SendError};
use crate::header::{Header, Kind, Part};
use crate::limits::Limits;
use crate::message::{Event, Message, Received};
use crate::receiver::Receiver;
use crate::role::Role;
use crate::sender::{Sender, Transmit};

/// One end of an open WebSocket: bytes in, events out, bytes to send.
///
/// It does no I/O and owns no buffer. Bytes go in through [`receive`](Self::receive) and
/// [`receive_eof`](Self::receive_eof); commands are [`send`](Self::send), [`begin`](Self::begin),
/// [`ping`](Self::ping) and [`close`](Self::close); control frames come out of
/// [`poll_transmit`](Self::poll_transmit); the rest are questions.
///
/// The one rule of use: **after each call, and before writing the next message, write what
/// `poll_transmit` gives**. Pings are answered, violations reported and closing handshakes
/// completed by it, and by nothing else.
///
/// ```
/// use ws_proto::{Connection, Event, Limits, Message};
///
/// // An echo server: `wire` is what was read, `out` what is to be written.
/// fn echo(connection: &mut Connection, mut wire: &mut [u8], out: &mut Vec<u8>) {
///     loop {
///         let received = connection.receive(wire);
///         let consumed = match received {
///             Ok(received) => {
///                 if let Some(Event::Message(message)) = received.event {
///                     let mut frame = [0; 1024];
///                     let len = connection.send(message, &mut frame).expect("room, and open");
///                     out.extend(&frame[..len]);
///                 }
///                 received.event.is_some().then_some(received.consumed)
///             }
///             Err(_) => None, // reported below; nothing more will be received
///         };
///         while let Some(control) = connection.poll_transmit() {
///             out.extend(control.as_ref());
///         }
///         match consumed {
///             Some(consumed) => wire = &mut wire[consumed..],
///             None => break, // more input is needed: read, then present the rest with it
///         }
///     }
/// }
///
/// let mut server = Connection::server(&Limits::default());
/// let mut wire = *b"\x81\x85\x37\xFA\x21\x3D\x7F\x9F\x4D\x51\x58\x89\x80\x00\x00\x00\x00";
/// let mut out = Vec::new();
/// echo(&mut server, &mut wire, &mut out);
/// assert_eq!(out, b"\x81\x05Hello\x8A\x00"); // the message, and a Pong for the Ping
/// ```
#[derive(Debug)]
pub struct Connection {
    receiver: Receiver,
    sender: Sender,
    linger: Linger,
}

impl Connection {
    /// The server's end of a connection whose opening handshake is done.
    #[must_use]
    pub const fn server(limits: &Limits) -> Self {
        Self {
            receiver: Receiver::new(Role::Server, limits),
            sender: Sender::server(),
            linger: Linger::NONE,
        }
    }

    /// The client's end of a connection whose opening handshake is done.
    ///
    /// The masking keys come from `seed`: 32 bytes from the operating system's entropy, fresh
    /// for each connection (§10.3). Fixed ones are for tests.
    #[must_use]
    pub fn client(limits: &Limits, seed: [u8; 32]) -> Self {
        Self {
            receiver: Receiver::new(Role::Client, limits),
            sender: Sender::client(seed),
            linger: Linger::NONE,
        }
    }

    /// Accepts compressed messages, which the opening handshake [agreed
    /// on](crate::handshake::Compression): their pieces are [events of their own](Event::Deflated),
    /// which the caller inflates.
    #[must_use]
    pub fn compressed(self) -> Self {
        Self {
            receiver: self.receiver.compressed(),
            ..self
        }
    }

    /// Reads the next event from the start of `input`, unmasking its payload in place.
    ///
    /// `input` is what has arrived and was not consumed, in order. No event means that more input
    /// is needed; then fewer than 140 bytes are left unconsumed, so a small buffer is enough. A
    /// message that lies whole in `input` is handed out where it lies, any other in
    /// [chunks](Event::Chunk) as it arrives. After a Close there are no more events.
    ///
    /// # Errors
    ///
    /// The violation of the protocol by the peer. The Close that reports it is queued, and every
    /// later call returns the same error.
    #[inline(always)]
    pub fn receive<'b>(&mut self, input: &'b mut [u8]) -> Result<Received<'b>, ProtocolError> {
        let result = self.receiver.receive(input);
        let is_message = matches!(
            result,
            Ok(Received {
                event: Some(Event::Message(_)),
                ..
            })
        );
        if !is_message {
            self.react(&result);
        }
        result
    }

    /// Reports the end of the stream: the peer will send nothing more.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](ProtocolError::UnexpectedEof) if no Close came before: the connection is
    /// lost, not closed. The RFC calls this 1006 (§7.1.5).
    pub fn receive_eof(&mut self) -> Result<(), ProtocolError> {
        let result = self.receiver.receive_eof();
        self.linger.ended();
        if let Err(error) = result {
            self.sender.fail(error);
        }
        result
    }

    /// Writes `message` as one frame to the start of `out`, and returns its length in bytes.
    ///
    /// [`frame_len`](Self::frame_len) returns that length in advance.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed) after a Close,
    /// [`MessageInProgress`](SendError::MessageInProgress) between the fragments of another,
    /// [`NoRoom`](SendError::NoRoom) if `out` is too short. Then nothing was written.
    #[inline(always)]
    pub fn send(&mut self, message: Message<'_>, out: &mut [u8]) -> Result<usize, SendError> {
        self.sender.send(message, out)
    }

    /// Appends `message` as one frame to `out`, without first initialising the bytes that it takes.
    ///
    /// ```
    /// use ws_proto::{Connection, Limits, Message};
    ///
    /// let mut server = Connection::server(&Limits::default());
    /// let mut out = Vec::new();
    /// server.send_to(Message::Text("Hello"), &mut out)?;
    /// assert_eq!(out, b"\x81\x05Hello");
    /// # Ok::<(), ws_proto::SendError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`MessageInProgress`](SendError::MessageInProgress),
    /// [`OutOfMemory`](SendError::OutOfMemory). Then nothing was added.
    #[cfg(feature = "alloc")]
    pub fn send_to(
        &mut self,
        message: Message<'_>,
        out: &mut alloc::vec::Vec<u8>,
    ) -> Result<(), SendError> {
        self.sender.send_to(message, out)
    }

    /// Begins a frame whose payload the caller writes: without a copy, or as a fragment.
    ///
    /// The caller writes the header's bytes, then `len` bytes of payload, masked with
    /// [`Header::mask`] if there is one, and nothing in between. [`Part::More`] announces that the
    /// message continues with another `begin` of the same kind; control frames may be written
    /// between the two, other messages may not. The caller makes sure that the fragments of a text
    /// are valid UTF-8 together.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`PayloadTooLong`](SendError::PayloadTooLong) from 2^63
    /// bytes, [`MessageInProgress`](SendError::MessageInProgress) if the message in progress is
    /// of the other kind.
    #[inline]
    pub fn begin(&mut self, kind: Kind, len: u64, part: Part) -> Result<Header, SendError> {
        self.sender.begin(kind, len, part)
    }

    /// Queues a Ping with at most 125 bytes of payload. It replaces one that
    /// [`poll_transmit`](Self::poll_transmit) has not returned yet.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`ControlTooLong`](SendError::ControlTooLong),
    /// [`OutOfMemory`](SendError::OutOfMemory).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.sender.ping(payload)
    }

    /// Queues a Ping unless one waits already.
    pub(crate) fn keep_alive(&mut self) -> Result<(), SendError> {
        self.sender.keep_alive()
    }

    /// Queues a Pong that answers no Ping: a heartbeat in one direction (§5.5.3). Pings are
    /// answered without it. If a Pong waits already, that is the heartbeat.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`ControlTooLong`](SendError::ControlTooLong),
    /// [`OutOfMemory`](SendError::OutOfMemory).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.sender.pong(payload)
    }

    /// Starts the closing handshake, with a code and a reason if there are any (§7.1.2).
    ///
    /// Messages that the peer sent before it saw the Close are still received.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed) if a Close is on its way already, ours or an answer;
    /// [`OutOfMemory`](SendError::OutOfMemory).
    pub fn close(&mut self, close: Option<Close<'_>>) -> Result<(), SendError> {
        self.sender.close(close)
    }

    /// Takes the next control frame to write. It goes between two frames, never within one, and
    /// before messages that wait: see the one rule of use above.
    #[inline]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.sender.poll_transmit()
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) has something.
    #[inline]
    #[must_use]
    pub const fn wants_transmit(&self) -> bool {
        self.sender.wants_transmit()
    }

    /// Says what to do about the transport (§7.1.1), once what was queued is written.
    #[must_use]
    pub const fn shutdown(&self) -> Shutdown {
        closing::shutdown(self.receiver.peer(), &self.sender, self.linger)
    }

    /// Reports that the sending side of the transport was shut down, as [`Shutdown::Write`] asks
    /// for.
    pub const fn write_shut(&mut self) {
        self.linger.write_shut();
    }

    /// Reports that `len` bytes were read and dropped, as [`Shutdown::Drain`] asks for. After 16
    /// MiB it asks for no more.
    pub fn dropped(&mut self, len: usize) {
        self.linger.dropped(len);
    }

    /// The state of the connection.
    #[must_use]
    pub const fn state(&self) -> State {
        closing::state(self.receiver.peer(), &self.sender)
    }

    /// Whether the peer has closed, so that nothing more will be received.
    #[inline]
    #[must_use]
    pub const fn is_closed_by_peer(&self) -> bool {
        self.receiver.is_closed()
    }

    /// The number of payload bytes of the current data frame that are still to come: an adapter may
    /// read that many from the socket straight into the message.
    #[inline]
    #[must_use]
    pub const fn payload_remaining(&self) -> u64 {
        self.receiver.payload_remaining()
    }

    /// Whether [`receive`](Self::receive) would return a whole message, so that reading more first
    /// gains nothing. Takes about two nanoseconds.
    #[inline]
    #[must_use]
    pub fn holds_message(&self, input: &[u8]) -> bool {
        self.receiver.holds_message(input)
    }

    /// Whether [`receive`](Self::receive) would give a Ping, Pong or Close.
    #[inline]
    #[must_use]
    pub fn holds_control(&self, input: &[u8]) -> bool {
        self.receiver.holds_control(input)
    }

    /// The length in bytes of a data frame with a payload of `len` bytes.
    #[inline]
    #[must_use]
    pub const fn frame_len(&self, len: usize) -> usize {
        self.sender.frame_len(len)
    }

    /// Takes the halves apart, for a program that joins them in its own way: it then owes the peer
    /// the answers that this type gives.
    #[must_use]
    pub fn split(self) -> (Receiver, Sender) {
        (self.receiver, self.sender)
    }

    /// Joins two halves that were taken [apart](Self::split).
    #[must_use]
    pub const fn join(receiver: Receiver, sender: Sender) -> Self {
        Self {
            receiver,
            sender,
            linger: Linger::NONE,
        }
    }

    /// The role: server or client.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.receiver.role()
    }

    /// Queues what the received event, or the error, makes us send.
    #[inline(never)]
    fn react(&mut self, result: &Result<Received<'_>, ProtocolError>) {
        let answered = match result {
            Ok(Received {
                event: Some(Event::Ping(payload)),
                ..
            }) => self.sender.answer_ping(payload),
            Ok(Received {
                event: Some(Event::Close(close)),
                ..
            }) => self.sender.answer_close(*close),
            Ok(_) => Ok(()),
            Err(error) => return self.sender.fail(*error),
        };
        if let Err(error) = answered {
            self.receiver.fail(error);
            self.sender.fail(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Happens = fn(&mut Connection);

    /// An event in the life of a connection, and what follows from it: its state, and when a server
    /// and when a client closes the TCP connection.
    type Told = (&'static [Happens], State, Shutdown, Shutdown);

    fn close(connection: &mut Connection) {
        connection.close(None).unwrap();
    }

    fn transmit(connection: &mut Connection) {
        while connection.poll_transmit().is_some() {}
    }

    fn peer_closes(connection: &mut Connection) {
        let (server, client) = (&mut [0x88, 0x80, 0, 0, 0, 0][..], &mut [0x88, 0x00][..]);
        let wire = match connection.receiver.role() {
            Role::Server => server,
            Role::Client => client,
        };
        let received = connection.receive(wire).unwrap();
        assert_eq!(received.event, Some(Event::Close(None)));
    }

    fn breaks(connection: &mut Connection) {
        connection.receive(&mut [0xFF]).unwrap_err();
    }

    fn shut(connection: &mut Connection) {
        connection.write_shut();
    }

    /// All but the last byte that may be dropped, and then that one.
    fn drops(connection: &mut Connection) {
        connection.dropped((16 << 20) - 1);
    }

    fn ends(connection: &mut Connection) {
        let _ = connection.receive_eof();
    }

    /// The closing handshake, in every order; for the server and the client, who differ in who
    /// closes the TCP connection.
    #[test]
    fn state_and_shutdown_in_every_order_of_closing() {
        use ProtocolError::{ReservedBit, UnexpectedEof};
        use Shutdown::{AwaitPeer, Drain, NotYet, Now, Write};
        let gone = State::Failed(UnexpectedEof);
        let broken = State::Failed(ReservedBit);
        let closed = State::Closed;
        let told: [Told; 24] = [
            (&[], State::Open, NotYet, NotYet),
            (&[close], State::Closing, NotYet, NotYet),
            (&[close, transmit], State::Closing, NotYet, NotYet),
            (&[close, peer_closes], State::Closing, NotYet, NotYet),
            (&[close, transmit, peer_closes], closed, Write, AwaitPeer),
            (&[close, peer_closes, transmit], closed, Write, AwaitPeer),
            (&[close, transmit, peer_closes, ends], closed, Now, Now),
            (&[peer_closes], State::Closing, NotYet, NotYet),
            (&[peer_closes, transmit], closed, Write, AwaitPeer),
            (&[peer_closes, transmit, shut], closed, Drain, AwaitPeer),
            (
                &[peer_closes, transmit, shut, drops],
                closed,
                Drain,
                AwaitPeer,
            ),
            (
                &[peer_closes, transmit, shut, drops, drops],
                closed,
                Now,
                Now,
            ),
            (&[peer_closes, transmit, shut, ends], closed, Now, Now),
            (&[peer_closes, ends], State::Closing, NotYet, NotYet),
            (&[peer_closes, ends, transmit], closed, Now, Now),
            (&[breaks], broken, NotYet, NotYet),
            (&[breaks, transmit], broken, Write, Write),
            (&[breaks, transmit, shut], broken, Drain, Drain),
            (&[breaks, transmit, shut, drops], broken, Drain, Drain),
            (&[breaks, transmit, shut, drops, drops], broken, Now, Now),
            (&[breaks, transmit, shut, ends], broken, Now, Now),
            (&[breaks, ends], broken, NotYet, NotYet),
            (&[ends], gone, Now, Now),
            (&[close, transmit, ends], gone, Now, Now),
        ];
        for (i, (happens, state, server, client)) in told.into_iter().enumerate() {
            let limits = Limits::DEFAULT;
            for (mut connection, shutdown) in [
                (Connection::server(&limits), server),
                (Connection::client(&limits, [0; 32]), client),
            ] {
                happens.iter().for_each(|happens| happens(&mut connection));
                let role = connection.receiver.role();
                assert_eq!(connection.state(), state, "{i} {role:?}");
                assert_eq!(connection.shutdown(), shutdown, "{i} {role:?}");
            }
        }
    }

    /// Halves that were taken apart answer nothing by themselves.
    #[test]
    fn split_halves_do_not_know_each_other() {
        let (mut receiver, mut sender) = Connection::server(&Limits::DEFAULT).split();
        let mut ping = [0x89, 0x80, 0, 0, 0, 0];
        let received = receiver.receive(&mut ping).unwrap();
        assert_eq!(received.event, Some(Event::Ping(&[])));
        assert!(!sender.wants_transmit());
        receiver.receive(&mut [0xFF]).unwrap_err();
        assert!(!sender.wants_transmit() && sender.is_open());
        sender.pong(b"by hand").unwrap();
        assert_eq!(sender.poll_transmit().unwrap().as_ref(), b"\x8A\x07by hand");
    }
}
