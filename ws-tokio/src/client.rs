//! The client: from a URL to an open connection.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};
#[cfg(feature = "tls")]
use ws_http::Tls;
use ws_http::{BodyReader, Proxy, Redirects, Response, header_map};
use ws_proto::handshake::{Offer, Scheme, Uri};
use ws_proto::{Config, ConnectStep, Connecting, Limits, Timeouts};
#[cfg(feature = "deflate")]
use ws_proto::{Deflate, Role};

use crate::error::ConnectError;
use crate::socket::{About, WebSocket};
use crate::transport::Transport;
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
    headers: Headers,
    subprotocols: Vec<String>,
    origin: Option<String>,
    pub(crate) proxy: Option<Proxy>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Tls,
    #[cfg(all(feature = "tls", feature = "http2"))]
    pub(crate) http2: bool,
    redirects: Redirects,
    pub(crate) config: Config,
}

impl Client {
    /// Makes a client for `ws://host[:port]/path?query`, or `wss://`. Connecting checks the URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Headers(Vec::new()),
            subprotocols: Vec::new(),
            origin: None,
            proxy: None,
            #[cfg(feature = "tls")]
            tls: Tls::new(),
            #[cfg(all(feature = "tls", feature = "http2"))]
            http2: false,
            redirects: Redirects::none(),
            config: Config::DEFAULT,
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
    /// one the environment names [`Proxies`](ws_http::Proxies) says.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Sets whom to trust and who to be over TLS, for `wss://` URLs. Default: whom the platform
    /// trusts, and nobody.
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

    /// Follows up to five redirects, one after the other. To another origin none of the
    /// [headers](Self::header) and none of the [subprotocols](Self::subprotocol) go along, as both
    /// may hold tokens, nor does a certificate of ours; and from `wss://` to `ws://` nothing does.
    /// Default: a redirect is a [refusal](ConnectError::Refused).
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

    /// Connects, and waits for the opening handshake to be done.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped leaves no connection.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says at which step it failed. If the server
    /// [refused](ConnectError::Refused), its answer comes with it.
    pub async fn connect(&self) -> Result<WebSocket<Transport>, ConnectError> {
        self.in_time(self.follow()).await
    }

    /// Opens a WebSocket over a stream that leads to the server already: through TLS, a unix socket, a
    /// tunnel. The URL says what is asked for, and is not looked up.
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
        let uri = Uri::parse(&self.url).map_err(ConnectError::Url)?;
        self.in_time(self.open(&uri, stream)).await
    }

    /// Waits for an attempt as long as it may take.
    pub(crate) async fn in_time<T>(
        &self,
        attempt: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        let patience = self.config.handshake_timeout;
        // In a box, because the task that has the connection later would keep its size.
        let attempt = timeout(patience, Box::pin(attempt)).await;
        attempt.unwrap_or(Err(ConnectError::Timeout(patience)))
    }

    async fn follow(&self) -> Result<WebSocket<Transport>, ConnectError> {
        let mut redirects = self.redirects;
        let mut client = Cow::Borrowed(self);
        loop {
            let answer = match client.ask().await {
                Err(ConnectError::Refused(answer)) => answer,
                connected => return connected,
            };
            let location = answer.headers().get(header::LOCATION);
            let location = location.and_then(|value| value.to_str().ok());
            let Some(next) = redirects.next(&client.url, answer.status(), location)? else {
                return Err(ConnectError::Refused(answer));
            };
            let asked = client.to_mut();
            asked.url = next.url;
            if !next.same_origin {
                asked.headers.0.clear();
                asked.subprotocols.clear();
                #[cfg(feature = "tls")]
                {
                    asked.tls = asked.tls.elsewhere();
                }
            }
        }
    }

    /// Connects to one URL.
    async fn ask(&self) -> Result<WebSocket<Transport>, ConnectError> {
        let uri = Uri::parse(&self.url).map_err(ConnectError::Url)?;
        match uri.scheme() {
            Scheme::Ws => {
                let stream = dial(&uri, self.proxy.as_ref()).await?;
                self.open(&uri, stream.into()).await
            }
            #[cfg(feature = "tls")]
            Scheme::Wss => self.open_over_tls(&uri).await,
            #[cfg(not(feature = "tls"))]
            Scheme::Wss => Err(ConnectError::NoTls),
        }
    }

    /// Sends the request and reads the answer.
    pub(crate) async fn open<S>(
        &self,
        uri: &Uri<'_>,
        mut stream: S,
    ) -> Result<WebSocket<S>, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut connecting = self.connecting(uri)?;
        stream.write_all(connecting.unsent()).await?;
        stream.flush().await?;
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
                    if read(&mut connecting, &mut stream).await? == 0 {
                        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                    }
                    continue;
                }
            };
            // Three digits that are no status are a fault of whoever speaks for the server.
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            let body = body(&mut connecting, &mut stream, (status, &headers)).await;
            return Err(refused(status, headers, body));
        }
    }

    fn connecting(&self, uri: &Uri<'_>) -> Result<Connecting, ConnectError> {
        self.offered(uri, |offer| {
            Ok(Connecting::new(&offer, &self.config, entropy()?))
        })
    }

    /// Does something with what is asked for.
    pub(crate) fn offered<T>(
        &self,
        uri: &Uri<'_>,
        then: impl FnOnce(Offer<'_>) -> Result<T, ConnectError>,
    ) -> Result<T, ConnectError> {
        let protocols: Vec<_> = self.subprotocols.iter().map(String::as_str).collect();
        let headers: Vec<_> = (self.headers.0.iter())
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let mut offer = Offer::to(uri).protocols(&protocols)?.headers(&headers)?;
        if let Some(origin) = &self.origin {
            offer = offer.origin(origin)?;
        }
        #[cfg(feature = "deflate")]
        let offer = offer.compression(
            self.config
                .deflate
                .as_ref()
                .map(|own| own.bounds(Role::Client)),
        );
        then(offer)
    }
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
/// what there is to say. One whose length is not known goes on until the server closes, which it
/// need not.
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
