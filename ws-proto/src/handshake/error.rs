//! The errors of a handshake, by blame, and the HTTP answer to each (§4.2.1, §4.4, §10.2).
//!
//! ```text
//! the client sent it   RequestError  ─┐
//!                                     ├─ HeadError: the head itself, of either side
//! the server sent it   ResponseError ─┘
//! we asked for it      ArgumentError
//! ```
//!
//! One variant per fact; none carries the peer's text, so that a message is safe to log and to
//! send. Sections without a number before them are of RFC 6455.

use thiserror::Error;

/// Bytes that are not the head of an HTTP/1.x message, whichever side sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum HeadError {
    /// A line ends in LF alone (RFC 9112 §2.2: a recipient may accept it; desync attacks need it).
    #[error("a line ends in LF without CR")]
    BareLf,
    /// A CR is not followed by LF (RFC 9112 §2.2).
    #[error("a CR is not followed by LF")]
    BareCr,
    /// A NUL or another control character (RFC 9110 §5.5). Inside values, tabs are fine.
    #[error("a control character in the head")]
    ControlCharacter,
    /// The head starts with an empty line (RFC 9112 §2.2: a server should skip one, for clients
    /// that end a POST in one; here no request comes before).
    #[error("the head starts with an empty line")]
    EmptyFirstLine,
    /// A header line starts with a space or a tab: obsolete line folding (RFC 9112 §5.2).
    #[error("a header line starts with white space")]
    FoldedLine,
    /// A space or a tab before the colon of a header (RFC 9112 §5.1).
    #[error("white space between a header name and its colon")]
    SpaceBeforeColon,
    /// A header name is empty, is not a token, or has no colon after it (RFC 9110 §5.1).
    #[error("a header name that is not a token")]
    HeaderName,
    /// The first line is longer than [`Limits::max_head_line`](crate::Limits::max_head_line).
    #[error("the first line is too long (Limits::max_head_line is {limit} bytes)")]
    FirstLineTooLong {
        /// The limit in force, in bytes.
        limit: usize,
    },
    /// A header line is longer than [`Limits::max_head_line`](crate::Limits::max_head_line).
    #[error("a header line is too long (Limits::max_head_line is {limit} bytes)")]
    LineTooLong {
        /// The limit in force, in bytes.
        limit: usize,
    },
    /// The head, with the interim responses before it, is longer than
    /// [`Limits::max_head`](crate::Limits::max_head).
    #[error("the head is too long (Limits::max_head is {limit} bytes)")]
    HeadTooLong {
        /// The limit in force, in bytes.
        limit: usize,
    },
    /// More header lines than [`Limits::max_headers`](crate::Limits::max_headers), or than
    /// [`Limits::HEADERS`](crate::Limits::HEADERS), its ceiling.
    #[error("too many header lines (Limits::max_headers is {limit})")]
    TooManyHeaders {
        /// The limit in force.
        limit: usize,
    },
    /// The bytes end before the head does: `parse` was called too early, or the peer went away.
    #[error("the head is not complete")]
    Truncated,
    /// Bytes follow the head that `parse` was given; `parse_prefix` leaves them alone.
    #[error("bytes follow the head")]
    TrailingBytes,
}

/// A client's request that is not a handshake, or not one that this server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The head is not one of HTTP/1.x.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The first line is not `method SP target SP HTTP/x.y` (RFC 9112 §3).
    #[error("the request line is malformed")]
    RequestLine,
    /// The request-target has none of the forms of RFC 9112 §3.2, contains `#` or a control; or
    /// it names no resource: §4.2.1 (1) wants a path or an absolute http(s) URI.
    #[error("the request target does not name a resource")]
    Target,
    /// Not HTTP/1.1 (§4.2.1 (1)); HTTP/1.0 is parsed, but cannot upgrade.
    #[error("the handshake requires HTTP/1.1")]
    HttpVersion,
    /// The method is not GET (§4.2.1 (1)), or the request over HTTP/2 or HTTP/3 is not an extended
    /// CONNECT (RFC 8441 §4).
    #[error("the handshake requires the method GET, or an extended CONNECT over HTTP/2")]
    Method,
    /// No Host (§4.2.1 (2)).
    #[error("no Host header")]
    MissingHost,
    /// Several Hosts (RFC 9112 §3.2).
    #[error("more than one Host header")]
    RepeatedHost,
    /// A Host that is not `host[:port]` (RFC 9112 §3.2), or empty where it has to name the server.
    #[error("the Host header is not host[:port]")]
    InvalidHost,
    /// The target, or `:authority`, names another host or port than Host (RFC 9112 §3.2, RFC 9113
    /// §8.3.1).
    #[error("the Host header and the request target name different hosts")]
    HostMismatch,
    /// An extended CONNECT for another `:protocol` than `websocket` (RFC 9220 §3).
    #[error("the :protocol is not websocket")]
    UnknownProtocol,
    /// No Upgrade with the value `websocket` (§4.2.1 (3)).
    #[error("missing or wrong Upgrade header: the handshake requires websocket")]
    MissingUpgrade,
    /// An Upgrade that is not a list of protocols (RFC 9110 §7.8).
    #[error("the Upgrade header is malformed")]
    InvalidUpgrade,
    /// No Connection with the token `Upgrade` (§4.2.1 (4)).
    #[error("missing or wrong Connection header: the handshake requires Upgrade")]
    MissingConnection,
    /// A Connection that is not a list of tokens (RFC 9110 §7.6.1).
    #[error("the Connection header is malformed")]
    InvalidConnection,
    /// Not exactly one Sec-WebSocket-Version of 13 (§4.2.1 (6), §4.4).
    #[error("the handshake requires Sec-WebSocket-Version: 13")]
    WebSocketVersion,
    /// No Sec-WebSocket-Key (§4.2.1 (5)).
    #[error("no Sec-WebSocket-Key header")]
    MissingKey,
    /// Several Sec-WebSocket-Keys (§11.3.1).
    #[error("more than one Sec-WebSocket-Key header")]
    RepeatedKey,
    /// A key that is not the base64 of 16 bytes (§4.2.1 (5)).
    #[error("the Sec-WebSocket-Key is not 16 bytes in base64")]
    InvalidKey,
    /// The request announces a body: Transfer-Encoding, or a Content-Length other than a single 0
    /// (RFC 9112 §6.3). Its bytes would be taken for frames, or for another request.
    #[error("the handshake request announces a body")]
    Body,
    /// A subprotocol offered is not a token (§4.1 (10)).
    #[error("the Sec-WebSocket-Protocol header is not a list of tokens")]
    InvalidProtocol,
    /// A subprotocol is offered twice (§4.1 (10)).
    #[error("a subprotocol is offered twice")]
    RepeatedProtocol,
    /// More than 64 subprotocols are offered.
    #[error("more than 64 subprotocols are offered")]
    TooManyProtocols,
    /// A Sec-WebSocket-Extensions that does not follow the grammar (§9.1).
    #[error("the Sec-WebSocket-Extensions header is malformed")]
    InvalidExtensions,
    /// It was not complete within
    /// [`Config::handshake_timeout`](crate::Config::handshake_timeout).
    #[error("the request was not complete in time (Config::handshake_timeout)")]
    Timeout,
    /// The Origin is malformed, sent twice, or not one the server talks to (§10.2).
    #[error("origin not allowed")]
    Origin,
}

/// A server's answer that is not the 101 to our handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The head is not one of HTTP/1.x.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The first line is not `HTTP/x.y SP status SP reason` (RFC 9112 §4).
    #[error("the status line is malformed")]
    StatusLine,
    /// The server answered with this status, not with 101 (§4.1, first (1) on the response).
    #[error("the server answered with status {0}")]
    Refused(u16),
    /// More than 8 interim responses (RFC 9110 §15.2) came before the answer.
    #[error("more than 8 interim responses")]
    TooManyInterim,
    /// A 101 that is not of HTTP/1.1 (§4.2.2 (5)).
    #[error("the response is not HTTP/1.1")]
    HttpVersion,
    /// A 101 without exactly one Upgrade of `websocket` (§4.1 (2)).
    #[error("the response lacks Upgrade: websocket")]
    MissingUpgrade,
    /// A 101 without a Connection that lists `Upgrade` (§4.1 (3)).
    #[error("the response lacks Connection: Upgrade")]
    MissingConnection,
    /// A 101 without Sec-WebSocket-Accept (§4.1 (4)).
    #[error("the response lacks Sec-WebSocket-Accept")]
    MissingAccept,
    /// A 101 with several Sec-WebSocket-Accepts (§11.3.3).
    #[error("the response has more than one Sec-WebSocket-Accept header")]
    RepeatedAccept,
    /// A Sec-WebSocket-Accept that does not belong to the key (§4.1 (4)).
    #[error("the Sec-WebSocket-Accept does not match the key")]
    WrongAccept,
    /// A Sec-WebSocket-Extensions that does not follow the grammar (§9.1).
    #[error("the Sec-WebSocket-Extensions header is malformed")]
    InvalidExtensions,
    /// A 101 that uses an extension which was not offered (§4.1 (5)).
    #[error("the response uses an extension that was not offered")]
    UnofferedExtension,
    /// A 101 that selects a subprotocol which was not offered (§4.1 (6)).
    #[error("the response selects a subprotocol that was not offered")]
    UnofferedProtocol,
    /// A 101 with several Sec-WebSocket-Protocols (§11.3.4).
    #[error("the response has more than one Sec-WebSocket-Protocol header")]
    SeveralProtocols,
}

/// An argument from the application that cannot be sent in a handshake. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// A host that is not `host[:port]` (§3).
    #[error("invalid host: expected host[:port]")]
    Host,
    /// A target that is not `/path[?query]` in visible ASCII without `#`, `"`, `<` and `>` (§3).
    #[error("invalid request target: expected /path[?query]")]
    Target,
    /// An origin that is neither `scheme://host[:port]` nor `null` nor `file://` (RFC 6454 §6.2).
    #[error("invalid origin: expected scheme://host[:port], null or file://")]
    Origin,
    /// The name of a header is not a token (RFC 9110 §5.1).
    #[error("header name is not a token")]
    HeaderName,
    /// The value of a header has characters other than visible ASCII, space and tab: it might break
    /// the line (RFC 9110 §5.5).
    #[error("header value is not printable ASCII")]
    HeaderValue,
    /// The status of an answer that opens nothing is not one from 200 to 599.
    #[error("status is not one from 200 to 599")]
    Status,
    /// A header that the handshake writes itself, or that frames a body.
    #[error("header is reserved for the handshake")]
    ReservedHeader,
    /// A subprotocol is not a token (§4.1 (10)).
    #[error("subprotocol is not a token")]
    Protocol,
    /// A subprotocol is listed twice (§4.1 (10)).
    #[error("subprotocol is listed twice")]
    RepeatedProtocol,
    /// More than 64 subprotocols.
    #[error("more than 64 subprotocols")]
    TooManyProtocols,
    /// The chosen subprotocol is not among those that the client offered (§4.2.2 (4)).
    #[error("chosen subprotocol was not offered by the client")]
    UnofferedProtocol,
}

/// A Sec-WebSocket-Extensions that does not follow the grammar (§9.1), on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("the Sec-WebSocket-Extensions header is malformed")]
pub struct InvalidExtensions;

impl From<InvalidExtensions> for RequestError {
    fn from(InvalidExtensions: InvalidExtensions) -> Self {
        Self::InvalidExtensions
    }
}

impl From<InvalidExtensions> for ResponseError {
    fn from(InvalidExtensions: InvalidExtensions) -> Self {
        Self::InvalidExtensions
    }
}

/// A text that is not a serialized origin (RFC 6454 §6.2): refused in a peer's request, and an
/// argument error in the application's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("invalid origin: expected scheme://host[:port], null or file://")]
pub struct InvalidOrigin;

impl From<InvalidOrigin> for RequestError {
    fn from(InvalidOrigin: InvalidOrigin) -> Self {
        Self::Origin
    }
}

impl From<InvalidOrigin> for ArgumentError {
    fn from(InvalidOrigin: InvalidOrigin) -> Self {
        Self::Origin
    }
}

impl RequestError {
    /// The HTTP status of the answer.
    ///
    /// Over HTTP/2, 426 becomes 400: see [`Refusal::status`](super::Refusal::status).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            // "it SHOULD respond to the WebSocket handshake with a reply containing HTTP 403
            // Forbidden status code." (§10.2)
            Self::Origin => 403,
            Self::Method => 405,
            Self::Timeout => 408,
            Self::Head(HeadError::FirstLineTooLong { .. }) => 414,
            // "send an appropriate HTTP error code (such as 426 Upgrade Required)" (§4.2.2)
            Self::WebSocketVersion | Self::MissingUpgrade => 426,
            Self::Head(
                HeadError::LineTooLong { .. }
                | HeadError::HeadTooLong { .. }
                | HeadError::TooManyHeaders { .. },
            ) => 431,
            // "the server SHOULD respond to the request with a 501 (Not Implemented) status code
            // (RFC 9220 §3)
            Self::UnknownProtocol => 501,
            Self::HttpVersion => 505,
            // "return an HTTP response with an appropriate error code (such as 400 Bad
            // Request)." (§4.2.1)
            _ => 400,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::error::Error as _;
    use std::string::ToString as _;

    use super::*;

    #[test]
    fn a_chain_of_errors_says_each_thing_once() {
        let head = HeadError::HeadTooLong { limit: 900 };
        let said = "the head is too long (Limits::max_head is 900 bytes)";
        assert_eq!(RequestError::from(head).to_string(), said);
        assert!(RequestError::from(head).source().is_none());
        assert_eq!(ResponseError::from(head).to_string(), said);
        assert!(ResponseError::from(head).source().is_none());
    }

    #[test]
    fn whose_fault_an_origin_is_depends_on_who_wrote_it() {
        assert_eq!(RequestError::from(InvalidOrigin).status(), 403);
        assert_eq!(ArgumentError::from(InvalidOrigin), ArgumentError::Origin);
    }
}
