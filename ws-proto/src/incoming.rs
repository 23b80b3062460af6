//! The receiving side of a [`Session`](crate::Session): bytes from the transport to messages.

#[cfg(feature = "deflate")]
use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::buffer::{Assembly, Inbox};
#[cfg(feature = "deflate")]
use crate::deflate::Inflater;
use crate::error::ProtocolError;
use crate::limits::Limits;
use crate::message::{Chunk, Event, Kind, Message, MessageBuf, Part};
use crate::outgoing::Outgoing;
use crate::session::{Ready, Step};
use crate::utf8;

/// Collects what is received and hands out messages.
///
/// It needs the [`Outgoing`] half for each step, because what is received may have to be
/// answered; the messages it hands out do not borrow that half, so that they can be replied to
/// while they are held.
#[derive(Debug)]
pub struct Incoming {
    inbox: Inbox,
    message: Assembly,
    assembled: Assembled,
    /// So many of the next bytes are payload of the message being assembled.
    direct: u64,
    heard: bool,
    /// There was no memory for what was [pushed](Self::push).
    starved: bool,
    read_buffer: usize,
    #[cfg(feature = "deflate")]
    inflater: Option<Box<Inflater>>,
}

/// How far the message in pieces is.
#[derive(Clone, Copy, Debug)]
enum Assembled {
    /// Not complete, or there is none.
    Partly,
    /// Complete.
    Whole(Kind),
    /// Handed out: to be forgotten at the next step.
    Given,
}

impl Incoming {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            inbox: Inbox::default(),
            message: Assembly::default(),
            assembled: Assembled::Partly,
            direct: 0,
            heard: false,
            starved: false,
            read_buffer: limits.read_buffer.max(Limits::MIN_READ),
            #[cfg(feature = "deflate")]
            inflater: None,
        }
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn inflate_with(&mut self, inflater: Inflater) {
        self.inflater = Some(Box::new(inflater));
    }

    /// Where to read from the transport to: never empty. A large message is read straight into
    /// its own buffer, everything else into the inbox.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](ProtocolError::OutOfMemory).
    pub fn spare_mut(&mut self, out: &mut Outgoing) -> Result<&mut [u8], ProtocolError> {
        let spare = if self.starved {
            Err(ProtocolError::OutOfMemory)
        } else if self.reads_direct() {
            // For a header alone no more than an inbox is at first.
            let begun = self.message.len() >= self.read_buffer / 8;
            let size = self.read_buffer / if begun { 1 } else { 4 };
            self.message.spare_mut(self.direct, size)
        } else {
            self.inbox.spare_mut(self.read_buffer)
        };
        spare.map_err(|error| out.connection.fail(error))
    }

    /// The first `len` bytes of [`spare_mut`](Self::spare_mut) were read.
    pub fn filled(&mut self, len: usize) {
        self.heard |= len > 0;
        if self.reads_direct() {
            self.message.filled(len);
            self.direct = self.direct.saturating_sub(len as u64);
        } else {
            self.inbox.filled(len);
        }
    }

    /// Takes bytes that were received elsewhere: those behind the head of the opening handshake.
    /// If there is no memory for them, the next step says so.
    pub fn push(&mut self, bytes: &[u8]) {
        self.heard |= !bytes.is_empty();
        self.starved |= self.inbox.push(bytes, self.read_buffer).is_err();
    }

    /// The stream has ended. Step until data is needed first: what is unread then is the start of
    /// something that will not be completed.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](ProtocolError::UnexpectedEof) if the peer had not closed.
    pub fn eof(&mut self, out: &mut Outgoing) -> Result<(), ProtocolError> {
        out.connection.receive_eof()
    }

    /// Goes on as far as it can without handing anything out; says what is next.
    ///
    /// # Errors
    ///
    /// How the peer broke the protocol: final.
    pub fn ready(&mut self, out: &mut Outgoing) -> Result<Ready, ProtocolError> {
        if core::mem::take(&mut self.heard) {
            self.listen(out)?;
        }
        match self.assembled {
            Assembled::Partly => {}
            Assembled::Whole(_) => return Ok(Ready::Message),
            Assembled::Given => self.forget(),
        }
        let unchecked = self.message.unchecked_mut();
        if !unchecked.is_empty() {
            let received = out.connection.receive(unchecked)?;
            if let Some(Event::Chunk(chunk)) = received.event {
                self.assembled = assembled(&chunk);
            }
            self.message.all_checked();
        }
        loop {
            self.direct = out.connection.payload_remaining();
            if let Assembled::Whole(_) = self.assembled {
                return Ok(Ready::Message);
            }
            let unread = self.inbox.unread();
            if out.connection.holds_message(unread) {
                return Ok(Ready::Message);
            }
            if out.connection.holds_control(unread) {
                return Ok(Ready::Control);
            }
            let (unread, start) = self.inbox.unread_mut();
            let received = out.connection.receive(unread)?;
            *start += received.consumed;
            let (chunk, pushed) = match received.event {
                Some(Event::Chunk(chunk)) => (chunk, self.message.push(chunk.payload)),
                #[cfg(feature = "deflate")]
                Some(Event::Deflated(chunk)) => {
                    let inflated = match &mut self.inflater {
                        Some(inflater) => inflater.inflate(&chunk, &mut self.message),
                        None => Err(ProtocolError::ReservedBit),
                    };
                    (chunk, inflated)
                }
                _ => {
                    self.direct = out.connection.payload_remaining();
                    return Ok(if out.connection.is_closed_by_peer() {
                        Ready::Closed
                    } else {
                        Ready::NeedData
                    });
                }
            };
            pushed.map_err(|error| out.connection.fail(error))?;
            self.assembled = assembled(&chunk);
        }
    }

    /// The next message, if [`ready`](Self::ready) says that there is one.
    ///
    /// # Errors
    ///
    /// How the peer broke the protocol: final.
    pub fn message(&mut self, out: &mut Outgoing) -> Result<Option<Message<'_>>, ProtocolError> {
        if let Assembled::Whole(kind) = self.assembled {
            self.assembled = Assembled::Given;
            let given = self.given(kind);
            return given.map(Some).map_err(|error| out.connection.fail(error));
        }
        if !out.connection.holds_message(self.inbox.unread()) {
            return Ok(None);
        }
        let (unread, start) = self.inbox.unread_mut();
        let received = out.connection.receive(unread)?;
        *start += received.consumed;
        Ok(match received.event {
            Some(Event::Message(message)) => Some(message),
            _ => None,
        })
    }

    /// The next message with its own memory, if there is one: a binary message that was
    /// assembled is moved out and not copied.
    ///
    /// # Errors
    ///
    /// How the peer broke the protocol: final.
    pub fn take_message(
        &mut self,
        out: &mut Outgoing,
    ) -> Result<Option<MessageBuf>, ProtocolError> {
        if let Assembled::Whole(Kind::Binary) = self.assembled {
            self.assembled = Assembled::Partly;
            return Ok(Some(MessageBuf::Binary(self.message.take())));
        }
        let owned = match self.message(out)? {
            Some(message) => message.try_to_owned(),
            None => return Ok(None),
        };
        owned.map(Some).map_err(|error| out.connection.fail(error))
    }

    /// The next control frame, answered already, if [`ready`](Self::ready) says that there is
    /// one.
    ///
    /// # Errors
    ///
    /// How the peer broke the protocol: final.
    pub fn control(&mut self, out: &mut Outgoing) -> Result<Option<Event<'_>>, ProtocolError> {
        if !out.connection.holds_control(self.inbox.unread()) {
            return Ok(None);
        }
        let (unread, start) = self.inbox.unread_mut();
        let received = out.connection.receive(unread)?;
        *start += received.consumed;
        match received.event {
            Some(Event::Ping(_)) => out.answer(),
            Some(Event::Close(Some(close))) => out.keep_close(&close),
            _ => {}
        }
        Ok(received.event)
    }

    /// The next message or control frame, or what is needed for one.
    ///
    /// # Errors
    ///
    /// How the peer broke the protocol: final.
    #[inline(always)]
    pub fn step(&mut self, out: &mut Outgoing) -> Result<Step<'_>, ProtocolError> {
        // The common case first: one more whole message in what was read.
        if !self.heard
            && matches!(self.assembled, Assembled::Partly)
            && let Some(whole) = out.connection.whole(self.inbox.unread())
        {
            let (unread, start) = self.inbox.unread_mut();
            *start += whole.size();
            let message = out.connection.give(whole, unread)?;
            return Ok(Step::Message(message));
        }
        self.step_any(out)
    }

    /// Not inlined, so that the common cases are.
    #[inline(never)]
    fn step_any(&mut self, out: &mut Outgoing) -> Result<Step<'_>, ProtocolError> {
        if core::mem::take(&mut self.heard) {
            self.listen(out)?;
            return self.step(out);
        }
        // The end of what was read.
        if matches!(self.assembled, Assembled::Partly)
            && self.inbox.is_empty()
            && out.connection.is_between_messages()
        {
            return Ok(Step::NeedData);
        }
        Ok(match self.ready(out)? {
            Ready::Message => self.message(out)?.map_or(Step::NeedData, Step::Message),
            Ready::Control => self.control(out)?.map_or(Step::NeedData, Step::Control),
            Ready::NeedData => Step::NeedData,
            Ready::Closed => Step::Closed,
        })
    }

    /// Gives back what memory is not in use.
    pub fn release(&mut self) {
        if let Assembled::Given = self.assembled {
            self.forget();
        }
        self.inbox.release();
        self.message.release();
        #[cfg(feature = "deflate")]
        if let Some(inflater) = &mut self.inflater {
            inflater.release();
        }
    }

    /// Whether there is no memory to read into: [`spare_mut`](Self::spare_mut) would make some. An
    /// adapter that can wait for bytes before it has room for them does so then.
    #[must_use]
    pub const fn is_released(&self) -> bool {
        self.inbox.is_released() && !self.reads_direct()
    }

    /// Reads into `buffer` from now on; returns the one in use before, if there was one. What is
    /// unread moves along: fewer than 140 bytes when a step asks for data. One buffer can serve
    /// all connections of an event loop this way: lent before a read, and taken back by lending
    /// an empty one. Messages handed out before are forgotten. If what is unread would need more
    /// memory than `buffer` has and there is none, the buffer in use stays and `buffer` is
    /// returned.
    #[must_use = "the buffer that was in use is returned"]
    pub fn lend(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        if buffer.is_empty() && self.inbox.is_empty() {
            return self.inbox.replace(buffer, 0);
        }
        self.inbox.replace(buffer, Limits::MIN_READ)
    }

    /// What was received and is not consumed: for a program that takes over the stream.
    pub(crate) fn unread(&self) -> &[u8] {
        self.inbox.unread()
    }

    /// Something was received.
    fn listen(&self, out: &mut Outgoing) -> Result<(), ProtocolError> {
        out.heard();
        if self.starved {
            return Err(out.connection.fail(ProtocolError::OutOfMemory));
        }
        Ok(())
    }

    const fn reads_direct(&self) -> bool {
        self.direct >= self.read_buffer as u64 && self.inbox.is_empty()
    }

    fn given(&self, kind: Kind) -> Result<Message<'_>, ProtocolError> {
        let bytes = self.message.as_bytes();
        Ok(match kind {
            // What came in pieces was checked as they came; safe code has no other way back to a
            // `str`. What was inflated in one piece is checked here and only here.
            Kind::Text => Message::Text(utf8::whole(bytes)?),
            Kind::Binary => Message::Binary(bytes),
        })
    }

    const fn forget(&mut self) {
        self.message.clear();
        self.assembled = Assembled::Partly;
    }
}

const fn assembled(chunk: &Chunk<'_>) -> Assembled {
    match chunk.part {
        Part::More => Assembled::Partly,
        Part::Last => Assembled::Whole(chunk.kind),
    }
}
