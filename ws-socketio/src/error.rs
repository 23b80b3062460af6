//! Errors of events, by whom they concern.

use sio_proto::engine::SendError;
use sio_proto::{PacketError, Silence};
use thiserror::Error;

/// The reason why an event was not sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The socket is not connected, or not any longer.
    #[error("not connected to this namespace")]
    Disconnected,
    /// The peer reads more slowly than the application sends: at least `limit` bytes wait already.
    #[error("send queue is full (max_unsent is {limit} bytes)")]
    Full {
        /// The limit in force, in bytes.
        limit: usize,
    },
    /// The connect hook sent too much to a socket that it has not let in yet.
    #[error("too many events before the socket is let in (the limit is {limit})")]
    TooEarly {
        /// The limit.
        limit: usize,
    },
    /// The name of the event is reserved by Socket.IO, or too long.
    #[error(transparent)]
    Name(#[from] PacketError),
    /// JSON cannot hold the arguments.
    #[error("arguments that JSON cannot hold: {0}")]
    Encode(#[source] serde_json::Error),
    /// Any other rule of the protocol.
    #[error(transparent)]
    Protocol(sio_proto::EmitError),
}

impl From<sio_proto::EmitError> for EmitError {
    fn from(error: sio_proto::EmitError) -> Self {
        match error {
            sio_proto::EmitError::NotJoined
            | sio_proto::EmitError::Session(SendError::Closed | SendError::NotOpen) => {
                Self::Disconnected
            }
            sio_proto::EmitError::Session(SendError::Full { limit }) => Self::Full { limit },
            other => Self::Protocol(other),
        }
    }
}

/// The reason why a question got no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// No answer came in time.
    #[error("not answered in time")]
    TimedOut,
    /// The socket was disconnected before an answer came.
    #[error("disconnected before the answer")]
    Disconnected,
    /// The question was not sent.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// The answer is of another type.
    #[error("an answer of another type: {0}")]
    Decode(#[source] serde_json::Error),
}

impl From<Silence> for CallError {
    fn from(why: Silence) -> Self {
        match why {
            Silence::TimedOut => Self::TimedOut,
            Silence::Left => Self::Disconnected,
        }
    }
}

/// A handler failed to do what its event asked for. The event is not acknowledged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HandlerError {
    /// An argument is of another type than the handler's parameter.
    #[error("argument {index} is of another type: {error}")]
    Argument {
        /// Which, from 0.
        index: usize,
        /// The error of reading it.
        #[source]
        error: serde_json::Error,
    },
    /// JSON cannot hold what the handler returned.
    #[error("an answer that JSON cannot hold: {0}")]
    Encode(#[source] serde_json::Error),
    /// The handler failed.
    #[error("{0}")]
    Failed(String),
    /// The handler panicked.
    #[error("the handler panicked")]
    Panicked,
}
