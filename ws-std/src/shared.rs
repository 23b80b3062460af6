//! What the threads of one connection have in common: the socket and the outgoing half.
//!
//! Two locks, always taken in this order:
//!
//! ```text
//!   wire      held while bytes are written, however long that takes: they leave in order
//!   outgoing  held for the moment in which a message is queued or an event answered
//! ```
//!
//! So a reader can answer and go on reading while a writer waits for the peer. Whoever finds the
//! wire taken leaves what it queued to the holder, who looks again after letting go of it.

use std::io::{self, Read, Write};
use std::net::{Shutdown as How, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use ws_proto::{Close, CloseCode, Message, Outgoing, SendError, Silence, State, Timeouts, Verdict};

use crate::clock::Clock;
use crate::error::Error;
#[cfg(feature = "deflate")]
use crate::pool::Pool;
use crate::tap::{Tap, Tapped};

/// The most that is read and dropped after our last word, so that a peer that sends on can read
/// it: a socket closed with bytes unread is reset, and takes what was sent with it.
const LINGER: usize = 64 << 10;

/// From here on a message is written from where it lies, behind its header.
pub(crate) const LENT: usize = 32 << 10;

/// How much one write is given, so that whoever watches the time hears of the progress of a large
/// message.
const PIECE: usize = 256 << 10;

/// How much of `len` bytes the next write is given: no small rest is left for one of its own.
const fn piece(len: usize) -> usize {
    if len < PIECE + PIECE / 2 { len } else { PIECE }
}

#[derive(Debug)]
pub(crate) struct Shared {
    stream: Arc<TcpStream>,
    peer: SocketAddr,
    outgoing: Mutex<Outgoing>,
    wire: Mutex<Wire>,
    setup: Setup,
    /// The peer has been waited for at the end: once is enough.
    hung_up: AtomicBool,
}

/// What a connection is given besides its socket.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) clock: Clock,
    pub(crate) timeouts: Timeouts,
    pub(crate) tap: Option<Tap>,
    /// Where contexts for compression are shared.
    #[cfg(feature = "deflate")]
    pub(crate) pool: Option<Arc<Pool>>,
}

/// The bytes on their way into the socket.
#[derive(Debug, Default)]
struct Wire {
    bytes: Vec<u8>,
    written: usize,
    /// A thread waits for the peer to take them.
    pumping: bool,
}

/// How a write that does not wait ended.
enum Wrote {
    All,
    Part,
}

impl Shared {
    pub(crate) fn new(
        stream: Arc<TcpStream>,
        peer: SocketAddr,
        outgoing: Outgoing,
        setup: Setup,
    ) -> io::Result<Arc<Self>> {
        stream.set_nodelay(true)?;
        // A peer that takes nothing for as long as it may take for a Pong is as dead.
        stream.set_write_timeout(Some(setup.timeouts.pong_timeout.max(TICK)))?;
        Ok(Arc::new(Self {
            stream,
            peer,
            outgoing: Mutex::new(outgoing),
            wire: Mutex::default(),
            setup,
            hung_up: AtomicBool::new(false),
        }))
    }

    /// The longest that a reader may sleep: another thread's Close is timed from when it next
    /// looks.
    pub(crate) const fn close_timeout(&self) -> Duration {
        self.setup.timeouts.close_timeout
    }

    pub(crate) fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        lock(&self.outgoing)
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(crate) const fn clock(&self) -> &Clock {
        &self.setup.clock
    }

    /// Queues a message and writes it, waiting for the peer to take it.
    pub(crate) fn send(&self, message: Message<'_>) -> Result<(), Error> {
        let len = message.as_bytes().len();
        if len >= LENT && !self.outgoing().compresses(len) {
            return self.send_lent(message);
        }
        self.queue_and_wait(len, |outgoing| outgoing.send(message))
    }

    /// Queues something of `len` bytes and writes it, waiting for the peer to take it.
    pub(crate) fn queue_and_wait(
        &self,
        len: usize,
        mut queue: impl FnMut(&mut Outgoing) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        loop {
            let queued = self.with_context(len, &mut queue);
            self.flush()?;
            // Another thread's messages filled the queue: they are written now.
            match queued {
                Err(SendError::Full { .. }) => {}
                queued => return Ok(queued?),
            }
        }
    }

    /// Queues something of `len` bytes and writes as much as the peer takes at once. What remains
    /// is written by a thread that lives for as long as it takes.
    pub(crate) fn queue(
        self: &Arc<Self>,
        len: usize,
        queue: impl FnOnce(&mut Outgoing) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        self.with_context(len, queue)?;
        self.flush_soon()
    }

    /// Runs `send`, which may compress a message of `len` bytes: with a context of the pool, if
    /// it needs one.
    #[cfg_attr(
        not(feature = "deflate"),
        expect(unused_variables, reason = "nothing is compressed")
    )]
    pub(crate) fn with_context<T>(&self, len: usize, send: impl FnOnce(&mut Outgoing) -> T) -> T {
        let mut outgoing = self.outgoing();
        #[cfg(feature = "deflate")]
        if let Some(pool) = &self.setup.pool {
            return pool.lend(&mut outgoing, len, send);
        }
        send(&mut outgoing)
    }

    /// Starts the closing handshake, and does not wait for it.
    pub(crate) fn close(self: &Arc<Self>, close: Close<'_>) -> Result<(), Error> {
        self.outgoing().close(Some(close))?;
        self.flush_soon()
    }

    /// Writes everything that is queued, by whomever.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        let mut wire = lock(&self.wire);
        self.drain(&mut wire)?;
        drop(wire);
        self.flush_if_free()
    }

    /// Writes everything that is queued, unless another thread is writing: it will.
    pub(crate) fn flush_if_free(&self) -> Result<(), Error> {
        while self.wants_write() {
            let Some(mut wire) = self.free_wire() else {
                return Ok(());
            };
            self.drain(&mut wire)?;
        }
        Ok(())
    }

    /// Ends the connection from our side, whatever state it is in, and waits for the peer to see
    /// it: until it closes its side, within the close timeout.
    pub(crate) fn finish(&self, code: CloseCode) {
        // A `Closed` error means that a Close is on its way, or that there is nobody to tell.
        let _ = self.outgoing().close(Some(code.into()));
        if self.wants_write() || self.is_writing() {
            let patience = self.setup.timeouts.close_timeout.max(TICK);
            let _ = self.stream.set_write_timeout(Some(patience));
            let _ = self.flush();
        }
        self.hang_up();
    }

    /// Says that we will write no more, and reads until the peer does too.
    pub(crate) fn hang_up(&self) {
        if self.hung_up.swap(true, Ordering::SeqCst) {
            return;
        }
        let _ = self.stream.shutdown(How::Write);
        self.await_end();
    }

    /// Reads and drops what the peer still sends, until it ends its side or has had its time.
    pub(crate) fn await_end(&self) {
        drain_stream(&self.stream, self.setup.timeouts.close_timeout);
    }

    /// Drops the connection at once: every thread that waits on it wakes with an error.
    pub(crate) fn abort(&self) {
        let _ = self.stream.shutdown(How::Both);
    }

    /// Gives back what memory is not in use. Something may be queued meanwhile by a thread that
    /// finds the wire taken: to be followed by a flush.
    pub(crate) fn release(&self) {
        self.outgoing().release();
        if let Some(mut wire) = self.free_wire()
            && !wire.is_pending()
        {
            (wire.bytes, wire.written) = (Vec::new(), 0);
        }
    }

    pub(crate) fn tapped(&self, what: Tapped<'_>) {
        if let Some(tap) = &self.setup.tap {
            tap.call(what);
        }
    }

    fn send_lent(&self, message: Message<'_>) -> Result<(), Error> {
        let mut wire = lock(&self.wire);
        let taken = loop {
            self.finish_write(&mut wire)?;
            // What was queued before goes before it, in the same write.
            let mut outgoing = self.outgoing();
            match outgoing.send_lent(message) {
                Err(SendError::Full { .. }) => {
                    drop(outgoing);
                    self.drain(&mut wire)?;
                }
                Err(error) => break Err(error),
                Ok(payload) => {
                    outgoing.take_unsent(&mut wire.bytes);
                    outgoing.sent(payload.len());
                    break Ok(payload);
                }
            }
        };
        if let Ok(payload) = taken {
            wire.written = 0;
            self.write(&mut wire, payload)?;
            self.outgoing().flushed();
            self.drain(&mut wire)?;
        }
        drop(wire);
        self.flush_if_free()?;
        Ok(taken.map(drop)?)
    }

    /// Writes what the peer takes at once, unless another thread is writing. What remains is
    /// written by a thread that lives for as long as it takes.
    pub(crate) fn flush_soon(self: &Arc<Self>) -> Result<(), Error> {
        while self.wants_write() {
            let Some(mut wire) = self.free_wire() else {
                return Ok(());
            };
            if let Wrote::Part = self.drain_at_once(&mut wire)? {
                return self.start_pump(&mut wire);
            }
        }
        Ok(())
    }

    fn start_pump(self: &Arc<Self>, wire: &mut Wire) -> Result<(), Error> {
        if wire.pumping {
            return Ok(());
        }
        let shared = Arc::clone(self);
        let pump = thread::Builder::new()
            .name("ws-pump".into())
            .stack_size(PUMP_STACK)
            .spawn(move || shared.pump());
        match pump {
            Ok(_) => wire.pumping = true,
            Err(error) => return Err(self.lost(error)),
        }
        Ok(())
    }

    /// Waits for the peer in place of a thread that must not.
    fn pump(&self) {
        let mut wire = lock(&self.wire);
        let drained = self.drain(&mut wire);
        wire.pumping = false;
        drop(wire);
        if drained.is_ok() {
            // What was queued by someone who found the wire taken. A failure shows to whoever
            // uses the connection next.
            let _ = self.flush_if_free();
        }
    }

    fn wants_write(&self) -> bool {
        self.outgoing().wants_write()
    }

    fn is_writing(&self) -> bool {
        self.free_wire().is_none_or(|wire| wire.is_pending())
    }

    fn free_wire(&self) -> Option<MutexGuard<'_, Wire>> {
        match self.wire.try_lock() {
            Ok(wire) => Some(wire),
            Err(TryLockError::Poisoned(wire)) => Some(wire.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn drain(&self, wire: &mut Wire) -> Result<(), Error> {
        loop {
            self.finish_write(wire)?;
            if !self.refill(wire) {
                return Ok(());
            }
        }
    }

    /// Writes what was begun to be written.
    fn finish_write(&self, wire: &mut Wire) -> Result<(), Error> {
        if wire.is_pending() {
            self.write(wire, &[])?;
            self.outgoing().flushed();
        }
        Ok(())
    }

    /// Takes the next bytes to write, if there are any.
    fn refill(&self, wire: &mut Wire) -> bool {
        let mut outgoing = self.outgoing();
        let more = outgoing.wants_write();
        // If there is no more, the buffer goes back to where the next messages find it in cache.
        if more || !wire.bytes.is_empty() {
            outgoing.take_unsent(&mut wire.bytes);
            wire.written = 0;
        }
        more
    }

    /// Writes what is pending and `behind` it.
    fn write(&self, wire: &mut Wire, behind: &[u8]) -> Result<(), Error> {
        self.tapped(Tapped::Sent(wire.pending()));
        self.tapped(Tapped::Sent(behind));
        let mut done = 0;
        while wire.is_pending() || done < behind.len() {
            let (own, behind) = (wire.pending(), &behind[done..]);
            let piece = piece(own.len() + behind.len());
            let own = &own[..own.len().min(piece)];
            let behind = &behind[..behind.len().min(piece - own.len())];
            let slices = [io::IoSlice::new(own), io::IoSlice::new(behind)];
            match (&*self.stream).write_vectored(&slices) {
                Ok(0) => return Err(self.lost(io::ErrorKind::WriteZero.into())),
                Ok(len) => {
                    let own = len.min(own.len());
                    wire.written += own;
                    done += len - own;
                    self.progressed()?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
        Ok(())
    }

    /// A peer that takes something is alive; but one that we are closing has an end to its time,
    /// however slowly it takes the rest.
    fn progressed(&self) -> Result<(), Error> {
        let mut outgoing = self.outgoing();
        outgoing.flushed();
        if outgoing.state() != State::Open
            && let Verdict::Dead(silence) = outgoing.check(self.setup.clock.now())
        {
            drop(outgoing);
            self.abort();
            return Err(silence.into());
        }
        Ok(())
    }

    fn drain_at_once(&self, wire: &mut Wire) -> Result<Wrote, Error> {
        loop {
            while wire.is_pending() {
                match write_at_once(&self.stream, wire.pending()) {
                    Ok(len) => {
                        self.tapped(Tapped::Sent(&wire.pending()[..len]));
                        wire.written += len;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if is_timeout(&error) => return Ok(Wrote::Part),
                    Err(error) => return Err(self.lost(error)),
                }
            }
            if !self.refill(wire) {
                self.outgoing().flushed();
                return Ok(Wrote::All);
            }
        }
    }

    /// After a failed write nothing can follow: the peer would read the middle of a frame.
    #[cold]
    fn lost(&self, error: io::Error) -> Error {
        self.abort();
        if is_timeout(&error) {
            return Silence::NoPong.into();
        }
        error.into()
    }
}

impl Drop for Shared {
    /// A connection that is dropped while open tells the peer so, if that takes no waiting.
    fn drop(&mut self) {
        let outgoing = self
            .outgoing
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let wire = self.wire.get_mut().unwrap_or_else(PoisonError::into_inner);
        if outgoing.state() == State::Open && !wire.is_pending() {
            let _ = outgoing.close(Some(CloseCode::GOING_AWAY.into()));
            let _ = write_at_once(&self.stream, outgoing.unsent());
        }
    }
}

impl Wire {
    fn pending(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    const fn is_pending(&self) -> bool {
        self.written < self.bytes.len()
    }
}

/// The shortest time a socket can be told to wait.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// A pump only writes.
const PUMP_STACK: usize = 64 << 10;

/// A handler that panicked has poisoned nothing: every lock here is let go of between two whole
/// steps.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a read or write ended because its time was up.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// Reads and drops what still comes, at most [`LINGER`] bytes and `limit` long.
pub(crate) fn drain_stream(mut stream: &TcpStream, limit: Duration) {
    let deadline = Instant::now() + limit;
    let mut dropped = 0;
    let mut scratch = [0; 4096];
    while dropped < LINGER {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left.max(TICK))).is_err() {
            return;
        }
        match stream.read(&mut scratch) {
            Ok(0) => return,
            Ok(len) => dropped += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Writes as much as the socket takes now; `WouldBlock` if that is nothing.
#[cfg(unix)]
pub(crate) fn write_at_once(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    /// A write to a socket that the peer has closed is an error, not a signal; Apple's systems
    /// have an option of the socket for that, which std sets.
    #[cfg(not(target_vendor = "apple"))]
    const FLAGS: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    #[cfg(target_vendor = "apple")]
    const FLAGS: libc::c_int = libc::MSG_DONTWAIT;
    socket2::SockRef::from(stream).send_with_flags(bytes, FLAGS)
}

/// Elsewhere a pump thread does all the writing.
#[cfg(not(unix))]
pub(crate) fn write_at_once(_: &TcpStream, _: &[u8]) -> io::Result<usize> {
    Err(io::ErrorKind::WouldBlock.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use ws_proto::{Limits, Session};

    fn pair() -> (Arc<Shared>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, address) = listener.accept().unwrap();
        let (_, outgoing) = Session::server(&Limits::default()).split();
        let setup = Setup {
            clock: Clock::system(),
            timeouts: Timeouts::default(),
            tap: None,
            #[cfg(feature = "deflate")]
            pool: None,
        };
        let shared = Shared::new(stream.into(), address, outgoing, setup);
        (shared.unwrap(), peer)
    }

    #[test]
    fn a_silent_connection_owns_no_buffers() {
        let (shared, _peer) = pair();
        shared.send(Message::Binary(&[0; 1000])).unwrap();
        shared.send(Message::Binary(&[0; 1000])).unwrap();
        lock(&shared.wire).bytes.reserve(1000);
        shared.release();
        assert_eq!(lock(&shared.wire).bytes.capacity(), 0);
        shared.send(Message::Text("on")).unwrap();
    }

    #[test]
    fn what_is_being_written_is_not_released() {
        let (shared, _peer) = pair();
        lock(&shared.wire).bytes = b"\x81\x02hi".to_vec();
        shared.release();
        assert_eq!(lock(&shared.wire).pending(), b"\x81\x02hi");
    }

    #[test]
    fn what_is_queued_while_the_wire_is_taken_is_written_by_who_has_it() {
        let (shared, mut peer) = pair();
        let wire = lock(&shared.wire);
        let hi = Message::Text("hi");
        shared.queue(2, |outgoing| outgoing.send(hi)).unwrap();
        assert!(shared.wants_write());
        drop(wire);
        shared.flush_if_free().unwrap();
        let mut frame = [0; 4];
        peer.read_exact(&mut frame).unwrap();
        assert_eq!(&frame, b"\x81\x02hi");
        assert!(!shared.wants_write());
    }
}
