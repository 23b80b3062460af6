//! Why a client could not connect: which way was tried, and what the server said.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use http::StatusCode;
use sio_proto::engine;
use thiserror::Error;
use ws_http::{Ended, InvalidUrl, retry_after};
use ws_tokio::CloseCode;

use crate::refused::Refused;

/// The reason why a client could not connect, or why its session ended before it had joined its
/// namespaces.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL, or the path of the server, is invalid.
    #[error("invalid URL")]
    Url(#[source] InvalidUrl),
    /// The URL has a path. Set namespaces with [`namespaces`](super::Client::namespaces), and the
    /// path of the server with [`path`](super::Client::path).
    #[error("a URL with a path: namespaces, and the path of the server, are set apart from it")]
    Path,
    /// `https`, without the feature `tls`.
    #[error("https:// needs TLS, which this build does not have")]
    NoTls,
    /// A header from the application cannot be sent.
    #[error("invalid header {name:?}")]
    Header {
        /// Its name.
        name: String,
    },
    /// Polling failed, before the session was open.
    #[error("polling failed: {0}")]
    Polling(#[from] PollingError),
    /// The WebSocket could not be opened.
    #[error("WebSocket failed: {}", with_sources(.0))]
    WebSocket(#[source] ws_tokio::ConnectError),
    /// The WebSocket broke off.
    #[error("WebSocket lost: {0}")]
    Lost(#[source] ws_tokio::Error),
    /// The server closed the WebSocket.
    #[error("the server closed the WebSocket with {code}")]
    Closed {
        /// Its code.
        code: CloseCode,
    },
    /// The session ended before the client was in its namespaces.
    #[error("the session ended: {0}")]
    Session(#[from] engine::Reason),
    /// The server broke the protocol, or speaks another revision of it.
    #[error("the server broke the protocol: {0}")]
    Protocol(#[from] sio_proto::Violation),
    /// The client cannot ask for this namespace.
    #[error("cannot ask for the namespace {namespace}: {error}")]
    Namespace {
        /// Its name.
        namespace: String,
        /// Why.
        #[source]
        error: sio_proto::EmitError,
    },
    /// The application's function failed to provide credentials.
    #[error("no credentials for the namespace {namespace}: {error}")]
    Auth {
        /// The namespace.
        namespace: String,
        /// The function's error.
        #[source]
        error: io::Error,
    },
    /// The server refused this client.
    #[error("refused in the namespace {namespace}: {why}")]
    Refused {
        /// The namespace.
        namespace: String,
        /// The server's refusal.
        why: Refused,
    },
    /// The application disconnected meanwhile.
    #[error("disconnected by this side")]
    Disconnected,
    /// The operating system gave no entropy, for the wait before the next attempt.
    #[error("system random number generator failed")]
    Entropy(#[source] io::Error),
}

impl ConnectError {
    /// How the attempt ended, and so [whether another may succeed](Ended::is_worth_a_retry).
    #[must_use]
    pub fn ended(&self) -> Ended {
        match self {
            Self::Polling(PollingError::Refused { status, .. }) => Ended::Status(*status),
            Self::Polling(PollingError::Url) => Ended::Fault,
            Self::Polling(PollingError::Request(error)) => {
                // There was no connection, or one broke off.
                let reached = error.source().and_then(|error| error.downcast_ref());
                reached.map_or(Ended::Io, ws_tokio::ConnectError::ended)
            }
            Self::WebSocket(error) => error.ended(),
            // Its policy is the same the next time. Any other code says that a transport ended.
            Self::Closed { code } if *code == CloseCode::POLICY => Ended::Closed(*code),
            Self::Closed { .. } => Ended::Eof,
            Self::Session(engine::Reason::PingTimeout) => Ended::TimedOut,
            Self::Session(engine::Reason::Protocol(_)) => Ended::Fault,
            Self::Polling(_) | Self::Lost(_) | Self::Session(_) | Self::Auth { .. } => Ended::Io,
            _ => Ended::Fault,
        }
    }

    /// How long the server wants to be left alone, if it says so.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Polling(PollingError::Refused { retry_after, .. }) => *retry_after,
            Self::WebSocket(ws_tokio::ConnectError::Refused(answer)) => {
                retry_after(answer.headers(), std::time::SystemTime::now())
            }
            _ => None,
        }
    }
}

/// A polling request failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PollingError {
    /// The server answered with another status than 200.
    #[error("answered {} {said}", .status.as_u16())]
    Refused {
        /// The status.
        status: StatusCode,
        /// The beginning of the body, as text.
        said: String,
        /// How long the server asks clients to wait.
        retry_after: Option<Duration>,
    },
    /// The URL cannot be used for HTTP.
    #[error("invalid URL")]
    Url,
    /// The request could not be sent, or its answer did not come.
    #[error("{}", with_sources(.0))]
    Request(#[from] hyper_util::client::legacy::Error),
    /// The body of the answer broke off.
    #[error("{}", with_sources(.0))]
    Body(#[source] hyper::Error),
}

/// An error and what it came from: hyper's own say little.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        said = format!("{said}: {error}");
        source = error.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_which_way_was_tried_and_what_came_of_it() {
        let refused = ConnectError::from(PollingError::Refused {
            status: StatusCode::BAD_REQUEST,
            said: r#"{"code":5,"message":"Unsupported protocol version"}"#.into(),
            retry_after: None,
        });
        let said =
            r#"polling failed: answered 400 {"code":5,"message":"Unsupported protocol version"}"#;
        assert_eq!(refused.to_string(), said);
        assert!(!refused.ended().is_worth_a_retry());
    }

    #[test]
    fn what_may_go_better_the_next_time() {
        use engine::Reason;
        let polling = |status, wait| {
            ConnectError::from(PollingError::Refused {
                status,
                said: String::new(),
                retry_after: wait,
            })
        };
        let wait = Some(Duration::from_secs(7));
        let busy = polling(StatusCode::SERVICE_UNAVAILABLE, wait);
        assert_eq!(
            (busy.ended().is_worth_a_retry(), busy.retry_after()),
            (true, wait)
        );
        let eof = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let table = [
            (Reason::PingTimeout.into(), true),
            (Reason::TransportClosed.into(), true),
            (Reason::from(engine::ProtocolError::Handshake).into(), false),
            (
                ConnectError::WebSocket(ws_tokio::ConnectError::Io {
                    tried: ws_tokio::Tried::new("h:80".into()),
                    error: eof(),
                }),
                true,
            ),
            (
                ConnectError::WebSocket(ws_tokio::ConnectError::NoTls),
                false,
            ),
            (ConnectError::Lost(eof().into()), true),
            (
                ConnectError::Closed {
                    code: CloseCode::POLICY,
                },
                false,
            ),
            (
                ConnectError::Closed {
                    code: CloseCode::NORMAL,
                },
                true,
            ),
            (ConnectError::Disconnected, false),
        ];
        for (error, again) in table {
            assert_eq!(error.ended().is_worth_a_retry(), again, "{error}");
        }
    }
}
