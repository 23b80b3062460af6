//! Messages that are read in parts, as they come (RFC 6455 §5.4, §6.2): those that are longer than the
//! memory they may take.
//!
//! ```text
//!   ready_to_read ──▶ Message ──▶ read ──▶ bytes ─┐      read, and at last 0: the end
//!         ▲                                       │
//!         └───────────────────────────────────────┤
//!                                                 └──▶ skip, ready, step: the rest is dropped
//! ```
//!
//! What has come lies where it was received, still masked, until somebody reads it: a header is taken
//! alone, and of its payload just as much as is asked for. Only compressed messages are inflated
//! first, a little at a time.

use super::{Assembled, Incoming};
use crate::answer::Answer;
use crate::buffers::ReadBuffer;
use crate::error::ProtocolError;
use crate::header::{Kind, Part};
use crate::message::Event;
use crate::step::Ready;

impl Incoming {
    /// Proceeds as [`ready`](Self::ready) does, until some of a message can be [read](Self::read):
    /// [`Ready::Message`] if a part of it has come, or its end.
    ///
    /// # Errors
    ///
    /// The violation of the protocol by the peer: final.
    pub fn ready_to_read(&mut self, answer: &mut impl Answer) -> Result<Ready, ProtocolError> {
        let next = match self.advance_to_read() {
            Ok(next) => next,
            Err(error) => return Err(self.fail(error, answer)),
        };
        match answer.failed() {
            Some(error) if next == Ready::NeedData => Err(self.fail(error, answer)),
            _ => Ok(next),
        }
    }

    /// Reads the next bytes of a message into `room`, if [`ready_to_read`](Self::ready_to_read) says
    /// that there are some. Returns how many; 0 at the end of the message. The bytes of a text are
    /// valid UTF-8, although the last character may be cut.
    ///
    /// Its memory does not grow with the message: a read buffer, and 1 MiB if the message is
    /// compressed. [`Limits::max_message`](crate::Limits::max_message) holds nevertheless.
    ///
    /// # Errors
    ///
    /// The violation of the protocol by the peer: final.
    pub fn read(
        &mut self,
        room: &mut [u8],
        answer: &mut impl Answer,
    ) -> Result<usize, ProtocolError> {
        let Assembled::Read(kind, part) = self.assembled else {
            return Ok(0);
        };
        if room.is_empty() {
            return Ok(0);
        }
        if let Some(held) = &mut self.buffer {
            let len = held.buffer.message.read(room);
            if len > 0 {
                return Ok(len);
            }
        }
        match part {
            Part::Last => {
                self.assembled = Assembled::Partly;
                Ok(0)
            }
            Part::More => {
                let read = self.read_payload(kind, room);
                read.map_err(|error| self.fail(error, answer))
            }
        }
    }

    /// The kind of the message that is being [read](Self::read); `None` after its end.
    #[must_use]
    pub const fn reading(&self) -> Option<Kind> {
        match self.assembled {
            Assembled::Read(kind, _) => Some(kind),
            _ => None,
        }
    }

    /// Drops the rest of the message that is being [read](Self::read), as it comes. A step that wants
    /// a whole message does that too.
    pub fn skip(&mut self) {
        let Assembled::Read(_, part) = self.assembled else {
            return;
        };
        // What of it lies here.
        self.forget();
        if part == Part::More {
            self.assembled = Assembled::Skipped;
        }
    }

    fn advance_to_read(&mut self) -> Result<Ready, ProtocolError> {
        if let Some(ready) = self.drop_the_rest()? {
            return Ok(ready);
        }
        match self.assembled {
            Assembled::HandedOut => self.forget(),
            // It is found again, as a message of any other form.
            Assembled::Found => self.assembled = Assembled::Partly,
            _ => self.check_what_was_read()?,
        }
        loop {
            match self.assembled {
                Assembled::Read(_, Part::Last) => return Ok(Ready::Message),
                Assembled::Whole(kind) => {
                    self.assembled = Assembled::Read(kind, Part::Last);
                    return Ok(Ready::Message);
                }
                _ => {}
            }
            if self.has_payload()
                && let Some(kind) = self.receiver.kind()
            {
                self.assembled = Assembled::Read(kind, Part::More);
                return Ok(Ready::Message);
            }
            match self.receive_part()? {
                Went::On => {}
                Went::ToTheEnd(kind) => self.assembled = Assembled::Read(kind, Part::Last),
                Went::Nowhere(ready) => return Ok(ready),
            }
        }
    }

    /// Drops what has come of a message that is skipped. `None` if that is all of it; otherwise what
    /// is next.
    pub(super) fn drop_the_rest(&mut self) -> Result<Option<Ready>, ProtocolError> {
        while self.assembled == Assembled::Skipped {
            match self.receive_part()? {
                Went::On => {}
                Went::ToTheEnd(_) => self.assembled = Assembled::Partly,
                Went::Nowhere(ready) => return Ok(Some(ready)),
            }
            if let Some(held) = &mut self.buffer {
                held.buffer.message.clear();
            }
        }
        Ok(None)
    }

    /// Whether some of the message lies here to be read.
    fn has_payload(&self) -> bool {
        let Some(held) = &self.buffer else {
            return false;
        };
        let ReadBuffer { inbox, message } = &held.buffer;
        !message.is_empty() || (!inbox.is_empty() && self.receiver.payload_remaining() > 0)
    }

    /// Receives a header, or some payload: into the message if that is inflated, and otherwise to be
    /// dropped.
    fn receive_part(&mut self) -> Result<Went, ProtocolError> {
        let Some(held) = &mut self.buffer else {
            return self.starve().map(Went::Nowhere);
        };
        let buffer = &mut held.buffer;
        let (unread, start) = buffer.inbox.unread_mut();
        if self.receiver.holds_control(unread) {
            return Ok(Went::Nowhere(Ready::Control));
        }
        let part_len = self.receiver.part_len(unread);
        let received = self.receiver.receive_any(first(unread, part_len))?;
        *start += received.consumed;
        let (kind, part) = match received.event {
            // An empty one.
            Some(Event::Message(empty)) => (empty.kind(), Part::Last),
            Some(Event::Chunk(chunk)) => (chunk.kind, chunk.part),
            #[cfg(feature = "deflate")]
            Some(Event::Deflated(chunk)) => {
                match &mut self.inflater {
                    Some(inflater) => inflater.inflate_in_parts(&chunk, &mut buffer.message)?,
                    None => return Err(ProtocolError::ReservedBit),
                }
                (chunk.kind, chunk.part)
            }
            // A header.
            None if received.consumed > 0 => return Ok(Went::On),
            _ => return self.starve().map(Went::Nowhere),
        };
        Ok(match part {
            Part::More => Went::On,
            Part::Last => Went::ToTheEnd(kind),
        })
    }

    /// Reads payload from the inbox, as much as goes into `room`.
    fn read_payload(&mut self, kind: Kind, room: &mut [u8]) -> Result<usize, ProtocolError> {
        let Some(held) = &mut self.buffer else {
            return Ok(0);
        };
        let (unread, start) = held.buffer.inbox.unread_mut();
        if self.receiver.payload_remaining() == 0 {
            return Ok(0);
        }
        let received = self.receiver.receive_any(first(unread, room.len()))?;
        *start += received.consumed;
        let Some(Event::Chunk(chunk)) = received.event else {
            return Ok(0);
        };
        let len = chunk.payload.len();
        first(room, len).copy_from_slice(chunk.payload);
        if chunk.part == Part::Last {
            self.assembled = Assembled::Read(kind, Part::Last);
        }
        Ok(len)
    }
}

/// How far receiving a part has come.
enum Went {
    On,
    /// It was the last part of the message.
    ToTheEnd(Kind),
    /// Something else is next.
    Nowhere(Ready),
}

/// The first `len` bytes, or all if there are fewer.
fn first(bytes: &mut [u8], len: usize) -> &mut [u8] {
    let len = len.min(bytes.len());
    bytes.split_at_mut(len).0
}
