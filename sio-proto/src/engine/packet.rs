//! Packets: Engine.IO 4, "Packet encoding". Pure codecs, no state.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ws_proto::Message;

use super::error::ProtocolError;

/// The content of a message: binary that came as base64 is owned, everything else is borrowed.
///
/// `Debug` shows lengths only.
#[derive(Clone, PartialEq, Eq)]
pub enum Data<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(Cow<'a, [u8]>),
}

impl Data<'_> {
    /// The content, borrowed.
    #[must_use]
    pub fn as_message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(bytes) => Message::Binary(bytes),
        }
    }
}

impl<'a> From<Message<'a>> for Data<'a> {
    fn from(message: Message<'a>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text),
            Message::Binary(bytes) => Self::Binary(Cow::Borrowed(bytes)),
        }
    }
}

impl fmt::Debug for Data<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

/// An Engine.IO packet.
///
/// | | as text | on a WebSocket |
/// |---|---|---|
/// | a message of bytes | `b` and base64, no type | a binary message of the bare bytes |
/// | any other | the digit of its type, then its data | the same |
///
/// `Debug` shows lengths only: the data of an [`Open`](Self::Open) is a secret.
///
/// ```
/// use sio_proto::engine::{Data, Packet};
/// use ws_proto::Message;
///
/// let packet = Packet::decode(Message::Text("4hello"))?;
/// assert_eq!(packet, Packet::Message(Data::Text("hello")));
///
/// let mut text = String::new();
/// Packet::Message(Data::Binary([1, 2, 3, 4][..].into())).encode_text(&mut text);
/// assert_eq!(text, "bAQIDBA==");
/// # Ok::<(), sio_proto::engine::ProtocolError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `0`: the session begins; its data is the JSON of an [`Open`](super::Open). From servers only.
    Open(&'a str),
    /// `1`: the session ends.
    Close,
    /// `2`: a server asks whether the client is still there. Clients send only `2probe`.
    Ping(&'a str),
    /// `3`: the answer, with the data of the ping.
    Pong(&'a str),
    /// `4`, or `b`, or a binary message: a message of the application.
    Message(Data<'a>),
    /// `5`: from now on this WebSocket carries the session. From clients only.
    Upgrade,
    /// `6`: nothing, to end a request that is held.
    Noop,
}

impl<'a> Packet<'a> {
    /// The data of the ping and the pong that test a WebSocket.
    pub const PROBE: &'static str = "probe";

    /// Reads a packet from a message of a WebSocket.
    ///
    /// # Errors
    ///
    /// As [`decode_text`](Self::decode_text); any binary message is a packet.
    pub fn decode(frame: Message<'a>) -> Result<Self, ProtocolError> {
        match frame {
            Message::Text(text) => Self::decode_text(text),
            Message::Binary(_) => Ok(Self::Message(frame.into())),
        }
    }

    /// Reads a packet from text: one of a polling body, or a text message of a WebSocket. What
    /// follows the digit of a packet without data is ignored, as the reference does.
    ///
    /// # Errors
    ///
    /// [`Empty`](ProtocolError::Empty), [`UnknownType`](ProtocolError::UnknownType) or
    /// [`Base64`](ProtocolError::Base64).
    pub fn decode_text(text: &'a str) -> Result<Self, ProtocolError> {
        let data = text.get(1..).unwrap_or_default();
        Ok(match text.as_bytes().first().ok_or(ProtocolError::Empty)? {
            b'0' => Self::Open(data),
            b'1' => Self::Close,
            b'2' => Self::Ping(data),
            b'3' => Self::Pong(data),
            b'4' => Self::Message(Data::Text(data)),
            b'5' => Self::Upgrade,
            b'6' => Self::Noop,
            b'b' => {
                let bytes = STANDARD.decode(data);
                let bytes = bytes.map_err(|_| ProtocolError::Base64)?;
                Self::Message(Data::Binary(bytes.into()))
            }
            _ => return Err(ProtocolError::UnknownType),
        })
    }

    /// Appends the packet as text.
    pub fn encode_text(&self, out: &mut String) {
        let (digit, data) = match self {
            Self::Open(data) => ('0', *data),
            Self::Close => ('1', ""),
            Self::Ping(data) => ('2', *data),
            Self::Pong(data) => ('3', *data),
            Self::Message(Data::Text(text)) => ('4', *text),
            Self::Message(Data::Binary(bytes)) => return encode_base64(bytes, out),
            Self::Upgrade => ('5', ""),
            Self::Noop => ('6', ""),
        };
        out.push(digit);
        out.push_str(data);
    }
}

impl fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(data) => write!(f, "Open({} bytes)", data.len()),
            Self::Close => f.write_str("Close"),
            Self::Ping(data) => write!(f, "Ping({} bytes)", data.len()),
            Self::Pong(data) => write!(f, "Pong({} bytes)", data.len()),
            Self::Message(data) => f.debug_tuple("Message").field(data).finish(),
            Self::Upgrade => f.write_str("Upgrade"),
            Self::Noop => f.write_str("Noop"),
        }
    }
}

/// Bytes as the text of a packet.
pub(super) fn encode_base64(bytes: &[u8], out: &mut String) {
    out.push('b');
    STANDARD.encode_string(bytes, out);
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn what_is_shown_for_debugging_has_no_data() {
        for text in ["0{\"sid\":\"secret\"}", "4secret", "2secret", "3secret"] {
            let packet = Packet::decode_text(text).unwrap();
            assert!(!alloc::format!("{packet:?}").contains("secret"));
        }
    }

    #[test]
    fn a_character_of_many_bytes_is_no_type() {
        for text in ["€", "é4", "\u{0}"] {
            assert_eq!(Packet::decode_text(text), Err(ProtocolError::UnknownType));
        }
    }

    #[test]
    fn base64_is_taken_as_encoders_write_it_and_not_otherwise() {
        for (text, bytes) in [("b", &[][..]), ("bAQI=", &[1, 2]), ("b+/8=", &[0xFB, 0xFF])] {
            let packet = Packet::decode_text(text).unwrap();
            assert_eq!(packet, Packet::Message(Data::Binary(bytes.into())));
            let mut again = String::new();
            packet.encode_text(&mut again);
            assert_eq!(again, text);
        }
        for text in ["bAQI", "bAQI==", "bAQJ=", "b-_8=", "bA", "b AQI=", "b€"] {
            assert_eq!(
                Packet::decode_text(text),
                Err(ProtocolError::Base64),
                "{text}"
            );
        }
    }
}
