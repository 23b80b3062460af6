//! A server's decisions about a request, in their order.

use std::net::{IpAddr, SocketAddr};

use http::Method;
use ws_proto::handshake::{self, Accept};

use crate::answer::Answer;
use crate::host::Hosts;
use crate::origins::Origins;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::response::Response;
use crate::routes::{Route, RouteError, Routes};
use crate::trusted::Trusted;

/// The pages and WebSockets of a server, and the rules for who gets them.
///
/// The adapter chooses the types of a page and of a WebSocket: blocking closures, futures, names.
/// It asks three questions, and its hooks may look at the request between the first and the second.
///
/// ```
/// use http::Method;
/// use ws_http::{Refusal, Route, Site};
/// use ws_proto::handshake;
///
/// let mut site = Site::new();
/// site.page(Method::GET, "/", "a page")?;
/// site.websocket("/rooms/{room}", "a chat")?;
///
/// let head = b"GET /rooms/7 HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\
///     Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// let parsed = handshake::Request::parse(head)?;
/// let mut request = site.receive(
///     &parsed,
///     ([127, 0, 0, 1], 50_000).into(), // who asks
///     [127, 0, 0, 1].into(), // where we listen
/// )?;
/// assert_eq!(site.route(&mut request)?, Route::Socket(&"a chat"));
/// assert_eq!(request.path_param("room").as_deref(), Some("7"));
/// let accept = site.accept(&parsed, &request)?;
/// assert_eq!(accept.status(), 101);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Site<P, S> {
    /// The hosts that it answers for.
    pub hosts: Hosts,
    /// The origins whose pages may open WebSockets.
    pub origins: Origins,
    /// The proxies whose headers are believed.
    pub trusted: Trusted,
    /// Whether clients come over TLS, unless a trusted proxy says something else.
    pub secure: bool,
    routes: Routes<P, S>,
}

impl<P, S> Site<P, S> {
    /// Makes a site without pages, with safe defaults for hosts and origins.
    #[must_use]
    pub fn new() -> Self {
        Self {
            hosts: Hosts::default(),
            origins: Origins::default(),
            trusted: Trusted::none(),
            secure: false,
            routes: Routes::new(),
        }
    }

    /// Adds a page: for one method and for one path, in which `{name}`, at the end of a segment,
    /// stands for a parameter and `{*name}` for the rest. A page for GET is one for HEAD, too.
    ///
    /// # Errors
    ///
    /// The path is misspelt, or taken.
    pub fn page(&mut self, method: Method, path: &str, page: P) -> Result<(), RouteError> {
        self.routes.page(method, path, page)
    }

    /// Adds a WebSocket. There may be pages at its path, too.
    ///
    /// # Errors
    ///
    /// The path is misspelt, or taken.
    pub fn websocket(&mut self, path: &str, socket: S) -> Result<(), RouteError> {
        self.routes.socket(path, socket)
    }

    /// Takes a request: the first of the three questions. `listener` is the address that we listen
    /// at; for a listener at all addresses, pass the loopback address that the connection came in
    /// at, if it was one: see [`Hosts`].
    ///
    /// # Errors
    ///
    /// [`Refusal::Host`] if it is meant for another server, and the errors of
    /// [`check_host`](handshake::Request::check_host) if the request does not say which.
    pub fn receive(
        &self,
        parsed: &handshake::Request<'_>,
        peer: SocketAddr,
        listener: IpAddr,
    ) -> Result<Request, Refusal> {
        // Whether it wants an upgrade or not: a path that only has pages asks the core nothing else.
        parsed.check_host()?;
        let mut request = Request::read(parsed, peer)?;
        // `*` and `host:port` name no resource, and nothing is there: what is wrong with it as a
        // handshake the core says.
        if !parsed.path().starts_with('/') {
            let _none = parsed.accept()?;
        }
        request.believe(peer, None, Some(self.secure));
        self.trusted.apply(&mut request);
        // Who sends none, or an empty one, is no browser, and no page is behind it.
        if let Some(host) = request.host().filter(|host| !host.is_empty()) {
            self.hosts.check(host, listener)?;
        }
        Ok(request)
    }

    /// Says where a request leads: the second question. The request keeps the values of the path's
    /// parameters.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] and [`Refusal::Method`].
    pub fn route(&self, request: &mut Request) -> Result<Route<'_, P, S>, Refusal> {
        self.routes.find(request)
    }

    /// Makes the answer that opens a WebSocket: the third question.
    ///
    /// # Errors
    ///
    /// [`Refusal::Handshake`] if the request is not a valid handshake, and those of
    /// [`Origins::check`].
    pub fn accept<'b>(
        &self,
        parsed: &handshake::Request<'b>,
        request: &Request,
    ) -> Result<Accept<'b>, Refusal> {
        let accept = parsed.accept()?;
        self.origins.check(request)?;
        Ok(accept)
    }

    /// Asks the three questions, one after the other: `hook` runs between the first and the second,
    /// and if it returns a response, that is the answer; `page` makes the answer if the second
    /// question leads to a page.
    ///
    /// # Errors
    ///
    /// The answer to a request that opens no WebSocket.
    pub fn decide<'s, 'b>(
        &'s self,
        parsed: &handshake::Request<'b>,
        (peer, listener): (SocketAddr, IpAddr),
        hook: impl FnOnce(&mut Request) -> Result<Option<Response>, Refusal>,
        page: impl FnOnce(&P, &Request) -> Result<Response, Refusal>,
    ) -> Result<(Accept<'b>, Request, &'s S), Answer> {
        let mut request = self.receive(parsed, peer, listener)?;
        if let Some(answer) = hook(&mut request)? {
            return Err(answer.into());
        }
        match self.route(&mut request)? {
            Route::Page(found) => Err(page(found, &request)?.into()),
            Route::Socket(socket) => Ok((self.accept(parsed, &request)?, request, socket)),
        }
    }
}

impl<P, S> Default for Site<P, S> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(site: &Site<(), ()>, head: &str, listener: &str) -> Result<Request, Refusal> {
        let head = head.replace('\n', "\r\n") + "\r\n\r\n";
        let parsed = handshake::Request::parse(head.as_bytes()).unwrap();
        let listener = listener.parse().unwrap();
        site.receive(&parsed, ([127, 0, 0, 1], 1).into(), listener)
    }

    #[test]
    fn who_is_meant_by_a_request() {
        // (head, status at a loopback listener, at a public one; 0 is neither's)
        let table = [
            ("GET / HTTP/1.1\nHost: localhost:1", 0, 0),
            ("GET / HTTP/1.1\nHost: 127.0.0.1:1", 0, 0),
            ("GET / HTTP/1.1\nHost: evil.example", 421, 0),
            ("GET / HTTP/1.0", 0, 0),
            ("GET / HTTP/1.1", 400, 400),
            ("GET / HTTP/1.1\nHost:", 0, 0),
            ("GET http://localhost/ HTTP/1.1\nHost: localhost", 0, 0),
            ("GET http://localhost:80/ HTTP/1.1\nHost: LOCALHOST", 0, 0),
            (
                "GET http://evil.example/ HTTP/1.1\nHost: localhost",
                400,
                400,
            ),
            (
                "GET http://localhost/ HTTP/1.1\nHost: evil.example",
                400,
                400,
            ),
            (
                "GET http://localhost:1/ HTTP/1.1\nHost: localhost",
                400,
                400,
            ),
            (
                "GET http://evil.example/ HTTP/1.1\nHost: evil.example",
                421,
                0,
            ),
            ("GET http://evil.example/ HTTP/1.0", 421, 0),
            ("GET http://localhost/ HTTP/1.1\nHost:", 400, 400),
            // Nobody can tell for whom these are.
            (
                "GET / HTTP/1.1\nHost: evil.example\nHost: localhost",
                400,
                400,
            ),
            ("GET / HTTP/1.1\nHost: localhost\nHost: localhost", 400, 400),
            ("GET / HTTP/1.1\nHost: \u{e9}vil.example", 400, 400),
            ("GET / HTTP/1.1\nHost: evil.example@localhost", 400, 400),
            ("GET http://localhost/ HTTP/1.1\nHost: a\nHost: b", 400, 400),
            ("OPTIONS * HTTP/1.1\nHost: localhost", 405, 405),
            ("CONNECT a:1 HTTP/1.1\nHost: a:1", 405, 405),
            ("CONNECT a:1 HTTP/1.1\nHost: b:1", 400, 400),
            ("GET * HTTP/1.1\nHost: localhost", 400, 400),
        ];
        let site = Site::new();
        for (head, loopback, public) in table {
            // A client that asks for an upgrade gets the page of a path that has no WebSocket.
            let upgrade = format!("{head}\nUpgrade: websocket");
            for head in [head, &upgrade] {
                for (listener, expected) in [("127.0.0.1", loopback), ("0.0.0.0", public)] {
                    let status = match received(&site, head, listener) {
                        Ok(_) => 0,
                        Err(refusal) => refusal.status().as_u16(),
                    };
                    assert_eq!(status, expected, "{head} {listener}");
                }
            }
        }
    }

    #[test]
    fn a_hook_comes_after_the_host_and_before_the_path() {
        let mut site = Site::new();
        site.page(Method::GET, "/", "a page").unwrap();
        site.websocket("/ws", "a chat").unwrap();
        // (target, host, what the hook was asked, what came of it)
        let table = [
            ("/", "localhost", 1, "a page"),
            ("/ws", "localhost", 1, "a chat"),
            ("/hook", "localhost", 1, "the hook"),
            ("/no", "localhost", 1, "404"),
            ("/failed", "localhost", 1, "500"),
            ("/ws", "evil.example", 0, "421"),
        ];
        for (target, host, asked, expected) in table {
            let head = format!(
                "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            );
            let parsed = handshake::Request::parse(head.as_bytes()).unwrap();
            let mut hooked = 0;
            let decided = site.decide(
                &parsed,
                (([127, 0, 0, 1], 1).into(), [127, 0, 0, 1].into()),
                |request| {
                    hooked += 1;
                    match request.path() {
                        "/hook" => Ok(Some(Response::text("the hook"))),
                        "/failed" => Err(Refusal::Failed),
                        _ => Ok(None),
                    }
                },
                |page, _| Ok(Response::text(*page)),
            );
            let came = match decided {
                Ok((accept, request, socket)) => {
                    assert_eq!((accept.status(), request.path()), (101, target));
                    (*socket).to_owned()
                }
                Err(Answer::Page(page)) => String::from_utf8_lossy(page.body()).into_owned(),
                Err(Answer::Refusal(refusal)) => refusal.status().as_str().to_owned(),
            };
            assert_eq!((hooked, &*came), (asked, expected), "{target} {host}");
        }
    }

    #[test]
    fn over_http_2_the_authority_says_for_whom() {
        let table = [
            ("localhost", None, "https://localhost", 0, 0),
            ("localhost", None, "https://evil.example", 0, 403),
            ("evil.example", None, "https://evil.example", 421, 0),
            ("localhost", Some("localhost"), "https://localhost", 0, 0),
            (
                "localhost",
                Some("evil.example"),
                "https://localhost",
                400,
                0,
            ),
            (
                "evil.example",
                Some("localhost"),
                "https://localhost",
                400,
                0,
            ),
            ("localhost", Some(""), "https://localhost", 400, 0),
            ("", None, "https://localhost", 400, 0),
        ];
        for (authority, host, origin, received, accepted) in table {
            let mut headers = vec![
                ("sec-websocket-version", &b"13"[..]),
                ("origin", origin.as_bytes()),
            ];
            headers.extend(host.map(|host| ("host", host.as_bytes())));
            let parsed = handshake::Request::extended_connect(
                handshake::HttpVersion::Http2,
                "websocket",
                authority,
                "/",
                &headers[..],
            );
            let (parsed, site) = (parsed.unwrap(), Site::<(), ()>::new());
            let request = site.receive(&parsed, ([127, 0, 0, 1], 1).into(), [127, 0, 0, 1].into());
            let status = |refusal: Refusal| refusal.status().as_u16();
            let request = request.map_err(status);
            assert_eq!(request.as_ref().err().copied().unwrap_or(0), received);
            if let Ok(request) = request {
                let accept = site.accept(&parsed, &request).map_err(status);
                assert_eq!(accept.err().unwrap_or(0), accepted, "{origin}");
            }
        }
    }

    #[test]
    fn a_proxy_that_is_trusted_says_for_which_host() {
        let site = Site {
            hosts: Hosts::named(["chat.example"]).unwrap(),
            trusted: Trusted::x_forwarded(["127.0.0.1"]).unwrap(),
            ..Site::new()
        };
        let head = "GET / HTTP/1.1\nHost: backend:8080\nX-Forwarded-Host: chat.example";
        let head = format!("{head}\nX-Forwarded-For: 203.0.113.9\nOrigin: https://chat.example");
        let request = received(&site, &head, "127.0.0.1").unwrap();
        assert_eq!(request.peer_addr().ip().to_string(), "203.0.113.9");
        assert_eq!(site.origins.check(&request), Ok(()));
        let head = "GET / HTTP/1.1\nHost: chat.example\nX-Forwarded-Host: evil.example";
        let error = received(&site, head, "127.0.0.1").unwrap_err();
        assert_eq!(error.status(), 421);
    }
}
