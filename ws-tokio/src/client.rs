//! The client: from a URL to an open connection.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::io;
#[cfg(unix)]
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};
#[cfg(feature = "tls")]
use ws_http::Tls;
use ws_http::{Ask, BodyReader, Credentials, Dialed, Proxy, Redirects, Response, Url, header_map};
use ws_proto::handshake::{Offer, Scheme, Uri};
use ws_proto::{Config, ConnectStep, Connecting, Limits, Timeouts};
#[cfg(feature = "deflate")]
use ws_proto::{Deflate, Role};

use crate::error::{ConnectError, Stage};
#[cfg(feature = "tls")]
use crate::secure::Agreeing;
use crate::socket::{About, WebSocket};
use crate::transport::Transport;
use crate::trip::Trip;
use crate::way::dial;

/// Connects to a `ws://` URL, or with the feature `tls` to a `wss://` URL, with the defaults: see [`Client`] for more.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut ws = ws_tokio::connect("ws://127.0.0.1:9001/echo").await?;
/// ws.send("hello").await?;
/// if let Some(message) = ws.recv().await? {
///     println!("{}", message.as_text().unwrap_or("(bytes)"));
/// }
/// ws.close(ws_tokio::CloseCode::NORMAL, "done").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// A call that is dropped leaves no connection.
///
/// # Errors
///
/// [`ConnectError`] says at which step it failed.
pub async fn connect(url: impl Into<String>) -> Result<WebSocket<Transport>, ConnectError> {
    Client::new(url).connect().await
}

/// Configures and opens a client's connection.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ws_tokio::ConnectError> {
/// use std::time::Duration;
///
/// let ws = ws_tokio::Client::new("ws://127.0.0.1:9001/chat")
///     .header("Authorization", "Bearer …")
///     .subprotocol("chat.v2")
///     .subprotocol("chat.v1")
///     .handshake_timeout(Duration::from_secs(3))
///     .connect()
///     .await?;
/// println!("speaking {:?}", ws.subprotocol());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "call `connect`"]
pub struct Client {
    pub(crate) url: String,
    pub(crate) ask: Ask,
    dialed: Option<Dialed>,
    pub(crate) proxy: Option<Proxy>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Tls,
    #[cfg(all(feature = "tls", feature = "http2"))]
    pub(crate) http2: bool,
    redirects: Redirects,
    pub(crate) config: Config,
}

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
            #[cfg(all(feature = "tls", feature = "http2"))]
            http2: false,
            redirects: Redirects::none(),
            config: Config::DEFAULT,
        }
    }

    /// Connects to a Unix socket in place of the URL's host, which the request still names. No
    /// proxy is used.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), ws_tokio::ConnectError> {
    /// let ws = ws_tokio::Client::new("ws://localhost/")
    ///     .connect_to_unix("/run/chat.sock")
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(unix)]
    pub fn connect_to_unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.dialed = Some(Dialed::Unix(path.into()));
        self
    }

    /// Connects to this host and port in place of the URL's, which the request still names: for a
    /// server that its name does not lead to yet, or not from here.
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

    /// Sets the User-Agent. Default: `ws-tokio/` and its version.
    pub fn user_agent(mut self, agent: impl Into<String>) -> Self {
        self.ask.user_agent = Some(agent.into());
        self
    }

    /// Sends no User-Agent.
    pub fn no_user_agent(mut self) -> Self {
        self.ask.user_agent = None;
        self
    }

    /// Adds a header to the request: Cookie, Authorization.
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
    /// the one that the environment names, see [`Proxies`](ws_http::Proxies).
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Sets which certificate authorities to trust, and which certificate to show, for `wss://`
    /// URLs. Default: those that the platform trusts, and none.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ws_tokio::{Client, Tls};
    ///
    /// // A server whose certificate an authority of one's own has issued.
    /// let tls = Tls::new().ca(&std::fs::read("ca.pem")?)?;
    /// let ws = Client::new("wss://chat.example/").tls(tls).connect().await?;
    /// # Ok(())
    /// # }
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

    /// Connects, and waits until the opening handshake is done.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped leaves no connection.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says at which step it failed. If the server
    /// [refused](ConnectError::Refused), its answer is in the error.
    pub async fn connect(&self) -> Result<WebSocket<Transport>, ConnectError> {
        let mut trip = Trip::new();
        let connected = self.in_time(self.follow(&mut trip)).await;
        connected.unwrap_or_else(|| Err(trip.timed_out(self.config.handshake_timeout)))
    }

    /// Opens a WebSocket over a stream that leads to the server already: through TLS, a Unix
    /// socket, a tunnel. The URL gives the host and the path of the request; no name is looked up.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped drops the stream.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_over<S>(&self, stream: S) -> Result<WebSocket<S>, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let url = Url::parse(&self.url).map_err(ConnectError::Url)?;
        let client = self.with_credentials_of(&url);
        let mut trip = Trip::new();
        trip.begin(&parsed(&url)?, Stage::Answer);
        let opened = self.in_time(client.open(&url, stream, &mut trip)).await;
        opened.unwrap_or_else(|| Err(trip.timed_out(self.config.handshake_timeout)))
    }

    /// Connects to the URL's server the same way, through proxy and TLS, but sends no request: for
    /// HTTP/1.1 requests that belong to the WebSocket, such as Socket.IO's polling.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped leaves no connection.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), except for those about the server's answer.
    pub async fn reach(&self) -> Result<Transport, ConnectError> {
        let url = Url::parse(&self.url).map_err(ConnectError::Url)?;
        let mut trip = Trip::new();
        let reached = self.in_time(self.reach_once(&url, &mut trip)).await;
        reached.unwrap_or_else(|| Err(trip.timed_out(self.config.handshake_timeout)))
    }

    /// With the user and the password of the URL, if none were set.
    pub(crate) fn with_credentials_of(&self, url: &Url) -> Cow<'_, Self> {
        let mut client = Cow::Borrowed(self);
        if self.ask.credentials.is_none() && url.credentials().is_some() {
            client.to_mut().ask.take_credentials_of(url);
        }
        client
    }

    /// Waits for an attempt as long as it may take; `None` if the time is up.
    pub(crate) async fn in_time<T>(&self, attempt: impl Future<Output = T>) -> Option<T> {
        // In a box, because the task that has the connection later would keep its size.
        let attempt = timeout(self.config.handshake_timeout, Box::pin(attempt));
        attempt.await.ok()
    }

    async fn follow(&self, trip: &mut Trip) -> Result<WebSocket<Transport>, ConnectError> {
        let mut redirects = self.redirects;
        let mut url = Url::parse(&self.url).map_err(ConnectError::Url)?;
        let mut client = self.with_credentials_of(&url);
        loop {
            let answer = match client.connect_once(&url, trip).await {
                Err(ConnectError::Refused(answer)) => answer,
                connected => return connected,
            };
            let location = answer.headers().get(header::LOCATION);
            let location = location.and_then(|value| value.to_str().ok());
            let Some(next) = redirects.next(url.as_str(), answer.status(), location)? else {
                return Err(ConnectError::Refused(answer));
            };
            url = Url::parse(&next.url).map_err(ConnectError::Url)?;
            let asked = client.to_mut();
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

    /// Connects to one URL.
    async fn connect_once(
        &self,
        url: &Url,
        trip: &mut Trip,
    ) -> Result<WebSocket<Transport>, ConnectError> {
        #[cfg(all(feature = "tls", feature = "http2"))]
        if self.http2 && parsed(url)?.scheme() == Scheme::Wss {
            return self.open_as_agreed(url, trip).await;
        }
        let stream = self.reach_once(url, trip).await?;
        self.open(url, stream, trip).await
    }

    /// Connects to the server of one URL, which is one of HTTP/1.1.
    async fn reach_once(&self, url: &Url, trip: &mut Trip) -> Result<Transport, ConnectError> {
        let uri = parsed(url)?;
        match uri.scheme() {
            Scheme::Ws => {
                trip.begin(&uri, Stage::Connect);
                self.dial(url, &uri, trip).await
            }
            #[cfg(feature = "tls")]
            Scheme::Wss => self.secure(url, Agreeing::Http1, trip).await,
            #[cfg(not(feature = "tls"))]
            Scheme::Wss => Err(ConnectError::NoTls),
        }
    }

    /// Connects to the host of the URL, or to what was set in its place.
    pub(crate) async fn dial(
        &self,
        url: &Url,
        uri: &Uri<'_>,
        trip: &mut Trip,
    ) -> Result<Transport, ConnectError> {
        // What cannot be asked for is known before anybody is connected to.
        self.offered(uri, |_| Ok(()))?;
        let host = || Dialed::host_of(url, uri);
        let dialed = self.dialed.clone().unwrap_or_else(host);
        dial(&dialed, self.proxy.as_ref(), trip).await
    }

    /// Sends the request and reads the answer.
    pub(crate) async fn open<S>(
        &self,
        url: &Url,
        mut stream: S,
        trip: &mut Trip,
    ) -> Result<WebSocket<S>, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        trip.stage = Stage::Answer;
        let mut connecting = self.offered(&parsed(url)?, |offer| {
            Ok(Connecting::new(&offer, &self.config, entropy()?))
        })?;
        let sent = async {
            stream.write_all(connecting.unsent()).await?;
            stream.flush().await
        };
        sent.await.map_err(|error| trip.io(error))?;
        connecting.sent(connecting.unsent().len());
        loop {
            let (status, headers) = match connecting.step()? {
                ConnectStep::Open(session, response) => {
                    let mut ws = WebSocket::over(stream, session);
                    ws.about = Some(Box::new(About {
                        subprotocol: response.protocol().map(Into::into),
                        headers: Some(header_map(response.headers())),
                    }));
                    return Ok(ws);
                }
                ConnectStep::Refused(response) => {
                    (response.status(), header_map(response.headers()))
                }
                ConnectStep::NeedData | ConnectStep::Over => {
                    let len = read(&mut connecting, &mut stream).await;
                    if len.map_err(|error| trip.io(error))? == 0 {
                        return Err(trip.io(io::ErrorKind::UnexpectedEof.into()));
                    }
                    continue;
                }
            };
            // Three digits that are not a status are a fault of the server, or of a proxy in front
            // of it.
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            let body = body(&mut connecting, &mut stream, (status, &headers)).await;
            return Err(refused(status, headers, body));
        }
    }

    /// Does something with what is asked for.
    pub(crate) fn offered<T>(
        &self,
        uri: &Uri<'_>,
        then: impl FnOnce(Offer<'_>) -> Result<T, ConnectError>,
    ) -> Result<T, ConnectError> {
        self.ask.offer(uri, |offer| {
            #[cfg(feature = "deflate")]
            let offer = offer.compression(
                self.config
                    .deflate
                    .as_ref()
                    .map(|own| own.bounds(Role::Client)),
            );
            then(offer)
        })
    }
}

/// The User-Agent of a client, unless the application sets another.
const USER_AGENT: &str = concat!("ws-tokio/", env!("CARGO_PKG_VERSION"));

/// The parts of a URL.
pub(crate) fn parsed(url: &Url) -> Result<Uri<'_>, ConnectError> {
    Uri::parse(url.as_str()).map_err(|error| ConnectError::Url(error.into()))
}

/// Bits for keys, from the operating system.
pub(crate) fn entropy<const N: usize>() -> Result<[u8; N], ConnectError> {
    let mut bits = [0; N];
    getrandom::fill(&mut bits).map_err(|error| ConnectError::Entropy(error.into()))?;
    Ok(bits)
}

/// What the server answered in place of opening a WebSocket.
pub(crate) fn refused(status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> ConnectError {
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    ConnectError::Refused(Box::new(Response::from(response)))
}

/// The time to wait for a refusal's body.
pub(crate) const BODY: Duration = Duration::from_secs(2);

/// Reads as much of a refusal's body as the server gives. Whatever ends it early, the refusal is
/// what there is to say. One whose length is not known lasts until the server closes, which it need
/// not.
async fn body<S: AsyncRead + Unpin>(
    connecting: &mut Connecting,
    stream: &mut S,
    (status, headers): (StatusCode, &HeaderMap),
) -> Vec<u8> {
    let Ok(mut body) = BodyReader::new(status, headers) else {
        return Vec::new();
    };
    let deadline = Instant::now() + BODY;
    while body.follow(connecting) {
        let more = tokio::time::timeout_at(deadline, read(connecting, stream));
        let Ok(Ok(1..)) = more.await else { break };
    }
    body.into_bytes()
}

/// Makes one read of the answer; 0 at the end of the stream.
async fn read<S: AsyncRead + Unpin>(
    connecting: &mut Connecting,
    stream: &mut S,
) -> io::Result<usize> {
    let len = stream.read(connecting.spare_mut()?).await?;
    connecting.filled(len);
    Ok(len)
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
            .finish()
    }
}
