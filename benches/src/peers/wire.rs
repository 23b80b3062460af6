//! The wire of a peer: in memory, always ready.

use std::hint::black_box;
use std::io::{self, IoSlice, Read, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::feed::Feed;

/// Gives what is fed, for ever; drops what is written.
pub(crate) struct Wire<'f> {
    feed: &'f Feed,
    read: usize,
    at: usize,
}

impl<'f> Wire<'f> {
    pub(crate) const fn new(feed: &'f Feed) -> Self {
        let (read, at) = (0, 0);
        Self { feed, read, at }
    }

    /// Gives nothing: for those who only send, and must not read.
    pub(crate) const fn mute() -> Wire<'static> {
        static NOTHING: Feed = Feed::NONE;
        Wire::new(&NOTHING)
    }

    /// The rest of the read whose turn it is, as far as there is room for it.
    fn next(&mut self, room: usize) -> &'f [u8] {
        let rest = &self.feed.nth(self.read)[self.at..];
        if rest.len() > room {
            self.at += room;
            &rest[..room]
        } else {
            self.at = 0;
            self.read += 1;
            rest
        }
    }
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.next(buffer.len());
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Wire<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buffer.put_slice(self.next(buffer.remaining()));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(black_box(bytes).len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = black_box(bytes).iter().map(|bytes| bytes.len()).sum();
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The result of a future that never waits.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the wire is always ready"),
    }
}
