//! The head of a packet: Socket.IO 5, "Packet encoding". A pure codec, no state.
//!
//! ```text
//!   type  [count "-"]  [namespace ","]  [id]  [JSON]
//!   5     2-           /chat,           17    ["name",{"_placeholder":true,"num":0},…]
//! ```

use alloc::string::String;
use core::fmt::{self, Write};

use crate::error::PacketError;

/// The types of packets. The value of each is its digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Asks to join a namespace, or accepts a client into it.
    Connect = 0,
    /// Leaves a namespace, from either side.
    Disconnect = 1,
    /// An event.
    Event = 2,
    /// The acknowledgement of an event.
    Ack = 3,
    /// Refuses to let a client join.
    ConnectError = 4,
    /// An event with attachments.
    BinaryEvent = 5,
    /// An acknowledgement with attachments.
    BinaryAck = 6,
}

impl Kind {
    /// Whether attachments follow.
    #[must_use]
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }
}

/// The head of a packet, and the JSON after it, which is not parsed.
///
/// `Debug` shows the length of the JSON only.
///
/// ```
/// use sio_proto::{Header, Kind};
///
/// let text = r#"52-/chat,17["name",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
/// let header = Header::decode(text)?;
/// assert_eq!((header.kind, header.attachments), (Kind::BinaryEvent, 2));
/// assert_eq!((header.namespace, header.id), ("/chat", Some(17)));
/// assert!(header.payload.starts_with("[\"name\""));
///
/// let mut again = String::new();
/// header.encode(&mut again);
/// assert_eq!(again, text);
/// # Ok::<(), sio_proto::PacketError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The type.
    pub kind: Kind,
    /// How many binary messages follow: none, unless the kind says so.
    pub attachments: u32,
    /// The namespace, from its `/` on.
    pub namespace: &'a str,
    /// What follows a `?` in the namespace, as some clients send it.
    pub query: Option<&'a str>,
    /// The id under which the peer acknowledges an event, or the id of the acknowledgement.
    pub id: Option<u64>,
    /// The JSON after the head.
    pub payload: &'a str,
}

impl<'a> Header<'a> {
    /// The largest id: 2^53 - 1, the last that numbers in JavaScript hold exactly.
    pub const MAX_ID: u64 = (1 << 53) - 1;

    /// The longest namespace with its query, in bytes.
    pub const MAX_NAMESPACE: usize = 256;

    /// The default namespace, which is left out on the wire.
    pub const ROOT: &'static str = "/";

    /// Reads the head of a packet.
    ///
    /// # Errors
    ///
    /// [`UnknownType`](PacketError::UnknownType), [`AttachmentCount`](PacketError::AttachmentCount),
    /// [`Namespace`](PacketError::Namespace) or [`Id`](PacketError::Id).
    pub fn decode(text: &'a str) -> Result<Self, PacketError> {
        let kind = match text.as_bytes().first() {
            Some(b'0') => Kind::Connect,
            Some(b'1') => Kind::Disconnect,
            Some(b'2') => Kind::Event,
            Some(b'3') => Kind::Ack,
            Some(b'4') => Kind::ConnectError,
            Some(b'5') => Kind::BinaryEvent,
            Some(b'6') => Kind::BinaryAck,
            _ => return Err(PacketError::UnknownType),
        };
        let mut rest = &text[1..];
        let mut attachments = 0;
        if kind.is_binary() {
            (attachments, rest) = count(rest).ok_or(PacketError::AttachmentCount)?;
        }
        let (mut namespace, mut query) = (Self::ROOT, None);
        if rest.starts_with('/') {
            (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
            if namespace.len() > Self::MAX_NAMESPACE || namespace.chars().any(char::is_control) {
                return Err(PacketError::Namespace);
            }
            if let Some((name, after)) = namespace.split_once('?') {
                (namespace, query) = (name, Some(after));
            }
        }
        // A blank after it belongs to the JSON.
        let (digits, payload) = rest.split_at(digits(rest));
        let id = match digits {
            "" => None,
            _ => Some(id(digits).ok_or(PacketError::Id)?),
        };
        Ok(Self {
            kind,
            attachments,
            namespace,
            query,
            id,
            payload,
        })
    }

    /// Appends the head, and the JSON after it.
    pub fn encode(&self, out: &mut String) {
        out.push(char::from(b'0' + self.kind as u8));
        // Writing to a string cannot fail.
        if self.kind.is_binary() {
            let _ = write!(out, "{}-", self.attachments);
        }
        // What begins with `/` would be read as a namespace; JSON never does.
        let is_written = self.namespace != Self::ROOT || self.payload.starts_with('/');
        if is_written || self.query.is_some() {
            out.push_str(self.namespace);
            if let Some(query) = self.query {
                out.push('?');
                out.push_str(query);
            }
            out.push(',');
        }
        if let Some(id) = self.id {
            let _ = write!(out, "{id}");
        }
        out.push_str(self.payload);
    }
}

impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("kind", &self.kind)
            .field("attachments", &self.attachments)
            .field("namespace", &self.namespace)
            .field("id", &self.id)
            .field("payload", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// A number of attachments as encoders write it, and what comes after its dash.
fn count(text: &str) -> Option<(u32, &str)> {
    let (count, rest) = text.split_at(digits(text));
    let rest = rest.strip_prefix('-')?;
    if count.starts_with('0') {
        return None;
    }
    // More than the type holds is more than any limit.
    (!count.is_empty()).then(|| (count.parse().unwrap_or(u32::MAX), rest))
}

/// An id, zeros before it or not.
fn id(digits: &str) -> Option<u64> {
    let id = digits.parse().ok()?;
    (id <= Header::MAX_ID).then_some(id)
}

/// How many digits a text begins with.
fn digits(text: &str) -> usize {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    text.bytes().take_while(is_digit).count()
}
