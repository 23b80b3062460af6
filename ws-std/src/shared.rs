//! The part of a connection that its threads share: the socket and the outgoing half.
//!
//! Two locks, always taken in this order:
//!
//! ```text
//!   wire      held while bytes are written, however long that takes: they leave in order
//!   outgoing  held for the moment in which a message is queued or an event answered; and, on the
//!             part of a reader, when a check is due, after a silence, and at the end
//! ```
//!
//! So a reader can answer and keep reading while a writer waits for the peer; what takes long when a
//! message is received (unmasking, inflating) needs neither. A thread that finds the wire taken
//! leaves what it queued to the holder, which looks again after letting go of it. What a peer does
//! not take at once is left to one thread for all connections, the pump, by those that must not wait.

use std::io;
use std::mem;
use std::net::{Shutdown as How, SocketAddr};
#[cfg(test)]
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::task::{Poll, Waker};
use std::time::Duration;

use ws_http::Ended;
use ws_proto::{
    Answer, Close, CloseCode, Instant, Message, Outgoing, SendError, Shutdown, State, Timeouts,
    Verdict,
};

use crate::clock::Clock;
use crate::error::{Error, Failure};
use crate::guard::{Rules, Waiting};
#[cfg(feature = "deflate")]
use crate::pool::Pool;
use crate::stream::Stream;
use crate::sync::lock;
use crate::tap::{Tap, Tapped};

#[cfg(unix)]
mod pump;
mod wire;

use wire::{Wire, write_once};

/// From here on a message is written from where it lies, after its header.
pub(crate) const BY_REFERENCE: usize = 32 << 10;

/// The stack of a thread that only writes.
const PUMP_STACK: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct Shared {
    stream: Arc<Stream>,
    peer: SocketAddr,
    outgoing: Mutex<Outgoing>,
    wire: Mutex<Wire>,
    timeouts: Timeouts,
    setup: Setup,
    /// What waits to be sent, of the server's memory.
    waiting: Option<Waiting>,
    /// The first failure of the transport: everything later follows from it.
    failure: OnceLock<Failure>,
    /// The peer has been waited for at the end: once is enough.
    hung_up: AtomicBool,
    /// Something was queued that no thread writes yet.
    queued: AtomicBool,
    /// The peer takes no more, and the pump writes what is queued when it does. Changed with the
    /// wire taken, and when the connection is lost.
    stalled: AtomicBool,
    /// The pump found that the peer takes something. Set with `outgoing` taken, so that the thread
    /// that has the wire sees it when it looks again.
    retry: AtomicBool,
    /// Those who wait for room in the queue.
    wakers: Mutex<Vec<Waker>>,
    /// Whether there are any.
    is_awaited: AtomicBool,
    /// The closing handshake has begun, so the reader's idea of the time no longer holds.
    closing: AtomicBool,
    /// The number of times that the outgoing half was locked.
    #[cfg(test)]
    pub(crate) locked: AtomicUsize,
}

/// The way to the sending half, for what is received and needs an answer.
pub(crate) struct Answers<'a>(pub(crate) &'a Shared);

impl Answer for Answers<'_> {
    fn with<T>(&mut self, answer: impl FnOnce(&mut Outgoing) -> T) -> T {
        self.0.has_queued();
        answer(&mut self.0.outgoing())
    }
}

/// The equipment of a connection besides its socket.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) clock: Clock,
    pub(crate) tap: Option<Tap>,
    /// The contexts for compression that connections share.
    #[cfg(feature = "deflate")]
    pub(crate) pool: Option<Arc<Pool>>,
    /// What the server asks of its connections.
    pub(crate) rules: Option<Rules>,
}

impl Setup {
    /// The defaults.
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            tap: None,
            #[cfg(feature = "deflate")]
            pool: None,
            rules: None,
        }
    }
}

impl Shared {
    pub(crate) fn new(
        stream: Arc<Stream>,
        peer: SocketAddr,
        outgoing: Outgoing,
        setup: Setup,
    ) -> io::Result<Arc<Self>> {
        stream.prepare()?;
        let rules = setup.rules.as_ref();
        let budget = rules.and_then(|rules| rules.budget.as_ref());
        Ok(Arc::new(Self {
            stream,
            peer,
            timeouts: outgoing.timeouts(),
            outgoing: Mutex::new(outgoing),
            wire: Mutex::default(),
            waiting: budget.map(Waiting::new),
            setup,
            failure: OnceLock::new(),
            hung_up: AtomicBool::new(false),
            queued: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            retry: AtomicBool::new(false),
            wakers: Mutex::default(),
            is_awaited: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            #[cfg(test)]
            locked: AtomicUsize::new(0),
        }))
    }

    /// The longest that a reader may sleep: another thread's Close is timed from the reader's next
    /// look at the clock.
    pub(crate) const fn close_timeout(&self) -> Duration {
        self.timeouts.close_timeout
    }

    pub(crate) fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        #[cfg(test)]
        self.locked.fetch_add(1, Ordering::SeqCst);
        lock(&self.outgoing)
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(crate) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(crate) const fn clock(&self) -> &Clock {
        &self.setup.clock
    }

    pub(crate) const fn rules(&self) -> Option<&Rules> {
        self.setup.rules.as_ref()
    }

    /// Queues a message and writes it, waiting for the peer to take it.
    pub(crate) fn send(&self, message: Message<'_>) -> Result<(), Error> {
        let len = message.as_bytes().len();
        if len >= BY_REFERENCE && !self.outgoing().compresses(len) {
            self.check_open()?;
            return self.send_by_reference(message);
        }
        self.queue_and_wait(len, |outgoing| outgoing.send(message))
    }

    /// Queues something of `len` bytes and writes it, waiting for the peer to take it.
    pub(crate) fn queue_and_wait(
        &self,
        len: usize,
        mut queue: impl FnMut(&mut Outgoing) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        self.check_open()?;
        loop {
            match self.with_context(len, &mut queue) {
                // Messages of other threads filled the queue: they are written now.
                Err(SendError::Full { .. }) => self.flush()?,
                Err(error) => return Err(error.into()),
                Ok(()) => return self.flush(),
            }
        }
    }

    /// Queues something of `len` bytes and writes as much as the peer takes at once. The pump writes
    /// the rest.
    pub(crate) fn queue(
        self: &Arc<Self>,
        len: usize,
        queue: impl FnOnce(&mut Outgoing) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        self.check_open()?;
        self.with_context(len, queue)?;
        self.flush_soon()
    }

    /// Runs `send`, which may compress a message of `len` bytes: with a context of the pool, if
    /// it needs one; if there is memory for it.
    pub(crate) fn with_context(
        &self,
        len: usize,
        send: impl FnOnce(&mut Outgoing) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let mut outgoing = self.outgoing();
        if let Some(waiting) = &self.waiting {
            waiting.check(len)?;
        }
        #[cfg(feature = "deflate")]
        let sent = match &self.setup.pool {
            Some(pool) => pool.lend(&mut outgoing, len, send),
            None => send(&mut outgoing),
        };
        #[cfg(not(feature = "deflate"))]
        let sent = send(&mut outgoing);
        if let Some(waiting) = &self.waiting {
            waiting.account(&outgoing);
        }
        sent
    }

    /// Starts the closing handshake, and does not wait for it.
    pub(crate) fn close(self: &Arc<Self>, close: Close<'_>) -> Result<(), Error> {
        self.check_open()?;
        self.queue_close(close)?;
        self.flush_soon()?;
        self.time_close();
        Ok(())
    }

    /// Starts the closing handshake, and its time.
    pub(crate) fn queue_close(&self, close: Close<'_>) -> Result<(), SendError> {
        self.outgoing().close(Some(close))?;
        self.has_queued();
        self.time_close();
        Ok(())
    }

    /// Begins the time of the closing handshake with the Close, and again when that has left, and
    /// not at the reader's next look at the clock.
    fn time_close(&self) {
        // The reader judges the peer.
        let _ = self.outgoing().time_close(self.setup.clock.now());
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Notes that something was queued, to be written by the reader when it has nothing else to do.
    pub(crate) fn has_queued(&self) {
        self.queued.store(true, Ordering::SeqCst);
    }

    /// Whether something was, since the last call.
    pub(crate) fn take_queued(&self) -> bool {
        self.queued.load(Ordering::SeqCst) && self.queued.swap(false, Ordering::SeqCst)
    }

    /// Whether the closing handshake has begun, since the last call.
    pub(crate) fn take_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst) && self.closing.swap(false, Ordering::SeqCst)
    }

    /// Writes everything that is queued, in this thread or another.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        let mut wire = lock(&self.wire);
        self.drain(&mut wire)?;
        drop(wire);
        self.flush_if_free()
    }

    /// Writes everything that is queued, unless another thread is writing, or waits for the peer:
    /// it will.
    pub(crate) fn flush_if_free(&self) -> Result<(), Error> {
        while self.wants_flush() {
            let Some(mut wire) = self.free_wire() else {
                return Ok(());
            };
            self.drain(&mut wire)?;
        }
        self.made_room();
        Ok(())
    }

    /// Whether a message would be queued, or the connection is over; otherwise the waker is called
    /// when that may have changed.
    pub(crate) fn poll_room(&self, waker: &Waker) -> Poll<()> {
        let mut wakers = lock(&self.wakers);
        wakers.retain(|known| !known.will_wake(waker));
        wakers.push(waker.clone());
        self.is_awaited.store(true, Ordering::SeqCst);
        drop(wakers);
        // After that, so that who makes room now sees it.
        let is_full = {
            let outgoing = self.outgoing();
            outgoing.state() == State::Open && !outgoing.has_room()
        };
        if is_full && self.failure.get().is_none() {
            return Poll::Pending;
        }
        lock(&self.wakers).retain(|known| !known.will_wake(waker));
        Poll::Ready(())
    }

    /// Calls those who wait for room, if there is some, while the wire is free.
    fn made_room(&self) {
        if self.is_awaited.load(Ordering::SeqCst) && self.outgoing().has_room() {
            self.wake_all();
        }
    }

    fn wake_all(&self) {
        if self.is_awaited.swap(false, Ordering::SeqCst) {
            let wakers = mem::take(&mut *lock(&self.wakers));
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Ends the connection from our side, whatever state it is in, and waits for the peer to see
    /// it: until it ends its side, within the close timeout.
    pub(crate) fn finish(&self, code: CloseCode) {
        // A `Closed` error means that a Close is on its way, or that nobody is left to read one. If
        // there is no memory for one, the stream ends without it: it is shut below in any case.
        let _ = self.queue_close(code.into());
        self.hang_up();
    }

    /// Writes our last word, and ends the transport as §7.1.1 wants it: the peer has closed, or
    /// reads why we do.
    pub(crate) fn hang_up(&self) {
        if self.hung_up.swap(true, Ordering::SeqCst) {
            return;
        }
        self.time_close();
        // If it cannot be written, the peer is gone: what brought us here says more.
        let _ = self.flush();
        let waits = match self.outgoing().shutdown() {
            Shutdown::AwaitPeer | Shutdown::Drain => true,
            // A peer that has not closed either sees our Close and the end of the stream.
            Shutdown::Write | Shutdown::NotYet => self.stream.shutdown(How::Write).is_ok(),
            Shutdown::Now => false,
        };
        if waits {
            self.outgoing().write_shut();
            self.linger();
        }
        self.abort();
    }

    /// Reads and drops what still comes, for as long as the core says.
    fn linger(&self) {
        let mut until = Instant::default();
        self.stream.linger(|dropped| {
            let mut now = self.clock().now();
            if dropped.is_none() {
                // The read has waited until then, whatever the clock shows.
                now = now.max(until);
            }
            let mut outgoing = self.outgoing();
            outgoing.dropped(dropped.unwrap_or(0));
            match outgoing.time_close(now) {
                Verdict::Alive { wake } if outgoing.shutdown() != Shutdown::Now => {
                    until = wake.unwrap_or_else(|| now.after(Duration::MAX));
                    Some(until.saturating_duration_since(now))
                }
                _ => None,
            }
        });
    }

    /// Drops the connection at once: every thread that waits on it wakes with an error.
    pub(crate) fn abort(&self) {
        let _ = self.stream.shutdown(How::Both);
        self.wake_all();
    }

    /// Drops the connection, because the transport failed or the peer was given up. The first
    /// reason is the one to report; a write that fails because a read did says nothing new.
    #[cold]
    pub(crate) fn lost(&self, failure: impl Into<Failure>) -> Error {
        let first = *self.failure.get_or_init(|| failure.into());
        self.abort();
        self.settle();
        first.into()
    }

    /// How the connection ended, if it has.
    pub(crate) fn ended(&self) -> Option<Ended> {
        Ended::of(&self.outgoing(), self.failure.get().copied())
    }

    /// Frees the memory that is not in use.
    pub(crate) fn release(self: &Arc<Self>) {
        self.outgoing().release();
        if let Some(mut wire) = self.free_wire() {
            wire.release();
            self.account(&self.outgoing(), &wire);
        }
        // What a thread that found the wire taken has queued meanwhile. The next thread that uses
        // the connection sees a failure.
        let _ = self.flush_soon();
    }

    /// Counts what is held, if there is a bound on it.
    fn account(&self, outgoing: &Outgoing, wire: &Wire) {
        if let Some(waiting) = &self.waiting {
            waiting.account_both(outgoing, &wire.buffers);
        }
    }

    pub(crate) fn tapped(&self, what: Tapped<'_>) {
        if let Some(tap) = &self.setup.tap {
            tap.call(what);
        }
    }

    /// Refuses to queue for a connection whose transport has failed. If the connection had ended
    /// before that, the core says so.
    fn check_open(&self) -> Result<(), Error> {
        let state = || self.outgoing().state();
        match self.check_transport() {
            Err(failure) if matches!(state(), State::Open | State::Closing) => Err(failure),
            _ => Ok(()),
        }
    }

    /// Fails as the transport has failed, if it has.
    pub(crate) fn check_transport(&self) -> Result<(), Error> {
        match self.failure.get() {
            Some(failure) => Err((*failure).into()),
            None => Ok(()),
        }
    }

    /// Whether there is something to write that is not left to the pump.
    fn wants_flush(&self) -> bool {
        let outgoing = self.outgoing();
        let is_stalled = self.stalled.load(Ordering::SeqCst);
        self.retry.load(Ordering::SeqCst) || (!is_stalled && outgoing.wants_write())
    }

    fn free_wire(&self) -> Option<MutexGuard<'_, Wire>> {
        match self.wire.try_lock() {
            Ok(wire) => Some(wire),
            Err(TryLockError::Poisoned(wire)) => Some(wire.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Drop for Shared {
    /// A connection that is dropped while open sends the peer a Close, if that takes no waiting.
    fn drop(&mut self) {
        let outgoing = self
            .outgoing
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let wire = self.wire.get_mut().unwrap_or_else(PoisonError::into_inner);
        if outgoing.state() == State::Open && !wire.is_pending() {
            let _ = outgoing.close(Some(CloseCode::GOING_AWAY.into()));
            while let Some(len) = write_once(&self.stream, outgoing.unsent()) {
                outgoing.sent(len);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{IoSlice, Read};
    use std::net::{TcpListener, TcpStream};
    use std::thread;
    use ws_proto::{Config, Incoming, Prepared, Role, Session, TimedOut};
    use ws_testkit::faults::{Fails, Fault, Plan};

    use crate::faulty::Faulty;
    use crate::reader::{Next, Reader};
    use crate::stream::Socket;

    fn pair() -> (Arc<Shared>, TcpStream) {
        let (tcp, peer) = sockets();
        (over(tcp.into(), Setup::new(Clock::system())), peer)
    }

    fn sockets() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let patience = Some(Duration::from_secs(60));
        peer.set_read_timeout(patience).unwrap();
        (listener.accept().unwrap().0, peer)
    }

    fn over(stream: Stream, setup: Setup) -> Arc<Shared> {
        halves(Role::Server, stream, setup).1
    }

    fn halves(role: Role, stream: Stream, setup: Setup) -> (Incoming, Arc<Shared>) {
        let session = match role {
            Role::Server => Session::server(&Config::default()),
            Role::Client => Session::client(&Config::default(), [7; 32]),
        };
        let (incoming, outgoing) = session.split();
        let address = stream.peer_addr();
        let shared = Shared::new(Arc::new(stream), address, outgoing, setup);
        (incoming, shared.unwrap())
    }

    /// One whose peer takes something now and then, or nothing; the clock goes on while it is waited
    /// for.
    fn stalled(role: Role, fails: Fails, clock: &Clock) -> (Arc<Shared>, TcpStream) {
        let (tcp, peer) = sockets();
        let (plan, ticks) = (
            Plan::new(Fault::Error(io::ErrorKind::WouldBlock), fails),
            clock.clone(),
        );
        let plan = plan.waiting(move || ticks.advance(Duration::from_secs(5)));
        let (socket, plan) = (tcp, Arc::new(plan));
        let stream = Faulty { socket, plan }.into();
        (halves(role, stream, Setup::new(clock.clone())).1, peer)
    }

    const ROLES: [Role; 2] = [Role::Server, Role::Client];

    fn tapped(tap: impl Fn(&[u8]) + Send + Sync + 'static) -> Setup {
        let tap = Tap::new(move |what| match what {
            Tapped::Sent(bytes) => tap(bytes),
            other => panic!("{other:?}"),
        });
        Setup {
            tap: Some(tap),
            ..Setup::new(Clock::system())
        }
    }

    #[test]
    fn a_silent_connection_owns_no_buffers() {
        let (shared, _peer) = pair();
        shared.send(Message::Binary(&[0; 1000])).unwrap();
        shared.send(Message::Binary(&[0; 1000])).unwrap();
        shared.release();
        assert!(!lock(&shared.wire).has_memory());
        shared.send(Message::Text("on")).unwrap();
    }

    #[test]
    fn what_is_being_written_is_not_released() {
        let (shared, mut peer) = pair();
        shared.outgoing().send("hi").unwrap();
        shared.outgoing().swap(&mut lock(&shared.wire).buffers);
        shared.release();
        assert!(lock(&shared.wire).is_pending());
        shared.flush().unwrap();
        let mut frame = [0; 4];
        peer.read_exact(&mut frame).unwrap();
        assert_eq!(&frame, b"\x81\x02hi");
    }

    #[test]
    fn what_is_queued_while_the_wire_is_taken_is_written_by_who_has_it() {
        let (shared, mut peer) = pair();
        let wire = lock(&shared.wire);
        let hi = Message::Text("hi");
        shared.queue(2, |outgoing| outgoing.send(hi)).unwrap();
        assert!(shared.wants_flush());
        drop(wire);
        shared.flush_if_free().unwrap();
        let mut frame = [0; 4];
        peer.read_exact(&mut frame).unwrap();
        assert_eq!(&frame, b"\x81\x02hi");
        assert!(!shared.wants_flush());
    }

    #[test]
    fn what_is_queued_while_memory_is_given_back_is_written() {
        let (shared, mut peer) = pair();
        let wire = lock(&shared.wire);
        let hi = Message::Text("hi");
        shared.queue(2, |outgoing| outgoing.send(hi)).unwrap();
        drop(wire);
        shared.release();
        let mut frame = [0; 4];
        peer.read_exact(&mut frame).unwrap();
        assert_eq!(&frame, b"\x81\x02hi");
    }

    #[test]
    fn all_that_is_queued_is_written_when_it_is_dropped() {
        let (shared, mut peer) = pair();
        let prepared = Prepared::new(Message::Binary(&[7; 10_000]));
        for _ in 0..3 {
            shared.outgoing().send_prepared(&prepared).unwrap();
        }
        drop(shared);
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len(), 3 * (4 + 10_000) + 4);
        assert!(bytes.ends_with(b"\x88\x02\x03\xE9"));
    }

    #[test]
    fn what_is_sent_is_shown_before_an_answer_can_come() {
        let (tcp, mut peer) = sockets();
        let received = peer.try_clone().unwrap();
        peer.set_nonblocking(true).unwrap();
        let shared = over(
            tcp.into(),
            tapped(move |_| {
                let nothing = received.peek(&mut [0]).unwrap_err();
                assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
            }),
        );
        let hi = Message::Text("hi");
        let sends: [&dyn Fn() -> Result<(), Error>; 2] = [&|| shared.send(hi), &|| {
            shared.queue(2, |outgoing| outgoing.send(hi))
        }];
        for send in sends {
            send().unwrap();
            peer.set_nonblocking(false).unwrap();
            let mut frame = [0; 4];
            peer.read_exact(&mut frame).unwrap();
            assert_eq!(&frame, b"\x81\x02hi");
            peer.set_nonblocking(true).unwrap();
        }
    }

    #[test]
    fn a_close_is_timed_from_when_it_is_queued() {
        let (tcp, _peer) = sockets();
        let clock = Clock::manual();
        let shared = over(tcp.into(), Setup::new(clock.clone()));
        clock.advance(Duration::from_secs(3));
        shared.close(CloseCode::NORMAL.into()).unwrap();
        // No thread has looked at the clock since.
        let deadline = Instant::from_epoch(Duration::from_secs(13));
        assert_eq!(shared.outgoing().deadline(), Some(deadline));
    }

    #[test]
    fn alive_a_send_to_a_peer_that_takes_nothing_has_one_pong_timeout() {
        for (role, len) in ROLES
            .into_iter()
            .flat_map(|role| [(role, 1), (role, BY_REFERENCE)])
        {
            let clock = Clock::manual();
            let (shared, _peer) = stalled(role, Fails::All, &clock);
            let error = shared.send(Message::Binary(&vec![7; len])).unwrap_err();
            assert!(matches!(error, Error::TimedOut(TimedOut::Pong)), "{error}");
            assert_eq!(clock.now().since_epoch(), Timeouts::DEFAULT.pong_timeout);
        }
    }

    /// One whose peer has taken all that it takes, so that the pump has it.
    #[cfg(unix)]
    fn with_the_pump(clock: &Clock) -> (Arc<Shared>, TcpStream) {
        let (tcp, peer) = sockets();
        let end = socket2::SockRef::from(&peer);
        end.set_recv_buffer_size(32 << 10).unwrap();
        let shared = over(tcp.into(), Setup::new(clock.clone()));
        let message = Message::Binary(&[7; 8 << 20]);
        shared
            .queue(8 << 20, |outgoing| outgoing.send(message))
            .unwrap();
        assert!(shared.stalled.load(Ordering::SeqCst));
        (shared, peer)
    }

    #[cfg(unix)]
    const PONG: Duration = Timeouts::DEFAULT.pong_timeout;

    #[cfg(unix)]
    #[test]
    fn alive_the_pump_gives_up_a_peer_that_takes_nothing() {
        let clock = Clock::manual();
        let (shared, _peer) = with_the_pump(&clock);
        // Once it has taken all that the system does.
        until("a full system", || shared.judge() == Some(PONG));
        clock.advance(PONG - Duration::from_nanos(1));
        let left = shared.judge();
        assert!(left == Some(Duration::from_nanos(1)), "{left:?}");
        clock.advance(Duration::from_nanos(1));
        assert_eq!(shared.judge(), None);
        let error = shared.check_transport().unwrap_err();
        assert!(matches!(error, Error::TimedOut(TimedOut::Pong)), "{error}");
        assert!(!shared.stalled.load(Ordering::SeqCst));
    }

    #[cfg(unix)]
    #[test]
    fn alive_the_pump_goes_on_while_something_is_taken() {
        let clock = Clock::manual();
        let (shared, mut peer) = with_the_pump(&clock);
        for _ in 0..4 {
            clock.advance(PONG - Duration::from_secs(1));
            peer.read_exact(&mut vec![0; 1 << 20]).unwrap();
            until("its progress", || shared.judge() == Some(PONG));
        }
        drop(shared);
        // The pump has the last of it.
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), 10 + (4 << 20) + 4);
        assert!(rest.ends_with(b"\x88\x02\x03\xE9"));
    }

    #[cfg(unix)]
    #[test]
    fn what_a_peer_takes_while_the_wire_is_taken_is_seen_by_who_has_it() {
        for look_again in [
            |shared: &Arc<Shared>| shared.flush_soon(),
            |shared: &Arc<Shared>| shared.flush_if_free(),
            |shared: &Arc<Shared>| {
                shared.release();
                Ok(())
            },
        ] {
            let (shared, mut peer) = with_the_pump(&Clock::system());
            let wire = lock(&shared.wire);
            let mut all = vec![0; 10 + (8 << 20)];
            let mut read = 0;
            peer.set_nonblocking(true).unwrap();
            until("the pump", || {
                read += peer.read(&mut all[read..]).unwrap_or(0);
                shared.retry.load(Ordering::SeqCst)
            });
            peer.set_nonblocking(false).unwrap();
            drop(wire);
            thread::scope(|scope| {
                // One of them waits for the peer.
                scope.spawn(|| look_again(&shared).unwrap());
                peer.read_exact(&mut all[read..]).unwrap();
            });
            assert!(all[10..] == vec![7; 8 << 20]);
        }
    }

    #[track_caller]
    fn until(what: &str, mut so: impl FnMut() -> bool) {
        let patience = std::time::Instant::now() + Duration::from_secs(60);
        while !so() {
            assert!(std::time::Instant::now() < patience, "{what}");
            thread::yield_now();
        }
    }

    #[test]
    fn alive_a_close_that_cannot_leave_has_one_close_timeout() {
        for role in ROLES {
            let clock = Clock::manual();
            let (shared, _peer) = stalled(role, Fails::All, &clock);
            shared.close(CloseCode::NORMAL.into()).unwrap();
            until("it is given up", || shared.check_transport().is_err());
            let error = shared.check_transport().unwrap_err();
            assert!(matches!(error, Error::TimedOut(TimedOut::Close)), "{error}");
            assert_eq!(clock.now().since_epoch(), Timeouts::DEFAULT.close_timeout);
        }
    }

    #[test]
    fn alive_a_close_after_what_is_not_taken_has_one_close_timeout_too() {
        for role in ROLES {
            let (tcp, _peer) = sockets();
            let clock = Clock::manual();
            let (incoming, shared) = halves(role, tcp.into(), Setup::new(clock.clone()));
            let mut reader = Reader::new(incoming, shared.clone());
            let mut look = || match reader.recv_timeout(Duration::ZERO) {
                Ok(next) => assert_eq!(next, Next::Elapsed),
                Err(error) => panic!("{error}"),
            };
            look();
            // A thread waits for the peer to take a message.
            let wire = lock(&shared.wire);
            shared.queue(2, |outgoing| outgoing.send("hi")).unwrap();
            shared.outgoing().on_blocked();
            clock.advance(Duration::from_secs(15));
            shared.close(CloseCode::NORMAL.into()).unwrap();
            clock.advance(Duration::from_secs(10) - Duration::from_nanos(1));
            look();
            clock.advance(Duration::from_nanos(1));
            let error = reader.recv_timeout(Duration::ZERO).unwrap_err();
            assert!(matches!(error, Error::TimedOut(TimedOut::Close)), "{error}");
            drop(wire);
        }
    }

    /// A peer that says something each second, and never ends its stream.
    struct Talks(TcpStream, Clock);

    impl Socket for Talks {
        fn read(&self, room: &mut [u8]) -> io::Result<usize> {
            self.1.advance(Duration::from_secs(1));
            room[0] = 0;
            Ok(1)
        }

        fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
            Socket::write(&self.0, pieces)
        }

        fn write_at_once(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
            self.0.write_at_once(pieces)
        }

        fn set_read_timeout(&self, _: Duration) -> io::Result<()> {
            Ok(())
        }

        fn set_write_timeout(&self, _: Duration) -> io::Result<()> {
            Ok(())
        }

        fn shutdown(&self, how: How) -> io::Result<()> {
            Socket::shutdown(&self.0, how)
        }
    }

    #[test]
    fn alive_lingering_has_the_rest_of_the_close_timeout() {
        for role in ROLES {
            let (tcp, mut peer) = sockets();
            let clock = Clock::manual();
            let stream = Talks(tcp, clock.clone()).into();
            let shared = halves(role, stream, Setup::new(clock.clone())).1;
            clock.advance(Duration::from_secs(3));
            shared.close(CloseCode::NORMAL.into()).unwrap();
            clock.advance(Duration::from_secs(4));
            shared.finish(CloseCode::NORMAL);
            let deadline = Instant::from_epoch(Duration::from_secs(13));
            assert_eq!(clock.now(), deadline, "{role:?}");
            peer.read_to_end(&mut Vec::new()).unwrap();
        }
    }

    #[test]
    fn alive_a_send_goes_on_while_something_is_taken() {
        for role in ROLES {
            let clock = Clock::manual();
            let (shared, _peer) = stalled(role, Fails::TwoOfThree, &clock);
            shared.send(Message::Binary(&[7; BY_REFERENCE])).unwrap();
            let took = clock.now().since_epoch();
            assert!(took > Timeouts::DEFAULT.pong_timeout, "{took:?}");
        }
    }

    #[test]
    fn alive_what_was_queued_last_is_written_to_its_end_while_something_is_taken() {
        for role in ROLES {
            let clock = Clock::manual();
            let (shared, mut peer) = stalled(role, Fails::TwoOfThree, &clock);
            shared.outgoing().send(&[7; BY_REFERENCE]).unwrap();
            shared.finish(CloseCode::NORMAL);
            let took = clock.now().since_epoch();
            assert!(took > Timeouts::DEFAULT.close_timeout, "{took:?}");
            let mut bytes = Vec::new();
            peer.read_to_end(&mut bytes).unwrap();
            // Two headers, with a client's keys, and the code.
            let keys = if role == Role::Client { 8 } else { 0 };
            assert_eq!(bytes.len(), 4 + BY_REFERENCE + 4 + keys);
        }
    }
}
