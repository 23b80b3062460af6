//! Packets: Socket.IO 5, "Packet types". A value that exists is valid.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use serde_json::value::RawValue;

use crate::args::Args;
use crate::error::PacketError;
use crate::header::{Header, Kind};
use crate::json;

/// A packet with its attachments. `Debug` shows no payload.
///
/// ```
/// use sio_proto::Packet;
///
/// let packet = Packet::decode(r#"2/admin,13["foo",1]"#, &[])?;
/// let Packet::Event { namespace, id, name, args } = packet else { panic!() };
/// assert_eq!((namespace, id, name.as_ref(), args.len()), ("/admin", Some(13), "foo", 1));
/// # Ok::<(), sio_proto::PacketError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A client asks to join, or a server says that it may.
    Connect {
        /// The namespace.
        namespace: &'a str,
        /// What followed a `?` in it.
        query: Option<&'a str>,
        /// A JSON object: a client's credentials, a server's `sid`.
        data: Option<&'a str>,
    },
    /// Either side leaves.
    Disconnect {
        /// The namespace.
        namespace: &'a str,
    },
    /// An event.
    Event {
        /// The namespace.
        namespace: &'a str,
        /// The id to acknowledge it with, if the peer wants that.
        id: Option<u64>,
        /// The name. If it is a number, its digits are the name.
        name: Cow<'a, str>,
        /// The arguments.
        args: Args<'a>,
    },
    /// An acknowledgement.
    Ack {
        /// The namespace.
        namespace: &'a str,
        /// The id of the event. Without one it acknowledges nothing.
        id: Option<u64>,
        /// The arguments.
        args: Args<'a>,
    },
    /// A server refuses.
    ConnectError {
        /// The namespace.
        namespace: &'a str,
        /// JSON: an object, usually with a `message`, or a string.
        data: &'a str,
    },
}

impl<'a> Packet<'a> {
    /// The deepest JSON, in arrays and objects, the one around the arguments included.
    pub const MAX_DEPTH: usize = json::MAX_DEPTH;

    /// The longest name of an event, in bytes.
    pub const MAX_NAME: usize = 512;

    /// The names of events that libraries raise themselves. Nobody can send one.
    pub const RESERVED: [&'static str; 6] = [
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
    ];

    /// Reads a packet from its text and all its attachments.
    ///
    /// # Errors
    ///
    /// Any [`PacketError`] except those about limits and about the order of messages.
    pub fn decode(text: &'a str, attachments: &'a [Vec<u8>]) -> Result<Self, PacketError> {
        Self::with_header(Header::decode(text)?, attachments)
    }

    /// Reads the payload of a packet whose header was read.
    pub(crate) fn with_header(
        header: Header<'a>,
        attachments: &'a [Vec<u8>],
    ) -> Result<Self, PacketError> {
        let Header {
            kind,
            namespace,
            query,
            id,
            payload,
            ..
        } = header;
        if usize::try_from(header.attachments) != Ok(attachments.len()) {
            return Err(PacketError::AttachmentCount);
        }
        Ok(match kind {
            Kind::Connect => Self::Connect {
                namespace,
                query,
                data: match payload {
                    "" => None,
                    _ => Some(value(payload, &['{'])?),
                },
            },
            Kind::Disconnect if payload.is_empty() => Self::Disconnect { namespace },
            Kind::Disconnect => return Err(PacketError::Payload),
            Kind::ConnectError => Self::ConnectError {
                namespace,
                data: value(payload, &['{', '"'])?,
            },
            Kind::Event | Kind::BinaryEvent => {
                let (first, args) = arguments(payload, attachments)?;
                Self::Event {
                    namespace,
                    id,
                    name: name(first.ok_or(PacketError::Name)?)?,
                    args: args.after_first(),
                }
            }
            Kind::Ack | Kind::BinaryAck => Self::Ack {
                namespace,
                id,
                args: arguments(payload, attachments)?.1,
            },
        })
    }
}

impl fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { namespace, .. } => write!(f, "Connect({namespace:?})"),
            Self::Disconnect { namespace } => write!(f, "Disconnect({namespace:?})"),
            Self::Event {
                namespace,
                id,
                name,
                args,
            } => write!(f, "Event({namespace:?}, {id:?}, {name:?}, {args:?})"),
            Self::Ack {
                namespace,
                id,
                args,
            } => write!(f, "Ack({namespace:?}, {id:?}, {args:?})"),
            Self::ConnectError { namespace, .. } => write!(f, "ConnectError({namespace:?})"),
        }
    }
}

/// Whether an event may have this name.
pub(crate) fn check_name(name: &str) -> Result<(), PacketError> {
    if name.len() > Packet::MAX_NAME {
        return Err(PacketError::Name);
    }
    if Packet::RESERVED.contains(&name) {
        return Err(PacketError::ReservedName);
    }
    Ok(())
}

/// JSON that begins with one of these, without blanks around it.
fn value<'a>(payload: &'a str, begins: &[char]) -> Result<&'a str, PacketError> {
    let value: &RawValue = serde_json::from_str(payload).map_err(|_| PacketError::Payload)?;
    let value = value.get();
    if !value.starts_with(begins) {
        return Err(PacketError::Payload);
    }
    json::check_depth(value)?;
    Ok(value)
}

/// The text of the first element of an array, and all of them as arguments.
fn arguments<'a>(
    payload: &'a str,
    attachments: &'a [Vec<u8>],
) -> Result<(Option<&'a str>, Args<'a>), PacketError> {
    let split = Args::split(payload, attachments)?;
    json::check_depth(payload)?;
    if !attachments.is_empty() {
        json::check_placeholders(payload, attachments.len())?;
    }
    Ok(split)
}

/// The name of an event, from its JSON.
fn name(json: &str) -> Result<Cow<'_, str>, PacketError> {
    let name = match json.as_bytes() {
        [b'"', name @ .., b'"'] if !name.contains(&b'\\') => {
            Cow::Borrowed(json.get(1..json.len() - 1).unwrap_or_default())
        }
        // A lone surrogate is no text.
        [b'"', ..] => Cow::Owned(serde_json::from_str(json).map_err(|_| PacketError::Name)?),
        [b'-' | b'0'..=b'9', ..] => Cow::Borrowed(json),
        _ => return Err(PacketError::Name),
    };
    check_name(&name)?;
    Ok(name)
}
