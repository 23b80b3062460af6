//! Bytes to events: RFC 6455 §5.4 to §5.8 and §6.2, "Receiving Data".
//!
//! ```text
//!     Message, Ping, Pong: whole              Chunk               Ping, Pong
//!                ┌──────┐                    ┌──────┐             ┌──────┐
//!                ▼      │   header of a      ▼      │   end of    ▼      │
//!   ──────────▶ Start ──┴── longer frame ─▶ Payload ─┴─ a frame ▶ Continue
//!                │  ▲                        │   ▲               │  │
//!                │  └── end of the message ──┘   └── next header ┘  │
//!                ▼ Close                                            │ Close
//!              Closed ◀─────────────────────────────────────────────┘
//!                └─── end of stream ──▶ Ended           anything wrong, from anywhere: Failed
//! ```
//!
//! A frame is judged by its header alone, before a byte of its payload is looked at.
//!
//! # The short way
//!
//! Nearly every frame is a [common one](CommonFrame): a whole message below 64 KiB. It is received
//! in two steps, and nothing lies between them: `common_frame` looks, `receive_common` hands out.
//! They are two because a function that returns a borrowed message in one branch and goes on in
//! the other holds the borrow in both; a [`Session`](crate::Session) must go on. Both are inlined,
//! and everything else is kept out of line: 16 bytes take 87 instructions this way and 250 on
//! the long one, `receive_any`.
//!
//! A frame that is anything else, or wrong, or not whole yet, takes the long way. That one takes
//! common frames too and says the same of them: `tests/frames/header_table.rs` holds the two together
//! for all first two bytes and every cut.

use crate::close::Close;
use crate::closing::Peer;
use crate::common_frame::CommonFrame;
use crate::error::ProtocolError;
use crate::header::{Header, Kind, Opcode, Part};
use crate::limits::Limits;
use crate::message::{Event, Message, Received};
use crate::payload::{hand_out, max_deflated, unmask, whole_payload, within};
use crate::role::Role;
use crate::utf8::Utf8;

mod pieces;

use pieces::{Coding, Frame, Partial, receive_payload};

/// The receiving half of a connection: turns bytes into events, and answers nothing.
///
/// Alone it serves tools that watch a stream. [`Connection`](crate::Connection) joins it to a
/// [`Sender`](crate::Sender), which gives the answers that the RFC asks for.
#[derive(Debug)]
pub struct Receiver {
    role: Role,
    /// What the MASK bit of each frame must be: 0x80 or 0.
    mask_bit: u8,
    rsv1: Rsv1,
    max_message: u64,
    max_fragments: u32,
    state: State,
}

/// The position in the stream.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Between two messages.
    Start,
    /// Between two fragments of a message.
    Continue(Partial),
    /// Within the payload of a data frame.
    Payload(Partial, Frame),
    /// A Close was received: what follows is dropped.
    Closed,
    /// The stream has ended after a Close.
    Ended,
    /// The peer broke the protocol: final.
    Failed(ProtocolError),
}

impl State {
    /// After a frame of `message` that is this part of it.
    const fn after(message: Partial, part: Part) -> Self {
        match part {
            Part::More => Self::Continue(message),
            Part::Last => Self::Start,
        }
    }
}

/// What RSV1 means, which the opening handshake decides (§5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rsv1 {
    Reserved,
    /// On the first frame of a message: it is compressed (RFC 7692 §6).
    Compressed,
}

/// The most of a compressed message that is inflated at once when it is read in parts, in bytes. It
/// inflates to a thousand times as much at most: 1 MiB.
#[cfg(feature = "alloc")]
const DEFLATED: usize = 1 << 10;

/// The input must be longer before it means anything.
const STARVED: Received<'static> = Received {
    consumed: 0,
    event: None,
};

impl Receiver {
    /// The receiving half of an open connection.
    #[must_use]
    pub const fn new(role: Role, limits: &Limits) -> Self {
        Self {
            role,
            mask_bit: match role {
                Role::Server => 0x80,
                Role::Client => 0,
            },
            rsv1: Rsv1::Reserved,
            max_message: limits.max_message,
            max_fragments: if limits.max_fragments > 0 {
                limits.max_fragments
            } else {
                1
            },
            state: State::Start,
        }
    }

    /// Accepts compressed messages: see [`Connection::compressed`](crate::Connection::compressed).
    #[must_use]
    pub const fn compressed(mut self) -> Self {
        self.rsv1 = Rsv1::Compressed;
        self
    }

    /// Reads the next event from `input`, unmasking its payload in place. See
    /// [`Connection::receive`](crate::Connection::receive).
    ///
    /// # Errors
    ///
    /// The peer's first violation of the protocol; every later call returns it again.
    #[inline(always)]
    pub fn receive<'b>(&mut self, input: &'b mut [u8]) -> Result<Received<'b>, ProtocolError> {
        if let Some(common) = self.common_frame(input) {
            return Ok(Received {
                consumed: common.size(),
                event: Some(Event::Message(self.receive_common(common, input)?)),
            });
        }
        self.receive_any(input)
    }

    /// The first step of the short way: a common frame that may be received now.
    #[inline(always)]
    pub(crate) fn common_frame(&self, input: &[u8]) -> Option<CommonFrame> {
        if !self.is_between_messages() {
            return None;
        }
        CommonFrame::find(input, self.mask_bit, self.max_message)
    }

    /// The second step: hands out what [`common_frame`](Self::common_frame) has found.
    #[inline(always)]
    pub(crate) fn receive_common<'b>(
        &mut self,
        common: CommonFrame,
        input: &'b mut [u8],
    ) -> Result<Message<'b>, ProtocolError> {
        match common.message(input) {
            Ok(message) => Ok(message),
            Err(error) => {
                self.fail(error.into());
                Err(error.into())
            }
        }
    }

    /// Whether the next byte begins a message or a control frame.
    #[inline]
    pub(crate) const fn is_between_messages(&self) -> bool {
        matches!(self.state, State::Start)
    }

    /// Whether some of a message has been received, and the rest may come.
    #[cfg(feature = "alloc")]
    pub(crate) const fn is_within_message(&self) -> bool {
        matches!(self.state, State::Continue(_) | State::Payload(..))
    }

    /// The long way: any event, the common one too.
    #[inline(never)]
    pub(crate) fn receive_any<'b>(
        &mut self,
        input: &'b mut [u8],
    ) -> Result<Received<'b>, ProtocolError> {
        let result = match &mut self.state {
            State::Start | State::Continue(_) => self.receive_frame(input),
            State::Payload(message, frame) => {
                let received = receive_payload(message, frame, input, 0);
                if frame.remaining == 0 {
                    self.state = State::after(*message, frame.part);
                }
                received
            }
            // "an endpoint … MUST NOT … process any further data" (§7.1.1, §5.5.1)
            State::Closed | State::Ended => Ok(Received {
                consumed: input.len(),
                event: None,
            }),
            State::Failed(error) => Err(*error),
        };
        if let Err(error) = result {
            self.fail(error);
        }
        result
    }

    /// Reports the end of the stream. See
    /// [`Connection::receive_eof`](crate::Connection::receive_eof).
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](ProtocolError::UnexpectedEof) if no Close was received before.
    pub fn receive_eof(&mut self) -> Result<(), ProtocolError> {
        match self.state {
            State::Start | State::Continue(_) | State::Payload(..) => {
                self.fail(ProtocolError::UnexpectedEof);
            }
            State::Closed | State::Ended => self.state = State::Ended,
            State::Failed(_) => {}
        }
        self.failed().map_or(Ok(()), Err)
    }

    /// The number of payload bytes of the current data frame that are still to come, if they are
    /// the message's own: not if it is compressed. That many of the next bytes of the stream are
    /// payload and nothing else.
    #[inline]
    #[must_use]
    pub const fn payload_remaining(&self) -> u64 {
        match &self.state {
            State::Payload(message, frame) if matches!(message.coding, Coding::Plain) => {
                frame.remaining
            }
            _ => 0,
        }
    }

    /// The kind of the message of which some has been received.
    #[cfg(feature = "alloc")]
    pub(crate) const fn kind(&self) -> Option<Kind> {
        match &self.state {
            State::Continue(message) | State::Payload(message, _) => Some(message.kind),
            _ => None,
        }
    }

    /// How many bytes of `input` to receive at once of a message that is read in parts: the header of
    /// a frame without its payload, and of compressed payload little, which may inflate to much.
    #[cfg(feature = "alloc")]
    pub(crate) fn part_len(&self, input: &[u8]) -> usize {
        match &self.state {
            State::Start | State::Continue(_) => match Header::decode(input) {
                Ok(Some((header, size))) if !header.opcode().is_control() => size,
                _ => input.len(),
            },
            State::Payload(message, _) if matches!(message.coding, Coding::Deflated) => {
                input.len().min(DEFLATED)
            }
            _ => input.len(),
        }
    }

    /// Whether [`receive`](Self::receive) would read a whole message, or find fault with one.
    #[inline]
    #[must_use]
    pub fn holds_message(&self, input: &[u8]) -> bool {
        if self.common_frame(input).is_some() {
            return true;
        }
        match self.holds(input) {
            Some(header) => !header.opcode().is_control(),
            None => false,
        }
    }

    /// Whether [`receive`](Self::receive) would read a Ping, Pong or Close.
    #[inline]
    #[must_use]
    pub fn holds_control(&self, input: &[u8]) -> bool {
        match self.holds(input) {
            Some(header) => header.opcode().is_control(),
            None => false,
        }
    }

    /// The header of the control frame or unfragmented message that lies whole in `input`.
    #[inline]
    pub(crate) fn holds(&self, input: &[u8]) -> Option<Header> {
        let begun = match self.state {
            State::Start => false,
            State::Continue(_) => true,
            _ => return None,
        };
        let (header, size) = Header::decode(input).ok()??;
        let whole = header.is_final()
            && !header.rsv1()
            && (header.opcode().is_control() || !begun)
            && header.payload_len() <= (input.len() - size) as u64;
        whole.then_some(header)
    }

    /// Whether a Close was received, so that nothing else will be.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed | State::Ended)
    }

    /// Whether the stream has ended, cleanly or not.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(
            self.state,
            State::Ended | State::Failed(ProtocolError::UnexpectedEof)
        )
    }

    /// The error that ended it, if one did.
    #[must_use]
    pub const fn failed(&self) -> Option<ProtocolError> {
        match self.state {
            State::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// The role: server or client.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    #[cfg(feature = "deflate")]
    pub(crate) const fn max_message(&self) -> u64 {
        self.max_message
    }

    #[cfg(feature = "deflate")]
    pub(crate) const fn take_compressed(&mut self) {
        self.rsv1 = Rsv1::Compressed;
    }

    /// The peer's end as far as it is known, except for the code of its Close.
    pub(crate) const fn peer(&self) -> Peer {
        match self.state {
            State::Start | State::Continue(_) | State::Payload(..) => Peer::Open,
            State::Closed => Peer::Closed(None),
            State::Ended => Peer::Ended(None),
            State::Failed(error) => Peer::Failed(error),
        }
    }

    /// Ends receiving with `error`.
    #[cold]
    pub(crate) fn fail(&mut self, error: ProtocolError) {
        if self.failed().is_none() {
            self.state = State::Failed(error);
        }
    }

    #[inline]
    fn receive_frame<'b>(&mut self, input: &'b mut [u8]) -> Result<Received<'b>, ProtocolError> {
        let Some((header, size)) = Header::decode(input)? else {
            return Ok(STARVED);
        };
        // "The server MUST close the connection upon receiving a frame that is not masked. …
        // A client MUST close a connection if it detects a masked frame." (§5.1)
        match (self.role, header.mask()) {
            (Role::Server, None) => return Err(ProtocolError::MaskMissing),
            (Role::Client, Some(_)) => return Err(ProtocolError::MaskForbidden),
            (Role::Server, Some(_)) | (Role::Client, None) => {}
        }
        let coding = match (header.rsv1(), self.rsv1, header.opcode()) {
            (false, _, _) => Coding::Plain,
            // "An endpoint MUST NOT set the "Per-Message Compressed" bit of control frames and
            // non-first fragments of a data message." (RFC 7692 §6)
            (true, Rsv1::Compressed, Opcode::Text | Opcode::Binary) => Coding::Deflated,
            (true, _, _) => return Err(ProtocolError::ReservedBit),
        };
        let kind = match header.opcode() {
            Opcode::Text => Some(Kind::Text),
            Opcode::Binary => Some(Kind::Binary),
            Opcode::Continuation => None,
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                return self.receive_control(&header, input, size);
            }
        };
        let mut message = match (kind, self.state) {
            (None, State::Continue(message)) => message,
            (None, _) => return Err(ProtocolError::UnexpectedContinuation),
            (Some(_), State::Continue(_)) => return Err(ProtocolError::ExpectedContinuation),
            (Some(kind), _) => Partial {
                kind,
                coding,
                len: 0,
                fragments: 0,
                utf8: Utf8::new(),
            },
        };
        let max = match message.coding {
            Coding::Plain => self.max_message,
            Coding::Deflated => max_deflated(self.max_message),
        };
        // The subtraction cannot wrap: `len` never passes the limit.
        if header.payload_len() > max - message.len {
            let limit = self.max_message;
            return Err(ProtocolError::MessageTooBig { limit });
        }
        if message.fragments >= self.max_fragments {
            let limit = self.max_fragments;
            return Err(ProtocolError::TooManyFragments { limit });
        }
        if let Some(len) = whole_payload(&header, input, size)
            && header.is_final()
            && message.fragments == 0
            && message.coding == Coding::Plain
        {
            let payload = within(input, size, size + len);
            let message = hand_out(message.kind, header.mask(), payload)?;
            return Ok(Received {
                consumed: size + len,
                event: Some(Event::Message(message)),
            });
        }
        message.len += header.payload_len();
        message.fragments += 1;
        let mut frame = Frame {
            remaining: header.payload_len(),
            mask: header.mask(),
            part: if header.is_final() {
                Part::Last
            } else {
                Part::More
            },
        };
        let received = receive_payload(&mut message, &mut frame, input, size)?;
        self.state = if frame.remaining == 0 {
            State::after(message, frame.part)
        } else {
            State::Payload(message, frame)
        };
        Ok(received)
    }

    fn receive_control<'b>(
        &mut self,
        header: &Header,
        input: &'b mut [u8],
        size: usize,
    ) -> Result<Received<'b>, ProtocolError> {
        // It waits until it is whole: at most 6 + 125 bytes are held.
        let Some(len) = whole_payload(header, input, size) else {
            return Ok(STARVED);
        };
        let payload = unmask(header.mask(), within(input, size, size + len));
        let event = match header.opcode() {
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            _ => {
                let close = Close::decode(payload)?;
                self.state = State::Closed;
                Event::Close(close)
            }
        };
        Ok(Received {
            consumed: size + len,
            event: Some(event),
        })
    }
}
