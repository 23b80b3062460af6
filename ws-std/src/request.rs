//! What a client asked for.

use std::borrow::Cow;
use std::net::SocketAddr;

use http::{HeaderMap, Method, Uri};
use ws_proto::handshake;

use crate::head::header_map;

/// The request that a connection began with.
#[derive(Clone, Debug)]
pub struct Request {
    head: http::Request<()>,
    peer: SocketAddr,
}

impl Request {
    /// In the types of the `http` crate; `None` if they can not hold it.
    pub(crate) fn new(request: &handshake::Request<'_>, peer: SocketAddr) -> Option<Self> {
        let mut head = http::Request::new(());
        *head.method_mut() = Method::from_bytes(request.method().as_bytes()).ok()?;
        *head.uri_mut() = request.target().parse().ok()?;
        *head.headers_mut() = header_map(request.headers());
        Some(Self { head, peer })
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.head.method()
    }

    /// The request target.
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

    /// The subprotocols that the client offers, the one it prefers first.
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
