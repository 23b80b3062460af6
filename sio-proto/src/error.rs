//! What is wrong with a packet.

use thiserror::Error;

/// The peer sent something that is not a packet of Socket.IO 5, or exceeds a limit. Close the
/// connection, as the reference does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum PacketError {
    /// An empty message, or a type that Socket.IO 5 does not have.
    #[error("unknown packet type")]
    UnknownType,
    /// A packet with attachments that gives no number of them, or zero.
    #[error("invalid number of attachments")]
    AttachmentCount,
    /// More attachments than the limit allows.
    #[error("too many attachments (Limits::max_attachments is {limit})")]
    TooManyAttachments {
        /// The limit in force.
        limit: u32,
    },
    /// A packet and its attachments exceed the limit.
    #[error("packet too long (Limits::max_packet is {limit} bytes)")]
    TooLong {
        /// The limit in force, in bytes.
        limit: u64,
    },
    /// A namespace over [`Header::MAX_NAMESPACE`](crate::Header::MAX_NAMESPACE), or with a control
    /// character in it.
    #[error("invalid namespace")]
    Namespace,
    /// An acknowledgement's id over [`Header::MAX_ID`](crate::Header::MAX_ID).
    #[error("acknowledgement id too large")]
    Id,
    /// A payload that is not JSON, or not of the kind that its packet has.
    #[error("invalid payload")]
    Payload,
    /// JSON deeper than [`Packet::MAX_DEPTH`](crate::Packet::MAX_DEPTH).
    #[error("payload nested too deeply")]
    Depth,
    /// The name of an event is neither text nor a number, or is longer than
    /// [`Packet::MAX_NAME`](crate::Packet::MAX_NAME).
    #[error("invalid event name")]
    Name,
    /// The name of an event that libraries raise themselves.
    #[error("reserved event name")]
    ReservedName,
    /// A placeholder for an attachment that does not exist, or that another placeholder names
    /// already.
    #[error("invalid placeholder")]
    Placeholder,
    /// Text where an attachment has to come.
    #[error("text in the place of an attachment")]
    TextBetween,
    /// An attachment that no packet announced.
    #[error("attachment without a packet")]
    UnexpectedBinary,
    /// The next attachment did not come in time.
    #[error("attachment too slow")]
    TooSlow,
}
