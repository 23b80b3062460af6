//! What a client asked for (RFC 9110 §3.4).

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::{Extensions, HeaderMap, Method, Uri, Version, header};
use percent_encoding::percent_decode_str;
use ws_proto::handshake::{self, Accept, RequestError};

use crate::fields::{Names, header_map};
use crate::refusal::Refusal;

/// The request that a connection began with.
///
/// It owns its data, so a handler may keep it. A hook passes what it finds out, such as the user,
/// to the handler in the [`extensions`](Self::extensions).
///
/// ```
/// use ws_http::Request;
/// use ws_proto::handshake;
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct User(&'static str);
///
/// let head = b"GET /rooms?name=Li+Na HTTP/1.1\r\nHost: chat.example\r\nCookie: id=7\r\n\r\n";
/// let parsed = handshake::Request::parse(head)?;
/// let mut request = Request::read(&parsed, ([127, 0, 0, 1], 50_000).into())?;
/// assert_eq!(request.path(), "/rooms");
/// assert_eq!(request.param("name").as_deref(), Some("Li Na"));
/// assert_eq!(request.cookie("id"), Some("7"));
/// assert_eq!(request.host(), Some("chat.example"));
/// request.extensions_mut().insert(User("Li Na"));
/// assert_eq!(request.extensions().get(), Some(&User("Li Na")));
/// # Ok::<(), handshake::RequestError>(())
/// ```
#[derive(Clone)]
pub struct Request {
    head: http::Request<()>,
    peer: SocketAddr,
    host: Option<String>,
    secure: bool,
    captures: Vec<(String, String)>,
    answer: HeaderMap,
}

impl Request {
    /// Takes a request that was read by an HTTP library; `peer` is where its connection came from.
    #[must_use]
    pub fn new(head: http::Request<()>, peer: SocketAddr) -> Self {
        let target = head.uri().authority().map(ToString::to_string);
        let host = target.or_else(|| Some(only(head.headers(), &header::HOST)?.into()));
        Self {
            head,
            peer,
            host,
            secure: false,
            captures: Vec::new(),
            answer: HeaderMap::new(),
        }
    }

    /// Copies the head of a request that stays with another HTTP server, without the extensions
    /// that others have added to it. `peer` is where its connection came from:
    /// [`NOWHERE`](Self::NOWHERE) if it is unknown.
    #[must_use]
    pub fn copied(
        method: &Method,
        uri: &Uri,
        version: Version,
        headers: &HeaderMap,
        peer: SocketAddr,
    ) -> Self {
        let mut head = http::Request::new(());
        *head.method_mut() = method.clone();
        *head.uri_mut() = uri.clone();
        *head.version_mut() = version;
        *head.headers_mut() = headers.clone();
        Self::new(head, peer)
    }

    /// Stands for the address of an unknown peer: `0.0.0.0:0`.
    pub const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

    /// Takes a request that the core has read.
    ///
    /// # Errors
    ///
    /// [`RequestError::Target`] or [`RequestError::RequestLine`]: the types of the `http` crate
    /// cannot hold it.
    pub fn read(request: &handshake::Request<'_>, peer: SocketAddr) -> Result<Self, RequestError> {
        let mut head = http::Request::new(());
        *head.method_mut() = Method::from_bytes(request.method().as_bytes())
            .map_err(|_| RequestError::RequestLine)?;
        let target = encoded(request.target());
        *head.uri_mut() = target.parse().map_err(|_| RequestError::Target)?;
        *head.headers_mut() = header_map(request.headers());
        let mut read = Self::new(head, peer);
        read.host = request.authority().map(Into::into).or(read.host);
        Ok(read)
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.head.method()
    }

    /// The request target. Characters that a URI cannot hold, such as raw UTF-8 and `"`, are
    /// percent-encoded.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        self.head.uri()
    }

    /// The path, as it was sent: percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri().path()
    }

    /// The query, as it was sent, without the question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.uri().query()
    }

    /// The first value of a parameter of the query, decoded as browsers encode forms.
    ///
    /// The client chooses it: it may be any text, of any length up to a line of the head.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        form_urlencoded::parse(self.query()?.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// The part of the path where the route has `{name}`, decoded: of `/rooms/{room}` and
    /// `/rooms/7`, the `room` is `7`.
    ///
    /// The client chooses it: it may be any text, and contain encoded slashes.
    #[must_use]
    pub fn path_param(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, value) = self.captures.iter().find(|(key, _)| key == name)?;
        Some(percent_decode_str(value).decode_utf8_lossy())
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.head.headers()
    }

    /// The first value of a header, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// The first value of a cookie, as it was sent (RFC 6265 §4.2).
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.headers()
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// The subprotocols that the client offers, the one it prefers first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        elements(self.headers(), &header::SEC_WEBSOCKET_PROTOCOL)
            .filter_map(|name| str::from_utf8(name).ok())
    }

    /// The host and port that the request is for: the authority of the target, `:authority` over
    /// HTTP/2, or Host; or those that a [trusted proxy](crate::Trusted) reports.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Tells whether the client came over TLS: to this server, or as a [trusted
    /// proxy](crate::Trusted) says.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether the request asks for a WebSocket: one of Upgrade's values is `websocket`, or it is
    /// an extended CONNECT (RFC 8441).
    #[must_use]
    pub fn wants_upgrade(&self) -> bool {
        self.method() == Method::CONNECT
            || elements(self.headers(), &header::UPGRADE)
                .any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
    }

    /// The address that the connection came from, or the one that a
    /// [trusted proxy](crate::Trusted) says that it came from: its port is 0 if the proxy does not
    /// say.
    #[must_use]
    pub const fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Values that hooks have added, by type.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        self.head.extensions()
    }

    /// The values that hooks have added, to add more.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        self.head.extensions_mut()
    }

    /// The headers that hooks add to the answer that opens the WebSocket.
    #[must_use]
    pub const fn answer_headers(&self) -> &HeaderMap {
        &self.answer
    }

    /// The headers of the answer that opens the WebSocket, to add to: a cookie, for example. The
    /// handshake's own headers cannot be set: with one of them the answer is 500.
    ///
    /// ```
    /// # use ws_http::Request;
    /// use ws_http::http::HeaderValue;
    ///
    /// fn hook(request: &mut Request) {
    ///     let cookie = HeaderValue::from_static("session=7; Secure; HttpOnly");
    ///     request.answer_headers_mut().append("set-cookie", cookie);
    /// }
    /// # let _ = hook;
    /// ```
    pub const fn answer_headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.answer
    }

    /// Returns the [headers of the answer](Self::answer_headers) as [`complete`](Self::complete)
    /// wants them; `None` if one of them is not text.
    #[must_use]
    pub fn answer_fields(&self) -> Option<Vec<(&str, &str)>> {
        let fields = self.answer.iter();
        let text = fields.map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        text.collect()
    }

    /// Adds to the answer that opens a WebSocket what the application chose: a subprotocol, and
    /// [headers](Self::answer_fields).
    ///
    /// # Errors
    ///
    /// [`Refusal::Failed`]: a choice that the client did not offer is an error of the application,
    /// and so is a header that HTTP cannot hold or that belongs to the handshake.
    pub fn complete<'a>(
        accept: Accept<'a>,
        subprotocol: Option<&'a str>,
        headers: Option<&'a [(&'a str, &'a str)]>,
    ) -> Result<Accept<'a>, Refusal> {
        let accept = headers.and_then(|headers| accept.headers(headers).ok());
        let accept = accept.ok_or(Refusal::Failed)?;
        match subprotocol {
            Some(name) => accept.protocol(name).map_err(|_| Refusal::Failed),
            None => Ok(accept),
        }
    }

    /// Marks a request as having come over TLS that another program terminated: see
    /// [`is_secure`](Self::is_secure).
    pub const fn set_secure(&mut self) {
        self.secure = true;
    }

    /// The request in the types of the `http` crate.
    #[must_use]
    pub const fn as_http(&self) -> &http::Request<()> {
        &self.head
    }

    pub(crate) fn capture(&mut self, captures: Vec<(String, String)>) {
        self.captures = captures;
    }

    /// Takes the word of a proxy; what it does not say stays as it is.
    pub(crate) fn believe(&mut self, peer: SocketAddr, host: Option<String>, secure: Option<bool>) {
        self.peer = peer;
        self.host = host.or_else(|| self.host.take());
        self.secure = secure.unwrap_or(self.secure);
    }
}

/// What it is, and the names of its headers: values hold cookies, and queries hold tokens.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", self.method())
            .field("path", &self.path())
            .field("headers", &Names(self.headers()))
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// The value of a header that is sent once, and is text.
pub(crate) fn only<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The elements of a header that is a list (RFC 9110 §5.6.1). One that is no text says nothing of
/// its neighbours: on the way, different people wrote them.
pub(crate) fn elements<'h>(
    headers: &'h HeaderMap,
    name: &header::HeaderName,
) -> impl DoubleEndedIterator<Item = &'h [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|list| list.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// The target with those bytes percent-encoded that clients send and no URI holds.
pub(crate) fn encoded(target: &str) -> Cow<'_, str> {
    let raw = |byte: u8| !byte.is_ascii() || matches!(byte, b'"' | b'<' | b'>' | b'`');
    if !target.bytes().any(raw) {
        return target.into();
    }
    let mut out = String::with_capacity(target.len() * 2);
    for char in target.chars() {
        let mut bytes = [0; 4];
        match char.encode_utf8(&mut bytes).as_bytes() {
            [byte] if !raw(*byte) => out.push(char),
            bytes => out.extend(bytes.iter().map(|byte| format!("%{byte:02X}"))),
        }
    }
    out.into()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn request(head: &str) -> Request {
        let head = head.replace('\n', "\r\n") + "\r\n\r\n";
        let parsed = handshake::Request::parse(head.as_bytes()).unwrap();
        Request::read(&parsed, ([127, 0, 0, 1], 1).into()).unwrap()
    }

    #[test]
    fn parameters_are_decoded_and_the_first_counts() {
        let cases = [
            ("/", None),
            ("/?", None),
            ("/?b=1", None),
            ("/?a", Some("")),
            ("/?a=", Some("")),
            ("/?a=1", Some("1")),
            ("/?b=0&a=1&a=2", Some("1")),
            ("/?a=x+y%20z%2B", Some("x y z+")),
            ("/?a=%E4%BD%A0", Some("你")),
            ("/?a=1=2?3", Some("1=2?3")),
            ("/?%61=1", Some("1")),
            ("/?&&a=1", Some("1")),
            ("/?a=%zz", Some("%zz")),
            ("/?a=%ff", Some("\u{fffd}")), // not UTF-8: replaced, and no panic
            ("/?A=1", None),
        ];
        for (target, value) in cases {
            let request = request(&format!("GET {target} HTTP/1.1"));
            assert_eq!(request.param("a").as_deref(), value, "{target}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let shown = request("GET /a?token=s3cret HTTP/1.1\nCookie: s3cret");
        let shown = format!("{shown:?}");
        assert!(shown.contains("/a") && shown.contains("cookie"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn what_no_uri_holds_is_encoded() {
        let sent = request("GET /张/<b>?f={\"a\":1}&name=张三 HTTP/1.1");
        assert_eq!(sent.path(), "/%E5%BC%A0/%3Cb%3E");
        assert_eq!(sent.query(), Some("f={%22a%22:1}&name=%E5%BC%A0%E4%B8%89"));
        assert_eq!(sent.param("f").as_deref(), Some("{\"a\":1}"));
        assert_eq!(sent.param("name").as_deref(), Some("张三"));
        let plain = request("GET /a%20b?c=%zz|^ HTTP/1.1");
        assert_eq!(plain.uri(), "/a%20b?c=%zz|^");
    }

    #[test]
    fn a_request_in_parts() {
        let request = request(
            "PUT http://h:1/a%2Fb?c HTTP/1.1\nHost: h:1\nX: 1\nx: 2\n\
             Sec-WebSocket-Protocol: a , b\nSec-WebSocket-Protocol: ,c",
        );
        assert_eq!(request.method(), Method::PUT);
        assert_eq!(request.path(), "/a%2Fb");
        assert_eq!(request.query(), Some("c"));
        assert_eq!(request.header("x"), Some("1"));
        assert_eq!(request.headers().get_all("X").iter().count(), 2);
        assert_eq!(request.header("not a name"), None);
        assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(request.peer_addr().port(), 1);
        assert_eq!(request.as_http().headers().len(), 5);
    }

    #[test]
    fn targets_that_name_no_resource_have_a_path_that_no_page_has() {
        assert_eq!(request("OPTIONS * HTTP/1.1").path(), "*");
        assert_eq!(request("CONNECT h:1 HTTP/1.1").path(), "");
    }

    #[test]
    fn cookies() {
        let request = request("GET / HTTP/1.1\nCookie: a=1; b=x=y;c=;a=2\nCookie: d=\"4\"; e");
        let table = [
            ("a", Some("1")),
            ("b", Some("x=y")),
            ("c", Some("")),
            ("d", Some("\"4\"")),
            ("e", None),
            ("A", None),
            ("", None),
        ];
        for (name, value) in table {
            assert_eq!(request.cookie(name), value, "{name}");
        }
    }

    #[test]
    fn the_host_is_that_of_the_target_or_of_the_header() {
        let table = [
            ("GET / HTTP/1.1\nHost: h:1", Some("h:1")),
            ("GET http://t:2/ HTTP/1.1\nHost: h:1", Some("t:2")),
            ("GET / HTTP/1.0", None),
            ("GET / HTTP/1.1\nHost: a\nHost: b", None),
            ("GET / HTTP/1.1\nHost:", Some("")),
        ];
        for (head, host) in table {
            assert_eq!(request(head).host(), host, "{head}");
        }
    }

    #[test]
    fn who_wants_a_websocket() {
        let table = [
            ("GET / HTTP/1.1", false),
            ("GET / HTTP/1.1\nUpgrade: WebSocket", true),
            ("GET / HTTP/1.1\nUpgrade: h2c, websocket", true),
            ("GET / HTTP/1.1\nUpgrade: h2c\nUpgrade: websocket", true),
            ("GET / HTTP/1.1\nUpgrade: \u{e9}, websocket", true),
            ("GET / HTTP/1.1\nUpgrade: websockets", false),
            ("GET / HTTP/1.1\nConnection: websocket", false),
        ];
        for (head, wants) in table {
            assert_eq!(request(head).wants_upgrade(), wants, "{head}");
        }
    }
}
