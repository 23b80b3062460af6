//! The client: from a URL to an open connection.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode, header};
use ws_http::{BodyReader, Proxy, Redirects, Response, header_map};
#[cfg(feature = "deflate")]
use ws_proto::Deflate;
use ws_proto::handshake::{Offer, Scheme, Uri};
use ws_proto::{Config, ConnectStep, Connecting, Limits, Session, Timeouts};

use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::error::ConnectError;
use crate::shared::Setup;
use crate::socket::{About, WebSocket};
use crate::stream::{Socket, Stream};
use crate::tap::{Tap, Tapped};
use crate::way::dial;

/// Connects to a `ws://` URL with the defaults: see [`Client`] for more.
///
/// ```no_run
/// let mut ws = ws_std::connect("ws://127.0.0.1:9001/echo")?;
/// ws.send("hello")?;
/// if let Some(message) = ws.recv()? {
///     println!("{message:?}");
/// }
/// ws.close(ws_std::CloseCode::NORMAL, "done")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`ConnectError`] says at which step it failed.
pub fn connect(url: impl Into<String>) -> Result<WebSocket, ConnectError> {
    Client::new(url).connect()
}

/// Configures and opens a client's connection.
///
/// ```no_run
/// use std::time::Duration;
///
/// let ws = ws_std::Client::new("ws://127.0.0.1:9001/chat")
///     .header("Authorization", "Bearer …")
///     .subprotocol("chat.v2")
///     .subprotocol("chat.v1")
///     .handshake_timeout(Duration::from_secs(3))
///     .connect()?;
/// println!("speaking {:?}", ws.subprotocol());
/// # Ok::<(), ws_std::ConnectError>(())
/// ```
#[derive(Clone)]
#[must_use = "call `connect`"]
pub struct Client {
    url: String,
    headers: Headers,
    subprotocols: Vec<String>,
    origin: Option<String>,
    proxy: Option<Proxy>,
    redirects: Redirects,
    config: Config,
    tap: Option<Tap>,
}

impl Client {
    /// Makes a client for `ws://host[:port]/path?query`. Connecting checks the URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Headers(Vec::new()),
            subprotocols: Vec::new(),
            origin: None,
            proxy: None,
            redirects: Redirects::none(),
            config: Config::DEFAULT,
            tap: None,
        }
    }

    /// Adds a header to the request: Cookie, Authorization.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.0.push((name.into(), value.into()));
        self
    }

    /// Offers a subprotocol; the first is preferred.
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocols.push(name.into());
        self
    }

    /// Sets the page on whose behalf this connects (Origin): `https://example.com`. Not sent
    /// otherwise.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Connects through a proxy, HTTP or SOCKS5, which looks the host up. Not done otherwise: which
    /// one the environment names [`Proxies`](crate::Proxies) says.
    ///
    /// ```no_run
    /// use ws_std::{Client, Proxy};
    ///
    /// let proxy = Proxy::parse("socks5://127.0.0.1:1080")?;
    /// let ws = Client::new("ws://chat.example/").proxy(proxy).connect()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Follows up to five redirects, one after the other. To another origin none of the
    /// [headers](Self::header) and none of the [subprotocols](Self::subprotocol) go along, as both
    /// may hold tokens, and from `wss://` to `ws://` nothing does. Default: a redirect is a
    /// [refusal](ConnectError::Refused).
    pub const fn follow_redirects(mut self) -> Self {
        self.redirects = Redirects::follow();
        self
    }

    /// How long connecting may take, from the first attempt to the server's answer. Default: 10 s.
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.config.handshake_timeout = timeout;
        self
    }

    /// Sets keepalive and the closing handshake: see [`Timeouts`].
    pub const fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.config.timeouts = timeouts;
        self
    }

    /// Sets what the connection may use: see [`Limits`].
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Sets the longest message that is accepted, in bytes. Default: 1 MiB.
    pub const fn max_message(mut self, bytes: u64) -> Self {
        self.config.limits.max_message = bytes;
        self
    }

    /// Offers to compress messages (RFC 7692): `Deflate::default()` is sensible. Not offered
    /// otherwise.
    #[cfg(feature = "deflate")]
    pub const fn deflate(mut self, deflate: Deflate) -> Self {
        self.config.deflate = Some(deflate);
        self
    }

    /// Shows every byte of the connection to `tap`, for a trace. It is called while a lock is
    /// held: it must not use the connection.
    pub fn tap(mut self, tap: impl Fn(Tapped<'_>) + Send + Sync + 'static) -> Self {
        self.tap = Some(Tap::new(tap));
        self
    }

    /// Connects, and waits for the opening handshake to be done.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says at which step it failed. If the server
    /// [refused](ConnectError::Refused), its answer comes with it.
    pub fn connect(&self) -> Result<WebSocket, ConnectError> {
        let (begun, patience) = (Instant::now(), self.config.handshake_timeout);
        let mut redirects = self.redirects;
        let mut client = Cow::Borrowed(self);
        loop {
            let answer = match client.ask() {
                Err(ConnectError::Refused(answer)) => answer,
                // It was one for all of them.
                Err(ConnectError::Timeout(_)) => return Err(ConnectError::Timeout(patience)),
                connected => return connected,
            };
            let location = answer.headers().get(header::LOCATION);
            let location = location.and_then(|value| value.to_str().ok());
            let Some(next) = redirects.next(&client.url, answer.status(), location)? else {
                return Err(ConnectError::Refused(answer));
            };
            let asked = client.to_mut();
            asked.url = next.url;
            asked.config.handshake_timeout = patience.saturating_sub(begun.elapsed());
            if !next.same_origin {
                asked.headers.0.clear();
                asked.subprotocols.clear();
            }
        }
    }

    /// Opens a WebSocket on a socket that is connected already: with TLS around it, a Unix socket, a
    /// tunnel. The URL says what to ask for and of which host; no name is looked up, no proxy is
    /// used, and no redirect followed.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_over(&self, socket: impl Socket) -> Result<WebSocket, ConnectError> {
        let uri = Uri::parse(&self.url).map_err(ConnectError::Url)?;
        self.open(&uri, |_| Ok(socket.into()))
    }

    /// Connects to one URL.
    fn ask(&self) -> Result<WebSocket, ConnectError> {
        let uri = Uri::parse(&self.url).map_err(ConnectError::Url)?;
        match uri.scheme() {
            Scheme::Ws => self.open(&uri, |deadline| dial(&uri, self.proxy.as_ref(), deadline)),
            Scheme::Wss => Err(ConnectError::NoTls),
        }
    }

    /// Opens a WebSocket on what `dial` connects to, once there is something to say.
    fn open(
        &self,
        uri: &Uri<'_>,
        dial: impl FnOnce(Deadline<'_>) -> Result<Stream, ConnectError>,
    ) -> Result<WebSocket, ConnectError> {
        let mut connecting = self.connecting(uri)?;
        let clock = Clock::system();
        // Time begins with the attempt to connect.
        let _ = connecting.check(clock.now());
        let deadline = Deadline::at(&clock, connecting.deadline());
        let opened = dial(deadline).and_then(|stream| {
            let (session, about) = self.shake_hands(&mut connecting, &stream, deadline)?;
            Ok((stream, session, about))
        });
        let (stream, session, about) = match opened {
            Err(ConnectError::Io(error) | ConnectError::Connect { error, .. })
                if error.kind() == io::ErrorKind::TimedOut && deadline.left().is_err() =>
            {
                return Err(ConnectError::Timeout(self.config.handshake_timeout));
            }
            opened => opened?,
        };
        drop(connecting);
        let peer = stream.peer_addr();
        let setup = Setup {
            tap: self.tap.clone(),
            ..Setup::new(clock)
        };
        Ok(WebSocket::new(
            Arc::new(stream),
            peer,
            session,
            setup,
            about,
        )?)
    }

    fn connecting(&self, uri: &Uri<'_>) -> Result<Connecting, ConnectError> {
        let protocols: Vec<_> = self.subprotocols.iter().map(String::as_str).collect();
        let headers: Vec<_> = self
            .headers
            .0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let mut offer = Offer::to(uri).protocols(&protocols)?.headers(&headers)?;
        if let Some(origin) = &self.origin {
            offer = offer.origin(origin)?;
        }
        Ok(Connecting::new(&offer, &self.config, entropy()?))
    }

    /// Sends the request and reads the answer: returns the session, and what the server says about
    /// it.
    fn shake_hands(
        &self,
        connecting: &mut Connecting,
        stream: &Stream,
        deadline: Deadline<'_>,
    ) -> Result<(Session, About), ConnectError> {
        stream.prepare()?;
        self.tapped(Tapped::HeadSent(connecting.unsent()));
        deadline.write(stream, connecting.unsent())?;
        connecting.sent(connecting.unsent().len());
        loop {
            let (status, headers) = match connecting.step() {
                Ok(ConnectStep::Open(session, response)) => {
                    let about = About {
                        subprotocol: response.protocol().map(Into::into),
                        headers: header_map(response.headers()),
                    };
                    let (head, rest) = connecting.received();
                    self.tapped(Tapped::HeadReceived(head));
                    self.tapped(Tapped::Received(rest));
                    return Ok((session, about));
                }
                Ok(ConnectStep::Refused(response)) => {
                    (response.status(), header_map(response.headers()))
                }
                Ok(ConnectStep::NeedData | ConnectStep::Over) => {
                    if read(connecting, stream, deadline)? == 0 {
                        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                    }
                    continue;
                }
                Err(error) => {
                    self.tapped(Tapped::HeadReceived(connecting.received().0));
                    return Err(error.into());
                }
            };
            self.tapped(Tapped::HeadReceived(connecting.received().0));
            // Three digits that are no status are a fault of whoever speaks for the server.
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            let deadline = deadline.at_most(BODY);
            let body = body(connecting, stream, (status, &headers), deadline);
            let response = answered(status, headers, body);
            return Err(ConnectError::Refused(Box::new(response)));
        }
    }

    fn tapped(&self, what: Tapped<'_>) {
        if let Some(tap) = &self.tap {
            tap.call(what);
        }
    }
}

/// The time to wait for a refusal's body.
const BODY: Duration = Duration::from_secs(2);

/// What a server answered.
fn answered(status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Response {
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.into()
}

/// Reads as much of a refusal's body as the server gives. Whatever ends it early, the refusal is
/// what there is to say. One whose length is not known goes on until the server closes, which it
/// need not.
fn body(
    connecting: &mut Connecting,
    stream: &Stream,
    (status, headers): (StatusCode, &HeaderMap),
    deadline: Deadline<'_>,
) -> Vec<u8> {
    let Ok(mut body) = BodyReader::new(status, headers) else {
        return Vec::new();
    };
    let mut taken = 0;
    loop {
        let received = connecting.body();
        let pushed = body.push(received.get(taken..).unwrap_or_default());
        taken = received.len();
        let is_over = pushed.is_err() || body.is_complete() || connecting.has_body();
        if is_over || !matches!(read(connecting, stream, deadline), Ok(1..)) {
            return body.into_bytes();
        }
    }
}

/// Makes one read of the answer; 0 at the end of the stream.
fn read(connecting: &mut Connecting, stream: &Stream, deadline: Deadline<'_>) -> io::Result<usize> {
    let len = deadline.read(stream, connecting.spare_mut()?)?;
    connecting.filled(len);
    Ok(len)
}

fn entropy<const N: usize>() -> Result<[u8; N], ConnectError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| ConnectError::Entropy(error.into()))?;
    Ok(bytes)
}

/// Shows the host and the names of the headers: queries, values and subprotocols hold tokens.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("url", &Uri::parse(&self.url))
            .field("headers", &self.headers)
            .field("subprotocols", &self.subprotocols.len())
            .field("origin", &self.origin)
            .field("proxy", &self.proxy)
            .field("config", &self.config)
            .field("tap", &self.tap)
            .finish()
    }
}

/// Headers that may hold credentials: `Debug` shows their names only.
#[derive(Clone)]
struct Headers(Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}
