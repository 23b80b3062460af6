//! Errors of connecting, by blame. Those of an open connection are the core's.

use std::io;
use std::time::Duration;

use thiserror::Error;
#[cfg(feature = "tls")]
use ws_http::TlsError;
use ws_http::{Ended, RedirectError, Response, TunnelError};
pub use ws_proto::Error;
use ws_proto::handshake::{ArgumentError, ResponseError, UriError};

/// A client could not connect.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not one of a WebSocket.
    #[error("invalid URL")]
    Url(#[source] UriError),
    /// `wss`: this build has no TLS (the feature `tls`).
    /// [`Client::connect_over`](crate::Client::connect_over) takes a stream that has some.
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
    /// TLS failed: mostly because of a certificate.
    #[cfg(feature = "tls")]
    #[error("no TLS with {host}")]
    Tls {
        /// Host and port, as the URL has them.
        host: String,
        /// Why not.
        #[source]
        error: TlsError,
    },
    /// The transport failed during the opening handshake.
    #[error("connection lost during the handshake")]
    Io(#[from] io::Error),
    /// The deadline passed first.
    #[error("timed out after {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The server does not open WebSockets over HTTP/2: it does not announce that (RFC 8441 §3).
    #[cfg(feature = "http2")]
    #[error("the server opens no WebSockets over HTTP/2")]
    NoHttp2,
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
    /// The application's hook before an attempt failed: see
    /// [`Reconnect::before_each`](crate::Reconnect::before_each).
    #[error("the hook before connecting failed")]
    Hook(#[source] io::Error),
}

impl ConnectError {
    /// How the attempt ended: [whether it may go better the next time](Ended::is_worth_a_retry).
    #[must_use]
    pub fn ended(&self) -> Ended {
        match self {
            Self::Connect { .. } | Self::Hook(_) => Ended::Io,
            Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ended::Eof,
            Self::Io(_) => Ended::Io,
            Self::Timeout(_) => Ended::TimedOut,
            Self::Refused(answer) => Ended::Status(answer.status()),
            Self::Proxy { error, .. } => Ended::at_a_proxy(error),
            _ => Ended::Fault,
        }
    }
}
