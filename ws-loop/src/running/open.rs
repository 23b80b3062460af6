//! A turn of an open connection: what there is to read is handled, what there is to send written.
//!
//! ```text
//!   lend ─▶ write what waits ─▶ read ─▶ each message: the handler ─▶ write ─▶ take back
//!              │                 ▲                                     │
//!              └── it is cut: nothing is read until it has left ◀──────┤
//!                                └──────── there may be more ◀─────────┘
//! ```

use std::io;

use ws_proto::{CloseCode, Incoming, Outgoing, ProtocolError, SendError, Session, Shutdown, Step};

use super::Running;
use super::time::Deadline;
use super::wire::{flush, flush_rest, lend, take_back};
use crate::connections::Stage;
use crate::flags::Flags;
use crate::handler::{Closed, Conn, Handler};
use crate::post::Others;
use crate::stream::{SHORT_READ_IS_LAST, Stream};

/// The most reads of a connection in a turn.
const READS: usize = 4;

/// The most messages and control frames of a connection in a turn.
const MESSAGES: usize = 1024;

/// The number of waiting bytes at which they are written, if there are more messages to handle: the
/// buffer that is lent stays small.
const CORK: usize = 64 << 10;

/// What is read of a peer that takes nothing, when its time is over, in bytes: a sign of life is
/// enough.
const SIGN: usize = 64;

/// Why nothing more comes of a connection.
#[derive(Debug)]
enum End {
    Closed,
    Protocol(ProtocolError),
    Io(io::Error),
}

/// How a turn ended.
enum Turn {
    /// Nothing can be done now.
    Waits,
    /// It was cut short: others have their turn first.
    Again,
}

impl<H: Handler> Running<H> {
    #[inline]
    pub(super) fn serve_open(&mut self, slot: u32) {
        if self.turn_open(slot) == Deadline::Passed {
            self.check(slot);
        }
    }

    /// Makes a turn.
    pub(super) fn turn_open(&mut self, slot: u32) -> Deadline {
        let Some(entry) = self.connections.get_mut(slot) else {
            return Deadline::ToCome;
        };
        let id = entry.id(slot);
        let Stage::Open(session) = &mut entry.stage else {
            return Deadline::ToCome;
        };
        lend(session, &mut self.buffers);
        let turn = match &mut entry.data {
            Some(data) => {
                let (incoming, outgoing) = session.halves();
                Serving {
                    handler: &mut self.handler,
                    conn: Conn {
                        data,
                        id,
                        outgoing,
                        flags: &mut entry.flags,
                        others: Others {
                            post: &mut self.post,
                        },
                    },
                    incoming,
                    stream: &entry.stream,
                }
                .turn()
            }
            None => linger(session, &entry.stream, &mut entry.flags, &mut self.scratch),
        };
        match turn {
            Ok(turn) => {
                take_back(session, &mut self.buffers);
                let deadline = Deadline::of(session, self.now);
                if let Turn::Again = turn {
                    self.serve_again(slot);
                }
                deadline
            }
            Err(end) => {
                self.end(slot, end);
                self.deadline(slot)
            }
        }
    }

    /// Ends a connection, whose buffers are lent.
    #[inline(never)]
    fn end(&mut self, slot: u32, end: End) {
        let Some(entry) = self.connections.get_mut(slot) else {
            return;
        };
        let id = entry.id(slot);
        let Stage::Open(session) = &mut entry.stage else {
            return;
        };
        let is_lost = matches!(end, End::Io(_));
        if let Some(data) = entry.data.take() {
            if entry.flags.take(Flags::MEMBER) {
                self.post.topics.leave_all(slot);
            }
            let mut others = Others {
                post: &mut self.post,
            };
            let why = match end {
                End::Closed => Closed::Done(session.peer_close()),
                End::Protocol(error) => Closed::Protocol(error),
                End::Io(error) => Closed::Io(error),
            };
            self.handler.closed(&mut others, id, data, why);
        }
        let turn = if is_lost {
            Err(End::Closed)
        } else {
            linger(session, &entry.stream, &mut entry.flags, &mut self.scratch)
        };
        take_back(session, &mut self.buffers);
        match turn {
            Ok(Turn::Waits) => {}
            Ok(Turn::Again) => self.serve_again(slot),
            Err(_) => self.finish(slot, Closed::Shutdown),
        }
    }

    /// Has a connection closed from our side.
    pub(super) fn close(&mut self, slot: u32, code: CloseCode, reason: &str) {
        let Some(entry) = self.connections.get_mut(slot) else {
            return;
        };
        let (Stage::Open(session), true) = (&mut entry.stage, entry.data.is_some()) else {
            return;
        };
        lend(session, &mut self.buffers);
        close(session.halves().1, code, reason);
        let lost = flush_rest(session.halves().1, &entry.stream, &mut entry.flags);
        take_back(session, &mut self.buffers);
        self.after_flush(slot, lost);
    }

    /// Goes on after something was written outside of a turn. A transport that fails is still read
    /// to its end, in a turn of its own.
    pub(super) fn after_flush(&mut self, slot: u32, flushed: io::Result<()>) {
        if flushed.is_err() {
            if let Some(entry) = self.connections.get_mut(slot) {
                entry.flags.set(Flags::READABLE);
                entry.flags.set(Flags::UNSENT);
            }
            self.serve_again(slot);
        }
        if self.deadline(slot) == Deadline::Passed {
            self.check(slot);
        }
    }
}

/// Starts the closing handshake; that it has begun already is no error.
pub(super) fn close(outgoing: &mut Outgoing, code: CloseCode, reason: &str) {
    let close = ws_proto::Close::new(code, reason).unwrap_or_else(|_| code.into());
    let _ = outgoing.close(Some(close));
}

/// Closes a connection that could not be sent to.
pub(super) fn dismiss(outgoing: &mut Outgoing, error: SendError) {
    match error {
        SendError::Closed => {}
        SendError::Full { .. } => close(outgoing, CloseCode::TRY_AGAIN_LATER, "too slow"),
        _ => close(outgoing, CloseCode::INTERNAL, ""),
    }
}

/// A connection in its turn.
struct Serving<'a, H: Handler> {
    handler: &'a mut H,
    conn: Conn<'a, H::Data>,
    incoming: &'a mut Incoming,
    stream: &'a Stream,
}

impl<H: Handler> Serving<'_, H> {
    #[inline]
    fn turn(mut self) -> Result<Turn, End> {
        // We do not read from a peer that does not take the answers.
        if self.conn.flags.has(Flags::BLOCKED) {
            return Ok(Turn::Waits);
        }
        if self.conn.flags.take(Flags::UNSENT) {
            if let Err(error) = self.flush() {
                return Err(self.lost(error));
            }
            if self.conn.flags.has(Flags::BLOCKED) {
                return self.sign_of_life();
            }
            let drained = self.handler.drained(&mut self.conn);
            self.dismissed(drained);
        }
        let (mut reads, mut messages) = (READS, MESSAGES);
        let mut has_read = self.conn.flags.take(Flags::LEFT);
        loop {
            if !has_read {
                if !self.conn.flags.has(Flags::READABLE) {
                    return Ok(Turn::Waits);
                }
                match self.read() {
                    Read::Some => {}
                    Read::Nothing => return Ok(Turn::Waits),
                    Read::End => return Err(self.ended()),
                    Read::Lost(error) => return Err(End::Io(error)),
                }
            }
            let handled = self.handle(&mut messages)?;
            if let Err(error) = self.flush() {
                return Err(self.lost(error));
            }
            let is_blocked = self.conn.flags.has(Flags::BLOCKED);
            match handled {
                Handled::All => has_read = false,
                Handled::Closed => return Err(End::Closed),
                Handled::Part if is_blocked || messages == 0 => self.conn.flags.set(Flags::LEFT),
                Handled::Part => has_read = true,
            }
            if is_blocked {
                return Ok(Turn::Waits);
            }
            if has_read && messages > 0 {
                continue;
            }
            reads -= 1;
            if reads == 0 || messages == 0 {
                return Ok(Turn::Again);
            }
        }
    }

    /// A transport that failed is still read to its end: what the peer sent before, perhaps a Close
    /// with its reason, counts.
    #[cold]
    fn lost(mut self, error: io::Error) -> End {
        let mut messages = 16 * MESSAGES;
        loop {
            match self.handle(&mut messages) {
                Ok(Handled::All) => {}
                Ok(Handled::Closed) => return End::Closed,
                Ok(Handled::Part) if messages == 0 => return End::Io(error),
                Ok(Handled::Part) => continue,
                Err(End::Protocol(_)) => return End::Io(error),
                Err(end) => return end,
            }
            match self.read() {
                Read::Some => {}
                Read::End => {
                    return match self.incoming.eof(self.conn.outgoing) {
                        Ok(()) => End::Closed,
                        Err(_) => End::Io(error),
                    };
                }
                Read::Nothing | Read::Lost(_) => return End::Io(error),
            }
        }
    }

    /// Makes one read.
    #[inline(always)]
    fn read(&mut self) -> Read {
        let flags = &mut *self.conn.flags;
        loop {
            if !flags.has(Flags::READABLE) {
                return Read::Nothing;
            }
            // Without memory for it the next step says so.
            let Ok(room) = self.incoming.spare_mut() else {
                return Read::Some;
            };
            match self.stream.read(room) {
                Ok(0) => return Read::End,
                Ok(len) => {
                    let is_short = len < room.len();
                    if is_short && SHORT_READ_IS_LAST && !flags.has(Flags::HUNG_UP) {
                        flags.clear(Flags::READABLE);
                    }
                    self.incoming.filled(len);
                    return Read::Some;
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => flags.clear(Flags::READABLE),
                    io::ErrorKind::Interrupted => {}
                    _ => return Read::Lost(error),
                },
            }
        }
    }

    /// Hands out what was read, as long as there is room for answers.
    #[inline(always)]
    fn handle(&mut self, messages: &mut usize) -> Result<Handled, End> {
        loop {
            match self.incoming.step(self.conn.outgoing) {
                Ok(Step::Message(message)) => {
                    if let Err(error) = self.handler.message(&mut self.conn, message) {
                        dismiss(self.conn.outgoing, error);
                    }
                }
                Ok(Step::Control(_)) => {}
                Ok(Step::NeedData) => return Ok(Handled::All),
                Ok(Step::Closed) => return Ok(Handled::Closed),
                Err(error) => return Err(End::Protocol(error)),
            }
            *messages -= 1;
            if *messages == 0 || self.conn.outgoing.unsent_len() >= CORK {
                return Ok(Handled::Part);
            }
        }
    }

    #[inline(always)]
    fn flush(&mut self) -> io::Result<()> {
        flush(self.conn.outgoing, self.stream, self.conn.flags)
    }

    fn dismissed(&mut self, result: Result<(), SendError>) {
        if let Err(error) = result {
            dismiss(self.conn.outgoing, error);
        }
    }

    /// The stream has ended.
    fn ended(self) -> End {
        match self.incoming.eof(self.conn.outgoing) {
            Ok(()) => End::Closed,
            Err(error) => End::Protocol(error),
        }
    }

    /// Reads a little of a peer that takes nothing, if its time is over.
    fn sign_of_life(self) -> Result<Turn, End> {
        if self.conn.flags.take(Flags::LAST_CALL)
            && let Ok(room) = self.incoming.spare_mut()
        {
            let len = room.len().min(SIGN);
            if let Some(Ok(len)) = room.get_mut(..len).map(|room| self.stream.read(room)) {
                self.incoming.filled(len);
                self.conn.flags.set(Flags::LEFT);
            }
        }
        Ok(Turn::Waits)
    }
}

/// What a read has got.
enum Read {
    Some,
    /// Nothing, and no more before the system says so.
    Nothing,
    /// The end of the stream.
    End,
    /// The transport has failed.
    Lost(io::Error),
}

/// How far what was read has been handled.
enum Handled {
    All,
    /// As far as until there is enough to write.
    Part,
    /// To the peer's Close.
    Closed,
}

/// Writes our last word, and reads and drops what still comes, as the core says.
///
/// # Errors
///
/// It is time to close the socket.
fn linger(
    session: &mut Session,
    stream: &Stream,
    flags: &mut Flags,
    scratch: &mut [u8],
) -> Result<Turn, End> {
    flush_rest(session.halves().1, stream, flags).map_err(End::Io)?;
    if flags.has(Flags::BLOCKED) {
        return Ok(Turn::Waits);
    }
    let mut reads = READS;
    loop {
        match session.shutdown() {
            Shutdown::NotYet => return Ok(Turn::Waits),
            Shutdown::Now => return Err(End::Closed),
            Shutdown::Write => {
                stream.end().map_err(End::Io)?;
                session.write_shut();
            }
            Shutdown::Drain | Shutdown::AwaitPeer => {
                if !flags.has(Flags::READABLE) {
                    return Ok(Turn::Waits);
                }
                if reads == 0 {
                    return Ok(Turn::Again);
                }
                reads -= 1;
                match stream.read(scratch) {
                    Ok(0) => return Err(End::Closed),
                    Ok(len) => session.dropped(len),
                    Err(error) => match error.kind() {
                        io::ErrorKind::WouldBlock => flags.clear(Flags::READABLE),
                        io::ErrorKind::Interrupted => {}
                        _ => return Err(End::Io(error)),
                    },
                }
            }
        }
    }
}
