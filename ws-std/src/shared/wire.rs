//! The way of the bytes into the socket: in order, whoever writes them, and none behind a write
//! that failed.

use std::io;
use std::sync::Arc;
use std::thread;

use ws_proto::{Message, SendError, State, TimedOut, Verdict};

use super::{Shared, lock};
use crate::error::Error;
use crate::stream::{Stream, is_timeout};
use crate::tap::Tapped;

/// The bytes on their way into the socket.
#[derive(Debug, Default)]
pub(super) struct Wire {
    pub(super) bytes: Vec<u8>,
    pub(super) written: usize,
    /// A thread waits for the peer to take them.
    pumping: bool,
}

/// How a write that does not wait ended.
enum Wrote {
    All,
    Part,
}

/// How much one write is given, so that whoever watches the time hears of the progress of a large
/// message.
const PIECE: usize = 256 << 10;

/// How much of `len` bytes the next write is given: no small rest is left for one of its own.
const fn piece(len: usize) -> usize {
    if len < PIECE + PIECE / 2 { len } else { PIECE }
}

impl Shared {
    pub(super) fn send_lent(&self, message: Message<'_>) -> Result<(), Error> {
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

    pub(super) fn drain(&self, wire: &mut Wire) -> Result<(), Error> {
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

    /// Writes what is pending and `behind` it. After a failed write nothing can follow: the peer
    /// would read the middle of a frame.
    fn write(&self, wire: &mut Wire, behind: &[u8]) -> Result<(), Error> {
        self.check_transport()?;
        self.tapped(Tapped::Sent(wire.pending()));
        self.tapped(Tapped::Sent(behind));
        let mut done = 0;
        while wire.is_pending() || done < behind.len() {
            let (own, behind) = (wire.pending(), &behind[done..]);
            let piece = piece(own.len() + behind.len());
            match self.stream.write(own, behind, piece) {
                Ok(0) => return Err(self.lost(io::ErrorKind::WriteZero)),
                Ok(len) => {
                    let own = len.min(own.len());
                    wire.written += own;
                    done += len - own;
                    self.progressed()?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Err(self.lost(TimedOut::Pong)),
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
            return Err(self.lost(silence));
        }
        Ok(())
    }

    fn drain_at_once(&self, wire: &mut Wire) -> Result<Wrote, Error> {
        self.check_transport()?;
        loop {
            while wire.is_pending() {
                match self.stream.write_at_once(wire.pending()) {
                    Ok(0) => return Err(self.lost(io::ErrorKind::WriteZero)),
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
}

impl Wire {
    pub(super) fn pending(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    pub(super) const fn is_pending(&self) -> bool {
        self.written < self.bytes.len()
    }
}

/// Writes until the socket takes no more.
pub(super) fn write_what_is_taken(stream: &Stream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match stream.write_at_once(bytes) {
            Ok(0) => return,
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// A pump only writes.
const PUMP_STACK: usize = 64 << 10;
