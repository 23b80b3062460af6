//! The client: from a URL to an open connection.

use std::borrow::Cow;
use std::fmt;
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header;
#[cfg(feature = "tls")]
use ws_http::Tls;
use ws_http::{Ask, Credentials, Dialed, Proxy, Redirects, Url};
#[cfg(feature = "deflate")]
use ws_proto::Deflate;
use ws_proto::handshake::{Scheme, Uri};
use ws_proto::{Config, Connecting, Limits, Timeouts};

use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::error::{ConnectError, Stage, Tried};
use crate::handshake::shake_hands;
#[cfg(feature = "tls")]
use crate::secure::Secure;
use crate::shared::Setup;
use crate::socket::WebSocket;
use crate::stop::{Busy, StopHandle};
use crate::stream::{Socket, Stream};
use crate::tap::{Tap, Tapped};
use crate::trip::{Failed, Trip};
use crate::way;

/// Connects to a `ws://` URL with the defaults: see [`Client`] for more.
///
/// ```no_run
/// let mut ws = ws_std::connect("ws://127.0.0.1:9001/echo")?;
/// ws.send("hello")?;
/// if let Some(message) = ws.recv()? {
///     println!("{}", message.as_text().unwrap_or("(bytes)"));
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
    ask: Ask,
    dialed: Option<Dialed>,
    proxy: Option<Proxy>,
    #[cfg(feature = "tls")]
    tls: Tls,
    redirects: Redirects,
    config: Config,
    tap: Option<Tap>,
    pub(crate) stop: StopHandle,
}

/// The User-Agent of a client, unless the application sets another.
const USER_AGENT: &str = concat!("ws-std/", env!("CARGO_PKG_VERSION"));

impl Client {
    /// Makes a client for a URL as people write it: `ws://host[:port]/path?query`, and whatever
    /// [`Url`] turns into one, with credentials for example. Connecting checks it.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ask: Ask {
                user_agent: Some(USER_AGENT.into()),
                ..Ask::default()
            },
            dialed: None,
            proxy: None,
            #[cfg(feature = "tls")]
            tls: Tls::new(),
            redirects: Redirects::none(),
            config: Config::DEFAULT,
            tap: None,
            stop: StopHandle::default(),
        }
    }

    /// Connects to a Unix socket in place of the URL's host, which the request still names. No
    /// proxy is used.
    ///
    /// ```no_run
    /// let ws = ws_std::Client::new("ws://localhost/")
    ///     .connect_to_unix("/run/chat.sock")
    ///     .connect()?;
    /// # Ok::<(), ws_std::ConnectError>(())
    /// ```
    #[cfg(unix)]
    pub fn connect_to_unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.dialed = Some(Dialed::Unix(path.into()));
        self
    }

    /// Connects to this host and port in place of the URL's, which the request still names: for a
    /// server that its name does not lead to yet, or not from here.
    ///
    /// ```no_run
    /// let ws = ws_std::Client::new("ws://chat.example/")
    ///     .connect_to("127.0.0.1", 9001)
    ///     .connect()?;
    /// # Ok::<(), ws_std::ConnectError>(())
    /// ```
    pub fn connect_to(mut self, host: impl Into<String>, port: u16) -> Self {
        self.dialed = Some(Dialed::Host(host.into(), port));
        self
    }

    /// Sets the Host of the request, as `host[:port]`. Default: that of the URL.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.ask.host = Some(host.into());
        self
    }

    /// Sets the credentials (Basic), in place of the user and password of the URL. An Authorization
    /// header from the application takes precedence over both.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.ask.credentials = Some(credentials);
        self
    }

    /// Sets the User-Agent. Default: `ws-std/` and its version.
    pub fn user_agent(mut self, agent: impl Into<String>) -> Self {
        self.ask.user_agent = Some(agent.into());
        self
    }

    /// Sends no User-Agent.
    pub fn no_user_agent(mut self) -> Self {
        self.ask.user_agent = None;
        self
    }

    /// Adds a header to the request: Cookie, Authorization. Host, the subprotocols and the Origin
    /// have methods of their own; the other headers of the handshake cannot be set.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.ask.headers.push((name.into(), value.into()));
        self
    }

    /// Offers a subprotocol; the first is preferred.
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.ask.subprotocols.push(name.into());
        self
    }

    /// Sets the Origin, the page on whose behalf this connects: `https://example.com`. Default: not
    /// sent.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.ask.origin = Some(origin.into());
        self
    }

    /// Connects through a proxy, HTTP or SOCKS5, which looks the host up. Default: no proxy. To use
    /// the one that the environment names, see [`Proxies`](crate::Proxies).
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

    /// Sets which certificate authorities to trust, and which certificate to show, for `wss://`
    /// URLs. Default: those that the platform trusts, and none.
    ///
    /// ```no_run
    /// use ws_std::{Client, Tls};
    ///
    /// // A server whose certificate an authority of one's own has issued.
    /// let tls = Tls::new().ca(&std::fs::read("ca.pem")?)?;
    /// let ws = Client::new("wss://chat.example/").tls(tls).connect()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Follows up to five redirects, one after the other. To another origin the client sends no
    /// [headers](Self::header) and no [subprotocols](Self::subprotocol), which may hold tokens, no
    /// credentials and no certificate. It never follows from `wss://` to `ws://`. Default: a
    /// redirect is a [refusal](ConnectError::Refused).
    pub const fn follow_redirects(mut self) -> Self {
        self.redirects = Redirects::follow();
        self
    }

    /// Sets how long connecting may take, from the first attempt to the server's answer. Default:
    /// 10 s.
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.config.handshake_timeout = timeout;
        self
    }

    /// Sets keepalive and the closing handshake: see [`Timeouts`].
    pub const fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.config.timeouts = timeouts;
        self
    }

    /// Sets the limits of the connection: see [`Limits`].
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Sets the longest message that is accepted, in bytes. Default: 1 MiB.
    pub const fn max_message(mut self, bytes: u64) -> Self {
        self.config.limits.max_message = bytes;
        self
    }

    /// Offers to compress messages (RFC 7692): `Deflate::default()` is sensible. Default: not
    /// offered.
    #[cfg(feature = "deflate")]
    pub const fn deflate(mut self, deflate: Deflate) -> Self {
        self.config.deflate = Some(deflate);
        self
    }

    /// Shows every byte of the connection to `tap`, for a trace. The connection holds a lock during
    /// the call, so `tap` must not use it.
    pub fn tap(mut self, tap: impl Fn(Tapped<'_>) + Send + Sync + 'static) -> Self {
        self.tap = Some(Tap::new(tap));
        self
    }

    /// Connects, and waits until the opening handshake is done.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says at which step it failed. If the server
    /// [refused](ConnectError::Refused), the error holds its answer.
    pub fn connect(&self) -> Result<WebSocket, ConnectError> {
        let (begun, patience) = (Instant::now(), self.config.handshake_timeout);
        let mut redirects = self.redirects;
        let mut url = Url::parse(&self.url).map_err(ConnectError::Url)?;
        let mut client = self.with_credentials_of(&url);
        loop {
            let answer = match client.ask(&url) {
                Err(ConnectError::Refused(answer)) => answer,
                // It was one for all of them.
                Err(ConnectError::Timeout { stage, tried, .. }) => {
                    let after = patience;
                    return Err(ConnectError::Timeout {
                        after,
                        stage,
                        tried,
                    });
                }
                connected => return connected,
            };
            let location = answer.headers().get(header::LOCATION);
            let location = location.and_then(|value| value.to_str().ok());
            let Some(next) = redirects.next(url.as_str(), answer.status(), location)? else {
                return Err(ConnectError::Refused(answer));
            };
            url = Url::parse(&next.url).map_err(ConnectError::Url)?;
            let asked = client.to_mut();
            asked.config.handshake_timeout = patience.saturating_sub(begun.elapsed());
            if !next.same_origin {
                asked.ask.go_elsewhere();
                asked.dialed = None;
                #[cfg(feature = "tls")]
                {
                    asked.tls = asked.tls.elsewhere();
                }
            }
        }
    }

    /// Opens a WebSocket on a socket that is connected already: with TLS around it, a Unix socket,
    /// a tunnel. The URL gives the host and the path of the request; the client looks no name up,
    /// uses no proxy, and follows no redirect.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_over(&self, socket: impl Socket) -> Result<WebSocket, ConnectError> {
        let url = Url::parse(&self.url).map_err(ConnectError::Url)?;
        let client = self.with_credentials_of(&url);
        let uri = Uri::parse(url.as_str()).map_err(|error| ConnectError::Url(error.into()))?;
        client.open(&uri, |_| Ok(Arc::new(socket.into())))
    }

    /// With the user and the password of the URL, if none were set.
    fn with_credentials_of(&self, url: &Url) -> Cow<'_, Self> {
        let mut client = Cow::Borrowed(self);
        if self.ask.credentials.is_none() && url.credentials().is_some() {
            client.to_mut().ask.take_credentials_of(url);
        }
        client
    }

    pub(crate) const fn limit(&self) -> Duration {
        self.config.handshake_timeout
    }

    /// Connects to one URL.
    fn ask(&self, url: &Url) -> Result<WebSocket, ConnectError> {
        let uri = Uri::parse(url.as_str()).map_err(|error| ConnectError::Url(error.into()))?;
        if uri.scheme() == Scheme::Wss && !cfg!(feature = "tls") {
            return Err(ConnectError::NoTls);
        }
        self.open(&uri, |trip| {
            let proxy = self.proxy.as_ref();
            let host = || Dialed::host_of(url, &uri);
            let stream = match self.dialed.clone().unwrap_or_else(host) {
                Dialed::Host(host, port) => way::go((&host, port), proxy, trip)?,
                #[cfg(unix)]
                Dialed::Unix(path) => way::go_unix(&path, trip)?,
            };
            match uri.scheme() {
                Scheme::Ws => Ok(stream),
                Scheme::Wss => self.secure(stream, uri.host(), trip),
            }
        })
    }

    #[cfg(feature = "tls")]
    fn secure(
        &self,
        stream: Arc<Stream>,
        host: &str,
        trip: &mut Trip<'_>,
    ) -> Result<Arc<Stream>, Failed> {
        trip.stage = Stage::Tls;
        let secure = Secure::client(&self.tls, stream, host)?;
        secure.shake_hands(trip.deadline)?;
        Ok(Arc::new(secure.into()))
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "there is nothing to do it with")]
    fn secure(&self, _: Arc<Stream>, _: &str, _: &mut Trip<'_>) -> Result<Arc<Stream>, Failed> {
        Err(ConnectError::NoTls.into())
    }

    /// Opens a WebSocket on what `dial` connects to, once there is something to say.
    fn open(
        &self,
        uri: &Uri<'_>,
        dial: impl FnOnce(&mut Trip<'_>) -> Result<Arc<Stream>, Failed>,
    ) -> Result<WebSocket, ConnectError> {
        let mut connecting = self.connecting(uri)?;
        let clock = Clock::system();
        // Time begins with the attempt to connect.
        let _ = connecting.check(clock.now());
        let deadline = Deadline::at(&clock, connecting.deadline());
        let mut trip = Trip::new(Tried::host_of(uri), deadline, &self.stop);
        let opened = dial(&mut trip).and_then(|stream| {
            trip.stop.enter(Busy::Talking(stream.clone()))?;
            trip.stage = Stage::Answer;
            let (session, about) =
                shake_hands(&mut connecting, &stream, deadline, self.tap.as_ref())?;
            Ok((stream.peer_addr(), stream, session, about))
        });
        self.stop.leave();
        let patience = self.config.handshake_timeout;
        let (peer, stream, session, about) = match opened {
            Ok(opened) => opened,
            Err(failed) => return Err(trip.error(failed, patience)),
        };
        drop(connecting);
        let setup = Setup {
            tap: self.tap.clone(),
            ..Setup::new(clock.clone())
        };
        WebSocket::new(stream, peer, session, setup, about)
            .map_err(|error| trip.error(error.into(), patience))
    }

    fn connecting(&self, uri: &Uri<'_>) -> Result<Connecting, ConnectError> {
        self.ask.offer(uri, |offer| {
            Ok(Connecting::new(&offer, &self.config, entropy()?))
        })
    }
}

fn entropy<const N: usize>() -> Result<[u8; N], ConnectError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| ConnectError::Entropy(error.into()))?;
    Ok(bytes)
}

/// Shows the host: queries hold tokens.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("url", &Url::parse(&self.url))
            .field("ask", &self.ask)
            .field("dialed", &self.dialed)
            .field("proxy", &self.proxy)
            .field("config", &self.config)
            .field("redirects", &self.redirects)
            .field("tap", &self.tap)
            .finish_non_exhaustive()
    }
}
