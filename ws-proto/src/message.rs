//! The vocabulary of sending and receiving (RFC 6455 §5.4 to §5.6).

use core::fmt;

use crate::close::Close;
#[cfg(feature = "alloc")]
use crate::error::ProtocolError;
use crate::header::{Kind, Part};
use crate::quiet::{Length, show};

/// A message, borrowed: the currency of every layer.
///
/// Text and bytes convert into it, so `send("hello")` sends text and `send(&[1, 2, 3])` binary.
///
/// ```
/// use ws_proto::Message;
///
/// assert_eq!(Message::from("hello"), Message::Text("hello"));
/// assert_eq!(Message::from(b"\x00\x01"), Message::Binary(&[0, 1]));
/// ```
///
/// `Debug` shows the length of the payload, never its content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text message: valid UTF-8, checked.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// The kind.
    #[inline]
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// The payload as bytes, whatever the kind.
    #[inline]
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The text of a text message.
    #[inline]
    #[must_use]
    pub const fn as_text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// Copies the message if there is memory: the peer decides how much that takes.
    #[cfg(feature = "alloc")]
    pub(crate) fn try_to_owned(&self) -> Result<MessageBuf, ProtocolError> {
        let starved = |_| ProtocolError::OutOfMemory;
        Ok(match self {
            Self::Text(text) => {
                let mut owned = alloc::string::String::new();
                owned.try_reserve_exact(text.len()).map_err(starved)?;
                owned.push_str(text);
                MessageBuf::Text(owned)
            }
            Self::Binary(bytes) => {
                let mut owned = alloc::vec::Vec::new();
                owned.try_reserve_exact(bytes.len()).map_err(starved)?;
                owned.extend_from_slice(bytes);
                MessageBuf::Binary(owned)
            }
        })
    }

    /// Copies the message, payload included.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn to_owned(&self) -> MessageBuf {
        match *self {
            Self::Text(text) => MessageBuf::Text(text.into()),
            Self::Binary(bytes) => MessageBuf::Binary(bytes.into()),
        }
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Text(_) => "Text",
            Self::Binary(_) => "Binary",
        };
        show(f, name, self.as_bytes().len())
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Binary(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Binary(bytes)
    }
}

#[cfg(feature = "alloc")]
mod owned {
    use alloc::string::String;
    use alloc::vec::Vec;
    use core::fmt;

    use super::Message;

    /// A message that owns its payload.
    ///
    /// `Debug` shows the length of the payload, never its content.
    #[derive(Clone, PartialEq, Eq)]
    pub enum MessageBuf {
        /// A text message.
        Text(String),
        /// A binary message.
        Binary(Vec<u8>),
    }

    impl MessageBuf {
        /// The message, borrowed.
        #[inline]
        #[must_use]
        pub fn as_message(&self) -> Message<'_> {
            match self {
                Self::Text(text) => Message::Text(text),
                Self::Binary(bytes) => Message::Binary(bytes),
            }
        }
    }

    impl fmt::Debug for MessageBuf {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.as_message().fmt(f)
        }
    }

    impl<'a> From<&'a MessageBuf> for Message<'a> {
        fn from(message: &'a MessageBuf) -> Self {
            message.as_message()
        }
    }

    impl From<Message<'_>> for MessageBuf {
        fn from(message: Message<'_>) -> Self {
            message.to_owned()
        }
    }

    impl<'a> From<&'a String> for Message<'a> {
        fn from(text: &'a String) -> Self {
            Self::Text(text)
        }
    }

    impl<'a> From<&'a Vec<u8>> for Message<'a> {
        fn from(bytes: &'a Vec<u8>) -> Self {
            Self::Binary(bytes)
        }
    }
}

#[cfg(feature = "alloc")]
pub use owned::MessageBuf;

/// A piece of a message that did not lie whole in the input: of a fragmented one, or of one
/// that arrives in several reads.
///
/// Text has been checked as far as it goes, but a character may be cut by the end of a piece.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'b> {
    /// The kind of the message.
    pub kind: Kind,
    /// The next bytes of its payload: empty at the end of an empty fragment.
    pub payload: &'b [u8],
    /// Whether the message ends with them.
    pub part: Part,
}

/// An event that was received. It borrows the input, where its payload was unmasked in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Event<'b> {
    /// A message, whole.
    Message(Message<'b>),
    /// A piece of a message.
    Chunk(Chunk<'b>),
    /// A piece of a compressed message, to be inflated (RFC 7692 §7.2.2); only where
    /// [compression was agreed on](crate::Connection::compressed). Text is not checked yet.
    Deflated(Chunk<'b>),
    /// A Ping with its payload, at most 125 bytes. The Pong is queued already.
    Ping(&'b [u8]),
    /// A Pong with its payload: the answer to a Ping, or a heartbeat.
    Pong(&'b [u8]),
    /// A Close, and what it said. The answer is queued already; no event follows.
    Close(Option<Close<'b>>),
}

/// The outcome of a call to `receive`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the consumed bytes must not be presented again"]
pub struct Received<'b> {
    /// How many bytes of the input were used. Never present them again; present the rest, followed
    /// by what arrives next.
    pub consumed: usize,
    /// The event that they make up. `None` asks for more input.
    pub event: Option<Event<'b>>,
}

impl fmt::Debug for Chunk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk")
            .field("kind", &self.kind)
            .field("payload", &Length(self.payload.len()))
            .field("part", &self.part)
            .finish()
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => f.debug_tuple("Message").field(message).finish(),
            Self::Chunk(chunk) => f.debug_tuple("Chunk").field(chunk).finish(),
            Self::Deflated(chunk) => f.debug_tuple("Deflated").field(chunk).finish(),
            Self::Ping(payload) => show(f, "Ping", payload.len()),
            Self::Pong(payload) => show(f, "Pong", payload.len()),
            Self::Close(close) => f.debug_tuple("Close").field(close).finish(),
        }
    }
}
