//! A connection in two halves, for two tasks or more.
//!
//! ```text
//!   Reader ── what is received: its own                        ┌─ reader ─▶ its task
//!     │                                              Wakers ───┤
//!     └──▶ Shared: a lock on the wire ◀── Writers        ▲     └─ writers ─▶ theirs
//!               │                                        │
//!               └── stream, outgoing ── polled with the waker of all
//! ```
//!
//! What is received is unmasked, checked and inflated without the lock; that is taken to read, to
//! write, and to answer. The reader waits for nothing that a writer does; it writes what writers leave
//! to it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time;
#[cfg(feature = "deflate")]
use ws_proto::Compress;
use ws_proto::{
    Close, CloseCode, Error, Kind, Message, MessageBuf, Outgoing, Part, Prepared, ProtocolError,
    SendError, State, TimedOut,
};

use crate::pool;
use crate::receiving::{Lane, Receiving};
use crate::socket::{About, WebSocket};
use crate::streaming::{MessageReader, MessageWriter};
use crate::wakers::Wakers;
use crate::wire::Wire;

/// The receiving half of a connection: see [`WebSocket::split`].
///
/// While one of its methods waits, it pings the peer, answers the peer's Pings, and writes what the
/// [`Writer`]s have queued. Dropping it ends the connection: with a Close 1001, if it can send one
/// without waiting.
#[derive(Debug)]
pub struct Reader<S: AsyncRead + AsyncWrite + Unpin> {
    receiving: Receiving,
    shared: Arc<Shared<S>>,
    about: Option<Box<About>>,
}

/// The sending half of a connection: see [`WebSocket::split`]. Its clones send on the same
/// connection, from any task.
pub struct Writer<S: AsyncRead + AsyncWrite + Unpin> {
    shared: Arc<Shared<S>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Clone for Writer<S> {
    fn clone(&self) -> Self {
        let shared = Arc::clone(&self.shared);
        Self { shared }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> fmt::Debug for Writer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// Two halves that cannot become one connection again: they belong to two connections, or other
/// writers are left.
pub struct ReuniteError<S: AsyncRead + AsyncWrite + Unpin>(Box<(Reader<S>, Writer<S>)>);

impl<S: AsyncRead + AsyncWrite + Unpin> ReuniteError<S> {
    /// Returns the halves, unchanged.
    #[must_use]
    pub fn into_halves(self) -> (Reader<S>, Writer<S>) {
        *self.0
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> fmt::Debug for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReuniteError").finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are not the only ones of one connection")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> std::error::Error for ReuniteError<S> {}

/// What the halves share.
pub(crate) struct Shared<S: AsyncRead + AsyncWrite + Unpin> {
    wire: Mutex<Wire<S>>,
    wakers: Wakers,
}

impl<S: AsyncRead + AsyncWrite + Unpin> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Takes the halves apart: one task receives, any number of tasks send.
    ///
    /// ```
    /// # async fn ticker(ws: ws_tokio::WebSocket<tokio::net::TcpStream>) -> Result<(), ws_tokio::Error> {
    /// let (mut reader, writer) = ws.split();
    /// let ticking = tokio::spawn(async move {
    ///     for tick in 0.. {
    ///         writer.send(&format!("tick {tick}")).await?;
    ///         tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    ///     }
    ///     Ok::<_, ws_tokio::Error>(())
    /// });
    /// while let Some(message) = reader.recv().await? {
    ///     println!("{}", message.as_text().unwrap_or("(bytes)"));
    /// }
    /// ticking.abort();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn split(mut self) -> (Reader<S>, Writer<S>) {
        self.receiving.lend_back(&mut self.wire);
        let shared = Arc::new(Shared {
            wire: Mutex::new(self.wire),
            wakers: Wakers::default(),
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
        };
        let reader = Reader {
            receiving: self.receiving,
            shared,
            about: self.about,
        };
        (reader, writer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Reader<S> {
    /// Waits for the next message: see [`WebSocket::recv`].
    ///
    /// # Cancel safety
    ///
    /// A message is taken only when it is returned.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`].
    pub async fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.receiving.recv(&mut Locked(&self.shared)).await
    }

    /// Waits for the next message, as one that owns its payload.
    ///
    /// # Cancel safety
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn recv_owned(&mut self) -> Result<Option<MessageBuf>, Error> {
        poll_fn(|cx| self.poll_recv_owned(cx)).await
    }

    /// Waits for the next message, and returns a reader for it while it arrives: see
    /// [`WebSocket::recv_reader`].
    ///
    /// # Cancel safety
    ///
    /// As for [`WebSocket::recv_reader`].
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn recv_reader(&mut self) -> Result<Option<MessageReader<'_, S>>, Error> {
        let Self {
            receiving, shared, ..
        } = self;
        let kind = receiving.begin_to_read(&mut Locked(shared)).await?;
        Ok(kind.map(|kind| MessageReader::locked(receiving, Locked(shared), kind)))
    }

    /// Starts the closing handshake and waits for its end: see [`WebSocket::close`].
    ///
    /// # Cancel safety
    ///
    /// As for [`WebSocket::close`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::close`].
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let close = Close::new(code, reason)?;
        self.receiving.close(&mut Locked(&self.shared), close).await
    }

    /// Calls `on_pong` with the payload of each Pong: see [`WebSocket::on_pong`].
    pub fn on_pong(&mut self, on_pong: impl FnMut(&[u8]) + Send + 'static) {
        self.receiving.on_pong(on_pong);
    }

    /// The code and reason of the peer's Close: `None` before it came, and if it had none.
    #[must_use]
    pub fn peer_close(&self) -> Option<(CloseCode, String)> {
        let wire = self.shared.wire();
        let close = wire.outgoing.peer_close()?;
        Some((close.code(), close.reason().into()))
    }

    /// Makes another sender for this connection.
    #[must_use]
    pub fn writer(&self) -> Writer<S> {
        let shared = Arc::clone(&self.shared);
        Writer { shared }
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.about.as_ref()?.subprotocol.as_deref()
    }

    /// Polls for the next message: [`recv`](Self::recv), for futures written by hand.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message<'_>>, Error>> {
        self.receiving.poll_recv(&mut Locked(&self.shared), cx)
    }

    /// Polls for the next message, as one that owns its payload.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn poll_recv_owned(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<MessageBuf>, Error>> {
        self.receiving
            .poll_recv_owned(&mut Locked(&self.shared), cx)
    }

    /// Makes one connection out of the halves again.
    ///
    /// # Errors
    ///
    /// Returns the halves if they belong to two connections, or if there are other writers.
    pub fn reunite(mut self, writer: Writer<S>) -> Result<WebSocket<S>, ReuniteError<S>> {
        let are_one = Arc::ptr_eq(&self.shared, &writer.shared);
        if !are_one || Arc::strong_count(&self.shared) > 2 {
            return Err(ReuniteError(Box::new((self, writer))));
        }
        self.receiving.lend_back(&mut Locked(&self.shared));
        let wire = self.shared.wire().cut_off();
        Ok(WebSocket {
            receiving: self.receiving.take(),
            wire,
            about: std::mem::take(&mut self.about),
            stream_is_over: false,
            wakers: None,
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Drop for Reader<S> {
    fn drop(&mut self) {
        // What is taken out takes its leave when it is dropped.
        drop(self.shared.wire().cut_off());
        self.shared.wakers.wake_writers();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Writer<S> {
    /// Sends a message, and waits until the transport has taken it.
    ///
    /// # Cancel safety
    ///
    /// If there [was room](Self::has_room) for it, the message was queued when this was first polled,
    /// and leaves. Otherwise it may not have been.
    ///
    /// # Errors
    ///
    /// [`Send`](Error::Send) if a Close is on its way; [`TimedOut`](Error::TimedOut) if the peer
    /// takes no bytes within the pong timeout; [`Io`](Error::Io). After the latter two the
    /// connection is over.
    pub async fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        let len = message.as_bytes().len();
        self.send_when_room(len, |outgoing| outgoing.send(message))
            .await
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
        &self,
        message: impl Into<Message<'m>>,
        compress: Compress,
    ) -> Result<(), Error> {
        let message = message.into();
        let len = message.as_bytes().len();
        self.send_when_room(len, |outgoing| outgoing.send_with(message, compress))
            .await
    }

    /// Sends a piece of a message as one fragment: see [`WebSocket::send_part`].
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_part(&self, kind: Kind, payload: &[u8], part: Part) -> Result<(), Error> {
        self.send_when_room(payload.len(), |outgoing| {
            outgoing.send_part(kind, payload, part)
        })
        .await
    }

    /// Begins a message that is written in parts: see [`WebSocket::send_writer`]. Until you finish
    /// it, other writers of the connection cannot send messages
    /// ([`MessageInProgress`](SendError::MessageInProgress)).
    pub fn send_writer(&self, kind: Kind) -> MessageWriter<'_, S> {
        MessageWriter::of_half(self, kind)
    }

    /// Sends a Ping with at most 125 bytes of payload.
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::ControlTooLong`].
    pub async fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.send_when_room(0, |outgoing| outgoing.ping(payload))
            .await
    }

    /// Waits until the transport has taken everything that was queued.
    ///
    /// # Cancel safety
    ///
    /// What is not written yet stays queued, and leaves.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn flush(&self) -> Result<(), Error> {
        self.patiently(Wire::poll_flush).await
    }

    /// Sends a message without waiting. It keeps what the peer does not take at once, up to
    /// [`Limits::max_unsent`](ws_proto::Limits::max_unsent), and written while the [`Reader`] waits.
    /// For sending to many, of which one may have stalled.
    ///
    /// # Errors
    ///
    /// [`Send`](Error::Send) with [`SendError::Full`] if too much waits already: nothing of the
    /// message was kept. Otherwise as [`send`](Self::send).
    pub fn queue<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        self.queue_now(message.as_bytes().len(), |outgoing| outgoing.send(message))
    }

    /// Sends a message that was prepared for many connections, without waiting: see
    /// [`queue`](Self::queue).
    ///
    /// # Errors
    ///
    /// As [`queue`](Self::queue).
    pub fn queue_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
        let len = prepared.message().as_bytes().len();
        self.queue_now(len, |outgoing| outgoing.send_prepared(prepared))
    }

    /// Starts the closing handshake and does not wait for it: the [`Reader`] sees its end.
    ///
    /// # Errors
    ///
    /// [`Send`](Error::Send) if the reason is over 123 bytes, a Close is on its way already, or
    /// there is no memory for one.
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let close = Close::new(code, reason)?;
        let queued = self.queue_now(0, |outgoing| outgoing.close(Some(close)));
        // Its deadline is nearer than the one that the reader waits for.
        self.shared.wakers.wake_reader();
        queued
    }

    /// Drops the connection at once, without a Close. The peer sees its stream end, and every task
    /// that waits on the connection wakes with an error.
    pub fn abort(&self) {
        self.shared.wire().abort();
        self.shared.wakers.wake_all();
    }

    /// Whether the next message is queued without waiting.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.shared.wire().outgoing.has_room()
    }

    /// The number of bytes of messages that wait to be written.
    #[must_use]
    pub fn unsent_len(&self) -> usize {
        self.shared.wire().outgoing.unsent_len()
    }

    /// Whether the next message is queued without waiting, or the connection is over.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let room = self.shared.run_for_writer(cx.waker(), Wire::poll_room);
        room.map(drop)
    }

    fn queue_now(
        &self,
        len: usize,
        queue: impl FnOnce(&mut Outgoing) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        self.shared.run(|wire, cx| {
            wire.check_open()?;
            pool::lend_to_write(&mut wire.outgoing);
            pool::with_context(&mut wire.outgoing, len, queue)?;
            // What it does not take now the reader writes.
            match wire.poll_flush(cx) {
                Poll::Ready(flushed) => flushed,
                Poll::Pending => Ok(()),
            }
        })
    }

    async fn send_when_room(
        &self,
        len: usize,
        queue: impl FnOnce(&mut Outgoing) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        let mut queue = Some(queue);
        let queued = |wire: &mut Wire<S>, cx: &mut Context<'_>| {
            let room = wire.poll_room(cx)?;
            match queue.take_if(|_| room.is_ready()) {
                Some(queue) => {
                    pool::lend_to_write(&mut wire.outgoing);
                    let queued = pool::with_context(&mut wire.outgoing, len, queue);
                    Poll::Ready(queued.map_err(Error::from))
                }
                None => Poll::Pending,
            }
        };
        self.patiently(queued).await?;
        self.flush().await
    }

    /// Runs something that may have to wait for the peer, as long as it takes anything: a peer that
    /// takes nothing for the pong timeout is as good as gone; while closing, for the close timeout.
    async fn patiently(
        &self,
        mut run: impl FnMut(&mut Wire<S>, &mut Context<'_>) -> Poll<Result<(), Error>>,
    ) -> Result<(), Error> {
        let mut patience = Patience::default();
        poll_fn(|cx| self.poll_patiently(&mut patience, cx, &mut run)).await
    }

    /// The same, to be polled; `patience` remembers how long it has waited.
    pub(crate) fn poll_patiently(
        &self,
        patience: &mut Patience,
        cx: &mut Context<'_>,
        run: impl FnOnce(&mut Wire<S>, &mut Context<'_>) -> Poll<Result<(), Error>>,
    ) -> Poll<Result<(), Error>> {
        let done = self.shared.run_for_writer(cx.waker(), |wire, cx| {
            wire.check_open()?;
            run(wire, cx)
        });
        if done.is_ready() {
            *patience = Patience::default();
            return done;
        }
        loop {
            let (timeout, timed_out) = self.shared.patience();
            let writes = self.shared.wire().writes();
            let sleep = match &mut patience.0 {
                Some((sleep, before)) if *before == writes => sleep,
                // The peer has taken something meanwhile.
                other => &mut other.insert((Box::pin(time::sleep(timeout)), writes)).0,
            };
            ready!(sleep.as_mut().poll(cx));
            if self.shared.wire().writes() == writes {
                let error = self.shared.wire().lost(timed_out);
                self.shared.wakers.wake_all();
                return Poll::Ready(Err(error));
            }
        }
    }

    /// Queues something of `len` bytes, whatever waits already.
    pub(crate) fn with_outgoing(
        &self,
        len: usize,
        queue: impl FnOnce(&mut Outgoing) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        pool::with_context(&mut self.shared.wire().outgoing, len, queue)
    }
}

/// How long a writer has waited for a peer that takes nothing: a timer, and how many writes there were
/// when it was set.
#[derive(Debug, Default)]
pub(crate) struct Patience(Option<(Pin<Box<time::Sleep>>, u32)>);

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    fn wire(&self) -> MutexGuard<'_, Wire<S>> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses the wire, with the waker of all who wait on it. If something was written, those who wait
    /// for just that look again.
    fn run<T>(&self, run: impl FnOnce(&mut Wire<S>, &mut Context<'_>) -> T) -> T {
        let (result, wrote) = self.run_alone(run);
        if wrote {
            self.wakers.wake_writers();
        }
        result
    }

    /// The same for a writer, which is woken if it has to wait.
    fn run_for_writer<T>(
        &self,
        waker: &Waker,
        run: impl FnOnce(&mut Wire<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        // Before the stream is polled: it may be ready right after.
        self.wakers.add_writer(waker);
        let (result, wrote) = self.run_alone(run);
        if result.is_ready() {
            self.wakers.remove_writer(waker);
        }
        if wrote {
            self.wakers.wake_writers_but(waker);
        }
        result
    }

    /// Uses the wire; the result, and whether something was written.
    fn run_alone<T>(&self, run: impl FnOnce(&mut Wire<S>, &mut Context<'_>) -> T) -> (T, bool) {
        let mut wire = self.wire();
        let writes = wire.writes();
        let result = run(&mut wire, &mut Context::from_waker(self.wakers.all()));
        let wrote = wire.writes() != writes;
        if wrote {
            wire.release();
        }
        (result, wrote)
    }

    /// How long a writer waits for a peer that takes nothing, and the error with which it gives up.
    fn patience(&self) -> (time::Duration, TimedOut) {
        let wire = self.wire();
        let timeouts = wire.outgoing.timeouts();
        match wire.outgoing.state() {
            State::Open => (timeouts.pong_timeout, TimedOut::Pong),
            _ => (timeouts.close_timeout, TimedOut::Close),
        }
    }
}

/// The way of the reader to the wire.
pub(crate) struct Locked<'a, S: AsyncRead + AsyncWrite + Unpin>(&'a Shared<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Lane for Locked<'_, S> {
    type Stream = S;

    fn with<T>(&mut self, run: impl FnOnce(&mut Wire<S>) -> T) -> T {
        run(&mut self.0.wire())
    }

    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        run: impl FnOnce(&mut Wire<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        // Before the stream is polled: it may be ready right after.
        self.0.wakers.add_reader(cx.waker());
        self.0.run(run)
    }

    fn failed(&mut self) -> Option<ProtocolError> {
        // The next look at the clock says so.
        None
    }
}
