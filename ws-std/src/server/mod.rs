//! The server: pages and WebSockets on one port, a thread for each connection.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
#[cfg(feature = "tls")]
use ws_http::ServerTls;
use ws_http::{
    Budget, Hosts, Origins, Pace, Quota, Refusal, Request, Response, RouteError, Site, Trusted,
};
#[cfg(feature = "deflate")]
use ws_proto::Deflate;
use ws_proto::{Config, Limits, Timeouts};

use crate::guard::Rules;
#[cfg(feature = "deflate")]
use crate::pool::Pool;
#[cfg(feature = "tls")]
use crate::secure::Secure;
use crate::socket::WebSocket;
use crate::stream::{Socket, Stream};

mod accept;
mod answer;
mod log;
mod login;
mod registry;
mod serve;

pub use login::Login;
pub use registry::Handle;

use answer::LastWord;
use log::Log;
use registry::{Entry, Registry};

/// The errors that a handler of connections may return.
type Failure = Box<dyn StdError + Send + Sync>;
type Page = dyn Fn(&Request) -> Response + Send + Sync;
type Handler = dyn Fn(WebSocket, &Request) -> Result<(), Failure> + Send + Sync;
type Hook = dyn Fn(&mut Request) -> Option<Response> + Send + Sync;
type Choice = dyn Fn(&Request) -> Option<String> + Send + Sync;
type Report = dyn Fn(&Request, &(dyn StdError + Send + Sync + 'static)) + Send + Sync;

/// A server for pages and WebSockets.
///
/// ```no_run
/// use ws_std::{Response, Server};
///
/// Server::bind("127.0.0.1:9001")?
///     .get("/", |_request| Response::html("<h1>It echoes</h1>"))
///     .websocket("/echo", |mut ws, _request| ws.for_each(|message, tx| tx.send(message)))
///     .run()
/// # ; Ok::<(), std::io::Error>(())
/// ```
///
/// Each connection has a thread of its own; at most [`max_connections`](Self::max_connections) are
/// open at a time. When a handler returns, its connection is closed: with 1000 after `Ok`, with
/// 1011 after an error or a panic. Other connections are not affected.
#[must_use = "call `run`"]
pub struct Server {
    listeners: Vec<TcpListener>,
    core: Core,
}

/// The address of a server that has none.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// The server itself needs a twentieth of it; the rest is for the application's code.
const STACK: usize = 256 << 10;

/// The part that all connections share.
struct Core {
    site: Site<Box<Page>, Box<Handler>>,
    /// The first path that could not be added.
    misspelt: Option<RouteError>,
    hook: Option<Box<Hook>>,
    choice: Option<Box<Choice>>,
    report: Option<Box<Report>>,
    log: Log,
    config: Config,
    rules: Rules,
    grace: Duration,
    stack_size: usize,
    #[cfg(feature = "tls")]
    tls: Option<ServerTls>,
    registry: Arc<Registry>,
    #[cfg(feature = "deflate")]
    pool: Arc<Pool>,
}

impl Server {
    /// Listens at an address, or at several: `localhost` is `127.0.0.1` and `::1`, and a slice may
    /// hold several. An address that this machine does not have is left out if another can be bound.
    /// Port 0 picks a free one, which [`local_addr`](Self::local_addr) returns.
    ///
    /// # Errors
    ///
    /// An address cannot be bound.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::with(accept::listen(address)?)
    }

    /// Serves the connections of a listener from elsewhere: from systemd, for example, which passes
    /// it on as descriptor 3 (`LISTEN_FDS`), where the crate `listenfd` takes it.
    ///
    /// ```no_run
    /// use std::net::TcpListener;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:9001")?;
    /// ws_std::Server::over(listener)?
    ///     .websocket("/echo", |mut ws, _request| ws.for_each(|message, tx| tx.send(message)))
    ///     .run()
    /// # ; Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The listener has no address.
    pub fn over(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(false)?;
        Self::with(vec![listener])
    }

    fn with(listeners: Vec<TcpListener>) -> io::Result<Self> {
        let addresses: io::Result<Vec<_>> = listeners.iter().map(TcpListener::local_addr).collect();
        let registry = Registry::new(addresses?);
        Ok(Self {
            listeners,
            core: Core {
                site: Site::new(),
                misspelt: None,
                hook: None,
                choice: None,
                report: None,
                log: Log::default(),
                config: Config::DEFAULT,
                rules: Rules {
                    counters: registry.counters().clone(),
                    ..Rules::default()
                },
                grace: Duration::from_secs(10),
                stack_size: STACK,
                #[cfg(feature = "tls")]
                tls: None,
                registry: Arc::new(registry),
                #[cfg(feature = "deflate")]
                pool: Arc::default(),
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

    /// Opens WebSockets at a path, and runs `handler` with each, on its own thread. The
    /// connection ends when the handler returns. A page may have the same path.
    ///
    /// ```no_run
    /// use ws_std::Server;
    ///
    /// Server::bind("127.0.0.1:9001")?
    ///     .websocket("/rooms/{room}", |mut ws, request| {
    ///         let room = request.path_param("room").unwrap_or_default();
    ///         ws.send(&*format!("this is {room}"))
    ///     })
    ///     .run()
    /// # ; Ok::<(), std::io::Error>(())
    /// ```
    pub fn websocket<H, E>(mut self, path: impl AsRef<str>, handler: H) -> Self
    where
        H: Fn(WebSocket, &Request) -> Result<(), E> + Send + Sync + 'static,
        E: Into<Failure>,
    {
        let handler: Box<Handler> =
            Box::new(move |ws, request| handler(ws, request).map_err(Into::into));
        let added = self.core.site.websocket(path.as_ref(), handler);
        self.note(added)
    }

    fn note(mut self, added: Result<(), RouteError>) -> Self {
        self.core.misspelt = self.core.misspelt.or_else(|| added.err());
        self
    }

    /// Calls `hook` with every request for one of the [hosts](Self::hosts), before anything else;
    /// if it returns a response, that is the answer. It is for authentication and redirects. The
    /// hook passes what it finds out to the handler in the [extensions](Request::extensions_mut),
    /// and adds headers to the 101 with [`answer_headers_mut`](Request::answer_headers_mut).
    ///
    /// ```no_run
    /// use ws_std::{Basic, Credentials, Server};
    ///
    /// #[derive(Clone)]
    /// struct User(String);
    ///
    /// let basic = Basic::new([Credentials::new("li", "s3cret")?]);
    /// Server::bind("127.0.0.1:9001")?
    ///     .hook(move |request| match basic.check(request).map(|user| User(user.into())) {
    ///         Ok(user) => {
    ///             request.extensions_mut().insert(user);
    ///             None
    ///         }
    ///         Err(refusal) => Some(refusal.into()),
    ///     })
    ///     .websocket("/", |mut ws, request| match request.extensions().get() {
    ///         Some(User(name)) => ws.send(&**name),
    ///         None => Ok(()),
    ///     })
    ///     .run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hook<F>(mut self, hook: F) -> Self
    where
        F: Fn(&mut Request) -> Option<Response> + Send + Sync + 'static,
    {
        self.core.hook = Some(Box::new(hook));
        self
    }

    /// Sets the subprotocols that the server speaks: the first of them that a client offers is
    /// chosen. A client that offers none of them is accepted without one.
    pub fn subprotocols<S: Into<String>>(self, ours: impl IntoIterator<Item = S>) -> Self {
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

    /// Sets the hosts that it answers for, against DNS rebinding. Default: IP addresses and
    /// `localhost`, and every name unless it listens on a loopback or a private address; others
    /// get 421.
    ///
    /// A server that listens at all addresses (`0.0.0.0` or `[::]`) treats a connection to a loopback
    /// address in the same way: a browser on its machine makes such connections. A connection to a
    /// private address is not treated so, because a public server can have such an address too, in a
    /// container or where its network translates addresses. To protect a server for a private
    /// network, name its hosts, or listen at its one address. Behind a proxy on the same machine that
    /// passes Host on, set [`Hosts::named`]; or [`Hosts::any`], if the proxy checks Host itself.
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.core.site.hosts = hosts;
        self
    }

    /// Sets which proxies are trusted to say the client's address, the requested host, and whether
    /// the client used TLS. Default: none.
    ///
    /// Where a browser runs on the machine of the proxy, believe the PROXY protocol and no headers:
    /// the browser connects from the same address, and a page can make it send any header, but not
    /// a PROXY header.
    ///
    /// ```no_run
    /// use ws_std::{Server, Trusted};
    ///
    /// // haproxy on the same machine, with `send-proxy` or `send-proxy-v2`
    /// Server::bind("127.0.0.1:9001")?
    ///     .trust(Trusted::proxy_protocol(["127.0.0.1"])?)
    ///     .run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// `log` runs on a thread of its own, and no connection waits for it: while a thousand refusals
    /// wait, the server only [counts](ws_http::Metrics::unlogged) further ones.
    pub fn on_refusal<F>(mut self, log: F) -> Self
    where
        F: Fn(SocketAddr, &Refusal) + Send + Sync + 'static,
    {
        self.core.log.on_refusal(log);
        self
    }

    /// Calls `log` when no connection can be accepted, because the process has no descriptors left or
    /// the system no memory: once when a shortage begins, and again only after ten seconds without
    /// one. Clients wait meanwhile, and the server accepts them when other connections end. The
    /// metrics [count](ws_http::Metrics::short) each failed attempt. It runs on the thread of
    /// [`on_refusal`](Self::on_refusal).
    ///
    /// ```no_run
    /// use ws_std::Server;
    ///
    /// Server::bind("127.0.0.1:9001")?
    ///     .on_shortage(|error| eprintln!("clients have to wait: {error}"))
    ///     .websocket("/echo", |mut ws, _request| ws.for_each(|message, tx| tx.send(message)))
    ///     .run()
    /// # ; Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_shortage<F>(mut self, log: F) -> Self
    where
        F: Fn(&io::Error) + Send + Sync + 'static,
    {
        self.core.log.on_shortage(log);
        self
    }

    /// Calls `report` with every error that a handler returns, including those of the connection
    /// that it passes on with `?`.
    pub fn on_error<F>(mut self, report: F) -> Self
    where
        F: Fn(&Request, &(dyn StdError + Send + Sync + 'static)) + Send + Sync + 'static,
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

    /// Sets the most connections at a time, and so threads; the next gets 503. Default: 1024. Up to
    /// a quarter of them may be opening; when one more comes, the oldest of those gives way: see
    /// [`Quota`].
    pub fn max_connections(self, connections: usize) -> Self {
        self.core
            .registry
            .limit(|quota| quota.connections = connections);
        self
    }

    /// Sets the most connections of an address; the next gets 429. Default: 64. Connections from
    /// this machine are not counted. Those of a [trusted proxy](Self::trust) count for the client
    /// that it names.
    pub fn max_per_address(self, connections: usize) -> Self {
        let most = Some(connections);
        self.core.registry.limit(|quota| quota.per_address = most);
        self
    }

    /// Sets how many connections there may be, and how many of one address: see [`Quota`].
    pub fn quota(self, quota: Quota) -> Self {
        self.core.registry.limit(|own| *own = quota);
        self
    }

    /// Bounds how slowly and how fast clients may talk; a client that exceeds a bound is closed
    /// with 1008. Default: no bounds.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use ws_std::{Pace, Server};
    ///
    /// let mut pace = Pace::default();
    /// pace.max_idle = Some(Duration::from_secs(600));
    /// pace.max_frames = Some(100); // a second
    /// Server::bind("127.0.0.1:9001")?
    ///     .pace(pace)
    ///     .websocket("/", |mut ws, _| ws.for_each(|message, tx| tx.send(message)))
    ///     .run()
    /// # ; Ok::<(), std::io::Error>(())
    /// ```
    pub fn pace(mut self, pace: Pace) -> Self {
        self.core.rules.pace = pace;
        self
    }

    /// Sets the most memory that all connections hold together, in bytes: what they received and
    /// handlers have not taken, and what waits to be sent. A connection that would exceed it is
    /// closed with 1013, and the others continue. Thread stacks and what handlers hold are not
    /// counted. Default: no bound.
    pub fn max_memory(mut self, bytes: usize) -> Self {
        let budget = Budget::new(bytes);
        self.core.registry.bound(&budget);
        self.core.rules.budget = Some(budget);
        self
    }

    /// Sets how long a [shutdown](Handle::shutdown) waits for the handlers. Default: 10 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.core.grace = grace;
        self
    }

    /// Sets the stack size of each connection's thread, in bytes. Only the part in use takes
    /// memory. A handler that recurses deeply needs more. Default: 256 KiB.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.core.stack_size = bytes;
        self
    }

    /// Speaks TLS, and nothing else, with this certificate. A connection whose TLS handshake fails
    /// is dropped, within [`handshake_timeout`](Self::handshake_timeout). It does not apply to
    /// sockets [served over](Self::serve_over) something else, which bring TLS of their own, or
    /// none.
    ///
    /// ```no_run
    /// use ws_std::{Server, ServerTls};
    ///
    /// Server::bind("0.0.0.0:443")?
    ///     .tls(ServerTls::from_files("fullchain.pem", "privkey.pem")?)
    ///     .websocket("/echo", |mut ws, _request| ws.for_each(|message, tx| tx.send(message)))
    ///     .run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.core.tls = Some(tls);
        self.core.site.secure = true;
        self
    }

    /// The address at which the server listens, the first if there are several.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        let first = self.local_addrs().first();
        first.copied().unwrap_or(ANYWHERE)
    }

    /// The addresses at which the server listens.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        self.core.registry.addresses()
    }

    /// Makes a handle that shuts the server down from another thread.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(&self.core.registry)
    }

    /// Serves one connection that was accepted elsewhere: by a listener of another kind, or with TLS
    /// around it. The calling thread serves it until it ends; `peer` is the address of the client.
    /// It counts among the [`max_connections`](Self::max_connections), and a [`Handle`] shuts it
    /// down.
    ///
    /// ```no_run
    /// # #[cfg(unix)] fn main() -> std::io::Result<()> {
    /// use std::net::{Ipv4Addr, SocketAddr};
    /// use std::os::unix::net::UnixListener;
    ///
    /// let server = ws_std::Server::bind("127.0.0.1:0")?
    ///     .websocket("/echo", |mut ws, _request| ws.for_each(|message, tx| tx.send(message)));
    /// let no_address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    /// std::thread::scope(|threads| {
    ///     for socket in UnixListener::bind("/run/echo.sock")?.incoming() {
    ///         let (server, socket) = (&server, socket?);
    ///         threads.spawn(move || server.serve_over(socket, no_address));
    ///     }
    ///     Ok(())
    /// })
    /// # }
    /// # #[cfg(not(unix))] fn main() {}
    /// ```
    pub fn serve_over(&self, socket: impl Socket, peer: SocketAddr) {
        self.core.serve(socket.into(), peer);
    }

    /// Serves until it is [shut down](Handle::shutdown). By then every connection has ended, or its
    /// grace period is over.
    ///
    /// # Errors
    ///
    /// A path that you added is misspelt or taken: the error holds the [`RouteError`]. Later, only
    /// if a listener itself fails. Failed connections and a shortage of descriptors or threads are
    /// not errors: the server continues as soon as it can.
    pub fn run(self) -> io::Result<()> {
        if let Some(misspelt) = self.core.misspelt {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, misspelt));
        }
        let core = Arc::new(self.core);
        let ended = accept::run(self.listeners, &core);
        core.log.end();
        ended
    }
}

impl Core {
    /// Puts TLS over a connection, if the server speaks it.
    #[cfg(feature = "tls")]
    fn over_tls(&self, stream: Stream) -> Stream {
        match &self.tls {
            None => stream,
            Some(tls) => Secure::server(tls, stream),
        }
    }

    #[cfg(not(feature = "tls"))]
    fn over_tls(&self, stream: Stream) -> Stream {
        stream
    }

    /// Serves one connection on this thread, or refuses it.
    fn serve(&self, stream: Stream, peer: SocketAddr) {
        let stream = Arc::new(stream);
        match self.enter(&stream, peer) {
            Ok(entry) => serve::serve(self, stream, peer, &entry),
            Err(refusal) => {
                self.log(peer, &refusal);
                LastWord::refusal(&refusal).say(&stream);
            }
        }
    }

    /// Takes a connection in.
    fn enter(&self, stream: &Arc<Stream>, peer: SocketAddr) -> Result<Entry, Refusal> {
        self.registry.counters().accepted();
        // A proxy has as many as it has clients, and will say who they are.
        let counted = !self.site.trusted.contains(peer.ip());
        self.registry.enter(stream, counted.then_some(peer.ip()))
    }

    /// Counts a refusal, and tells the application of it.
    fn log(&self, peer: SocketAddr, refusal: &Refusal) {
        let counters = self.registry.counters();
        counters.refused(refusal);
        if self.log.refusal(peer, refusal).is_err() {
            counters.unlogged();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listeners", &self.listeners)
            .field("config", &self.core.config)
            .finish_non_exhaustive()
    }
}
