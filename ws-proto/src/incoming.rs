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

use crate::buffers::{self, Buffers, Place, ReadBuffer};
use crate::closing::Peer;
use crate::common_frame::CommonFrame;
#[cfg(feature = "deflate")]
use crate::deflate::Inflater;
use crate::error::ProtocolError;
use crate::header::{Kind, Part};
use crate::inbox::Inbox;
use crate::limits::Limits;
use crate::liveness::{Instant, Verdict};
use crate::message::{Chunk, Event, Message, MessageBuf};
use crate::outgoing::Outgoing;
use crate::receiver::Receiver;
use crate::step::{Ready, Step};
use crate::utf8;

/// The way to the [`Outgoing`] half, for what is received and has to be answered: a Ping, a Close, a
/// violation. It is taken for nothing else, so that a lock on that half is free while messages are
/// received.
///
/// For one thread it is the half itself. For two it is a lock:
///
/// ```
/// use std::sync::{Mutex, PoisonError};
/// use ws_proto::{Answer, Config, Outgoing, Session};
///
/// struct Locked<'a>(&'a Mutex<Outgoing>);
///
/// impl Answer for Locked<'_> {
///     fn with<T>(&mut self, answer: impl FnOnce(&mut Outgoing) -> T) -> T {
///         answer(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
///     }
/// }
///
/// let (mut incoming, outgoing) = Session::server(&Config::default()).split();
/// let outgoing = Mutex::new(outgoing);
/// incoming.push(b"\x89\x80\0\0\0\0"); // a Ping
/// let _ = incoming.step(&mut Locked(&outgoing))?;
/// assert_eq!(outgoing.lock().unwrap().unsent(), b"\x8A\x00"); // the Pong
/// # Ok::<(), ws_proto::ProtocolError>(())
/// ```
pub trait Answer {
    /// Calls `answer` with the other half.
    fn with<T>(&mut self, answer: impl FnOnce(&mut Outgoing) -> T) -> T;

    /// What the other half has failed with, if that can be seen without waiting for a lock. Asked
    /// when there is nothing to receive.
    fn failed(&mut self) -> Option<ProtocolError> {
        None
    }
}

impl Answer for Outgoing {
    #[inline]
    fn with<T>(&mut self, answer: impl FnOnce(&mut Self) -> T) -> T {
        answer(self)
    }

    #[inline]
    fn failed(&mut self) -> Option<ProtocolError> {
        self.failure()
    }
}

/// Collects what is received and hands out messages.
///
/// The messages it hands out do not borrow the other half, so that they can be replied to while
/// they are held.
#[derive(Debug)]
pub struct Incoming {
    receiver: Receiver,
    buffer: Place<ReadBuffer>,
    read_buffer: u32,
    /// What [`ready`](Self::ready) found, for [`message`](Self::message) to hand out.
    found: Option<CommonFrame>,
    assembled: Assembled,
    received: Received,
    #[cfg(feature = "deflate")]
    inflater: Option<Box<Inflater>>,
}

/// How far the message in pieces is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Assembled {
    /// Not complete, or there is none.
    Partly,
    /// There is none, and a [common frame](CommonFrame) was found.
    Found,
    /// Complete.
    Whole(Kind),
    /// Handed out: to be forgotten at the next step.
    HandedOut,
}

/// Whether bytes came since the clock was looked at.
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

    /// Where to read from the transport to: never empty. A large message is read straight into
    /// its own buffer, everything else into the inbox.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](ProtocolError::OutOfMemory): the next step says so too, and tells the peer.
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
                if direct == 0 {
                    inbox.spare_mut(size)
                } else {
                    // For a header alone no more than an inbox is at first.
                    let begun = message.len() >= size / 8;
                    message.spare_mut(direct, size / if begun { 1 } else { 4 })
                }
            }
        };
        if let Err(error) = spare {
            self.receiver.fail(error);
        }
        spare
    }

    /// The first `len` bytes of [`spare_mut`](Self::spare_mut) were read.
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

    /// The stream has ended. Step until data is needed first: what is unread then is the start of
    /// something that will not be completed.
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

    /// Goes on as far as it can without handing anything out; says what is next.
    ///
    /// # Errors
    ///
    /// How the peer broke the protocol: final.
    #[inline]
    pub fn ready(&mut self, answer: &mut impl Answer) -> Result<Ready, ProtocolError> {
        // The common cases, as in `step`.
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

    /// What [`ready`](Self::ready) does in this half: everything but telling the other of an error.
    fn advance(&mut self) -> Result<Ready, ProtocolError> {
        match self.assembled {
            Assembled::Partly => {}
            Assembled::Found | Assembled::Whole(_) => return Ok(Ready::Message),
            Assembled::HandedOut => self.forget(),
        }
        let Some(held) = &mut self.buffer else {
            return self.starve();
        };
        let ReadBuffer { inbox, message } = &mut held.buffer;
        // What was read straight into the message goes through the receiver where it lies.
        if message.unchecked() > 0 {
            let received = self.receiver.receive_any(message.unchecked_mut())?;
            if let Some(Event::Chunk(chunk)) = received.event {
                self.assembled = assembled(&chunk);
            }
            message.all_checked();
        }
        loop {
            if let Assembled::Whole(_) = self.assembled {
                return Ok(Ready::Message);
            }
            let unread = inbox.unread();
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

    /// The next message, if [`ready`](Self::ready) says that there is one.
    ///
    /// # Errors
    ///
    /// How the peer broke the protocol: final.
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
        // It lies in a buffer, and so there is one.
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

    /// The next message with its own memory, if there is one: one that was assembled is moved out
    /// and not copied.
    ///
    /// # Errors
    ///
    /// How the peer broke the protocol: final.
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
    /// How the peer broke the protocol: final.
    pub fn control(
        &mut self,
        answer: &mut impl Answer,
    ) -> Result<Option<Event<'_>>, ProtocolError> {
        let Some(held) = &mut self.buffer else {
            return Ok(None);
        };
        let inbox = &mut held.buffer.inbox;
        if !self.receiver.holds_control(inbox.unread()) {
            return Ok(None);
        }
        let (unread, start) = inbox.unread_mut();
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
    /// How the peer broke the protocol: final.
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
            Ready::Control => self.control(answer)?.map_or(Step::NeedData, Step::Control),
            Ready::NeedData => Step::NeedData,
            Ready::Closed => Step::Closed,
        })
    }

    /// Uses `buffers` to receive into from now on, and takes what was received in them already. What
    /// is left over from before goes before that. Messages handed out before are forgotten.
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
    pub fn detach(&mut self, buffers: &mut Buffers) {
        self.forget_handed_out();
        buffers.read = buffers::detach(&mut self.buffer);
    }

    /// Gives back what memory is not in use.
    pub fn release(&mut self) {
        self.forget_handed_out();
        if let Some(held) = &mut self.buffer {
            let ReadBuffer { inbox, message } = &mut held.buffer;
            message.release();
            if inbox.is_empty() && message.is_empty() {
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

    /// What was received and is not consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        match &self.buffer {
            Some(held) => held.buffer.inbox.unread(),
            None => &[],
        }
    }

    /// Whether a message was begun and is not handed out.
    pub(crate) const fn is_within_message(&self) -> bool {
        self.receiver.is_within_message() || matches!(self.assembled, Assembled::Whole(_))
    }

    pub(crate) const fn peer(&self) -> Peer {
        self.receiver.peer()
    }

    pub(crate) fn into_receiver(self) -> Receiver {
        self.receiver
    }

    /// Payload bytes of the message that may be read straight into it: 0 unless there are many, and
    /// nothing comes before them.
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

    /// There is nothing to go on with.
    fn starve(&self) -> Result<Ready, ProtocolError> {
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
    fn fail(&mut self, error: ProtocolError, answer: &mut impl Answer) -> ProtocolError {
        self.receiver.fail(error);
        answer.with(|out| out.fail(error));
        error
    }

    fn forget_handed_out(&mut self) {
        match self.assembled {
            Assembled::HandedOut => self.forget(),
            // Its place may change.
            Assembled::Found => self.assembled = Assembled::Partly,
            Assembled::Partly | Assembled::Whole(_) => {}
        }
    }

    fn forget(&mut self) {
        if let Some(held) = &mut self.buffer {
            held.buffer.message.clear();
        }
        self.assembled = Assembled::Partly;
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
