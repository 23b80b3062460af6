//! Errors of a connection, by blame.

use std::io;
use std::time::Duration;

use thiserror::Error;
use ws_http::{RedirectError, Response, TunnelError};
use ws_proto::handshake::{ArgumentError, ResponseError, UriError};
use ws_proto::{ProtocolError, SendError, TimedOut};

/// An open connection failed, or refused what it was asked for.
///
/// A clean close is not an error: [`recv`](crate::WebSocket::recv) gives `None` then.
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
    /// The peer did not answer in time, and we gave it up.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// The transport failed.
    #[error("transport failed: {0}")]
    Io(io::Error),
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

/// The failure of a transport, to be returned as often as somebody asks: std's errors cannot be
/// copied.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    TimedOut(TimedOut),
    /// An error that std or we found.
    Kind(io::ErrorKind),
    /// An error of the operating system, by its number.
    Os(i32),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        error
            .raw_os_error()
            .map_or_else(|| Self::Kind(error.kind()), Self::Os)
    }
}

impl From<io::ErrorKind> for Failure {
    fn from(kind: io::ErrorKind) -> Self {
        Self::Kind(kind)
    }
}

impl From<TimedOut> for Failure {
    fn from(timed_out: TimedOut) -> Self {
        Self::TimedOut(timed_out)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TimedOut(timed_out) => timed_out.into(),
            Failure::Kind(kind) => io::Error::from(kind).into(),
            Failure::Os(number) => io::Error::from_raw_os_error(number).into(),
        }
    }
}

/// A client could not connect.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not one of a WebSocket.
    #[error("invalid URL")]
    Url(#[source] UriError),
    /// `wss`: this build has no TLS.
    #[error("wss:// needs TLS, which this build does not have")]
    NoTls,
    /// No address of the host could be connected to.
    #[error("cannot connect to {host}")]
    Connect {
        /// Host and port, as they were looked up.
        host: String,
        /// The failure of the last address tried, or of the look-up.
        #[source]
        error: io::Error,
    },
    /// The proxy lets nobody through.
    #[error("cannot connect through {proxy}")]
    Proxy {
        /// Which, without its credentials.
        proxy: String,
        /// What it said.
        #[source]
        error: TunnelError,
    },
    /// The transport failed during the opening handshake.
    #[error("connection lost during the handshake")]
    Io(#[from] io::Error),
    /// The deadline passed first.
    #[error("timed out after {}", seconds(.0))]
    Timeout(Duration),
    /// The server answered with something other than an upgrade. It may be a redirect, a demand
    /// for credentials, or an ordinary page.
    #[error("the server refused with status {}", .0.status().as_u16())]
    Refused(Box<Response>),
    /// The server says to ask elsewhere, and that is not done.
    #[error("not followed")]
    Redirect(#[from] RedirectError),
    /// The server's answer breaks the rules.
    #[error("handshake failed")]
    Handshake(#[from] ResponseError),
    /// A header, a subprotocol or an origin from the application cannot be sent.
    #[error("invalid request")]
    Argument(#[from] ArgumentError),
    /// The operating system gave no entropy for the keys.
    #[error("system random number generator failed")]
    Entropy(#[source] io::Error),
}

fn seconds(duration: &Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

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
