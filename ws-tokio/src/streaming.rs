//! Messages as streams of bytes: [`AsyncRead`] on one that is received, [`AsyncWrite`] on one that is
//! sent. Neither takes memory that grows with the message.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ws_proto::{Draft, Error, Kind, Outgoing, Part, ProtocolError};

use crate::pool;
use crate::receiving::{Lane, Receiving};
use crate::socket::WebSocket;
use crate::split::{Locked, Patience, Writer};
use crate::wire::Wire;

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Waits for the next message, and returns a reader for it while it arrives, however long it
    /// is. `None` if the peer has closed cleanly.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tokio::io::AsyncReadExt;
    ///
    /// let mut ws = ws_tokio::Client::new("ws://127.0.0.1:9001/backup")
    ///     .max_message(1 << 40) // 1 MiB by default, for these too
    ///     .connect()
    ///     .await?;
    /// if let Some(mut message) = ws.recv_reader().await? {
    ///     let mut room = [0; 4096];
    ///     while let len @ 1.. = message.read(&mut room).await? {
    ///         println!("{len} bytes");
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// No part of a message is taken before this returns.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn recv_reader(&mut self) -> Result<Option<MessageReader<'_, S>>, Error> {
        let Self {
            receiving, wire, ..
        } = self;
        let kind = receiving.begin_to_read(wire).await?;
        Ok(kind.map(|kind| MessageReader {
            receiving,
            way: Way::Own(wire),
            kind,
            is_over: false,
        }))
    }

    /// Begins a message that you write in parts, however long it gets, and end with
    /// [`finish`](MessageWriter::finish).
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tokio::io::AsyncWriteExt;
    ///
    /// let mut ws = ws_tokio::connect("ws://127.0.0.1:9001/numbers").await?;
    /// let mut message = ws.send_writer(ws_tokio::Kind::Text);
    /// for number in 0..1_000_000 {
    ///     message.write_all(format!("{number}\n").as_bytes()).await?;
    /// }
    /// message.finish().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_writer(&mut self, kind: Kind) -> MessageWriter<'_, S> {
        MessageWriter {
            sending: Sending::Whole(self),
            draft: Draft::new(kind),
            is_finished: false,
        }
    }
}

/// A message that you read while it arrives: see [`WebSocket::recv_reader`].
///
/// A read waits for some bytes, and meanwhile answers the peer's Pings as [`recv`](WebSocket::recv)
/// does. The end of the message reads as the end of a stream. The bytes of a text are valid UTF-8,
/// but a read may cut a character. An I/O error has an [`Error`] in it.
///
/// If you drop it before the end, the rest of the message is dropped as it arrives, and the next
/// receive returns the next message.
///
/// # Cancel safety
///
/// A read that is dropped has taken nothing.
pub struct MessageReader<'a, S: AsyncRead + AsyncWrite + Unpin> {
    receiving: &'a mut Receiving,
    way: Way<'a, S>,
    kind: Kind,
    is_over: bool,
}

/// The way to the wire: of a whole connection, or of a half.
enum Way<'a, S: AsyncRead + AsyncWrite + Unpin> {
    Own(&'a mut Wire<S>),
    Locked(Locked<'a, S>),
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> MessageReader<'a, S> {
    pub(crate) const fn locked(
        receiving: &'a mut Receiving,
        way: Locked<'a, S>,
        kind: Kind,
    ) -> Self {
        Self {
            receiving,
            way: Way::Locked(way),
            kind,
            is_over: false,
        }
    }

    /// Whether it is text.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for MessageReader<'_, S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_over || room.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let (receiving, spare) = (&mut *this.receiving, room.initialize_unfilled());
        let Some(len) = ready!(receiving.poll_read_part(&mut this.way, spare, cx))? else {
            let error = "the peer has closed before the end of its message";
            let error = io::Error::new(io::ErrorKind::UnexpectedEof, error);
            return Poll::Ready(Err(error));
        };
        room.advance(len);
        this.is_over = len == 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> fmt::Debug for MessageReader<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReader")
            .field("kind", &self.kind)
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Drop for MessageReader<'_, S> {
    fn drop(&mut self) {
        self.receiving.incoming.skip();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lane for Way<'_, S> {
    type Stream = S;

    fn with<T>(&mut self, run: impl FnOnce(&mut Wire<S>) -> T) -> T {
        match self {
            Self::Own(wire) => run(wire),
            Self::Locked(locked) => locked.with(run),
        }
    }

    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        run: impl FnOnce(&mut Wire<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        match self {
            Self::Own(wire) => run(wire, cx),
            Self::Locked(locked) => locked.poll(cx, run),
        }
    }

    fn failed(&mut self) -> Option<ProtocolError> {
        match self {
            Self::Own(wire) => wire.failed(),
            Self::Locked(locked) => locked.failed(),
        }
    }
}

/// A message that you write in parts: see [`WebSocket::send_writer`].
///
/// It collects bytes, and sends them as a fragment once there are 256 KiB, or when you flush it. A
/// text has to be UTF-8 ([`InvalidInput` otherwise](io::ErrorKind::InvalidInput)); a write may cut
/// a character. The source of an [`io::Error`] is an [`Error`]. Shutting the writer down finishes
/// the message, too.
///
/// If you drop it before it is [finished](Self::finish) and no fragment has left, nothing is sent.
/// If one has, the connection is closed with 1011, because half a message must not look like a
/// whole one; the Close leaves at once, or with the next call.
///
/// # Cancel safety
///
/// A dropped write has taken nothing; a dropped flush leaves the bytes queued.
#[must_use = "nothing is sent of a message that is not finished"]
pub struct MessageWriter<'a, S: AsyncRead + AsyncWrite + Unpin> {
    sending: Sending<'a, S>,
    draft: Draft,
    is_finished: bool,
}

/// The way of what is sent: of a whole connection, or of a half.
enum Sending<'a, S: AsyncRead + AsyncWrite + Unpin> {
    Whole(&'a mut WebSocket<S>),
    Half(&'a Writer<S>, Patience),
}

/// What a wire does that may have to wait for the peer.
type Run<S> = fn(&mut Wire<S>, &mut Context<'_>) -> Poll<Result<(), Error>>;

impl<'a, S: AsyncRead + AsyncWrite + Unpin> MessageWriter<'a, S> {
    pub(crate) fn of_half(writer: &'a Writer<S>, kind: Kind) -> Self {
        Self {
            sending: Sending::Half(writer, Patience::default()),
            draft: Draft::new(kind),
            is_finished: false,
        }
    }

    /// Ends the message, and waits until the transport has taken it.
    ///
    /// # Cancel safety
    ///
    /// If there was room, the end of the message was queued when this was first polled: it leaves with
    /// the next call. Otherwise the message may be abandoned, as if the writer had been dropped.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::feed`]; [`SendError::NotUtf8`](crate::SendError::NotUtf8) if a text ends within
    /// a character.
    pub async fn finish(mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_finish(cx)).await
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.is_finished {
            ready!(self.poll_send(Part::Last, cx))?;
            self.is_finished = true;
        }
        self.sending.poll(cx, Wire::poll_flush)
    }

    /// Queues what was written, once what was queued before has left.
    fn poll_send(&mut self, part: Part, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { sending, draft, .. } = self;
        ready!(sending.poll(cx, Wire::poll_flush))?;
        let len = draft.len();
        let queue = |outgoing: &mut Outgoing| draft.send(outgoing, part);
        match sending {
            Sending::Whole(ws) => pool::with_context(&mut ws.wire.outgoing, len, queue)?,
            Sending::Half(writer, _) => writer.with_outgoing(len, queue)?,
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MessageWriter<'_, S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.draft.is_full() {
            ready!(this.poll_send(Part::More, cx))?;
            // As much of it as the peer takes leaves while the next part is collected.
            let _ = this.sending.poll(cx, Wire::poll_flush)?;
        }
        Poll::Ready(Ok(this.draft.write(bytes).map_err(Error::from)?))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.draft.is_empty() {
            ready!(this.poll_send(Part::More, cx))?;
        }
        this.sending.poll(cx, Wire::poll_flush).map_err(Into::into)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_finish(cx).map_err(Into::into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sending<'_, S> {
    fn poll(&mut self, cx: &mut Context<'_>, run: Run<S>) -> Poll<Result<(), Error>> {
        match self {
            Self::Whole(ws) => {
                let WebSocket {
                    receiving, wire, ..
                } = &mut **ws;
                wire.check_open()?;
                receiving.poll_with(wire, cx, run)
            }
            Self::Half(writer, patience) => writer.poll_patiently(patience, cx, run),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> fmt::Debug for MessageWriter<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageWriter")
            .field("draft", &self.draft)
            .field("is_finished", &self.is_finished)
            .finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Drop for MessageWriter<'_, S> {
    fn drop(&mut self) {
        let Some(close) = self.draft.abandon() else {
            return;
        };
        // If there is no memory for it, or the connection is over, the peer sees no end.
        match &mut self.sending {
            Sending::Whole(ws) => {
                let _ = ws.start_close(close.code(), close.reason());
                let _ = ws.wire.poll_flush(&mut Context::from_waker(Waker::noop()));
            }
            Sending::Half(writer, _) => {
                let _ = writer.close(close.code(), close.reason());
            }
        }
    }
}
