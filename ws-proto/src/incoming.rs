//! The receiving half of a [`Session`](crate::Session): bytes from the transport to messages.
//!
//! ```text
//!   read ──▶ inbox ──▶ receiver ──▶ a message that lies whole: handed out from there
//!     │                    │
//!     └──▶ message ◀───────┴── pieces, inflated if they are compressed
//!        (a large one: read straight into it)
//! ```
//!
//! Everything that takes long (unmasking, UTF-8, inflating) happens here, and needs nothing of the
//! other half. A step asks for that only if the peer is owed something: see [`Answer`].

#[cfg(feature = "deflate")]
use alloc::boxed::Box;

use crate::answer::Answer;
use crate::buffers::{self, Buffers, Place, ReadBuffer};
use crate::closing::Peer;
use crate::common_frame::CommonFrame;
use crate::error::ProtocolError;
use crate::header::{Kind, Part};
use crate::inbox::Inbox;
#[cfg(feature = "deflate")]
use crate::inflate::Inflater;
use crate::limits::Limits;
use crate::liveness::{Instant, Verdict};
use crate::outgoing::Outgoing;
use crate::receiver::Receiver;

mod reading;
mod steps;

/// Collects what is received and hands out messages.
///
/// The messages it hands out do not borrow the other half, so that they can be replied to while
/// they are held.
#[derive(Debug)]
pub struct Incoming {
    receiver: Receiver,
    buffer: Place<ReadBuffer>,
    read_buffer: u32,
    /// The frame that [`ready`](Self::ready) found, for [`message`](Self::message) to hand out.
    found: Option<CommonFrame>,
    assembled: Assembled,
    received: Received,
    #[cfg(feature = "deflate")]
    inflater: Option<Box<Inflater>>,
}

/// The state of the message in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Assembled {
    /// Not complete, or not begun.
    Partly,
    /// Not begun, and a [common frame](CommonFrame) was found.
    Found,
    /// Complete.
    Whole(Kind),
    /// Handed out: to be forgotten at the next step.
    HandedOut,
    /// Being [read](Incoming::read): what has come and is not read lies here or in the inbox. With
    /// [`Part::Last`] all of it has come.
    Read(Kind, Part),
    /// Read up to somewhere: the rest is dropped as it comes.
    Skipped,
}

/// Whether bytes arrived since the last look at the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Received {
    Nothing,
    Something,
}

impl Incoming {
    pub(crate) fn new(receiver: Receiver, limits: &Limits) -> Self {
        let read_buffer = limits.read_buffer.max(Limits::MIN_READ);
        Self {
            receiver,
            buffer: None,
            read_buffer: u32::try_from(read_buffer).unwrap_or(u32::MAX),
            found: None,
            assembled: Assembled::Partly,
            received: Received::Nothing,
            #[cfg(feature = "deflate")]
            inflater: None,
        }
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn inflate_with(&mut self, inflater: impl FnOnce(u64) -> Inflater) {
        self.receiver.take_compressed();
        self.inflater = Some(Box::new(inflater(self.receiver.max_message())));
    }

    /// Returns the buffer to read from the transport into: never empty. A large message is read
    /// straight into its own buffer, everything else into the inbox.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](ProtocolError::OutOfMemory): the next step returns it too, and queues the
    /// Close. After a failure, if there is no memory, the error that caused it.
    #[inline]
    pub fn spare_mut(&mut self) -> Result<&mut [u8], ProtocolError> {
        if !self.has_room() {
            return self.make_room();
        }
        Ok(match &mut self.buffer {
            Some(held) => held.buffer.inbox.room(),
            None => &mut [],
        })
    }

    /// Whether a read begins anew: all of the buffer is room. The common case.
    #[inline]
    fn has_room(&self) -> bool {
        let inbox = self.buffer.as_ref().map(|held| &held.buffer.inbox);
        self.receiver.is_between_messages() && inbox.is_some_and(Inbox::has_room)
    }

    #[inline(never)]
    fn make_room(&mut self) -> Result<&mut [u8], ProtocolError> {
        let direct = self.direct();
        let size = self.read_buffer as usize;
        let spare = match buffers::make(&mut self.buffer) {
            None => Err(ProtocolError::OutOfMemory),
            Some(ReadBuffer { inbox, message }) => {
                if self.receiver.failed().is_some() {
                    // Nobody will look at what comes now.
                    inbox.clear();
                }
                if direct == 0 {
                    inbox.spare_mut(size)
                } else {
                    // For a header alone no more than an inbox is at first.
                    let begun = message.len() >= size / 8;
                    message.spare_mut(direct, size / if begun { 1 } else { 4 })
                }
            }
        };
        spare.map_err(|error| {
            self.receiver.fail(error);
            // What it failed of before is what it says.
            self.receiver.failed().unwrap_or(error)
        })
    }

    /// Reports that the first `len` bytes of [`spare_mut`](Self::spare_mut) were read.
    #[inline]
    pub fn filled(&mut self, len: usize) {
        if len > 0 {
            self.received = Received::Something;
        }
        let is_direct = !self.receiver.is_between_messages() && self.direct() > 0;
        if let Some(held) = &mut self.buffer {
            if is_direct {
                held.buffer.message.filled(len);
            } else {
                held.buffer.inbox.filled(len);
            }
        }
    }

    /// Takes a copy of bytes that were received elsewhere. [`attach`](Self::attach) takes them
    /// without one. If there is no memory for them, the next step says so.
    pub fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.received = Received::Something;
        let size = self.read_buffer as usize;
        let pushed = match buffers::make(&mut self.buffer) {
            Some(buffer) => buffer.inbox.push(bytes, size).is_ok(),
            None => false,
        };
        if !pushed {
            self.receiver.fail(ProtocolError::OutOfMemory);
        }
    }

    /// Reports the end of the stream. Step until data is needed first: what is unread then is the
    /// start of something that will not be completed.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](ProtocolError::UnexpectedEof) if the peer had not closed.
    pub fn eof(&mut self, answer: &mut impl Answer) -> Result<(), ProtocolError> {
        let ended = self.receiver.receive_eof();
        let peer = self.receiver.peer();
        answer.with(|out| out.on_end(peer));
        ended
    }

    /// Looks at the clock, on behalf of both halves: see
    /// [`Liveness::check`](crate::Liveness::check). Time begins with the first call.
    pub fn check(&mut self, out: &mut Outgoing, now: Instant) -> Verdict {
        let received = core::mem::replace(&mut self.received, Received::Nothing);
        if let Some(error) = out.failure() {
            self.receiver.fail(error);
        }
        out.look(now, received == Received::Something)
    }

    /// Uses `buffers` to receive into from now on, and takes what was received in them already. What
    /// is left over from before goes before that. Messages handed out before are forgotten.
    #[inline(always)]
    pub fn attach(&mut self, buffers: &mut Buffers) {
        self.forget_handed_out();
        let Some(lent) = buffers.read.take() else {
            return;
        };
        if !lent.buffer.inbox.is_empty() {
            self.received = Received::Something;
        }
        if !buffers::attach(&mut self.buffer, lent) {
            self.receiver.fail(ProtocolError::OutOfMemory);
        }
    }

    /// Takes back what was [attached](Self::attach), into `buffers`. What is left over stays here; if
    /// there is no memory for it, the buffer stays too.
    #[inline(always)]
    pub fn detach(&mut self, buffers: &mut Buffers) {
        self.forget_handed_out();
        buffers.read = buffers::detach(&mut self.buffer);
    }

    /// Frees the memory that is not in use.
    pub fn release(&mut self) {
        self.forget_handed_out();
        if let Some(held) = &mut self.buffer {
            let ReadBuffer { inbox, message } = &mut held.buffer;
            message.release();
            let is_over = self.receiver.failed().is_some();
            if is_over || (inbox.is_empty() && message.is_empty()) {
                self.buffer = None;
            }
        }
        #[cfg(feature = "deflate")]
        if let Some(inflater) = &mut self.inflater {
            inflater.release();
        }
    }

    /// Whether there is no memory to read into: [`spare_mut`](Self::spare_mut) would make some. An
    /// adapter that can wait for bytes before it has room for them does so then.
    #[must_use]
    pub const fn is_released(&self) -> bool {
        self.buffer.is_none()
    }

    /// The memory that this half holds, in bytes: a message that arrives, the room to read into,
    /// and, with compression, what the peer's messages refer to.
    #[must_use]
    pub fn memory(&self) -> usize {
        let buffer = self.buffer.as_ref().map_or(0, |held| {
            held.buffer.inbox.memory() + held.buffer.message.memory()
        });
        #[cfg(feature = "deflate")]
        let buffer = buffer
            + self
                .inflater
                .as_ref()
                .map_or(0, |inflater| inflater.memory());
        buffer
    }

    /// The bytes received and not consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        match &self.buffer {
            Some(held) => held.buffer.inbox.unread(),
            None => &[],
        }
    }

    /// Whether part of a message has been received that is not handed out yet.
    #[must_use]
    pub const fn is_within_message(&self) -> bool {
        self.receiver.is_within_message()
            || matches!(self.assembled, Assembled::Whole(_) | Assembled::Read(..))
    }

    pub(crate) const fn peer(&self) -> Peer {
        self.receiver.peer()
    }

    pub(crate) fn into_receiver(self) -> Receiver {
        self.receiver
    }

    /// The number of payload bytes of the message that may be read straight into it: 0 unless there
    /// are many, and nothing comes before them.
    #[inline]
    fn direct(&self) -> u64 {
        let remaining = self.receiver.payload_remaining();
        if remaining < u64::from(self.read_buffer) {
            return 0;
        }
        self.direct_any(remaining)
    }

    #[inline(never)]
    fn direct_any(&self, remaining: u64) -> u64 {
        // What is read in parts, or skipped, goes through the inbox.
        if self.assembled != Assembled::Partly {
            return 0;
        }
        let Some(held) = &self.buffer else {
            return remaining;
        };
        let ReadBuffer { inbox, message } = &held.buffer;
        let direct = remaining.saturating_sub(message.unchecked() as u64);
        if inbox.is_empty() && direct >= u64::from(self.read_buffer) {
            direct
        } else {
            0
        }
    }

    #[inline]
    fn forget_handed_out(&mut self) {
        // The common case.
        if self.assembled != Assembled::Partly {
            self.forget_any();
        }
    }

    #[inline(never)]
    fn forget_any(&mut self) {
        match self.assembled {
            Assembled::HandedOut => self.forget(),
            // Its place may change.
            Assembled::Found => self.assembled = Assembled::Partly,
            Assembled::Partly | Assembled::Whole(_) | Assembled::Read(..) | Assembled::Skipped => {}
        }
    }

    fn forget(&mut self) {
        if let Some(held) = &mut self.buffer {
            held.buffer.message.clear();
        }
        self.assembled = Assembled::Partly;
    }
}
