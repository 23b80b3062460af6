//! Compressed messages that are received: RFC 7692 §7.2.2, over zlib in pure Rust. Feature `deflate`.
//!
//! ```text
//!   message ◀── Inflater ◀──── … ◀── 00 00 FF FF  fed after the last fragment, never copied to it
//! ```
//!
//! A context is made when the first message needs it, not when it is agreed on.

use core::fmt;

use zlib_rs::{Inflate, InflateError, InflateFlush, Status};

use crate::assembly::Assembly;
use crate::deflate::{TAIL, ask_for, usize_of};
use crate::error::ProtocolError;
use crate::handshake::{Compression, Takeover, WindowBits};
use crate::header::{Kind, Part};
use crate::message::Chunk;
use crate::role::Role;
use crate::utf8::Utf8;

/// The receiving side's part of what was agreed on.
///
/// Its window is 32 KiB and is kept between messages, whatever the peer has promised: zlib has no
/// smaller one, and some peers forget what they promised.
pub(crate) struct Inflater {
    /// Whether messages may refer to those before.
    takeover: Takeover,
    context: Option<Inflate>,
    at: At,
    utf8: Utf8,
    /// The bytes of the current message that have come out.
    inflated: u64,
    max: u64,
}

/// The position in the compressed form of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before its first byte.
    Start,
    /// Within a stream: its tail is still to come.
    Stream,
    /// At the end of a stream that had a last block: it has no tail.
    End,
}

impl Inflater {
    pub(crate) fn new(agreed: &Compression, role: Role, max: u64) -> Self {
        Self {
            takeover: match role {
                Role::Server => agreed.client.takeover,
                Role::Client => agreed.server.takeover,
            },
            context: None,
            at: At::Start,
            utf8: Utf8::new(),
            inflated: 0,
            max,
        }
    }

    /// Inflates a piece of a message, after what is in `message`, and stops as soon as all of it
    /// would pass the limit.
    pub(crate) fn inflate(
        &mut self,
        chunk: &Chunk<'_>,
        message: &mut Assembly,
    ) -> Result<(), ProtocolError> {
        // A message in one piece is checked once, when it is handed out: there is no earlier.
        let whole = message.is_empty() && chunk.part == Part::Last;
        let check = match chunk.kind {
            Kind::Text if !whole => Check::Utf8,
            _ => Check::Nothing,
        };
        let inflated = self.inflate_piece(check, chunk, message);
        if inflated.is_err() && chunk.kind == Kind::Text {
            // Report invalid UTF-8 before any later error, as a message in pieces would.
            Utf8::new().push(message.as_bytes())?;
        }
        inflated
    }

    /// The same for a message that is read in parts: what is in `message` need not be all that came
    /// before, and text is checked in any case, as nobody hands it out.
    pub(crate) fn inflate_in_parts(
        &mut self,
        chunk: &Chunk<'_>,
        message: &mut Assembly,
    ) -> Result<(), ProtocolError> {
        let check = match chunk.kind {
            Kind::Text => Check::Utf8,
            Kind::Binary => Check::Nothing,
        };
        self.inflate_piece(check, chunk, message)
    }

    fn inflate_piece(
        &mut self,
        check: Check,
        chunk: &Chunk<'_>,
        message: &mut Assembly,
    ) -> Result<(), ProtocolError> {
        self.feed(check, chunk.payload, message)?;
        if chunk.part == Part::Last {
            match self.at {
                // Even an empty message has a byte (§7.2.3.6); without it the tail would be read
                // as the start of a block, and what comes next as its end.
                At::Start => return Err(ProtocolError::InvalidDeflate),
                At::Stream => self.feed(check, &TAIL, message)?,
                At::End => {}
            }
            (self.at, self.inflated) = (At::Start, 0);
            core::mem::take(&mut self.utf8).finish()?;
        }
        Ok(())
    }

    /// The memory that it holds, in bytes: a window and what belongs to it.
    pub(crate) const fn memory(&self) -> usize {
        match self.context {
            Some(_) => 52 << 10,
            None => 0,
        }
    }

    /// Gives the memory back, unless a later message may need it. Up to then a peer may forget what
    /// it promised; no silent connection takes memory for it.
    pub(crate) fn release(&mut self) {
        if self.takeover == Takeover::Off && self.at == At::Start {
            self.context = None;
        }
    }

    /// Inflates `piece`, until it is used up and zlib holds nothing back, or something is wrong.
    ///
    /// Each turn of the loop offers zlib the rest of the piece and some room in the message. zlib
    /// stops when it has no more input, when the room is full, or where a stream ends; only the
    /// first of these, with room left over, means that nothing is left to come out.
    fn feed(
        &mut self,
        check: Check,
        mut piece: &[u8],
        message: &mut Assembly,
    ) -> Result<(), ProtocolError> {
        if !piece.is_empty() {
            self.at = At::Stream;
        }
        loop {
            // Made when the first message needs it. zlib panics where there is no memory, so as
            // much is asked for just before.
            let context = match &mut self.context {
                Some(context) => context,
                none => {
                    ask_for(WINDOW).map_err(|_| ProtocolError::OutOfMemory)?;
                    none.insert(Inflate::new(false, WindowBits::MAX.get()))
                }
            };
            let left = self.max.saturating_sub(self.inflated);
            // At the limit one byte more is room enough to see that there is more.
            let mut beyond = [0; 1];
            let room = match left {
                0 => &mut beyond[..],
                left => message.spare_mut(left, GROW)?,
            };
            let room_len = room.len();
            // zlib counts over all calls: what this one moved is the difference.
            let (read, written) = (context.total_in(), context.total_out());
            let status = context.decompress(piece, room, InflateFlush::SyncFlush);
            let read = usize_of(context.total_in() - read);
            let written = usize_of(context.total_out() - written);
            piece = &piece[read..];
            if written > 0 && left == 0 {
                let limit = self.max;
                return Err(ProtocolError::MessageTooBig { limit });
            }
            // Text is checked where zlib wrote it, before it counts as part of the message.
            if check == Check::Utf8 {
                self.utf8.push(message.spare_head(written))?;
            }
            message.inflated(written);
            self.inflated += written as u64;
            // What zlib wrote before it found a fault is judged first: see `inflate`.
            let status = status.map_err(|error| match error {
                InflateError::MemError => ProtocolError::OutOfMemory,
                _ => ProtocolError::InvalidDeflate,
            })?;
            match status {
                // A block may say that it is the last (§7.2.3.4): another stream may follow.
                Status::StreamEnd => {
                    self.end_stream();
                    if piece.is_empty() {
                        self.at = At::End;
                        return Ok(());
                    }
                }
                // Room was left over, so zlib holds nothing back.
                Status::Ok | Status::BufError if piece.is_empty() && written < room_len => {
                    return Ok(());
                }
                // The room was full: there may be more.
                Status::Ok => {}
                // There is input, and room, and zlib can make nothing of it.
                Status::BufError => return Err(ProtocolError::InvalidDeflate),
            }
        }
    }

    /// Begins a new stream with the next bytes.
    fn end_stream(&mut self) {
        if let Some(context) = &mut self.context {
            context.reset(false);
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("takeover", &self.takeover)
            .finish_non_exhaustive()
    }
}

/// Text that is checked as it is inflated, so that it fails early.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    Nothing,
    Utf8,
}

/// The least that a message grows by while it is inflated, in bytes.
const GROW: usize = 4096;

/// The memory of a context: a little more than zlib takes, in bytes.
const WINDOW: usize = 56 << 10;
