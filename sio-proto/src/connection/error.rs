//! Errors: violations by the peer, and misuse by the application.

use thiserror::Error;

use crate::engine::SendError;
use crate::error::PacketError;

/// The peer broke the protocol. Close the connection, as the reference does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Violation {
    /// The peer sent something that is not a packet, or exceeds a limit.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// A packet for a namespace that the client is not in, and never was.
    #[error("packet for a namespace that was not joined")]
    NotJoined,
    /// A client asked for a namespace that it is in, or has asked for.
    #[error("namespace joined twice")]
    JoinedTwice,
    /// A packet that only a server may send.
    #[error("packet in the wrong direction")]
    Direction,
    /// Too many namespaces.
    #[error("too many namespaces (Limits::max_namespaces is {limit})")]
    TooManyNamespaces {
        /// The limit in force.
        limit: usize,
    },
    /// Too many namespaces asked for at a time.
    #[error("too many namespaces at a time (Limits::max_connecting is {limit})")]
    TooManyConnecting {
        /// The limit in force.
        limit: usize,
    },
    /// A client stayed outside every namespace for too long.
    #[error("no namespace joined in time")]
    ConnectTimeout,
    /// A server let the client in without an id: it speaks an earlier revision of Socket.IO.
    #[error("the server speaks an earlier revision of Socket.IO")]
    EarlierRevision,
    /// A server sent too much before it let the client in.
    #[error("too many events before the namespace is joined (Limits::max_packet is {limit} bytes)")]
    TooMuchEarly {
        /// The limit in force, in bytes.
        limit: u64,
    },
}

/// The application asked for something that is not allowed, or not now. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The client has not joined the namespace, or has left it.
    #[error("not in this namespace")]
    NotJoined,
    /// A namespace that a peer would refuse: without `/` at its beginning, with a comma, a `?` or a
    /// control character in it, or too long.
    #[error("invalid namespace")]
    Namespace,
    /// A namespace that the client has asked for, or joined, already.
    #[error("namespace joined already")]
    JoinedAlready,
    /// Too many namespaces.
    #[error("too many namespaces (Limits::max_namespaces is {limit})")]
    TooManyNamespaces {
        /// The limit in force.
        limit: usize,
    },
    /// An event in place of an acknowledgement, or the other way round.
    #[error("event in place of an acknowledgement, or the reverse")]
    Kind,
    /// Data that is not a JSON object.
    #[error("not a JSON object")]
    Data,
    /// Too many questions wait for an answer.
    #[error("too many acknowledgements awaited (Limits::max_acks is {limit})")]
    TooManyAcks {
        /// The limit in force.
        limit: usize,
    },
    /// The session refused the packet.
    #[error(transparent)]
    Session(#[from] SendError),
}
