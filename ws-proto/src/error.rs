//! Errors, by blame: the peer broke the protocol, or the application asked for what is not allowed.
//!
//! A clean close is not an error. Those of the opening handshake are in
//! [`handshake`](crate::handshake), by blame too.

use core::fmt;

use thiserror::Error;

use crate::close_code::CloseCode;
use crate::utf8::InvalidUtf8;

/// The peer broke the protocol, or exceeded one of our limits. The connection has failed (RFC 6455
/// §7.1.7): the error is final, and every later call returns it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A reserved bit is set that no extension has given a meaning (§5.2).
    ReservedBit,
    /// A reserved opcode: 3 to 7 or 11 to 15 (§5.2).
    ReservedOpcode,
    /// A control frame in fragments (§5.5).
    FragmentedControl,
    /// A control frame with more than 125 bytes (§5.5).
    ControlTooLong,
    /// A length that is not minimally encoded (§5.2).
    NonMinimalLength,
    /// A length of 2^63 or more (§5.2).
    LengthTooLarge,
    /// A client sent a frame without a mask (§5.1).
    MaskMissing,
    /// A server sent a frame with a mask (§5.1).
    MaskForbidden,
    /// A continuation frame while no message is in progress (§5.4).
    UnexpectedContinuation,
    /// A new message within the fragments of another (§5.4).
    ExpectedContinuation,
    /// The payload of a Close is one byte (§5.5.1).
    CloseTooShort,
    /// A Close with a code that may not travel (§7.4).
    InvalidCloseCode(u16),
    /// Text, or the reason of a Close, is not UTF-8 (§8.1).
    InvalidUtf8,
    /// A compressed message whose payload is not valid DEFLATE (RFC 7692 §7.2.2).
    InvalidDeflate,
    /// A message longer than [`Limits::max_message`](crate::Limits::max_message) (§10.4).
    MessageTooBig {
        /// The limit in force, in bytes.
        limit: u64,
    },
    /// A message in more fragments than [`Limits::max_fragments`](crate::Limits::max_fragments)
    /// (§10.4).
    TooManyFragments {
        /// The limit in force.
        limit: u32,
    },
    /// Out of memory within the limits: for a message, or to answer a Ping or a Close. If there is
    /// no memory for a Close either, none is sent.
    OutOfMemory,
    /// The stream ended without a Close: what the RFC calls 1006 (§7.1.5).
    UnexpectedEof,
}

impl ProtocolError {
    /// Returns the code of the Close that reports this to the peer (§7.4.1). `None` if the stream
    /// has ended: no peer is left to read it.
    #[must_use]
    pub const fn close_code(self) -> Option<CloseCode> {
        Some(match self {
            Self::ReservedBit
            | Self::ReservedOpcode
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::NonMinimalLength
            | Self::LengthTooLarge
            | Self::MaskMissing
            | Self::MaskForbidden
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation
            | Self::CloseTooShort
            | Self::InvalidCloseCode(_) => CloseCode::PROTOCOL,
            Self::InvalidUtf8 | Self::InvalidDeflate => CloseCode::INVALID_PAYLOAD,
            Self::MessageTooBig { .. } => CloseCode::TOO_BIG,
            Self::TooManyFragments { .. } => CloseCode::POLICY,
            Self::OutOfMemory => CloseCode::INTERNAL,
            Self::UnexpectedEof => return None,
        })
    }

    /// Returns whether the peer only exceeded one of our limits, and broke no rule of the protocol.
    #[must_use]
    pub const fn is_limit(self) -> bool {
        matches!(
            self,
            Self::MessageTooBig { .. } | Self::TooManyFragments { .. }
        )
    }

    /// Returns the reason in that Close: short, and the same for every value of a variant.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::ReservedBit => "reserved bit set",
            Self::ReservedOpcode => "reserved opcode",
            Self::FragmentedControl => "fragmented control frame",
            Self::ControlTooLong => "control frame over 125 bytes",
            Self::NonMinimalLength => "length not minimally encoded",
            Self::LengthTooLarge => "length of 2^63 or more",
            Self::MaskMissing => "unmasked frame from client",
            Self::MaskForbidden => "masked frame from server",
            Self::UnexpectedContinuation => "continuation frame outside a message",
            Self::ExpectedContinuation => "new message before the previous one ended",
            Self::CloseTooShort => "close payload of one byte",
            Self::InvalidCloseCode(_) => "invalid close code",
            Self::InvalidUtf8 => "invalid UTF-8",
            Self::InvalidDeflate => "invalid compressed data",
            Self::MessageTooBig { .. } => "message too big",
            Self::TooManyFragments { .. } => "too many fragments",
            Self::OutOfMemory => "out of memory",
            Self::UnexpectedEof => "connection ended without a close frame",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())?;
        match self {
            Self::InvalidCloseCode(code) => write!(f, " ({code})"),
            Self::MessageTooBig { limit } => write!(f, " (Limits::max_message is {limit} bytes)"),
            Self::TooManyFragments { limit } => write!(f, " (Limits::max_fragments is {limit})"),
            _ => Ok(()),
        }
    }
}

impl From<InvalidUtf8> for ProtocolError {
    fn from(_: InvalidUtf8) -> Self {
        Self::InvalidUtf8
    }
}

/// The application asked for something that is not allowed, or not now. Nothing was sent, and the
/// connection is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum SendError {
    /// A Close is on its way or the connection is over: nothing may follow (RFC 6455 §5.5.1).
    #[error("the connection is closing or closed")]
    Closed,
    /// The fragments of another message are being sent (§5.4).
    #[error("a fragmented message is in progress")]
    MessageInProgress,
    /// A Ping or Pong with more than 125 bytes (§5.5).
    #[error("control frame payload exceeds 125 bytes")]
    ControlTooLong,
    /// The reason of a Close with more than 123 bytes (§5.5.1).
    #[error("close reason exceeds 123 bytes")]
    ReasonTooLong,
    /// A payload of 2^63 bytes or more (§5.2).
    #[error("frame payload is 2^63 bytes or longer")]
    PayloadTooLong,
    /// What is written to a text message is not UTF-8, or ends within a character (§8.1).
    #[error("text is not valid UTF-8")]
    NotUtf8,
    /// The output is too short for the frame.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// There is no memory to queue it in.
    #[error("out of memory")]
    OutOfMemory,
    /// The peer reads more slowly than we send: [`Limits::max_unsent`](crate::Limits::max_unsent)
    /// bytes or more already wait.
    #[error("send queue is full (Limits::max_unsent is {limit} bytes)")]
    Full {
        /// The limit in force, in bytes.
        limit: usize,
    },
}

/// The application asked for a frame header that RFC 6455 does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// A control frame with more than 125 bytes (§5.5).
    #[error("control frame payload exceeds 125 bytes")]
    ControlTooLong,
    /// A control frame in fragments (§5.5).
    #[error("control frames cannot be fragmented")]
    FragmentedControl,
    /// A payload of 2^63 bytes or more (§5.2).
    #[error("frame payload is 2^63 bytes or longer")]
    LengthTooLarge,
    /// Only the first frame of a message can be marked as compressed (RFC 7692 §6).
    #[error("only the first frame of a message can be marked as compressed")]
    NotFirst,
}

/// The output buffer is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("output buffer too short: {needed} bytes needed")]
pub struct NoRoom {
    /// How many bytes the whole output takes.
    pub needed: usize,
}
