//! Errors of a client that connects, by blame. Those of an open connection are the core's.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use thiserror::Error;
use ws_proto::handshake::{ArgumentError, ResponseError, Uri};

use crate::backoff::Ended;
use crate::proxy::Proxy;
use crate::redirect::RedirectError;
use crate::response::Response;
#[cfg(feature = "tls")]
use crate::tls::TlsError;
use crate::tunnel::TunnelError;
use crate::url::InvalidUrl;

/// A client could not connect. `Display` says at which step, and what was tried; its source says why.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not a WebSocket's.
    #[error("invalid URL")]
    Url(#[source] InvalidUrl),
    /// `wss`: this build has no TLS (the feature `tls`). A stream that has TLS itself works too:
    /// `Client::connect_over`.
    #[error("wss:// needs TLS, which this build does not have")]
    NoTls,
    /// We could not connect to any address of the host, or of the proxy.
    #[error("cannot connect to {tried}")]
    Connect {
        /// What was tried. If the look-up failed, there is no address in it.
        tried: Tried,
        /// The failure of the last address tried, or of the look-up.
        #[source]
        error: io::Error,
    },
    /// The proxy did not connect us.
    #[error("cannot connect to {tried}")]
    Proxy {
        /// What was tried.
        tried: Tried,
        /// What the proxy said.
        #[source]
        error: TunnelError,
    },
    /// TLS failed: mostly because of a certificate.
    #[cfg(feature = "tls")]
    #[error("no TLS with {tried}")]
    Tls {
        /// What was tried.
        tried: Tried,
        /// Why not.
        #[source]
        error: TlsError,
    },
    /// The transport failed during the opening handshake.
    #[error("lost the connection to {tried} during the handshake")]
    Io {
        /// What was tried.
        tried: Tried,
        /// How it failed.
        #[source]
        error: io::Error,
    },
    /// The deadline passed first.
    #[error("timed out after {}, {stage} {tried}", seconds(.after))]
    Timeout {
        /// The time limit for all stages together.
        after: Duration,
        /// The stage that had been reached.
        stage: Stage,
        /// What was tried.
        tried: Tried,
    },
    /// The server does not open WebSockets over HTTP/2: it has not announced that it can (RFC 8441
    /// §3).
    #[error("the server opens no WebSockets over HTTP/2")]
    NoHttp2,
    /// The server answered with something other than an upgrade. It may be a redirect, a demand
    /// for credentials, or an ordinary page.
    #[error("the server refused with status {}", .0.status().as_u16())]
    Refused(Box<Response>),
    /// The server redirects, and the client does not follow.
    #[error("redirect not followed")]
    Redirect(#[from] RedirectError),
    /// The server's answer breaks the rules.
    #[error("handshake failed")]
    Handshake(#[from] ResponseError),
    /// A header from the application cannot be sent.
    #[error("header {name:?} cannot be sent")]
    Header {
        /// Its name.
        name: String,
        /// Why not.
        #[source]
        error: ArgumentError,
    },
    /// A host, a subprotocol or an origin from the application cannot be sent.
    #[error("invalid request")]
    Argument(#[from] ArgumentError),
    /// The operating system gave no entropy for the keys.
    #[error("system random number generator failed")]
    Entropy(#[source] io::Error),
    /// The application's hook before an attempt failed: see `Reconnect::before_each`.
    #[error("the hook before connecting failed")]
    Hook(#[source] io::Error),
}

impl ConnectError {
    /// How the attempt ended: [whether it may go better the next time](Ended::is_worth_a_retry).
    #[must_use]
    pub fn ended(&self) -> Ended {
        match self {
            Self::Connect { .. } | Self::Hook(_) => Ended::Io,
            Self::Io { error, .. } if error.kind() == io::ErrorKind::UnexpectedEof => Ended::Eof,
            Self::Io { .. } => Ended::Io,
            Self::Timeout { .. } => Ended::TimedOut,
            Self::Refused(answer) => Ended::Status(answer.status()),
            Self::Proxy { error, .. } => Ended::at_a_proxy(error),
            _ => Ended::Fault,
        }
    }
}

/// The places that a client tried to reach. `Display` is `chat.example:80 through
/// http://proxy.example:3128 (192.0.2.1:3128)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    host: String,
    proxy: Option<String>,
    addresses: Vec<SocketAddr>,
}

impl Tried {
    /// Begins with the host and the port to reach.
    #[must_use]
    pub const fn new(host: String) -> Self {
        Self {
            host,
            proxy: None,
            addresses: Vec::new(),
        }
    }

    /// Begins with the host and the port of a URL, or its scheme's default port.
    #[must_use]
    pub fn host_of(uri: &Uri<'_>) -> Self {
        Self::new(match uri.host() {
            host if host.contains(':') => format!("[{host}]:{}", uri.port()),
            host => format!("{host}:{}", uri.port()),
        })
    }

    /// Notes the proxy that is asked.
    pub fn note_proxy(&mut self, proxy: &Proxy) {
        self.proxy = Some(proxy.to_string());
    }

    /// Notes an address that is tried.
    pub fn note_address(&mut self, address: SocketAddr) {
        self.addresses.push(address);
    }

    /// Notes the Unix socket that is tried in place of an address.
    pub fn note_path(&mut self, path: &Path) {
        self.host = format!("{} at {}", self.host, path.display());
    }

    /// The host and the port that the client tried to reach.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The proxy that was asked, without its credentials.
    #[must_use]
    pub fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    /// The addresses of the host, or of the proxy, that were tried, in their order.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if let Some(proxy) = &self.proxy {
            write!(f, " through {proxy}")?;
        }
        let names = [Some(&self.host), self.proxy.as_ref()];
        let is_said = |address: &String| {
            let mut names = names.into_iter().flatten();
            names.any(|name| name.rsplit('/').next() == Some(address))
        };
        let addresses: Vec<_> = (self.addresses.iter().map(ToString::to_string))
            .filter(|address| !is_said(address))
            .collect();
        match &*addresses {
            [] => Ok(()),
            addresses => write!(f, " ({})", addresses.join(", ")),
        }
    }
}

/// A stage of the way to an open connection. `Display` is for example `connecting to`, to be
/// followed by the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Looking the name up.
    LookUp,
    /// Connecting to an address.
    Connect,
    /// Asking the proxy to connect.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The opening handshake with the server.
    Answer,
}

impl Stage {
    /// The error for a transport that fails at this stage.
    #[must_use]
    pub fn failed(self, tried: Tried, error: io::Error) -> ConnectError {
        // A server that does not accept our certificate says so after the handshake.
        #[cfg(feature = "tls")]
        if let Some(error) = TlsError::within(&error) {
            return ConnectError::Tls { tried, error };
        }
        match self {
            Self::LookUp | Self::Connect => ConnectError::Connect { tried, error },
            Self::Proxy | Self::Tls | Self::Answer => ConnectError::Io { tried, error },
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LookUp => "looking up",
            Self::Connect => "connecting to",
            Self::Proxy => "waiting for the proxy to connect to",
            Self::Tls => "shaking hands (TLS) with",
            Self::Answer => "waiting for an answer from",
        })
    }
}

fn seconds(duration: &Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tried_is_said_once() {
        let mut tried = Tried::new("chat.example:80".into());
        assert_eq!(tried.to_string(), "chat.example:80");
        let addresses = ["192.0.2.1:80", "[2001:db8::1]:80"].map(|a| a.parse().unwrap());
        for address in addresses {
            tried.note_address(address);
        }
        assert_eq!(
            tried.to_string(),
            "chat.example:80 (192.0.2.1:80, [2001:db8::1]:80)"
        );
        let mut tried = Tried::new("192.0.2.1:80".into());
        for address in addresses {
            tried.note_address(address);
        }
        assert_eq!(tried.to_string(), "192.0.2.1:80 ([2001:db8::1]:80)");
        tried.note_proxy(&Proxy::parse("http://[2001:db8::1]:80").unwrap());
        assert_eq!(
            tried.to_string(),
            "192.0.2.1:80 through http://[2001:db8::1]:80"
        );
        let mut tried = Tried::new("localhost:80".into());
        tried.note_path(Path::new("/run/chat.sock"));
        assert_eq!(tried.to_string(), "localhost:80 at /run/chat.sock");
    }
}
