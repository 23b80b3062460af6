//! The way of the bytes into the socket: in order, whichever thread writes them, and none after a
//! write that failed.

use std::io;
#[cfg(unix)]
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use ws_proto::{Buffers, Instant, Message, SendError, State, TimedOut};

#[cfg(unix)]
use super::pump;
use super::{PUMP_STACK, Shared};
use crate::error::Error;
use crate::stream::{PIECES, Stream, is_timeout};
use crate::sync::lock;
use crate::tap::Tapped;

/// The bytes on their way into the socket.
#[derive(Debug, Default)]
pub(super) struct Wire {
    pub(super) buffers: Buffers,
    /// The number of those at the front that a tap has seen.
    shown: usize,
    /// The moment when we give up on a peer that takes nothing, if no thread waits for it in a
    /// write.
    until: Option<Instant>,
    /// The timeout that the socket has: how long a write may wait.
    limit: Duration,
}

/// The way in which a write waits for the peer.
#[derive(Clone, Copy)]
enum Patience {
    /// It does not, as long as the peer takes something.
    None,
    /// Until this moment.
    Until(Instant),
    /// Not any more.
    LastCall,
}

/// The outcome of one write.
enum Wrote {
    /// This many bytes were taken.
    Some(usize),
    Interrupted,
    /// The peer has to take something first.
    Blocked,
}

/// The outcome of writing without waiting.
enum Drained {
    All,
    Part,
}

/// The most that one write gets, so that a thread that watches the time sees the progress of a
/// large message.
const PIECE: usize = 256 << 10;

/// The most that a write gets if it waits for the peer. It ends when so much is taken, and so shows
/// progress at once; what else is taken then does not wait. Where every write waits, each gets
/// more.
const WAITING: usize = if cfg!(unix) { 4 << 10 } else { PIECE };

/// The part of `len` bytes that the next write gets: no small rest is left for one of its own.
const fn piece(len: usize) -> usize {
    if len < PIECE + PIECE / 2 { len } else { PIECE }
}

impl Shared {
    pub(super) fn send_by_reference(&self, message: Message<'_>) -> Result<(), Error> {
        let mut wire = lock(&self.wire);
        let taken = loop {
            self.finish_write(&mut wire)?;
            // What was queued earlier goes before it, in the same write.
            let mut outgoing = self.outgoing();
            match outgoing.send_by_reference(message) {
                Err(SendError::Full { .. }) => {
                    drop(outgoing);
                    self.drain(&mut wire)?;
                }
                Err(error) => break Err(error),
                Ok(payload) => {
                    outgoing.swap(&mut wire.buffers);
                    break Ok(payload);
                }
            }
        };
        if let Ok(payload) = taken {
            self.write(&mut wire, payload)?;
            self.drain(&mut wire)?;
        }
        drop(wire);
        self.flush_if_free()?;
        Ok(taken.map(drop)?)
    }

    /// Writes what the peer takes at once, unless another thread is writing. The pump writes the
    /// rest.
    pub(crate) fn flush_soon(self: &Arc<Self>) -> Result<(), Error> {
        while self.wants_flush() {
            let Some(mut wire) = self.free_wire() else {
                return Ok(());
            };
            if let Drained::Part = self.drain_at_once(&mut wire)? {
                self.stall(&wire)?;
            }
        }
        self.made_room();
        Ok(())
    }

    /// Leaves it to the pump to write what is left, with the wire taken.
    fn stall(self: &Arc<Self>, wire: &Wire) -> Result<(), Error> {
        if self.stalled.swap(true, Ordering::SeqCst) {
            // It sees when the peer takes something.
            return Ok(());
        }
        let now = self.clock().now();
        let until = wire.until.unwrap_or(now);
        if self.watch(until.saturating_duration_since(now)).is_ok() {
            return Ok(());
        }
        let shared = Arc::clone(self);
        let own = thread::Builder::new()
            .name("ws-pump".into())
            .stack_size(PUMP_STACK)
            .spawn(move || shared.wait_alone());
        own.map(drop).map_err(|error| self.lost(error))
    }

    #[cfg(unix)]
    fn watch(self: &Arc<Self>, left: Duration) -> io::Result<()> {
        let descriptor = self.descriptor().ok_or(io::ErrorKind::Unsupported)?;
        pump::watch(self, descriptor, left)
    }

    #[cfg(unix)]
    fn descriptor(&self) -> Option<RawFd> {
        self.stream.descriptor().map(|fd| fd.as_raw_fd())
    }

    #[cfg(not(unix))]
    fn watch(self: &Arc<Self>, _: Duration) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Takes a connection from the pump again: all is written, or it is lost.
    pub(super) fn settle(&self) {
        if self.stalled.swap(false, Ordering::SeqCst) {
            #[cfg(unix)]
            if let Some(descriptor) = self.descriptor() {
                pump::forget(descriptor);
            }
        }
    }

    /// Goes on, for the pump: the peer has taken something, or the stream has ended.
    #[cfg(unix)]
    pub(super) fn resume(self: &Arc<Self>) {
        let outgoing = self.outgoing();
        // The thread that has the wire now, if any, sees it when it looks again.
        self.retry.store(true, Ordering::SeqCst);
        drop(outgoing);
        if self.flush_soon().is_err()
            && let Some(descriptor) = self.descriptor()
        {
            pump::forget(descriptor);
        }
    }

    /// Gives up a peer that took nothing in time, for the pump: how long it has otherwise. `None` if
    /// the pump has nothing to write any more.
    #[cfg(unix)]
    pub(super) fn judge(self: &Arc<Self>) -> Option<Duration> {
        /// A thread that waits for the peer itself judges it.
        const AGAIN: Duration = Duration::from_secs(1);
        let until = || match self.free_wire() {
            Some(wire) => wire.until.ok_or(None),
            None => Err(Some(AGAIN)),
        };
        let left = |until: Instant| until.saturating_duration_since(self.clock().now());
        let first = match until() {
            Ok(first) if left(first).is_zero() => first,
            Ok(first) => return Some(left(first)),
            Err(again) => return again,
        };
        // This process may have been stopped meanwhile.
        self.resume();
        match until() {
            Ok(same) if same == first => {
                let _ = self.lost(self.patience().1);
                None
            }
            Ok(later) => Some(left(later)),
            Err(again) => again,
        }
    }

    /// Waits for the peer in place of a thread that must not, where the pump cannot.
    fn wait_alone(&self) {
        let mut wire = lock(&self.wire);
        let drained = self.drain(&mut wire);
        drop(wire);
        if drained.is_ok() {
            // What a thread that found the wire taken has queued. The next thread that uses the
            // connection sees a failure.
            let _ = self.flush_if_free();
        }
    }

    /// Writes everything that is queued, waiting for the peer to take it. What other threads queue
    /// meanwhile is written too: they found the wire taken, and left it to this one.
    pub(super) fn drain(&self, wire: &mut Wire) -> Result<(), Error> {
        self.retry.store(false, Ordering::SeqCst);
        loop {
            self.finish_write(wire)?;
            if !self.refill(wire) {
                self.settle();
                return Ok(());
            }
        }
    }

    /// Writes the rest of an earlier write, before anything else may go into the socket.
    fn finish_write(&self, wire: &mut Wire) -> Result<(), Error> {
        if wire.is_pending() {
            self.write(wire, &[])?;
        }
        Ok(())
    }

    /// Takes the next bytes to write, if there are any.
    fn refill(&self, wire: &mut Wire) -> bool {
        // For this moment only: others can queue while the bytes are written.
        let mut outgoing = self.outgoing();
        let more = outgoing.wants_write();
        // If there is no more, the buffer goes back to where the next messages find it in cache.
        if more || wire.buffers.has_memory() {
            outgoing.swap(&mut wire.buffers);
            self.account(&outgoing, wire);
        }
        more
    }

    /// Writes what is pending and `after` it. After a failed write nothing can follow: the peer
    /// would read the middle of a frame.
    fn write(&self, wire: &mut Wire, after: &[u8]) -> Result<(), Error> {
        self.check_transport()?;
        let mut rest = after;
        let mut patience = Patience::None;
        while wire.is_pending() || !rest.is_empty() {
            let mut pieces = [&[][..]; PIECES];
            let (own, count) = wire.pieces(rest, &mut pieces);
            let pieces = &pieces[..count];
            let len = pieces.iter().map(|piece| piece.len()).sum();
            let most = match patience {
                Patience::Until(_) => piece(len).min(WAITING),
                Patience::None | Patience::LastCall => piece(len),
            };
            let shown = self.tap_sent(pieces, wire.shown, most);
            let written = match patience {
                Patience::Until(_) => self.stream.write(pieces, most),
                Patience::None | Patience::LastCall => self.stream.write_at_once(pieces, most),
            };
            match self.wrote(wire, shown, written)? {
                Wrote::Some(len) => {
                    patience = Patience::None;
                    rest = &rest[len.saturating_sub(own)..];
                }
                Wrote::Interrupted => {}
                Wrote::Blocked => patience = self.wait(wire, patience)?,
            }
        }
        Ok(())
    }

    /// Notes the outcome of one write, and what a tap was shown of it.
    fn wrote(
        &self,
        wire: &mut Wire,
        shown: usize,
        written: io::Result<usize>,
    ) -> Result<Wrote, Error> {
        wire.shown = shown;
        match written {
            Ok(0) => Err(self.lost(io::ErrorKind::WriteZero)),
            Ok(len) => {
                wire.until = None;
                wire.shown -= len;
                wire.buffers.sent(len);
                self.outgoing().on_written(wire.buffers.unsent_len());
                Ok(Wrote::Some(len))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Wrote::Interrupted),
            Err(error) if is_timeout(&error) => {
                self.outgoing().on_blocked();
                Ok(Wrote::Blocked)
            }
            Err(error) => Err(self.lost(error)),
        }
    }

    /// Handles a peer that has taken nothing: it is waited for, tried once more when the time is up
    /// (this process may have been stopped meanwhile), and given up. A peer that takes nothing for
    /// the pong timeout is as good as dead; while closing, for the close timeout.
    fn wait(&self, wire: &mut Wire, patience: Patience) -> Result<Patience, Error> {
        let (limit, timed_out) = self.patience();
        let now = self.clock().now();
        let until = match patience {
            Patience::None => now.after(limit),
            Patience::Until(until) if now < until => until,
            Patience::Until(_) => return Ok(Patience::LastCall),
            Patience::LastCall => return Err(self.lost(timed_out)),
        };
        let left = until.saturating_duration_since(now);
        if wire.limit != left {
            if let Err(error) = self.stream.set_write_timeout(left) {
                return Err(self.lost(error));
            }
            wire.limit = left;
        }
        Ok(Patience::Until(until))
    }

    /// How long to wait for a peer that takes no bytes, and the error after that.
    fn patience(&self) -> (Duration, TimedOut) {
        match self.outgoing().state() {
            State::Open => (self.timeouts.pong_timeout, TimedOut::Pong),
            _ => (self.timeouts.close_timeout, TimedOut::Close),
        }
    }

    fn drain_at_once(&self, wire: &mut Wire) -> Result<Drained, Error> {
        self.check_transport()?;
        self.retry.store(false, Ordering::SeqCst);
        loop {
            while wire.is_pending() {
                let mut pieces = [&[][..]; PIECES];
                let (len, count) = wire.pieces(&[], &mut pieces);
                let pieces = &pieces[..count];
                let shown = self.tap_sent(pieces, wire.shown, len);
                let written = self.stream.write_at_once(pieces, len);
                if let Wrote::Blocked = self.wrote(wire, shown, written)? {
                    if wire.until.is_none() {
                        wire.until = Some(self.clock().now().after(self.patience().0));
                    }
                    return Ok(Drained::Part);
                }
            }
            if !self.refill(wire) {
                self.settle();
                return Ok(Drained::All);
            }
        }
    }

    /// Shows a tap the `most` bytes that a write gets, except those that it was shown before.
    /// Before the write, because an answer can be received before that returns. Returns how many
    /// bytes were shown then.
    fn tap_sent(&self, pieces: &[&[u8]], shown: usize, most: usize) -> usize {
        if self.setup.tap.is_some() && shown < most {
            match pieces {
                [piece] => self.tapped(Tapped::Sent(&piece[shown..most])),
                pieces => self.tapped(Tapped::Sent(&pieces.concat()[shown..most])),
            }
        }
        shown.max(most)
    }
}

impl Wire {
    pub(super) fn is_pending(&self) -> bool {
        self.buffers.unsent_len() > 0
    }

    #[cfg(test)]
    pub(super) const fn has_memory(&self) -> bool {
        self.buffers.has_memory()
    }

    /// Frees the memory, if there is nothing to write.
    pub(super) fn release(&mut self) {
        if !self.is_pending() {
            self.buffers = Buffers::default();
        }
    }

    /// Gathers what is pending and, if that is all there, what to write after it. Returns how many
    /// bytes of the former, and how many pieces of both.
    fn pieces<'a>(&'a self, after: &'a [u8], to: &mut [&'a [u8]; PIECES]) -> (usize, usize) {
        let count = self.buffers.unsent_slices(to);
        let own = to[..count].iter().map(|piece| piece.len()).sum();
        match to.get_mut(count) {
            Some(next) if !after.is_empty() => {
                *next = after;
                (own, count + 1)
            }
            _ => (own, count),
        }
    }
}

/// Makes one write that does not wait: returns how many of `bytes` the socket takes, if any.
pub(super) fn write_once(stream: &Stream, bytes: &[u8]) -> Option<usize> {
    while !bytes.is_empty() {
        match stream.write_at_once(&[bytes], bytes.len()) {
            Ok(len) => return (len > 0).then_some(len),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    None
}
