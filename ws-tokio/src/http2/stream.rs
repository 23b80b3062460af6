//! A stream of HTTP/2 as a stream of bytes: DATA frames each way (RFC 8441 §5).

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One stream of a connection of HTTP/2, which carries a WebSocket.
///
/// The peer may send as much before we read it as HTTP/2's flow control allows: 64 KiB, unless the
/// connection was made with another window.
pub struct Http2Stream {
    send: SendStream<Bytes>,
    recv: RecvStream,
    /// What was received and not yet read.
    received: Bytes,
}

impl Http2Stream {
    pub(crate) const fn new(send: SendStream<Bytes>, recv: RecvStream) -> Self {
        Self {
            send,
            recv,
            received: Bytes::new(),
        }
    }
}

impl AsyncRead for Http2Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // An empty frame is not the end.
        while self.received.is_empty() {
            match ready!(self.recv.poll_data(cx)) {
                Some(Ok(received)) => self.received = received,
                Some(Err(error)) => return Poll::Ready(Err(failure(error))),
                // "Orderly TCP-level closures are represented as END_STREAM flags" (RFC 8441 §5)
                None => return Poll::Ready(Ok(())),
            }
        }
        let len = self.received.len().min(room.remaining());
        room.put_slice(self.received.get(..len).unwrap_or_default());
        self.received.advance(len);
        // The peer may send as much again.
        let released = self.recv.flow_control().release_capacity(len);
        Poll::Ready(released.map_err(failure))
    }
}

impl AsyncWrite for Http2Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.send.reserve_capacity(bytes.len());
        loop {
            let capacity = match ready!(self.send.poll_capacity(cx)) {
                Some(Ok(capacity)) => capacity.min(bytes.len()),
                Some(Err(error)) => return Poll::Ready(Err(failure(error))),
                None => return self.poll_reason(cx),
            };
            let taken = bytes.get(..capacity).unwrap_or_default();
            if !taken.is_empty() {
                return match self.send.send_data(Bytes::copy_from_slice(taken), false) {
                    Ok(()) => Poll::Ready(Ok(capacity)),
                    Err(_) => self.poll_reason(cx),
                };
            }
        }
    }

    /// The task of the connection writes what is there.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // One that has ended already has no more to say.
        let _ = self.send.send_data(Bytes::new(), true);
        Poll::Ready(Ok(()))
    }
}

impl Http2Stream {
    /// Why nothing can be sent any more.
    fn poll_reason<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        Poll::Ready(Err(match self.send.poll_reset(cx) {
            Poll::Ready(Ok(reason)) => failure(reason.into()),
            Poll::Ready(Err(error)) => failure(error),
            Poll::Pending => io::ErrorKind::BrokenPipe.into(),
        }))
    }
}

/// What ended a stream, or its connection.
pub(super) fn failure(error: h2::Error) -> io::Error {
    // "RST exceptions are represented with the RST_STREAM frame" (RFC 8441 §5)
    if error.is_reset() {
        return io::Error::new(io::ErrorKind::ConnectionReset, error);
    }
    if error.is_go_away() {
        return io::Error::new(io::ErrorKind::ConnectionAborted, error);
    }
    match error.is_io() {
        true => error
            .into_io()
            .unwrap_or_else(|| io::ErrorKind::Other.into()),
        false => io::Error::other(error),
    }
}

impl fmt::Debug for Http2Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2Stream")
            .field("id", &self.send.stream_id())
            .finish_non_exhaustive()
    }
}
