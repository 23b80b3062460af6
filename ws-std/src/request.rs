//! The client's request.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use http::{HeaderMap, Method, Uri};
use ws_proto::handshake;

use crate::http_types::{Names, header_map};

/// The request that a connection began with.
#[derive(Clone)]
pub struct Request {
    head: http::Request<()>,
    peer: SocketAddr,
}

impl Request {
    /// In the types of the `http` crate; `None` if they cannot hold it.
    pub(crate) fn new(request: &handshake::Request<'_>, peer: SocketAddr) -> Option<Self> {
        let mut head = http::Request::new(());
        *head.method_mut() = Method::from_bytes(request.method().as_bytes()).ok()?;
        *head.uri_mut() = encoded(request.target()).parse().ok()?;
        *head.headers_mut() = header_map(request.headers());
        Some(Self { head, peer })
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.head.method()
    }

    /// The request target. Characters that no URI can hold, raw UTF-8 and `"` for example, are
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
    /// It is what the client sent: any text, of any length up to a line of the head.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        form_urlencoded::parse(self.query()?.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
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

    /// The subprotocols that the client offers, the preferred one first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.headers()
            .get_all(http::header::SEC_WEBSOCKET_PROTOCOL)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty())
    }

    /// The address that the connection came from.
    #[must_use]
    pub const fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// The request in the types of the `http` crate.
    #[must_use]
    pub const fn as_http(&self) -> &http::Request<()> {
        &self.head
    }
}

/// Shows the request line without the values in its query, and the names of its headers: values
/// hold cookies, and queries hold tokens.
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

/// The target, with the bytes percent-encoded that clients send and no URI can hold.
fn encoded(target: &str) -> Cow<'_, str> {
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
mod tests {
    use super::*;

    fn request(head: &str) -> Request {
        let head = head.replace('\n', "\r\n") + "\r\n\r\n";
        let parsed = handshake::Request::parse(head.as_bytes()).unwrap();
        Request::new(&parsed, ([127, 0, 0, 1], 1).into()).unwrap()
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
}
