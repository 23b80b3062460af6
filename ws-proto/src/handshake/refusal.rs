//! The answer to a request that was refused (§4.2.1, §4.4).

use core::fmt::{self, Write as _};

use super::Bootstrap;
use super::error::RequestError;
use super::value::{FieldValue, Text};
use super::write::Writer;
use crate::error::NoRoom;

/// The answer to a request that was refused, in parts: for libraries that write heads themselves.
///
/// Those libraries add the length of the body. Close the connection after it, if it is one of
/// HTTP/1.1: what follows a refused upgrade may be frames.
///
/// ```
/// use ws_proto::handshake::{Bootstrap, RequestError};
///
/// let refusal = RequestError::Origin.refusal(Bootstrap::ExtendedConnect);
/// assert_eq!(refusal.status(), 403);
/// assert_eq!(refusal.body().to_string(), "origin not allowed\n");
/// let (name, value) = refusal.fields().next().unwrap();
/// assert_eq!((name, &*value.to_string()), ("Content-Type", "text/plain; charset=utf-8"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    error: RequestError,
    bootstrap: Bootstrap,
}

impl RequestError {
    /// The answer in parts, to a request of this [`Request::bootstrap`](super::Request::bootstrap).
    #[must_use]
    pub const fn refusal(self, bootstrap: Bootstrap) -> Refusal {
        Refusal {
            error: self,
            bootstrap,
        }
    }

    /// Writes the whole answer as HTTP/1.1: head, and the reason as a line of plain text. Returns
    /// its length in bytes.
    ///
    /// It says `Connection: close`. Close the connection after it, and read nothing more: what
    /// follows a refused upgrade may be frames, or a request smuggled past a proxy.
    ///
    /// ```
    /// use ws_proto::handshake::RequestError;
    ///
    /// let mut out = [0; 512];
    /// let len = RequestError::WebSocketVersion.encode_refusal(&mut out)?;
    /// let answer = core::str::from_utf8(&out[..len]).unwrap();
    /// assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
    /// assert!(answer.contains("\r\nSec-WebSocket-Version: 13\r\n"));
    /// # Ok::<(), ws_proto::NoRoom>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if `out` is shorter than the answer. 512 bytes are always enough.
    pub fn encode_refusal(self, out: &mut [u8]) -> Result<usize, NoRoom> {
        let refusal = self.refusal(Bootstrap::Http1);
        let status = refusal.status();
        let mut body = Writer::new(&mut []);
        // Writing to a `Writer` cannot fail: it counts on past its end.
        let _ = write!(body, "{}", refusal.body());
        let len = body.len();

        let mut writer = Writer::new(out);
        let _ = write!(writer, "HTTP/1.1 {status} {}\r\n", reason(status));
        for (name, value) in refusal.fields() {
            let _ = write!(writer, "{name}: {value}\r\n");
        }
        let _ = write!(writer, "Content-Length: {len}\r\n\r\n{}", refusal.body());
        writer.finish()
    }
}

impl Refusal {
    /// The HTTP status: that of the [error](RequestError::status), except for 426, which needs an
    /// Upgrade beside it that HTTP/2 does not have (RFC 9110 §15.5.22, RFC 9113 §8.2.2).
    #[must_use]
    pub const fn status(&self) -> u16 {
        match (self.bootstrap, self.error.status()) {
            (Bootstrap::ExtendedConnect, 426) => 400,
            (_, status) => status,
        }
    }

    /// The headers, in the order in which they are sent, without Content-Length.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, FieldValue<'static>)> + use<> {
        let http1 = self.bootstrap == Bootstrap::Http1;
        // "and a |Sec-WebSocket-Version| header field indicating the version(s) the server is
        // capable of understanding." (§4.2.2)
        let version = self.error.status() == 426;
        // Upgrade, and its option in Connection, are what RFC 9110 §15.5.22 and §7.8 want of a 426.
        let upgrade = http1 && version;
        // RFC 9110 §15.5.6: a 405 lists what is allowed.
        let allow = if http1 { "GET" } else { "CONNECT" };
        [
            http1.then_some(("Connection", "close")),
            upgrade.then_some(("Upgrade", "websocket")),
            upgrade.then_some(("Connection", "Upgrade")),
            version.then_some(("Sec-WebSocket-Version", "13")),
            (self.error.status() == 405).then_some(("Allow", allow)),
            Some(("Content-Type", "text/plain; charset=utf-8")),
        ]
        .into_iter()
        .flatten()
        .map(|(name, value)| (name, Text::Plain(value).into()))
    }

    /// The body: the reason as a line of plain text.
    #[must_use]
    pub fn body(&self) -> impl fmt::Display + use<> {
        Line(self.error)
    }
}

struct Line(RequestError);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.0)
    }
}

/// The reason phrase; a status that is not here has none (RFC 9112 §4: they are for people).
pub(super) const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        414 => "URI Too Long",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString as _;
    use std::vec::Vec;

    use super::super::HeadError;
    use super::*;

    /// One of each status, and the longest message.
    const SAMPLES: [(RequestError, u16); 7] = [
        (RequestError::Head(HeadError::BareLf), 400),
        (RequestError::Origin, 403),
        (RequestError::Method, 405),
        (
            RequestError::Head(HeadError::FirstLineTooLong { limit: usize::MAX }),
            414,
        ),
        (RequestError::WebSocketVersion, 426),
        (
            RequestError::Head(HeadError::HeadTooLong { limit: usize::MAX }),
            431,
        ),
        (RequestError::HttpVersion, 505),
    ];

    #[test]
    fn a_refusal_is_a_whole_response_that_names_its_reason_and_closes() {
        for (error, status) in SAMPLES {
            assert_eq!(error.status(), status);
            let mut out = [0; 512];
            let len = error.encode_refusal(&mut out).unwrap();
            let text = core::str::from_utf8(&out[..len]).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let response = crate::handshake::Response::parse(&out[..head.len() + 4]).unwrap();
            assert_eq!(response.status(), status);
            assert!(!response.reason().is_empty());
            assert_eq!(response.headers().get("connection"), Some(&b"close"[..]));
            assert_eq!(
                response.header("content-length"),
                Some(&*body.len().to_string())
            );
            assert_eq!(body, error.to_string() + "\n");
            assert_eq!(
                response.header("sec-websocket-version"),
                (status == 426).then_some("13")
            );
            assert_eq!(
                response.header("upgrade"),
                (status == 426).then_some("websocket")
            );
            assert_eq!(response.header("allow"), (status == 405).then_some("GET"));
            for short in 0..len {
                assert_eq!(
                    error.encode_refusal(&mut out[..short]),
                    Err(NoRoom { needed: len })
                );
            }
        }
    }

    #[test]
    fn over_http_2_nothing_is_said_of_the_connection() {
        for error in [
            RequestError::WebSocketVersion,
            RequestError::Method,
            RequestError::UnknownProtocol,
            RequestError::Body,
        ] {
            let refusal = error.refusal(Bootstrap::ExtendedConnect);
            let names: Vec<_> = refusal.fields().map(|(name, _)| name).collect();
            assert!(!names.contains(&"Connection") && !names.contains(&"Upgrade"));
            let versions = names
                .iter()
                .filter(|name| **name == "Sec-WebSocket-Version");
            let told = usize::from(error == RequestError::WebSocketVersion);
            assert_eq!(versions.count(), told);
            assert_ne!(refusal.status(), 426);
        }
        let method = RequestError::Method.refusal(Bootstrap::ExtendedConnect);
        let allow = method.fields().find(|(name, _)| *name == "Allow").unwrap();
        assert_eq!(allow.1.to_string(), "CONNECT");
        let unknown = RequestError::UnknownProtocol.refusal(Bootstrap::ExtendedConnect);
        assert_eq!(unknown.status(), 501);
    }
}
