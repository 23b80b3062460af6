//! The server's answer, whether or not it opens a connection (§4.1, RFC 9112 §4).

use core::fmt;
use core::mem::MaybeUninit;
use core::str;

use super::HttpVersion;
use super::error::ResponseError;
use super::extensions::Extensions;
use super::fields::Fields;
use super::head::Scan;
use super::headers::Headers;
use crate::limits::Limits;

/// A response whose head is valid HTTP/1.0 or HTTP/1.1: the one that
/// [`Offer::verify`](super::Offer::verify) accepted, or any other.
///
/// ```
/// use ws_proto::handshake::Response;
///
/// let response = Response::parse(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n")?;
/// assert_eq!((response.status(), response.reason()), (401, "Unauthorized"));
/// assert_eq!(response.header("www-authenticate"), Some("Basic"));
/// # Ok::<(), ws_proto::handshake::ResponseError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Response<'b> {
    version: HttpVersion,
    status: u16,
    reason: &'b str,
    fields: Fields<'b>,
}

impl<'b> Response<'b> {
    /// Parses a whole head, the empty line included. It says nothing about the handshake.
    ///
    /// # Errors
    ///
    /// Those of [`Scan::advance`], limits aside; [`Truncated`](super::HeadError::Truncated) or
    /// [`TrailingBytes`](super::HeadError::TrailingBytes) if `head` is not exactly one head; and
    /// [`StatusLine`](ResponseError::StatusLine), also for a status outside 100 to 599.
    pub fn parse(head: &'b [u8]) -> Result<Self, ResponseError> {
        let mut scan = Scan::new();
        scan.whole(head)?;
        Self::read(&scan, head)
    }

    /// Takes a response that another library has taken apart: hyper, for example. `headers` is a
    /// slice of pairs or, with the feature `http`, a `HeaderMap`.
    ///
    /// It is judged as the same response in bytes would be, except for what only bytes can get
    /// wrong, and for limits, which are up to the other library.
    ///
    /// ```
    /// use ws_proto::handshake::{HttpVersion, Offer, Response};
    ///
    /// let offer = Offer::new("example.com", "/chat")?.protocols(&["chat"])?;
    /// let headers = [("sec-websocket-protocol", &b"chat"[..])];
    /// let response = Response::from_parts(200, HttpVersion::Http2, &headers[..])?;
    /// offer.confirm_extended(&response)?;
    /// assert_eq!(response.protocol(), Some("chat"));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StatusLine`](ResponseError::StatusLine) for a status outside 100 to 599,
    /// [`HeaderName`](super::HeadError::HeaderName) and
    /// [`ControlCharacter`](super::HeadError::ControlCharacter) for headers that no line can
    /// hold.
    pub fn from_parts(
        status: u16,
        version: HttpVersion,
        headers: impl Into<Headers<'b>>,
    ) -> Result<Self, ResponseError> {
        let (100..=599) = status else {
            return Err(ResponseError::StatusLine);
        };
        Ok(Self {
            version,
            status,
            reason: "",
            fields: Fields::of_parts(headers.into())?,
        })
    }

    /// Reads a head that was searched: first line by `httparse`, and one walk over what it found
    /// of headers, in 4 KiB of stack that are given back before anything else happens.
    #[inline(never)]
    pub(super) fn read(scan: &Scan, input: &'b [u8]) -> Result<Self, ResponseError> {
        let (head, lines) = scan.parts(input);
        let mut headers = [const { MaybeUninit::uninit() }; Limits::HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            head,
            &mut headers,
        );
        match parsed {
            Ok(httparse::Status::Complete(len)) if len == head.len() => {}
            _ => return Err(ResponseError::StatusLine),
        }
        let (Some(minor), Some(status @ 100..=599)) = (response.version, response.code) else {
            return Err(ResponseError::StatusLine);
        };
        let parsed = response.headers.iter();
        Ok(Self {
            version: match minor {
                0 => HttpVersion::Http10,
                _ => HttpVersion::Http11,
            },
            status,
            reason: response.reason.unwrap_or_default(),
            fields: Fields::note(
                Headers::of_lines(lines),
                parsed.map(|header| (header.name, header.value)),
            ),
        })
    }

    /// The status, from 100 to 599.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase; empty if it is missing or not ASCII.
    #[must_use]
    pub const fn reason(&self) -> &'b str {
        self.reason
    }

    /// The version of HTTP.
    #[must_use]
    pub const fn version(&self) -> HttpVersion {
        self.version
    }

    /// The subprotocol in use: one of those offered, if [`Offer::verify`](super::Offer::verify)
    /// gave this response.
    #[must_use]
    pub fn protocol(&self) -> Option<&'b str> {
        self.header("Sec-WebSocket-Protocol")
            .filter(|protocol| !protocol.is_empty())
    }

    /// All headers.
    #[must_use]
    pub const fn headers(&self) -> Headers<'b> {
        self.fields.headers
    }

    /// The value of the first header of that name, if it is UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'b str> {
        str::from_utf8(self.fields.headers.get(name)?).ok()
    }

    /// The extensions that the server uses.
    #[must_use]
    pub fn extensions(&self) -> Extensions<'b> {
        Extensions::of(self.fields.extensions())
    }

    pub(super) const fn fields(&self) -> &Fields<'b> {
        &self.fields
    }
}

/// Shows the status and the names of the headers: values hold cookies.
impl fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("version", &self.version)
            .field("headers", &self.fields.headers)
            .finish()
    }
}
