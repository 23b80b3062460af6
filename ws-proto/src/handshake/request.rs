//! The server's side: reading the client's handshake (§4.2.1; RFC 8441 §4 over HTTP/2).

use core::fmt;
use core::mem::MaybeUninit;
use core::str;

use super::accept::Accept;
use super::authority::Authority;
use super::error::RequestError;
use super::extensions::Extensions;
use super::fields::{Field, Fields, Listed};
use super::head::Scan;
use super::headers::Headers;
use super::key::Key;
use super::origin::Origin;
use super::syntax::{ListFault, is_token, unique_tokens};
use super::target::{Redacted, Target};
use super::{Bootstrap, HttpVersion};
use crate::limits::Limits;

/// A request whose head is valid HTTP, whatever its method: a server answers pages on the same
/// port.
///
/// [`accept`](Self::accept) says whether it is a handshake. If it is not, it may have a body; one
/// that [wants an upgrade](Self::wants_upgrade) should be refused with
/// [`encode_refusal`](RequestError::encode_refusal), and the connection closed.
///
/// ```
/// use ws_proto::handshake::Request;
///
/// let request = Request::parse(b"GET /chat?room=7 HTTP/1.1\r\nHost: example.com\r\n\r\n")?;
/// assert_eq!((request.path(), request.query()), ("/chat", Some("room=7")));
/// assert_eq!(request.header("host"), Some("example.com"));
/// assert!(!request.wants_upgrade());
/// # Ok::<(), ws_proto::handshake::RequestError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Request<'b> {
    method: &'b str,
    text: &'b str,
    target: Target<'b>,
    version: HttpVersion,
    extended: Option<Extended<'b>>,
    fields: Fields<'b>,
}

/// The pseudo-headers of an extended CONNECT (RFC 8441 §4).
#[derive(Clone, Copy)]
struct Extended<'b> {
    protocol: &'b str,
    authority: &'b str,
}

impl<'b> Request<'b> {
    /// Parses a whole head, the empty line included: what [`Scan::advance`] found the length of.
    ///
    /// # Errors
    ///
    /// Those of [`Scan::advance`], limits aside; [`Truncated`](super::HeadError::Truncated) or
    /// [`TrailingBytes`](super::HeadError::TrailingBytes) if `head` is not exactly one head; and
    /// [`RequestLine`](RequestError::RequestLine), [`Target`](RequestError::Target) or
    /// [`HttpVersion`](RequestError::HttpVersion) for the first line.
    pub fn parse(head: &'b [u8]) -> Result<Self, RequestError> {
        let mut scan = Scan::new();
        scan.whole(head)?;
        Self::read(&scan, head)
    }

    /// Continues the search for the end of the head, and parses the head once it is complete.
    /// Returns the request and the length of its head in bytes, or `None` while more input is
    /// needed. `input` is everything received so far; the bytes after the head are the caller's.
    ///
    /// # Errors
    ///
    /// Those of [`Scan::advance`] as early as they show, and those of [`parse`](Self::parse).
    pub fn parse_prefix(
        scan: &mut Scan,
        input: &'b [u8],
        limits: &Limits,
    ) -> Result<Option<(Self, usize)>, RequestError> {
        let Some(len) = scan.advance(input, limits)? else {
            return Ok(None);
        };
        Ok(Some((Self::read(scan, input)?, len)))
    }

    /// Takes a request that another library has taken apart: hyper, for example. `target` is the
    /// request-target as it was received, `headers` a slice of pairs or, with the feature `http`,
    /// a `HeaderMap`.
    ///
    /// It is judged as the same request in bytes would be, except for what only bytes can get
    /// wrong, and for limits, which are up to the other library.
    ///
    /// ```
    /// use ws_proto::handshake::{HttpVersion, Request};
    ///
    /// let headers = [
    ///     ("host", &b"example.com"[..]),
    ///     ("upgrade", b"websocket"),
    ///     ("connection", b"keep-alive, Upgrade"),
    ///     ("sec-websocket-version", b"13"),
    ///     ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    /// ];
    /// let request = Request::from_parts("GET", "/chat", HttpVersion::Http11, &headers[..])?;
    /// let accept = request.accept()?;
    /// assert_eq!(accept.status(), 101);
    /// let (name, value) = accept.fields().last().unwrap();
    /// assert_eq!(name, "Sec-WebSocket-Accept");
    /// assert_eq!(value.to_string(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    /// # Ok::<(), ws_proto::handshake::RequestError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RequestLine`](RequestError::RequestLine) for a method that is not a token,
    /// [`Target`](RequestError::Target),
    /// [`HeaderName`](super::HeadError::HeaderName) and
    /// [`ControlCharacter`](super::HeadError::ControlCharacter) for headers that no line can
    /// hold.
    pub fn from_parts(
        method: &'b str,
        target: &'b str,
        version: HttpVersion,
        headers: impl Into<Headers<'b>>,
    ) -> Result<Self, RequestError> {
        let form = Target::parse(target).ok_or(RequestError::Target)?;
        Self::of_parts(method, (target, form), version, headers.into())
    }

    pub(super) fn of_parts(
        method: &'b str,
        (text, target): (&'b str, Target<'b>),
        version: HttpVersion,
        headers: Headers<'b>,
    ) -> Result<Self, RequestError> {
        if !is_token(method.as_bytes()) {
            return Err(RequestError::RequestLine);
        }
        Ok(Self {
            method,
            text,
            target,
            version,
            extended: None,
            fields: Fields::of_parts(headers)?,
        })
    }

    /// Takes an extended CONNECT of HTTP/2 or HTTP/3 (RFC 8441, RFC 9220): what its
    /// pseudo-headers `:protocol`, `:authority` and `:path` say, and its headers.
    ///
    /// It is accepted with status 200, and has no Key, Upgrade or Connection.
    ///
    /// ```
    /// use ws_proto::handshake::{HttpVersion, Request};
    ///
    /// let headers = [("sec-websocket-version", &b"13"[..])];
    /// let request = Request::extended_connect(
    ///     HttpVersion::Http2, "websocket", "example.com", "/chat", &headers[..])?;
    /// assert_eq!(request.authority(), Some("example.com"));
    /// let accept = request.accept()?;
    /// assert_eq!((accept.status(), accept.fields().count()), (200, 0));
    /// # Ok::<(), ws_proto::handshake::RequestError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`from_parts`](Self::from_parts).
    pub fn extended_connect(
        version: HttpVersion,
        protocol: &'b str,
        authority: &'b str,
        path: &'b str,
        headers: impl Into<Headers<'b>>,
    ) -> Result<Self, RequestError> {
        let extended = Extended {
            protocol,
            authority,
        };
        Ok(Self {
            extended: Some(extended),
            ..Self::from_parts("CONNECT", path, version, headers)?
        })
    }

    /// Reads a head that was searched: first line by `httparse`, and one walk over what it found
    /// of headers, in 4 KiB of stack that are given back before anything else happens.
    #[inline(never)]
    fn read(scan: &Scan, input: &'b [u8]) -> Result<Self, RequestError> {
        let (head, lines) = scan.parts(input);
        let mut headers = [const { MaybeUninit::uninit() }; Limits::HEADERS];
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(head, &mut headers) {
            Ok(httparse::Status::Complete(len)) if len == head.len() => {}
            Err(httparse::Error::Version) if has_a_version(head) => {
                return Err(RequestError::HttpVersion);
            }
            _ => return Err(RequestError::RequestLine),
        }
        let (Some(method), Some(text), Some(minor)) =
            (request.method, request.path, request.version)
        else {
            return Err(RequestError::RequestLine);
        };
        let parsed = request.headers.iter();
        Ok(Self {
            method,
            text,
            target: Target::parse(text).ok_or(RequestError::Target)?,
            version: match minor {
                0 => HttpVersion::Http10,
                _ => HttpVersion::Http11,
            },
            extended: None,
            fields: Fields::note(
                Headers::of_lines(lines),
                parsed.map(|header| (header.name, header.value)),
            ),
        })
    }

    /// Checks that this is a client's handshake, by every rule of §4.2.1, and makes the answer.
    ///
    /// It does not check the origin: call [`same_origin`](Self::same_origin), or compare
    /// [`origin`](Self::origin) with a list.
    ///
    /// # Errors
    ///
    /// The first rule that is broken, in the order of the variants from
    /// [`Method`](RequestError::Method) to
    /// [`InvalidExtensions`](RequestError::InvalidExtensions). Answer with
    /// [`encode_refusal`](RequestError::encode_refusal), or with
    /// [`refusal`](RequestError::refusal) in parts.
    pub fn accept(&self) -> Result<Accept<'b>, RequestError> {
        let token = match self.extended {
            None => Some(self.check_upgrade()?.accept_token()),
            Some(extended) => {
                self.check_extended(extended)?;
                None
            }
        };
        self.check_no_body()?;
        self.check_protocols()?;
        self.extensions()
            .try_for_each(|extension| extension.map(drop))?;
        Ok(Accept::new(token, self.fields.protocol()))
    }

    /// The rules of HTTP/1.1.
    fn check_upgrade(&self) -> Result<Key, RequestError> {
        // "An HTTP/1.1 or higher GET request, including a "Request-URI" […] that should be
        // interpreted as a /resource name/" (§4.2.1)
        if self.method != "GET" {
            return Err(RequestError::Method);
        }
        match self.version {
            HttpVersion::Http11 => {}
            HttpVersion::Http10 => return Err(RequestError::HttpVersion),
            // There it is an extended CONNECT.
            HttpVersion::Http2 | HttpVersion::Http3 => return Err(RequestError::Method),
        }
        if let Target::Authority(_) | Target::Asterisk = self.target {
            return Err(RequestError::Target);
        }
        // "A |Host| header field containing the server's authority." (§4.2.1)
        self.check_host()?;
        if self.fields.host == Field::Value(b"") {
            return Err(RequestError::InvalidHost);
        }
        // "An |Upgrade| header field containing the value "websocket", treated as an ASCII
        // case-insensitive value." (§4.2.1)
        match self.fields.upgrade().lists("websocket", is_protocol) {
            Listed::Yes => {}
            Listed::No => return Err(RequestError::MissingUpgrade),
            Listed::Malformed => return Err(RequestError::InvalidUpgrade),
        }
        // "A |Connection| header field that includes the token "Upgrade", treated as an ASCII
        // case-insensitive value." (§4.2.1)
        match self.fields.connection().lists("upgrade", is_token) {
            Listed::Yes => {}
            Listed::No => return Err(RequestError::MissingConnection),
            Listed::Malformed => return Err(RequestError::InvalidConnection),
        }
        self.check_version()?;
        self.key()
    }

    /// The rules of RFC 8441 §4 and §5.
    fn check_extended(&self, extended: Extended<'b>) -> Result<(), RequestError> {
        self.check_host()?;
        let Target::Origin { .. } = self.target else {
            return Err(RequestError::Target);
        };
        // Names of protocols are those of Upgrade, which are compared without regard to case
        // (RFC 8441 §4, RFC 9110 §7.8).
        if !extended.protocol.eq_ignore_ascii_case("websocket") {
            return Err(RequestError::UnknownProtocol);
        }
        // "An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header
        // fields. […] Any message containing connection-specific header fields MUST be treated as
        // malformed" (RFC 9113 §8.2.2)
        if self.fields.upgrade().field != Field::Missing {
            return Err(RequestError::InvalidUpgrade);
        }
        if self.fields.connection().field != Field::Missing {
            return Err(RequestError::InvalidConnection);
        }
        self.check_version()
    }

    /// Returns whether the request asks for a WebSocket: one of its Upgrades is `websocket`, or its
    /// `:protocol`. A handshake that [`accept`](Self::accept) refuses does so too.
    #[must_use]
    pub fn wants_upgrade(&self) -> bool {
        match self.extended {
            Some(extended) => extended.protocol.eq_ignore_ascii_case("websocket"),
            None => self.fields.upgrade().lists("websocket", |_| true) == Listed::Yes,
        }
    }

    /// The host and port that an extended CONNECT is for, its `:authority` (RFC 8441 §5); `None` over
    /// HTTP/1.1, where Host says it.
    #[must_use]
    pub fn authority(&self) -> Option<&'b str> {
        self.extended.map(|extended| extended.authority)
    }

    /// The way in which a WebSocket begins in this version of HTTP: a refusal depends on it.
    #[must_use]
    pub const fn bootstrap(&self) -> Bootstrap {
        match self.version {
            HttpVersion::Http10 | HttpVersion::Http11 => Bootstrap::Http1,
            HttpVersion::Http2 | HttpVersion::Http3 => Bootstrap::ExtendedConnect,
        }
    }

    /// The method, in the case that was received.
    #[must_use]
    pub const fn method(&self) -> &'b str {
        self.method
    }

    /// The request-target as it was received: visible ASCII and UTF-8 without `#`, not
    /// decoded.
    #[must_use]
    pub const fn target(&self) -> &'b str {
        self.text
    }

    /// The path of the target, not decoded and not normalised. It starts with a slash, unless the
    /// target names no resource (`OPTIONS *`, `CONNECT host:port`): then it is empty.
    #[must_use]
    pub fn path(&self) -> &'b str {
        self.target.path()
    }

    /// The rest of the target after its first `?`.
    #[must_use]
    pub fn query(&self) -> Option<&'b str> {
        self.target.query()
    }

    /// The version of HTTP.
    #[must_use]
    pub const fn version(&self) -> HttpVersion {
        self.version
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

    /// The subprotocols that are offered, the preferred one first (§4.2.1 (8)).
    ///
    /// ```
    /// # let request = ws_proto::handshake::Request::parse(
    /// #     b"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: soap, chat.v2\r\n\r\n").unwrap();
    /// let ours = ["chat.v2", "chat.v1"];
    /// let chosen = request.protocols().find(|offered| ours.contains(offered));
    /// assert_eq!(chosen, Some("chat.v2"));
    /// ```
    pub fn protocols(&self) -> impl Iterator<Item = &'b str> + Clone + use<'b> {
        self.fields
            .protocol()
            .elements()
            .filter(|element| is_token(element))
            .filter_map(|element| str::from_utf8(element).ok())
    }

    /// The extensions that are offered (§4.2.1 (9)).
    #[must_use]
    pub fn extensions(&self) -> Extensions<'b> {
        Extensions::of(self.fields.extensions())
    }

    /// The origin of the page whose script connects, or `None`: "A connection attempt lacking this
    /// header field SHOULD NOT be interpreted as coming from a browser client." (§4.2.1 (7))
    ///
    /// ```
    /// # use ws_proto::handshake::{Origin, Request, RequestError};
    /// # let request = Request::parse(b"GET / HTTP/1.1\r\nOrigin: https://a.example\r\n\r\n")?;
    /// let allowed = [Origin::parse("https://a.example")?, Origin::parse("https://b.example")?];
    /// if request.origin()?.is_some_and(|origin| !allowed.contains(&origin)) {
    ///     return Err(RequestError::Origin);
    /// }
    /// # Ok::<(), RequestError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RequestError::Origin`] if it is malformed or sent more than once.
    pub fn origin(&self) -> Result<Option<Origin<'b>>, RequestError> {
        match self.fields.origin {
            Field::Missing => Ok(None),
            Field::Value(value) => {
                let text = str::from_utf8(value).map_err(|_| RequestError::Origin)?;
                Ok(Some(Origin::parse(text)?))
            }
            Field::Repeated => Err(RequestError::Origin),
        }
    }

    /// Checks that the request does not come from a foreign page: Origin is absent, or has the host
    /// and port of Host, or of `:authority`.
    ///
    /// # Errors
    ///
    /// [`RequestError::Origin`], which is answered with 403 (§10.2).
    pub fn same_origin(&self) -> Result<(), RequestError> {
        let Some(origin) = self.origin()? else {
            return Ok(());
        };
        let host = match (self.extended, self.fields.host) {
            (Some(extended), _) => Ok(extended.authority),
            (None, Field::Value(host)) => str::from_utf8(host).map_err(|_| RequestError::Origin),
            (None, _) => Err(RequestError::Origin),
        };
        match origin.same_host(host?) {
            true => Ok(()),
            false => Err(RequestError::Origin),
        }
    }

    /// Checks that the request names its host, and names only one. It serves requests for pages
    /// too.
    ///
    /// | version | names its host | else |
    /// |---|---|---|
    /// | HTTP/1.0 | Host or an absolute target, if any | |
    /// | HTTP/1.1 | Host, which is empty if nothing has a name | [`MissingHost`](RequestError::MissingHost) |
    /// | HTTP/2, HTTP/3 | `:authority` or Host, not empty | [`MissingHost`](RequestError::MissingHost), [`InvalidHost`](RequestError::InvalidHost) |
    ///
    /// ```
    /// use ws_proto::handshake::{Request, RequestError};
    ///
    /// let head = b"GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n";
    /// assert_eq!(Request::parse(head)?.check_host(), Err(RequestError::HostMismatch));
    /// # Ok::<(), RequestError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The ones in the table; [`RepeatedHost`](RequestError::RepeatedHost), `InvalidHost` if it is
    /// not `host[:port]`, and [`HostMismatch`](RequestError::HostMismatch) if the target or
    /// `:authority` names another host or port.
    pub fn check_host(&self) -> Result<(), RequestError> {
        let named = match self.extended {
            Some(extended) => {
                let authority = Authority::parse(extended.authority);
                Some((authority.ok_or(RequestError::InvalidHost)?, None))
            }
            None => self.target.authority(),
        };
        let host = match self.fields.host {
            // "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request
            // message that lacks a Host header field and to any request message that contains more
            // than one Host header field line or a Host header field with an invalid field value."
            // (RFC 9112 §3.2)
            Field::Missing => {
                return match (self.version, named) {
                    (HttpVersion::Http10, _) => Ok(()),
                    // "the request MUST contain either an ":authority" pseudo-header field or a
                    // "Host" header field." (RFC 9113 §8.3.1)
                    (HttpVersion::Http2 | HttpVersion::Http3, Some(_)) => Ok(()),
                    _ => Err(RequestError::MissingHost),
                };
            }
            // "If the authority component is missing or undefined for the target URI, then a client
            // MUST send a Host header field with an empty field value." (RFC 9112 §3.2); in HTTP/2
            // "they MUST NOT be empty" (RFC 9113 §8.3.1).
            Field::Value(b"") if self.bootstrap() == Bootstrap::Http1 => {
                return named.map_or(Ok(()), |_| Err(RequestError::HostMismatch));
            }
            Field::Value(value) => str::from_utf8(value)
                .ok()
                .and_then(Authority::parse)
                .ok_or(RequestError::InvalidHost)?,
            Field::Repeated => return Err(RequestError::RepeatedHost),
        };
        // "If the target URI includes an authority component, then a client MUST send a field value
        // for Host that is identical to that authority component" (RFC 9112 §3.2). Of two names,
        // a proxy that looked at one of them let the other one through.
        //
        // "a server SHOULD treat a request as malformed if it contains a Host header field that
        // identifies an entity that differs from the entity in the ":authority" pseudo-header
        // field." (RFC 9113 §8.3.1)
        match named {
            Some((authority, port)) if !authority.is_same(&host, port) => {
                Err(RequestError::HostMismatch)
            }
            _ => Ok(()),
        }
    }

    /// > A |Sec-WebSocket-Key| header field with a base64-encoded […] value that, when decoded, is
    /// > 16 bytes in length. (§4.2.1)
    fn key(&self) -> Result<Key, RequestError> {
        match self.fields.key {
            Field::Missing => Err(RequestError::MissingKey),
            Field::Repeated => Err(RequestError::RepeatedKey),
            Field::Value(value) => {
                Key::parse(str::from_utf8(value).map_err(|_| RequestError::InvalidKey)?)
            }
        }
    }

    /// "A |Sec-WebSocket-Version| header field, with a value of 13." (§4.2.1)
    fn check_version(&self) -> Result<(), RequestError> {
        match self.fields.version {
            Field::Value(b"13") => Ok(()),
            _ => Err(RequestError::WebSocketVersion),
        }
    }

    fn check_no_body(&self) -> Result<(), RequestError> {
        let Fields {
            content_length,
            transfer_encoding,
            ..
        } = self.fields;
        if !matches!(content_length, Field::Missing | Field::Value(b"0"))
            || transfer_encoding != Field::Missing
        {
            return Err(RequestError::Body);
        }
        Ok(())
    }

    fn check_protocols(&self) -> Result<(), RequestError> {
        let list = self.fields.protocol();
        if list.field == Field::Missing {
            return Ok(());
        }
        match unique_tokens(list.elements()) {
            // "Sec-WebSocket-Protocol-Client = 1#token" (§4.3), but clients that offer none send
            // an empty list.
            Ok(_) => Ok(()),
            Err(ListFault::NotAToken) => Err(RequestError::InvalidProtocol),
            Err(ListFault::Repeated) => Err(RequestError::RepeatedProtocol),
            Err(ListFault::TooMany) => Err(RequestError::TooManyProtocols),
        }
    }
}

/// Shows the request line without the values in its query, and the names of the headers: values
/// hold cookies, and queries hold tokens.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("target", &Redacted(self.text))
            .field("version", &self.version)
            .field("headers", &self.fields.headers)
            .finish()
    }
}

/// Tells a request line of another version from one that is garbled.
fn has_a_version(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\r').next();
    let mut words = line.unwrap_or_default().split(|&byte| byte == b' ').skip(2);
    let version = words.next().and_then(|word| word.strip_prefix(b"HTTP/"));
    words.next().is_none()
        && matches!(version, Some([major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// `protocol-name ["/" protocol-version]` (RFC 9110 §7.8).
fn is_protocol(element: &[u8]) -> bool {
    element.splitn(2, |&byte| byte == b'/').all(is_token)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{string::String, vec::Vec};

    use super::RequestError as E;
    use super::*;

    /// The example of §1.2, with these lines instead of its Origin and its subprotocols.
    fn request(lines: &str) -> String {
        String::from(
            "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\n",
        ) + lines
            + "\r\n"
    }

    #[test]
    fn ordinary_requests_parse() {
        let head = b"POST /form?a=b HTTP/1.0\r\nContent-Length: 3\r\nX: \xff\r\n\r\n";
        let request = Request::parse(head).unwrap();
        assert_eq!(request.method(), "POST");
        assert_eq!(request.target(), "/form?a=b");
        assert_eq!(request.path(), "/form");
        assert_eq!(request.query(), Some("a=b"));
        assert_eq!(request.version(), HttpVersion::Http10);
        assert_eq!(request.header("content-length"), Some("3"));
        assert_eq!(request.header("x"), None, "not UTF-8");
        assert_eq!(request.headers().get("x"), Some(&b"\xff"[..]));
        assert!(!request.wants_upgrade());
        assert_eq!(request.protocols().count(), 0);
        assert_eq!(request.extensions().count(), 0);
        assert_eq!(request.accept().map(drop), Err(E::Method));
    }

    #[test]
    fn what_is_offered_is_listed_in_order() {
        let head = request(
            "Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Protocol: a, b c\r\n\
             Upgrade: \"\r\n",
        );
        let request = Request::parse(head.as_bytes()).unwrap();
        assert!(request.wants_upgrade(), "a handshake, though a bad one");
        let offered: Vec<_> = request.protocols().collect();
        assert_eq!(offered, ["chat", "superchat", "a"]);
    }

    #[test]
    fn a_foreign_page_is_turned_away() {
        let same = "Origin: http://server.example.com\r\n";
        let cases = [
            ("", Ok(())),
            (same, Ok(())),
            ("Origin: https://Server.Example.com\r\n", Ok(())),
            ("Origin: http://example.com\r\n", Err(E::Origin)),
            ("Origin: null\r\n", Err(E::Origin)),
            ("Origin:\r\n", Err(E::Origin)),
            ("Origin: \u{e9}\r\n", Err(E::Origin)),
            (
                "Origin: http://server.example.com.evil.com\r\n",
                Err(E::Origin),
            ),
            (&same.repeat(2), Err(E::Origin)),
            (
                "Origin: http://evil.com\r\nHost: evil.com\r\n",
                Err(E::Origin),
            ),
        ];
        for (lines, expected) in cases {
            let head = request(lines);
            let request = Request::parse(head.as_bytes()).unwrap();
            assert_eq!(request.same_origin(), expected, "{lines:?}");
        }
        let head = request(same).replacen("Host:", "X:", 1);
        let request = Request::parse(head.as_bytes()).unwrap();
        assert_eq!(request.same_origin(), Err(E::Origin), "no Host");
        assert_eq!(E::Origin.status(), 403);
    }

    #[test]
    fn a_request_is_small() {
        assert!(size_of::<Request<'_>>() <= 480);
    }
}
