//! What it takes to wait for a message: reading, answering, the clock, and the end.
//!
//! ```text
//!   poll_arrival ─▶ a step ─┬─ a message ───────────────────────────▶ Ready
//!        ▲                  ├─ a control frame: answered ─▶ a step
//!        │                  ├─ the end, or a violation ─▶ poll_hang_up ─▶ Ready
//!        │                  └─ nothing: write, look at the clock, read
//!        └────────────────────────────────── Pending: the buffers go back to the pool
//! ```
//!
//! Each turn is one read or one write, and everything that a turn has done is in the core: a task
//! that stops waiting at any point loses nothing.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::{task, time};
use ws_proto::{
    Answer, Close, CloseCode, Config, Error, Event, Incoming, Kind, Message, MessageBuf, Outgoing,
    ProtocolError, Ready, SendError, Session, Shutdown, Verdict,
};

use crate::pool;
use crate::timer::Timer;
use crate::wire::{Read, Wire};

/// The way to the wire: it is ours alone, or behind a lock.
pub(crate) trait Lane {
    type Stream: AsyncRead + AsyncWrite + Unpin;

    /// Uses the wire.
    fn with<T>(&mut self, run: impl FnOnce(&mut Wire<Self::Stream>) -> T) -> T;

    /// Uses it for reading and writing: wakes the task of `cx` when that can continue.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        run: impl FnOnce(&mut Wire<Self::Stream>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T>;

    /// The error that the sending half has failed with, if that can be seen at once.
    fn failed(&mut self) -> Option<ProtocolError>;
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lane for Wire<S> {
    type Stream = S;

    fn with<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        run(self)
    }

    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        run: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        run(self, cx)
    }

    fn failed(&mut self) -> Option<ProtocolError> {
        self.outgoing.failed()
    }
}

/// The way to the sending half, for what is received and needs an answer.
pub(crate) struct Answers<'a, L>(pub(crate) &'a mut L);

impl<L: Lane> Answer for Answers<'_, L> {
    fn with<T>(&mut self, answer: impl FnOnce(&mut Outgoing) -> T) -> T {
        self.0.with(|wire| answer(&mut wire.outgoing))
    }

    fn failed(&mut self) -> Option<ProtocolError> {
        self.0.failed()
    }
}

/// The receiving half, and what it takes to wait for the peer.
#[derive(Debug)]
pub(crate) struct Receiving {
    pub(crate) incoming: Incoming,
    pub(crate) waiting: Waiting,
}

/// What it takes to wait, besides what was received.
#[derive(Debug)]
pub(crate) struct Waiting {
    timer: Timer,
    on_pong: OnPong,
    /// A pair of buffers is lent to the connection.
    lent: bool,
    /// Something was answered that is not written yet.
    answered: bool,
}

/// The application's handler of Pongs.
type Pong = Box<dyn FnMut(&[u8]) + Send>;

#[derive(Default)]
struct OnPong(Option<Pong>);

/// What a wait has ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// A message, which the core hands out.
    Message,
    /// The peer has closed.
    Closed,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A message.
    Message,
    /// A message, and room to queue an answer to it.
    MessageAndRoom,
    /// A part of a message, or its end.
    Part,
}

/// The most reads of one turn, after which other tasks have theirs.
const READS: usize = 64;

impl Receiving {
    pub(crate) fn new(incoming: Incoming) -> Self {
        Self {
            incoming,
            waiting: Waiting::new(Timer::new()),
        }
    }

    /// The moment from which the core counts.
    pub(crate) const fn epoch(&self) -> time::Instant {
        self.waiting.timer.epoch()
    }

    /// Begins the time of a connection.
    pub(crate) fn begin(&mut self, outgoing: &mut Outgoing) {
        let _ = self.incoming.check(outgoing, self.waiting.timer.now());
    }

    pub(crate) fn on_pong(&mut self, on_pong: impl FnMut(&[u8]) + Send + 'static) {
        self.waiting.on_pong = OnPong(Some(Box::new(on_pong)));
    }

    /// Leaves a half in its place that receives nothing.
    pub(crate) fn take(&mut self) -> Self {
        let (incoming, _) = Session::server(&Config::DEFAULT).split();
        std::mem::replace(self, Self::new(incoming))
    }

    /// Waits for the next message.
    pub(crate) async fn recv<'a, L: Lane>(
        &'a mut self,
        lane: &mut L,
    ) -> Result<Option<Message<'a>>, Error> {
        if poll_fn(|cx| self.poll_arrival(lane, Wanted::Message, cx)).await? == Arrived::Closed {
            return Ok(None);
        }
        let Self { incoming, waiting } = self;
        let error = match incoming.message(&mut Answers(lane)) {
            Ok(message) => return Ok(message),
            Err(error) => error,
        };
        poll_fn(|cx| waiting.poll_hang_up(lane, cx)).await;
        Err(error.into())
    }

    /// Polls for the next message.
    pub(crate) fn poll_recv<'a, L: Lane>(
        &'a mut self,
        lane: &mut L,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message<'a>>, Error>> {
        if ready!(self.poll_arrival(lane, Wanted::Message, cx))? == Arrived::Closed {
            return Poll::Ready(Ok(None));
        }
        let Self { incoming, waiting } = self;
        let error = match incoming.message(&mut Answers(lane)) {
            Ok(message) => return Poll::Ready(Ok(message)),
            Err(error) => error,
        };
        ready!(waiting.poll_hang_up(lane, cx));
        Poll::Ready(Err(error.into()))
    }

    /// Polls for the next message, as one that owns its payload.
    pub(crate) fn poll_recv_owned<L: Lane>(
        &mut self,
        lane: &mut L,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<MessageBuf>, Error>> {
        if ready!(self.poll_arrival(lane, Wanted::Message, cx))? == Arrived::Closed {
            return Poll::Ready(Ok(None));
        }
        match self.incoming.take_message(&mut Answers(lane)) {
            Ok(message) => Poll::Ready(Ok(message)),
            Err(error) => {
                ready!(self.waiting.poll_hang_up(lane, cx));
                Poll::Ready(Err(error.into()))
            }
        }
    }

    /// Waits until some of the next message has come: of which kind it is. `None` if the peer has
    /// closed. What is left of the message before is dropped.
    pub(crate) async fn begin_to_read<L: Lane>(
        &mut self,
        lane: &mut L,
    ) -> Result<Option<Kind>, Error> {
        self.incoming.skip();
        poll_fn(|cx| self.poll_arrival(lane, Wanted::Part, cx)).await?;
        Ok(self.incoming.reading())
    }

    /// Polls to read some of the message: how many bytes, 0 at its end, and `None` if the peer has
    /// closed before that.
    pub(crate) fn poll_read_part<L: Lane>(
        &mut self,
        lane: &mut L,
        room: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<usize>, Error>> {
        if ready!(self.poll_arrival(lane, Wanted::Part, cx))? == Arrived::Closed {
            return Poll::Ready(Ok(None));
        }
        match self.incoming.read(room, &mut Answers(lane)) {
            Ok(len) => Poll::Ready(Ok(Some(len))),
            Err(error) => {
                ready!(self.waiting.poll_hang_up(lane, cx));
                Poll::Ready(Err(error.into()))
            }
        }
    }

    /// Starts the closing handshake, and waits for its end.
    pub(crate) async fn close<L: Lane>(
        &mut self,
        lane: &mut L,
        close: Close<'_>,
    ) -> Result<(), Error> {
        match lane.with(|wire| wire.outgoing.close(Some(close))) {
            // A Close that is on its way already ends in the same way.
            Ok(()) | Err(SendError::Closed) => {}
            // Without a Close we would wait for the peer as long as it lives.
            Err(error) => return Err(error.into()),
        }
        while self.recv(lane).await?.is_some() {
            // A peer that never stops must not keep this task from yielding.
            task::consume_budget().await;
        }
        Ok(())
    }

    /// Waits until there is a message, or none will come.
    pub(crate) fn poll_arrival<L: Lane>(
        &mut self,
        lane: &mut L,
        wanted: Wanted,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Arrived, Error>> {
        let mut reads = 0;
        loop {
            let next = match wanted {
                Wanted::Message | Wanted::MessageAndRoom => self.incoming.ready(&mut Answers(lane)),
                Wanted::Part => self.incoming.ready_to_read(&mut Answers(lane)),
            };
            match next {
                Ok(Ready::Message) => {
                    ready!(self.poll_before_message(lane, wanted, cx))?;
                    return Poll::Ready(Ok(Arrived::Message));
                }
                Ok(Ready::Control) => {
                    // What it did wrong the next step says.
                    if let Ok(event) = self.incoming.control(&mut Answers(lane)) {
                        self.waiting.on_pong.see(event);
                    }
                    self.waiting.answered = true;
                }
                Ok(Ready::Closed) => {
                    self.lend_back(lane);
                    ready!(self.waiting.poll_hang_up(lane, cx));
                    return Poll::Ready(Ok(Arrived::Closed));
                }
                Ok(Ready::NeedData) if reads == READS => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(Ready::NeedData) => {
                    reads += 1;
                    ready!(self.poll_read(lane, cx))?;
                }
                Err(error) => {
                    self.lend_back(lane);
                    ready!(self.waiting.poll_hang_up(lane, cx));
                    return Poll::Ready(Err(error.into()));
                }
            }
        }
    }

    /// Does what has to be done before the application gets a message: it may take long.
    fn poll_before_message<L: Lane>(
        &mut self,
        lane: &mut L,
        wanted: Wanted,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        // The peer waits for its Pong. If it takes nothing, what it sent is received nevertheless.
        if std::mem::take(&mut self.waiting.answered) {
            let _ = lane.poll(cx, Wire::poll_flush);
        }
        match wanted {
            Wanted::Message | Wanted::Part => Poll::Ready(Ok(())),
            Wanted::MessageAndRoom => self.poll_with(lane, cx, Wire::poll_room),
        }
    }

    /// Writes what there is to write, and then makes one read, which may have to wait.
    ///
    /// A transport that failed while something was written is still read to its end: what the peer
    /// sent before, perhaps a Close with its reason, counts.
    fn poll_read<L: Lane>(
        &mut self,
        lane: &mut L,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        self.waiting.answered = false;
        lane.with(|wire| wire.obey(cx.waker()));
        let _ = lane.poll(cx, Wire::poll_flush);
        if self
            .waiting
            .timer
            .is_due(lane.with(|wire| wire.outgoing.deadline()))
        {
            let _ = self.poll_clock(lane, cx)?;
        }
        if !std::mem::replace(&mut self.waiting.lent, true) {
            let mut buffers = pool::take();
            self.incoming.attach(&mut buffers);
            lane.with(|wire| wire.outgoing.attach(&mut buffers));
        }
        let Self { incoming, .. } = self;
        match lane.poll(cx, |wire, cx| wire.poll_read(incoming, cx)) {
            Poll::Ready(Ok(Read::Something)) => Poll::Ready(Ok(())),
            Poll::Ready(Ok(Read::End)) => {
                lane.with(|wire| wire.check())?;
                // What it means the next step says.
                let _ = incoming.eof(&mut Answers(lane));
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(lane.with(|wire| wire.lost(error)))),
            Poll::Pending => {
                lane.with(|wire| wire.check())?;
                self.lend_back(lane);
                self.poll_clock(lane, cx)
            }
        }
    }

    /// Gives the buffers back that were lent.
    pub(crate) fn lend_back<L: Lane>(&mut self, lane: &mut L) {
        if std::mem::take(&mut self.waiting.lent) {
            let Self { incoming, .. } = self;
            lane.with(|wire| pool::take_back(incoming, &mut wire.outgoing));
        }
    }

    /// Runs something that writes, and looks at the clock while it waits.
    pub(crate) fn poll_with<L: Lane>(
        &mut self,
        lane: &mut L,
        cx: &mut Context<'_>,
        run: impl Fn(&mut Wire<L::Stream>, &mut Context<'_>) -> Poll<Result<(), Error>>,
    ) -> Poll<Result<(), Error>> {
        loop {
            if let Poll::Ready(done) = lane.poll(cx, &run) {
                return Poll::Ready(done);
            }
            ready!(self.poll_clock(lane, cx))?;
            // It was the last call: whatever comes from the peer is a sign of life.
            self.poll_hear(lane, cx);
        }
    }

    /// Makes one read that does not wait, unless a message lies there that the application has to
    /// take first.
    fn poll_hear<L: Lane>(&mut self, lane: &mut L, cx: &mut Context<'_>) {
        let Self { incoming, .. } = self;
        if let Ok(Ready::NeedData) = incoming.ready(&mut Answers(lane)) {
            let _ = lane.poll(cx, |wire, cx| wire.poll_read(incoming, cx));
        }
    }

    /// Looks at the clock when that is due: pings the peer, or gives up on it. Ready if what lies in
    /// the transport already has to be read before the peer is judged.
    fn poll_clock<L: Lane>(
        &mut self,
        lane: &mut L,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let Self { incoming, waiting } = self;
        loop {
            let deadline = lane.with(|wire| wire.outgoing.deadline());
            ready!(waiting.timer.poll(cx, deadline));
            let now = waiting.timer.now();
            match lane.with(|wire| incoming.check(&mut wire.outgoing, now)) {
                // A Ping may have been queued; whether it could leave is known now.
                Verdict::Alive { .. } => {
                    let _ = lane.poll(cx, Wire::poll_flush);
                }
                Verdict::LastCall => return Poll::Ready(Ok(())),
                Verdict::Dead(timed_out) => {
                    return Poll::Ready(Err(lane.with(|wire| wire.lost(timed_out))));
                }
            }
        }
    }
}

impl Waiting {
    fn new(timer: Timer) -> Self {
        Self {
            timer,
            on_pong: OnPong(None),
            lent: false,
            answered: false,
        }
    }

    /// Writes our last word, and ends the transport as RFC 6455 §7.1.1 wants it: the peer has closed,
    /// or reads why we do. Whatever fails meanwhile, what brought us here says more.
    pub(crate) fn poll_hang_up<L: Lane>(&mut self, lane: &mut L, cx: &mut Context<'_>) -> Poll<()> {
        // The time of a Close begins when it is queued, and again when it has left.
        let _ = self.time_close(lane);
        while lane.poll(cx, poll_last_word).is_pending() {
            match self.time_close(lane) {
                Verdict::Alive { wake } => ready!(self.timer.poll(cx, wake)),
                Verdict::LastCall | Verdict::Dead(_) => break,
            }
        }
        lane.with(Wire::end);
        Poll::Ready(())
    }

    fn time_close<L: Lane>(&self, lane: &mut L) -> Verdict {
        let now = self.timer.now();
        lane.with(|wire| wire.outgoing.time_close(now))
    }
}

/// Ends a connection from our side, whatever state it is in, and waits for the peer to see it: until
/// it ends its side, within the close timeout. `epoch` is the moment from which the core counts.
pub(crate) async fn finish<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    epoch: time::Instant,
    code: CloseCode,
) {
    if wire.outgoing.close(Some(code.into())) == Err(SendError::OutOfMemory) {
        // The end of the stream has to say it.
        return wire.end();
    }
    let mut waiting = Waiting::new(Timer::since(epoch));
    poll_fn(|cx| waiting.poll_hang_up(wire, cx)).await;
}

/// Writes what is left, shuts our side, and reads until the peer has shut its own.
fn poll_last_word<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    loop {
        if ready!(wire.poll_flush(cx)).is_err() {
            return Poll::Ready(());
        }
        let went_on = match wire.outgoing.shutdown() {
            Shutdown::AwaitPeer | Shutdown::Drain => {
                matches!(ready!(wire.poll_drop(cx)), Ok(Read::Something))
            }
            // A peer that has not closed either sees our Close and the end of the stream.
            Shutdown::Write | Shutdown::NotYet => {
                let shut = ready!(wire.poll_shutdown(cx));
                wire.outgoing.write_shut();
                shut.is_ok()
            }
            Shutdown::Now => false,
        };
        if !went_on {
            return Poll::Ready(());
        }
    }
}

impl OnPong {
    fn see(&mut self, event: Option<Event<'_>>) {
        if let (Some(Event::Pong(payload)), Some(on_pong)) = (event, &mut self.0) {
            on_pong(payload);
        }
    }
}

impl fmt::Debug for OnPong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnPong").field(&self.0.is_some()).finish()
    }
}
