//! Steps: from bytes that lie in the buffers to messages that are handed out (RFC 6455 §5.4, §6.2).
//!
//! ```text
//!   ready ──▶ Message ──▶ message, take_message      step = ready, then the one of them that is next
//!         ├─▶ Control ──▶ control
//!         └─▶ NeedData, Closed
//! ```
//!
//! `step` and `ready` look for the common cases first, one more whole message or the end of what was
//! read, and are inlined for them; everything else is in `advance`, which hands nothing out.

use super::{Assembled, Incoming};
use crate::answer::Answer;
use crate::buffers::ReadBuffer;
use crate::common_frame::CommonFrame;
use crate::error::ProtocolError;
use crate::header::{Kind, Part};
use crate::message::{Chunk, Event, Message, MessageBuf};
use crate::step::{Ready, Step};
use crate::utf8;

impl Incoming {
    /// Proceeds as far as it can without handing anything out, and returns what is next.
    ///
    /// # Errors
    ///
    /// The violation of the protocol by the peer: final.
    #[inline]
    pub fn ready(&mut self, answer: &mut impl Answer) -> Result<Ready, ProtocolError> {
        // The common cases, as in `step`: one more whole message in what was read, which is kept
        // for `message`; or the end of it. Both leave nothing for the long way to do.
        if self.assembled == Assembled::Partly {
            self.found = self.common_frame();
            if self.found.is_some() {
                self.assembled = Assembled::Found;
                return Ok(Ready::Message);
            }
            if self.is_at_end() && answer.failed().is_none() {
                return Ok(Ready::NeedData);
            }
        }
        self.ready_any(answer)
    }

    /// Not inlined, so that the common cases are.
    #[inline(never)]
    fn ready_any(&mut self, answer: &mut impl Answer) -> Result<Ready, ProtocolError> {
        let next = match self.advance() {
            Ok(next) => next,
            Err(error) => return Err(self.fail(error, answer)),
        };
        if let (Ready::NeedData, Some(error)) = (next, answer.failed()) {
            return Err(self.fail(error, answer));
        }
        Ok(next)
    }

    /// The part of [`ready`](Self::ready) in this half: everything except reporting an error to the
    /// other.
    pub(super) fn advance(&mut self) -> Result<Ready, ProtocolError> {
        match self.assembled {
            Assembled::Partly => {}
            Assembled::Found | Assembled::Whole(_) => return Ok(Ready::Message),
            Assembled::HandedOut => self.forget(),
            Assembled::Read(..) | Assembled::Skipped => {
                self.skip();
                if let Some(ready) = self.drop_the_rest()? {
                    return Ok(ready);
                }
            }
        }
        self.check_what_was_read()?;
        let Some(held) = &mut self.buffer else {
            return self.starve();
        };
        let ReadBuffer { inbox, message } = &mut held.buffer;
        loop {
            if let Assembled::Whole(_) = self.assembled {
                return Ok(Ready::Message);
            }
            let unread = inbox.unread();
            if unread.is_empty() {
                return self.starve();
            }
            self.found = self.receiver.common_frame(unread);
            if self.found.is_some() {
                self.assembled = Assembled::Found;
                return Ok(Ready::Message);
            }
            match self.receiver.holds(unread) {
                Some(header) if header.opcode().is_control() => return Ok(Ready::Control),
                Some(_) => return Ok(Ready::Message),
                None => {}
            }
            // Neither lies whole in the inbox: a piece of a message, or too little of anything.
            let (unread, start) = inbox.unread_mut();
            let received = self.receiver.receive_any(unread)?;
            *start += received.consumed;
            let chunk = match received.event {
                Some(Event::Chunk(chunk)) => {
                    message.push(chunk.payload)?;
                    chunk
                }
                #[cfg(feature = "deflate")]
                Some(Event::Deflated(chunk)) => {
                    match &mut self.inflater {
                        Some(inflater) => inflater.inflate(&chunk, message)?,
                        None => return Err(ProtocolError::ReservedBit),
                    }
                    chunk
                }
                _ => return self.starve(),
            };
            self.assembled = assembled(&chunk);
        }
    }

    /// Takes what was read straight into the message through the receiver, where it lies.
    #[inline]
    pub(super) fn check_what_was_read(&mut self) -> Result<(), ProtocolError> {
        let Some(held) = &mut self.buffer else {
            return Ok(());
        };
        let message = &mut held.buffer.message;
        if message.unchecked() > 0 {
            let received = self.receiver.receive_any(message.unchecked_mut())?;
            if let Some(Event::Chunk(chunk)) = received.event {
                self.assembled = assembled(&chunk);
            }
            message.all_checked();
        }
        Ok(())
    }

    /// The next message, if [`ready`](Self::ready) says that there is one.
    ///
    /// # Errors
    ///
    /// The violation of the protocol by the peer: final.
    #[inline(always)]
    pub fn message(
        &mut self,
        answer: &mut impl Answer,
    ) -> Result<Option<Message<'_>>, ProtocolError> {
        match (self.assembled, self.found) {
            (Assembled::Found, Some(common)) => {
                self.assembled = Assembled::Partly;
                self.hand_out(common, answer).map(Some)
            }
            _ => self.message_any(answer),
        }
    }

    /// Hands out the common frame that lies at the start of what is unread.
    #[inline(always)]
    fn hand_out(
        &mut self,
        common: CommonFrame,
        answer: &mut impl Answer,
    ) -> Result<Message<'_>, ProtocolError> {
        // It lies in a buffer, so a buffer exists.
        let (unread, start) = match &mut self.buffer {
            Some(held) => held.buffer.inbox.unread_mut(),
            None => return Ok(Message::Binary(&[])),
        };
        *start += common.size();
        let message = self.receiver.receive_common(common, unread);
        if let Err(error) = message {
            answer.with(|out| out.fail(error));
        }
        message
    }

    /// Any message that is not a common frame.
    #[inline(never)]
    fn message_any(
        &mut self,
        answer: &mut impl Answer,
    ) -> Result<Option<Message<'_>>, ProtocolError> {
        let Some(held) = &mut self.buffer else {
            // An empty one, of empty fragments, leaves nothing here when the buffer is taken back.
            return match core::mem::replace(&mut self.assembled, Assembled::Partly) {
                Assembled::Whole(kind) => joined(kind, &[]).map(Some),
                _ => Ok(None),
            };
        };
        let ReadBuffer { inbox, message } = &mut held.buffer;
        let result = if let Assembled::Whole(kind) = self.assembled {
            self.assembled = Assembled::HandedOut;
            joined(kind, message.as_bytes()).map(Some)
        } else if self.receiver.holds_message(inbox.unread()) {
            let (unread, start) = inbox.unread_mut();
            self.receiver.receive_any(unread).map(|received| {
                *start += received.consumed;
                match received.event {
                    Some(Event::Message(message)) => Some(message),
                    _ => None,
                }
            })
        } else {
            Ok(None)
        };
        if let Err(error) = result {
            self.receiver.fail(error);
            answer.with(|out| out.fail(error));
        }
        result
    }

    /// The next message with its own memory, if there is one. A message that was assembled is moved
    /// out, not copied.
    ///
    /// # Errors
    ///
    /// The violation of the protocol by the peer: final.
    pub fn take_message(
        &mut self,
        answer: &mut impl Answer,
    ) -> Result<Option<MessageBuf>, ProtocolError> {
        let owned = match (self.assembled, &mut self.buffer) {
            (Assembled::Whole(kind), Some(held)) => {
                self.assembled = Assembled::Partly;
                let bytes = held.buffer.message.take();
                match kind {
                    Kind::Binary => Ok(MessageBuf::Binary(bytes)),
                    Kind::Text => utf8::validate_owned(bytes).map(MessageBuf::Text),
                }
                .map_err(ProtocolError::from)
            }
            _ => match self.message(answer)? {
                Some(message) => message.try_to_owned(),
                None => return Ok(None),
            },
        };
        owned.map(Some).map_err(|error| self.fail(error, answer))
    }

    /// The next control frame, answered already, if [`ready`](Self::ready) says that there is
    /// one.
    ///
    /// # Errors
    ///
    /// The violation of the protocol by the peer: final.
    pub fn control(
        &mut self,
        answer: &mut impl Answer,
    ) -> Result<Option<Event<'_>>, ProtocolError> {
        match &self.buffer {
            Some(held) if self.receiver.holds_control(held.buffer.inbox.unread()) => {
                self.receive_control(answer)
            }
            _ => Ok(None),
        }
    }

    /// Receives and answers the control frame that lies at the start of what is unread.
    #[inline(always)]
    fn receive_control(
        &mut self,
        answer: &mut impl Answer,
    ) -> Result<Option<Event<'_>>, ProtocolError> {
        let Some(held) = &mut self.buffer else {
            return Ok(None);
        };
        let (unread, start) = held.buffer.inbox.unread_mut();
        let result = self.receiver.receive_any(unread).and_then(|received| {
            *start += received.consumed;
            let answered = match &received.event {
                Some(Event::Ping(payload)) => answer.with(|out| out.on_ping(payload)),
                Some(Event::Close(close)) => answer.with(|out| out.on_close(*close)),
                _ => Ok(()),
            };
            answered.map(|()| received.event)
        });
        if let Err(error) = result {
            self.receiver.fail(error);
            answer.with(|out| out.fail(error));
        }
        result
    }

    /// The next message or control frame, or what is needed for one.
    ///
    /// # Errors
    ///
    /// The violation of the protocol by the peer: final.
    #[inline(always)]
    pub fn step(&mut self, answer: &mut impl Answer) -> Result<Step<'_>, ProtocolError> {
        // The common cases first: one more whole message in what was read, or the end of it.
        if self.assembled == Assembled::Partly {
            if let Some(common) = self.common_frame() {
                return match self.hand_out(common, answer) {
                    Ok(message) => Ok(Step::Message(message)),
                    Err(error) => Err(error),
                };
            }
            if self.is_at_end() && answer.failed().is_none() {
                return Ok(Step::NeedData);
            }
        }
        self.step_any(answer)
    }

    #[inline(always)]
    fn common_frame(&self) -> Option<CommonFrame> {
        let held = self.buffer.as_ref()?;
        self.receiver.common_frame(held.buffer.inbox.unread())
    }

    /// Whether nothing is left of what was read, and nothing has begun.
    #[inline(always)]
    fn is_at_end(&self) -> bool {
        let inbox = self.buffer.as_ref().map(|held| &held.buffer.inbox);
        inbox.is_some_and(|inbox| inbox.is_empty()) && self.receiver.is_between_messages()
    }

    /// Not inlined, so that the common cases are.
    #[inline(never)]
    fn step_any(&mut self, answer: &mut impl Answer) -> Result<Step<'_>, ProtocolError> {
        Ok(match self.ready_any(answer)? {
            Ready::Message => self.message(answer)?.map_or(Step::NeedData, Step::Message),
            Ready::Control => self
                .receive_control(answer)?
                .map_or(Step::NeedData, Step::Control),
            Ready::NeedData => Step::NeedData,
            Ready::Closed => Step::Closed,
        })
    }

    /// Returns the meaning of having no more input.
    pub(super) fn starve(&self) -> Result<Ready, ProtocolError> {
        if let Some(error) = self.receiver.failed() {
            return Err(error);
        }
        Ok(if self.receiver.is_closed() {
            Ready::Closed
        } else {
            Ready::NeedData
        })
    }

    #[cold]
    pub(super) fn fail(&mut self, error: ProtocolError, answer: &mut impl Answer) -> ProtocolError {
        self.receiver.fail(error);
        answer.with(|out| out.fail(error));
        error
    }
}

const fn assembled(chunk: &Chunk<'_>) -> Assembled {
    match chunk.part {
        Part::More => Assembled::Partly,
        Part::Last => Assembled::Whole(chunk.kind),
    }
}

/// A message whose pieces are joined. What came in pieces was checked as they came; safe code has no
/// other way back to a `str`. What was inflated in one piece is checked here and only here.
fn joined(kind: Kind, bytes: &[u8]) -> Result<Message<'_>, ProtocolError> {
    Ok(match kind {
        Kind::Text => Message::Text(utf8::validate(bytes)?),
        Kind::Binary => Message::Binary(bytes),
    })
}
