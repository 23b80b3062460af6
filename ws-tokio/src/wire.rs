//! The sending half of a connection and its stream: the way of the bytes, in and out.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ws_http::Ended;
use ws_proto::{CloseCode, Config, Error, Failure, Incoming, Outgoing, SendError, Session, State};

use crate::home::Home;
use crate::pool;

/// The stream, and everything to write to it.
///
/// It takes its leave when it is dropped, as far as that takes no waiting.
pub(crate) struct Wire<S: AsyncRead + AsyncWrite + Unpin> {
    /// `None` once the connection is over.
    stream: Option<S>,
    pub(crate) outgoing: Outgoing,
    /// The first failure of the transport: everything later follows from it.
    failure: Option<Failure>,
    /// How many writes there were: those who wait for one see that there was another.
    writes: u32,
    /// Something was written that the stream may hold back, as TLS does.
    held_back: bool,
    /// Where it goes back to, if a server has lent it.
    home: Option<Arc<Home<S>>>,
}

/// What came of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Bytes, or the reason why there can be none, which the next step returns.
    Something,
    /// The end of the stream.
    End,
}

/// The most pieces that go into one write.
const PIECES: usize = 16;

/// The most that is read at once of what nobody wants any more.
const DROPPED: usize = 4 << 10;

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) const fn new(stream: S, outgoing: Outgoing) -> Self {
        Self {
            stream: Some(stream),
            outgoing,
            failure: None,
            writes: 0,
            held_back: false,
            home: None,
        }
    }

    /// Takes everything out. What is left leads nowhere, and fails as this has failed.
    pub(crate) fn cut_off(&mut self) -> Self {
        let rest = Self {
            stream: None,
            outgoing: closed(),
            failure: self.failure,
            writes: self.writes,
            held_back: false,
            home: None,
        };
        std::mem::replace(self, rest)
    }

    /// Takes the stream away without a Close, and the sending half with it.
    pub(crate) fn take(&mut self) -> Option<(S, Outgoing)> {
        if let Some(home) = self.home.take() {
            home.lose();
        }
        let mut wire = self.cut_off();
        let stream = wire.stream.take()?;
        let outgoing = std::mem::replace(&mut wire.outgoing, closed());
        Some((stream, outgoing))
    }

    /// Notes whose it is.
    pub(crate) fn lend(&mut self, home: Arc<Home<S>>) {
        self.home = Some(home);
    }

    /// Closes the connection if the server that has lent it asks for that, and has the task of
    /// `waker` woken when it does.
    pub(crate) fn obey(&mut self, waker: &Waker) {
        if let Some(home) = &self.home
            && let Some(code) = home.asked(waker)
            && self.outgoing.state() == State::Open
        {
            // Without memory for a Close, the end of the stream has to say it.
            let _ = self.outgoing.close(Some(code.into()));
        }
    }

    /// How the connection has ended, if it has.
    pub(crate) fn ended(&self) -> Option<Ended> {
        Ended::of(&self.outgoing, self.failure)
    }

    pub(crate) const fn stream(&self) -> Option<&S> {
        self.stream.as_ref()
    }

    pub(crate) const fn stream_mut(&mut self) -> Option<&mut S> {
        self.stream.as_mut()
    }

    /// Drops the stream: the peer sees it end.
    pub(crate) fn abort(&mut self) {
        self.failure
            .get_or_insert_with(|| io::ErrorKind::ConnectionAborted.into());
        self.stream = None;
    }

    /// Notes that the transport failed, or that the peer was given up, and returns the first reason,
    /// which is the one to report.
    #[cold]
    pub(crate) fn lost(&mut self, failure: impl Into<Failure>) -> Error {
        self.stream = None;
        self.failed(failure)
    }

    #[cold]
    fn failed(&mut self, failure: impl Into<Failure>) -> Error {
        let failure = failure.into();
        (*self.failure.get_or_insert(failure)).into()
    }

    /// Why nothing can be written any more.
    #[cold]
    fn over(&self) -> Error {
        let failure = self.failure.map(Error::from);
        failure.unwrap_or_else(|| SendError::Closed.into())
    }

    pub(crate) const fn writes(&self) -> u32 {
        self.writes
    }

    /// Gives back the memory to write from, if nothing is left in it.
    pub(crate) fn release(&mut self) {
        if !self.outgoing.wants_write() {
            pool::take_back_written(&mut self.outgoing);
        }
    }

    /// Fails as the transport has failed, if it has.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.failure {
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }

    /// Refuses to queue for a connection whose transport has failed. If the connection had ended
    /// before that, the core says so.
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        match self.outgoing.state() {
            State::Open | State::Closing => self.check(),
            State::Closed | State::Failed(_) => Ok(()),
        }
    }

    /// Makes one read.
    pub(crate) fn poll_read(
        &mut self,
        incoming: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Read>> {
        let Ok(spare) = incoming.spare_mut() else {
            return Poll::Ready(Ok(Read::Something));
        };
        let mut spare = ReadBuf::new(spare);
        ready!(self.poll_into(cx, &mut spare))?;
        let len = spare.filled().len();
        incoming.filled(len);
        Poll::Ready(Ok(match len {
            0 => Read::End,
            _ => Read::Something,
        }))
    }

    /// Makes one read of what nobody wants any more, and tells the core how much it was.
    pub(crate) fn poll_drop(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Read>> {
        let mut room = [0; DROPPED];
        let mut room = ReadBuf::new(&mut room);
        ready!(self.poll_into(cx, &mut room))?;
        Poll::Ready(Ok(match room.filled().len() {
            0 => Read::End,
            len => {
                self.outgoing.dropped(len);
                Read::Something
            }
        }))
    }

    fn poll_into(&mut self, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_read(cx, room),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Writes until there is room for another message.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.check_open()?;
        while !self.outgoing.has_room() {
            ready!(self.poll_write(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes everything, and has the stream pass it on.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while self.outgoing.wants_write() {
            ready!(self.poll_write(cx))?;
        }
        if self.held_back {
            let Some(stream) = &mut self.stream else {
                return Poll::Ready(Err(self.over()));
            };
            let flushed = ready!(Pin::new(stream).poll_flush(cx));
            flushed.map_err(|error| self.failed(error))?;
            self.held_back = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Makes one write. After one that failed nothing can follow: the peer would read the middle of a
    /// frame.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.check()?;
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(self.over()));
        };
        let written = poll_write_once(Pin::new(stream), &mut self.outgoing, cx);
        match written {
            // There was no memory for it: the next step says so.
            Poll::Ready(Ok(0)) if !self.outgoing.wants_write() => Poll::Ready(Ok(())),
            Poll::Ready(Ok(0)) => Poll::Ready(Err(self.failed(io::ErrorKind::WriteZero))),
            Poll::Ready(Ok(len)) => {
                self.outgoing.sent(len);
                self.writes = self.writes.wrapping_add(1);
                self.held_back = true;
                Poll::Ready(Ok(()))
            }
            // The caller makes it again.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {
                self.outgoing.sent(0);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.failed(error))),
            Poll::Pending => {
                self.outgoing.sent(0);
                Poll::Pending
            }
        }
    }

    /// Shuts the sending side of the stream down.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Ends the stream, now that both sides have said their last word.
    pub(crate) fn end(&mut self) {
        // For TLS that is another word of its own, if it takes no waiting.
        let _ = self.poll_shutdown(&mut Context::from_waker(Waker::noop()));
        self.stream = None;
        self.held_back = false;
    }

    /// Says goodbye, if that takes no waiting: the peer of a connection that is dropped while open
    /// learns more than that its stream has ended.
    fn leave(&mut self) {
        if self.stream.is_some() {
            if self.outgoing.state() == State::Open {
                let _ = self.outgoing.close(Some(CloseCode::GOING_AWAY.into()));
            }
            // A Close that was queued before leaves, too.
            let _ = self.poll_flush(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// A half on which nothing can be sent.
fn closed() -> Outgoing {
    let (_, mut outgoing) = Session::server(&Config::DEFAULT).split();
    // A Close takes no memory before it is written, and this one is not.
    let _ = outgoing.close(None);
    outgoing
}

/// Gives the stream as much as it takes at once.
fn poll_write_once<S: AsyncWrite>(
    stream: Pin<&mut S>,
    outgoing: &mut Outgoing,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if !stream.is_write_vectored() {
        let unsent = outgoing.unsent();
        return believed(unsent.len(), stream.poll_write(cx, unsent));
    }
    let mut pieces = [&[][..]; PIECES];
    let count = outgoing.unsent_slices(&mut pieces);
    match pieces.get(..count) {
        Some([piece]) => believed(piece.len(), stream.poll_write(cx, piece)),
        Some(pieces) => {
            let mut slices = [IoSlice::new(&[]); PIECES];
            for (slice, piece) in slices.iter_mut().zip(pieces) {
                *slice = IoSlice::new(piece);
            }
            let slices = slices.get(..count).unwrap_or_default();
            let given = pieces.iter().map(|piece| piece.len()).sum();
            believed(given, stream.poll_write_vectored(cx, slices))
        }
        None => Poll::Ready(Ok(0)),
    }
}

/// Believes the stream, unless it says that it has written more than it was given: then we cannot
/// know what it took.
fn believed(given: usize, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
    match written {
        Poll::Ready(Ok(len)) if len > given => Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
        written => written,
    }
}

/// Shows neither the stream nor what is queued.
impl<S: AsyncRead + AsyncWrite + Unpin> fmt::Debug for Wire<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("is_over", &self.stream.is_none())
            .field("outgoing", &self.outgoing)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Drop for Wire<S> {
    fn drop(&mut self) {
        match self.home.take() {
            Some(home) => home.take_back(self.cut_off()),
            None => self.leave(),
        }
    }
}
