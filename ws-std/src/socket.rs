//! An open connection.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
#[cfg(feature = "deflate")]
use ws_proto::Compress;
use ws_proto::{CloseCode, Kind, Message, MessageBuf, Part, Session};

use crate::clock::Clock;
use crate::error::Error;
use crate::reader::{Next, Reader};
use crate::shared::{Setup, Shared};
use crate::stream::{Socket, Stream};
use crate::writer::{Corked, Writer};

/// An open WebSocket: a client's from [`connect`](crate::connect), a server's in its handler.
///
/// ```no_run
/// let mut ws = ws_std::connect("ws://127.0.0.1:9001/echo")?;
/// ws.send("hello")?;
/// while let Some(message) = ws.recv()? {
///     println!("{}", message.as_text().unwrap_or("(bytes)"));
/// }
/// println!("the server has closed: {:?}", ws.peer_close());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// While [`recv`](Self::recv) and the other methods that receive wait, they ping the peer at the
/// interval of the timeouts, 20 s by default, and answer its Pings. A program that only sends
/// should call [`recv_timeout`](Self::recv_timeout) now and then: otherwise it does not notice that
/// the peer has closed.
///
/// If you drop a client's connection while it is open, it sends a Close 1001 if it can do so
/// without waiting; a server's connection is closed cleanly when the handler returns.
#[derive(Debug)]
pub struct WebSocket {
    reader: Reader,
    writer: Writer,
    about: Box<About>,
}

/// The results of the opening handshake.
#[derive(Default)]
pub(crate) struct About {
    pub(crate) subprotocol: Option<String>,
    pub(crate) headers: HeaderMap,
}

/// Shows the names of the headers: values hold cookies, and subprotocols hold tokens.
impl fmt::Debug for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.headers.keys()).finish()
    }
}

impl WebSocket {
    /// Runs a connection whose opening handshake was done elsewhere: on a socket, with a
    /// [`Session`] that holds what was received after the head. [`Accepting`](ws_proto::Accepting)
    /// and [`Connecting`](ws_proto::Connecting) give such a session. Its timeouts bound how long
    /// reads and writes wait.
    ///
    /// # Errors
    ///
    /// The socket cannot be [prepared](Socket::prepare).
    pub fn over(socket: impl Socket, session: Session, clock: Clock) -> io::Result<Self> {
        let stream = Stream::from(socket);
        let (peer, setup) = (stream.peer_addr(), Setup::new(clock));
        Self::new(Arc::new(stream), peer, session, setup, About::default())
    }

    pub(crate) fn new(
        stream: Arc<Stream>,
        peer: SocketAddr,
        mut session: Session,
        setup: Setup,
        about: About,
    ) -> io::Result<Self> {
        // Time begins here, and not when the application first receives.
        let _ = session.check(setup.clock.now());
        let (incoming, outgoing) = session.split();
        let shared = Shared::new(stream, peer, outgoing, setup)?;
        Ok(Self {
            reader: Reader::new(incoming, shared.clone()),
            writer: Writer::new(shared),
            about: Box::new(about),
        })
    }

    /// Waits for the next message. `None` if the peer has closed cleanly;
    /// [`peer_close`](Self::peer_close) has its code and reason.
    ///
    /// The message borrows from the buffer that it was received in;
    /// [`recv_owned`](Self::recv_owned) returns one to keep.
    ///
    /// # Errors
    ///
    /// The connection is over: [`Protocol`](Error::Protocol) if the peer broke the rules, or its
    /// stream ended without a Close; [`TimedOut`](Error::TimedOut) if it did not answer a Ping or
    /// our Close in time; [`Io`](Error::Io).
    pub fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.reader.recv()
    }

    /// Waits for the next message, as one that owns its payload.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_owned(&mut self) -> Result<Option<MessageBuf>, Error> {
        self.reader.recv_owned()
    }

    /// Waits for the next message, at most `timeout` long.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Next<'_>, Error> {
        self.reader.recv_timeout(timeout)
    }

    /// Calls `handle` with each message, and with a sender for the answers, until the peer closes.
    /// The answers to all messages that came with one read leave with one write.
    ///
    /// # Errors
    ///
    /// The first error of `handle`, or as [`recv`](Self::recv).
    pub fn for_each<E: From<Error>>(
        &mut self,
        handle: impl FnMut(Message<'_>, &mut Corked<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.reader.for_each(handle)
    }

    /// Sends a message, waiting until the transport has taken it. `&str` is text, `&[u8]` binary.
    ///
    /// # Errors
    ///
    /// As [`Writer::send`].
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.writer.send(message)
    }

    /// Sends a message and says whether it may be compressed: see [`Writer::send_with`].
    ///
    /// # Errors
    ///
    /// As [`Writer::send`].
    #[cfg(feature = "deflate")]
    pub fn send_with<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
        compress: Compress,
    ) -> Result<(), Error> {
        self.writer.send_with(message, compress)
    }

    /// Sends a piece of a message: see [`Writer::send_part`].
    ///
    /// # Errors
    ///
    /// As [`Writer::send`].
    pub fn send_part(&mut self, kind: Kind, payload: &[u8], part: Part) -> Result<(), Error> {
        self.writer.send_part(kind, payload, part)
    }

    /// Sends a Ping with at most 125 bytes of payload. Keepalive does not need it: it sends Pings
    /// of its own.
    ///
    /// # Errors
    ///
    /// As [`Writer::ping`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.writer.ping(payload)
    }

    /// Calls `on_pong` with the payload of each Pong that comes while one of these methods waits:
    /// answers to [`ping`](Self::ping), and to keepalive, whose payload is empty.
    ///
    /// ```no_run
    /// use std::time::Instant;
    ///
    /// let mut ws = ws_std::connect("ws://127.0.0.1:9001/echo")?;
    /// let sent = Instant::now();
    /// ws.on_pong(move |payload| println!("{payload:?} after {:?}", sent.elapsed()));
    /// ws.ping(b"marco")?;
    /// while let Some(message) = ws.recv()? {
    ///     println!("{}", message.as_text().unwrap_or("(bytes)"));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_pong(&mut self, on_pong: impl FnMut(&[u8]) + Send + 'static) {
        self.reader.on_pong(on_pong);
    }

    /// Starts the closing handshake and waits until the peer has answered, within the close
    /// timeout. It drops messages that still arrive.
    ///
    /// # Errors
    ///
    /// [`Send`](Error::Send) if the reason is over 123 bytes, or there is no memory for the Close:
    /// nothing was done. [`TimedOut`](Error::TimedOut) if the peer did not answer; otherwise as
    /// [`recv`](Self::recv).
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.reader.close(code, reason)
    }

    /// The code and reason of the peer's Close: `None` before it came, and if it had none.
    #[must_use]
    pub fn peer_close(&self) -> Option<(CloseCode, String)> {
        self.reader.peer_close()
    }

    /// Makes another sender for this connection, for other threads: see [`Group`](crate::Group).
    #[must_use]
    pub fn writer(&self) -> Writer {
        self.writer.clone()
    }

    /// Takes the halves apart, for two threads.
    #[must_use]
    pub fn split(self) -> (Reader, Writer) {
        (self.reader, self.writer)
    }

    /// The address of the peer: on a server, the one that a [trusted proxy](crate::Trusted) says, as
    /// in [`Request::peer_addr`](crate::Request::peer_addr). `0.0.0.0:0` over a [`Socket`] that has
    /// none.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.reader.shared().peer()
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.about.subprotocol.as_deref()
    }

    /// The headers of the peer's side of the opening handshake: of the request on a server, of
    /// the response on a client.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.about.headers
    }

    pub(crate) const fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(crate) const fn reader_mut(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// The writer that sends for this.
    pub(crate) const fn sender(&self) -> &Writer {
        &self.writer
    }
}
