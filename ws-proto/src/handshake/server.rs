//! The server's side: reading the client's handshake (§4.2.1) and sending our own (§4.2.2).

use core::mem::MaybeUninit;
use core::str;

use super::deflate::Agreed;
use super::error::{ArgumentError, RequestError};
use super::extensions::Extensions;
use super::head::{Scan, check};
use super::headers::{Headers, Listed, Only};
use super::origin::Origin;
use super::syntax::{ListFault, check_own_headers, is_token, unique_tokens};
use super::target::Target;
use super::write::Writer;
use super::{AcceptToken, HttpVersion, Key, authority::Authority};
use crate::error::NoRoom;
use crate::limits::Limits;

/// A request whose head is valid HTTP/1.0 or HTTP/1.1, of whatever method: a server answers pages
/// on the same port.
///
/// Whether it is a handshake [`accept`](Self::accept) tells. If it is not, it has to say whether
/// it has a body; one that [wants an upgrade](Self::wants_upgrade) should be refused with
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
#[derive(Clone, Copy, Debug)]
pub struct Request<'b> {
    method: &'b str,
    text: &'b str,
    target: Target<'b>,
    version: HttpVersion,
    headers: Headers<'b>,
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
        check(head)?;
        let (method, text, version) = parse_request_line(head)?;
        Ok(Self {
            method,
            text,
            target: Target::parse(text).ok_or(RequestError::Target)?,
            version,
            headers: Headers::of(head),
        })
    }

    /// Searches on for the end of the head, and parses it once it is there: the request and the
    /// length of its head, or `None` while more input is needed. `input` is everything received
    /// so far; the bytes behind the head are the caller's.
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
        let head = scan.head().and_then(|head| input.get(head));
        Ok(Some((Self::parse(head.unwrap_or_default())?, len)))
    }

    /// Checks that this is a client's handshake, by every rule of §4.2.1, and makes the answer.
    ///
    /// Who asks is not checked: call [`same_origin`](Self::same_origin), or compare
    /// [`origin`](Self::origin) with a list.
    ///
    /// # Errors
    ///
    /// The first rule that is broken, in the order of the variants from
    /// [`Method`](RequestError::Method) to
    /// [`InvalidExtensions`](RequestError::InvalidExtensions). Answer with
    /// [`encode_refusal`](RequestError::encode_refusal).
    pub fn accept(&self) -> Result<Accept<'b>, RequestError> {
        let headers = self.headers;
        // "An HTTP/1.1 or higher GET request, including a "Request-URI" […] that should be
        // interpreted as a /resource name/" (§4.2.1)
        if self.method != "GET" {
            return Err(RequestError::Method);
        }
        if self.version != HttpVersion::Http11 {
            return Err(RequestError::HttpVersion);
        }
        // "A |Host| header field containing the server's authority." (§4.2.1)
        let host = self.host()?;
        match self.target {
            Target::Origin { .. } => {}
            Target::Absolute {
                authority,
                default_port,
                ..
            } => {
                if !authority.is_same(&host, Some(default_port)) {
                    return Err(RequestError::HostMismatch);
                }
            }
            Target::NoResource => return Err(RequestError::Target),
        }
        // "An |Upgrade| header field containing the value "websocket", treated as an ASCII
        // case-insensitive value." (§4.2.1)
        match headers.listed("Upgrade", "websocket", is_protocol) {
            Listed::Yes => {}
            Listed::No => return Err(RequestError::MissingUpgrade),
            Listed::Malformed => return Err(RequestError::InvalidUpgrade),
        }
        // "A |Connection| header field that includes the token "Upgrade", treated as an ASCII
        // case-insensitive value." (§4.2.1)
        match headers.listed("Connection", "upgrade", is_token) {
            Listed::Yes => {}
            Listed::No => return Err(RequestError::MissingConnection),
            Listed::Malformed => return Err(RequestError::InvalidConnection),
        }
        // "A |Sec-WebSocket-Version| header field, with a value of 13." (§4.2.1)
        if headers.only("Sec-WebSocket-Version") != Only::Value(b"13") {
            return Err(RequestError::WebSocketVersion);
        }
        let key = self.key()?;
        self.check_no_body()?;
        self.check_protocols()?;
        self.extensions()
            .try_for_each(|extension| extension.map(drop))?;
        Ok(Accept {
            token: key.accept_token(),
            offered: headers,
            protocol: None,
            compression: None,
            headers: &[],
        })
    }

    /// Tells whether the request asks for a WebSocket: one of its Upgrades is `websocket`. A
    /// handshake that [`accept`](Self::accept) refuses does so too.
    #[must_use]
    pub fn wants_upgrade(&self) -> bool {
        self.headers.listed("Upgrade", "websocket", |_| true) == Listed::Yes
    }

    /// The method, in the case that was received.
    #[must_use]
    pub const fn method(&self) -> &'b str {
        self.method
    }

    /// The request-target as it was received: visible ASCII without `#`, not decoded.
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

    /// What follows the first `?` of the target.
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
        self.headers
    }

    /// The value of the first header of that name, if it is UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'b str> {
        str::from_utf8(self.headers.get(name)?).ok()
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
        self.headers
            .list("Sec-WebSocket-Protocol")
            .filter(|element| is_token(element))
            .filter_map(|element| str::from_utf8(element).ok())
    }

    /// The extensions that are offered (§4.2.1 (9)).
    #[must_use]
    pub const fn extensions(&self) -> Extensions<'b> {
        Extensions::of(self.headers)
    }

    /// Whose script asks, or `None`: "A connection attempt lacking this header field SHOULD NOT
    /// be interpreted as coming from a browser client." (§4.2.1 (7))
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
    /// [`RequestError::Origin`] if it is malformed, `null` or sent more than once.
    pub fn origin(&self) -> Result<Option<Origin<'b>>, RequestError> {
        match self.headers.only("Origin") {
            Only::Missing => Ok(None),
            Only::Value(value) => {
                let text = str::from_utf8(value).map_err(|_| RequestError::Origin)?;
                Ok(Some(Origin::parse(text)?))
            }
            Only::Repeated => Err(RequestError::Origin),
        }
    }

    /// Checks that no foreign page asks: Origin is absent, or has the host and port of Host.
    ///
    /// # Errors
    ///
    /// [`RequestError::Origin`], which is answered with 403 (§10.2).
    pub fn same_origin(&self) -> Result<(), RequestError> {
        let Some(origin) = self.origin()? else {
            return Ok(());
        };
        match self.headers.only("Host") {
            Only::Value(host) if str::from_utf8(host).is_ok_and(|host| origin.same_host(host)) => {
                Ok(())
            }
            _ => Err(RequestError::Origin),
        }
    }

    /// Checks Host, of a request for a page too.
    ///
    /// > A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message
    /// > that lacks a Host header field and to any request message that contains more than one Host
    /// > header field line or a Host header field with an invalid field value. (RFC 9112 §3.2)
    #[cfg(feature = "alloc")]
    pub(crate) fn check_host(&self) -> Result<(), RequestError> {
        match (self.host(), self.headers.only("Host")) {
            // A target may have no authority, and then Host is there and empty (RFC 9112 §3.2).
            (Err(RequestError::InvalidHost), Only::Value(b"")) => Ok(()),
            (Err(RequestError::MissingHost), _) if self.version == HttpVersion::Http10 => Ok(()),
            (host, _) => host.map(drop),
        }
    }

    fn host(&self) -> Result<Authority<'b>, RequestError> {
        match self.headers.only("Host") {
            Only::Missing => Err(RequestError::MissingHost),
            Only::Repeated => Err(RequestError::RepeatedHost),
            Only::Value(value) => str::from_utf8(value)
                .ok()
                .and_then(Authority::parse)
                .ok_or(RequestError::InvalidHost),
        }
    }

    /// > A |Sec-WebSocket-Key| header field with a base64-encoded […] value that, when decoded, is
    /// > 16 bytes in length. (§4.2.1)
    fn key(&self) -> Result<Key, RequestError> {
        match self.headers.only("Sec-WebSocket-Key") {
            Only::Missing => Err(RequestError::MissingKey),
            Only::Repeated => Err(RequestError::RepeatedKey),
            Only::Value(value) => {
                Key::parse(str::from_utf8(value).map_err(|_| RequestError::InvalidKey)?)
            }
        }
    }

    fn check_no_body(&self) -> Result<(), RequestError> {
        let length = self.headers.only("Content-Length");
        if !matches!(length, Only::Missing | Only::Value(b"0"))
            || self.headers.only("Transfer-Encoding") != Only::Missing
        {
            return Err(RequestError::Body);
        }
        Ok(())
    }

    fn check_protocols(&self) -> Result<(), RequestError> {
        const NAME: &str = "Sec-WebSocket-Protocol";
        match unique_tokens(self.headers.list(NAME)) {
            // "Sec-WebSocket-Protocol-Client = 1#token" (§4.3)
            Ok(0) if self.headers.get(NAME).is_some() => Err(RequestError::InvalidProtocol),
            Ok(_) => Ok(()),
            Err(ListFault::NotAToken) => Err(RequestError::InvalidProtocol),
            Err(ListFault::Repeated) => Err(RequestError::RepeatedProtocol),
            Err(ListFault::TooMany) => Err(RequestError::TooManyProtocols),
        }
    }
}

/// The 101 that opens the connection (§4.2.2 (5)), from [`Request::accept`].
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Accept<'a> {
    token: AcceptToken,
    offered: Headers<'a>,
    protocol: Option<&'a str>,
    compression: Option<Agreed>,
    headers: &'a [(&'a str, &'a str)],
}

impl<'a> Accept<'a> {
    /// Chooses a subprotocol. Without this call there is none.
    ///
    /// # Errors
    ///
    /// [`Protocol`](ArgumentError::Protocol) if it is not a token, and
    /// [`UnofferedProtocol`](ArgumentError::UnofferedProtocol): "The value chosen MUST be
    /// derived from the client's handshake" (§4.2.2).
    pub fn protocol(self, protocol: &'a str) -> Result<Self, ArgumentError> {
        if !is_token(protocol.as_bytes()) {
            return Err(ArgumentError::Protocol);
        }
        let mut offered = self.offered.list("Sec-WebSocket-Protocol");
        if !offered.any(|offered| offered == protocol.as_bytes()) {
            return Err(ArgumentError::UnofferedProtocol);
        }
        Ok(Self {
            protocol: Some(protocol),
            ..self
        })
    }

    /// Says what was agreed on about compression: see [`Compression::agree`]. Without this call
    /// there is none.
    ///
    /// [`Compression::agree`]: super::Compression::agree
    pub const fn compression(self, compression: Option<Agreed>) -> Self {
        Self {
            compression,
            ..self
        }
    }

    /// Sets the headers that the application adds, cookies for example.
    ///
    /// # Errors
    ///
    /// [`HeaderName`](ArgumentError::HeaderName),
    /// [`HeaderValue`](ArgumentError::HeaderValue) if one could break its line, and
    /// [`ReservedHeader`](ArgumentError::ReservedHeader) if it is one of the handshake's.
    pub fn headers(self, headers: &'a [(&'a str, &'a str)]) -> Result<Self, ArgumentError> {
        check_own_headers(headers)?;
        Ok(Self { headers, ..self })
    }

    /// Writes the response and returns its length in bytes: 129, and what was added.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if `out` is shorter than the response.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut writer = Writer::new(out);
        writer.put("HTTP/1.1 101 Switching Protocols\r\n");
        writer.header("Upgrade", "websocket");
        writer.header("Connection", "Upgrade");
        writer.header("Sec-WebSocket-Accept", self.token.as_str());
        if let Some(protocol) = self.protocol {
            writer.header("Sec-WebSocket-Protocol", protocol);
        }
        if let Some(agreed) = &self.compression {
            agreed.write(&mut writer);
        }
        for (name, value) in self.headers {
            writer.header(name, value);
        }
        writer.put("\r\n");
        writer.finish()
    }
}

/// Method, target and version. `httparse` also reads the headers again: a second opinion, in 4 KiB
/// of stack that are given back before anything else happens.
#[inline(never)]
fn parse_request_line(head: &[u8]) -> Result<(&str, &str, HttpVersion), RequestError> {
    let mut headers = [const { MaybeUninit::uninit() }; Limits::HEADERS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut headers) {
        Ok(httparse::Status::Complete(len)) if len == head.len() => {}
        Err(httparse::Error::Version) if has_a_version(head) => {
            return Err(RequestError::HttpVersion);
        }
        _ => return Err(RequestError::RequestLine),
    }
    match (request.method, request.path, request.version) {
        (Some(method), Some(path), Some(0)) => Ok((method, path, HttpVersion::Http10)),
        (Some(method), Some(path), Some(1)) => Ok((method, path, HttpVersion::Http11)),
        _ => Err(RequestError::RequestLine),
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

    use std::{format, string::String, vec::Vec};

    use super::super::HeadError;
    use super::RequestError as E;
    use super::*;

    /// The example of §1.2.
    const LINES: [&str; 8] = [
        "GET /chat HTTP/1.1",
        "Host: server.example.com",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Origin: http://example.com",
        "Sec-WebSocket-Protocol: chat, superchat",
        "Sec-WebSocket-Version: 13",
    ];

    fn edited(edits: &str) -> String {
        super::super::edits::edited(&LINES, edits)
    }

    #[test]
    fn every_rule_of_section_4_2_1() {
        let many_tokens = |n: usize| {
            (0..n)
                .map(|i| format!("p{i}"))
                .collect::<Vec<_>>()
                .join(",")
        };
        let many = format!("=Sec-WebSocket-Protocol: {}", many_tokens(64));
        let too_many = format!("=Sec-WebSocket-Protocol: {}", many_tokens(65));
        let cases: &[(&str, Result<(), E>)] = &[
            ("", Ok(())),
            // The request line.
            (">GET / HTTP/1.1", Ok(())),
            (">GET //a HTTP/1.1", Ok(())),
            (">GET /a?b=c&d=%20%2f| HTTP/1.1", Ok(())),
            (">GET http://server.example.com/chat HTTP/1.1", Ok(())),
            (">GET https://SERVER.example.com HTTP/1.1", Ok(())),
            (">GET http://server.example.com:80/ HTTP/1.1", Ok(())),
            (
                ">GET http://server.example.com:81/ HTTP/1.1",
                Err(E::HostMismatch),
            ),
            (
                ">GET http://other.example.com/ HTTP/1.1",
                Err(E::HostMismatch),
            ),
            (
                ">GET http://u:p@server.example.com/ HTTP/1.1",
                Err(E::Target),
            ),
            (">GET ftp://server.example.com/ HTTP/1.1", Err(E::Target)),
            (">GET * HTTP/1.1", Err(E::Target)),
            (">GET server.example.com:80 HTTP/1.1", Err(E::Target)),
            (">GET chat HTTP/1.1", Err(E::Target)),
            (">GET /a#b HTTP/1.1", Err(E::Target)),
            (">GET /\u{e9} HTTP/1.1", Err(E::Target)),
            (">POST /chat HTTP/1.1", Err(E::Method)),
            (">get /chat HTTP/1.1", Err(E::Method)),
            (">HEAD /chat HTTP/1.1", Err(E::Method)),
            (">CONNECT server.example.com:80 HTTP/1.1", Err(E::Method)),
            (">OPTIONS * HTTP/1.1", Err(E::Method)),
            (">GET /chat HTTP/1.0", Err(E::HttpVersion)),
            (">GET /chat HTTP/1.2", Err(E::HttpVersion)),
            (">GET /chat HTTP/2.0", Err(E::HttpVersion)),
            (">PRI * HTTP/2.0", Err(E::HttpVersion)),
            (">GET /chat HTTP/0.9", Err(E::HttpVersion)),
            (">GET /chat", Err(E::RequestLine)),
            (">GET /chat ", Err(E::RequestLine)),
            (">GET", Err(E::RequestLine)),
            (">GET  /chat HTTP/1.1", Err(E::RequestLine)),
            (">GET /chat  HTTP/1.1", Err(E::RequestLine)),
            (">GET /chat HTTP/1.1 ", Err(E::RequestLine)),
            (">GET /chat x HTTP/1.1", Err(E::RequestLine)),
            (">GET /chat HTTP/2.0 x", Err(E::RequestLine)),
            (">GET /chat http/1.1", Err(E::RequestLine)),
            (">GET /chat HTTP/1.10", Err(E::RequestLine)),
            (">GET /chat HTTP/11", Err(E::RequestLine)),
            ("> GET /chat HTTP/1.1", Err(E::RequestLine)),
            (">G(T /chat HTTP/1.1", Err(E::RequestLine)),
            (
                ">GET\t/chat HTTP/1.1",
                Err(E::Head(HeadError::ControlCharacter)),
            ),
            (">", Err(E::Head(HeadError::EmptyFirstLine))),
            // Host.
            ("=Host: server.example.com:9001", Ok(())),
            ("=Host: [::1]:9001", Ok(())),
            ("-Host", Err(E::MissingHost)),
            ("+Host: server.example.com", Err(E::RepeatedHost)),
            ("+host: b", Err(E::RepeatedHost)),
            ("=Host:", Err(E::InvalidHost)),
            ("=Host: a b", Err(E::InvalidHost)),
            ("=Host: a@b", Err(E::InvalidHost)),
            ("=Host: a/b", Err(E::InvalidHost)),
            ("=Host: http://a", Err(E::InvalidHost)),
            ("=Host: a:99999", Err(E::InvalidHost)),
            ("=Host: \u{e9}", Err(E::InvalidHost)),
            // Upgrade.
            ("=Upgrade: WebSocket", Ok(())),
            ("=Upgrade: foo, websocket", Ok(())),
            ("=Upgrade: websocket, HTTP/2.0", Ok(())),
            ("=Upgrade: h2c & +UPGRADE: ,WEBSOCKET,", Ok(())),
            ("-Upgrade", Err(E::MissingUpgrade)),
            ("=Upgrade:", Err(E::MissingUpgrade)),
            ("=Upgrade: h2c", Err(E::MissingUpgrade)),
            ("=Upgrade: websocket2", Err(E::MissingUpgrade)),
            ("=Upgrade: websocket/13", Err(E::MissingUpgrade)),
            ("=Upgrade: web socket", Err(E::InvalidUpgrade)),
            ("=Upgrade: websocket; q=1", Err(E::InvalidUpgrade)),
            ("=Upgrade: \"websocket\"", Err(E::InvalidUpgrade)),
            ("=Upgrade: websocket, a/b/c", Err(E::InvalidUpgrade)),
            ("=Upgrade: websocket, \u{e9}", Err(E::InvalidUpgrade)),
            // Connection.
            ("=Connection: upgrade", Ok(())),
            ("=Connection: keep-alive, Upgrade", Ok(())),
            ("=Connection: keep-alive & +Connection:UPGRADE\t", Ok(())),
            ("-Connection", Err(E::MissingConnection)),
            ("=Connection: close", Err(E::MissingConnection)),
            ("=Connection: keep-alive Upgrade", Err(E::InvalidConnection)),
            ("=Connection: Upgrade; x", Err(E::InvalidConnection)),
            ("=Connection: Upgrade/1", Err(E::InvalidConnection)),
            // Version: 426.
            ("-Sec-WebSocket-Version", Err(E::WebSocketVersion)),
            ("=Sec-WebSocket-Version:", Err(E::WebSocketVersion)),
            ("=Sec-WebSocket-Version: 8", Err(E::WebSocketVersion)),
            ("=Sec-WebSocket-Version: 14", Err(E::WebSocketVersion)),
            ("=Sec-WebSocket-Version: 013", Err(E::WebSocketVersion)),
            ("=Sec-WebSocket-Version: 13, 8", Err(E::WebSocketVersion)),
            ("=Sec-WebSocket-Version: 13 13", Err(E::WebSocketVersion)),
            ("+Sec-WebSocket-Version: 13", Err(E::WebSocketVersion)),
            // Key.
            ("=Sec-WebSocket-Key: \t AQIDBAUGBwgJCgsMDQ4PEA== ", Ok(())),
            ("-Sec-WebSocket-Key", Err(E::MissingKey)),
            (
                "+Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                Err(E::RepeatedKey),
            ),
            ("=Sec-WebSocket-Key:", Err(E::InvalidKey)),
            (
                "=Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==",
                Err(E::InvalidKey),
            ),
            (
                "=Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ",
                Err(E::InvalidKey),
            ),
            (
                "=Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE=",
                Err(E::InvalidKey),
            ),
            ("=Sec-WebSocket-Key: bogus", Err(E::InvalidKey)),
            ("=Sec-WebSocket-Key: \u{e9}", Err(E::InvalidKey)),
            // A body.
            ("+Content-Length: 0", Ok(())),
            ("+Content-Length: 40", Err(E::Body)),
            ("+Content-Length: 00", Err(E::Body)),
            ("+Content-Length: +0", Err(E::Body)),
            ("+Content-Length: -1", Err(E::Body)),
            ("+Content-Length: 0, 0", Err(E::Body)),
            ("+Content-Length:", Err(E::Body)),
            ("+Content-Length: 0 & +content-length: 0", Err(E::Body)),
            ("+Transfer-Encoding: chunked", Err(E::Body)),
            ("+transfer-encoding: identity", Err(E::Body)),
            ("+Transfer-Encoding:", Err(E::Body)),
            (
                "+Transfer-Encoding: x & +Transfer-Encoding: y",
                Err(E::Body),
            ),
            (
                "+Content-Length: 0 & +Transfer-Encoding: chunked",
                Err(E::Body),
            ),
            // Subprotocols and extensions.
            ("-Sec-WebSocket-Protocol", Ok(())),
            (
                "=Sec-WebSocket-Protocol: a,,b & +Sec-WebSocket-Protocol: A",
                Ok(()),
            ),
            (&many, Ok(())),
            (&too_many, Err(E::TooManyProtocols)),
            ("=Sec-WebSocket-Protocol:", Err(E::InvalidProtocol)),
            ("=Sec-WebSocket-Protocol: ,", Err(E::InvalidProtocol)),
            ("=Sec-WebSocket-Protocol: a b", Err(E::InvalidProtocol)),
            ("=Sec-WebSocket-Protocol: a; b", Err(E::InvalidProtocol)),
            ("=Sec-WebSocket-Protocol: \u{e9}", Err(E::InvalidProtocol)),
            ("=Sec-WebSocket-Protocol: a, b, a", Err(E::RepeatedProtocol)),
            ("+Sec-WebSocket-Protocol: chat", Err(E::RepeatedProtocol)),
            (
                "+Sec-WebSocket-Extensions: permessage-deflate; a=\"1\"",
                Ok(()),
            ),
            ("+Sec-WebSocket-Extensions: unknown", Ok(())),
            ("+Sec-WebSocket-Extensions:", Err(E::InvalidExtensions)),
            ("+Sec-WebSocket-Extensions: a;", Err(E::InvalidExtensions)),
            (
                "+Sec-WebSocket-Extensions: a, b=c",
                Err(E::InvalidExtensions),
            ),
            // Any other header is none of our business, if it is one.
            (
                "+Cookie: a=b; c=d & +X: \u{e9}\t & +!#$%&'*+-.^_`|~:x & +Empty:",
                Ok(()),
            ),
            ("-Origin", Ok(())),
            ("+X : y", Err(E::Head(HeadError::SpaceBeforeColon))),
            ("+X\t: y", Err(E::Head(HeadError::SpaceBeforeColon))),
            ("+X\u{e9}: y", Err(E::Head(HeadError::HeaderName))),
            ("+X", Err(E::Head(HeadError::HeaderName))),
            ("+: y", Err(E::Head(HeadError::HeaderName))),
            ("+(X): y", Err(E::Head(HeadError::HeaderName))),
            ("+X: y\r\n z", Err(E::Head(HeadError::FoldedLine))),
            ("+X: y\nZ: z", Err(E::Head(HeadError::BareLf))),
            ("+X: y\rZ: z", Err(E::Head(HeadError::BareCr))),
            ("+X: y\0", Err(E::Head(HeadError::ControlCharacter))),
            ("+X: y\u{7f}", Err(E::Head(HeadError::ControlCharacter))),
            (
                "+\rTransfer-Encoding: chunked",
                Err(E::Head(HeadError::BareCr)),
            ),
            (
                "+Transfer-Encoding\x0b: chunked",
                Err(E::Head(HeadError::ControlCharacter)),
            ),
        ];
        assert!(cases.len() >= 80);
        for (edits, expected) in cases {
            let head = edited(edits);
            let verdict = Request::parse(head.as_bytes()).and_then(|request| request.accept());
            assert_eq!(verdict.map(drop), *expected, "{edits:?}");
        }
    }

    #[test]
    fn the_answer_is_the_one_of_the_rfc() {
        let head = edited("");
        let accept = Request::parse(head.as_bytes()).unwrap().accept().unwrap();
        let mut out = [0; 256];
        let len = accept.encode(&mut out).unwrap();
        assert_eq!(
            str::from_utf8(&out[..len]).unwrap(),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
        assert_eq!(len, 129);

        let accept = accept
            .protocol("superchat")
            .unwrap()
            .headers(&[("A", "b c"), ("D", "")]);
        let len = accept.unwrap().encode(&mut out).unwrap();
        assert!(
            out[..len]
                .ends_with(b"xOo=\r\nSec-WebSocket-Protocol: superchat\r\nA: b c\r\nD: \r\n\r\n")
        );
        for short in 0..len {
            let needed = accept.unwrap().encode(&mut out[..short]);
            assert_eq!(needed, Err(NoRoom { needed: len }));
        }
    }

    #[test]
    fn only_a_subprotocol_that_was_offered() {
        let head = edited("");
        let accept = Request::parse(head.as_bytes()).unwrap().accept().unwrap();
        let chosen = |protocol| accept.protocol(protocol).map(drop);
        assert_eq!(chosen("chat"), Ok(()));
        assert_eq!(chosen("Chat"), Err(ArgumentError::UnofferedProtocol));
        assert_eq!(chosen("cha"), Err(ArgumentError::UnofferedProtocol));
        assert_eq!(chosen("chat, superchat"), Err(ArgumentError::Protocol));
        assert_eq!(chosen("chat\r\nX: y"), Err(ArgumentError::Protocol));
        assert_eq!(chosen(""), Err(ArgumentError::Protocol));
        assert_eq!(
            accept
                .headers(&[("Sec-WebSocket-Protocol", "chat")])
                .map(drop),
            Err(ArgumentError::ReservedHeader)
        );
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
        let head = edited("+Sec-WebSocket-Protocol: a, b c & +Upgrade: \"");
        let request = Request::parse(head.as_bytes()).unwrap();
        assert!(request.wants_upgrade(), "a handshake, though a bad one");
        let offered: Vec<_> = request.protocols().collect();
        assert_eq!(offered, ["chat", "superchat", "a"]);
    }

    #[test]
    fn a_foreign_page_is_turned_away() {
        let cases = [
            ("-Origin", Ok(())),
            ("=Origin: http://server.example.com", Ok(())),
            ("=Origin: https://Server.Example.com", Ok(())),
            ("", Err(E::Origin)),
            ("=Origin: null", Err(E::Origin)),
            ("=Origin:", Err(E::Origin)),
            ("=Origin: \u{e9}", Err(E::Origin)),
            (
                "=Origin: http://server.example.com.evil.com",
                Err(E::Origin),
            ),
            (
                "=Origin: http://server.example.com & +Origin: http://server.example.com",
                Err(E::Origin),
            ),
            ("=Origin: http://evil.com & +Host: evil.com", Err(E::Origin)),
            ("=Origin: http://server.example.com & -Host", Err(E::Origin)),
        ];
        for (edits, expected) in cases {
            let head = edited(edits);
            let request = Request::parse(head.as_bytes()).unwrap();
            assert_eq!(request.same_origin(), expected, "{edits:?}");
        }
        assert_eq!(E::Origin.status(), 403);
    }

    #[test]
    fn a_request_is_small() {
        assert!(size_of::<Request<'_>>() <= 160);
        assert!(size_of::<Accept<'_>>() <= 96);
    }
}
