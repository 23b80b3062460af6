//! The server: pages and WebSockets on one port, a task for each connection.

use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
#[cfg(feature = "tls")]
use ws_http::ServerTls;
use ws_http::{Hosts, Origins, Refusal, Request, Response, RouteError, Site, Trusted};
#[cfg(feature = "deflate")]
use ws_proto::Deflate;
use ws_proto::{Config, Limits, Timeouts};

use crate::handling::{Failure, Handler, Report, boxed, guarded};
use crate::socket::WebSocket;

mod accept;
mod registry;
mod serve;

pub use registry::Handle;

use registry::Registry;

type Page = dyn Fn(&Request) -> Response + Send + Sync;
type Hook = dyn Fn(&mut Request) -> Option<Response> + Send + Sync;
type Choice = dyn Fn(&Request) -> Option<String> + Send + Sync;
type Log = dyn Fn(SocketAddr, &Refusal) + Send + Sync;

/// Serves WebSockets at every path, with the defaults: see [`Server`] for more, and
/// [`Server::handle`] to shut down.
///
/// ```no_run
/// use tokio::net::{TcpListener, TcpStream};
/// use ws_tokio::{Error, WebSocket, ws_http::Request};
///
/// async fn echo(mut ws: WebSocket<TcpStream>, _request: Request) -> Result<(), Error> {
///     while let Some((message, mut reply)) = ws.recv_reply().await? {
///         reply.queue(message)?;
///     }
///     Ok(())
/// }
///
/// #[tokio::main]
/// async fn main() -> std::io::Result<()> {
///     ws_tokio::serve(TcpListener::bind("127.0.0.1:9001").await?, echo).await
/// }
/// ```
///
/// # Cancel safety
///
/// If it is dropped, it accepts no more connections, and open ones continue.
///
/// # Errors
///
/// Only if the listener itself fails.
pub async fn serve<H, F, E>(listener: TcpListener, handler: H) -> io::Result<()>
where
    H: Fn(WebSocket<TcpStream>, Request) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Failure> + 'static,
{
    Server::over(listener)?.websockets(handler).run().await
}

/// A server for pages and WebSockets.
///
/// ```no_run
/// use ws_tokio::{Error, Server, ws_http::Response};
///
/// #[tokio::main]
/// async fn main() -> std::io::Result<()> {
///     Server::bind("127.0.0.1:9001")
///         .await?
///         .get("/", |_request| Response::html("<h1>It echoes</h1>"))
///         .websocket("/echo", |mut ws, _request| async move {
///             while let Some((message, mut reply)) = ws.recv_reply().await? {
///                 reply.queue(message)?;
///             }
///             Ok::<_, Error>(())
///         })
///         .run()
///         .await
/// }
/// ```
///
/// Each connection has a task of its own. When a handler returns, its connection is closed: with 1000
/// after `Ok`, with 1011 after an error or a panic. Other connections are not affected.
///
/// `S` is the transport of its connections: `TcpStream`, or [`Transport`](crate::Transport) with
/// TLS.
#[must_use = "call `run`"]
pub struct Server<S: AsyncRead + AsyncWrite + Unpin = TcpStream> {
    listener: TcpListener,
    address: SocketAddr,
    registry: Arc<Registry>,
    core: Core<S>,
}

/// What the connections of a server can be over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// What makes of an accepted connection the one that is talked over.
type Shake<S> = dyn Fn(TcpStream) -> Shaking<S> + Send + Sync;
type Shaking<S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

/// The part that all connections share.
struct Core<S: AsyncRead + AsyncWrite + Unpin> {
    shake: Box<Shake<S>>,
    site: Site<Box<Page>, Arc<Handler<S>>>,
    /// The first path that could not be added.
    misspelt: Option<RouteError>,
    hook: Option<Box<Hook>>,
    choice: Option<Box<Choice>>,
    report: Option<Box<Report>>,
    log: Option<Box<Log>>,
    config: Config,
    max_connections: usize,
    grace: Duration,
}

impl Server {
    /// Listens at an address. Port 0 picks a free one, which [`local_addr`](Self::local_addr)
    /// returns.
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::over(TcpListener::bind(address).await?)
    }

    /// Serves the connections of a listener.
    ///
    /// # Errors
    ///
    /// The listener has no address.
    pub fn over(listener: TcpListener) -> io::Result<Self> {
        Self::with(listener, |stream| Box::pin(ready(Ok(stream))))
    }
}

#[cfg(feature = "tls")]
impl Server<crate::Transport> {
    /// Listens at an address, and speaks TLS there, and nothing else, with this certificate. A
    /// connection whose TLS handshake fails is dropped, within
    /// [`handshake_timeout`](Self::handshake_timeout).
    ///
    /// ```no_run
    /// use ws_tokio::{Error, Server, ServerTls};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let tls = ServerTls::from_files("fullchain.pem", "privkey.pem")?;
    /// Server::bind_tls("0.0.0.0:443", tls)
    ///     .await?
    ///     .websocket("/echo", |mut ws, _request| async move {
    ///         while let Some((message, mut reply)) = ws.recv_reply().await? {
    ///             reply.queue(message)?;
    ///         }
    ///         Ok::<_, Error>(())
    ///     })
    ///     .run()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    pub async fn bind_tls(address: impl ToSocketAddrs, tls: ServerTls) -> io::Result<Self> {
        Self::over_tls(TcpListener::bind(address).await?, tls)
    }

    /// Serves the connections of a listener over TLS.
    ///
    /// # Errors
    ///
    /// The listener has no address.
    pub fn over_tls(listener: TcpListener, tls: ServerTls) -> io::Result<Self> {
        let mut server = Self::with(listener, move |stream| {
            Box::pin(crate::Transport::accept(tls.config(), stream))
        })?;
        server.core.site.secure = true;
        Ok(server)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Server<S> {
    fn with(
        listener: TcpListener,
        shake: impl Fn(TcpStream) -> Shaking<S> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            registry: Arc::default(),
            core: Core {
                shake: Box::new(shake),
                site: Site::new(),
                misspelt: None,
                hook: None,
                choice: None,
                report: None,
                log: None,
                config: Config::DEFAULT,
                max_connections: 1024,
                grace: Duration::from_secs(10),
            },
        })
    }

    /// Answers GET and HEAD requests for a path, in which `{name}` stands for a parameter, see
    /// [`Request::path_param`], and `{*name}` for the rest.
    pub fn get<P>(self, path: impl AsRef<str>, page: P) -> Self
    where
        P: Fn(&Request) -> Response + Send + Sync + 'static,
    {
        self.page(Method::GET, path, page)
    }

    /// Answers requests of a method for a path. Their bodies are not read.
    pub fn page<P>(mut self, method: Method, path: impl AsRef<str>, page: P) -> Self
    where
        P: Fn(&Request) -> Response + Send + Sync + 'static,
    {
        let added = (self.core.site).page(method, path.as_ref(), Box::new(page));
        self.note(added)
    }

    /// Opens WebSockets at a path, and runs `handler` with each, in its own task. The connection is
    /// closed when the handler returns. A page may have the same path.
    pub fn websocket<H, F, E>(self, path: impl AsRef<str>, handler: H) -> Self
    where
        H: Fn(WebSocket<S>, Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failure> + 'static,
    {
        self.socket(path.as_ref(), boxed(handler))
    }

    /// Opens WebSockets at every path.
    fn websockets<H, F, E>(self, handler: H) -> Self
    where
        H: Fn(WebSocket<S>, Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failure> + 'static,
    {
        let handler = boxed(handler);
        self.socket("/", handler.clone())
            .socket("/{*path}", handler)
    }

    fn socket(mut self, path: &str, handler: Arc<Handler<S>>) -> Self {
        let added = self.core.site.websocket(path, handler);
        self.note(added)
    }

    fn note(mut self, added: Result<(), RouteError>) -> Self {
        self.core.misspelt = self.core.misspelt.or_else(|| added.err());
        self
    }

    /// Calls `hook` with every request for one of the [hosts](Self::hosts), before anything else;
    /// if it returns a response, that is the answer. It is for authentication and redirects. The
    /// hook passes what it finds out to the handler in the request's extensions.
    pub fn hook<F>(mut self, hook: F) -> Self
    where
        F: Fn(&mut Request) -> Option<Response> + Send + Sync + 'static,
    {
        self.core.hook = Some(Box::new(hook));
        self
    }

    /// Sets the subprotocols that the server speaks: the first of them that a client offers is
    /// chosen. A client that offers none of them is accepted without one.
    pub fn subprotocols<N: Into<String>>(self, ours: impl IntoIterator<Item = N>) -> Self {
        let ours: Vec<String> = ours.into_iter().map(Into::into).collect();
        self.choose_subprotocol(move |request| {
            let offered = |ours: &&String| request.subprotocols().any(|name| name == *ours);
            ours.iter().find(offered).cloned()
        })
    }

    /// Chooses the subprotocol from the request. If it returns one that the client did not offer,
    /// the handshake fails with 500.
    pub fn choose_subprotocol<F>(mut self, choice: F) -> Self
    where
        F: Fn(&Request) -> Option<String> + Send + Sync + 'static,
    {
        self.core.choice = Some(Box::new(choice));
        self
    }

    /// Sets the hosts that it answers for, against DNS rebinding: see [`Hosts`]. Default: IP
    /// addresses and `localhost`, and every name unless it listens on a loopback or a private
    /// address; others get 421.
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.core.site.hosts = hosts;
        self
    }

    /// Sets which proxies are trusted to name their clients: see [`Trusted`]. Default: none.
    pub fn trust(mut self, proxies: Trusted) -> Self {
        self.core.site.trusted = proxies;
        self
    }

    /// Sets whose pages may connect. Default: those of the same host, and programs other than
    /// browsers; others get 403.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.core.site.origins = origins;
        self
    }

    /// Calls `log` with every refused request and its client's address, which a [trusted
    /// proxy](Self::trust) may have given. It does not see the answers of hooks.
    pub fn on_refusal<F>(mut self, log: F) -> Self
    where
        F: Fn(SocketAddr, &Refusal) + Send + Sync + 'static,
    {
        self.core.log = Some(Box::new(log));
        self
    }

    /// Calls `report` with every error that a handler returns, including those of the connection
    /// that it passes on with `?`.
    pub fn on_error<F>(mut self, report: F) -> Self
    where
        F: Fn(&(dyn StdError + Send + Sync + 'static)) + Send + Sync + 'static,
    {
        self.core.report = Some(Box::new(report));
        self
    }

    /// Sets the limits of each connection: see [`Limits`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.core.config.limits = limits;
        self
    }

    /// Sets the longest message that is accepted, in bytes. Default: 1 MiB.
    pub fn max_message(mut self, bytes: u64) -> Self {
        self.core.config.limits.max_message = bytes;
        self
    }

    /// Sets keepalive and the closing handshake: see [`Timeouts`].
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.core.config.timeouts = timeouts;
        self
    }

    /// Agrees to compress messages with clients that offer it (RFC 7692): `Deflate::default()` is
    /// sensible. Default: no compression.
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, deflate: Deflate) -> Self {
        self.core.config.deflate = Some(deflate);
        self
    }

    /// Sets how long a client may take from being accepted to having sent its request, however
    /// slowly. Default: 10 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.core.config.handshake_timeout = timeout;
        self
    }

    /// Sets the most connections at a time; the next gets 503. Default: 1024.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.core.max_connections = connections;
        self
    }

    /// Sets how long a [shutdown](Handle::shutdown) waits for the handlers. Default: 10 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.core.grace = grace;
        self
    }

    /// The address at which the server listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Makes a handle that shuts the server down from another task.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(&self.registry)
    }

    /// Serves until it is [shut down](Handle::shutdown). When it returns, every connection has
    /// ended, or its grace period is over.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, it accepts no more connections, and open ones continue.
    ///
    /// # Errors
    ///
    /// A path that you added is misspelt or taken: the error holds the [`RouteError`]. After that
    /// only if the listener itself fails. Failed connections and a shortage of descriptors are not
    /// errors: the server continues as soon as it can.
    pub async fn run(self) -> io::Result<()> {
        if let Some(misspelt) = self.core.misspelt {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, misspelt));
        }
        accept::run(
            self.listener,
            self.address,
            &self.registry,
            Arc::new(self.core),
        )
        .await
    }
}

impl<S: Stream> Core<S> {
    /// Reports a refusal to the application, whose panic affects nothing else.
    fn log(&self, peer: SocketAddr, refusal: &Refusal) {
        if let Some(log) = &self.log {
            guarded(|| log(peer, refusal));
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("config", &self.core.config)
            .finish_non_exhaustive()
    }
}
