//! Errors of a connection together with its transport, by blame: what every adapter returns.

use std::io;

use thiserror::Error;

use crate::close_code::CloseCode;
use crate::error::{ProtocolError, SendError};
use crate::liveness::TimedOut;

/// An open connection failed, or refused what it was asked for.
///
/// A clean close is not an error.
///
/// After [`TimedOut`](Self::TimedOut) and [`Io`](Self::Io) the connection is over. Every later call
/// that sends or receives returns the first failure again. Before that, you receive what the peer
/// sent before a write failed, for example a Close with its reason.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol, or exceeded a limit, and we sent a Close that says so; or its
    /// stream ended without a Close.
    #[error("{}: {_0}", blame(*.0))]
    Protocol(ProtocolError),
    /// The application asked for something that is not allowed, or not now. Nothing was sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The peer did not answer in time, and we gave up on it.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// The peer talks too slowly or too much for this server, or more than its memory allows, and we
    /// sent a Close that says so.
    #[error(transparent)]
    Excess(#[from] Excess),
    /// The transport failed.
    #[error("transport failed: {0}")]
    Io(io::Error),
}

/// A bound set by the server that a peer exceeded. We close its connection, although it broke no
/// rule of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Excess {
    /// A message arrives more slowly, in bytes per second, than the server allows.
    #[error("a message arrives too slowly")]
    Slow,
    /// The peer sent no message for too long.
    #[error("no message for too long")]
    Idle,
    /// The peer sent more frames per second than the server allows.
    #[error("too many frames")]
    Frames,
    /// The server's connections together hold all the memory that they may use.
    #[error("the server is out of memory")]
    Memory,
}

impl Excess {
    /// The code to close with.
    #[must_use]
    pub const fn code(self) -> CloseCode {
        match self {
            Self::Slow | Self::Idle | Self::Frames => CloseCode::POLICY,
            Self::Memory => CloseCode::TRY_AGAIN_LATER,
        }
    }
}

/// The limits are ours: to exceed one breaks no rule.
const fn blame(error: ProtocolError) -> &'static str {
    if error.is_limit() {
        "limit exceeded"
    } else {
        "protocol error"
    }
}

// Not derived: the text includes the cause, which is therefore not its source as well.
impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// For what reads from a connection, or writes to it, as if it were a file.
///
/// ```
/// use std::io;
/// use ws_proto::{Error, ProtocolError};
///
/// let error = io::Error::from(Error::from(ProtocolError::UnexpectedEof));
/// assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
/// assert!(error.get_ref().is_some_and(|error| error.is::<Error>()));
/// ```
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Io(error) => return error,
            Error::TimedOut(_) => io::ErrorKind::TimedOut,
            Error::Excess(_) => io::ErrorKind::ConnectionAborted,
            Error::Protocol(ProtocolError::UnexpectedEof) => io::ErrorKind::UnexpectedEof,
            Error::Protocol(ProtocolError::OutOfMemory) | Error::Send(SendError::OutOfMemory) => {
                io::ErrorKind::OutOfMemory
            }
            Error::Protocol(_) => io::ErrorKind::InvalidData,
            Error::Send(SendError::Closed) => io::ErrorKind::BrokenPipe,
            Error::Send(_) => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// A transport's failure, in a form that an adapter can return again and again: std's errors cannot
/// be copied.
///
/// ```
/// use std::io;
/// use ws_proto::{Error, Failure};
///
/// let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
/// for _ in 0..2 {
///     assert!(matches!(failure.into(), Error::Io(error) if error.kind() == io::ErrorKind::BrokenPipe));
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Failure(Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    TimedOut(TimedOut),
    /// An error that std or an adapter found.
    Found(io::ErrorKind),
    /// An error of the operating system, by its number.
    Os(i32),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(
            error
                .raw_os_error()
                .map_or_else(|| Kind::Found(error.kind()), Kind::Os),
        )
    }
}

impl From<io::ErrorKind> for Failure {
    fn from(kind: io::ErrorKind) -> Self {
        Self(Kind::Found(kind))
    }
}

impl From<TimedOut> for Failure {
    fn from(timed_out: TimedOut) -> Self {
        Self(Kind::TimedOut(timed_out))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure.0 {
            Kind::TimedOut(timed_out) => timed_out.into(),
            Kind::Found(kind) => io::Error::from(kind).into(),
            Kind::Os(number) => io::Error::from_raw_os_error(number).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn an_error_says_whose_rule_was_broken() {
        let broken = Error::from(ProtocolError::ReservedBit);
        assert_eq!(broken.to_string(), "protocol error: reserved bit set");
        let limit = Error::from(ProtocolError::TooManyFragments { limit: 5 });
        assert!(
            limit
                .to_string()
                .starts_with("limit exceeded: too many fragments")
        );
    }

    #[test]
    fn a_failure_is_told_again_as_it_was() {
        for error in [
            io::Error::from_raw_os_error(1),
            io::ErrorKind::WriteZero.into(),
        ] {
            let (said, kind) = (error.to_string(), error.kind());
            let failure = Failure::from(error);
            for _ in 0..2 {
                let Error::Io(again) = Error::from(failure) else {
                    panic!("it is one of the transport");
                };
                assert_eq!((again.to_string(), again.kind()), (said.clone(), kind));
            }
        }
    }
}
