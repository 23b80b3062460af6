//! Errors: violations by the peer, and misuse by the application.

use thiserror::Error;

/// The peer broke the protocol: its session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A packet without a type: an empty frame or body, or two separators in a row.
    #[error("empty packet")]
    Empty,
    /// A type that Engine.IO 4 does not have.
    #[error("unknown packet type")]
    UnknownType,
    /// Binary that is not canonical base64.
    #[error("invalid base64")]
    Base64,
    /// A body that is not UTF-8.
    #[error("invalid UTF-8")]
    Utf8,
    /// A body of bytes where there must be text.
    #[error("body of type application/octet-stream")]
    ContentType,
    /// A packet that only the other side may send, such as a ping from a client.
    #[error("packet in the wrong direction")]
    Direction,
    /// A packet that has no place here, such as an upgrade by polling.
    #[error("unexpected packet")]
    Unexpected,
    /// A second GET, or a second POST, before the first was answered.
    #[error("overlapping requests")]
    Overlap,
    /// A body over the limit.
    #[error("body too long (Config::max_payload is {limit} bytes)")]
    TooLong {
        /// The limit in force, in bytes.
        limit: u64,
    },
    /// The answer to a GET over the limit.
    #[error("answer too long (ClientConfig::max_body is {limit} bytes)")]
    AnswerTooLong {
        /// The limit in force, in bytes.
        limit: u64,
    },
    /// A body that did not arrive in time.
    #[error("body too slow")]
    TooSlow,
    /// The data of the open packet is not what an Engine.IO 4 server sends.
    #[error("invalid handshake")]
    Handshake,
}

/// The application asked for something that is not allowed, or not now. Nothing was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The session is closing or closed.
    #[error("the session is closing or closed")]
    Closed,
    /// The server has not opened the session yet.
    #[error("the session is not open yet")]
    NotOpen,
    /// Text with U+001E in it: by polling it would be two packets. JSON never contains it.
    #[error("text contains U+001E, which separates packets")]
    Separator,
    /// The peer reads more slowly than the application sends: at least `limit` bytes wait already.
    #[error("send queue is full (Config::max_unsent is {limit} bytes)")]
    Full {
        /// The limit in force, in bytes.
        limit: usize,
    },
    /// The server does not accept messages of this length.
    #[error("message too long (the server takes {limit} bytes)")]
    TooLong {
        /// The limit that the server announced, in bytes.
        limit: u64,
    },
}
