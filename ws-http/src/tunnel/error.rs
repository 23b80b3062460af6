//! Errors of connecting through a proxy.

use std::fmt;

use http::StatusCode;
use thiserror::Error;
use ws_proto::handshake::ResponseError;

/// See [`Tunnel::MAX_HEAD`](crate::Tunnel::MAX_HEAD).
pub(super) const MAX_HEAD: usize = 16 << 10;

/// A proxy did not connect the client to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TunnelError {
    /// The host to connect to is neither a name nor an IP address, or longer than 255 bytes, or
    /// the port is 0.
    #[error("a proxy cannot be asked for such a host")]
    Host,
    /// The HTTP proxy refused.
    #[error("the proxy answered with status {}", .0.as_u16())]
    Refused(StatusCode),
    /// The head of the HTTP proxy's answer is too long.
    #[error("the proxy's answer is too long (Tunnel::MAX_HEAD is {MAX_HEAD} bytes)")]
    TooLong,
    /// The HTTP proxy's answer is not valid HTTP.
    #[error("the proxy's answer is not one of HTTP: {0}")]
    Http(ResponseError),
    /// The proxy answered before we had written the request.
    #[error("the proxy answered before it was asked")]
    Unasked,
    /// The answer does not begin with the version of SOCKS5 (RFC 1928 §3).
    #[error("the proxy does not speak SOCKS5")]
    NotSocks,
    /// The SOCKS5 proxy requires authentication, and either none is set or it does not accept a
    /// user and password.
    #[error("the proxy asks for credentials, and none are set")]
    Method,
    /// The SOCKS5 proxy rejected the user and password.
    #[error("the proxy rejected the credentials")]
    Credentials,
    /// The SOCKS5 proxy did not connect.
    #[error("the proxy did not connect: {0}")]
    Socks(SocksReply),
    /// The target sent bytes before the client did. A `Tunnel` never returns this: an adapter does,
    /// for protocols in which the client speaks first.
    #[error("the target sent bytes before anything was sent to it")]
    Early,
    /// The stream ended before there was an answer.
    #[error("the proxy closed the connection")]
    Eof,
}

/// The reason that a SOCKS5 proxy gives for not connecting (RFC 1928 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocksReply(u8);

impl SocksReply {
    pub(super) const fn new(code: u8) -> Self {
        Self(code)
    }

    /// The number: 5 is "Connection refused".
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }
}

impl fmt::Display for SocksReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            1 => "general failure",
            2 => "not allowed by its rules",
            3 => "network unreachable",
            4 => "host unreachable",
            5 => "connection refused",
            6 => "TTL expired",
            7 => "command not supported",
            8 => "address type not supported",
            code => return write!(f, "code {code}"),
        })
    }
}
