//! The client: from a URL to an open connection.

use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "deflate")]
use ws_proto::Deflate;
use ws_proto::handshake::{self, Compression, HandshakeError, Key, Offer, Scan};
use ws_proto::{Limits, Role, Session, Timeouts};

use crate::clock::Clock;
use crate::error::{ConnectError, UrlError};
use crate::head::{Deadline, encoded, header_map};
use crate::options::Options;
use crate::response::Response;
use crate::shared::Setup;
use crate::socket::{About, WebSocket};
use crate::stream::Stream;
use crate::tap::{Tap, Tapped};
use crate::url::Url;

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

/// What a connection is to be like.
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
#[derive(Clone, Debug)]
#[must_use = "call `connect`"]
pub struct Client {
    url: String,
    headers: Headers,
    subprotocols: Vec<String>,
    origin: Option<String>,
    options: Options,
    tap: Option<Tap>,
}

impl Client {
    /// A client for `ws://host[:port]/path?query`. Whether the URL is one shows when connecting.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Headers(Vec::new()),
            subprotocols: Vec::new(),
            origin: None,
            options: Options::DEFAULT,
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

    /// Says on behalf of which page this connects: `https://example.com`. Not sent otherwise.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// How long connecting may take, from the first attempt to the server's answer. Default: 10 s.
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.options.handshake = timeout;
        self
    }

    /// Keepalive and the closing handshake: see [`Timeouts`].
    pub const fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.options.timeouts = timeouts;
        self
    }

    /// What the connection may use: see [`Limits`].
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// The longest message that is accepted, in bytes. Default: 1 MiB.
    pub const fn max_message(mut self, bytes: u64) -> Self {
        self.options.limits.max_message = bytes;
        self
    }

    /// Offers to compress messages (RFC 7692): `Deflate::default()` is sensible. Not offered
    /// otherwise.
    #[cfg(feature = "deflate")]
    pub const fn deflate(mut self, deflate: Deflate) -> Self {
        self.options.deflate = Some(deflate);
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
        let timeout = self.options.handshake;
        let deadline = Deadline::after(timeout);
        match self.connect_within(deadline) {
            Err(ConnectError::Io(error) | ConnectError::Connect { error, .. })
                if error.kind() == io::ErrorKind::TimedOut && deadline.left().is_err() =>
            {
                Err(ConnectError::Timeout(timeout))
            }
            result => result,
        }
    }

    fn connect_within(&self, deadline: Deadline) -> Result<WebSocket, ConnectError> {
        let url = Url::parse(&self.url).map_err(ConnectError::Url)?;
        self.open(&url, deadline, || dial(&url, deadline))
    }

    /// Opens a WebSocket on what `dial` connects to, once there is something to say.
    pub(crate) fn open(
        &self,
        url: &Url,
        deadline: Deadline,
        dial: impl FnOnce() -> Result<Stream, ConnectError>,
    ) -> Result<WebSocket, ConnectError> {
        let protocols: Vec<_> = self.subprotocols.iter().map(String::as_str).collect();
        let headers: Vec<_> = self
            .headers
            .0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let mut offer = Offer::new(&url.authority, &url.target)
            .map_err(|_| ConnectError::Url(UrlError::Malformed))?
            .protocols(&protocols)?
            .compression(self.options.compression(Role::Client))
            .headers(&headers)?;
        if let Some(origin) = &self.origin {
            offer = offer.origin(origin)?;
        }
        let key = Key::new(entropy()?);
        let seed = entropy()?;

        let stream = dial()?;
        stream.set_nodelay()?;
        let request = encoded(|out| offer.encode(&key, out));
        self.tapped(Tapped::HeadSent(&request));
        deadline.write(&stream, &request)?;

        let mut received = Vec::new();
        let (about, agreed, len) = self.answer(&offer, &key, &stream, deadline, &mut received)?;
        self.tapped(Tapped::HeadReceived(&received[..len]));
        self.tapped(Tapped::Received(&received[len..]));

        let Options {
            limits, timeouts, ..
        } = self.options;
        let clock = Clock::system();
        let session = Session::client(&limits, seed).watched(timeouts, clock.now());
        let mut session = self.options.agreed(session, agreed);
        session.push(&received[len..]);
        let setup = Setup {
            clock,
            timeouts,
            tap: self.tap.clone(),
            #[cfg(feature = "deflate")]
            pool: None,
        };
        let peer = stream.peer_addr()?;
        let stream = Arc::new(stream);
        Ok(WebSocket::new(stream, peer, session, setup, about)?)
    }

    /// Reads the server's answer: what it says and agrees to, and how long it is.
    fn answer(
        &self,
        offer: &Offer<'_>,
        key: &Key,
        stream: &Stream,
        deadline: Deadline,
        received: &mut Vec<u8>,
    ) -> Result<(About, Option<Compression>, usize), ConnectError> {
        let mut scan = Scan::new();
        loop {
            if deadline.read(stream, received)? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            match offer.verify(key, &mut scan, received, &self.options.limits) {
                Ok(None) => {}
                Ok(Some((response, len))) => {
                    let about = About {
                        subprotocol: response.protocol().map(Into::into),
                        headers: header_map(response.headers()),
                    };
                    return Ok((about, offer.agreed(&response)?, len));
                }
                Err(HandshakeError::Refused(_)) => {
                    let head = scan.head().unwrap_or_default();
                    self.tapped(Tapped::HeadReceived(&received[head.clone()]));
                    return Err(refusal(stream, deadline, received, head)?);
                }
                Err(error) => {
                    self.tapped(Tapped::HeadReceived(received));
                    return Err(error.into());
                }
            }
        }
    }

    fn tapped(&self, what: Tapped<'_>) {
        if let Some(tap) = &self.tap {
            tap.call(what);
        }
    }
}

/// The most of a refusal's body that is kept, in bytes.
const MAX_BODY: usize = 64 << 10;

/// How long to wait for it.
const BODY: Duration = Duration::from_secs(2);

/// The server's answer that was no upgrade, with as much of its body as it gives.
fn refusal(
    stream: &Stream,
    deadline: Deadline,
    received: &mut Vec<u8>,
    head: core::ops::Range<usize>,
) -> Result<ConnectError, ConnectError> {
    let parsed = handshake::Response::parse(&received[head.clone()])?;
    let status = parsed.status();
    let headers = header_map(parsed.headers());
    let length = parsed
        .header("Content-Length")
        .and_then(|length| length.parse().ok())
        .map_or(MAX_BODY, |length: usize| length.min(MAX_BODY));
    let length = match status {
        204 | 304 => 0,
        _ => length,
    };
    // Whatever ends the body early, the refusal is what there is to say. One whose length is not
    // known goes on until the server closes, which it need not.
    let deadline = deadline.at_most(BODY);
    while received.len() - head.end < length {
        match deadline.read(stream, received) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    received.truncate(head.end + length.min(received.len() - head.end));
    let response = Response::from_parts(status, headers, received.split_off(head.end));
    Ok(ConnectError::Refused(Box::new(response)))
}

/// Tries the addresses of the host, one after the other.
fn dial(url: &Url, deadline: Deadline) -> Result<Stream, ConnectError> {
    let failed = |error| ConnectError::Connect {
        host: url.authority.clone(),
        error,
    };
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for address in (url.host.as_str(), url.port)
        .to_socket_addrs()
        .map_err(failed)?
    {
        let left = deadline.left().map_err(failed)?;
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(stream.into()),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

fn entropy<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
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
