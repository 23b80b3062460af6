//! An open connection.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
#[cfg(feature = "deflate")]
use ws_proto::Compress;
use ws_proto::{
    Close, CloseCode, Config, Error, Kind, Message, MessageBuf, Outgoing, Part, Prepared,
    SendError, Session,
};

use crate::pool;
use crate::receiving::{Answers, Arrived, Receiving, Wanted};
use crate::wakers::Wakers;
use crate::wire::Wire;

/// An open WebSocket over any stream: a client's from [`connect`](crate::connect), a server's in its
/// handler.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ws_tokio::Error> {
/// use ws_tokio::{CloseCode, Message, WebSocket};
///
/// let (mut client, mut server) = WebSocket::pair();
/// let serving = tokio::spawn(async move {
///     while let Some(message) = server.recv_owned().await? {
///         server.send(&message).await?;
///     }
///     Ok::<_, ws_tokio::Error>(server.peer_close())
/// });
/// client.send("hello").await?; // &str is text, &[u8] is binary
/// assert_eq!(client.recv().await?, Some(Message::Text("hello")));
/// client.close(CloseCode::NORMAL, "done").await?;
/// assert_eq!(serving.await.unwrap()?, Some((CloseCode::NORMAL, "done".into())));
/// # Ok(())
/// # }
/// ```
///
/// While [`recv`](Self::recv) and the other methods wait, they ping the peer at the interval of the
/// timeouts, 20 s by default, answer its Pings, and give up on a peer that shows no sign of life. A
/// program that only sends should receive now and then, in a `select!` for example: otherwise it does
/// not notice that the peer has closed. The timers are tokio's, so a runtime with its time driver has
/// to run.
///
/// # Cancel safety
///
/// Every method can be dropped at any point without harm: no byte is lost or sent twice, and the
/// connection continues with the next call of any of them. Each method says under this heading what
/// a dropped call has done.
///
/// # Drop
///
/// If you drop an open connection, it sends what was queued and a Close 1001, as far as it can
/// without waiting. To end it cleanly, [`close`](Self::close) it.
#[derive(Debug)]
pub struct WebSocket<S: AsyncRead + AsyncWrite + Unpin> {
    pub(crate) receiving: Receiving,
    pub(crate) wire: Wire<S>,
    pub(crate) about: Option<Box<About>>,
    /// Whether the stream of messages has ended.
    pub(crate) stream_is_over: bool,
    /// The tasks that wait, once one has polled: a stream and a sink may be in the hands of two.
    pub(crate) wakers: Option<Box<Wakers>>,
}

/// What a wire does that may have to wait for the peer.
type Run<S> = fn(&mut Wire<S>, &mut Context<'_>) -> Poll<Result<(), Error>>;

/// What the opening handshake came to, for those who ask.
#[derive(Default)]
pub(crate) struct About {
    pub(crate) subprotocol: Option<Box<str>>,
    /// Those of a server's answer. A server's handler has the request.
    pub(crate) headers: Option<HeaderMap>,
}

impl About {
    /// What a server has agreed on, if that is anything.
    pub(crate) fn agreed(subprotocol: Option<String>) -> Option<Box<Self>> {
        let subprotocol = Some(subprotocol?.into());
        Some(Box::new(Self {
            subprotocol,
            headers: None,
        }))
    }
}

/// Shows the names of the headers: values hold cookies, and subprotocols hold tokens.
impl fmt::Debug for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.headers.iter().flat_map(HeaderMap::keys);
        f.debug_list().entries(names).finish()
    }
}

impl WebSocket<DuplexStream> {
    /// Makes a client's and a server's end of a connection in memory: for unit tests of what an
    /// application does with a `WebSocket<S>`, without a port.
    #[must_use]
    pub fn pair() -> (Self, Self) {
        let (client, server) = tokio::io::duplex(PIPE);
        // Nobody else sees what is masked with it.
        let session = Session::client(&Config::DEFAULT, [0; 32]);
        let client = Self::over(client, session);
        (
            client,
            Self::over(server, Session::server(&Config::DEFAULT)),
        )
    }
}

/// The room in the pipe of a [`pair`](WebSocket::pair), in bytes, each way.
const PIPE: usize = 64 << 10;

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Runs a connection whose opening handshake was done elsewhere: on a stream, with a
    /// [`Session`] that holds what was received after the head. [`Accepting`](ws_proto::Accepting)
    /// and [`Connecting`](ws_proto::Connecting) give such a session.
    ///
    /// Its timeouts count from now.
    #[must_use]
    pub fn over(stream: S, session: Session) -> Self {
        let (incoming, mut outgoing) = session.split();
        let mut receiving = Receiving::new(incoming);
        receiving.begin(&mut outgoing);
        Self {
            receiving,
            wire: Wire::new(stream, outgoing),
            about: None,
            stream_is_over: false,
            wakers: None,
        }
    }

    /// Waits for the next message. `None` if the peer has closed cleanly;
    /// [`peer_close`](Self::peer_close) has its code and reason.
    ///
    /// The message borrows from the buffer that it was received in;
    /// [`recv_owned`](Self::recv_owned) returns one to keep.
    ///
    /// # Cancel safety
    ///
    /// A message is taken only when it is returned.
    ///
    /// # Errors
    ///
    /// The connection is over: [`Protocol`](Error::Protocol) if the peer broke the rules, or its
    /// stream ended without a Close; [`TimedOut`](Error::TimedOut) if it did not answer a Ping or
    /// our Close in time; [`Io`](Error::Io).
    pub async fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.receiving.recv(&mut self.wire).await
    }

    /// Waits for the next message, as one that owns its payload. A large one is moved, not copied.
    ///
    /// # Cancel safety
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn recv_owned(&mut self) -> Result<Option<MessageBuf>, Error> {
        let Self {
            receiving, wire, ..
        } = self;
        poll_fn(|cx| receiving.poll_recv_owned(wire, cx)).await
    }

    /// Waits for the next message, and returns it with a [`Reply`], which queues answers while the
    /// message is borrowed. They leave in one write once all received messages have been handled,
    /// so answering many small messages costs one write.
    ///
    /// ```
    /// # async fn echo(mut ws: ws_tokio::WebSocket<tokio::net::TcpStream>) -> Result<(), ws_tokio::Error> {
    /// while let Some((message, mut reply)) = ws.recv_reply().await? {
    ///     reply.queue(message)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// If there is no room for an answer, this waits, and reads nothing from the peer meanwhile.
    ///
    /// # Cancel safety
    ///
    /// As for [`recv`](Self::recv). What was queued before stays queued.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn recv_reply(&mut self) -> Result<Option<(Message<'_>, Reply<'_>)>, Error> {
        let Self {
            receiving, wire, ..
        } = self;
        let arrival = poll_fn(|cx| receiving.poll_arrival(wire, Wanted::MessageAndRoom, cx));
        if arrival.await? == Arrived::Closed {
            return Ok(None);
        }
        let Receiving { incoming, waiting } = receiving;
        let error = match incoming.message(&mut Answers(wire)) {
            Ok(None) => return Ok(None),
            Ok(Some(message)) => {
                let outgoing = &mut wire.outgoing;
                return Ok(Some((message, Reply { outgoing })));
            }
            Err(error) => error,
        };
        poll_fn(|cx| waiting.poll_hang_up(wire, cx)).await;
        Err(error.into())
    }

    /// Queues a message, once there is room for it. The next [`flush`](Self::flush),
    /// [`send`](Self::send) or call that waits for a message writes it. `&str` is text, `&[u8]`
    /// binary.
    ///
    /// # Cancel safety
    ///
    /// The message is queued when this returns, and not before.
    ///
    /// # Errors
    ///
    /// [`Send`](Error::Send) if a Close is on its way; [`TimedOut`](Error::TimedOut) if the peer
    /// takes no bytes and shows no other sign of life; [`Io`](Error::Io). After the latter two the
    /// connection is over.
    pub async fn feed<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        let len = message.as_bytes().len();
        self.queue(len, |outgoing| outgoing.send(message)).await
    }

    /// Sends a message, and waits until the transport has taken it.
    ///
    /// # Cancel safety
    ///
    /// If there [was room](Self::has_room) for it, the message was queued when this was first polled:
    /// it leaves with the next call. Otherwise it may not have been. If you have to know, call
    /// [`feed`](Self::feed) and then [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed).
    pub async fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Sends a message and says whether it may be compressed: see [`Compress`](crate::Compress).
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[cfg(feature = "deflate")]
    pub async fn send_with<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
        compress: Compress,
    ) -> Result<(), Error> {
        let message = message.into();
        let len = message.as_bytes().len();
        self.queue(len, |outgoing| outgoing.send_with(message, compress))
            .await?;
        self.flush().await
    }

    /// Sends a message that was prepared for many connections.
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), Error> {
        self.queue(prepared.message().as_bytes().len(), |outgoing| {
            outgoing.send_prepared(prepared)
        })
        .await?;
        self.flush().await
    }

    /// Sends a piece of a message as one fragment. The message ends with [`Part::Last`]; no other
    /// message may be sent before that.
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_part(&mut self, kind: Kind, payload: &[u8], part: Part) -> Result<(), Error> {
        self.queue(payload.len(), |outgoing| {
            outgoing.send_part(kind, payload, part)
        })
        .await?;
        self.flush().await
    }

    /// Sends a Ping with at most 125 bytes of payload. Keepalive does not need it: it sends Pings
    /// of its own.
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::ControlTooLong`].
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.queue(0, |outgoing| outgoing.ping(payload)).await?;
        self.flush().await
    }

    /// Waits until the transport has taken everything that was queued.
    ///
    /// # Cancel safety
    ///
    /// What is not written yet stays queued.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed).
    pub async fn flush(&mut self) -> Result<(), Error> {
        let Self {
            receiving, wire, ..
        } = self;
        wire.check_open()?;
        poll_fn(|cx| receiving.poll_with(wire, cx, Wire::poll_flush)).await
    }

    /// Starts the closing handshake and waits until the peer has answered, within the close
    /// timeout. It drops messages that still arrive.
    ///
    /// # Cancel safety
    ///
    /// The Close is queued when this is first polled. Call it again, or receive, to wait for the
    /// answer.
    ///
    /// # Errors
    ///
    /// [`Send`](Error::Send) if the reason is over 123 bytes, or there is no memory for the Close:
    /// nothing was done. [`TimedOut`](Error::TimedOut) if the peer did not answer; otherwise as
    /// [`recv`](Self::recv).
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let close = Close::new(code, reason)?;
        self.receiving.close(&mut self.wire, close).await
    }

    /// Starts the closing handshake, and does not wait for it: the Close leaves with the next call.
    /// Messages that the peer sent before it saw the Close still arrive.
    ///
    /// # Errors
    ///
    /// [`SendError::ReasonTooLong`], [`SendError::OutOfMemory`]; [`SendError::Closed`] if a Close is
    /// on its way already.
    pub fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.wire.outgoing.close(Some(Close::new(code, reason)?))
    }

    /// Calls `on_pong` with the payload of each Pong that comes while one of these methods waits:
    /// answers to [`ping`](Self::ping), and to keepalive, whose payload is empty.
    pub fn on_pong(&mut self, on_pong: impl FnMut(&[u8]) + Send + 'static) {
        self.receiving.on_pong(on_pong);
    }

    /// The code and reason of the peer's Close: `None` before it came, and if it had none.
    #[must_use]
    pub fn peer_close(&self) -> Option<(CloseCode, String)> {
        let close = self.wire.outgoing.peer_close()?;
        Some((close.code(), close.reason().into()))
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.about.as_ref()?.subprotocol.as_deref()
    }

    /// The headers of the server's answer, on a client.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.about.as_ref()?.headers.as_ref()
    }

    /// Whether the next message is queued without waiting.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.wire.outgoing.has_room()
    }

    /// The number of bytes of messages that wait to be written.
    #[must_use]
    pub fn unsent_len(&self) -> usize {
        self.wire.outgoing.unsent_len()
    }

    /// The stream; `None` once the connection is over.
    #[must_use]
    pub const fn get_ref(&self) -> Option<&S> {
        self.wire.stream()
    }

    /// The stream, to set its options; `None` once the connection is over. Reading from it or
    /// writing to it breaks the connection.
    #[must_use]
    pub const fn get_mut(&mut self) -> Option<&mut S> {
        self.wire.stream_mut()
    }

    /// Drops the connection at once, without a Close: the peer sees its stream end.
    pub fn abort(&mut self) {
        self.wire.abort();
    }

    /// Takes the connection apart without losing a byte: the stream, and the session with what was
    /// received and what is unsent. `None` once the connection is over. The session can continue
    /// over another stream, or in another adapter.
    #[must_use]
    pub fn into_parts(mut self) -> Option<(S, Session)> {
        self.receiving.lend_back(&mut self.wire);
        let (stream, outgoing) = self.wire.take()?;
        Some((stream, Session::join(self.receiving.incoming, outgoing)))
    }

    /// Polls for the next message: [`recv`](Self::recv), for futures written by hand.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message<'_>>, Error>> {
        let wakers = self.wakers.get_or_insert_default();
        wakers.add_reader(cx.waker());
        let cx = &mut Context::from_waker(wakers.all());
        let writes = self.wire.writes();
        let received = self.receiving.poll_recv(&mut self.wire, cx);
        if self.wire.writes() != writes {
            wakers.wake_writers();
        }
        received
    }

    /// Polls for the next message, as one that owns its payload: [`recv_owned`](Self::recv_owned),
    /// for futures written by hand.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn poll_recv_owned(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<MessageBuf>, Error>> {
        let wakers = self.wakers.get_or_insert_default();
        wakers.add_reader(cx.waker());
        let cx = &mut Context::from_waker(wakers.all());
        let writes = self.wire.writes();
        let received = self.receiving.poll_recv_owned(&mut self.wire, cx);
        if self.wire.writes() != writes {
            wakers.wake_writers();
        }
        received
    }

    /// Polls until there [is room](Self::has_room) for a message: then the next one is queued without
    /// waiting.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed).
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_writing(cx, Wire::poll_room)
    }

    /// Polls until everything is written: [`flush`](Self::flush), for futures written by hand.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed).
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_writing(cx, Wire::poll_flush)
    }

    /// Polls for a task of which there may be another one that receives.
    fn poll_writing(&mut self, cx: &mut Context<'_>, run: Run<S>) -> Poll<Result<(), Error>> {
        self.wire.check_open()?;
        let wakers = self.wakers.get_or_insert_default();
        wakers.add_writer(cx.waker());
        let all = &mut Context::from_waker(wakers.all());
        let done = self.receiving.poll_with(&mut self.wire, all, run);
        if done.is_ready() {
            wakers.remove_writer(cx.waker());
        }
        done
    }

    /// Has the task that receives wait for what has changed: a Close has another deadline.
    pub(crate) fn wake_reader(&self) {
        if let Some(wakers) = &self.wakers {
            wakers.wake_reader();
        }
    }

    /// Queues something of `len` bytes, once there is room for it.
    async fn queue(
        &mut self,
        len: usize,
        queue: impl FnOnce(&mut Outgoing) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        let Self {
            receiving, wire, ..
        } = self;
        wire.check_open()?;
        if !wire.outgoing.has_room() {
            poll_fn(|cx| receiving.poll_with(wire, cx, Wire::poll_room)).await?;
        }
        Ok(pool::with_context(&mut wire.outgoing, len, queue)?)
    }
}

/// Answers a message while it is borrowed: see [`WebSocket::recv_reply`].
#[derive(Debug)]
pub struct Reply<'a> {
    outgoing: &'a mut Outgoing,
}

impl Reply<'_> {
    /// Queues a message, to leave with the next write. There is room for one answer; further ones may
    /// not find any.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] if too much waits already, [`SendError::Closed`] if a Close is on its way.
    pub fn queue<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        let len = message.as_bytes().len();
        pool::with_context(self.outgoing, len, |outgoing| outgoing.send(message))
    }

    /// Queues a Ping, to leave with the next write.
    ///
    /// # Errors
    ///
    /// [`SendError::ControlTooLong`], [`SendError::Closed`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.outgoing.ping(payload)
    }

    /// Starts the closing handshake. Messages that the peer sent before it saw the Close still
    /// arrive.
    ///
    /// # Errors
    ///
    /// [`SendError::ReasonTooLong`]; [`SendError::Closed`] if a Close is on its way already.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.outgoing.close(Some(Close::new(code, reason)?))
    }
}
