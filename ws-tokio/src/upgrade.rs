//! WebSockets in somebody else's HTTP server: hyper's, and those that stand on it (RFC 6455 §4.2, RFC
//! 8441).
//!
//! ```text
//!   http::Request ──▶ Upgrader::upgrade ──┬─▶ the answer, for the server to send: 101, or 200 to CONNECT
//!                                         ├─▶ Upgrade ── once that is sent ──▶ WebSocket
//!                                         └─▶ a refusal
//! ```

use std::fmt;
use std::net::SocketAddr;

use http::request::Parts;
use http::{Request, Response};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use ws_http::{Origins, Refusal, Request as Described};
#[cfg(feature = "deflate")]
use ws_proto::Deflate;
use ws_proto::handshake::{self, Bootstrap, RequestError};
use ws_proto::{Config, Limits, Session, Timeouts};

use crate::socket::{About, WebSocket};

/// A connection that hyper has upgraded: over HTTP/2, one of its streams.
pub type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

/// Answers a request for a WebSocket with the defaults: see [`Upgrader`] for more.
///
/// # Errors
///
/// Returns the answer to send instead.
pub fn upgrade<B>(request: &mut Request<B>) -> Result<(Response<()>, Upgrade), Box<Refused>> {
    Upgrader::new().upgrade(request)
}

/// Opens WebSockets in a hyper server, over HTTP/1.1 and over HTTP/2, where one connection can
/// carry many of them. For HTTP/2 the server has to [announce
/// it](hyper::server::conn::http2::Builder::enable_connect_protocol).
///
/// ```no_run
/// use http::{Request, Response};
/// use hyper::body::Incoming;
/// use ws_tokio::{Error, Upgrader};
///
/// async fn serve(mut request: Request<Incoming>) -> Result<Response<String>, Error> {
///     let (answer, upgrade) = match Upgrader::new().max_message(64 << 10).upgrade(&mut request) {
///         Ok(upgraded) => upgraded,
///         Err(refused) => return Ok(refused.response()),
///     };
///     tokio::spawn(async move {
///         let mut ws = upgrade.open().await?;
///         while let Some((message, mut reply)) = ws.recv_reply().await? {
///             reply.queue(message)?;
///         }
///         Ok::<_, Error>(())
///     });
///     Ok(answer.map(|()| String::new())) // any body that is empty
/// }
/// ```
///
/// The HTTP server, which knows where it listens, checks the host; this checks the origin of a
/// page.
#[derive(Clone, Debug, Default)]
#[must_use = "call `upgrade`"]
pub struct Upgrader {
    config: Config,
    origins: Origins,
    subprotocols: Vec<String>,
}

/// A request for a WebSocket that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    refusal: Refusal,
    bootstrap: Bootstrap,
}

/// A WebSocket that opens when its answer has been sent.
#[must_use = "the peer waits"]
pub struct Upgrade {
    upgraded: OnUpgrade,
    session: Session,
    subprotocol: Option<String>,
}

impl Upgrader {
    /// Opens WebSockets with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the subprotocols that the server speaks: the first of them that a client offers is
    /// chosen. A client that offers none of them is accepted without one.
    pub fn subprotocols<S: Into<String>>(mut self, ours: impl IntoIterator<Item = S>) -> Self {
        self.subprotocols = ours.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whose pages may connect. Default: those of the same host, and programs other than
    /// browsers; others get 403.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// Sets the limits of each connection: see [`Limits`].
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Sets the longest message that is accepted, in bytes. Default: 1 MiB.
    pub const fn max_message(mut self, bytes: u64) -> Self {
        self.config.limits.max_message = bytes;
        self
    }

    /// Sets keepalive and the closing handshake: see [`Timeouts`].
    pub const fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.config.timeouts = timeouts;
        self
    }

    /// Agrees to compress messages with clients that offer it (RFC 7692): `Deflate::default()` is
    /// sensible. Default: no compression.
    #[cfg(feature = "deflate")]
    pub const fn deflate(mut self, deflate: Deflate) -> Self {
        self.config.deflate = Some(deflate);
        self
    }

    /// Answers a request. The server has to send the answer, with an empty body; the connection is
    /// open once it has.
    ///
    /// # Errors
    ///
    /// Returns the answer to send instead.
    pub fn upgrade<B>(
        &self,
        request: &mut Request<B>,
    ) -> Result<(Response<()>, Upgrade), Box<Refused>> {
        let upgraded = request.extensions_mut().remove();
        let protocol = request.extensions().get::<Protocol>();
        self.answer(&described(request, Described::NOWHERE), protocol, upgraded)
    }

    /// Does the same for a request whose body is elsewhere.
    ///
    /// # Errors
    ///
    /// Returns the answer to send instead.
    pub fn upgrade_parts(
        &self,
        parts: &mut Parts,
    ) -> Result<(Response<()>, Upgrade), Box<Refused>> {
        let upgraded = parts.extensions.remove();
        let protocol = parts.extensions.get::<Protocol>();
        self.answer(&described_by(parts), protocol, upgraded)
    }

    pub(crate) fn answer(
        &self,
        request: &Described,
        protocol: Option<&Protocol>,
        upgraded: Option<OnUpgrade>,
    ) -> Result<(Response<()>, Upgrade), Box<Refused>> {
        let bootstrap = match protocol {
            Some(_) => Bootstrap::ExtendedConnect,
            None => Bootstrap::Http1,
        };
        let refused = |refusal| Box::new(Refused { refusal, bootstrap });
        let parsed = judged(request, protocol).map_err(|error| refused(error.into()))?;
        let accept = parsed.accept().map_err(|error| refused(error.into()))?;
        self.origins.check(request).map_err(refused)?;
        let subprotocol = self.choose(&parsed);
        let accept = match &subprotocol {
            Some(name) => accept.protocol(name),
            None => Ok(accept),
        };
        let accept = accept.map_err(|_| refused(Refusal::Failed))?;
        #[cfg(feature = "deflate")]
        let agreed = (self.config.deflate).and_then(|ours| {
            ours.bounds(ws_proto::Role::Server)
                .agree(parsed.extensions())
                .ok()?
        });
        #[cfg(feature = "deflate")]
        let accept = accept.compression(agreed);
        let session = Session::server(&self.config);
        #[cfg(feature = "deflate")]
        let session = match (&self.config.deflate, agreed) {
            (Some(ours), Some(agreed)) => session.compressed(ours, &agreed.compression()),
            _ => session,
        };
        let answer = accept.to_http().map_err(|_| refused(Refusal::Failed))?;
        // An earlier taker has the connection, or the server does not hand it over.
        let upgraded = upgraded.ok_or_else(|| refused(Refusal::Failed))?;
        let upgrade = Upgrade {
            upgraded,
            session,
            subprotocol,
        };
        Ok((answer, upgrade))
    }

    fn choose(&self, request: &handshake::Request<'_>) -> Option<String> {
        let offered = |ours: &&String| request.protocols().any(|name| name == *ours);
        self.subprotocols.iter().find(offered).cloned()
    }
}

/// What the core says of a request.
pub(crate) fn judged<'b>(
    request: &'b Described,
    protocol: Option<&'b Protocol>,
) -> Result<handshake::Request<'b>, RequestError> {
    let head = request.as_http();
    handshake::Request::from_http(
        head.method(),
        head.uri(),
        head.version(),
        head.headers(),
        protocol.map(Protocol::as_str),
    )
}

/// A copy of a request's head.
pub(crate) fn described<B>(request: &Request<B>, peer: SocketAddr) -> Described {
    Described::copied(
        request.method(),
        request.uri(),
        request.version(),
        request.headers(),
        peer,
    )
}

/// The same, of a head that is taken apart, from an unknown address.
pub(crate) fn described_by(parts: &Parts) -> Described {
    let (method, uri) = (&parts.method, &parts.uri);
    Described::copied(
        method,
        uri,
        parts.version,
        &parts.headers,
        Described::NOWHERE,
    )
}

impl Refused {
    #[cfg(feature = "axum")]
    pub(crate) fn new(error: RequestError, bootstrap: Bootstrap) -> Self {
        let refusal = error.into();
        Self { refusal, bootstrap }
    }

    /// Returns the reason, for the log.
    #[must_use]
    pub const fn refusal(&self) -> &Refusal {
        &self.refusal
    }

    /// The answer.
    #[must_use]
    pub fn response(&self) -> Response<String> {
        if let Refusal::Handshake(error) = &self.refusal {
            return error.refusal(self.bootstrap).to_http();
        }
        let answer = self.refusal.response();
        let mut response = Response::new(String::from_utf8_lossy(answer.body()).into_owned());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        response
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.refusal, f)
    }
}

impl std::error::Error for Refused {}

impl Upgrade {
    /// Waits until the server has sent the answer, and opens the WebSocket.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped drops the connection.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io): the connection ended first, or the server does not hand it
    /// over.
    pub async fn open(self) -> Result<WebSocket<Upgraded>, crate::Error> {
        let upgraded = self.upgraded.await.map_err(std::io::Error::other)?;
        let mut ws = WebSocket::over(TokioIo::new(upgraded), self.session);
        ws.about = About::agreed(self.subprotocol);
        Ok(ws)
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").finish_non_exhaustive()
    }
}
